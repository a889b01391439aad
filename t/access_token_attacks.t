#!/usr/bin/perl

# Tokens that are not what they seem: whatever is wrong with one, the answer is
# the same 401, soon, with nothing opened and nothing fetched.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256 hmac_sha512);
use IO::Socket::INET;
use Test::More;

use Test::Registry;
use Test::Registry::Token;
use Test::Registry::Trace;


my ($rsa, $ec, $ed, $foreign, $foreign_rsa)
    = map { new_key($_) } qw(rsa p256 ed25519 p256 rsa);
my $realm = 'https://auth.example/token';
my $common = "registry_token realm=$realm service=registry.example "
    . 'issuer=issuer.example jwks=%%DIR%%/jwks.json';

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
    Proto => 'tcp') or die "listen: $!\n";
my $url = 'http://127.0.0.1:' . $listener->sockport . '/keys';

# The third key of the set has no alg, the fourth is symmetric.

my $t = Test::Registry->new(
    ports => 1,
    http => 'large_client_header_buffers 4 32k;',
    write => {
        'jwks.json' => jwks($rsa->jwk(kid => 'rsa', alg => 'RS256'),
            $ec->jwk(kid => 'ec'), $ed->jwk(kid => 'ed'),
            { kty => 'oct', kid => 'oct', k => base64url('shared secret') }),
        'certs.pem' => $rsa->certificate
    },
    location => "$common certs=%%DIR%%/certs.pem; registry_delete on;",
    servers => <<'EOF'
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ { registry %%ROOT%%; }
}
EOF
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $image = $open->push_image('app', 'v1');
$open->push_image('app/b', 'v1');

my %good = (kid => 'ec');
my ($plain) = map { json_text($_) } claims();

is_good(jwt($ec, claims(), { %good }), 'a good one, to begin with');

no_algorithm();
symmetric();
mixed_algorithms();
own_keys();
key_names();
dates();
audiences();
issuers();
accesses();
types();
malformed();
bad_json();
critical();
signatures();
large();
nothing_fetched();
nothing_opened();
is_good(jwt($ec, claims(), { %good }), 'a good one, in the end');
nothing_logged();

finish($t);


sub ask {
    my ($token, @where) = @_;

    return $t->with(Authorization => "Bearer $token")
        ->get('/v2/app/manifests/v1', @where);
}


sub is_good {
    my ($token, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_whole(ask($token), $image->{bytes}, $name);
}


# 401 invalid_token, within 10 ms or what a slow machine makes of them.

sub is_bad {
    my ($token, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r;
    is_soon(1, "$name: soon", sub { $r = ask($token) });
    return is_challenged($r, { scheme => 'Bearer', error => 'invalid_token',
        scope => 'repository:app:pull' }, $name);
}


sub is_insufficient {
    my ($access, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged(ask(jwt($ec, claims(access => $access), { %good })),
        { scheme => 'Bearer', error => 'insufficient_scope',
            scope => 'repository:app:pull' }, $name);
}


sub no_algorithm {
    for my $alg ('"none"', '"None"', '"nOnE"', '""', '" "', '5', 'null',
        'true', '[]', '["ES256"]', '{}', '"es256"', '"ES256 "', '"ES256\u0000"',
        '"RS1"', '"ES256K"', '"dir"', '"none\u0000ES256"')
    {
        my $header = "{\"typ\":\"JWT\",\"alg\":$alg,\"kid\":\"ec\"}";
        is_bad(jwt_of($header, $plain, ''), "A79 alg $alg, no signature");
        is_bad(jwt_of($header, $plain, 'x' x 64), "A79 alg $alg, any one");
        is_bad(jwt_of($header, $plain, $ec, 'ES256'),
            "A79 alg $alg, a right one");
    }

    is_bad(jwt_of('{"typ":"JWT","kid":"ec"}', $plain, $ec), 'A79 no alg');
    is_bad(jwt_of('{"typ":"JWT","kid":"ec"}', $plain, ''),
        'A79 no alg, no signature');
    is_bad(jwt_of('{}', $plain, $ec), 'A79 an empty header');
}


sub symmetric {
    my %secrets = ('the public key, PEM' => $rsa->public,
        'the public key without its last newline'
            => $rsa->public =~ s/\n\z//r,
        'the public key, DER' => $rsa->public_der,
        'the JSON of the key' => json_text($rsa->jwk),
        'the modulus' => $rsa->jwk->{n},
        'the certificate' => $rsa->certificate, 'nothing' => '',
        'the point of the other key' => substr($ec->public_der, -65),
        'the secret of the set' => 'shared secret');

    for my $what (sort keys %secrets) {
        for my $kid ('rsa', 'ec', 'oct', undef) {
            my %header = (typ => 'JWT', defined $kid ? (kid => $kid) : ());
            is_bad(jwt_of(json_text({ %header, alg => 'HS256' }), $plain,
                sub { hmac_sha256($_[0], $secrets{$what}) }),
                "A80 HS256 with $what, kid " . ($kid // 'absent'));
        }
        is_bad(jwt_of(json_text({ typ => 'JWT', alg => 'HS512',
            kid => 'rsa' }), $plain,
            sub { hmac_sha512($_[0], $secrets{$what}) }),
            "A80 HS512 with $what");
    }
}


# A key is used with the algorithms of its kind, and with its own alg alone.

sub mixed_algorithms {
    my %of = (rsa => $rsa, ec => $ec, ed => $ed);

    for my $alg (qw(RS256 RS512 PS256 ES256 ES384 EdDSA)) {
        for my $kid (qw(rsa ec ed)) {
            next if "$alg $kid" =~ /RS256 rsa|ES256 ec|EdDSA ed/;
            my $key = $of{$kid};
            my $header = json_text({ typ => 'JWT', alg => $alg, kid => $kid });
            is_bad(jwt_of($header, $plain, $key, $key->algorithm),
                "A80 $alg with the key $kid");
        }
    }

    # right but for what the key is meant for

    is_bad(jwt($rsa, claims(), { kid => 'rsa', alg => $_ }),
        "A80 $_ with a key for RS256") for qw(RS384 RS512 PS256);
}


sub own_keys {
    my $self = $foreign->certificate(ca => 1, name => '/CN=key');
    my $x5c = Test::Registry::Token::x5c($self);

    for my $kid ('ec', 'own', undef) {
        my %h = defined $kid ? (kid => $kid) : ();
        my $name = defined $kid ? "kid $kid" : 'no kid';

        is_bad(jwt($foreign, claims(), { %h }), "A81 another key, $name");
        is_bad(jwt($foreign, claims(), { %h, jwk => $foreign->jwk }),
            "A81 jwk, $name");
        is_bad(jwt($foreign, claims(), { %h,
            jwk => $foreign->jwk(kid => 'ec') }), "A81 jwk with a kid, $name");
        is_bad(jwt($foreign, claims(), { %h, x5c => $x5c }),
            "A81 x5c, $name");
        is_bad(jwt($foreign, claims(), { %h, jku => $url }),
            "A81 jku, $name");
        is_bad(jwt($foreign, claims(), { %h, x5u => $url,
            'x5t' => base64url('x' x 20) }), "A81 x5u, $name");
        is_bad(jwt($foreign, claims(), { %h, jku => $url, x5u => $url,
            jwk => $foreign->jwk, x5c => $x5c }), "A81 all of them, $name");
    }

    # a trusted key described, another one signing; and half of one

    is_bad(jwt($foreign, claims(), { jwk => $ec->jwk }),
        'A81 the jwk of a trusted key');
    is_bad(jwt($foreign, claims(), { jwk => { %{ $foreign->jwk },
        x => $ec->jwk->{x} } }), 'A81 a jwk of two halves');
    is_bad(jwt($foreign_rsa, claims(), { jwk => { %{ $foreign_rsa->jwk },
        n => $rsa->jwk->{n} } }), 'A81 the modulus of a trusted key');
    is_bad(jwt($rsa, claims(), { jwk => { %{ $rsa->jwk }, e => 'AQ' } }),
        'A81 a trusted key with another exponent');
    is_bad(jwt($ec, claims(), { jwk => $_ }), 'A81 a jwk that is none')
        for 'x', 5, [], {}, { kty => 'EC' }, { kty => 'oct', k => '' };
    is_bad(jwt_of(json_text({ typ => 'JWT', alg => 'HS256',
        jwk => { kty => 'oct', k => base64url('mine') } }), $plain,
        sub { hmac_sha256($_[0], 'mine') }), 'A81 a symmetric jwk');

    # what is not asked does not harm

    is_good(jwt($ec, claims(), { %good, jku => $url, x5u => $url }),
        'A81 jku and x5u beside a good kid are not looked at');
}


sub key_names {
    for my $kid ('../../etc/passwd', '/etc/passwd', '../jwks.json', 'ec\\u0000',
        'EC', 'e', 'ec ', '', '*', '.*', '%s%n', 'x' x 300, 'x' x 12_000,
        "ec' OR 1=1", 'file:///etc/passwd', $url)
    {
        my $text = $kid =~ /\\/ ? "\"$kid\"" : json_text($kid);
        my $header = "{\"alg\":\"ES256\",\"kid\":$text,\"typ\":\"JWT\"}";
        is_bad(jwt_of($header, $plain, $ec),
            'A82 kid ' . substr $kid, 0, 30);
    }

    is_bad(jwt_of("{\"alg\":\"ES256\",\"kid\":$_,\"typ\":\"JWT\"}", $plain,
        $ec), "A82 kid $_") for 5, 0, 'true', '[]', '["ec"]', '{}';
    is_bad(jwt($ec, claims()), 'A82 no kid, several keys');
}


# Times are whole seconds, with 60 s of leeway.

sub dates {
    my $now = time;

    is_good(jwt($ec, claims(exp => $now - 50), { %good }),
        'A83 exp 50 s ago: within the leeway');
    is_good(jwt($ec, claims(nbf => $now + 50, iat => $now + 50), { %good }),
        'A83 nbf and iat in 50 s: within the leeway');
    is_bad(jwt($ec, claims(exp => $now - 61), { %good }), 'A83 exp 61 s ago');
    is_bad(jwt($ec, claims(nbf => $now + 70), { %good }), 'A83 nbf in 70 s');
    is_bad(jwt($ec, claims(iat => $now + 70), { %good }), 'A83 iat in 70 s');
    is_bad(jwt($ec, claims(exp => undef), { %good }), 'A83 no exp');
    is_good(jwt($ec, claims(nbf => undef, iat => undef), { %good }),
        'A83 neither nbf nor iat');

    for my $value ('"' . ($now + 300) . '"', ($now + 300) . '.5', '-1',
        '9223372036854775807', '9223372036854775808', '18446744073709551616',
        '1e300', '1e10', 'null', 'true', '[]', '{}', '""', '-0', '1E400')
    {
        for my $claim (qw(exp nbf iat)) {
            next if $value eq '-0' && $claim ne 'exp';
            my $text = json_text(claims($claim => 'HERE'));
            $text =~ s/"HERE"/$value/;
            is_bad(jwt_of(json_text({ typ => 'JWT', alg => 'ES256', %good }),
                $text, $ec), "A83 $claim $value");
        }
    }
}


sub audiences {
    my @many = map { "other$_" } 1 .. 1000;

    is_good(jwt($ec, claims(aud => $_->[1]), { %good }), "A84 aud $_->[0]")
        for ['a list of ours', ['registry.example']],
            ['a list with ours', ['x', 'registry.example', 'y']],
            ['a long list', [@many, 'registry.example']];

    for (['of another', 'other.example'], ['in capitals', 'REGISTRY.EXAMPLE'],
        ['and more', 'registry.example.evil'], ['empty', ''],
        ['with a blank', 'registry.example '], ['absent', undef],
        ['an empty list', []], ['a list of others', [@many]],
        ['a number', 5], ['null', \undef], ['an object', { a => 'b' }],
        ['a list of a list', [['registry.example']]], ['a list of numbers',
        [5]], ['a list of objects', [{ aud => 'registry.example' }]],
        ['true', JSON::PP::true()])
    {
        is_bad(jwt($ec, claims(aud => $_->[1]), { %good }), "A84 aud $_->[0]");
    }
}


sub issuers {
    for (['of another', 'other.example'], ['in other case', 'Issuer.example'],
        ['with a slash', 'issuer.example/'], ['with a dot', 'issuer.example.'],
        ['empty', ''], ['absent', undef], ['a list', ['issuer.example']],
        ['a number', 5], ['null', \undef], ['with a NUL',
        "issuer.example\0"])
    {
        is_bad(jwt($ec, claims(iss => $_->[1]), { %good }), "A84 iss $_->[0]");
    }

    for (['a number', 5], ['a list', ['alice']], ['an object', {}]) {
        is_bad(jwt($ec, claims(sub => $_->[1]), { %good }), "A84 sub $_->[0]");
    }
}


# What a token does not say clearly it does not allow.

sub accesses {
    my @rows = (
        ['absent', undef], ['null', \undef], ['empty', []], ['a word', 'pull'],
        ['an object', access('app', 'pull')], ['a list of words', ['app']],
        ['another type', [{ %{ access('app', 'pull') }, type => 'registry' }]],
        ['no type', [{ name => 'app', actions => ['pull'] }]],
        ['a type in capitals', [{ %{ access('app', 'pull') },
            type => 'Repository' }]],
        ['no name', [{ type => 'repository', actions => ['pull'] }]],
        ['an empty name', [access('', 'pull')]],
        ['a name above', [access('ap', 'pull')]],
        ['a name below', [access('app/b', 'pull')]],
        ['a name and a slash', [access('app/', 'pull')]],
        ['a glob', [access('a*', 'pull')]], ['a star', [access('*', '*')]],
        ['two stars', [access('**', '*')]],
        ['an expression', [access('~.*', 'pull')]],
        ['a name in capitals', [access('APP', 'pull')]],
        ['a name with a host', [access('registry.example/app', 'pull')]],
        ['a name with a tag', [access('app:v1', 'pull')]],
        ['dots', [access('x/../app', 'pull')]],
        ['another encoding', [access('%61pp', 'pull')]],
        ['actions that are a word', [{ type => 'repository', name => 'app',
            actions => 'pull' }]],
        ['actions with a comma', [access('app', 'push,pull')]],
        ['actions in capitals', [access('app', 'PULL')]],
        ['actions that are objects', [access('app', { pull => 1 })]],
        ['no actions', [access('app')]],
        ['unknown actions', [access('app', 'read', 'admin')]],
        ['push, to pull', [access('app', 'push')]],
        ['delete, to pull', [access('app', 'delete')]],
        ['the catalogue', [{ type => 'registry', name => 'catalog',
            actions => ['*'] }]]
    );

    is_insufficient($_->[1], "A85 access: $_->[0]") for @rows;
    is_bad(jwt($ec, claims(access => [access("app\0x", 'pull')]), { %good }),
        'A85 access: a name with a NUL');
    is_good(jwt($ec, claims(access => [{}, 5, 'x', access('x', 'pull'),
        access('app', 'pull')]), { %good }), 'A85 junk before what counts');
    is_good(jwt($ec, claims(access => [access('app', '*')]), { %good }),
        'A85 a star among actions');

    # a name is not the beginning of another one

    my $v = $t->with(Authorization => 'Bearer ' . jwt($ec, claims(access =>
        [access('app', 'pull')]), { %good }));
    is_challenged($v->get('/v2/app/b/manifests/v1'),
        { error => 'insufficient_scope', scope => 'repository:app/b:pull' },
        'A85 app is not app/b');
    is_challenged($v->post('/v2/app/blobs/uploads/', body => ''),
        { error => 'insufficient_scope', scope => 'repository:app:pull,push' },
        'A85 pull, to push');

    $v = $t->with(Authorization => 'Bearer ' . jwt($ec, claims(access =>
        [access('app', 'pull', 'push')]), { %good }));
    is_challenged($v->delete('/v2/app/manifests/v1'),
        { error => 'insufficient_scope', scope => 'repository:app:delete' },
        'A85 push, to delete');
    is_challenged($v->delete("/v2/app/blobs/$image->{digest}"),
        { error => 'insufficient_scope', scope => 'repository:app:delete' },
        'A85 push, to delete a blob');
    is_challenged($v->delete('/v2/app/_nginx/repository/content'),
        { error => 'insufficient_scope', scope => 'repository:app:delete' },
        'A85 push, to delete all of it');
    is_status($open->get('/v2/app/manifests/v1'), 200, 'A85 it is there');
}


sub types {
    is_good(jwt($ec, claims(), { %good, typ => $_ }),
        'typ ' . ($_ // 'absent')) for 'JWT', 'at+jwt', undef;
    is_bad(jwt($ec, claims(), { %good, typ => $_ }), "typ $_")
        for 'refresh', 'JWE', 'JOSE+JSON', 'x' x 100;
}


sub malformed {
    my $good = jwt($ec, claims(), { %good });
    my ($h, $c, $s) = split /\./, $good;
    my %rows = (
        'one dot' => "$h.$c", 'no dot' => "$h$c$s", 'dots alone' => '..',
        'three dots' => "$good.", 'four dots' => "$h.$c.$s.x.y",
        'a dot in front' => ".$good", 'ten dots' => join('.', ($h) x 11),
        'padding' => "$h=.$c=.$s=", 'padding, two' => "$h==.$c.$s",
        'padding at the end' => "$good=", 'padding at the end, two' =>
        "$good==", 'a blank inside' => "$h. $c.$s",
        'a tab inside' => "$h.\t$c.$s", 'a comma' => "$h.$c.$s,",
        'an empty header' => ".$c.$s", 'empty claims' => "$h..$s",
        'a star' => "$h.$c.*", 'bytes over 0x7f' => "$h.$c.\xff\xfe",
        'quotes' => "\"$good\"", 'the order changed' => "$c.$h.$s",
        'half of it' => substr($good, 0, length($good) / 2),
        'one letter less' => substr($good, 0, -1),
        'a letter more' => "${good}A", 'the ordinary alphabet' => join('.',
            map { MIME::Base64::encode_base64($_, '') }
            '{"alg":"ES256","kid":"ec","x":"???>>>~~~"}', $plain, 'x' x 64)
    );

    is_bad($rows{$_}, "A86 $_") for sort keys %rows;

    # bits that belong to nothing behind the last letter

    my $last = substr $s, -1;
    my @alphabet = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');
    my ($at) = grep { $alphabet[$_] eq $last } 0 .. 63;
    is_bad("$h.$c." . substr($s, 0, -1) . $alphabet[$at ^ 1],
        'A86 another spelling of the same signature');

    for my $dots (1000, 10_000) {
        is_bad('.' x $dots, "A86 $dots dots");
    }
}


sub bad_json {
    my $header = json_text({ typ => 'JWT', alg => 'ES256', %good });
    my $ok = substr $plain, 0, -1;
    my %claims = (
        'nothing' => '', 'null' => 'null', 'a list' => "[$plain]",
        'a word' => '"x"', 'half' => substr($plain, 0, 40),
        'more behind' => "$plain {}", 'twice' => "$plain$plain",
        'a BOM' => "\xef\xbb\xbf$plain", 'bad UTF-8' => "$ok,\"x\":\"\xff\"}",
        'a lone surrogate' => "$ok,\"x\":\"\\ud800\"}",
        'a NUL' => "$plain\0", 'a NUL in a key' => "$ok,\"x\\u0000\":1}",
        'a comma too many' => "$ok,}", 'a comment' => "$ok/**/}",
        'single quotes' => $plain =~ tr/"/'/r,
        '1,000 levels' => "$ok,\"x\":" . '[' x 1000 . ']' x 1000 . '}',
        'a claim twice' => "$ok,\"aud\":\"registry.example\"}",
        'access twice' => "$ok,\"access\":[]}",
        'exp twice' => "$ok,\"exp\":9999999999}"
    );
    my %headers = (
        'alg twice' => '{"alg":"none","alg":"ES256","kid":"ec"}',
        'alg twice, the other way' =>
            '{"alg":"ES256","kid":"ec","alg":"none"}',
        'kid twice' => '{"alg":"ES256","kid":"ec","kid":"rsa"}',
        'a list' => '["ES256"]', 'null' => 'null', 'no JSON' => 'ES256',
        'more behind' => "$header}",
        '1,000 levels' => '{"alg":"ES256","kid":"ec","x":' . '[' x 1000
            . ']' x 1000 . '}'
    );

    for my $name (sort keys %claims) {
        is_bad(jwt_of($header, $claims{$name}, $ec), "A86 claims: $name");
    }
    is_bad(jwt_of($headers{$_}, $plain, $ec), "A86 header: $_")
        for sort keys %headers;

    # nothing wrong with it but its size

    is_status(ask(jwt_of($header, "$ok,\"x\":[" . join(',', ('{}') x 5000)
        . ']}', $ec)), [200, 401], 'A86 claims: 5,000 objects');
}


sub critical {
    is_bad(jwt($ec, claims(), { %good, %$_ }), 'A86 ' . json_text($_))
        for { crit => ['b64'], b64 => JSON::PP::false() },
            { crit => ['exp'] }, { crit => ['x'], x => 1 }, { crit => [] },
            { crit => 'x' }, { crit => ['kid'] };
    is_status(ask(jwt($ec, claims(), { %good, b64 => JSON::PP::false() })),
        [200, 401], 'A86 b64 without crit');
}


# Signatures that a careless verifier takes.

sub signatures {
    my $header = json_text({ typ => 'JWT', alg => 'ES256', %good });
    my $input = base64url($header) . '.' . base64url($plain);
    my $right = $ec->sign('ES256', $input);
    my $order = pack 'H*', 'ffffffff00000000ffffffffffffffff'
        . 'bce6faada7179e84f3b9cac2fc632551';
    my $der = sub {
        my ($r, $s) = map { s/\A\0+//r } unpack 'a32 a32', $_[0];
        $_ = "\0$_" for grep { ord($_) > 127 } $r, $s;
        my $body = join '', map { "\x02" . chr(length) . $_ } $r, $s;
        return "\x30" . chr(length $body) . $body;
    };

    my %rows = ('zeros' => "\0" x 64, 'r is zero' => "\0" x 32
            . substr($right, 32), 's is zero' => substr($right, 0, 32)
            . "\0" x 32, 'r and s are the order' => $order x 2,
        'in DER' => $der->($right), 'r alone' => substr($right, 0, 32),
        'with a byte in front' => "\0$right", 'twice' => $right x 2,
        'halves exchanged' => substr($right, 32) . substr($right, 0, 32),
        'empty' => '');

    is_bad(jwt_of($header, $plain, $rows{$_}), "A86 ES256, signature $_")
        for sort keys %rows;
    is_good(jwt_of($header, $plain, $right), 'A86 and the right one');

    my $rs = json_text({ typ => 'JWT', alg => 'RS256', kid => 'rsa' });
    is_bad(jwt_of($rs, $plain, $_->[1]), "A86 RS256, signature $_->[0]")
        for ['of zeros', "\0" x 256], ['one', "\0" x 255 . "\1"],
            ['of 0xff', "\xff" x 256], ['of 128 bytes', 'x' x 128],
            ['of 4,000 bytes', 'x' x 4000];
}


sub large {
    my ($pid) = $t->workers;
    my $before = rss_of($pid);

    for my $size (10_000, 30_000) {
        is_bad('x' x $size, "A86 $size letters");
        is_bad(jwt($ec, claims(pad => 'x' x ($size * 0.7)), { kid => 'none' }),
            "A86 claims of $size bytes under no key");
    }

    for my $size (70_000, 1_000_000) {
        my $r = ask('x' x $size);
        ok($r->status == 400 || $r->status == 401 || $r->status == 0,
            "A86 a header of $size bytes") or diag $r->as_text;
    }

    ask(join '.', map { base64url($_) } '{"alg":"ES256","kid":"ec"}',
        '[' x 15_000, 'x' x 64) for 1 .. 300;
    my $grown = rss_of($pid) - $before;
    my $slack = sanitized() ? 256 : 16;
    cmp_ok($grown, '<', $slack << 20, 'R6 A86 memory stays flat')
        or diag "grown by $grown bytes";
}


sub nothing_fetched {
    my $in = '';
    vec($in, fileno $listener, 1) = 1;
    is(select($in, undef, undef, 0.2), 0,
        'A81 nobody came to the address of jku and x5u');
}


# No name in a token leads to a file.

sub nothing_opened {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 1)
            if !Test::Registry::Trace::available();

        my $trace = Test::Registry::Trace->attach($t->workers,
            calls => [qw(open openat connect socket)]);
        ask(jwt($foreign, claims(), { kid => $_, jku => $url, x5u => $url,
            jwk => $foreign->jwk })) for '../../etc/passwd', '/etc/passwd',
            'ec', $url;
        my @calls = grep { $_->{name} =~ /connect|socket/
            || $_->{text} =~ /passwd/ } $trace->stop;
        is(scalar @calls, 0, 'A82 no file of a kid is opened, no socket made')
            or diag map { "$_->{text}\n" } @calls;
    }
}


sub nothing_logged {
    my $log = $t->log_text;
    my @parts = map { split /\./ } jwt($ec, claims(), { %good });

    ok(index($log, 'eyJ') < 0, 'no token is in the error log')
        or diag $log =~ /(.*eyJ.*)/;
    ok(index($log, $parts[0]) < 0, 'nor its header');
}

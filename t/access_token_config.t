#!/usr/bin/perl

# What nginx -t says of tokens, and which of two ways of login is in force on
# which level.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;
use Test::Registry::Token;


my ($rsa, $ec, $short, $odd) = map { new_key($_) } qw(rsa p256 rsa1024 k256);
my $realm = 'realm=https://auth.example/token';
my $named = 'service=registry.example issuer=issuer.example';
my $set = 'jwks=%%DIR%%/jwks.json';
my $login = 'registry_htpasswd "R" %%DIR%%/users;';

my %files = (
    users => htpasswd(alice => 'secret'),
    'jwks.json' => jwks($ec->jwk(kid => 'k')),
    'certs.pem' => $rsa->certificate, 'public.pem' => $ec->public,
    'private.pem' => $ec->pem,
    'oct.json' => jwks({ kty => 'oct', kid => 'o', k => 'c2VjcmV0' }),
    'mixed.json' => jwks({ kty => 'oct', kid => 'o', k => 'c2VjcmV0' },
        $ec->jwk(kid => 'k'), { kty => 'X' }, $ec->jwk(use => 'enc'),
        $odd->jwk, $short->jwk),
    'short.json' => jwks($short->jwk), 'odd.json' => jwks($odd->jwk),
    'empty.json' => jwks(), 'junk.json' => '{"keys":[{]}', 'nothing' => '',
    'text' => "this is no key\n", 'key.json' => json_text($ec->jwk),
    'der' => $ec->public_der, 'large' => 'x' x 2_000_000,
    'short.pem' => $short->certificate,
    'half.pem' => substr($rsa->certificate, 0, 300)
);

refused();
refused_server();
accepted();
passed_over();
levels();
anonymous_makes_it();
one_address();
realm_of_variables();

done_testing();


sub check {
    my ($text, %o) = @_;

    my $t = Test::Registry->new(location => $text, write => \%files, %o);
    return ($t->check, $t);
}


sub is_refused {
    my ($what, $text, $pattern, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($rc, $said) = check($text, %o);
    my ($line) = grep { /\[emerg\]/ } split /\n/, $said;
    my $ok = ok($rc != 0 && ($line // '') =~ /nginx\.conf:\d+\z/
        && $said =~ $pattern, "refused: $what");
    diag "wanted $pattern\n$said" if !$ok;
    unlike($said, qr/PRIVATE KEY|c2VjcmV0/, 'and shows no key') if $ok;
    return $ok;
}


sub refused {
    my $token = "registry_token $realm $named";

    is_refused(@$_) for
        ['no parameter', 'registry_token;', qr/registry_token/],
        ['on', 'registry_token on;', qr/registry_token/],
        ['no realm', "registry_token $named $set;", qr/realm/],
        ['no service', "registry_token $realm issuer=a $set;", qr/service/],
        ['no issuer', "registry_token $realm service=a $set;", qr/issuer/],
        ['no keys', "$token;", qr/certs=|jwks=/],
        ['an empty realm', "registry_token realm= $named $set;", qr/realm/],
        ['a relative realm', "registry_token realm=/token $named $set;",
            qr/realm/],
        ['a realm without a scheme', "registry_token realm=a.example/token "
            . "$named $set;", qr/realm/],
        ['a realm of ftp', "registry_token realm=ftp://a/token $named $set;",
            qr/realm/],
        ['a realm with quotes', "registry_token 'realm=https://a/\"x' "
            . "$named $set;", qr/realm/],
        ['auto with a bad path', "registry_token realm=auto:token $named "
            . "$set;", qr/auto|realm/],
        ['an empty service', "registry_token $realm service= issuer=a $set;",
            qr/service/],
        ['a service with a tab', "registry_token $realm \"service=a\tb\" "
            . "issuer=a $set;", qr/service/],
        ['a service in Latin-1', "registry_token $realm service=caf\xe9 "
            . "issuer=a $set;", qr/service=.* is no UTF-8/],
        ['an issuer in Latin-1', "registry_token $realm service=a "
            . "issuer=caf\xe9 $set;", qr/issuer=.* is no UTF-8/],
        ['the algorithm none', "$token $set algorithms=none;", qr/none/],
        ['the algorithm HS256', "$token $set algorithms=HS256;", qr/HS256/],
        ['HS256 among others', "$token $set algorithms=RS256,HS256;",
            qr/HS256/],
        ['no algorithm', "$token $set algorithms=;", qr/algorithms/],
        ['an algorithm in small letters', "$token $set algorithms=rs256;",
            qr/rs256/],
        ['an unknown parameter', "$token $set x=y;", qr/x=y/],
        ['a parameter twice', "$token $set service=b;", qr/service/],
        ['the directive twice', "$token $set; $token $set;", qr/duplicate/],
        ['a key set that is not there', "$token jwks=%%DIR%%/none;",
            qr/none/],
        ['certificates that are not there', "$token certs=%%DIR%%/none;",
            qr/none/],
        ['a folder', "$token jwks=%%DIR%%;", qr/regular|directory|key/];

    is_refused("a key set that is $_", "$token jwks=%%DIR%%/$_;", qr/\Q$_\E/)
        for qw(junk.json nothing text empty.json oct.json short.json odd.json
            large);
    is_refused("certificates that are $_", "$token certs=%%DIR%%/$_;",
        qr/\Q$_\E/) for qw(nothing text der short.pem half.pem large);
    is_refused('a private key alone', "$token certs=%%DIR%%/private.pem;",
        qr/private\.pem/);

    is_refused('registry_token beside registry_token_server on',
        "$login $token $set; registry_token_server on;",
        qr/registry_token_server|registry_token/);
    is_refused('the same on two levels', 'registry_token_server on;',
        qr/registry_token/, server => "$login $token $set;");
}


sub refused_server {
    is_refused(@$_) for
        ['a server without a login', 'registry_token_server on;',
            qr/registry_htpasswd|registry_access_tokens/],
        ['maybe', "$login registry_token_server maybe;",
            qr/"on", "off" or "auto"/],
        ['a short life', "$login registry_token_server on lifetime=59s;",
            qr/lifetime/],
        ['no life', "$login registry_token_server on lifetime=0;",
            qr/lifetime/],
        ['a life that is no time', "$login registry_token_server on "
            . 'lifetime=x;', qr/lifetime/],
        ['a refresh that is no time', "$login registry_token_server on "
            . 'refresh=x;', qr/refresh/],
        ['the algorithm RS256', "$login registry_token_server on "
            . 'algorithm=RS256;', qr/RS256/],
        ['the algorithm HS256', "$login registry_token_server on "
            . 'algorithm=HS256;', qr/HS256/],
        ['an unknown parameter', "$login registry_token_server on x=y;",
            qr/x=y/],
        ['a relative realm', "$login registry_token_server on realm=/t;",
            qr/realm/],
        ['an empty service', "$login registry_token_server on service=;",
            qr/service/],
        ['a service in Latin-1', "$login registry_token_server on "
            . "service=caf\xe9;", qr/service=.* is no UTF-8/],
        ['twice', "$login registry_token_server on; "
            . 'registry_token_server off;', qr/duplicate/],
        ['a key that is a public one', "$login registry_token_server on "
            . 'key=%%DIR%%/public.pem;', qr/public\.pem/];
}


sub accepted {
    for (["registry_token $realm $named $set;", 'a key set'],
        ["registry_token $realm $named certs=%%DIR%%/certs.pem;",
            'certificates'],
        ["registry_token $realm $named certs=%%DIR%%/public.pem;",
            'a public key in PEM'],
        ["registry_token $realm $named $set certs=%%DIR%%/certs.pem;",
            'both'],
        ["registry_token realm=auto $named $set;", 'realm=auto'],
        ["registry_token $realm $named $set; registry_token_server off;",
            'a server switched off beside it'],
        ["$login registry_token_server auto lifetime=1h refresh=off;",
            'auto with parameters'],
        ["$login registry_token_server on lifetime=60s algorithm=EdDSA;",
            'a life of a minute'],
        ['registry_token off; registry_token_server off;', 'off'])
    {
        my ($text, $name) = @$_;
        my ($rc, $said) = check($text);
        is($rc, 0, "accepted: $name") or diag $said;
    }
}


# Of a set with keys of every sort those that are of use count.

sub passed_over {
    my ($rc, $said, $t) = check("registry_token $realm $named "
        . 'jwks=%%DIR%%/mixed.json;');

    is($rc, 0, 'a key set with some that are of no use') or diag $said;
    like($said, qr/\[warn\].*mixed\.json/, 'is warned of');
    unlike($said, qr/c2VjcmV0/, 'without showing a secret');

    $t->run;
    is_status($t->with(Authorization => 'Bearer ' . jwt($ec, claims(),
        { kid => 'k' }))->get('/v2/'), 200, 'the good one counts');
    for my $key ($short, $odd) {
        is_status($t->with(Authorization => 'Bearer ' . jwt($key, claims(),
            { kid => $key->thumbprint }))->get('/v2/'), 401,
            'a weak one does not');
    }
    $t->finish;
}


sub levels {
    my $t = Test::Registry->new(
        ports => 4, write => \%files,
        http => "registry_token $realm $named $set; $login",
        location => '',
        servers => join '', map { "server {\nlisten 127.0.0.1:%%PORT$_->[0]%%;"
            . "\n$_->[1] location /v2/ { registry %%ROOT%%; $_->[2] }\n}\n" }
            [1, 'registry_token off;', ''],
            [2, '', 'registry_token off; registry_htpasswd off;'],
            [3, 'registry_token off;', 'registry_token_server on;'],
            [4, '', 'registry_htpasswd off;']
    )->run;
    my @at = map { [port => $t->extra_port($_)] } 0 .. 4;

    is_challenged($t->get('/v2/'), { scheme => 'Bearer',
        realm => 'https://auth.example/token' }, 'from http');
    is_status($t->as('alice', 'secret')->get('/v2/'), 200,
        'from http: a login');
    is_challenged($t->get('/v2/', @{ $at[1] }), { scheme => 'Basic' },
        'switched off in a server');
    is_status($t->get('/v2/', @{ $at[2] }), 200, 'all of it switched off');
    is_challenged($t->get('/v2/', @{ $at[3] }), { scheme => 'Bearer',
        realm => qr/_nginx\/token\z/ }, 'the server in place of it');
    is_challenged($t->as('alice', 'secret', @{ $at[4] })->get('/v2/'),
        { scheme => 'Bearer' }, 'without the password file');
    $t->finish;
}


# auto: a rule that names anonymous, and only that, wherever it stands.

sub anonymous_makes_it {
    my $t = Test::Registry->new(
        ports => 5,
        write => { %files, rules => "allow anonymous pull public/**\n",
            others => "allow alice pull **\ndeny anonymous pull **\n" },
        server => $login,
        location => 'registry_allow alice * **; '
            . 'registry_allow anonymous pull public/**;',
        servers => join '', map { "server {\nlisten 127.0.0.1:%%PORT$_->[0]%%;"
            . "\n$login location /v2/ { registry %%ROOT%%; $_->[1] }\n}\n" }
            [1, 'registry_rules %%DIR%%/rules;'],
            [2, 'registry_rules %%DIR%%/others;'],
            [3, 'registry_allow * pull public/**;'],
            [4, 'registry_allow authenticated pull **;'],
            [5, '']
    )->run;
    my %want = (0 => 'Bearer', 1 => 'Bearer', 2 => 'Basic', 3 => 'Bearer',
        4 => 'Basic', 5 => 'Basic');

    for my $n (sort keys %want) {
        is_challenged($t->get('/v2/', port => $t->extra_port($n)),
            { scheme => $want{$n} }, "server $n: $want{$n}");
    }
    $t->finish;
}


# One location of a server gives the tokens for all of them: they have to know
# its key and its users.

sub one_address {
    my $own = 'registry_token_server on';
    my $two = 'location /v2/two/ { registry %%DIR%%/two;';
    my $same = 'location /v2/two/ { registry %%ROOT%%;';
    my $else = 'registry_htpasswd "R" %%DIR%%/others;';

    for (['two directories', "$own;", "$two }", qr/different keys.*key=file/],
        ['two key files', "$own;", "$same $own key=%%DIR%%/signing.pem; }",
            qr/different keys/],
        ['two password files', "$own;", "$same $else }",
            qr/different files of users.*registry_htpasswd/],
        ['one directory', "$own;", "$same }"],
        ['one key', "$own key=%%DIR%%/signing.pem;", "$two }"],
        ['a realm of its own', "$own;", "$two $own "
            . 'realm=https://$http_host/v2/two/_nginx/token; }'],
        ['none in one of them', "$own;", "$two registry_token_server off; }"],
        ['a server of its own', "$own;", '', undef, "server { $login\n"
            . "listen 127.0.0.1:%%PORT1%%; $two $own; } }"],
        ['no address of ours', "registry_token $realm $named $set;", "$two }"])
    {
        my ($name, $text, $other, $pattern, $servers) = @$_;
        my ($rc, $said) = check('', server => "$login $text $other",
            servers => $servers // '', ports => 1, write => { %files,
                others => $files{users}, 'signing.pem' => $ec->pem });
        my @lines = grep { /locations of one server/ } split /\n/, $said;

        is($rc, 0, "accepted: $name") or diag $said;
        is(scalar @lines, $pattern ? 1 : 0, $pattern ? 'and warned of'
            : 'without a warning') or diag $said;
        like($lines[0], $pattern, 'which says what to do') if $pattern;
    }
}


# realm= may hold variables; what a client puts into them stays inside.

sub realm_of_variables {
    my $t = Test::Registry->new(
        ports => 1, write => \%files,
        location => "$login registry_token_server on "
            . 'realm=https://$http_host/v2/_nginx/token;',
        servers => <<"EOF")->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_token realm=https://\$host/\$http_x_path $named $set;
    }
}
EOF
    is_challenged($t->get('/v2/', headers => [['Host', 'a.example:5000']]),
        { realm => 'https://a.example:5000/v2/_nginx/token' },
        'a realm with $http_host');

    for my $host ('a"b', 'a\\b', 'a,b="c"', 'a b', '<a>', "a\xc3\xa9") {
        my $r = $t->get('/v2/', headers => [['Host', $host]]);
        next if $r->status == 400 && ok(1, "A88 Host $host is refused");
        my @all = $r->headers('WWW-Authenticate');
        ok($r->status >= 400 && (!@all || (challenge($r)
            && index(challenge($r)->{realm}, $host) < 0)),
            "A88 Host $host does not break the challenge") or diag $r->as_text;
    }

    for my $path ('x', 'x"y', 'x", scope="y', "x\ty", 'x\\') {
        my $r = $t->get('/v2/', port => $t->extra_port(1),
            headers => [['X-Path', $path]]);
        my @all = $r->headers('WWW-Authenticate');
        ok($r->status >= 400 && (!@all || challenge($r)),
            "A88 a variable with '$path' does not break the challenge")
            or diag $r->as_text;
        unlike("@all", qr/scope="y/, 'A88 and adds nothing to it');
    }
    $t->finish;
}

#!/usr/bin/perl

# Which keys count: of every kind, under every name they go by, at the end of
# a chain, and from the moment their file changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(decode_base64url);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Token;


my %key = map { $_ => new_key($_) } qw(rsa p256 p384 p521 ed25519);
my $other = new_key('p256');
my $root = new_key('p256');
my $root_crt = $root->certificate(ca => 1, name => '/CN=root');

my $realm = 'https://auth.example/token';
my $token = "registry_token realm=$realm service=registry.example "
    . 'issuer=issuer.example';
my $every = 'algorithms=RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,'
    . 'ES512,EdDSA';

my @locations = (
    '',
    "$token jwks=%%DIR%%/one.json;",
    "$token jwks=%%DIR%%/jwks.json algorithms=ES256;",
    "$token jwks=%%DIR%%/changing.json;",
    "$token certs=%%DIR%%/changing.pem;"
);

my $n = 0;
my $servers = join '', map {
    $n++;
    "server {\nlisten 127.0.0.1:%%PORT$n%%;\n"
        . "location /v2/ { registry %%ROOT%%; $_ }\n}\n"
} @locations;

my $t = Test::Registry->new(
    ports => $n, servers => $servers,
    write => {
        'certs.pem' => $root_crt . $key{rsa}->certificate,
        'jwks.json' => jwks($key{p256}->jwk(kid => 'kp256'),
            $key{p384}->jwk(kid => 'kp384', use => 'sig'),
            $key{p521}->jwk(kid => 'kp521', alg => 'ES512'),
            $key{ed25519}->jwk(kid => 'ked25519', key_ops => ['verify']),
            $key{rsa}->jwk(kid => 'krsa')),
        'one.json' => jwks($key{p256}->jwk),
        'changing.json' => jwks($key{p256}->jwk(kid => 'k')),
        'changing.pem' => $root_crt
    },
    location => "$token certs=%%DIR%%/certs.pem jwks=%%DIR%%/jwks.json "
        . "$every;"
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $image = $open->push_image('app', 'v1');

every_key();
every_name();
only_key();
fewer_algorithms();
chains();
keys_change();
roots_change();

finish($t);


sub lets_in {
    my ($token, $name, %where) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_whole($t->bearing($token, %where)->get('/v2/app/manifests/v1'),
        $image->{bytes}, $name);
}


sub is_invalid {
    my ($token, $name, %where) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged($t->bearing($token, %where)
        ->get('/v2/app/manifests/v1'), { scheme => 'Bearer',
            error => 'invalid_token', realm => $realm,
            service => 'registry.example', scope => 'repository:app:pull' },
        $name);
}


# Every algorithm with a key of its kind; each changed by a bit.

sub every_key {
    my @rows = (map({ [$_, 'rsa'] } qw(RS256 RS384 RS512 PS256 PS384 PS512)),
        ['ES256', 'p256'], ['ES384', 'p384'], ['ES512', 'p521'],
        ['EdDSA', 'ed25519']);

    for (@rows) {
        my ($algorithm, $kind) = @$_;
        my $token = jwt($key{$kind}, claims(),
            { alg => $algorithm, kid => "k$kind" });

        lets_in($token, "$algorithm: a good one") for 1 .. 2;

        my ($head, $body, $signature) = split /\./, $token;
        my $bytes = decode_base64url($signature);
        substr($bytes, 7, 1) ^= "\x10";
        is_invalid("$head.$body." . base64url($bytes),
            "$algorithm: a bit of the signature");
        is_invalid("$head." . base64url(json_text(claims(sub => 'root')))
            . ".$signature", "$algorithm: other claims");
        is_invalid(base64url(json_text({ typ => 'JWT', alg => $algorithm,
            kid => "k$kind", x => 1 })) . ".$body.$signature",
            "$algorithm: another header");
        is_invalid("$head.$body.", "$algorithm: no signature");
        is_invalid("$head.$body." . base64url(substr $bytes, 0, -1),
            "$algorithm: a shorter one");
        is_invalid("$head.$body." . base64url("$bytes\0"),
            "$algorithm: a longer one");
    }
}


# How a key is called: by its kid, by its thumbprint; of a certificate by what
# distribution 2 and 3 make of it.

sub every_name {
    lets_in(jwt($key{p384}, claims(), { kid => $key{p384}->thumbprint }),
        'the thumbprint of a key of the set');
    lets_in(jwt($key{rsa}, claims(), { kid => $key{rsa}->libtrust }),
        'the name of libtrust, of a certificate');
    lets_in(jwt($key{rsa}, claims(), { kid => $key{rsa}->thumbprint }),
        'the thumbprint, of a certificate');
    lets_in(jwt($key{p256}, claims(), { jwk => $key{p256}->jwk }),
        'a jwk that is one of the set');

    is_invalid(jwt($key{p256}, claims(), { kid => 'kp384' }),
        'the name of another key');
    is_invalid(jwt($key{p256}, claims(), { kid => 'none' }),
        'a name that nobody has');
    is_invalid(jwt($other, claims(), { kid => 'kp256' }),
        'another key under a good name');
    is_invalid(jwt($other, claims(), { jwk => $other->jwk }),
        'A81 a jwk of one\'s own');
    is_invalid(jwt($key{p256}, claims()), 'no name, where there are several');
}


sub only_key {
    my @where = (port => $t->extra_port(2));

    lets_in(jwt($key{p256}, claims()), 'no name, and one key alone', @where);
    is_invalid(jwt($other, claims()), 'not any other', @where);
    is_invalid(jwt($key{p256}, claims(), { kid => 'x' }),
        'nor a name that it does not have', @where);
}


sub fewer_algorithms {
    my @where = (port => $t->extra_port(3));

    lets_in(jwt($key{p256}, claims(), { kid => 'kp256' }),
        'algorithms=ES256: ES256', @where);
    is_invalid(jwt($key{rsa}, claims(), { kid => 'krsa' }),
        'algorithms=ES256: RS256', @where);
    is_invalid(jwt($key{ed25519}, claims(), { kid => 'ked25519' }),
        'algorithms=ES256: EdDSA', @where);
}


# x5c: the signer's certificate first, up to a root that is named.

sub chains {
    my $middle = new_key('p384');
    my $signer = new_key('p256');
    my $by_root = { key => $root, crt => $root_crt };
    my $middle_crt = $middle->certificate(ca => 1, by => $by_root,
        name => '/CN=middle');
    my $long = $signer->certificate(name => '/CN=leaf',
        by => { key => $middle, crt => $middle_crt });
    my $short = $signer->certificate(by => $by_root, name => '/CN=leaf');
    my $expired = $signer->certificate(by => $by_root, days => -1);
    my $self = $signer->certificate(ca => 1, name => '/CN=root');
    my $forged = $signer->certificate(name => '/CN=leaf',
        by => { key => $signer, crt => $self });
    my $no_ca = $signer->certificate(by => { key => $other,
        crt => $other->certificate(by => $by_root, name => '/CN=middle') });

    my $chain = sub {
        my ($header, @pem) = @_;
        return jwt($signer, claims(), { %$header,
            x5c => Test::Registry::Token::x5c(@pem) });
    };

    lets_in($chain->({}, $short), 'x5c: signed by the root');
    lets_in($chain->({}, $short, $root_crt), 'x5c: with the root');
    lets_in($chain->({}, $long, $middle_crt), 'x5c: one between');
    lets_in($chain->({}, $long, $middle_crt, $root_crt), 'x5c: all of them');
    lets_in($chain->({ kid => 'any' }, $short), 'x5c: before kid');

    is_invalid($chain->({}, $expired), 'x5c: one that has ended');
    is_invalid($chain->({}, $long), 'x5c: one is missing');
    is_invalid($chain->({}, $middle_crt, $long), 'x5c: the wrong way round');
    is_invalid($chain->({}, $self), 'A81 x5c: signed by itself');
    is_invalid($chain->({ kid => 'kp256' }, $self),
        'A81 x5c: signed by itself, with a good kid');
    is_invalid($chain->({}, $forged, $self), 'A81 x5c: a root of its own');
    is_invalid($chain->({}, $forged, $root_crt),
        'A81 x5c: a root that did not sign it');
    is_invalid($chain->({}, $no_ca, $other->certificate(by => $by_root,
        name => '/CN=middle')), 'x5c: by one that may sign none');
    is_invalid($chain->({}), 'x5c: an empty list');
    is_invalid(jwt($signer, claims(), { x5c => 'x' }), 'x5c: no list');
    is_invalid(jwt($signer, claims(), { x5c => ['x'] }), 'x5c: no base64');
    is_invalid(jwt($other, claims(), { x5c =>
        Test::Registry::Token::x5c($short) }), 'x5c: signed by another key');
    is_invalid($chain->({}, ($short) x 9), 'x5c: nine of them');
}


# A key set that is exchanged while requests come.

sub keys_change {
    my @where = (port => $t->extra_port(4));
    my $file = $t->dir . '/changing.json';
    my $old = jwt($key{p256}, claims(), { kid => 'k' });
    my $new = jwt($other, claims(), { kid => 'k' });
    my $next = jwt($key{ed25519}, claims(), { kid => 'next' });

    lets_in($old, 'before a change', @where);
    is_invalid($new, 'before a change', @where);

    $t->write_file('changing.json', jwks($other->jwk(kid => 'k')));
    is_invalid($old, 'changed in place: the old key', @where);
    lets_in($new, 'changed in place: the new one', @where);

    $t->write_file('changing.new', jwks($other->jwk(kid => 'k'),
        $key{ed25519}->jwk(kid => 'next')));
    rename $t->dir . '/changing.new', $file or die "rename: $!\n";
    lets_in($new, 'renamed: one that stayed', @where);
    lets_in($next, 'renamed: one that came', @where);

    for my $bad ('', '{"keys":[', 'nonsense', '{"keys":5}') {
        $t->write_file('changing.json', $bad);
        sleep 1.1 if $bad eq 'nonsense';
        lets_in($new, "F33 '$bad' in its place: the old keys hold", @where);
    }

    $t->write_file('changing.json', jwks($key{p256}->jwk(kid => 'k')));
    lets_in($old, 'mended', @where);
    is_invalid($new, 'mended', @where);

    unlink $file;
    is_error($t->bearing($old, @where)->get('/v2/app/manifests/v1'), [401, 503],
        undef, 'a key file that is gone opens nothing');
    $t->write_file('changing.json', jwks($key{p256}->jwk(kid => 'k')));
    lets_in($old, 'and back', @where);
}


sub roots_change {
    my @where = (port => $t->extra_port(5));
    my ($root2, $signer) = (new_key('p256'), new_key('p256'));
    my $crt2 = $root2->certificate(ca => 1, name => '/CN=root 2');
    my ($one, $two) = map { jwt($signer, claims(), { x5c =>
        Test::Registry::Token::x5c($signer->certificate(by => $_)) }) }
        { key => $root, crt => $root_crt }, { key => $root2, crt => $crt2 };

    lets_in($one, 'the first root', @where);
    is_invalid($two, 'the first root', @where);
    $t->write_file('changing.pem', $root_crt . $crt2);
    lets_in($_, 'both roots', @where) for $one, $two;
    $t->write_file('changing.pem', $crt2);
    is_invalid($one, 'the second root', @where);
    lets_in($two, 'the second root', @where);
}

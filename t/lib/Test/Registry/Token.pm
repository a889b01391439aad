package Test::Registry::Token;

# Keys, certificates and JSON Web Tokens, made with the openssl command. What
# a token says is up to the test; nothing here checks that it makes sense. A
# good one comes from issuer.example, is for registry.example, and lets alice
# pull app.

use strict;
use warnings;

use Digest::SHA ();
use Exporter qw(import);
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url decode_base64url);

use Test::More ();

use Test::Registry::Content ();
use Test::Registry::Process;

our @EXPORT = qw(
    new_key claims access jwt jwt_of jwt_parts jwks base64url json_text
    ask_token ask_form claims_of granted_by token_in is_oauth_error
);

my $dir;
my $files = 0;

my %kinds = (
    rsa => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)],
    rsa1024 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:1024)],
    p256 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-256)],
    p384 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-384)],
    p521 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-521)],
    k256 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1)],
    ed25519 => [qw(-algorithm ED25519)]
);

my %algorithm = (rsa => 'RS256', rsa1024 => 'RS256', p256 => 'ES256',
    p384 => 'ES384', p521 => 'ES512', k256 => 'ES256', ed25519 => 'EdDSA');

# curve, bytes of a coordinate

my %curve = (p256 => ['P-256', 32], p384 => ['P-384', 48],
    p521 => ['P-521', 66], k256 => ['secp256k1', 32]);


sub base64url { return encode_base64url($_[0], '') }


sub json_text {
    return JSON::PP->new->canonical->utf8->allow_nonref->encode($_[0]);
}


sub _file {
    $dir ||= File::Temp::tempdir('registry-keys-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    return "$dir/" . ++$files;
}


sub _write {
    my ($bytes) = @_;

    my $path = _file();
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $bytes;
    close $fh or die "$path: $!\n";
    return $path;
}


sub _read {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$fh>;
}


# Runs openssl; returns what it wrote to the file behind -out.

sub _openssl {
    my (@args) = @_;

    my $out = _file();
    my ($rc, $text) = run_command(60, 'openssl', @args, '-out', $out);
    die "openssl @args: $text\n" if $rc != 0;
    return _read($out);
}


# A key of a kind: rsa, p256, p384, p521, ed25519, and some that are not to be
# used: rsa1024, k256.

sub new_key {
    my ($kind) = @_;

    my $pem = _openssl('genpkey', @{ $kinds{$kind} });
    return bless { kind => $kind, pem => $pem, file => _write($pem) },
        __PACKAGE__;
}


# One that stands in a file.

sub load {
    my ($class, $kind, $pem) = @_;

    return bless { kind => $kind, pem => $pem, file => _write($pem) }, $class;
}


sub algorithm { $algorithm{ $_[0]{kind} } }

# The private half, and the public one, in PEM and in DER.

sub pem { $_[0]{pem} }
sub public { _openssl('pkey', '-in', $_[0]{file}, '-pubout') }


sub public_der {
    return $_[0]{der} ||= _openssl('pkey', '-in', $_[0]{file}, '-pubout',
        '-outform', 'DER');
}


# The public half as a JSON Web Key (RFC 7518, 6; RFC 8037, 2).

sub jwk {
    my ($self, %more) = @_;

    my ($kind, $der) = ($self->{kind}, $self->public_der);

    if ($kind =~ /rsa/) {
        my ($rc, $text) = run_command(30, 'openssl', 'rsa', '-in',
            $self->{file}, '-noout', '-modulus');
        my ($hex) = $text =~ /Modulus=([0-9A-F]+)/ or die $text;
        return { kty => 'RSA', e => 'AQAB', n => base64url(pack 'H*', $hex),
            %more };
    }

    return { kty => 'OKP', crv => 'Ed25519', x => base64url(substr $der, -32),
        %more } if $kind eq 'ed25519';

    my ($name, $size) = @{ $curve{$kind} };
    my ($x, $y) = unpack "a$size a$size", substr $der, -2 * $size;
    return { kty => 'EC', crv => $name, x => base64url($x),
        y => base64url($y), %more };
}


# RFC 7638

sub thumbprint {
    my ($self) = @_;

    return base64url(Digest::SHA::sha256(json_text($self->jwk)));
}


# What distribution 2 calls a key.

sub libtrust {
    my ($self) = @_;

    my @letters = ('A' .. 'Z', 2 .. 7);
    my $bits = unpack 'B240', Digest::SHA::sha256($self->public_der);
    my $text = join '', map { $letters[oct "0b$_"] } unpack '(a5)*', $bits;
    return join ':', unpack '(a4)*', $text;
}


# A certificate in PEM.
#
# by     the key and certificate of who signs, {key => , crt => }; default:
#        the key itself
# ca     true: one that may sign others
# days   how long it is good, default 30; -1: it has ended
# name   its subject, default "/CN=key"

sub certificate {
    my ($self, %o) = @_;

    my $csr = _write(_openssl('req', '-new', '-key', $self->{file}, '-subj',
        $o{name} || '/CN=key'));
    my $ext = _write($o{ca}
        ? "basicConstraints=critical,CA:TRUE\n"
            . "keyUsage=critical,keyCertSign,digitalSignature\n"
        : "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n");
    my @how = $o{by} ? ('-CA', _write($o{by}{crt}), '-CAkey',
            $o{by}{key}{file}, '-set_serial', 1000 + $files)
        : ('-signkey', $self->{file});

    return _openssl('x509', '-req', '-in', $csr, @how, '-extfile', $ext,
        '-days', $o{days} // 30);
}


# The same as x5c has it.

sub x5c {
    my (@pem) = @_;

    return [ map { join '', /^([A-Za-z0-9+\/=]+)$/mg } @pem ];
}


# A signature over bytes, in the form of RFC 7518, 3.

sub sign {
    my ($self, $algorithm, $bytes) = @_;

    my ($family, $size) = $algorithm =~ /\A([A-Z]S|EdDSA)(\d*)/
        or die "no algorithm $algorithm\n";
    my $in = _write($bytes);

    return _openssl('pkeyutl', '-sign', '-rawin', '-inkey', $self->{file},
        '-in', $in) if $family eq 'EdDSA';

    my @options = $family eq 'PS' ? qw(-sigopt rsa_padding_mode:pss
        -sigopt rsa_pss_saltlen:-1) : ();
    my $out = _file();
    my ($rc, $text) = run_command(60, 'openssl', 'dgst', "-sha$size",
        @options, '-sign', $self->{file}, '-out', $out, $in);
    die "openssl dgst: $text\n" if $rc != 0;

    return $family eq 'ES' ? _raw(_read($out), $curve{ $self->{kind} }[1])
        : _read($out);
}


# r and s out of their DER form, each of size bytes.

sub _raw {
    my ($der, $size) = @_;

    my $at = ord(substr $der, 1, 1) & 0x80 ? 3 : 2;
    my $raw = '';

    for (1 .. 2) {
        my $n = ord substr $der, $at + 1, 1;
        my $number = substr $der, $at + 2, $n;
        $number =~ s/\A\0+//;
        $raw .= "\0" x ($size - length $number) . $number;
        $at += 2 + $n;
    }

    return $raw;
}


# A token out of texts: header, claims, and a key or a code reference that
# signs; or the bytes of a signature.

sub jwt_of {
    my ($header, $claims, $signer, $algorithm) = @_;

    my $input = base64url($header) . '.' . base64url($claims);
    my $signature = !ref $signer ? $signer // ''
        : ref $signer eq 'CODE' ? $signer->($input)
        : $signer->sign($algorithm || $signer->algorithm, $input);

    return "$input." . base64url($signature);
}


# jwt(key, {claims}, {header}): the header has typ and alg unless it says
# otherwise. A member that is undef is left out; for null use \undef.

sub jwt {
    my ($key, $claims, $header) = @_;

    my %header = (typ => 'JWT', alg => $key->algorithm, %{ $header || {} });
    my %claims = %$claims;

    for my $part (\%header, \%claims) {
        for my $name (keys %$part) {
            delete $part->{$name} if !defined $part->{$name};
            $part->{$name} = undef if ref $part->{$name} eq 'SCALAR'
                && !defined ${ $part->{$name} };
        }
    }

    return jwt_of(json_text(\%header), json_text(\%claims), $key,
        $header{alg});
}


# The claims of a good token, with others in their place.

sub claims {
    my (%more) = @_;

    my $now = time;
    return { iss => 'issuer.example', aud => 'registry.example',
        sub => 'alice', exp => $now + 300, nbf => $now - 10, iat => $now,
        jti => "id$now", access => [access('app', 'pull')], %more };
}


# One entry of its "access".

sub access {
    my ($name, @actions) = @_;

    return { type => 'repository', name => $name, actions => \@actions };
}


# The header and the claims of a token; nothing is verified.

sub jwt_parts {
    my ($token) = @_;

    return map { scalar eval {
        JSON::PP->new->utf8->decode(decode_base64url($_)) } }
        (split /\./, $token)[0, 1];
}


# GET of the endpoint that hands out tokens, with parameters in this order.

use constant ENDPOINT => '/v2/_nginx/token';

sub ask_token {
    my ($visitor, @parameters) = @_;

    my @pairs;
    while (my ($name, $value) = splice @parameters, 0, 2) {
        push @pairs, "$name=" . Test::Registry::Content::escape($value);
    }
    return $visitor->get(ENDPOINT . (@pairs ? '?' : '') . join '&', @pairs);
}


# The same by POST of a form.

sub ask_form {
    my ($visitor, @parameters) = @_;

    my @pairs;
    while (my ($name, $value) = splice @parameters, 0, 2) {
        push @pairs, "$name="
            . Test::Registry::Content::escape($value) =~ s/%20/+/gr;
    }
    return $visitor->post(ENDPOINT, body => join('&', @pairs), headers =>
        [['Content-Type', 'application/x-www-form-urlencoded']]);
}


# Out of its reply: the token, its claims (or {}), and what it grants, as
# "type:name:action,action ..." in order.

sub token_in {
    my ($reply) = @_;

    my $j = $reply->json;
    return ref $j eq 'HASH' ? $j->{token} // '' : '';
}


sub claims_of {
    my ($reply) = @_;

    my (undef, $claims) = jwt_parts(token_in($reply));
    return $claims || {};
}


sub granted_by {
    my ($reply) = @_;

    return join ' ', sort map {
        "$_->{type}:$_->{name}:" . join ',', sort @{ $_->{actions} }
    } @{ claims_of($reply)->{access} || [] };
}


# An error of RFC 6749, 5.2.

sub is_oauth_error {
    my ($reply, $status, $code, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::Registry::is_status($reply, $status, $name) or return 0;
    my $j = $reply->json;
    return Test::More::is(ref $j eq 'HASH' ? $j->{error} : $reply->body,
        $code, "$name: $code");
}


sub jwks { return json_text({ keys => [@_] }) }


1;

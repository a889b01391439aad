#!/usr/bin/perl

# cosign with a key of its own and no transparency log: signs and attests
# images and indexes, and verifies that.
#
# Signatures are either images under tags such as "sha256-<hex>.sig", or
# artifacts that refer to what they sign. Of the referrers it reads one page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 1 + 2 * 34 + 1 + 2 * FINISH;

enter_jail($tests);

my $cosign = need($tests, 'cosign');
my $dir = tempdir('cosign');
my $set = Test::Clients::Image::standard("$dir/set");
my %help;

my $plain = start_registry();
my $tls = start_registry(tls => 1);

plan tests => $tests;

spew("$dir/predicate.json", '{"made":"from scratch"}');
key_pair('ours');
key_pair('other');
ok(-s "$dir/ours.key" && -s "$dir/other.pub", 'keys made');

scenario($_) for $plain, $tls;

{
    my ($opt, @command) = _command($tls, 'verify', '--key', "$dir/ours.pub",
        $tls->host . '/cosign/image:1');
    delete $opt->{env}{SSL_CERT_FILE};
    run_fails('tls: an unknown authority is refused', qr/x509|certificate/,
        $opt, @command);
}

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $repo = $reg->host . '/cosign/image';
    my $digest = $set->{image}{desc}{digest};
    (my $tag = $digest) =~ tr{:}{-};

    $set->{image}{layout}->upload($reg, 'cosign/image', $set->{image}{desc},
        '1');
    $set->{multi}{layout}->upload($reg, 'cosign/multi', $set->{multi}{desc},
        '1');

    cosign_fails($reg, "$l: nothing is signed yet",
        qr/no signatures found|no matching signatures/, 'verify', '--key',
        "$dir/ours.pub", "$repo:1");

    # signatures as artifacts that refer to the image
    cosign_ok($reg, "$l: sign", 'sign', referrers('sign'), '--key',
        "$dir/ours.key", "$repo\@$digest");
    my @how = referrers('verify');
    verified($reg, "$l: by tag", "$repo:1", $digest, @how);
    verified($reg, "$l: by digest", "$repo\@$digest", $digest, @how);
    cosign_fails($reg, "$l: another key verifies nothing",
        qr/no (?:matching )?signatures|invalid signature|failed to verify/i,
        'verify', @how, '--key', "$dir/other.pub", "$repo:1");

    TODO: {
        local $TODO = $reg->lacks('referrers');
        my $found = json(http($reg, 'GET',
            "/v2/cosign/image/referrers/$digest")->{content})->{manifests};
        is(scalar @{ $found // [] }, 1, "$l: it is a referrer");
        is(manifest_head($reg, 'cosign/image', $tag)->{status}, 404,
            "$l: and no tag stands in for it");
    }

    # attestations
    cosign_ok($reg, "$l: attest", 'attest', referrers('attest'), '--key',
        "$dir/ours.key", '--type', 'custom', '--predicate',
        "$dir/predicate.json", "$repo\@$digest");
    @how = referrers('verify-attestation');
    like(cosign_ok($reg, "$l: verify the attestation", 'verify-attestation',
        @how, '--key', "$dir/ours.pub", '--type', 'custom', "$repo:1"),
        qr/"payload":|"payloadType":|in-toto/, "$l: it is shown");
    cosign_fails($reg, "$l: another key verifies no attestation",
        qr/no matching attestations|invalid signature|failed to verify/i,
        'verify-attestation', @how, '--key', "$dir/other.pub", '--type',
        'custom', "$repo:1");
    like(cosign_ok($reg, "$l: tree", 'tree', "$repo:1"),
        qr/sha256:[0-9a-f]{64}/, "$l: shows what belongs to the image");

    # signatures under tags, as before
    my $old = $reg->host . '/cosign/old';
    $set->{image}{layout}->upload($reg, 'cosign/old', $set->{image}{desc},
        '1');
    cosign_ok($reg, "$l: sign under a tag", 'sign', tags('sign'), '--key',
        "$dir/ours.key", "$old\@$digest");
    is(manifest_head($reg, 'cosign/old', "$tag.sig")->{status}, 200,
        "$l: the tag is there");
    verified($reg, "$l: under a tag", "$old:1", $digest);
    cosign_ok($reg, "$l: sign once more", 'sign', tags('sign'), '-a', 'who=me',
        '--key', "$dir/other.key", "$old\@$digest");
    verified($reg, "$l: the first one still", "$old:1", $digest);
    cosign_ok($reg, "$l: verify the second", 'verify', '-a', 'who=me', '--key',
        "$dir/other.pub", "$old:1");
    cosign_ok($reg, "$l: attest under a tag", 'attest', tags('attest'),
        '--key', "$dir/ours.key", '--type', 'custom', '--predicate',
        "$dir/predicate.json", "$old\@$digest");
    is(manifest_head($reg, 'cosign/old', "$tag.att")->{status}, 200,
        "$l: the tag is there");
    cosign_ok($reg, "$l: verify that attestation", 'verify-attestation',
        '--key', "$dir/ours.pub", '--type', 'custom', "$old:1");

    # an index and all that is in it
    my $multi = $set->{multi};
    my $index = $multi->{desc}{digest};
    cosign_ok($reg, "$l: sign an index and its children", 'sign', '-r',
        referrers('sign'), '--key', "$dir/ours.key",
        $reg->host . "/cosign/multi\@$index");
    my $children = json(slurp($multi->{layout}->path($index)))->{manifests};
    for my $d ($index, map { $_->{digest} } @$children) {
        verified($reg, "$l: of the index", $reg->host . "/cosign/multi\@$d", $d,
            referrers('verify'));
    }

    # from here to there by way of a folder
    my $there = $reg->host . '/cosign/loaded';
    cosign_ok($reg, "$l: save", 'save', '--dir', "$dir/saved-$l", "$old:1");
    cosign_ok($reg, "$l: load", 'load', '--dir', "$dir/saved-$l", "$there:1");
    verified($reg, "$l: of what was loaded", "$there:1", $digest);

    # what is signed must be there
    cosign_fails($reg, "$l: an absent image cannot be signed",
        qr/MANIFEST_UNKNOWN|404|not found/, 'sign', referrers('sign'), '--key',
        "$dir/ours.key", "$repo\@sha256:" . '0' x 64);

    cosign_ok($reg, "$l: clean", 'clean', '-f', '--type', 'all', "$old:1");
    is(manifest_head($reg, 'cosign/old', "$tag.sig")->{status}, 404,
        "$l: the tag of the signatures is gone");
    cosign_fails($reg, "$l: nothing is signed any more",
        qr/no signatures found|no matching signatures/, 'verify', '--key',
        "$dir/ours.pub", "$old:1");

    return;
}


# One assertion: a signature of ours over that very digest.

sub verified {
    my ($reg, $name, $ref, $digest, @how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($opt, @command) = _command($reg, 'verify', @how, '--output',
        'json', '--key', "$dir/ours.pub", $ref);
    my $r = run($opt, @command);
    my $said = json($r->{out});
    my $what = ref $said eq 'ARRAY'
        ? $said->[0]{critical}{image}{'docker-manifest-digest'} : undef;

    is($what, $digest, "verify, $name")
        or diag("@command: $r->{rc}\n$r->{err}");

    return;
}


sub key_pair {
    my ($name) = @_;

    my $r = run({ cwd => $dir, env => { COSIGN_PASSWORD => 'secret' } },
        $cosign, 'generate-key-pair', '--output-key-prefix', $name);
    diag($r->{err}) if $r->{rc};

    return;
}


# --- cosign ------------------------------------------------------------------

# Whether this version's command knows the option.

sub knows {
    my ($command, $option) = @_;

    $help{$command} //= join('', @{ run($cosign, $command, '--help') }
        { qw( out err ) });

    return $help{$command} =~ /^\s+(?:-\w, )?\Q$option\E\b/m;
}


# Where the signature goes, and where it is looked for. Version 3 has artifacts
# as its default and looks everywhere; version 2 wants to be told, each command
# in words of its own, and cannot verify attestations that are artifacts
# without the network.

sub referrers {
    my ($command) = @_;

    return () if knows('sign', '--use-signing-config');
    return '--registry-referrers-mode=oci-1-1' if $command eq 'sign';
    return '--experimental-oci11=true' if $command eq 'verify';
    return ();
}


sub tags {
    my ($command) = @_;

    return knows('sign', '--use-signing-config')
        ? '--new-bundle-format=false' : ();
}


# Nothing may ask the services on the network: no log, no signing service.

sub _command {
    my ($reg, $name, @args) = @_;

    my %env = (COSIGN_PASSWORD => 'secret', COSIGN_EXPERIMENTAL => 1,
               COSIGN_YES => 'true');
    my @options;

    if ($name eq 'sign' || $name eq 'attest') {
        push @options, '--yes', '--tlog-upload=false';
        push @options, '--use-signing-config=false'
            if knows($name, '--use-signing-config');

    } elsif ($name =~ /^verify/) {
        push @options, '--insecure-ignore-tlog=true';
        push @options, '--private-infrastructure'
            if knows($name, '--private-infrastructure');
    }

    if ($reg->tls) {
        $env{SSL_CERT_FILE} = $reg->ca_file;

    } else {
        push @options, '--allow-http-registry', '--allow-insecure-registry';
    }

    return ({ env => \%env }, $cosign, $name, @options, @args);
}


sub cosign_ok {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($name, _command($reg, @args));
}


sub cosign_fails {
    my ($reg, $name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_fails($name, $pattern, _command($reg, @args));
}

#!/usr/bin/perl

# skopeo: copies between registries and folders, and deletes by digest.
#
# Each run asks GET /v2/ first and takes the registry for what that says. A
# layer goes up as POST, PATCH without a length, PUT; before that it asks for
# the digest in other repositories that it remembers, and mounts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

use constant GIB => 1024 * 1024 * 1024;

my $tests = 2 * 40 + 2 + 6 + 2 * FINISH;

enter_jail($tests, root => 1);

my $skopeo = need($tests, 'skopeo');
my $dir = tempdir('skopeo');
my $set = Test::Clients::Image::standard("$dir/set");

my $plain = start_registry();
my $tls = start_registry(tls => 1);
spew("$dir/certs/ca.crt", slurp($tls->ca_file));
mkdir "$dir/no-certs";

plan tests => $tests;

scenario($_) for $plain, $tls;

certificate_is_checked($tls);
big_layer($tls);

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $repo = 'docker://' . $reg->host . '/skopeo/image';
    my $second = 'docker://' . $reg->host . '/skopeo/second';
    my ($image, $digest) = ($set->{image}, $set->{image}{desc}{digest});

    # push
    $reg->mark;
    copy_ok($reg, "$l: push", '--preserve-digests', oci('image'), "$repo:1");
    $reg->sent_is(4, "$l: three layers and the config were sent");
    is(inspect($reg, "$l: inspect", "$repo:1")->{Digest}, $digest,
        "$l: the digest is that of the folder");

    # push again
    $reg->mark;
    copy_ok($reg, "$l: push again", '--preserve-digests', oci('image'),
        "$repo:1");
    $reg->nothing_sent("$l: nothing was sent again");
    copy_ok($reg, "$l: push under a second tag", '--preserve-digests',
        oci('image'), "$repo:latest");

    # push to another repository; skopeo mounts what its cache of locations
    # knows, and forgets to note some when the disk is slow: it learns with
    # each push, and gets a fresh repository to show it
    my $failed = 0;

    for my $name (qw(second third fourth)) {
        $second = 'docker://' . $reg->host . "/skopeo/$name";
        $reg->mark;

        my $r = run($skopeo, 'copy', dest($reg), '--preserve-digests',
            oci('image'), "$second:1");

        $failed++ if $r->{rc} != 0;
        last if $failed || $reg->mounted == 3;
    }
    is($failed, 0, "$l: push to another repository");
    $reg->mounted_is(3, "$l: all layers were mounted");
    $reg->sent_is(1, "$l: only the config was sent");

    # list
    my $tags = json(run_ok("$l: list-tags", $skopeo, 'list-tags',
        verify($reg), $repo));
    is_deeply([ sort @{ $tags->{Tags} // [] } ], [ '1', 'latest' ],
        "$l: both tags are listed");

    # pull by tag and by digest
    copy_ok($reg, "$l: pull by tag", '--preserve-digests', "$repo:1",
        "oci:$dir/$l-tag");
    is_deeply([ $image->{layout}->missing_in($image->{desc}, "$dir/$l-tag") ],
        [], "$l: every byte came back");
    copy_ok($reg, "$l: pull by digest", '--preserve-digests',
        "$repo\@$digest", "oci:$dir/$l-digest");
    is_deeply(
        [ $image->{layout}->missing_in($image->{desc}, "$dir/$l-digest") ],
        [], "$l: every byte came back");
    copy_ok($reg, "$l: pull of the mounted copy", '--preserve-digests',
        "$second:1", "oci:$dir/$l-second");
    is_deeply(
        [ $image->{layout}->missing_in($image->{desc}, "$dir/$l-second") ],
        [], "$l: every byte came back");

    # another format
    copy_ok($reg, "$l: push as Docker schema 2", '--format', 'v2s2',
        oci('image'), "$repo:docker");
    like(run_ok("$l: its manifest", $skopeo, 'inspect', '--raw', verify($reg),
        "$repo:docker"),
        qr{application/vnd\.docker\.distribution\.manifest\.v2\+json},
        "$l: is one of Docker's");

    # an index (skopeo refuses those that nest)
    my $multi = $set->{multi};
    copy_ok($reg, "$l: push of an index", '--all', '--preserve-digests',
        oci('multi'), "$repo:multi");
    copy_ok($reg, "$l: pull of the index", '--all', '--preserve-digests',
        "$repo:multi", "oci:$dir/$l-multi");
    is_deeply([ $multi->{layout}->missing_in($multi->{desc},
        "$dir/$l-multi") ], [], "$l: every byte came back");
    is(inspect($reg, "$l: inspect one platform", '--override-arch', 'arm64',
        "$repo:multi")->{Architecture}, 'arm64',
        "$l: it is that of the platform");

    # copy within the registry, to a repository that has none of it
    for my $name (qw(copy again once-more)) {
        $reg->mark;
        $failed++ if run($skopeo, 'copy', '--all', src($reg), dest($reg),
            "$repo:multi", 'docker://' . $reg->host . "/skopeo/$name:multi")
            ->{rc} != 0;
        last if $failed || $reg->mounted == 5;
    }
    is($failed, 0, "$l: copy between repositories");
    $reg->mounted_is(5, "$l: all layers were mounted");
    $reg->sent_is(3, "$l: only the configs were sent");

    # errors
    run_fails("$l: an absent tag", qr/manifest unknown|not found/i, $skopeo,
        'inspect', verify($reg), "$repo:absent");
    run_fails("$l: an absent repository", qr/name unknown|not known|not found/i,
        $skopeo, 'list-tags', verify($reg),
        'docker://' . $reg->host . '/skopeo/absent');

    # delete: skopeo removes the manifest, hence all its tags
    run_ok("$l: delete by tag", $skopeo, 'delete', verify($reg), "$repo:1");
    run_fails("$l: the tag is gone", qr/manifest unknown|not found/i, $skopeo,
        'inspect', verify($reg), "$repo:1");
    run_fails("$l: so is the other tag of it", qr/manifest unknown|not found/i,
        $skopeo, 'inspect', verify($reg), "$repo:latest");
    run_fails("$l: and the digest", qr/manifest unknown|not found/i, $skopeo,
        'inspect', verify($reg), "$repo\@$digest");
    is(inspect($reg, "$l: the other repository", "$second\@$digest")->{Digest},
        $digest, "$l: still has it");
    run_ok("$l: delete by digest", $skopeo, 'delete', verify($reg),
        "$second\@$digest");
    run_fails("$l: it is gone too", qr/manifest unknown|not found/i, $skopeo,
        'inspect', verify($reg), "$second:1");
    copy_ok($reg, "$l: push of what was deleted", '--preserve-digests',
        oci('image'), "$repo:1");

    return;
}


sub certificate_is_checked {
    my ($reg) = @_;

    my $ref = 'docker://' . $reg->host . '/skopeo/image:1';

    run_fails('tls: an unknown authority is refused', qr/x509|certificate/,
        $skopeo, 'inspect', '--cert-dir', "$dir/no-certs", $ref);
    run_ok('tls: a known one is accepted', $skopeo, 'inspect', '--cert-dir',
        "$dir/certs", $ref);

    return;
}


# skopeo packs a layer unless the manifest must stay as it is.

sub big_layer {
    my ($reg) = @_;

    my $tar = Test::Clients::Image::random_tar("$dir/big.tar",
        GIB + 3 * 1024 * 1024 + 1, 'skopeo');
    my $layout = Test::Clients::Image->new("$dir/big");
    my $layer = $layout->layer_from_file($tar);
    my $image = $layout->tag($layout->image([ $layer ]), 'latest');
    my $ref = 'docker://' . $reg->host . '/skopeo/big:1';

    cmp_ok($layer->{size}, '>', GIB, 'big: the layer is over a GiB');
    run_ok('big: push', { timeout => 120 }, $skopeo, 'copy', dest($reg),
        '--preserve-digests', "oci:$dir/big:latest", $ref);
    run_ok('big: push again', { timeout => 120 }, $skopeo, 'copy', dest($reg),
        '--preserve-digests', "oci:$dir/big:latest", $ref);

    (my $file = $layer->{digest}) =~ s{^(.*):((..).*)$}{$1/$3/$2/data};
    is(-s $reg->root . "/docker/registry/v2/blobs/$file", $layer->{size},
        'big: it lies in the store as it was sent');

    run('rm', '-rf', "$dir/back");
    run_ok('big: pull', { timeout => 120 }, $skopeo, 'copy', src($reg),
        '--preserve-digests', $ref, "oci:$dir/back:latest");
    is_deeply([ $layout->missing_in($image, "$dir/back") ], [],
        'big: every byte came back');
    run('rm', '-rf', "$dir/back", "$dir/big");

    return;
}


# --- options -----------------------------------------------------------------

sub oci { return "oci:$set->{$_[0]}{dir}:latest" }


sub verify {
    my ($reg) = @_;
    return $reg->tls ? ('--cert-dir', "$dir/certs") : '--tls-verify=false';
}


sub src {
    my ($reg) = @_;
    return $reg->tls ? ('--src-cert-dir', "$dir/certs")
                     : '--src-tls-verify=false';
}


sub dest {
    my ($reg) = @_;
    return $reg->tls ? ('--dest-cert-dir', "$dir/certs")
                     : '--dest-tls-verify=false';
}


sub copy_ok {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @side = $args[-1] =~ /^docker:/ ? dest($reg) : src($reg);

    return run_ok($name, $skopeo, 'copy', @side, @args);
}


sub inspect {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @global = $args[0] =~ /^--override/ ? splice(@args, 0, 2) : ();

    return json(run_ok($name, $skopeo, @global, 'inspect', verify($reg),
        @args));
}

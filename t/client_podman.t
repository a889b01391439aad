#!/usr/bin/perl

# podman, with a storage of its own.
#
# It packs the layers of its storage on the way out, unless it remembers a
# packed digest, which it asks for first; the sizes of what it streams are not
# known when the upload begins.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 2 + 2 * 47 + 2 + 2 * FINISH;

enter_jail($tests, root => 1);

my $podman = need($tests, 'podman');
my $dir = tempdir('podman');

my $plain = start_registry();
my $tls = start_registry(tls => 1);
spew("$dir/certs/ca.crt", slurp($tls->ca_file));
mkdir "$dir/no-certs";

# for the commands that have no options for it
spew('/etc/containers/certs.d/' . $tls->host . '/ca.crt',
    slurp($tls->ca_file));
spew('/etc/containers/registries.conf',
    "[[registry]]\nlocation = '@{[ $plain->host ]}'\ninsecure = true\n");

plan tests => $tests;

build('image', 'amd64');
build('other', 'arm64');

scenario($_) for $plain, $tls;

certificate_is_checked($tls);

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my @v = verify($reg);
    my $repo = $reg->host . '/podman/image';
    my $second = $reg->host . '/podman/second';
    my $id = id_of('localhost/image');

    # push
    $reg->mark;
    podman_ok("$l: push", 'push', @v, '--digestfile', "$dir/digest",
        'localhost/image', "$repo:1");
    $reg->sent_is(4, "$l: three layers and the config were sent");
    my $digest = slurp("$dir/digest");
    is(served_digest($reg, 'podman/image', '1'), $digest,
        "$l: the tag leads to the digest that podman tells");

    # push again
    $reg->mark;
    podman_ok("$l: push again", 'push', @v, 'localhost/image', "$repo:1");
    $reg->nothing_sent("$l: nothing was sent again");
    podman_ok("$l: push under a second tag", 'push', @v, 'localhost/image',
        "$repo:latest");

    # push to another repository; the cache of locations may have missed one
    # and learns it with the next push, as in client_skopeo.t
    my $failed = 0;

    for my $name (qw(second third fourth)) {
        $reg->mark;
        $failed++ if podman('push', @v, 'localhost/image',
            $reg->host . "/podman/$name:1")->{rc} != 0;
        last if $failed || $reg->mounted == 3;
    }
    is($failed, 0, "$l: push to another repository");
    $reg->mounted_is(3, "$l: three layers were mounted");
    $reg->sent_is(1, "$l: only the config was sent");

    # list
    my $tags = json(podman_ok("$l: search --list-tags", 'search',
        '--list-tags', '--format', 'json', $repo));
    is_deeply(ref $tags eq 'ARRAY' ? [ sort @{ $tags->[0]{Tags} } ] : $tags,
        [ '1', 'latest' ], "$l: both tags are listed");

    # pull by tag and by digest
    podman_ok("$l: forget the image", 'rmi', '-f', $id);
    $reg->mark;
    podman_ok("$l: pull by tag", 'pull', @v, "$repo:1");
    $reg->count_is(4, "$l: three layers and the config were fetched", 'GET',
        qr{/blobs/}, 200);
    is(id_of("$repo:1"), $id, "$l: it is the same image");
    same_files("$l: with the same files", "$repo:1");

    podman_ok("$l: forget the image", 'rmi', '-f', $id);
    podman_ok("$l: pull by digest", 'pull', @v, "$repo\@$digest");
    is(id_of("$repo\@$digest"), $id, "$l: it is the same image");

    podman_ok("$l: forget the image", 'rmi', '-f', $id);
    podman_ok("$l: pull of the mounted copy", 'pull', @v, "$second:1");
    same_files("$l: the same files there", "$second:1");
    podman_ok("$l: the image has its first name", 'tag', "$second:1",
        'localhost/image');

    podman_fails("$l: an absent tag", qr/manifest unknown|not found/,
        'pull', @v, "$repo:absent");
    podman_fails("$l: an absent repository",
        qr/name unknown|manifest unknown|not known|not found/,
        'pull', @v, $reg->host . '/podman/absent:1');

    # Docker's own format, and zstd
    podman_ok("$l: push as Docker schema 2", 'push', @v, '--format', 'v2s2',
        'localhost/image', "$repo:docker");
    podman_ok("$l: push with zstd", 'push', @v, '--format', 'oci',
        '--compression-format', 'zstd', 'localhost/image', "$second:zstd");
    podman_ok("$l: forget the image", 'rmi', '-f', $id);
    podman_ok("$l: pull of Docker schema 2", 'pull', @v, "$repo:docker");
    podman_ok("$l: forget that", 'rmi', '-f', id_of("$repo:docker"));
    podman_ok("$l: pull of zstd", 'pull', @v, "$second:zstd");
    same_files("$l: the same files again", "$second:zstd");
    podman_ok("$l: the image has its first name", 'tag', "$second:zstd",
        'localhost/image');

    multi_arch($reg, $l);
    deletes($reg, $l, $repo, $digest);

    return;
}


sub multi_arch {
    my ($reg, $l) = @_;

    my @v = verify($reg);
    my $list = "localhost/list-$l";
    my $repo = $reg->host . '/podman/multi';

    podman('manifest', 'create', $list);
    podman_ok("$l: manifest add", 'manifest', 'add', $list,
        'containers-storage:localhost/image');
    podman_ok("$l: manifest add, other platform", 'manifest', 'add', $list,
        'containers-storage:localhost/other');
    podman_ok("$l: manifest push", 'manifest', 'push', '--all', @v, $list,
        "docker://$repo:all");

    my $index = json(podman_ok("$l: manifest inspect", 'manifest', 'inspect',
        "$repo:all"));
    is_deeply([ sort map { $_->{platform}{architecture} // '' }
                @{ $index->{manifests} // [] } ],
        [ 'amd64', 'arm64' ], "$l: both platforms are in the list");

    podman_ok("$l: pull of one platform", 'pull', @v, '--arch', 'arm64',
        "$repo:all");
    is(podman('image', 'inspect', '-f', '{{.Architecture}}', "$repo:all")
        ->{out}, "arm64\n", "$l: it is that of the platform");
    podman('rmi', "$repo:all");

    return;
}


# podman cannot delete; the operator does, and podman sees it.

sub deletes {
    my ($reg, $l, $repo, $digest) = @_;

    my @v = verify($reg);

    TODO: {
        local $TODO = $reg->lacks('tag-delete');

        http_is($reg, 'DELETE', '/v2/podman/image/manifests/1', 202,
            "$l: tag deleted");
        podman_fails("$l: no pull by that tag", qr/manifest unknown|not found/,
            'pull', @v, "$repo:1");
    }

    podman_ok("$l: pull by the other tag", 'pull', @v, "$repo:latest");
    http_is($reg, 'DELETE', "/v2/podman/image/manifests/$digest", 202,
        "$l: manifest deleted");
    podman_fails("$l: no pull by digest", qr/manifest unknown|not found/,
        'pull', @v, "$repo\@$digest");
    podman_fails("$l: no pull by the other tag", qr/manifest unknown|not found/,
        'pull', @v, "$repo:latest");
    podman_ok("$l: push of what was deleted", 'push', @v, 'localhost/image',
        "$repo:1");

    return;
}


sub certificate_is_checked {
    my ($reg) = @_;

    my $ref = $reg->host . '/podman/image:1';

    podman_fails('tls: an unknown authority is refused', qr/x509|certificate/,
        'pull', '--cert-dir', "$dir/no-certs", $ref);
    podman_ok('tls: a known one is accepted', 'pull', '--cert-dir',
        "$dir/certs", $ref);

    return;
}


# --- images ------------------------------------------------------------------

sub build {
    my ($name, $arch) = @_;

    my $ctx = Test::Clients::Image::context("$dir/$name", $name,
        'Containerfile');

    podman_ok("image for $arch built from scratch", { timeout => 120 },
        'build', '--layers', '--arch', $arch, '-t', "localhost/$name", $ctx);

    return;
}


sub same_files {
    my ($name, $ref) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $mount = podman('image', 'mount', $ref)->{out};
    chomp $mount;

    my %want = (hello => 'hello', none => 'etc/none',
                noise => 'usr/share/noise');
    my @differ = grep {
        !-f "$mount/$want{$_}"
        || slurp("$mount/$want{$_}") ne slurp("$dir/image/$_")
    } sort keys %want;
    is("@differ", '', $name);

    podman('image', 'unmount', $ref);

    return;
}


sub id_of {
    my ($ref) = @_;

    my $out = podman('image', 'inspect', '-f', '{{.Id}}', $ref)->{out};
    chomp $out;

    return $out || "no image $ref";
}


# --- podman ------------------------------------------------------------------

sub verify {
    my ($reg) = @_;

    return $reg->tls ? ('--cert-dir', "$dir/certs") : '--tls-verify=false';
}


sub _command {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};

    return ($opt, $podman, '--root', "$dir/root", '--runroot', "$dir/run",
        '--tmpdir', "$dir/tmp", '--storage-driver', 'vfs',
        '--events-backend', 'none', '--cgroup-manager', 'cgroupfs', @_);
}


sub podman {
    my (@args) = @_;

    my $r = run(_command(@args));
    diag("podman @args: $r->{err}") if $r->{rc};

    return $r;
}


sub podman_ok {
    my ($name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($name, _command(@args));
}


sub podman_fails {
    my ($name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_fails($name, $pattern, _command(@args));
}

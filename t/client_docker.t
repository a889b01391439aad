#!/usr/bin/perl

# Docker: a dockerd of our own, with its own folders and socket.
#
# Its graph store packs each layer with gzip on the way out, streams it as one
# chunked PATCH without a length, and asks HEAD right after the closing PUT.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Daemon;
use Test::Clients::Image;
use Test::More;

use constant GIB => 1024 * 1024 * 1024;

my $tests = 3 + 2 * 51 + 2 + 7 + 2 * FINISH;

enter_jail($tests, root => 1);

my ($dockerd, $docker) = need($tests, 'dockerd', 'docker');
my $dir = tempdir('docker');

my $plain = start_registry();
my $tls = start_registry(tls => 1);
my $certs = '/etc/docker/certs.d/' . $tls->host;
spew("$certs/ca.crt", slurp($tls->ca_file));

my @docker = start_dockerd($tests, $dir, $dockerd, $docker,
    '--max-concurrent-uploads=5', '--insecure-registry', $plain->host);

plan tests => $tests;

ok(build('image', 'amd64'), 'image built from scratch');
ok(build('other', 'arm64'), 'image of another platform built');
load_image_with_empty_layer();

scenario($_) for $plain, $tls;

certificate_is_checked($tls);
big_layer($plain);
$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $repo = $reg->host . '/docker/image';
    my $second = $reg->host . '/docker/second';
    my $id = docker_out('image', 'inspect', '-f', '{{.Id}}', 'image');

    # push
    docker_ok("$l: tag", 'tag', 'image', "$repo:1");
    $reg->mark;
    my $said = docker_ok("$l: push", 'push', "$repo:1");
    $reg->sent_is(4, "$l: three layers and the config were sent");
    $reg->count_is(0, "$l: no POST ended an upload", 'POST', undef, 201);
    my ($digest) = $said =~ /digest: (sha256:[0-9a-f]{64})/;
    ok($digest, "$l: docker tells the digest");
    $digest //= 'sha256:' . '0' x 64;
    is(served_digest($reg, 'docker/image', '1'), $digest,
        "$l: the tag leads to it");

    # push again
    $reg->mark;
    docker_ok("$l: push again", 'push', "$repo:1");
    $reg->nothing_sent("$l: nothing was sent again");

    # a new tag for the same
    docker_ok("$l: second tag", 'tag', 'image', "$repo:latest");
    $reg->mark;
    docker_ok("$l: push of the second tag", 'push', "$repo:latest");
    $reg->nothing_sent("$l: a new tag sends no blob");

    # push to another repository
    docker_ok("$l: tag for another repository", 'tag', 'image', "$second:1");
    $reg->mark;
    docker_ok("$l: push to another repository", 'push', "$second:1");
    $reg->mounted_is(3, "$l: three layers were mounted");
    $reg->sent_is(1, "$l: only the config was sent");

    # list
    TODO: {
        local $TODO = $reg->lacks('sorted-tags');
        is_deeply(
            json(http($reg, 'GET', '/v2/docker/image/tags/list')->{content}),
            { name => 'docker/image', tags => [ '1', 'latest' ] },
            "$l: both tags are listed");
    }

    # pull by tag
    forget('image', "$repo:1", "$repo:latest", "$second:1");
    $reg->mark;
    docker_ok("$l: pull by tag", 'pull', "$repo:1");
    is(docker_out('image', 'inspect', '-f', '{{.Id}}', "$repo:1"), $id,
        "$l: it is the same image");
    $reg->count_is(3, "$l: three layers were fetched", 'GET',
        qr{/blobs/sha256:(?!\Q@{[ substr $id, 7 ]}\E)});
    same_files("$l: files of the pulled image", "$repo:1");

    # pull by digest
    forget("$repo:1");
    docker_ok("$l: pull by digest", 'pull', "$repo\@$digest");
    is(docker_out('image', 'inspect', '-f', '{{.Id}}', "$repo\@$digest"), $id,
        "$l: it is the same image");

    # from the repository that the layers were mounted into
    forget("$repo\@$digest");
    docker_ok("$l: pull of the mounted copy", 'pull', "$second:1");
    same_files("$l: files of the mounted copy", "$second:1");
    docker_ok("$l: the image has its first name", 'tag', "$second:1", 'image');

    docker_fails("$l: pull of an absent tag", qr/manifest.*unknown|not found/,
        'pull', "$repo:absent");
    docker_fails("$l: pull of an absent digest",
        qr/manifest.*unknown|not found/, 'pull', "$repo\@sha256:" . '0' x 64);
    docker_fails("$l: pull from an absent repository",
        qr/manifest.*unknown|not found|does not exist/,
        'pull', $reg->host . '/docker/absent:1');

    # a layer of no bytes
    docker_ok("$l: tag the image with an empty layer", 'tag', 'empty',
        "$repo:empty");
    docker_ok("$l: push it", 'push', "$repo:empty");
    my $empty_id = docker_out('image', 'inspect', '-f', '{{.Id}}', 'empty');
    forget('empty', "$repo:empty");
    docker_ok("$l: pull it", 'pull', "$repo:empty");
    is(docker_out('image', 'inspect', '-f', '{{.Id}}', "$repo:empty"),
        $empty_id, "$l: it is the same image");
    docker_ok("$l: the empty one has its first name", 'tag', "$repo:empty",
        'empty');

    multi_arch($reg, $l);
    deletes($reg, $l, $repo, $digest);

    return;
}


sub multi_arch {
    my ($reg, $l) = @_;

    my $repo = $reg->host . '/docker/multi';
    my @insecure = $reg->tls ? () : '--insecure';

    for my $pair ([ 'image', 'amd64' ], [ 'other', 'arm64' ]) {
        my ($image, $arch) = @$pair;
        docker_out('tag', $image, "$repo:$arch");
        docker_ok("$l: push the image of $arch", 'push', "$repo:$arch");
    }

    docker_ok("$l: manifest create", 'manifest', 'create', @insecure,
        "$repo:all", "$repo:amd64", "$repo:arm64");
    docker_ok("$l: manifest annotate", 'manifest', 'annotate', "$repo:all",
        "$repo:arm64", '--arch', 'arm64', '--os', 'linux');
    my $digest = docker_ok("$l: manifest push", 'manifest', 'push', '--purge',
        @insecure, "$repo:all");
    is(served_digest($reg, 'docker/multi', 'all'), $digest,
        "$l: the list is under its tag");

    my $list = json(docker_ok("$l: manifest inspect", 'manifest', 'inspect',
        @insecure, "$repo:all"));
    is_deeply([ sort map { $_->{platform}{architecture} // '' }
                @{ $list->{manifests} // [] } ],
        [ 'amd64', 'arm64' ], "$l: both platforms are in the list");

    forget("$repo:arm64");
    docker_ok("$l: pull of one platform", 'pull', '--platform', 'linux/arm64',
        "$repo:all");
    is(docker_out('image', 'inspect', '-f', '{{.Architecture}}', "$repo:all"),
        'arm64', "$l: it is that of the platform");
    docker_out('tag', "$repo:all", 'other');
    forget("$repo:all", "$repo:amd64");

    return;
}


# Docker cannot delete; the operator does, and docker sees it.

sub deletes {
    my ($reg, $l, $repo, $digest) = @_;

    forget('image', $reg->host . '/docker/second:1');

    TODO: {
        local $TODO = $reg->lacks('tag-delete');

        http_is($reg, 'DELETE', '/v2/docker/image/manifests/1', 202,
            "$l: tag deleted");
        docker_fails("$l: no pull by that tag", qr/manifest.*unknown|not found/,
            'pull', "$repo:1");
    }

    forget("$repo:1");
    docker_ok("$l: pull by the other tag", 'pull', "$repo:latest");
    forget("$repo:latest");

    http_is($reg, 'DELETE', "/v2/docker/image/manifests/$digest", 202,
        "$l: manifest deleted");
    # docker may remember the manifest itself, and then asks for blobs alone
    is(manifest_head($reg, 'docker/image', $digest)->{status}, 404,
        "$l: not there by digest");
    docker_fails("$l: no pull by the other tag",
        qr/manifest.*unknown|not found/, 'pull', "$repo:latest");

    # what was deleted can be pushed anew
    my $second = $reg->host . '/docker/second:1';
    docker_ok("$l: pull of the copy", 'pull', $second);
    docker_out('tag', $second, 'image');
    docker_out('tag', $second, "$repo:1");
    docker_ok("$l: push of what was deleted", 'push', "$repo:1");
    forget("$repo:1", $second);

    return;
}


# Docker does verify the server: without the authority it refuses.

sub certificate_is_checked {
    my ($reg) = @_;

    rename("$certs/ca.crt", "$certs/not") or die "$certs: $!\n";
    docker_fails('tls: an unknown authority is refused', qr/x509|certificate/,
        'pull', $reg->host . '/docker/second:1');
    rename("$certs/not", "$certs/ca.crt") or die "$certs: $!\n";
    docker_ok('tls: a known one is accepted', 'pull',
        $reg->host . '/docker/second:1');

    return;
}


sub big_layer {
    my ($reg) = @_;

    my $tar = Test::Clients::Image::random_tar("$dir/big.tar",
        GIB + 3 * 1024 * 1024 + 1, 'docker');
    my $ref = $reg->host . '/docker/big:1';

    my $id = docker_ok('big: import', { timeout => 120 }, 'import', $tar, $ref);
    unlink($tar);
    docker_ok('big: push', { timeout => 150 }, 'push', $ref);

    my $m = json(http($reg, 'GET', '/v2/docker/big/manifests/1', { headers => {
        Accept => 'application/vnd.docker.distribution.manifest.v2+json' },
    })->{content});
    my $layer = $m->{layers}[0] // { size => 0, digest => 'none' };
    cmp_ok($layer->{size}, '>', GIB, 'big: the layer is over a GiB');

    (my $file = $layer->{digest}) =~
        s{^(.*):((..).*)$}{$1/$3/$2/data};
    is(file_digest($reg->root . "/docker/registry/v2/blobs/$file"),
        $layer->{digest}, 'big: it lies in the store as it was sent');

    docker_ok('big: forget', 'rmi', $ref);
    docker_ok('big: pull', { timeout => 150 }, 'pull', $ref);
    is(docker_out('image', 'inspect', '-f', '{{.Id}}', $ref), $id,
        'big: it is the same image');

    return;
}


# --- images ------------------------------------------------------------------

sub build {
    my ($name, $arch) = @_;

    my $ctx = Test::Clients::Image::context("$dir/$name", $name, 'Dockerfile');

    my $r = docker({ timeout => 120 }, 'build', '--platform', "linux/$arch",
        '-t', $name, $ctx);
    diag("$r->{out}\n$r->{err}") if $r->{rc};

    return $r->{rc} == 0;
}


sub load_image_with_empty_layer {
    my $image = Test::Clients::Image->new("$dir/empty");
    my $tar = Test::Clients::Image::tar({ 'hello' => "hello\n" });
    my $diff = 'sha256:' . Digest::SHA::sha256_hex($tar);
    my $none = 'sha256:' . Digest::SHA::sha256_hex('');

    my $archive = Test::Clients::Image::tar({
        'config.json' => JSON::PP::encode_json({
            architecture => 'amd64', os => 'linux',
            config => { Cmd => [ '/hello' ] },
            rootfs => { type => 'layers', diff_ids => [ $diff, $none ] },
        }),
        'one.tar' => $tar, 'two.tar' => '',
        'manifest.json' => JSON::PP::encode_json([ {
            Config => 'config.json', RepoTags => [ 'empty:latest' ],
            Layers => [ 'one.tar', 'two.tar' ],
        } ]),
    });

    docker_ok('image with an empty layer loaded', 'load', '-i',
        spew("$dir/empty.tar", $archive));

    return;
}


sub same_files {
    my ($name, $ref) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $out = "$dir/export";
    docker_out('create', '--name', 'look', $ref, '/hello');
    docker_out('export', '-o', "$out.tar", 'look');
    docker_out('rm', 'look');
    mkdir $out;
    run('tar', '-xf', "$out.tar", '-C', $out);

    my %want = (hello => 'hello', none => 'etc/none',
                noise => 'usr/share/noise');
    my @differ = grep {
        !-f "$out/$want{$_}"
        || slurp("$out/$want{$_}") ne slurp("$dir/image/$_")
    } sort keys %want;
    is("@differ", '', $name);

    run('rm', '-rf', $out, "$out.tar");

    return;
}


# All traces of these images go, so that a pull has to fetch.

sub forget {
    my (@refs) = @_;

    docker_out('rmi', '-f', @refs);

    return;
}


# --- docker ------------------------------------------------------------------

sub docker {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};

    return run({ %$opt, env => { DOCKER_BUILDKIT => 0 } }, @docker, @_);
}


sub _command {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};

    return ({ %$opt, env => { DOCKER_CLI_EXPERIMENTAL => 'enabled' } },
        @docker, @_);
}


sub docker_ok {
    my ($name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return run_ok($name, _command(@args));
}


sub docker_fails {
    my ($name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return run_fails($name, $pattern, _command(@args));
}


# A step that is no assertion, but must not fail quietly either.

sub docker_out {
    my $r = docker(@_);

    if ($r->{rc} != 0 && "@_" !~ /^rmi /) {
        diag("docker @_: $r->{err}");
        return "docker @_ failed";
    }

    $r->{out} =~ s/\n\z//;

    return $r->{out};
}

#!/usr/bin/perl

# buildah: images put together step by step, straight from and to a registry.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 2 * 30 + 2 + 2 * FINISH;

enter_jail($tests, root => 1);

my $buildah = need($tests, 'buildah');
my $dir = tempdir('buildah');

my $plain = start_registry();
my $tls = start_registry(tls => 1);
spew("$dir/certs/ca.crt", slurp($tls->ca_file));
mkdir "$dir/no-certs";

spew("$dir/files/hello", "hello\n");
Test::Clients::Image::random_file("$dir/files/noise", 2_000_003, 'buildah');

plan tests => $tests;

scenario($_) for $plain, $tls;

certificate_is_checked($tls);

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my @v = $reg->tls ? ('--cert-dir', "$dir/certs") : '--tls-verify=false';
    my $repo = $reg->host . '/buildah/image';
    my $second = $reg->host . '/buildah/second';

    # an image from nothing
    my $c = buildah_ok("$l: from scratch", 'from', 'scratch');
    buildah_ok("$l: copy", 'copy', $c, "$dir/files", '/');
    buildah_ok("$l: config", 'config', '--cmd', '/hello', $c);
    my $id = buildah_ok("$l: commit", 'commit', '--rm', $c, "base-$l");

    # push
    $reg->mark;
    buildah_ok("$l: push", 'push', @v, '--digestfile', "$dir/digest",
        "base-$l", "docker://$repo:1");
    $reg->sent_is(2, "$l: the layer and the config were sent");
    my $digest = slurp("$dir/digest");

    $reg->mark;
    buildah_ok("$l: push again", 'push', @v, "base-$l", "docker://$repo:1");
    $reg->nothing_sent("$l: nothing was sent again");

    # the cache of locations may have missed it, as in client_skopeo.t
    my $failed = 0;

    for my $name (qw(second third fourth)) {
        $reg->mark;
        $failed++ if buildah('push', @v, "base-$l",
            'docker://' . $reg->host . "/buildah/$name:1")->{rc} != 0;
        last if $failed || $reg->mounted == 1;
    }
    is($failed, 0, "$l: push to another repository");
    $reg->mounted_is(1, "$l: the layer was mounted");
    $reg->sent_is(1, "$l: only the config was sent");

    # pull
    buildah_ok("$l: forget the image", 'rmi', '-f', $id);
    buildah_ok("$l: pull by tag", 'pull', @v, "docker://$repo:1");
    is(image_id("$repo:1"), $id, "$l: it is the same image");
    buildah_ok("$l: forget it again", 'rmi', '-f', $id);
    buildah_ok("$l: pull by digest", 'pull', @v, "docker://$repo\@$digest");
    is(image_id("$repo\@$digest"), $id, "$l: it is the same image");

    # build upon it: the layer below is not sent again
    spew("$dir/$l/Containerfile", "FROM $repo:1\nCOPY more /more\n");
    spew("$dir/$l/more", "more\n");
    buildah_ok("$l: build upon it", 'bud', @v, '--layers=false', '-t',
        "derived-$l", "$dir/$l");
    $reg->mark;
    buildah_ok("$l: push of the derived image", 'push', @v, "derived-$l",
        "docker://$repo:derived");
    $reg->sent_is(2, "$l: one layer and the config were sent");

    my $w = buildah_ok("$l: from the derived image", 'from', '--pull-always',
        @v, "docker://$repo:derived");
    my $mount = buildah_ok("$l: mount it", 'mount', $w);
    is(join(' ', map { file_digest("$mount/$_") } qw( hello more noise )),
        join(' ', file_digest("$dir/files/hello"), file_digest("$dir/$l/more"),
            file_digest("$dir/files/noise")), "$l: all files are in it");
    buildah('rm', $w);

    # an index
    buildah('manifest', 'create', "list-$l");
    buildah_ok("$l: manifest add", 'manifest', 'add', @v, "list-$l",
        "docker://$repo:1");
    buildah_ok("$l: manifest add, another", 'manifest', 'add', @v, '--arch',
        'arm64', "list-$l", "docker://$repo:derived");
    buildah_ok("$l: manifest push", 'manifest', 'push', '--all', @v,
        "list-$l", "docker://$repo:all");
    my $index = json(http($reg, 'GET', '/v2/buildah/image/manifests/all', {
        headers => { Accept => 'application/vnd.oci.image.index.v1+json' },
    })->{content});
    is_deeply([ sort map { $_->{platform}{architecture} }
                @{ $index->{manifests} // [] } ],
        [ 'amd64', 'arm64' ], "$l: both are in the index");

    # deletes, by the operator
    http_is($reg, 'DELETE', "/v2/buildah/second/manifests/$digest", 202,
        "$l: manifest deleted");
    buildah_fails("$l: no pull by tag", qr/manifest unknown|not found/, 'pull',
        @v, '--policy', 'always', "docker://$second:1");
    buildah_fails("$l: no pull by digest", qr/manifest unknown|not found/,
        'pull', @v, '--policy', 'always', "docker://$second\@$digest");

    return;
}


sub certificate_is_checked {
    my ($reg) = @_;

    my $ref = 'docker://' . $reg->host . '/buildah/image:1';

    buildah_fails('tls: an unknown authority is refused', qr/x509|certificate/,
        'pull', '--policy', 'always', '--cert-dir', "$dir/no-certs", $ref);
    buildah_ok('tls: a known one is accepted', 'pull', '--policy',
        'always', '--cert-dir', "$dir/certs", $ref);

    return;
}


# The other tags' images must not stand in for what is pulled.

sub image_id {
    my ($ref) = @_;

    my $r = buildah('inspect', '--type', 'image', '-f', '{{.FromImageID}}',
        $ref);
    $r->{out} =~ s/\s+\z//;

    return $r->{out};
}


# --- buildah -----------------------------------------------------------------

sub _command {
    return ($buildah, '--root', "$dir/root", '--runroot', "$dir/run",
        '--storage-driver', 'vfs', @_);
}


sub buildah {
    my (@args) = @_;

    my $r = run(_command(@args));
    diag("buildah @args: $r->{err}") if $r->{rc};

    return $r;
}


sub buildah_ok {
    my ($name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($name, _command(@args));
}


sub buildah_fails {
    my ($name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_fails($name, $pattern, _command(@args));
}

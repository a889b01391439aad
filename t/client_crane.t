#!/usr/bin/perl

# crane, and with it all that is built upon go-containerregistry.
#
# It asks GET /v2/ and HEAD of the tag first, opens uploads with an empty JSON
# body and extra parameters, sends the length with a PATCH, and deletes a tag
# as a tag. Over TLS it speaks HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 2 * 71 + 1 + 2 * FINISH;

enter_jail($tests);

my $crane = need($tests, 'crane');
my $dir = tempdir('crane');
my $set = Test::Clients::Image::standard("$dir/set");
my @env;

my $plain = start_registry();
my $tls = start_registry(tls => 1);

plan tests => $tests;

scenario($_) for $plain, $tls;

@env = ({ env => { SSL_CERT_FILE => $plain->ca_file // '/dev/null' } });
run_fails('tls: an unknown authority is refused', qr/x509|certificate/, @env,
    $crane, 'digest', $tls->host . '/crane/copy:1');

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $repo = $reg->host . '/crane/image';
    my $second = $reg->host . '/crane/second';
    my $copy = $reg->host . '/crane/copy';
    my ($image, $digest) = ($set->{image}, $set->{image}{desc}{digest});

    @env = $reg->tls ? ({ env => { SSL_CERT_FILE => $reg->ca_file } }) : ();

    # push
    $reg->mark;
    is(crane_ok($reg, "$l: push", 'push', $image->{dir}, "$repo:1"),
        "$repo\@$digest", "$l: it tells the digest");
    $reg->sent_is(4, "$l: three layers and the config were sent");
    is(crane_ok($reg, "$l: digest", 'digest', "$repo:1"), $digest,
        "$l: the tag leads to it");

    $reg->mark;
    crane_ok($reg, "$l: push again", 'push', $image->{dir}, "$repo:1");
    $reg->nothing_sent("$l: nothing was sent again");

    # to another repository
    $reg->mark;
    crane_ok($reg, "$l: copy to another repository", 'copy', "$repo:1",
        "$copy:1");
    $reg->mounted_is(4, "$l: all blobs were mounted");
    $reg->sent_is(0, "$l: none was sent");
    is(crane_ok($reg, "$l: digest of the copy", 'digest', "$copy:1"), $digest,
        "$l: is the same");

    $reg->mark;
    crane_ok($reg, "$l: push to a third repository", 'push', $image->{dir},
        "$second:1");
    $reg->sent_is(4, "$l: a push from a folder cannot mount");

    # pull
    pull_ok($reg, "$l: pull by tag", "$repo:1", $image);
    pull_ok($reg, "$l: pull by digest", "$repo\@$digest", $image);
    pull_ok($reg, "$l: pull of the mounted copy", "$copy:1", $image);

    my $layer = $image->{layout}->path(manifest_of($image)->{layers}[2]);
    is(crane_ok($reg, "$l: one blob", 'blob', "$repo\@"
        . manifest_of($image)->{layers}[2]{digest}), slurp($layer),
        "$l: is what was pushed");
    is(crane_ok($reg, "$l: manifest", 'manifest', "$repo:1"),
        slurp($image->{layout}->path($digest)), "$l: is what was pushed");
    is(crane_ok($reg, "$l: config", 'config', "$repo:1"),
        slurp($image->{layout}->path(manifest_of($image)->{config})),
        "$l: is what was pushed");

    # tags
    $reg->mark;
    crane_ok($reg, "$l: tag", 'tag', "$repo:1", 'latest');
    $reg->nothing_sent("$l: no blob was sent for it");
    crane_ok($reg, "$l: tag with the longest name", 'tag', "$repo:1",
        't' x 128);
    is_deeply([ sort split(/\n/, crane_ok($reg, "$l: ls", 'ls', $repo)) ],
        [ '1', 'latest', 't' x 128 ], "$l: all tags are listed");
    is(crane_ok($reg, "$l: catalog", 'catalog', $reg->host),
        "crane/copy\ncrane/image\ncrane/second",
        "$l: all repositories are listed");

    # indexes: children go up by digest
    for my $kind ('multi', 'nested') {
        crane_ok($reg, "$l: push of an index ($kind)", 'push',
            $set->{$kind}{dir}, "$repo:$kind");
        pull_ok($reg, "$l: pull of it", "$repo:$kind", $set->{$kind});
    }

    # as BuildKit makes it from scratch and a label
    my $bare = Test::Clients::Image->new("$dir/bare-$l");
    my $none = { layout => $bare,
        desc => $bare->tag($bare->image([], layers => undef), 'latest') };
    crane_ok($reg, "$l: push of an image with layers null", 'push',
        $bare->dir, "$repo:bare");
    pull_ok($reg, "$l: pull of it", "$repo:bare", $none);

    $reg->mark;
    crane_ok($reg, "$l: copy of an index", 'copy', "$repo:nested",
        "$copy:nested");
    $reg->sent_is(0, "$l: no blob was sent");
    pull_ok($reg, "$l: pull of the copied index", "$copy:nested",
        $set->{nested});
    like(crane_ok($reg, "$l: config of one platform", 'config', '--platform',
        'linux/arm64', "$repo:multi"), qr/arm64/,
        "$l: is that of the platform");

    at_once($reg, $l, $repo);

    # a new image upon one that is there
    my $tar = spew("$dir/more.tar",
        Test::Clients::Image::tar({ more => "more\n" }));
    $reg->mark;
    crane_ok($reg, "$l: append a layer", 'append', '--base', "$repo:1", '-f',
        $tar, '-t', "$second:more");
    $reg->sent_is(2, "$l: one layer and the config were sent");
    crane_ok($reg, "$l: an image of that layer alone", 'append', '-f', $tar,
        '-t', "$second:alone");
    crane_ok($reg, "$l: validate it", 'validate', '--remote', "$second:alone");
    crane_ok($reg, "$l: mutate", 'mutate', '--label', 'a=b', '-t',
        "$repo:labelled", "$repo:1");

    # errors
    crane_fails($reg, "$l: an absent tag", qr/MANIFEST_UNKNOWN|404/,
        'manifest', "$repo:absent");
    crane_fails($reg, "$l: an absent repository", qr/NAME_UNKNOWN|404/, 'ls',
        $reg->host . '/crane/absent');

    # deletes
    TODO: {
        local $TODO = $reg->lacks('tag-delete');

        crane_ok($reg, "$l: delete of a tag", 'delete', "$repo:1");
        crane_fails($reg, "$l: the tag is gone", qr/MANIFEST_UNKNOWN|404/,
            'manifest', "$repo:1");
    }

    is(crane_ok($reg, "$l: digest by another tag", 'digest', "$repo:latest"),
        $digest, "$l: that tag is still there");
    crane_ok($reg, "$l: delete of the digest", 'delete', "$repo\@$digest");
    crane_fails($reg, "$l: the other tag is gone", qr/MANIFEST_UNKNOWN|404/,
        'manifest', "$repo:latest");
    crane_fails($reg, "$l: the digest is gone", qr/MANIFEST_UNKNOWN|404/,
        'manifest', "$repo\@$digest");
    pull_ok($reg, "$l: pull from the other repository", "$copy:1", $image);
    crane_ok($reg, "$l: push of what was deleted", 'push', $image->{dir},
        "$repo:1");

    return;
}


# The same by several at once, none of which knows of the others.

sub at_once {
    my ($reg, $l, $repo) = @_;

    local $TODO = $reg->lacks('at-once');

    at_once_ok($reg, "$l: four pushes at once", map {
        [ 'push', $set->{nested}{dir}, $reg->host . "/crane/at-once:$_" ]
    } 1, 1, 2, 3);
    pull_ok($reg, "$l: pull of what they pushed",
        $reg->host . '/crane/at-once:1', $set->{nested});
    at_once_ok($reg, "$l: four copies at once", map {
        [ 'copy', "$repo:nested", $reg->host . "/crane/copied:$_" ]
    } 1, 1, 2, 3);
    pull_ok($reg, "$l: pull of what they copied",
        $reg->host . '/crane/copied:1', $set->{nested});

    return;
}


sub manifest_of {
    my ($image) = @_;

    return json(slurp($image->{layout}->path($image->{desc})));
}


# Two assertions: it can be pulled, and is what was pushed.

sub pull_ok {
    my ($reg, $name, $ref, $image) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $to = "$dir/back";
    run('rm', '-rf', $to);
    crane_ok($reg, $name, 'pull', '--format=oci', $ref, $to);
    is_deeply([ $image->{layout}->missing_in($image->{desc}, $to) ], [],
        "$name: every byte came back");

    return;
}


# A name outside of localhost is plain HTTP only when one insists.

sub _command {
    my ($reg, @args) = @_;

    return (@env, $crane, $reg->tls ? () : '--insecure', @args);
}


sub crane_ok {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($name, _command($reg, @args));
}


sub at_once_ok {
    my ($reg, $name, @jobs) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($opt, @first) = (ref $env[0] ? $env[0] : {},
        grep { !ref } _command($reg));
    my $script = join("\n", 'pids=', map({
        "@first @$_ & pids=\"\$pids \$!\"" } @jobs),
        'for p in $pids; do wait $p || exit 1; done');

    return run_ok($name, $opt, 'sh', '-c', $script);
}


sub crane_fails {
    my ($reg, $name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_fails($name, $pattern, _command($reg, @args));
}

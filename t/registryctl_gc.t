#!/usr/bin/perl

# registryctl gc and purge-uploads: what they print, and how they end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $root = $t->{root};
my $v2 = "$root/docker/registry/v2";
my $image = $t->push_image('some/app', 'v1', layers => [ blob(70_000, 1) ]);
my $lone = $t->push_blob('some/app', blob(5000, 2));

calls();
nothing();
garbage();
uploads();
damaged();
odd_names();
asked();
owner();
long_periods();

$t->finish;
done_testing();


sub calls {
    my $empty = work_dir();
    for my $group (qw(gc purge-uploads)) {
        my $r = ctl($group, $empty);
        is_exit($r, 3, "$group of no store");
        like($r->{err}, qr/no registry's store/, 'is told as such');
        ok(!-e "$empty/docker", 'and nothing is made there');

        is_exit(ctl($group), 2, "$group: no root");
        is_exit(ctl($group, $root, $root), 2, "$group: two of them");
        is_exit(ctl($group, $root, '--nose'), 2, "$group: no such option");
        is_exit(ctl($group, "$root/none"), 3, "$group: no such directory");

        my $option = $group eq 'gc' ? '--grace' : '--idle';
        for my $period ('', '1', 'x', '-1h', '1y', '0', '0s') {
            is_exit(ctl($group, $root, "$option=$period"), 2,
                "$group $option=$period");
        }
    }
    is_exit(ctl('gc', $root, '--grace=1s'), 2, 'gc: less than two seconds');
}


# Thousands of years: what is that old is never there.

sub long_periods {
    my $lone = $t->push_blob('some/app', blob(5000, 4));
    my $l = $t->open_upload('some/app');

    for my $period (qw(200000d 100000w 999999999w)) {
        my $r = ctl('gc', $root, "--grace=$period");
        is_exit($r, 0, "gc --grace=$period");
        is_status($t->get("/v2/some/app/blobs/$lone"), 200,
            'takes nothing of today');

        $r = ctl('purge-uploads', $root, "--idle=$period");
        is_exit($r, 0, "purge-uploads --idle=$period");
        is_status($t->get($l), 204, 'nor does that');
    }

    my $image = $t->push_image('untagged', 'v1');
    $t->push_image('untagged', 'v1', layers => [ blob(3000, 3) ]);
    sleep 2.5;
    is_exit(ctl('gc', $root, '--grace=2s', '--untagged=999999999w',
        '--dry-run'), 0, 'gc --untagged of as long');
    is_exit(ctl('gc', $root, '--grace=999999999w',
        '--untagged=999999999w'), 0, 'and both');
    is_status($t->get("/v2/untagged/manifests/$image->{digest}"), 200,
        'takes no manifest of today');
    is_status($t->delete('/v2/untagged/_nginx/repository/content'), 202);
    is_status($t->delete($l), 204);
}


sub nothing {
    my $r = ctl('gc', $root);
    is_exit($r, 0, 'gc: all is fresh');
    is($r->{out}, '', 'nothing goes');
    like($r->{err}, qr/\Aregistryctl: 0 of 4 blobs with 0 bytes and 0 of 3 /,
        'a summary');

    $r = ctl('purge-uploads', $root);
    is_exit($r, 0, 'purge-uploads: there are none');
    is($r->{out}, '', 'nothing goes');
}


sub garbage {
    sleep 3;
    my $r = ctl(qw(gc --grace 2s --dry-run --json), $root);
    is_exit($r, 0, 'gc --dry-run --json');
    my $all = decode_json($r->{out});
    is_deeply([ map { $_->{what} } @{ $all->{things} } ], [qw(link blob)],
        'what would go');
    is($all->{counts}{bytes_gone}, 5000, 'so many bytes');
    is($t->head("/v2/some/app/blobs/$lone")->status, 200, 'it is still there');

    sleep 3;
    unlike($r->{err}, qr/warning/, 'which warns of nothing');
    $r = ctl(qw(gc --grace 2s), $root);
    like($r->{err}, qr/warning: within 30m HEAD answers without renewing/,
        'a grace that is shorter than the promises of nginx');
    is_exit($r, 0, 'gc');
    my ($hex) = $lone =~ /:(.*)/;
    is($r->{out}, "link docker/registry/v2/repositories/some/app/_layers/"
        . "sha256/$hex\nblob docker/registry/v2/blobs/sha256/"
        . substr($hex, 0, 2) . "/$hex\n", 'what went');
    is($t->head("/v2/some/app/blobs/$lone")->status, 404, 'it is gone');
    is($t->get("/v2/some/app/manifests/v1")->status, 200, 'the image is not');

    is((stat "$root/docker/registry/nginx/$_")[4], (stat $root)[4],
        "$_ belongs to whom the root does") for qw(collect purge lock);

    open my $fh, '<', "$root/docker/registry/nginx/collect" or die;
    flock $fh, 2 or die;
    $r = ctl(qw(gc --grace 2s), $root);
    is_exit($r, 3, 'F48 somebody else collects');
    like($r->{err}, qr/somebody else is at it/, 'F48 is told as such');
}


sub uploads {
    my $r = $t->post('/v2/some/app/blobs/uploads/');
    my ($id) = $r->header('Location') =~ m{/uploads/([0-9a-f-]{36})};
    sleep 2.2;
    $r = ctl(qw(purge-uploads --idle 1h), $root);
    is($r->{out}, '', 'an upload that is young stays');
    $r = ctl(qw(purge-uploads --idle 2s --dry-run --json), $root);
    is_exit($r, 0, 'purge-uploads --dry-run --json');
    my $all = decode_json($r->{out});
    is($all->{things}[0]{what}, 'upload', 'it would go');
    cmp_ok($all->{things}[0]{idle}, '>=', 2, 'so old it is');
    is($all->{counts}{uploads_gone}, 1, 'one');
    $r = ctl(qw(purge-uploads --idle 2s), $root);
    is($r->{out}, "upload docker/registry/v2/repositories/some/app/_uploads/"
        . "$id\n", 'it goes');
    is($t->get("/v2/some/app/blobs/uploads/$id")->status, 404, 'and is gone');
}


sub damaged {
    my ($hex) = $image->{digest} =~ /:(.*)/;
    my $data = "$v2/blobs/sha256/" . substr($hex, 0, 2) . "/$hex/data";
    my $was = file_text($data);
    put_file($data, '{}');
    my $r = ctl(qw(gc --grace 2s), $root);
    is_exit($r, 1, 'a damaged manifest');
    is($r->{out}, "damaged docker/registry/v2/repositories/some/app/"
        . "_manifests/revisions/sha256/$hex/link\n", 'is named');
    like($r->{err}, qr/1 repositories were left alone/, 'and what follows');
    put_file($data, $was);
    is_exit(ctl(qw(gc --grace 2s), $root), 0, 'mended');
}


# A name that would steer a terminal, in seven and in eight bits.

sub odd_names {
    my $root = work_dir();
    my $repos = "$root/docker/registry/v2/repositories";
    mkdir $root . join '/', '', (qw(docker registry v2 repositories))[0 .. $_]
        for 0 .. 3;
    symlink '/', "$repos/a\x1b[2J\x9b1m\xc2\x9b1m" or die;

    my $r = ctl(qw(gc), $root);
    is_exit($r, 3, 'a symbolic link among the repositories');
    like($r->{err}, qr{repositories/a\?\[2J\?1m\?1m: },
        'is named in letters that steer nothing');
}


# F46: by hand, where nginx collects nothing, HEAD is a promise all the same.

sub asked {
    my @images = map { $t->push_image('asked', undef, seed => "asked $_",
        layers => [ blob(1000, "asked $_") ]) } 1, 2;
    my $then = time - 5 * 24 * 3600;
    my @files = map { $t->blob_file($_) } map {
        ($_->{digest}, map { sha256($_) } $_->{config}, @{ $_->{layers} })
    } @images;

    s{/data\z}{} for my @dirs = @files;
    utime $then, $then, @files, @dirs,
        glob $t->repo_dir('asked') . '/*/{sha256,revisions/sha256}/*/link';

    is($t->head("/v2/asked/manifests/$images[0]{digest}")->status, 200,
        'F46 HEAD of a manifest without a tag');
    is_exit(ctl(qw(gc --untagged 2h --grace 2h), $root), 0,
        'F46 gc --untagged');
    is_whole($t->get("/v2/asked/manifests/$images[0]{digest}"),
        $images[0]{bytes}, 'F46 what was asked for stays');
    is($t->head("/v2/asked/blobs/" . sha256($images[0]{layers}[0]))->status,
        200, 'F46 with its layer');
    is($t->get("/v2/asked/manifests/$images[1]{digest}")->status, 404,
        'F46 the other one goes');
}


# As root: what is left in the store is for nginx's workers to write to.

sub owner {
    SKIP: {
        skip_tests('only root can', 8) if $> != 0;
        for my $group (qw(gc purge-uploads)) {
            my $store = work_dir();
            my $path = "$store";
            for (qw(docker registry v2 repositories)) {
                $path .= "/$_";
                mkdir $path or die;
                chown 65534, 65534, $path or die;
            }
            is_exit(ctl($group, $store), 0, "$group as root");
            ok(-e "$store/docker/registry/nginx", 'it leaves something');
            my ($rc, $said) = run_command(30, 'find', "$store/docker", '!',
                '-uid', 65534);
            is($said, '', 'all of it is the owner\'s');
            is_exit(ctl({ uid => 65534 }, $group, $store), 0,
                'who goes on with it');
        }
    }
}

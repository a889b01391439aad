#!/usr/bin/perl

# The power is cut before each system call of one operation after the other:
# F10. What a cut leaves of an upload (F12), files without their bytes (F13).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Cutter;
use Test::Registry::Disk;
use Test::Registry::Ledger;
use Test::Registry::Torture;

my $registryctl = $ENV{TEST_REGISTRYCTL}
    || "$FindBin::Bin/../build/registryctl";

# more system calls than any operation makes

use constant MANY => 300;

# every call in make torture; otherwise every fifth, from another one each time

use constant STRIDE => torture(5, 1);

alone(132);
seed();

for my $fs (qw(ext4 xfs)) {
    my $disk = eval { Test::Registry::Disk->new(fs => $fs) }
        or fail("F10 $fs: $@"), next;
    my $cutter = Test::Registry::Cutter->new($disk);

    each_call($disk, $cutter);
    between_parts($disk);
    unsynced($disk, $cutter);
}

done_testing();


# The operations: what has to be there first, and the one that is cut.

sub operations {
    return (
        ['a push', sub { }, \&push_in_parts],
        ['a single POST', sub { }, \&single],
        ['a mount', \&single, \&mounted],
        ['a manifest with tags', \&parts, \&tagged],
        ['a tag move', \&two_images, \&move],
        ['a tag delete', \&two_images, \&untag],
        ['a manifest delete', \&two_images, \&delete_manifest],
        ['a blob delete', \&single, \&delete_blob],
        ['a repository delete', \&two_images, \&delete_repo],
    );
}


sub each_call {
    my ($disk, $cutter) = @_;

    my $fs = $disk->fs;
    my $t = Test::Registry->new(root => $disk->root,
        main => 'thread_pool one threads=1;',
        location => 'registry_delete on; registry_thread_pool one;');
    my $cuts = 0;

    $cutter->start($t);

    for my $row (operations()) {
        my ($what, $prepare, $act) = @$row;
        my (@wrong, $calls, $survived);

        for (my $n = 1 + int rand STRIDE; $n < MANY; $n += STRIDE) {
            my $ledger = Test::Registry::Ledger->new;
            my $x = { t => $t, ledger => $ledger, repo => "r$cuts",
                seed => "$fs-$cuts", sessions => {} };

            $prepare->($x);
            die "$what is not prepared\n" if $x->{refused};

            $cutter->arm($n);
            $act->($x);
            $calls = $cutter->disarm;
            $survived = $calls < $n;
            $disk->cut if $survived;
            $cuts++;

            $disk->power_up($t, sub { $cutter->start($t) });

            push @wrong, map { "call $n: $_" } look($disk, $x);
            last if $survived || @wrong;
        }

        cmp_ok($calls, '>=', 2, "F10 $fs: $what: has calls to cut before");
        ok($survived && !@wrong,
            "F10 $fs: $what: the power cut before any of $calls calls")
            or diag join "\n", @wrong;
    }

    figure("F10 power cuts on $fs, by call", $cuts);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# Everything that an operation touched, after the power is back.

sub look {
    my ($disk, $x) = @_;

    my @wrong = $x->{ledger}->check($x->{t}, $x->{ledger}->touched);

    for my $s (values %{ $x->{sessions} }) {
        push @wrong, goes_on($x->{t}, $s);
    }

    # cut before the first of all writes, and there is no store yet
    return @wrong if !-d $disk->root . '/docker/registry/v2';

    my ($rc, $out) = run_command(60, $registryctl, 'audit', '--digests',
        $disk->root);
    push @wrong, "registryctl audit: $out" if $rc != 0;

    return @wrong;
}


# F12: a session is gone, or at an offset that was sent, with those bytes.

sub goes_on {
    my ($t, $s) = @_;

    my $r = $t->get($s->{path});
    return if $r->status == 404;

    my ($end) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/;
    return "F12 session: " . $r->as_text if $r->status != 204
        || !defined $end;

    my $at = $end ? $end + 1 : 0;
    return "F12 the session is at $at of $s->{sent}" if $at > $s->{sent};

    $r = $t->put("$s->{path}?digest=" . sha256($s->{bytes}),
        body => substr($s->{bytes}, $at));
    return $r->status == 201 ? ()
        : "F12 the session cannot go on at $at: " . $r->as_text;
}


# One request that the ledger knows of.

sub asks {
    my ($x, $want, $changes, $method, $uri, %o) = @_;

    my $op = $x->{ledger}->begin(%$changes);
    my $r = $x->{t}->request($method, $uri, %o);

    if ($r->status == $want) {
        $x->{ledger}->acknowledge($op);
        return $r;
    }

    $x->{ledger}->refuse($op) if $r->status;
    $x->{refused} = 1;
    return undef;
}


# Two PATCHes and a PUT, the first of them short.

sub push_in_parts {
    my ($x) = @_;

    my $bytes = blob(200_000, $x->{seed});
    my $repo = $x->{repo};
    my $r = asks($x, 202, {}, 'POST', "/v2/$repo/blobs/uploads/", body => '')
        or return;
    my $path = path_of($r->header('Location'));
    my $s = $x->{sessions}{$path} = { path => $path, bytes => $bytes,
        sent => 0 };

    for my $part ([0, 30_000], [30_000, 20_000], [50_000, 100_000]) {
        $s->{sent} += $part->[1];
        asks($x, 202, {}, 'PATCH', $path, body => substr $bytes, $part->[0],
            $part->[1]) or return;
    }

    $s->{sent} = length $bytes;
    asks($x, 201, { "blob $repo " . sha256($bytes) => 1 }, 'PUT',
        "$path?digest=" . sha256($bytes), body => substr $bytes, 150_000);
}


sub single {
    my ($x) = @_;

    my $bytes = $x->{bytes} = blob(3000, $x->{seed});
    my $digest = $x->{blob} = sha256($bytes);

    asks($x, 201, { "blob $x->{repo} $digest" => 1 }, 'POST',
        "/v2/$x->{repo}/blobs/uploads/?digest=$digest", body => $bytes);
}


sub mounted {
    my ($x) = @_;

    asks($x, 201, { "blob m$x->{repo} $x->{blob}" => 1 }, 'POST',
        "/v2/m$x->{repo}/blobs/uploads/?mount=$x->{blob}&from=$x->{repo}",
        body => '');
}


sub parts {
    my ($x) = @_;

    $x->{image} = image(seed => $x->{seed});
    $x->{other} = image(seed => $x->{seed},
        more => { annotations => { other => 'yes' } });

    for my $bytes ($x->{image}{config}, @{ $x->{image}{layers} }) {
        my $digest = sha256($bytes);
        asks($x, 201, { "blob $x->{repo} $digest" => 1 }, 'POST',
            "/v2/$x->{repo}/blobs/uploads/?digest=$digest", body => $bytes);
    }
}


sub manifest_put {
    my ($x, $image, $reference, @tags) = @_;

    my $repo = $x->{repo};
    asks($x, 201, {
        "manifest $repo $image->{digest}" => 1,
        map { ("tag $repo $_" => $image->{digest}) } @tags,
    }, 'PUT', "/v2/$repo/manifests/$reference", body => $image->{bytes},
        headers => [['Content-Type', $image->{type}]]);
}


sub tagged {
    my ($x) = @_;

    manifest_put($x, $x->{image}, "$x->{image}{digest}?tag=a&tag=b", 'a', 'b');
}


sub two_images {
    my ($x) = @_;

    parts($x);
    manifest_put($x, $x->{image}, 'v1', 'v1');
    manifest_put($x, $x->{other}, 'v2', 'v2');
}


sub move {
    my ($x) = @_;

    manifest_put($x, $x->{other}, 'v1', 'v1');
}


sub untag {
    my ($x) = @_;

    asks($x, 202, { "tag $x->{repo} v1" => '' }, 'DELETE',
        "/v2/$x->{repo}/manifests/v1");
}


sub delete_manifest {
    my ($x) = @_;

    asks($x, 202, {
        "tag $x->{repo} v1" => '',
        "manifest $x->{repo} $x->{image}{digest}" => ''
    }, 'DELETE', "/v2/$x->{repo}/manifests/$x->{image}{digest}");
}


sub delete_blob {
    my ($x) = @_;

    asks($x, 202, { "blob $x->{repo} $x->{blob}" => '' }, 'DELETE',
        "/v2/$x->{repo}/blobs/$x->{blob}");
}


sub delete_repo {
    my ($x) = @_;

    asks($x, 202, {
        map { $_ => '' } $x->{ledger}->things($x->{repo})
    }, 'DELETE', "/v2/$x->{repo}/_nginx/repository/content");
}


# F12: after the PATCH and before the PUT, alone on the disk and with somebody
# else who syncs.

sub between_parts {
    my ($disk) = @_;

    my $fs = $disk->fs;
    $disk->format;

    my $t = Test::Registry->new(root => $disk->root,
        location => 'registry_delete on;')->run;

    for my $parts ([50_000], [30_000, 29_000], [400, 400, 400],
        [70_000, 1, 90_000])
    {
        for my $others (0, 1) {
            my $size = 0;
            my $bytes = blob(200_000, "$fs-@$parts-$others");
            my $path = $t->open_upload('parts');

            for my $n (@$parts) {
                is($t->patch($path, body => substr $bytes, $size, $n)->status,
                    202, "F12 $fs: a PATCH of $n bytes");
                $size += $n;
            }

            $t->push_blob('others', "$path $_") for 1 .. $others;
            $disk->cut;
            $disk->power_up($t);

            my @wrong = goes_on($t, { path => $path, bytes => $bytes,
                sent => $size });
            ok(!@wrong, "F12 $fs: cut after parts of @$parts"
                . ($others ? ', others sync' : '')) or diag @wrong;
        }
    }

    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# These tests find what is lost: on a disk that syncs nothing they fail.

sub unsynced {
    my ($disk, $cutter) = @_;

    my $fs = $disk->fs;
    $disk->format;

    my $t = Test::Registry->new(root => $disk->root,
        location => 'registry_delete on;');
    my $x = { t => $t, ledger => Test::Registry::Ledger->new, repo => 'un',
        seed => "$fs-unsynced", sessions => {} };

    $cutter->start($t);
    $cutter->unsynced(1);
    two_images($x);
    push_in_parts($x);
    ok(!$x->{refused}, "F09 $fs: pushed to a disk that syncs nothing");
    $disk->cut;
    $cutter->unsynced(0);
    $disk->power_up($t);

    my @wrong = $x->{ledger}->check($t, $x->{ledger}->touched);
    cmp_ok(scalar @wrong, '>=', 5, "F09 $fs: and that is found out");

    # what is left of it is neither served nor in the way

    $x->{ledger} = Test::Registry::Ledger->new;
    two_images($x);
    ok(!$x->{refused}, "F13 $fs: it is pushed again");
    @wrong = $x->{ledger}->check($t, $x->{ledger}->touched);
    ok(!@wrong, "F13 $fs: and that repairs it") or diag join "\n", @wrong;

    $t->finish(audit => { grace => 3600, unfinished => 1 });
}

#!/usr/bin/perl

# Disks that die slowly: reads that fail (F18), a device that has no room for
# what the file system thinks it has (F19), one that takes two seconds for
# every sync (F24), and what network file systems are known for (F35).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Disk;
use Test::Registry::Ledger;
use Test::Registry::Trace;

alone(90);
skip_suite(Test::Registry::Trace::why(), 90)
    if !Test::Registry::Trace::available();

unreadable_blob();
unreadable_small();
starved();
slow_sync();
network_habits();

done_testing();


# Runs code while a worker's calls on those paths, or all of them, fail.

sub failing {
    my ($t, $inject, $paths, $code) = @_;

    my ($pid) = $t->workers;
    my ($calls) = $inject =~ /\A([\w,]+):/;
    my $trace = Test::Registry::Trace->attach($pid,
        calls => [split /,/, $calls], inject => [$inject], paths => $paths);
    my $ok = eval { $code->(); 1 };
    my @hit = grep { ($_->{text} // '') =~ /INJECTED|DELAYED/ } $trace->stop;

    die $@ if !$ok;
    return scalar @hit;
}


# The device ends in the middle of a blob: what was sent is right, and no byte
# stands for one that could not be read.

sub unreadable_blob {
    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 96);
    my $t = Test::Registry->new(root => $disk->root)->run;
    my $small = $t->push_image('app', 'v1');
    my $bytes = blob(24 << 20, 'unreadable');
    my $digest = $t->push_blob('app', $bytes);
    my $file = $t->blob_file($digest);

    # somewhere behind the first megabytes of it, and behind all that matters

    my @extents = sort { $a->[0] <=> $b->[0] } $disk->extents($file);
    my ($last) = sort { $b->[1] <=> $a->[1] } @extents;
    my $at = $last->[1] + ($last->[2] >> 1 & ~0xfffff);
    my $good = $last->[0] + ($at - $last->[1]);

    $disk->forget($file);
    truncate $disk->image, $at or die "truncate: $!\n";

    my ($worker) = $t->workers;
    my $r = $t->get("/v2/app/blobs/$digest");
    is($r->status, 200, 'F18 the head of a blob leaves before it is read');
    ok(!$r->complete, 'F18 a blob that cannot be read is cut');
    cmp_ok(length $r->body, '<', length $bytes, 'F18 not padded');
    ok($r->body eq substr($bytes, 0, length $r->body),
        'F18 what was sent of it is right');
    cmp_ok(length $r->body, '<=', $good + (1 << 20),
        'F18 nothing comes from behind the end of the device');

    my $range = $t->get("/v2/app/blobs/$digest",
        headers => [['Range', 'bytes=0-99']]);
    is($range->body, substr($bytes, 0, 100), 'F18 what can be read is served');

    is_whole($t->get('/v2/app/manifests/v1'), $small->{bytes},
        'F18 other things are');
    is(join(' ', $t->workers), $worker, 'F18 the worker lives');
    like($t->log_text, qr/\[(?:crit|alert|error)\][^\n]*failed[^\n]*/,
        'F18 the failure is logged');
    my ($hex) = $digest =~ /:(.*)/;
    like(join('', grep { /failed|sendfile|read/ } split /^/, $t->log_text),
        qr/$hex/, 'F18 with the digest');

    $t->allow_log(qr/\[alert\].*(?:sendfile|pread|read)\(\)/);
    $t->stop;
    truncate $disk->image, 96 << 20;
    $t->finish(audit => 0);
}


# Link, manifest, blob: the first read of each fails.

sub unreadable_small {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');
    my $layer = sha256($image->{layers}[0]);
    my ($mhex, $lhex) = map { (split /:/)[1] } $image->{digest}, $layer;
    my $repo = $t->repo_dir('app');

    my @cases = (
        ['the link of a tag', "$repo/_manifests/tags/v1/current/link",
            '/v2/app/manifests/v1', 'v1'],
        ['the link of a revision',
            "$repo/_manifests/revisions/sha256/$mhex/link",
            "/v2/app/manifests/$image->{digest}", $mhex],
        ['a manifest', $t->blob_file($image->{digest}),
            "/v2/app/manifests/$image->{digest}", $mhex],
        ['the link of a layer', "$repo/_layers/sha256/$lhex/link",
            "/v2/app/blobs/$layer", $lhex],
    );

    for my $case (@cases) {
        my ($what, $path, $uri, $logged) = @$case;

        # whatever is remembered of it

        $t->restart;
        my $from = length $t->log_text;
        my $r;
        my $hits = failing($t, 'pread64,read:error=EIO', [$path], sub {
            $r = $t->get($uri);
        });

        cmp_ok($hits, '>=', 1, "F18 $what: was read");
        is_error($r, 500, 'UNKNOWN', "F18 $what: a read error");
        like(substr($t->log_text, $from), qr/\[crit\][^\n]*\Q$logged\E/,
            "F18 $what: is logged with its name");
        is_status($t->get($uri), 200, "F18 $what: and served when it is over");
    }

    $t->finish;
}


# A file system of 64 MB on 24: writes succeed, syncs fail, then all fails.

sub starved {
    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 64, room => 24);
    my $t = Test::Registry->new(root => $disk->root,
        location => 'registry_delete on;')->run;
    my $ledger = Test::Registry::Ledger->new;
    my $image = $t->push_image('app', 'v1');
    my (%refused, $pulls);

    $ledger->settle("tag app v1", $image->{digest});
    $ledger->settle("manifest app $image->{digest}", 1);

    my $acknowledged = 0;
    for my $n (1 .. 60) {
        my $bytes = blob(800_000, "starved-$n");
        my $digest = sha256($bytes);
        my $op = $ledger->begin("blob app $digest" => 1);
        my $r = $t->post("/v2/app/blobs/uploads/?digest=$digest",
            body => $bytes);

        if ($r->status == 201) {
            $ledger->acknowledge($op);
            $acknowledged++;
        } else {
            $ledger->refuse($op);
            $refused{ $r->status }++;
        }

        $pulls++ if $t->get('/v2/app/manifests/v1')->body eq $image->{bytes};
        last if ($refused{500} || 0) + ($refused{507} || 0)
            + ($refused{503} || 0) > 12;
    }

    cmp_ok($acknowledged, '>=', 5, 'F19 pushes while the device has room');
    is(join(' ', grep { !/\A50[037]\z/ } sort keys %refused), '',
        'F19 pushes are refused by 500, 503 or 507 then');
    cmp_ok(scalar keys %refused, '>=', 1, 'F19 they are refused');
    is($pulls, $acknowledged + eval { my $s = 0; $s += $_ for values %refused;
        $s }, 'F19 pulls go on all the time');
    note join ', ', map { "$_: $refused{$_}" } sort keys %refused;

    # repaired: the room that was promised is there

    $t->kill_all;
    $disk->unmount;
    run_command(10, 'mount', '-o', 'remount,size=80m', $disk->dir . '/room');
    my ($rc, $out) = run_command(60, 'e2fsck', '-fy', $disk->image);
    cmp_ok($rc, '<=', 1, 'F19 the file system can be repaired') or diag $out;
    $disk->mount;
    $t->run;

    my @wrong = $ledger->check($t, $ledger->things);
    ok(!@wrong, "F19 all $acknowledged that were acknowledged are there")
        or diag join "\n", @wrong;
    is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256('again'),
        body => 'again'), 201, 'F19 and pushes work');
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# Nobody waits but those who sync.

sub slow_sync {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');

    my $hits = failing($t, 'fsync,fdatasync:delay_enter=2000000', undef, sub {
        my ($worst, $asked, $took, $patched, @status);

        is_quick(1.5, 'F24 nobody else waits for a sync', sub {
            my @c = map { $t->connect(timeout => 120) } 1 .. 3;
            for my $c (@c) {
                my $bytes = 'slow ' . rand;
                $c->start('POST', '/v2/app/blobs/uploads/?digest='
                    . sha256($bytes), body => $bytes);
                $c->send_body(body => $bytes);
            }

            ($worst, $asked) = (0, 0);
            my $until = time + 3;
            while (time < $until) {
                for my $uri ('/v2/', '/v2/app/manifests/v1',
                    '/v2/app/tags/list')
                {
                    my $r;
                    my $one = seconds(sub { $r = $t->get($uri) });
                    $worst = $one if $one > $worst;
                    $asked++;
                    fail("F24 $uri: " . $r->as_text) if $r->status != 200;
                }
                sleep 0.02;
            }

            my $l = $t->open_upload('app');
            $took = seconds(sub {
                $patched = $t->patch($l, body => 'x' x 1000) });
            $t->delete($l);

            @status = map { $_->reply(timeout => 120)->status } @c;
            return $took > $worst ? $took : $worst;
        });
        cmp_ok($worst, '<', 1.5, "F24 none of $asked others waits for a sync");
        is_status($patched, 202, 'F24 another upload goes on');
        cmp_ok($took, '<', 1.5, 'F24 at once');
        is("@status", '201 201 201', 'F24 who syncs is answered in the end');
    });

    cmp_ok($hits, '>=', 3, 'F24 syncs were slow');
    $t->finish;
}


# ESTALE, EIO at close(), and names of files that are open still.

sub network_habits {
    my $t = Test::Registry->new(location => 'registry_delete on;',
        main => 'thread_pool one threads=1;',
        http => 'registry_thread_pool one;')->run;
    my $image = $t->push_image('app', 'v1');
    my $repo = $t->repo_dir('app');

    for my $call ('openat,openat2', 'pread64', 'renameat,renameat2',
        'fdatasync,fsync', 'mkdirat', 'close')
    {
        my $error = $call eq 'close' ? 'EIO' : 'ESTALE';
        my $bytes = "network $call";
        my $digest = sha256($bytes);
        my ($push, $pull);

        failing($t, "$call:error=$error:when=1..40", undef, sub {
            $push = $t->post("/v2/net/blobs/uploads/?digest=$digest",
                body => $bytes, timeout => 5);
            $pull = $t->get('/v2/app/manifests/v1', timeout => 5);
        });

        ok($push->status == 201 || $push->status >= 500
            || $push->status == 0 || $push->status == 404,
            "F35 $call $error: a push") or diag $push->as_text;
        ok($pull->status != 200 || $pull->body eq $image->{bytes},
            "F35 $call $error: no pull is wrong");
        is_whole($t->get("/v2/net/blobs/$digest"), $bytes,
            "F35 $call $error: what was acknowledged is there")
            if $push->status == 201;
        is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
            "F35 $call $error: pulls go on");
    }

    # a close() that is made to fail is not made at all

    $t->restart;

    my @odd = ("$repo/.nfs0001", "$repo/_manifests/tags/.nfs0002",
        "$repo/_manifests/tags/v1/current/.nfs0003",
        "$repo/_layers/sha256/.nfs0004");
    $t->write_file($_, 'odd') for @odd;
    is_json_list($t->get('/v2/app/tags/list'), 'tags', ['v1'],
        'F35 .nfs files are no tags');
    ok(!grep({ /nfs/ } names_of($t->get('/v2/_catalog'), 'repositories')),
        'F35 nor repositories');
    is_status($t->delete('/v2/app/manifests/v1'), 202,
        'F35 nor in the way of a delete');
    is_error($t->get('/v2/app/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
        'F35 which deletes');
    unlink @odd;
    $t->allow_log(qr/\[alert\].*close\(\).*failed/);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}

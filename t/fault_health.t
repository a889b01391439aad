#!/usr/bin/perl

# registry_health and registry_metrics when something is wrong: a disk that is
# full or read-only, threads that hang, a zone whose lock nobody gives back, a
# maintenance that died or does not go on. Readiness says so and what it is,
# liveness and pulls go on, and no probe waits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Disk;
use Test::Registry::Held;
use Test::Registry::Trace;

alone(100);
skip_suite(Test::Registry::Trace::why(), 100)
    if !Test::Registry::Trace::available();

# odd, so that the mapping is told from others

use constant ZONE => 1236 * 1024;

my $server = 'location /health/ { registry_health min_free=32m; }'
    . ' location = /metrics { registry_metrics; }';
my %slowest;

# what takes its minute to be noticed goes on side by side

my $threads = Test::Registry->new(server => $server,
    main => 'thread_pool one threads=1;', http => 'registry_thread_pool one;'
)->run;
my $manager = Test::Registry->new(server => $server)->run;
my $zone = Test::Registry->new(server => $server,
    http => 'registry_zone_size ' . ZONE . ';')->run;
my %image = map { $_->port => $_->push_image('app', 'v1') }
    $threads, $manager, $zone;

ready($_, 200) for $threads, $manager, $zone;

my @stuck = stick_threads();
my $stopped = stop_manager();
my $held = hold_zone();

disk();
respawn();

zone_is_held();
threads_are_stuck();
manager_is_stopped();
no_waiting();

finish($threads, $manager, $zone);


# --- asking ------------------------------------------------------------------

# A probe; it must not wait for what is broken.

sub probe {
    my ($t, $which) = @_;

    my $from = time;
    my $r = $t->get("/health/$which", timeout => 20);
    my $took = time - $from;
    $slowest{$which} = $took if $took > ($slowest{$which} // 0);
    return $r;
}


# Waits for readiness, or the want of it. Returns what it says.

sub ready {
    my ($t, $status, $seconds) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r;
    wait_for($seconds // 30, sub {
        $r = probe($t, 'ready');
        sleep 0.2;
        return $r->status == $status;
    });

    is($r->status, $status, "ready is $status") or diag $r->as_text;
    return $r->json // {};
}


# Alive, and pulls go on.

sub serves {
    my ($t, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $image = $image{ $t->port };
    my $layer = $image->{layers}[0];

    is(probe($t, 'live')->status, 200, "$name: alive");
    is_whole($t->get('/v2/app/manifests/v1', timeout => 20), $image->{bytes},
        "$name: a manifest is pulled");
    is_whole($t->get('/v2/app/blobs/' . sha256($layer), timeout => 20), $layer,
        "$name: and a blob");
}


# The value of a metric without labels, or with those of the one root.

sub metric {
    my ($t, $name) = @_;

    return ($t->get('/metrics', timeout => 20)->body
        =~ /^\Q$name\E(?:\{[^}]*\})? (\S+)$/m)[0];
}


sub manager_of {
    my ($t) = @_;

    return (grep { command_of($_) =~ /cache manager process/ }
        children($t->pid))[0];
}


# --- a disk ------------------------------------------------------------------

# F19: too little is free; F25: the file system becomes read-only.

sub disk {
    my $disk = Test::Registry::Disk->new(mount => 'errors=remount-ro');
    my $t = Test::Registry->new(root => $disk->root, server => $server)->run;
    $image{ $t->port } = $t->push_image('app', 'v1');

    my $j = ready($t, 200);
    cmp_ok($j->{stores}[0]{free}, '>', 32 << 20, 'a disk with room');

    my $ballast = $disk->at . '/ballast';
    my ($rc, $out) = run_command(60, 'fallocate', '-l',
        $j->{stores}[0]{free} - (16 << 20), $ballast);
    is($rc, 0, 'it is filled') or diag $out;

    $j = ready($t, 503);
    my $s = $j->{stores}[0];
    is($j->{status}, 'failing', 'F19 too little is free');
    like($s->{space}, qr/too few bytes or inodes/, 'F19 which is said');
    is($s->{$_}, 'ok', "F19 $_ is well") for qw(writable maintenance);
    cmp_ok($s->{free}, '<', 32 << 20, 'F19 and how much there is');
    cmp_ok(metric($t, 'registry_store_free_bytes'), '<', 32 << 20,
        'F19 metrics, too');
    serves($t, 'F19 too little is free');
    is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256('small'),
        body => 'small'), 201, 'F19 a push that fits is taken');

    unlink $ballast;
    ready($t, 200);

    ($rc, $out) = run_command(30, 'mount', '-o', 'remount,ro', $disk->at);
    is($rc, 0, 'it is made read-only') or diag $out;

    $j = ready($t, 503);
    like($j->{stores}[0]{writable}, qr/cannot write/, 'F25 read-only');
    is($j->{stores}[0]{space}, 'ok', 'F25 there is room');
    is($j->{stores}[0]{maintenance}, 'ok', 'F25 somebody looks');
    is(metric($t, 'registry_store_writable'), 0, 'F25 metrics say so');
    serves($t, 'F25 read-only');
    my $push = $t->post('/v2/app/blobs/uploads/?digest=' . sha256('more'),
        body => 'more');
    cmp_ok($push->status, '>=', 500, 'F25 a push gets the error that is its');

    ($rc, $out) = run_command(30, 'mount', '-o', 'remount,rw', $disk->at);
    is($rc, 0, 'it is made writable') or diag $out;
    ready($t, 200);
    is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256('more'),
        body => 'more'), 201, 'F25 and pushes go on');

    # since Linux 6.15 an ext4 that gave up says to nobody that it is read-only

    ($rc, my $device) = run_command(10, 'findmnt', '-no', 'SOURCE',
        $disk->at);
    $device =~ s{.*/|\s+\z}{}g;
    open my $fh, '>', "/sys/fs/ext4/$device/trigger_fs_error"
        or die "$device: $!\n";
    syswrite $fh, "1\n";
    close $fh;

    $j = ready($t, 503);
    like($j->{stores}[0]{writable}, qr/cannot write/, 'F25 it gave up');
    serves($t, 'F25 it gave up');

    $disk->power_up($t);
    ready($t, 200);
    $t->finish(audit => { grace => 3600 });
    $disk->remove;
}


# --- the maintenance ---------------------------------------------------------

# Killed, it is started again, and readiness is never lost for it; killed
# again and again, a counter tells.

sub respawn {
    my $t = Test::Registry->new(server => $server)->run;
    $image{ $t->port } = $t->push_image('app', 'v1');
    ready($t, 200);

    my $before = metric($t, 'registry_maintenance_starts_total');
    my $lost = 0;

    # in the first tick of a process, which has its title before that

    my $counted = sub {
        my ($n) = @_;

        return wait_for(20, sub {
            $lost++ if probe($t, 'ready')->status != 200;
            return metric($t, 'registry_maintenance_starts_total')
                >= $before + $n;
        });
    };

    for my $n (0 .. 3) {
        $counted->($n);
        my $pid = manager_of($t);
        $t->allow_log(qr/cache manager process $pid exited on signal 9/);
        $t->was_killed;
        kill 'KILL', $pid;
        ok(wait_for(10, sub {
            $lost++ if probe($t, 'ready')->status != 200;
            my $new = manager_of($t);
            return $new && $new != $pid;
        }), 'a killed maintenance is started again');
    }

    ok($counted->(4), 'starts are counted');
    is($lost, 0, 'nothing was unready for it');
    serves($t, 'a killed maintenance');
    $t->finish;
}


sub stop_manager {
    my $pid = manager_of($manager);

    kill 'STOP', $pid;
    return $pid;
}


# It hangs: nothing but its silence tells.

sub manager_is_stopped {
    my $j = ready($manager, 503, 120);

    like($j->{stores}[0]{maintenance}, qr/cache manager has not been/,
        'a maintenance that hangs is missed');
    is($j->{zone}, 'ok', 'the zone is well');
    cmp_ok(metric($manager, 'registry_maintenance_seen_seconds'), '>', 50,
        'metrics say for how long');
    serves($manager, 'without maintenance');
    is_status($manager->post('/v2/app/blobs/uploads/?digest='
        . sha256('more'), body => 'more'), 201, 'pushes go on');

    kill 'CONT', $stopped;
    ready($manager, 200);
}


# --- threads -----------------------------------------------------------------

# One that commits a manifest waits for the store's lock, which is held here;
# the other has no thread.

sub stick_threads {
    my $lock = hold_store($threads);
    my $bytes = $image{ $threads->port }{bytes};
    my @c = map { $threads->connect(timeout => 200) } 1 .. 2;

    for my $i (0 .. 1) {
        $c[$i]->start('PUT', "/v2/app/manifests/stuck$i",
            length => length $bytes,
            headers => [['Content-Type', OCI_MANIFEST]]);
        $c[$i]->send_body(body => $bytes);
        sleep 0.2;
    }

    return ($lock, @c);
}


sub threads_are_stuck {
    my ($lock, @c) = @stuck;

    my $j = ready($threads, 503, 60);
    like($j->{threads}, qr/no thread takes them/, 'stuck threads');
    is($j->{zone}, 'ok', 'the zone is well');
    is($j->{stores}[0]{maintenance}, 'ok', 'so is the maintenance');
    is(metric($threads, 'registry_thread_tasks_waiting'), 1, 'one waits');
    is(metric($threads, 'registry_thread_tasks_running'), 1, 'one hangs');
    serves($threads, 'stuck threads');

    close $lock;
    is(join(' ', map { $_->reply(timeout => 60)->status } @c), '201 201',
        'when it goes on, so do they');
    ready($threads, 200);
    ok(wait_for(10, sub {
        metric($threads, 'registry_thread_tasks_waiting') == 0 }),
        'nothing waits');
}


# --- the zone ----------------------------------------------------------------

# The lock is the first word of the zone.

sub zone_word {
    my ($value) = @_;

    no warnings 'portable';

    my ($pid) = $zone->workers;
    my ($at);

    open my $maps, '<', "/proc/$pid/maps" or die "maps: $!\n";
    while (<$maps>) {
        my ($from, $to) = /\A([0-9a-f]+)-([0-9a-f]+) rw-s / or next;
        $at = hex $from if hex($to) - hex($from) == ZONE;
    }
    die "the zone is not found\n" if !$at;

    open my $memory, '+<:raw', "/proc/$pid/mem" or die "mem: $!\n";
    sysseek $memory, $at, 0 or die "mem: $!\n";
    if (defined $value) {
        syswrite $memory, pack 'Q', $value or die "mem: $!\n";
        sysseek $memory, $at, 0;
    }
    sysread $memory, my $bytes, 8;
    return unpack 'Q', $bytes;
}


# By a process that is alive, and does not let go of it: this one.

sub hold_zone {
    wait_for(5, sub { zone_word() == 0 }) or die "the zone is in use\n";
    zone_word($$);
    return time;
}


sub zone_is_held {
    my $j = ready($zone, 503, 60);
    like($j->{zone}, qr/lock of the shared zone/, 'a zone that is held');
    is($j->{threads}, 'ok', 'threads are well');
    is($j->{stores}[0]{maintenance}, 'ok', 'so is the maintenance');
    cmp_ok(time - $held, '>', 25, 'a lock that is held for long');
    is(probe($zone, 'live')->status, 200, 'a worker lives');

    zone_word(0);
    ready($zone, 200);
    serves($zone, 'the zone is free');

    # and by one that died, which is known at once

    my $pid = fork // die "fork: $!\n";
    POSIX::_exit(0) if !$pid;
    waitpid $pid, 0;

    wait_for(5, sub { zone_word() == 0 }) or die "the zone is in use\n";
    zone_word($pid);
    $j = ready($zone, 503, 10);
    like($j->{zone}, qr/lock of the shared zone/, 'F4 held by the dead');
    zone_word(0);
    ready($zone, 200);
    serves($zone, 'F4 the zone is free');
}


# --- what a probe costs ------------------------------------------------------

sub no_waiting {
    for my $which (qw(ready live)) {
        cmp_ok($slowest{$which}, '<', 5, "$which never waited")
            or diag $slowest{$which};
    }

    # nothing of the file system is asked for

    my ($pid) = $manager->workers;
    my $trace = Test::Registry::Trace->attach($pid);
    for (1 .. 3) {
        probe($manager, 'ready');
        probe($manager, 'live');
        metric($manager, 'registry_build_info');
    }
    my @calls = grep { $_->{name} =~ /\A(?:open|stat|lstat|fstat|newfstat
            |stat[fx]|access|faccess|getdents|fsync|fdatasync|rename|mkdir
            |unlink|pread|flock|fcntl|futex)/x && $_->{tid} == $pid }
        $trace->stop;

    is(scalar @calls, 0, 'probes and scrapes ask no disk and no thread')
        or diag join "\n", map { $_->{text} } @calls;
}

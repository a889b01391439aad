#!/usr/bin/perl

# Processes that die or stand still at the wrong moment: the master, a worker
# in the middle of an upload that others see to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;
use Test::Registry::Trace;


need_root(20);
skip_suite(Test::Registry::Trace::why(), 20)
    if !Test::Registry::Trace::available();

# What a closing PUT is stopped in.

my %stops = map { $_ => 1 } qw(openat openat2 flock fcntl fdatasync fsync mkdirat
    renameat renameat2 linkat unlinkat newfstatat pwrite64);

seed();
orphans();
stopped_in_body();
stopped_in_call();

done_testing();


# --- F05 --------------------------------------------------------------------

# The workers of a dead master go on for ever. A new master cannot have their
# address, and has not touched anything when it says so.

sub orphans {
    my $t = Test::Registry->new(workers => 2,
        location => 'registry_delete on;')->run;
    my $bytes = blob(2_000_000, 'orphans');
    my $l = $t->open_upload('app');
    is_status($t->patch($l, body => substr $bytes, 0, 700_000), 202,
        'F05 an upload is begun');

    my $c = $t->connect;
    $c->start('PATCH', $l, length => 300_000);
    $c->send(substr $bytes, 700_000, 100_000);

    my $load = Test::Registry::Load->start($t, push => 2, pull => 1,
        list => 1, closes => 0);
    my @orphans = children($t->pid);
    kill 'KILL', $t->pid;
    reap($t->pid, 5);
    sleep 1;
    is(scalar(grep { alive($_) } @orphans), scalar @orphans,
        'F05 the workers outlive their master');

    $t->allow_log(qr/bind\(\) to \S+ failed|still could not bind/);
    my ($rc, $said) = run_command(20, $t->_command);
    isnt($rc, 0, 'F05 a second master does not start');
    isnt($rc, -1, 'F05 it ends by itself');
    like($said, qr/bind\(\) to \S+ failed \(98: Address already in use\)/,
        'F05 and says why');
    sleep 0.5;

    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F05 nobody has noticed') or diag $sum->reasons;
    cmp_ok($sum->count('push'), '>', 0, 'F05 pushes among them');

    $c->send(substr $bytes, 800_000, 200_000);
    is_status($c->reply, 202, 'F05 an orphan finishes its PATCH');
    $c->close;

    kill 'QUIT', $_ for @orphans;
    ok(wait_for(20, sub { !grep { alive($_) } @orphans }),
        'F05 the orphans end when they are told');

    $t->{pid} = 0;
    $t->run;
    is_header($t->get($l), 'Range', '0-999999',
        'F05 a new master: the upload is where it was');
    is_status($t->put("$l?digest=" . sha256($bytes),
        body => substr $bytes, 1_000_000), 201, 'F05 and ends');
    is_whole($t->get('/v2/app/blobs/' . sha256($bytes)), $bytes,
        'F05 with the right bytes');

    my @lost = $sum->lost($t);
    is("@lost", '', 'F05 everything acknowledged is there');
    $t->finish;
}


# --- F06 --------------------------------------------------------------------

sub two_workers {
    return Test::Registry->new(
        workers => 2, main => 'thread_pool one threads=1;',
        server => 'add_header X-Worker $pid always;',
        location => 'registry_delete on; registry_thread_pool one;')->run;
}


# A connection to a worker, and one to any but it; the worker's pid.

sub apart {
    my ($t) = @_;

    my $here = $t->connect;
    my $pid = $here->get('/v2/')->header('X-Worker');

    for (1 .. 500) {
        my $there = $t->connect;
        return ($here, $there, $pid)
            if $there->get('/v2/')->header('X-Worker') != $pid;
    }

    die "one worker takes all connections\n";
}


# Stopped with half of the body in its hands, while another one does away with
# the session, or is asked to finish it.

sub stopped_in_body {
    my $t = two_workers();
    my $stop = torture(1, 30);

    for my $how (qw(cancel finish)) {
        my ($here, $there, $pid) = apart($t);
        my $bytes = blob(3_000_000, "stopped $how");
        my $digest = sha256($bytes);
        my $l = $t->open_upload('app');

        $here->start('PUT', "$l?digest=$digest", length => length $bytes);
        $here->send(substr $bytes, 0, 1_500_000);
        my $data = $t->repo_dir('app') . '/_uploads/'
            . ($l =~ m{([^/]+)\z})[0] . '/data';
        ok(wait_for(10, sub { -s $data }), "F06 $how: it is written to");
        kill 'STOP', $pid;

        my $r = $how eq 'cancel' ? $there->delete($l)
            : $there->put("$l?digest=$digest", body => '');
        sleep $stop;
        is_status($there->get('/v2/'), 200, 'F06 the other worker serves');
        kill 'CONT', $pid;
        $here->send(substr $bytes, 1_500_000);
        my $put = $here->reply;

        if ($how eq 'cancel') {
            is_status($r, 204, 'F06 a session of a stopped worker: cancelled');
            is_error($put, 404, 'BLOB_UPLOAD_UNKNOWN',
                'F06 the owner notices that it is gone');
            is_status($t->head("/v2/app/blobs/$digest"), 404,
                'F06 there is no blob');

        } else {
            is_error($r, 429, 'TOOMANYREQUESTS',
                'F06 a session of a stopped worker: nobody finishes it');
            is_status($put, 201, 'F06 but its owner');
            is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
                'F06 with the right bytes');
        }

        is_error($t->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
            "F06 $how: the session is gone");
    }

    $t->finish;
}


# Stopped at each system call of a closing PUT, by the tracer.

sub stopped_in_call {
    my $t = two_workers();
    my @points = points($t);

    cmp_ok(scalar @points, '>', 10, 'F06 points to stop at');
    if (torture(1, 0)) {
        @points = map { splice @points, rand @points, 1 } 1 .. 14;
    }

    my ($bad, %seen) = (0);
    for my $point (@points) {
        for my $how (qw(cancel finish)) {
            $bad += !stopped_at($t, @$point, $how, \%seen);
        }
    }

    is($bad, 0, 'F06 stopped anywhere in a PUT: the session ends once');
    figure('workers stopped in a call of a PUT', 2 * @points);
    note "$_: $seen{$_}" for sort keys %seen;

    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    is("@left", '', 'F06 no session is left');
    $t->finish;
}


# Which calls a PUT makes, and how often: ([name, n], ...)

sub points {
    my ($t) = @_;

    my ($here, $there, $pid) = apart($t);
    my $l = $t->open_upload('app');
    $t->patch($l, body => 'dry');
    my $trace = Test::Registry::Trace->attach($pid, calls => [keys %stops]);
    $here->put("$l?digest=" . sha256('dry'), body => '');
    my (%n, @points);

    for my $call ($trace->stop) {
        push @points, [$call->{name}, ++$n{ $call->{name} }]
            if $stops{ $call->{name} };
    }

    return @points;
}


sub stopped_at {
    my ($t, $call, $n, $how, $seen) = @_;

    my ($here, $there, $pid) = apart($t);
    my $bytes = "$call $n $how";
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');
    my $name = "$how while stopped at $call $n";

    $t->patch($l, body => $bytes);

    my $trace = Test::Registry::Trace->attach($pid, calls => [$call],
        inject => ["$call:signal=SIGSTOP:when=$n"]);
    $here->start('PUT', "$l?digest=$digest", body => '');
    wait_for(1, sub { is_stopped($pid) || $here->wait_head(time) });

    my $other = $how eq 'cancel' ? $there->delete($l)
        : $there->put("$l?digest=$digest", body => '');

    $trace->stop;
    kill 'CONT', $pid;
    my $put = $here->reply(timeout => 10);

    my $what = join ', ', "$how " . $other->status, 'PUT ' . $put->status;
    $seen->{$what}++;

    my $get = $t->get("/v2/app/blobs/$digest");
    my $done = grep { $_->status == 201 } $other, $put;
    my @why;

    push @why, 'PUT: ' . $put->as_text if $put->status !~ /\A(?:201|404)\z/;
    push @why, "$how: " . $other->as_text if $other->status
        !~ ($how eq 'cancel' ? qr/\A(?:204|404)\z/ : qr/\A(?:201|404|429)\z/);
    push @why, 'finished twice' if $done > 1;
    push @why, 'not finished, and not cancelled'
        if !$done && $other->status != 204;
    push @why, 'blob: ' . $get->as_text
        if $done ? $get->status != 200 || $get->body ne $bytes
            : $get->status == 200;
    push @why, 'the session is there' if $t->get($l)->status != 404;

    diag "$name: $what\n", map { "$_\n" } @why if @why;
    return !@why;
}


sub is_stopped {
    my ($pid) = @_;

    return grep {
        open my $fh, '<', "/proc/$pid/task/$_/stat" or next;
        my $stat = <$fh> // '';
        $stat =~ /\) [tT] /
    } threads_of($pid);
}

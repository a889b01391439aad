#!/usr/bin/perl

# Who collects: one at a time, of two masters and registryctl; stopped in the
# middle, reloaded, upgraded, ended at once; while the clock jumps.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(:flock);
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Daemon;
use Test::Registry::Litter;
use Test::Registry::Load;
use Test::Registry::Shim;
use Test::Registry::Torture;


need_root(60);
seed();

my @gc = (qw(gc --grace 1h --untagged 1h --empty));
my $gc = 'registry_gc on interval=1s grace=1h untagged=1h empty rate=0';

two_masters();
lives();

done_testing();


sub collected {
    my ($t) = @_;

    my $n = 0;
    my $text = $t->log_text;
    $n += $1 while $text =~ /collected garbage of "[^"]*": (\d+) of/g;
    return $n;
}


sub complaints {
    my (@t) = @_;

    return grep { /\[(?:error|crit)\].*(?:collect|purge|free)/ }
        map { split /\n/, $_->log_text } @t;
}


# --- F34, F48, F06 -----------------------------------------------------------

sub two_masters {
    my $shim = Test::Registry::Shim->new;
    my $one = Test::Registry->new(workers => 2, env => $shim->env,
        location => "registry_delete on; $gc iops=0;")->run;
    my $two = Test::Registry->new(workers => 2, root => $one->root,
        location => "registry_delete on; $gc iops=0;")->run;
    my $x = { one => $one, two => $two, shim => $shim,
        litter => Test::Registry::Litter->new($one, purge => 0)->keep };

    $x->{litter}->rouse;
    one_at_a_time($x);
    all_at_once($x);
    $x->{litter}->forgo;
    stopped($x, 'alone', 1);
    stopped($x, 'with the lock of the store', 3);

    $two->finish(audit => { grace => 3600 });
    $one->finish(audit => 0);
}


# The manager of the first holds still in the middle of a collection, before
# its nth change of the file that is the right to collect: with the first it has
# that right, with the third the lock of the store, too, until go_on().

sub hold {
    my ($x, $n) = @_;

    my ($litter, $shim) = @{$x}{qw(litter shim)};
    my $pid = $litter->manager($x->{one});
    my $file = $litter->own . '/collect';

    # a new one notes the clock first, which is no collection

    for (1 .. 20) {
        $litter->idle;
        $shim->arm(pid => $pid, action => 'delay', calls => ['change'],
            delay => 100e6, at => $n, dir => $file);
        wait_for(60, sub { $shim->hits })
            or die "the manager does not collect\n";
        $shim->disarm;

        return $pid if !may_have($file) && ($n < 3
            || !may_have($litter->own . '/lock'));
        go_on($x, $pid);
    }

    die "the manager is not found at it\n";
}


# 1 when nobody has that lock.

sub may_have {
    my ($file) = @_;

    open my $fh, '<', $file or die "$file: $!\n";
    return flock $fh, LOCK_SH | LOCK_NB;
}


sub go_on {
    my ($x, $pid) = @_;

    $x->{shim}->go_on;
    kill 'CONT', $pid;
}


sub one_at_a_time {
    my ($x) = @_;

    my $litter = $x->{litter};
    my $pid = hold($x, 1);
    my @why = $litter->drop(quiet => 1);
    my $from = length $x->{two}->log_text;

    for (1 .. 5) {
        my $r = ctl(@gc, $x->{one}->root);
        push @why, "registryctl: $r->{rc} $r->{err}"
            if $r->{rc} ne '3' || $r->{err} !~ /somebody else is at it/;
        sleep 0.4;
    }
    push @why, 'the other one collects, too'
        if substr($x->{two}->log_text, $from) =~ /collected garbage/;
    push @why, 'it is gone' if !$litter->left;
    ok(!@why, 'F48 while one collects no other does')
        or diag join "\n", @why;

    go_on($x, $pid);
    ok(wait_for(60, sub { !$litter->left }), 'F48 who did goes on');
    is(join("\n", $litter->wrong), '', 'F48 what stays is there');
}


# Each blob is collected once, by whom it may be.

sub all_at_once {
    my ($x) = @_;

    my ($one, $two, $litter) = @{$x}{qw(one two litter)};
    my $before = $litter->blobs;
    my @were = map { collected($_) } $one, $two;
    my $load = Test::Registry::Load->start($one, push => 2, pull => 1,
        slow => 1, cancel => 1, closes => 0,
        ports => [$one->port, $two->port]);
    my $end = time + torture(5);
    my ($by_hand, $runs, $busy, @why) = (0, 0, 0);

    while (time < $end) {
        push @why, $litter->drop(sizes => [ map { 200 + $_ } 1 .. 20 ]);

        # nginx waits for its interval, whoever it was

        sleep rand 1.5;
        my $r = ctl(@gc, '--json', $one->root);
        if ($r->{rc} eq '0') {
            $by_hand += decode_json($r->{out})->{counts}{blobs_gone};
            $runs++;
        } elsif ($r->{rc} eq '3' && $r->{err} =~ /somebody else/) {
            $busy++;
        } else {
            push @why, "registryctl: $r->{rc} $r->{err}";
        }
        push @why, $litter->wrong;
    }

    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F34 F48 two masters and registryctl collect:'
        . ' nobody notices') or diag $sum->reasons;
    my @lost = map { $sum->lost($_) } $one, $two;
    is("@lost", '', 'F34 F48 everything acknowledged is there');
    ok(wait_for(60, sub { !$litter->left }), 'F34 F48 the garbage is gone')
        or diag join ' ', $litter->left;
    push @why, complaints($one, $two);
    ok(!@why, 'F34 F48 what stays is there, and nobody complains')
        or diag join "\n", @why;

    # told with the end of the collection, which may be after that

    my $dropped = $litter->blobs - $before;
    my @now;
    ok(wait_for(60, sub {
        @now = map { $_->[0] - $_->[1] } [ collected($one), $were[0] ],
            [ collected($two), $were[1] ];
        return $now[0] + $now[1] + $by_hand == $dropped;
    }), 'F48 each blob was collected once')
        or diag "$dropped dropped, @now and $by_hand by hand";

    figure('blobs collected by one, the other, registryctl',
        "@now $by_hand of $dropped, $runs times by hand, $busy times told"
        . ' that somebody else is at it');
    figure('under load', $sum->text . ', lost ' . @lost);
}


# Requests that have to be answered whatever the collector does.

sub reads {
    my ($t, $image) = @_;

    my $layer = sha256($image->{layers}[0]);
    return (
        [ 'GET', '/v2/', 200 ],
        [ 'GET', '/v2/f06/manifests/v1', 200 ],
        [ 'GET', "/v2/f06/blobs/$layer", 200 ],
        [ 'HEAD', "/v2/f06/blobs/$layer", 200 ],
        [ 'GET', '/v2/f06/tags/list', 200 ],
        [ 'GET', "/v2/f06/referrers/$image->{digest}", 200 ],
        [ 'POST', '/v2/f06/blobs/uploads/', 202 ]
    );
}


sub answered {
    my ($c) = @_;

    return 1 if length $c->buffered;
    vec(my $in = '', $c->fd, 1) = 1;
    return scalar select $in, undef, undef, 0;
}


sub stopped {
    my ($x, $how, $n) = @_;

    my ($one, $two, $litter) = @{$x}{qw(one two litter)};
    my $name = "F06 a manager stopped $how";
    my $image = $one->push_image('f06', 'v1', seed => "f06 $n");
    my @bytes = map { blob(3000, "f06 $n $_") } 1, 2;

    # whoever asks first has the manifests looked through

    $two->get("/v2/f06/referrers/$image->{digest}");

    for my $end (qw(CONT KILL)) {
        my $pid = hold($x, $n);
        kill 'STOP', $pid;
        my $from = length $two->log_text;
        $litter->drop(quiet => 1);

        my @bad = map {
            my ($method, $uri, $want) = @$_;
            my $begin = time;
            my $r = $two->request($method, $uri, body => undef,
                ($method eq 'POST' ? (body => '') : ()));
            my $took = time - $begin;
            $r->status == $want && $took < 15 ? ()
                : "$method $uri: " . $r->status . sprintf ' after %.1f s',
                    $took;
        } reads($two, $image);
        ok(!@bad, "$name: the others answer") or diag join "\n", @bad;

        # what is waited for, and for how long

        my %put = map {
            my $c = $two->connect(timeout => 30);
            $c->start('POST', "/v2/f06/blobs/uploads/?digest="
                . sha256($bytes[$_]) , body => $bytes[$_]);
            $c->send_body(body => $bytes[$_]);
            ("push $_" => $c)
        } 0, 1;
        my $c = $put{manifest} = $two->connect(timeout => 30);
        my %m = (body => $image->{bytes}, headers => [
            ['Content-Type', $image->{type}]]);
        $c->start('PUT', "/v2/f06/manifests/$end", %m);
        $c->send_body(%m);
        $c = $put{delete} = $two->connect(timeout => 30);
        $c->start('DELETE', '/v2/f06/manifests/v1');

        # with the right to collect alone it keeps nobody waiting

        sleep torture(0.8, 30);
        wait_for(15, sub { !grep { !answered($_) } values %put }) if $n == 1;
        my @wait = grep { !answered($put{$_}) } sort keys %put;
        figure("$name waits for it", @wait ? join ', ', @wait : 'nobody');
        ok(!@wait, "$name: pushes go on") if $n == 1;

        my $r = ctl(@gc, $one->root);
        ok($r->{rc} eq '3' && $r->{err} =~ /somebody else is at it/
            && substr($two->log_text, $from) !~ /collected garbage/,
            "$name: nobody else collects") or diag $r->{err};

        my $at = time;
        $end eq 'KILL' ? kill 'KILL', $pid : go_on($x, $pid);
        my @status = map { $put{$_}->reply->status } sort keys %put;
        is("@status", '202 201 201 201', "$name, $end: they are done");
        cmp_ok(time - $at, '<', 20, "$name, $end: at once");

        ok(wait_for(60, sub { !$litter->left }),
            "$name, $end: the garbage is collected");
        is(join("\n", $litter->wrong), '', "$name, $end: what stays is there");
        $one->push_image('f06', 'v1', image => $image);
        $one->allow_log(qr/cache manager process $pid exited on signal 9/);
    }
}


# --- F29, F31, F32 -----------------------------------------------------------

# So slow that it is never done when something comes.

sub lives {
    my $t = Test::Registry::Daemon->new(workers => 2,
        location => "registry_delete on; $gc iops=400;")->run;
    my $litter = Test::Registry::Litter->new($t, purge => 0)->keep;
    $litter->rouse;
    my $load = Test::Registry::Load->start($t, push => 2, pull => 1,
        slow => 1, cuts => 1);
    my %how = (
        'F29 a reload' => sub { $t->reload },
        'F29 hasty reloads' => sub {
            kill('HUP', $t->pid), sleep 0.1 for 1 .. 3;
            $t->reload;
        },
        'F31 the end, and a start' => sub { $t->restart(signal => 'TERM') },
        'F32 a binary upgrade' => sub {
            my $old = $t->pid;
            my $new = $t->upgrade;
            sleep 1;
            kill 'QUIT', $old;
            $t->take($new);
        }
    );
    my ($rounds, $inside) = (0, 0);

    for (1 .. torture(1, 30)) {
        for my $name (sort keys %how) {
            my ($half, @why);

            # found in the middle, unless we came too late for it

            for (1 .. 10) {
                push @why, $litter->drop(sizes => [
                    map { 200 + $_ } 1 .. 30 ]);
                $litter->overdue;
                my $all = $litter->left;
                wait_for(15, sub { $litter->left < $all });
                last if $half = $litter->left;
            }
            $inside++ if $half;

            $how{$name}->();
            $rounds++;
            push @why, $litter->wrong;
            push @why, 'left: ' . join ' ', $litter->left
                if !gone($litter);
            push @why, $litter->wrong;
            ok(!@why, "$name in the middle of a collection")
                or diag join "\n", @why;
        }
    }

    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F32 no operation has failed') or diag $sum->reasons;
    my @lost = $sum->lost($t);
    is("@lost", '', 'F32 everything acknowledged is there');
    is(join("\n", complaints($t)), '', 'F32 nobody complains');
    cmp_ok($inside, '>', $rounds / 2, 'F32 it was in the middle');
    figure('reloads, upgrades, ends in a collection', "$rounds, $inside of"
        . ' them in the middle');
    figure('under load', $sum->text . ', lost ' . @lost);
    is_status($litter->finish_upload, 201, 'F32 an upload of before ends');
    $t->finish(audit => { grace => 3600 });
}


# Of a repository that was ended in the middle what is left is young.

sub gone {
    my ($litter) = @_;

    return wait_for(20, sub { !$litter->left }) || do {
        $litter->later;
        wait_for(60, sub { !$litter->left });
    };
}

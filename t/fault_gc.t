#!/usr/bin/perl

# A collection, a purge and a scrub that are killed or fail at each of their
# calls, in nginx's manager process and in registryctl. What is in use stays,
# whole; what they did not come to the next one does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Audit;
use Test::Registry::Command;
use Test::Registry::Litter;
use Test::Registry::Load;
use Test::Registry::Sweep;
use Test::Registry::Torture;


need_root(40);
seed();

# More calls than any of them makes.

use constant LIMIT => 20_000;

my @change = qw(name remove write change sync modify);
my @all = (@change, qw(open read list stat lock));

my %commands = (
    gc => [qw(gc --grace 1h --untagged 1h --empty)],
    purge => [qw(purge-uploads --idle 1h)],
    scrub => [qw(scrub)]
);

my ($kills, $errors) = (0, 0);

in_the_manager();
by_command();

figure('kills', $kills);
figure('errors injected', $errors);
done_testing();


# --- in the manager process --------------------------------------------------

sub in_the_manager {
    my $s = Test::Registry::Sweep->new(location => 'registry_delete on;'
        . ' registry_gc on interval=1s grace=1h untagged=1h empty rate=0'
        . ' iops=0; registry_upload_idle_time 1h;'
        . ' registry_scrub 1g interval=1s;')->run;
    my $t = $s->t;
    my $x = { t => $t, shim => $s->shim, litter =>
        Test::Registry::Litter->new($t)->keep };

    # the shim kills it, too

    $t->allow_log(qr/cache manager process \d+ exited on signal 9/);

    $x->{begin} = sub { rouse($x) };
    $x->{again} = sub { again($x) };

    sweeps('the manager', $x, torture(5, 1), torture(16, 1), torture(1000, 40));
    under_load($x, torture(5, 100));

    is_status($x->{litter}->finish_upload, 201,
        'F04 an upload that was under way ends');
    $s->finish(audit => { grace => 3600 });
}


sub rouse {
    my ($x) = @_;

    $x->{log} = -s $x->{t}->error_log;
    $x->{litter}->rouse;
}


# What the log says since then.

sub said {
    my ($x) = @_;

    open my $fh, '<:raw', $x->{t}->error_log or die "$!\n";
    seek $fh, $x->{log}, 0;
    local $/;
    return <$fh> // '';
}


# All of the work is done, 1, or some of it could not be, -1.

sub ended {
    my ($x) = @_;

    my $said = said($x);

    return -1 if $said =~ /\[(?:error|crit)\].*(?:could not|cannot)/;
    return $said =~ /collected garbage of/ && $said =~ /purged uploads of/
        && $said =~ /scrub of "[^"]*" ended/;
}


# What a manifest names goes in the collection after the one in which itself
# went, and what there was no time for under one lock an hour later.

sub again {
    my ($x) = @_;

    for (1 .. 4) {
        $x->{litter}->later;
        rouse($x);
        wait_for(30, sub {
            my $said = said($x);
            return $said =~ /collected garbage of/
                && $said =~ /scrub of "[^"]*" ended/;
        });
        return 1 if !$x->{litter}->left;
    }

    return wait_for(30, sub { !$x->{litter}->left });
}


# Clients push, mount, pull and delete meanwhile; only the manager is broken.

sub under_load {
    my ($x, $rounds) = @_;

    my ($t, $shim) = @{$x}{qw(t shim)};
    my ($hits, @why) = (0);
    my $load = Test::Registry::Load->start($t, push => 2, pull => 1,
        slow => 1, closes => 0);

    for my $round (1 .. $rounds) {
        push @why, $x->{litter}->drop;
        my $pid = $x->{litter}->manager;
        $shim->arm(pid => $pid, action => 'kill', at => 1 + int rand 60,
            calls => \@change, dir => $t->root);
        wait_for(10, sub { $shim->hits });
        $hits += $shim->disarm;
        push @why, $x->{litter}->wrong;
    }

    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F04 killed under load: no operation has failed')
        or diag $sum->reasons;
    cmp_ok($hits, '>=', $rounds / 2, 'F04 it was killed');
    push @why, 'left: ' . join ' ', $x->{litter}->left if !$x->{again}->();
    ok(!@why, 'F04 what stays is there, what goes is gone')
        or diag join "\n", @why;
    my @lost = $sum->lost($t);
    is("@lost", '', 'F04 everything acknowledged is there');

    $kills += $hits;
    figure('killed under load', "$hits times, " . $sum->text . ', lost '
        . @lost);
}


# --- registryctl -------------------------------------------------------------

# nginx serves, and does no such work itself.

sub by_command {
    my $s = Test::Registry::Sweep->new;
    my $t = Test::Registry->new(root => "$s->{disk}/own",
        location => 'registry_delete on;')->run;
    my %env = %{ $s->shim->env };
    my @wrap = ('env', map { "$_=$env{$_}" } sort keys %env);
    my $x = { t => $t, shim => $s->shim, litter =>
        Test::Registry::Litter->new($t)->keep };

    # what nginx's own purge does as it begins is over

    wait_for(10, sub { -e $x->{litter}->own . '/purge' });

    $x->{again} = sub {
        my @bad = grep {
            $x->{litter}->later;
            ctl(@{ $commands{$_} }, $t->root)->{rc} !~ /\A[01]\z/;
        } qw(gc gc gc purge scrub);
        diag "again: @bad" if @bad;
        return !@bad && !$x->{litter}->left;
    };

    for my $name (sort keys %commands) {
        $x->{begin} = sub {
            $x->{r} = ctl({ wrap => \@wrap }, @{ $commands{$name} }, $t->root)
        };
        sweeps("registryctl $name", $x, torture(6, 1), torture(20, 1),
            torture(700, 30));
    }

    $t->finish(audit => { grace => 3600 });
    $s->finish(audit => 0);
}


# The command is killed, or does it, or says why not.

sub by_command_wrong {
    my ($x, $killed, $must) = @_;

    my $r = $x->{r};
    my $good = $killed ? $r->{rc} eq 'signal 9'
        : $r->{rc} =~ ($must ? qr/\A[01]\z/ : qr/\A[013]\z/)
            && ($r->{rc} ne '3' || length $r->{err});

    return $good ? () : "it ends with $r->{rc}: $r->{err}";
}


# --- what is done to both ----------------------------------------------------

# Stops at every so many-th call: to be killed, to fail in changing something,
# to fail in anything.

sub sweeps {
    my ($who, $x, $kill, $change, $any) = @_;

    each_call("F04 F08 $who, killed", $x, $kill, action => 'kill',
        calls => \@change);

    each_call("F14 $who, ENOSPC once", $x, $change, action => 'ENOSPC',
        calls => [qw(name write change sync)]);
    each_call("F14 $who, ENOSPC from there on", $x, $change, times => 0,
        action => 'ENOSPC', calls => [qw(name write change sync)]);
    each_call("F14 $who, EIO once", $x, $any, action => 'EIO',
        calls => \@all);
    each_call("F14 $who, EIO from there on", $x, $any, action => 'EIO',
        calls => \@all, times => 0);
    each_call("F20 $who, EROFS from there on", $x, $change, times => 0,
        action => 'EROFS', calls => \@change);
    each_call("F21 $who, EMFILE once", $x, $any, action => 'EMFILE',
        calls => [qw(open modify name)]);
    each_call("F35 $who, ESTALE once", $x, $any, action => 'ESTALE',
        calls => [qw(open modify read list stat)]);

    # nothing of this may matter

    one_round("F22 $who, reads and writes part by part", $x, 2, times => -1,
        action => 'short', calls => [qw(read write)], must => 1);
    each_call("F22 $who, EINTR", $x, $any, action => 'EINTR', must => 1,
        calls => [qw(open modify read write lock)]);
}


sub each_call {
    my ($name, $x, $every, %how) = @_;

    my ($n, $broken, @why) = (0, 0);

    for ($n = 1 + int rand $every; $n < LIMIT && @why < 10; $n += $every) {
        my ($hits, @bad) = round($x, $n, %how);

        push @why, map { "at call $n" . ($hits ? ', ' . $x->{shim}->last
            : '') . ": $_" } @bad;
        last if !$hits;
        $broken++;
    }

    push @why, 'it was never broken' if !$broken && $every == 1;
    push @why, 'there is no end of it' if $n >= LIMIT;
    ok(!@why, "$name, at $broken calls one by one") or diag join "\n", @why;

    $how{action} eq 'kill' ? ($kills += $broken) : ($errors += $broken);
}


sub one_round {
    my ($name, $x, $n, %how) = @_;

    my ($hits, @why) = round($x, $n, %how);
    push @why, 'nothing was broken' if !$hits;
    ok(!@why, $name) or diag join "\n", @why;
    $errors += $hits;
}


# A lot is dropped, the work is begun and broken at its call n, and begun anew.
# How many calls were broken, and what is wrong.

sub round {
    my ($x, $n, %how) = @_;

    my ($t, $shim, $litter) = @{$x}{qw(t shim litter)};
    my $kill = $how{action} eq 'kill';
    my $must = delete $how{must};
    my @why = $litter->drop;

    $litter->rot;
    $shim->arm(dir => $t->root, at => $n, %how);
    $x->{begin}->();

    if ($x->{r}) {
        push @why, by_command_wrong($x, $kill && $shim->hits, $must);

    } else {
        my $ended = wait_for(15, sub {
            return $kill && $shim->hits ? 2 : ended($x);
        });
        push @why, 'neither is it done nor is anything said: ' . said($x)
            if !$ended;
        push @why, 'it fails' if $ended && $ended < 0
            && ($must || !$shim->hits);
    }
    my $hits = $shim->disarm;

    # which takes half a second, for it looks twice at what it finds

    push @why, $litter->wrong;
    push @why, $litter->audit if torture(rand() < 0.2, 1);

    my $image = eval { $t->push_image('new/app', 'v' . $n % 3,
        seed => 'new ' . $n % 3) } or push @why, "S1 a push after it: $@";

    if (!$x->{again}->()) {
        my @left = $litter->left;
        push @why, @left . " left after another one: @left[0 .. 0]";
    }
    push @why, $litter->mended;
    push @why, $litter->wrong, Test::Registry::Audit::audit($t->root,
        grace => 3600, unfinished => 1);
    push @why, 'S1 what was pushed after it'
        if $image && $t->get('/v2/new/app/manifests/v' . $n % 3)->body
            ne $image->{bytes};

    return ($hits, @why);
}

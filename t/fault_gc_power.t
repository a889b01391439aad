#!/usr/bin/perl

# The power is cut while garbage is collected, uploads are purged and blobs are
# scrubbed: at random moments, in nginx's manager process with clients at work,
# and before each call of registryctl. What was acknowledged is there when the
# power is back, and the next collection ends what this one began.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Cutter;
use Test::Registry::Disk;
use Test::Registry::Ledger;
use Test::Registry::Litter;
use Test::Registry::Storm;
use Test::Registry::Torture;

# rounds until the disk is made anew

use constant ROUNDS => 10;

# of the calls of registryctl; every one in make torture

use constant STRIDE => torture(20, 1);
use constant MANY => 1000;

my %commands = (
    gc => [qw(gc --grace 1h --untagged 1h --empty)],
    purge => [qw(purge-uploads --idle 1h)],
    scrub => [qw(scrub)]
);

alone(30);
seed();

for my $fs (qw(ext4 xfs)) {
    my $disk = eval { Test::Registry::Disk->new(fs => $fs) }
        or fail("F04 $fs: $@"), next;

    storm($disk, torture(10, 300));
    each_call($disk, $_) for sort keys %commands;
}

done_testing();


# The server, whose manager does it all as soon as it begins, and then for as
# long as a storm takes.

sub server {
    my ($disk) = @_;

    return Test::Registry->new(root => $disk->root, workers => 2,
        location => 'registry_delete on; registry_gc on interval=1s grace=1h'
            . ' untagged=1h empty rate=0 iops=2500;'
            . ' registry_upload_idle_time 1h;'
            . ' registry_scrub 1g interval=1s;');
}


sub storm {
    my ($disk, $rounds) = @_;

    my $fs = $disk->fs;
    my ($cuts, $late, $checked, $dropped, %counts) = (0, 0, 0, 0);

    while ($cuts < $rounds) {
        $disk->format if $cuts;

        my $x = { disk => $disk, t => server($disk)->run,
            ledger => Test::Registry::Ledger->new };
        my $t = $x->{t};
        $x->{storm} = Test::Registry::Storm->new(ledger => $x->{ledger});
        $x->{litter} = Test::Registry::Litter->new($t)->keep;
        $x->{litter}->forgo;
        my @wrong;

        for (1 .. ROUNDS) {
            last if $cuts == $rounds || @wrong;
            $cuts++;
            my @more = eval { cut_in_storm($x, \$late) };
            push @wrong, map { "round $cuts: $_" } @more, $@ || ();
        }

        push @wrong, $x->{ledger}->check($t, $x->{ledger}->things);
        push @wrong, collect($x, 'gc');
        push @wrong, $x->{ledger}->check($t, $x->{ledger}->things);
        push @wrong, finishes($x);
        ok(!@wrong, "F04 $fs: what was acknowledged before cut $cuts is there")
            or diag join "\n", @wrong;

        my $n = $x->{storm}->counts;
        $counts{$_} += $n->{$_} for keys %$n;
        $checked += $x->{ledger}->checked;
        $dropped += $x->{litter}->dropped;
        $t->finish(audit => { grace => 3600, unfinished => 1 });
        last if @wrong;
    }

    figure("F04 power cuts in collections on $fs", $cuts);
    figure("F04 $fs: things to be collected", $dropped);
    figure("F04 $fs: things checked", $checked);
    figure("F04 $fs: acknowledged after the cut", $late);
    figure("F04 $fs: $_", $counts{$_}) for sort keys %counts;
}


# A lot is dropped while the server is down, and as it comes up its manager
# sets to work, and so do the clients: on what is collected, too.

sub cut_in_storm {
    my ($x, $late) = @_;

    my ($disk, $t, $ledger, $storm, $litter)
        = @{$x}{qw(disk t ledger storm litter)};

    $t->stop or die "$t->{stop_text}\n";
    drop($x, sizes => [ map { 300 + $_ } 1 .. 40 ]);
    $t->run;

    $storm->garbage($litter->repo, $litter->returning);
    $storm->begin($t, 1 + int rand 4);
    $storm->run(int rand 60, rand 0.1);
    $disk->cut;
    $$late += $storm->end;
    $disk->power_up($t, sub { $x->{litter}->overdue; $t->run });

    my @wrong = $ledger->check($t, $ledger->touched);
    push @wrong, $storm->referrers($t);
    push @wrong, $storm->resume($t);
    push @wrong, $ledger->check($t, $ledger->touched);

    return (@wrong, $litter->wrong, $litter->audit);
}


# A new lot, on the disk.

sub drop {
    my ($x, %o) = @_;

    $x->{litter}->drop(quiet => 1, %o);
    $x->{litter}->overdue;
    run_command(60, 'sync', '-f', $x->{disk}->at);
}


# One command, when nobody else is at it any more. What is wrong.

sub collect {
    my ($x, $name) = @_;

    my $r;
    wait_for(20, sub {
        $r = ctl(@{ $commands{$name} }, $x->{t}->root);
        return $r->{rc} ne '3' || $r->{err} !~ /somebody else/;
    });

    return $r->{rc} eq '0' || ($r->{rc} eq '1' && $name eq 'scrub') ? ()
        : "registryctl $name: $r->{rc}, $r->{err}";
}


# An hour later what is left goes.

sub finishes {
    my ($x) = @_;

    my @wrong = map {
        $x->{litter}->later;
        collect($x, $_);
    } qw(gc gc gc purge scrub);

    # what a client was given meanwhile is garbage no longer

    my %used = map { /\b\w+:(\w+)\z/ ? ($1 => 1) : () } @{ $x->{told} || [] },
        $x->{ledger} ? $x->{ledger}->things : ();
    my @left = grep { !(m{/sha256/(?:\w\w/)?(\w{64})} && $used{$1}) }
        $x->{litter}->left;
    push @wrong, "left: @left" if @left;

    return @wrong;
}


# Before each call of one command. What was pushed, mounted and asked for just
# before holds: nothing else has been synced since.

sub each_call {
    my ($disk, $name) = @_;

    my $fs = $disk->fs;
    my $cutter = Test::Registry::Cutter->new($disk);
    my @wrap = ('env', 'LD_PRELOAD=' . $disk->dir . '/cutter.so',
        'REGISTRY_CUTTER=' . $disk->dir . '/page',
        'REGISTRY_CUTTER_DISK=' . $disk->at);
    my ($n, $calls, $cuts, $survived, @wrong);

    $disk->format;

    my $t = Test::Registry->new(root => $disk->root,
        location => 'registry_delete on;');
    my $x = { disk => $disk, t => $t };

    $t->run;
    $x->{litter} = Test::Registry::Litter->new($t)->keep;
    $x->{litter}->forgo;

    for ($n = 1 + int rand STRIDE; $n < MANY; $n += STRIDE) {
        drop($x);
        $x->{litter}->rot;
        run_command(60, 'sync', '-f', $disk->at);
        my @told = acknowledged($x, "$fs $name $n");

        $cutter->arm($n);
        my $r = ctl({ wrap => \@wrap }, @{ $commands{$name} }, $t->root);
        $calls = $cutter->disarm;
        $survived = $calls < $n;
        $disk->cut if $survived;
        $cuts++;

        push @wrong, "call $n: status $r->{rc}: $r->{err}"
            if $r->{rc} !~ /\A[013]\z/;
        $disk->power_up($t);

        push @wrong, map { "call $n: $_" } $x->{litter}->wrong,
            $x->{litter}->audit, holds($x, @told), collect($x, 'gc'),
            holds($x, @told), finishes($x), $x->{litter}->mended,
            $x->{litter}->wrong;
        last if $survived || @wrong;
    }

    ok($survived && !@wrong,
        "F04 $fs: registryctl $name: the power cut before any of $calls calls")
        or diag join "\n", @wrong;
    figure("F04 power cuts on $fs, by call of registryctl $name", $cuts);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# Clients are told of blobs that were about to go: pushed again where they are,
# and elsewhere, and mounted. An image is made of one.

sub acknowledged {
    my ($x, $seed) = @_;

    my ($t, $litter) = @{$x}{qw(t litter)};
    my ($one, $two) = $litter->returning;
    my $repo = $litter->repo;
    my $digest = sha256($two);

    $t->push_blob($repo, $one);
    my $r = $t->post("/v2/mounted/blobs/uploads/?mount=$digest&from=$repo",
        body => '');
    die $r->as_text if $r->status != 201;
    my $image = $t->push_image('again', 'v1', layers => [$two],
        seed => $seed);
    push @{ $x->{told} }, $digest;

    return ([ "/v2/$repo/blobs/" . sha256($one), $one ],
        [ "/v2/mounted/blobs/$digest", $two ],
        [ '/v2/again/manifests/v1', $image->{bytes} ],
        [ "/v2/again/blobs/$digest", $two ]);
}


sub holds {
    my ($x, @told) = @_;

    return map {
        my ($uri, $bytes) = @$_;
        my $r = $x->{t}->get($uri);
        $r->status == 200 && $r->body eq $bytes ? ()
            : "S1 $uri: " . ($r->status == 200 ? 'other bytes'
                : $r->status || $r->error)
    } @told;
}

#!/usr/bin/perl

# When a collection may run, and how fast; what it makes of a clock that jumps;
# and that it needs no manager process.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Find ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Litter;
use Test::Registry::Load;
use Test::Registry::Torture;
use Test::Registry::Trace;


use constant DAY => 86400;

my ($library) = grep { -e } map { "$_/faketime/libfaketimeMT.so.1" }
    glob '/usr/lib/*-linux-gnu /usr/lib /usr/lib64';

need_root(40);
skip_suite('libfaketime is not installed', 40) if !defined $library;
skip_suite(Test::Registry::Trace::why(), 40)
    if !Test::Registry::Trace::available();

my $gc = 'registry_gc on interval=1s grace=1h untagged=1h empty';

# The hands of nginx's clock, but not those of its timers and of the files.

my %hands = (
    FAKETIME_NO_CACHE => 1,
    FAKETIME_DONT_FAKE_MONOTONIC => 1,
    NO_FAKE_STAT => 1,
    FAKE_UTIME => 1,
    LD_PRELOAD => $library,
);

hands();
store();
window();
operations();
bytes();
single();

done_testing();


# A server whose clock is in a file.

sub with_hands {
    my ($location) = @_;

    my $t = Test::Registry->new(
        main => join('', map { "env $_;\n" } 'FAKETIME_TIMESTAMP_FILE',
            sort keys %hands),
        write => { clock => "+0\n" },
        location => "registry_delete on; $location");

    $t->{env} = { %hands, FAKETIME_TIMESTAMP_FILE => "$t->{dir}/clock" };
    return $t->run;
}


sub jump {
    my ($t, $seconds) = @_;

    $t->write_file('clock.new', sprintf "%+d\n", $seconds);
    rename "$t->{dir}/clock.new", "$t->{dir}/clock" or die "$!\n";
}


sub collections {
    my ($t, $from) = @_;

    return scalar(() = substr($t->log_text, $from // 0)
        =~ /collected garbage of/g);
}


# Of the last collection, in seconds.

sub took {
    my ($t) = @_;

    my @ms = $t->log_text =~ /collected garbage of .*? (\d+) ms\b/g;
    return $ms[-1] / 1000;
}


# --- F37 ---------------------------------------------------------------------

# nginx's clock and that of the file system part.

sub hands {
    my $t = with_hands("$gc rate=0 iops=0; registry_upload_idle_time 1h;");
    my $litter = Test::Registry::Litter->new($t)->keep;
    $litter->rouse;

    for my $round (1 .. torture(1, 20)) {
        for my $days (400, -400, torture(0, 1) ? (1, -1) : ()) {
            my $name = "F37 nginx's clock at $days days";
            my @why = $litter->drop;
            my $from = length $t->log_text;

            jump($t, $days * DAY);
            $litter->overdue;
            push @why, 'left: ' . join ' ', $litter->left
                if !wait_for(60, sub { !$litter->left });
            push @why, "it collects all the time"
                if collections($t, $from) > 10;
            push @why, $litter->wrong;
            ok(!@why, "$name: garbage goes, and nothing young")
                or diag join "\n", @why;
            jump($t, 0);
        }
    }

    is_status($litter->finish_upload, 201, 'F37 an upload of before ends');
    $t->finish(audit => { grace => 3600 });
}


# The clock of the file system is set, while nobody is at work: all times of
# the store are that far from it then, and so is what was noted of the clock
# that nobody sets, and when each job was done last.

sub shifted {
    my ($root, $seconds) = @_;

    for my $job (qw(collect purge)) {
        my $file = "$root/docker/registry/nginx/$job";
        open my $fh, '+<', $file or die "$file: $!\n";
        my @at = (stat $fh)[8, 9];
        my $text = do { local $/; <$fh> };
        my $ns = $seconds * 1_000_000_000;

        $text =~ s/\A(\S+ )(-?\d+)/$1 . ($2 + $ns)/e
            && $text =~ s/\b(began|done) \K(\d+)/$2 + $ns/ge
            or die "$file: $text\n";
        seek $fh, 0, 0;
        print {$fh} $text;
        truncate $fh, length $text;
        close $fh or die "$file: $!\n";
        utime @at, $file;
    }

    File::Find::find({ no_chdir => 1, wanted => sub {
        my @st = lstat or return;
        utime $st[8] + $seconds, $st[9] + $seconds, $_;
    } }, $root);
}


sub store {
    for my $days (400, -400, torture(0, 1) ? (2, -2, 60, -60) : ()) {
        my $name = "F37 the clock is set by $days days";
        my $t = Test::Registry->new(location => "registry_delete on; $gc"
            . ' rate=0 iops=0; registry_upload_idle_time 1h;')->run;
        my $litter = Test::Registry::Litter->new($t)->keep;

        $litter->rouse;
        ok(wait_for(60, sub { collections($t) }), "$name: it was noted");
        $t->stop or die "$t->{stop_text}\n";
        $litter->forgo;
        $litter->drop(quiet => 1);
        my $before = old($litter);
        shifted($t->root, -$days * DAY);

        my $from = length $t->log_text;
        $t->run;
        ok(wait_for(60, sub {
            collections($t, $from) >= 2
                && ($days < 0 || substr($t->log_text, $from) =~ /purged up/)
        }), "$name: it is collected and purged");
        is(join("\n", $litter->wrong), '', "$name: nothing young goes");

        # what was old before is as old after a jump forwards; after one back
        # it is from the future, and young

        if ($days > 0) {
            is(join(' ', old($litter)), '', "$name: what is old goes");
        } else {
            is(scalar old($litter), $before, "$name: what was old is not");
        }
        is_status($litter->finish_upload, 201, "$name: an upload ends");
        $t->finish(audit => 0);
    }
}


# What is left, but for what goes however old it is, or after a day.

sub old {
    my ($litter) = @_;

    my $own = $litter->own;
    return grep { !m{\A\Q$own\E/} } $litter->left;
}


# --- window ------------------------------------------------------------------

# So that it is that time of the day for nginx.

sub at_hour {
    my ($t, $hour, $minute) = @_;

    my @now = localtime;
    my $then = POSIX::mktime(0, $minute, $hour, @now[3, 4, 5], 0, 0, -1);
    jump($t, $then - time);
}


sub window {
    my $t = with_hands("$gc rate=0 iops=400 window=22:30-04:00;");
    my $litter = Test::Registry::Litter->new($t, purge => 0)->keep;
    my @why;

    # a worker that is hours behind the files finds each lease fresh

    $litter->forgo;

    for my $at ([12, 0], [4, 1], [22, 28]) {
        at_hour($t, @$at);
        $litter->rouse;
        push @why, $litter->drop;
        my $all = $litter->left;
        my $from = length $t->log_text;
        sleep 1.2;
        push @why, "at @$at" if collections($t, $from)
            || $litter->left != $all;
    }
    ok(!@why, 'it rests outside its window') or diag join "\n", @why;

    for my $at ([23, 0], [3, 55], [0, 0]) {
        at_hour($t, @$at);
        my $from = length $t->log_text;
        $litter->rouse;
        ok(wait_for(60, sub { collections($t, $from) }),
            "it works within, at @$at");
    }
    ok(done($litter), 'and does what was left') or diag join ' ', $litter->left;

    # it closes in the middle, unless we came too late for it

    my $half;
    for (1 .. 10) {
        $litter->drop(sizes => [ map { 200 + $_ } 1 .. 60 ]);
        my $all = $litter->left;
        $litter->rouse;
        ok(wait_for(60, sub { $litter->left < $all }),
            'a collection is begun');
        at_hour($t, 12, 0);
        sleep 1.2;
        last if $half = $litter->left;
        at_hour($t, 23, 0);
    }
    sleep 1.5;
    cmp_ok($half, '>', 0, 'the window closes in the middle');
    is(scalar $litter->left, $half, 'it goes no further');
    is(join("\n", $litter->wrong), '', 'what stays is there');

    at_hour($t, 23, 0);
    ok(done($litter), 'in the next one it is done')
        or diag join ' ', $litter->left;
    is(join("\n", $litter->wrong), '', 'what stays is there');
    $t->finish(audit => { grace => 3600 });
}


# One collection after the other, an hour between them, until all is gone.

sub done {
    my ($litter) = @_;

    for (1 .. 4) {
        $litter->later;
        my $from = length $litter->{t}->log_text;
        $litter->rouse;
        wait_for(60, sub { collections($litter->{t}, $from) });
        return 1 if !$litter->left;
    }

    return 0;
}


# --- rate, iops --------------------------------------------------------------

sub operations {
    my $seconds = forty(200);

    # a look at each link, and each blob, and again before they go

    cmp_ok($seconds, '>', 40 * 4 / 200 * 0.8, 'so it takes its time');
    is_quick($seconds / 2, 'without a limit it does not', sub { forty(0) });
}


# How long forty blobs take.

sub forty {
    my ($iops) = @_;

    my $t = Test::Registry->new(location => "registry_delete on; $gc"
        . " rate=0 iops=$iops;")->run;
    my $litter = Test::Registry::Litter->new($t, purge => 0)->keep;
    my $from = length $t->log_text;

    # one collection has nothing to do, the next one a second later has

    $litter->rouse;
    my $trace = $iops ? Test::Registry::Trace->attach($litter->manager,
        calls => ['openat2']) : undef;
    $litter->drop(sizes => [ map { 200 + $_ } 1 .. 40 ]);
    my ($blobs, $ms);
    ok(wait_for(60, sub {
        ($blobs, $ms) = (0, 0);
        my $said = substr $t->log_text, $from;
        while ($said =~ /: (\d+) of \d+ blobs,.*? (\d+) ms\b/g) {
            $blobs += $1;
            $ms += $2 if $1;
        }
        return $blobs >= 41;
    }), "iops=$iops: 40 blobs go, and one without a link")
        or diag "$blobs went";
    figure("seconds with iops=$iops", $ms / 1000);

    # one operation opens a file or two, at most a few; a slice is made
    # at once

    if ($trace) {
        my @calls = $trace->stop;
        figure("openat2() a second at most, with iops=$iops", most(@calls));
        cmp_ok(most(@calls), '>', $iops / 4, 'it is seen at work');
        cmp_ok(most(@calls), '<', 3 * $iops, "iops=$iops is kept");
    }
    $t->finish(audit => { grace => 3600 });

    return $ms / 1000;
}


# The most calls within a second.

sub most {
    my (@calls) = @_;

    my @at = sort { $a <=> $b } map { $_->{begin} } @calls;
    my ($first, $most) = (0, 0);

    for my $i (0 .. $#at) {
        $first++ while $at[$i] - $at[$first] > 1;
        $most = $i - $first + 1 if $i - $first + 1 > $most;
    }

    return $most;
}


sub bytes {
    my $seconds = six_megabytes('2m');

    # the first ones and the last are not waited for

    cmp_ok($seconds, '>', 1.8, 'rate=2m is kept');
    cmp_ok($seconds, '<', 30, 'and not by far');
    is_quick($seconds / 2, 'without it, it is faster',
        sub { six_megabytes(0) });
}


# How long that much of manifests takes.

sub six_megabytes {
    my ($rate) = @_;

    my $t = Test::Registry->new(location => "registry_delete on; $gc"
        . " rate=$rate iops=0;")->run;
    my $config = '{}';
    $t->push_blob('large', $config);

    for my $n (1 .. 12) {
        my $r = $t->push_manifest('large', "v$n", padded_manifest(manifest(
            descriptor(OCI_EMPTY, $config), [],
            annotations => { n => "number $n" }), 500_000));
        die $r->as_text if $r->status != 201;
    }

    Test::Registry::Litter->new($t)->rouse;
    my $from = length $t->log_text;
    ok(wait_for(60, sub { collections($t, $from) }),
        "rate=$rate: a store with 6 MB of manifests");
    my $seconds = took($t);
    figure("6 MB of manifests read with rate=$rate", "in $seconds s");
    $t->finish;

    return $seconds;
}


# --- master_process off ------------------------------------------------------

sub single {
    my $t = Test::Registry->new(master => 0, location =>
        "registry_delete on; $gc rate=0 iops=0; registry_upload_idle_time 1h;"
        . ' registry_scrub 1g interval=1s;')->run;
    my $litter = Test::Registry::Litter->new($t)->keep;

    $litter->drop;
    $litter->rot;
    $litter->overdue;
    my $load = Test::Registry::Load->start($t, push => 1, pull => 1,
        slow => 1, closes => 0);

    ok(wait_for(60, sub {
        $litter->later;
        $litter->overdue if !collections($t);
        return !$litter->left;
    }), 'master_process off: all of the work is done')
        or diag join ' ', $litter->left;
    my $sum = $load->stop;
    is($sum->{failed}, 0, 'while clients are served') or diag $sum->reasons;
    is(join("\n", $litter->mended, $litter->wrong), '', 'what stays is there');
    $t->finish(audit => { grace => 3600 });
}

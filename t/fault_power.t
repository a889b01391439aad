#!/usr/bin/perl

# The power is cut while clients push, mount, tag and delete, and whatever they
# were told by then is there when it is back: F09 on ext4 and on xfs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Disk;
use Test::Registry::Ledger;
use Test::Registry::Storm;
use Test::Registry::Torture;

# rounds until the disk is made anew

use constant ROUNDS => 10;

my $registryctl = $ENV{TEST_REGISTRYCTL}
    || "$FindBin::Bin/../build/registryctl";

alone(140);
seed();

storm($_, torture(100, 1000)) for qw(ext4 xfs);

done_testing();


sub storm {
    my ($fs, $rounds) = @_;

    my $disk = eval { Test::Registry::Disk->new(fs => $fs) }
        or return fail("F09 $fs: $@");
    my ($cuts, $late, $checked, %counts) = (0, 0, 0);

    while ($cuts < $rounds) {
        $disk->format if $cuts;

        my $t = Test::Registry->new(root => $disk->root, workers => 2,
            location => 'registry_delete on;')->run;
        my $ledger = Test::Registry::Ledger->new;
        my $storm = Test::Registry::Storm->new(ledger => $ledger);
        my @wrong;

        for (1 .. ROUNDS) {
            last if $cuts == $rounds || @wrong;
            $cuts++;
            my @more = eval { round($disk, $t, $storm, \$late) };
            push @wrong, map { "round $cuts: $_" } @more, $@ || ();
        }

        push @wrong, $ledger->check($t, $ledger->things);
        ok(!@wrong, "F09 $fs: what was acknowledged before cut $cuts is there")
            or diag join "\n", @wrong;

        $counts{$_} += $storm->counts->{$_} for keys %{ $storm->counts };
        $checked += $ledger->checked;
        $t->finish(audit => { grace => 3600, unfinished => 1 });
        last if @wrong;
    }

    figure("F09 power cuts on $fs", $cuts);
    figure("F09 $fs: things checked", $checked);
    figure("F09 $fs: acknowledged after the cut", $late);
    figure("F09 $fs: $_", $counts{$_}) for sort keys %counts;
}


# One storm, one cut, and what is there afterwards.

sub round {
    my ($disk, $t, $storm, $late) = @_;

    my $ledger = $storm->ledger;

    # alone nobody's sync helps another one

    $storm->begin($t, rand() < 0.4 ? 1 : 2 + int rand 4);
    $storm->run(int rand 40, rand 0.02);
    $disk->cut;
    $$late += $storm->end;
    $disk->power_up($t);

    my @wrong = $ledger->check($t, $ledger->touched);
    push @wrong, $storm->referrers($t);
    push @wrong, $storm->resume($t);
    push @wrong, $ledger->check($t, $ledger->touched);

    # the first cut may come before the first push has made a store

    return @wrong if !-d $disk->root . '/docker/registry/v2';

    my ($rc, $out) = run_command(60, $registryctl, 'audit', '--digests',
        $disk->root);
    push @wrong, "registryctl audit: $out" if $rc != 0;

    return @wrong;
}

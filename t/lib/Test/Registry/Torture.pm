package Test::Registry::Torture;

# How long a test of faults or races goes on, and what it counted.
#
#   my $rounds = torture(200, 2000);         # in make test, in make torture
#   my $seconds = torture(20);               # in make torture: as long as told
#
#   figure('power cuts on ext4', $rounds);
#
# Environment: TEST_TORTURE, seconds, makes the long versions run;
# TEST_FIGURES is a file that the figures are added to; TEST_SEED repeats a
# run of what goes by chance.

use strict;
use warnings;

use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(basename);
use Test::More ();

our @EXPORT = qw(torture figure seed);


# The short amount, or the long one; without a long one the seconds that
# make torture was told.

sub torture {
    my ($short, $long) = @_;

    return $short if !$ENV{TEST_TORTURE};
    return $long // $ENV{TEST_TORTURE};
}


# Says what was counted, where people read it and where make torture
# collects it.

sub figure {
    my ($what, $count) = @_;

    my $line = basename($0) . ": $what: $count";
    Test::More::note($line);

    return if !defined $ENV{TEST_FIGURES};

    open my $out, '>>', $ENV{TEST_FIGURES}
        or die "$ENV{TEST_FIGURES} cannot be written: $!\n";
    flock $out, LOCK_EX;
    print {$out} "$line\n" or die "$ENV{TEST_FIGURES}: $!\n";
    close $out or die "$ENV{TEST_FIGURES}: $!\n";

    return;
}


# The seed of this run: given, or drawn and told, so that a failure can be had
# again.

sub seed {
    my $seed = $ENV{TEST_SEED} // int(rand 2**31);

    Test::More::diag("TEST_SEED=$seed");
    srand $seed;

    return $seed;
}


1;

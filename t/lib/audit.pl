#!/usr/bin/perl

# Looks over the registry stores named as arguments and prints what is wrong
# with them; exits 1 when something is. Options: --sparse --missing --grace=N

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use Getopt::Long;
use Test::Registry::Audit;

my %o;
GetOptions(\%o, 'sparse', 'missing', 'grace=i') && @ARGV
    or die "usage: $0 [--sparse] [--missing] [--grace=seconds] root ...\n";

my $bad = 0;
for my $root (@ARGV) {
    die "$root: no such directory\n" if !-d $root;
    for (Test::Registry::Audit::audit($root, %o)) {
        print "$root: $_\n";
        $bad = 1;
    }
}

exit $bad;

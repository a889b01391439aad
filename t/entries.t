#!/usr/bin/perl

# The tables of t/README.md against the tests: each attack and each fault has
# one row, which names the files that carry its number, no more and no fewer,
# or says what it waits for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use Test::More;

use Test::Registry::Files;


my $dir = $FindBin::Bin;
my @entries = ((map { sprintf 'A%02d', $_ } 1 .. 118),
               (map { sprintf 'F%02d', $_ } 1 .. 57));

my %named;

for my $file (sort glob("$dir/*.t $dir/unit/*.c")) {
    next if basename($file) eq 'entries.t';

    my %seen = map { $_ => 1 } slurp($file) =~ /\b([AF]\d{2,3})\b/g;
    push @{ $named{$_} }, basename($file) =~ s/\.[tc]\z//r for keys %seen;
}

my (%by, %waits);

for my $line (split /\n/, slurp("$dir/README.md")) {
    next if $line !~ /^\| ([AF]\d{2,3}) \| (.+) \| (.*) \|$/;

    my ($entry, $what, $last) = ($1, $2, $3);

    ok(!$by{$entry} && !$waits{$entry}, "$entry has one row");

    if ($last =~ s/\Awaits for //) {
        $waits{$entry} = $last;

    } else {
        $by{$entry} = $last;
    }
}

for my $entry (@entries) {
    if ($waits{$entry}) {
        pass("$entry waits for $waits{$entry}");
        next;
    }

    is(join(', ', sort split /, /, $by{$entry} // 'no row'),
        join(', ', sort @{ $named{$entry} || [] }),
        "$entry is tested where its row says");
}

my %known = map { $_ => 1 } @entries;
is(join(' ', grep { !$known{$_} } sort keys %by, keys %waits), '',
    'no row of another number');

done_testing();

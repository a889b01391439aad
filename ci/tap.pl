#!/usr/bin/perl
#
# Runs one group of TAP programs and keeps the score:
#
#     tap.pl --name NAME [--tally FILE] [--reports DIR] [--timeout SECONDS]
#            [--jobs N] PROGRAM...
#
# A *.t file is run by perl with t/lib in @INC, anything else by itself; an
# argument with blanks is a program with its arguments.  Closes with prove's
# own lines.  To the tally file it appends "passed failed skipped NAME", where a
# program that dies, exits non-zero or keeps no plan counts as a failure even
# if all of its tests passed, and before it "! " and lines for each thing that
# failed, so that the end of a long run says what to look for: its name, and the
# first words of why.  Each reason to skip is told, with the count.  A program
# that skips itself whole is a failure in CI (CI set and not empty): every suite
# must really have run there.  The one exception is a suite that its source
# refuses to hand out ("refused by ..."), which no run here can mend; it stays
# in the score as skipped.  Single tests skip through the helper of t/lib, which
# fails in CI too, or because they mean nothing for this nginx.
# --reports names the folder that sanitizers write to; each file that is found
# there is a failure.
#
# When it is killed, so are the programs.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use Getopt::Long;
use TAP::Harness;


my ($name, $tally, $reports) = ('tests', undef, undef);
my ($timeout, $jobs) = (900, 1);

GetOptions('name=s' => \$name, 'tally=s' => \$tally,
           'reports=s' => \$reports, 'timeout=i' => \$timeout,
           'jobs=i' => \$jobs)
    or exit 2;

if (@ARGV == 0) {
    warn "error: no programs to run for $name\n";
    score(0, 1, 0);
    exit 1;
}

$| = 1;
print "# $name\n";

my $top = dirname(dirname(File::Spec->rel2abs($0)));
my @kill = -t STDIN ? () : ('timeout', '-k', '10', $timeout);

# In groups of their own, they hear of no signal to ours.
my @bound = qw(setpriv --pdeathsig TERM);
@bound = () if system("@bound true 2>/dev/null") != 0;

$SIG{$_} = sub { exit 2 } for qw(INT TERM HUP);

# What each program says is kept, and printed when it has ended: several at
# once would talk into each other's lines.
my $said = tempdir(CLEANUP => 1);
my @keep = ('sh', '-c', 'exec "$@" 2>"$0"');

my $harness = TAP::Harness->new({
    # The harness waits for the end of a pipe of errors as for lines, and with
    # none in it for the slowest of all programs at each line of any other.
    merge     => 1,
    jobs      => $jobs,
    timer     => 1,
    verbosity => $ENV{TEST_VERBOSE} ? 1 : 0,
    color     => 0,
    exec      => sub {
        my (undef, $file) = @_;

        if ($file =~ /\.t$/) {
            return [@keep, said_in($file), @bound, @kill, $^X, '-I',
                "$top/t/lib", $file];
        }

        return [@keep, said_in($file), @bound, @kill, split(' ', $file)];
    },
});

my (%reasons, %died, %failed, $whole, @failures);

$harness->callback(made_parser => sub {
    my ($parser, $job) = @_;
    my $desc = ref $job eq 'ARRAY' ? $job->[1] : $job;

    $parser->callback(test => sub {
        my ($test) = @_;

        $reasons{"$desc: " . $test->explanation()}++ if $test->has_skip();

        push @{ $failed{$desc} }, $test if !$test->is_ok();
    });

    $parser->callback(comment => sub {
        my ($comment) = @_;

        push @{ $died{$desc} }, $1 if $comment->raw() =~ /^# died: (.*)/;
    });
});

$harness->callback(after_test => sub {
    my ($job) = @_;

    my ($file, $desc) = @$job;
    my @said = lines_of(said_in($file));
    print STDERR @said;

    push @failures, failures_of($desc, $failed{$desc}, @said);
});

my $result = $harness->runtests(@ARGV);

# what prove calls a failed program, beyond its failed tests
my $broken = 0;

for my $desc ($result->descriptions()) {
    my ($parser) = $result->parsers($desc);

    next if !$parser->has_problems() || $parser->failed();

    $broken++;
    push @failures, sprintf '%s: wait status %d, %d of %s tests run%s', $desc,
        $parser->wait() // -1, $parser->tests_run(),
        $parser->tests_planned() // 'no plan of',
        join '', map { ", $_" } $parser->parse_errors();

    # what the server said last is why it did not start
    my @why = @{ $died{$desc} || [] };
    my ($grave) = grep { /\[(?:emerg|alert|crit)\]|ERROR:/ } reverse @why;

    push @failures, "$desc: died: $_"
        for grep { defined } $why[0], $grave;
}

my $passed = $result->passed();
my $failed = $result->failed() + $broken;
my $skipped = $result->skipped();

for my $desc ($result->descriptions()) {
    my ($parser) = $result->parsers($desc);
    my $reason = $parser->skip_all();

    next if !defined $reason;

    $reasons{"$desc: whole, $reason"}++;

    if ($reason =~ /^refused by /) {
        $skipped++;

    } else {
        $whole++;
    }
}

print "# SKIP $_ ($reasons{$_})\n" for sort keys %reasons;

if ($whole) {
    if ($ENV{CI}) {
        print "# in CI no suite may skip itself: $whole counted as failed\n";
        $failed += $whole;
        push @failures, 'skipped, which no suite may in CI: '
                        . join '; ', grep { /: whole, (?!refused by )/ }
                                     sort keys %reasons;

    } else {
        $skipped += $whole;
    }
}

if (defined $reports) {
    for my $file (glob("$reports/*")) {
        open my $fh, '<', $file or die "$file: $!\n";

        # of its own doings valgrind talks in lines with dashes
        my @lines = grep { !/^--\d+--/ } <$fh>;
        close $fh;

        next if !@lines;

        $failed++;
        print "# sanitizer report $file\n", @lines;

        # valgrind begins its lines with ==PID==
        my ($what) = grep { /\w{4}/ } map { s/^==\d+==\s*//r } @lines;
        my ($where) = grep { /^\s*(?:#0|at) / } map { s/^==\d+==//r } @lines;

        push @failures, "sanitizer: " . join ' ', $what // 'a report',
                                                  $where // '';
    }
}

# skipped tests count as passed in TAP
score($passed - $result->skipped(), $failed, $skipped);

exit($failed ? 1 : 0);


sub said_in {
    my ($program) = @_;

    return "$said/" . $program =~ s/\W/-/gr;
}


sub lines_of {
    my ($file) = @_;

    open my $fh, '<', $file or return;
    return <$fh>;
}


# The tests of a program that failed, each with the first lines of what it said
# of that.
sub failures_of {
    my ($desc, $tests, @said) = @_;

    my @failures;

    for my $test (@{ $tests || [] }) {
        my $what = $test->description() =~ s/^- //r;
        push @failures, "$desc: " . $test->number() . " - $what";

        # "Failed test" and its name, then the line it stands in
        while (@said && shift(@said) !~ /^#\s+Failed.* test.*\Q$what\E/) { }
        shift @said;

        my $lines = 0;
        while (@said && $said[0] =~ /^#\s*(?!Failed|Looks like)(\S.*)/) {
            push @failures, "    $1" if $lines++ < 3;
            shift @said;
        }
    }

    return @failures;
}


sub score {
    return if !defined $tally;

    open my $fh, '>>', $tally or die "error: $tally: $!\n";

    for my $line (@failures) {
        my ($indent, $text) = $line =~ /^(\s*)(.*)/s;
        $text =~ s/\s+/ /g;
        printf $fh "! %s%.150s\n", $indent, $text;
    }

    print $fh join(' ', @_, $name), "\n";
    close $fh or die "error: $tally: $!\n";
}

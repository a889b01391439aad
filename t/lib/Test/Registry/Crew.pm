package Test::Registry::Crew;

# Clients that run at the same time, each a process of its own, and what each
# of them saw.
#
#   my @seen = crew(30, (map { my $n = $_; sub { writer($n) } } 1 .. 8),
#       \&reader, \&reader);
#
# Every code reference runs in a process of its own, all set off together, and
# hands back a list of references; crew() gives these lists, as references,
# in the order of its arguments. A client that dies, or has not ended after
# the given seconds, is a failure of the test.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp ();
use POSIX ();
use Storable ();
use Test::More ();
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime sleep);

use Test::Registry::Process;

our @EXPORT = qw(crew again moment timed);


# Now, on the clock that all processes of this machine share.

sub moment { return clock_gettime(CLOCK_MONOTONIC) }


# Calls code, which gives a reply: (begin => , end => , reply => ).

sub timed {
    my ($code) = @_;

    my $begin = moment();
    my $reply = $code->();

    return (begin => $begin, end => moment(), reply => $reply);
}


# A client that does one thing over and over for some seconds, on connections
# it keeps to each of the servers, drawn by chance. The code is given one and
# the number of the time; what it hands back is kept. pause is what it waits
# in between, in the mean.

sub again {
    my ($seconds, $servers, $pause, $code) = @_;

    return sub {
        my $until = moment() + $seconds;
        my @c = map { $_->connect(timeout => 90) } @$servers;
        my ($n, @seen) = (0);
        srand;

        while (moment() < $until) {
            push @seen, $code->($c[rand @c], $n++);
            sleep rand 2 * $pause if $pause;
        }
        return @seen;
    };
}


sub crew {
    my ($seconds, @codes) = @_;

    my $dir = File::Temp->newdir('registry-crew-XXXXXXXX', TMPDIR => 1);
    pipe my $gate, my $keeper or die "pipe: $!\n";

    my @pids;
    for my $i (0 .. $#codes) {
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;

        if (!$pid) {
            close $keeper;
            _member($gate, "$dir/$i", $codes[$i]);
        }
        push @pids, $pid;
    }

    close $gate;
    close $keeper;

    my $deadline = moment() + $seconds;
    my @lists;

    for my $i (0 .. $#pids) {
        my $left = $deadline - moment();
        my $status = reap($pids[$i], $left > 0 ? $left : 0);

        if (!defined $status) {
            kill 'KILL', $pids[$i];
            reap($pids[$i], 5);
        }

        my $list = eval { Storable::retrieve("$dir/$i") };
        my $why = !defined $status ? "has not ended after $seconds s"
            : ref $list ne 'ARRAY' ? "left nothing, status $status"
            : $status ? "died: $list->[0]" : next;

        Test::More::ok(0, "client $i $why");
        $list = [];

    } continue {
        push @lists, -e "$dir/$i" ? Storable::retrieve("$dir/$i") : [];
    }

    return @lists;
}


sub _member {
    my ($gate, $file, $code) = @_;

    # what the test does when it is stopped is not ours to do
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

    sysread $gate, my $byte, 1;

    my $list = eval { [$code->()] };
    my $why = $@;

    eval { Storable::nstore($list || ["$why"], $file); 1 }
        or POSIX::_exit(2);
    POSIX::_exit($list ? 0 : 1);
}


1;

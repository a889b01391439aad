package Test::Registry::Process;

# Processes as /proc shows them, and waiting with an end.

use strict;
use warnings;

use Exporter qw(import);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    wait_for seconds alive children command_of rss_of peak_of reset_peak cpu_of
    fds_of threads_of free_port held_port listen_at reap run_command file_limit
);


# Calls code until it is true; returns what it gave, or its last false value
# after the given seconds.

sub wait_for {
    my ($seconds, $code) = @_;

    my $deadline = time + $seconds;
    for ( ;; ) {
        my $got = $code->();
        return $got if $got || time >= $deadline;
        sleep 0.02;
    }
}


# How long code takes.

sub seconds {
    my ($code) = @_;

    my $begin = time;
    $code->();
    return time - $begin;
}


sub _read {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return undef;
    local $/;
    return scalar(<$fh>) // '';
}


# False for zombies too.

sub alive {
    my ($pid) = @_;

    my $stat = _read("/proc/$pid/stat");
    return defined $stat && $stat =~ /\) ([A-Za-z])/ && $1 ne 'Z' && $1 ne 'X';
}


sub children {
    my ($pid) = @_;

    my @all = grep {
        my $stat = _read("/proc/$_/stat");
        defined $stat && $stat =~ /\) ([A-Za-z]) (\d+)/ && $2 == $pid
            && $1 ne 'Z'
    } _born_of($pid);

    @all = sort { $a <=> $b } @all;
    return @all;
}


# Those that may be children: the kernel's own list, or, where it keeps none,
# all there are.

sub _born_of {
    my ($pid) = @_;

    my @lists = map { _read("/proc/$pid/task/$_/children") } threads_of($pid);
    return map { split } @lists if @lists && !grep { !defined } @lists;

    opendir my $dh, '/proc' or return ();
    return grep { /\A\d+\z/ } readdir $dh;
}


sub command_of {
    my ($pid) = @_;

    my $cmd = _read("/proc/$pid/cmdline") // '';
    $cmd =~ tr/\0/ /;
    $cmd =~ s/\s+\z//;
    return $cmd;
}


# Resident bytes.

sub rss_of {
    my ($pid) = @_;

    my $status = _read("/proc/$pid/status") // '';
    return $status =~ /^VmRSS:\s+(\d+) kB/m ? $1 * 1024 : 0;
}


# The most bytes that were resident at a time; and this anew, from now on.

sub peak_of {
    my ($pid) = @_;

    my $status = _read("/proc/$pid/status") // '';
    return $status =~ /^VmHWM:\s+(\d+) kB/m ? $1 * 1024 : 0;
}


sub reset_peak {
    my ($pid) = @_;

    open my $fh, '>', "/proc/$pid/clear_refs" or return;
    print {$fh} '5';
    close $fh;
}


# Seconds of processor time, all threads together, to a hundredth.

sub cpu_of {
    my ($pid) = @_;

    my $stat = _read("/proc/$pid/stat") // '';
    return 0 if $stat !~ /\) [A-Za-z](?: -?\d+){10} (\d+) (\d+)/;
    return ($1 + $2) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


# Targets of a process's open descriptors.

sub fds_of {
    my ($pid) = @_;

    opendir my $dh, "/proc/$pid/fd" or return ();
    return grep { defined } map { readlink "/proc/$pid/fd/$_" }
        grep { /\A\d+\z/ } readdir $dh;
}


sub threads_of {
    my ($pid) = @_;

    opendir my $dh, "/proc/$pid/task" or return ();
    my @all = sort { $a <=> $b } grep { /\A\d+\z/ } readdir $dh;
    return @all;
}


# How many files a worker may have open: 8192, or what we may give at most.

sub file_limit {
    my $limits = _read("/proc/self/limits") // '';
    my ($hard) = $limits =~ /^Max open files\s+\S+\s+(\d+)/m;

    return $> == 0 || !defined $hard || $hard > 8192 ? 8192 : $hard;
}


# A loopback port nobody has, below the range the kernel draws from.

my %given;

sub free_port {
    require IO::Socket::INET;

    for (1 .. 200) {
        my $port = 12000 + int rand 20000;
        next if $given{$port};

        my $s = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
            Listen => 1) or next;
        close $s;
        $given{$port} = 1;
        return $port;
    }

    die "no free port on 127.0.0.1\n";
}


# A port that is ours for as long as the socket is: whoever connects is refused,
# and nobody but listen_at() can listen there. That is what SO_REUSEPORT is for;
# when it is set the port is taken already, so no two of us get the same one.

sub held_port {
    my ($host) = @_;

    require IO::Socket::INET;

    my $held = IO::Socket::INET->new(LocalAddr => $host // '127.0.0.1',
        LocalPort => 0, Proto => 'tcp') or die "no free port: $@\n";
    setsockopt $held, Socket::SOL_SOCKET(), Socket::SO_REUSEPORT(), 1
        or die "SO_REUSEPORT: $!\n";

    return $held;
}


sub listen_at {
    my ($held) = @_;

    my $port = $held->sockport;
    my $listen;
    wait_for(10, sub {
        $listen = IO::Socket::INET->new(LocalAddr => $held->sockhost,
            LocalPort => $port, Proto => 'tcp', Listen => 64, ReuseAddr => 1,
            ReusePort => 1);
    }) or die "no port $port: $!\n";

    return $listen;
}


# Waits for a child of ours to end: its wait status, or undef at the deadline.

sub reap {
    my ($pid, $seconds) = @_;

    my $status;
    wait_for($seconds, sub {
        my $got = waitpid $pid, WNOHANG;
        return 0 if $got == 0;
        $status = $got == $pid ? $? : -1;
        return 1;
    });
    return $status;
}


# Runs a command with a time limit: (exit code, stdout and stderr together).
# Exit code -1: killed at the limit.

sub run_command {
    my ($seconds, @command) = @_;

    pipe my $out, my $in or die "pipe: $!\n";

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        close $out;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $in;
        open STDERR, '>&', $in;
        exec { $command[0] } @command or do {
            print STDERR "$command[0]: $!\n";
            POSIX::_exit(127);
        };
    }

    close $in;
    my ($text, $deadline) = ('', time + $seconds);
    for ( ;; ) {
        my $left = $deadline - time;
        my $rin = '';
        vec($rin, fileno $out, 1) = 1;
        if ($left <= 0 || !select($rin, undef, undef, $left)) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
            return (-1, "$text\n(killed after $seconds s)");
        }
        my $n = sysread $out, $text, 65536, length $text;
        last if !$n;
    }

    waitpid $pid, 0;
    return ($? & 127 ? -1 : $? >> 8, $text);
}


1;

package Bench::Machine;

# What the benchmark needs of the machine: the load generator, a network
# namespace, a directory, processes that end with us.

use strict;
use warnings;

use Cwd ();
use File::Path ();
use File::Spec;
use FindBin;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

our $top = Cwd::abs_path("$FindBin::Bin/..");

# as the Makefile's BUILD, which may be another folder than build/
our $built = File::Spec->rel2abs($ENV{BUILD} // 'build', $top);
our $build = "$built/bench";

# seconds that the load generator may take
our $limit = 300;

my $load = "$build/load";
my %running;            # pid => name


sub program {
    my ($name) = @_;

    for my $path (split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/local/sbin')
    {
        return "$path/$name" if -x "$path/$name" && -f _;
    }

    return;
}


# Compiles the load generator when a source is newer.

sub build_load {
    my @sources = glob "$FindBin::Bin/load/*.c";
    my @all = (@sources, glob "$FindBin::Bin/load/*.h");

    File::Path::make_path($build);

    return if -x $load && !grep { -M $_ < -M $load } @all;

    my $cc = $ENV{CC} || program('cc') || program('gcc') || program('clang')
        || die "bench: no C compiler; on Debian: apt-get install gcc\n";

    system(split(' ', $cc), qw(-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o),
           "$load.$$", @sources, qw(-lssl -lcrypto -lpthread -lm)) == 0
        or die "bench: cannot compile the load generator; on Debian: "
               . "apt-get install gcc libc6-dev libssl-dev\n";

    rename "$load.$$", $load or die "bench: rename to $load: $!\n";
}


sub enter_namespace {
    my ($script, $args, $o) = @_;

    return if $ENV{BENCH_NETWORK};

    my @options = map {
        $o->{$_} ? ("--$_", $_ eq 'quick' ? () : $o->{$_}) : ()
    } qw(quick rounds json dir targets);

    { exec $load, 'namespace', '--', $^X, $script, @options, '--', @$args }
    die "bench: cannot run $load: $!\n";
}


sub make_dir {
    my ($parent) = @_;

    my $dir = ($parent // $build) . "/tmp.$$";

    File::Path::make_path($dir, { mode => 0700 });

    return Cwd::abs_path($dir);
}


# As system(), which would not notice Ctrl-C.

sub command {
    my (@command) = @_;

    my $pid = fork // die "bench: fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        { exec @command }
        POSIX::_exit(127);
    }

    waitpid $pid, 0;
    die "interrupted\n" if $? & 127;

    return $? == 0;
}


sub remove_dir {
    my ($dir) = @_;

    local $SIG{INT} = 'IGNORE';

    system('rm', '-rf', '--', $dir) == 0
        or warn "bench: cannot remove $dir\n";
}


sub describe {
    my %m;

    my $read = sub {
        open my $f, '<', $_[0] or return '';
        local $/;
        return scalar <$f>;
    };

    ($m{cpu}) = $read->('/proc/cpuinfo') =~ /^model name\s*:\s*(.+)/m;
    $m{cpus} = () = $read->('/proc/cpuinfo') =~ /^processor\s*:/mg;
    ($m{memory_mib}) = $read->('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m;
    $m{memory_mib} = int(($m{memory_mib} || 0) / 1024);
    ($m{kernel}) = (POSIX::uname())[2];
    ($m{load}) = split ' ', $read->('/proc/loadavg');
    ($m{congestion}) =
        split ' ', $read->('/proc/sys/net/ipv4/tcp_congestion_control');
    $m{network} = $ENV{BENCH_NETWORK} // "the machine's own";

    return \%m;
}


sub progress {
    my ($text) = @_;

    print STDERR "\r\e[K$text" if -t STDERR;
}


# Starts a program in the background; its output goes to a file.

sub start {
    my ($name, $log, $env, @command) = @_;

    my $pid = fork // die "bench: fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $ENV{$_} = $env->{$_} for keys %$env;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        { exec $load, 'spawn', '--', @command }
        POSIX::_exit(127);
    }

    $running{$pid} = $name;

    return $pid;
}


# The process and all its descendants.

sub tree {
    my ($root) = @_;
    my (%children, @all);

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $file or next;
        my ($pid, $parent) = (<$f> // '') =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        push @{ $children{$parent} }, $pid;
    }

    my @queue = ($root);

    while (defined(my $pid = shift @queue)) {
        push @all, $pid;
        push @queue, @{ $children{$pid} // [] };
    }

    return @all;
}


sub end {
    my ($pid) = @_;

    return unless $running{$pid};

    my @all = tree($pid);

    kill 'TERM', $pid;

    for my $try (1 .. 100) {
        if (waitpid($pid, POSIX::WNOHANG) != 0) {
            delete $running{$pid};
            return;
        }

        sleep 0.1;
    }

    warn "bench: $running{$pid} does not end, killed\n";
    kill 'KILL', @all;
    waitpid $pid, 0;
    delete $running{$pid};
}


sub end_all {
    end($_) for keys %running;
}


sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "bench: no port: $!\n";

    return $s->sockport;
}


sub wait_for_port {
    my ($pid, $name, $port, $log) = @_;

    for my $try (1 .. 300) {
        return if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");

        if (waitpid($pid, POSIX::WNOHANG) != 0) {
            delete $running{$pid};
            last;
        }

        sleep 0.05;
    }

    open my $f, '<', $log or die "$name does not start\n";
    my @lines = <$f>;
    die join('', "$name does not start:\n", @lines[-5 .. -1]) if @lines >= 5;
    die "$name does not start:\n@lines\n";
}


# Runs the load generator and returns what it printed, or { failed => why }.

sub load {
    my ($command, %options) = @_;

    my @args = map {
        defined $options{$_} ? ("--$_", $options{$_} eq '' ? () : $options{$_})
                             : ()
    } grep { $_ ne 'args' } sort keys %options;

    my $pid = open(my $out, '-|') // die "bench: fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        open STDERR, '>&', \*STDOUT;
        { exec $load, $command, @args,
               $options{args} ? ('--', @{ $options{args} }) : () }
        POSIX::_exit(127);
    }

    local $SIG{ALRM} = sub { kill 'KILL', $pid };
    alarm $limit;

    my $text = eval {
        local $/;
        <$out>;
    };

    my $interrupted = $@;

    alarm 0;

    if ($interrupted) {
        kill 'KILL', $pid;
        close $out;
        die $interrupted;
    }

    close $out;

    if ($? != 0) {
        $text =~ s/\s+/ /g;
        return { failed => $text || "status $?" };
    }

    return $text =~ /^\{/ ? JSON::PP::decode_json($text) : {};
}


1;

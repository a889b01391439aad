package Test::Registry::Command;

# registryctl: calls of it, its answers, and a person at its terminal.
#
#   my $r = ctl({ stdin => "secret\n" }, qw(user add --stdin), $file, 'ann');
#   is($r->{rc}, 0);  $r->{out}, $r->{err}
#
# Environment: TEST_REGISTRYCTL, default build/registryctl.

use strict;
use warnings;

use Cwd ();
use Exporter qw(import);
use File::Basename ();
use File::Temp ();
use POSIX ();
use Test::More ();

use Test::Registry::Process;

our @EXPORT = qw(
    registryctl ctl ctl_begin ctl_end at_terminal is_exit work_dir put_file
    file_text mode_of beside
);

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../..');


sub registryctl {
    my $path = $ENV{TEST_REGISTRYCTL};
    $path = "$top/build/registryctl" if !defined $path || $path eq '';
    die "no $path: make registryctl\n" if !-x $path;
    return $path;
}


# Begins a call. Options before the arguments:
#
# stdin   text that it reads; default nothing
# uid     user and group to run as (needs root)
# cd      directory to run in
# wrap    a command before it, such as strace

sub ctl_begin {
    my $o = ref $_[0] ? shift : {};
    my @command = (@{ $o->{wrap} || [] }, registryctl(), @_);

    my %run = (dir => File::Temp->newdir('registry-ctl-XXXXXXXX',
        TMPDIR => 1));
    put_file("$run{dir}/in", $o->{stdin} // '');

    $run{pid} = fork;
    die "fork: $!\n" if !defined $run{pid};

    if (!$run{pid}) {
        POSIX::setsid();           # no terminal to ask on

        # LeakSanitizer cannot work beside strace
        $ENV{ASAN_OPTIONS} = 'detect_leaks=0'
            if grep { $_ eq 'strace' } @{ $o->{wrap} || [] };
        open STDIN, '<', "$run{dir}/in";
        open STDOUT, '>', $o->{stdout} // "$run{dir}/out";
        open STDERR, '>', "$run{dir}/err";
        chdir $o->{cd} or POSIX::_exit(126) if defined $o->{cd};
        if (defined $o->{uid}) {
            $) = "$o->{uid} $o->{uid}";
            POSIX::setgid($o->{uid});
            POSIX::setuid($o->{uid});
            POSIX::_exit(126) if $> != $o->{uid};
        }
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    return \%run;
}


# Waits for its end: { rc, out, err }; rc is "KILL" and the like after a
# signal.

sub ctl_end {
    my ($run) = @_;

    waitpid $run->{pid}, 0;
    my $rc = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;

    my %r = (rc => $rc, out => '', err => '');
    for (qw(out err)) {
        $r{$_} = file_text("$run->{dir}/$_") if -e "$run->{dir}/$_";
    }

    return \%r;
}


sub ctl {
    return ctl_end(ctl_begin(@_));
}


# The same with a person at a terminal of its own, who types each of the
# answers after a question, a text that ends in ": ". An answer that is code is
# called with the pid. { rc, screen, echo }, where echo is whether the terminal
# was left as it was found.

sub at_terminal {
    my ($answers, @args) = @_;

    # ptmx(4): unlock, ask for the number, open the other side
    open my $master, '+<', '/dev/ptmx' or die "/dev/ptmx: $!\n";
    my ($unlock, $number) = (pack('i', 0), pack('I', 0));
    ioctl $master, 0x40045431, $unlock or die "TIOCSPTLCK: $!\n";
    ioctl $master, 0x80045430, $number or die "TIOCGPTN: $!\n";
    my $slave = '/dev/pts/' . unpack 'I', $number;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        POSIX::setsid();
        # a session without a terminal gets the first one that it opens
        open my $tty, '+<', $slave or POSIX::_exit(126);
        close $master;
        open STDIN, '<&', $tty;
        open STDOUT, '>&', $tty;
        open STDERR, '>&', $tty;
        # who runs the tests in the background has them ignored
        @SIG{qw(INT QUIT)} = ('DEFAULT') x 2;
        exec { registryctl() } registryctl(), @args or POSIX::_exit(127);
    }

    my ($screen, $seen, @left) = ('', 0, @$answers);
    my $deadline = time + 30;

    for ( ;; ) {
        my $rin = '';
        vec($rin, fileno $master, 1) = 1;
        if (time >= $deadline || !select $rin, undef, undef, 30) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
            die "registryctl still waits after: $screen\n";
        }

        # EIO when the last one has closed the other side
        my $n = sysread $master, $screen, 4096, length $screen;
        last if !$n;

        if (@left && substr($screen, $seen) =~ /: \z/) {
            $seen = length $screen;
            my $answer = shift @left;
            ref $answer ? $answer->($pid) : syswrite $master, $answer;
        }
    }

    waitpid $pid, 0;
    $screen =~ s/\r\n/\n/g;
    my $rc = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;

    my $state = POSIX::Termios->new;
    $state->getattr(fileno $master);
    return { rc => $rc, screen => $screen,
        echo => $state->getlflag & POSIX::ECHO() ? 1 : 0 };
}


# Checks how a call ended, and shows what it said when not as expected.

sub is_exit {
    my ($r, $rc, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::is($r->{rc}, $rc, $name)
        or Test::More::diag($r->{err} // $r->{screen});
}


# A directory for one test, which other users may look into.

sub work_dir {
    my $dir = File::Temp->newdir('registry-ctl-XXXXXXXX', TMPDIR => 1);
    chmod 0755, "$dir";
    return $dir;
}


sub put_file {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
}


sub file_text {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return undef;
    local $/;
    return scalar(<$fh>) // '';
}


sub mode_of { return sprintf '%04o', (stat $_[0])[2] & 07777 }


# What stands in a directory besides the names given.

sub beside {
    my ($dir, @names) = @_;

    my %known = map { $_ => 1 } @names, '.', '..';
    opendir my $dh, $dir or die "$dir: $!\n";
    return join ' ', sort grep { !$known{$_} } readdir $dh;
}


1;

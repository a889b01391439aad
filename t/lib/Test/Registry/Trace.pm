package Test::Registry::Trace;

# strace on a running worker, and its output as data.

use strict;
use warnings;

use File::Temp ();
use Time::HiRes qw(time sleep);

use Test::Registry::Process;


# True when strace is here and may attach; otherwise false, and why() says.

my ($probed, $why);

sub available {
    return $why eq '' if $probed++;

    $why = '';
    my ($rc, $out) = run_command(10, 'strace', '-V');
    if ($rc != 0) {
        $why = 'strace is not installed';
        return 0;
    }

    my $pid = fork;
    if (!$pid) {
        sleep 20;
        POSIX::_exit(0);
    }

    my $trace = eval { __PACKAGE__->attach($pid) };
    $why = "strace cannot attach: $@" if !$trace;
    $trace->stop if $trace;
    kill 'KILL', $pid;
    waitpid $pid, 0;

    return $why eq '';
}


sub why { return $why }


# Attaches to a process with all its threads.
#
# calls   names of system calls to record; default all
# inject  list of strace inject expressions
# paths   of files: other calls are left alone; default any
# follow  false: the given thread alone

sub attach {
    my ($class, $pid, %o) = @_;

    my $dir = File::Temp::tempdir('registry-trace-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    my @command = ('strace', '-f', '-yy', '-ttt', '-s', '32',
        '-o', "$dir/trace", '-p', $pid);
    push @command, '-e', 'trace=' . join ',', @{ $o{calls} } if $o{calls};
    push @command, '-e', "inject=$_" for @{ $o{inject} || [] };
    push @command, '-P', $_ for @{ $o{paths} || [] };

    my $child = fork;
    die "fork: $!\n" if !defined $child;

    if (!$child) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/messages";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    my $self = bless {
        dir => $dir, pid => $child, target => $pid, owner => $$
    }, $class;

    my $ok = wait_for(10, sub {
        return -1 if !alive($child);
        return $self->_messages =~ /attached/;
    });

    if (!$ok || $ok < 0) {
        my $text = $self->_messages;
        $self->_end;
        die $text || "no answer\n";
    }

    return $self;
}


sub _messages {
    my ($self) = @_;

    open my $fh, '<', "$self->{dir}/messages" or return '';
    local $/;
    return scalar(<$fh>) // '';
}


sub _end {
    my ($self) = @_;

    return if !$self->{pid};
    kill 'INT', $self->{pid};
    if (!defined reap($self->{pid}, 10)) {
        kill 'KILL', $self->{pid};
        reap($self->{pid}, 5);
    }
    $self->{pid} = 0;
}


# Ends the trace and hands back its calls in the order in which they began:
# {tid, name, args, ret, begin, end, text}. end is undef for a call that had
# not come back.

sub stop {
    my ($self) = @_;

    $self->_end;

    open my $fh, '<:raw', "$self->{dir}/trace" or return ();

    my (@calls, %open);
    while (my $line = <$fh>) {
        chomp $line;
        $line =~ /\A(\d+)\s+(\d+\.\d+) (.*)\z/ or next;
        my ($tid, $at, $rest) = ($1, $2, $3);

        if ($rest =~ /\A<\.\.\. (\w+) resumed>(.*)\z/) {
            my $call = delete $open{$tid} or next;
            $call->{text} .= $2;
            $call->{end} = $at;
            _split($call);
            next;
        }

        next if $rest !~ /\A(\w+)\(/;
        my $call = { tid => $tid, name => $1, begin => $at, end => $at,
            text => $rest };
        push @calls, $call;

        if ($call->{text} =~ s/ ?<unfinished \.\.\.>\z//) {
            $call->{end} = undef;
            $open{$tid} = $call;
        }

        _split($call);
    }

    return @calls;
}


sub _split {
    my ($call) = @_;

    my ($args, $ret) = $call->{text} =~ /\A\w+\((.*)\)\s+= (.*)\z/s;
    $call->{args} = defined $args ? $args : $call->{text};
    $call->{ret} = $ret;
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    $self->_end if $self->{owner} == $$;
}


1;

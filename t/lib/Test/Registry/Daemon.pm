package Test::Registry::Daemon;

# nginx as it runs in earnest: a daemon, known by its pid file, and no child
# of ours. Only such a one can be upgraded to another binary.

use strict;
use warnings;

use parent 'Test::Registry::Nginx';

use Time::HiRes qw(time sleep);

use Test::Registry::Process;


sub conf {
    my ($self) = @_;

    my $conf = $self->SUPER::conf;
    $conf =~ s/^daemon off;$/daemon on;/m or die "no daemon line\n";
    return $conf;
}


sub _spawn {
    my ($self) = @_;

    my ($rc, $text) = run_command(30, $self->_command);

    if ($rc != 0) {
        $self->{pid} = 0;
        die "nginx did not start\n$text";
    }

    wait_for(10, sub { $self->{pid} = $self->master_of('nginx.pid') })
        or die "nginx wrote no pid\n";
}


# The living process of a pid file, or 0.

sub master_of {
    my ($self, $name) = @_;

    open my $fh, '<', "$self->{dir}/$name" or return 0;
    my ($pid) = (scalar(<$fh>) // '') =~ /\A(\d+)\n/ or return 0;

    return alive($pid) ? $pid : 0;
}


# USR2: the new master, which shares the old one's sockets; returns when its
# workers serve, too. The old one goes on, and is still pid() for now.

sub upgrade {
    my ($self) = @_;

    my $old = $self->{pid};
    my $new;

    kill 'USR2', $old;
    wait_for(20, sub {
        $new = $self->master_of('nginx.pid');
        return $new && $new != $old
            && $self->workers_of($new) == $self->{workers};
    }) or die "no new master\n"
        . Test::Registry::Log::tail($self->log_text, 20);

    return $new;
}


# Workers in service of any master.

sub workers_of {
    my ($self, $master) = @_;

    local $self->{pid} = $master;
    return $self->workers;
}


# Goes on with one of the two masters, once the other one has ended.

sub take {
    my ($self, $master) = @_;

    my $other = $self->{pid};
    wait_for(30, sub { !alive($other) }) or die "$other does not end\n"
        if $other != $master;

    $self->{pid} = $master;
    wait_for(10, sub { $self->master_of('nginx.pid') == $master })
        or die "the pid file is not that of $master\n";
    $self->_expect_workers;
}


sub stop {
    my ($self, %o) = @_;

    my $pid = $self->{pid} or return 1;
    my @all = ($pid, children($pid));

    kill $o{signal} || 'QUIT', $pid;
    my $gone = wait_for($o{timeout} || 15, sub { !alive($pid) });

    kill 'KILL', grep { alive($_) } @all if !$gone;
    $self->{pid} = 0;
    $self->{stop_text} = $gone ? 'nginx has ended'
        : 'nginx had to be killed';
    return $gone;
}


sub _abandon {
    my ($self) = @_;

    $self->stop(signal => 'TERM', timeout => 5) if $self->{pid};
    $self->SUPER::_abandon;
}


1;

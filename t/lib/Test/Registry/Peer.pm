package Test::Registry::Peer;

# The distribution registry ("registry", "docker-registry") on a root of its
# own or on one of ours, for tests of interchange.

use strict;
use warnings;

use parent 'Test::Registry::Server';

use File::Temp ();
use Scalar::Util ();

use Test::Registry::Process;

my %live;


# Path of a distribution binary, or undef: TEST_PEER_REGISTRY names one.

sub binary {
    return $ENV{TEST_PEER_REGISTRY} if $ENV{TEST_PEER_REGISTRY};

    for my $name (qw(docker-registry registry)) {
        for (split(/:/, $ENV{PATH} || ''), ($ENV{HOME} || '/root') . '/go/bin') {
            return "$_/$name" if -x "$_/$name" && !-d _;
        }
    }
    return undef;
}


# root    the registry root; default a temporary one
# binary  default binary()
# more    further text of its configuration

sub new {
    my ($class, %o) = @_;

    my $dir = File::Temp::tempdir('registry-peer-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    my $self = bless {
        binary => binary(), root => "$dir/data", %o, dir => $dir,
        owner => $$, pid => 0
    }, $class;

    mkdir $self->{root} if !-d $self->{root};

    $live{$self} = $self;
    Scalar::Util::weaken($live{$self});

    return $self;
}


sub port { $_[0]{port} }
sub root { $_[0]{root} }


sub _config {
    my ($self) = @_;

    my $path = "$self->{dir}/config.yml";
    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} <<"EOF";
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: $self->{root}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:$self->{port}
  secret: not-a-secret
EOF
    print {$fh} $self->{more} // '';
    close $fh;
    return $path;
}


sub run {
    my ($self) = @_;

    die "no distribution binary found\n" if !$self->{binary};

    $self->{port} = free_port();
    my $config = $self->_config;
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>>', "$self->{dir}/log";
        $ENV{OTEL_TRACES_EXPORTER} = 'none';
        exec { $self->{binary} } $self->{binary}, 'serve', $config
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    my $up = wait_for(20, sub {
        return -1 if !alive($pid);
        return $self->get('/v2/', timeout => 2)->status == 200;
    });
    die "$self->{binary} did not start:\n" . $self->log_text
        if !$up || $up < 0;

    return $self;
}


# Runs the peer's own collector on the stopped root: (exit code, output).

sub garbage_collect {
    my ($self, @options) = @_;

    $self->{port} ||= free_port();
    return Test::Registry::Process::run_command(60, $self->{binary},
        'garbage-collect', @options, $self->_config);
}


sub log_text {
    my ($self) = @_;

    open my $fh, '<', "$self->{dir}/log" or return '';
    local $/;
    return scalar(<$fh>) // '';
}


sub stop {
    my ($self) = @_;

    my $pid = $self->{pid} or return 1;
    kill 'TERM', $pid;
    my $status = reap($pid, 10);
    if (!defined $status) {
        kill 'KILL', $pid;
        reap($pid, 5);
    }
    $self->{pid} = 0;
    return 1;
}


# The end of a test file that was pointed at the peer.

sub finish {
    my ($self) = @_;

    $self->stop;
}


END {
    local $?;

    $_->stop for grep { defined && $_->{owner} == $$ } values %live;
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    delete $live{$self};
    $self->stop if $self->{owner} == $$;
}


1;

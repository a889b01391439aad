package Test::Registry::Cutter;

# Cuts the power of a Test::Registry::Disk from inside the server, before one
# of its system calls; or lets it run on a disk that syncs nothing. See
# t/lib/cutter.c, which this compiles.
#
#   my $cutter = Test::Registry::Cutter->new($disk);
#   $cutter->start($t);
#   $cutter->arm(3);                         # before the third from now on
#   ...
#   my $calls = $cutter->disarm;             # how many there were

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use Fcntl qw(SEEK_SET);

use Test::Registry::Process;

my $source = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../..')
    . '/cutter.c';

use constant FIELDS => 5;


sub new {
    my ($class, $disk) = @_;

    my $self = bless {
        disk => $disk, page => $disk->dir . '/page',
        library => $disk->dir . '/cutter.so'
    }, $class;

    my ($rc, $out) = run_command(60, $ENV{CC} || 'cc', qw(-shared -fPIC -O1),
        '-o', $self->{library}, $source, '-ldl');
    die "cutter.c: $out\n" if $rc != 0;

    open $self->{fh}, '+>:raw', $self->{page} or die "$self->{page}: $!\n";
    $self->_write(0, (0) x FIELDS);

    return $self;
}


sub _write {
    my ($self, $at, @values) = @_;

    sysseek $self->{fh}, 8 * $at, SEEK_SET or die "seek: $!\n";
    defined syswrite $self->{fh}, pack 'Q*', @values or die "write: $!\n";
}


sub start {
    my ($self, $t) = @_;

    local $ENV{LD_PRELOAD} = $self->{library};
    local $ENV{REGISTRY_CUTTER} = $self->{page};
    local $ENV{REGISTRY_CUTTER_DISK} = $self->{disk}->at;

    $self->_write(0, 0, 0, 0);
    $self->_write(4, (stat $self->{disk}->at)[0]);

    $t->run;
}


sub arm {
    my ($self, $n) = @_;

    $self->_write(1, $n, 0);
    $self->_write(0, 1);
}


sub disarm {
    my ($self) = @_;

    $self->_write(0, 0);
    sysseek $self->{fh}, 16, SEEK_SET or die "seek: $!\n";
    sysread $self->{fh}, my $seen, 8 or die "read: $!\n";

    return unpack 'Q', $seen;
}


# From now on nothing is synced, or again.

sub unsynced {
    my ($self, $on) = @_;

    $self->_write(3, $on ? 1 : 0);
}


sub DESTROY {
    my ($self) = @_;

    unlink $self->{page}, $self->{library};
}


1;

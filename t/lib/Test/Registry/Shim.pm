package Test::Registry::Shim;

# t/shim, built and preloaded: calls of a process that fail, or kill
# it, when their turn comes.
#
#   my $shim = Test::Registry::Shim->new;
#   my $t = Test::Registry->new(env => $shim->env)->run;
#
#   $shim->arm(pid => ($t->workers)[0], dir => $t->root,
#       calls => [qw(name write sync)], action => 'ENOSPC', at => 3);
#   ... one operation ...
#   if ($shim->disarm) {          the third of these calls was reached
#       diag $shim->last;         and was this one
#   }

use strict;
use warnings;

use Carp ();
use Cwd ();
use Errno ();
use Fcntl qw(O_RDWR O_CREAT O_EXCL);
use File::Basename ();
use File::Temp ();

use Test::Registry::Process;

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../..');

# As in fault.h.

my %CLASS = (
    open => 0x0001, modify => 0x0002, name => 0x0004, remove => 0x0008,
    write => 0x0010, change => 0x0020, sync => 0x0040, read => 0x0080,
    list => 0x0100, send => 0x0200, stat => 0x0400, lock => 0x0800,
    socket => 0x1000, memory => 0x2000
);

my %ACTION = (count => 0, kill => -1, short => -2, delay => -3, lose => -4);

my @FIELDS = qw(armed pid classes action at times delay watched seen hits
    blocks);
my %AT = map { $FIELDS[$_] => 8 * $_ } 0 .. $#FIELDS;

use constant { DIR => 1024, LAST => 256 };
my $strings = 8 * @FIELDS;
my $size = $strings + DIR + LAST;


sub new {
    my ($class) = @_;

    my $build = $ENV{BUILD} || "$top/build";
    my ($rc, $out) = run_command(120, 'make', '-s', '-C', $top,
        "BUILD=$build", 'shim');
    die "the shim could not be built:\n$out" if $rc != 0;

    my $dir = File::Temp::tempdir('registry-shim-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    chmod 0755, $dir;

    sysopen my $page, "$dir/page", O_RDWR | O_CREAT | O_EXCL
        or die "$dir/page: $!\n";
    chmod 0666, "$dir/page";

    my $self = bless {
        library => Cwd::abs_path("$build/shim/fault.so"),
        file => "$dir/page", page => $page
    }, $class;

    $self->_put(0, "\0" x $size);

    return $self;
}


# What the environment of a process has to hold for it.

sub env {
    my ($self) = @_;

    return { LD_PRELOAD => $self->{library}, FAULT_PAGE => $self->{file} };
}


# Breaks calls from now on.
#
# calls   classes of calls; default all of files and sockets
# action  a name of an errno, count, kill, short, delay or lose
# at      which of the calls is the first to be broken; default 1
# times   how many are; default 1, 0 for all from there on, -1 for every
#         at-th one
# delay   microseconds
# pid     whose calls; default those of all who share the shim
# dir     calls about files elsewhere do not count; default none does

sub arm {
    my ($self, %o) = @_;

    my $classes = 0;
    for my $name (@{ $o{calls} || [grep { $_ ne 'memory' } keys %CLASS] }) {
        $classes |= $CLASS{$name} || Carp::croak("no class $name");
    }

    my $action = $ACTION{ $o{action} };
    if (!defined $action) {
        no strict 'refs';
        $action = eval { &{"Errno::$o{action}"}() }
            or Carp::croak("no action $o{action}");
    }

    my %new = (
        pid => $o{pid} || 0, classes => $classes, action => $action,
        at => $o{at} || 1, times => $o{times} // 1, delay => $o{delay} || 0,
        seen => 0, hits => 0
    );

    $self->_put($AT{armed}, pack 'q<', 0);
    $self->_put($strings, pack 'Z' . DIR . ' Z' . LAST, $o{dir} // '', '');
    $self->_put($AT{$_}, pack 'q<', $new{$_}) for keys %new;
    $self->_put($AT{armed}, pack 'q<', 1);
}


# Ends that. Returns how many calls were broken.

sub disarm {
    my ($self) = @_;

    $self->_put($AT{armed}, pack 'q<', 0);
    return $self->hits;
}


# Ends a delay that somebody is in.

sub go_on { $_[0]->_put($AT{delay}, pack 'q<', 0) }


sub hits { return $_[0]->_field('hits') }


# How many calls matched, broken or not.

sub seen { return $_[0]->_field('seen') }


# The first call that was broken, with what it was about.

sub last {
    my ($self) = @_;

    return unpack 'Z*', $self->_get($strings + DIR, LAST);
}


# Counts the blocks of memory that a process allocates, less those it frees.

sub watch {
    my ($self, $pid) = @_;

    $self->_put($AT{watched}, pack 'q<', 0);
    $self->_put($AT{blocks}, pack 'q<', 0);
    $self->_put($AT{watched}, pack 'q<', $pid);
}


sub blocks { return $_[0]->_field('blocks') }


sub _field {
    my ($self, $name) = @_;

    return unpack 'q<', $self->_get($AT{$name}, 8);
}


sub _get {
    my ($self, $at, $len) = @_;

    sysseek $self->{page}, $at, 0 or die "$self->{file}: $!\n";
    my $n = sysread $self->{page}, (my $bytes), $len;
    die "$self->{file} is too short\n" if !defined $n || $n != $len;
    return $bytes;
}


sub _put {
    my ($self, $at, $bytes) = @_;

    sysseek $self->{page}, $at, 0 or die "$self->{file}: $!\n";
    my $n = syswrite $self->{page}, $bytes;
    die "$self->{file}: $!\n" if !defined $n || $n != length $bytes;
}


1;

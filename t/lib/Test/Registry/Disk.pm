package Test::Registry::Disk;

# Disks of a test's own: a file system in an image file, mounted through a
# loop device, whose power can be cut.
#
#   alone(100);                              # first of all, before any server
#
#   my $disk = Test::Registry::Disk->new(fs => 'ext4');
#   my $t = Test::Registry->new(root => $disk->root)->run;
#   ...
#   $disk->cut;                              # and the storm goes on
#   $disk->power_up($t);                     # killed, mounted again, started
#
# The images stand in a tmpfs: what a test waits for is the file system, not
# the disk of the machine that it runs on. Everything is mounted in a namespace
# of the test's own, so that nothing stays behind, however it ends.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp ();
use Time::HiRes qw(sleep);

use Test::Registry ();
use Test::Registry::Process;

our @EXPORT = qw(alone);

# _IOR('X', 125, __u32), and the flag that discards the log

use constant FS_IOC_SHUTDOWN => 0x8004587d;
use constant NO_LOG_FLUSH => 2;

my %mkfs = (
    ext4 => ['mkfs.ext4', '-q', '-F'],
    xfs => ['mkfs.xfs', '-q', '-f'],
);

# mkfs.xfs refuses what is smaller than 300 MB

my %size = (ext4 => 96, xfs => 320);


# Starts the test once more, in a mount namespace of its own. Without the
# right to one the test, of that many assertions, is not run.

sub alone {
    my ($count) = @_;

    Test::Registry::need_root($count);

    my $mark = 'TEST_REGISTRY_ALONE';
    return if ($ENV{$mark} // '') eq $$;

    my ($rc, $out) = run_command(10, 'unshare', '-m', '--propagation',
        'private', 'true');
    Test::Registry::skip_suite("no mount namespace: $out", $count) if $rc;

    $ENV{$mark} = $$;
    exec 'unshare', '-m', '--propagation', 'private', $^X, $0, @ARGV
        or die "unshare: $!\n";
}


# fs      ext4 (default) or xfs
# size    of the image in MB
# room    of the tmpfs that the image stands in, in MB; default: enough
# mount   further options of the mount

sub new {
    my ($class, %o) = @_;

    my $fs = $o{fs} || 'ext4';
    my $size = $o{size} || $size{$fs};
    my $dir = File::Temp::tempdir('registry-disk-XXXXXXXX', TMPDIR => 1);

    my $self = bless {
        fs => $fs, size => $size, room => $o{room} || $size + 8,
        options => $o{mount}, dir => $dir, owner => $$,
        image => "$dir/room/image", at => "$dir/disk"
    }, $class;

    chmod 0755, $dir;
    mkdir "$dir/room";
    mkdir $self->{at};

    _run('mount', '-t', 'tmpfs', '-o', "size=$self->{room}m", 'tmpfs',
        "$dir/room");
    $self->format;

    return $self;
}


sub fs { $_[0]{fs} }
sub dir { $_[0]{dir} }
sub at { $_[0]{at} }
sub image { $_[0]{image} }
sub root { "$_[0]{at}/data" }


sub _run {
    my (@command) = @_;

    my ($rc, $out) = run_command(60, @command);
    die "@command: $out\n" if $rc != 0;
    return $out;
}


# A new, empty file system, mounted.

sub format {
    my ($self) = @_;

    $self->unmount if $self->{mounted};
    unlink $self->{image};

    open my $fh, '>', $self->{image} or die "$self->{image}: $!\n";
    truncate $fh, $self->{size} << 20 or die "$self->{image}: $!\n";
    close $fh;

    _run(@{ $mkfs{ $self->{fs} } }, $self->{image});
    $self->mount;
    mkdir $self->root or die $self->root . ": $!\n";

    # as an operator made it, long ago

    open my $root, '<', $self->{at} or die "$self->{at}: $!\n";
    $self->_sync;
}


sub _sync {
    my ($self) = @_;

    _run('sync', '-f', $self->{at});
}


sub mount {
    my ($self, %o) = @_;

    my $options = join ',', 'loop', $self->{options} || (), $o{options} || ();

    _run('mount', '-t', $self->{fs}, '-o', $options, $self->{image},
        $self->{at});
    $self->{mounted} = 1;
}


# Fails when something keeps it busy for ten seconds.

sub unmount {
    my ($self) = @_;

    my ($rc, $out);
    for (1 .. 100) {
        ($rc, $out) = run_command(60, 'umount', $self->{at});
        last if $rc == 0;
        sleep 0.1;
    }

    die "umount: $out\n" if $rc != 0;
    $self->{mounted} = 0;
}


# Cuts the power: nothing reaches the disk from here on, and what had not
# reached it is lost.

sub cut {
    my ($self) = @_;

    open my $fh, '<', $self->{at} or die "$self->{at}: $!\n";
    my $flags = pack 'L', NO_LOG_FLUSH;
    ioctl $fh, FS_IOC_SHUTDOWN, $flags or die "FS_IOC_SHUTDOWN: $!\n";
    close $fh;
}


# The machine comes up again: the server died with it, the file system is
# mounted from what the disk holds, the server started, by code where given.

sub power_up {
    my ($self, $t, $start) = @_;

    $t->kill_all if $t->pid;
    $self->unmount;
    $self->mount;
    $start ? $start->() : $t->run;
}


# The blocks that a file has on the disk: [offset in the file, offset in the
# image, length] in bytes.

sub extents {
    my ($self, $file) = @_;

    my @extents;
    for (split /\n/, _run('filefrag', '-b1', '-v', $file)) {
        push @extents, [$1, $2, $3]
            if /\A\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+):/;
    }

    return @extents;
}


# Forgets what the kernel has of a file in memory.

sub forget {
    my ($self, $file) = @_;

    _run('dd', "of=$file", 'oflag=nocache', 'conv=notrunc,fdatasync',
        'count=0', 'status=none');
}


sub remove {
    my ($self) = @_;

    return if $self->{removed}++;

    run_command(60, 'umount', $self->{at}) if $self->{mounted};
    run_command(60, 'umount', "$self->{dir}/room");
    rmdir $self->{at};
    rmdir "$self->{dir}/room";
    rmdir $self->{dir};
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    $self->remove if $self->{owner} == $$;
}


1;

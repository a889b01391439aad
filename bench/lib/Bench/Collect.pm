package Bench::Collect;

# The collection of garbage: offline beside distribution's, online beside
# clients, and what it remembers.

use strict;
use warnings;

use File::Find ();

use Bench::Machine;
use Bench::Servers;

my $made = 0;

# seconds that a collection may take, offline or under load
my $patience = 900;


sub table {
    my ($quick) = @_;

    my %size = $quick ? (count => 2_000, wide => 100_000, seconds => 3)
                      : (count => 20_000, wide => 1_000_000, seconds => 20);
    my $blobs = 3 * $size{count};
    my @store = (args => { seed => 'seed', count => $size{count} });

    return {
        name => 'gc-offline', kind => 'gc', targets => [qw(ours d3 d2)],
        title => "collection of $size{count} images, $blobs small blobs, a "
                 . 'quarter of them garbage; nobody served',
        run => \&offline, once => 1, loads => [['gc-offline', '']], @store,
    }, {
        name => 'gc-marks', kind => 'gc', targets => ['ours'],
        title => "one repository with $size{wide} blobs, none of them garbage",
        run => \&marks, once => 1, loads => [['gc-marks', '']],
        args => { repo => 'wide', count => $size{wide} },
    }, {
        name => 'gc-online', kind => 'beside', targets => ['ours'],
        title => 'HEAD and PUT of manifests, 2 connections each, beside a '
                 . 'collection of such a store',
        run => \&online, once => 1, seconds => $size{seconds},
        loads => [['gc-quiet', 'nothing is collected'],
                  ['gc-during', 'with registry_gc on'],
                  ['gc-unlimited', 'with rate=0 iops=0']],
        @store,
    };
}


sub store {
    my ($dir, $command, %args) = @_;

    local $Bench::Machine::limit = $patience;

    my $root = "$dir/gc" . $made++;
    my $r = Bench::Machine::load($command, %args, root => $root);

    die "making a store: $r->{failed}\n" if $r->{failed};

    Bench::Machine::command('sync', '-f', $root);

    return ($root, $r);
}


# What it says goes to a file, the end of which tells why it failed.

sub meter {
    my ($dir, @command) = @_;

    local $Bench::Machine::limit = $patience;

    my $r = Bench::Machine::load('exec', size => 0, args => [
        'sh', '-c', 'exec "$@" 2> "$0"', "$dir/gc.log", @command]);

    if ($r->{failed} && open my $log, '<', "$dir/gc.log") {
        my @lines = <$log>;

        $r->{failed} = $lines[-1] =~ s/\s+$//r if @lines;
    }

    return $r;
}


# Afterwards exactly what is named must be there.

sub offline {
    my ($w, $dir, $target, $info) = @_;

    my ($root, $seeded) = store($dir, 'seed-garbage', %{ $w->{args} });
    my @command = (registryctl(), 'gc', $root);

    if ($target ne 'ours') {
        Bench::Servers::write_file("$dir/$target.gc.yml",
            Bench::Servers::distribution_conf(0, root => $root));
        @command = ($info->{path}, 'garbage-collect', "$dir/$target.gc.yml");
    }

    my $r = meter($dir, @command);

    return { row => 'gc-offline', %$r } if $r->{failed};

    my $left = 0;

    File::Find::find({ no_chdir => 1, wanted => sub {
        $left++ if m{/data$};
    } }, "$root/docker/registry/v2/blobs");

    $r->{gone} = $seeded->{blobs} - $left;

    return { row => 'gc-offline', failed => "$left blobs left" }
        if $r->{gone} != $seeded->{garbage};

    return { row => 'gc-offline', %$r };
}


# In memory where the machine has such a directory: a million directories.

sub marks {
    my ($w, $dir) = @_;

    my $parent = -d '/dev/shm' && -w _ ? "/dev/shm/bench.$$" : $dir;
    my $r;

    eval {
        my ($root) = store($parent, 'seed-wide', %{ $w->{args} });

        $r = meter($dir, registryctl(), 'gc', $root);
        $r->{gone} = 0;
    };

    my $died = $@;

    Bench::Machine::remove_dir($parent) if $parent ne $dir;
    die $died if $died;

    return { row => 'gc-marks', %$r };
}


# Each on a store of its own.  nginx begins the first collection at its start.
# Quiet is what the same time was without it: a shorter one would see less of
# what the kernel writes behind, and of repositories that grow.

sub online {
    my ($w, $dir, $target, $info) = @_;

    my @during = (
        beside($w, $dir, $target, $info, 'gc-during', 'registry_gc on;'),
        beside($w, $dir, $target, $info, 'gc-unlimited',
               'registry_gc on rate=0 iops=0;'),
    );

    local $w->{seconds} = $during[0]{gc_s} // $w->{seconds};

    return (beside($w, $dir, $target, $info, 'gc-quiet', ''), @during);
}


sub beside {
    my ($w, $dir, $target, $info, $row, $directive) = @_;

    local $Bench::Machine::limit = $patience + 60;

    my ($root) = store($dir, 'seed-garbage', %{ $w->{args} });
    my $server = Bench::Servers::start($target, $info, workers => 'auto',
                                       root => $root, certs => $dir,
                                       dir => $dir, directive => $directive,
                                       level => 'notice');

    my $r = Bench::Machine::load('beside', %{ $w->{args} }, images => 100,
        connections => 2, url => $server->{url}, pid => $server->{pid},
        $directive eq '' ? (duration => $w->{seconds})
                         : (duration => $patience, until => $server->{log}));

    if ($directive ne '' && !$r->{failed}) {
        open my $log, '<', $server->{log} or die "$server->{log}: $!\n";

        my ($line) = grep { /collected garbage of / } <$log>;

        ($r->{gone}) = $line =~ /: (\d+) of \d+ blobs/;
        ($r->{gc_s}) = map { $_ / 1000 } $line =~ /; (\d+) ms/;
    }

    my $complaint = Bench::Servers::stop($server);

    $r->{log} = $complaint if defined $complaint;

    return { row => $row, %$r };
}


sub registryctl {
    my $path = "$Bench::Machine::built/registryctl";

    return -x $path ? $path : Bench::Machine::program('registryctl')
        // die "bench: no registryctl: run make first\n";
}


1;

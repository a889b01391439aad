package Test::Clients::Daemon;

# containerd and dockerd as the suites of their clients need them: with their
# folders and socket below a folder of the suite, so that they know nothing of
# those that this machine may run.
#
#   my @ctr = start_containerd($tests, $dir, $containerd, $ctr);
#   run_ok('listed', @ctr, 'images', 'ls');
#
# Each returns how its client is called. Where one does not come up, all of
# the suite's tests are skipped.

use strict;
use warnings;

use Exporter qw( import );
use Test::More ();
use Test::Clients;

our @EXPORT = qw( start_containerd start_dockerd );

# the one folder for which dockerd has no option

my $opt = '/opt/containerd';
my $had_opt = 1;

END { rmdir for $had_opt ? () : ("$opt/bin", "$opt/lib", $opt) }


sub start_containerd {
    my ($tests, $dir, $containerd, $ctr) = @_;

    my $log = "$dir/containerd.log";
    my @client = ($ctr, '--address', "$dir/sock", '--namespace', 'test');
    my $config = spew("$dir/config.toml", <<"END");
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
  address = "$dir/sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "$dir/opt"
END

    background({ log => $log }, $containerd, '--config', $config);

    _comes_up($tests, $log, 'containerd', @client);

    return @client;
}


# More options of the daemon may follow.

sub start_dockerd {
    my ($tests, $dir, $dockerd, $docker, @more) = @_;

    my $log = "$dir/dockerd.log";
    my @client = ($docker, '-H', "unix://$dir/sock");

    $had_opt = -e $opt;

    background({ log => $log }, $dockerd,
        '--config-file', spew("$dir/daemon.json", '{}'),
        '--data-root', "$dir/data", '--exec-root', "$dir/exec",
        '--pidfile', "$dir/pid", '-H', "unix://$dir/sock",
        '--iptables=false', '--ip6tables=false', '--bridge=none', @more);

    _comes_up($tests, $log, 'dockerd', @client);

    return @client;
}


sub _comes_up {
    my ($tests, $log, $what, @client) = @_;

    return if wait_for(30, sub { run(@client, 'version')->{rc} == 0 });

    Test::More::diag(slurp($log));
    skip_suite("$what does not run here", $tests);
}


1;

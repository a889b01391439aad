#!/usr/bin/perl

# Tests of this folder under conf.examples/systemd/sandbox.conf: a systemd of
# its own, in namespaces of its own, runs them in a unit with every line of
# that file.  A system call, a capability or a path that the registry needs
# and the sandbox forbids shows as their failure.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd ();
use File::Basename qw(basename);
use File::Path ();
use File::Temp ();
use Test::More;

use Test::Registry;
use Test::Registry::Torture;


my @short = qw(base upload upload_resume blob mount manifest tags delete
               referrers access_htpasswd config);

# What needs more than a service may have: debuggers, mounts, other systemds.
my $not_here = qr/^(?:client_|fault_|conformance|interchange|durable
                    |eventloop|store_faults|robustness|registryctl_)/x;

my $top = Cwd::abs_path("$FindBin::Bin/..");
my $systemd = '/lib/systemd/systemd';
my $unit = "$top/conf.examples/systemd/sandbox.conf";

need_root(4);
skip_suite("$systemd is not installed", 4) if !-x $systemd;

my @lines = sandbox();
cmp_ok(scalar grep(/^(?:Protect|Restrict|SystemCall|Capab|NoNew)/, @lines),
    '>', 15, 'the sandbox is one');

my $dir = File::Temp::tempdir('registry-sandbox-XXXXXXXX', TMPDIR => 1,
    CLEANUP => 1);
chmod 0755, $dir;

my @files = torture(1, 0) == 1 ? map { "t/$_.t" } @short
          : grep { basename($_) !~ $not_here } glob("$top/t/*.t");

probe();
suite();

done_testing();


# The lines of [Service], without how the service is stopped.

sub sandbox {
    open my $in, '<', $unit or die "$unit: $!\n";
    chomp(my @all = <$in>);

    return grep { /^\w+=/ && !/^(?:ExecStop|TimeoutStopSec|KillMode)=/ } @all;
}


# Runs a command as the one service of a systemd; its exit status and output.

sub inside {
    my ($seconds, @command) = @_;

    my $out = "$dir/output";
    my $status = "$dir/status";
    unlink $out, $status;

    # the folders of the test itself; none of them is the system's
    my @more = (
        'Type=oneshot', "WorkingDirectory=$top",
        'PrivateTmp=no', 'ReadWritePaths=/tmp',
        "ReadWritePaths=$top/build", 'ReadWritePaths=-/var/lib/registry',
        "StandardOutput=append:$out", "StandardError=append:$out",
        'Environment=' . join(' ', map { "\"$_=$ENV{$_}\"" }
            grep { defined $ENV{$_} && $ENV{$_} !~ /["%]/ }
            qw(PATH CI TEST_NGINX_BINARY TEST_NGINX_MODULE
               TEST_REGISTRYCTL)),
        'ExecStart=' . join(' ', @command),
        "ExecStopPost=+/bin/sh -c 'echo \$EXIT_STATUS >$status'",
    );

    my $service = join "\n", '[Unit]', 'DefaultDependencies=no',
        'SuccessAction=exit-force', 'FailureAction=exit-force', '[Service]',
        @lines, @more, '';
    write_file("$dir/suite.service", $service);

    # a manager that sees no unit of this machine but that one, and no
    # generator
    write_file("$dir/boot", <<"END");
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/units
cp $dir/suite.service /run/units/
export SYSTEMD_UNIT_PATH=/run/units container=other
export SYSTEMD_GENERATOR_PATH=/run/none
exec $systemd --system --unit=suite.service --log-target=console \\
    --show-status=0
END

    my ($rc, $text) = run_command($seconds, 'unshare', '--mount', '--pid',
        '--fork', '--ipc', '--uts', '--cgroup', '--mount-proc',
        '--kill-child', 'sh', "$dir/boot");

    clean_cgroups();

    my $result = -s $status ? read_file($status) : "no status: $rc\n$text";
    chomp $result;

    return ($result, -e $out ? read_file($out) : '');
}


# What the manager leaves in the hierarchy of its name.

sub clean_cgroups {
    for my $name (qw(system.slice init.scope)) {
        my $group = "/sys/fs/cgroup/systemd/$name";
        next if !-d $group;
        rmdir $_ for reverse sort glob("$group/*/");
        rmdir $group;
    }
    return;
}


# The sandbox stands: this very way of running forbids what it should.

sub probe {
    my ($status, $out) = inside(60, "$^X", "$dir/probe.pl")
        if write_file("$dir/probe.pl", <<'END');
use strict;
print "usr\n" if open my $fh, '>', '/usr/registry-sandbox-probe';
print "unshare\n" if syscall(272, 0x20000000) == 0;
print "packet\n" if socket(my $s, 17, 3, 0);
print "raw\n" if socket(my $r, 2, 3, 1);
open my $st, '<', '/proc/self/status' or die;
print grep { /^(?:Seccomp|NoNewPrivs|CapBnd):/ } <$st>;
END

    is($status, 0, 'a program runs in the sandbox') or diag($out);
    like($out, qr/^CapBnd:.*\nNoNewPrivs:\t1\nSeccomp:\t2\n\z/,
        'it can neither write to /usr nor leave its namespaces');
    return;
}


sub suite {
    my ($status, $out) = inside(torture(240, 7200), $^X, '-I',
        "$top/t/lib", "$top/ci/tap.pl", '--name', 'sandbox', '--jobs',
        torture(2, 4), @files);

    my ($tests) = $out =~ /Tests=(\d+)/;
    figure('assertions in the sandbox', $tests // 0);

    cmp_ok($tests // 0, '>', 500, 'the tests ran in the sandbox');
    is($status, 0, 'and passed') or diag($out);
    return;
}


sub read_file {
    my ($path) = @_;

    open my $in, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}


sub write_file {
    my ($path, $text) = @_;

    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text or die "$path: $!\n";
    close $out or die "$path: $!\n";
    return 1;
}

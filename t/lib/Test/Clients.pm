package Test::Clients;

# Runs the clients people really use against a registry.
#
# A suite that uses this module runs in a jail of its own: new mount, network
# and process namespaces.  So
#   - nothing is left behind: /etc is a copy, /var/lib, /run and /dev/shm are
#     empty folders below the test's temporary directory, and every process
#     that was started, daemons too, dies with the suite;
#   - nothing leaves the machine: there is a loopback interface and no other.
#     It carries two more addresses (RFC 5737), because docker never verifies
#     a certificate of a registry in 127.0.0.0/8;
#   - "registry.test" is a name for the first of them, and the name in the
#     certificate of the TLS registry.
#
# The registry is ours (Test::Registry), unless TEST_REGISTRY_PEER names the
# program of distribution ("docker-registry" or "registry"): then the same
# suite runs against that, which tells a fault of ours from one of a client.

use strict;
use warnings;

use Cwd qw( abs_path );
use Exporter qw( import );
use File::Basename qw( dirname );
use File::Path qw( make_path remove_tree );
use File::Spec ();
use File::Temp ();
use HTTP::Tiny;
use JSON::PP ();
use POSIX ();
use Test::More ();
use Test::Registry ();
use Test::Registry::Files;
use Test::Registry::Nginx ();
use Test::Registry::Process ();
use Time::HiRes qw( sleep time );

our @EXPORT = qw(
    enter_jail skip_suite need tool tempdir start_registry
    run run_ok run_fails background wait_for
    spew slurp json http http_is manifest_head served_digest file_digest
    FINISH
);

# what the end of each registry adds to a plan
use constant FINISH => Test::Registry::Nginx::FINISH();

use constant {
    NAME => 'registry.test',
    ADDRESS => '192.0.2.1',
};

# the one that every suite uses: says SKIP and the count, fails in CI
*skip_suite = \&Test::Registry::skip_suite;
*wait_for = \&Test::Registry::Process::wait_for;

my $top = abs_path(dirname(abs_path(__FILE__)) . '/../../..');
my ($tmp, @atexit, @covered, $owner);
my $serial = 0;


# Starts the calling script once more, inside the jail.  Call it first of all,
# and before the plan.

sub enter_jail {
    my ($count, %want) = @_;

    if (($ENV{TEST_CLIENTS_JAIL} // '') ne "$0") {
        my @user = $> == 0 ? () : '--map-root-user';

        if ($want{root} && @user) {
            skip_suite("needs root", $count);
        }

        my @ns = ('unshare', '--mount', '--net', '--pid', '--fork',
                  '--kill-child', '--mount-proc', @user);
        my $said = `@ns true 2>&1`;

        if ($? != 0) {
            $said =~ s/\s+\z//;
            skip_suite("no new namespaces on this machine: $said", $count);
        }

        $ENV{TEST_CLIENTS_JAIL} = "$0";
        exec(@ns, $^X, (map { "-I$_" } @INC), abs_path($0), @ARGV)
            or die "unshare: $!\n";
    }

    delete $ENV{TEST_CLIENTS_JAIL};

    # the first process of a namespace ignores what it has no handler for
    $SIG{INT} = $SIG{TERM} = sub { exit 1 };

    _furnish();

    return;
}


sub _furnish {
    my $jail = tempdir('jail');
    $ENV{TMPDIR} = tempdir('t');

    make_path(map { "$jail/$_" } qw( etc var-lib/nginx run/lock shm home ));

    # what an unprivileged user may not read, no client needs
    system("cp -a /etc/. $jail/etc 2>/dev/null");

    _or_die('mount', '--make-rprivate', '/');
    _cover('/etc', "$jail/etc");
    _cover('/var/lib', "$jail/var-lib");
    _cover('/run', "$jail/run");
    _cover('/dev/shm', "$jail/shm");

    _or_die('ip', 'link', 'set', 'lo', 'up');
    _or_die('ip', 'address', 'add', ADDRESS . '/32', 'dev', 'lo');

    unlink('/etc/hosts', '/etc/resolv.conf', '/etc/nsswitch.conf');
    spew('/etc/hosts', "127.0.0.1 localhost\n" . ADDRESS . ' ' . NAME . "\n");
    spew('/etc/resolv.conf', '');
    spew('/etc/nsswitch.conf', "passwd: files\ngroup: files\nhosts: files\n");

    remove_tree('/etc/docker', '/etc/containerd', '/etc/containers');
    make_path('/etc/docker');
    spew('/etc/containers/policy.json',
         '{"default": [{"type": "insecureAcceptAnything"}]}');
    spew('/etc/containers/registries.conf', '');

    for my $name (keys %ENV) {
        delete $ENV{$name}
            if $name =~ /^(?:XDG_|DOCKER_|REGISTRY_|COSIGN_|SSL_CERT_|OTEL_)/
            || $name =~ /_proxy$/i;
    }

    $ENV{HOME} = "$jail/home";
    $ENV{LC_ALL} = 'C';

    return;
}


# Puts a folder of ours in the place of one of the machine's.  The repository
# stays in sight, should it lie below.

sub _cover {
    my ($there, $ours) = @_;

    my $kept = index($top, "$there/") == 0
        ? $ours . substr($top, length $there) : undef;

    if (defined $kept) {
        make_path($kept);
        _or_die('mount', '--bind', $top, $kept);
    }

    _or_die('mount', '--rbind', $ours, $there);
    _or_die('umount', '-l', $kept) if defined $kept;

    push @covered, $there;

    return;
}


sub _or_die {
    my $r = run(@_);
    die "@_: $r->{err}\n" if $r->{rc};
    return;
}


# The path of a program, or undef.  TEST_<NAME> overrules; then come our own
# and the tools fetched by the build, then PATH.

sub tool {
    my ($name) = @_;

    (my $key = "TEST_\U$name") =~ tr/A-Z0-9_/_/c;

    if (defined $ENV{$key}) {
        return -x $ENV{$key} ? $ENV{$key} : undef;
    }

    # Debian's own docker before one that was put into /usr/local by hand
    my @path = ("$top/build", "$top/build/tools/bin",
                "$top/build/tools/usr/bin",
                "/usr/bin", "/usr/sbin",
                split(/:/, $ENV{PATH}), "/sbin");

    for my $dir (@path) {
        return "$dir/$name" if -x "$dir/$name" && !-d "$dir/$name";
    }

    return undef;
}


# need($count, @programs): skips the suite when one is missing, returns their
# paths otherwise.

sub need {
    my ($count, @names) = @_;

    my @missing = grep { !defined tool($_) } @names;

    if (@missing) {
        skip_suite('no ' . join(' and no ', @missing) . ' here', $count);
    }

    return wantarray ? (map { tool($_) } @names) : tool($names[0]);
}


# Something to do when the suite ends, the last first.

sub at_exit {
    my ($job) = @_;

    push @atexit, $job;

    return;
}


# A folder below the suite's temporary directory, made when it is new.

sub tempdir {
    my ($name) = @_;

    if (!defined $tmp) {
        # what lies below one of these would go out of sight
        my $base = File::Spec->tmpdir;
        $base = '/tmp' if $base =~ m{^/(?:etc|run|var/lib|dev/shm)(?:/|$)};

        $tmp = File::Temp::tempdir('registry-clients-XXXXXXXX',
                                   DIR => $base);
        chmod 0755, $tmp;
        $owner = $$;
    }

    my $dir = defined $name ? "$tmp/$name" : "$tmp/" . ++$serial;
    make_path($dir);

    return $dir;
}


END {
    # exit() below must not change what the suite has to say
    local ($?, $!, $@);

    if (defined $owner && $owner == $$) {
        while (my $job = pop @atexit) {
            eval { $job->(); 1 } or warn $@;
        }

        _unmount();
        chdir '/';
        system('rm', '-rf', '--one-file-system', $tmp)
            if !$ENV{TEST_LEAVE};
    }
}


# Daemons leave mounts below our directory when they are stopped in haste.

sub _unmount {
    my @mounts;

    open(my $fh, '<', '/proc/self/mounts') or return;
    while (my $line = <$fh>) {
        my $where = (split(/ /, $line))[1];
        unshift @mounts, $where if index($where, "$tmp/") == 0;
    }

    for my $where (@mounts, reverse @covered) {
        system("umount -R -l '$where' 2>/dev/null");
    }

    return;
}


# run([\%options,] @command) -> { rc, out, err, cmd }.  Options: timeout
# (seconds, 60), stdin (a file), env (a hash), cwd.  timeout(1) says 124.

sub run {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};
    my @cmd = @_;

    my $limit = $opt->{timeout} // 60;
    my $out = File::Temp->new(TEMPLATE => 'outXXXXXX', TMPDIR => 1);
    my $err = File::Temp->new(TEMPLATE => 'errXXXXXX', TMPDIR => 1);
    my $begin = time();

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        %ENV = (%ENV, %{ $opt->{env} // {} });
        open(STDIN, '<', $opt->{stdin} // '/dev/null')
            && open(STDOUT, '>&', $out) && open(STDERR, '>&', $err)
            && (!defined $opt->{cwd} || chdir $opt->{cwd})
            && exec('timeout', '-k', '5', $limit, @cmd);
        POSIX::_exit(126);
    }

    waitpid($pid, 0);

    my $rc = $? >> 8 || ($? & 127) + ($? & 127 ? 128 : 0);

    return {
        rc => $rc, cmd => "@cmd", seconds => time() - $begin,
        out => slurp("$out"), err => slurp("$err"),
    };
}


sub _explain {
    my ($r, $what) = @_;

    my $out = $r->{out};
    substr($out, 4000) = "\n[...]" if length $out > 4000;
    my $err = $r->{err};
    substr($err, 0, length($err) - 4000) = "[...]\n" if length $err > 4000;

    Test::More::diag("$what: $r->{cmd}");
    Test::More::diag(sprintf('exit code %d%s after %.1f s', $r->{rc},
                     $r->{rc} == 124 || $r->{rc} == 137 ? ' (timeout)' : '',
                     $r->{seconds}));
    Test::More::diag("stdout: $out") if length $out;
    Test::More::diag("stderr: $err") if length $err;

    return;
}


# One assertion: the command succeeds.  Returns its standard output without
# the last newline.

sub run_ok {
    my ($name, @cmd) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = run(@cmd);
    Test::More::ok($r->{rc} == 0, $name) or _explain($r, 'failed');
    $r->{out} =~ s/\n\z//;

    return $r->{out};
}


# One assertion: the command fails, of itself, and says so in words that match
# the pattern.

sub run_fails {
    my ($name, $pattern, @cmd) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = run(@cmd);
    # 125 is podman's; 124, 126, 127 and 137 are those of timeout(1)
    my $good = ($r->{rc} < 124 ? $r->{rc} > 0 : $r->{rc} == 125)
               && "$r->{out}\n$r->{err}" =~ $pattern;
    Test::More::ok($good, $name) or _explain($r, "not refused with $pattern");

    return;
}


# Starts a daemon with its output in a file; it is stopped at the end of the
# suite.  Returns its pid.

sub background {
    my ($opt, @cmd) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        %ENV = (%ENV, %{ $opt->{env} // {} });
        open(STDIN, '<', '/dev/null')
            && open(STDOUT, '>>', $opt->{log}) && open(STDERR, '>&', \*STDOUT)
            && exec(@cmd);
        POSIX::_exit(126);
    }

    push @atexit, sub { _end($pid) };

    return $pid;
}


sub _end {
    my ($pid) = @_;

    kill('TERM', $pid);

    for (1 .. 100) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        sleep 0.1;
    }

    kill('KILL', $pid);
    waitpid($pid, 0);

    return;
}


# Text to data; {} for what is no JSON, so that a comparison fails and shows.

sub json {
    my ($text) = @_;
    return eval { JSON::PP->new->utf8->decode($text) } // {};
}


# "sha256:..." of a file; openssl(1), because layers of a GiB are among them.

sub file_digest {
    my ($path, $alg) = @_;

    $alg //= 'sha256';
    my $r = run({ timeout => 120 }, 'openssl', 'dgst', "-$alg", '-r', $path);

    return $r->{rc} ? "unreadable: $r->{err}"
                    : "$alg:" . (split(/ /, $r->{out}))[0];
}


# The operator's curl: http($registry, 'DELETE', '/v2/...', { headers =>,
# content => }) returns what HTTP::Tiny returns.

sub http {
    my ($reg, $method, $path, $opt) = @_;

    my $ua = HTTP::Tiny->new(
        timeout => 60, verify_SSL => 1, max_redirect => 0,
        ($reg->tls ? (SSL_options => { SSL_ca_file => $reg->ca_file }) : ()));

    my $url = $path =~ m{^https?://} ? $path : $reg->url . $path;

    return $ua->request($method, $url, $opt // {});
}


# One assertion: the status.  Returns the response.

sub http_is {
    my ($reg, $method, $path, $status, $name, $opt) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = http($reg, $method, $path, $opt);
    Test::More::is($r->{status}, $status, $name)
        or Test::More::diag("$method $path: $r->{content}");

    return $r;
}


# HEAD of a manifest by one who takes every type; the response.

sub manifest_head {
    my ($reg, $repo, $ref) = @_;

    return http($reg, 'HEAD', "/v2/$repo/manifests/$ref", { headers => {
        Accept => join(', ', map { "application/vnd.$_+json" } qw(
            oci.image.manifest.v1 oci.image.index.v1
            docker.distribution.manifest.v2
            docker.distribution.manifest.list.v2 )),
    } });
}


# The digest behind a tag, or words that differ from every digest.

sub served_digest {
    my ($reg, $repo, $tag) = @_;

    my $r = manifest_head($reg, $repo, $tag);

    return $r->{headers}{'docker-content-digest'} // "none ($r->{status})";
}


# start_registry(%options) -> Test::Clients::Target, which see.

sub start_registry {
    require Test::Clients::Target;

    my $reg = Test::Clients::Target->new(@_);
    push @atexit, sub { $reg->stop };

    return $reg;
}


1;

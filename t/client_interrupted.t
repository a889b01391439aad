#!/usr/bin/perl

# What happens to a push and a pull of a real client, skopeo, when nginx is
# reloaded or restarted under them, loses a worker, or the client itself dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::Clients;
use Test::Clients::Image;
use Test::More;

use constant SIZE => 700 * 1024 * 1024;

my $tests = 26 + FINISH;

enter_jail($tests);

skip_suite('only our nginx can be reloaded', $tests)
    if $ENV{TEST_REGISTRY_PEER};

my $skopeo = need($tests, 'skopeo');
my $dir = tempdir('interrupted');
my $reg = start_registry();
my $nginx = $reg->server;

my $layout = Test::Clients::Image->new("$dir/image");
my $layer = $layout->layer_from_file(
    Test::Clients::Image::random_tar("$dir/big.tar", SIZE, 'interrupted'));
my $image = $layout->tag($layout->image([ $layer ]), 'latest');

plan tests => $tests;

# a reload: old workers see the push to its end
during_push('reload', sub { $nginx->reload });
pushed('reload', 1);
during_pull('reload', sub { $nginx->reload });
send_again('reload');

# a restart that is polite
during_push('restart', sub { $nginx->restart(timeout => 60) });
pushed('restart', 0);
send_again('restart');

# all workers die
during_push('killed', sub { $nginx->kill_worker($_) for $nginx->workers });
pushed('killed', 0);
send_again('killed');

# the client dies
my $job = start_push('client');
kill('KILL', $job->{pid});
waitpid($job->{pid}, 0);
$job->{rc} = 137;
pass('client: died in the middle');
pushed('client', 0);

$reg->finish;


# Starts a push, does something to it while its bytes run, and waits for it.

sub during_push {
    my ($name, $code) = @_;

    $job = start_push($name);
    my $begun = uploaded($name);
    $code->();
    waitpid($job->{pid}, 0);
    $job->{rc} = $? >> 8 || $? & 127;

    cmp_ok($begun, '<', SIZE, "$name: it was in the middle of the push");

    return;
}


# What is there afterwards. The first push has to succeed when MUST is set; if
# it failed, nothing is there, and the next push puts that right.

sub pushed {
    my ($name, $must) = @_;

    my $first = $job->{rc} == 0;

    ok($first || !$must, "$name: the push " . ($first ? 'succeeds' : 'fails'))
        or diag(slurp($job->{log}));
    is(manifest_head($reg, "interrupted/$name", '1')->{status},
        $first ? 200 : 404, "$name: and the image is "
        . ($first ? 'there' : 'not there'));

    run_ok("$name: the next push", { timeout => 120 }, push_command($name));
    run_ok("$name: a pull", { timeout => 120 }, $skopeo, 'copy',
        '--src-tls-verify=false', '--preserve-digests', ref_of($name),
        "oci:$dir/back:1");
    is_deeply([ $layout->missing_in($image, "$dir/back") ], [],
        "$name: every byte came back");
    run('rm', '-rf', "$dir/back");

    return;
}


# The next push must not find the layer here, to mount it.

sub send_again {
    my ($name) = @_;

    http($reg, 'DELETE', "/v2/interrupted/$name/manifests/$image->{digest}");
    http($reg, 'DELETE', "/v2/interrupted/$name/blobs/$layer->{digest}");

    return;
}


sub during_pull {
    my ($name, $code) = @_;

    run('sh', '-c', "rm -rf '$dir/back'");
    my $pid = start("$dir/pull.log", $skopeo, 'copy', '--src-tls-verify=false',
        '--preserve-digests', ref_of($name), "oci:$dir/back:1");
    wait_for(20, sub { fetched() > 0 });
    $code->();
    waitpid($pid, 0);

    is($?, 0, "$name: a pull succeeds") or diag(slurp("$dir/pull.log"));
    is_deeply([ $layout->missing_in($image, "$dir/back") ], [],
        "$name: every byte came back");
    run('rm', '-rf', "$dir/back");

    return;
}


# --- jobs --------------------------------------------------------------------

sub ref_of { return 'docker://' . $reg->host . "/interrupted/$_[0]:1" }


sub push_command {
    my ($name) = @_;

    return ($skopeo, 'copy', '--dest-tls-verify=false', '--preserve-digests',
        "oci:$dir/image:latest", ref_of($name));
}


# Begins a push and returns when a part of its layer has arrived.

sub start_push {
    my ($name) = @_;

    my $log = "$dir/$name.log";
    my $pid = start($log, push_command($name));

    wait_for(20, sub { uploaded($name) > 1024 * 1024 });

    return { pid => $pid, log => $log };
}


sub start {
    my ($log, @command) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        open(STDIN, '<', '/dev/null') && open(STDOUT, '>', $log)
            && open(STDERR, '>&', \*STDOUT) && exec(@command);
        POSIX::_exit(126);
    }

    return $pid;
}


# Bytes of the largest upload under way in the store.

sub uploaded {
    my ($name) = @_;
    my ($most) = sort { $b <=> $a } map { -s $_ // 0 } glob($reg->root
        . "/docker/registry/v2/repositories/interrupted/$name/_uploads/*/data");

    return $most // 0;
}


sub fetched {
    my ($most) = sort { $b <=> $a } map { -s $_ // 0 }
        glob("$dir/back/oci-put-blob*"), glob("$dir/back/blobs/sha256/*");

    return $most // 0;
}

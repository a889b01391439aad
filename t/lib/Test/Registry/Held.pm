package Test::Registry::Held;

# The lock of a store, held by the test, and threads that wait for it.
#
#   my $lock = hold_store($t);              # until: close $lock
#   my @c = busy_threads($t, @digests);     # with threads=1: the first hangs,
#                                           # the others wait for the thread
#
# The second needs registry_metrics at /metrics, and registry_delete on. Each of
# the blobs is the DELETE of a connection, to be answered when the lock is let
# go.

use strict;
use warnings;

use Exporter qw(import);
use Fcntl qw(:flock);
use Test::More ();

use Test::Registry::Notify qw(metric_of);
use Test::Registry::Process;

our @EXPORT = qw(hold_store busy_threads);


sub hold_store {
    my ($t) = @_;

    my $file = $t->root . '/docker/registry/nginx/lock';

    open my $lock, '+<', $file or die "$file: $!\n";
    flock $lock, LOCK_EX or die "$file: $!\n";

    return $lock;
}


sub busy_threads {
    my ($t, @digests) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @c;

    for my $digest (@digests) {
        push @c, $t->connect;
        $c[-1]->start('DELETE', "/v2/app/blobs/$digest");

        my $reached = wait_for(10, sub {
            metric_of($t, 'registry_thread_tasks_running') == 1
                && metric_of($t, 'registry_thread_tasks_waiting') == $#c;
        });
        Test::More::ok($reached, "a thread is busy, $#c wait for it");
    }

    return @c;
}

1;

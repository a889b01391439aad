#!/usr/bin/perl

# A disk that takes its time (F24): for what one client asked, or the
# maintenance does, nobody else has to wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(:flock);
use Test::More;

use Test::Registry;
use Test::Registry::Notify;
use Test::Registry::Shim;

my $hanging = hang();
my $held = hold();

deletes();
trash();
maintenance();
is_held(@$held);
waits_for_a_thread(@$hanging);

done_testing();


# A DELETE whose sync does not end, and a push into another repository.

sub deletes {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env,
        location => 'registry_delete on;')->run;
    my $n = 0;

    for my $case (
        ['a blob', sub { "blobs/$_[0]" }],
        ['a repository', sub { '_nginx/repository/content' }]
    ) {
        my ($what, $path) = @$case;
        my $digest = $t->push_blob('app', 'a blob');
        $t->push_blob('other', 'a blob');

        $shim->arm(pid => ($t->workers)[0], dir => $t->root,
            calls => ['sync'], action => 'delay', delay => 100e6);

        my $c = $t->connect;
        $c->start('DELETE', '/v2/app/' . $path->($digest));
        ok(wait_for(20, sub { $shim->hits }), "F24 DELETE of $what is synced");
        ok(eval { $t->push_blob('other', 'blob ' . $n++) },
            'F24 a push does not wait for that') or diag $@;

        $shim->go_on;
        is_status($c->reply, 202, "F24 DELETE of $what ends");
        $shim->disarm;
    }

    $t->finish;
}


# What others have deleted is freed by the way, and only for a moment.

sub trash {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env,
        location => 'registry_delete on;')->run;

    $t->push_image('app', 'v1');
    fill($t, 600);
    $shim->arm(pid => ($t->workers)[0], dir => $t->root,
        calls => ['remove'], action => 'delay', delay => 20_000, times => 0);

    is_status($t->delete('/v2/app/manifests/v1', timeout => 60), 202,
        'F24 DELETE of a tag, and a trash that others left');
    my $hits = $shim->disarm;
    cmp_ok($hits, '>', 0, 'F24 some of it is freed');
    cmp_ok($hits, '<', 200, 'F24 and not all, where that takes long');
    empty($t);
    $t->finish;
}


# The maintenance is there all the time, and so are its deliveries.

sub maintenance {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env,
        server => 'location = /metrics { registry_metrics; }')->run;

    $t->push_blob('app', 'a blob');
    $shim->arm(pid => manager_of($t), dir => $t->root,
        calls => ['remove'], action => 'delay', delay => 50_000, times => 0);
    fill($t, 400);

    ok(wait_for(90, sub { $shim->hits >= 190 }), 'F24 a trash is emptied');
    my ($seen) = $t->get('/metrics')->body
        =~ /^registry_maintenance_seen_seconds\{[^}]*\} (\d+)$/m;
    cmp_ok($seen, '<', 8, 'F24 and the maintenance was seen meanwhile');
    $shim->disarm;
    empty($t);
    $t->finish;
}


sub fill {
    my ($t, $n) = @_;

    my $dir = $t->root . '/docker/registry/nginx/trash';
    mkdir $dir;

    for my $i (1 .. $n) {
        open my $f, '>', "$dir/left-$i" or die "$dir/left-$i: $!\n";
        close $f;
    }
}


sub empty {
    my ($t) = @_;

    run_command(20, 'rm', '-rf',
        glob $t->root . '/docker/registry/nginx/trash/*');
}


# A lock that somebody does not let go of, for longer than is waited for it.

sub hold {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $digest = $t->push_blob('app', 'a blob');

    open my $lock, '<', $t->root . '/docker/registry/nginx/lock'
        or die "lock: $!\n";
    flock $lock, LOCK_SH or die "flock: $!\n";

    my $c = $t->connect(timeout => 120);
    $c->start('DELETE', "/v2/app/blobs/$digest");

    return [$t, $lock, $c, $digest];
}


sub is_held {
    my ($t, $lock, $c, $digest) = @_;

    my $r = $c->reply;
    is_error($r, 503, 'TOOMANYREQUESTS', 'F24 a lock that is held');
    isnt($r->header('Retry-After'), undef, 'F24 and when to come again');
    like($t->log_text,
        qr{ the lock "docker/registry/nginx/lock"; look at the disk of the },
        'F24 the log says where to look');

    close $lock;
    is_status($t->delete("/v2/app/blobs/$digest"), 202, 'F24 and then');
    $t->finish;
}


# The one thread there is waits for the disk, and a login for the thread.

sub hang {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env,
        write => { users => htpasswd(ann => 'secret') },
        main => 'thread_pool one threads=1;', location => <<'EOC')->run;
registry_thread_pool one;
registry_htpasswd slow %%DIR%%/users;
registry_allow anonymous pull,push **;
registry_allow authenticated * **;
EOC

    # what was written a moment ago would be read again, by the same thread

    sleep 1;
    is_status($t->as('eve', 'secret')->get('/v2/'), 401, 'F24 a login');

    $shim->arm(pid => ($t->workers)[0], dir => $t->root, calls => ['sync'],
        action => 'delay', delay => 200e6);

    my @c = map { $t->connect(timeout => 120) } 1 .. 2;
    $c[0]->start('POST', '/v2/app/blobs/uploads/?digest=' . sha256('slow'),
        body => 'slow');
    $c[0]->send_body(body => 'slow');
    ok(wait_for(20, sub { $shim->hits }), 'F24 a sync that does not end');
    $c[1]->start('GET', '/v2/', headers =>
        [['Authorization', basic('ann', 'secret')]]);

    return [$t, $shim, @c];
}


sub waits_for_a_thread {
    my ($t, $shim, @c) = @_;

    ok(wait_for(90, sub { $t->log_text =~ /a password has / }),
        'F24 the log tells of a login that waits for the disk');
    like($t->log_text, qr/a password has waited 60 seconds for a thread/,
        'F24 and what for');
    like($t->log_text, qr/storage has not answered for 60 seconds/,
        'F24 as of the request that is at it');

    $shim->go_on;
    is_status($c[0]->reply, 201, 'F24 who waited for the disk is answered');
    is_status($c[1]->reply, 200, 'F24 and who waited for him');
    $shim->disarm;
    $t->finish;
}

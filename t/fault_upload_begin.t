#!/usr/bin/perl

# An upload that is begun while its repository is deleted, at each name that is
# opened or made for it, brings it back, as one does that is begun right after.
# And one that nobody knows the id of does not stay when its worker ends then;
# of one that is known all is kept that came, while a thread is at work, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Shim;


my $shim = Test::Registry::Shim->new;
my $t = Test::Registry->new(env => $shim->env,
    write => { users => htpasswd(ann => 'secret') }, location => <<'EOC',
registry_delete on;
registry_htpasswd race %%DIR%%/users;
registry_allow authenticated * **;
EOC
)->run;
my $ann = $t->as('ann', 'secret');
my ($worker) = $t->workers;
my $at = 0;

for ( ;; ) {
    $ann->push_blob('gone', 'a blob');

    $shim->arm(pid => $worker, dir => $t->root, calls => [qw(open name)],
        action => 'delay', delay => 100e6, at => ++$at);

    my $c = $ann->connect;
    $c->start('POST', '/v2/gone/blobs/uploads/', body => '');
    ok(wait_for(20, sub {
        return $shim->hits || $c->wait_head(time + 0.02);
    }), "an upload is begun, call $at") or last;
    last if !$shim->disarm;

    is_status($ann->delete('/v2/gone/_nginx/repository/content'), 202,
        'its repository is deleted meanwhile');
    $shim->go_on;

    my $r = $c->reply;
    is_status($r, 202, "begun all the same, call $at");
    is_status($ann->get($r->header('Location')), 204,
        "and there, call $at");
}

cmp_ok($at, '>', 3, 'as it is made, and as it is given to its owner');

$t->finish;

shut_down($_) for 1, 4;
at_work();
done_testing();


sub shut_down {
    my ($at) = @_;

    my $n = Test::Registry->new(env => $shim->env,
        main => 'worker_shutdown_timeout 1s;')->run;
    my $bytes = blob(300_000, 'shut down');
    my $digest = sha256($bytes);

    $n->push_blob('gone', 'a blob');
    my ($old) = $n->workers;
    $shim->arm(pid => $old, dir => $n->root, calls => [qw(open name)],
        action => 'delay', delay => 100e6, at => $at);

    my $c = $n->connect;
    $c->start('POST', "/v2/gone/blobs/uploads/?digest=$digest",
        length => length $bytes);
    ok(wait_for(20, sub { $shim->hits }), "a single POST is begun, call $at");

    $n->reload;
    is($c->reply(timeout => 20)->status, 0,
        'worker_shutdown_timeout cuts it meanwhile');
    $shim->go_on;
    ok(wait_for(20, sub { !$n->workers(old => 1) }), 'the worker is gone');
    $shim->disarm;

    is(join(' ', glob $n->repo_dir('gone') . '/_uploads/*'), '',
        'and with it what nobody can go on with');
    $n->finish(audit => 0);
}


sub at_work {
    my $n = Test::Registry->new(env => $shim->env,
        main => 'worker_shutdown_timeout 1s;')->run;
    my $bytes = blob(2_000_000, 'at work');
    my $l = $n->open_upload('app');

    my ($old) = $n->workers;
    $shim->arm(pid => $old, dir => $n->root, calls => ['write'],
        action => 'delay', delay => 100e6);

    my $c = $n->connect;
    $c->start('PATCH', $l, length => length $bytes);
    $c->send(substr $bytes, 0, 100_000);
    ok(wait_for(20, sub { $shim->hits }), 'a thread is at work');
    $c->send(substr $bytes, 100_000, 200_000);

    $n->reload;
    is($c->reply(timeout => 20)->status, 0, 'F30 a PATCH is cut meanwhile');
    $shim->go_on;
    ok(wait_for(20, sub { !$n->workers(old => 1) }), 'F30 the worker is gone');
    $shim->disarm;

    is_header($n->get($l), 'Range', '0-299999', 'F30 all that came is kept');
    is_status($n->put(with_query($l, digest => sha256($bytes)),
        body => substr $bytes, 300_000), 201, 'F30 and the rest follows');
    is_whole($n->get('/v2/app/blobs/' . sha256($bytes)), $bytes,
        'F30 the bytes are right');
    $n->finish(audit => 0);
}

#!/usr/bin/perl

# Reloads while clients are at work: good ones, hasty ones, ones for which
# there are no processes or threads.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;
use Test::Registry::Trace;


need_root(20);
skip_suite(Test::Registry::Trace::why(), 20)
    if !Test::Registry::Trace::available();

reloads();
broken_reloads();
no_more('processes', 'clone', qr/fork\(\) failed/);
no_more('threads', 'clone3', qr/pthread_create\(\) failed/);

done_testing();


sub server {
    return Test::Registry->new(workers => 2,
        location => 'registry_delete on;')->run;
}


# --- F29 --------------------------------------------------------------------

# Every second, and now and then before the last one is done with.

sub reloads {
    my $t = server();
    my ($n, @rss) = (0);

    $t->reload;
    ok(wait_for(20, sub { children($t->pid) == 3 }), 'F29 one generation');
    my $fds = fds_of($t->pid);
    my $load = Test::Registry::Load->start($t, push => 3, pull => 2,
        list => 1, cancel => 1, slow => 2);
    my $end = time + torture(8, 300);

    while (time < $end) {
        kill 'HUP', $t->pid;
        sleep 0.05, kill 'HUP', $t->pid if $n++ % 4 == 3;
        sleep 1;
        push @rss, rss_of($t->pid);
    }

    my $sum = $load->stop;
    $t->_expect_workers;

    is($sum->{failed}, 0, 'F29 a reload every second: no failed operation')
        or diag $sum->reasons;
    cmp_ok($sum->count($_), '>', 0, "F29 $_ among them")
        for qw(push pull slow);
    my @lost = $sum->lost($t);
    is("@lost", '', 'F29 everything acknowledged is there');

    ok(wait_for(20, sub { children($t->pid) == 3 }),
        'F29 no old worker stays');
    is(scalar $t->workers, 2, 'F29 there are two');
    ok(wait_for(10, sub { fds_of($t->pid) <= $fds }),
        'F29 the master has no more files open') or diag
            join "\n", scalar(fds_of($t->pid)) . " instead of $fds",
            fds_of($t->pid);
    cmp_ok($rss[-1] - $rss[$#rss / 2], '<', 1 << 20,
        'F29 the master does not grow') or diag "@rss";

    figure('reloads', $n);
    figure('under load', $sum->text);
    $t->finish;
}


# --- F33 --------------------------------------------------------------------

# A configuration that is refused changes nothing for those who are at work,
# and the message names what is to be looked at, with file and line.

sub broken_reloads {
    my $t = server();
    $t->write_file('bad', "one two\n[[\n");
    $t->write_file('users', htpasswd(alice => 'secret'));

    my @workers = $t->workers;
    my $good = $t->{location};
    my $token = 'registry_token realm=http://a/ service=a issuer=a';
    my $users = 'registry_htpasswd x %%DIR%%/users;';
    my $load = Test::Registry::Load->start($t, push => 2, pull => 1,
        slow => 1, closes => 0);

    $t->allow_log(qr/\[emerg\]/);

    for (['registry_rules %%DIR%%/bad;', qr{/bad:1 }],
        ['registry_rules %%DIR%%/none;', qr{rules in "\S+/none" cannot be read}],
        ['registry_htpasswd x %%DIR%%/none;', qr{password file "\S+/none"}],
        ["$users registry_groups %%DIR%%/none;", qr{group file "\S+/none"}],
        ['registry_access_tokens %%DIR%%/none;', qr{tokens "\S+/none"}],
        ["$token certs=%%DIR%%/bad;", qr{certificates "\S+/bad" cannot}],
        ["$token jwks=%%DIR%%/bad;", qr{key set "\S+/bad" .*byte 0}],
        ["$users registry_token_server on key=%%DIR%%/bad;",
            qr{signing keys "\S+/bad" cannot}],
        ['registry_thread_pool none;', qr{"none"}],
        ['registry_no_such on;', qr{"registry_no_such"}],
        ['}', qr{unexpected|not allowed here}])
    {
        my ($bad, $names) = @$_;
        my $from = length $t->log_text;

        $t->{location} = "$good $bad";
        $t->reload(broken => 1);
        my $said = join "\n", grep { /\[(?:emerg|crit|error|alert)\]/ }
            split /\n/, substr $t->log_text, $from;
        like($said, qr{\[emerg\].*/conf/nginx\.conf:\d+},
            "F33 refused, with file and line: $bad");
        like($said, $names, "F33 and what it is: $bad");
    }
    $t->{location} = $good;

    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F33 reloads that are refused: nobody notices')
        or diag $sum->reasons;
    is(join(' ', $t->workers), "@workers", 'F33 the workers stay');
    $t->finish;
}


# --- F27 --------------------------------------------------------------------

# nginx tells the old workers to go before it knows that the new ones live, so
# a reload without processes or threads leaves nobody. What we can do is lose
# nothing: uploads that are in flight end, the message says what is missing,
# and the next reload has all of it back.

sub no_more {
    my ($what, $call, $message) = @_;

    my $t = server();
    my $bytes = blob(1_000_000, "no $what");
    my $digest = sha256($bytes);
    my $image = $t->push_image('app', 'v1');
    my $l = $t->open_upload('app');
    my $idle = $t->open_upload('app');
    $t->patch($idle, body => substr $bytes, 0, 300_000);

    my $c = $t->connect;
    $c->start('PUT', "$l?digest=$digest", length => length $bytes);
    $c->send(substr $bytes, 0, 500_000);
    sleep 0.2;

    my @old = $t->workers;
    my $trace = Test::Registry::Trace->attach($t->pid, calls => [$call],
        inject => ["$call:error=EAGAIN"]);
    kill 'HUP', $t->pid;
    ok(wait_for(20, sub { $t->log_text =~ $message }),
        "F27 no $what at a reload: it is said");
    sleep 0.5;

    $c->send(substr $bytes, 500_000);
    is_status($c->reply, 201, "F27 no $what: an upload in flight ends");
    $c->close;
    ok(wait_for(10, sub { !grep { alive($_) } @old }),
        "F27 no $what: the old workers are done");
    $trace->stop;

    $t->allow_log($message);
    $t->allow_log(qr/exited with fatal code 2 and cannot be respawned/);
    $t->allow_log(qr/sendmsg\(\) failed \(9: Bad file descriptor\)/);
    $t->reload;
    ok(wait_for(10, sub { $t->get('/v2/')->status == 200 }),
        "F27 no $what: the next reload brings all back");
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
        "F27 no $what: what was acknowledged is there");
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        "F27 no $what: so is an image");
    is_status($t->put("$idle?digest=$digest",
        body => substr $bytes, 300_000), 201,
        "F27 no $what: an upload goes on");

    none_at_start($t, $what, $call, $message);
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        "F27 no $what at the start: nothing is lost");
    $t->finish;
}


# The master comes up and says what it lacks. Without any child that nginx
# cannot be told to end: it waits for the first one to do so.

sub none_at_start {
    my ($t, $what, $call, $message) = @_;

    $t->stop or die "$t->{stop_text}\n";
    my $before = length $t->log_text;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDOUT, '>>', "$t->{dir}/stdout";
        open STDERR, '>>', "$t->{dir}/stdout";
        exec 'strace', '-f', '-qq', '-o', '/dev/null', '-e', "trace=$call",
            '-e', "inject=$call:error=EAGAIN", $t->_command
            or POSIX::_exit(127);
    }

    ok(wait_for(20, sub { substr($t->log_text, $before) =~ $message }),
        "F27 no $what at the start: it is said");

    my ($master) = children($pid);
    kill $what eq 'processes' ? 'KILL' : 'TERM', $master if $master;
    if (!ok(defined reap($pid, 10), "F27 no $what at the start: it ends")) {
        diag substr $t->log_text, $before;
        kill 'KILL', grep { defined } $master, $pid;
    }

    $t->run;
}

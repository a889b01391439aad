#!/usr/bin/perl

# A session outlives connections, workers, reloads and nginx itself, and goes
# on in whichever worker the next request meets.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Peer;


my $t = Test::Registry->new(
    workers => 2,
    server => 'add_header X-Worker $pid always;',
    location => 'registry_delete on;',
)->run;

my $bytes = blob(3_000_000, 'resume');
my $digest = sha256($bytes);

other_worker();
other_worker_sha512();
seen_by_all();
worker_killed();
worker_killed_idle();
reloaded();
reloaded_in_flight();
quit_in_flight();
restarted($_) for qw(QUIT TERM);
all_killed();
shutdown_timeout();
damaged();
begun_by_distribution();

finish($t);


sub offset {
    my ($location) = @_;

    my $r;
    wait_for(5, sub {
        $r = $t->get($location);
        return $r->status == 204;
    });
    return ($r->header('Range') // '') =~ /\A0-(\d+)\z/ ? $1 + 1 : undef;
}


# Goes on from where the session stands, to the end.

sub go_on {
    my ($location, $least, $most, $name) = @_;

    my $at = offset($location);
    ok(defined $at, "$name: the session lives") or return;

    cmp_ok($at, '>=', $least, "$name: nothing acknowledged is lost");
    cmp_ok($at, '<=', $most, "$name: nothing is there that was not sent");

    my $end = length($bytes) - 1;
    my $r;
    wait_for(5, sub {
        $r = $t->patch($location, body => substr($bytes, $at),
            headers => { 'Content-Range' => "$at-$end" });
        return $r->status != 429;
    });
    is_status($r, 202, "$name: PATCH goes on");
    is_status($t->put("$location?digest=$digest", body => ''), 201,
        "$name: PUT");
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
        "$name: the bytes are right");
    $t->delete("/v2/app/blobs/$digest");
}


sub other_worker {
    my ($one, $two) = $t->connect_each(2);

    my $l = $one->post('/v2/app/blobs/uploads/', body => '')
        ->header('Location');
    my $at = 0;

    for my $i (0 .. 29) {
        my $c = ($one, $two)[$i % 2];
        my $r = $c->patch($l, body => substr($bytes, $at, 100_000));
        $at += 100_000;
        next if $r->status == 202 && $r->header('Range') eq '0-' . ($at - 1);
        is_status($r, 202, "PATCH $i in turn");
        last;
    }

    is($at, 3_000_000, 'thirty PATCHes, two workers in turn');
    is_status($two->put("$l?digest=$digest", body => ''), 201,
        'PUT in one of them');
    is_header($one->request('HEAD', "/v2/app/blobs/$digest"),
        'Content-Length', length $bytes, 'HEAD at once in the other');
    is_whole($one->get("/v2/app/blobs/$digest"), $bytes,
        'the bytes are right');
    is_error($one->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'the session is gone there');
    $t->delete("/v2/app/blobs/$digest");
}


sub other_worker_sha512 {
    my ($one, $two) = $t->connect_each(2);
    my $long = sha512($bytes);

    for my $query ('', '?digest-algorithm=sha512') {
        my $l = $one->post("/v2/app/blobs/uploads/$query", body => '')
            ->header('Location');
        is_status($two->patch($l, body => substr $bytes, 0, 1_000_001), 202,
            "sha512$query: first part in one worker");
        is_status($one->patch($l, body => substr $bytes, 1_000_001, 999_999),
            202, 'second part in the other');
        is_status($two->put("$l?digest=$long",
            body => substr $bytes, 2_000_000), 201, 'the rest in the first');
        is_whole($one->get("/v2/app/blobs/$long"), $bytes,
            'the bytes are right');
        $t->delete("/v2/app/blobs/$long");
    }
}


# What one worker acknowledged, the other one shows with the next request.

sub seen_by_all {
    my ($one, $two) = $t->connect_each(2);

    for my $i (1 .. 20) {
        my $text = "seen $i";
        my $d = sha256($text);
        my $l = $one->post('/v2/seen/blobs/uploads/', body => '')
            ->header('Location');
        my @r = (
            $two->get($l),
            $one->patch($l, body => $text),
            $two->get($l),
            $one->put("$l?digest=$d", body => ''),
            $two->request('HEAD', "/v2/seen/blobs/$d"),
            $one->delete("/v2/seen/blobs/$d"),
            $two->request('HEAD', "/v2/seen/blobs/$d")
        );
        my $got = join ' ', map { $_->status } @r;
        is($got, '204 202 204 201 200 202 404', "seen at once, round $i")
            if $i == 1 || $got ne '204 202 204 201 200 202 404';
        is_header($r[2], 'Range', '0-' . (length($text) - 1)) if $i == 1;
        ($one, $two) = ($two, $one);
    }
}


# SIGKILL for the worker that holds the PATCH, in the middle of it.

sub worker_killed {
    for my $k (0, 1, 500_000, 1_500_000) {
        my $l = $t->open_upload('app');
        is_status($t->patch($l, body => substr $bytes, 0, 200_000), 202,
            'a PATCH is acknowledged');

        my $c = $t->connect;
        my $pid = $c->get('/v2/')->header('X-Worker');
        $c->start('PATCH', $l, length => length($bytes) - 200_000);
        $c->send(substr $bytes, 200_000, $k);
        sleep 0.05;
        $t->kill_worker($pid);

        my $r = $c->reply(timeout => 5);
        is($r->status, 0, 'the client sees the connection end');
        go_on($l, 200_000, 200_000 + $k, "worker killed after $k bytes");
    }
}


sub worker_killed_idle {
    my $l = $t->open_upload('app');

    $t->patch($l, body => substr $bytes, 0, 1_234_567);
    $t->kill_worker($_) for $t->workers;
    go_on($l, 1_234_567, 1_234_567, 'all workers killed between requests');
}


sub reloaded {
    my $l = $t->open_upload('app');

    for my $i (0 .. 3) {
        my $r = $t->patch($l, body => substr $bytes, $i * 500_000, 500_000);
        is_status($r, 202, "PATCH before reload $i");
        $t->reload;
    }
    go_on($l, 2_000_000, 2_000_000, 'four reloads between PATCHes');
}


# A PATCH that is running finishes on the old worker.

sub reloaded_in_flight {
    my $l = $t->open_upload('app');
    my $c = $t->connect;

    $c->start('PATCH', $l, length => 2_000_000);
    $c->send(substr $bytes, 0, 700_000);
    $t->reload;
    $c->send(substr $bytes, 700_000, 700_000);
    sleep 0.2;
    $c->send(substr $bytes, 1_400_000, 600_000);
    my $r = $c->reply;
    is_status($r, 202, 'a PATCH in flight outlives the reload');
    is_header($r, 'Range', '0-1999999');
    go_on($l, 2_000_000, 2_000_000, 'reload in mid PATCH');

    # And so does the closing PUT.

    $l = $t->open_upload('app');
    $c = $t->connect;
    $c->start('PUT', "$l?digest=$digest", length => length $bytes);
    $c->send(substr $bytes, 0, 1_000_000);
    $t->reload;
    $c->send(substr $bytes, 1_000_000);
    is_status($c->reply, 201, 'a PUT in flight outlives the reload');
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
        'the bytes are right');
    $t->delete("/v2/app/blobs/$digest");

    # The old workers go when their work is done.

    ok(wait_for(10, sub { !$t->workers(old => 1) }),
        'no old worker stays behind');
}


# QUIT waits for what is running.

sub quit_in_flight {
    my $l = $t->open_upload('app');
    my $c = $t->connect;

    $c->start('PATCH', $l, length => 2_000_000);
    $c->send(substr $bytes, 0, 1_000_000);
    kill 'QUIT', $t->pid;
    sleep 0.3;
    $c->send(substr $bytes, 1_000_000, 1_000_000);
    is_status($c->reply, 202, 'F30 a PATCH in flight outlives QUIT');
    $c->close;
    ok($t->stop, 'F30 and then nginx ends') or diag $t->{stop_text};
    $t->run;
    go_on($l, 2_000_000, 2_000_000, 'F30 after the next start');
}


sub restarted {
    my ($signal) = @_;

    my $l = $t->open_upload('app');
    my $idle = $t->open_upload('app');

    $t->patch($l, body => substr $bytes, 0, 999_999);
    $t->restart(signal => $signal);
    go_on($l, 999_999, 999_999, "restart by $signal");
    is_header($t->get($idle), 'Range', '0-0',
        'a session without bytes is there as well');
    is_status($t->delete($idle), 204, 'and can be cancelled');

    # In the middle of a PATCH.

    return if $signal eq 'QUIT';
    $l = $t->open_upload('app');
    $t->patch($l, body => substr $bytes, 0, 100_000);
    my $c = $t->connect;
    $c->start('PATCH', $l, length => 2_900_000);
    $c->send(substr $bytes, 100_000, 1_000_000);
    sleep 0.05;
    $t->restart(signal => $signal);
    go_on($l, 100_000, 1_100_000, "F31 $signal in mid PATCH");
}


sub all_killed {
    my $l = $t->open_upload('app');

    $t->patch($l, body => substr $bytes, 0, 1_111_111);
    my $c = $t->connect;
    $c->start('PATCH', $l, length => 1_000_000);
    $c->send(substr $bytes, 1_111_111, 300_000);
    $t->kill_all;
    $t->run;
    go_on($l, 1_111_111, 1_411_111, 'master and workers killed');
}


# What does not finish in the time that the operator gives is cut, and goes
# on afterwards.

sub shutdown_timeout {
    my $n = Test::Registry->new(main => 'worker_shutdown_timeout 1s;',
        root => $t->root)->run;
    my $l = $n->open_upload('app');

    $n->patch($l, body => substr $bytes, 0, 300_000);
    my $c = $n->connect;
    $c->start('PATCH', $l, length => 2_000_000);
    $c->send(substr $bytes, 300_000, 400_000);

    my $single = $n->connect;
    $single->start('POST', "/v2/one/blobs/uploads/?digest=$digest",
        length => length $bytes);
    $single->send(substr $bytes, 0, 1_000_000);
    my $begun = $n->repo_dir('one') . '/_uploads/*';
    ok(wait_for(5, sub { my @all = glob $begun; @all == 1 }), 'a single POST');

    $n->reload;
    my $r = $c->reply(timeout => 6);
    is($r->status, 0, 'F30 worker_shutdown_timeout cuts the PATCH');
    ok(wait_for(6, sub { !$n->workers(old => 1) }), 'F30 the worker is gone');
    is(join(' ', glob $begun), '',
        'F30 and with it what nobody can go on with');
    go_on($l, 700_000, 700_000, 'F30 after worker_shutdown_timeout');
    $n->finish(audit => 0);
}


# What a power cut may leave of a session: data that is shorter, longer or
# full of zeros, a saved hash that is cut or garbage. It goes on with the right
# bytes or is gone; wrong bytes are never taken for right.

sub damaged {
    my $half = 1_500_000;
    my $zeros = "\0" x 100_000;

    my %damage = (
        'data is shorter' => sub { truncate "$_[0]/data", $half - 70_000 },
        'data is empty' => sub { truncate "$_[0]/data", 0 },
        'data is longer' => sub { write_at("$_[0]/data", $half, $zeros) },
        'data is gone' => sub { unlink "$_[0]/data" },
        'the saved hash is empty' => sub { truncate state_of($_[0]), 0 },
        'the saved hash is cut' => sub { truncate state_of($_[0]), 20 },
        'the saved hash is garbage' => sub {
            write_at(state_of($_[0]), 0, blob(64, 'garbage')) },
        'the saved hash is gone' => sub { unlink state_of($_[0]) },
        'the saved hash is of another offset' => sub {
            my $s = state_of($_[0]);
            rename $s, $s =~ s{[^/]+\z}{1000000}r },
        'startedat is empty' => sub { truncate "$_[0]/startedat", 0 },
        'startedat is gone' => sub { unlink "$_[0]/startedat" },
    );

    for my $what (sort keys %damage) {
        my $l = $t->open_upload('app');
        is_status($t->patch($l, body => substr $bytes, 0, $half), 202,
            'a session');
        my ($id) = $l =~ m{([^/]+)\z};
        my $dir = $t->repo_dir('app') . "/_uploads/$id";

        $t->stop or die "$t->{stop_text}\n";
        $damage{$what}->($dir) or die "$what: $!\n";
        $t->run;

        # As a client would: ask, go on from there, close.

        my $r = $t->get($l);
        if ($r->status == 204) {
            my ($end) = $r->header('Range') =~ /\A0-(\d+)\z/;
            cmp_ok($end, '<', $half,
                "F12 $what: not beyond what was acknowledged");

            for my $at ($end ? $end + 1 : (0, 1)) {
                $r = $t->patch($l, body => substr($bytes, $at), headers => {
                    'Content-Range' => "$at-" . (length($bytes) - 1) });
                last if $r->status == 202;
            }
            $r = $t->put("$l?digest=$digest", body => '')
                if $r->status == 202;
        }

        ok($r->status == 201 || ($r->status >= 400 && $r->status < 600),
            "F12 $what: finished or refused with " . $r->status)
            or diag $r->as_text;
        my $get = $t->get("/v2/app/blobs/$digest");
        if ($r->status == 201) {
            is_whole($get, $bytes, "F12 $what: with the right bytes");
            $t->delete("/v2/app/blobs/$digest");
        } else {
            is_error($get, 404, 'BLOB_UNKNOWN', "F12 $what: and not there");
            $t->delete($l);
        }
    }
}


# The newest saved hash of a session.

sub state_of {
    my ($dir) = @_;

    my ($file) = sort { ($b =~ /(\d+)\z/)[0] <=> ($a =~ /(\d+)\z/)[0] }
        glob "$dir/hashstates/*/*";
    die "no saved hash in $dir\n" if !defined $file;
    return $file;
}


sub write_at {
    my ($path, $offset, $text) = @_;

    open my $fh, '+<:raw', $path or die "$path: $!\n";
    seek $fh, $offset, 0;
    print {$fh} $text;
    return close $fh;
}


# distribution took the first half; its hash states are its own affair.

sub begun_by_distribution {
    SKIP: {
        skip_tests('no distribution binary on this machine', 8)
            if !Test::Registry::Peer::binary();

        my $peer = Test::Registry::Peer->new(root => $t->root)->run;
        my $l = $peer->open_upload('app');
        my $r = $peer->patch($l, body => substr $bytes, 0, 1_500_000);
        is($r->status, 202, 'F36 distribution takes the first half');
        $peer->stop;

        my ($id) = $l =~ m{/uploads/([0-9a-f-]+)};
        my $ours = "/v2/app/blobs/uploads/$id";
        is_header($t->get($ours), 'Range', '0-1499999',
            'F36 we know where it stands');
        go_on($ours, 1_500_000, 1_500_000, 'F36 half by distribution');
    }
}

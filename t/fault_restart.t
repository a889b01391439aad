#!/usr/bin/perl

# nginx stopped and started again while clients are at work: gracefully, fast,
# by kill. What they were told holds, and uploads go on from where they stand.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;


my $t = Test::Registry->new(
    workers => 2,
    main => 'worker_shutdown_timeout 5s;',
    location => 'registry_delete on;',
)->run;

my %number = (QUIT => 'F30', TERM => 'F31', KILL => 'F01');

in_flight($_) for qw(QUIT TERM);
under_load($_) for qw(QUIT TERM KILL);

# Who is killed leaves temporaries.

finish($t, { audit => { grace => 3600 } });


# Forty uploads at all stages, none of which ends by itself in time: QUIT
# gives them the five seconds of worker_shutdown_timeout, TERM none.

sub in_flight {
    my ($signal) = @_;

    my $f = $number{$signal};
    my $bytes = blob(4_000_000, "in flight $signal");
    my $digest = sha256($bytes);
    my @up = map { { sent => 100_000 * $_, repo => "flight/$_" } } 0 .. 39;

    for my $up (@up) {
        $up->{at} = $t->open_upload($up->{repo});
        $up->{c} = $t->connect;
        $up->{c}->start('PATCH', $up->{at}, length => length $bytes);
        $up->{c}->send(substr $bytes, 0, $up->{sent});
    }
    sleep 0.3;

    # What QUIT leaves time for is finished.

    my $quick = $t->open_upload('flight/quick');
    my $c = $t->connect;
    $c->start('PUT', "$quick?digest=$digest", length => length $bytes);
    $c->send(substr $bytes, 0, 100_000);
    sleep 0.1;

    my $begin = time;
    kill $signal, $t->pid;
    sleep 0.5;

    if ($signal eq 'QUIT') {
        $c->send(substr $bytes, 100_000);
        is_status($c->reply, 201, "$f an upload that goes on ends");
    }

    ok($t->stop(signal => $signal), "$f nginx ends") or diag $t->{stop_text};
    my $took = time - $begin;
    cmp_ok($took, '<', 12, "$f in time");
    cmp_ok($took, '>', 4, "$f after worker_shutdown_timeout")
        if $signal eq 'QUIT';

    my @got = map { $_->{c}->reply(timeout => 5)->status } @up;
    is(join(' ', sort keys %{ { map { $_ => 1 } @got } }), '0',
        "$f all uploads are cut");
    $t->run;

    my $bad = 0;
    for my $up (@up) {
        my $r = $t->get($up->{at});
        my ($last) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/;
        my $at = $last ? $last + 1 : 0;

        $r = $t->put("$up->{at}?digest=$digest", body => substr $bytes, $at)
            if $r->status == 204 && $at <= $up->{sent};
        next if $r->status == 201;
        $bad++;
        diag "$up->{sent} bytes sent, $at there: ", $r->as_text;
    }

    is($bad, 0, "$f they go on and end with the right digest");
    is_whole($t->get("/v2/flight/39/blobs/$digest"), $bytes,
        "$f with the right bytes");
}


# Operations that get no reply are done again; nothing that got one is undone.

sub under_load {
    my ($signal) = @_;

    my $f = $number{$signal};
    my $load = Test::Registry::Load->start($t, cuts => 1, push => 4,
        pull => 1, cancel => 1, slow => 2);
    my $rounds = torture(2, 200);

    for my $round (1 .. $rounds) {
        sleep 0.5 + rand 1;

        if ($signal eq 'KILL') {
            $t->kill_all;

        } elsif (!$t->stop(signal => $signal)) {
            fail("$f round $round: $t->{stop_text}");
        }

        $t->run;
    }

    sleep 1;
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$f $rounds times $signal under load: no failure")
        or diag $sum->reasons;
    cmp_ok($sum->{cut}, '>', 0, "$f some were cut");
    cmp_ok($sum->count('push'), '>', 0, "$f some were done");

    my @lost = $sum->lost($t);
    is("@lost", '', "$f everything acknowledged is there");
    figure("$signal under load", "$rounds times, " . $sum->text
        . ', lost ' . @lost);

    # begun by clients who then met nobody to tell

    my @open = grep { -d } glob $t->repo_dir('{*,*/*}') . '/_uploads/*';
    my $cancelled = grep {
        my ($repo, $id) = m{/repositories/(.+)/_uploads/([^/]+)\z};
        $t->delete("/v2/$repo/blobs/uploads/$id")->status == 204;
    } @open;
    is($cancelled, scalar @open, "$f what was left open can be cancelled");
}

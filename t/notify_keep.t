#!/usr/bin/perl

# registry_events_keep: what is older goes, by the process that delivers when
# nobody writes, and by whoever begins the next segment; who reads the feed hears
# of it, and for an endpoint that was down it is counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Notify;
use Test::Registry::Receiver;

use constant { TAGS => 64, OLD => 7200 };

by_itself();
by_the_next();
overtaken($_) for 0, 1;
gap();
anew();
for_ever();

done_testing();


sub server {
    my ($hook, $keep, $batch) = @_;

    $batch //= 1;

    return Test::Registry->new(master => 1, workers => 1,
        server => 'location = /metrics { registry_metrics; }'
            . ' location = /feed { registry %%ROOT%%;'
            . ' registry_events pull=off; }',
        http => "registry_events_size 4m; registry_events_keep $keep;"
            . ' registry_notify ci ' . $hook->url('/ci') . " batch=$batch"
            . ' threshold=1 backoff=300ms max_backoff=300ms timeout=30s;'
    )->run;
}


# What the feed says behind a cursor: its status, and the keys.

sub feed {
    my ($t, $after, %o) = @_;

    my $r = $t->get("/feed?after=$after&n=" . ($o{n} // 1000));
    return $r->status if $r->status != 200;
    my $all = $r->json;
    return (200, $all->{next}, map { key_of($_) } @{ $all->{events} });
}


sub segments {
    my @all = sort glob events_dir($_[0]) . '/*.log';
    return @all;
}


# One PUT with many tags.

sub many {
    my ($t, $image, $name) = @_;

    my @tags = map { "$name-$_" } 1 .. TAGS;
    my $r = tag_put($t, 'app', "$image->{digest}?"
        . join('&', map { "tag=$_" } @tags), $image);
    die $r->as_text if $r->status != 201;
    return map { "push app:$_" } @tags;
}


# --- nobody writes ----------------------------------------------------------

sub by_itself {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '8s');
    my $image = stocked($t, 'app');
    my @old = map { "old$_" } 1 .. 8;

    tag_put($t, 'app', $_, $image)->status == 201 or fail($_) for @old;

    my ($status, $early, $first) = feed($t, 0, n => 1);
    is($status, 200, 'what is young is there');
    like($first, qr/\Apush app\@/, 'from the first event on');
    my $begun = (segments($t))[0];

    # the age counts from the last event of the segment, and is looked at every
    # few seconds

    my $gone = wait_for(60, sub { !-e $begun });
    ok($gone, 'it goes without anybody writing');
    is(scalar(tail_of($t->root)), 0, 'all of it');

    # what was lost is known when something follows; until then nobody moves on

    is(join(' ', feed($t, $early)), "200 $early", 'nothing follows yet');
    is((feed($t, 0))[0], 200, 'and from the beginning there is nothing');

    # what was read before is delivered still, but not by another process

    $t->restart;
    $hook->run;
    tag_put($t, 'app', 'new', $image);
    my $fresh = 'push app:new';
    my @events;
    wait_for(40, sub {
        @events = $hook->taken('/ci');
        return grep { key_of($_) eq 'push app:new' } @events;
    });
    is(join(' ', map { key_of($_) } @events), $fresh,
        'what went is not delivered, and what comes is');

    is((feed($t, $early))[0], 410, 'the feed: 410 for who was behind');
    is(join(' ', (feed($t, 0))[0, 2]), "200 $fresh",
        'and what is new for who begins again');
    $t->finish;
}


# --- the next segment -------------------------------------------------------

# The process that delivers stands still meanwhile, so that it is not the one.

sub by_the_next {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '1h');
    my $image = stocked($t, 'app');

    my ($status, $early) = feed($t, 0, n => 1);
    my $manager = manager_of($t);
    kill 'STOP', $manager;

    my $n = 0;
    many($t, $image, 'a' . ++$n) while segments($t) < 3 && $n < 200;
    my @there = segments($t);
    is(scalar @there, 3, 'three segments');

    my $then = time - OLD;
    utime $then, $then, $there[0] or die "$there[0]: $!\n";
    tag_put($t, 'app', 'one', $image);
    is(join(' ', segments($t)), "@there", 'an event alone drops nothing');
    is((feed($t, $early))[0], 200, 'who is behind gets it still');

    many($t, $image, 'b' . ++$n) while segments($t) < 4 && -e $there[0]
        && $n < 300;
    ok(!-e $there[0], 'the next segment does');
    ok(-e $there[1] && -e $there[2], 'and what is young stays');
    is((feed($t, $early))[0], 410, 'the feed: 410 for who was behind');
    kill 'CONT', $manager;
    $t->finish;
}


# --- an endpoint that is down -----------------------------------------------

# Two of three segments go for their age. Who delivers has the first open, and
# loses the second in the middle; after a restart both are lost, and counted
# once however often it is restarted.

sub overtaken {
    my ($restart) = @_;

    my $how = $restart ? 'down, restarted' : 'down';
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '1h', 50);
    my $image = stocked($t, 'app');
    my %ci;
    wait_for(20, sub { %ci = status_of($t->root); $ci{ci}{failures} });
    cmp_ok($ci{ci}{failures}, '>', 0, "$how: it is tried");

    my $n = 0;
    many($t, $image, 'a' . ++$n) while segments($t) < 3 && $n < 200;
    my @there = segments($t);
    is(scalar @there, 3, "$how: three segments");
    my @first = map { number_of($_) } @there;
    my @all = map { key_of($_) } tail_of($t->root);

    my $then = time - OLD;
    utime $then, $then, $_ or die "$_: $!\n" for @there[0, 1];
    many($t, $image, 'b' . ++$n) while -e $there[1] && $n < 300;
    is(join(' ', map { -e ? 'there' : 'gone' } @there), 'gone gone there',
        "$how: the two old ones go");

    my @kept = map { key_of($_) } tail_of($t->root);
    my @want = $restart ? @kept
        : (@all[0 .. $first[1] - $first[0] - 1], @kept);
    my $lost = $first[2] - $first[ $restart ? 0 : 1 ];

    if ($restart) {
        $t->restart;
        is(dropped($t), "$lost $lost",
            "$how: events status and the metrics tell of it");
        fails_again($t);
        fails_again($t);
    }

    $hook->run;
    my @got;
    wait_for(60, sub {
        @got = map { key_of($_) } $hook->taken('/ci');
        return @got >= @want;
    });
    is(scalar @got, scalar @want, "$how: what is left is delivered");
    is(join("\n", @got), join("\n", @want), "$how: all of it, in order");

    if (!$restart) {
        is(dropped($t), "$lost $lost",
            "$how: events status and the metrics tell of the rest");
    }

    %ci = status_of($t->root);
    is($ci{ci}{lost}, $lost, "$how: which is counted once");
    my @lines = $t->log_text =~ /(\d+) events of .* before webhook "ci"/g;
    is("@lines", $lost, "$how: and has one line in the log");
    is(join(' ', (feed($t, $first[0]))[0]), 410, "$how: and the feed");
    $t->finish;
}


# --- a gap in the middle ----------------------------------------------------

# Damage takes an event. Who reads on comes to the place with those before it in
# hand: no answer passes it without a word, and who has passed it does not come
# by it again.

sub gap {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '1h');
    my $image = stocked($t, 'app');

    tag_put($t, 'app', "g$_", $image) for 1 .. 5;
    my ($file) = segments($t);
    my $lost = number_of($file) + scalar(tail_of($t->root)) - 3;

    my $text = file_text($file);
    substr($text, index($text, '"tag":"g3"') + 8, 1) = 'x';
    put_file($file, $text);

    for my $begin (0, number_of($file)) {
        my ($status, $next, @keys) = feed($t, $begin);
        is("$status $next $keys[-1]", '200 ' . ($lost - 1) . ' push app:g2',
            "from $begin on: up to the gap");

        my $r = $t->get("/feed?after=$next");
        is($r->status, 410, 'which is told then');
        is($r->json->{errors}[0]{detail}, "after=$lost", 'and where to go on');
        is(join(' ', feed($t, $lost)), '200 ' . ($lost + 2)
            . ' push app:g4 push app:g5', 'where it goes on');
    }

    my $r = $t->get('/feed?after=0&repository=none');
    is($r->status, 410, 'who wants nothing of what is before it hears it');
    is($r->json->{errors}[0]{detail}, "after=$lost", 'and where to go on');

    # by another process, which has not read it before

    $t->restart;
    $hook->run;
    is(dropped($t), '1 1', 'the endpoint: it is counted');
    like($t->log_text, qr/ 1 events of .* or is damaged/, 'and told');
    $t->allow_log(qr/webhook "ci" at|or is damaged/);
    $t->finish;
}


# --- another spool ----------------------------------------------------------

# As after a restore: nobody knows what was behind a cursor of the old one.

sub anew {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '1h');
    my $image = stocked($t, 'app');

    tag_put($t, 'app', 'a1', $image);
    my ($file) = segments($t);
    my $old = number_of($file) - 86400 * 1e6;

    my $r = $t->get("/feed?after=$old");
    is($r->status, 410, 'a cursor of a spool of yesterday');
    my ($first) = $r->json->{errors}[0]{detail} =~ /\Aafter=(\d+)\z/;
    is($first, number_of($file) - 1, 'and where to go on');
    is((feed($t, $first))[-1], 'push app:a1', 'with the first of the new');
    $t->finish;
}


# The first number of a segment.

sub number_of {
    my ($path) = @_;

    no warnings 'portable';
    return $path =~ m{/(\w{16})\.log\z} ? hex $1 : die "$path\n";
}


# Another process, which tries in vain, too.

sub fails_again {
    my ($t) = @_;

    my %before = status_of($t->root);
    $t->restart;
    wait_for(20, sub {
        my %now = status_of($t->root);
        return $now{ci}{failures} > $before{ci}{failures};
    }) or fail('nothing was tried');
}


# Of endpoint ci: what status and what the metrics say.

sub dropped {
    my ($t) = @_;

    my ($status, $metric);
    wait_for(10, sub {
        my %ci = status_of($t->root);
        $status = $ci{ci}{lost};
        $metric = metric_of($t, 'registry_notifications_dropped_total',
            endpoint => 'ci') // 0;
        return $status && $metric;
    });
    return "$status $metric";
}


# --- 0 ----------------------------------------------------------------------

sub for_ever {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, '0');
    my $image = stocked($t, 'app');
    my $then = time - 3650 * 86400;

    my $n = 0;
    many($t, $image, 'a' . ++$n) while segments($t) < 2 && $n < 200;
    my @there = segments($t);
    utime $then, $then, $_ or die "$_: $!\n" for @there;
    many($t, $image, 'b' . ++$n) while segments($t) < 3 && $n < 300;
    is(scalar(grep { -e } @there), 2, 'registry_events_keep 0: nothing goes');
    is((feed($t, 0, n => 1))[0], 200, 'and all of it can be read');
    $t->finish;
}

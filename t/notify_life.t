#!/usr/bin/perl

# What must not lose an event: reloads, restarts, another binary, an endpoint
# that is down for long, a process killed at the wrong moment. And what may:
# a spool that is full, which says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Find ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Crew;
use Test::Registry::Daemon;
use Test::Registry::Notify;
use Test::Registry::Process;
use Test::Registry::Receiver;
use Test::Registry::Torture;

use constant TAGS => 64;           # of one PUT, so many events

# where no test is about time, a machine that is busy is no endpoint that fails

use constant LONG => ' timeout=30s';

my $metrics = 'location = /metrics { registry_metrics; }';

reloads();
reload_under_a_slow_one();
down_and_back();
killed_before_the_note();
upgraded();
too_much();
too_much_for_a_new_one();
new_endpoint();
replayed();
counted();
somebody_else();
renamed();
at_exit();

done_testing();


sub server {
    my ($notify, %o) = @_;

    return Test::Registry->new(master => 1, server => $metrics,
        http => $notify, location => 'registry_delete on;', %o)->run;
}


# One PUT with 64 tags; the keys of its events.

sub many {
    my ($t, $image, $n) = @_;

    my @tags = map { "n$n-$_" } 1 .. TAGS;
    my $r = tag_put($t, 'app', "$image->{digest}?" . join('&', map {
        "tag=$_" } @tags), $image);

    return $r->status == 201 ? map { "push app:$_" } @tags : ();
}


# --- reloads ----------------------------------------------------------------

# Clients push through a reload each second; each of them has its events, in
# its order.

sub reloads {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci') . LONG . ';',
        workers => 2);
    my %image = map { $_ => stocked($t, "c$_") } 1 .. 3;
    my $seconds = torture(6);

    $hook->answers('/ci', { delay => 0.05 });

    my $reloader = sub {
        for (1 .. $seconds) {
            sleep 1;
            kill 'HUP', $t->pid;
        }
        return ();
    };
    my @pushers = map {
        my $n = $_;
        again($seconds, [$t], 0.02, sub {
            my ($c, $i) = @_;
            my $r = $c->put("/v2/c$n/manifests/v$i",
                body => $image{$n}{bytes},
                headers => [['Content-Type', $image{$n}{type}]]);

            # a worker that ends closes what is idle, sometimes too soon for
            # the client

            if (!$r->status) {
                $_[0] = $t->connect;
                return ();
            }
            return [$r->status, "push c$n:v$i"];
        })
    } 1 .. 3;

    my ($none, @seen) = crew($seconds + 60, $reloader, @pushers);

    # the last of them is through when its manager was begun
    wait_for(20, sub {
        my $log = $t->log_text;
        my $asked = () = $log =~ /\(SIGHUP\) received/g;

        return $asked >= $seconds
            && $log !~ /\(SIGHUP\) received(?!.*start cache manager)/s
            && children($t->pid) == 3 && manager_of($t);
    });
    $t->_expect_workers;

    my ($count, @wrong) = (0);
    for my $list (@seen) {
        my @want = map { $_->[1] } grep { $_->[0] == 201 } @$list;
        push @wrong, grep { $_->[0] != 201 } @$list;
        $count += @want;
        wait_for(30, sub { !out_of_order(\@want, $hook->events('/ci')) });
        push @wrong, out_of_order(\@want, $hook->events('/ci'));
    }

    is("@wrong", '', 'a reload each second: all that was pushed, in order');
    cmp_ok($count, '>', 10, 'something was pushed');

    # a delivery under way ends with the process, and comes again

    my $twice = duplicates($hook->events('/ci'));
    cmp_ok($twice, '<=', 50 * $seconds, 'what a reload cut off comes twice');
    is(join(' ', $hook->overlapping('/ci')), '',
        'two processes never deliver at once');
    figure('pushes under reloads', $count);
    figure('duplicates under reloads', $twice);
    $t->finish;
}


# An endpoint that is waited for keeps nobody else waiting: who was idle, or had
# an answer, is told by the next process.

sub reload_under_a_slow_one {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify slow ' . $hook->url('/slow')
        . ' timeout=20s; registry_notify late ' . $hook->url('/late')
        . LONG . '; registry_notify ci ' . $hook->url('/ci') . LONG . ';');
    my $image = stocked($t, 'app');

    $hook->wait_events("/$_", 2) for qw(slow late ci);
    $hook->answers('/slow', { how => 'stall', times => 1 }, { });
    $hook->answers('/late', { delay => 2, times => 1 }, { });
    tag_put($t, 'app', 'before', $image);
    $hook->wait_events('/ci', 3);
    wait_for(10, sub { 2 == grep { ($hook->posts($_))[-1]{body} =~ /before/ }
        qw(/slow /late) });

    my $old = manager_of($t);
    my $began = time;
    kill 'HUP', $t->pid;
    wait_for(10, sub { (manager_of($t) // $old) != $old });
    tag_put($t, 'app', 'after', $image);

    for my $name (qw(ci late)) {
        my @events = $hook->wait_events("/$name", 4, 10);
        is(join(' ', map { key_of($_) } @events[2 .. $#events]),
            'push app:before push app:after',
            "a reload while another one stalls: $name is told, once");
    }
    ok(alive($old), 'the old process waits for that one');
    cmp_ok(time - $began, '<', 15, 'and nobody else does');

    # it goes away, and comes back to the next process

    $hook->down;
    $hook->run;
    my @events = $hook->wait_events('/slow', 5);
    is(join("\n", out_of_order(['push app:before', 'push app:after'],
        @events)), '', 'who stalled is told as well');
    is(join(' ', map { $hook->overlapping("/$_") } qw(ci late)), '',
        'two processes never deliver at once');

    wait_for(30, sub { children($t->pid) == 2 });
    $t->_expect_workers;
    $t->finish;
}


# --- F56 --------------------------------------------------------------------

sub down_and_back {
    my $hook = Test::Registry::Receiver->new;
    my $t = server('registry_events_size 512m; registry_notify ci '
        . $hook->url('/ci')
        . ' threshold=2 backoff=200ms max_backoff=500ms batch=200'
        . LONG . ';');
    my $image = stocked($t, 'app');
    my $rounds = torture(32, 1600);
    my ($rss, @want) = (0);

    for my $n (1 .. $rounds) {
        push @want, many($t, $image, $n);
        $rss ||= rss_of(manager_of($t));
        $t->restart if $n == int $rounds / 2;
        $t->reload if $n == int 3 * $rounds / 4;
    }

    is(scalar @want, $rounds * TAGS, "F56 $rounds PUTs, all of them taken");

    my @spooled = grep { $_->{target}{tag} } tail_of($t->root);
    is(scalar @spooled, scalar @want, 'F56 all are in the spool');

    wait_for(10, sub { (metric_of($t, 'registry_notifications_pending',
        endpoint => 'ci') // 0) >= @want });
    cmp_ok(metric_of($t, 'registry_notifications_pending',
        endpoint => 'ci') // -1, '>=', scalar @want,
        'F56 and the metrics tell how many wait');

    $hook->run;
    my @events = $hook->wait_events('/ci', 2 + @want, torture(60, 1800));
    is(join("\n", out_of_order(\@want, @events)), '',
        'F56 an endpoint that is back gets all of it, in order');
    my $twice = duplicates(@events);
    is($twice, 0, 'F56 none of it twice: nobody was killed');

    my %id = map { key_of($_) => $_->{id} } @spooled;
    my @other = grep { ($id{ key_of($_) } // $_->{id}) ne $_->{id} } @events;
    is(scalar @other, 0, 'F56 with the ids that they had all the time');

    cmp_ok(rss_of(manager_of($t)), '<', $rss + (24 << 20),
        'F56 the process that delivers has not grown') if !sanitized();

    my $pending;
    wait_for(10, sub { !($pending = metric_of($t,
        'registry_notifications_pending', endpoint => 'ci')) });
    is($pending, 0, 'F56 nothing waits any more');
    figure('events of an endpoint that was down', scalar @want);
    $t->finish;
}


# --- F57 --------------------------------------------------------------------

# The endpoint has it, and the process that delivered dies before it knows.

sub killed_before_the_note {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci') . LONG . ';');
    my $image = stocked($t, 'app');
    my $rounds = torture(3, 100);

    $t->allow_log(qr/cache manager process \d+ exited on signal 9/);
    $hook->wait_events('/ci', 2);

    for my $n (1 .. $rounds) {
        my $manager;
        wait_for(10, sub { $manager = manager_of($t) });
        $hook->forget;
        $hook->answers('/ci', { how => 'kill', pid => $manager, times => 1 },
            { });

        my @want = many($t, $image, $n);
        my @events = $hook->wait_events('/ci', TAGS + 1, 30);
        wait_for(20, sub { !out_of_order(\@want, $hook->events('/ci')) });
        @events = $hook->events('/ci');

        my ($first) = grep { $_->{how} eq 'kill' } $hook->posts('/ci');
        my %count;
        $count{ $_->{id} }++ for @events;
        my @once = grep { $count{ $_->{id} } < 2 }
            Test::Registry::Receiver::events_of($first);
        is(scalar @once, 0,
            'F57 killed before the note: delivered again, with the same id');
        is(join("\n", out_of_order(\@want, @events)), '',
            'F57 in the same order, and nothing is left out');
        is(duplicates(@events), scalar Test::Registry::Receiver::events_of(
            $first), 'F57 no more than that comes twice');
    }

    $t->finish;
}


# --- another binary ---------------------------------------------------------

sub upgraded {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = Test::Registry::Daemon->new(master => 1, workers => 1,
        http => 'registry_notify ci ' . $hook->url('/ci') . LONG . ';',
        location => 'registry_delete on;')->run;
    my $image = stocked($t, 'app');
    my $i = 0;
    my @want;
    my $puts = sub {
        for (1 .. 15) {
            $i++;
            push @want, "push app:v$i"
                if tag_put($t, 'app', "v$i", $image)->status == 201;
        }
    };

    $hook->answers('/ci', { delay => 0.1 });
    $puts->();
    my $old = $t->pid;
    my $new = $t->upgrade;
    $puts->();
    kill 'WINCH', $old;
    $puts->();
    kill 'QUIT', $old;
    $puts->();
    $t->take($new);
    $puts->();

    # and back again

    my $third = $t->upgrade;
    $puts->();
    kill 'WINCH', $new;
    sleep 0.5;
    kill 'HUP', $new;
    wait_for(10, sub { $t->workers_of($new) == 1 });
    kill 'QUIT', $third;
    $puts->();
    wait_for(20, sub { !alive($third) });
    $t->take($new);
    $puts->();

    is(scalar @want, 15 * 8, 'another binary: every push is taken');
    my @events = $hook->wait_events('/ci', 2 + @want, 30);
    is(join("\n", out_of_order(\@want, @events)), '',
        'another binary, and back: all events, in order');
    my $twice = duplicates(@events);
    cmp_ok($twice, '<=', 4 * 50, 'what was cut off comes twice');
    figure('duplicates of four changes of the binary', $twice);
    is(join(' ', $hook->overlapping('/ci')), '', 'and never two at once');
    $t->finish;
}


# --- the size limit ---------------------------------------------------------

# The oldest go, also those that were not delivered; how many is counted, and
# stands in the log beside the name.

sub too_much {
    my $hook = Test::Registry::Receiver->new;
    my $t = server('registry_events_size 1m; registry_notify ci '
        . $hook->url('/ci')
        . ' threshold=1 backoff=500ms max_backoff=500ms' . LONG . ';');
    my $image = stocked($t, 'app');
    my $log = length $t->log_text;
    my @want = map { many($t, $image, $_) } 1 .. 40;

    is(scalar @want, 40 * TAGS, 'more events than there is room for');

    my $size = 0;
    File::Find::find({ no_chdir => 1, wanted => sub {
        $size += -s _ if -f $_ } }, events_dir($t));
    cmp_ok($size, '<=', 1.3 * (1 << 20), 'the spool keeps its size');
    cmp_ok($size, '>=', 200_000, 'and keeps what it can');

    $hook->run;
    my @events;
    wait_for(40, sub {
        @events = $hook->events('/ci');
        return grep { key_of($_) eq $want[-1] } @events;
    });

    my %place = map { $want[$_] => $_ } 0 .. $#want;
    my @got = grep { defined } map { $place{ key_of($_) } } @events;
    my @gap = grep { $got[$_] != $got[$_ - 1] + 1 } 1 .. $#got;

    # what was read before it went is delivered still

    is($got[-1], $#want, 'the newest are delivered');
    cmp_ok(scalar @gap, '<=', 1, 'those that went were one after the other')
        or diag join ' ', map { "$got[$_ - 1]-$got[$_]" } @gap;
    my @large = grep { Test::Registry::Receiver::events_of($_) > 50 }
        $hook->posts('/ci');
    is(scalar @large, 0, 'no batch is larger for it');

    # the two blobs came first of all

    my $lost = 2 + @want - @events;
    cmp_ok($lost, '>', 0, 'some went');
    my $metric;
    wait_for(10, sub { $metric = metric_of($t,
        'registry_notifications_dropped_total', endpoint => 'ci') });
    is($metric, $lost, 'as many as the metrics say');

    my @lines = grep { /\bci\b/ && /\b\d+ events?\b/ && /drop/ }
        split /\n/, substr $t->log_text, $log;
    cmp_ok(scalar @lines, '>=', 1, 'the log tells of it, with the name');
    my $told = 0;
    $told += /\b(\d+) events?\b/ ? $1 : 0 for @lines;
    is($told, $lost, 'and the numbers add up');
    figure('events dropped', $lost);
    $t->finish;
}


# An endpoint that never had anything hears of what went, too, from the first
# event on: where it stands is noted before there is one.

sub too_much_for_a_new_one {
    my $hook = Test::Registry::Receiver->new;
    my $t = server('registry_events_size 1m; registry_notify ci '
        . $hook->url('/ci')
        . ' threshold=1 backoff=500ms max_backoff=500ms' . LONG . ';');

    ok(wait_for(20, sub { -e events_dir($t) . '/endpoints/ci' }),
        'a new endpoint is noted before there is an event');
    my %begun = status_of($t->root);
    cmp_ok($begun{ci}{cursor}, '>', 0, 'and where it begins');

    my $image = stocked($t, 'app');
    my @want = map { many($t, $image, $_) } 1 .. 40;
    is(scalar @want, 40 * TAGS, 'more events than there is room for');

    # the process that read the first of them is gone

    $t->restart;
    my @kept = map { key_of($_) } tail_of($t->root);
    my $lost = 2 + @want - @kept;
    cmp_ok($lost, '>', 0, 'some went');

    my %ci;
    wait_for(30, sub { %ci = status_of($t->root); $ci{ci}{lost} });
    is($ci{ci}{lost}, $lost, 'registryctl events status: so many are lost');
    is(metric_of($t, 'registry_notifications_dropped_total',
        endpoint => 'ci'), $lost, 'and the metrics');
    like($t->log_text, qr/\b$lost events of .* dropped before webhook "ci"/,
        'and the log');

    # counted once, whoever begins again with what was not delivered

    for (1 .. 2) {
        $t->restart;
        wait_for(30, sub {
            my %now = status_of($t->root);
            return $now{ci}{failures} > $ci{ci}{failures};
        });
        %ci = status_of($t->root);
    }
    is($ci{ci}{lost}, $lost, 'no restart counts them again');

    $hook->run;
    my @got;
    wait_for(40, sub {
        @got = map { key_of($_) } $hook->taken('/ci');
        return @got >= @kept;
    });
    is(join("\n", @got), join("\n", @kept), 'the rest is delivered, in order');
    %ci = status_of($t->root);
    is($ci{ci}{lost}, $lost, 'and no more is lost');
    figure('events dropped before the first delivery', $lost);
    $t->finish;
}


# --- endpoints that come and change -----------------------------------------

sub new_endpoint {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' secret=%%DIR%%/secret;', write => { secret => "one\n" });
    my $image = stocked($t, 'app');

    tag_put($t, 'app', 'before', $image);
    $hook->wait_events('/ci', 3);

    $t->{http} .= ' registry_notify late ' . $hook->url('/late') . ';';
    $t->write_file('secret', "two\n");
    $t->reload;
    wait_for(10, sub { manager_of($t) });
    tag_put($t, 'app', 'after', $image);

    my @late = $hook->wait_events('/late', 1);
    sleep 0.3;
    @late = $hook->events('/late');
    is(join(' ', map { key_of($_) } @late), 'push app:after',
        'a new endpoint begins with what is new');

    $hook->wait_events('/ci', 4);
    my ($first, $last) = ($hook->posts('/ci'))[0, -1];
    is(Test::Registry::Receiver::header($first, 'X-Registry-Signature-256'),
        Test::Registry::Receiver::signature($first, 'one'),
        'signed with the secret of the time');
    is(Test::Registry::Receiver::header($last, 'X-Registry-Signature-256'),
        Test::Registry::Receiver::signature($last, 'two'),
        'and after a reload with the new one');

    # nothing of it lies in the store

    my @told;
    File::Find::find({ no_chdir => 1, wanted => sub {
        push @told, $_ if -f $_ && (file_text($_) // '') =~ /^(?:one|two)$/m
    } }, events_dir($t));
    is("@told", '', 'no secret is in the store');
    $t->finish;
}


# --- registryctl ------------------------------------------------------------

sub replayed {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci') . LONG . ';');
    my $image = stocked($t, 'app');

    tag_put($t, 'app', "v$_", $image) for 1 .. 10;
    my @first = $hook->wait_events('/ci', 12);
    my @tail = tail_of($t->root);
    is_deeply([map { $_->{id} } @tail], [map { $_->{id} } @first],
        'registryctl events tail shows what was delivered');

    my $r = ctl('events', 'replay', $t->root, 'ci');
    is_exit($r, 0, 'registryctl events replay');
    my @all = $hook->wait_events('/ci', 24);
    is_deeply([map { $_->{id} } @all[12 .. $#all]],
        [map { $_->{id} } @first], 'all of it is delivered once more');

    is_exit(ctl('events', 'replay', $t->root, 'none'), 1, 'replay to nobody');

    my %status;
    wait_for(10, sub {
        %status = status_of($t->root);
        return ($status{ci}{behind} // 1) == 0;
    });
    is($status{ci}{behind}, 0, 'status: nothing is left');
    is($status{ci}{state}, 'idle', 'status: idle');
    is($status{ci}{lost}, 0, 'status: nothing is lost');
    is($status{ci}{delivered}, 24, 'status: how many were delivered');

    # of what cannot be delivered it says why not

    $hook->down;
    tag_put($t, 'app', "w$_", $image) for 1 .. 5;
    wait_for(15, sub {
        %status = status_of($t->root);
        return $status{ci}{state} eq 'fails' && $status{ci}{behind} == 5;
    });
    is($status{ci}{behind}, 5, 'status: behind by five');
    is($status{ci}{state}, 'fails', 'status: fails');
    cmp_ok($status{ci}{failures}, '>', 0, 'status: so often');
    isnt($status{ci}{error}, '', 'status: and why');

    # the part that was not replayed stays where it is

    $hook->run;
    wait_for(20, sub { ({ status_of($t->root) })->{ci}{behind} == 0 });
    $hook->forget;
    my ($from) = map { $_->{sequence} } grep { key_of($_->{event})
        eq 'push app:w4' } map { JSON::PP->new->utf8->decode($_) }
        split /\n/, ctl(qw(events tail --json -n 3), $t->root)->{out};
    is_exit(ctl('events', 'replay', $t->root, 'ci', '--from', $from), 0,
        'replay from a number on');
    $hook->wait_events('/ci', 2);
    sleep 0.5;
    is(join(' ', map { key_of($_) } $hook->events('/ci')),
        'push app:w4 push app:w5', 'those from there on');
    $t->finish;
}


# --- metrics ----------------------------------------------------------------

sub counted {
    my $hook = Test::Registry::Receiver->new->run;
    my $dead = Test::Registry::Receiver->new;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' threshold=9 backoff=100ms' . LONG . ';'
        . ' registry_notify dead ' . $dead->url('/dead')
        . ' threshold=1 backoff=200ms max_backoff=300ms;');

    $hook->answers('/ci', { status => 503, times => 2 }, { status => 202 });
    $t->push_image('app', 'v1');
    $hook->wait_posts('/ci', 3);

    my $name = 'registry_notifications_events_total';
    my $of = sub { metric_of($t, $name, endpoint => 'ci', type => $_[0]) };
    wait_for(10, sub { ($of->('Successes') // 0) == 3 });
    my %got = map { $_ => $of->($_) } qw(Events Successes Failures Errors);
    is($got{Events}, 3, 'metrics: events');
    is($got{Successes}, 3, 'metrics: successes');
    cmp_ok($got{Failures} // 0, '>=', 2, 'metrics: failures');
    is($got{Errors} // 0, 0, 'metrics: errors');

    my $text = $t->get('/metrics')->body;
    for my $row (['503', '2'], ['202', '[1-3]']) {
        my ($code, $n) = @$row;
        ok($text =~ /^registry_notifications_status_total\{[^}]*
            code="$code[^}]*\}\ $n$/mx, "metrics: answers of $code")
            or diag grep { /notif/ } split /^/, $text;
    }
    my $pending;
    wait_for(10, sub { ($pending = metric_of($t,
        'registry_notifications_pending', endpoint => 'dead') // 0) == 3 });
    is($pending, 3, 'metrics: three wait for who is dead');
    ok(wait_for(10, sub { (metric_of($t, $name, endpoint => 'dead',
        type => 'Errors') // 0) > 0 }), 'metrics: its errors');

    $t->reload;
    wait_for(10, sub { manager_of($t) });
    is(metric_of($t, $name, endpoint => 'ci', type => 'Successes'), 3,
        'metrics: a reload keeps them');

    # another process tries the same ones

    my $dead_of = sub { metric_of($t, $name, endpoint => 'dead',
        type => $_[0]) // 0 };
    my $errors = $dead_of->('Errors');
    ok(wait_for(10, sub { $dead_of->('Errors') > $errors + 9 }),
        'metrics: what fails is tried again behind it');
    is($dead_of->('Events'), 3, 'metrics: an event is counted once');

    # unless it is told to

    is_exit(ctl('events', 'replay', $t->root, 'ci'), 0, 'replay');
    wait_for(10, sub { (metric_of($t, $name, endpoint => 'ci',
        type => 'Successes') // 0) == 6 });
    is(metric_of($t, $name, endpoint => 'ci', type => 'Events'), 6,
        'metrics: what is told once more is counted once more');
    $t->finish;
}


# What is pending is so for all that deliver from one store, whoever does.

sub somebody_else {
    my $hook = Test::Registry::Receiver->new;
    my $notify = 'registry_notify ci ' . $hook->url('/ci')
        . ' threshold=1 backoff=200ms max_backoff=300ms;';
    my $t = server($notify);
    my $pending = sub { metric_of($t, 'registry_notifications_pending',
        endpoint => 'ci') // -1 };

    $t->push_image('app', 'v1');
    ok(wait_for(20, sub { $pending->() == 3 }), 'three are pending');

    # while it is not configured here, another nginx takes it

    $t->{http} = '';
    $t->reload;
    my $other = server($notify, root => $t->root);
    ok(wait_for(20, sub { metric_of($other,
        'registry_notifications_events_total', endpoint => 'ci',
        type => 'Errors') }), 'another nginx tries to deliver them');
    $t->{http} = $notify;
    $t->reload;

    $hook->run;
    $hook->wait_events('/ci', 3);
    ok(wait_for(20, sub { $pending->() == 0 }),
        'what that has delivered is not pending here');

    $_->allow_log(qr/webhook "ci" at/) for $t, $other;
    $other->finish(audit => 0);
    $t->finish;
}


# Endpoints that are not configured any more leave their places to others.

sub renamed {
    my $dead = Test::Registry::Receiver->new;
    my $hooks = sub {
        my ($name, $n) = @_;
        return join "\n", map { "registry_notify $name$_ "
            . $dead->url('/dead') . ';' } 1 .. $n;
    };
    my $counts = sub {
        my ($t, $name) = @_;
        return metric_of($t, 'registry_notifications_pending',
            endpoint => $name);
    };

    my $t = server($hooks->('a', 100));
    is($counts->($t, 'a100'), 0, 'a hundred endpoints');
    is($counts->($t, 'b1'), undef, 'and no other');

    $t->{http} = $hooks->('a', 50) . $hooks->('b', 70);
    $t->reload;
    is($counts->($t, $_), 0, "$_, behind a reload") for qw(a1 a50 b1 b70);
    is($counts->($t, 'a51'), undef, 'but not what is gone');
    $t->finish;
}


# --- pulls, at the end ------------------------------------------------------

# They wait for company in the memory of a worker; QUIT does not lose them.

sub at_exit {
    my $hook = Test::Registry::Receiver->new;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' action=pull timeout=1s;');
    my $image = $t->push_image('app', 'v1');

    for my $signal (qw(QUIT TERM)) {
        $t->get('/v2/app/manifests/v1') for 1 .. 5;
        ok($t->stop(signal => $signal), "$signal: nginx ends")
            or diag $t->{stop_text};
        my $pulls = grep { $_->{action} eq 'pull' } tail_of($t->root);
        is($pulls, $signal eq 'QUIT' ? 5 : 10,
            "$signal: what was pulled just before is in the spool");
        $t->run;
    }
    $t->finish;
}

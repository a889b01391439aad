#!/usr/bin/perl

# Memory for manifests that are pushed: what a worker takes for many at once,
# who waits and who is told to come back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Held;
use Test::Registry::HTTP2;
use Test::Registry::Torture;


settings();

my $t = Test::Registry->new(workers => 1, h2c => 1,
    location => 'registry_delete on;',
    http => 'registry_manifest_memory 8m;')->run;

my $data = image(seed => 'memory');
$t->push_image('app', 'v1', image => $data);
my $small = $data->{bytes};

in_order();
bodies();
slowly();
refused();
not_taken();
waits();
behind();
goes_away();

clear();
$t->finish;

no_thread();
bounded();

done_testing();


sub settings {
    my %bad = (
        'http|registry_manifest_memory 1023k;' => qr/at least 1m/,
        'http|registry_manifest_memory 0;' => qr/at least 1m/,
        'http|registry_manifest_memory x;' => qr/invalid value/,
        'http|registry_manifest_memory 2m; registry_manifest_memory 2m;'
            => qr/is duplicate/,
        'location|registry_manifest_memory 2m;' => qr/not allowed here/,
    );

    for my $case (sort keys %bad) {
        my ($where, $line) = split /\|/, $case;
        my ($rc, $text) = Test::Registry->new($where => $line)->check;
        ok($rc > 0 && $text =~ /\[emerg\] .*$bad{$case}.*nginx\.conf:\d/,
            "refused: $line") or diag $text;
    }
}


# The audit would read them all.

sub clear {
    is_status($t->delete('/v2/app/_nginx/repository/content'), 202,
        'the large manifests go');
}


# A right manifest of that many values and about that many bytes.

sub large {
    my ($values, $size, $seed) = @_;

    my $fill = '{},' x $values;
    my $text = substr($small, 0, -1) . ",\"seed\":\"$seed\",\"x\":[${fill}0],"
        . '"pad":""}';
    my $short = $size - length $text;
    substr $text, -2, 0, 'p' x $short if $short > 0;
    return $text;
}


sub start_put {
    my ($body, $tag, %o) = @_;

    my $c = $t->connect;
    $c->start('PUT', "/v2/app/manifests/$tag", length => length $body,
        headers => { 'Content-Type' => OCI_MANIFEST });
    $c->send(substr $body, 0, length($body) - ($o{without} || 0));
    return $c;
}


# Each of them may take all there is: they are parsed one behind the other.

sub in_order {
    my @c = map { start_put(large(100_000, 310_000, $_), "o$_") } 1 .. 12;
    my $n = grep { $_->reply->status == 201 } @c;
    is($n, 12, 'A48 twelve large manifests at once are taken in turn');

    @c = map { start_put($small, "s$_") } 1 .. 40;
    $n = grep { $_->reply->status == 201 } @c;
    is($n, 40, 'forty small ones are taken at once');

    is_status($t->push_manifest('app', 'whole', large(190_000, 4_000_000, 'w'),
        OCI_MANIFEST), 201, 'one that may need more than there is');
}


# Bytes that are sent and held: large ones are refused, small ones never.

sub bodies {
    my $big = large(1000, 3_900_000, 'b');
    my @c = map { start_put($big, "b$_", without => 1) } 1 .. 2;

    sleep 0.3;
    my $r = start_put($big, 'b3')->reply;
    is_error($r, 503, 'TOOMANYREQUESTS', 'A48 a third large one');
    is_header($r, 'Retry-After', qr/\A[1-9]\d*\z/, 'and when to try again');
    like($r->body, qr/too many large manifests/, 'in words');

    is_status($t->push_manifest('app', "s$_", $small, OCI_MANIFEST), 201,
        'small ones are taken') for 1 .. 3;
    is_status($t->push_manifest('app', 'm1', large(10, 60_000, 'm'),
        OCI_MANIFEST), 201, 'up to 64k');

    $c[0]->send('}');
    is($c[0]->reply->status, 201, 'what is there already goes on');
    $c[1]->close;

    ok(wait_for(5, sub {
        start_put($big, 'b3')->reply->status == 201
    }), 'and the memory is given back');

    # Announced is not held.

    @c = map { $t->connect } 1 .. 20;
    $_->start('PUT', '/v2/app/manifests/a', length => 4_000_000,
        headers => { 'Content-Type' => OCI_MANIFEST }) for @c;
    is(start_put($big, 'b4')->reply->status, 201,
        'who announces and sends nothing takes nothing');
}


# Few who send a byte now and then do not keep out everybody else.

sub slowly {
    my $big = large(1000, 3_900_000, 'slow');
    my @c = map { start_put($big, "t$_", without => 100) } 1 .. 2;
    my $status = 0;

    for (1 .. 80) {
        sleep 0.5;
        $_->send('p') for @c;
        next if $_ < 20 || $_ % 4;
        $status = start_put($big, 't3')->reply->status;
        last if $status == 201;
    }

    is($status, 201,
        'A48 a large manifest, after ten seconds of two that trickle');
    my $r = $c[0]->reply;
    is_error($r, 503, 'TOOMANYREQUESTS', 'A48 one of them gives way');
    like($r->body, qr/it comes in too slowly/, 'in words');
    $_->close for @c;

    ok(wait_for(5, sub {
        start_put($big, 't4')->reply->status == 201
    }), 'and nothing is left taken');
}


# Who was refused before his body ended, and goes on sending, holds nothing.

sub refused {
    my $big = large(1000, 3_900_000, 'refused');
    my @c;

    for my $i (1 .. 6) {
        my $c = $t->connect;
        $c->send($c->head('PUT', '/v2/app/manifests/r', chunks => [],
            headers => { 'Content-Type' => OCI_MANIFEST })
            . sprintf("%x\r\n", length $big) . "$big\r\nzz\r\n");
        is($c->reply(method => 'PUT')->status, 400, 'A33 a bad chunk');
        $c->send('x');
        push @c, $c;
    }

    is(start_put($big, 'r')->reply->status, 201,
        'A48 a body that is refused holds no memory');
}


# Nor who leaves the reply on the way: it waits for a window of his stream.

sub not_taken {
    my $big = large(1000, 3_900_000, 'left');
    my ($c, @id) = leave_replies(('x' x 3_900_000) x 2);

    is(start_put($big, 'n1')->reply->status, 201,
        'A48 a manifest whose refusal is not taken holds no memory');
    take_replies($c, 400, @id);

    my $first;
    blocked(sub {
        $first = start_put(large(100_000, 310_000, 'n2'), 'n2');
        sleep 0.3;
        ($c, @id) = leave_replies(($big) x 2);
    });
    is($first->reply->status, 201, 'the one that others waited for');
    is(start_put($big, 'n3')->reply->status, 201,
        'A48 nor one that waited for too long');
    take_replies($c, 503, @id);
}


# The same of one that finds the threads busy: one is, and one task waits.

sub no_thread {
    $t = Test::Registry->new(workers => 1, h2c => 1,
        main => 'thread_pool tiny threads=1 max_queue=1;',
        server => 'location = /metrics { registry_metrics; }',
        location => 'registry_delete on; registry_thread_pool tiny;',
        http => 'registry_manifest_memory 8m;')->run;
    $t->allow_log(qr/thread pool "tiny" queue overflow/);

    my (@busy, $c, @id);
    my @blobs = map { $t->push_blob('app', "blob $_") } 1, 2;
    $t->push_image('app', 'v1', image => $data);

    blocked(sub {
        @busy = busy_threads($t, @blobs);
        ($c, @id) = leave_replies((large(1000, 3_900_000, 'busy')) x 2);
    });
    is($_->reply->status, 202, 'a thread is at work') for @busy;
    is(start_put(large(1000, 3_900_000, 'free'), 'n4')->reply->status, 201,
        'A48 nor one that no thread had time for');
    take_replies($c, 503, @id);

    clear();
    $t->finish;
}


# Manifests on streams without a window for replies, once they are answered.

sub leave_replies {
    my (@bodies) = @_;

    my $c = Test::Registry::HTTP2->new(port => $t->h2c_port,
        settings => { initial_window_size => 0 });
    my @id = map {
        my $id = $c->open_stream('PUT', '/v2/app/manifests/left',
            headers => [['content-type', OCI_MANIFEST]]);
        $c->send_body($id, $_);
        $id;
    } @bodies;

    for my $id (@id) {
        $c->pump(20, sub { @{ $c->{streams}{$id}{headers} } });
    }

    return $c, @id;
}


sub take_replies {
    my ($c, $status, @id) = @_;

    for my $id (@id) {
        $c->window_update($id, 1 << 16);
        is_error($c->reply($id), $status, undef, 'the reply');
    }
}


# With the store's lock taken nothing ends: who waits is told to come back.

sub blocked {
    my ($code) = @_;

    my $lock = hold_store($t);
    $code->();
    close $lock;
}


sub waits {
    my ($first, $second, $r, $took);

    blocked(sub {
        $first = start_put(large(100_000, 310_000, 'x'), 'x1');
        sleep 0.3;
        my $begin = time;
        $second = start_put(large(100_000, 310_000, 'y'), 'x2');
        $r = $second->reply;
        $took = time - $begin;
    });

    is_error($r, 503, 'TOOMANYREQUESTS', 'one that has waited for too long');
    is_header($r, 'Retry-After', '1', 'is told to come back');
    cmp_ok($took, '>', 8, 'after ten seconds');
    is($first->reply->status, 201, 'the one it waited for');
    is(start_put(large(100_000, 310_000, 'y'), 'x2')->reply->status, 201,
        'and then it is taken');
}


# Who needs little waits no longer than who needs much, and stands before him.

sub behind {
    my ($first, $much, $little);

    blocked(sub {
        $first = start_put(large(10, 20_000, 'x'), 'h1');
        sleep 0.3;
        $much = start_put(large(100_000, 310_000, 'y'), 'h2');
        sleep 1.5;
        $little = start_put(large(10, 20_000, 'z'), 'h3');
        is($much->reply->status, 503, 'one that waited for too long');
        sleep 3;
    });

    is($first->reply->status, 201, 'the one it waited for');
    is($little->reply->status, 201, 'the one behind it did not wait for him');
}


# A client that goes away while he waits keeps no place.

sub goes_away {
    my (@c, $third);

    blocked(sub {
        @c = map { start_put(large(100_000, 310_000, "g$_"), "g$_") } 1 .. 3;
        sleep 0.3;
        $c[1]->close;
        $c[2]->reset;
        $third = start_put(large(100_000, 310_000, 'g4'), 'g4');
        sleep 0.3;
        $t->reload;
    });

    is($c[0]->reply->status, 201, 'the first of three');
    is($third->reply->status, 201, 'the one behind those who went away');
    is(start_put(large(100_000, 310_000, 'g5'), 'g5')->reply->status, 201,
        'nothing is left taken');
}


# The defaults: the dearest manifests there are, many at once.

sub bounded {
    $t = Test::Registry->new(workers => 1, location => 'registry_delete on;')
        ->run;
    $t->push_image('app', 'v1', image => $data);

    my ($pid) = $t->workers;
    my $bomb = large(199_900, 700_000, 'bomb');
    my $other = $t->connect;

    is(start_put($bomb, 'one')->reply->status, 201, 'one dear manifest');

    reset_peak($pid);
    my $before = rss_of($pid);
    my @c = map { start_put($bomb, "d$_") } 1 .. torture(16, 64);
    my ($slow, $ok) = (0, 0);

    for (1 .. 20) {
        my $at = time;
        is($other->get('/v2/')->status, 200, 'others are served')
            if $_ % 10 == 0;
        $slow = time - $at if time - $at > $slow;
    }

    for my $c (@c) {
        my $s = $c->reply(timeout => 60)->status;
        $ok++ if $s == 201 || $s == 503;
    }

    is($ok, scalar @c, 'A48 each is taken or told to come back');
    my $grown = int((peak_of($pid) - $before) / 1048576);
    figure('MiB taken by ' . @c . ' dear manifests at once', $grown);
    cmp_ok($grown, '<', 128, 'A48 memory stays below twice the limit')
        if !sanitized();

    if (!sanitized()) {
        ok(wait_for(5, sub { rss_of($pid) - $before < 32 << 20 }),
            'A48 and is given back') or diag rss_of($pid) - $before;
    }

    clear();
    $t->finish;
}

#!/usr/bin/perl

# registry_notify: what nginx -t refuses, a push that is told of, signed, and an
# endpoint that comes back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256_hex);
use IO::Select;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;

settings();

my $held = held_port();
my $socket = listen_at($held);
my $port = $held->sockport;

my $t = Test::Registry->new(
    master => 1,
    write => { secret => "s3cret\n", 'more headers' =>
        "# what else is sent\r\n\r\nX-Two: 2\r\nX-Three: 3" },
    location => 'registry_delete on;'
        . " registry_notify ci http://user:pass\@127.0.0.1:$port/hook?key=k"
        . ' secret=%%DIR%%/secret "header=X-One: 1"'
        . ' "header_file=%%DIR%%/more headers" backoff=100ms max_backoff=200ms;',
    server => 'location = /events { registry_events pull=off; }'
        . ' location = /metrics { registry_metrics; }',
)->run;

delivered();
comes_back();
large_answer();
feed();

unlike($t->log_text, qr/s3cret|pass\@|key=k/, 'no secret is in the log');
finish($t);


sub settings {
    my %bad = (
        'registry_notify ci' => qr/needs a name and an URL/,
        'registry_notify c/i http://a/' => qr/has the name "c\/i"/,
        'registry_notify ci ftp://a/' => qr/registry_notify/,
        'registry_notify ci http://a/ batch=0' => qr/from 1 to 1000/,
        'registry_notify ci http://a/ timeout=x' => qr/has the time "x"/,
        'registry_notify ci http://a/ action=bad' => qr/registry_notify/,
        'registry_notify ci http://a/ what=x' => qr/and nothing else/,
        'registry_notify ci http://a/ batch=1 batch=2' => qr/twice/,
        'registry_notify ci http://a/ secret=/none' => qr{"/none" failed},
        'registry_notify ci http://a/ ca=/etc/passwd' => qr/-----BEGIN/,
        'registry_notify ci http://a/ cert=/none' => qr{"/none" failed},
        'registry_notify ci http://a/ format=x' => qr/neither/,
        'registry_notify ci http://a/ backoff=2s max_backoff=1s' =>
            qr/max_backoff/,
        'registry_notify ci http://a/; registry_notify ci http://a/' =>
            qr/is duplicate/,
        'registry_notify ci http://a/; registry_notify ci http://b/' =>
            qr/one thing and another/,
        'registry_notify off; registry_notify ci http://a/' => qr/"off" here/,
        'registry_events_size 1k' => qr/at least 1m/,
    );

    for my $bad (sort keys %bad) {
        my ($rc, $text) = Test::Registry->new(location => "$bad;")->check;
        ok($rc > 0 && $text =~ $bad{$bad}, "refused: $bad") or diag $text;
    }

    my ($rc, $text) = Test::Registry->new(
        server => 'location /e { registry_events /none; }')->check;
    ok($rc > 0 && $text =~ qr/no "registry" has/, 'a feed of no registry')
        or diag $text;
}


# The next request, answered with that; undef when none comes.

my $conn;

sub request {
    my ($answer, $wait) = @_;

    my $end = time + ($wait || 15);
    my $buf = '';

    while (time < $end) {
        my $s = IO::Select->new($socket);
        $s->add($conn) if $conn;

        for my $fh ($s->can_read(0.2)) {
            if ($fh == $socket) {
                $conn = $socket->accept;
                $buf = '';
                next;
            }

            if (!sysread $fh, $buf, 65536, length $buf) {
                undef $conn;
                $buf = '';
            }
        }

        my ($head, $body) = $buf =~ /\A(.*?)\r\n\r\n(.*)\z/s or next;
        my ($len) = $head =~ /^Content-Length: (\d+)/mi;
        next if length $body < $len;

        syswrite $conn, $answer;
        return { head => $head, body => $body,
            json => JSON::PP::decode_json($body) };
    }

    return undef;
}


sub ok_answer { "HTTP/1.1 204 No Content\r\n\r\n" }


sub delivered {
    my ($bytes) = ('x' x 100);

    ok($t->push_blob('app', $bytes), 'a push');

    my $got = request(ok_answer());
    ok($got, 'is told of') or return;

    my $e = $got->{json}{events}[0];
    is($e->{action}, 'push', 'as a push');
    is($e->{target}{digest}, sha256($bytes), 'of its digest');
    like($got->{head}, qr/^X-One: 1\r$/m, 'header=');
    like($got->{head}, qr/^X-$_\r$/m, 'header_file=')
        for 'Two: 2', 'Three: 3';
    like($got->{head}, qr/^Authorization: Basic /m, 'the name in the URL');
    like($got->{head}, qr/^X-Registry-Signature-256: sha256=\Q${\
        hmac_sha256_hex($got->{body}, 's3cret')}\E\r$/m, 'signed');
}


sub comes_back {
    undef $conn;
    $socket->close;
    undef $socket;

    ok($t->push_blob('app', "down $_"), 'a push without it') for 1 .. 3;
    sleep 1;

    $socket = listen_at($held);
    my @all;

    while (@all < 3) {
        my $got = request(ok_answer()) or last;
        push @all, map { $_->{target}{digest} } @{ $got->{json}{events} };
    }

    is_deeply(\@all, [map { sha256("down $_") } 1 .. 3],
        'it gets all of them in order when it is back');
    is(scalar(() = $t->log_text =~ /webhook "ci" at "[^"]*" failed: /g), 1,
        'one line tells that it failed');
}


# 64 KB are read, the rest is not waited for.

sub large_answer {
    ok($t->push_blob('app', 'large'), 'a push');
    ok(request("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
        . 'x' x 200000), 'an answer that is large');

    ok($t->push_blob('app', 'behind'), 'another push');
    my $got = request(ok_answer());
    is($got && $got->{json}{events}[0]{target}{digest}, sha256('behind'),
        'the next comes at once, not the same again');
}


sub feed {
    my $j = $t->get('/events?after=0&n=2')->json;
    is(scalar @{ $j->{events} }, 2, 'the feed');
    is_error($t->get('/events?after=x'), 400, 'UNSUPPORTED', 'no cursor');

    my $text;
    my $end = time + 20;
    do {
        $text = $t->get('/metrics')->body;
        sleep 0.2;
    } until $text =~ /^registry_notifications_events_total\{.*"Successes"\} 6$/m
        || time > $end;

    like($text, qr/^registry_notifications_events_total\{endpoint="ci",.*"Successes"\} 6$/m,
        'six are counted');
}

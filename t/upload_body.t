#!/usr/bin/perl

# Bodies that are cut, refused early, framed wrongly, or announced with
# Expect; what stays on disk and on the connection afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;


my $t = Test::Registry->new(
    tls => 1,
    ports => 3,
    location => 'registry_delete on;',
    http => 'client_header_timeout 10s; client_body_timeout 10s;',
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        client_body_timeout 1s;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        limit_except GET HEAD { deny all; }
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_manifest_max_size 16;
    }
}
EOF
)->run;

cut_with_length();
cut_keeps();
cut_chunked();
half_closed();
half_closed_at();
reset_connection();
cut_put();
cut_whole_put();
cut_single_post();
body_timeout();
refused_early();
hidden_request();
expect();
bad_framing();
bad_chunks();
bare_lf();
old_http();

finish($t);


# Goes on from where the session stands and closes it. Whether 0-0 stands for
# no byte or for one, and whether the worker has noticed by now that the
# client went, comes out when the next bytes are refused: then it is asked
# again.

sub finish_upload {
    my ($location, $bytes, $sent, $name) = @_;

    my $last = length($bytes) - 1;
    my ($r, $end, $from);

    for my $try (0 .. 19) {
        my $status = $t->get($location);
        ($end) = ($status->header('Range') // '') =~ /\A0-(\d+)\z/;
        is_status($status, 204, "$name: the session lives"), return
            if !defined $end;

        $from = $end == 0 && $try % 2 == 0 ? 0 : $end + 1;
        $r = $t->patch($location, body => substr($bytes, $from),
            headers => { 'Content-Range' => "$from-$last" });
        last if $r->status != 416 && $r->status != 429;
        sleep 0.05;
    }

    cmp_ok($from, '<=', $sent, "$name: no byte is there that was not sent");
    is_status($r, 202, "$name: goes on");

    my $digest = sha256($bytes);
    is_status($t->put("$location?digest=$digest", body => ''), 201,
        "$name: closed");
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
        "$name: the bytes are right");
}


sub cut_with_length {
    for my $k (0, 1, 4095, 4096, 199_999) {
        for my $tls (0, 1) {
            my $bytes = blob(200_000, "cut $k $tls");
            my $l = $t->open_upload('app');
            my $c = $t->connect(tls => $tls);

            $c->start('PATCH', $l, length => length $bytes);
            $c->send(substr $bytes, 0, $k);
            sleep 0.05;
            $c->close;

            finish_upload($l, $bytes, $k,
                "A31 cut at $k" . ($tls ? ' over TLS' : ''));
        }
    }
}


# What came is kept, once it came: it is seen on disk before the client goes.

sub cut_keeps {
    my $bytes = blob(300_000, 'cut and kept');
    my $l = $t->open_upload('app');
    my ($id) = $l =~ m{([^/]+)\z};
    my $data = $t->repo_dir('app') . "/_uploads/$id/data";
    my $c = $t->connect;

    $c->start('PATCH', $l, length => length $bytes);
    $c->send(substr $bytes, 0, 200_000);
    ok(wait_for(30, sub { (-s $data // 0) == 200_000 }),
        'A31 200,000 bytes came');
    $c->close;

    my $range = '';
    wait_for(30, sub {
        $range = $t->get($l)->header('Range') // 'none';
        $range ne '0-0';
    });
    is($range, '0-199999', 'A31 and are kept when the client goes');
    finish_upload($l, $bytes, 200_000, 'A31 cut and kept');
}


sub cut_chunked {
    for my $k (0, 1, 4095, 4096, 99_999) {
        my $bytes = blob(100_000, "chunk cut $k");
        my $l = $t->open_upload('app');
        my $c = $t->connect;

        $c->start('PATCH', $l, chunks => 1);
        $c->send(sprintf("%x\r\n", $k) . substr($bytes, 0, $k) . "\r\n")
            if $k;
        $c->close;
        finish_upload($l, $bytes, $k, "A31 cut after a chunk of $k");

        # In the middle of a chunk.

        next if $k < 2;
        $bytes = blob(100_000, "mid chunk $k");
        $l = $t->open_upload('app');
        $c = $t->connect;
        $c->start('PATCH', $l, chunks => 1);
        $c->send(sprintf("%x\r\n", $k) . substr $bytes, 0, $k - 1);
        $c->close;
        finish_upload($l, $bytes, $k - 1, "A31 cut inside a chunk of $k");
    }
}


sub half_closed {
    my $bytes = blob(50_000, 'half');
    my $l = $t->open_upload('app');
    my $c = $t->connect;

    $c->start('PATCH', $l, length => 50_000);
    $c->send(substr $bytes, 0, 20_000);
    $c->half_close;
    my $r = $c->reply(timeout => 8);
    ok($r->status == 0 || $r->status >= 400,
        'A31 half closed: no 2xx for a part') or diag $r->as_text;
    $c->close;
    finish_upload($l, $bytes, 20_000, 'A31 half closed');

    # A client that sent everything may close its side and read the reply.

    $l = $t->open_upload('app');
    $c = $t->connect;
    $c->start('PATCH', $l, length => 50_000);
    $c->send($bytes);
    $c->half_close;
    is_status($c->reply, 202, 'half closed after the whole body');
}


# The same at every place of the list, with a length and in chunks. nginx may
# end such a request without a word, and the session goes on.

sub half_closed_at {
    for my $k (0, 1, 4095, 4096, 49_999) {
        for my $chunked (0, 1) {
            my $bytes = blob(50_000, "half $k $chunked");
            my $l = $t->open_upload('app');
            my $c = $t->connect;
            my $name = "A31 half closed at $k" . ($chunked ? ' in chunks' : '');

            $c->start('PATCH', $l, $chunked ? (chunks => 1)
                : (length => 50_000));
            $c->send($chunked && $k ? sprintf("%x\r\n", $k)
                . substr($bytes, 0, $k) . "\r\n" : substr $bytes, 0, $k);
            $c->half_close;
            my $r = $c->reply(timeout => 8);
            ok($r->status == 0 || $r->status >= 400, "$name: no 2xx")
                or diag $r->as_text;
            $c->close;
            finish_upload($l, $bytes, $k, $name);
        }
    }
}


sub reset_connection {
    my $bytes = blob(300_000, 'reset');

    for my $k (0, 10, 150_000) {
        my $l = $t->open_upload('app');
        my $c = $t->connect;
        $c->start('PATCH', $l, length => 300_000);
        $c->send(substr $bytes, 0, $k);
        sleep 0.05;
        $c->reset;
        finish_upload($l, $bytes, $k, "A31 reset at $k");
    }

    # A client that closes in the same moment, many times over.

    my $l = $t->open_upload('app');
    for (1 .. 50) {
        my $c = $t->connect;
        $c->start('PATCH', $l, length => 1000);
        $c->send('x' x 10);
        $c->reset;
    }
    my $r;
    wait_for(5, sub { $r = $t->delete($l); $r->status != 429 });
    is_status($r, 204, 'A31 fifty resets later the session can be cancelled');
}


# The closing PUT is cut: it never creates a blob, and the session goes on.

sub cut_put {
    my $bytes = blob(100_000, 'cut put');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');

    $t->patch($l, body => substr $bytes, 0, 40_000);

    my $c = $t->connect;
    $c->start('PUT', "$l?digest=$digest", length => 60_000);
    $c->send(substr $bytes, 40_000, 30_000);
    $c->close;

    sleep 0.2;
    is_error($t->head("/v2/app/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        'a PUT that is cut creates nothing');
    finish_upload($l, $bytes, 70_000, 'a PUT that was cut');

    # Cut so that what arrived hashes to the digest all the same.

    my $part = sha256(substr $bytes, 0, 5000);
    $l = $t->open_upload('app');
    $c = $t->connect;
    $c->start('PUT', "$l?digest=$part", length => 6000);
    $c->send(substr $bytes, 0, 5000);
    $c->close;
    sleep 0.3;
    is_error($t->head("/v2/app/blobs/$part"), 404, 'BLOB_UNKNOWN',
        'A31 a cut PUT creates nothing even when its bytes would do');
}


# One that was to bring all of the blob is sent again whole, by clients and by
# proxies that know nothing of sessions. It may come before the worker has
# noticed that the first one was cut.

sub cut_whole_put {
    my $bytes = blob(3_000_000, 'cut whole put');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');
    my ($id) = $l =~ m{([^/]+)\z};
    my $data = $t->repo_dir('app') . "/_uploads/$id/data";

    for my $how (qw(close reset)) {
        my $c = $t->connect;
        $c->start('PUT', "$l?digest=$digest", length => length $bytes);
        $c->send(substr $bytes, 0, 2_500_000);
        ok(wait_for(10, sub { -s $data }), "A31 a PUT of all of it: written");
        $c->$how;
        ok(wait_for(10, sub { !-s $data }), "A31 $how: nothing of it stays");
    }

    my $r;
    wait_for(10, sub {
        $r = $t->put("$l?digest=$digest", body => $bytes);
        return $r->status != 429;
    });
    is_status($r, 201, 'A31 it is sent again whole');
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes, 'A31 and is right');
}


sub cut_single_post {
    my $bytes = blob(50_000, 'cut post');
    my $digest = sha256(substr $bytes, 0, 20_000);

    my $c = $t->connect;
    $c->start('POST', "/v2/cutpost/blobs/uploads/?digest=$digest",
        length => 50_000);
    $c->send(substr $bytes, 0, 20_000);
    $c->close;
    sleep 0.3;

    is_error($t->head("/v2/cutpost/blobs/$digest"), 404,
        ['BLOB_UNKNOWN', 'NAME_UNKNOWN'],
        'A27 a single POST that is cut creates nothing');
}


sub body_timeout {
    my $bytes = blob(20_000, 'timeout');
    my $l = $t->open_upload('app');
    my $c = $t->connect(port => $t->extra_port(1));

    $c->start('PATCH', $l, length => 20_000);
    $c->send(substr $bytes, 0, 5000);
    my $r = $c->reply(timeout => 6);
    ok($r->status == 408 || ($r->status == 0 && $r->closed),
        'A114 a body that stops coming times out') or diag $r->as_text;
    $c->close;
    finish_upload($l, $bytes, 5000, 'A114 after a timeout');

    # A slow client that keeps sending does not.

    is_quick(0.8, 'A114 a client sends a byte now and then', sub {
        my ($longest, $last) = (0, time);

        $l = $t->open_upload('app');
        $c = $t->connect(port => $t->extra_port(1));
        $c->start('PATCH', $l, length => 20);
        for my $i (0 .. 19) {
            $c->send('z');
            $longest = time - $last if time - $last > $longest;
            $last = time;
            sleep 0.1;
        }
        $r = $c->reply;
        return $longest;
    });
    is_status($r, 202, 'A114 a slow body that keeps coming is fine');
}


# Refused before the body is read: the reply gets through, and the next
# request on the connection is not read out of the body.

sub refused_early {
    my $none = '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000';
    my $big = 'x' x 5_000_000;

    my @table = (
        ['PATCH', $none, 404, 'BLOB_UPLOAD_UNKNOWN'],
        ['PUT', "$none?digest=" . sha256('x'), 404, 'BLOB_UPLOAD_UNKNOWN'],
        ['PATCH', '/v2/APP/blobs/uploads/x', 400, 'NAME_INVALID'],
        ['POST', '/v2/app/blobs/uploads/?digest=junk', 400,
            'DIGEST_INVALID'],
        ['PUT', '/v2/foo', 404, 'UNSUPPORTED'],
        ['POST', '/v2/', 405, 'UNSUPPORTED'],
        ['PUT', '/v2/app/manifests/.x', 400, 'TAG_INVALID'],
    );
    my ($pid) = $t->workers;
    my $before = rss_of($pid);
    my @took;

    for my $row (@table) {
        my ($method, $uri, $status, $code) = @$row;

        for my $tls (0, 1) {
            my $begin = time;
            is_error($t->request($method, $uri, body => $big, tls => $tls),
                $status, $code, "5 MB refused early: $method $uri"
                . ($tls ? ' over TLS' : ''));
            push @took, time - $begin;
        }

        is_error($t->request($method, $uri, chunks => [($big) x 2]), $status,
            $code, "10 MB in chunks refused early: $method $uri");
    }

    # but for the two slowest: the machine stands still now and then

    my $slow = (sort { $b <=> $a } @took)[2];
    cmp_ok($slow, '<', sanitized() ? 10 : 2, 'R6 a refusal takes no time');
    cmp_ok(rss_of($pid) - $before, '<', (sanitized() ? 10 : 1) * (64 << 20),
        'R6 and no memory');

    # Small bodies are read off, and the connection stays or closes; either
    # way the next reply belongs to the next request.

    for my $row (@table) {
        my ($method, $uri, $status) = @$row;
        my $c = $t->connect;
        my $r = $c->request($method, $uri, body => 'y' x 1000);
        is($r->status, $status, "small: $method $uri");
        next if $c->closes_within(0.05);
        is_status($c->get('/v2/'), 200, 'the connection goes on in step');
    }
}


sub hidden_request {
    my $image = $t->push_image('app', 'hidden');
    my $inner = "DELETE /v2/app/manifests/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    my $none = '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000';

    my @table = (
        ["PUT $none?digest=" . sha256($inner), $t->port, 404],
        ["PATCH $none", $t->port, 404],
        ['PUT /v2/app/manifests/x', $t->extra_port(2), 403],
        ['PUT /v2/foo', $t->port, 404],
        ['GET /v2/', $t->port, 200],
        ['DELETE /v2/app/manifests/nothere', $t->port, 404],
        ['PUT /v2/app/manifests/x', $t->extra_port(3), 413],
        ['PUT /v2/APP/manifests/x', $t->port, 400],
        ['POST /v2/', $t->port, 405],
    );

    for my $row (@table) {
        my ($line, $port, $status) = @$row;
        my $c = $t->connect(port => $port);

        $c->send("$line HTTP/1.1\r\nHost: a\r\nContent-Length: "
            . length($inner) . "\r\n\r\n$inner");
        my ($method) = $line =~ /\A(\w+)/;
        my $r = $c->reply(method => $method);
        is($r->status, $status, "A35 $line") or diag $r->as_text;

        my $more = $c->reply(timeout => 0.5);
        is($more->status, 0, 'A35 exactly one reply') or diag $more->as_text;
    }

    is_status($t->get('/v2/app/manifests/hidden'), 200,
        'A35 what stands in a body is never run');
}


sub expect {
    my $bytes = blob(100_000, 'expect');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');

    my $r = $t->patch($l, body => $bytes, expect => 1);
    is_status($r, 202, 'A36 PATCH with Expect');
    is("@{ $r->interim }", '100', 'A36 a 100 comes first');

    $r = $t->put("$l?digest=$digest", body => '', expect => 1);
    is_status($r, 201, 'A36 PUT without a body, with Expect');

    my $none = '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000';
    $r = $t->patch($none, body => $bytes, expect => 1);
    is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN', 'A36 refused with Expect');
    is("@{ $r->interim }", '', 'A36 no 100 for a body nobody wants');

    $r = $t->patch($l, body => $bytes, expect => 1,
        port => $t->extra_port(2));
    is_error($r, 403, 'DENIED', 'A36 denied by nginx, with Expect');
    is("@{ $r->interim }", '', 'A36 no 100 either');

    $l = $t->open_upload('app');
    $r = $t->patch($l, body => 'xyz', headers => { Expect => 'junk' });
    is_status($r, 202, 'A36 Expect: junk is not looked at');
    is_header($r, 'Range', '0-2');
}


# Framing that nginx refuses before the module: nothing may come of it.

sub bad_framing {
    my $l = $t->open_upload('app');

    my @bad = (
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        'Content-Length: -3', 'Content-Length: +3', 'Content-Length: 3,3',
        'Content-Length: 0x3', 'Content-Length: 1180591620717411303424',
        'Content-Length: 3 3', 'Transfer-Encoding: xchunked',
        'Transfer-Encoding: chunked, chunked',
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked", 'Transfer-Encoding: gzip, chunked'
    );

    for my $header (@bad) {
        my $c = $t->connect;
        $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\n$header\r\n\r\n"
            . "3\r\nabc\r\n0\r\n\r\n");
        my $r = $c->reply(timeout => 5);
        my $shown = $header =~ s/\r\n/ + /gr;
        $shown =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;

        ok($r->status == 400 || $r->status == 501, "A32 $shown")
            or diag $r->as_text;
        ok($c->closes_within(6), 'A32 and the connection closes');
    }

    # These bytes nginx itself writes to the log as they are.

    $t->allow_log(qr/client sent unknown "Transfer-Encoding"/);

    my $c = $t->connect;
    $c->send("PATCH $l HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
        . "3\r\nabc\r\n0\r\n\r\n");
    my $r = $c->reply(timeout => 5);
    ok($r->status == 400 || $r->status == 501, 'A32 chunked in HTTP/1.0')
        or diag $r->as_text;
    ok($c->closes_within(6), 'A32 and the connection closes');

    is_header($t->get($l), 'Range', '0-0', 'A32 no byte has come in');
    is_status($t->put("$l?digest=" . sha256('ok'), body => 'ok'), 201,
        'A32 the session is whole');
}


sub bad_chunks {
    my @bad = ('ffffffffffffffff', '8000000000000000', '-1', '0x5', 'g', '',
        ' 5', '10000000000000000000005');

    for my $size (@bad) {
        my $l = $t->open_upload('app');
        my $c = $t->connect;
        $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n"
            . "$size\r\nhello\r\n0\r\n\r\n");
        my $r = $c->reply(timeout => 5);
        is($r->status, 400, "A33 chunk size '$size'") or diag $r->as_text;
        $c->close;

        is_header($t->get($l), 'Range', '0-0', 'A33 the offset is unchanged');
    }

    my $l = $t->open_upload('app');
    my $c = $t->connect;
    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5\r\nhelloXX0\r\n\r\n");
    my $r = $c->reply(timeout => 5);
    is($r->status, 400, 'A33 no line end after a chunk') or diag $r->as_text;
    $c->close;

    # Good chunks before the bad one: none or all of them are in.

    $l = $t->open_upload('app');
    $c = $t->connect;
    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5\r\nhello\r\nzz\r\n");
    $r = $c->reply(timeout => 5);
    is($r->status, 400, 'A33 a bad chunk after a good one')
        or diag $r->as_text;
    $c->close;
    finish_upload($l, 'hello world', 5, 'A33 after a bad chunk');

    # Of a long one neither names nor space are kept.

    my $long = blob(1 << 20, 'nonsense');
    my $bad = sprintf("%x\r\n", length $long) . "$long\r\nzz\r\n";

    $l = $t->open_upload('nonsense');
    my ($data) = glob $t->repo_dir('nonsense') . '/_uploads/*/data';

    for my $request ("PATCH $l", 'POST ' . with_query(
        '/v2/nonsense/blobs/uploads/', digest => sha256($long)))
    {
        $c = $t->connect;
        $c->send("$request HTTP/1.1\r\nHost: a\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n$bad");
        is($c->reply(timeout => 5)->status, 400, 'A33 a bad chunk after 1 MiB')
            or diag $request;
        $c->close;
    }

    ok(wait_for(5, sub { !-s $data }), 'A33 the space of a PATCH is free again');
    my $left;
    ok(wait_for(5, sub {
        $left = () = glob $t->repo_dir('nonsense') . '/_uploads/*';
        return $left == 1;
    }), 'A27 nothing is left of a single POST') or diag "$left sessions";
    is_status($t->delete($l), 204, 'the session of the PATCH is there');
}


sub bare_lf {
    my $l = $t->open_upload('app');
    my $c = $t->connect;

    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5\nhello\n0\n\n");
    my $r = $c->reply(timeout => 5);
    ok($r->status == 202 || $r->status == 400, 'A34 chunk lines with bare LF')
        or diag $r->as_text;
    $c->close;
    finish_upload($l, 'hello world', 5, 'A34 after bare LF');
}


sub old_http {
    my $l = $t->open_upload('app');
    my $r = $t->patch($l, body => 'old', http => '1.0');

    is_status($r, 202, 'A37 PATCH in HTTP/1.0 with a length');
    is_header($r, 'Range', '0-2');

    # Without either there is no body, and a PATCH of nothing changes nothing.

    is_status($t->patch($l, http => '1.0', timeout => 5), 202,
        'A37 PATCH in HTTP/1.0 without a length');
    is_status($t->patch($l, timeout => 5), 202,
        'A37 PATCH with neither length nor chunks');
    my $k = $t->open_upload('app');
    is_error($t->put("$k?digest=" . sha256('old'), timeout => 5), 400,
        'DIGEST_INVALID', 'A37 PUT with neither');
    is_error($t->put('/v2/app/manifests/none', timeout => 5, http => '1.0'),
        400, 'MANIFEST_INVALID', 'A37 a manifest with neither');

    is_header($t->get($l), 'Range', '0-2', 'A37 no byte has come in');
    is_status($t->put("$l?digest=" . sha256('old'), http => '1.0'), 201,
        'A37 PUT in HTTP/1.0 without a body');
}

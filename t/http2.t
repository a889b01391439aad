#!/usr/bin/perl

# The same pushes and pulls over HTTP/2, and what only HTTP/2 can do wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::HTTP2;


my $t = Test::Registry->new(tls => 1, h2c => 1,
    location => 'registry_delete on;')->run;

curl_push();
push_and_pull($_) for qw(tls h2c);
small_windows();
small_frames();
padding();
errors();
early_answer();
stream_reset();
connection_lost();
one_post_lost();
wrong_length();
one_session_at_once();
many_streams();
many_resets();
header_flood();
trailers();
slow_reader();

finish($t);


sub h2 {
    my (%o) = @_;

    return Test::Registry::HTTP2->new(
        port => $t->tls_port, tls => 1, ca => $t->ca, %o);
}


sub h2c {
    my (%o) = @_;

    return Test::Registry::HTTP2->new(port => $t->h2c_port, %o);
}


# A client that many people use, over TLS and in the clear.

sub curl {
    my ($method, $uri, %o) = @_;

    my $dir = File::Temp::tempdir(CLEANUP => 1);
    my $base = $o{tls} ? 'https://localhost:' . $t->tls_port
        : 'http://localhost:' . $t->h2c_port;
    my @how = $o{tls} ? ('--http2', '--cacert', $t->ca)
        : ('--http2-prior-knowledge');

    if (defined $o{body}) {
        $t->write_file("$dir/body", $o{body});
        push @how, '--data-binary', "\@$dir/body", '-H',
            'Content-Type: ' . ($o{type} || 'application/octet-stream');
    }

    push @how, '-I' if $method eq 'HEAD';

    my ($rc, $out) = run_command(30, 'curl', '-sS', '--noproxy', '*',
        '--max-time', 25, '--resolve', 'localhost:' . $t->tls_port
        . ':127.0.0.1', '-X', $method, '-D', "$dir/head", '-o', "$dir/out",
        '-w', '%{http_version} %{http_code}', @how, "$base$uri");
    my ($version, $status) = $out =~ /(\S+) (\d+)\z/;

    my $read = sub {
        open my $fh, '<:raw', "$dir/$_[0]" or return '';
        local $/;
        return scalar(<$fh>) // '';
    };
    my @blocks = split /\r\n\r\n/, $read->('head');
    my @headers = map { [split /:\s*/, $_, 2] }
        grep { /:/ } split /\r\n/, $blocks[-1] // '';

    is($version, '2', "curl: $method speaks HTTP/2") or diag $out;

    return Test::Registry::Reply->new(request => "$method $uri",
        status => $status || 0, headers => \@headers, complete => $rc == 0,
        error => $rc ? $out : '',
        body => $method eq 'HEAD' ? '' : $read->('out'));
}


sub curl_push {
    SKIP: {
        my ($rc, $out) = run_command(10, 'curl', '-V');
        skip_tests('no curl with HTTP/2', 42)
            if $rc != 0 || $out !~ /\bHTTP2\b/;

        for my $tls (1, 0) {
            my $image = image(seed => "curl $tls",
                layers => [blob(2_000_000, "curl $tls")]);

            for my $blob ($image->{config}, @{ $image->{layers} }) {
                my $d = sha256($blob);
                my $r = curl('POST', '/v2/curl/blobs/uploads/', tls => $tls);
                is_status($r, 202, 'curl: POST') or last;
                my $l = $r->header('Location');
                is_status(curl('PATCH', $l, tls => $tls, body => $blob), 202,
                    'curl: PATCH');
                is_status(curl('PUT', "$l?digest=$d", tls => $tls), 201,
                    'curl: PUT');
            }

            my $r = curl('PUT', '/v2/curl/manifests/v1', tls => $tls,
                body => $image->{bytes}, type => OCI_MANIFEST);
            is_status($r, 201, 'curl: manifest');
            is_header($r, 'docker-content-digest', $image->{digest});
            is_whole(curl('GET', '/v2/curl/manifests/v1', tls => $tls),
                $image->{bytes}, 'curl: GET manifest');
            my $d = sha256($image->{layers}[0]);
            is_whole(curl('GET', "/v2/curl/blobs/$d", tls => $tls),
                $image->{layers}[0], 'curl: GET blob');
            is_header(curl('HEAD', "/v2/curl/blobs/$d", tls => $tls),
                'content-length', 2_000_000);
        }
    }
}


sub push_and_pull {
    my ($how) = @_;

    my $c = $how eq 'tls' ? h2() : h2c();
    my $bytes = blob(3_000_000, "h2 $how");
    my $digest = sha256($bytes);

    my $r = $c->request('POST', '/v2/h2/blobs/uploads/', body => '');
    is_status($r, 202, "$how: POST");
    my $l = $r->header('Location');

    $r = $c->request('PATCH', $l, body => substr $bytes, 0, 1_000_000);
    is_status($r, 202, "$how: PATCH without a length");
    is_header($r, 'Range', '0-999999');
    $r = $c->request('PATCH', $l, body => substr($bytes, 1_000_000, 1_000_000),
        headers => [['content-length', 1_000_000],
            ['content-range', '1000000-1999999']]);
    is_status($r, 202, "$how: PATCH with a length and a range");
    is_header($r, 'Range', '0-1999999');
    $r = $c->request('PUT', "$l?digest=$digest",
        body => substr($bytes, 2_000_000));
    is_status($r, 201, "$how: PUT with the rest");
    is_header($r, 'Docker-Content-Digest', $digest);

    $r = $c->request('HEAD', "/v2/h2/blobs/$digest");
    is_status($r, 200, "$how: HEAD");
    is_header($r, 'Content-Length', 3_000_000);
    is_whole($c->request('GET', "/v2/h2/blobs/$digest"), $bytes,
        "$how: GET");
    $r = $c->request('GET', "/v2/h2/blobs/$digest",
        headers => [['range', 'bytes=2999990-']]);
    is($r->status, 206, "$how: a range");
    is($r->body, substr($bytes, -10), 'the right bytes');

    # Short bodies, empty ones, and none.

    for my $size (0, 1, 100) {
        my $b = 's' x $size;
        $r = $c->request('POST', '/v2/h2/blobs/uploads/?digest=' . sha256($b),
            body => $b);
        is_status($r, 201, "$how: one POST of $size bytes");
    }

    $r = $c->request('POST', '/v2/h2/blobs/uploads/');
    is_status($r, 202, "$how: POST that ends with its head");
    $r = $c->request('PUT', $r->header('Location') . '?digest=' . sha256(''));
    is_status($r, 201, "$how: PUT that ends with its head");

    $r = $c->request('PUT', '/v2/h2/manifests/v1', headers => [
        ['content-type', OCI_INDEX]], body => to_json(manifest_index([])));
    is_status($r, 201, "$how: a manifest");
    is_status($c->request('GET', '/v2/h2/tags/list'), 200, "$how: a list");
}


# A reader who opens his window byte by byte, or not at all for a while.

sub small_windows {
    my $bytes = blob(20_000, 'windows');
    my $digest = $t->push_blob('h2', $bytes);

    for my $window (1, 100, 16_384) {
        my $size = $window == 1 ? 300 : 20_000;
        my $c = h2(settings => { initial_window_size => $window });
        my $r = $c->request('GET', "/v2/h2/blobs/$digest",
            headers => [['range', 'bytes=0-' . ($size - 1)]]);
        is($r->status, 206, "pull through a window of $window");
        ok($r->body eq substr($bytes, 0, $size), 'the bytes are right');
    }

    my $c = h2(settings => { initial_window_size => 0 });
    my $id = $c->open_stream('GET', "/v2/h2/blobs/$digest", end => 1);
    my $r = $c->reply($id, 0.5);
    is(length $r->body, 0, 'a closed window lets nothing through');
    $c->window_update($id, 5);
    $c->pump(15, sub { length $c->{streams}{$id}{data} >= 5 });
    is($c->{streams}{$id}{data}, substr($bytes, 0, 5), 'then five bytes');
    $c->window_update($id, 1 << 20);
    ok($c->reply($id)->body eq $bytes, 'then all');

    # Other streams of the connection do not wait for one that is shut.

    $id = $c->open_stream('GET', "/v2/h2/blobs/$digest", end => 1);
    my $other = $c->open_stream('HEAD', "/v2/h2/blobs/$digest", end => 1);
    is_status($c->reply($other), 200, 'others are served meanwhile');
    $c->reset_stream($id);
}


sub small_frames {
    my $bytes = blob(3000, 'frames');
    my $c = h2();
    my $l = $t->open_upload('h2');

    my $id = $c->open_stream('PATCH', $l);
    $c->send_body($id, $bytes, size => 1);
    my $r = $c->reply($id);
    is_status($r, 202, 'DATA frames of one byte');
    is_header($r, 'Range', '0-2999');

    $id = $c->open_stream('PATCH', $l);
    $c->data($id, '') for 1 .. 20;
    $c->data($id, 'x');
    $c->data($id, '', end => 1);
    $r = $c->reply($id);
    is_status($r, 202, 'DATA frames of nothing');
    is_header($r, 'Range', '0-3000');

    is_status($t->put("$l?digest=" . sha256($bytes . 'x'), body => ''), 201,
        'the bytes are right');
}


sub padding {
    my $bytes = blob(300_000, 'padding');
    my $c = h2();
    my $l = $t->open_upload('h2');

    my $id = $c->open_stream('PATCH', $l);
    $c->send_body($id, $bytes, pad => 200, size => 5000);
    is_status($c->reply($id), 202, 'DATA with padding');
    is_status($t->put("$l?digest=" . sha256($bytes), body => ''), 201,
        'padding is no data');
}


sub errors {
    my $c = h2();

    is_error($c->request('GET', '/v2/h2/manifests/none'), 404,
        'MANIFEST_UNKNOWN', 'an error');
    is_error($c->request('GET', '/v2/H2/tags/list'), 400, 'NAME_INVALID',
        'another one');
    is_error($c->request('PUT', '/v2/foo', body => 'x' x 1000), 404,
        'UNSUPPORTED', 'one with a body');
    is_error($c->request('PATCH', '/v2/h2/blobs/uploads/none',
        body => 'x' x 1000), 404, 'BLOB_UPLOAD_UNKNOWN', 'an unknown upload');
    is_status($c->request('GET', '/v2/'), 200, 'the connection goes on');
}


# A refusal while the body still comes: the reply arrives, the stream ends,
# the connection stays.

sub early_answer {
    my $c = h2();
    my $id = $c->open_stream('PATCH', '/v2/h2/blobs/uploads/none');
    $c->send_body($id, 'z' x 5_000_000, end => 0, timeout => 5);
    my $r = $c->reply($id, 5);
    is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN', 'refused in front of 5 MB');
    is_status($c->request('GET', '/v2/'), 200, 'the connection goes on');
}


sub offset {
    my ($location) = @_;

    my $r;
    wait_for(5, sub { $r = $t->get($location); $r->status == 204 });
    return ($r->header('Range') // '') =~ /\A0-(\d+)\z/ ? $1 : undef;
}


# Who is slow to save may tell an older offset first: it is asked again.

sub resume {
    my ($l, $bytes, $sent, $name) = @_;

    my $c = h2();
    my ($r, $end, $from);

    for my $try (0 .. 39) {
        $end = offset($l);
        last if !defined $end || $end > $sent;

        $from = $end == 0 && $try % 2 == 0 ? 0 : $end + 1;
        $r = $c->request('PATCH', $l, body => substr($bytes, $from),
            headers => [['content-range',
                "$from-" . (length($bytes) - 1)]]);
        last if $r->status != 416 && $r->status != 429;
        sleep 0.05;
    }

    ok(defined $end, "$name: the session lives") or return;
    cmp_ok($end, '<=', $sent, "$name: no more than was sent") or return;
    is_status($r, 202, "$name: goes on");
    is_status($c->request('PUT', "$l?digest=" . sha256($bytes)), 201,
        "$name: and the bytes are right");
}


sub stream_reset {
    my $bytes = blob(500_000, 'reset');
    my $c = h2();

    for my $k (0, 1, 65_536, 400_000) {
        my $l = $t->open_upload('h2');
        my $id = $c->open_stream('PATCH', $l);
        $c->send_body($id, substr($bytes, 0, $k), end => 0) if $k;
        sleep 0.05;
        $c->reset_stream($id);
        resume($l, $bytes, $k, "stream reset after $k");
        is_status($c->request('GET', '/v2/'), 200,
            'the connection goes on');
    }

    # A reset of the closing PUT creates nothing.

    my $l = $t->open_upload('h2');
    my $id = $c->open_stream('PUT', "$l?digest=" . sha256('part'));
    $c->data($id, 'part');
    $c->reset_stream($id);
    sleep 0.2;
    is_error($c->request('HEAD', '/v2/h2/blobs/' . sha256('part')), 404,
        'BLOB_UNKNOWN', 'A101 a PUT that was reset creates nothing');
    is_status($t->put("$l?digest=" . sha256('part'), body => 'part'), 201,
        'A101 and can be sent again');
}


sub connection_lost {
    my $bytes = blob(500_000, 'lost');

    for my $how (qw(close reset)) {
        my $l = $t->open_upload('h2');
        my $c = h2c();
        my $id = $c->open_stream('PATCH', $l);
        $c->send_body($id, substr($bytes, 0, 200_000), end => 0);
        $c->client->$how;
        resume($l, $bytes, 200_000, "connection lost by $how");
    }

    # That much more than the first window could be sent tells that three
    # quarters of it were taken, at least: a larger one follows then, while the
    # rest may still be under way.  The server may learn of the loss as it opens
    # the next one.

    my $least;

    for (1 .. 40) {
        my $l = $t->open_upload('h2');
        my $c = h2c();
        my $id = $c->open_stream('PATCH', $l);
        $c->send_body($id, $bytes, end => 0);
        $c->client->reset;
        my $end = offset($l) // 0;
        $least = $end if !defined $least || $end < $least;
    }

    cmp_ok($least, '>=', 49_151, 'what was taken is kept each time');
}


# Bodies that are whole, or wrong, before there is a session for them: nobody
# is told its id, so none may stay.

sub one_post_lost {
    my $c = h2();

    for my $i (1 .. 5) {
        my $b = "reset $i";
        my $id = $c->open_stream('POST',
            '/v2/lost/blobs/uploads/?digest=' . sha256($b));
        $c->data($id, $b, end => 1);
        $c->reset_stream($id);

        $b = "length $i";
        $id = $c->open_stream('POST',
            '/v2/lost/blobs/uploads/?digest=' . sha256($b),
            headers => [['content-length', 100]]);
        $c->data($id, $b, end => 1);
        is($c->reply($id)->status, 400,
            'A101 one POST, shorter than it says');
    }

    my @left;
    my $dir = $t->repo_dir('lost') . '/_uploads';
    ok(wait_for(5, sub { !(@left = glob "$dir/*") }),
        'A101 one POST that is reset, or wrong, leaves no session')
        or diag "@left";
}


# content-length against the DATA that comes (RFC 9113, 8.1.1).

sub wrong_length {
    for my $row ([10, 'x' x 5], [10, 'x' x 20], [0, 'x']) {
        my ($length, $body) = @$row;
        my $n = length $body;
        my $l = $t->open_upload('h2');
        my $c = h2();
        my $id = $c->open_stream('PATCH', $l,
            headers => [['content-length', $length]]);
        $c->data($id, $body, end => 1);
        my $r = $c->reply($id, 5);
        ok($r->status == 0 || $r->status >= 400,
            "A101 content-length $length with $n bytes") or diag $r->as_text;

        $c = h2();
        $id = $c->open_stream('PUT', "$l?digest=" . sha256($body),
            headers => [['content-length', $length]]);
        $c->data($id, $body, end => 1);
        $r = $c->reply($id, 5);
        ok($r->status == 0 || $r->status >= 400,
            "A101 the same in a closing PUT") or diag $r->as_text;
        is_error($t->head('/v2/h2/blobs/' . sha256($body)), 404,
            'BLOB_UNKNOWN', 'A101 and nothing is created');
    }
}


# A hundred PATCHes of one session, all open at once on one connection.

sub one_session_at_once {
    my $c = h2();
    my $l = $t->open_upload('h2');
    my @ids = map { $c->open_stream('PATCH', $l) } 1 .. 100;

    $c->data($_, 'ab') for @ids;
    $c->data($_, 'cd', end => 1) for @ids;

    my %codes;
    $codes{ $c->reply($_)->status }++ for @ids;
    ok($codes{202} && !(grep { !/\A(?:202|429)\z/ } keys %codes),
        'A101 a hundred PATCHes of one session') or diag explain \%codes;

    my $n = $codes{202};
    is(offset($l), 4 * $n - 1, 'A101 the offset says how many were taken');
    is_status($t->put("$l?digest=" . sha256('abcd' x $n), body => ''), 201,
        'A101 no two of them are mixed');
}


# As many uploads as the server allows, each of its own session.

sub many_streams {
    my $c = h2();
    my $n = $c->{max_streams} && $c->{max_streams} < 100
        ? $c->{max_streams} : 100;
    my $bytes = blob(100_000, 'many streams');
    my @l = map { $t->open_upload('h2') } 1 .. $n;
    my @ids = map { $c->open_stream('PATCH', $_) } @l;

    # In turn, a piece of each, as far as the windows go.

    my @at = (0) x $n;
    wait_for(40, sub {
        my $left = 0;
        $c->pump(0.01, sub { 0 });
        for my $i (0 .. $n - 1) {
            my $s = $c->{streams}{ $ids[$i] };
            my $room = $s->{window} < $c->{window} ? $s->{window}
                : $c->{window};
            my $size = length($bytes) - $at[$i];
            $size = 10_000 if $size > 10_000;
            $size = $room if $size > $room;
            if ($size > 0) {
                $at[$i] += $size;
                $c->data($ids[$i], substr($bytes, $at[$i] - $size, $size),
                    end => $at[$i] == length $bytes);
            }
            $left++ if $at[$i] < length $bytes;
        }
        return !$left;
    });

    my $bad = grep { $_->status != 202 } map { $c->reply($_) } @ids;
    is($bad, 0, "$n uploads at once on one connection");
    $bad = grep { $_->status != 201 }
        map { $t->put("$_?digest=" . sha256($bytes), body => '') } @l;
    is($bad, 0, 'all of them right');
}


# Streams opened and reset as fast as can be, while an upload goes on.

sub many_resets {
    my $bytes = blob(200_000, 'resets');
    my $l = $t->open_upload('h2');
    my $up = $t->connect;
    $up->start('PATCH', $l, length => length $bytes);
    $up->send(substr $bytes, 0, 100_000);

    my $sent = 0;
    for my $round (1 .. 10) {
        my $c = eval { h2c() } or next;
        my $k = $t->open_upload('h2');
        for (1 .. 1000) {
            last if $c->closed || defined $c->goaway;
            my $id = $c->open_stream($_ % 2 ? 'PATCH' : 'GET',
                $_ % 2 ? $k : '/v2/');
            $c->data($id, 'x') if $_ % 2;
            $c->reset_stream($id);
            $c->pump(0, sub { 0 }) if $_ % 50 == 0;
            $sent++;
        }
        $c->close;
    }
    cmp_ok($sent, '>', 100, "A101 $sent streams opened and reset");

    $up->send(substr $bytes, 100_000);
    is_status($up->reply, 202, 'A101 the upload beside it is unharmed');
    is_status($t->put("$l?digest=" . sha256($bytes), body => ''), 201,
        'A101 and right');
    is_status(h2()->request('GET', '/v2/'), 200,
        'A101 new connections are served');
}


sub header_flood {
    for my $row ([300, 30], [1000, 5], [10, 1500]) {
        my ($count, $size) = @$row;
        my $c = h2();
        my $id = $c->open_stream('GET', '/v2/', end => 1, headers =>
            [map { ["x-$_", 'y' x $size] } 1 .. $count]);
        my $r = $c->reply($id, 5);
        ok($r->status == 200 || $r->status >= 400 || $c->closed
            || defined $c->goaway || $r->error =~ /reset/,
            "A101 $count headers of $size bytes") or diag $r->as_text;
    }
    is_status(h2()->request('GET', '/v2/'), 200, 'A101 the worker lives');
}


sub trailers {
    my $c = h2();
    my $l = $t->open_upload('h2');
    my $id = $c->open_stream('PATCH', $l);
    $c->data($id, 'hello');
    $c->frame(1, 5, $id, "\0\x09x-trailer\x01y");
    my $r = $c->reply($id, 5);
    ok($r->status == 202 || $r->status == 0 || $r->status >= 400,
        'A101 trailers: taken or refused') or diag $r->as_text;
    is_header($r, 'Range', '0-4', 'A101 and they are no data')
        if $r->status == 202;
    is_status(h2()->request('GET', '/v2/'), 200, 'A101 the worker lives');
}


# The reader sleeps with half of a blob in flight.

sub slow_reader {
    my $bytes = blob(2_000_000, 'slow reader');
    my $digest = $t->push_blob('h2', $bytes);
    my $c = h2(auto_window => 0);
    my $id = $c->open_stream('GET', "/v2/h2/blobs/$digest", end => 1);

    $c->pump(1, sub { 0 });
    cmp_ok(length $c->{streams}{$id}{data}, '<=', 65_535,
        'the server keeps to the window');
    $c->window_update(0, 10_000_000);
    $c->window_update($id, 10_000_000);
    ok($c->reply($id)->body eq $bytes, 'and goes on when it opens');
}

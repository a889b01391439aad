#!/usr/bin/perl

# Many at once, slow ones, odd ones, a full queue, a slow disk.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Trace;


pipelining();
pipelined_chunks();
huge_chunks();
odd_headers();
mirrored();
mirrored_whole();
mirrored_here();
slow_uploads();
slow_downloads();
idle_connections();
many_sessions();
queue_overflow();
no_second_thread();
slow_disk();

done_testing();


# A sanitizer needs memory of its own.

sub slack { return sanitized() ? 20 : 1 }


sub pipelining {
    my $t = Test::Registry->new->run;
    my $image = $t->push_image('app', 'v1', layers => [blob(50_000, 'pipe')]);
    my $layer = sha256($image->{layers}[0]);
    my $l = $t->open_upload('app');

    my @requests = (
        ['GET', '/v2/'], ['HEAD', "/v2/app/blobs/$layer"],
        ['GET', "/v2/app/blobs/$layer"], ['GET', '/v2/app/manifests/none'],
        ['HEAD', '/v2/app/manifests/none'], ['GET', '/v2/app/manifests/v1'],
        ['PATCH', $l, 'abc'], ['GET', $l], ['GET', '/v2/app/tags/list'],
        ['PUT', "$l?digest=" . sha256('abcdef'), 'def'],
        ['GET', '/v2/app/blobs/' . sha256('abcdef')],
        ['GET', '/v2/', 'a body that nobody wants'], ['GET', '/v2/_catalog']
    );
    my @want = (200, 200, 200, 404, 404, 200, 202, 204, 200, 201, 200, 200,
        200);

    my $c = $t->connect;
    my $bytes = '';
    for my $r (@requests) {
        my ($method, $uri, $body) = @$r;
        $bytes .= $c->head($method, $uri, body => $body) . ($body // '');
    }
    $c->send($bytes);

    for my $i (0 .. $#requests) {
        my $r = $c->reply(method => $requests[$i][0]);
        is($r->status, $want[$i], "pipelined: @{$requests[$i]}[0, 1]")
            or diag $r->as_text;
        is($r->body, 'abcdef', 'the bytes that were just pushed')
            if $i == 10;
    }

    # The same, a few bytes at a time.

    $l = $t->open_upload('app');
    $bytes = $c->head('PATCH', $l, body => 'xyz') . 'xyz'
        . $c->head('GET', $l);
    for my $piece (unpack '(a3)*', $bytes) {
        $c->send($piece);
        sleep 0.001;
    }
    is($c->reply(method => 'PATCH')->status, 202, 'three bytes at a time');
    is_header($c->reply, 'Range', '0-2', 'and the request behind it');

    $t->finish;
}


# Of a body in chunks it is not known where it ends, so that what stands behind
# it is read with it.  What is more than nginx has a buffer for headers for is
# not answered: the connection ends, and the client repeats it on another.

sub pipelined_chunks {
    my $t = Test::Registry->new->run;
    my $closed = 0;

    for my $size (100, 70_000, 1_500_000) {
        for my $behind (3_000, 90_000, 900_000) {
            my $what = "$behind bytes behind $size in chunks";
            my ($one, $two) = (blob($size, $what), blob($behind, "2 $what"));
            my ($l, $m) = ($t->open_upload('app'), $t->open_upload('app'));
            my ($d, $e) = (sha256($one), sha256($two));

            my @requests = (
                ['PATCH', $l, chunks => [unpack '(a32768)*', $one]],
                ['PATCH', $m, body => $two],
                ['PUT', "$l?digest=$d", body => ''],
                ['PUT', "$m?digest=$e", body => ''],
                ['GET', "/v2/app/blobs/$d"], ['GET', "/v2/app/blobs/$e"]
            );

            my ($got, $ends) = pipeline($t, @requests);
            $closed += $ends;

            is("@{[map { $_->status } @$got]}", '202 202 201 201 200 200',
                $what);
            ok($got->[4]->body eq $one, "$what: the first as it was sent");
            ok($got->[5]->body eq $two, "$what: the other as it was sent");
            is($ends, 0, "$what: on one connection") if $behind < 8_000;
        }
    }

    cmp_ok($closed, '>', 0, 'what is too long ends a connection');

    $t->finish;
}


# All at once, and what was not answered again; the replies, and how many
# connections ended before that.

sub pipeline {
    my ($t, @requests) = @_;
    my (@got, $ended);

    while (@requests) {
        my $c = $t->connect;
        my $bytes = join '', map { request_bytes($c, @$_) } @requests;
        my $reply;

        $c->send($bytes);

        while (@requests) {
            $reply = $c->reply(method => $requests[0][0]);
            last if !$reply->status;
            push @got, $reply;
            shift @requests;
            last if ($reply->header('Connection') // '') eq 'close';
        }

        $c->close;
        last if !$reply->status;
        $ended++ if @requests;
    }

    return (\@got, $ended // 0);
}


sub request_bytes {
    my ($c, $method, $uri, %o) = @_;
    my $bytes = $c->head($method, $uri, %o) . ($o{body} // '');

    return $bytes if !$o{chunks};

    return join '', $bytes,
        (map { sprintf("%x\r\n", length) . "$_\r\n" } @{ $o{chunks} }),
        "0\r\n\r\n";
}


# Sizes at the end of what nginx can count, while it waits for the rest of them.

sub huge_chunks {
    my $t = Test::Registry->new->run;
    my @pids = $t->workers;

    for my $size (qw(3ffffffffffffff0 7ffffffffffbffff 7ffffffffffffff0
                     7ffffffffffffff6 7ffffffffffffff9 7ffffffffffffffa
                     7fffffffffffffff ffffffffffffffff))
    {
        for my $with ('', "\r\n") {
            my $c = $t->connect;
            $c->send($c->head('PATCH', $t->open_upload('app'), chunks => []));
            sleep 0.1;
            $c->send("$size$with", unless_reply => 1);
            sleep 0.1;
            $c->send('x' x 500_000, unless_reply => 1);
            $c->close;
        }
    }

    is($t->get('/v2/')->status, 200, 'A33 chunks of huge sizes');
    is("@{[$t->workers]}", "@pids", 'and no worker died of them');

    $t->finish;
}


sub odd_headers {
    my $t = Test::Registry->new->run;

    my @table = (
        ["X-Big: " . 'x' x 40_000, [400, 431, 494]],
        [join("\r\n", map { "X-$_: y" } 1 .. 1000), [200, 400, 431]],
        ["X-A: b\r\n folded", [400]], ["X-A: b\0c", [400]],
        ["X-A: b\rc", [400]], ['X-A : b', [400, 200]],
        ['no colon here', [200, 400]],
        ["Range: bytes=0-1\r\nRange: bytes=2-3", [200, 206, 400]],
        ["Accept: */*\r\nAccept: text/html", [200]],
    );

    for my $row (@table) {
        my ($header, $want) = @$row;
        my $c = $t->connect;
        $c->send("GET /v2/ HTTP/1.1\r\nHost: a\r\n$header\r\n"
            . "Connection: close\r\n\r\n");
        my $r = $c->reply(timeout => 5);
        my $name = substr $header =~ s/[^\x20-\x7e]/./gr, 0, 40;
        ok((grep { $r->status == $_ } @$want), "A102 $name")
            or diag $r->as_text;
    }

    # Docker tries TLS on a plain port first: refused at once. nginx writes
    # to the log what it got.

    $t->allow_log(qr/client sent invalid method/);
    my $hello = $t->connect;
    $hello->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\0" x 517);
    ok($hello->closes_within(10), 'a TLS hello on a plain port is cut off');

    for my $method ('GET', 'HEAD', 'DELETE', 'POST', 'PATCH', 'PUT') {
        my $c = $t->connect;
        $c->send("$method /v2/ HTTP/1.1\r\n\r\n");
        is($c->reply(timeout => 5)->status, 400, "A102 $method without Host");
    }

    is_status($t->get('/v2/'), 200, 'A102 the worker goes on');
    $t->finish;
}


# mirror reads the whole body first: the module gets it from memory or from a
# temporary file.

sub mirrored {
    my $t = Test::Registry->new(
        server => 'location = /mirror { internal; return 204; }',
        location => 'mirror /mirror; client_body_buffer_size 16k;')->run;

    for my $size (0, 100, 100_000, 3_000_000) {
        my $bytes = blob($size, "mirror $size");
        my $digest = sha256($bytes);
        my $l = $t->open_upload('app');
        my $half = int $size / 2;

        is_status($t->patch($l, body => substr $bytes, 0, $half), 202,
            "mirror: PATCH of $half bytes");
        is_status($t->put("$l?digest=$digest",
            chunks => [substr $bytes, $half]), 201, 'mirror: PUT in chunks');
        is_whole($t->get("/v2/app/blobs/$digest"), $bytes,
            'mirror: the bytes are right');
        is_status($t->post('/v2/app/blobs/uploads/?digest='
            . sha512($bytes), body => $bytes), 201, 'mirror: one POST');
    }

    my $image = eval { $t->push_image('app', 'v1') };
    ok($image, 'mirror: an image') or diag $@;
    my $data = manifest($image->{data}{config}, []);
    my $big = padded_manifest($data, 300_000);
    is_status($t->push_manifest('app', 'big', $big), 201,
        'mirror: a manifest in a temporary file');
    is_whole($t->get('/v2/app/manifests/big'), $big, 'mirror: is right');

    my $over = padded_manifest($data, (4 << 20) + 1);
    is_error($t->push_manifest('app', 'over', $over), 413,
        'MANIFEST_INVALID', 'mirror: one that is too large');

    my @left = glob "$t->{dir}/temp/client_body/*";
    is("@left", '', 'mirror: no temporary file is left');
    $t->finish;
}


# What is mirrored may be a registry, too: there is one body for all of them.

sub mirrored_here {
    my $t = Test::Registry->new(
        server => join('', map { "location = /$_ { internal;"
            . " registry %%DIR%%/$_; rewrite ^ /v2/app/blobs/uploads/ break; }"
            } qw(one two)),
        location => 'mirror /one; mirror /two;'
            . ' client_body_buffer_size 16k;')->run;

    for my $size (100, 10_000, 1_000_000) {
        my $bytes = blob($size, "here $size");
        my $digest = sha256($bytes);

        is_blob_created($t->post("/v2/app/blobs/uploads/?digest=$digest",
            body => $bytes), 'app', $digest, "mirror here: $size bytes");

        my ($hex) = $digest =~ /:((..).*)/;
        for my $root (qw(one two)) {
            my $data = "$t->{dir}/$root/docker/registry/v2/blobs/sha256/"
                . substr($hex, 0, 2) . "/$hex/data";
            ok(wait_for(30, sub { -e $data }), "mirror here: $root has them");
        }
    }

    $t->finish(roots => ["$t->{dir}/one", "$t->{dir}/two"]);
}


# What is mirrored gets the body as well, whatever becomes of ours.

sub mirrored_whole {
    my $t = Test::Registry->new(ports => 1,
        server => 'location = /mirror {
            internal;
            proxy_pass http://127.0.0.1:%%PORT1%%$request_uri;
        }',
        location => 'mirror /mirror;',
        servers => 'server {
            listen 127.0.0.1:%%PORT1%%;
            client_max_body_size 0;
            location /v2/ { registry %%DIR%%/other; }
        }')->run;

    my $other = sub { $t->get($_[0], port => $t->extra_port(1)) };

    for my $size (100, 300_000) {
        my $config = blob($size, "mirrored $size");
        my $digest = sha256($config);
        is_status($t->post("/v2/app/blobs/uploads/?digest=$digest",
            body => $config), 201, "mirror: a blob of $size");
        ok(wait_for(10, sub { $other->("/v2/app/blobs/$digest")->status
            == 200 }), 'mirror: is there, too');

        my $bytes = padded_manifest(manifest(
            descriptor(OCI_CONFIG, $config), []), $size + 900);
        is_status($t->push_manifest('app', "v$size", $bytes), 201,
            "mirror: a manifest of $size");
        ok(wait_for(10, sub { $other->("/v2/app/manifests/v$size")->status
            == 200 }), 'mirror: is there, too');
        is_whole($other->("/v2/app/manifests/v$size"), $bytes,
            'mirror: byte by byte');
        is_whole($t->get("/v2/app/manifests/v$size"), $bytes, 'mirror: both');
    }

    $t->finish;
}


# 500 uploads on one worker, all slow, all finishing.

sub slow_uploads {
    SKIP: {
        skip_tests('a worker may not open 4,000 files here', 10)
            if file_limit() < 4000;
        slow_uploads_here();
    }
}


sub slow_uploads_here {
    my $t = Test::Registry->new(http => 'client_body_timeout 60s;')->run;
    my ($pid) = $t->workers;
    my $n = 500;
    my $bytes = blob(200_000, 'slow');
    my $digest = sha256($bytes);

    my $first = $t->open_upload('warm');
    $t->put("$first?digest=$digest", body => $bytes);
    my $before = rss_of($pid);
    my @fds = fds_of($pid);

    my (@c, @l);
    for my $i (0 .. $n - 1) {
        push @l, $t->open_upload("slow/r$i");
        push @c, $t->connect(timeout => 60);
        $c[$i]->start('PUT', "$l[$i]?digest=$digest",
            length => length $bytes);
    }

    my $peak = 0;
    for my $round (0 .. 9) {
        $_->send(substr $bytes, $round * 20_000, 20_000) for @c;
        my $rss = rss_of($pid);
        $peak = $rss if $rss > $peak;

        if ($round == 5) {
            is_quick(1, 'A114 others are served at once', sub {
                my $begin = time;
                is_status($t->get('/v2/'), 200,
                    "A114 $n slow uploads meanwhile");
                return time - $begin;
            });
            my $b = blob(10_000, 'other');
            is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256($b),
                body => $b), 201, 'A114 another push works meanwhile');
        }
    }

    my @status = map { $_->reply->status } @c;
    is((grep { $_ == 201 } @status) + 0, $n, "A114 all $n finish");
    my $each = ($peak - $before) / $n;

    cmp_ok($each, '<', slack() * (3 << 20), sprintf
        'A114 %.0f KiB each, less than 3 MiB', $each / 1024);

    $_->close for @c;
    ok(wait_for(10, sub { fds_of($pid) <= @fds + 5 }),
        'S5 the descriptors are back') or diag scalar(fds_of($pid)), ' of ',
            scalar @fds;
    is_whole($t->get("/v2/slow/r0/blobs/$digest"), $bytes,
        'A114 the bytes are right');
    $t->finish;
}


sub slow_downloads {
    my $t = Test::Registry->new(server => 'send_timeout 3s;')->run;
    my ($pid) = $t->workers;
    my $bytes = blob(20_000_000, 'slow down');
    my $digest = $t->push_blob('app', $bytes);
    my @fds = fds_of($pid);
    my $before = rss_of($pid);

    my @c = map { $t->connect } 1 .. 200;
    $_->start('GET', "/v2/app/blobs/$digest") for @c;
    sleep 0.5;

    my $each = (rss_of($pid) - $before) / 200;
    cmp_ok($each, '<', slack() * (256 << 10), sprintf
        'A114 %.0f KiB for each download that nobody reads', $each / 1024);

    # As soon as the socket buffers are full.

    ok(wait_for(10, sub {
        my $begin = time;
        return $t->get('/v2/')->status == 200 && time - $begin < 0.2;
    }), 'A114 others are served at once');
    ok(wait_for(10, sub { fds_of($pid) <= @fds + 5 }),
        'A114 send_timeout closes them') or diag scalar fds_of($pid);

    # What arrives of such a one is cut and not ended early.

    my $r = $c[0]->reply;
    ok(!$r->complete && $r->body eq substr($bytes, 0, length $r->body),
        'S2 a reply that cannot be completed is cut');
    $_->close for @c;
    $t->finish;
}


sub idle_connections {
    my $t = Test::Registry->new(http => 'keepalive_timeout 30s;')->run;
    my ($pid) = $t->workers;
    my $image = $t->push_image('app', 'v1');
    my $before = rss_of($pid);

    my @c = map { $t->connect } 1 .. 500;
    my $bad = 0;
    for (@c) {
        $bad++ if $_->get('/v2/app/manifests/v1')->status != 200;
        my $r = $_->post('/v2/app/blobs/uploads/?digest=' . sha256('idle'),
            body => 'idle');
        $bad++ if $r->status != 201;
    }
    is($bad, 0, '500 connections, a pull and a push on each');

    my $each = (rss_of($pid) - $before) / 500;
    cmp_ok($each, '<', slack() * (64 << 10), sprintf
        '%.1f KiB for each idle connection', $each / 1024);

    $_->close for @c;
    $t->finish;
}


# Sessions without bytes cost the worker nothing.

sub many_sessions {
    my $t = Test::Registry->new(http => 'keepalive_requests 10000;')->run;
    my ($pid) = $t->workers;
    my $c = $t->connect;
    my @fds = fds_of($pid);
    my (@l, $bad);

    for (1 .. 1000) {
        my $r = $c->post('/v2/app/blobs/uploads/', body => '');
        $r->status == 202 ? push @l, $r->header('Location') : $bad++;
    }
    is($bad // 0, 0, 'A113 a thousand open sessions');
    cmp_ok(scalar fds_of($pid), '<=', @fds + 5,
        'A113 hold no descriptors');
    $bad = grep { $c->delete($_)->status != 204 } @l;
    is($bad, 0, 'A113 all of them can be cancelled');
    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    is(scalar @left, 0, 'A113 and leave nothing');
    $t->finish;
}


# A pool of one thread with room for one task, and a disk that takes its time.

sub queue_overflow {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 6)
            if !Test::Registry::Trace::available();

        my $t = Test::Registry->new(
            main => 'thread_pool tiny threads=1 max_queue=1;',
            location => 'registry_thread_pool tiny;')->run;
        my $image = $t->push_image('app', 'v1');
        my @l = map { $t->open_upload('app') } 1 .. 20;
        my ($pid) = $t->workers;

        $t->allow_log(qr/thread pool "tiny" queue overflow/);
        my $trace = Test::Registry::Trace->attach($pid,
            calls => ['fsync', 'fdatasync', 'openat'],
            inject => ['fsync,fdatasync:delay_enter=100000']);
        my @c = map { $t->connect(timeout => 30) } @l;
        $c[$_]->start('PUT', "$l[$_]?digest=" . sha256("o$_"),
            body => "o$_") for 0 .. $#c;
        $c[$_]->send("o$_") for 0 .. $#c;
        my @r = map { $_->reply } @c;
        $trace->stop;

        my ($no) = grep { $_->status == 503 || $_->status == 429 } @r;
        ok($no, 'F25 a full queue: some are refused') or diag join ' ',
            map { $_->status } @r;
        is_error($no, [503, 429], 'TOOMANYREQUESTS', 'F25 as JSON') if $no;
        is_header($no, 'Retry-After', qr/\A[1-9]\d*\z/) if $no;
        my @odd = grep { $_->status !~ /\A(?:201|503|429)\z/ } @r;
        is(scalar @odd, 0, 'F25 the others are done')
            or diag $odd[0]->as_text;

        # Those that were refused are as they were before.

        my $bad = 0;
        for my $i (grep { $r[$_]->status != 201 } 0 .. $#r) {
            my $again = $t->put("$l[$i]?digest=" . sha256("o$i"),
                body => "o$i");
            $bad++, diag $again->as_text if $again->status != 201;
        }
        is($bad, 0, 'F25 and a second try works');
        is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
            'F25 everything else too');
        $t->finish;
    }
}


# Long pieces are written and hashed by two threads, where there are two.

sub no_second_thread {
    for my $pool ('threads=1', 'threads=1 max_queue=1', 'threads=2') {
        my $t = Test::Registry->new(
            main => "thread_pool tiny $pool;",
            location => 'registry_thread_pool tiny;')->run;
        my $bytes = join '', map { pack('N', $_) x 4096 } 1 .. 1000;

        $t->allow_log(qr/thread pool "tiny" queue overflow/)
            if $pool =~ /max_queue/;

        my $l = $t->open_upload('app');
        is_status($t->patch($l, body => $bytes), 202, "$pool: PATCH");
        is_status($t->patch($l, chunks => [$bytes =~ /.{1,32768}/sg]), 202,
            "$pool: PATCH in chunks");
        is_status($t->put("$l?digest=" . sha256("$bytes$bytes"), body => ''),
            201, "$pool: the digest of both");
        is_status($t->put($t->open_upload('app') . '?digest='
                . sha256($bytes), body => $bytes), 201, "$pool: PUT");
        is_whole($t->get('/v2/app/blobs/' . sha256("$bytes$bytes")),
            "$bytes$bytes", "$pool: the bytes come back");
        $t->finish;
    }
}


# Every fsync takes half a second; the event loop does not mind.

sub slow_disk {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 4)
            if !Test::Registry::Trace::available();

        my $t = Test::Registry->new->run;
        $t->push_image('app', 'v1');
        my ($pid) = $t->workers;
        my $other = $t->connect;
        $other->get('/v2/');

        my $trace = Test::Registry::Trace->attach($pid,
            calls => ['fsync', 'fdatasync'],
            inject => ['fsync,fdatasync:delay_exit=500000']);
        my ($r, $took, $n);

        is_quick(0.45, 'F24 nobody waits for an fsync of another', sub {
            my ($slow, $bytes) = (0, 'slow disk ' . rand);
            my $l = $t->open_upload('app');
            my $c = $t->connect(timeout => 60);
            $c->start('PUT', "$l?digest=" . sha256($bytes), body => $bytes);
            $c->send($bytes);

            $n = 0;
            my $begin = time;
            while (!$c->wait_head(time) && time - $begin < 30) {
                my $at = time;
                $other->get($n++ % 2 ? '/v2/' : '/v2/app/manifests/v1');
                $slow = time - $at if time - $at > $slow;
            }
            $took = time - $begin;
            $r = $c->reply;
            return $slow;
        });
        $trace->stop;

        is_status($r, 201, 'F24 a push while fsync takes 500 ms');
        cmp_ok($took, '>', 0.9, 'F24 it waits for them');
        cmp_ok($n, '>', 20, 'F24 others are served meanwhile');
        $t->finish;
    }
}

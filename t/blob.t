#!/usr/bin/perl

# Blobs: GET, HEAD, ranges, conditional requests, headers, DELETE.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;
use Test::Registry::Examples;


# The ways nginx can send a file, each on its own port.

my @ways = (
    ['the defaults', ''],
    ['sendfile', 'sendfile on; tcp_nopush on;'],
    ['aio threads', 'sendfile on; aio threads;'],
    ['aio threads without sendfile', 'sendfile off; aio threads;'],
    ['directio', 'directio 512; output_buffers 2 64k; aio threads;'],
    ['limit_rate', 'limit_rate 8m;'],
    ['gzip', 'gzip on; gzip_types *; gzip_min_length 0; gzip_http_version 1.0;'],
    ['expires', 'expires 1h;'],
);

my $t = Test::Registry->new(
    location => 'registry_delete on;',
    http => 'large_client_header_buffers 4 32k;',
    ports => scalar @ways,
    tls => 1,
    servers => join '', map { <<"EOF" } 0 .. $#ways
server {
    listen 127.0.0.1:%%PORT@{[ $_ + 1 ]}%%;
    location /v2/ {
        registry %%ROOT%%;
        $ways[$_][1]
    }
}
EOF
)->run;

my $bytes = blob(100_000, 'blob.t');
my $digest = $t->push_blob('app', $bytes);
my $uri = "/v2/app/blobs/$digest";
my $n = length $bytes;

whole();
absent();
other_routes();
conditional();
one_range();
many_ranges();
ranges_of_podman($_) for qw(tls-http2 behind-proxy);
odd_ranges();
if_range();
empty_blob();
long_digest();
sending();
file_cache();
kept_connection();
kept_otherwise();
deleting();

finish($t);


sub whole {
    my $get = $t->get($uri);
    my $head = $t->head($uri);

    is_whole($get, $bytes, 'GET gives the bytes');
    is_status($head, 200, 'HEAD is 200');
    is($head->body, '', 'HEAD has no body');

    for my $r ($get, $head) {
        my ($method) = $r->{request} =~ /\A(\w+)/;

        is_header($r, 'Content-Length', $n, "$method: length");
        is_header($r, 'Docker-Content-Digest', $digest, "$method: digest");
        is_header($r, 'ETag', "\"$digest\"", "$method: ETag");
        is_header($r, 'Accept-Ranges', 'bytes', "$method: ranges offered");
        is_header($r, 'Content-Type', 'application/octet-stream',
            "$method: type");
        is_header($r, 'Cache-Control', qr/\bimmutable\b/,
            "$method: may be kept for ever");
        is_header($r, 'Cache-Control', qr/\bmax-age=[1-9]\d{6,}\b/,
            "$method: for a long time");
        is_header($r, 'X-Content-Type-Options', 'nosniff',
            "A116 $method: nosniff");
        is_header($r, 'Content-Security-Policy',
            qr/default-src 'none'.*sandbox/, "A116 $method: no scripts");
        has_no_header($r, 'Content-Encoding', "$method: no encoding");
        has_no_header($r, 'Transfer-Encoding', "$method: no chunks");
    }

    is_whole($t->get($uri, tls => 1), $bytes, 'GET over TLS');
    is_whole($t->get("$uri?ns=docker.io&x=y"), $bytes,
        'unknown parameters are ignored');
    is_whole($t->get('/v2/app/blobs/' . $digest =~ s/:/%3A/r), $bytes,
        '%3A in place of the colon');
    is_whole($t->get($uri, headers => [
        ['traceparent', '00-' . 'a' x 32 . '-' . 'b' x 16 . '-01'],
        ['baggage', 'a=b'], ['Accept-Encoding', 'zstd, gzip'],
        ['Docker-Distribution-Api-Version', 'registry/2.0']]), $bytes,
        'further headers are ignored');
    is_whole($t->get($uri, body => 'x' x 100), $bytes,
        'a body on a GET is ignored');
}


sub absent {
    my $none = sha256('nobody has this');

    is_error($t->get("/v2/app/blobs/$none"), 404, 'BLOB_UNKNOWN',
        'GET of an unknown blob');
    is_error($t->head("/v2/app/blobs/$none"), 404, 'BLOB_UNKNOWN',
        'HEAD of an unknown blob');
    is_error($t->get("/v2/none/blobs/$digest"), 404,
        ['BLOB_UNKNOWN', 'NAME_UNKNOWN'],
        'GET in a repository that is not there');

    $t->push_blob('other', 'other bytes');
    is_error($t->get("/v2/other/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        'GET where another repository has it');
    is_error($t->head("/v2/other/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        'HEAD where another repository has it');
}


sub other_routes {
    my $image = $t->push_image('app', 'image');

    is_error($t->get("/v2/app/blobs/$image->{digest}"), 404, 'BLOB_UNKNOWN',
        'A19 a manifest on the blob route');
    is_error($t->get("/v2/other/blobs/$image->{digest}"), 404,
        'BLOB_UNKNOWN', 'A19 in another repository');
    is_error($t->get("/v2/app/manifests/$digest"), 404, 'MANIFEST_UNKNOWN',
        'A19 a layer on the manifest route');
    is_error($t->get("/v2/other/manifests/$digest"), 404,
        'MANIFEST_UNKNOWN', 'A19 in another repository');
}


sub conditional {
    for my $value ("\"$digest\"", "W/\"$digest\"", "\"x\", \"$digest\"", '*')
    {
        for my $method (qw(GET HEAD)) {
            my $r = $t->request($method, $uri,
                headers => { 'If-None-Match' => $value });
            is_status($r, 304, "$method If-None-Match: $value");
            is_header($r, 'ETag', "\"$digest\"");
            is($r->body, '', 'a 304 has no body');
        }
    }

    is_whole($t->get($uri, headers => { 'If-None-Match' => "\"$_\"" }),
        $bytes, "If-None-Match: \"$_\"")
        for 'x', sha256('x'), substr($digest, 7);

    is_whole($t->get($uri, headers => { 'If-Match' => "\"$digest\"" }),
        $bytes, 'If-Match with the right ETag');
    is_error($t->get($uri, headers => { 'If-Match' => '"x"' }), 412,
        'UNSUPPORTED', 'R1 If-Match with another one');

    # Nothing has a date, so those of a client are not looked at.

    my $date = 'Thu, 01 Jan 2026 00:00:00 GMT';
    is_whole($t->get($uri, headers => { $_ => $date }), $bytes, "$_: a date")
        for 'If-Modified-Since', 'If-Unmodified-Since';
    is_status($t->get($uri, headers => { 'If-Modified-Since' => $date,
        'If-None-Match' => "\"$digest\"" }), 304,
        'If-None-Match, and a date');

    my $c = $t->connect;
    my $r = $c->get($uri, headers => { 'If-Match' => '"x"' });
    is_header($r, 'Connection', 'close', 'the last of its connection');
    ok($c->closes_within(10), 'as nginx has it');
}


sub range {
    my ($range, %o) = @_;

    return $t->get($o{uri} || $uri,
        headers => [['Range', $range], @{ $o{headers} || [] }]);
}


sub one_range {
    my @table = (
        ['bytes=0-0', 0, 1], ['bytes=0-9', 0, 10], ['bytes=1000-', 1000, $n],
        ['bytes=-1', $n - 1, $n], ['bytes=-1000', $n - 1000, $n],
        ['bytes=99999-99999', 99999, $n], ['bytes=99990-200000', 99990, $n],
        ['bytes=4095-4097', 4095, 4098], ["bytes=0-$n", 0, $n],
        ['bytes= 5-6', 5, 7]
    );

    for my $row (@table) {
        my ($range, $from, $to) = @$row;
        my $r = range($range);

        is_status($r, 206, "A100 $range");
        is($r->body, substr($bytes, $from, $to - $from), 'the right bytes');
        is_header($r, 'Content-Range',
            "bytes $from-" . ($to - 1) . "/$n");
        is_header($r, 'Docker-Content-Digest', $digest);
    }
}


sub many_ranges {
    my @parts = ([0, 9], [500, 999], [$n - 5, $n - 1]);
    my $r = range('bytes=0-9,500-999,-5');

    is_status($r, 206, 'A100 three ranges');

    my ($boundary) = ($r->header('Content-Type') // '')
        =~ m{\Amultipart/byteranges; boundary="?([^"]+)"?\z};
    ok(defined $boundary, 'as multipart/byteranges') or return;

    my @got = split /\r\n--\Q$boundary\E(?:--)?\r\n/, $r->body;
    shift @got if @got && $got[0] eq '';
    is(scalar @got, 3, 'three parts');

    for my $i (0 .. 2) {
        my ($head, $body) = split /\r\n\r\n/, $got[$i] // '', 2;
        my ($from, $to) = @{ $parts[$i] };
        like($head, qr{Content-Range: bytes \Q$from-$to/$n\E}i,
            'the part says where it belongs');
        ok(($body // '') eq substr($bytes, $from, $to - $from + 1),
            'the right bytes');
    }

    # Overlapping ranges, and so many that the whole is the shorter answer.

    is(join(' ', parts_of(range('bytes=0-9,5-14'))), '0-9 5-14',
        'A100 ranges that overlap');
    my @many = map { 2 * $_ . '-' . 2 * $_ } 0 .. 999;
    my $most = range('bytes=' . join ',', @many);

    # the newest nginx does not go into so many (RFC 9110, 14.2)
    if ($most->status == 200) {
        is_whole($most, $bytes, 'A100 a thousand ranges are the whole');

    } else {
        same_list([parts_of($most)], \@many, 'A100 a thousand ranges');
    }

    is_whole(range('bytes=' . join ',', ('0-') x 1000), $bytes,
        'A100 the whole a thousand times over is the whole');
}


# podman, which has some of a layer in zstd:chunked, asks for the rest of it in
# as many as 1,024 ranges at once.  The examples for a network let it.

sub ranges_of_podman {
    my ($name) = @_;

    my $e = example("$name.conf", edit => $name eq 'behind-proxy'
        ? ['127.0.0.1:5000' => '127.0.0.1:%%PORT1%%', ' http2' => '']
        : ['listen      [::]:443 ssl http2;' => '',
           'listen      443 ssl http2' => 'listen 127.0.0.1:%%PORT%% ssl',
           'listen      80;' => 'listen 127.0.0.1:%%PORT1%%;',
           'listen      [::]:80;' => ''])->run;

    my $layer = blob(2_000_000, $name);
    my $digest = sha256($layer);
    my $pushed = ask($e, 'POST', "/v2/app/blobs/uploads/?digest=$digest",
        body => $layer, headers => { 'Content-Type' =>
        'application/octet-stream' });
    is($pushed->{status}, 201, "$name: a layer is pushed");

    my @asked = map { 1_000_000 + 900 * $_ . '-' . (1_000_399 + 900 * $_) }
        0 .. 1023;
    my $range = 'bytes=' . join ',', @asked;
    cmp_ok(length $range, '>', 16 * 1024, 'in a long header');

    my $r = ask($e, 'GET', "/v2/app/blobs/$digest",
        headers => { Range => $range });
    is($r->{status}, 206, "A100 $name: podman gets 1,024 parts of it");
    is(() = $r->{content} =~ m{^Content-Range: bytes [0-9-]+/2000000\r$}mg,
        1024, 'each of them');
    $e->finish;
}


# The ranges of a multipart reply, each one with the bytes that it says.

sub parts_of {
    my ($r) = @_;

    my ($boundary) = ($r->header('Content-Type') // '')
        =~ m{\Amultipart/byteranges; boundary="?([^"]+)"?\z};
    return 'status ' . $r->status if !defined $boundary || !$r->complete;

    my @parts = split /\r\n--\Q$boundary\E(?:--)?\r\n/, $r->body;
    return map {
        my ($head, $body) = split /\r\n\r\n/, $_, 2;
        my ($from, $to) = $head =~ m{Content-Range: bytes (\d+)-(\d+)/$n}i;
        defined $to && $body eq substr($bytes, $from, $to - $from + 1)
            ? "$from-$to" : "wrong: $head";
    } grep { length } @parts;
}


sub odd_ranges {
    for my $range ("bytes=$n-", "bytes=100000-100001", 'bytes=-0',
        'bytes=18446744073709551615-', 'bytes=999999999999999999999-')
    {
        my $r = range($range);
        is_error($r, 416, 'RANGE_INVALID', "A100 $range");
        is_header($r, 'Content-Range', "bytes */$n");
        unlike($r->header('Cache-Control') // '', qr/immutable/,
            'a refusal may not be kept for ever');
    }

    # What is no range of bytes at all is not looked at (RFC 9110, 14.2).

    is_whole(range($_), $bytes, "A100 $_ is the whole")
        for 'items=0-1', 'bytes=', 'bytes 0-1', '0-1';

    for my $range ('bytes=a-b', 'bytes=5-2', 'bytes=--1', 'bytes=0-1,,2-3',
        'bytes=-18446744073709551616', 'bytes=1', 'bytes=0x0-0x5')
    {
        my $r = range($range);
        is_error($r, 416, 'RANGE_INVALID', "A100 $range");
        is_header($r, 'Content-Range', "bytes */$n");
    }

    # To HEAD no range means anything (RFC 9110, 14.2).

    for my $range ('bytes=0-1', 'bytes=0-1,5-6', "bytes=$n-") {
        my $r = $t->head($uri, headers => { Range => $range });
        is_status($r, 200, "A100 HEAD, $range");
        is_header($r, 'Content-Length', $n);
        is_header($r, 'Accept-Ranges', 'bytes');
        has_no_header($r, 'Content-Range');
    }

    my $r = $t->get($uri, headers => [['Range', 'bytes=0-1'],
        ['Range', 'bytes=5-6']]);
    ok($r->status == 400 || $r->status == 206
        && $r->body eq substr($bytes, 0, 2)
        && $r->header('Content-Range') eq "bytes 0-1/$n",
        'A102 Range twice: the first one, or refused by nginx')
        or diag $r->as_text;
}


sub if_range {
    my $r = range('bytes=10-19', headers => [['If-Range', "\"$digest\""]]);

    is_status($r, 206, 'If-Range with the right ETag');
    is($r->body, substr($bytes, 10, 10), 'the right bytes');

    is_whole(range('bytes=10-19', headers => [['If-Range', '"x"']]), $bytes,
        'If-Range with another one gives the whole');
}


sub empty_blob {
    my $d = $t->push_blob('app', '');
    my $r = $t->get("/v2/app/blobs/$d");

    is_whole($r, '', 'A28 the empty blob');
    is_header($r, 'Content-Length', 0);
    is_header($r, 'Docker-Content-Digest', $d);
    is_header($t->head("/v2/app/blobs/$d"), 'Content-Length', 0);

    $r = range('bytes=0-', uri => "/v2/app/blobs/$d");
    is_whole($r, '', 'A100 a range of nothing is the whole');
}


sub long_digest {
    my $d = sha512($bytes);

    $t->push_blob('app', $bytes, digest => $d);

    my $r = $t->get("/v2/app/blobs/$d");
    is_whole($r, $bytes, 'a sha512 blob');
    is_header($r, 'Docker-Content-Digest', $d);
    is_header($r, 'ETag', "\"$d\"");
    ok(-f $t->blob_file($d), 'it lies under sha512');
}


# Every way of sending gives the same bytes, whole and in part.

sub sending {
    my $big = blob(3 * 1024 * 1024 + 17, 'big');
    my $d = $t->push_blob('app', $big);

    sent_right($t, $ways[$_][0], $d, $big, port => $t->extra_port($_ + 1))
        for 0 .. $#ways;
}


sub sent_right {
    my ($t, $name, $d, $big, %where) = @_;

    my $odd = length($big) - 1_000_000;

    for (1, 2) {
        my $r = $t->get("/v2/app/blobs/$d", %where,
            headers => { 'Accept-Encoding' => 'gzip' });
        is_whole($r, $big, "$name: the whole");
        has_no_header($r, 'Content-Encoding', "$name: as it was pushed");
        is_header($r, 'Content-Length', length $big);

        $r = $t->get("/v2/app/blobs/$d", %where,
            headers => { Range => "bytes=$odd-" });
        is($r->status, 206, "$name: a range");
        ok($r->body eq substr($big, $odd), 'the right bytes');

        is_status($t->head("/v2/app/blobs/$d", %where), 200, "$name: HEAD");
        is_whole($t->get('/v2/app/blobs/' . sha256(''), %where), '',
            "$name: the empty blob");
    }

}


# What nginx's file cache remembers must not outlive the link, nor a 404 the
# push of what was missing.

sub file_cache {
    my $cached = Test::Registry->new(root => $t->root, location => <<'EOF')
registry_delete on;
sendfile on;
open_file_cache max=1000 inactive=60s;
open_file_cache_valid 60s;
open_file_cache_errors on;
open_file_cache_min_uses 1;
EOF
        ->run;

    my $big = blob(3 * 1024 * 1024 + 17, 'big');
    sent_right($cached, 'open_file_cache', sha256($big), $big);

    my $bytes = 'soon gone';
    my $d = sha256($bytes);
    my $where = "/v2/app/blobs/$d";

    for my $other ($cached, $t) {
        for (1 .. 3) {
            is_error($cached->get($where), 404, 'BLOB_UNKNOWN',
                'open_file_cache: not there');
            $other->push_blob('app', $bytes);
            is_whole($cached->get($where), $bytes,
                'open_file_cache: there as soon as it is pushed');
            is_status($other->delete($where), 202, 'deleted');
        }
        is_error($cached->get($where), 404, 'BLOB_UNKNOWN',
            'open_file_cache: and gone');
    }

    # The cache holds the files open, as it is meant to.

    $cached->finish(fds => 0, audit => 0);
}


sub kept_connection {
    my $c = $t->connect;

    is_whole($c->get($uri), $bytes, 'first request of a connection');
    is_status($c->request('HEAD', $uri), 200, 'then a HEAD');
    is_error($c->get('/v2/app/blobs/' . sha256('x')), 404, 'BLOB_UNKNOWN',
        'then a 404');
    is_whole($c->get($uri), $bytes, 'then the blob again');
    is($c->get($uri, headers => { Range => 'bytes=3-4' })->body,
        substr($bytes, 3, 2), 'then a range');
}


# For how long is what an operator says, where he says so.

sub kept_otherwise {
    my ($n) = grep { $ways[$_ - 1][0] eq 'expires' } 1 .. @ways;

    for my $method (qw(GET HEAD)) {
        my $r = $t->request($method, $uri, port => $t->extra_port($n));
        is("@{[$r->headers('Cache-Control')]}", 'max-age=3600',
            "expires: $method");
    }
}


sub deleting {
    my $d = $t->push_blob('app', 'to be deleted');
    $t->push_blob('other', 'to be deleted');

    my $r = $t->delete("/v2/app/blobs/$d");
    is_status($r, 202, 'DELETE is 202');
    is($r->body, '', 'without a body');
    is_header($r, 'Docker-Content-Digest', $d);

    is_error($t->get("/v2/app/blobs/$d"), 404, 'BLOB_UNKNOWN', 'then gone');
    is_error($t->head("/v2/app/blobs/$d"), 404, 'BLOB_UNKNOWN',
        'for HEAD too');
    is_error($t->delete("/v2/app/blobs/$d"), 404, 'BLOB_UNKNOWN',
        'DELETE a second time');
    is_error($t->delete('/v2/app/blobs/' . sha256('never')), 404,
        'BLOB_UNKNOWN', 'DELETE of what never was');
    is_error($t->delete("/v2/none/blobs/$d"), 404,
        ['BLOB_UNKNOWN', 'NAME_UNKNOWN'], 'DELETE in no repository');
    is_whole($t->get("/v2/other/blobs/$d"), 'to be deleted',
        'the other repository keeps it');

    $t->push_blob('app', 'to be deleted');
    is_whole($t->get("/v2/app/blobs/$d"), 'to be deleted',
        'pushed again it is back');
}

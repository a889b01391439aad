#!/usr/bin/perl

# Uploads in every shape that clients use, and how they end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;

my $hex = qr/[0-9a-f]/;
my $uuid = qr/$hex{8}-$hex{4}-4$hex{3}-[89ab]$hex{3}-$hex{12}/;

my $t = Test::Registry->new(
    http => 'keepalive_requests 100000;',
    location => 'registry_delete on;'
)->run;

opening();
docker_shape();
containerd_shape();
single_post();
chunked_shapes();
patch_then_put_bytes();
content_types();
query_strings();
sizes();
algorithms();
status_and_cancel();
cancelled_in_use();
wrong_digest();
used_after_close();
one_byte_patches();
same_blob_twice();
crowd();
foreign_session();
deletion_off_cancels();
nothing_left();

finish($t);


sub is_progress {
    my ($r, $location, $range, $name, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, $status || 202, $name) or return 0;
    is($r->body, '', "$name: no body");
    is_header($r, 'Location', $location, "$name: Location");
    return is_header($r, 'Range', $range, "$name: Range $range");
}


sub served {
    my ($repo, $digest, $bytes, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_header($t->head("/v2/$repo/blobs/$digest"), 'Content-Length',
        length $bytes, "$name: HEAD at once");
    return is_whole($t->get("/v2/$repo/blobs/$digest"), $bytes,
        "$name: the bytes come back");
}


sub opening {
    my $r = $t->post('/v2/app/blobs/uploads/', body => '');

    is_status($r, 202, 'POST opens a session with 202');
    is($r->body, '', 'and no body');
    is_header($r, 'Location', qr{\A/v2/app/blobs/uploads/$uuid\z},
        'a relative Location without a query');
    is_header($r, 'Range', '0-0');
    my ($id) = ($r->header('Location') // '') =~ /($uuid)\z/;
    is_header($r, 'Docker-Upload-UUID', $id, 'the id in a header');
    is_header($r, 'Content-Length', 0);

    is_status($t->post('/v2/app/blobs/uploads/', body => '',
        headers => { 'Content-Type' => 'application/json' }), 202,
        'POST with a type and no body, as crane sends it');
    is_status($t->post('/v2/app/blobs/uploads/'), 202,
        'POST with neither length nor body');
    is_status($t->post('/v2/app/blobs/uploads/', chunks => []), 202,
        'POST with an empty chunked body');
    is_status($t->post('/v2/app/blobs/uploads', body => ''), 202,
        'POST without the last slash');

    random_ids();

    for my $host ('registry.example:99999', '[::1]:5000', 'a_b.example',
        'registry.example.')
    {
        $r = $t->post('/v2/app/blobs/uploads/', body => '',
            headers => { Host => $host });
        ok($r->status == 400 || ($r->header('Location') // '')
            =~ m{\A/v2/app/blobs/uploads/$uuid\z},
            "A103 Host $host leaves the Location alone") or diag $r->as_text;
    }

    is_header($t->post('/v2/app/blobs/uploads/', body => '', no_host => 1,
        http => '1.0'), 'Location', qr{\A/v2/app/blobs/uploads/$uuid\z},
        'A103 no Host in HTTP/1.0');

    $r = $t->post('/v2/app/blobs/uploads/', body => '', headers => {
        'X-Forwarded-Proto' => 'https', 'X-Forwarded-Host' => 'evil.example',
        'Forwarded' => 'host=evil.example', 'X-Accel-Redirect' => '/x' });
    is_header($r, 'Location', qr{\A/v2/app/blobs/uploads/$uuid\z},
        'A96 forwarded headers change nothing');
}


# No two are alike; the unit tests look at ten thousand, and at each letter.

sub random_ids {
    my $c = $t->connect;
    my %seen;

    for (1 .. 500) {
        my $l = $c->post('/v2/ids/blobs/uploads/', body => '')
            ->header('Location') // '';
        my ($id) = $l =~ /($uuid)\z/;
        $seen{$id // ''}++;
        $c->delete($l);
    }

    is(scalar keys %seen, 500, 'A25 five hundred ids, no two alike');
    ok(!$seen{''}, 'A25 each a random UUID');
}


# POST, PATCH chunked without a length, a type or a range, PUT without a body.

sub docker_shape {
    my $bytes = blob(300_000, 'docker');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');

    my @pieces = unpack '(a32768)*', $bytes;
    is_progress($t->patch($l, chunks => \@pieces), $l, '0-299999',
        'docker: PATCH in chunks');
    is_blob_created($t->put("$l?digest=$digest", body => ''), 'app', $digest,
        'docker: PUT without a body');
    served('app', $digest, $bytes, 'docker');

    $l = $t->open_upload('app');
    is_progress($t->patch($l, body => $bytes), $l, '0-299999',
        'crane: PATCH with a length');
    is_blob_created($t->put("$l?digest=$digest"), 'app', $digest,
        'PUT without even a length');
}


sub containerd_shape {
    my $bytes = blob(200_000, 'containerd');
    my $digest = sha256($bytes);

    my $l = $t->open_upload('app');
    is_blob_created($t->put(with_query($l, digest => $digest), body => $bytes,
        headers => { 'Content-Type' => 'application/octet-stream' }), 'app',
        $digest, 'containerd: PUT of the whole');
    served('app', $digest, $bytes, 'containerd');

    $bytes = blob(70_000, 'containerd chunked');
    $digest = sha256($bytes);
    $l = $t->open_upload('app');
    is_blob_created($t->put("$l?digest=$digest", chunks => [$bytes]), 'app',
        $digest, 'PUT of the whole in a chunk');
    served('app', $digest, $bytes, 'PUT chunked');
}


sub single_post {
    my $bytes = blob(150_000, 'single');
    my $digest = sha256($bytes);
    my $uri = '/v2/app/blobs/uploads/?digest=';

    is_blob_created($t->post($uri . escape($digest), body => $bytes), 'app',
        $digest, 'one POST');
    served('app', $digest, $bytes, 'one POST');

    my $other = blob(5000, 'single chunked');
    is_blob_created($t->post($uri . sha256($other), chunks => [$other]), 'app',
        sha256($other), 'one POST in chunks');

    is_blob_created($t->post($uri . sha512($other), body => $other), 'app',
        sha512($other), 'one POST with sha512');
    served('app', sha512($other), $other, 'one POST with sha512');

    is_error($t->post($uri . sha256('x'), body => 'y'), 400,
        'DIGEST_INVALID', 'A27 one POST with a wrong digest');
    is_error($t->head('/v2/app/blobs/' . sha256('y')), 404, 'BLOB_UNKNOWN',
        'A27 and nothing is stored');
    is_blob_created($t->post($uri . sha256(''), body => ''), 'app', sha256(''),
        'A28 one POST of the empty blob');

    my @left;
    for my $body ('y', '', 'long', 'long enoug', 'long enough!') {
        my $n = length $body;
        my $d = sha256($n > 1 ? 'long enough' : 'x');

        is_error($t->post("/v2/single/blobs/uploads/?digest=$d",
            body => $body), 400, 'DIGEST_INVALID',
            "A27 one POST with $n bytes of another blob");
        is_error($t->post("/v2/single/blobs/uploads/?digest=$d",
            chunks => [grep { length } $body]), 400, 'DIGEST_INVALID',
            "A27 one POST with $n bytes in chunks");
    }
    @left = grep { -e } glob $t->repo_dir('single') . '/_uploads/*';
    is("@left", '', 'A27 nothing is left of it');
}


# The same bytes in every cut.

sub chunked_shapes {
    my $bytes = blob(20_000, 'cuts');
    my $digest = sha256($bytes);

    for my $cut (1, 7, 127, 128, 129, 4095, 4096, 4097, 20_000) {
        my @pieces = unpack "(a$cut)*", $bytes;
        @pieces = (@pieces[0 .. 1999], join '', @pieces[2000 .. $#pieces])
            if @pieces > 2000;
        my $l = $t->open_upload("cut$cut");

        is_progress($t->patch($l, chunks => \@pieces), $l, '0-19999',
            "chunks of $cut");
        is_blob_created($t->put("$l?digest=$digest", body => ''), "cut$cut",
            $digest, "chunks of $cut");
    }

    my $c = $t->connect;
    my $l = $t->open_upload('app');
    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5;name=value;x=\"" . 'y' x 60_000
        . "\"\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n");
    my $r = $c->reply;
    is_progress($r, $l, '0-4', 'A33 a chunk extension of 60 KB');
    is_blob_created($t->put("$l?digest=" . sha256('hello'), body => ''), 'app',
        sha256('hello'), 'A33 is no data');

    $c = $t->connect;
    $l = $t->open_upload('app');
    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n");
    is_progress($c->reply(method => 'PATCH'), $l, '0-4',
        'A33 extension and trailer');
    is_blob_created($t->put("$l?digest=" . sha256('hello'), body => ''), 'app',
        sha256('hello'), 'A33 and the bytes are right');
}


sub patch_then_put_bytes {
    my $bytes = blob(100_000, 'mixed');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');

    is_progress($t->patch($l, body => substr $bytes, 0, 30_000), $l,
        '0-29999', 'first PATCH');
    is_progress($t->patch($l, body => ''), $l, '0-29999',
        'a PATCH of nothing in between');
    is_progress($t->patch($l, chunks => [substr $bytes, 30_000, 30_000]), $l,
        '0-59999', 'second PATCH');
    is_blob_created($t->put("$l?digest=$digest", body => substr $bytes, 60_000),
        'app', $digest, 'the rest in the PUT');
    served('app', $digest, $bytes, 'PATCH, PATCH, PUT');

    # Everything on one kept connection.

    my $c = $t->connect;
    my $r = $c->post('/v2/app/blobs/uploads/', body => '');
    $l = $r->header('Location');
    is_progress($c->patch($l, body => 'one '), $l, '0-3', 'kept: PATCH');
    is_progress($c->patch($l, body => 'two'), $l, '0-6', 'kept: PATCH');
    is_blob_created($c->put("$l?digest=" . sha256('one two'), body => ''),
        'app', sha256('one two'), 'kept: PUT');
    is_whole($c->get('/v2/app/blobs/' . sha256('one two')), 'one two',
        'kept: GET');
}


sub content_types {
    for my $type (undef, '', 'application/octet-stream', 'application/json',
        'multipart/form-data; boundary=x', 'text/html', 'x' x 2000)
    {
        my $l = $t->open_upload('app');
        my $name = defined $type ? "type '" . substr($type, 0, 30) . "'"
            : 'no type';
        my @h = defined $type ? (headers => [['Content-Type', $type]]) : ();

        is_progress($t->patch($l, body => 'typed', @h), $l, '0-4',
            "A38 PATCH with $name");
        is_blob_created($t->put("$l?digest=" . sha256('typed'), body => '', @h),
            'app', sha256('typed'), "A38 PUT with $name");
    }

    my $gz = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not really gzip";
    for my $encoding ('gzip', 'zstd', 'identity') {
        my $l = $t->open_upload('app');
        is_status($t->patch($l, body => $gz,
            headers => { 'Content-Encoding' => $encoding }), 202,
            "A39 PATCH with Content-Encoding $encoding");
        is_blob_created($t->put("$l?digest=" . sha256($gz), body => '',
            headers => { 'Content-Encoding' => $encoding }), 'app',
            sha256($gz), "A39 PUT with Content-Encoding $encoding");
    }
    served('app', sha256($gz), $gz, 'A39');
}


# Keys sorted, spaces as plus, the digest in the middle, keys unknown.

sub query_strings {
    my $digest = sha256('query');
    my $d = escape($digest);

    for my $query ("digest=$d", "digest=$digest", "a=b+c&digest=$d&z=%2F",
        "_state=x&digest=$d", "digest=$d&origin=abc", "&&digest=$d&&",
        "digest=$d&foo", "x=%zz&digest=$d")
    {
        my $l = $t->open_upload('app');
        is_blob_created($t->put("$l?$query", body => 'query'), 'app', $digest,
            "A42 PUT ?$query");
    }

    my $l = $t->open_upload('app');
    is_status($t->patch("$l?_state=abc%2Bd&x=y", body => 'query'), 202,
        'PATCH with a query of its own');
    is_error($t->put($l, body => ''), 400, 'DIGEST_INVALID',
        'PUT without a digest');

    is_error($t->put("$l?digest=", body => ''), 400, 'DIGEST_INVALID',
        'A42 PUT with an empty digest');

    # Of a key that is there twice the first one counts.

    my $z = escape(sha256('z'));
    is_blob_created($t->put("$l?digest=$d&digest=$z", body => ''), 'app',
        $digest, 'A42 a digest twice, the first one right');
    $l = $t->open_upload('app');
    is_error($t->put("$l?digest=$z&digest=$d", body => 'query'), 400,
        'DIGEST_INVALID', 'A42 a digest twice, the second one right');

    is_status($t->post("/v2/app/blobs/uploads/?$_", body => ''), 202,
        "A42 POST ?$_") for 'mount=', 'mount=&from=', 'from=app', 'x=y&x=z',
            'mount', 'origin=abc', "mount=&mount=$d&from=app";
    is_error($t->post("/v2/app/blobs/uploads/?mount=x&mount=$d&from=app",
        body => ''), 400, 'DIGEST_INVALID', 'A42 mount twice');
}


sub sizes {
    my $k = 1024;
    my $m = 1024 * $k;

    for my $size (0, 1, 2, 4095, 4096, 8191, 8192, 8193, 64 * $k - 1, 64 * $k,
        64 * $k + 1, $m - 1, $m, $m + 1, 2 * $m, 2 * $m + 1, 5 * $m + 12345)
    {
        my $bytes = blob($size, "size $size");
        my $digest = sha256($bytes);
        my $range = $size ? '0-' . ($size - 1) : '0-0';

        my $l = $t->open_upload('sizes');
        is_progress($t->patch($l, body => $bytes), $l, $range,
            "$size bytes: PATCH");
        is_blob_created($t->put("$l?digest=$digest", body => ''), 'sizes',
            $digest, "$size bytes: PUT");
        served('sizes', $digest, $bytes, "$size bytes");

        $l = $t->open_upload('whole');
        is_blob_created($t->put("$l?digest=$digest", chunks => [
            unpack '(a32768)*', $bytes ]), 'whole', $digest,
            "$size bytes: PUT alone, in chunks");

        is_status($t->delete("/v2/$_/blobs/$digest"), 202,
            "$size bytes: deleted in $_") for qw(sizes whole);
    }

    my $l = $t->open_upload('app');
    is_error($t->put("$l?digest=" . sha256('something'), body => ''), 400,
        'DIGEST_INVALID', 'A29 no bytes at all for a blob that has some');
    is_error($t->head('/v2/app/blobs/' . sha256('something')), 404,
        'BLOB_UNKNOWN', 'A29 the digest stays unknown');
}


sub algorithms {
    my $bytes = blob(100_000, 'algorithms');
    my $long = sha512($bytes);

    my $l = $t->open_upload('app', query => 'digest-algorithm=sha512');
    is_progress($t->patch($l, body => substr $bytes, 0, 50_000), $l,
        '0-49999', 'sha512 announced: PATCH');
    is_blob_created($t->put("$l?digest=$long", body => substr $bytes, 50_000),
        'app', $long, 'sha512 announced: PUT');
    served('app', $long, $bytes, 'sha512 announced');

    $bytes = blob(90_000, 'not announced');
    $long = sha512($bytes);
    $l = $t->open_upload('app');
    $t->patch($l, body => substr $bytes, 0, 50_000);
    is_blob_created($t->put("$l?digest=$long", body => substr $bytes, 50_000),
        'app', $long, 'sha512 not announced: PUT');
    served('app', $long, $bytes, 'sha512 not announced');

    $bytes = blob(80_000, 'other one announced');
    my $short = sha256($bytes);
    $l = $t->open_upload('app', query => 'digest-algorithm=sha512');
    $t->patch($l, body => $bytes);
    is_blob_created($t->put("$l?digest=$short", body => ''), 'app', $short,
        'sha512 announced, closed with sha256');
    served('app', $short, $bytes, 'sha512 announced, sha256');

    $l = $t->open_upload('app', query => 'digest-algorithm=sha256');
    is_blob_created($t->put("$l?digest=$short", body => $bytes), 'app', $short,
        'sha256 announced');

    $l = $t->open_upload('app');
    is_error($t->put("$l?digest=" . sha512('x'), body => 'y'), 400,
        'DIGEST_INVALID', 'A17 a wrong sha512');
}


sub status_and_cancel {
    my $l = $t->open_upload('app');

    is_progress($t->get($l), $l, '0-0', 'status of an empty upload', 204);
    $t->patch($l, body => 'x');
    is_progress($t->get($l), $l, '0-0', 'status after one byte', 204);
    $t->patch($l, body => 'y' x 1023);
    is_progress($t->get($l), $l, '0-1023', 'status after 1,024 bytes', 204);
    my ($id) = $l =~ /($uuid)\z/;
    is_header($t->get($l), 'Docker-Upload-UUID', $id);

    ok(-e $t->repo_dir('app') . "/_uploads/$id", 'its bytes are on disk');

    my $r = $t->delete($l);
    is_status($r, 204, 'A46 DELETE cancels');
    is($r->body, '', 'without a body');
    ok(!-e $t->repo_dir('app') . "/_uploads/$id",
        'A46 the bytes leave the disk');

    is_error($t->get($l), 404, 'BLOB_UPLOAD_UNKNOWN', 'A46 GET after it');
    is_error($t->patch($l, body => 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A46 PATCH after it');
    is_error($t->put("$l?digest=" . sha256('x'), body => ''), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A46 PUT after it');
    is_error($t->delete($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A46 DELETE after it');
}


# Whoever writes to it meanwhile is told, however little he sent.

sub cancelled_in_use {
    for my $size (2, 600_000) {
        my $l = $t->open_upload('app');
        my $c = $t->connect;

        # it is asked to go on when the session is open

        $c->start('PATCH', $l, length => $size, expect => 1);
        ok($c->wait_head(time + 20), "$size bytes are under way");
        $c->send_body(body => 'x' x ($size - 1));
        is_status($t->patch($l, body => 'y'), 429, 'to a session in use');

        is_status($t->delete($l), 204, 'the session is cancelled');
        $c->send('x');
        is_error($c->reply, 404, 'BLOB_UPLOAD_UNKNOWN', 'so is the PATCH');
    }
}


sub wrong_digest {
    my $right = sha256('wrong digest');
    my $wrong = sha256('another');
    my $l = $t->open_upload('app');

    $t->patch($l, body => 'wrong digest');
    is_error($t->put("$l?digest=$wrong", body => ''), 400, 'DIGEST_INVALID',
        'A17 the digest does not match');
    is_error($t->head("/v2/app/blobs/$_"), 404, 'BLOB_UNKNOWN',
        'A17 neither digest is there') for $right, $wrong;
    is_error($t->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A17 the session is gone');
    is_error($t->put("$l?digest=$right", body => ''), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A17 and cannot be finished');
}


sub used_after_close {
    my $digest = sha256('closed');
    my $l = $t->open_upload('app');

    is_status($t->put("$l?digest=$digest", body => 'closed'), 201, 'closed');
    is_error($t->put("$l?digest=$digest", body => 'closed'), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A26 PUT a second time');
    is_error($t->patch($l, body => 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A26 PATCH after the close');
    is_error($t->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A26 status after the close');
    is_error($t->delete($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A26 DELETE after the close');
    served('app', $digest, 'closed', 'A26');
}


sub one_byte_patches {
    my $bytes = blob(5000, 'bytes');
    my $l = $t->open_upload('app');
    my $c = $t->connect;
    my $bad = 0;
    my $begin = time;
    my @took;

    for my $i (0 .. 4999) {
        my $at = time;
        my $r = $c->patch($l, body => substr $bytes, $i, 1);
        push @took, time - $at;
        $bad++ if $r->status != 202 || $r->header('Range') ne "0-$i";
    }

    is($bad, 0, 'A40 5,000 PATCHes of one byte: 202 each');
    cmp_ok(time - $begin, '<', 60, 'A40 in under a minute');

    # in the middle of each: what the machine does meanwhile is in few of them
    my ($first, $second) = map { (sort { $a <=> $b } @took[@$_])[1250] }
        [0 .. 2499], [2500 .. 4999];
    cmp_ok($second, '<=', 3 * $first + 0.001,
        'A40 the second half as fast as the first');
    is_blob_created($c->put("$l?digest=" . sha256($bytes), body => ''), 'app',
        sha256($bytes), 'A40 the digest is right');
}


sub same_blob_twice {
    my $bytes = blob(50_000, 'twice');
    my $digest = sha256($bytes);
    my @c = map { $t->connect } 1 .. 8;
    my @l = map { $t->open_upload('app') } @c;

    $c[$_]->start('PUT', "$l[$_]?digest=$digest", body => $bytes) for 0 .. 7;
    $c[$_]->send_body(body => substr $bytes, 0, 49_999) for 0 .. 7;
    $c[$_]->send(substr $bytes, 49_999) for 0 .. 7;

    for my $i (0 .. 7) {
        is_blob_created($c[$i]->reply, 'app', $digest,
            "the same blob eight times at once: $i");
    }
    served('app', $digest, $bytes, 'eight times at once');

    is_blob_created($t->put($t->open_upload('app') . "?digest=$digest",
        body => $bytes), 'app', $digest, 'and a ninth time');
}


# Sixteen clients, one blob, four repositories.

sub crowd {
    my $bytes = blob(300_000, 'crowd');
    my $digest = sha256($bytes);
    my @c = map { $t->connect } 0 .. 15;
    my @repo = map { 'crowd' . $_ % 4 } 0 .. 15;

    $c[$_]->start('POST', "/v2/$repo[$_]/blobs/uploads/?digest=$digest",
        length => length $bytes) for 0 .. 15;
    for (my $at = 0; $at < length $bytes; $at += 50_000) {
        $_->send(substr $bytes, $at, 50_000) for @c;
    }

    my @bad = grep { $_->status != 201 } map { $_->reply } @c;
    is(scalar @bad, 0, 'F43 sixteen pushes of one blob at once')
        or diag $bad[0]->as_text;
    served("crowd$_", $digest, $bytes, "F43 repository crowd$_") for 0 .. 3;

    my @files = glob $t->blob_file($digest) =~ s{/data\z}{/*}r;
    is(scalar @files, 1, 'F43 one data file');
}


sub foreign_session {
    my $l = $t->open_upload('victim');
    $t->patch($l, body => 'abc');

    my $foreign = $l =~ s{/victim/}{/app/}r;
    my $none = '/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000';

    for my $method (qw(GET PATCH PUT DELETE)) {
        my $query = $method eq 'PUT' ? '?digest=' . sha256('abc') : '';
        my $r = $t->request($method, "$foreign$query", body => 'x');
        my $n = $t->request($method, "$none$query", body => 'x');

        is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN',
            "A24 $method of another repository's upload");
        is_like($r, $n, 'A24 byte for byte the reply for an id that never '
            . 'was');
    }

    is_blob_created($t->put("$l?digest=" . sha256('abcdef'), body => 'def'),
        'victim', sha256('abcdef'), 'A24 the upload finishes');
}


sub deletion_off_cancels {
    my $off = Test::Registry->new->run;
    my $l = $off->open_upload('app');

    is_status($off->delete($l), 204, 'cancel where deletion is off');
    is_error($off->get($l), 404, 'BLOB_UPLOAD_UNKNOWN', 'and it is gone');
    $off->finish;
}


# Sessions that ended leave nothing under _uploads.

sub nothing_left {
    my @left = glob $t->repo_dir('sizes') . '/_uploads/*';
    is("@left", '', 'finished uploads leave nothing behind');

    my $before = () = glob $t->repo_dir('app') . '/_uploads/*';
    $t->push_blob('app', "one more $_") for 1 .. 5;
    my $after = () = glob $t->repo_dir('app') . '/_uploads/*';
    is($after, $before, 'nor do five more');
}

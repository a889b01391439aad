#!/usr/bin/perl

# What an operator limits: the size of a blob, of a page; how the refusal
# reads, and what is left of what was refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;

my $limit = 1 << 20;

my $t = Test::Registry->new(
    workers => 2, ports => 3, h2c => 1,
    http => 'registry_blob_max_size 2m;',
    server => 'registry_page_size 50;',
    location => 'registry_blob_max_size 1m; registry_page_size 10;
        registry_delete on;',
    servers => join('', map { <<"EOF" } 1 .. 3),
server {
    listen 127.0.0.1:%%PORT$_%%;
    location /v2/ {
        registry %%ROOT%%;
        @{[ ('', 'registry_blob_max_size 0;', 'client_max_body_size 300k;')
            [$_ - 1] ]}
    }
}
EOF
)->run;

my $exact = blob($limit, 'limits');
my $over = $exact . 'x';

# seconds, of each session that was ended
my @ended;

settings();
exact_size();
announced();
in_chunks();
by_offset();
single_post();
mounted();
lowered();
nginx_limit();
over_http2();
waits_for_100();
pages();
ended_soon();

finish($t);


# What the refusal of a blob looks like, everywhere.

sub is_refused {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 403, 'DENIED', "A30 $name");

    my $j = $r->json;
    my $e = ref $j eq 'HASH' ? $j->{errors}[0] : {};
    is($e->{message}, 'the blob is larger than this registry accepts: '
        . "the limit is $limit bytes", 'A30 in a plain sentence');
    is($e->{detail}, "the limit is $limit bytes", 'A30 that names the limit');
    has_no_header($r, 'Retry-After', 'A30 nobody is told to come back');
}


# Bytes that files of upload sessions and of our own folder take.

sub used {
    my $sum = 0;

    for my $dir ($t->repo_dir('*') . '/_uploads/*',
        $t->root . '/docker/registry/nginx/{trash,tmp}')
    {
        $sum += -s $_ for grep { -f } map { chomp; $_ }
            map { qx(find $_ -type f 2>/dev/null) } glob $dir;
    }

    return $sum;
}


# The session is gone and its space is back.

sub is_ended {
    my ($l, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $begin = time;
    ok(wait_for(10, sub { used() == 0 }),
        "A30 $name: the space is given back");
    push @ended, time - $begin;

    is_error($t->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A30 the session has ended') if defined $l;
}


# Most of them: the machine may stand still at one or the other.

sub ended_soon {
    my $middle = (sort { $a <=> $b } @ended)[@ended / 2];

    cmp_ok(scalar @ended, '>', 10, 'many sessions were ended');
    cmp_ok($middle, '<', sanitized() ? 10 : 1, 'A30 within a second');
}


sub settings {
    my %bad = (
        'registry_blob_max_size x;' => qr/registry_blob_max_size/,
        'registry_blob_max_size -1;' => qr/registry_blob_max_size/,
        'registry_blob_max_size;' => qr/invalid number of arguments/,
        'registry_blob_max_size 1m; registry_blob_max_size 1m;'
            => qr/registry_blob_max_size.*duplicate/,
        'registry_page_size 0;' => qr/"registry_page_size" must be between 1/,
        'registry_page_size 100001;' => qr/"registry_page_size".*100000/,
        'registry_page_size x;' => qr/invalid number/,
        'registry_page_size 5; registry_page_size 5;'
            => qr/registry_page_size.*duplicate/,
    );

    for my $conf (sort keys %bad) {
        my ($rc, $text) = Test::Registry->new(location => $conf)->check;
        ok($rc > 0 && $text =~ /\[emerg\] .*$bad{$conf}.*nginx\.conf:\d/,
            "refused: $conf") or diag $text;
    }

    my ($rc, $text) = Test::Registry->new(
        location => 'registry_blob_max_size 8g; registry_page_size 1;')
        ->check;
    is($rc, 0, 'limits beyond 32 bits') or diag $text;
}


sub exact_size {
    my $d = eval { $t->push_blob('app', $exact) };

    is($d, sha256($exact), 'A30 a blob of exactly the limit') or diag $@;

    my $l = $t->open_upload('app');
    is_status($t->patch($l, chunks => [unpack '(a65536)*', $exact]), 202,
        'A30 in chunks');
    is_status($t->put(with_query($l, digest => $d)), 201, 'A30 and finished');

    is_whole($t->get("/v2/app/blobs/$d"), $exact, 'A30 it is whole');

    $l = $t->open_upload('app', http => { port => $t->extra_port(1) });
    is_status($t->put(with_query($l, digest => sha256($over)), body => $over,
        port => $t->extra_port(1)), 201, 'the limit is inherited from http');
}


# By Content-Length: at once, before a byte of the body.

sub announced {
    for my $method (qw(PATCH PUT)) {
        my ($l, $uri);

        is_quick(sanitized() ? 10 : 1, "R6 $method: refused at once", sub {
            $l = $t->open_upload('app');
            $uri = $method eq 'PUT'
                ? with_query($l, digest => sha256($over)) : $l;
            my $begin = time;
            my $r = $t->request($method, $uri, body => sub { undef },
                length => 1 << 40, timeout => 10);
            my $took = time - $begin;
            is_refused($r, "$method that announces 1 TiB");
            return $took;
        });
        is_ended($l, "$method by length");

        $l = $t->open_upload('app');
        $uri = $method eq 'PUT'
            ? with_query($l, digest => sha256($over)) : $l;
        is_refused($t->request($method, $uri, body => $over),
            "$method of one byte more");
        is_ended($l, "$method of one byte more");
    }

    my $l = $t->open_upload('app');
    is_refused($t->patch($l, chunks => ['x'], headers =>
        { 'Content-Range' => '0-' . $limit }), 'by Content-Range');
    is_ended($l, 'by Content-Range');

    # a client that goes on with the body holds nothing of it

    $l = $t->open_upload('app');
    is_status($t->patch($l, body => $exact), 202, 'a session at the limit');
    my $c = $t->connect;
    $c->start('PATCH', $l, length => 1 << 20);
    $c->send('x');
    is_refused($c->reply(method => 'PATCH'), 'PATCH beyond the limit');
    is_ended($l, 'PATCH beyond the limit');
    is((grep { /_uploads|trash/ } map { readlink // '' }
        map { glob "/proc/$_/fd/*" } $t->workers) + 0, 0,
        'A30 nor does a worker hold its file');
    $c->close;

    $l = $t->open_upload('app');
    is_error($t->patch($l, body => 'x', headers =>
        { 'Content-Range' => '5-' . ($limit + 5) }), 400, 'SIZE_INVALID',
        'a range unlike the length is told first');
    is_status($t->delete($l), 204, 'and the session is there');
}


sub in_chunks {
    my $piece = 'y' x 65536;

    for my $method (qw(PATCH PUT)) {
        my $l = $t->open_upload('app');
        my $uri = $method eq 'PUT'
            ? with_query($l, digest => sha256($over)) : $l;

        is_refused($t->request($method, $uri,
            chunks => [unpack '(a65536)*', $over]),
            "$method in chunks, one byte more");
        is_ended($l, "$method in chunks");

        $l = $t->open_upload('app');
        $uri = $method eq 'PUT'
            ? with_query($l, digest => sha256($over)) : $l;

        my $sent = 0;
        my $r = $t->request($method, $uri, timeout => 60, chunks => sub {
            $sent += length $piece;
            return $sent < 1 << 30 ? $piece : undef;
        });
        is_refused($r, "$method in chunks without end");
        cmp_ok($sent, '<', 64 << 20, "A30 $method: reading stops");
        is_ended($l, "$method in chunks without end");
    }
}


# The bytes of all requests count together.

sub by_offset {
    for my $how (qw(length chunks)) {
        my $l = $t->open_upload('app');
        my @body = $how eq 'length' ? (body => 'z')
            : (chunks => ['z']);

        is_status($t->patch($l, body => $exact), 202, 'a session that is full');
        is_status($t->patch($l, body => ''), 202, 'nothing more fits');
        is_refused($t->patch($l, @body), "one byte behind it by $how");
        is_ended($l, "one byte behind it by $how");

        $l = $t->open_upload('app');
        is_status($t->patch($l, body => $exact), 202, 'another one');
        is_refused($t->put(with_query($l, digest => sha256($over)), @body),
            "the last byte with PUT by $how");
        is_ended($l, "the last byte with PUT by $how");
    }
}


sub single_post {
    my $uri = with_query('/v2/app/blobs/uploads/', digest => sha256($over));

    is_refused($t->post($uri, body => $over), 'one POST');
    is_ended(undef, 'one POST');
    is_refused($t->post($uri, chunks => [unpack '(a65536)*', $over]),
        'one POST in chunks');
    is_ended(undef, 'one POST in chunks');

    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    is("@left", '', 'A30 no session is left of it');

    is_error($t->head("/v2/app2/blobs/" . sha256($over)), 404, undef,
        'A30 nothing is stored');
}


# A mount brings no bytes.

sub mounted {
    is_status($t->post(with_query(with_query(
        '/v2/mounted/blobs/uploads/', mount => sha256($over)),
        from => 'app'), body => ''), 201, 'a large blob may be mounted');
}


# A session that was begun under another limit.

sub lowered {
    my $l = $t->open_upload('app', http => { port => $t->extra_port(2) });

    is_status($t->patch($l, body => $over, port => $t->extra_port(2)), 202,
        'registry_blob_max_size 0 is no limit');
    is_refused($t->put(with_query($l, digest => sha256($over))),
        'a session that is too long already');
    is_ended($l, 'a session that is too long already');
}


# nginx's own limit: a body that passes it was never promised, and its space
# is not kept.

sub nginx_limit {
    my $l = $t->open_upload('app');
    my $r = $t->patch($l, chunks => [unpack '(a65536)*', $exact],
        port => $t->extra_port(3));

    is_error($r, 413, 'SIZE_INVALID', 'A30 client_max_body_size');
    ok(wait_for(5, sub { used() < 1000 }), 'A30 the space is given back')
        or diag used();
    is_header($t->get($l), 'Range', '0-0', 'A30 the session stands as before');
    is_status($t->delete($l), 204, 'A30 and may be cancelled');

    $r = $t->post(with_query('/v2/app/blobs/uploads/',
        digest => sha256($exact)), chunks => [unpack '(a65536)*', $exact],
        port => $t->extra_port(3));
    is_error($r, 413, 'SIZE_INVALID', 'A30 client_max_body_size and one POST');
    is_ended(undef, 'client_max_body_size and one POST');
    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    is("@left", '', 'A27 no session is left of it');

    # Framing nonsense is the other way a POST ends early.

    my $c = $t->connect;
    $c->send('POST ' . with_query('/v2/app/blobs/uploads/',
        digest => sha256('x')) . " HTTP/1.1\r\nHost: a\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    is_error($c->reply(method => 'POST'), 400, undef,
        'A33 one POST with a bad chunk');
    ok(wait_for(5, sub {
        !(my @files = glob $t->repo_dir('app') . '/_uploads/*');
    }), 'A33 no session is left of it');
}


sub over_http2 {
    require Test::Registry::HTTP2;

    my $l = $t->open_upload('app');
    my $c = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my $r = $c->request('PATCH', $l, body => $over);

    is($r->status, 403, 'A30 over HTTP/2') or diag $r->as_text;
    like($r->body, qr/larger than this registry accepts/, 'A30 in words');
    is_ended($l, 'over HTTP/2');

    is($c->request('GET', '/v2/')->status, 200,
        'A30 the connection goes on');
}


sub waits_for_100 {
    my $l = $t->open_upload('app');
    my $c = $t->connect;
    my $r = $c->patch($l, body => $over, expect => 1);

    is_refused($r, 'with Expect');
    is_deeply($r->{interim} || [], [], 'A30 no 100 is sent');
    is_header($r, 'Connection', 'close',
        'A36 the body may come or not: the connection ends');
    is_ended($l, 'with Expect');
}


sub pages {
    my $image = $t->push_image('tags', 'v00');
    my @tags = map { sprintf 'v%02d', $_ } 0 .. 24;

    $t->push_manifest('tags', $_, $image->{bytes}, $image->{type})
        for @tags[1 .. 24];

    for my $n ('', '?n=10', '?n=11', '?n=1000', '?n=99999999999') {
        my @pages = follow_pages($t, "/v2/tags/tags/list$n", max => 10);
        is(scalar @pages, 3, "tags$n come in three pages");
        is(scalar names_of($pages[0], 'tags'), 10, 'of ten each');
        same_list([map { names_of($_, 'tags') } @pages], \@tags, 'all of them');
    }

    my @pages = follow_pages($t, '/v2/tags/tags/list?n=7', max => 10);
    is(scalar @pages, 4, 'fewer may be asked for');
    is_json_list($t->get('/v2/tags/tags/list?n=0'), 'tags', [], 'or none');

    @pages = follow_pages($t, '/v2/tags/tags/list', max => 10,
        port => $t->extra_port(1));
    is(scalar @pages, 1, 'without a limit all come at once');

    $t->push_image("repo/r$_", 'v1') for 0 .. 11;
    @pages = follow_pages($t, '/v2/_catalog', max => 10);
    is(scalar @pages, 2, 'the catalogue comes in pages, too');
    is(scalar names_of($pages[0], 'repositories'), 10, 'of ten');

    my $subject = descriptor($image->{type}, $image->{bytes});
    $t->push_referrer('tags', $subject, config => "{\"n\":$_}") for 0 .. 11;
    my $r = $t->get("/v2/tags/referrers/$image->{digest}");
    is(scalar @{ $r->json->{manifests} }, 12,
        'referrers come whole: cosign reads one page');
    has_no_header($r, 'Link');
}

#!/usr/bin/perl

# Repository names, tags, digests and upload ids, right and wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;
use Test::Registry::Files;
use Test::Registry::Trace;


my $t = Test::Registry->new(
    location => 'registry_delete on;',
    ports => 1,
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    merge_slashes off;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
    }
}
EOF
)->run;

my $hex = '0123456789abcdef' x 4;
my $image = $t->push_image('app', 'one');

dot_segments();
nothing_opened();
name_grammar();
long_names();
encoded_names();
reserved_words();
upload_ids();
control_bytes();
malformed_digests();
other_algorithms();
bad_tags();
untouched();

finish($t);


# A request written by hand: nginx answers some of these before the module.

sub raw {
    my ($bytes) = @_;

    my $c = $t->connect;
    $c->send($bytes);
    return $c->reply;
}


sub dot_segments {
    for my $path ('/v2/..%2f..%2fetc/passwd/manifests/x',
        '/v2/../../etc/passwd', '/v2/%2e%2e/%2e%2e/x', '/../v2/')
    {
        my $r = raw("GET $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        is($r->status, 400, "A01 $path leads out: nginx answers 400");
        unlike($r->body, qr/root:/, 'A01 and nothing is served');
    }

    is_status($t->get('/v2/none/../app/tags/list'), 200,
        'A01 a/../b below the root is b');
    is_error($t->get('/v2/app/../none/tags/list'), 404, 'NAME_UNKNOWN',
        'A01 and b alone');

    my $r = raw("GET /v2/a%00b/tags/list HTTP/1.1\r\nHost: a\r\n\r\n");
    is($r->status, 400, 'A02 %00 in a name');
    $r = raw("GET /v2/app/manifests/one%00 HTTP/1.1\r\nHost: a\r\n\r\n");
    is($r->status, 400, 'A02 %00 in a tag');
    $r = raw("GET /v2/app/blobs/sha256:$hex%00 HTTP/1.1\r\nHost: a\r\n\r\n");
    is($r->status, 400, 'A02 %00 in a digest');

    my $l = $t->open_upload('app');
    for my $method (qw(GET PATCH PUT DELETE)) {
        $r = raw("$method $l%00 HTTP/1.1\r\nHost: a\r\n\r\n");
        is($r->status, 400, "A02 %00 in an upload id: $method");
    }
    is_status($t->delete($l), 204, 'A02 the upload is there');

    is_error($t->get("/v2/$_/tags/list"), 400, 'NAME_INVALID',
        "A03 backslash: $_") for 'a\\..\\b', 'a%5cb', 'a%5C..%5cb';
}


# Whatever a path says, no file is opened but those of the store.

sub nothing_opened {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 3)
            if !Test::Registry::Trace::available();

        my @paths = ('/v2/..%2f..%2fetc/passwd/manifests/x',
            '/v2/%2e%2e/%2e%2e/etc/passwd',
            '/v2/app/blobs/../../../../etc/passwd',
            '/v2/app%2f..%2f..%2f..%2fetc/tags/list',
            '/v2/app/manifests/..%2f..%2fpasswd',
            '/v2/app/blobs/sha256:../../../etc/passwd',
            '/v2/app/blobs/sha256:..%2f..%2fetc%2fpasswd',
            '/v2/app/referrers/sha256:..%2f..%2fetc%2fpasswd',
            '/v2/app/blobs/uploads/..%2f..%2fetc%2fpasswd',
            '/v2/app/blobs/uploads/?digest=sha256:../../../etc/passwd',
            '/v2/app/blobs/uploads/?mount=sha256:../../etc/passwd&from=app',
            "/v2/app/blobs/uploads/?mount=sha256:$hex&from=../../etc/passwd",
            '/v2/app/tags/list?last=../../etc/passwd');

        my $trace = Test::Registry::Trace->attach($t->workers,
            calls => [qw(open openat openat2 unlink unlinkat mkdir mkdirat
                rename renameat renameat2)]);
        for my $path (@paths) {
            raw("$_ $path HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                . "Connection: close\r\n\r\n") for qw(GET POST PUT DELETE);
        }
        is_status($t->get('/v2/app/manifests/one'), 200,
            'A01 A15 under the eyes of strace');

        my @calls = map { $_->{text} } $trace->stop;
        my @odd = grep { m{passwd|"\.\.|/\.\./} } @calls;
        ok(scalar @calls, 'A01 A15 strace has seen what was opened');
        is(scalar @odd, 0, 'A01 A15 and no name led out of the store')
            or diag map { "$_\n" } @odd;
    }
}


sub name_grammar {
    my @valid = ('a__b', 'a--b', 'a---b', 'a.b', 'a_b', '0/1', 'a', 'a/b/c',
        'a-b_c.d__e', '0');
    my @invalid = ('a___b', 'a..b', 'a._b', 'a_.b', '-a', 'a-', '_a', 'a_',
        '.a', 'a.', 'a/_layers/b', 'a/.b', 'a/-b', 'a/b.', 'Alpine', 'a/B',
        'a+b', 'a:b', 'a@b', "a\xc3\xa4", 'a b', '~a', 'a*', '*');

    for my $name (@valid) {
        is_error($t->get("/v2/$name/tags/list"), 404, 'NAME_UNKNOWN',
            "A05 valid: $name");
    }

    for my $name (@invalid) {
        my $n = $name;
        $n =~ s/([^A-Za-z0-9_.\/:\@*~+-])/sprintf '%%%02x', ord $1/ge;

        is_error($t->get("/v2/$n/tags/list"), 400, 'NAME_INVALID',
            "A04 A05 invalid: $n");
        is_error($t->get("/v2/$n/manifests/one"), 400, 'NAME_INVALID',
            "A05 GET manifest in $n");
        is_error($t->get("/v2/$n/blobs/sha256:$hex"), 400, 'NAME_INVALID',
            "A05 GET blob in $n");
        is_error($t->get("/v2/$n/referrers/sha256:$hex"), 400, 'NAME_INVALID',
            "A05 GET referrers in $n");
        is_error($t->head("/v2/$n/manifests/one"), 400, 'NAME_INVALID',
            "A05 HEAD manifest in $n");
        is_error($t->post("/v2/$n/blobs/uploads/", body => ''), 400,
            'NAME_INVALID', "A05 POST upload in $n");
        is_error($t->patch("/v2/$n/blobs/uploads/x", body => 'x'), 400,
            'NAME_INVALID', "A05 PATCH upload in $n");
        is_error($t->push_manifest($n, 'one', $image->{bytes}), 400,
            'NAME_INVALID', "A05 PUT manifest in $n");
        is_error($t->delete("/v2/$n/manifests/one"), 400, 'NAME_INVALID',
            "A05 DELETE in $n");
        is_error($t->delete("/v2/$n/_nginx/repository/content"), 400,
            'NAME_INVALID', "A05 DELETE of $n");
    }

    # Slashes that are too many are none, where nginx merges them.

    is_json_list($t->get('/v2/app//tags/list'), 'tags', ['one'],
        'A05 app/ is app');
    is_error($t->get("/v2/$_/tags/list", port => $t->extra_port(1)), 400,
        'NAME_INVALID', "A05 merge_slashes off: $_")
        for 'a/', 'a//b', 'a%2f', '/a';
    is_error($t->post('/v2/a//blobs/uploads/', body => '',
        port => $t->extra_port(1)), 400, 'NAME_INVALID',
        'A05 merge_slashes off: POST upload in a/');
}


sub long_names {
    my $long = 'a' x 255;

    is_error($t->get('/v2/' . 'a' x 256 . '/tags/list'), 400, 'NAME_INVALID',
        'A06 a component of 256 bytes');
    is_error($t->get('/v2/' . 'abc/' x 63 . 'abcd/tags/list'), 400,
        'NAME_INVALID', 'A06 a name of 256 bytes');
    is_error($t->get('/v2/' . 'abc/' x 63 . 'abc/tags/list'), 404,
        'NAME_UNKNOWN', 'A06 a name of 255 bytes');

    for my $name ($long, join '/', ('a') x 60) {
        is_error($t->get("/v2/$name/tags/list"), 404, 'NAME_UNKNOWN',
            'A06 at the edge: ' . substr($name, 0, 20) . '...');
        my $r = $t->post("/v2/$name/blobs/uploads/", body => '');
        is_status($r, 202, 'A06 and there may be such a one') or next;
        is_status($t->delete($r->header('Location')), 204, 'A06 in truth');
    }

    my $deep = join '/', ('abcde') x 60;
    is_error($t->get("/v2/$deep/tags/list"), 400, 'NAME_INVALID',
        'A06 60 components of five letters');
    is_error($t->post("/v2/$deep/blobs/uploads/", body => ''), 400,
        'NAME_INVALID', 'A06 an upload there');

    is_error($t->get('/v2/' . 'ab/' x 1333 . 'a/tags/list'), 400,
        'NAME_INVALID', 'A07 a name of 4,000 bytes');
    is_error($t->post('/v2/' . 'ab/' x 1333 . 'a/blobs/uploads/', body => ''),
        400, 'NAME_INVALID', 'A07 an upload there');

    my $r = raw('GET /v2/' . 'a' x 9000
        . "/tags/list HTTP/1.1\r\nHost: a\r\n\r\n");
    is($r->status, 414, 'A07 a URI of 9 KB is refused by nginx');
}


sub encoded_names {
    $t->push_image('team/app', 'one');

    my $r = $t->get('/v2/team%2fapp/tags/list');
    is_json_list($r, 'tags', ['one'], 'A08 %2f in a name is a slash');
    is(($r->json || {})->{name}, 'team/app', 'A08 and the name is the same');

    is_error($t->get("/v2/$_/tags/list"), 400, 'NAME_INVALID',
        "A10 decoded once only: $_")
        for '%252e%252e', 'a%252fb', 'a%3fb', 'a%23b', 'a%25b', 'a;x=y',
            'a%3bx';

    is_json_list($t->get('/v2/%61pp/tags/list'), 'tags', ['one'],
        'A92 %61pp is app');
}


# Words of the routes as parts of repository names: the parse is from the
# right end.

sub reserved_words {
    for my $repo ('a/manifests/b', 'a/blobs/uploads', 'a/tags/list',
        'a/referrers/x', 'manifests', 'blobs/uploads', 'tags', 'referrers/tags',
        'a/blobs')
    {
        my $push = eval { $t->push_image($repo, 'list', seed => $repo) };
        ok($push, "A09 push to $repo") or diag $@;
        next if !$push;

        is_whole($t->get("/v2/$repo/manifests/list"), $push->{bytes},
            "A09 pull from $repo");
        is_json_list($t->get("/v2/$repo/tags/list"), 'tags', ['list'],
            "A09 list of $repo");
        is_status($t->get("/v2/$repo/referrers/$push->{digest}"), 200,
            "A09 referrers in $repo");

        my $d = sha256($push->{config});
        is_whole($t->get("/v2/$repo/blobs/$d"), $push->{config},
            "A09 blob of $repo");
    }

    is_error($t->get('/v2/_catalog/tags/list'), 400, 'NAME_INVALID',
        'A09 _catalog as a name');
    is_error($t->get('/v2/a/_catalog/tags/list'), 400, 'NAME_INVALID',
        'A09 _catalog as a component');
    is_error($t->get('/v2/a/_nginx/tags/list'), 400, 'NAME_INVALID',
        'A09 _nginx as a component');
}


sub upload_ids {
    my $location = $t->open_upload('app');
    my ($id) = $location =~ m{/([^/]+)\z};

    like($id,
        qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/,
        'an upload id is a random UUID in small letters');

    for my $bad (uc $id, "$id.", ".$id", '.x', 'x', 'a' x 4096, "$id$id",
        '00000000-0000-4000-8000-000000000000', "$id%20", '*', 'data')
    {
        next if $bad eq $id;
        my $name = length $bad > 60 ? substr($bad, 0, 60) . '...' : $bad;
        my $uri = "/v2/app/blobs/uploads/$bad";

        is_error($t->get($uri), 404, 'BLOB_UPLOAD_UNKNOWN', "A11 GET $name");
        is_error($t->patch($uri, body => 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
            "A11 PATCH $name");
        is_error($t->put("$uri?digest=" . sha256('x'), body => 'x'), 404,
            'BLOB_UPLOAD_UNKNOWN', "A11 PUT $name");
        is_error($t->delete($uri), 404, 'BLOB_UPLOAD_UNKNOWN',
            "A11 DELETE $name");
    }

    # nginx takes dots away, and what is left is another route or none.

    my %dots = ('..' => [400, 'DIGEST_INVALID'], '.' => [405, 'UNSUPPORTED'],
        'a%2fb' => [404, 'UNSUPPORTED'],
        '..%2f..%2f_layers' => [404, 'UNSUPPORTED']);
    @dots{'%2e%2e', '%2e'} = @dots{'..', '.'};

    is_error($t->delete("/v2/app/blobs/uploads/$_"), @{ $dots{$_} },
        "A11 DELETE of the id $_") for sort keys %dots;

    is_status($t->get($location), 204, 'A11 the real upload is still there');
    is_status($t->delete($location), 204, 'and can be given up');
}


sub control_bytes {
    my $evil = '%0d%0aSet-Cookie:%20x=1';

    my @table = (
        ["/v2/a$evil/tags/list", 400, 'NAME_INVALID'],
        ["/v2/app/manifests/x$evil", 400, 'DIGEST_INVALID'],
        ['/v2/app/manifests/x%0d%0ay', 404, 'MANIFEST_UNKNOWN'],
        ['/v2/app/manifests/%1b', 404, 'MANIFEST_UNKNOWN'],
        ["/v2/app/blobs/uploads/x$evil", 404, 'BLOB_UPLOAD_UNKNOWN'],
        ["/v2/app/tags/list?n=1&last=a$evil", 400, 'UNSUPPORTED'],
        ["/v2/_catalog?n=1&last=a$evil", 400, 'UNSUPPORTED'],
        ["/v2/app/referrers/sha256:$hex?artifactType=a$evil", 400,
            'UNSUPPORTED'],
        ['/v2/app/tags/list?last=%1b', 400, 'UNSUPPORTED'],
        ["/v2/app/blobs/sha256:$hex$evil", 400, 'DIGEST_INVALID'],
        ["/v2/app/referrers/sha256:$hex$evil", 400, 'DIGEST_INVALID'],
        ['/v2/a%1b%5bm/tags/list', 400, 'NAME_INVALID'],
        ['/v2/a%7f/tags/list', 400, 'NAME_INVALID'],
    );

    for my $row (@table) {
        my $r = $t->get($row->[0]);
        is_error($r, $row->[1], $row->[2], "A12 $row->[0]");
        has_no_header($r, 'Set-Cookie', 'A12 no header is split');
    }

    my $r = $t->post("/v2/app/blobs/uploads/?mount=sha256:$hex&from=a$evil",
        body => '');
    is_error($r, 400, 'NAME_INVALID', 'A12 from');
    has_no_header($r, 'Set-Cookie', 'A12 no header is split');

    # As they are: nginx itself refuses them.

    for my $uri ("/v2/a\x01b/tags/list", "/v2/app/manifests/a\x7fb",
        "/v2/app/tags/list?last=a\x1bb", "/v2/app/tags/list?last=a\rb")
    {
        my $name = 'A12 raw: '
            . $uri =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;

        $r = raw("GET $uri HTTP/1.1\r\nHost: a\r\n\r\n");
        is($r->status, 400, $name);
        like($r->header('Content-Type') // '', qr/html/,
            "$name: before the module");
    }

    $r = $t->get('/v2/app/tags/list', headers => [
        ['User-Agent', 'a "quoted" \\ agent'], ['Referer', "x' OR '1"]]);
    is_status($r, 200, 'A112 quotes in headers');
    my @odd = grep { !/\A127\.0\.0\.1 - / || /[\x00-\x1f\x7f]/ }
        split /\n/, slurp("$t->{dir}/access.log");
    is("@odd", '', 'A112 the access log has one line for each request');
}


sub malformed_digests {
    my @bad = ('sha256:', 'sha256:' . substr($hex, 1), "sha256:${hex}0",
        'sha256:' . uc $hex, "SHA256:$hex", ":$hex", ":ab", "sha256::$hex",
        "sha256:$hex%20", "sha256:$hex%0a", "sha256:%20$hex",
        'sha256:' . 'g' x 64, "sha512:$hex", 'sha256:..', "sha256:$hex:",
        "sha256+b64:$hex");

    for my $bad (@bad) {
        is_error($t->get("/v2/app/blobs/$bad"), 400, 'DIGEST_INVALID',
            "A14 GET blob $bad");
        is_error($t->head("/v2/app/blobs/$bad"), 400, 'DIGEST_INVALID',
            "A14 HEAD blob $bad");
        is_error($t->delete("/v2/app/blobs/$bad"), 400, 'DIGEST_INVALID',
            "A14 DELETE blob $bad");
        is_error($t->get("/v2/app/manifests/$bad"), 400, 'DIGEST_INVALID',
            "A14 GET manifest $bad");
        is_error($t->head("/v2/app/manifests/$bad"), 400, 'DIGEST_INVALID',
            "A14 HEAD manifest $bad");
        is_error($t->delete("/v2/app/manifests/$bad"), 400, 'DIGEST_INVALID',
            "A14 DELETE manifest $bad");
        is_error($t->push_manifest('app', $bad, $image->{bytes}), 400,
            'DIGEST_INVALID', "A14 PUT manifest $bad");
        is_error($t->get("/v2/app/referrers/$bad"), 400, 'DIGEST_INVALID',
            "A14 GET referrers $bad");
        is_error($t->post("/v2/app/blobs/uploads/?mount=$bad&from=app",
            body => ''), 400, 'DIGEST_INVALID', "A14 mount $bad");
        is_error($t->post("/v2/app/blobs/uploads/?digest=$bad",
            body => 'x'), 400, 'DIGEST_INVALID', "A14 single POST $bad");

        my $location = $t->open_upload('app');
        is_error($t->put("$location?digest=$bad", body => 'x'), 400,
            'DIGEST_INVALID', "A14 closing PUT $bad");
        $t->delete($location);
    }

    is_error($t->get("/v2/app/$_/sha256-$hex"), 400, 'DIGEST_INVALID',
        "A14 a dash in place of the colon: $_") for qw(blobs referrers);
    is_error($t->post("/v2/app/blobs/uploads/?$_=sha256-$hex", body => 'x'),
        400, 'DIGEST_INVALID', "A14 a dash in place of the colon: ?$_=")
        for qw(digest mount);
    is_error($t->get("/v2/app/manifests/sha256-$hex"), 404,
        'MANIFEST_UNKNOWN', 'which is a tag for the manifest route');

    for my $bad ('sha256:../../../etc/passwd', 'sha256:..%2f..%2fetc%2fpasswd',
        "sha256:ab%2fcd.." )
    {
        is_error($t->post("/v2/app/blobs/uploads/?digest=$bad",
            body => 'x'), 400, 'DIGEST_INVALID', "A15 $bad");
        is_error($t->post("/v2/app/blobs/uploads/?mount=$bad&from=app",
            body => ''), 400, 'DIGEST_INVALID', "A15 mount of $bad");

        # With a slash in it the path is of another route, or of none.

        is_error($t->get("/v2/app/blobs/$bad"), 404, 'UNSUPPORTED',
            "A15 GET of $bad");
    }
}


sub other_algorithms {
    for my $bad ('md5:' . 'a' x 32, 'sha1:' . 'a' x 40, "sha3-256:$hex",
        "a+b.c_d:$hex", 'sha384:' . 'a' x 96, "blake3:$hex")
    {
        for my $uri ("blobs/$bad", "manifests/$bad", "referrers/$bad") {
            is_error($t->get("/v2/app/$uri"), 400, 'DIGEST_INVALID',
                "A16 GET $uri");
        }
        is_error($t->delete("/v2/app/$_/$bad"), 400, 'DIGEST_INVALID',
            "A16 DELETE $_/$bad") for qw(blobs manifests);
        is_error($t->post("/v2/app/blobs/uploads/?$_=$bad&from=app",
            body => 'x'), 400, 'DIGEST_INVALID', "A16 POST ?$_=$bad")
            for qw(digest mount);
        is_error($t->push_manifest('app', $bad, $image->{bytes}), 400,
            'DIGEST_INVALID', "A16 PUT manifest $bad");
    }

    for my $bad ('md5', 'sha1', 'sha384', '../x', '', 'SHA256') {
        is_error($t->post("/v2/app/blobs/uploads/?digest-algorithm=$bad",
            body => ''), 400, 'DIGEST_INVALID', "A16 digest-algorithm=$bad");
    }

    my $blobs = $t->root . '/docker/registry/v2/blobs';
    my @odd = grep { !m{/sha(?:256|512)\z} } glob "$blobs/*";
    is("@odd", '', 'A16 no directory is made for them');
}


sub bad_tags {
    my @bad = ('a' x 129, '.x', '-x', 'a%20b', 'a%2bb', "a\xc3\xa4", 'a,b',
        'a*');

    for my $tag (@bad) {
        my $name = length $tag > 60 ? substr($tag, 0, 60) . '...' : $tag;

        is_error($t->push_manifest('app', $tag, $image->{bytes}), 400,
            'TAG_INVALID', "A64 PUT under $name");
        is_error($t->get("/v2/app/manifests/$tag"), 404, 'MANIFEST_UNKNOWN',
            "A64 GET of $name");
        is_status($t->head("/v2/app/manifests/$tag"), 404,
            "A64 HEAD of $name");
        is_error($t->delete("/v2/app/manifests/$tag"), 400, 'TAG_INVALID',
            "A64 DELETE of $name");
    }

    is_error($t->push_manifest('app', $_, $image->{bytes}), 400,
        'DIGEST_INVALID', "A64 PUT under $_")
        for 'a:b', 'sha256:short';

    for my $tag ('a' x 128, '_x', 'A.B-c_', '0', "sha256-$hex.sig") {
        is_status($t->push_manifest('app', $tag, $image->{bytes}), 201,
            'a tag of ' . length($tag) . ' characters: '
            . substr $tag, 0, 40);
        is_whole($t->get("/v2/app/manifests/$tag"), $image->{bytes},
            'and it is served');
    }
}


# None of the wrong names has left anything on disk.

sub untouched {
    my $dir = $t->root . '/docker/registry/v2/repositories';
    my @names = sort map { s{.*/}{}r } glob "$dir/* $dir/.[!.]*";
    my @odd = grep { !/\A[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\z/ } @names;

    is("@odd", '', 'A05 no directory is made for a wrong name');
    is_status($t->get('/v2/app/manifests/one'), 200,
        'and what was there is there');
}

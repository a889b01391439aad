#!/usr/bin/perl

# Repository names, tags, digests and upload ids, right and wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(location => 'registry_delete on;')->run;

my $hex = '0123456789abcdef' x 4;
my $image = $t->push_image('app', 'one');

dot_segments();
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

    is_error($t->get("/v2/$_/tags/list"), 400, 'NAME_INVALID',
        "A03 backslash: $_") for 'a\\..\\b', 'a%5cb', 'a%5C..%5cb';
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
        is_error($t->post("/v2/$n/blobs/uploads/", body => ''), 400,
            'NAME_INVALID', "A05 POST upload in $n");
        is_error($t->push_manifest($n, 'one', $image->{bytes}), 400,
            'NAME_INVALID', "A05 PUT manifest in $n");
        is_error($t->delete("/v2/$n/manifests/one"), 400, 'NAME_INVALID',
            "A05 DELETE in $n");
        is_error($t->delete("/v2/$n/_nginx/repository/content"), 400,
            'NAME_INVALID', "A05 DELETE of $n");
    }
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
        my $r = $t->get("/v2/$name/tags/list");
        is_error($r, [400, 404], ['NAME_INVALID', 'NAME_UNKNOWN'],
            'A06 at the edge: ' . substr($name, 0, 20) . '...');
        $r = $t->post("/v2/$name/blobs/uploads/", body => '');
        ok($r->status == 202 || $r->status == 400,
            'A06 and never a 500 from a name that is too long')
            or diag $r->as_text;
    }

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
    if ($r->status == 200) {
        is($r->json->{name}, 'team/app', 'A08 %2f in a name is a slash');
    } else {
        is_error($r, 400, 'NAME_INVALID', 'A08 %2f in a name is refused');
    }

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

    for my $bad ('..', '.', '%2e%2e', '%2e', 'a%2fb', '..%2f..%2f_layers') {
        my $r = $t->delete("/v2/app/blobs/uploads/$bad");
        ok($r->status == 404 || $r->status == 405 || $r->status == 400,
            "A11 DELETE of the id $bad") or diag $r->as_text;
    }

    is_status($t->get($location), 204, 'A11 the real upload is still there');
    is_status($t->delete($location), 204, 'and can be given up');
}


sub control_bytes {
    my $evil = '%0d%0aSet-Cookie:%20x=1';

    my @table = (
        ["/v2/a$evil/tags/list", 400, 'NAME_INVALID'],
        ["/v2/app/manifests/x$evil", 400,
            ['TAG_INVALID', 'MANIFEST_INVALID', 'DIGEST_INVALID']],
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

    for my $uri ("/v2/app/tags/list?n=1&last=a$evil",
        "/v2/_catalog?n=1&last=a$evil",
        "/v2/app/referrers/sha256:$hex?artifactType=a$evil")
    {
        $r = $t->get($uri);
        ok($r->status == 200 || $r->status == 400, "A12 $uri")
            or diag $r->as_text;
        has_no_header($r, 'Set-Cookie', 'A12 no header is split');
    }

    $r = $t->get('/v2/app/tags/list', headers => [
        ['User-Agent', 'a "quoted" \\ agent'], ['Referer', "x' OR '1"]]);
    is_status($r, 200, 'A112 quotes in headers');
    my @odd = grep { !/\A127\.0\.0\.1 - / || /[\x00-\x1f\x7f]/ }
        split /\n/, slurp("$t->{dir}/access.log");
    is("@odd", '', 'A112 the access log has one line for each request');
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$fh>;
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

    is_error($t->get("/v2/app/blobs/sha256-$hex"), 400, 'DIGEST_INVALID',
        'A14 a dash in place of the colon');
    is_error($t->get("/v2/app/manifests/sha256-$hex"), 404,
        'MANIFEST_UNKNOWN', 'which is a tag for the manifest route');

    for my $bad ('sha256:../../../etc/passwd', 'sha256:..%2f..%2fetc%2fpasswd',
        "sha256:ab%2fcd.." )
    {
        is_error($t->post("/v2/app/blobs/uploads/?digest=$bad",
            body => 'x'), 400, 'DIGEST_INVALID', "A15 $bad");
        is_error($t->post("/v2/app/blobs/uploads/?mount=$bad&from=app",
            body => ''), 400, 'DIGEST_INVALID', "A15 mount of $bad");

        my $r = $t->get("/v2/app/blobs/$bad");
        ok($r->status == 400 || $r->status == 404, "A15 GET of $bad")
            or diag $r->as_text;
    }
}


sub other_algorithms {
    for my $bad ('md5:' . 'a' x 32, 'sha1:' . 'a' x 40, "sha3-256:$hex",
        "a+b.c_d:$hex", 'sha384:' . 'a' x 96, "blake3:$hex")
    {
        is_error($t->get("/v2/app/blobs/$bad"), 400,
            ['DIGEST_INVALID', 'UNSUPPORTED'], "A16 GET $bad");
        is_error($t->post("/v2/app/blobs/uploads/?digest=$bad",
            body => 'x'), 400, ['DIGEST_INVALID', 'UNSUPPORTED'],
            "A16 POST $bad");
        is_error($t->push_manifest('app', $bad, $image->{bytes}), 400,
            ['DIGEST_INVALID', 'UNSUPPORTED'], "A16 PUT manifest $bad");
    }

    for my $bad ('md5', 'sha1', 'sha384', '../x', '', 'SHA256') {
        my $r = $t->post("/v2/app/blobs/uploads/?digest-algorithm=$bad",
            body => '');

        next if $bad eq '' && $r->status == 202;
        is_error($r, 400, ['DIGEST_INVALID', 'UNSUPPORTED'],
            "A16 digest-algorithm=$bad");
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
            ['TAG_INVALID', 'MANIFEST_INVALID'], "A64 PUT under $name");
        is_error($t->get("/v2/app/manifests/$tag"), [400, 404],
            ['TAG_INVALID', 'MANIFEST_INVALID', 'MANIFEST_UNKNOWN'],
            "A64 GET of $name");
    }

    is_error($t->push_manifest('app', $_, $image->{bytes}), 400,
        ['TAG_INVALID', 'DIGEST_INVALID'], "A64 PUT under $_")
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

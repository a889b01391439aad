#!/usr/bin/perl

# Manifests: what is pushed is what is served, byte for byte and with its
# type; tags, digests, tag parameters.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(
    location => 'registry_delete on;',
    workers => 2,
    ports => 1,
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    gzip on;
    gzip_types *;
    gzip_min_length 0;
    location /v2/ {
        registry %%ROOT%%;
    }
}
EOF
)->run;

round_trip();
exact_bytes();
accept_games();
conditional();
types();
by_digest();
tag_params();
overwriting();
pushed_twice();
tag_untouched();

finish($t);


sub round_trip {
    for my $docker (0, 1) {
        my $repo = $docker ? 'docker' : 'oci';
        my $image = image(docker => $docker, seed => $repo);

        $t->push_blob($repo, $_) for $image->{config}, @{ $image->{layers} };
        my $put = $t->push_manifest($repo, 'v1', $image->{bytes},
            $image->{type});
        is_manifest_created($put, $repo, $image->{digest}, "$repo: PUT by tag");
        is_whole($t->get($put->header('Location')), $image->{bytes},
            "$repo: Location can be pulled");

        for my $ref ('v1', $image->{digest}, escape($image->{digest})) {
            my $uri = "/v2/$repo/manifests/$ref";
            my $get = $t->get($uri);
            my $head = $t->head($uri);

            is_whole($get, $image->{bytes}, "$repo: GET $ref");
            is_status($head, 200, "$repo: HEAD $ref");
            is($head->body, '', 'no body');

            for my $r ($get, $head) {
                is_header($r, 'Content-Type', $image->{type});
                is_header($r, 'Content-Length', length $image->{bytes});
                is_header($r, 'Docker-Content-Digest', $image->{digest});
                is_header($r, 'ETag', "\"$image->{digest}\"");
                is_header($r, 'X-Content-Type-Options', 'nosniff',
                    'A116 nosniff');
                is_header($r, 'Content-Security-Policy',
                    qr/default-src 'none'.*sandbox/, 'A116 no scripts');
            }
        }
    }

    is_error($t->get('/v2/oci/manifests/none'), 404, 'MANIFEST_UNKNOWN',
        'GET of an unknown tag');
    is_error($t->head('/v2/oci/manifests/none'), 404, 'MANIFEST_UNKNOWN',
        'HEAD of an unknown tag');
    is_error($t->get('/v2/oci/manifests/' . sha256('none')), 404,
        'MANIFEST_UNKNOWN', 'GET of an unknown digest');
    is_error($t->get('/v2/nowhere/manifests/v1'), 404,
        ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'],
        'GET in a repository that is not there');

    my $image = image(seed => 'oci');
    is_error($t->get("/v2/docker/manifests/$image->{digest}"), 404,
        'MANIFEST_UNKNOWN', 'GET by digest where another repository has it');

    my $r = $t->get('/v2/oci/manifests/v1', port => $t->extra_port(1),
        headers => { 'Accept-Encoding' => 'gzip' });
    is_whole($r, $image->{bytes}, 'no gzip on a manifest');
    has_no_header($r, 'Content-Encoding');
    is_header($r, 'Content-Length', length $image->{bytes});
}


# White space, key order, escapes and a last newline are kept.

sub exact_bytes {
    my $image = $t->push_image('exact', 'plain');
    my $config = to_json($image->{data}{config});
    my $layer = to_json($image->{data}{layers}[0]);

    my @forms = (
        "{\n   \"schemaVersion\": 2,\n   \"layers\": [ $layer ],\n"
            . "   \"config\": $config,\n"
            . "   \"mediaType\": \"${\OCI_MANIFEST}\"\n}\n",
        "\n\t {\"mediaType\":\"${\OCI_MANIFEST}\",\"config\":$config,"
            . "\"layers\":[$layer],\"schemaVersion\":2}  \n\n",
        "{\"schemaVersion\":2,\"config\":$config,\"layers\":[$layer],"
            . '"annotations":{"u":"\u00e9\ud83d\ude00\/","v":"' . "\xc3\xa9"
            . '"}}',
        "{\"schemaVersion\":2,\"config\":$config,\"layers\":[]}",
    );

    for my $i (0 .. $#forms) {
        my $r = $t->push_manifest('exact', "form$i", $forms[$i]);
        is_manifest_created($r, 'exact', sha256($forms[$i]), "form $i");
        is_whole($t->get("/v2/exact/manifests/form$i"), $forms[$i],
            "form $i comes back as it was");
    }

    my $l = $t->connect;
    my @pieces = unpack '(a7)*', $forms[0];
    $l->request('PUT', '/v2/exact/manifests/pieces', chunks => \@pieces,
        headers => { 'Content-Type' => OCI_MANIFEST });
    is_whole($t->get('/v2/exact/manifests/pieces'), $forms[0],
        'a manifest in chunks of seven');
}


sub accept_games {
    my $image = $t->push_image('accept', 'v1');
    my $docker = $t->push_image('accept', 'd1', docker => 1);

    my @six = map { ['Accept', $_] } DOCKER_LIST, OCI_INDEX, OCI_MANIFEST,
        DOCKER_MANIFEST, 'application/vnd.docker.distribution.manifest.v1+json',
        '*/*';
    my @games = (
        [], \@six, [reverse @six], [['Accept', join ', ', map { $_->[1] } @six]],
        [['Accept', 'application/vnd.docker.distribution.manifest.v1+prettyjws']],
        [['Accept', '*/*;q=0']], [['Accept', OCI_INDEX]],
        [['Accept', 'text/html']], [['Accept', '']],
        [['Accept', join ',', map { "application/x-$_" } 1 .. 400]],
        [['Accept', DOCKER_MANIFEST]], [['Accept', OCI_MANIFEST]],
        [['Accept', 'application/json;;;,,=']]
    );

    my $i = 0;
    for my $accept (@games) {
        for my $ref ('v1', $image->{digest}) {
            my $get = $t->get("/v2/accept/manifests/$ref",
                headers => $accept);
            my $head = $t->head("/v2/accept/manifests/$ref",
                headers => $accept);

            is_whole($get, $image->{bytes}, "A67 Accept game $i, GET");
            is_header($get, 'Content-Type', OCI_MANIFEST);
            is_status($head, 200, "A67 Accept game $i, HEAD");

            my ($g, $h) = map {
                join "\n", sort map { "@$_" }
                    grep { $_->[0] !~ /\ADate\z/i } $_->headers
            } $get, $head;
            is($h, $g, 'A67 HEAD has the headers of GET');
        }

        is_header($t->get('/v2/accept/manifests/d1', headers => $accept),
            'Content-Type', DOCKER_MANIFEST,
            "A67 Accept game $i converts nothing");
        $i++;
    }
}


sub conditional {
    my $image = $t->push_image('cond', 'v1');
    my $uri = '/v2/cond/manifests/v1';

    for my $value ("\"$image->{digest}\"", "W/\"$image->{digest}\"", '*') {
        is_status($t->get($uri, headers => { 'If-None-Match' => $value }),
            304, "If-None-Match: $value");
    }
    is_whole($t->get($uri, headers => { 'If-None-Match' => '"x"' }),
        $image->{bytes}, 'If-None-Match with another one');

    my $date = 'Thu, 01 Jan 2026 00:00:00 GMT';
    is_status($t->get($_, headers => { 'If-Unmodified-Since' => $date }), 200,
        "If-Unmodified-Since means nothing to $_")
        for $uri, '/v2/', '/v2/cond/tags/list';
    is_status($t->get($uri, headers => { 'If-Modified-Since' => $date,
        'If-None-Match' => "\"$image->{digest}\"" }), 304,
        'If-None-Match, and a date');

    # A tag can move, so nobody may keep what it gave for ever.

    my $cache = $t->get($uri)->header('Cache-Control') // '';
    unlike($cache, qr/immutable/, 'a tag is not immutable');
}


sub types {
    my $image = $t->push_image('types', 'v1');

    for my $type (OCI_MANIFEST . '; charset=utf-8', OCI_MANIFEST . ';x="y;z"',
        OCI_MANIFEST . ' ; charset=utf-8')
    {
        is_manifest_created($t->push_manifest('types', 'p', $image->{bytes},
            $type), 'types', $image->{digest}, "Content-Type $type");
        is_header($t->get('/v2/types/manifests/p'), 'Content-Type',
            OCI_MANIFEST, 'parameters are dropped');
    }

    # Without a mediaType in the body the header says what it is.

    my %data = %{ $image->{data} };
    delete $data{mediaType};
    my $bytes = to_json(\%data);
    is_manifest_created($t->push_manifest('types', 'bare', $bytes,
        OCI_MANIFEST), 'types', sha256($bytes), 'no mediaType in the body');
    is_header($t->get('/v2/types/manifests/bare'), 'Content-Type',
        OCI_MANIFEST);
    is_header($t->get('/v2/types/manifests/' . sha256($bytes)),
        'Content-Type', OCI_MANIFEST, 'and by digest');

    # An index without one, whose only member is a list.

    $bytes = to_json({ schemaVersion => 2, manifests => [
        descriptor(OCI_MANIFEST, $image->{bytes}) ] });
    is_manifest_created($t->push_manifest('types', 'index', $bytes, OCI_INDEX),
        'types', sha256($bytes), 'no mediaType in an index');
    is_header($t->get('/v2/types/manifests/index'), 'Content-Type',
        OCI_INDEX);

    # No Content-Type at all: the body says it, or the push is refused.

    is_status($t->put('/v2/types/manifests/none', body => $image->{bytes}),
        201, 'no Content-Type');
    is_header($t->get('/v2/types/manifests/none'), 'Content-Type',
        OCI_MANIFEST, 'no Content-Type: the body tells');

    # Two of them: the first one counts for all, or nginx refuses both.

    for my $two ([OCI_MANIFEST, OCI_INDEX], [OCI_INDEX, OCI_MANIFEST],
        [OCI_MANIFEST, 'text/html'], ['text/html', OCI_MANIFEST])
    {
        my $r = $t->put('/v2/types/manifests/twice', body => $image->{bytes},
            headers => [map { ['Content-Type', $_] } @$two]);
        my $name = "A102 Content-Type twice: $two->[0]";

        ok($r->status == 400
            || $r->status == 201 && $two->[0] eq OCI_MANIFEST, $name)
            or diag $r->as_text;
        next if $r->status != 201;
        is_header($t->get('/v2/types/manifests/twice'), 'Content-Type',
            OCI_MANIFEST, "$name is served");
    }
}


sub by_digest {
    my $image = image(seed => 'by digest');
    $t->push_blob('digest', $_) for $image->{config}, @{ $image->{layers} };

    is_manifest_created($t->push_manifest('digest', $image->{digest},
        $image->{bytes}), 'digest', $image->{digest}, 'PUT by digest');
    is_whole($t->get("/v2/digest/manifests/$image->{digest}"),
        $image->{bytes}, 'it is served');
    is_json_list($t->get('/v2/digest/tags/list'), 'tags', [],
        'and has no tag');

    is_error($t->push_manifest('digest', $image->{digest},
        $image->{bytes} . ' '), 400, 'DIGEST_INVALID',
        'A18 PUT by digest with one byte more');
    is_error($t->get('/v2/digest/manifests/' . sha256($image->{bytes} . ' ')),
        404, 'MANIFEST_UNKNOWN', 'A18 nothing is stored');

    # Nor does a tag move that the same request names.

    my $other = $t->push_image('digest', 'stays', seed => 'stays');
    is_error($t->push_manifest('digest', "$image->{digest}?tag=stays",
        $image->{bytes} . ' '), 400, 'DIGEST_INVALID',
        'A18 the same with a tag');
    is_whole($t->get('/v2/digest/manifests/stays'), $other->{bytes},
        'A18 the tag is unchanged');

    my $long = sha512($image->{bytes});
    is_manifest_created($t->push_manifest('digest', $long, $image->{bytes}),
        'digest', $long, 'PUT by sha512');
    my $r = $t->get("/v2/digest/manifests/$long");
    is_whole($r, $image->{bytes}, 'GET by sha512');
    is_header($r, 'Docker-Content-Digest', $long);
    is_header($r, 'Content-Type', OCI_MANIFEST);

    is_error($t->push_manifest('digest', sha512('x'), $image->{bytes}), 400,
        'DIGEST_INVALID', 'PUT by a wrong sha512');
}


# PUT by digest with tags as parameters.

sub tag_params {
    my $image = image(seed => 'tag params');
    $t->push_blob('params', $_) for $image->{config}, @{ $image->{layers} };

    my $put = sub {
        my ($query) = @_;
        return $t->push_manifest('params', "$image->{digest}?$query",
            $image->{bytes});
    };
    my $tags_of = sub {
        my ($r) = @_;
        return sort map { split /\s*,\s*/ } $r->headers('OCI-Tag');
    };

    for my $n (1, 2, 10, 32, 64) {
        my @tags = map { "n$n.$_" } 1 .. $n;
        my $r = $put->(join '&', map { "tag=$_" } @tags);

        is_manifest_created($r, 'params', $image->{digest}, "$n tags at once");
        is("@{[ $tags_of->($r) ]}", "@{[ sort @tags ]}",
            "OCI-Tag names all $n");

        my @bad = grep {
            $t->get("/v2/params/manifests/$_")->body ne $image->{bytes}
        } @tags;
        is("@bad", '', "all $n tags are there");
    }

    is_error($put->(join '&', map { "tag=m$_" } 1 .. 65), 414, 'TAG_INVALID',
        '65 tags at once are too many');
    is_error($t->get('/v2/params/manifests/m1'), 404, 'MANIFEST_UNKNOWN',
        'and none of them is made');

    my $r = $put->('tag=enc%2Doded&tag=x_1&other=2');
    is_status($r, 201, 'tags encoded, other keys ignored');
    is("@{[ $tags_of->($r) ]}", 'enc-oded x_1', 'OCI-Tag has them decoded');

    my $long = 'l' x 128;
    is_status($put->("tag=$long"), 201, 'a tag of 128 characters');
    is_status($t->get("/v2/params/manifests/$long"), 200, 'is there');

    is_error($put->("tag=good&tag=$_"), 400, 'TAG_INVALID',
        "A64 a bad tag: $_")
        for '.x', 'a:b', 'b' x 129, 'a%0d%0ab', 'a/b';
    is_error($t->get('/v2/params/manifests/good'), 404, 'MANIFEST_UNKNOWN',
        'A64 and the good one beside it is not made');

    $r = $put->('tag=twice&tag=twice');
    is_status($r, 201, 'the same tag twice');
    is_status($t->get('/v2/params/manifests/twice'), 200, 'is one tag');

    has_no_header($t->push_manifest('params', 'plain', $image->{bytes}),
        'OCI-Tag', 'no OCI-Tag on a PUT without parameters');
}


sub overwriting {
    my $one = $t->push_image('move', 'v', seed => 'one');
    my $two = $t->push_image('move', 'v', seed => 'two');

    is_whole($t->get('/v2/move/manifests/v'), $two->{bytes},
        'a tag moves to the newer manifest');
    is_header($t->head('/v2/move/manifests/v'), 'Docker-Content-Digest',
        $two->{digest});
    is_whole($t->get("/v2/move/manifests/$one->{digest}"), $one->{bytes},
        'the older one stays by digest');

    my $bad = 0;
    for my $i (1 .. 50) {
        my $image = $i % 2 ? $one : $two;
        $t->push_manifest('move', 'v', $image->{bytes});
        $bad++ for grep {
            $t->get('/v2/move/manifests/v')->body ne $image->{bytes}
        } 1 .. 3;
    }
    is($bad, 0, 'every worker sees a moved tag at once');
}


sub pushed_twice {
    my $image = $t->push_image('again', 'v1');
    my @c = map { $t->connect } 1 .. 8;

    is_manifest_created($t->push_manifest('again', 'v1', $image->{bytes}),
        'again', $image->{digest}, 'the same manifest again');

    $_->start('PUT', '/v2/again/manifests/v2', body => $image->{bytes},
        headers => { 'Content-Type' => OCI_MANIFEST }) for @c;
    $_->send($image->{bytes}) for @c;
    is_manifest_created($_->reply, 'again', $image->{digest},
        'the same manifest eight times at once') for @c;
    is_whole($t->get('/v2/again/manifests/v2'), $image->{bytes},
        'it is served');
}


# Every refusal leaves the tag where it was.

sub tag_untouched {
    my $image = $t->push_image('kept', 'v1');

    $t->push_manifest('kept', 'v1', '{}');
    $t->push_manifest('kept', 'v1', image(seed => 'nobody')->{bytes});
    $t->push_manifest('kept', 'v1', 'not json');
    $t->push_manifest('kept', 'v1', $image->{bytes}, OCI_INDEX);

    is_whole($t->get('/v2/kept/manifests/v1'), $image->{bytes},
        'a refused push leaves the tag where it was');
    is_json_list($t->get('/v2/kept/tags/list'), 'tags', ['v1'],
        'and makes no other one');
}

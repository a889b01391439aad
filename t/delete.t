#!/usr/bin/perl

# The four kinds of delete, switched on and off, and what each takes along.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(
    location => 'registry_delete on;',
    workers => 2,
    ports => 2,
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ { registry %%ROOT%%; }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    registry_delete on;
    location /v2/ { registry %%ROOT%%; }
    location /v2/safe/ { registry %%ROOT%%; registry_delete off; }
}
EOF
)->run;

my $off = $t->extra_port(1);

switched_off();
inherited();
by_tag();
by_digest();
by_digest_many_tags();
index_and_child();
blob_of_a_manifest();
whole_repository();
nested_repository();
absent();
again_and_again();
racing();

finish($t, { audit => { missing => 1 } });


sub switched_off {
    my $image = $t->push_image('off', 'v1');
    my $layer = sha256($image->{layers}[0]);

    for my $uri ('/v2/off/manifests/v1', "/v2/off/manifests/$image->{digest}",
        "/v2/off/blobs/$layer", '/v2/off/_nginx/repository/content',
        '/v2/none/manifests/v1', '/v2/off/manifests/none',
        '/v2/none/_nginx/repository/content')
    {
        my $r = $t->delete($uri, port => $off);
        is_error($r, 405, 'UNSUPPORTED',
            "A65 DELETE $uri while deletion is off");
        is_header($r, 'Allow', $uri =~ /manifests/ ? 'GET, HEAD, PUT, OPTIONS'
            : $uri =~ /blobs/ ? 'GET, HEAD, OPTIONS' : 'OPTIONS');
    }

    is_header($t->post("/v2/off/blobs/$layer", body => '', port => $off),
        'Allow', 'GET, HEAD, OPTIONS', 'no other 405 names DELETE either');
    is_header($t->post($t->open_upload('off'), body => '', port => $off),
        'Allow', 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS',
        'to cancel an upload is no deletion');

    is_whole($t->get('/v2/off/manifests/v1'), $image->{bytes},
        'A65 the tag is there');
    is_whole($t->get("/v2/off/manifests/$image->{digest}"), $image->{bytes},
        'A65 the manifest is there');
    is_whole($t->get("/v2/off/blobs/$layer"), $image->{layers}[0],
        'A65 the blob is there');
    is_json_list($t->get('/v2/off/tags/list'), 'tags', ['v1'],
        'A65 the repository is there');
}


sub inherited {
    my $port = $t->extra_port(2);

    $t->push_image($_, 'v1') for 'safe/app', 'unsafe';
    is_error($t->delete('/v2/safe/app/manifests/v1', port => $port), 405,
        'UNSUPPORTED', 'off in the inner location');
    is_status($t->delete('/v2/unsafe/manifests/v1', port => $port), 202,
        'on in the server');
}


sub by_tag {
    my $image = $t->push_image('tag', 'one');
    $t->push_manifest('tag', $_, $image->{bytes}) for qw(two three);

    my $r = $t->delete('/v2/tag/manifests/two');
    is_status($r, 202, 'DELETE of a tag');
    is($r->body, '', 'without a body');

    is_error($t->get('/v2/tag/manifests/two'), 404, 'MANIFEST_UNKNOWN',
        'the tag is gone');
    is_error($t->head('/v2/tag/manifests/two'), 404, 'MANIFEST_UNKNOWN',
        'for HEAD too');
    is_json_list($t->get('/v2/tag/tags/list'), 'tags', [qw(one three)],
        'the other tags stay');
    is_whole($t->get("/v2/tag/manifests/$image->{digest}"), $image->{bytes},
        'the manifest stays by digest');
    is_error($t->delete('/v2/tag/manifests/two'), 404, 'MANIFEST_UNKNOWN',
        'DELETE a second time');

    is_status($t->delete("/v2/tag/manifests/$_"), 202, "DELETE of $_")
        for qw(one three);
    is_whole($t->get("/v2/tag/manifests/$image->{digest}"), $image->{bytes},
        'without tags it is still there by digest');
    is_json_list($t->get('/v2/tag/tags/list'), 'tags', [],
        'and the list is empty');

    $t->push_manifest('tag', 'two', $image->{bytes});
    is_whole($t->get('/v2/tag/manifests/two'), $image->{bytes},
        'a tag can come back');
}


sub by_digest {
    my $image = $t->push_image('digest', 'one');
    my $other = $t->push_image('digest', 'other', seed => 'other');

    is_status($t->delete("/v2/digest/manifests/$image->{digest}"), 202,
        'DELETE by digest');
    is_error($t->get("/v2/digest/manifests/$image->{digest}"), 404,
        'MANIFEST_UNKNOWN', 'gone by digest');
    is_error($t->get('/v2/digest/manifests/one'), 404, 'MANIFEST_UNKNOWN',
        'gone by tag');
    is_json_list($t->get('/v2/digest/tags/list'), 'tags', ['other'],
        'the other tag stays');
    is_whole($t->get('/v2/digest/manifests/other'), $other->{bytes},
        'and its manifest');
    is_status($t->get('/v2/digest/blobs/' . sha256($image->{config})), 200,
        'blobs stay');
    is_error($t->delete("/v2/digest/manifests/$image->{digest}"), 404,
        'MANIFEST_UNKNOWN', 'DELETE a second time');

    # sha512 names another revision of the same bytes.

    my $long = sha512($other->{bytes});
    $t->push_manifest('digest', $long, $other->{bytes});
    is_status($t->delete("/v2/digest/manifests/$long"), 202,
        'DELETE by sha512');
    is_error($t->get("/v2/digest/manifests/$long"), 404, 'MANIFEST_UNKNOWN',
        'gone');
    is_whole($t->get('/v2/digest/manifests/other'), $other->{bytes},
        'the sha256 revision is not');
}


sub by_digest_many_tags {
    my $image = $t->push_image('many', undef);
    my $other = $t->push_image('many', undef, seed => 'other');

    for my $n (0 .. 2) {
        $t->push_manifest('many', "$image->{digest}?"
            . join('&', map { "tag=t$n.$_" } 0 .. 9), $image->{bytes});
    }
    $t->push_manifest('many', $_, $other->{bytes}) for 't0.5x', 'zz';

    # A tag that once named it and now names another one stays.

    $t->push_manifest('many', 't1.1', $other->{bytes});

    is_status($t->delete("/v2/many/manifests/$image->{digest}"), 202,
        'DELETE of a manifest with 29 tags');
    is_json_list($t->get('/v2/many/tags/list'), 'tags',
        ['t0.5x', 't1.1', 'zz'], 'all its tags go and no other one');
    is_whole($t->get('/v2/many/manifests/t1.1'), $other->{bytes},
        'a tag that moved away stays');
}


sub index_and_child {
    my $image = $t->push_image('multi', undef);
    my $index = to_json(manifest_index([
        descriptor(OCI_MANIFEST, $image->{bytes})]));

    $t->push_manifest('multi', 'all', $index, OCI_INDEX);
    is_status($t->delete('/v2/multi/manifests/' . sha256($index)), 202,
        'DELETE of an index');
    is_whole($t->get("/v2/multi/manifests/$image->{digest}"),
        $image->{bytes}, 'its child stays');

    $t->push_manifest('multi', 'all', $index, OCI_INDEX);
    is_status($t->delete("/v2/multi/manifests/$image->{digest}"), 202,
        'DELETE of a child');
    is_whole($t->get('/v2/multi/manifests/all'), $index,
        'the index stays and says so');
}


sub blob_of_a_manifest {
    my $image = $t->push_image('blob', 'v1');
    my $layer = sha256($image->{layers}[0]);

    is_status($t->delete("/v2/blob/blobs/$layer"), 202,
        'DELETE of a blob that a manifest names');
    is_error($t->get("/v2/blob/blobs/$layer"), 404, 'BLOB_UNKNOWN',
        'it is gone');
    is_whole($t->get('/v2/blob/manifests/v1'), $image->{bytes},
        'the manifest is not');

    $t->push_blob('blob', $image->{layers}[0]);
    is_whole($t->get("/v2/blob/blobs/$layer"), $image->{layers}[0],
        'pushed again it is back');
}


sub whole_repository {
    my $image = $t->push_image('whole', 'v1');
    my $kept = $t->push_image('kept', 'v1');
    my $subject = descriptor(OCI_MANIFEST, $image->{bytes});
    $t->push_referrer('whole', $subject, type => 'application/vnd.x');
    my $upload = $t->open_upload('whole');
    $t->patch($upload, body => 'abc');

    my $r = $t->delete('/v2/whole/_nginx/repository/content');
    is_status($r, 202, 'DELETE of a whole repository');
    is($r->body, '', 'without a body');

    is_error($t->get('/v2/whole/tags/list'), 404, 'NAME_UNKNOWN',
        'its tags are gone');
    is_error($t->get("/v2/whole/manifests/$_"), 404,
        ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'], "manifest $_ is gone")
        for 'v1', $image->{digest};
    is_error($t->get('/v2/whole/blobs/' . sha256($image->{config})), 404,
        ['BLOB_UNKNOWN', 'NAME_UNKNOWN'], 'its blobs are gone');
    is_json_list($t->get("/v2/whole/referrers/$image->{digest}"),
        'manifests', [], 'its referrers are gone');
    is_error($t->get($upload), 404, 'BLOB_UPLOAD_UNKNOWN',
        'its uploads are gone');
    ok(!(grep { $_ eq 'whole' }
        names_of($t->get('/v2/_catalog'), 'repositories')),
        'the catalog does not know it');
    is_whole($t->get('/v2/kept/manifests/v1'), $kept->{bytes},
        'another one with the same blobs stays');
    is_error($t->delete('/v2/whole/_nginx/repository/content'), 404,
        'NAME_UNKNOWN', 'DELETE a second time');
    ok(!-e $t->repo_dir('whole'), 'nothing of it is on disk');

    $t->push_image('whole', 'v2');
    is_json_list($t->get('/v2/whole/tags/list'), 'tags', ['v2'],
        'a new one of that name begins empty');
}


# Repositories below and beside are others.

sub nested_repository {
    $t->push_image($_, 'v1')
        for qw(nest nest/inner nest/inner/most nest2 nest-3);

    is_status($t->delete('/v2/nest/_nginx/repository/content'), 202,
        'DELETE of the outer repository');
    is_error($t->get('/v2/nest/tags/list'), 404, 'NAME_UNKNOWN',
        'it is gone');
    is_status($t->get("/v2/$_/manifests/v1"), 200, "$_ stays")
        for qw(nest/inner nest/inner/most nest2 nest-3);

    is_status($t->delete('/v2/nest/inner/most/_nginx/repository/content'),
        202, 'DELETE of the innermost');
    is_status($t->get('/v2/nest/inner/manifests/v1'), 200,
        'the one around it stays');

    my @names = names_of($t->get('/v2/_catalog'), 'repositories');
    is("@{[ grep { /\Anest/ } @names ]}", 'nest-3 nest/inner nest2',
        'the catalog agrees');
}


sub absent {
    $t->push_image('there', 'v1');

    is_error($t->delete('/v2/nowhere/manifests/v1'), 404,
        ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'], 'a tag in no repository');
    is_error($t->delete('/v2/nowhere/manifests/' . sha256('x')), 404,
        ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'], 'a digest in no repository');
    is_error($t->delete('/v2/there/manifests/none'), 404, 'MANIFEST_UNKNOWN',
        'a tag that is not there');
    is_error($t->delete('/v2/there/manifests/' . sha256('x')), 404,
        'MANIFEST_UNKNOWN', 'a digest that is not there');
    is_error($t->delete('/v2/there/blobs/' . sha256('x')), 404,
        'BLOB_UNKNOWN', 'a blob that is not there');
    is_error($t->delete('/v2/nowhere/_nginx/repository/content'), 404,
        'NAME_UNKNOWN', 'a repository that is not there');

    # A layer's digest is no manifest, and the other way round.

    my $image = $t->push_image('there', 'v1');
    my $layer = sha256($image->{layers}[0]);
    is_error($t->delete("/v2/there/manifests/$layer"), 404,
        'MANIFEST_UNKNOWN', 'A19 a layer on the manifest route');
    is_error($t->delete("/v2/there/blobs/$image->{digest}"), 404,
        'BLOB_UNKNOWN', 'A19 a manifest on the blob route');
    is_status($t->get('/v2/there/manifests/v1'), 200, 'A19 both stay');
}


# What is deleted comes back when it is pushed, however often.

sub again_and_again {
    my $image = image(seed => 'again');
    my $bad = 0;

    for (1 .. 20) {
        $t->push_image('again', 'v1', image => $image);
        $bad++ if $t->get('/v2/again/manifests/v1')->status != 200;
        $bad++ if $t->delete("/v2/again/manifests/$image->{digest}")
            ->status != 202;
        $bad++ if $t->get('/v2/again/manifests/v1')->status != 404;
        $bad++ if $t->delete('/v2/again/blobs/' . sha256($image->{config}))
            ->status != 202;
    }

    is($bad, 0, 'push and delete twenty times over');
}


# Eight deletes of one thing at once: one or more 202, the rest 404.

sub racing {
    my $image = $t->push_image('race', 'v1');

    for my $uri ('/v2/race/manifests/v1',
        "/v2/race/manifests/$image->{digest}",
        '/v2/race/blobs/' . sha256($image->{config}),
        '/v2/race/_nginx/repository/content')
    {
        my @c = map { $t->connect } 1 .. 8;
        $_->start('DELETE', $uri) for @c;
        my %codes;
        $codes{ $_->reply->status }++ for @c;
        ok($codes{202} && !(grep { !/\A(?:202|404)\z/ } keys %codes),
            "eight at once: DELETE $uri") or diag explain \%codes;
    }
}

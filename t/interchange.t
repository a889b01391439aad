#!/usr/bin/perl

# One data directory, two registries: ours and distribution, 2.8 and 3.x. Each
# must serve, move, mount and delete what the other wrote, at once, without a
# restart; and what we write must lie where distribution would put it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients::Peer;
use Test::Clients::Shared;
use Test::More;
use Test::Registry;

use constant {
    READ => 18, CHANGED => 21, SHA512 => 5, TREE => 2,
    LAST => Test::Registry::Nginx::FINISH - 1
};

each_peer(2 * (READ + CHANGED + 2) + SHA512 + TREE + LAST, sub {
    my ($s, $v) = @_;

    for my $d ($s->directions) {
        my ($writer, $reader, $way) = @$d;
        (my $base = "$way/of/$v") =~ tr{ }{-};

        read_what_was_written($s, $writer, $reader, "$v, $way", $base);
        changed($s, $writer, $reader, "$v, $way", "$base/changed");

        # of a repository with blobs alone, its versions think differently
        is_deeply([ grep { !/two$|three$/ } @{ repositories_of($reader) } ],
            [ grep { !/two$|three$/ } @{ repositories_of($writer) } ],
            "$v, $way: the same catalogue");
        is((grep { $_ eq $base } @{ repositories_of($reader) }), 1,
            "$v, $way: with the repository in it");
    }

    sha512_blobs($s, $v);
    same_tree($s, $v);
});


sub read_what_was_written {
    my ($s, $w, $r, $l, $repo) = @_;

    # an image with a layer of no bytes
    my $image = $w->push_image($repo, '1', seed => $l,
        layers => [ blob(5000, "$l-1"), '', blob(70_000, "$l-2") ]);
    serves_manifest($r, $repo, '1', $image, "$l: by tag");
    serves_manifest($r, $repo, $image->{digest}, $image, "$l: by digest");
    serves_blob($r, $repo, $image->{config}, "$l: config");
    serves_blob($r, $repo, $image->{layers}[$_], "$l: layer $_") for 0 .. 2;
    is($r->get("/v2/$repo/blobs/" . sha256($image->{layers}[2]),
        headers => [ [ Range => 'bytes=60000-' ] ])->body,
        substr($image->{layers}[2], 60_000), "$l: part of a layer");

    # Docker's types
    my $docker = $w->push_image($repo, 'docker', docker => 1, seed => "$l-d");
    serves_image($r, $repo, 'docker', $docker, "$l: an image of Docker's");
    serves_manifest($r, $repo, 'docker', $docker, "$l: and its type");

    # indexes, with children known by digest alone
    my @child = map { $w->push_image($repo, undef, docker => 1,
        seed => "$l-child-$_") } 1, 2;
    my $list = index_of($w, $repo, 'list', DOCKER_LIST, @child);
    serves_manifest($r, $repo, 'list', $list, "$l: a list of Docker's");
    serves_image($r, $repo, $child[1]{digest}, $child[1], "$l: its child");
    my $index = index_of($w, $repo, 'index', OCI_INDEX, $image, $docker);
    serves_manifest($r, $repo, 'index', $index, "$l: an index of both types");
    my $nested = index_of($w, $repo, 'nested', OCI_INDEX, $index, $image);
    serves_manifest($r, $repo, 'nested', $nested, "$l: an index of an index");
    serves_manifest($r, $repo, $index->{digest}, $index,
        "$l: the inner one by digest");

    # what refers to something
    my $artifact = $w->push_referrer($repo, {
        mediaType => $image->{type}, digest => $image->{digest},
        size => length $image->{bytes} }, type => 'application/vnd.test');
    serves_manifest($r, $repo, $artifact->{digest},
        { %$artifact, type => OCI_MANIFEST }, "$l: an artifact with a subject");

    TODO: {
        local $TODO = $s->stands_in;

        is_deeply([ map { $_->{digest} } @{ ($s->ours->get(
            "/v2/$repo/referrers/$image->{digest}")->json // {})
            ->{manifests} // [] } ], [ $artifact->{digest} ],
            "$l: we find it as a referrer");
    }

    # odd names
    my $tag = 'T' . '-._9' x 31 . 'abc';
    my $deep = $repo . '/a0__b/c-d/e.f';
    my $odd = $w->push_image($deep, $tag, seed => "$l-odd");
    serves_image($r, $deep, $tag, $odd, "$l: long tag in a deep repository");

    # lists
    is_deeply(tags_of($r, $repo), [ sort qw( 1 docker list index nested ) ],
        "$l: all tags are listed");

    return;
}


sub changed {
    my ($s, $w, $r, $l, $repo) = @_;

    my @image = map { $w->push_image($repo, "v$_", seed => "$l-image-$_") }
        0 .. 3;

    # a tag moves, and is moved back by the other
    $w->push_manifest($repo, 'tag', $image[0]{bytes}, $image[0]{type});
    serves_manifest($r, $repo, 'tag', $image[0], "$l: a tag");
    $w->push_manifest($repo, 'tag', $image[1]{bytes}, $image[1]{type});
    serves_manifest($r, $repo, 'tag', $image[1], "$l: the tag moved");
    serves_manifest($r, $repo, $image[0]{digest}, $image[0],
        "$l: what it was before, by digest");
    is_status($r->push_manifest($repo, 'tag', $image[0]{bytes},
        $image[0]{type}), 201, "$l: moved back by the other");
    serves_manifest($w, $repo, 'tag', $image[0], "$l: and seen so");

    # mounts, by both
    my $blob = $image[2]{layers}[0];
    my $mount = '?mount=' . sha256($blob) . "&from=$repo";
    is_status($w->post("/v2/$repo/two/blobs/uploads/$mount", body => ''), 201,
        "$l: mounted");
    serves_blob($r, "$repo/two", $blob, "$l: what was mounted");
    is_status($r->post("/v2/$repo/three/blobs/uploads/$mount", body => ''),
        201, "$l: mounted by the other");
    serves_blob($w, "$repo/three", $blob, "$l: what the other mounted");

    # deletes of a tag, where that is known
    my $deleter = $w->can('major') && $w->major < 3 ? $r : $w;
    my ($sees) = grep { $_ != $deleter } $w, $r;

    SKIP: {
        skip('distribution 2 deletes no tags, and another is in our place', 3)
            if $deleter->can('major') && $deleter->major < 3;

        is_status($deleter->delete("/v2/$repo/manifests/tag"), 202,
            "$l: tag deleted");
        is_gone($sees, "/v2/$repo/manifests/tag", "$l: it is gone");
        serves_manifest($sees, $repo, 'v0', $image[0],
            "$l: another tag of it is not");
    }

    # of a manifest and with it its tags, by both
    for my $pair ([ $w, $r, 0, 'the writer' ], [ $r, $w, 1, 'the other' ]) {
        my ($deletes, $other, $n, $who) = @$pair;

        is_status($deletes->delete("/v2/$repo/manifests/$image[$n]{digest}"),
            202, "$l: manifest deleted by $who");
        is_gone($other, "/v2/$repo/manifests/$image[$n]{digest}",
            "$l: it is gone");
        is_gone($other, "/v2/$repo/manifests/v$n", "$l: so is its tag");
    }

    # of a blob
    $blob = sha256($image[3]{layers}[0]);
    is_status($w->delete("/v2/$repo/blobs/$blob"), 202, "$l: blob deleted");
    is_gone($r, "/v2/$repo/blobs/$blob", "$l: it is gone");

    # what was deleted comes back by the other
    $r->push_image($repo, 'v0', image => $image[0]);
    serves_image($w, $repo, 'v0', $image[0], "$l: pushed again by the other");

    return;
}


# distribution takes a sha512 for a second name of a blob that it stores under
# its sha256: the link named so holds the other digest.

sub sha512_blobs {
    my ($s, $v) = @_;

    my $blob = blob(3000, "$v-alias");
    my $repo = "sha512/$v";

    $s->peer->push_blob($repo, $blob, digest => sha512($blob));
    serves_blob($s->ours, $repo, $blob, "$v, to us: by its sha512",
        sha512($blob));
    serves_blob($s->ours, $repo, $blob, "$v, to us: by its sha256");

    # ours lies under sha512
    $blob = blob(3001, "$v-real");
    $s->ours->push_blob($repo, $blob, digest => sha512($blob));
    serves_blob($s->peer, $repo, $blob, "$v, from us: by its sha512",
        sha512($blob));

    TODO: {
        local $TODO = $s->stands_in;

        my $image = $s->ours->push_image($repo, undef, seed => "$v-512");
        my $r = $s->ours->put("/v2/$repo/manifests/"
            . sha512($image->{bytes}) . '?tag=strong',
            body => $image->{bytes},
            headers => [ [ 'Content-Type' => $image->{type} ] ]);
        is_status($r, 201, "$v: a manifest by its sha512");
        serves_manifest($s->peer, $repo, 'strong', { %$image,
            digest => sha512($image->{bytes}) }, "$v, from us: that manifest");
    }

    return;
}


# The same steps on two empty directories leave the same files.

sub same_tree {
    my ($s, $v) = @_;

    my $peer = Test::Clients::Peer->new(binary => $s->peer->{binary})->run;
    my $ours = $s->stands_in
        ? Test::Clients::Peer->new(binary => $s->ours->{binary})->run
        : Test::Registry->new(location => 'registry_delete on;')->run;

    for my $server ($ours, $peer) {
        my $a = $server->push_image('tree/one', '1', seed => 'a');
        my $b = $server->push_image('tree/one', '2', seed => 'b', docker => 1);
        $server->push_manifest('tree/one', 'moved', $a->{bytes}, $a->{type});
        $server->push_manifest('tree/one', 'moved', $b->{bytes}, $b->{type});
        index_of($server, 'tree/one', 'index', OCI_INDEX, $a, $b);
        $server->post('/v2/tree/two/blobs/uploads/?from=tree/one&mount='
            . sha256($a->{config}), body => '');
        my $c = $server->push_image('tree/one', '3', seed => 'c');
        $server->delete("/v2/tree/one/manifests/$c->{digest}");
        $server->delete('/v2/tree/one/blobs/' . sha256($c->{layers}[0]));
        $server->stop;
    }

    my ($got, $want) = map { files_below($_->root) } $ours, $peer;
    is_deeply([ sort keys %$got ], [ sort keys %$want ],
        "$v: the same files lie in the same places");
    is_deeply([ grep { ($got->{$_} // '') ne $want->{$_} } sort keys %$want ],
        [], "$v: with the same bytes in them");

    return;
}

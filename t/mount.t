#!/usr/bin/perl

# Cross-repository mounts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(location => 'registry_delete on;', workers => 2)
    ->run;

my $bytes = blob(70_000, 'mount');
my $digest = $t->push_blob('from/here', $bytes);
my $long = $t->push_blob('from/here', $bytes, digest => sha512($bytes));

mounted();
spellings();
not_there();
onto_itself();
malformed();
without_from();
after_delete();
many_at_once();
manifest_uses_it();

finish($t);


sub mount {
    my ($repo, $query, %o) = @_;

    return $t->post("/v2/$repo/blobs/uploads/?$query", body => '', %o);
}


sub is_mounted {
    my ($r, $repo, $d, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 201, $name) or return 0;
    is($r->body, '', "$name: no body");
    is_header($r, 'Location', "/v2/$repo/blobs/$d", "$name: Location");
    is_header($r, 'Docker-Content-Digest', $d, "$name: digest");
    has_no_header($r, 'Range', "$name: no upload");
    return is_whole($t->get("/v2/$repo/blobs/$d"), $bytes,
        "$name: the bytes are there");
}


# No mount: an upload begins, and nothing else tells why.

sub is_upload {
    my ($r, $repo, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 202, $name) or return 0;
    is_header($r, 'Location', qr{\A/v2/\Q$repo\E/blobs/uploads/[0-9a-f-]{36}\z},
        "$name: Location of an upload");
    is_header($r, 'Range', '0-0', "$name: Range");
    return has_no_header($r, 'Docker-Content-Digest', "$name: no digest");
}


sub mounted {
    is_mounted(mount('to', "mount=$digest&from=from/here"), 'to', $digest,
        'mount');
    is_mounted(mount('to', "mount=$digest&from=from/here"), 'to', $digest,
        'mount of what is mounted');
    is_mounted(mount('to', "mount=$long&from=from/here"), 'to', $long,
        'mount of a sha512 blob');
    is_mounted(mount('to2', "mount=$digest&from=to"), 'to2', $digest,
        'mount of a mount');

    my @sessions = glob $t->repo_dir('to') . '/_uploads/*';
    is("@sessions", '', 'a mount leaves no session');
}


sub spellings {
    my $d = escape($digest);
    my $i = 0;

    for my $query ("from=from%2Fhere&mount=$d", "mount=$d&from=from/here",
        "from=from/here&mount=$digest", "mount=$d&from=from%2fhere&origin=x",
        "a=b&mount=$digest&c=d+e&from=from%2Fhere")
    {
        my $repo = 'spelled' . $i++;
        is_mounted(mount($repo, $query), $repo, $digest, $query);
    }

    is_mounted($t->post("/v2/bodyless/blobs/uploads/?mount=$d"
        . '&from=from%2Fhere'), 'bodyless', $digest, 'mount without a length');
}


sub not_there {
    my $none = sha256('nobody has this');
    my $image = $t->push_image('from/here', 'image');

    is_upload(mount('to3', "mount=$none&from=from/here"), 'to3',
        'A43 a digest that nobody has');
    is_upload(mount('to3', "mount=$digest&from=none"), 'to3',
        'A43 a repository that is not there');
    is_upload(mount('to3', "mount=$digest&from=other"), 'to3',
        'A43 from a name nobody used');

    $t->push_blob('other', 'something else');
    is_upload(mount('to3', "mount=$digest&from=other"), 'to3',
        'A43 a repository that has it not, though another one has');

    my @a = mount('to3', "mount=$none&from=from/here")->headers;
    my @b = mount('to3', "mount=$digest&from=none")->headers;
    is(join(',', sort map { $_->[0] } @a), join(',', sort map { $_->[0] } @b),
        'A43 the same header names whatever is missing');

    is_error($t->head("/v2/to3/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        'A43 no link is made');

    # The session that came instead is a good one.

    my $l = mount('to3', "mount=$none&from=none")->header('Location');
    is_status($t->put("$l?digest=$none", body => 'nobody has this'), 201,
        'A43 the upload can be used');
}


sub onto_itself {
    is_mounted(mount('from/here', "mount=$digest&from=from/here"),
        'from/here', $digest, 'A44 from itself: it is there');

    is_upload(mount('from/here', 'mount=' . sha256('x') . '&from=from/here'),
        'from/here', 'A44 an unknown digest from itself');
}


sub malformed {
    is_error(mount('to4', "mount=$digest&from=$_"), 400, 'NAME_INVALID',
        "A44 from=$_") for '../x', 'A', 'a//b', '_x', 'x/../from/here', 'a%20';

    is_error(mount('to4', "mount=$_&from=from/here"), 400, 'DIGEST_INVALID',
        "A44 mount=$_") for 'x', 'sha256:', 'sha256:xyz', 'sha256:../x';

    ok(!-e $t->repo_dir('to4'), 'A44 no link is written, nor anything else');
}


sub without_from {
    my $only = 'in one repository only';
    my $d = $t->push_blob('single', $only);

    my $r = mount('to5', "mount=$d");
    is_status($r, 201, 'A45 without from, when some repository has the blob');
    is_header($r, 'Location', "/v2/to5/blobs/$d");
    is_header($r, 'Docker-Content-Digest', $d);
    is_whole($t->get("/v2/to5/blobs/$d"), $only, 'A45 it is there');

    is_upload(mount('to5', 'mount=' . sha256('nobody has this one')), 'to5',
        'A45 without from, when nobody has it');

    # Bytes that no repository links any more belong to nobody.

    is_status($t->delete("/v2/$_/blobs/$d"), 202, "deleted in $_")
        for qw(single to5);
    is_upload(mount('to6', "mount=$d"), 'to6',
        'A45 without from, when the bytes are there and no link is');
    is_upload(mount('to6', "mount=$d&from=single"), 'to6',
        'A45 with from, when the link there is gone');
}


sub after_delete {
    my $d = $t->push_blob('first', 'shared');

    is_status(mount('second', "mount=$d&from=first"), 201, 'A66 mounted');
    is_status($t->delete("/v2/first/blobs/$d"), 202, 'A66 deleted in one');
    is_error($t->get("/v2/first/blobs/$d"), 404, 'BLOB_UNKNOWN',
        'A66 gone there');
    is_whole($t->get("/v2/second/blobs/$d"), 'shared',
        'A66 the other one keeps it');
    is_error($t->get("/v2/first/blobs/$d"), 404, 'BLOB_UNKNOWN',
        'A66 and it stays gone after that');
    is_error($t->head("/v2/first/blobs/$d"), 404, 'BLOB_UNKNOWN',
        'A66 for HEAD too');
    is_status(mount('first', "mount=$d&from=second"), 201,
        'A66 it can be mounted back');
}


sub many_at_once {
    my @c = map { $t->connect } 1 .. 16;

    $_->start('POST',
        "/v2/crowd/blobs/uploads/?mount=$digest&from=from/here", body => '')
        for @c;

    my @bad = grep { $_->status != 201 } map { $_->reply } @c;
    is(scalar @bad, 0, 'F43 sixteen mounts of one blob at once')
        or diag $bad[0]->as_text;
    is_whole($t->get("/v2/crowd/blobs/$digest"), $bytes, 'F43 it is there');
}


# Docker pushes to a second repository: mounts, uploads the config again,
# puts the manifest.

sub manifest_uses_it {
    my $image = $t->push_image('shop/one', 'v1', layers => [$bytes]);

    is_status(mount('shop/two', "mount=$digest&from=shop/one"), 201,
        'the layer is mounted');
    $t->push_blob('shop/two', $image->{config});
    is_status($t->push_manifest('shop/two', 'v1', $image->{bytes}), 201,
        'the manifest finds it');
    is_whole($t->get('/v2/shop/two/manifests/v1'), $image->{bytes},
        'and is served');
}

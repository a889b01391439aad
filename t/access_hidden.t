#!/usr/bin/perl

# What a user may not see does not exist for him: in catalogues, as the source
# of a mount, among uploads, under another spelling, behind a manifest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use Test::More;

use Test::Registry;
use Test::Registry::Trace;


my $rules = <<'EOF';
registry_delete on;
registry_user $http_x_user;
registry_allow admin *               **;
registry_allow *     list,pull,push  seen/**;
registry_allow alice list,pull,push  alice/**;
registry_allow alice pull            readable/**;
registry_allow alice push            drop/**;
registry_allow alice list            shown/**;
registry_deny  three list,pull       h/nothing;
registry_allow three list,pull       c/three h/z z9/last;
registry_allow bob   pull,push       alice/** bob/**;
registry_allow nolist pull,push      **;
EOF

my $t = Test::Registry->new(
    ports => 2, location => $rules,
    servers => <<"EOF",
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%DIR%%/small;
        $rules
    }
}
EOF
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $alice = $t->with('X-User', 'alice');
my $bob = $t->with('X-User', 'bob');

$open->push_image($_, 'v1')
    for qw(alice/app bob/secret readable/app seen/app shown/app);
my $bytes = blob(50_000, 'nobody else has this');
my $secret = $open->push_blob('bob/secret', $bytes);
my $image = $open->push_image('bob/secret', 'v2', seed => 'bob');

same_refusal();
mounts();
anonymous_mounts();
mount_calls();
sessions();
referrers();
manifests();
spellings();
catalogue();
catalogue_of_few();
nobody();

finish($t, { roots => [$t->dir . '/small'] });


# 403 for what is there and for what is not: one and the same.

sub same_refusal {
    my $l = $open->open_upload('bob/secret');
    my ($id) = $l =~ m{([^/]+)\z};
    my @questions = (
        ['GET', 'manifests/v1'], ['HEAD', 'manifests/v1'],
        ['GET', 'manifests/none'], ['GET', "manifests/$image->{digest}"],
        ['PUT', 'manifests/v1'], ['DELETE', 'manifests/v1'],
        ['GET', "blobs/$secret"], ['HEAD', "blobs/$secret"],
        ['DELETE', "blobs/$secret"], ['GET', 'tags/list'],
        ['GET', 'tags/list?n=1'], ['GET', "referrers/$image->{digest}"],
        ['POST', 'blobs/uploads/'], ['POST', "blobs/uploads/?digest=$secret"],
        ['POST', "blobs/uploads/?mount=$secret&from=bob/secret"],
        ['GET', "blobs/uploads/$id"], ['PATCH', "blobs/uploads/$id"],
        ['PUT', "blobs/uploads/$id?digest=$secret"],
        ['DELETE', "blobs/uploads/$id"],
        ['DELETE', '_nginx/repository/content']
    );

    for (@questions) {
        my ($method, $path) = @$_;
        my @body = $method =~ /P/ ? (body => 'x') : ();
        my $there = $alice->request($method, "/v2/bob/secret/$path", @body);
        my $missing = $alice->request($method, "/v2/bob/absent/$path", @body);

        is_error($there, 403, 'DENIED', "R3 $method $path");
        is_like($there, $missing, "R4 $method $path: as if it were not there",
            ['bob/secret', 'bob/absent']);
    }

    is_status($open->get($l), 204, 'R4 and nothing has changed');
    is_status($open->get('/v2/bob/secret/manifests/v1'), 200, 'R4 at all');
    ok(!-e $t->repo_dir('bob/absent'), 'R4 and nothing is made');
    $open->delete($l);
}


sub mount {
    my ($user, $repo, $query) = @_;

    return $user->post("/v2/$repo/blobs/uploads/?$query", body => '');
}


sub is_no_mount {
    my ($r, $repo, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 202, $name) or return 0;
    return is_error($open->head("/v2/$repo/blobs/$secret"), 404,
        'BLOB_UNKNOWN', "$name: nothing is linked");
}


sub mounts {
    my $r = mount($alice, 'alice/a', "mount=$secret&from=bob/secret");

    is_no_mount($r, 'alice/a', 'A43 from a repository one may not pull');
    is_like($r, mount($alice, 'alice/a', "mount=$secret&from=bob/absent"),
        'A43 like one that is not there');
    is_like($r, mount($alice, 'alice/a', 'mount=' . sha256('no')
        . '&from=bob/secret'), 'A43 like a blob that is not there');
    is_no_mount(mount($alice, 'alice/a', "mount=$secret&from=$_"), 'alice/a',
        "A43 from $_") for qw(drop/app shown/app alice/app);

    is_error(mount($alice, 'bob/b', "mount=$secret&from=alice/app"), 403,
        'DENIED', 'A43 to a repository one may not push to');
    is_error(mount($alice, 'readable/app', "mount=$secret&from=alice/app"),
        403, 'DENIED', 'A43 nor to one that one may only read');

    $open->push_blob('readable/app', 'readable');
    is_status(mount($alice, 'alice/a', 'mount=' . sha256('readable')
        . '&from=readable/app'), 201, 'from one that one may pull');
    is_status(mount($bob, 'alice/b', "mount=$secret&from=bob/secret"), 201,
        'by one who may');
    $open->delete("/v2/alice/b/blobs/$secret");
}


# Without "from": only where one may pull is looked.

sub anonymous_mounts {
    is_no_mount(mount($alice, 'alice/c', "mount=$secret"), 'alice/c',
        'A45 a blob that is only where one may not pull');
    is_like(mount($alice, 'alice/c', "mount=$secret"),
        mount($alice, 'alice/c', 'mount=' . sha256('nobody')),
        'A45 like a blob that nobody has');

    $open->push_blob('drop/x', $bytes);
    $open->push_blob('shown/x', $bytes);
    is_no_mount(mount($alice, 'alice/c', "mount=$secret"), 'alice/c',
        'A45 nor where one may push or list, and not pull');

    $open->push_blob('readable/x', $bytes);
    is_status(mount($alice, 'alice/c', "mount=$secret"), 201,
        'A45 where one may pull it is found');
    is_whole($alice->get("/v2/alice/c/blobs/$secret"), $bytes,
        'A45 and there');
    is_status($open->delete("/v2/$_/blobs/$secret"), 202, "A45 $_: away")
        for qw(alice/c readable/x drop/x shown/x);
}


# Whether it is there shows in no time either: the worker looks at neither.

sub mount_calls {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 3)
            if !Test::Registry::Trace::available();

        my $looked = sub {
            my ($user, $from) = @_;

            my $trace = Test::Registry::Trace->attach($t->workers);
            my $r = mount($user, 'alice/t', "mount=$secret&from=$from");
            my @calls = grep { $_->{text} =~ m{\bbob/(?:secret|absent)\b} }
                $trace->stop;
            $open->delete($r->status == 201 ? "/v2/alice/t/blobs/$secret"
                : $r->header('Location'));
            return join "\n", map { $_->{text} } @calls;
        };

        isnt($looked->($bob, 'bob/secret'), '',
            'A43 a mount by one who may looks at where it is from');
        is($looked->($alice, $_), '',
            "A43 by one who may not it does not look at $_")
            for qw(bob/secret bob/absent);
    }
}


# An upload is its owner's.

sub sessions {
    my $l = $alice->open_upload('alice/app');
    is_status($alice->patch($l, body => 'abc'), 202, 'alice begins');

    my $unknown = $l =~ s/[0-9a-f]{12}\z/123456789abc/r;

    for (['GET', ''], ['HEAD', ''], ['PATCH', ''],
        ['PUT', '?digest=' . sha256('abc')], ['DELETE', ''])
    {
        my ($method, $query) = @$_;
        my @body = $method =~ /P/ ? (body => '') : ();

        my $r = $bob->request($method, "$l$query", @body);
        is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN',
            "A25 $method of an upload of somebody else");
        is_like($r, $bob->request($method, "$unknown$query", @body),
            "A25 $method: like one that never was");
    }

    is_error($t->with('X-User', 'admin')->patch($l, body => 'x'), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A25 whoever it is');
    is_error($bob->patch($l, body => 'x' x 100_000), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A25 with bytes');
    is_error($bob->patch($l, chunks => ['x' x 1000]), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A25 in chunks');
    is_error($bob->patch($l, body => 'x',
        headers => [['Content-Range', '3-3']]), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A25 with a range');

    is_header($alice->get($l), 'Range', '0-2', 'A25 the upload is unharmed');
    is_status($alice->put("$l?digest=" . sha256('abcdef'), body => 'def'),
        201, 'A25 and its owner ends it');

    # the owner is remembered beyond the process that heard of him

    $l = $alice->open_upload('alice/app');
    $t->reload;
    is_error($bob->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A25 after a reload');
    $t->restart;
    is_error($bob->delete($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A25 after a restart');
    is_status($alice->patch($l, body => 'abc'), 202, 'A25 and its owner goes '
        . 'on');

    # a mount that found nothing opens one, too

    my $m = mount($alice, 'alice/app', "mount=$secret&from=bob/secret")
        ->header('Location');
    is_error($bob->patch($m, body => 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A25 an upload in place of a mount');
    is_status($alice->delete($_), 204, 'A25 cancelled by its owner')
        for $l, $m;

    # begun where nobody has a name: anybody's who may push

    $l = $open->open_upload('alice/app');
    is_status($bob->patch($l, body => 'abc'), 202,
        'an upload of nobody: one goes on');
    is_status($alice->get($l), 204, 'another one looks');
    is_error($t->with('X-User', 'carol')->get($l), 403, 'DENIED',
        'one who may not push does not');
    is_status($alice->put("$l?digest=" . sha256('abc'), body => ''), 201,
        'and one ends it');

    # the same id under another repository of one's own

    $l = $alice->open_upload('alice/app');
    is_error($alice->get($l =~ s{alice/app}{alice/other}r), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A24 under another name');
    is_error($bob->patch($l =~ s{alice/app}{bob/app}r, body => 'x'), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A24 by somebody else');
    is_status($alice->delete($l), 204, 'A24 it is where it was');
}


# Referrers are of one repository alone, whatever a subject names.

sub referrers {
    my $subject = descriptor($image->{type}, $image->{bytes});

    $open->push_referrer('bob/secret', $subject, type => 'a/secret');

    is_error($alice->get("/v2/bob/secret/referrers/$image->{digest}"), 403,
        'DENIED', 'A94 referrers of what one may not pull');
    my $r = $alice->get("/v2/alice/app/referrers/$image->{digest}");
    is_json_list($r, 'manifests', [], 'A94 none of them in a repository of '
        . 'one\'s own');

    my $i = $open->push_referrer('alice/app', $subject, type => 'a/own');
    $r = $alice->get("/v2/alice/app/referrers/$image->{digest}");
    is(join(' ', map { $_->{artifactType} } @{ $r->json->{manifests} || [] }),
        'a/own', 'A94 only one\'s own to a foreign subject');
    unlike($r->body, qr/secret/, 'A94 and never another descriptor');
    is_error($alice->get('/v2/bob/secret/tags/list'), 403, 'DENIED',
        'A94 tags of what one may not pull');
    is_error($t->with('X-User', 'admin')->get('/v2/bob/absent/tags/list'),
        404, 'NAME_UNKNOWN', 'A94 who may is told the truth');
}


# A manifest must not prove what is elsewhere.

sub manifests {
    my $here = $image->{data};

    $open->push_image('bob/secret', 'v3', image => $image);
    my $r = $alice->push_manifest('alice/app', 'stolen', $here);
    is_error($r, 404, 'MANIFEST_BLOB_UNKNOWN',
        'A54 layers that only somebody else has');
    my $never = manifest(descriptor(OCI_CONFIG, 'never'),
        [ descriptor(OCI_LAYER, 'was') ]);
    is(join(' ', $alice->push_manifest('alice/app', 'x', $never)->codes),
        join(' ', $r->codes), 'A54 as with those that never were');
    is_error($alice->push_manifest('alice/app', 'index', manifest_index([
        descriptor($image->{type}, $image->{bytes}) ])), 404,
        'MANIFEST_BLOB_UNKNOWN', 'A54 nor a manifest of somebody else');
    is_error($alice->get("/v2/alice/app/manifests/$image->{digest}"), 404,
        'MANIFEST_UNKNOWN', 'A54 which is not there by its digest either');
    is_error($alice->get("/v2/alice/app/blobs/$secret"), 404, 'BLOB_UNKNOWN',
        'A54 nor is a blob');
}


# One repository through every spelling: one decision.

sub spellings {
    for my $path ('%62ob/secret', 'bob%2Fsecret', 'bob%2fsecret',
        'bob//secret', 'bob/./secret', 'alice/../bob/secret',
        'seen/%2e%2e/bob/secret', '%2e/bob/secret', 'alice%2f..%2fbob/secret',
        'bob/secret;x', 'bob;/secret', 'bob/secret%00', 'bob\\secret',
        'bob/secret%20', 'Bob/secret', 'bob/secret/.', 'bob/secret/',
        'alice/app/../../bob/secret', '%2562ob/secret')
    {
        my $r = $alice->get("/v2/$path/manifests/v1");
        ok($r->status >= 400 && $r->status < 500
            && index($r->body, 'schemaVersion') < 0,
            "A92 $path is not let in") or diag $r->as_text;

        $r = $alice->delete("/v2/$path/manifests/v1");
        ok($r->status >= 400 && $r->status < 500, "A92 DELETE $path")
            or diag $r->as_text;
    }

    for my $path ('%61lice/app', 'alice%2Fapp', 'alice//app', 'alice/./app',
        'bob/../alice/app')
    {
        my $r = $alice->get("/v2/$path/manifests/v1");
        ok($r->status == 200 || $r->status == 400,
            "A92 A08 $path is the same or none") or diag $r->as_text;
    }

    # words of a route inside a name do not move the name

    $open->push_image($_, 'v1') for 'bob/manifests/alice', 'alice/manifests';
    is_error($alice->get('/v2/bob/manifests/alice/manifests/v1'), 403,
        'DENIED', 'A09 the name ends at the last word');
    is_error($alice->get('/v2/bob/blobs/uploads/alice/manifests/v1'), 403,
        'DENIED', 'A09 wherever it begins');
    is_status($alice->get('/v2/alice/manifests/manifests/v1'), 200,
        'A09 one\'s own');

    is_whole($open->get('/v2/bob/secret/manifests/v2'), $image->{bytes},
        'A92 nothing is gone');
}


sub catalogue {
    my $list = sub {
        my @all = names_of($_[0]->get('/v2/_catalog'), 'repositories');
        return @all;
    };

    my @all = $list->($open);

    same_list([ $list->($alice) ], [ grep { m{\A(?:alice|seen|shown)/} }
        @all ], 'R4 the catalogue shows what one may list');
    cmp_ok(scalar $list->($alice), '<', @all, 'R4 which is not all there is');
    same_list([ $list->($bob) ], ['seen/app'], 'not what one may pull');
    same_list([ $list->($t->with('X-User', 'admin')) ], \@all,
        'to one who may list all, all');

    my $other = $t->with('X-User', 'nolist');
    is_status($other->get('/v2/seen/app/manifests/v1'), 200,
        'one who may pull everything');
    same_list([ $list->($other) ], ['seen/app'],
        'sees what all may list, and no more');
}


# Three of a thousand: every page is as if the three were all there is.

sub catalogue_of_few {
    my @three = ('c/three', 'h/z', 'z9/last');
    my $small = Test::Registry::Visitor->new($t, port => $t->extra_port(2),
        headers => [['X-User', 'three']]);
    my $big = $t->with('X-User', 'three');

    my ($digest) = map { s/.*://r } $open->push_blob('c/three', 'x');
    Test::Registry::Visitor->new($t, port => $t->extra_port(2),
        headers => [['X-User', 'admin']])->push_blob($_, 'x') for @three;
    my %hidden = map { $_ => 1 } qw(a/a h/nothing h/y zz/z),
        map { sprintf '%s/hidden%03d', qw(a b d h h/y z z9)[$_ % 7], $_ }
        1 .. 1000;

    # as a push would leave them

    for my $name (keys %hidden, @three) {
        my $dir = $t->repo_dir($name) . "/_layers/sha256/$digest";
        make_path($dir);
        $t->write_file("$dir/link", "sha256:$digest");
    }

    my @n = ('', 'n=0', 'n=1', 'n=2', 'n=3', 'n=4', 'n=100', 'n=1000',
        'n=100000');
    my @last = ('', 'last=a/hidden001', 'last=b', 'last=c/three',
        'last=d/hidden003', 'last=h/y', 'last=h/z', 'last=z9/hidden006',
        'last=z9/last', 'last=zz');

    # "seen" is there for everybody; not in this part of the alphabet

    $t->with('X-User', 'admin')
        ->delete('/v2/seen/app/_nginx/repository/content');

    for my $n (@n) {
        for my $last (@last) {
            my $query = join '&', grep { length } $n, $last;
            is_like($big->get("/v2/_catalog?$query"),
                $small->get("/v2/_catalog?$query"),
                "A93 _catalog?$query tells nothing of what is hidden");
        }
    }

    for my $n (1, 2, 3) {
        my @pages = follow_pages($big, "/v2/_catalog?n=$n", max => 20);
        my @all = map { names_of($_, 'repositories') } @pages;
        same_list(\@all, \@three, "A93 pages of $n hold those three");
        is(scalar @pages, int((3 + $n - 1) / $n), 'A93 and are full');
        has_no_header($pages[-1], 'Link', 'A93 the last one has no Link');
    }

    my @all = names_of($t->with('X-User', 'admin')->get('/v2/_catalog'),
        'repositories');
    cmp_ok(scalar @all, '>', 1000, 'A93 of more than a thousand');
}


# Users without a right, and those without a name.

sub nobody {
    my $stranger = $t->with('X-User', 'nobody-we-know');

    is_error($stranger->get('/v2/bob/secret/tags/list'), 403, 'DENIED',
        'a stranger');
    for my $who (['a stranger', $stranger], ['nobody', $t]) {
        my ($name, $visitor) = @$who;
        my $r = $visitor->get('/v2/_catalog');
        ok($r->status == 200 || $r->status == 401 || $r->status == 403,
            "the catalogue of $name") or diag $r->as_text;
        unlike($r->body, qr/bob|alice|hidden/, "$name sees no name");
    }
}

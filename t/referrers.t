#!/usr/bin/perl

# The referrers API: what it lists, filters, pages, and finds of old.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;
use Test::Registry;


my $t = Test::Registry->new(location => 'registry_delete on;', workers => 2)
    ->run;

my $image = $t->push_image('app', 'v1');
my $subject = descriptor(OCI_MANIFEST, $image->{bytes});
my $uri = "/v2/app/referrers/$image->{digest}";

nothing_yet();
listed();
artifact_types();
filtered();
plus();
malformed();
subject_later();
index_as_referrer();
long_digests();
deleted();
other_repository();
fallback_tag();
fallback_tag_image();
preexisting();
without_index();
paged();

finish($t);


# The list of a reply as {digest => descriptor}; checks the frame around it.

sub listing {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 200, "$name: 200");
    is_header($r, 'Content-Type', OCI_INDEX, "$name: an index");
    my $j = $r->json;
    ok(ref $j eq 'HASH' && ($j->{schemaVersion} // 0) == 2
        && ($j->{mediaType} // '') eq OCI_INDEX
        && ref $j->{manifests} eq 'ARRAY', "$name: by its body too")
        or do { diag $r->as_text; return {} };

    my %all = map { $_->{digest} => $_ } @{ $j->{manifests} };
    is(scalar keys %all, scalar @{ $j->{manifests} }, "$name: nothing twice");
    return \%all;
}


sub digests_are {
    my ($r, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $all = listing($r, $name);
    return is(join("\n", sort keys %$all),
        join("\n", sort map { $_->{digest} } @$want), "$name: these ones");
}


sub nothing_yet {
    digests_are($t->get($uri), [], 'no referrers');
    digests_are($t->get('/v2/app/referrers/' . sha256('unknown')), [],
        'A63 an unknown digest');
    digests_are($t->get("/v2/nowhere/referrers/$image->{digest}"), [],
        'A63 an unknown repository');
    digests_are($t->get('/v2/app/referrers/' . sha512('unknown')), [],
        'A63 an unknown sha512');

    my $head = $t->head($uri);
    is_status($head, 200, 'HEAD');
    is_header($head, 'Content-Type', OCI_INDEX);
    has_no_header($t->get($uri), 'OCI-Filters-Applied');
    has_no_header($t->get($uri), 'Link');
}


my ($sbom, $signature, $plain);

sub listed {
    $sbom = $t->push_referrer('app', $subject,
        type => 'application/vnd.example.sbom.v1',
        annotations => { 'org.example.format' => 'json', 'a' => "\x{e9}" });
    is_header($sbom->{reply}, 'OCI-Subject', $image->{digest});
    digests_are($t->get($uri), [$sbom], 'one referrer');

    $signature = $t->push_referrer('app', $subject,
        type => 'application/vnd.example.signature.v1', tag => 'sig');
    is_header($signature->{reply}, 'OCI-Subject', $image->{digest});

    my $all = listing($t->get($uri), 'two referrers');
    my $d = $all->{ $sbom->{digest} };
    is($d->{mediaType}, OCI_MANIFEST, 'mediaType');
    is($d->{size}, length $sbom->{bytes}, 'size');
    is($d->{artifactType}, 'application/vnd.example.sbom.v1',
        'artifactType');
    is_deeply($d->{annotations}, $sbom->{data}{annotations}, 'annotations');
    is_deeply([sort keys %$d],
        [qw(annotations artifactType digest mediaType size)],
        'and nothing else');

    # As a number and as text, the way clients read it.

    like($t->get($uri)->body, qr/"size":\s*\d+[,}]/, 'the size is a number');

    is_json_list($t->get('/v2/app/tags/list'), 'tags', [qw(sig v1)],
        'no tag is made for them');
    is_status($t->push_manifest('app', $sbom->{digest}, $sbom->{bytes}), 201,
        'the same referrer again');
    digests_are($t->get($uri), [$sbom, $signature], 'is listed once');
}


# artifactType as it is, or the config's type, or absent for an index.

sub artifact_types {
    $plain = $t->push_referrer('app', $subject, config => '{"plain":1}',
        config_type => 'application/vnd.example.config');
    my $all = listing($t->get($uri), 'three referrers');
    is($all->{ $plain->{digest} }{artifactType},
        'application/vnd.example.config',
        'without artifactType the config type stands for it');
}


sub filtered {
    my $type = 'application/vnd.example.sbom.v1';

    for my $query ("artifactType=$type", 'artifactType=' . escape($type),
        "x=y&artifactType=$type&z=")
    {
        my $r = $t->get("$uri?$query");
        digests_are($r, [$sbom], "?$query");
        is_header($r, 'OCI-Filters-Applied', 'artifactType');
    }

    my $r = $t->get("$uri?artifactType=application/vnd.example.config");
    digests_are($r, [$plain], 'filter by a config type');

    $r = $t->get("$uri?artifactType=application/vnd.example.none");
    digests_are($r, [], 'a filter that nothing passes');
    is_header($r, 'OCI-Filters-Applied', 'artifactType');

    digests_are($t->get("$uri?artifactType=$type.more"), [],
        'a filter is no prefix');
    digests_are($t->get("$uri?artifacttype=$type"),
        [$sbom, $signature, $plain], 'the key is artifactType alone');

    for my $odd ('a' x 4000, '%22%3E%3Cscript', 'a%22;x=%22', 'a+b', '%ff') {
        $r = $t->get("$uri?artifactType=$odd");
        my $name = 'A63 artifactType=' . substr $odd, 0, 40;
        digests_are($r, [], $name);
        ok(!(grep { $_->[1] =~ /[\r\n]|script/ } $r->headers),
            "$name: no header is split");
        is_header($r, 'OCI-Filters-Applied', 'artifactType');
    }

    is_error($t->get("$uri?artifactType=$_"), 400, 'UNSUPPORTED',
        "A63 artifactType=$_ is malformed")
        for 'a%0ab', 'a%0d%0aX:%20y', '%00', '%1b', '%zz';

    $r = $t->get("$uri?artifactType=$type"
        . '&artifactType=application/vnd.example.signature.v1');
    digests_are($r, [$sbom], 'A63 artifactType twice: the first counts');
    is_header($r, 'OCI-Filters-Applied', 'artifactType');

    $r = $t->get("$uri?artifactType=");
    digests_are($r, [$sbom, $signature, $plain],
        'A63 an empty filter is none');
    has_no_header($r, 'OCI-Filters-Applied');
}


# The most of them end in "+json", which curl sends as it stands.

sub plus {
    my $image = $t->push_image('plus', 'v1');
    my $type = 'application/vnd.example.bundle+json';
    my $bundle = $t->push_referrer('plus',
        descriptor(OCI_MANIFEST, $image->{bytes}), type => $type);

    digests_are($t->get("/v2/plus/referrers/$image->{digest}?artifactType=$_"),
        [$bundle], "?artifactType=$_") for $type, escape($type);
}


sub malformed {
    is_error($t->get("/v2/app/referrers/$_"), 400, 'DIGEST_INVALID',
        "A63 $_") for 'x', 'sha256:x', 'v1', 'sha256:', 'md5:' . 'a' x 32;
}


# Referrers first, the subject after them.

sub subject_later {
    my $late = image(seed => 'late');
    my $s = descriptor(OCI_MANIFEST, $late->{bytes});
    my $early = $t->push_referrer('app', $s, type => 'application/vnd.early');

    is_header($early->{reply}, 'OCI-Subject', $late->{digest});
    digests_are($t->get("/v2/app/referrers/$late->{digest}"), [$early],
        'A61 a referrer of what is not there yet');

    $t->push_image('app', 'late', image => $late);
    digests_are($t->get("/v2/app/referrers/$late->{digest}"), [$early],
        'and of what came later');

    # A referrer of a referrer.

    my $chain = $t->push_referrer('app',
        descriptor(OCI_MANIFEST, $early->{bytes}), type => 'application/vnd.c');
    digests_are($t->get("/v2/app/referrers/$early->{digest}"), [$chain],
        'a referrer of a referrer');
}


sub index_as_referrer {
    my $s = descriptor(OCI_MANIFEST, sha256('index subject'), 20);
    my $where = "/v2/app/referrers/$s->{digest}";

    my @bytes = map { to_json(manifest_index(
        [descriptor(OCI_MANIFEST, $image->{bytes})], subject => $s, %$_)) }
        { artifactType => 'application/vnd.example.index',
            annotations => { k => 'v' } }, {};

    for my $b (@bytes) {
        my $r = $t->push_manifest('app', sha256($b), $b, OCI_INDEX);
        is_status($r, 201, 'an index with a subject');
        is_header($r, 'OCI-Subject', $s->{digest});
    }

    my $all = listing($t->get($where), 'indexes as referrers');
    my ($one, $two) = map { $all->{ sha256($_) } } @bytes;

    is($one->{mediaType}, OCI_INDEX, 'mediaType');
    is($one->{artifactType}, 'application/vnd.example.index',
        'artifactType');
    is_deeply($one->{annotations}, { k => 'v' }, 'annotations');
    ok($two && !exists $two->{artifactType},
        'an index without artifactType is listed without one');
}


sub long_digests {
    my $s = { mediaType => OCI_MANIFEST, digest => sha512('long'), size => 4 };
    my $r = $t->push_referrer('app', $s, type => 'application/vnd.long');

    is_header($r->{reply}, 'OCI-Subject', $s->{digest});
    digests_are($t->get("/v2/app/referrers/$s->{digest}"), [$r],
        'a subject with sha512');

    # A referrer that is itself stored under sha512.

    my $bytes = to_json({ %{ $r->{data} }, annotations => { long => 'yes' } });
    is_status($t->push_manifest('app', sha512($bytes), $bytes), 201,
        'a referrer pushed by sha512');
    digests_are($t->get("/v2/app/referrers/$s->{digest}"),
        [$r, { digest => sha512($bytes) }], 'is listed by sha512');
}


sub deleted {
    is_status($t->delete("/v2/app/manifests/$sbom->{digest}"), 202,
        'a referrer is deleted');
    digests_are($t->get($uri), [$signature, $plain], 'it is gone at once');

    # By tag it only loses its name.

    is_status($t->delete('/v2/app/manifests/sig'), 202, 'a tag is deleted');
    digests_are($t->get($uri), [$signature, $plain], 'its referrer stays');

    is_status($t->push_manifest('app', $sbom->{digest}, $sbom->{bytes}), 201,
        'it is pushed again');
    digests_are($t->get($uri), [$sbom, $signature, $plain], 'it is back');
}


sub other_repository {
    digests_are($t->get("/v2/other/referrers/$image->{digest}"), [],
        'A94 another repository has none');

    my $r = $t->push_referrer('other', $subject,
        type => 'application/vnd.other');
    digests_are($t->get("/v2/other/referrers/$image->{digest}"), [$r],
        'A94 it has its own');
    digests_are($t->get($uri), [$sbom, $signature, $plain],
        'A94 which are not ours');
}


# What a client of old kept under the tag sha256-<hex> is merged, once each.

sub fallback_tag {
    my $i = $t->push_image('fallback', 'v1');
    my $s = descriptor(OCI_MANIFEST, $i->{bytes});
    my $where = "/v2/fallback/referrers/$i->{digest}";
    my $tag = $i->{digest} =~ s/:/-/r;

    my $new = $t->push_referrer('fallback', $s, type => 'application/vnd.new');
    my $both = $t->push_referrer('fallback', $s,
        type => 'application/vnd.both');

    my $index = manifest_index([
        { %{ descriptor(OCI_MANIFEST, $both->{bytes}) },
            artifactType => 'application/vnd.both' }
    ]);
    is_status($t->push_manifest('fallback', $tag, $index, OCI_INDEX), 201,
        'an index under the fallback tag');
    digests_are($t->get($where), [$new, $both], 'merged by digest');

    my $r = $t->get("$where?artifactType=application/vnd.both");
    digests_are($r, [$both], 'and filtered');

    is_whole($t->get("/v2/fallback/manifests/$tag"), to_json($index),
        'the tag itself is served as it was pushed');
}


# cosign copies put the image itself there.

sub fallback_tag_image {
    my $i = $t->push_image('copied', 'v1');
    my $tag = $i->{digest} =~ s/:/-/r;

    is_status($t->push_manifest('copied', $tag, $i->{bytes}), 201,
        'an image under the fallback tag');
    digests_are($t->get("/v2/copied/referrers/$i->{digest}"), [],
        'is no list of referrers');

    my $r = $t->push_referrer('copied', descriptor(OCI_MANIFEST, $i->{bytes}),
        type => 'application/vnd.x');
    digests_are($t->get("/v2/copied/referrers/$i->{digest}"), [$r],
        'and hides none');
}


# Manifests that were on disk before any of our additions.

sub preexisting {
    my $before = $t->get($uri)->body;

    $t->stop or die "$t->{stop_text}\n";
    remove_tree($t->root . '/docker/registry/nginx',
        $t->repo_dir('app') . '/_referrers',
        $t->repo_dir('fallback') . '/_referrers');
    $t->run;

    digests_are($t->get($uri), [$sbom, $signature, $plain],
        'manifests from before us are found');

    my $late = image(seed => 'late');
    my $all = listing($t->get("/v2/app/referrers/$late->{digest}"),
        'and those of another subject');
    is(scalar keys %$all, 1, 'one');

    my $new = $t->push_referrer('app', $subject, type => 'application/vnd.n');
    digests_are($t->get($uri), [$sbom, $signature, $plain, $new],
        'a new one joins them');
    $t->delete("/v2/app/manifests/$new->{digest}");
    digests_are($t->get($uri), [$sbom, $signature, $plain],
        'and leaves them');
}


# The same while nginx runs: a copy of a tree that distribution wrote appears
# as a repository of its own.

sub without_index {
    my ($from, $to) = map { $t->repo_dir($_) } qw(app imported);

    system('cp', '-a', $from, $to) == 0 or die "cp: $?\n";
    remove_tree("$to/_referrers");

    digests_are($t->get("/v2/imported/referrers/$image->{digest}"),
        [$sbom, $signature, $plain], 'a repository that was copied in');
}


# One page holds up to 4 MiB; beyond that a Link.

sub paged {
    my $i = $t->push_image('paged', 'v1');
    my $s = descriptor(OCI_MANIFEST, $i->{bytes});
    my $where = "/v2/paged/referrers/$i->{digest}";
    my @all;

    $t->push_blob('paged', '{}');

    # Ten of 380,000 bytes fit in 4 MiB, the others do not.

    for my $n (1 .. 10) {
        push @all, $t->push_referrer('paged', $s, blobs_exist => 1,
            type => 'application/vnd.t' . $n % 2,
            annotations => { n => "$n", pad => chr(96 + $n) x 380_000 });
    }

    my $r = $t->get($where);
    digests_are($r, \@all, '3.8 MB on one page');
    has_no_header($r, 'Link', 'without a Link');

    for my $n (11 .. 25) {
        push @all, $t->push_referrer('paged', $s, blobs_exist => 1,
            type => 'application/vnd.t' . $n % 2,
            annotations => { n => "$n", pad => chr(96 + $n) x 380_000 });
    }

    for my $filter ('', '?artifactType=application/vnd.t1') {
        my @want = $filter eq '' ? @all
            : grep { $_->{data}{artifactType} =~ /t1\z/ } @all;
        my @pages = follow_pages($t, "$where$filter", max => 50);
        my %seen;

        cmp_ok(scalar @pages, '>', 1, "more than one page$filter");
        for my $p (@pages) {
            my $found = listing($p, "a page$filter");
            $seen{$_}++ for keys %$found;
            cmp_ok(length $p->body, '<=', 4 << 20,
                'no page is larger than 4 MiB');
            is_header($p, 'OCI-Filters-Applied', 'artifactType')
                if $filter ne '';
        }

        cmp_ok(length $pages[0]->body, '>', 3 << 20,
            'a first page is a full one');
        is_header($pages[0], 'Link',
            qr{\A</v2/paged/referrers/[^>]+>;\s*rel="next"\z});
        is(join("\n", sort keys %seen),
            join("\n", sort map { $_->{digest} } @want),
            'together they hold every one');
        is((grep { $_ != 1 } values %seen) + 0, 0, 'and none twice');
    }
}

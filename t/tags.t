#!/usr/bin/perl

# Lists of tags: order, pages, Link, odd parameters, and that a change by
# anybody is seen at once by everybody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path remove_tree);
use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Torture;


my $t = Test::Registry->new(
    workers => 2, server => 'add_header X-Worker $pid always;',
    location => 'registry_delete on;'
)->run;

my $image = image();
my $list = '/v2/app/tags/list';

# In the order of Go's sort.Strings.

my @tags = qw(10 2.0 9 A Z _x a a-b a.b a0 aa b latest);

shape();
sorted();
pages();
no_tags();
numbers();
last_values();
two_thousand();
very_many();
other_workers();
other_nginx();
by_hand();
repository_comes_and_goes();

finish($t);


sub shape {
    is_error($t->get($list), 404, 'NAME_UNKNOWN', 'no repository');
    is_error($t->head($list), 404, 'NAME_UNKNOWN', 'HEAD of none');
    is_error($t->get("$list?n=5"), 404, 'NAME_UNKNOWN', 'no page of none');

    $t->push_image('app', 'latest', image => $image);
    my $r = $t->get($list);
    is_status($r, 200, 'a list');
    is_header($r, 'Content-Type', qr{\Aapplication/json(?:; charset=utf-8)?\z});
    is_deeply($r->json, { name => 'app', tags => ['latest'] }, 'as specified');
    is_header($t->head($list), 'Content-Type',
        qr{\Aapplication/json(?:; charset=utf-8)?\z}, 'HEAD');

    $t->push_image('a/b/c', 'x', image => $image);
    is_deeply($t->get('/v2/a/b/c/tags/list')->json,
        { name => 'a/b/c', tags => ['x'] }, 'the name is the whole path');
}


sub sorted {
    $t->push_manifest('app', $_, $image->{bytes})
        for sort { sha256($a) cmp sha256($b) } @tags;

    my $r = $t->get($list);
    is_json_list($r, 'tags', \@tags, 'in the order of bytes');
    has_no_header($r, 'Link', 'all of them, no Link');
    is_json_list($t->get("$list?"), 'tags', \@tags, 'an empty query');
    is_json_list($t->get("$list?x=y"), 'tags', \@tags, 'unknown keys');
}


sub pages {
    my $r = $t->get("$list?n=3");
    is_json_list($r, 'tags', [@tags[0 .. 2]], 'n=3');
    is_header($r, 'Link',
        qr{\A</v2/app/tags/list\?(?=[^>]*\bn=3\b)(?=[^>]*\blast=9\b)[^>]+>;\s*rel="next"\z},
        'Link is relative and repeats n');

    $r = $t->get("$list?n=3&last=9");
    is_json_list($r, 'tags', [@tags[3 .. 5]], 'n=3&last=9');
    $r = $t->get("$list?last=a&n=2");
    is_json_list($r, 'tags', [qw(a-b a.b)], 'last=a&n=2');
    is_json_list($t->get("$list?last=aa"), 'tags', [qw(b latest)],
        'last without n');
    is_json_list($t->get("$list?last=aaa"), 'tags', [qw(b latest)],
        'A99 last that is no tag');
    is_json_list($t->get("$list?n=1&last=0"), 'tags', ['10'],
        'A99 last before the first');

    for my $n (1, 2, 3, 5, 12) {
        my @pages = follow_pages($t, "$list?n=$n");
        my @all = map { names_of($_, 'tags') } @pages;
        same_list(\@all, \@tags, "pages of $n hold all, in order");
        is(scalar @pages, int((@tags + $n - 1) / $n), "in as few pages");
        has_no_header($pages[-1], 'Link', 'the last page has no Link');
        is((grep { names_of($_, 'tags') != $n } @pages[0 .. $#pages - 1]) + 0,
            0, 'and the others are full');
    }

    for my $n (13, 14, 1000) {
        $r = $t->get("$list?n=$n");
        is_json_list($r, 'tags', \@tags, "n=$n of 13");
        has_no_header($r, 'Link', 'needs no Link');
    }
}


sub no_tags {
    my $r = $t->get("$list?n=0");
    is_json_list($r, 'tags', [], 'A97 n=0: an empty list');
    has_no_header($r, 'Link', 'A97 and no Link');
    is_json_list($t->get("$list?n=0&last=a"), 'tags', [], 'A97 n=0 and last');

    $r = $t->get("$list?last=latest");
    is_json_list($r, 'tags', [], 'A99 last is the last one');
    like($r->body, qr/"tags":\s*\[\s*\]/, 'A99 as a list and not null');
    $r = $t->get("$list?n=5&last=zzz");
    is_json_list($r, 'tags', [], 'A99 past the end');
    has_no_header($r, 'Link', 'A99 no Link past the end');

    $t->push_image('untagged', undef, image => $image);
    $r = $t->get('/v2/untagged/tags/list');
    is_json_list($r, 'tags', [], 'a repository without tags');
    like($r->body, qr/"tags":\s*\[\s*\]/, 'as a list and not null');
}


sub numbers {
    is_error($t->get("$list?n=$_"), 400, 'PAGINATION_NUMBER_INVALID',
        "A97 n=$_") for qw(-1 abc 1.5 1e3 +5 0x10 5a -0 %205 5%20), '1,2';

    is_json_list($t->get("$list?n="), 'tags', \@tags, 'A97 n empty');
    is_json_list($t->get("$list?n"), 'tags', \@tags, 'A97 n without a value');

    is_json_list($t->get("$list?n=2&n=4"), 'tags', [@tags[0, 1]],
        'A97 n twice: the first counts');
    is_json_list($t->get("$list?n=2&n=x"), 'tags', [@tags[0, 1]],
        'A97 n twice: the second is not looked at');
    is_error($t->get("$list?n=x&n=2"), 400, 'PAGINATION_NUMBER_INVALID',
        'A97 n twice: the first one wrong');

    my @pids = $t->workers;
    my $before = 0;
    $before += rss_of($_) for @pids;
    my $r;

    for my $n ('2147483648', '9223372036854775807', '18446744073709551616',
        '99999999999999999999', '9' x 400)
    {
        $r = $t->get("$list?n=$n");
        is_json_list($r, 'tags', \@tags, 'A98 n=' . substr $n, 0, 24);
    }

    $t->get("$list?n=99999999999999999999") for 1 .. 200;
    my $grown = -$before;
    $grown += rss_of($_) for @pids;
    cmp_ok($grown, '<', (sanitized() ? 256 : 16) << 20,
        'A98 memory stays flat, whatever n is');

    is_json_list($t->get("$list?n=0003"), 'tags', [@tags[0 .. 2]],
        'zeros in front');
}


# Whatever stands in last: a right page or 400, and a Link that is one.

sub last_values {
    is_error($t->get("$list?n=2&last=$_"), 400, 'UNSUPPORTED',
        "A99 last=$_ is malformed")
        for '%00', '%0d%0aX:y', '%1b', '%7f', '%', '%4', '%zz';

    # Whatever else it is, it has its place among the bytes of tags.

    for my $last ('../..', '%22%3e', 'a' x 4000, '%ff%fe', 'a%2fb', '<x>',
        'a;b', '%c3%a9')
    {
        my $r = $t->get("$list?n=2&last=$last");
        my $name = 'A99 last=' . substr $last, 0, 30;
        my $bytes = $last =~ s/%(..)/chr hex $1/ger;
        my @want = grep { $_ gt $bytes } @tags;

        is_json_list($r, 'tags', [grep { defined } @want[0, 1]], $name);
        my $link = $r->header('Link');
        ok(@want > 2 ? ($link // '') =~ m{\A<[!-;=?-~]+>;\s*rel="next"\z}
            : !defined $link, "$name: the Link is percent-encoded")
            or diag $link;
    }

    my $r = $t->get("$list?last=" . 'a' x 9000);
    is($r->status, 414, 'A99 last of 9 KB is refused by nginx');
}


sub two_thousand {
    my @many = map { sprintf 't-%04d', $_ } 0 .. 1999;

    # A hundred by the API, four requests; the others straight to the disk.

    $t->push_blob('many', $_) for $image->{config}, @{ $image->{layers} };
    for (my $i = 0; $i < 100; $i += 25) {
        is_status($t->push_manifest('many', "$image->{digest}?"
            . join('&', map { "tag=$_" } @many[$i .. $i + 24]),
            $image->{bytes}), 201, "25 tags from $i on");
    }
    by_restore('many', $_) for @many[100 .. 1999];

    my $r = $t->get('/v2/many/tags/list');
    is_json_list($r, 'tags', \@many, 'A68 2,000 tags in one list');

    for my $n (100, 999, 2000, '99999999999999999999') {
        my @pages = follow_pages($t, "/v2/many/tags/list?n=$n");
        my @all = map { names_of($_, 'tags') } @pages;
        same_list(\@all, \@many, "A68 A98 2,000 tags with n=$n");
        cmp_ok(scalar @pages, '<=', $n < 2000 ? 1 + 2000 / $n : 20,
            'in so many pages');
    }

    $r = $t->get('/v2/many/tags/list?n=3&last=t-1233');
    is_json_list($r, 'tags', [qw(t-1234 t-1235 t-1236)], 'A68 from the middle');

    is_status($t->delete('/v2/many/manifests/t-1235'), 202, 'one is deleted');
    $r = $t->get('/v2/many/tags/list?n=3&last=t-1233');
    is_json_list($r, 'tags', [qw(t-1234 t-1236 t-1237)], 'A68 and gone at once');

    is_status($t->delete("/v2/many/manifests/$image->{digest}"), 202,
        'the manifest is deleted');
    is_json_list($t->get('/v2/many/tags/list'), 'tags', [],
        'with all 1,999 tags');
}


# So many that a list costs something: no page may take long, nor memory stay.

sub very_many {
    my $n = torture(10_000, 100_000);
    my @many = map { sprintf 't-%06d', $_ } 0 .. $n - 1;

    $t->push_image('very', undef, image => $image);
    by_restore('very', $_) for @many;

    my @pids = $t->workers;
    my $before = 0;
    $before += rss_of($_) for @pids;

    my $uri = '/v2/very/tags/list';
    my $begin = time;
    my @all = map { names_of($_, 'tags') } follow_pages($t, $uri);
    my $whole = time - $begin;
    same_list(\@all, \@many, "A68 $n tags in one list");

    my ($slow, $pages, @got);
    is_quick(sanitized() ? 10 : 1, 'A68 no page takes a second', sub {
        ($slow, $pages, @got) = (0, 0);
        $uri = '/v2/very/tags/list?n=1000';
        for (; defined $uri && $pages < 1000; $pages++) {
            $begin = time;
            my $r = $t->get($uri);
            $slow = time - $begin if time - $begin > $slow;
            push @got, names_of($r, 'tags');
            $uri = links_to($r);
        }
        return $slow;
    });
    same_list(\@got, \@many, "A68 $n tags in pages of a thousand");
    is($pages, $n / 1000, 'A68 in as few pages');
    figure('ms for the dearest page of a thousand', int($slow * 1000));
    figure("ms for the list of $n", int($whole * 1000));

    my $grown = -$before;
    $grown += rss_of($_) for @pids;
    cmp_ok($grown, '<', (sanitized() ? 512 : 64) << 20,
        'A68 memory stays flat');

    # By hand: the trash would be busy with them for minutes.

    remove_tree($t->repo_dir('very'));
    is_error($t->get('/v2/very/tags/list'), 404, 'NAME_UNKNOWN',
        'all of it goes');
}


# One adds and removes, the other one looks, and back.

sub seen_at_once {
    my ($one, $two, $name) = @_;
    my $bad = 0;

    my $put = sub {
        my ($c, $tag) = @_;
        return $c->put("/v2/watch/manifests/$tag", body => $image->{bytes},
            headers => { 'Content-Type' => OCI_MANIFEST });
    };

    $t->push_image('watch', 'base', image => $image);
    names_of($_->get('/v2/watch/tags/list'), 'tags') for $one, $two;

    for my $i (1 .. 25) {
        my ($a, $b) = $i % 2 ? ($one, $two) : ($two, $one);
        my $tag = "t$i";

        $put->($a, $tag);
        my @with = names_of($b->get('/v2/watch/tags/list'), 'tags');
        $a->delete("/v2/watch/manifests/$tag");
        my @without = names_of($b->get('/v2/watch/tags/list?n=100'), 'tags');

        $bad++ if "@with" ne "base $tag" || "@without" ne 'base';
    }

    is($bad, 0, $name);
}


sub other_workers {
    my ($one, $two) = $t->connect_each(2);

    seen_at_once($one, $two, 'a change by another worker is seen at once');
}


sub other_nginx {
    my $n = Test::Registry->new(root => $t->root,
        location => 'registry_delete on;')->run;

    seen_at_once($t->connect, $n->connect,
        'a change by another nginx on the root is seen at once');
    $n->finish(audit => 0);
}


# A tag written straight to the disk, as a restore would.

sub by_restore {
    my ($repo, $tag) = @_;

    my $dir = $t->repo_dir($repo) . "/_manifests/tags/$tag";
    my ($hex) = $image->{digest} =~ /:(.*)/;

    make_path("$dir/current", "$dir/index/sha256/$hex");
    $t->write_file("$dir/$_/link", $image->{digest})
        for 'current', "index/sha256/$hex";
}


# A tag that appears and goes on disk, as a command line tool would do it.

sub by_hand {
    my $dir = $t->repo_dir('app') . '/_manifests/tags';
    my $bad = 0;

    for my $i (1 .. 10) {
        $t->get($list);
        my $tag = "hand$i";
        by_restore('app', $tag);
        my @with = names_of($t->get($list), 'tags');
        remove_tree("$dir/$tag");
        my @without = names_of($t->get($list), 'tags');
        $bad++ if !(grep { $_ eq $tag } @with)
            || grep { $_ eq $tag } @without;
    }
    is($bad, 0, 'a change on disk is seen at once');

    # Files that are no tags are none.

    make_path("$dir/empty/current", "$dir/hollow");
    $t->write_file("$dir/empty/current/link", '');
    $t->write_file("$dir/stray", 'x');
    make_path("$dir/.nfs0001", "$dir/bad:name/current");
    $t->write_file("$dir/bad:name/current/link", $image->{digest});
    my @got = names_of($t->get($list), 'tags');
    ok(!(grep { /stray|nfs|bad:/ } @got), 'F35 what is no tag is not listed')
        or diag "@got";
    is_error($t->get('/v2/app/manifests/empty'), 404, 'MANIFEST_UNKNOWN',
        'F13 F40 a link of zero bytes is none');
    remove_tree("$dir/$_") for 'empty', 'hollow', '.nfs0001', 'bad:name';
    unlink "$dir/stray";
    is_json_list($t->get($list), 'tags', \@tags, 'and all is as before');
}


sub repository_comes_and_goes {
    my ($one, $two) = $t->connect_each(2);
    my $bad = 0;

    for (1 .. 10) {
        $bad++ if $two->get('/v2/fleeting/tags/list')->status != 404;
        $t->push_image('fleeting', 'x', image => $image);
        $bad++ if $two->get('/v2/fleeting/tags/list')->status != 200;
        $bad++ if $one->get('/v2/fleeting/tags/list')->status != 200;
        $bad++ if $one->delete('/v2/fleeting/_nginx/repository/content')
            ->status != 202;
        ($one, $two) = ($two, $one);
    }
    is($bad, 0, 'a repository that comes and goes is seen at once');
}

#!/usr/bin/perl

# The catalog: order, pages, Link, odd parameters, and that a change by
# anybody is seen at once by everybody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree make_path);
use Test::More;
use Test::Registry;


my $t = Test::Registry->new(
    workers => 2, server => 'add_header X-Worker $pid always;',
    location => 'registry_delete on;'
)->run;

my $catalog = '/v2/_catalog';
my $image = image();

# In the order of Go's sort.Strings: a dash and a dot come before a slash.

my @names = qw(0 a a-b a-b/c a.b a/b a/b/c a0 a__b a_b ab b/c/d z/y/x);

empty();
sorted();
pages();
numbers();
last_values();
many();
other_workers();
other_nginx();
by_hand();
restarted();

finish($t);


sub repositories { return names_of($t->get($catalog), 'repositories') }


sub empty {
    my $r = $t->get($catalog);

    is_json_list($r, 'repositories', [], 'an empty store');
    like($r->body, qr/"repositories":\s*\[\s*\]/, 'as a list and not null');
    is_header($r, 'Content-Type', qr{\Aapplication/json(?:; charset=utf-8)?\z});
    has_no_header($r, 'Link');
    is_status($t->head($catalog), 200, 'HEAD');
}


sub sorted {
    $t->push_image($_, 'x', image => $image)
        for sort { sha256($a) cmp sha256($b) } @names;

    my $r = $t->get($catalog);
    is_json_list($r, 'repositories', \@names, 'in the order of bytes');
    is_deeply([keys %{ $r->json }], ['repositories'], 'and nothing else');
    has_no_header($r, 'Link', 'all of them, no Link');

    # Read wrongly, this path is a repository of the name _catalog.

    is_json_list($t->get("$catalog?x=y"), 'repositories', \@names,
        'unknown keys');
    is_error($t->get('/v2/_catalog/'), 404, 'UNSUPPORTED', '/v2/_catalog/');
}


sub pages {
    my $r = $t->get("$catalog?n=3");
    is_json_list($r, 'repositories', [@names[0 .. 2]], 'n=3');
    is_header($r, 'Link',
        qr{\A</v2/_catalog\?(?=[^>]*\bn=3\b)(?=[^>]*\blast=a-b\b)[^>]+>;\s*rel="next"\z},
        'Link is relative and repeats n');

    is_json_list($t->get("$catalog?n=2&last=a-b"), 'repositories',
        [qw(a-b/c a.b)], 'n=2&last=a-b');
    is_json_list($t->get("$catalog?n=2&last=a/b"), 'repositories',
        [qw(a/b/c a0)], 'a raw slash in last');
    is_json_list($t->get("$catalog?n=2&last=a%2Fb"), 'repositories',
        [qw(a/b/c a0)], 'an encoded slash in last');
    is_json_list($t->get("$catalog?last=ab"), 'repositories',
        [qw(b/c/d z/y/x)], 'last without n');
    is_json_list($t->get("$catalog?last=b/c"), 'repositories',
        [qw(b/c/d z/y/x)], 'A99 last that is no repository');
    is_json_list($t->get("$catalog?last=b/d&n=1"), 'repositories', ['z/y/x'],
        'A99 between two of them');

    for my $n (1, 2, 5, 12) {
        my @pages = follow_pages($t, "$catalog?n=$n");
        my @all = map { names_of($_, 'repositories') } @pages;
        same_list(\@all, \@names, "pages of $n hold all, in order");
        is(scalar @pages, int((@names + $n - 1) / $n), 'in as few pages');
        has_no_header($pages[-1], 'Link', 'the last page has no Link');
    }

    for my $n (13, 14, 1000) {
        $r = $t->get("$catalog?n=$n");
        is_json_list($r, 'repositories', \@names, "n=$n of 13");
        has_no_header($r, 'Link', 'needs no Link');
    }
}


sub numbers {
    my $r = $t->get("$catalog?n=0");
    is_json_list($r, 'repositories', [], 'A97 n=0: an empty list');
    has_no_header($r, 'Link', 'A97 and no Link');

    is_error($t->get("$catalog?n=$_"), 400, 'PAGINATION_NUMBER_INVALID',
        "A97 n=$_") for qw(-1 abc 1.5 1e3 +5 0x10 5a);

    is_json_list($t->get("$catalog?n="), 'repositories', \@names,
        'A97 n empty');

    is_json_list($t->get("$catalog?n=2&n=4"), 'repositories', [@names[0, 1]],
        'A97 n twice: the first counts');

    is_json_list($t->get("$catalog?n=$_"), 'repositories', \@names,
        "A98 n=$_") for qw(2147483648 99999999999999999999);
}


sub last_values {
    my $r = $t->get("$catalog?n=5&last=zzz");
    is_json_list($r, 'repositories', [], 'A99 past the end');
    like($r->body, qr/"repositories":\s*\[\s*\]/, 'A99 not null');
    has_no_header($r, 'Link', 'A99 no Link past the end');

    is_error($t->get("$catalog?n=2&last=$_"), 400, 'UNSUPPORTED',
        "A99 last=$_ is malformed") for '%00', '%0d%0aX:y', '%1b', '%', '%zz';

    for my $last ('../..', '%22%3e', 'a' x 4000, '%ff', '/', '//', 'a/',
        '_layers')
    {
        $r = $t->get("$catalog?n=2&last=$last");
        my $name = 'A99 last=' . substr $last, 0, 30;
        my $bytes = $last =~ s/%(..)/chr hex $1/ger;
        my @want = grep { $_ gt $bytes } @names;

        is_json_list($r, 'repositories', [grep { defined } @want[0, 1]],
            $name);
        my $link = $r->header('Link');
        ok(@want > 2 ? ($link // '') =~ m{\A<[!-;=?-~]+>;\s*rel="next"\z}
            : !defined $link, "$name: the Link is percent-encoded");
    }

    is($t->get("$catalog?last=" . 'a' x 9000)->status, 414,
        'A99 last of 9 KB is refused by nginx');
}


# 600 repositories on three levels.

sub many {
    my @many = map { my $i = $_; map {
        sprintf 'many/%02d/r%02d', $i, $_ } 0 .. 19 } 0 .. 29;

    # One is pushed, the others are written beside it, as a restore would.

    $t->push_image('many/seed', 'x', image => $image);
    by_restore($_) for @many;

    my @want = sort @names, @many, 'many/seed';
    is_json_list($t->get($catalog), 'repositories', \@want,
        '600 repositories that appeared on disk');

    for my $n (50, 599, '99999999999999999999') {
        my @all = map { names_of($_, 'repositories') }
            follow_pages($t, "$catalog?n=$n");
        same_list(\@all, \@want, "A98 pages of $n");
    }

    remove_tree($t->repo_dir('many'));
    is_json_list($t->get($catalog), 'repositories', \@names,
        'and that went from it');
}


# A repository with one untagged manifest, written straight to the disk.

sub by_restore {
    my ($name) = @_;

    my $dir = $t->repo_dir($name);
    my ($hex) = $image->{digest} =~ /:(.*)/;

    make_path("$dir/_manifests/revisions/sha256/$hex", "$dir/_layers");
    $t->write_file("$dir/_manifests/revisions/sha256/$hex/link",
        $image->{digest});
    for my $blob ($image->{config}, @{ $image->{layers} }) {
        ($hex) = sha256($blob) =~ /:(.*)/;
        make_path("$dir/_layers/sha256/$hex");
        $t->write_file("$dir/_layers/sha256/$hex/link", sha256($blob));
    }
}


sub seen_at_once {
    my ($one, $two, $name) = @_;
    my $bad = 0;

    for my $i (1 .. 15) {
        my ($a, $b) = $i % 2 ? ($one, $two) : ($two, $one);
        my $repo = $i % 3 ? "watch$i" : "a/watch/$i";

        # All of it on one connection, so that one server makes the change.

        for my $blob ($image->{config}, @{ $image->{layers} }) {
            $a->post("/v2/$repo/blobs/uploads/?digest=" . sha256($blob),
                body => $blob);
        }
        my $r = $a->put("/v2/$repo/manifests/x", body => $image->{bytes},
            headers => { 'Content-Type' => OCI_MANIFEST });
        $bad++, diag $r->as_text if $r->status != 201;

        my @with = names_of($b->get($catalog), 'repositories');
        $a->delete("/v2/$repo/_nginx/repository/content");
        my @without = names_of($b->get("$catalog?n=100"), 'repositories');

        $bad++ if !(grep { $_ eq $repo } @with)
            || grep { $_ eq $repo } @without;
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


# What a tool does to the tree is seen, and what is no repository is none.

sub by_hand {
    my $top = $t->repo_dir('');
    my $bad = 0;

    for my $i (1 .. 10) {
        $t->get($catalog);
        by_restore("hand$i");
        my @with = repositories();
        remove_tree("${top}hand$i");
        my @without = repositories();
        $bad++ if !(grep { $_ eq "hand$i" } @with)
            || grep { $_ eq "hand$i" } @without;
    }
    is($bad, 0, 'a change on disk is seen at once');

    make_path("${top}empty", "${top}Upper/_manifests", "${top}.nfs1",
        "${top}a/deep/empty");
    $t->write_file("${top}stray", 'x');
    is_json_list($t->get($catalog), 'repositories', \@names,
        'F35 what is no repository is not listed');
    remove_tree("${top}$_") for qw(empty Upper .nfs1 a/deep);
    unlink "${top}stray";
}


# Our own folder can be taken away: it is rebuilt.

sub restarted {
    $t->restart;
    is_json_list($t->get($catalog), 'repositories', \@names,
        'the same after a restart');

    $t->stop or die "$t->{stop_text}\n";
    remove_tree($t->root . '/docker/registry/nginx');
    $t->run;
    is_json_list($t->get($catalog), 'repositories', \@names,
        'the same when our folder was taken away');
}

#!/usr/bin/perl

# Manifests, what they refer to, the tags on them and the lists of them, put,
# deleted and read by many at a time, at two masters on one store. Each row
# lets those things meet that get in one another's way.

use strict;
use warnings;

use File::Find;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Registry;
use Test::Registry::Crew;
use Test::Registry::Shared qw(verdict);
use Test::Registry::Torture;

my %conf = (workers => 2, location =>
    'registry_delete on; keepalive_requests 10000000;');

my $t = Test::Registry->new(%conf)->run;
my $other = Test::Registry->new(%conf, root => $t->root)->run;

my $seed = seed();
my $seconds = torture(2, 60);
my $rows = 0;

race('F34 a manifest put while its blobs are deleted', ['one'],
    push => 6, mount => 2, put => 12, blob_delete => 6, blob => 4,
    manifest => 3);

race('F34 a manifest put while manifests are deleted', ['one'],
    push => 3, put => 10, artifact => 6, manifest_delete => 12, tag => 8,
    manifest => 6);

race('F34 a manifest put while its repository is deleted', ['one'],
    push => 12, put => 12, tag => 6, manifest => 4, repository_delete => 1,
    tags => 3);

race('F34 a mount while the repository it is from is deleted', [qw(a b)],
    push => 6, mount => 12, blob => 8, blob_delete => 4,
    repository_delete => 1, catalog => 2);

race('F34 referrers while they come and go', ['one'],
    push => 2, artifact => 10, manifest_delete => 8, referrers => 12,
    manifest => 4);

race('F34 referrers while their repository is deleted', ['one'],
    push => 10, artifact => 10, referrers => 12, manifest_delete => 2,
    repository_delete => 1);

race('F34 lists while all of it changes', [qw(a a/in a-b)],
    push => 8, put => 12, tag_delete => 6, manifest_delete => 3, tags => 12,
    catalog => 12, repository_delete => 2);

finish($other, { audit => 0 }, $t, { audit => { missing => 1 } });


sub race {
    my ($what, $repos, %often) = @_;

    my $under = 'row' . ++$rows;

    my @lists = crew($seconds + 120, map {
        my $i = $_;
        sub { client($under, $i, $repos, \%often) }
    } 1 .. 10);

    my @wrong = map { @{ shift(@$_) || [] } } @lists;
    is(scalar @wrong, 0, "$what: every reply is one that may come")
        or diag join "\n", splice @wrong, 0, 3;

    my @seen = map { @$_ } @lists;
    my @unsound = verdict(@seen);
    is(scalar @unsound, 0, "$what: all together can have happened")
        or diag join "\n", splice @unsound, 0, 120;

    my %count;
    $count{ $_->{op} }++ for @seen;
    cmp_ok($count{put} // 0, '>', 5, "$what: enough of it did");

    figure("$what, seen", scalar @seen);

    nothing_stays($what, $under, @$repos);
}


# What was deleted and nobody made again has left nothing behind.

sub nothing_stays {
    my ($what, $under, @repos) = @_;

    my @odd = grep { $_->status != 202 && $_->status != 404 } map {
        $t->delete("/v2/$under/$_/_nginx/repository/content")
    } @repos;
    is(scalar @odd, 0, "$what: the repositories go in the end")
        or diag $odd[0]->as_text;

    my @left;
    my $dir = $t->repo_dir($under);
    find(sub { push @left, $File::Find::name if -f }, $dir) if -d $dir;
    is(scalar @left, 0, "$what: and nothing is left of them")
        or diag join "\n", splice @left, 0, 20;
}


sub client {
    my ($under, $i, $repos, $often) = @_;

    my $until = moment() + $seconds;
    my @c = map { $_->connect(timeout => 90) } $t, $other;

    srand($seed + 1000 * $rows + $i);

    my $m = Test::Registry::Shared->new(name => "c$i", under => $under,
        repos => $repos, often => $often,
        ask => sub { ask(\@c, @_) });

    $m->step while !$m->wrong && moment() < $until;

    return ([$m->wrong], $m->seen);
}


# On a connection of one of the two. Where a request was refused part of its
# body may not have been sent: such a connection is not used again.

sub ask {
    my ($c, @request) = @_;

    my $i = int rand @$c;
    my $r = $c->[$i]->request(@request);
    $c->[$i] = ($t, $other)[$i]->connect(timeout => 90) if $r->status >= 400;
    return $r;
}

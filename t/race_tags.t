#!/usr/bin/perl

# One tag, moved, read and removed by many at a time: what they saw has to be
# what one after the other could have seen.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Registry;
use Test::Registry::Crew;
use Test::Registry::History qw(violations);
use Test::Registry::Torture;

my %conf = (workers => 2, events => 'accept_mutex off;',
    location => 'registry_delete on; keepalive_requests 10000000;');

my $t = Test::Registry->new(%conf)->run;
my $other = Test::Registry->new(%conf, root => $t->root)->run;

seed();
my $seconds = torture(3, 60);

one_tag('F42 one tag', 'one', $t);
one_tag('F34 F42 one tag of two masters', 'both', $t, $other);
tag_of_deleted('a tag in a repository that comes and goes', 'gone', $t);
tag_of_deleted('F34 the same by two masters', 'gone/too', $t, $other);

finish($other, { audit => 0 }, $t);


# The manifest that the given client puts for the given time.

sub mine {
    my ($i, $n) = @_;

    our $base ||= image(seed => 'race');
    return to_json({ %{ $base->{data} }, annotations => {
        'org.example.n' => "$$ $i $n"
    } });
}


sub put_tag {
    my ($c, $repo, $bytes, $by_digest) = @_;

    my $digest = sha256($bytes);
    my $uri = "/v2/$repo/manifests/"
        . ($by_digest ? "$digest?tag=moving" : 'moving');
    my %at = timed(sub {
        $c->put($uri, body => $bytes, headers => {
            'Content-Type' => OCI_MANIFEST })
    });
    my $r = delete $at{reply};

    return { %at, op => 'put', value => $digest } if $r->status == 201
        && ($r->header('Docker-Content-Digest') // '') eq $digest;
    return { %at, op => 'refused' } if $r->status == 404
        && ($r->codes)[0] eq 'MANIFEST_BLOB_UNKNOWN';
    return odd($r);
}


sub read_tag {
    my ($c, $repo) = @_;

    my %at = timed(sub { $c->get("/v2/$repo/manifests/moving") });
    my $r = delete $at{reply};
    return { %at, op => 'miss' } if $r->status == 404;

    my $digest = sha256($r->body);
    return { %at, op => 'see', value => $digest, whole => 1 }
        if $r->status == 200 && $r->complete
        && ($r->header('Docker-Content-Digest') // '') eq $digest;
    return odd($r);
}


sub look_at_tag {
    my ($c, $repo) = @_;

    my %at = timed(sub { $c->head_request("/v2/$repo/manifests/moving") });
    my $r = delete $at{reply};
    return { %at, op => 'miss' } if $r->status == 404;
    return { %at, op => 'see', value => $r->header('Docker-Content-Digest') }
        if $r->status == 200;
    return odd($r);
}


sub list_tags {
    my ($c, $repo) = @_;

    my %at = timed(sub { $c->get("/v2/$repo/tags/list") });
    my $r = delete $at{reply};
    my @tags = names_of($r, 'tags');
    return { %at, op => 'miss' } if $r->status == 404 || !@tags;
    return { %at, op => 'some' } if "@tags" eq 'moving';
    return odd($r);
}


sub delete_tag {
    my ($c, $repo) = @_;

    my %at = timed(sub { $c->delete("/v2/$repo/manifests/moving") });
    my $r = delete $at{reply};
    return { %at, op => 'none' } if $r->status == 202;
    return { %at, op => 'miss' } if $r->status == 404;
    return odd($r);
}


# Of what the tag is on, the manifest, and with it the tag, if it still is.

sub delete_manifest {
    my ($c, $repo) = @_;

    my $seen = look_at_tag($c, $repo);
    return $seen if $seen->{op} ne 'see';

    my $digest = $seen->{value};
    my %at = timed(sub { $c->delete("/v2/$repo/manifests/$digest") });
    my $r = delete $at{reply};
    return ($seen, { %at, op => 'drop', value => $digest })
        if $r->status == 202;
    return $seen if $r->status == 404;
    return ($seen, odd($r));
}


sub delete_repository {
    my ($c, $repo) = @_;

    my %at = timed(sub {
        $c->delete("/v2/$repo/_nginx/repository/content")
    });
    my $r = delete $at{reply};
    return { %at, op => 'clear' } if $r->status == 202;
    return { %at, op => 'miss' } if $r->status == 404;
    return odd($r);
}


sub odd { return { op => 'odd', as => $_[0]->as_text } }


sub push_parts {
    my ($c, $repo) = @_;

    my $base = image(seed => 'race');
    my @odd;

    for my $bytes ($base->{config}, @{ $base->{layers} }) {
        # refused early, what is left of the body would be the next request
        my $r = $t->post("/v2/$repo/blobs/uploads/?digest=" . sha256($bytes),
            body => $bytes, port => $c->{port});
        # an upload goes with its repository
        push @odd, odd($r) if $r->status != 201
            && ($r->status != 404 || ($r->codes)[0] ne 'BLOB_UPLOAD_UNKNOWN');
    }

    return @odd;
}


# 8 writers, 8 readers, 2 deleters.

sub one_tag {
    my ($what, $repo, @servers) = @_;

    push_parts($servers[0]->connect, $repo);

    my @crew = (
        (map { my $i = $_; again($seconds, \@servers, 0, sub {
            put_tag($_[0], $repo, mine($i, $_[1]), $_[1] % 2)
        }) } 1 .. 8),
        (map { again($seconds, \@servers, 0,
            sub { read_tag($_[0], $repo) }) } 1 .. 6),
        again($seconds, \@servers, 0, sub { look_at_tag($_[0], $repo) }),
        again($seconds, \@servers, 0, sub { list_tags($_[0], $repo) }),
        again($seconds, \@servers, 0.15, sub { delete_tag($_[0], $repo) }),
        again($seconds, \@servers, 0.1, sub { delete_manifest($_[0], $repo) })
    );

    sound($what, $repo, \@servers, @crew);
}


# Writers meet one who removes the whole repository; what they need in it is
# pushed again and again.

sub tag_of_deleted {
    my ($what, $repo, @servers) = @_;

    my @crew = (
        (map { my $i = $_; again($seconds, \@servers, 0, sub {
            put_tag($_[0], $repo, mine($i, $_[1]), $_[1] % 2)
        }) } 1 .. 4),
        (map { again($seconds, \@servers, 0.005,
            sub { push_parts($_[0], $repo) }) } 1 .. 2),
        (map { again($seconds, \@servers, 0,
            sub { read_tag($_[0], $repo) }) } 1 .. 3),
        again($seconds, \@servers, 0, sub { list_tags($_[0], $repo) }),
        again($seconds, \@servers, 0.02, sub { delete_manifest($_[0], $repo) }),
        again($seconds, \@servers, 0.1, sub { delete_repository($_[0], $repo) })
    );

    sound($what, $repo, \@servers, @crew);
}


sub sound {
    my ($what, $repo, $servers, @crew) = @_;

    my @seen = map { @$_ } crew($seconds + 90, @crew);

    # what holds now held at the end
    for my $server (@$servers) {
        my $c = $server->connect;
        push @seen, read_tag($c, $repo), list_tags($c, $repo);
    }

    my @odd = grep { $_->{op} eq 'odd' } @seen;
    is(scalar @odd, 0, "$what: every reply is one that may come")
        or diag $odd[0]{as};

    my %count;
    $count{ $_->{op} }++ for @seen;
    note "$what: " . join ', ', map { "$count{$_} $_" } sort keys %count;
    cmp_ok($count{$_} // 0, '>', 3, "$what: enough of $_") for qw(put see);

    my @wrong = violations([ grep { $_->{op} !~ /odd|refused/ } @seen ],
        unique => 1);
    is(scalar @wrong, 0, "$what: the history is sound")
        or diag join "\n", splice @wrong, 0, 5;

    figure("$what, operations checked", scalar @seen);
}

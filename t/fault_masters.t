#!/usr/bin/perl

# Two nginx, strangers to each other, serve one root: whatever goes for two
# workers goes for them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;


my $one = Test::Registry->new(workers => 2,
    location => 'registry_delete on;')->run;
my $two = Test::Registry->new(workers => 2, root => $one->root,
    location => 'registry_delete on;')->run;
my @both = ($one, $two);

seed();
same_blob();
sessions();
one_session();
one_tag();
deletes();
load();

finish($two, { audit => 0 }, $one);


# Sends all requests before any reply is read: [[server, method, uri, options],
# ...] to replies.

sub at_once {
    my (@all) = @_;

    my @c = map { $_->[0]->connect(timeout => 30) } @all;
    $c[$_]->start(@{ $all[$_] }[1, 2], @{ $all[$_][3] || [] }) for 0 .. $#all;

    for my $i (0 .. $#all) {
        my %o = @{ $all[$i][3] || [] };
        $c[$i]->send_body(%o);
    }

    return map { $_->reply } @c;
}


sub same_blob {
    for my $round (1 .. torture(5, 200)) {
        my $bytes = blob(100_000, "same $round");
        my $digest = sha256($bytes);
        my @put = map {
            my $repo = 'same' . $_ % 4;
            [$both[$_ % 2], 'PUT', $both[ $_ / 2 % 2 ]->open_upload($repo)
                . "?digest=$digest", [body => $bytes]]
        } 0 .. 15;

        my @status = map { $_->status } at_once(@put);
        is("@status", '201 ' x 15 . '201',
            'F34 F43 sixteen push one blob to four repositories')
            if $round == 1 || grep { $_ != 201 } @status;

        my @bad = grep {
            $both[ $_ % 2 ]->get("/v2/same$_/blobs/$digest")->body ne $bytes
        } 0 .. 3;
        is("@bad", '', 'F34 F43 each has it') if $round == 1 || @bad;
    }
}


# Every request of an upload goes to the other one.

sub sessions {
    for my $round (1 .. torture(10, 500)) {
        my $bytes = blob(50_000 + $round, "session $round");
        my ($a, $b) = @both[$round % 2, 1 - $round % 2];
        my $l = $a->open_upload('app');
        my @r = (
            $b->patch($l, body => substr $bytes, 0, 10_000),
            $a->patch($l, body => substr($bytes, 10_000, 20_000),
                headers => { 'Content-Range' => '10000-29999' }),
            $b->get($l),
            $b->patch($l, body => substr $bytes, 30_000),
            $a->put("$l?digest=" . sha256($bytes), body => ''),
            $b->get($l),
            $b->head('/v2/app/blobs/' . sha256($bytes))
        );
        my $got = join ' ', map { $_->status } @r;
        is($got, '202 202 204 202 201 404 200',
            'F34 a session that goes to and fro')
            if $round == 1 || $got ne '202 202 204 202 201 404 200';
    }
}


# Eight PATCHes on one session at once, half of them here and half there: one
# is taken, and the bytes of the others are nowhere.

sub one_session {
    for my $round (1 .. torture(5, 200)) {
        my $l = $one->open_upload('app');
        my @part = map { blob(200_000, "part $round $_") } 0 .. 7;
        my @r = at_once(map {
            [$both[$_ % 2], 'PATCH', $l, [body => $part[$_],
                headers => { 'Content-Range' => '0-199999' }]]
        } 0 .. 7);

        my @taken = grep { $r[$_]->status == 202 } 0 .. 7;
        my @odd = grep { $_->status !~ /\A(?:202|416|429)\z/ } @r;
        is(scalar @taken, 1, 'F34 A23 eight PATCHes at once: one is taken')
            if $round == 1 || @taken != 1;
        is(scalar @odd, 0, 'F34 A23 the others are refused')
            or diag $odd[0]->as_text;

        my $r = $two->put("$l?digest=" . sha256($part[ $taken[0] // 0 ]),
            body => '');
        is_status($r, 201, 'F34 A23 with the bytes of that one');
    }
}


# Writers of one tag through both, readers through both. What a reader sees
# was put at some time; the last one acknowledged stays.

sub one_tag {
    my @images = map { $both[ $_ % 2 ]->push_image('tag', undef,
        seed => "tag $_") } 0 .. 7;
    my %known = map { $_->{digest} => 1 } @images;
    $one->push_manifest('tag', 'moves', $images[0]{bytes},
        $images[0]{type});

    my @bad;
    for my $round (1 .. torture(15, 500)) {
        my @all = map {
            my $image = $images[$_];
            ([$both[rand 2], 'PUT', '/v2/tag/manifests/moves',
                [body => $image->{bytes},
                    headers => { 'Content-Type' => $image->{type} }]],
                [$both[rand 2], 'GET', '/v2/tag/manifests/moves'])
        } 0 .. 7;
        my @r = at_once(@all);

        push @bad, map { $_->as_text } grep { $_->status != 201 }
            @r[map { $_ * 2 } 0 .. 7];
        push @bad, map { $_->as_text } grep {
            $_->status != 200 || !$known{ sha256($_->body) }
        } @r[map { $_ * 2 + 1 } 0 .. 7];

        # now nobody writes, and one more comes

        my $last = $images[rand @images];
        $both[rand 2]->push_manifest('tag', 'moves', $last->{bytes},
            $last->{type});
        push @bad, map { $_->as_text } grep {
            $_->header('Docker-Content-Digest') ne $last->{digest}
        } map { $_->head('/v2/tag/manifests/moves') } @both;
    }

    is(scalar @bad, 0, 'F34 F42 a tag that is moved through both')
        or diag $bad[0];
}


# A delete through one is seen through the other; of many at once each thing
# is deleted once.

sub deletes {
    my $bad = 0;

    for my $round (1 .. torture(8, 300)) {
        my $image = $one->push_image('gone', 'v1', seed => "gone $round");
        $two->get('/v2/gone/manifests/v1');
        my @uris = ("/v2/gone/manifests/$image->{digest}",
            '/v2/gone/blobs/' . sha256($image->{layers}[0]));

        for my $uri (@uris) {
            my @r = at_once(map { [$both[$_ % 2], 'DELETE', $uri] } 0 .. 5);
            my @seen = map { $_->head($uri)->status } @both;
            my $text = join(' ', sort map { $_->status } @r) . " @seen";
            next if $text eq '202 404 404 404 404 404 404 404';
            $bad++;
            diag $text;
        }
    }

    is($bad, 0, 'F34 six delete one thing through both: one has done it');
}


sub load {
    my $load = Test::Registry::Load->start($one, push => 4, pull => 2,
        list => 1, cancel => 1, slow => 2, closes => 0,
        ports => [$one->port, $two->port]);

    sleep torture(8);
    my $sum = $load->stop;
    is($sum->{failed}, 0, 'F34 clients who use both in turn: no failure')
        or diag $sum->reasons;
    my @lost = map { $sum->lost($_) } @both;
    is("@lost", '', 'F34 both show what was acknowledged');
    figure('two masters on one root', $sum->text . ', lost ' . @lost);
}

#!/usr/bin/perl

# One data directory, ours and distribution's, after distribution has collected
# its garbage there: what is tagged is still served by both, what was garbage
# is gone for both, though we never restarted, and can be pushed again.  Then
# the same after we have collected what distribution has left there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients::Shared;
use Test::More;
use Test::Registry;
use Test::Registry::Command;

# five looks at what is tagged, and the rest
use constant {
    ALL => 5 * 20 + 41 + 10 + Test::Registry::Nginx::FINISH - 1
};

each_peer(ALL, sub {
    my ($s, $v) = @_;

    my $have = fill($s, $v);
    my ($ours, $peer) = ($s->ours, $s->peer);

    tagged_is_served($s, $have, "$v, before");

    # plainly: what no manifest refers to
    collect($s, "$v, garbage-collect");
    tagged_is_served($s, $have, "$v, after it");
    garbage_is_gone($s, $have, "$v, after it");
    untagged_is_served($s, $have, "$v, after it");
    upload_goes_on($s, $have, "$v, after it");
    garbage_comes_back($s, $have, "$v, after it");

    # and what has no tag
    $ours->delete("/v2/a/ours/manifests/$have->{garbage}{digest}");
    collect($s, "$v, garbage-collect -m", '-m');
    tagged_is_served($s, $have, "$v, after that",
        $peer->major < 3 ? 'index' : '');
    untagged_is_gone($s, $have, "$v, after that");

    # nothing of it was only remembered
    $s->restart_ours;
    tagged_is_served($s, $have, "$v, restarted",
        $peer->major < 3 ? 'index' : '');
    untagged_is_gone($s, $have, "$v, restarted");

    # life goes on
    my $new = $ours->push_image('a/ours', 'new', seed => "$v-new");
    serves_image($peer, 'a/ours', 'new', $new, "$v: a push to us afterwards");
    $new = $peer->push_image('a/peer', 'new', seed => "$v-new-too");
    serves_image($ours, 'a/peer', 'new', $new, "$v: a push to it afterwards");

    we_collect($s, $have, $v);
});


# Both put the same kinds of things into repositories of their own.

sub fill {
    my ($s, $v) = @_;

    my %have;

    for my $pair ([ 'ours', $s->ours ], [ 'peer', $s->peer ]) {
        my ($who, $server) = @$pair;
        my $repo = "a/$who";
        my $tell = "$v-$who";

        my $one = $server->push_image($repo, 'one', seed => "$tell-1",
            layers => [ blob(9000, "$tell-1"), '' ]);
        my $two = $server->push_image($repo, 'two', docker => 1,
            seed => "$tell-2");
        my @child = map { $server->push_image($repo, undef,
            seed => "$tell-child-$_") } 1, 2;
        my $index = index_of($server, $repo, undef, OCI_INDEX, @child);
        my $nested = index_of($server, $repo, 'index', OCI_INDEX, $index,
            $one);

        # mounted, and referred to there
        for my $blob ($one->{config}, @{ $one->{layers} }) {
            $server->post("/v2/$repo/mounted/blobs/uploads/?from=$repo&mount="
                . sha256($blob), body => '');
        }
        $server->push_manifest("$repo/mounted", 'one', $one->{bytes},
            $one->{type});

        # no tag leads to it any more
        my $old = $server->push_image($repo, 'moved', seed => "$tell-old");
        $server->push_manifest($repo, 'moved', $two->{bytes}, $two->{type});

        # nor did one ever lead to this, but it refers to one that has
        my $artifact = $server->push_referrer($repo, {
            mediaType => $one->{type}, digest => $one->{digest},
            size => length $one->{bytes} }, type => 'application/vnd.test');

        $have{$who} = {
            server => $server, repo => $repo, one => $one, two => $two,
            child => \@child, index => $index, nested => $nested,
            old => $old, artifact => $artifact,
        };
    }

    # deleted, so that its blobs are garbage
    $have{garbage} = $s->ours->push_image('a/ours', 'gone', seed => "$v-gone");
    $s->ours->delete("/v2/a/ours/manifests/$have{garbage}{digest}");

    # a manifest that only we can write
    if (!$s->stands_in) {
        my $strong = image(seed => "$v-512");
        $have{strong} = { %$strong, digest => sha512($strong->{bytes}) };
        $s->ours->push_blob('a/ours', $_)
            for $strong->{config}, @{ $strong->{layers} };
        $s->ours->put("/v2/a/ours/manifests/$have{strong}{digest}?tag=strong",
            body => $strong->{bytes},
            headers => [ [ 'Content-Type' => $strong->{type} ] ]);
    }

    # half done
    $have{half} = blob(50_000, "$v-half");
    $have{upload} = $s->ours->open_upload('a/ours');
    my $r = $s->ours->patch($have{upload},
        body => substr($have{half}, 0, 30_000),
        headers => [ [ 'Content-Type' => 'application/octet-stream' ] ]);
    $have{upload} = path_of($r->header('Location') // '/v2/none');

    return \%have;
}


# 20 assertions. Of an index, distribution 2 keeps the tag and collects the
# children with -m; then only that both see it so is asserted.

sub tagged_is_served {
    my ($s, $have, $l, $broken) = @_;

    for my $server ($s->ours, $s->peer) {
        my $by = $server == $s->ours ? 'we serve' : 'it serves';

        for my $who ('ours', 'peer') {
            my $h = $have->{$who};
            my ($repo, $what) = ($h->{repo}, "$l: $by of $h->{repo}");

            serves_image($server, $repo, 'one', $h->{one}, "$what an image");
            serves_image($server, "$repo/mounted", 'one', $h->{one},
                "$what the mounted one");

            if ($broken) {
                ok($server->get("/v2/$repo/manifests/index",
                    every_type())->status == 200,
                    "$what an index");
                is($server->get("/v2/$repo/manifests/$h->{index}{digest}",
                    every_type())->status,
                    $s->peer->get("/v2/$repo/manifests/$h->{index}{digest}",
                    every_type())->status,
                    "$what the inner one as little as the other does");

            } else {
                serves_manifest($server, $repo, 'index', $h->{nested},
                    "$what an index");
                serves_image($server, $repo, $h->{child}[1]{digest},
                    $h->{child}[1], "$what a child");
            }
        }

        is_deeply(tags_of($server, 'a/peer'),
            [ sort qw( one two index moved ) ], "$l: $by all tags");

        SKIP: {
            skip($s->stands_in, 1) if $s->stands_in;
            serves_image($server, 'a/ours', 'strong', $have->{strong},
                "$l: $by a manifest under its sha512");
        }
    }

    return;
}


sub garbage_is_gone {
    my ($s, $have, $l) = @_;

    for my $server ($s->ours, $s->peer) {
        my $by = $server == $s->ours ? 'for us' : 'for it';

        for my $blob ($have->{garbage}{config},
            @{ $have->{garbage}{layers} })
        {
            is_gone($server, '/v2/a/ours/blobs/' . sha256($blob),
                "$l: a collected blob is gone $by");
        }

        is_gone($server, "/v2/a/ours/manifests/$have->{garbage}{digest}",
            "$l: so is its manifest");
    }

    # nor may it be had from there: that would be a link to nothing
    my $r = $s->ours->post('/v2/a/other/blobs/uploads/?from=a/ours&mount='
        . sha256($have->{garbage}{config}), body => '');
    is_status($r, 202, "$l: what is gone is not mounted");

    return;
}


sub untagged_is_served {
    my ($s, $have, $l) = @_;

    for my $who ('ours', 'peer') {
        my $h = $have->{$who};

        serves_image($_, $h->{repo}, $h->{old}{digest}, $h->{old},
            "$l: $h->{repo}: what has no tag is still there")
            for $s->ours, $s->peer;

        TODO: {
            local $TODO = $s->stands_in;
            is_deeply(referrers($s, $h), [ $h->{artifact}{digest} ],
                "$l: $h->{repo}: so is a referrer");
        }
    }

    return;
}


sub untagged_is_gone {
    my ($s, $have, $l) = @_;

    for my $who ('ours', 'peer') {
        my $h = $have->{$who};

        is_gone($_, "/v2/$h->{repo}/manifests/$h->{old}{digest}",
            "$l: $h->{repo}: what has no tag is gone")
            for $s->ours, $s->peer;

        is_gone($_, "/v2/$h->{repo}/manifests/$h->{artifact}{digest}",
            "$l: $h->{repo}: so is a referrer") for $s->ours, $s->peer;

        TODO: {
            local $TODO = $s->stands_in;
            is_deeply(referrers($s, $h), [],
                "$l: $h->{repo}: which is listed no more");
        }
    }

    return;
}


# Digests of those who refer to the tagged image; undef for no list at all.

sub referrers {
    my ($s, $h) = @_;

    my $r = $s->ours->get("/v2/$h->{repo}/referrers/$h->{one}{digest}");

    return undef if $r->status != 200;
    return [ map { $_->{digest} } @{ ($r->json // {})->{manifests} // [] } ];
}


sub upload_goes_on {
    my ($s, $have, $l) = @_;

    my $half = $have->{half};
    my $r = $s->ours->put(with_query($have->{upload}, digest => sha256($half)),
        body => substr($half, 30_000),
        headers => [ [ 'Content-Type' => 'application/octet-stream' ] ]);
    is_status($r, 201, "$l: a half done upload is ended");
    serves_blob($s->peer, 'a/ours', $half, "$l: and its blob served");

    return;
}


# The links of collected blobs may have stayed; their bytes have to be stored
# nevertheless.

sub garbage_comes_back {
    my ($s, $have, $l) = @_;

    my $image = $have->{garbage};

    $s->ours->push_image('a/ours', 'gone', image => $image);
    serves_image($_, 'a/ours', 'gone', $image, "$l: what was collected is back")
        for $s->ours, $s->peer;

    return;
}


# Garbage of distribution's own making, collected by us.  11 assertions, and a
# look at what is tagged.

sub we_collect {
    my ($s, $have, $v) = @_;

    my ($ours, $peer) = ($s->ours, $s->peer);
    my $lone = $peer->push_blob('a/peer', blob(3000, "$v-lone"));
    my $dead = $peer->push_image('a/peer', undef, seed => "$v-dead");
    is_status($peer->delete("/v2/a/peer/manifests/$dead->{digest}"), 202,
        "$v: deleted there");
    my $half = $peer->open_upload('a/peer');
    $ours->delete('/v2/a/peer/manifests/new');

    $peer->stop;
    sleep 3;
    my $r = ctl('gc', $s->root, '--grace=2s');
    is_exit($r, 0, "$v: we collect");
    is_exit(ctl('purge-uploads', $s->root, '--idle=2s'), 0, "$v: and purge");
    $peer->run;

    ok(!-e $ours->blob_file($_), "$v: collected by us")
        for $lone, $dead->{digest}, map { sha256($_) } $dead->{config},
            @{ $dead->{layers} };
    is($_->get($half)->status, 404, "$v: an upload of it is gone")
        for $ours, $peer;
    is(ctl(qw(gc --grace=2s --dry-run), $s->root)->{out}, '',
        "$v: all of the garbage");

    tagged_is_served($s, $have, "$v, after ours",
        $peer->major < 3 ? 'index' : '');
}


sub collect {
    my ($s, $name, @flags) = @_;

    $s->peer->stop;
    my ($rc, $said) = $s->peer->garbage_collect(@flags);
    is($rc, 0, $name) or diag($said);
    $s->peer->run;

    return;
}

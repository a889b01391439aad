#!/usr/bin/perl

# If-Match and If-None-Match of what changes a manifest or a blob: who asks
# for a change on a condition gets it then and only then, also when many do at
# once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;
use Test::Registry::Files;


my $t = Test::Registry->new(location => 'registry_delete on;', workers => 2,
    http => <<'END')->run;
    log_format digests '$request_method $uri $status $registry_digest';
    access_log %%DIR%%/digests.log digests;
END

my @images = map { image(seed => "condition $_") } 0 .. 9;
for my $image (@images) {
    $t->push_blob('app', $_) for $image->{config}, @{ $image->{layers} };
}

my $other = etag('sha256:' . 'f' x 64);

put_tag();
put_digest();
no_repository();
malformed();
ignored();
delete_tag();
delete_digest();
delete_blob();
uploads();
first_wins();
one_of_each_round();
taken_away();
told();

finish($t, { audit => { missing => 1 } });


sub etag { "\"$_[0]\"" }


sub put_if {
    my ($n, $to, @when) = @_;

    return $t->put("/v2/app/manifests/$to", body => $images[$n]{bytes},
        headers => [['Content-Type', $images[$n]{type}],
            @when ? \@when : ()]);
}


sub start_put {
    my ($c, $n, $tag, @when) = @_;

    $c->start('PUT', "/v2/app/manifests/$tag", body => $images[$n]{bytes},
        headers => [['Content-Type', $images[$n]{type}], \@when]);
    $c->send($images[$n]{bytes});
}


sub is_refused {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_error($r, 412, 'UNSUPPORTED', $name);
    like($r->body, qr/If-None-Match/, 'and why');
}


sub tag_is {
    my ($tag, $n, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_header($t->head("/v2/app/manifests/$tag"), 'Docker-Content-Digest',
        $images[$n]{digest}, $name);
}


sub put_tag {
    is_refused(put_if(0, 'v1', 'If-Match', '*'),
        'only if it is there: it is not');
    is_refused(put_if(0, 'v1', 'If-Match', etag($images[0]{digest})),
        'nor this one');
    is_status($t->get('/v2/app/manifests/v1'), 404, 'and is not made');
    is_status($t->get("/v2/app/manifests/$images[0]{digest}"), 404,
        'nor a manifest without the tag');

    is_status(put_if(0, 'v1', 'If-None-Match', '*'), 201,
        'only if it is not there');
    tag_is('v1', 0, 'now it is');
    is_refused(put_if(1, 'v1', 'If-None-Match', '*'), 'not once more');
    is_refused(put_if(0, 'v1', 'If-None-Match', '*'), 'nor the same');
    tag_is('v1', 0, 'it stays');
    is_status($t->get("/v2/app/manifests/$images[1]{digest}"), 404,
        'what was refused is not kept');

    my $etag = $t->get('/v2/app/manifests/v1')->header('ETag');
    is_status(put_if(1, 'v1', 'If-Match', $etag), 201, 'if it is what I saw');
    tag_is('v1', 1, 'it moves');
    is_refused(put_if(2, 'v1', 'If-Match', $etag), 'if it is what it was');
    tag_is('v1', 1, 'it stays');
    is_refused(put_if(2, 'v1', 'If-Match', 'W/' . etag($images[1]{digest})),
        'a weak tag is none');
    is_status(put_if(2, 'v1', 'If-Match', "$other, "
        . etag($images[1]{digest})), 201, 'if it is one of these');
    is_status(put_if(3, 'v1', 'If-Match', '*'), 201, 'if it is anything');

    is_refused(put_if(4, 'v1', 'If-None-Match', etag($images[3]{digest})),
        'if it is not this one');
    is_status(put_if(4, 'v1', 'If-None-Match', $other), 201,
        'nor another one');
    tag_is('v1', 4, 'it moves');
    is_refused($t->put('/v2/app/manifests/v1', body => $images[5]{bytes},
        headers => [['Content-Type', $images[5]{type}],
            ['If-Match', etag($images[4]{digest})],
            ['If-None-Match', '*']]), 'both have to hold');
}


# The condition is about the digest, not about the tags.

sub put_digest {
    my $to = $images[6]{digest};

    is_refused(put_if(6, "$to?tag=d1", 'If-Match', '*'),
        'a digest that is not there');
    is_status($t->get('/v2/app/manifests/d1'), 404, 'no tag either');
    is_status(put_if(6, "$to?tag=d1", 'If-None-Match', '*'), 201,
        'only if the digest is not there');
    is_refused(put_if(6, "$to?tag=d2", 'If-None-Match', '*'),
        'now it is there');
    is_status($t->get('/v2/app/manifests/d2'), 404, 'without a tag');
    is_status(put_if(6, "$to?tag=d2", 'If-Match', etag($to)), 201,
        'only if it is there');
    tag_is('d2', 6, 'with the tag');
}


# Nor is it made for something that is refused then.

sub no_repository {
    my $bytes = to_json(manifest_index([]));

    is_refused($t->put("/v2/none/manifests/$_", body => $bytes,
        headers => { 'Content-Type' => OCI_INDEX, 'If-Match' => '*' }),
        'only if it is there: not even the repository is')
        for 'v1', sha256($bytes) . '?tag=v1';

    is_error($t->get('/v2/none/tags/list'), 404, 'NAME_UNKNOWN',
        'and is not made');
}


# Who meant a condition must not change what he did not mean to.

sub malformed {
    my $digest = $images[4]{digest};

    for my $list ($digest, "\"$digest", "'$digest'", "*, \"$digest\"",
        "$other $other")
    {
        is_refused(put_if(5, 'v1', $_, $list), "$_: $list")
            for qw(If-Match If-None-Match);
    }

    tag_is('v1', 4, 'it stays');
}


# What is refused anyway is refused for that.

sub ignored {
    my $bad = manifest(descriptor(OCI_CONFIG, 'not there'), []);

    is_error($t->put('/v2/app/manifests/v1', body => to_json($bad),
        headers => [['Content-Type', OCI_MANIFEST],
            ['If-None-Match', '*']]), 404, 'MANIFEST_BLOB_UNKNOWN',
        'a blob that is not there comes first');
    is_error($t->put('/v2/app/manifests/v1', body => '{',
        headers => [['Content-Type', OCI_MANIFEST], ['If-Match', $other]]),
        400, 'MANIFEST_INVALID', 'so does what is no manifest');
    is_error($t->delete('/v2/app/manifests/none',
        headers => { 'If-Match' => '*' }), 404, 'MANIFEST_UNKNOWN',
        'and what is not there');
    is_error($t->delete('/v2/none/manifests/none',
        headers => { 'If-Match' => '*' }), 404, 'MANIFEST_UNKNOWN',
        'in no repository either');
}


sub delete_tag {
    put_if(7, 'gone');

    is_refused($t->delete('/v2/app/manifests/gone',
        headers => { 'If-Match' => $other }), 'the tag is on another one');
    is_refused($t->delete('/v2/app/manifests/gone',
        headers => { 'If-None-Match' => '*' }), 'and there');
    tag_is('gone', 7, 'it stays');
    is_status($t->delete('/v2/app/manifests/gone',
        headers => { 'If-Match' => etag($images[7]{digest}) }), 202,
        'it is on this one');
    is_status($t->get('/v2/app/manifests/gone'), 404, 'and goes');
}


sub delete_digest {
    my $uri = "/v2/app/manifests/$images[7]{digest}";

    is_refused($t->delete($uri, headers => { 'If-Match' => $other }),
        'a manifest that is another one');
    is_status($t->get($uri), 200, 'it stays');
    is_status($t->delete($uri, headers => {
        'If-Match' => etag($images[7]{digest}) }), 202, 'this one');
    is_error($t->delete($uri, headers => { 'If-Match' => $other }), 404,
        'MANIFEST_UNKNOWN', 'none');
}


sub delete_blob {
    my $digest = $t->push_blob('app', 'a blob of its own');
    my $uri = "/v2/app/blobs/$digest";

    is_refused($t->delete($uri, headers => { 'If-Match' => $other }),
        'a blob that is another one');
    is_status($t->get($uri), 200, 'it stays');
    is_status($t->delete($uri, headers => { 'If-Match' => '*' }), 202,
        'any one');
    is_error($t->delete($uri, headers => { 'If-Match' => $other }), 404,
        'BLOB_UNKNOWN', 'none');
}


# A session has no entity tag, and a blob is the same whoever pushes it.

sub uploads {
    my $bytes = 'bytes of an upload';
    my $l = $t->open_upload('app');

    is_status($t->put(with_query($l, digest => sha256($bytes)),
        body => $bytes, headers => { 'If-None-Match' => '*' }), 201,
        'an upload knows no conditions');
}


# Of many that make a tag at once one does.

sub first_wins {
    my $bad = 0;

    for my $round (1 .. 20) {
        my @c = map { $t->connect } 0 .. 7;

        for my $n (0 .. 7) {
            start_put($c[$n], $n, "first$round", 'If-None-Match', '*');
        }

        my @codes = map { $_->reply->status } @c;
        my @made = grep { $codes[$_] == 201 } 0 .. 7;
        my $is = $t->head("/v2/app/manifests/first$round")
            ->header('Docker-Content-Digest');

        $bad++ if @made != 1 || grep { $_ != 201 && $_ != 412 } @codes
            or $is ne $images[ $made[0] ]{digest};
    }

    is($bad, 0, 'of eight that make a tag at once one does, twenty times');
}


# Of many that saw the same and change it, or take it away, one does.

sub one_of_each_round {
    my ($bad, $now) = (0, 9);

    put_if($now, 'swap');

    for my $round (1 .. 30) {
        my @c = map { $t->connect } 0 .. 7;
        my $delete = $round % 3 == 0;

        for my $n (0 .. 7) {
            my @when = ('If-Match', etag($images[$now]{digest}));
            my $to = ($now + 1 + $n) % 10;

            if ($delete && $n < 4) {
                $c[$n]->start('DELETE', '/v2/app/manifests/swap',
                    headers => [\@when]);
                next;
            }

            start_put($c[$n], $to, 'swap', @when);
        }

        my @codes = map { $_->reply->status } @c;
        my @done = grep { $codes[$_] =~ /^20[12]$/ } 0 .. 7;

        # what is gone is 404 to who would take it away as well
        $bad++, diag("@codes") if @done != 1
            || grep { !/^(?:201|202|404|412)$/ } @codes;

        if (@done && $codes[ $done[0] ] == 202) {
            put_if($now, 'swap', 'If-None-Match', '*');

        } elsif (@done) {
            $now = ($now + 1 + $done[0]) % 10;
        }

        tag_is('swap', $now, "round $round: it is what the one made of it");
    }

    is($bad, 0, 'of eight that change what they saw one does, thirty times');
}


# Who takes a tag away without a condition does so before it is moved, which
# then does not hold any more, or behind that.

sub taken_away {
    my $bad = 0;

    for my $round (1 .. 60) {
        my ($put, $delete) = ($t->connect, $t->connect);

        put_if(0, 'away');
        start_put($put, 1, 'away', 'If-Match', etag($images[0]{digest}));
        select(undef, undef, undef, 0.002 * ($round % 3));
        $delete->start('DELETE', '/v2/app/manifests/away');

        my @codes = map { $_->reply->status } $put, $delete;

        $bad++ if "@codes" !~ /^(?:201|412) 202$/
            || $t->head('/v2/app/manifests/away')->status != 404;
    }

    is($bad, 0, 'a tag that is deleted while it is moved is gone, each time');
}


# The log knows what it was on when it was deleted, not when that was asked.

sub told {
    my $moved = 0;

    for my $round (1 .. 60) {
        my ($put, $delete) = ($t->connect, $t->connect);

        put_if(2, 'told');
        start_put($put, 3, 'told', 'If-Match', etag($images[2]{digest}));
        select(undef, undef, undef, 0.002 * ($round % 3));
        $delete->start('DELETE', '/v2/app/manifests/told',
            headers => { 'If-Match' => etag($images[3]{digest}) });

        $put->reply;
        $moved += ($delete->reply->status == 202);
    }

    my @other = grep { m{^DELETE \S+/told 202 $images[2]{digest}$} }
        split /\n/, slurp($t->dir . '/digests.log');

    ok($moved, 'a tag was deleted that had just moved');
    is(@other, 0, 'it is logged with what it was on, each time');
}

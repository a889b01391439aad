#!/usr/bin/perl

# Creating is one right, overwriting another: who may push and not update
# moves no tag that is there, latest or not, alone or in a crowd.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(
    ports => 1, workers => 2,
    location => <<'EOF',
registry_delete on;
registry_user $http_x_user;
registry_allow creator push,pull          **;
registry_allow updater push,pull,update   **;
registry_allow only    update,pull        **;
registry_allow blind   push               **;
registry_allow mixed   push,pull          **;
registry_allow mixed   update             dev/**;
registry_deny  careful update             release/**;
registry_allow careful *                  **;
registry_allow deleter push,pull,delete   **;
registry_allow puller  pull,list          **;
EOF
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
    }
}
EOF
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my %user = map { $_ => $t->with('X-User', $_) }
    qw(creator updater only blind mixed careful deleter puller nobody);

# One set of blobs, any number of manifests over it.

my $base = image();
my $number = 0;

overwriting();
same_again();
by_digest();
many_tags();
who_may();
kinds();
after_a_delete();
crowd();
refused_early();
what_it_takes();

finish($t);


sub fresh {
    return { %{ $base->{data} }, annotations => { n => '' . ++$number } };
}


sub put {
    my ($user, $repo, $reference, $data, $query) = @_;

    $open->push_blob($repo, $_)
        for grep { $open->head("/v2/$repo/blobs/" . sha256($_))->status != 200 }
            $base->{config}, @{ $base->{layers} };
    return $user->push_manifest($repo, $reference . ($query || ''), $data);
}


sub names {
    my ($repo, $tag) = @_;

    return $open->head("/v2/$repo/manifests/$tag")
        ->header('Docker-Content-Digest') // 'nothing';
}


sub overwriting {
    for my $tag (qw(v1 latest), 'sha256-' . 'a' x 64) {
        my ($one, $two) = (fresh(), fresh());
        my $digest = sha256(to_json($one));

        is_status(put($user{creator}, 'app', $tag, $one), 201,
            "A69 $tag is created");
        is_error(put($user{creator}, 'app', $tag, $two), 403, 'DENIED',
            "A69 $tag is not overwritten");
        is(names('app', $tag), $digest, "A69 $tag names what it did");
        is_error($open->get('/v2/app/manifests/' . sha256(to_json($two))),
            404, 'MANIFEST_UNKNOWN', 'A69 and the other one is not stored');

        is_status(put($user{updater}, 'app', $tag, $two), 201,
            "A69 $tag is overwritten by one who may");
        is(names('app', $tag), sha256(to_json($two)), "A69 $tag has moved");
        is_error(put($user{creator}, 'app', $tag, $one), 403, 'DENIED',
            "A69 $tag is not moved back");
    }
}


# What changes nothing is no update: clients push what is there all the time.

sub same_again {
    my $data = fresh();

    is_status(put($user{creator}, 'again', 'v1', $data), 201, 'created');
    is_status(put($user{creator}, 'again', 'v1', $data), 201,
        'the same digest again needs no more than push') for 1 .. 3;
    is_status(put($user{blind}, 'again', 'v1', $data), 201,
        'from somebody else, too');
    is_error(put($user{blind}, 'again', 'v1', fresh()), 403, 'DENIED',
        'another one does');
}


sub by_digest {
    my $data = fresh();
    my $digest = sha256(to_json($data));

    is_status(put($user{creator}, 'digest', $digest, $data), 201,
        'a PUT by digest is no update') for 1 .. 2;
    is_status(put($user{creator}, 'digest', sha512(to_json($data)), $data),
        [201, 400], 'nor by another digest');
}


sub many_tags {
    my ($one, $two) = (fresh(), fresh());
    my ($d1, $d2) = map { sha256(to_json($_)) } $one, $two;

    is_status(put($user{creator}, 'tags', $d1, $one, '?tag=a&tag=b'), 201,
        'A69 tags in the query are created');
    is_error(put($user{creator}, 'tags', $d2, $two, '?tag=c&tag=a'), 403,
        'DENIED', 'A69 one of them is there: refused');
    is_error(put($user{creator}, 'tags', $d2, $two, '?tag=a&tag=c'), 403,
        'DENIED', 'A69 in whatever order');
    is(names('tags', 'a'), $d1, 'A69 it names what it did');
    is(names('tags', 'c'), 'nothing', 'A69 and the other one is not made');
    is_status(put($user{creator}, 'tags', $d1, $one, '?tag=a&tag=c'), 201,
        'A69 where it names the same, that is fine');
    is_status(put($user{creator}, 'tags', $d2, $two, '?tag=d'), 201,
        'A69 and so is a new one');
    is_status(put($user{updater}, 'tags', $d2, $two, '?tag=a&tag=b'), 201,
        'A69 one who may moves them');
    is(names('tags', $_), $d2, "A69 $_ has moved") for qw(a b);
}


sub who_may {
    is_error(put($user{only}, 'who', 'new', fresh()), 403, 'DENIED',
        'update alone creates nothing');
    is_status(put($user{creator}, 'who', 'v1', fresh()), 201, 'there');
    is_error(put($user{only}, 'who', 'v1', fresh()), 403, 'DENIED',
        'nor does it overwrite without push');

    for my $row (['mixed', 'dev/app', 201], ['mixed', 'release/app', 403],
        ['careful', 'dev/app', 201], ['careful', 'release/app', 403])
    {
        my ($user, $repo, $want) = @$row;
        my $tag = "of-$user";
        is_status(put($user{$user}, $repo, $tag, fresh()), 201,
            "$user creates in $repo");
        is_status(put($user{$user}, $repo, $tag, fresh()), $want,
            "$user overwrites in $repo: $want");
    }
}


# An index moves a tag as an image does.

sub kinds {
    my $image = fresh();
    my $child = descriptor(OCI_MANIFEST, to_json($image));

    is_status(put($user{creator}, 'kinds', 'v1', $image), 201, 'an image');
    is_error($user{creator}->push_manifest('kinds', 'v1',
        manifest_index([$child])), 403, 'DENIED',
        'A69 is not overwritten by an index');
    is_status($user{creator}->push_manifest('kinds', 'all',
        manifest_index([$child])), 201, 'an index');
    is_error(put($user{creator}, 'kinds', 'all', fresh()), 403, 'DENIED',
        'A69 nor an index by an image');

    # a manifest that is none stays an error of its own kind

    is_error($user{updater}->push_manifest('kinds', 'v1', 'no JSON'), 400,
        'MANIFEST_INVALID', 'one who may update learns what is wrong');
}


sub after_a_delete {
    is_status(put($user{deleter}, 'gone', 'v1', fresh()), 201, 'created');
    is_error(put($user{deleter}, 'gone', 'v1', fresh()), 403, 'DENIED',
        'not overwritten');
    is_status($user{deleter}->delete('/v2/gone/manifests/v1'), 202,
        'deleted');
    is_status(put($user{deleter}, 'gone', 'v1', fresh()), 201,
        'a tag that is gone is created');
}


# Many at once, none of whom may update: one of them wins.

sub crowd {
    for my $round (1 .. 5) {
        my @data = map { fresh() } 1 .. 12;
        put($open, 'crowd', 'base', $data[0]);

        my @c = map { $user{creator}->connect } @data;
        my %digest;

        for my $i (0 .. $#c) {
            my $bytes = to_json($data[$i]);
            $c[$i]->start('PUT', "/v2/crowd/manifests/r$round",
                body => $bytes, headers => [['Content-Type', OCI_MANIFEST]]);
            $digest{$i} = sha256($bytes);
        }
        $c[$_]->send(to_json($data[$_])) for 0 .. $#c;

        my (@won, %status);
        for my $i (0 .. $#c) {
            my $r = $c[$i]->reply;
            $status{ $r->status }++;
            push @won, $digest{$i} if $r->status == 201;
        }

        is(scalar @won, 1, "A69 round $round: one of twelve creates the tag")
            or diag join ' ', map { "$_:$status{$_}" } sort keys %status;
        is(names('crowd', "r$round"), $won[0] // '', 'A69 and it is his');
        is(join(' ', grep { $_ != 201 && $_ != 403 } keys %status), '',
            'A69 the others are refused');
    }
}


# A refusal leaves the connection in order.

sub refused_early {
    my $c = $user{creator}->connect;
    my @type = (headers => [['Content-Type', OCI_MANIFEST]]);
    my $bytes = to_json(fresh());

    put($open, 'kept', 'v1', fresh());
    is_error($c->put('/v2/kept/manifests/v1', body => $bytes, @type), 403,
        'DENIED', 'on a kept connection');
    is_status($c->put('/v2/kept/manifests/v2', body => $bytes, @type), 201,
        'the next PUT is read from its beginning');
    is_error($c->put('/v2/kept/manifests/v1', chunks => [$bytes], @type), 403,
        'DENIED', 'in chunks');
    is_whole($c->get('/v2/kept/manifests/v2'), $bytes, 'and what came before '
        . 'is there');
}


# Who is refused learns which right it takes; that a tag is there, by the
# message, nobody but who can pull it.

sub what_it_takes {
    put($open, 'takes', 'v1', fresh());

    my $takes = sub { qq{access is denied: it takes the right "$_[0]"} };
    my $message = sub { put($user{$_[0]}, @_[1 .. $#_], fresh())->message };

    is($message->('creator', 'takes', 'v1'),
        'the tag exists, and moving it takes the right "update"',
        'A69 who may pull is told that the tag exists');
    is($message->('blind', 'takes', 'v1'), $takes->('update'),
        'A69 who may not, what it takes');

    for my $who (qw(only puller nobody)) {
        is($message->($who, 'takes', $_), $takes->('push'),
            "A69 $who learns nothing of $_") for qw(v1 v2);
    }

    my $l = $open->open_upload('takes');
    my @rows = (
        ['PATCH', $l, 'push'], ['POST', '/v2/{}/blobs/uploads/', 'push'],
        ['GET', '/v2/{}/tags/list', 'pull'],
        ['GET', '/v2/{}/manifests/v1', 'pull'],
        ['GET', '/v2/{}/blobs/' . sha256($base->{config}), 'pull'],
        ['DELETE', '/v2/{}/manifests/v1', 'delete'],
        ['GET', '/v2/_catalog', 'list']
    );
    for my $row (@rows) {
        my ($method, $uri, $right) = @$row;
        for my $repo (qw(takes none)) {
            my $r = $user{nobody}->request($method, $uri =~ s/\{\}/$repo/r,
                body => '');
            is_error($r, 403, 'DENIED', "$method $right in $repo");
            is($r->message, $takes->($right), "and it takes $right");
        }
    }
}

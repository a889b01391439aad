#!/usr/bin/perl

# Blobs and uploads in the hands of many at a time: pushed twenty times at
# once, mounted and pulled while they are deleted, finished while they are
# cancelled; at one master, and at two on one store.

use strict;
use warnings;

use Digest::SHA ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Registry;
use Test::Registry::Crew;
use Test::Registry::History qw(violations);
use Test::Registry::Torture;
use Time::HiRes qw(sleep);

my %conf = (workers => 2, location =>
    'registry_delete on; keepalive_requests 10000000;');

my @more = 1 .. 8;

my $t = Test::Registry->new(%conf, ports => scalar @more,
    servers => join "\n", map { <<"EOC" } @more)->run;
server {
listen 127.0.0.1:%%PORT$_%%;
location /v2/ { registry %%DIR%%/more$_; }
}
EOC
my $other = Test::Registry->new(%conf, root => $t->root)->run;

seed();
my $seconds = torture(3, 60);
my $rounds = torture(15, 1000);

more_stores();
push_at_once($_) for 1 .. torture(3, 100);
patch_at_once($_) for 1 .. torture(2, 100);
finish_and_cancel();
finish_twice();
mount_while_deleted();
pull_while_deleted();

finish($other, { audit => 0 }, $t, { audit => { missing => 1 } });


sub either { return ($t, $other)[rand 2] }
sub codes { return join ' ', sort map { $_->[0] } @_ }


# A worker opens a store when somebody asks for it first, while its threads
# are at work for another.

sub more_stores {
    my @got = crew(60, (map { my $i = $_; sub {
        my @codes = map {
            push_one($t, "busy/$i", sha256("busy $i $_"), "busy $i $_", 0)
        } 1 .. 30;
        return join ' ', keys %{ { map { $_ => 1 } @codes } };
    } } 1 .. 8), map { my $port = $t->extra_port($_); sub {
        sleep 0.1;
        return join ' ', keys %{ { map {
            $t->get('/v2/none/tags/list', port => $port)->status => 1
        } 1 .. 8 } };
    } } @more);

    is(codes(@got), join(' ', (201) x 8, (404) x @more),
        'F43 other stores are opened beside pushes to the first');
}


# 20 clients, one blob, 4 repositories, in every way there is to push.

sub push_at_once {
    my ($n) = @_;

    my $bytes = blob(400_000 + $n, "at once $n");
    my $digest = sha256($bytes);

    my @got = crew(120, map { my $i = $_; sub {
        srand $i;
        my $repo = "crowd$n/" . $i % 4;
        return push_one(either(), $repo, $digest, $bytes, $i % 3);
    } } 0 .. 19);

    is(codes(@got), join(' ', (201) x 20), "F43 twenty pushes at once, $n");

    for my $i (0 .. 3) {
        is_whole(either()->get("/v2/crowd$n/$i/blobs/$digest"), $bytes,
            "F43 it is in repository $i");
    }

    my @files = glob $t->blob_file($digest) =~ s{/data\z}{/*}r;
    is(scalar @files, 1, 'F43 one data file');
    my @sessions = grep { -d } map { glob "$_/*" }
        map { $t->repo_dir("crowd$n/$_") . '/_uploads' } 0 .. 3;
    is("@sessions", '', 'F43 and no session is left');
}


sub push_one {
    my ($server, $repo, $digest, $bytes, $way) = @_;

    my @where = (port => $server->port, timeout => 90);
    my $base = "/v2/$repo/blobs/uploads/";

    return $t->post("$base?digest=$digest", body => $bytes, @where)->status
        if $way == 0;

    my $r = $t->post($base, body => '', @where);
    my $uri = $r->header('Location') // return $r->status;
    my $half = $way == 1 ? 0 : length($bytes) >> 1;

    if ($half) {
        $r = $t->patch($uri, body => substr($bytes, 0, $half), @where);
        return $r->status if $r->status != 202;
    }

    return $t->put("$uri?digest=$digest", body => substr($bytes, $half),
        @where)->status;
}


# One session, 8 clients at two masters: one after the other gets in, none
# halfway.

sub patch_at_once {
    my ($n) = @_;

    my $uri = $t->open_upload("patches$n");
    my $size = 200_000;

    my @got = crew(120, map { my $i = $_; sub {
        srand $i;
        my $r = either()->patch($uri, body => $i x $size, timeout => 90);
        return [$r->status, $r->header('Range') // ''];
    } } 0 .. 7);
    @got = map { $_->[0] } @got;

    my @in = grep { $_->[0] == 202 } @got;
    is(scalar(grep { $_->[0] != 202 && $_->[0] != 429 } @got), 0,
        "A23 F34 eight PATCHes at two masters: 202 or 429, $n")
        or diag explain \@got;
    cmp_ok(scalar @in, '>=', 1, 'A23 one gets in');
    same_list([sort map { $_->[1] } @in],
        [sort map { '0-' . ($_ * $size - 1) } 1 .. @in],
        'A23 one after the other');

    my $file = $t->repo_dir("patches$n") . '/_uploads/'
        . ($uri =~ m{([^/]+)\z})[0] . '/data';
    open my $fh, '<:raw', $file or die "$file: $!\n";
    my $bytes = do { local $/; <$fh> };
    my @mixed = grep { $_ ne substr($_, 0, 1) x $size }
        unpack "(a$size)*", $bytes;
    is(scalar @mixed, 0, 'A23 bytes never interleave');

    is_status(either()->put("$uri?digest=" . sha256($bytes), body => ''),
        201, 'A23 and the digest is right');
}


# One finishes, another cancels: whoever is told so has had his will.

sub finish_and_cancel {
    my (%count, @wrong);

    for my $n (1 .. $rounds) {
        my $repo = 'cancel' . $n % 3;
        my $bytes = blob(100 + $n % 2 * 200_000, "cancelled $n");
        my $digest = sha256($bytes);
        my $uri = $t->open_upload($repo);
        $t->patch($uri, body => substr $bytes, 0, 90);

        my ($put, $delete) = map { $_->[0] } crew(60, sub {
            sleep rand 0.01;
            return $t->put("$uri?digest=$digest", body => substr $bytes, 90)
                ->status;
        }, sub {
            sleep rand 0.03;
            return $other->delete($uri)->status;
        });

        $count{"$put $delete"}++;
        my $blob = $t->get("/v2/$repo/blobs/$digest")->status;
        my $session = $t->get($uri)->status;

        push @wrong, "PUT $put, DELETE $delete, then the blob $blob and the"
            . " session $session"
            if "$put $delete" !~ /\A(?:201 (?:204|404)|404 204)\z/
                || $blob != ($put == 201 ? 200 : 404) || $session != 404;
    }

    is(scalar @wrong, 0, 'F34 cancelled while it is finished') or
        diag join "\n", @wrong;
    figure("a finish and a cancel, $_", $count{$_}) for sort keys %count;
}


# Two finish the same session: one has, the other comes too late.

sub finish_twice {
    my (%count, @wrong);

    for my $n (1 .. $rounds) {
        my $bytes = blob(3000, "twice $n");
        my $digest = sha256($bytes);
        my $uri = $t->open_upload('twice');
        $t->patch($uri, body => $bytes);

        my $codes = codes(crew(60, map { my $server = $_; sub {
            $server->put("$uri?digest=$digest", body => '')->status
        } } $t, $other));

        $count{$codes}++;
        push @wrong, $codes if $codes !~ /\A201 (?:404|429)\z/
            || $t->get("/v2/twice/blobs/$digest")->body ne $bytes;
    }

    is(scalar @wrong, 0, 'A26 F34 finished twice at once')
        or diag join "\n", @wrong;
    figure("two finishes, $_", $count{$_}) for sort keys %count;
}


# Mounts out of a repository in which the blob comes and goes; where it was
# mounted to it stays.

sub mount_while_deleted {
    my $bytes = blob(5000, 'mounted');
    my $digest = sha256($bytes);
    my @both = ($t, $other);
    my $blob = "/v2/from/blobs/$digest";

    my $see = sub {
        my ($r, %op) = @_;
        return $op{ $r->status } // 'odd';
    };

    my @seen = map { @$_ } crew($seconds + 90,
        (map { again($seconds, \@both, 0.01, sub {
            my ($c) = @_;
            my %at = timed(sub { $t->post("/v2/from/blobs/uploads/?digest="
                . $digest, body => $bytes, port => $c->{port}) });
            # an upload goes with its repository
            return { %at, op => $see->($at{reply}, 201 => 'put',
                404 => 'nothing') };
        }) } 1 .. 2),
        again($seconds, \@both, 0.01, sub {
            my ($c) = @_;
            my %at = timed(sub { $c->delete($blob) });
            return { %at, op => $see->($at{reply}, 202 => 'none',
                404 => 'miss') };
        }),
        again($seconds, \@both, 0.1, sub {
            my ($c) = @_;
            my %at = timed(sub {
                $c->delete('/v2/from/_nginx/repository/content') });
            return { %at, op => $see->($at{reply}, 202 => 'clear',
                404 => 'miss') };
        }),
        (map { my $i = $_; again($seconds, \@both, 0, sub {
            my ($c, $n) = @_;
            my $to = "to/$$/$n";
            my %at = timed(sub { $c->post("/v2/$to/blobs/uploads/?mount="
                . "$digest&from=from", body => '') });
            my $op = $see->($at{reply}, 201 => 'some', 202 => 'miss');
            my $r = $op eq 'some' ? $c->get("/v2/$to/blobs/$digest")
                : $op eq 'miss' ? $c->delete($at{reply}->header('Location'))
                : $at{reply};
            $op = 'odd' if $r->status != ($op eq 'some' ? 200 : 204)
                || ($op eq 'some' && $r->body ne $bytes);
            return { %at, reply => $r, op => $op };
        }) } 1 .. 4),
        again($seconds, \@both, 0, sub {
            my ($c) = @_;
            my %at = timed(sub { $c->get($blob) });
            my $op = $see->($at{reply}, 200 => 'some', 404 => 'miss');
            $op = 'odd' if $op eq 'some' && $at{reply}->body ne $bytes;
            return { %at, op => $op };
        }));

    my @odd = grep { $_->{op} eq 'odd' } @seen;
    is(scalar @odd, 0, 'F34 what is mounted while it is deleted is whole')
        or diag $odd[0]{reply}->as_text;

    my @wrong = violations([grep { $_->{op} !~ /odd|nothing/ } @seen]);
    is(scalar @wrong, 0, 'F34 and a mount finds what is there')
        or diag join "\n", splice @wrong, 0, 5;
    figure('mounts and deletes, seen', scalar @seen);
}


# Large ones, read slowly: a blob, and a manifest too large to be kept in
# memory. Whoever began gets all of it, or is cut off, and nothing else.

sub pull_while_deleted {
    my $bytes = blob(6_000_000, 'pulled');
    my $digest = sha256($bytes);
    my $config = '{}';
    my $large = padded_manifest(manifest(descriptor(OCI_CONFIG, $config), []),
        3_000_000);
    my %size = ("blobs/$digest" => $bytes, 'manifests/large' => $large,
        'manifests/' . sha256($large) => $large);
    my $until;

    my $pull = sub {
        my ($what) = @_;
        my %count;
        while (moment() < $until) {
            my $sha = Digest::SHA->new(256);
            my $r = either()->get("/v2/pulled/$what", timeout => 60,
                sink => sub { $sha->add($_[0]); sleep 0.0005 });
            my $right = $sha->hexdigest eq Digest::SHA::sha256_hex(
                $size{$what});
            $count{ $r->status == 404 ? 'not there'
                : $r->status != 200 ? 'status ' . $r->status
                : !$r->complete ? 'cut' : $right ? 'whole' : 'wrong' }++;
        }
        return %count;
    };

    my $once = sub {
        push_one(either(), 'pulled', $_->[0], $_->[1], 0)
            for [$digest, $bytes], [sha256($config), $config];
        return either()->push_manifest('pulled', 'large', $large,
            OCI_MANIFEST);
    };

    my $push = sub {
        $once->() while moment() < $until;
        return ();
    };

    my $delete = sub {
        while (moment() < $until) {
            sleep rand 0.6;
            either()->delete("/v2/pulled/$_") for sort keys %size;
            sleep rand 0.2;
            either()->delete('/v2/pulled/_nginx/repository/content')
                if rand() < 0.3;
        }
        return ();
    };

    is_status($once->(), 201, 'something to pull');
    $until = moment() + $seconds;

    my %count;
    for my $list (crew($seconds + 120, $push, $push, $delete,
        (map { my $what = $_; map { sub { srand; $pull->($what) } } 1, 2 }
            sort keys %size)))
    {
        my %one = @$list;
        $count{$_} += $one{$_} for keys %one;
    }

    is(join(', ', grep { !/\A(?:whole|cut|not there)\z/ } sort keys %count),
        '', 'F34 pulled while it is deleted: all of it, or cut, or 404');
    cmp_ok($count{whole} // 0, '>', 0, 'F34 some got all of it');
    figure("pulled while it is deleted, $_", $count{$_})
        for sort keys %count;
}

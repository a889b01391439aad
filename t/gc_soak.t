#!/usr/bin/perl

# F47: many push, mount, push again, tag, delete and pull while collection and
# purge run without a pause, with a grace time of seconds. No push fails, no
# blob is missed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Torture;

use constant { GRACE => 4, REPOS => 4, LAYERS => 200 };

my $seconds = torture(25);
my $seed = seed();

my $t = Test::Registry->new(workers => 2, location => 'registry_delete on;'
    . ' registry_gc on interval=1s grace=' . GRACE . 's rate=0 iops=0;'
    . ' registry_upload_idle_time 5s;')->run;
my $until = time + $seconds;
my %all;

# what many images share, and mount from one another
my @layers = map { blob(200 + 311 * $_, "soak layer $_") } 1 .. LAYERS;

# somebody collects from the beginning: there is a store by then
$t->push_image('first', 'v1');

run_clients([ 'pusher', \&push_one ], [ 'pusher', \&push_one ],
    [ 'pusher', \&push_one ], [ 'indexer', \&push_index ],
    [ 'uploader', \&upload_in_parts ], [ 'deleter', \&delete_one ],
    [ 'puller', \&pull_one ], [ 'puller', \&pull_one ],
    [ 'by hand', \&collect_one ]);

is($all{failed}{$_} // 0, 0, "no $_ failed") or diag $all{why}{$_}
    for qw(push index upload delete pull collection);
cmp_ok($all{done}{$_} // 0, '>', 0, "$_: " . ($all{done}{$_} // 0))
    for qw(push index upload delete pull collection);

my $text = $t->log_text;
my $runs = () = $text =~ /collected garbage of/g;
my $freed = 0;
$freed += $1 while $text =~ /collected garbage of .*?: (\d+) of/g;
cmp_ok($runs, '>', 3, 'collections by nginx');
cmp_ok($freed, '>', 0, 'blobs were freed');

everything_is_there();

figure("$_ operations", $all{done}{$_}) for sort keys %{ $all{done} };
figure('collections', $runs);
figure('blobs freed', $freed);
figure('pushes that came later than the lease', $all{late} // 0);

# what went may still be in the trash
$t->finish(audit => { grace => 3600 });
done_testing();


# Each in a process of its own, until the time is up.

sub run_clients {
    my @clients = @_;
    my @children;

    for my $i (0 .. $#clients) {
        pipe my $in, my $out or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";

        if (!$pid) {
            close $in;
            srand $seed + $i;
            my %c = (n => $i, done => {}, failed => {}, why => {}, late => 0);
            while (time < $until) {
                eval { $clients[$i][1]->(\%c); 1 }
                    or failed(\%c, 'push', "died: $@");
            }
            print {$out} JSON::PP::encode_json(\%c);
            close $out;
            POSIX::_exit(0);
        }

        close $out;
        push @children, [ $pid, $in, $clients[$i][0] ];
    }

    for my $child (@children) {
        local $/;
        my $fh = $child->[1];
        my $text = <$fh>;
        waitpid $child->[0], 0;
        my $c = eval { JSON::PP::decode_json($text) };
        ok($c, "a $child->[2] came to its end") or next;
        for my $what (qw(done failed)) {
            $all{$what}{$_} += $c->{$what}{$_} for keys %{ $c->{$what} };
        }
        $all{why}{$_} .= $c->{why}{$_} for keys %{ $c->{why} };
        $all{late} += $c->{late};
    }
}


sub failed {
    my ($c, $what, $why) = @_;

    $c->{failed}{$what}++;
    $c->{why}{$what} .= "$what: $why\n"
        if length($c->{why}{$what} // '') < 2000;
}


sub repo { return 'soak/r' . int(rand REPOS) }


# A blob as clients do it: HEAD, mount, upload. Returns what went wrong.

sub blob_there {
    my ($repo, $bytes) = @_;

    my $digest = sha256($bytes);
    return if $t->head("/v2/$repo/blobs/$digest")->status == 200;

    my $r = $t->post("/v2/$repo/blobs/uploads/?mount=$digest&from=" . repo(),
        body => '');
    return if $r->status == 201;
    return 'POST ' . $r->status if $r->status != 202;

    my $location = Test::Registry::Server::path_of($r->header('Location'));
    $r = $t->put(Test::Registry::Server::with_query($location,
        digest => $digest), body => $bytes);
    return $r->status == 201 ? undef : 'PUT ' . $r->status;
}


# All of an image; late is 1 when it took longer than what HEAD promises.

sub push_image_once {
    my ($repo, $ref, $image, $late) = @_;

    my $from = time;
    for my $bytes ($image->{config}, @{ $image->{layers} }) {
        my $why = blob_there($repo, $bytes);
        return $why if defined $why;
    }
    my $r = $t->push_manifest($repo, $ref, $image->{bytes});
    return if $r->status == 201;

    $$late = (time - $from > GRACE / 2 - 0.5);
    return 'manifest ' . $r->status . ' ' . $r->body;
}


sub push_image_of {
    my ($c, $what, $repo, $tag, $image) = @_;

    for (1 .. 20) {
        my $late = 0;
        my $why = push_image_once($repo, $tag // $image->{digest}, $image,
            \$late);
        return 1 if !defined $why;
        if (!$late) {
            failed($c, $what, $why);
            return;
        }
        $c->{late}++;
    }
    failed($c, $what, 'late twenty times');
    return;
}


sub some_image {
    my ($c) = @_;

    my %chosen = map { $layers[rand @layers] => 1 } 1 .. 3;
    return image(seed => int(rand 60), layers => [ sort keys %chosen ]);
}


sub push_one {
    my ($c) = @_;

    push_image_of($c, 'push', repo(), 't' . int(rand 12), some_image($c))
        and $c->{done}{push}++;
}


# Children first, then nothing for a while, then the index.

sub push_index {
    my ($c) = @_;

    my $repo = 'soak/index';
    my @child = map { some_image($c) } 1, 2;
    for my $image (@child) {
        push_image_of($c, 'index', $repo, undef, $image) or return;
    }
    sleep rand 2;
    my $r = $t->push_manifest($repo, 'i' . int(rand 10),
        manifest_index([ map { descriptor(OCI_MANIFEST, $_->{bytes}) }
            @child ]), OCI_INDEX);
    $r->status == 201 ? $c->{done}{index}++
        : failed($c, 'index', $r->status . ' ' . $r->body);
}


# Slowly, and what comes of it is garbage at once.

sub upload_in_parts {
    my ($c) = @_;

    my $bytes = blob(70_000, rand);
    my $location = $t->open_upload('soak/parts');

    if (rand() < 0.3) {                         # and never comes back
        $c->{done}{abandoned}++;
        return;
    }

    my $r = $t->patch($location, body => substr($bytes, 0, 30_000));
    if ($r->status != 202) {
        return failed($c, 'upload', 'PATCH ' . $r->status);
    }
    sleep rand 1;
    $location = Test::Registry::Server::path_of($r->header('Location'));
    $r = $t->put(Test::Registry::Server::with_query($location,
        digest => sha256($bytes)), body => substr($bytes, 30_000));
    return failed($c, 'upload', 'PUT ' . $r->status) if $r->status != 201;

    $r = $t->get('/v2/soak/parts/blobs/' . sha256($bytes));
    $r->body eq $bytes ? $c->{done}{upload}++
        : failed($c, 'upload', 'GET ' . $r->status);
}


sub delete_one {
    my ($c) = @_;

    my $repo = repo();
    my $tags = $t->get("/v2/$repo/tags/list");
    my @tags = $tags->status == 200 ? @{ $tags->json->{tags} || [] } : ();
    my $tag = @tags ? $tags[rand @tags] : return sleep 0.1;

    my $r = $t->head("/v2/$repo/manifests/$tag");
    my $digest = $r->header('Docker-Content-Digest');
    my $ref = defined $digest && rand() < 0.7 ? $digest : $tag;

    $r = $t->delete("/v2/$repo/manifests/$ref");
    $r->status == 202 || $r->status == 404 ? $c->{done}{delete}++
        : failed($c, 'delete', $r->status);
    sleep 0.05;
}


sub pull_one {
    my ($c) = @_;

    my $repo = rand() < 0.2 ? 'soak/index' : repo();
    my $tags = $t->get("/v2/$repo/tags/list");
    my @tags = $tags->status == 200 ? @{ $tags->json->{tags} || [] } : ();
    my $tag = @tags ? $tags[rand @tags] : return sleep 0.1;

    my $why = pull($repo, $tag);
    defined $why ? failed($c, 'pull', $why) : $c->{done}{pull}++;
}


# What is missing counts only as long as its manifest is there.

sub pull {
    my ($repo, $ref) = @_;

    my $r = $t->get("/v2/$repo/manifests/$ref");
    return if $r->status == 404;
    return "$repo:$ref " . $r->status if $r->status != 200;

    my $m = $r->json;
    my $digest = sha256($r->body);

    for my $part (@{ $m->{manifests} || [] }) {
        my $why = pull($repo, $part->{digest});
        return $why if defined $why;
        return "$repo\@$part->{digest} is missing"
            if $t->get("/v2/$repo/manifests/$part->{digest}")->status != 200
                && $t->get("/v2/$repo/manifests/$digest")->status == 200;
    }

    for my $part (grep { defined } $m->{config}, @{ $m->{layers} || [] }) {
        $r = $t->get("/v2/$repo/blobs/$part->{digest}");
        next if $r->status == 200 && sha256($r->body) eq $part->{digest};
        return "$repo:$ref $part->{digest} " . $r->status
            if $t->get("/v2/$repo/manifests/$digest")->status == 200;
    }
    return;
}


# By hand beside nginx: one of them at a time.

sub collect_one {
    my ($c) = @_;

    my $r = ctl('gc', $t->{root}, '--grace=' . GRACE . 's');
    $r->{rc} == 0 || ($r->{rc} == 3 && $r->{err} =~ /somebody else/)
        ? $c->{done}{collection}++
        : failed($c, 'collection', "$r->{rc} $r->{err}");

    # nginx waits a second from then on
    sleep 4;
}


sub everything_is_there {
    my @bad;
    my $n = 0;

    for my $repo ('soak/index', map { "soak/r$_" } 0 .. REPOS - 1) {
        my $tags = $t->get("/v2/$repo/tags/list");
        next if $tags->status != 200;
        for my $tag (@{ $tags->json->{tags} || [] }) {
            my $why = pull($repo, $tag);
            push @bad, $why if defined $why;
            $n++;
        }
    }
    cmp_ok($n, '>', 10, "$n tags in the end");
    is(scalar @bad, 0, 'all of them whole') or diag join "\n", @bad[0 .. 9];
}

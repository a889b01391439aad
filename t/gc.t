#!/usr/bin/perl

# registry_gc and registry_upload_idle_time: garbage goes while others push,
# and nothing else does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Notify qw(metric_of);

# grace is short, so whatever has to survive for longer than that is tested
use constant GRACE => 2;

configuration();

my $gc = 'registry_gc on interval=1s grace=' . GRACE . 's rate=0 iops=0;'
    . ' registry_upload_idle_time 2s;';
my $t = Test::Registry->new(location => "registry_delete on; $gc",
    server => 'location = /metrics { registry_metrics; }')->run;

garbage();
head_and_mount();
child_first();
kept();
deep();
uploads();
never_idle();
two_at_once();
reloads();
untagged();
killed();

# what went may still be in the trash
$t->finish(audit => { grace => 3600 });
done_testing();


sub configuration {
    for my $bad ('', 'maybe', 'off grace=1h', 'on grace=1s', 'on grace=x', 'on untagged=1s',
        'on interval=0', 'on window=1-2', 'on window=25:00-01:00',
        'on window=01:00-01:60', 'on rate=x', 'on iops=-1', 'on nose=1',
        'on; registry_gc on')
    {
        my ($rc, $text) = Test::Registry->new(
            location => "registry_gc $bad;")->check;
        ok($rc > 0 && $text =~ /\[emerg\].*registry_gc/, "refused: $bad")
            or diag $text;
    }

    for my $good ('off', 'on', 'on window=22:00-04:00',
        'on interval=1d grace=2h window=00:00-24:00 rate=1m iops=100',
        'on untagged=30d empty')
    {
        my ($rc, $text) = Test::Registry->new(
            location => "registry_gc $good;")->check;
        is($rc, 0, "taken: $good") or diag $text;
    }

    my ($rc, $text) = Test::Registry->new(location => 'registry_gc on;',
        server => 'location = /v2/a { registry %%ROOT%%;'
            . ' registry_gc on grace=2h; }')->check;
    ok($rc > 0 && $text =~ /says one thing and another/,
        'refused: two locations that disagree') or diag $text;
    ($rc, $text) = Test::Registry->new(
        location => 'registry_upload_idle_time 1d;',
        server => 'location = /v2/a { registry %%ROOT%%;'
            . ' registry_upload_idle_time 2d; }')->check;
    ok($rc > 0 && $text =~ /"registry_upload_idle_time" says one thing and an/,
        'refused: of open uploads, too') or diag $text;
    ($rc, $text) = Test::Registry->new(location => 'registry_gc on;',
        server => 'location = /v2/a { registry %%ROOT%%; }')->check;
    is($rc, 0, 'taken: one that says nothing') or diag $text;
}


# Waits until the bytes of a blob are gone.

sub gone {
    my ($digest) = @_;

    my $end = time + 60;
    sleep 0.1 while -e $t->blob_file($digest) && time < $end;
    return !-e $t->blob_file($digest);
}


# Lets a whole collection pass that begins from now on, and the grace time.

sub a_collection {
    my $lone = $t->push_blob('pass', blob(100, rand));
    return gone($lone);
}


sub garbage {
    my $image = pushed($t, push_image => 'some/app', 'v1', seed => 1);
    my $lone = $t->push_blob('some/app', blob(70_000, 2));
    ok(gone($lone), 'a blob that no manifest names goes');
    is($t->head("/v2/some/app/blobs/$lone")->status, 404, 'it is not served');
    pulls('some/app', 'v1', $image, 'an image stays');

    # at the end of the collection, which is later

    my $line =
        qr/\[notice\].*collected garbage of .*: 1 of \d+ blobs, 70000 bytes, /;
    wait_for(20, sub { $t->log_text =~ $line });
    like($t->log_text, $line, 'the log says so');
    like($t->log_text, qr/ms, locked \d+ times for \d+ us at most/,
        'and how long pushes had to wait');

    $t->delete("/v2/some/app/manifests/$image->{digest}");
    ok(gone(sha256($image->{layers}[0])), 'the layer of a deleted one goes');
    ok(gone($image->{digest}), 'and the manifest');
    pushed($t, push_image => 'some/app', 'v1', seed => 1);
    pulls('some/app', 'v1', $image, 'pushed again');
}


# What is made of blobs and a manifest, once more where it took so long that a
# blob had to go before the manifest came.

sub pushed {
    my ($s, $push, @args) = @_;

    for (1 .. 10) {
        my $from = time;
        my $got = eval { $s->$push(@args) };
        return $got if $got;
        die $@ if time - $from < GRACE - 0.5;
        diag 'a push took ' . (time - $from) . ' s';
    }

    die "no push is quick enough\n";
}


sub pulls {
    my ($repo, $ref, $image, $name) = @_;

    my @bad = grep { $t->get($_->[0])->body ne $_->[1] }
        [ "/v2/$repo/manifests/$ref", $image->{bytes} ],
        map { [ "/v2/$repo/blobs/" . sha256($_), $_ ] }
            $image->{config}, @{ $image->{layers} };
    is(scalar @bad, 0, $name);
}


# F44, F45: whoever is told that a blob is there can rely on it for the grace
# time.

sub head_and_mount {
    my $image = image(seed => 'head');
    my @blobs = ($image->{config}, @{ $image->{layers} });
    my ($bad, $made, $lone, $mounted, $got);

    is_quick(GRACE - 0.5, 'somebody asks within the grace time', sub {
        $t->push_blob('head', $_) for @blobs;
        $bad = 0;

        my ($last, $longest, $end) = (time, 0, time + 3 * GRACE);
        while (time < $end) {
            my $from = time;
            $bad += $t->head('/v2/head/blobs/' . sha256($_))->status != 200
                for @blobs;
            $longest = time - $last if time - $last > $longest;
            $last = $from;
            sleep 0.5;
        }

        $made = $t->push_manifest('head', 'v1', $image->{bytes});
        return time - $last > $longest ? time - $last : $longest;
    });
    is($bad, 0, 'F44 what HEAD asks for again and again stays');
    is($made->status, 201, 'F44 and can be named');

    is_quick(GRACE - 0.2, 'and here', sub {
        my $from = time;
        $lone = $t->push_blob('from', blob(1000, 'mount'));
        sleep 1;

        my $between = time;
        $mounted = $t->post("/v2/to/blobs/uploads/?mount=$lone&from=from");
        my $first = time - $from;
        sleep 1;

        $got = $t->get("/v2/to/blobs/$lone");
        return time - $between > $first ? time - $between : $first;
    });
    is($mounted->status, 201, 'F45 a mount of what nobody names');
    is($got->body, blob(1000, 'mount'), 'F45 is there for the grace time');
    ok(gone($lone), 'F45 and no longer');
    pulls('head', 'v1', $image, 'F44 the image is whole');
}


# F46: children, then a pause, then the index; a referrer, then its subject.

sub child_first {
    my @child = map {
        pushed($t, push_image => 'multi', undef, seed => "child $_")
    } 1, 2;
    my $subject = image(seed => 'subject');
    my $referrer = pushed($t, push_referrer => 'multi',
        { mediaType => OCI_MANIFEST, digest => $subject->{digest},
            size => length $subject->{bytes} }, type => 'a/b');
    ok(a_collection(), 'F46 a collection passes');

    my $index = to_json(manifest_index([ map { descriptor(OCI_MANIFEST,
        $_->{bytes}) } @child ]));
    is($t->push_manifest('multi', 'v1', $index, OCI_INDEX)->status, 201,
        'F46 the index of children that were there before');
    pushed($t, push_image => 'multi', 'subject', image => $subject);
    ok(a_collection(), 'F46 a collection passes');

    pulls('multi', $_->{digest}, $_, 'F46 a child is whole') for @child;
    is($t->get("/v2/multi/referrers/$subject->{digest}")->json
        ->{manifests}[0]{digest}, $referrer->{digest},
        'F46 the referrer is listed');
    is($t->get("/v2/multi/manifests/$referrer->{digest}")->body,
        $referrer->{bytes}, 'F46 and served');
}


# What looks like garbage and is none.

sub kept {
    my @push = ($t, push_image => 'kept');
    my $image = pushed(@push, 'v1', seed => 'kept');
    my $untagged = pushed(@push, undef, seed => 'untagged');
    my ($hex) = $image->{digest} =~ /:(.*)/;
    my $signature = pushed(@push, "sha256-$hex.sig", seed => 'sig');
    my $moved = pushed(@push, 'moved', seed => 'moved 1');
    pushed(@push, 'moved', seed => 'moved 2');

    ok(a_collection(), 'a collection passes');
    pulls('kept', 'v1', $image, 'an image');
    pulls('kept', $untagged->{digest}, $untagged, 'one without a tag');
    pulls('kept', "sha256-$hex.sig", $signature, 'a signature of cosign');
    pulls('kept', $moved->{digest}, $moved, 'one whose tag moved on');
}


sub deep {
    my $bytes = pushed($t, push_image => 'deep', undef, seed => 'deep')
        ->{bytes};
    my $type = OCI_MANIFEST;
    my $bad = 0;

    for (1 .. 30) {
        $bytes = to_json(manifest_index([
            map { descriptor($type, $bytes) } 1, 2 ]));
        $type = OCI_INDEX;
        $bad += $t->push_manifest('deep', sha256($bytes), $bytes, $type)
            ->status != 201;
    }
    is($bad, 0, 'A62 30 levels of indexes are pushed');

    my $from = time;
    ok(a_collection(), 'A62 a collection passes');
    cmp_ok(time - $from, '<', 30, 'A62 in time');
    is($t->get('/v2/deep/manifests/' . sha256($bytes))->body, $bytes,
        'A62 all of it is there');
}


# F49: an upload that is idle goes, a slow one does not.

# Temporaries go after the sessions, so that these were looked at by then.

sub never_idle {
    my $s = Test::Registry->new(location => 'registry_upload_idle_time 0;')
        ->run;
    my $own = $s->root . '/docker/registry/nginx';
    my $old = time - 400 * 86400;
    $s->push_blob('up', 'makes the directories');
    my $l = $s->open_upload('up');

    is_status($s->patch($l, body => 'abc'), 202, 'an upload is begun');
    $s->stop or die "$s->{stop_text}\n";

    open my $fh, '>', "$own/tmp/old" or die "$own/tmp/old: $!\n";
    close $fh;
    unlink "$own/purge";
    utime($old, $old, $_) or die "$_: $!\n"
        for "$own/tmp/old", reverse split /\n/, qx(find @{[ $s->root ]} -path '*/_uploads/*');

    $s->run;
    ok(wait_for(60, sub { !-e "$own/tmp/old" }), 'a purge has ended');
    is_status($s->put(with_query($l, digest => sha256('abc')), body => ''),
        201, 'with 0 an upload is never idle');
    $s->finish;
}


sub uploads {
    my $bytes = blob(8, 'slow');
    my ($idle, $slow, $put);

    is_quick(1.8, 'F49 nobody was idle for as long', sub {
        my $from = time;
        my $l = $t->open_upload('up');
        my $c = $t->connect;

        $idle = $t->open_upload('up');
        $c->start('PATCH', $l, headers => [['Content-Length', 8],
            ['Content-Type', 'application/octet-stream']]);
        $c->send(substr $bytes, 0, 1);
        $t->get('/v2/');
        my $first = time - $from;

        for my $i (1 .. 7) {
            sleep 1;
            $c->send(substr $bytes, $i, 1);
        }

        $from = time;
        $slow = $c->reply;
        $put = $t->put(with_query(path_of($slow->header('Location') // $l),
            digest => sha256($bytes)));
        return time - $from > $first ? time - $from : $first;
    });

    my ($id) = $idle =~ m{([^/]+)\z};
    wait_for(20, sub { !-e $t->repo_dir('up') . "/_uploads/$id" });
    is($slow->status, 202, 'F49 a slow upload is not purged');
    is($t->get($idle)->status, 404, 'F49 an idle one is');
    ok(wait_for(20, sub { metric_of($t, 'registry_uploads_open') == 0 }),
        'F49 and counts no more');
    is($put->status, 201, 'F49 and can be finished');

    my $line = qr/\[notice\].*purged uploads of ".*": 1 of \d/;
    wait_for(20, sub { $t->log_text =~ $line });
    like($t->log_text, $line, 'the log says so');
}


# F48: by hand beside the timer.

sub two_at_once {
    my ($done, $busy, $bad) = (0, 0, 0);

    for (1 .. 20) {
        my $r = ctl('gc', $t->{root}, '--grace=' . GRACE . 's');
        my $rc = $r->{rc};
        if (!defined $rc || ($rc != 0 && $rc != 3)) { $bad++; next }
        $rc == 0 ? $done++ : $busy++;
        sleep 0.1;
    }
    is($bad, 0, "F48 by hand: $done times done, $busy times somebody else");
    cmp_ok($done, '>', 0, 'F48 it gets its turn');
    ok(a_collection(), 'F48 and so does nginx');
}


sub reloads {
    for (1 .. 5) {
        $t->push_blob('reload', blob(1000, "reload $_"));
        $t->reload;
    }
    ok(a_collection(), 'after reloads it goes on');
    my @errors = grep { /could not (?:collect|purge)/ }
        split /\n/, $t->log_text;
    is(scalar @errors, 0, 'without an error') or diag "@errors";
}


# Manifests without a tag go, but not what belongs to one that stays.

sub untagged {
    my $s = Test::Registry->new(location => 'registry_delete on;'
        . ' registry_gc on interval=1s grace=2s untagged=4s empty rate=0'
        . ' iops=0;')->run;
    my ($n, $bad, $child, $signature, $lone, $asked, $tagged) = (0);

    is_quick(3.5, 'F46 somebody asks in time', sub {
        my ($last, $longest) = (time, 0);
        my $u = 'u' . ++$n;
        my @push = ($s, push_image => $u);

        $child = pushed(@push, undef, seed => 'u child');
        $s->push_manifest($u, 'v1', manifest_index([ descriptor(OCI_MANIFEST,
            $child->{bytes}) ]), OCI_INDEX);
        $signature = pushed($s, push_referrer => $u, {
            mediaType => OCI_MANIFEST, digest => $child->{digest},
            size => length $child->{bytes} }, type => 'a/b');
        $lone = pushed(@push, undef, seed => 'u lone');
        $asked = pushed(@push, undef, seed => 'u asked');
        pushed($s, push_image => 'gone/empty', undef, seed => 'u empty');

        my $end = time + 60;
        $bad = 0;
        while (time < $end && (-e $s->blob_file(sha256($lone->{config}))
            || -e $s->repo_dir('gone/empty')))
        {
            my $from = time;
            $bad += $s->head("/v2/$u/manifests/$asked->{digest}")->status
                != 200;
            $longest = time - $last if time - $last > $longest;
            $last = $from;
            sleep 0.5;
        }

        $tagged = $s->push_manifest($u, 'asked', $asked->{bytes});
        return time - $last > $longest ? time - $last : $longest;
    });

    is($s->get("/v2/u$n/manifests/$lone->{digest}")->status, 404,
        'a manifest without a tag goes');
    ok(!-e $s->blob_file(sha256($lone->{config})), 'and then its layers');
    ok(!-e $s->repo_dir('gone/empty'), 'and a repository that is empty');
    is($bad, 0, 'F46 one that HEAD asks for stays');
    is($s->get("/v2/u$n/manifests/$_->{digest}")->body, $_->{bytes},
        'F46 the child of an index, and its signature, stay')
        for $child, $signature;
    is($tagged->status, 201, 'F46 what was asked for can be tagged');
    $s->finish(audit => { grace => 3600 });
}


# F04: one that was killed is begun anew soon, but not time and again.

sub killed {
    my $third = Test::Registry->new->run;
    my $lone = $third->push_blob('killed', blob(1000, 'killed'));
    my $file = $third->blob_file($lone);
    sleep GRACE + 0.5;

    $third->{location} = 'registry_gc on interval=6h grace=' . GRACE
        . 's rate=0 iops=0;';
    left_behind($third, 0, 12);
    $third->reload;
    sleep 8;
    ok(-e $file, 'F04 after a dozen that were killed there is a pause');

    open my $boot, '<', '/proc/sys/kernel/random/boot_id' or die;
    chomp(my $id = <$boot>);
    open my $note, '<', "$third->{root}/docker/registry/nginx/collect" or die;
    like(scalar <$note>, qr/\A\Q$id\E /,
        'F37 the clock of this boot is noted before the first collection');

    left_behind($third, 60, 1);
    $third->reload;
    my $end = time + 60;
    sleep 0.1 while -e $file && time < $end;
    ok(!-e $file, 'F04 after one that was killed it goes on soon');
    $third->finish(audit => { grace => 3600 });
}


# What so many collections have left, of which the last began that long ago.

sub left_behind {
    my ($s, $ago, $n) = @_;

    my $path = "$s->{root}/docker/registry/nginx/collect";
    open my $fh, '>', $path or die "$path: $!";
    printf $fh "x\nbegan %d000000000 done 1 unfinished %d.\n", time - $ago,
        $n;
    close $fh or die "$path: $!";
    chown +(stat $s->{root})[4, 5], $path;
    return;
}

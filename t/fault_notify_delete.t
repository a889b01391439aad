#!/usr/bin/perl

# Deletions whose event cannot be recorded: nobody can delete twice to have it,
# so a DELETE that is refused has deleted nothing. The calls on the spool fail
# one after the other, once or for good, and a disk is full in earnest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Content;
use Test::Registry::Disk;
use Test::Registry::Notify;
use Test::Registry::Process;
use Test::Registry::Receiver;
use Test::Registry::Shim;
use Test::Registry::Torture;

use constant LIMIT => 100;         # calls on the spool of one deletion

my @broken = qw(name write change sync open modify lock);

alone(44);
seed();

my $round = 0;
my %images;
my $nobody = held_port();
my @kinds = (\&a_tag, \&a_manifest, \&a_blob, \&a_repository);

# each action once and for good in make torture

my $all = [qw(ENOSPC EIO)];
each_call(1, $_) for @{ torture(['EIO'], $all) };
each_call(0, $_) for @{ torture(['ENOSPC'], $all) };
by_command('EIO');
midway();
full();
first($_) for qw(ext4 xfs);
scattered();

done_testing();


# What can be deleted, prepared: what it is called, how it is deleted, how it is
# asked for, its events, its name for registryctl.

sub a_tag {
    my ($t) = @_;

    my ($tag, $image) = ('t' . ++$round, stock($t));
    pushed(tag_put($t, 'app', $tag, $image));
    my $uri = "/v2/app/manifests/$tag";
    return ('a tag', $uri, $uri, ["delete app:$tag"], "app:$tag");
}


sub a_manifest {
    my ($t) = @_;

    my $n = ++$round;
    my $m = image(seed => 'stock app', more => { annotations => {
        n => "number $n" } });
    pushed(tag_put($t, 'app', $_, $m)) for "a$n", "b$n";
    my $uri = "/v2/app/manifests/$m->{digest}";
    return ('a manifest', $uri, $uri, ["delete app\@$m->{digest}",
        "delete app:a$n", "delete app:b$n"], "app\@$m->{digest}");
}


sub a_blob {
    my ($t) = @_;

    my $bytes = 'blob ' . ++$round;
    $t->push_blob('app', $bytes);
    my $d = sha256($bytes);
    my $uri = "/v2/app/blobs/$d";
    return ('a blob', $uri, $uri, ["delete app\@$d"], undef);
}


sub a_repository {
    my ($t) = @_;

    my $repo = 'r' . ++$round;
    my $image = stocked($t, $repo);
    pushed(tag_put($t, $repo, 'one', $image));
    return ('a repository', "/v2/$repo/_nginx/repository/content",
        "/v2/$repo/tags/list", ["delete $repo\@"], $repo);
}


sub pushed { die $_[0]->as_text if $_[0]->status != 201 }


# An image whose blobs are in the repository "app" of a server.

sub stock {
    my ($t) = @_;

    return $images{$t} ||= stocked($t, 'app');
}


sub server {
    my (%o) = @_;

    return Test::Registry->new(master => 1, workers => 1,
        main => 'thread_pool one threads=1;',
        server => 'location = /metrics { registry_metrics; }',
        http => 'registry_notify ci http://127.0.0.1:' . $nobody->sockport
            . '/ci backoff=1h max_backoff=1h threshold=1;',
        location => 'registry_delete on; registry_thread_pool one;', %o)->run;
}


# Which of these events the spool has.

sub told {
    my ($t, $events) = @_;

    my %there = map { key_of($_) => 1 } tail_of($t->root);
    return grep { $there{$_} } @$events;
}


# --- by DELETE --------------------------------------------------------------

sub each_call {
    my ($times, $action) = @_;

    my $shim = Test::Registry::Shim->new;
    my $t = server(env => $shim->env);
    my $name = "$action " . ($times ? 'once' : 'for good');

    stock($t);

    for my $prepared (@kinds) {
        my ($n, $kind, @wrong);
        my %count = map { $_ => 0 } qw(refused done unheard);

        for ($n = 1; $n <= LIMIT; $n++) {
            my ($uri, $ask, $events);
            ($kind, $uri, $ask, $events) = $prepared->($t);
            my $failed = failures($t);

            $shim->arm(pid => ($t->workers)[0], dir => events_dir($t),
                action => $action, calls => \@broken, at => $n,
                times => $times);
            my $r = $t->delete($uri);
            my $hits = $shim->disarm;
            my $call = $shim->last;

            my ($what, @why) = judged($t, $r, $ask, $events, $action);
            $count{$what}++;
            push @why, 'deleted without an event'
                if $what eq 'unheard' && $times;
            push @why, 'is not counted'
                if $what ne 'done' && failures($t) <= $failed;
            push @why, 'fails by itself: ' . $r->as_text
                if !$hits && $what ne 'done';

            # what was refused can be done once the spool is well again

            if ($what eq 'refused') {
                $r = $t->delete($uri);
                my @told = told($t, $events);
                push @why, 'again: ' . $r->as_text if $r->status != 202;
                push @why, "again: the events are @told"
                    if "@told" ne "@$events";
            }

            push @wrong, map { "call $n, $call: $_" } @why;
            last if !$hits || @wrong > 5;
        }

        is(join("\n", @wrong), '', "DELETE of $kind: $name at each of "
            . ($n - 1) . ' calls');
        cmp_ok($count{refused}, '>', 0, "DELETE of $kind: $name: some are "
            . 'refused');
        cmp_ok($n, '<=', LIMIT, "DELETE of $kind: $name: there is an end");
        figure("DELETE of $kind: $name, $_", $count{$_})
            for sort keys %count;
    }

    $t->finish(audit => { grace => 3600 });
}


sub failures {
    return metric_of($_[0], 'registry_events_failed_total');
}


# refused, and nothing is deleted; done, and the events are there; or unheard,
# of which the log tells. And what is wrong with it.

sub judged {
    my ($t, $r, $ask, $events, $action) = @_;

    my @told = told($t, $events);
    my $there = $t->head($ask)->status == 200;
    my @wrong;

    if ($r->status == 202) {
        push @wrong, 'it is there' if $there;
        push @wrong, "done, with the events @told" if "@told" ne "@$events";
        return ('done', @wrong);
    }

    push @wrong, 'no JSON with a sentence: ' . $r->as_text
        if ($r->codes)[0] ne 'UNKNOWN' || $r->body !~ /"[^"]* event [^"]*"/;

    if ($there) {
        my $want = $action eq 'ENOSPC' ? 507 : 500;
        push @wrong, "not $want: " . $r->status if $r->status != $want;
        push @wrong, 'the client is not told that nothing is deleted'
            if $r->body !~ /nothing was deleted/;
        push @wrong, "refused, with the events @told" if @told;
        for my $key (@$events) {
            my ($repo, $tag) = $key =~ /\Adelete (\w+):(\w+)/ or next;
            push @wrong, "$tag is gone" if
                $t->head("/v2/$repo/manifests/$tag")->status != 200;
        }
        push @wrong, 'the log does not tell'
            if $t->log_text !~ m{\[crit\][^\n]*/events};
        return ('refused', @wrong);
    }

    my %told = map { $_ => 1 } @told;
    for (grep { !$told{$_} } @$events) {
        my ($what) = /\Adelete (.*?)\@?\z/;
        push @wrong, "the log does not tell of $what" if $t->log_text !~
            /\[crit\][^\n]*a deletion was not recorded[^\n]*"\Q$what\E" is/;
    }
    push @wrong, 'not 500: ' . $r->status if $r->status != 500;
    return ('unheard', @wrong);
}


# --- by registryctl rm ------------------------------------------------------

sub by_command {
    my ($action) = @_;

    my $shim = Test::Registry::Shim->new;
    my $t = server();
    my %env = %{ $shim->env };
    my @wrap = ('env', map { "$_=$env{$_}" } sort keys %env);

    stock($t);

    for my $prepared (@kinds[0, 1, 3]) {
        my ($n, $kind, @wrong);
        my $refused = 0;

        for ($n = 1; $n <= LIMIT; $n++) {
            my ($ask, $events, $name);
            ($kind, undef, $ask, $events, $name) = $prepared->($t);

            $shim->arm(dir => events_dir($t), action => $action,
                calls => \@broken, at => $n);
            my $r = ctl({ wrap => \@wrap }, 'rm', '--yes', $t->root, $name);
            my $hits = $shim->disarm;
            my $call = $shim->last;

            my $there = $t->head($ask)->status == 200;
            my @told = told($t, $events);
            $refused += $there;

            push @wrong, "call $n, $call: $_" for grep { $_ }
                $there ? ($r->{rc} eq '0' && 'it says that it is done',
                    $r->{err} eq '' && 'it says nothing',
                    @told && "refused, with the events @told")
                : ($r->{rc} ne '0' && "done, and fails: $r->{err}",
                    "@told" ne "@$events" && "done, with the events @told");
            last if !$hits || @wrong > 5;
        }

        is(join("\n", @wrong), '', "registryctl rm of $kind: $action at each "
            . 'of ' . ($n - 1) . ' calls');
        cmp_ok($refused, '>', 0, "registryctl rm of $kind: $action: some are "
            . 'refused');
        cmp_ok($n, '<=', LIMIT, "registryctl rm of $kind: $action: there is "
            . 'an end');
    }

    $t->finish(audit => { grace => 3600 });
}


# --- a manifest that cannot be deleted once some of its tags are -------------

# Tags go some at a time. What is gone is told, whoever deletes the rest.

sub midway {
    my $shim = Test::Registry::Shim->new;
    my %env = %{ $shim->env };
    my @wrap = ('env', map { "$_=$env{$_}" } sort keys %env);
    my $t = server(env => \%env);

    stock($t);

    my %delete = (
        'DELETE' => sub { $t->delete("/v2/app/manifests/$_[0]")->status },
        'registryctl rm' => sub {
            ctl({ wrap => \@wrap }, 'rm', '--yes', $t->root, "app\@$_[0]")->{rc}
        }
    );
    my %want = ('DELETE' => [500, 202], 'registryctl rm' => [3, 0]);

    # tags go into the trash, which is there from the first on, and their folder
    # is synced for eight of them

    pushed(tag_put($t, 'app', 'early', image(seed => 'stock app')));
    is($t->delete('/v2/app/manifests/early')->status, 202, 'a tag');

    my $top = $t->root . '/docker/registry';
    my @calls = (['name', "$top/nginx/trash", 11, 10],
        ['sync', "$top/v2/repositories/app/_manifests/tags", 2, 16]);

    for my $row (map { my $how = $_; map { [$how, @$_] } @calls }
        sort keys %delete)
    {
        my ($how, $class, $dir, $at, $some) = @$row;
        my $n = ++$round;
        my $m = image(seed => 'stock app', more => { annotations => {
            n => "number $n" } });
        my @tags = map { sprintf 'm%d-%02d', $n, $_ } 1 .. 20;
        pushed(tag_put($t, 'app', $_, $m)) for @tags;
        sleep 1;

        $shim->arm(dir => $dir, action => 'EIO', calls => [$class],
            at => $at);
        is($delete{$how}->($m->{digest}), $want{$how}[0], "$how fails");
        is($shim->disarm, 1, 'in the middle: ' . $shim->last);

        my @gone = grep {
            $t->head("/v2/app/manifests/$_")->status == 404 } @tags;
        is(scalar @gone, $some, 'some tags are gone');
        my @told = map { key_of($_) } tail_of($t->root);
        is_deeply([grep { /delete app[:@]/ && /m$n-|$m->{digest}/ } @told],
            [map { "delete app:$_" } @gone], 'and told, the manifest is not');

        is($delete{$how}->($m->{digest}), $want{$how}[1], "$how again");
        @told = map { key_of($_) } tail_of($t->root);
        is_deeply([sort grep { /delete app[:@]/ && /m$n-|$m->{digest}/ } @told],
            [sort "delete app\@$m->{digest}", map { "delete app:$_" } @tags],
            'each is told once');
    }

    # one that stands still between some tags and the next, while a DELETE
    # takes all the rest

    my $m = image(seed => 'stock app', more => { annotations => {
        n => 'overtaken' } });
    my @tags = map { sprintf 'o%02d', $_ } 1 .. 20;
    pushed(tag_put($t, 'app', $_, $m)) for @tags;
    pushed(tag_put($t, 'later', 'v1', stocked($t, 'later')));
    sleep 1;

    $shim->arm(dir => "$top/v2/repositories/app/_manifests", calls => ['lock'],
        action => 'delay', delay => 60_000_000, at => 3);
    my $first = ctl_begin({ wrap => \@wrap }, 'rm', '--yes', $t->root,
        "app\@$m->{digest}", 'later:v1');
    ok(wait_for(30, sub { $shim->hits }), 'one stands still');
    $shim->disarm;
    is($t->delete("/v2/app/manifests/$m->{digest}")->status, 202,
        'a DELETE overtakes another one');
    $shim->go_on;
    is_exit(ctl_end($first), 0, 'which is done as well');

    my @told = grep { /delete (?:app|later):[ov]|\Q$m->{digest}/ }
        map { key_of($_) } tail_of($t->root);
    my @own = splice @told, -9;
    is_deeply(\@told, ["delete app\@$m->{digest}",
        map { "delete app:$_" } @tags[8 .. 19]], 'it tells what it took');
    is_deeply(\@own, [(map { "delete app:$_" } @tags[0 .. 7]),
        'delete later:v1'], 'and so does the other');

    $t->finish(audit => { grace => 3600 });
}


# --- a disk that is full ----------------------------------------------------

sub full {
    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 24);
    my $t = server(root => $disk->root);
    my (@wrong, %count);

    my $fill = sub {
        open my $fh, '>>', $disk->at . '/filler' or die "filler: $!\n";
        for my $size (1 << 20, 4096, 1) {
            1 while defined syswrite $fh, 'x' x $size;
        }
    };

    stock($t);

    for my $slack (0, 1) {
        for my $prepared (@kinds) {
            my ($kind, $uri, $ask, $events) = $prepared->($t);

            # one that is done leaves room behind it for others

            push @wrong, 'a first deletion'
                if $slack && $t->delete((a_tag($t))[1])->status != 202;

            $fill->();
            my $r = $t->delete($uri);
            my $there = $t->head($ask)->status == 200;
            unlink $disk->at . '/filler';

            my @told = told($t, $events);
            push @wrong, "$kind: " . $r->as_text
                if $r->status != 202 && $r->status != 507;
            push @wrong, "$kind, refused: it is gone, or told: @told"
                if $r->status == 507 && (!$there || @told);
            push @wrong, "$kind, done: it is there, or told: @told"
                if $r->status == 202 && ($there || "@told" ne "@$events");
            $count{ ($slack ? 'room left, ' : 'no room, ') . $r->status }++;
        }
    }

    is(join("\n", @wrong), '', 'a full disk: done and told, or neither');
    figure("DELETE on a full disk: $_", $count{$_}) for sort keys %count;
    $t->finish(audit => { grace => 3600 });
}


# The first deletions ever, when the disk is full already.

sub first {
    my ($fs) = @_;

    my $disk = Test::Registry::Disk->new(fs => $fs);
    my $t = server(root => $disk->root);
    my @all = map { [$_->($t)] } @kinds;
    my $n = 0;

    run_command(60, 'sync', '-f', $disk->at);
    open my $fh, '>', $disk->at . '/filler' or die "filler: $!\n";
    for my $size (1 << 20, 4096, 1) {
        1 while defined syswrite $fh, 'x' x $size;
    }
    close $fh;

    # what XFS keeps for directories, too

    1 while open $fh, '>', $disk->at . '/filler' . 'x' x 200 . ++$n;

    for my $row (@all) {
        my ($kind, $uri, $ask, $events) = @$row;
        is_status($t->delete($uri), 202, "$fs is full: $kind is deleted");
        my @told = told($t, $events);
        is("@told", "@$events", "$fs is full: and that is told");
    }

    unlink glob $disk->at . '/filler*';
    $t->finish(audit => { grace => 3600 });
}


# The last blocks of a disk lie apart, and a file's map of them takes some, which
# are no room for events.

sub scattered {
    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 24);
    my $t = server(root => $disk->root);
    my ($n, $fh) = 0;

    my $fill = sub {
        run_command(60, 'sync', '-f', $disk->at);
        open $fh, '>>', $disk->at . '/filler' or die "filler: $!\n";
        1 while defined syswrite $fh, 'x' x 1024;
        close $fh;
    };

    my $image = stock($t);
    1 while open($fh, '>', $disk->at . '/filler' . ++$n)
        && syswrite $fh, 'x' x 4096;
    $fill->();
    unlink map { $disk->at . '/filler' . 2 * $_ } 1 .. $n / 2;
    run_command(60, 'sync', '-f', $disk->at);

    my @tags = map { "s$_" } 1 .. 200;
    pushed(tag_put($t, 'app', $_, $image)) for @tags;
    is($t->delete('/v2/app/manifests/' . shift @tags)->status, 202,
        'a first deletion');

    # each that is done frees what its directories were in

    my %got;
    for my $tag (@tags) {
        $fill->();
        $got{$tag} = $t->delete("/v2/app/manifests/$tag")->status;
    }
    unlink glob $disk->at . '/filler*';

    my @done = grep { $got{$_} != 507 } @tags;
    my @told = told($t, [map { "delete app:$_" } @done]);
    is_deeply(\@told, [map { "delete app:$_" } grep { $got{$_} == 202 } @tags],
        'pieces of a full disk: each deletion is told');
    is_deeply([grep { $t->head("/v2/app/manifests/$_")->status != 200 } @tags],
        \@done, 'or refused, and nothing is deleted');
    cmp_ok(scalar @done, '<', scalar @tags, 'what has no room is refused');
    $t->finish(audit => { grace => 3600 });
}

#!/usr/bin/perl

# The spool of events when the disk is full, fails or lies, when a process is
# killed at any call of it, when the power goes, when two nginx share it; and
# all of them dying at random under clients who push: an acknowledged push has
# its event, and it is delivered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use File::Find ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Content;
use Test::Registry::Crew;
use Test::Registry::Cutter;
use Test::Registry::Disk;
use Test::Registry::Notify;
use Test::Registry::Receiver;
use Test::Registry::Shim;
use Test::Registry::Torture;

use constant LIMIT => 400;         # calls of one append, or one note, at most

alone(60);
seed();

my $metrics = 'location = /metrics { registry_metrics; }';

appends();
blobs();
damaged_at_once();
begins_slowly();
notes();
torn();
power();
noted();
unsynced();
two_masters();
kill_loop();

done_testing();


# With one thread every round makes its calls in the same order.

sub server {
    my ($hook, %o) = @_;

    my $more = delete $o{more} // '';
    my $how = delete $o{how} // 'timeout=30s';
    return Test::Registry->new(master => 1,
        main => 'thread_pool one threads=1;', server => $metrics,
        http => 'registry_notify ci ' . $hook->url('/ci')
            . " threshold=2 backoff=100ms max_backoff=200ms $how;"
            . $more,
        location => 'registry_delete on; registry_thread_pool one;', %o);
}


# A spool that is read without the server, and the feed of an endpoint.

sub spooled {
    my ($t) = @_;

    return map { key_of($_) } tail_of($t->root);
}


# --- an append, broken at each of its calls ---------------------------------

sub appends {
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = server($hook, env => $shim->env)->run;
    my $image = stocked($t, 'app');
    my $round = 0;
    my @want;

    $t->allow_log(qr/worker process \d+ exited on signal 9/);
    $t->allow_log(qr/shared memory zone "[^"]+" was locked by/);

    for my $row (['ENOSPC', [qw(name write change sync open modify lock)]],
        ['EIO', [qw(write sync change read)]],
        ['lose', ['sync']], ['short', ['write']],
        ['kill', [qw(name write change sync open modify lock)]])
    {
        my ($action, $calls) = @$row;
        my ($broken, $n, @wrong) = (0);

        for ($n = 1; $n <= LIMIT; $n++) {
            my $tag = lc($action) . ++$round;
            my ($pid) = $t->workers;

            $shim->arm(pid => $pid, dir => events_dir($t), action => $action,
                calls => $calls, at => $n);
            my $r = tag_put($t, 'app', $tag, $image);
            my $hits = $shim->disarm;
            my $last = $shim->last;

            $t->worker_killed($pid) if $action eq 'kill' && $hits;
            push @wrong, map { "call $n, $last: $_" }
                judged($t, $r, $action, $hits, $tag);

            # what was refused, or not answered, is asked for again

            if ($r->status != 201) {
                $r = tag_put($t, 'app', $tag, $image);
                push @wrong, "call $n, $last: again: " . $r->as_text
                    if $r->status != 201;
            }
            push @want, "push app:$tag";

            $broken += $hits ? 1 : 0;
            last if !$hits || @wrong > 5;
        }

        ok(!@wrong, "spool: $action at each of $broken calls")
            or diag join "\n", @wrong;
        cmp_ok($broken, '>=', 1, "spool: $action was met");
        cmp_ok($n, '<=', LIMIT, "spool: there is an end of $action");
        figure("spool: calls broken by $action", $broken);
    }

    like($t->log_text, qr/could not be recorded; try again, client:/,
        'spool: what failed is in the log');
    unlike($t->log_text, qr/please report/, 'spool: as no mistake of ours');
    arrived($t, $hook, 'spool', \@want);
    $t->finish(audit => { grace => 3600 });
}


# After every break: an honest answer, and an acknowledged push is spooled.

sub judged {
    my ($t, $r, $action, $hits, $tag) = @_;

    my @wrong;
    my $there = grep { $_ eq "push app:$tag" } spooled($t);

    if ($r->status == 201) {
        push @wrong, 'acknowledged, and no event' if !$there;
        push @wrong, "$there events" if $there > 1;

    } elsif (!$hits) {
        push @wrong, 'fails by itself: ' . $r->as_text;

    } elsif ($action eq 'kill') {
        push @wrong, 'killed: ' . $r->as_text if $r->status;

    } else {
        push @wrong, 'not 500 UNKNOWN with a sentence: ' . $r->as_text
            if $r->status != 500 || ($r->codes)[0] ne 'UNKNOWN'
                || $r->body !~ /"[^"]* event [^"]*"/;

        # the change stands: it is the event alone that is missing

        push @wrong, 'the change does not stand'
            if $t->head("/v2/app/manifests/$tag")->status != 200;
        push @wrong, 'the log does not tell'
            if $t->log_text !~ /\[crit\][^\n]*event/;
    }

    return @wrong;
}


# All that was wanted comes, in order; how often some came again is told.

sub arrived {
    my ($t, $hook, $name, $want, $seconds) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for($seconds || 40, sub {
        !out_of_order($want, $hook->taken('/ci'))
    });
    my @events = $hook->taken('/ci');
    is(join("\n", out_of_order($want, @events)), '',
        "$name: every acknowledged push is delivered, in order");
    my $twice = eval { duplicates(@events) };
    is($@, '', "$name: an id has one meaning");
    figure("$name: events delivered", scalar @events);
    figure("$name: of them duplicates", $twice // '?');
    return $twice;
}


# --- blobs ------------------------------------------------------------------

# A client looks for a blob before it pushes it again, so one whose event cannot
# be recorded must not be found.

sub blobs {
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = server($hook, env => $shim->env, workers => 1)->run;
    my $round = 0;
    my @want;

    $t->push_blob('from', 'one to be mounted');

    for my $row (['ENOSPC', 1], ['ENOSPC', 0], ['EIO', 1], ['EIO', 0]) {
        my ($action, $times) = @$row;

        for my $kind ('push', 'mount') {
            my ($n, @wrong);
            my %count = map { $_ => 0 } qw(refused done unheard);

            for ($n = 1; $n <= LIMIT; $n++) {
                my $name = 'b' . ++$round;
                my $bytes = $kind eq 'push' ? "blob $round"
                    : 'one to be mounted';
                my $d = sha256($bytes);
                my $store = sub {
                    return $t->post("/v2/$name/blobs/uploads/?"
                        . ($kind eq 'push' ? "digest=$d"
                            : "mount=$d&from=from"),
                        body => $kind eq 'push' ? $bytes : '');
                };

                $shim->arm(pid => ($t->workers)[0], dir => events_dir($t),
                    action => $action, calls => [qw(name write change sync
                    open modify lock)], at => $n, times => $times);
                my $r = $store->();
                my $hits = $shim->disarm;

                my @why = stored($t, $r, "$kind $name\@$d", \%count, $action);
                push @why, 'stored without an event'
                    if $why[0] eq 'unheard' && $times;
                push @why, 'fails by itself: ' . $r->as_text
                    if !$hits && $why[0] ne 'done';

                # the next try is one like the first

                if ($why[0] eq 'refused') {
                    $r = $store->();
                    push @why, 'again: ' . $r->as_text if $r->status != 201;
                    push @why, 'again: no event'
                        if !grep { $_ eq "$kind $name\@$d" } spooled($t);
                }
                push @want, "$kind $name\@$d" if $r->status == 201;

                shift @why;
                push @wrong, map { "call $n, " . $shim->last . ": $_" } @why;
                last if !$hits || @wrong > 5;
            }

            my $how = "$kind of a blob: $action "
                . ($times ? 'once' : 'for good');
            is(join("\n", @wrong), '', "$how at each of " . ($n - 1)
                . ' calls');
            cmp_ok($count{refused}, '>', 0, "$how: some are refused");
            cmp_ok($n, '<=', LIMIT, "$how: there is an end");
            figure("$how, $_", $count{$_}) for sort keys %count;
        }
    }

    arrived($t, $hook, 'blobs', \@want);
    $t->finish(audit => { grace => 3600 });
}


# refused, and it is not there; done, and so is its event; or unheard, of which
# the client and the log are told. And what is wrong with it.

sub stored {
    my ($t, $r, $key, $count, $action) = @_;

    my ($name, $d) = $key =~ /\A\w+ (\w+)\@(.*)/;
    my $told = grep { $_ eq $key } spooled($t);
    my $there = $t->head("/v2/$name/blobs/$d")->status == 200;
    my $what = $r->status == 201 ? 'done' : $there ? 'unheard' : 'refused';
    my @wrong;

    $count->{$what}++;

    if ($what eq 'done') {
        push @wrong, 'it is not there' if !$there;
        push @wrong, 'no event' if !$told;
        return ($what, @wrong);
    }

    my $want = $what eq 'refused' && $action eq 'ENOSPC' ? 507 : 500;
    push @wrong, "not $want: " . $r->as_text if $r->status != $want;
    push @wrong, 'no JSON with a sentence: ' . $r->as_text
        if ($r->codes)[0] ne 'UNKNOWN' || $r->body !~ /"[^"]* event [^"]*"/;
    push @wrong, "refused, and told: " . $r->as_text
        if $what eq 'refused' && ($told || $r->body !~ /nothing was /);
    push @wrong, 'the log does not tell'
        if $t->log_text !~ m{\[crit\][^\n]*/events};

    return ($what, @wrong);
}


# --- full for longer --------------------------------------------------------

# Nothing is acknowledged while it lasts, pulls go on, and when it is over
# nobody has to do anything.

sub damaged_at_once {
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = server($hook, env => $shim->env, workers => 1)->run;
    my $image = $t->push_image('app', 'v1');
    my @want = map { "push app:$_" } 'v1';

    for my $errno (qw(ENOSPC EIO EROFS EMFILE)) {
        my ($pid) = $t->workers;

        $shim->arm(pid => $pid, dir => events_dir($t), action => $errno,
            calls => [qw(name write sync modify)], times => 0);
        my @status = map { tag_put($t, 'app', "$errno$_", $image)->status }
            1 .. 3;
        my @pull = map { $t->get($_)->status } '/v2/app/manifests/v1',
            '/v2/app/blobs/' . sha256($image->{layers}[0]);
        my $hits = $shim->disarm;

        cmp_ok($hits, '>', 0, "spool: $errno for a while: it was met");
        is("@status", '500 500 500', "spool: $errno for a while: pushes");
        is("@pull", '200 200', "spool: $errno for a while: pulls");

        my $r = tag_put($t, 'app', "$errno-over", $image);
        is_status($r, 201, "spool: $errno is over");
        push @want, "push app:$errno-over";
    }

    arrived($t, $hook, 'full for a while', \@want);
    $t->finish(audit => { grace => 3600 });
}


# --- a new endpoint of a long spool, on a slow disk -------------------------

# The spool is looked through for where it begins, while others are delivered
# to.

sub begins_slowly {
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(master => 1, workers => 1, env => $shim->env,
        ports => 1, http => 'registry_notify ci ' . $hook->url('/ci')
            . ' timeout=30s;',
        servers => 'server { listen 127.0.0.1:%%PORT1%%;'
            . ' registry_notify other ' . $hook->url('/other')
            . ' timeout=30s;'
            . ' location /v2/ { registry %%DIR%%/other; } }');

    mkdir "$t->{dir}/other";
    $t->run;

    my $port = $t->extra_port(1);
    my $image = $t->push_image('app', 'v1');
    $t->push_image('app', 'v1', http => { port => $port });
    wait_for(10, sub { $hook->events('/ci') >= 3
        && $hook->events('/other') >= 3 });
    $t->stop;

    # 16 MB that were for ci, and 64 reads of them

    my ($file) = glob events_dir($t) . '/*.log';
    my $seq = 3 + do {
        no warnings 'portable';
        hex(($file =~ m{/(\w{16})\.log})[0]);
    };
    my $body = 'ci ' . 'x' x 200;

    for (1 .. 4) {
        my $text = '';

        for (1 .. 15000) {
            my $head = sprintf 'E1 %016x %08x ', $seq++, length $body;
            $text .= $head . substr(sha256_hex($head . $body), 0, 32)
                . " $body\n";
        }

        put_file(sprintf('%s/%016x.log', events_dir($t), $seq - 15000), $text);
    }

    $t->{http} = 'registry_notify late ' . $hook->url('/late')
        . ' timeout=30s;';
    $shim->arm(dir => events_dir($t), calls => ['read'], action => 'delay',
        delay => 100_000, times => 0);
    $t->run;

    my $began = time;
    $t->push_manifest('app', 'v2', $image->{bytes}, $image->{type},
        port => $port)->status == 201 or fail('a push to the other');
    my $came = wait_for(30, sub {
        grep { key_of($_) eq 'push app:v2' } $hook->events('/other') });
    my $took = time - $began;

    ok($came, 'the other endpoint is told');
    cmp_ok($took, '<', 6, 'while the new one looks where it begins');
    figure('an event beside that: seconds', sprintf '%.1f', $took);
    ok(!-e events_dir($t) . '/endpoints/late', 'which it does not know yet');

    $shim->disarm;
    ok(wait_for(30, sub { -e events_dir($t) . '/endpoints/late' }),
        'and then does');
    tag_put($t, 'app', 'new', $image);
    $hook->wait_events('/late', 1);
    is(join(' ', map { key_of($_) } $hook->events('/late')), 'push app:new',
        'with what is new');
    $t->finish(roots => ["$t->{dir}/other"]);
}


# --- F57: the process that delivers, killed at each call of its note --------

sub notes {
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = server($hook, env => $shim->env)->run;
    my $image = stocked($t, 'app');
    my ($broken, $n, @want, @wrong) = (0);

    $t->allow_log(qr/cache manager process \d+ exited on signal 9/);
    $hook->wait_events('/ci', 2);

    for my $action (qw(kill ENOSPC EIO)) {
        for ($n = 1; $n <= LIMIT; $n++) {
            my $pid;
            wait_for(10, sub { $pid = manager_of($t) });
            my $tag = lc($action) . "note$n";

            $shim->arm(pid => $pid, dir => events_dir($t) . '/endpoints',
                calls => [qw(name write change sync remove modify)],
                action => $action, at => $n);
            push @want, "push app:$tag";
            tag_put($t, 'app', $tag, $image)->status == 201
                or push @wrong, "$tag is refused";
            wait_for(20, sub { !out_of_order(["push app:$tag"],
                $hook->events('/ci')) }) or push @wrong, "$tag never comes";

            # what it does after the delivery it does before the next one

            my $next = "then-$tag";
            push @want, "push app:$next";
            tag_put($t, 'app', $next, $image);
            wait_for(20, sub { !out_of_order(["push app:$next"],
                $hook->events('/ci')) }) or push @wrong, "$next never comes";

            my $hits = $shim->disarm;
            $broken += $hits ? 1 : 0;
            last if !$hits || @wrong > 5;
        }
        cmp_ok($n, '<=', LIMIT, "F57 there is an end of $action");
    }

    is("@wrong", '', "F57 the note of a delivery, broken at $broken calls");
    cmp_ok($broken, '>=', 2, 'F57 it was broken');
    my $twice = arrived($t, $hook, 'F57', \@want);
    cmp_ok($twice, '<=', 4 * $broken, 'F57 no more twice than was broken');
    $t->finish(audit => { grace => 3600 });
}


# --- a torn tail ------------------------------------------------------------

# What a crash leaves of the last record: cut off anywhere, zeros, garbage. It
# is never delivered, and what is pushed next goes behind what was whole.

sub torn {
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook)->run;
    my $image = stocked($t, 'app');
    my $round = 0;
    my (@want, @wrong);

    tag_put($t, 'app', 'first', $image);
    push @want, 'push app:first';

    my @how = (['cut by 1', sub { substr $_[0], 0, -1 }],
        ['cut in the middle', sub { substr $_[0], 0, length($_[0]) / 2 }],
        ['cut to 3', sub { substr $_[0], 0, 3 }],
        ['zeros', sub { "\0" x length $_[0] }],
        ['the end is zeros', sub {
            my $half = int(length($_[0]) / 2);
            substr($_[0], 0, $half) . "\0" x (length($_[0]) - $half) }],
        ['one bit', sub {
            my $s = $_[0];
            substr($s, length($s) / 2, 1) ^= "\x04";
            $s }],
        ['garbage', sub { join '', map { chr int rand 256 } 1 .. 3000 }],
        ['zeros behind', sub { $_[0] . "\0" x 4096 }]);

    for my $row (@how) {
        my ($name, $break) = @$row;
        my ($file) = reverse sort glob events_dir($t) . '/*.log';
        my $size = -s $file;

        tag_put($t, 'app', 'torn' . ++$round, $image);
        $t->stop;
        my $text = file_text($file);
        my $tail = substr $text, $size, length $text, '';
        cmp_ok(length $tail, '>', 100, "torn: $name: there is a tail")
            or next;
        put_file($file, $text . $break->($tail));

        my @seen = eval { spooled($t) };
        push @wrong, "$name: registryctl: $@" if $@;
        push @wrong, "$name: it is shown"
            if $name !~ /behind/ && grep { $_ eq "push app:torn$round" } @seen;

        $t->run;
        push @want, "push app:torn$round" if $name =~ /behind/;
        tag_put($t, 'app', "after$round", $image)->status == 201
            or push @wrong, "$name: refused";
        push @want, "push app:after$round";
        @seen = grep { !/\@/ } spooled($t);
        push @wrong, "$name: @seen" if "@seen" ne "@want";
    }

    is(join("\n", @wrong), '', 'a torn tail is cut off, and nothing else');
    $hook->run;
    arrived($t, $hook, 'torn', \@want);
    my @bad = grep { key_of($_) =~ /:torn/ && key_of($_) !~ /:torn8/ }
        $hook->events('/ci');
    is(scalar @bad, 0, 'nothing of it is delivered');
    $t->finish;
}


# --- the power --------------------------------------------------------------

sub power {
    my $disk = Test::Registry::Disk->new(fs => 'ext4');
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server($hook, root => $disk->root, workers => 2)->run;
    my %image = map { $_ => stocked($t, "c$_") } 1 .. 3;
    my $rounds = torture(12, 300);
    my ($count, @want, @wrong, %ids) = (0);

    for my $round (1 .. $rounds) {
        my $flag = $disk->dir . '/done';
        unlink $flag;
        my $cut = sub {
            sleep 0.1 + rand 0.3;
            $disk->cut;
            open my $fh, '>', $flag;
            return ();
        };
        my @pushers = map {
            my $n = $_;
            sub {
                my $c = $t->connect(timeout => 10);
                my @done;
                for my $i (1 .. 60) {
                    my $tag = "r$round-$i";
                    my $r = $c->put("/v2/c$n/manifests/$tag",
                        body => $image{$n}{bytes},
                        headers => [['Content-Type', $image{$n}{type}]]);
                    push @done, "push c$n:$tag" if $r->status == 201;
                    last if -e $flag || !$r->status;
                }
                return @done ? (\@done) : ();
            }
        } 1 .. 3;

        my (undef, @seen) = crew(60, $cut, @pushers);
        $disk->power_up($t);

        my @spool = tail_of($t->root);
        for my $list (map { @$_ } @seen) {
            $count += @$list;
            push @wrong, map { "cut $round: $_" }
                out_of_order($list, @spool);
            push @want, @$list;
        }

        # an id that was seen before the cut means the same after it

        for my $e (@spool) {
            my $key = key_of($e);
            push @wrong, "cut $round: $e->{id} was $ids{ $e->{id} }"
                if ($ids{ $e->{id} } //= $key) ne $key;
        }
        last if @wrong;
    }

    is(join("\n", @wrong), '', "power cut $rounds times: each acknowledged "
        . 'push has its event');
    cmp_ok($count, '>', $rounds, 'power: there were some');
    my %client;
    push @{ $client{ /(c\d)/ ? $1 : '' } }, $_ for @want;
    arrived($t, $hook, "power, client $_", $client{$_}) for sort keys %client;
    figure('power cuts with events', $rounds);
    figure('power: pushes acknowledged', $count);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# How far an endpoint is: what was synced is not delivered again. Any sync behind
# the first thirty is good for them.

sub noted {
    my $disk = Test::Registry::Disk->new(fs => 'ext4');
    my $hook = Test::Registry::Receiver->new->run;
    my $shim = Test::Registry::Shim->new;
    my $t = server($hook, root => $disk->root, env => $shim->env)->run;
    my $image = stocked($t, 'app');
    my @want;

    my $push = sub {
        my @tags = map { "$_[0]-$_" } 1 .. $_[1];
        tag_put($t, 'app', $_, $image)->status == 201
            or fail("noted: $_") for @tags;
        my @keys = map { "push app:$_" } @tags;
        push @want, @keys;
        wait_for(30, sub { !out_of_order(\@keys, $hook->taken('/ci')) })
            or fail("noted: $_[0] is not delivered");
    };

    $push->('first', 30);
    my $all = $hook->taken('/ci');
    my $saved;
    wait_for(20, sub {
        $saved = { status_of($t->root) }->{ci}{delivered} // 0;
        return $saved >= $all;
    });
    cmp_ok($saved, '>=', $all, 'a note is written');

    $shim->arm(pid => manager_of($t), dir => events_dir($t) . '/endpoints',
        calls => ['sync'], action => 'count');
    $push->('second', 1);
    wait_for(30, sub { $shim->seen });
    cmp_ok($shim->seen, '>=', 1, 'a note is synced, without another delivery');
    $push->('third', 5);
    $disk->cut;
    $shim->disarm;
    $disk->power_up($t);

    $push->('last', 1);
    my $twice = arrived($t, $hook, 'noted', \@want);
    cmp_ok($twice, '<=', 6, 'and a power cut brings no more than came since');
    figure('noted: duplicates after a power cut', $twice);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# That test finds what is lost: on a disk that syncs nothing it would fail.
# And a spool that lost its end without an error is not in anybody's way.

sub unsynced {
    my $disk = Test::Registry::Disk->new(fs => 'ext4');
    my $cutter = Test::Registry::Cutter->new($disk);
    my $hook = Test::Registry::Receiver->new;
    my $t = server($hook, root => $disk->root);

    $cutter->start($t);
    my $image = stocked($t, 'app');
    tag_put($t, 'app', 'safe', $image);
    run_command(30, 'sync', '-f', $disk->at);

    $cutter->unsynced(1);
    is(tag_put($t, 'app', "lie$_", $image)->status, 201,
        'a disk that lies: a push') for 1 .. 5;
    $disk->cut;
    $cutter->unsynced(0);
    $disk->power_up($t);

    my @seen = grep { !/\@/ } spooled($t);
    cmp_ok(scalar(grep { /:lie/ } @seen), '<', 5,
        'a disk that lies: and that is found out');
    ok(scalar(grep { /:safe/ } @seen), 'a disk that lies: but no more');

    is(tag_put($t, 'app', 'later', $image)->status, 201,
        'a disk that lied: pushes go on');
    $hook->run;
    arrived($t, $hook, 'a disk that lied', ['push app:later']);
    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# --- two nginx on one root --------------------------------------------------

sub two_masters {
    my $hook = Test::Registry::Receiver->new->run;
    my $one = server($hook, workers => 2)->run;
    my $two = server($hook, workers => 2, root => $one->root)->run;
    my %image = map { $_ => stocked($one, "c$_") } 1 .. 4;

    $hook->answers('/ci', { delay => 0.02 });
    my @seen = crew(60, map {
        my $n = $_;
        sub {
            my @c = map { $_->connect(timeout => 30) } $one, $two;
            my @done;
            for my $i (1 .. torture(30, 1000)) {
                my $r = $c[$i % 2]->put("/v2/c$n/manifests/v$i",
                    body => $image{$n}{bytes},
                    headers => [['Content-Type', $image{$n}{type}]]);
                push @done, "push c$n:v$i" if $r->status == 201;
            }
            return \@done;
        }
    } 1 .. 4);

    is(join(' ', map { scalar @{ $_->[0] || [] } } @seen),
        join(' ', (torture(30, 1000)) x 4), 'F34 two masters: all are taken');
    arrived($one, $hook, 'F34 two masters', $_->[0]) for @seen;
    is(duplicates($hook->events('/ci')), 0, 'F34 two masters: none twice');

    is(join(' ', $hook->overlapping('/ci')), '',
        'F34 two masters: one of them delivers at a time');

    # whichever it is: when it dies the other one takes over

    for my $dies ($one, $two) {
        $hook->forget;
        my $stays = $dies == $one ? $two : $one;
        $dies->kill_all;
        my @want = map {
            tag_put($stays, 'c1', "alone$_", $image{1});
            "push c1:alone$_"
        } 1 .. 5;
        arrived($stays, $hook, 'F34 the other one died', \@want);
        $dies->run;
    }

    $two->finish(audit => 0);
    $one->finish(audit => { grace => 3600 });
}


# --- the kill loop ----------------------------------------------------------

# Three clients push, each one thing after the other, until it is acknowledged,
# and go on until there was each kind of kill; meanwhile workers, the process
# that delivers, the master, or all of them die, and the endpoint comes and goes.

sub kill_loop {
    my $pushes = torture(60, 1002);
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server($hook, workers => 2, how => 'batch=7 timeout=5s')->run;
    my %image = map { $_ => stocked($t, "c$_") } 1 .. 3;
    my $dir = File::Temp->newdir('registry-loop-XXXXXXXX', TMPDIR => 1);
    my %kills = map { $_ => 0 } qw(worker manager master all);
    my %flaps = map { $_ => 0 } qw(down stall refuse reset);

    $t->allow_log(qr/process \d+ exited on signal 9/);
    $t->allow_log(qr/shared memory zone "[^"]+" was locked by/);

    my @pids = map { client($t, $dir, $_, $image{$_}, $pushes / 3) } 1 .. 3;
    my $deadline = time + torture(100, 3600);
    my $forced = 0;

    while (time < $deadline && grep { alive($_) } @pids) {
        sleep 0.05 + rand 0.3;
        murder($t, \%kills);
        flap($hook, \%flaps) if rand() < 0.4;
        close enough($dir) if !grep { !$_ } values %kills;
    }

    close enough($dir);

    for (@pids) {
        next if defined reap($_, 30);
        kill 'KILL', $_;
        reap($_, 5);
        $forced++;
    }
    is($forced, 0, 'kill loop: every client is done');

    $hook->down if $hook->{pid};
    $hook->answers('/ci');
    $hook->run;
    $t->run if !$t->pid;
    $t->_expect_workers;

    my $acknowledged = 0;
    for my $n (1 .. 3) {
        my @want = split /\n/, file_text("$dir/$n") // '';
        $acknowledged += @want;
        arrived($t, $hook, "kill loop, client $n", \@want, 60);
    }

    cmp_ok($acknowledged, '>=', $pushes,
        'kill loop: all were acknowledged in the end');
    my @events = $hook->taken('/ci');
    figure('kill loop: pushes acknowledged', $acknowledged);
    figure("kill loop: kills of $_", $kills{$_}) for sort keys %kills;
    figure("kill loop: endpoint, $_", $flaps{$_}) for sort keys %flaps;
    figure('kill loop: events delivered', scalar @events);
    figure('kill loop: of them duplicates', duplicates(@events));
    cmp_ok($kills{$_}, '>', 0, "kill loop: killed: $_") for sort keys %kills;

    $t->finish(audit => { grace => 3600, unfinished => 1 });
}


# The file that tells the clients that there were kills enough.

sub enough {
    my ($dir) = @_;

    open my $fh, '>', "$dir/enough" or die "$dir/enough: $!\n";
    return $fh;
}


# A client of its own process: what was acknowledged goes to a file.

sub client {
    my ($t, $dir, $n, $image, $count) = @_;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    srand;
    open my $done, '>', "$dir/$n" or POSIX::_exit(1);
    $done->autoflush(1);

    for (my $i = 1; $i <= $count || !-e "$dir/enough"; $i++) {
        for (1 .. 2000) {
            my $r = eval { tag_put($t, "c$n", "v$i", $image, timeout => 15) };
            last if $r && $r->status == 201 && print {$done} "push c$n:v$i\n";
            sleep 0.05;
        }
        sleep rand 0.1;
    }

    POSIX::_exit(0);
}


# Any of the kinds that were not met yet; when all were, mostly the cheap ones.

sub murder {
    my ($t, $kills) = @_;

    my @due = grep { !$kills->{$_} } sort keys %$kills;
    @due = ((qw(worker) x 3), (qw(manager) x 3), qw(master all)) if !@due;
    my $kind = $due[rand @due];

    if ($kind eq 'worker') {
        my @w = $t->workers or return;
        kill 'KILL', $w[rand @w];
        $kills->{worker}++;

    } elsif ($kind eq 'manager') {
        my $pid = manager_of($t) or return;
        kill 'KILL', $pid;
        $kills->{manager}++;

    } elsif ($kind eq 'master') {

        # the children serve on without it, until somebody ends them

        my @all = children($t->pid);
        kill 'KILL', $t->pid;
        reap($t->pid, 5);
        sleep rand 0.3;
        kill 'KILL', @all;
        wait_for(5, sub { !grep { alive($_) } @all });
        $t->{pid} = 0;
        $kills->{master}++;
        $t->run;

    } else {
        $t->kill_all;
        $kills->{all}++;
        sleep rand 0.2;
        $t->run;
    }

    wait_for(10, sub { $t->workers == 2 && manager_of($t) });
    $t->_expect_workers;
}


sub flap {
    my ($hook, $flaps) = @_;

    my $chance = rand;

    if ($chance < 0.3) {
        $hook->{pid} ? $hook->down : $hook->run;
        $flaps->{down}++;
        return;
    }

    $hook->run if !$hook->{pid};

    if ($chance < 0.45) {
        $hook->answers('/ci', { how => 'stall', times => 1 }, { });
        $flaps->{stall}++;

    } elsif ($chance < 0.7) {
        $hook->answers('/ci', { status => 503, times => 2 }, { });
        $flaps->{refuse}++;

    } elsif ($chance < 0.85) {
        $hook->answers('/ci', { how => 'reset', times => 2 }, { });
        $flaps->{reset}++;

    } else {
        $hook->answers('/ci', { delay => 0.1 });
    }
}

#!/usr/bin/perl

# Open upload sessions: how many one user may have, and how many there may be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Held;
use Test::Registry::Notify qw(metric_of);
use Test::Registry::Torture;


my $uploads = '/v2/app/blobs/uploads/';

settings();

# Whom the header names, nobody else: the password is another test's.

my $t = Test::Registry->new(
    workers => 2, ports => 2,
    location => 'registry_user $http_x_user; registry_allow * * **;
        registry_upload_sessions 6 per_user=3; registry_blob_max_size 1m;
        registry_delete on;',
    servers => <<'EOF'
server {
    listen 127.0.0.1:%%PORT1%%;
    registry_upload_sessions 6 per_user=3 idle=3s;
    location /v2/ {
        registry %%ROOT%%;
        registry_user $http_x_user;
        registry_allow * * **;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_user $http_x_user;
        registry_allow * * **;
        registry_upload_sessions off;
    }
}
EOF
)->run;

per_user();
in_all();
addresses();
places();
mounts();
at_once();
gone();
reloads();
restarts();
kills();
idle();
used_elsewhere();
switched_off();

$t->finish;

order();
two_stores();
never_made();
killed_while_made();
flood();
small_zone();
gives_back();

done_testing();


sub settings {
    my %bad = (
        '0' => qr/1 to 1000000, or "off"/, 'x' => qr/"off"/, '-1' => qr/"off"/,
        '1000001' => qr/1 to 1000000/, '' => qr/number of arguments/,
        '5 per_user=0' => qr/"per_user=" from 1/,
        '5 per_user=6' => qr/"per_user=" from 1/,
        '5 per_user=x' => qr/"per_user=" from 1/,
        '5 idle=x' => qr/"idle=1h"/, '5 idle=0' => qr/"idle=1h"/,
        '5 more=1' => qr/nothing else/, 'off per_user=1' => qr/"off"/,
        '5; registry_upload_sessions 6' => qr/is duplicate/,
    );

    for my $value (sort keys %bad) {
        my $line = "registry_upload_sessions $value;";
        my ($rc, $text) = Test::Registry->new(location => $line)->check;
        ok($rc > 0 && $text =~ /\[emerg\] .*$bad{$value}.*nginx\.conf:\d/,
            "refused: $line") or diag $text;
    }

    for my $value ('1', '5', 'off', '5 per_user=5', '5 idle=1m per_user=1') {
        my ($rc, $text) = Test::Registry->new(
            http => "registry_upload_sessions $value;")->check;
        is($rc, 0, "accepted: registry_upload_sessions $value") or diag $text;
    }
}


# A POST by somebody; options as in request().

sub begin {
    my ($user, %o) = @_;

    my $uri = delete $o{uri} || $uploads;
    return $t->post($uri, body => '', headers => { 'X-User' => $user }, %o);
}


sub opened {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 202, $name);
    return path_of($r->header('Location') // '/none');
}


sub is_refused {
    my ($r, $limit, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 429, 'TOOMANYREQUESTS', "A113 $name");
    is_header($r, 'Retry-After', '10', 'A113 and when to try again');
    my $j = $r->json;
    is(ref $j ? $j->{errors}[0]{detail} : '', $limit, 'A113 and which limit');
}


my ($one, $all);
BEGIN { ($one, $all) = ('one user may have 3', 'there may be 6') }


sub cancel {
    my ($user, @l) = @_;

    for my $l (@l) {
        my $r = $t->delete($l, headers => { 'X-User' => $user });
        is($r->status, 204, 'cancelled') or diag $r->as_text;
    }
}


sub per_user {
    my @l = map { opened(begin('alice'), "A113 session $_ of 3") } 1 .. 3;

    is_refused(begin('alice'), $one, 'a fourth session of one user');
    is_refused(begin('alice', uri => '/v2/other/blobs/uploads/'), $one,
        'in another repository, too');
    is_refused(begin('alice', uri => with_query($uploads, digest =>
        sha256('x')), body => 'x'), $one, 'a single POST is one, too');

    my @b = map { opened(begin('bob'), 'A113 others are not concerned') }
        1 .. 3;

    is_status($t->patch($_, body => 'abc', headers => { 'X-User' => 'alice' }),
        202, 'what is open goes on') for @l;

    cancel('alice', @l);
    cancel('bob', @b);
}


sub in_all {
    my %l = map { my $u = $_; $u => [map { opened(begin($u), "of $u") }
        1 .. 2] } qw(a b c);

    is_refused(begin('d'), $all, 'a seventh session in all');
    is_refused(begin('a'), $all, 'for who has fewer than three, too');

    cancel('b', pop @{ $l{b} });
    push @{ $l{d} }, opened(begin('d'), 'A113 a place that is free again');
    is_refused(begin('b'), $all, 'nobody has a place of his own');

    cancel($_, @{ $l{$_} }) for sort keys %l;
}


# Who has not logged in is an address.

sub addresses {
    my @l = map { opened(begin('', from => '127.0.0.2'), "address: $_") }
        1 .. 3;

    is_refused(begin('', from => '127.0.0.2'), $one, 'a fourth of an address');
    push @l, opened(begin('', from => '127.0.0.3'), 'another address');
    push @l, opened(begin('alice', from => '127.0.0.2'), 'a user from there');

    cancel('alice', pop @l);
    cancel('', @l);
}


# Each way in which a session ends gives its place back.

sub places {
    my @h = (headers => { 'X-User' => 'alice' });
    my $big = blob(1 << 20, 'places') . 'x';

    my %ways = (
        'finished' => sub { $t->put(with_query($_[0], digest => sha256('abc')),
            body => 'abc', @h) },
        'finished without a body' => sub {
            $t->put(with_query($_[0], digest => sha256('')), body => '', @h) },
        'finished with another digest' => sub { $t->put(with_query($_[0],
            digest => sha256('abd')), body => 'abc', @h) },
        'cancelled' => sub { $t->delete($_[0], @h) },
        'too large' => sub { $t->patch($_[0], body => $big, @h) },
        'too large in chunks' => sub { $t->patch($_[0],
            chunks => [unpack '(a65536)*', $big], @h) },
    );

    my @l = map { opened(begin('alice'), 'a session') } 1 .. 2;

    for my $way (sort keys %ways) {
        for my $try (1 .. 2) {
            my $l = opened(begin('alice'), 'the third');
            $ways{$way}->($l);
        }
        push @l, opened(begin('alice'), "A113 $way: its place is free");
        is_refused(begin('alice'), $one, "and no more than that");
        cancel('alice', pop @l);
    }

    # A single POST holds a place while it lasts.

    my %posts = (
        'whole' => sub { is_status($t->post(with_query($uploads,
            digest => sha256('abc')), body => 'abc', @h), 201, 'one POST') },
        'with another digest' => sub { $t->post(with_query($uploads,
            digest => sha256('abd')), body => 'abc', @h) },
        'too large' => sub { $t->post(with_query($uploads,
            digest => sha256($big)), chunks => [unpack '(a65536)*', $big],
            @h) },
        'cut' => sub {
            my $c = $t->connect;
            $c->start('POST', with_query($uploads, digest => sha256('abc')),
                length => 3, @h);
            $c->send('ab');
            ok(wait_for(5, sub { sessions('app') == 3 }), 'it has begun');
            $c->close;
            ok(wait_for(10, sub { sessions('app') == 2 }), 'it has ended');
        },
    );

    for my $way (sort keys %posts) {
        $posts{$way}->() for 1 .. 3;
        my $l = opened(begin('alice'), "A113 a POST $way: its place is free");
        cancel('alice', $l);
    }

    my $c = $t->connect;
    $c->start('POST', with_query($uploads, digest => sha256('abc')),
        length => 3, @h);
    $c->send('ab');
    ok(wait_for(5, sub { sessions('app') == 3 }), 'a POST that has not ended');
    is_refused(begin('alice'), $one, 'a POST in progress counts');
    $c->send('c');
    is($c->reply->status, 201, 'it ends well');

    cancel('alice', @l);
}


# A directory without its file is no session yet, or none any more.

sub sessions {
    return scalar(my @all = glob $t->repo_dir($_[0]) . "/_uploads/*/data");
}


sub mounts {
    my $d = sha256('mounted');
    is_status($t->post(with_query($uploads, digest => $d), body => 'mounted'),
        201, 'something to mount');

    my @l = map { opened(begin('alice'), 'a session') } 1 .. 3;
    my $uri = '/v2/to/blobs/uploads/';

    is_status(begin('alice', uri => with_query(with_query($uri,
        mount => $d), from => 'app')), 201, 'A113 a mount is no session');
    is_refused(begin('alice', uri => with_query(with_query($uri,
        mount => sha256('none')), from => 'app')), $one,
        'a mount that cannot be done is one');

    cancel('alice', @l);
}


# Two workers, many at once: never more than the limit.

sub at_once {
    for my $round (1 .. 20) {
        my @c = map { $t->connect } 1 .. 40;

        $_->start('POST', $uploads, body => '',
            headers => { 'X-User' => 'alice' }) for @c;
        my @r = map { $_->reply } @c;

        my @good = grep { $_->status == 202 } @r;
        my @busy = grep { $_->status == 429 } @r;
        is(scalar @good, 3, "A113 three of forty at once, round $round");
        is(scalar @busy, 37, 'A113 all others are refused');
        cancel('alice', map { path_of($_->header('Location')) } @good);
    }
}


# Removed by somebody else: the purge, another nginx, a hand.

sub gone {
    my @l = map { opened(begin('alice'), 'a session') } 1 .. 3;

    is_refused(begin('alice'), $one, 'at the limit');
    remove_tree(glob $t->repo_dir('app') . '/_uploads/*');
    @l = map { opened(begin('alice'), 'A113 what is gone does not count') }
        1 .. 3;
    is_refused(begin('alice'), $one, 'at the limit again');

    is_status($t->delete('/v2/app/_nginx/repository/content',
        headers => { 'X-User' => 'alice' }), 202, 'the repository is deleted');
    @l = map { opened(begin('alice'), 'A113 nor does what went with it') }
        1 .. 3;
    cancel('alice', @l);
}


sub reloads {
    my @l = map { opened(begin('alice'), 'a session') } 1 .. 3;

    $t->reload;
    is_refused(begin('alice'), $one, 'after a reload');
    cancel('alice', pop @l);
    push @l, opened(begin('alice'), 'A113 one place after a reload');
    is_refused(begin('alice'), $one, 'and no more');
    cancel('alice', @l);
}


# What is in use is counted anew.

sub restarts {
    my @h = (headers => { 'X-User' => 'alice' });
    my @l = map { opened(begin('alice'), 'a session') } 1 .. 3;

    $t->restart;
    is_status($t->patch($_, body => 'abc', @h), 202, 'used after a restart')
        for @l;
    is_refused(begin('alice'), $one, 'after a restart');
    is_status($t->put(with_query(shift @l, digest => sha256('abc')),
        body => '', @h), 201, 'one ends');
    push @l, opened(begin('alice'), 'A113 one place');
    is_refused(begin('alice'), $one, 'and no more');
    cancel('alice', @l);
}


# A killed worker leaves sessions, and nothing else that counts.

sub kills {
    my @h = (headers => { 'X-User' => 'alice' });

    for my $round (1 .. 4) {
        my @c = map { $t->connect } 1 .. 3;
        for my $c (@c) {
            $c->start('POST', with_query($uploads, digest => sha256('abc')),
                length => 3, @h);
            $c->send('ab');
        }
        ok(wait_for(5, sub { sessions('app') == 3 }), 'three have begun');
        $t->kill_worker($_) for $t->workers;
        $_->close for @c;
        is(sessions('app'), 3, 'three sessions of a killed worker');
        is_refused(begin('alice'), $one, 'they are there and count');
        remove_tree(glob $t->repo_dir('app') . '/_uploads/*');
    }

    my @l = map { opened(begin('alice'), 'A113 nothing counts after a kill') }
        1 .. 3;
    cancel('alice', @l);
}


# At the limit what was idle for long gives way; what is written to does not.
# Whole seconds are counted, so that only what took less than two was surely
# not idle for three: where the machine stood still, all of it once more.

sub idle {
    my %r;

    is_quick(1.9, 'no step took as long as what is idle', sub {
        remove_tree(glob $t->repo_dir('app') . '/_uploads/*');
        %r = idle_scene();
        return $r{took};
    });

    is_status($_, 202, 'a session') for @{ $r{three} };
    is_refused($r{fourth}, $one, 'none of them is idle yet');
    is_refused($r{elsewhere}, $one, 'nor is it for who waits an hour');
    is_status($r{used}, 202, 'the first is used');
    is_status($r{again}, 202, 'and used again');
    is_status($r{new}, 202, 'A113 the idle one gives way');
    is_error($r{gone}, 404, 'BLOB_UPLOAD_UNKNOWN', 'it is gone');
    is_refused($r{others}, $one, 'the others stay');
    is_header($r{first}, 'Range', '0-5', 'the one that was used');
    is_status($r{busy}, 202, 'the one that is busy');
    is_status($r{whole}, 201, 'whole');

    cancel('alice', map { path_of($_->header('Location') // '/none') }
        $r{three}[0], $r{new});
}


sub idle_scene {
    my @h = (headers => { 'X-User' => 'alice' }, port => $t->extra_port(1));
    my ($at, $took, $c, @l, %r);

    $at = time;
    $r{three} = [map { begin('alice', @h) } 1 .. 3];
    $r{fourth} = begin('alice', @h);
    $took = time - $at;

    sleep 4.1;
    $r{elsewhere} = begin('alice');

    @l = map { path_of($_->header('Location') // '/none') } @{ $r{three} };
    $r{used} = $t->patch($l[0], body => 'abc', @h);

    $c = $t->connect(port => $t->extra_port(1));
    $c->start('PATCH', $l[1], length => 6, @h);
    $c->send('abc');

    sleep 4.1;
    $at = time;
    $r{again} = $t->patch($l[0], body => 'def', @h);
    $r{new} = begin('alice', @h);
    $r{gone} = $t->get($l[2], @h);
    $r{others} = begin('alice', @h);
    $took = time - $at if time - $at > $took;

    $r{first} = $t->get($l[0], @h);
    $c->send('def');
    $r{busy} = $c->reply(method => 'PATCH');
    $r{whole} = $t->put(with_query($l[1], digest => sha256('abcdef')),
        body => '', @h);

    return (%r, took => $took);
}


# What is written to where nobody counts, by another nginx for example, is not
# idle.

sub used_elsewhere {
    my %r;

    is_quick(1.9, 'no use was as long ago as what is idle', sub {
        remove_tree(glob $t->repo_dir('app') . '/_uploads/*');
        %r = elsewhere_scene();
        return $r{took};
    });

    is_status($_, 202, 'a session') for @{ $r{three} };
    is_status($_, 202, 'used elsewhere') for @{ $r{used} };
    is_status($r{new}, 202, 'A113 the idle one gives way');
    is(join(' ', map { $_->status } @{ $r{left} }), '204 404 204',
        'A113 and none that is used elsewhere');

    cancel('erin', map { path_of($_->header('Location') // '/none') }
        @{ $r{three} }[0, 2], $r{new});
}


sub elsewhere_scene {
    my @h = (headers => { 'X-User' => 'erin' });
    my @counted = (@h, port => $t->extra_port(1));
    my @not = (@h, port => $t->extra_port(2));
    my ($at, @l, %r);

    $r{three} = [map { begin('erin', @counted) } 1 .. 3];
    @l = map { path_of($_->header('Location') // '/none') } @{ $r{three} };

    sleep 4.1;
    $at = time;
    $r{used} = [map { $t->patch($_, body => 'abc', @not) } @l[0, 2]];
    $r{new} = begin('erin', @counted);
    $r{took} = time - $at;

    $r{left} = [map { $t->get($_, @not) } @l];

    return %r;
}


# Who is refused leaves those that are idle where the next one finds them.

sub order {
    my $own = Test::Registry->new(location => 'registry_delete on;'
        . ' registry_upload_sessions 40 per_user=40 idle=10s;')->run;
    my $begin = sub { $own->post($uploads, body => '') };

    my $from = time;
    my $made = grep { $begin->()->status == 202 } 1 .. 16;
    my $old = time;
    sleep 4;
    $made += grep { $begin->()->status == 202 } 1 .. 24;
    is($made, 40, '16 sessions, and later 24');

    is_status($begin->(), 429, 'one more is refused')
        if time - $from < 9;
    sleep($old + 11 - time) if time < $old + 11;
    is_status($begin->(), 202,
        'A113 one of the old gives way, whoever was refused before');
    $own->finish;
}


sub switched_off {
    my @l = map { opened(begin('alice', port => $t->extra_port(2)), 'off') }
        1 .. 8;

    cancel('alice', @l);
}


# A session for which no thread had time is not there, and does not count.

sub never_made {
    my $t = one_thread(1);
    my @blobs = map { $t->push_blob('app', "blob $_") } 1, 2;

    $t->allow_log(qr/thread pool "tiny" queue overflow/);

    my $lock = hold_store($t);
    my @busy = busy_threads($t, @blobs);

    is_error($t->post($uploads, body => ''), 503, 'TOOMANYREQUESTS',
        'A113 no thread for a session') for 1 .. 3;
    is_error($t->post(with_query($uploads, digest => sha256('x')),
        body => 'x'), 503, 'TOOMANYREQUESTS', 'A113 nor for a single POST');
    close $lock;

    is($_->reply->status, 202, 'a thread was at work') for @busy;
    is(open_in($t), 0, 'A113 a session that was not made is not counted');
    is_status($t->post($uploads, body => ''), 202, 'A113 nor at the limit')
        for 1 .. 3;

    $t->finish;
}


# Nor does one that a worker was about to make when it was killed.

sub killed_while_made {
    my $t = one_thread(8);
    my @blobs = $t->push_blob('app', 'blob');
    my $lock = hold_store($t);
    my @busy = busy_threads($t, @blobs);
    my @c = map { $t->connect } 1 .. 3;

    $_->start('POST', $uploads, body => '') for @c;

    ok(wait_for(5, sub { open_in($t) == 3 }), 'three wait for a thread');
    $t->kill_worker;
    close $lock;

    is(open_in($t), 3, 'they are counted');
    is_status($t->post($uploads, body => ''), 202,
        'A113 who was killed makes no session any more') for 1 .. 3;
    is_status($t->post($uploads, body => ''), 429, 'these three are there');

    $t->finish;
}


# A registry with one thread, for which that many may wait.

sub one_thread {
    return Test::Registry->new(workers => 1,
        main => "thread_pool tiny threads=1 max_queue=$_[0];",
        server => 'location = /metrics { registry_metrics; }',
        location => 'registry_thread_pool tiny; registry_delete on;
            registry_upload_sessions 6 per_user=3;')->run;
}


# Each store has sessions of its own, under limits that may be inherited.

sub two_stores {
    my $t = Test::Registry->new(workers => 1, ports => 1,
        http => 'registry_upload_sessions 3 per_user=2;
            registry_user $http_x_user; registry_allow * * **;',
        servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%DIR%%/second;
    }
}
EOF
    my @ports = ($t->port, $t->extra_port(1));
    my @full;

    for my $port (@ports) {
        my $at = $port == $ports[0] ? 'the first' : 'the second';
        my $ask = sub { $t->post($uploads, body => '', port => $port,
            headers => { 'X-User' => $_[0] }) };

        is_status($ask->('alice'), 202, "A113 alice in $at store") for 1 .. 2;
        is_refused($ask->('alice'), 'one user may have 2', "a third in $at");
        is_status($ask->('bob'), 202, "A113 bob in $at store");
        is_refused($ask->('carol'), 'there may be 3', "a fourth in $at");
        push @full, $ask;
    }

    for my $ask (@full) {
        is_refused($ask->('alice'), 'one user may have 2', 'of alice, as before');
        is_refused($ask->('carol'), 'there may be 3', 'in all, as before');
    }

    $t->finish;
}


sub open_in {
    return metric_of($_[0], 'registry_uploads_open');
}


# What was counted and has ended takes nothing of the zone's part for sessions.

sub gives_back {
    my $t = Test::Registry->new(workers => 1, http => 'registry_zone_size 64k;',
        location => 'registry_upload_sessions 3;')->run;
    my $c = $t->connect;
    my %got;

    $got{ $c->post(with_query($uploads, digest => sha256('abc')),
        body => 'abc')->status }++ for 1 .. 300;
    is_deeply(\%got, { 201 => 300 }, 'A113 300 sessions, one by one');

    is_status($c->post($uploads, body => ''), 202, 'and three') for 1 .. 3;
    is_refused($c->post($uploads, body => ''), 'one user may have 3',
        'they count still');
    $t->finish;
}


# A113: many sessions by one user, and what it costs to refuse them.

sub flood {
    my $n = sanitized() ? 1000 : torture(5000, 100_000);

    # a sanitizer keeps what is freed for a while
    my $slack = (sanitized() ? 300 : 64) << 20;

    my $t = Test::Registry->new(workers => 1,
        http => 'keepalive_requests 10000000;',
        location => 'registry_upload_sessions 1000 per_user=100;')->run;
    my ($pid) = $t->workers;
    my $c = $t->connect;
    my $other = $t->connect(from => '127.0.0.2');

    $other->get('/v2/');
    $c->post($uploads, body => '') for 1 .. 100;

    my ($before, $slow, %got) = (rss_of($pid), 0);
    my $begin = time;

    for my $i (1 .. $n) {
        $got{ $c->post($uploads, body => '')->status }++;

        if ($i % 100 == 0) {
            my $at = time;
            is_status($other->post($uploads, body => ''), 202,
                "A113 others are served, $i") if $i % 1000 == 0;
            $other->get('/v2/');
            $slow = time - $at if time - $at > $slow;
        }
    }

    my $took = time - $begin;
    figure('sessions refused a second', int($n / ($took || 1)));

    is_deeply(\%got, { 429 => $n }, "A113 $n sessions more by one user");
    cmp_ok($took / $n, '<', 1, 'R6 each is refused within a second');
    cmp_ok(rss_of($pid) - $before, '<', $slack, 'R6 memory is flat');

    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    cmp_ok(scalar @left, '<=', 100 + $n / 1000,
        'A113 there are no more sessions than the limit says');

    $t->finish;
}


# A zone without room: uploads go on, and the log says what is wrong.

sub small_zone {
    my $t = Test::Registry->new(workers => 2, http => 'registry_zone_size 64k;',
        location => 'registry_upload_sessions 1000;')->run;

    my %got;
    my $c = $t->connect;
    my @l;

    for (1 .. 300) {
        my $r = $c->post($uploads, body => '');
        $got{ $r->status }++;
        push @l, path_of($r->header('Location') // '');
    }

    is_deeply(\%got, { 202 => 300 }, 'uploads go on where the zone is full');
    my $said = () = $t->log_text =~ /raise "registry_zone_size"/g;
    is($said, 1, 'the log tells once');

    $t->push_image('app', 'v1');
    is_status($t->get('/v2/app/manifests/v1'), 200, 'manifests are served');
    is($c->put(with_query($_, digest => sha256('abc')), body => 'abc')->status,
        201, 'each can be finished') for @l[0, 1, 150, 299];

    $t->finish;
}

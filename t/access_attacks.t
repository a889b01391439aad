#!/usr/bin/perl

# What attackers have tried on those who guard the door, each under a name of
# its own: guessing, crowding, slipping through another door, outstaying.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::HTTP2;
use Test::Registry::Token;


oracle();
enumeration();
counters();

full();
abandoned();
hang();
shutdown_while_hashing();

user_variable();
rewrite();
preflight();
spellings();
except();

owner_gone();
changed_while_hashing();
directory();
other_kinds_of_file();
emptied();

other_doors();
nobody_elsewhere();
neighbours();
session_of_another();

done_testing();


sub server {
    my (%o) = @_;

    my $more = delete $o{more} || '';
    return Test::Registry->new(
        write => {
            users => htpasswd(alice => 'one', bob => 'two',
                %{ delete $o{users} || {} }),
            %{ delete $o{files} || {} }
        },
        location => "registry_htpasswd \"R\" %%DIR%%/users; $more",
        %o)->run;
}


sub status {
    my ($t, $user, $password, %where) = @_;

    return $t->as($user, $password, %where)->get('/v2/')->status;
}


sub begin_upload {
    my ($who, $repo) = @_;

    return $who->post("/v2/$repo/blobs/uploads/", body => '');
}


# An access token, made before the server starts.

sub new_token {
    my ($t, $name, @args) = @_;

    my $r = ctl(qw(token create), $t->dir . '/tokens', $name, @args);
    is_exit($r, 0, "an access token $name");
    chomp $r->{out};
    return $r->{out};
}


sub refreshed {
    my ($t, $token) = @_;

    return ask_form($t, grant_type => 'refresh_token',
        refresh_token => $token);
}


# 429 for a wrong guess and 200 for the right one, from the cache and without
# a hash, was faster than having no limit. 300 guesses over one connection,
# each under way before the one before it is answered; alice is known.

sub oracle {
    my $t = server(h2c => 1, more => 'registry_login_limit 3 per=60s;');
    my @home = (from => '127.0.0.9');

    is(status($t, 'alice', 'one', @home), 200, 'A78 oracle: alice is known');

    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my (%status, @right);

    for my $round (1 .. 3) {
        my @asked = map {
            my $password = $_ == 50 ? 'one' : "guess $round $_";
            [$password, $h->open_stream('GET', '/v2/', headers =>
                [['authorization', basic('alice', $password)]])]
        } 1 .. 100;
        for (@asked) {
            my $status = $h->reply($_->[1])->status;
            $status{$status}++;
            push @right, $status if $round > 1 && $_->[0] eq 'one';
        }
    }
    $h->close;

    is(join(' ', @right), '429 429',
        'A78 oracle: beyond the limit the right one is told apart no more');
    is($status{401} + $status{429} + ($status{200} || 0), 300,
        'A78 oracle: each is answered');
    cmp_ok($status{401}, '<=', 4, 'A78 oracle: and few are told no');
    is(status($t, 'alice', 'one', @home), 200,
        'A78 oracle: alice is let in where she was before');
    $t->finish;
}


# Only passwords of users who are there were hashed by one worker for all, and
# the others looked every 20 ms: so eight connections with the same wrong one
# took that long for who is there, and none of it for who is not.

sub enumeration {
    my $t = server(workers => 2, more => 'registry_login_limit off;');
    my @c = map { $t->connect(timeout => 60) } 1 .. 8;
    my %slow = (alice => 0, nobody => 0);

    for my $round (1 .. 60) {
        for my $user (sort keys %slow) {
            my $begin = time;
            $_->start('GET', '/v2/', headers => [['Authorization',
                basic($user, "w$round")]]) for @c;
            my @r = map { $_->reply } @c;
            $slow{$user}++ if time - $begin > 0.012;
            is(join(' ', map { $_->status } @r), '401 ' x 7 . '401',
                'A71 enumeration: wrong for all') if $round == 1;
        }
    }

    # sixty and none, as it was; what is left to chance is a few of them

    cmp_ok(abs($slow{alice} - $slow{nobody}), '<=', 30,
        "A71 enumeration: slow for alice $slow{alice} times of sixty, for "
        . "nobody $slow{nobody}");
    $t->finish;
}


# Failures were counted by name and address alone: a door with a short memory,
# or with another password file, made the strict one forget.

sub counters {
    my $t = server(ports => 1, more => 'registry_login_limit 3 per=60s;',
        files => { others => htpasswd(alice => 'else') },
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "O" %%DIR%%/others;
        registry_login_limit 100 per=1s;
    }
}
EOF
    my @other = (port => $t->extra_port(1));
    my @status;

    for (1 .. 2) {
        push @status, map { status($t, 'alice', "guess $_") } 1 .. 2;
        sleep 1.1;
        is(status($t, 'alice', "guess $_", @other), 401,
            'A78 counters: the other door has its own count');
    }
    is("@status", '401 401 401 429', 'A78 counters: three within a minute');
    is(status($t, 'alice', 'else', @other), 200,
        'A78 counters: failures here lock nobody out there');
    $t->finish;
}


# Wrong logins from a few addresses filled the queue of hashes, and whoever
# came then, with the right password too, got 429.

sub full {
    my $t = server(users => { carol => ['three', 10] },
        more => 'registry_login_limit off; registry_htpasswd_cache 1s;');
    my @alice = ('alice', 'one', from => '127.0.0.200', timeout => 60);

    is(status($t, @alice), 200, 'A78 full: alice');
    sleep 2.1;
    my @crowd = map {
        my $from = "127.0.1.$_";
        map { $t->as("user$_", $from, from => $from, timeout => 60)
            ->connect } 1 .. 64
    } 1 .. 5;
    $_->start('GET', '/v2/') for @crowd[0 .. 255];
    sleep 0.2;

    # the fifth address fills what has become free

    $_->start('GET', '/v2/') for @crowd[256 .. 319];
    is(status($t, @alice), 200, 'A78 full: who was right before is let in');
    is(status($t, 'bob', 'two', from => '127.0.0.201', timeout => 60), 200,
        'A78 full: so is a newcomer with an address of his own');
    $_->close for @crowd;
    $t->finish;
}


# Sixty clients that send a login and hang up left sixty hashes behind.

sub abandoned {
    my $t = server(users => { carol => ['three', 10] });
    my ($worker) = $t->workers;

    my ($before) = times;
    bcrypt('x', 10) for 1 .. 3;
    my ($after) = times;
    my $hash = ($after - $before) / 3;

    my @c = map { $t->as("user$_", 'x', timeout => 60)->connect } 1 .. 60;
    $_->start('GET', '/v2/') for @c;
    sleep 0.05;
    $_->reset for @c;
    sleep 0.3;

    my $begin = cpu_of($worker);
    sleep 2;
    my $used = cpu_of($worker) - $begin;
    cmp_ok($used, '<', 5 * $hash, 'A78 abandoned: who has hung up costs no '
        . sprintf 'more hashes (%.0f of them)', $used / ($hash || 1));
    is(status($t, 'alice', 'one', from => '127.0.0.2'), 200,
        'A78 abandoned: the next one is served');
    $t->finish;
}


# When the pool's queue was full as a hash's turn came, nothing ever ran it.

sub hang {
    my $t = server(main => 'thread_pool p threads=1 max_queue=1;',
        users => { carol => ['three', 6] },
        more => 'registry_login_limit off; registry_thread_pool p;');
    my $bob = $t->as('bob', 'two', timeout => 60);
    $bob->push_image('app', 'v1');

    my @pids = map { keep_busy($bob) } 1 .. 4;
    my $end = time + 4;
    my ($n, %status) = (0);
    while (time < $end && !$status{0}) {
        $n++;
        my @c = map { $t->as('carol', "w$n.$_", timeout => 5)->connect }
            1 .. 2;
        $_->start('GET', '/v2/') for @c;
        $status{ $_->reply->status }++ for @c;
    }
    kill 'KILL', @pids;
    reap($_, 5) for @pids;

    # where not even the password file can be read for lack of a thread: 503

    my @other = grep { !/\A(?:401|429|503)\z/ } keys %status;
    is("@other", '', "A78 hang: no login of $n pairs waits for ever");
    ok($status{401}, 'A78 hang: and hashes are run');
    is(status($t, 'carol', 'three'), 200, 'A78 hang: then all is well');

    # the pool says that its queue is full, and means it

    $t->allow_log(qr/thread pool "p" queue overflow/);
    $t->finish;
}


# A process that reads tags without a pause.

sub keep_busy {
    my ($visitor) = @_;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    return $pid if $pid;

    my ($c, $end) = (undef, time + 20);
    while (time < $end) {
        $c ||= eval { $visitor->connect(timeout => 5) } or last;
        $c = undef if !$c->get('/v2/app/tags/list')->complete;
    }
    POSIX::_exit(0);
}


# A reload while dear hashes are run for HTTP/1 and HTTP/2, at both doors of
# the token server, with workers that have to be gone soon.

sub shutdown_while_hashing {
    my $t = server(h2c => 1, main => 'worker_shutdown_timeout 1s;',
        users => { carol => ['three', 12] },
        more => 'registry_login_limit off; registry_token_server on;');
    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my @c;

    for my $uri ('/v2/', '/v2/_nginx/token') {
        for my $n (1 .. 3) {
            my $c = $t->as('carol', "x$n$uri", timeout => 30)->connect;
            $c->start('GET', $uri);
            push @c, $c;
            $h->open_stream('GET', $uri, headers => [['authorization',
                basic('carol', "y$n$uri")]]);
        }
    }
    sleep 0.3;
    $t->reload;
    ok(wait_for(15, sub { !$t->workers(old => 1) }),
        'A78 shutdown: the old worker ends');
    is(status($t, 'alice', 'one'), 200, 'A78 shutdown: the new one serves');
    $h->close;
    $t->finish;
}


# A map of $registry_user for "registry_user", a natural way to rename people,
# made somebody without limits of one who logs in with a limited token.

sub user_variable {
    my $t = Test::Registry->new(
        write => { users => htpasswd(alice => 'one'), tokens => '' },
        http => 'map $registry_user $alias { default $registry_user; }',
        location => 'registry_access_tokens %%DIR%%/tokens;'
            . 'registry_user $alias;'
            . 'registry_allow authenticated pull,push,list **;');
    my $secret = new_token($t, 'ci', '--allow', 'pull:a/**');
    $t->run;
    my $ci = $t->as('ci', $secret);

    is($ci->get('/v2/')->status, 200, 'A90 user_variable: a token');
    is_status(begin_upload($ci, 'b/x'), 403,
        'A90 user_variable: is good for what it says and no more');
    is_status(begin_upload($ci, 'a/x'), 403, 'A90 user_variable: pull only');
    is_status($ci->get('/v2/a/x/tags/list'), 404, 'A90 user_variable: pull');
    $t->finish;
}


# What was found out for one location held on in another, to which a rewrite
# led after some variable of ours had been looked at.

sub rewrite {
    my $t = Test::Registry->new(
        write => { users => htpasswd(alice => 'one', bob => 'two') },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_allow authenticated pull,push **;'
            . 'set $seen $registry_user;'
            . 'rewrite ^/v2/old/(.*)$ /v2/secret/$1 last;',
        server => <<'EOF')->run;
location /v2/secret/ {
    registry %%ROOT%%;
    registry_htpasswd "R" %%DIR%%/users;
    registry_allow alice pull,push **;
}
EOF
    my ($alice, $bob) = ($t->as('alice', 'one'), $t->as('bob', 'two'));

    for my $path ('secret/x', 'old/x') {
        is_status(begin_upload($bob, $path), 403, "A92 rewrite: bob, $path")
            for 1 .. 2;
    }
    my $r = begin_upload($alice, 'old/x');
    is_status($r, 202, 'A92 rewrite: alice');
    like($r->header('Location') // '', qr{/v2/secret/x/},
        'A92 rewrite: her upload is where it was rewritten to');
    is_status(begin_upload($bob, 'else/x'), 202, 'A92 rewrite: elsewhere');
    $t->finish;
}


# With registry_cors_origin whatever said OPTIONS took no login.

sub preflight {
    my $t = server(more => 'registry_cors_origin https://ui.example;');
    my @origin = ['Origin', 'https://ui.example'];
    my @method = ['Access-Control-Request-Method', 'GET'];

    for my $uri ('/v2/', '/v2/a/manifests/x', '/v2/UPPER!!', '/v2/_catalog') {
        for my $headers ([], [@origin], [@method]) {
            is_challenged($t->options($uri, headers => $headers),
                { scheme => 'Basic' }, "A70 preflight: $uri, half of one");
        }
        is_status($t->options($uri, headers => [@origin, @method]), 204,
            "A70 preflight: $uri, a whole one");
        is_challenged($t->get($uri, headers => [@origin, @method]),
            { scheme => 'Basic' }, "A70 preflight: $uri, another method");
    }
    $t->finish;
}


# Other ways to spell the path of a location with stricter rules.

sub spellings {
    my $t = Test::Registry->new(
        write => { users => htpasswd(alice => 'one') },
        http => 'merge_slashes off;',
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_token_server off; registry_allow * pull,push **;',
        server => <<'EOF')->run;
location /v2/secret/ {
    registry %%ROOT%%;
    registry_htpasswd "R" %%DIR%%/users;
    registry_allow alice pull,push **;
}
EOF
    is_status(begin_upload($t, 'open/x'), 202, 'A92 spellings: elsewhere');
    for my $path ('/v2/secret/x', '/v2//secret/x', '/v2/%73ecret/x',
        '/v2/secret%2fx', '/v2/./secret/x', '/v2/a/../secret/x',
        '/v2/secret%00/x', '/v2/secret;a/x', '/v2%2fsecret/x', '/V2/secret/x')
    {
        my $r = $t->post("$path/blobs/uploads/", body => '');
        ok($r->status >= 400 && $r->status < 500, "A92 spellings: $path")
            or diag $r->as_text;
    }
    ok(!-e $t->repo_dir('secret/x'), 'A92 spellings: nothing was begun');
    $t->finish;
}


# limit_except is another location to nginx, and must not lose our rules.

sub except {
    my $t = server(more => 'registry_token_server off;'
        . 'registry_allow * pull **; registry_allow alice push **;'
        . 'limit_except GET HEAD { allow 127.0.0.2; deny all; }');
    my @near = (from => '127.0.0.2');

    is_status(begin_upload($t, 'a/b'), [401, 403], 'A90 except: nobody');
    is_status(begin_upload($t->as('alice', 'one'), 'a/b'), 403,
        'A90 except: alice from elsewhere');
    is_status(begin_upload($t->as('bob', 'two', @near), 'a/b'), 403,
        'A90 except: bob from where it is allowed');
    is_status(begin_upload($t->as('alice', 'one', @near), 'a/b'), 202,
        'A90 except: alice from there');
    is_status($t->get('/v2/a/b/tags/list'), 404, 'A90 except: a pull');
    $t->finish;
}


# An access token outlived the user on whose behalf it acts.

sub owner_gone {
    my $t = Test::Registry->new(
        write => { users => htpasswd(alice => 'one', bob => 'two'),
            tokens => '' },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_access_tokens %%DIR%%/tokens;'
            . 'registry_token_server on;'
            . 'registry_allow authenticated pull,push **;');
    my $secret = new_token($t, 'ci', '--user', 'alice', '--allow',
        'pull,push:**');
    $t->run;
    my $ci = $t->as('ci', $secret);
    my $j = ask_token($ci, scope => 'repository:a/b:pull,push',
        offline_token => 'true')->json || {};
    my $bearer = $t->with(Authorization => "Bearer $j->{token}");

    is_status(begin_upload($_, 'a/b'), 202, 'A41 owner_gone: before')
        for $ci, $bearer;
    $t->write_file('users', htpasswd(bob => 'two'));
    is(status($t, 'alice', 'one'), 401, 'A41 owner_gone: alice is gone');
    is_status(begin_upload($_, 'a/b'), 401,
        'A41 owner_gone: and what acts for her') for $ci, $bearer;
    is_status(ask_token($ci, scope => 'repository:a/b:pull'), 401,
        'A41 owner_gone: no new token');
    is_oauth_error(refreshed($t, $j->{refresh_token}), 400, 'invalid_grant',
        'A41 owner_gone: nor a refreshed one');
    $t->finish;
}


# A password that changes while it is hashed for a token.

sub changed_while_hashing {
    my $t = server(users => { carol => ['three', 12] },
        more => 'registry_token_server on; registry_login_limit off;');
    my @c = map { $t->as('carol', 'three', timeout => 60)->connect } 1 .. 2;

    $_->start('GET', '/v2/_nginx/token?offline_token=true') for @c;
    sleep 0.05;
    $t->write_file('users', htpasswd(carol => 'four'));

    for (map { $_->reply } @c) {
        is_status($_, [200, 401], 'A41 changed_while_hashing: an answer');
        next if $_->status != 200;
        my $j = $_->json;
        is_status($t->with(Authorization => "Bearer $j->{token}")
            ->get('/v2/'), 401, 'A41 changed_while_hashing: worth nothing');
        is_status(refreshed($t, $j->{refresh_token}), 400,
            'A41 changed_while_hashing: nor to refresh');
    }
    is(status($t, 'carol', 'three'), 401, 'A41 the old password');
    is(status($t, 'carol', 'four'), 200, 'A41 the new one');
    $t->finish;
}


# A directory in place of the password file must not open anything: what was
# in force stays so, until there is a file again or nothing at all.

sub directory {
    my $t = server();
    my $file = $t->dir . '/users';

    is(status($t, 'alice', 'one'), 200, 'A77 directory: before');
    rename $file, "$file.away" or die "rename: $!\n";
    mkdir $file or die "mkdir: $!\n";
    for my $wait (0, 1.2) {
        sleep $wait;
        is(status($t, 'alice', 'one'), 200, 'A77 directory: what was holds');
        is(status($t, 'alice', 'two'), 401, 'A77 directory: no other one');
        is(status($t, 'carol', 'x'), 401, 'A77 directory: no other user');
        is_challenged($t->get('/v2/'), { scheme => 'Basic' },
            'A77 directory: nobody');
    }
    like($t->log_text, qr/\[error\].*"\Q$file\E".*no regular file/,
        'A77 directory: is told of');

    rmdir $file or die "rmdir: $!\n";
    is(status($t, 'alice', 'one'), 503, 'A77 directory: gone is gone');
    $t->write_file('users', htpasswd(alice => 'new'));
    is(status($t, 'alice', 'one'), 401, 'A77 directory: a new file');
    is(status($t, 'alice', 'new'), 200, 'A77 directory: a new file');
    $t->finish;
}


# The same with whatever else a name can be, none of which may hold a worker.

sub other_kinds_of_file {
    my $t = server();
    my $file = $t->dir . '/users';
    my @how = (timeout => 5);

    is(status($t, 'alice', 'one'), 200, 'A77 kinds: before');
    unlink $file;
    POSIX::mkfifo($file, 0644) or die "mkfifo: $!\n";
    is(status($t, 'alice', 'one', @how), 200, 'A77 kinds: a FIFO');
    is(status($t, 'alice', 'two', @how), 401, 'A77 kinds: a FIFO');

    unlink $file;
    symlink '/dev/zero', $file or die "symlink: $!\n";
    is(status($t, 'alice', 'one', @how), 200, 'A77 kinds: /dev/zero');
    is(status($t, 'alice', 'two', @how), 401, 'A77 kinds: /dev/zero');

    unlink $file;
    symlink 'nowhere', $file or die "symlink: $!\n";
    is(status($t, 'alice', 'one', @how), 503, 'A77 kinds: a link to nothing');

    $t->write_file('second', htpasswd(alice => 'two'));
    unlink $file;
    symlink 'second', $file or die "symlink: $!\n";
    is(status($t, 'alice', 'one'), 401, 'A77 kinds: a link to a file');
    is(status($t, 'alice', 'two'), 200, 'A77 kinds: a link to a file');

    $t->write_file('third', htpasswd(alice => 'three'));
    unlink $file;
    symlink 'third', $file or die "symlink: $!\n";
    is(status($t, 'alice', 'two'), 401, 'A77 kinds: to another one');
    is(status($t, 'alice', 'three'), 200, 'A77 kinds: to another one');
    $t->finish;
}


# An empty file counts once it is a second old, and not for ever as not yet
# written because it is emptied again and again.

sub emptied {
    my $t = server();
    my $users = file_text($t->dir . '/users');
    my $status;

    is_quick(0.8, 'A77 emptied: asked at once', sub {
        $t->write_file('users', $users);
        is(status($t, 'alice', 'one'), 200, 'A77 emptied: before');
        return seconds(sub {
            $t->write_file('users', '');
            $status = status($t, 'alice', 'one');
        });
    });
    is($status, 200, 'A77 emptied: it may get its lines');
    sleep 1.2;
    is(status($t, 'alice', 'one'), 401, 'A77 emptied: it is as it is meant');

    $t->write_file('users', "# nobody\n");
    is(status($t, 'alice', 'one'), 401, 'A77 emptied: by a comment, at once');
    $t->finish;
}


# What one door has given tried at others, which have the same key at hand; and
# one kind of token in the place of another.

sub other_doors {
    my $t = Test::Registry->new(
        ports => 2,
        write => { users => htpasswd(alice => 'one', bob => 'two'),
            others => htpasswd(alice => 'x'), tokens => '' },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_access_tokens %%DIR%%/tokens;'
            . 'registry_token_server on service=s refresh=1h;'
            . 'registry_allow alice pull,push **;',
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/others;
        registry_token_server on service=s refresh=1h;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/users;
        registry_access_tokens %%DIR%%/tokens;
        registry_token_server on service=z refresh=1h;
    }
}
EOF
    my $secret = new_token($t, 'alice', '--allow', 'pull:a/**');
    $t->run;
    my @ask = (scope => 'repository:a/b:pull,push', offline_token => 'true');
    my $alice = ask_token($t->as('alice', 'one'), @ask)->json || {};
    my $robot = ask_token($t->as('alice', $secret), @ask)->json || {};
    my $as = sub { $t->with(Authorization => "Bearer $_[0]", @_[1 .. $#_]) };

    is_status(begin_upload($as->($alice->{token}), 'a/b'), 202,
        'A84 doors: alice');
    is_challenged($as->($alice->{refresh_token})->get('/v2/'),
        { error => 'invalid_token' }, 'A84 doors: a token to refresh');
    is_status(refreshed($t, $alice->{token}), 400, 'A84 doors: one to use');
    for my $n (1, 2) {
        my @port = (port => $t->extra_port($n));
        is_challenged($as->($alice->{token}, @port)->get('/v2/'),
            { error => 'invalid_token' }, "A84 doors: at another one, $n");
        is_status(refreshed(Test::Registry::Visitor->new($t, @port),
            $alice->{refresh_token}), 400, "A84 doors: to refresh, $n");
    }

    # an access token by the name of a user is not that user

    is($robot->{scope}, 'repository:a/b:pull', 'A84 doors: a namesake');
    is_challenged(begin_upload($as->($robot->{token}), 'a/b'),
        { error => 'insufficient_scope' }, 'A84 doors: may pull alone');
    my $again = ask_form($t, grant_type => 'refresh_token', scope =>
        'repository:a/b:pull,push', refresh_token => $robot->{refresh_token})
        ->json || {};
    is($again->{scope}, 'repository:a/b:pull', 'A84 doors: refreshed, too');

    is_exit(ctl(qw(token revoke), $t->dir . '/tokens', 'alice'), 0,
        'A84 doors: the namesake is revoked');
    ok(wait_for(3, sub {
        $as->($robot->{token})->get('/v2/')->status == 401 }),
        'A84 doors: its tokens are dead');
    is_status(refreshed($t, $robot->{refresh_token}), 400,
        'A84 doors: all of them');
    is_status($as->($alice->{token})->get('/v2/'), 200,
        'A84 doors: hers are not');
    $t->finish;
}


# A token of nobody's, from where anybody may push, at a door where nobody is
# let in without a name.

sub nobody_elsewhere {
    my $t = Test::Registry->new(
        ports => 1, write => { users => htpasswd(alice => 'one') },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_token_server on service=s key=%%DIR%%/key;'
            . 'registry_allow anonymous pull,push **;',
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/users;
        registry_token_server on service=s key=%%DIR%%/key;
    }
}
EOF
    is_exit(ctl(qw(key rotate), $t->dir . '/key'), 0, 'a key for both');
    $t->run;
    my $token = token_in(ask_token($t, scope => 'repository:a/b:pull,push'));
    my @bearer = (Authorization => "Bearer $token");
    my $there = $t->with(@bearer, port => $t->extra_port(1));

    is_status(begin_upload($t->with(@bearer), 'a/b'), 202,
        'A90 nobody: where anybody may');
    is_status($there->get('/v2/'), 401, 'A90 nobody: where nobody may');
    is_status(begin_upload($there, 'a/b'), 401, 'A90 nobody: nor push');
    $t->finish;
}


# What is in the repositories of others, by mounts, manifests and names.

sub neighbours {
    my $t = Test::Registry->new(
        write => { users => htpasswd(bob => 'two', root => 'r') },
        location => 'registry_delete on;'
            . 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_allow bob * b/** a; registry_allow root * **;')->run;
    my ($root, $bob) = ($t->as('root', 'r'), $t->as('bob', 'two'));
    my $image = $root->push_image('a/1', 'v1');
    $root->push_image($_, 'v1') for qw(b/1 b/2 c/1);
    my $layer = $image->{layers}[0];
    my $secret = $root->push_blob('a/1', 'a secret');
    my $none = sha256('nothing');

    is_status($bob->get("/v2/b/1/blobs/$secret"), 404,
        'A54 neighbours: a blob of another');
    for my $query ("mount=%s&from=a/1", 'mount=%s') {
        my ($r, $other) = map { $bob->post('/v2/b/1/blobs/uploads/?'
            . sprintf($query, $_), body => '') } $secret, $none;
        is_status($r, 202, "A43 A45 neighbours: $query");
        is_like($r, $other, "A43 A45 neighbours: $query, as of nothing");
    }
    my $text = to_json(manifest(descriptor(OCI_CONFIG, 'a secret'), []));
    is_error($bob->push_manifest('b/1', 'x', $text), 404,
        'MANIFEST_BLOB_UNKNOWN',
        'A54 neighbours: a manifest of the blobs of another');

    for my $query ('', '?n=1', '?n=2', '?n=1&last=a/1', '?n=1&last=c/1') {
        my $r = $bob->get("/v2/_catalog$query");
        my @names = names_of($r, 'repositories');
        is_status($r, 200, "A93 neighbours: the catalogue $query");
        is(join(' ', grep { !m{\Ab/} } @names), '',
            'A93 neighbours: names his own alone');
    }

    is_status($bob->delete('/v2/a'), [202, 404], 'A90 neighbours: a goes');
    is_whole($root->get('/v2/a/1/manifests/v1'), $image->{bytes},
        'A90 neighbours: and a/1 stays');
    is_whole($root->get('/v2/a/1/blobs/' . sha256($layer)), $layer,
        'A90 neighbours: whole');
    $t->finish;
}


# An upload of somebody else looks like none at all, for every method.

sub session_of_another {
    my $t = server();
    my ($alice, $bob) = ($t->as('alice', 'one'), $t->as('bob', 'two'));
    my $hers = $alice->open_upload('a/b');
    my $none = $hers =~ s/[0-9a-f]{12}/123456789abc/r;
    my $end = '?digest=' . sha256('x');

    isnt($none, $hers, 'A25 session: another name');
    for (['GET'], ['PATCH', '', 'x'], ['PUT', $end, 'x'], ['DELETE']) {
        my ($method, $query, $body) = @$_;
        my ($r, $other) = map { $bob->request($method, $_ . ($query // ''),
            body => $body // '') } $hers, $none;
        is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN', "A25 session: $method");
        is_like($r, $other, "A25 session: $method, as of none",
            [$hers, $none]);
    }
    is_status($alice->put("$hers$end", body => 'x'), 201,
        'A25 session: alice ends it');
    $t->finish;
}

#!/usr/bin/perl

# Who guesses is held up: by user and address, never the right owner.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Files;
use Test::Registry::HTTP2;


by_default();
one_user();
forgotten();
every_user();
right_owner();
no_telling();
nor_in_variables();
everywhere();
switched_off();
addresses();
workers_share();
parallel();
hanging_up();
gone_while_delayed();
pulls_go_on();
per_location();

done_testing();


sub server {
    my ($limit, %o) = @_;

    my $more = delete $o{more} || '';
    return Test::Registry->new(
        write => { users => htpasswd(alice => 'one', bob => 'two',
            carol => 'three', %{ delete $o{users} || {} }) },
        location => "registry_htpasswd \"R\" %%DIR%%/users; $limit $more",
        %o)->run;
}


sub status {
    my ($t, $user, $password, %where) = @_;

    return $t->as($user, $password, %where)->get('/v2/')->status;
}


# So many wrong passwords of one user, each another one; their answers.

my $guess = 0;

sub guesses {
    my ($t, $count, $user, %where) = @_;

    return join ' ', map { status($t, $user, 'wrong' . ++$guess, %where) }
        1 .. $count;
}


# All of them together, since each 429 takes its time.

sub guesses_at_once {
    my ($t, $count, $user) = @_;

    my @c = map { $t->as($user, 'wrong' . ++$guess, timeout => 60)->connect }
        1 .. $count;
    $_->start('GET', '/v2/') for @c;
    $_->reply for @c;
}


sub is_throttled {
    my ($r, $seconds, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 429, 'TOOMANYREQUESTS', $name) or return 0;
    is($r->message,
        'too many wrong passwords from this address, try again later',
        "$name: no limit of requests") if $r->{request} !~ /\AHEAD /;
    my $after = $r->header('Retry-After') // '';
    return ok($after =~ /\A[1-9]\d*\z/ && $after <= $seconds,
        "$name: Retry-After is $after");
}


sub by_default {
    my $t = server('');

    is(guesses($t, 12, 'alice'), '401 ' x 10 . '429 429',
        'ten guesses a minute, unless told otherwise');
    is_throttled($t->as('alice', 'x')->get('/v2/'), 60, 'A78 then 429');
    is(status($t, 'bob', 'two'), 200, 'others are not concerned');
    $t->finish;

    $t = server('registry_login_limit 1;',
        http => 'registry_login_limit 5 per=1h;');
    is(guesses($t, 1, 'alice'), '401', 'another number than that of http');
    is_throttled($t->as('alice', 'x')->get('/v2/'), 60,
        'and a minute, not its time');
    $t->finish;
}


sub one_user {
    my $t = server('registry_login_limit 3 per=60s;');

    is(guesses($t, 5, 'alice'), '401 401 401 429 429', 'A78 three of five');
    is_throttled($t->as('alice', 'one')->get('/v2/'), 60,
        'A78 then not even the right one, if it never was right before');
    is_challenged($t->get('/v2/'), { scheme => 'Basic' },
        'A78 without credentials it is still 401');
    is(guesses($t, 4, 'bob'), '401 401 401 429', 'A78 bob has his own count');
    is(status($t, 'carol', 'three'), 200, 'A78 carol logs in');
    is(guesses($t, 4, "j\xc3\xb6rg"), '401 401 401 429',
        'A78 somebody whom the file does not have is counted as well');

    # asking without a password is no guess

    is(join(' ', map { $t->get('/v2/')->status } 1 .. 10),
        '401 ' x 9 . '401', 'no credentials');
    is(guesses($t, 2, 'carol'), '401 401', 'count for nobody');
    is(status($t, 'carol', 'three'), 200, 'A78 she was right once');
    is(guesses($t, 2, 'carol'), '401 429', 'A78 and a third guess is one');
    is(status($t, 'carol', 'three'), 200, 'A78 right is right');
    $t->finish;
}


# Whole seconds are counted: of three, two at least.

sub forgotten {
    my @users = map { "user$_" } 1 .. 10;
    my $t = server('registry_login_limit 2 per=3s;',
        users => { map { $_ => 'one' } @users });
    my ($user, $guesses, $after, $again);

    is_quick(1.9, 'guesses within two seconds', sub {
        $user = shift @users;
        return seconds(sub {
            $guesses = guesses($t, 3, $user);
            $after = $t->as($user, 'one')->get('/v2/')->header('Retry-After');
        });
    });
    is($guesses, '401 401 429', 'two within three seconds');
    ok(defined $after && $after >= 1 && $after <= 3, 'Retry-After tells when')
        or diag $after // 'no header';
    sleep 1.2 + ($after || 3);
    is(status($t, $user, 'one'), 200, 'A78 then the right one is let in');

    is_quick(1.9, 'and again within two', sub {
        sleep 4.2 if defined $again;
        return seconds(sub { $again = guesses($t, 3, $user) });
    });
    is($again, '401 401 429', 'and guesses begin anew');
    sleep 4.2;
    is(guesses($t, 1, $user), '401', 'and once more');
    $t->finish;
}


# Ten times the number for all users of one address together.

sub every_user {
    my $t = server('registry_login_limit 2 per=60s;');

    is(join(' ', map { status($t, "guess$_", 'x') } 1 .. 22),
        '401 ' x 20 . '429 429', 'A78 twenty users, one guess each');
    is_throttled($t->as('alice', 'one')->get('/v2/'), 60,
        'A78 whoever it is then');
    is(status($t, 'alice', 'one', from => '127.0.0.2'), 200,
        'A78 from another address she logs in');
    is(status($t, 'alice', 'one'), 429,
        'A78 which tells nothing to who guesses from here');
    is_throttled($t->as('bob', 'two')->get('/v2/'), 60, 'A78 bob waits');
    $t->finish;
}


sub right_owner {
    my $t = server('registry_login_limit 3 per=60s;',
        more => 'registry_htpasswd_cache 1s;');

    is(status($t, 'alice', 'one', from => '127.0.0.2'), 200,
        'alice is known, from another address');
    is(status($t, 'alice', 'one'), 200, 'and from this one');
    is(guesses($t, 5, 'alice'), '401 401 401 429 429', 'somebody guesses');
    is(status($t, 'alice', 'one'), 200,
        'A78 her password works from the address of the guesses');
    is(status($t, 'alice', 'one', from => '127.0.0.2'), 200,
        'A78 and from her own');
    sleep 2.2;
    is(status($t, 'alice', 'one'), 200,
        'A78 even when what was remembered is too old to be trusted');
    is(guesses($t, 2, 'alice'), '429 429', 'A78 guesses still wait');

    # a password that was right once is not when the file says so

    $t->write_file('users', htpasswd(alice => 'new', bob => 'two'));
    is(status($t, 'alice', 'one'), 429, 'A77 the old one is a guess now');
    is(status($t, 'alice', 'new', from => '127.0.0.3'), 200,
        'A77 the new one is right');
    is(status($t, 'alice', 'new'), 200, 'A77 everywhere');

    # what is never so easily guessed must not be told to who never was right

    is(status($t, 'bob', 'two', from => '127.0.0.2'), 200,
        'bob is known, from another address alone');
    is(guesses($t, 4, 'bob'), '401 401 401 429', 'somebody guesses');
    is(status($t, 'bob', 'two'), 429, 'A78 a right guess is told nothing');
    is(status($t, 'bob', 'two', from => '127.0.0.2'), 200,
        'A78 bob himself is let in');

    # nor without an end to who has been right here

    guesses_at_once($t, 30, 'alice');
    is(status($t, 'alice', 'new'), 429,
        'A78 ten times the limit: who shares her address holds her up, too');
    is(status($t, 'alice', 'new', from => '127.0.0.2'), 200,
        'A78 but nowhere else');
    $t->finish;
}


# 429 must not tell who exists, nor who was near.

sub no_telling {
    my $t = server('registry_login_limit 3 per=60s;');

    guesses($t, 4, $_) for qw(alice nobody);
    for my $password ('one', 'x', '') {
        my ($r, $other) = map { $t->as($_, $password)->get('/v2/') }
            qw(alice nobody);
        $_->{headers} = [grep { $_->[0] ne 'Retry-After' }
            @{ $_->{headers} }] for $r, $other;
        is_like($r, $other, "A71 429 for alice and nobody with '$password'");
    }
    $t->finish;
}


# Nor may it be read from the log, or felt by what another module does for the
# user: a right password that is refused is as good as a wrong one.

sub nor_in_variables {
    my $t = server('registry_login_limit 3 per=60s;',
        http => 'log_format who "$registry_user,$registry_auth,$status";',
        server => 'set $early "";',
        more => 'access_log %%DIR%%/who.log who; set $early $registry_user; '
            . 'add_header X-Early "<$early>" always; '
            . 'registry_token_server on;');
    my $seen = 0;
    my $ask = sub {
        my ($user, $password, $uri, @where) = @_;
        my $r = $t->as($user, $password, @where)->get($uri);
        wait_for(5, sub { logged($t) > $seen });
        my @log = (logged($t))[$seen++];
        return join ' ', $r->status, $r->header('X-Early'), @log;
    };
    my @bob = (from => '127.0.0.2');

    is($ask->('alice', 'one', '/v2/', @bob), '200 <> alice,htpasswd,200',
        'her password is known');
    is($ask->('alice', 'one', '/v2/', @bob), '200 <alice> alice,htpasswd,200',
        'early, too');
    is($ask->('bob', 'two', '/v2/', @bob), '200 <> bob,htpasswd,200', 'and his');
    is($ask->('bob', 'two', '/v2/'), '200 <bob> bob,htpasswd,200',
        'wherever he is');

    for my $user (qw(alice bob)) {
        $ask->($user, 'wrong' . ++$guess, '/v2/') for 1 .. 3;
    }
    for my $uri ('/v2/', '/v2/_nginx/token') {
        is($ask->('alice', $_, $uri), '429 <> ,,429',
            "A78 refused for $uri, nothing tells of '$_'") for qw(one x);
        is($ask->('bob', 'two', $uri), '200 <bob> bob,htpasswd,200',
            "A78 who was here before is known for $uri");
        is($ask->('alice', 'one', $uri, @bob), '200 <alice> alice,htpasswd,200',
            "A78 and she is, from elsewhere, for $uri");
    }

    for my $uri ('/v2/', '/v2/_nginx/token') {
        my $c = $t->as('alice', 'one')->connect;
        $c->start('GET', $uri);
        sleep 0.1;
        $c->close;
        wait_for(5, sub { logged($t) > $seen });
        is((logged($t))[$seen++] =~ s/\d+\z//r, ',,',
            "A78 nor does the log when nobody waits for $uri");
    }
    $t->finish;
}


sub logged {
    my ($t) = @_;

    return split /\n/, slurp($t->dir . '/who.log');
}


# Every route, method and protocol asks the same counter.

sub everywhere {
    my $t = server('registry_login_limit 3 per=60s;', h2c => 1);

    my @r = map { $t->as('alice', "w$_->[0]")->request(@$_, body => '') }
        ['GET', '/v2/'], ['PUT', '/v2/a/manifests/x'], ['DELETE', '/v2/UP'];
    is(join(' ', map { $_->status } @r), '401 401 401', 'three of them');

    for (['GET', '/v2/'], ['HEAD', '/v2/'], ['GET', '/v2/a/manifests/x'],
        ['POST', '/v2/a/blobs/uploads/'], ['PUT', '/v2/a/manifests/x'],
        ['DELETE', '/v2/nothing'], ['GET', '/v2/_catalog'])
    {
        is_throttled($t->as('alice', 'one')->request(@$_, body => ''), 60,
            "A78 @$_");
    }

    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    is_throttled($h->request('GET', '/v2/', headers => [['authorization',
        basic('alice', 'one')]]), 60, 'A78 HTTP/2');
    $h->close;

    my $begin = time;
    my $sent = 0;
    my $r = $t->as('alice', 'one')->put('/v2/a/manifests/x',
        length => 1 << 30, body => sub { $sent += 65536; 'z' x 65536 });
    is_throttled($r, 60, 'A89 in front of 1 GB');
    cmp_ok($sent, '<', 100 << 20, 'A89 the body is not read to its end');
    $t->finish;
}


sub switched_off {
    my $t = server('registry_login_limit off;');

    is(guesses($t, 120, 'alice'), '401 ' x 119 . '401', 'off: no limit');
    is(status($t, 'alice', 'one'), 200, 'off');
    $t->finish;
}


# The address is the peer's, unless nginx is told to believe a header.

sub addresses {
    my $t = server('registry_login_limit 3 per=60s;', ports => 1,
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/users;
        registry_login_limit 3 per=60s;
    }
}
EOF
    my $from = sub {
        my ($password, $address, @where) = @_;
        my $v = Test::Registry::Visitor->new($t, @where, headers => [
            ['Authorization', basic('bob', $password)],
            ['X-Forwarded-For', $address], ['X-Real-IP', $address],
            ['Forwarded', "for=$address"], ['X-Client-IP', $address]]);
        return $v->get('/v2/')->status;
    };

    is(join(' ', map { $from->("x$_", "10.0.0.$_") } 1 .. 5),
        '401 401 401 429 429', 'A96 a header is no other address');

    my @port = (port => $t->extra_port(1));
    is(join(' ', map { $from->("y$_", '10.0.1.1', @port) } 1 .. 5),
        '401 401 401 429 429', 'A96 behind a proxy the client is counted');
    is($from->('two', '10.0.1.2', @port), 200, 'A96 not the proxy');

    is(guesses($t, 4, 'carol', from => '127.0.0.2'), '401 401 401 429',
        'A78 one address');
    is(guesses($t, 4, 'carol', from => '127.0.0.3'), '401 401 401 429',
        'A78 and another one');
    $t->finish;
}


sub workers_share {
    my $t = server('registry_login_limit 4 per=60s;', workers => 2);

    my @status = split / /, guesses($t, 10, 'alice');
    is(scalar(grep { $_ == 401 } @status), 4, 'A78 two workers count together')
        or diag "@status";
    $t->reload;
    is(guesses($t, 1, 'alice'), '429', 'A78 a reload forgets nothing');
    $t->finish;
}


# All guesses at once get no more answers than one after the other.

sub parallel {
    my $t = server('registry_login_limit 10 per=60s;', workers => 2,
        users => { alice => ['one', 8] });

    my @c = map { $t->as('alice', "p$_", timeout => 60)->connect } 1 .. 200;
    my %status;
    $_->start('GET', '/v2/') for @c;
    $status{ $_->reply->status }++ for @c;

    my $all = join ' ', map { "$_:$status{$_}" } sort keys %status;
    ok(!grep({ $_ != 401 && $_ != 429 } keys %status),
        'A78 two hundred at once are refused') or diag $all;
    cmp_ok($status{401} || 0, '<=', 12,
        'A78 and told nothing beyond the limit') or diag $all;
    $t->finish;
}


# Who does not wait for the answer has guessed all the same. A hash takes long
# here, for whoever hangs up has to be quicker.

sub hanging_up {
    my $t = server('registry_login_limit 2 per=60s;',
        users => { dora => ['one', 12] });
    my $said = sub { return scalar(() = $t->log_text =~ /$_[0]/g) };
    my @from = map { [timeout => 60, from => "127.0.0.$_"] } 0 .. 13;
    my ($where, $stays);

    # nobody waits for the file once it has been read a while after a change

    sleep 0.2;
    is(status($t, 'bob', 'two'), 200, 'the file is known');

    for my $n (1 .. 2) {
        my $c = $t->as('dora', "left$n")->connect;
        $c->start('GET', '/v2/');
        sleep 0.05;
        $n == 1 ? $c->close : $c->reset;
        ok(wait_for(15, sub { $said->('\*\d+ client sent a wrong user name or '
            . 'password, client: 127\.0\.0\.1, server: ') >= $n }),
            "a guess that nobody waits for is logged: $n");
    }
    is(guesses($t, 2, 'dora', timeout => 60), '429 429',
        'A78 two guesses that nobody waited for have counted');
    is($said->('password was wrong 2 times.* client: 127\.0\.0\.1'), 1,
        'and the last of them says so');
    is(guesses($t, 1, 'dora', @{ $from[2] }), '401',
        'A78 not for another address');

    # of two with the same guess the one who waits counts, and he alone

    is_quick(0.1, 'one of two goes while the hash runs', sub {
        $where = pop @from;
        my ($gone, $other)
            = map { $t->as('dora', 'same', @$where)->connect } 1 .. 2;
        my $took = seconds(sub {
            $_->start('GET', '/v2/') for $gone, $other;
            sleep 0.05;
            $gone->close;
        });
        $stays = $other->reply;
        return $took;
    });
    is($stays->status, 401, 'who waits is answered');
    is(guesses($t, 2, 'dora', @$where), '401 429',
        'A78 and that was one guess, not two');

    # what was right is no failure

    my $c = $t->as('dora', 'one', @{ $from[3] })->connect;
    $c->start('GET', '/v2/');
    sleep 0.05;
    $c->close;
    is(guesses($t, 3, 'dora', @{ $from[3] }), '401 401 429',
        'A78 a right one that nobody waited for is none');
    $t->finish;
}


# Nor is it of use to go when the answer is late, and therefore a no. The tenth
# is told to the log before its delay of 0.45 s begins.

sub gone_while_delayed {
    my $t = server('registry_login_limit 10 per=60s;',
        more => 'access_log %%DIR%%/who.log who;',
        http => 'log_format who "$remote_addr,$registry_login";');
    my @from = map { "127.0.0.$_" } 1 .. 10;
    my $from;

    is_quick(0.4, 'somebody goes before his answer', sub {
        $from = shift @from;
        guesses($t, 9, 'alice', from => $from);
        my $c = $t->as('alice', 'late', from => $from)->connect;
        return seconds(sub {
            $c->start('GET', '/v2/');
            wait_for(15, sub { $t->log_text =~
                /password was wrong 10 times.* client: \Q$from\E,/ });
            $c->close;
        });
    });
    ok(wait_for(15, sub { 10 == (() = $t->log_text =~
        /client sent a wrong user name or password, client: \Q$from\E,/g) }),
        'a failure is logged though nobody waited for its delay to end');
    my @login;
    wait_for(15, sub { 10 <= (@login = map { /\A\Q$from\E,(.*)/ } logged($t)) });
    is("@login", join(' ', ('wrong') x 10), 'in the access log, too');
    $t->finish;
}


# Users pull while somebody hammers.

sub pulls_go_on {
    my $t = server('registry_login_limit 10 per=60s;',
        users => { alice => ['one', 8] });
    my $image = $t->as('bob', 'two')->push_image('app', 'v1');

    my @from = map { "127.0.0.$_" } 1 .. 10;
    my (%status, %wrong);

    is_quick(1, 'A78 99 of a hundred within a second', sub {
        my @where = (timeout => 60, from => shift @from);
        is(status($t, 'bob', 'two', @where), 200, 'bob is known from there');

        my @users = map { $t->as('bob', 'two', @where)->connect } 1 .. 20;
        my @wrong = map { $t->as("user$_", 'x', @where)->connect } 1 .. 200;
        my @took;

        %status = ();
        $_->start('GET', '/v2/') for @wrong;
        for my $c ((@users) x 10) {
            push @took, seconds(sub {
                $status{ $c->get('/v2/app/manifests/v1')->status }++ });
        }
        $wrong{ $_->reply->status }++ for @wrong;
        return (sort { $a <=> $b } @took)[-3];
    });
    is(join(' ', %status), '200 200', 'A78 two hundred pulls are served');
    is($wrong{200} // 0, 0, 'A78 while two hundred logins are refused');
    $t->finish;
}


sub per_location {
    my $t = Test::Registry->new(
        ports => 1,
        write => { users => htpasswd(alice => 'one') },
        http => 'registry_login_limit 2 per=60s;'
            . 'registry_htpasswd "R" %%DIR%%/users;',
        location => '',
        servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    registry_login_limit off;
    location /v2/ { registry %%ROOT%%; }
}
EOF
    is(guesses($t, 4, 'alice'), '401 401 429 429', 'a limit of http');
    is(guesses($t, 4, 'alice', port => $t->extra_port(1)), '401 401 401 401',
        'switched off below');
    $t->finish;
}

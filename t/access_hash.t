#!/usr/bin/perl

# Hashing: it takes as long for those who are not there, happens once for many
# who ask the same, is remembered for a time, and never holds the event loop.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Files;
use Test::Registry::HTTP2;


# The cost at which a hash takes the better part of a tenth of a second here.
# Hashes are counted by the processor time of the workers, which other work on
# the machine does not change; nothing else they do here comes near it.

my ($cost, $once) = calibrate();

same_time();
one_for_many();
one_per_login();
remembered();
remembered_for_a_time();
not_remembered();
shared();
loop_is_free();
bounded();
turns();
gone_away();

done_testing();


sub calibrate {
    for my $cost (8 .. 14) {
        my ($before) = times;
        bcrypt('x', $cost);
        my ($after) = times;
        return ($cost, $after - $before) if $after - $before > 0.07;
    }
    die "a bcrypt of cost 14 takes no time here\n";
}


sub server {
    my ($text, %o) = @_;

    my $more = delete $o{more} || '';
    return Test::Registry->new(
        write => { users => $text },
        http => 'registry_login_limit off;',
        location => "registry_htpasswd \"R\" %%DIR%%/users; $more", %o)->run;
}


sub median {
    my (@all) = sort { $a <=> $b } @_;

    return $all[@all / 2];
}


# How many hashes the workers run while the code does.

sub hashes {
    my ($t, $code) = @_;

    my $before = 0;
    $before += cpu_of($_) for $t->workers;
    $code->();
    my $after = 0;
    $after += cpu_of($_) for $t->workers;
    return sprintf '%.2f', ($after - $before) / $once;
}


# Users whose hashes differ in cost, and one that is not there: the work on a
# wrong password, and so its time, is that of the dearest.

sub same_time {
    my $t = server(htpasswd(cheap => ['a', 4], middle => ['b', 6],
        dear => ['c', 8]));
    my $c = $t->connect(timeout => 60);
    my %took;

    for my $kind (qw(cheap middle dear nobody), 'somebody new') {
        my $before = 0;
        $before += cpu_of($_) for $t->workers;

        for my $round (1 .. 40) {
            my $user = $kind eq 'somebody new' ? "n$round" : $kind;
            $c->get('/v2/', headers => [['Authorization',
                basic($user, "wrong$round")]]);
        }

        $took{$kind} -= $before;
        $took{$kind} += cpu_of($_) for $t->workers;
    }

    my $text = join ', ', map { sprintf '%s %.2f s', $_, $took{$_} }
        sort keys %took;
    my $slack = sanitized() ? 3 : 1.5;

    for my $user ('cheap', 'middle', 'nobody', 'somebody new') {
        my $ratio = $took{$user} / $took{dear};
        ok($ratio > 1 / $slack && $ratio < $slack,
            "A71 a wrong password costs as much for $user as for the dearest")
            or diag $text;
    }
    $t->finish;
}


# Answers to one request of each connection, all sent at once: {status => n}.

sub crowd {
    my (@connections) = @_;

    my %status;
    $_->start('GET', '/v2/') for @connections;
    $status{ $_->reply->status }++ for @connections;
    return join ' ', map { "$_:$status{$_}" } sort keys %status;
}


sub one_for_many {
    my $t = server(htpasswd(alice => ['one', $cost]));

    my @c = map { $t->as('alice', 'one', timeout => 60)->connect } 1 .. 20;
    my $n = hashes($t, sub {
        is(crowd(@c), '200:20', 'twenty first requests of one user') });
    cmp_ok($n, '<', 3, 'cost one hash, not twenty');
    cmp_ok($n, '>', 0.5, 'and do cost one');

    @c = map { $t->as('alice', 'wrong', timeout => 60)->connect } 1 .. 20;
    $n = hashes($t, sub {
        is(crowd(@c), '401:20', 'twenty with the same wrong password') });
    cmp_ok($n, '<', 3, 'cost one hash as well');
    $t->finish;

    $t = server(htpasswd(alice => ['one', $cost]), h2c => 1);
    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port, timeout => 60);

    $n = hashes($t, sub {
        my @ids = map { $h->open_stream('GET', '/v2/', end => 1,
            headers => [['authorization', basic('alice', 'one')]]) } 1 .. 20;
        is(join(' ', map { $h->reply($_)->status } @ids),
            join(' ', (200) x 20), 'twenty streams of one connection');
    });
    cmp_ok($n, '<', 3, 'cost one hash');
    $h->close;
    $t->finish;
}


# What only resembles a login in progress must not get its answer.

sub one_per_login {
    my $t = server(htpasswd(alice => ['one', $cost], bob => ['one', $cost]));

    my @who = (['alice', 'one'], ['alice', 'onf'], ['bob', 'one'],
        ['alice', 'one'], ['bob', 'two'], ['nobody', 'one'],
        ['alice', 'one ']);
    my @c = map { $t->as(@$_, timeout => 60)->connect } @who;

    $_->start('GET', '/v2/') for @c;
    is(join(' ', map { $_->reply->status } @c),
        '200 401 200 200 401 401 401', 'each login has its own answer');
    $t->finish;
}


sub remembered {
    my $t = server(htpasswd(alice => ['one', $cost]));
    my $c = $t->as('alice', 'one', timeout => 60)->connect;
    my @wrong = ('alice', 'two', timeout => 60);

    is_status($c->get('/v2/'), 200, 'a first login');
    cmp_ok(hashes($t, sub { $c->get('/v2/') for 1 .. 50 }), '<', 0.8,
        'fifty more cost no hash');

    # wrong ones are not remembered as right, nor instead of it

    is_status($t->as(@wrong)->get('/v2/'), 401, 'a wrong one');
    cmp_ok(hashes($t, sub {
        is_status($c->get('/v2/'), 200, 'and the right') }), '<', 0.8,
        'is still known');

    # what is remembered is of use to this run of the server alone

    $t->reload;
    is_status($t->as('alice', 'one', timeout => 60)->get('/v2/'), 200,
        'after a reload');
    is_status($t->as(@wrong)->get('/v2/'), 401, 'after a reload, wrong');
    $t->restart;
    is_status($t->as('alice', 'one', timeout => 60)->get('/v2/'), 200,
        'after a restart');
    is_status($t->as(@wrong)->get('/v2/'), 401, 'after a restart, wrong');

    $t->write_file('users', htpasswd(alice => ['other', 4]));
    is_status($t->as('alice', 'one')->get('/v2/'), 401,
        'A77 remembered and changed: refused on the next request');
    $t->finish;
}


# Whole seconds are counted: of two, one at least.

sub remembered_for_a_time {
    my $t = server(htpasswd(alice => ['one', $cost]),
        more => 'registry_htpasswd_cache 2s;');
    my $c = $t->as('alice', 'one', timeout => 60)->connect;
    my ($first, $second);

    is_quick(0.9, 'two logins within a second', sub {
        sleep 2.1 if defined $first;
        seconds(sub {
            $first = hashes($t, sub { $c->get('/v2/') });
            $second = hashes($t, sub { $c->get('/v2/') });
        });
    });
    cmp_ok($first, '>', 0.5, 'registry_htpasswd_cache 2s: the first hashes');
    cmp_ok($second, '<', 0.5, 'the second does not');
    sleep 2.1;
    cmp_ok(hashes($t, sub {
        is_status($c->get('/v2/'), 200, 'two seconds later') }), '>', 0.5,
        'it hashes again');
    $t->finish;
}


sub not_remembered {
    my $t = server(htpasswd(alice => ['one', $cost]),
        more => 'registry_htpasswd_cache 0;');
    my $c = $t->as('alice', 'one', timeout => 60)->connect;

    cmp_ok(hashes($t, sub { $c->get('/v2/') for 1 .. 4 }), '>', 3,
        'registry_htpasswd_cache 0: each request hashes');
    $t->finish;
}


# What one worker has verified the other one knows.

sub shared {
    my $t = server(htpasswd(alice => ['one', $cost]), workers => 2);
    my $alice = $t->as('alice', 'one', timeout => 60);

    is_status($alice->get('/v2/'), 200, 'a login in one of two workers');
    cmp_ok(hashes($t, sub { $alice->get('/v2/') for 1 .. 30 }), '<', 0.8,
        'is known in both');
    $t->finish;
}


# A worker that hashes goes on serving.

sub loop_is_free {
    my $t = server(htpasswd(alice => ['one', $cost], bob => ['two', $cost]),
        ports => 1, servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ { registry %%ROOT%%; }
}
EOF
    my $bob = $t->as('bob', 'two', timeout => 60)->connect;
    my $open = $t->connect(port => $t->extra_port(1), timeout => 60);
    is_status($bob->get('/v2/'), 200, 'bob is known');

    my @wrong = map { $t->as('alice', "wrong$_", timeout => 60)->connect }
        1 .. 8;
    $_->start('GET', '/v2/') for @wrong;

    my (@bob, @open, %status);
    for (1 .. 20) {
        push @bob, seconds(sub { $status{ $bob->get('/v2/')->status }++ });
        push @open, seconds(sub { $status{ $open->get('/v2/')->status }++ });
    }
    my @answers = map { $_->reply->status } @wrong;

    is(join(' ', %status), '200 40', 'A78 others are served meanwhile');
    is(scalar(grep { $_ != 401 && $_ != 429 } @answers), 0,
        'A78 the wrong ones are refused in the end') or diag "@answers";
    cmp_ok(median(@bob), '<', $once / 2,
        'A78 one who is known waits for no hash');
    cmp_ok(median(@open), '<', $once / 2,
        'A78 nor does who needs no login');
    $t->finish;
}


# So many at once that not all can wait: 429 for those, and nothing breaks.

sub bounded {
    my $t = server(htpasswd(alice => ['one', 4], dear => ['two', $cost]));

    is_status($t->as('alice', 'one', timeout => 60)->get('/v2/'), 200,
        'A78 alice is known');

    my @c = map { $t->as("user$_", 'x', timeout => 60)->connect } 1 .. 400;
    $_->start('GET', '/v2/') for @c;

    is_status($t->as('alice', 'one', timeout => 60)->get('/v2/'), 200,
        'A78 and let in while four hundred others wait');

    # those that were turned away have their answer soon; the others queue

    my (%status, $first);
    for (grep { $_->wait_head(time + 0.005) } @c) {
        my $r = $_->reply;
        $status{ $r->status }++;
        $first ||= $r if $r->status == 429;
    }

    ok(!grep({ $_ != 401 && $_ != 429 } keys %status),
        'A78 of four hundred wrong ones each is refused')
        or diag join ' ', %status;
    ok($first, 'A78 the queue has an end') or diag join ' ', %status;
    is_error($first, 429, 'TOOMANYREQUESTS', 'A78 turned away') if $first;
    is($first->message, 'too many passwords are being checked, try again later',
        'A78 for the others, not for his own guesses') if $first;
    is_header($first, 'Retry-After', qr/\A[1-9]\d*\z/) if $first;

    $_->close for @c;
    my $r;
    wait_for(30, sub {
        $r = $t->as('dear', 'two', timeout => 60)->get('/v2/');
        $r->status == 200
    });
    is_status($r, 200, 'A78 when they have gone all is as before');
    $t->finish;
}


# One address with many logins waits behind others with few. Nor does it help
# to send one of them to another worker, too, so that it waits for that.

sub turns {
    my $t = server(htpasswd(alice => ['one', $cost]), workers => 2, ports => 1,
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%% reuseport;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/users;
        add_header X-Worker $pid always;
    }
}
EOF
    my ($here, $there) = $t->workers;
    my $from = sub {
        my ($worker, $address, $count) = @_;
        my @c;
        for (1 .. 20 * $count) {
            my $c = $t->connect(port => $t->extra_port(1), timeout => 60,
                from => $address);
            push @c, $c if $c->get('/v2/')->header('X-Worker') == $worker;
            return @c if @c == $count;
        }
        die "no $count connections to one worker\n";
    };
    my $login = sub {
        my ($c, $user) = @_;
        $c->start('GET', '/v2/', headers =>
            [['Authorization', basic($user, 'x')]]);
    };

    my @there = $from->($there, '127.0.0.2', 12);
    my @here = $from->($here, '127.0.0.2', 12);
    my ($both) = $from->($here, '127.0.0.3', 1);
    my ($other) = $from->($here, '127.0.0.4', 1);

    # Answers are logged in their order. Where the machine stood still before
    # all had asked, they ask once more.

    my $before;
    for my $try (1 .. 10) {
        my $log = length slurp($t->dir . '/access.log');
        my $n = 0;

        $login->($_, "there$try." . ++$n) for @there;
        sleep 0.05;
        $login->($_, "here$try." . ++$n) for @here;
        $login->($both, "there$try." . @there);
        sleep 0.05;
        $login->($other, "other$try");

        $_->reply for @here, $both, @there;
        is_status($other->reply, 401, 'who comes last');

        my $answers = substr slurp($t->dir . '/access.log'), $log;
        my ($first) = $answers =~ /^(.*?) - other$try /ms
            or die "no answer to other$try was logged\n";
        $before = () = $first =~ / - here$try\./g;
        last if $before < @here / 2;
    }
    cmp_ok($before, '<', @here / 2,
        'A78 does not wait until another address has had all its turns');
    $t->finish;
}


# A client that does not wait for its answer.

sub gone_away {
    my $t = server(htpasswd(alice => ['one', $cost]));

    for my $round (1 .. 10) {
        my $c = $t->as('alice', $round % 2 ? 'one' : "x$round")->connect;
        $c->start('GET', '/v2/');
        sleep 0.01 * $round;
        $round % 3 ? $c->close : $c->reset;
    }

    is_status($t->as('alice', 'one', timeout => 60)->get('/v2/'), 200,
        'clients that hang up while a hash runs leave nothing behind');
    is_status($t->as('alice', 'two', timeout => 60)->get('/v2/'), 401,
        'and nothing is mixed up');

    # nor does a worker that is told to end

    my $c = $t->as('alice', 'three', timeout => 60)->connect;
    $c->start('GET', '/v2/');
    sleep 0.02;
    $t->reload;
    is_status($c->reply, 401, 'a hash that runs through a reload is answered');
    $t->finish;
}

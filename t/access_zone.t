#!/usr/bin/perl

# A shared zone that is full: who guesses is held up all the same, however it
# was filled, and who has logged in is remembered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;


use constant BODY => 14000;


manifests();
large();
visitors();
names();

done_testing();


sub server {
    my ($size) = @_;

    return Test::Registry->new(
        write => { users => htpasswd(alice => 'one', bob => 'two') },
        http => "registry_zone_size $size;",
        location => 'registry_htpasswd R %%DIR%%/users; '
            . 'registry_login_limit 3 per=300s;',
        server => 'location = /metrics { registry_metrics; }')->run;
}


sub status {
    my ($t, $user, $password, $from) = @_;

    return $t->as($user, $password, from => $from)->get('/v2/')->status;
}


my $guess = 0;

sub guesses {
    my ($t, $count, $user, $from) = @_;

    return join ' ', map { status($t, $user, 'wrong' . ++$guess, $from) }
        1 .. $count;
}


sub logins {
    my ($t, $result) = @_;

    return $t->get('/metrics')->body
        =~ /^registry_logins_total\{result="$result"\} (\d+)/m ? $1 : undef;
}


# Whoever may push can fill it with manifests, of which the largest take
# several pages each.

sub fill {
    my ($t) = @_;

    my $bob = $t->as('bob', 'two');
    my $image = $bob->push_image('app', 'v1');

    for my $i (1 .. 80) {
        my $bytes = padded_manifest($image->{data}, 1000 + 161 * $i);
        die if length $bytes > BODY;
        $bob->push_manifest('app', sha256($bytes), $bytes, $image->{type});
    }
}


sub manifests {
    my $t = server('256k');

    fill($t);
    is(guesses($t, 6, 'alice', '127.0.0.1'), '401 401 401 429 429 429',
        'F28 a zone full of manifests has room to count guesses');

    status($t, 'bob', 'two', "127.0.1.$_") for 1 .. 20;
    is(guesses($t, 2, 'alice', '127.0.0.1'), '429 429',
        'A78 and keeps the count');

    my $hashed = logins($t, 'hashed');
    status($t, 'bob', 'two', "127.0.1.$_") for 1 .. 20;
    is(logins($t, 'hashed'), $hashed, 'who has logged in is remembered');
    is(guesses($t, 4, 'bob', '127.0.1.7'), '401 401 401 429',
        'somebody guesses where bob is known');
    is(status($t, 'bob', 'two', '127.0.1.7'), 200,
        'A78 and it is remembered from where he has');
    $t->finish;
}


# A manifest that is too large for what there is is read again each time, which
# is no alert's business.

sub large {
    my $t = server('32k');
    my $bob = $t->as('bob', 'two');
    my $image = $bob->push_image('app', 'v1');
    my $bytes = padded_manifest($image->{data}, BODY);

    status($t, 'bob', 'two', "127.0.3.$_") for 1 .. 40;
    $bob->push_manifest('app', sha256($bytes), $bytes, $image->{type});
    like($t->get('/metrics')->body, qr/^registry_zone_no_room_total 0$/m,
        'a manifest that is not remembered is no login and no session');
    $t->finish;
}


# Whoever has one password and many addresses can fill it with himself.

sub visitors {
    my $t = server('32k');

    is(guesses($t, 4, 'alice', '127.0.0.1'), '401 401 401 429', 'a user');
    status($t, 'bob', 'two', "127.0.2.$_") for 1 .. 250;
    is(guesses($t, 2, 'alice', '127.0.0.1'), '429 429',
        'A78 visitors from everywhere do not end it');
    is(guesses($t, 4, 'alice', '127.0.0.2'), '401 401 401 429',
        'A78 nor keep another one from being counted');
    $t->finish;
}


# Whoever has many addresses can fill what there is with failures: those that
# hold nobody up yet go first, and the others' part of the zone stays theirs.

sub names {
    my $t = server('32k');

    status($t, 'bob', 'two', '127.0.0.1');
    is(guesses($t, 4, 'alice', '127.0.0.2'), '401 401 401 429', 'a user');

    status($t, "nobody$_", 'x', "127.0.3.$_") for 1 .. 200;
    is(guesses($t, 2, 'alice', '127.0.0.2'), '429 429',
        'A78 failures elsewhere do not end it');
    is(guesses($t, 4, 'alice', '127.0.0.3'), '401 401 401 429',
        'A78 nor keep another one from being counted');

    my $hashed = logins($t, 'hashed');
    is(status($t, 'bob', 'two', '127.0.0.1'), 200, 'who has logged in before');
    is(logins($t, 'hashed'), $hashed, 'A78 is remembered');

    # an address over its limit makes no count for each name it thinks of

    is(guesses($t, 4, 'alice', '127.0.0.4'), '401 401 401 429', 'once more');
    my @c = map { $t->as("name$_", 'x', from => '127.0.0.5', timeout => 60)
        ->connect } 1 .. 200;
    $_->start('GET', '/v2/') for @c;
    my %status;
    $status{ $_->reply->status }++ for @c;
    cmp_ok($status{401} // 0, '<=', 30, 'many names from one address')
        or diag join ' ', %status;
    is(guesses($t, 2, 'alice', '127.0.0.4'), '429 429',
        'A78 do not end it either');
    $t->finish;
}

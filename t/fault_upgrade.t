#!/usr/bin/perl

# Another binary takes over while clients are at work, and gives back; and so
# does another build of the module.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Copy qw(copy);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::Daemon;
use Test::Registry::Load;
use Test::Registry::Torture;


my $t = Test::Registry::Daemon->new(
    workers => 2,
    location => 'registry_delete on;',
)->run;

my $bytes = blob(2_000_000, 'upgrade');
my $digest = sha256($bytes);
my $turn = 0;

my $load = Test::Registry::Load->start($t, push => 3, pull => 2, list => 1,
    cancel => 1, slow => 2);
my $rounds = torture(1, 50);

for (1 .. $rounds) {
    forward();
    back();
}

my $sum = $load->stop;
is($sum->{failed}, 0, 'F32 no operation has failed') or diag $sum->reasons;
cmp_ok($sum->count($_), '>', 0, "F32 $_ among them")
    for qw(push pull slow);
my @lost = $sum->lost($t);
is("@lost", '', 'F32 everything acknowledged is there');
figure('upgrades, and ways back', 2 * $rounds);
figure('under load', $sum->text . ', lost ' . @lost);

$t->finish;

SKIP: {
    skip('the module is linked in', 7 + Test::Registry::Nginx::FINISH)
        if module() eq '';
    moved();
}

done_testing();


# A PUT in the middle of its body, and a session that waits: (connection,
# location of the PUT, location of the session).

sub begun {
    my $repo = 'upgrade/' . $turn++;
    my @l = map { $t->open_upload($repo) } 0, 1;
    my $c = $t->connect(timeout => 30);

    $c->start('PUT', "$l[0]?digest=$digest", length => length $bytes);
    $c->send(substr $bytes, 0, 800_000);
    $t->patch($l[1], body => substr $bytes, 0, 1_200_000);

    return ($repo, $c, $l[1]);
}


sub ends {
    my ($how, $repo, $c, $l) = @_;

    $c->send(substr $bytes, 800_000);
    is_status($c->reply, 201, "F32 $how: an upload begun before ends after");
    $c->close;
    is_whole($t->get("/v2/$repo/blobs/$digest"), $bytes,
        "F32 $how: with the right bytes");
    is_status($t->delete("/v2/$repo/blobs/$digest"), 202,
        "F32 $how: it can be deleted");

    is_header($t->get($l), 'Range', '0-1199999',
        "F32 $how: a session is where it was");
    is_status($t->put("$l?digest=$digest",
        body => substr $bytes, 1_200_000), 201, "F32 $how: and ends");
}


# USR2, WINCH, QUIT: the new binary stays.

sub forward {
    my @begun = begun();
    my $old = $t->pid;
    my $new = $t->upgrade;

    sleep 1;
    is(scalar $t->workers, 2, 'F32 both serve');
    kill 'WINCH', $old;
    sleep 0.5;
    ok(alive($old), 'F32 the old master waits');
    ends('the new one serves', @begun);
    ok(wait_for(20, sub { !grep { $_ != $new } children($old) }),
        'F32 the old workers are done');
    kill 'QUIT', $old;
    $t->take($new);
    is_status($t->get('/v2/'), 200, 'F32 the new one is alone');
}


# USR2, WINCH, and then HUP for the old one, QUIT for the new one.

sub back {
    my $old = $t->pid;
    my $new = $t->upgrade;

    kill 'WINCH', $old;
    sleep 1;
    my @begun = begun();
    kill 'HUP', $old;
    ok(wait_for(10, sub { $t->workers_of($old) == 2 }),
        'F32 the way back: the old one has workers again');
    kill 'QUIT', $new;
    sleep 0.5;
    ends('the way back', @begun);
    ok(wait_for(20, sub { !alive($new) }), 'F32 the new one has ended');
    $t->take($old);
    is_status($t->get('/v2/'), 200, 'F32 the old one serves');
}


# A reload that finds another build of the module, at another path: nothing of
# the old one is called from then on, and the master lets go of it.

sub moved {
    my $t = Test::Registry->new(workers => 2)->run;
    my $so = module();
    my $other = $t->dir . '/other.so';
    my $l = $t->open_upload('upgrade/moved');

    copy($so, $other) or die "$other: $!\n";
    $t->patch($l, body => substr $bytes, 0, 1_200_000);

    for my $to ($other, $so) {
        local $ENV{TEST_NGINX_MODULE} = $to;

        $t->reload;
        is("@{[ grep { mapped($t->pid, $_) } $so, $other ]}", $to,
            'another build: the master has it alone');
        is_status($t->get('/v2/'), 200, 'another build: it serves');
        is_header($t->get($l), 'Range', '0-1199999',
            'another build: a session is where it was');
    }

    is_status($t->put("$l?digest=$digest",
        body => substr $bytes, 1_200_000), 201, 'another build: and ends');
    $t->finish;
}


sub mapped {
    my ($pid, $file) = @_;

    open my $fh, '<', "/proc/$pid/maps" or die "maps of $pid: $!\n";
    return scalar grep { / \Q$file\E\n\z/ } <$fh>;
}

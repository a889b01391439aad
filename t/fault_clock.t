#!/usr/bin/perl

# The machine's clock jumps while clients are at work, by a day and by a year,
# there and back. Nothing that is under way may be taken for old.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;


my ($library) = grep { -e } map { "$_/faketime/libfaketimeMT.so.1" }
    glob '/usr/lib/*-linux-gnu /usr/lib /usr/lib64';

skip_suite('libfaketime is not installed', 20) if !defined $library;

my %jumps = (
    'a day forward' => '+1d', 'a day back' => '-1d',
    'a year forward' => '+365d', 'a year back' => '-365d'
);

# The hands of nginx's clock. What runs by the monotonic one, as its own timers
# do, goes on as it would.

my %hands = (
    FAKETIME_NO_CACHE => 1,
    FAKETIME_DONT_FAKE_MONOTONIC => 1,
    NO_FAKE_STAT => 1,
    LD_PRELOAD => $library,
);

my $t = Test::Registry->new(
    workers => 2,
    main => join('', map { "env $_;\n" } 'FAKETIME_TIMESTAMP_FILE',
        sort keys %hands),
    write => { htpasswd => htpasswd(alice => 'secret'), clock => "+0\n" },
    location => <<'EOC',
registry_delete on;
registry_htpasswd clock %%DIR%%/htpasswd;
registry_allow authenticated * **;
registry_token_server on lifetime=10m;
EOC
);

{
    local %ENV = (%ENV, %hands, FAKETIME_TIMESTAMP_FILE => "$t->{dir}/clock");
    $t->run;
}

my @basic = ('Authorization', basic('alice', 'secret'));
my $alice = $t->with(@basic);
my $bytes = blob(3_000_000, 'clock');
my $digest = sha256($bytes);

jump('+0');
is_clock(0, 'the clock of nginx is ours at first');

for my $round (1 .. torture(1, 30)) {
    for my $name (sort keys %jumps) {
        jumped($name, $jumps{$name});
    }
}

finish($t);


# Puts the clock that far from ours.

sub jump {
    my ($how) = @_;

    $t->write_file('clock.new', "$how\n");
    rename "$t->{dir}/clock.new", "$t->{dir}/clock" or die "$!\n";
    sleep 0.1;
}


sub seconds_of {
    my ($how) = @_;

    return $how =~ /\A([+-]\d+)d\z/ ? $1 * 86400 : 0;
}


# By the Date of replies, and of every worker's.

sub is_clock {
    my ($offset, $name) = @_;

    my $date = $t->get('/v2/')->header('Date');
    my $at = parse_date($date);
    cmp_ok(abs($at - $offset - time), '<', 60, "F37 $name: nginx knows")
        or diag $date;
}


sub parse_date {
    my ($text) = @_;

    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;
    my ($d, $m, $y, $h, $min, $s)
        = $text =~ /(\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT/
        or return 0;

    require Time::Local;
    return Time::Local::timegm($s, $min, $h, $d, $month{$m}, $y);
}


sub token {
    my $r = $alice->get('/v2/_nginx/token?service=registry'
        . '&scope=repository:clock:pull,push');
    return $r->status == 200 ? $r->json->{token} : undef;
}


sub with_token {
    my ($token) = @_;

    return $t->with(Authorization => "Bearer $token");
}


sub jumped {
    my ($name, $how) = @_;

    jump('+0');
    my $old = token() or fail("F37 $name: a token");
    my $image = $alice->push_image('clock', 'v1', seed => $name);
    my $l = $alice->open_upload('clock');
    is_status($alice->patch($l, body => substr $bytes, 0, 1_000_000), 202,
        "F37 $name: an upload is begun");
    my $idle = $alice->open_upload('clock');

    # In the middle of a body, of a reply, and between requests.

    my $c = $t->connect(headers => [\@basic]);
    my $one = $alice->open_upload('flight');
    $c->start('PUT', "$one?digest=$digest", length => length $bytes);
    $c->send(substr $bytes, 0, 1_500_000);
    my $kept = $t->connect(headers => [\@basic]);
    $kept->get('/v2/');
    my $load = Test::Registry::Load->start($t, headers => [\@basic],
        push => 1, pull => 1, list => 1, cancel => 1, slow => 1, closes => 0);
    sleep 0.5;

    my @cpu = map { cpu_of($_) } $t->pid, children($t->pid);
    jump($how);
    is_clock(seconds_of($how), $name);

    is_status($kept->get('/v2/clock/manifests/v1'), 200,
        "F37 $name: a kept connection goes on");
    $c->send(substr $bytes, 1_500_000);
    is_status($c->reply, 201, "F37 $name: a PUT in flight ends");
    is_header($alice->get($l), 'Range', '0-999999',
        "F37 $name: the session is where it was");
    is_status($alice->patch($l, body => substr $bytes, 1_000_000, 1_000_000),
        202, "F37 $name: it goes on");
    tokens($name, seconds_of($how), $old);

    # The manager has looked round meanwhile: nothing of this is old.

    sleep torture(5.5, 20);
    my $sum = $load->stop;
    is($sum->{failed}, 0, "F37 $name: clients notice nothing")
        or diag $sum->reasons;

    is_status($alice->get($idle), 204, "F37 $name: an idle session lives");
    is_status($alice->delete($idle), 204, "F37 $name: and is cancelled");
    is_status($alice->put("$l?digest=$digest",
        body => substr $bytes, 2_000_000), 201, "F37 $name: the upload ends");
    is_whole($alice->get("/v2/clock/blobs/$digest"), $bytes,
        "F37 $name: with the right bytes");
    is_whole($alice->get('/v2/clock/manifests/v1'), $image->{bytes},
        "F37 $name: what was pushed is there");

    spins($name);
    $alice->delete("/v2/$_/blobs/$digest") for qw(clock flight);
    $c->close;
}


# Tokens follow the clock, but for the minute by which clocks may differ.

sub tokens {
    my ($name, $offset, $old) = @_;

    is_error(with_token($old)->get('/v2/clock/manifests/v1'), 401,
        'UNAUTHORIZED', "F37 $name: a token of another time is refused");
    my $new = token();
    ok(defined $new, "F37 $name: there is a new one") or return;
    is_status(with_token($new)->get('/v2/clock/manifests/v1'), 200,
        "F37 $name: which is good");
}


# Nobody is at work: nothing may keep a processor busy.

sub spins {
    my ($name) = @_;

    my @all = ($t->pid, children($t->pid));
    my $before = 0;
    $before += cpu_of($_) for @all;
    sleep 2;
    my $after = 0;
    $after += cpu_of($_) for @all;

    cmp_ok($after - $before, '<', 0.5, "F37 $name: no timer spins");
}

#!/usr/bin/perl

# Slow clients: 500 who send a byte a second and 500 who read one, the
# timeouts that end those who stop, and what is left then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Torture;


skip_suite('a worker may not open 4,000 files here', 20)
    if file_limit() < 4000;

my $n = sanitized() ? 100 : 500;
my $idle = 8;

# With the kernel's buffers at their largest it would copy for half a minute.

my $t = Test::Registry->new(workers => 1, ports => 1,
    servers => 'server { listen 127.0.0.1:%%PORT1%% sndbuf=32k;
        location /v2/ { registry %%ROOT%%; } }',
    http => "keepalive_requests 100000;
        client_body_timeout ${idle}s; send_timeout ${idle}s;")->run;

my ($pid) = $t->workers;
my $bytes = blob(8_000_000, 'slow');
my $digest = $t->push_blob('app', $bytes);

$t->push_image('warm', 'v1');
my $before = fds();

stalled();
trickle();

finish($t);


sub fds { return scalar(my @all = fds_of($pid)) }


# Requests that ended with 408.

sub logged {
    open my $fh, '<', $t->dir . '/access.log' or return 0;
    return scalar(grep { / 408 0 / } <$fh>);
}


sub serves {
    my ($when) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $begin = time;
    my $b = blob(10_000, $when);
    is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256($b),
        body => $b), 201, "A114 a push works $when");
    is_status($t->get('/v2/warm/manifests/v1'), 200, "A114 a pull $when");
    cmp_ok(time - $begin, '<', sanitized() ? 20 : 5, "A114 at once, $when");
}


# One of each kind, who sends some and then nothing: at the timeout nginx closes
# the connection, without a word, and the session goes on where it stood.

sub stalled {
    my $l = $t->open_upload('app');
    my $m = $t->open_upload('app');

    my %who = (
        'PATCH with a length' => sub {
            $_[0]->start('PATCH', $l, length => 100);
            $_[0]->send('hello') },
        'PATCH in chunks' => sub {
            $_[0]->start('PATCH', $m, chunks => []);
            $_[0]->send("5\r\nhello\r\n5\r\nwo") },
        'PATCH without a byte' => sub {
            $_[0]->start('PATCH', $t->open_upload('app'), length => 100) },
        'PUT' => sub {
            $_[0]->start('PUT', with_query($t->open_upload('app'),
                digest => sha256('x' x 100)), length => 100);
            $_[0]->send('x') },
        'POST' => sub {
            $_[0]->start('POST', with_query('/v2/app/blobs/uploads/',
                digest => sha256('x' x 100)), length => 100);
            $_[0]->send('x') },
        'a manifest' => sub {
            $_[0]->start('PUT', '/v2/app/manifests/x', length => 100,
                headers => { 'Content-Type' => OCI_MANIFEST });
            $_[0]->send('{') },
        'a large PATCH' => sub {
            $_[0]->start('PATCH', $t->open_upload('app'), length => 16_000_000);
            $_[0]->send($bytes) },
    );

    my %c = map { $_ => $t->connect } keys %who;
    my $begin = time;
    $who{$_}->($c{$_}) for sort keys %who;

    for my $who (sort keys %who) {
        ok($c{$who}->closes_within(3 * $idle), "A114 $who is closed");
        cmp_ok(time - $begin, '>', $idle - 0.5, 'at the timeout');
        is($c{$who}->buffered, '', 'without a reply');
    }

    my $log = 0;
    ok(wait_for(5, sub { ($log = logged()) == keys %who }),
        'A114 the access log says 408') or diag $log;

    is_header($t->get($l), 'Range', '0-4', 'what came by length is kept');
    is_header($t->get($m), 'Range', qr/\A0-[46]\z/,
        'and what came in chunks');
    is_status($t->put(with_query($l, digest => sha256('hello world')),
        body => ' world'), 201, 'it may be gone on with');
    $_->close for values %c;

    my @left = glob $t->repo_dir('app') . '/_uploads/*';
    is(scalar @left, 4, 'a POST leaves no session behind');
}


sub trickle {
    my $c = $t->connect;
    my $logged = logged();

    my @l = map { path_of($c->post("/v2/slow/r$_/blobs/uploads/", body => '')
        ->header('Location')) } 1 .. $n;
    $c->close;

    my @up = map { $t->connect } @l;
    my @down = map { $t->connect(port => $t->extra_port(1)) } @l;

    $up[$_]->start('PATCH', $l[$_], length => 1000) for 0 .. $n - 1;

    for my $c (@down) {
        setsockopt($c->sock, SOL_SOCKET, SO_RCVBUF, 4096);
        $c->start('GET', "/v2/app/blobs/$digest");
    }

    # A byte a second is not idle, for as long as it takes. Who reads so little
    # leaves no room in his window: that is idle, and ends.

    my $sent = torture(6, 60);
    my $peak = 0;

    for my $round (1 .. $sent) {
        my $begin = time;

        $_->send('x') for @up;
        sysread $_->sock, $_->{in}, 1, length $_->{in} for @down;

        serves("while $n send and $n read a byte a second") if $round == 4;
        my $fds = fds();
        $peak = $fds if $fds > $peak;

        my $left = 1 - (time - $begin);
        sleep $left if $left > 0;
    }

    my $closed = grep { $_->closes_within(0) } @up;
    is($closed, 0, "A114 none of $n uploads has ended");
    figure("descriptors of $n uploads and $n downloads", $peak - $before);
    cmp_ok($peak - $before, '>=', 2 * $n, 'all of them were open at once');

    # Then they stop.

    $closed = grep { $_->closes_within(3 * $idle) } @up;
    is($closed, $n, "A114 $n uploads that stopped are closed");
    ok(wait_for(10, sub { logged() == $logged + $n }),
        'A114 all of them with 408') or diag logged() - $logged;

    ok(wait_for(30, sub { fds() <= $before + 5 }),
        'S5 the descriptors of all of them are back') or diag fds();
    serves('when they are gone');

    my $right = grep { ($t->get($_)->header('Range') // '')
        eq '0-' . ($sent - 1) } @l[0 .. 19];
    is($right, 20, 'A114 the sessions stand where they were');

    my $r = $down[0]->reply;
    ok(!$r->complete && $r->body eq substr($bytes, 0, length $r->body),
        'S2 a download that was given up is cut, not ended');
    $_->close for @up, @down;
}

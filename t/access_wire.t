#!/usr/bin/perl

# Logins and the wire: bodies behind a refusal, Expect, connections that are
# kept, TLS, HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;

use Test::Registry;
use Test::Registry::HTTP2;


my $t = Test::Registry->new(
    tls => 1, h2c => 1,
    write => { users => htpasswd(alice => 'secret', bob => 'a:b::c:') },
    location => 'registry_htpasswd "The registry" %%DIR%%/users;'
        . 'registry_login_limit off; registry_delete on;',
    server => 'ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on;'
)->run;

my $alice = $t->as('alice', 'secret');
my $image = $alice->push_image('app', 'v1');
my $upload = $alice->open_upload('app');

large_body();
smuggled();
expecting();
kept_connections();
over_tls();
over_http2();
early_header();
early_data();

finish($t);


sub authorization {
    my ($value) = @_;

    return (headers => [['Authorization', $value]]);
}


sub large_body {
    for my $how (['no login', $t], ['a wrong one', $t->as('alice', 'x')]) {
        my ($what, $visitor) = @$how;
        my ($r, $sent, $piece) = (undef, 0, 'z' x 65536);

        is_soon(3, 'A89 refused at once', sub {
            $sent = 0;
            $r = $visitor->put("$upload?digest=" . sha256('x'),
                length => 1 << 30, body => sub { $sent += 65536; $piece });
        });
        is_unauthorized($r, "A89 $what in front of 1 GB");
        cmp_ok($sent, '<', 100 << 20, 'A89 the body is not read to its end');
    }
}


# A body that reads like a request is none.

sub smuggled {
    my $inner = "DELETE /v2/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n"
        . 'Authorization: ' . basic('alice', 'secret') . "\r\n\r\n";

    for my $header ('', 'Authorization: ' . basic('alice', 'x') . "\r\n") {
        my $c = $t->connect;
        $c->send("PUT /v2/app/manifests/x HTTP/1.1\r\nHost: localhost\r\n"
            . $header . 'Content-Length: ' . length($inner) . "\r\n\r\n"
            . $inner);
        is_unauthorized($c->reply(method => 'PUT'), 'A35 a PUT refused');

        my $second = $c->reply(timeout => 0.5);
        is($second->status, 0, 'A35 and no second reply comes')
            or diag $second->as_text;
    }

    is_whole($alice->get('/v2/app/manifests/v1'), $image->{bytes},
        'A35 the manifest is there');
}


sub expecting {
    my $l = $alice->open_upload('app');
    my $bytes = 'expected';

    my $r = $t->patch($l, body => $bytes, expect => 1);
    is_unauthorized($r, 'A36 Expect without a login');
    is("@{ $r->interim }", '', 'A36 is not told to go on');

    $r = $t->as('alice', 'wrong')->patch($l, body => $bytes, expect => 1);
    is_unauthorized($r, 'A36 Expect with a wrong one');
    is("@{ $r->interim }", '', 'A36 is not told to go on');

    # the client need not send the body now, and could not go on without

    for my $who ([], [authorization(basic('alice', 'wrong'))]) {
        my $c = $t->connect;
        $r = $c->patch($l, body => $bytes, expect => 1, @$who);
        is_unauthorized($r, 'A36 Expect on a kept connection');
        is_header($r, 'Connection', 'close', 'A36 which is told to end');

        $c = $t->connect;
        $r = $c->get('/v2/', headers => [['Expect', '100-continue'],
            @{ $who->[1] || [] }]);
        is_header($r, 'Connection', 'keep-alive', 'A36 without a body not');
    }

    $r = $alice->patch($l, body => $bytes, expect => 1);
    is_status($r, 202, 'A36 Expect with a login');
    is("@{ $r->interim }", '100', 'A36 goes on');
    $alice->delete($l);
}


sub kept_connections {
    my $c = $t->connect;
    my @login = authorization(basic('alice', 'secret'));

    is_unauthorized($c->get('/v2/'), 'kept connection: without');
    is_status($c->get('/v2/', @login), 200, 'with, as a client answers');
    is_unauthorized($c->get('/v2/'), 'and without again');
    is_unauthorized($c->get('/v2/', authorization(basic('alice', 'x'))),
        'wrong');

    # with its body in one piece: a client may stop sending at a refusal

    my $body = 'x' x 10_000;
    $c->send($c->head('PUT', '/v2/app/manifests/x', body => $body) . $body);
    is_unauthorized($c->reply(method => 'PUT'),
        'a PUT without: its body is read');
    is_whole($c->get('/v2/app/manifests/v1', @login), $image->{bytes},
        'with');
    is_unauthorized($c->head_request('/v2/app/manifests/v1'),
        'HEAD without');
    is_status($c->head_request('/v2/app/manifests/v1', @login), 200,
        'HEAD with');
    $c->send($c->head('POST', '/v2/app/blobs/uploads/', chunks => [])
        . "3\r\nabc\r\n0\r\n\r\n");
    is_unauthorized($c->reply(method => 'POST'), 'chunks without');
    is_status($c->get('/v2/', @login), 200, 'with');

    # several at once, each with its own answer

    $c = $t->connect;
    $c->send(join '', map { $c->head('GET', '/v2/', @$_) } [@login],
        [authorization(basic('bob', 'x'))], [], [@login]);
    is(join(' ', map { $c->reply->status } 1 .. 4), '200 401 401 200',
        'four requests in one go');
}


sub over_tls {
    is_unauthorized($t->get('/v2/', tls => 1), 'TLS: without');
    is_unauthorized($t->as('alice', 'x', tls => 1)->get('/v2/'),
        'TLS: wrong');

    my $i = eval {
        $t->as('bob', 'a:b::c:', tls => 1)->push_image('tls', 'v1')
    };
    ok($i, 'TLS: a push') or diag($@), return;
    is_whole($alice->get('/v2/tls/manifests/v1'), $i->{bytes}, 'and a pull');
}


sub over_http2 {
    my @login = ['authorization', basic('alice', 'secret')];

    for my $tls (0, 1) {
        my $name = $tls ? 'HTTP/2 over TLS' : 'HTTP/2';
        my $h = Test::Registry::HTTP2->new(
            $tls ? (port => $t->tls_port, tls => 1, ca => $t->ca)
            : (port => $t->h2c_port));

        is_unauthorized($h->request('GET', '/v2/'), "$name: without");
        is_unauthorized($h->request('GET', '/v2/', headers => [
            ['authorization', basic('alice', 'x')]]), "$name: wrong");
        is_status($h->request('GET', '/v2/', headers => [@login]), 200,
            "$name: right");
        is_unauthorized($h->request('PUT', '/v2/app/manifests/x',
            body => 'x' x 50_000), "$name: a body without");

        # Streams of one connection are strangers to each other.

        my @ids = map { $h->open_stream('GET', '/v2/app/manifests/v1',
            end => 1, headers => $_ % 2 ? [@login] : []) } 1 .. 10;
        is(join(' ', map { $h->reply($_)->status } @ids),
            join(' ', (200, 401) x 5), "$name: ten streams, every other one");

        my $r = $h->request('GET', '/v2/', headers => [@login,
            ['authorization', basic('alice', 'x')]]);
        ok($r->status == 401 || $r->status == 400,
            "A87 $name: two headers") or diag $r->as_text;
        $h->close;
    }
}


# What a proxy had as early data, as it tells (RFC 8470).

sub early_header {
    my @early = (headers => [['Early-Data', '1']]);
    my $l = $alice->open_upload('app');

    is_error($alice->put('/v2/app/manifests/v1', body => $image->{bytes},
        type => $image->{type}, @early), 425, 'UNSUPPORTED',
        'early: a manifest');
    is_error($alice->delete('/v2/app/manifests/v1', @early), 425,
        'UNSUPPORTED', 'early: a delete');
    is_error($alice->post('/v2/app/blobs/uploads/', @early), 425,
        'UNSUPPORTED', 'early: a session');
    is_error($alice->patch($l, body => 'x' x 100_000, @early), 425,
        'UNSUPPORTED', 'early: a piece');
    is_error($alice->delete($l, @early), 425, 'UNSUPPORTED',
        'early: an end');
    is_unauthorized($t->delete($l, @early), 'early: by nobody');

    is_header($alice->get($l, @early), 'Range', '0-0', 'early: how far');
    is_whole($alice->get('/v2/app/manifests/v1', @early), $image->{bytes},
        'early: a pull');
    is_status($alice->delete($l), 204, 'not early');
}


# Somebody has recorded the first that a client sent, and sends it later.

sub early_data {
    my $dir = $t->{dir};
    my $new = $alice->push_image('app', 'v2', seed => 'early');

    my $put = request('PUT', '/v2/app/manifests/moved', 'Content-Type: '
        . $image->{type}, 'Content-Length: ' . length $image->{bytes})
        . $image->{bytes};
    my $get = request('GET', '/v2/app/manifests/v2');

    $t->write_file("$dir/get", $get);
    my ($rc, $out) = run_command(30, 'sh', '-c', 'exec openssl s_client'
        . ' -tls1_3 -ign_eof -sess_out "$2" -connect "$1" <"$3"', 'sh',
        '127.0.0.1:' . $t->tls_port, "$dir/session", "$dir/get");
    like($out, qr/200 OK/, 'early data: a first connection') or return;

    my @got = map { recorded("$dir/session", $_) } $put, $get;

    is_manifest_created($alice->put('/v2/app/manifests/moved',
        body => $new->{bytes}, type => $new->{type}), 'app', $new->{digest},
        'early data: a tag');

    cmp_ok(replayed($got[1]), '>', length $new->{bytes},
        'early data: a pull is answered');
    replayed($got[0]);

    is_whole($alice->get('/v2/app/manifests/moved'), $new->{bytes},
        'early data: the tag is not moved back');
}


sub request {
    my ($method, $uri, @headers) = @_;

    return join "\r\n", "$method $uri HTTP/1.1", 'Host: localhost',
        'Authorization: ' . basic('alice', 'secret'), 'Connection: close',
        @headers, '', '';
}


# What a client sends at once that has the session: up to its early data.

sub recorded {
    my ($session, $request) = @_;

    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 1) or die "listen: $!\n";

    $t->write_file("$session.request", $request);

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec 'openssl', 's_client', '-tls1_3', '-sess_in', $session,
            '-early_data', "$session.request", '-connect',
            '127.0.0.1:' . $listener->sockport;
        exit 1;
    }

    local $SIG{ALRM} = sub { die "no early data\n" };
    alarm 60;

    my $c = $listener->accept or die "accept: $!\n";
    my ($all, $type) = ('', 0);

    while ($type != 23) {
        my $head = bytes($c, 5);
        ($type, my $length) = unpack 'C x2 n', $head;
        $all .= $head . bytes($c, $length);
    }

    alarm 0;
    close $c;
    waitpid $pid, 0;

    return $all;
}


sub bytes {
    my ($c, $n) = @_;

    my $got = '';

    while (length $got < $n) {
        sysread $c, $got, $n - length $got, length $got
            or die "the client has gone\n";
    }

    return $got;
}


# Sends it, and says how much came until the end; nobody here can read it.

sub replayed {
    my ($data) = @_;

    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->tls_port) or die "connect: $!\n";
    my $got = '';

    local $SIG{ALRM} = sub { die "no end\n" };
    alarm 60;
    syswrite $c, $data;
    1 while sysread $c, $got, 65536, length $got;
    alarm 0;

    return length $got;
}

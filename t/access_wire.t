#!/usr/bin/perl

# Logins and the wire: bodies behind a refusal, Expect, connections that are
# kept, TLS, HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::HTTP2;


my $t = Test::Registry->new(
    tls => 1, h2c => 1,
    write => { users => htpasswd(alice => 'secret', bob => 'a:b::c:') },
    location => 'registry_htpasswd "The registry" %%DIR%%/users;'
        . 'registry_login_limit off; registry_delete on;'
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

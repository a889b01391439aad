#!/usr/bin/perl

# What nginx itself refuses inside the location comes as OCI JSON too, with
# its own headers kept, and an operator's error_page wins over it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;

my $page = 'this is the page of the operator';
my @refusals = (400, 402, 403, 404, 405, 406, 409 .. 417, 421, 422, 423, 429,
    431, 451, 500 .. 505, 507);

my $t = Test::Registry->new(
    location => 'registry_delete on;',
    ports => 13,
    write => { htpasswd => "user:{PLAIN}secret\n" },
    http => <<'EOF',
limit_req_zone $server_port zone=slow:1m rate=1r/m;
limit_req_zone $server_port zone=slow429:1m rate=1r/m;
limit_conn_zone $server_port zone=conn:1m;
EOF
    servers => <<"EOF"
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        client_max_body_size 2k;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        deny all;
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
        auth_basic "A \\"quoted\\" realm";
        auth_basic_user_file %%DIR%%/htpasswd;
    }
}
server {
    listen 127.0.0.1:%%PORT4%%;
    location /v2/ {
        registry %%ROOT%%;
        limit_req zone=slow;
    }
}
server {
    listen 127.0.0.1:%%PORT5%%;
    location /v2/ {
        registry %%ROOT%%;
        limit_req zone=slow429;
        limit_req_status 429;
    }
}
server {
    listen 127.0.0.1:%%PORT6%%;
    location /v2/ {
        registry %%ROOT%%;
        auth_basic "Registry";
        auth_basic_user_file %%DIR%%/htpasswd;
        error_page 401 /custom;
        client_max_body_size 2k;
        error_page 413 =410 /custom;
        error_page 404 405 \@named;
    }
    location = /custom { default_type text/plain; return 200 "$page"; }
    location \@named { default_type text/plain; return 409 "$page"; }
}
server {
    listen 127.0.0.1:%%PORT7%%;
    location /v2/ {
        registry %%ROOT%%;
        if (\$arg_code = 400) { return 400; }
        if (\$arg_code = 403) { return 403; }
        if (\$arg_code = 404) { return 404; }
        if (\$arg_code = 429) { return 429; }
        if (\$arg_code = 500) { return 500; }
        if (\$arg_code = 503) { return 503; }
        if (\$arg_code = 301) { return 301 /elsewhere; }
    }
}
server {
    listen 127.0.0.1:%%PORT8%%;
    location /v2/ {
        registry %%ROOT%%;
        auth_request /auth;
    }
    location = /auth {
        internal;
        if (\$http_x_user = "") { return 401; }
        if (\$http_x_user = "wrong") { return 403; }
        if (\$http_x_user = "broken") { return 500; }
        return 204;
    }
}
server {
    listen 127.0.0.1:%%PORT9%%;
    location /v2/ {
        registry %%ROOT%%;
        satisfy any;
        deny all;
        auth_basic "Registry";
        auth_basic_user_file %%DIR%%/htpasswd;
    }
}
server {
    listen 127.0.0.1:%%PORT10%%;
    location /v2/ {
        registry %%ROOT%%;
        limit_except GET {
            auth_basic "Pushing";
            auth_basic_user_file %%DIR%%/htpasswd;
        }
    }
}
server {
    listen 127.0.0.1:%%PORT11%%;
    location /v2/ {
        registry %%ROOT%%;
        limit_conn conn 1;
    }
}
EOF
    . 'server { listen 127.0.0.1:%%PORT12%%; location /v2/ {'
    . ' registry %%ROOT%%;'
    . join('', map { " if (\$arg_code = $_) { return $_; }" } @refusals)
    . ' } }'
)->run;

my @login = ('Authorization', 'Basic dXNlcjpzZWNyZXQ=');
my $image = $t->push_image('app', 'v1');
my $layer = sha256($image->{layers}[0]);
my $upload = $t->open_upload('app');

too_large();
denied();
unauthorized();
everything_unauthorized();
rate_limited();
error_pages();
pages_inside();
returned();
auth_requests();
satisfy_any();
limit_except();
connections();
bad_body();
bad_body_elsewhere();
elsewhere();
every_code();
hostile_input();

finish($t);


sub at {
    my ($n) = @_;

    return (port => $t->extra_port($n));
}


sub too_large {
    my $l = $t->open_upload('app');
    my $body = 'x' x 10_000;

    is_error($t->patch($l, body => $body, at(1)), 413,
        ['SIZE_INVALID', 'MANIFEST_INVALID'], 'A30 413 for a long body');
    is_error($t->patch($l, chunks => [('x' x 1000) x 10], at(1)), 413,
        ['SIZE_INVALID', 'MANIFEST_INVALID'], 'A30 413 for chunks');
    is_error($t->push_manifest('app', 'x', $body, OCI_MANIFEST, at(1)), 413,
        ['SIZE_INVALID', 'MANIFEST_INVALID'], 'A30 413 for a manifest');
    is_error($t->put('/v2/APP/manifests/x', body => $body, at(1)), 413,
        undef, 'A30 413 comes before any look at the name');

    my $r = $t->patch($l, body => 'small', at(1));
    is_status($r, 202, 'A30 what fits still goes in') or return;
    like($r->header('Range'), qr/\A0-\d+\z/, 'A30 with a Range');
    $t->delete($l);
}


sub denied {
    for my $method (qw(GET PUT POST DELETE PATCH)) {
        is_error($t->request($method, '/v2/app/manifests/v1', body => '',
            at(2)), 403, 'DENIED', "deny all: $method");
    }

    is_error($t->head('/v2/', at(2)), 403, 'DENIED', 'deny all: HEAD');
}


sub unauthorized {
    my $r = $t->get('/v2/', at(3));

    is_error($r, 401, 'UNAUTHORIZED', 'auth_basic');
    is_header($r, 'WWW-Authenticate',
        qr/\ABasic realm="A \\?"quoted\\?" realm"/, 'the challenge is kept');
    is_status($t->get('/v2/', headers => [\@login], at(3)), 200,
        'with the password');
    is_error($t->get('/v2/', headers => [['Authorization',
        'Basic dXNlcjp3cm9uZw==']], at(3)), 401, 'UNAUTHORIZED',
        'with a wrong one');
    is_error($t->get('/v2/', headers => [['Authorization', 'Basic Og==']],
        at(3)), 401, 'UNAUTHORIZED', 'with an empty one');
    is_whole($t->get('/v2/app/manifests/v1', headers => [\@login], at(3)),
        $image->{bytes}, 'a pull with the password');

    my $l = $t->post('/v2/app/blobs/uploads/', body => '',
        headers => [\@login], at(3))->header('Location');
    $r = $t->put("$l?digest=" . sha256('login'), body => 'login',
        headers => [\@login], at(3));
    is_status($r, 201, 'a push with the password');
}


# Every route and method, right and wrong, before any look at the store: one
# and the same answer.

sub everything_unauthorized {
    my @uris = ('/v2/', '/v2/_catalog', '/v2/_catalog?n=x', '/v2/foo',
        '/v2/app/tags/list', '/v2/none/tags/list', '/v2/APP/tags/list',
        '/v2/app/manifests/v1', '/v2/app/manifests/none',
        "/v2/app/manifests/$image->{digest}", '/v2/app/manifests/.bad',
        "/v2/app/blobs/$layer", '/v2/app/blobs/sha256:x',
        '/v2/app/blobs/uploads/', '/v2/app/blobs/uploads/?digest=x',
        $upload, '/v2/app/blobs/uploads/none',
        "/v2/app/referrers/$image->{digest}",
        '/v2/app/_nginx/repository/content');
    my $want = $t->get('/v2/', at(3));
    my $names = join ',', sort map { $_->[0] } $want->headers;

    for my $uri (@uris) {
        for my $method (qw(GET HEAD POST PUT PATCH DELETE FOO)) {
            my $r = $t->request($method, $uri, body => 'x', at(3));

            my @wrong = grep { defined } (
                $r->status == 401 ? undef : 'status ' . $r->status,
                $method eq 'HEAD' || $r->body eq $want->body
                    ? undef : 'body',
                join(',', sort map { $_->[0] } $r->headers) eq $names
                    ? undef : 'header names'
            );
            ok(!@wrong, "A70 $method $uri without credentials")
                or diag "differs in: @wrong\n" . $r->as_text;
        }
    }

    is_status($t->get($upload), 204, 'A70 nothing has changed');
    is_status($t->get('/v2/app/manifests/v1'), 200, 'A70 anywhere');

    # A large body behind a refusal: the reply comes at once.

    my ($r, $sent, $piece) = (undef, 0, 'z' x 65536);
    is_soon(3, 'A89 at once', sub {
        $sent = 0;
        $r = $t->put("$upload?digest=" . sha256('x'), length => 1 << 30,
            body => sub { $sent += 65536; $piece }, at(3));
    });
    is_error($r, 401, 'UNAUTHORIZED', 'A89 401 in front of 1 GB');
    cmp_ok($sent, '<', 100 << 20, 'A89 and the body is not read to its end');
}


sub rate_limited {
    my @r = map { $t->get('/v2/', at(4)) } 1 .. 2;
    is_status($r[0], 200, 'limit_req: the first one');
    is_error($r[1], 503, undef, 'limit_req: the second one');
    is_header($r[1], 'Retry-After', qr/\A[1-9]\d*\z/);

    @r = map { $t->get('/v2/', at(5)) } 1 .. 2;
    is_status($r[0], 200, 'limit_req_status 429: the first one');
    is_error($r[1], 429, 'TOOMANYREQUESTS',
        'limit_req_status 429: the second one');
    is_header($r[1], 'Retry-After', qr/\A[1-9]\d*\z/);
}


sub error_pages {
    my $r = $t->get('/v2/', at(6));
    is($r->status, 401, 'error_page 401');
    is($r->body, $page, 'the page of the operator wins');
    is_header($r, 'WWW-Authenticate', qr/Basic/, 'the challenge is kept');

    # What nginx refuses while the body is read, too.

    $r = $t->patch($upload, body => 'x' x 3000, headers => [\@login], at(6));
    is($r->status, 410, 'error_page 413 =410');
    is($r->body, $page, 'the page of the operator wins');
    $r = $t->patch($upload, chunks => ['x' x 3000], headers => [\@login],
        at(6));
    is($r->status, 410, 'error_page 413 =410 for chunks');

    # What the registry says of its own is no error of nginx, as a reply of
    # an upstream is none: a page inherited from http {} must not hide it.

    is_error($t->get('/v2/app/manifests/none', headers => [\@login], at(6)),
        404, 'MANIFEST_UNKNOWN', 'error_page 404 leaves our 404 alone');
    is_error($t->post('/v2/', body => '', headers => [\@login], at(6)), 405,
        'UNSUPPORTED', 'error_page 405 leaves our 405 alone');

    is_whole($t->get('/v2/app/manifests/v1', headers => [\@login], at(6)),
        $image->{bytes}, 'and what is right is served');
}


# A page of the operator that stands in a location inside of the registry's.

sub pages_inside {
    for my $recursive ('off', 'on') {
        my $n = Test::Registry->new(location => <<"END")->run;
recursive_error_pages $recursive;
if (\$http_x_code = 503) { return 503; }
if (\$http_x_code = 403) { return 403; }
if (\$http_x_code = 500) { return 500; }
error_page 503 /v2/static.json;
error_page 403 /v2/returned;
error_page 500 /v2/app/manifests/v1;
location = /v2/static.json { root %%DIR%%; internal; }
location = /v2/returned { default_type text/plain; return 200 "$page"; }
END
        my $name = "recursive_error_pages $recursive";
        mkdir $n->dir . '/v2' or die "mkdir: $!\n";
        $n->write_file('v2/static.json', qq({"closed":"until noon"}\n));
        $n->push_image('app', 'v1');

        my $at = sub { $n->get('/v2/', headers => { 'X-Code' => $_[0] }) };
        my $r = $at->(503);
        is_status($r, 503, "$name: a file inside the location");
        is($r->body, qq({"closed":"until noon"}\n), 'is the page');
        is_header($r, 'ETag', qr/-/, 'with what belongs to it');

        $r = $at->(403);
        is_status($r, 403, "$name: a text inside the location");
        is($r->body, $page, 'is the page');

        # what the registry would say there is not the error, nor its headers

        $r = $at->(500);
        is_error($r, 500, undef, "$name: a page of the registry");
        has_no_header($r, $_) for qw(ETag Last-Modified Accept-Ranges);

        is_error($n->get('/v2/static.json'), 404, undef, "$name: no page");
        $n->finish;
    }
}


sub returned {
    my %codes = (400 => undef, 403 => 'DENIED', 404 => undef,
        429 => 'TOOMANYREQUESTS', 500 => undef, 503 => undef);

    for my $code (sort keys %codes) {
        is_error($t->get("/v2/app/manifests/v1?code=$code", at(7)), $code,
            $codes{$code}, "return $code");
        is_error($t->head("/v2/app/manifests/v1?code=$code", at(7)), $code,
            $codes{$code}, "return $code for HEAD");
        is_error($t->put("/v2/app/manifests/v2?code=$code", at(7),
            body => 'x' x 5000), $code, $codes{$code}, "return $code for PUT");
    }

    my $r = $t->get('/v2/?code=301', at(7));
    is($r->status, 301, 'a redirect stays one');
    is_whole($t->get('/v2/app/manifests/v1', at(7)), $image->{bytes},
        'and without a code it is served');
}


sub auth_requests {
    is_error($t->get('/v2/', at(8)), 401, 'UNAUTHORIZED', 'auth_request 401');
    is_error($t->get('/v2/', headers => { 'X-User' => 'wrong' }, at(8)), 403,
        'DENIED', 'auth_request 403');
    is_error($t->get('/v2/', headers => { 'X-User' => 'broken' }, at(8)),
        500, undef, 'auth_request 500');

    my %user = (headers => { 'X-User' => 'me' });
    is_status($t->get('/v2/', %user, at(8)), 200, 'auth_request 204');

    my $bytes = blob(200_000, 'auth_request');
    my $r = $t->post('/v2/app/blobs/uploads/', body => '', %user, at(8));
    is_status($r, 202, 'auth_request: POST');
    $r = $t->put($r->header('Location') . '?digest=' . sha256($bytes),
        body => $bytes, %user, at(8));
    is_status($r, 201, 'auth_request: PUT with a body');
    is_whole($t->get('/v2/app/blobs/' . sha256($bytes), %user, at(8)), $bytes,
        'auth_request: GET');
}


sub satisfy_any {
    my $r = $t->get('/v2/', at(9));
    is_error($r, 401, 'UNAUTHORIZED', 'satisfy any: neither');
    is_header($r, 'WWW-Authenticate', qr/\ABasic/);
    is_status($t->get('/v2/', headers => [\@login], at(9)), 200,
        'satisfy any: the password');
}


# Anybody pulls, users push, by nginx's own means.

sub limit_except {
    is_whole($t->get('/v2/app/manifests/v1', at(10)), $image->{bytes},
        'limit_except: anybody pulls');
    is_whole($t->get("/v2/app/blobs/$layer", at(10)), $image->{layers}[0],
        'limit_except: blobs too');
    is_status($t->head("/v2/app/blobs/$layer", at(10)), 200,
        'limit_except: HEAD');
    is_error($t->post('/v2/app/blobs/uploads/', body => '', at(10)), 401,
        'UNAUTHORIZED', 'limit_except: nobody pushes');

    my $r = $t->post('/v2/app/blobs/uploads/', body => '', at(10),
        headers => [\@login]);
    is_status($r, 202, 'limit_except: a user pushes');
    is_status($t->put($r->header('Location') . '?digest=' . sha256('le'),
        body => 'le', at(10), headers => [\@login]), 201,
        'limit_except: to the end');
    is_status($t->push_manifest('app', 'le', $image->{bytes}, OCI_MANIFEST,
        at(10), headers => [['Content-Type', OCI_MANIFEST], \@login]), 201,
        'limit_except: a manifest too');
}


sub connections {
    my $c = $t->connect(at(11));
    my $l = $t->open_upload('app');

    $c->start('PATCH', $l, length => 10);
    $c->send('12345');
    my $r;
    wait_for(3, sub { $r = $t->get('/v2/', at(11)); $r->status == 503 });
    is_error($r, 503, undef, 'limit_conn');
    $c->send('67890');
    is_status($c->reply, 202, 'and the one that is in goes on');
}


# Refused while the body is read: the module has begun already.

sub bad_body {
    my $l = $t->open_upload('app');
    my $c = $t->connect;

    $c->send("PATCH $l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        . "\r\n5\r\nhello\r\nzz\r\n");
    my $r = $c->reply(method => 'PATCH');
    is_error($r, 400, undef, 'A33 a bad chunk: JSON as well');

    $c = $t->connect;
    $c->send("PUT /v2/app/manifests/x HTTP/1.1\r\nHost: a\r\n"
        . "Content-Type: " . OCI_MANIFEST . "\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    $r = $c->reply(method => 'PUT');
    is_error($r, 400, undef, 'A33 a bad chunk in a manifest');
}


# An error_page that takes its time, and a client that goes on sending.

sub bad_body_elsewhere {
    my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
        or die "listen: $!\n";
    my $n = Test::Registry->new(
        location => 'error_page 400 413 500 @elsewhere;',
        server => 'location @elsewhere { proxy_ignore_client_abort on;'
            . ' proxy_pass http://127.0.0.1:' . $mute->sockport . ';'
            . ' proxy_read_timeout 700ms; }')->run;
    my @pids = $n->workers;

    for my $request ("PUT /v2/app/manifests/x",
        'PATCH ' . $n->open_upload('app'))
    {
        my $c = $n->connect;
        $c->send("$request HTTP/1.1\r\nHost: a\r\n"
            . "Content-Type: " . OCI_MANIFEST . "\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        sleep 0.1;
        $c->send("zz\r\n");
        sleep 0.1;
        $c->send('more');
        like($c->reply(method => 'PUT')->status, qr/^(?:502|504)\z/,
            "A33 a bad chunk, answered by another: $request");
    }

    is("@{[$n->workers]}", "@pids", 'and no worker died of it');
    $n->finish;
}


# Outside the location nginx speaks as it always does.

sub elsewhere {
    my $r = $t->get('/nothing/here');

    is($r->status, 404, 'outside the location');
    like($r->header('Content-Type'), qr{text/html}, 'errors are HTML');
    has_no_header($r, 'Docker-Distribution-Api-Version');
}


# Whatever status an operator's configuration ends a request with.

sub every_code {
    for my $code (@refusals) {
        for my $method (qw(GET PUT DELETE)) {
            is_error($t->request($method,
                "/v2/app/manifests/v1?code=$code", body => 'x', at(12)),
                $code, undef, "R1 $code on $method");
        }
        is_error($t->head("/v2/app/manifests/v1?code=$code", at(12)), $code,
            undef, "R1 $code on HEAD");
    }
}


# What is wrong with a reply that repeats what a client said: R1 in full.

sub wrong_with {
    my ($r, $mark) = @_;

    return () if $r->status < 400;

    my $body = $r->body;
    my $text = $body;
    my ($e) = ref $r->json eq 'HASH' && ref $r->json->{errors} eq 'ARRAY'
        ? @{ $r->json->{errors} } : {};

    return (
        ($r->header('Content-Type') // '') eq 'application/json'
            ? () : 'the type',
        ($e->{code} // '') =~ /\A[A-Z_]+\z/ ? () : 'the code',
        length($e->{message} // '') ? () : 'no message',
        (grep { !/\A(?:code|message|detail)\z/ } keys %$e),
        utf8::decode($text) ? () : 'bad UTF-8',
        $body =~ /[\x00-\x1f](?!\z)/ ? 'control bytes' : (),
        (map { "header $_->[0]" } grep { index("@$_", $mark) >= 0
            || $_->[1] =~ /[^ -~]/ } $r->headers)
    );
}


# Every route, with whatever does not belong there: JSON, and nothing of what
# came in but escaped, and nothing of it in a header.

sub hostile_input {
    my $mark = 'iNpUt';
    my @evil = map { $_ . $mark } '%22%3e%3cscript%3e', '%0d%0aX-Evil:%20',
        '%1b%5b31m', '%ff%fe', '%c0%80', '%ed%a0%80', '%5c%22', "\x80\xff",
        '%e2%80%a8', '%7f', '%5cu0022', '%25n%25s', "'", '%3c/script%3e';
    my @places = ('/v2/%s', '/v2/%s/tags/list', '/v2/app/%s',
        '/v2/app/manifests/%s', '/v2/app/manifests/sha256:%s',
        '/v2/app/blobs/%s', '/v2/app/blobs/sha256:%s',
        '/v2/app/blobs/uploads/%s', '/v2/app/referrers/%s',
        '/v2/app/tags/list?n=%s', '/v2/app/tags/list?last=%s',
        '/v2/_catalog?n=%s', '/v2/_catalog?last=%s',
        "/v2/app/referrers/$image->{digest}?artifactType=%s",
        '/v2/app/blobs/uploads/?digest=%s',
        '/v2/app/blobs/uploads/?digest-algorithm=%s',
        '/v2/app/blobs/uploads/?mount=%s',
        "/v2/app/blobs/uploads/?mount=$layer&from=%s",
        "/v2/app/manifests/$image->{digest}?tag=%s", '/v2/%s/_nginx/repository'
            . '/content', "$upload?digest=%s");
    my ($asked, $refused) = (0, 0);

    for my $place (@places) {
        my @wrong;

        for my $evil (@evil) {
            for my $method (qw(GET PUT POST PATCH DELETE)) {
                my $r = $t->request($method, sprintf($place, $evil),
                    body => 'x', headers => [['Content-Type', $evil]]);
                $asked++;
                $refused++ if $r->status >= 400;
                push @wrong, map { "$method $evil: $_" } wrong_with($r, $mark);
                push @wrong, "$method $evil: status " . $r->status
                    if !$r->status || $r->status >= 500;
            }
        }

        same_list(\@wrong, [], "R1 $place");
    }

    cmp_ok($refused, '>', $asked * 0.7, "R1 of $asked requests most are "
        . 'refused') or diag $refused;

    # What stands in headers and in a body.

    my @wrong;
    for my $evil ('"><script>', "\xff\xfe", "\xc0\x80", '\\"', "a\x7fb",
        "\xed\xa0\x80", '%0d%0aX:y')
    {
        my $l = $t->open_upload('app');
        push @wrong, map { "Content-Range $evil: $_" } wrong_with($t->patch($l,
            body => 'x', headers => [['Content-Range', "$evil$mark"]]), $mark);
        push @wrong, map { "Content-Type $evil: $_" } wrong_with(
            $t->push_manifest('app', 'x', '{}', "$evil$mark"), $mark);
        push @wrong, map { "mediaType $evil: $_" } wrong_with(
            $t->push_manifest('app', 'x', "{\"schemaVersion\":2,"
                . '"mediaType":"' . $evil =~ s/(["\\])/\\$1/gr
                . "$mark\"}"), $mark);
        push @wrong, map { "a key $evil: $_" } wrong_with(
            $t->push_manifest('app', 'x', "{\"$evil$mark\":1}"), $mark);
        $t->delete($l);
    }
    same_list(\@wrong, [], 'R1 headers and bodies');
}

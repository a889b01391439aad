#!/usr/bin/perl

# The ping, unknown routes, methods, the version header, CORS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $ui = 'https://ui.example';

my $t = Test::Registry->new(
    location => 'registry_delete on;',
    ports => 3,
    write => { htpasswd => "user:{PLAIN}secret\n" },
    servers => <<"EOF",
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_cors_origin $ui https://other.example:8443;
        auth_basic "Registry";
        auth_basic_user_file %%DIR%%/htpasswd;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    registry_cors_origin *;
    location /v2/ {
        registry %%ROOT%%;
    }
}
EOF
)->run;

my $digest = sha256('');
my $image = $t->push_image('app', 'one');
my $layer = sha256($image->{layers}[0]);
my $upload = $t->open_upload('app');

ping();
unknown_routes();
methods();
version_header();
no_cors();
cors_list();
cors_any();

finish($t);


sub ping {
    my $r = $t->get('/v2/');
    is_status($r, 200, 'GET /v2/');

    my $type = $r->header('Content-Type') // '';
    ok($type ne 'application/json' || ref $r->json,
        'a body that calls itself JSON is JSON');

    is_status($t->get('/v2/?x=1'), 200, 'GET /v2/ with a query');
    is_status($t->get('//v2///'), 200, 'A13 GET //v2///');

    my $head = $t->head('/v2/');
    is_status($head, 200, 'HEAD /v2/');
    is($head->header('Content-Length'), $r->header('Content-Length'),
        'HEAD and GET of /v2/ give the same length');

    $r = $t->get('/v2');
    is($r->status, 301, 'A13 GET /v2 leads to /v2/, as nginx does it');
    like($r->header('Location') // '', qr{/v2/\z}, 'A13 to /v2/');

    is_status($t->get($_), 200, "A13 GET $_ is /v2/") for '/v2/.', '/v2/%2e';
    is($t->get('/V2/')->status, 404, 'A13 GET /V2/ is elsewhere');
}


sub unknown_routes {
    for my $uri (qw(/v2/foo /v2/app /v2/app/tags /v2/app/tags/other
        /v2/app/blob/x /v2/app/images/json /v2/a/b/c/d /v2/app/tags/list/x))
    {
        is_error($t->get($uri), 404, 'UNSUPPORTED', "GET $uri");
    }

    is_error($t->put('/v2/foo', body => 'x'), 404, 'UNSUPPORTED',
        'PUT on an unknown route');
    is_error($t->delete('/v2/foo'), 404, 'UNSUPPORTED',
        'DELETE on an unknown route');
    is_error($t->head('/v2/foo'), 404, 'UNSUPPORTED',
        'HEAD on an unknown route');

    my $r = $t->get('/v1/search?q=x');
    is($r->status, 404, 'GET /v1/search is 404, as podman search asks it');
}


# Each route with the methods that it has; every other one is 405.

sub methods {
    my @table = (
        ['/v2/', qw(GET HEAD)],
        ['/v2/_catalog', qw(GET HEAD)],
        ['/v2/app/tags/list', qw(GET HEAD)],
        ["/v2/app/referrers/$digest", qw(GET HEAD)],
        ["/v2/app/blobs/$layer", qw(GET HEAD DELETE)],
        ['/v2/app/manifests/one', qw(GET HEAD PUT DELETE)],
        ["/v2/app/manifests/$image->{digest}", qw(GET HEAD PUT DELETE)],
        ['/v2/app/blobs/uploads/', qw(POST)],
        [$upload, qw(GET PATCH PUT DELETE)],
        ['/v2/app/_nginx/repository/content', qw(DELETE)]
    );

    for my $row (@table) {
        my ($uri, @known) = @$row;
        my %known = map { $_ => 1 } @known, 'OPTIONS';
        $known{HEAD} = 1 if $known{GET};

        my $options = $t->options($uri);
        is_status($options, 204, "OPTIONS $uri");
        is(join(' ', sort map { split /\s*,\s*/ } $options->headers('Allow')),
            join(' ', sort keys %known), 'names what there is');

        for my $method (qw(GET HEAD POST PUT PATCH DELETE MKCOL FOO)) {
            next if $known{$method};

            my $r = $t->request($method, $uri, body => '');
            is_error($r, 405, 'UNSUPPORTED', "$method $uri");

            my %allow = map { $_ => 1 }
                map { split /\s*,\s*/ } $r->headers('Allow');
            ok(!(grep { !$allow{$_} } @known) && !$allow{$method},
                "Allow on $method $uri names what there is")
                or diag $r->as_text;
        }
    }

    for my $method (qw(PUT PATCH DELETE GET)) {
        is_error($t->request($method, '/v2/app/blobs/uploads/', body => ''),
            405, 'UNSUPPORTED', "A42 $method on uploads/ without id");
    }
}


sub version_header {
    my %replies = (
        'a ping' => $t->get('/v2/'),
        'a manifest' => $t->get('/v2/app/manifests/one'),
        'a blob' => $t->get("/v2/app/blobs/$layer"),
        'a range' => $t->get("/v2/app/blobs/$layer",
            headers => { Range => 'bytes=0-1' }),
        '304' => $t->get("/v2/app/blobs/$layer",
            headers => { 'If-None-Match' => "\"$layer\"" }),
        '416' => $t->get("/v2/app/blobs/$layer",
            headers => { Range => 'bytes=99999-' }),
        'a tag list' => $t->get('/v2/app/tags/list'),
        'the catalog' => $t->get('/v2/_catalog'),
        'referrers' => $t->get("/v2/app/referrers/$digest"),
        'an upload' => $t->post('/v2/app/blobs/uploads/', body => ''),
        'a status' => $t->get($upload),
        '404' => $t->get('/v2/app/manifests/none'),
        '405' => $t->post('/v2/', body => ''),
        '400' => $t->get('/v2/APP/manifests/one'),
    );

    for my $what (sort keys %replies) {
        is_header($replies{$what}, 'Docker-Distribution-Api-Version',
            'registry/2.0', "the version header on $what");
    }
}


sub preflight {
    my ($port, $origin) = @_;

    return $t->options('/v2/app/manifests/one', port => $t->extra_port($port),
        headers => [['Origin', $origin],
            ['Access-Control-Request-Method', 'PUT'],
            ['Access-Control-Request-Headers', 'authorization,content-type']]);
}


sub no_cors {
    my $r = preflight(0, $ui);

    is_status($r, 204, 'OPTIONS where no origin is allowed');
    has_no_header($r, 'Access-Control-Allow-Origin',
        'and nothing is allowed by it');
    has_no_header($t->get('/v2/', headers => { Origin => $ui }),
        'Access-Control-Allow-Origin', 'nor by a GET');
}


sub cors_list {
    my $r = preflight(1, $ui);

    is_status($r, 204, 'a preflight is answered without credentials');
    is($r->body, '', 'it has no body');
    is_header($r, 'Access-Control-Allow-Origin', $ui);
    is_header($r, 'Access-Control-Allow-Methods', qr/\bPUT\b/);
    is_header($r, 'Access-Control-Allow-Methods', qr/\bPATCH\b/);
    is_header($r, 'Access-Control-Allow-Methods', qr/\bDELETE\b/);
    is_header($r, 'Access-Control-Allow-Headers', qr/authorization/i);
    is_header($r, 'Access-Control-Allow-Headers', qr/content-type/i);
    like(join(',', $r->headers('Vary')), qr/\borigin\b/i, 'Vary: Origin');

    is_header(preflight(1, 'https://other.example:8443'),
        'Access-Control-Allow-Origin', 'https://other.example:8443',
        'the second origin of the list');

    for my $origin ('https://ui.example.evil.test', 'http://ui.example',
        'https://ui.example:8443', 'https://other.example', 'null')
    {
        $r = preflight(1, $origin);
        has_no_header($r, 'Access-Control-Allow-Origin',
            "origin $origin is not allowed");
    }

    # nor is a reply without an origin to be shown to one that has one

    for my $origin ([], [['Origin', 'https://ui.example.evil.test']]) {
        $r = $t->get('/v2/', port => $t->extra_port(1), headers => $origin);
        like(join(',', $r->headers('Vary')), qr/\borigin\b/i,
            'Vary: Origin where there is none that matches');
    }

    $r = $t->get('/v2/', port => $t->extra_port(1),
        headers => { Origin => $ui });
    is_error($r, 401, 'UNAUTHORIZED', 'a plain request needs credentials');
    is_header($r, 'WWW-Authenticate', qr/\ABasic realm="Registry"/);
    is_header($r, 'Access-Control-Allow-Origin', $ui,
        'the 401 may be read by the page');
    is_header($r, 'Access-Control-Expose-Headers', qr/WWW-Authenticate/i);

    $r = $t->get('/v2/app/manifests/one', port => $t->extra_port(1),
        headers => { Origin => $ui, Authorization => 'Basic dXNlcjpzZWNyZXQ=' });
    is_status($r, 200, 'a request with credentials and an origin');
    is_header($r, 'Access-Control-Allow-Origin', $ui);
    is_header($r, 'Access-Control-Expose-Headers', qr/Docker-Content-Digest/i);
    is_header($r, 'Access-Control-Expose-Headers', qr/\bLink\b/i);
    like(join(',', $r->headers('Vary')), qr/\borigin\b/i, 'Vary: Origin');
}


sub cors_any {
    my $r = preflight(2, 'https://anything.example');

    is_status($r, 204, 'a preflight where every origin is allowed');
    is_header($r, 'Access-Control-Allow-Origin', '*');
    has_no_header($r, 'Access-Control-Allow-Credentials',
        'never with credentials');
}

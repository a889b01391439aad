#!/usr/bin/perl

# What nginx -t refuses, and with which sentence; configurations that must
# work as they stand.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET ();
use Test::More;
use Test::Registry;


refusals();
acceptances();
smallest();
several_roots();
one_root_twice();
relative_root();
linked_root();
in_front();
led_inside();
plain_inside();
one_process();
reload_keeps();
refused_late();
threads();
event_methods();
unprivileged();

done_testing();


# nginx -t on a configuration: exit code and text.

sub check {
    my (%o) = @_;

    my $t = Test::Registry->new(%o);
    my @got = $t->check;
    return (@got, $t);
}


# Refused, with [emerg], the directive or its value, and file and line.

sub is_refused {
    my ($name, $pattern, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($rc, $text) = check(%o);
    my ($line) = grep { /\[emerg\]/ } split /\n/, $text;

    my $ok = ok($rc > 0 && defined $line && $line =~ $pattern
        && $line =~ m{nginx\.conf:\d+\z}, "refused: $name");
    diag "exit code $rc, wanted $pattern with file and line\n$text" if !$ok;
    return $ok;
}


sub is_accepted {
    my ($name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($rc, $text) = check(%o);
    return ok($rc == 0, "accepted: $name") || diag $text;
}


sub refusals {
    my $arguments = qr/invalid number of arguments in "registry\w*" directive/;
    my $place = qr/"registry\w*" directive is not allowed here/;
    my $duplicate = qr/"registry\w*" directive is duplicate/;
    my $value = qr/invalid|must be|expected/;

    my $location = sub { body => "server { listen 127.0.0.1:%%PORT%%;"
        . " location /v2/ { $_[0] } }" };

    is_refused('registry without a root', $arguments,
        $location->('registry;'));
    is_refused('registry with two roots', $arguments,
        $location->('registry %%ROOT%% %%DIR%%;'));
    is_refused('registry with an empty root', qr/registry/,
        $location->('registry "";'));
    is_refused('registry twice', $duplicate,
        location => 'registry %%DIR%%/other;');
    is_refused('registry in server', $place, server => 'registry %%DIR%%;');
    is_refused('registry in http', $place, http => 'registry %%DIR%%;');
    is_refused('registry where nobody asks',
        qr{in location "/images/" would never be asked},
        body => "server { listen 127.0.0.1:%%PORT%%;\n"
            . 'location /images/ { registry %%ROOT%%; } }');
    is_refused("registry behind $_", qr/"registry" .*a location of its own/,
        $location->("$_; registry %%ROOT%%;")) for 'registry_metrics',
            'registry_health', 'stub_status', 'proxy_pass http://127.0.0.1:1';
    is_refused("registry before $_", qr/"registry" .*a location of its own/,
        $location->("registry %%ROOT%%; $_;")) for 'stub_status',
            'proxy_pass http://127.0.0.1:1';
    is_refused('a root that is a file', qr/registry/,
        write => { file => 'x' }, $location->('registry %%DIR%%/file;'));
    is_refused('a root with a file above it', qr/registry/,
        write => { file => 'x' }, $location->('registry %%DIR%%/file/below;'));

    for my $flag (qw(registry_delete registry_sparse_index)) {
        is_refused("$flag maybe", qr/invalid value "maybe" in "$flag"/,
            location => "$flag maybe;");
        is_refused("$flag twice", $duplicate,
            location => "$flag on; $flag off;");
        is_refused("$flag alone", $arguments, location => "$flag;");
    }

    for my $size (qw(registry_manifest_max_size registry_upload_buffer_size
        registry_zone_size))
    {
        my @where = $size eq 'registry_zone_size' ? 'http' : 'location';

        is_refused("$size $_", qr/$size|invalid value/, $where[0], "$size $_;")
            for qw(x -1 1x 1.5m 99999999999999999999);
        is_refused("$size 0", qr/$size|invalid value/, $where[0], "$size 0;");
        is_refused("$size twice", qr/$size|duplicate/, $where[0],
            "$size 4m; $size 4m;");
        is_refused("$size alone", $arguments, $where[0], "$size;");
    }

    is_refused('buffers that are too small', qr/registry_upload_buffer_size/,
        location => 'registry_upload_buffer_size 63k;');
    is_refused('a zone that is too small', qr/registry_zone_size|zone/,
        http => 'registry_zone_size 4k;');
    is_refused('a zone in a server', $place,
        server => 'registry_zone_size 16m;');

    is_refused('an unknown thread pool', qr/unknown thread pool "nowhere"/,
        location => 'registry_thread_pool nowhere;');
    is_refused('a thread pool without a name', $arguments,
        location => 'registry_thread_pool;');
    is_refused('a thread pool twice', $duplicate,
        main => 'thread_pool a threads=1;',
        location => 'registry_thread_pool a; registry_thread_pool a;');

    is_refused('an origin without a name', $arguments,
        location => 'registry_cors_origin;');
    is_refused("the origin $_", qr/registry_cors_origin/,
        location => "registry_cors_origin $_;")
        for 'ui.example', 'https://ui.example/', 'https://ui.example/path',
            '""', 'https://', '"https://a b"';

    is_refused('a directive nobody knows',
        qr/unknown directive "registry_nonsense"/,
        location => 'registry_nonsense on;');
}


sub acceptances {
    is_accepted('everything at its default', location => '');
    is_accepted('every directive', main => 'thread_pool mine threads=4;',
        http => 'registry_zone_size 8m;', location => <<'EOF');
registry_delete on;
registry_manifest_max_size 8m;
registry_sparse_index on;
registry_cors_origin https://ui.example http://127.0.0.1:8080;
registry_upload_buffer_size 256k;
registry_thread_pool mine;
EOF
    is_accepted('every directive of a server', server => <<'EOF');
registry_delete on;
registry_manifest_max_size 8m;
registry_sparse_index on;
registry_cors_origin *;
registry_upload_buffer_size 256k;
registry_thread_pool default;
EOF
    is_accepted('every directive of http', http => <<'EOF');
registry_delete on;
registry_manifest_max_size 8m;
registry_sparse_index on;
registry_cors_origin *;
registry_upload_buffer_size 256k;
registry_thread_pool default;
registry_zone_size 1m;
EOF
    is_accepted('the module loaded and not used', body => <<'EOF');
server { listen 127.0.0.1:%%PORT%%; }
EOF
    is_accepted('the feed and who may have it', server =>
        'location = /v2/feed { registry_events; registry %%ROOT%%; }');
    is_accepted('somebody else inside of it', location =>
        'location /v2/old/ { proxy_pass http://127.0.0.1:1; }');
    is_accepted('inherited and overridden', http => 'registry_delete on;',
        server => 'registry_delete off;', location => 'registry_delete on;');

    # nginx -t as root makes nothing that a worker could not use.

    my ($rc, $text, $t) = check(user => 'nobody');
    is($rc, 0, 'nginx -t with another user') or diag $text;
    my @made = grep { -e && (stat _)[4] == 0 } glob $t->root . '/*';
    is("@made", '', 'makes no files of root in the store');
}


# The block of the README, with a push and a pull.

sub works {
    my ($t, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $image = eval { $t->push_image('some/app', 'v1', http => \%o,
        layers => [blob(2_500_000, $name)], seed => $name) };
    ok($image, "$name: a push") or diag($@), return 0;
    my $d = sha256($image->{layers}[0]);
    is_whole($t->get('/v2/some/app/manifests/v1', %o), $image->{bytes},
        "$name: the manifest");
    return is_whole($t->get("/v2/some/app/blobs/$d", %o),
        $image->{layers}[0], "$name: the layer");
}


sub smallest {
    my $so = Test::Registry::Binary::module();
    my $load = $so eq '' ? '' : "load_module $so;";
    my $user = $> == 0 ? 'user root;' : '';

    my $t = Test::Registry->new(conf => <<"EOF")->run;
$load
$user
daemon off;
pid %%DIR%%/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path %%DIR%%/temp/body;
    server {
        listen 127.0.0.1:%%PORT%%;
        location /v2/ {
            registry %%ROOT%%;
            registry_delete on;
        }
    }
}
EOF
    works($t, 'the smallest configuration');
    $t->finish;
}


sub several_roots {
    my $t = Test::Registry->new(ports => 1, location => 'registry_delete on;',
        server => 'location /v2/team/ { registry %%DIR%%/team; }',
        servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ { registry %%DIR%%/second; }
}
EOF
    my $one = $t->push_image('app', 'v1', seed => 'one');
    my $team = $t->push_image('team/app', 'v1', seed => 'team');
    my $two = $t->push_image('app', 'v1', seed => 'two',
        http => { port => $t->extra_port(1) });

    is_whole($t->get('/v2/app/manifests/v1'), $one->{bytes}, 'first root');
    is_whole($t->get('/v2/team/app/manifests/v1'), $team->{bytes},
        'a location inside it has its own');
    is_whole($t->get('/v2/app/manifests/v1', port => $t->extra_port(1)),
        $two->{bytes}, 'another server has its own');

    ok(-d "$t->{dir}/$_/docker/registry/v2/repositories", "$_ is in use")
        for qw(data team second);
    ok(!-e "$t->{dir}/data/docker/registry/v2/repositories/team",
        'and they do not mix');
    is_json_list($t->get('/v2/_catalog'), 'repositories', ['app'],
        'a catalog is of one root');
    is_error($t->delete('/v2/team/app/manifests/v1'), 405, 'UNSUPPORTED',
        'switches are of one location');
    is_status($t->delete('/v2/app/manifests/v1'), 202, 'and of the other');

    $t->finish(roots => ["$t->{dir}/team", "$t->{dir}/second"]);
}


sub one_root_twice {
    my $t = Test::Registry->new(ports => 1, servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ { registry %%ROOT%%; registry_delete on; }
}
EOF
    my $image = $t->push_image('app', 'v1');
    my $l = $t->open_upload('app');
    my %second = (port => $t->extra_port(1));

    is_whole($t->get('/v2/app/manifests/v1', %second), $image->{bytes},
        'one root in two servers');
    is_status($t->patch($l, body => 'one', %second), 202,
        'an upload goes on in the other one');
    is_status($t->put("$l?digest=" . sha256('one two'), body => ' two'), 201,
        'and back');
    is_status($t->delete('/v2/app/manifests/v1', %second), 202,
        'deleted in one');
    is_error($t->get('/v2/app/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
        'gone in the other');
    $t->finish;
}


sub relative_root {
    my $t = Test::Registry->new(body => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT%%;
    location /v2/ { registry data; }
}
EOF
    works($t, 'a root relative to the prefix');
    ok(-d "$t->{dir}/data/docker/registry/v2", 'it lies below the prefix');
    $t->finish;
}


# The root, or a directory above it, may be a symbolic link that the operator
# made; links inside the store are another matter.

sub linked_root {
    my $t = Test::Registry->new(body => <<'EOF');
server {
    listen 127.0.0.1:%%PORT%%;
    location /v2/ { registry %%DIR%%/way/to/data; }
}
EOF
    mkdir "$t->{dir}/real";
    mkdir "$t->{dir}/real/store";
    mkdir "$t->{dir}/way";
    symlink '../real', "$t->{dir}/way/to" or die "symlink: $!\n";
    symlink 'store', "$t->{dir}/real/data" or die "symlink: $!\n";
    $t->run;
    works($t, 'a root behind symbolic links');
    ok(-d "$t->{dir}/real/store/docker/registry/v2", 'it lies where they lead');
    $t->finish(roots => ["$t->{dir}/real/store"]);
}


# nginx's own modules in front of the location.

sub in_front {
    my $t = Test::Registry->new(
        write => { htpasswd => "user:{PLAIN}secret\n" },
        http => 'limit_req_zone $remote_addr zone=r:1m rate=1000r/s;'
            . 'map $request_method $log { default 1; }'
            . 'log_format mine "$request_method $status $request_length";',
        server => 'set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;'
            . 'access_log %%DIR%%/mine.log mine if=$log;',
        location => 'auth_basic "Registry";'
            . 'auth_basic_user_file %%DIR%%/htpasswd;'
            . 'limit_req zone=r burst=100; allow 127.0.0.1; deny all;'
            . 'limit_rate 100m; add_header X-Mine yes always;'
            . 'keepalive_timeout 5s; sendfile on; tcp_nopush on;')->run;
    my %login = (headers => [['Authorization', 'Basic dXNlcjpzZWNyZXQ='],
        ['Content-Type', OCI_MANIFEST]]);

    works($t, 'auth_basic, limit_req, allow, limit_rate', %login);
    is_header($t->get('/v2/', %login), 'X-Mine', 'yes', 'add_header');
    is_header($t->get('/v2/none/tags/list', %login), 'X-Mine', 'yes',
        'add_header on an error');
    $t->finish;
}


# An internal location, which clients cannot name, is asked for what a rewrite
# makes of its URI.

sub led_inside {
    my $t = Test::Registry->new(body => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT%%;
    location /v2/ { rewrite ^(.*)$ /inside$1 last; client_max_body_size 0; }
    location /inside/ {
        internal;
        rewrite ^/inside(.*)$ $1 break;
        registry %%ROOT%%;
    }
}
EOF
    works($t, 'an internal location');
    $t->finish;
}


# A location inside of ours without a "registry" is none, whatever the method.

sub plain_inside {
    my $t = Test::Registry->new(location => 'location /v2/plain/ {'
        . ' limit_except GET { allow all; } }'
        . ' limit_except GET { allow all; }')->run;

    for my $name ('plain/app', 'app') {
        is_status($t->post("/v2/$name/blobs/uploads/", body => ''),
            $name eq 'app' ? 202 : 404, "limit_except: $name");
    }

    works($t, 'limit_except');
    $t->finish;
}


sub one_process {
    my $t = Test::Registry->new(master => 0)->run;

    works($t, 'master_process off');
    my $bytes = blob(300_000, 'single');
    my $l = $t->open_upload('app');
    is_status($t->patch($l, chunks => [unpack '(a10000)*', $bytes]), 202,
        'master_process off: PATCH');
    is_status($t->put("$l?digest=" . sha512($bytes), body => ''), 201,
        'master_process off: PUT');
    $t->finish;
}


# A reload with other values takes them; with a broken file it changes
# nothing.

sub reload_keeps {
    my $t = Test::Registry->new(workers => 2,
        location => 'registry_delete off;')->run;
    my $image = $t->push_image('app', 'v1');

    is_error($t->delete('/v2/app/manifests/v1'), 405, 'UNSUPPORTED',
        'off before the reload');
    $t->{location} = 'registry_delete on;';
    $t->reload;
    $t->push_manifest('app', 'v2', $image->{bytes});
    is_status($t->delete('/v2/app/manifests/v2'), 202, 'on after it');

    $t->{location} = 'registry_delete perhaps;';
    $t->allow_log(qr/\[emerg\].*perhaps/);
    $t->reload(broken => 1);
    is_status($t->get('/v2/app/manifests/v1'), 200,
        'F33 a broken file leaves the old one in force');
    like($t->log_text, qr/\[emerg\].*perhaps.*nginx\.conf:\d+/,
        'F33 and says where');

    $t->{location} = 'registry_delete on;';
    $t->{http} = 'registry_zone_size 4m;';
    $t->reload;
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'a zone of another size');
    is_whole($t->get("/v2/app/manifests/$image->{digest}"), $image->{bytes},
        'by digest too');

    $t->{location} = 'registry_delete on; registry_upload_buffer_size 64k;';
    $t->reload;
    works($t, 'after four reloads');
    $t->finish;
}


# A configuration without a registry, refused for a port that is taken: nginx
# knows that only when all else of it is in place.

sub refused_late {
    my $t = Test::Registry->new(workers => 1,
        location => 'if ($http_x_no) { return 403; }')->run;
    my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "listen: $!\n";
    my $port = $taken->sockport;

    $t->{body} = "server { listen 127.0.0.1:$port; }";
    $t->allow_log(qr/\[emerg\].*bind\(\)/);
    $t->reload(broken => 1);
    ok(wait_for(10, sub { $t->log_text =~ /still could not bind/ }),
        'F33 a port is taken');
    delete $t->{body};

    $t->kill_worker;
    is_status($t->get('/v2/'), 200, 'F33 a worker started after that');
    is_header($t->get('/v2/'), 'Docker-Distribution-Api-Version',
        'registry/2.0', 'F33 has our headers');
    is_error($t->get('/v2/', headers => { 'X-No' => 1 }), 403, 'DENIED',
        'F33 and our words');
    works($t, 'after a configuration that was refused late');
    $t->finish;
}


sub threads {
    for my $pool ('one threads=1', 'many threads=16 max_queue=1000') {
        my ($name) = $pool =~ /\A(\w+)/;
        my $t = Test::Registry->new(main => "thread_pool $pool;",
            location => "registry_thread_pool $name;")->run;

        works($t, "thread_pool $pool");
        $t->finish;
    }

    for my $size (qw(64k 4m)) {
        my $t = Test::Registry->new(
            location => "registry_upload_buffer_size $size;")->run;
        works($t, "buffers of $size");
        $t->finish;
    }
}


# Workers without rights of their own: what the store needs, they can do.

sub unprivileged {
    SKIP: {
        skip_tests('this test must run as root', 8) if $> != 0;

        my $t = Test::Registry->new(user => 'nobody', workers => 2)->run;
        works($t, 'user nobody');

        my $uid = getpwnam 'nobody';
        my ($odd) = grep { (stat)[4] != $uid }
            glob $t->root . '/docker/registry/v2/*/*';
        is($odd, undef, 'everything belongs to the workers');
        $t->finish;

        # A root that the workers may not write to.

        $t = Test::Registry->new(user => 'nobody')->run;
        chown 0, 0, $t->root;
        chmod 0755, $t->root;
        my @rest = glob $t->root . '/*';
        system('chown', '-R', '0:0', @rest) if @rest;
        my $r = $t->post('/v2/app/blobs/uploads/', body => '');
        ok($r->status >= 500, 'a root that may not be written: 5xx')
            or diag $r->as_text;
        is_error($r, $r->status, undef, 'as JSON');
        is_status($t->get('/v2/'), 200, 'the ping still answers');
        like($t->log_text, qr/\[crit\].*(?:denied|\(13)/i,
            'and the log says why');
        $t->finish(audit => 0);
    }
}


# Threads cannot wake up an event loop of select or poll: refused, unless this
# nginx does not have the method anyway.

sub event_methods {
    for my $method (qw(select poll)) {
        my ($rc, $text) = check(events => "use $method;");

        ok($rc > 0 && $text =~ /needs thread pools|invalid event type/,
            "refused: events with use $method") || diag $text;
    }

    my $t = Test::Registry->new->run;
    $t->allow_log(qr/\[emerg\].*(?:needs thread pools|invalid event type)/);
    $t->{events} = 'use poll;';
    $t->reload(broken => 1);
    ok(wait_for(10, sub { $t->log_text =~ /\[emerg\]/ }),
        'F33 at a reload, too');
    is_status($t->get('/v2/'), 200, 'F33 with all as it was');
    delete $t->{events};
    ok(eval { $t->reload; 1 }, 'F33 and the next reload is done') or diag $@;
    $t->finish;
}

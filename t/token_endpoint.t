#!/usr/bin/perl

# Tokens of our own: handed out, accepted, and worth no more than the login
# they were handed out for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Files;
use Test::Registry::Login ();


my %password = (ann => 'one', bob => 'two', eve => 'three');
my $users = Test::Registry::Login::htpasswd(%password);

my $common = <<'EOF2';
        registry %%ROOT%%;
        registry_delete on;
        registry_htpasswd "The Registry" %%DIR%%/users;
EOF2

my $t = Test::Registry->new(
    ports => 5,
    workers => 2,
    tls => 1,
    http => 'log_format who "$registry_auth:$registry_user";'
        . ' access_log %%DIR%%/who.log who;',
    write => {
        users => $users, others => $users, robots => "# none yet\n"
    },
    location => <<'EOF2',
        registry_delete on;
        registry_htpasswd "The Registry" %%DIR%%/users;
        registry_allow anonymous pull public/**;
        registry_allow ann * **;
        registry_allow bob pull,push bob/**;
EOF2
    servers => <<"EOF2",
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
$common
        registry_token_server on realm=https://\$http_host/t service=here
                              lifetime=1h algorithm=EdDSA refresh=off;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "Others" %%DIR%%/others;
        registry_token_server on;
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    location /v2/ {
$common
    }
}
server {
    listen 127.0.0.1:%%PORT4%%;
    location /v2/ {
$common
        registry_access_tokens %%DIR%%/robots;
        registry_token_server on;
        registry_allow ann pull,push bob/**;
    }
}
EOF2
)->run;

my $token = '/v2/_nginx/token';
my $key = $t->root . '/docker/registry/nginx/token.key';

my $admin = grant('ann', 'repository:public/app:pull,push',
    'repository:bob/app:push,pull', 'registry:catalog:*');

push_all();
key_file();
reply();
challenges();
anonymous();
granted();
logins();
requests();
refreshing();
elsewhere();
robots();
routes();
rotation();
revoked();

finish($t);


sub login {
    my ($user, $pass) = @_;
    return [[Authorization =>
        Test::Registry::Login::basic($user, $pass // $password{$user})]];
}


sub bearer { return [[Authorization => "Bearer $_[0]"]] }


# A reply of the endpoint; nobody asks when the user is undef.

sub ask {
    my ($user, @scopes) = @_;

    my $query = join '&', map { "scope=$_" } @scopes;
    return $t->get("$token?service=registry&$query",
        headers => defined $user ? login($user) : []);
}


sub grant {
    my $r = ask(@_);
    is_status($r, 200, 'a token for ' . ($_[0] // 'nobody'));
    return ($r->json || {})->{token} // '';
}


sub claims {
    my (undef, $claims) = split /\./, $_[0];
    $claims =~ tr{-_}{+/};
    return JSON::PP::decode_json(decode_base64($claims));
}


sub form {
    my (%form) = @_;

    return $t->post($token,
        headers => [['Content-Type' => 'application/x-www-form-urlencoded']],
        body => join '&', map { "$_=" . escape($form{$_}) } sort keys %form);
}


sub push_all {
    for my $repo ('public/app', 'bob/app') {
        my $image = image();

        for my $data ($image->{config}, @{ $image->{layers} }) {
            my $digest = sha256($data);
            my $r = $t->post("/v2/$repo/blobs/uploads/?digest=$digest",
                headers => bearer($admin), body => $data);
            is_status($r, 201, "a blob of $repo by token");
        }

        my $r = $t->put("/v2/$repo/manifests/one", headers => [
                @{ bearer($admin) }, ['Content-Type' => $image->{type}]
            ], body => $image->{bytes});
        is_status($r, 201, "a manifest of $repo by token");
    }
}


sub key_file {
    my @stat = stat $key;
    is($stat[2] & 07777, 0600, 'the key is for its owner alone');
    is(scalar(() = slurp($key) =~ /BEGIN PRIVATE KEY/g), 1, 'there is one');
    is_deeply([glob "$key.*"], [], 'and nothing beside it');
}


sub reply {
    my $r = ask('ann', 'repository:public/app:pull', 'repository:a:delete');
    my $json = $r->json;

    is_header($r, 'Cache-Control', 'no-store', 'a token is kept by nobody');
    is_header($r, 'Content-Type', 'application/json', 'it is JSON');
    is($json->{token}, $json->{access_token}, 'it goes by two names');
    is($json->{expires_in}, 300, 'it lives so long');
    like($json->{issued_at}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z/, 'since');
    is($json->{scope}, 'repository:public/app:pull repository:a:delete',
        'what it is for');
    ok(!exists $json->{refresh_token}, 'no refresh token unless asked for');

    my $claims = claims($json->{token});
    is($claims->{sub}, 'ann', 'whose it is');
    is($claims->{aud}, 'registry', 'for whom');
    unlike($r->body . slurp($t->error_log), qr/\Q$password{ann}\E\b/,
        'no password in it');

    is_status($t->head("$token?service=registry", headers => login('ann')),
        200, 'HEAD');
}


sub challenges {
    my $host = 'localhost:' . $t->port;
    my $realm = "Bearer realm=\"http://$host$token\",service=\"registry\"";

    is_header($t->get('/v2/'), 'WWW-Authenticate', $realm, 'the ping');
    is_header($t->get('/v2/bob/app/manifests/one'), 'WWW-Authenticate',
        "$realm,scope=\"repository:bob/app:pull\"", 'to pull');
    is_header($t->post('/v2/public/app/blobs/uploads/'), 'WWW-Authenticate',
        "$realm,scope=\"repository:public/app:pull,push\"", 'to push');

    my $r = $t->get('/v2/', headers => bearer('a.b.c'));
    is_header($r, 'WWW-Authenticate', "$realm,error=\"invalid_token\"",
        'junk');

    my $bob = grant('bob', 'repository:bob/app:pull');
    $r = $t->get('/v2/public/app/tags/list', headers => bearer($bob));
    is_status($r, 401, 'not for this');
    is_header($r, 'WWW-Authenticate', "$realm,scope=\"repository:public/app"
        . ":pull\",error=\"insufficient_scope\"", 'which is said');

    $r = $t->get('/v2/', headers => [[Host => 'registry.example:8443']]);
    like($r->header('WWW-Authenticate'),
        qr{realm="http://registry\.example:8443/v2/}, 'the name of the host');

    $r = $t->get('/v2/', headers => [['X-Forwarded-Proto' => 'https']]);
    like($r->header('WWW-Authenticate'), qr{realm="http://},
        'A96: what a client says of the scheme is not believed');

    $r = $t->get('/v2/', tls => 1);
    like($r->header('WWW-Authenticate'), qr{realm="https://}, 'TLS');

    $r = $t->connect(port => $t->extra_port(1))->get('/v2/');
    is_header($r, 'WWW-Authenticate', 'Bearer realm="https://localhost:'
        . $t->extra_port(1) . '/t",service="here"', 'a realm with a variable');
}


sub anonymous {
    my $r = ask(undef, 'repository:public/app:pull,push',
        'repository:bob/app:pull');
    is_status($r, 200, 'a token for nobody');
    is($r->json->{scope}, 'repository:public/app:pull',
        'for what everybody may do');

    my $nobody = bearer($r->json->{token});
    is_status($t->get('/v2/', headers => $nobody), 200, 'the ping');
    is_status($t->get('/v2/public/app/manifests/one', headers => $nobody),
        200, 'pulls');
    is_status($t->get('/v2/bob/app/manifests/one', headers => $nobody), 401,
        'and not what is private');
    is_status($t->post('/v2/public/app/blobs/uploads/', headers => $nobody),
        401, 'nor does it push');
    is($t->get('/v2/bob/app/manifests/one', headers => $nobody)->message,
        'a login is required', 'for which there are logins');

    $r = $t->get("$token?service=registry&offline_token=true");
    ok(!exists $r->json->{refresh_token}, 'nobody has no refresh token');
}


sub granted {
    my @rows = (
        ['bob', 'repository:bob/app:pull,push,delete',
            'repository:bob/app:pull,push'],
        ['bob', 'repository:ann/app:pull', ''],
        ['bob', 'repository:bob/app:*', 'repository:bob/app:pull,push'],
        ['ann', 'repository:x:push', 'repository:x:push,update'],
        ['ann', 'registry:catalog:*', 'registry:catalog:*'],
        ['bob', 'registry:catalog:*', ''],
        ['eve', 'repository:bob/app:pull', ''],
        ['ann', 'plugin:x:pull', ''],
        ['ann', 'repository:X:pull', ''],
        ['ann', '', '']
    );

    for (@rows) {
        my ($user, $scope, $got) = @$_;
        my $r = ask($user, $scope);
        is_status($r, 200, "$user asks for '$scope'");
        is($r->json->{scope}, $got, 'and gets');
    }

    my $bob = grant('bob', 'repository:bob/app:push,pull');
    is_status($t->get('/v2/_catalog', headers => bearer($bob)), 401,
        'no catalogue');
    is_status($t->delete('/v2/bob/app/manifests/one',
        headers => bearer($bob)), 401, 'no delete');
    is($t->delete('/v2/bob/app/manifests/one', headers => bearer($bob))
        ->message, 'access is denied: it takes the right "delete"',
        'and bob, who has a login, learns what it takes');
    is_status($t->get('/v2/_catalog', headers => bearer($admin)), 200,
        'the catalogue');
}


sub wrong {
    my ($r, $name) = @_;

    is_error($r, 401, 'UNAUTHORIZED', $name);
    is_header($r, 'WWW-Authenticate', 'Basic realm="The Registry"',
        'by a password');
    is_header($r, 'Cache-Control', 'no-store', 'for once');
}


sub logins {
    my $query = "$token?service=registry";

    wrong($t->get($query, headers => login('ann', 'bad')), 'wrong');
    wrong($t->get($query, headers => login('nobody', 'x')), 'unknown');
    is($t->get($query, headers => login(@$_))->message,
        'the user name or password is wrong', "$_->[0] is told so")
        for ['ann', 'bad'], ['nobody', 'x'];
    wrong($t->get($query, headers => [[Authorization => 'Basic Og==']]),
        'empty');
    wrong($t->get($query, headers => [[Authorization => 'Basic !']]), 'junk');
    wrong($t->get($query, headers => bearer($admin)), 'a token for a token');
    # nginx itself lets nobody send two

    like($t->get($query, headers => [
            @{ login('ann') }, @{ login('ann') }
        ])->status, qr/\A40[01]\z/, 'A87: two of them');
    wrong($t->get("$query&username=ann&password=$password{ann}",
            headers => login('ann', 'bad')),
        'a password in a query counts for nothing');
    wrong(form(grant_type => 'password', service => 'registry',
        client_id => 'x', username => 'ann', password => 'bad'),
        'a wrong one in a form');

    # a worker writes its line after the answer, so others' may follow it
    my $logged = sub {
        return scalar(() = slurp($t->dir . '/who.log') =~ /^htpasswd:ann$/mg);
    };
    my $before = $logged->();
    my $r = form(grant_type => 'password', service => 'registry',
        client_id => 'x', username => 'ann', password => $password{ann},
        scope => 'repository:a:pull repository:b:push',
        access_type => 'offline');
    is_status($r, 200, 'a right one');
    is($r->json->{scope}, 'repository:a:pull repository:b:push,update',
        'for all that stands there');
    ok(wait_for(5, sub { $logged->() > $before }), 'the log says who');
    ok($r->json->{refresh_token}, 'with a refresh token');
}


sub requests {
    my $ann = login('ann');

    for ("service=other", "service=registry&service=registry", "scope=%zz",
        'scope=' . join '+', map { "repository:r$_:pull" } 1 .. 100)
    {
        my $r = $t->get("$token?$_", headers => $ann);
        is_status($r, 400, substr $_, 0, 40);
        ok($r->json->{error} && $r->json->{errors}[0]{code}, 'in both ways');
    }

    my @forms = (
        [invalid_request => grant_type => ''],
        [unsupported_grant_type => grant_type => 'client_credentials'],
        [invalid_request => grant_type => 'password', username => 'ann'],
        [invalid_request => grant_type => 'refresh_token'],
        [invalid_grant => grant_type => 'refresh_token',
            refresh_token => 'a.b.c'],
        [invalid_grant => grant_type => 'refresh_token',
            refresh_token => $admin],
        [invalid_request => grant_type => 'password', username => 'ann',
            password => $password{ann}, service => 'other']
    );

    for (@forms) {
        my ($error, %form) = @$_;
        my $r = form(%form);
        is_status($r, 400, "$error: " . join ',', sort keys %form);
        is($r->json->{error}, $error, 'in the words of OAuth');
    }

    my $r = $t->post($token, body => 'x' x 70000);
    is_error($r, 413, 'SIZE_INVALID', 'a form too large');
    is_status($t->get($token, headers => $ann), 200, 'nothing asked for');
    is_status($t->get($token . '?scope=' . ('x' x 4000), headers => $ann),
        200, 'junk asked for');
}


sub refreshing {
    my $r = $t->get("$token?service=registry&offline_token=true"
        . '&account=ann&client_id=docker', headers => login('ann'));
    my $refresh = $r->json->{refresh_token};
    ok($refresh, 'a refresh token');

    is_status($t->get('/v2/', headers => bearer($refresh)), 401,
        'it is no token');

    $r = form(grant_type => 'refresh_token', refresh_token => $refresh,
        service => 'registry', client_id => 'docker',
        scope => 'repository:bob/app:pull');
    is_status($r, 200, 'but brings one');
    ok(!exists $r->json->{refresh_token}, 'and no other of its kind');
    is_status($t->get('/v2/bob/app/manifests/one',
        headers => bearer($r->json->{token})), 200, 'that pulls');

    my $c = $t->connect(port => $t->extra_port(1));
    $r = $c->get("$token?service=here&offline_token=true",
        headers => login('ann'));
    is_status($r, 200, 'where there are none');
    ok(!exists $r->json->{refresh_token}, 'none is given');
    is($r->json->{expires_in}, 3600, 'and the tokens live longer');
}


# One key, and other passwords.

sub elsewhere {
    my $c = $t->connect(port => $t->extra_port(2));

    is_status($c->get('/v2/', headers => bearer($admin)), 401,
        'a token of other passwords');

    my $r = $c->get("$token?service=registry", headers => login('ann'));
    is_status($r, 200, 'who logs in there');
    is_status($t->get('/v2/', headers => bearer($r->json->{token})), 401,
        'is not known here');
    is_status($c->get('/v2/', headers => bearer($r->json->{token})), 200,
        'but there');
}


sub routes {
    for my $method (qw(PUT PATCH DELETE FOO)) {
        my $r = $t->request($method, $token);
        is_error($r, 405, 'UNSUPPORTED', $method);
        is_header($r, 'Allow', 'GET, HEAD, POST, OPTIONS', 'Allow');
    }

    my $c = $t->connect(port => $t->extra_port(3));

    for my $method (qw(GET POST PUT)) {
        is_status($c->request($method, $token), 401,
            "$method without a token server");
        is_error($c->request($method, $token, headers => login('ann')), 404,
            'UNSUPPORTED', 'is an unknown path');
    }

    is_error($c->get('/v2/', headers => bearer($admin)), 401, 'UNAUTHORIZED',
        'nor are tokens good there');
}


# Access tokens: what they may do, their tokens may, and no longer.

sub robots {
    my $file = $t->dir . '/robots';
    my $port = $t->extra_port(4);

    for (['puller', '--allow', 'pull:bob/**'],
        ['pusher', '--allow', 'pull,push:**', '--user', 'ann'])
    {
        my ($name, @rest) = @$_;
        my $r = ctl('token', 'create', $file, $name, '--expires', '1d',
            @rest);
        ($password{$name}) = $r->{out} =~ /(ngxreg_\w+)/;
        ok($password{$name}, "an access token, $name") or diag $r->{err};
    }

    my $ask = sub {
        my ($user, $scope) = @_;
        my $r = $t->get("$token?service=registry&scope=$scope"
            . '&offline_token=true', port => $port, headers => login($user));
        is_status($r, 200, "$user asks for $scope");
        return $r->json;
    };
    my $try = sub {
        my ($method, $path, $token) = @_;
        return $t->request($method, "/v2/$path", port => $port,
            headers => bearer($token));
    };

    my $puller = $ask->('puller', 'repository:bob/app:pull,push');
    is($puller->{scope}, 'repository:bob/app:pull', 'and gets what it may');
    is_status($try->('GET', 'bob/app/manifests/one', $puller->{token}), 200,
        'it pulls');
    is_status($try->('POST', 'bob/app/blobs/uploads/', $puller->{token}), 401,
        'and does not push');

    my $pusher = $ask->('pusher', 'repository:bob/app:pull,push,delete');
    is($pusher->{scope}, 'repository:bob/app:pull,push',
        'as much as its owner');
    is($ask->('pusher', 'repository:public/app:pull')->{scope}, '',
        'and no more');
    is_status($try->('POST', 'bob/app/blobs/uploads/', $pusher->{token}), 202,
        'it pushes');

    is_status($t->get('/v2/', headers => bearer($puller->{token})), 401,
        'nowhere else');

    my $refresh = sub {
        return $t->post($token, port => $port,
            body => 'grant_type=refresh_token&scope=repository:bob/app:push'
            . "&refresh_token=$pusher->{refresh_token}");
    };

    my $r = $refresh->();
    is_status($r, 200, 'a refresh token of an access token');
    is($r->json->{scope}, 'repository:bob/app:push', 'brings what that may');
    is_status($try->('POST', 'bob/app/blobs/uploads/', $r->json->{token}),
        202, 'and does it');

    is(ctl('token', 'revoke', $file, 'pusher')->{rc}, 0, 'it is revoked');
    is_status($try->('POST', 'bob/app/blobs/uploads/', $pusher->{token}), 401,
        'no more of it');
    is_status($refresh->(), 400, 'nor of its refresh token');
    is_status($try->('GET', 'bob/app/manifests/one', $puller->{token}), 200,
        'the other one stays');
}


# A new key in front: old tokens stay good, new ones are signed by it.

sub rotation {
    is(ctl('key', 'rotate', '--algorithm', 'EdDSA', $key)->{rc}, 0,
        'a new key');

    my $after = '';

    for (1 .. 20) {
        is_status($t->get('/v2/_catalog', headers => bearer($admin)), 200,
            "an old token, $_");
        $after = grant('ann', 'registry:catalog:*');
        is_status($t->get('/v2/_catalog', headers => bearer($after)), 200,
            'a new one');
    }

    my ($header) = split /\./, $after;
    like(decode_base64($header), qr/"alg":"EdDSA"/, 'by the new key');

    my ($new) = slurp($key) =~ /\A(-----BEGIN.*?-----END[^\n]*\n)/s;
    $t->write_file("$key.new", $new);
    chmod 0600, "$key.new";
    rename "$key.new", $key or die "$key: $!\n";

    is_status($t->get('/v2/_catalog', headers => bearer($admin)), 401,
        'the old key is gone');
    is_status($t->get('/v2/_catalog', headers => bearer($after)), 200,
        'the new one stays');
}


sub revoked {
    my $ann = grant('ann', 'registry:catalog:*');
    my $r = $t->get("$token?service=registry&offline_token=true",
        headers => login('bob'));
    my ($bob, $refresh) = @{ $r->json }{qw(token refresh_token)};

    is_status($t->get('/v2/', headers => bearer($bob)), 200, 'bob is there');

    my $path = $t->dir . '/users';
    $t->write_file("$path.new", Test::Registry::Login::htpasswd(ann => 'new'));
    rename "$path.new", $path or die "$path: $!\n";

    is_status($t->get('/v2/', headers => bearer($bob)), 401,
        'A77: bob is gone');
    is_status(form(grant_type => 'refresh_token', refresh_token => $refresh),
        400, 'A77: and does not come back');
    is_status($t->get('/v2/_catalog', headers => bearer($ann)), 401,
        'A77: with another password ann has to log in anew');
    $password{ann} = 'new';
    grant('ann');

    unlink $path;
    $t->allow_log(qr/is gone/);
    is_status($t->get('/v2/_catalog', headers => bearer($ann)), 503,
        'no passwords, no answer');
    is_status(ask('ann'), 503, 'nor a token');
}

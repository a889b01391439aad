#!/usr/bin/perl

# Tokens of our own: handed out, accepted, and worth no more than the login
# they were handed out for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use JSON::PP ();
use POSIX ();
use MIME::Base64 qw(encode_base64 decode_base64);
use Test::More;
use Test::Registry;


my $hash = '$2y$04$abcdefghijklmnopqrstuu';
my %password = (ann => 'one', bob => 'two', eve => 'three');
my $users = join '', map { "$_:" . crypt($password{$_}, $hash) . "\n" }
    sort keys %password;

my $common = <<'EOF2';
        registry %%ROOT%%;
        registry_delete on;
        registry_htpasswd "The Registry" %%DIR%%/users;
EOF2

my $signer = new_key();
my $stranger = new_key();

my $t = Test::Registry->new(
    ports => 5,
    workers => 2,
    tls => 1,
    http => 'log_format who "$registry_auth:$registry_user";'
        . ' access_log %%DIR%%/who.log who;',
    write => {
        users => $users, others => $users, certs => public_half($signer)
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
        registry %%ROOT%%;
        registry_token realm=auto:/tokens service=s issuer=i
                       certs=%%DIR%%/certs;
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
foreign();
routes();
rotation();
revoked();

finish($t);


sub basic {
    my ($user, $pass) = @_;
    return [[Authorization => 'Basic '
        . encode_base64("$user:" . ($pass // $password{$user}), '')]];
}


sub bearer { return [[Authorization => "Bearer $_[0]"]] }


# A reply of the endpoint; nobody asks when the user is undef.

sub ask {
    my ($user, @scopes) = @_;

    my $query = join '&', map { "scope=$_" } @scopes;
    return $t->get("$token?service=registry&$query",
        headers => defined $user ? basic($user) : []);
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

    is_status($t->head("$token?service=registry", headers => basic('ann')),
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

    wrong($t->get($query, headers => basic('ann', 'bad')), 'wrong');
    wrong($t->get($query, headers => basic('nobody', 'x')), 'unknown');
    wrong($t->get($query, headers => [[Authorization => 'Basic Og==']]),
        'empty');
    wrong($t->get($query, headers => [[Authorization => 'Basic !']]), 'junk');
    wrong($t->get($query, headers => bearer($admin)), 'a token for a token');
    # nginx itself lets nobody send two

    like($t->get($query, headers => [
            @{ basic('ann') }, @{ basic('ann') }
        ])->status, qr/\A40[01]\z/, 'A87: two of them');
    wrong($t->get("$query&username=ann&password=$password{ann}",
            headers => basic('ann', 'bad')),
        'a password in a query counts for nothing');
    wrong(form(grant_type => 'password', service => 'registry',
        client_id => 'x', username => 'ann', password => 'bad'),
        'a wrong one in a form');

    my $r = form(grant_type => 'password', service => 'registry',
        client_id => 'x', username => 'ann', password => $password{ann},
        scope => 'repository:a:pull repository:b:push',
        access_type => 'offline');
    is_status($r, 200, 'a right one');
    is($r->json->{scope}, 'repository:a:pull repository:b:push,update',
        'for all that stands there');
    like(slurp($t->dir . '/who.log'), qr/^htpasswd:ann\n\z/m,
        'the log says who');
    ok($r->json->{refresh_token}, 'with a refresh token');
}


sub requests {
    my $ann = basic('ann');

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
        . '&account=ann&client_id=docker', headers => basic('ann'));
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
        headers => basic('ann'));
    is_status($r, 200, 'where there are none');
    ok(!exists $r->json->{refresh_token}, 'none is given');
    is($r->json->{expires_in}, 3600, 'and the tokens live longer');
}


# One key, and other passwords.

sub elsewhere {
    my $c = $t->connect(port => $t->extra_port(2));

    is_status($c->get('/v2/', headers => bearer($admin)), 401,
        'a token of other passwords');

    my $r = $c->get("$token?service=registry", headers => basic('ann'));
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
        is_error($c->request($method, $token, headers => basic('ann')), 404,
            'UNSUPPORTED', 'is an unknown path');
    }

    is_error($c->get('/v2/', headers => bearer($admin)), 401, 'UNAUTHORIZED',
        'nor are tokens good there');
}


# A new key in front: old tokens stay good, new ones are signed by it.

sub rotation {
    my $old = slurp($key);
    my $new = `openssl genpkey -algorithm ed25519`;

    $t->write_file("$key.new", $new . $old);
    chmod 0600, "$key.new";
    rename "$key.new", $key or die "$key: $!\n";

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
        headers => basic('bob'));
    my ($bob, $refresh) = @{ $r->json }{qw(token refresh_token)};

    is_status($t->get('/v2/', headers => bearer($bob)), 200, 'bob is there');

    my $path = $t->dir . '/users';
    $t->write_file("$path.new", join '', map {
        $_ eq 'bob' ? () : "$_:" . crypt($_ eq 'ann' ? 'new' : 'three', $hash)
            . "\n"
    } sort keys %password);
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


# What an outside token server does, with Ed25519 and nothing but openssl.

sub new_key {
    my $pem = `openssl genpkey -algorithm ed25519`;
    die "openssl: $?\n" if $pem !~ /BEGIN PRIVATE KEY/;
    return $pem;
}


# In a directory with the files "key" and "in".

sub openssl {
    my ($pem, $input, @command) = @_;

    my $dir = File::Temp::tempdir(CLEANUP => 1);
    for (['key', $pem], ['in', $input]) {
        open my $fh, '>:raw', "$dir/$_->[0]" or die "$dir: $!\n";
        print {$fh} $_->[1];
        close $fh or die "$dir: $!\n";
    }

    system("cd $dir && openssl @command -out out") == 0
        or die "openssl @command: $?\n";
    return slurp("$dir/out");
}


sub public_half { return openssl($_[0], '', 'pkey', '-in', 'key', '-pubout') }


sub sign {
    my ($pem, %claims) = @_;

    my $text = join '.', map { base64url(to_json($_)) }
        { alg => 'EdDSA' }, {
            iss => 'i', aud => 's', sub => 'zoe', exp => time + 100,
            access => [
                { type => 'repository', name => 'bob/app',
                    actions => ['pull'] }
            ], %claims
        };

    return "$text." . base64url(
        openssl($pem, $text, 'pkeyutl', '-sign', '-rawin', '-inkey', 'key',
            '-in', 'in'));
}


sub base64url {
    my $text = encode_base64($_[0], '');
    $text =~ tr{+/=}{-_}d;
    return $text;
}


sub foreign {
    my $port = $t->extra_port(4);
    my $get = sub {
        my ($token, $path) = @_;
        return $t->get('/v2/' . ($path // 'bob/app/manifests/one'),
            port => $port, headers => bearer($token));
    };

    is_header($t->get('/v2/', port => $port), 'WWW-Authenticate',
        "Bearer realm=\"http://localhost:$port/tokens\",service=\"s\"",
        'a challenge that leads elsewhere');

    my $good = sign($signer);
    is_status($get->($good), 200, 'a token of another server') for 1 .. 3;
    is_status($get->($good, ''), 200, 'is a login');
    is_status($get->($good, 'public/app/manifests/one'), 401,
        'and good for what it says');

    is_status($get->(sign($stranger)), 401, 'one that nobody knows');
    is_status($get->(sign($signer, iss => 'I')), 401, 'another issuer');
    is_status($get->(sign($signer, aud => ['x', 't'])), 401, 'not for us');
    is_status($get->(sign($signer, aud => ['x', 's'])), 200, 'for us, too');
    is_status($get->(sign($signer, exp => time - 61)), 401, 'expired');
    is_status($get->(sign($signer, exp => time - 50)), 200, 'in the leeway');
    is_status($get->($admin), 401, 'one of ours');
    is_status($t->get('/v2/', headers => bearer($good)), 401,
        'nor is it good with us');

    # an upload outlives the token it was begun with

    my $push = [
        { type => 'repository', name => 'a', actions => ['push', 'pull'] }
    ];
    my $old = sign($signer, exp => time - 600, access => $push);

    is_status($t->post('/v2/a/blobs/uploads/', port => $port,
        headers => bearer($old)), 401, 'A41: nothing begins too late');

    my $r = $t->post('/v2/a/blobs/uploads/', port => $port,
        headers => bearer(sign($signer, access => $push)));
    is_status($r, 202, 'an upload');

    my $upload = $r->header('Location');
    is_status($t->patch($upload, port => $port, headers => bearer($old),
        body => 'data'), 401, 'A41: it was begun with another token');

    my ($id) = $upload =~ m{([^/]+)\z};
    $t->write_file($t->root . "/docker/registry/v2/repositories/a/_uploads"
        . "/$id/startedat", POSIX::strftime('%Y-%m-%dT%H:%M:%SZ',
            gmtime(time - 1000)));

    is_status($t->patch($upload, port => $port, headers => bearer($old),
        body => 'data'), 202, 'A41: one from before goes on');
    is_status($t->put(with_query($upload, digest => sha256('data')),
        port => $port, headers => bearer($old)), 201, 'A41: to its end');
    is_status($t->head('/v2/a/blobs/' . sha256('data'), port => $port,
        headers => bearer($old)), 401, 'A41: and no further');

    my $older = sign($signer, exp => time - 13 * 3600, access => $push);
    $r = $t->post('/v2/a/blobs/uploads/', port => $port,
        headers => bearer(sign($signer, access => $push)));
    is_status($t->patch($r->header('Location'), port => $port,
        headers => bearer($older), body => 'data'), 401,
        'A41: nor for ever');

    # keys are read anew

    rename $t->write_file('certs.new', public_half($stranger)),
        $t->dir . '/certs' or die "certs: $!\n";
    is_status($get->($good), 401, 'a key that is named no more');
    is_status($get->(sign($stranger)), 200, 'one that is now');
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar(<$fh>) // '';
}

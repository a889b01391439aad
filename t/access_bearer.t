#!/usr/bin/perl

# Tokens of an outside token server: what one allows, what the challenge asks
# for, rules and passwords beside it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::HTTP2;
use Test::Registry::Token;


my $key = new_key('p256');
my $realm = 'https://auth.example/token?a=b';
my $named = 'service=registry.example issuer=issuer.example '
    . 'jwks=%%DIR%%/jwks.json';
my $tls = tls_files();

my @locations = (
    '',
    "registry_token realm=$realm $named;"
        . 'registry_groups %%DIR%%/groups;'
        . 'registry_allow @dev pull,push app;'
        . 'registry_allow anonymous pull public/**;',
    "registry_token realm=$realm $named;"
        . 'registry_htpasswd "R" %%DIR%%/users;',
    "registry_token realm=auto $named;",
    "registry_token realm=auto:/my/token $named;"
);

my $n = 0;
my $servers = join '', map {
    $n++;
    my $listen = $n == 4 ? "listen 127.0.0.1:%%PORT6%% ssl;\n"
        . "ssl_certificate $tls->{crt}; ssl_certificate_key $tls->{key};" : '';
    "server {\nlisten 127.0.0.1:%%PORT$n%%;\n$listen\n"
        . "location /v2/ { registry %%ROOT%%; registry_delete on;\n$_\n}\n}\n"
} @locations;

my $t = Test::Registry->new(
    ports => $n + 1, h2c => 1, servers => $servers,
    write => {
        'jwks.json' => jwks($key->jwk(kid => 'k')),
        users => htpasswd(alice => 'secret'), groups => "dev: alice\n"
    },
    location => "registry_token realm=$realm $named; registry_delete on;"
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $image = image();
$open->push_image($_, 'v1', image => $image) for qw(app other public/x);
my $layer = sha256($image->{layers}[0]);
my $no_id = '00000000-0000-4000-8000-000000000000';

no_token();
scopes();
a_push();
owners();
challenges();
with_rules();
with_passwords();
automatic_realm();
spellings();
over_http2();

finish($t);


# A good token that grants this.

sub granted {
    my (@access) = @_;

    return jwt($key, claims(access => \@access), { kid => 'k' });
}


sub lets_in {
    my ($token, $name, %where) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_whole($t->bearing($token, %where)->get('/v2/app/manifests/v1'),
        $image->{bytes}, $name);
}


sub no_token {
    is_challenged($t->get('/v2/'), { scheme => 'Bearer', realm => $realm,
        service => 'registry.example', scope => undef, error => undef },
        'the ping without a token');
    is_challenged($t->get('/v2/app/manifests/v1'), { scheme => 'Bearer',
        realm => $realm, scope => 'repository:app:pull', error => undef },
        'a pull without a token');
    is_header($t->get('/v2/'), 'WWW-Authenticate', "Bearer realm=\"$realm\","
        . 'service="registry.example"', 'written as distribution does');

    for my $scheme ('Basic', 'basic') {
        is_challenged($t->with(Authorization => "$scheme Og==")->get('/v2/'),
            { scheme => 'Bearer', realm => $realm }, 'Basic, empty');
    }
    is_challenged($t->as('alice', 'secret')->get('/v2/'),
        { scheme => 'Bearer', realm => $realm },
        'Basic where there is no password file');

    is_status($t->bearing(granted())->get('/v2/'), 200,
        'the ping with a token that grants nothing');
    is_status($t->bearing(jwt($key, claims(sub => '', access => []),
        { kid => 'k' }))->get('/v2/'), 200,
        'and one of nobody in particular');
}


# What a token allows, of one repository and of another one.

sub scopes {
    my @ask = (
        [pull => 'GET', '/v2/{r}/manifests/v1', 200],
        [pull => 'HEAD', "/v2/{r}/blobs/$layer", 200],
        [pull => 'GET', '/v2/{r}/tags/list', 200],
        [pull => 'GET', "/v2/{r}/referrers/$image->{digest}", 200],
        [push => 'GET', "/v2/{r}/blobs/uploads/$no_id", 404],
        [push => 'PUT', '/v2/{r}/manifests/v1', 400],
        [delete => 'DELETE', '/v2/{r}/manifests/none', 404],
        [delete => 'DELETE', '/v2/{r}/blobs/' . sha256('none'), 404]
    );
    my %actions = (pull => ['pull'], push => ['push'], delete => ['delete'],
        'pull push' => ['pull', 'push'], 'push pull' => ['push', 'pull'],
        '*' => ['*'], none => [], unknown => ['read', 'x']);

    for my $name (sort keys %actions) {
        my $visitor = $t->bearing(granted(access('app', @{ $actions{$name} }),
            access('third', 'pull', 'push', 'delete')));
        my %may = map { $_ => 1 } @{ $actions{$name} };

        for (@ask) {
            my ($action, $method, $path, $status) = @$_;
            for my $repo (qw(app other)) {
                my $uri = $path =~ s/\{r\}/$repo/r;
                my $r = $visitor->request($method, $uri, body => '');
                if ($repo eq 'app' && ($may{$action} || $may{'*'})) {
                    is_status($r, $status, "a token of $name: $method $uri");
                    next;
                }
                is_challenged($r, { scheme => 'Bearer', realm => $realm,
                    error => 'insufficient_scope',
                    scope => qr/\Arepository:$repo:[a-z,]*$action[a-z,]*\z/ },
                    "R3 a token of $name: $method $uri");
            }
        }
    }

    is_status($t->bearing(granted({ type => 'registry', name => 'catalog',
        actions => ['*'] }))->get('/v2/_catalog'), 200, 'the catalogue');
    is_challenged($t->bearing(granted(access('app', '*')))
        ->get('/v2/_catalog'), { error => 'insufficient_scope',
            scope => 'registry:catalog:*' }, 'and without its scope');
    is_status($t->bearing(granted({ type => 'repository(plugin)',
        name => 'app', actions => ['pull'] }))->get('/v2/app/manifests/v1'),
        [200, 401], 'a class, which scope.md drops');
}


sub a_push {
    my $late = jwt($key, claims(exp => time - 3600, access => []),
        { kid => 'k' });

    is($t->bearing($late)->get('/v2/')->message,
        'the token is wrong or has expired', 'a token that has expired');
    is($t->get('/v2/')->message, 'a login is required', 'and none at all');
    is($t->bearing(granted(access('app', 'pull')))
        ->delete('/v2/app/manifests/v1')->message,
        'access is denied: it takes the right "delete"',
        'R3 and one that does not allow it');

    my $both = $t->bearing(granted(access('new/app', 'push', 'pull')));
    my $i = eval { $both->push_image('new/app', 'v1', seed => 'token') };

    ok($i, 'a push with a token') or diag($@), return;
    is_whole($both->get('/v2/new/app/manifests/v1'), $i->{bytes}, 'a pull');
    is_status($both->push_manifest('new/app', 'v1',
        { %{ $i->{data} }, annotations => { a => 'b' } }), 201,
        'push of another server\'s token moves a tag, as in distribution');

    my $query = "mount=$layer&from=app";
    is_status($both->post("/v2/new/app/blobs/uploads/?$query", body => ''),
        202, 'A43 no mount from where the token does not pull');
    is_status($t->bearing(granted(access('new/app', 'push', 'pull'),
        access('app', 'pull')))->post("/v2/new/app/blobs/uploads/?$query",
            body => ''), 201, 'a mount with both scopes');

    my $d = $open->push_blob('other', 'only in other');
    is_status($both->post("/v2/new/app/blobs/uploads/?mount=$d", body => ''),
        202, 'A45 nor one from anywhere');
}


# A session belongs to the subject of the token that opened it, whichever
# token he has then.

sub owners {
    my @push = access('app', 'push', 'pull');
    my $as = sub {
        my ($sub) = @_;
        return $t->bearing(jwt($key, claims(sub => $sub,
            access => \@push, jti => 'id' . rand), { kid => 'k' }));
    };

    my $l = $as->('alice')->open_upload('app');
    is_status($as->('alice')->patch($l, body => 'abc'), 202,
        'an upload goes on with the next token');
    is_error($as->('bob')->patch($l, body => 'x'), 404,
        'BLOB_UPLOAD_UNKNOWN', 'A25 not with that of somebody else');
    is_error($as->('bob')->get($l), 404, 'BLOB_UPLOAD_UNKNOWN', 'A25');
    is_status($as->('alice')->put("$l?digest=" . sha256('abc'), body => ''),
        201, 'and ends');
}


# The scope that a challenge names for each kind of question.

sub challenges {
    my @rows = (
        ['GET', '/v2/', undef],
        ['GET', '/v2/_catalog', 'registry:catalog:*'],
        ['GET', '/v2/a/b/tags/list', 'repository:a/b:pull'],
        ['HEAD', '/v2/a/b/manifests/x', 'repository:a/b:pull'],
        ['GET', "/v2/a/b/blobs/$layer", 'repository:a/b:pull'],
        ['GET', "/v2/a/b/referrers/$layer", 'repository:a/b:pull'],
        ['POST', '/v2/a/b/blobs/uploads/', 'repository:a/b:pull,push'],
        ['PATCH', "/v2/a/b/blobs/uploads/$no_id", 'repository:a/b:pull,push'],
        ['PUT', '/v2/a/b/manifests/x', 'repository:a/b:pull,push'],
        ['DELETE', '/v2/a/b/manifests/x', 'repository:a/b:delete'],
        ['DELETE', "/v2/a/b/blobs/$layer", 'repository:a/b:delete'],
        ['DELETE', '/v2/a/b/_nginx/repository/content',
            'repository:a/b:delete'],
        ['DELETE', "/v2/a/b/blobs/uploads/$no_id",
            'repository:a/b:pull,push']
    );

    for (@rows) {
        my ($method, $uri, $scope) = @$_;
        is_challenged($t->request($method, $uri, body => ''), {
            scheme => 'Bearer', realm => $realm, scope => $scope,
            error => undef }, "the scope of $method $uri");
    }

    is_challenged($t->post("/v2/a/b/blobs/uploads/?mount=$layer&from=c/d",
        body => ''), { scope => qr/\Arepository:a\/b:pull,push(?:\z| )/ },
        'the scope of a mount');

    # names that are none, and routes that are none, never get into it

    for my $uri ('/v2/A"b/tags/list', '/v2/a%22,scope=%22x/tags/list',
        '/v2/a%0d%0aX:y/tags/list', '/v2/' . 'a' x 300 . '/tags/list',
        '/v2/nothing/here', '/v2/_nginx/x')
    {
        is_challenged($t->get($uri), { scheme => 'Bearer', realm => $realm,
            service => 'registry.example', scope => undef },
            "A88 no scope for " . substr $uri, 0, 40);
    }
}


# Rules hold for tokens, too; a token can only take away from them.

sub with_rules {
    my @where = (port => $t->extra_port(2));
    my $as = sub {
        my ($sub, @access) = @_;
        return $t->bearing(jwt($key, claims(sub => $sub,
            access => \@access), { kid => 'k' }), @where);
    };
    my @all = map { access($_, 'pull', 'push', 'delete') }
        qw(app other public/x);

    is_status($as->('alice', @all)->get('/v2/app/manifests/v1'), 200,
        'rules and a token: both allow');
    isnt($as->('alice', @all)->get('/v2/other/manifests/v1')->status, 200,
        'rules and a token: the token alone is not enough');
    isnt($as->('bob', @all)->get('/v2/app/manifests/v1')->status, 200,
        'rules and a token: nor is that of somebody else');
    is_status($as->('alice', @all)->delete('/v2/app/manifests/none'),
        [401, 403], 'rules and a token: no delete');
    is_challenged($as->('alice')->get('/v2/app/manifests/v1'),
        { error => 'insufficient_scope', scope => 'repository:app:pull' },
        'rules and a token: a rule alone is not enough');
    is_status($t->get('/v2/public/x/manifests/v1', @where), 200,
        'rules: what anonymous may needs no token');
    is_challenged($t->get('/v2/app/manifests/v1', @where),
        { scheme => 'Bearer', realm => $realm }, 'rules: what he may not');
}


sub with_passwords {
    my @where = (port => $t->extra_port(3));

    is_challenged($t->get('/v2/', @where), { scheme => 'Bearer',
        realm => $realm }, 'a password file beside: the challenge is Bearer');
    is_status($t->as('alice', 'secret', @where)->get('/v2/app/manifests/v1'),
        200, 'a password file beside: a login');
    is_challenged($t->as('alice', 'x', @where)->get('/v2/app/manifests/v1'),
        { scheme => 'Bearer' }, 'a password file beside: a wrong one');
    lets_in(granted(access('app', 'pull')), 'a password file beside: a token',
        @where);
}


sub automatic_realm {
    my ($auto, $path) = map { [port => $t->extra_port($_)] } 4, 5;
    my $realm_of = sub {
        my ($where, @headers) = @_;
        my $c = challenge($t->get('/v2/', @$where, headers => [@headers]));
        return $c ? $c->{realm} : $@;
    };

    for (['registry.example', 'http://registry.example'],
        ['registry.example:5000', 'http://registry.example:5000'],
        ['127.0.0.1:15000', 'http://127.0.0.1:15000'],
        ['[::1]:5000', 'http://[::1]:5000'])
    {
        my ($host, $want) = @$_;
        is($realm_of->($auto, ['Host', $host]), "$want/auth/token",
            "realm=auto: Host $host");
        is($realm_of->($path, ['Host', $host]), "$want/my/token",
            "realm=auto:/my/token: Host $host");
    }

    is($realm_of->($auto, ['Host', 'a.example'],
        ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'evil.example'],
        ['Forwarded', 'host=evil.example;proto=https']),
        'http://a.example/auth/token', 'A96 forwarded headers are not '
        . 'looked at');

    my $c = challenge($t->get('/v2/', tls => 1, port => $t->extra_port(6),
        headers => [['Host', 'a.example']]));
    is($c ? $c->{realm} : $@, 'https://a.example/auth/token',
        'realm=auto: over TLS');

    for my $host ('a"b', 'a\\b', 'a,b="c', 'a@b', 'a<b>') {
        my $r = $t->get('/v2/', @$auto, headers => [['Host', $host]]);
        next if $r->status == 400 && ok(1, "A88 Host $host is refused");
        my $c = challenge($r);
        ok($c && index($c->{realm} // '', $host) < 0,
            "A88 Host $host does not get into the realm") or diag $r->as_text;
    }
}


sub spellings {
    my $good = granted(access('app', 'pull'));

    for my $value ("bearer $good", "BEARER $good", "Bearer  $good") {
        is_status($t->with(Authorization => $value)
            ->get('/v2/app/manifests/v1'), 200,
            'A87 ' . substr $value, 0, 9);
    }

    for my $value ('Bearer', 'Bearer ', "Bearer$good", "Token $good", $good,
        "Bearer $good $good", "Bearer $good,", "Bearer $good, Bearer $good",
        "Bearer \"$good\"", "Bearer token=$good", basic('', $good),
        basic('alice', $good))
    {
        is_challenged($t->with(Authorization => $value)
            ->get('/v2/app/manifests/v1'), { scheme => 'Bearer' },
            'A87 ' . substr $value, 0, 14);
    }

    for my $query ("access_token=$good", "token=$good",
        "authorization=Bearer+$good")
    {
        is_challenged($t->get("/v2/app/manifests/v1?$query"),
            { scheme => 'Bearer', error => undef },
            'A87 in the query: ' . substr $query, 0, 14);
    }
    is_challenged($t->with(Cookie => "access_token=$good")
        ->get('/v2/app/manifests/v1'), { error => undef }, 'A87 in a cookie');
    is_challenged($t->post('/v2/app/blobs/uploads/',
        body => "access_token=$good", headers => [['Content-Type',
            'application/x-www-form-urlencoded']]), { error => undef },
        'A87 in a form');
}


sub over_http2 {
    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my @good = ['authorization', 'Bearer ' . granted(access('app', 'pull'))];

    is_status($h->request('GET', '/v2/app/manifests/v1', headers => [@good]),
        200, 'HTTP/2: a token');
    is_challenged($h->request('GET', '/v2/other/manifests/v1',
        headers => [@good]), { error => 'insufficient_scope' },
        'HTTP/2: of another repository');
    is_challenged($h->request('GET', '/v2/app/manifests/v1'),
        { scope => 'repository:app:pull' }, 'HTTP/2: none');
    $h->close;
}

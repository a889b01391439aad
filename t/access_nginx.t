#!/usr/bin/perl

# Beside nginx's own means: auth_basic, auth_request, client certificates,
# satisfy with allow and deny, limit_req by user, error_page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::Token;


my $page = 'this is the page of the operator';
my $login = 'registry_htpasswd "Own" %%DIR%%/users; registry_login_limit off;';
my $basic = 'auth_basic "Nginx"; auth_basic_user_file %%DIR%%/nginx-users;';
my $files = tls_files();

# Locations by name; each is a server of its own.

my @servers = (
    plain => $basic,

    remote_user => <<"EOF",
$basic
registry_user \$remote_user;
registry_allow authenticated pull,push \$user/**;
registry_allow * pull public/**;
EOF

    auth_request => <<'EOF',
auth_request /auth;
auth_request_set $who $upstream_http_x_who;
registry_user $who;
registry_allow authenticated pull,push $user/**;
EOF

    any_first => "satisfy any; allow 127.0.0.2; deny all; $login",
    any_last => "$login deny all; satisfy any;",
    any_open => "satisfy any; $login allow 127.0.0.0/8; deny all;",
    all_open => "satisfy all; allow 127.0.0.0/8; deny all; $login",
    all_closed => "satisfy all; $login deny all;",
    one_denied => "$login deny 127.0.0.2;",

    any_rules => <<"EOF",
satisfy any; allow 127.0.0.2; deny all; $login
registry_allow anonymous pull public/**;
registry_allow alice pull,push,list **;
EOF

    all_rules => <<"EOF",
satisfy all; allow 127.0.0.2; deny all; $login
registry_allow anonymous pull public/**;
registry_allow alice pull,push,list **;
EOF

    any_tokens => "satisfy any; allow 127.0.0.2; deny all; $basic $login "
        . 'registry_token_server on;',

    any_basic => "satisfy any; $basic $login",
    all_basic => "satisfy all; $basic $login",
    any_request => "satisfy any; auth_request /auth; $login",
    all_request => "satisfy all; auth_request /auth; $login",

    (map { my ($name, $satisfy, $user) = @$_; $name => <<"EOF" }
satisfy $satisfy; auth_request /auth; $login
auth_request_set \$named \$upstream_http_x_who;
registry_user $user;
registry_token_server off;
registry_allow authenticated pull,push \$user/**;
registry_allow anonymous pull public/**;
registry_deny alice * secret/**;
registry_allow * pull secret/**;
add_header X-User "<\$registry_user>" always;
EOF
        ['any_named', 'any', '$named'], ['all_named', 'all', '$named'],
        ['any_mapped', 'any', '$mapped'], ['all_mapped', 'all', '$mapped']),

    any_unruled => <<"EOF",
satisfy any; auth_request /auth; $login
auth_request_set \$named \$upstream_http_x_who;
registry_user \$named;
add_header X-User "<\$registry_user>" always;
EOF

    both => <<"EOF",
$login
registry_user \$http_x_user;
registry_allow alice pull a/**;
registry_allow bob pull b/**;
EOF

    limited => "$login limit_req zone=user;",
    page => "$login error_page 401 \@page;",
    page_all => "$login error_page 401 403 404 429 503 =200 /page;",
    returns => "$login if (\$arg_x) { return 200 open; }",
    address => 'registry_allow anonymous pull **; '
        . 'registry_token_server off; allow 127.0.0.2; deny all;'
);

my (%number, @text);
my $n = 0;

while (my ($name, $text) = splice @servers, 0, 2) {
    $number{$name} = ++$n;
    push @text, <<"EOF";
server {
    listen 127.0.0.1:%%PORT$n%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
        $text
    }
    location = /auth {
        internal;
        proxy_pass http://127.0.0.1:%%PORT$n%%/verdict;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }
    location = /verdict {
        add_header X-Who \$known;
        if (\$http_x_key = "broken") { return 500; }
        if (\$http_x_key = "wrong") { return 403; }
        if (\$known = "") { return 401; }
        return 204;
    }
    location = /page { default_type text/plain; return 200 "$page"; }
    location \@page { default_type text/plain; return 401 "$page"; }
}
EOF
}

$number{certificates} = ++$n;
push @text, <<"EOF";
server {
    listen 127.0.0.1:%%PORT$n%% ssl;
    ssl_certificate $files->{crt};
    ssl_certificate_key $files->{key};
    ssl_client_certificate $files->{ca};
    ssl_verify_client optional;
    location /v2/ {
        registry %%ROOT%%;
        registry_user \$certified;
        registry_allow authenticated pull,push \$user/**;
    }
}
EOF

my $t = Test::Registry->new(
    ports => $n, servers => join('', @text), location => 'registry_delete on;',
    write => {
        users => htpasswd(alice => 'one', bob => 'two'),
        'nginx-users' => "alice:{PLAIN}one\nbob:{PLAIN}two\n"
            . "carol:{PLAIN}three\n"
    },
    http => <<'EOF',
limit_req_zone $registry_user zone=user:1m rate=1r/m;
map $http_x_key $known { default ""; "a" alice; "b" bob; }
map $named $mapped { default $named; }
map $ssl_client_s_dn $certified {
    default                 "";
    "CN=alice,O=Example"    alice;
    "~^CN=(?<cn>[a-z]+),O=CI$"  $cn;
}
EOF
)->run;

my $image = $t->push_image($_, 'v1')
    for qw(public/app alice/app bob/app secret/app a/app b/app);

auth_basic_alone();
auth_basic_and_rules();
auth_request_and_rules();
auth_request_and_login();
certificates();
satisfy_any();
satisfy_all();
satisfy_any_with_rules();
satisfy_at_the_endpoint();
satisfy_with_others();
login_first();
limit_by_user();
pages();
before_us();
by_address();

finish($t);


sub at {
    my ($name, %o) = @_;

    return (port => $t->extra_port($number{$name}), %o);
}


sub nobody {
    my ($name, %o) = @_;

    return Test::Registry::Visitor->new($t, at($name), %o);
}


sub user {
    my ($user, $password, $name, %o) = @_;

    return $t->as($user, $password, at($name), %o);
}


sub challenged_by {
    my ($r, $realm, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged($r, { scheme => 'Basic', realm => $realm }, $name);
}


# What most have today, with no directive of ours.

sub auth_basic_alone {
    my $alice = user('alice', 'one', 'plain');

    challenged_by($t->get('/v2/', at('plain')), 'Nginx',
        'auth_basic alone: without');
    challenged_by(user('alice', 'x', 'plain')->get('/v2/'), 'Nginx',
        'auth_basic alone: wrong');
    my $i = eval { $alice->push_image('plain/app', 'v1', seed => 'plain') };
    ok($i, 'auth_basic alone: a push') or diag($@), return;
    is_whole($alice->get('/v2/plain/app/manifests/v1'), $i->{bytes},
        'a pull');
    is_status($alice->push_manifest('plain/app', 'v1',
        { %{ $i->{data} }, annotations => {} }), 201, 'an update');
    is_status($alice->delete('/v2/plain/app/manifests/v1'), 202, 'a delete');
    is_status($alice->get('/v2/_catalog'), 200, 'the catalogue');

    # an upload there is nobody's in particular

    my $l = $alice->open_upload('plain/app');
    is_status(user('carol', 'three', 'plain')->patch($l, body => 'x'), 202,
        'a session that another one goes on with');
    $alice->delete($l);
}


sub auth_basic_and_rules {
    my $alice = user('alice', 'one', 'remote_user');

    challenged_by($t->get('/v2/', at('remote_user')), 'Nginx',
        'auth_basic and rules: without');
    challenged_by(user('alice', 'x', 'remote_user')->get('/v2/alice/app/'
        . 'manifests/v1'), 'Nginx', 'auth_basic and rules: wrong');
    is_status($alice->get('/v2/'), 200, 'the ping');
    is_status($alice->get('/v2/alice/app/manifests/v1'), 200, 'her own');
    is_status($alice->get('/v2/public/app/manifests/v1'), 200,
        'what all may');
    is_error($alice->get('/v2/bob/app/manifests/v1'), 403, 'DENIED',
        'not that of bob');
    is_error($alice->post('/v2/public/app/blobs/uploads/', body => ''), 403,
        'DENIED', 'nor a push');

    my $i = eval { $alice->push_image('alice/new', 'v1', seed => 'ru') };
    ok($i, 'a push of her own') or diag $@;
    my $l = $alice->open_upload('alice/new');
    is_error(user('bob', 'two', 'remote_user')->get($l), 403, 'DENIED',
        'bob has no right there');
    is_status($alice->delete($l), 204, 'and she has');
}


sub auth_request_and_rules {
    my $ask = sub {
        my ($path, @headers) = @_;
        return $t->get($path, at('auth_request'), headers => [@headers]);
    };

    is($ask->('/v2/')->status, 401, 'auth_request: without');
    is_error($ask->('/v2/', ['X-Key', 'wrong']), 403, 'DENIED',
        'auth_request: refused');
    is($ask->('/v2/', ['X-Key', 'broken'])->status, 500,
        'auth_request: broken');
    is_status($ask->('/v2/', ['X-Key', 'a']), 200, 'auth_request: the ping');
    is_status($ask->('/v2/alice/app/manifests/v1', ['X-Key', 'a']), 200,
        'auth_request: her own');
    is_error($ask->('/v2/bob/app/manifests/v1', ['X-Key', 'a']), 403,
        'DENIED', 'auth_request: not that of bob');
    is_status($ask->('/v2/bob/app/manifests/v1', ['X-Key', 'b']), 200,
        'auth_request: bob');
    is_error($ask->('/v2/bob/app/manifests/v1', ['X-Key', 'a'],
        ['X-Who', 'bob']), 403, 'DENIED',
        'A96 the name is not taken from the client');

    my $alice = $t->with('X-Key', 'a', at('auth_request'));
    my $i = eval { $alice->push_image('alice/request', 'v1', seed => 'ar') };
    ok($i, 'auth_request: a push') or diag $@;

    my $l = $alice->open_upload('alice/request');
    is_status($alice->patch($l, body => 'x' x 200_000), 202,
        'auth_request: a body');
    is_status($alice->delete($l), 204, 'auth_request: a cancel');
}


# The registry asks for a login before auth_request says who it is: where none
# is shown that is not the last word.

sub auth_request_and_login {
    for my $name (qw(any_named all_named any_mapped all_mapped)) {
        my $any = $name =~ /any/;
        my $alice = $t->with('X-Key', 'a', at($name));

        my $r = $alice->get('/v2/alice/app/manifests/v1');
        is_status($r, 200, "$name: auth_request says who it is");
        is_header($r, 'X-User', '<alice>');
        is_status($alice->get('/v2/'), 200, "$name: the ping");
        is_status($alice->get('/v2/bob/app/manifests/v1'), 403,
            "$name: not that of bob");
        is_status($alice->get('/v2/secret/app/manifests/v1'), $any ? 200 : 403,
            "$name: what all may but she");
        my $i = eval { $alice->push_image("alice/$name", 'v1') };
        ok($i, "$name: a push") or diag $@;

        is_status(nobody($name)->get('/v2/alice/app/manifests/v1'), 401,
            "$name: nobody says so");
        is_status(nobody($name)->get('/v2/'), 401, "$name: nor for the ping");
        is_status(nobody($name)->get('/v2/public/app/manifests/v1'),
            $any ? 200 : 401, "$name: what anonymous may");
        is_status(user('alice', 'one', $name)
            ->get('/v2/alice/app/manifests/v1'), $any ? 200 : 401,
            "$name: a login");
        is_status(user('alice', 'x', $name)
            ->get('/v2/alice/app/manifests/v1'), 401, "$name: a wrong one");
    }

    my $r = $t->get('/v2/alice/app/manifests/v1', at('any_unruled'),
        headers => [['X-Key', 'a']]);
    is_status($r, 200, 'without rules');
    is_header($r, 'X-User', '<alice>');
}


sub certificates {
    my $ask = sub {
        my ($path, %o) = @_;
        my $c = $t->connect(%o, port => $t->extra_port($number{certificates}),
            tls => 1);
        return $c->get($path);
    };
    my %alice = client_certificate('/O=Example/CN=alice');
    my %job = client_certificate('/O=CI/CN=bob');
    my %other = client_certificate('/O=Other/CN=alice');
    my %self = client_certificate('/O=Example/CN=alice', self => 1);

    is_status($ask->('/v2/', %alice), 200, 'a certificate: the ping');
    is_status($ask->('/v2/alice/app/manifests/v1', %alice), 200,
        'a certificate: her own');
    is_error($ask->('/v2/bob/app/manifests/v1', %alice), 403, 'DENIED',
        'a certificate: not that of bob');
    is_status($ask->('/v2/bob/app/manifests/v1', %job), 200,
        'a certificate mapped by a pattern');

    for my $row (['none', ()], ['one that maps to nobody', %other]) {
        my ($name, %show) = @$row;
        my $r = $ask->('/v2/alice/app/manifests/v1', %show);
        is_error($r, [401, 403], ['UNAUTHORIZED', 'DENIED'],
            "no certificate of use: $name");
    }

    my $r = $ask->('/v2/alice/app/manifests/v1', %self);
    ok($r->status == 400 || $r->status == 401 || $r->status == 403,
        'a certificate that nobody has signed') or diag $r->as_text;

    my $c = $t->connect(%alice, tls => 1,
        port => $t->extra_port($number{certificates}));
    is_status($c->get('/v2/alice/app/manifests/v1'), 200,
        'a kept connection');
    is_error($c->get('/v2/bob/app/manifests/v1'), 403, 'DENIED',
        'a kept connection');
    is_status($c->post('/v2/alice/app/blobs/uploads/?digest='
        . sha256('tls'), body => 'tls'), 201, 'a push');
}


sub satisfy_any {
    for my $name (qw(any_first any_last)) {
        challenged_by($t->get('/v2/', at($name)), 'Own', "$name: without");
        challenged_by(user('alice', 'x', $name)->get('/v2/'), 'Own',
            "$name: wrong");
        challenged_by($t->delete('/v2/public/app/manifests/none', at($name)),
            'Own', "$name: DELETE without");
        is_status(user('alice', 'one', $name)->get('/v2/'), 200,
            "$name: right");
        is_status(user('alice', 'one', $name)
            ->get('/v2/public/app/manifests/v1'), 200, "$name: a pull");
    }

    my @second = (from => '127.0.0.2');
    is_status($t->get('/v2/public/app/manifests/v1', at('any_first'),
        @second), 200, 'any_first: by address');
    is_status($t->get('/v2/', at('any_first'), @second), 200,
        'any_first: the ping by address');
    is_status(user('alice', 'x', 'any_first', @second)->get('/v2/'),
        [200, 401], 'any_first: by address, with a wrong password');
    challenged_by($t->get('/v2/', at('any_last'), @second), 'Own',
        'any_last: no address helps');

    is_status($t->get('/v2/public/app/manifests/v1', at('any_open')), 200,
        'any_open: by address');
    is_status(user('alice', 'one', 'any_open')->get('/v2/'), 200,
        'any_open: with a login, too');

    # who is let in by address is nobody, and owns nothing of anybody's

    my $l = user('alice', 'one', 'any_first')->open_upload('any/app');
    for my $v (nobody('any_first', @second),
        user('bob', 'two', 'any_first'))
    {
        is_error($v->patch($l, body => 'x'), 404, 'BLOB_UPLOAD_UNKNOWN',
            'A25 any_first: an upload of alice');
    }
    is_status(user('alice', 'one', 'any_first')->delete($l), 204,
        'A25 any_first: which she ends');

    # a body is read once, whoever lets it in

    my $i = eval { user('alice', 'one', 'any_first')
        ->push_image('any/app', 'v1', seed => 'any') };
    ok($i, 'any_first: a push with a login') or diag $@;
    $i = eval { nobody('any_first', @second)
        ->push_image('any/app', 'v2', seed => 'any2') };
    ok($i, 'any_first: a push by address') or diag $@;
}


sub satisfy_all {
    challenged_by($t->get('/v2/', at('all_open')), 'Own',
        'all_open: an address alone is not enough');
    challenged_by(user('alice', 'x', 'all_open')->get('/v2/'), 'Own',
        'all_open: wrong');
    is_status(user('alice', 'one', 'all_open')->get('/v2/'), 200,
        'all_open: both');

    is_error(user('alice', 'one', 'all_closed')->get('/v2/'), 403, 'DENIED',
        'all_closed: a login alone is not enough');
    is_error($t->get('/v2/', at('all_closed')), [401, 403], undef,
        'all_closed: nothing');

    is_status(user('alice', 'one', 'one_denied')->get('/v2/'), 200,
        'deny: another address');
    is_error(user('alice', 'one', 'one_denied', from => '127.0.0.2')
        ->get('/v2/'), 403, 'DENIED', 'deny: this one');
    is_error($t->get('/v2/', at('one_denied'), from => '127.0.0.2'),
        [401, 403], undef, 'deny: this one without a login');
}


# Whoever lets a request in, rules hold.

sub satisfy_any_with_rules {
    my @second = (from => '127.0.0.2');
    my $by_address = nobody('any_rules', @second);
    my $alice = user('alice', 'one', 'any_rules', @second);

    is_status($by_address->get('/v2/public/app/manifests/v1'), 200,
        'by address: what anonymous may');
    is_error($by_address->get('/v2/alice/app/manifests/v1'), [401, 403],
        undef, 'by address: not what he may not');
    is_error($by_address->post('/v2/public/app/blobs/uploads/', body => ''),
        [401, 403], undef, 'by address: no push');
    is_error($by_address->delete('/v2/public/app/manifests/v1'), [401, 403],
        undef, 'by address: no delete');

    is_status($alice->get('/v2/alice/app/manifests/v1'), 200,
        'by address and with a login: what she may');
    is_error($alice->delete('/v2/alice/app/manifests/v1'), 403, 'DENIED',
        'by address and with a login: not what she may not');
    is_error(user('alice', 'x', 'any_rules', @second)
        ->get('/v2/alice/app/manifests/v1'), [401, 403], undef,
        'by address and with a wrong one: not what she may');
    is_error(user('bob', 'two', 'any_rules', @second)
        ->get('/v2/alice/app/manifests/v1'), 403, 'DENIED',
        'by address and with a login that has no right');

    is_error(nobody('any_rules')->get('/v2/alice/app/manifests/v1'), 401,
        'UNAUTHORIZED', 'neither');
    is_status(user('alice', 'one', 'any_rules')
        ->get('/v2/alice/app/manifests/v1'), 200, 'with a login alone');
}


# The token endpoint is where a client logs in, so with "satisfy any" that is
# all it asks for; with "satisfy all" others are asked besides.

sub satisfy_at_the_endpoint {
    my $pull = sub {
        my ($visitor, $name, $repo) = @_;
        my ($token) = token_in(ask_token($visitor, service => 'registry',
            scope => "repository:$repo/app:pull"));
        return $t->bearing($token, at($name))
            ->get("/v2/$repo/app/manifests/v1");
    };

    is_challenged(nobody('any_rules')->get('/v2/alice/app/manifests/v1'),
        { scheme => 'Bearer' }, 'any: clients are sent to the endpoint');
    is_status($pull->(user('alice', 'one', 'any_rules'), 'any_rules', 'alice'),
        200, 'any: from where the address is denied she gets a token');
    is_status($pull->(nobody('any_rules'), 'any_rules', 'public'), 200,
        'any: as anybody does for what anonymous may');
    is_status($pull->(nobody('any_rules'), 'any_rules', 'alice'), 401,
        'any: and for nothing else');
    is_status(ask_token(user('alice', 'x', 'any_rules')), 401,
        'any: a wrong password');
    is_status(ask_form(nobody('any_rules'), grant_type => 'password',
        service => 'registry', username => 'alice', password => 'one'), 200,
        'any: a form');

    is_status(ask_token(nobody('any_tokens')), 401,
        'any: no token without a login');
    is_status(ask_token(nobody('any_tokens', from => '127.0.0.2')), 401,
        'any: nor for an address that is allowed');
    is_status(ask_token(user('alice', 'one', 'any_tokens')), 200,
        'any: with a login');
    is_status(ask_token(user('carol', 'three', 'any_tokens')), 401,
        'any: with one that auth_basic alone knows');

    is_error(ask_token(user('alice', 'one', 'all_rules')), 403, 'DENIED',
        'all: from where the address is denied');
    is_status(ask_token(user('alice', 'one', 'all_rules',
        from => '127.0.0.2')), 200, 'all: from where it is allowed');
}


sub satisfy_with_others {
    # carol is only in nginx's file, alice in both

    is_status(user('carol', 'three', 'any_basic')->get('/v2/'), 200,
        'any: auth_basic alone knows her');
    is_status(user('alice', 'one', 'any_basic')->get('/v2/'), 200,
        'any: both know her');
    is_status(user('alice', 'x', 'any_basic')->get('/v2/'), 401,
        'any: nobody does');
    is_status($t->get('/v2/', at('any_basic')), 401, 'any: without');

    is_status(user('carol', 'three', 'all_basic')->get('/v2/'), 401,
        'all: auth_basic alone is not enough');
    is_status(user('alice', 'one', 'all_basic')->get('/v2/'), 200,
        'all: both');
    is_status($t->get('/v2/', at('all_basic')), 401, 'all: without');

    my @key = (headers => [['X-Key', 'a']]);
    my @both = (headers => [['X-Key', 'a'],
        ['Authorization', basic('bob', 'two')]]);
    is_status($t->get('/v2/', at('any_request'), @key), 200,
        'any: auth_request alone');
    is_status(user('bob', 'two', 'any_request')->get('/v2/'), 200,
        'any: a login alone');
    is_status($t->get('/v2/', at('any_request')), 401, 'any: neither');
    is_status($t->get('/v2/', at('all_request'), @key), 401,
        'all: auth_request alone');
    is_status(user('bob', 'two', 'all_request')->get('/v2/'), 401,
        'all: a login alone');
    is_status($t->get('/v2/', at('all_request'), @both), 200, 'all: both');
}


# Credentials that are the registry's to check come first: a variable made of
# them is what the client says.

sub login_first {
    my $get = sub {
        my ($repo, @headers) = @_;
        return $t->get("/v2/$repo/app/manifests/v1", at('both'),
            headers => [@headers]);
    };
    my @bob = ('Authorization', basic('bob', 'two'));

    is_status($get->('a', ['X-User', 'alice']), 200, 'a variable alone');
    is_status($get->('b', [@bob]), 200, 'a login alone');
    is_status($get->('b', ['X-User', 'alice'], [@bob]), 200,
        'the login comes first');
    is_error($get->('a', ['X-User', 'alice'], [@bob]), 403, 'DENIED',
        'and the variable does not add to it');
    challenged_by($get->('a', ['X-User', 'alice'],
        ['Authorization', basic('bob', 'x')]), 'Own', 'nor makes up for it');
    challenged_by($get->('a'), 'Own', 'neither');
    challenged_by($get->('a', ['X-User', '']), 'Own', 'an empty variable');
    challenged_by($get->('a', ['Authorization', basic('alice', 'x')]), 'Own',
        'a wrong login');
}


# limit_req comes before the access phase: who was verified lately is known
# there already.

sub limit_by_user {
    my ($alice, $bob) = (user('alice', 'one', 'limited'),
        user('bob', 'two', 'limited'));

    # Known from other locations of the same file. For a second after a
    # change nothing is said of it before the access phase.

    sleep 1.2;
    $_->get('/v2/', at('any_open')) for $alice, $bob;

    is_status($alice->get('/v2/'), 200, 'limit_req: the first one of alice');
    is_error($alice->get('/v2/'), 503, undef, 'limit_req: the second one');
    is_status($bob->get('/v2/'), 200, 'limit_req: bob has his own');
    is_error($bob->get('/v2/'), 503, undef, 'limit_req: which ends as well');

    is_status($t->get('/v2/', at('limited')), 401,
        'limit_req: without a name') for 1 .. 3;
    is_status(user('alice', 'x', 'limited')->get('/v2/'), 401,
        'limit_req: a wrong password is nobody') for 1 .. 3;
}


sub pages {
    my $r = $t->get('/v2/', at('page'));

    is($r->status, 401, 'error_page 401: the status');
    is_header($r, 'WWW-Authenticate', qr/\ABasic realm="Own"\z/,
        'error_page 401: the challenge is kept');
    is_status(user('alice', 'one', 'page')->get('/v2/'), 200,
        'error_page 401: right');

    $r = $t->get('/v2/alice/app/manifests/v1', at('page_all'));
    ok($r->status == 200 && $r->body eq $page || $r->status == 401,
        'error_page =200: the page or the refusal') or diag $r->as_text;
    unlike($r->body, qr/schemaVersion/, 'and never what was asked for');
    is_status(user('alice', 'one', 'page_all')
        ->get('/v2/alice/app/manifests/v1'), 200, 'error_page: right');
}


# What nginx answers before the access phase is not for us to guard.

sub before_us {
    is($t->get('/v2/?x=1', at('returns'))->body, 'open',
        'return is done before');
    is_status($t->get('/v2/', at('returns')), 401, 'everything else is not');
}


# Rules without any login: for use with addresses.

sub by_address {
    my @second = (from => '127.0.0.2');

    is_error($t->get('/v2/public/app/manifests/v1', at('address')), 403,
        'DENIED', 'another address');
    is_status($t->get('/v2/public/app/manifests/v1', at('address'), @second),
        200, 'anonymous rules and an address');
    is_error($t->post('/v2/public/app/blobs/uploads/', at('address'), @second,
        body => ''), [401, 403], undef, 'and no more than the rules say');
    is_status($t->get('/v2/', at('address'), @second), 200,
        'the ping, where nobody can log in');
}

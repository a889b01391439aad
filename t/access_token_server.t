#!/usr/bin/perl

# The registry as its own token server: what a client asks for, what it gets,
# and what that is worth.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::HTTP2;
use Test::Registry::Token;


my $tls = tls_files();
my $endpoint = '/v2/_nginx/token';
my $login = 'registry_htpasswd "The registry" %%DIR%%/users;';
my $rules = <<'EOF';
registry_allow anonymous pull public/**;
registry_allow alice pull,push,list team/**;
registry_allow alice pull shared/app;
registry_allow bob *          bob/**;
registry_allow carol list     **;
EOF

my @locations = (
    ['open', ''],
    ['members', "$login registry_token_server on;"
        . 'registry_allow alice * **;'],
    ['named', "$login registry_token_server on service=here.example "
        . 'realm=https://login.example/t lifetime=90s refresh=off;'],
    ['basic', "$login registry_token_server off; registry_allow alice * **;"],
    ['no_rules', "$login registry_token_server on;"],
    ['auto_off', "$login registry_allow alice * **;"],
    ['groups', "$login registry_token_server on; "
        . 'registry_groups %%DIR%%/groups; registry_deny @gone * **; '
        . 'registry_allow @dev pull,push team/**; '
        . 'registry_allow @ops pull **;'],
    ['limited', "$login registry_token_server on; "
        . 'registry_login_limit 2 per=60s;']
);

my (%port, @servers);
for (@locations) {
    my ($name, $text) = @$_;
    my $n = $port{$name} = @servers + 1;
    push @servers, "server {\nlisten 127.0.0.1:%%PORT$n%%;\n"
        . "registry_login_limit off;\nlocation /v2/ { registry %%ROOT%%; "
        . "registry_delete on;\n$text }\n}\n";
}

my $t = Test::Registry->new(
    ports => scalar @servers, tls => 1, h2c => 1, workers => 2,
    servers => join('', @servers),
    write => { users => htpasswd(alice => 'secret', bob => 'a+b %:&=',
        carol => 'three'), groups => "dev: alice carol\ngone: carol\n" },
    location => "$login $rules registry_delete on; registry_login_limit off;"
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $image = image();
$open->push_image($_, 'v1', image => $image)
    for qw(public/app team/app shared/app bob/app);
my $service = (challenge($t->get('/v2/')) || {})->{service};

the_challenge();
a_reply();
grants();
strange_scopes();
anonymous();
using_it();
a_whole_push();
wrong_logins();
wrong_questions();
methods();
forms();
wiped_forms();
settings();
groups();
without_rules();
not_there();
where_it_is();
guesses_count();
long_passwords();
over_http2();

finish($t);


sub at {
    my ($name) = @_;

    return (port => $t->extra_port($port{$name}));
}


sub alice { return $t->as('alice', 'secret', @_) }


sub with_token_of {
    my ($r, @where) = @_;

    return $t->with(Authorization => 'Bearer ' . (token_in($r) || 'none'),
        @where);
}


sub the_challenge {
    my $here = 'http://localhost:' . $t->port . $endpoint;

    is_challenged($t->get('/v2/'), { scheme => 'Bearer', realm => $here,
        service => qr/./, scope => undef, error => undef },
        'a rule for anonymous beside passwords: the challenge is Bearer');
    is_challenged($t->get('/v2/team/app/manifests/v1'),
        { realm => $here, scope => 'repository:team/app:pull' },
        'with the scope');
    is_status($t->get('/v2/public/app/manifests/v1'), 200,
        'what anonymous may needs nothing');
    is_status(alice()->get('/v2/team/app/manifests/v1'), 200,
        'Basic still works');
}


sub a_reply {
    my $before = time;
    my $r = ask_token(alice(), service => $service, client_id => 'docker',
        account => 'alice', scope => 'repository:team/app:pull,push');
    my $j = $r->json;

    is_status($r, 200, 'a token') or return;
    is_header($r, 'Content-Type', qr{\Aapplication/json(?:; charset=utf-8)?\z});
    is_header($r, 'Cache-Control', qr/\bno-store\b/);
    has_no_header($r, 'WWW-Authenticate');
    is($j->{access_token}, $j->{token}, 'under both names');
    is($j->{expires_in}, 300, 'good for five minutes');
    like($j->{issued_at}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z/,
        'issued_at by RFC 3339');
    ok(!exists $j->{refresh_token}, 'no refresh token unasked');

    my ($header, $claims) = jwt_parts($j->{token});
    is($header->{typ}, 'JWT', 'typ');
    is($header->{alg}, 'ES256', 'alg');
    like($header->{kid} // '', qr/\A[\w-]{43}\z/, 'kid');
    is($claims->{sub}, 'alice', 'sub');
    is($claims->{aud}, $service, 'aud');
    ok($claims->{iss}, 'iss');
    ok($claims->{jti}, 'jti');
    cmp_ok(abs($claims->{iat} - $before), '<=', 3, 'iat');
    is($claims->{exp} - $claims->{iat}, 300, 'exp');
    ok($claims->{nbf} <= $claims->{iat}, 'nbf');

    isnt((ask_token(alice(), service => $service)->json || {})->{token},
        $j->{token}, 'no two are the same');
    is_status(ask_token(alice()), [200, 400], 'no service');
}


# Who is in a group may what the group may, and only as long as he is.

sub groups {
    my @at = at('groups');
    my $asked = 'repository:team/app:pull,push';
    my %login = (alice => 'secret', bob => 'a+b %:&=', carol => 'three');
    my $granted = sub {
        my ($user) = @_;
        return granted_by(ask_token($t->as($user, $login{$user}, @at),
            scope => $asked)) =~ s/,update|update,//r;
    };
    my $push = sub {
        my ($with) = @_;
        return $with->post('/v2/team/app/blobs/uploads/')->status;
    };

    is($granted->('alice'), $asked, 'a group: one of it');
    is($granted->('bob'), '', 'a group: who is in none');
    is($granted->('carol'), '', 'a group: who is in one that may nothing');
    my $old = with_token_of(ask_token(alice(@at), scope => $asked), @at);
    is($push->($old), 202, 'the token is worth that');

    $t->write_file('groups', "dev: bob\nops: alice\n");
    wait_for(30, sub { $granted->('bob') eq $asked });
    is($granted->('bob'), $asked, 'the groups change: who came');
    is($granted->('alice'), 'repository:team/app:pull', 'who went');
    is($push->($old), 401, 'and her token is not worth more than she');
    is_status($old->get('/v2/team/app/manifests/v1'), 200, 'nor less');
}


# The intersection of what is asked for with the rules.

sub grants {
    my @rows = (
        ['one of hers', 'team/app:pull,push', 'team/app:pull,push'],
        ['in the other order', 'team/app:push,pull', 'team/app:pull,push'],
        ['part of it', 'team/app:pull', 'team/app:pull'],
        ['more than she may', 'shared/app:pull,push,delete',
            'shared/app:pull'],
        ['nothing she may', 'bob/app:pull,push', ''],
        ['what all may', 'public/app:pull,push', 'public/app:pull'],
        ['what is missing', 'team/none:pull,push', 'team/none:pull,push'],
        ['a delete', 'team/app:delete', ''],
        ['an unknown action', 'team/app:pull,admin', 'team/app:pull']
    );

    for (@rows) {
        my ($name, $scope, $want) = @$_;
        my $r = ask_token(alice(), service => $service,
            scope => "repository:$scope");
        is_status($r, 200, "$name: never an error");
        is(granted_by($r) =~ s/,update|update,//r, $want && "repository:$want",
            "$name: $want") or diag $r->as_text;
    }

    # several, as for a mount: repeated, and joined

    for my $q ([scope => 'repository:team/app:push,pull',
            scope => 'repository:shared/app:pull'],
        [scope => 'repository:team/app:push,pull repository:shared/app:pull'],
        [scope => 'repository:team/app:push', scope =>
            'repository:shared/app:pull', scope => 'repository:team/app:pull'])
    {
        my $r = ask_token(alice(), service => $service, @$q);
        is(granted_by($r) =~ s/,update|update,//r, 'repository:shared/app:pull '
            . 'repository:team/app:pull,push', 'two scopes');
    }

    is(granted_by(ask_token($t->as('carol', 'three'), service => $service,
        scope => 'registry:catalog:*')), 'registry:catalog:*',
        'the catalogue');
    is(granted_by(ask_token($t->as('bob', 'a+b %:&='), service => $service,
        scope => 'registry:catalog:*')), 'registry:catalog:*',
        'the catalogue, for one who may list something');
    like(granted_by(ask_token($t->as('bob', 'a+b %:&='), service => $service,
        scope => 'repository:bob/app:*')), qr/\Arepository:bob\/app:/,
        'a star');

    my $r = ask_token(alice(), service => $service);
    is_status($r, 200, 'no scope at all, as in docker login');
    is(granted_by($r), '', 'grants nothing');
}


sub strange_scopes {
    for my $scope ('', ' ', ':', 'repository', 'repository:', 'repository::',
        'repository:team/app', 'repository:team/app:', 'repository::pull',
        'repository:TEAM/app:pull', 'repository:../team/app:pull',
        'repository:team/app:PULL', 'repository:**:pull',
        'repository:team/*:pull', 'registry:catalog:x', 'user:alice:*',
        'repository:team/app"}:pull', "repository:team/app\n:pull",
        'x' x 3000, 'repository:' . 'a' x 3000 . ':pull')
    {
        my $r = ask_token(alice(), service => $service, scope => $scope);
        ok($r->status == 200 || $r->status == 400,
            'a strange scope: ' . substr $scope, 0, 30) or diag $r->as_text;
        is(granted_by($r), '', 'grants nothing');
    }

    my @many = map { (scope => "repository:team/a$_:pull") } 1 .. 100;
    my $r = ask_token(alice(), service => $service, @many);
    ok($r->status == 200 || $r->status == 400, 'a hundred scopes')
        or diag $r->as_text;
}


sub anonymous {
    my $r = ask_token($t, service => $service, scope => 'repository:public/app:'
        . 'pull,push', scope => 'repository:team/app:pull');
    is_status($r, 200, 'a token without a login');
    is(granted_by($r), 'repository:public/app:pull', 'for what anonymous may');
    is(claims_of($r)->{sub} // '', '', 'in nobody\'s name');
    ok(!exists(($r->json || {})->{refresh_token}), 'no refresh token');

    my $v = with_token_of($r);
    is_status($v->get('/v2/public/app/manifests/v1'), 200, 'it pulls');
    is_status($v->get('/v2/'), 200, 'and pings');
    is_challenged($v->get('/v2/team/app/manifests/v1'),
        { error => 'insufficient_scope' }, 'not what he may not');

    $r = ask_token($t, service => $service, offline_token => 'true');
    ok(!exists(($r->json || {})->{refresh_token}),
        'nor a refresh token when asked');

    is_challenged(ask_token(Test::Registry::Visitor->new($t, at('members')),
        service => $service), { scheme => 'Basic', realm => 'The registry' },
        'where no rule names anonymous: a login');
}


sub using_it {
    my $r = ask_token(alice(), service => $service,
        scope => 'repository:team/app:pull');
    my $v = with_token_of($r);

    is_whole($v->get('/v2/team/app/manifests/v1'), $image->{bytes}, 'a pull')
        for 1 .. 6;
    is_challenged($v->post('/v2/team/app/blobs/uploads/', body => ''),
        { error => 'insufficient_scope',
            scope => 'repository:team/app:pull,push' }, 'no push with it');
    is_challenged($v->get('/v2/shared/app/manifests/v1'),
        { error => 'insufficient_scope',
            scope => 'repository:shared/app:pull' }, 'nor another repository');

    # rules are asked at the time of use, too

    is_status(with_token_of($r, at('basic'))
        ->get('/v2/team/app/manifests/v1'), 401, 'not where no token counts');
}


sub a_whole_push {
    my $r = ask_token(alice(), service => $service,
        scope => 'repository:team/new:pull,push');
    my $v = with_token_of($r);
    my $i = eval { $v->push_image('team/new', 'v1', seed => 'server') };

    ok($i, 'a push with a token') or diag($@), return;
    is_whole($v->get('/v2/team/new/manifests/v1'), $i->{bytes}, 'a pull');

    my $l = $v->open_upload('team/new');
    is_status(alice()->get($l), 204,
        'her upload is hers by whichever way she logs in');
    is_status($v->delete($l), 204, 'and ends');

    # alice may not update: nor may her token

    is_status($v->push_manifest('team/new', 'v1',
        { %{ $i->{data} }, annotations => { a => 'b' } }), 401,
        'A69 a token does not move a tag that she may not move');
    is($v->push_manifest('team/new', 'v1',
        { %{ $i->{data} }, annotations => { a => 'b' } })->message,
        'the tag exists, and moving it takes the right "update"',
        'A69 and she is told why');
    is_whole($v->get('/v2/team/new/manifests/v1'), $i->{bytes},
        'A69 it names what it did');
    $r = ask_token($t->as('bob', 'a+b %:&='), service => $service,
        scope => 'repository:bob/app:pull,push');
    is_status(with_token_of($r)->push_manifest('bob/app', 'v1',
        { %{ $image->{data} }, annotations => { a => 'b' } }), 201,
        'and moves one that he may, though clients know only push');
}


sub wrong_logins {
    for (['a wrong password', basic('alice', 'x')],
        ['an unknown user', basic('nobody', 'x')], ['nothing', 'Basic Og=='],
        ['no base64', 'Basic !'], ['another scheme', 'Digest x'],
        ['a token', 'Bearer x'])
    {
        my ($name, $value) = @$_;
        is_challenged(ask_token($t->with(Authorization => $value),
            service => $service), { scheme => 'Basic',
                realm => 'The registry' }, "the endpoint with $name");
    }
}


sub wrong_questions {
    is_status(ask_token(alice(), service => 'another.example'), 400,
        'a service that is another');
    is_status(ask_token(alice(), service => $service, service => $service), 400,
        'two services');
    is_status(alice()->get("$endpoint?service=%zz"), [200, 400],
        'a query that is broken');
    is_status(alice()->get("$endpoint/"), 404, 'a path below');
    is_status(alice()->get("${endpoint}s"), 404, 'another path');
}


sub methods {
    for my $method (qw(PUT PATCH DELETE FOO)) {
        my $r = alice()->request($method, $endpoint, body => '');
        is_error($r, 405, 'UNSUPPORTED', "$method of the endpoint");
        is_header($r, 'Allow', qr/\bGET\b.*\bPOST\b/);
    }
    is_status(alice()->head("$endpoint?service=$service"), [200, 405], 'HEAD');
}


sub forms {
    my @who = (grant_type => 'password', username => 'bob',
        password => 'a+b %:&=', service => $service, client_id => 'me');
    my $r = ask_form($t, @who, scope => 'repository:bob/app:pull,push');
    my $j = $r->json || {};

    is_status($r, 200, 'POST with a password');
    is_header($r, 'Cache-Control', qr/no-store/);
    is($j->{access_token}, $j->{token}, 'both names');
    is($j->{expires_in}, 300, 'expires_in');
    like($j->{scope} // '', qr/\Arepository:bob\/app:/, 'scope');
    like(granted_by($r), qr/\Arepository:bob\/app:.*pull.*push/, 'grants');
    is(claims_of($r)->{sub}, 'bob', 'sub');
    ok(!exists $j->{refresh_token}, 'no refresh token unasked');

    $r = ask_form($t, @who, scope => 'repository:bob/app:pull '
        . 'repository:public/app:pull');
    is(granted_by($r), 'repository:bob/app:pull repository:public/app:pull',
        'two scopes in one parameter');

    is_status(ask_form($t, @who[0 .. 3], password => 'x', @who[6 .. 9]), 401,
        'POST with a wrong password');
    is_status(ask_form($t, @who[0, 1], username => 'nobody', @who[4 .. 9]), 401,
        'POST of an unknown user');
    is_oauth_error(ask_form($t, @who[0 .. 3], @who[6 .. 9]), 400,
        'invalid_request', 'POST without a password');
    is_oauth_error(ask_form($t, @who[2 .. 9]), 400, 'invalid_request',
        'POST without a grant');
    is_oauth_error(ask_form($t, grant_type => $_, @who[2 .. 9]), 400,
        'unsupported_grant_type', "POST of the grant $_")
        for qw(authorization_code client_credentials x);
    is_oauth_error(ask_form($t, @who, grant_type => 'password'), 400,
        'invalid_request', 'POST of two grants');
    is_oauth_error(ask_form($t, grant_type => 'refresh_token',
        service => $service), 400, 'invalid_request',
        'POST without a refresh token');
    is_oauth_error(ask_form($t, grant_type => 'refresh_token', refresh_token =>
        'x', service => $service), 400, 'invalid_grant',
        'POST with one that is none');
    is_status(ask_form($t, @who[0 .. 5], service => 'other'), 400,
        'POST for another service');

    is_status($t->post($endpoint, body => ''), 400, 'POST of nothing');
    is_status($t->post($endpoint, chunks => ['grant_type=pass',
        'word&username=bob&password=a%2Bb+%25%3A%26%3D']), [200, 400],
        'POST in chunks');
    $r = $t->post($endpoint, body => 'grant_type=password&x='
        . 'x' x 300_000);
    ok($r->status == 400 || $r->status == 413, 'POST of 300 KB')
        or diag $r->as_text;
}


# What a worker has in its memory, read from outside.

sub in_memory {
    my ($pid, $what) = @_;

    open my $maps, '<', "/proc/$pid/maps" or die "maps of $pid: $!\n";
    open my $mem, '<:raw', "/proc/$pid/mem" or die "mem of $pid: $!\n";

    no warnings 'portable';
    my $found = 0;
    while (my $line = <$maps>) {
        my ($from, $to) = $line =~ /\A([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        ($from, $to) = (hex $from, hex $to);

        # the shadow of a sanitizer is terabytes of nothing
        next if $to - $from > 1 << 28;

        sysseek $mem, $from, 0 or next;
        sysread $mem, my $text, $to - $from or next;
        $found++ while $text =~ /\Q$what\E/g;
    }
    return $found;
}


sub wiped_forms {
    my $password = 'Q7' . 'zK' x 20 . int rand 1e9;
    my $form = "grant_type=password&username=bob&password=$password"
        . "&service=$service&client_id=me";

    is_status($t->post($endpoint, body => $form), 401, 'a form to be wiped');
    is_status($t->post($endpoint, chunks => [substr($form, 0, 60),
        substr($form, 60, 1), substr $form, 61]), 401, 'the same in chunks');

    for my $pid ($t->workers) {
        ok(in_memory($pid, $service), "the memory of worker $pid can be read");
        is(in_memory($pid, $password), 0, 'no password of a form is in it');
    }
}


sub settings {
    my $r = $t->get('/v2/team/app/manifests/v1', at('named'));
    is_challenged($r, { realm => 'https://login.example/t',
        service => 'here.example' }, 'realm= and service=');

    my $v = alice(at('named'));
    $r = ask_token($v, service => 'here.example', offline_token => 'true',
        scope => 'repository:team/app:pull');
    is_status($r, 200, 'service=: a token');
    is(($r->json || {})->{expires_in}, 90, 'lifetime=90s');
    is(claims_of($r)->{aud}, 'here.example', 'service= is the audience');
    ok(!exists(($r->json || {})->{refresh_token}), 'refresh=off');
    is_status(ask_form($t->with('X-A', 'b', at('named')), grant_type =>
        'refresh_token', refresh_token => 'x', service => 'here.example'),
        400, 'refresh=off: nothing to refresh');
    is_status(ask_token($v, service => $service), 400, 'another service');

    is_status(with_token_of($r, at('named'))
        ->get('/v2/team/app/manifests/v1'), 200, 'it works there');
    is_challenged(with_token_of($r)->get('/v2/team/app/manifests/v1'),
        { error => 'invalid_token' }, 'and not for another service');
}


sub without_rules {
    my $r = ask_token(alice(at('no_rules')), service => $service,
        scope => 'repository:any/thing:pull,push,delete',
        scope => 'registry:catalog:*');

    is(granted_by($r) =~ s/,update|update,//r, 'registry:catalog:* '
        . 'repository:any/thing:delete,pull,push',
        'without rules a login may do everything');
    is_status(with_token_of($r, at('no_rules'))
        ->get('/v2/any/thing/tags/list'), 404, 'and does');
}


sub not_there {
    for my $name (qw(basic auto_off open)) {
        my $v = $name eq 'open' ? $open : alice(at($name));
        is_error($v->get("$endpoint?service=x"), 404, 'UNSUPPORTED',
            "$name: no endpoint");
        is_error($v->post($endpoint, body => 'x'), 404, 'UNSUPPORTED',
            "$name: no endpoint for POST");
    }
    is_challenged($t->get('/v2/', at('auto_off')), { scheme => 'Basic' },
        'auto: without a rule for anonymous the challenge is Basic');
    is_challenged($t->get($endpoint, at('basic')), { scheme => 'Basic' },
        'and who has not logged in learns nothing of it');
}


# Where a client comes from by Host: mapped ports, names, TLS.

sub where_it_is {
    for my $host ('registry.example', 'registry.example:5000',
        '127.0.0.1:15000', '[::1]:5000')
    {
        my $r = $t->get('/v2/', headers => [['Host', $host]]);
        is_challenged($r, { realm => "http://$host$endpoint" },
            "the realm by Host $host");
    }

    is_challenged($t->get('/v2/', tls => 1, headers => [['Host',
        'registry.example']]), { realm => "https://registry.example$endpoint" },
        'the realm over TLS');
    is_challenged($t->get('/v2/', headers => [['Host', 'a.example'],
        ['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-Proto', 'https']]),
        { realm => "http://a.example$endpoint" },
        'A96 forwarded headers are not looked at');

    my $r = ask_token(alice(tls => 1), service => $service,
        scope => 'repository:team/app:pull');
    is_status(with_token_of($r)->get('/v2/team/app/manifests/v1'), 200,
        'a token from over TLS is the same');
}


sub guesses_count {
    my @form = (grant_type => 'password', service => $service);

    is_status(ask_token($t->as('bob', 'x', at('limited')), service => $service),
        401, 'a guess at the endpoint');
    is_status(ask_form($t->with('X-A', 'b', at('limited')), @form,
        username => 'bob', password => 'y'), 401, 'a guess in a form');
    for my $r (ask_token($t->as('bob', 'z', at('limited')),
            service => $service),
        ask_form($t->with('X-A', 'b', at('limited')), @form, username => 'bob',
            password => 'z'), $t->as('bob', 'z', at('limited'))->get('/v2/'))
    {
        is_status($r, 429, 'A78 the third is one too many');
        is_header($r, 'Retry-After', qr/\A[1-9]\d*\z/);
    }
}


# A header could not bring them; a form can.

sub long_passwords {
    my @form = (grant_type => 'password', service => $service);
    my $ask = sub {
        my ($user, $length, @where) = @_;
        return ask_form($t->with('X-A', 'b', @where), @form,
            username => $user, password => 'p' x $length);
    };

    for my $length (4096, 4097, 60000) {
        my ($r, $other) = map { $ask->($_, $length) } qw(alice nobody);
        is_status($r, 401, "a password of $length bytes is wrong");
        is_like($r, $other, "A71 $length bytes, of alice and of nobody");
    }

    is(join(' ', map { $ask->('carol', 5000, at('limited'))->status } 1 .. 3),
        '401 401 429', 'A78 and one guess');
}


sub over_http2 {
    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);

    my $r = $h->request('GET', "$endpoint?service=$service&scope="
        . 'repository:team/app:pull', headers => [['authorization',
            basic('alice', 'secret')]]);
    is_status($r, 200, 'HTTP/2: a token');
    is(granted_by($r), 'repository:team/app:pull', 'HTTP/2: grants');

    $r = $h->request('POST', $endpoint, body => 'grant_type=password'
        . "&username=alice&password=secret&service=$service",
        headers => [['content-type', 'application/x-www-form-urlencoded']]);
    is_status($r, 200, 'HTTP/2: POST');
    $h->close;
}

#!/usr/bin/perl

# The token server over time: refresh tokens, the key and its rotation, users
# who go, uploads that outlive their token, locations that share a root.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Files;
use Test::Registry::Token;


my $rules = <<'EOF';
registry_login_limit off;
registry_allow alice pull,push,list team/**;
registry_allow bob   pull,push      team/** bob/**;
EOF

my $users = htpasswd(alice => 'secret', bob => 'two');
my @alice = ('alice', 'secret');

refreshing();
no_confusion();
default_key();
key_of_a_file();
edwards();
rotation();
rotation_under_load();
bad_keys();
who_is_gone();
grace();
no_grace();
forged_grace();
two_locations();

done_testing();


# A server with parameters of registry_token_server. more: directives.

sub server {
    my ($parameters, %o) = @_;

    my $more = delete $o{more} || '';
    return Test::Registry->new(
        write => { users => $users, %{ delete $o{write} || {} } },
        location => 'registry_htpasswd "R" %%DIR%%/users; registry_delete on;'
            . "registry_token_server on $parameters; $rules $more", %o);
}


sub service_of {
    my ($t) = @_;

    return (challenge($t->get('/v2/')) || {})->{service} // 'unknown';
}


# A reply with a token for alice.

sub token_for {
    my ($t, @scope) = @_;

    @scope = ('repository:team/app:pull,push') if !@scope;
    return ask_token($t->as(@alice), service => service_of($t),
        map { (scope => $_) } @scope);
}


sub with_token_of {
    my ($t, $r) = @_;

    return $t->with(Authorization => 'Bearer ' . (token_in($r) || 'none'));
}


sub key_file {
    my ($t) = @_;

    return $t->root . '/docker/registry/nginx/token.key';
}


# The claims of a token as this server issues them, to be changed.

sub claims_like {
    my ($t, %change) = @_;

    return { %{ claims_of(token_for($t)) }, %change };
}


sub is_alive {
    my ($t, $token, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_status($t->bearing($token)->get('/v2/team/app/tags/list'),
        404, $name);
}


sub is_dead {
    my ($t, $token, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged($t->bearing($token)->get('/v2/team/app/tags/list'),
        { scheme => 'Bearer', error => 'invalid_token' }, $name);
}


sub refreshing {
    my $t = server('')->run;
    my $service = service_of($t);
    my @ask = (service => $service, scope => 'repository:team/app:pull');
    my $j = ask_token($t->as(@alice), @ask, offline_token => 'true')->json
        || {};
    my $refresh = $j->{refresh_token};

    ok($refresh, 'offline_token=true gives a refresh token') or return;
    my $p = ask_form($t, grant_type => 'password', username => 'alice',
        password => 'secret', access_type => 'offline', @ask)->json || {};
    ok($p->{refresh_token}, 'so does access_type=offline');

    my @grant = (grant_type => 'refresh_token', service => $service);
    my $r = ask_form($t, @grant, refresh_token => $refresh,
        scope => 'repository:team/app:pull,push');
    is_status($r, 200, 'it is worth an access token');
    is(claims_of($r)->{sub}, 'alice', 'of hers');
    like(granted_by($r), qr/\Arepository:team\/app:pull,push/,
        'for whatever she may');
    is_status(with_token_of($t, $r)->get('/v2/team/app/tags/list'), 404,
        'that pulls');
    is(granted_by(ask_form($t, @grant, refresh_token => $refresh,
        scope => 'repository:bob/app:pull')), '', 'and no more than that');
    is_status(ask_form($t, @grant, refresh_token => $refresh), 200,
        'more than once');

    # with the password its worth is gone

    $t->write_file('users', htpasswd(alice => 'new', bob => 'two'));
    is_oauth_error(ask_form($t, @grant, refresh_token => $refresh), 400,
        'invalid_grant', 'A77 her password changed');
    $t->write_file('users', htpasswd(bob => 'two'));
    is_oauth_error(ask_form($t, @grant, refresh_token => $refresh), 400,
        'invalid_grant', 'A77 she is removed');
    $t->write_file('users', htpasswd(alice => 'secret', bob => 'two'));
    is_oauth_error(ask_form($t, @grant, refresh_token => $refresh), 400,
        'invalid_grant', 'A77 and back, with another hash');

    is_status(ask_token($t->as(@alice), @ask), 200, 'a login works again');
    $t->finish;
}


# Neither kind of token passes for the other, nor for a password.

sub no_confusion {
    my $t = server('')->run;
    my $service = service_of($t);
    my $j = ask_token($t->as(@alice), service => $service,
        offline_token => 'true', scope => 'repository:team/app:pull')->json
        || {};
    my @grant = (grant_type => 'refresh_token', service => $service);

    is_challenged($t->with(Authorization => "Bearer $j->{refresh_token}")
        ->get('/v2/team/app/manifests/v1'), { error => 'invalid_token' },
        'a refresh token opens nothing');
    is_oauth_error(ask_form($t, @grant, refresh_token => $j->{token}), 400,
        'invalid_grant', 'an access token refreshes nothing');
    is_status($t->as('alice', $_)->get('/v2/'), 401,
        'neither is a password') for @{$j}{qw(token refresh_token)};
    is_status($t->as('<token>', $j->{token})->get('/v2/'), 401,
        'under whatever name');

    my ($h, $c, $s) = split /\./, $j->{token};
    my $claims = claims_of(Test::Registry::Reply->new(
        body => json_text({ token => $j->{token} })));
    $claims->{sub} = 'bob';
    is_challenged($t->with(Authorization => "Bearer $h."
        . base64url(json_text($claims)) . ".$s")->get('/v2/'),
        { error => 'invalid_token' }, 'a token with another name in it');
    $t->finish;
}


# Nobody has to make a key: the first who needs one does.

sub default_key {
    my $t = server('', workers => 2, user => $> == 0 ? 'nobody' : 'root')
        ->run;
    my $file = key_file($t);
    my $token = token_in(token_for($t));

    ok(-f $file, 'a key is made below the root');
    is(sprintf('%04o', (stat $file)[2] & 07777), '0600',
        'that nobody else can read');
    like(slurp($file), qr/\A-----BEGIN (?:EC )?PRIVATE KEY-----\n/, 'in PEM');
    my @left = grep { !/token\.key\z/ } glob $t->root
        . '/docker/registry/nginx/*key*';
    is("@left", '', 'and nothing beside it');

    is_alive($t, $token, 'every worker knows it') for 1 .. 8;
    is_alive($t, token_in(token_for($t)), 'each takes what each has given')
        for 1 .. 8;

    $t->reload;
    is_alive($t, $token, 'a token outlives a reload') for 1 .. 4;
    $t->restart;
    is_alive($t, $token, 'and a restart') for 1 .. 4;

    # the test can sign with it, so it is the one in use

    my $key = Test::Registry::Token->load('p256', slurp($file));
    is_alive($t, jwt($key, claims_like($t), { kid => $key->thumbprint }),
        'it is the key that counts');

    unlink $file;
    $t->reload;
    my $next = token_in(token_for($t));
    ok($next, 'a key that was lost is made anew');
    is_alive($t, $next, 'and serves') for 1 .. 4;
    ok(-f $file, 'in its place');
    is_dead($t, $token, 'what the old one signed is worth nothing');
    $t->finish;

    # many at once need it first

    $t = server('', workers => 2)->run;
    my @c = map { $t->as(@alice)->connect } 1 .. 12;
    $_->start('GET', '/v2/_nginx/token?scope=repository:team/app:pull')
        for @c;
    my @tokens = map { token_in($_->reply) } @c;
    is(scalar(grep { $_ } @tokens), 12, 'twelve ask at once for the first');
    is_alive($t, $_, 'and each token counts') for @tokens;
    $t->finish;
}


sub key_of_a_file {
    my $key = new_key('p256');
    my $t = server('key=%%DIR%%/my.key', write => { 'my.key' => $key->pem })
        ->run;
    my $r = token_for($t);
    my ($header) = jwt_parts(token_in($r));

    is($header->{kid}, $key->thumbprint, 'key=: it signs');
    is($header->{alg}, 'ES256', 'key=: as its kind does');
    is_alive($t, token_in($r), 'key=: it counts');
    ok(!-e key_file($t), 'key=: no other one is made');
    $t->finish;
}


sub edwards {
    my $t = server('algorithm=EdDSA lifetime=1h')->run;
    my $r = token_for($t);
    my ($header) = jwt_parts(token_in($r));

    is($header->{alg}, 'EdDSA', 'algorithm=EdDSA');
    is(($r->json || {})->{expires_in}, 3600, 'lifetime=1h');
    is_alive($t, token_in($r), 'algorithm=EdDSA: it counts');

    my $key = Test::Registry::Token->load('ed25519', slurp(key_file($t)));
    is($header->{kid}, $key->thumbprint, 'algorithm=EdDSA: its key');
    $t->finish;
}


sub with_key_file {
    my (@keys) = @_;

    return server('key=%%DIR%%/my.key', workers => 2,
        write => { 'my.key' => join '', map { $_->pem } @keys });
}


# The first key of the file signs, all of them verify.

sub rotation {
    my ($one, $two, $three) = map { new_key($_) } qw(p256 p256 ed25519);
    my $t = with_key_file($one)->run;
    my $old = token_in(token_for($t));
    my $refresh = (ask_token($t->as(@alice), service => service_of($t),
        offline_token => 'true')->json || {})->{refresh_token};

    $t->write_file('my.key', $two->pem . $one->pem);
    my $new = token_in(token_for($t));
    is((jwt_parts($new))[0]{kid}, $two->thumbprint, 'the new key signs');
    is_alive($t, $_, 'old and new tokens count') for ($old, $new) x 3;
    is_status(ask_form($t, grant_type => 'refresh_token',
        refresh_token => $refresh, service => service_of($t)), 200,
        'and a refresh token');

    $t->write_file('new.key', $three->pem . $two->pem);
    rename $t->dir . '/new.key', $t->dir . '/my.key' or die "rename: $!\n";
    is_alive($t, token_in(token_for($t)), 'a third key, of another kind');
    is_alive($t, $new, 'the second one still counts');
    is_dead($t, $old, 'the first one is gone');
    is_oauth_error(ask_form($t, grant_type => 'refresh_token',
        refresh_token => $refresh, service => service_of($t)), 400,
        'invalid_grant', 'and what it had signed');
    $t->finish;
}


# Keys rotate while clients work: nobody is refused.

sub rotation_under_load {
    my @keys = map { new_key('p256') } 1 .. 2;
    my $t = with_key_file($keys[0])->run;
    my (@tokens, %status);

    for my $round (1 .. 20) {
        unshift @keys, new_key('p256');
        $t->write_file('new.key', join '', map { $_->pem } @keys[0 .. 1]);
        rename $t->dir . '/new.key', $t->dir . '/my.key';

        my $r = token_for($t);
        $status{'asked ' . $r->status}++;
        unshift @tokens, token_in($r);
        for my $token (@tokens > 1 ? @tokens[0, 1] : @tokens) {
            $status{'used ' . $t->bearing($token)
                ->get('/v2/team/app/tags/list')->status}++ for 1 .. 3;
        }
    }

    is(join(', ', map { "$_: $status{$_}" } sort keys %status),
        'asked 200: 20, used 404: 117',
        'twenty rotations and no request refused wrongly');
    $t->finish;
}


sub bad_keys {
    my $key = new_key('p256');
    my %bad = ('a file that is not there' => undef, 'no PEM' => 'x',
        'nothing' => '', 'a public key' => $key->public,
        'an RSA key' => new_key('rsa')->pem,
        'a key on P-384' => new_key('p384')->pem,
        'half a key' => substr($key->pem, 0, 100));

    for my $name (sort keys %bad) {
        my $t = with_key_file($key);
        defined $bad{$name} ? $t->write_file('my.key', $bad{$name})
            : unlink $t->dir . '/my.key';
        my ($rc, $said) = $t->check;

        # what is not there can be made

        next if $name =~ /not there/ && $rc == 0
            && ok(1, "F33 $name: is made when needed");
        ok($rc != 0 && $said =~ /\[emerg\].*nginx\.conf:\d+/,
            "F33 refused: $name") or diag $said;
        unlike($said, qr/PRIVATE|MI[A-Z]/, 'and shows nothing of it');
    }

    # the same at run time: what was in force stays so

    my $t = with_key_file($key)->run;
    my $token = token_in(token_for($t));
    for my $name (sort grep { $bad{$_} } keys %bad) {
        $t->write_file('my.key', $bad{$name});
        is_alive($t, $token, "F33 $name in its place: tokens count");
        is_status(token_for($t), 200, 'F33 and are handed out');
    }
    $t->write_file('my.key', new_key('p256')->pem);
    is_dead($t, $token, 'F33 a good one counts at once');
    $t->finish;
}


# A user who is gone, or may less: on the next request.

sub who_is_gone {
    my $t = server('')->run;
    my $r = token_for($t);

    is_alive($t, token_in($r), 'a token of hers');
    $t->{location} =~ s/allow alice [^;]*;/allow alice pull x;/;
    $t->reload;
    my $answer = with_token_of($t, $r)->get('/v2/team/app/tags/list');
    is_status($answer, [401, 403], 'A41 less is allowed: at once');

    $t->{location} =~ s/allow alice pull x;/allow alice pull,push team\/**;/;
    $t->reload;
    is_alive($t, token_in($r), 'A41 and allowed again');
    my $l = with_token_of($t, $r)->open_upload('team/app');

    $t->write_file('users', htpasswd(alice => 'new', bob => 'two'));
    is_dead($t, token_in($r), 'A41 her password is another: at once');
    $t->write_file('users', $users);
    is_alive($t, token_in($r), 'A41 and the old line again');

    $t->write_file('users', htpasswd(bob => 'two'));
    for my $q (['GET', '/v2/team/app/tags/list'], ['PATCH', $l],
        ['POST', '/v2/team/app/blobs/uploads/'], ['GET', '/v2/'])
    {
        is_status(with_token_of($t, $r)->request(@$q, body => ''), [401, 403],
            "A41 she is removed: $q->[0] on the next call");
    }
    is_status($t->as(@alice)->get('/v2/'), 401, 'A41 and has no login');
    $t->finish;
}


# Calls code with somebody whose token is good for three seconds more, by the
# leeway; with another one where it had ended before the code.

sub while_good {
    my ($t, $code) = @_;

    token_for($t);
    my $key = Test::Registry::Token->load('p256', slurp(key_file($t)));
    my $claims = claims_like($t);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_quick(2.9, 'A41 while the token is good', sub {
        my $now = int time;
        my $token = jwt($key, { %$claims, iat => $now - 300,
            nbf => $now - 300, exp => $now - 57 },
            { kid => $key->thumbprint });
        $code->($t->bearing($token));
        return time - $now;
    });
}


# An upload that a good token began may be finished with it.

sub grace {
    my $t = server('')->run;
    my $bytes = blob(30_000, 'grace');
    my ($v, $first, $l, $other, $patched);

    while_good($t, sub {
        $v = shift;
        ($first, $other)
            = map { $v->post('/v2/team/app/blobs/uploads/', body => '') } 1, 2;
        $l = $first->header('Location') // '/none';
        $patched = $v->patch($l, body => substr $bytes, 0, 10_000);
    });
    is_status($first, 202, 'A41 an upload begins') or return;
    is_status($other, 202, 'A41 and another one');
    is_status($patched, 202, 'A41 and goes on');
    my $second = with_token_of($t, token_for($t))->open_upload('team/app');

    wait_for(10, sub {
        $v->get('/v2/team/app/tags/list')->status == 401 });
    is_challenged($v->get('/v2/team/app/tags/list'),
        { error => 'invalid_token' }, 'A41 the token has expired');

    is_status($v->patch($l, body => substr $bytes, 10_000, 10_000), 202,
        'A41 the upload goes on with it');
    is_header($v->get($l), 'Range', '0-19999', 'A41 its state is told');
    is_status($v->put("$l?digest=" . sha256($bytes),
        body => substr $bytes, 20_000), 201, 'A41 and it ends');
    is_status($v->delete($other->header('Location')), 204,
        'A41 another one is cancelled');

    is_status($v->put("$l?digest=" . sha256('x'), body => 'x'), [401, 404],
        'A41 nothing else: no ended upload');
    is_challenged($v->get("/v2/team/app/blobs/" . sha256($bytes)),
        { error => 'invalid_token' }, 'A41 no pull');
    is_challenged($v->post('/v2/team/app/blobs/uploads/', body => ''),
        { error => 'invalid_token' }, 'A41 no new upload');
    is_challenged($v->push_manifest('team/app', 'v1', {}),
        { error => 'invalid_token' }, 'A41 no manifest');
    is_challenged($v->get('/v2/'), { error => 'invalid_token' },
        'A41 no ping');
    is_challenged($v->delete('/v2/team/app/blobs/' . sha256($bytes)),
        { error => 'invalid_token' }, 'A41 no delete');

    # the next token of the same user goes on with any upload of his

    is_status(with_token_of($t, token_for($t))->delete($second), 204,
        'A41 a new token ends what it will');
    $t->finish;
}


sub no_grace {
    my $t = server('', more => 'registry_token_grace 0;')->run;
    my ($v, $first);

    while_good($t, sub {
        $v = shift;
        $first = $v->post('/v2/team/app/blobs/uploads/', body => '');
    });
    is_status($first, 202, 'registry_token_grace 0: an upload begins')
        or return;
    my $l = $first->header('Location');

    wait_for(10, sub {
        $v->get('/v2/team/app/tags/list')->status == 401 });
    is_challenged($v->patch($l, body => 'x'), { error => 'invalid_token' },
        'registry_token_grace 0: an upload ends with its token');
    is_status(with_token_of($t, token_for($t))->patch($l, body => 'x'), 202,
        'registry_token_grace 0: a new token goes on');
    $t->finish;
}


# Expired tokens are of no use for what they did not begin.

sub forged_grace {
    my $t = server('', more => 'registry_token_grace 1h;')->run;
    my $l = with_token_of($t, token_for($t))->open_upload('team/app');
    my $bob = ask_token($t->as('bob', 'two'), service => service_of($t),
        scope => 'repository:team/app:pull,push');
    my $b = with_token_of($t, $bob)->open_upload('team/app');
    my $key = Test::Registry::Token->load('p256', slurp(key_file($t)));
    my $now = int time;
    my $old = sub {
        my ($age, %more) = @_;
        return $t->bearing(jwt($key, claims_like($t, iat => $now - $age
            - 300, nbf => $now - $age - 300, exp => $now - $age, %more),
            { kid => $key->thumbprint }));
    };
    my $foreign = new_key('p256');

    is_challenged($old->(120, jti => 'another')->get('/v2/team/app/tags/list'),
        { error => 'invalid_token' }, 'A41 an expired token');
    my $r = $old->(120)->patch($b, body => 'x');
    is_status($r, [401, 404], 'A41 an upload of somebody else');
    is_like($r, $old->(120)->patch($b =~ s/[0-9a-f]{12}\z/123456789abc/r,
        body => 'x'), 'A41 like none at all');
    is_status($old->(120, sub => 'bob')->patch($l, body => 'x'), [401, 404],
        'A41 by somebody else');
    is_challenged($old->(120)->patch($l, body => 'x'),
        { error => 'invalid_token' }, 'A41 an upload begun after its end');
    is_challenged($old->(7200)->patch($l, body => 'x'),
        { error => 'invalid_token' }, 'A41 beyond the grace');
    is_challenged($old->(120, access => [access('team/app', 'pull')])
        ->patch($l, body => 'x'), {}, 'A41 a token that could not push');
    is_challenged($t->bearing(jwt($foreign, claims_like($t,
        exp => $now - 120), { kid => $key->thumbprint }))
        ->patch($l, body => 'x'), { error => 'invalid_token' },
        'A41 another key');
    is_status(with_token_of($t, $bob)->delete($b), 204, 'A41 bob goes on');
    $t->finish;
}


# One root, two locations with users of their own: a token of one is nothing
# in the other, though both have the same key at hand.

sub two_locations {
    my $t = server('', ports => 2,
        write => { others => htpasswd(alice => 'other', carol => 'three') },
        servers => <<"EOF")->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "Others" %%DIR%%/others;
        registry_token_server on;
        $rules
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%DIR%%/elsewhere;
        registry_htpasswd "R" %%DIR%%/users;
        registry_token_server on;
        $rules
    }
}
EOF
    my @one = (port => $t->extra_port(1));
    my @two = (port => $t->extra_port(2));
    my $token = token_in(token_for($t));
    my $refresh = (ask_token($t->as(@alice), service => service_of($t),
        offline_token => 'true')->json || {})->{refresh_token};

    is_alive($t, $token, 'where it comes from');
    for ([@one], [@two]) {
        my $v = $t->with(Authorization => "Bearer $token", @$_);
        my $name = $_->[1] == $one[1] ? 'another password file'
            : 'another root';
        is_challenged($v->get('/v2/team/app/tags/list'),
            { error => 'invalid_token' }, "a token at $name");
        is_oauth_error(ask_form(Test::Registry::Visitor->new($t, @$_),
            grant_type => 'refresh_token', refresh_token => $refresh,
            service => service_of($t)), 400, 'invalid_grant',
            "a refresh token at $name");
    }
    is_status($t->as('alice', 'other', @one)->get('/v2/'), 200,
        'each has users of its own');
    $t->finish(roots => [$t->dir . '/elsewhere']);
}

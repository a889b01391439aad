#!/usr/bin/perl

# The variables: who asked for what, in the log, in a reply, and before the
# access phase.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::HTTP2;
use Test::Registry::Token;


my @names = qw(user auth repository action reference digest upload);
my $key = new_key('p256');

my $t = Test::Registry->new(
    ports => 5, h2c => 1,
    write => {
        users => htpasswd(alice => 'one', "j\xc3\xb6\"rg\\" => 'two',
            'a b' => 'three'),
        'jwks.json' => jwks($key->jwk)
    },
    http => 'log_format who escape=json \'{'
        . join(',', map { "\"$_\":\"\$registry_$_\"" } @names)
        . ',"early":"$early","status":"$status","uri":"$request_uri"}\';'
        . 'map $registry_action $heavy { push 1; default 0; }'
        . 'map $registry_user $kept { default 0; alice 1; }',
    server => 'set $early "";',
    location => <<'EOF',
access_log %%DIR%%/who.log who;
set $early "$registry_user/$registry_repository/$registry_action";
registry_delete on;
registry_htpasswd "R" %%DIR%%/users;
registry_login_limit off;
registry_token_server on;
registry_allow anonymous pull public/**;
registry_allow alice * **;
add_header X-Heavy $heavy always;
add_header X-Repository $registry_repository always;
if ($registry_repository = "frozen/app") { return 403; }
EOF
    servers => join '', map { "server { listen 127.0.0.1:%%PORT$_->[0]%%;\n"
        . "set \$early '';\n"
        . "location /v2/ { registry %%ROOT%%; registry_delete on;\n"
        . "access_log %%DIR%%/who.log who; $_->[1] } $_->[2] }\n" }
        [1, '', 'location / { return 200 "[$registry_user$registry_auth'
            . '$registry_repository$registry_action$registry_digest]"; }'],
        [2, 'registry_user $http_x_user;', ''],
        [3, 'registry_token realm=https://a.example/ service='
            . 'registry.example issuer=issuer.example '
            . 'jwks=%%DIR%%/jwks.json;', ''],
        [4, 'auth_basic "R"; auth_basic_user_file %%DIR%%/users;', ''],
        [5, 'satisfy any; allow all; registry_htpasswd "R" %%DIR%%/users;',
            '']
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $alice = $t->as('alice', 'one');
my $image = $open->push_image($_, 'v1') for qw(public/app frozen/app);
$image = $open->push_image('team/app', 'v1');
my $layer = sha256($image->{layers}[0]);
my $seen = 0;

# a line is written after its reply was read
wait_for(5, sub {
    grep { $_->{repository} eq 'team/app' && $_->{action} eq 'push'
        && $_->{reference} eq 'v1' } lines();
}) or die "the push is not in the log\n";

every_operation();
who_it_was();
refused();
odd_names();
before_access();
in_replies();
elsewhere();

finish($t);


# Lines of the log, as data; without one that is being written.

sub lines {
    open my $fh, '<:raw', $t->dir . '/who.log' or return ();
    return map { JSON::PP->new->decode($_) } grep { /\n\z/ } <$fh>;
}


# Runs the code, which makes one request; the line that it left.

sub logged {
    my ($code) = @_;

    my $before = lines();
    my $r = $code->();
    my @all;
    wait_for(5, sub { @all = lines(); @all > $before });
    return ($all[-1] || {}, $r);
}


# A request, and what its line says in the order of @names. A pattern may
# stand for a value.

sub is_logged {
    my ($want, $name, $visitor, $method, $uri, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($line, $r) = logged(sub { $visitor->request($method, $uri, %o) });
    my @wrong = grep {
        my ($have, $w) = ($line->{ $names[$_] } // 'nothing', $want->[$_]);
        ref $w ? $have !~ $w : $have ne $w;
    } 0 .. $#names;

    ok(!@wrong, "$name: $method " . substr $uri, 0, 50)
        or diag map({ "\$registry_$names[$_] is '"
            . ($line->{ $names[$_] } // '') . "', wanted '$want->[$_]'\n" }
            @wrong), $r->as_text;
    return $r;
}


sub every_operation {
    my @me = ('alice', 'htpasswd');
    my $d = $image->{digest};
    my $as = sub { is_logged([@me, @{ shift() }], 'alice', $alice, @_) };
    my $type = [['Content-Type', $image->{type}]];

    $as->(['', '', '', '', ''], 'GET', '/v2/');
    $as->(['', 'list', '', '', ''], 'GET', '/v2/_catalog');
    $as->(['team/app', 'pull', '', '', ''], 'GET', '/v2/team/app/tags/list');
    $as->(['team/app', 'pull', 'v1', $d, ''], 'GET',
        '/v2/team/app/manifests/v1');
    $as->(['team/app', 'pull', 'v1', $d, ''], 'HEAD',
        '/v2/team/app/manifests/v1');
    $as->(['team/app', 'pull', $d, $d, ''], 'GET',
        "/v2/team/app/manifests/$d");
    $as->(['team/app', 'pull', 'none', '', ''], 'GET',
        '/v2/team/app/manifests/none');
    $as->(['team/app', 'pull', '', $layer, ''], 'GET',
        "/v2/team/app/blobs/$layer");
    $as->(['team/app', 'pull', qr/\A(?:\Q$d\E)?\z/, $d, ''], 'GET',
        "/v2/team/app/referrers/$d");
    $as->(['team/app', 'push', 'v2', $d, ''], 'PUT',
        '/v2/team/app/manifests/v2', body => $image->{bytes},
        headers => $type);
    $as->(['team/app', 'delete', 'v2', qr/\A(?:\Q$d\E)?\z/, ''], 'DELETE',
        '/v2/team/app/manifests/v2');
    $as->(['team/app', 'delete', '', sha256('no'), ''], 'DELETE',
        '/v2/team/app/blobs/' . sha256('no'));
    $as->(['team/none', 'delete', '', '', ''], 'DELETE',
        '/v2/team/none/_nginx/repository/content');

    my $r = $as->(['team/app', 'push', '', '', qr/\A[0-9a-f-]{36}\z/],
        'POST', '/v2/team/app/blobs/uploads/', body => '');
    my $l = $r->header('Location');
    my ($id) = $l =~ m{([^/]+)\z};
    my ($line) = (lines())[-1];
    is($line->{upload}, $id, 'the id is that of Location');

    $as->(['team/app', 'push', '', '', $id], 'PATCH', $l, body => 'abc');
    $as->(['team/app', 'push', '', '', $id], 'GET', $l);
    $as->(['team/app', 'push', '', sha256('abc'), $id], 'PUT',
        "$l?digest=" . sha256('abc'), body => '');
    $as->(['team/app', 'push', '', sha256('one'), ''], 'POST',
        '/v2/team/app/blobs/uploads/?digest=' . sha256('one'), body => 'one');
    $as->(['team/two', 'push', '', $layer, ''], 'POST',
        "/v2/team/two/blobs/uploads/?mount=$layer&from=team/app", body => '');
    $l = $alice->open_upload('team/app');
    ($id) = $l =~ m{([^/]+)\z};
    $as->(['team/app', 'push', '', '', $id], 'DELETE', $l);
}


sub who_it_was {
    my @pull = ('public/app', 'pull', 'v1', $image->{digest}, '');
    my @ask = ('GET', '/v2/public/app/manifests/v1');
    my $at = sub { (port => $t->extra_port($_[0])) };
    my $token = ask_token($alice, scope => 'repository:public/app:pull');

    is_logged(['alice', 'htpasswd', @pull], 'a password', $alice, @ask);
    is_logged(['', 'anonymous', @pull], 'what anonymous may', $t, @ask);
    is_logged(['alice', 'bearer', @pull], 'a token of ours',
        $t->with(Authorization => 'Bearer ' . token_in($token)), @ask);
    is_logged(['carol', 'variable', @pull], 'a variable',
        $t->with('X-User', 'carol', $at->(2)), @ask);
    is_logged(['dave', 'bearer', @pull], 'a token of another server',
        $t->with(Authorization => 'Bearer ' . jwt($key, claims(sub => 'dave',
            access => [access('public/app', 'pull')])), $at->(3)), @ask);
    is_logged(['', qr/\A(?:anonymous)?\z/, @pull], 'an open registry', $open,
        @ask);
    is_logged(['', qr/\A(?:anonymous)?\z/, @pull],
        'auth_basic alone: not our user', $t->as('alice', 'one', $at->(4)),
        @ask);
    is_logged(['alice', 'htpasswd', @pull], 'satisfy any, with a login',
        $t->as('alice', 'one', $at->(5)), @ask);
    is_logged(['', qr/\A(?:anonymous)?\z/, @pull],
        'satisfy any, without a login',
        Test::Registry::Visitor->new($t, $at->(5)), @ask);

    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my ($line) = logged(sub { $h->request('GET', $ask[1], headers => [
        ['authorization', basic('alice', 'one')]]) });
    is("$line->{user} $line->{auth} $line->{repository}",
        'alice htpasswd public/app', 'HTTP/2');
    $h->close;
}


# Who could not prove it is nobody, in the log as well.

sub refused {
    my @ask = ('GET', '/v2/team/app/manifests/v1');
    my @want = ('team/app', 'pull', 'v1', '', '');

    is_logged(['', 'anonymous', @want], 'no login', $t, @ask);
    is_logged(['', '', @want], 'a wrong password', $t->as('alice', 'x'), @ask);
    is_logged(['', '', @want], 'a token that is none',
        $t->with(Authorization => 'Bearer x'), @ask);
    is_logged(["j\xc3\xb6\"rg\\", 'htpasswd', @want], 'no right',
        $t->as("j\xc3\xb6\"rg\\", 'two'), @ask);
    is_logged(['', 'anonymous', ('') x 5], 'a name that is none', $t, 'GET',
        '/v2/TEAM/tags/list');
    is_logged(['', 'anonymous', ('') x 5], 'a route that is none', $t, 'GET',
        '/v2/nothing');
}


# Whatever a name holds, a line is one line and one JSON text.

sub odd_names {
    my $before = lines();

    $t->as($_, 'x')->get('/v2/') for "a\nb", "a\r\nb", 'a"b', "a\\",
        "\x1b[31m", 'x' x 300, "\xff\xfe";
    $t->get($_) for '/v2/a%0ab/tags/list', '/v2/%22%5c/manifests/%0d%0a',
        "/v2/\xff/tags/list", '/v2/a/manifests/%1b',
        '/v2/a/blobs/uploads/%22x';
    wait_for(5, sub { lines() >= $before + 12 });
    my @new = (lines())[ $before .. $before + 11 ];
    is(scalar(grep { ref eq 'HASH' } @new), 12, 'A112 twelve odd requests, '
        . 'twelve lines');
    is(join('', map { @{$_}{qw(user digest upload)} } @new), '',
        'A112 and none of it names anybody');

    is_logged(['a b', 'htpasswd', ('') x 5], 'a blank in a name',
        $t->as('a b', 'three'), 'GET', '/v2/');
}


# In the rewrite phase only what can be said at once is known; what comes
# later is not kept from being told.

sub before_access {
    $t->write_file('users', htpasswd(alice => 'fresh'));
    my $fresh = $t->as('alice', 'fresh');
    my @ask = ('GET', '/v2/team/app/manifests/v1');

    my ($line) = logged(sub { $fresh->request(@ask) });
    is($line->{early}, '/team/app/pull', 'before a first login: not yet');
    is($line->{user}, 'alice', 'after it');

    # for a second the file may still change, so nothing is said at once

    sleep 1.2;
    $fresh->get('/v2/');
    ($line) = logged(sub { $fresh->request(@ask) });
    is($line->{early}, 'alice/team/app/pull', 'one who is known already');
    ($line) = logged(sub { $t->as('alice', 'x')->request(@ask) });
    is($line->{early}, '/team/app/pull', 'a wrong password is never known');
    is($line->{user}, '', 'a wrong password is never known');

    is_error($fresh->get('/v2/frozen/app/manifests/v1'), 403, 'DENIED',
        'if ($registry_repository = ...)');
    is_status($fresh->get('/v2/frozen/apps/tags/list'), 404, 'and no other');
    is_error($fresh->get('/v2/%66rozen/app/manifests/v1'), 403, 'DENIED',
        'A92 by whatever spelling');
    $alice = $fresh;
}


sub in_replies {
    my $r = $alice->get('/v2/team/app/tags/list');
    is_header($r, 'X-Heavy', '0', 'a map of $registry_action: pull');
    is_header($r, 'X-Repository', 'team/app');
    $r = $alice->post('/v2/team/app/blobs/uploads/?digest=' . sha256('r'),
        body => 'r');
    is_header($r, 'X-Heavy', '1', 'a map of $registry_action: push');
    $r = $t->get('/v2/team/app/tags/list');
    is_status($r, 401, 'refused');
    is_header($r, 'X-Repository', 'team/app', 'the name is told of a refusal');
}


sub elsewhere {
    is($t->get('/other', port => $t->extra_port(1))->body, '[]',
        'outside a registry they are empty');
    is($t->get('/other', port => $t->extra_port(1), headers =>
        [['Authorization', basic('alice', 'one')]])->body, '[]',
        'whatever is sent');
}

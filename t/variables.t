#!/usr/bin/perl

# The variables that t/access_log.t has not: what was shown and what became of
# it, errors of the registry and of nginx, tags, bytes and times, on every way
# that a request can go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::HTTP2;
use Test::Registry::Token;


my @names = qw(credentials login claimed_user auth user operation tag digest
    from error received cache expires thread_wait thread_time upload);
my $mark = 0;
my %none = map { $_ => '' } @names;

my $t = Test::Registry->new(
    ports => 5, h2c => 1,
    write => { users => htpasswd(ann => 'a') },
    http => 'log_format all escape=json \'{'
        . join(',', map { "\"$_\":\"\$registry_$_\"" } @names)
        . ',"status":"$status","mark":"$arg_mark"}\';'
        . 'limit_req_zone $http_x_slow zone=slow:1m rate=1r/m;',
    location => <<'EOF',
access_log %%DIR%%/all.log all;
registry_delete on;
registry_cors_origin *;
registry_htpasswd "R" %%DIR%%/users;
registry_login_limit 3;
registry_token_server on;
registry_allow ann * **;
registry_allow anonymous pull **;
client_max_body_size 300k;
limit_req zone=slow;
error_page 418 = /elsewhere;
if ($arg_teapot) { return 418; }
EOF
    server => 'location /elsewhere { access_log %%DIR%%/all.log all; '
        . 'return 200 "x"; }',
    servers => join '', map { "server { listen 127.0.0.1:%%PORT$_->[0]%%;\n"
        . 'access_log %%DIR%%/all.log all;'
        . "location /v2/ { registry %%ROOT%%; $_->[1] } }\n" }
        [1, ''], [2, 'auth_basic "R"; auth_basic_user_file %%DIR%%/users;'],
        [3, 'registry_user $http_x_user auth=sso_2;'],
        [4, 'limit_except GET { deny all; }'],
        [5, 'registry_htpasswd "R" %%DIR%%/users; deny 127.0.0.1;']
)->run;

my $ann = $t->as('ann', 'a');
my $image = $ann->push_image('app', 'v1');
my $layer = sha256($image->{layers}[0]);
my ($d, $bytes) = @{$image}{qw(digest bytes)};
my @type = (headers => [['Content-Type', $image->{type}]]);
my @ann = (credentials => 'basic', login => 'ok', claimed_user => 'ann',
    auth => 'htpasswd', user => 'ann');
my @nobody = (auth => 'anonymous');

wait_for(30, sub { grep { $_->{operation} eq 'manifest_write' } lines() })
    or die "no line of the push\n";

logins();
operations();
errors_of_nginx();
others_who_log_in();
bytes_and_times();
elsewhere();
unavailable();

finish($t);


# --- assertions --------------------------------------------------------------

sub lines {
    open my $fh, '<:raw', $t->dir . '/all.log' or return ();
    return map { JSON::PP->new->utf8->decode($_) } grep { /\n\z/ } <$fh>;
}


# How many lines there are, when all of them are there.

sub settled {
    my @all;

    $mark++;
    $t->get("/v2/?mark=$mark", port => $t->extra_port(1));
    wait_for(30, sub { @all = lines(); $all[-1]{mark} eq $mark })
        or die "no line of mark $mark\n";
    return scalar @all;
}


# One request and its line: the status, and all that is not empty; a pattern
# may stand for a value. What is counted is left out unless it is asked for.

sub is_logged {
    my ($name, $status, $want, $ask) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $before = settled();
    my $r = $ask->();
    my @all;
    wait_for(30, sub { @all = lines(); @all > $before });
    my $line = $all[-1];

    my %want = (%none, received => qr/\A\d+\z/, cache => qr/\A/,
        thread_wait => qr/\A\d+\.\d{6}\z/, thread_time => qr/\A\d+\.\d{6}\z/,
        status => $status, @$want);
    my @wrong = grep {
        ref $want{$_} ? $line->{$_} !~ $want{$_} : $line->{$_} ne $want{$_}
    } sort keys %want;

    ok(!@wrong, $name) or diag map({ "$_ is '$line->{$_}', wanted "
        . "'$want{$_}'\n" } @wrong), ref $r ? $r->as_text : '';
    return $r;
}


# --- who ---------------------------------------------------------------------

sub logins {
    my @base = (operation => 'base');
    my @no = (@base, error => 'UNAUTHORIZED');
    my $get = sub { my (@header) = @_;
        sub { $t->request('GET', '/v2/', headers => [@header]) } };

    is_logged('nothing is shown', 401, [@no, @nobody], $get->());
    is_logged('a password', 200, [@base, @ann], sub { $ann->get('/v2/') });
    is_logged('a wrong one', 401, [@no, credentials => 'basic',
        login => 'wrong', claimed_user => "j\x{f6}rg \"x\""],
        sub { $t->as("j\xc3\xb6rg \"x\"", 'x')->get('/v2/') });
    is_logged('no base64', 401, [@no, credentials => 'basic',
        login => 'wrong'], $get->(['Authorization', 'Basic %%%']));
    is_logged('a user that is none', 401, [@no, credentials => 'basic',
        login => 'wrong'], sub { $t->as("a\nb", 'x')->get('/v2/') });
    is_logged('a scheme that nobody knows', 401, [@no,
        credentials => 'other', login => 'wrong'],
        $get->(['Authorization', 'Digest username="ann"']));
    is_logged('a bearer token that is none', 401, [@no,
        credentials => 'bearer', login => 'wrong'],
        $get->(['Authorization', 'Bearer x']));

    my $uri = '/v2/_nginx/token?scope=repository:app:pull';
    my $token;
    is_logged('the token endpoint', 200, [@ann,
        operation => 'token_issue'], sub { $token = $ann->get($uri) });
    my @bearer = (credentials => 'bearer', login => 'ok', auth => 'bearer');
    is_logged('its token', 200, [@base, @bearer, user => 'ann'],
        $get->(['Authorization', 'Bearer ' . token_in($token)]));
    is_logged('the token endpoint, by nobody', 200, [@nobody,
        operation => 'token_issue'], sub { $token = $t->get($uri) });
    is_logged('its token', 200, [@base, @bearer],
        $get->(['Authorization', 'Bearer ' . token_in($token)]));

    my @form = (headers => [['Content-Type',
        'application/x-www-form-urlencoded']]);
    is_logged('a form', 401, [operation => 'token_issue',
        credentials => 'form', login => 'wrong', claimed_user => 'a:b',
        error => 'UNAUTHORIZED'], sub { $t->post('/v2/_nginx/token', @form,
            body => 'grant_type=password&username=a%3ab&password=x') });
    is_logged('a grant that is not on offer', 400,
        [operation => 'token_issue', error => 'UNSUPPORTED',
            auth => qr/\A(?:anonymous)?\z/],
        sub { $t->post('/v2/_nginx/token', @form, body => 'grant_type=x') });

    $t->as('eve', 'x')->get('/v2/') for 1 .. 3;
    is_logged('too many failures', 429, [@base, credentials => 'basic',
        login => 'limited', claimed_user => 'eve',
        error => 'TOOMANYREQUESTS'], sub { $t->as('eve', 'x')->get('/v2/') });
    is_logged('at the token endpoint', 429, [operation => 'token_issue',
        credentials => 'basic', login => 'limited', claimed_user => 'eve',
        error => 'TOOMANYREQUESTS', auth => qr/\A(?:anonymous)?\z/],
        sub { $t->as('eve', 'x')->get($uri) });
}


# --- what --------------------------------------------------------------------

sub operations {
    my $as = sub {
        my ($name, $status, $want, $method, $uri, %o) = @_;
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        return is_logged($name, $status, [@ann, @$want],
            sub { $ann->request($method, $uri, %o) });
    };

    for my $method (qw(GET HEAD)) {
        $as->("$method a manifest", 200, [operation => 'manifest_read',
            tag => 'v1', digest => $d, cache => 'hit'], $method,
            '/v2/app/manifests/v1');
        $as->("$method one that is not there", 404,
            [operation => 'manifest_read', tag => 'v0',
            error => 'MANIFEST_UNKNOWN', cache => ''], $method,
            '/v2/app/manifests/v0');
        $as->("$method a blob", 200, [operation => 'blob_read',
            digest => $layer, cache => ''], $method,
            "/v2/app/blobs/$layer");
    }

    $as->('a part', 206, [operation => 'blob_read', digest => $layer], 'GET',
        "/v2/app/blobs/$layer", headers => [['Range', 'bytes=0-1']]);
    $as->('no such part', 416, [operation => 'blob_read', digest => $layer,
        error => 'RANGE_INVALID'], 'GET', "/v2/app/blobs/$layer",
        headers => [['Range', 'bytes=999999-']]);
    $as->('not modified', 304, [operation => 'blob_read', digest => $layer],
        'GET', "/v2/app/blobs/$layer",
        headers => [['If-None-Match', "\"$layer\""]]);
    $as->('another one than was named', 412, [operation => 'blob_read',
        digest => $layer, error => 'UNSUPPORTED'], 'GET',
        "/v2/app/blobs/$layer", headers => [['If-Match', '"x"']]);
    $as->('tags', 200, [operation => 'tags'], 'GET', '/v2/app/tags/list');
    $as->('the catalogue', 200, [operation => 'catalog'], 'GET',
        '/v2/_catalog');
    $as->('referrers', 200, [operation => 'referrers', digest => $d], 'GET',
        "/v2/app/referrers/$d");
    $as->('several tags', 201, [operation => 'manifest_write',
        tag => 'a,b', digest => $d, received => length $bytes], 'PUT',
        "/v2/app/manifests/$d?tag=a&tag=b", body => $bytes, @type);
    $as->('a tag that is none', 400, [operation => 'manifest_write',
        error => 'TAG_INVALID', digest => qr/\A/], 'PUT',
        "/v2/app/manifests/$d?tag=-", body => $bytes, @type);
    $as->('a mount', 201, [operation => 'blob_mount', digest => $layer,
        from => 'app'], 'POST',
        "/v2/two/blobs/uploads/?mount=$layer&from=app", body => '');
    $as->('one from anywhere', 201, [operation => 'blob_mount',
        digest => $layer], 'POST', "/v2/three/blobs/uploads/?mount=$layer",
        body => '');
    my $no = sha256('no');
    $as->('a mount that cannot be done', 202, [operation => 'upload_start',
        digest => $no, from => 'app', upload => qr/\A[0-9a-f-]{36}\z/],
        'POST', "/v2/two/blobs/uploads/?mount=$no&from=app", body => '');
    $as->('a tag is deleted', 202, [operation => 'manifest_delete',
        tag => 'a', digest => $d], 'DELETE', '/v2/app/manifests/a');
    $as->('again', 404, [operation => 'manifest_delete', tag => 'a',
        error => 'MANIFEST_UNKNOWN'], 'DELETE', '/v2/app/manifests/a');
    $as->('no route', 404, [error => 'UNSUPPORTED'], 'GET', '/v2/nothing');
    $as->('no name', 400, [operation => qr/\A(?:tags)?\z/,
        error => 'NAME_INVALID'], 'GET', '/v2/A/tags/list');

    my $l = $ann->open_upload('app');
    my ($id) = $l =~ m{([^/]+)\z};
    $as->('a piece', 202, [operation => 'upload_append', upload => $id,
        received => 5], 'PATCH', $l, body => 'abcde');
    $as->('out of order', 416, [operation => 'upload_append', upload => $id,
        error => 'RANGE_INVALID'], 'PATCH', $l, body => 'x',
        headers => [['Content-Range', '9-9']]);
    $as->('the state of it', 204, [operation => 'upload_status',
        upload => $id], 'GET', $l);
    $as->('the end', 201, [operation => 'upload_finish', upload => $id,
        digest => sha256('abcdef'), received => 1], 'PUT',
        with_query($l, digest => sha256('abcdef')), body => 'f');
    $as->('of what is not there', 404, [operation => 'upload_cancel',
        upload => $id, error => 'BLOB_UPLOAD_UNKNOWN'], 'DELETE', $l);

    is_logged('a preflight', 204, [operation => 'preflight',
        auth => qr/\A/], sub { $t->request('OPTIONS', '/v2/', headers => [
            ['Origin', 'https://ui.example'],
            ['Access-Control-Request-Method', 'GET']]) });

    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    my $body = 'x' x 70_000;
    is_logged('HTTP/2', 201, [@ann, operation => 'blob_write',
        digest => sha256($body), received => length $body], sub {
            $h->request('POST', '/v2/app/blobs/uploads/?digest='
                . sha256($body), body => $body,
                headers => [['authorization', basic('ann', 'a')]]) });
    $h->close;
}


# --- what nginx refuses, or lets somebody else refuse ------------------------

sub errors_of_nginx {
    is_logged('client_max_body_size', 413, [operation => 'upload_start', auth => qr/\A/,
        user => qr/\A/, login => qr/\A/, credentials => 'basic',
        claimed_user => 'ann', error => 'SIZE_INVALID'],
        sub { $ann->post('/v2/app/blobs/uploads/', body => 'x' x 400_000) });

    my @slow = (headers => [['X-Slow', 'yes'],
        ['Authorization', basic('ann', 'a')]]);
    $t->request('GET', '/v2/app/tags/list', @slow);
    is_logged('limit_req', 503, [operation => 'tags', auth => qr/\A/,
        user => qr/\A/, login => '', credentials => 'basic',
        claimed_user => 'ann', error => 'UNKNOWN'],
        sub { $t->request('GET', '/v2/app/tags/list', @slow) });

    is_logged('limit_except', 403, [operation => 'manifest_delete',
        tag => 'v1', auth => qr/\A(?:anonymous)?\z/, error => 'DENIED'],
        sub { $t->delete('/v2/app/manifests/v1', port => $t->extra_port(4)) });
    is_logged('deny', 403, [operation => 'base', credentials => 'basic',
        claimed_user => 'ann', auth => qr/\A/, user => qr/\A/,
        login => qr/\A(?:ok)?\z/, error => 'DENIED'],
        sub { $t->as('ann', 'a', port => $t->extra_port(5))->get('/v2/') });
}


sub others_who_log_in {
    my @at = (port => $t->extra_port(2));

    is_logged('auth_basic: not a login of ours', 200, [operation => 'base',
        credentials => 'basic', claimed_user => 'ann',
        auth => qr/\A(?:anonymous)?\z/],
        sub { $t->as('ann', 'a', @at)->get('/v2/') });
    is_logged('auth_basic: a wrong one', 401, [operation => 'base',
        credentials => 'basic', claimed_user => 'ann',
        auth => qr/\A(?:anonymous)?\z/, error => 'UNAUTHORIZED'],
        sub { $t->as('ann', 'b', @at)->get('/v2/') });
    is_logged('registry_user with auth=', 200, [operation => 'base',
        auth => 'sso_2', user => 'carol'], sub { $t->request('GET', '/v2/',
            port => $t->extra_port(3), headers => [['X-User', 'carol']]) });
    is_logged('an open registry', 200, [operation => 'base',
        auth => qr/\A(?:anonymous)?\z/],
        sub { $t->get('/v2/', port => $t->extra_port(1)) });
}


sub bytes_and_times {
    my $body = blob(250_000, 'bytes');

    my $l = $ann->open_upload('app');
    my ($id) = $l =~ m{([^/]+)\z};
    is_logged('chunks', 202, [@ann, operation => 'upload_append',
        upload => $id, received => length $body,
        thread_time => qr/\A0\.(?!0{6})\d{6}\z|\A[1-9]\d*\./],
        sub { $ann->patch($l, body => $body, chunked => 50_000) });
    is_logged('a client that goes away', qr/\A(?:499|400)\z/, [@ann,
        operation => 'upload_append', upload => $id, error => qr/\A[A-Z_]+\z/,
        received => qr/\A\d+\z/], sub {
            my $c = $ann->connect;
            $c->start('PATCH', $l, length => 1000);
            $c->send('x' x 100);
            sleep 0.3;
            $c->close;
        });

    # what no worker has read yet

    my $fresh = $ann->push_image('cold', 'v1', seed => 'cold');
    $t->restart;
    is_logged('a manifest after a restart', 200, [@ann,
        operation => 'manifest_read', tag => 'v1',
        digest => $fresh->{digest}, cache => 'miss',
        thread_time => qr/\A0\.(?!0{6})\d{6}\z|\A[1-9]\d*\./],
        sub { $ann->get('/v2/cold/manifests/v1') });
    is_logged('and again', 200, [@ann, operation => 'manifest_read',
        tag => 'v1', digest => $fresh->{digest}, cache => 'hit',
        thread_wait => '0.000000', thread_time => '0.000000'],
        sub { $ann->get('/v2/cold/manifests/v1') });
}


sub elsewhere {
    my @nothing = map { $_ => '' } @names;

    is_logged('an error_page leads elsewhere', 200, [@nothing],
        sub { $t->get('/v2/?teapot=1') });
}


# When it cannot be found out who it is.

sub unavailable {
    unlink $t->dir . '/users';
    sleep 1.5;
    is_logged('without the password file', 503, [operation => 'base',
        credentials => 'basic', login => 'error', claimed_user => 'ann',
        auth => qr/\A/, error => 'UNKNOWN'],
        sub { $t->as('ann', 'a')->get('/v2/') });
}

#!/usr/bin/perl

# The log formats of conf.examples: every line of log-json.conf is JSON,
# whatever a client sends; the lines of log-audit.conf, each compared whole; the
# id of a request, which is one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode ();
use File::Basename qw(basename);
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Examples;
use Test::Registry::Files;
use Test::Registry::HTTP2;
use Test::Registry::Receiver;
use Test::Registry::Token;


my %default = (login => '', credentials => '', auth => '', user => '',
    operation => '', status => 200, error => '', repository => '', tag => '',
    digest => '', mounted_from => '', upload => '', received => 0, sent => 0,
    claimed_user => '');

my @plain = (edit => ['443 ssl' => '127.0.0.1:%%PORT%%']);

rotated();
json_lines();
one_id();
audit_lines();
audit_bearer();
audit_certificates();

done_testing();


# logrotate, as Debian sets it up, looks after /var/log/nginx/*.log: another
# file grows until the disk is full.

sub rotated {
    my $top = "$FindBin::Bin/..";

    for my $file (glob("$top/conf.examples/*.conf $top/docker/*.conf")) {
        my @odd = grep { !/\.log\z/ }
            slurp($file) =~ m{(/var/log/nginx/[^\s;]+)}g;
        is("@odd", '', 'the logs of ' . basename($file) . ' are rotated');
    }
}


# --- log-json.conf -----------------------------------------------------------

sub json_lines {
    my $t = example('log-json.conf', passwords => { ann => 'a' }, @plain)
        ->run;
    my $log = $t->dir . '/registry.log';
    my $n = 0;

    # each byte at each place where a client can put one

    for my $byte (1 .. 255) {
        my $c = chr $byte;
        my $hex = sprintf '%%%02x', $byte;
        my $b64 = basic("a$c", 'x') =~ s/Basic //r;

        my $h = $t->connect;
        $h->send(join '',
            "GET /v2/a${hex}b/tags/list?n=$hex HTTP/1.1\r\nHost: a\r\n",
            "User-Agent: a${c}b\r\n" x ($c !~ /[\r\n]/), "\r\n",
            "GET /v2/a/manifests/x$hex HTTP/1.1\r\nHost: a\r\n",
            "Authorization: Basic $b64\r\n\r\n",
            "DELETE /v2/a/blobs/sha256:$hex HTTP/1.1\r\nHost: a\r\n",
            "Authorization: Bearer a${c}b\r\n" x ($c !~ /[\r\n]/), "\r\n",
            "POST /v2/a/blobs/uploads/?mount=$hex&from=$hex HTTP/1.1\r\n",
            "Host: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        $n += 4;

        # raw in the request line: some are refused before any location
        my $r = $t->connect;
        $r->send("GET /v2/a${c}b/tags/list HTTP/1.1\r\nHost: a\r\n"
            . "Connection: close\r\n\r\n");
        $n++;

        $_->closes_within(30) for $h, $r;
    }

    # written once a second
    my @lines;
    wait_for(20, sub {
        my $seen = @lines;
        sleep 1.5;
        @lines = lines_of($log);
        return $seen && $seen == @lines;
    });

    # a refused header ends a connection, and what stood behind it
    cmp_ok(scalar @lines, '>', 255 * 3, scalar(@lines) . ' lines');
    cmp_ok(scalar @lines, '<=', $n + 255, 'and no more than requests');

    my @bad = grep { !json_of($_) } @lines;
    is(scalar @bad, 0, 'A112 each of them is UTF-8 and JSON')
        or diag map { s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger . "\n" }
            @bad > 5 ? @bad[0 .. 4] : @bad;

    my %keys = map { join(' ', sort keys %{ json_of($_) || {} }) => 1 }
        @lines;
    is(scalar keys %keys, 1, 'with the same members');

    # and what they say of usual requests

    my $ann = $t->as('ann', 'a');
    my $image = $ann->push_image('team/app', 'v1');
    my $r = $ann->get('/v2/team/app/manifests/v1',
        headers => [['User-Agent', "gr\xc3\xbc\xc3\x9fe \"\\\x09"]]);
    $r = $ann->get('/v2/team/app/manifests/none');

    my %seen;
    my @asked = map { "$_ HTTP/1.1" } 'PUT /v2/team/app/manifests/v1',
        'GET /v2/team/app/manifests/v1', 'GET /v2/team/app/manifests/none';

    wait_for(30, sub {
        %seen = map { $_->{request} => $_ } map { json_of($_) || () }
            grep { /team.app/ } lines_of($log);
        return @asked == grep { $seen{$_} } @asked;
    });

    my ($put, $get, $none) = @seen{@asked};

    is("$put->{status} $put->{user} $put->{auth} $put->{operation} "
        . "$put->{repository} $put->{tag} $put->{digest} $put->{received}",
        "201 ann htpasswd manifest_write team/app v1 $image->{digest} "
        . length($image->{bytes}), 'a push');
    cmp_ok($put->{thread_time}, '>', 0, 'a thread worked for it');
    is($get->{cache}, 'hit', 'what was pushed is in the shared zone');
    is($get->{agent}, "gr\x{fc}\x{df}e \"\\\x09", 'quotes and umlauts');
    is("$none->{status} $none->{error}", '404 MANIFEST_UNKNOWN', 'an error');
    is($none->{cache}, '', 'what is not there was looked for nowhere');
    like($get->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\z/,
        'the time');

    $t->finish;
}


# The line as data; nothing when it is no UTF-8, or no JSON.

sub json_of {
    my ($line) = @_;

    my $copy = $line;
    my $text = eval { Encode::decode('UTF-8', $copy, Encode::FB_CROAK) };
    return if !defined $text;

    my $j = eval { JSON::PP->new->decode($text) };
    return ref $j eq 'HASH' ? $j : ();
}


sub lines_of {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return ();
    return map { chomp; $_ } grep { /\n\z/ } <$fh>;
}


# The id of a request is nginx's: the same in the line, in a header, in another
# format before and behind it, and in an event; and no two requests have one,
# whichever process answered them.

sub one_id {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = Test::Registry->new(master => 1, workers => 2,
        http => "log_format first escape=none '\$request_id \$registry_json';"
            . " log_format second escape=none '\$registry_json \$request_id';"
            . ' access_log %%DIR%%/second second;'
            . ' access_log %%DIR%%/first first;'
            . ' map $http_x_show $shown { yes $request_id; }'
            . ' registry_notify ci ' . $hook->url('/ci') . ';',
        location => 'add_header X-Id $shown always;')->run;
    my $image = $t->push_image('app', 'v1');
    my %shown;

    for my $round (1 .. 2) {
        for my $n (1 .. 150) {
            my $r = $t->get('/v2/app/manifests/v1',
                headers => [['X-Show', $n % 2 ? 'yes' : 'no']]);
            $shown{ $r->header('X-Id') }++ if $n % 2;
        }
        $t->reload if $round == 1;
    }

    is(scalar keys %shown, 150, 'each request has an id of its own');
    is(scalar(grep { !/\A[0-9a-f]{32}\z/ } keys %shown), 0, 'as nginx has it');

    my (%id, %put, @wrong);

    # a line is written behind the reply, in one log before the other: the
    # push and all pulls
    for my $name (qw(first second)) {
        wait_for(30, sub {
            301 == grep { m{(?:PUT|GET) /v2/app/manifests/v1 } }
                lines_of($t->dir . "/$name");
        });
    }

    for my $name (qw(first second)) {
        for my $line (lines_of($t->dir . "/$name")) {
            my ($one, $two) = $name eq 'first' ? $line =~ /\A(\w+) (.*)\z/
                : ($line =~ /\A(.*) (\w+)\z/)[1, 0];
            my $json = json_of($two) || {};
            push @wrong, $line if ($json->{id} // '') ne $one;
            $id{$one}{$name}++;
            $put{$one} = 1 if $json->{request} =~ /\APUT .*manifests/;
        }
    }

    is("@wrong[0 .. ($#wrong > 4 ? 4 : $#wrong)]", '',
        'it is the same before and behind $registry_json');
    is(scalar(grep { ($_->{first} // 0) != 1 || ($_->{second} // 0) != 1 }
        values %id), 0, 'each stands once in both logs');
    is(scalar(grep { !$id{$_} } keys %shown), 0, 'and in the header');
    is(scalar(grep { /\A[0-9a-f]{32}\z/ } keys %id), scalar keys %id,
        'all of them look alike');

    my @events = $hook->wait_events('/ci', 3);
    is(scalar(grep { $put{ $_->{request}{id} } } @events), 1,
        'and in the event');
    is(scalar(grep { $id{ $_->{request}{id} } } @events), 3,
        'and in those of the blobs');
    $t->finish;
}


# --- log-audit.conf ----------------------------------------------------------

my ($t, $count, $pulls);

sub audit_lines {
    $t = example('log-audit.conf', passwords => { ann => 'a' },
        edit => ['443 ssl' => '127.0.0.1:%%PORT%%',
            # the bodies are whole, or refused by nginx at once
            'registry_delete  ' => "client_max_body_size 100k;\n"
                . 'registry_delete  '])->run;
    ($count, $pulls) = (0, 0);

    my $ann = $t->as('ann', 'a');
    my $robot = $t->as('robot', secret($t, 'robot'));
    my @ann = (login => 'ok', credentials => 'basic', auth => 'htpasswd',
        user => 'ann', claimed_user => 'ann');
    my @robot = (login => 'ok', credentials => 'basic',
        auth => 'access_token', user => 'robot', claimed_user => 'robot');
    my $image = image(seed => 'one');
    my ($config, $layer) = ($image->{config}, $image->{layers}[0]);
    my $d = $image->{digest};
    my @type = (headers => [['Content-Type', $image->{type}]]);

    # logins

    silent($t, 'GET', '/v2/', 'a client that asks how to log in');
    audited('a login', $ann, 'GET', '/v2/', {}, @ann, operation => 'base',
        sent => 2);
    audited('by an access token', $robot, 'GET', '/v2/', {}, @robot,
        operation => 'base', sent => 2);
    audited('a wrong password', $t->as('ann', 'b'), 'GET', '/v2/', {},
        login => 'wrong', credentials => 'basic', operation => 'base',
        status => 401, error => 'UNAUTHORIZED', claimed_user => 'ann');
    audited('a user whom nobody knows', $t->as('eve"\\', 'b'), 'HEAD',
        '/v2/x/manifests/1', {}, login => 'wrong', credentials => 'basic',
        operation => 'manifest_read', status => 401, error => 'UNAUTHORIZED',
        repository => 'x', tag => '1', claimed_user => 'eve"\\');
    audited('a bearer token that is none',
        $t->with(Authorization => 'Bearer x'), 'GET', '/v2/', {},
        login => 'wrong', credentials => 'bearer', operation => 'base',
        status => 401, error => 'UNAUTHORIZED');

    # a push: the blobs each way there is, and the manifest

    audited('a blob in one request', $robot, 'POST',
        '/v2/app/web/blobs/uploads/?digest=' . sha256($config),
        { body => $config }, @robot, operation => 'blob_write', status => 201,
        repository => 'app/web', digest => sha256($config),
        received => length $config);

    my $l = path_of($robot->open_upload('app/web'));
    is_status($robot->patch($l, body => $layer), 202, 'the steps of an '
        . 'upload are not audited');
    audited('its end is', $robot, 'PUT', with_query($l, digest =>
        sha256($layer)), { body => '' }, @robot,
        operation => 'upload_finish', status => 201, repository => 'app/web',
        digest => sha256($layer), upload => 'U');

    for my $bytes (@{ $image->{layers} }[1 .. $#{ $image->{layers} }]) {
        audited('another blob', $robot, 'POST',
            '/v2/app/web/blobs/uploads/?digest=' . sha256($bytes),
            { body => $bytes }, @robot, operation => 'blob_write',
            status => 201, repository => 'app/web', digest => sha256($bytes),
            received => length $bytes);
    }

    audited('a manifest', $robot, 'PUT', '/v2/app/web/manifests/v1',
        { body => $image->{bytes}, @type }, @robot,
        operation => 'manifest_write', status => 201,
        repository => 'app/web', tag => 'v1', digest => $d,
        received => length $image->{bytes});
    audited('with several tags', $ann, 'PUT',
        "/v2/app/web/manifests/$d?tag=v2&tag=v3&tag=v4",
        { body => $image->{bytes}, @type }, @ann,
        operation => 'manifest_write', status => 201,
        repository => 'app/web', tag => 'v2,v3,v4', digest => $d,
        received => length $image->{bytes});
    audited('a mount', $ann, 'POST', '/v2/app/two/blobs/uploads/?mount='
        . sha256($layer) . '&from=app/web', { body => '' }, @ann,
        operation => 'blob_mount', status => 201, repository => 'app/two',
        digest => sha256($layer), mounted_from => 'app/web');
    silent($ann, 'POST', '/v2/app/two/blobs/uploads/?mount='
        . sha256('none') . '&from=app/web', 'a mount that cannot be done');

    # what is refused

    audited('a right that he has not', $robot, 'POST',
        '/v2/other/blobs/uploads/', { body => '' }, @robot,
        operation => 'upload_start', status => 403, error => 'DENIED',
        repository => 'other');
    audited('nor to delete', $robot, 'DELETE', '/v2/app/web/manifests/v1', {},
        @robot, operation => 'manifest_delete', status => 403,
        error => 'DENIED', repository => 'app/web', tag => 'v1');
    audited('a manifest that is none', $ann, 'PUT',
        '/v2/app/web/manifests/v9', { body => '{}', @type }, @ann,
        operation => 'manifest_write', status => 400,
        error => 'MANIFEST_INVALID', repository => 'app/web', tag => 'v9',
        received => 2);
    audited('another digest', $ann, 'POST',
        '/v2/app/web/blobs/uploads/?digest=' . sha256('b'), { body => 'a' },
        @ann, operation => 'blob_write', status => 400,
        error => 'DIGEST_INVALID', repository => 'app/web',
        digest => sha256('b'), received => 1);
    audited('more than nginx takes', $ann, 'PUT',
        '/v2/app/web/manifests/v8', { body => 'x' x 200_000, @type },
        auth => 'ANY', user => 'ANY', login => 'ANY', credentials => 'basic',
        claimed_user => 'ann', operation => 'manifest_write', status => 413,
        error => 'SIZE_INVALID', repository => 'app/web', tag => 'v8');
    audited('a method that is none', $ann, 'PUT', '/v2/_catalog',
        { body => '' }, @ann, status => 405, error => 'UNSUPPORTED');

    # pulls

    pulled('a manifest', $ann, 'GET', '/v2/app/web/manifests/v1', {}, @ann,
        operation => 'manifest_read', repository => 'app/web', tag => 'v1',
        digest => $d, sent => length $image->{bytes});
    pulled('by HEAD', $ann, 'HEAD', "/v2/app/web/manifests/$d", {}, @ann,
        operation => 'manifest_read', repository => 'app/web', digest => $d);
    pulled('a part of a blob', $ann, 'GET', '/v2/app/web/blobs/'
        . sha256($layer), { headers => [['Range', 'bytes=2-5']] }, @ann,
        operation => 'blob_read', status => 206, repository => 'app/web',
        digest => sha256($layer), sent => 4);
    silent($ann, 'GET', '/v2/app/web/blobs/' . sha256('none'),
        'what is not there');
    silent($ann, 'GET', '/v2/app/web/tags/list', 'a list');

    # deletion

    audited('a tag', $ann, 'DELETE', '/v2/app/web/manifests/v2', {}, @ann,
        operation => 'manifest_delete', status => 202,
        repository => 'app/web', tag => 'v2', digest => $d);
    audited('a tag that is not there', $ann, 'DELETE',
        '/v2/app/web/manifests/v2', {}, @ann,
        operation => 'manifest_delete', status => 404,
        error => 'MANIFEST_UNKNOWN', repository => 'app/web', tag => 'v2');
    audited('a manifest', $ann, 'DELETE', "/v2/app/web/manifests/$d", {},
        @ann, operation => 'manifest_delete', status => 202,
        repository => 'app/web', digest => $d);
    audited('a blob', $ann, 'DELETE', '/v2/app/two/blobs/' . sha256($layer),
        {}, @ann, operation => 'blob_delete', status => 202,
        repository => 'app/two', digest => sha256($layer));
    audited('a repository', $ann, 'DELETE',
        '/v2/app/web/_nginx/repository/content', {}, @ann,
        operation => 'repo_delete', status => 202, repository => 'app/web');

    is(lines_of($t->dir . '/audit.log'), $count, 'and no other line');
    is(lines_of($t->dir . '/audit-pulls.log'), $count + $pulls,
        'nor in the log with pulls');
    $t->finish;
}


# The token endpoint, tokens, and HTTP/2.

sub audit_bearer {
    my $newer = Test::Registry::Binary::has_version('1.25.1');

    $t = example('log-audit.conf', passwords => { ann => 'a' },
        edit => ['443 ssl' => '127.0.0.1:%%PORT%%'
            . ($newer ? ";\nhttp2 on" : ' http2')
            . ";\nlisten 127.0.0.1:%%PORT1%%",
            'registry_delete  ' => "registry_token_server on;\n"
                . 'registry_delete  '])->run;
    ($count, $pulls) = (0, 0);

    my @at = (port => $t->extra_port(1));
    my $nobody = Test::Registry::Visitor->new($t, @at);
    my $token = '/v2/_nginx/token?service=registry&scope=repository:x:pull';
    my $form = [['Content-Type', 'application/x-www-form-urlencoded']];
    my @form = (operation => 'token_issue', credentials => 'form',
        claimed_user => 'ann');

    silent($nobody, 'GET', $token, 'a token without a login');
    my $bearer = token_in(audited('a token', $t->as('ann', 'a', @at), 'GET', $token, {},
        login => 'ok', credentials => 'basic', auth => 'htpasswd',
        user => 'ann', operation => 'token_issue', claimed_user => 'ann',
        sent => 'BODY'));
    audited('a wrong password', $t->as('ann', 'b', @at), 'GET', $token, {},
        login => 'wrong', credentials => 'basic', operation => 'token_issue',
        status => 401, error => 'UNAUTHORIZED', claimed_user => 'ann');
    audited('by a form', $nobody, 'POST', '/v2/_nginx/token',
        { headers => $form, body => 'grant_type=password&username=ann&'
            . 'password=a&service=registry&access_type=offline' }, @form,
        login => 'ok', auth => 'htpasswd', user => 'ann', received => 'BODY',
        sent => 'BODY');
    audited('a wrong password in one', $nobody, 'POST', '/v2/_nginx/token',
        { headers => $form, body => 'grant_type=password&username=ann&'
            . 'password=b' }, @form, login => 'wrong', status => 401,
        error => 'UNAUTHORIZED', received => 'BODY');
    audited('a refresh token that is none', $nobody, 'POST',
        '/v2/_nginx/token', { headers => $form,
            body => 'grant_type=refresh_token&refresh_token=a.b.c' },
        login => 'wrong', credentials => 'refresh_token', status => 400,
        operation => 'token_issue', error => 'UNAUTHORIZED',
        received => 'BODY');

    my @ann = (login => 'ok', credentials => 'bearer', auth => 'bearer',
        user => 'ann');

    pulled_none($t->with(Authorization => "Bearer $bearer", @at), 'GET',
        '/v2/x/manifests/1');
    audited('a token that is not for that',
        $t->with(Authorization => "Bearer $bearer", @at), 'POST',
        '/v2/x/blobs/uploads/', { body => '' }, @ann,
        operation => 'upload_start', status => 401, error => 'UNAUTHORIZED',
        repository => 'x');

    my $h = Test::Registry::HTTP2->new(port => $t->port);
    audited('HTTP/2', sub { $h->request('PUT', '/v2/x/manifests/v1',
        headers => [['authorization', basic('ann', 'a')],
            ['content-type', 'application/vnd.oci.image.manifest.v1+json']],
        body => '[]') }, '', '', {}, login => 'ok', credentials => 'basic',
        auth => 'htpasswd', user => 'ann', operation => 'manifest_write',
        status => 400, error => 'MANIFEST_INVALID', repository => 'x',
        tag => 'v1', received => 2, claimed_user => 'ann');
    $h->close;

    is(lines_of($t->dir . '/audit.log'), $count, 'and no other line');
    $t->finish;
}


# How somebody is known whom nginx has found out.

sub audit_certificates {
    $t = example('access-certificates.conf', passwords => { ann => 'a' },
        edit => ['registry_user     $certified;' =>
            'registry_user $certified auth=certificate;'
            . 'access_log %%DIR%%/who.log who;',
            'http {' . "\n" => "http {\n"
                . 'log_format who "$registry_auth $registry_user";' . "\n"]);
    authority($t, 'clients', 'our clients');
    $t->run;

    ask($t, 'GET', '/v2/', cert => [certificate($t, 'clients',
        '/CN=builder')]);
    ask($t, 'GET', '/v2/', user => 'ann:a');
    wait_for(30, sub { lines_of($t->dir . '/who.log') == 2 });
    is(join('|', lines_of($t->dir . '/who.log')),
        'certificate builder|htpasswd ann', 'auth=certificate');
    $t->finish;

    for (['auth=', 'of small letters'], ['auth=A', 'of small letters'],
        ['as=x', 'takes "auth="'])
    {
        my $c = Test::Registry->new(
            location => "registry_user \$arg_u $_->[0];");
        my ($status, $said) = $c->check;
        ok($status && $said =~ /$_->[1]/, "refused: $_->[0]") or diag($said);
    }
}


# --- assertions --------------------------------------------------------------

# One request, and the line that it leaves in both logs; what the line says
# besides %default.

sub audited { return _logged('audit.log', @_) }
sub pulled { return _logged('audit-pulls.log', @_) }


sub _logged {
    my ($file, $name, $visitor, $method, $uri, $o, %want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my $r = ref $visitor eq 'CODE' ? $visitor->()
        : $visitor->request($method, $uri, %$o);
    my $all = $file eq 'audit.log' ? ++$count + $pulls : $count + ++$pulls;

    my @lines;
    wait_for(30, sub {
        @lines = lines_of($t->dir . '/audit-pulls.log');
        return @lines >= $all;
    });
    my @only = lines_of($t->dir . '/audit.log');

    if (@lines != $all || @only != $count) {
        fail($name);
        diag('lines: ' . @only . ", wanted $count; with pulls: " . @lines
            . ", wanted $all\n" . ($lines[-1] // ''), $r->as_text);
        ($count, $pulls) = (scalar @only, @lines - @only);
        return $r;
    }

    my %line = (%default, %want);

    # an error's reply is what it is; its length is
    $line{sent} = 'BODY' if $line{error} ne '' && $method ne 'HEAD';
    $line{sent} = length $r->body if $line{sent} eq 'BODY';
    $line{received} = length $o->{body} if $line{received} eq 'BODY';

    is(_settled($lines[-1], \%line), _line(%line), $name);
    return $r;
}


# What leaves no line.

sub silent {
    my ($visitor, $method, $uri, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = $visitor->request($method, $uri, body => '');
    is(lines_of($t->dir . '/audit-pulls.log'), $count + $pulls, $name);
    return $r;
}


sub pulled_none {
    my ($visitor, $method, $uri) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($visitor->request($method, $uri), 404, 'a token is let in');
}


sub _line {
    my (%l) = @_;

    my $line = '{"time":"T","from":"127.0.0.1",' . join(',', map {
        my $value = $l{$_} =~ s/(["\\])/\\$1/gr;
        /\A(?:status|received|sent)\z/ ? qq("$_":$value) : qq("$_":"$value")
    } qw(login credentials auth user operation status error repository tag
        digest mounted_from upload received sent));
    my $claimed = $l{claimed_user} =~ s/(["\\])/\\$1/gr;
    return $line . qq(,"seconds":S,"id":"I","claimed_user":"$claimed"});
}


# What differs from run to run, once its form was looked at.

sub _settled {
    my ($line, $want) = @_;

    $line =~ s/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"/"time":"T"/;
    $line =~ s/"seconds":\d+\.\d{3},/"seconds":S,/;
    $line =~ s/"id":"[0-9a-f]{32}"/"id":"I"/;
    $line =~ s/("upload":")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"/$1U"/;

    for my $name (grep { $want->{$_} eq 'ANY' } keys %$want) {
        $line =~ s/"$name":"\w*"/"$name":"ANY"/;
    }

    return $line;
}

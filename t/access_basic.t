#!/usr/bin/perl

# Basic logins: who has none, or wrong ones, learns one and the same thing
# everywhere; right ones may do everything.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64 encode_base64url);
use Test::More;

use Test::Registry;
use Test::Registry::Trace;


my $utf8 = "\xc3\xa9\xe2\x82\xac \xf0\x9f\x94\x91";

my %users = (
    alice => 'secret', bob => 'a:b::c:', carol => '  two  words ',
    dave => $utf8, erin => 'p' x 71 . 'x', "j\xc3\xb6rg" => 'secret',
    'a.b-c_d@example.com' => '"\\<>&%00', frank => '0', grace => 'p' x 72,
    hank => 'x?>~?>~', kate => "\xc2ge in Latin-1"
);

my $t = Test::Registry->new(
    ports => 3,
    write => { users => htpasswd(%users) . "zoe:\n" },
    http => 'registry_login_limit off;',
    location => <<'EOF',
registry_htpasswd "The registry" %%DIR%%/users;
registry_delete on;
registry_cors_origin https://ui.example;
EOF
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "a \"quoted\" realm, b=\"c\\\" d" %%DIR%%/users;
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    registry_htpasswd "Above" %%DIR%%/users;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd off;
    }
}
EOF
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $alice = $t->as('alice', 'secret');

my $image = $open->push_image('app', 'v1');
my $layer = sha256($image->{layers}[0]);
my $upload = $open->open_upload('app');

challenges();
no_credentials();
nothing_looked_at();
odd_spellings();
right_ones();
wrong_ones();
two_headers();
other_places();
every_operation();
injected();
preflight();
switched_off();
no_secrets_logged();

finish($t);


sub authorization {
    my ($value) = @_;

    return (headers => [['Authorization', $value]]);
}


sub challenges {
    my $r = $t->get('/v2/');

    is_unauthorized($r, 'A70 the ping without credentials');
    is_error($r, 401, 'UNAUTHORIZED', 'A70 is an error as others are');
    is_unauthorized($t->head('/v2/'), 'A70 HEAD');
    is($t->head('/v2/')->body, '', 'A70 HEAD has no body');
    is_header($t->head('/v2/'), 'Content-Length',
        $r->header('Content-Length'), 'A70 HEAD has the length of GET');

    is_challenged($t->get('/v2/', port => $t->extra_port(2)),
        { scheme => 'Basic', realm => 'a "quoted" realm, b="c\\" d' },
        'A88 a realm with quotes and commas is quoted');
}


# Every route and method, valid or not, there or not: one answer.

sub no_credentials {
    my @uris = ('/v2/', '/v2/_catalog', '/v2/_catalog?n=x', '/v2/_catalog?n=1',
        '/v2/foo', '/v2/foo/bar', '/v2//', '/v2/app',
        '/v2/app/tags/list', '/v2/none/tags/list', '/v2/APP/tags/list',
        '/v2/app/tags/list?n=-1',
        '/v2/app/manifests/v1', '/v2/app/manifests/none',
        "/v2/app/manifests/$image->{digest}", '/v2/app/manifests/.bad',
        '/v2/app/manifests/sha256:x',
        "/v2/app/blobs/$layer", "/v2/none/blobs/$layer",
        '/v2/app/blobs/sha256:x', '/v2/app/blobs/md5:' . '0' x 32,
        '/v2/app/blobs/uploads/', '/v2/app/blobs/uploads',
        '/v2/app/blobs/uploads/?digest=x',
        "/v2/app/blobs/uploads/?mount=$layer&from=app",
        "/v2/other/blobs/uploads/?mount=$layer",
        $upload, "$upload?digest=$layer", '/v2/app/blobs/uploads/none',
        "/v2/app/referrers/$image->{digest}", '/v2/app/referrers/x',
        '/v2/app/_nginx/repository/content', '/v2/_nginx/token',
        '/v2/_nginx/token?service=x', '/v2/_nginx/metrics', '/v2/_nginx/gc',
        '/v2/_nginx/', '/v2/' . 'a' x 4000 . '/tags/list',
        '/v2/a%0d%0ab/tags/list', '/v2/%ff/tags/list', '/v2/a\\b/tags/list',
        '/v2/app/../app/manifests/v1', '/v2/app/./manifests/v1');
    my %want = map { $_ => $t->request($_, '/v2/') } qw(GET HEAD);

    for my $uri (@uris) {
        my $name = length $uri > 60 ? substr($uri, 0, 50) . '...' : $uri;

        for my $method (qw(GET HEAD POST PUT PATCH DELETE PROPFIND FOO)) {
            my $r = $t->request($method, $uri, body => 'x');
            is_like($r, $want{$method} || $want{GET},
                "A70 $method $name without credentials");
        }
    }

    is_status($open->get($upload), 204, 'A70 nothing has changed');
    is_header($open->get($upload), 'Range', '0-0');
    is_whole($open->get('/v2/app/manifests/v1'), $image->{bytes},
        'A70 anywhere');
    ok(!-e $t->repo_dir('other'), 'A70 and nothing was made');
}


# The worker opens nothing below the root while it refuses.

sub nothing_looked_at {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 2)
            if !Test::Registry::Trace::available();

        my $trace = Test::Registry::Trace->attach($t->workers);
        is_unauthorized($t->get('/v2/app/manifests/v1'),
            'A70 under the eyes of strace');
        $t->get("/v2/app/blobs/$layer", authorization(basic('alice', 'x')));
        $t->post("/v2/app/blobs/uploads/?mount=$layer&from=app", body => '');
        $t->delete('/v2/app/manifests/v1');

        my $root = $t->root;
        my @looked = grep { $_->{text} =~ m{\Q$root\E/docker/registry/v2} }
            $trace->stop;
        is(scalar @looked, 0, 'A70 no call has a path of the store in it')
            or diag map { "$_->{text}\n" } @looked;
    }
}


# Paths that a sloppy location or parser might let around the question.

sub odd_spellings {
    for my $path ('/v2', '/V2/', '/v2/.', '/v2/%2e', '//v2/', '/v2//',
        '/%762/', '/v2/%2e/app/manifests/v1', '/./v2/app/manifests/v1',
        '//v2/app/manifests/v1', '/x/../v2/app/manifests/v1',
        '/v2;/app/manifests/v1', '/v2/app/manifests/v1;x',
        '/%76%32/app/manifests/v1')
    {
        my $r = $t->get($path);
        ok($r->status != 200 && $r->status < 500
            && index($r->body, 'schemaVersion') < 0,
            "A13 GET $path is not let in") or diag $r->as_text;
    }
}


sub right_ones {
    for my $user (sort keys %users) {
        my $password = $users{$user};
        my $name = "$user with '$password'"
            =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;

        is_status($t->as($user, $password)->get('/v2/'), 200,
            "A73 $name logs in") for 1 .. 2;
    }

    for my $scheme (qw(basic BASIC bAsIc)) {
        is_status($t->get('/v2/', authorization(
            basic('alice', 'secret') =~ s/Basic/$scheme/r)), 200,
            "A87 the scheme as $scheme");
    }

    is_status($t->get('/v2/', authorization('Basic  '
        . encode_base64('alice:secret', ''))), 200,
        'two blanks behind the scheme');
    is_status($t->request('GET', '/v2/', no_host => 1, http => '1.0',
        authorization(basic('alice', 'secret'))), 200, 'HTTP/1.0');
}


sub wrong_ones {
    my %bad = (
        'an unknown user' => basic('nobody', 'secret'),
        'a wrong password' => basic('alice', 'Secret'),
        'a password and a blank' => basic('alice', 'secret '),
        'half a password' => basic('alice', 'secre'),
        "somebody else's password" => basic('bob', 'secret'),
        'a user in capitals' => basic('ALICE', 'secret'),
        'an empty user' => basic('', 'secret'),
        'an empty password' => basic('alice', ''),
        'an empty hash in the file' => basic('zoe', ''),
        'both empty' => 'Basic Og==',
        'no colon' => 'Basic ' . encode_base64('alice', ''),
        'nothing at all' => 'Basic',
        'nothing behind a blank' => 'Basic ',
        'an empty header' => '',
        'bad base64' => 'Basic !!!!',
        'base64 and more' => basic('alice', 'secret') . '*',
        'base64 and a word' => basic('alice', 'secret') . ' x',
        'base64 without padding' => basic('frank', '0') =~ s/=+\z//r,
        'padding in the middle' => 'Basic YWxpY2U=OnNlY3JldA==',
        'a NUL in the password' => basic('alice', "secret\0"),
        'a NUL and more' => basic('alice', "secret\0x"),
        'a NUL in the user' => basic("alice\0", 'secret'),
        'a newline behind' => basic('alice', "secret\n"),
        'the hash itself' => basic('alice', hash_of('alice')),
        '73 bytes that agree in 72' => basic('grace', 'p' x 73),
        '71 of 72 bytes' => basic('grace', 'p' x 71),
        '72 bytes, the last one wrong' => basic('erin', 'p' x 72),
        '72 right bytes and a colon' => basic('grace', 'p' x 72 . ':'),
        'a password of 3,000 bytes' => basic('alice', 'x' x 3000),
        'a user of 3,000 bytes' => basic('a' x 3000, 'secret'),
        'bad UTF-8' => basic("\xff\xfe", "\xc0\x80"),
        'the plain text' => 'alice:secret',
        'the plain text behind the scheme' => 'Basic alice:secret',
        'another scheme' => basic('alice', 'secret') =~ s/Basic/Digest/r,
        'a scheme that begins so' => basic('alice', 'secret')
            =~ s/Basic/Basics/r,
        'no blank behind the scheme' => basic('alice', 'secret')
            =~ s/Basic /Basic/r,
        'a comma and another' => basic('alice', 'secret') . ', '
            . basic('bob', 'secret'),
        'parameters' => 'Basic username="alice", password="secret"',
        'Bearer' => 'Bearer ' . encode_base64('alice:secret', ''),
        'Bearer with nothing' => 'Bearer',
        'bearer with a word' => 'bearer x',
        'a JWT that nobody asked for' => 'Bearer eyJhbGciOiJub25lIn0.e30.'
    );

    for my $name (sort keys %bad) {
        my $r = $t->get('/v2/app/manifests/v1', authorization($bad{$name}));
        is_unauthorized($r, "A72 $name");
    }

    # As long as nginx lets a header be, and longer.

    for my $size (4000, 6000, 16_000, 70_000) {
        my $r = $t->get('/v2/', authorization('Basic '
            . encode_base64('alice:' . 'x' x $size, '')));
        ok($r->status == 401 || $r->status == 400,
            "A72 a password of $size bytes") or diag $r->as_text;
    }

    # url-safe letters, where they differ from the others

    my $safe = 'Basic ' . encode_base64url("hank:$users{hank}");
    is($safe =~ tr{_-}{/+}r, basic('hank', $users{hank}),
        'two spellings of base64');
    like($safe, qr/[_-]/, 'that differ');
    is_unauthorized($t->get('/v2/', authorization($safe)),
        'A72 url-safe base64');

    is_like($t->get('/v2/', authorization(basic('alice', 'no'))),
        $t->get('/v2/', authorization(basic('nobody', 'no'))),
        'A71 a wrong password looks like an unknown user');
    is($t->get('/v2/', authorization(basic('alice', 'no')))->message,
        'the user name or password is wrong', 'A71 which is what is said');
    is($t->get('/v2/')->message, 'a login is required',
        'and not to who sent none');
    is($t->get('/v2/', authorization('Digest x'))->message,
        'a login is required', 'nor to who sent what nobody asked for');
    is_like($t->get('/v2/app/manifests/v1', authorization(basic('a', 'b'))),
        $t->get('/v2/gone/manifests/v1', authorization(basic('a', 'b'))),
        'A71 whatever is asked for');

    is_status($alice->get('/v2/'), 200, 'the right one still works');
}


sub hash_of {
    my ($user) = @_;

    open my $fh, '<:raw', $t->dir . '/users' or die "users: $!\n";
    my ($hash) = map { /\A\Q$user\E:(.*)\n/ } <$fh>;
    return $hash;
}


sub two_headers {
    my $good = basic('alice', 'secret');
    my $bad = basic('alice', 'wrong');

    for ([$good, $bad], [$bad, $good], [$good, $good], [$good, 'Bearer x'],
        ['Bearer x', $good], [$good, ''], ['', $good])
    {
        my $r = $t->get('/v2/app/manifests/v1',
            headers => [map { ['Authorization', $_] } @$_]);
        my $name = join ' and ', map {
            $_ eq $good ? 'right' : $_ eq $bad ? 'wrong' : "'$_'"
        } @$_;

        # nginx itself answers 400 to a second line, where it looks for one

        ok($r->status == 401 || $r->status == 400,
            "A87 two headers: $name") or diag $r->as_text;
    }
}


sub other_places {
    my $word = encode_base64('alice:secret', '');

    is_unauthorized($t->get("/v2/?$_"), "A87 $_") for 'access_token=x',
        "authorization=Basic+$word", 'account=alice&password=secret',
        "token=$word";
    is_unauthorized($t->get('/v2/', headers => [['Cookie',
        "Authorization=Basic $word; access_token=$word"]]), 'A87 a cookie');
    is_unauthorized($t->get('/v2/', headers => [['Proxy-Authorization',
        "Basic $word"]]), 'A87 Proxy-Authorization');
    is_unauthorized($t->get('/v2/', headers => [['X-Remote-User', 'alice'],
        ['Remote-User', 'alice'], ['X-Forwarded-User', 'alice'],
        ['REMOTE_USER', 'alice']]), 'A87 headers that name a user');
    is_unauthorized($t->post('/v2/app/blobs/uploads/',
        body => 'access_token=x&username=alice&password=secret',
        headers => [['Content-Type', 'application/x-www-form-urlencoded']]),
        'A87 a form');

    my $c = $t->connect;
    $c->send('GET http://alice:secret@localhost/v2/ HTTP/1.1' . "\r\n"
        . "Host: localhost\r\n\r\n");
    my $r = $c->reply;
    ok($r->status == 401 || $r->status == 400, 'A87 a user in the URL')
        or diag $r->as_text;
}


# A whole life of an image, by one who may do everything since no rule stands.

sub every_operation {
    my $i = $alice->push_image('alice/app', 'v1', layers => [blob(200_000)]);
    my $d = sha256($i->{layers}[0]);

    is_status($alice->get('/v2/'), 200, 'the ping');
    is_whole($alice->get('/v2/alice/app/manifests/v1'), $i->{bytes}, 'a pull');
    is_whole($alice->get("/v2/alice/app/blobs/$d"), $i->{layers}[0],
        'of a layer');
    is_status($alice->head("/v2/alice/app/blobs/$d"), 200, 'HEAD');
    is_status($alice->post("/v2/alice/two/blobs/uploads/?mount=$d"
        . '&from=alice/app', body => ''), 201, 'a mount');
    is_json_list($alice->get('/v2/alice/app/tags/list'), 'tags', ['v1'],
        'tags');
    is_json_list($alice->get('/v2/_catalog'), 'repositories',
        ['alice/app', 'alice/two', 'app'], 'the catalogue');
    is_status($alice->get("/v2/alice/app/referrers/$i->{digest}"), 200,
        'referrers');

    my $l = $alice->open_upload('alice/app');
    is_status($alice->patch($l, body => 'abc'), 202, 'PATCH');
    is_status($alice->get($l), 204, 'its state');
    is_status($alice->delete($l), 204, 'and end');

    is_status($alice->delete('/v2/alice/app/manifests/v1'), 202,
        'a tag deleted');
    is_status($alice->delete("/v2/alice/app/manifests/$i->{digest}"), 202,
        'a manifest');
    is_status($alice->delete("/v2/alice/app/blobs/$d"), 202, 'a blob');
    is_status($alice->delete('/v2/alice/two/_nginx/repository/content'), 202,
        'a repository');

    is_error($alice->get('/v2/none/tags/list'), 404, 'NAME_UNKNOWN',
        'what is missing is said to be');
    is_error($alice->get('/v2/NONE/tags/list'), 400, 'NAME_INVALID',
        'what is wrong too');
    is_error($alice->post('/v2/'), 405, 'UNSUPPORTED', 'and a method');
    is_error($alice->get('/v2/_nginx/token'), 404, 'UNSUPPORTED',
        'there is no token endpoint');
}


sub injected {
    for my $host ('evil.example', 'a"b', 'x,Bearer realm="y"', '[::1]:80',
        'localhost:99999')
    {
        my $r = $t->get('/v2/', headers => [['Host', $host]]);
        next if $r->status == 400 && ok(1, "A88 Host $host is refused");
        is_unauthorized($r, "A88 Host $host");
    }

    my $r = $t->get('/v2/', headers => [['X-Forwarded-Host', 'evil.example'],
        ['X-Forwarded-Proto', 'ftp'], ['Forwarded', 'host=evil.example'],
        ['X-Original-URL', '/'], ['X-Rewrite-URL', '/'],
        ['X-HTTP-Method-Override', 'OPTIONS']]);
    is_like($r, $t->get('/v2/'), 'A96 forwarded headers change nothing');

    for my $uri ('/v2/%22,x=%22/tags/list', '/v2/a%0d%0aX:y/tags/list',
        "/v2/b/blobs/uploads/?mount=$layer&from=%22%0d%0aX-Evil:%20y")
    {
        is_unauthorized($t->post($uri, body => ''), "A88 $uri");
    }
}


sub preflight {
    my @ask = (headers => [['Origin', 'https://ui.example'],
        ['Access-Control-Request-Method', 'DELETE'],
        ['Access-Control-Request-Headers', 'authorization']]);

    for my $uri ('/v2/', '/v2/app/manifests/v1', '/v2/none/tags/list') {
        my $r = $t->options($uri, @ask);
        is_status($r, 204, "a preflight of $uri needs no login");
        is_header($r, 'Access-Control-Allow-Origin', 'https://ui.example');
    }

    my $r = $t->get('/v2/', @ask);
    is_unauthorized($r, 'what follows it does');
    is_header($r, 'Access-Control-Allow-Origin', 'https://ui.example',
        'and the page may read why');
}


sub switched_off {
    is_status($t->get('/v2/', port => $t->extra_port(3)), 200,
        'off takes away what a level above says');
    is_status($t->get('/v2/', port => $t->extra_port(3),
        authorization(basic('alice', 'wrong'))), 200,
        'and no header is looked at');
    is_status($t->get('/v2/', port => $t->extra_port(1),
        authorization('nonsense')), 200, 'nor where nothing is said');
}


sub no_secrets_logged {
    my $log = $t->log_text;

    # nginx quotes a header that it refuses, and every request line

    $log =~ s/ client sent duplicate header line: .*//g;
    $log =~ s/, request: "(?:GET|POST|PUT) [^"]*"//g;

    my @found = grep { index($log, $_) >= 0 }
        (map { encode_base64($_, '') } 'alice:secret', 'alice:wrong',
            'alice:x'), $utf8, 'a:b::c:', '$2y$', 'secret';

    is("@found", '', 'no password is in the error log');
}

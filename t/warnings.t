#!/usr/bin/perl

# registry_warning: which replies carry which sentences, and that nothing but
# a well-formed header of the allowed length ever does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);
use Test::More;

use Test::Registry;
use Test::Registry::HTTP2;
use Test::Registry::Token;


my $soon = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 3 * 86400));
my $late = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 90 * 86400));
my (%secret, %line);

for ([soon => $soon], [late => $late], [never => 'never']) {
    my ($name, $expires) = @$_;
    ($secret{$name}, $line{$name}) = made($name, $expires);
}

my $t = Test::Registry->new(
    ports => 4, h2c => 1,
    write => {
        users => htpasswd(ann => 'a'), tokens => join '', values %line
    },
    http => 'registry_warning "of http";'
        . 'map $http_x_old $old { default 0; yes 1; }',
    location => <<'EOF',
registry_delete on;
client_max_body_size 100k;
registry_warning "The registry moves on \"Friday\".";
registry_warning "$registry_repository is old." repository=legacy/**
    "repository=~tools/(?i:OLD)-.*";
registry_warning "Candidates go." tag=*-rc* tag=latest;
registry_warning "Both." repository=team/* tag=v1;
registry_warning "You said so: $http_x_text" if=$old;
registry_warning "$http_x_text" repository=twice/**;
registry_warning "$http_x_text" repository=twice/**;
EOF
    servers => join '', map { "server { listen 127.0.0.1:%%PORT$_->[0]%%;\n"
        . "$_->[2]\n location /v2/ { registry %%ROOT%%; $_->[1] } }\n" }
        [1, 'registry_htpasswd "R" %%DIR%%/users; registry_access_tokens '
            . '%%DIR%%/tokens; registry_token_server on; '
            . 'registry_allow ann pull **; registry_login_limit off;'
            . 'registry_warning "Ends on $registry_expires." '
            . 'token_expires=14d; registry_warning "A secret." '
            . 'repository=secret/**; registry_warning "For all.";', ''],
        [2, '', 'location /other { return 200 "x"; }'],
        [3, 'registry_warning off;', ''],
        [4, join('', map { "registry_warning \"$_ \$http_x_text\";" } 1 .. 5),
            '']
)->run;

my $friday = '299 - "The registry moves on \"Friday\"."';

every_reply();
conditions();
bytes();
room();
levels();
tokens();
refusals();

finish($t);


# A line of the file of access tokens, and the secret that goes with it.

sub made {
    my ($name, $expires) = @_;

    my $dir = File::Temp::tempdir('registry-tokens-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    my $ctl = $ENV{TEST_REGISTRYCTL} || "$FindBin::Bin/../build/registryctl";
    my $options = "--expires $expires --allow 'pull,push:**'";
    my $secret = `$ctl token create $dir/tokens $name $options 2>/dev/null`;
    die "registryctl: $?\n" if $?;
    chomp $secret;

    open my $fh, '<', "$dir/tokens" or die "$dir/tokens: $!\n";
    return ($secret, join '', grep { /\A$name / } <$fh>);
}


# --- assertions --------------------------------------------------------------

sub warns {
    my ($name, $r, @want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @have = $r->headers('Warning');
    is(join("\n", @have), join("\n", @want), $name) or diag($r->as_text);
    return $r;
}


sub every_reply {
    my $image = $t->push_image('a/b', 'v1');
    my $d = $image->{digest};
    my $layer = sha256($image->{layers}[0]);
    my @asked = (
        [200, 'GET', '/v2/'], [200, 'HEAD', '/v2/'],
        [200, 'GET', '/v2/_catalog'], [200, 'GET', '/v2/a/b/tags/list'],
        [200, 'GET', '/v2/a/b/manifests/v1'],
        [200, 'HEAD', '/v2/a/b/manifests/v1'],
        [404, 'GET', '/v2/a/b/manifests/v2'],
        [404, 'HEAD', '/v2/a/b/manifests/v2'],
        [200, 'GET', "/v2/a/b/blobs/$layer"],
        [200, 'HEAD', "/v2/a/b/blobs/$layer"],
        [206, 'GET', "/v2/a/b/blobs/$layer", headers =>
            [['Range', 'bytes=0-1']]],
        [416, 'GET', "/v2/a/b/blobs/$layer", headers =>
            [['Range', 'bytes=99999999-']]],
        [304, 'GET', "/v2/a/b/blobs/$layer", headers =>
            [['If-None-Match', "\"$layer\""]]],
        [201, 'PUT', '/v2/a/b/manifests/v3', body => $image->{bytes},
            headers => [['Content-Type', $image->{type}]]],
        [413, 'PUT', '/v2/a/b/manifests/v3', body => 'x' x 200_000],
        [400, 'PUT', '/v2/a/b/manifests/v3', body => '{}'],
        [202, 'POST', '/v2/a/b/blobs/uploads/', body => ''],
        [201, 'POST', "/v2/a/c/blobs/uploads/?mount=$layer&from=a/b",
            body => ''],
        [202, 'DELETE', '/v2/a/b/manifests/v3'],
        [405, 'PUT', '/v2/_catalog', body => ''],
        [400, 'GET', '/v2/A/tags/list'], [404, 'GET', '/v2/nothing'],
        [204, 'OPTIONS', '/v2/']
    );

    for (@asked) {
        my ($status, $method, $uri, %o) = @$_;
        my $r = $t->request($method, $uri, %o);
        is($r->status, $status, "$method " . substr $uri, 0, 40);
        warns('carries the warning', $r, $friday);
    }

    my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
    warns('HTTP/2', $h->request('GET', '/v2/'), $friday);
    warns('HTTP/2, HEAD and an error', $h->request('HEAD',
        '/v2/a/b/manifests/none'), $friday);
    $h->close;
}


sub conditions {
    my $image = $t->push_image('legacy/x', 'v1');
    my $d = $image->{digest};
    my $put = sub { $t->request('PUT', $_[0], body => $image->{bytes},
        headers => [['Content-Type', $image->{type}]]) };

    warns('a repository', $t->get('/v2/legacy/x/tags/list'), $friday,
        '299 - "legacy/x is old."');
    warns('one below', $t->head('/v2/legacy/x/y/manifests/1'), $friday,
        '299 - "legacy/x/y is old."');
    warns('not the one above', $t->get('/v2/legacy/tags/list'), $friday);
    warns('nor a longer name', $t->get('/v2/legacyx/tags/list'), $friday);
    warns('a regular expression', $t->get('/v2/tools/old-1/tags/list'),
        $friday, '299 - "tools/old-1 is old."');
    warns('of the whole name', $t->get('/v2/x/tools/old-1/tags/list'),
        $friday);

    warns('a tag', $t->get('/v2/a/b/manifests/latest'), $friday,
        '299 - "Candidates go."');
    warns('a tag by a star', $t->head('/v2/a/b/manifests/1.0-rc1'), $friday,
        '299 - "Candidates go."');
    warns('another tag', $t->get('/v2/a/b/manifests/1.0'), $friday);
    warns('no tag', $t->get("/v2/legacy/x/manifests/$d"), $friday,
        '299 - "legacy/x is old."');
    warns('one of several that are pushed',
        $put->("/v2/legacy/x/manifests/$d?tag=x&tag=2-rc1"), $friday,
        '299 - "legacy/x is old."', '299 - "Candidates go."');
    warns('none of them', $put->("/v2/legacy/x/manifests/$d?tag=x&tag=y"),
        $friday, '299 - "legacy/x is old."');

    warns('repository and tag', $t->get('/v2/team/a/manifests/v1'), $friday,
        '299 - "Both."');
    warns('the repository alone', $t->get('/v2/team/a/manifests/v2'),
        $friday);
    warns('the tag alone', $t->get('/v2/b/manifests/v1'), $friday);

    warns('if=', $t->get('/v2/', headers => [['X-Old', 'yes'],
        ['X-Text', 'x']]), $friday, '299 - "You said so: x"');
    warns('if= 0', $t->get('/v2/', headers => [['X-Old', 'no'],
        ['X-Text', 'x']]), $friday);
}


# Whatever a variable holds.

sub bytes {
    my $say = sub { $t->get('/v2/twice/x/tags/list',
        headers => [['X-Text', $_[0]]]) };

    warns('what is said twice is sent once', $say->('x'), $friday,
        '299 - "x"');
    warns('nothing is no warning', $say->(''), $friday);
    warns('quotes', $say->('a"b\\c'), $friday, '299 - "a\"b\\\\c"');
    warns('UTF-8', $say->("gr\xc3\xbcn"), $friday, "299 - \"gr\xc3\xbcn\"");
    warns('no UTF-8', $say->("a\xfc\xff"), $friday, '299 - "a??"');
    warns('a C1 escape', $say->("a\xc2\x9b31m"), $friday, '299 - "a 31m"');

    # a name with a line break is none, but the path that nginx decoded has it

    my $c = Test::Registry->new(location =>
        'registry_warning "At $uri.";')->run;
    my $r = $c->get('/v2/a%0d%0aSet-Cookie:%20b/%1b[31m/%7f/tags/list');
    warns('A112 line breaks', $r,
        '299 - "At /v2/a  Set-Cookie: b/ [31m/ /tags/list."');
    has_no_header($r, 'Set-Cookie');
    $c->finish;
}


sub room {
    my @at = (port => $t->extra_port(4));

    # five headers of n + 21 bytes each
    for my $n (1, 100, 700, 797, 798, 799, 900, 2000, 4000, 4060, 4090, 8000)
    {
        my $r = $t->get('/v2/', headers => [['X-Text', 'x' x $n]], @at);
        my @w = $r->headers('Warning');
        my $size = 0;
        $size += length("Warning: $_\r\n") for @w;
        my $all = 5 * ($n + 21);

        is($r->status, 200, "$n bytes");
        cmp_ok($size, '<=', 4096, "together $size");
        $all <= 4096 ? is($size, $all, 'which is all of it')
            : cmp_ok($size, '>=', 4096 - 64 - 11, 'which is what there is '
                . 'room for');
        is(scalar(grep { !/\A299 - "\d [x.]+"\z/ } @w), 0,
            'each of them well-formed');
    }
}


sub levels {
    warns('those of the level above', $t->get('/v2/',
        port => $t->extra_port(2)), '299 - "of http"');
    warns('not in another location', $t->get('/other',
        port => $t->extra_port(2)));
    warns('off', $t->get('/v2/', port => $t->extra_port(3)));
}


sub tokens {
    my @at = (port => $t->extra_port(1));
    my ($ends, $all) = ("299 - \"Ends on $soon.\"", '299 - "For all."');

    warns('no login', Test::Registry::Visitor->new($t, @at)->get('/v2/'),
        $all);
    warns('a password', $t->as('ann', 'a', @at)->get('/v2/'), $all);
    warns('a token that ends soon', $t->as('soon', $secret{soon}, @at)
        ->get('/v2/'), $ends, $all);
    warns('one that ends later', $t->as('late', $secret{late}, @at)
        ->get('/v2/'), $all);
    warns('one that never ends', $t->as('never', $secret{never}, @at)
        ->get('/v2/'), $all);

    my $uri = '/v2/_nginx/token?scope=repository:x:pull';
    my $r = warns('the token endpoint', $t->as('soon', $secret{soon}, @at)
        ->get($uri), $ends, $all);
    warns('a bearer token for it', $t->with(Authorization => 'Bearer '
        . token_in($r), @at)->get('/v2/x/manifests/1'), $ends, $all);

    # who may not look is not told of what he does not see

    my $secret = '/v2/secret/x/tags/list';
    warns('a repository', $t->as('ann', 'a', @at)->get($secret),
        '299 - "A secret."', $all);
    warns('who has not logged in', Test::Registry::Visitor->new($t, @at)
        ->get($secret), $all);
    warns('with a wrong password', $t->as('ann', 'b', @at)->get($secret),
        $all);
    warns('without the right', $t->as('ann', 'a', @at)->post(
        '/v2/secret/x/blobs/uploads/', body => ''), $all);
}


sub refusals {
    my $long = 'x' x 2049;

    for my $case (
        ['', 'invalid number of arguments'],
        ['""', 'empty text'],
        ["\"a\xff\"", 'one line of UTF-8'],
        ["\"a\\nb\"", 'one line of UTF-8'],
        ["\"$long\"", 'shorten it'],
        ['x repository=A', '"registry_warning": '],
        ['x repository=', 'does not understand'],
        ['x repositories=a', 'does not understand "repositories=a"'],
        ['x tag=', 'does not understand'],
        ['x token_expires=x', 'does not understand'],
        ['x token_expires=0', 'does not understand'],
        ['x token_expires=1d token_expires=2d', 'does not understand'],
        ['x if=$a if=$b', 'does not understand'],
        ['x if=$none', 'unknown "none" variable'],
        ['x off', 'does not understand "off"'],
    ) {
        my ($arguments, $why) = @$case;
        my $c = Test::Registry->new(http => 'map a $a { default 1; }'
            . 'map a $b { default 1; }',
            location => "registry_warning $arguments;");
        my ($status, $said) = $c->check;
        ok($status && $said =~ /\[emerg\].*\Q$why\E/,
            "refused: $why: " . substr $arguments, 0, 40) or diag($said);
    }

    my $c = Test::Registry->new(location => 'registry_warning x;' x 33);
    my ($status, $said) = $c->check;
    ok($status && $said =~ /is there too often/, 'thirty-three');
}

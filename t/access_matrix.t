#!/usr/bin/perl

# A90: every operation, asked by every kind of user of every kind of
# repository. The operations are read from the source: one without a row here
# is a failure.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $members = '"~(hidden|absent)/.+"';
my @kinds = qw(basic bearer);
my %port;

# Who may do what: to the public repository, to the private one and to one
# that is missing alike. What nobody has logged in for everybody may.

my %rights = (
    anonymous => { public => [qw(pull list)], private => [] },
    stranger => { public => [qw(pull list)], private => [] },
    reader => { public => [qw(pull list)], private => [qw(pull list)] },
    lister => { public => [qw(pull list)], private => [qw(list)] },
    writer => { public => [qw(pull list)], private => [qw(pull push)] },
    updater => { public => [qw(pull list)],
        private => [qw(pull push update)] },
    deleter => { public => [qw(pull list)], private => [qw(delete)] },
    admin => { public => [qw(pull list push update delete)],
        private => [qw(pull list push update delete)] }
);

my @known = grep { $_ ne 'anonymous' } sort keys %rights;

# Those whom nobody knows: an Authorization header each.

my %unknown = (
    'wrong password' => basic('reader', 'wrong'),
    'unknown user' => basic('nobody', 'secret'),
    'empty credentials' => 'Basic Og==',
    'no token' => 'Bearer x',
    'token of nobody' => 'Bearer eyJhbGciOiJub25lIn0.e30.',
    'other scheme' => 'Digest username="reader"'
);

my %repo = (public => 'public/app', private => 'hidden/app',
    missing => 'absent/app');

my $rules = join "\n", 'registry_delete on;',
    'registry_htpasswd "R" %%DIR%%/users;', 'registry_login_limit off;',
    'registry_cors_origin https://ui.example;',
    'registry_allow anonymous pull,list public/**;',
    (map { @{ $rights{$_}{private} }
        ? "registry_allow $_ " . join(',', @{ $rights{$_}{private} })
            . " $members;" : () } @known),
    'registry_allow admin * **;';

my $t = Test::Registry->new(
    ports => 2,
    write => { users => htpasswd(map { $_ => 'secret' } @known) },
    location => "$rules registry_token_server auto lifetime=6h;",
    servers => <<"EOF",
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        $rules
        registry_token_server off;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
    }
}
EOF
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(2));
my $image = image(seed => 'matrix');
my $second = image(seed => 'matrix', more => { annotations => { a => 'b' } });
my $layer = sha256($image->{layers}[0]);
my $type = [['Content-Type', $image->{type}]];
my $no_id = '00000000-0000-4000-8000-000000000000';

restore($_) for qw(public private);

# Rows: method, path, options of the request, what an answer is for one who
# may, in a repository that is there and in one that is not; then what else
# the row needs. {r} is the repository, {u} the path of an upload.

my %rows = (
    base => [
        ['GET', '/v2/', {}, 200, 200],
        ['HEAD', '/v2/', {}, 200, 200]
    ],
    preflight => [
        ['OPTIONS', '/v2/{r}/manifests/v1', { headers => [
            ['Origin', 'https://ui.example'],
            ['Access-Control-Request-Method', 'PUT']] }, 204, 204],
        ['OPTIONS', '/v2/', { headers => [['Origin', 'https://ui.example'],
            ['Access-Control-Request-Method', 'GET']] }, 204, 204]
    ],
    catalog => [
        ['GET', '/v2/_catalog', {}, 200, 200],
        ['GET', '/v2/_catalog?n=1', {}, 200, 200],
        ['HEAD', '/v2/_catalog', {}, 200, 200]
    ],
    tags => [
        ['GET', '/v2/{r}/tags/list', {}, 200, 404],
        ['GET', '/v2/{r}/tags/list?n=1&last=a', {}, 200, 404],
        ['HEAD', '/v2/{r}/tags/list', {}, 200, 404]
    ],
    referrers => [
        ['GET', "/v2/{r}/referrers/$image->{digest}", {}, 200, 200],
        ['HEAD', "/v2/{r}/referrers/$image->{digest}", {}, 200, 200]
    ],
    blob_read => [
        ['GET', "/v2/{r}/blobs/$layer", {}, 200, 404],
        ['HEAD', "/v2/{r}/blobs/$layer", {}, 200, 404],
        ['GET', "/v2/{r}/blobs/$layer", { headers => [
            ['Range', 'bytes=0-9']] }, 206, 404],
        ['GET', '/v2/{r}/blobs/' . sha256('none'), {}, 404, 404]
    ],
    blob_delete => [
        ['DELETE', "/v2/{r}/blobs/$layer", {}, 202, 404],
        ['DELETE', '/v2/{r}/blobs/' . sha256('none'), {}, 404, 404]
    ],
    manifest_read => [
        ['GET', '/v2/{r}/manifests/v1', {}, 200, 404],
        ['HEAD', '/v2/{r}/manifests/v1', {}, 200, 404],
        ['GET', "/v2/{r}/manifests/$image->{digest}", {}, 200, 404],
        ['GET', '/v2/{r}/manifests/v1', { headers => [['If-None-Match',
            "\"$image->{digest}\""]] }, 304, 404],
        ['GET', '/v2/{r}/manifests/none', {}, 404, 404]
    ],
    manifest_write => [
        ['PUT', '/v2/{r}/manifests/fresh', { body => $image->{bytes},
            headers => $type }, 201, 404],
        ['PUT', "/v2/{r}/manifests/$image->{digest}", {
            body => $image->{bytes}, headers => $type }, 201, 404],
        ['PUT', '/v2/{r}/manifests/v1', { body => $image->{bytes},
            headers => $type }, 201, 404],
        ['PUT', '/v2/{r}/manifests/v1', { body => $second->{bytes},
            headers => $type }, 201, 404, 'update'],
        ['PUT', "/v2/{r}/manifests/$second->{digest}?tag=v1", {
            body => $second->{bytes}, headers => $type }, 201, 404, 'update'],
        ['PUT', '/v2/{r}/manifests/fresh', { body => '{}',
            headers => $type }, 400, 400],
        ['PUT', '/v2/{r}/manifests/v1', { body => '' }, 400, 400]
    ],
    manifest_delete => [
        ['DELETE', '/v2/{r}/manifests/v1', {}, 202, 404],
        ['DELETE', "/v2/{r}/manifests/$image->{digest}", {}, 202, 404],
        ['DELETE', '/v2/{r}/manifests/none', {}, 404, 404]
    ],
    upload_start => [
        ['POST', '/v2/{r}/blobs/uploads/', { body => '' }, 202, 202],
        ['POST', '/v2/{r}/blobs/uploads/?digest=' . sha256('one'),
            { body => 'one' }, 201, 201],
        ['POST', "/v2/{r}/blobs/uploads/?mount=$layer&from=public/app",
            { body => '' }, 201, 201],
        ['POST', "/v2/{r}/blobs/uploads/?mount=$layer", { body => '' }, 201,
            201]
    ],
    upload_status => [
        ['GET', '{u}', {}, 204, 204],
        ['HEAD', '{u}', {}, 204, 204],
        ['GET', "/v2/{r}/blobs/uploads/$no_id", {}, 404, 404]
    ],
    upload_append => [
        ['PATCH', '{u}', { body => 'abc' }, 202, 202],
        ['PATCH', '{u}', { chunks => ['abc'] }, 202, 202],
        ['PATCH', "/v2/{r}/blobs/uploads/$no_id", { body => 'x' }, 404, 404]
    ],
    upload_finish => [
        ['PUT', '{u}?digest=' . sha256('abc'), { body => 'abc' }, 201, 201],
        ['PUT', "/v2/{r}/blobs/uploads/$no_id?digest=" . sha256('abc'),
            { body => 'abc' }, 404, 404]
    ],
    upload_cancel => [
        ['DELETE', '{u}', {}, 204, 204],
        ['DELETE', "/v2/{r}/blobs/uploads/$no_id", {}, 404, 404]
    ],
    repo_delete => [
        ['DELETE', '/v2/{r}/_nginx/repository/content', {}, 202, 404]
    ],

    # takes Basic, or nothing for what anonymous may; where Basic is the way
    # there is no such endpoint

    token_issue => [
        ['GET', '/v2/_nginx/token', {}, 200, 200],
        ['HEAD', '/v2/_nginx/token', {}, 200, 200]
    ]
);

my %need = (base => '', preflight => '', catalog => 'list', tags => 'pull',
    referrers => 'pull', blob_read => 'pull', blob_delete => 'delete',
    manifest_read => 'pull', manifest_write => 'push',
    manifest_delete => 'delete', upload_start => 'push',
    upload_status => 'push', upload_append => 'push',
    upload_finish => 'push', upload_cancel => 'push',
    repo_delete => 'delete', token_issue => '');

table_is_whole();
for my $op (sort keys %rows) {
    operation($op, $_) for @{ $rows{$op} };
}
wrong_methods();
catalogues();
untouched();

finish($t);


# The rows of REG_OP_TABLE, and what each asks for there.

sub table_is_whole {
    my $path = "$FindBin::Bin/../src/core/model/reg_route.h";
    open my $fh, '<', $path or die "$path: $!\n";
    my $text = do { local $/; <$fh> };

    my %source = $text =~ /^\s*X\(REG_OP_\w+,\s*(\w+),\s*(\w+),\s*\w+\)/mg;
    cmp_ok(scalar keys %source, '>=', 16, 'operations found in the source');

    for my $op (sort keys %source) {
        ok($rows{$op} && @{ $rows{$op} }, "A90 $op has a row");
        is($need{$op}, $source{$op} eq 'NONE' ? '' : lc $source{$op},
            "A90 $op asks for the right that is in the source");
    }
    is(join(' ', grep { !$source{$_} } sort keys %rows), '',
        'A90 no row is of an operation that is gone');
}


# Puts a repository back as it was at the start.

sub restore {
    my ($kind) = @_;

    $open->push_image($repo{$kind}, 'v1', image => $image);
    $open->delete("/v2/$repo{$kind}/manifests/fresh");
}


sub forget {
    $open->delete("/v2/$repo{missing}/_nginx/repository/content");
}


# A visitor by name, in one of two ways of asking: Basic at a server whose
# challenge is Basic, a token at one that hands them out.

sub visitor {
    my ($user, $way, $kind, $op) = @_;

    my %where = (port => $t->extra_port($way eq 'basic' ? 1 : 0));

    return Test::Registry::Visitor->new($t, %where) if $user eq 'anonymous';
    return $t->with(Authorization => $unknown{$user}, %where)
        if $unknown{$user};
    return $t->as($user, 'secret', %where)
        if $way eq 'basic' || ($op || '') eq 'token_issue';
    return $t->with(Authorization => 'Bearer ' . token($user, $kind), %where);
}


my (%tokens, $service);

sub token {
    my ($user, $kind) = @_;

    $service //= (challenge($t->get('/v2/')) || {})->{service} // 'unknown';

    # as clients do, with the source of a mount

    my @scopes = ("repository:$repo{$kind}:pull,push,update,delete",
        "repository:$repo{public}:pull", 'registry:catalog:*');

    return $tokens{"$user $kind"} //= do {
        my $r = $t->as($user, 'secret')->get('/v2/_nginx/token?service='
            . join '&scope=', map { escape($_) } $service, @scopes);
        my $j = $r->json;
        ref $j eq 'HASH' && $j->{token}
            || (diag($r->as_text), "no.token.for.$user");
    };
}


sub may {
    my ($user, $kind, $action) = @_;

    return 1 if $action eq '';
    my $have = $rights{$user}{ $kind eq 'public' ? 'public' : 'private' };
    return scalar grep { $_ eq $action } @$have;
}


# What must come out: a status, or (401, error) with a challenge.

sub expected {
    my ($user, $way, $kind, $op, $row) = @_;

    return 204 if $op eq 'preflight';
    return $unknown{$user} ? 401 : 200
        if $op eq 'token_issue' && $way eq 'bearer';
    return (401, $way eq 'bearer' && $unknown{$user} =~ /\ABearer/
        ? 'invalid_token' : undef) if $unknown{$user};
    return 401 if !$need{$op} && $user eq 'anonymous';
    return 200 if $op eq 'base';
    return 404 if $op eq 'token_issue';
    return 200 if $op eq 'catalog';

    my @need = ($need{$op},
        $row->[5] && $kind ne 'missing' ? $row->[5] : ());
    my @missing = grep { !may($user, $kind, $_) } @need;

    return $row->[ $kind eq 'missing' ? 4 : 3 ] if !@missing;
    return 401 if $user eq 'anonymous';
    return $way eq 'basic' ? 403 : (401, 'insufficient_scope');
}


sub ask {
    my ($v, $kind, $row, $upload) = @_;

    my ($method, $path, $options) = @$row;
    $path =~ s/\{r\}/$repo{$kind}/;
    $path =~ s/\{u\}/$upload/;
    return $v->request($method, $path, %$options);
}


sub operation {
    my ($op, $row) = @_;

    for my $way (@kinds) {
        for my $user (sort keys %rights, keys %unknown) {
            my %reply;

            for my $kind (qw(public private missing)) {
                next if $row->[1] !~ /\{/ && $kind ne 'public';
                $reply{$kind} = question($op, $row, $way, $user, $kind);
            }

            my $r = $reply{private};
            next if !$r || $r->status != 401 && $r->status != 403;
            next if !$unknown{$user} && may($user, 'private', $need{$op});
            is_like($r, $reply{missing}, "A90 $way $user $row->[0] $row->[1]:"
                . ' private is as missing', [@repo{qw(private missing)}]);
        }
    }
}


sub question {
    my ($op, $row, $way, $user, $kind) = @_;

    my ($want, $error) = expected($user, $way, $kind, $op, $row);
    my $v = visitor($user, $way, $kind, $op);
    my $upload = '';

    if ($row->[1] =~ /\{u\}/) {
        my $mine = $want < 300;
        $upload = $mine ? $v->post("/v2/$repo{$kind}/blobs/uploads/",
                body => '')->header('Location')
            : "/v2/$repo{$kind}/blobs/uploads/$no_id";
        $upload = $open->open_upload($repo{$kind})
            if !$mine && $kind ne 'missing';
        $upload //= '/v2/no/upload';
    }

    my $r = ask($v, $kind, $row, $upload);
    my $name = "A90 $way $user $row->[0] $row->[1] of $kind: $want"
        . ($error ? " $error" : '');

    if ($want == 401) {
        my $basic = $way eq 'basic' || $op eq 'token_issue';
        is_challenged($r, { error => $error, $basic
            ? (scheme => 'Basic', realm => 'R')
            : (scheme => 'Bearer', scope($op, $row, $kind)) }, $name);
    } elsif ($want == 403) {
        is_error($r, 403, 'DENIED', $name);
    } elsif ($want >= 400) {
        is_error($r, $want, undef, $name);
    } else {
        is_status($r, $want, $name);
    }

    $open->delete($upload) if $upload;
    forget() if $kind eq 'missing' && $r->status < 300 && $need{$op} eq 'push';
    restore($kind) if $kind ne 'missing' && $r->status < 300
        && $row->[0] =~ /PUT|DELETE/;
    return $r;
}


# The scope that a challenge names.

sub scope {
    my ($op, $row, $kind) = @_;

    return () if $op eq 'base';
    return (scope => 'registry:catalog:*') if $op eq 'catalog';

    my %actions = (pull => qr/pull/, push => qr/(?:pull,push|push,pull)/,
        delete => qr/(?:delete|\*)/);
    my $source = $row->[1] =~ /from=([a-z\/]+)/ && $1 ne $repo{$kind}
        ? " repository:$1:pull" : '';
    return (scope => qr/\Arepository:$repo{$kind}:$actions{ $need{$op} }
        (?:,\w+)*\Q$source\E\z/x);
}


# Methods that a route does not have: nobody gets anything by them.

sub wrong_methods {
    my %has;
    for my $op (keys %rows) {
        push @{ $has{ $_->[1] =~ s/\?.*//r } }, $_->[0] for @{ $rows{$op} };
    }

    for my $path (grep { $_ ne '/v2/_nginx/token' } sort keys %has) {
        my @has = (@{ $has{$path} }, 'OPTIONS');
        push @has, qw(GET HEAD PUT PATCH DELETE) if $path =~ /\{u\}|$no_id/;
        push @has, qw(GET HEAD PUT DELETE) if $path =~ m{/manifests/};
        push @has, qw(GET HEAD DELETE) if $path =~ m{/blobs/sha};
        my %not = map { $_ => 1 } @has;

        for my $method (grep { !$not{$_} } qw(GET HEAD POST PUT PATCH DELETE
            PROPFIND FOO))
        {
            my $row = [$method, $path, { body => '' }, 405, 405];
            for my $user (qw(anonymous stranger reader admin), 'no token') {
                my @reply = map { ask(visitor($user, 'basic', $_), $_, $row,
                    "/v2/$repo{$_}/blobs/uploads/$no_id") }
                    qw(private missing);
                my @want = $user eq 'anonymous' || $unknown{$user} ? 401
                    : $user eq 'admin' ? 405 : (403, 405);
                is_error($reply[0], \@want, undef,
                    "A90 $user $method $path");
                is_like(@reply, "A90 $user $method $path: private is as "
                    . 'missing', [@repo{qw(private missing)}]);
            }
        }
    }
}


sub catalogues {
    for my $way (@kinds) {
        for my $user (sort keys %rights) {
            my $r = visitor($user, $way, 'private')->get('/v2/_catalog');
            my @want = map { $repo{$_} } grep { may($user, $_, 'list') }
                qw(private public);
            is_json_list($r, 'repositories', \@want,
                "A90 $way $user sees in the catalogue: @want");
        }
    }
}


sub untouched {
    for my $kind (qw(public private)) {
        is_whole($open->get("/v2/$repo{$kind}/manifests/v1"),
            $image->{bytes}, "A90 $kind is as it was");
        is_json_list($open->get("/v2/$repo{$kind}/tags/list"), 'tags',
            ['v1'], "A90 $kind has no tag more");
    }
    is_error($open->get("/v2/$repo{missing}/tags/list"), 404, 'NAME_UNKNOWN',
        'A90 missing is missing');
}

#!/usr/bin/perl

# The examples of docs/access.md do what they promise: each is started as it
# stands, with the files that the commands in its comment make.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Test::Registry;
use Test::Registry::Examples;
use Test::Registry::Files;

one_password();
users();
anonymous();
tokens();
certificates();
by_auth_request();
by_auth_basic();
by_token_server();
kubernetes();
builds();
read_only();
documented();

done_testing();


sub one_password {
    my $t = start('access-password.conf', team => 'pa:ss word');
    my @team = (user => 'team:pa:ss word');

    asks_for_basic($t);
    is(ask($t, 'GET', '/v2/', @team)->{status}, 200, 'the password lets in');
    refuses($t, user => 'team:wrong');
    refuses($t, user => 'other:pa:ss word');
    may($t, 'push', 'any/thing', @team);
    may($t, 'pull', 'any/thing', @team);
    is(ask($t, 'GET', '/v2/any/thing/tags/list')->{status}, 401,
        'nothing without it');
    end($t);
}


sub users {
    my $t = start('access-users.conf', ann => 'a', builder => 'b',
        auditor => 'c');
    my ($ann, $builder, $auditor) = map { [ user => $_ ] }
        qw(ann:a builder:b auditor:c);

    may($t, 'push', 'app/web', @$builder);
    may($t, 'pull', 'app/web', @$builder);
    may($t, 'update', 'app/web', @$builder);
    may_not($t, 'delete', 'app/web', @$builder);
    may($t, 'push', 'release/web', @$builder);
    may_not($t, 'update', 'release/web', @$builder);
    may_not($t, 'push', 'other', @$builder);
    may_not($t, 'pull', 'other', @$builder);
    may($t, 'push', 'home/builder/x', @$builder);
    may_not($t, 'push', 'home/ann/x', @$builder);

    may($t, 'pull', 'release/web', @$auditor);
    may_not($t, 'push', 'release/web', @$auditor);
    may($t, 'push', 'home/auditor/x', @$auditor);

    may($t, 'update', 'release/web', @$ann);
    may($t, 'delete', 'release/web', @$ann);
    may($t, 'push', 'other', @$ann);

    is(listed($t, @$builder), 'app/web home/builder/x release/web',
        'the builder sees his own');
    is(listed($t, @$auditor),
        'app/web home/auditor/x home/builder/x other release/web',
        'a reader sees all');
    end($t);
}


# What docker does, step by step; t/client_login_*.t have docker itself.

sub anonymous {
    my $t = start('access-anonymous.conf', ann => 'a');
    my @ann = (user => 'ann:a');

    my $r = ask($t, 'GET', '/v2/');
    is($r->{status}, 401, 'without a login: 401');
    my $where = 'https://127.0.0.1:' . $t->port . '/v2/_nginx/token';
    is($r->{headers}{'www-authenticate'},
        qq{Bearer realm="$where",service="registry"}, 'which says where');

    my $get = sub {
        my ($scope, @how) = @_;
        my $reply = ask($t, 'GET', "$where?service=registry&scope=$scope",
            @how);
        return JSON::PP->new->decode($reply->{content})->{token};
    };

    my $pull = 'repository:public/web:pull';
    may($t, 'push', 'public/web', token => $get->("$pull,push", @ann));
    may($t, 'push', 'ours', token => $get->('repository:ours:pull,push', @ann));
    may($t, 'pull', 'public/web', token => $get->($pull));
    is(ask($t, 'GET', '/v2/public/web/tags/list')->{status}, 200,
        'a token is not even needed for that');

    $r = ask($t, 'GET', '/v2/ours/tags/list',
        token => $get->('repository:ours:pull'));
    is($r->{status}, 401, 'ours is not for everybody');
    $r = ask($t, 'POST', '/v2/public/web/blobs/uploads/',
        token => $get->("$pull,push"), body => '');
    is($r->{status}, 401, 'and nobody pushes without a login');

    is(ask($t, 'GET', "$where?service=registry", user => 'ann:wrong')
        ->{status}, 401, 'a wrong password gets no token');
    may($t, 'pull', 'ours', @ann);
    end($t);

    # further things that docs/access.md says of it
    my $line = 'registry_allow    anonymous ';
    $t = example('access-anonymous.conf', passwords => { ann => 'a' },
        edit => [ '443 ssl' => '127.0.0.1:%%PORT%%',
            $line => 'registry_token_server auto '
            . "realm=https://\$http_host/v2/_nginx/token;\n$line" ])->run;
    $r = ask($t, 'GET', 'http://127.0.0.1:' . $t->port . '/v2/');
    is($r->{headers}{'www-authenticate'},
        'Bearer realm="https://127.0.0.1:' . $t->port . '/v2/_nginx/token",'
        . 'service="registry"', 'behind a proxy the realm can be said');
    $t->finish;

    $t = example('access-anonymous.conf', passwords => { ann => 'a' },
        edit => [ $line => "registry_token_server off;\n$line" ]);
    my ($status, $said) = $t->check;
    is($status, 0, 'without the token server it is still a configuration');
    like($said, qr/\[warn\].*anonymous/, 'with a warning');
}


sub tokens {
    my $t = start('access-tokens.conf', ann => 'a');
    my @ann = (user => 'ann:a');
    my @robot = (user => 'robot:' . secret($t, 'robot'));
    my @laptop = (user => 'ann-laptop:' . secret($t, 'ann-laptop'));
    my @ci = (user => 'ann-ci:' . secret($t, 'ann-ci'));

    asks_for_basic($t);
    is(ask($t, 'GET', '/v2/', @robot)->{status}, 200, 'a token is a login');
    refuses($t, user => 'other:' . secret($t, 'robot'));
    refuses($t, user => 'robot:' . secret($t, 'ann-laptop'));

    may($t, 'push', 'app/web', @robot);
    may($t, 'update', 'app/web', @robot);
    may_not($t, 'delete', 'app/web', @robot);
    may_not($t, 'push', 'home/ann/x', @robot);

    may($t, 'pull', 'app/web', @laptop);
    may_not($t, 'push', 'app/web', @laptop);

    may($t, 'push', 'home/ann/x', @ann);
    may($t, 'push', 'home/ann/y', @ci);
    may($t, 'pull', 'home/ann/x', @ci);
    may_not($t, 'update', 'home/ann/x', @ci);
    may_not($t, 'pull', 'app/web', @ci);

    # revoked: at the next request
    registryctl($t, 'token revoke /etc/nginx/registry.tokens robot');
    refuses($t, @robot);
    may($t, 'pull', 'app/web', @laptop);
    end($t);
}


sub certificates {
    my $t = example('access-certificates.conf', passwords => { ann => 'a' });
    authority($t, 'clients', 'our clients');
    authority($t, 'others', 'other clients');
    $t->run;

    my @builder = (cert => [ certificate($t, 'clients', '/CN=builder') ]);
    my @ann = (user => 'ann:a');

    asks_for_basic($t);
    is(ask($t, 'GET', '/v2/', @builder)->{status}, 200,
        'a certificate is a login');
    may($t, 'push', 'app/web', @builder);
    may_not($t, 'push', 'other', @builder);
    may($t, 'push', 'other', @ann);
    may($t, 'push', 'other', @builder, @ann);
    is(ask($t, 'GET', '/v2/', @builder, user => 'ann:b')->{status}, 401,
        'a wrong password is one, beside a certificate, too');

    for my $subject ('/O=CN=builder/CN=x.y', '/O=x,CN=builder/CN=x.y',
        '/CN=builder.x', '/CN=a,CN=builder', '/CN=X/CN=builder x')
    {
        my @cert = (cert => [ certificate($t, 'clients', $subject) ]);
        is(ask($t, 'GET', '/v2/', @cert)->{status}, 401,
            "$subject is not the builder");
    }

    my @foreign = (cert => [ certificate($t, 'others', '/CN=builder') ]);
    is(ask($t, 'GET', '/v2/', @foreign)->{status}, 400,
        'a certificate of another authority is refused');
    end($t);
}


# The service that example wants, in a few lines: it knows two people, as an
# LDAP server would.

sub by_auth_request {
    my $t = example('access-auth-request.conf', more => <<'END')->run;
    map $http_authorization $found {
        "Basic YW5uOmE="  ann;   # ann:a
        "Basic Ym9iOmI="  bob;   # bob:b
        "Basic eDp4"      banned;
        "Basic eTp5"      broken;
    }

    server {
        listen 127.0.0.1:9000;

        location = /check {
            if ($found = "") {
                add_header WWW-Authenticate 'Basic realm="Images"' always;
                return 401;
            }

            if ($http_x_original_uri !~ ^/v2/) {
                return 500;
            }

            if ($found = banned) {
                return 403;
            }

            if ($found = broken) {
                return 404;
            }

            add_header X-User $found;
            return 204;
        }
    }
END

    my ($ann, $bob) = map { [ user => $_ ] } qw(ann:a bob:b);

    asks_for_basic($t);
    is(ask($t, 'GET', '/v2/', @$ann)->{status}, 200,
        'who the service knows is in');
    refuses($t, user => 'ann:wrong');
    may($t, 'push', 'home/ann/x', @$ann);
    may($t, 'pull', 'home/ann/x', @$bob);
    may_not($t, 'push', 'home/ann/x', @$bob);
    may($t, 'push', 'home/bob/x', @$bob);
    my $layer = 'x' x (2 << 20);
    is(ask($t, 'POST', '/v2/home/ann/x/blobs/uploads/?digest=' . sha256($layer),
        body => $layer, @$ann)->{status}, 201, 'and a layer of 2 MiB');
    is(ask($t, 'GET', '/v2/', @$ann, headers => { 'X-User' => 'bob' })
        ->{status}, 200, 'a client that says who it is');
    may_not($t, 'push', 'home/bob/x', @$ann, headers => { 'X-User' => 'bob' });
    my $r = ask($t, 'GET', '/v2/', user => 'x:x');
    is($r->{status}, 403, 'whom the service sends away is away');
    like($r->{content}, qr/"code":"DENIED"/, 'in words for clients');
    is(ask($t, 'GET', '/v2/', user => 'y:y')->{status}, 500,
        'when it has other words nobody gets in');
    is(ask($t, 'GET', '/auth', @$ann)->{status}, 404,
        'the service is not for clients');
    end($t);
}


sub by_auth_basic {
    my $t = start('access-auth-basic.conf', ann => 'a');
    my @ann = (user => 'ann:a');

    asks_for_basic($t);
    is(ask($t, 'GET', '/v2/', @ann)->{status}, 200, 'the password lets in');
    refuses($t, user => 'ann:wrong');
    may($t, 'push', 'any/thing', @ann);
    may($t, 'pull', 'any/thing', @ann);
    end($t);
}


sub by_token_server {
    my $t = example('access-token-server.conf');
    authority($t, 'token-server', 'auth.example.com', 'rsa');
    authority($t, 'another-server', 'auth.example.com', 'rsa');
    $t->run;

    my $r = ask($t, 'GET', '/v2/app/web/tags/list');
    is($r->{status}, 401, 'without a login: 401');
    is($r->{headers}{'www-authenticate'},
        'Bearer realm="https://auth.example.com/token",'
        . 'service="registry.example.com",scope="repository:app/web:pull"',
        'which says where to get a token, and for what');

    my @both = (token => token_for($t, 'token-server', qw(pull push)));
    my @pull = (token => token_for($t, 'token-server', 'pull'));

    may($t, 'push', 'app/web', @both);
    may($t, 'pull', 'app/web', @pull);

    for my $case (
        [ 'a token for something else', 'insufficient_scope', @pull ],
        [ 'one that another key signed', 'invalid_token',
            token => token_for($t, 'another-server', 'push') ],
        [ 'nonsense', 'invalid_token', token => 'a.b.c' ])
    {
        my ($what, $error, @how) = @$case;
        $r = ask($t, 'POST', '/v2/app/web/blobs/uploads/', body => '', @how);
        is($r->{status}, 401, "$what is refused");
        like($r->{headers}{'www-authenticate'}, qr/,error="$error"/,
            "as $error");
    }

    end($t);
}


# A token as docker_auth would sign it, for app/web.

sub token_for {
    my ($t, $key, @actions) = @_;

    my $path = etc($t) . "/$key";
    my $crt = join '', map { /\A-/ ? () : s/\s+//r }
        split /^/, slurp("$path.crt");
    my @parts = map { encode_base64url(to_json($_)) }
        { typ => 'JWT', alg => 'RS256', x5c => [ $crt ] },
        {
            iss => 'auth.example.com', sub => 'ann', jti => 'any',
            aud => 'registry.example.com', nbf => int(time) - 10,
            iat => int time, exp => int(time) + 300,
            access => [ {
                type => 'repository', name => 'app/web', actions => \@actions,
            } ],
        };

    my $what = join '.', @parts;
    my $file = $t->write_file('to-be-signed', $what);
    my $signed = `openssl dgst -sha256 -sign $path.key $file`;
    die "openssl: $?\n" if $?;

    return "$what." . encode_base64url($signed);
}


sub kubernetes {
    my $t = start('access-kubernetes.conf');
    my @shop = (user => 'k8s-shop:' . secret($t, 'k8s-shop'));

    asks_for_basic($t, 'Registry');
    is(ask($t, 'GET', '/v2/', @shop)->{status}, 200, 'a token is a login');
    may_not($t, 'push', 'shop/web', @shop);
    may_not($t, 'pull', 'bank/web', @shop);
    is(ask($t, 'GET', '/v2/shop/web/manifests/1', @shop)->{status}, 404,
        'it may look for its images');
    is(ask($t, 'GET', '/v2/base/os/manifests/1', @shop)->{status}, 404,
        'and for what they build upon');

    ok(wait_for(5, sub {
        open my $fh, '<', $t->dir . '/pulls.log' or return 0;
        return grep { m{ k8s-shop pull base/os 404$} } <$fh>;
    }), 'the log tells who pulled what');
    end($t);
}


sub builds {
    my $t = start('access-builds.conf');
    my @jenkins = (user => 'jenkins:' . secret($t, 'jenkins'));
    my @github = (user => 'github:' . secret($t, 'github'));

    may($t, 'push', 'app/web', @jenkins);
    may_not($t, 'update', 'app/web', @jenkins);
    may_not($t, 'push', 'base/os', @jenkins);
    is(ask($t, 'GET', '/v2/base/os/manifests/1', @jenkins)->{status}, 404,
        'what it builds upon it may look for');

    may($t, 'push', 'site/web', @github);
    may($t, 'update', 'site/web', @github);
    may_not($t, 'pull', 'app/web', @github);

    # a loop that got out of hand is slowed down, and nobody else is

    my (@r, $took);
    my $delayed = sub {
        return scalar(() = $t->log_text =~ m{delaying request.*/v2/$_[0]/}g);
    };
    wait_for(30, sub {
        $took = seconds(sub {
            push @r, ask($t, 'POST', '/v2/site/web/blobs/uploads/', @github)
                for 1 .. 120;
        });
        return $delayed->('site/web');
    });
    is(scalar(grep { $_->{status} != 202 } @r), 0, 'no push is refused');
    cmp_ok($delayed->('site/web'), '>', 0, 'many pushes are delayed');
    cmp_ok($took, '>', 0.5, 'they take their time');
    may($t, 'push', 'app/web', @jenkins);
    is($delayed->('app/web'), 0, 'those of another token do not');
    end($t);
}


# "A registry that anybody may read and nobody may push to."

sub read_only {
    my $t = example('minimal.conf', edit => [
        'listen 5000' => 'listen 127.0.0.1:%%PORT%%',
        'registry_delete' => "registry_allow anonymous pull **;\n"
            . 'registry_delete' ])->run;
    my $at = 'http://127.0.0.1:' . $t->port;

    is(ask($t, 'GET', "$at/v2/")->{status}, 200, 'nobody is asked');
    is(ask($t, 'GET', "$at/v2/app/web/manifests/1")->{status}, 404,
        'everybody may pull');
    is(ask($t, 'POST', "$at/v2/app/web/blobs/uploads/", body => '')->{status},
        403, 'nobody may push');
    end($t);
}


# Each line of nginx's configuration, and each registryctl, in a section of
# docs/access.md stands in the example that the section is about.

sub documented {
    my $page = slurp("$FindBin::Bin/../docs/access.md");
    my %seen;

    for my $section (split /^## /m, $page) {
        my ($file) = $section =~ /\A.*\n\n`conf\.examples\/(\S+)`\n/ or next;
        my $example = squeeze(slurp("$FindBin::Bin/../conf.examples/$file"));
        my @blocks = $section =~ /((?:^    .*\n|^\n(?=    ))+)/mg;
        my @lines = map { split /\n/, squeeze($_) } @blocks;

        my @config = grep { /^ (?:registryctl (?!.* revoke )|\w+ .*[;{]\z)/ }
            @lines;
        my @lost = grep { index($example, $_) < 0 } @config;
        is(join('', @lost), '', "docs/access.md says what is in $file");
        $seen{$file} = @config;
    }

    my @files = map { s{.*/}{}r }
        glob "$FindBin::Bin/../conf.examples/access-*";
    is(join(' ', sort keys %seen), "@files", 'it has a section for each');
    is(join(' ', grep { !$seen{$_} } @files), '', 'with lines of each');
}


# Blanks, comment signs and continued lines do not count.

sub squeeze {
    my ($text) = @_;

    $text =~ s/^ *#//mg;
    $text =~ s/ *\\\n|\n +(?=\w+=)/ /g;
    $text =~ s/[ \t]+/ /g;
    return $text =~ s/^(?=\S)/ /mgr;
}


# --- assertions --------------------------------------------------------------

sub start {
    my ($name, %passwords) = @_;

    note($name);
    return example($name, passwords => \%passwords)->run;
}


sub end {
    my ($t) = @_;

    $t->finish;
}


# What makes docker ask its user for a password, or send the one it has.

sub asks_for_basic {
    my ($t, $realm) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = ask($t, 'GET', '/v2/');
    is($r->{status}, 401, 'without a login: 401');
    is($r->{headers}{'www-authenticate'},
        sprintf('Basic realm="%s"', $realm // 'Images'),
        'which says how to log in');
}


sub refuses {
    my ($t, @how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = ask($t, 'GET', '/v2/', @how);
    is($r->{status}, 401, "wrong: $how[1]") or diag($r->{content});
}


sub may { _try(1, @_) }
sub may_not { _try(0, @_) }


# One assertion: an action succeeds, or is denied as a rule denies it.

sub _try {
    my ($good, $t, $action, $repo, @how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my %try = (
        pull => sub { ask($t, 'GET', "/v2/$repo/tags/list", @how) },
        push => sub { push_it($t, $repo, 'n' . (1 + ($t->{pushed}{$repo} // 0)),
            @how) },
        update => sub { push_it($t, $repo, 'n1', @how) },
        delete => sub { ask($t, 'DELETE', "/v2/$repo/manifests/n1", @how) },
    );
    my %done = (pull => 200, push => 201, update => 201, delete => 202);

    my $who = $how[0] ne 'user' ? "the $how[0]" : $how[1] =~ s/:.*//r;
    my $want = $good ? $done{$action} : 403;
    my $r = $try{$action}->();
    $t->{pushed}{$repo}++ if $action eq 'push' && $r->{status} == 201;

    is($r->{status}, $want,
        $who . ($good ? ' may ' : ' may not ') . "$action $repo")
        or return diag($r->{content});
    return if $good;

    diag($r->{content}), fail('the reason is DENIED')
        if $r->{content} !~ /"code":"DENIED"/;
}


# Pushes an image under a tag: the reply to the first refusal, or to its
# manifest. It is another image each time.

sub push_it {
    my ($t, $repo, $tag, @how) = @_;

    my $image = image(seed => $tag . ++$t->{images});

    for my $bytes ($image->{config}, @{ $image->{layers} }) {
        my $r = ask($t, 'POST', "/v2/$repo/blobs/uploads/?digest="
            . sha256($bytes), body => $bytes, @how);
        return $r if $r->{status} != 201;
    }

    my %type = ('Content-Type' => $image->{type});
    my %more = @how;
    $more{headers} = { %{ $more{headers} || {} }, %type };

    return ask($t, 'PUT', "/v2/$repo/manifests/$tag",
        body => $image->{bytes}, %more);
}


sub listed {
    my ($t, @how) = @_;

    my $r = ask($t, 'GET', '/v2/_catalog', @how);
    my $found = JSON::PP->new->decode($r->{content})->{repositories};
    return join ' ', @{ $found || [] };
}

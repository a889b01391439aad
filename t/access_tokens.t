#!/usr/bin/perl

# Access tokens for people and robots: made and revoked by registryctl, used as
# a password, worth what their line says and not a second longer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Token;


my $dir = work_dir();
my $file = "$dir/tokens";
my %secret;

create('ci', '--allow', 'pull,push:team/**', '--allow', 'pull:public/*');
create('reader', '--allow', 'pull,list:**', '--expires', '30d');
create('all', '--allow', '*:**');
create('of-alice', '--user', 'alice', '--allow', 'pull,push:**');
create('of-nobody', '--user', 'nobody', '--allow', '*:**');
create('own', '--user', 'bob', '--allow', 'pull,push:home/$user/**');
create('updater', '--allow', 'pull,push,update:team/**');
create('regex', '--allow', 'pull:~team/[ab]+');
create('alice', '--allow', 'pull:shadow/**');
create('later', '--allow', 'pull:**');
create('gone', '--allow', 'pull:**');

my $tokens = "registry_access_tokens $file; registry_login_limit off;";
my $t = Test::Registry->new(
    ports => 5, workers => 2,
    write => { users => htpasswd(alice => 'one', bob => 'two') },
    location => "registry_delete on; $tokens",
    servers => join '', map { "server { listen 127.0.0.1:%%PORT$_->[0]%%;\n"
        . "location /v2/ { registry %%ROOT%%; registry_delete on;\n"
        . "$_->[1] } }\n" }
        [1, ''],
        [2, "registry_htpasswd \"R\" %%DIR%%/users; $tokens"],
        [3, "registry_htpasswd \"R\" %%DIR%%/users; $tokens"
            . 'registry_allow alice pull team/**;'
            . 'registry_allow bob * home/bob/**;'],
        [4, "registry_htpasswd \"R\" %%DIR%%/users; $tokens"
            . 'registry_token_server on;'],
        [5, $tokens =~ s/off/2 per=60s/r]
)->run;

my $open = Test::Registry::Visitor->new($t, port => $t->extra_port(1));
my $image = $open->push_image('team/app', 'v1');
$open->push_image($_, 'v1') for qw(public/app other/app home/bob/app);
my $no_id = '00000000-0000-4000-8000-000000000000';

logins();
scopes();
updates();
catalogues();
owners();
beside_passwords();
sessions();
expired();
revoked();
bad_lines();
traded();
guesses();

finish($t);


sub create {
    my ($name, @args) = @_;

    my $r = ctl('token', 'create', $file, $name, @args);
    die "$name: $r->{err}\n" if $r->{rc} ne '0';
    $secret{$name} = $r->{out} =~ s/\s+\z//r;
}


sub user {
    my ($name, %where) = @_;

    return $t->as($name, $secret{$name} // 'x', %where);
}


sub at { return (port => $t->extra_port($_[0])) }


# yes, no or who, by asking for what is not there.

sub may {
    my ($v, $action, $repo) = @_;

    my $r = $action eq 'pull' ? $v->get("/v2/$repo/manifests/none")
        : $action eq 'push' ? $v->get("/v2/$repo/blobs/uploads/$no_id")
        : $v->delete("/v2/$repo/manifests/none");
    my %answer = (404 => 'yes', 403 => 'no', 401 => 'who');
    return $answer{ $r->status } || $r->status;
}


sub is_may {
    my ($want, $name, $action, $repo, %where) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(may(user($name, %where), $action, $repo), $want,
        "$name: $action $repo");
}


sub logins {
    is_challenged($t->get('/v2/'), { scheme => 'Basic',
        realm => 'Registry' }, 'without a login');
    is_status(user('ci')->get('/v2/'), 200, 'a token as a password')
        for 1 .. 4;
    is_whole(user('ci')->get('/v2/team/app/manifests/v1'), $image->{bytes},
        'a pull');

    my $good = $secret{ci};
    my %bad = ('another secret' => [ci => $secret{reader}],
        'another name' => [reader => $good], 'no such name' =>
        [nobody => $good], 'an empty secret' => [ci => ''],
        'capitals' => ['CI', $good], 'its letters changed' =>
        [ci => $good =~ tr/a-zA-Z/b-zaB-ZA/r], 'a letter less' =>
        [ci => substr $good, 0, -1], 'a letter more' => [ci => "${good}x"],
        'a blank' => [ci => "$good "], 'the hash' => [ci => hash_of('ci')],
        'the hash alone' => [ci => hash_of('ci') =~ s/sha256://r],
        '72 bytes' => [ci => 'x' x 72], 'a long one' => [ci => 'x' x 4000],
        'the usual name for tokens' => ['<token>', $good]);

    for my $name (sort keys %bad) {
        is_challenged($t->as(@{ $bad{$name} })->get('/v2/'),
            { scheme => 'Basic' }, "refused: $name");
    }
    is_like($t->as('ci', 'x')->get('/v2/'), $t->as('nobody', 'x')
        ->get('/v2/'), 'A71 a wrong secret looks like an unknown name');
    is_challenged($t->with(Authorization => "Bearer $good")->get('/v2/'),
        { scheme => 'Basic' }, 'it is no bearer token');
    is_challenged($t->get("/v2/?token=$good&access_token=$good"), {},
        'A87 nor does it count in a query');
}


sub hash_of {
    my ($name) = @_;

    my ($hash) = file_text($file) =~ /^\Q$name\E (sha256:[0-9a-f]+) /m;
    return $hash;
}


# What its line allows, and nothing beside it.

sub scopes {
    is_may('yes', 'ci', 'pull', 'team/app');
    is_may('yes', 'ci', 'push', 'team/a/b');
    is_may('no', 'ci', 'delete', 'team/app');
    is_may('no', 'ci', 'pull', 'team');
    is_may('yes', 'ci', 'pull', 'public/app');
    is_may('no', 'ci', 'push', 'public/app');
    is_may('no', 'ci', 'pull', 'public/a/b');
    is_may('no', 'ci', 'pull', 'other/app');
    is_may('yes', 'reader', 'pull', 'other/app');
    is_may('no', 'reader', 'push', 'other/app');
    is_may('no', 'reader', 'delete', 'other/app');
    is_may('yes', 'all', $_, 'any/thing') for qw(pull push delete);
    is_may('yes', 'regex', 'pull', 'team/ab');
    is_may('no', 'regex', 'pull', 'team/abc');

    my $ci = user('ci');
    is_like($ci->get('/v2/other/app/tags/list'),
        $ci->get('/v2/other/non/tags/list'), 'R4 what it may not see does '
        . 'not exist', ['other/app', 'other/non']);
    my $i = eval { $ci->push_image('team/ci', 'v1', seed => 'ci') };
    ok($i, 'a push') or diag $@;

    my $d = $open->push_blob('other/app', 'only there');
    is_status($ci->post("/v2/team/ci/blobs/uploads/?mount=$d&from=other/app",
        body => ''), 202, 'A43 no mount from where it may not pull');
    is_status($ci->post("/v2/team/ci/blobs/uploads/?mount=$d", body => ''),
        202, 'A45 nor from anywhere');
}


sub updates {
    my $data = { %{ $image->{data} }, annotations => { a => 'b' } };

    is_error(user('ci')->push_manifest('team/app', 'v1', $data), 403,
        'DENIED', 'A69 push alone moves no tag');
    is_status(user('ci')->push_manifest('team/app', 'ci', $data), 201,
        'A69 and makes one');
    is_status(user('updater')->push_manifest('team/app', 'v1', $data), 201,
        'A69 with update it is moved');
    $open->push_image('team/app', 'v1');
}


sub catalogues {
    my @all = names_of($open->get('/v2/_catalog'), 'repositories');

    is_json_list(user('reader')->get('/v2/_catalog'), 'repositories', \@all,
        'list:** sees all');
    my $r = user('ci')->get('/v2/_catalog');
    ok($r->status == 403 || ($r->status == 200
        && !names_of($r, 'repositories')), 'without list there is nothing')
        or diag $r->as_text;
}


# One with an owner may do no more than he.

sub owners {
    is_may('yes', 'of-alice', 'pull', 'team/app', at(3));
    is_may('no', 'of-alice', 'push', 'team/app', at(3));
    is_may('no', 'of-alice', 'pull', 'other/app', at(3));
    is_may('yes', 'own', 'push', 'home/bob/app', at(3));
    is_may('no', 'own', 'delete', 'home/bob/app', at(3));
    is_may('no', 'own', 'pull', 'home/alice/app', at(3));
    isnt(may(user('of-nobody', at(3)), 'pull', 'team/app'), 'yes',
        'one whose owner has no right has none');

    # one without is asked for by its own scopes

    is_may('yes', 'reader', 'pull', 'other/app', at(3));
    is_may('no', 'reader', 'push', 'other/app', at(3));

    # without rules an owner may do everything that his token may

    is_may('yes', 'of-alice', 'push', 'any/app', at(2));
    is_may('no', 'of-alice', 'delete', 'any/app', at(2));
}


# A password file beside; a name may stand in both.

sub beside_passwords {
    is_status($t->as('bob', 'two', at(2))->get('/v2/other/app/manifests/v1'),
        200, 'a password');
    is_status(user('ci', at(2))->get('/v2/team/app/manifests/v1'), 200,
        'a token');
    is_status($t->as('alice', 'one', at(2))
        ->get('/v2/other/app/manifests/v1'), 200,
        'a name in both, with the password');

    my $r = user('alice', at(2))->get('/v2/other/app/manifests/v1');
    isnt($r->status, 200, 'a name in both: the token is not the user')
        or diag $r->as_text;
    is_status($t->as('bob', $secret{own}, at(2))->get('/v2/'), 401,
        'a token does not count under the name of its owner');
}


# A session belongs to the token that opened it.

sub sessions {
    my $l = user('ci')->open_upload('team/app');

    is_error(user('all')->get($l), 404, 'BLOB_UPLOAD_UNKNOWN',
        'A25 another token does not see it');
    is_status(user('ci')->patch($l, body => 'abc'), 202, 'A25 its own does');
    my $r = $t->as('alice', 'one', at(2))->get($l);
    is_error($r, 404, 'BLOB_UPLOAD_UNKNOWN', 'A25 nor does a user');
    is_status(user('ci')->delete($l), 204, 'A25 it ends it');
}


sub expired {
    is_status(user('later')->get('/v2/'), 200, 'before its end');

    my $text = file_text($file);
    my $past = '2020-01-01T00:00:00Z';
    $text =~ s/^(later .*expires=)\S+/$1$past/m;
    put_file($file, $text);
    is_challenged(user('later')->get('/v2/'), {}, 'after its end');
    is_like(user('later')->get('/v2/'), $t->as('later', 'x')->get('/v2/'),
        'as if it had never been right');
    is(user('later')->get('/v2/')->message, 'the user name or password is '
        . 'wrong, or the access token has ended', 'which people are told');

    # it ends by itself, to the second

    my $r;
    is_soon(0.9, 'asked within a second', sub {
        my @at = gmtime(time + 2);
        my $soon = sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $at[5] + 1900,
            $at[4] + 1, @at[3, 2, 1, 0];
        $text =~ s/^(later .*expires=)\S+/$1$soon/m;
        put_file($file, $text);
        $r = user('later')->get('/v2/');
    });
    is_status($r, 200, 'a second before its end');
    ok(wait_for(15, sub { user('later')->get('/v2/')->status == 401 }),
        'and it ends without a change of the file');
}


sub revoked {
    my $gone = user('gone');
    my $c = $gone->connect;

    is_status($gone->get('/v2/'), 200, 'before it is revoked') for 1 .. 3;
    is_status($c->get('/v2/'), 200, 'on a kept connection');
    is_exit(ctl('token', 'revoke', $file, 'gone'), 0, 'revoked');
    is_challenged($c->get('/v2/'), {}, 'A77 the very next request is refused');
    is_challenged($gone->get('/v2/'), {}, 'A77 in every worker') for 1 .. 4;
    is_status(user('ci')->get('/v2/'), 200, 'A77 others go on');

    create('gone', '--allow', 'pull:**');
    is_challenged($gone->get('/v2/'), {}, 'A77 the old secret stays dead');
    is_status(user('gone')->get('/v2/'), 200, 'A77 the new one counts');

    # scopes are those of the file

    create('scoped', '--allow', 'pull:team/**');
    is_may('yes', 'scoped', 'pull', 'team/app');
    my $text = file_text($file);
    $text =~ s/^(scoped .*)allow=pull:team/$1allow=pull:public/m;
    put_file($file, $text);
    is_may('no', 'scoped', 'pull', 'team/app');
    is_may('yes', 'scoped', 'pull', 'public/app');

    rename $file, "$file.away" or die "rename: $!\n";
    is_error(user('ci')->get('/v2/'), 503, undef, 'A77 no file: no logins');
    rename "$file.away", $file or die "rename: $!\n";
    is_status(user('ci')->get('/v2/'), 200, 'A77 and back');
}


# A line that cannot be read lets nobody in.

sub bad_lines {
    my $text = file_text($file);
    my ($line) = $text =~ /^(ci .*)\n/m;
    my ($hash) = $line =~ /(sha256:\S+)/;
    my %bad = (
        'no end' => "ci $hash allow=*:**",
        'no scope' => "ci $hash expires=never",
        'a scope that is none' => "ci $hash expires=never allow=read:**",
        'a pattern that is none' => "ci $hash expires=never allow=pull:A",
        'an unknown word' => "ci $hash expires=never only=127.0.0.1 "
            . 'allow=*:**',
        'a time that is none' => "ci $hash expires=soon allow=*:**",
        'a hash that is none' => 'ci sha256:x expires=never allow=*:**',
        'a plain secret' => "ci $secret{ci} expires=never allow=*:**",
        'an empty hash' => 'ci sha256: expires=never allow=*:**',
        'a NUL' => "ci $hash\0 expires=never allow=*:**"
    );

    for my $name (sort keys %bad) {
        put_file($file, $text =~ s/^ci .*\n/$bad{$name}\n/mr);
        is_status(user('ci')->get('/v2/'), 401, "A75 a line with $name");
        is_status(user('reader')->get('/v2/'), 200, 'A75 others count');
    }
    unlike($t->log_text, qr/\Q$secret{ci}\E|\Q$hash\E/,
        'A75 nothing of it is in the log');
    like($t->log_text, qr/\[warn\].*\btokens\b/, 'A75 but a warning is');

    put_file($file, $text);
    is_status(user('ci')->get('/v2/'), 200, 'A75 mended');
}


# Given to the token server it becomes a bearer token that is worth no more.

sub traded {
    my @scope = map { (scope => "repository:$_:pull,push,delete") }
        qw(team/app public/app other/app);
    my $r = ask_token(user('ci', at(4)), @scope);

    is_status($r, 200, 'an access token at the token server');
    is(granted_by($r), 'repository:public/app:pull '
        . 'repository:team/app:pull,push', 'is worth what it may itself');
    my $v = $t->with(Authorization => 'Bearer ' . token_in($r), at(4));
    is_status($v->get('/v2/team/app/manifests/v1'), 200, 'a pull');
    is_status($v->get('/v2/other/app/manifests/v1'), 401, 'no more');

    # made anew under the same name it is another one

    create('traded', '--allow', 'pull:**');
    $r = ask_token(user('traded', at(4)), scope => 'repository:team/app:pull');
    my $old = $t->with(Authorization => 'Bearer ' . token_in($r), at(4));
    is_status($old->get('/v2/team/app/manifests/v1'), 200, 'a pull');
    ctl('token', 'revoke', $file, 'traded');
    create('traded', '--allow', 'pull:**');
    is_status($old->get('/v2/team/app/manifests/v1'), 401,
        'A77 its bearer tokens are not those of the next of its name');

    my $refresh = (ask_token(user('ci', at(4)), offline_token => 'true')
        ->json || {})->{refresh_token};
    is_exit(ctl('token', 'revoke', $file, 'ci'), 0, 'revoked');
    is_status($v->get('/v2/team/app/manifests/v1'), 401,
        'A77 its bearer tokens go with it');
    is_status(ask_form(Test::Registry::Visitor->new($t, at(4)), grant_type =>
        'refresh_token', refresh_token => $refresh // 'x',
        service => 'registry'), 400, 'A77 and its refresh tokens');
}


sub guesses {
    my @status = map { $t->as('reader', "guess$_", at(5))->get('/v2/')->status }
        1 .. 4;
    is("@status", '401 401 429 429', 'A78 guesses count');
    is_status($t->as('all', $secret{all}, at(5))->get('/v2/'), 200,
        'A78 for each name');
}

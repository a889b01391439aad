#!/usr/bin/perl

# Where nginx's own means meet the registry's, and one location another: what
# lets somebody in must not be more than it says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Command;


my @alice = ('alice', 'one');
my $htpasswd = 'registry_htpasswd "R" %%DIR%%/users;';

subrequest();
mapped_user();
any_after_failures();
own_time();
open_key();
no_refresh();
hidden_source();
others_session();

done_testing();


sub server {
    my (%o) = @_;

    return Test::Registry->new(location => $htpasswd, %o,
        write => { users => htpasswd(alice => 'one', bob => 'two'),
            %{ $o{write} || {} } });
}


# auth_request asks by a subrequest, which has no access phase of its own.

sub subrequest {
    for my $rules ('', 'registry_allow authenticated * **;') {
        my $t = server(location => "$htpasswd $rules",
            write => { secret => "content\n" }, server =>
            'location /files/ { auth_request /v2/; alias %%DIR%%/; }')->run;
        my $how = $rules eq '' ? 'without rules' : 'with rules';

        is_status($t->as(@alice)->get('/files/secret'), 200,
            "a subrequest $how: a login");
        is_status($t->get('/files/secret'), 401,
            "a subrequest $how: none");
        is_status($t->as('alice', 'x')->get('/files/secret'), 401,
            "a subrequest $how: a wrong one");
        $t->finish;
    }
}


# A value made of $remote_user is what the client says, whatever its name.

sub mapped_user {
    my $t = server(http => 'map $remote_user $who { default $remote_user; }',
        location => "$htpasswd registry_user \$who;")->run;

    is_status($t->as('alice', 'x')->get('/v2/'), 401,
        'a mapped $remote_user: a wrong password');
    is_status($t->as(@alice)->get('/v2/'), 200,
        'a mapped $remote_user: the right one');
    is_status($t->get('/v2/'), 401, 'a mapped $remote_user: none');
    $t->finish;
}


# What the registry does not say yes to, others may, however often it was no.

sub any_after_failures {
    my $t = server(location => 'satisfy any; allow 127.0.0.2; deny all; '
        . "$htpasswd registry_login_limit 2 per=60s;")->run;

    is(join(' ', map { $t->as('alice', "x$_", from => '127.0.0.2')
        ->get('/v2/')->status } 1 .. 4), '200 200 200 200',
        'satisfy any: an address is let in with whatever password');
    is_status($t->as('alice', 'x')->get('/v2/'), 401,
        'satisfy any: another is not');
    $t->finish;
}


# A location remembers logins for its own time, not for a neighbour's.

sub own_time {
    my $t = server(ports => 1,
        write => { users => htpasswd(alice => ['one', 10]) },
        servers => 'server { listen 127.0.0.1:%%PORT1%%; location /v2/ { '
            . "registry %%ROOT%%; $htpasswd registry_htpasswd_cache 0; } }"
        )->run;
    my $never = $t->as(@alice, port => $t->extra_port(1), timeout => 60);

    is_status($t->as(@alice)->get('/v2/'), 200, 'one location remembers');

    my $before = cpu($t);
    is_status($never->get('/v2/'), 200, 'the other takes the password');
    $never->get('/v2/') for 1 .. 9;

    cmp_ok(cpu($t) - $before, '>', 0.1, 'with a hash each time');
    $t->finish;
}


sub cpu {
    my ($t) = @_;

    my $sum = 0;
    $sum += cpu_of($_) for $t->workers;
    return $sum;
}


sub open_key {
    my $t = server(location =>
        "$htpasswd registry_token_server on key=%%DIR%%/key;");

    is(ctl('key', 'rotate', $t->dir . '/key')->{rc}, 0, 'a key');
    chmod 0640, $t->dir . '/key';
    $t->run;

    like($t->log_text, qr/\[warn\].*signing keys.*\/key" is open to others/,
        'a signing key that others can read is told of');
    $t->finish;
}


# refresh=off ends what was given out before it, too.

sub no_refresh {
    my $t = server(location =>
        "$htpasswd registry_token_server on refresh=1h;")->run;

    my $ask = sub {
        return $t->as(@alice)->get('/v2/_nginx/token?offline_token=true')
            ->json->{refresh_token};
    };
    my $use = sub {
        return $t->post('/v2/_nginx/token', body =>
            "grant_type=refresh_token&refresh_token=$_[0]");
    };

    my $token = $ask->();
    ok($token, 'a refresh token') or return;
    is_status($use->($token), 200, 'is good');

    $t->{location} =~ s/refresh=1h/refresh=off/;
    $t->_write_conf;
    $t->reload;

    is($ask->(), undef, 'refresh=off: none is given out');
    is_status($use->($token), 400, 'refresh=off: nor is one taken');
    $t->finish;
}


# A blob that only a hidden repository has is not there for a mount.

sub hidden_source {
    my $t = server(location => "$htpasswd registry_allow alice * **; "
        . 'registry_allow bob pull,push b/** free/**;')->run;
    my $alice = $t->as(@alice);
    my $bob = $t->as('bob', 'two');
    my $digest = $alice->push_blob('a/secret', 'hidden' x 20);
    my $mount = "/v2/b/x/blobs/uploads/?mount=$digest";

    is_status($bob->post("$mount&from=a/secret"), 202,
        'a mount from where bob may not pull');
    is_status($bob->post($mount), 202, 'from anywhere: not from there');

    is($bob->push_blob('free/y', 'hidden' x 20), $digest, 'bob has it, too');
    is_status($bob->post($mount), 201, 'from anywhere: from his own');
    $t->finish;
}


# What another user began is not there, whatever is asked of it.

sub others_session {
    my $t = server()->run;
    my $at = path_of($t->as(@alice)->post('/v2/a/blobs/uploads/')
        ->header('Location'));
    my $bob = $t->as('bob', 'two');

    is_error($bob->get($at), 404, 'BLOB_UPLOAD_UNKNOWN', 'status');
    is_error($bob->request('PATCH', $at, body => 'x'), 404,
        'BLOB_UPLOAD_UNKNOWN', 'append');
    is_error($bob->request('DELETE', $at), 404, 'BLOB_UPLOAD_UNKNOWN',
        'cancel');
    is_status($t->as(@alice)->get($at), 204, 'it is hers still');
    $t->finish;
}

#!/usr/bin/perl

# What registryctl writes, nginx reads: from the next request on, in every
# worker, without a reload.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64 decode_base64);
use Test::More;

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(
    workers => 2,
    write => { users => '', tokens => '' },
    location => <<'END',
        registry_htpasswd "The Registry" %%DIR%%/users;
        registry_access_tokens %%DIR%%/tokens;
        registry_token_server on;
        registry_login_limit off;
        registry_allow admin * **;
        registry_allow ann pull,push ann/** team/**;
END
)->run;

my ($users, $tokens) = map { $t->dir . "/$_" } qw(users tokens);
my $key = $t->root . '/docker/registry/nginx/token.key';

set(user => 'add', $users, 'admin', 'admin');
push_images();
users();
scopes();
owners();
ends();
keys_rotate();

finish($t);


sub set {
    my ($group, $command, $file, $name, $password, @options) = @_;

    my $r = ctl({ stdin => $password }, $group, $command, $file, $name,
        $command =~ /add|passwd/ ? qw(--stdin -C4) : (), @options);
    is_exit($r, 0, "$group $command $name");
    chomp $r->{out};
    return $r->{out};
}


sub login_of {
    my ($user, $password) = @_;
    return headers => [[ Authorization => 'Basic '
        . encode_base64("$user:$password", '') ]];
}


# What both workers say about a login: their statuses, each once.

sub statuses {
    my ($path, @o) = @_;

    my %seen;
    $seen{ $t->connect->get($path, @o)->status }++ for 1 .. 6;
    return join ' ', sort keys %seen;
}


sub push_images {
    my @admin = login_of('admin', 'admin');

    for my $name (qw(ann/app team/app other/app)) {
        my $blob = "a blob of $name";
        is_status($t->post("/v2/$name/blobs/uploads/?digest=" . sha256($blob),
            @admin, body => $blob), 201, "a blob in $name");
        is_status($t->get("/v2/$name/blobs/" . sha256($blob), @admin), 200,
            'is there');
    }
}


sub layer { return "/v2/$_[0]/blobs/" . sha256("a blob of $_[0]") }


sub users {
    is(statuses('/v2/', login_of('ann', 'one')), 401, 'nobody yet');

    set(user => 'add', $users, 'ann', 'one');
    is(statuses('/v2/', login_of('ann', 'one')), 200, 'a user added');
    is(statuses(layer('ann/app'), login_of('ann', 'one')), 200, 'may pull');

    set(user => 'passwd', $users, 'ann', 'two');
    is(statuses('/v2/', login_of('ann', 'one')), 401, 'the old password');
    is(statuses('/v2/', login_of('ann', 'two')), 200, 'the new one');

    set(user => 'add', $users, 'eve', 'three');
    is(statuses('/v2/', login_of('eve', 'three')), 200, 'another user');
    set(user => 'remove', $users, 'eve');
    is(statuses('/v2/', login_of('eve', 'three')), 401, 'is gone');
}


sub scopes {
    my $secret = set(token => 'create', $tokens, 'dev', undef,
        '--expires', '30d', '--allow', 'pull:team/**');
    my @dev = login_of('dev', $secret);

    is(statuses('/v2/', @dev), 200, 'a token logs in');
    is(statuses(layer('team/app'), @dev), 200, 'pulls where it may');
    is(statuses(layer('ann/app'), @dev), 403, 'and nowhere else');
    is_status($t->post('/v2/team/app/blobs/uploads/', @dev), 403,
        'it only reads');

    is(statuses('/v2/', login_of('dev', substr($secret, 0, -1))), 401,
        'a secret cut short');
    is(statuses('/v2/', login_of('other', $secret)), 401, 'another name');

    set(token => 'revoke', $tokens, 'dev');
    is(statuses('/v2/', @dev), 401, 'revoked, it is worth nothing');
}


# What the owner may not do, the token may not.

sub owners {
    my @robot = login_of('robot', set(token => 'create', $tokens, 'robot', undef,
        '--user', 'ann', '--allow', 'pull:**', '--allow', 'push:$user/**'));

    is(statuses(layer('ann/app'), @robot), 200, 'both allow it');
    is(statuses(layer('other/app'), @robot), 403, 'the owner may not');
    is_status($t->post('/v2/team/app/blobs/uploads/', @robot), 403,
        'the token may not');
    is_status($t->post('/v2/ann/app/blobs/uploads/', @robot), 202,
        'the owner\'s own name');
    set(token => 'revoke', $tokens, 'robot');
}


sub ends {
    my $secret = set(token => 'create', $tokens, 'late', undef,
        '--expires', 'never', '--allow', 'pull:**');
    is(statuses('/v2/', login_of('late', $secret)), 200, 'one without end');

    my $text = file_text($tokens);
    $text =~ s/expires=never/expires=2020-01-01/;
    put_file("$tokens.new", $text);
    rename "$tokens.new", $tokens;
    is(statuses('/v2/', login_of('late', $secret)), 401, 'and past its end');
    like(ctl(qw(token list), $tokens)->{out}, qr/late .* expired/,
        'as the list says');
}


sub fetch {
    my $r = $t->get('/v2/_nginx/token?service=registry&scope='
        . 'repository:ann/app:pull', login_of('ann', 'two'));
    is_status($r, 200, 'a token');
    return $r->json->{token};
}


sub kid {
    my ($head) = split /\./, $_[0];
    $head =~ tr{-_}{+/};
    return decode_base64($head) =~ /"kid":"([^"]+)"/ ? $1 : '';
}


sub bearer { return headers => [[ Authorization => "Bearer $_[0]" ]] }


sub keys_rotate {
    my $old = fetch();
    is(statuses(layer('ann/app'), bearer($old)), 200, 'is good');

    my $r = ctl(qw(key rotate), $key);
    is_exit($r, 0, 'the key is rotated');
    chomp(my $kid = $r->{out});

    is(statuses(layer('ann/app'), bearer($old)), 200, 'it is good still');
    my $new = fetch();
    is(kid($new), $kid, 'a new one is signed by the new key');
    isnt(kid($old), $kid, 'which the old one was not');
    is(statuses(layer('ann/app'), bearer($new)), 200, 'and is good');

    is_exit(ctl(qw(key rotate --keep 0), $key), 0, 'all keys go');
    is(statuses(layer('ann/app'), bearer($_)), 401, 'with what they signed')
        for $old, $new;
    is(statuses(layer('ann/app'), bearer(fetch())), 200, 'and it goes on');
}

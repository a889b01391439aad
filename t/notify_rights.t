#!/usr/bin/perl

# registry_events, and who may see what: nobody learns of a repository by the
# feed that he may not pull from.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Content;
use Test::Registry::Command;
use Test::Registry::Notify;
use Test::Registry::Token;

my $feed = '/v2/_events';
my $dir = work_dir();
my $tokens = "$dir/tokens";
my $made = ctl('token', 'create', $tokens, 'reader', '--allow', 'pull:pub/**',
    '--expires', '30d');
die $made->{err} if $made->{rc} ne '0';
my $reader = $made->{out} =~ s/\s+\z//r;

my $users = 'registry_htpasswd "R" %%DIR%%/users; registry_login_limit off;';
my $t = Test::Registry->new(
    workers => 2, ports => 1,
    write => { users => htpasswd(ann => 'one', bob => 'two', eve => 'three') },
    server => "$users registry_access_tokens $tokens; registry_delete on;"
        . ' registry_allow ann * **;'
        . ' registry_allow bob pull pub/**;'
        . ' registry_allow anonymous pull pub/**;'
        . " location = $feed { registry %%ROOT%%; registry_events; }",
    servers => 'server { listen 127.0.0.1:%%PORT1%%;'
        . ' location = /all { registry_events; }'
        . ' location = /asked { registry_events; registry_allow eve * **;'
        . ' auth_basic x; auth_basic_user_file %%DIR%%/users;'
        . ' registry_user $remote_user; registry_allow bob pull pub/**; } }',
)->run;

my $ann = $t->as('ann', 'one');
my %image = map { $_ => $ann->push_image($_, 'v1') } qw(pub/a team/secret);

rules();
of_tokens();
waits();
others();
settings();

finish($t);


# The repositories that a reply of the feed tells of.

sub told {
    my ($reply) = @_;

    die $reply->as_text if $reply->status != 200;
    my %seen = map { $_->{target}{repository} => 1 }
        @{ $reply->json->{events} };
    return join ' ', sort keys %seen;
}


sub rules {
    is(told($ann->get("$feed?after=0")), 'pub/a team/secret',
        'who may pull all sees all');
    is(told($t->as('bob', 'two')->get("$feed?after=0")), 'pub/a',
        'who may pull some sees those');
    is(told($t->as('eve', 'three')->get("$feed?after=0")), 'pub/a',
        'and who has no rule of his own what anybody may');
    is(told($t->as('bob', 'two')->get("$feed?after=0&repository=team/secret")),
        '', 'also when he asks for it');

    my ($first, $second) = map { $_->get("$feed?after=0")->json->{next} }
        $ann, $t->as('eve', 'three');
    is($second, $first, 'the cursor goes over what he may not see');

    is($t->get("$feed?after=0")->status, 401, 'nobody: a login is required');
    is($t->as('bob', 'one')->get("$feed?after=0")->status, 401,
        'and a right password');
}


sub of_tokens {
    is(told($t->as('reader', $reader)->get("$feed?after=0")), 'pub/a',
        'an access token shows what may be pulled by it');

    # whoever asks gets one of these, for what anybody may pull

    my $r = ask_token($t, scope => 'repository:pub/a:pull');
    my $bearer = token_in($r);
    isnt($bearer, '', 'a token for nobody') or diag $r->as_text;
    is(told($t->with(Authorization => "Bearer $bearer")
            ->get("$feed?after=0")), 'pub/a',
        'and it shows no more than it allows');
}


# Somebody who waits is not told of what he may not see either.

sub waits {
    my $next = $ann->get("$feed?after=0&n=1000")->json->{next};
    my $c = $t->connect(timeout => 60);

    $c->start('GET', "$feed?after=$next&wait=2",
        headers => [[Authorization => basic('bob', 'two')]]);
    tag_put($ann, 'team/secret', 'v2', $image{'team/secret'});
    is(told($c->reply(timeout => 30)), '', 'nor while he waits');
    $c->close;
}


# Another module lets people in: rules count, where there are any.

sub others {
    my %at = (port => $t->extra_port(1));

    is(told($t->get('/all?after=0', %at)), 'pub/a team/secret',
        'no access of the registry: who gets in sees all');
    is(told($t->as('bob', 'two')->get('/asked?after=0', %at)), 'pub/a',
        'rules about a user whom another module knows');
    is(told($t->as('eve', 'three')->get('/asked?after=0', %at)),
        'pub/a team/secret', 'and another one');
    is($t->get('/asked?after=0', %at)->status, 401, 'nobody');
}


# A password that nobody would ask for is refused at once.

sub settings {
    my %o = (write => { users => htpasswd(ann => 'one') });

    for my $row (['/v2/_events', ''], ['/feed', ' %%ROOT%%']) {
        my ($uri, $root) = @$row;
        my ($rc, $text) = Test::Registry->new(%o, server => "$users"
            . " location = $uri { registry_events$root; }")->check;
        ok($rc > 0 && $text =~ /\[emerg\].*registry_events.*everybody/,
            "refused: $uri without a registry, below registry_htpasswd")
            or diag $text;
    }

    my ($rc, $text) = Test::Registry->new(%o, server =>
        "location = /feed { $users registry %%ROOT%%; registry_events; }"
    )->check;
    is($rc, 0, 'with a registry it is one') or diag $text;
}

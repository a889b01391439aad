#!/usr/bin/perl

# conf.examples/webhooks.conf at work: what it tells whom, signed by the secret
# that its comment asks for; the feed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256_hex);
use Test::More;

use Test::Registry;
use Test::Registry::Examples;
use Test::Registry::Files;
use Test::Registry::Notify;
use Test::Registry::Receiver;

my $hook = Test::Registry::Receiver->new->run;
my $ci = $hook->url('/ci');
my $audit = $hook->url('/audit');

my $t = example('webhooks.conf', edit => [
    'http://127.0.0.1:8080/hooks/registry' => $ci,
    'https://audit.example/events' => $audit,
    'listen 127.0.0.1:5000' => 'listen 127.0.0.1:%%PORT%%'])->run;

my $image = $t->push_image('team/app', 'v1');
$t->push_image('other', 'v1');
is_status($t->get('/v2/team/app/manifests/v1'), 200, 'a pull');
is_status($t->delete('/v2/team/app/manifests/v1'), 202, 'a deletion');

ok(wait_for(30, sub {
    grep { key_of($_) =~ /\Adelete team\/app/ } $hook->events('/ci')
}), 'the deletion comes to ci');

my @ci = $hook->events('/ci');
ok((grep { key_of($_) eq 'push team/app:v1' } @ci), 'so does the push');
ok(!(grep { $_->{action} eq 'pull' } @ci), 'no pulls are told of');
ok(!(grep { $_->{target}{repository} !~ m{\Ateam/} } @ci),
    'nor other repositories');

my ($secret) = slurp(etc($t) . '/ci.secret') =~ /\A(.+)\n/;
my @posts = $hook->posts('/ci');
my @unsigned = grep {
    (Test::Registry::Receiver::header($_, 'X-Registry-Signature-256')
        // '')
        ne 'sha256=' . hmac_sha256_hex($_->{body}, $secret)
} @posts;

cmp_ok(scalar @posts, '>', 0, 'deliveries');
is(scalar @unsigned, 0, 'each is signed by the secret');
is(scalar Test::Registry::Receiver::header($posts[0], 'X-From'), 'registry', 'and has the header');

ok(wait_for(30, sub {
    my @all = map { $_->{body} } $hook->posts('/audit');
    return "@all" =~ /"specversion" *: *"1\.0"/
        && "@all" =~ /other/ && "@all" =~ /pull/;
}), 'CloudEvents of all repositories, pulls too');

my $feed = $t->get('/v2/_events?after=0');
is_status($feed, 200, 'the feed');
like($feed->body, qr/team\/app/, 'has them');

finish($t);

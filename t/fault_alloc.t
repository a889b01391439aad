#!/usr/bin/perl

# Memory that is not to be had: each allocation of each operation fails in
# turn, of nginx, the registry and the libraries alike. The worker lives, the
# reply is an error or none, nothing is half there, and nothing is kept that
# should have been freed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd ();
use Test::More;

use Test::Registry;
use Test::Registry::Operations;
use Test::Registry::Shim;
use Test::Registry::Sweep;
use Test::Registry::Torture;


need_root(40);
seed();

my @how = (
    action => 'ENOMEM', calls => ['memory'], cut => 1, status => [500, 503],
    grace => 3600
);

# What nginx itself says when it gets no memory.

my @says = (
    qr/\[emerg\].*(?:malloc|posix_memalign)\([^)]*\) failed \(12: /,
    qr/\[alert\].*(?:SSL_\w+|OPENSSL_\w+|ngx_ssl_\w+)/
);

my $failed = 0;

storage('thread_pool one threads=1;', 'registry_thread_pool one;');
storage('', '') if torture(0, 1);
logins();
#command();

figure('allocations failed', $failed);
done_testing();


sub server {
    my (%o) = @_;

    my $s = Test::Registry::Sweep->new(%o)->run;
    $s->t->allow_log($_) for @says;
    return $s;
}


sub storage {
    my ($main, $location) = @_;

    my $s = server(main => $main,
        location => "registry_delete on; $location");

    for my $op (pushes(), manifests(), deletes(), reads()) {
        nothing_kept($s, $op, sub {
            $s->sweep("F26 no memory for $op->{name}", $op, @how);
        });
    }

    $failed += $s->hits;
    $s->finish(audit => { unfinished => 1, grace => 3600 });
}


# As many blocks are held after a sweep as before it. What is held for good
# the operation has taken when it was done a few times.

sub nothing_kept {
    my ($s, $op, $code) = @_;

    my ($shim, $t) = ($s->shim, $s->t);

    $shim->watch(($t->workers)[0]);
    $s->quietly($op) for 1 .. 3;
    my $before = at_rest($shim);
    $code->();
    $s->quietly($op);
    my $after = at_rest($shim);

    cmp_ok($after - $before, '<=', 2, "F26 and nothing is kept of it");
}


# The number of blocks when it has not changed for a while.

sub at_rest {
    my ($shim) = @_;

    my ($last, $same) = (undef, 0);
    wait_for(10, sub {
        my $now = $shim->blocks;
        $same = defined $last && $now == $last ? $same + 1 : 0;
        $last = $now;
        return $same >= 5;
    });
    return $last;
}


# Passwords, tokens, certificates.

sub logins {
    my @users = map { "u$_" } 1 .. 400;
    my $hash = Test::Registry::Login::bcrypt('secret');
    my $s = server(tls => 1, location => 'registry_delete on;'
        . 'registry_htpasswd "Registry" %%DIR%%/users;'
        . 'registry_login_limit off; registry_token_server on;'
        . 'registry_allow anonymous * **; registry_allow u1 * private/**;',
        write => { users => join '', map { "$_:$hash\n" } @users });
    my $t = $s->t;

    # everybody logs in once only, for a password that was right is remembered

    my $next = 0;
    my $who = sub { basic($users[$next++ % @users], $_[0]) };
    my $token = '/v2/_nginx/token?scope=repository:app:pull';

    my %ops = (
        'a login' => [200, sub { $t->get($token, headers => [
            [Authorization => $who->('secret')]]) }],
        'a wrong password' => [401, sub { $t->get($token, headers => [
            [Authorization => $who->('wrong')]]) }],
        'a token' => [200, sub { $t->get('/v2/', headers => [
            [Authorization => "Bearer $_[0]{token}"]]) }],
        'a TLS handshake' => [200, sub { $t->get('/v2/', tls => 1) }]
    );

    for my $name (sort keys %ops) {
        my ($status, $run) = @{ $ops{$name} };
        $s->sweep("F26 no memory for $name", {
            name => $name, good => [$status], run => $run,
            before => sub {
                $_[0]{token} = $t->get($token, headers => [
                    [Authorization => $who->('secret')]])->json->{token};
            },
            after => sub { () },
            again => sub {
                my $r = $run->($_[0]);
                return $r->status == $status ? () : $r->as_text;
            }
        }, @how, every => $name =~ /TLS/ ? torture(7, 1) : 1);
    }

    $failed += $s->hits;
    $s->finish;
}

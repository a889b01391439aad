#!/usr/bin/perl

# docker logs in: by password, by access token, by certificate, and where
# anybody may pull.
#
# The command keeps the credentials and hands them to the daemon with each
# request; certificates are the daemon's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Daemon;
use Test::Clients::Image;
use Test::Clients::Login;
use Test::More;

my $tests = 2 + 2 * BY_PASSWORD + BY_CERTIFICATE + 3 * WITH_ANONYMOUS
    + 2 * AFTER_CHANGES + 1 + FINISH;

enter_jail($tests, root => 1);

my ($dockerd, $docker, $ctl) = need($tests, qw( dockerd docker registryctl ));
my $dir = tempdir('docker');
my @bearer = qw( bearer bearer-tls bearer-proxy-tls );
my $site = Test::Clients::Login->new(qw( basic basic-tls cert ), @bearer);

for my $door (map { $site->door($_) } 'basic-tls', grep { /tls/ } @bearer) {
    spew(certs($door) . '/ca.crt', slurp($door->ca_file));
}

my @docker = start_dockerd($tests, $dir, $dockerd, $docker);

plan tests => $tests;

for my $n (1, 2) {
    my $tar = Test::Clients::Image::tar({ file => "this is $n\n" });
    run_ok("image $n imported", command('import', spew("$dir/$n.tar", $tar),
        "image:$n"));
}

my $client = {
    wrong => qr/unauthorized|incorrect username or password/i,
    nobody => qr/no basic auth credentials|unauthorized|denied/,
    anew => qr/the user name or password is wrong|log in anew/,
    # and it does not try again for a minute, hoping for another answer
    denied => qr/denied:[ ](?:access[ ]is[ ]denied:[ ]it|the[ ]tag[ ]exists,
        [ ]and[ ]moving[ ]it)[ ]takes[ ]the[ ]right/x,

    login => sub {
        my ($door, $user, $file) = @_;
        return command({ stdin => $file }, 'login', '-u', $user,
            '--password-stdin', $door->host);
    },

    logout => sub { command('logout', $_[0]->host) },

    push => sub {
        my ($door, $name, $n) = @_;
        my $ref = $door->host . "/$name";
        run(command('tag', "image:$n", $ref));
        return command('push', $ref);
    },

    pull => sub {
        my ($door, $name, %o) = @_;
        certificate($door, !$o{no_cert}) if $door->label eq 'cert';
        my $ref = $door->host . "/$name";
        run(command('rmi', '-f', $ref));
        return command('pull', $ref);
    },
};

by_password($site->door($_), $client) for qw( basic basic-tls );

certificate($site->door('cert'), 1);
by_certificate($site->door('cert'), $client);

with_anonymous($site->door($_), $client) for @bearer;
after_changes($site->door($_), $client) for qw( basic-tls bearer );

# what docker wrote down for users who are logged out again
unlike(slurp("$dir/config/config.json"), qr/"auth": "[^"]/,
    'no password is left');

$site->finish;


sub certs { return '/etc/docker/certs.d/' . $_[0]->host }


# Lays down what dockerd needs to show a certificate, or takes it away.

sub certificate {
    my ($door, $there) = @_;

    my ($crt, $key) = $site->client_cert;
    my $certs = certs($door);

    spew("$certs/ca.crt", slurp($door->ca_file));
    unlink("$certs/client.cert", "$certs/client.key");

    if ($there) {
        spew("$certs/client.cert", slurp($crt));
        spew("$certs/client.key", slurp($key));
    }

    return;
}


# --- docker ------------------------------------------------------------------

# Credentials go into a folder of this suite, never the user's own.

sub command {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};

    return ({ %$opt, env => { DOCKER_CONFIG => "$dir/config" } }, @docker,
        @_);
}

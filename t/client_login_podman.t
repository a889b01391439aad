#!/usr/bin/perl

# podman and buildah log in: by password, by access token, by certificate, and
# where anybody may pull.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::Clients::Login;
use Test::More;

my $tests = 3
    + 2 * (2 * BY_PASSWORD + BY_CERTIFICATE + 3 * WITH_ANONYMOUS)
    + 2 * AFTER_CHANGES + FINISH;

enter_jail($tests, root => 1);

my ($podman, $buildah, $ctl) = need($tests, qw( podman buildah registryctl ));
my $dir = tempdir('podman');
my @bearer = qw( bearer bearer-tls bearer-proxy-tls );
my $site = Test::Clients::Login->new(qw( basic basic-tls cert ), @bearer);

my ($crt, $key) = $site->client_cert;
my ($with, $without) = ("$dir/certs", "$dir/ca-alone");
spew("$_/ca.crt", slurp($site->door('cert')->ca_file)) for $with, $without;
spew("$with/client.cert", slurp($crt));
spew("$with/client.key", slurp($key));
spew("$dir/auth.json", '{}');

plan tests => $tests;

for my $n (1, 2) {
    my $tar = Test::Clients::Image::tar({ file => "this is $n\n" });
    run_ok("image $n imported", command($podman, 'import', '-q',
        spew("$dir/$n.tar", $tar), "localhost/image:$n"));
}

for my $program ($podman, $buildah) {
    my $client = client($program);

    by_password($site->door($_), $client) for qw( basic basic-tls );
    by_certificate($site->door('cert'), $client);
    with_anonymous($site->door($_), $client) for @bearer;

    # the two programs log in by the same code
    next if $program ne $podman;
    after_changes($site->door($_), $client) for qw( basic bearer-tls );
}

is_deeply(json(slurp("$dir/auth.json"))->{auths} // {}, {},
    'no password is left');

$site->finish;


sub client {
    my ($program) = @_;

    my $verify = sub {
        my ($door, %o) = @_;

        return '--tls-verify=false' if !$door->tls;
        return ('--cert-dir', $door->label eq 'cert' && !$o{no_cert}
            ? $with : $without);
    };

    return {
        wrong => qr/invalid username\/password/,
        nobody => qr/authentication required|unauthorized/,
        anew => qr/unauthorized|authentication required|log in anew/,
        # its first question is a HEAD, whose answer has no text
        denied => qr/denied|403 \(Forbidden\)/,

        login => sub {
            my ($door, $user, $file) = @_;
            return command({ stdin => $file }, $program, 'login',
                $verify->($door), '-u', $user, '--password-stdin',
                $door->host);
        },

        logout => sub { command($program, 'logout', $_[0]->host) },

        push => sub {
            my ($door, $name, $n) = @_;
            return command($program, 'push', $verify->($door),
                "localhost/image:$n",
                'docker://' . $door->host . "/$name");
        },

        pull => sub {
            my ($door, $name, %o) = @_;
            my $ref = $door->host . "/$name";
            run(command($program, 'rmi', $ref));
            return command($program, 'pull', $verify->($door, %o),
                "docker://$ref");
        },
    };
}


# Credentials go into a file of this suite, never the user's own.

sub command {
    my $opt = ref $_[0] eq 'HASH' ? shift : {};
    my ($program, $name, @args) = @_;

    my @own = ('--root', "$dir/root", '--runroot', "$dir/run",
        '--storage-driver', 'vfs');
    push @own, '--tmpdir', "$dir/tmp", '--events-backend', 'none',
        '--cgroup-manager', 'cgroupfs' if $program =~ /podman/;

    return ({ %$opt, env => { REGISTRY_AUTH_FILE => "$dir/auth.json" } },
        $program, @own, $name, @args);
}

#!/usr/bin/perl

# skopeo, crane, oras and cosign log in: by password, by access token, by
# certificate where they can, and where anybody may pull.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Login;
use Test::More;

my @doors = qw( basic basic-tls bearer bearer-tls );
my $each = 2 * BY_PASSWORD + 2 * WITH_ANONYMOUS;
my $tests = 3 * $each + 2 * BY_CERTIFICATE + 2 * 8 + 5 + FINISH;

enter_jail($tests);

my ($skopeo, $crane, $oras, $cosign, $ctl)
    = need($tests, qw( skopeo crane oras cosign registryctl ));
my $dir = tempdir('tools');
my $images = two_images("$dir/images");
my $site = Test::Clients::Login->new(@doors, 'cert');

# what each client takes for its user's files of credentials
my %env = (DOCKER_CONFIG => "$dir/docker",
           REGISTRY_AUTH_FILE => "$dir/auth.json");

# for clients with a folder of certificates
my ($crt, $key) = $site->client_cert;
my ($with, $without) = ("$dir/certs", "$dir/ca-alone");
spew("$_/ca.crt", slurp($site->door('cert')->ca_file)) for $with, $without;
spew("$with/client.cert", slurp($crt));
spew("$with/client.key", slurp($key));

plan tests => $tests;

my %client = (skopeo => skopeo(), crane => crane(), oras => oras());

for my $name (sort keys %client) {
    note($name);
    unlink("$dir/docker/config.json", "$dir/auth.json");
    by_password($site->door($_), $client{$name}) for qw( basic basic-tls );
    with_anonymous($site->door($_), $client{$name})
        for qw( bearer bearer-tls );
}

by_certificate($site->door('cert'), $client{skopeo});
by_certificate($site->door('cert'), $client{oras});

cosign($site->door($_)) for qw( basic-tls bearer );
cosign_by_certificate($site->door('cert'));

$site->finish;


sub skopeo {
    my $verify = sub {
        my ($door, $what, %o) = @_;

        my $tls = $what eq '' ? '--tls-verify=false'
                              : "--$what-tls-verify=false";
        my $certs = ($what eq '' ? '--cert-dir' : "--$what-cert-dir");

        return $door->tls ? ($certs, $o{no_cert} ? $without : $with) : $tls;
    };

    return {
        wrong => qr/invalid username\/password/,
        nobody => qr/authentication required|unauthorized/,
        # its first question is a HEAD, whose answer has no text
        denied => qr/denied|403 \(Forbidden\)/,

        login => sub {
            my ($door, $user, $file) = @_;
            return ({ env => \%env, stdin => $file }, $skopeo, 'login',
                $verify->($door, ''), '-u', $user, '--password-stdin',
                $door->host);
        },

        logout => sub {
            my ($door) = @_;
            return ({ env => \%env }, $skopeo, 'logout', $door->host);
        },

        push => sub {
            my ($door, $name, $n) = @_;
            return ({ env => \%env }, $skopeo, '--insecure-policy', 'copy',
                $verify->($door, 'dest'), "oci:$images->{$n}{dir}:latest",
                'docker://' . $door->host . "/$name");
        },

        pull => sub {
            my ($door, $name, %o) = @_;
            return ({ env => \%env }, $skopeo, '--insecure-policy', 'copy',
                $verify->($door, 'src', %o),
                'docker://' . $door->host . "/$name", 'dir:' . tempdir());
        },
    };
}


sub crane {
    my $command = sub {
        my ($door, @args) = @_;

        my %more = $door->tls ? (SSL_CERT_FILE => $door->ca_file) : ();

        return ({ env => { %env, %more } }, $crane,
            $door->tls ? () : '--insecure', @args);
    };

    return {
        blind => 1,
        wrong => qr/UNAUTHORIZED|401/,
        nobody => qr/UNAUTHORIZED|401/,
        denied => qr/DENIED|403/,

        login => sub {
            my ($door, $user, $file) = @_;
            return ({ env => \%env, stdin => $file }, $crane, 'auth', 'login',
                '-u', $user, '--password-stdin', $door->host);
        },

        logout => sub { $command->($_[0], 'auth', 'logout', $_[0]->host) },

        push => sub {
            my ($door, $name, $n) = @_;
            return $command->($door, 'push', $images->{$n}{dir},
                $door->host . "/$name");
        },

        pull => sub {
            my ($door, $name) = @_;
            return $command->($door, 'pull', '--format=oci',
                $door->host . "/$name", tempdir());
        },
    };
}


sub oras {
    my $verify = sub {
        my ($door, %o) = @_;

        return '--plain-http' if !$door->tls;

        my @cert = $door->label eq 'cert' && !$o{no_cert}
            ? ('--cert-file', $crt, '--key-file', $key) : ();

        return ('--ca-file', $door->ca_file, @cert);
    };

    return {
        wrong => qr/401|unauthorized/i,
        nobody => qr/401|unauthorized|basic credential not found/i,
        denied => qr/403|denied/i,

        login => sub {
            my ($door, $user, $file) = @_;
            return ({ env => \%env, stdin => $file }, $oras, 'login',
                $verify->($door), '-u', $user, '--password-stdin',
                $door->host);
        },

        logout => sub { ({ env => \%env }, $oras, 'logout', $_[0]->host) },

        push => sub {
            my ($door, $name, $n) = @_;
            my @from = ('--from-oci-layout', "$images->{$n}{dir}:latest");
            my @to = map { s/^--/--to-/r } $verify->($door);
            return ({ env => \%env }, $oras, 'cp', @from, @to,
                $door->host . "/$name");
        },

        pull => sub {
            my ($door, $name, %o) = @_;
            return ({ env => \%env }, $oras, 'pull', $verify->($door, %o),
                '-o', tempdir(), $door->host . "/$name");
        },
    };
}


# It signs an image that crane has pushed. It has no logout of its own.

sub cosign {
    my ($door) = @_;

    my $l = 'cosign, ' . $door->label;
    my ($ok, $other) = map { $door->host . "/$_" } 'team/signed', 'other/app';
    my $digest = $images->{1}{desc}{digest};
    my $login = sub {
        my ($user) = @_;
        return ({ env => \%env, stdin => $site->password($user) }, $cosign,
            'login', '-u', $user, '--password-stdin', $door->host);
    };
    my $command = sub {
        my ($name, @args) = @_;
        return _cosign($door, $name, @args);
    };

    unlink("$dir/docker/config.json");
    key_pair() if !-f "$dir/ours.key";

    run_ok("$l: login", $login->('alice'));
    run_ok("$l: an image to sign",
        $client{crane}{push}->($door, 'team/signed:1', 1));
    run_ok("$l: sign", $command->('sign', '--key', "$dir/ours.key",
        "$ok\@$digest"));
    run_ok("$l: verify", $command->('verify', '--key', "$dir/ours.pub",
        "$ok\@$digest"));
    run_fails("$l: sign where one may not", qr/denied|UNAUTHORIZED/i,
        $command->('sign', '--key', "$dir/ours.key", "$other\@$digest"));

    run_ok("$l: login of one who reads", $login->('reader'));
    run_fails("$l: may not sign", qr/denied|UNAUTHORIZED/i,
        $command->('sign', '--key', "$dir/ours.key", '-a', 'by=reader',
        "$ok\@$digest"));

    unlink("$dir/docker/config.json");
    run_fails("$l: without a login", qr/UNAUTHORIZED|401/i,
        $command->('verify', '--key', "$dir/ours.pub", "$ok\@$digest"));

    return;
}


sub cosign_by_certificate {
    my ($door) = @_;

    my ($ok, $other) = map { $door->host . "/$_" } 'team/signed2', 'other/app';
    my $digest = $images->{2}{desc}{digest};
    my @sign = ('sign', '--key', "$dir/ours.key");

    run_ok('cosign, cert: an image to sign',
        $client{skopeo}{push}->($door, 'team/signed2:1', 2));
    run_ok('cosign, cert: sign', _cosign($door, @sign, "$ok\@$digest"));
    run_ok('cosign, cert: verify', _cosign($door, 'verify', '--key',
        "$dir/ours.pub", "$ok\@$digest"));
    run_fails('cosign, cert: sign where it may not', qr/denied|403/i,
        _cosign($door, @sign, "$other\@$digest"));

    ($crt, my $kept) = ('', $crt);
    run_fails('cosign, cert: without the certificate', qr/certificate|400/,
        _cosign($door, 'verify', '--key', "$dir/ours.pub", "$ok\@$digest"));
    $crt = $kept;

    return;
}


sub key_pair {
    my $r = run({ cwd => $dir, env => { COSIGN_PASSWORD => 'secret' } },
        $cosign, 'generate-key-pair', '--output-key-prefix', 'ours');
    diag($r->{err}) if $r->{rc};

    return;
}


# Nothing may ask the services on the network, as in client_cosign.t.

sub _cosign {
    my ($door, $name, @args) = @_;

    my $help = join('', @{ run($cosign, $name, '--help') }{ qw( out err ) });
    my @options = $name eq 'sign' ? ('--yes', '--tlog-upload=false')
                                  : '--insecure-ignore-tlog=true';

    push @options, grep { $help =~ /^\s+\Q@{[ s{=.*}{}r ]}\E\b/m }
        $name eq 'sign' ? '--use-signing-config=false'
                        : '--private-infrastructure=true';
    push @options, '--allow-http-registry', '--allow-insecure-registry'
        if !$door->tls;

    push @options, "--registry-client-cert=$crt", "--registry-client-key=$key",
        '--registry-cacert=' . $door->ca_file
        if $door->label eq 'cert' && $crt ne '';

    return ({ env => { %env, COSIGN_PASSWORD => 'secret',
        $door->tls ? (SSL_CERT_FILE => $door->ca_file) : () } },
        $cosign, $name, @options, @args);
}

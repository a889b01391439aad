#!/usr/bin/perl

# containerd shows credentials: by ctr's own option, by hosts.toml (which is
# how nodes of Kubernetes are told), by certificate; and pulls what anybody may
# pull.
#
# Neither keeps a login: there is nothing to log in to or out of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw( encode_base64 );
use Test::Clients;
use Test::Clients::Daemon;
use Test::Clients::Login;
use Test::More;

my $tests = 2 + 2 * BY_PASSWORD + 3 * WITH_ANONYMOUS + BY_CERTIFICATE
    + 2 * AFTER_CHANGES + 4 + FINISH;

enter_jail($tests, root => 1);

my ($containerd, $ctr, $ctl) = need($tests, qw( containerd ctr registryctl ));
my $dir = tempdir('ctr');
my $images = two_images("$dir/images");
my @bearer = qw( bearer bearer-tls bearer-proxy-tls );
my $site = Test::Clients::Login->new(qw( basic basic-tls cert ), @bearer);
my $user = '';

my @ctr = start_containerd($tests, $dir, $containerd, $ctr);

plan tests => $tests;

for my $n (1, 2) {
    my $tar = "$dir/$n.tar";
    run('tar', '-C', $images->{$n}{dir}, '-cf', $tar, '.');
    run_ok("image $n imported", command('images', 'import', '--no-unpack',
        '--digests', '--base-name', "made$n", $tar));
}

my $client = client();

by_password($site->door($_), $client) for qw( basic basic-tls );
by_certificate($site->door('cert'), $client);
with_anonymous($site->door($_), $client) for @bearer;
after_changes($site->door($_), $client) for qw( basic-tls bearer );
by_header($site->door('basic-tls'));

$site->finish;


# A login is what the next commands carry.

sub client {
    return {
        blind => 1,
        wrong => qr/401 Unauthorized|authorization failed/,
        nobody => qr/401 Unauthorized|authorization failed/,
        anew => qr/401 Unauthorized|authorization failed/,
        # the last is what version 1.6 makes of a refusal that comes while it
        # still sends
        denied => qr/403 Forbidden|denied|read\/write on closed pipe/,

        login => sub {
            my ($door, $name, $file) = @_;
            return sub_command(sub { $user = "$name:" . slurp($file) });
        },

        logout => sub { sub_command(sub { $user = '' }) },

        push => sub {
            my ($door, $name, $n) = @_;
            my $ref = $door->host . "/$name";
            my $from = "made$n\@$images->{$n}{desc}{digest}";
            run(command('images', 'tag', '--force', $from, $ref));
            return command('images', 'push', hosts($door), $ref);
        },

        pull => sub {
            my ($door, $name, %o) = @_;
            my $ref = $door->host . "/$name";
            run(command('images', 'remove', '--sync', $ref));
            return command('images', 'pull', '--snapshotter', 'native',
                hosts($door, %o), $ref);
        },
    };
}


# What Kubernetes' nodes are given where there are no imagePullSecrets.

sub by_header {
    my ($door) = @_;

    my ($name, $file) = ('robot', $site->password('robot'));
    my $header = "  [host.\"@{[ $door->url ]}\".header]\n"
        . '    Authorization = "Basic '
        . encode_base64("$name:" . slurp($file), '') . "\"\n";
    my $ref = $door->host . '/team/app:1';

    $user = '';
    run_fails('hosts.toml: without a header', $client->{nobody},
        command('images', 'pull', '--snapshotter', 'native', hosts($door),
        $ref));

    my @hosts = hosts($door, more => $header);
    run_ok('hosts.toml: with one', command('images', 'pull', '--snapshotter',
        'native', @hosts, $ref));

    my $other = $door->host . '/other/app:1';
    run(command('images', 'tag', '--force', $ref, $other));
    run_fails('hosts.toml: push where it may not', $client->{denied},
        command('images', 'push', @hosts, $other));

    my $mine = $door->host . '/team/app:header';
    run(command('images', 'tag', '--force', $ref, $mine));
    run_ok('hosts.toml: push', command('images', 'push', @hosts, $mine));

    return;
}


sub hosts {
    my ($door, %o) = @_;

    my @user = $user eq '' ? () : ('--user', $user);

    return (@user, '--plain-http') if !$door->tls;

    my $hosts = tempdir();
    my ($crt, $key) = $site->client_cert;
    my $client = $door->label eq 'cert' && !$o{no_cert}
        ? "  client = [[\"$crt\", \"$key\"]]\n" : '';

    spew("$hosts/" . $door->host . '/hosts.toml', <<"END" . ($o{more} // ''));
server = "@{[ $door->url ]}"

[host."@{[ $door->url ]}"]
  capabilities = ["pull", "resolve", "push"]
  ca = "@{[ $door->ca_file ]}"
$client
END

    return (@user, '--hosts-dir', $hosts);
}


# --- ctr ---------------------------------------------------------------------

sub command {
    return (@ctr, @_);
}


# A step of the suite where other clients have a command.

sub sub_command {
    my ($step) = @_;

    $step->();

    return 'true';
}

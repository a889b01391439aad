package Test::Clients::Target;

# The registry as a client sees it, plain or behind TLS, and what it wrote
# into its access log since the last mark().
#
#   my $reg = start_registry(tls => 1);
#   $reg->mark;
#   run_ok('push', 'crane', 'push', $dir, $reg->host . '/repo:tag');
#   is($reg->count('PATCH'), 3, 'three blobs sent');

use strict;
use warnings;

use Test::Clients ();
use Test::More ();
use Test::Registry ();
use Time::HiRes qw( sleep );

# lists what the peers cannot do, so that a suite that meets them says TODO
my %lacks = (
    2 => { map { $_ => 1 } qw( tag-delete referrers sorted-tags at-once ) },
    3 => { map { $_ => 1 } qw( referrers at-once ) },
);


# tls       speak TLS (and HTTP/2), with a certificate for registry.test
# location  further directives of the location (ours only)

sub new {
    my ($class, %o) = @_;

    my $self = bless { tls => $o{tls} ? 1 : 0, mark => 0 }, $class;
    my %cert = $self->{tls} ? certificate(Test::Clients::tempdir()) : ();
    my $peer = $ENV{TEST_REGISTRY_PEER};

    if (defined $peer && length $peer) {
        require Test::Clients::Peer;

        $self->{server} = Test::Clients::Peer->new(
            binary => Test::Clients::tool($peer) // $peer,
            address => '0.0.0.0', %cert);
        $self->{major} = $self->{server}->major;

    } else {
        $self->{server} = Test::Registry->new(
            workers => 2, body => _http($o{location} // '', %cert));
    }

    $self->{ca} = $cert{ca};
    $self->{server}->run;
    $self->mark;

    return $self;
}


# As an operator would write it.  Also on an address outside of 127.0.0.0/8,
# where docker believes no certificate unseen.

sub _http {
    my ($location, %cert) = @_;

    my ($ssl, $more) = ('', '');

    if (%cert) {
        my $new = Test::Registry::Nginx::has_version('1.25.1');
        $ssl = $new ? ' ssl' : ' ssl http2';
        $more = ($new ? "http2 on;\n" : '')
            . "ssl_certificate $cert{cert};\n"
            . "ssl_certificate_key $cert{key};\n";
    }

    my $address = Test::Clients::ADDRESS();

    return <<"END";
server {
    listen 127.0.0.1:%%PORT%%$ssl;
    listen $address:%%PORT%%$ssl;
    $more

    location /v2/ {
        registry %%ROOT%%;
        registry_delete on;
        $location
    }
}
END
}


sub tls { return $_[0]{tls} }
sub ca_file { return $_[0]{ca} }
sub root { return $_[0]{server}->root }
sub label { return $_[0]{tls} ? 'tls' : 'plain' }
sub server { return $_[0]{server} }


sub port { return $_[0]{server}->port }


# As in an image's name.  Where there is no TLS, clients need no telling for
# localhost, and some would not be told.

sub host {
    my ($self) = @_;

    return ($self->{tls} ? Test::Clients::NAME() : 'localhost')
        . ':' . $self->port;
}


sub url {
    my ($self) = @_;

    return ($self->{tls} ? 'https://' : 'http://') . $self->host;
}


# Why an assertion cannot hold, when the registry is a peer; else undef. For
# "local $TODO".

sub lacks {
    my ($self, $what) = @_;

    return undef if !$self->{major} || !$lacks{ $self->{major} }{$what};
    return "distribution $self->{major} has no $what";
}


# FINISH assertions at the end of a suite: the workers lived, nothing was left
# open, nginx stops, the store is sound, the log is clean.

sub finish {
    my ($self, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    if ($self->{major}) {
        SKIP: {
            Test::More::skip('a peer', Test::Clients::FINISH());
        }

    } else {
        $self->{server}->finish(%o);
    }

    return;
}


sub stop {
    my ($self) = @_;

    $self->{server}->stop if $self->{server};

    return;
}


# --- what it was asked -------------------------------------------------------

sub _log {
    my ($self) = @_;

    # a line is written after its reply, so wait until no more come
    my $file = $self->log_file;
    my $size = -s $file // 0;

    for (1 .. 50) {
        sleep 0.1;
        my $now = -s $file // 0;
        last if $now == $size;
        $size = $now;
    }

    return $file;
}


sub log_file {
    my ($self) = @_;

    my $server = $self->{server};

    return $server->can('access_log') ? $server->access_log
                                      : $server->dir . '/access.log';
}


sub mark {
    my ($self) = @_;

    $self->{mark} = -s $self->_log;

    return;
}


# All requests since the mark: { method, uri, status, text }

sub requests {
    my ($self) = @_;

    my @found;

    open(my $fh, '<:raw', $self->_log) or die "access log: $!\n";
    seek($fh, $self->{mark}, 0);

    while (my $line = <$fh>) {
        next if $line !~ m{ "([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3}) };
        push @found, {
            method => $1, uri => $2, status => $3, text => "$1 $2 $3",
        };
    }

    return @found;
}


# count('PATCH'), count('GET', qr{/manifests/}), count('POST', qr{mount=}, 201)

sub count {
    my ($self, $method, $uri, $status) = @_;

    return scalar grep {
        $_->{method} eq $method
        && (!defined $uri || $_->{uri} =~ $uri)
        && (!defined $status || $_->{status} == $status)
    } $self->requests;
}


# Blobs whose bytes were sent since the mark: closing PUTs and single POSTs.

sub blobs_sent {
    my ($self) = @_;

    return $self->count('PUT', qr{/blobs/uploads/}, 201)
        + $self->count('POST', qr{/blobs/uploads/\?(?!.*mount=).*digest=}, 201);
}


sub mounted {
    my ($self) = @_;

    return $self->count('POST', qr{[?&]mount=}, 201);
}


# Assertions. On failure they show what went over the wire.

sub sent_is {
    my ($self, $want, $name) = @_;

    return $self->_is($self->blobs_sent, $want, $name);
}


# Nothing sent again: no upload was so much as begun.

sub nothing_sent {
    my ($self, $name) = @_;

    return $self->_is($self->count('POST') + $self->count('PATCH'), 0, $name);
}


sub mounted_is {
    my ($self, $want, $name) = @_;

    return $self->_is($self->mounted, $want, $name);
}


sub count_is {
    my ($self, $want, $name, @what) = @_;

    return $self->_is($self->count(@what), $want, $name);
}


sub _is {
    my ($self, $got, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my $good = Test::More::is($got, $want, $name);
    Test::More::diag($self->as_text) if !$good;

    return $good;
}


sub as_text {
    my ($self) = @_;

    # the tokens of distribution say nothing to people
    return join('', map { "$_\n" } map { s/_state=[^& ]*&?//r }
        map { $_->{text} } $self->requests);
}


# --- a certificate of our own authority --------------------------------------

sub certificate {
    my ($dir) = @_;

    my @openssl = ('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2');
    my @names = ('DNS:' . Test::Clients::NAME(), 'DNS:localhost',
                 'IP:127.0.0.1', 'IP:' . Test::Clients::ADDRESS());

    _openssl(@openssl, '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt",
             '-subj', '/CN=registry tests');
    _openssl(@openssl, '-keyout', "$dir/server.key",
             '-out', "$dir/server.crt", '-subj', '/CN=' . Test::Clients::NAME(),
             '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key",
             '-addext', 'subjectAltName=' . join(',', @names),
             '-addext', 'basicConstraints=critical,CA:FALSE');

    return (cert => "$dir/server.crt", key => "$dir/server.key",
            ca => "$dir/ca.crt");
}


# NAME.crt and NAME.key for a client, of the authority in that folder.

sub client_certificate {
    my ($dir, $name) = @_;

    _openssl('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt",
             '-subj', "/CN=$name", '-CA', "$dir/ca.crt",
             '-CAkey', "$dir/ca.key",
             '-addext', 'basicConstraints=critical,CA:FALSE');

    return;
}


sub _openssl {
    my $r = Test::Clients::run(@_);
    die "openssl: $r->{err}\n" if $r->{rc};
    return;
}


1;

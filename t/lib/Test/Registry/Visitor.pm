package Test::Registry::Visitor;

# A server as one user meets it: every request carries the same headers, goes
# to the same port, comes from the same address. Made by as() and with() of
# Test::Registry::Server, and asked whatever that can be asked.

use strict;
use warnings;

use parent 'Test::Registry::Server';


# server   whom to ask
# headers  [[name, value], ...]; one that a request names itself is left out
# the rest goes to Test::Registry::Client: port, tls, alpn, from, cert, key

sub new {
    my ($class, $server, %o) = @_;

    my $headers = delete $o{headers} || [];
    return bless {
        server => $server, root => $server->root, headers => $headers,
        where => \%o
    }, $class;
}


sub port { $_[0]{server}->port }
sub tls_port { $_[0]{server}->tls_port }
sub ca { $_[0]{server}->ca }
sub root { $_[0]{root} }


sub connect {
    my ($self, %o) = @_;

    return $self->{server}->connect(%{ $self->{where} },
        headers => $self->{headers}, %o);
}


1;

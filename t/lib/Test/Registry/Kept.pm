package Test::Registry::Kept;

# Requests over connections that are kept, as Go's net/http keeps them, and
# with it docker, containerd, podman, crane and oras.
#
# A server may close a kept connection at any time, and does when it reloads:
# the close and the next request can pass each other on the way. What such a
# client forgives then is all that is forgiven here (net/http/transport.go,
# shouldRetryRequest):
#
# 1. A connection that is seen to be closed before anything was written to it
#    is put away and the request goes to a new one. Nobody notices.
#
# 2. A connection that had served a request before, and ends before the first
#    byte of this reply: GET and HEAD are sent again on a new connection
#    ("repeated"), and so is whatever has not left the client with a single
#    byte.
#
# 3. Any other request on such a connection is an error in Go, which the
#    program above answers by doing it again. Here it is sent again, once, on
#    a new connection, and counted ("raced"). nginx does not read from a
#    connection that it closes for being idle, so the request cannot have been
#    carried out, and the second one has to get the reply of a first: no
#    session is left by a POST, a PATCH finds the offset it expects (or the
#    digest is wrong at the end), a DELETE finds what it deletes.
#
# 4. Everything else is a failure: a new connection that is refused or ends
#    without a reply, a reply that is cut after its first byte, one that does
#    not come in time. Number 3 too, with closes => 0.

use strict;
use warnings;

use Time::HiRes qw(time);

use Test::Registry::Client;
use Test::Registry::Reply;


# ports    where to; with several each request goes to the next one in turn
# closes   false: nobody reloads, a kept connection has no reason to end
# headers, timeout  as in Test::Registry::Client

sub new {
    my ($class, %o) = @_;

    return bless {
        closes => 1, timeout => 60, headers => [], idle => {},
        requests => 0, repeated => 0, raced => 0, %o
    }, $class;
}


# One request and its reply; options as in the client's request(), the body as
# bytes and chunks as a list, so that they can be sent again.

sub request {
    my ($self, $method, $uri, %o) = @_;

    my $port = $self->{ports}[ $self->{requests}++ % @{ $self->{ports} } ];

    if (my $c = $self->_kept($port)) {
        my ($reply, $sent) = $self->_exchange($c, $method, $uri, %o);

        return $reply
            if $reply->status || !$c->{eof} || length $c->buffered;

        if (!$sent || $method eq 'GET' || $method eq 'HEAD') {
            $self->{repeated}++;

        } elsif ($self->{closes}) {
            $self->{raced}++;

        } else {
            return $reply;
        }
    }

    my $c = $self->_connect($port) or return Test::Registry::Reply->new(
        request => "$method $uri", error => "not connected: $@");

    return ($self->_exchange($c, $method, $uri, %o))[0];
}


sub _connect {
    my ($self, $port) = @_;

    return eval {
        Test::Registry::Client->new(port => $port,
            headers => $self->{headers}, timeout => $self->{timeout});
    };
}


# The connection that waits, unless it has ended meanwhile.

sub _kept {
    my ($self, $port) = @_;

    my $c = delete $self->{idle}{$port} or return undef;

    return $c if !$c->closes_within(0) && !length $c->buffered;

    $c->close;
    return undef;
}


# The reply, and how many bytes of the request have left.

sub _exchange {
    my ($self, $c, $method, $uri, %o) = @_;

    $o{deadline} = time + $self->{timeout};

    my $sent = $c->start($method, $uri, %o);
    $c->send_body(%o) if $sent;
    my $reply = $c->reply(deadline => $o{deadline});

    if ($reply->status && $reply->complete && !$c->{eof}
        && lc($reply->header('Connection') // '') ne 'close')
    {
        $self->{idle}{ $c->{port} } = $c;
    }

    return ($reply, $sent);
}


sub close {
    my ($self) = @_;

    $_->close for values %{ $self->{idle} };
    $self->{idle} = {};
}


1;

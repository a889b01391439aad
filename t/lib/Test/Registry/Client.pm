package Test::Registry::Client;

# One HTTP/1.1 connection, plain or TLS, with control over every byte.
#
# Nothing here waits for ever: each wait ends at a deadline, and each call
# that can fail hands back a Test::Registry::Reply with status 0 and a reason.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EINPROGRESS);
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);

use Test::Registry::Reply;

use constant READ_SIZE => 65536;


# host, port  where to
# tls         true: TLS, server checked against the file in ca
# cert, key   files of a certificate to show
# from        address to come from
# headers     [[name, value], ...] for each request that has none of the name
# timeout     seconds for one whole request and its reply

sub new {
    my ($class, %o) = @_;

    my $self = bless {
        host => '127.0.0.1', timeout => 20, in => '', eof => 0,
        pending => [], reason => '', %o
    }, $class;

    my $sock = IO::Socket::INET->new(
        PeerAddr => $self->{host}, PeerPort => $self->{port},
        ($self->{from} ? (LocalAddr => $self->{from}) : ()),
        Proto => 'tcp', Timeout => $self->{timeout}
    ) or die "cannot connect to $self->{host}:$self->{port}: $@\n";

    setsockopt($sock, IPPROTO_TCP, TCP_NODELAY, 1);

    if ($self->{tls}) {
        require IO::Socket::SSL;
        local $SIG{PIPE} = 'IGNORE';

        IO::Socket::SSL->start_SSL(
            $sock,
            SSL_hostname => 'localhost', SSL_verifycn_name => 'localhost',
            SSL_verifycn_scheme => 'http', SSL_ca_file => $self->{ca},
            SSL_alpn_protocols => $self->{alpn} || ['http/1.1'],
            ($self->{cert} ? (SSL_cert_file => $self->{cert},
                SSL_key_file => $self->{key}, SSL_use_cert => 1) : ()),
            Timeout => $self->{timeout}
        ) or die "TLS handshake failed: "
            . IO::Socket::SSL::errstr() . "\n";
    }

    $sock->blocking(0);
    binmode $sock;
    $self->{sock} = $sock;

    return $self;
}


sub sock { $_[0]{sock} }
sub fd { fileno $_[0]{sock} }
sub buffered { $_[0]{in} }


# Waits for the socket; returns a list of two flags, readable and writable,
# both false at the deadline.

sub _select {
    my ($self, $read, $write, $deadline) = @_;

    return (1, 0) if $read && $self->{tls} && $self->{sock}->pending;

    my $left = $deadline - time;
    $left = 0 if $left < 0;

    my ($rin, $win) = ('', '');
    vec($rin, $self->fd, 1) = 1 if $read;
    vec($win, $self->fd, 1) = 1 if $write;

    my $n = select(my $rout = $rin, my $wout = $win, undef, $left);
    return (0, 0) if !defined $n || $n <= 0;
    return (vec($rout, $self->fd, 1), vec($wout, $self->fd, 1));
}


# Takes what the socket has. 1: got bytes, 0: nothing now, -1: the end.

sub _fill {
    my ($self) = @_;

    return -1 if $self->{eof};

    my $n = sysread $self->{sock}, $self->{in}, READ_SIZE,
        length $self->{in};

    if (!defined $n) {
        return 0 if $! == EAGAIN || $! == EINTR;
        $self->{eof} = 1;
        $self->{reason} = "$!";
        return -1;
    }

    if ($n == 0) {
        $self->{eof} = 1;
        $self->{reason} = 'connection closed';
        return -1;
    }

    return 1;
}


# Sends bytes as they are. With unless_reply it stops when a final reply head
# has come in. Returns the number of bytes that left.

sub send {
    my ($self, $bytes, %o) = @_;

    my $deadline = $o{deadline} || time + ($o{timeout} || $self->{timeout});
    my $sent = 0;

    local $SIG{PIPE} = 'IGNORE';

    while ($sent < length $bytes) {
        last if $o{unless_reply} && $self->_final_head;

        my ($r, $w) = $self->_select(!$self->{eof}, 1, $deadline);
        last if !$r && !$w;

        if ($r) {
            $self->_fill;
        }

        next if !$w && !$self->{tls};

        my $n = syswrite $self->{sock}, $bytes,
            length($bytes) - $sent > 262144 ? 262144 : length($bytes) - $sent,
            $sent;

        if (!defined $n) {
            next if $! == EAGAIN || $! == EINTR;
            $self->{reason} ||= "$!";
            last;
        }

        $sent += $n;
    }

    return $sent;
}


# True when the buffer begins with a whole head that is not a 1xx.

sub _final_head {
    my ($self) = @_;

    my $in = $self->{in};
    while ($in =~ s/\AHTTP\/1\.[01] 1\d\d[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n//) { }
    return $in =~ /\AHTTP\/1\.[01] \d\d\d.*?\r\n\r\n/s;
}


# Puts a request head together; nothing is sent.

sub head {
    my ($self, $method, $uri, %o) = @_;

    my $version = $o{http} || '1.1';
    my @headers = ref $o{headers} eq 'HASH'
        ? map { [$_, $o{headers}{$_}] } sort keys %{ $o{headers} }
        : @{ $o{headers} || [] };
    my %seen = map { lc $_->[0] => 1 } @headers;

    my @own = grep { !$seen{ lc $_->[0] } } @{ $self->{headers} || [] };
    push @headers, @own;
    $seen{ lc $_->[0] } = 1 for @own;

    my $s = "$method $uri HTTP/$version\r\n";
    $s .= "Host: localhost:$self->{port}\r\n"
        if !$seen{host} && !$o{no_host};
    $s .= "$_->[0]: $_->[1]\r\n" for @headers;

    if (defined $o{length}) {
        $s .= "Content-Length: $o{length}\r\n";

    } elsif (defined $o{body} && !ref $o{body} && !$o{no_length}
             && !$seen{'content-length'})
    {
        $s .= 'Content-Length: ' . length($o{body}) . "\r\n";
    }

    $s .= "Transfer-Encoding: chunked\r\n"
        if $o{chunks} && !$seen{'transfer-encoding'};
    $s .= "Expect: 100-continue\r\n" if $o{expect};
    $s .= "Connection: close\r\n" if $o{close} && !$seen{connection};

    return "$s\r\n";
}


# One request and its reply.
#
# headers  [[name, value], ...] or {name => value}
# body     bytes, or a code reference that gives the next bytes until undef
#          (then length must be given)
# length   Content-Length to announce, when it is not that of body
# chunks   [bytes, ...] or a code reference: sent chunked, as they are cut
# expect   true: sends Expect and waits for the 100 before the body
# close    true: asks for Connection: close
# sink     called with each piece of the reply's body, which is not kept
# pause    seconds between pieces

sub request {
    my ($self, $method, $uri, %o) = @_;

    my $deadline = time + ($o{timeout} || $self->{timeout});

    $self->start($method, $uri, %o, deadline => $deadline);

    if ($o{expect}) {
        my $got = $self->wait_head($deadline);
        return $self->reply(%o, deadline => $deadline)
            if !$got || $self->_final_head;
    }

    $self->send_body(%o, deadline => $deadline);
    return $self->reply(%o, deadline => $deadline);
}


# Sends the head only; the reply is asked for with reply().

sub start {
    my ($self, $method, $uri, %o) = @_;

    $o{body} = '' if defined $o{body} && ref $o{body} && !defined $o{length};
    push @{ $self->{pending} }, [$method, $uri];
    return $self->send($self->head($method, $uri, %o),
        unless_reply => 1, deadline => $o{deadline});
}


sub send_body {
    my ($self, %o) = @_;

    my @how = (unless_reply => 1, deadline => $o{deadline});

    if ($o{chunks}) {
        my @list = ref $o{chunks} eq 'ARRAY' ? @{ $o{chunks} } : ();
        my $next = ref $o{chunks} eq 'CODE' ? $o{chunks}
            : sub { shift @list };

        while (defined(my $piece = $next->())) {
            next if !length $piece;
            my $chunk = sprintf("%x\r\n", length $piece) . "$piece\r\n";
            return if $self->send($chunk, @how) < length $chunk;
            sleep $o{pause} if $o{pause};
        }

        $self->send("0\r\n\r\n", @how);

    } elsif (ref $o{body} eq 'CODE') {
        while (defined(my $piece = $o{body}->())) {
            return if $self->send($piece, @how) < length $piece;
            sleep $o{pause} if $o{pause};
        }

    } elsif (defined $o{body} && length $o{body}) {
        $self->send($o{body}, @how);
    }
}


# Waits until some reply head (1xx too) is there; false at the deadline.

sub wait_head {
    my ($self, $deadline) = @_;

    while ($self->{in} !~ /\r\n\r\n/) {
        return 0 if $self->{eof};
        my ($r) = $self->_select(1, 0, $deadline);
        return 0 if !$r;
        $self->_fill;
    }

    return 1;
}


# Reads the next reply to its end. The method of the oldest unanswered
# request says whether a body may follow.

sub reply {
    my ($self, %o) = @_;

    my $deadline = $o{deadline} || time + ($o{timeout} || $self->{timeout});
    my $req = shift @{ $self->{pending} };
    my $method = $o{method} || ($req ? $req->[0] : 'GET');
    my $reply = Test::Registry::Reply->new(
        request => $req ? "$req->[0] $req->[1]" : 'raw bytes');

    for ( ;; ) {
        if (!$self->wait_head($deadline)) {
            $reply->{error} = $self->{eof} ? $self->{reason} : 'timed out';
            $reply->{closed} = $self->{eof};
            $reply->{error} .= ' after ' . length($self->{in}) . ' bytes'
                if length $self->{in};
            return $reply;
        }

        $self->{in} =~ s/\A(.*?)\r\n\r\n//s;
        my ($line, @lines) = split /\r\n/, $1, -1;

        if ($line !~ /\AHTTP\/1\.[01] (\d\d\d)(?: (.*))?\z/) {
            $reply->{error} = "malformed status line: $line";
            return $reply;
        }

        my ($status, $reason) = ($1, $2 // '');
        my @headers;

        for (@lines) {
            if (!/\A([!#\$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\z/) {
                $reply->{error} = "malformed header line: $_";
                return $reply;
            }
            push @headers, [$1, $2];
        }

        if ($status >= 100 && $status < 200) {
            push @{ $reply->{interim} }, $status;
            next;
        }

        @{$reply}{qw(status reason headers)} = ($status, $reason, \@headers);
        last;
    }

    $self->_body($reply, $method, $deadline, $o{sink});
    return $reply;
}


sub _body {
    my ($self, $reply, $method, $deadline, $sink) = @_;

    my @len = $reply->headers('Content-Length');
    my $chunked = grep { /chunked/i } $reply->headers('Transfer-Encoding');

    if ($method eq 'HEAD' || $reply->status == 204 || $reply->status == 304) {
        $reply->{complete} = 1;

    } elsif (@len > 1 || (@len && $len[0] !~ /\A\d+\z/) || (@len && $chunked))
    {
        $reply->{error} = 'contradicting lengths in the reply';
        return;

    } elsif ($chunked) {
        $reply->{complete} = $self->_chunked_body($reply, $deadline, $sink);

    } elsif (@len) {
        $reply->{complete}
            = $self->_take($reply, $len[0], $deadline, $sink);

    } else {
        $self->_take($reply, undef, $deadline, $sink);
        $reply->{complete} = $self->{reason} eq 'connection closed';
    }

    if (!$reply->{complete}) {
        $reply->{error} = $self->{eof} ? $self->{reason} : 'timed out';
    }

    $reply->{closed} = 1 if $self->{eof};
}


# Moves count bytes (all up to the end when undef) into the reply.

sub _take {
    my ($self, $reply, $count, $deadline, $sink) = @_;

    while (!defined $count || $count > 0) {
        if (length $self->{in}) {
            my $n = length $self->{in};
            $n = $count if defined $count && $count < $n;

            my $piece = substr $self->{in}, 0, $n, '';
            if ($sink) { $sink->($piece) } else { $reply->{body} .= $piece }
            $count -= $n if defined $count;
            next;
        }

        return 0 if $self->{eof};
        my ($r) = $self->_select(1, 0, $deadline);
        return 0 if !$r;
        $self->_fill;
    }

    return 1;
}


sub _line {
    my ($self, $deadline) = @_;

    while ($self->{in} !~ /\r\n/) {
        return undef if $self->{eof};
        my ($r) = $self->_select(1, 0, $deadline);
        return undef if !$r;
        $self->_fill;
    }

    $self->{in} =~ s/\A(.*?)\r\n//s;
    return $1;
}


sub _chunked_body {
    my ($self, $reply, $deadline, $sink) = @_;

    for ( ;; ) {
        my $line = $self->_line($deadline);
        return 0 if !defined $line || $line !~ /\A([0-9a-f]+)/i;

        my $size = hex $1;
        if ($size == 0) {
            while (defined($line = $self->_line($deadline))) {
                return 1 if $line eq '';
            }
            return 0;
        }

        return 0 if !$self->_take($reply, $size, $deadline, $sink);
        $line = $self->_line($deadline);
        return 0 if !defined $line || $line ne '';
    }
}


# Shorthands on one kept connection.

sub get { my $c = shift; $c->request('GET', @_) }
sub put { my $c = shift; $c->request('PUT', @_) }
sub post { my $c = shift; $c->request('POST', @_) }
sub patch { my $c = shift; $c->request('PATCH', @_) }
sub delete { my $c = shift; $c->request('DELETE', @_) }


sub head_request { my $c = shift; $c->request('HEAD', @_) }


# True when the other side closes within the given seconds; bytes that come
# instead stay in the buffer.

sub closes_within {
    my ($self, $seconds) = @_;

    my $deadline = time + $seconds;
    while (!$self->{eof}) {
        my ($r) = $self->_select(1, 0, $deadline);
        return 0 if !$r;
        $self->_fill;
    }

    return 1;
}


# Sends FIN and goes on reading.

sub half_close {
    my ($self) = @_;

    shutdown $self->{sock}, 1;
}


sub close {
    my ($self) = @_;

    return if !$self->{sock};

    if ($self->{tls}) {
        $self->{sock}->close(SSL_no_shutdown => 1, SSL_fast_shutdown => 1);

    } else {
        CORE::close $self->{sock};
    }

    $self->{sock} = undef;
    $self->{eof} = 1;
}


# Closes with RST instead of FIN.

sub reset {
    my ($self) = @_;

    setsockopt($self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    $self->close;
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    CORE::close $self->{sock} if $self->{sock};
}


1;

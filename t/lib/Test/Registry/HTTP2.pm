package Test::Registry::HTTP2;

# One HTTP/2 connection, frame by frame (RFC 9113, RFC 7541).
#
# Requests are written as literal fields without indexing; what comes back is
# decoded with the static table, Huffman strings included. A server that uses
# a dynamic table entry is not understood and the test dies saying so.

use strict;
use warnings;

use Time::HiRes qw(time);

use Test::Registry::Client;
use Test::Registry::Reply;

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6,
    GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9,
    END_STREAM => 1, ACK => 1, END_HEADERS => 4, PADDED => 8
};

use constant PREFACE => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
use constant FRAME_MAX => 16384;

my %SETTING = (
    header_table_size => 1, enable_push => 2, max_concurrent_streams => 3,
    initial_window_size => 4, max_frame_size => 5
);

# Static table, RFC 7541 appendix A, from index 1.

my @STATIC = (
    [':authority', ''], [':method', 'GET'], [':method', 'POST'],
    [':path', '/'], [':path', '/index.html'], [':scheme', 'http'],
    [':scheme', 'https'], (map { [':status', $_] }
        qw(200 204 206 304 400 404 500)),
    ['accept-charset', ''], ['accept-encoding', 'gzip, deflate'],
    map { [$_, ''] } qw(
        accept-language accept-ranges accept access-control-allow-origin age
        allow authorization cache-control content-disposition
        content-encoding content-language content-length content-location
        content-range content-type cookie date etag expect expires from host
        if-match if-modified-since if-none-match if-range
        if-unmodified-since last-modified link location max-forwards
        proxy-authenticate proxy-authorization range referer refresh
        retry-after server set-cookie strict-transport-security
        transfer-encoding user-agent vary via www-authenticate)
);

# Huffman code of the characters a header has, RFC 7541 appendix B: the code
# is canonical, so each length with its characters in order says it all.

my @HUFFMAN = (
    [5, '012aceiost'], [6, ' %-./3456789=A_bdfghlmnpru'],
    [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'], [8, '&*,;XZ'],
    [10, '!"()?'], [11, "'+|"], [12, '#>'], [13, "\0\$\@[]~"], [14, '^}'],
    [15, '<`{'], [19, '\\']
);

my %huffman;

{
    my ($code, $before) = (0, 5);
    for my $row (@HUFFMAN) {
        my ($length, $characters) = @$row;
        $code <<= $length - $before;
        $before = $length;
        for my $c (split //, $characters) {
            $huffman{ sprintf "%0${length}b", $code++ } = $c;
        }
    }
}


# port, tls, ca, timeout as in Test::Registry::Client
# settings     {initial_window_size => n, ...} to announce
# auto_window  true (default): DATA that arrives is credited at once

sub new {
    my ($class, %o) = @_;

    my $c = Test::Registry::Client->new(
        timeout => 20, %o, ($o{tls} ? (alpn => ['h2']) : ()));

    my $self = bless {
        c => $c, next => 1, streams => {}, window => 65535,
        initial_window => 65535, frame_max => FRAME_MAX, goaway => undef,
        auto_window => 1, timeout => 20, tls => 0, log => [], %o
    }, $class;

    die "the server did not choose h2\n"
        if $self->{tls} && ($c->sock->alpn_selected || '') ne 'h2';

    my %s = %{ $o{settings} || {} };
    my $body = join '', map { pack 'nN', $SETTING{$_}, $s{$_} } sort keys %s;

    $c->send(PREFACE);
    $self->frame(SETTINGS, 0, 0, $body);
    $self->pump($self->{timeout}, sub { $self->{settings_seen} })
        or die "no SETTINGS from the server\n";

    return $self;
}


sub client { $_[0]{c} }
sub goaway { $_[0]{goaway} }
sub closed { $_[0]{c}{eof} }


# Sends one frame as given.

sub frame {
    my ($self, $type, $flags, $id, $payload) = @_;

    my $head = substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $id);
    return $self->{c}->send($head . $payload);
}


sub _literal {
    my ($name, $value) = @_;

    return "\0" . _string(lc $name) . _string($value);
}


sub _string {
    my ($s) = @_;

    my $n = length $s;
    return chr($n) . $s if $n < 127;

    my $out = chr 127;
    $n -= 127;
    while ($n >= 128) {
        $out .= chr($n & 127 | 128);
        $n >>= 7;
    }
    return $out . chr($n) . $s;
}


# Opens a stream with a request head; returns its id.
#
# headers  [[name, value], ...]
# end      true: no body follows

sub open_stream {
    my ($self, $method, $path, %o) = @_;

    my $id = $self->{next};
    $self->{next} += 2;

    my @fields = ([':method', $method],
        [':scheme', $self->{tls} ? 'https' : 'http'],
        [':authority', 'localhost'], [':path', $path],
        @{ $o{headers} || [] });

    $self->{streams}{$id} = {
        window => $self->{initial_window}, headers => [], data => '',
        ended => 0, reset => undef, request => "$method $path"
    };

    my $flags = END_HEADERS | ($o{end} ? END_STREAM : 0);
    $self->frame(HEADERS, $flags, $id,
        join '', map { _literal(@$_) } @fields);

    return $id;
}


# One DATA frame as given, windows unheeded. pad: bytes of padding.

sub data {
    my ($self, $id, $bytes, %o) = @_;

    my $flags = $o{end} ? END_STREAM : 0;
    my $payload = $bytes;

    if (defined $o{pad}) {
        $flags |= PADDED;
        $payload = chr($o{pad}) . $bytes . "\0" x $o{pad};
    }

    $self->{window} -= length $payload;
    $self->{streams}{$id}{window} -= length $payload;
    return $self->frame(DATA, $flags, $id, $payload);
}


# Sends bytes in DATA frames of at most size bytes, as the windows allow.
# Ends the stream unless end => 0. True when all left.

sub send_body {
    my ($self, $id, $bytes, %o) = @_;

    my $s = $self->{streams}{$id};
    my $at = 0;
    my $size = $o{size} || $self->{frame_max};
    my $deadline = time + ($o{timeout} || $self->{timeout});
    my $over = defined $o{pad} ? $o{pad} + 1 : 0;

    while ($at < length $bytes) {
        $self->pump(0, sub { 0 });
        return 0 if $s->{ended} || defined $s->{reset} || $self->closed;

        my $room = $s->{window} < $self->{window}
            ? $s->{window} : $self->{window};
        $room -= $over;

        if ($room <= 0) {
            my $was = $room;
            $self->pump($deadline - time, sub {
                return ($s->{window} > $over && $self->{window} > $over)
                    || $s->{ended} || defined $s->{reset};
            }) or return 0;
            next;
        }

        my $n = length($bytes) - $at;
        $n = $room if $n > $room;
        $n = $size if $n > $size;

        my $last = $at + $n == length $bytes;
        $self->data($id, substr($bytes, $at, $n), pad => $o{pad},
            end => $last && (!exists $o{end} || $o{end}));
        $at += $n;
    }

    $self->data($id, '', end => 1)
        if !length $bytes && (!exists $o{end} || $o{end});
    return 1;
}


sub reset_stream {
    my ($self, $id, $code) = @_;

    return $self->frame(RST_STREAM, 0, $id, pack 'N', $code || 8);
}


sub window_update {
    my ($self, $id, $n) = @_;

    return $self->frame(WINDOW_UPDATE, 0, $id, pack 'N', $n);
}


# One request with its reply. body: bytes.

sub request {
    my ($self, $method, $path, %o) = @_;

    my $has_body = defined $o{body};
    my $id = $self->open_stream($method, $path, headers => $o{headers},
        end => !$has_body);
    $self->send_body($id, $o{body}, %o) if $has_body;
    return $self->reply($id, $o{timeout});
}


# Waits for the end of a stream and hands it back as a reply.

sub reply {
    my ($self, $id, $timeout) = @_;

    my $s = $self->{streams}{$id};

    $self->pump($timeout || $self->{timeout},
        sub { $s->{ended} || defined $s->{reset} });

    my ($status) = map { $_->[1] } grep { $_->[0] eq ':status' }
        @{ $s->{headers} };

    return Test::Registry::Reply->new(
        request => $s->{request}, status => $status || 0,
        headers => [ grep { $_->[0] !~ /\A:/ } @{ $s->{headers} } ],
        body => $s->{data}, complete => $s->{ended},
        closed => $self->closed, interim => $s->{interim} || [],
        error => $s->{ended} ? ''
            : defined $s->{reset} ? "stream reset with $s->{reset}"
            : $self->closed ? 'connection closed' : 'timed out'
    );
}


# Reads frames until the condition holds; false at the end of time or of the
# connection.

sub pump {
    my ($self, $timeout, $until) = @_;

    my $c = $self->{c};
    my $deadline = time + $timeout;

    for ( ;; ) {
        while (length $c->{in} >= 9) {
            my ($n1, $n2, $type, $flags, $id) = unpack 'nCCCN', $c->{in};
            my $n = $n1 << 8 | $n2;
            last if length $c->{in} < 9 + $n;
            my $payload = substr $c->{in}, 9, $n;
            substr $c->{in}, 0, 9 + $n, '';
            $self->_got($type, $flags, $id & 0x7fffffff, $payload);
        }

        return 1 if $until->();
        return 0 if $c->{eof};
        my ($r) = $c->_select(1, 0, $deadline);
        return 0 if !$r;
        $c->_fill;
    }
}


sub _got {
    my ($self, $type, $flags, $id, $payload) = @_;

    my $s = $self->{streams}{$id};

    if ($type == DATA) {
        my $n = length $payload;
        if ($flags & PADDED) {
            my $pad = ord $payload;
            $payload = substr $payload, 1, $n - 1 - $pad;
        }
        $s->{data} .= $payload if $s;
        $s->{ended} = 1 if $s && $flags & END_STREAM;
        if ($self->{auto_window} && $n) {
            $self->window_update(0, $n);
            $self->window_update($id, $n) if !($flags & END_STREAM);
        }

    } elsif ($type == HEADERS || $type == CONTINUATION) {
        $self->{block} = '' if $type == HEADERS;
        $self->{end} = $flags & END_STREAM if $type == HEADERS;
        $self->{block} .= $payload;
        if ($flags & END_HEADERS && $s) {
            my @h = _fields($self->{block});
            if ($h[0][0] eq ':status' && $h[0][1] =~ /\A1/) {
                push @{ $s->{interim} }, $h[0][1];
            } else {
                push @{ $s->{headers} }, @h;
            }
            $s->{ended} = 1 if $self->{end};
        }

    } elsif ($type == RST_STREAM) {
        $s->{reset} = unpack 'N', $payload if $s && !$s->{ended};

    } elsif ($type == SETTINGS && !($flags & ACK)) {
        while ($payload =~ s/\A(.{6})//s) {
            my ($key, $value) = unpack 'nN', $1;
            if ($key == 4) {
                my $grow = $value - $self->{initial_window};
                $self->{initial_window} = $value;
                $_->{window} += $grow for values %{ $self->{streams} };
            }
            $self->{max_streams} = $value if $key == 3;
        }
        $self->{settings_seen} = 1;
        $self->frame(SETTINGS, ACK, 0, '');

    } elsif ($type == PING && !($flags & ACK)) {
        $self->frame(PING, ACK, 0, $payload);

    } elsif ($type == GOAWAY) {
        $self->{goaway} = (unpack 'NN', $payload)[1];

    } elsif ($type == WINDOW_UPDATE) {
        my $n = unpack 'N', $payload;
        if ($id == 0) {
            $self->{window} += $n;
        } elsif ($s) {
            $s->{window} += $n;
        }
    }
}


# Decodes a header block.

sub _fields {
    my ($b) = @_;

    my @fields;
    while (length $b) {
        my $first = ord $b;

        if ($first & 0x80) {
            push @fields, [ @{ _static(_integer(\$b, 7)) } ];

        } elsif (($first & 0xe0) == 0x20) {
            _integer(\$b, 5);

        } else {
            my $index = _integer(\$b, $first & 0x40 ? 6 : 4);
            my $name = $index ? _static($index)->[0] : _text(\$b);
            push @fields, [$name, _text(\$b)];
        }
    }

    return @fields;
}


sub _static {
    my ($index) = @_;

    die "the server used entry $index of the dynamic table\n"
        if $index < 1 || $index > @STATIC;
    return $STATIC[$index - 1];
}


sub _integer {
    my ($b, $bits) = @_;

    my $mask = (1 << $bits) - 1;
    my $n = ord(substr $$b, 0, 1, '') & $mask;
    return $n if $n < $mask;

    my $shift = 0;
    for ( ;; ) {
        my $byte = ord substr $$b, 0, 1, '';
        $n += ($byte & 127) << $shift;
        $shift += 7;
        return $n if !($byte & 128);
    }
}


sub _text {
    my ($b) = @_;

    my $huffman = ord($$b) & 0x80;
    my $s = substr $$b, 0, _integer($b, 7), '';
    return $s if !$huffman;

    my ($out, $code) = ('', '');
    for my $bit (split //, unpack 'B*', $s) {
        $code .= $bit;
        if (exists $huffman{$code}) {
            $out .= $huffman{$code};
            $code = '';
        }
    }

    return $out;
}


sub close {
    my ($self) = @_;

    $self->{c}->close;
}


1;

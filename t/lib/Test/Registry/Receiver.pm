package Test::Registry::Receiver;

# A receiver of webhooks on the loopback interface: processes of its own that
# treat each request as they are told and write down all of it.
#
#   my $hook = Test::Registry::Receiver->new->run;
#   ... registry_notify ci $hook->url('/ci') ...
#   $hook->answers('/ci', { status => 500, times => 2 }, { delay => 1 });
#   my @events = $hook->wait_events('/ci', 3);
#
# A post is {path, at, conn, method, headers, body, how, status, sent, closed,
# ended, end}: sent is how many bytes of the reply left us, closed is set where
# the other side went away first, ended when we had done with it, at the time
# end, which for an answer is when it began to be sent.

use strict;
use warnings;

use Digest::SHA ();
use Fcntl qw(:flock SEEK_SET O_RDWR O_CREAT);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Scalar::Util ();
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY MSG_PEEK);
use Time::HiRes qw(time sleep);

use Test::Registry::Process;

use constant ENVELOPE => 'application/vnd.docker.distribution.events.v2+json';

my %live;
my $json = JSON::PP->new->canonical->utf8->allow_nonref;


# tls     {cert, key}: over TLS
# ca      with tls: a certificate of that authority is asked for
# host    default 127.0.0.1

sub new {
    my ($class, %o) = @_;

    my $self = bless {
        host => '127.0.0.1', %o, owner => $$, pid => 0, offset => 0,
        posts => [], known => {}, failed => [],
        dir => File::Temp::tempdir('registry-hook-XXXXXXXX', TMPDIR => 1,
            CLEANUP => 1)
    }, $class;

    $self->{held} = held_port($self->{host});
    $self->{port} = $self->{held}->sockport;
    $self->answers;

    $live{$self} = $self;
    Scalar::Util::weaken($live{$self});

    return $self;
}


sub port { $_[0]{port} }


sub url {
    my ($self, $path) = @_;

    return ($self->{tls} ? 'https' : 'http') . "://$self->{host}:$self->{port}"
        . ($path // '/');
}


# Listens; after down() on the same port again. Before, and meanwhile, whoever
# connects is refused.

sub run {
    my ($self) = @_;

    my $listen = listen_at($self->{held});
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        POSIX::setpgid(0, 0);
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{CHLD} = 'IGNORE';
        eval { $self->_accept($listen) };
        POSIX::_exit(1);
    }

    POSIX::setpgid($pid, $pid);
    $self->{pid} = $pid;
    close $listen;

    return $self;
}


# Nobody listens any more, and whoever was connected is reset.

sub down {
    my ($self) = @_;

    return if !$self->{pid};
    kill 'KILL', -$self->{pid};
    reap($self->{pid}, 10);
    $self->{pid} = 0;
}


# What becomes of the requests to a path from now on: each of the hashes goes
# for "times" requests, then comes the next; the last, without times, stays.
# With none, or after the last: 200 without a body.
#
# status, headers, body   of the reply, [[name, value], ...]
# delay   seconds before it
# until   a file: none before that is there
# how     answer (default)
#         stall     nothing ever comes
#         endless   a chunked body of which a byte comes now and then
#         huge      a body of 10 GB, as fast as it is taken
#         heads     header lines without an end
#         close     closed instead of a reply
#         reset     reset instead of a reply
#         garbage   what is no HTTP
#         kill      the process "pid" is killed before the reply is sent

sub answers {
    my ($self, $path, @how) = @_;

    $self->_state(sub {
        my ($all) = @_;
        @how ? ($all->{$path} = [@how])
            : defined $path ? delete $all->{$path} : (%$all = ());
    });
}


# Reads, changes and writes what is to be done; under a lock.

sub _state {
    my ($self, $code) = @_;

    sysopen my $fh, "$self->{dir}/answers", O_RDWR | O_CREAT
        or die "$self->{dir}/answers: $!\n";
    flock $fh, LOCK_EX or die "flock: $!\n";

    my $text = do { local $/; <$fh> };
    my $all = length($text // '') ? $json->decode($text) : {};
    my $got = $code->($all);

    truncate $fh, 0;
    seek $fh, 0, SEEK_SET;
    print {$fh} $json->encode($all);
    close $fh or die "$self->{dir}/answers: $!\n";

    return $got;
}


sub _next_answer {
    my ($self, $path) = @_;

    return $self->_state(sub {
        my ($list) = $_[0]->{$path} or return {};
        my $how = $list->[0] or return {};
        shift @$list if defined $how->{times} && --$how->{times} <= 0;
        return $how;
    });
}


sub _note {
    my ($self, %what) = @_;

    open my $fh, '>>', "$self->{dir}/journal" or die "journal: $!\n";
    flock $fh, LOCK_EX;
    syswrite $fh, $json->encode(\%what) . "\n";
    close $fh;
}


sub _accept {
    my ($self, $listen) = @_;

    require IO::Socket::SSL if $self->{tls};
    my $conn = 0;

    for ( ;; ) {
        my $sock = $listen->accept or next;
        my $id = $$ . '-' . ++$conn;
        my $pid = fork;

        if (defined $pid && !$pid) {
            close $listen;
            $SIG{PIPE} = 'IGNORE';
            eval { $self->_connection($sock, $id) };
            POSIX::_exit(0);
        }

        close $sock;
    }
}


sub _connection {
    my ($self, $sock, $conn) = @_;

    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    my $peer;

    if (my $tls = $self->{tls}) {
        IO::Socket::SSL->start_SSL($sock, SSL_server => 1,
            SSL_cert_file => $tls->{cert}, SSL_key_file => $tls->{key},
            ($self->{ca} ? (SSL_ca_file => $self->{ca},
                SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_PEER()
                    | IO::Socket::SSL::SSL_VERIFY_FAIL_IF_NO_PEER_CERT())
                : (SSL_verify_mode => 0)))
            or do {
                $self->_note(failed => IO::Socket::SSL::errstr(), at => time);
                return;
            };
        $peer = $sock->peer_certificate('subject') if $self->{ca};
    }

    my ($in, $count) = ('', 0);

    while (my $post = _receive($sock, \$in)) {
        my ($path) = $post->{uri} =~ /\A([^?]*)/;
        my $how = $self->_next_answer($path);
        my $id = "$conn-" . ++$count;

        $self->_note(id => $id, conn => $conn, path => $path, at => time,
            how => $how->{how} || 'answer', status => $how->{status} || 200,
            (defined $peer ? (peer => $peer) : ()), %$post);

        my %end = _treat($sock, $how);
        $self->_note(id => $id, end => time, %end);
        last if $end{closed} || $end{last};
    }
}


# One whole request, or nothing at the end of the connection.

sub _receive {
    my ($sock, $in) = @_;

    while ($$in !~ /\r\n\r\n/) {
        sysread $sock, $$in, 65536, length $$in or return;
    }

    $$in =~ s/\A(.*?)\r\n\r\n//s;
    my ($line, @lines) = split /\r\n/, $1;
    my ($method, $uri, $version) = split / /, $line;
    my @headers = map { [split /:[ \t]*/, $_, 2] } @lines;
    my %h = map { lc $_->[0] => $_->[1] } @headers;
    my $body = '';

    syswrite $sock, "HTTP/1.1 100 Continue\r\n\r\n"
        if ($h{expect} // '') =~ /100-continue/i;

    if (($h{'transfer-encoding'} // '') =~ /chunked/i) {
        for ( ;; ) {
            while ($$in !~ /\A([0-9a-f]+)[^\r]*\r\n/i) {
                sysread $sock, $$in, 65536, length $$in or return;
            }
            my $size = hex $1;
            $$in =~ s/\A[^\n]*\n//;
            while (length $$in < $size + 2) {
                sysread $sock, $$in, 65536, length $$in or return;
            }
            $body .= substr $$in, 0, $size, '';
            substr $$in, 0, 2, '';
            last if !$size;
        }

    } else {
        my $size = $h{'content-length'} // 0;
        while (length $$in < $size) {
            sysread $sock, $$in, 65536, length $$in or return;
        }
        $body = substr $$in, 0, $size, '';
    }

    return { method => $method, uri => $uri, version => $version,
        headers => \@headers, body => $body };
}


sub _send {
    my ($sock, $bytes) = @_;

    my $sent = 0;
    while ($sent < length $bytes) {
        my $n = syswrite $sock, $bytes, length($bytes) - $sent, $sent;
        last if !$n;
        $sent += $n;
    }
    return $sent;
}


# Sends the same again and again, until nobody takes it or limit is reached.

sub _send_on {
    my ($sock, $bytes, $limit, $pause) = @_;

    my $sent = 0;
    while ($sent < $limit) {
        my $n = _send($sock, $bytes);
        $sent += $n;
        return (sent => $sent, closed => 1) if $n < length $bytes;
        sleep $pause if $pause;
    }
    return (sent => $sent, last => 1);
}


sub _treat {
    my ($sock, $o) = @_;

    my $how = $o->{how} || 'answer';
    my $head = 'HTTP/1.1 ' . ($o->{status} || 200) . " so\r\n";
    sleep $o->{delay} if $o->{delay};
    wait_for(60, sub { -e $o->{until} }) if defined $o->{until};

    if ($how eq 'stall') {
        1 while sysread $sock, my $more, 65536;
        return (sent => 0, closed => 1);
    }

    return _send_on($sock, "X-More: " . 'y' x 4000 . "\r\n", 10 << 30)
        if $how eq 'heads' && _send($sock, $head);

    return _send_on($sock, 'z' x 65536, 10 << 30) if $how eq 'huge'
        && _send($sock, $head . 'Content-Length: ' . (10 << 30) . "\r\n\r\n");

    return _send_on($sock, "1\r\nx\r\n", 10 << 30, 0.05) if $how eq 'endless'
        && _send($sock, "${head}Transfer-Encoding: chunked\r\n\r\n");

    return (sent => _send($sock, "220 mail here\r\n\r\n"), last => 1)
        if $how eq 'garbage';

    if ($how eq 'reset') {
        setsockopt $sock, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        return (sent => 0, last => 1);
    }

    return (sent => 0, last => 1) if $how eq 'close';
    kill 'KILL', $o->{pid} if $how eq 'kill';

    my $body = $o->{body} // '';
    $head .= "$_->[0]: $_->[1]\r\n" for @{ $o->{headers} || [] };
    $head .= 'Content-Length: ' . length($body) . "\r\n\r\n";

    # who asked may be gone, and from here on he may go on

    return (sent => 0, closed => 1) if _gone($sock);
    my $end = time;
    my $sent = _send($sock, $head . $body);
    return (sent => $sent, end => $end,
        $sent < length "$head$body" ? (closed => 1) : ());
}


# Whether the other side has closed, so far as can be seen.

sub _gone {
    my ($sock) = @_;

    return 0 if $sock->isa('IO::Socket::SSL');
    my $in = '';
    vec($in, fileno $sock, 1) = 1;
    return 0 if !select $in, undef, undef, 0;
    my $got = recv $sock, my $byte, 1, MSG_PEEK;
    return !defined $got || !length $byte;
}


# --- what was received ------------------------------------------------------

sub _read {
    my ($self) = @_;

    open my $fh, '<:raw', "$self->{dir}/journal" or return;
    seek $fh, $self->{offset}, SEEK_SET;

    while (my $line = <$fh>) {
        last if $line !~ /\n\z/;
        $self->{offset} += length $line;
        my $note = $json->decode($line);

        if (defined $note->{failed}) {
            push @{ $self->{failed} }, $note->{failed};

        } elsif (my $post = $self->{known}{ $note->{id} }) {
            @{$post}{keys %$note} = values %$note;
            $post->{ended} = 1;

        } else {
            $self->{known}{ $note->{id} } = $note;
            push @{ $self->{posts} }, $note;
        }
    }
}


# All requests so far, in the order in which they came; those to one path.

sub posts {
    my ($self, $path) = @_;

    $self->_read;
    return grep { !defined $path || $_->{path} eq $path } @{ $self->{posts} };
}


# TLS connections that failed before a request, as we saw it.

sub failed {
    my ($self) = @_;

    $self->_read;
    return @{ $self->{failed} };
}


# Forgets what came so far.

sub forget {
    my ($self) = @_;

    $self->_read;
    $self->{posts} = [];
    $self->{failed} = [];
}


# Values of a header of a post; in scalar context the first.

sub header {
    my ($post, $name) = @_;

    my @all = map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $post->{headers} };
    return wantarray ? @all : $all[0];
}


# The events of a post, of distribution's envelope or of CloudEvents; dies
# when the body is neither.

sub events_of {
    my ($post) = @_;

    return @{ $post->{events} } if $post->{events};

    my $data = eval { JSON::PP->new->utf8->decode($post->{body}) };
    die "no JSON: $@" . substr($post->{body}, 0, 300) if !defined $data;

    my $list = ref $data eq 'ARRAY' ? [map { $_->{data} } @$data]
        : $data->{events};
    die 'no events: ' . substr $post->{body}, 0, 300
        if ref $list ne 'ARRAY' || !@$list;

    $post->{events} = $list;
    return @$list;
}


# What was sent to a path, in order, whatever became of it.

sub events {
    my ($self, $path) = @_;

    return map { events_of($_) } $self->posts($path);
}


# Of that what was taken: answered with 2xx.

sub taken {
    my ($self, $path) = @_;

    return map { events_of($_) } grep {
        $_->{how} eq 'answer' && $_->{status} =~ /\A2/ && $_->{ended}
            && !$_->{closed}
    } $self->posts($path);
}


# Posts that began before the one before had its answer, or was given up.

sub overlapping {
    my ($self, $path) = @_;

    my @posts = $self->posts($path);
    return map { "post $_ at $posts[$_]{at}" } grep {
        my $before = $posts[$_ - 1];
        $before->{ended} && !$before->{closed}
            && $posts[$_]{at} < $before->{end} - 0.001
    } 1 .. $#posts;
}


# Waits until so many posts, or events, are there; returns all of them.

sub wait_posts {
    my ($self, $path, $count, $seconds) = @_;

    my @posts;
    wait_for($seconds || 20, sub {
        return (@posts = $self->posts($path)) >= $count;
    });
    return @posts;
}


sub wait_events {
    my ($self, $path, $count, $seconds) = @_;

    my @events;
    wait_for($seconds || 20, sub {
        return (@events = $self->events($path)) >= $count;
    });
    return @events;
}


# The signature that a post has to bear.

sub signature {
    my ($post, $secret) = @_;

    return 'sha256=' . Digest::SHA::hmac_sha256_hex($post->{body}, $secret);
}


END {
    local $?;

    $_->down for grep { defined && $_->{owner} == $$ } values %live;
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    delete $live{$self};
    $self->down if $self->{owner} == $$;
}


1;

package Test::Registry::Model;

# One client that owns some repositories, does things to them by chance, and
# knows what each reply has to be: nobody else touches them, so a plain model
# in memory of what was acknowledged tells status, headers and bytes.
#
#   my $m = Test::Registry::Model->new(name => 'c1', ask => sub {
#       my ($method, $uri, %o) = @_; ... return $reply });
#   $m->step while !$m->wrong && ...;
#   diag $_ for $m->wrong;
#
# What comes next is drawn from rand() and the model alone, so that the same
# srand() does the same again.

use strict;
use warnings;

use parent 'Test::Registry::Model::Manifests';

use Test::Registry::Content;

# operations that are told of when something is wrong
use constant LOG => 40;

# how often each is drawn
my %weights = (
    start => 6, patch => 12, status => 4, cancel => 1, close => 8, dead => 2,
    single => 5, mount => 5, blob => 14, blob_delete => 3, image => 12,
    list => 5, again => 4, manifest => 16, tag_delete => 3,
    manifest_delete => 3, repository_delete => 1, tags => 6, referrers => 7,
    catalog => 4
);

my @lottery = map { ($_) x $weights{$_} } sort keys %weights;

# the last two are nested in one another
my @names = qw(a b nest nest/ed);


# name  what its repositories begin with
# ask   asks the registry: method, uri, and what a request takes

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, n => 0, count => 0, log => [], wrong => [],
        bytes => {}, dead => [] }, $class;
    $self->{repos} = { map { ("$o{name}/$_" => _empty()) } @names };
    $self->{made} = [];
    return $self;
}


sub wrong { return @{ $_[0]{wrong} } }
sub count { return $_[0]{count} }


sub _empty {
    return { there => 0, blobs => {}, manifests => {}, tags => {},
        sessions => {} };
}


sub step {
    my ($self) = @_;

    my $what = "_do_$lottery[rand @lottery]";
    $self->$what($self->_any(sort keys %{ $self->{repos} }));
}


sub _any { my $self = shift; return $_[rand @_] }
sub _chance { return rand() < $_[1] }


# Asks, and remembers that.

sub _ask {
    my ($self, $method, $uri, %o) = @_;

    $self->{count}++;
    my $reply = $self->{ask}->($method, $uri, %o);

    my $body = defined $o{body} && length $o{body}
        ? ' (' . length($o{body}) . ')' : '';
    my $headers = join '', map { " $_: $o{headers}{$_}" }
        grep { $_ ne 'Content-Type' } sort keys %{ $o{headers} || {} };
    my $location = $reply->header('Location') // '';
    push @{ $self->{log} }, sprintf '%5d %s %s%s%s -> %s %s',
        $self->{count}, $method, $uri, $body, $headers,
        $reply->status || $reply->error,
        $reply->status >= 400 ? join ' ', $reply->codes : $location;
    shift @{ $self->{log} } if @{ $self->{log} } > LOG;

    return $reply;
}


# A reply has this status and more: code (of an error), headers, body (of a
# GET; HEAD has its length alone), and no more than that was promised.

sub _must {
    my ($self, $reply, $status, %o) = @_;

    my @why;
    push @why, "wanted $status" if $reply->status != $status;
    push @why, 'cut' if !$reply->complete;

    if (!@why && $status >= 400 && $reply->{request} !~ /\AHEAD /) {
        push @why, "wanted $o{code}" if ($reply->codes)[0] ne $o{code};
    }

    my %headers = %{ $o{headers} || {} };
    for my $name (sort keys %headers) {
        my $have = join ', ', $reply->headers($name);
        push @why, "wanted $name: $headers{$name}"
            if $have ne $headers{$name};
    }

    if (defined $o{body}) {
        my $head = $reply->{request} =~ /\AHEAD /;
        push @why, 'wanted ' . length($o{body}) . ' other bytes'
            if $reply->body ne ($head ? '' : $o{body});
        push @why, 'wanted the length ' . length $o{body}
            if ($reply->header('Content-Length') // '') ne length $o{body};
    }

    return @why ? $self->_wrong($reply, @why) : 1;
}


sub _wrong {
    my ($self, $reply, @why) = @_;

    push @{ $self->{wrong} }, join "\n", "$self->{name}: @why",
        $reply->as_text, 'what it did:', @{ $self->{log} };
    return 0;
}


# Bytes that nobody had before.

sub _fresh {
    my ($self) = @_;

    my $size = $self->_chance(0.05) ? 60_000 + int rand 200_000
        : $self->_chance(0.03) ? 0 : int rand 400;
    my $bytes = $size ? "$self->{name} $self->{n}\n" . blob($size, $size)
        : '';
    $self->{n}++;
    my $digest = $self->_chance(0.1) ? sha512($bytes) : sha256($bytes);

    $self->{bytes}{$digest} = $bytes;
    push @{ $self->{made} }, $digest;
    return $digest;
}


# A digest made before, rather a late one: of a blob that may be anywhere.

sub _known {
    my ($self) = @_;

    my $made = $self->{made};
    return $self->_fresh if !@$made;
    return $made->[-1 - int rand(@$made < 25 ? @$made : 25)];
}


sub _has_blob {
    my ($self, $repo, $digest) = @_;

    $self->{repos}{$repo}{blobs}{$digest} = 1;
    $self->{repos}{$repo}{there} = 1;
}


sub _blob_headers {
    my ($repo, $digest) = @_;

    return { 'Docker-Content-Digest' => $digest,
        Location => "/v2/$repo/blobs/$digest" };
}


# Uploads: {left, of the bytes planned; got; digest}

sub _do_start {
    my ($self, $repo) = @_;

    my $digest = $self->_chance(0.8) ? $self->_fresh : $self->_known;
    my $query = $digest =~ /\Asha512/ && $self->_chance(0.5)
        ? '?digest-algorithm=sha512' : '';
    my $r = $self->_ask('POST', "/v2/$repo/blobs/uploads/$query",
        body => '');
    $self->_opened($r, $repo, $digest);
}


sub _opened {
    my ($self, $reply, $repo, $digest) = @_;

    my $uri = $reply->header('Location') // '';
    return $self->_wrong($reply, 'wanted the place of a session')
        if $uri !~ m{\A/v2/\Q$repo\E/blobs/uploads/[0-9a-f-]{36}\z};
    $self->_must($reply, 202, headers => { Range => '0-0' }) or return;
    $self->{repos}{$repo}{sessions}{$uri} = { got => 0, digest => $digest,
        n => $self->{n}++ };
}


# A session of the repository, the order being that of their making.

sub _session {
    my ($self, $repo) = @_;

    my $all = $self->{repos}{$repo}{sessions};
    my @uris = sort { $all->{$a}{n} <=> $all->{$b}{n} } keys %$all;
    return () if !@uris;
    my $uri = $uris[rand @uris];
    return ($uri, $all->{$uri});
}


sub _range { return '0-' . ($_[0] ? $_[0] - 1 : 0) }


sub _do_patch {
    my ($self, $repo) = @_;

    my ($uri, $s) = $self->_session($repo) or return;
    my $left = substr $self->{bytes}{ $s->{digest} }, $s->{got};
    my $size = $self->_chance(0.3) ? length $left
        : int rand(1 + length $left);
    my $piece = substr $left, 0, $size;

    my ($wrong, %headers) = (0);
    if ($size && $self->_chance(0.5)) {
        $wrong = $self->_chance(0.2) ? 1 + int rand 9 : 0;
        my $from = $s->{got} + $wrong;
        $headers{'Content-Range'} = "$from-" . ($from + $size - 1);
    }

    my $r = $self->_ask('PATCH', $uri, headers => \%headers,
        body => $piece);

    if ($wrong) {
        $self->_must($r, 416, code => 'RANGE_INVALID', headers => {
            Range => _range($s->{got}), Location => $uri });
        return;
    }

    $s->{got} += $size;
    $self->_must($r, 202, headers => { Range => _range($s->{got}),
        Location => $uri });
}


sub _do_status {
    my ($self, $repo) = @_;

    my ($uri, $s) = $self->_session($repo) or return;
    $self->_must($self->_ask('GET', $uri), 204,
        headers => { Range => _range($s->{got}), Location => $uri });
}


sub _ended {
    my ($self, $repo, @uris) = @_;

    delete @{ $self->{repos}{$repo}{sessions} }{@uris};
    push @{ $self->{dead} }, @uris;
    splice @{ $self->{dead} }, 0, -9;
}


sub _do_cancel {
    my ($self, $repo) = @_;

    my ($uri) = $self->_session($repo) or return;
    $self->_must($self->_ask('DELETE', $uri), 204);
    $self->_ended($repo, $uri);
}


sub _do_close {
    my ($self, $repo) = @_;

    my ($uri, $s) = $self->_session($repo) or return;
    my $digest = $s->{digest};
    my $rest = substr $self->{bytes}{$digest}, $s->{got};

    if ($self->_chance(0.1)) {
        my $r = $self->_ask('PUT', "$uri?digest=$digest", body => "${rest}x");
        $self->_must($r, 400, code => 'DIGEST_INVALID');

    } else {
        my $r = $self->_ask('PUT', "$uri?digest=$digest", body => $rest);
        $self->_must($r, 201, headers => _blob_headers($repo, $digest));
        $self->_has_blob($repo, $digest);
    }

    $self->_ended($repo, $uri);
}


# One that was finished, cancelled, or went with its repository.

sub _do_dead {
    my ($self) = @_;

    my $dead = $self->{dead};
    return if !@$dead;
    my $uri = $dead->[rand @$dead];
    my $method = $self->_any(qw(GET PATCH PUT DELETE));
    my $r = $self->_ask($method, $method eq 'PUT'
        ? "$uri?digest=" . sha256('x') : $uri,
        $method =~ /\AP/ ? (body => 'x') : ());
    $self->_must($r, 404, code => 'BLOB_UPLOAD_UNKNOWN');
}


sub _do_single {
    my ($self, $repo) = @_;

    my $digest = $self->_chance(0.7) ? $self->_fresh : $self->_known;
    my $uri = "/v2/$repo/blobs/uploads/?digest=$digest";
    my $bytes = $self->{bytes}{$digest};

    if ($self->_chance(0.1)) {
        $self->_must($self->_ask('POST', $uri, body => "${bytes}x"), 400,
            code => 'DIGEST_INVALID');
        return;
    }

    $self->_must($self->_ask('POST', $uri, body => $bytes), 201,
        headers => _blob_headers($repo, $digest));
    $self->_has_blob($repo, $digest);
}


sub _do_mount {
    my ($self, $repo) = @_;

    my $digest = $self->_known;
    # of nothing others have the digest, too
    my @from = $self->_chance(0.7) || $self->{bytes}{$digest} eq ''
        ? $self->_any(sort keys %{ $self->{repos} }) : ();
    my @look = @from ? @from : keys %{ $self->{repos} };

    my $r = $self->_ask('POST', "/v2/$repo/blobs/uploads/?mount=$digest"
        . join('', map { "&from=$_" } @from), body => '');

    if (!grep { $self->{repos}{$_}{blobs}{$digest} } @look) {
        $self->_opened($r, $repo, $digest);
        return;
    }

    $self->_must($r, 201, headers => _blob_headers($repo, $digest));
    $self->_has_blob($repo, $digest);
}


sub _do_blob {
    my ($self, $repo) = @_;

    my $digest = $self->_known;
    my $bytes = $self->{bytes}{$digest};
    my $there = $self->{repos}{$repo}{blobs}{$digest};
    my $uri = "/v2/$repo/blobs/$digest";
    my $method = $self->_any(qw(GET GET HEAD));
    my $size = length $bytes;

    my %headers;
    my $kind = $method eq 'HEAD' || !$size ? 'whole'
        : $self->_any(qw(whole whole range beyond tag));
    my $from = int rand($size || 1);
    my $to = $from + int rand($size - $from);

    $headers{Range} = "bytes=$from-$to" if $kind eq 'range';
    $headers{Range} = "bytes=$size-" if $kind eq 'beyond';
    $headers{'If-None-Match'} = "\"$digest\"" if $kind eq 'tag';

    my $r = $self->_ask($method, $uri, headers => \%headers);

    if (!$there) {
        $self->_must($r, 404, code => 'BLOB_UNKNOWN');

    } elsif ($kind eq 'range') {
        $self->_must($r, 206, body => substr($bytes, $from,
            $to - $from + 1), headers => {
                'Content-Range' => "bytes $from-$to/$size" });

    } elsif ($kind eq 'beyond') {
        $self->_must($r, 416, code => 'RANGE_INVALID');

    } elsif ($kind eq 'tag') {
        $self->_must($r, 304);

    } else {
        $self->_must($r, 200, body => $bytes, headers => {
            'Docker-Content-Digest' => $digest, ETag => "\"$digest\"" });
    }
}


sub _do_blob_delete {
    my ($self, $repo) = @_;

    my $digest = $self->_known;
    my $r = $self->_ask('DELETE', "/v2/$repo/blobs/$digest");

    delete $self->{repos}{$repo}{blobs}{$digest}
        ? $self->_must($r, 202)
        : $self->_must($r, 404, code => 'BLOB_UNKNOWN');
}


1;

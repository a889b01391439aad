package Test::Registry::Storm;

# Clients that push, mount, tag and delete all at once, each on a connection
# of its own, and a ledger of what they were told.
#
#   my $storm = Test::Registry::Storm->new(ledger => $ledger);
#   $storm->begin($t, 4);                    # so many clients
#   $storm->run(20, 0.005);                  # replies, and then seconds
#   $disk->cut;
#   $storm->end;                             # the replies that are on their way
#   my @wrong = $storm->resume($t);          # the sessions they have open
#
# An operation is a list of steps, a step one request: a sub that makes it, and
# what the ledger shall hold of it. Chance comes from rand() alone.
#
#   $storm->garbage('old', @bytes);          # blobs in that repository
#
# From then on half of what is pushed are these bytes, there and elsewhere, and
# half of what is mounted comes from there: while they are collected.

use strict;
use warnings;

use Time::HiRes qw(time);

use Test::Registry::Content;
use Test::Registry::Server ();

# sizes on both sides of what a session keeps without a state of its hash

use constant SMALL => 60_000;
use constant LARGE => 250_000;

# what is drawn, and how often

my @weights = (
    single => 4, whole => 4, chunked => 5, long => 2, mount => 4, image => 6,
    tagged => 3, move => 6, shared_tag => 4, referrer => 3, untag => 3,
    delete_manifest => 2, delete_blob => 3, delete_repo => 3, cancel => 1,
    leave => 2,
);


sub new {
    my ($class, %o) = @_;

    return bless {
        serial => 0, sessions => {}, parts => {}, loose => {}, images => {},
        counts => {}, seed => int rand 2**31, %o
    }, $class;
}


sub ledger { $_[0]{ledger} }
sub counts { $_[0]{counts} }


sub garbage {
    my ($self, $repo, @bytes) = @_;

    $self->{garbage} = { repo => $repo, bytes => \@bytes };
}


sub begin {
    my ($self, $t, $clients) = @_;

    $self->{t} = $t;
    $self->{ending} = 0;
    $self->{clients} = [ map {
        { id => $_, repo => "c$_/app", c => $t->connect, steps => [] }
    } 1 .. $clients ];
}


# Until so many replies have come, and so many seconds more.

sub run {
    my ($self, $replies, $seconds) = @_;

    my $until;
    for ( ;; ) {
        $self->_feed($_) for @{ $self->{clients} };

        $until = time + $seconds if !defined $until && $replies <= 0;
        my $left = defined $until ? $until - time : 5;
        return if $left <= 0;

        my @ready = $self->_ready($left);
        die "no client is answered\n" if !@ready && !defined $until;

        $replies -= $self->_take($_) for @ready;
    }
}


# Waits for the replies that are due; returns the number of those that
# acknowledge.

sub end {
    my ($self) = @_;

    my $late = 0;
    $self->{ending} = 1;

    for my $client (@{ $self->{clients} }) {
        $late += $self->_take($client) if $client->{step};
        $client->{c}->close;
    }

    delete $self->{clients};
    return $late;
}


sub _ready {
    my ($self, $seconds) = @_;

    my @busy = grep { $_->{step} } @{ $self->{clients} };
    my @now = grep { length $_->{c}->buffered } @busy;
    return @now if @now;

    my $in = '';
    vec($in, $_->{c}->fd, 1) = 1 for @busy;
    select(my $out = $in, undef, undef, $seconds);

    return grep { vec $out, $_->{c}->fd, 1 } @busy;
}


# Gives an idle client the next request.

sub _feed {
    my ($self, $client) = @_;

    return if $client->{step};

    while (!@{ $client->{steps} }) {
        my $what = _draw();
        my @steps = $self->$what($client);
        $client->{steps} = \@steps;
    }

    my $step = shift @{ $client->{steps} };
    my ($method, $uri, %o) = $step->{request}->();

    $step->{op} = $self->{ledger}->begin(%{ $step->{changes} || {} });
    $step->{sending}->() if $step->{sending};

    $client->{step} = $step;
    $client->{c}->start($method, $uri, %o);
    $client->{c}->send_body(%o, deadline => time + 20);
}


# Takes a reply; 1 when it acknowledges.

sub _take {
    my ($self, $client) = @_;

    my $step = delete $client->{step};
    my $r = $client->{c}->reply(timeout => 20);

    if ($r->status == ($step->{want} || 201)) {
        $self->{ledger}->acknowledge($step->{op});

        $self->{counts}{acknowledged}++;
        $self->{counts}{ $step->{name} }++ if $step->{name};
        $step->{done}->($r) if $step->{done};
        return 1;
    }

    $self->{ledger}->refuse($step->{op}) if $r->status;
    $self->{counts}{unacknowledged}++;

    die "nothing was wrong, but: " . $r->as_text
        if !$self->{ending} && $r->status != ($step->{or} || 0);

    return 0;
}


my $total;

sub _draw {
    my $i;

    if (!defined $total) {
        $total += $weights[2 * $_ + 1] for 0 .. $#weights / 2;
    }

    my $at = rand $total;
    for ($i = 0; $i < @weights; $i += 2) {
        $at -= $weights[$i + 1];
        last if $at < 0;
    }

    return "_$weights[$i]";
}


sub _pick {
    my (@list) = @_;

    return $list[rand @list];
}


# In the same order whenever the seed is the same.

sub _values {
    my ($hash) = @_;

    return map { $hash->{$_} } sort keys %{ $hash || {} };
}


# Bytes that nobody pushed before, or that are garbage by now.

sub _bytes {
    my ($self, $size) = @_;

    my $garbage = $self->{garbage};
    return _pick(@{ $garbage->{bytes} }) if $garbage && rand() < 0.5;

    return blob(int($size), "$self->{seed}-" . ++$self->{serial});
}


# Some image parts that are in the repository, and nobody deletes.

sub _parts {
    my ($self, $repo) = @_;

    return grep { ($self->{ledger}->value("blob $repo $_->[0]") // '') eq 1 }
        _values($self->{parts}{$repo});
}


sub _single {
    my ($self, $client) = @_;

    my $repo = $client->{repo};
    my $bytes = $self->_bytes(1 + rand SMALL);
    my $digest = rand() < 0.1 ? sha512($bytes) : sha256($bytes);

    # where the link is old

    if ($self->{garbage} && rand() < 0.3) {
        $repo = $self->{garbage}{repo};
        $self->{ledger}->passing("blob $repo $digest");
    }

    return {
        name => 'single POST', changes => { "blob $repo $digest" => 1 },
        request => sub {
            ('POST', "/v2/$repo/blobs/uploads/?digest=$digest",
                body => $bytes)
        },
        done => sub { $self->_have($repo, $digest, length $bytes) },
    };
}


# A blob is there to be used, or to be deleted, and never both.

sub _have {
    my ($self, $repo, $digest, $size) = @_;

    return if grep { $self->{$_}{$repo}{$digest} } qw(parts loose);

    my $where = rand() < 0.6 ? 'parts' : 'loose';
    $self->{$where}{$repo}{$digest} = [$digest, $size];
}


# The steps of a session: POST, PATCHes of the given sizes, PUT of the rest.

sub _session {
    my ($self, $client, $size, $pieces, %o) = @_;

    my $repo = $client->{repo};
    my $bytes = $self->_bytes($size);
    $size = length $bytes;
    my $s = {
        repo => $repo, bytes => $bytes, digest => sha256($bytes), told => 0,
        sent => 0
    };

    my @steps = {
        want => 202,
        request => sub {
            ('POST', "/v2/$repo/blobs/uploads/", body => '')
        },
        done => sub {
            $s->{path} = Test::Registry::Server::path_of(
                $_[0]->header('Location'));
            $self->{sessions}{ $s->{path} } = $s;
        },
    };

    my $at = 0;
    for (1 .. $pieces) {
        my $from = $at;
        my $n = int(($size - $at) * rand 0.7);
        $at += $n;
        push @steps, {
            name => 'PATCH', want => 202,
            sending => sub { $s->{sent} = $from + $n },
            request => sub {
                ('PATCH', $s->{path}, body => substr $bytes, $from, $n)
            },
            done => sub { $s->{told} = $from + $n },
        };
    }

    return @steps if $o{leave};

    my $key = "blob $repo $s->{digest}";
    push @steps, {
        name => 'PUT', changes => { $key => 1 },
        sending => sub { $s->{sent} = $size },
        request => sub {
            ('PUT', "$s->{path}?digest=$s->{digest}",
                body => substr $bytes, $at)
        },
        done => sub {
            delete $self->{sessions}{ $s->{path} };
            $self->_have($repo, $s->{digest}, $size);
        },
    } if !$o{cancel};

    push @steps, {
        name => 'cancel', want => 204,
        request => sub { ('DELETE', $s->{path}) },
        done => sub { delete $self->{sessions}{ $s->{path} } },
    } if $o{cancel};

    return @steps;
}


sub _whole { $_[0]->_session($_[1], 1 + rand SMALL, 0) }
sub _chunked { $_[0]->_session($_[1], 10 + rand SMALL, 1 + rand 3) }
sub _long { $_[0]->_session($_[1], SMALL + rand LARGE, 1 + rand 3) }
sub _leave { $_[0]->_session($_[1], rand LARGE, 1 + rand 3, leave => 1) }
sub _cancel { $_[0]->_session($_[1], rand LARGE, 1, cancel => 1) }


sub _mount {
    my ($self, $client) = @_;

    my $repo = $client->{repo};

    return $self->_mount_garbage($repo) if $self->{garbage} && rand() < 0.5;

    my $from = _pick(map { $_->{repo} } @{ $self->{clients} });
    my $part = _pick($self->_parts($from)) or return;

    return {
        name => 'mount', changes => { "blob $repo $part->[0]" => 1 },
        request => sub {
            ('POST', "/v2/$repo/blobs/uploads/?mount=$part->[0]&from=$from",
                body => '')
        },
        done => sub { $self->_have($repo, @$part) },
    };
}


# It may be gone: then an upload is begun.

sub _mount_garbage {
    my ($self, $repo) = @_;

    my $g = $self->{garbage};
    my $bytes = _pick(@{ $g->{bytes} });
    my $digest = sha256($bytes);

    return {
        name => 'mount of garbage', or => 202,
        changes => { "blob $repo $digest" => 1 },
        request => sub {
            ('POST', "/v2/$repo/blobs/uploads/?mount=$digest&from=$g->{repo}",
                body => '')
        },
        done => sub { $self->_have($repo, $digest, length $bytes) },
    };
}


# A manifest of parts that are there.

sub _manifest {
    my ($self, $repo, %more) = @_;

    my $config = _pick($self->_parts($repo)) or return;
    my $layer = _pick($self->_parts($repo));

    my $bytes = to_json(manifest(
        descriptor(OCI_CONFIG, @$config), [ descriptor(OCI_LAYER, @$layer) ],
        annotations => { n => 'number ' . ++$self->{serial} }, %more));

    return { repo => $repo, bytes => $bytes, digest => sha256($bytes),
        size => length $bytes };
}


sub _put {
    my ($self, $m, $name, $reference, @tags) = @_;

    my $repo = $m->{repo};
    return {
        name => $name,
        changes => {
            "manifest $repo $m->{digest}" => 1,
            map { ("tag $repo $_" => $m->{digest}) } @tags,
        },
        request => sub {
            ('PUT', "/v2/$repo/manifests/$reference", body => $m->{bytes},
                headers => [['Content-Type', OCI_MANIFEST]])
        },
        done => sub { $self->{images}{$repo}{ $m->{digest} } = $m },
    };
}


sub _image {
    my ($self, $client) = @_;

    my $m = $self->_manifest($client->{repo}) or return;
    my $tag = 'v' . int rand 12;

    return $self->_put($m, 'manifest by tag', $tag, $tag);
}


sub _tagged {
    my ($self, $client) = @_;

    my $m = $self->_manifest($client->{repo}) or return;
    my @tags = map { "$_" . int rand 6 } ('x', 'y')[0 .. rand 2];

    return $self->_put($m, 'manifest with tags',
        "$m->{digest}?" . join('&', map { "tag=$_" } @tags), @tags);
}


sub _images {
    my ($self, $repo) = @_;

    return grep {
        ($self->{ledger}->value("manifest $repo $_->{digest}") // '') eq 1
    } _values($self->{images}{$repo});
}


# A tag of one's own, put on what is there already.

sub _move {
    my ($self, $client) = @_;

    my $m = _pick($self->_images($client->{repo})) or return;
    my $tag = 'v' . int rand 12;

    return $self->_put($m, 'tag move', $tag, $tag);
}


# One tag that all of them move: in a repository where nothing is deleted.

sub _shared_tag {
    my ($self, $client) = @_;

    my $m = $self->_manifest('shared');

    if (!$m) {
        return $self->_single({ %$client, repo => 'shared' });
    }

    return $self->_put($m, 'tag move', 'latest', 'latest');
}


sub _referrer {
    my ($self, $client) = @_;

    my $subject = _pick($self->_images($client->{repo})) or return;
    my $m = $self->_manifest($client->{repo}, subject => descriptor(
        OCI_MANIFEST, $subject->{digest}, $subject->{size})) or return;

    my $put = $self->_put($m, 'referrer', $m->{digest});
    my $done = $put->{done};

    $put->{done} = sub {
        $done->();
        $self->{referrers}{"$m->{repo} $subject->{digest}"}{ $m->{digest} }
            = 1;
    };

    return $put;
}


# Every referrer that was acknowledged and is there is listed.

sub referrers {
    my ($self, $t) = @_;

    my @wrong;
    my $c = $t->connect;

    for my $key (sort keys %{ $self->{referrers} }) {
        my ($repo, $subject) = split / /, $key;
        my $r = $c->get("/v2/$repo/referrers/$subject");
        my $json = $r->status == 200 ? $r->json : { manifests => [] };
        my %listed = map { $_->{digest} => 1 } @{ $json->{manifests} };

        push @wrong, map { "referrer $_ of $subject in $repo is not listed" }
            grep {
                !$listed{$_} && $self->{ledger}->value("manifest $repo $_")
            } sort keys %{ $self->{referrers}{$key} };
    }

    return @wrong;
}


# Tags of one's own that are there: {tag => digest}.

sub _tags {
    my ($self, $repo) = @_;

    my %tags;
    for my $key (map { my $p = $_; map { "tag $repo $p$_" } 0 .. 11 }
        qw(v x y))
    {
        my $value = $self->{ledger}->value($key) // '';
        $tags{ ($key =~ / (\S+)\z/)[0] } = $value if $value ne '';
    }

    return %tags;
}


sub _untag {
    my ($self, $client) = @_;

    my $repo = $client->{repo};
    my %tags = $self->_tags($repo);
    my $tag = _pick(sort keys %tags) // return;

    return {
        name => 'tag delete', want => 202,
        changes => { "tag $repo $tag" => '' },
        request => sub { ('DELETE', "/v2/$repo/manifests/$tag") },
    };
}


# With every tag that it has.

sub _delete_manifest {
    my ($self, $client) = @_;

    my $repo = $client->{repo};
    my $m = _pick($self->_images($repo)) or return;
    my %tags = $self->_tags($repo);

    delete $self->{images}{$repo}{ $m->{digest} };

    return {
        name => 'manifest delete', want => 202,
        changes => {
            "manifest $repo $m->{digest}" => '',
            map { ("tag $repo $_" => '') }
                grep { $tags{$_} eq $m->{digest} } keys %tags,
        },
        request => sub { ('DELETE', "/v2/$repo/manifests/$m->{digest}") },
    };
}


sub _delete_blob {
    my ($self, $client) = @_;

    my $repo = $client->{repo};
    my $loose = _pick(grep {
        ($self->{ledger}->value("blob $repo $_->[0]") // '') eq 1
    } _values($self->{loose}{$repo})) or return;

    delete $self->{loose}{$repo}{ $loose->[0] };

    return {
        name => 'blob delete', want => 202,
        changes => { "blob $repo $loose->[0]" => '' },
        request => sub { ('DELETE', "/v2/$repo/blobs/$loose->[0]") },
    };
}


# A repository made to be deleted: one with another inside it, or a leaf.

sub _delete_repo {
    my ($self, $client) = @_;

    my $repo = rand() < 0.5 ? "c$client->{id}" : "c$client->{id}/gone";
    my $bytes = $self->_bytes(1 + rand 2000);
    my $digest = sha256($bytes);
    my $image = to_json(manifest(descriptor(OCI_CONFIG, $bytes),
        [ descriptor(OCI_LAYER, $bytes) ]));
    my $m = { repo => $repo, bytes => $image, digest => sha256($image) };

    my $put = $self->_put($m, 'manifest by tag', 'v1', 'v1');
    delete $put->{done};

    return ({
        name => 'single POST', changes => { "blob $repo $digest" => 1 },
        request => sub {
            ('POST', "/v2/$repo/blobs/uploads/?digest=$digest",
                body => $bytes)
        },
    }, $put, {
        name => 'repository delete', want => 202,
        changes => {
            map { $_ => '' } "blob $repo $digest", "tag $repo v1",
                "manifest $repo $m->{digest}",
                $self->{ledger}->things($repo),
        },
        request => sub {
            ('DELETE', "/v2/$repo/_nginx/repository/content")
        },
    });
}


# Asks for every session that was open when the power went: it is gone, or
# goes on at an offset that the client knows of, to the right end.

sub resume {
    my ($self, $t) = @_;

    my @wrong;
    my $c = $t->connect;

    for my $path (sort keys %{ $self->{sessions} }) {
        my $s = delete $self->{sessions}{$path};
        my $r = $c->get($path);

        if ($r->status == 404) {
            $self->{counts}{'sessions gone'}++;
            next;
        }

        my ($end) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/;
        my $size = length $s->{bytes};

        if ($r->status != 204 || !defined $end) {
            push @wrong, "session $path: " . $r->as_text;
            next;
        }

        my $at = $end == 0 ? undef : $end + 1;
        push @wrong, "session $path is at $at, $s->{sent} bytes were sent"
            if defined $at && $at > $s->{sent};

        $r = $self->_finish($c, $s, $at);

        if ($r->status != 201) {
            push @wrong, "session $path cannot go on at " . ($at // 0) . ': '
                . $r->as_text;
            next;
        }

        my $key = "blob $s->{repo} $s->{digest}";
        $self->{ledger}->acknowledge($self->{ledger}->begin($key => 1));
        $self->{counts}{'sessions resumed'}++;
    }

    return @wrong;
}


# 0-0 may mean none or one: the server says which, when it is asked to go on.

sub _finish {
    my ($self, $c, $s, $at) = @_;

    my $size = length $s->{bytes};

    for my $from (defined $at ? $at : (0, 1)) {
        next if $from > $size;
        my $rest = substr $s->{bytes}, $from;

        my $r = $c->patch($s->{path}, body => $rest, headers => [
            ['Content-Range', "$from-" . ($size - 1)]]);
        next if $r->status == 416 && !defined $at && $from == 0;
        return $r if $r->status != 202 && length $rest;
        return $c->put("$s->{path}?digest=$s->{digest}", body => '');
    }

    return $c->put("$s->{path}?digest=$s->{digest}", body => '');
}


1;

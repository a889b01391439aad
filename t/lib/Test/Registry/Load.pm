package Test::Registry::Load;

# Clients at work, all at once, each a process of its own with connections
# that it keeps (Test::Registry::Kept says what it forgives). Every reply is
# checked, every byte that is pulled is hashed, and whatever is not as it must
# be is a failure with its reason.
#
#   my $load = Test::Registry::Load->start($t, push => 3, pull => 2);
#   ... what is done to the server meanwhile ...
#   my $sum = $load->stop;
#   is($sum->{failed}, 0, 'no failed operation') or diag $sum->reasons;
#
#   push    images as docker pushes them, with mounts, read back at once; the
#           oldest ones are deleted, manifest and blobs; a tag that all of
#           them move
#   pull    images that stay, and the tag that moves
#   list    tags by pages, the catalog, referrers
#   cancel  uploads that are begun, asked about and cancelled
#   slow    uploads whose PATCH takes seconds
#
# What is pushed comes again and again, so the store does not grow for ever.

use strict;
use warnings;

use File::Temp ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

use Test::Registry::Content;
use Test::Registry::Kept;
use Test::Registry::Load::Sum;
use Test::Registry::Process;
use Test::Registry::Server;

use constant STAY => 4;            # images that nobody deletes
use constant IMAGES => 24;         # of each pusher
use constant KEEP => 5;            # of them in the registry at a time

*path_of = \&Test::Registry::Server::path_of;
*with_query = \&Test::Registry::Server::with_query;

my %roles = (push => \&_push, pull => \&_pull, list => \&_list,
    cancel => \&_cancel, slow => \&_slow);


# push, pull, list, cancel, slow  how many clients
# closes   false: no kept connection may be closed by the server
# cuts     true: the server may die: an operation without a reply is done
#          again, an upload goes on from where the server says it stands
# headers  with each request
# ports    default: that of the server
# size     of a layer at most

sub start {
    my ($class, $server, %o) = @_;

    my $self = bless {
        closes => 1, cuts => 0, headers => [], ports => [$server->port],
        size => 800_000, %o, clients => [], count => {}, failed => 0,
        reasons => [], cut => 0, tags => {}, gone => {}, owner => $$,
        dir => File::Temp::tempdir('registry-load-XXXXXXXX', TMPDIR => 1,
            CLEANUP => 1)
    }, $class;

    $self->{http} = $self->_http;
    $self->_prepare;
    $self->{http}->close;

    for my $role (sort keys %roles) {
        $self->_client($role, $_) for 1 .. $o{$role} || 0;
    }

    return $self;
}


sub _http {
    my ($self) = @_;

    return Test::Registry::Kept->new(
        map { $_ => $self->{$_} } qw(closes headers ports));
}


# What stays: images, an artifact for each, and the tag that moves.

sub _prepare {
    my ($self) = @_;

    for my $n (0 .. STAY - 1) {
        my $image = $self->_stays($n);
        $self->_image("stay/$n", 'v1', $image, $n);
        $self->_image('moving', 'latest', $image, $n);

        my $subject = descriptor($image->{type}, $image->{bytes});
        my $artifact = image(seed => "artifact $n", config => '{}',
            config_type => OCI_EMPTY, more => { subject => $subject });
        $self->_image("stay/$n", $artifact->{digest}, $artifact, 0);
    }
}


sub _stays {
    my ($self, $n) = @_;

    return $self->{stays}[$n] ||= image(seed => "stays $n",
        layers => [map { blob(100_000 * ($n + $_), "stays $n $_") } 1, 2]);
}


sub _client {
    my ($self, $role, $n) = @_;

    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if ($pid) {
        push @{ $self->{clients} }, $pid;
        return;
    }

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    eval { $self->_work($role, $n) };
    print STDERR "a client died: $@" if $@;
    POSIX::_exit($@ ? 1 : 0);
}


sub _work {
    my ($self, $role, $n) = @_;

    $self->{http} = $self->_http;
    $self->{n} = $n;

    for (my $i = 0; !-e "$self->{dir}/stop"; $i++) {
        next if eval { $roles{$role}->($self, $i); 1 };

        if (ref $@) {
            $self->{cut}++;
            $self->_wait;
            next;
        }

        $self->{failed}++;
        push @{ $self->{reasons} }, sprintf('%.3f ', time) . "$role $n: $@"
            if @{ $self->{reasons} } < 10;
        sleep 0.1;
    }

    my $http = $self->{http};
    my %all = (
        (map { $_ => $self->{$_} }
            qw(count failed reasons cut tags gone)),
        (map { $_ => $http->{$_} } qw(requests repeated raced)),
    );

    open my $out, '>:raw', "$self->{dir}/$$.new" or die "$!\n";
    print {$out} JSON::PP->new->canonical->encode(\%all) or die "$!\n";
    close $out or die "$!\n";
    rename "$self->{dir}/$$.new", "$self->{dir}/$$.json" or die "$!\n";
}


# Ends all clients, each after what it is doing: a Test::Registry::Load::Sum.

sub stop {
    my ($self, %o) = @_;

    open my $stop, '>', "$self->{dir}/stop" or die "$self->{dir}: $!\n";
    close $stop;

    my $sum = Test::Registry::Load::Sum->new;

    for my $pid (splice @{ $self->{clients} }) {
        my $status = reap($pid, $o{timeout} || 60);

        if (!defined $status) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }

        $sum->add($pid, $status, "$self->{dir}/$pid.json");
    }

    return $sum;
}


sub running {
    my ($self) = @_;

    return grep { alive($_) } @{ $self->{clients} };
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);

    return if $self->{owner} != $$;

    for my $pid (@{ $self->{clients} }) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
}


# --- one request ------------------------------------------------------------

sub _ask {
    my ($self, $method, $uri, $want, %o) = @_;

    my $r = $self->{http}->request($method, $uri, %o);

    return $r if $r->complete && grep { $r->status == $_ }
        ref $want ? @$want : $want;

    die { cut => 1 } if $self->{cuts} && (!$r->status || !$r->complete);

    die 'wanted ' . (ref $want ? "@$want" : $want) . "\n"
        . substr($r->as_text, 0, 600) . "\n";
}


# Until the server is there again.

sub _wait {
    my ($self) = @_;

    wait_for(30, sub {
        return 1 if $self->{http}->request('GET', '/v2/')->status == 200;
        sleep 0.05;
        return 0;
    }) or die "the server does not come back\n";
}


sub _is {
    my ($got, $want, $what) = @_;

    return if defined $got && $got eq $want;
    $got = defined $got && length $got > 80
        ? length($got) . ' bytes, ' . sha256($got) : $got // 'nothing';
    $want = length($want) . ' bytes, ' . sha256($want) if length $want > 80;
    die "$what: $got instead of $want\n";
}


# --- pushing ----------------------------------------------------------------

# One blob, by one of the ways that clients have. With cuts it goes on from
# where it was cut.

sub _blob {
    my ($self, $repo, $bytes, $way) = @_;

    my $digest = sha256($bytes);

    return $digest if $self->_ask('HEAD', "/v2/$repo/blobs/$digest",
        [200, 404])->status == 200;

    my ($location, $ending);

    return $digest if eval {
        if ($way % 3 == 2) {
            $self->_ask('POST', "/v2/$repo/blobs/uploads/?digest=$digest",
                201, body => $bytes);
            return 1;
        }

        my $r = $self->_ask('POST', "/v2/$repo/blobs/uploads/", 202,
            body => '');
        $location = path_of($r->header('Location'));

        if ($way % 3 == 1) {
            $ending = 1;
            $self->_ask('PUT', with_query($location, digest => $digest), 201,
                body => $bytes);

        } else {
            my @pieces = $bytes =~ /.{1,32768}/sg;
            $r = $self->_ask('PATCH', $location, 202, chunks => \@pieces);
            $ending = 1;
            $self->_ask('PUT', with_query(path_of($r->header('Location')),
                digest => $digest), 201, body => '');
        }
        1;
    };

    die $@ if !ref $@ || !defined $location;

    $self->{cut}++;
    $self->_resume($repo, $location, $bytes, $digest, $ending);
    return $digest;
}


# Another process may have the session for a moment still. Who was killed over
# its end has perhaps put the blob in place and not linked it: then there is
# neither, and the upload begins anew.

sub _resume {
    my ($self, $repo, $location, $bytes, $digest, $ending) = @_;

    my $r;

    $self->_wait;
    wait_for(20, sub {
        $r = $self->_ask('GET', $location, [204, 404, 429]);
        return $r->status != 429;
    });

    if ($r->status == 404) {
        $r = $self->_ask('HEAD', "/v2/$repo/blobs/$digest",
            $ending ? [200, 404] : 200);
        die { cut => 1 } if $r->status == 404;
        $self->{count}{'finished without a reply'}++;
        return;
    }

    my ($last) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/
        or die 'Range: ' . $r->header('Range') . "\n";
    my $at = $last ? $last + 1 : 0;

    if ($at < length $bytes) {
        $self->_ask('PATCH', $location, 202, body => substr($bytes, $at),
            headers => { 'Content-Range' => "$at-" . (length($bytes) - 1) });
    }

    $self->_ask('PUT', with_query($location, digest => $digest), 201,
        body => '');
    $self->{count}{resumed}++;
}


# Blobs, then the manifest.

sub _image {
    my ($self, $repo, $ref, $image, $way) = @_;

    $self->_blob($repo, $_, $way++) for $image->{config},
        @{ $image->{layers} };
    $self->_manifest($repo, $ref, $image);
}


sub _manifest {
    my ($self, $repo, $ref, $image) = @_;

    my $r = $self->_ask('PUT', "/v2/$repo/manifests/$ref", 201,
        body => $image->{bytes},
        headers => { 'Content-Type' => $image->{type} });
    _is($r->header('Docker-Content-Digest'), $image->{digest},
        'the digest of a manifest that was put');
}


sub _push {
    my ($self, $i) = @_;

    my $repo = "push/$self->{n}";
    my $tag = 't' . $i % 4;
    my $image = $self->_own($i);
    my $shared = $self->_stays(0)->{layers}[0];

    # until it is acknowledged the tag may be the old or the new one

    delete $self->{tags}{"$repo:$tag"};
    delete $self->{gone}{"$repo\@$image->{digest}"};

    $self->_ask('POST', "/v2/$repo/blobs/uploads/?mount=" . sha256($shared)
        . '&from=stay/0', 201, body => '');
    $self->_image($repo, $tag, $image, $i);
    $self->{tags}{"$repo:$tag"} = $image->{digest};
    $self->{there}{ $i % IMAGES } = 1;
    $self->{count}{push}++;

    _is($self->_ask('GET', "/v2/$repo/manifests/$tag", 200)->body,
        $image->{bytes}, 'a manifest that was just put');
    my $layer = $image->{layers}[$i % 2];
    _is($self->_ask('GET', "/v2/$repo/blobs/" . sha256($layer), 200)->body,
        $layer, 'a layer that was just put');
    $self->{count}{pull}++;

    $self->_move($image, $repo) if $i % 5 == 0;
    $self->_delete($i - KEEP) if $i >= KEEP;
}


# The images of one pusher: two layers of its own, one that many have.

sub _own {
    my ($self, $i) = @_;

    my $k = $i % IMAGES;
    my @sizes = map { 1 + ($k * 37 + $_ * 11) % 97 } 1, 2;

    return image(seed => "$self->{n} $k", layers => [
        (map { blob(int($sizes[$_] / 97 * $self->{size}),
            "$self->{n} $k $_") } 0, 1),
        $self->_stays(0)->{layers}[0]
    ]);
}


sub _move {
    my ($self, $image, $from) = @_;

    for my $bytes ($image->{config}, @{ $image->{layers} }) {
        my $digest = sha256($bytes);
        $self->_ask('POST', '/v2/moving/blobs/uploads/?mount='
            . "$digest&from=$from", 201, body => '');
        $self->{count}{mount}++;
    }

    $self->_manifest('moving', 'latest', $image);
    $self->{count}{move}++;
}


sub _delete {
    my ($self, $i) = @_;

    return if !delete $self->{there}{ $i % IMAGES };

    my $repo = "push/$self->{n}";
    my $image = $self->_own($i);

    my @paths = ("/v2/$repo/manifests/$image->{digest}",
        map { "/v2/$repo/blobs/" . sha256($_) } $image->{config},
            @{ $image->{layers} }[0, 1]);

    # what was cut may have been carried out

    for (@paths) {
        $self->_ask('DELETE', $_, $self->{cuts} ? [202, 404] : 202);
        $self->_ask('HEAD', $_, 404);
        $self->{count}{delete}++;
    }

    $self->{gone}{"$repo\@$image->{digest}"} = 1;
}


# --- the others -------------------------------------------------------------

sub _pull {
    my ($self, $i) = @_;

    my $n = int rand STAY + 1;
    my ($repo, $tag) = $n < STAY ? ("stay/$n", 'v1') : ('moving', 'latest');
    my $uri = "/v2/$repo/manifests/";

    my $r = $self->_ask('HEAD', "$uri$tag", 200);
    my $digest = $r->header('Docker-Content-Digest');
    $r = $self->_ask('GET', "$uri$digest", 200);
    _is(sha256($r->body), $digest, "the manifest of $repo");
    _is($digest, $self->_stays($n)->{digest}, $repo) if $n < STAY;

    for my $part ($r->json->{config}, @{ $r->json->{layers} }) {
        my $blob = $self->_ask('GET', "/v2/$repo/blobs/$part->{digest}", 200);
        _is(sha256($blob->body), $part->{digest}, "a blob of $repo");
    }

    if ($n < STAY) {
        my $layer = $self->_stays($n)->{layers}[1];
        my $at = int rand length($layer) - 1000;
        $r = $self->_ask('GET', "/v2/$repo/blobs/" . sha256($layer), 206,
            headers => { Range => "bytes=$at-" . ($at + 999) });
        _is($r->body, substr($layer, $at, 1000), 'a part of a blob');
    }

    $self->{count}{pull}++;
}


sub _list {
    my ($self, $i) = @_;

    my %tags = map { $_ => 1 } $self->_pages('moving/tags/list?n=1', 'tags');
    _is($tags{latest}, 1, 'the tag that moves');

    my %repos = map { $_ => 1 } $self->_pages('_catalog?n=3',
        'repositories');
    _is($repos{"stay/$_"}, 1, "stay/$_ in the catalog") for 0 .. STAY - 1;

    my $n = $i % STAY;
    my $r = $self->_ask('GET', "/v2/stay/$n/referrers/"
        . $self->_stays($n)->{digest}, 200);
    _is(scalar @{ $r->json->{manifests} }, 1, 'referrers');

    $self->{count}{list}++;
    sleep 0.02;
}


sub _pages {
    my ($self, $uri, $key) = @_;

    my @all;
    $uri = "/v2/$uri";

    for (1 .. 200) {
        my $r = $self->_ask('GET', $uri, 200);
        push @all, @{ $r->json->{$key} };
        my ($next) = ($r->header('Link') // '') =~ /<([^>]+)>; rel="next"/;
        return @all if !defined $next;
        $uri = path_of($next);
    }

    die "the list does not end\n";
}


sub _cancel {
    my ($self, $i) = @_;

    my $r = $self->_ask('POST', "/v2/cancel/$self->{n}/blobs/uploads/", 202,
        body => '');
    my $location = path_of($r->header('Location'));
    my $bytes = blob(50_000 + $i % 7 * 9999, "cancel $self->{n}");

    $self->_ask('PATCH', $location, 202, body => $bytes);
    $r = $self->_ask('GET', $location, 204);
    _is($r->header('Range'), '0-' . (length($bytes) - 1), 'Range');
    $self->_ask('DELETE', $location, $self->{cuts} ? [204, 404] : 204);
    $self->_ask('GET', $location, 404);

    $self->{count}{cancel}++;
    sleep 0.02;
}


sub _slow {
    my ($self, $i) = @_;

    my $bytes = blob(600_000, "slow $self->{n} " . $i % 3);
    my $digest = sha256($bytes);
    my $r = $self->_ask('POST', "/v2/slow/$self->{n}/blobs/uploads/", 202,
        body => '');
    my $location = path_of($r->header('Location'));

    # on whichever connection, it outlives what the server does meanwhile

    $self->_ask('PATCH', $location, 202, pause => 0.25,
        chunks => [$bytes =~ /.{1,60000}/sg]);
    $self->_ask('PUT', with_query($location, digest => $digest), 201,
        body => '');
    _is($self->_ask('GET', "/v2/slow/$self->{n}/blobs/$digest", 200)->body,
        $bytes, 'a slow layer');
    $self->_ask('DELETE', "/v2/slow/$self->{n}/blobs/$digest", 202);

    $self->{count}{slow}++;
}


1;

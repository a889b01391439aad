package Test::Clients::Shared;

# One data directory with two registries on it, both running: ours and
# distribution, of the major version that is asked for.
#
#   my $s = Test::Clients::Shared->new(2);
#   $s->ours->push_image('a', 'latest');
#   serves_manifest($s->peer, 'a', 'latest', $image, 'the peer serves it');
#
# TEST_REGISTRY_PEER puts another distribution in our place, to see what those
# two make of each other.

use strict;
use warnings;

use Exporter qw( import );
use File::Find ();
use File::Temp ();
use Test::Clients qw( tool );
use Test::Clients::Peer;
use Test::More;
use Test::Registry;

our @EXPORT = qw(
    each_peer serves_manifest serves_blob serves_image is_gone tags_of
    repositories_of files_below every_type index_of
);

my %program = (2 => 'docker-registry', 3 => 'registry');


# Runs code with a pair for each version of distribution that is here; COUNT
# is what it asserts with one.

sub each_peer {
    my ($count, $code) = @_;

    plan(tests => 2 * $count);

    for my $major (2, 3) {
        SKIP: {
            my $binary = tool($program{$major});

            skip_tests("no $program{$major} here", $count)
                if !defined $binary;

            my $s = Test::Clients::Shared->new($binary);
            note('distribution ' . $s->peer->version);
            $code->($s, "$major.x");
            $s->end;
        }
    }

    return;
}


sub new {
    my ($class, $binary) = @_;

    my $self = bless {}, $class;
    my $other = $ENV{TEST_REGISTRY_PEER};

    $self->{dir} = File::Temp->newdir('registry-shared-XXXXXXXX',
        TMPDIR => 1);
    chmod 0755, "$self->{dir}";
    my $root = "$self->{dir}/root";
    mkdir $root;

    $self->{peer} = Test::Clients::Peer->new(binary => $binary,
        root => $root)->run;
    $self->{ours} = defined $other && length $other
        ? Test::Clients::Peer->new(binary => tool($other) // $other,
                                   root => $root)->run
        : Test::Registry->new(root => $root, workers => 2,
                              location => 'registry_delete on;')->run;
    $self->{stands_in} = 1 if defined $other && length $other;

    return $self;
}


sub ours { return $_[0]{ours} }
sub peer { return $_[0]{peer} }
sub root { return "$_[0]{dir}/root" }


# Why an assertion about us cannot hold, when another stands in our place.

sub stands_in {
    my ($self) = @_;

    return $self->{stands_in} ? 'distribution stands in our place' : undef;
}


sub restart_ours {
    my ($self) = @_;

    $self->ours->stop or die "it does not stop\n";
    $self->ours->run;

    return;
}


# Both directions: (writer, reader, words for them).

sub directions {
    my ($self) = @_;

    return ([ $self->ours, $self->peer, 'from us' ],
            [ $self->peer, $self->ours, 'to us' ]);
}


# All but one of finish(); the tree itself is no longer all ours to audit.

sub end {
    my ($self) = @_;

    $self->peer->stop;

    if ($self->{stands_in}) {
        $self->ours->stop;

        SKIP: {
            skip('distribution stands in our place',
                Test::Registry::Nginx::FINISH - 1);
        }

        return;
    }

    $self->ours->finish(audit => 0);

    return;
}


# --- assertions --------------------------------------------------------------

sub every_type {
    return (headers => [ [ Accept => join(', ', OCI_MANIFEST, OCI_INDEX,
        DOCKER_MANIFEST, DOCKER_LIST) ] ]);
}


sub _verdict {
    my ($name, $why, $reply) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my $good = ok($why eq '', $name);
    diag("$why\n" . $reply->as_text) if !$good;

    return $good;
}


# One assertion: bytes, type and digest. The thing is { bytes, type, digest }.

sub serves_manifest {
    my ($server, $repo, $ref, $thing, $name) = @_;

    my $r = $server->get("/v2/$repo/manifests/$ref", every_type());
    my $type = $r->header('Content-Type') // '';
    my $digest = $r->header('Docker-Content-Digest') // '';

    return _verdict($name,
        $r->status != 200 ? 'not served'
        : $r->body ne $thing->{bytes} ? 'other bytes'
        : $type ne $thing->{type} ? "not $thing->{type}"
        : $digest ne $thing->{digest} ? "not $thing->{digest}" : '', $r);
}


# One assertion: the bytes, and the same length from HEAD.

sub serves_blob {
    my ($server, $repo, $bytes, $name, $digest) = @_;

    $digest //= sha256($bytes);
    my $r = $server->get("/v2/$repo/blobs/$digest");
    my $h = $server->head("/v2/$repo/blobs/$digest");

    return _verdict($name,
        $r->status != 200 ? 'not served'
        : $r->body ne $bytes ? 'other bytes'
        : $h->status != 200 ? 'no HEAD'
        : ($h->header('Content-Length') // '') ne length $bytes
        ? 'HEAD tells another length' : '', $h->status == 200 ? $r : $h);
}


# One assertion: the manifest and all its blobs.

sub serves_image {
    my ($server, $repo, $ref, $image, $name) = @_;

    my $r = $server->get("/v2/$repo/manifests/$ref", every_type());
    my $why = $r->status != 200 ? 'not served'
              : $r->body ne $image->{bytes} ? 'other bytes' : '';

    for my $blob ($image->{config}, @{ $image->{layers} }) {
        last if $why ne '';
        $r = $server->get("/v2/$repo/blobs/" . sha256($blob));
        $why = 'a blob is not served' if $r->status != 200;
        $why = 'other bytes in a blob' if $why eq '' && $r->body ne $blob;
    }

    return _verdict($name, $why, $r);
}


# One assertion: 404, to GET and to HEAD.

sub is_gone {
    my ($server, $uri, $name) = @_;

    my $r = $server->get($uri, every_type());
    my $h = $server->head($uri, every_type());

    return _verdict($name, $r->status != 404 ? 'still there'
        : $h->status != 404 ? 'still there for HEAD' : '',
        $r->status != 404 ? $r : $h);
}


# Pushes an index of things already there, and returns it as a thing. Without
# a tag it goes up by its digest.

sub index_of {
    my ($server, $repo, $tag, $type, @things) = @_;

    my $bytes = to_json({
        schemaVersion => 2, mediaType => $type,
        manifests => [ map { {
            mediaType => $_->{type}, digest => $_->{digest},
            size => length $_->{bytes},
            platform => { os => 'linux', architecture => 'amd64' },
        } } @things ],
    });
    my $r = $server->push_manifest($repo, $tag // sha256($bytes), $bytes,
        $type);
    die $r->as_text if $r->status != 201;

    return { bytes => $bytes, type => $type, digest => sha256($bytes) };
}


sub tags_of {
    my ($server, $repo) = @_;

    return [ sort(names_of($server->get("/v2/$repo/tags/list"), 'tags')) ];
}


sub repositories_of {
    my ($server) = @_;

    return [ sort(names_of($server->get('/v2/_catalog?n=1000'),
        'repositories')) ];
}


# { path => content } of all files, without what is ours alone.

sub files_below {
    my ($root) = @_;

    my %found;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return if !-f $_;
        (my $path = $_) =~ s{^\Q$root\E/}{};
        return if $path =~ m{^docker/registry/nginx/|/_referrers/};
        open(my $fh, '<:raw', $_) or die "$_: $!\n";
        local $/ = undef;
        $found{$path} = scalar(<$fh>) // '';
    } }, $root);

    return \%found;
}


1;

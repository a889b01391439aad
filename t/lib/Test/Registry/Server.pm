package Test::Registry::Server;

# What a test can ask of a registry over HTTP, whoever runs it. The class
# that inherits gives port(), and tls_port() and ca() where it has TLS.

use strict;
use warnings;

use Carp ();

use Test::Registry::Client;
use Test::Registry::Content;
use Test::Registry::Login;
use Test::Registry::Process qw(wait_for);
use Test::Registry::Reply;
use Test::Registry::Visitor;


# Where the store keeps a blob's bytes.

sub blob_file {
    my ($self, $digest) = @_;

    my ($alg, $hex) = split /:/, $digest;
    return "$self->{root}/docker/registry/v2/blobs/$alg/"
        . substr($hex, 0, 2) . "/$hex/data";
}


sub repo_dir {
    my ($self, $repo) = @_;

    return "$self->{root}/docker/registry/v2/repositories/$repo";
}


# A connection of its own: a Test::Registry::Client.

sub connect {
    my ($self, %o) = @_;

    return Test::Registry::Client->new(
        (defined $o{port} ? ()
            : (port => $o{tls} ? $self->tls_port : $self->port)),
        ($o{tls} ? (ca => $self->ca) : ()), %o
    );
}


# Connections to so many workers, one to each, of a server with "add_header
# X-Worker $pid always;", in the order of their pids.

sub connect_each {
    my ($self, $n) = @_;

    my %c;
    wait_for(10, sub {
        my $c = $self->connect;
        my $pid = $c->get('/v2/')->header('X-Worker');
        $c{$pid} ||= $c if defined $pid;
        return keys %c == $n;
    }) or Carp::croak("no connection to each of $n workers");

    return map { $c{$_} } sort keys %c;
}


# The same server as a user with a password meets it, or one with a bearer
# token, or one who sends the given header with everything. Options as in
# Test::Registry::Visitor.

sub as {
    my ($self, $user, $password, %o) = @_;

    return $self->with(Authorization => basic($user, $password), %o);
}


sub bearing {
    my ($self, $token, %o) = @_;

    return $self->with(Authorization => "Bearer $token", %o);
}


sub with {
    my ($self, $header, $value, %o) = @_;

    return Test::Registry::Visitor->new($self, headers => [[$header, $value]],
        %o);
}


# One request on a fresh connection; options as in the client's request().

sub request {
    my ($self, $method, $uri, %o) = @_;

    my %where = map { $_ => delete $o{$_} }
        grep { exists $o{$_} } qw(port tls alpn from cert key);

    my $c = eval { $self->connect(%where) };
    return Test::Registry::Reply->new(
        request => "$method $uri", error => $@ || 'not connected') if !$c;

    my $reply = $c->request($method, path_of($uri), close => 1, %o);
    $c->close;
    return $reply;
}


sub get { my $s = shift; $s->request('GET', @_) }
sub head { my $s = shift; $s->request('HEAD', @_) }
sub put { my $s = shift; $s->request('PUT', @_) }
sub post { my $s = shift; $s->request('POST', @_) }
sub patch { my $s = shift; $s->request('PATCH', @_) }
sub delete { my $s = shift; $s->request('DELETE', @_) }
sub options { my $s = shift; $s->request('OPTIONS', @_) }


# Path and query of a Location, be it relative or absolute.

sub path_of {
    my ($location) = @_;

    $location =~ s{\Ahttps?://[^/]+}{};
    return $location;
}


# A URI with one more query parameter, the value encoded.

sub with_query {
    my ($uri, $key, $value) = @_;

    return $uri . ($uri =~ /\?/ ? '&' : '?') . "$key=" . escape($value);
}


# Opens an upload; returns its path. Dies with the reply when refused.

sub open_upload {
    my ($self, $repo, %o) = @_;

    my $query = $o{query} ? "?$o{query}" : '';
    my $r = $self->post("/v2/$repo/blobs/uploads/$query", body => '',
        %{ $o{http} || {} });
    _must($r, 202);
    return path_of($r->header('Location') // _must($r, -1));
}


# POST, then PUT with all bytes. Returns the digest; dies when refused.

sub push_blob {
    my ($self, $repo, $bytes, %o) = @_;

    my $digest = $o{digest} || sha256($bytes);
    my $location = $self->open_upload($repo, %o);
    my $r = $self->put(with_query($location, digest => $digest),
        body => $bytes, %{ $o{http} || {} });
    _must($r, 201);
    return $digest;
}


# PUT of a manifest (bytes or data). Returns the reply, whatever it is.

sub push_manifest {
    my ($self, $repo, $reference, $manifest, $type, %o) = @_;

    my $bytes = to_json($manifest);
    $type = ref $manifest && $manifest->{mediaType}
        ? $manifest->{mediaType} : OCI_MANIFEST if !defined $type;

    return $self->put("/v2/$repo/manifests/$reference", body => $bytes,
        headers => [['Content-Type', $type]], %o);
}


# Pushes an image (see image()) and returns it. Dies when refused. The tag
# may be undef: then the manifest goes up by digest.

sub push_image {
    my ($self, $repo, $tag, %o) = @_;

    my $image = $o{image} || image(%o);

    $self->push_blob($repo, $_, http => $o{http})
        for $image->{config}, @{ $image->{layers} };

    my $r = $self->push_manifest($repo,
        defined $tag ? $tag : $image->{digest}, $image->{bytes},
        $image->{type}, %{ $o{http} || {} });
    _must($r, 201);
    return $image;
}


# Pushes an artifact that refers to a subject ({mediaType, digest, size}).

sub push_referrer {
    my ($self, $repo, $subject, %o) = @_;

    my $config = defined $o{config} ? $o{config} : '{}';
    my $data = manifest(descriptor($o{config_type} || OCI_EMPTY, $config),
        [ descriptor(OCI_EMPTY, $config) ], subject => $subject,
        ($o{type} ? (artifactType => $o{type}) : ()),
        ($o{annotations} ? (annotations => $o{annotations}) : ()));
    my $bytes = to_json($data);

    $self->push_blob($repo, $config) if !$o{blobs_exist};

    my $r = $self->push_manifest($repo,
        defined $o{tag} ? $o{tag} : sha256($bytes), $bytes);
    _must($r, 201);

    return { data => $data, bytes => $bytes, digest => sha256($bytes),
        reply => $r };
}


sub _must {
    my ($reply, $status) = @_;

    return if $reply->status == $status;
    local $Carp::CarpLevel = 1;
    Carp::croak("wanted $status\n" . $reply->as_text);
}


1;

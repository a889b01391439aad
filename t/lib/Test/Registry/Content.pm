package Test::Registry::Content;

# Things to push: bytes, digests, manifests, images.

use strict;
use warnings;

use Digest::SHA ();
use Exporter qw(import);
use JSON::PP ();

our @EXPORT = qw(
    OCI_MANIFEST OCI_INDEX DOCKER_MANIFEST DOCKER_LIST OCI_CONFIG OCI_LAYER
    OCI_EMPTY
    blob sha256 sha512 to_json descriptor manifest manifest_index image
    padded_manifest escape
);

use constant OCI_MANIFEST => 'application/vnd.oci.image.manifest.v1+json';
use constant OCI_INDEX => 'application/vnd.oci.image.index.v1+json';
use constant OCI_CONFIG => 'application/vnd.oci.image.config.v1+json';
use constant OCI_LAYER => 'application/vnd.oci.image.layer.v1.tar+gzip';
use constant OCI_EMPTY => 'application/vnd.oci.empty.v1+json';
use constant DOCKER_MANIFEST
    => 'application/vnd.docker.distribution.manifest.v2+json';
use constant DOCKER_LIST
    => 'application/vnd.docker.distribution.manifest.list.v2+json';


# Bytes that look random, no two blocks alike, the same for the same seed.

sub blob {
    my ($size, $seed) = @_;

    $seed = 'blob' if !defined $seed;

    my $page = join '', map { Digest::SHA::sha512("$seed:$_") } 0 .. 63;
    substr $page, -8, 8, '';

    my $blocks = int(($size + 4095) / 4096);
    my $bytes = join '', map { pack('Q>', $_) . $page } 1 .. $blocks;

    return substr $bytes, 0, $size;
}


sub sha256 { return 'sha256:' . Digest::SHA::sha256_hex($_[0]) }
sub sha512 { return 'sha512:' . Digest::SHA::sha512_hex($_[0]) }


sub to_json {
    my ($data) = @_;

    return $data if !ref $data;
    return JSON::PP->new->canonical->utf8->allow_nonref->encode($data);
}


# Percent-encoding of a query value.

sub escape {
    my ($s) = @_;

    $s =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    return $s;
}


# descriptor(type, bytes) or descriptor(type, digest, size)

sub descriptor {
    my ($type, $what, $size, %more) = @_;

    return {
        mediaType => $type,
        digest => defined $size ? $what : sha256($what),
        size => 0 + (defined $size ? $size : length $what),
        %more
    };
}


# An OCI image manifest as data: config and layers are descriptors.

sub manifest {
    my ($config, $layers, %more) = @_;

    return {
        schemaVersion => 2, mediaType => OCI_MANIFEST, config => $config,
        layers => $layers, %more
    };
}


sub manifest_index {
    my ($children, %more) = @_;

    return {
        schemaVersion => 2, mediaType => OCI_INDEX, manifests => $children,
        %more
    };
}


# A manifest of exactly size bytes, grown by one annotation.

sub padded_manifest {
    my ($data, $size) = @_;

    my $padded = {
        %$data, annotations => { %{ $data->{annotations} || {} }, pad => '' }
    };
    my $short = $size - length to_json($padded);
    die "cannot make a manifest of $size bytes\n" if $short < 0;

    $padded->{annotations}{pad} = 'p' x $short;
    return to_json($padded);
}


# An image that was not pushed yet: {config, layers, data, bytes, digest, type}
#
# layers  list of layer bytes; default: one small layer drawn from the seed
# docker  true: Docker schema 2 types
# more    further top-level members of the manifest

sub image {
    my (%o) = @_;

    my $seed = defined $o{seed} ? $o{seed} : 'image';
    my @layers = $o{layers} ? @{ $o{layers} } : (blob(1000, "$seed-layer"));
    my $config = defined $o{config} ? $o{config} : to_json({
        architecture => 'amd64', os => 'linux', config => {}, seed => $seed,
        rootfs => { type => 'layers', diff_ids => [ map { sha256($_) } @layers ] }
    });

    my ($ctype, $ltype, $mtype) = (OCI_CONFIG, OCI_LAYER, OCI_MANIFEST);

    if ($o{docker}) {
        $ctype = 'application/vnd.docker.container.image.v1+json';
        $ltype = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
        $mtype = DOCKER_MANIFEST;
    }

    $ctype = $o{config_type} if $o{config_type};

    my $data = manifest(descriptor($ctype, $config),
        [ map { descriptor($ltype, $_) } @layers ],
        mediaType => $mtype, %{ $o{more} || {} });
    my $bytes = to_json($data);

    return {
        config => $config, layers => \@layers, data => $data,
        bytes => $bytes, type => $mtype, digest => sha256($bytes)
    };
}


1;

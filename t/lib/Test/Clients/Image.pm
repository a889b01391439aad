package Test::Clients::Image;

# Writes images from nothing: layers (tar archives), configs, manifests and
# indexes, as an OCI layout, a folder that most clients can push from.
#
#   my $l = Test::Clients::Image->new($dir);
#   my $layer = $l->layer({ 'etc/motd' => "hello\n" });
#   my $image = $l->image([ $layer ], architecture => 'arm64');
#   $l->tag($l->index([ $image, ... ]), '1.0');
#
# What is returned is a descriptor: { mediaType, digest, size }.

use strict;
use warnings;

use Digest::SHA ();
use File::Path qw( make_path );
use IO::Compress::Gzip qw( gzip $GzipError );
use JSON::PP ();
use Test::Clients qw( run spew slurp file_digest http );

use constant {
    CONFIG => 'application/vnd.oci.image.config.v1+json',
    IMAGE => 'application/vnd.oci.image.manifest.v1+json',
    INDEX => 'application/vnd.oci.image.index.v1+json',
    TAR => 'application/vnd.oci.image.layer.v1.tar',
    GZIP => 'application/vnd.oci.image.layer.v1.tar+gzip',
};

my $json = JSON::PP->new->utf8->canonical;


sub new {
    my ($class, $dir) = @_;

    my $self = bless { dir => $dir, tags => [], diff => {} }, $class;

    make_path("$dir/blobs/sha256");
    spew("$dir/oci-layout", '{"imageLayoutVersion":"1.0.0"}');
    $self->_write;

    return $self;
}


sub dir { return $_[0]{dir} }


# The file of a digest.

sub path {
    my ($self, $digest) = @_;

    $digest = $digest->{digest} if ref $digest;
    (my $name = $digest) =~ tr{:}{/};

    return "$self->{dir}/blobs/$name";
}


sub blob {
    my ($self, $type, $bytes) = @_;

    my $digest = 'sha256:' . Digest::SHA::sha256_hex($bytes);
    spew($self->path($digest), $bytes);

    return { mediaType => $type, digest => $digest, size => length $bytes };
}


# A gzipped layer with these files ({ name => content }).

sub layer {
    my ($self, $files) = @_;

    my $tar = tar($files);
    gzip(\$tar => \my $gz, -Minimal => 1) or die "gzip: $GzipError\n";

    my $d = $self->blob(GZIP, $gz);
    $self->{diff}{ $d->{digest} } = 'sha256:' . Digest::SHA::sha256_hex($tar);

    return $d;
}


# A layer of no bytes at all.  (An empty stream reads as an empty archive.)

sub empty_layer {
    my ($self) = @_;

    my $d = $self->blob(TAR, '');
    $self->{diff}{ $d->{digest} } = $d->{digest};

    return $d;
}


# A tar archive in a file of its own becomes a layer; the file is moved.

sub layer_from_file {
    my ($self, $file) = @_;

    my $digest = file_digest($file);
    my $size = -s $file;

    rename($file, $self->path($digest)) or die "$file: $!\n";
    $self->{diff}{$digest} = $digest;

    return { mediaType => TAR, digest => $digest, size => $size };
}


sub image {
    my ($self, $layers, %opt) = @_;

    my $arch = delete $opt{architecture} // 'amd64';
    my $config = $self->blob(CONFIG, $json->encode({
        architecture => $arch, os => 'linux',
        config => { Cmd => [ '/hello' ], Labels => { made => 'from scratch' } },
        rootfs => {
            type => 'layers',
            diff_ids => [ map { $self->{diff}{ $_->{digest} } } @$layers ],
        },
    }));

    my $d = $self->manifest(IMAGE, {
        config => $config, layers => $layers, %opt,
    });

    return { %$d, platform => { architecture => $arch, os => 'linux' } };
}


# Any manifest; schemaVersion and mediaType are added.

sub manifest {
    my ($self, $type, $content) = @_;

    return $self->blob($type, $json->encode({
        schemaVersion => 2, mediaType => $type, %$content,
    }));
}


sub index {
    my ($self, $manifests, %opt) = @_;

    return $self->manifest(INDEX, { manifests => $manifests, %opt });
}


sub tag {
    my ($self, $desc, $tag) = @_;

    push @{ $self->{tags} }, {
        %$desc, annotations => { 'org.opencontainers.image.ref.name' => $tag },
    };
    $self->_write;

    return $desc;
}


sub _write {
    my ($self) = @_;

    spew("$self->{dir}/index.json", $json->encode({
        schemaVersion => 2, mediaType => INDEX, manifests => $self->{tags},
    }));

    return;
}


# All digests that a descriptor leads to, itself included, each once.

sub digests {
    my ($self, $desc) = @_;

    my (%seen, @todo, @found);
    @todo = $desc;

    while (my $d = shift @todo) {
        next if $seen{ $d->{digest} }++;
        push @found, $d->{digest};

        if ($d->{mediaType} =~ /(?:manifest|index)\.v1\+json\z/) {
            my $m = $json->decode(slurp($self->path($d)));
            push @todo, grep { defined }
                $m->{config}, @{ $m->{layers} // [] },
                @{ $m->{manifests} // [] };
        }
    }

    return @found;
}


# The images that most suites push: three layout folders below $dir.
#
#   image   three layers: some files, no bytes at all, 2 MB of noise
#   multi   an index: that image for amd64, another for arm64, and what a
#           builder adds for "unknown/unknown", an attestation
#   nested  an index with the index above and a third image in it
#
# Without the layer of no bytes when "empty" is false: some clients stumble.
# Returns { image => { dir, layout, desc }, ... }.

sub standard {
    my ($dir, %opt) = @_;

    my $empty = $opt{empty} // 1;

    my $made = { map { $_ => { dir => "$dir/$_",
        layout => __PACKAGE__->new("$dir/$_") } } qw( image multi nested ) };

    for my $kind (keys %$made) {
        my $l = $made->{$kind}{layout};
        my $noise = slurp(random_file("$dir/noise", 2_000_003, $dir));

        my $desc = $l->image([
            $l->layer({ 'etc/' => '', 'etc/motd' => "hello\n",
                        'etc/none' => '' }),
            $empty ? $l->empty_layer : $l->layer({ few => 'bytes' }),
            $l->layer({ noise => $noise }),
        ]);

        if ($kind ne 'image') {
            my $arm = $l->image([ $l->layer({ arm => 'arm' }) ],
                                architecture => 'arm64');
            my $statement = $l->blob('application/vnd.in-toto+json', '{"_":1}');
            $l->{diff}{ $statement->{digest} } = $statement->{digest};
            my $att = $l->image([ $statement ], architecture => 'unknown');
            $att->{platform}{os} = 'unknown';
            $att->{annotations} = {
                'vnd.docker.reference.type' => 'attestation-manifest',
                'vnd.docker.reference.digest' => $desc->{digest},
            };
            $desc = $l->index([ $desc, $arm, $att ]);
        }

        if ($kind eq 'nested') {
            $desc = $l->index([ $desc, $l->image(
                [ $l->layer({ s390 => 'x' }) ], architecture => 's390x') ]);
        }

        $made->{$kind}{desc} = $l->tag($desc, 'latest');
    }

    unlink("$dir/noise");

    return $made;
}


# Pushes what $desc leads to without any client, and tags it. Dies when that
# is refused: the suite would make no sense.

sub upload {
    my ($self, $reg, $repo, $desc, $tag) = @_;

    for my $digest (reverse $self->digests($desc)) {
        my $bytes = slurp($self->path($digest));
        my $type = $bytes =~ /\A\{.*"mediaType":"([^"]+)".*"schemaVersion":2/s
            ? eval { $json->decode($bytes)->{mediaType} } : undef;

        if (defined $type) {
            my $ref = $digest eq $desc->{digest} ? $tag : $digest;
            _must(201, http($reg, 'PUT', "/v2/$repo/manifests/$ref", {
                headers => { 'Content-Type' => $type }, content => $bytes }));
            next;
        }

        my $r = _must(202, http($reg, 'POST', "/v2/$repo/blobs/uploads/"));
        my $to = $r->{headers}{location};
        $to .= ($to =~ /\?/ ? '&' : '?') . "digest=$digest";
        _must(201, http($reg, 'PUT', $to, { content => $bytes, headers => {
            'Content-Type' => 'application/octet-stream' } }));
    }

    return;
}


sub _must {
    my ($status, $r) = @_;

    die "$r->{status} $r->{reason} instead of $status: $r->{url}\n"
        . "$r->{content}\n" if $r->{status} != $status;

    return $r;
}


# What is missing in another layout folder, or differs there: a list of
# digests, empty when all that $desc leads to is there, to the last byte.

sub missing_in {
    my ($self, $desc, $dir) = @_;

    my @bad;

    for my $digest ($self->digests($desc)) {
        (my $name = $digest) =~ tr{:}{/};
        my $file = "$dir/blobs/$name";

        push @bad, $digest if !-f $file || file_digest($file) ne $digest;
    }

    return @bad;
}


# An archive with these files, as bytes: names that end in "/" are folders.

sub tar {
    my ($files) = @_;

    my $out = '';

    for my $name (sort keys %$files) {
        my $body = $files->{$name};
        $out .= tar_header($name, length $body) . $body
                . "\0" x (-length($body) % 512);
    }

    return $out . "\0" x 1024;
}


sub tar_header {
    my ($name, $size) = @_;

    my $dir = $name =~ m{/\z};
    my $mode = sprintf('%07o', $dir ? 0755 : 0644);
    my $h = pack('a100 a8 a8 a8 a12 a12 a8 a1 a100 a6 a2 a32 a32 a8 a8 a155'
                 . ' a12', $name, $mode, '0000000',
                 '0000000', sprintf('%011o', $size), sprintf('%011o', 1),
                 ' ' x 8, $dir ? '5' : '0', '', "ustar\0", '00', 'root',
                 'root', '0000000', '0000000', '', '');
    substr($h, 148, 8) = sprintf("%06o\0 ", unpack('%32C*', $h));

    return $h;
}


# A file of $size bytes that no compression makes smaller; the same seed gives
# the same bytes.  As fast as the disk.

sub random_file {
    my ($file, $size, $seed) = @_;

    my $key = substr(Digest::SHA::sha256_hex($seed // 'seed'), 0, 32);
    my $r = run({ timeout => 120 }, 'sh', '-c',
        "head -c $size /dev/zero | openssl enc -aes-128-ctr -nosalt"
        . " -K $key -iv 00000000000000000000000000000000 > '$file'");
    die "random_file: $r->{err}\n" if $r->{rc} || -s $file != $size;

    return $file;
}


# A folder that an image can be built from, and the file that says how: several
# layers, one of them of nothing, one that no compression makes smaller.

sub context {
    my ($dir, $name, $file) = @_;

    spew("$dir/hello", "hello from $name\n");
    spew("$dir/none", '');
    random_file("$dir/noise", 2_000_003, $name);
    spew("$dir/$file", <<"END");
FROM scratch
COPY hello /hello
COPY none /etc/none
COPY noise /usr/share/noise
CMD ["/hello"]
END

    return $dir;
}


# What random_file() writes inside an archive, as the one file "big".

sub random_tar {
    my ($file, $size, $seed) = @_;

    random_file("$file.body", $size, $seed);
    spew("$file.head", tar_header('big', $size));
    spew("$file.tail", "\0" x ((-$size % 512) + 1024));

    my $r = run({ timeout => 120 }, 'sh', '-c',
        "cat '$file.head' '$file.body' '$file.tail' > '$file'");
    die "random_tar: $r->{err}\n" if $r->{rc};
    unlink("$file.head", "$file.body", "$file.tail");

    return $file;
}


1;

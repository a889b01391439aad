package Test::Registry::Audit;

# Looks a whole store over and says what is wrong with it. It reads the
# directory tree as any other implementation would, and shares nothing with
# the server under test. Then registryctl audit does the same, where it is
# built: both have to agree that the store is sound.

use strict;
use warnings;

use Cwd ();
use Digest::SHA ();
use File::Basename ();
use JSON::PP ();
use POSIX ();

my $build = Cwd::abs_path(File::Basename::dirname(__FILE__)
    . '/../../../..') . '/build';

my %HEX = (sha256 => 64, sha512 => 128);


# Returns a list of sentences; empty when the store is sound.
#
# sparse   true: children of indexes may be missing
# missing  true: any reference of a manifest may be missing (tests that
#          delete blobs under a manifest)
# unfinished  true: tags may have index entries alone, as a push that was
#          killed leaves them; every reader passes over them
# grace    age in seconds from which a temporary is a finding; default 0:
#          every temporary is one
# killed   true: no temporary is a finding, since a process was killed; all
#          else is
# hash_max data files larger than this are not hashed; default 64 MiB

sub audit {
    my ($root, %o) = @_;

    $o{hash_max} ||= 64 * 1024 * 1024;

    my $top = "$root/docker/registry/v2";
    my $self = bless {
        top => $top, found => [], size => {}, o => \%o
    }, __PACKAGE__;

    $self->_no_symlinks($root);
    $self->_blobs("$top/blobs");
    $self->_repositories("$top/repositories", '');

    # of a registry to which nothing was pushed there is nothing to say
    $self->_command($root) if -d $top;

    return @{ $self->{found} };
}


# What registryctl audit finds; nothing where it is not built.

sub _command {
    my ($self, $root) = @_;

    my $path = $ENV{TEST_REGISTRYCTL};
    $path = "$build/registryctl" if !defined $path || $path eq '';
    return if !-x $path;

    my @command = ($path, qw(audit --digests), $root);
    push @command, '--grace', '0' if !$self->{o}{grace};
    push @command, '--sparse' if $self->{o}{sparse} || $self->{o}{missing};

    my $pid = open my $out, '-|';
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    my @lines = <$out>;
    close $out;
    chomp @lines;

    return if $? == 0;

    # the last line is the summary, or why it could not be done
    pop @lines if $? >> 8 == 1;
    @lines = grep { !/\Atemporary / } @lines if $self->{o}{killed};
    push @{ $self->{found} }, map { "registryctl audit: $_" } @lines,
        $? >> 8 == 1 ? () : "ended with $?";
}


sub _say {
    my ($self, $path, $what) = @_;

    $path =~ s/\A\Q$self->{top}\E\///;
    push @{ $self->{found} }, "$path: $what";
}


# Names in a directory, or their number.

sub _list {
    my ($path) = @_;

    opendir my $dh, $path or return ();
    my @names = sort grep { !/\A\.\.?\z/ } readdir $dh;
    return @names;
}


sub _slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return undef;
    local $/;
    return scalar(<$fh>) // '';
}


sub _no_symlinks {
    my ($self, $path) = @_;

    for my $name (_list($path)) {
        my $full = "$path/$name";
        if (!lstat $full) {
            # it is being freed
            $self->_say($full, "cannot be looked at: $!") if !$!{ENOENT};
        } elsif (-l _) {
            $self->_say($full, 'is a symbolic link');
        } elsif (-d _) {
            $self->_no_symlinks($full);
        } elsif (!-f _) {
            $self->_say($full, 'is neither a file nor a directory');
        } elsif ($name =~ /\.te?mp|~\z|\A\.tmp/i) {
            my $age = time - (stat _)[9];
            $self->_say($full, 'is a temporary left over')
                if !$self->{o}{killed} && $age >= ($self->{o}{grace} || 0);
        } elsif ($name !~ /\A(?:data|link)\z/
                 && $path =~ m{/v2/blobs/|/_layers/|/_manifests/})
        {
            $self->_say($full, 'belongs to nothing');
        }
    }
}


sub _blobs {
    my ($self, $base) = @_;

    for my $alg (_list($base)) {
        if (!$HEX{$alg}) {
            $self->_say("$base/$alg", 'is no known algorithm');
            next;
        }

        for my $two (_list("$base/$alg")) {
            for my $hex (_list("$base/$alg/$two")) {
                $self->_blob("$base/$alg/$two/$hex", $alg, $two, $hex);
            }
        }
    }
}


sub _blob {
    my ($self, $dir, $alg, $two, $hex) = @_;

    if ($hex !~ /\A[0-9a-f]{$HEX{$alg}}\z/ || substr($hex, 0, 2) ne $two) {
        $self->_say($dir, 'is not the directory of a digest');
        return;
    }

    my @names = _list($dir);
    if (!@names) {
        return;
    }

    if (@names != 1 || $names[0] ne 'data' || !-f "$dir/data") {
        $self->_say($dir, "holds @names where data alone belongs");
        return;
    }

    my $size = -s "$dir/data";
    $self->{size}{"$alg:$hex"} = $size;
    return if $size > $self->{o}{hash_max};

    my $got = eval {
        Digest::SHA->new($alg)->addfile("$dir/data", 'b')->hexdigest
    };
    $self->_say("$dir/data", 'does not hash to its name')
        if !defined $got || $got ne $hex;
}


sub _repositories {
    my ($self, $path, $name) = @_;

    my @names = _list($path);

    $self->_repository($path, $name) if grep { /\A_/ } @names;

    for (@names) {
        next if /\A_/ || -l "$path/$_" || !-d _;
        $self->_repositories("$path/$_", $name eq '' ? $_ : "$name/$_");
    }
}


# A link file: exactly one digest and nothing else. Returns the digest.

sub _link {
    my ($self, $file, $want) = @_;

    my $text = _slurp($file);
    if (!defined $text) {
        $self->_say($file, 'is missing');
        return undef;
    }

    if ($text !~ /\A(sha256|sha512):([0-9a-f]+)\z/
        || length $2 != $HEX{$1})
    {
        $self->_say($file, 'does not hold exactly one digest');
        return undef;
    }

    if (defined $want && $text ne $want) {
        $self->_say($file, "holds $text");
        return undef;
    }

    if (!defined $self->{size}{$text}) {
        $self->_say($file, "names $text, which has no data");
        return undef;
    }

    return $text;
}


# All <alg>/<hex>/link below a directory, as {digest => 1}.

sub _links {
    my ($self, $base) = @_;

    my %all;
    for my $alg (_list($base)) {
        for my $hex (_list("$base/$alg")) {
            next if !-e "$base/$alg/$hex/link" && !_list("$base/$alg/$hex");
            my $d = $self->_link("$base/$alg/$hex/link", "$alg:$hex");
            $all{$d} = 1 if defined $d;
        }
    }
    return \%all;
}


sub _repository {
    my ($self, $dir, $name) = @_;

    my $layers = $self->_links("$dir/_layers");
    my $revisions = $self->_links("$dir/_manifests/revisions");

    for my $tag (_list("$dir/_manifests/tags")) {
        my $base = "$dir/_manifests/tags/$tag";
        next if !_list($base);

        $self->_say($base, 'is no tag')
            if $tag !~ /\A[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z/;

        next if !-e "$base/current" && !_list("$base/index");
        next if $self->{o}{unfinished} && !-e "$base/current/link";

        my $d = $self->_link("$base/current/link");
        next if !defined $d;
        $self->_say("$base/current/link", "names $d, which is no revision")
            if !$revisions->{$d};

        my ($alg, $hex) = split /:/, $d;
        $self->_link("$base/index/$alg/$hex/link", $d);
    }

    $self->_manifest($dir, $_, $layers, $revisions) for sort keys %$revisions;
}


sub _manifest {
    my ($self, $dir, $digest, $layers, $revisions) = @_;

    my ($alg, $hex) = split /:/, $digest;
    my $two = substr $hex, 0, 2;
    my $bytes = _slurp("$self->{top}/blobs/$alg/$two/$hex/data");
    my $m = eval { JSON::PP->new->utf8->decode($bytes // '') };
    my $at = "$dir/_manifests/revisions/$alg/$hex";

    if (ref $m ne 'HASH') {
        $self->_say($at, 'is no JSON object');
        return;
    }

    return if $self->{o}{missing};

    if (ref $m->{manifests} eq 'ARRAY') {
        return if $self->{o}{sparse};
        for my $child (map { $_->{digest} } @{ $m->{manifests} }) {
            $self->_say($at, "names $child, which is no revision here")
                if !$revisions->{$child};
        }
        return;
    }

    for my $part ($m->{config}, @{ $m->{layers} || [] }) {
        next if !$part || ($part->{mediaType} || '')
            =~ /nondistributable|foreign/;
        my $d = $part->{digest};
        if (!$layers->{$d} && !$revisions->{$d}) {
            $self->_say($at, "names $d, which has no link here");
        } elsif (defined $self->{size}{$d}
                 && $self->{size}{$d} != $part->{size})
        {
            $self->_say($at, "gives $d the size $part->{size}");
        }
    }
}


1;

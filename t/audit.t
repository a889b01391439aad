#!/usr/bin/perl

# The store audit that ends every other test finds what it is there to find.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use File::Temp ();
use Test::More;

use Test::Registry::Audit;
use Test::Registry::Content;


my $image = image();
my ($root, $v2, $repo);

fresh();
is_deeply([found()], [], 'a sound store');

damage('a link with a newline', qr/exactly one digest/, sub {
    put("$repo/_manifests/tags/v1/current/link", "$image->{digest}\n");
});
damage('an empty link', qr/exactly one digest/, sub {
    put("$repo/_manifests/tags/v1/current/link", '');
});
damage('a link that names what is not there', qr/has no data/, sub {
    put("$repo/_manifests/tags/v1/current/link", sha256('nothing'));
});
damage('a tag without its revision', qr/is no revision/, sub {
    unlink link_of('_manifests/revisions', $image->{digest}) or die;
});
damage('a tag without its index entry', qr/is missing/, sub {
    unlink "$repo/_manifests/tags/v1/index/"
        . ($image->{digest} =~ s{:}{/}r) . '/link' or die;
});
damage('a layer link for another digest', qr/holds sha256/, sub {
    put(link_of('_layers', sha256($image->{config})), $image->{digest});
});
damage('a byte that flipped', qr/does not hash/, sub {
    my $bytes = $image->{config};
    substr $bytes, 5, 1, '#';
    put(data_of(sha256($image->{config})), $bytes);
});
damage('data that was cut', qr/does not hash/, sub {
    truncate data_of(sha256($image->{layers}[0])), 10 or die;
});
damage('a manifest whose layer has no link', qr/has no link here/, sub {
    unlink link_of('_layers', sha256($image->{layers}[0])) or die;
});
damage('a temporary', qr/temporary/, sub { put("$repo/_layers/x.tmp", 'x') });
damage('a stray file', qr/belongs to nothing/, sub {
    put("$repo/_manifests/tags/v1/current/stray", 'x');
});
damage('a symbolic link', qr/symbolic/, sub {
    symlink '/', "$repo/link" or die;
});
damage('a second file beside the data', qr/data alone|belongs/, sub {
    put(data_of($image->{digest}) =~ s{data\z}{more}r, 'x');
});
damage('an algorithm nobody knows', qr/algorithm/, sub {
    make_path("$v2/blobs/md5/aa");
});

done_testing();


sub put {
    my ($path, $text) = @_;

    make_path($path =~ s{/[^/]*\z}{}r);
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}


sub data_of {
    my ($alg, $hex) = split /:/, $_[0];

    return "$v2/blobs/$alg/" . substr($hex, 0, 2) . "/$hex/data";
}


sub link_of {
    my ($kind, $digest) = @_;

    return "$repo/$kind/" . ($digest =~ s{:}{/}r) . '/link';
}


# A store with one image, written by hand.

sub fresh {
    $root = File::Temp::tempdir(CLEANUP => 1);
    $v2 = "$root/docker/registry/v2";
    $repo = "$v2/repositories/some/app";

    for my $blob ($image->{config}, @{ $image->{layers} }) {
        put(data_of(sha256($blob)), $blob);
        put(link_of('_layers', sha256($blob)), sha256($blob));
    }

    my $d = $image->{digest};
    put(data_of($d), $image->{bytes});
    put(link_of('_manifests/revisions', $d), $d);
    put("$repo/_manifests/tags/v1/current/link", $d);
    put(link_of('_manifests/tags/v1/index', $d), $d);
}


sub found { return Test::Registry::Audit::audit($root) }


sub damage {
    my ($name, $pattern, $code) = @_;

    fresh();
    $code->();
    my @found = found();
    ok((grep { $_ =~ $pattern } @found), "found: $name")
        or diag explain \@found;
}

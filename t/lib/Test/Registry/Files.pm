package Test::Registry::Files;

# Whole files, byte for byte.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path);

our @EXPORT = qw(slurp spew);


# What is in a file; dies where there is none.

sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar(<$fh>) // '';
}


# Writes a file, and the folders above it where they are missing. Returns its
# path.

sub spew {
    my ($path, $text) = @_;

    make_path(dirname($path));
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $text or die "$path: $!\n";
    close $fh or die "$path: $!\n";
    return $path;
}


1;

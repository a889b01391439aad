package Test::Conformance;

# What the conformance suites of the OCI have in common: where they come from,
# and the report they write.

use strict;
use warnings;

use Exporter qw( import );
use FindBin;
use Test::Clients;
use Test::More ();

our @EXPORT = qw( suite cases );


# The program of that name.  Without it the test file ends here, and skips
# $count assertions.
#
# When the module source said no, it will say it again: the one reason for
# which a suite may be missing in CI too.  ci/tap.pl knows it by its first
# words.

sub suite {
    my ($count, $name) = @_;

    my $file = "$FindBin::Bin/../build/tools/$name.refused";

    if (!Test::Clients::tool($name) && open(my $fh, '<', $file)) {
        chomp(my $module = <$fh> // '');

        Test::More::plan(skip_all =>
            "refused by the module source: $module ($count tests)");
    }

    return need($count, $name);
}


# All cases of a report in JUnit's form: { name, status, said }.

sub cases {
    my ($file) = @_;

    return if !-f $file;

    my $text = slurp($file);
    my @cases;

    while ($text =~ m{<testcase\sname="([^"]*)"[^>]*status="(\w+)"[^>]*>
                      (.*?)</testcase>}gsx)
    {
        my ($name, $status, $body) = ($1, $2, $3);
        my ($said) = $body =~ m{<(?:system-out|failure)\b[^>]*>
                                (.*?)</(?:system-out|failure)>}sx;

        push @cases, { name => _text($name), status => $status,
                       said => _text($said // '') };
    }

    return @cases;
}


sub _text {
    my ($xml) = @_;

    my %entity = (amp => '&', lt => '<', gt => '>', quot => '"',
                  '#xA' => "\n", '#34' => '"', '#39' => "'");

    $xml =~ s/&([#\w]+);/$entity{$1} \/\/ "&$1;"/ge;

    return $xml;
}


1;

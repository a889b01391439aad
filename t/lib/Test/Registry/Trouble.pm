package Test::Registry::Trouble;

# The lines of docs/troubleshooting.md: whether a log has one of them, and
# whether the sources do.
#
#   is_said($t, 'is gone, nobody can log in');      # that line is in its log
#
# In a line of the page /var/lib/registry and /etc/nginx stand for the test's
# own directories, and ids, digests and numbers for any.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use Test::More ();

use Test::Registry::Process;

our @EXPORT = qw(trouble_lines is_said);

my $top = dirname(__FILE__) . '/../../../..';


# [level, text, cause] of each.

sub trouble_lines {
    open my $fh, '<:raw', "$top/docs/troubleshooting.md" or die "$!\n";
    return map {
        /\A    \[(\w+)\] (.*?)(?: \((\d+: [^()]*)\))?\n\z/ ? [$1, $2, $3] : ()
    } <$fh>;
}


# The one line of the page that has these words, as a pattern.

sub _pattern {
    my ($t, $words) = @_;

    my @lines = grep { index($_->[1], $words) >= 0 } trouble_lines();
    die @lines . " lines of the page have \"$words\"\n" if @lines != 1;

    my ($level, $text, $cause) = @{ $lines[0] };
    my ($root, $etc) = (quotemeta $t->root, quotemeta $t->dir);
    my $re = quotemeta $text . (defined $cause ? " ($cause)" : '');

    $re =~ s{\\/etc\\/nginx\\/[\w\\]*\.?\w*htpasswd}{$etc/users}g;
    $re =~ s{\\/var\\/lib\\/registry}{$root}g;
    $re =~ s/[0-9a-f]{8}(?:\\-[0-9a-f]{4}){3}\\-[0-9a-f]{12}/[0-9a-f-]{36}/g;
    $re =~ s/sha256\\:[0-9a-f]{64}/sha256:[0-9a-f]{64}/g;
    $re =~ s/\b\d+(?=\\ (?:times|of|seconds)\b)/\\d+/g;
    return qr/\[$level\] \d+\#\d+: (?:\*\d+ )?$re(?:,|$)/m;
}


sub is_said {
    my ($t, $words, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $re = _pattern($t, $words);
    my $tb = Test::More->builder;
    my $ok = $tb->ok(scalar(wait_for(30, sub { $t->log_text =~ $re })), $name
        // "the log says: $words");
    $tb->diag("wanted $re\n") if !$ok;
    return $ok;
}


1;

package Test::Registry::Log;

# What a log of nginx must not hold.

use strict;
use warnings;


# Begins as every line of the error log does.

my $begin = qr{\A\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[};

# nginx's own parsers read and write whole words at odd addresses, on machines
# that can.

my $nginx_words = qr{\Asrc/(?:core|event|http|os)/\S+ runtime error: }
    . qr{\w+ (?:of|to) misaligned};


sub _any {
    my ($line, @patterns) = @_;

    return scalar grep { $line =~ $_ } @patterns;
}


# Lines of [alert] and [emerg], and whatever a sanitizer said, but for those
# that match one of the patterns.

sub bad {
    my ($text, @allow) = @_;

    return grep {
        /\[(?:alert|emerg)\]|Sanitizer|runtime error:/
        && !_any($_, @allow, $nginx_words)
    } split /\n/, $text;
}


# Lines that do not begin as one, or hold control bytes: what a client sends
# must not look like a message of its own. Reports of a sanitizer go on over
# many lines; a log that has them is for bad() to judge.

sub split_lines {
    my ($text, @allow) = @_;

    return () if $text =~ /Sanitizer|runtime error:/;

    # nginx quotes a request line that it refuses as it came (a TLS hello on
    # a plain port), before any module is asked

    $text =~ s{^[^\n]*\ client\ sent\ invalid\ [^\n]*
               (?:\n(?!\d{4}/\d\d/\d\d\ )[^\n]*)*}{}mgx;

    return map { s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger } grep {
        length && ($_ !~ $begin || /[\x00-\x08\x0b-\x1f\x7f]/)
        && !_any($_, @allow)
    } split /\n/, $text;
}


# The last lines, set in.

sub tail {
    my ($text, $lines) = @_;

    my @l = split /\n/, $text;
    @l = @l[-$lines .. -1] if @l > $lines;
    return join '', map { "  $_\n" } @l;
}


1;

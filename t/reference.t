#!/usr/bin/perl

# The directives that the source knows are those that the documents describe,
# and so are the errors that it answers with.

use strict;
use warnings;

use FindBin;
use Test::More;

use Test::Registry::Files;

my $top = "$FindBin::Bin/..";

my %known = from_source();
my %reference = from_reference();
my %readme = from_readme();

cmp_ok(scalar keys %known, '>=', 8, 'directives found in the source');

for my $name (sort keys %known) {
    my $text = $reference{$name};

    ok(defined $text, "$name is in docs/directives.md") or next;
    like($text, qr/^\W*Syntax\W/mi, "$name: Syntax");
    like($text, qr/^\W*Default\W/mi, "$name: Default");
    like($text, qr/^\W*Context\W/mi, "$name: Context");
    like($text, qr/^\W*Syntax\W.*\b\Q$name\E\b/mi,
        "$name: the syntax begins with its name");

    my ($context) = $text =~ /^\W*Context\W+(.*)/mi;
    for my $place (qw(http server location)) {
        my $said = ($context // '') =~ /\b$place\b/ ? 1 : 0;
        is($said, $known{$name}{$place} ? 1 : 0,
            "$name: allowed in $place or not");
    }

    ok($readme{$name}, "$name is in README.md");
}

ok($known{$_}, "docs/directives.md: $_ is in the source")
    for sort keys %reference;
ok($known{$_}, "README.md: $_ is in the source") for sort keys %readme;

errors();

done_testing();


# Status and code of each error have a row in docs/api.md, and what stands there
# is the status or code of one.

sub errors {
    my ($table) = slurp("$top/src/core/base/reg_error.h")
        =~ /^(#define REG_ERROR_TABLE.*?[^\\])\n/ms;
    my ($section) = slurp("$top/docs/api.md") =~ /^## Errors\n(.*)/ms;
    my (%pair, %status, %code);

    for (split /\n/, $section // '') {
        my ($statuses, $codes) = /\A\| ([\d, ]+) \| (`[^|]+`) \|/ or next;
        for my $s (split /, /, $statuses) {
            $pair{"$s $1"} = 1 while $codes =~ /`(\w+)`/g;
        }
    }

    # what is not there is another error by the time it is answered

    while ($table =~ /X\((\w+), +(\d+), "(\w+)"/g) {
        next if $1 eq 'REG_ABSENT';
        ok($pair{"$2 $3"}, "$1: $2 $3 is in docs/api.md");
        $status{$2}++;
        $code{$3}++;
    }

    cmp_ok(scalar keys %code, '>=', 15, 'errors found in the source');
    # 412 is of nginx itself

    for (sort keys %pair) {
        my ($s, $c) = split / /;
        ok($code{$c} && ($status{$s} || $s == 412),
            "docs/api.md: $s $c is in the source");
    }
}


# Entries of the ngx_command_t tables: { ngx_string("name"), flags, ...

sub from_source {
    my %all;

    for my $file (glob "$top/src/nginx/{*,*/*}.c") {
        my $text = slurp($file);
        while ($text =~ /ngx_command_t\s+\w+\[\]\s*=\s*\{(.*?)\n\};/sg) {
            my $table = $1;
            while ($table =~ /ngx_string\("(\w+)"\)\s*,([^,]*),/g) {
                my ($name, $flags) = ($1, $2);
                $all{$name} = {
                    http => scalar($flags =~ /NGX_HTTP_MAIN_CONF/),
                    server => scalar($flags =~ /NGX_HTTP_SRV_CONF/),
                    location => scalar($flags =~ /NGX_HTTP_LOC_CONF/),
                };
            }
        }
    }

    return %all;
}


# Sections of the reference: a heading that is a directive, and its text.

sub from_reference {
    my $text = slurp("$top/docs/directives.md");
    my %all;

    while ($text =~ /^#+\s+`?(registry\w*)`?\s*$(.*?)(?=^#|\z)/msg) {
        $all{$1} = $2;
    }

    return %all;
}


# Names in code in the README, apart from those that are no directives.

sub from_readme {
    my $text = slurp("$top/README.md");
    my %all;

    $all{$1} = 1 while $text =~ /`(registry(?:_[a-z_]+)?)\b[^`]*`/g;
    $all{$1} = 1 while $text =~ /^\s+(registry(?:_[a-z_]+)?)\s+[^;\n]*;/mg;

    return %all;
}

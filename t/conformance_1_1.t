#!/usr/bin/perl

# The conformance suite that belongs to version 1.1 of the OCI distribution
# specification, as it was last: the one that registries were certified by
# before it was written anew (conformance.t runs the new one).  It asks less,
# and some of it differently.
#
# ci/tools.sh builds the program, at the version below; TEST_CONFORMANCE_1_1
# names another one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Conformance;
use Test::More;

use constant {
    MODULE => 'github.com/opencontainers/distribution-spec/conformance',
    VERSION => 'v0.0.0-20260413194130-13a5d3ee2857',
};

# What it leaves out, because it asks for the opposite elsewhere or because
# nobody told it what is on the registry already.
my @left_out = (
    'Content Discovery Setup Populate registry with test tags (no push)',
    'Pull Setup Get tag name from environment',
    'Push Cross-Repository Blob Mount Cross-mounting of nonexistent blob'
        . ' should yield session id',
    'Push Cross-Repository Blob Mount Cross-mounting without from, and'
        . ' automatic content discovery disabled should return a 202',
);

# 79 of its own and the one that writes its report
my $cases = 80;

my $tests = 2 * 4 + 2 * FINISH;

enter_jail($tests);

my $program = suite($tests, 'conformance-1.1');
my $dir = tempdir('conformance');

my $plain = start_registry();
my $tls = start_registry(tls => 1);

plan tests => $tests;

scenario($_) for $plain, $tls;

# blobs and manifests are deleted one by one, whatever still refers to them
$_->finish(audit => { sparse => 1, missing => 1 }) for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $out = "$dir/$l";

    mkdir $out or die "$out: $!\n";

    my %env = (
        OCI_ROOT_URL => ($reg->tls ? 'https://' : 'http://') . $reg->host,
        OCI_NAMESPACE => 'conformance/one',
        OCI_CROSSMOUNT_NAMESPACE => 'conformance/two',
        OCI_AUTOMATIC_CROSSMOUNT => 1, OCI_HIDE_SKIPPED_WORKFLOWS => 0,
        OCI_REPORT_DIR => $out,
        map({ ("OCI_TEST_$_" => 1) } qw(
            PULL PUSH CONTENT_DISCOVERY CONTENT_MANAGEMENT )),
    );

    $env{SSL_CERT_FILE} = $reg->ca_file if $reg->tls;

    my $r = run({ timeout => 150, env => \%env, cwd => $out }, $program);

    is($r->{rc}, 0, "$l: the suite says yes")
        or diag(substr($r->{out}, -4000));

    my @cases = cases("$out/junit.xml");
    my @bad = grep { $_->{status} !~ /^(?:passed|skipped)$/ } @cases;
    my @skipped = grep { $_->{status} eq 'skipped' } @cases;

    is(scalar @cases, $cases, "$l: all its cases were run");
    is(join("\n", map { "$_->{name}: $_->{said}" } @bad), '',
        "$l: no case failed");
    is(join("\n", sort map { short($_->{name}) } @skipped),
        join("\n", @left_out), "$l: none was left out but alternatives");

    return;
}


# Without what all names begin with.

sub short {
    my ($name) = @_;

    $name =~ s/^OCI Distribution Conformance Tests //;

    return $name;
}

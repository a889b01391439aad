#!/usr/bin/perl

# The conformance suite of the OCI distribution specification, at the state of
# its main branch, with every API and all data switched on.
#
# ci/tools.sh builds the program, at the version below; TEST_CONFORMANCE names
# another one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Conformance;
use Test::More;

use constant {
    MODULE => 'github.com/opencontainers/distribution-spec/conformance',
    VERSION => 'v0.0.0-20260716174315-967efdc079b9',
};

# All that the suite reports on, so that nothing can go missing unseen.
my @apis = (
    'Blob anonymous mount', 'Blob chunked', 'Blob delete',
    'Blob delete atomic', 'Blob get', 'Blob get range', 'Blob head',
    'Blob mount', 'Blob post only', 'Blob post put', 'Blob push',
    'Blob streaming', 'Blob upload cancel', 'Manifest delete',
    'Manifest delete atomic', 'Manifest get by digest', 'Manifest get by tag',
    'Manifest head by digest', 'Manifest head by tag',
    'Manifest put by digest', 'Manifest put by tag',
    'Manifest put with subject', 'Manifest put with tag params', 'Ping',
    'Referrers', 'Tag delete', 'Tag delete atomic', 'Tag listing',
);
my @data = (
    'Artifact', 'Artifact Index', 'Artifact without Layers',
    'Artifacts with Subject', 'Bad Digest Image', 'Blobs sha256',
    'Blobs sha512', 'Custom Fields', 'Data Field', 'Digest Algorithm sha512',
    'Empty Index', 'Image', 'Image Uncompressed', 'Image with Large Manifest',
    'Index', 'Index with Subject', 'Invalid Manifest Digest',
    'Missing Subject', 'Nested Index', 'No Layers',
    'Non-distributable Layers', 'Sparse Manifests', 'Tag Param',
    'Tag Param sha512',
);

my $tests = 2 * (@apis + @data + 4) + 2 * FINISH;

enter_jail($tests);

my $program = suite($tests, 'conformance');
my $dir = tempdir('conformance');

my $plain = start_registry(location => 'registry_sparse_index on;');
my $tls = start_registry(tls => 1, location => 'registry_sparse_index on;');

plan tests => $tests;

scenario($_) for $plain, $tls;

# blobs and manifests are deleted one by one, whatever still refers to them
$_->finish(audit => { sparse => 1, missing => 1 }) for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $out = "$dir/$l";
    my %env = (
        OCI_REGISTRY => $reg->host, OCI_TLS => 'disabled',
        OCI_REPO1 => 'conformance/one', OCI_REPO2 => 'conformance/two',
        OCI_RESULTS_DIR => $out, OCI_VERSION => 'dev',
        map({ ("OCI_API_$_" => 'true') } qw(
            PING PULL PUSH BLOBS_ATOMIC BLOBS_DELETE BLOBS_DIGEST_HEADER
            BLOBS_MOUNT_ANONYMOUS BLOBS_UPLOAD_CANCEL MANIFESTS_ATOMIC
            MANIFESTS_DELETE MANIFESTS_DIGEST_HEADER MANIFESTS_TAG_PARAM
            TAGS_ATOMIC TAGS_DELETE TAGS_LIST REFERRER )),
        map({ ("OCI_DATA_$_" => 'true') } qw(
            IMAGE INDEX INDEX_LIST SPARSE ARTIFACT SUBJECT SUBJECT_MISSING
            ARTIFACT_LIST SUBJECT_LIST DATA_FIELD NONDISTRIBUTABLE
            CUSTOM_FIELDS NO_LAYERS EMPTY_BLOB SHA512 )),
    );

    if ($reg->tls) {
        $env{OCI_TLS} = 'enabled';
        $env{SSL_CERT_FILE} = $reg->ca_file;
    }

    my $r = run({ timeout => 150, env => \%env, cwd => $dir }, $program);
    my $found = results("$out/results.yaml");

    is($r->{rc}, 0, "$l: the suite says yes")
        or diag(substr($r->{err}, 0, 4000));

    for my $name (@apis) {
        is($found->{apis}{$name} // 'absent', 'Pass', "$l: API: $name");
    }

    for my $name (@data) {
        is($found->{data}{$name} // 'absent', 'Pass', "$l: data: $name");
    }

    is(switched_off("$out/results.yaml"), '', "$l: everything was switched on");

    my @cases = cases("$out/junit.xml");
    my @bad = grep { $_->{status} ne 'passed' } @cases;

    ok(@cases > 500, "$l: all its cases were run") or diag(scalar @cases);
    is(scalar @bad, 0, "$l: no case failed or was skipped");
    diag("$_->{status}: $_->{name}: $_->{said}")
        for @bad > 40 ? @bad[0 .. 39] : @bad;

    return;
}


# { apis => { name => verdict }, data => { ... } }

sub results {
    my ($file) = @_;

    my ($found, $section) = ({}, '');

    for my $line (-f $file ? split(/\n/, slurp($file)) : ()) {
        $section = $1 if $line =~ /^(\w+):/;
        $found->{$section}{$1} = $2 if $line =~ /^  "?([^":]+)"?: (\w+)$/;
    }

    return $found;
}


# The suite's own account of its configuration: what is not true there.

sub switched_off {
    my ($file) = @_;

    return 'no results' if !-f $file;

    my ($config) = slurp($file) =~ /^config:\n(.*?)^\w/ms;
    my ($options) = ($config // '') =~ /^  apis:\n(.*?)^  roData:/ms;

    return 'no configuration' if !$options;
    return join(' ', map { /(\w+): false/ ? $1 : () } split(/\n/, $options));
}

#!/usr/bin/perl

# oras: any file as an artifact, and artifacts that refer to others.
#
# A blob goes up as POST and one PUT. With OCI-Subject in the reply to a
# manifest it trusts the referrers API; without, it keeps a list of referrers
# under a tag of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 2 * 72 + 2 + 2 * FINISH;

enter_jail($tests);

my $oras = need($tests, 'oras');
my $dir = tempdir('oras');
my $set = Test::Clients::Image::standard("$dir/set");

spew("$dir/files/readme", "read me\n");
spew("$dir/files/none", '');
Test::Clients::Image::random_file("$dir/files/noise", 2_000_003, 'oras');
spew("$dir/files/sbom.json", '{"sbom":true}');
spew("$dir/files/report.json", '{"report":true}');

my $plain = start_registry();
my $tls = start_registry(tls => 1);

plan tests => $tests;

scenario($_) for $plain, $tls;

run_fails('tls: an unknown authority is refused', qr/x509|certificate/, $oras,
    'repo', 'tags', $tls->host . '/oras/files');
run_ok('tls: a known one is accepted', $oras, 'repo', 'tags', '--ca-file',
    $tls->ca_file, $tls->host . '/oras/files');

$_->finish for $plain, $tls;


sub scenario {
    my ($reg) = @_;

    my $l = $reg->label;
    my $repo = $reg->host . '/oras/files';
    my $second = $reg->host . '/oras/second';
    my @files = ('readme:text/plain', 'none', 'noise');

    # push of files, one of them empty
    $reg->mark;
    my $digest = json(oras_ok($reg, "$l: push", 'push', '--format', 'json',
        '--artifact-type', 'application/vnd.test', "$repo:1", @files))
        ->{digest} // 'none';
    $reg->sent_is(4, "$l: three files and the config were sent");
    is(oras_ok($reg, "$l: resolve", 'resolve', "$repo:1"), $digest,
        "$l: the tag leads to the digest that oras tells");

    $reg->mark;
    oras_ok($reg, "$l: push again", 'push', '--artifact-type',
        'application/vnd.test', '--annotation',
        'org.opencontainers.image.created=2000-01-01T00:00:00Z', "$repo:2",
        @files);
    $reg->nothing_sent("$l: nothing was sent again");
    oras_ok($reg, "$l: tag", 'tag', "$repo:1", 'latest', 'stable');
    is_deeply([ sort split(/\n/, oras_ok($reg, "$l: repo tags", 'repo', 'tags',
        $repo)) ], [ '1', '2', 'latest', 'stable' ], "$l: all are listed");

    # pull
    for my $ref ("$repo:1", "$repo\@$digest") {
        my $how = $ref =~ /\@/ ? 'digest' : 'tag';
        run('rm', '-rf', "$dir/out");
        oras_ok($reg, "$l: pull by $how", 'pull', '-o', "$dir/out", $ref);
        is(digests("$dir/out"), digests("$dir/files"),
            "$l: every byte came back");
    }

    # blobs by themselves
    my $readme = file_digest("$dir/files/readme");
    oras_ok($reg, "$l: blob fetch", 'blob', 'fetch', '-o', "$dir/blob",
        "$repo\@$readme");
    is(file_digest("$dir/blob"), $readme, "$l: it is the file");
    oras_ok($reg, "$l: blob push", 'blob', 'push', "$second",
        'sbom.json');
    oras_ok($reg, "$l: blob delete", 'blob', 'delete', '--force',
        "$second\@" . file_digest("$dir/files/sbom.json"));
    oras_fails($reg, "$l: it is gone", qr/not found/, 'blob', 'fetch',
        '-o', "$dir/blob", "$second\@" . file_digest("$dir/files/sbom.json"));

    referrers($reg, $l, $repo, $digest);
    copies($reg, $l, $repo, $digest);
    indexes($reg, $l);

    # errors
    oras_fails($reg, "$l: an absent tag", qr/not found/, 'pull', '-o',
        "$dir/none", "$repo:absent");
    oras_fails($reg, "$l: an absent repository",
        qr/not found|not known|NAME_UNKNOWN|name unknown/i, 'repo', 'tags',
        $reg->host . '/oras/absent');

    # delete: oras removes the manifest, hence all its tags
    oras_ok($reg, "$l: manifest delete by tag", 'manifest', 'delete',
        '--force', "$repo:1");
    oras_fails($reg, "$l: the tag is gone", qr/not found/, 'resolve',
        "$repo:1");
    oras_fails($reg, "$l: so is another one", qr/not found/, 'resolve',
        "$repo:stable");
    oras_fails($reg, "$l: and the digest", qr/not found/, 'resolve',
        "$repo\@$digest");
    my $two = oras_ok($reg, "$l: the other manifest", 'resolve', "$repo:2");
    oras_ok($reg, "$l: manifest delete by digest", 'manifest', 'delete',
        '--force', "$repo\@$two");
    oras_fails($reg, "$l: it is gone", qr/not found/, 'resolve', "$repo:2");
    oras_ok($reg, "$l: push of what was deleted", 'push', "$repo:1", @files);

    return;
}


sub referrers {
    my ($reg, $l, $repo, $digest) = @_;

    $reg->mark;
    my $sbom = json(oras_ok($reg, "$l: attach", 'attach', '--format', 'json',
        '--artifact-type', 'application/vnd.test.sbom', "$repo:1",
        'sbom.json:application/json'))->{digest} // 'none';
    my $report = json(oras_ok($reg, "$l: attach by digest", 'attach',
        '--format', 'json', '--artifact-type', 'application/vnd.test.report',
        '--annotation', 'who=me', "$repo\@$digest",
        'report.json:application/json'))->{digest} // 'none';
    my $deep = json(oras_ok($reg, "$l: attach to what is attached", 'attach',
        '--format', 'json', '--artifact-type', 'application/vnd.test.sig',
        "$repo\@$sbom", 'readme:text/plain'))->{digest} // 'none';

    TODO: {
        local $TODO = $reg->lacks('referrers');
        $reg->count_is(0, "$l: no tag in place of the API", 'PUT',
            qr{/manifests/sha256-});
    }

    my $all = discover($reg, "$l: discover", "$repo:1");
    is_deeply([ sort map { $_->{digest} } @$all ],
        [ sort $sbom, $report ], "$l: both are found");
    is_deeply([ map { $_->{annotations}{who} // () } @$all ], [ 'me' ],
        "$l: with their annotations");

    my $one = discover($reg, "$l: discover one type", '--artifact-type',
        'application/vnd.test.sbom', "$repo\@$digest");
    is_deeply([ map { $_->{digest} } @$one ], [ $sbom ], "$l: it is found");

    TODO: {
        local $TODO = $reg->lacks('referrers');
        my $r = http($reg, 'GET', "/v2/oras/files/referrers/$digest"
            . '?artifactType=application%2Fvnd.test.report');
        is($r->{headers}{'oci-filters-applied'}, 'artifactType',
            "$l: the registry filters");
        is_deeply([ map { $_->{digest} }
                    @{ json($r->{content})->{manifests} // [] } ],
            [ $report ], "$l: and finds the right one");
    }

    my $none = discover($reg, "$l: discover another type", '--artifact-type',
        'application/vnd.test.none', "$repo:1");
    is_deeply($none, [], "$l: there is none");

    my $tree = oras_ok($reg, "$l: discover as a tree", 'discover',
        '--format', 'tree', "$repo:1");
    like($tree, qr/\Q$deep\E/, "$l: with what is attached to the attached");

    oras_ok($reg, "$l: delete of a referrer", 'manifest', 'delete', '--force',
        "$repo\@$report");
    is_deeply([ map { $_->{digest} }
                @{ discover($reg, "$l: discover", "$repo:1") } ], [ $sbom ],
        "$l: one is left");

    return;
}


sub copies {
    my ($reg, $l, $repo, $digest) = @_;

    my $copy = $reg->host . '/oras/copy';

    $reg->mark;
    oras_ok($reg, "$l: copy with referrers", 'cp', '-r', "$repo:1",
        "$copy:1");
    is(oras_ok($reg, "$l: resolve the copy", 'resolve', "$copy:1"), $digest,
        "$l: it is the same");
    $reg->sent_is(0, "$l: no blob was sent")
        or diag('nothing mounted');
    is(scalar @{ discover($reg, "$l: discover there", "$copy:1") }, 1,
        "$l: the referrer came along");

    # from and to a folder
    oras_ok($reg, "$l: copy to a folder", 'cp', '-r',
        '--to-oci-layout', "$repo:1", "$dir/layout-$l:1");
    oras_ok($reg, "$l: copy from the folder", 'cp', '-r',
        '--from-oci-layout', "$dir/layout-$l:1", "$copy/folder:1");
    is(oras_ok($reg, "$l: resolve that copy", 'resolve', "$copy/folder:1"),
        $digest, "$l: it is the same");

    return;
}


sub indexes {
    my ($reg, $l) = @_;

    my $multi = $reg->host . '/oras/multi';

    for my $kind ('image', 'multi', 'nested') {
        oras_ok($reg, "$l: copy of a folder ($kind)", 'cp',
            '--from-oci-layout', "$set->{$kind}{dir}:latest", "$multi:$kind");
        is(oras_ok($reg, "$l: resolve it", 'resolve', "$multi:$kind"),
            $set->{$kind}{desc}{digest}, "$l: it is the same");
    }

    run('rm', '-rf', "$dir/nested");
    oras_ok($reg, "$l: copy back", 'cp', '--to-oci-layout',
        "$multi:nested", "$dir/nested:1");
    is_deeply([ $set->{nested}{layout}->missing_in($set->{nested}{desc},
        "$dir/nested") ], [], "$l: every byte came back");

    my $file = $set->{multi}{layout}->path($set->{multi}{desc});
    oras_ok($reg, "$l: manifest push", 'manifest', 'push', '--media-type',
        Test::Clients::Image::INDEX, "$multi:one,two", $file);
    is(oras_ok($reg, "$l: manifest fetch", 'manifest', 'fetch', "$multi:two"),
        slurp($file), "$l: it is what was pushed");
    like(oras_ok($reg, "$l: repo ls", 'repo', 'ls', $reg->host),
        qr{^oras/multi$}m, "$l: the repository is listed");

    return;
}


sub digests {
    my ($from) = @_;

    return join(' ', map { file_digest("$from/$_") } qw( readme none noise ));
}


# --- oras --------------------------------------------------------------------

sub discover {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $found = json(oras_ok($reg, $name, 'discover', '--format', 'json',
        @args));

    return $found->{referrers} // $found->{manifests} // [];
}


sub _command {
    my ($reg, @args) = @_;

    my %env = $reg->tls ? (SSL_CERT_FILE => $reg->ca_file) : ();

    return ({ cwd => "$dir/files", env => \%env }, $oras, @args);
}


sub oras_ok {
    my ($reg, $name, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_ok($name, _command($reg, @args));
}


sub oras_fails {
    my ($reg, $name, $pattern, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return run_fails($name, $pattern, _command($reg, @args));
}

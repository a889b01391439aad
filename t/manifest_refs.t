#!/usr/bin/perl

# What manifests refer to: blobs and children that are there, elsewhere, or
# nowhere; indexes, artifacts, foreign layers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Registry;


my $t = Test::Registry->new(
    location => 'registry_delete on;',
    workers => 2,
    ports => 1,
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_sparse_index on;
    }
}
EOF
)->run;

my $sparse = $t->extra_port(1);

unknown_references();
elsewhere_only();
indexes();
sparse_indexes();
artifacts();
foreign_layers();
odd_but_right();

finish($t, { audit => { missing => 1 } });


# Refused for a reference that is not there: the digest is in the detail.

sub is_unknown {
    my ($r, $digest, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 404, 'MANIFEST_BLOB_UNKNOWN', $name) or return 0;
    my ($detail) = grep { $_ =~ /\Q$digest\E/ }
        map { to_json($_->{detail}) } grep { defined $_->{detail} }
        @{ $r->json->{errors} };
    return ok(defined $detail, "$name: the detail names it")
        || diag $r->as_text;
}


sub unknown_references {
    my $image = image(seed => 'unknown');
    my ($layer) = @{ $image->{layers} };

    is_unknown($t->push_manifest('unknown', 'v1', $image->{bytes}),
        sha256($image->{config}), 'A53 neither config nor layer');

    $t->push_blob('unknown', $layer);
    is_unknown($t->push_manifest('unknown', 'v1', $image->{bytes}),
        sha256($image->{config}), 'A53 no config');

    $t->push_blob('unknown', $image->{config});
    is_status($t->delete('/v2/unknown/blobs/' . sha256($layer)), 202,
        'the layer is deleted');
    is_unknown($t->push_manifest('unknown', 'v1', $image->{bytes}),
        sha256($layer), 'A53 no layer');
    is_unknown($t->push_manifest('unknown', $image->{digest},
        $image->{bytes}), sha256($layer), 'A53 no layer, by digest');

    is_error($t->get("/v2/unknown/manifests/$_"), 404, 'MANIFEST_UNKNOWN',
        "A53 nothing is stored: $_") for 'v1', $image->{digest};

    $t->push_blob('unknown', $layer);
    is_status($t->push_manifest('unknown', 'v1', $image->{bytes}), 201,
        'with both it goes in');
}


# What another repository has is as unknown as what nobody has.

sub elsewhere_only {
    my $image = $t->push_image('elsewhere', 'v1', seed => 'elsewhere');
    my $never = image(seed => 'never pushed');

    my $a = $t->push_manifest('here', 'v1', $image->{bytes});
    my $b = $t->push_manifest('here', 'v1', $never->{bytes});

    is_unknown($a, sha256($image->{config}), 'A54 in another repository');

    is_like($a, $b, 'A54 the same reply as for one that nobody has',
        [sha256($image->{config}), sha256($never->{config})]);

    # The config is here, the layer elsewhere or nowhere.

    my $layer = $image->{layers}[0];
    my $nobody = blob(length $layer, 'nobody');

    $t->push_blob('here', '{"a54":1}');
    ($a, $b) = map {
        $t->push_manifest('here', 'v1', manifest(
            descriptor(OCI_CONFIG, '{"a54":1}'), [descriptor(OCI_LAYER, $_)]))
    } $layer, $nobody;
    is_unknown($a, sha256($layer), 'A54 a layer in another repository');
    is_like($a, $b, 'A54 a layer: as one that nobody has',
        [sha256($layer), sha256($nobody)]);
    is_error($t->get('/v2/here/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
        'A54 and nothing is stored');
}


sub indexes {
    my @children = map {
        $t->push_image('multi', undef, seed => "child $_", docker => $_ % 2)
    } 0 .. 2;
    my @descriptors = map { {
        %{ descriptor($_->{type}, $_->{bytes}) },
        platform => { architecture => 'amd64', os => 'linux' }
    } } @children;
    $descriptors[2]{platform} = { architecture => 'unknown', os => 'unknown' };

    my $index = to_json(manifest_index(\@descriptors));
    is_manifest_created($t->push_manifest('multi', 'all', $index, OCI_INDEX),
        'multi', sha256($index), 'an index over both kinds of children');
    my $r = $t->get('/v2/multi/manifests/all');
    is_whole($r, $index, 'it is served');
    is_header($r, 'Content-Type', OCI_INDEX);

    my $list = to_json({ schemaVersion => 2, mediaType => DOCKER_LIST,
        manifests => [@descriptors[1, 1]] });
    is_manifest_created($t->push_manifest('multi', 'list', $list, DOCKER_LIST),
        'multi', sha256($list), 'a docker list');
    is_header($t->get('/v2/multi/manifests/list'), 'Content-Type',
        DOCKER_LIST);

    my $outer = to_json(manifest_index([descriptor(OCI_INDEX, $index),
        descriptor(DOCKER_LIST, $list)]));
    is_manifest_created($t->push_manifest('multi', 'outer', $outer, OCI_INDEX),
        'multi', sha256($outer), 'an index of indexes');

    my $empty = to_json(manifest_index([]));
    is_manifest_created($t->push_manifest('multi', 'empty', $empty, OCI_INDEX),
        'multi', sha256($empty), 'an index of nothing');

    my $none = manifest_index([descriptor(OCI_MANIFEST, sha256('none'), 10)]);
    is_unknown($t->push_manifest('multi', 'missing', $none, OCI_INDEX),
        sha256('none'), 'A55 an index with an unknown child');
    is_error($t->get('/v2/multi/manifests/missing'), 404,
        'MANIFEST_UNKNOWN', 'A55 nothing is stored');

    # A blob is no child, and a child elsewhere is none here.

    $t->push_blob('multi', 'just a blob');
    is_unknown($t->push_manifest('multi', 'blob', manifest_index(
        [descriptor(OCI_MANIFEST, 'just a blob')]), OCI_INDEX),
        sha256('just a blob'), 'A55 an index with a blob as child');
    is_unknown($t->push_manifest('multi2', 'all', $index, OCI_INDEX),
        $descriptors[0]{digest}, 'A54 children in another repository');

    # Thirty levels, each naming the next one twice.

    my $level = descriptor(OCI_INDEX, $empty);
    my $bad = 0;
    for (1 .. 30) {
        my $bytes = to_json(manifest_index([$level, $level]));
        $bad++ if $t->push_manifest('multi', sha256($bytes), $bytes,
            OCI_INDEX)->status != 201;
        $level = descriptor(OCI_INDEX, $bytes);
    }
    is($bad, 0, 'A62 thirty levels of indexes');

    my $begin = time;
    is_status($t->get("/v2/multi/referrers/$level->{digest}"), 200,
        'A62 referrers of the top');
    is_status($t->delete("/v2/multi/manifests/$level->{digest}"), 202,
        'A62 delete of the top');
    cmp_ok(time - $begin, '<=', 5, 'A62 in five seconds');
}


sub sparse_indexes {
    my $image = $t->push_image('sparse', undef, seed => 'sparse');
    my $bytes = to_json(manifest_index([
        descriptor(OCI_MANIFEST, $image->{bytes}),
        descriptor(OCI_MANIFEST, sha256('absent child'), 100)]));

    is_unknown($t->push_manifest('sparse', 'v1', $bytes, OCI_INDEX),
        sha256('absent child'), 'A55 sparse indexes off');
    is_manifest_created($t->push_manifest('sparse', 'v1', $bytes, OCI_INDEX,
        port => $sparse), 'sparse', sha256($bytes), 'A55 sparse indexes on');
    is_whole($t->get('/v2/sparse/manifests/v1'), $bytes, 'A55 it is served');

    my $never = image(seed => 'sparse image');
    is_unknown($t->push_manifest('sparse', 'image', $never->{bytes},
        OCI_MANIFEST, port => $sparse), sha256($never->{config}),
        'A55 blobs of an image are still wanted');
}


sub artifacts {
    my $layer = 'the artifact';
    $t->push_blob('art', $_) for '{}', $layer;

    my $data = manifest(descriptor(OCI_EMPTY, '{}'),
        [descriptor('text/plain', $layer)],
        artifactType => 'application/vnd.example.thing.v1',
        annotations => { 'org.example.key' => 'value' });
    my $bytes = to_json($data);

    is_manifest_created($t->push_manifest('art', 'v1', $bytes), 'art',
        sha256($bytes), 'an artifact with the empty config');
    is_whole($t->get('/v2/art/manifests/v1'), $bytes, 'it is served');

    $data->{config}{data} = 'e30=';
    $bytes = to_json($data);
    is_manifest_created($t->push_manifest('art', 'v2', $bytes), 'art',
        sha256($bytes), 'a descriptor with a data field');

    $data->{'org.example.unknown'} = { any => [1, 2.5, undef, JSON::PP::true()] };
    $bytes = to_json($data);
    is_manifest_created($t->push_manifest('art', 'v3', $bytes), 'art',
        sha256($bytes), 'members that nobody knows');

    # artifactType after subject, and a subject that is not there.

    my $subject = descriptor(OCI_MANIFEST, sha256('no such subject'), 5);
    my $text = '{"schemaVersion":2,"mediaType":"' . OCI_MANIFEST
        . '","subject":' . to_json($subject) . ',"config":'
        . to_json(descriptor(OCI_EMPTY, '{}')) . ',"layers":['
        . to_json(descriptor('text/plain', $layer))
        . '],"artifactType":"application/vnd.example.late"}';
    my $r = $t->push_manifest('art', 'late', $text);
    is_manifest_created($r, 'art', sha256($text), 'artifactType after subject');
    is_header($r, 'OCI-Subject', $subject->{digest},
        'A61 a subject that is not there');
}


# Layers that must not be distributed need not be here; nobody fetches them.

sub foreign_layers {
    my $config = '{"foreign":1}';
    $t->push_blob('foreign', $config);

    my $trap = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
        Proto => 'tcp', Blocking => 0) or die "no trap: $@\n";
    my $url = 'http://127.0.0.1:' . $trap->sockport . '/layer';

    my %types = (
        'application/vnd.docker.image.rootfs.foreign.diff.tar'
            => DOCKER_MANIFEST,
        'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
            => DOCKER_MANIFEST,
        'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
            => OCI_MANIFEST,
        'application/vnd.oci.image.layer.nondistributable.v1.tar'
            => OCI_MANIFEST,
    );

    for my $type (sort keys %types) {
        my $data = manifest(descriptor(OCI_CONFIG, $config),
            [descriptor($type, sha256("foreign $type"), 1000,
                urls => [$url])], mediaType => $types{$type});

        is_status($t->push_manifest('foreign', 'v1', $data), 201,
            "A60 a layer of $type");
    }

    is_error($t->push_manifest('foreign', 'v2', manifest(
        descriptor(OCI_CONFIG, $config), [descriptor(OCI_LAYER,
            sha256('ordinary'), 1000, urls => [$url])])), 400,
        'MANIFEST_INVALID', 'A60 urls alone make no layer foreign');
    $t->push_blob('foreign', 'ordinary');
    is_error($t->push_manifest('foreign', 'v2', manifest(
        descriptor(OCI_CONFIG, $config), [descriptor(OCI_LAYER, 'ordinary',
            undef, urls => [$url])])), 400, 'MANIFEST_INVALID',
        'A60 nor may a layer that is there have them');
    is_error($t->push_manifest('foreign', 'v2', manifest(
        descriptor(OCI_CONFIG, $config, undef, urls => [$url]), [])), 400,
        'MANIFEST_INVALID', 'A60 nor a config');

    ok(!$trap->accept, 'A60 and nothing ever connects to the url');
}


sub odd_but_right {
    my $layer = blob(2000, 'odd');
    my $config = '{"odd":1}';
    $t->push_blob('odd', $_) for $layer, $config;

    my $r = $t->push_manifest('odd', 'twice', manifest(
        descriptor(OCI_CONFIG, $config), [(descriptor(OCI_LAYER, $layer)) x 3]));
    is_status($r, 201, 'the same layer three times');

    $r = $t->push_manifest('odd', 'types', manifest(
        descriptor('application/vnd.example.config', $config),
        [descriptor('application/vnd.example.layer+type', $layer)]));
    is_status($r, 201, 'types of config and layer that nobody knows');

    $r = $t->push_manifest('odd', 'none', manifest(
        descriptor(OCI_CONFIG, $config), []));
    is_status($r, 201, 'no layers');

    my $hex = '0123456789abcdef' x 4;
    for my $tag ("sha256-$hex", "sha256-$hex.sig", "sha256-$hex.att", 'latest')
    {
        $r = $t->push_manifest('odd', $tag, manifest(
            descriptor(OCI_CONFIG, $config), []));
        is_status($r, 201, "tag $tag");
        is_status($t->get("/v2/odd/manifests/$tag"), 200, 'is served');
    }

    # A config that is sha512, as its descriptor says.

    my $long = $t->push_blob('odd', 'long config',
        digest => sha512('long config'));
    my $data = manifest({ mediaType => OCI_CONFIG, digest => $long,
        size => 11 }, []);
    is_status($t->push_manifest('odd', 'long', $data), 201,
        'a config with a sha512 digest');

    # Same content as a layer and as a manifest.

    my $image = $t->push_image('odd', 'inner', seed => 'inner');
    $t->push_blob('odd', $image->{bytes});
    is_whole($t->get("/v2/odd/blobs/$image->{digest}"), $image->{bytes},
        'A19 bytes pushed both ways are served as a blob');
    is_header($t->get("/v2/odd/manifests/$image->{digest}"), 'Content-Type',
        OCI_MANIFEST, 'A19 and as a manifest');
}

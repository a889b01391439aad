#!/usr/bin/perl

# Manifests that are too large, malformed, or made to hurt.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;


my $t = Test::Registry->new(
    location => 'registry_delete on;',
    ports => 1,
    servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_manifest_max_size 2k;
    }
}
EOF
)->run;

my $limit = 4 * 1024 * 1024;
my $config = '{"json":1}';
my $layer = 'layer bytes';

$t->push_blob('app', $_) for $config, $layer;

my $cd = descriptor(OCI_CONFIG, $config);
my $ld = descriptor(OCI_LAYER, $layer);
my $good = manifest($cd, [$ld]);
my $image = $t->push_manifest('app', 'kept', $good);

size_limit();
own_limit();
wrong_syntax();
wrong_encoding();
wrong_types();
duplicate_keys();
second_spellings();
numbers();
contradictions();
media_types();
schema_one();
subjects();
nesting();
bombs();
nothing_stored();

finish($t);


# A push that is refused with 400 MANIFEST_INVALID, or what the list says.

sub is_refused {
    my ($body, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_error($t->push_manifest('app', 'refused', to_json($body),
        $o{type} || OCI_MANIFEST), $o{status} || 400,
        $o{code} || 'MANIFEST_INVALID', $name);
}


sub is_taken {
    my ($body, $name, $type) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_status($t->push_manifest('app', 'taken', to_json($body),
        $type || OCI_MANIFEST), 201, $name);
}


# The good manifest as text, with one piece of it replaced.

sub twisted {
    my ($from, $to) = @_;

    my $text = to_json($good);
    index($text, $from) >= 0 or die "no $from in $text\n";
    substr $text, index($text, $from), length $from, $to;
    return $text;
}


sub size_limit {
    my $exact = padded_manifest($good, $limit);
    my $over = padded_manifest($good, $limit + 1);

    my $r = $t->push_manifest('app', 'big', $exact);
    is_status($r, 201, 'A47 a manifest of exactly 4 MiB');
    is_whole($t->get('/v2/app/manifests/big'), $exact, 'A47 is served');
    is_status($t->put('/v2/app/manifests/big2',
        chunks => [unpack '(a65536)*', $exact],
        headers => { 'Content-Type' => OCI_MANIFEST }), 201,
        'A47 in chunks too');

    is_refused($over, 'A47 one byte more', status => 413);
    is_error($t->put('/v2/app/manifests/refused',
        chunks => [unpack '(a65536)*', $over],
        headers => { 'Content-Type' => OCI_MANIFEST }), 413,
        'MANIFEST_INVALID', 'A47 one byte more, in chunks');

    # Announced, it is refused before any of it is read.

    is_soon(2, 'R6 it is refused at once', sub {
        $r = $t->put('/v2/app/manifests/refused', body => sub { undef },
            length => 1 << 40, headers => { 'Content-Type' => OCI_MANIFEST });
    });
    is_error($r, 413, 'MANIFEST_INVALID', 'A47 1 TiB announced');

    my $sent = 0;
    my $piece = 'z' x 65536;
    my $c = $t->connect;
    $r = $c->put('/v2/app/manifests/refused', chunks => sub {
        $sent += 65536;
        return $sent < 1 << 30 ? $piece : undef;
    }, headers => { 'Content-Type' => OCI_MANIFEST });
    is_error($r, 413, 'MANIFEST_INVALID', 'A47 a body in chunks without end');
    is_header($r, 'Connection', 'close', 'A47 nothing is read behind it');
    cmp_ok($sent, '<', 64 << 20, 'A47 reading stops at the limit');
}


sub own_limit {
    my %where = (port => $t->extra_port(1));

    is_status($t->push_manifest('app', 'small', padded_manifest($good, 2048),
        OCI_MANIFEST, %where), 201, 'exactly at a limit of 2k');
    is_error($t->push_manifest('app', 'small', padded_manifest($good, 2049),
        OCI_MANIFEST, %where), 413, 'MANIFEST_INVALID',
        'one byte over a limit of 2k');
    is_status($t->push_manifest('app', 'small', padded_manifest($good, 2049)),
        201, 'the other location has its own limit');
}


sub wrong_syntax {
    my $text = to_json($good);

    my %bad = (
        'nothing' => '', 'blanks' => "  \n", 'null' => 'null', 'a list' => '[]',
        'a string' => '"x"', 'a number' => '5', 'true' => 'true',
        'an empty object' => '{}', 'text behind' => "$text x",
        'an object behind' => "$text$text", 'a comma too many' =>
            substr($text, 0, -1) . ',}', 'cut' => substr($text, 0, -1),
        'cut in the middle' => substr($text, 0, 100), 'no JSON' => 'hello',
        'single quotes' => $text =~ s/"/'/gr, 'a comment' => "/* x */$text",
        'NaN' => twisted('"schemaVersion":2', '"schemaVersion":2,"x":NaN'),
        'a leading zero' => twisted('"schemaVersion":2',
            '"schemaVersion":2,"x":01'),
        'a raw newline in a string' => twisted('"schemaVersion":2',
            "\"schemaVersion\":2,\"x\":\"a\nb\""),
        'HTML' => '<html><script>alert(1)</script></html>',
    );

    is_refused($bad{$_}, "A59 $_") for sort keys %bad;
}


sub wrong_encoding {
    my $text = to_json($good);
    my $with = sub { twisted('"schemaVersion":2',
        "\"schemaVersion\":2,\"annotations\":{\"a\":\"$_[0]\"}") };

    is_refused("\xef\xbb\xbf$text", 'A59 BOM');
    is_refused(join('', map { "$_\0" } split //, $text), 'A59 UTF-16');
    is_refused("\xff\xfe" . join('', map { "$_\0" } split //, $text),
        'A59 UTF-16 with BOM');
    is_refused($with->($_), 'A59 bad UTF-8: ' . unpack 'H*', $_)
        for "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82";
    is_refused($with->("a\0b"), 'A59 a NUL byte');
    is_refused($with->($_), "A59 $_")
        for 'a\\u0000b', '\\ud800', '\\udc00', '\\ud800x', '\\u12', '\\x41';
    is_taken($with->("\xc3\xa9 \\u00e9 \\ud83d\\ude00"), 'right UTF-8');
}


sub wrong_types {
    my @bad = (
        ['layers an object', { %$good, layers => {} }],
        ['layers a string', { %$good, layers => 'x' }],
        ['layers of numbers', { %$good, layers => [1, 2] }],
        ['layers of null', { %$good, layers => [undef] }],
        ['layers of lists', { %$good, layers => [[]] }],
        ['config a list', { %$good, config => [] }],
        ['config null', { %$good, config => undef }],
        ['config a string', { %$good, config => 'x' }],
        ['config empty', { %$good, config => {} }],
        ['schemaVersion a string', { %$good, schemaVersion => '2' }],
        ['schemaVersion 1', { %$good, schemaVersion => 1 }],
        ['schemaVersion 3', { %$good, schemaVersion => 3 }],
        ['schemaVersion null', { %$good, schemaVersion => undef }],
        ['mediaType a number', { %$good, mediaType => 5 }],
        ['mediaType null', { %$good, mediaType => undef }],
        ['artifactType a number', { %$good, artifactType => 5 }],
        ['annotations a list', { %$good, annotations => [] }],
        ['an annotation a number', { %$good, annotations => { a => 1 } }],
        ['an annotation null', { %$good, annotations => { a => undef } }],
        map { my $d = $_; ["a descriptor with $d->[0]",
            { %$good, layers => [{ %$ld, %{ $d->[1] } }] }] } (
            ['size a string', { size => '5' }],
            ['size null', { size => undef }],
            ['size a list', { size => [] }],
            ['size true', { size => JSON::PP::true() }],
            ['digest a number', { digest => 5 }],
            ['digest null', { digest => undef }],
            ['digest junk', { digest => 'x' }],
            ['digest in capitals', { digest => uc $ld->{digest} }],
            ['digest with a path', { digest => 'sha256:../../x' }],
            ['mediaType a number', { mediaType => 5 }],
            ['mediaType null', { mediaType => undef }],
            ['annotations a string', { annotations => 'x' }],
            ['an annotation a number', { annotations => { a => 1 } }],
            ['artifactType a list', { artifactType => [] }],
            ['data an object', { data => {} }],
            ['data that are no base64', { data => '{}' }],
            ['a platform a string', { platform => 'linux' }],
        )
    );

    is_refused($_->[1], "A51 $_->[0]") for @bad;

    # which is no wrong one: a list of nothing, to programs in Go
    is_taken({ %$good, layers => undef }, 'A51 layers null');
    is_taken({ %{ manifest_index([]) }, manifests => undef },
        'A51 manifests null', OCI_INDEX);

    # which SDKs of .NET write for each layer that has none
    is_taken({ %$good, layers => [{ %$ld, urls => undef }] },
        'A51 urls null');

    for my $key (qw(digest size mediaType)) {
        my %d = %$ld;
        delete $d{$key};
        is_refused({ %$good, layers => [\%d] }, "A51 a layer without $key");

        %d = %$cd;
        delete $d{$key};
        is_refused({ %$good, config => \%d }, "A51 a config without $key");
    }

    my %no = %$good;
    delete $no{config};
    is_refused(\%no, 'A51 no config');
    %no = %$good;
    delete $no{schemaVersion};
    is_refused(\%no, 'A51 no schemaVersion');

    is_refused(manifest_index({}), 'A51 manifests an object',
        type => OCI_INDEX);
    is_refused(manifest_index([1]), 'A51 manifests of numbers',
        type => OCI_INDEX);
    is_refused({ schemaVersion => 2, mediaType => OCI_INDEX },
        'A51 an index without manifests', type => OCI_INDEX);
}


sub duplicate_keys {
    my $c = to_json($cd);
    my $other = to_json(descriptor(OCI_CONFIG, 'other'));

    is_refused(twisted('"config":', "\"config\":$other,\"config\":"),
        'A50 config twice');
    is_refused(twisted('"schemaVersion":2',
        '"schemaVersion":2,"schemaVersion":2'), 'A50 schemaVersion twice');
    is_refused(twisted('"mediaType":"' . OCI_MANIFEST . '"',
        '"mediaType":"' . OCI_INDEX . '","mediaType":"' . OCI_MANIFEST . '"'),
        'A50 mediaType twice');
    is_refused(twisted('"layers":', '"layers":[],"layers":'),
        'A50 layers twice');
    is_refused(twisted("\"digest\":\"$ld->{digest}\"",
        "\"digest\":\"$cd->{digest}\",\"digest\":\"$ld->{digest}\""),
        'A50 digest twice in a descriptor');
    is_refused(twisted('"mediaType":"' . OCI_LAYER . '"', '"mediaType":"'
        . OCI_LAYER . '","mediaType":"' . OCI_LAYER . '"'),
        'A50 mediaType twice in a descriptor');
    is_refused(twisted('"size":' . $cd->{size},
        '"size":1,"size":' . $cd->{size}), 'A50 size twice in a descriptor');
    is_refused(twisted('"config":', "\"con\\u0066ig\":$other,\"config\":"),
        'A50 config twice, once with an escape');
}


# Clients that are written in Go take such a name for the one that is meant,
# and of both the last.

sub second_spellings {
    my $foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar';
    my $url = ['http://127.0.0.1/'];

    is_refused({ %$good, Layers => [] }, 'A50 layers, and Layers');
    is_refused({ %$good, Annotations => 5 }, 'A51 Annotations a number');
    is_refused({ %$good, layers => [{ %$ld, %{ $_->[1] } }] }, "A51 $_->[0]")
        for (
            ['Annotations of a layer', { Annotations => 5 }],
            ['Platform of a layer', { Platform => 'linux' }],
            ['Data of a layer', { Data => [] }],
            ['ArtifactType of a layer', { ArtifactType => [] }],
            ['OS of a platform', { platform => { os => 'linux', OS => 5 } }],
        );
    is_refused({ %$good, layers => [{ %$ld, %{ $_->[1] } }] }, "A60 $_->[0]")
        for (
            ['digest, and Digest', { Digest => $cd->{digest} }],
            ['size, and SIZE', { SIZE => 1 }],
            ['Urls of an ordinary layer', { Urls => $url }],
            ['urls with a long s', { "url\x{17f}" => $url }],
            ['MediaType of a layer that says to be foreign', {
                mediaType => $foreign, MediaType => OCI_LAYER, urls => $url }],
            ['and one that is not here', { mediaType => $foreign,
                MediaType => OCI_LAYER, digest => sha256('not here') }],
        );
}


sub numbers {
    my $size = sub {
        my ($n) = @_;
        my $text = to_json($good);
        my $at = "\"digest\":\"$ld->{digest}\"";
        $text =~ s/(\Q$at\E[^}]*"size":)\d+/$1$n/;
        return $text;
    };

    is_refused($size->($_), "A51 A52 size $_")
        for '-1', '1.0', '1e3', '1.5', '9223372036854775808',
            '18446744073709551616', '1e400', '-0.1', '0x10', '+5', '.5',
            '1' . '0' x 400;

    my $r = $t->push_manifest('app', 'max', $size->('9223372036854775807'));
    is_status($r, 201, 'A52 size 2^63-1');
    is_status($t->push_manifest('app', 'max', $size->(length($layer) + 1)),
        201, 'A52 one more than the blob has');
    is_status($t->delete('/v2/app/manifests/' . sha256($size->(length($layer)
        + 1))), 202, 'A52 which goes');
    is_status($t->push_manifest('app', 'max',
        $size->('9223372036854775807')), 201, 'A52 size 2^63-1 again');

    # What a descriptor says of a size is nowhere believed.

    is_header($t->head("/v2/app/blobs/$ld->{digest}"), 'Content-Length',
        length $layer, 'A52 the blob is as long as it is');
    is_whole($t->get("/v2/app/blobs/$ld->{digest}"), $layer,
        'A52 and is served whole');
    is_header($t->head('/v2/app/manifests/max'), 'Content-Length',
        length $size->('9223372036854775807'), 'A52 so is the manifest');
    is_status($t->delete('/v2/app/manifests/'
        . $r->header('Docker-Content-Digest')), 202, 'A52 and it goes');
}


sub contradictions {
    my $index = manifest_index([]);

    is_refused($good, 'A56 an image called an index', type => OCI_INDEX);
    is_refused($index, 'A56 an index called an image');
    is_refused($good, 'A56 an OCI image called a docker one',
        type => DOCKER_MANIFEST);
    is_refused($index, 'A56 an OCI index called a docker list',
        type => DOCKER_LIST);

    is_refused({ %$good, manifests => [] }, 'A56 layers and manifests');
    is_refused({ %$index, layers => [] }, 'A56 an index with layers',
        type => OCI_INDEX);
    is_refused({ %$index, config => $cd }, 'A56 an index with a config',
        type => OCI_INDEX);

    my %bare = (%$good, manifests => []);
    delete $bare{mediaType};
    is_refused(\%bare, 'A56 both and no mediaType');
    is_refused(\%bare, 'A56 both and no mediaType, as an index',
        type => OCI_INDEX);

    delete $bare{manifests};
    is_refused(\%bare, 'A56 an image without mediaType as an index',
        type => OCI_INDEX);
    my %bare_index = %$index;
    delete $bare_index{mediaType};
    is_refused(\%bare_index, 'A56 an index without mediaType as an image');
}


sub media_types {
    for my $type ('text/html', 'image/svg+xml', 'application/javascript',
        'text/html; charset=utf-8', 'application/json', 'x/' . 'y' x 4096,
        'application/octet-stream', 'application/vnd.example.unknown+json',
        'application/vnd.oci.image.config.v1+json', 'x', '*/*',
        OCI_MANIFEST . 'x', uc OCI_MANIFEST)
    {
        my $r = $t->push_manifest('app', 'refused',
            to_json({ %$good, mediaType => $type }), $type);
        my $name = substr $type, 0, 60;

        is_error($r, 400, 'MANIFEST_INVALID', "A57 type $name");
        unlike($r->header('Content-Type') // '', qr/html|svg|javascript/,
            'A57 the refusal is no markup');
    }

    my %bare = %$good;
    delete $bare{mediaType};
    is_refused(\%bare, 'A57 text/html and no mediaType', type => 'text/html');
    is_refused({ %$good, mediaType => 'application/vnd.example' },
        'A57 an unknown mediaType behind a known Content-Type');
}


sub schema_one {
    my $one = {
        schemaVersion => 1, name => 'app', tag => 'v1',
        architecture => 'amd64', fsLayers => [{ blobSum => $ld->{digest} }],
        history => [{ v1Compatibility => '{}' }],
        signatures => [{ header => {}, signature => 'x', protected => 'x' }]
    };

    is_refused($one, "A58 schema 1 as $_", type => $_)
        for 'application/vnd.docker.distribution.manifest.v1+json',
            'application/vnd.docker.distribution.manifest.v1+prettyjws',
            'application/json', OCI_MANIFEST, DOCKER_MANIFEST;
}


sub subjects {
    my $subject = descriptor(OCI_MANIFEST, sha256('subject'), 5);

    is_refused({ %$good, subject => $_->[1] }, "A61 subject $_->[0]") for
        ['a malformed digest', { %$subject, digest => 'sha256:x' }],
        ['no digest', { mediaType => OCI_MANIFEST, size => 5 }],
        ['size -1', { %$subject, size => -1 }],
        ['a string', 'x'], ['null', undef], ['a list', []],
        ['a number', 5], ['empty', {}];

    my $r = $t->push_manifest('app', 'subject',
        { %$good, subject => $subject });
    is_status($r, 201, 'A61 a subject that is not there');
    is_header($r, 'OCI-Subject', $subject->{digest});
}


sub nesting {
    for my $n (2000, 100_000) {
        is_refused(twisted('"schemaVersion":2', '"schemaVersion":2,"x":'
            . '[' x $n . ']' x $n), "A49 $n nested arrays inside");
        is_refused('[' x $n . ']' x $n, "A49 $n nested arrays");
        is_refused('[' x $n, "A49 $n open arrays");
        is_refused('{"a":' x $n . '1' . '}' x $n, "A49 $n nested objects");
    }
}


# Four megabytes that cost a careless parser hundreds. Meanwhile another
# client is served as if nothing were.

sub bombs {
    my $room = $limit - 4096;
    my $fill = sub {
        my ($unit) = @_;
        return $unit x int($room / length $unit);
    };
    my $inside = sub {
        my ($text) = @_;
        return twisted('"schemaVersion":2', "\"schemaVersion\":2,\"x\":$text");
    };
    my $keys = '';
    for (my $i = 0; length $keys < $room; $i++) {
        $keys .= sprintf '"%x":1,', $i;
    }

    my %bombs = (
        'objects' => $inside->('[' . $fill->('{},') . '0]'),
        'numbers' => $inside->('[' . $fill->('0,') . '0]'),
        'lists' => $inside->('[' . $fill->('[],') . '0]'),
        'short keys' => $inside->('{' . $keys . '"z":1}'),
        'one string of escapes' => '"' . $fill->('\\u00e9') . '"',
        'backslashes' => '"' . $fill->('\\\\') . '"',
        'layers of nothing' => twisted('"layers":[', '"layers":['
            . $fill->('{},')),
    );

    my ($pid) = $t->workers;
    my $other = $t->connect;
    $other->get('/v2/');

    for my $what (sort keys %bombs) {
        my ($took, $slow, $r);
        my $slack = sanitized() ? 10 : 1;

        for my $try (1 .. 3) {
            my $c = $t->connect;
            reset_peak($pid);
            my $before = rss_of($pid);

            $c->start('PUT', '/v2/app/manifests/refused',
                body => $bombs{$what},
                headers => { 'Content-Type' => OCI_MANIFEST });
            my $begin = time;
            $c->send($bombs{$what}, unless_reply => 1);
            $slow = 0;

            while (!$c->wait_head(time)) {
                my $at = time;
                last if $at - $begin > 10;
                $other->get('/v2/');
                my $ms = time - $at;
                $slow = $ms if $ms > $slow;
            }

            $r = $c->reply;
            $took = time - $begin;

            if ($try == 1) {
                is_error($r, 400, 'MANIFEST_INVALID', "A48 4 MB of $what");
                my $grown = peak_of($pid) - $before;
                cmp_ok($grown, '<', $slack * (64 << 20),
                    "A48 4 MB of $what: memory of the worker");
            }

            last if $took < 1 && $slow < 0.1;
        }

        cmp_ok($took, '<', 1 * $slack, "A48 4 MB of $what: refused in 1 s");
        cmp_ok($slow, '<', 0.1 * $slack,
            "A48 4 MB of $what: others wait less than 100 ms");
    }
}


sub nothing_stored {
    is_error($t->get('/v2/app/manifests/refused'), 404, 'MANIFEST_UNKNOWN',
        'none of the refused is there');
    is_whole($t->get('/v2/app/manifests/kept'), to_json($good),
        'what was there before is');
}

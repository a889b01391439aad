#!/usr/bin/perl

# Corruption at rest: blobs that were cut, links with something else in them,
# manifests without data. What is not right is not served, all else goes on,
# and pushing again repairs it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;

my $t = Test::Registry->new(location => 'registry_delete on;', ports => 1,
    servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        open_file_cache max=1000;
        open_file_cache_valid 60s;
    }
}
EOF

my $open = $t->extra_port(1);

cut_blobs();
no_bytes();
cut_manifests();
broken_links();
no_data();

finish($t);


sub cut {
    my ($file, $size) = @_;

    truncate $file, $size or die "$file: $!\n";
}


sub is_lost {
    my ($uri, $code, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($t->get($uri, %o), 404, $code, "$name: GET");
    is_error($t->head($uri, %o), 404, undef, "$name: HEAD agrees");
}


# Whether the size of a file can be noted upon it here: asked by a note of
# another name, for ours may be what is missing.

sub can_note {
    my $file = $t->blob_file($t->push_blob('app', 'asked for its note'));
    my ($rc) = run_command(10, 'setfattr', '-n', 'user.test', '-v', 'x',
        $file);

    return $rc == 0;
}


# In every way that they come in and go out.

sub cut_blobs {
    SKIP: {
        skip_tests('no user attributes on this file system', 100)
            if !can_note();

        for my $size (2, 30_000, 70_000, 5 << 20) {
            my $bytes = blob($size, "cut $size");
            my $d = sha256($bytes);
            my %ways = (
                put => sub { $t->push_blob('app', $bytes) },
                post => sub {
                    $t->post("/v2/app/blobs/uploads/?digest=$d",
                        body => $bytes)
                },
                patches => sub {
                    my $half = int($size / 2);
                    my $r = $t->patch($t->open_upload('app'),
                        body => substr $bytes, 0, $half);
                    $r = $t->patch($r->header('Location'),
                        chunks => [ substr $bytes, $half ]);
                    $t->put(with_query($r->header('Location'),
                        digest => $d), body => '');
                },
            );

            cut_blob($_, $ways{$_}, $bytes) for sort keys %ways;
        }
    }
}


sub cut_blob {
    my ($way, $push, $bytes) = @_;

    my $size = length $bytes;
    my $d = sha256($bytes);
    my $uri = "/v2/app/blobs/$d";
    my $name = "F39 $size bytes by $way";

    $push->();
    is_whole($t->get($uri), $bytes, "$name are served");
    is_whole($t->get($uri, port => $open), $bytes,
        "$name are served from open files");

    my $to = { put => 1, post => $size - 1, patches => $size + 1 }->{$way};
    cut($t->blob_file($d), $to);

    is_lost($uri, 'BLOB_UNKNOWN', "$name, then $to");
    is_lost($uri, 'BLOB_UNKNOWN', "$name, then $to, open", port => $open);
    is_error($t->get($uri, headers => [['Range', 'bytes=0-0']]), 404,
        'BLOB_UNKNOWN', "$name: nor a part");
    is_status($t->post("/v2/other/blobs/uploads/?mount=$d&from=app",
        body => ''), 202, "$name: not mounted");
    is_status($t->post("/v2/other/blobs/uploads/?mount=$d", body => ''), 202,
        "$name: from nowhere");
    is_error($t->push_manifest('app', 'cut', manifest(
        descriptor('application/vnd.oci.image.config.v1+json', $bytes), [])),
        404, 'MANIFEST_BLOB_UNKNOWN', "$name: nor referred to");
    like($t->log_text, qr/ \[error\] .*\Q$d\E is damaged in the store: it has $to of its $size bytes/,
        "$name: the operator is told");

    $push->();
    is_whole($t->get($uri), $bytes, "$name: pushing again repairs it");
    is_whole($t->get($uri, port => $open), $bytes,
        "$name: where files stay open, too");
}


# Of no length, whoever wrote it: that needs no note.

sub no_bytes {
    my $bytes = blob(10_000, 'no bytes');
    my $d = sha256($bytes);
    my $uri = "/v2/app/blobs/$d";
    my $file = $t->blob_file($t->push_blob('app', $bytes));

    unlink $file or die "$file: $!\n";
    $t->write_file($file, $bytes);
    is_whole($t->get($uri), $bytes, 'a file that somebody else wrote');
    is_whole($t->get($uri, port => $open), $bytes, 'a file that is open');

    cut($file, 0);
    is_lost($uri, 'BLOB_UNKNOWN', 'F39 no bytes');
    is_lost($uri, 'BLOB_UNKNOWN', 'F39 no bytes, open', port => $open);
    $t->push_blob('app', $bytes);
    is_whole($t->get($uri), $bytes, 'F39 pushing again repairs it');
    is_whole($t->get($uri, port => $open), $bytes, 'F39 for all');
}


# Small ones are remembered by the workers; of large ones only their size is.

sub cut_manifests {
    for my $pad (0, 50_000) {
        my $image = $t->push_image('m', 'v1', seed => "manifest $pad");
        my $bytes = to_json({ %{ $image->{data} },
            annotations => { pad => 'x' x $pad } });
        my $d = sha256($bytes);
        my $uri = "/v2/m/manifests/$d";
        my $name = 'F39 a manifest of ' . length $bytes;

        for my $known (0, 1) {
            is_status($t->push_manifest('m', 'cut', $bytes), 201, $name);
            $t->restart;
            is_whole($t->get($uri), $bytes, "$name, known") if $known;
            cut($t->blob_file($d), length($bytes) - 1);

            if ($known && !$pad) {
                is_whole($t->get($uri), $bytes, "$name: out of memory");
                next;
            }

            for my $where ($uri, '/v2/m/manifests/cut') {
                is_lost($where, 'MANIFEST_UNKNOWN', "$name, known: $known");
                is_lost($where, 'MANIFEST_UNKNOWN', "$name, open",
                    port => $open);
            }
            like($t->log_text, qr/ \[error\] .*\Q$d\E is damaged in the store/,
                "$name: the operator is told");
        }

        $t->restart;

        SKIP: {
            skip_tests('no user attributes on this file system', 1)
                if !can_note();
            is_error($t->push_manifest('m', 'list', manifest_index([
                { mediaType => $image->{type}, digest => $d,
                    size => length $bytes } ])), 404,
                'MANIFEST_BLOB_UNKNOWN', "$name: nor referred to");
        }

        is_status($t->push_manifest('m', $d, $bytes), 201,
            "$name: pushing again");
        is_whole($t->get("/v2/m/manifests/cut"), $bytes, "$name: repairs it");
        is_status($t->head($uri), 200, "$name: HEAD agrees");
    }
}


# Links of layers, revisions, tags and their index. Each of them is written by
# pushing again; what is not asked for under that name goes on.

sub broken_links {
    my $image = $t->push_image('links', 'v1', seed => 'links');
    my $other = $t->push_image('links', 'v2', seed => 'other');
    my $digest = $image->{digest};
    my $layer = sha256($image->{layers}[0]);
    my $dir = $t->repo_dir('links');
    my ($hex, $layerhex) = map { /:(.*)/ } $digest, $layer;

    my %texts = (
        'nothing' => '', 'a letter' => 'x',
        'garbage' => "\xff\0\n" x 24, 'zeros' => "\0" x 71,
        'another algorithm' => 'md5:' . 'a' x 32,
        'no algorithm' => $hex, 'a path' => 'sha256:../../../etc/passwd',
        'capitals' => 'sha256:' . uc $hex, 'a megabyte' => 'a' x (1 << 20),
    );
    my %cuts = (
        '70 bytes' => sub { substr $_[0], 0, 70 }, '72 bytes' => sub { "$_[0]0" },
        'a newline' => sub { "$_[0]\n" }, 'a blank' => sub { "$_[0] " },
        'two digests' => sub { "$_[0]$_[0]" },
    );

    my %links = (
        'layer' => ["$dir/_layers/sha256/$layerhex/link", $layer,
            "/v2/links/blobs/$layer"],
        'revision' => ["$dir/_manifests/revisions/sha256/$hex/link", $digest,
            "/v2/links/manifests/$digest"],
        'tag' => ["$dir/_manifests/tags/v1/current/link", $digest,
            '/v2/links/manifests/v1'],
        'index' => ["$dir/_manifests/tags/v1/index/sha256/$hex/link",
            $digest],
    );

    for my $link (sort keys %links) {
        my ($file, $was, $uri) = @{ $links{$link} };

        for my $what (sort keys %texts, keys %cuts) {
            my $name = "F40 a link of a $link with $what";
            put($file, $cuts{$what} ? $cuts{$what}->($was) : $texts{$what});

            is_lost($uri, undef, $name) if defined $uri;
            goes_on($other, $name);
        }

        put($file, substr $was, 0, 70);
        if ($link eq 'layer') {
            $t->push_blob('links', $image->{layers}[0]);
        } else {
            is_status($t->push_manifest('links', 'v1', $image->{bytes}), 201,
                "F40 pushing again over a $link");
        }
        is_whole($t->get('/v2/links/manifests/v1'), $image->{bytes},
            'F40 repairs it');
        is_whole($t->get("/v2/links/blobs/$layer"), $image->{layers}[0],
            'F40 and its layer');
        open my $fh, '<', $file or die $!;
        is(scalar <$fh>, $was, 'F40 to the byte');
    }
}


sub put {
    my ($file, $text) = @_;

    open my $fh, '>:raw', $file or die "$file: $!\n";
    print {$fh} $text;
    close $fh or die "$file: $!\n";
}


# All that is not about the damaged link.

sub goes_on {
    my ($image, $name) = @_;

    my @why;
    my $r = $t->get('/v2/links/tags/list');
    push @why, $r if !grep { $_ eq 'v2' } names_of($r, 'tags');
    $r = $t->get('/v2/_catalog');
    push @why, $r if !grep { $_ eq 'links' } names_of($r, 'repositories');
    $r = $t->get('/v2/links/manifests/v2');
    push @why, $r if $r->body ne $image->{bytes};
    $r = $t->get('/v2/links/blobs/' . sha256($image->{layers}[0]));
    push @why, $r if $r->body ne $image->{layers}[0];
    $r = $t->get("/v2/links/referrers/$image->{digest}");
    push @why, $r if $r->status != 200;

    ok(!@why, "$name: the rest goes on") or diag map { $_->as_text } @why;
}


# Links intact, data gone.

sub no_data {
    my $image = $t->push_image('gone', 'v1', seed => 'gone');
    my $other = $t->push_image('links', 'v2', seed => 'other');
    my $layer = sha256($image->{layers}[0]);

    unlink $t->blob_file($layer) or die $!;
    is_lost("/v2/gone/blobs/$layer", 'BLOB_UNKNOWN', 'F39 no file');
    is_error($t->push_manifest('gone', 'v2', to_json({ %{ $image->{data} },
        annotations => { a => 'b' } })), 404, 'MANIFEST_BLOB_UNKNOWN',
        'F39 no file: not referred to');
    $t->push_blob('gone', $image->{layers}[0]);
    is_whole($t->get("/v2/gone/blobs/$layer"), $image->{layers}[0],
        'F39 pushing again repairs it');

    unlink $t->blob_file($image->{digest}) or die $!;
    $t->restart;
    is_lost("/v2/gone/manifests/$_", 'MANIFEST_UNKNOWN', "F41 $_")
        for 'v1', $image->{digest};
    goes_on($other, 'F41 a manifest without data');
    is(join(' ', names_of($t->get('/v2/gone/tags/list'), 'tags')), 'v1',
        'F41 its tag is listed');
    is_status($t->get("/v2/gone/referrers/$image->{digest}"), 200,
        'F41 its referrers are');
    is_status($t->push_manifest('gone', $image->{digest}, $image->{bytes}),
        201, 'F41 pushing again');
    is_whole($t->get('/v2/gone/manifests/v1'), $image->{bytes},
        'F41 repairs it');

    # what is left of one can be deleted

    unlink $t->blob_file($image->{digest}) or die $!;
    $t->restart;
    is_status($t->delete("/v2/gone/manifests/$image->{digest}"), 202,
        'F41 a manifest without data is deleted');
    is_error($t->get('/v2/gone/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
        'F41 with its tag');
    is(join(' ', names_of($t->get('/v2/gone/tags/list'), 'tags')), '',
        'F41 which is not listed any more');
}

#!/usr/bin/perl

# A store that is full, damaged, or has things planted in it that do not
# belong there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use POSIX ();
use Test::More;

use Test::Registry;


full_disk();
no_inodes();
planted_links();
planted_objects();
broken_links();
emptied();
emptied_sessions();

done_testing();


sub on_tmpfs {
    my ($options, $code) = @_;

    my $dir = File::Temp::tempdir('registry-tmpfs-XXXXXXXX', TMPDIR => 1);
    my ($rc, $out) = run_command(10, 'mount', '-t', 'tmpfs', '-o', $options,
        'tmpfs', $dir);

    if ($rc != 0) {
        rmdir $dir;
        skip_tests("cannot mount a tmpfs: $out", 8);
    }

    my $ok = eval { $code->($dir); 1 };
    my $error = $@;
    ($rc, $out) = run_command(10, 'umount', $dir);
    is($rc, 0, 'nothing keeps the file system busy') or do {
        diag $out;
        run_command(10, 'umount', '-l', $dir);
    };
    rmdir $dir;
    die $error if !$ok;
}


sub full_disk {
    SKIP: {
        skip_tests('mounting needs root', 10) if $> != 0;

        on_tmpfs('size=8m', sub {
            my ($dir) = @_;
            my $t = Test::Registry->new(root => "$dir/data",
                location => 'registry_delete on;')->run;
            my $image = $t->push_image('app', 'v1');
            my $layer = sha256($image->{layers}[0]);
            my $big = blob(12 << 20, 'full');

            for my $how (qw(body chunks)) {
                my $l = $t->open_upload('app');
                my $r = $t->put("$l?digest=" . sha256($big),
                    $how => $how eq 'body' ? $big : [$big]);
                is_error($r, [403, 500, 503, 507], undef,
                    "F15 a disk that is full: $how");
                is_error($t->head('/v2/app/blobs/' . sha256($big)), 404,
                    'BLOB_UNKNOWN', 'F14 and no 2xx');
                $t->delete($l);
            }

            # Full to the last page.

            my $l = $t->open_upload('app');
            $t->patch($l, body => $big);
            open my $fh, '>', "$dir/filler" or die "filler: $!\n";
            1 while defined syswrite $fh, 'x' x 4096;
            close $fh;

            is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
                'F15 pulls work while it is full');
            is_whole($t->get("/v2/app/blobs/$layer"), $image->{layers}[0],
                'F15 blobs too');
            is_status($t->get('/v2/app/tags/list'), 200, 'F15 and lists');
            my $r = $t->push_manifest('app', 'v2', to_json({
                %{ $image->{data} }, annotations => { a => 'x' x 8000 } }));
            is_error($r, [403, 500, 503, 507], undef,
                'F14 a manifest while it is full');
            is_error($t->get('/v2/app/manifests/v2'), 404,
                'MANIFEST_UNKNOWN', 'F14 is not there');
            is_status($t->delete('/v2/app/manifests/v1'), 202,
                'F15 a delete works while it is full');

            unlink "$dir/filler";
            $r = $t->delete($l);
            ok($r->status == 204 || $r->status == 404,
                'F15 the upload is cancelled or gone') or diag $r->as_text;
            my $again = eval { $t->push_image('app', 'v3',
                layers => [blob(2 << 20, 'again')]) };
            ok($again, 'F15 pushing works again without a restart')
                or diag $@;
            $t->finish;
        });
    }
}


sub no_inodes {
    SKIP: {
        skip_tests('mounting needs root', 6) if $> != 0;

        on_tmpfs('size=64m,nr_inodes=120', sub {
            my ($dir) = @_;
            my $t = Test::Registry->new(root => "$dir/data",
                location => 'registry_delete on;')->run;
            my $image = $t->push_image('app', 'v1');
            my ($r, $n);

            for $n (1 .. 60) {
                $r = $t->post("/v2/app/blobs/uploads/?digest="
                    . sha256("inode $n"), body => "inode $n");
                last if $r->status != 201;
            }
            is_error($r, [403, 500, 503, 507], undef, 'F16 no inodes left');
            is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
                'F16 pulls work');
            is_status($t->get('/v2/app/tags/list'), 200, 'F16 lists work');
            is_status($t->delete('/v2/app/manifests/v1'), 202,
                'F16 deletes work');
            $t->finish;
        });
    }
}


# Symbolic links in the store that lead out of it.

sub planted_links {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');
    my $out = "$t->{dir}/outside";
    my $secret = 'a secret outside of the store';
    my $v2 = $t->root . '/docker/registry/v2';

    mkdir $out;
    $t->write_file('outside/data', $secret);
    $t->write_file('outside/link', $image->{digest});

    # A repository.

    system('cp', '-a', $t->repo_dir('app') . '/.', $out);
    symlink $out, $t->repo_dir('evil') or die $!;
    is_gone($t->get('/v2/evil/manifests/v1'), 'A110 a repository');
    is_gone($t->get('/v2/evil/tags/list'), 'A110 its tags');
    is_gone($t->post('/v2/evil/blobs/uploads/', body => ''),
        'A110 an upload to it');
    is_gone($t->push_manifest('evil', 'v1', $image->{bytes}),
        'A110 a manifest to it');
    is_gone($t->delete('/v2/evil/manifests/v1'), 'A110 a delete in it');
    my $up = $t->delete('/v2/evil/_nginx/repository/content');
    is_gone($up, 'A110 a delete of it');
    ok(-d "$out/_manifests/tags/v1", 'A110 nor is it emptied')
        or diag $up->as_text;
    my @names = names_of($t->get('/v2/_catalog'), 'repositories');
    is("@names", 'app', 'A110 it is not listed');

    # The data of a blob, its directory, a link file, a tag.

    my $d = sha256($secret);
    my $blob = $t->blob_file($d);
    my ($hex) = $d =~ /:(.*)/;
    my $layer = $t->repo_dir('app') . "/_layers/sha256/$hex";
    system('mkdir', '-p', $layer, $blob =~ s{/data\z}{}r);
    $t->write_file("$layer/link", $d);
    symlink "$out/data", $blob or die $!;
    my $r = $t->get("/v2/app/blobs/$d");
    is_gone($r, 'A110 data is a symbolic link');
    unlike($r->body, qr/secret/, 'A110 and is not read');
    unlink $blob;

    my $good = $t->push_blob('app', 'good');
    my ($goodhex) = $good =~ /:(.*)/;
    my $link = $t->repo_dir('app') . "/_layers/sha256/$goodhex/link";
    rename $link, "$out/good" or die $!;
    symlink "$out/good", $link or die $!;
    is_gone($t->get("/v2/app/blobs/$good"),
        'A110 the link is a symbolic link');
    unlink $link;

    my $tag = $t->repo_dir('app') . '/_manifests/tags/evil';
    mkdir $tag;
    symlink $out, "$tag/current" or die $!;
    is_gone($t->get('/v2/app/manifests/evil'),
        'A110 current is a symbolic link');
    unlink "$tag/current";
    mkdir "$tag/current";
    symlink "$out/link", "$tag/current/link" or die $!;
    is_gone($t->get('/v2/app/manifests/evil'),
        'A110 current/link is a symbolic link');
    system('rm', '-rf', $tag);

    # The data of an upload.

    my $l = $t->open_upload('app');
    $t->patch($l, body => 'abc');
    my $data = $t->repo_dir('app') . '/_uploads/'
        . ($l =~ m{([^/]+)\z})[0] . '/data';
    unlink $data;
    symlink "$out/data", $data or die "$data: $!";
    $r = $t->patch($l, body => 'overwritten');
    is_gone($r, 'A110 data of an upload is a symbolic link');
    $r = $t->put("$l?digest=$d", body => '');
    is_gone($r, 'A110 and cannot be closed');
    $t->delete($l);
    open my $fh, '<', "$out/data" or die $!;
    is(scalar <$fh>, $secret, 'A110 nothing outside is written');

    system('rm', '-rf', "$layer", $blob =~ s{/data\z}{}r,
        $t->repo_dir('evil'),
        $t->repo_dir('app') . '/_uploads',
        $t->repo_dir('app') . "/_layers/sha256/$goodhex");
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'A110 the rest is served');
    $t->finish;
}


sub is_gone {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_error($r, [404, 500], undef, $name);
}


# What is neither file nor directory: answered at once, and no thread hangs.

sub planted_objects {
    my $t = Test::Registry->new(location => 'registry_delete on;',
        main => 'thread_pool two threads=2;',
        http => 'registry_thread_pool two;',
        user => $> == 0 ? 'nobody' : 'root')->run;
    my $image = $t->push_image('app', 'v1');

    my %plant = (
        'a FIFO' => sub { POSIX::mkfifo($_[0], 0666) or die "mkfifo: $!\n" },
        'a directory' => sub { mkdir $_[0] or die "mkdir: $!\n" },
        'a socket' => sub {
            require IO::Socket::UNIX;
            my $here = "$t->{dir}/s";
            unlink $here;
            IO::Socket::UNIX->new(Local => $here, Listen => 1)
                or die "socket: $!\n";
            rename $here, $_[0] or die "rename: $!\n";
        },
        'a file of mode 000' => sub {
            $t->write_file($_[0], 'x');
            chmod 0, $_[0];
        },
    );
    $plant{'a device'} = sub {
        system('mknod', $_[0], 'c', 1, 5) == 0 or die "mknod\n";
    } if $> == 0;

    for my $what (sort keys %plant) {
        my $d = $t->push_blob('app', "for $what");
        my ($hex) = $d =~ /:(.*)/;
        my $dir = $t->repo_dir('app');
        my %places = (
            data => [$t->blob_file($d), "/v2/app/blobs/$d"],
            link => ["$dir/_layers/sha256/$hex/link", "/v2/app/blobs/$d"],
            current => ["$dir/_manifests/tags/odd/current/link",
                '/v2/app/manifests/odd'],
        );
        $t->push_manifest('app', 'odd', $image->{bytes});

        for my $place (qw(current link data)) {
            my ($file, $uri) = @{ $places{$place} };
            rename $file, "$file.kept" or die "$file: $!\n";
            eval { $plant{$what}->($file); 1 } or do {
                my $why = $@;
                rename "$file.kept", $file;
                diag "$what: $why";
                fail("A111 $what could be planted");
                next;
            };

            my %r;
            is_soon(2, 'A111 within a second each', sub {
                $r{$_} = $t->request($_, $uri) for qw(GET HEAD);
            });
            is_gone($r{$_}, "A111 $what in place of $place: $_")
                for qw(GET HEAD);

            -d $file ? rmdir $file : unlink $file;
            rename "$file.kept", $file or die "$file: $!\n";
        }
        is_whole($t->get("/v2/app/blobs/$d"), "for $what",
            'A111 put back, it is served');

        # The data of an upload that goes on.

        my ($patch, $put, $delete);
        is_quick(3, 'A111 within a second each', sub {
            my $l = $t->open_upload('app');
            $t->patch($l, body => 'abc');
            my ($id) = $l =~ m{([^/]+)\z};
            my $data = "$dir/_uploads/$id/data";
            unlink $data or die "$data: $!\n";
            $plant{$what}->($data);

            my $took = seconds(sub {
                $patch = $t->patch($l, body => 'def');
                $put = $t->put("$l?digest=" . sha256('abcdef'), body => 'def');
                $delete = $t->delete($l);
            });
            system('rm', '-rf', "$dir/_uploads/$id");
            return $took;
        });
        is_gone($patch, "A111 $what in place of an upload: PATCH");
        is_gone($put, "A111 $what in place of an upload: PUT");
        ok($delete->status =~ /\A(?:204|404|500)\z/,
            "A111 $what in place of an upload: DELETE");
    }

    $t->finish;
}


# Link files with something else in them, data that is missing or empty.

sub broken_links {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');
    my $other = $t->push_image('app', 'v2', seed => 'other');
    my $dir = $t->repo_dir('app');
    my $link = "$dir/_manifests/tags/v1/current/link";
    my $digest = $image->{digest};

    my %texts = (
        'nothing' => '', '70 bytes' => substr($digest, 0, 70),
        '72 bytes' => "${digest}0", 'garbage' => 'x' x 71,
        'zeros' => "\0" x 71, 'an unknown algorithm' => 'md5:' . 'a' x 32,
        'a path' => 'sha256:../../../../../../etc/passwd',
        'capitals' => uc $digest, 'a megabyte' => 'a' x (1 << 20),
        'another digest' => sha256('nowhere'),
    );

    for my $what (sort keys %texts) {
        $t->write_file($link, $texts{$what});
        is_error($t->get('/v2/app/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
            "F40 a tag link with $what");
        is_status($t->get('/v2/app/tags/list'), 200, 'F40 lists go on');
        is_status($t->get('/v2/_catalog'), 200, 'F40 the catalog goes on');
        is_whole($t->get('/v2/app/manifests/v2'), $other->{bytes},
            'F40 other tags go on');
    }

    is_status($t->push_manifest('app', 'v1', $image->{bytes}), 201,
        'F40 pushing again repairs it');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F40 it is served');

    # The links of a layer and of a manifest. One that names other bytes of the
    # store names nothing either (S2).

    my $layer = sha256($image->{layers}[0]);
    my %links = (
        "$dir/_layers/" . path($layer) => [$layer, "/v2/app/blobs/$layer",
            'BLOB_UNKNOWN', sub { $t->push_blob('app', $image->{layers}[0]) }],
        "$dir/_manifests/revisions/" . path($digest) => [$digest,
            "/v2/app/manifests/$digest", 'MANIFEST_UNKNOWN',
            sub { $t->push_manifest('app', 'v1', $image->{bytes}) }],
    );

    for my $file (sort keys %links) {
        my ($d, $uri, $code, $again) = @{ $links{$file} };

        for (['nothing', ''], ['70 bytes', substr $d, 0, 70],
            ['72 bytes', "${d}0"], ['a newline', "$d\n"],
            ['garbage', 'x' x 71], ['another algorithm', 'md5:' . 'a' x 32],
            ['an alias of nothing', sha512('nowhere')],
            ['other bytes', $other->{digest}])
        {
            my ($what, $text) = @$_;

            $t->write_file($file, $text);
            is_error($t->get($uri), 404, $code, "F40 $uri: $what");
            is_error($t->head($uri), 404, $code, "F40 $what: HEAD agrees");
            is_status($t->get('/v2/app/tags/list'), 200, 'F40 lists go on');
            is_status($t->get('/v2/_catalog'), 200, 'F40 the catalog goes on');
            is_whole($t->get('/v2/app/manifests/v2'), $other->{bytes},
                'F40 other references go on');
        }

        $again->();
        is_status($t->get($uri), 200, 'F40 pushing again repairs it');
    }

    # Data that is gone or cut, the link intact.

    my $file = $t->blob_file($layer);
    rename $file, "$file.kept";
    is_error($t->get("/v2/app/blobs/$layer"), 404, 'BLOB_UNKNOWN',
        'F39 data that is missing');
    is_error($t->head("/v2/app/blobs/$layer"), 404, 'BLOB_UNKNOWN',
        'F39 HEAD agrees');
    is_status($t->post("/v2/app/blobs/uploads/?digest=$layer",
        body => $image->{layers}[0]), 201, 'F39 pushing again');
    is_whole($t->get("/v2/app/blobs/$layer"), $image->{layers}[0],
        'F39 repairs it');
    unlink "$file.kept";

    $file = $t->blob_file($image->{digest});
    rename $file, "$file.kept";
    $t->restart;
    is_error($t->get('/v2/app/manifests/v1'), 404, 'MANIFEST_UNKNOWN',
        'F41 a tag whose manifest has no data');
    is_error($t->get("/v2/app/manifests/$image->{digest}"), 404,
        'MANIFEST_UNKNOWN', 'F41 by its digest');
    is_status($t->get('/v2/app/tags/list'), 200, 'F41 lists go on');
    is_status($t->get("/v2/app/referrers/$image->{digest}"), 200,
        'F41 referrers go on');
    is_status($t->push_manifest('app', 'v1', $image->{bytes}), 201,
        'F41 pushing again');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F41 repairs it');
    unlink "$file.kept";

    $t->finish;
}


# What a power cut leaves of files that were not synced: none of their bytes,
# or zeros in place of them.

sub emptied {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');
    my $other = $t->push_image('app', 'v2', seed => 'other');
    my $layer = sha256($image->{layers}[0]);
    my $ref = $t->push_referrer('app', { mediaType => $image->{type},
        digest => $image->{digest}, size => length $image->{bytes} });
    my $dir = $t->repo_dir('app');
    my $manifest = $image->{digest};

    my %again = (
        blob => sub {
            is_status($t->post("/v2/app/blobs/uploads/?digest=$layer",
                body => $image->{layers}[0]), 201, $_[0]);
        },
        tag => sub {
            is_status($t->push_manifest('app', 'v1', $image->{bytes}), 201,
                $_[0]);
        },
        referrer => sub {
            is_status($t->push_manifest('app', $ref->{digest},
                $ref->{bytes}), 201, $_[0]);
        },
    );

    # what, file, address, bytes, how it is pushed again, also with zeros: the
    # bytes of a blob are not looked at when it is served

    my @cases = (
        ['data of a blob', $t->blob_file($layer), "/v2/app/blobs/$layer",
            $image->{layers}[0], 'blob', 0],
        ['a layer link', "$dir/_layers/" . path($layer),
            "/v2/app/blobs/$layer", $image->{layers}[0], 'blob', 1],
        ['data of a manifest', $t->blob_file($manifest),
            "/v2/app/manifests/$manifest", $image->{bytes}, 'tag', 1],
        ['a revision link', "$dir/_manifests/revisions/" . path($manifest),
            "/v2/app/manifests/$manifest", $image->{bytes}, 'tag', 1],
        ['the link of a tag', "$dir/_manifests/tags/v1/current/link",
            '/v2/app/manifests/v1', $image->{bytes}, 'tag', 1],
        ['data of a referrer', $t->blob_file($ref->{digest}),
            "/v2/app/manifests/$ref->{digest}", $ref->{bytes}, 'referrer', 1],
    );

    for my $case (@cases) {
        my ($what, $file, $uri, $bytes, $again, $zeros) = @$case;

        for my $fill ('', $zeros ? "\0" x -s $file : ()) {
            my $how = length $fill ? 'zeros' : 'no bytes';

            # nobody remembers what it was

            $t->stop;
            $t->write_file($file, $fill);
            $t->run;

            is_gone($t->get($uri), "F13 $what, $how: is not served");
            is_gone($t->head($uri), "F13 $what, $how: HEAD agrees");

            my $list = $t->get('/v2/app/tags/list');
            is_status($list, 200, "F13 $what, $how: tags are listed");
            ok(!grep({ $_ eq 'v1' } names_of($list, 'tags')),
                'F13 and not the one that names nothing')
                if $what eq 'the link of a tag';

            my $r = $t->get("/v2/app/referrers/$manifest");
            is_status($r, 200, "F13 $what, $how: referrers are");
            is(scalar @{ $r->json->{manifests} }, 0,
                'F13 and not the one that has no bytes')
                if $what eq 'data of a referrer';

            is_whole($t->get('/v2/app/manifests/v2'), $other->{bytes},
                "F13 $what, $how: the rest is served");

            $again{$again}->("F13 $what, $how: is pushed again");
            is_whole($t->get($uri), $bytes, "F13 $what, $how: and is good");
        }
    }

    $t->finish;
}


sub path {
    my ($digest) = @_;

    return ($digest =~ s{:}{/}r) . '/link';
}


sub emptied_sessions {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $bytes = blob(200_000, 'emptied');
    my $digest = sha256($bytes);

    my %damage = (
        'data' => sub { ("$_[0]/data") },
        'startedat' => sub { ("$_[0]/startedat") },
        'the states' => sub { glob "$_[0]/hashstates/*/*" },
    );

    for my $size (1000, 150_000) {
        for my $what (sort keys %damage) {
            for my $how ('no bytes', 'zeros') {

                # the data of a long one is on disk before its state is, and
                # not read again

                next if $size > 64 << 10 && $what eq 'data'
                    && $how eq 'zeros';

                my $l = $t->open_upload('app');
                $t->patch($l, body => substr $bytes, 0, $size / 2);
                $t->patch($l, body => substr $bytes, $size / 2, $size / 2);
                my $dir = $t->repo_dir('app') . '/_uploads/'
                    . ($l =~ m{([^/]+)\z})[0];

                for my $file ($damage{$what}->($dir)) {
                    $t->write_file($file, $how eq 'zeros'
                        ? "\0" x -s $file : '');
                }

                goes_on_or_not($t, $l, $bytes, $size,
                    "F13 a session of $size bytes, $how in $what:");
                $t->delete($l);
            }
        }
    }

    is_status($t->post("/v2/app/blobs/uploads/?digest=$digest",
        body => $bytes), 201, 'F13 pushed again');
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes, 'F13 it is good');
    $t->finish;
}


# It is gone, or says how much of it is there. What comes of it is right or is
# refused.

sub goes_on_or_not {
    my ($t, $l, $bytes, $size, $name) = @_;

    my $digest = sha256($bytes);
    my $r = $t->get($l);
    my ($end) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/;

    is_status($r, [204, 404, 500], "$name an answer");
    my $at = $r->status == 204 && $end ? $end + 1 : 0;
    cmp_ok($at, '<=', $size, "$name no more than there was");

    $r = $t->put("$l?digest=$digest", body => substr $bytes, $at);
    is_status($r, [201, 400, 404, 416, 500], "$name it ends");

    my $got = $t->get("/v2/app/blobs/$digest");
    if ($r->status == 201) {
        is_whole($got, $bytes, "$name well");
        is_status($t->delete("/v2/app/blobs/$digest"), 202, 'deleted');
        unlink $t->blob_file($digest);
        rmdir $t->blob_file($digest) =~ s{/data\z}{}r;

    } else {
        is_error($got, 404, 'BLOB_UNKNOWN', "$name or leaves nothing");
    }
}

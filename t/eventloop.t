#!/usr/bin/perl

# The event loop never waits: during a push of 1 GiB the worker's main thread
# makes no call that writes, syncs, renames or walks directories; the pool's
# threads do. A pull leaves by sendfile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use Test::More;

use Test::Registry;
use Test::Registry::Trace;


skip_suite(Test::Registry::Trace::why(), 37)
    if !Test::Registry::Trace::available();

# What may wait for the disk.

my @waits = qw(
    write pwrite64 pwritev pwritev2 writev fsync fdatasync sync_file_range
    rename renameat renameat2 getdents64 mkdir mkdirat unlink unlinkat rmdir
    link linkat symlink symlinkat ftruncate fallocate flock
    read pread64 readv preadv copy_file_range splice
);
my %never = map { $_ => 1 } qw(
    fsync fdatasync sync_file_range rename renameat renameat2 getdents64
    mkdir mkdirat unlink unlinkat rmdir link linkat symlink symlinkat
    ftruncate fallocate copy_file_range flock
);

my $t = Test::Registry->new(
    http => 'sendfile on; client_body_timeout 300s; access_log off;',
    location => 'registry_delete on;')->run;
my $root = $t->root;

push_big();
small_push();
lists_and_deletes();
pull();

finish($t, { audit => { hash_max => 1 << 20 } });


# Calls of a trace that only a pool thread may make, found on the main one.
# To follow a tag it reads a link of 71 bytes, which is no more than the open
# and fstat of a static file: all other contents are for the pool to read.

sub blocking {
    my ($main, @calls) = @_;

    return grep {
        $_->{tid} == $main
        && ($never{ $_->{name} }
            || ($_->{name} =~ /\A(?:p?write|p?read|splice)/
                && $_->{args} =~ m{\A\d+<\Q$root\E}
                && !($_->{name} =~ /read/ && $_->{args} =~ m{\A[^>]*/link>})))
    } @calls;
}


sub show {
    my (@calls) = @_;

    diag "$_->{tid} $_->{text}"
        for @calls > 10 ? @calls[0 .. 9] : @calls;
}


# True for a call on a file of the store, made by a thread of the pool.

sub by_pool {
    my ($main, $names, @calls) = @_;

    return scalar grep {
        $_->{tid} != $main && $_->{name} =~ /\A(?:$names)\z/
        && $_->{text} =~ /\Q$root\E/
    } @calls;
}


sub push_big {
    my $mib = 1024;
    my $piece = blob(1 << 20, 'eventloop');
    my $sha = Digest::SHA->new(256);
    $sha->add($piece) for 1 .. $mib;
    my $digest = 'sha256:' . $sha->hexdigest;

    my ($pid) = $t->workers;
    my $trace = Test::Registry::Trace->attach($pid, calls => \@waits);

    my $c = $t->connect(timeout => 300);
    my $r = $c->post('/v2/app/blobs/uploads/', body => '');
    my $l = $r->header('Location');
    my $n = 0;

    $r = $c->patch($l, length => $mib << 20,
        body => sub { $n++ < $mib ? $piece : undef });
    is_status($r, 202, "PATCH of $mib MiB");
    is_header($r, 'Range', '0-' . (($mib << 20) - 1));
    $r = $c->put("$l?digest=$digest", body => '');
    is_status($r, 201, 'PUT');
    $c->get('/v2/');
    $c->close;

    my @calls = $trace->stop;
    my @bad = blocking($pid, @calls);
    is(scalar @bad, 0, 'no blocking call on the main thread') or show(@bad);

    cmp_ok(by_pool($pid, 'p?writev?|pwrite64', @calls), '>=', $mib / 8,
        'threads of the pool wrote the data');
    cmp_ok(by_pool($pid, 'fdatasync|fsync', @calls), '>=', 2,
        'and synced it');
    cmp_ok(by_pool($pid, 'rename\w*', @calls), '>=', 2, 'and renamed');

    # Bytes are hashed once, as they pass: nothing reads the file again.

    my $read = grep {
        $_->{name} =~ /\Ap?read/ && $_->{text} =~ m{_uploads/[^>]*/data}
    } @calls;
    is($read, 0, 'the data is never read back');

    is_header($t->head("/v2/app/blobs/$digest"), 'Content-Length',
        $mib << 20);
    is_status($t->delete("/v2/app/blobs/$digest"), 202, 'deleted');
    unlink $t->blob_file($digest);
    rmdir $t->blob_file($digest) =~ s{/data\z}{}r;
}


sub traced {
    my ($name, $code) = @_;

    my ($pid) = $t->workers;
    my $trace = Test::Registry::Trace->attach($pid, calls => \@waits);
    my $ok = eval { $code->(); $t->get('/v2/'); 1 };
    my @calls = $trace->stop;
    die $@ if !$ok;

    my @bad = blocking($pid, @calls);
    is(scalar @bad, 0, "$name: no blocking call on the main thread")
        or show(@bad);
    return ($pid, @calls);
}


my $image;

sub small_push {
    my ($pid, @calls) = traced('push of an image', sub {
        $image = $t->push_image('app', 'v1',
            layers => [map { blob(1000, "layer $_") } 1 .. 3]);
        my $r = $t->put("/v2/app/manifests/$image->{digest}?tag=a&tag=b",
            body => $image->{bytes}, headers => {
                'Content-Type' => OCI_MANIFEST });
        is_status($r, 201, 'PUT with tags');
        is_status($t->post("/v2/other/blobs/uploads/?from=app&mount="
            . sha256($image->{config}), body => ''), 201, 'mount');
        my $l = $t->open_upload('app');
        is_status($t->get($l), 204, 'status');
        is_status($t->delete($l), 204, 'cancel');
    });

    cmp_ok(by_pool($pid, 'fsync|fdatasync', @calls), '>=', 5,
        'the pool did it');
}


sub lists_and_deletes {
    my $subject = descriptor(OCI_MANIFEST, $image->{bytes});

    $t->push_referrer('app', $subject, type => 'application/vnd.x');
    $t->restart;

    traced('cold reads', sub {
        for my $uri ('/v2/_catalog', '/v2/app/tags/list',
            "/v2/app/referrers/$image->{digest}", '/v2/app/manifests/v1',
            "/v2/app/manifests/$image->{digest}",
            '/v2/app/blobs/' . sha256($image->{config}))
        {
            is_status($t->get($uri), 200, "GET $uri");
        }
    });

    traced('deletes', sub {
        for my $uri ('/v2/app/manifests/a',
            "/v2/app/manifests/$image->{digest}",
            '/v2/app/blobs/' . sha256($image->{config}),
            '/v2/app/_nginx/repository/content')
        {
            is_status($t->delete($uri), 202, "DELETE $uri");
        }
    });
}


sub pull {
    my $bytes = blob(5_000_000, 'pull');
    my $digest = $t->push_blob('app', $bytes);
    my ($pid) = $t->workers;

    my $trace = Test::Registry::Trace->attach($pid,
        calls => [qw(sendfile read pread64 readv write writev)]);
    my $r = $t->get("/v2/app/blobs/$digest");
    my @calls = $trace->stop;

    is_whole($r, $bytes, 'pull of 5 MB');
    my $file = $t->blob_file($digest);
    my @sent = grep { $_->{name} eq 'sendfile' && $_->{text} =~ /\Q$file\E/ }
        @calls;
    cmp_ok(scalar @sent, '>=', 1, 'leaves by sendfile');
    my $n = 0;
    $n += $_->{ret} =~ /\A(\d+)/ ? $1 : 0 for @sent;
    is($n, 5_000_000, 'to the last byte');
    is((grep { $_->{name} =~ /read/ && $_->{text} =~ /\Q$file\E/ } @calls) + 0,
        0, 'and is read by nobody');
}

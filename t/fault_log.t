#!/usr/bin/perl

# What the error log says of a disk that is full, or read-only: the lines of
# docs/troubleshooting.md. t/log_errors.t has those that need no disk.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use Test::More;

use Test::Registry;
use Test::Registry::Disk;
use Test::Registry::Trouble;

alone(17);

my $root = tempdir('registry-disk-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($rc, $said) = run_command(10, 'mount', '-t', 'tmpfs', '-o', 'size=600k',
    'tmpfs', $root);
skip_suite("no tmpfs: $said", 17) if $rc;

my $t = Test::Registry->new(root => $root)->run;
my $image = $t->push_image('app', 'v1');

disk_full();
read_only();
two_mounts();

$t->finish(audit => 0);
system 'umount', '-l', $root;

done_testing();


sub disk_full {
    my $bytes = blob(2_000_000, 'full');
    my $r = $t->post('/v2/app/blobs/uploads/?digest=' . sha256($bytes),
        body => $bytes);

    is_error($r, 507, 'UNKNOWN', 'F15 a disk that is full');
    is_said($t, 'free space, or inodes', 'F15 the log says what to free');
    unlike($r->body, qr/\Q$root\E|pwrite/, 'F15 the client learns no more');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F15 pulls work');
}


sub read_only {
    my ($rc, $said) = run_command(10, 'mount', '-o', 'remount,ro', $root);
    is($rc, 0, 'read-only') or diag($said);

    my $r = $t->post('/v2/app/blobs/uploads/', body => '');
    is_error($r, 503, 'UNKNOWN', 'F20 a file system that is read-only');
    is_said($t, 'was mounted read-only', 'F20 the log says where to look');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F20 pulls work');

    ($rc, $said) = run_command(10, 'mount', '-o', 'remount,rw', $root);
    is($rc, 0, 'writable again') or diag($said);
    $t->push_image('app', 'v2', seed => 'again');
    pass('F20 and pushes work');
}


# A part of the tree that is mounted there, if from the same file system:
# nothing can be renamed from one into the other.

sub two_mounts {
    my $part = $t->root . '/docker/registry/v2/blobs';
    my ($rc, $said) = run_command(10, 'mount', '--bind', $part, $part);
    is($rc, 0, 'a part of the tree is mounted by itself') or diag($said);

    $t->restart;
    is_said($t, 'pushes will fail; all of', 'said at start');

    my $bytes = 'mounted';
    $t->post('/v2/app/blobs/uploads/?digest=' . sha256($bytes),
        body => $bytes);
    like($t->log_text, qr/\[crit\][^\n]* rename\(\) [^\n]* failed; all of /,
        'and for a push');
    $t->stop;
    run_command(10, 'umount', $part);
    $t->run;
}

#!/usr/bin/perl

# System calls that fail: at each of its calls an operation meets a disk that
# is full, broken or read-only, once or from there on. The worker lives, the
# reply says what is the matter, nothing is half there and nothing is left
# behind; and it works again when the disk does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Operations;
use Test::Registry::Sweep;
use Test::Registry::Torture;


need_root(100);
seed();

my @pushes = pushes(any_sizes(torture(0, 4)));

my @make = qw(name write);
my @write = (@make, qw(change sync));
my @change = (@write, qw(modify remove));
my @all = (@change, qw(open read list send stat lock));

# What a broken disk kept from being removed may stay for as long as that of a
# worker that was killed.

my @grace = (grace => 3600);

# In the short version not every sweep stops at each call: it begins at one
# drawn by chance.

my $every = torture(10, 1);

my $s = Test::Registry::Sweep->new(
    main => 'thread_pool one threads=1;', http => 'sendfile on;',
    location => 'registry_delete on; registry_thread_pool one;')->run;

sweeps($s);
file_size_limit($s);
audit($s);

if (torture(0, 1)) {
    # what is sent without sendfile nginx reads itself, and gives up upon a read
    # that is short
    my $many = Test::Registry::Sweep->new(http => 'sendfile on;',
        location => 'registry_delete on;')->run;
    sweeps($many);
    $many->finish(audit => { unfinished => 1 });
}

figure('errors injected', $s->hits);
$s->finish(audit => { unfinished => 1, @grace });
done_testing();


sub sweeps {
    my ($s) = @_;

    full($s);
    broken($s);
    read_only($s);
    lost($s);
    in_pieces($s);
}


sub full {
    my ($s) = @_;

    for my $op (@pushes, manifests()) {
        $s->sweep("F14 ENOSPC once, $op->{name}", $op,
            action => 'ENOSPC', calls => \@write);
        $s->sweep("F14 ENOSPC from there on, $op->{name}", $op,
            action => 'ENOSPC', calls => \@write, times => 0,
            every => $every);
    }

    for my $op (deletes()) {
        $s->sweep("F14 ENOSPC once, $op->{name}", $op,
            action => 'ENOSPC', calls => \@write, @grace);
        $s->meanwhile("F15 $op->{name} without room", $op,
            action => 'ENOSPC', calls => \@make, @grace);
    }

    $s->meanwhile("F15 $_->{name} without room", $_,
        action => 'ENOSPC', calls => \@write) for reads();
}


sub broken {
    my ($s) = @_;

    $s->sweep("F14 EIO, $_->{name}", $_, action => 'EIO', calls => \@all,
        every => $every, @grace) for @pushes, manifests(), deletes(), reads();
}


sub read_only {
    my ($s) = @_;

    $s->sweep("F20 EROFS from there on, $_->{name}", $_, action => 'EROFS',
        calls => \@change, times => 0, every => $every, @grace)
        for @pushes, manifests(), deletes();

    # whoever asks for an upload is told that it cannot go on

    $s->meanwhile("F20 $_->{name} of a read-only store", $_,
        action => 'EROFS', calls => \@change)
        for grep { $_->{name} !~ /upload/ } reads();
}


# The bytes are gone and only this one sync says so.

sub lost {
    my ($s) = @_;

    $s->sweep("F17 a sync fails once, $_->{name}", $_, action => 'lose',
        calls => ['sync'], maybe => 1, @grace)
        for @pushes, manifests(), deletes();
}


sub in_pieces {
    my ($s) = @_;

    for my $op (@pushes, manifests(), deletes(), reads()) {
        $s->meanwhile("F22 part by part, $op->{name}", $op,
            action => 'short', calls => [qw(read write send)]);
    }

    for my $op (@pushes, manifests(), reads()) {
        $s->sweep("F22 EINTR, $op->{name}", $op, must => 1,
            action => 'EINTR', calls => [qw(open modify read write)],
            every => $every);
        $s->meanwhile("F22 EAGAIN now and then, $op->{name}", $op,
            action => 'EAGAIN', calls => [qw(read write)], at => 2,
            times => -1);
    }
}


# The kernel tells of it by a signal that ends a process which does not know
# it.

sub file_size_limit {
    my ($s) = @_;

    my $t = $s->t;
    my ($pid) = $t->workers;
    my ($small, $large) = (blob(1000, 'small'), blob(3_000_000, 'large'));
    my $digest = sha256($large);

    my ($rc, $out) = run_command(10, 'prlimit', "--pid=$pid",
        '--fsize=1000000:unlimited');
    is($rc, 0, 'F23 the files of the worker are limited') or diag $out;

    my $l = $t->open_upload('limit');
    is_error($t->put("$l?digest=$digest", body => $large), 507, 'UNKNOWN',
        'F23 a blob beyond the limit on files');
    is_error($t->post("/v2/limit/blobs/uploads/?digest=$digest",
        body => $large), 507, 'UNKNOWN', 'F23 the same by one POST');
    $t->delete($l);

    my $r = $t->patch($l = $t->open_upload('limit'), chunks =>
        [unpack '(a100000)*', $large]);
    is_error($r, 507, 'UNKNOWN', 'F23 the same in chunks');
    is_error($t->head("/v2/limit/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        'F23 is not there');
    is_status($t->delete($l), 204, 'F23 its upload can be cancelled');

    is(($t->workers)[0], $pid, 'F23 the worker is not killed');
    is_whole($t->get('/v2/limit/blobs/' . $t->push_blob('limit', $small)),
        $small, 'F23 what is below the limit can be pushed');

    run_command(10, 'prlimit', "--pid=$pid", '--fsize=unlimited:unlimited');
    is_status($t->post("/v2/limit/blobs/uploads/?digest=$digest",
        body => $large), 201, 'F23 without it the large one, too');
}


# What it cannot read registryctl audit does not call sound. What fails once
# alone it finds in order when it looks again.

sub audit {
    my ($s) = @_;

    my ($t, $shim) = ($s->t, $s->shim);
    my %env = %{ $shim->env };
    my @command = ('env', map({ "$_=$env{$_}" } keys %env),
        $ENV{TEST_REGISTRYCTL} || "$FindBin::Bin/../build/registryctl",
        'audit', '--digests', $t->root);
    my ($errors, @why) = (0);

    $t->push_image('audited', 'v1');

    my $each = torture(20, 1);

    for (my $n = 1 + int rand $each; $n < 20_000; $n += $each) {
        $shim->arm(action => 'EIO', at => $n, times => 0, dir => $t->root,
            calls => [qw(open read list stat)]);
        my ($rc, $out) = run_command(20, @command);
        last if !$shim->disarm;

        $errors++;
        push @why, "at $n, " . $shim->last . ": status $rc, $out"
            if $rc != 1 && $rc != 3;
    }

    cmp_ok($errors, '>', 5, 'registryctl audit meets errors');
    ok(!@why, 'F18 and does not call such a store sound')
        or diag join "\n", @why;
    figure('errors in the audit', $errors);
}

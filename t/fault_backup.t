#!/usr/bin/perl

# Backups and restores that are killed at any time: there is a whole backup or
# none, what came back is whole, and the next call makes up for the rest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Torture;

my $conf = 'registry_delete on;';
my $t = Test::Registry->new(location => $conf)->run;
my $root = $t->{root};
my $work = work_dir();

my $dest = "$work/backups";
my $to = "$work/restored";

# what writes, syncs, names or removes
my @calls = qw(openat2 write fsync fdatasync renameat linkat unlinkat mkdirat);

skip_suite('no strace here', 1)
    if system('strace -V >/dev/null 2>&1') != 0;

$t->push_image('a/one', 'v1', seed => 'one',
    layers => [ blob(50_000, 'base'), blob(3000, 'one') ]);
my $two = $t->push_image('a/two', 'v1', seed => 'two',
    layers => [ blob(50_000, 'base') ]);
my $list = to_json(manifest_index([ descriptor(OCI_MANIFEST, $two->{digest},
    length $two->{bytes}) ]));
is_status($t->push_manifest('a/two', 'all', $list, OCI_INDEX), 201,
    'an index');
is_exit(ctl('backup', $root, $dest), 0, 'a backup');
$t->push_image('b', 'v1', seed => 'three', layers => [ blob(3000, 'b') ]);

my $wanted = everything($root);
my $old = listed($dest);
seed();

system('cp', '-a', $dest, "$work/template") == 0 or die;

# the second backup of a directory, which also removes the first
sweep('backup', [ 'backup', '--keep', 1, $root, $dest ], \&fresh_dest,
    \&check_backup);

# and by copy
sweep('copy', [ 'backup', '--copy', $root, $dest ], \&fresh_dest,
    \&check_backup);

fresh_dest();
is_exit(ctl('backup', $root, $dest), 0, 'the backup to be restored');
mkdir $to or die;
sweep('restore', [ 'restore', $dest, $to ], \&fresh_root, \&check_restore);

large();

# who is killed over the note for the metrics leaves a temporary of it

finish($t, { audit => { grace => 3600 } });


# Tags and digests of a store, and what its repositories hold.

sub everything {
    my ($store) = @_;

    return join '', map { "$_\n" . ctl('tags', $store, $_)->{out} }
        split /\n/, ctl('ls', $store)->{out};
}


sub listed {
    return join ' ', map { (split /\t/)[0] } split /\n/,
        ctl('backups', $_[0])->{out};
}


sub fresh_dest {
    system('rm', '-rf', $dest) == 0 or die;
    system('cp', '-a', "$work/template", $dest) == 0 or die;
}


sub fresh_root {
    system('rm', '-rf', $to) == 0 or die;
    mkdir $to or die;
}


# Kills a command at its calls, and lets them fail, one at a time.

sub sweep {
    my ($what, $args, $fresh, $check) = @_;

    my $set = join ',', @calls;
    $fresh->();
    my $log = "$work/log";
    is_exit(ctl({ wrap => [ qw(strace -f -o), $log, "-etrace=$set" ] },
        @$args), 0, "$what under strace");
    my %n;
    $n{$_}++ for file_text($log) =~ /^\d+ +(\w+)\(/mg;

    my @places;
    for my $call (sort keys %n) {
        for my $i (1 .. $n{$call}) {
            push @places, map { [ $call, $i, $_ ] } 'signal=KILL',
                'error=EIO', 'error=ENOSPC';
        }
    }
    my $all = @places;
    @places = sort { $a->[3] <=> $b->[3] } map { [ @$_, rand ] } @places;
    my $most = torture(30, 100_000);
    splice @places, $most if @places > $most;

    my @bad;
    for (@places) {
        my ($call, $i, $how) = @$_;
        $fresh->();
        my $r = ctl({ wrap => [ qw(strace -f -o /dev/null), "-etrace=$set",
            "-einject=$call:$how:when=$i" ] }, @$args);
        push @bad, map { "$call $i $how: $_" } $check->($r, $args);
    }
    is_deeply(\@bad, [], "$what: " . @places . " of $all places");
    figure("$what: calls that were killed or failed", scalar @places);
}


# The old backup or the new one is there, whole; then another is made.

sub check_backup {
    my ($r, $args) = @_;

    my @bad;
    my $v = ctl('backups', '--verify', $dest);
    push @bad, "damaged: $v->{out}$v->{err}" if $v->{rc} ne '0';
    my $now = listed($dest);
    push @bad, 'none is left' if $now eq '';
    push @bad, "exit 0, but no new one: $now"
        if $r->{rc} eq '0' && $now eq $old;

    # the note for the metrics is no part of the backup

    my $said = $r->{err} =~ s/^.* nginx's metrics will not tell of this, .*$//mr;
    push @bad, "exit 0, but $said"
        if $r->{rc} eq '0' && $said =~ /No space|Input\/output/;

    my $again = ctl(@$args);
    push @bad, "the next: $again->{err}" if $again->{rc} ne '0';
    $v = ctl('backups', '--verify', $dest);
    push @bad, "damaged after the next: $v->{out}$v->{err}"
        if $v->{rc} ne '0';
    return @bad;
}


sub check_restore {
    my ($r, $args) = @_;

    my @bad;

    # who is killed at once has made no store yet
    my $audit = ctl('audit', '--digests', $to);
    push @bad, "audit: $audit->{out}$audit->{err}"
        if $audit->{rc} ne '0' && -e "$to/docker/registry/v2";
    push @bad, 'exit 0, but not all is there'
        if $r->{rc} eq '0' && everything($to) ne $wanted;

    my $again = ctl(@$args);
    push @bad, "the next: $again->{err}" if $again->{rc} ne '0';
    push @bad, 'not all is there' if everything($to) ne $wanted;
    $audit = ctl('audit', '--digests', $to);
    push @bad, "audit after the next: $audit->{out}" if $audit->{rc} ne '0';
    return @bad;
}


# Its listing is the last member; who is killed behind that has done it all.

sub whole_tar {
    my ($rc, $said) = run_command(60, 'tar', '-tzf', $_[0]);

    return $rc == 0 && $said =~ m{^backups/[^/\n]+\.json\n\z}m;
}


# Large blobs, killed by the clock; a tar as well, which has its name when it
# is whole.

sub large {
    $t->push_image('large', 'v1', seed => 'large',
        layers => [ map { blob(4_000_000, "large-$_") } 1 .. 4 ]);
    my ($dir, $file, $times) = ("$work/large", "$work/large.tar.gz",
        torture(4, 200));

    my $takes;
    for (1, 2) {
        my $begun = time;
        is_exit(ctl(qw(backup --tar), $root, $file), 0, 'a tar');
        my $took = time - $begun;
        $takes = $took if !defined $takes || $took < $takes;
        unlink $file or die;
    }

    my ($cut, @bad) = (0);
    for my $n (1 .. $times) {
        for my $args ([ 'backup', '--copy', $root, $dir ],
            [ 'backup', '--tar', $root, $file ])
        {
            my $run = ctl_begin(@$args);
            sleep($takes * $n / ($times + 1));
            kill 'KILL', $run->{pid};
            my $r = ctl_end($run);
            $cut++ if $r->{rc} ne '0';
            push @bad, "$n: a tar that was cut has its name"
                if $args->[1] eq '--tar' && $r->{rc} ne '0' && -e $file
                && !whole_tar($file);
            unlink $file;
            next if !-d $dir;
            $r = ctl('backups', '--verify', $dir);
            push @bad, "$n: $r->{out}$r->{err}" if $r->{rc} ne '0'
                && $r->{err} !~ /: there is no backup\n\z/;
        }
    }
    is_deeply(\@bad, [], 'what was cut is not taken for whole');
    cmp_ok($cut, '>', 0, "$cut of " . 2 * $times . ' were cut');
    is_exit(ctl(qw(backup --copy), $root, $dir), 0, 'the next one');
    is_exit(ctl('backups', '--verify', $dir), 0, 'is whole');
}

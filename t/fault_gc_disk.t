#!/usr/bin/perl

# A collection and a purge on a disk that is full, or takes no more writes,
# before they begin and in the middle of them: nothing that is kept is lost,
# the log says what is to be done, and when it is done they go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Disk;
use Test::Registry::Litter;
use Test::Registry::Process;
use Test::Registry::Shim;
use Test::Registry::Torture;


alone(48);

my $gc = 'registry_gc on interval=1s grace=1h untagged=1h empty rate=0';

full();
by_hand();
read_only();
breaks();

done_testing();


sub on_disk {
    my ($iops, %o) = @_;

    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 24, %o);
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(root => $disk->root, env => $shim->env,
        location => "registry_delete on; $gc iops=$iops;"
            . ' registry_upload_idle_time 1h;')->run;
    my $x = { disk => $disk, t => $t, shim => $shim,
        litter => Test::Registry::Litter->new($t)->keep };

    $x->{litter}->rouse;
    return $x;
}


sub finish_disk {
    my ($x, $name) = @_;

    is_status($x->{litter}->finish_upload, 201, "$name: an upload ends");
    $x->{t}->finish(audit => { grace => 3600 });
    $x->{disk}->remove;
}


sub said {
    my ($x, $from) = @_;

    return substr $x->{t}->log_text, $from;
}


# Garbage that is on the disk already, as what stays is.

sub drop {
    my ($x, @o) = @_;

    my @why = $x->{litter}->drop(@o);
    run_command(60, 'sync', '-f', $x->{disk}->at);
    return @why;
}


# What is wrong; but no upload can be asked for where nothing can be written.

sub wrong {
    my ($x) = @_;

    return grep { !/\AS1 the upload.*\nstatus: +503 /s } $x->{litter}->wrong;
}


# What was left for the next one is as old then.

sub done {
    my ($x) = @_;

    for (1 .. 4) {
        $x->{litter}->later;
        $x->{litter}->rouse;
        return 1 if wait_for(20, sub { !$x->{litter}->left });
    }

    return 0;
}


# --- F15 ---------------------------------------------------------------------

# All of the space is taken, that of the superuser, too.

sub fill {
    my ($disk) = @_;

    my $file = $disk->at . '/filler';
    open my $fh, '>>:raw', $file or die "$file: $!\n";

    for my $size (1 << 20, 4096, 1) {
        1 while syswrite $fh, 'x' x $size;
        die "$file: $!\n" if !$!{ENOSPC};
    }

    close $fh;
    return $file;
}


sub full {
    my $x = on_disk(0);
    my ($t, $litter) = @{$x}{qw(t litter)};

    for my $round (1 .. torture(2, 20)) {
        my @why = $litter->drop(sizes => [700, 900, 300_000]);
        my $filler = fill($x->{disk});
        my $bytes = blob(100_000, "full $round");
        my $uri = '/v2/full/blobs/uploads/?digest=' . sha256($bytes);
        is_status($t->post($uri, body => $bytes), 507,
            'F15 a disk is full');

        $litter->rouse;
        push @why, 'left: ' . join ' ', $litter->left
            if !wait_for(60, sub { !$litter->left });
        push @why, $litter->wrong;
        ok(!@why, 'F15 a full disk is collected and purged')
            or diag join "\n", @why;

        # which makes room for others

        is_status($t->post($uri, body => $bytes), 201,
            'F15 and takes a push again');
        unlink $filler or die "$filler: $!\n";
        is(join("\n", $litter->wrong), '', 'F15 what stays is there');
    }

    finish_disk($x, 'F15');
}


# The first collection ever is one by hand, and not a file can be made.

sub by_hand {
    my $disk = Test::Registry::Disk->new(fs => 'ext4', size => 24);
    my $t = Test::Registry->new(root => $disk->root)->run;
    my $image = $t->push_image('app', 'v1');
    my $lone = $t->push_blob('app', blob(5000, 'by hand'));

    wait_for(30, sub { -e $t->root . '/docker/registry/nginx/collect' });
    mkdir $disk->at . '/filler';

    my $n = 0;
    1 while open my $fh, '>', $disk->at . '/filler/' . ++$n;
    ok($!{ENOSPC}, "F16 no inodes left, behind $n of them");

    my $r = {};
    wait_for(30, sub {
        $r = ctl('gc', $t->root, '--grace=2s');
        return $r->{rc} || !-e $t->blob_file($lone);
    });
    is_exit($r, 0, 'F16 who collects by hand for the first time');
    is_status($t->get("/v2/app/blobs/$lone"), 404, 'F16 has made room');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F16 what stays is there');
    $t->finish(audit => { grace => 3600 });
}


# --- F20 ---------------------------------------------------------------------

sub read_only {
    my $x = on_disk(0);
    my ($t, $litter, $disk) = @{$x}{qw(t litter disk)};
    my $name = 'F20 a disk that takes no writes';
    my @why = drop($x);

    # as long as nobody has a file open for writing

    ok(wait_for(60, sub {
        (run_command(20, 'mount', '-o', 'remount,ro', $disk->at))[0] == 0;
    }), "$name: it is one");

    my @all = $litter->left;
    my $from = length $t->log_text;
    kill 'TERM', $litter->manager;
    ok(wait_for(60, sub {
        said($x, $from) =~ /\[error\][^\n]*could not collect garbage/
            || said($x, $from) =~ /could not free/;
    }), "$name: it is told");
    like(said($x, $from), qr/failed; [^\n]+, look at [^\n]+ \(30: /,
        "$name: and what is to be done");
    is(join("\n", $litter->left), join("\n", @all), "$name: nothing goes");
    push @why, wrong($x);

    run_command(20, 'mount', '-o', 'remount,rw', $disk->at);
    ok(done($x), "$name: when it does, it goes on")
        or diag join ' ', $litter->left;
    push @why, wrong($x);
    ok(!@why, "$name: what stays is there") or diag join "\n", @why;
    finish_disk($x, $name);
}


# The file system finds itself in disorder, and refuses to be written to from
# there on: in the middle of a collection.

sub breaks {
    my $x = on_disk(400, mount => 'errors=remount-ro');
    my ($t, $litter, $disk, $shim) = @{$x}{qw(t litter disk shim)};
    my $name = 'F20 a file system that gives up';

    for my $round (1 .. torture(1, 10)) {
        my @why = drop($x, sizes => [ map { 200 + $_ } 1 .. 30 ]);
        my $all = $litter->left;
        my $from = length $t->log_text;
        $shim->arm(dir => $litter->own . '/trash', calls => ['name'],
            action => 'delay', delay => 100e6, at => 10);
        $litter->overdue;
        ok(wait_for(60, sub { $shim->hits }), "$name: a collection");
        $shim->disarm;
        give_up($disk);
        $shim->go_on;

        ok(wait_for(60, sub {
            said($x, $from) =~ /\[error\][^\n]*could not collect garbage/
        }), "$name: it is told");
        like(said($x, $from), qr/failed; [^\n]+, look at [^\n]+ \(30: /,
            "$name: and what is to be done");
        my $half = $litter->left;
        cmp_ok($half, '>', 0, "$name: it was in the middle");
        push @why, wrong($x);

        $disk->power_up($t);
        push @why, wrong($x);
        ok(done($x), "$name: mounted again, it goes on")
            or diag join ' ', $litter->left;
        push @why, wrong($x);
        ok(!@why, "$name: what stays is there") or diag join "\n", @why;
        figure('removed when the file system gave up', ($all - $half)
            . " of $all");
    }

    finish_disk($x, $name);
}


sub give_up {
    my ($disk) = @_;

    my ($rc, $device) = run_command(10, 'findmnt', '-no', 'SOURCE', $disk->at);
    chomp $device;
    my $file = '/sys/fs/ext4/' . basename($device) . '/trigger_fs_error';
    open my $fh, '>', $file or die "$file: $!\n";
    syswrite $fh, "1\n" or die "$file: $!\n";
    close $fh;
}

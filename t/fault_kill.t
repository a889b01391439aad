#!/usr/bin/perl

# A worker killed at each call by which an operation changes the store, reads
# from its client or answers it. What was acknowledged is there then, what was
# not is whole or absent, and the operation can be repeated. And the process
# that cleans up, killed while it does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Operations;
use Test::Registry::Shim;
use Test::Registry::Sweep;
use Test::Registry::Torture;


need_root(30);
seed();

my @pushes = pushes(any_sizes(torture(0, 4)));

# Calls that only look change nothing: killed there is killed at the next one
# that does. The long version does not take that for granted.

my @calls = qw(name remove write change sync socket);
push @calls, qw(open modify read stat lock) if torture(0, 1);

# With one thread in the pool every round makes its calls in the same order.

my $s = Test::Registry::Sweep->new(
    main => 'thread_pool one threads=1;',
    location => 'registry_delete on; registry_thread_pool one;')->run;

sweeps($s);

if (torture(0, 1)) {
    my $many = Test::Registry::Sweep->new(
        location => 'registry_delete on;')->run;
    sweeps($many);
    $many->finish(audit => { grace => 3600, unfinished => 1 });
}

$s->finish(audit => { grace => 3600, unfinished => 1 });

cleaning();
done_testing();


sub sweeps {
    my ($s) = @_;

    my @how = (action => 'kill', calls => \@calls);

    $s->sweep("F01 killed in $_->{name}", $_, @how) for @pushes;
    $s->sweep("F02 killed in $_->{name}", $_, @how) for manifests();
    $s->sweep("F03 killed in $_->{name}", $_, @how) for deletes();

    figure('kills', $s->hits);
    figure('operations repeated after a kill', $s->rounds);
}


# The process that frees what was discarded, killed at every so many-th call:
# each one that follows gets on with it, and takes nothing else away.

sub cleaning {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env,
        location => 'registry_delete on;')->run;
    my $image = $t->push_image('app', 'v1');
    my $l = $t->open_upload('app');
    $t->patch($l, body => 'half');
    $t->stop;

    my $own = $t->root . '/docker/registry/nginx';
    litter($own, torture(300, 5000));

    $shim->arm(action => 'kill', calls => ['remove'], at => 60,
        times => -1, dir => $own);
    $t->allow_log(qr/cache manager process \d+ exited on signal 9/);
    $t->run;

    # the purge, which removes the temporaries, comes every hour: it has passed
    # when the next process begins
    for (1 .. torture(60, 600)) {
        last if !left($own);

        # as if there had never been one: its notes say when the last was
        unlink "$own/purge";
        $t->reload;
        wait_for(2, sub { !left($own) });
    }

    ok(!left($own),
        'F08 what was discarded is freed, however often it is interrupted')
        or diag left($own) . ' files are left';

    my $hits = $shim->disarm;
    cmp_ok($hits, '>=', 20, 'F08 it was interrupted again and again');
    figure('kills while cleaning', $hits);

    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F08 what is in use stays');
    is_whole($t->get('/v2/app/blobs/' . sha256($image->{layers}[0])),
        $image->{layers}[0], 'F08 blobs, too');
    is_header($t->get($l), 'Range', '0-3', 'F08 a live upload stays');
    is_status($t->put("$l?digest=" . sha256('half'), body => ''), 201,
        'F08 and can be finished');

    $t->finish(audit => { grace => 3600 });
}


# What a store of some age has lying about: discarded directories and files,
# temporaries of a worker that was killed, spare directories of uploads.

sub litter {
    my ($own, $n) = @_;

    for my $i (1 .. $n) {
        my $name = "0123456789abcdef-$i-0";

        mkdir $_ for map { "$own/$_" } qw(trash tmp spare), "trash/$name",
            "spare/$name";

        my @new = map { "$own/$_" } "trash/$name/data", "trash/f-$name",
            "tmp/$name", "spare/$name/startedat", "spare/$name";

        for my $path (@new) {
            if (!-d $path) {
                open my $fh, '>', $path or die "$path: $!\n";
                print {$fh} 'x';
                close $fh;
            }
            my $then = time - ($path =~ m{/trash/} ? 0 : 3 * 24 * 3600);
            utime $then, $then, $path;
        }
    }
}


# An empty spare, whose time changed when it became that, waits for a day.

sub left {
    my ($own) = @_;

    return scalar(() = map { glob "$own/$_" } qw(trash/* tmp/* spare/*/*));
}

#!/usr/bin/perl

# Everything at once for a good while: pushes, pulls, deletes, lists, uploads
# that are cancelled, reloads. At the end the server is as large as it was in
# the beginning, and every byte was right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Load;
use Test::Registry::Torture;


my $length = torture(20);

# A sanitizer keeps what was freed for a while, 256 MiB of it, and looks for
# what leaks by itself.

my $slack = (sanitized() ? 300 : 4) << 20;

my @login = ('Authorization', basic('ci', 'secret'));

my $t = Test::Registry->new(
    workers => 2,
    write => { htpasswd => htpasswd(ci => 'secret') },
    http => 'registry_zone_size 256k;',
    location => <<'EOC',
registry_delete on;
registry_htpasswd soak %%DIR%%/htpasswd;
registry_allow authenticated * **;
EOC
)->run;
my $client = $t->with(@login);

my (@samples, $generation);
my $reloads = 0;

# The first reload makes the workers what they are after every other one.

$t->reload;
is_status($client->get('/v2/'), 200, 'a server at rest');
ok(alone(), 'of one generation');
my %idle = settled();

my $load = Test::Registry::Load->start($t, headers => [\@login],
    push => 3, pull => 2, list => 1, cancel => 1, slow => 1);
my $begin = time;

# A quiet generation, many short ones, a quiet one again.

stay($length * 0.4);
reload_all($length * 0.8, $length < 300 ? 1 : 5);
stay($length);

my $sum = $load->stop;

operations();
at_rest();
memory();
series();

finish($t);


# --- the load ---------------------------------------------------------------

sub passed { return time - $begin }


sub stay {
    my ($until) = @_;

    $generation++;
    while (passed() < $until) {
        sample();
        sleep($length < 300 ? 0.25 : 2);
    }
}


sub reload_all {
    my ($until, $pause) = @_;

    $generation++;
    while (passed() < $until) {
        $t->reload;
        $reloads++;
        sample();
        sleep $pause;
    }
}


# Waits for old workers and the old manager to go.

sub alone {
    return wait_for(20, sub { children($t->pid) == 3 });
}


# The open files of each kind, once nobody keeps a way to those that went: the
# master has to notice that they did, and the others are told by it.

sub settled {
    my ($same, $last, %now) = (0, '');

    wait_for(30, sub {
        %now = map { $_ => files($_) } qw(worker manager master);
        my $all = join "\n", %now{qw(worker manager master)};
        my $channels = $now{master} =~ /socket=7\b/;

        $same = $channels && $all eq $last ? $same + 1 : 0;
        $last = $all;
        sleep 0.2;
        return $same >= 5;
    }) or diag "the files of the beginning do not settle: $last";

    return %now;
}


# What each kind of process has; of the workers the larger one.

sub sample {
    my @workers = $t->workers;
    my ($rss, $fds) = (0, 0);

    for my $pid (@workers) {
        my $n = rss_of($pid);
        $rss = $n if $n > $rss;
        $n = fds_of($pid);
        $fds = $n if $n > $fds;
    }

    my $manager = process('manager');
    push @samples, {
        at => passed(), generation => $generation, worker => $rss,
        fds => $fds, master => rss_of($t->pid),
        manager => $manager ? rss_of($manager) : 0,
        old => scalar $t->workers(old => 1)
    };
}


sub process {
    my ($kind) = @_;

    return $t->pid if $kind eq 'master';
    return ($t->workers)[0] if $kind eq 'worker';
    return (grep {
        my $cmd = command_of($_);
        $cmd =~ /nginx: cache manager process/ && $cmd !~ /shutting down/
    } children($t->pid))[0];
}


# Open files by kind, as one line.

sub files {
    my ($kind) = @_;

    my $pid = process($kind) or return 'none';
    my %n;
    $n{ s/:.*|\d+\z//r }++ for fds_of($pid);
    return join ' ', map { "$_=$n{$_}" } sort keys %n;
}


# --- what has to hold -------------------------------------------------------

sub operations {
    is($sum->{failed}, 0, 'F29 no operation has failed, no byte was wrong')
        or diag $sum->reasons;

    for my $what (qw(push pull mount move delete list cancel slow)) {
        cmp_ok($sum->count($what), '>', 0, "$what: some were done");
        figure($what, $sum->count($what));
    }

    my @lost = $sum->lost($client);
    is("@lost", '', 'S1 what was acknowledged holds');

    figure('requests', $sum->{requests});
    figure('seconds', sprintf '%.0f', passed());
    figure('reloads', $reloads);
    figure('requests sent again after a reload closed their connection',
        "$sum->{repeated} GET and HEAD, $sum->{raced} others");
    figure('failed operations', $sum->{failed});
    figure('lost', scalar @lost);
}


sub at_rest {
    ok(alone(), 'F29 no old worker stays');
    is(scalar $t->workers, 2, 'F29 there are two workers');

    my @open = grep { -d } glob "$t->{root}/docker/registry/v2/repositories/"
        . '{*,*/*}/_uploads/*';
    is(scalar @open, 0, 'S5 no upload session is left')
        or diag "@open[0 .. ($#open > 5 ? 5 : $#open)]";
    figure('upload sessions left', scalar @open);

    is_status($client->get('/v2/'), 200, 'it serves');

    for my $kind (sort keys %idle) {
        my $now;
        ok(wait_for(10, sub { ($now = files($kind)) eq $idle{$kind} }),
            "S5 the open files of the $kind are those of the beginning")
            or diag "$now instead of $idle{$kind}";
    }
}


# The median of what was seen in a part of a generation.

sub median {
    my ($key, $which, $from, $to) = @_;

    my @all = grep { $_->{generation} == $which } @samples;
    @all = sort { $a <=> $b } map { $_->{$key} }
        @all[int($#all * $from) .. int($#all * $to)];
    return $all[@all / 2];
}


sub memory {
    for my $key (qw(worker manager master)) {
        my $first = median($key, 1, 0.25, 0.5);

        is_flat("$key at the end of its generation",
            $first, median($key, 1, 0.75, 1));
        is_flat("$key after $reloads reloads",
            median($key, 1, 0.5, 1), median($key, 3, 0.5, 1));
    }

    # The master goes on; its first reloads fill what later ones use again.

    is_flat('the master from reload to reload',
        median('master', 2, 0.5, 0.6), median('master', 2, 0.9, 1));

    my ($most) = sort { $b <=> $a } map { $_->{old} } @samples;
    cmp_ok($most, '<=', 16, 'F29 old workers go as new ones come');
    figure('old workers at a time, at most', $most);
}


sub is_flat {
    my ($what, $before, $after) = @_;

    cmp_ok($after - $before, '<', $slack, sprintf
        'F29 flat: %s: %d KiB, then %d KiB', $what, $before / 1024,
        $after / 1024);
}


sub series {
    my $n = @samples > 24 ? 24 : scalar @samples;
    my @some = map { $samples[ int $_ * $#samples / ($n - 1) ] } 0 .. $n - 1;

    for my $key (qw(worker manager master)) {
        figure("resident KiB of the $key", join ' ',
            map { int($_ / 1024) } series_of($key, @some));
    }
    figure('open files of a worker', join ' ', series_of('fds', @some));
}


sub series_of {
    my ($key, @some) = @_;

    return map { $_->{$key} } @some;
}

#!/usr/bin/perl

# A worker that the kernel kills, because its memory is limited, while it
# parses large manifests (F07).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Ledger;
use Test::Registry::Torture;

# what a worker may use beyond what it has at the start

use constant LIMIT => 8 << 20;

need_root(11);

my $group = limited_group() or skip_suite('no control group for memory', 11);

my $t = Test::Registry->new(workers => 2)->run;
my $ledger = Test::Registry::Ledger->new;
my $image = $t->push_image('app', 'v1');
my ($kills, $refused, $cut) = (0, 0, 0);
my $template;

$ledger->settle("manifest app $image->{digest}", 1);
$ledger->settle('tag app v1', $image->{digest});

for my $round (1 .. torture(2, 50)) {
    my @before = $t->workers;
    put_into($group, $_) for @before;

    storm($round);

    wait_for(10, sub { $t->workers == 2 })
        or fail("F07 round $round: the master starts no other worker");
    my %now = map { $_ => 1 } $t->workers;
    $kills += grep { !$now{$_} } @before;

    # out of the group again: it is over

    $t->restart;
}

cmp_ok($kills, '>=', 1, 'F07 workers were killed for their memory');
cmp_ok($cut, '>=', 1, 'F07 whose clients saw the connection end');

my @wrong = $ledger->check($t, $ledger->things);
ok(!@wrong, 'F07 all that was acknowledged is there')
    or diag join "\n", @wrong;
is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
    'F07 other workers serve');
is_status($t->push_manifest('app', 'last', large('last')), 201,
    'F07 and large manifests are taken again');

figure('F07 workers killed for their memory', $kills);

$t->allow_log(qr/worker process \d+ exited on signal 9/);
$t->allow_log(qr/shared memory zone "[^"]+" was locked by \d+/);
$t->finish(audit => { grace => 3600, unfinished => 1 });
done_testing();


# Large manifests from many clients at once.

sub storm {
    my ($round) = @_;

    my @sent;
    for my $i (1 .. 6) {
        my $c = eval { $t->connect(timeout => 60) } or next;
        my $bytes = large("$round-$i");
        my $op = $ledger->begin("manifest app " . sha256($bytes) => 1,
            "tag app t$i" => sha256($bytes));

        $c->start('PUT', "/v2/app/manifests/t$i", body => $bytes,
            headers => [['Content-Type', OCI_MANIFEST]]);
        $c->send_body(body => $bytes, deadline => time + 60);
        push @sent, [$c, $op];
    }

    for (@sent) {
        my ($c, $op) = @$_;
        my $r = $c->reply(timeout => 60);

        if ($r->status == 201) {
            $ledger->acknowledge($op);
        } elsif ($r->status) {
            $ledger->refuse($op);
            $refused++;
        } else {
            $cut++;
        }
        $c->close;
    }
}


# A manifest of almost four megabytes, in many small pieces.

sub large {
    my ($seed) = @_;

    $template ||= padded_manifest({ %{ $image->{data} }, annotations => {
        seed => '%' x 20, map { ("n$_" => 'x' x 100) } 1 .. 8000 } },
        3_900_000);

    return $template =~ s/(%{20})/sprintf '%-20s', $seed/er;
}


# Makes a group whose members may have so much; removed at the end.

sub limited_group {
    my $name = "registry-test-$$";

    for (["/sys/fs/cgroup/memory/$name", 'memory.limit_in_bytes'],
         ["/sys/fs/cgroup/$name", 'memory.max'])
    {
        my ($dir, $file) = @$_;

        next if $file eq 'memory.max' && !-e '/sys/fs/cgroup/cgroup.procs';
        next if !mkdir $dir;

        return $dir if -e "$dir/$file" && put("$dir/$file", LIMIT);
        rmdir $dir;
    }

    return undef;
}


sub put {
    my ($path, $text) = @_;

    open my $fh, '>', $path or return 0;
    return defined syswrite($fh, $text) && close $fh;
}


sub put_into {
    my ($dir, $pid) = @_;

    put("$dir/cgroup.procs", $pid) or die "$dir/cgroup.procs: $!\n";
}


# A group can be removed once nobody is in it.

END {
    local $?;

    if (defined $group) {
        undef $t;
        wait_for(10, sub { rmdir $group });
    }
}

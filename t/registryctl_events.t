#!/usr/bin/perl

# registryctl events: what it prints, what it asks the registry for, and the
# events that registryctl rm makes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $root = $t->{root};
my $events = "$root/docker/registry/nginx/events";
my $first;

nothing();
removals();
tail();
follow();
hostile();
status();
replay();
calls();
owner();
others();

$t->finish;
done_testing();


# --- helpers ------------------------------------------------------------------

# A spool, as a registry with webhooks has it, and as its worker's user.

sub make_spool {
    my ($dir) = @_;

    my @st = stat "$dir/docker/registry/v2";
    my $path = $dir;
    for (qw(docker registry nginx events endpoints)) {
        $path .= "/$_";
        next if -d $path;
        mkdir $path or die "$path: $!\n";
        chown $st[4], $st[5], $path if $> == 0;
    }
}


# The file of an endpoint, see src/core/events/reg_spool_endpoint.c.

sub endpoint {
    my ($name, %o) = @_;

    my $text = join ' ', 'registry endpoint 1', map { $o{$_} // 0 }
        qw(cursor delivered lost failures since retry status);
    $text .= "\n" . ($o{error} // '') . "\n";
    $text .= 'sum sha256:' . sha256_hex($text) . "\n";
    put_file("$events/endpoints/$name",
        $text . ' ' x (511 - length $text) . "\n");
}


# A record by hand, behind those that are there.

sub record {
    my ($seq, $to, $event) = @_;

    my $head = sprintf 'E1 %016x %08x ', $seq, length "$to $event";
    my $sum = substr sha256_hex("$head$to $event"), 0, 32;
    my ($last) = reverse sort glob "$events/*.log";
    open my $fh, '>>:raw', $last or die "$last: $!\n";
    print $fh "$head$sum $to $event\n";
    close $fh or die "$last: $!\n";
}


sub event {
    my (%o) = @_;

    return JSON::PP->new->canonical->utf8->encode({ id => $o{id} // 'id',
        timestamp => $o{time} // '2026-11-20T21:04:05Z',
        action => $o{action} // 'push',
        target => { repository => $o{repository} // 'team/app',
            tag => $o{tag} // 'v1', size => 5 },
        request => { useragent => 'test' },
        actor => { name => $o{actor} // 'ann' }, source => {} });
}


sub lines { return map { [ split /\t/ ] } split /\n/, $_[0]->{out} }


# --- tests --------------------------------------------------------------------

sub nothing {
    $t->push_image('none', 'v1');
    for (qw(tail status)) {
        my $r = ctl('events', $_, $root);
        is_exit($r, 0, "$_ without events");
        is($r->{out}, '', 'prints nothing');
    }

    my $r = ctl('events', 'replay', $root, 'ci');
    is_exit($r, 1, 'no endpoint');
    like($r->{err}, qr/nothing was ever delivered to an endpoint "ci"/,
        'as is said');

    is_exit(ctl('rm', $root, 'none'), 0, 'rm');
    ok(!-e $events, 'makes no events where nobody wants them');
}


sub removals {
    make_spool($root);
    $t->push_image('app', $_) for qw(v1 v2 v3);
    $t->push_image('app', 'also', seed => 'other');
    my $i = $t->push_image('app', 'other', seed => 'other');

    my $before = time;
    is_exit(ctl('rm', $root, 'app:v1'), 0, 'a tag');
    is_exit(ctl('rm', $root, "app\@$i->{digest}"), 0, 'a manifest');
    is_exit(ctl('rm', '-n', $root, 'app:v2'), 0, '--dry-run');
    is_exit(ctl('rm', '-y', $root, 'a*:v*'), 0, 'a pattern');
    is_exit(ctl('rm', $root, 'app'), 0, 'a repository');

    my $r = ctl(qw(events tail --json), $root);
    is_exit($r, 0, 'tail');
    my @all = map { decode_json($_) } split /\n/, $r->{out};
    is(scalar @all, 7, 'an event for each thing that is gone');

    is_deeply([ map { [ @{ $_->{event}{target} }{qw(repository tag digest)} ] }
        @all ], [ [ 'app', 'v1', '' ], [ 'app', undef, $i->{digest} ],
        [ 'app', 'also', '' ], [ 'app', 'other', '' ], [ 'app', 'v2', '' ],
        [ 'app', 'v3', '' ], [ 'app', undef, '' ] ],
        'in their order, a manifest before its tags');
    is_deeply([ map { $_->{event}{action} } @all ], [ ('delete') x 7 ],
        'all of them deletions');
    is($all[0]{endpoints}, undef, 'for all endpoints');

    my $e = $all[0]{event};
    is($e->{actor}{name}, scalar getpwuid($<), 'whoever called');
    is($e->{request}{useragent}, 'registryctl', 'did it with registryctl');
    like($e->{timestamp}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\z/,
        'a time');
    like($e->{id}, qr/\A[0-9a-f]{8}-/, 'an id');

    $first = $all[0]{sequence};
    is_deeply([ map { $_->{sequence} - $first } @all ], [ 0 .. 6 ],
        'numbers in a row');
    cmp_ok(abs($first / 1e6 - $before), '<', 600, 'which begin at the time');

    is((stat((glob "$events/*.log")[0]))[4], (stat "$root/docker/registry/v2")[4],
        'the segment belongs to whom the store does');

    # what cannot be told
    my @st = stat $events;
    rename $events, "$events.away" or die;
    put_file($events, '');
    $t->push_image('app', 'v1');
    is_exit(ctl('rm', $root, 'app'), 0, 'a file there is no spool');
    unlink $events;
    mkdir $events or die;
    chown $st[4], $st[5], $events if $> == 0;
    mkdir "$events/lock" or die;
    $t->push_image('app', 'v1');
    $r = ctl('rm', $root, 'app');
    is_exit($r, 3, 'a spool that cannot be written');
    like($r->{err}, qr/app: could not be removed\n.*events\/lock/s,
        'is told');
    is($r->{out}, '', 'and nothing is removed');
    is($t->head('/v2/app/manifests/v1')->status, 200, 'it is there');
    rmdir "$events/lock";
    rmdir $events;
    is_exit(ctl('rm', $root, 'app'), 0, 'without a spool it can be');
    rename "$events.away", $events or die;
}


sub tail {
    my @lines = lines(ctl('events', 'tail', $root));
    is(scalar @lines, 7, 'tail prints lines');
    is_deeply([ map { $_->[0] } @lines ], [ $first .. $first + 6 ], 'numbers');
    is($lines[0][2], 'delete', 'action');
    is($lines[0][3], 'app:v1', 'a tag');
    like($lines[1][3], qr/\Aapp\@sha256:/, 'a digest');
    is($lines[6][3], 'app', 'a repository');
    is($lines[0][5], '-', 'no address');

    is_deeply([ map { $_->[0] } lines(ctl(qw(events tail -n 2), $root)) ],
        [ $first + 5, $first + 6 ], '-n 2');
    is(ctl(qw(events tail -n 0), $root)->{out}, '', '-n 0');
    is(scalar(lines(ctl(qw(events tail -n 1000), $root))), 7, '-n 1000');
    is_deeply([ map { $_->[0] }
        lines(ctl('events', 'tail', '--after', $first + 4, $root)) ],
        [ $first + 5, $first + 6 ], '--after');
    is(ctl('events', 'tail', '--after', $first + 6, $root)->{out}, '',
        '--after the last');
    is(scalar(lines(ctl(qw(events tail --after 0), $root))), 7, '--after 0');

    record($first + 7, 'ci,audit', event());
    my ($e) = map { decode_json($_) } split /\n/,
        ctl(qw(events tail --json -n 1), $root)->{out};
    is_deeply($e->{endpoints}, [ 'ci', 'audit' ], 'for some endpoints');
    is($e->{event}{target}{tag}, 'v1', 'the event');
}


sub follow {
    my $run = ctl_begin(qw(events tail -f -n 1), $root);
    my $out = "$run->{dir}/out";
    until_true(sub { (file_text($out) // '') =~ /\n/ });
    record($first + 8, '', event(tag => 'followed'));
    ok(until_true(sub { file_text($out) =~ /followed/ }), '-f goes on');
    kill 'TERM', $run->{pid};
    my $r = ctl_end($run);
    is(scalar(() = $r->{out} =~ /\n/g), 2, 'with each of them once');
}


sub until_true {
    my ($what) = @_;

    for (1 .. 200) {
        return 1 if $what->();
        sleep 0.05;
    }

    return 0;
}


# A109 what a client sent is not written to the terminal as it is.

sub hostile {
    my $bad = "\x{1b}[31m\x{9b}\x{202e}\t";
    record($first + 9, '', event(actor => $bad, tag => 'hostile'));
    my $r = ctl(qw(events tail -n 1), $root);
    unlike($r->{out}, qr/\x1b|\xc2\x9b|\xe2\x80\xae/, 'A109 no line steers');
    is((lines($r))[0][4], '?[31m???', 'A109 nor takes a cell more');

    $r = ctl(qw(events tail --json -n 1), $root);
    unlike($r->{out}, qr/\x1b|\xc2\x9b|\xe2\x80\xae/, 'A109 nor does JSON');
    is(decode_json($r->{out})->{event}{actor}{name}, $bad,
        'A109 which holds it');

    record($first + 10, '', 'not JSON');
    $r = ctl(qw(events tail -n 1), $root);
    is($r->{out}, $first + 10 . "\t?\n", 'what is no event is told');

    # half a line
    my ($log) = reverse sort glob "$events/*.log";
    my $size = -s $log;
    open my $fh, '>>:raw', $log or die;
    print $fh 'E1 0000000000000001 0000';
    close $fh;
    is(ctl(qw(events tail -n 1), $root)->{out}, $r->{out},
        'what is torn is not');
    truncate $log, $size;
}


sub status {
    my $last = $first + 10;

    endpoint('ci', cursor => $first + 6, delivered => 5, since => 1795208645);
    endpoint('audit', cursor => $first + 3, delivered => 2, lost => 7,
        failures => 3, since => 1795208645, retry => 1795208700,
        status => 503, error => 'answered 503');
    endpoint('idle', cursor => $last);

    my $r = ctl('events', 'status', $root);
    is_exit($r, 1, 'status: one fails');
    my %by = map { $_->[0] => $_ } lines($r);
    is_deeply([ sort keys %by ], [ qw(audit ci idle) ], 'three endpoints');
    is_deeply([ @{ $by{audit} }[1 .. 3, 5 .. 7] ],
        [ 'fails', $first + 3, 7, 2, 7, 'answered 503' ], 'one that fails');
    is_deeply([ @{ $by{ci} }[1 .. 3, 5 .. 7] ],
        [ 'delivers', $first + 6, 4, 5, 0, '-' ], 'one that delivers');
    is($by{ci}[4], '2026-11-20T21:04:05Z', 'the oldest it is behind');
    is_deeply([ @{ $by{idle} }[1 .. 4] ], [ 'idle', $last, 0, '-' ],
        'one that is idle');
    like($r->{err}, qr/events $first to $last, \d+ bytes/, 'what there is');

    $r = ctl(qw(events status --json), $root);
    is_exit($r, 1, '--json');
    my $s = decode_json($r->{out});
    is_deeply([ map { $_->{name} } @{ $s->{endpoints} } ],
        [ qw(audit ci idle) ], 'sorted');
    is_deeply($s->{endpoints}[0], { name => 'audit', state => 'fails',
        cursor => $first + 3, behind => 7,
        oldest => $s->{endpoints}[0]{oldest}, delivered => 2, lost => 7,
        failures => 3, since => 1795208645, retry => 1795208700,
        status => 503, error => 'answered 503' }, 'an endpoint');
    is($s->{endpoints}[2]{oldest}, undef, 'none is behind');
    is_deeply([ @$s{qw(first last segments)} ], [ $first, $last, 1 ], 'all');

    # an endpoint that some events are not for
    record($first + 11, '.', event());
    $s = decode_json(ctl(qw(events status --json), $root)->{out});
    is($s->{endpoints}[1]{behind}, 4, 'what is for nobody does not count');
    is_deeply(decode_json(ctl(qw(events tail -n 1 --json), $root)->{out})
        ->{endpoints}, [], 'and tells so');

    put_file("$events/endpoints/audit", 'junk');
    $s = decode_json(ctl(qw(events status --json), $root)->{out});
    is_deeply([ @{ $s->{endpoints}[0] }{qw(cursor behind)} ], [ 0, 11 ],
        'what cannot be read begins anew');

    endpoint('audit', cursor => $first, failures => 1);
    is_exit(ctl('events', 'status', $root), 1, 'one that is not wanted fails');
    unlink "$events/endpoints/audit";
    is_exit(ctl('events', 'status', $root), 0, 'and is forgotten');
}


sub replay {
    my $from = "$events/endpoints/ci.from";

    my $r = ctl('events', 'replay', '--from', $first + 4, $root, 'ci');
    is_exit($r, 0, 'replay --from');
    is(file_text($from), $first + 3 . "\n", 'is asked for');
    like($r->{err}, qr/ci: 7 events from @{[ $first + 4 ]} on/, 'as is said');
    is((stat $from)[4], (stat $events)[4], 'by whom the store belongs to');

    my $s = decode_json(ctl(qw(events status --json), $root)->{out});
    is_deeply([ @{ $s->{endpoints}[0] }{qw(state behind cursor)} ],
        [ 'replay', 7, $first + 6 ], 'status shows it');

    $r = ctl('events', 'replay', $root, 'ci');
    is_exit($r, 0, 'replay of all');
    is(file_text($from), $first - 1 . "\n", 'from the first on');
    like($r->{err}, qr/ci: 11 events from $first on/, 'as is said');
    unlink $from;

    $r = ctl('events', 'replay', '--from', $first + 9, $root, 'ci');
    is_exit($r, 0, 'what is still to come');
    ok(!-e $from, 'is not passed over');
    like($r->{err}, qr/has come no further than @{[ $first + 6 ]}/, 'told');

    record($first + 12, 'ci', event(time => '2099-01-02T03:04:05.5Z'));
    endpoint('ci', cursor => $first + 12);

    for ([ '2099-01-02', 12 ], [ '2099-01-02T03:04:05Z', 12 ],
        [ '1970-01-01', 0 ], [ '1h', 0 ])
    {
        my ($since, $n) = @$_;
        is_exit(ctl('events', 'replay', '--since', $since, $root, 'ci'), 0,
            "--since $since");
        is(file_text($from), $first + $n - 1 . "\n", "event $n");
        unlink $from;
    }

    for (qw(2099-01-02T03:04:06Z 9999-01-01)) {
        is_exit(ctl('events', 'replay', '--since', $_, $root, 'ci'), 0,
            "--since $_, later than all");
        ok(!-e $from, 'asks for nothing');
    }

    # nothing is kept but the next number

    my ($log) = glob "$events/*.log";
    my $empty = sprintf '%s/%016x.log', $events, $first + 13;
    rename $log, "$log.away" or die "$log: $!\n";
    put_file($empty, '');

    for (['all'], ['--from', $first + 2], ['--since', '1d']) {
        my @how = grep { $_ ne 'all' } @$_;
        $r = ctl('events', 'replay', @how, $root, 'ci');
        is_exit($r, 0, "@$_ of nothing");
        like($r->{err}, qr/there are no events/, 'is told');
        ok(!-e $from, 'and asks for nothing');
    }
    $r = ctl('events', 'status', $root);
    like($r->{err}, qr/there are no events/, 'as status does');

    unlink $empty;
    rename "$log.away", $log or die "$log: $!\n";
}


sub calls {
    is_exit(ctl('events', @$_), 2, "events @$_") for [], ['eat'], ['tail'],
        [ 'replay', $root ], [ 'replay', $root, '../x' ],
        [ 'replay', $root, '' ], [ 'replay', $root, 'a.b' ],
        [ 'replay', '--from', 0, $root, 'ci' ],
        [ 'replay', '--from', 'x', $root, 'ci' ],
        [ 'replay', '--from', '18446744073709551616', $root, 'ci' ],
        [ 'replay', '--from', 1, '--since', '1h', $root, 'ci' ],
        [ 'replay', '--since', 'yesterday', $root, 'ci' ],
        [ 'replay', '--since', '2026-02-30', $root, 'ci' ],
        [ 'tail', '-n', 'x', $root ], [ 'tail', '--after', '-1', $root ],
        [ 'tail', '-n', 1, '--after', 1, $root ], [ 'status' ];
    is_exit(ctl('events', $_, "$root/none"), 3, "$_: no store")
        for qw(tail status);
    is_exit(ctl('events', 'replay', "$root/none", 'ci'), 3,
        'replay: no store');
    is_exit(ctl('events', 'replay', $root, 'nobody'), 1, 'no such endpoint');
}


sub owner {
    SKIP: {
        skip_tests('only root can', 4) if $> != 0;
        my $store = work_dir();
        my $path = $store;
        for ('', qw(docker registry v2 repositories a _manifests)) {
            $path .= "/$_" if $_ ne '';
            -d $path or mkdir $path or die;
            chown 65534, 65534, $path or die;
        }
        make_spool($store);
        is_exit(ctl('rm', $store, 'a'), 0, 'rm as root');
        my @made = ("$store/docker/registry/nginx/events/lock",
            glob "$store/docker/registry/nginx/events/*.log");
        is(scalar @made, 2, 'makes a spool');
        is((stat $_)[4], 65534, 'which is the owner\'s') for @made;
    }
}


# The others leave it alone.

sub others {
    my $dir = work_dir();
    my @before = map { [ $_, (stat $_)[7, 9] ] } sort(glob "$events/*"),
        sort glob "$events/endpoints/*";

    is_exit(ctl('audit', $root), 0, 'audit finds nothing stray');
    is_exit(ctl(qw(gc --grace 2s), $root), 0, 'gc');
    is_exit(ctl(qw(purge-uploads --idle 1s), $root), 0, 'purge-uploads');
    $t->push_image('saved', 'v1');
    is_exit(ctl('backup', $root, "$dir/backup"), 0, 'backup');

    my ($rc, $said) = run_command(30, 'find', "$dir/backup", '-name', '*.log',
        '-o', '-name', 'endpoints');
    is($said, '', 'which leaves events out');
    is_deeply([ map { [ $_, (stat $_)[7, 9] ] } sort(glob "$events/*"),
        sort glob "$events/endpoints/*" ], \@before, 'all is as it was');
}

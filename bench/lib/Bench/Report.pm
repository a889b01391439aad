package Bench::Report;

# Medians, tables, and whether each aim is met.

use strict;
use warnings;

# What there is to reach: row, what is compared, with what, the bound.
# best: the smallest of the rounds counts, since noise only adds to it.
# full: for the large lists, which --quick does not make.

my @aims = (
    (map { (
        { row => $_, metric => 'mib_per_s', peer => 'nginx', min => 0.97,
          text => 'throughput' },
        { row => $_, metric => 'cpu_s_per_gib', peer => 'nginx', max => 1.05,
          text => 'CPU' },
    ) } qw(pull pull-tls)),

    { row => 'push', metric => 'cpu_s_per_gib', peer => 'sum', max => 1.10,
      text => 'CPU' },
    { row => 'push', metric => 'mib_per_s', peer => 'd3', min => 1.8,
      text => 'throughput' },
    { row => 'push-tls', metric => 'cpu_s_per_gib', peer => 'sum', max => 1.10,
      text => 'CPU' },

    { row => 'push-image', metric => 'cpu_ms', peer => 'd3', max => 1 / 8,
      text => 'CPU' },
    { row => 'pull-image', metric => 'cpu_ms', peer => 'd3', max => 1 / 20,
      text => 'CPU' },

    (map { { row => $_, metric => 'cpu_ms', peer => 'd3', max => 1 / 10,
             text => 'CPU' } }
     qw(get-manifest-tag get-manifest head-manifest-tag head-manifest get-blob
        head-blob)),

    (map { (
        { row => "seen-$_-on", metric => 'cpu_ms', max => 1.05,
          other_row => "seen-$_-off", text => 'CPU, of that unseen' },
        { row => "seen-$_-on", metric => 'cpu_ms', max => 1.05,
          other_row => "seen-$_-plain", text => "CPU, of nginx's log alone" },
    ) } qw(push pull push-layers pull-layers)),

    { row => 'login', metric => 'per_s', min => 0.9, other_row => 'open',
      text => 'rate, of that without a login' },
    { row => 'guess-50', metric => 'p99_ms', max => 3,
      other_row => 'guess-none', text => 'p99, times the quiet one' },

    { row => 'memory-uploads', metric => 'peak_kib_each', max => 3072,
      text => 'KiB per upload' },
    { row => 'memory-idle', metric => 'held_kib_each', max => 64,
      text => 'KiB per connection' },
    { row => 'memory-idle-tls', metric => 'held_kib_each', max => 64,
      text => 'KiB per connection' },
    { row => 'slow-uploads', metric => 'errors', max => 0,
      text => 'uploads that did not finish' },

    { row => 'tags-page', metric => 'cpu_ms', peer => 'd3', max => 1 / 50,
      text => 'CPU', full => 1 },
    { row => 'catalogue-page', metric => 'cpu_ms', peer => 'd3', max => 1 / 50,
      text => 'CPU', full => 1 },
    { row => 'catalogue-10000', metric => 'cpu_ms', max => 100,
      other_row => 'catalogue-page', text => 'CPU, times that of 100',
      full => 1 },

    (map { { row => "hold-$_", metric => 'probe_p999_ms', max => 5, best => 1,
             text => 'p99.9 of GET /v2/, ms' } }
     qw(tags-cold tags-page tags-middle tags-change catalogue-cold
        catalogue-page catalogue-10000 catalogue-change)),

    { row => 'gc-offline', metric => 'cpu_s', peer => 'd3', max => 1,
      text => 'CPU' },
    { row => 'gc-marks', metric => 'peak_mib', max => 200, full => 1,
      text => 'MiB to mark a million blobs' },
    { row => 'gc-during', metric => 'p99_ms', max => 1.5,
      other_row => 'gc-quiet', text => 'p99 of HEAD, times the quiet one' },
    { row => 'gc-during', metric => 'put_p99_ms', max => 1.5,
      other_row => 'gc-quiet', text => 'p99 of PUT, times the quiet one' },
);

my %extra_title = (
    dgst  => 'openssl dgst -sha256',
    sum   => 'the two together',
    files => 'its files alone, synced',
);


sub head {
    my ($m, $targets, $rounds, $quick) = @_;

    printf "%s, %d CPUs, %d MiB, Linux %s; load %s at the start\n",
           $m->{cpu} // 'unknown processor', $m->{cpus}, $m->{memory_mib},
           $m->{kernel}, $m->{load} // '?';
    printf "network: %s, %s; %d round%s%s\n", $m->{network},
           $m->{congestion} // '?', $rounds, $rounds == 1 ? '' : 's',
           $quick ? '; --quick is for a first look only' : '';
    print  "CPU is the servers', all their processes together; wall clock "
           . "figures suffer\nfrom whatever else the machine does\n";

    print "warning: the machine is busy; throughput and latencies mean little\n"
        if ($m->{load} // 0) > 1;
    print "warning: $m->{congestion} makes bulk transfers look dearer than "
          . "they are\n"
        if ($m->{congestion} // '') =~ /bbr/;
}


sub median {
    my @v = sort { $a <=> $b } @_;

    return unless @v;

    return ($v[(@v - 1) / 2] + $v[@v / 2]) / 2;
}


# cells: row => target => { metric => median }, with what failed and what
# the logs complain of.  rounds keeps the single figures for ratios.

sub summary {
    my ($work, $targets, $results, $quick) = @_;

    my (%rounds, %cells);

    for my $r (@$results) {
        push @{ $rounds{$r->{row}}{$r->{target}} }, $r;
    }

    # what receiving and hashing cost apart is what a push may cost

    for my $row (qw(push push-tls)) {
        my ($put, $sum) = ($rounds{$row}{nginx}, $rounds{push}{dgst});

        next unless $put && $sum;

        for my $p (@$put) {
            my ($d) = grep { $_->{round} == $p->{round} } @$sum;

            next if !$d || $d->{failed} || $p->{failed};

            push @{ $rounds{$row}{sum} }, {
                round => $p->{round}, row => $row, target => 'sum', units => 1,
                cpu_s_per_gib => $p->{cpu_s_per_gib} + $d->{cpu_s_per_gib},
            };
        }
    }

    for my $row (keys %rounds) {
        for my $target (keys %{ $rounds{$row} }) {
            my @all = @{ $rounds{$row}{$target} };
            my @good = grep { !$_->{failed} } @all;
            my %c;

            for my $metric (map { keys %$_ } @good) {
                next if exists $c{$metric} || $metric =~ /^(row|target|log)$/
                    || $metric eq 'first_error';
                $c{$metric} = median(map { $_->{$metric} // () } @good);
            }

            delete $c{round};
            $c{errors} = 0;
            $c{errors} += $_->{errors} // 0 for @good;
            ($c{complaint}) =
                map { $_->{failed} // $_->{first_error} // $_->{log} // () }
                @all;
            $c{failed} = 1 if !@good;
            $cells{$row}{$target} = \%c;
        }
    }

    my $report = { cells => \%cells, rounds => \%rounds };

    $report->{aims} =
        [map { judge($report, $_) } grep { !$_->{full} || !$quick } @aims];

    return $report;
}


# Of each round the ratio, of the ratios the median: what disturbs the machine
# for a minute disturbs both sides of a ratio.

sub judge {
    my ($report, $aim) = @_;

    my ($row, $metric) = @$aim{qw(row metric)};
    my $ours = $report->{rounds}{$row}{ours} or return;
    my $other = $aim->{other_row} ? $report->{rounds}{$aim->{other_row}}{ours}
              : $aim->{peer} ? $report->{rounds}{$row}{$aim->{peer}}
              : undef;
    my @v;

    for my $r (grep { !$_->{failed} } @$ours) {
        my $value = $r->{$metric} // next;

        if ($aim->{peer} || $aim->{other_row}) {
            my ($p) = grep { $_->{round} == $r->{round} } @{ $other // [] };

            next unless $p && $p->{$metric};
            $value /= $p->{$metric};
        }

        push @v, $value;
    }

    my $value = $aim->{best} ? (sort { $a <=> $b } @v)[0] : median(@v);
    my $met = !defined $value || $report->{cells}{$row}{ours}{errors} ? 0
            : defined $aim->{min} ? $value >= $aim->{min}
            : $value <= $aim->{max};

    return { %$aim, value => $value,
             met => defined $value || $report->{cells}{$row}{ours}{failed}
                    ? ($met ? 1 : 0) : undef };
}


sub number {
    my ($x) = @_;

    return '-' unless defined $x;

    return $x == 0 ? '0' : abs($x) >= 100 ? sprintf('%.0f', $x)
         : abs($x) >= 10 ? sprintf('%.1f', $x)
         : abs($x) >= 1 ? sprintf('%.2f', $x) : sprintf('%.3g', $x);
}


my %columns = (
    bulk => [
        ['MiB/s', 'mib_per_s'], ['p50 ms', 'p50_ms'], ['p99 ms', 'p99_ms'],
        ['CPU s/GiB', 'cpu_s_per_gib'], ['peak MiB', 'peak_mib'],
    ],
    rate => [
        ['per s', 'per_s'], ['p50 ms', 'p50_ms'], ['p99 ms', 'p99_ms'],
        ['CPU s/1000', 'cpu_ms'], ['peak MiB', 'peak_mib'],
    ],
    memory => [
        ['finished', 'units'], ['failed', 'errors'],
        ['held KiB each', 'held_kib_each'], ['peak KiB each', 'peak_kib_each'],
        ['peak MiB', 'peak_mib'],
    ],
    gc => [
        ['wall s', 'wall_s'], ['CPU s', 'cpu_s'], ['peak MiB', 'peak_mib'],
        ['blobs gone', 'gone'],
    ],
    beside => [
        ['HEAD p50 ms', 'p50_ms'], ['HEAD p99 ms', 'p99_ms'],
        ['PUT p50 ms', 'put_p50_ms'], ['PUT p99 ms', 'put_p99_ms'],
        ['PUT max ms', 'put_max_ms'], ['PUTs', 'puts'],
        ['collected s', 'gc_s'], ['blobs gone', 'gone'],
    ],
    hold => [
        ['p50 ms', 'probe_p50_ms'], ['p99 ms', 'probe_p99_ms'],
        ['p99.9 ms', 'probe_p999_ms'], ['max ms', 'probe_max_ms'],
        ['load p50 ms', 'p50_ms'],
    ],
);


sub tables {
    my ($report, $work, $targets) = @_;

    for my $w (@$work) {
        next unless grep { $report->{cells}{$_->[0]} } @{ $w->{loads} };

        my @columns = @{ $columns{$w->{kind}} };
        my ($base) = grep { $report->{cells}{$w->{loads}[0][0]}{$_} }
            qw(d3 d2);

        $base = undef if $w->{kind} =~ /memory|hold|beside/;

        printf "\n%s%s\n", $w->{kind} eq 'hold' ? 'GET /v2/ once a '
               . 'millisecond meanwhile, one worker: ' : '', $w->{title};
        print ' ' x 28, map({ sprintf '%15s', $_->[0] } @columns),
              $base ? "   CPU of $targets->{$base}{title}" : '', "\n";

        for my $load (@{ $w->{loads} }) {
            my ($row, $title) = @$load;

            print "  $title\n" if $title ne '';
            table_row($report, $row, $_, \@columns, $base, $targets)
                for @{ $w->{targets} }, qw(dgst sum files);
        }
    }
}


sub table_row {
    my ($report, $row, $target, $columns, $base, $targets) = @_;

    my $c = $report->{cells}{$row}{$target} or return;
    my $title = $target eq 'nginx' ? ($row =~ /push|upload/ ? 'nginx dav PUT'
                                      : 'nginx static files')
              : $targets->{$target}{title} // $extra_title{$target};

    printf '    %-24s', $title;

    if ($c->{failed}) {
        printf " failed: %.90s\n", $c->{complaint};
        return;
    }

    print map { sprintf '%15s', number($c->{$_->[1]}) } @$columns;

    if ($base) {
        my ($cpu) =
            grep { defined $c->{$_} } qw(cpu_s_per_gib cpu_ms cpu_s);
        my $b = $report->{cells}{$row}{$base}{$cpu // ''};

        printf '   %7.3f', $c->{$cpu} / $b if $b && $target ne 'dgst';
    }

    print "\n";
    printf "      %d errors: %.100s\n", $c->{errors}, $c->{complaint} // ''
        if $c->{errors};
    printf "      log: %.110s\n", $c->{complaint}
        if !$c->{errors} && defined $c->{complaint};
}


my %peer = (nginx => 'of nginx files', d3 => 'of distribution 3',
            sum => 'of dav PUT and dgst');


sub aims {
    my ($report) = @_;

    my @judged = @{ $report->{aims} };

    return unless @judged;

    print "\nAims\n";

    for my $a (@judged) {
        my $what = "$a->{text} " . ($a->{peer} ? $peer{$a->{peer}} : '');
        my $bound = $a->{min} // $a->{max};

        printf "  %-22s %-36s %8s  %s %-6s  %s\n", $a->{row}, $what,
               number($a->{value}), defined $a->{min} ? '>=' : '<=',
               number($bound),
               !defined $a->{met} ? 'no peer' : $a->{met} ? 'met' : 'NOT MET';
    }

    printf "%d of %d met\n", scalar(grep { $_->{met} } @judged),
           scalar(grep { defined $_->{met} } @judged);
}


1;

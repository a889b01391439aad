#!/usr/bin/perl

# What monitoring makes of registry_metrics: Prometheus itself and its
# promtool, the alerts of conf.examples and Grafana's dashboard there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use HTTP::Tiny;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Examples;
use Test::Registry::Files;

for my $tool (qw(prometheus promtool)) {
    my ($rc) = run_command(30, $tool, '--version');
    skip_suite("$tool is not installed", 400) if $rc != 0;
}

my $top = "$FindBin::Bin/..";
my $dir = File::Temp::tempdir('registry-prometheus-XXXXXXXX', TMPDIR => 1,
    CLEANUP => 1);

# of webhooks; compared with what is printed once docs/metrics.md has them

my %webhooks = map { $_ => 1 } qw(
    registry_notifications_events_total registry_notifications_pending
    registry_notifications_status_total registry_notifications_dropped_total
);

my $alerts = slurp("$top/conf.examples/prometheus-alerts.yml");
my $dashboard = JSON::PP->new->utf8->decode(
    slurp("$top/conf.examples/grafana-dashboard.json"));
my %documented = documented();

my $t = Test::Registry->new(workers => 2,
    location => 'registry_delete on; registry_gc on interval=1s grace=2s;'
        . ' registry_htpasswd realm %%DIR%%/users;',
    write => { users => htpasswd(ann => 'secret') },
    server => 'location = /metrics { registry_metrics; }')->run;
my $ann = $t->as(ann => 'secret');

traffic();
files();
exposition();
alerts_are_whole();
names();
panels();
rules();
served();

finish($t);


# {metric => {label => 1}} of docs/metrics.md, with the names of samples.

sub documented {
    my %all;

    for my $line (split /\n/, slurp("$top/docs/metrics.md")) {
        my ($name, $kind, $labels)
            = $line =~ /\A\| `(registry_\w+)` \| (\w+) \| ([^|]*)\|/ or next;
        my %labels = map { $_ => 1 } qw(job instance), $labels =~ /`(\w+)`/g;
        $all{$name} = \%labels;
        next if $kind ne 'histogram';
        $all{"${name}_$_"} = { %labels, le => 1 } for qw(bucket sum count);
    }

    return %all;
}


# Something of everything that is counted.

sub traffic {
    my $image = $t->push_image('some/app', 'v1', seed => 1,
        http => { headers => [['Authorization', basic(ann => 'secret')]] });
    is_status($ann->get('/v2/some/app/manifests/v1'), 200, 'a pull')
        for 1 .. 5;
    is_status($ann->get('/v2/some/app/blobs/'
        . sha256($image->{layers}[0])), 200, 'of a blob');
    is_status($t->as(ann => 'wrong')->get('/v2/'), 401, 'a wrong password');
    is_status($ann->delete('/v2/some/app/manifests/none'), 404, 'a delete');
}


# The files as an operator takes them.

sub files {
    my $at = "$top/conf.examples";

    for my $check (['rules', 'prometheus-alerts.yml'],
        ['config', 'prometheus.yml'])
    {
        my ($rc, $out) = run_command(60, 'promtool', 'check', $check->[0],
            "$at/$check->[1]");
        is($rc, 0, "promtool check $check->[0] $check->[1]") or diag $out;
        unlike($out, qr/warn/i, 'without a warning') or diag $out;
    }
}


# Our text through promtool's lint, which is strict about names and units.

sub exposition {
    my $text = $t->get('/metrics')->body;
    my $file = spew("$dir/metrics", $text);

    my ($rc, $out) = run_command(60, 'sh', '-c',
        'promtool check metrics <"$1"', 'sh', $file);
    is($rc, 0, 'promtool check metrics') or diag $out;
    is($out, '', 'has nothing to say') or diag $out;

    # a lint that finds nothing would find this

    spew($file, "$text# TYPE registry_x_total gauge\nregistry_x_total 1\n");
    ($rc, $out) = run_command(60, 'sh', '-c',
        'promtool check metrics <"$1"', 'sh', $file);
    isnt($rc, 0, 'promtool knows better');
}


# {alert => its text}

sub alert_texts {
    my %all;

    for my $one (split /^(?=      - alert: )/m, $alerts) {
        $all{$1} = $one if $one =~ /\A      - alert: (\w+)$/m;
    }

    return %all;
}


# Each tells what happened and what to do, and has its place in the page.

sub alerts_are_whole {
    my %all = alert_texts();
    my $page = slurp("$top/docs/metrics.md");

    cmp_ok(scalar keys %all, '>=', 20, 'there are alerts');

    for my $name (sort keys %all) {
        my $text = $all{$name};

        like($text, qr/^          severity: (?:critical|warning)$/m,
            "$name: how bad it is");
        like($text, qr/^          summary: "\S.{10,120}"$/m,
            "$name: a summary");
        my ($more) = $text =~ /^          description: >-\n((?:            .*\n?)+)/m;
        cmp_ok(length($more // ''), '>', 150, "$name: what to do");
        like($page, qr/^\*\*$name\*\*/m, "$name: a place in docs/metrics.md");
    }

    same_list([sort $page =~ /^\*\*(Registry\w+)\*\*/mg], [sort keys %all],
        'docs/metrics.md describes no other alerts');
}


# PromQL of both files: [where, expression].

sub expressions {
    my @all;

    my %alerts = alert_texts();
    for my $name (sort keys %alerts) {
        my ($expr) = $alerts{$name} =~ /^        expr: (?:\|\n)?(.*?)\n        (?:for|labels):/ms
            or die "$name has no expr\n";
        push @all, ["alert $name", $expr];
    }

    for my $panel (@{ $dashboard->{panels} }) {
        push @all, ["panel \"$panel->{title}\"", $_->{expr}]
            for @{ $panel->{targets} || [] };
    }

    push @all, ["annotation $_->{name}", $_->{expr}]
        for grep { defined $_->{expr} } @{ $dashboard->{annotations}{list} };

    return @all;
}


# Every metric that is asked for is printed, and has the labels that are
# asked for.

sub names {
    my $text = $t->get('/metrics')->body;
    my %printed = map { $_ => 1 } $text =~ /^(registry_\w+?)(?:\{|\s)/mg;
    my @all = expressions();
    my (%asked, %used);

    # what there is only once something happened

    my %family = map { $_ => 1 } $text =~ /^# TYPE (registry_\w+) /mg;

    cmp_ok(scalar @all, '>', 80, 'there are expressions');

    for my $one (@all) {
        my ($where, $expr) = @$one;
        my $plain = $expr =~ s/"[^"]*"/""/gr;

        while ($plain =~ /\b(registry_\w+)(?:\{([^}]*)\})?/g) {
            my ($name, $labels) = ($1, $2 // '');
            $asked{$name} = 1;
            next if $webhooks{$name} && !$documented{$name};

            ok($printed{$name} || $family{$name}, "$where: $name is printed");
            ok($documented{$name}, "$where: $name is documented");
            $used{$name =~ s/_(?:bucket|sum|count)\z//r} = 1;

            for my $label ($labels =~ /(\w+)\s*(?:=~|!~|!=|=)/g) {
                ok($documented{$name}{$label}, "$where: $name has $label");
            }
        }

        for my $by ($plain =~ /\bby \(([^)]*)\)/g) {
            my ($name) = $plain =~ /\b(registry_\w+)/;
            next if $webhooks{$name} && !$documented{$name};
            ok($documented{$name}{$_}, "$where: $name has $_")
                for split /,\s*/, $by;
        }
    }

    same_list([sort grep { /notifications/ } keys %asked],
        [sort keys %webhooks], 'all that there is of webhooks is asked for');

    # and nothing is printed that nobody looks at

    same_list([grep { !$used{$_} && !$used{s/\z/_total/r}
        && !/notifications/ } sort keys %family], [],
        'all that is printed is asked for');
}


# The dashboard as Grafana's schema has it: what its loader and its own lint
# stumble over.

sub panels {
    my $d = $dashboard;

    for my $key (qw(title uid schemaVersion panels templating time refresh
        timepicker annotations tags version))
    {
        ok(exists $d->{$key}, "dashboard: $key");
    }
    is($d->{id}, undef, 'dashboard: the one who imports it gives the id');
    cmp_ok($d->{schemaVersion}, '>=', 36, 'dashboard: a schema of today');

    my %variables = map { $_->{name} => $_ } @{ $d->{templating}{list} };
    is($variables{datasource}{type}, 'datasource',
        'dashboard: the data source is chosen');
    is($variables{datasource}{query}, 'prometheus',
        'dashboard: among those of Prometheus');
    is($variables{instance}{type}, 'query', 'dashboard: so are instances');
    ok($variables{instance}{multi} && $variables{instance}{includeAll},
        'dashboard: several or all');

    my %known = (%variables, map { $_ => 1 }
        qw(__rate_interval __interval __range));
    my (%ids, @taken);

    for my $panel (@{ $d->{panels} }) {
        my $name = "panel \"$panel->{title}\"";
        my $g = $panel->{gridPos};

        ok(!$ids{ $panel->{id} }++, "$name: an id of its own");
        ok($g->{w} >= 1 && $g->{x} >= 0 && $g->{x} + $g->{w} <= 24
            && $g->{h} >= 1, "$name: within the grid");

        my @over = grep {
            $_->{x} < $g->{x} + $g->{w} && $g->{x} < $_->{x} + $_->{w}
            && $_->{y} < $g->{y} + $g->{h} && $g->{y} < $_->{y} + $_->{h}
        } @taken;
        is(scalar @over, 0, "$name: not over another one");
        push @taken, $g;

        like($panel->{type}, qr/\A(?:row|stat|timeseries)\z/,
            "$name: a type that Grafana brings along");
        next if $panel->{type} eq 'row';

        is($panel->{datasource}{uid}, '${datasource}', "$name: data source");
        ok($panel->{fieldConfig}{defaults}{unit}, "$name: a unit");
        ok(ref $panel->{options} eq 'HASH'
            && ref $panel->{fieldConfig}{overrides} eq 'ARRAY',
            "$name: options");
        cmp_ok(scalar @{ $panel->{targets} }, '>=', 1, "$name: asks");

        my %refs;
        for my $target (@{ $panel->{targets} }) {
            ok(!$refs{ $target->{refId} }++, "$name: $target->{refId}");
            is($target->{datasource}{uid}, '${datasource}',
                "$name: its data source");

            my @unknown = grep { !$known{$_} }
                $target->{expr} =~ /\$\{?(\w+)/g;
            is("@unknown", '', "$name: variables that there are");
            like($target->{expr}, qr/instance=~"\$instance"/,
                "$name: the instance");
        }
    }
}


# Rules over series that were made up: each alert fires when it should, alone,
# and not when all is well.
#
#   [alert, after, {series => values when it is bad}, {... when it is not},
#       minutes of a step]
#
# Values are promtool's: "1+0x10" is a 1 and ten more, "0+5x10" grows. The
# step is a minute, or for what takes hours ten of them.

sub rule_cases {
    my $day = 1440;
    my $disk = 'instance="a",root="/r"';
    my $task = sub { qq({instance="a",root="/r",task="$_[0]"}) };

    return (
        ['RegistryDown', '10m',
            { 'up{job="registry",instance="a"}' => '1+0x2 0+0x20' },
            { 'up{job="registry",instance="a"}' => '1+0x2 0 1+0x20',
              'up{job="other",instance="a"}' => '0+0x20' }],
        ['RegistryErrors', '20m',
            { 'registry_http_requests_total{instance="a",code="200"}' => '0+90x20',
              'registry_http_requests_total{instance="a",code="500"}' => '0+10x20' },
            { 'registry_http_requests_total{instance="a",code="200"}' => '0+99x20',
              'registry_http_requests_total{instance="a",code="404"}' => '0+99x20',
              'registry_http_requests_total{instance="a",code="503"}' => '0+1x20' }],
        ['RegistrySlow', '30m',
            { histogram('registry_http_request_duration_seconds',
                'handler="manifest",method="get"', 0.5 => 10, 2.5 => 90) },
            { histogram('registry_http_request_duration_seconds',
                'handler="manifest",method="get"', 0.5 => 99, 2.5 => 1),
              histogram('registry_http_request_duration_seconds',
                'handler="blob",method="get"', 0.5 => 1, 2.5 => 99) }],
        ['RegistryThreadsBusy', '30m',
            { histogram('registry_thread_wait_seconds', '', 0.1 => 50,
                1 => 50) },
            { histogram('registry_thread_wait_seconds', '', 0.1 => 99,
                1 => 1) }],
        ['RegistryThreadsRefused', '10m',
            { 'registry_thread_tasks_refused_total{instance="a"}' => '0+0x6 3+0x20' },
            { 'registry_thread_tasks_refused_total{instance="a"}' => '7+0x20' }],
        ['RegistryZoneFull', '20m',
            { 'registry_zone_no_room_total{instance="a"}' => '0+0x10 9+0x20' },
            { 'registry_zone_no_room_total{instance="a"}' => '9+0x20' }],
        ['RegistryZoneSmall', '180m',
            { 'registry_zone_evicted_total{instance="a"}' => '0+1000x200',
              'registry_storage_cache_requests_total{instance="a"}' => '0+100x200',
              'registry_storage_cache_hits_total{instance="a"}' => '0+50x200' },
            { 'registry_zone_evicted_total{instance="a"}' => '0+1000x200',
              'registry_storage_cache_requests_total{instance="a"}' => '0+100x200',
              'registry_storage_cache_hits_total{instance="a"}' => '0+95x200' }, 10],
        ['RegistryNotWritable', '10m',
            { "registry_store_writable{$disk}" => '1+0x3 0+0x20' },
            { "registry_store_writable{$disk}" => '1+0x20' }],
        ['RegistryDiskOver80', '30m',
            { "registry_store_size_bytes{$disk}" => '1000+0x40',
              "registry_store_free_bytes{$disk}" => '190+0x40' },
            { "registry_store_size_bytes{$disk}" => '1000+0x40',
              "registry_store_free_bytes{$disk}" => '210+0x40' }],
        ['RegistryDiskOver95', '5m',
            { "registry_store_size_bytes{$disk}" => '1000+0x40',
              "registry_store_free_bytes{$disk}" => '49+0x40' },
            { "registry_store_size_bytes{$disk}" => '1000+0x40',
              "registry_store_free_bytes{$disk}" => '51+0x40' }],
        ['RegistryDiskFullSoon', '480m',
            { "registry_store_size_bytes{$disk}" => '10000+0x500',
              "registry_store_free_bytes{$disk}" => '5500-40x90' },
            { "registry_store_size_bytes{$disk}" => '10000+0x500',
              "registry_store_free_bytes{$disk}" => '3500-10x90' }, 10],
        ['RegistryInodesOver80', '20m',
            { "registry_store_inodes{$disk}" => '1000+0x30',
              "registry_store_free_inodes{$disk}" => '150+0x30' },
            { "registry_store_inodes{$disk}" => '0+0x30',
              "registry_store_free_inodes{$disk}" => '0+0x30' }],
        ['RegistryCorruptBlobs', '5m',
            { "registry_store_corrupt_blobs{$disk}" => '1+0x9' },
            { "registry_store_corrupt_blobs{$disk}" => '0+0x9' }],
        ['RegistryDamage', '5m',
            { 'registry_job_problems' . $task->('scrub') => '2+0x9' },
            { 'registry_job_problems' . $task->('scrub') => '0+0x9' }],
        ['RegistryReadOnlyForgotten', '800m',
            { "registry_store_readonly{$disk}" => '1+0x90' },
            { "registry_store_readonly{$disk}" => '1+0x70 0+0x20' }, 10],
        ['RegistryWritesRefused', '900m',
            { 'registry_readonly_refused_total{instance="a"}' => '0+10x90' },
            { 'registry_readonly_refused_total{instance="a"}' => '0+10x60 600+0x30' }, 10],
        ['RegistryMaintenanceGone', '20m',
            { "registry_maintenance_seen_seconds{$disk}" => '5+0x5 60+60x20' },
            { "registry_maintenance_seen_seconds{$disk}" => '5+0x5 60+0x20' }],
        ['RegistryMaintenanceDies', '20m',
            { 'registry_maintenance_starts_total{instance="a"}' => '1+1x30',
              'registry_config_last_reload_success_timestamp_seconds{instance="a"}' => '5+0x30' },
            { 'registry_maintenance_starts_total{instance="a"}' => '1+1x30',
              'registry_config_last_reload_success_timestamp_seconds{instance="a"}' => '5+60x30' }],
        ['RegistryJobFailed', '20m',
            { 'registry_job_runs_total{instance="a",root="/r",task="gc",result="failed"}' => '0+0x9 1+0x20' },
            { 'registry_job_runs_total{instance="a",root="/r",task="gc",result="failed"}' => '1+0x30',
              'registry_job_runs_total{instance="a",root="/r",task="gc",result="done"}' => '0+1x30' }],
        ['RegistryJobOverdue', (3 * $day + 60) . 'm',
            { 'registry_job_interval_seconds' . $task->('gc') => '21600+0x500',
              'registry_job_last_success_timestamp_seconds' . $task->('gc') => '60+0x500' },
            { 'registry_job_interval_seconds' . $task->('gc') => '21600+0x500',
              'registry_job_last_success_timestamp_seconds' . $task->('gc') => '60+0x100 180000+0x400' }, 10],
        ['RegistryJobOverdue', (3 * $day + 60) . 'm',
            { 'registry_job_interval_seconds' . $task->('scrub') => '21600+0x500' },
            # it was only just configured, on a machine that runs for long
            { 'registry_job_interval_seconds' . $task->('scrub') => '_x300 21600+0x200',
              'registry_start_time_seconds{instance="a"}' => '1+0x500' }, 10],
        ['RegistryJobOverdue', (3 * $day + 60) . 'm',
            { 'registry_job_interval_seconds' . $task->('scrub') => '21600+0x500' },
            # or was off for a while
            { 'registry_job_interval_seconds' . $task->('scrub') => '_x300 21600+0x200',
              'registry_job_last_success_timestamp_seconds' . $task->('scrub') => '60+0x500' }, 10],
        ['RegistryBackupOld', '2220m',
            { 'registry_job_last_success_timestamp_seconds' . $task->('backup') => '60+0x250' },
            { 'registry_job_last_success_timestamp_seconds' . $task->('backup') => '60+0x144 86400+0x100',
              'registry_job_last_success_timestamp_seconds' . $task->('gc') => '60+0x250' }, 10],
        ['RegistryBackupIncomplete', '5m',
            { 'registry_job_problems' . $task->('backup') => '1+0x9' },
            { 'registry_job_problems' . $task->('backup') => '0+0x9' }],
        ['RegistryLoginsFail', '20m',
            { 'registry_logins_total{instance="a",result="wrong"}' => '0+8x30',
              'registry_logins_total{instance="a",result="refused"}' => '0+4x30' },
            { 'registry_logins_total{instance="a",result="wrong"}' => '0+1x30',
              'registry_logins_total{instance="a",result="cached"}' => '0+900x30' }],
        ['RegistryTokensRefused', '20m',
            { 'registry_bearer_tokens_total{instance="a",result="refused"}' => '0+12x30' },
            { 'registry_bearer_tokens_total{instance="a",result="accepted"}' => '0+900x30',
              'registry_bearer_tokens_total{instance="a",result="refused"}' => '0+1x30' }],
        ['RegistryHashesWait', '20m',
            { 'registry_login_hashes_waiting{instance="a"}' => '60+0x30' },
            { 'registry_login_hashes_waiting{instance="a"}' => '60+0x3 2+0x30' }],
        ['RegistryWebhooksPending', '30m',
            { 'registry_notifications_pending{instance="a",endpoint="ci"}' => '0+50x40' },
            { 'registry_notifications_pending{instance="a",endpoint="ci"}' => '500+0x5 0+0x40' }],
        ['RegistryWebhooksDropped', '20m',
            { 'registry_notifications_dropped_total{instance="a",endpoint="ci"}' => '0+0x9 40+0x20' },
            { 'registry_notifications_dropped_total{instance="a",endpoint="ci"}' => '40+0x30' }],
        ['RegistryEventsFailed', '20m',
            { 'registry_events_failed_total{instance="a",root="/r"}' => '0+0x9 1+0x20' },
            { 'registry_events_failed_total{instance="a",root="/r"}' => '3+0x30' }],
    );
}


# Series of a histogram with so many a minute in two buckets.

sub histogram {
    my ($name, $labels, $small, $n, $large, $m) = @_;

    my $of = sub { "${name}_bucket{instance=\"a\",$labels"
        . ($labels ? ',' : '') . "le=\"$_[0]\"}" };

    return ($of->($small) => "0+${n}x60",
        $of->($large) => '0+' . ($n + $m) . 'x60',
        $of->('+Inf') => '0+' . ($n + $m) . 'x60');
}


# All cases in one run of promtool, which takes its time to begin.

sub rules {
    my @cases = rule_cases();
    my %all = alert_texts();
    my (%tests, $count);

    spew("$dir/prometheus-alerts.yml", $alerts);

    for my $case (@cases) {
        my ($alert, $at, $bad, $good, $step) = @$case;

        $step //= 1;
        my $soon = "${step}m";

        push @{ $tests{$step} },
            rule_test($step, "$alert fires alone", $at, $bad, $alert),
            rule_test($step, "$alert does not when all is well", $at, $good);

        push @{ $tests{$step} },
            rule_test($step, "$alert does not at once", $soon, $bad)
            if $all{$alert} =~ /^        for: (?:[2-9]|\d\d+)[mh]$/m
                && !($step > 1 && $all{$alert} =~ /for: 10m$/m);
    }

    for my $step (sort keys %tests) {
        my ($rc, $out) = promtool($step, @{ $tests{$step} });
        is($rc, 0, @{ $tests{$step} } . " tests of rules, $step") or diag $out;
        $count += @{ $tests{$step} };
    }

    cmp_ok($count, '>', 2 * @cases, 'all of them');

    # promtool says so when something is not as it is expected

    my ($alert, $at, $bad, $good) = @{ $cases[0] };
    my ($rc) = promtool(1, rule_test(1, 'not fired', $at, $good, $alert));
    isnt($rc, 0, 'an alert that does not fire is a failure');
    ($rc) = promtool(1, rule_test(1, 'fired', $at, $bad));
    isnt($rc, 0, 'and one that should not');

    my %tested = map { $_->[0] => 1 } @cases;
    same_list([sort keys %tested], [sort keys %all], 'every alert is tested');
}


# A test for promtool: at that time these alerts fire, and no others.

sub rule_test {
    my ($step, $name, $at, $series, @fires) = @_;

    my $text = "  - name: '$name'\n    interval: ${step}m\n    input_series:\n";
    $text .= "      - series: '$_'\n        values: '$series->{$_}'\n"
        for sort keys %$series;
    $text .= "    promql_expr_test:\n"
        . "      - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})\n"
        . "        eval_time: $at\n";
    $text .= "        exp_samples:\n" if @fires;
    $text .= "          - labels: '{alertname=\"$_\"}'\n"
        . "            value: 1\n" for @fires;

    return $text;
}


sub promtool {
    my ($step, @tests) = @_;

    my $file = spew("$dir/test.yml", join '',
        "rule_files: [prometheus-alerts.yml]\nevaluation_interval: ${step}m\n",
        "tests:\n", @tests);

    return run_command(300, 'promtool', 'test', 'rules', $file);
}


# A Prometheus of our own, with the configuration and rules of conf.examples.

sub served {
    my $text = slurp("$top/conf.examples/prometheus.yml");
    my $port = free_port();
    my $nobody = free_port();

    for ($text) {
        s/: 15s$/: 1s/mg;
        s/registry\.example\.org:5001/'127.0.0.1:' . $t->port/ge;
        s/127\.0\.0\.1:9093/127.0.0.1:$nobody/g;
    }

    spew("$dir/prometheus.yml", $text);

    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec 'prometheus', "--config.file=$dir/prometheus.yml",
            "--storage.tsdb.path=$dir/data",
            "--web.listen-address=127.0.0.1:$port" or POSIX::_exit(127);
    }

    my $ok = eval { scraped("http://127.0.0.1:$port"); 1 };
    my $why = $@;

    kill 'TERM', $pid;
    my $status = reap($pid, 30);
    kill 'KILL', $pid if !defined $status;
    is($status, 0, 'Prometheus ends');
    diag slurp("$dir/log") if !$ok;
    die $why if !$ok;
}


# The data of an answer of its API, or undef.

sub api {
    my ($at, $path, %query) = @_;

    my $http = HTTP::Tiny->new(timeout => 20);
    my $query = $http->www_form_urlencode(\%query);
    my $r = $http->get("$at/api/v1/$path" . ($query ne '' ? "?$query" : ''));
    my $j = eval { JSON::PP->new->utf8->decode($r->{content}) };

    return ref $j eq 'HASH' && ($j->{status} // '') eq 'success'
        ? $j->{data} : undef;
}


# The sum of what an expression gives; undef when there is nothing.

sub value {
    my ($at, $expr) = @_;

    my $data = api($at, 'query', query => "sum($expr)") or return undef;
    return @{ $data->{result} } ? $data->{result}[0]{value}[1] : undef;
}


sub scraped {
    my ($at) = @_;

    my $base = 'registry_http_requests_total{handler="base",method="get"}';
    my $manifests = 'registry_http_requests_total{handler="manifest"}';

    ok(wait_for(60, sub { (value($at, 'up{job="registry"}') // 0) == 1 }),
        'Prometheus scrapes it') or die "it does not\n";

    my $data = api($at, 'targets');
    is($data->{activeTargets}[0]{lastError}, '', 'without an error');

    my $before = value($at, $manifests);
    is_status($ann->get('/v2/some/app/manifests/v1'), 200, 'a pull')
        for 1 .. 3;
    ok(wait_for(30, sub { value($at, $manifests) >= $before + 3 }),
        'what is counted arrives');
    cmp_ok(value($at, 'registry_http_request_duration_seconds_bucket'
        . '{handler="manifest",le="+Inf"}'), '>=', $before + 3,
        'histograms do');
    is(value($at, 'registry_store_writable'), 1, 'and gauges');
    is(value($at, 'count(count by (task) (registry_job_runs_total))'), 5,
        'labels are as they are printed');

    # reloads, and with another zone

    $before = value($at, $manifests);
    for my $size ('1m', '2m') {
        $t->{http} = "registry_zone_size $size;";
        $t->reload;
        is_status($ann->get('/v2/some/app/manifests/v1'), 200, 'a pull');
    }
    ok(wait_for(30, sub { value($at, $manifests) >= $before + 2 }),
        'after reloads it goes on');
    is(value($at, "resets($manifests\[5m])"), 0, 'from where it was');

    # a worker that is killed takes nothing along

    $t->kill_worker;
    sleep 2;
    is(value($at, "resets($manifests\[5m])"), 0, 'nor is it reset by a kill');

    rules_are_well($at);
    questions($at);
}


sub rules_are_well {
    my ($at) = @_;

    my @rules = map { @{ $_->{rules} } } @{ api($at, 'rules')->{groups} };
    my %all = alert_texts();
    is(scalar @rules, scalar keys %all, 'Prometheus has the rules');
    ok(wait_for(30, sub {
        @rules = map { @{ $_->{rules} } } @{ api($at, 'rules')->{groups} };
        !grep { $_->{health} ne 'ok' } @rules;
    }), 'and they are well')
        or diag join "\n", map { "$_->{name}: $_->{health} "
            . ($_->{lastError} // '') } @rules;

    # a running registry is nothing to be woken for; how full this machine's
    # disk is nobody knows

    my @firing = grep { !/Disk|Inodes/ } map { $_->{name} }
        grep { $_->{state} eq 'firing' } @rules;
    is("@firing", '', 'none fires while all is well');
}


# What the dashboard asks Prometheus can answer; and for a registry that was
# used there is something to show.

sub questions {
    my ($at) = @_;

    my (@wrong, @empty);

    for my $one (expressions()) {
        my ($where, $expr) = @$one;

        $expr =~ s/\$__rate_interval/1m/g;
        $expr =~ s/\$instance/.+/g;

        my $data = api($at, 'query', query => $expr);
        push @wrong, "$where: $expr" if !$data;
        push @empty, $where if $data && $where =~ /\Apanel/
            && !@{ $data->{result} };
    }

    is(scalar @wrong, 0, 'every expression is one') or diag @wrong;

    my @none = grep { !/Backup|in flight|Pulls|5xx|Failing|Event|Answers/ }
        @empty;
    is("@none", '', 'the other panels have something to show');
}

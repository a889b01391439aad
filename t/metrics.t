#!/usr/bin/perl

# registry_metrics: what is counted, and how it is printed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Spec;
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Torture;

settings();

my $t = Test::Registry->new(workers => 2,
    location => 'registry_delete on;',
    server => 'location = /metrics { registry_metrics; }'
        . ' location = /closed { registry_metrics; deny all; }'
        . ' location /gone/ { error_page 404 = /v2/none/tags/list; }'
)->run;

formats();
reference();
requests();
sizes();
durations();
in_flight();
uploads();
stores();
counted();
notes();
about();
read_only();
full_zone();
corrupt();
logins();
bearers();
reloads();
killed();
bounded();
quick();

finish($t);


sub settings {
    my %bad = (
        'registry_metrics on;' => qr/invalid number of arguments/,
        'registry_metrics; registry_metrics;' => qr/is duplicate/,
        'stub_status; registry_metrics;' => qr/location of its own/,
    );

    for my $bad (sort keys %bad) {
        my ($rc, $text) = Test::Registry->new(
            server => "location /m { $bad }")->check;
        ok($rc > 0 && $text =~ $bad{$bad}, "refused: $bad") or diag $text;
    }

    my $none = Test::Registry->new(body => 'access_log off;'
        . ' server { listen 127.0.0.1:%%PORT%%;'
        . ' location /m { registry_metrics; } }')->run;
    is($none->get('/m')->status, 404, 'nothing to tell without a registry');
    $none->finish(audit => 0);
}


# {'name{labels}' => value} of what is printed; labels as they stand.

sub metrics {
    my $r = $t->get('/metrics');
    my %all;

    for my $line (grep { !/\A#/ } split /\n/, $r->body) {
        my ($name, $value) = $line =~ /\A([^\s{]+(?:\{.*\})?) (\S+)\z/
            or fail("not a sample: $line");
        ok(!exists $all{$name}, "only once: $name") if exists $all{$name};
        $all{$name} = $value;
    }

    return \%all;
}


# The sum of the samples of a name whose labels have all of these.

sub sum_of {
    my ($all, $name, %labels) = @_;

    my $sum = 0;

    for my $sample (grep { /\A\Q$name\E(?:\{|\z)/ } keys %$all) {
        next if grep { $sample !~ /[{,]$_="\Q$labels{$_}\E"/ } keys %labels;
        $sum += $all->{$sample};
    }

    return $sum;
}


# Waits for a figure that the maintenance tells, or that another request ends.

sub becomes {
    my ($want, $label, @of) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;
    wait_for(20, sub { ($got = sum_of(metrics(), @of)) == $want });
    is($got, $want, $label);
}


sub formats {
    $t->get('/v2/');

    # it is counted when its reply has been sent

    wait_for(20, sub { sum_of(metrics(), 'registry_http_requests_total') });

    my $text = $t->get('/metrics');
    is($text->status, 200, 'metrics');
    is($text->header('Content-Type'),
        'text/plain; version=0.0.4; charset=utf-8', 'as text');
    like($text->body, qr/^# TYPE registry_http_requests_total counter$/m,
        'the type of a counter');
    unlike($text->body, qr/# EOF/, 'text has no end');

    my $open = $t->get('/metrics', headers => [['Accept',
        'application/openmetrics-text;version=1.0.0,text/plain;q=0.5']]);
    is($open->header('Content-Type'),
        'application/openmetrics-text; version=1.0.0; charset=utf-8',
        'as OpenMetrics');
    like($open->body, qr/^# TYPE registry_http_requests counter$/m,
        'the type of a counter there');
    like($open->body, qr/^registry_http_requests_total\{/m, 'its samples');
    like($open->body, qr/\n# EOF\n\z/, 'OpenMetrics has an end');

    my $head = $t->head('/metrics');
    is($head->status, 200, 'HEAD');
    is($head->body, '', 'HEAD has no body');
    my $post = $t->post('/metrics', body => 'x');
    is($post->status, 405, 'POST');
    is($post->header('Allow'), 'GET, HEAD', 'is told what there is');
    is($t->get('/closed')->status, 403, 'A118 deny');
}


# docs/metrics.md lists what is printed, with kind and labels.

sub reference {
    $t->push_image('some/app', 'v1', seed => 1);
    my $text = $t->get('/metrics')->body;
    my (%printed, %listed, %labels, %named);

    $printed{$1} = $2 while $text =~ /^# TYPE (\S+) (\S+)$/mg;

    open my $fh, '<', "$FindBin::Bin/../docs/metrics.md" or die "$!\n";

    while (<$fh>) {
        my ($name, $kind, $labels)
            = /\A\| `(registry_\w+)` \| (\w+) \| ([^|]*)\|/ or next;
        $listed{$name} = $kind;
        $named{$name} = join ' ', sort $labels =~ /`(\w+)`/g;
    }

    is_deeply(\%listed, \%printed, 'docs/metrics.md lists what is printed');

    while ($text =~ /^(registry_\w+?)(?:_bucket|_sum|_count)?\{(.*)\} /mg) {
        my ($name, $set) = ($1, $2);
        $labels{$name} = join ' ',
            sort grep { $_ ne 'le' } $set =~ /(\w+)="/g;
    }

    is($labels{$_}, $named{$_}, "docs/metrics.md: the labels of $_")
        for sort keys %labels;
    cmp_ok(scalar keys %labels, '>=', 12, 'samples with labels');
}


# What a request adds to registry_http_requests_total.

sub counts {
    my ($handler, $method, $code, $request) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @of = ('registry_http_requests_total', handler => $handler,
        method => $method, code => $code);
    my $before = sum_of(metrics(), @of);
    $request->();
    becomes($before + 1, "counted: $handler $method $code", @of);
}


sub requests {
    my $image = $t->push_image('some/app', 'v2', seed => 2);
    my $layer = sha256($image->{layers}[0]);

    counts('base', 'get', 200, sub { $t->get('/v2/') });
    counts('catalog', 'get', 200, sub { $t->get('/v2/_catalog') });
    counts('tags', 'get', 200, sub { $t->get('/v2/some/app/tags/list') });
    counts('tags', 'get', 404, sub { $t->get('/v2/none/tags/list') });
    counts('manifest', 'get', 200,
        sub { $t->get('/v2/some/app/manifests/v2') });
    counts('manifest', 'head', 404,
        sub { $t->head('/v2/some/app/manifests/none') });
    counts('manifest', 'put', 201, sub {
        $t->push_manifest('some/app', 'v3', $image->{bytes}) });
    counts('manifest', 'delete', 202,
        sub { $t->delete('/v2/some/app/manifests/v3') });
    counts('blob', 'get', 206, sub { $t->get("/v2/some/app/blobs/$layer",
        headers => [['Range', 'bytes=0-1']]) });
    counts('blob', 'get', 416, sub { $t->get("/v2/some/app/blobs/$layer",
        headers => [['Range', 'bytes=999999999-']]) });
    counts('blob_upload', 'post', 202,
        sub { $t->post('/v2/some/app/blobs/uploads/') });
    counts('blob_upload_chunk', 'patch', 404,
        sub { $t->patch('/v2/some/app/blobs/uploads/' . '0' x 8 . '-0000' x 3
            . '-' . '0' x 12, body => 'x') });
    counts('referrers', 'get', 200,
        sub { $t->get("/v2/some/app/referrers/$image->{digest}") });
    counts('repository', 'delete', 404,
        sub { $t->delete('/v2/none/_nginx/repository/content') });
    counts('other', 'get', 404, sub { $t->get('/v2/nothing') });
    counts('other', 'other', 405,
        sub { $t->request('PROPFIND', '/v2/some/app/tags/list') });

    my $all = metrics();
    my @of = (handler => 'manifest', method => 'get');
    is(sum_of($all, 'registry_http_request_duration_seconds_count', @of),
        sum_of($all, 'registry_http_requests_total', @of),
        'as many durations as requests');

    my $before = sum_of($all, 'registry_storage_cache_hits_total');
    $t->get('/v2/some/app/manifests/v2') for 1 .. 3;
    cmp_ok(sum_of(metrics(), 'registry_storage_cache_hits_total'), '>=',
        $before + 2, 'a manifest that is asked for again is cached');

    cmp_ok(sum_of(metrics(), 'registry_storage_action_seconds_count',
        action => $_, driver => 'filesystem'), '>', 0, "storage: $_")
        for qw(Stat GetContent PutContent);
    cmp_ok(sum_of(metrics(), 'registry_thread_wait_seconds_count'), '>', 0,
        'tasks have waited');
}


# Bytes in and out.

sub sizes {
    my $blob = blob(3_000_000, 7);
    my @in = ('registry_http_request_size_bytes_sum');
    my @out = ('registry_http_response_size_bytes_sum', handler => 'blob');

    my $before = metrics();
    my $digest = $t->push_blob('some/app', $blob);
    is($t->get("/v2/some/app/blobs/$digest")->body, $blob, 'a pull');
    my $in = wait_for(10, sub { sum_of(metrics(), @in)
        - sum_of($before, @in) >= 3_000_000 });
    ok($in, 'bytes in');
    my $out = wait_for(10, sub { sum_of(metrics(), @out)
        - sum_of($before, @out) >= 3_000_000 });
    ok($out, 'bytes out');

    my $after = metrics();
    cmp_ok(sum_of($after, @in) - sum_of($before, @in), '<', 3_100_000,
        'and no more came in');

    # a histogram ascends, and its last bucket is its count

    my @name = ('registry_http_request_size_bytes');
    for my $handler (qw(blob manifest blob_upload)) {
        my @n = map { $_->[1] } sort { $a->[0] <=> $b->[0] }
            map { /le="([^"]+)"/; [$1 eq '+Inf' ? 9e99 : $1, $after->{$_}] }
            grep { /\A$name[0]_bucket\{handler="$handler"/ } keys %$after;
        is(scalar @n, 13, "$handler: the buckets");
        is_deeply(\@n, [sort { $a <=> $b } @n], "$handler: they ascend");
        is($n[-1], $after->{"$name[0]_count{handler=\"$handler\"}"},
            "$handler: the last is the count");
    }
}


# As long as the client saw it, and no longer.

sub durations {
    my @of = (handler => 'blob_upload_chunk', method => 'patch');
    my ($sum, $n) = map { "registry_http_request_duration_seconds_$_" }
        qw(sum count);

    my $path = path_of($t->open_upload('some/app'));
    my $before = metrics();
    my $began = time;
    my $c = $t->connect;
    $c->start('PATCH', $path, length => 2);
    $c->send_body(body => 'x');
    becomes(1, 'a slow upload has begun', 'registry_http_in_flight_requests',
        handler => $of[1]);
    my $seen = time;
    sleep 1.2;
    my $slept = time - $seen;
    $c->send('x');
    is($c->reply->status, 202, 'and ends');
    becomes(sum_of($before, $n, @of) + 1, 'it is counted', $n, @of);
    my $all = time - $began;

    my $got = sum_of(metrics(), $sum, @of) - sum_of($before, $sum, @of);
    cmp_ok($got, '>=', $slept - 0.1, 'it lasted as long as the client waited');
    cmp_ok($got, '<=', $all + 0.1, 'and no longer than there was time');
    $t->delete($path);
}


sub in_flight {
    my @of = ('registry_http_in_flight_requests',
        handler => 'blob_upload_chunk');

    becomes(0, 'nothing is in flight', @of);
    my $path = path_of($t->open_upload('some/app'));
    my $c = $t->connect;
    $c->start('PATCH', $path, length => 1_000_000);
    $c->send_body(body => 'x' x 1000);
    becomes(1, 'a slow upload is in flight', @of);
    $c->close;
    becomes(0, 'one that was given up is not', @of);
}


sub uploads {
    my @of = ('registry_uploads_open', root => $t->root);
    my $before = sum_of(metrics(), @of);

    my $path = path_of($t->open_upload('some/app'));
    becomes($before + 1, 'an upload is open', @of);
    $t->delete($path);
    becomes($before, 'it is cancelled', @of);

    my $other = Test::Registry->new(
        location => 'registry_upload_idle_time 4s;',
        server => 'location = /metrics { registry_metrics; }')->run;
    $other->open_upload('some/app');
    (my $first, $t) = ($t, $other);
    @of = ('registry_uploads_open', root => $t->root);
    becomes(1, 'another one is open', @of);
    becomes(0, 'it is purged', @of);
    $t = $first;
    $other->finish;
}


sub stores {
    my @root = (root => $t->root);

    becomes(1, 'the store can be written to', 'registry_store_writable',
        @root);

    my $all = metrics();
    my ($size, $free) = map { sum_of($all, "registry_store_${_}_bytes",
        @root) } qw(size free);
    cmp_ok($size, '>', 0, 'the size of the file system');
    cmp_ok($free, '<', $size, 'some of it is free');
    cmp_ok(sum_of($all, 'registry_maintenance_seen_seconds', @root), '<', 60,
        'the maintenance was there');
    cmp_ok(sum_of($all, 'registry_zone_free_bytes'), '<=',
        sum_of($all, 'registry_zone_size_bytes'), 'the zone');
    is(sum_of($all, 'registry_store_readonly', @root), 0, 'not read-only');
    is(sum_of($all, 'registry_store_corrupt_blobs', @root), 0,
        'nothing is corrupt');

    $t->{location} .= ' registry_gc on interval=1s grace=2s rate=0 iops=0;';
    $t->reload;
    my $lone = $t->push_blob('some/app', blob(50_000, 99));
    wait_for(30, sub { !-e $t->blob_file($lone) });
    ok(wait_for(20, sub { sum_of(metrics(), 'registry_job_removed_bytes_total',
        @root, task => 'gc') >= 50_000 }), 'a collection tells what it did');
    $all = metrics();
    cmp_ok(sum_of($all, 'registry_job_runs_total', @root, task => 'gc',
        result => 'done'), '>', 0, 'that it is done');
    cmp_ok(abs(time - sum_of($all,
        'registry_job_last_success_timestamp_seconds', @root, task => 'gc')),
        '<', 60, 'when');
    my $locked = sum_of($all, 'registry_store_longest_lock_seconds', @root);
    ok($locked > 0 && $locked < 60, "how long pushes waited: $locked s");
}


# What is in the store, counted anew after each collection that removed
# something.

sub counted {
    my @root = (root => $t->root);
    my ($blobs, $bytes, $all);

    my $lone = $t->push_blob('some/app', blob(50_000, 100));
    wait_for(30, sub { !-e $t->blob_file($lone) });

    # what else has no manifest goes meanwhile

    my $same = wait_for(30, sub {
        my @files = glob $t->root . '/docker/registry/v2/blobs/*/*/*/data';
        ($blobs, $bytes) = (scalar @files, 0);
        $bytes += -s $_ // 0 for @files;
        $all = metrics();
        return sum_of($all, 'registry_store_blobs', @root) == $blobs
            && sum_of($all, 'registry_store_blob_bytes', @root) == $bytes;
    });
    ok($same, "$blobs blobs of $bytes bytes");
    cmp_ok($blobs, '>', 3, 'there are blobs');
    is(sum_of($all, 'registry_store_repositories', @root), 1, 'repositories');
    cmp_ok(abs(time - sum_of($all, 'registry_store_counted_timestamp_seconds',
        @root)), '<', 60, 'when that was');
    cmp_ok(sum_of($all, 'registry_job_runs_total', @root, task => 'count',
        result => 'done'), '>', 0, 'as a job');

    for my $job (qw(gc count)) {
        open my $in, '<', $t->root . "/docker/registry/nginx/$job.done"
            or die "$job.done: $!\n";
        like(scalar <$in>, qr/\A\d{10}(?: \d+){5}\n\z/, "$job left a note");
    }
}


# Where it is known from what somebody else has done, and what was before.

sub notes {
    my @root = (root => $t->root, task => 'backup');
    my $done = 'registry_job_last_success_timestamp_seconds';

    is(sum_of(metrics(), $done, @root), 0, 'no backup yet');

    my $to = $t->dir . '/backup';
    is_exit(ctl('backup', $t->root, $to), 0, 'a backup');
    ok(wait_for(20, sub { abs(time - sum_of(metrics(), $done, @root)) < 60 }),
        'it is seen');
    my $all = metrics();
    is(sum_of($all, 'registry_job_runs_total', @root, result => 'done'), 1,
        'it counts');
    is(sum_of($all, 'registry_job_problems', @root), 0, 'it is whole');

    my @gc = (root => $t->root, task => 'gc', result => 'done');
    my $before = sum_of($all, 'registry_job_runs_total', @gc);
    $t->{location} =~ s/ registry_gc [^;]*;//;
    $t->reload;
    sleep 1.1;
    is_exit(ctl('gc', $t->root), 0, 'a collection by hand');
    ok(wait_for(20, sub { sum_of(metrics(), 'registry_job_runs_total', @gc)
        > $before }), 'counts, too');

    my $last = sum_of(metrics(), $done, @root);
    $t->write_file($t->root . '/docker/registry/nginx/scrub.done', "junk\n");
    $t->restart;
    becomes($last, 'a restart keeps the time of the last backup', $done,
        @root);
    $all = metrics();
    is(sum_of($all, 'registry_job_runs_total', @root, result => 'done'), 0,
        'which is none that was made since');
    is(sum_of($all, $done, root => $t->root, task => 'scrub'), 0,
        'what is no note is none');
    becomes(1, 'what was counted is there again',
        'registry_store_repositories', root => $t->root);
    unlink $t->root . '/docker/registry/nginx/scrub.done';
}


# Which versions, since when, and what was started.

sub about {
    my $all = metrics();

    my ($build) = grep { /\Aregistry_build_info\{/ } keys %$all;
    like($build, qr/\{version="\d+\.\d+\.\d+",nginx="\d+\.\d+\.\d+"\}\z/,
        'versions');
    is($all->{$build}, 1, 'are 1');

    my $started = $all->{registry_start_time_seconds};
    my $loaded = $all->{registry_config_last_reload_success_timestamp_seconds};
    cmp_ok(abs(time - $started), '<', 600, 'when it began');
    cmp_ok($loaded, '>=', $started, 'and was configured');

    my $managers = $all->{registry_maintenance_starts_total};
    cmp_ok($managers, '>=', 1, 'somebody looks after it');

    sleep 1.1;
    $t->reload;
    $all = metrics();
    is($all->{registry_start_time_seconds}, $started,
        'a reload is no beginning');
    cmp_ok($all->{registry_config_last_reload_success_timestamp_seconds}, '>',
        $loaded, 'but a configuration');
    becomes($managers + 1, 'and a new process looks after it',
        'registry_maintenance_starts_total');
}


sub read_only {
    my @root = ('registry_store_readonly', root => $t->root);
    my $before = metrics()->{registry_readonly_refused_total};

    $t->{location} .= ' registry_readonly on;';
    $t->reload;
    is(sum_of(metrics(), @root), 1, 'read-only');
    is_error($t->post('/v2/some/app/blobs/uploads/'), 403, 'DENIED',
        'a push is refused');
    is(metrics()->{registry_readonly_refused_total}, $before + 1,
        'which counts');

    $t->{location} =~ s/readonly on/readonly \$arg_closed/;
    $t->reload;
    is(sum_of(metrics(), @root), 0, 'a variable may say anything');
    is_error($t->post('/v2/some/app/blobs/uploads/?closed=1'), 403, 'DENIED',
        'and refuse a push');
    is(metrics()->{registry_readonly_refused_total}, $before + 2,
        'which counts, too');

    $t->{location} =~ s/ registry_readonly [^;]*;//;
    $t->reload;
}


# A zone that is full forgets, and says so.

sub full_zone {
    my $small = Test::Registry->new(http => 'registry_zone_size 256k;',
        server => 'location = /metrics { registry_metrics; }')->run;
    my $number = sub { ($small->get('/metrics')->body
        =~ /^\Q$_[0]\E ([0-9]+)$/m)[0] };

    is($number->('registry_zone_evicted_total'), 0, 'nothing is forgotten');

    my @images = map { $small->push_image('app', "v$_", seed => $_,
        more => { annotations => { pad => 'x' x 12000 } }) } 1 .. 40;
    is_status($small->get("/v2/app/manifests/v$_"), 200, "pull of v$_")
        for 1 .. 40;

    cmp_ok($number->('registry_zone_evicted_total'), '>', 0,
        'manifests are forgotten for others');
    cmp_ok($number->('registry_zone_free_bytes'), '<', 64 * 1024,
        'as there is no more room');
    $small->finish;
}


sub logins {
    $t->write_file('users', htpasswd(ann => 'secret'));
    $t->{location} .= ' registry_htpasswd realm %%DIR%%/users;';
    $t->reload;

    my $before = metrics();
    my $ann = $t->as(ann => 'secret');
    is_status($ann->get('/v2/'), 200, 'a login') for 1 .. 3;
    is_status($t->as(ann => 'wrong')->get('/v2/'), 401, 'a wrong one');

    my $all = metrics();
    my %n = map { my $of = $_; ($of => sum_of($all, 'registry_logins_total',
        result => $of) - sum_of($before, 'registry_logins_total',
        result => $of)) } qw(cached hashed wrong refused access_token);
    is_deeply(\%n, { hashed => 1, cached => 2, wrong => 1, refused => 0,
        access_token => 0 }, 'logins by their results');
    cmp_ok(sum_of($all, 'registry_login_hash_seconds_count'), '>=', 2,
        'hashes were timed');
    is(sum_of($all, 'registry_login_hashes_waiting'), 0, 'none waits');

    $t->{location} =~ s/registry_htpasswd.*//;
    $t->reload;
}


# Tokens that requests come with; a login that is none of them counts apart.

sub bearers {
    my $location = $t->{location};
    my @of = ('registry_bearer_tokens_total', 'result');

    $t->{location} .= ' registry_htpasswd realm %%DIR%%/users;'
        . ' registry_token_server on;';
    $t->reload;

    my $before = metrics();
    my $token = ($t->as(ann => 'secret')->get('/v2/_nginx/token'
        . '?service=registry&scope=repository:some/app:pull')->json || {})
        ->{token};
    ok($token, 'a token');
    is_status($t->with(Authorization => "Bearer $token")
        ->get('/v2/some/app/tags/list'), 200, 'is accepted') for 1 .. 3;
    is_status($t->with(Authorization => "Bearer $token$_")
        ->get('/v2/some/app/tags/list'), 401, 'is refused') for qw(x y);
    is_status($t->get('/v2/'), 401, 'none is none');

    my $all = metrics();
    is(sum_of($all, @of, $_->[0]) - sum_of($before, @of, $_->[0]), $_->[1],
        "bearer tokens that were $_->[0]")
        for ['accepted', 3], ['refused', 2];

    $t->{location} = $location;
    $t->reload;
}


# What a scrub put aside, as long as it lies there.

sub corrupt {
    my $dir = $t->root . '/docker/registry/nginx/corrupt';
    my @of = ('registry_store_corrupt_blobs', root => $t->root);

    mkdir $dir;
    $t->write_file("$dir/" . sha256($_), 'wrong') for 1 .. 3;
    $t->write_file("$dir/README", 'none');
    becomes(3, 'corrupt blobs', @of);
    unlink "$dir/" . sha256(2), "$dir/README";
    becomes(2, 'one is removed', @of);
    unlink glob "$dir/*";
    rmdir $dir;
    becomes(0, 'all are', @of);
}


sub reloads {
    my @of = ('registry_http_requests_total', handler => 'base');
    my $before = sum_of(metrics(), @of);

    cmp_ok($before, '>', 0, 'something is counted');
    $t->{http} = 'registry_zone_size 1m;';
    $t->reload;
    is(sum_of(metrics(), @of), $before,
        'a reload keeps it, though the zone is a new one');
}


# A worker that is killed takes its part of what is in flight along.

sub killed {
    my @of = ('registry_http_in_flight_requests',
        handler => 'blob_upload_chunk');
    my $path = path_of($t->open_upload('some/app'));
    my $c = $t->connect;
    $c->start('PATCH', $path, length => 1_000_000);
    $c->send_body(body => 'x' x 1000);
    becomes(1, 'in flight', @of);
    my $counted = sum_of(metrics(), 'registry_http_requests_total',
        handler => 'base');

    $t->kill_worker($_) for $t->workers;
    becomes(0, 'nothing of a killed worker is', @of);
    is(sum_of(metrics(), 'registry_http_requests_total', handler => 'base'),
        $counted, 'what was counted stays');
}


# A118: what clients send makes no labels.

sub bounded {
    my $before = () = $t->get('/metrics')->body =~ /^[^#]/mg;

    $t->get("/v2/r$_/tags/list") for 1 .. 200;
    $t->request("M$_", '/v2/') for 1 .. 20;
    $t->get("/v2/a%22b%5C%0A$_/manifests/x") for 1 .. 20;
    $t->get('/v2/', headers => [['Authorization', basic(qq(a"b\\$_), 'x')]])
        for 1 .. 5;

    my $r = $t->get('/metrics');
    my $after = () = $r->body =~ /^[^#]/mg;
    cmp_ok($after, '<', $before + 200, 'A118 the number of samples');
    unlike($r->body, qr/r199|a"b/, 'A118 no names of clients');
    my $label = qr/\w+="(?:[^"\\]|\\.)*"/;
    my $sample = qr/registry_\w+(?:\{$label(?:,$label)*\})? [0-9.]+/;
    is(scalar(grep { !/\A(?:#.*|$sample)\z/ } split /\n/, $r->body), 0,
        'A118 every line is in its form');
}


# A scrape is nothing that a worker notices: not in a small registry, and not
# in one with 10,000 repositories, a zone that is full and every kind of request.

sub quick {
    scrapes($t, 'a small registry');

    # in memory where that can be: disks take a minute to forget it again

    my $root = File::Temp::tempdir('registry-large-XXXXXXXX', CLEANUP => 1,
        DIR => -w '/dev/shm' ? '/dev/shm' : File::Spec->tmpdir);

    my $large = Test::Registry->new(http => 'registry_zone_size 256k;',
        root => $root,
        location => 'registry_delete on;',
        server => 'location = /metrics { registry_metrics; }');
    my $base = $large->root . '/docker/registry/v2';

    mkdir $_ for $large->root . '/docker', $large->root . '/docker/registry',
        $base, "$base/blobs", "$base/repositories";

    for my $i (0 .. 9999) {
        my $at = sprintf '%s/repositories/team%02d', $base, $i % 100;
        mkdir $at;
        mkdir "$at/app$i";
        mkdir "$at/app$i/_manifests";
    }

    $large->run;

    my @images = map { $large->push_image('app', "v$_", seed => $_,
        more => { annotations => { pad => 'x' x 12000 } }) } 1 .. 40;
    $large->get("/v2/app/manifests/v$_") for 1 .. 40;

    for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND)) {
        for my $uri ('', 'none', '_catalog', 'app/tags/list', 'x/tags/list',
            'app/manifests/v1', 'app/manifests/-', 'app/blobs/x',
            'app/blobs/sha256:' . '0' x 64, 'app/blobs/uploads/',
            'app/blobs/uploads/x', 'app/referrers/x',
            'app/referrers/sha256:' . '0' x 64,
            'none/_nginx/repository/content')
        {
            $large->request($method, "/v2/$uri", body => '')
        }
    }

    ok(wait_for(60, sub { $large->get('/metrics')->body =~
        /^registry_store_repositories\{.*\} 1000[01]$/m }),
        '10,000 repositories are counted in the background');
    like($large->get('/metrics')->body,
        qr/^registry_zone_evicted_total [1-9]/m, 'the zone is full');

    scrapes($large, 'a large registry');    $large->finish(audit => 0);
}


sub scrapes {
    my ($of, $name) = @_;

    my $n = 200;
    my ($cpu, $c) = (0, $of->connect);
    my @workers = $of->workers;
    my $bytes;

    $cpu -= cpu_of($_) for @workers;
    $bytes = length $c->get('/metrics')->body for 1 .. $n;
    $cpu += cpu_of($_) for @workers;
    $c->close;

    figure("ms for a scrape of $name",
        sprintf '%.3f, %d bytes', $cpu * 1000 / $n, $bytes);
    cmp_ok($cpu / $n, '<', sanitized() ? 0.05 : 0.005,
        "$name: a scrape takes little time");
}

#!/usr/bin/perl

# registry_health: what is well, what is not, and that pulls go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;

settings();

my $t = Test::Registry->new(server => 'location /health/ { registry_health; }'
    . ' location /large/ { registry_health min_free=8000000g;'
    . ' if ($http_x_if) { set $x 1; } }'
    . ' location /except/ { registry_health min_free=8000000g;'
    . ' limit_except POST { allow all; } }'
    . ' location = /metrics { registry_metrics;'
    . ' limit_except POST { allow all; } }'
    . ' location /closed/ { registry_health; deny all; }'
)->run;

my $image = $t->push_image('some/app', 'v1', seed => 1);

well();
space();
inside();
read_only();
unwritable();
maintenance();

finish($t);


sub settings {
    my %bad = (
        'registry_health on;' => qr/takes "min_free="/,
        'registry_health min_free=x;' => qr/is no size/,
        'registry_health min_free=1m min_free=1m;'
            => qr/invalid number of arguments/,
        'registry_health; registry_health;' => qr/is duplicate/,
        'registry_health; registry_metrics;' => qr/location of its own/,
    );

    for my $bad (sort keys %bad) {
        my ($rc, $text) = Test::Registry->new(
            server => "location /m { $bad }")->check;
        ok($rc > 0 && $text =~ $bad{$bad}, "refused: $bad") or diag $text;
    }
}


# The answer, once its status is the one that is waited for.

sub ready {
    my ($status, $path) = @_;

    my $r;
    $path //= '/health/ready';
    wait_for(30, sub { ($r = $t->get($path))->status == $status });

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($r->status, $status, "$path is $status") or diag $r->as_text;
    is($r->header('Content-Type'), 'application/json', 'as JSON');
    is($r->json->{status}, $status == 200 ? 'ok' : 'failing',
        'the same in words');
    return $r->json;
}


sub pulls {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($t->get('/v2/some/app/manifests/v1')->body, $image->{bytes},
        "$name: a manifest is pulled");
    my $layer = $image->{layers}[0];
    is($t->get('/v2/some/app/blobs/' . sha256($layer))->body, $layer,
        "$name: a blob is pulled");
    is($t->get('/health/live')->status, 200, "$name: it is alive");
}


sub well {
    my $j = ready(200);

    is($j->{$_}, 'ok', $_) for qw(zone threads);
    is(scalar @{ $j->{stores} }, 1, 'a store');

    my $s = $j->{stores}[0];
    is($s->{root}, $t->root, 'its directory');
    is($s->{$_}, 'ok', $_) for qw(maintenance writable space);
    cmp_ok($s->{free}, '>', 0, 'free bytes');
    cmp_ok($s->{size}, '>=', $s->{free}, 'of so many');

    my ($blocks, $bytes) = split ' ', `stat -f -c '%b %S' ${\ $t->root}`;
    cmp_ok(abs($s->{size} - $blocks * $bytes), '<=', $s->{size} / 100,
        'which are those of the file system');

    my $live = $t->get('/health/live');
    is($live->status, 200, 'live');
    is_deeply($live->json, { status => 'ok' }, 'and nothing else');
    is($live->header('Cache-Control'), 'no-store', 'no cache keeps it');

    is($t->head('/health/ready')->status, 200, 'HEAD');
    my $post = $t->post('/health/ready', body => 'x');
    is($post->status, 405, 'POST');
    is($post->header('Allow'), 'GET, HEAD', 'is told what there is');
    is($t->get('/closed/ready')->status, 403, 'A118 deny');
}


sub space {
    my $j = ready(503, '/large/ready');

    like($j->{stores}[0]{space}, qr/bytes or inodes/, 'too little space');
    is($j->{stores}[0]{writable}, 'ok', 'the rest is well');
    pulls('no space');
}


# What nginx takes for a location of its own.

sub inside {
    is($t->get('/large/ready', headers => { 'X-If' => 1 })->status, 503,
        '"if": min_free holds');
    is($t->get('/except/ready')->status, 503,
        '"limit_except": min_free holds');
    is($t->get('/except/live')->status, 200, 'and it is alive');
    is($t->get('/metrics')->status, 200, '"limit_except": the metrics');
}


sub read_only {
    $t->{location} = 'registry_readonly on;';
    $t->reload;
    ready(200);
    pulls('registry_readonly');
    $t->{location} = '';
    $t->reload;
}


# A file where a directory has to be: root may write anywhere else.

sub unwritable {
    my $tmp = $t->root . '/docker/registry/nginx/tmp';

    rename $tmp, "$tmp.away" or die "$tmp: $!\n";
    $t->write_file($tmp, 'x');
    like(ready(503)->{stores}[0]{writable}, qr/cannot write/,
        'a store that cannot be written to');
    pulls('not writable');

    unlink $tmp or die "$tmp: $!\n";
    rename "$tmp.away", $tmp or die "$tmp: $!\n";
    ready(200);
}


# Without a master it comes after 5 seconds only: until then nobody was there.

sub maintenance {
    my $one = Test::Registry->new(master => 0,
        server => 'location /health/ { registry_health; }')->run;

    my $r = $one->get('/health/ready');
    is($r->status, 503, 'before the maintenance was there');
    like($r->json->{stores}[0]{maintenance}, qr/cache manager has not/,
        'it is missed');
    is($one->get('/v2/')->status, 200, 'the registry answers');
    is($one->get('/health/live')->status, 200, 'it is alive');

    ok(wait_for(30, sub { $one->get('/health/ready')->status == 200 }),
        'then it was');
    $one->finish;
}

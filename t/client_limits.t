#!/usr/bin/perl

# What people read when a limit refuses their push: skopeo shows the sentence
# and stops.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;

skip_suite('no skopeo', 3)
    if !grep { -x "$_/skopeo" } split /:/, $ENV{PATH};

my $t = Test::Registry->new(ports => 1,
    servers => 'server { listen 127.0.0.1:%%PORT1%%; location /v2/ {
        registry %%DIR%%/other; registry_blob_max_size 1k; } }')->run;

$t->push_image('app', 'v1', layers => [blob(300_000, 'limit')]);

my $begin = time;
my ($rc, $text) = Test::Registry::Process::run_command(120, 'skopeo', 'copy',
    '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false',
    'docker://127.0.0.1:' . $t->port . '/app:v1',
    'docker://127.0.0.1:' . $t->extra_port(1) . '/app:v1');

cmp_ok($rc, '>', 0, 'A30 skopeo fails');
like($text, qr/denied: the blob is larger than this registry accepts/i,
    'A30 and says why');
cmp_ok(time - $begin, '<', 60, 'A30 without trying again for minutes');

finish($t, { roots => [$t->dir . '/other'] });

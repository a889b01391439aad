#!/usr/bin/perl

# What people read when their push is refused, for a limit or for what it is:
# skopeo shows the sentence, with the reason, and stops.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Files qw(spew);

skip_suite('no skopeo', 6)
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
like($text, qr/denied: the blob is larger than this registry accepts: /i,
    'A30 and says why');
like($text, qr/accepts: the limit is 1024 bytes/, 'A30 and how much is too much');
cmp_ok(time - $begin, '<', 60, 'A30 without trying again for minutes');

# A manifest that is none: the reason, and not only that there is one.

my $urls = { %{ descriptor('application/octet-stream', 'x') },
    urls => ['http://127.0.0.1/'] };
my $config = '{}';

spew($t->dir . '/copy/version', "Directory Transport Version: 1.1\n");
spew($t->dir . '/copy/' . sha256($_) =~ s/.*://r, $_) for 'x', $config;
spew($t->dir . '/copy/manifest.json', to_json({ schemaVersion => 2,
    mediaType => OCI_MANIFEST, layers => [$urls],
    config => descriptor('application/vnd.oci.image.config.v1+json',
        $config) }));

($rc, $text) = Test::Registry::Process::run_command(120, 'skopeo', 'copy',
    '--insecure-policy', '--preserve-digests', '--dest-tls-verify=false',
    'dir:' . $t->dir . '/copy', 'docker://127.0.0.1:' . $t->port . '/app:v2');

cmp_ok($rc, '>', 0, 'A60 skopeo fails');
like($text, qr/not a valid manifest: layers\[0\] has urls/,
    'A60 and says what is wrong with the manifest') or diag $text;

finish($t, { roots => [$t->dir . '/other'] });

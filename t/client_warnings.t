#!/usr/bin/perl

# What real clients make of Warning headers: oras shows each sentence, and so
# do skopeo and podman where they are new enough; to the others they are no
# trouble, however many and whatever stands in them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;

my $tests = 18 + FINISH;

enter_jail($tests, root => 1);

my ($oras, $crane, $skopeo, $podman) = need($tests, qw(oras crane skopeo
    podman));
my $dir = tempdir('warnings');
my $set = Test::Clients::Image::standard("$dir/set");
my $long = 'x' x 2000;
my @said = ('This registry "moves" on Friday.', "Gr\xc3\xbc\xc3\x9fe, C:\\x.",
    'w/image is not maintained any more.');

my $reg = start_registry(location => <<"END");
registry_warning "This registry \\"moves\\" on Friday.";
registry_warning "Gr\xc3\xbc\xc3\x9fe, C:\\\\x.";
registry_warning "\$registry_repository is not maintained any more."
    repository=w/**;
registry_warning $long;
registry_warning $long;
registry_warning "y$long";
END

plan tests => $tests;

spew('/etc/containers/registries.conf',
    "[[registry]]\nlocation = '@{[ $reg->host ]}'\ninsecure = true\n");

my $repo = $reg->host . '/w/image';
my ($image, $digest) = ($set->{image}, $set->{image}{desc}{digest});

# --- crane: nothing of it, and nothing against it ----------------------------

run_ok('crane: push', $crane, 'push', $image->{dir}, "$repo:1");
is(run_ok('crane: digest', $crane, 'digest', "$repo:1"), $digest,
    'crane: the tag leads to it');
run_ok('crane: pull', $crane, 'pull', '--format', 'oci', "$repo:1",
    "$dir/pulled");
run_fails('crane: an error is an error', qr/MANIFEST_UNKNOWN/, $crane,
    'digest', "$repo:none");

# --- oras --------------------------------------------------------------------

my $r = run($oras, 'manifest', 'fetch', '--plain-http', "$repo:1");
is($r->{rc}, 0, 'oras: a manifest');
shown('oras', $r);

spew("$dir/readme", 'read me');
$r = run({ cwd => "$dir" }, $oras, 'push', '--plain-http', "$repo:file",
    'readme:text/plain');
is($r->{rc}, 0, 'oras: a push') or diag($r->{err});
shown('oras', $r);

$r = run($oras, 'manifest', 'fetch', '--plain-http', "$repo:none");
isnt($r->{rc}, 0, 'oras: an error');
shown('oras', $r);

# --- containers/image: skopeo and podman -------------------------------------

$r = run($skopeo, 'inspect', '--tls-verify=false', "docker://$repo:1");
is($r->{rc}, 0, 'skopeo: inspect') or diag($r->{err});
shown_if('skopeo', '1.16', $r);

$r = run($skopeo, 'copy', '--dest-tls-verify=false', '--src-tls-verify=false',
    "docker://$repo:1", "docker://$repo:2");
is($r->{rc}, 0, 'skopeo: copy') or diag($r->{err});

$r = run($podman, 'pull', '--tls-verify=false', "$repo:1");
is($r->{rc}, 0, 'podman: pull') or diag($r->{err});
shown_if('podman', '5.2', $r);

$r = run($podman, 'push', '--tls-verify=false', "$repo:1", "$repo:3");
is($r->{rc}, 0, 'podman: push') or diag($r->{err});

run_ok('crane: delete', $crane, 'delete', "$repo:3");

$reg->finish;


# --- assertions --------------------------------------------------------------

sub shown {
    my ($name, $r) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $text = "$r->{out}\n$r->{err}";
    my @lost = grep { index($text, $_) < 0 } @said;
    ok(!@lost, "$name shows them") or diag("lost: @lost\n$text");
}


# Shown from that version on; before it, that nothing broke is all there is.

sub shown_if {
    my ($name, $since, $r) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($major, $minor) = run(tool($name), '--version')->{out}
        =~ /(\d+)\.(\d+)/ or die "$name has no version\n";
    my ($least, $least_minor) = split /\./, $since;

    if ($major > $least || ($major == $least && $minor >= $least_minor)) {
        like($r->{err}, qr/Warning from registry.*\Q$said[2]\E/,
            "$name shows them");

    } else {
        unlike($r->{err}, qr/warn-text|malformed|invalid header/i,
            "$name $major.$minor passes them over");
    }
}

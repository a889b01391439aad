#!/usr/bin/perl

# Clients put back what a scrub took away: they ask for each blob before they
# push it, are told 404 for what was corrupt, and push it. Nobody has to know
# what it was. crane alone takes an image for complete whose manifest is there:
# it is given another tag.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients;
use Test::Clients::Image;
use Test::More;
use Test::Registry::Command;

my %clients = (
    crane => {
        push => sub {
            my ($tool, $image, $repo) = @_;
            return ($tool, 'push', '--insecure', $image->{dir}, $repo);
        },
        pull => sub {
            my ($tool, $repo, $to) = @_;
            return ($tool, 'pull', '--insecure', '--format=oci', $repo,
                $to);
        },
    },
    skopeo => {
        push => sub {
            my ($tool, $image, $repo) = @_;
            return ($tool, 'copy', '--dest-tls-verify=false',
                '--preserve-digests', "oci:$image->{dir}:latest",
                "docker://$repo");
        },
        pull => sub {
            my ($tool, $repo, $to) = @_;
            return ($tool, 'copy', '--src-tls-verify=false',
                '--preserve-digests',
                "docker://$repo", "oci:$to:latest");
        },
    },
);

my $each = 4 * 7 + 2;
my $tests = $each * keys(%clients) + FINISH;

enter_jail($tests, root => 1);

my $dir = tempdir('repair');
my $set = Test::Clients::Image::standard("$dir/set");
my $reg = start_registry();

plan tests => $tests;

for my $client (sort keys %clients) {
    SKIP: {
        my $tool = tool($client);
        Test::Registry::skip_tests("no $client here", $each) if !$tool;
        scenario($client, $tool);
    }
}

$reg->finish;


sub scenario {
    my ($client, $tool) = @_;

    my $c = $clients{$client};
    my $image = $set->{image};
    my $m = json(slurp($image->{layout}->path($image->{desc})));
    my $name = "repair/$client";
    my $repo = $reg->host . "/$name";
    my $tag = 1;

    run_ok("$client: push", $c->{push}->($tool, $image, "$repo:1"));

    my $large = $m->{layers}[2]{digest};
    my %what = (
        'a layer' => [$large],
        'the config' => [$m->{config}{digest}],
        'the manifest' => [$image->{desc}{digest}],
        'all of it' => [$image->{desc}{digest}, $m->{config}{digest}, $large],
    );

    for my $what (sort keys %what) {
        my @digests = @{ $what{$what} };
        flip($_) for @digests;

        my $r = ctl('scrub', $reg->root);
        is_exit($r, 1, "F38 $client: $what is corrupt");
        is(scalar(split /\n/, $r->{out}), scalar @digests,
            "F38 $client: that alone");

        # workers forget a manifest within some seconds
        ok(wait_for(20, sub { !grep { status($name, $m, $_) != 404 }
            @digests }), "F38 $client: $what is unknown");
        run('rm', '-rf', "$dir/back");
        run_fails("F38 $client: a pull fails", qr/unknown|404|no such|invalid status|manifest/i,
            $c->{pull}->($tool, "$repo:1", "$dir/back"));

        $tag++ if $client eq 'crane';
        run_ok("F38 $client: the image is pushed again",
            $c->{push}->($tool, $image, "$repo:$tag"));
        run('rm', '-rf', "$dir/back");
        run_ok("F38 $client: and pulled",
            $c->{pull}->($tool, "$repo:1", "$dir/back"));
        is_deeply([ $image->{layout}->missing_in($image->{desc},
            "$dir/back") ], [], "F38 $client: every byte came back");
    }

    is_exit(ctl('scrub', $reg->root), 0, "F38 $client: nothing is wrong");
}


sub flip {
    my ($d) = @_;

    my $file = $reg->server->blob_file($d);
    open my $fh, '+<:raw', $file or die "$file: $!\n";
    seek $fh, 5, 0;
    read $fh, my $byte, 1;
    seek $fh, 5, 0;
    print {$fh} chr(1 ^ ord $byte);
    close $fh or die "$file: $!\n";
}


sub status {
    my ($name, $m, $d) = @_;

    my $blob = grep { $_->{digest} eq $d } $m->{config}, @{ $m->{layers} };
    return http($reg, 'HEAD', "/v2/$name/"
        . ($blob ? 'blobs' : 'manifests') . "/$d")->{status};
}

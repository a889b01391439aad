#!/usr/bin/perl

# Manifests that distribution takes, in Go, and that no push to us may bring:
# they are served as it serves them, and what they refer to, by names that only
# Go takes for these, is not garbage to us.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Clients::Shared;
use Test::More;
use Test::Registry;
use Test::Registry::Command;

my $type = OCI_MANIFEST;

# %c and %l are the descriptors of the config and of a layer
my %odd = (
    case => '"Config":%c,"Layers":[%l]',
    both => '"config":%c,"layers":[],"LAYERS":[%l]',
    twice => '"config":%c,"layers":[%l],"annotations":{"a":"1","a":"2"}',
    half => '"config":%c,"layers":[%l],"annotations":{"a":"\ud800"}',
    nul => '"config":%c,"layers":[%l],"annotations":{"a":"x\u0000y"}',
    deep => '"config":%c,"layers":[%l],"x":' . '[' x 100 . ']' x 100,
    huge => '"config":%c,"layers":[%l],"x":99999999999999999999',
);

each_peer(9 * keys(%odd) + 3 + Test::Registry::Nginx::FINISH - 1, sub {
    my ($s, $v) = @_;

    my %image = map { $_ => push_odd($s->peer, $_, $v) } sort keys %odd;

    served($s, $image{$_}, "$v, $_") for sort keys %image;

    $s->peer->stop;
    sleep 3;
    my $r = ctl('gc', $s->root, '--grace=2s', '--untagged=2s');
    is_exit($r, 1, "$v: we collect");
    like($r->{out}, qr{damaged \S*/case/}, "$v: what is not understood,");
    like($r->{out}, qr{damaged \S*/both/}, "$v: is told");
    $s->peer->run;

    for my $name (sort keys %image) {
        serves_image($_, $name, 'v1', $image{$name}, "$v, $name: collected")
            for $s->ours, $s->peer;
    }
});


sub push_odd {
    my ($peer, $name, $v) = @_;

    my %part = (c => "{} $name $v", l => "layer $name $v");
    my %of = (c => OCI_CONFIG, l => OCI_LAYER);
    my $text = $odd{$name};

    for my $k (keys %part) {
        my $d = $peer->push_blob($name, $part{$k});
        my $size = length $part{$k};
        $text =~ s/%$k/{"mediaType":"$of{$k}","digest":"$d","size":$size}/;
    }

    my $bytes = qq({"schemaVersion":2,"mediaType":"$type",$text});
    my $r = $peer->push_manifest($name, 'v1', $bytes, $type);
    is_status($r, 201, "$v, $name: distribution takes it");

    return { bytes => $bytes, config => $part{c}, layers => [ $part{l} ] };
}


sub served {
    my ($s, $image, $name) = @_;

    my $repo = $name =~ s/.* //r;

    serves_image($s->ours, $repo, 'v1', $image, "$name: served by us");
    is_header($s->ours->get("/v2/$repo/manifests/v1"), 'Content-Type', $type,
        "$name: by its type");
    serves_image($s->peer, $repo, 'v1', $image, "$name: served there");

    my $r = $s->ours->push_manifest($repo, 'v2', $image->{bytes}, $type);
    is_error($r, 400, 'MANIFEST_INVALID', "$name: we do not take it");
    is_status($s->peer->get("/v2/$repo/manifests/v2"), 404,
        "$name: nor is it there then");
    is($s->ours->get("/v2/$repo/tags/list")->json->{tags}[0], 'v1',
        "$name: listed");
}

#!/usr/bin/perl

# Disks that give errors under registryctl scrub and audit; and a store that is
# made while it is looked for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Shim;

need_root(15);

my $t = Test::Registry->new->run;
my $image = $t->push_image('app', 'v1', layers => [ blob(70_000, 'l') ]);

broken('scrub', 'pread64', qw(scrub), $t->root);
broken('audit of all bytes', 'read', qw(audit --digests), $t->root);

first_push();

is_exit(ctl('scrub', $t->root), 0, 'F18 nothing was taken away');
is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes}, 'F18 all is served');

finish($t);


# Each read of a blob fails in turn: told, exit status 1, nothing changed.

sub broken {
    my ($name, $call, @args) = @_;

    my ($told, $other) = (0, '');

    for my $digest (map { sha256($_) } $image->{config}, $image->{bytes},
        @{ $image->{layers} })
    {
        my $r = ctl({ wrap => [ 'strace', '-f', '-qq', '-o', '/dev/null',
            '-P', $t->blob_file($digest), '-e', "trace=$call",
            '-e', "inject=$call:error=EIO" ] }, @args);
        $told += $r->{rc} eq '1' && $r->{out}
            =~ /^unreadable \S+: cannot be read: .*Input\/output error$/m;
        $other .= $r->{out} if $r->{out} =~ /^(?!unreadable )/m;
    }

    is($told, 3, "F18 $name: what the disk does not give is told");
    is($other, '', "F18 $name: and is no other finding");
}


# The first push makes the store between two looks for it.

sub first_push {
    my $root = $t->root;
    my $shim = Test::Registry::Shim->new;
    my %env = %{ $shim->env };

    $shim->arm(action => 'ENOENT', calls => ['open'], dir => "$root/docker");
    my $r = ctl({ wrap => [ 'env', map { "$_=$env{$_}" } keys %env ] },
        'audit', $root);
    ok($shim->disarm, 'a store that was not there a moment ago');
    is_exit($r, 0, 'is looked over');
    unlike($r->{err}, qr/symbolic/, 'and no link is to blame');
}

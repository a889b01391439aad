#!/usr/bin/perl

# Disks that give errors under registryctl scrub and audit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Command;

need_root(12);

my $t = Test::Registry->new->run;
my $image = $t->push_image('app', 'v1', layers => [ blob(70_000, 'l') ]);

broken('scrub', 'pread64', qw(scrub), $t->root);
broken('audit of all bytes', 'read', qw(audit --digests), $t->root);

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

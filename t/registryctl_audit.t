#!/usr/bin/perl

# registryctl audit: what it finds, what it prints, how it ends, and that it
# finds nothing in a store that is being pushed to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $root = $t->{root};
my $image = $t->push_image('some/app', 'v1', layers => [ blob(70_000, 1) ]);
my $v2 = "$root/docker/registry/v2";
my $tag = "$v2/repositories/some/app/_manifests/tags/v1/current/link";

clean();
calls();
damaged();
many();
read_only();
pushes();

$t->finish;
done_testing();


sub clean {
    my $r = ctl(qw(audit --digests --grace 0), $root);
    is_exit($r, 0, 'a clean store');
    is($r->{out}, '', 'has no finding');
    like($r->{err}, qr/\Aregistryctl: 1 repositories, 1 manifests, 1 tags, /,
        'and a summary');
    like($r->{err}, qr/ 3 blobs of \d+ bytes; .*; 0 findings\n\z/,
        'to its end');
    unlike($r->{err}, qr/\r/, 'no progress is drawn without a terminal');

    $r = ctl(qw(audit --json), $root);
    is_exit($r, 0, '--json');
    my $all = decode_json($r->{out});
    is_deeply($all->{findings}, [], 'no finding');
    is($all->{counts}{blobs}, 3, 'blobs are counted');
    is($all->{counts}{unlinked}, 0, 'all of them are linked');
}


sub calls {
    my $empty = work_dir();
    my $r = ctl('audit', $empty);
    is_exit($r, 3, 'no store');
    is($r->{out}, '', 'nothing was found');
    like($r->{err}, qr{\Q$empty\E: there is no registry's store: docker/regis},
        'a reason');
    make_path("$empty/docker/registry/v2");
    is_exit(ctl('audit', $empty), 0, 'a store without anything');

    is_exit(ctl('audit'), 2, 'no root');
    is_exit(ctl('audit', $root, $root), 2, 'two of them');
    is_exit(ctl('audit', $root, '--nose'), 2, 'no such option');
    for my $grace ('', '1', 'x', '-1h', '1y') {
        is_exit(ctl('audit', $root, "--grace=$grace"), 2, "--grace=$grace");
    }

    $r = ctl('audit', "$root/none");
    is_exit($r, 3, 'no such directory');
    is($r->{out}, '', 'nothing was found');
    like($r->{err}, qr/No such file/, 'a reason');
    is_exit(ctl('audit', $tag), 3, 'a file');

    is_exit(ctl({ stdout => '/dev/full' }, qw(audit --json), $root), 3,
        'no room for what it prints');
}


sub damaged {
    my $was = file_text($tag);
    put_file($tag, "$was\n");
    put_file("$v2/repositories/some/\e[2Jx", '');

    my $r = ctl(qw(audit), $root);
    is_exit($r, 1, 'a damaged store');
    my @lines = sort split /\n/, $r->{out};
    is(scalar @lines, 2, 'a line for each finding');
    is($lines[0], 'link-content docker/registry/v2/repositories/some/app'
        . '/_manifests/tags/v1/current/link: does not hold exactly one digest',
        'code, path, sentence');
    is($lines[1], 'unexpected docker/registry/v2/repositories/some/?[2Jx: '
        . 'belongs to nothing', 'names move no cursor about');
    like($r->{err}, qr/; 2 findings$/, 'the summary counts them');

    $r = ctl(qw(audit --json), $root);
    is_exit($r, 1, '--json');
    my $all = decode_json($r->{out});
    is_deeply([ sort map { $_->{code} } @{ $all->{findings} } ],
        [ qw(link-content unexpected) ], 'codes');
    is_deeply([ sort map { join ' ', sort keys %$_ } @{ $all->{findings} } ],
        [ ('code path text') x 2 ], 'of code, path and text');
    is($all->{counts}{findings}, 2, 'counted');

    put_file($tag, $was);
    unlink "$v2/repositories/some/\e[2Jx" or die;
}


# A layer that is gone, and a store whose manifests may lack some.

sub many {
    my $d = sha256($image->{layers}[0]);
    my $link = "$v2/repositories/some/app/_layers/" . ($d =~ s{:}{/}r)
        . '/link';
    unlink $link or die;

    my $r = ctl('audit', $root);
    is_exit($r, 1, 'a layer without its link');
    like($r->{out}, qr/\Areference-missing \S+: refers to $d, .*\n\z/,
        'one finding names it');
    is_exit(ctl(qw(audit --sparse), $root), 0, '--sparse');
    put_file($link, $d);

    my $data = "$v2/blobs/" . ($d =~ s{:(..)}{/$1/$1}r) . '/data';
    my $was = file_text($data);
    put_file($data, ($was =~ s/.\z/#/sr));
    is_exit(ctl('audit', $root), 0, 'bytes are not read');
    $r = ctl(qw(audit --digests), $root);
    is_exit($r, 1, '--digests');
    like($r->{out}, qr/\Ablob-digest \S+: has the digest sha256:\w+\n\z/,
        'one finding tells it');
    put_file($data, $was);
}


# Nothing is written, and no lock is taken.

sub read_only {

    # LeakSanitizer cannot work beside strace, and opens files of its own

    return if sanitized();

    SKIP: {
        skip_tests('no strace here', 2) if system(
            'strace -V >/dev/null 2>&1') != 0;
        my $dir = work_dir();
        my $log = "$dir/log";
        my $r = ctl({ wrap => [ 'strace', '-f', '-o', $log ] }, 'audit',
            $root);
        is_exit($r, 0, 'under strace');
        my @calls = grep { /O_CREAT|O_WRONLY|O_RDWR|unlink|rename|mkdir|flock
            |F_SETLK|F_OFD/x } split /\n/, file_text($log);
        is_deeply(\@calls, [], 'no call that writes or locks');
    }
}


# Pushes, tags that move, deletes and uploads go on all the time.

sub pushes {
    my $dir = work_dir();
    my ($stop, @pids) = ("$dir/stop");

    for my $n (1 .. 3) {
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            my $end = time + 60;
            my $ok = eval {
                for (my $i = 0; !-e $stop && time < $end; $i++) {
                    my $repo = "busy/$n/" . $i % 3;
                    my $new = $t->push_image($repo, 'moving', seed => "$n-$i",
                        layers => [ blob(1000, "$n-$i") ]);
                    $t->push_referrer($repo, { mediaType => $new->{type},
                        digest => $new->{digest},
                        size => length $new->{bytes} }, type => 'a/b');
                    $t->open_upload($repo);
                    $t->delete("/v2/$repo/manifests/$new->{digest}")
                        if $i % 2;
                }
                1;
            };
            print STDERR "# $@" if !$ok;
            POSIX::_exit($ok ? 0 : 1);
        }
        push @pids, $pid;
    }

    my ($found, $rounds, $pushed) = ('', 0, 0);
    my $end = time + 6;

    while (time < $end) {
        my $r = ctl(qw(audit --json --digests --grace 0), $root);
        my $all = eval { decode_json($r->{out}) };
        # a slow disk frees later what was deleted
        my @found = grep { $_->{path} !~ m{/nginx/trash/} }
            @{ $all->{findings} || [] };
        $found .= $r->{out} . $r->{err}
            if $r->{rc} !~ /\A[01]\z/ || !$all || @found;
        $pushed = $all->{counts}{manifests} if $all;
        $rounds++;
    }

    put_file($stop, '');
    my $failed = 0;
    for (@pids) {
        waitpid $_, 0;
        $failed++ if $?;
    }

    is($failed, 0, 'all of them were answered');
    is($found, '', "nothing is found meanwhile");
    cmp_ok($pushed, '>', 10, "$rounds rounds, $pushed manifests at the end");
}

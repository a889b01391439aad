#!/usr/bin/perl

# registryctl rm: what it removes while nginx serves, what it asks before, and
# that nginx sees it at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $root = $t->{root};

one_by_one();
patterns();
damaged();
question();
refused();
calls();
owner();
pushes();

$t->finish;
done_testing();


sub repos { return [ names_of($t->get('/v2/_catalog'), 'repositories') ] }
sub tags { return [ names_of($t->get("/v2/$_[0]/tags/list"), 'tags') ] }


sub one_by_one {
    my $i = $t->push_image('one', 'v1');
    $t->push_image('one', $_) for qw(v2 v3);
    my $other = $t->push_image('one', 'other', seed => 'other');
    is_deeply(tags('one'), [ qw(other v1 v2 v3) ], 'four tags');

    my $r = ctl('rm', $root, 'one:v2');
    is_exit($r, 0, 'a tag');
    is($r->{out}, "one:v2\n", 'is told');
    is_deeply(tags('one'), [ qw(other v1 v3) ], 'and gone at once');
    is_status($t->get("/v2/one/manifests/$i->{digest}"), 200,
        'the manifest stays');

    $r = ctl('rm', '--dry-run', $root, "one\@$i->{digest}");
    is($r->{out}, "one\@$i->{digest}\n", '--dry-run of a manifest');
    is_status($t->get('/v2/one/manifests/v1'), 200, 'removes nothing');
    is_exit(ctl('rm', $root, "one\@$i->{digest}"), 0, 'a manifest');
    is_deeply(tags('one'), ['other'], 'goes with its tags');
    is_status($t->get("/v2/one/manifests/$i->{digest}"), 404, 'is gone');

    $r = ctl('rm', '--json', $root, 'one:v1', 'one:other', 'none');
    is_exit($r, 1, 'some that are not there');
    is_deeply(decode_json($r->{out}), { removed => [ { repository => 'one',
        tag => 'other', digest => undef } ], missing => [ qw(one:v1 none) ] },
        'and one that was');
    like($r->{err}, qr/one:v1: there is no such thing\n/, 'are told');

    $t->push_image('one/deeper', 'v1');
    is_deeply(repos(), [ qw(one one/deeper) ], 'repositories');
    is_exit(ctl('rm', $root, 'one'), 0, 'a repository');
    is_deeply(repos(), ['one/deeper'], 'goes alone');
    is_exit(ctl('rm', $root, 'one/deeper'), 0, 'the one below it');
    is_deeply(repos(), [], 'goes as well');
}


sub patterns {
    my @tags = qw(Nightly-1 Nightly-2 nightly-3 v1);
    for my $repo (qw(team/a team/b other)) {
        $t->push_image($repo, $_) for @tags;
    }

    my $r = ctl('rm', $root, 'team/*:Nightly-*');
    is_exit($r, 2, 'a pattern without --yes');
    like($r->{err}, qr/fits 4 things.*--yes/, 'tells how many');
    is_deeply(tags('team/a'), \@tags, 'and removes nothing');
    is_exit(ctl('rm', $root, @$_), 2, "@$_: neither")
        for ['team/*'], ['other:*'], ['team/*', 'other'], ['other:N*', 'other'];
    is_deeply([ map { @{ tags($_) } } qw(other team/a) ], [ @tags, @tags ],
        'all is there');

    $r = ctl('rm', '-n', $root, 'team/*:Nightly-*', 'team/a:*ight*2');
    is_exit($r, 0, 'but shows them');
    is($r->{out}, join('', map { "team/$_\n" } map {
        ("$_:Nightly-1", "$_:Nightly-2") } qw(a b)), 'once each, in order');

    is_exit(ctl('rm', '--yes', $root, 'team/*:Nightly-*'), 0, '--yes');
    is_deeply(tags("team/$_"), [ qw(nightly-3 v1) ], "team/$_")
        for qw(a b);
    is_deeply(tags('other'), \@tags, 'not those of another');

    is_exit(ctl('rm', '--yes', $root, 'none/**:*'), 1, 'nothing fits');
    my $digest = $t->get('/v2/other/manifests/v1')
        ->header('Docker-Content-Digest');
    is_exit(ctl('rm', '-y', $root, "**\@$digest"), 0, 'a digest everywhere');
    is_deeply([ map { @{ tags($_) } } qw(other team/a team/b) ], [],
        'all tags of it');
    is_exit(ctl('rm', '-y', $root, '~team/[ab]'), 0, 'an expression');
    is_deeply(repos(), ['other'], 'repositories are gone');
    is_exit(ctl('rm', '-y', $root, '**'), 0, 'everything');
    is_deeply(repos(), [], 'nothing is left');
}


# What a power cut left of a link is in nobody's way.

sub damaged {
    my $dir = $t->repo_dir('cut') . '/_manifests';
    my $i = $t->push_image('cut', $_) for qw(v1 v2 v3 w1);
    my $d = $t->push_image('cut', 'other', seed => 'other')->{digest};
    my ($hex) = $d =~ /^sha256:(.*)/;

    put_file("$dir/tags/$_/current/link", '') for qw(v1 v2 v3);
    put_file("$dir/revisions/sha256/$hex/link", '');

    my $r = ctl('rm', $root, 'cut:v1', "cut\@$d", 'cut:v9');
    is_exit($r, 1, 'links that name nothing, and a tag that is none');
    is($r->{out}, "cut:v1\ncut\@$d\n", 'what they stood for is removed');
    is_exit(ctl('rm', '-y', $root, 'cut:v*'), 0, 'a pattern');
    is_deeply([ map { s{.*/}{}r } glob "$dir/tags/*" ], ['w1'],
        'fits such tags, too');
    is_exit(ctl('audit', $root), 0, 'nothing wrong is left');
    is_exit(ctl('rm', $root, 'cut'), 0, 'but the rest');
}


sub question {
    $t->push_image("ask/$_", 'v1') for 1 .. 12;
    my $r = at_terminal([ "n\n" ], 'rm', $root, 'ask/*');
    is_exit($r, 1, 'the answer is no');
    like($r->{screen}, qr/^  ask\/1\n.*^  and 2 more\nRemove all 12 of them\?/ms,
        'the question');
    is(scalar @{ repos() }, 12, 'nothing is removed');
    $r = at_terminal([ "\n" ], 'rm', $root, 'ask/*');
    is_exit($r, 1, 'no answer is none');
    $r = at_terminal([ "y\n" ], 'rm', $root, 'ask/*');
    is_exit($r, 0, 'the answer is yes');
    is_deeply(repos(), [], 'all are removed');
}


# What the disk refuses is told, and those behind it stay.

sub refused {
    SKIP: {
        skip_tests('no strace here', 4)
            if system('strace -V >/dev/null 2>&1') != 0;

        $t->push_image('refused', $_) for qw(a b);
        my $r = ctl({ wrap => [ qw(strace -f -o /dev/null),
            '-etrace=rename,renameat,renameat2',
            '-einject=rename,renameat,renameat2:error=EIO:when=1' ] },
            'rm', $root, 'refused:a', 'refused:b');
        is_exit($r, 3, 'a tag that cannot be removed');
        like($r->{err}, qr/refused:a: could not be removed\n.*rename.*error/s,
            'is told, and why');
        is($r->{out}, '', 'nothing else');
        is_deeply(tags('refused'), [ qw(a b) ], 'and nothing is gone');
        ctl('rm', $root, 'refused');
    }
}


sub calls {
    is_exit(ctl('rm', $root), 2, 'no target');
    is_exit(ctl('rm', $root, $_), 2, "'$_'") for '', 'Team', 'a:', 'a@', ':x',
        'a@sha256:0', 'a//b', '~(', 'a:b/c*d:', 'a/**:ä';
    $t->push_image('keep', 'v1');
    is_exit(ctl('rm', $root, 'keep', 'Bad'), 2, 'one that is wrong');
    is_deeply(repos(), ['keep'], 'and nothing is tried');
    is_exit(ctl('rm', "$root/none", 'keep'), 3, 'no store');
    is_exit(ctl('rm', '-y', $root, 'keep'), 0, 'the end of it');
}


# What root makes belongs to whom the store belongs to.

sub owner {
    SKIP: {
        skip_tests('only root can', 3) if $> != 0;
        my $store = work_dir();
        chown 65534, 65534, "$store" or die;
        my $v2 = "$store/docker/registry/v2";
        my $path = $store;
        for (qw(docker registry v2 repositories a _manifests)) {
            $path .= "/$_";
            mkdir $path or die;
            chown 65534, 65534, $path or die;
        }
        is_exit(ctl('rm', $store, 'a'), 0, 'as root');
        ok(!-e "$v2/repositories/a", 'it is gone');
        is((stat "$store/docker/registry/nginx/lock")[4], 65534,
            'the lock is the owner\'s');
    }
}


# Tags come and go while others push: nobody fails.

sub pushes {
    my $dir = work_dir();
    my ($stop, @pids) = ("$dir/stop");

    for my $n (1, 2) {
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            my $end = time + 30;
            my $ok = eval {
                for (my $i = 0; !-e $stop && time < $end; $i++) {
                    $t->push_image("busy/$n", "t$i", seed => "$n-$i");
                    $t->push_image('busy/both', "t$n", seed => $i);
                }
                1;
            };
            print STDERR "# $@" if !$ok;
            POSIX::_exit($ok ? 0 : 1);
        }
        push @pids, $pid;
    }

    my ($end, $said, $removed) = (time + 4, '', 0);
    while (time < $end) {
        my $r = ctl('rm', '-y', $root, 'busy/*:t*');
        $said .= $r->{err} if $r->{rc} ne '0' && $r->{rc} ne '1';
        $removed += () = $r->{out} =~ /\n/g;
    }

    put_file($stop, '');
    my $failed = 0;
    for (@pids) {
        waitpid $_, 0;
        $failed++ if $?;
    }
    is($said, '', 'no removal failed');
    is($failed, 0, 'nor any push');
    cmp_ok($removed, '>', 10, "$removed tags");
}

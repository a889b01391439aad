#!/usr/bin/perl

# registryctl ls, tags, inspect, du: what they tell of a store, in a pipe, as
# JSON and on a terminal, and that they change nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Registry;
use Test::Registry::Command;

my $t = Test::Registry->new(location => 'registry_delete on;')->run;
my $root = $t->{root};
my $v2 = "$root/docker/registry/v2";

my $evil = "a\e[2J\x{9b}31m\tb\nc\x{202e}d";
my $config = to_json({ architecture => 'arm64', variant => 'v8', os => 'linux',
    created => '2024-05-06T07:08:09.123Z', config => { Labels => {
        'org.opencontainers.image.description' => $evil, team => 'blue' } } });

my $shared = blob(5000, 'shared');
my $one = $t->push_image('team/one', 'v1', config => $config,
    layers => [ $shared, blob(300, 'one') ]);
my $two = $t->push_image('team/two', 'v1', layers => [ $shared ],
    more => { annotations => {
        'org.opencontainers.image.created' => '2020-01-02T03:04:05Z',
        'org.opencontainers.image.description' => 'of two' } });
my $other = $t->push_image('other', 'latest', seed => 'other');
my $list = to_json(manifest_index([ map {
    descriptor($one->{type}, $one->{digest}, length $one->{bytes},
        platform => { os => 'linux', architecture => $_ }) } 'arm64', 'arm' ]));
is_status($t->push_manifest('team/one', 'multi', $list, OCI_INDEX), 201,
    'an index');
my $sbom = $t->push_referrer('team/one',
    descriptor($one->{type}, $one->{bytes}), type => 'application/x-sbom');

lists();
tags();
images();
details();
usage();
calls();
untouched();
broken_tags();
broken_manifests();

$t->finish;
done_testing();


sub rows { return map { [ split /\t/, $_, -1 ] } split /\n/, $_[0] }


sub lists {
    my $r = ctl('ls', $root);
    is_exit($r, 0, 'ls');
    is($r->{out}, "other\nteam/one\nteam/two\n", 'a line each, sorted');
    is($r->{err}, '', 'and no more');

    is(ctl('ls', $root, 'team/*')->{out}, "team/one\nteam/two\n", 'a pattern');
    is(ctl('ls', $root, '~team/t.*')->{out}, "team/two\n", 'an expression');
    is(ctl('ls', $root, 'other')->{out}, "other\n", 'a name');
    $r = ctl('ls', $root, 'none/**');
    is_exit($r, 1, 'a pattern that nothing fits');
    like($r->{err}, qr/no repository fits/, 'is told');

    my $empty = work_dir();
    for my $call ([ 'ls' ], [ 'du' ], [ 'tags', 'a' ], [ 'inspect', 'a' ]) {
        my ($command, @more) = @$call;
        $r = ctl($command, $empty, @more);
        is_exit($r, 3, "$command: no store");
        is($r->{out}, '', "$command prints nothing");
        like($r->{err}, qr/: there is no registry's store: /,
            "$command says why");
    }
    make_path("$empty/docker/registry/v2");
    is_exit(ctl('ls', $empty), 0, 'an empty store');

    $r = ctl(qw(ls -l), $root, 'team/one');
    my ($row) = rows($r->{out});
    my $bytes = 5000 + 300 + length($config) + length($one->{bytes})
        + length $list;
    is_deeply([ @$row[0 .. 2] ], [ 'team/one', 2, 3 ], 'tags and manifests');
    cmp_ok($row->[3], '>', $bytes, 'bytes');

    my $all = decode_json(ctl(qw(ls --json --long), $root)->{out});
    is_deeply([ map { $_->{name} } @{ $all->{repositories} } ],
        [ qw(other team/one team/two) ], '--json');
    is($all->{repositories}[1]{bytes}, $row->[3], 'the same bytes');
    is_deeply(decode_json(ctl(qw(ls --json), $root, 'none')->{out}),
        { repositories => [] }, 'none as JSON');

    $r = at_terminal([], 'ls', '-l', $root);
    like($r->{screen}, qr/\AREPOSITORY +TAGS +MANIFESTS +BYTES\n/,
        'a heading on a terminal');
    like($r->{screen}, qr/^team\/two +1 +1 +\d\.\dK$/m, 'a table');
}


sub tags {
    my $r = ctl('tags', $root, 'team/one');
    is_exit($r, 0, 'tags');
    is($r->{out}, 'multi' . "\t" . sha256($list) . "\nv1\t$one->{digest}\n",
        'tag and digest');
    is_deeply(decode_json(ctl(qw(tags --json), $root, 'team/two')->{out}),
        { tags => [ { tag => 'v1', digest => $two->{digest} } ] }, '--json');
    is_exit(ctl('tags', $root, 'team/none'), 1, 'no such repository');
    is_exit(ctl('tags', $root, 'team/*'), 2, 'a pattern is none');
    is_exit(ctl('tags', $root, 'team/one:v1'), 2, 'nor is a tag');
}


sub images {
    my $r = ctl('inspect', $root, 'team/one');
    is_exit($r, 0, 'inspect of a repository');
    my @rows = rows($r->{out});
    is(scalar @rows, 2, 'a line for each tag, whatever its label holds');
    is_deeply([ map { scalar @$_ } @rows ], [ 6, 6 ], 'of six parts');
    is_deeply([ @{ $rows[1] }[0, 1, 3, 4] ], [ 'v1',
        '2024-05-06T07:08:09.123Z', 'linux/arm64/v8', $one->{digest} ],
        'tag, created, platform, digest');
    is($rows[1][2], 5300 + length($config) + length $one->{bytes}, 'size');
    is($rows[1][5], 'a?[2J?31m?b?c?d', 'a description that steers nothing');
    is_deeply([ @{ $rows[0] }[0, 1, 3] ], [ 'multi',
        '2024-05-06T07:08:09.123Z', 'linux/arm64,linux/arm' ],
        'an index is as its children');
    is($rows[0][2], $rows[1][2] + length $list, 'and as large');

    ($r) = rows(ctl('inspect', $root, 'team/two')->{out});
    is_deeply([ @$r[1, 5] ], [ '2020-01-02T03:04:05Z', 'of two' ],
        'annotations');

    my $all = ctl(qw(inspect --json), $root, 'team/one');
    unlike($all->{out}, qr/[^\n\x20-\x7e]/, 'JSON steers nothing either');
    $all = decode_json($all->{out})->{images};
    is($all->[1]{description}, $evil, 'but says what was there');
    is_deeply([ map { $_->{platforms} } @$all ],
        [ [ 'linux/arm64', 'linux/arm' ], [ 'linux/arm64/v8' ] ], 'platforms');
    is_deeply([ map { $_->{complete} ? 1 : 0 } @$all ], [ 1, 1 ], 'complete');
}


sub details {
    my $r = ctl('inspect', $root, 'team/one:v1');
    is_exit($r, 0, 'inspect of a tag');
    my %got;
    push @{ $got{ $_->[0] } }, $_->[1] for rows($r->{out});
    is_deeply($got{digest}, [ $one->{digest} ], 'digest');
    is_deeply($got{label}, [ 'org.opencontainers.image.description='
        . 'a?[2J?31m?b?c?d', 'team=blue' ], 'labels');
    is(scalar @{ $got{layer} }, 2, 'layers');
    like($got{referrer}[0], qr/\Asha256:\w+ \d+ application\/x-sbom\z/,
        'referrers');
    is(ctl('inspect', $root, "team/one\@$one->{digest}")->{out},
        $r->{out} =~ s/^tag\t.*\n//mr, 'the same by digest');
    like(ctl('inspect', $root, "team/one\@$sbom->{digest}")->{out},
        qr/^subject\t\Q$one->{digest}\E$/m, 'and whom that refers to');

    my $multi = ctl('inspect', $root, 'team/one:multi');
    is_deeply([ $multi->{out} =~ /^child\t(.*)/mg ],
        [ map { "$one->{digest} " . length($one->{bytes}) . " linux/$_" }
            'arm64', 'arm' ], 'of an index its children');
    unlike($multi->{out}, qr/^(?:incomplete|subject|layer)\t/m,
        'of which none is missing');

    my $all = decode_json(ctl(qw(inspect --json), $root,
        'team/one:multi')->{out});
    is($all->{children}[0]{digest}, $one->{digest}, 'children');
    is_deeply([ map { $_->{platform} } @{ $all->{children} } ],
        [ 'linux/arm64', 'linux/arm' ], 'and their platforms');
    $all = decode_json(ctl(qw(inspect --json), $root, 'team/one:v1')->{out});
    is($all->{labels}{team}, 'blue', 'labels as JSON');
    is(scalar @{ $all->{referrers} }, 1, 'referrers as JSON');

    is_exit(ctl('inspect', $root, $_), 1, $_) for 'none', 'team/one:none',
        'team/one@' . sha256('none');
    is_exit(ctl('inspect', $root, $_), 2, "'$_'") for '', 'Team', 'team/*',
        'team/one:', 'team/one@sha256:12', 'team/one:v*';

    # a layer and a child that are gone
    my $link = "$v2/repositories/team/two/_layers/"
        . (sha256($shared) =~ s{:}{/}r) . '/link';
    rename $link, "$root/kept" or die;
    $all = decode_json(ctl(qw(inspect --json), $root, 'team/two:v1')->{out});
    ok(!$all->{complete}, 'an image without a layer is told');
    rename "$root/kept", $link or die;
}


# A tag that is there, but whose link is not whole.

sub broken_tags {
    my $repo = "$v2/repositories/cut/_manifests/tags";
    my %d = map { $_ => $t->push_image('cut', $_, seed => "c $_")->{digest} }
        1 .. 3;

    for my $text ('', 'sha256:12') {
        put_file("$repo/2/current/link", $text);
        my $r = ctl('tags', $root, 'cut');
        is_exit($r, 1, "tags: a link '$text'");
        is($r->{out}, "1\t$d{1}\n2\t-\n3\t$d{3}\n", 'the tag is named');
        like($r->{err}, qr/cut:2: the link of the tag names nothing/, 'told');
        $r = ctl(qw(tags --json), $root, 'cut');
        is_exit($r, 1, 'tags --json');
        is_deeply(decode_json($r->{out})->{tags}[1],
            { tag => '2', digest => undef }, 'has it');

        $r = ctl('inspect', $root, 'cut');
        is_exit($r, 1, 'inspect of the repository');
        is_deeply([ map { "$_->[0] $_->[4]" } rows($r->{out}) ],
            [ "1 $d{1}", '2 -', "3 $d{3}" ], 'names it');
        like($r->{err}, qr/cut:2: the link of the tag names nothing/, 'told');
        my $all = decode_json(ctl(qw(inspect --json), $root, 'cut')->{out});
        is($all->{images}[1]{digest}, undef, 'without a digest');
        ok(!$all->{images}[1]{complete}, 'not complete');
        $r = ctl('inspect', $root, 'cut:2');
        is_exit($r, 1, 'inspect of the tag');
        like($r->{err}, qr/cut:2: the link of tag 2 names nothing/, 'says so');
    }

    is(join(' ', names_of($t->get('/v2/cut/tags/list'), 'tags')), '1 3',
        'a client is told of the others');
    is_status($t->get('/v2/cut/manifests/2'), 404, 'and has no such tag');

    unlink "$repo/2/current/link" or die;
    is_exit(ctl('tags', $root, 'cut'), 0, 'without a link there is no tag');
    like(ctl('inspect', $root, 'cut:2')->{err}, qr/cut:2: unknown tag 2/,
        'nor for inspect');

    rename $repo, "$repo.x" or die;
    put_file($repo, 'x');
    for my $command ('tags', 'inspect') {
        my $r = ctl($command, $root, 'cut');
        is_exit($r, 3, "$command: a file in place of all tags");
        like($r->{err}, qr/the tags of cut are no directory/, 'is told');
    }
    is_status($t->get('/v2/cut/tags/list'), 200, 'a client has an empty list');
    is_exit(ctl(qw(rm --yes), $root, 'cut'), 0, 'it goes');
}


# A manifest without its bytes, or that nobody can read.

sub broken_manifests {
    my %image = map { $_ => $t->push_image('bad', $_, seed => "b $_") }
        qw(a gone z);
    my $bytes = '[1]';
    my $d = sha256($bytes);
    my $at = ($d =~ s{:}{/}r);
    my $manifests = "$v2/repositories/bad/_manifests";
    for my $file ("$v2/blobs/" . ($d =~ s{:(..)}{/$1/$1}r) . '/data',
        "$manifests/revisions/$at/link", "$manifests/tags/none/current/link")
    {
        make_path($file =~ s{/[^/]*\z}{}r);
        put_file($file, $file =~ /data\z/ ? $bytes : $d);
    }
    my $gone = $image{gone}{digest};
    unlink $t->blob_file($gone) or die;

    my $r = ctl('inspect', $root, 'bad:gone');
    is_exit($r, 1, 'inspect: the bytes are gone');
    is($r->{err}, "registryctl: bad:gone: the bytes of the manifest $gone are "
        . "missing or damaged\n", 'a sentence says so');
    $r = ctl('inspect', $root, 'bad:none');
    is_exit($r, 1, 'what is no manifest');
    is($r->{err}, "registryctl: bad:none: the manifest $d cannot be read: "
        . "not a JSON object\n", 'a sentence says so');
    my $no = sha256('no');
    is(ctl('inspect', $root, "bad\@$no")->{err},
        "registryctl: bad\@$no: there is no manifest $no\n",
        'as of one that is not there');

    $r = ctl('inspect', $root, 'bad');
    is_exit($r, 1, 'inspect of the repository');
    is_deeply([ map { "$_->[0] $_->[4]" } rows($r->{out}) ],
        [ "a $image{a}{digest}", "gone $gone", "none $d",
        "z $image{z}{digest}" ], 'goes on with the rest');
    is_deeply([ map { scalar @$_ } rows($r->{out}) ], [ (6) x 4 ],
        'a line of six parts each');
    like($r->{err}, qr/bad:gone: the bytes of .*\n.*bad:none: the manifest /,
        'and names both');
    $r = ctl(qw(inspect --json), $root, 'bad');
    is_exit($r, 1, 'as JSON');
    my $all = decode_json($r->{out})->{images};
    is_deeply([ map { $_->{complete} ? 1 : 0 } @$all ], [ 1, 0, 0, 1 ],
        'they are not complete');
    is($all->[1]{digest}, $gone, 'but have a digest');
    is($all->[1]{mediaType}, undef, 'and no type');

    unlike(ctl('inspect', $root, 'bad:z')->{out}, qr/^incomplete\t/m, 'all of it');
    unlink $t->blob_file(sha256($image{z}{layers}[0])) or die;
    like(ctl('inspect', $root, 'bad:z')->{out}, qr/^incomplete\t/m,
        'without a layer');
    is_exit(ctl(qw(rm --yes), $root, 'bad'), 0, 'it goes');
}


sub usage {
    my $r = ctl('du', $root);
    is_exit($r, 0, 'du');
    my %row = map { $_->[0] => $_ } rows($r->{out});
    my $mine = length($two->{bytes}) + length $two->{config};
    is_deeply($row{'team/two'}, [ 'team/two', 3, $mine + 5000, $mine, 5000 ],
        'logical, exclusive, shared');
    is($row{'team/one'}[4], 5000, 'of the other, too');
    is($row{other}[4], 0, 'nothing is shared');
    like($r->{err}, qr/3 repositories hold \d+ blobs of \d+ bytes, .*; 0 more/,
        'a total');

    # the other one goes, and the layer is of one alone
    my $all = decode_json(ctl(qw(du --json), $root)->{out});
    my $sum = 0;
    $sum += $_->{exclusive} for @{ $all->{repositories} };
    is($all->{total}{stored}, $sum + 5000, 'the total adds up');
    is($all->{total}{unlinked}, 0, 'all is linked');
    $t->delete("/v2/team/one/blobs/" . sha256($shared));
    $all = decode_json(ctl(qw(du --json), $root, 'team/two')->{out});
    is(scalar @{ $all->{repositories} }, 1, 'of a pattern alone');
    is($all->{repositories}[0]{shared}, 0, 'not shared any more');
    my $link = "$v2/repositories/team/one/_layers/"
        . (sha256($shared) =~ s{:}{/}r) . '/link';
    $t->push_blob('team/one', $shared);
    ok(-e $link, 'the layer is back');

    is_status($t->delete('/v2/other/manifests/' . $other->{digest}), 202,
        'a manifest is deleted');
    $all = decode_json(ctl(qw(du --json), $root)->{out});
    is($all->{total}{unlinked_blobs}, 1, 'and linked nowhere');
    is($all->{total}{unlinked}, length $other->{bytes}, 'with its bytes');
}


sub calls {
    for my $c (qw(ls tags inspect du)) {
        is_exit(ctl($c), 2, "$c without a store");
        my $r = ctl($c, "$root/none", 'x');
        is_exit($r, 3, "$c of no directory");
        like($r->{err}, qr/No such file/, 'says so');
        is_exit(ctl($c, $root, 'x', 'y'), 2, "$c of too much");
        is_exit(ctl({ stdout => '/dev/full' }, $c, '--json', $root,
            'team/one'), 3, "$c --json to a full disk");
    }
    is_exit(ctl('ls', $root, 'Team'), 2, 'what can be no repository');
}


# Nothing is made, moved or written.

sub untouched {
    return if sanitized();

    SKIP: {
        skip_tests('no strace here', 1)
            if system('strace -V >/dev/null 2>&1') != 0;
        my $log = work_dir() . '/log';
        my @all;
        for my $call ([qw(ls -l)], ['du'], ['tags'], ['inspect'],
            ['inspect', ':v1'])
        {
            my ($name, $more) = @$call;
            my @rest = $name =~ /tags|inspect/ ? 'team/one' : ();
            $rest[0] .= $more if $name eq 'inspect' && $more;
            my $dir = work_dir();
            ctl({ wrap => [ 'strace', '-f', '-o', "$dir/log" ] }, $name,
                $root, @rest);
            push @all, grep { /O_CREAT|O_WRONLY|O_RDWR|unlink|rename|mkdir
                |flock|F_SETLK|F_OFD/x } split /\n/, file_text("$dir/log");
        }
        is_deeply(\@all, [], 'no call that writes or locks');
    }
}

#!/usr/bin/perl

# registryctl backup, backups, restore: the restore drill, with pushes and
# deletes going on; what is copied, linked, kept and removed; damage.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;

my $conf = 'registry_delete on;';
my $t = Test::Registry->new(location => $conf)->run;
my $root = $t->{root};

my %image;
my $work = work_dir();
my $dest = "$work/backups";

content();
first();
incremental();
parts();
live();
retention();
none();
tars();
damage();
damaged_store();
in_the_way();
look_alike();
not_theirs();
links();
calls();
owner();
stream();
examples();
drill();

$t->finish;
done_testing();


sub in { return decode_json($_[0]{out}) }

sub names { return [ map { (split /\t/)[0] } split /\n/,
    ctl('backups', $_[0])->{out} ] }

sub pool { my ($dir, $d) = @_; return "$dir/blobs/" . $d =~ s{:(..)}{/$1/$1}r }

sub data { return "$root/docker/registry/v2/blobs/"
    . ($_[0] =~ s{:(..)}{/$1/$1}r) . '/data' }


# What a registry serves: { "repo tags" => [...], "repo:tag" => digest }

sub served {
    my ($s) = @_;

    my %all;
    for my $repo (names_of($s->get('/v2/_catalog?n=1000'), 'repositories')) {
        for (names_of($s->get("/v2/$repo/tags/list?n=1000"), 'tags')) {
            $all{"$repo:$_"} = $s->head("/v2/$repo/manifests/$_")
                ->header('Docker-Content-Digest');
        }
        $all{$repo} = 'repository';
    }
    return \%all;
}


# Pulls a manifest by digest and all that it refers to; what is wrong with it.

sub pull {
    my ($s, $repo, $digest, $seen) = @_;

    return () if $seen->{"$repo $digest"}++;
    my $r = $s->get("/v2/$repo/manifests/$digest",
        headers => [[ Accept => join ',', OCI_MANIFEST, OCI_INDEX ]]);
    return "$repo $digest: " . $r->status if $r->status != 200;
    return "$repo $digest: other bytes" if sha256($r->body) ne $digest;

    my $m = decode_json($r->body);
    my @bad = map { pull($s, $repo, $_->{digest}, $seen) }
        @{ $m->{manifests} || [] };
    for my $d (map { $_->{digest} } $m->{config} || (),
        @{ $m->{layers} || [] })
    {
        next if $seen->{$d}++;
        $r = $s->get("/v2/$repo/blobs/$d");
        push @bad, "$repo $digest: $d: " . $r->status
            if $r->status != 200 || $d ne ($d =~ /\Asha512/
                ? sha512($r->body) : sha256($r->body));
    }
    return @bad;
}


sub pull_all {
    my ($s) = @_;

    my ($all, %seen) = (served($s));
    return map { pull($s, /\A(.*):/, $all->{$_}, \%seen) } grep { /:/ }
        sort keys %$all;
}


sub empty { return Test::Registry->new(location => $conf)->run }


sub content {
    $image{one} = $t->push_image('team/one', 'v1', seed => 'one',
        layers => [ blob(50_000, 'base'), blob(3000, 'one') ]);
    $image{two} = $t->push_image('team/two', 'v1', seed => 'two',
        layers => [ blob(50_000, 'base'), blob(200_000, 'two') ]);
    $image{deep} = $t->push_image('team/one/deep/er', 'x', seed => 'deep');
    my $list = to_json(manifest_index([ descriptor(OCI_MANIFEST,
        $image{one}{digest}, length $image{one}{bytes}) ]));
    is_status($t->push_manifest('team/one', 'multi', $list, OCI_INDEX), 201,
        'an index');
    my $nested = to_json(manifest_index([ descriptor(OCI_INDEX,
        sha256($list), length $list) ]));
    is_status($t->push_manifest('team/one', 'nested', $nested, OCI_INDEX), 201,
        'one of an index');
    $t->push_referrer('team/one', descriptor(OCI_INDEX, sha256($nested),
        length $nested), type => 'a/sbom');
    my $bytes = blob(100, 'long');
    my $m = to_json(manifest(descriptor(OCI_CONFIG, $image{one}{config}),
        [ descriptor(OCI_LAYER, sha512($bytes), length $bytes) ]));
    $t->push_blob('team/one', $bytes, digest => sha512($bytes));
    is_status($t->push_manifest('team/one', 'long', $m, OCI_MANIFEST), 201,
        'a layer by sha512');
    $image{base} = sha256(blob(50_000, 'base'));
}


sub first {
    my $r = ctl('backup', $root, $dest);
    is_exit($r, 0, 'a backup');
    like($r->{out}, qr/\A\d{8}T\d{6}Z\n\z/, 'its name');
    like($r->{err}, qr/3 repositories, 7 manifests, 6 tags, .* 0 left out/,
        'what is in it');
    is(mode_of($dest), '0700', 'its directory is for its owner');
    chomp(my $id = $r->{out});
    is(join(' ', @{ names($dest) }), $id, 'is listed');
    like(ctl('backups', $dest)->{out}, qr/\A$id\t3\t7\t6\t\d+\twhole\n\z/,
        'with its numbers');
    my $doc = decode_json(file_text("$dest/backups/$id.json"));
    is($doc->{counts}{tags}, 6, 'the listing is a JSON document');
    is(scalar(grep { $_->{tag} } @{ $doc->{contents} }), 6, 'of all tags');
    is_exit(ctl('backups', '--verify', $dest), 0, 'and all is whole');

    my $nginx = empty();
    $r = ctl('restore', $dest, $nginx->{root});
    is_exit($r, 0, 'restored to an empty root');
    is_deeply(served($nginx), served($t), 'every tag is the same');
    is_deeply([ pull_all($nginx) ], [], 'and all of it can be pulled');
    my $nested = $t->get('/v2/team/one/manifests/nested')
        ->header('Docker-Content-Digest');
    is_deeply($nginx->get("/v2/team/one/referrers/$nested")->json,
        $t->get("/v2/team/one/referrers/$nested")->json, 'referrers, too');
    is_exit(ctl(qw(audit --digests --grace 0), $nginx->{root}), 0,
        'the audit agrees');
    $nginx->finish;
}


sub incremental {
    my $base = pool($dest, $image{base});
    my ($ino, $links) = (stat $base)[1, 3];
    is($links, 2, 'a blob is linked where that can be');
    is($ino, (stat data($image{base}))[1], 'to the very file');

    my $r = in(ctl(qw(backup --json), $root, $dest));
    is($r->{copied}, 0, 'the same again copies nothing');
    is($r->{manifests}, 7, 'but has all');
    $t->push_image('team/new', 'v1', seed => 'new',
        layers => [ blob(50_000, 'base') ]);
    $r = in(ctl(qw(backup --json), $root, $dest));
    is($r->{copied}, 2, 'a new image: its config and manifest');
    is((stat $base)[1], $ino, 'what was there is not touched');
    is(scalar @{ names($dest) }, 3, 'three backups');

    my $copies = "$work/copies";
    $r = in(ctl(qw(backup --json --copy), $root, $copies));
    is($r->{linked}, 0, '--copy links nothing');
    is((stat pool($copies, $image{base}))[3], 1, 'each file is its own');
    is_exit(ctl('backups', '--verify', $copies), 0, 'and whole');
}


sub parts {
    my $nginx = empty();
    my $to = $nginx->{root};

    my $r = ctl(qw(restore --dry-run --json), $dest, $to);
    is_exit($r, 0, '--dry-run');
    is(in($r)->{manifests}, 8, 'tells how much');
    is_deeply(served($nginx), {}, 'and does nothing');

    is_exit(ctl('restore', $dest, $to, qw(--repository team/one --tag nested)),
        0, 'one tag');
    my $all = served($nginx);
    is_deeply([ sort keys %$all ], [ 'team/one', 'team/one:nested' ],
        'alone');
    is_deeply([ pull_all($nginx) ], [], 'with all below it');
    my $nested = $all->{'team/one:nested'};
    is(scalar @{ $nginx->get("/v2/team/one/referrers/$nested")
        ->json->{manifests} }, 1, 'and its referrer');

    is_exit(ctl('restore', $dest, $to, qw(--repository team/*)), 0,
        'a pattern of repositories');
    is_deeply([ sort grep { !/:/ } keys %{ served($nginx) } ],
        [ qw(team/new team/one team/two) ], 'these');
    is_deeply([ pull_all($nginx) ], [], 'are whole');

    my ($old) = @{ names($dest) };
    is_exit(ctl('restore', $dest, $to, '--snapshot', $old,
        qw(--repository team/new)), 1, 'an older one did not have it');
    is_exit(ctl('restore', $dest, $to, qw(--snapshot 20200101T000000Z)), 1,
        'one that there is not');
    is_exit(ctl('restore', $dest, $to, qw(--repository team/one --tag none)),
        1, 'no such tag');
    is_exit(ctl('restore', $dest, $to, @$_), 2, "@$_") for [ qw(--tag v1) ],
        [ qw(--repository team/* --tag v1) ], [ qw(--repository Team) ],
        [ qw(--repository a:b) ];
    $nginx->finish;
}


# Into the registry that serves, after an accident.

sub live {
    my $before = served($t);
    is_exit(ctl('rm', $root, 'team/two', 'team/one:multi'), 0, 'an accident');
    my $other = $t->push_image('team/one', 'v1', seed => 'other');

    is_exit(ctl(qw(restore --keep-tags), $dest, $root), 0, 'it comes back');
    my $now = served($t);
    is($now->{'team/one:v1'}, $other->{digest}, '--keep-tags');
    is($now->{'team/two:v1'}, $before->{'team/two:v1'}, 'what was lost');

    # a tag that moves back is told
    my $move = "team/one:v1 from $other->{digest} to $before->{'team/one:v1'}";
    my $r = ctl(qw(restore --dry-run), $dest, $root);
    like($r->{err}, qr/would move: $move\n.* 1 tags would move/s,
        'a dry run tells which tag would move');
    my %moved = (repository => 'team/one', tag => 'v1',
        from => $other->{digest}, to => $before->{'team/one:v1'});
    is_deeply(in(ctl(qw(restore --dry-run --json), $dest, $root))->{moved},
        [ \%moved ], 'as JSON, too');
    is(served($t)->{'team/one:v1'}, $other->{digest}, 'and moves none');
    is_deeply(in(ctl(qw(restore --keep-tags --json), $dest, $root))->{moved},
        [], 'nor does --keep-tags');
    $r = ctl(qw(restore --json), $dest, $root);
    is_exit($r, 0, 'without it');
    like($r->{err}, qr/: moved: $move\n/, 'the tag that moves is told');
    is_deeply(in($r)->{moved}, [ \%moved ], 'in JSON, too');
    $r = ctl('restore', $dest, $root);
    unlike($r->{err}, qr/: moved: /, 'once');
    is_deeply(served($t), $before, 'all is as it was');

    # bytes that rotted: of another length, and of the same
    my $data = data($image{base});
    my $whole = file_text($data);
    unlink $data;
    put_file($data, 'short');
    is_exit(ctl('restore', $dest, $root), 0, 'a blob that was cut');
    is(file_text($data), $whole, 'is replaced');
    unlink $data;
    put_file($data, 'x' x length $whole);
    is_exit(ctl('restore', $dest, $root), 0, 'one of the same length');
    isnt(file_text($data), $whole, 'is not looked into');
    is_exit(ctl(qw(restore --verify), $dest, $root), 0, 'but with --verify');
    is(file_text($data), $whole, 'it is');
}


sub retention {
    my $dir = "$work/keep";
    my @only;
    for my $n (1 .. 4) {
        my $i = $t->push_image('keep', 'v', seed => "keep-$n");
        push @only, $i->{digest};
        is_exit(ctl('backup', '--keep', 2, $root, $dir), 0, "backup $n");
        is_exit(ctl('rm', $root, "keep\@$i->{digest}"), 0, 'it goes');
    }
    is(scalar @{ names($dir) }, 2, 'two are kept');
    is_deeply([ map { -e pool($dir, $_) ? 1 : 0 } @only ], [ 0, 0, 1, 1 ],
        'what only the others had is gone');
    is_exit(ctl('backups', '--verify', $dir), 0, 'what is left is whole');

    # what killed backups left, a copy that was not done and a stray
    my $tmp = "$dir/docker/registry/nginx/tmp";
    put_file("$tmp/killed-1", 'x' x 1000);
    my $stray = pool($dir, $only[3]) =~ s{/(..)\w{4}(\w+)\z}{/${1}0000$2}r;
    put_file($stray, 'stray');
    is_exit(ctl(qw(backup --keep-days 1), $root, $dir), 0, '--keep-days');
    is(scalar @{ names($dir) }, 3, 'none is so old');
    ok(!-e $stray, 'strays are removed');
    is(join(' ', glob "$tmp/*"), '', 'temporaries, too');

    my ($id) = @{ names($dir) };
    my $text = file_text("$dir/backups/$id.json");
    put_file("$dir/backups/$id.json", substr $text, 0, 200);
    my $note = "$root/docker/registry/nginx/backup.done";
    unlink $note or die;
    my $r = ctl('backup', '--keep', 1, $root, $dir);
    is_exit($r, 3, 'a listing that was cut');
    like($r->{out}, qr/\A\d{8}T\d{6}Z(?:-\d+)?\n\z/, 'the new one is named');
    ok(-e $note, 'and noted: there is one');
    like($r->{err}, qr/was made, but old ones could not be removed/, 'is told');
    is(scalar @{ names($dir) }, 4, 'and nothing removed');
    $r = ctl('backups', $dir);
    is_exit($r, 1, 'the list');
    like($r->{out}, qr/\A$id\t.*\tdamaged\n/, 'says which');
    is_exit(ctl('restore', $dir, $root, '--snapshot', $id), 3,
        'it is not restored');
    $text =~ s/"tag":"v1"/"tag":"v2"/;
    put_file("$dir/backups/$id.json", $text);
    is_exit(ctl('backups', $dir), 1, 'one that was changed is damaged, too');
    is_exit(ctl('rm', $root, 'keep'), 0, 'the end');
}


# A directory that was mistyped, or whose disk is away.

sub none {
    my $dir = work_dir();

    for my $how ([], ['--verify']) {
        my $r = ctl('backups', @$how, $dir);
        is_exit($r, 1, "no backup to list: @$how");
        is($r->{err}, "registryctl: $dir: there is no backup\n", 'as is told');
        is($r->{out}, '', 'and nothing else');
    }

    my $r = ctl('backups', '--json', $dir);
    is_exit($r, 1, 'nor in JSON');
    is_deeply(in($r), { backups => [] }, 'an empty list');
}


sub tars {
    for my $end (qw(tar tar.gz tar.zst)) {
        my $file = "$work/all.$end";
        my $r = ctl('backup', '--tar', $root, $file);
        is_exit($r, 0, $end);
        ok(!-e "$file.part", 'one file');
        is(mode_of($file), '0600', 'for its owner');
        my $dir = "$work/un-$end";
        mkdir $dir or die;
        is(system('tar', '-C', $dir, '-xf', $file), 0, 'is unpacked');
        is_exit(ctl('backups', '--verify', $dir), 0, 'to a whole backup');
    }

    my $nginx = empty();
    is_exit(ctl('restore', "$work/un-tar.zst", $nginx->{root}), 0,
        'it is restored');
    is_deeply(served($nginx), served($t), 'with every tag');
    $nginx->finish;

    my ($rc, $said) = run_command(60, 'sh', '-c',
        '"$1" backup "$2" - --tar 2>/dev/null | tar -tf - | tail -n 1', 'sh',
        registryctl(), $root);
    like($said, qr/\Abackups\/\d{8}T\d{6}Z\.json$/,
        'a stream, with the listing at its end');
    is_exit(ctl('backup', '--tar', $root, "$work/x.zip"), 2, 'no tar');

    for my $name (map { "$work/no.$_" } qw(tar tar.gz tgz tar.zst)) {
        my $r = ctl('backup', $root, $name);
        is_exit($r, 2, "$name without --tar");
        like($r->{err}, qr/say --tar/, 'which it takes');
        ok(!-e $name, 'and no directory of that name');
    }
    is_exit(ctl({ wrap => ['env', "--chdir=$work"] }, 'backup', $root, '-'), 2,
        'standard output without --tar');
    ok(!-e "$work/-", 'and no directory of that name');
    mkdir "$work/is.tar" or die;
    is_exit(ctl('backup', $root, "$work/is.tar"), 0,
        'a directory that is there is one, whatever its name');
    is_exit(ctl('backup', '--tar', '--keep', 2, $root, "$work/x.tar"), 2,
        'nothing to keep in a tar');
    is_exit(ctl('backup', '--tar', '--json', $root, '-'), 2,
        'one standard output');
    is_exit(ctl('backup', '--tar', $root, "$work/none/x.tar"), 3,
        'no such directory');
    is_exit(ctl({ stdout => '/dev/full' }, 'backup', '--tar', $root, '-'), 3,
        'no room');
}


# What is bad in a backup is found, and mended by the next.

sub damage {
    my $dir = "$work/copies";
    my $file = pool($dir, $image{base});
    is_exit(ctl(qw(backup --copy), $root, $dir), 0, 'a whole one');
    my $whole = file_text($file);
    put_file($file, substr($whole, 0, -1) . chr(ord(substr $whole, -1) ^ 1));

    my $r = ctl('backups', '--verify', $dir);
    is_exit($r, 1, 'a flipped bit');
    like($r->{out}, qr/\A\d{8}T\d{6}Z\t$image{base}\tis damaged\n\z/,
        'is found');
    $r = ctl(qw(backups --verify --json), $dir);
    is(in($r)->{damaged}[0]{what}, $image{base}, 'as JSON');

    my $nginx = empty();
    $r = ctl('restore', $dir, $nginx->{root});
    is_exit($r, 1, 'a restore');
    like($r->{err}, qr/not brought back: team\/two \S+: a part of it is damaged/,
        'says what is lost');
    is_deeply([ pull_all($nginx) ], [], 'what came back is whole');
    ok(!exists served($nginx)->{'team/two:v1'}, 'and nothing else did');
    is_exit(ctl(qw(audit --grace 0), $nginx->{root}), 0, 'the audit agrees');
    $nginx->finish;

    is(in(ctl(qw(backup --json --copy), $root, $dir))->{copied}, 0,
        'the next one does not see it');
    is(in(ctl(qw(backup --json --copy --verify), $root, $dir))->{copied}, 1,
        'with --verify it does, and mends it');
    is_exit(ctl('backups', '--verify', $dir), 0, 'all is whole again');

    unlink $file;
    $r = ctl('backups', '--verify', $dir);
    is_exit($r, 1, 'a file that is gone');
    like($r->{out}, qr/is missing/, 'is missing');
    is_exit(ctl('backup', '--copy', $root, $dir), 0, 'the next brings it');
}


# A damaged store: what is whole is saved, the rest told, no old one removed.

sub damaged_store {
    my $dir = "$work/damaged";
    is_exit(ctl(qw(backup --copy), $root, $dir), 0, 'a good one');
    my $i = $t->push_image('bad', 'v1', seed => 'bad',
        layers => [ blob(900, 'bad') ]);
    my $list = to_json(manifest_index([ descriptor(OCI_MANIFEST,
        $i->{digest}, length $i->{bytes}) ]));
    $t->push_manifest('bad', 'list', $list, OCI_INDEX);
    my $d = sha256(blob(900, 'bad'));
    unlink data($d);
    put_file(data($d), 'y' x 900);

    my $r = ctl(qw(backup --copy --keep 1 --json), $root, $dir);
    is_exit($r, 1, 'a layer that rotted');
    my %left = map { ("$_->{repository} $_->{what}" => 1) }
        @{ in($r)->{left_out} };
    is_deeply([ sort keys %left ], [ sort "bad $i->{digest}",
        'bad ' . sha256($list), 'bad list', 'bad v1' ],
        'is told, with all that needs it');
    is(scalar @{ names($dir) }, 2, 'and no old one is removed');
    like(ctl('backups', $dir)->{out}, qr/\tincomplete\n\z/, 'as listed');

    # what it lacks is told when it is needed
    my $to = work_dir();
    for my $dry ([], ['--dry-run']) {
        $r = ctl(qw(restore --json), @$dry, $dir, $to);
        is_exit($r, 1, "a restore of it @$dry");
        is_deeply([ sort map { "$_->{repository} $_->{what}" }
            @{ in($r)->{failed} } ], [ sort keys %left ], 'tells the same');
        like($r->{err}, qr/not brought back: bad v1: the backup was made witho/,
            'to people, too');
    }
    is(in($r)->{unnamed}, 0, 'and nothing else is missing');
    is_exit(ctl('restore', $dir, $to, qw(--repository team/*)), 0,
        'what has nothing to do with it');
    $r = ctl('restore', $dir, $to, qw(--repository bad --tag v1));
    is_exit($r, 1, 'the tag alone');
    like($r->{err}, qr/not brought back: bad v1: .* missing or damaged\n/,
        'is told');

    # a backup of an older version has the number alone
    my ($id) = reverse @{ names($dir) };
    my $text = file_text("$dir/backups/$id.json");
    $text =~ s/,\n\{[^\n]*"left_out":"[^\n]*\}//g;
    my ($head) = $text =~ /\A(.*\n)"counts"/s;
    my $digest = sha256($head);
    $text =~ s/"digest":"\K[^"]+(?="\}\n\z)/$digest/;
    put_file("$dir/backups/$id.json", $text);
    $r = ctl(qw(restore --json), $dir, $to);
    is_exit($r, 1, 'one that does not say which');
    is(in($r)->{unnamed}, 4, 'tells how many');
    like($r->{err}, qr/without 4 manifests and tags that were damaged/,
        'to people, too');

    unlink data($d);
    is_exit(ctl('backup', $root, "$work/gone"), 1, 'one that is gone');
    is_exit(ctl('backup', '--sparse', $root, "$work/gone"), 0,
        'may be gone with --sparse');
    my $nginx = empty();
    $r = ctl('restore', "$work/gone", $nginx->{root});
    is_exit($r, 0, 'and comes back as it was');
    like($r->{err}, qr/: 1 of the manifests lack a part, as they did/,
        'which is told');
    is(served($nginx)->{'bad:v1'}, $i->{digest}, 'with its tag');
    $nginx->finish(audit => 0);
    is_exit(ctl('rm', $root, 'bad'), 0, 'the end of it');
}


# What a repair of the file system left in one place does not keep what comes
# behind it from being restored.

sub in_the_way {
    my $nginx = empty();
    my %i = map { $_ => $nginx->push_image("way/$_", 'v1', seed => $_) } 'a'
        .. 'd';
    is_exit(ctl('backup', $nginx->{root}, "$work/way"), 0, 'four');

    my %dir = map { $_ => $nginx->repo_dir("way/$_") } keys %i;
    my ($hex) = $i{b}{digest} =~ /^sha256:(.*)/;
    my @files = ("$dir{a}/_manifests/tags/v1/current",
        "$dir{b}/_manifests/revisions/sha256/$hex");
    my @dirs = ("$dir{c}/_manifests/tags/v1/current/link");
    for (@files) {
        remove_tree($_);
        put_file($_, 'x');
    }
    for (@dirs) {
        unlink $_;
        mkdir $_ or die "$_: $!\n";
    }
    remove_tree($dir{d});

    my $r = ctl(qw(restore --json), "$work/way", $nginx->{root});
    is_exit($r, 1, 'a restore past what stands in its way');
    is_deeply([ map { "$_->{repository} $_->{what}" } @{ in($r)->{failed} } ],
        [ 'way/a v1', "way/b $i{b}{digest}", 'way/b v1', 'way/c v1' ],
        'tells of it');
    like($r->{err}, qr{way/a v1: something else .*/way/a/_manifests/tags/v1/},
        'and where it is');
    is(served($nginx)->{'way/d:v1'}, $i{d}{digest}, 'what is behind is back');

    unlink @files;
    rmdir $_ for @dirs;
    is_exit(ctl('restore', "$work/way", $nginx->{root}), 0, 'then all is');
    is(served($nginx)->{"way/$_:v1"}, $i{$_}{digest}, "way/$_") for keys %i;
    $nginx->finish;
}


# A layer that need not be here may go by any digest: by one that begins as that
# of somebody else's layer does.

sub look_alike {
    my $nginx = empty();
    my $layer = blob(1000, 'somebody else');
    my $near = sha256($layer) =~ s/(.)\z/$1 eq '0' ? '1' : '0'/er;

    $nginx->push_image('a', 'v', layers => [$layer]);
    push_foreign($nginx, 'b', 'near', $near);
    is_exit(ctl('backup', $nginx->{root}, "$work/alike"), 0,
        'a layer named nearly as one that is here');
    $nginx->finish;

    $nginx = empty();
    is_exit(ctl('restore', "$work/alike", $nginx->{root}), 0,
        'is not looked for');
    is_deeply([sort keys %{ served($nginx) }], [qw(a a:v b b:near)],
        'and all comes back');
    $nginx->finish;
}


# Who names what is somebody else's does not get it by a backup.

sub not_theirs {
    my $nginx = Test::Registry->new(
        location => "$conf registry_sparse_index on;")->run;
    my $layer = blob(1000, 'secret');

    $nginx->push_image('a', 'v', layers => [$layer]);
    push_foreign($nginx, 'b', 'foreign', sha256($layer));
    is_status($nginx->push_manifest('b', 'sparse', manifest(
        descriptor(OCI_CONFIG, '{}'), [descriptor(OCI_LAYER, $layer)])),
        201, 'b:sparse');
    is_status($nginx->get('/v2/b/blobs/' . sha256($layer)), 404,
        'a layer of another repository');

    my $r = ctl(qw(backup --json), $nginx->{root}, "$work/theirs");
    is_exit($r, 1, 'is missing in this one');
    is(scalar @{ in($r)->{left_out} }, 2,
        'where it has to be there: the manifest and its tag');
    is_exit(ctl(qw(backup --sparse), $nginx->{root}, "$work/theirs"), 0,
        'with --sparse it has not');
    $nginx->finish(audit => { missing => 1 });

    $nginx = empty();
    is_exit(ctl('restore', "$work/theirs", $nginx->{root}), 0, 'restored');
    is_deeply([sort keys %{ served($nginx) }],
        [qw(a a:v b b:foreign b:sparse)], 'wholly');
    is_status($nginx->get("/v2/$_->[0]/blobs/" . sha256($layer)), $_->[1],
        "$_->[0] has it") for ['a', 200], ['b', 404];
    $nginx->finish(audit => { missing => 1 });
}


sub push_foreign {
    my ($nginx, $repo, $tag, $digest) = @_;

    my $type = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

    $nginx->push_blob($repo, '{}');
    is_status($nginx->push_manifest($repo, $tag, manifest(
        descriptor(OCI_CONFIG, '{}'), [descriptor($type, $digest, 1000)])),
        201, "$repo:$tag");
}


# What stands behind a symbolic link is not there for us, as it was for another
# registry: no backup without it looks like a whole one.

sub links {
    my $nginx = empty();
    $nginx->push_image('team/app', 'v1');
    my $other = work_dir();
    my $v2 = 'docker/registry/v2';

    for my $part ("$v2/repositories/team", "$v2/repositories", $v2,
        'docker/registry', 'docker')
    {
        my $path = "$nginx->{root}/$part";
        rename $path, "$other/part" or die "$part: $!\n";
        symlink "$other/part", $path or die "symlink: $!\n";

        is_exit(ctl('backup', $nginx->{root}, "$other/b"), 3,
            "$part is a symbolic link: no backup");
        for my $call ([ 'ls', $nginx->{root} ], [ 'du', $nginx->{root} ],
            [ 'rm', '-n', $nginx->{root}, 'team/**' ])
        {
            my $r = ctl(@$call);
            is_exit($r, 3, "nor $call->[0]");
            like($r->{err}, qr/symbolic link|Not a directory/, 'is told');
        }

        unlink $path or die "$part: $!\n";
        rename "$other/part", $path or die "$part: $!\n";
    }

    is_deeply(names("$other/b"), [], 'there is none');
    is_exit(ctl('backup', $nginx->{root}, "$other/b"), 0, 'without links');
    $nginx->finish;
}


sub calls {
    is_exit(ctl('backup', $root), 2, 'no DEST');
    is_exit(ctl('backup', work_dir(), "$work/x"), 3, 'no store');
    ok(!-e "$work/x", 'and no backup');
    is_exit(ctl('backup', $root, $root), 3, 'a store as DEST');
    is_exit(ctl('backup', $root, "$root/docker/x"), 3, 'DEST in the store');
    rmdir "$root/docker/x";
    is_exit(ctl('backup', $root, "$work/a/b"), 3, 'no parent');
    is_exit(ctl('backup', '--keep', $_, $root, $dest), 2, "--keep $_")
        for qw(0 x -1);
    is_exit(ctl('backups', "$work/none"), 3, 'no directory');
    is_exit(ctl('restore', work_dir(), $root), 1, 'none to restore');
    is_exit(ctl('restore', $dest, "$work/none"), 3, 'nowhere to go');
    among_backups();

    # one at a time
    open my $lock, '<', "$dest/lock" or die;
    flock $lock, 2 or die;
    my $r = ctl('backup', $root, $dest);
    is_exit($r, 3, 'another one is at work');
    like($r->{err}, qr/somebody else is at work/, 'is told');
    is_exit(ctl('restore', $dest, $root), 3, 'nor is there a restore');

    # but many that only read
    flock $lock, 1 or die;
    is_exit(ctl('restore', '-n', $dest, $root), 0, 'beside who reads, too');
    is_exit(ctl('backups', '--verify', $dest), 0, 'is read');
    is_exit(ctl('backup', $root, $dest), 3, 'and not written');
}


# A restore into a directory of backups would leave a store there, next to which
# no backup is made any more.

sub among_backups {
    my $other = "$work/other";
    is_exit(ctl('backup', $root, $other), 0, 'a directory of backups');
    my $killed = work_dir();
    system('cp', '-a', "$other/lock", "$other/blobs", "$killed/") == 0 or die;
    my $unpacked = work_dir();
    system('cp', '-a', "$other/backups", "$unpacked/") == 0 or die;

    for (['itself', $other, $other], ['another one', $dest, $other],
        ['one of a killed first', $other, $killed],
        ['one that was unpacked', $other, $unpacked])
    {
        my ($name, $from, $into) = @$_;
        for my $dry ('', '--dry-run') {
            my $r = ctl('restore', $dry || (), $from, $into);
            is_exit($r, 3, "$name is no place for a store $dry");
            like($r->{err}, qr/\Q$into\E is a directory of backups/, 'is told');
        }
        ok(!-e "$into/docker/registry/v2", 'there is none');
    }
    is_exit(ctl('backup', $root, $other), 0, 'backups go on');
}


sub owner {
    SKIP: {
        skip_tests('only root can', 4) if $> != 0;
        my $store = work_dir();
        chown 65534, 65534, "$store" or die;
        is_exit(ctl('restore', $dest, $store), 0, 'as root');
        my ($rc, $said) = run_command(30, 'find', "$store", '!', '-uid',
            65534);
        is($said, '', 'all of it is the owner\'s');
        is_exit(ctl({ uid => 65534 }, 'restore', $dest, $store), 3,
            'who may not read a backup cannot restore it');
        is_exit(ctl({ uid => 65534 }, 'ls', $store), 0, 'but has his store');
    }
}


# The script of docs/backup.md that sends a backup elsewhere: what breaks leaves
# those alone that are there.

sub stream {
    SKIP: {
        skip_tests('no bash or no zstd here', 8) if system(
            'command -v bash zstd >/dev/null 2>&1');
        my $dir = work_dir();
        my ($text) = grep { /--tar \| zstd/ } split /\n\n/,
            file_text("$FindBin::Bin/../docs/backup.md");
        $text =~ s/^ {4}//mg;
        mkdir "$dir/$_" or die for qw(bin far);
        symlink registryctl(), "$dir/bin/registryctl" or die;
        put_file("$dir/bin/ssh",
            "#!/bin/sh\nshift; cd $dir/far && eval \"\$*\"");
        chmod 0755, "$dir/bin/ssh" or die;
        my $far = sub { return map { s{.*/}{}r } glob "$dir/far/*" };
        my $run = sub {
            put_file("$dir/run", $text =~ s{/var/lib/registry}{$_[0]}r);
            return run_command(60, 'sh', '-c',
                'PATH=$1/bin:$PATH bash $1/run 2>&1', 'sh', "$dir");
        };
        my ($rc, $said) = $run->($root);
        is($rc, 0, 'a stream to another machine') or diag $said;
        my ($name, @more) = $far->();
        like($name, qr/\Aregistry-\d{8}T\d{6}Z\.tar\.zst\z/, 'has its date');
        is(scalar @more, 0, 'and nothing else is there');
        my $size = -s "$dir/far/$name";
        cmp_ok($size, '>', 1000, 'the backup');
        is(system("zstd -dc $dir/far/$name | tar -tf - >/dev/null"), 0,
            'which is whole');
        ($rc) = $run->("$work/none");
        isnt($rc, 0, 'one that breaks tells');
        is(join(' ', grep { !/\.part\z/ } $far->()), $name,
            'and is no backup');
        is(-s "$dir/far/$name", $size, 'the good one stays');
    }
}


# What conf.examples runs at night.

sub examples {
    my $top = "$FindBin::Bin/../conf.examples";
    my $dir = "$work/examples";

    for my $name (qw(registry-backup.service registry-backup.cron)) {
        my @calls = grep { !/^#/ && /registryctl (backups?) (.*)/ }
            split /\n/, file_text("$top/$name");
        cmp_ok(scalar @calls, '>', 0, "$name: calls");
        for (@calls) {
            my ($command, $rest) = /registryctl (backups?) (.*)/;
            my @args = map { m{\A/var/lib/} ? $root : m{\A/backup/} ? $dir
                : $_ } split / /, $rest;
            is_exit(ctl($command, @args), 0, "$name: $command $rest");
        }
    }

    # without its disk nothing is written
    like(file_text("$top/registry-backup.service"),
        qr/^AssertPathIsMountPoint=\/backup$/m, 'the service needs its disk');
    my $bin = work_dir();
    put_file("$bin/mountpoint", "#!/bin/sh\nexec false\n");
    put_file("$bin/$_", "#!/bin/sh\necho called\n") for qw(registryctl ionice);
    chmod 0755, glob "$bin/*" or die;
    my ($night, $sunday) = map { (split ' ', $_, 7)[6] } grep { /^\d/ }
        split /\n/, file_text("$top/registry-backup.cron");
    for ([ $night, "/backup is not mounted\n" ], [ $sunday, '' ]) {
        my ($rc, $said) = run_command(10, 'sh', '-c',
            "PATH=$bin:\$PATH; $_->[0]");
        isnt($rc, 0, 'cron: a disk that is not mounted');
        is($said, $_->[1], 'nothing is called');
    }
}


# Pushes, moving tags, deletes and collections all the time: each backup is
# restored, and must have what was there all the time, and all of what it has.

sub drill {
    my $stop = "$work/stop";
    my @pids;

    for my $n (1 .. 3) {
        my $pid = fork;
        die "fork: $!\n" if !defined $pid;
        if (!$pid) {
            my $end = time + 120;
            my $ok = eval {
                for (my $i = 0; !-e $stop && time < $end; $i++) {
                    my $repo = 'busy/' . $i % 3;
                    my $new = $t->push_image($repo, "moving-$n",
                        seed => "$n-$i", layers => [ blob(2000, "$n-$i"),
                            blob(50_000, 'base') ]);
                    my $list = to_json(manifest_index([ descriptor(
                        OCI_MANIFEST, $new->{digest}, length $new->{bytes}) ]));
                    my $r = $t->push_manifest($repo, "list-$n", $list,
                        OCI_INDEX);
                    die $r->as_text if $r->status != 201;
                    $t->delete("/v2/$repo/manifests/" . sha256($list));
                    $t->delete("/v2/$repo/manifests/$new->{digest}")
                        if $i % 2;
                    $t->push_image('same', "tag-$n", seed => $i % 2);
                }
                1;
            };
            print STDERR "# $@" if !$ok;
            POSIX::_exit($ok ? 0 : 1);
        }
        push @pids, $pid;
    }

    my $collector = fork;
    die "fork: $!\n" if !defined $collector;
    if (!$collector) {
        my ($end, $bad, $freed) = (time + 120, 0, 0);
        while (!-e $stop && time < $end) {
            my $r = ctl(qw(gc --grace 5s), $root);
            $bad++ if $r->{rc} ne '0';
            print STDERR "# $r->{err}" if $r->{rc} ne '0';
            $freed += () = $r->{out} =~ /\n/g;
            sleep 0.3;
        }
        POSIX::_exit($bad ? 1 : $freed ? 0 : 2);
    }
    push @pids, $collector;

    sleep 1;
    my $dir = "$work/drill";
    my ($said, $made, $end) = ('', 0, time + 10);
    while (time < $end) {
        my $r = ctl('backup', $root, $dir, $made % 2 ? '--copy' : ());
        $made++;
        $said .= $r->{err} if $r->{rc} ne '0';
    }
    put_file($stop, '');
    my $failed = 0;
    for (@pids) {
        waitpid $_, 0;
        $failed++ if $?;
    }
    is($failed, 0, 'every push was answered, and every collection freed');
    is($said, '', "$made backups, nothing left out");
    is_exit(ctl('backups', '--verify', $dir), 0, 'all are whole');

    my @all = @{ names($dir) };
    my (@bad, %lost);
    for my $id (@all[0, int(@all / 2), -1]) {
        my $nginx = empty();
        my $r = ctl('restore', $dir, $nginx->{root}, '--snapshot', $id);
        push @bad, $r->{err} if $r->{rc} ne '0';
        my $has = served($nginx);
        $lost{$_}++ for grep { !$has->{$_} } 'team/one:v1', 'team/two:v1',
            'team/one:nested', map { "same:tag-$_" } 1 .. 3;
        push @bad, pull_all($nginx);
        $r = ctl(qw(audit --grace 0), $nginx->{root});
        push @bad, $r->{out} if $r->{rc} ne '0';
        $nginx->finish;
    }
    is_deeply(\@bad, [], 'three of them were restored and pulled');
    is_deeply(\%lost, {}, 'with all that was there all the time');
}

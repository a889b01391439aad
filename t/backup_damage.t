#!/usr/bin/perl

# Backup and restore of what is not as it should be: images of other times,
# bytes that are damaged, disks that do not read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path remove_tree);
use JSON::PP qw(decode_json);
use POSIX qw(mkfifo);
use Test::More;

use Test::Registry;
use Test::Registry::Command;

use constant SCHEMA1 =>
    'application/vnd.docker.distribution.manifest.v1+prettyjws';

my $work = work_dir();
my $n = 0;

schema_one();
noted();
unreadable();
marked();
older();
unparsed();
denied();
links();
which();

done_testing();


sub in { return decode_json($_[0]{out}) }

sub fresh { my $dir = "$work/" . ++$n; mkdir $dir or die; return $dir }

sub below { return "$_[0]/docker/registry/v2/$_[1]" }

sub split_of { return $_[0] =~ s{:}{/}r }

sub data { return below($_[0], 'blobs/' . ($_[1] =~ s{:(..)}{/$1/$1}r)
    . '/data') }

sub pool { my ($dir, $d) = @_; return "$dir/blobs/" . $d =~ s{:(..)}{/$1/$1}r }

sub layer_of { return below($_[0], "repositories/$_[1]/_layers/"
    . split_of($_[2]) . '/link') }

sub tag_of { return below($_[0],
    "repositories/$_[1]/_manifests/tags/$_[2]/current/link") }


# Files as any registry writes them, without what ours notes beside them.

sub put {
    my ($path, $text) = @_;

    make_path($path =~ s{/[^/]*\z}{}r);
    put_file($path, $text);
}


sub put_bytes {
    my ($root, $bytes) = @_;

    my $d = sha256($bytes);
    put(data($root, $d), $bytes);
    return $d;
}


sub put_layer {
    my ($root, $repo, $bytes) = @_;

    my $d = put_bytes($root, $bytes);
    put(layer_of($root, $repo, $d), $d);
    return $d;
}


sub put_manifest {
    my ($root, $repo, $tag, $bytes) = @_;

    my $d = put_bytes($root, $bytes);
    my $at = below($root, "repositories/$repo/_manifests");
    put("$at/revisions/" . split_of($d) . '/link', $d);
    if (defined $tag) {
        put("$at/tags/$tag/index/" . split_of($d) . '/link', $d);
        put("$at/tags/$tag/current/link", $d);
    }
    return $d;
}


sub put_image {
    my ($root, $repo, $tag, $bytes) = @_;

    my $config = to_json({ of => sha256($bytes) });
    put_layer($root, $repo, $_) for $config, $bytes;
    return put_manifest($root, $repo, $tag, to_json(manifest(
        descriptor(OCI_CONFIG, $config), [ descriptor(OCI_LAYER, $bytes) ])));
}


# A call for which the disk does not read one file.

sub without {
    my ($file, $error, @args) = @_;

    return ctl({ wrap => [ qw(strace -f -o /dev/null -P), $file,
        '-etrace=read,pread64', "-einject=read,pread64:error=$error" ] },
        @args);
}


# Manifest and layers of Docker's schema 1, in a store that was another's.

sub schema_one {
    my $root = fresh();
    my @layers = map { put_layer($root, 'old', blob(500, "old-$_")) } 1 .. 2;
    my $m = put_manifest($root, 'old', 'v1', to_json({ schemaVersion => 1,
        name => 'old', tag => 'v1', architecture => 'amd64',
        fsLayers => [ map { { blobSum => $_ } } @layers, $layers[0] ],
        history => [], signatures => [ {} ] }));

    my $dest = "$work/one";
    my $r = ctl(qw(backup --json), $root, $dest);
    is_exit($r, 0, 'a backup of schema 1');
    is(in($r)->{blobs}, 3, 'has its layers');
    is_exit(ctl(qw(audit --grace 0), $root), 0, 'nothing is wrong with it');

    my $to = fresh();
    is_exit(ctl('restore', $dest, $to), 0, 'it is restored');
    is(file_text(tag_of($to, 'old', 'v1')), $m, 'with its tag');
    is_deeply([ map { file_text(layer_of($to, 'old', $_)) } @layers ],
        \@layers, 'and its layers');
    is_exit(ctl(qw(audit --digests --grace 0), $to), 0, 'the audit agrees');
    my ($id) = file_text("$dest/backups/" . in($r)->{id} . '.json')
        =~ /"mediaType":"([^"]+)"/;
    is($id, SCHEMA1, 'its type is in the listing');

    unlink data($root, $layers[1]) or die;
    $r = ctl('backup', $root, "$work/lost");
    is_exit($r, 1, 'a layer that is gone');
    like($r->{err}, qr/left out: old \Q$m\E: something that it refers to/,
        'is told');
    $r = ctl(qw(audit --grace 0), $root);
    is_exit($r, 1, 'the audit');
    like($r->{out}, qr/^reference-missing \S+: refers to $layers[1],/m,
        'tells, too');

    # layers that nobody can tell are no reason to call it saved
    $root = fresh();
    $m = put_manifest($root, 'old', 'v1', to_json({ schemaVersion => 1,
        fsLayers => [ { blobSum => 'tarsum+sha256:1' } ] }));
    $r = ctl('backup', $root, "$work/odd");
    is_exit($r, 1, 'layers by another name');
    like($r->{err}, qr/left out: old \Q$m\E: what it refers to cannot be told/,
        'are told');
    $r = ctl(qw(audit --grace 0), $root);
    like($r->{out}, qr/^manifest-invalid .* does not tell which layers/m,
        'by the audit, too');
    is_exit(ctl(qw(gc --grace 2s --dry-run), $root), 1,
        'and gc leaves the repository alone');
}


# What the store has noted of a file, its size, or that it is corrupt, is not
# passed over because nothing is read where all is linked.

sub noted {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $root = $t->{root};
    my $bytes = blob(1000, 'noted');
    my ($d, $data) = (sha256($bytes), data($root, sha256($bytes)));
    $t->push_image('noted', 'v1', seed => 'noted', layers => [ $bytes ]);

    SKIP: {
        skip_tests('no user attributes on this file system', 19)
            if system("setfattr -n user.test -v x $data >/dev/null 2>&1");

        my $dest = "$work/noted";
        is_exit(ctl('backup', $root, $dest), 0, 'a backup');
        is((stat pool($dest, $d))[1], (stat $data)[1], 'by links');

        # both are the same file
        truncate $data, 500 or die;
        is_error($t->get("/v2/noted/blobs/$d"), 404, 'BLOB_UNKNOWN',
            'a layer that was cut');
        for my $dir ($dest, "$work/noted-2") {
            my $r = ctl('backup', $root, $dir);
            is_exit($r, 1, 'is not saved');
            like($r->{err}, qr/left out: noted v1: /, 'and told');
            is(ctl('backups', $dir)->{out} =~ /\tincomplete\n\z/, 1,
                'the backup says so');
        }
        unlink $data or die;
        $t->push_blob('noted', $bytes);
        is_exit(ctl('backup', $root, $dest), 0, 'it was pushed again');
        is(file_text(pool($dest, $d)), $bytes, 'and replaces what was cut');

        # one that rotted, and was found out
        open my $fh, '+<', $data or die;
        syswrite $fh, '!' or die;
        close $fh;
        is_exit(ctl('scrub', $root), 1, 'scrub puts it away');
        $t->push_blob('noted', $bytes);
        my $r = ctl('backup', $root, $dest);
        is_exit($r, 0, 'the next push brings it back');
        is_exit(ctl('backups', '--verify', $dest), 0,
            'into the backup, too');
        is(file_text(pool($dest, $d)), $bytes, 'as it was');
    }
    $t->finish(audit => 0);
}


# A disk that does not read one file costs what needs that file.

sub unreadable {
    SKIP: {
        skip_tests('no strace here', 55)
            if system('strace -V >/dev/null 2>&1') != 0;

        my $root = fresh();
        my $bad = put_image($root, 'a', 'bad', 'x');
        my $good = put_image($root, 'b', 'v1', 'y');
        my $layer = sha256('x');
        my %what = (
            manifest => data($root, $bad),
            link => layer_of($root, 'a', $layer),
            tag => tag_of($root, 'a', 'bad')
        );

        for my $name (sort keys %what) {
            for my $error (qw(EIO EUCLEAN EBADMSG)) {
                my $dest = "$work/no-$name-$error";
                my $r = without($what{$name}, $error, 'backup', $root, $dest);
                is_exit($r, 1, "a $name gives $error");
                like($r->{err}, qr/left out: a bad: /, 'its tag is left out');
                like($r->{err}, qr/, 1 tags, /, 'and the other is not');
            }
        }
        my $dest = "$work/no-manifest-EIO";
        my $tar = "$work/ended.tar";
        my $note = "$root/docker/registry/nginx/backup.done";
        make_path("$root/docker/registry/nginx/tmp");
        is_exit(ctl('backup', $root, $dest), 0, 'the disk is well again');
        ok(unlink($note), 'which is noted');
        my @names = glob "$dest/backups/*";
        is_exit(without($what{manifest}, 'EMFILE', 'backup', $root, $dest), 3,
            'what is no damage ends a backup');
        is_deeply([glob "$dest/backups/*"], \@names, 'which has no name');
        is_exit(without($what{manifest}, 'EMFILE', 'backup', '--tar', $root,
            $tar), 3, 'a tar, too');
        ok(!-e $tar, 'which has none either');
        ok(!-e $note, 'and neither is noted as done');

        # the backup's own disk
        for my $file ($bad, $layer) {
            my $to = fresh();
            my $r = without(pool($dest, $file), 'EIO', 'restore', $dest, $to);
            is_exit($r, 1, 'a backup that is not read');
            like($r->{err}, qr/not brought back: a bad: /, 'is told');
            is(file_text(tag_of($to, 'b', 'v1')), $good, 'the rest is back');
            ok(!-e tag_of($to, 'a', 'bad'), 'and no more');
        }

        my $to = fresh();
        is_exit(ctl('restore', $dest, $to), 0, 'all of it');
        my $r = without(tag_of($to, 'a', 'bad'), 'EIO', 'restore', $dest, $to);
        is_exit($r, 1, 'a tag in the store');
        like($r->{err}, qr/not brought back: a bad: what it is now cannot/,
            'is told');
    }
}


# What the store knows to be damaged comes back without --verify.

sub marked {
    my $root = fresh();
    my $bytes = blob(1000, 'marked');
    my $d = sha256($bytes);
    put_image($root, 'a', 'v1', $bytes);
    put_image($root, 'b', 'v1', 'y');
    my ($dest, $data) = ("$work/marked", data($root, $d));
    is_exit(ctl(qw(backup --copy), $root, $dest), 0, 'a whole backup');

    SKIP: {
        skip_tests('no user attributes on this file system', 9) if system(
            "setfattr -n user.registry.size -v 1 $data >/dev/null 2>&1");

        # in place: scrub had no room to put it away
        my $size = 18446744073709551615;
        system('setfattr', '-n', 'user.registry.size', '-v', $size, $data);
        my $r = ctl(qw(restore --dry-run --json), $dest, $root);
        is(in($r)->{blobs}, 1, 'one would come back');
        $r = ctl(qw(restore --json), $dest, $root);
        is_exit($r, 0, 'one that is marked');
        is(in($r)->{blobs}, 1, 'is replaced');
        is_exit(ctl(qw(audit --grace 0), $root), 0, 'the audit agrees');
        is(in(ctl(qw(restore --json), $dest, $root))->{blobs}, 0,
            'then it is well');
        truncate $data, 0 or die;
        is_exit(ctl('restore', $dest, $root), 0, 'one that is empty');
        is(file_text($data), $bytes, 'is replaced as well');
    }
}


# What an older registry took, and a push would not: it is put back as a push
# would do it all the same.

sub older {
    my $root = fresh();
    my $image = put_image($root, 'a', 'v1', 'older');
    my $length = -s data($root, $image);
    my $mark = manifest(descriptor(OCI_CONFIG, '{}'), []);
    put_layer($root, 'a', '{}');
    $mark->{subject} = descriptor(OCI_MANIFEST, $image, $length);
    $mark->{layers} = [ { digest => sha256('older'), size => 5 } ];
    my $referrer = put_manifest($root, 'a', 'mark', to_json($mark));
    my $list = manifest_index([ descriptor(OCI_MANIFEST, $image, $length) ]);
    $list->{layers} = [];
    put_manifest($root, 'a', 'list', to_json($list));

    my $dest = "$work/older";
    is_exit(ctl(qw(backup --copy), $root, $dest), 0, 'of another time');
    my $to = fresh();
    is_exit(ctl('restore', $dest, $to), 0, 'is restored');
    is(file_text(tag_of($to, 'a', 'mark')), $referrer, 'with its tag');
    my $entry = below($to, 'repositories/a/_referrers/' . split_of($image)
        . '/' . split_of($referrer) . '/link');
    is(-e $entry ? file_text($entry) : '', $referrer,
        'and its entry as a referrer');

    put_file(pool($dest, sha256('older')), 'redlo');
    $to = fresh();
    my $r = ctl('restore', $dest, $to);
    is_exit($r, 1, 'a layer is damaged in the backup');
    like($r->{err}, qr/not brought back: a $_: what it refers to was not/,
        "$_ is told") for 'list';
    ok(!-e tag_of($to, 'a', $_), "there is no tag $_") for qw(v1 list mark);
}


# What another registry took for a manifest, and nobody can read: it is left
# out, with what needs it, and the rest is saved.

sub unparsed {
    my $many = '{"schemaVersion":2,"config":{},"layers":[],"x":['
        . join(',', (1) x 250_000) . ']}';
    my $n = 0;

    for my $bytes ($many, '', 'not json', '[1]', '{"schemaVersion":2,',
        "\xff\xfe")
    {
        my $root = fresh();
        my $dest = "$work/unparsed-" . ++$n;
        my $whole = put_image($root, 'whole', 'v1', 'x');
        my $child = put_image($root, 'old', 'v1', 'y');
        is_exit(ctl('backup', $root, $dest), 0, "$n: a backup");

        my $bad = put_manifest($root, 'old', 'bad', $bytes);
        my $index = put_manifest($root, 'old', 'index', to_json(
            manifest_index([ map { { mediaType => OCI_MANIFEST,
                digest => $_, size => 1 } } $bad, $child ])));
        my $r = ctl(qw(backup --json --keep 1), $root, $dest);
        is_exit($r, 1, "$n: a manifest that is none");
        my %left = map { $_->{what} => $_ } @{ in($r)->{left_out} };
        is_deeply([ sort keys %left ], [ sort $bad, $index, 'bad', 'index' ],
            "$n: is left out, with what needs it");
        is($left{$bad}{repository}, 'old', "$n: its repository is named");
        like($r->{err}, qr/left out: old \Q$bad\E: it is no manifest/,
            "$n: and why");
        is(in($r)->{removed}, 0, "$n: no older one is removed");
        is(in($r)->{tags}, 2, "$n: the rest is saved");

        my $to = fresh();
        is_exit(ctl('restore', $dest, $to), 1, "$n: a restore says so, too");
        is(file_text(tag_of($to, 'old', 'v1')), $child, "$n: the rest is");
        is(file_text(tag_of($to, 'whole', 'v1')), $whole, "$n: there");
    }
}


# Who may not read a directory of repositories does not know what is in it.

sub denied {
    SKIP: {
        skip_tests('only root can', 51) if $> != 0;
        my $root = fresh();
        put_image($root, $_, 'v1', $_) for qw(app/api app/web other);
        my $dest = work_dir();
        run_command(30, 'chown', '-R', '65534', $root, "$dest");
        chmod 0755, $work or die;
        my @user = ({ uid => 65534 });
        my $r = ctl(@user, qw(backup --json), $root, "$dest/b");
        is_exit($r, 0, 'a backup of all');
        my $first = in($r)->{id};

        my $repositories = below($root, 'repositories');
        for my $row ([ "$repositories/app", 0700, 'a directory' ],
            [ "$repositories/app", 0711, 'one that may be searched' ],
            [ "$repositories/app", 0744, 'one that may be listed' ],
            [ $repositories, 0744, 'that of all of them' ])
        {
            my ($dir, $mode, $what) = @$row;
            chown 0, 0, $dir or die;
            chmod $mode, $dir or die;
            for my $call ([ qw(backup --keep 1), $root, "$dest/b" ],
                [ qw(backup --tar), $root, "$dest/b.tar" ], [ 'ls', $root ],
                [ qw(ls -l), $root, 'app/**' ], [ 'du', $root ],
                [ qw(rm --yes), $root, '**:none' ])
            {
                $r = ctl(@user, @$call);
                is_exit($r, 3, "$what: $call->[0] does not do without");
                like($r->{err}, qr/repositories\S*: Permission denied/,
                    "$what: $call->[0] says why");
            }
            chown 65534, 65534, $dir or die;
            chmod 0755, $dir or die;
        }
        is_deeply([ map { (split /\t/)[0] } split /\n/,
            ctl(@user, 'backups', "$dest/b")->{out} ], [ $first ],
            'the backup of all is there');
        is_exit(ctl(@user, qw(backup --keep 1), $root, "$dest/b"), 0,
            'who may read it again');
    }
}


# A tag whose link was damaged was not deleted.

sub links {
    my $i = 0;
    my $file = sub { remove_tree($_[0]); put_file($_[0], 'x') };
    my @rows = (
        [ 'an empty link', 'current/link', sub { put_file($_[0], '') } ],
        [ 'one that was cut', 'current/link',
            sub { truncate $_[0], 40 or die } ],
        [ 'a directory in its place', 'current/link',
            sub { unlink $_[0]; mkdir $_[0] or die } ],
        [ 'a symbolic link', 'current/link', sub { rename $_[0], "$_[0].x";
            symlink 'link.x', $_[0] or die } ],
        [ 'a FIFO', 'current/link',
            sub { unlink $_[0]; mkfifo($_[0], 0600) or die } ],
        [ 'a file above it', 'current', $file ],
        [ 'a file in place of the tag', '', $file ],
    );

    for (@rows) {
        my ($what, $at, $damage) = @$_;
        my $root = fresh();
        my $dest = "$work/links-" . ++$i;
        put_image($root, 'app/web', $_, $_) for 1 .. 3;
        is_exit(ctl('backup', $root, $dest), 0, "$what: a backup");
        my $tag = below($root, 'repositories/app/web/_manifests/tags/2');
        $damage->($at eq '' ? $tag : "$tag/$at");

        my $r = ctl(qw(backup --json --keep 1), $root, $dest);
        is_exit($r, 1, "$what is damage");
        is_deeply([ map { "$_->{repository}:$_->{what} $_->{text}" }
            @{ in($r)->{left_out} } ],
            [ 'app/web:2 its link names nothing' ], "$what: the tag is named");
        is(in($r)->{tags}, 2, "$what: the others are saved");
        is(in($r)->{manifests}, 3, "$what: and the manifest");
        is(in($r)->{removed}, 0, "$what: the older backup stays");
        is_exit(ctl('restore', $dest, fresh()), 1, "$what: is restored so");
    }

    # a manifest that no tag names, such as a signature

    for my $text ('', 'sha256:12', sha256('another')) {
        my $root = fresh();
        my $dest = "$work/links-" . ++$i;
        put_image($root, 'app/web', 'v1', 'x');
        my $d = put_image($root, 'app/web', undef, 'y');
        is_exit(ctl('backup', $root, $dest), 0, 'a backup without a tag');
        put_file(below($root, 'repositories/app/web/_manifests/revisions/'
            . split_of($d) . '/link'), $text);
        my $r = ctl(qw(backup --json --keep 1), $root, $dest);
        is_exit($r, 1, "a manifest's link is '$text'");
        is_deeply([ map { "$_->{what} $_->{text}" } @{ in($r)->{left_out} } ],
            [ "$d its link names nothing of it" ], 'the manifest is named');
        is(in($r)->{removed}, 0, 'the older backup stays');
    }

    my $root = fresh();
    my $dest = "$work/links-" . ++$i;
    put_image($root, 'app/web', $_, $_) for 1 .. 3;
    my $tags = below($root, 'repositories/app/web/_manifests/tags');
    unlink "$tags/2/current/link" or die;
    my $r = ctl(qw(backup --json), $root, $dest);
    is_exit($r, 0, 'a tag without a link is deleted, or not yet there');
    is(in($r)->{tags}, 2, 'the others are');

    $file->($tags);
    $r = ctl(qw(backup --json --keep 1), $root, $dest);
    is_exit($r, 1, 'a file in place of all tags');
    is_deeply([ map { "$_->{what} $_->{text}" } @{ in($r)->{left_out} } ],
        [ 'tags they are no directory' ], 'is told');
    is(in($r)->{manifests}, 3, 'the manifests are saved');
    is_exit(ctl('restore', $dest, fresh()), 1, 'is restored so');
}


# Of two disks the message names the one that failed.

sub which {
    SKIP: {
        skip_tests('no strace here', 15)
            if system('strace -V >/dev/null 2>&1') != 0;

        my $root = fresh();
        my $m = put_image($root, 'a', 'v1', 'x');
        my $dest = "$work/which";
        is_exit(ctl(qw(backup --copy), $root, $dest), 0, 'a backup');

        my $fails = sub {
            my ($call, $error, @args) = @_;
            return ctl({ wrap => [ qw(strace -f -o /dev/null), "-etrace=$call",
                "-einject=$call:error=$error" ] }, @args);
        };
        my $list = sub {
            return ctl({ wrap => [ qw(strace -f -o /dev/null -P),
                below($root, 'repositories'), '-etrace=getdents64',
                '-einject=getdents64:error=EIO' ] }, @_);
        };
        my $to = fresh();
        my @rows = (
            [ $root, 'the store cannot be read',
                without(data($root, $m), 'EMFILE', 'backup', $root, $dest) ],
            [ $root, 'nor listed', $list->('backup', $root, $dest) ],
            [ $root, 'for a tar', $list->(qw(backup --tar), $root,
                "$dest.tar") ],
            [ "$dest-2", 'the backup cannot be written', $fails->('fsync',
                'ENOSPC', qw(backup --copy), $root, "$dest-2") ],
            [ '-', 'nor a tar', ctl({ stdout => '/dev/full' },
                qw(backup --tar), $root, '-') ],
            [ $dest, 'the backup cannot be read',
                without(pool($dest, $m), 'EMFILE', 'restore', $dest, $to) ],
            [ $to, 'the store cannot be written', $fails->('fsync', 'ENOSPC',
                'restore', $dest, $to) ]
        );
        for (@rows) {
            my ($disk, $what, $r) = @$_;
            is_exit($r, 3, $what);
            like($r->{err}, qr/^registryctl: \Q$disk\E: [a-z]/m, 'says so');
        }
    }
}

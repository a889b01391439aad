#!/usr/bin/perl

# Durable before 201: the order of system calls before each acknowledgement,
# taken from a trace (F11).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(dirname);
use Test::More;

use Test::Registry;
use Test::Registry::Trace;


skip_suite(Test::Registry::Trace::why(), 165)
    if !Test::Registry::Trace::available();

# The whole path of every call: with one pool thread the calls of a request
# stand in the order in which they were made.

my $t = Test::Registry->new(
    main => 'thread_pool one threads=1;',
    location => 'registry_delete on; registry_thread_pool one;')->run;

my $root = $t->root;
my $v2 = "$root/docker/registry/v2";
my @calls_of_interest = qw(
    open openat creat close write pwrite64 writev pwritev pwritev2
    fsync fdatasync rename renameat renameat2 link linkat mkdir mkdirat unlink
    unlinkat rmdir sendto sendmsg
);

first_blob();
second_blob();
large_blob();
chunked_blob();
acknowledged_parts();
saved_state();
mounted();
one_manifest();
manifest_by_digest();
manifest_with_tags();
referrer();
deleted();
deleted_repository();
cancelled();

finish($t);


# Runs code under a trace; returns the events in order:
# [kind, path or paths, time]. Kinds: data, sync, rename, mkdir, unlink, reply.

sub events {
    my ($code) = @_;

    my ($pid) = $t->workers;
    my $trace = Test::Registry::Trace->attach($pid,
        calls => \@calls_of_interest);
    my $ok = eval {
        $code->();

        # The trace of a reply is whole when the next one has come.

        $t->get('/v2/');
        1;
    };
    my @calls = $trace->stop;
    die $@ if !$ok;

    my @events;
    for my $call (sort { ($a->{end} // 1e18) <=> ($b->{end} // 1e18) } @calls)
    {
        my ($name, $args, $ret) = @{$call}{qw(name args ret)};
        next if !defined $ret || $ret =~ /\A-1/;

        my ($fd) = $args =~ /\A\d+<([^>]*)>/;
        my @paths = paths_of($args);

        if ($name =~ /\A(?:fsync|fdatasync)\z/) {
            push @events, ['sync', $fd];

        } elsif ($name =~ /\A(?:rename|link)/) {
            push @events, [$name =~ /\Alink/ ? 'link' : 'rename', @paths];

        } elsif ($name =~ /\Amkdir/) {
            push @events, ['mkdir', $paths[0]];

        } elsif ($name =~ /\A(?:unlink|rmdir)/) {
            push @events, ['unlink', $paths[0]];

        } elsif ($name =~ /\A(?:p?writev?2?|pwrite64|sendto|sendmsg)\z/) {
            if (defined $fd && $fd =~ /\ATCP/) {
                push @events, ['reply', $args =~ /HTTP\/1\.1 (\d+)/];
            } elsif (defined $fd && $fd =~ /\A\Q$root\E/) {
                push @events, ['data', $fd];
            }

        } elsif ($name =~ /\A(?:open|openat|creat)\z/
                 && $args =~ /O_CREAT/ && $ret =~ /<([^>]*)>/)
        {
            push @events, ['create', $1];
        }
    }

    return @events;
}


# Paths of a call, those relative to a directory descriptor made whole.

sub paths_of {
    my ($args) = @_;

    my @paths;
    while ($args =~ /(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g) {
        my ($dir, $path) = ($1, $2);
        push @paths, $path =~ m{\A/} || !defined $dir ? $path : "$dir/$path";
    }
    return map { s{/+}{/}gr =~ s{/\z}{}r } @paths;
}


sub show {
    diag join "\n", map { join ' ', map { $_ // '?' } @$_ } @_;
}


# Every event before the first reply with that status, or the nth.

sub before_reply {
    my ($status, @events) = @_;

    return before_nth($status, 1, @events);
}


sub before_nth {
    my ($status, $n, @events) = @_;

    my @before;
    for my $e (@events) {
        return @before if $e->[0] eq 'reply' && ($e->[1] // '') eq $status
            && !--$n;
        push @before, $e;
    }

    fail("no reply with $status in the trace");
    show(@events);
    return ();
}


# Index of the last event that matches, or -1.

sub last_of {
    my ($test, @events) = @_;

    my $found = -1;
    for my $i (0 .. $#events) {
        local $_ = $events[$i];
        $found = $i if $test->();
    }
    return $found;
}


# The file at its final path is whole and durable: its last write is followed
# by a sync of the file, that by the rename to the final name, that by a sync
# of its directory.

sub is_durable {
    my ($final, $name, @before) = @_;

    my $rename = last_of(sub {
        ($_->[0] eq 'rename' || $_->[0] eq 'link') && ($_->[2] // '') eq $final
    }, @before);

    ok($rename >= 0, "F11 $name: renamed to its final name")
        or do { show(@before); return };

    my $from = $before[$rename][1];
    my $data = last_of(sub { $_->[0] eq 'data' && $_->[1] eq $from }, @before);
    my $sync = last_of(sub { $_->[0] eq 'sync' && $_->[1] eq $from },
        @before[0 .. $rename]);
    my $dir = dirname($final);
    my $dirsync = last_of(sub { $_->[0] eq 'sync' && $_->[1] eq $dir },
        @before);

    ok($data >= 0, "F11 $name: bytes were written") or show(@before);
    my $ok = $sync > $data && $sync < $rename && $rename < $dirsync;
    ok($ok, "F11 $name: sync, rename, sync of the directory, in this order")
        or do { diag "write $data, sync $sync, rename $rename,"
            . " directory $dirsync"; show(@before) };
}


# Each directory that was made is an entry of its parent, which is synced
# after it. So many at least have to be made, or this would say nothing.

sub parents_synced {
    my ($name, $made, @before) = @_;

    my (@missing, $count);
    for my $i (0 .. $#before) {
        next if $before[$i][0] ne 'mkdir';
        my $path = $before[$i][1];
        next if $path !~ /\A\Q$v2\E/ || $path =~ m{/_uploads(?:/|\z)};
        $count++;
        my $parent = dirname($path);
        push @missing, $path if last_of(sub {
            $_->[0] eq 'sync' && $_->[1] eq $parent
        }, @before) < $i;
    }

    ok(!@missing, "F11 $name: the parent of every new directory is synced")
        or do { diag "not synced: the parent of @missing"; show(@before) };
    cmp_ok($count // 0, '>=', $made, "F11 $name: directories were made")
        or show(@before);
}


# The first is on disk before the second gets its name.

sub in_order {
    my ($first, $second, $name, @before) = @_;

    my ($a, $b) = map {
        my $path = $_;
        last_of(sub {
            $_->[0] =~ /\A(?:rename|link)\z/ && $_->[2] eq $path
        }, @before)
    } $first, $second;

    my $synced = last_of(sub {
        $_->[0] eq 'sync' && $_->[1] eq dirname($first)
    }, @before[0 .. ($b > 0 ? $b - 1 : 0)]);
    ok($a >= 0 && $a < $synced && $synced < $b, "F11 $name")
        or do { diag "first $a, sync $synced, second $b"; show(@before) };
}


sub layer_link {
    my ($repo, $digest) = @_;

    my ($alg, $hex) = split /:/, $digest;
    return $t->repo_dir($repo) . "/_layers/$alg/$hex/link";
}


sub revision_link {
    my ($repo, $digest) = @_;

    my ($alg, $hex) = split /:/, $digest;
    return $t->repo_dir($repo) . "/_manifests/revisions/$alg/$hex/link";
}


# An empty store: every directory is new.

sub first_blob {
    my $bytes = blob(3_000_000, 'first');
    my $digest = sha256($bytes);
    my $data = $t->blob_file($digest);
    my $link = layer_link('app/one', $digest);

    my @all = events(sub {
        my $l = $t->open_upload('app/one');
        is_status($t->put("$l?digest=$digest", body => $bytes), 201,
            'the first blob');
    });
    my @before = before_reply(201, @all);

    is_durable($data, 'blob data', @before);
    is_durable($link, 'layer link', @before);
    parents_synced('first blob', 8, @before);
    in_order($data, $link, 'the data is there before its link', @before);

    # Nothing of it happens after the reply.

    my $after = @all - @before;
    my @late = grep { $_->[0] =~ /\A(?:rename|link|mkdir)\z/
        && $_->[-1] =~ m{\A\Q$v2\E/(?:blobs|repositories/[^_]*/_layers)} }
        @all[@before .. $#all];
    is(scalar @late, 0, 'F11 nothing is put in place after the reply')
        or show(@late);
}


sub second_blob {
    my $bytes = blob(1000, 'second');
    my $digest = sha256($bytes);
    my @before = before_reply(201, events(sub {
        is_status($t->post("/v2/app/one/blobs/uploads/?digest=$digest",
            body => $bytes), 201, 'a second blob, by one POST');
    }));

    is_durable($t->blob_file($digest), 'second blob', @before);
    is_durable(layer_link('app/one', $digest), 'its link', @before);
    parents_synced('second blob', 2, @before);

    # Bytes that are there already get their link all the same.

    my $link = layer_link('app/two', $digest);
    @before = before_reply(201, events(sub {
        is_status($t->post("/v2/app/two/blobs/uploads/?digest=$digest",
            body => $bytes), 201, 'the same blob to another repository');
    }));
    is_durable($link, 'link to known bytes', @before);
    parents_synced('known bytes', 3, @before);
}


# What is large is synced before the lock is taken, by another call.

sub large_blob {
    my $bytes = blob(5_000_000, 'large');
    my $digest = sha256($bytes);
    my @before = before_reply(201, events(sub {
        my $l = $t->open_upload('app/one');
        is_status($t->put("$l?digest=$digest", body => $bytes), 201,
            'a large blob');
    }));

    is_durable($t->blob_file($digest), 'large blob', @before);
    is_durable(layer_link('app/one', $digest), 'its link', @before);
}


sub chunked_blob {
    my $bytes = blob(2_500_000, 'chunked');
    my $digest = sha256($bytes);
    my @before = before_reply(201, events(sub {
        my $l = $t->open_upload('app/one');
        $t->patch($l, chunks => [unpack '(a100000)*',
            substr $bytes, 0, 2_000_000]);
        is_status($t->put("$l?digest=$digest",
            body => substr $bytes, 2_000_000), 201, 'PATCH and PUT');
    }));

    is_durable($t->blob_file($digest), 'blob in two parts', @before);
    is_durable(layer_link('app/one', $digest), 'its link', @before);
}


# A PATCH of a long upload, and one that adds to a short one, say 202 when the
# data is on disk and the state of its hash is written.

sub acknowledged_parts {
    my %cases = (
        'a long upload' => [blob(600_000, 'long'), 400_000, 1],
        'a short one that grows' => [blob(3000, 'short'), 1000, 2],
    );

    for my $what (sort keys %cases) {
        my ($bytes, $size, $synced) = @{ $cases{$what} };
        my $l;
        my @all = events(sub {
            $l = $t->open_upload('parts');
            is_status($t->patch($l, body => substr $bytes, 0, $size), 202,
                "first part of $what");
            is_status($t->patch($l, body => substr $bytes, $size), 202,
                "last part of $what");
        });
        my ($id) = $l =~ m{([^/]+)\z};
        my $dir = $t->repo_dir('parts') . "/_uploads/$id";

        # the first 202 is the one of the POST

        for my $part ($synced .. 2) {
            my @before = before_nth(202, $part + 1, @all);
            my $write = last_of(sub {
                $_->[0] eq 'data' && $_->[1] eq "$dir/data" }, @before);
            my $sync = last_of(sub {
                $_->[0] eq 'sync' && $_->[1] eq "$dir/data" }, @before);
            my $state = last_of(sub {
                $_->[0] eq 'rename' && index($_->[2], "$dir/hashstates/") == 0
            }, @before);

            ok($write >= 0 && $write < $sync && $sync < $state,
                "F11 part $part of $what: written, synced, its state saved")
                or do { diag "$write, $sync, $state"; show(@before) };
        }

        is_status($t->delete($l), 204, "$what goes");
    }
}


# What is hashed is never read back: so the state of the hash is saved after
# the bytes that it stands for are safe (F12).

sub saved_state {
    my $bytes = blob(1_500_000, 'state');
    my @all = events(sub {
        my $l = $t->open_upload('state');
        my $at = 0;
        for my $size (1_200_000, 100, 0, 299_900) {
            is_status($t->patch($l, body => substr $bytes, $at, $size), 202,
                "PATCH of $size bytes");
            $at += $size;
        }
        $t->delete($l);
    });

    my ($states, @bad) = (0);
    for my $i (0 .. $#all) {
        next if $all[$i][0] ne 'rename' && $all[$i][0] ne 'create';
        next if $all[$i][-1] !~ m{\A(.*)/hashstates/};

        my @before = @all[0 .. $i];
        my $data = "$1/data";
        my $write = last_of(sub {
            $_->[0] eq 'data' && $_->[1] eq $data }, @before);
        my $sync = last_of(sub {
            $_->[0] eq 'sync' && $_->[1] eq $data }, @before);
        $states++;
        push @bad, $all[$i][-1] if $sync < $write;
    }

    cmp_ok($states, '>=', 3, 'F12 the state of the hash is saved');
    ok(!@bad, 'F12 after the bytes are synced')
        or do { diag "not so: @bad"; show(@all) };
}


sub mounted {
    my $digest = sha256(blob(1000, 'second'));
    my @before = before_reply(201, events(sub {
        is_status($t->post('/v2/app/three/blobs/uploads/?from=app/one&mount='
            . $digest, body => ''), 201, 'a mount');
    }));

    is_durable(layer_link('app/three', $digest), 'mounted link', @before);
    parents_synced('mount', 3, @before);
}


sub one_manifest {
    my $image = image(seed => 'durable');
    $t->push_blob('img/one', $_) for $image->{config}, @{ $image->{layers} };

    my @before = before_reply(201, events(sub {
        is_status($t->push_manifest('img/one', 'v1', $image->{bytes}), 201,
            'a manifest');
    }));
    manifest_is_durable('img/one', ['v1'], $image->{digest}, @before);

    # Moved to another manifest.

    my $other = image(seed => 'durable', more => {
        annotations => { other => 'yes' } });
    @before = before_reply(201, events(sub {
        is_status($t->push_manifest('img/one', 'v1', $other->{bytes}), 201,
            'another one under the same tag');
    }));
    manifest_is_durable('img/one', ['v1'], $other->{digest}, @before);
}


sub manifest_is_durable {
    my ($repo, $tags, $digest, @before) = @_;

    my $data = $t->blob_file($digest);
    my $revision = revision_link($repo, $digest);
    my ($alg, $hex) = split /:/, $digest;

    is_durable($data, 'manifest data', @before);
    is_durable($revision, 'revision link', @before);
    in_order($data, $revision, 'data before the revision link', @before);

    for my $tag (@$tags) {
        my $base = $t->repo_dir($repo) . "/_manifests/tags/$tag";
        is_durable("$base/current/link", "tag $tag", @before);
        is_durable("$base/index/$alg/$hex/link", "index of tag $tag",
            @before);
        in_order($revision, "$base/current/link",
            'the revision before the tag', @before);
    }
    parents_synced('manifest', 1, @before);
}


sub manifest_by_digest {
    my $image = image(seed => 'by digest');
    $t->push_blob('img/digest', $_)
        for $image->{config}, @{ $image->{layers} };

    my @before = before_reply(201, events(sub {
        is_status($t->push_manifest('img/digest', $image->{digest},
            $image->{bytes}), 201, 'a manifest by its digest');
    }));
    manifest_is_durable('img/digest', [], $image->{digest}, @before);
}


sub referrer {
    my $image = $t->push_image('img/subject', 'v1', seed => 'subject');
    my $data = manifest($image->{data}{config}, $image->{data}{layers},
        subject => descriptor(OCI_MANIFEST, $image->{bytes}));
    my $bytes = to_json($data);
    my $digest = sha256($bytes);

    my @before = before_reply(201, events(sub {
        is_status($t->push_manifest('img/subject', $digest, $bytes), 201,
            'a referrer');
    }));
    manifest_is_durable('img/subject', [], $digest, @before);

    my ($subject, $hex) = map { s{:}{/}r } $image->{digest}, $digest;
    my $entry = $t->repo_dir('img/subject') . "/_referrers/$subject/$hex/link";
    is_durable($entry, 'entry of a referrer', @before);
    in_order($entry, revision_link('img/subject', $digest),
        'a referrer is known before it is there', @before);
}


sub manifest_with_tags {
    my $image = image(seed => 'tags');
    $t->push_blob('img/two', $_) for $image->{config}, @{ $image->{layers} };

    my @before = before_reply(201, events(sub {
        is_status($t->push_manifest('img/two',
            "$image->{digest}?tag=a&tag=b", $image->{bytes}), 201,
            'a manifest with two tags');
    }));
    manifest_is_durable('img/two', ['a', 'b'], $image->{digest}, @before);
}


# What was deleted stays so: the directory that lost the entry is synced.

sub deleted {
    my $image = $t->push_image('del/one', 'v1', seed => 'deleted');
    my $config = sha256($image->{config});

    my %cases = (
        'a tag' => ['/v2/del/one/manifests/v1',
            $t->repo_dir('del/one') . '/_manifests/tags/v1'],
        'a blob' => ["/v2/del/one/blobs/$config",
            dirname(layer_link('del/one', $config))],
        'a manifest' => ["/v2/del/one/manifests/$image->{digest}",
            dirname(revision_link('del/one', $image->{digest}))],
    );

    for my $what ('a tag', 'a blob', 'a manifest') {
        my ($uri, $dir) = @{ $cases{$what} };
        my @before = before_reply(202, events(sub {
            is_status($t->delete($uri), 202, "delete of $what");
        }));

        # Either the entry in the directory or the directory itself goes;
        # a directory that is empty then may go with it, and so on upwards.
        # What is synced is the one that remains.

        my $gone = last_of(sub {
            $_->[0] =~ /unlink|rename/
                && ($_->[1] eq "$dir/link" || $_->[1] eq $dir
                    || $_->[1] =~ m{\A\Q$dir\E/}
                    || index("$dir/", "$_->[1]/") == 0)
        }, @before);
        my $left = $gone >= 0 ? dirname($before[$gone][1]) : '';
        my $synced = last_of(sub {
            $_->[0] eq 'sync' && $_->[1] eq $left
        }, @before);
        ok($gone >= 0 && $synced > $gone,
            "F11 delete of $what: the directory is synced after it")
            or do { diag "gone $gone, synced $synced"; show(@before) };
    }
}


# In one move, and what it leaves empty goes as well.

sub deleted_repository {
    for my $case (['whole', 'gone/leaf', 'gone/leaf'],
        ['around another one', 'del', 'del/_manifests'])
    {
        my ($what, $repo, $last) = @$case;
        $t->push_image($repo, 'v1', seed => 'repository');

        my @before = before_reply(202, events(sub {
            is_status($t->delete("/v2/$repo/_nginx/repository/content"), 202,
                "delete of a repository, $what");
        }));

        my @moved = grep {
            $before[$_][0] eq 'rename'
                && index($before[$_][1] . '/', $t->repo_dir($repo) . '/') == 0
        } 0 .. $#before;
        cmp_ok(scalar @moved, '>=', 1, "F11 repository $what: is moved away");
        ok(grep({ $before[$_][1] eq $t->repo_dir($last) } @moved),
            "F11 repository $what: with its manifests") or show(@before);

        my @unsynced = grep {
            my ($i, $dir) = ($_, dirname($before[$_][1]));

            # the directory, or the one that it has gone from itself

            my $gone = last_of(sub {
                $_->[0] eq 'unlink' && index("$dir/", "$_->[1]/") == 0
            }, @before);
            $dir = dirname($before[$gone][1]) if $gone > $i;

            last_of(sub { $_->[0] eq 'sync' && $_->[1] eq $dir }, @before)
                < ($gone > $i ? $gone : $i);
        } @moved;
        ok(!@unsynced, "F11 repository $what: each move is synced")
            or do { diag "@unsynced"; show(@before) };
    }
}


# Nobody is promised that a session goes, only that it has gone by then.

sub cancelled {
    my $l = $t->open_upload('img/one');
    $t->patch($l, body => 'x' x 1000);
    my ($id) = $l =~ m{([^/]+)\z};
    my $dir = $t->repo_dir('img/one') . "/_uploads/$id";

    my @before = before_reply(204, events(sub {
        is_status($t->delete($l), 204, 'a session is cancelled');
    }));
    ok(last_of(sub { $_->[0] eq 'rename' && $_->[1] eq $dir }, @before) >= 0,
        'F11 a cancelled session has gone by then') or show(@before);
}

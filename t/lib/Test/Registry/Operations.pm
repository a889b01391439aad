package Test::Registry::Operations;

# What a registry is asked for, one thing at a time, and what has to be true
# behind it, whether it was answered or not. An operation:
#
# name    what it is
# before  code: makes what it needs
# run     code: does it; the reply
# good    statuses of success
# after   code, told whether there was one: what is wrong, as sentences
# again   code: repeats it, which has to succeed; what is wrong
#
# Each code is given a hash of its own round: t, the server; seed, which no
# other round has; firm, true when an upload must outlive what happens.

use strict;
use warnings;

use Exporter qw(import);

use Test::Registry::Content;
use Test::Registry::Server;

our @EXPORT = qw(pushes manifests deletes reads any_sizes broken_promises);


# POST, PATCH, the closing PUT, the single POST, the mount. Sizes are on either
# side of what an upload keeps in memory, and of one buffer; more of them can
# be given, as [bytes before, bytes more].

sub pushes {
    my (@sizes) = @_;

    return (
        _start(),
        _append('PATCH, the first', 0, 1000),
        _append('PATCH that outgrows memory', 30_000, 200_000),
        _append('PATCH of many pieces', 300_000, 700_000),
        _close('PUT with all bytes', 0, 1000),
        _close('PUT with the last bytes', 200_000, 100_000),
        _close('PUT without a body', 300_000, 0),
        _single('POST of a whole blob', 1000),
        _single('POST of a larger one', 400_000),
        _mount(),
        map({
            my ($from, $size) = @$_;
            (_append("PATCH of $size bytes behind $from", $from, $size),
                _close("PUT of $size bytes behind $from", $from, $size))
        } @sizes)
    );
}


# So many sizes drawn by chance, small ones as often as large ones.

sub any_sizes {
    my ($n) = @_;

    return map { [int(2 ** rand 21), int(2 ** rand 22)] } 1 .. $n;
}


sub manifests {
    return (_manifest(), _manifest_with_tags(), _move());
}


sub deletes {
    return (
        _delete_tag(), _delete_manifest(), _delete_blob(),
        _delete_repository(0), _delete_repository(1), _cancel()
    );
}


# What is the same, and served as before, whatever becomes of a request.

sub reads {
    return (
        _read('GET of a blob', sub { "blobs/$_[0]{digest}" }, sub {
            $_[1]->body eq $_[0]{image}{layers}[0] }),
        _read('GET of a tag', sub { 'manifests/v1' }, sub {
            $_[1]->body eq $_[0]{image}{bytes} }),
        _read('the list of tags', sub { 'tags/list' }, sub {
            _same($_[1]->json->{tags}, [qw(v1 v2)]) }),
        _read('the referrers', sub { "referrers/$_[0]{image}{digest}" }, sub {
            _same([map { $_->{digest} } @{ $_[1]->json->{manifests} }],
                [$_[0]{referrer}{digest}]) }),
        _read('the state of an upload', sub {
            Test::Registry::Server::path_of($_[0]{location})
        }, sub { ($_[1]->header('Range') // '') eq '0-2999' })
    );
}


sub _same {
    my ($have, $want) = @_;

    return ref $have eq 'ARRAY' && "@$have" eq "@$want";
}


# --- what must hold ----------------------------------------------------------

# Whole, or not there: must is 1 when it has to be there, -1 when it must not
# be, and 0 when it may be either.

sub _either {
    my ($what, $reply, $bytes, $must) = @_;

    my $status = $reply->status;

    if ($status == 200) {
        return "$what is cut" if !$reply->complete;
        return "$what has other bytes" if $reply->body ne $bytes;
        return $must < 0 ? "$what is there still" : ();
    }

    return $must > 0 ? "$what is not there" : ()
        if $status == 404 && $reply->codes;

    return "$what: " . ($status || $reply->error);
}


sub _blob {
    my ($w, $repo, $bytes, $must) = @_;

    my $uri = "/v2/$repo/blobs/" . sha256($bytes);
    my $reply = $w->{t}->get($uri);
    my $head = $w->{t}->head($uri)->status;

    return (_either("S2 the blob in $repo", $reply, $bytes, $must),
        $head != $reply->status ? "HEAD of the blob says $head" : ());
}


sub _tagged {
    my ($w, $repo, $reference, $image, $must) = @_;

    my $what = $reference =~ /:/ ? 'a manifest' : "tag $reference";
    return _either("$what of $repo",
        $w->{t}->get("/v2/$repo/manifests/$reference"), $image->{bytes},
        $must);
}


sub _is_there {
    my ($w, $repo, $reference) = @_;

    return $w->{t}->head("/v2/$repo/manifests/$reference")->status == 200;
}


# Whatever a list names can be had.

sub broken_promises {
    my ($w) = @_;

    my ($t, @why) = $w->{t};
    my $all = $t->get('/v2/_catalog');
    return 'the catalogue: ' . ($all->status || $all->error)
        if $all->status != 200 || !$all->complete;

    for my $repo (@{ $all->json->{repositories} }) {
        my $tags = $t->get("/v2/$repo/tags/list");

        if ($tags->status != 200) {
            push @why, "the tags of $repo: " . ($tags->status || $tags->error)
                if !$w->{gone};
            next;
        }

        push @why, map { "tag $_ of $repo is listed, and cannot be had" }
            grep { !_is_there($w, $repo, $_) } @{ $tags->json->{tags} || [] };
    }

    return @why;
}


sub _listed {
    my ($w, $repo, $subject, $digest, $must) = @_;

    my $reply = $w->{t}->get("/v2/$repo/referrers/$subject");
    return 'the referrers: ' . ($reply->status || $reply->error)
        if $reply->status != 200;

    my $there = grep { $_->{digest} eq $digest }
        @{ $reply->json->{manifests} };

    return 'the referrer is not listed' if !$there && $must > 0;
    return 'the referrer is listed' if $there && $must < 0;
    return 'a referrer is listed that cannot be had'
        if $there && !_is_there($w, $repo, $digest);
    return ();
}


# --- uploads -----------------------------------------------------------------

# Where a session stands, or undef when there is none; dies of other answers.

sub _offset {
    my ($w) = @_;

    my $r = $w->{t}->get($w->{location});
    return undef if $r->status == 404 && $r->codes;
    die 'the state of the upload: ' . $r->as_text
        if $r->status != 204 || ($r->header('Range') // '') !~ /\A0-(\d+)\z/;
    return $1 ? $1 + 1 : 0;
}


# A session that holds the first bytes of a blob.

sub _session {
    my ($w, $from, $size) = @_;

    $w->{repo} = 'app/one';
    $w->{bytes} = blob($from + $size, $w->{seed});
    $w->{digest} = sha256($w->{bytes});
    $w->{from} = $from;
    $w->{location} = $w->{t}->open_upload($w->{repo});

    return if !$from;

    my $r = $w->{t}->patch($w->{location},
        body => substr $w->{bytes}, 0, $from);
    die $r->as_text if $r->status != 202;
}


# Where it stands is honest: what was promised before, or part of the rest.

sub _stands {
    my ($w, $must_be_whole) = @_;

    my $offset = _offset($w);
    my $all = length $w->{bytes};

    return $w->{firm} || $must_be_whole ? 'S1 the upload is gone' : ()
        if !defined $offset;
    return "S1 the upload stands at $offset of $all"
        if $offset < $w->{from} || $offset > $all
            || ($must_be_whole && $offset != $all);
    return ();
}


# Goes on where the session stands, or begins anew where there is none. The
# blob is whole then.

sub _finish {
    my ($w) = @_;

    my ($t, $offset) = ($w->{t}, defined $w->{location} ? _offset($w) : undef);

    if (!defined $offset) {
        $w->{location} = $t->open_upload($w->{repo});
        $offset = 0;
    }

    my $rest = substr $w->{bytes}, $offset;

    if (length $rest) {
        my $r = $t->patch($w->{location}, body => $rest, headers => [
            ['Content-Range', "$offset-" . ($offset + length($rest) - 1)] ]);
        return 'the upload cannot go on: ' . $r->as_text
            if $r->status != 202;
    }

    my $r = $t->put("$w->{location}?digest=$w->{digest}", body => '');
    return 'the upload cannot be finished: ' . $r->as_text
        if $r->status != 201;

    return _blob($w, $w->{repo}, $w->{bytes}, 1);
}


sub _start {
    return {
        name => 'POST', good => [202],
        before => sub {
            my ($w) = @_;
            $w->{repo} = 'app/one';
            $w->{bytes} = blob(5000, $w->{seed});
            $w->{digest} = sha256($w->{bytes});
            $w->{from} = 0;
        },
        run => sub {
            my ($w) = @_;
            my $r = $w->{t}->post("/v2/$w->{repo}/blobs/uploads/", body => '');
            $w->{location} = Test::Registry::Server::path_of(
                $r->header('Location') // '') if $r->status == 202;
            return $r;
        },
        after => sub {
            my ($w, $done) = @_;
            my $offset = $done ? _offset($w) : 0;
            return !defined $offset || $offset != 0
                ? 'S1 the session that was started is not there' : ();
        },
        again => \&_finish
    };
}


sub _append {
    my ($name, $from, $size) = @_;

    return {
        name => $name, good => [202],
        before => sub { _session($_[0], $from, $size) },
        run => sub {
            my ($w) = @_;
            return $w->{t}->patch($w->{location},
                body => substr $w->{bytes}, $from);
        },
        after => sub { _stands($_[0], $_[1]) },
        again => \&_finish
    };
}


sub _close {
    my ($name, $from, $size) = @_;

    return {
        name => $name, good => [201],
        before => sub { _session($_[0], $from, $size) },
        run => sub {
            my ($w) = @_;
            return $w->{t}->put("$w->{location}?digest=$w->{digest}",
                body => substr $w->{bytes}, $from);
        },
        after => sub {
            my ($w, $done) = @_;
            my @why = _blob($w, $w->{repo}, $w->{bytes}, $done);
            my $offset = _offset($w);

            push @why, 'the session outlives its end'
                if $done && defined $offset;
            push @why, "the upload stands at $offset"
                if defined $offset && ($offset < $w->{from}
                    || $offset > length $w->{bytes});
            push @why, 'S1 neither an upload is there nor a blob'
                if $w->{firm} && !defined $offset
                    && _blob($w, $w->{repo}, $w->{bytes}, 1);
            return @why;
        },
        again => \&_finish
    };
}


sub _single {
    my ($name, $size) = @_;

    return {
        name => $name, good => [201],
        before => sub {
            my ($w) = @_;
            $w->{repo} = 'app/one';
            $w->{bytes} = blob($size, $w->{seed});
            $w->{digest} = sha256($w->{bytes});
        },
        run => sub {
            my ($w) = @_;
            return $w->{t}->post(
                "/v2/$w->{repo}/blobs/uploads/?digest=$w->{digest}",
                body => $w->{bytes});
        },
        after => sub {
            my ($w, $done) = @_;
            return _blob($w, $w->{repo}, $w->{bytes}, $done);
        },
        again => \&_finish
    };
}


sub _mount {
    my $run = sub {
        my ($w) = @_;
        return $w->{t}->post("/v2/app/two/blobs/uploads/?mount=$w->{digest}"
            . '&from=app/one', body => '');
    };

    return {
        name => 'a mount', good => [201],
        before => sub {
            my ($w) = @_;
            $w->{bytes} = blob(1000, $w->{seed});
            $w->{digest} = $w->{t}->push_blob('app/one', $w->{bytes});
        },
        run => $run,
        after => sub {
            my ($w, $done) = @_;
            return (_blob($w, 'app/one', $w->{bytes}, 1),
                _blob($w, 'app/two', $w->{bytes}, $done));
        },
        again => sub {
            my ($w) = @_;
            my $r = $run->($w);
            return $r->status == 201 ? _blob($w, 'app/two', $w->{bytes}, 1)
                : 'the mount fails: ' . $r->as_text;
        }
    };
}


# --- manifests ---------------------------------------------------------------

sub _repeat {
    my ($w, $run, $good) = @_;

    my $r = $run->($w);
    return (grep { $r->status == $_ } @$good) ? ()
        : 'it cannot be repeated: ' . $r->as_text;
}


sub _blobs_of {
    my ($w, $image) = @_;

    $w->{t}->push_blob('app', $_) for $image->{config}, @{ $image->{layers} };
    return $image;
}


sub _manifest {
    my $run = sub {
        my ($w) = @_;
        return $w->{t}->push_manifest('app', 'v1', $w->{image}{bytes});
    };
    my $after = sub {
        my ($w, $done) = @_;
        my $tag = $done || _is_there($w, 'app', 'v1');
        return (_tagged($w, 'app', 'v1', $w->{image}, $done),
            _tagged($w, 'app', $w->{image}{digest}, $w->{image}, $tag));
    };

    return {
        name => 'PUT of a manifest', good => [201],
        before => sub {
            my ($w) = @_;
            $w->{image} = _blobs_of($w, image(seed => $w->{seed}));
        },
        run => $run, after => $after,
        again => sub { (_repeat($_[0], $run, [201]), $after->($_[0], 1)) }
    };
}


sub _manifest_with_tags {
    my $run = sub {
        my ($w) = @_;
        return $w->{t}->push_manifest('app',
            "$w->{image}{digest}?tag=a&tag=b", $w->{image}{bytes});
    };
    my $after = sub {
        my ($w, $done) = @_;
        my $tag = $done || grep { _is_there($w, 'app', $_) } qw(a b);
        return (
            (map { _tagged($w, 'app', $_, $w->{image}, $done) } qw(a b)),
            _tagged($w, 'app', $w->{image}{digest}, $w->{image}, $tag ? 1 : 0),
            _listed($w, 'app', $w->{subject}{digest}, $w->{image}{digest},
                $done),
            _tagged($w, 'app', 'subject', $w->{subject}, 1)
        );
    };

    return {
        name => 'PUT of a referrer with two tags', good => [201],
        before => sub {
            my ($w) = @_;
            my $s = $w->{t}->push_image('app', 'subject',
                seed => "$w->{seed}-subject");
            $w->{subject} = $s;
            $w->{image} = _blobs_of($w, image(seed => $w->{seed},
                more => { subject => descriptor(OCI_MANIFEST, $s->{digest},
                    length $s->{bytes}) }));
        },
        run => $run, after => $after,
        again => sub { (_repeat($_[0], $run, [201]), $after->($_[0], 1)) }
    };
}


sub _move {
    my $run = sub {
        my ($w) = @_;
        return $w->{t}->push_manifest('app', 'v1', $w->{image}{bytes});
    };
    my $after = sub {
        my ($w, $done) = @_;
        my $r = $w->{t}->get('/v2/app/manifests/v1');
        my $new = $r->body eq $w->{image}{bytes};
        my @why;

        push @why, 'S1 the tag: ' . ($r->status || $r->error)
            if $r->status != 200;
        push @why, 'S2 the tag reads neither the old nor the new'
            if $r->status == 200 && !$new && $r->body ne $w->{old}{bytes};
        push @why, 'S1 the tag was moved, and is not' if $done && !$new;

        return (@why,
            _tagged($w, 'app', $w->{old}{digest}, $w->{old}, 1),
            _tagged($w, 'app', $w->{image}{digest}, $w->{image},
                $done || $new ? 1 : 0));
    };

    return {
        name => 'a tag moved', good => [201],
        before => sub {
            my ($w) = @_;
            $w->{old} = $w->{t}->push_image('app', 'v1',
                seed => "$w->{seed}-old");
            $w->{image} = _blobs_of($w, image(seed => $w->{seed}));
        },
        run => $run, after => $after,
        again => sub { (_repeat($_[0], $run, [201]), $after->($_[0], 1)) }
    };
}


# --- deletes -----------------------------------------------------------------

# done: there or gone; gone after 202, and after the repeat.

sub _deletion {
    my ($name, $uri, $before, $after, @more) = @_;

    my $run = sub { $_[0]{t}->delete($uri->($_[0])) };

    return {
        name => $name, good => [202], before => $before, run => $run,
        after => sub { $after->($_[0], $_[1] ? -1 : 0) },
        again => sub {
            my ($w) = @_;
            return (_repeat($w, $run, [202, 404]), $after->($w, -1));
        },
        @more
    };
}


sub _delete_tag {
    return _deletion('DELETE of a tag',
        sub { '/v2/app/manifests/v1' },
        sub {
            my ($w) = @_;
            $w->{image} = $w->{t}->push_image('app', 'v1', seed => $w->{seed});
            $w->{t}->push_manifest('app', 'v2', $w->{image}{bytes});
        },
        sub {
            my ($w, $must) = @_;
            return (_tagged($w, 'app', 'v1', $w->{image}, $must),
                _tagged($w, 'app', 'v2', $w->{image}, 1),
                _tagged($w, 'app', $w->{image}{digest}, $w->{image}, 1));
        });
}


sub _delete_manifest {
    return _deletion('DELETE of a manifest with two tags',
        sub { "/v2/app/manifests/$_[0]{image}{digest}" },
        sub {
            my ($w) = @_;
            my $s = $w->{t}->push_image('app', 'subject',
                seed => "$w->{seed}-subject");
            $w->{subject} = $s;
            $w->{image} = $w->{t}->push_image('app', 'a', image => image(
                seed => $w->{seed}, more => { subject => descriptor(
                    OCI_MANIFEST, $s->{digest}, length $s->{bytes}) }));
            $w->{t}->push_manifest('app', 'b', $w->{image}{bytes});
        },
        sub {
            my ($w, $must) = @_;
            my $tag = grep { _is_there($w, 'app', $_) } qw(a b);
            return (
                (map { _tagged($w, 'app', $_, $w->{image}, $must) } qw(a b)),
                _tagged($w, 'app', $w->{image}{digest}, $w->{image},
                    $tag ? 1 : $must),
                _listed($w, 'app', $w->{subject}{digest},
                    $w->{image}{digest}, $must),
                _tagged($w, 'app', 'subject', $w->{subject}, 1),
                _blob($w, 'app', $w->{image}{config}, 1)
            );
        });
}


sub _delete_blob {
    return _deletion('DELETE of a blob',
        sub { "/v2/app/blobs/$_[0]{digest}" },
        sub {
            my ($w) = @_;
            $w->{bytes} = blob(1000, $w->{seed});
            $w->{digest} = $w->{t}->push_blob('app', $w->{bytes});
            $w->{t}->push_blob('other', $w->{bytes});
        },
        sub {
            my ($w, $must) = @_;
            return (_blob($w, 'app', $w->{bytes}, $must),
                _blob($w, 'other', $w->{bytes}, 1));
        });
}


# A repository with another one below it goes part by part, its manifests
# first; any other goes at once.

sub _delete_repository {
    my ($nested) = @_;

    return _deletion(
        'DELETE of a repository' . ($nested ? ' with one below it' : ''),
        sub { '/v2/app/_nginx/repository/content' },
        sub {
            my ($w) = @_;
            my $t = $w->{t};
            $w->{image} = $t->push_image('app', 'v1', seed => $w->{seed});
            $w->{below} = $t->push_image('app/below', 'v1',
                seed => "$w->{seed}-below") if $nested;
            $w->{other} = $t->push_image('other', 'v1', seed => $w->{seed});
            $w->{location} = $t->open_upload('app');
        },
        sub {
            my ($w, $must) = @_;
            my $tag = _is_there($w, 'app', 'v1');
            my $config = $w->{image}{config};
            return (
                _tagged($w, 'app', 'v1', $w->{image}, $must),
                _tagged($w, 'app', $w->{image}{digest}, $w->{image},
                    $must || ($tag ? 1 : -1)),
                _blob($w, 'app', $config,
                    $must || ($tag ? 1 : $nested ? 0 : -1)),
                ($nested ? _tagged($w, 'app/below', 'v1', $w->{below}, 1)
                    : ()),
                _tagged($w, 'other', 'v1', $w->{other}, 1),
                $must < 0 && defined _offset($w) ? 'its upload is there' : ()
            );
        }, gone => $nested);
}


sub _cancel {
    return {
        name => 'DELETE of an upload', good => [204],
        before => sub { _session($_[0], 100_000, 1000) },
        run => sub { $_[0]{t}->delete($_[0]{location}) },
        after => sub {
            my ($w, $done) = @_;
            my $offset = _offset($w);
            return 'the upload is there still' if $done && defined $offset;
            return defined $offset && $offset != $w->{from}
                ? "the upload stands at $offset" : ();
        },
        again => sub {
            my ($w) = @_;
            my $r = $w->{t}->delete($w->{location});
            return 'it cannot be repeated: ' . $r->as_text
                if $r->status != 204 && $r->status != 404;
            return (defined _offset($w) ? 'the upload is there still' : (),
                _finish($w));
        }
    };
}


# --- reads -------------------------------------------------------------------

sub _read {
    my ($name, $uri, $right) = @_;

    my $run = sub {
        my ($w) = @_;
        my $path = $uri->($w);
        return $w->{t}->get($path =~ m{\A/} ? $path : "/v2/app/$path");
    };
    my $is = sub {
        my ($w, $r) = @_;
        return !eval { $right->($w, $r) } ? 'S2 the reply is another one: '
            . $r->as_text : ();
    };

    return {
        name => $name, good => [200, 204], read => 1,
        before => sub {
            my ($w) = @_;
            my $t = $w->{t};
            my $image = $t->push_image('app', 'v1', seed => $w->{seed});
            $t->push_manifest('app', 'v2', $image->{bytes});
            $w->{referrer} = $t->push_referrer('app', descriptor(OCI_MANIFEST,
                $image->{digest}, length $image->{bytes}));
            $w->{image} = $image;
            $w->{digest} = sha256($image->{layers}[0]);
            $w->{location} = $t->open_upload('app');
            $t->patch($w->{location}, body => blob(3000, $w->{seed}));
        },
        run => sub { $_[0]{reply} = $run->($_[0]) },
        after => sub { $_[1] ? $is->($_[0], $_[0]{reply}) : () },
        again => sub { $is->($_[0], $run->($_[0])) }
    };
}


1;

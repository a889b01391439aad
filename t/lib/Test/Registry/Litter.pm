package Test::Registry::Litter;

# A store of some age: images that are in use, and between them all that a
# collection, a purge and a scrub are there to take away.
#
#   my $l = Test::Registry::Litter->new($t);
#   $l->keep;                         # pushes what has to stay
#   $l->drop;                         # a lot of what has to go
#   ... a collection, broken at some point ...
#   my @wrong = $l->wrong;            # what is not as it must be
#   ... another one ...
#   my @left = $l->left;              # what has to go, and is there still
#
# All of it has an age beyond the grace time of an hour, but for what a client
# was told of within it, and that stays for this alone. The lots are written
# into the tree without the server, in the order in which it does so itself.

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Find ();
use File::Path ();

use Test::Registry::Command qw(registryctl);
use Test::Registry::Content;
use Test::Registry::Kept;
use Test::Registry::Process;

use constant OLD => 2 * 3600;
use constant OLDER => 3 * 24 * 3600;

my $lots = 0;


# purge   false: its lots hold nothing for a purge: no uploads, temporaries or
#         spares

sub new {
    my ($class, $t, %o) = @_;

    my $root = $t->root;

    return bless {
        t => $t, v2 => "$root/docker/registry/v2", root => $root,
        own => "$root/docker/registry/nginx", files => {}, goes => [],
        aged => [], dropped => 0, blobs => 0,
        asked => [], purge => $o{purge} // 1
    }, $class;
}


sub own { $_[0]{own} }

# Things that were to go, and blobs among them, all lots together.

sub dropped { $_[0]{dropped} }
sub blobs { $_[0]{blobs} }


# An image with a tag, the children of an index, a referrer, a layer that two
# repositories name: all old. What was pushed just now and is named by nobody,
# what is old and was asked for, and an upload that is under way.

sub keep {
    my ($self) = @_;

    my $t = $self->{t};
    my $seed = 'kept ' . ++$lots;
    my $image = $t->push_image('keep/app', 'v1', layers =>
        [map { blob(3000 * $_, "$seed $_") } 1, 2]);
    my @child = map { $t->push_image('keep/app', undef,
        seed => "$seed child $_") } 1, 2;
    my $index = to_json(manifest_index([ map { descriptor(OCI_MANIFEST,
        $_->{bytes}) } @child ]));
    my $r = $t->push_manifest('keep/app', 'multi', $index, OCI_INDEX);
    die $r->as_text if $r->status != 201;

    my $subject = descriptor(OCI_MANIFEST, $image->{bytes});
    my $referrer = $t->push_referrer('keep/app', $subject, type => 'a/b');
    my $again = $t->push_image('keep/again', 'v1', image => $image);

    $self->{subject} = $image->{digest};
    $self->{referrer} = $referrer->{digest};

    for my $i ($image, @child) {
        $self->_stays("keep/app/manifests/$i->{digest}", $i->{bytes});
        $self->_stays('keep/app/blobs/' . sha256($_), $_)
            for $i->{config}, @{ $i->{layers} };
    }
    $self->_stays('keep/app/manifests/multi', $index);
    $self->_stays("keep/app/manifests/$referrer->{digest}",
        $referrer->{bytes});
    $self->_stays('keep/again/manifests/v1', $image->{bytes});
    $self->_stays('keep/again/blobs/' . sha256($_), $_)
        for @{ $image->{layers} };

    # up to here it is old

    $self->{shared} = sha256($image->{layers}[0]);
    $self->{aged} = [ $self->_below("$self->{v2}/repositories/keep"),
        map { $self->_below($self->_blob_dir($_)) } $self->_digests ];

    my @young = map { blob(500, "$seed young $_") } 1 .. 3;
    $t->push_blob('keep/young', $_) for @young;
    $self->_stays('keep/young/blobs/' . sha256($_), $_) for @young;
    $self->{asked} = [sha256($young[2])];

    $self->{upload} = $t->open_upload('keep/up');
    $self->{part} = blob(40_000, "$seed part");
    $r = $t->patch($self->{upload}, body => $self->{part});
    die $r->as_text if $r->status != 202;

    return $self;
}


sub _stays {
    my ($self, $path, $bytes) = @_;

    $self->{files}{"/v2/$path"} = $bytes;
}


# Of all that stays so far.

sub _digests {
    my ($self) = @_;

    return map { sha256($_) } values %{ $self->{files} };
}


sub _blob_dir {
    my ($self, $digest) = @_;

    my ($alg, $hex) = split /:/, $digest;
    return "$self->{v2}/blobs/$alg/" . substr($hex, 0, 2) . "/$hex";
}


# Whatever is at a path and below it, the deepest first.

sub _below {
    my ($self, $path) = @_;

    my @all;
    File::Find::finddepth({ no_chdir => 1, wanted => sub { push @all, $_ } },
        $path) if -e $path;
    return @all;
}


# Makes what stays as old as it was, but for what is asked for.

sub age {
    my ($self) = @_;

    my $then = time - OLD;
    utime $then, $then, $_ for @{ $self->{aged} };

    for my $digest (@{ $self->{asked} }) {
        my $hex = (split /:/, $digest)[1];
        utime $then, $then, "$self->{v2}/repositories/keep/young/_layers/"
            . "sha256/$hex/link", $self->_below($self->_blob_dir($digest));
    }
}


# A HEAD is a promise for the grace time.

sub ask {
    my ($self) = @_;

    my @bad = grep {
        $self->{t}->head("/v2/keep/young/blobs/$_")->status != 200
    } @{ $self->{asked} };
    return map { "S1 HEAD of $_ fails" } @bad;
}


# The promise of a HEAD does not outlive the power: what is old and was asked
# for is not looked for any more.

sub forgo {
    my ($self) = @_;

    delete $self->{files}{"/v2/keep/young/blobs/$_"}
        for splice @{ $self->{asked} };
}


# --- what goes ---------------------------------------------------------------

# sizes   of the blobs without a manifest; default: 2 small ones
# quiet   true: the server is not asked anything, for it does not run; and
#         the lots before this one, and what stays, do not get older
#
# Nobody collects meanwhile: for a collection under way it cannot be old.

sub drop {
    my ($self, %o) = @_;

    open my $lock, '+>>', "$self->{own}/collect" or die "$self->{own}: $!\n";
    flock $lock, LOCK_EX if !$o{quiet};

    my $lot = $self->{lot} = ++$lots;
    my $repo = $self->repo;
    my $repos = "$self->{v2}/repositories";
    my $dir = "$repos/$repo";

    $self->{made} = [];
    $self->{bytes} = [];
    $self->age if !$o{quiet};

    # layers that nobody names, in a repository of their own, and one of them
    # where others are

    for my $size (@{ $o{sizes} || [700, 900] }) {
        my $bytes = blob($size, "$lot $size " . @{ $self->{bytes} });
        $self->_link("$dir/_layers", $self->_data($bytes));
        push @{ $self->{bytes} }, $bytes;
    }
    $self->_link("$dir/_layers", $self->{shared}) if $self->{shared};

    # no link leads there any more, a push that was killed

    $self->_data(blob(300, "$lot lone"));
    my $nothing = $self->_blob_dir(sha256("$lot nothing"));
    $self->_make($nothing);

    # an index and its child, without a tag; a referrer of what is not there

    my $part = blob(200, "$lot part");
    my $child = to_json(manifest(descriptor(OCI_CONFIG, $part),
        [ descriptor(OCI_LAYER, $part) ]));
    my $index = to_json(manifest_index([ descriptor(OCI_MANIFEST, $child) ],
        subject => descriptor(OCI_MANIFEST, sha256("$lot subject"), 5)));

    $self->_link("$dir/_layers", $self->_data($part));
    $self->_link("$dir/_manifests/revisions", $self->_data($_))
        for $child, $index;
    $self->_link("$dir/_referrers/" . sha256("$lot subject") =~ s{:}{/}r,
        sha256($index));

    # what other registries leave of a deleted manifest

    $self->_make("$dir/_manifests/revisions/"
        . sha256("$lot deleted") =~ s{:}{/}r);

    # a repository that holds nothing; its own directory is a name, no more

    $self->_make("$dir-empty/$_") for qw(_layers/sha256 _layers
        _manifests/tags _manifests _uploads);

    $self->_age_made(OLD);
    push @{ $self->{goes} }, @{ $self->{made} };
    utime time - OLD, time - OLD, "$dir-empty";
    $self->later if !$o{quiet};

    $self->{dropped} += @{ $self->{made} };
    $self->_drop_purge($lot) if $self->{purge};

    return $o{quiet} ? () : $self->ask;
}


# Blobs of the lot in hand, which are there to be pushed again or mounted, and
# the repository that they are in.

sub returning { @{ $_[0]{bytes} } }
sub repo { "litter/$_[0]{lot}" }


# An upload that nobody goes on with, in a repository in use; what processes
# that were killed left a day ago; what was being freed.

sub _drop_purge {
    my ($self, $lot) = @_;

    $self->{made} = [];

    my $id = sprintf '%08x-0000-4000-8000-%012x', $lot, $$;
    my $up = "$self->{v2}/repositories/keep/up/_uploads/$id";
    $self->_file("$up/data", 'x' x 100);
    $self->_file("$up/startedat", '2020-01-01T00:00:00Z');
    $self->_make($up);
    $self->_age_made(OLD);

    my @purged = @{ $self->{made} };
    $self->{made} = [];

    my $name = sprintf '%016x-%d-0', $lot, $$;
    my $own = $self->{own};
    $self->_file("$own/tmp/$name", 'x');
    $self->_file("$own/spare/$name/startedat", '2020-01-01T00:00:00Z');
    $self->_file("$own/trash/$name/data", 'x');
    $self->_file("$own/trash/f-$name", 'x');
    $self->_make("$own/spare/$name");
    $self->_age_made(OLDER);

    push @{ $self->{goes} }, @purged, @{ $self->{made} };
    $self->{dropped} += @purged + @{ $self->{made} };
}


sub _make {
    my ($self, $path) = @_;

    File::Path::make_path($path, { error => \my $ignored });
    die "$path cannot be made\n" if !-d $path;
    push @{ $self->{made} }, $path;
}


sub _file {
    my ($self, $path, $bytes) = @_;

    my ($dir) = $path =~ m{(.*)/};
    File::Path::make_path($dir, { error => \my $ignored });

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $bytes;
    close $fh or die "$path: $!\n";
    push @{ $self->{made} }, $path;
}


sub _data {
    my ($self, $bytes) = @_;

    my $digest = sha256($bytes);
    my $dir = $self->_blob_dir($digest);
    $self->{blobs}++;
    $self->_file("$dir/data", $bytes);
    push @{ $self->{made} }, $dir;

    return $digest;
}


sub _link {
    my ($self, $base, $digest) = @_;

    my $dir = "$base/" . $digest =~ s{:}{/}r;
    $self->_file("$dir/link", $digest);
    push @{ $self->{made} }, $dir;
}


sub _age_made {
    my ($self, $by) = @_;

    my $then = time - $by;
    utime $then, $then, $_ for @{ $self->{made} };
}


# Paths that are there still, and whatever was not freed. With rot() the
# corrupt blob is among them, as long as it is where it was.

sub left {
    my ($self) = @_;

    my @left = grep { -e } @{ $self->{goes} };
    $self->{goes} = [@left];

    push @left, glob "$self->{own}/trash/*";
    push @left, $self->_rot_file if defined $self->{rot} && -e $self->_rot_file;

    return @left;
}


# An hour passes for it: what was changed in removing other things, too.

sub later {
    my ($self) = @_;

    my $now = time;

    for my $path (@{ $self->{goes} },
        $self->_below("$self->{v2}/repositories/litter"))
    {
        my $then = $now - (index($path, $self->{own}) == 0 ? OLDER : OLD);
        utime $then, $then, $path if -e $path;
    }
}


# --- what a scrub is there for -----------------------------------------------

# A blob with another byte in it, one of a few.

sub rot {
    my ($self) = @_;

    $self->{rot} = blob(700, 'rot ' . $self->{rots}++ % 4);
    $self->{t}->push_blob('rot', $self->{rot});

    my $file = $self->_rot_file;
    open my $fh, '+<:raw', $file or die "$file: $!\n";
    print {$fh} '#';
    close $fh or die "$file: $!\n";
}


sub _rot_file {
    my ($self) = @_;

    return $self->_blob_dir(sha256($self->{rot})) . '/data';
}


# It is out of service, is kept, and comes back by a push. What is wrong.

sub mended {
    my ($self) = @_;

    my ($t, $bytes) = ($self->{t}, delete $self->{rot});
    my $d = sha256($bytes);
    my $status = $t->get("/v2/rot/blobs/$d")->status;
    my @wrong;

    push @wrong, "F38 what is corrupt: $status" if $status != 404;
    push @wrong, 'F38 what was corrupt is not kept'
        if !-e "$self->{own}/corrupt/$d";
    $t->push_blob('rot', $bytes);
    push @wrong, 'F38 what was corrupt does not come back'
        if $t->get("/v2/rot/blobs/$d")->body ne $bytes;

    return @wrong;
}


# --- what must hold ----------------------------------------------------------

# Everything that stays is served, whole, and listed. Sentences.

sub wrong {
    my ($self) = @_;

    my @wrong;
    my $c = Test::Registry::Kept->new(ports => [$self->{t}->port]);

    for my $uri (sort keys %{ $self->{files} }) {
        my $r = $c->request('GET', $uri);
        push @wrong, "S1 $uri: " . ($r->status || $r->error)
            if $r->status != 200 || !$r->complete;
        push @wrong, "S2 $uri has other bytes"
            if $r->status == 200 && $r->body ne $self->{files}{$uri};
    }

    if ($self->{referrer}) {
        my $r = $c->request('GET', "/v2/keep/app/referrers/$self->{subject}");
        my $json = eval { $r->json } || {};
        push @wrong, 'S1 the referrer is not listed'
            if !grep { $_->{digest} eq $self->{referrer} }
                @{ $json->{manifests} || [] };
        $r = $c->request('GET', '/v2/keep/app/tags/list');
        $json = eval { $r->json } || {};
        push @wrong, 'S1 the tags are others'
            if join(' ', @{ $json->{tags} || [] }) ne 'multi v1';
    }

    if ($self->{upload}) {
        my $r = $c->request('GET', $self->{upload});
        push @wrong, 'S1 the upload: ' . $r->as_text if $r->status != 204
            || $r->header('Range') ne '0-' . (length($self->{part}) - 1);
    }

    $c->close;
    return @wrong;
}


# What registryctl audit says of a store in which something is left.

sub audit {
    my ($self) = @_;

    my @known = map { "/nginx/$_/" } qw(tmp spare trash);
    push @known, (split /:/, sha256($self->{rot}))[1] if defined $self->{rot};

    my ($rc, $out) = run_command(60, registryctl(), 'audit', '--digests',
        $self->{root});
    return () if $rc == 0;

    my @lines = split /\n/, $out;
    pop @lines if $rc == 1;
    return map { "S4 audit: $_" } grep {
        my $line = $_;
        !grep { index($line, $_) >= 0 } @known
    } @lines;
}


# The manager process of a server.

sub manager {
    my ($self, $t) = @_;

    my $pid;
    my $master = ($t || $self->{t})->pid;
    wait_for(10, sub {
        ($pid) = grep { command_of($_) =~ /cache manager/ } children($master);
    }) or die "there is no manager\n";

    return $pid;
}


# What tells when the work was done last says long ago. Not while somebody is at
# it, who has the time of that file for the clock's.

sub overdue {
    my ($self) = @_;

    $self->_overdue(LOCK_EX);
}


sub _overdue {
    my ($self, $how) = @_;

    for my $file (map { "$self->{own}/$_" } qw(collect purge)) {
        open my $lock, '+<', $file or next;
        flock $lock, $how or return 0;

        # the first line is about the clock, the second about the last one

        my $clock = <$lock> // '';
        seek $lock, 0, 0;
        truncate $lock, 0;
        print $lock $clock, $clock =~ /\n\z/ ? "began 0 done 0 unfinished 0.\n"
            : '';
        close $lock;
        utime 0, 0, $file;
    }

    unlink "$self->{own}/scrub";
    return 1;
}


# Returns when nobody collects.

sub idle {
    my ($self) = @_;

    open my $lock, '+>>', "$self->{own}/collect" or die "$self->{own}: $!\n";
    flock $lock, LOCK_EX;
}


# Has the manager begin all of its work, now: it is replaced. Not killed, for
# under libfaketime it shares a semaphore with all of its kind. One that is at
# work may come to its end first, or the next would be found at it, too.

sub rouse {
    my ($self) = @_;

    for (1 .. 50) {
        my $old = $self->manager;
        my $ready = wait_for(2, sub { $self->_overdue(LOCK_EX | LOCK_NB) });

        kill 'TERM', $old;
        wait_for(30, sub { !alive($old) });
        return if $ready;
    }

    die "there is no end of what the manager does\n";
}


# The upload that was under way all the time goes to its end.

sub finish_upload {
    my ($self) = @_;

    my $bytes = $self->{part} . 'end';
    my $r = $self->{t}->put("$self->{upload}?digest=" . sha256($bytes),
        body => 'end');
    delete $self->{upload};
    return $r;
}


1;

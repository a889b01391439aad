package Test::Registry::Shared;

# One of several clients that do things by chance to repositories which all
# of them use. What a reply has to be nobody can tell beforehand; what each
# client saw is recorded, thing by thing, and afterwards verdict() says whether
# all of it together can have happened: see Test::Registry::History.
#
# A record is {object, op, value, begin, end, as}. Objects are "REPO", "REPO
# tag TAG", "REPO blob DIGEST" and "REPO manifest DIGEST". With all => 1 it is
# about everything in the repository; with subject, about all its manifests
# that refer to one, those in listed being there.

use strict;
use warnings;

use Exporter qw(import);

use Test::Registry::Content;
use Test::Registry::Crew;
use Test::Registry::History qw(violations);
use Test::Registry::Server;

our @EXPORT_OK = qw(verdict);

my %weights = (
    push => 10, mount => 6, blob => 8, blob_delete => 3, put => 16,
    artifact => 6, tag => 12, manifest => 6, tag_delete => 3,
    manifest_delete => 5, repository_delete => 1, tags => 6, referrers => 6,
    catalog => 5
);

my @tags = qw(t0 t1 t2);


# name   of this client
# under  what the names of the repositories begin with
# ask    as for Test::Registry::Model
# often  how often each thing is done, {name => weight}, those left out never
# repos  what they are called; default: three

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, n => 0, count => 0, seen => [], wrong => [],
        known => [] }, $class;
    $self->{repos} = [map { "$o{under}/$_" }
        @{ $o{repos} || [qw(a a/in b)] }];

    my $often = $o{often} || \%weights;
    $self->{lottery} = [map { ($_) x $often->{$_} } sort keys %$often];

    my @bytes = map { blob($_, "$o{under} $_") } 40, 900, 2000, 90_000,
        300_000;
    $self->{bytes} = { map { (sha256($_) => $_) } @bytes };
    $self->{blobs} = [map { sha256($_) } @bytes];
    return $self;
}


sub wrong { return @{ $_[0]{wrong} } }
sub count { return $_[0]{count} }
sub seen { return @{ $_[0]{seen} } }


sub step {
    my ($self) = @_;

    my $what = '_do_' . $self->{lottery}[rand @{ $self->{lottery} }];
    $self->$what($self->{repos}[rand @{ $self->{repos} }]);
}


# The first of them is the config of all images, and rarely deleted.

sub _blob { return $_[0]{blobs}[rand @{ $_[0]{blobs} }] }


# Asks; afterwards _saw() records what it tells.

sub _ask {
    my ($self, $method, $uri, %o) = @_;

    $self->{count}++;
    my %at = timed(sub { $self->{ask}->($method, $uri, %o) });
    my $reply = delete $at{reply};
    $self->{at} = { %at, as => "$self->{name} $method $uri -> "
        . ($reply->status || $reply->error) };
    return $reply;
}


sub _saw {
    my ($self, $op, $object, %more) = @_;

    push @{ $self->{seen} }, { %{ $self->{at} }, op => $op,
        object => $object, %more };
}


sub _odd {
    my ($self, $reply) = @_;

    push @{ $self->{wrong} }, "$self->{name}: a reply that may not come\n"
        . $reply->as_text;
}


sub _is {
    my ($reply, $status, $code) = @_;

    return $reply->status == $status
        && (!defined $code || (($reply->codes)[0] // '') eq $code);
}


sub _do_push {
    my ($self, $repo) = @_;

    my $digest = $self->_blob;
    my $bytes = $self->{bytes}{$digest};
    my $base = "/v2/$repo/blobs/uploads/";
    my $r;

    if (rand() < 0.5) {
        $r = $self->_ask('POST', "$base?digest=$digest", body => $bytes);

    } else {
        $r = $self->_ask('POST', $base, body => '');
        my $uri = $r->header('Location');
        return $self->_odd($r) if !_is($r, 202) || !defined $uri;
        $r = $self->_ask('PATCH', $uri, body => substr $bytes, 0, 30);
        my $begun = _is($r, 202) ? 30 : 0;
        $r = $self->_ask('PUT', "$uri?digest=$digest",
            body => substr $bytes, $begun);
    }

    # a session goes with its repository
    return if _is($r, 404, 'BLOB_UPLOAD_UNKNOWN');
    return $self->_odd($r) if !_is($r, 201);

    $self->_saw('put', "$repo blob $digest");
    $self->_saw('put', $repo);
}


sub _do_mount {
    my ($self, $repo) = @_;

    my $digest = $self->_blob;
    my $from = $self->{repos}[rand @{ $self->{repos} }];
    my $r = $self->_ask('POST', "/v2/$repo/blobs/uploads/?mount=$digest"
        . "&from=$from", body => '');

    if (_is($r, 201)) {
        $self->_saw('some', "$from blob $digest") if $from ne $repo;
        $self->_saw('put', "$repo blob $digest");
        $self->_saw('put', $repo);
        return;
    }

    return $self->_odd($r) if !_is($r, 202);
    $self->_saw('miss', "$from blob $digest");

    $r = $self->_ask('DELETE', $r->header('Location'));
    $self->_odd($r) if !_is($r, 204) && !_is($r, 404, 'BLOB_UPLOAD_UNKNOWN');
}


sub _do_blob {
    my ($self, $repo) = @_;

    my $digest = $self->_blob;
    my $r = $self->_ask('GET', "/v2/$repo/blobs/$digest");

    return $self->_saw('miss', "$repo blob $digest")
        if _is($r, 404, 'BLOB_UNKNOWN');
    return $self->_odd($r) if !_is($r, 200) || !$r->complete
        || $r->body ne $self->{bytes}{$digest};
    $self->_saw('some', "$repo blob $digest");
}


sub _do_blob_delete {
    my ($self, $repo) = @_;

    my $digest = $self->_blob;
    return if $digest eq $self->{blobs}[0] && rand() < 0.8;

    my $r = $self->_ask('DELETE', "/v2/$repo/blobs/$digest");
    return $self->_saw('none', "$repo blob $digest") if _is($r, 202);
    return $self->_saw('miss', "$repo blob $digest")
        if _is($r, 404, 'BLOB_UNKNOWN');
    $self->_odd($r);
}


# An image that nobody put before, on some tags or none.

sub _do_put {
    my ($self, $repo) = @_;

    my $config = $self->{blobs}[0];
    my $layer = $self->_blob;
    my $data = manifest($self->_part(OCI_CONFIG, $config),
        [$self->_part(OCI_LAYER, $layer)],
        annotations => { n => "$self->{name} " . $self->{n}++ });
    my $bytes = to_json($data);
    my $digest = sha256($bytes);
    my @on = grep { rand() < 0.5 } @tags;
    my $reference = @on == 1 ? $on[0]
        : "$digest?" . join '&', map { "tag=$_" } @on;

    $self->_put($repo, $reference, $bytes, [$config, $layer], @on);
}


sub _part {
    my ($self, $type, $digest) = @_;

    return descriptor($type, $digest, length $self->{bytes}{$digest});
}


# One of two that refer to the same, put and deleted again and again.

sub _do_artifact {
    my ($self, $repo) = @_;

    my $config = $self->{blobs}[0];
    my $data = manifest($self->_part(OCI_CONFIG, $config), [],
        subject => descriptor(OCI_MANIFEST, $self->_subject, 7),
        annotations => { n => "$self->{name} artifact " . int rand 2 });
    my $bytes = to_json($data);

    $self->_put($repo, sha256($bytes), $bytes, [$config]);
}


sub _subject { return sha256("$_[0]{under} subject") }


sub _put {
    my ($self, $repo, $reference, $bytes, $refs, @on) = @_;

    my $digest = sha256($bytes);
    my $r = $self->_ask('PUT', "/v2/$repo/manifests/$reference",
        body => $bytes, headers => { 'Content-Type' => OCI_MANIFEST });

    if (_is($r, 404, 'MANIFEST_BLOB_UNKNOWN')) {
        my $missing = $r->json->{errors}[0]{detail} // '';
        return $self->_odd($r) if !grep { $_ eq $missing } @$refs;
        return $self->_saw('miss', "$repo blob $missing");
    }

    return $self->_odd($r) if !_is($r, 201);

    my $subject = $r->header('OCI-Subject');
    $self->_saw('some', "$repo blob $_") for @$refs;
    $self->_saw('put', "$repo manifest $digest", subject => $subject);
    $self->_saw('put', "$repo tag $_", value => $digest) for @on;
    $self->_saw('put', $repo);
    $self->_learn($digest);
}


# Digests to ask for later, of whoever put them.

sub _learn {
    my ($self, $digest) = @_;

    my $known = $self->{known};
    push @$known, $digest if !grep { $_ eq $digest } @$known;
    shift @$known if @$known > 12;
}


sub _do_tag {
    my ($self, $repo) = @_;

    my $tag = $tags[rand @tags];
    my $r = $self->_ask(rand() < 0.7 ? 'GET' : 'HEAD',
        "/v2/$repo/manifests/$tag");

    return $self->_saw('miss', "$repo tag $tag") if _is($r, 404);

    my $digest = $r->header('Docker-Content-Digest') // '';
    return $self->_odd($r) if !_is($r, 200) || !$r->complete
        || ($r->{request} =~ /\AGET/ && sha256($r->body) ne $digest);

    $self->_saw('see', "$repo tag $tag", value => $digest);
    $self->_saw('some', "$repo manifest $digest");
    $self->_learn($digest);
}


sub _known {
    my ($self) = @_;

    my $known = $self->{known};
    return @$known ? $known->[rand @$known] : undef;
}


sub _do_manifest {
    my ($self, $repo) = @_;

    my $digest = $self->_known // return;
    my $r = $self->_ask('GET', "/v2/$repo/manifests/$digest");

    return $self->_saw('miss', "$repo manifest $digest")
        if _is($r, 404, 'MANIFEST_UNKNOWN');
    return $self->_odd($r) if !_is($r, 200) || !$r->complete
        || sha256($r->body) ne $digest;
    $self->_saw('some', "$repo manifest $digest");
}


sub _do_tag_delete {
    my ($self, $repo) = @_;

    my $tag = $tags[rand @tags];
    my $r = $self->_ask('DELETE', "/v2/$repo/manifests/$tag");

    return $self->_saw('none', "$repo tag $tag") if _is($r, 202);
    return $self->_saw('miss', "$repo tag $tag")
        if _is($r, 404, 'MANIFEST_UNKNOWN');
    $self->_odd($r);
}


sub _do_manifest_delete {
    my ($self, $repo) = @_;

    my $digest = $self->_known // return;
    my $r = $self->_ask('DELETE', "/v2/$repo/manifests/$digest");

    return $self->_saw('miss', "$repo manifest $digest")
        if _is($r, 404, 'MANIFEST_UNKNOWN');
    return $self->_odd($r) if !_is($r, 202);

    $self->_saw('none', "$repo manifest $digest");
    $self->_saw('drop', "$repo tag $_", value => $digest) for @tags;
}


sub _do_repository_delete {
    my ($self, $repo) = @_;

    my $r = $self->_ask('DELETE', "/v2/$repo/_nginx/repository/content");

    return $self->_saw('miss', $repo) if _is($r, 404, 'NAME_UNKNOWN');
    return $self->_odd($r) if !_is($r, 202);

    $self->_saw('none', $repo);
    $self->_saw('clear', $repo, all => 1);
}


# Sorted, nothing twice; of what may be there, each is or is not. Those
# between after (where the request began) and the last, if more follow.

sub _list {
    my ($self, $reply, $have, $after, $objects) = @_;

    my $until = defined $reply->header('Link') ? $have->[-1] // '' : undef;

    for my $i (1 .. $#$have) {
        return $self->_odd($reply) if $have->[$i - 1] ge $have->[$i];
    }

    my %have = map { $_ => 1 } @$have;
    for my $name (sort keys %$objects) {
        next if $name le $after || (defined $until && $name gt $until);
        $self->_saw($have{$name} ? 'some' : 'miss', $objects->{$name});
    }
}


sub _do_tags {
    my ($self, $repo) = @_;

    my $page = rand() < 0.4 ? '?n=' . (1 + int rand 2) : '';
    my $uri = "/v2/$repo/tags/list$page";
    my %objects = map { ($_ => "$repo tag $_") } @tags;
    my $after = '';

    for (1 .. 9) {
        my $r = $self->_ask('GET', $uri);

        if (_is($r, 404, 'NAME_UNKNOWN')) {
            $self->_saw('miss', $_) for $repo, values %objects;
            return;
        }

        my $list = _is($r, 200) && ref $r->json eq 'HASH'
            ? $r->json->{tags} : undef;
        return $self->_odd($r) if ref $list ne 'ARRAY'
            || grep { !$objects{$_} || $_ le $after } @$list;

        $self->_saw('some', $repo);
        $self->_list($r, $list, $after, \%objects);

        ($uri) = ($r->header('Link') // '') =~ /\A<([^>]+)>/ or return;
        return $self->_odd($r) if !@$list;
        $after = $list->[-1];
    }
}


sub _do_referrers {
    my ($self, $repo) = @_;

    my $r = $self->_ask('GET', "/v2/$repo/referrers/" . $self->_subject);
    my $list = _is($r, 200) && ref $r->json eq 'HASH'
        ? $r->json->{manifests} : undef;
    return $self->_odd($r) if ref $list ne 'ARRAY';

    my @digests = map { $_->{digest} } @$list;
    for my $i (1 .. $#digests) {
        return $self->_odd($r) if $digests[$i - 1] ge $digests[$i];
    }

    $self->_learn($_) for @digests;
    $self->_saw('list', $repo, subject => $self->_subject,
        listed => { map { $_ => 1 } @digests });
}


sub _do_catalog {
    my ($self) = @_;

    my $after = "$self->{under}/";
    my $page = rand() < 0.4 ? '&n=' . (1 + int rand 2) : '';
    my $r = $self->_ask('GET', "/v2/_catalog?last=$after$page");
    my $list = _is($r, 200) && ref $r->json eq 'HASH'
        ? $r->json->{repositories} : undef;
    return $self->_odd($r) if ref $list ne 'ARRAY'
        || grep { $_ le $after } @$list;

    $self->_list($r, $list, $after,
        { map { ($_ => $_) } @{ $self->{repos} } });
}


# What is wrong with all that the clients saw together.

sub verdict {
    my (@seen) = @_;

    my (%object, %of, %subject);

    for my $event (grep { !$_->{all} && $_->{op} ne 'list' } @seen) {
        my $name = $event->{object};
        push @{ $object{$name} }, $event;
        my ($repo, $kind, $what) = split / /, $name;
        $of{$repo}{$name} = 1 if $kind;
        $subject{"$repo $event->{subject}"}{$what} = $name
            if $kind && $kind eq 'manifest' && $event->{subject};
    }

    for my $event (grep { $_->{all} } @seen) {
        push @{ $object{$_} }, $event for keys %{ $of{ $event->{object} } };
    }

    my @wrong;
    for my $event (grep { $_->{op} eq 'list' } @seen) {
        my $all = $subject{"$event->{object} $event->{subject}"} || {};
        push @wrong, "a referrer that nobody put: $event->{as}"
            if grep { !$all->{$_} } keys %{ $event->{listed} };
        push @{ $object{ $all->{$_} } },
            { %$event, op => $event->{listed}{$_} ? 'some' : 'miss' }
            for keys %$all;
    }

    for my $name (sort keys %object) {
        my @found = violations($object{$name},
            unique => ($name =~ / tag / ? 1 : 0));
        next if !@found;
        push @wrong, "$name: " . scalar(@found) . ' wrong, first: '
            . $found[0], _around($object{$name}, $found[0]);
    }

    return @wrong;
}


# What happened to one thing shortly before something was wrong.

sub _around {
    my ($events, $sentence) = @_;

    my ($moment) = $sentence =~ /\[([0-9.]+),/ or return ();
    my @some = grep { $_->{begin} <= $moment + 0.01 }
        sort { $a->{begin} <=> $b->{begin} } @$events;
    splice @some, 0, -40;
    return map { sprintf '    %.6f %.6f %s %s %s', @{$_}{qw(begin end op)},
        $_->{value} // '', $_->{as} // '' } @some;
}


1;

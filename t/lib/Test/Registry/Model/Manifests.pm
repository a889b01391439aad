package Test::Registry::Model::Manifests;

# The part of Test::Registry::Model that knows of manifests, tags, lists and
# whole repositories.

use strict;
use warnings;

use Test::Registry::Content;
use Test::Registry::Server;

my @types = qw(application/vnd.example.sbom application/vnd.example.sig);


# Manifests: {bytes, type, subject, artifact (its artifactType),
# annotations, refs}

sub _image {
    my ($self, $repo) = @_;

    my @have = grep { $self->{repos}{$repo}{blobs}{$_} }
        @{ $self->{made} };
    my $config = @have && $self->_chance(0.95) ? $self->_any(@have)
        : $self->_known;
    my @layers = map { @have && $self->_chance(0.97) ? $self->_any(@have)
        : $self->_known } 1 .. rand 4;

    my $docker = $self->_chance(0.2);
    my $type = $docker ? DOCKER_MANIFEST : OCI_MANIFEST;
    my $ctype = $docker ? 'application/vnd.docker.container.image.v1+json'
        : OCI_CONFIG;
    my $ltype = $docker ? 'application/vnd.docker.image.rootfs.diff.tar.gzip'
        : OCI_LAYER;

    $self->{n}++;
    my ($artifact, $subject, %more);
    if (!$docker) {
        $more{artifactType} = $artifact = $self->_any(@types)
            if $self->_chance(0.3);
        $subject = $self->_subject($repo) if $self->_chance(0.4);
        $more{subject} = descriptor(OCI_MANIFEST, $subject, 7) if $subject;
        $more{annotations} = { n => "n$self->{n}" };
    }

    my $descriptor = sub {
        descriptor($_[0], $_[1], length $self->{bytes}{ $_[1] })
    };
    my $data = manifest($descriptor->($ctype, $config),
        [ map { $descriptor->($ltype, $_) } @layers ], mediaType => $type,
        %more);

    return { bytes => to_json($data), type => $type, subject => $subject,
        artifact => $artifact // $ctype, refs => [$config, @layers],
        annotations => $more{annotations}, kind => 'blobs' };
}


sub _subject {
    my ($self, $repo) = @_;

    my @all = sort keys %{ $self->{repos}{$repo}{manifests} };
    return @all && $self->_chance(0.6) ? $all[rand @all]
        : sha256("$self->{name} subject " . int rand 3);
}


sub _index {
    my ($self, $repo) = @_;

    my $all = $self->{repos}{$repo}{manifests};
    my @have = sort keys %$all;
    my @children = map { $self->_any(@have) } @have ? 1 .. rand 4 : ();
    push @children, sha256("$self->{name} nobody") if $self->_chance(0.1);

    my $docker = $self->_chance(0.2);
    $self->{n}++;
    my ($subject, $artifact, %more);
    if (!$docker) {
        $subject = $self->_subject($repo) if $self->_chance(0.3);
        $more{subject} = descriptor(OCI_MANIFEST, $subject, 7) if $subject;
        $more{artifactType} = $artifact = $self->_any(@types)
            if $self->_chance(0.3);
        $more{annotations} = { n => "n$self->{n}" };
    }

    my $type = $docker ? DOCKER_LIST : OCI_INDEX;
    my $data = manifest_index([ map { descriptor(
        $all->{$_} ? $all->{$_}{type} : OCI_MANIFEST, $_,
        $all->{$_} ? length $all->{$_}{bytes} : 9) } @children ],
        mediaType => $type, %more);

    return { bytes => to_json($data), type => $type, subject => $subject,
        artifact => $artifact, refs => \@children,
        annotations => $more{annotations}, kind => 'manifests' };
}


sub _do_image { $_[0]->_put($_[1], $_[0]->_image($_[1])) }
sub _do_list { $_[0]->_put($_[1], $_[0]->_index($_[1])) }


# One that was put before, here or elsewhere.

sub _do_again {
    my ($self, $repo) = @_;

    my $from = $self->{repos}{ $self->_any(sort keys %{ $self->{repos} }) };
    my @all = sort keys %{ $from->{manifests} };
    $self->_put($repo, $from->{manifests}{ $all[rand @all] }) if @all;
}


sub _tag { return 't' . int rand 6 }


sub _put {
    my ($self, $repo, $m) = @_;

    my $state = $self->{repos}{$repo};
    my $digest = $self->_chance(0.05) ? sha512($m->{bytes})
        : sha256($m->{bytes});
    my $how = $self->_any(qw(tag tag digest tags wrong));
    my (@tags, $reference);

    if ($how eq 'tag') {
        $digest = sha256($m->{bytes});
        @tags = $reference = $self->_tag;

    } elsif ($how eq 'tags') {
        my %tags = map { ($self->_tag => 1) } 0 .. rand 3;
        @tags = sort keys %tags;
        $reference = "$digest?" . join '&', map { "tag=$_" } @tags;

    } else {
        $reference = $how eq 'wrong' && $self->_chance(0.3)
            ? sha256("$m->{bytes} ") : $digest;
    }

    my $r = $self->_ask('PUT', "/v2/$repo/manifests/$reference",
        body => $m->{bytes}, headers => { 'Content-Type' => $m->{type} });

    if (!@tags && $reference ne $digest) {
        $self->_must($r, 400, code => 'DIGEST_INVALID');
        return;
    }

    if (grep { !$state->{ $m->{kind} }{$_} } @{ $m->{refs} }) {
        $self->_must($r, 404, code => 'MANIFEST_BLOB_UNKNOWN');
        return;
    }

    $self->_must($r, 201, headers => {
        'Docker-Content-Digest' => $digest,
        Location => "/v2/$repo/manifests/$digest",
        'OCI-Subject' => $m->{subject} // '',
        'OCI-Tag' => $how eq 'tags' ? join(', ', @tags) : '',
    });

    $state->{there} = 1;
    $state->{manifests}{$digest} = $m;
    $state->{tags}{$_} = $digest for @tags;
}


# A reference: a tag that may be there, a manifest that is, or none.

sub _reference {
    my ($self, $repo) = @_;

    my @all = sort keys %{ $self->{repos}{$repo}{manifests} };
    return $self->_chance(0.5) ? $self->_tag
        : @all && $self->_chance(0.9) ? $all[rand @all]
        : sha256("$self->{name} nobody");
}


sub _do_manifest {
    my ($self, $repo) = @_;

    my $state = $self->{repos}{$repo};
    my $reference = $self->_reference($repo);
    my $digest = $reference =~ /:/ ? $reference : $state->{tags}{$reference};
    my $m = defined $digest ? $state->{manifests}{$digest} : undef;
    my $method = $self->_any(qw(GET GET HEAD));

    my %headers;
    $headers{'If-None-Match'} = "\"$digest\"" if $m && $self->_chance(0.1);

    my $r = $self->_ask($method, "/v2/$repo/manifests/$reference",
        headers => \%headers);

    if (!$m) {
        $self->_must($r, 404, code => 'MANIFEST_UNKNOWN');

    } elsif (%headers) {
        $self->_must($r, 304);

    } else {
        $self->_must($r, 200, body => $m->{bytes}, headers => {
            'Docker-Content-Digest' => $digest, ETag => "\"$digest\"",
            'Content-Type' => $m->{type} });
    }
}


sub _do_tag_delete {
    my ($self, $repo) = @_;

    my $tag = $self->_tag;
    my $r = $self->_ask('DELETE', "/v2/$repo/manifests/$tag");

    delete $self->{repos}{$repo}{tags}{$tag} ? $self->_must($r, 202)
        : $self->_must($r, 404, code => 'MANIFEST_UNKNOWN');
}


sub _do_manifest_delete {
    my ($self, $repo) = @_;

    my $state = $self->{repos}{$repo};
    my @all = sort keys %{ $state->{manifests} };
    my $digest = @all && $self->_chance(0.9) ? $all[rand @all]
        : sha256("$self->{name} nobody");
    my $r = $self->_ask('DELETE', "/v2/$repo/manifests/$digest");

    if (!delete $state->{manifests}{$digest}) {
        $self->_must($r, 404, code => 'MANIFEST_UNKNOWN');
        return;
    }

    $self->_must($r, 202);
    my $tags = $state->{tags};
    delete @{$tags}{ grep { $tags->{$_} eq $digest } keys %$tags };
}


sub _do_repository_delete {
    my ($self, $repo) = @_;

    my $r = $self->_ask('DELETE', "/v2/$repo/_nginx/repository/content");
    my $state = $self->{repos}{$repo};

    if (!$state->{there}) {
        $self->_must($r, 404, code => 'NAME_UNKNOWN');
        return;
    }

    $self->_must($r, 202);
    $self->_ended($repo, sort { $state->{sessions}{$a}{n}
        <=> $state->{sessions}{$b}{n} } keys %{ $state->{sessions} });
    $self->{repos}{$repo} = $self->_empty;
}


# Lists. n and last by chance, then on along the Links.

sub _do_tags {
    my ($self, $repo) = @_;

    my $state = $self->{repos}{$repo};
    my $uri = "/v2/$repo/tags/list";

    if (!$state->{there}) {
        $self->_must($self->_ask('GET', $uri), 404, code => 'NAME_UNKNOWN');
        return;
    }

    my $last = $self->_chance(0.2) ? $self->_tag : undef;
    $self->_pages($uri, $last, 'tags', sort keys %{ $state->{tags} });
}


sub _pages {
    my ($self, $uri, $last, $member, @want) = @_;

    # referrers come without: the specification has no n for them
    my $n = $self->_chance(0.5) ? 1 + int rand 4 : undef;
    $n = undef if $member eq 'manifests';
    @want = grep { $_ gt $last } @want if defined $last;

    $uri = Test::Registry::Server::with_query($uri, 'n', $n) if $n;
    $uri = Test::Registry::Server::with_query($uri, 'last', $last)
        if defined $last;

    for ( ;; ) {
        my $r = $self->_ask('GET', $uri);
        $self->_must($r, 200) or return;

        my @part = splice @want, 0, $n || @want;
        my $j = $r->json;
        my @have = ref $j eq 'HASH' && ref $j->{$member} eq 'ARRAY'
            ? map { ref $_ ? to_json($_) : $_ } @{ $j->{$member} }
            : 'no list';
        return $self->_wrong($r, "wanted [@part]") if "@have" ne "@part";

        my ($link) = ($r->header('Link') // '') =~ /\A<([^>]+)>; rel="next"/;
        return $self->_wrong($r, 'wanted ' . (@want ? 'a' : 'no') . ' Link')
            if !defined $link != !@want;
        return if !@want;
        $uri = $link;
    }
}


sub _do_referrers {
    my ($self, $repo) = @_;

    my $all = $self->{repos}{$repo}{manifests};
    my $subject = $self->_subject($repo);
    my @found = grep { ($all->{$_}{subject} // '') eq $subject }
        sort keys %$all;

    my $uri = "/v2/$repo/referrers/$subject";
    if ($self->_chance(0.3)) {
        my $type = $self->_any(@types, OCI_CONFIG);
        @found = grep { ($all->{$_}{artifact} // '') eq $type } @found;
        $uri = Test::Registry::Server::with_query($uri, 'artifactType',
            $type);
    }

    $self->_pages($uri, undef, 'manifests', map {
        my $m = $all->{$_};
        to_json(descriptor($m->{type}, $_, length $m->{bytes},
            defined $m->{artifact} ? (artifactType => $m->{artifact}) : (),
            $m->{annotations} ? (annotations => $m->{annotations}) : ()))
    } @found);
}


# Of the catalogue the part that is its own: it stands together.

sub _do_catalog {
    my ($self) = @_;

    my @want = grep { $self->{repos}{$_}{there} }
        sort keys %{ $self->{repos} };
    my $n = 1 + int rand 6;
    my $r = $self->_ask('GET', "/v2/_catalog?n=$n&last=$self->{name}/");
    $self->_must($r, 200) or return;

    my $j = $r->json;
    my @have = ref $j eq 'HASH' && ref $j->{repositories} eq 'ARRAY'
        ? @{ $j->{repositories} } : 'no list';
    my @own = grep { m{\A\Q$self->{name}\E/} } @have;
    my @part = splice @want, 0, $n;

    $self->_wrong($r, "wanted [@part] first")
        if "@own" ne "@part" || "@have[0 .. $#own]" ne "@own";
}


1;

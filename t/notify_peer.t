#!/usr/bin/perl

# The same operations against ours and against distribution, 2.8 and 3, each
# told to one receiver: envelopes that somebody who reads one of them can read
# the other of. Whoever moves over has to change nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::Clients qw(tool);
use Test::More;

use Test::Registry;
use Test::Registry::Notify;
use Test::Registry::Peer;
use Test::Registry::Receiver;

my $hook = Test::Registry::Receiver->new->run;
my $json = JSON::PP->new->canonical->allow_nonref;

my $t = Test::Registry->new(master => 1,
    http => 'registry_notify ours ' . $hook->url('/ours')
        . ' action=push,pull,mount,delete;',
    location => 'registry_delete on;')->run;
my %ours = told($t, '/ours');

peer('2', tool('docker-registry'));
peer('3', tool('registry'));
finish($t, { audit => { missing => 1 } });


# What each does, in order; [name, code].

sub operations {
    my ($s) = @_;

    my $image = image(seed => 'same', layers => [blob(5000, 'same')]);
    my $docker = image(seed => 'docker', docker => 1);
    my $layer = $image->{layers}[0];
    my $digest = sha256($layer);
    my @agent = (headers => [['User-Agent', 'docker/27.1']]);
    my @accept = (headers => [['User-Agent', 'docker/27.1'],
        ['Accept', join ', ', OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST,
            DOCKER_LIST]]);
    my $index = to_json(manifest_index([
        descriptor($image->{type}, $image->{digest}, length $image->{bytes},
            platform => { os => 'linux', architecture => 'amd64' })]));

    my $put = sub {
        my ($reference, $bytes, $type) = @_;
        return $s->put("/v2/app/manifests/$reference", body => $bytes,
            headers => [['User-Agent', 'docker/27.1'],
                ['Content-Type', $type]]);
    };

    return (
        ['blob push', sub { $s->push_blob('app', $layer,
            http => { @agent }) }],
        ['config push', sub { $s->push_blob('app', $image->{config},
            http => { @agent }) }],
        ['blob push again', sub { $s->push_blob('app', $layer,
            http => { @agent }) }],
        ['blob push in parts', sub {
            my $l = $s->open_upload('app', http => { @agent });
            my $r = $s->patch($l, body => 'some', @agent);
            $s->put(with_query(path_of($r->header('Location')),
                'digest', sha256('some more')), body => ' more', @agent);
        }],
        ['mount', sub { $s->post("/v2/other/blobs/uploads/?mount=$digest"
            . '&from=app', body => '', @agent) }],
        ['manifest by tag', sub {
            $put->('v1', $image->{bytes}, $image->{type}) }],
        ['manifest by digest', sub {
            $put->($image->{digest}, $image->{bytes}, $image->{type}) }],
        ['index by tag', sub { $put->('all', $index, OCI_INDEX) }],
        ['parts of Docker', sub { $s->push_blob('app', $_,
            http => { @agent }) for $docker->{config},
                @{ $docker->{layers} } }],
        ['manifest of Docker', sub {
            $put->('docker', $docker->{bytes}, $docker->{type}) }],
        ['GET of a tag', sub { $s->get('/v2/app/manifests/v1', @accept) }],
        ['GET of a digest', sub {
            $s->get("/v2/app/manifests/$image->{digest}", @accept) }],
        ['HEAD of a tag', sub { $s->head('/v2/app/manifests/v1', @accept) }],
        ['HEAD of a digest', sub {
            $s->head("/v2/app/manifests/$image->{digest}", @accept) }],
        ['GET of an index', sub { $s->get('/v2/app/manifests/all',
            @accept) }],
        ['GET of a blob', sub { $s->get("/v2/app/blobs/$digest", @agent) }],
        ['HEAD of a blob', sub { $s->head("/v2/app/blobs/$digest",
            @agent) }],
        ['a part of a blob', sub { $s->get("/v2/app/blobs/$digest",
            headers => [['User-Agent', 'docker/27.1'],
                [Range => 'bytes=5-9']]) }],
        ['GET of what is not there', sub {
            $s->get('/v2/app/manifests/none', @accept) }],
        ['GET of what has not changed', sub {
            $s->get('/v2/app/manifests/v1', headers => [
                ['If-None-Match', "\"$image->{digest}\""],
                ['Accept', OCI_MANIFEST]]) }],
        ['a list', sub { $s->get('/v2/app/tags/list', @agent) }],
        ['DELETE of a tag', sub {
            $s->delete('/v2/app/manifests/all', @agent) }],
        ['DELETE of a manifest', sub {
            $s->delete("/v2/app/manifests/$image->{digest}", @agent) }],
        ['DELETE of a blob', sub {
            $s->delete("/v2/app/blobs/$digest", @agent) }],
    );
}


# {name => [events]} of each operation. A push of a mark tells where the events
# of one end; what is pulled may be told of a little later than what is pushed,
# so the mark is pulled, too.

sub told {
    my ($s, $path) = @_;

    my ($n, $from, %told) = (0, 0);

    for my $op (operations($s)) {
        my ($name, $code) = @$op;
        my $mark = 'mark ' . ++$n;
        my $digest = sha256($mark);

        $code->();
        $s->push_blob('mark', $mark);
        $s->head("/v2/mark/blobs/$digest");

        my @new;
        wait_for(20, sub {
            @new = $hook->events($path);
            @new = @new[$from .. $#new];
            return 2 == grep { ($_->{target}{digest} // '') eq $digest }
                @new;
        }) or diag "$path: $name: the mark does not come";
        $from += @new;
        $told{$name} = [grep { $_->{target}{repository} ne 'mark' } @new];
    }

    return %told;
}


# An event as names, types and what has to be the same for both.

sub outline {
    my ($e, $port) = @_;

    my %flat;
    _flatten($e, '', \%flat);

    for my $name (keys %flat) {
        my $v = $flat{$name};

        $v =~ s/localhost:$port/HOST/;

        if ($name =~ /\A(?:id|source\.instanceID)\z/) {
            $v = $v =~ /\A"[0-9a-f-]{36}"\z/ ? 'UUID' : 'no UUID';

        } elsif ($name eq 'request.id') {

            # ours is that of the access log

            $v = $v =~ /\A"[0-9a-f-]{32,36}"\z/ ? 'ID' : 'no ID';

        } elsif ($name eq 'timestamp') {
            $v =~ s/\A"\d{4}(?:-\d\d){2}T\d\d(?::\d\d){2}(?:\.\d{1,9})?
                (?:Z|[+-]\d\d:\d\d)"\z/TIME/x;

        } elsif ($name eq 'request.addr') {
            $v =~ s/:\d+"\z/:PORT"/;

        } elsif ($name eq 'source.addr') {
            $v =~ s/\A"\S+:\d+"\z/NODE/;
        }

        $flat{$name} = $v;
    }

    return \%flat;
}


sub _flatten {
    my ($value, $name, $flat) = @_;

    if (ref $value eq 'HASH') {
        $flat->{"$name."} = '{}' if !%$value;
        _flatten($value->{$_}, length $name ? "$name.$_" : $_, $flat)
            for keys %$value;
        return;
    }

    $flat->{$name} = $json->encode($value);
}


sub peer {
    my ($major, $binary) = @_;

    SKIP: {
        skip_tests("no distribution $major here", 30) if !defined $binary;

        my $peer = Test::Registry::Peer->new(binary => $binary,
            more => <<"END")->run;
notifications:
  endpoints:
    - name: peer
      url: ${\ $hook->url("/peer$major") }
      timeout: 5s
      threshold: 5
      backoff: 1s
END
        my %theirs = told($peer, "/peer$major");
        my $port = $peer->port;

        for my $op (operations($t)) {
            my ($name) = @$op;
            compare("distribution $major: $name", $major, $name, $port,
                $ours{$name}, $theirs{$name});
        }

        my ($ours, $theirs) = map { ($hook->posts($_))[0] } '/ours',
            "/peer$major";
        my @type = map { Test::Registry::Receiver::header($_,
            'Content-Type') } $ours, $theirs;
        $type[1] =~ s/\.v1\+/.v2+/ if $major == 2;
        is($type[0], $type[1], "distribution $major: the type of the envelope");
        is($ours->{method}, $theirs->{method},
            "distribution $major: the method");
        is(join(' ', keys %{ $json->decode($ours->{body}) }),
            join(' ', keys %{ $json->decode($theirs->{body}) }),
            "distribution $major: its members");
        $peer->stop;
    }
}


sub compare {
    my ($label, $major, $name, $port, $ours, $theirs) = @_;

    my @our = map { outline($_, $t->port) } @$ours;
    my @their = map { outline($_, $port) } @$theirs;

    # 2.8 deletes no tags, says v1 of the same envelope, and leaves out what is
    # empty where 3 does not

    if ($major == 2) {
        return if $name eq 'DELETE of a tag';

        for my $e (@our) {
            delete $e->{$_} for grep { $e->{$_} =~ /\A(?:""|0)\z/ }
                qw(target.mediaType target.digest target.size);
        }
    }

    # tags that go with a manifest go in any order

    my $by = sub { $json->encode([@{ $_[0] }{qw(action target.digest
        target.tag)}]) };
    @our = sort { $by->($a) cmp $by->($b) } @our;
    @their = sort { $by->($a) cmp $by->($b) } @their;

    is(scalar @our, scalar @their, "$label: the number of events")
        or diag 'ours: ', join(', ', map { $_->{'action'} } @our),
            "\ntheirs: ", join(', ', map { $_->{'action'} } @their);

    for my $i (0 .. $#their) {
        is_deeply($our[$i] || {}, $their[$i], "$label: event $i");
    }
}

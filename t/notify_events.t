#!/usr/bin/perl

# Which events there are: for each operation on every route those that
# distribution has for it, field by field; none for what changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::HTTP2;
use Test::Registry::Notify;
use Test::Registry::Receiver;

use constant OCTETS => 'application/octet-stream';

my $hook = Test::Registry::Receiver->new->run;

# One worker: what is pulled is told of by the worker that served it, in its
# order.

my $t = Test::Registry->new(
    tls => 1,
    master => 1,
    ports => 2,
    write => { users => htpasswd(alice => 'secret', 'bo"b\\<é>' => 'secret') },
    http => 'registry_notify all ' . $hook->url('/all')
        . ' action=push,pull,mount,delete timeout=30s;'
        . 'large_client_header_buffers 4 16k;',
    location => 'registry_delete on;',
    servers => 'server { listen 127.0.0.1:%%PORT1%%; location /v2/ {'
        . ' registry %%ROOT%%; registry_delete on;'
        . ' registry_htpasswd x %%DIR%%/users; } }'
        . ' server { listen 127.0.0.1:%%PORT2%%; location /v2/ {'
        . ' registry %%ROOT%%; registry_notify off; registry_delete on; } }',
)->run;

my $host = 'localhost:' . $t->port;
my ($known, $markers) = (0, 0);

pushes();
mounts();
manifests();
pulls();
deletes();
nothing();
actors();
over_tls();
over_http2();
command();
hostile();
switched_off();
form();

finish($t);


# The events that code brings, and no others: a mark goes behind it, pushed and
# pulled, since what is pulled may be told of a little later.

sub events_after {
    my ($code) = @_;

    my $mark = 'mark/' . ++$markers;
    my $digest = Test::Registry::Content::sha256($mark);

    $code->();
    $t->push_blob('mark', $mark);
    $t->head("/v2/mark/blobs/$digest");

    my @new;
    wait_for(20, sub {
        @new = $hook->events('/all');
        @new = @new[$known .. $#new];
        return 2 == grep { ($_->{target}{digest} // '') eq $digest } @new;
    }) or diag 'the mark does not come';

    $known += @new;
    return grep { $_->{target}{repository} ne 'mark' } @new;
}


# One assertion for each event, one for their number.

sub brings {
    my ($name, $code, @want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @got = events_after($code);
    is(scalar @got, scalar @want, "$name: the number of events")
        or diag join "\n", map { "$_->{request}{method}: " . key_of($_) } @got;

    for my $i (0 .. $#want) {
        is_event($got[$i] || {}, { host => $host, %{ $want[$i] } },
            "$name: event " . ($i + 1));
    }
    return @got;
}


sub blob_target {
    my ($repo, $bytes, %more) = @_;

    my $digest = $more{digest} || sha256($bytes);
    return { mediaType => OCTETS, digest => $digest, size => length $bytes,
        length => length $bytes, repository => $repo,
        url => ($more{base} || "http://$host") . "/v2/$repo/blobs/$digest",
        ($more{from} ? (fromRepository => $more{from}) : ()) };
}


sub manifest_target {
    my ($repo, $image, $tag, %more) = @_;

    return { mediaType => $image->{type}, digest => $image->{digest},
        size => length $image->{bytes}, length => length $image->{bytes},
        repository => $repo, url => ($more{base} || "http://$host")
            . "/v2/$repo/manifests/$image->{digest}",
        (defined $tag ? (tag => $tag) : ()) };
}


sub pushes {
    my ($one, $two, $three) = map { blob($_, "pushes $_") } 3000, 200_000, 10;

    brings('a blob in one POST', sub {
        is_status($t->post('/v2/app/blobs/uploads/?digest=' . sha256($one),
            body => $one), 201, 'a POST');
    }, { action => 'push', method => 'POST',
        target => blob_target('app', $one) });

    brings('a blob in parts', sub {
        my $l = $t->open_upload('app');
        is_status($t->patch($l, body => substr $two, 0, 70_000), 202, 'one');
        is_status($t->patch($l, body => substr $two, 70_000, 50_000), 202,
            'two');
        is_status($t->put("$l?digest=" . sha256($two),
            body => substr $two, 120_000), 201, 'the last');
    }, { action => 'push', method => 'PUT',
        target => blob_target('app', $two) });

    brings('a blob that is there', sub { $t->push_blob('app', $one) },
        { action => 'push', method => 'PUT',
            target => blob_target('app', $one) });

    brings('a blob with sha512', sub {
        $t->push_blob('app', $three,
            digest => Test::Registry::Content::sha512($three));
    }, { action => 'push', method => 'PUT', target => blob_target('app',
        $three, digest => Test::Registry::Content::sha512($three)) });

    brings('an empty blob', sub { $t->push_blob('app/empty', '') },
        { action => 'push', method => 'PUT', target => empty_target() });

    brings('a useragent', sub {
        $t->push_blob('app', 'ua',
            http => { headers => [['User-Agent', 'docker/27.1 go/1.22']] });
    }, { action => 'push', method => 'PUT', useragent => 'docker/27.1 go/1.22',
        target => blob_target('app', 'ua') });
}


# As distribution has it: a length of 0 is left out, a size is not.

sub empty_target {
    my $target = blob_target('app/empty', '');

    delete $target->{length};
    return $target;
}


sub mounts {
    my $bytes = blob(5000, 'mounts');
    my $digest = sha256($bytes);
    my $n = 0;

    events_after(sub { $t->push_blob('from/here', $bytes) });

    # without a source it is the first in the catalogue that has the blob

    for my $query ("mount=$digest&from=from/here",
        "mount=$digest&from=from%2Fhere", "mount=$digest")
    {
        my $repo = 'to/' . ++$n;

        brings("a mount, $query", sub {
            is_status($t->post("/v2/$repo/blobs/uploads/?$query", body => ''),
                201, 'a mount');
        }, { action => 'mount', method => 'POST',
            target => blob_target($repo, $bytes, from => 'from/here') });
    }

    brings('no mount', sub {
        is_status($t->post("/v2/to/blobs/uploads/?mount=$digest&from=none",
            body => ''), 202, 'an upload instead');
    });
}


sub manifests {
    my $image = stocked($t, 'img');
    my $docker = stocked($t, 'img', docker => 1);
    my $index = to_json(manifest_index([
        descriptor($image->{type}, $image->{bytes})]));
    my %index = (type => OCI_INDEX, bytes => $index,
        digest => sha256($index));
    my $list = to_json({ schemaVersion => 2, mediaType => DOCKER_LIST,
        manifests => [descriptor($docker->{type}, $docker->{bytes})] });
    my %list = (type => DOCKER_LIST, bytes => $list, digest => sha256($list));

    events_after(sub { });

    brings('a manifest by tag', sub {
        is_status(tag_put($t, 'img', 'v1', $image), 201, 'PUT');
    }, { action => 'push', method => 'PUT',
        target => manifest_target('img', $image, 'v1') });

    brings('the same once more', sub { tag_put($t, 'img', 'v1', $image) },
        { action => 'push', method => 'PUT',
            target => manifest_target('img', $image, 'v1') });

    brings('a manifest by digest', sub {
        is_status(tag_put($t, 'img', $image->{digest}, $image), 201, 'PUT');
    }, { action => 'push', method => 'PUT',
        target => manifest_target('img', $image) });

    brings('a manifest with tags in the query', sub {
        is_status(tag_put($t, 'img', "$image->{digest}?tag=b&tag=a&tag=c",
            $image), 201, 'PUT');
    }, map { { action => 'push', method => 'PUT',
        target => manifest_target('img', $image, $_) } } qw(b a c));

    brings('sixty-four tags', sub {
        is_status(tag_put($t, 'img', "$image->{digest}?"
            . join('&', map { "tag=t$_" } 1 .. 64), $image), 201, 'PUT');
    }, map { { action => 'push', method => 'PUT',
        target => manifest_target('img', $image, "t$_") } } 1 .. 64);

    for (['an image of Docker', $docker], ['an index', \%index],
        ['a list of Docker', \%list])
    {
        my ($what, $m) = @$_;

        brings($what, sub {
            is_status(tag_put($t, 'img', 'other', $m), 201, "PUT of $what");
        }, { action => 'push', method => 'PUT',
            target => manifest_target('img', $m, 'other') });
    }

    my $subject = descriptor($image->{type}, $image->{bytes});
    my $artifact;
    my @got = events_after(sub {
        $artifact = $t->push_referrer('img', $subject, type => 'a/b');
    });
    is(scalar @got, 2, 'an artifact: its blob and itself');
    is(key_of($got[1] || $got[0]), "push img\@$artifact->{digest}",
        'an artifact with a subject');
}


sub pulls {
    my $image = $t->push_image('pull', 'v1', seed => 'pull');
    my $layer = $image->{layers}[0];
    my $blob = '/v2/pull/blobs/' . sha256($layer);
    my @how = ([GET => 200], [HEAD => 200]);

    events_after(sub { });

    for (@how) {
        my ($method, $status) = @$_;

        brings("$method of a manifest by tag", sub {
            is_status($t->request($method, '/v2/pull/manifests/v1'), $status,
                $method);
        }, { action => 'pull', method => $method,
            target => manifest_target('pull', $image, 'v1') });

        brings("$method of a manifest by digest", sub {
            $t->request($method, "/v2/pull/manifests/$image->{digest}");
        }, { action => 'pull', method => $method,
            target => manifest_target('pull', $image) });

        brings("$method of a blob", sub {
            is_status($t->request($method, $blob), $status, $method);
        }, { action => 'pull', method => $method,
            target => blob_target('pull', $layer) });
    }

    brings('a part of a blob', sub {
        is_status($t->get($blob, headers => [[Range => 'bytes=10-19']]), 206,
            'a part');
    }, { action => 'pull', method => 'GET',
        target => blob_target('pull', $layer) });

    brings('a manifest that has not changed', sub {
        is_status($t->get('/v2/pull/manifests/v1', headers => [[
            'If-None-Match', "\"$image->{digest}\""]]), 304, 'GET');
    });

    my $c = $t->connect;
    my @got = events_after(sub { $c->get($blob) for 1 .. 300; $c->close });
    is(scalar @got, 300, 'three hundred pulls, as many events');
}


sub deletes {
    my $image = $t->push_image('del', 'v1', seed => 'del');
    tag_put($t, 'del', $_, $image) for qw(v2 v3);
    my $other = $t->push_image('del', 'other', seed => 'del other');
    my $layer = sha256($image->{layers}[0]);

    events_after(sub { });

    brings('a tag', sub {
        is_status($t->delete('/v2/del/manifests/v1'), 202, 'DELETE');
    }, { action => 'delete', method => 'DELETE',
        target => deleted('del', tag => 'v1') });

    # the manifest first, then the tags that went with it

    my @got = events_after(sub {
        is_status($t->delete("/v2/del/manifests/$image->{digest}"), 202,
            'DELETE');
    });
    is(join(' ', map { key_of($_) } $got[0] || {},
        sort { key_of($a) cmp key_of($b) } @got[1 .. $#got]),
        "delete del\@$image->{digest} delete del:v2 delete del:v3",
        'a manifest, and each tag on it');
    is_event($got[0] || {}, { host => $host, action => 'delete',
        method => 'DELETE', target => deleted('del',
            digest => $image->{digest}) }, 'a manifest');

    brings('a blob', sub {
        is_status($t->delete("/v2/del/blobs/$layer"), 202, 'DELETE');
    }, { action => 'delete', method => 'DELETE',
        target => deleted('del', digest => $layer) });

    brings('a repository', sub {
        is_status($t->delete('/v2/del/_nginx/repository/content'), 202,
            'DELETE');
    }, { action => 'delete', method => 'DELETE',
        target => deleted('del') });
}


# distribution 3 says of what is deleted that it is nothing.

sub deleted {
    my ($repo, %more) = @_;

    return { mediaType => '', digest => '', size => 0, repository => $repo,
        %more };
}


# What fails, and what only asks, is no event.

sub nothing {
    my $image = $t->push_image('quiet', 'v1', seed => 'quiet');
    my $layer = '/v2/quiet/blobs/' . sha256($image->{layers}[0]);
    my $none = sha256('none');

    events_after(sub { });

    my @got = events_after(sub {
        my $l = $t->open_upload('quiet');
        my @all = (
            [GET => '/v2/', 200], [GET => '/v2/_catalog', 200],
            [GET => '/v2/quiet/tags/list', 200],
            [GET => "/v2/quiet/referrers/$image->{digest}", 200],
            [GET => '/v2/quiet/manifests/none', 404],
            [GET => "/v2/quiet/manifests/$none", 404],
            [HEAD => "/v2/quiet/blobs/$none", 404],
            [GET => "/v2/none/blobs/$none", 404],
            [GET => $layer, 416, headers => [[Range => 'bytes=9999-']]],
            [PUT => '/v2/quiet/manifests/bad', 400, body => '{'],
            [PUT => "/v2/quiet/manifests/$none", 400,
                body => $image->{bytes},
                headers => [['Content-Type', $image->{type}]]],
            [DELETE => '/v2/quiet/manifests/none', 404],
            [DELETE => "/v2/quiet/manifests/$none", 404],
            [DELETE => "/v2/quiet/blobs/$none", 404],
            [DELETE => '/v2/none/_nginx/repository/content', 404],
            [PATCH => $l, 202, body => 'some'],
            [GET => $l, 204],
            [PUT => "$l?digest=$none", 400, body => ''],
            [POST => "/v2/quiet/blobs/uploads/?digest=$none", 400,
                body => 'other'],
            [OPTIONS => '/v2/quiet/tags/list', 204],
        );

        for my $row (@all) {
            my ($method, $uri, $status, %o) = @$row;
            is_status($t->request($method, $uri, %o), $status,
                "$method $uri");
        }

        $l = $t->open_upload('quiet');
        is_status($t->delete($l), 204, 'a cancelled upload');
    });

    is(join(', ', map { key_of($_) } @got), '',
        'what fails or only asks is no event');
}


sub actors {
    my $port = $t->extra_port(1);
    my $there = "localhost:$port";

    for my $name ('alice', 'bo"b\\<é>') {
        my $bytes = "of $name";
        my ($e) = events_after(sub {
            my $digest = sha256($bytes);
            is_status($t->as($name, 'secret')->post(
                "/v2/who/blobs/uploads/?digest=$digest", body => $bytes,
                port => $port), 201, 'a push of somebody');
        });

        my $actor = $name;
        utf8::decode($actor);
        is_event($e || {}, { host => $there, action => 'push',
            method => 'POST', actor => { name => $actor },
            target => blob_target('who', $bytes, base => "http://$there") },
            'the actor is who logged in');
    }

    my @got = events_after(sub {
        is($t->as('alice', 'wrong')->post('/v2/who/blobs/uploads/',
            body => '', port => $port)->status, 401, 'nobody');
    });
    is(scalar @got, 0, 'who may not come in makes no event');
}


sub over_tls {
    my $bytes = 'over TLS';
    my $there = 'localhost:' . $t->tls_port;
    my ($e) = events_after(sub {
        $t->push_blob('tls', $bytes, http => { tls => 1 });
    });

    is_event($e || {}, { host => $there, action => 'push', method => 'PUT',
        target => blob_target('tls', $bytes, base => "https://$there") },
        'over TLS the address is one of https');
}


sub over_http2 {
    my $bytes = 'over HTTP/2';
    my $uri = '/v2/h2/blobs/uploads/?digest=' . sha256($bytes);
    my ($e) = events_after(sub {
        my $h2 = Test::Registry::HTTP2->new(port => $t->tls_port, tls => 1,
            ca => $t->ca);
        is_status($h2->request('POST', $uri, body => $bytes), 201,
            'a push over HTTP/2');
        $h2->close;
    });

    is_event($e || {}, { host => 'localhost', action => 'push',
        method => 'POST', target => blob_target('h2', $bytes,
            base => 'https://localhost') },
        'over HTTP/2 the host is :authority');
}


# What registryctl removes is told of as well: nobody asked over HTTP.

sub command {
    my $image = $t->push_image('ctl', 'v1', seed => 'ctl');
    tag_put($t, 'ctl', 'v2', $image);

    my @got = events_after(sub {
        is_exit(ctl('rm', $t->root, 'ctl:v1'), 0, 'registryctl rm of a tag');
    });
    @got = grep { $_->{action} eq 'delete' } @got;
    is(join(' ', map { key_of($_) } @got), 'delete ctl:v1',
        'registryctl rm of a tag');
    is_deeply($got[0]{target}, deleted('ctl', tag => 'v1'),
        'has the fields of any other');

    @got = grep { $_->{action} eq 'delete' } events_after(sub {
        is_exit(ctl('rm', $t->root, "ctl\@$image->{digest}"), 0,
            'registryctl rm of a manifest');
    });
    is(join(' ', map { key_of($_) } @got),
        "delete ctl\@$image->{digest} delete ctl:v2",
        'registryctl rm of a manifest and the tag on it');
}


# A109: whatever a client says of itself, it is one event of valid JSON, with
# what can be said of it in UTF-8.

sub hostile {
    my @odd = (
        ['quotes', 'quote"quote\'back\\slash</script>'],
        ['control bytes', "control\x01\x02\x1b[31m\x7f\x08"],
        ['a tab', "tab\there"],
        ['bad UTF-8', "bad\xff\xfe\xc0\x80\xed\xa0\x80"],
        ['half a character', "half\xe2\x82"],
        ['Latin 1', "latin\xe9\xfc"],
        ['UTF-8', "good\xe2\x82\xac\xf0\x9f\x98\x80"],
        ['8 KB', 'long' . 'u' x 8000],
        ['8 KB of quotes', 'long' . '"' x 8000],
        ['8 KB of bytes', 'long' . "\xff" x 8000],
        ['JSON', 'json","action":"delete","x":"'],
    );

    for my $header ('User-Agent', 'Host', 'Referer') {
        for my $row (@odd) {
            my ($what, $value) = @$row;
            my $bytes = "A109 $header $what";
            my $digest = sha256($bytes);
            my $r;
            my @got = events_after(sub {
                $r = $t->post("/v2/odd/blobs/uploads/?digest=$digest",
                    body => $bytes, headers => [[$header => $value]]);
            });

            # nginx refuses a Host of such bytes before anybody is asked

            if ($r->status != 201) {
                is($r->status, 400, "A109 $header with $what: refused");
                is(scalar @got, 0, "A109 $header with $what: no event");
                next;
            }

            is(scalar @got, 1, "A109 $header with $what: one event");
            my $e = $got[0] || {};
            is($e->{target}{digest}, $digest, "A109 $header with $what: it");
            my ($start) = $value =~ /\A(\w{1,4})/;
            my $said = $header eq 'User-Agent' ? $e->{request}{useragent}
                : $header eq 'Host' ? $e->{request}{host} : $start;
            like($said, qr/\A\Q$start\E/,
                "A109 $header with $what: begins as was sent");
        }
    }

    is_exact('User-Agent', 'quote"quote\'back\\slash', sub {
        $_[0]{request}{useragent} });

    # every post so far: bytes of UTF-8, no raw control byte

    my @bad = grep {
        my $body = $_->{body};
        !utf8::decode($body) || $body =~ /[\x00-\x08\x0b\x0c\x0e-\x1f]/
    } $hook->posts('/all');
    is(scalar @bad, 0, 'A109 every envelope is UTF-8 without control bytes');
}


sub is_exact {
    my ($header, $value, $get) = @_;

    my ($e) = events_after(sub {
        $t->push_blob('odd', $value,
            http => { headers => [[$header => $value]] });
    });
    is($get->($e), $value, "A109 $header comes as it was sent");
}


sub switched_off {
    my @got = events_after(sub {
        $t->push_image('off', 'v1', seed => 'off',
            http => { port => $t->extra_port(2) });
    });

    is(join(' ', map { key_of($_) } @got), '',
        'registry_notify off: no event');
}


# What all posts had in common.

sub form {
    my @posts = $hook->posts('/all');

    my %types = map { Test::Registry::Receiver::header($_, 'Content-Type')
        => 1 } @posts;
    is(join(' ', keys %types), Test::Registry::Receiver::ENVELOPE,
        'the type of the envelope');

    my @bad = grep { $_->{method} ne 'POST' } @posts;
    is(scalar @bad, 0, 'all of them are POSTs');

    my %members;
    $members{ join ' ', sort keys %{ JSON::PP->new->utf8->decode(
        $_->{body}) } } = 1 for @posts;
    is(join(', ', keys %members), 'events', 'events is all there is in it');

    my @events = $hook->events('/all');
    my %instance = map { $_->{source}{instanceID} => 1 }
        grep { length $_->{request}{host} } @events;
    is(scalar keys %instance, 1, 'the instance is the same all the time');
    is(duplicates(@events), 0, 'nothing came twice');
    my @late = grep { $_->{timestamp} !~ /\A20/ } @events;
    is(scalar @late, 0, 'times are of these days');

    my ($now) = POSIX::strftime('%Y-%m-%d', gmtime);
    my ($then) = POSIX::strftime('%Y-%m-%d', gmtime(time - 3600));
    like($events[-1]{timestamp}, qr/\A(?:$now|$then)T.*Z\z/, 'and in UTC');
}

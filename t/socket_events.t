#!/usr/bin/perl

# A socket has its events while a thread works for the request: the client
# closes its side, or sends the next request. None of them may bring the reply
# before the work is done.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(:flock);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;

my $t = Test::Registry->new(tls => 1, location => 'registry_delete on;')->run;

my $image = image(seed => 'events');
$t->push_blob('app', $_) for $image->{config}, @{ $image->{layers} };

# one whose layer nobody pushed
my $incomplete = image(seed => 'events', layers => [ 'absent' ]);
$t->push_blob('app', $incomplete->{config});

my @type = (headers => [ [ 'Content-Type', $image->{type} ] ]);
my $serial = 0;

for my $tls (0, 1) {
    my $over = $tls ? ' over TLS' : '';

    operations("half-close$over", $tls, sub { $_[0]->half_close }) if !$tls;
    operations("next request$over", $tls, sub { $_[0]->start('GET', '/v2/') });
    operations("half a request$over", $tls,
        sub { $_[0]->send("GET /v2/ HTTP/1.1\r\nHo") });
}

finish($t);


# Every operation that waits for the lock of the store.

sub operations {
    my ($name, $tls, $event) = @_;

    my $tag = 'tag' . ++$serial;
    my $bytes = blob(100_000, "events $serial");
    my $digest = Test::Registry::Content::sha256($bytes);

    my $r = during("$name: manifest PUT", $tls, $event, 'PUT',
        "/v2/app/manifests/$tag", @type, body => $image->{bytes});
    is_status($r, 201, "$name: manifest PUT");
    is_header($r, 'Docker-Content-Digest', $image->{digest},
        "$name: its digest");
    is_status($t->get("/v2/app/manifests/$tag"), 200,
        "$name: the tag is there");

    # what cannot be known before the work was done

    $r = during("$name: bad manifest PUT", $tls, $event, 'PUT',
        "/v2/app/manifests/$tag", @type, body => $incomplete->{bytes});
    is_error($r, 404, 'MANIFEST_BLOB_UNKNOWN', "$name: bad manifest PUT");

    my $place = $t->open_upload('app');
    is_status($t->patch($place, body => $bytes), 202, "$name: PATCH");

    $r = during("$name: PUT", $tls, $event, 'PUT', "$place?digest=$digest",
        body => '');
    is_status($r, 201, "$name: PUT without body");
    is_status($t->head("/v2/app/blobs/$digest"), 200,
        "$name: the blob is there");

    $bytes .= 'single';
    $digest = Test::Registry::Content::sha256($bytes);
    $r = during("$name: POST", $tls, $event, 'POST',
        "/v2/app/blobs/uploads/?digest=$digest", body => $bytes);
    is_status($r, 201, "$name: POST with the whole blob");
    is_status($t->head("/v2/app/blobs/$digest"), 200,
        "$name: that blob is there");

    $r = during("$name: DELETE", $tls, $event, 'DELETE',
        "/v2/app/blobs/$digest");
    is_status($r, 202, "$name: DELETE of the blob");
    is_error($t->get("/v2/app/blobs/$digest"), 404, 'BLOB_UNKNOWN',
        "$name: the blob is gone");
}


# Sends a request while the store is locked, so that its thread has to wait,
# and lets the event happen meanwhile.

sub during {
    my ($name, $tls, $event, $method, $uri, %o) = @_;

    my $file = $t->root . '/docker/registry/nginx/lock';
    open my $lock, '<', $file or die "$file: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    my $c = $t->connect(tls => $tls);
    $c->start($method, $uri, %o);
    $c->send_body(%o);

    sleep 0.15;
    $event->($c);

    my $early = $c->wait_head(Time::HiRes::time() + 0.25);
    ok(!$early, "$name: no reply before the work is done");

    close $lock;

    my $r = $c->reply(timeout => 20);
    $c->close;

    return $r;
}

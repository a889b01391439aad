#!/usr/bin/perl

# Referrers that are dear to parse: who gets his turn while they are listed,
# what memory that takes, and what becomes of a list that nobody waits for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Files;
use Test::Registry::Held;
use Test::Registry::HTTP2;
use Test::Registry::Torture;


my $subject = sha256('subject');
my $uri = "/v2/app/referrers/$subject";
my ($t, %pushed);

turns();
gone();
waits();
memory();

done_testing();


# One thread, so that there is an order in which it works.

sub server {
    my (%o) = @_;

    $t = Test::Registry->new(workers => 1, h2c => 1,
        http => 'log_format short "$status $request_uri";',
        main => 'thread_pool p ' . ($o{threads} // 'threads=1') . ';',
        location => 'registry_delete on; registry_thread_pool p;'
            . 'access_log %%DIR%%/short.log short;')->run;
    %pushed = ();
}


# The audit would read them all.

sub clear {
    is_status($t->delete("/v2/$_/_nginx/repository/content"), 202,
        "the referrers in $_ go") for sort keys %pushed;
    $t->finish;
}


# A manifest that some 50 MB of memory are taken for.

sub dear {
    my ($seed) = @_;

    return '{"schemaVersion":2,"mediaType":"' . OCI_INDEX . '","manifests":[],'
        . '"artifactType":"application/vnd.dear","subject":{"mediaType":"'
        . OCI_MANIFEST . "\",\"digest\":\"$subject\",\"size\":10},"
        . "\"seed\":\"$seed\",\"x\":[" . '{},' x 190_000 . '0]}';
}


sub push_dear {
    my ($repo, $n) = @_;

    for (1 .. $n) {
        my $bytes = dear($repo . $pushed{$repo}++);
        $t->push_manifest($repo, sha256($bytes), $bytes, OCI_INDEX)->status
            == 201 or die "a dear manifest is refused\n";
    }
}


# Nothing is remembered by a new worker.

sub forget {
    $t->reload;
}


sub start {
    my ($where) = @_;

    my $c = $t->connect;
    $c->start('GET', $where);
    return $c;
}


# Those of them that nothing has come for yet.

sub waiting {
    return grep { !IO::Select->new($_->sock)->can_read(0) } @_;
}


sub empty {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_status($r, 200, "$name: 200");
    is_header($r, 'OCI-Filters-Applied', 'artifactType');
    is(scalar @{ ($r->json // {})->{manifests} // [1] }, 0,
        "$name: none of them");
}


# All lists together take a fraction of a second: where this process stood still
# for that long none is left, and all is done once more.

sub turns {
    server();
    push_dear('app', 24);
    $pushed{other} = 1;

    my ($begun, $put);

    for my $try (1 .. 5) {
        forget();

        my @c = map { start("$uri?artifactType=a/$_") } 1 .. 6;
        is_status($t->post('/v2/other/blobs/uploads/'), 202, 'a push begins');
        $begun = waiting(@c);

        my $bytes = dear("pushed $try");
        is_status($t->push_manifest('other', sha256($bytes), $bytes,
            OCI_INDEX), 201, 'one that takes as much to parse');
        $put = waiting(@c);

        empty($_->reply(timeout => 60), 'a list of another type') for @c;
        last if $put;
    }

    cmp_ok($begun, '>', 0, 'A48 who begins a push does not wait for all lists');
    cmp_ok($put, '>', 0, 'A48 nor does a manifest stand behind all of them');

    my $r = $t->get($uri);
    is(scalar @{ $r->json->{manifests} }, 24, 'all of them are listed');
    has_no_header($r, 'Link');
}


sub log_of {
    return slurp($t->dir . '/short.log') // '';
}


sub logged {
    my ($status, $mark) = @_;

    return scalar grep { /\A$status .*[?&]mark=$mark\z/ }
        split /\n/, log_of();
}


# They have to go before their lists are made, for which see above.

sub gone {
    my ($gone, $stream);

    for my $try (1 .. 5) {
        forget();

        my $where = "$uri?artifactType=a/b&mark=";
        my @c = map { start("${where}gone$try") } 1 .. 8;
        $_ % 2 ? $c[$_]->reset : $c[$_]->close for 0 .. $#c;

        my $h = Test::Registry::HTTP2->new(port => $t->h2c_port);
        my $id = $h->open_stream('GET', "${where}stream$try");
        my $other = $h->open_stream('GET', "${where}kept$try");
        $h->reset_stream($id);

        my $stays = start("${where}stays$try");

        empty($stays->reply(timeout => 60), 'one who waits');
        is($h->reply($other)->{status}, 200, 'a stream that waits');
        ok(wait_for(10, sub { logged(200, "stays$try")
            + logged(200, "kept$try") == 2 }), 'for these it is made');

        $gone = wait_for(10, sub { logged('...', "gone$try") == 8 })
            ? logged(499, "gone$try") : -1;
        $stream = wait_for(10, sub { logged('...', "stream$try") == 1 })
            ? logged(499, "stream$try") : -1;

        $h->close;
        last if $gone == 8 && $stream == 1;
    }

    is($gone, 8, 'A48 a list is not made for who has gone') or diag log_of();
    is($stream, 1, 'by HTTP/2');
    clear();
}


# One has the turn, and is kept from its end by the lock of the store.

sub waits {
    server(threads => 'threads=16');
    push_dear('app', 2);
    push_dear('app2', 2);
    sleep 0.5;

    my $lock = hold_store($t);
    my $first = start("/v2/app2/referrers/$subject");
    sleep 3;
    my $second = start($uri);
    my $gone = start($uri);
    sleep 0.5;
    $gone->close;
    my $r = $second->reply(timeout => 30);

    close $lock;

    is_error($r, 503, 'TOOMANYREQUESTS', 'who waits for too long');
    is_header($r, 'Retry-After', '1', 'is told to come back');
    like($r->body, qr/too many lists of referrers/, 'in words');

    is(scalar @{ $first->reply->json->{manifests} }, 2,
        'the one it waited for');
    is(scalar @{ $t->get($uri)->json->{manifests} }, 2,
        'and then it is made');

    clear();
}


sub memory {
    server(threads => 'threads=16');
    push_dear('app', 16);
    forget();

    my ($pid) = $t->workers;
    my $big = dear('one more');

    is_status($t->push_manifest('app', sha256($big), $big, OCI_INDEX), 201,
        'one dear manifest');

    reset_peak($pid);
    my $before = rss_of($pid);
    my @c = map { start("$uri?artifactType=a/$_") } 1 .. torture(16, 64);
    empty($_->reply(timeout => 120), 'a list') for @c;

    my $grown = int((peak_of($pid) - $before) / 1048576);
    figure('MiB taken by ' . @c . ' lists of dear referrers', $grown);

    if (!sanitized()) {
        cmp_ok($grown, '<', 128, 'A48 memory stays below twice the limit');
        ok(wait_for(5, sub { rss_of($pid) - $before < 32 << 20 }),
            'A48 and is given back') or diag rss_of($pid) - $before;
    }

    clear();
}

#!/usr/bin/perl

# registry_events: the events for those who ask, from a cursor on, at once or
# when something comes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Notify;
use Test::Registry::Receiver;

my $feed = '/v2/_events';
my $hook = Test::Registry::Receiver->new->run;
my $t = Test::Registry->new(
    master => 1,
    workers => 2,
    ports => 4,
    write => { users => htpasswd(ann => 'secret') },
    http => 'registry_notify ci ' . $hook->url('/ci') . ';',
    location => 'registry_delete on;',
    server => "location = $feed { registry %%ROOT%%; registry_events; }"
        . ' location = /closed { registry %%ROOT%%; registry_events;'
        . ' deny all; }'
        . ' location = /asks { registry %%ROOT%%; registry_events;'
        . ' auth_basic x; auth_basic_user_file %%DIR%%/users; }'
        . ' location = /if { registry_events %%ROOT%%;'
        . ' if ($http_x_if) { set $x 1; } }'
        . ' location = /except { registry %%ROOT%%; registry_events;'
        . ' limit_except POST { allow all; } }'
        . ' location = /metrics { registry_metrics; }',
    servers => 'server { listen 127.0.0.1:%%PORT1%%;'
        . ' location /v2/ { registry %%DIR%%/none; registry_notify off; } }'
        . ' server { listen 127.0.0.1:%%PORT2%%; registry_notify off;'
        . ' location /v2/ { registry %%DIR%%/alone; }'
        . ' location = /feed { registry %%DIR%%/alone; registry_events; } }'
        . ' server { listen 127.0.0.1:%%PORT3%%;'
        . ' registry_notify dead http://127.0.0.1:1/x'
        . ' timeout=1s; registry_events_size 1m;'
        . ' location /v2/ { registry %%DIR%%/small; }'
        . ' location = /feed { registry %%DIR%%/small; registry_events; } }'
        . ' server { listen 127.0.0.1:%%PORT4%%;'
        . ' registry_notify few ' . $hook->url('/few') . ' repository=rare;'
        . ' location /v2/ { registry %%DIR%%/much; }'
        . ' location = /feed { registry %%DIR%%/much; registry_events; } }',
);

mkdir "$t->{dir}/$_" for qw(none alone small much);
$t->run;

my $image = stocked($t, 'app');

pages();
repositories();
waits();
waiters();
gone_away();
wrong();
access();
nobody_told();
alone_with_it();
too_old();
few_among_many();
survives();

finish($t, { roots => [map { "$t->{dir}/$_" } qw(alone small much)] });


# One question: the events and the next cursor; dies when it is no answer.

sub ask {
    my ($query, %o) = @_;

    my $r = $t->get(($o{at} || $feed) . "?$query",
        ($o{port} ? (port => $o{port}) : ()), timeout => 70);
    my $j = $r->json;
    die $r->as_text if $r->status != 200 || ref $j ne 'HASH'
        || ref $j->{events} ne 'ARRAY' || ref $j->{next}
        || ($j->{next} // '') eq '';

    return ($j->{events}, $j->{next});
}


sub ids { return [map { $_->{id} } @_] }


# The cursor behind the last event.

sub last_cursor {
    my (%o) = @_;

    my ($cursor) = (0);
    for (1 .. 100) {
        my ($events, $next) = ask("after=$cursor&n=1000", %o);
        return $next if !@$events;
        $cursor = $next;
    }
    die "no end of the feed\n";
}


sub pages {
    tag_put($t, 'app', "v$_", $image) for 1 .. 23;
    my @told = $hook->wait_events('/ci', 25);

    my $r = $t->get("$feed?after=0&n=5");
    is($r->status, 200, 'a page');
    like($r->header('Content-Type'),
        qr{\Aapplication/json(?:; charset=utf-8)?\z}, 'its type');
    like($r->header('Cache-Control') // '', qr/no-(?:store|cache)/,
        'nobody caches it');
    is(join(' ', sort keys %{ $r->json }), 'events next', 'its members');

    my ($cursor, @all, @sizes) = (0);
    for (1 .. 10) {
        my ($events, $next) = ask("after=$cursor&n=5");
        push @sizes, scalar @$events;
        push @all, @$events;
        if (!@$events) {
            is($next, $cursor, 'where nothing follows the cursor stays');
            last;
        }
        isnt($next, $cursor, 'the cursor goes on');
        $cursor = $next;
    }

    is("@sizes", '5 5 5 5 5 0', 'pages of five');
    is_deeply(ids(@all), ids(@told), 'every event once, in order');
    my @e = map { my %e = %$_; \%e } @all;
    is_deeply(\@e, \@told, 'as the endpoint was told, field by field');

    my ($whole) = ask('after=0');
    is_deeply(ids(@$whole), ids(@told), 'without n all of so few');
    my ($from) = ask("after=$cursor");
    is(scalar @$from, 0, 'nothing is behind the last one');

    # the cursor is what registryctl calls so

    (undef, $cursor) = ask('after=0&n=10');
    is_deeply(ids(tail_of($t->root, after => $cursor)),
        ids(@told[10 .. $#told]), 'registryctl goes on where the feed was');
}


sub repositories {
    my $cursor = last_cursor();
    my $other = stocked($t, 'app/other');

    tag_put($t, 'app', 'one', $image);
    tag_put($t, 'app/other', 'two', $other);
    tag_put($t, 'app', 'three', $image);

    my ($events, $next) = ask("after=$cursor&repository=app");
    is(join(' ', map { key_of($_) } @$events), 'push app:one push app:three',
        'those of one repository');
    ($events, $next) = ask("after=$cursor&repository=app/other&n=1");
    is(scalar @$events, 1, 'a page of one');
    ($events) = ask("after=$next&repository=app%2fother&n=10");
    is(join(' ', map { key_of($_) } @$events), "push app/other\@"
        . sha256($other->{layers}[0]) . ' push app/other:two',
        'and what follows');

    ($events, $next) = ask("after=$cursor&repository=none");
    is(scalar @$events, 0, 'of one that is not there: none');
    ($events) = ask("after=$next");
    is(scalar @$events, 0, 'the cursor has gone over the others')
        if $next ne $cursor;
}


sub waits {
    my $cursor = last_cursor();
    my $begin = time;
    my ($events, $next) = ask("after=$cursor&wait=1");

    cmp_ok(time - $begin, '>=', 0.9, 'it waits');
    is(scalar @$events, 0, 'and nothing came');
    is($next, $cursor, 'the cursor stays');

    my $c = $t->connect(timeout => 60);
    $c->start('GET', "$feed?after=$cursor&wait=50");
    sleep 0.3;
    ok(!$c->wait_head(time + 0.2), 'nothing is answered while it waits');

    $begin = time;
    tag_put($t, 'app', 'waited', $image);
    my $r = $c->reply(timeout => 40);
    is($r->status, 200, 'then something comes');
    cmp_ok(time - $begin, '<', 20, 'long before the time is over');
    is(join(' ', map { key_of($_) } @{ ($r->json || {})->{events} || [] }),
        'push app:waited', 'it is what was waited for');

    $begin = time;
    ($events) = ask("after=$cursor&wait=50");
    is(scalar @$events, 1, 'what is there already');
    cmp_ok(time - $begin, '<', 20, 'is not waited for');

    # another repository's event does not wake it for good

    $cursor = last_cursor();
    $c->start('GET', "$feed?after=$cursor&wait=3&repository=none");
    tag_put($t, 'app', 'elsewhere', $image);
    $r = $c->reply(timeout => 30);
    is(scalar @{ ($r->json || { events => [1] })->{events} }, 0,
        'who waits for one repository is not told of another');
    $c->close;
}


# Many wait at once, and others are served meanwhile.

sub waiters {
    my $cursor = last_cursor();
    my @c = map { $t->connect(timeout => 60) } 1 .. 200;

    $_->start('GET', "$feed?after=$cursor&wait=40") for @c;
    sleep 0.3;
    is(tag_put($t, 'app', 'served', $image)->status, 201,
        'a push while two hundred wait');

    my $good = grep {
        my $r = $_->reply(timeout => 30);
        my @e = @{ ($r->json || {})->{events} || [] };
        $r->status == 200 && @e == 1 && key_of($e[0]) eq 'push app:served'
    } @c;
    is($good, 200, 'each of them is told');
    $_->close for @c;
}


# Who goes away while he waits leaves nothing behind: finish() looks for open
# files, and for workers that are gone.

sub gone_away {
    my $cursor = last_cursor();

    for my $how (qw(close reset)) {
        my @c = map { $t->connect } 1 .. 50;
        $_->start('GET', "$feed?after=$cursor&wait=50") for @c;
        sleep 0.2;
        $_->$how for @c;
    }

    is(tag_put($t, 'app', 'gone', $image)->status, 201,
        'a push after a hundred have gone away');
    my ($events) = ask("after=$cursor");
    is(scalar @$events, 1, 'and it is told');
}


sub wrong {
    for my $query (qw(after=x after=-1 after= after=1.5 after=0x10
        after=99999999999999999999999 after=0&n=x after=0&n=-1
        after=0&wait=x after=0&wait=-1 after=0&wait=1e3 after=0&n=%00
        after=0&repository=A after=0&repository=../x after=%zz))
    {
        is_status_json($t->get("$feed?$query"), 400, $query);
    }

    # more than there may be is not an error, nor a reason to wait for ever

    my ($events) = ask('after=0&n=1000000');
    cmp_ok(scalar @$events, '>', 20, 'a large n');
    my $begin = time;
    my $r = $t->get("$feed?after=0&wait=100000");
    ok($r->status == 200 || $r->status == 400, 'a long wait');
    cmp_ok(time - $begin, '<', 20, 'is no wait where something is there');

    for my $method (qw(POST PUT DELETE PATCH)) {
        my $r = $t->request($method, "$feed?after=0", body => 'x');
        is_status_json($r, 405, $method);
        is_header($r, 'Allow', 'GET, HEAD');
    }

    my $head = $t->head("$feed?after=0");
    is($head->body, '', 'HEAD has no body');
}


sub is_status_json {
    my ($r, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($code) = $r->codes;
    ok($r->status == $status && ($code // '') =~ /\A[A-Z_]+\z/,
        "$name: $status") or diag $r->as_text;
}


# Who may read is what the location says.

sub access {
    is($t->get('/closed?after=0')->status, 403, 'deny');
    is($t->get('/asks?after=0')->status, 401, 'without a password');
    is($t->as('ann', 'wrong')->get('/asks?after=0')->status, 401,
        'with a wrong one');
    is($t->as('ann', 'secret')->get('/asks?after=0')->status, 200,
        'with the right one');
    is($t->get('/if?after=0', headers => { 'X-If' => 1 })->status, 200,
        'inside of an "if"');
    is($t->get('/except?after=0')->status, 200,
        'inside of a "limit_except"');
}


# Where nobody wants them there are no events.

sub nobody_told {
    $t->push_image('app', 'v1', http => { port => $t->extra_port(1) });
    ok(!-e "$t->{dir}/none/docker/registry/nginx/events",
        'no spool where nobody is told');
}


# A feed without an endpoint has them all; pulls as well.

sub alone_with_it {
    my $port = $t->extra_port(2);
    my $image = $t->push_image('app', 'v1', http => { port => $port });

    my ($events, $next) = ask('after=0', at => '/feed', port => $port);
    is(join(' ', map { key_of($_) } @$events), join(' ', map {
        "push app$_" } '@' . sha256($image->{config}),
        '@' . sha256($image->{layers}[0]), ':v1'),
        'a feed alone is reason enough');

    $t->get('/v2/app/manifests/v1', port => $port);
    my ($more) = ask("after=$next&wait=5", at => '/feed', port => $port);
    is(join(' ', map { key_of($_) } @$more), 'pull app:v1',
        'with what was pulled');
}


# What was thrown away cannot be read, and that is said.

sub too_old {
    my $port = $t->extra_port(3);
    my $image = $t->push_image('app', 'v1', http => { port => $port });
    my ($first, $early) = ask('after=0&n=1', at => '/feed', port => $port);
    my $tags = join '&', map { "tag=t$_" } 1 .. 64;

    for (1 .. 80) {
        $t->push_manifest('app', "$image->{digest}?$tags", $image->{bytes},
            $image->{type}, port => $port)->status == 201 or last;
    }

    my $r;
    wait_for(15, sub {
        $r = $t->get("/feed?after=$early", port => $port);
        return $r->status == 410;
    });
    is_status_json($r, 410, 'a cursor whose events are gone');
    is_status_json($t->get("/feed?after=$early&wait=5", port => $port), 410,
        'also for who would wait');
}


# What is looked for stands behind more than are looked at in one go, and is
# found by one question, and by one who is told of nothing else.

sub few_among_many {
    my $port = $t->extra_port(4);
    my $image = $t->push_image('noise', 'v1', http => { port => $port });
    my $tags = join '&', map { "tag=t$_" } 1 .. 64;

    for (1 .. 80) {
        $t->push_manifest('noise', "$image->{digest}?$tags", $image->{bytes},
            $image->{type}, port => $port)->status == 201 or last;
    }
    my ($before) = ask('after=0&repository=rare', at => '/feed',
        port => $port);
    is_deeply($before, [], 'of five thousand events none is wanted');

    $t->push_image('rare', 'v1', image => $image, http => { port => $port });
    my $want = join ' ', map { "push rare$_" } '@' . sha256($image->{config}),
        '@' . sha256($image->{layers}[0]), ':v1';

    my ($events, $next) = ask('after=0&repository=rare', at => '/feed',
        port => $port);
    cmp_ok($next, '>', 5000, 'there are as many');
    is(join(' ', map { key_of($_) } @$events), $want, 'and the last are found');
    is(join(' ', map { key_of($_) } $hook->wait_events('/few', 3)), $want,
        'and told');
}


# Cursors hold over restarts.

sub survives {
    my $cursor = last_cursor();

    tag_put($t, 'app', 'before', $image);
    $t->restart;
    tag_put($t, 'app', 'between', $image);
    $t->kill_all;
    $t->run;
    tag_put($t, 'app', 'after', $image);

    my ($events) = ask("after=$cursor");
    is(join(' ', map { key_of($_) } @$events),
        'push app:before push app:between push app:after',
        'a cursor holds over a restart and a kill');
}

#!/usr/bin/perl

# How events reach an endpoint: in order, in batches, signed, over TLS, as the
# filters say; and endpoints that fail, stall, lie or attack.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Binary;
use Test::Registry::Command;
use Test::Registry::Notify;
use Test::Registry::Process;
use Test::Registry::Receiver;
use Test::Registry::Torture;

use constant SECRET => 'It\'s a secret to everybody';

# where no test is about time, a machine that is busy is no endpoint that fails

use constant LONG => ' timeout=30s';

settings();
order_and_batches();
one_by_one();
at_once();
signed();
answers();
backing_off();
filters();
tls();
by_http_1_1();
hostile();
cloud_events();
one_of_two_is_dead();
slow();

done_testing();


sub server {
    my ($notify, %o) = @_;

    return Test::Registry->new(master => 1, http => $notify,
        location => 'registry_delete on;', %o)->run;
}


# --- what nginx -t says -----------------------------------------------------

sub settings {
    my $url = 'http://127.0.0.1:1/x';
    my @bad = (
        ["registry_notify;", qr/invalid number of arguments/],
        ["registry_notify ci;", qr/ci|number of arguments/],
        ["registry_notify ci ftp://a/b;", qr{http://}],
        ["registry_notify ci nonsense;", qr{http://}],
        ["registry_notify ci http:///path;", qr/no host/],
        ["registry_notify ci http://h:80a/;", qr/port/],
        ["registry_notify ci http://u:p/w\@h/x;", qr/password.*%XX/],
        ["registry_notify a/b $url;", qr{a/b}],
        ["registry_notify ../a $url;", qr{\.\./a}],
        ["registry_notify ci $url color=red;", qr/"ci" takes action=/],
        ["registry_notify ci $url action=push,dance;", qr/dance/],
        ["registry_notify ci $url action=;", qr/"ci".*without a value/],
        ["registry_notify ci $url timeout=0;", qr/time "0"/],
        ["registry_notify ci $url timeout=soon;", qr/time "soon"/],
        ["registry_notify ci $url threshold=x;", qr/number "x"/],
        ["registry_notify ci $url batch=0;", qr/number "0"/],
        ["registry_notify ci $url batch=-1;", qr/number "-1"/],
        ["registry_notify ci $url format=xml;", qr/format=/],
        ["registry_notify ci $url verify=maybe;", qr/verify=/],
        ["registry_notify ci $url secret=%%DIR%%/none;", qr{/none}],
        ["registry_notify ci $url secret=%%DIR%%/empty;", qr{/empty}],
        ["registry_notify ci $url header_file=%%DIR%%/none;", qr{/none}],
        ["registry_notify ci $url header_file=%%DIR%%/odd;", qr{/odd}],
        ["registry_notify ci $url header=none;", qr/no colon/],
        ["registry_notify ci $url ca=%%DIR%%/none;", qr{/none}],
        ["registry_notify ci $url cert=%%DIR%%/none key=%%DIR%%/none;",
            qr{/none}],
        ["registry_notify ci $url cert=%%DIR%%/pem;", qr/both "cert=" and/],
        ["registry_notify ci $url key=%%DIR%%/pem;", qr/both "cert=" and/],
        ["registry_notify ci $url ca=%%DIR%%;", qr/no file of certificates/],
        ["registry_notify ci $url; registry_notify ci $url batch=7;",
            qr/ci/],
        ["registry_events_size 1;", qr/1/],
        ["registry_events_size 64m; registry_events_size 64m;",
            qr/is duplicate/],
    );

    for my $row (@bad) {
        my ($conf, $says) = @$row;
        my ($rc, $text) = Test::Registry->new(http => $conf, write => {
            empty => "\n", odd => "no colon here\n",
            pem => "-----BEGIN CERTIFICATE-----\n" })->check;
        ok($rc > 0 && $text =~ /\[emerg\]/ && $text =~ $says,
            "refused: $conf") or diag "$rc\n$text";
    }

    # the same name twice with one meaning; off below what is inherited

    my ($rc, $text) = Test::Registry->new(
        http => "registry_notify ci $url batch=7;",
        server => 'location /other/v2/ { registry_notify off; }'
            . " location /third/ { registry_notify ci $url batch=7; }"
    )->check;
    is($rc, 0, 'the same twice, and off') or diag $text;

    ($rc, $text) = Test::Registry->new(
        http => "registry_notify ci $url batch=7;",
        server => "location /other/ { registry_notify ci $url batch=8;"
            . ' registry %%DIR%%/other; }'
    )->check;
    ok($rc > 0 && $text =~ /ci/, 'refused: one name, two meanings')
        or diag $text;

    # one store has one spool

    for my $what ('events_size 32m', 'events_keep 2d') {
        my ($rc, $text) = Test::Registry->new(
            http => "registry_notify ci $url format=distribution verify=on;",
            location => 'registry_events_size 64m; registry_events_keep 7d;',
            server => 'location /v2/third/ { registry %%ROOT%%; '
                . "registry_$what; }"
        )->check;
        ok($rc > 0 && $text =~ /says one thing and another/,
            "refused: registry_$what of one location alone") or diag $text;
    }

    # a secret stands in a file, and its bytes are in no message

    ($rc, $text) = Test::Registry->new(
        http => "registry_notify ci $url secret=%%DIR%%/s batch=0;",
        write => { s => SECRET . "\n" })->check;
    unlike($text, qr/everybody/, 'no message holds the secret');
}


# --- order, batches ---------------------------------------------------------

# What comes while a delivery is under way goes together in the next one, and
# never more than batch= of it.

sub order_and_batches {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify seven ' . $hook->url('/seven')
        . ' batch=7' . LONG . '; registry_notify many '
        . $hook->url('/many') . LONG . ';');
    my $image = stocked($t, 'app');

    $hook->wait_events($_, 2) for '/seven', '/many';
    my $pushed = $t->dir . '/pushed';
    $hook->answers($_, { until => $pushed, times => 1 }, { delay => 0.01 })
        for '/seven', '/many';

    my @want;
    for my $n (1 .. 40) {
        push @want, "push app:v$n"
            if tag_put($t, 'app', "v$n", $image)->status == 201;
    }
    is(scalar @want, 40, 'forty pushes');
    put_file($pushed, '');

    for my $path ('/seven', '/many') {
        my @events = $hook->wait_events($path, 42);
        is(join("\n", out_of_order(\@want, @events)), '',
            "$path: all of them, in order");
        is(duplicates(@events), 0, "$path: none of them twice");

        my @n = map { scalar Test::Registry::Receiver::events_of($_) }
            $hook->posts($path);
        my $max = $path eq '/seven' ? 7 : 50;
        is(scalar(grep { $_ > $max } @n), 0, "$path: $max at most in one")
            or diag "@n";
        cmp_ok(scalar @n, '<', 30, "$path: several in one") or diag "@n";
    }

    # either endpoint takes what the other has left open, both being here

    my %conn = map { $_->{conn} => 1 }
        map { $hook->posts($_) } '/seven', '/many';
    cmp_ok(scalar keys %conn, '<=', 2, 'on a connection for each');

    # never two at once

    is(join(' ', $hook->overlapping('/seven')), '',
        'each waits for the answer to the one before');
    $t->finish;
}


sub one_by_one {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify one ' . $hook->url('/one')
        . ' batch=1' . LONG . ';');
    my $image = $t->push_image('app', 'v1');

    $hook->answers('/one', { delay => 0.3, times => 1 });
    tag_put($t, 'app', "n$_", $image) for 1 .. 10;
    $hook->wait_events('/one', 13);

    my @n = map { scalar Test::Registry::Receiver::events_of($_) }
        $hook->posts('/one');
    is("@n", join(' ', (1) x 13), 'batch=1: one event in each');
    $t->finish;
}


# An event is on its way when the push is answered, and who has nothing to do
# does nothing.

sub at_once {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci') . LONG . ';');
    my $image = stocked($t, 'app');
    my @took;

    for my $n (1 .. 15) {
        tag_put($t, 'app', "v$n", $image);
        my $begin = time;
        $hook->wait_events('/ci', 2 + $n);
        push @took, ($hook->posts('/ci'))[-1]{at} - $begin;
        sleep 0.1;
    }

    @took = sort { $a <=> $b } @took;
    cmp_ok($took[7], '<', 1, 'an event is delivered at once');
    figure('ms from the answer of a push to its delivery, median',
        sprintf '%.0f', 1000 * ($took[7] < 0 ? 0 : $took[7]));

    my $manager = manager_of($t);
    my $cpu = cpu_of($manager);
    sleep 3;
    cmp_ok(cpu_of($manager) - $cpu, '<=', 0.06,
        'and nothing is done while nothing happens') if !sanitized();
    $t->finish;
}


# --- headers ----------------------------------------------------------------

sub signed {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = Test::Registry->new(master => 1,
        write => { secret => SECRET . "\nnot this line\n",
            more => "Authorization: Bearer hush-hush\nX-Two: 2\n" },
        http => 'registry_notify ci ' . ($hook->url('/ci')
            =~ s{//}{//user:pass%20word\@}r)
            . '?a=b&c=d secret=%%DIR%%/secret "header=X-One: one  two"'
            . ' header_file=%%DIR%%/more' . LONG . ';',
        location => 'registry_delete on;')->run;

    $t->push_image('app', 'v1');
    $hook->answers('/ci', { status => 503, times => 2 }, { });
    $t->push_image('app', 'v2', seed => 'two');
    $hook->wait_events('/ci', 8);
    my @posts = $hook->posts('/ci');

    my @bad = grep {
        Test::Registry::Receiver::header($_, 'X-Registry-Signature-256')
            ne Test::Registry::Receiver::signature($_, SECRET)
    } @posts;
    is(scalar @bad, 0, 'each post is signed with the first line of the file');

    is(by_hand($posts[0]{body}), Test::Registry::Receiver::header($posts[0],
        'X-Registry-Signature-256'), 'the line in docs/events.md says so, too');

    my $first = $posts[0];
    my %h = map { $_ => scalar Test::Registry::Receiver::header($first, $_) }
        'X-One', 'X-Two', 'Content-Length', 'Host', 'Content-Type';
    is($h{'X-One'}, 'one  two', 'a header');
    is($h{'X-Two'}, '2', 'a header of the file');
    is($h{'Content-Length'}, length $first->{body}, 'a length');
    is($h{Host}, '127.0.0.1:' . $hook->port, 'the host');
    is($h{'Content-Type'}, Test::Registry::Receiver::ENVELOPE, 'the type');
    is($first->{uri}, '/ci?a=b&c=d', 'the query is sent');
    is(join(', ', Test::Registry::Receiver::header($first, 'Authorization')),
        'Bearer hush-hush', 'what the header file says wins');
    like(Test::Registry::Receiver::header($first, 'User-Agent') // '',
        qr{\Anginx-registry/\d+\.\d+\.\d+\z}, 'it says who it is');

    my %id;
    $id{ Test::Registry::Receiver::header($_, 'X-Registry-Delivery') // '' }++
        for @posts;
    ok(!exists $id{''}, 'every delivery has an id');

    my @again = map { Test::Registry::Receiver::events_of($_) }
        grep { $_->{status} == 503 } @posts;
    my @all = $hook->events('/ci');
    my %times;
    $times{ $_->{id} }++ for @all;
    is(scalar(grep { $times{ $_->{id} } < 2 } @again), 0,
        'what failed comes again with the same ids');
    ok(scalar @again, 'something failed');

    quiet_log($t, 'hush-hush', 'everybody', 'pass%20word', 'pass word',
        'pass');
    $t->finish;
}


# The shell's line of the document, on this body.

sub by_hand {
    my ($body) = @_;

    my ($line) = file_text("$FindBin::Bin/../docs/events.md")
        =~ /^    (printf 'sha256=[^\n]*)$/m or return 'no such line';
    my $dir = work_dir();

    put_file("$dir/body", $body);
    local $ENV{secret} = SECRET;
    my ($rc, $out) = run_command(10, 'sh', '-c', "cd '$dir' && $line");
    chomp $out;
    return $out;
}


sub quiet_log {
    my ($t, @words) = @_;

    my $text = $t->log_text;
    for my $word (@words) {
        ok(index($text, $word) < 0, 'the log holds no secret')
            or diag grep { index($_, $word) >= 0 } split /^/, $text;
    }
}


# --- answers ----------------------------------------------------------------

# 2xx is delivered, everything else is not; redirects are followed nowhere.

sub answers {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' threshold=100 backoff=100ms max_backoff=100ms' . LONG . ';');
    my $image = $t->push_image('app', 'v1');
    my $n = 0;

    $hook->wait_events('/ci', 3);

    for my $status (200, 201, 202, 204, 226) {
        $hook->forget;
        $hook->answers('/ci', { status => $status, times => 1 }, { });
        tag_put($t, 'app', 'ok' . ++$n, $image);
        tag_put($t, 'app', "then$n", $image);
        my @events = $hook->wait_events('/ci', 2);
        is(join(' ', map { key_of($_) } @events),
            "push app:ok$n push app:then$n", "$status is delivered");
    }

    my $inward = $hook->url('/inward');

    for my $row ([301, $inward], [302, $inward], [303, $inward],
        [307, $inward], [308, 'http://127.0.0.1:' . $t->port . '/v2/x'],
        [308, 'file:///etc/passwd'], [304], [400], [401], [404], [410], [413],
        [429], [500], [503], [599])
    {
        my ($status, $location) = @$row;

        $hook->forget;
        $hook->answers('/ci', { status => $status, times => 1,
            headers => [$location ? ['Location', $location] : ()] }, { });
        tag_put($t, 'app', 'no' . ++$n, $image);
        my @events = $hook->wait_events('/ci', 2);
        is(join(' ', map { key_of($_) } @events),
            "push app:no$n push app:no$n", "$status is not delivered");
        is($events[0]{id}, $events[1]{id}, "$status: the id stays");
    }

    is(scalar $hook->posts('/inward'), 0, 'A108 no redirect is followed');
    $t->finish;
}


# After threshold failures in a row it waits, longer each time, half of it by
# chance; an endpoint that is back gets all of it.

sub backing_off {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' threshold=3 backoff=1s max_backoff=2s' . LONG . ';');
    my $image = $t->push_image('app', 'v1');

    $hook->wait_events('/ci', 3);
    $hook->forget;
    $hook->answers('/ci', { status => 500 });
    my $log = length $t->log_text;
    my @want = map { tag_put($t, 'app', "v$_", $image); "push app:v$_" }
        1 .. 5;

    my @posts = $hook->wait_posts('/ci', 6, 30);
    my @gap = map { $posts[$_]{at} - $posts[$_ - 1]{end} } 1 .. $#posts;

    # the first wait is 0.5 to 1 s, then 1 to 2 s: never less

    cmp_ok(scalar @gap, '>=', 5, 'it goes on trying');
    cmp_ok($gap[2], '>=', 0.45, 'after three failures it waits');
    cmp_ok($gap[3], '>=', 0.95, 'longer after the fourth');
    cmp_ok($gap[4], '>=', 0.95, 'and after the fifth');
    cmp_ok($gap[4], '<=', 8, 'but not without an end');

    # the lines of a failing endpoint: its name, and not one for each try

    my @lines = grep { /\[(?:warn|error)\]/ && /\bci\b/ }
        split /\n/, substr $t->log_text, $log;
    cmp_ok(scalar @lines, '>=', 1, 'the log tells of the first failure');
    cmp_ok(scalar @lines, '<=', 3, 'and not of each') or diag "@lines";
    like($lines[0] // '', qr/500/, 'and why');

    $log = length $t->log_text;
    $hook->answers('/ci');
    wait_for(20, sub { !out_of_order(\@want, $hook->taken('/ci')) });
    is(join("\n", out_of_order(\@want, $hook->taken('/ci'))), '',
        'an endpoint that is back gets all of it, in order');

    my $back = qr/\[(?:notice|warn)\][^\n]*\bci\b/;
    wait_for(5, sub { substr($t->log_text, $log) =~ $back });
    like(substr($t->log_text, $log), $back,
        'and the log tells that it is back');
    $t->finish;
}


# --- filters ----------------------------------------------------------------

sub filters {
    my $hook = Test::Registry::Receiver->new->run;
    my %how = (
        default => '',
        pushed => 'action=push',
        pulled => 'action=pull',
        gone => 'action=delete,mount',
        team => 'repository=team/**',
        two => 'repository=team/a,lib',
        oci => 'media_type=application/vnd.oci.image.*',
        both => 'action=push repository=team/* '
            . 'media_type=application/vnd.oci.image.manifest.v1+json',
        nothing => 'action=push repository=none',
    );
    my $t = server(join ' ', map {
        "registry_notify $_ " . $hook->url("/$_") . " $how{$_}" . LONG . ';'
    } sort keys %how);

    my %image;
    for my $repo ('team/a', 'team/a/b', 'lib') {
        $image{$repo} = $t->push_image($repo, 'v1', seed => $repo);
    }
    my $layer = sha256($image{lib}{layers}[0]);
    $t->post("/v2/team/m/blobs/uploads/?mount=$layer&from=lib", body => '');
    $t->get("/v2/lib/blobs/$layer");
    $t->get('/v2/team/a/manifests/v1');
    $t->delete('/v2/lib/manifests/v1');
    $t->push_image('team/end', 'v1', seed => 'end');

    my $m = 'manifest.v1+json';
    my $o = 'octet-stream';
    my %push = map { $_ => [ "1 push $_ $m", "2 push $_ $o" ] }
        'lib', 'team/a', 'team/a/b', 'team/end';
    my $mount = "1 mount team/m $o";
    my $delete = '1 delete lib none';
    my %want = (
        default => join(', ', $delete, $mount, map { @{ $push{$_} } }
            'lib', 'team/a', 'team/a/b', 'team/end'),
        pushed => join(', ', map { @{ $push{$_} } } 'lib', 'team/a',
            'team/a/b', 'team/end'),
        pulled => "1 pull lib $o, 1 pull team/a $m",
        gone => "$delete, $mount",
        team => join(', ', $mount, map { @{ $push{$_} } }
            'team/a', 'team/a/b', 'team/end'),
        two => join(', ', $delete, map { @{ $push{$_} } }
            'lib', 'team/a'),
        oci => join(', ', $delete, map { "1 push $_ $m" } 'lib', 'team/a',
            'team/a/b', 'team/end'),
        both => "1 push team/a $m, 1 push team/end $m",
        nothing => '',
    );

    # all that is wanted, and then no more

    for my $name (keys %want) {
        my $n = 0;
        $n += $_ for $want{$name} =~ /(?:\A|, )(\d+) /g;
        $hook->wait_events("/$name", $n);
    }
    sleep 0.5;

    my %seen;
    for my $name (keys %how) {
        my %n;
        for my $e ($hook->events("/$name")) {
            my $kind = $e->{target}{mediaType} || 'none';
            $kind =~ s{\Aapplication/(?:vnd\.oci\.image\.)?}{};
            $n{"$e->{action} $e->{target}{repository} $kind"}++;
        }
        $seen{$name} = join ', ', map { "$n{$_} $_" } sort keys %n;
    }

    is($seen{$_}, $want{$_}, "the filter $_: $how{$_}") for sort keys %how;
    $t->finish;
}


# --- TLS --------------------------------------------------------------------

sub tls {
    require IO::Socket::SSL::Utils;

    my $files = Test::Registry::Binary::tls_files();
    my %good = (cert => $files->{crt}, key => $files->{key});
    my %self = Test::Registry::Binary::client_certificate('/CN=localhost',
        self => 1);
    my %client = Test::Registry::Binary::client_certificate('/CN=registry');
    my %expired = expired($files);

    my $hook = Test::Registry::Receiver->new(tls => \%good)->run;
    my $name = Test::Registry::Receiver->new(tls => \%good,
        host => '127.0.0.2')->run;
    my $self = Test::Registry::Receiver->new(tls => \%self)->run;
    my $old = Test::Registry::Receiver->new(tls => \%expired)->run;
    my $asks = Test::Registry::Receiver->new(tls => \%good,
        ca => $files->{ca})->run;
    my $plain = Test::Registry::Receiver->new->run;

    my $ca = "ca=$files->{ca}";
    my @good = (
        ['good', $hook, $ca], ['off', $self, 'verify=off'],
        ['nameoff', $name, 'verify=off'],
        ['shown', $asks, "$ca cert=$client{cert} key=$client{key}"],
    );
    my @bad = (
        ['badca', $hook, ''], ['badname', $name, $ca],
        ['badself', $self, $ca], ['badold', $old, $ca],
        ['badclient', $asks, $ca], ['badplain', $plain, $ca],
    );

    my $t = server(join ' ', map {
        my ($id, $r, $how) = @$_;
        (my $url = $r->url("/$id")) =~ s{\Ahttp:}{https:};
        my $timeout = $id eq 'badplain' ? 'timeout=2s' : 'timeout=30s';
        "registry_notify $id $url $how $timeout threshold=2 backoff=300ms;"
    } @good, @bad);

    my $image = $t->push_image('app', 'v1');

    for my $row (@good) {
        my ($id, $r) = @$row;
        is(scalar $r->wait_events("/$id", 3), 3, "TLS: $id is delivered");
    }
    my ($post) = $asks->posts('/shown');
    like($post->{peer} // '', qr/registry/, 'with the certificate');

    # those that fail have tried by now, and have said so

    for my $row (@bad) {
        my ($id, $r) = @$row;
        wait_for(15, sub { $t->log_text =~ /\[(?:warn|error)\][^\n]*\b$id\b/
        });
        like($t->log_text, qr/\[(?:warn|error)\][^\n]*\b$id\b/,
            "TLS: $id: the log tells that it fails");
        is(scalar $r->posts("/$id"), 0, "A108 TLS: $id is told nothing");
    }

    is(tag_put($t, 'app', 'v2', $image)->status, 201,
        'A108 a push with all of these');
    is(scalar $hook->wait_events('/good', 4), 4, 'and it is delivered');
    $t->finish;
}


# An endpoint that would rather speak HTTP/2, and answers at once.

sub by_http_1_1 {
    my $ca = Test::Registry::Binary::tls_files()->{ca};
    my $t = server('log_format proto $server_protocol/$status;'
        . " registry_notify ci https://127.0.0.1:%%TLS_PORT%%/hook ca=$ca"
        . LONG . ';', tls => 1, server => 'location = /hook {'
        . ' access_log %%DIR%%/hook.log proto; return 200; }');
    my $log = "$t->{dir}/hook.log";

    $t->push_image('app', 'v1');
    wait_for(10, sub { my %s = status_of($t->root);
        ($s{ci}{delivered} // 0) >= 3 });

    my @lines = split /\n/, file_text($log);
    cmp_ok(scalar @lines, '>', 0, 'an endpoint with HTTP/2 is told');
    is(join(' ', grep { $_ ne 'HTTP/1.1/200' } @lines), '', 'by HTTP/1.1');
    $t->finish;
}


sub expired {
    my ($files) = @_;

    my ($cert, $key) = IO::Socket::SSL::Utils::CERT_create(
        subject => { commonName => 'localhost' },
        subjectAltNames => [[IP => '127.0.0.1']],
        not_before => time - 20 * 86400, not_after => time - 86400,
        issuer_cert => IO::Socket::SSL::Utils::PEM_file2cert($files->{ca}),
        issuer_key => IO::Socket::SSL::Utils::PEM_file2key(
            "$files->{dir}/ca.key"));
    my %paths = map { $_ => "$files->{dir}/expired.$_" } qw(cert key);

    IO::Socket::SSL::Utils::PEM_cert2file($cert, $paths{cert});
    IO::Socket::SSL::Utils::PEM_key2file($key, $paths{key});
    return %paths;
}


# --- A108 -------------------------------------------------------------------

sub hostile {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify bad ' . $hook->url('/bad')
        . ' timeout=1s threshold=2 backoff=300ms max_backoff=300ms;'
        . ' registry_notify good ' . $hook->url('/good') . LONG . ';');
    my $image = $t->push_image('app', 'v1');
    my $good = $hook->wait_events('/good', 3);
    my $n = 0;

    $hook->wait_events('/bad', 3);
    my $rss = rss_of(manager_of($t));

    for my $how (qw(huge heads endless stall garbage close reset)) {
        $hook->forget;
        $hook->answers('/bad', { how => $how });

        # pushed while it is at it, and told to the other one at once

        my @want;
        for (1 .. 5) {
            push @want, 'push app:h' . ++$n;
            is(tag_put($t, 'app', "h$n", $image)->status, 201,
                "A108 $how: a push");
        }
        my @events = $hook->wait_events('/good', 5);
        is(join("\n", out_of_order(\@want, @events)), '',
            "A108 $how: the other endpoint has them");

        my $post;
        wait_for(15, sub {
            ($post) = grep { $_->{ended} } $hook->posts('/bad');
        });
        ok($post, "A108 $how: given up") or next;
        cmp_ok($post->{end} - $post->{at}, '<', 10, "A108 $how: in time");

        # what left us is mostly in the kernel's buffers

        cmp_ok($post->{sent}, '<', 40 << 20, "A108 $how: little was read");

        # a 200 with more than 64 KB behind it is one

        $hook->answers('/bad');
        my $got = $how =~ /huge|heads/ ? 'events' : 'taken';
        wait_for(15, sub { !out_of_order(\@want, $hook->$got('/bad')) });
        is(join("\n", out_of_order(\@want, $hook->$got('/bad'))), '',
            "A108 $how: nothing is lost");
    }

    cmp_ok(rss_of(manager_of($t)) - $rss, '<', 8 << 20,
        'A108 the process that delivers has not grown') if !sanitized();
    $t->finish;
}


# --- CloudEvents ------------------------------------------------------------

sub cloud_events {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ce ' . $hook->url('/ce')
        . ' format=cloudevents secret=%%DIR%%/secret' . LONG . ';'
        . ' registry_notify ci ' . $hook->url('/ci') . LONG . ';',
        write => { secret => SECRET });
    my $image = $t->push_image('app', 'v1');
    $t->push_manifest('app', $image->{digest}, $image->{bytes});
    $t->delete('/v2/app/manifests/v1');

    my @plain = $hook->wait_events('/ci', 5);
    $hook->wait_events('/ce', 5);
    my @cloud;

    for my $post ($hook->posts('/ce')) {
        like(Test::Registry::Receiver::header($post, 'Content-Type'),
            qr{\Aapplication/cloudevents-batch\+json(?:; charset=utf-8)?\z},
            'CloudEvents: the type');
        is(Test::Registry::Receiver::header($post,
            'X-Registry-Signature-256'),
            Test::Registry::Receiver::signature($post, SECRET),
            'CloudEvents: signed, too');
        my $list = JSON::PP->new->utf8->decode($post->{body});
        is(ref $list, 'ARRAY', 'CloudEvents: a list') or next;
        push @cloud, @$list;
    }

    is(scalar @cloud, 5, 'CloudEvents: five');
    my $host = 'localhost:' . $t->port;
    my @subject = ('app@' . sha256($image->{config}),
        'app@' . sha256($image->{layers}[0]), 'app:v1',
        "app\@$image->{digest}", 'app:v1');

    for my $i (0 .. 4) {
        my ($c, $e) = ($cloud[$i] || {}, $plain[$i]);
        my %rest = %$c;

        is(delete $rest{specversion}, '1.0', "CloudEvents $i: specversion");
        is(delete $rest{id}, $e->{id}, "CloudEvents $i: id");
        like(delete $rest{type}, qr/\.\Q$e->{action}\E\z/,
            "CloudEvents $i: type");
        is(delete $rest{source}, "//$host", "CloudEvents $i: source");
        is(delete $rest{subject}, $subject[$i], "CloudEvents $i: subject");
        is(delete $rest{time}, $e->{timestamp}, "CloudEvents $i: time");
        is(delete $rest{datacontenttype}, 'application/json',
            "CloudEvents $i: datacontenttype");
        is_deeply(delete $rest{data}, $e, "CloudEvents $i: data");

        # names of extensions: small letters and digits

        is(join(' ', grep { !/\A[a-z0-9]{1,20}\z/ } keys %rest), '',
            "CloudEvents $i: nothing else of a name that may not be");
    }

    $t->finish;
}


# --- one and the other ------------------------------------------------------

sub one_of_two_is_dead {
    my $hook = Test::Registry::Receiver->new->run;
    my $dead = Test::Registry::Receiver->new;
    my $t = server('registry_notify dead ' . $dead->url('/dead')
        . ' threshold=2 backoff=200ms max_backoff=1s' . LONG . ';'
        . ' registry_notify alive ' . $hook->url('/alive') . LONG . ';');
    my $image = stocked($t, 'app');
    my @want = map { tag_put($t, 'app', "v$_", $image); "push app:v$_" }
        1 .. 60;

    my @events = $hook->wait_events('/alive', 62);
    is(join("\n", out_of_order(\@want, @events)), '',
        'who is alive does not wait for who is not');
    is(duplicates(@events), 0, 'nothing comes twice');

    $dead->run;
    @events = $dead->wait_events('/dead', 62);
    is(join("\n", out_of_order(\@want, @events)), '',
        'and who comes back has all of it in order');
    is(duplicates(@events), 0, 'nothing comes twice there');
    $t->finish;
}


# The endpoint holds a delivery for as long as it may; whatever is pushed
# meanwhile is pushed while it does.

sub slow {
    my $hook = Test::Registry::Receiver->new->run;
    my $t = server('registry_notify ci ' . $hook->url('/ci')
        . ' timeout=60s;', workers => 2);
    my $image = stocked($t, 'app');

    $hook->wait_events('/ci', 2);
    $hook->answers('/ci', { how => 'stall', times => 1 }, { });
    tag_put($t, 'app', 'first', $image);
    wait_for(10, sub { $hook->posts('/ci') > 1
        && ($hook->posts('/ci'))[-1]{how} eq 'stall' });

    my $done = grep { $_ == 201 } map {
        tag_put($t, 'app', "v$_", $image)->status
    } 1 .. 50;
    is($done, 50, 'fifty pushes');
    my @stalled = grep { $_->{how} eq 'stall' && !$_->{ended} }
        $hook->posts('/ci');
    is(scalar @stalled, 1, 'all of them while the endpoint stalls');

    # it goes away: the rest comes, and what it had taken comes again

    $hook->down;
    $hook->run;
    my @events = $hook->wait_events('/ci', 2 + 1 + 51);
    is(join("\n", out_of_order(['push app:first',
        map { "push app:v$_" } 1 .. 50], @events)), '',
        'what it kept waiting comes afterwards');
    $t->finish;
}

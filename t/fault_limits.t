#!/usr/bin/perl

# What runs out: descriptors, room in the queue of the threads, shared memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Torture;
use Test::Registry::Trace;


need_root(20);
skip_suite(Test::Registry::Trace::why(), 20)
    if !Test::Registry::Trace::available();

descriptors();
system_descriptors();
queue_overflow();
small_zone();

done_testing();


# --- F21 --------------------------------------------------------------------

# 64 descriptors for 200 clients. Who is let in gets what he asked for or a
# refusal; the others wait, or are turned away.

sub descriptors {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my ($pid) = $t->workers;
    my $bytes = blob(300_000, 'descriptors');
    my $image = $t->push_image('app', 'v1', layers => [$bytes]);
    my $digest = sha256($bytes);
    sleep 0.5;
    my @before = fds_of($pid);

    my ($rc, $said) = run_command(10, 'prlimit', '--pid', $pid,
        '--nofile=64:64');
    is($rc, 0, 'F21 64 descriptors') or diag $said;
    $t->allow_log(qr/\(24: Too many open files\)/);
    $t->allow_log(qr/worker_connections are not enough/);

    my (%seen, @bad);
    for my $round (1 .. torture(2, 100)) {
        descriptors_round($t, $round, $bytes, $digest, $image, \%seen, \@bad);
    }

    is(scalar @bad, 0, 'F21 never a wrong byte, no reply but 2xx, 500, 503')
        or diag "@bad[0 .. ($#bad > 3 ? 3 : $#bad)]";
    cmp_ok($seen{200} // 0, '>', 0, 'F21 some are served');
    cmp_ok(($seen{503} // 0) + ($seen{0} // 0), '>', 0, 'F21 some are not');
    figure('replies with 64 descriptors for 200 clients',
        join ', ', map { "$seen{$_} times $_" } sort keys %seen);

    # The limit stays, the load goes.

    ok(wait_for(10, sub { fds_of($pid) == @before }),
        'F21 all descriptors are back') or diag scalar(fds_of($pid)),
            ' instead of ', scalar @before;
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes, 'F21 a pull works');
    my $again = eval { $t->push_image('app', 'v2', seed => 'again') };
    ok($again, 'F21 a push works') or diag $@;
    ok(wait_for(5, sub { fds_of($pid) == @before }),
        'F21 and leave nothing open') or diag join "\n", fds_of($pid);

    # who has no descriptor to look into a directory leaves it in the trash

    $t->finish(audit => { unfinished => 1, killed => 1 });
}


sub descriptors_round {
    my ($t, $round, $bytes, $digest, $image, $seen, $bad) = @_;

    my @c = grep { $_ } map { eval { $t->connect(timeout => 8) } } 1 .. 200;
    my (@asked, @done);

    for my $i (0 .. $#c) {
        my $text = "pushed $round $i";
        my $what = ($i % 4 == 0) ? ['GET', "/v2/app/blobs/$digest", $bytes]
            : ($i % 4 == 1) ? ['GET', '/v2/app/manifests/v1', $image->{bytes}]
            : ($i % 4 == 2) ? ['POST', '/v2/app/blobs/uploads/?digest='
                . sha256($text), undef, $text]
            : ['PUT', "/v2/app/manifests/r$round-$i", undef, $image->{bytes}];
        push @asked, $what;
        $c[$i]->send($c[$i]->head(@$what[0, 1], close => 1,
            body => $what->[3],
            headers => { 'Content-Type' => $image->{type} })
            . ($what->[3] // ''));
    }

    my $deadline = time + 20;
    for my $i (0 .. $#c) {
        my ($method, $uri, $want, $body) = @{ $asked[$i] };
        my $r = $c[$i]->reply(method => $method, deadline => $deadline);
        $seen->{ $r->status }++;

        push @$bad, $r->as_text if $r->status !~ /\A(?:0|200|201|500|503)\z/;
        push @$bad, "a wrong byte of $uri" if $r->status == 200
            && ($r->complete ? $r->body ne $want
                : $r->body ne substr $want, 0, length $r->body);

        push @done, $body if $r->status == 201 && $i % 4 == 2;
    }

    $_->close for @c;

    for my $body (@done) {
        my $get;
        wait_for(10, sub {
            $get = $t->get('/v2/app/blobs/' . sha256($body));
            return $get->status != 503 && $get->status != 0;
        });
        push @$bad, '201, and then ' . $get->as_text
            if $get->status != 200 || $get->body ne $body;
    }
}


# The machine has none left: each open() of an operation in turn, and all of
# them.

sub system_descriptors {
    my $t = Test::Registry->new(main => 'thread_pool one threads=1;',
        location => 'registry_delete on; registry_thread_pool one;')->run;
    my $bytes = blob(100_000, 'enfile');
    my $image = $t->push_image('app', 'v1', layers => [$bytes]);
    my @put = ('PUT', '/v2/app/manifests/v2', $image);
    my (%seen, @bad);

    $t->allow_log(qr/\(23: Too many open files in system\)/);

    for my $op (
        ['GET', '/v2/app/manifests/v1'],
        ['GET', '/v2/app/blobs/' . sha256($bytes)],
        ['GET', '/v2/app/tags/list'],
        ['POST', '/v2/app/blobs/uploads/?digest=' . sha256('one'), 'one'],
        \@put,
        ['DELETE', '/v2/app/manifests/v2'])
    {
        my $refused = 0;

        for my $when ('1+', 1 .. 40) {
            ask($t, @put) if $op->[0] eq 'DELETE';
            my ($r, $met) = ask_without($t, $when, @$op);
            last if !$met;

            $seen{ $r->status }++;
            $refused++ if $r->status == 503;
            push @bad, "open $when: " . $r->as_text
                if $r->status !~ /\A(?:200|201|202|503)\z/
                || ($r->status == 503 && ($r->codes)[0] ne 'TOOMANYREQUESTS');
        }

        cmp_ok($refused, '>', 0, "F21 no descriptors in the system: $op->[0] "
            . 'is refused');
        ask($t, @put) if $op->[0] eq 'DELETE';
        like(ask($t, @$op)->status, qr/\A20[012]\z/,
            "F21 and works again: $op->[0]");
    }

    is(scalar @bad, 0, 'F21 each is a 503 or done in spite of it')
        or diag $bad[0];
    figure('open() failed with ENFILE', join ', ',
        map { "$seen{$_} times $_" } sort keys %seen);
    is_whole($t->get('/v2/app/blobs/' . sha256($bytes)), $bytes,
        'F21 the bytes are right');
    $t->finish(audit => { unfinished => 1 });
}


# The body is bytes or an image.

sub ask {
    my ($c, $method, $uri, $body) = @_;

    my $image = ref $body ? $body : undef;

    return $c->request($method, $uri,
        body => $image ? $image->{bytes} : $body,
        headers => [$image ? ['Content-Type', $image->{type}] : ()]);
}


# The same while open() fails, and whether it did.

sub ask_without {
    my ($t, $when, @op) = @_;

    my $c = $t->connect;
    $c->get('/v2/');
    my $trace = Test::Registry::Trace->attach(($t->workers)[0],
        calls => ['openat', 'openat2'],
        inject => [map { "$_:error=ENFILE:when=$when" } 'openat', 'openat2']);
    my $r = ask($c, @op);

    return ($r, scalar grep { $_->{text} =~ /ENFILE.*INJECTED/ }
        $trace->stop);
}


# --- F25 --------------------------------------------------------------------

# A pool of one thread, room for one task and a slow disk, met in the middle
# of bodies; t/robustness.t has those that come in a single piece.

sub queue_overflow {
    my $t = Test::Registry->new(
        main => 'thread_pool tiny threads=1 max_queue=1;',
        location => <<'EOC')->run;
registry_delete on;
registry_thread_pool tiny;
registry_upload_buffer_size 64k;
EOC
    my ($pid) = $t->workers;
    my $image = $t->push_image('app', 'v1');
    my $bytes = blob(600_000, 'overflow');
    my $digest = sha256($bytes);
    my @l = map { $t->open_upload("up/$_") } 1 .. 12;

    # a session of its own, each, that nobody else will ever hear of

    my @singles = map {
        my $c = $t->connect(timeout => 30);
        $c->start('POST', "/v2/single/$_/blobs/uploads/?digest=$digest",
            length => length $bytes);
        wait_for(5, sub { sessions($t, $_) });
        $c;
    } 1 .. 6;
    is(scalar(map { sessions($t, $_) } 1 .. @singles), 6,
        'F25 some sessions are of one request each');

    $t->allow_log(qr/thread pool "tiny" queue overflow/);
    my $trace = Test::Registry::Trace->attach($pid,
        calls => ['pwrite64', 'fdatasync', 'openat'],
        inject => ['pwrite64:delay_enter=20000']);

    my @c = map { $t->connect(timeout => 30) } @l;
    $c[$_]->start('PUT', "$l[$_]?digest=$digest", length => length $bytes)
        for 0 .. $#c;
    for my $at (map { $_ * 60_000 } 0 .. 9) {
        $_->send(substr($bytes, $at, 60_000), unless_reply => 1)
            for @c, @singles;
    }

    my $begin = time;
    my @others = map {
        my $r = $t->get($_);
        [$r, time - $begin]
    } '/v2/app/manifests/v1', '/v2/app/tags/list';
    my @r = map { $_->reply } @c;
    my @single = map { $_->reply } @singles;
    $trace->stop;

    my @no = grep { $_->status == 503 } @single;
    cmp_ok(scalar @no, '>', 0, 'F25 of single requests some are refused')
        or diag join ' ', map { $_->status } @single;
    $_->close for @singles;
    ok(wait_for(10, sub { !map { sessions($t, $_) } 1 .. @singles }),
        'F25 and leave no session behind');

    @no = grep { $_->status == 503 } @r;
    cmp_ok(scalar @no, '>', 0, 'F25 in the middle of a body: some are refused')
        or diag join ' ', map { $_->status } @r;
    my @odd = grep { $_->status !~ /\A(?:201|503)\z/ } @r, @single;
    is(scalar @odd, 0, 'F25 the others are done') or diag $odd[0]->as_text;
    @odd = grep { $_->[0]->status !~ /\A(?:200|503)\z/ || $_->[1] > 5 }
        @others;
    is(scalar @odd, 0, 'F25 who reads is served or refused at once')
        or diag $odd[0][0]->as_text;

    # Who was refused is told that the connection ends. His session stands
    # somewhere, and goes on from there.

    $_->close for @c;
    my $bad = 0;
    for my $i (0 .. $#l) {
        my $repo = 'up/' . ($i + 1);

        if ($r[$i]->status == 503) {
            my $r = $t->get($l[$i]);
            my ($last) = ($r->header('Range') // '') =~ /\A0-(\d+)\z/;
            $r = $t->put("$l[$i]?digest=$digest",
                body => substr $bytes, $last ? $last + 1 : 0);
            $bad++, diag $r->as_text if $r->status != 201;
        }

        $bad++ if $t->get("/v2/$repo/blobs/$digest")->body ne $bytes;
        $bad++ if $t->get($l[$i])->status != 404;
    }

    is($bad, 0, 'F25 each upload is finished, and once');
    is_whole($t->get('/v2/app/manifests/v1'), $image->{bytes},
        'F25 everything else goes on');
    $t->finish;
}


sub sessions {
    my ($t, $i) = @_;

    my @all = glob $t->repo_dir("single/$i") . '/_uploads/*';
    return @all;
}


# --- F28 --------------------------------------------------------------------

# The smallest zone there may be, for more users, guesses and manifests than
# it can hold: all of it goes on, a little slower.

sub small_zone {
    my $n = torture(250, 4000);
    my %users = map { ("user$_" => "secret $_") } 1 .. $n;
    my $t = Test::Registry->new(
        workers => 2,
        write => { htpasswd => htpasswd(%users) },
        http => 'registry_zone_size 32k; keepalive_requests 100000;',
        location => <<'EOC')->run;
registry_delete on;
registry_htpasswd zone %%DIR%%/htpasswd;
registry_login_limit 100000;
EOC

    my $me = $t->as(user1 => 'secret 1');
    my $image = $me->push_image('app', 'v1');
    my ($bad, @c) = (0, $t->connect, $t->connect);

    my $ask = sub {
        my ($method, $uri, $user, $password, $want, %o) = @_;
        my $r = $c[rand 2]->request($method, $uri, %o, headers => [
            ['Authorization', basic($user, $password)],
            ['Content-Type', $image->{type}]]);
        return $r if $r->status == $want;
        diag $r->as_text if !$bad++;
        return $r;
    };

    my @open;
    for my $i (1 .. $n) {
        my $bytes = padded_manifest($image->{data}, 1000 + $i % 5000);
        my $digest = sha256($bytes);

        $ask->('PUT', "/v2/app/manifests/$digest", "user$i", "secret $i",
            201, body => $bytes);
        $ask->('GET', "/v2/app/manifests/$digest", "user$i", 'wrong', 401);
        $ask->('GET', '/v2/', "nobody$i", 'wrong', 401);
        my $r = $ask->('GET', "/v2/app/manifests/$digest", "user$i",
            "secret $i", 200);
        $bad++ if $r->body ne $bytes;
        push @open, [$i, $ask->('POST', '/v2/app/blobs/uploads/', "user$i",
            "secret $i", 202, body => '')->header('Location')];
    }

    is($bad, 0, "F28 $n users, guesses, manifests in a zone of 32k");
    $bad = 0;
    $ask->('DELETE', $_->[1], "user$_->[0]", "secret $_->[0]", 204)
        for @open;
    is($bad, 0, 'F28 and their sessions');

    # Whoever comes now is remembered: his second request opens no password
    # file, and that for a manifest does not read it.

    my @r = map { $ask->('GET', '/v2/app/manifests/v1', 'user1', 'secret 1',
        200) } 1 .. 3;
    is_whole($r[2], $image->{bytes}, 'F28 the right bytes');
    is(reads($t, $ask), 0, 'F28 there is room for a manifest again');
    figure('users, wrong passwords, manifests, sessions in a zone of 32k',
        $n);

    $t->reload;
    is_status($me->get('/v2/app/manifests/v1'), 200, 'F28 after a reload');
    $t->finish;
}


# How often a manifest that was just asked for is read from its file.

sub reads {
    my ($t, $ask) = @_;

    my @traces = map {
        Test::Registry::Trace->attach($_, calls => ['openat'])
    } $t->workers;
    $ask->('GET', '/v2/app/manifests/v1', 'user1', 'secret 1', 200);

    return grep { $_->{text} =~ m{blobs/|/data"} } map { $_->stop } @traces;
}

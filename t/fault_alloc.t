#!/usr/bin/perl

# Memory that is not to be had: each allocation of each operation fails in
# turn, of nginx, the registry and the libraries alike. The worker lives, the
# reply is an error or none, nothing is half there, and nothing is kept that
# should have been freed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Registry;
use Test::Registry::Operations;
use Test::Registry::Shim;
use Test::Registry::Sweep;
use Test::Registry::Torture;


need_root(40);
seed();

my @pushes = pushes(any_sizes(torture(0, 4)));

my @how = (
    action => 'ENOMEM', calls => ['memory'], cut => 1, status => [500, 503],
    grace => 3600
);

# What nginx itself says when it gets no memory.

my @says = (
    qr/\[emerg\].*(?:malloc|posix_memalign)\([^)]*\) failed \(12: /,
    qr/\[alert\].*(?:SSL_\w+|OPENSSL_\w+|ngx_ssl_\w+)/,
    qr/\[alert\].*ignoring stale global SSL error.*malloc failure/,
    qr/\[alert\].*ignoring stale .*internal error:Got number 0 when expecting/
);

my $failed = 0;

storage('thread_pool one threads=1;', 'registry_thread_pool one;');
storage('', '') if torture(0, 1);
again();
logins();
command();

figure('allocations failed', $failed);
done_testing();


sub server {
    my (%o) = @_;

    my $s = Test::Registry::Sweep->new(%o)->run;
    $s->t->allow_log($_) for @says;
    return $s;
}


sub storage {
    my ($main, $location) = @_;

    my $s = server(main => $main,
        location => "registry_delete on; $location");

    for my $op (@pushes, manifests(), deletes(), reads()) {
        nothing_kept($s, $op, sub {
            $s->sweep("F26 no memory for $op->{name}", $op, @how);
        });
    }

    $failed += $s->hits;
    $s->finish(audit => { unfinished => 1, grace => 3600 });
}


# As many blocks are held after a sweep as before it. What is held for good
# the operation has taken when it was done a few times. Where referrers are
# listed the two manifests of each round, which no other has, are remembered.

sub nothing_kept {
    my ($s, $op, $code, @how) = @_;

    my ($shim, $t) = ($s->shim, $s->t);

    $shim->watch(($t->workers)[0]);
    $s->quietly($op, @how) for 1 .. 3;
    my ($before, $rounds) = (at_rest($shim), $s->rounds);
    $code->();
    $s->quietly($op, @how);
    my $after = at_rest($shim);

    my $known = $op->{name} =~ /referrer|DELETE of a manifest/
        ? 2 * ($s->rounds - $rounds) : 0;

    cmp_ok($after - $before, '<=', 2 + $known,
        "F26 and nothing is kept of it");
}


# The number of blocks when it has not changed for a while.

sub at_rest {
    my ($shim) = @_;

    my ($last, $same) = (undef, 0);
    wait_for(10, sub {
        my $now = $shim->blocks;
        $same = defined $last && $now == $last ? $same + 1 : 0;
        $last = $now;
        return $same >= 5;
    });
    return $last;
}


# Passwords, tokens, certificates.

# nginx's reader has no memory for what comes in the middle of a body. Who is
# told so may send all of it once more, as clients do by themselves.

sub again {
    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(env => $shim->env)->run;
    my $bytes = blob(600_000, 'again');
    my $digest = sha256($bytes);
    my $refused = 0;

    $t->allow_log($_) for @says;

    for my $n (1 .. 12) {
        my $l = $t->open_upload('again');
        my $c = $t->connect;

        $c->start('PUT', "$l?digest=$digest",
            headers => [['Transfer-Encoding', 'chunked']]);
        $c->send(chunks(substr $bytes, 0, 300_000));
        Time::HiRes::sleep(0.2);
        $shim->arm(pid => ($t->workers)[0], @how[0 .. 3], at => $n);
        $c->send(chunks(substr $bytes, 300_000) . "0\r\n\r\n");

        my $r = $c->reply;
        my $hits = $shim->disarm;

        if ($hits && $r->status >= 500) {
            $refused++;
            is_status($t->put("$l?digest=$digest", body => $bytes), 201,
                "F26 call $n of a reader: the same PUT once more");
        }

        last if !$hits;
    }

    cmp_ok($refused, '>', 0, 'F26 a reader that got no memory');
    $t->finish;
}


sub chunks {
    my ($bytes) = @_;

    return join '', map { sprintf("%x\r\n", length) . "$_\r\n" }
        unpack '(a300)*', $bytes;
}


sub logins {
    my @users = map { "u$_" } 1 .. 400;
    my $hash = Test::Registry::Login::bcrypt('secret');
    my $s = server(tls => 1, main => 'thread_pool one threads=1;',
        location => 'registry_delete on; registry_thread_pool one;'
        . 'registry_htpasswd "Registry" %%DIR%%/users;'
        . 'registry_login_limit off; registry_token_server on;'
        . 'registry_allow anonymous * **; registry_allow u1 * private/**;',
        write => { users => join '', map { "$_:$hash\n" } @users });
    my $t = $s->t;

    # everybody logs in once only: a password that was right is remembered

    my $next = 0;
    my $who = sub { basic($users[$next++ % @users], $_[0]) };
    my $token = '/v2/_nginx/token?scope=repository:app:pull';

    my %ops = (
        'a login' => [200, sub { $t->get($token, headers => [
            [Authorization => $who->('secret')]]) }],
        'a wrong password' => [401, sub { $t->get($token, headers => [
            [Authorization => $who->('wrong')]]) }],
        'a token' => [200, sub { $t->get('/v2/', headers => [
            [Authorization => "Bearer $_[0]{token}"]]) }],
        'a forged token' => [401, sub { $t->get('/v2/', headers => [
            [Authorization => "Bearer $_[0]{token}" =~ s/.{9}\z/AAAAAAAAA/r
            ]]) }],
        'a TLS handshake' => [401, sub { $t->get('/v2/', tls => 1) }]
    );

    # Some of the failures inside a verification OpenSSL tells as a signature
    # that is wrong.

    my %status = ('a token' => [401, 429, 500, 503]);

    # Making a key, and what libraries do when they are first used, takes some
    # thousands of blocks; what follows takes few. OpenSSL loses some when a
    # handshake gets no memory.

    for my $new (1, 0) {
        for my $name (sort keys %ops) {
            my ($status, $run) = @{ $ops{$name} };
            my $op = {
                name => $name, good => [$status], run => $run,
                before => sub {
                    my $r = $t->get($token, headers => [
                        [Authorization => $who->('secret')]]);
                    die $r->as_text if $r->status != 200;
                    $_[0]{token} = $r->json->{token};
                },
                after => sub { () },
                again => sub {
                    my $r = $run->($_[0]);
                    return $r->status == $status ? () : $r->as_text;
                }
            };

            my $sweep = sub {
                $s->sweep("F26 no memory for $name" . ($new
                    ? ', with new keys' : ''), $op, @how, keep => !$new,
                    status => $status{$name} || [429, 500, 503],
                    every => $new ? torture(400, 5) : torture(5, 1));
            };

            $name =~ /TLS/ ? $sweep->()
                : nothing_kept($s, $op, $sweep, keep => !$new);
        }
    }

    $failed += $s->hits;
    $s->finish;
}


# registryctl says what it would have said, or that it could not be done: 3.

sub command {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;
    my $shim = Test::Registry::Shim->new;
    my $image = $t->push_image('app', 'v1');
    $t->stop;

    my $sound = $t->root;
    my $damaged = "$t->{dir}/damaged";
    run_command(10, 'cp', '-a', $sound, $damaged);
    my ($hex) = $image->{digest} =~ /:(.*)/;
    unlink "$damaged/docker/registry/v2/repositories/app/_manifests"
        . "/revisions/sha256/$hex/link" or die $!;

    # blobs that are as young as the audit count as being pushed
    sleep 2;

    my $users = $t->write_file('users', htpasswd(ann => 'one', bob => 'two'));

    registryctl($shim, 'audit of a sound store', 0, undef,
        'audit', '--digests', $sound);
    registryctl($shim, 'audit of a damaged store', 1, undef,
        'audit', '--digests', $damaged);
    registryctl($shim, 'user list', 0, $users, qw(user list), $users);
    registryctl($shim, 'user remove', 0, $users,
        qw(user remove), $users, 'ann');

    $t->finish;
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar(<$fh>) // '';
}


# The command with each of its allocations failing. A file that it edits is as
# it was, or as it is to be.

sub registryctl {
    my ($shim, $name, $want, $file, @args) = @_;

    my %env = %{ $shim->env };
    my @command = ('env', map({ "$_=$env{$_}" } keys %env),
        $ENV{TEST_REGISTRYCTL} || "$FindBin::Bin/../build/registryctl", @args);
    my ($each, $n, $hits, @why) = torture(6, 1);

    my $old = defined $file ? slurp($file) : '';
    my ($status, $right) = run_command(20, @command);
    is($status, $want, "registryctl $name") or diag $right;
    my $new = defined $file ? slurp($file) : '';

    for ($n = 1; $n < 20_000 && @why < 10; $n += $each) {
        spew($file, $old) if defined $file;

        $shim->arm(action => 'ENOMEM', calls => ['memory'], at => $n);
        my ($rc, $out) = run_command(20, @command);
        $hits = $shim->disarm;
        my $done = $rc == $want && settled($out) eq settled($right);

        push @why, "at $n: status $rc, $out"
            if !$done && !($hits && $rc == 3 && $out =~ /\S/);

        if (defined $file) {
            my $now = slurp($file);
            push @why, "at $n: the file holds something else"
                if $now ne $new && ($done || $now ne $old);
        }

        last if !$hits;
        $failed++;
    }

    push @why, 'there is no end of it' if $hits;
    ok(!@why, "F26 no memory for registryctl $name, until call $n")
        or diag join "\n", @why;
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}


# What is said without the time it took.

sub settled { return $_[0] =~ s/\d+(?:\.\d+)? (?:s|seconds?)\b//gr }

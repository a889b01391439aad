#!/usr/bin/perl

# Passwords, signing keys and trusted keys change again and again, nginx
# reloads, and clients work on meanwhile: nobody is refused who may, and nobody
# is let in any more who may not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Token;


# How long the load lasts, and what it draws its choices from.

my $seconds = 8;
my $seed = $ENV{TEST_REGISTRY_SEED} || int(time * 1000 + $$) & 0x7fffffff;

# Old keys that go on verifying after a rotation.

my $keep = 4;

# How each step is done: decided beforehand, so that every client knows.

my @ways = ('rename', 'in place', 'symlink');
my %way;

# Which of three keys are in force, one state after the other.

my @states = ([0], [0, 1], [1], [1, 2], [2], [2, 0]);

my $repo = 'team/app';
my ($t, $image);

diag "TEST_REGISTRY_SEED=$seed";
srand $seed;
for my $what (qw(users jwks certs)) {
    $way{$what} = [ map { $ways[rand @ways] } 0 .. 2000 ];
}

everything_at_once();
slow_writer();
salt_while_hashing();
reload_meanwhile();

done_testing();


# Each client is a process. What changes does so in steps, counted by the
# length of two files: one grows before the step, the other after it. So whoever
# looks at the second before he asks and at the first after he was answered
# knows all the states that may have been in force in between: when all of them
# say yes the answer is yes, when all say no it is no.
#
# While a file is written in place it is empty for a moment, and a worker goes
# on with what it read last. That may be older than the step before, when two
# follow upon each other, and is let pass.

sub everything_at_once {
    my @keys = map { new_key('p256') } 0 .. 2;
    my @signed = map {
        my $key = $_;
        [ map { jwt($key, claims(exp => int(time) + 3600,
            access => [access($repo, 'pull')]), { kid => $key->$_ }) }
            qw(thumbprint libtrust) ]
    } @keys;
    my @public = map { [ jwks_entry($_), $_->public ] } @keys;
    my $users = users_of(0);

    $t = Test::Registry->new(
        workers => 2, ports => 3,
        write => { users => $users, 'jwks.json' => jwks_of(0, \@public),
            'certs.pem' => certs_of(0, \@public) },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_token_server on key=%%DIR%%/token.key;',
        servers => <<'EOF');
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/users;
        registry_login_limit off;
    }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_token realm=https://auth.example/ service=registry.example
            issuer=issuer.example jwks=%%DIR%%/jwks.json;
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_token realm=https://auth.example/ service=registry.example
            issuer=issuer.example certs=%%DIR%%/certs.pem;
    }
}
EOF
    is_exit(ctl(qw(key rotate), $t->dir . '/token.key'), 0, 'a first key');
    begin_count($_) for qw(users key jwks certs);
    $t->run;
    $image = $t->as('steady', 'steady')->push_image($repo, 'v1');

    my @clients = map { begin_client($_->[0], $_->[1]) }
        ['steady, kept', sub { by_password($_[0], 'steady', 'steady', 0.1) }],
        ['steady, fresh', sub { by_password($_[0], 'steady', 'steady', 1) }],
        ['salty', sub { by_password($_[0], 'salty', 'salt', 0.3) }],
        ['steady, tokens', sub { by_token($_[0], 'steady', 'steady') }],
        ['salty, tokens', sub { by_token($_[0], 'salty', 'salt') }],
        ['moving', \&by_changed_password],
        ['visitor', \&by_visits],
        ['jwks', sub { by_foreign_key($_[0], 'jwks', 2, map { $_->[0] }
            @signed) }],
        ['certs', sub { by_foreign_key($_[0], 'certs', 3, map { $_->[1] }
            @signed) }];

    my %done = change_all(\@public);
    my %told = map { end_client($_) } @clients;

    diag join ', ', map { "$_: $done{$_}" } sort keys %done;
    for my $name (sort keys %told) {
        my ($yes, $no, $any, @wrong) = @{ $told{$name} };
        diag "$name: $yes had to be let in, $no refused, $any either";
        is(scalar @wrong, 0, "A77 $name: as the schedule says")
            or diag join "\n", @wrong > 10 ? @wrong[0 .. 9] : @wrong;
        cmp_ok($yes, '>=', 20, "$name: has been let in");
        cmp_ok($no, '>=', 3, "$name: has been refused")
            if $name =~ /\A(?:moving|visitor|jwks|certs|salty, tokens)\z/;
    }
    cmp_ok($done{$_}, '>=', 3, "$_ happened") for sort keys %done;

    $t->reload;
    $t->finish;
}


sub begin_count {
    my ($what) = @_;

    $t->write_file("$what.begun", '');
    $t->write_file("$what.done", '');
}


sub begun { return -s $t->dir . "/$_[0].begun" }
sub done { return -s $t->dir . "/$_[0].done" }


# The steps that may have been in force meanwhile.

sub in_force {
    my ($what, $before, $after) = @_;

    my $first = grep({ $way{$what}[$_] eq 'in place' } $before + 1 .. $after)
        ? 0 : $before;
    return $first .. $after;
}


# What to expect when in some of them the answer is yes: 1, 0, undef either.

sub wanted {
    my ($yes, @steps) = @_;

    my $n = grep { $yes->($_) } @steps;
    return !$n ? 0 : $n == @steps ? 1 : undef;
}


# One step: code is called with its number.

sub change {
    my ($what, $code) = @_;

    for my $end ('begun', 'done') {
        open my $fh, '>>:raw', $t->dir . "/$what.$end" or die "$what: $!\n";
        syswrite $fh, '.' or die "$what: $!\n";
        close $fh;
        $code->(begun($what)) if $end eq 'begun';
    }
}


# The password file after so many steps. steady's line never changes, salty's
# has another salt each time, moving's another password, and visitor is there
# in two steps of three.

my %line;

sub users_of {
    my ($step) = @_;

    $line{$_} ||= htpasswd($_ => $_) for qw(steady visitor);

    my @lines = ($line{steady}, htpasswd(salty => 'salt'),
        htpasswd(moving => "moved$step"),
        map { htpasswd("other$_" => rand) } 1 .. rand 4);
    push @lines, $line{visitor} if is_visiting($step);

    return join '', map { $_->[1] } sort { $a->[0] <=> $b->[0] }
        map { [rand, $_] } @lines;
}


sub is_visiting { return $_[0] % 3 != 2 }


sub jwks_entry {
    my ($key) = @_;

    return $key->jwk(kid => $key->thumbprint);
}


sub keys_in { return @{ $states[$_[0] % @states] } }


sub jwks_of {
    my ($step, $public) = @_;

    return jwks(map { $public->[$_][0] } keys_in($step)) . "\n";
}


sub certs_of {
    my ($step, $public) = @_;

    return join '', map { $public->[$_][1] } keys_in($step);
}


# The ways in which a file is exchanged.

sub write_by {
    my ($how, $name, $text, $step) = @_;

    my $path = $t->dir . "/$name";
    if ($how eq 'in place') {
        open my $fh, '>:raw', $path or die "$path: $!\n";
        syswrite($fh, $text) == length $text or die "$path: $!\n";
        close $fh;

    } elsif ($how eq 'rename') {
        $t->write_file("$name.new", $text);
        rename "$path.new", $path or die "$path: $!\n";

    } else {
        $t->write_file("$name.$step", $text);
        symlink "$path.$step", "$path.link" or die "$path.link: $!\n";
        rename "$path.link", $path or die "$path: $!\n";
    }
}


# Changes everything for a while, and until each was changed three times,
# however slow the machine; returns how often.

sub change_all {
    my ($public) = @_;

    my $end = time + $seconds;
    my $reload = time + 0.5;
    my (%done, %old);

    my $few = sub {
        return time < $end + 30 && grep { $_ < 3 } values %done;
    };
    $done{$_} = 0 for qw(jwks certs reload), 'key rotation',
        map { "password file, $_" } @ways;

    for (my $round = 0; time < $end || $few->(); $round++) {
        for (1 .. (rand() < 0.2 ? 2 : 1)) {
            change('users', sub {
                my ($step) = @_;
                my $how = $way{users}[$step];
                write_by($how, 'users', users_of($step), $step);
                $done{"password file, $how"}++;
            });
        }

        # a reload that finds a key file empty is refused, and rightly so

        my @now = $t->workers;
        %old = () if @now == 2 && !grep { $old{$_} } @now;
        my $now = !%old && time >= $reload
            && ($end - time > 1 || $few->());

        if ($round % 3 == 0) {
            my $what = $round % 2 ? 'jwks' : 'certs';
            change($what, sub {
                my ($step) = @_;
                my $how = $now || %old ? 'rename' : $way{$what}[$step];
                $what eq 'jwks'
                    ? write_by($how, 'jwks.json', jwks_of($step, $public),
                        $step)
                    : write_by($how, 'certs.pem', certs_of($step, $public),
                        $step);
                $done{$what}++;
            });
        }
        if ($round % 5 == 1) {
            change('key', sub {
                my $r = ctl(qw(key rotate --keep), $keep, '--algorithm',
                    $_[0] % 4 ? 'ES256' : 'EdDSA', $t->dir . '/token.key');
                die "key rotate: $r->{err}" if $r->{rc};
                $done{'key rotation'}++;
            });
        }
        if ($now) {
            %old = map { $_ => 1 } @now;
            kill 'HUP', $t->pid;
            $reload = time + 1;
            $done{reload}++;
        }
        sleep 0.01 + rand 0.06;
    }

    $t->write_file('stop', '');
    return %done;
}


# A client that calls code until it is told to stop.

sub begin_client {
    my ($name, $code) = @_;

    my $file = $t->dir . '/client-' . $name =~ tr/a-z0-9//cdr;
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;
    return { name => $name, file => $file, pid => $pid } if $pid;

    srand($seed ^ unpack '%31C*', $name);
    my %c = (yes => 0, no => 0, any => 0, wrong => [], name => $name,
        fresh => 0.3);
    my $end = time + $seconds + 20;

    eval {
        $code->(\%c) while !-e $t->dir . '/stop' && time < $end
            && @{ $c{wrong} } < 50;
        1;
    } or push @{ $c{wrong} }, "died: $@";

    put_file($file, join "\n", @c{qw(yes no any)}, @{ $c{wrong} });
    POSIX::_exit(0);
}


sub end_client {
    my ($client) = @_;

    my $status = reap($client->{pid}, 20);
    kill 'KILL', $client->{pid} if !defined $status;
    my @told = split /\n/, file_text($client->{file}) // "0\n0\n0\nno end";
    return ($client->{name} => \@told);
}


# One request, on the connection that is there or on another one. A kept one
# may have been closed by a worker that ends: then it is sent once more.

sub ask {
    my ($c, $method, $uri, %o) = @_;

    my $port = delete $o{port} || $t->port;
    my $was;
    for my $try (1 .. 2) {
        my $conn = delete $c->{conn}{$port};
        $conn = undef if $try > 1 || rand() < $c->{fresh};
        my $kept = $conn;
        $conn ||= eval { $t->connect(port => $port) };
        return Test::Registry::Reply->new(request => "$method $uri",
            error => $@) if !$conn;

        my $r = $conn->request($method, path_of($uri), %o);
        $c->{conn}{$port} = $conn
            if $r->complete && ($r->header('Connection') // '') ne 'close';
        return $r if $r->status || !$kept || length $conn->buffered;
    }
}


# Compares an answer with what it had to be: 1 yes, 0 no, undef either.

sub judge {
    my ($c, $r, $want, $sent, @good) = @_;

    my $let = grep { $r->status == $_ } @good ? @good : 200;
    my $fits = $let || $r->status == 401;
    $fits &&= !defined $want || !$want == !$let;

    $c->{ !defined $want ? 'any' : $want ? 'yes' : 'no' }++;
    return $let if $fits;

    push @{ $c->{wrong} }, sprintf '%.3f %s: %s: wanted %s, got %s', time,
        $r->{request}, $sent, !defined $want ? 'yes or no'
        : $want ? 'yes' : 'no', $r->as_text =~ s/\s*\n\s*/ | /gr;
    return 0;
}


# Something that a client does, and what it gets.

my $pushed = 0;

sub work {
    my ($c, $auth, $want, $sent) = @_;

    my @headers = (headers => [['Authorization', $auth]]);
    my $what = int rand 6;

    return judge($c, ask($c, 'GET', '/v2/', @headers), $want->(), $sent)
        if $what < 2;
    return judge($c, ask($c, 'HEAD', "/v2/$repo/manifests/v1", @headers),
        $want->(), $sent) if $what == 2;
    if ($what < 5) {
        my $r = ask($c, 'GET', "/v2/$repo/manifests/v1", @headers);
        push @{ $c->{wrong} }, 'other bytes: ' . $r->as_text
            if $r->status == 200 && $r->body ne $image->{bytes};
        return judge($c, $r, $want->(), $sent);
    }

    my $bytes = "$c->{name} " . ++$pushed;
    my $r = ask($c, 'POST', "/v2/$repo/blobs/uploads/", @headers, body => '');
    judge($c, $r, $want->(), "$sent, push", 202) or return 0;
    return 0 if $r->status != 202;

    $r = ask($c, 'PUT', with_query($r->header('Location'),
        digest => sha256($bytes)), @headers, body => $bytes);
    return judge($c, $r, $want->(), "$sent, push", 201);
}


# A password that holds all the time, whatever its hash.

sub by_password {
    my ($c, $user, $password, $fresh) = @_;

    $c->{fresh} = $fresh;
    return work($c, basic($user, $password), sub { 1 },
        "$user with the password that holds");
}


# Tokens of our own: as good as the key that signed them is there, and as the
# user's line is the same.

sub by_token {
    my ($c, $user, $password) = @_;

    my ($key, $users) = (done('key'), done('users'));
    my $r = ask($c, 'GET', '/v2/_nginx/token?service=registry'
        . "&offline_token=true&scope=repository:$repo:pull,push",
        headers => [['Authorization', basic($user, $password)]]);
    judge($c, $r, 1, "$user asks for a token") or return;

    my $issued = begun('users');
    my $j = $r->json;
    my $sent = sprintf '%s with a token of keys %d.., passwords %d..%d',
        $user, $key, $users, $issued;

    my $before;
    my $want = sub {
        return undef if begun('key') - $key > $keep;
        return 1 if $user eq 'steady';

        my %given = map { $_ => 1 } in_force('users', $users, $issued);
        my @steps = in_force('users', $before, begun('users'));
        my $want = wanted(sub { $given{$_[0]} }, @steps);
        return $want && (keys %given > 1 || @steps > 1) ? undef : $want;
    };

    my $begin = time;
    while (begun('key') - $key <= $keep && time - $begin < 0.5) {
        $before = done('users');
        work($c, "Bearer $j->{token}", $want, $sent) or last;
    }

    $before = done('users');
    $r = ask($c, 'POST', '/v2/_nginx/token', body => 'service=registry&'
        . "grant_type=refresh_token&refresh_token=$j->{refresh_token}",
        headers => [['Content-Type', 'application/x-www-form-urlencoded']]);
    $r->{status} = 401 if $r->status == 400
        && ($r->json || {})->{error} eq 'invalid_grant';
    judge($c, $r, $want->(), "$sent, to refresh");
}


# The password of now, of before, or of a step to come.

sub by_changed_password {
    my ($c) = @_;

    my $before = done('users');
    my $mine = $before + (0, 0, 0, -1, -2, 1)[rand 6];
    my $r = ask($c, 'GET', "/v2/$repo/manifests/v1", headers =>
        [['Authorization', basic('moving', "moved$mine")]],
        port => $t->extra_port(1));
    my $after = begun('users');

    judge($c, $r, wanted(sub { $_[0] == $mine },
        in_force('users', $before, $after)),
        "moving with the password of step $mine, during $before..$after");
}


# Who is there and goes, with one and the same line.

sub by_visits {
    my ($c) = @_;

    my $before = done('users');
    my $r = ask($c, 'HEAD', "/v2/$repo/manifests/v1", headers =>
        [['Authorization', basic('visitor', 'visitor')]],
        port => $t->extra_port(1));
    my $after = begun('users');

    judge($c, $r, wanted(\&is_visiting, in_force('users', $before, $after)),
        "visitor during $before..$after");
}


# Tokens that others have signed, each with one of three keys.

sub by_foreign_key {
    my ($c, $what, $port, @tokens) = @_;

    my $mine = int rand @tokens;
    my $before = done($what);
    my $r = ask($c, 'GET', "/v2/$repo/manifests/v1", headers =>
        [['Authorization', "Bearer $tokens[$mine]"]],
        port => $t->extra_port($port));
    my $after = begun($what);

    judge($c, $r, wanted(sub { scalar grep { $_ == $mine } keys_in($_[0]) },
        in_force($what, $before, $after)),
        "a token of key $mine, during $before..$after of $what");
}


# Somebody whose editor empties the file first and takes a moment to fill it:
# what was in force goes on, whenever the file is looked at. It is large, so
# that it is often being read as it is emptied.

sub slow_writer {
    my $large = '# ' . 'x' x 1_500_000 . "\n";

    $t = Test::Registry->new(
        workers => 2, write => { users => $large . users_of(0) },
        location => 'registry_htpasswd "R" %%DIR%%/users;')->run;
    $image = $t->as('steady', 'steady')->push_image($repo, 'v1');

    # who takes a second has left it as it is

    my @told;
    is_quick(0.8, 'A77 it was never half written for long', sub {
        unlink $t->dir . '/stop';
        my @clients = map {
            my $fresh = $_;
            begin_client("steady, $fresh", sub {
                by_password($_[0], 'steady', 'steady', $fresh) });
        } 0, 0.1, 0.2;

        my $longest = 0;
        my $end = time + 3;
        for (my $step = 1; time < $end; $step++) {
            my $text = $large . users_of($step);
            my $took = seconds(sub { write_slowly('users', $text) });
            $longest = $took if $took > $longest;
            sleep 0.005 + rand 0.02;
        }

        $t->write_file('stop', '');
        @told = map { (end_client($_))[1] } @clients;

        # nor does a client tell anything that stood still

        return grep({ $_->[0] < 20 } @told) ? 3 : $longest;
    });

    for (@told) {
        my ($yes, undef, undef, @wrong) = @$_;
        is(scalar @wrong, 0, 'A77 nobody is refused while the file is '
            . "written slowly ($yes requests)")
            or diag join "\n", @wrong > 5 ? @wrong[0 .. 4] : @wrong;
        cmp_ok($yes, '>=', 20, 'and requests were made');
    }
    $t->finish;
}


sub write_slowly {
    my ($name, $text) = @_;

    open my $fh, '>:raw', $t->dir . "/$name" or die "$name: $!\n";
    sleep 0.01;
    syswrite $fh, substr $text, 0, 100_000;
    sleep 0.005;
    syswrite $fh, substr $text, 100_000;
    close $fh;
}


# The same password gets another salt while it is being checked.

sub salt_while_hashing {
    $t = Test::Registry->new(
        write => { users => htpasswd(salty => ['salt', 12]) },
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . 'registry_token_server on;')->run;

    for my $uri ('/v2/', '/v2/_nginx/token') {
        $t->write_file('users.new', htpasswd(salty => ['salt', 12]));
        rename $t->dir . '/users.new', $t->dir . '/users'
            or die "rename: $!\n";
        my $c = $t->as('salty', 'salt')->connect;
        $c->start('GET', $uri);
        sleep 0.05;
        $t->write_file('users.new', htpasswd(salty => 'salt'));
        rename $t->dir . '/users.new', $t->dir . '/users'
            or die "rename: $!\n";
        is_status($c->reply, 200,
            "A77 a new salt while $uri checks the password");
    }
    $t->finish;
}


# The same when nginx reloads in the very moment: what the new workers have
# read is no reason to refuse anybody.

sub reload_meanwhile {
    my $users = users_of(0);
    my ($half) = $users =~ /\A(.*?\n.{20})/s;

    for (['empty', ''], ['half', $half]) {
        my ($name, $text) = @$_;
        $t = Test::Registry->new(write => { users => $users },
            location => 'registry_htpasswd "R" %%DIR%%/users;')->run;
        my @all = (['steady', 'steady'], ['salty', 'salt'],
            ['moving', 'moved0']);

        is(join(' ', map { $t->as(@$_)->get('/v2/')->status } @all),
            '200 200 200', 'before');
        $t->write_file('users', $text);

        my $writer = fork // die "fork: $!\n";
        if (!$writer) {
            sleep 0.4;
            $t->write_file('users', $users);
            POSIX::_exit(0);
        }

        $t->reload;
        waitpid $writer, 0;
        my @status = map { $t->as(@$_)->get('/v2/')->status } @all;
        is(join(' ', @status), '200 200 200',
            "A77 a reload that finds the file $name refuses nobody");
        $t->write_file('users', $users);
        is(join(' ', map { $t->as(@$_)->get('/v2/')->status } @all),
            '200 200 200', 'and after');
        $t->finish;
    }
}

#!/usr/bin/perl

# registryctl token: the file of access tokens.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::More;
use Time::Local qw(timegm);

use Test::Registry;
use Test::Registry::Command;

my $dir = work_dir();
my $file = "$dir/tokens";
my $secret = qr/ngxreg_[0-9A-Za-z]{38}/;

one_command();
secrets();
expiry();
scopes();
owners();
comments();
json();
listed();
revoked();
text_stays();
together();
lost();

done_testing();


sub token {
    my ($command, @args) = @_;
    return ctl('token', $command, $file, @args);
}


sub fresh { unlink $file; return token('create', @_) }


# The value of a key on the line of a token.

sub field {
    my ($name, $key) = @_;
    my ($line) = file_text($file) =~ /^(\Q$name\E .*)$/m;
    return undef if !defined $line;
    return $1 if $line =~ /(?:^| )"?\Q$key\E=((?<=")[^"]*|\S+)/;
    return '';
}


# "Give a developer a read-only token for 30 days."

sub one_command {
    my $before = time;
    my $r = token(qw(create dev-anna --expires 30d --allow pull:**));
    is_exit($r, 0, 'a read-only token for 30 days is one command');
    like($r->{out}, qr/\A$secret\n\z/,
        'its secret, and nothing else, is on standard output');
    unlike($r->{err}, qr/ngxreg_/, 'and nowhere else');
    like($r->{err}, qr/docker login -u dev-anna/, 'it says how to use it');

    chomp(my $said = $r->{out});
    my $text = file_text($file);
    is(mode_of($file), '0640', 'the new file has mode 0640');
    like($text, qr/\Adev-anna sha256:[0-9a-f]{64} expires=\S+ created=\S+ (?#
        )allow=pull:\*\*\n\z/, 'the file has one line');
    unlike($text, qr/\Q$said\E/, 'without the secret');
    like($text, qr/ sha256:${\ Digest::SHA::sha256_hex($said)} /,
        'but with its hash');

    my $end = field('dev-anna', 'expires');
    my @t = $end =~ /\A(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z\z/;
    my $left = timegm(@t[5, 4, 3, 2], $t[1] - 1, $t[0]) - $before;
    cmp_ok(abs($left - 30 * 86400), '<=', 60, 'it ends in 30 days');
    is(beside($dir, 'tokens'), '', 'nothing is left beside the file');
}


# The form that the header of reg_secret.h describes.

sub secrets {
    unlink $file;
    my %seen;

    for my $i (1 .. 20) {
        chomp(my $s = token('create', "t$i", '--allow', 'pull:a')->{out});
        $seen{$s}++;

        my @digits = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');
        my $n = unpack 'N', Digest::SHA::sha256(substr $s, 0, -6);
        my $check = '';
        for (1 .. 6) {
            $check = $digits[$n % 62] . $check;
            $n = int($n / 62);
        }
        is(substr($s, -6), $check, 'the last six digits are the check');
    }
    is(scalar(keys %seen), 20, 'no two are the same');
}


sub expiry {
    my $r = fresh(qw(create --allow pull:a));
    like($r->{err}, qr/after 90d/, 'the default is said');

    for ([ '12h', 12 * 3600 ], [ '2w', 14 * 86400 ], [ '45m', 2700 ],
        [ '1d', 86400 ], [ undef, 90 * 86400 ])
    {
        my ($when, $seconds) = @$_;
        my @option = defined $when ? ('--expires', $when) : ();
        my $now = time;
        is_exit(fresh('t', @option, qw(--allow pull:a)), 0,
            $when // 'by default');
        my $got = field('t', 'expires');
        my @near = map { strftime('%Y-%m-%dT%H:%M:%SZ',
            gmtime($now + $seconds + $_)) } 0 .. 5;
        ok((grep { $_ eq $got } @near), "expires at $near[0]") or diag($got);
    }

    for ([ 'never', 'never' ], [ '2999-12-31', '2999-12-31T23:59:59Z' ],
        [ '2999-02-28T01:02:03Z', '2999-02-28T01:02:03Z' ])
    {
        is_exit(fresh('t', '--expires', $_->[0], qw(--allow pull:a)), 0,
            "expires $_->[0]");
        is(field('t', 'expires'), $_->[1], "is $_->[1]");
    }

    unlink $file;
    for my $bad ('2020-01-01', '0d', '-1d', 'd', '', '30', '30 d', '30y',
        '1.5d', '2999-02-30', 'tomorrow', '99999999999999999999d', '999999w')
    {
        my $r = token('create', 't', "--expires=$bad", qw(--allow pull:a));
        is_exit($r, 2, "expires \"$bad\"");
        like($r->{err}, qr/--expires "\Q$bad\E"/, 'and told so');
    }
    ok(!-e $file, 'no file was made for any');
}


sub scopes {
    is_exit(fresh('t', '--allow', 'pull,push:team/*', '--allow=pull:lib/**',
        '--allow', '*:~v[0-9]+(?:-rc)?', '--allow', 'pull:~a b'), 0,
        'four scopes');
    like(file_text($file), qr/ allow=pull,push:team\/\* allow=pull:lib\/\*\* (?#
        )allow=\*:~v\[0-9\]\+\(\?:-rc\)\? "allow=pull:~a b"\n\z/,
        'stand on the line as they were given');
    is_deeply(decode_json(token(qw(list --json))->{out})->[0]{allow},
        [ 'pull,push:team/*', 'pull:lib/**', '*:~v[0-9]+(?:-rc)?',
        'pull:~a b' ], 'and are read so');

    unlink $file;
    for ([ 'pull', qr/colon/ ], [ ':a', qr/colon/ ], [ 'pull:', qr/colon/ ],
        [ 'pul:a', qr/no action "pul"/ ], [ 'pull,pull:a', qr/twice/ ],
        [ 'pull,:a', qr/no action ""/ ], [ 'pull:A', qr/"A"/ ],
        [ 'pull:a//b', qr/empty/ ], [ 'pull:/a', qr/empty/ ],
        [ 'pull:~(', qr/--allow/ ], [ 'pull:a**', qr/component/ ],
        [ 'pull:$name/**', qr/unknown variable/ ],
        [ 'pull:$user/**', qr/--user/ ], [ 'pull:~${user}/.*', qr/--user/ ],
        [ "pull:~a\nb", qr/control/ ], [ 'pull:~a "b', qr/double quote/ ])
    {
        my $r = token('create', 't', '--allow', $_->[0]);
        is_exit($r, 2, "--allow $_->[0]");
        like($r->{err}, $_->[1], 'and why not');
    }
    is_exit(token('create', 't'), 2, 'no scope at all');
    is_exit(token('create', 't', map { ('--allow', "pull:a$_") } 1 .. 65), 2,
        'too many');
    ok(!-e $file, 'no file was made for any');
    is_exit(token('create', 't', map { ('--allow', "pull:a$_") } 1 .. 64), 0,
        'just enough');
}


sub owners {
    is_exit(fresh('t', qw(--user ann --allow), 'push:$user/**'), 0,
        'a token of ann');
    is(field('t', 'user'), 'ann', 'has her name');
    is_exit(fresh('t', '--user', 'Ann Lee', qw(--allow pull:**)), 0,
        'a name with a blank');
    is(decode_json(token(qw(list --json))->{out})->[0]{owner}, 'Ann Lee',
        'is read as it was given');

    unlink $file;
    is_exit(token('create', 't', '--user', $_, qw(--allow pull:a)), 2,
        'no name of a user') for '', "a\nb", 'x' x 256, 'a "b';
    for my $bad ('', 'a b', '-a', 'a:b', "a\n", '#a', 'x' x 129, "\xc3\xa4") {
        is_exit(ctl(qw(token create --allow pull:a --), $file, $bad), 2,
            'no name of a token');
    }
    ok(!-e $file, 'no file was made for any');
    is_exit(token('create', $_, qw(--allow pull:a)), 0, "\"$_\" is a name")
        for 'a', 'ci-push_2.x', 'ann@laptop', 'c++', 'x' x 128;
}


sub comments {
    my $text = "for \"Jenkins\" # 2, s\xc3\xb6ren";
    is_exit(fresh('t', '--allow', 'pull:a', '--comment', $text), 0,
        'a comment');
    like(file_text($file), qr/ allow=pull:a # \Q$text\E\n\z/,
        'is at the end of the line');
    like(token('list')->{out}, qr/ active +\Q$text\E\n\z/, 'and in the list');
    is_exit(token('create', 'u', '--allow', 'pull:a', '--comment', "a\nb"), 2,
        'one of two lines is none');
}


sub json {
    my $r = fresh('t', qw(--allow pull:a --expires never --json));
    my $made = decode_json($r->{out});
    like($made->{secret}, qr/\A$secret\z/, 'the secret as JSON');
    is_deeply([ @$made{qw(name owner expires comment)} ],
        [ 't', undef, undef, undef ], 'with what else there is');
    is_deeply($made->{allow}, ['pull:a'], 'and scopes');

    token('create', 'u', qw(--allow pull:a --user ann --comment x));
    my $list = decode_json(token(qw(list --json))->{out});
    is_deeply([ map { $_->{name} } @$list ], [ 't', 'u' ], 'a list as JSON');
    ok(!exists $list->[0]{secret}, 'without secrets');
    is($list->[0]{state}, 'active', 'a state');
    is($list->[0]{created}, $made->{created}, 'the same time');
    is_deeply([ @{ $list->[1] }{qw(owner comment)} ], [ 'ann', 'x' ],
        'owner and comment');

    unlink $file;
    put_file($file, '');
    is_deeply(decode_json(token(qw(list --json))->{out}), [], 'an empty list');
}


sub listed {
    my $hash = 'sha256:' . 'ab' x 32;
    put_file($file, "# tokens\nold $hash expires=2020-01-01 allow=pull:a\n"
        . "bad $hash allow=pull:a secretword\n"
        . "new $hash expires=never user=ann allow=pull:a allow=push:b\r\n"
        . "pat $hash expires=never allow=pull:A\n"
        . "new $hash expires=2020-01-01 allow=pull:c\n"
        . "on $hash expires=never x-by=me allow=pull:d #  a\tb");

    my $r = token('list');
    is_exit($r, 0, 'tokens are listed');
    my @lines = map { [ split / {2,}/ ] } split /\n/, $r->{out};
    is_deeply(\@lines, [
        [ qw(NAME OWNER SCOPES CREATED EXPIRES STATE COMMENT) ],
        [ qw(old - pull:a - 2020-01-01T23:59:59Z expired) ],
        [ qw(new ann), 'pull:a push:b', qw(- never active) ],
        [ qw(on - pull:d - never active), 'a b' ]
    ], 'those that the server sees');
    like($r->{err}, qr/:3: .*no expires|:3: .*does not know/, 'a bad line');
    like($r->{err}, qr/:5: .*pattern/, 'a bad pattern');
    like($r->{err}, qr/:6: .*earlier line/, 'a name for the second time');
    unlike($r->{err}, qr/secretword/, 'are told by number, not by text');
    unlike($r->{out} . $r->{err}, qr/abab/, 'no hash is shown');

    is(decode_json(token(qw(list --json))->{out})->[0]{state}, 'expired',
        'an expired one as JSON');
    is_exit(ctl(qw(token list), "$dir/none"), 3, 'no file, no list');
}


sub revoked {
    fresh('a', qw(--allow pull:a));
    token('create', 'ab', qw(--allow pull:a));
    token('create', 'b', qw(--allow pull:a));
    my ($ab, $b) = file_text($file) =~ /^(ab .*\n)(b .*\n)/m;

    is_exit(token(qw(revoke a)), 0, 'a token is revoked');
    is(file_text($file), $ab . $b, 'its line is gone, the others stay');
    is_exit(token(qw(revoke a)), 1, 'once only');
    is_exit(token(qw(revoke b)), 0, 'another one');
    is(file_text($file), $ab, 'is gone too');

    is_exit(token('create', 'ab', qw(--allow pull:b)), 1,
        'a name that is taken');
    is(file_text($file), $ab, 'stays with whom it belongs to');
}


sub text_stays {
    my $hash = 'sha256:' . 'ab' x 32;
    my $odd = "# ours\r\n\r\nx $hash future=1 # keep\r\n\0\xff\r\nci\r\n";
    put_file($file, $odd . "ci $hash expires=never allow=pull:a\r\nz");

    is_exit(token(qw(revoke ci)), 0, 'one of many odd lines');
    is(file_text($file), $odd . "z\r\n", 'the others stay byte for byte');
    is_exit(token(qw(create new --allow pull:a)), 0, 'a new one');
    like(file_text($file), qr/\A\Q$odd\Ez\r\nnew [^\r\n]+\r\n\z/,
        'behind them, with their line ends');

    mkdir "$dir/real";
    rename $file, "$dir/real/tokens";
    symlink 'real/tokens', $file;
    chmod 0604, "$dir/real/tokens";
    is_exit(token(qw(revoke new)), 0, 'through a symbolic link');
    ok(-l $file, 'which is one still');
    unlike(file_text("$dir/real/tokens"), qr/new/, 'to what changed');
    is(mode_of("$dir/real/tokens"), '0604', 'with its mode');
    unlink $file;
}


sub together {
    my @ended = map { ctl_end($_) } map {
        ctl_begin(qw(token create), $file, "t$_", qw(--allow pull:**))
    } 1 .. 20;
    is(scalar(grep { $_->{rc} ne '0' } @ended), 0, 'twenty at once');

    my $text = file_text($file);
    my $kept = grep { my $s = $_->{out}; chomp $s;
        index($text, Digest::SHA::sha256_hex($s)) >= 0 } @ended;
    is($kept, 20, 'and all of their secrets are known');

    my $list = decode_json(token(qw(list --json))->{out});
    is(scalar(@$list), 20, 'none was lost');
    is(beside($dir, 'tokens', 'real'), '', 'nothing is left');
}


# A secret that nobody could read is worth nothing.

sub lost {
    unlink $file;
    my $r = ctl({ stdout => '/dev/full' }, qw(token create), $file, 't',
        qw(--allow pull:a));
    is_exit($r, 3, 'output that cannot be written');
    like($r->{err}, qr/revoke it/, 'and what to do about it');
    is_exit(token(qw(revoke t)), 0, 'which can be done');
}

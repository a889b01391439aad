#!/usr/bin/perl

# registryctl key: the file of signing keys.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Trace;

my $dir = work_dir();
my $file = "$dir/token.key";

first();
rotate();
algorithms();
foreign();
bad();
together();
killed();

done_testing();


sub rotate_json {
    my $r = ctl(qw(key rotate --json), $file, @_);
    is_exit($r, 0, "rotate @_");
    return decode_json($r->{out});
}


sub shown {
    my $r = ctl(qw(key show), $file);
    is_exit($r, 0, 'the public keys');
    unlike($r->{out}, qr/"d"|PRIVATE/, 'no private half is shown');
    return map { $_->{kid} } @{ decode_json($r->{out})->{keys} };
}


sub first {
    my $r = ctl(qw(key rotate), $file);
    is_exit($r, 0, 'a first key');
    like($r->{out}, qr/\A[-\w]{43}\n\z/, 'its name is printed');
    unlike($r->{out} . $r->{err}, qr/BEGIN/, 'and not the key');
    is(mode_of($file), '0600', 'nobody else can read the file');
    is(beside($dir, 'token.key'), '', 'nothing is left beside it');

    my ($rc, $text) = run_command(20, qw(openssl pkey -noout -text -in),
        $file);
    is($rc, 0, 'openssl reads it');
    like($text, qr/prime256v1/, 'EC on P-256');

    chomp(my $kid = $r->{out});
    is_deeply([ shown() ], [$kid], 'it is the one that is shown');
    my $jwk = decode_json(ctl(qw(key show), $file)->{out})->{keys}[0];
    is_deeply([ @$jwk{qw(kty crv alg use)} ], [ qw(EC P-256 ES256 sig) ],
        'as what it is');
}


sub rotate {
    my @names = shown();

    for my $i (1 .. 5) {
        my $r = rotate_json();
        unshift @names, $r->{kid};
        my @gone = splice @names, 4;
        is_deeply($r->{kept}, [ @names[1 .. $#names] ], 'what stays');
        is_deeply($r->{dropped}, \@gone, 'what goes');
        is_deeply([ shown() ], \@names, 'the newest first, three old ones');
    }

    my $r = rotate_json('--keep', 1);
    is_deeply([ shown() ], [ $r->{kid}, $names[0] ], 'one of the old ones');
    $r = rotate_json('--keep=0');
    is_deeply([ shown() ], [ $r->{kid} ], 'none');
    $r = rotate_json('--keep', 15);
    is(scalar(() = shown()), 2, 'no more than there are');

    chmod 0640, $file;
    rotate_json();
    is(mode_of($file), '0640', 'the mode is kept');
}


sub algorithms {
    my $r = rotate_json(qw(--keep 1 --algorithm EdDSA));
    is($r->{algorithm}, 'EdDSA', 'another algorithm');
    my @keys = @{ decode_json(ctl(qw(key show), $file)->{out})->{keys} };
    is_deeply([ map { $_->{alg} } @keys ], [ qw(EdDSA ES256) ],
        'beside the old one');
    is(rotate_json()->{algorithm}, 'EdDSA', 'goes on');
    is(rotate_json(qw(--algorithm ES256))->{algorithm}, 'ES256', 'and back');

    my $before = file_text($file);
    for my $bad (qw(RS256 HS256 none es256), '') {
        my $r = ctl(qw(key rotate), $file, "--algorithm=$bad");
        is_exit($r, 2, "no algorithm: \"$bad\"");
        like($r->{err}, qr/ES256 or EdDSA/, 'and which there are');
    }
    is_exit(ctl(qw(key rotate), $file, '--keep', $_), 2, "--keep $_")
        for '-1', '16', 'x', '';
    is(file_text($file), $before, 'nothing was changed');
}


# Keys that openssl made.

sub foreign {
    unlink $file;
    my ($rc) = run_command(20, qw(openssl ecparam -name prime256v1 -genkey
        -out), $file);
    is($rc, 0, 'a key with its parameters before it');
    my ($kid) = shown();
    is_deeply(rotate_json()->{kept}, [$kid], 'is kept');
    is((shown())[1], $kid, 'by the same name');
}


sub bad {
    my $r = ctl(qw(key show), "$dir/none");
    is_exit($r, 3, 'no file');
    like($r->{err}, qr/No such file/, 'is told');

    my $rsa = "$dir/rsa";
    run_command(60, qw(openssl genrsa -out), $rsa, 2048);
    my $good = file_text($file);

    for ([ '', 'no private key' ], [ "junk\n", 'no private key' ],
        [ file_text($rsa), 'P-256' ], [ substr($good, 0, 150), 'key 1' ],
        [ $good . file_text($rsa), 'P-256' ])
    {
        my ($text, $why) = @$_;
        put_file($file, $text);
        for my $command (qw(show rotate)) {
            my $r = ctl('key', $command, $file);
            is_exit($r, 3, "$command: a file that is no keyring");
            like($r->{err}, qr/\Q$why\E/, 'and why');
            is($r->{out}, '', 'nothing on standard output');
        }
        is(file_text($file), $text, 'it is as it was');
    }
    put_file($file, $good);
}


sub together {
    unlink $file;
    my @ended = map { ctl_end($_) } map {
        ctl_begin(qw(key rotate --keep 15), $file)
    } 1 .. 10;
    is(scalar(grep { $_->{rc} ne '0' } @ended), 0, 'ten at once');
    is_deeply([ sort(shown()) ],
        [ sort map { $_->{out} =~ /(\S+)/ } @ended ], 'no key was lost');
    is(beside($dir, 'token.key', 'rsa'), '', 'nothing is left');
}


sub killed {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 3)
            if !Test::Registry::Trace::available();

        my $before = file_text($file);
        my $r = ctl({ wrap => [ qw(strace -f -qq -o /dev/null -e),
            'inject=renameat:signal=KILL' ] }, qw(key rotate), $file);
        isnt($r->{rc}, 0, 'killed before the new file has its name');
        is(file_text($file), $before, 'the old keys are in place');
        my ($left) = glob "$dir/.token.key.new";
        is(mode_of($left), mode_of($file), 'what is left is as secret');
        is_exit(ctl(qw(key rotate), $file), 0, 'and goes');
        is(beside($dir, 'token.key', 'rsa'), '', 'the next time');
    }
}

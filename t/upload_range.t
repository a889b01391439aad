#!/usr/bin/perl

# Uploads with Content-Range: in order, out of order, lying.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


my $t = Test::Registry->new(workers => 2)->run;

in_order();
out_of_order();
lying();
malformed();
closing_put();
twice();
one_at_a_time();
refused_is_closed();
parallel();
parallel_with_ranges();

finish($t);


sub patch {
    my ($location, $range, $bytes, @more) = @_;

    return $t->patch($location, body => $bytes, @more, headers => [
        ['Content-Type', 'application/octet-stream'],
        defined $range ? ['Content-Range', $range] : ()]);
}


# The refusal of a chunk: where the upload stands is in the headers.

sub is_refused {
    my ($r, $location, $range, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_error($r, 416, 'RANGE_INVALID', $name);
    is_header($r, 'Range', $range, "$name: the true Range");
    is_header($r, 'Location', $location, "$name: the Location");
    return stands_at($location, $range, $name);
}


sub stands_at {
    my ($location, $range, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = $t->get($location);
    is_status($r, 204, "$name: the session lives");
    return is_header($r, 'Range', $range, "$name: and stands at $range");
}


sub in_order {
    my $bytes = blob(50_000, 'in order');
    my $digest = sha256($bytes);
    my $l = $t->open_upload('app');
    my $at = 0;

    for my $size (1, 9, 1000, 4096, 20_000) {
        my $end = $at + $size - 1;
        my $r = patch($l, "$at-$end", substr $bytes, $at, $size);
        is_status($r, 202, "chunk $at-$end");
        is_header($r, 'Range', "0-$end");
        is_header($r, 'Location', $l);
        $at += $size;
    }

    my $r = $t->put("$l?digest=$digest", body => substr($bytes, $at),
        headers => { 'Content-Range' => "$at-49999" });
    is_status($r, 201, 'the last chunk in the PUT');
    is_whole($t->get("/v2/app/blobs/$digest"), $bytes, 'the bytes are right');

    $l = $t->open_upload('app');
    is_status(patch($l, '0-49999', $bytes), 202, 'all in one chunk');
    is_status($t->put("$l?digest=$digest", body => ''), 201, 'and the PUT');

    # The transfer coding carries no length to compare with; bytes count.

    $l = $t->open_upload('app');
    $r = $t->patch($l, chunks => [substr($bytes, 0, 100)],
        headers => { 'Content-Range' => '0-99' });
    is_status($r, 202, 'Content-Range with chunked');
    is_header($r, 'Range', '0-99');
    $r = patch($l, '100-199', substr $bytes, 100, 100);
    is_status($r, 202, 'then with a length');
    is_header($r, 'Range', '0-199');
}


sub out_of_order {
    my $l = $t->open_upload('app');

    is_refused(patch($l, '1-5', 'bcdef'), $l, '0-0',
        'A20 the first chunk does not begin at 0');
    is_status(patch($l, '0-9', '0123456789'), 202, 'the first chunk');

    for my $range ('0-9', '5-9', '0-4', '9-13', '11-15', '20-24',
        '1000000-1000004')
    {
        my ($a, $b) = split /-/, $range;
        is_refused(patch($l, $range, 'x' x ($b - $a + 1)), $l, '0-9',
            "A20 chunk $range at offset 10");
    }

    is_status(patch($l, '10-14', 'abcde'), 202, 'the right chunk after all');
    is_status($t->put("$l?digest=" . sha256('0123456789abcde'), body => ''),
        201, 'A20 no wrong byte has come in');

    # A body too large to be read off in passing: the refusal is readable.

    $l = $t->open_upload('app');
    is_refused(patch($l, '5-10000004', 'z' x 10_000_000), $l, '0-0',
        'A20 10 MB out of order');
}


sub lying {
    my $l = $t->open_upload('app');
    patch($l, '0-4', 'start');

    for my $row (['5-14', 'x' x 5], ['5-14', 'x' x 50], ['5-14', ''],
        ['5-5', 'xx'], ['5-18446744073709551615', 'xxxxx', 1],
        ['5-9223372036854775807', 'xxxxx', 1],
        ['0-18446744073709551615', 'xxxxx', 1],
        ['18446744073709551615-18446744073709551619', 'xxxxx', 1])
    {
        my ($range, $body, $malformed) = @$row;
        my $n = length $body;

        is_error(patch($l, $range, $body), 400,
            $malformed ? 'BLOB_UPLOAD_INVALID' : 'SIZE_INVALID',
            "A21 $range with $n bytes");
        stands_at($l, '0-4', "A21 $range with $n bytes");
    }

    # Chunked, the lie comes out at the end of the body only.

    for my $n (5, 50) {
        my $k = $t->open_upload('app');
        my $r = $t->patch($k, chunks => ['y' x $n],
            headers => { 'Content-Range' => '0-9' });
        is_error($r, 400, 'SIZE_INVALID', "A21 0-9 with $n bytes in chunks");
        stands_at($k, '0-0', "A21 0-9 with $n bytes in chunks");
        is_status($t->put("$k?digest=" . sha256('good'), body => 'good'), 201,
            'A21 and holds no byte');
    }

    is_status($t->put("$l?digest=" . sha256('start'), body => ''), 201,
        'A21 no wrong byte has come in');
}


sub malformed {
    for my $range ('9-5', '5-', '-5', '-', 'bytes 5-9/*', 'bytes=5-9', 'junk',
        '5', '5-9/10', ' 5 - 9', '0x5-0x9', '5-9,10-14', '+5-9', '5--9',
        '5-9-12', "5-9;x")
    {
        my $l = $t->open_upload('app');
        patch($l, '0-4', 'start');
        is_error(patch($l, $range, 'xxxxx'), 400, 'BLOB_UPLOAD_INVALID',
            "A21 malformed: $range");
        stands_at($l, '0-4', "A21 malformed: $range");
        $t->delete($l);
    }

    my $l = $t->open_upload('app');
    patch($l, '0-4', 'start');
    is_error(patch($l, '', 'xxxxx'), 400, 'BLOB_UPLOAD_INVALID',
        'A21 an empty Content-Range');
    stands_at($l, '0-4', 'A21 an empty Content-Range');

    # The first one counts, or nginx refuses both.

    my $r = $t->patch($l, body => 'xxxxx', headers => [['Content-Range', '5-9'],
        ['Content-Range', '50-54']]);
    ok($r->status == 202 || $r->status == 400, 'A102 Content-Range twice')
        or diag $r->as_text;
    is_header($t->get($l), 'Range', $r->status == 202 ? '0-9' : '0-4',
        'A102 and one of them counts');
}


sub closing_put {
    my $l = $t->open_upload('app');
    patch($l, '0-4', 'start');
    my $digest = sha256('start finish');

    my $put = sub {
        my ($range, $body) = @_;
        return $t->put("$l?digest=$digest", body => $body,
            headers => { 'Content-Range' => $range });
    };

    is_refused($put->('0-6', ' finish'), $l, '0-4',
        'A22 a closing PUT that begins too early');
    is_refused($put->('6-12', ' finish'), $l, '0-4',
        'A22 a closing PUT that begins too late');
    is_error($put->('5-20', ' finish'), 400, 'SIZE_INVALID',
        'A22 a closing PUT that is too short');
    is_error($put->('junk', ' finish'), 400, 'BLOB_UPLOAD_INVALID',
        'A22 a closing PUT with junk');
    stands_at($l, '0-4', 'A22 after all that');

    is_status($put->('5-11', ' finish'), 201, 'A22 the session is usable');
    is_whole($t->get("/v2/app/blobs/$digest"), 'start finish',
        'A22 and the bytes are right');
}


# The same chunk again, as after a reply that was lost.

sub twice {
    my $l = $t->open_upload('app');

    is_status(patch($l, '0-9', '0123456789'), 202, 'a chunk');
    is_refused(patch($l, '0-9', '0123456789'), $l, '0-9',
        'the same chunk again');
    is_status(patch($l, '10-12', 'abc'), 202, 'going on after the 416');
    is_status($t->put("$l?digest=" . sha256('0123456789abc'), body => ''),
        201, 'and closing');
}


# While one PATCH is on its way for long, others are refused.

sub one_at_a_time {
    my $l = $t->open_upload('app');
    my $first = $t->connect;
    my $half = 1_500_000;

    $first->start('PATCH', $l, length => 2 * $half);
    $first->send('a' x $half);
    wait_for(5, sub { -s data_of($l) });

    my @others = map { $t->connect } 1 .. 7;
    $_->start('PATCH', $l, body => 'other') for @others;
    $_->send('other', unless_reply => 1) for @others;

    for (@others) {
        my $r = $_->reply;
        is_error($r, 429, 'TOOMANYREQUESTS', 'A23 a second PATCH at once');
        is_header($r, 'Retry-After', qr/\A[1-9]\d*\z/);
    }
    is_error($t->put("$l?digest=" . sha256('x'), body => 'x'), 429,
        'TOOMANYREQUESTS', 'A23 a closing PUT meanwhile');

    # These are let wait, but not for as long as the first one takes.

    is_error(patch($l, '0-0', 'x'), 429, 'TOOMANYREQUESTS',
        'A23 nor one that says where it belongs');
    is_error($t->put("$l?digest=" . sha256('x'), body => ''), 429,
        'TOOMANYREQUESTS', 'A23 nor a closing PUT without a body');

    $first->send('b' x $half);
    is_header($first->reply, 'Range', '0-' . (2 * $half - 1),
        'A23 the first one gets all its bytes in');
    is_status($t->put("$l?digest=" . sha256('a' x $half . 'b' x $half),
        body => ''), 201, 'A23 and the digest is right');
}


# Who is refused may take his time with the body: the session is others' again.

sub refused_is_closed {
    my $l = $t->open_upload('app');

    is_status(patch($l, '0-4', 'abcde'), 202, 'five bytes');

    my $c = $t->connect;
    $c->start('PATCH', $l, length => 1_000_000,
        headers => [['Content-Range', '7-1000006']]);
    $c->send('ab');
    is_refused($c->reply(method => 'PATCH'), $l, '0-4', 'a gap');

    is_status(patch($l, '5-9', 'fghij'), 202,
        'A23 the right bytes are taken while the wrong ones are awaited');
    $c->close;
}


sub data_of {
    my ($location) = @_;

    return $t->repo_dir('app') . '/_uploads/'
        . ($location =~ m{([^/]+)\z})[0] . '/data';
}


# Eight PATCHes at once, each larger than any buffer: one after another gets
# in, or is refused.

sub parallel {
    my $l = $t->open_upload('app');
    my @c = map { $t->connect } 0 .. 7;
    my $half = 1_500_000;
    my $size = 2 * $half;

    for my $i (0 .. 7) {
        $c[$i]->start('PATCH', $l, length => $size);
        $c[$i]->send($i x $half, unless_reply => 1);
    }
    $c[$_]->send($_ x $half, unless_reply => 1) for 0 .. 7;

    my (@won, @ends);
    for my $i (0 .. 7) {
        my $r = $c[$i]->reply;
        if ($r->status == 202) {
            push @won, $i;
            push @ends, ($r->header('Range') // '') =~ /\A0-(\d+)\z/;
        } else {
            is_error($r, 429, 'TOOMANYREQUESTS', 'A23 one too many');
        }
    }

    cmp_ok(scalar @won, '>=', 1, 'A23 one gets in');
    same_list([sort { $a <=> $b } @ends],
        [map { $_ * $size - 1 } 1 .. @won], 'A23 one 202 for each offset');
    is_header($t->get($l), 'Range', '0-' . ($size * @won - 1),
        'A23 the offset is that of the winners');

    # In which order, only the bytes can tell.

    my $file = data_of($l);
    open my $fh, '<:raw', $file or die "$file: $!\n";
    my $bytes = do { local $/; <$fh> };
    my @whose = map { my $b = $_; join '', grep { index($b, $_) >= 0 } 0 .. 7 }
        unpack "(a$size)*", $bytes;

    is(join(',', sort @whose), join(',', sort @won),
        'A23 bytes never interleave');
    is_status($t->put("$l?digest=" . sha256($bytes), body => ''), 201,
        'A23 and the digest is right');
}


sub parallel_with_ranges {
    my $l = $t->open_upload('app');
    my @c = map { $t->connect } 0 .. 7;

    $c[$_]->start('PATCH', $l, body => ''  . ($_ x 1000),
        headers => { 'Content-Range' => $_ * 1000 . '-' . ($_ * 1000 + 999) })
        for 0 .. 7;
    $c[$_]->send($_ x 1000, unless_reply => 1) for 0 .. 7;

    my %codes;
    $codes{ $c[$_]->reply->status }++ for 0 .. 7;

    ok($codes{202}, 'A23 one chunk at least gets in');
    ok(!(grep { !/\A(?:202|416|429)\z/ } keys %codes),
        'A23 the others are told why') or diag explain \%codes;

    my ($end) = ($t->get($l)->header('Range') // '') =~ /\A0-(\d+)\z/;
    is($end, 1000 * $codes{202} - 1, 'A23 the offset says how many');

    my $bytes = join '', map { $_ x 1000 } 0 .. 7;
    my $r = $t->put("$l?digest=" . sha256($bytes),
        body => substr $bytes, $end + 1);
    is_status($r, 201, 'A23 the rest follows and the digest is right');
}

#!/usr/bin/perl

# A model checker: many clients do things by chance, through reloads, and each
# reply is held against a model of what was acknowledged. What a client owns
# alone is predicted to the byte (Test::Registry::Model), what all share has
# to have an order in which it can have happened (Test::Registry::Shared).
#
# TEST_SEED=... repeats the choices of a run: what one client does to its own
# exactly, the rest as far as the others' timing lets it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Storable qw(dclone);
use Test::More;
use Test::Registry;
use Test::Registry::Crew;
use Test::Registry::History qw(violations);
use Test::Registry::Model;
use Test::Registry::Shared qw(verdict);
use Test::Registry::Torture;
use Time::HiRes qw(sleep);

use constant { CLIENTS => 8, ROUND => 60 };

my $seed = seed();
my $left = torture(sanitized() ? 30 : 40);

histories();
lies();

my ($rounds, $operations) = (0, 0);
for (my $until = moment() + $left; moment() < $until; $rounds++) {
    my $now = $until - moment();
    $operations += a_round($seed + 64 * $rounds, $now < ROUND ? $now : ROUND)
        or last;
}

figure('rounds', $rounds);
figure('operations checked', $operations);
done_testing();


# The same choices for the same seed, client and number, whatever came before.

sub draw {
    my (@from) = @_;

    my $n = 1;
    $n = ($n * 1_000_003 + $_ * 7919 + 12_345) & 0x7fff_ffff for @from;
    srand $n;
}


sub client {
    my ($t, $seed, $i, $seconds) = @_;

    my $until = moment() + $seconds;
    my $ask = sub { $t->request(@_, timeout => 90) };
    my $own = Test::Registry::Model->new(name => "c$i", ask => $ask);
    my $shared = Test::Registry::Shared->new(name => "c$i", ask => $ask,
        under => 'all');

    for (my $n = 0; moment() < $until; $n++) {
        my $of = $n % 2 ? $shared : $own;
        draw($seed, $i, $n);
        $of->step;
        last if $of->wrong;
    }

    return ([$own->wrong, $shared->wrong], $own->count + $shared->count,
        $shared->seen);
}


sub reloads {
    my ($t, $seconds) = @_;

    my $until = moment() + $seconds;
    my $n = 0;

    for ( ;; ) {
        sleep 2 + rand 3;
        last if moment() >= $until;
        kill 'HUP', $t->pid;
        $n++;
    }

    return $n;
}


# All of it for some seconds on a fresh store; the number of operations, 0
# after a failure.

sub a_round {
    my ($seed, $seconds) = @_;

    my $t = Test::Registry->new(workers => 2,
        location => 'registry_delete on;')->run;

    my ($reloads, @lists) = crew($seconds + 180,
        sub { reloads($t, $seconds) },
        map { my $i = $_; sub { client($t, $seed, $i, $seconds) } }
            1 .. CLIENTS);
    my @wrong = map { @{ shift(@$_) || [] } } @lists;
    my $count = 0;
    $count += shift(@$_) // 0 for @lists;

    is(scalar @wrong, 0, "each reply is what it has to be ($count)")
        or diag "TEST_SEED=$seed\n", join "\n", splice @wrong, 0, 3;

    my @seen = map { @$_ } @lists;
    my @unsound = verdict(@seen);
    is(scalar @unsound, 0, 'all of them together can have happened ('
        . @seen . ')') or diag "TEST_SEED=$seed\n", join "\n",
            splice @unsound, 0, 120;

    note "$reloads->[0] reloads" if @$reloads;
    false_ones(@seen);

    # the workers that are here to stay
    $t->reload;
    $t->finish(audit => { missing => 1 });

    return Test::More->builder->is_passing ? $count : 0;
}


# What really happened, and one lie besides.

sub false_ones {
    my (@seen) = @_;

    my ($end) = sort { $b <=> $a } map { $_->{end} } @seen;
    my %puts;
    push @{ $puts{ $_->{object} } }, $_
        for sort { $a->{begin} <=> $b->{begin} } grep { $_->{op} eq 'put' }
            @seen;

    my ($old, $new);
    for my $object (grep { / tag / } sort keys %puts) {
        $old = $puts{$object}[0];
        ($new) = grep { $_->{begin} > $old->{end} } @{ $puts{$object} };
        last if $new;
    }

    ok($new && verdict(@seen, { op => 'see', object => $old->{object},
        value => $old->{value}, begin => $end + 1, end => $end + 2 }),
        'a stale tag would have been noticed');

    my ($blob) = grep { / blob / } sort keys %puts;
    my @at = map { (begin => $end + $_, end => $end + $_ + 0.5) } 1 .. 3;

    ok($blob && verdict(@seen,
        { op => 'put', object => $blob, @at[0 .. 3] },
        { op => 'miss', object => $blob, @at[4 .. 7] }),
        'so would a blob that is lost');
    ok($blob && verdict(@seen,
        { op => 'clear', object => $blob, @at[0 .. 3] },
        { op => 'some', object => $blob, @at[4 .. 7] }),
        'and one that comes back');
}


# Rows of [what it is, number of violations at least, @operations], these as
# "op begin-end value".

sub histories {
    my @rows = (
        ['nothing', 0],
        ['one after the other', 0, 'put 1-2 a', 'see 3-4 a', 'put 5-6 b',
            'see 7-8 b', 'none 9-10', 'miss 11-12'],
        ['reads while it is put', 0, 'put 1-2 a', 'put 3-9 b', 'see 4-5 b',
            'see 6-7 b', 'see 3-8 a'],
        ['either of two', 0, 'put 1-5 a', 'put 2-6 b', 'see 7-8 a'],
        ['both of two, once each', 0, 'put 1-5 a', 'put 1-5 b', 'see 2-3 a',
            'see 6-7 b'],
        ['gone and put again', 0, 'put 1-2 a', 'none 3-4', 'miss 5-6',
            'put 7-8 b', 'some 9-10'],
        ['gone while it is put', 0, 'put 1-9 a', 'none 2-8', 'miss 10-11'],
        ['dropped before it moved', 0, 'put 1-2 a', 'drop 3-4 a',
            'miss 5-6'],
        ['a change nobody knows of', 0, 'put 1-2 a', 'put? 3-4 b',
            'see 5-6 a', 'see 9-10 b'],
        ['stale', 1, 'put 1-2 a', 'put 3-4 b', 'see 5-6 a'],
        ['there and back', 1, 'put 1-9 a', 'put 1-9 b', 'see 2-3 a',
            'see 4-5 b', 'see 6-7 a'],
        ['two readers differ', 1, 'put 1-3 a', 'put 2-4 b', 'see 5-6 a',
            'see 7-8 b'],
        ['from nowhere', 1, 'see 1-2 a'],
        ['before it was put', 1, 'see 1-2 a', 'put 3-4 a'],
        ['the last one lost', 1, 'put 1-2 a', 'put 3-4 b', 'see 5-6 a'],
        ['lost', 1, 'put 1-2 a', 'miss 3-4'],
        ['lost after a delete', 1, 'put 1-2 a', 'none 3-4', 'put 5-6 b',
            'miss 7-8'],
        ['missing for a while', 1, 'put 1-2 a', 'miss 3-4', 'see 5-6 a'],
        ['deleted twice', 1, 'put 1-2 a', 'none 3-4', 'none 5-6'],
        ['a delete that did nothing', 1, 'put 1-2 a', 'none 3-4',
            'see 5-6 a'],
        ['a delete of nothing', 1, 'none 1-2'],
        ['back again', 1, 'put 1-2 a', 'clear 3-4', 'some 5-6'],
        ['listed before it was put', 1, 'some 1-2', 'put 3-4 a'],
        ['read after it was dropped', 1, 'put 1-2 a', 'drop 3-4 a',
            'see 5-6 a'],
        ['lost though another was dropped', 1, 'put 1-2 a', 'drop 3-4 a',
            'put 5-6 b', 'miss 7-8'],
    );

    for my $row (@rows) {
        my ($what, $bad, @text) = @$row;
        my @events = map {
            /\A(\w+)(\?)? (\d+)-(\d+)(?: (\w+))?\z/ or die "$_\n";
            { op => $1, unknown => $2, begin => $3, end => $4,
                (defined $5 ? (value => $5) : ()) }
        } @text;
        my @found = violations(\@events, unique => 1);
        ok($bad ? @found >= $bad : !@found,
            ($bad ? 'unsound: ' : 'sound: ') . $what) or diag @found;
    }
}


# A client's replies are kept, and given to one that does the same, with one
# of them changed: it has to notice.

my @kept;

sub lies {
    my $t = Test::Registry->new(location => 'registry_delete on;')->run;

    own_steps(sub {
        my $r = $t->request(@_);
        push @kept, $r;
        return dclone($r);
    });
    $t->finish(audit => { missing => 1 });

    is(scalar grep({ defined } own_steps(told())), 0,
        'the same replies, and nothing is wrong');

    lie('a tag is stale', qr{\AGET .*/manifests/t}, 200, sub {
        my ($r, $at) = @_;
        my ($other) = grep { $_->{request} =~ m{\AGET .*/manifests/}
            && $_->status == 200 && $_->body ne $r->body } @kept;
        return dclone($other);
    });
    lie('a blob is lost', qr{\AGET .*/blobs/sha}, 200,
        sub { some(qr{\AGET .*/blobs/sha}, 404) });
    lie('a blob is back', qr{\AGET .*/blobs/sha}, 404,
        sub { some(qr{\AGET .*/blobs/sha}, 200) });
    lie('a byte is another one', qr{\AGET .*/blobs/sha}, 200,
        sub { substr $_[0]{body}, -1, 1, chr(1 + ord substr $_[0]{body}, -1);
            $_[0] });
    lie('bytes are missing', qr{\AGET .*/blobs/sha}, 200,
        sub { chop $_[0]{body}; header($_[0], 'Content-Length',
            length $_[0]{body}) });
    lie('a reply is cut', qr{\AGET .*/blobs/sha}, 200,
        sub { $_[0]{complete} = 0; $_[0] });
    lie('a HEAD has another length', qr{\AHEAD }, 200,
        sub { header($_[0], 'Content-Length', 7) });
    lie('a range is another one', qr{\AGET .*/blobs/sha}, 206,
        sub { $_[0]{body} .= 'x'; $_[0] });
    lie('a delete did nothing', qr{\ADELETE .*/(?:manifests|blobs/sha)}, 202,
        sub { some(qr{\ADELETE .*/(?:manifests|blobs/sha)}, 404) });
    lie('a delete of nothing', qr{\ADELETE .*/manifests/t}, 404,
        sub { some(qr{\ADELETE .*/manifests/}, 202) });
    lie('an upload stands elsewhere', qr{\APATCH }, 202,
        sub { header($_[0], 'Range', '0-1234567') });
    lie('a gap was taken', qr{\APATCH }, 416,
        sub { some(qr{\APATCH }, 202) });
    lie('a manifest without its blobs', qr{\APUT .*/manifests/}, 404,
        sub { some(qr{\APUT .*/manifests/}, 201) });
    lie('a push of other bytes', qr{\APUT .*/uploads/}, 400,
        sub { some(qr{\APUT .*/uploads/}, 201) });
    lie('a tag is not listed', qr{\AGET .*/tags/list}, 200,
        sub { $_[0]{body} =~ s/"t\d",?//; $_[0] }, qr/"t\d"/);
    lie('a tag is listed twice', qr{\AGET .*/tags/list}, 200,
        sub { $_[0]{body} =~ s/("t\d")/$1,$1/; $_[0] }, qr/"t\d"/);
    lie('there is no more of a list', qr{\AGET .*/tags/list\?n=}, 200,
        sub { $_[0]{headers} = [grep { $_->[0] ne 'Link' }
            @{ $_[0]{headers} }]; $_[0] }, undef, qr{\A<});
    lie('a referrer is not listed', qr{\AGET .*/referrers/}, 200,
        sub { $_[0]{body} =~ s/"manifests":\[.*\]/"manifests":[]/; $_[0] },
        qr/"digest"/);
    lie('a repository is not listed', qr{\AGET .*/_catalog}, 200,
        sub { $_[0]{body} =~ s/"c1[^"]*",?//; $_[0] }, qr/"c1/);
}


# The steps of one client, always the same ones; what is wrong after them.

sub own_steps {
    my ($ask) = @_;

    my $m = Test::Registry::Model->new(name => 'c1', ask => $ask);
    for my $n (1 .. 900) {
        draw(1, 1, $n);
        $m->step;
        last if $m->wrong;
    }
    return $m->wrong;
}


# Gives the replies that were kept, but the one at a place as changed.

sub told {
    my ($place, $change) = @_;

    my $n = -1;
    return sub {
        my ($method, $uri) = @_;
        my $r = dclone($kept[++$n] or die "too many requests\n");
        die "another request: $method $uri\n"
            if $r->{request} ne "$method $uri";
        return defined $place && $n == $place ? $change->($r) : $r;
    };
}


sub some {
    my ($request, $status) = @_;

    my ($r) = grep { $_->{request} =~ $request && $_->status == $status }
        @kept or return undef;
    return dclone($r);
}


sub header {
    my ($r, $name, $value) = @_;

    $_->[1] = $value for grep { $_->[0] eq $name } @{ $r->{headers} };
    return $r;
}


# Changes the last reply to such a request that has such a body, and Link.

sub lie {
    my ($what, $request, $status, $change, $body, $link) = @_;

    my @places = grep {
        my $r = $kept[$_];
        $r->{request} =~ $request && $r->status == $status
            && ($status != 200 || $r->{request} =~ /\AHEAD/
                || length $r->body)
            && (!$body || $r->body =~ $body)
            && (!$link || ($r->header('Link') // '') =~ $link)
    } 0 .. $#kept;

    my $changed;
    my @wrong = @places ? eval { own_steps(told($places[-1], sub {
        my ($r) = @_;
        my $request = $r->{request};
        $changed = $change->($r) or die "nothing to change it to\n";
        $changed->{request} = $request;
        return $changed;
    })) } : ();

    ok($changed && @wrong, "noticed: $what")
        or diag @places ? $@ || 'it was not' : 'there is no such reply';
}

package Test::Registry::History;

# Whether what many clients saw of one thing can have happened.
#
# The thing is a tag, which names a digest or nothing, or anything else that
# is there or not. What is known of each operation is when it was begun and
# when its reply was there; at some moment between the two it took place. A
# history is sound when such moments can be found for all operations.
#
# An operation is a hash with begin and end, and:
#
#   op => 'put', value => v    acknowledged: the thing is v now
#   op => 'none'               acknowledged: it was there and is not now
#   op => 'clear'              it is not there now, whether or not it was
#   op => 'drop', value => v   it is not v now, nor will it ever be again
#   op => 'see', value => v    a reader was given v
#   op => 'some'               a reader was told that it is there
#   op => 'miss'               a reader was told that it is not there
#
# unknown => 1 marks a change that may have taken place, at any time from its
# begin on, or not at all. as => text is how it is told of.
#
# With unique => 1 no value is ever put twice, as with tags that go to new
# manifests. Then what is done by put, none and see alone is decided exactly,
# by the zones of Gibbons and Korach (Testing Shared Memories, 1997): a value's
# zone goes from the first end to the last begin of all that has to do with
# it, and if the first comes before the second it was in force all that time.
# What the rest says is true of every sound history: it raises no false alarm.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(violations);

use constant NEVER => 9 ** 9 ** 9;


# violations(\@operations, %options): sentences, none when all is sound.

sub violations {
    my ($all, %o) = @_;

    my $h = bless { found => [] }, __PACKAGE__;

    for my $event (@$all) {
        my %copy = %$event;
        $copy{end} = NEVER if $copy{unknown};
        push @{ $h->{ $copy{op} } }, \%copy;
    }

    if ($o{unique}) {
        $h->_values;
        $h->_zones;
    }

    $h->_absences;
    $h->_presences;
    $h->_drops;

    return @{ $h->{found} };
}


sub _of {
    my ($h, @kinds) = @_;

    return map { @{ $h->{$_} || [] } } @kinds;
}


sub _tell {
    my ($what) = @_;

    return 'nothing' if !$what;
    return sprintf '%s%s [%.6f, %.6f]%s', $what->{op},
        defined $what->{value} ? " $what->{value}" : '', $what->{begin},
        $what->{end}, defined $what->{as} ? " ($what->{as})" : '';
}


sub _found {
    my ($h, $what, @events) = @_;

    push @{ $h->{found} }, join "\n    ", $what, map { _tell($_) } @events;
}


# Each value that was read had been put, or was being put.

sub _values {
    my ($h) = @_;

    my %put = map { $_->{value} => $_ } $h->_of('put');

    for my $see ($h->_of('see')) {
        my $put = $put{ $see->{value} };

        $h->_found('a value that nobody put', $see) if !$put;
        $h->_found('read before it was put', $see, $put)
            if $put && $see->{end} < $put->{begin};
    }
}


sub _zones {
    my ($h) = @_;

    my %zone;
    for my $event ($h->_of('put', 'see')) {
        my $z = $zone{ $event->{value} } ||= {
            first => NEVER, last => -NEVER(), value => $event->{value}
        };
        $z->{seen} = 1 if $event->{op} eq 'see' || !$event->{unknown};
        @{$z}{qw(first ended)} = ($event->{end}, $event)
            if $event->{end} < $z->{first};
        @{$z}{qw(last begun)} = ($event->{begin}, $event)
            if $event->{begin} > $z->{last};
    }

    my @all = grep { $_->{seen} } values %zone;
    my @force = sort { $a->{first} <=> $b->{first} }
        grep { $_->{first} < $_->{last} } @all;

    my $before;
    for my $z (@force) {
        $h->_found("$before->{value} and $z->{value} in force at a time",
            @{$before}{qw(ended begun)}, @{$z}{qw(ended begun)})
            if $before && $before->{last} > $z->{first};
        $before = $z if !$before || $z->{last} > $before->{last};
    }

    for my $z (grep { $_->{first} >= $_->{last} } @all) {
        my $over = _around(\@force, $z->{last}, $z->{first}) or next;
        $h->_found("$z->{value} came and went while $over->{value} was in"
            . ' force', @{$z}{qw(begun ended)}, @{$over}{qw(ended begun)});
    }

    for my $none ($h->_of('none', 'miss', 'clear')) {
        next if $none->{unknown};
        my $over = _around(\@force, $none->{begin}, $none->{end}) or next;
        $h->_found("nothing there while $over->{value} was in force", $none,
            @{$over}{qw(ended begun)});
    }
}


# The zone, of those sorted, that holds all of a time.

sub _around {
    my ($force, $begin, $end) = @_;

    my ($low, $high) = (0, scalar @$force);
    while ($low < $high) {
        my $middle = ($low + $high) >> 1;
        if ($force->[$middle]{first} < $begin) { $low = $middle + 1 }
        else { $high = $middle }
    }

    return undef if $low == 0;
    my $z = $force->[$low - 1];
    return $end < $z->{last} ? $z : undef;
}


# Of operations that begun (or ended) before a moment, the one with the
# greatest end (or begin): a list of pairs to be searched, made once.

sub _greatest {
    my ($by, $of, @events) = @_;

    my @list;
    for my $event (sort { $a->{$by} <=> $b->{$by} } @events) {
        my $best = @list && $list[-1][1]{$of} > $event->{$of}
            ? $list[-1][1] : $event;
        push @list, [$event->{$by}, $best];
    }

    return \@list;
}


sub _before {
    my ($list, $moment) = @_;

    my ($low, $high) = (0, scalar @$list);
    while ($low < $high) {
        my $middle = ($low + $high) >> 1;
        if ($list->[$middle][0] < $moment) { $low = $middle + 1 }
        else { $high = $middle }
    }

    return $low ? $list->[$low - 1][1] : undef;
}


# Who was told that it is not there: it was not yet, or somebody removed it,
# and what was put between that and the question cannot be.

sub _absences {
    my ($h) = @_;

    my $puts = _greatest('end', 'begin',
        grep { !$_->{unknown} } $h->_of('put'));
    my $gone = _greatest('begin', 'end', $h->_of('none', 'clear', 'drop'));

    for my $miss ($h->_of('miss')) {
        my $put = _before($puts, $miss->{begin}) or next;
        my $away = _before($gone, $miss->{end});
        next if $away && $away->{end} >= $put->{begin};
        $h->_found('lost: it was put and nobody removed it since', $miss,
            $put, $away);
    }
}


# Who found it there, or removed it: somebody had put it, and it had not been
# gone between the two.

sub _presences {
    my ($h) = @_;

    my $puts = _greatest('begin', 'end', $h->_of('put'));
    my $gone = _greatest('end', 'begin',
        grep { !$_->{unknown} } $h->_of('none', 'clear', 'miss'));

    for my $some ($h->_of('see', 'some', 'none')) {
        next if $some->{unknown};

        my $put = _before($puts, $some->{end});
        if (!$put) {
            $h->_found('there before anybody put it', $some);
            next;
        }

        my $away = _before($gone, $some->{begin}) or next;
        next if $put->{end} >= $away->{begin};
        $h->_found('back again: nobody put it since it was gone', $some,
            $away, $put);
    }
}


sub _drops {
    my ($h) = @_;

    my %gone;
    for my $drop (grep { !$_->{unknown} } $h->_of('drop')) {
        my $known = $gone{ $drop->{value} };
        $gone{ $drop->{value} } = $drop
            if !$known || $drop->{end} < $known->{end};
    }

    for my $see ($h->_of('see')) {
        my $drop = $gone{ $see->{value} } or next;
        $h->_found('read after it was removed', $see, $drop)
            if $see->{begin} > $drop->{end};
    }
}


1;

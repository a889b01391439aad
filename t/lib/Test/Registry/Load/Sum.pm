package Test::Registry::Load::Sum;

# What the clients of a Test::Registry::Load have counted.

use strict;
use warnings;

use JSON::PP ();


sub new {
    my ($class) = @_;

    return bless {
        count => {}, failed => 0, reasons => [], cut => 0, requests => 0,
        repeated => 0, raced => 0, tags => {}, gone => {}
    }, $class;
}


# The file of one client, who is a failure himself when he has left none.

sub add {
    my ($self, $pid, $status, $path) = @_;

    my $all = eval {
        open my $fh, '<:raw', $path or die "$path: $!\n";
        local $/;
        JSON::PP->new->decode(scalar <$fh>);
    };

    if (!$all || !defined $status || $status) {
        $self->{failed}++;
        push @{ $self->{reasons} }, "client $pid ended "
            . (!defined $status ? 'not at all' : "with $status") . "\n";
        return if !$all;
    }

    $self->{$_} += $all->{$_} for qw(failed cut requests repeated raced);
    $self->{count}{$_} += $all->{count}{$_} for keys %{ $all->{count} };
    push @{ $self->{reasons} }, @{ $all->{reasons} };

    for my $what (qw(tags gone)) {
        $self->{$what}{$_} = $all->{$what}{$_} for keys %{ $all->{$what} };
    }
}


# How often a thing was done.

sub count {
    my ($self, $what) = @_;

    return $self->{count}{$what} || 0;
}


sub reasons {
    my ($self) = @_;

    my @all = sort @{ $self->{reasons} };
    splice @all, 20 if @all > 20;
    return join "\n", "$self->{failed} failed", @all;
}


# One line about everything.

sub text {
    my ($self) = @_;

    return join ', ', "$self->{requests} requests",
        (map { "$self->{count}{$_} $_" } sort keys %{ $self->{count} }),
        "$self->{repeated} repeated", "$self->{raced} raced",
        ($self->{cut} ? "$self->{cut} cut" : ()), "$self->{failed} failed";
}


# What was acknowledged and is not so; empty when all is well.

sub lost {
    my ($self, $server) = @_;

    my @lost;

    for my $name (sort keys %{ $self->{tags} }) {
        my ($repo, $tag) = split /:/, $name;
        my $r = $server->get("/v2/$repo/manifests/$tag");
        my $got = $r->header('Docker-Content-Digest') // $r->status;
        push @lost, "$name is $got instead of $self->{tags}{$name}"
            if $got ne $self->{tags}{$name};
    }

    for my $name (sort keys %{ $self->{gone} }) {
        my ($repo, $digest) = split /@/, $name;
        my $r = $server->head("/v2/$repo/manifests/$digest");
        push @lost, "$name was deleted and is " . $r->status
            if $r->status != 404;
    }

    return @lost;
}


1;

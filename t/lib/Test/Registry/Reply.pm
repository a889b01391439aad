package Test::Registry::Reply;

# One HTTP reply, whichever client read it.
#
# status    the code, or 0 when no whole reply head arrived; error says why
# complete  true when the body arrived to its end
# interim   list of 1xx replies that came before

use strict;
use warnings;

use JSON::PP ();


sub new {
    my ($class, %f) = @_;

    return bless {
        status => 0, reason => '', headers => [], body => '', error => '',
        complete => 0, interim => [], request => '', closed => 0, %f
    }, $class;
}


sub status { $_[0]{status} }
sub reason { $_[0]{reason} }
sub body { $_[0]{body} }
sub error { $_[0]{error} }
sub complete { $_[0]{complete} }
sub interim { $_[0]{interim} }
sub closed { $_[0]{closed} }


# The first value of a header, or undef.

sub header {
    my ($self, $name) = @_;

    my @all = $self->headers($name);
    return $all[0];
}


# All values of a header; without a name all pairs.

sub headers {
    my ($self, $name) = @_;

    return @{ $self->{headers} } if !defined $name;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $self->{headers} };
}


# The body as data; undef when it is no JSON text.

sub json {
    my ($self) = @_;

    return scalar eval {
        JSON::PP->new->utf8->allow_nonref->decode($self->{body})
    };
}


# Codes of an error reply, first one first.

sub codes {
    my ($self) = @_;

    my $j = $self->json;
    return () if ref $j ne 'HASH' || ref $j->{errors} ne 'ARRAY';
    return map { ref $_ eq 'HASH' ? $_->{code} // '' : '' }
        @{ $j->{errors} };
}


# What people are told by the first of them.

sub message {
    my ($self) = @_;

    my $j = $self->json;
    return '' if ref $j ne 'HASH' || ref $j->{errors} ne 'ARRAY'
        || ref $j->{errors}[0] ne 'HASH';
    return $j->{errors}[0]{message} // '';
}


# What to print when an assertion about this reply fails.

sub as_text {
    my ($self) = @_;

    my $s = "request: $self->{request}\n";
    $s .= "no reply: $self->{error}\n" if !$self->{status};
    $s .= "status:  $self->{status} $self->{reason}\n" if $self->{status};
    $s .= "         $_->[0]: $_->[1]\n" for @{ $self->{headers} };

    my $body = $self->{body};
    if (length $body) {
        my $more = length($body) > 600
            ? ' ... (' . length($body) . ' bytes)' : '';
        $body = substr($body, 0, 600);
        $body =~ s/([^\x20-\x7e\n])/sprintf('\\x%02x', ord $1)/ge;
        $s .= "body:    $body$more\n";
    }

    $s .= "cut:     $self->{error}\n"
        if $self->{status} && !$self->{complete};

    return $s;
}


1;

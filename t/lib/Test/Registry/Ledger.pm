package Test::Registry::Ledger;

# What clients were told, and whether a server keeps it.
#
# A thing in the store is a key; what it is, a value, '' when it is not there:
#
#   blob REPO DIGEST        1
#   manifest REPO DIGEST    1
#   tag REPO TAG            the digest
#
# An operation begins, with the values that it gives, and ends acknowledged,
# refused, or not at all. After a crash a thing may be what any operation made
# it that was not overtaken: that no acknowledged one began after. A refused
# one may have done its work, or not; one that nobody heard of may do it at
# any time.
#
#   my $l = Test::Registry::Ledger->new;
#   my $op = $l->begin("tag a v1" => $digest);
#   $l->acknowledge($op);
#   my @wrong = $l->check($t, $l->touched);
#   $l->passing("blob a $digest");     # garbage, until somebody is told of it

use strict;
use warnings;

use Test::Registry::Content;


sub new {
    my ($class) = @_;

    return bless { clock => 0, keys => {}, touched => {}, passing => {},
        checked => 0 }, $class;
}


sub checked { $_[0]{checked} }
sub touched { return sort keys %{ $_[0]{touched} } }


# All there is, or all of one repository.

sub things {
    my ($self, $repo) = @_;

    return sort grep { !defined $repo || / \Q$repo\E / }
        keys %{ $self->{keys} };
}


sub begin {
    my ($self, %changes) = @_;

    my $op = { begin => ++$self->{clock} };

    for my $key (keys %changes) {
        push @{ $self->_history($key) }, [$changes{$key}, $op];
        $self->{touched}{$key} = 1;
    }

    return $op;
}


# What is found there without an acknowledgement is old, and may be collected
# as soon as it was seen.

sub passing {
    my ($self, $key) = @_;

    $self->{passing}{$key} = 1;
}


sub acknowledge {
    my ($self, $op) = @_;

    $op->{end} = ++$self->{clock};
    $op->{acknowledged} = 1;
}


sub refuse {
    my ($self, $op) = @_;

    $op->{end} = ++$self->{clock};
}


sub _history {
    my ($self, $key) = @_;

    return $self->{keys}{$key} ||= [
        ['', { begin => 0, end => 0, acknowledged => 1 }]
    ];
}


# Every value that the thing may have.

sub allowed {
    my ($self, $key) = @_;

    my $history = $self->_history($key);
    my %may;

    for my $h (@$history) {
        my ($value, $op) = @$h;
        $may{$value} = 1 if !defined $op->{end} || !grep {
            $_->[1]{acknowledged} && $_->[1]{begin} > $op->{end}
        } @$history;
    }

    return sort keys %may;
}


# The one value that it has; undef while there are several.

sub value {
    my ($self, $key) = @_;

    my @may = $self->allowed($key);
    return @may == 1 ? $may[0] : undef;
}


# From now on it has this value, and no other.

sub settle {
    my ($self, $key, $value) = @_;

    my $now = ++$self->{clock};
    $self->{keys}{$key} = [
        [$value, { begin => $now, end => $now, acknowledged => 1 }]
    ];
}


# Asks the server for every one of these things, takes what it is for settled,
# and says what is not as it was acknowledged. Lists have to agree with that.

sub check {
    my ($self, $t, @keys) = @_;

    my $c = $t->connect;
    my (@wrong, %tags);

    for my $key (@keys) {
        my ($kind, $repo, $name) = split / /, $key;
        my ($is, $why) = _ask($c, $kind, $repo, $name);

        if (!defined $is) {
            push @wrong, "$key: $why";
            next;
        }

        my @may = $self->allowed($key);

        push @wrong, "$key is '$is' and was acknowledged as '"
            . join("' or '", @may) . "'" if !grep { $_ eq $is } @may;

        $self->settle($key, $is) if @may == 1 || !$self->{passing}{$key};
        $self->{checked}++;
        $tags{$repo} = 1 if $kind eq 'tag';
        delete $self->{touched}{$key};
    }

    push @wrong, map { $self->_list($c, $_) } sort keys %tags;

    return @wrong;
}


# What a thing is, in the bytes that are served.

sub _ask {
    my ($c, $kind, $repo, $name) = @_;

    my $r = $c->get("/v2/$repo/" . ($kind eq 'blob' ? 'blobs' : 'manifests')
        . "/$name");

    return '' if $r->status == 404;
    return (undef, 'answered by ' . $r->as_text)
        if $r->status != 200 || !$r->complete;

    my $digest = $name =~ /\Asha512:/ ? sha512($r->body) : sha256($r->body);
    my $told = $r->header('Docker-Content-Digest') // 'nothing';

    return (undef, "served as $told, but of digest $digest")
        if $told ne $digest || ($kind ne 'tag' && $name ne $digest);

    return $kind eq 'tag' ? $digest : 1;
}


# The list of a repository's tags has those that are there and no others.

sub _list {
    my ($self, $c, $repo) = @_;

    my (@want, @open);
    for my $key (grep { /\Atag \Q$repo\E / } keys %{ $self->{keys} }) {
        my ($tag) = $key =~ / (\S+)\z/;
        my $value = $self->value($key);
        push @want, $tag if !defined $value || $value ne '';
        push @open, $tag if !defined $value;
    }

    my $r = $c->get("/v2/$repo/tags/list");
    return "tags of $repo: " . $r->as_text
        if $r->status != 200 && $r->status != 404;

    my $json = $r->status == 200 ? $r->json : { tags => [] };
    my %unsure = map { $_ => 1 } @open;
    my $is = join ' ', sort grep { !$unsure{$_} } @{ $json->{tags} || [] };
    my $want = join ' ', sort grep { !$unsure{$_} } @want;

    return $is eq $want ? () : "tags of $repo: [$is] instead of [$want]";
}


1;

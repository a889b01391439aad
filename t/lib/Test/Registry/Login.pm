package Test::Registry::Login;

# Who somebody is, as a test needs it: password files, what a client shows,
# and what a 401 asks for.

use strict;
use warnings;

use Exporter qw(import);
use MIME::Base64 qw(encode_base64);
use Test::More ();

our @EXPORT = qw(
    bcrypt htpasswd basic challenge is_challenged is_unauthorized is_like
);

my @alphabet = ('.', '/', 'A' .. 'Z', 'a' .. 'z', 0 .. 9);


# A bcrypt hash, cheap unless a cost is given: bcrypt(password, cost, "2b").

sub bcrypt {
    my ($password, $cost, $kind) = @_;

    my $salt = join '', map { $alphabet[rand @alphabet] } 1 .. 21;
    my $setting = sprintf '$%s$%02d$%s%s', $kind || '2y', $cost || 4, $salt,
        substr 'Oeu.', rand 4, 1;
    my $hash = crypt $password, $setting;

    die "crypt() knows no bcrypt here\n"
        if !defined $hash || length $hash != 60;
    return $hash;
}


# A password file: htpasswd(alice => 'secret', bob => ['dear', 10]).

sub htpasswd {
    my (@users) = @_;

    my $text = '';
    while (my ($user, $how) = splice @users, 0, 2) {
        $text .= "$user:" . bcrypt(ref $how ? @$how : $how) . "\n";
    }
    return $text;
}


# The value of an Authorization header.

sub basic {
    my ($user, $password) = @_;

    return 'Basic ' . encode_base64("$user:$password", '');
}


# The one challenge of a reply, by the grammar of RFC 9110, 11.6.1:
# {scheme => "Basic", realm => ...}. Otherwise undef, and why in $@.

sub challenge {
    my ($reply) = @_;

    my @all = $reply->headers('WWW-Authenticate');
    $@ = @all . ' headers WWW-Authenticate';
    return undef if @all != 1;

    my $s = $all[0];
    my $token = qr/[!#\$%&'*+.^_`|~0-9A-Za-z-]+/;
    my %c;

    $@ = "malformed challenge: $s";
    $s =~ s/\A($token) // or return undef;
    $c{scheme} = $1;

    for ( ;; ) {
        $s =~ s/\A($token)=(?:($token)|"((?:[^"\\]|\\.)*)")// or return undef;
        my ($name, $value) = (lc $1, $2 // $3 =~ s/\\(.)/$1/gr);
        return undef if exists $c{$name};
        $c{$name} = $value;
        last if $s eq '';
        $s =~ s/\A[ \t]*,[ \t]*// or return undef;
    }

    $@ = '';
    return \%c;
}


# A 401 of the registry's own, with one well-formed challenge that has at
# least these members. undef: must not be there.

sub is_challenged {
    my ($reply, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @why = Test::Registry::_common($reply, 401);
    if ($reply->{request} !~ /\AHEAD /) {
        push @why, Test::Registry::_error_body($reply, 'UNAUTHORIZED');
    }

    my $c = challenge($reply);
    push @why, $@ if !$c;

    for my $key ($c ? sort keys %$want : ()) {
        my ($have, $expected) = ($c->{$key}, $want->{$key});
        next if !defined $have && !defined $expected;
        next if defined $have && defined $expected
            && (ref $expected ? $have =~ $expected : $have eq $expected);
        push @why, "challenge: $key is " . ($have // 'missing')
            . ', wanted ' . ($expected // 'none');
    }

    return Test::Registry::_verdict($reply, $name, @why);
}


# The 401 of a location with registry_htpasswd "The registry" and without
# anything else that lets somebody in, to who shows nothing or something wrong.

sub is_unauthorized {
    my ($reply, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged($reply,
        { scheme => 'Basic', realm => 'The registry', error => undef }, $name);
}


# Two replies that a client cannot tell apart: status, body, headers with
# their values. Names that differ by the nature of the question can be given
# in pairs: each is taken for the same word in its reply.

sub is_like {
    my ($reply, $other, $name, @pairs) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($a, $b) = (_essence($reply, map { $_->[0] } @pairs),
        _essence($other, map { $_->[1] } @pairs));

    my $ok = Test::More->builder->ok($a eq $b, $name);
    Test::More::diag($reply->as_text, "and the other one\n", $other->as_text)
        if !$ok;
    return $ok;
}


my $uuid = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

sub _essence {
    my ($reply, @words) = @_;

    my @headers = sort map { lc($_->[0]) . ": $_->[1]" }
        grep { $_->[0] !~ /\ADate\z/i } $reply->headers;
    my $text = join "\n", $reply->status, @headers, '', $reply->body;

    my $n = 0;
    for my $word (@words) {
        my $mark = '{' . $n++ . '}';
        $text =~ s/\Q$word\E/$mark/g;
        my $quoted = $word =~ s{/}{%2F}gr;
        $text =~ s/\Q$quoted\E/$mark/g;
    }

    $text =~ s/$uuid/{uuid}/g;
    return $text;
}


1;

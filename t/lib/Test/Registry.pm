package Test::Registry;

# Black-box tests of the registry: this is all a test file needs to use.
#
#   use FindBin;
#   use lib "$FindBin::Bin/lib";
#   use Test::More;
#   use Test::Registry;
#
#   my $t = Test::Registry->new(location => 'registry_delete on;')->run;
#
#   is_status($t->get('/v2/'), 200, 'the ping answers');
#   is_error($t->get('/v2/none/tags/list'), 404, 'NAME_UNKNOWN', 'a list');
#
#   finish($t);
#
# Test::Registry::Nginx says what new() takes, Test::Registry::Server what
# can be asked, Test::Registry::Client what one request can do, and
# Test::Registry::Content makes things to push, Test::Registry::Login password
# files.
#
# Environment: TEST_NGINX_BINARY, TEST_NGINX_MODULE (empty: compiled in),
# TEST_NGINX_SLOW (it runs under something that makes it slow),
# TEST_NGINX_LEAVE (keep the directories), CI (a skipped test is a failure),
# TEST_REGISTRY_PEER (asks the distribution registry the same questions, to
# see where the two differ; many tests mean nothing there).

use strict;
use warnings;

use Exporter ();
use Test::More ();

use Test::Registry::Binary ();
use Test::Registry::Client;
use Test::Registry::Content;
use Test::Registry::Login;
use Test::Registry::Nginx;
use Test::Registry::Process;
use Test::Registry::Server;

our @ISA = qw(Exporter);
our @EXPORT = (
    qw(finish is_status is_error is_header has_no_header is_blob_created
       is_manifest_created is_json_list is_whole is_quick is_soon skip_suite
       skip_tests need_root path_of with_query links_to names_of follow_pages
       same_list in_ci sanitized),
    @Test::Registry::Content::EXPORT, @Test::Registry::Login::EXPORT,
    @Test::Registry::Process::EXPORT
);

# Killed or cut off, a test ends as if it had died: nothing stays running.

$SIG{$_} ||= sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} ||= sub { close STDERR; exit 1 };

# Why a file died stands in its TAP, too, for who keeps the score.

$SIG{__DIE__} ||= sub {
    my ($why) = @_;

    return if !defined $^S || $^S;
    print {*STDOUT} map { "# died: $_\n" } split /\n/, $why;
};

*path_of = \&Test::Registry::Server::path_of;
*with_query = \&Test::Registry::Server::with_query;


sub new {
    my ($class, %o) = @_;

    if ($ENV{TEST_REGISTRY_PEER}) {
        require Test::Registry::Peer;
        return Test::Registry::Peer->new;
    }

    return Test::Registry::Nginx->new(%o);
}


sub in_ci {
    return ($ENV{CI} // '') !~ /\A(?:|0|false|no)\z/i;
}


# True when the server runs with a sanitizer or under valgrind: limits of time and memory mean
# nothing then.

sub sanitized {
    return $ENV{TEST_NGINX_SLOW}
        || Test::Registry::Binary::version_text() =~ /-fsanitize=/
        || ($ENV{LD_PRELOAD} // '') =~ /asan|ubsan/;
}


# What a whole file says when it cannot run here. A machine that runs for CI
# has to have everything, so there it is a failure.

sub skip_suite {
    my ($reason, $count) = @_;

    my $tb = Test::More->builder;

    if (in_ci()) {
        $tb->ok(0, "not run: $reason ($count tests)");
        $tb->done_testing;
        exit 1;
    }

    if ($tb->current_test) {
        $tb->skip("$reason ($count tests)");
        $tb->done_testing;
        exit 0;
    }

    $tb->plan(skip_all => "$reason ($count tests)");
}


# The same inside a block labelled SKIP.

sub skip_tests {
    my ($reason, $count) = @_;

    my $tb = Test::More->builder;

    if (in_ci()) {
        $tb->ok(0, "not run: $reason ($count tests)");

    } else {
        $tb->skip($reason) for 1 .. $count;
    }

    no warnings 'exiting';
    last SKIP;
}


sub need_root {
    my ($count) = @_;

    skip_suite('this test must run as root', $count) if $> != 0;
}


# Ends a test file: what must hold after every test, then the plan. Takes
# servers, each with a hash of options for its finish() behind it or without.

sub finish {
    my (@args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    while (@args) {
        my $t = shift @args;
        my %o = ref $args[0] eq 'HASH' ? %{ shift @args } : ();
        $t->finish(%o);
    }

    Test::More::done_testing();
}


sub _verdict {
    my ($reply, $name, @why) = @_;

    my $tb = Test::More->builder;
    my $ok = $tb->ok(!@why, $name);
    $tb->diag(join '', (map { "$_\n" } @why), $reply->as_text) if !$ok;
    return $ok;
}


sub _common {
    my ($reply, $want) = @_;

    my @want = ref $want ? @$want : $want;
    my @why;

    push @why, 'wanted: ' . join ' or ', @want
        if !grep { $_ == $reply->status } @want;
    push @why, 'the reply is cut' if $reply->status && !$reply->complete;

    if ($reply->status && $reply->{request} =~ m{ /v2/}) {
        my @v = $reply->headers('Docker-Distribution-Api-Version');
        push @why, "Docker-Distribution-Api-Version: [@v]"
            if "@v" ne 'registry/2.0';
    }

    return @why;
}


# One of the given codes (a number or a list of them), the whole body, and
# the header that every reply below /v2/ carries.

sub is_status {
    my ($reply, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return _verdict($reply, $name, _common($reply, $want));
}


# An error as the specification wants it: status, code (or one of a list;
# undef: any), JSON with a message, its Content-Type, the version header. A
# reply to HEAD has the headers alone.

sub is_error {
    my ($reply, $status, $code, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @code = ref $code ? @$code : defined $code ? $code : ();
    my @why = _common($reply, $status);

    my @type = $reply->headers('Content-Type');
    push @why, 'Content-Type is not application/json' if @type != 1
        || $type[0] !~ m{\Aapplication/json(?:; charset=utf-8)?\z}i;

    if ($reply->{request} !~ /\AHEAD /) {
        push @why, _error_body($reply, @code);

    } elsif (length $reply->body) {
        push @why, 'a reply to HEAD has a body';
    }

    return _verdict($reply, $name, @why);
}


sub _error_body {
    my ($reply, @codes) = @_;

    my $j = $reply->json;
    return 'the body is not {"errors": [...]}'
        if ref $j ne 'HASH' || ref $j->{errors} ne 'ARRAY'
            || !@{ $j->{errors} };

    for my $e (@{ $j->{errors} }) {
        return 'an error has no code of capitals and underscores'
            if ref $e ne 'HASH' || ($e->{code} // '') !~ /\A[A-Z_]+\z/;
        return 'an error has no message'
            if ref $e->{message} || ($e->{message} // '') eq '';
        my @more = grep { !/\A(?:code|message|detail)\z/ } keys %$e;
        return "an error has the member @more" if @more;
    }

    return () if !@codes;

    my %have = map { $_ => 1 } $reply->codes;
    return grep({ $have{$_} } @codes) ? ()
        : 'wanted code: ' . join ' or ', @codes;
}


# A header's only value, as text or matched by a pattern.

sub is_header {
    my ($reply, $header, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return _verdict($reply, $name // "$header is $want",
        _header($reply, $header, $want));
}


sub _header {
    my ($reply, $header, $want) = @_;

    my @all = $reply->headers($header);
    my $ok = @all == 1 && (ref $want ? $all[0] =~ $want : $all[0] eq $want);

    return $ok ? () : "wanted $header: $want";
}


# The 201 of a finished upload, and that of a manifest: no body, the digest,
# and where it is now, without scheme and host. A manifest may be there under
# its tag.

sub is_blob_created {
    my ($reply, $repo, $digest, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return _is_created($reply, "/v2/$repo/blobs/$digest", $digest, $name);
}


sub is_manifest_created {
    my ($reply, $repo, $digest, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return _is_created($reply, qr{\A/v2/\Q$repo\E/manifests/[^/]+\z}, $digest,
        $name);
}


sub _is_created {
    my ($reply, $location, $digest, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @why = (_common($reply, 201),
        _header($reply, 'Docker-Content-Digest', $digest),
        _header($reply, Location => $location));
    push @why, 'there is a body' if $reply->body ne '';

    return _verdict($reply, $name, @why);
}


sub has_no_header {
    my ($reply, $header, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $ok = $reply->status && !$reply->headers($header);
    return _verdict($reply, $name // "no $header",
        $ok ? () : "wanted no $header");
}


# A 200 with exactly these bytes; prints no megabytes when it fails.

sub is_whole {
    my ($reply, $bytes, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @why = _common($reply, 200);
    push @why, 'wanted ' . length($bytes) . ' bytes, got '
        . length($reply->body)
        . (length($bytes) == length($reply->body) ? ' other ones' : '')
        if $reply->body ne $bytes;

    return _verdict($reply, $name, @why);
}


# code says how long the longest of its steps took, in seconds. It is called
# until that is below the limit, ten times at the most: a machine stands still
# now and then, and what is at fault always is.

sub is_quick {
    my ($limit, $name, $code) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $took;
    for my $try (1 .. 10) {
        $took = $code->();
        last if $took < $limit;
        Test::More::diag("try $try: a step took $took s");
    }

    return Test::More::cmp_ok($took, '<', $limit, $name);
}


# The same of code that is one step by itself.

sub is_soon {
    my ($limit, $name, $code) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_quick($limit, $name, sub { seconds($code) });
}


# A 200 whose JSON member is exactly the given list.

sub is_json_list {
    my ($reply, $member, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $j = $reply->json;
    my @why = _common($reply, 200);

    if (ref $j ne 'HASH' || ref $j->{$member} ne 'ARRAY') {
        push @why, "$member is not a list";

    } else {
        push @why, _difference($member, $j->{$member}, $want);
    }

    return _verdict($reply, $name, @why);
}


# Where two lists part, in a sentence; nothing when they do not.

sub _difference {
    my ($what, $have, $want) = @_;

    my $last = @$have > @$want ? $#$have : $#$want;

    for my $i (0 .. $last) {
        my ($h, $w) = ($have->[$i], $want->[$i]);
        next if defined $h && defined $w && $h eq $w;
        return sprintf '%s: %d instead of %d, wanted %s at %d, got %s', $what,
            scalar @$have, scalar @$want, $w // 'the end', $i,
            $h // 'the end';
    }

    return ();
}


# One assertion that two lists are the same; says where they part.

sub same_list {
    my ($have, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @why = _difference('the list', $have, $want);
    my $tb = Test::More->builder;
    return $tb->ok(!@why, $name) || $tb->diag(@why);
}


# Target of the Link header with the given relation (default next), or undef.

sub links_to {
    my ($reply, $relation) = @_;

    $relation = 'next' if !defined $relation;

    for my $value ($reply->headers('Link')) {
        return $1 if $value =~ /<([^>]*)>\s*;\s*rel="?\Q$relation\E"?/;
    }

    return undef;
}


# A list of names out of a JSON reply.

sub names_of {
    my ($reply, $member) = @_;

    my $j = $reply->json;
    return ref $j eq 'HASH' && ref $j->{$member} eq 'ARRAY'
        ? @{ $j->{$member} } : ();
}


# Asks page after page along the Link headers. Returns the replies; stops
# after max of them (default 10,000) or at the first that is no 200.

sub follow_pages {
    my ($t, $uri, %o) = @_;

    my $max = delete $o{max} || 10000;
    my @pages;

    while (defined $uri && @pages < $max) {
        my $r = $t->get($uri, %o);
        push @pages, $r;
        last if $r->status != 200;
        $uri = links_to($r);
    }

    return @pages;
}


1;

package Test::Registry::Notify;

# Events: what they have to be, in which order, and the processes and files
# that they pass through.
#
#   my $image = stocked($t, 'app');          # blobs are there, no manifest
#   tag_put($t, 'app', 'v1', $image);        # one event
#
#   my @wrong = out_of_order([map { "push app:$_" } @acknowledged], @events);

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use Test::More ();

use Test::Registry::Command ();
use Test::Registry::Content;
use Test::Registry::Process;

our @EXPORT = qw(
    manager_of kill_manager events_dir stocked tag_put key_of out_of_order
    duplicates is_event tail_of status_of metric_of
);

use constant UUID => qr/\A[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/;

# Go's time.RFC3339Nano

use constant NANO =>
    qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)\z/;


# The process that delivers: nginx's cache manager, or undef.

sub manager_of {
    my ($t) = @_;

    my $pid;

    # it has the name of the master until it has begun

    wait_for(10, sub {
        ($pid) = grep {
            my $cmd = command_of($_);
            $cmd =~ /nginx: cache manager process/ && $cmd !~ /shutting down/
        } children($t->pid);
    });

    return $pid;
}


# SIGKILL for it; returns when there is another one.

sub kill_manager {
    my ($t) = @_;

    my $old = manager_of($t) or die "no cache manager\n";
    $t->allow_log(qr/cache manager process \d+ exited on signal 9/);
    $t->was_killed;
    kill 'KILL', $old;

    wait_for(10, sub { (manager_of($t) // $old) != $old })
        or die "the cache manager was not replaced\n";
}


sub events_dir { return $_[0]->root . '/docker/registry/nginx/events' }


# Pushes the blobs of an image and returns it.

sub stocked {
    my ($t, $repo, %o) = @_;

    my $image = image(seed => "stock $repo", %o);
    $t->push_blob($repo, $_) for $image->{config}, @{ $image->{layers} };
    return $image;
}


sub tag_put {
    my ($t, $repo, $tag, $image, %o) = @_;

    return $t->push_manifest($repo, $tag, $image->{bytes}, $image->{type},
        %o);
}


# "push app:v1", "push app@sha256:...", "delete app".

sub key_of {
    my ($e) = @_;

    my $t = $e->{target};
    return "$e->{action} $t->{repository}"
        . (defined $t->{tag} ? ":$t->{tag}"
            : defined $t->{digest} ? "\@$t->{digest}" : '');
}


# What is wrong with a delivery: which of the wanted keys never came, which
# came for the first time after one that had to follow. Others do not matter.

sub out_of_order {
    my ($want, @events) = @_;

    my ($n, %place) = (0);
    $place{ key_of($_) } //= ++$n for @events;

    my @missing = grep { !$place{$_} } @$want;
    my @there = grep { $place{$_} } @$want;
    my @wrong = map { "$there[$_] came before $there[$_ - 1]" }
        grep { $place{ $there[$_] } < $place{ $there[$_ - 1] } } 1 .. $#there;

    splice @wrong, 5;
    unshift @wrong, @missing . " never came: @missing[0 .. ($#missing > 4
        ? 4 : $#missing)]" if @missing;
    return @wrong;
}


# How many events came again; dies where one id has two meanings.

sub duplicates {
    my (@events) = @_;

    my ($again, %seen) = (0);
    my $json = JSON::PP->new->canonical;

    for my $e (@events) {
        my $text = $json->encode($e);
        my $before = $seen{ $e->{id} };

        if (!defined $before) {
            $seen{ $e->{id} } = $text;
            next;
        }

        $again++;
        die "one id, two events:\n$before\n$text\n" if $before ne $text;
    }

    return $again;
}


# One event, every field of it: action, target and actor exactly as given;
# method, host and useragent of the request as given, what is left of it and
# the source in the form that they have to have.

my %ids;

sub is_event {
    my ($e, $want, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @why;
    my ($request, $source) = map { $e->{$_} || {} } qw(request source);

    push @why, "id: " . ($e->{id} // 'none')
        if ($e->{id} // '') !~ UUID || $ids{ $e->{id} }++;
    push @why, 'timestamp: ' . ($e->{timestamp} // 'none')
        if ($e->{timestamp} // '') !~ NANO;
    push @why, 'request.id: ' . ($request->{id} // 'none')
        if !length($request->{id} // '');
    push @why, 'request.addr: ' . ($request->{addr} // 'none')
        if ($request->{addr} // '') !~ /\A127\.0\.0\.1:\d+\z/;
    push @why, 'source.addr: ' . ($source->{addr} // 'none')
        if ($source->{addr} // '') !~ /\A\S+:\d+\z/;
    push @why, 'source.instanceID: ' . ($source->{instanceID} // 'none')
        if ($source->{instanceID} // '') !~ UUID;

    my %fixed = (
        action => $e->{action}, target => $e->{target},
        actor => $e->{actor},
        request => { map { $_ => $request->{$_} }
            qw(method host useragent) }
    );
    my %expect = (
        action => $want->{action}, target => $want->{target},
        actor => $want->{actor} || {},
        request => { method => $want->{method}, host => $want->{host},
            useragent => $want->{useragent} // '' }
    );
    my $json = JSON::PP->new->canonical->allow_nonref;

    for my $part (sort keys %expect) {
        my ($have, $should) = map { $json->encode($_->{$part}) }
            \%fixed, \%expect;
        push @why, "$part: $have\nwanted: $should" if $have ne $should;
    }

    my @keys = ((map { $_ } sort keys %$e),
        (map { "request.$_" } sort keys %$request),
        map { "source.$_" } sort keys %$source);
    push @why, "members: @keys" if "@keys" ne 'action actor id request source'
        . ' target timestamp request.addr request.host request.id'
        . ' request.method request.useragent source.addr source.instanceID';

    my $tb = Test::More->builder;
    $tb->ok(!@why, $name) or $tb->diag(join "\n", @why);
}


# What registryctl reads in the spool, from after a cursor on; all of it
# without. Dies when it cannot be read.

sub tail_of {
    my ($root, %o) = @_;

    my $r = Test::Registry::Command::ctl('events', 'tail', $root, '--json',
        '--after', $o{after} // 0);
    die "registryctl events tail: $r->{rc} $r->{err}\n" if $r->{rc} ne '0';

    my $json = JSON::PP->new->utf8;
    return map { $json->decode($_)->{event} } split /\n/, $r->{out};
}


# What it says of the endpoints: {name => {...}}. Its exit status is 1 where one
# fails.

sub status_of {
    my ($root) = @_;

    my $r = Test::Registry::Command::ctl('events', 'status', $root, '--json');
    die "registryctl events status: $r->{rc} $r->{err}\n"
        if $r->{rc} !~ /\A[01]\z/;
    my $all = JSON::PP->new->utf8->decode($r->{out});
    return map { $_->{name} => $_ } @{ $all->{endpoints} };
}


# The sum of a metric's samples that have all of the labels.

sub metric_of {
    my ($t, $name, %labels) = @_;

    my ($sum, $any) = (0, 0);

    for my $line (split /\n/, $t->get('/metrics')->body) {
        next if $line !~ /\A\Q$name\E(?:\{([^}]*)\})? (\S+)\z/;
        my ($set, $value) = ($1 // '', $2);
        next if grep { $set !~ /(?:\A|,)$_="\Q$labels{$_}\E"/ } keys %labels;
        $sum += $value;
        $any = 1;
    }

    return $any ? $sum : undef;
}


1;

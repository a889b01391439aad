package Test::Registry::Sweep;

# One operation repeated, broken at its call 1, 2, 3 ... until it survives:
# so no call is missed, and none has to be chosen.
#
#   my $s = Test::Registry::Sweep->new(location => 'registry_delete on;')->run;
#
#   $s->sweep("F01 $_->{name}", $_, action => 'kill') for pushes();
#   figure('kills', $s->hits);
#   $s->finish;
#
# Each round begins with an empty store, in a small file system of memory
# where we may mount one, for the disk is not what is tried here.

use strict;
use warnings;

use File::Path ();
use File::Temp ();
use Test::More ();

use Test::Registry ();
use Test::Registry::Audit;
use Test::Registry::Operations qw(broken_promises);
use Test::Registry::Process;
use Test::Registry::Shim;

# A sweep that goes on for longer than that will not end.

use constant LIMIT => 20_000;

# What may be answered when a call fails so: see reg_error_sys().

my %STATUS = (
    ENOSPC => [507], EDQUOT => [507], EFBIG => [507], EROFS => [503],
    EIO => [500], ENOMEM => [503], EMFILE => [503], lose => [500]
);

my %mounted;


# Options as those of Test::Registry.

sub new {
    my ($class, %o) = @_;

    my $disk = File::Temp::tempdir('registry-sweep-XXXXXXXX', TMPDIR => 1);
    my ($rc) = run_command(10, 'mount', '-t', 'tmpfs', '-o', 'size=256m',
        'tmpfs', $disk);
    $mounted{$disk} = $$ if $rc == 0;

    my $shim = Test::Registry::Shim->new;
    my $t = Test::Registry->new(root => "$disk/data", env => $shim->env, %o);

    # what nginx calls it when a file that it sends cannot be read
    $t->allow_log(qr/\[alert\].* sendfile\(\) failed \(5: /);

    return bless {
        t => $t, shim => $shim, disk => $disk, hits => 0, rounds => 0,
        replies => 0
    }, $class;
}


sub run { $_[0]{t}->run; return $_[0] }
sub t { $_[0]{t} }
sub shim { $_[0]{shim} }

# Calls broken, and rounds made, by all sweeps so far.

sub hits { $_[0]{hits} }
sub rounds { $_[0]{rounds} }


# Breaks an operation (see Test::Registry::Operations) at one call after the
# other. Is one assertion: that whatever was acknowledged holds, that nothing
# is half there, that the reply was an honest one, and that a repeat succeeds.
#
# action, calls, times   as for the shim
# status  what may be answered; default what fits the action
# cut     true: it may also not be answered at all
# must    true: it has to succeed in spite of all
# firm    true: no upload may be lost by it
# grace   age of temporaries that the audit complains of; default 0
# every   breaks only every so many-th call, from one drawn by chance; default 1
# maybe   true: the operation may make no such call
# keep    true: the store is not emptied
# before  called before each round

sub sweep {
    my ($self, $name, $op, %how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my (@why, $n);
    my $broken = 0;
    my $every = $how{every} || 1;

    for ($n = 1 + int rand $every; $n <= LIMIT; $n += $every) {
        my ($hits, @bad) = $self->_round($op, $n, %how);

        $broken++ if $hits;
        push @why, map { "at call $n" . ($hits ? ', ' . $self->{shim}->last
            : '') . ": $_" } @bad;

        last if !$hits || @why > 10;
    }

    push @why, 'it was never broken'
        if !$broken && $every == 1 && !$how{maybe};
    push @why, 'there is no end of it' if $n > LIMIT;

    $self->{hits} += $broken;

    my $tb = Test::More->builder;
    $tb->ok(!@why, "$name, at $broken calls one by one")
        or $tb->diag(join "\n", @why);
}


# An operation while every such call is broken, which must not matter to it.

sub meanwhile {
    my ($self, $name, $op, %how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($hits, @why) = $self->_round($op, 1, must => 1, times => 0, %how);

    $self->{hits} += $hits;

    my $tb = Test::More->builder;
    $tb->ok(!@why, $name) or $tb->diag(join "\n", @why);
}


# An operation with nothing broken; dies when it fails.

sub quietly {
    my ($self, $op, %how) = @_;

    my ($hits, @why) = $self->_round($op, 0, %how, action => 'count',
        calls => []);
    die "$op->{name} fails by itself: @why\n" if @why;
}


# One round: how many calls were broken, and what is wrong.

sub _round {
    my ($self, $op, $n, %how) = @_;

    my ($t, $shim) = @{$self}{qw(t shim)};
    my $kill = $how{action} eq 'kill';
    my $w = {
        t => $t, seed => ++$self->{rounds} . ($ENV{TEST_SEED} // ''),
        firm => $kill || $how{firm}, gone => $op->{gone}
    };

    $how{before}->($w) if $how{before};
    $self->_wipe if !$how{keep};

    my ($pid) = $t->workers;
    my ($reply, $hits, @why);
    my $ok = eval {
        $op->{before}->($w);

        $shim->arm(pid => $pid, dir => $t->root, at => $n,
            map { $_ => $how{$_} } grep { defined $how{$_} }
                qw(action calls times at));
        $reply = $op->{run}->($w);
        $hits = $shim->disarm;

        if ($kill && $hits) {
            $t->worker_killed($pid);
        }

        my $done = $self->_judge($op, $reply, $hits, \@why, %how);

        push @why, $op->{after}->($w, $done), broken_promises($w);
        push @why, Test::Registry::Audit::audit($t->root, unfinished => 1,
            grace => $kill ? 3600 : $how{grace} || 0);
        push @why, $op->{again}->($w);
        1;
    };

    push @why, $@ if !$ok;
    $shim->disarm;

    push @why, 'S5 the worker is another one'
        if !($kill && $hits) && ($t->workers)[0] != $pid;

    return ($hits || 0, @why);
}


# Whether it succeeded; complains of a reply that must not be.

sub _judge {
    my ($self, $op, $reply, $hits, $why, %how) = @_;

    my $status = $reply->status;
    my $done = $reply->complete && grep { $status == $_ } @{ $op->{good} };

    return 1 if $done;

    if (!$hits) {
        push @$why, 'it fails by itself: ' . $reply->as_text;

    } elsif ($how{must}) {
        push @$why, 'it fails: ' . $reply->as_text;

    } elsif ($how{action} eq 'kill' || ($how{cut} && !$reply->complete)) {
        push @$why, 'R1 the reply: ' . $reply->as_text
            if $status && $reply->complete;

    } elsif ($op->{read} && !$reply->complete) {

        # cut short, when its head was on the way

    } else {
        my @good = @{ $how{status} || $STATUS{ $how{action} } };
        my @codes = $reply->codes;
        push @$why, "R1 no reply, or not one of @good with an error in "
            . 'JSON: ' . $reply->as_text
            if !$reply->complete || !grep({ $status == $_ } @good)
                || !@codes || grep({ !/\A[A-Z_]+\z/ } @codes);
    }

    return 0;
}


sub _wipe {
    my ($self) = @_;

    my $root = $self->{t}->root;

    # the cache manager may put something there meanwhile
    for (1 .. 50) {
        File::Path::remove_tree("$root/docker", { error => \my $errors });
        last if !-e "$root/docker";
        select undef, undef, undef, 0.02;
    }

    die "$root/docker cannot be removed\n" if -e "$root/docker";
}


# Ends the server, as Test::Registry's finish() does, and its file system.

sub finish {
    my ($self, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $self->{t}->finish(%o);
    _release($self->{disk});
}


sub _release {
    my ($disk) = @_;

    if (delete $mounted{$disk}) {
        my ($rc, $out) = run_command(10, 'umount', $disk);
        if ($rc != 0) {
            Test::More->builder->diag($out);
            run_command(10, 'umount', '-l', $disk);
        }
    }

    File::Path::remove_tree($disk, { error => \my $ignored });
}


END {
    local $?;
    _release($_) for grep { $mounted{$_} == $$ } keys %mounted;
}


1;

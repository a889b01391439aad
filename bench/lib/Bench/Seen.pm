package Bench::Seen;

# What it costs to see what the registry does: metrics, an access log in JSON
# and a webhook, beside a server that has none of them, and beside one with the
# access log that nginx writes where nobody says anything.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use Bench::Machine;
use Bench::Servers;

my $made = 0;

# each of them so often in a round, forwards and backwards: what drifts
# meanwhile does so for all of them

my $pairs = 2;

# What an ordinary layer has, when it is a small one; those of the other images
# are hardly there, so that what is left is what a request costs.
our $layer = 4 << 20;

my %title = (
    off   => 'nothing is seen, access_log off',
    plain => "nginx's own access log",
    log   => 'metrics and a JSON access log',
    on    => 'and a webhook',
    told  => 'which is told of pulls as well',
);

my %actions = (on => 'action=push,mount,delete',
               told => 'action=push,pull,mount,delete');


sub table {
    my ($d) = @_;

    my @pull = (seed => 'seed', duration => $d->{seconds});

    return workload('push', 'push of a small image as above', undef,
                    repo => 'img', count => $d->{images}),
           workload('pull', 'pull of a small image as above', 'pull',
                    repo => 'img', @pull),
           workload('push-layers', 'push of an image of 3 layers of 4 MiB',
                    undef, repo => 'layers', size => $layer, count => 40),
           workload('pull-layers', 'pull of such an image', 'layers',
                    repo => 'layers', size => $layer, images => 10, @pull);
}


# Pulls are from a store, of which one receiver is told, too.

sub workload {
    my ($name, $title, $store, %options) = @_;

    my @modes = (qw(off plain log on), $store ? 'told' : ());

    return {
        name => "seen-$name", kind => 'rate', targets => ['ours'],
        title => "$title, seen and unseen", run => \&run,
        $store ? (store => $store) : (), modes => \@modes,
        loads => [map { ["seen-$name-$_", $title{$_}] } @modes],
        command => [$store ? 'pull-image' : 'push-image',
                    { connections => 4, %options }],
    };
}


sub run {
    my ($w, $dir, $target, $info) = @_;

    my @modes = @{ $w->{modes} };
    my %runs;

    for my $n (1 .. $pairs) {
        push @{ $runs{$_} }, once($w, $dir, $target, $info, $_)
            for $n % 2 ? @modes : reverse @modes;
    }

    return map { { row => "$w->{name}-$_", mean(@{ $runs{$_} }) } } @modes;
}


sub mean {
    my @runs = @_;
    my ($bad) = grep { $_->{failed} } @runs;

    return %$bad if $bad;

    my %mean = map { $_ => $runs[0]{$_} } keys %{ $runs[0] };

    for my $metric (grep { $mean{$_} =~ /^[\d.e+-]+$/ } keys %mean) {
        my $sum = 0;

        $sum += $_->{$metric} // 0 for @runs;
        $mean{$metric} = $metric eq 'errors' ? $sum : $sum / @runs;
    }

    return %mean;
}


sub once {
    my ($w, $dir, $target, $info, $mode) = @_;

    my $root = $w->{store} ? "$dir/$w->{store}" : "$dir/seen" . $made++;
    my ($http, $places, $receiver) = ('', '', undef);

    if ($mode eq 'plain') {
        $http = "access_log $dir/access.log;";

    } elsif ($mode ne 'off') {
        $http = json_log("$dir/access.json");
        $places = 'location = /metrics { registry_metrics; }';
    }

    if ($actions{$mode}) {
        my $port = Bench::Machine::free_port();

        unlink "$dir/received";
        $receiver = Bench::Machine::start('receiver', "$dir/receiver.log", {},
            $^X, "$Bench::Machine::top/bench/receiver", $port,
            "$dir/received");
        Bench::Machine::wait_for_port($receiver, 'receiver', $port,
                                      "$dir/receiver.log");

        $http .= "registry_notify bench http://127.0.0.1:$port/ "
            . "$actions{$mode};\n";
    }

    my $server = Bench::Servers::start($target, $info, workers => 'auto',
        root => $root, certs => $dir, dir => $dir, http => $http,
        places => $places);

    my ($command, $options) = @{ $w->{command} };
    my $r = Bench::Machine::load($command, %$options, url => $server->{url},
                                 pid => $server->{pid});

    if ($receiver && !received("$dir/received")
        && ($mode eq 'told' || $command eq 'push-image'))
    {
        $r = { failed => 'the webhook was told nothing' };
    }

    my $complaint = Bench::Servers::stop($server);

    Bench::Machine::end($receiver) if $receiver;

    # few files and many bytes; many files go at the end, as elsewhere
    Bench::Machine::remove_dir($root) if !$w->{store} && $options->{size};

    $r->{log} = $complaint if defined $complaint;
    unlink "$dir/access.json", "$dir/access.log";

    return $r;
}


sub received {
    my ($file) = @_;

    for my $try (1 .. 50) {
        if (open my $f, '<', $file) {
            my $n = <$f> // 0;

            return $n if $n > 0;
        }

        sleep 0.1;
    }

    return 0;
}


# The maps and the format of the example, and its line for the log, to a file
# of ours.

sub json_log {
    my ($log) = @_;

    my $file = "$Bench::Machine::top/conf.examples/log-json.conf";

    open my $f, '<', $file or die "bench: $file: $!\n";
    local $/;
    my ($text, $line) =
        <$f> =~ /^http \{\n(.*?)^ +server \{.*?^ +(access_log .*?;)/ms
        or die "bench: $file has no http block with a log\n";

    $line =~ s/^access_log \K\S+/$log/;

    return "$text    $line\n";
}


1;

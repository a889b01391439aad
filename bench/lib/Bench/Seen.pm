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

    return {
        name => 'seen-push', kind => 'rate', targets => ['ours'],
        title => 'push of a small image as above, seen and unseen',
        run => \&run, modes => [qw(off plain log on)],
        loads => [map { ["seen-push-$_", $title{$_}] } qw(off plain log on)],
        command => ['push-image', { repo => 'img', connections => 4,
                                    count => $d->{images} }],
    }, {
        name => 'seen-pull', kind => 'rate', targets => ['ours'],
        title => 'pull of a small image as above, seen and unseen',
        run => \&run, modes => [qw(off plain log on told)], store => 'pull',
        loads => [map { ["seen-pull-$_", $title{$_}] }
                  qw(off plain log on told)],
        command => ['pull-image', { repo => 'img', seed => 'seed',
                                    connections => 4,
                                    duration => $d->{seconds} }],
    }, {
        name => 'seen-push-layers', kind => 'rate', targets => ['ours'],
        title => 'push of an image of 3 layers of 4 MiB, seen and unseen',
        run => \&run, modes => [qw(off plain log on)],
        loads => [map { ["seen-push-layers-$_", $title{$_}] }
                  qw(off plain log on)],
        command => ['push-image', { repo => 'layers', connections => 4,
                                    size => $layer, count => 40 }],
    }, {
        name => 'seen-pull-layers', kind => 'rate', targets => ['ours'],
        title => 'pull of such an image, seen and unseen',
        run => \&run, modes => [qw(off plain log on told)], store => 'layers',
        loads => [map { ["seen-pull-layers-$_", $title{$_}] }
                  qw(off plain log on told)],
        command => ['pull-image', { repo => 'layers', seed => 'seed',
                                    connections => 4, size => $layer,
                                    images => 10,
                                    duration => $d->{seconds} }],
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

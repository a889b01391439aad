package Bench::Work;

# The workloads: which server, which store, which loads, in which order.

use strict;
use warnings;

use Bench::Collect;
use Bench::Machine;
use Bench::Seen;
use Bench::Servers;

my $removed = 0;

my %data = (full => {
    blob => '1g', bulks => 3, images => 300, seconds => 3,
    tags => 100_000, repos => 50_000, changes => 30,
    pieces => 40, idle => 2000,
}, quick => {
    blob => '256m', bulks => 3, images => 50, seconds => 1,
    tags => 10_000, repos => 5_000, changes => 10,
    pieces => 10, idle => 500,
});


# A workload:
#
#     name     for the command line
#     title    above its table
#     kind     which columns: bulk, rate, memory, hold
#     targets  which servers take part
#     server   tls, workers of Bench::Servers::start()
#     store    pull, tags, repos: made beforehand; new: empty, then removed
#     loads    row name, row title, command, options
#     run      what does it all, instead of a server, a store and loads
#     digest   openssl's digest of what is pushed is measured, too
#     files    and the files alone that such a push makes
#     once     in the first round only
#
# All loads of a workload go to the same server process, one after the other.

sub table {
    my ($quick) = @_;

    my $d = $data{$quick ? 'quick' : 'full'};
    my @all = qw(ours nginx d3 d2);
    my @registries = qw(ours d3 d2);

    # where distribution syncs for long and no aim asks for it

    my @brief = $quick ? qw(ours nginx) : @all;
    my $size = uc($d->{blob} =~ s/([mg])$/ $1/r) . 'iB';
    my @w;

    for my $tls (0, 1) {
        my ($suffix, $over) = $tls ? ('-tls', ' over TLS') : ('', '');

        push @w, {
            name => "pull$suffix", kind => 'bulk', targets => \@all,
            title => "pull of a blob of $size$over",
            server => { tls => $tls }, store => 'pull',
            loads => [["pull$suffix", '', 'pull-blob', {
                repo => 'big', seed => 'seed', size => $d->{blob},
                count => $d->{bulks}, each => '' }]],
        }, {
            name => "push$suffix", kind => 'bulk', targets => \@all,
            title => "push of a blob of $size$over, as docker does",
            server => { tls => $tls }, store => 'new', digest => !$tls,
            needs => 'pull',
            loads => [["push$suffix", '', 'push-blob', {
                repo => 'big', size => $d->{blob},
                count => $d->{bulks}, each => '' }]],
        };
    }

    push @w, {
        name => 'push-image', kind => 'rate',
        targets => $quick ? ['ours', 'd3'] : \@registries,
        title => 'push of a small image: config, 3 layers of 1 KiB, manifest; '
                 . '4 connections',
        store => 'new', files => 1,
        loads => [['push-image', '', 'push-image', {
            repo => 'img', connections => 4, count => $d->{images} }]],
    }, {
        name => 'pull-image', kind => 'rate', targets => \@all,
        title => 'pull of such an image; 4 connections', store => 'pull',
        loads => [['pull-image', '', 'pull-image', {
            repo => 'img', seed => 'seed', connections => 4,
            duration => $d->{seconds} }]],
    };

    for my $q (['get-manifest-tag', 'GET', 'tag',
                'GET of a manifest by tag'],
               ['get-manifest', 'GET', 'digest',
                'GET of a manifest by digest'],
               ['head-manifest-tag', 'HEAD', 'tag',
                'HEAD of a manifest by tag'],
               ['head-manifest', 'HEAD', 'digest',
                'HEAD of a manifest by digest'],
               ['get-blob', 'GET', 'blob', 'GET of a blob of 1 KiB'],
               ['head-blob', 'HEAD', 'blob', 'HEAD of a blob'])
    {
        push @w, {
            name => $q->[0], kind => 'rate', targets => \@all,
            title => "$q->[3]; 32 connections", store => 'pull',
            loads => [[$q->[0], '', 'request', {
                repo => 'img', seed => 'seed', connections => 32,
                method => $q->[1], by => $q->[2],
                duration => $d->{seconds} }]],
        };
    }

    push @w, Bench::Seen::table($d), logins($d);

    push @w, {
        name => 'memory-uploads', kind => 'memory', targets => \@brief,
        title => '64 uploads of 16 MiB at once, as fast as they go',
        server => { workers => 1 }, store => 'new',
        loads => [['memory-uploads', '', 'uploads', {
            connections => 64, size => '64k', pieces => 256 }]],
    };

    for my $tls (0, 1) {
        my ($suffix, $over) = $tls ? ('-tls', ' over TLS') : ('', '');

        push @w, {
            name => "memory-idle$suffix", kind => 'memory', targets => \@all,
            title => "$d->{idle} idle keep-alive connections$over",
            server => { workers => 1, tls => $tls }, store => 'pull',
            loads => [["memory-idle$suffix", '', 'idle', {
                connections => $d->{idle} }]],
        };
    }

    push @w, {
        name => 'slow-uploads', kind => 'memory', targets => \@brief,
        title => '500 slow uploads at once, one worker',
        server => { workers => 1 }, store => 'new',
        loads => [['slow-uploads', '', 'uploads', {
            connections => 500, size => '8k', pieces => $d->{pieces},
            interval => 0.25 }]],
    };

    push @w, lists($d, 0), lists($d, 1), holds($d);

    # last, as it leaves many files

    push @w, Bench::Collect::table($quick);

    return @w;
}


# What a login costs once it is known, and what guessers cost others.

sub logins {
    my ($d) = @_;

    my %get = (repo => 'img', seed => 'seed', method => 'GET', by => 'tag',
               connections => 32, duration => $d->{seconds});
    my %head = (%get, method => 'HEAD', connections => 1,
                user => 'bench:bench', duration => 3 * $d->{seconds});

    return {
        name => 'open', kind => 'rate', targets => ['ours'],
        title => 'GET of a manifest by tag, nobody asked who it is; '
                 . '32 connections',
        server => { workers => 1 }, store => 'pull',
        loads => [['open', '', 'request', { %get, user => 'bench:bench' }]],
    }, {
        name => 'login', kind => 'rate', targets => ['ours'],
        title => 'the same with a password, bcrypt of cost 10',
        server => { workers => 1, login => 1 }, store => 'pull',
        loads => [['login', '', 'request', {
            %get, user => 'bench:bench' }]],
    }, {
        name => 'guess', kind => 'rate', targets => ['ours'],
        title => 'HEAD of a manifest with a password; 1 connection',
        server => { workers => 1, login => 1 }, store => 'pull',
        loads => [
            ['guess-none', 'quiet', 'request', \%head],
            ['guess-50', 'while 50 clients guess passwords', 'request', {
                %head, guesses => 50 }],
        ],
    };
}


sub lists {
    my ($d, $hold) = @_;

    my @targets = $hold ? 'ours' : qw(ours d3 d2);
    my %server = $hold ? (workers => 1) : ();
    my $name = $hold ? 'hold-' : '';
    my @probe = $hold ? (probe => '') : ();
    my $tags = '/v2/tags/tags/list?n=100';
    my $kind = $hold ? 'hold' : 'rate';

    my %page = (@probe, duration => $d->{seconds},
                $hold ? (connections => 4) : ());

    return {
        name => "${name}tags", kind => $kind, targets => [@targets],
        title => "pages of 100 of $d->{tags} tags", server => \%server,
        store => 'tags',
        loads => [
            ["${name}tags-cold", 'first page after the start', 'list', {
                @probe, path => $tags, strings => 3, count => 1 }],
            ["${name}tags-page", 'once warm', 'list', {
                %page, path => $tags, strings => 3 }],
            ["${name}tags-middle", 'from the middle', 'list', {
                %page, strings => 3,
                path => sprintf('%s&last=v%06d', $tags, $d->{tags} / 2) }],
            ["${name}tags-change", 'PUT of a new tag, then its page', 'list', {
                @probe, path => $tags, strings => 3, repo => 'tags',
                count => $d->{changes}, change => '' }],
        ],
    }, {
        name => "${name}catalogue", kind => $kind, targets => [@targets],
        title => "pages of $d->{repos} repositories", server => \%server,
        store => 'repos',
        loads => [
            ["${name}catalogue-cold", 'first page of 100 after the start',
             'list', {
                @probe, path => '/v2/_catalog?n=100', strings => 1,
                count => 1 }],
            ["${name}catalogue-page", 'page of 100 once warm', 'list', {
                %page, path => '/v2/_catalog?n=100', strings => 1,
                expect => 100 }],
            ["${name}catalogue-10000", 'page of 10,000', 'list', {
                %page, path => '/v2/_catalog?n=10000', strings => 1,
                expect => $d->{repos} < 10_000 ? $d->{repos} : 10_000 }],
            ["${name}catalogue-change", 'a new repository, then its page',
             'list', {
                @probe, path => '/v2/_catalog?n=100', strings => 1, repo => '-',
                count => $d->{changes}, change => '' }],
        ],
    };
}


# How long the event loop is held by other work on the same single worker.

sub holds {
    my ($d) = @_;

    my %server = (workers => 1);

    return {
        name => 'hold-pull', kind => 'hold', targets => ['ours', 'nginx'],
        title => 'reads', server => \%server, store => 'pull',
        loads => [
            ['hold-ping', 'GET /v2/', 'ping', {
                probe => '', duration => $d->{seconds} }],
            ['hold-pull', 'pulls of a large blob', 'pull-blob', {
                repo => 'big', seed => 'seed', size => $d->{blob},
                count => 4, connections => 2, probe => '' }],
            ['hold-images', 'pulls of small images', 'pull-image', {
                repo => 'img', seed => 'seed', connections => 8, probe => '',
                duration => $d->{seconds} }],
        ],
    }, {
        name => 'hold-push', kind => 'hold', targets => ['ours', 'nginx'],
        title => 'writes', server => \%server, store => 'new',
        loads => [
            ['hold-push', 'push of a large blob', 'push-blob', {
                repo => 'big', size => $d->{blob}, count => 1, probe => '' }],
            ['hold-push-image', 'pushes of small images', 'push-image', {
                repo => 'img', connections => 8, count => $d->{images},
                probe => '' }],
            ['hold-uploads', '500 slow uploads', 'uploads', {
                connections => 500, size => '8k', pieces => $d->{pieces},
                interval => 0.25, probe => '' }],
        ],
    };
}


sub select_by_name {
    my ($quick, @names) = @_;

    my @all = table($quick);

    return @all unless @names;

    my %want;

    for my $name (@names) {
        my @hits = grep { $_->{name} eq $name } @all;

        @hits = grep { index($_->{name}, $name) == 0 } @all unless @hits;
        die "bench: no workload \"$name\"; bench/run --list names them\n"
            unless @hits;
        $want{$_->{name}} = 1 for @hits;
    }

    return grep { $want{$_->{name}} } @all;
}


# Makes the stores that the workloads need.

sub seed {
    my ($dir, $quick, @work) = @_;

    my $d = $data{$quick ? 'quick' : 'full'};
    my %need = map { $_ => 1 }
        map { ($_->{store} // (), $_->{needs} // ()) } @work;

    Bench::Servers::make_certificate($dir);

    my $make = sub {
        my ($what, $command, %options) = @_;

        Bench::Machine::progress("making $what");

        my $r = Bench::Machine::load($command, %options);

        die "making $what: $r->{failed}\n" if $r->{failed};

        return $r;
    };

    if ($need{pull}) {
        my %store = (root => "$dir/pull", mirror => "$dir/mirror",
                     seed => 'seed');

        $d->{digest} = $make->('a large blob', 'seed-blob', %store,
                               repo => 'big', size => $d->{blob})->{digest};
        $make->('images', 'seed-images', %store, repo => 'img');
    }

    $make->('images of ordinary layers', 'seed-images',
            root => "$dir/layers", seed => 'seed', repo => 'layers',
            size => $Bench::Seen::layer, images => 10) if $need{layers};

    $make->("$d->{tags} tags", 'seed-tags', root => "$dir/tags",
            repo => 'tags', count => $d->{tags}) if $need{tags};

    $make->("$d->{repos} repositories", 'seed-repos', root => "$dir/repos",
            count => $d->{repos}) if $need{repos};

    $d->{mirrored} = "$dir/mirror/v2/big/blobs/$d->{digest}" if $d->{digest};
    Bench::Machine::command('sync', '-f', $dir);
}


sub run {
    my ($w, $dir, $targets, $round, $rounds) = @_;

    my @results;

    return if $w->{once} && $round > 1;

    for my $target (grep { $targets->{$_} } @{ $w->{targets} }) {

        Bench::Machine::progress("round $round of $rounds: $w->{name}, "
                                 . $targets->{$target}{title});

        my $how = $w->{run} // \&run_target;
        my @part = $how->($w, $dir, $target, $targets->{$target});

        push @results, map { { round => $round, target => $target, %$_ } }
            @part;
    }

    if ($w->{digest} && $targets->{nginx}) {
        my ($d) = grep { $_->{mirrored} } values %data;
        my $r;

        # the second time, when the file has been read before

        $r = Bench::Machine::load('exec', size => $d->{blob}, args => [
                 qw(openssl dgst -sha256), $d->{mirrored}]) for 1 .. 2;

        push @results, { round => $round, target => 'dgst',
                         row => $w->{name}, %$r };
    }

    if ($w->{files}) {
        my ($row, $title, $command, $options) = @{ $w->{loads}[0] };
        my $root = "$dir/old" . $removed++;

        push @results, { round => $round, target => 'files', row => $row,
            %{ Bench::Machine::load('sync-image', %$options,
                                    root => $root) } };
    }

    return @results;
}


sub run_target {
    my ($w, $dir, $target, $info) = @_;

    my %o = (workers => 'auto', %{ $w->{server} // {} });
    my $new = $w->{store} eq 'new';
    my $files = $target eq 'nginx';
    my @results;

    my $root = $new ? "$dir/new" : $files ? "$dir/mirror" : "$dir/$w->{store}";

    my $server = eval {
        Bench::Servers::start($target, $info, %o, root => $root,
                              certs => $dir, dir => $dir);
    };

    if (!$server) {
        die $@ if $@ =~ /^interrupted/;

        return map { { row => $_->[0], failed => $@ } } @{ $w->{loads} };
    }

    for my $load (@{ $w->{loads} }) {
        my ($row, $title, $command, $options) = @$load;

        my $r = Bench::Machine::load($command, %$options,
                                     url => $server->{url},
                                     pid => $server->{pid},
                                     $files ? (files => '') : (),
                                     $command eq 'push-blob'
                                     ? (root => $root) : ());

        push @results, { row => $row, %$r };
    }

    my $complaint = Bench::Servers::stop($server);

    $results[-1]{log} = $complaint if defined $complaint;

    # to be removed at the end: a file system without a journal makes new files
    # at great cost for minutes after many were removed

    if ($new) {
        rename $root, "$dir/old" . $removed++ or die "rename of $root: $!\n";
    }

    return @results;
}


1;

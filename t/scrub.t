#!/usr/bin/perl

# The scrub: registryctl scrub beside a server that serves, and registry_scrub
# within it. What is corrupt is taken out of service, and put back by a push.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(:flock);
use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Torture;

my $t = Test::Registry->new(location => 'registry_delete on;', ports => 1,
    servers => <<'EOF')->run;
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        open_file_cache max=1000;
        open_file_cache_valid 60s;
    }
}
EOF

my $root = $t->root;
my $open = $t->extra_port(1);
my $own = "$root/docker/registry/nginx";

configuration();
clean();
calls();
flipped();
cut_and_empty();
manifests();
irregular();
dry();
rates();
stopped();
at_work();
pushes();
background();
dates();
others();

# what open_file_cache holds is nginx's own

$t->restart;
finish($t);


sub flip {
    my ($d, $at) = @_;

    my $file = $t->blob_file($d);
    open my $fh, '+<:raw', $file or die "$file: $!\n";
    seek $fh, $at // 1, 0;
    read $fh, my $byte, 1;
    seek $fh, $at // 1, 0;
    print {$fh} chr(4 ^ ord $byte);
    close $fh or die "$file: $!\n";
}


sub is_lost {
    my ($uri, $code, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $port ($t->port, $open) {
        is_error($t->get($uri, port => $port), 404, $code, "$name: GET");
        is_error($t->head($uri, port => $port), 404, undef,
            "$name: HEAD agrees");
    }
}


sub scrub { return ctl('scrub', $root, @_) }


# What the directive takes.

sub configuration {
    my %lines = (
        'off' => undef, '64k' => undef, '10m' => undef,
        '1g interval=1d' => undef, '10m interval=1s' => undef,
        'on' => qr/needs bytes per second/, '1' => qr/needs bytes per second/,
        '63k' => qr/needs bytes per second/, '-1' => qr/needs bytes per/,
        '10m interval=' => qr/invalid interval/,
        '10m interval=0' => qr/invalid interval/,
        '10m every=1d' => qr/invalid parameter/, 'off interval=1d' => qr/off/,
        '1m; registry_scrub 2m' => qr/is duplicate/,
    );

    for my $line (sort keys %lines) {
        my $c = Test::Registry->new(location => "registry_scrub $line;");
        my ($rc, $said) = $c->check;
        if ($lines{$line}) {
            isnt($rc, 0, "registry_scrub $line: refused");
            like($said, $lines{$line}, 'with the reason');
        } else {
            is($rc, 0, "registry_scrub $line") or diag $said;
        }
    }
}


sub clean {
    $t->push_image('app', 'v1', layers => [ blob(300_000, 'a layer') ]);

    my $r = scrub();
    is_exit($r, 0, 'a clean store');
    is($r->{out}, '', 'has no finding');
    like($r->{err}, qr/\Aregistryctl: 3 blobs, \d+ bytes read; 0 corrupt, 0 unreadable; 0 were given a note of their size\n\z/,
        'and a summary');

    $r = scrub('--json');
    is_exit($r, 0, '--json');
    my $all = decode_json($r->{out});
    is_deeply($all->{findings}, [], 'no finding');
    is($all->{counts}{blobs}, 3, 'blobs are counted');
    is($all->{counts}{corrupt}, 0, 'what is corrupt is');
}


sub calls {
    my $empty = work_dir();
    my $r = ctl('scrub', $empty);
    is_exit($r, 3, 'no store');
    like($r->{err}, qr/: there is no registry's store: /, 'is told');
    ok(!-e "$empty/docker", 'and nothing is made there');
    make_path("$empty/docker/registry/v2");
    is_exit(ctl('scrub', $empty), 0, 'a store without anything');
    is_exit(ctl('scrub'), 2, 'no root');
    is_exit(ctl('scrub', $root, $root), 2, 'two of them');
    is_exit(scrub('--nose'), 2, 'no such option');
    is_exit(scrub('--rate', $_), 2, "--rate '$_'")
        for '', '0', 'm', '1x', '-1', '1.5m', '99999999999';
    is_exit(scrub(qw(--resume --dry-run)), 2, '--resume and --dry-run');
    is_exit(ctl('scrub', "$root/none"), 3, 'no such directory');
    is_exit(ctl('scrub', $t->error_log), 3, 'a file');
}


sub flipped {
    my $bytes = blob(300_000, 'flipped');
    my $d = $t->push_blob('app', $bytes);
    my $uri = "/v2/app/blobs/$d";

    for my $at (0, 150_000, 299_999) {
        is_whole($t->get($uri, port => $open), $bytes, 'a blob that is open');
        flip($d, $at);

        my $r = scrub();
        is_exit($r, 1, "F38 byte $at of a blob is another one");
        like($r->{out}, qr{\Acorrupt docker/registry/v2/blobs/\S+/data: has the digest sha256:\w+, and was moved to docker/registry/nginx/corrupt/\Q$d\E; push it again\n\z},
            'F38 one line tells it');
        is(-s "$own/corrupt/$d", 300_000, 'F38 it is kept');
        is_lost($uri, 'BLOB_UNKNOWN', 'F38 out of service');
        is_status($t->post("/v2/other/blobs/uploads/?mount=$d&from=app",
            body => ''), 202, 'F38 not mounted');
        is_error($t->push_manifest('app', 'v3', manifest(descriptor(
            'application/vnd.oci.image.config.v1+json', $bytes), [])), 404,
            'MANIFEST_BLOB_UNKNOWN', 'F38 nor referred to');
        is_exit(scrub(), 0, 'F38 another pass finds nothing');

        $t->push_blob('else/where', $bytes);
        for my $port ($t->port, $open) {
            is_whole($t->get($uri, port => $port), $bytes,
                'F38 the next push, wherever it goes, repairs it');
        }
    }

    $t->delete("/v2/else/where/blobs/$d");
}


# Of those that nobody noted the size of, as distribution does not.

sub cut_and_empty {
    my $bytes = blob(50_000, 'of somebody else');
    my $d = $t->push_blob('app', $bytes);
    my $file = $t->blob_file($d);

    for my $size (0, 1, 49_999, 50_001) {
        unlink $file or die $!;
        put_file($file, $bytes);
        truncate $file, $size or die $!;

        is_exit(scrub(), 1, "F39 $size bytes without a note");
        is_lost("/v2/app/blobs/$d", 'BLOB_UNKNOWN', 'F39 out of service');
        $t->push_blob('app', $bytes);
        is_whole($t->get("/v2/app/blobs/$d"), $bytes, 'F39 repaired');
    }

    unlink $file or die $!;
    put_file($file, $bytes);
    like(scrub()->{err}, qr/; 1 were given a note/, 'F39 a whole one is noted');
    truncate $file, 49_999 or die $!;
    is_lost("/v2/app/blobs/$d", 'BLOB_UNKNOWN',
        'F39 so that it is missed when it is cut');
    $t->push_blob('app', $bytes);
}


# Workers forget what they remember of it.

sub manifests {
    for my $pad (0, 50_000) {
        my $image = $t->push_image('m', 'v1', seed => "m $pad", more => {
            annotations => { pad => 'x' x $pad } });
        my $d = $image->{digest};
        my $uri = "/v2/m/manifests/$d";

        is_whole($t->get($uri), $image->{bytes}, 'a manifest');
        flip($d);
        is_exit(scrub(), 1, 'F38 a byte of it is another one');
        ok(wait_for(20, sub { $t->head($uri)->status == 404 }),
            'F38 it is forgotten');
        is_lost($uri, 'MANIFEST_UNKNOWN', 'F38 out of service');
        is_lost('/v2/m/manifests/v1', 'MANIFEST_UNKNOWN', 'F38 with its tag');
        is(join(' ', names_of($t->get('/v2/m/tags/list'), 'tags')), 'v1',
            'F38 which is listed');
        is_status($t->push_manifest('m', $d, $image->{bytes}), 201,
            'F38 pushing again');
        is_whole($t->get('/v2/m/manifests/v1'), $image->{bytes},
            'F38 repairs it');
    }
}


# What is no regular file is not read, not even opened for long; it is told.

sub irregular {
    my $d = $t->push_blob('app', blob(5000, 'irregular'));
    my $data = $t->blob_file($d) =~ s{\A\Q$root\E/}{}r;
    my $dir = $data =~ s{/data\z}{}r;
    my $two = $dir =~ s{/[^/]*\z}{}r;
    my $link = sub { rename $_[0], "$root/kept" or die;
        symlink "$root/kept", $_[0] or die };
    my $file = sub { rename $_[0], "$root/kept" or die;
        put_file($_[0], 'x') };
    my $empty = sub { rename $_[0], "$root/kept" or die;
        mkdir $_[0] or die };

    is_exit(scrub(), 0, 'nothing is wrong');
    for my $row ([ 'a symbolic link', $data, $link ],
        [ 'a FIFO', $data, sub { rename $_[0], "$root/kept" or die;
            mkfifo($_[0], 0644) or die } ],
        [ 'a directory', $data, $empty ],
        [ 'a link to its directory', $dir, $link, $data ],
        [ 'a file for its directory', $dir, $file, $data ],
        [ 'a link above', $two, $link ],
        [ 'a file above', $two, $file ])
    {
        my ($what, $at, $damage, $path) = @$row;
        $damage->("$root/$at");
        for my $dry ([], [ '--dry-run' ]) {
            my $r = scrub('--json', @$dry);
            is_exit($r, 1, "$what is found @$dry");
            my $all = decode_json($r->{out});
            is_deeply([ map { "$_->{code} $_->{path}" } @{ $all->{findings} } ],
                [ 'unreadable ' . ($path // $at) ], "$what is told");
            is($all->{counts}{unreadable}, 1, "$what is counted");
            is($all->{counts}{corrupt}, 0, "$what stays where it is");
        }
        -d "$root/$at" && !-l "$root/$at" ? rmdir "$root/$at"
            : unlink "$root/$at" or die;
        rename "$root/kept", "$root/$at" or die;
    }

    # what is wrong above all of them is told once
    my $all = 'docker/registry/v2/blobs';
    $link->("$root/$all");
    my $r = scrub('--json', '--dry-run');
    is_exit($r, 1, 'a link above all');
    is_deeply([ map { $_->{path} } @{ decode_json($r->{out})->{findings} } ],
        [ "$all/sha256", "$all/sha512" ], 'is told once for each algorithm');
    unlink "$root/$all" or die;
    rename "$root/kept", "$root/$all" or die;

    unlink "$root/$data" or die;
    is_exit(scrub(), 0, 'a directory without a blob is none');
    $t->push_blob('app', blob(5000, 'irregular'));
}


sub dry {
    my $d = $t->push_blob('app', blob(5000, 'dry'));
    flip($d);
    my $before = tree();

    my $r = scrub('--dry-run', '--json');
    is_exit($r, 1, 'a dry run');
    my $all = decode_json($r->{out});
    is($all->{findings}[0]{code}, 'corrupt-in-place', 'tells');
    is($all->{counts}{corrupt}, 1, 'and counts');
    is(tree(), $before, 'and changes nothing');

    is_exit(scrub(), 1, 'one that is not dry');
    $t->push_blob('app', blob(5000, 'dry'));
}


sub tree {
    my ($rc, $said) = run_command(20, 'find', $root, '-type', 'f', '-printf',
        '%p %i %s %T@ %C@\n');

    return join "\n", sort grep { !m{nginx/spare} } split /\n/, $said;
}


# No faster than it may; slower it may always be.

sub rates {
    $t->push_blob('app', blob(2 << 20, 'at a rate'));

    my $begin = time;
    is_exit(scrub(qw(--rate 1m)), 0, '--rate');
    cmp_ok(time - $begin, '>', 1.5, 'holds it back');
    is_exit(scrub(qw(-r 1g)), 0, '-r');
}


# Ctrl-C, and on from there.

sub stopped {
    my $size = 8 << 20;
    $t->push_blob('app', blob($size, 'to be stopped in'));
    my $whole = decode_json(scrub('--json')->{out})->{counts};
    my $place = "$own/scrub-now";
    my $began = sub { (file_text($place) =~ /^(began \d+)$/m)[0] };

    for my $signal (qw(INT KILL)) {
        unlink $place, "$own/scrub.done";
        my $run = ctl_begin('scrub', $root, qw(--rate 512k));

        # until it has kept its place in the large one
        ok(wait_for(30, sub { (file_text($place) // '') =~ /^in /m }),
            'it keeps its place');
        is_exit(scrub(), 3, 'there is one at a time');
        is_exit(scrub('--dry-run'), 0, 'dry ones apart');
        kill $signal, $run->{pid};
        my $r = ctl_end($run);
        is_exit($r, $signal eq 'KILL' ? 'signal 9' : 3, "stopped by $signal");
        like($r->{err}, qr/stopped before the end; --resume goes on/,
            'says how to go on') if $signal ne 'KILL';
        ok(!-e "$own/scrub.done", 'what was stopped is not noted as done');

        my $first = $began->();
        $r = scrub(qw(--resume --json));
        is_exit($r, 0, '--resume');
        ok(-e "$own/scrub.done", 'what came to its end is');
        my $c = decode_json($r->{out})->{counts};
        is($c->{blobs}, $whole->{blobs}, 'looks at the rest');
        is($c->{bytes}, $whole->{bytes}, 'reads no byte twice')
            if $signal ne 'KILL';
        is($began->(), $first, 'it is the same pass');
    }

    my $run = ctl_begin('scrub', $root, qw(--rate 512k));
    ok(wait_for(30, sub { (file_text($place) // '') =~ /^in /m }),
        'another one keeps its place');
    kill 'INT', $run->{pid};
    ctl_end($run);
    my $first = $began->();
    is_exit(scrub(), 0, 'without --resume');
    isnt($began->(), $first, 'it is a new pass');

    is_exit(scrub('--resume'), 0, 'where there is nothing to resume');
}


# What a person sees who waits.

sub at_work {
    my $r = at_terminal([], 'scrub', $root, qw(--rate 4m));
    is($r->{rc}, 0, 'at a terminal');
    like($r->{screen}, qr/\r\e\[K\d+\.\d %, \d+ blobs, \S+, \S+\/s, 0 corrupt \.\.\./,
        'a progress is drawn');
    like($r->{screen}, qr/\r\e\[Kregistryctl: \d+ blobs, .*\n\z/,
        'and gone at the end');
    unlike(scrub()->{err}, qr/\e/, 'not without one');
}


# The same digests are corrupted, scrubbed and pushed all the time: whoever was
# told 201 finds it, unless it was corrupted again after that.

sub pushes {
    my @blobs = map { blob(2000, "pushes $_") } 0 .. 7;
    my ($bad, $rounds, $moved) = ('', 0, 0);
    my $end = time + torture(5);

    while (time < $end) {
        $t->push_blob('busy', $_) for @blobs;
        my @wrong = grep { rand() < 0.5 } @blobs;
        flip(sha256($_)) for @wrong;

        my $run = ctl_begin('scrub', $root, '--json');
        $t->push_blob('busy', $_) for @wrong;
        my $all = decode_json(ctl_end($run)->{out});
        $moved += @{ $all->{findings} };

        for my $bytes (@blobs) {
            my $r = $t->get('/v2/busy/blobs/' . sha256($bytes));
            $bad .= $r->as_text if $r->body ne $bytes;
        }
        $rounds++;
    }

    is($bad, '', 'F38 what was pushed again stays');
    cmp_ok($rounds, '>', 0, 'rounds');
    figure('rounds of pushes against a scrub', $rounds);
    figure('corrupt blobs that it took away', $moved);
}


# Within nginx, across a reload and a restart.

sub background {
    my $s = Test::Registry->new(location => 'registry_scrub 1g interval=1s;')
        ->run;
    my $image = $s->push_image('app', 'v1', layers => [ blob(400_000, 'x') ]);
    my $layer = sha256($image->{layers}[0]);

    is_whole($s->get("/v2/app/manifests/v1"), $image->{bytes}, 'an image');

    for my $d ($layer, $image->{digest}) {
        my $uri = $d eq $layer ? "/v2/app/blobs/$d" : "/v2/app/manifests/$d";
        my $file = $s->blob_file($d);
        open my $fh, '+<:raw', $file or die $!;
        print {$fh} '#';
        close $fh or die $!;

        ok(wait_for(30, sub { $s->head($uri)->status == 404 }),
            'F38 found in the background');
        ok(wait_for(30, sub { $s->log_text =~ /\[crit\] .*scrub found corrupt: "\S+" has the digest sha256:\w+, and was moved to \S+\Q$d\E/ }),
            'F38 and told');
        is_error($s->get($uri), 404, undef, 'F38 out of service');

        if ($d eq $layer) {
            $s->push_blob('app', $image->{layers}[0]);
        } else {
            $s->push_manifest('app', 'v1', $image->{bytes});
        }
        is_status($s->head($uri), 200, 'F38 pushed again it is back');
    }

    ok(wait_for(30, sub { $s->log_text =~ /scrub of "\S+" ended after \d+ s: 3 blobs, \d+ bytes read, [01] corrupt, 0 unreadable/ }),
        'a pass ends with its figures');
    $s->finish;

    # a slow one goes on where it was

    $s = Test::Registry->new(location => 'registry_scrub 64k;')->run;
    $s->push_blob('app', blob(4 << 20, 'slow'));
    my $place = $s->root . '/docker/registry/nginx/scrub';
    unlink $place;
    $s->restart;
    ok(wait_for(60, sub { (file_text($place) // '') =~ /^in /m }),
        'its place is kept');
    my ($began) = file_text($place) =~ /^(began \d+)$/m;

    for my $how (qw(restart reload)) {
        $s->$how;
        my $was = (stat $place)[9];
        ok(wait_for(60, sub { (stat $place)[9] > $was }),
            "it goes on after a $how");
        like(file_text($place), qr/^\Q$began\E$/m, 'and begins no other pass');
    }
    unlike($s->log_text, qr/cannot go on/, 'two managers are no error');
    $s->finish;
}


# Across a restart a pass is due when it was, unless its date is of a clock that
# was wrong.

sub dates {
    my $s = Test::Registry->new(location => 'registry_scrub 1g interval=1d;');
    my $place = $s->root . '/docker/registry/nginx/scrub';
    my $begun = sub { () = $s->log_text =~ /scrub of "\S+" begins/g };
    my $ended = sub { () = $s->log_text =~ /scrub of "\S+" ended after/g };

    $s->run->push_blob('app', 'a blob');
    ok(wait_for(60, sub { $ended->() == 1 }), 'a pass');

    for my $row ([-3600, 1, 'not due'], [-90_000, 2, 'due'],
        [86_400 * 400, 3, 'of a year to come'])
    {
        my ($ago, $passes, $name) = @$row;
        my $began = int(time) + $ago;

        $s->stop or die "$s->{stop_text}\n";
        my ($text) = file_text($place) =~ /\A(.*^)sum /ms;
        $text =~ s/^began \d+$/began $began/m;
        open my $fh, '+<', $place or die "$place: $!\n";
        print {$fh} $text, 'sum ', sha256($text), "\n";
        close $fh or die "$place: $!\n";
        $s->run;

        # the place is held by who has decided
        ok(wait_for(60, sub {
            open my $held, '<', $place or die "$place: $!\n";
            return !flock($held, LOCK_EX | LOCK_NB);
        }), "nginx looks at a pass that is $name");
        ok(wait_for(60, sub { $ended->() >= $passes }), 'what is due is done');
        is($begun->(), $passes, 'and no more, nor before');
    }

    $s->finish;
}


# A server of its own on the same store goes on while the command is at it, and
# what root does is not closed to the workers.

sub others {
    SKIP: {
        skip_tests('needs root', 4) if $> != 0;

        my $s = Test::Registry->new(user => 'nobody',
            location => 'registry_scrub 1g interval=1s;')->run;
        my $bytes = blob(3000, 'others');
        my $d = $s->push_blob('app', $bytes);

        for my $round (1, 2) {
            my $file = $s->blob_file($d);
            open my $fh, '+<:raw', $file or die $!;
            print {$fh} '#';
            close $fh;
            ctl('scrub', $s->root) if $round == 1;
            ok(wait_for(30, sub {
                $s->head("/v2/app/blobs/$d")->status == 404 }),
                "taken away, round $round");
            $s->push_blob('app', $bytes);
            is_whole($s->get("/v2/app/blobs/$d"), $bytes, 'put back');
        }
        unlike($s->log_text, qr/cannot go on|could not be moved/,
            'nothing is in the way');
        $s->finish;
    }
}

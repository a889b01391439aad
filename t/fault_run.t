#!/usr/bin/perl

# The run of the tests itself, with a tree in which nothing is built: what is
# ended takes along all that it began, and nothing that failed is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;

use Test::Registry;
use Test::Registry::Files;

need_root(20);

my $top = "$FindBin::Bin/..";
my $tree = tempdir('registry-run-XXXXXX', TMPDIR => 1, CLEANUP => 1);

make_path("$tree/ci", "$tree/build", map { "$tree/$_" } qw(src t bench));
copy("$top/ci/$_", "$tree/ci/$_") or die "ci/$_: $!\n"
    for qw(test.sh lib.sh tap.pl);
spew("$tree/ci/$_", "exit 0\n") for qw(deps.sh module.sh tools.sh);
spew("$tree/ci/examples.sh", "echo ok 1\necho 1..1\n");
spew("$tree/Makefile", "registryctl unit-programs:\n");
spew("$tree/quick.t", "print qq(1..1\\nok 1\\n)");
spew("$tree/slow.t", <<'END');
$| = 1;
open my $fh, '>', "$ENV{TOLD}.new" or die;
print {$fh} $$;
close $fh;
rename "$ENV{TOLD}.new", $ENV{TOLD} or die;
sleep 600;
END

$ENV{TOLD} = "$tree/pid";
delete @ENV{qw(BUILD CI TESTS TEST_VERBOSE)};

ended();
beside();
not_built();
analysed();
no_score();
full();

done_testing();


# By a signal to the first process alone, whichever, and by none it can hear of.

sub ended {
    for my $signal (qw(TERM KILL)) {
        my ($run, $pid) = begun();

        my ($rc, $said) = stages('api');
        isnt($rc, 0, 'no other run where there is one');
        like($said, qr/running in .* already/, 'and it says so');

        kill $signal, $run;
        reap($run, 10);
        ok(wait_for(20, sub { !alive($pid) }), "$signal ends the tests, too")
            or kill 'TERM', $pid;

        my $analyser = slurp("$tree/analyser");
        ok(wait_for(20, sub { !alive($analyser) }), 'and what is beside them')
            or kill 'TERM', $analyser;
    }
}


sub begun {
    unlink $ENV{TOLD}, "$tree/analyser";
    spew("$tree/ci/analyse.sh", <<'END');
cd "${TOLD%/*}"
echo $$ >analyser.new
mv analyser.new analyser
exec sleep 600
END

    my $run = fork;
    die "fork: $!\n" if !defined $run;

    if (!$run) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$tree/said";
        open STDERR, '>&', \*STDOUT;
        $ENV{TESTS} = "$tree/slow.t";
        exec 'sh', "$tree/ci/test.sh", qw(beside api analyse)
            or POSIX::_exit(127);
    }

    wait_for(60, sub { -e $ENV{TOLD} && -e "$tree/analyser" })
        or die slurp("$tree/said");
    return ($run, slurp($ENV{TOLD}));
}


# The exit code, and what was said.

sub stages {
    local $ENV{TESTS} = "$tree/quick.t";
    return run_command(120, 'sh', "$tree/ci/test.sh", @_);
}


# What runs beside the tests comes to its end there, and is told in its place.

sub beside {
    unlink $ENV{TOLD};
    spew("$tree/ci/analyse.sh", <<'END');
until [ -e "$TOLD" ]; do sleep 0.1; done
echo a fault
exit 1
END
    spew("$tree/ci/matrix.sh", 'echo "$@" >>"${TOLD%/*}/matrix"' . "\n");
    spew("$tree/slow.t", slurp("$tree/slow.t")
        =~ s/sleep 600/print qq(1..1\nok 1\n)/r);

    local $ENV{TESTS} = "$tree/slow.t";
    my ($rc, $said) = run_command(120, 'sh', "$tree/ci/test.sh",
        qw(beside api analyse matrix));

    isnt($rc, 0, 'what was found beside the tests is a failure');
    like($said, qr/slow\.t .*ok(?:.*\n)*^==> analyse\na fault\nnot ok - /m,
        'told in its place');
    like(slurp("$tree/matrix"), qr/\A--prepare (.+)\n--quick .* \1\n\z/,
        'the suites that are tested were prepared');
}


sub not_built {
    spew("$tree/ci/module.sh", "exit 1\n");
    my ($rc, $said) = stages(qw(lint unit));

    isnt($rc, 0, 'a module that cannot be built is a failure');
    like($said, qr/^==> unit\n(?:.*\n)*^\d+ passed, \d+ failed/m,
        'and not the end of the run');
    spew("$tree/ci/module.sh", "exit 0\n");
}


# A tool that sees one fault, and dies over the next file, has not looked there.

sub analysed {
    make_path("$tree/bin", "$tree/src/cli", "$tree/src/core/base");
    copy("$top/ci/analyse.sh", "$tree/ci/analyse.sh") or die;
    spew("$tree/ci/analyse.known", '');
    spew("$tree/src/core/sources", "src/core/base/one.c\n");

    for my $tool (qw(gcc clang-tidy cppcheck)) {
        spew("$tree/bin/$tool", <<'END');
#!/bin/sh
echo 'src/canary.c:1:1: warning: a fault [a-fault]'
case "$0 $*" in *$DIES*/one.c*) kill -KILL $$ ;; esac
END
        chmod 0755, "$tree/bin/$tool";
    }

    local $ENV{PATH} = "$tree/bin:$ENV{PATH}";
    for my $dies (qw(gcc clang-tidy)) {
        local $ENV{DIES} = "/$dies ";
        isnt((stages('analyse'))[0], 0, "$dies that died has not looked everywhere");
    }

    local $ENV{DIES} = 'none';
    my ($rc, $said) = stages('analyse');
    is($rc, 0, 'a tool that looked everywhere has') or diag($said);
}


sub no_score {
    copy("$tree/ci/tap.pl", "$tree/tap.kept") or die;
    spew("$tree/ci/tap.pl", "kill 'KILL', \$\$; sleep 60;\n");
    my ($rc, $said) = stages('api');

    isnt($rc, 0, 'tests that come to no end have failed');
    like($said, qr/^  the registry end with a score, not with .* 137: 1 failed/m,
        'by their name');
    copy("$tree/tap.kept", "$tree/ci/tap.pl") or die;
}


# The failure of what filled the disk has no room in the tally.

sub full {
    spew("$tree/ci/module.sh", <<'END');
echo full >&2
while echo 1 0 0 filler; do :; done >>"$(dirname "$0")/../build/tally" \
    2>/dev/null
exit 1
END

    my ($rc, $said) = run_command(120, 'unshare', '--mount', 'sh', '-c',
        'mount -t tmpfs -o size=16k tmpfs "$1/build" && sh "$1/ci/test.sh" build',
        'sh', $tree);

    like($said, qr/^full\n(?:.*\n)*^not ok - module/m, 'a disk was full');
    isnt($rc, 0, 'and what failed then is not forgotten');
}

#!/usr/bin/perl

# What registryctl --help says is what the manual page, the reference and the
# completion say.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Registry;
use Test::Registry::Command;

my $top = "$FindBin::Bin/..";
my $dir = work_dir();

my $first = ctl('--help');
is_exit($first, 0, 'help');
is($first->{err}, '', 'is what was asked for');
my @groups = $first->{out} =~ /^  ([\w-]+)  /mg;
cmp_ok(scalar @groups, '>=', 3, 'groups');

my %calls = map { %{ from_help($_) } } @groups;
cmp_ok(scalar keys %calls, '>=', 10, 'commands');

full();
version();
widths();
help_of_one();
reference();
manual();
completion();

done_testing();


# What could not be printed was not.

sub full {
    for my $call (['--version'], ['--help'], ['help', $groups[0]]) {
        my $r = ctl({ stdout => '/dev/full' }, @$call);
        is_exit($r, 3, "@$call to a full disk");
        like($r->{err}, qr/standard output: No space/, 'is told');
    }
}


# One version, wherever it is told.

sub version {
    my ($want) = slurp('src/core/base/reg_version.h')
        =~ /REG_VERSION +"([\d.]+)"/;
    my $r = ctl('--version');
    is_exit($r, 0, '--version');
    is($r->{out}, "registryctl $want\n", 'is that of the source');
    my $minor = $want =~ s/\.\d+\z//r;
    like(slurp('docs/directives.md'), qr/\bversion \Q$minor\E\.\n/,
        'and of the reference');
}


sub slurp { return file_text("$top/$_[0]") // die "no $_[0]\n" }

sub one_line { my $s = shift; $s =~ s/\s+/ /g; $s =~ s/\A | \z//g; return $s }


# { "user add" => { usage => "registryctl user add FILE ...", options => [
# "-C, --cost COST", ... ], bare => [ "--cost", ... ] } }

sub from_help {
    my ($group) = @_;

    my $text = ctl($group, '--help')->{out};
    my %all;

    # the usage, its further lines, and the lines below
    my $usage = qr/^\ {2}(registryctl\ $group(?:\ ([a-z]\w*))?\ .*
        (?:\n\ {6}[-\[].*)*)\n
        (?:\n(?:\S.*\n)+\n)?/mx;         # the text of a group's only command

    while ($text =~ /$usage((?: {6}.*\n)*)/g) {
        my ($usage, $rest) = (one_line($1), $3);
        my $name = defined $2 ? "$group $2" : $group;
        next if $all{$name};                    # an example further down
        my @options = $rest
            =~ /^ {6}((?:-\w, )?--[\w-]+(?: \S+)?)(?= {2,}|$)/mg;

        $all{$name} = {
            usage => $usage,
            options => \@options,
            bare => [ map { /(--[\w-]+)/ } @options ]
        };
    }

    return \%all;
}


sub widths {
    for my $call ([], map { [$_] } @groups) {
        my $text = ctl(@$call, '--help')->{out};
        is(scalar(grep { length > 79 } split /\n/, $text), 0,
            "@$call --help fits a terminal");
        unlike($text, qr/ $/m, 'without blanks at line ends');
    }
}


# All the ways to ask for it.

sub help_of_one {
    for my $name (sort keys %calls) {
        my $c = $calls{$name};
        my $r = ctl(split(/ /, $name), '--help');
        is_exit($r, 0, "$name --help");
        like(one_line($r->{out}), qr/\AUsage: \Q$c->{usage}\E /, 'its usage');
        is_deeply([ $r->{out} =~ /^ {6}((?:-\w, )?--[\w-]+(?: \S+)?)(?= {2,}|$)/mg
            ], $c->{options}, 'its options');
        is(ctl('help', split / /, $name)->{out}, $r->{out}, "help $name");

        my @said = $c->{usage} =~ /(--[\w-]+)/g;
        is_deeply(\@said, $c->{bare}, 'usage and options are the same');
    }

    is(ctl('help')->{out}, $first->{out}, 'help');
    is(ctl('-h')->{out}, $first->{out}, '-h');
    is(ctl('help', $_)->{out}, ctl($_, '--help')->{out}, "help $_")
        for @groups;
}


sub reference {
    my $text = slurp('docs/registryctl.md');
    my %known;

    my $heading = qr/^\#\#(?:\#\ (\w+\ \w+)|\ ([\w-]+))\n\n\ {4}/mx;

    while ($text =~ /$heading(.*?)\n(.*?)(?=^#|\z)/msg) {
        my ($name, $usage, $rest) = ($1 // $2, $3, $4);
        $known{$name} = 1;
        my $c = $calls{$name};
        ok($c, "reference: $name is a command") or next;
        is($usage, $c->{usage}, "reference: usage of $name");
        is_deeply([ $rest =~ /^- `([^`]+)`/mg ], $c->{options},
            "reference: options of $name");
    }

    ok($known{$_}, "reference: $_ is there") for sort keys %calls;
    ok($text =~ /^## $_$/m, "reference: group $_") for @groups;
    like(slurp('README.md'), qr/docs\/registryctl\.md/,
        'the README leads there');
}


sub manual {
    my $text = slurp('docs/registryctl.1');
    $text =~ s/\\-/-/g;
    my %known;

    while ($text =~ /^\.SS ([\w-]+(?: \w+)?)\n\.nf\n(.*?)\.fi\n(.*?)(?=^\.S[SH]|\z)/msg)
    {
        my ($name, $usage, $rest) = ($1, $2, $3);
        $known{$name} = 1;
        my $c = $calls{$name};
        ok($c, "manual: $name is a command") or next;
        is(one_line($usage), $c->{usage}, "manual: usage of $name");
        is_deeply([ $rest =~ /^\.TP\n\.B (.*)$/mg ], $c->{options},
            "manual: options of $name");
    }

    ok($known{$_}, "manual: $_ is there") for sort keys %calls;

    # whichever is there has nothing to complain about
    my ($rc, $said) = run_command(30, 'sh', '-c',
        'if command -v mandoc >/dev/null; then mandoc -Tlint -Wwarning "$1";'
        . ' elif command -v groff >/dev/null; then'
        . ' groff -man -ww -b -z "$1"; else exit 77; fi', 'sh',
        "$top/docs/registryctl.1");
    SKIP: {
        skip_tests('neither mandoc nor groff here', 1) if $rc == 77;
        is($said, '', 'manual: no warning');
    }
}


# What bash offers at the end of a line.

sub offered {
    my ($r, $said) = run_command(30, 'bash', '-c', <<'END', 'bash',
PATH=$1:$PATH; . "$2"; shift 2
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_registryctl; printf '%s\n' "${COMPREPLY[@]}"
END
        "$dir", "$top/src/cli/registryctl.bash", 'registryctl', @_);
    return [ grep { length } split /\n/, $said ];
}


sub completion {
    symlink registryctl(), "$dir/registryctl";

    is_deeply(offered(''), [ @groups, 'help', '--help', '--version' ],
        'bash: groups');
    is_deeply(offered('to'), ['token'], 'bash: one of them');
    is_deeply(offered('help', ''), \@groups, 'bash: help of groups');

    for my $group (grep { !$calls{$_} } @groups) {
        is_deeply([ sort @{ offered($group, '') } ],
            [ sort '--help', map { /\A$group (\w+)/ } keys %calls ],
            "bash: commands of $group");
    }

    for my $name (sort keys %calls) {
        is_deeply([ sort @{ offered(split(/ /, $name), '-') } ],
            [ sort '--help', @{ $calls{$name}{bare} } ],
            "bash: options of $name");

        for my $option (@{ $calls{$name}{options} }) {
            my ($bare, $value) = $option =~ /(--[\w-]+)( \S+)?/;
            my $all = offered(split(/ /, $name), $bare, '-');
            is(scalar(grep { $_ eq '--help' } @$all), defined $value ? 0 : 1,
                "bash: $name $bare" . ($value // ''));
        }
    }

    put_file("$dir/users", '');
    ctl({ stdin => 'x' }, qw(user add --stdin -C4), "$dir/users", $_)
        for qw(ann anders bob);
    is_deeply(offered(qw(user remove), "$dir/use"), ["$dir/users"],
        'bash: a file');
    is_deeply(offered(qw(user passwd -C 4), "$dir/users", 'an'),
        [ qw(ann anders) ], 'bash: names in it');
    is_deeply(offered(qw(user add), "$dir/users", ''), [],
        'bash: but no new name');
    is_deeply(offered(qw(key rotate --algorithm E)), [ qw(ES256 EdDSA) ],
        'bash: a value');
    is_deeply(offered('audit', "$dir/use"), ["$dir/users"],
        'bash: the operand of a group that is a command');
    mkdir "$dir/store" or die;
    mkdir "$dir/store/$_" or die "$_: $!\n" for 'docker', 'docker/registry',
        map { "docker/registry/v2$_" } '', '/repositories',
            map { ("/repositories/$_", "/repositories/$_/_manifests") }
                qw(app base);
    is_deeply(offered('inspect', "$dir/store", 'a'), ['app'],
        'bash: repositories of a store');
    is_deeply(offered(qw(nose add), ''), [], 'bash: no such group');
    is_deeply(offered(qw(user eat), ''), [], 'bash: no such command');
}

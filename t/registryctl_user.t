#!/usr/bin/perl

# registryctl user: the password file, and how any file is edited (links, line
# ends, owners, two editors at once, editors that are killed).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;

use Test::Registry;
use Test::Registry::Command;
use Test::Registry::Trace;

my $dir = work_dir();
my $file = "$dir/htpasswd";

# setxattr(), getxattr() and removexattr() of the kernel

my @xattr = (POSIX::uname())[4] eq 'x86_64' ? (188, 191, 197) : (5, 8, 14);
my ($made, $has) = ('system.posix_acl_default', 'system.posix_acl_access');

add();
passwd();
removed();
checked();
listed();
names();
passwords();
terminal();
usage();
line_ends();
links();
owners();
directories();
together();
killed();
order();
apache();

done_testing();


sub user {
    my ($command, $name, $password, @options) = @_;
    return ctl({ stdin => $password }, 'user', $command, '--stdin', @options,
        $file, $name);
}


sub right { return ctl({ stdin => $_[1] }, qw(user check --stdin), $file,
    $_[0])->{rc} }


sub add {
    my $r = user('add', 'ann', "secret\n");
    is_exit($r, 0, 'a user is added to a file that was not there');
    is($r->{out}, '', 'nothing on standard output');
    like($r->{err}, qr/made .*0640/, 'it says that the file is new');
    unlike($r->{err}, qr/secret/, 'and not the password');
    like(file_text($file), qr/\Aann:\$2y\$10\$[.\/\w]{53}\n\z/,
        'one line, bcrypt, cost 10');
    is(mode_of($file), '0640', 'a new file has mode 0640');
    is(beside($dir, 'htpasswd'), '', 'nothing is left beside it');

    my $before = file_text($file);
    is_exit(user('add', 'ann', 'other'), 1, 'nobody is added twice');
    is(file_text($file), $before, 'the file is as it was');

    $r = user('add', 'bob', 'b', '-C', 5);
    is_exit($r, 0, 'a second user');
    unlike($r->{err}, qr/made/, 'the file is not new any more');
    like(file_text($file), qr/\A\Q$before\Ebob:\$2y\$05\$/,
        'behind the first one, with a cost of his own');

    is_exit(user('add', 'cat', 'c', '--cost=15'), 0, 'a high cost');
    isnt(user('add', 'dan', 'd', '-C15')->{err} =~ /registry_htpasswd_max_cost/,
        '', 'with a note that the server has to be told');
}


sub passwd {
    put_file($file, "# ours\n\nann:x:Ann Lee: staff\nbob:y\n");

    is_exit(user('passwd', 'ann', 'new', '-C4'), 0, 'another password');
    like(file_text($file),
        qr/\A# ours\n\nann:\$2y\$04\$[.\/\w]{53}:Ann Lee: staff\nbob:y\n\z/,
        'all the rest stays, the note behind the hash too');
    is(right('ann', 'new'), 0, 'it is right');
    is_exit(user('passwd', 'eve', 'new'), 1, 'nobody gets none');
    is(right('ann', 'new'), 0, 'which changes nothing');
}


sub removed {
    put_file($file, "# ann:\nann:1\nbob:2\n  ann:3\nANN:4\nann:5");

    is_exit(ctl(qw(user remove), $file, 'ann'), 0, 'a user is removed');
    is(file_text($file), "# ann:\nbob:2\nANN:4\n", 'from all of his lines');
    is_exit(ctl(qw(user remove), $file, 'ann'), 1, 'but once only');
    is_exit(ctl(qw(user remove), "$dir/none", 'ann'), 1,
        'nor from a file that is not there');
    ok(!-e "$dir/none", 'which is not made for that');
}


sub checked {
    put_file($file, '');
    user('add', 'ann', 'pass word', '-C4');

    is(right('ann', 'pass word'), 0, 'the right password');
    is(right('ann', "pass word\n"), 0, 'with a line end');
    is(right('ann', "pass word\r\n"), 0, 'with another');
    is(right('ann', "pass word\n\n"), 2, 'with two of them it is none');
    is(right('ann', 'pass word '), 1, 'a wrong one');
    is(right('bob', 'pass word'), 1, 'somebody else');

    my $r = ctl({ stdin => 'x' }, qw(user check --stdin), "$dir/none", 'ann');
    is_exit($r, 3, 'a file that is not there');
    like($r->{err}, qr/\Q$dir\E\/none.*No such file/, 'is named');
}


sub listed {
    put_file($file, "ann:\$2y\$04\$ds8YtnyHnAqzOWpgZvUfI.njOdhz.Aaq7HRiViJ4OQj"
        . "5VSIwQ8g9i:note\n# no\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
        . "secretpassword\ns\xc3\xb6ren:!\nann:x\n");

    my $r = ctl(qw(user list), $file);
    is_exit($r, 0, 'users are listed');
    my @lines = split /\n/, $r->{out};
    is(scalar @lines, 5, 'a line each, and a heading');
    like($lines[0], qr/\ANAME +HASH +STATE\z/, 'the heading');
    like($lines[1], qr/\Aann +bcrypt, cost 4 +usable\z/, 'one who can log in');
    like($lines[2], qr/\Abob +sha1 +unusable: .*\{SHA\}/, 'one who cannot');
    like($lines[3], qr/\As\xc3\xb6ren +other +unusable: /, 'one locked');
    like($lines[4], qr/\Aann +other +unusable: /, 'a second line');
    my $column = sub { my $s = shift; utf8::decode($s);
        return length(($s =~ /\A(.*?)unusable/)[0]) };
    is($column->($lines[3]), $column->($lines[2]), 'columns are even');
    like($r->{err}, qr/\A\S+ \Q$file\E:4: no colon[^\n]*\n\z/,
        'a line that is none is told by its number');
    unlike($r->{out} . $r->{err}, qr/secretpassword|ds8Y|5en6/,
        'no hash and no stray text is shown');

    $r = ctl(qw(user list --json), $file);
    my $list = decode_json($r->{out});
    is_deeply($list->[0], { name => 'ann', hash => 'bcrypt', cost => 4,
        usable => JSON::PP::true, reason => undef }, 'the same as JSON');
    is($list->[2]{name}, "s\x{f6}ren", 'in UTF-8');
    ok(!$list->[1]{usable} && $list->[1]{reason}, 'with reasons');

    is_exit(ctl(qw(user list), "$dir/none"), 3, 'no file, no list');
    is_exit(ctl({ stdout => '/dev/full' }, qw(user list), $file), 3,
        'output that cannot be written is a failure');
}


sub names {
    put_file($file, '');

    for my $bad ('', 'a:b', '#ann', ' ann', "a\nb", "\xff", 'x' x 256) {
        (my $shown = $bad) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
        is_exit(user('add', $bad, 'x'), 2, "\"" . substr($shown, 0, 9)
            . "\" is no name");
    }
    is(file_text($file), '', 'none of them is there');

    for my $good ('ann lee', "\xc3\xa4", 'x' x 255, 'a#b', '$user', '*') {
        is_exit(user('add', $good, 'x', '-C4'), 0, 'a name');
        is(right($good, 'x'), 0, 'that can log in');
    }
    is_exit(ctl({ stdin => 'x' }, qw(user add --stdin -C4), $file, '--',
        '-n'), 0, 'a name that begins with a dash');
    is(scalar(() = file_text($file) =~ /\n/g), 7, 'seven lines');
}


sub passwords {
    put_file($file, '');

    for ([ '', 'empty' ], [ "\n", 'empty' ], [ "a\nb", 'line end' ],
        [ "a\0b", 'control' ], [ "a\tb", 'control' ], [ 'x' x 73, '72' ],
        [ 'x' x 10000, '72' ])
    {
        my $r = user('add', 'ann', $_->[0]);
        is_exit($r, 2, 'that is no password');
        like($r->{err}, qr/$_->[1]/, 'and why');
    }
    is(file_text($file), '', 'nothing was written');

    for my $good ('x' x 72, 'a:b', " \xc3\xa4 ", '$2y$') {
        put_file($file, '');
        is_exit(user('add', 'ann', $good, '-C4'), 0, 'a password');
        is(right('ann', $good), 0, 'it is right');
    }
}


sub terminal {
    put_file($file, '');

    my $r = at_terminal([ "s3cret\n", "s3cret\n" ], qw(user add -C4), $file,
        'ann');
    is_exit($r, 0, 'a person adds a user');
    like($r->{screen}, qr/Password for ann: \n.*Again, for ann: \n/s,
        'asked twice');
    unlike($r->{screen}, qr/s3cret/, 'without an echo');
    is($r->{echo}, 1, 'which is on again at the end');
    is(right('ann', 's3cret'), 0, 'that is the password');

    $r = at_terminal([ "one\n", "two\n" ], qw(user passwd -C4), $file, 'ann');
    is_exit($r, 1, 'twice is not the same');
    is(right('ann', 's3cret'), 0, 'so nothing was changed');

    $r = at_terminal([ "s3cret\n" ], qw(user check), $file, 'ann');
    is_exit($r, 0, 'a check asks once');
    $r = at_terminal([ "\x04" ], qw(user check), $file, 'ann');
    is_exit($r, 3, 'an end of input is no password');

    $r = at_terminal([], qw(user add), $file, 'ann');
    is_exit($r, 1, 'who is there is not asked for');
    unlike($r->{screen}, qr/Password/, 'before a password is typed');

    $r = at_terminal([ sub { kill 'INT', $_[0] } ], qw(user passwd), $file,
        'ann');
    is($r->{rc}, 'signal 2', 'an interrupt ends it');
    is($r->{echo}, 1, 'and leaves the terminal as it was');

    $r = ctl(qw(user passwd), $file, 'ann');
    is_exit($r, 2, 'without a terminal');
    like($r->{err}, qr/--stdin/, 'it says what to do');
}


sub usage {
    for ([ [], 'a group' ], [ ['nose'], 'nose' ], [ ['user'], 'a command' ],
        [ [qw(user eat)], 'eat' ], [ [qw(user add)], 'FILE' ],
        [ [qw(user add f)], 'NAME' ], [ [qw(user add f n x)], '"x"' ],
        [ [qw(user add f n --what)], '--what' ], [ [qw(user list f -x)], '-x' ],
        [ [qw(user add f n --cost)], 'COST' ],
        [ [qw(user add f n --stdin=x)], 'no value' ],
        [ [qw(user add f n --stdin --stdin)], 'twice' ],
        [ [qw(user add f n -C 3)], '4 to 17' ],
        [ [qw(user add f n -C 18)], '4 to 17' ],
        [ [qw(user add f n -C 1e1)], '4 to 17' ],
        [ [qw(user add f n --password x)], '--password' ])
    {
        my $r = ctl({ cd => "$dir" }, @{ $_->[0] });
        is_exit($r, 2, "called wrongly: @{ $_->[0] }");
        like($r->{err}, qr/\Q$_->[1]\E/, 'and told what');
        is($r->{out}, '', 'not on standard output');
    }
    is(beside($dir, 'htpasswd'), '', 'nothing was made');
}


sub line_ends {
    put_file($file, "ann:1\r\n# b\r\nbob:2\r\n");
    user('passwd', 'ann', 'x', '-C4');
    user('add', 'cat', 'x', '-C4');
    like(file_text($file),
        qr/\Aann:[^\r\n]+\r\n# b\r\nbob:2\r\ncat:[^\r\n]+\r\n\z/,
        'CRLF stays CRLF');

    put_file($file, "ann:1\nbob:2");
    user('add', 'cat', 'x', '-C4');
    like(file_text($file), qr/\Aann:1\nbob:2\ncat:[^\n]+\n\z/,
        'a last line without end');

    my $odd = "\0\xff\n\t\n#\nno colon\n:\n\xef\xbb\xbfann:3\n";
    put_file($file, $odd);
    user('add', 'ann', 'x', '-C4');
    like(file_text($file), qr/\A\Q$odd\Eann:[^\n]+\n\z/, 'odd lines stay');
    ctl(qw(user remove), $file, 'ann');
    is(file_text($file), $odd, 'byte for byte');
}


sub links {
    mkdir "$dir/real";
    mkdir "$dir/way";
    put_file("$dir/real/users", "ann:1\n");
    symlink '../real/users', "$dir/way/one";
    symlink 'way/one', "$dir/link";

    is_exit(ctl({ stdin => 'x' }, qw(user add --stdin -C4), "$dir/link",
        'bob'), 0, 'through two symbolic links');
    ok(-l "$dir/link" && -l "$dir/way/one", 'which are links still');
    like(file_text("$dir/real/users"), qr/\Aann:1\nbob:/, 'to what changed');
    is(beside("$dir/way", 'one') . beside("$dir/real", 'users'), '',
        'nothing is left beside either');

    symlink 'nowhere', "$dir/dangling";
    my $r = ctl({ stdin => 'x' }, qw(user add --stdin -C4), "$dir/dangling",
        'bob');
    is_exit($r, 3, 'a link to nothing');
    like($r->{err}, qr/symbolic link/, 'is told');
    ok(!-e "$dir/nowhere", 'and made nothing of');

    is_exit(ctl({ stdin => 'x', cd => "$dir/real" },
        qw(user add --stdin -C4 users cat)), 0, 'a name without a directory');
    is_exit(ctl({ stdin => 'x', cd => "$dir/real" },
        qw(user add --stdin -C4 fresh cat)), 0, 'a new one');
    like(file_text("$dir/real/fresh"), qr/\Acat:/,
        'in the directory we are in');

    for my $bad ("$dir/real", '/', '', "$dir/no/users", "$dir/real/users/x",
        "$dir/" . 'x' x 255, 'x' x 5000, '/dev/null')
    {
        is_exit(ctl({ stdin => 'x' }, qw(user add --stdin -C4), $bad, 'bob'),
            3, 'no file: ' . substr($bad, -12));
    }
}


sub owners {
    put_file($file, "ann:1\n");
    chmod 0604, $file;
    user('add', 'bob', 'x', '-C4');
    is(mode_of($file), '0604', 'the mode is kept');

    SKIP: {
        skip_tests('only root may give files away', 10) if $> != 0;

        chmod 0640, $file;
        chown 12, 34, $file;
        user('add', 'cat', 'x', '-C4');
        is(join(' ', (stat $file)[4, 5]), '12 34', 'owner and group are kept');
        is(mode_of($file), '0640', 'and the mode with them');

        # what the directory would give to every new file in it: r-- to 65534
        # and nothing to the group

        my $acl = pack 'L(SSL)*', 2, 1, 7, ~0, 2, 4, 65534, 4, 0, ~0,
            16, 4, ~0, 32, 0, ~0;
        SKIP: {
            skip_tests("no access lists here: $!", 2)
                if !set_acl("$dir", $acl);

            user('add', 'eve', 'x', '-C4');
            is(mode_of($file), '0640', 'the mode beside an access list');
            is(get_acl($file), '', 'none comes from the directory');
            remove_acl("$dir");
        }

        my $before = file_text($file);
        chmod 0777, "$dir";
        chmod 0644, $file;
        my $r = ctl({ stdin => 'x', uid => 65534 },
            qw(user add --stdin -C4), $file, 'dan');
        is_exit($r, 3, 'one who cannot keep them');
        like($r->{err}, qr/belongs to user 12 and group 34/, 'is told so');
        is(file_text($file), $before, 'and changes nothing');
        is(beside($dir, 'htpasswd', 'real', 'way', 'link', 'dangling'), '',
            'and leaves nothing');
        chmod 0755, "$dir";

        chmod 0600, $file;
        is_exit(ctl({ stdin => 'x', uid => 65534 }, qw(user check --stdin),
            $file, 'dan'), 3, 'one who may not read');
        $r = ctl({ uid => 65534 }, qw(user list), $file);
        like($r->{err}, qr/\Q$file\E.*Permission denied/, 'is told so');
    }
}


# The access list of what is made in a directory, and that of a file.

sub set_acl {
    my ($path, $acl) = @_;

    return syscall($xattr[0], $path, $made, $acl, length $acl, 0) == 0;
}


sub remove_acl {
    my ($path) = @_;

    syscall($xattr[2], $path, $made);
}


sub get_acl {
    my ($path) = @_;

    my $acl = "\0" x 1024;
    my $n = syscall($xattr[1], $path, $has, $acl, 1024);
    return $n < 0 ? '' : unpack 'H*', substr $acl, 0, $n;
}


sub directories {
    SKIP: {
        skip_tests('root may write everywhere', 4) if $> != 0;

        my $shut = "$dir/shut";
        mkdir $shut;
        put_file("$shut/users", "ann:1\n");
        chmod 0666, "$shut/users";
        chmod 0755, $shut;

        my $r = ctl({ stdin => 'x', uid => 65534 }, qw(user add --stdin -C4),
            "$shut/users", 'bob');
        is_exit($r, 3, 'a directory that cannot be written to');
        like($r->{err}, qr/\Q$shut\E.*Permission denied/, 'is named');
        is(file_text("$shut/users"), "ann:1\n", 'the file is as it was');

        $r = ctl({ uid => 65534 }, qw(user add), "$shut/users", 'bob');
        unlike($r->{err}, qr/terminal/, 'all before a password is asked for');
    }
}


# Twenty at once, on a file that each of them finds changed.

sub together {
    my $place = work_dir();
    my $many = "$place/users";

    my @runs = map {
        ctl_begin({ stdin => 'x' }, qw(user add --stdin -C4), $many, "u$_")
    } 1 .. 20;
    my @ended = map { ctl_end($_) } @runs;

    is(scalar(grep { $_->{rc} ne '0' } @ended), 0, 'all twenty were added')
        or diag(join '', map { $_->{err} } @ended);
    my %there = map { $_ => 1 } file_text($many) =~ /^(u\d+):/mg;
    is(scalar(keys %there), 20, 'none was lost');

    @runs = map { my $n = $_; map {
        ctl_begin({ stdin => 'x' }, @$_) } (
            [ qw(user remove), $many, "u$n" ],
            [ qw(user passwd --stdin -C4), $many, 'u' . ($n + 10) ])
    } 1 .. 10;
    push @runs, map {
        ctl_begin({ stdin => 'x' }, qw(user add --stdin -C4), $many, 'same')
    } 1 .. 5;
    @ended = map { ctl_end($_) } @runs;

    is(join(' ', sort map { $_->{rc} } @ended),
        join(' ', (0) x 21, (1) x 4), 'the same name was added once');
    is(join(' ', sort(file_text($many) =~ /^(\w+):/mg)),
        join(' ', 'same', sort map { "u$_" } 11 .. 20), 'all was done');
    is(beside($place, 'users'), '', 'nothing is left beside the file');
}


# Killed when the new content stands beside the old one.

sub killed {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 8)
            if !Test::Registry::Trace::available();

        my $place = work_dir();
        my $old = "ann:1\n";
        put_file("$place/users", $old);

        for my $call (qw(renameat fsync fchmod)) {
            my $r = ctl({ stdin => 'x', wrap => [ qw(strace -f -qq -o),
                '/dev/null', '-e', "inject=$call:signal=KILL:when=1" ] },
                qw(user add --stdin -C4), "$place/users", 'bob');
            isnt($r->{rc}, 0, "killed at $call");
            is(file_text("$place/users"), $old, 'the old file is in place');
        }
        isnt(beside($place, 'users'), '', 'something was left behind');

        is_exit(ctl({ stdin => 'x' }, qw(user add --stdin -C4),
            "$place/users", 'bob'), 0, 'which is in nobody\'s way');
        is(beside($place, 'users'), '', 'and tidied up');

        my $r = ctl({ stdin => 'x', wrap => [ qw(strace -f -qq -o /dev/null),
            '-e', 'inject=fsync:error=EIO:when=1' ] },
            qw(user add --stdin -C4), "$place/users", 'cat');
        is_exit($r, 3, 'a disk that fails');
        unlike(file_text("$place/users"), qr/cat/, 'changes nothing');
        is(beside($place, 'users'), '', 'and nothing is left');
    }
}


sub order {
    SKIP: {
        skip_tests(Test::Registry::Trace::why(), 1)
            if !Test::Registry::Trace::available();

        my $place = work_dir();
        put_file("$place/users", "ann:1\nbob:2\n");

        ctl({ wrap => [ qw(strace -f -y -qq -o), "$place/trace", '-e',
            'trace=fchmod,fchown,write,fsync,rename,renameat,renameat2,'
                . 'unlink,unlinkat' ] },
            qw(user remove), "$place/users", 'ann');

        my @calls;
        for (split /\n/, file_text("$place/trace")) {
            next if !/\b(\w+)\(.*(?:\/|")(\.users\.\w+|users)[">]/
                && !/\b(fsync)\(\d+<\Q$place\E(>)\)/;
            push @calls, $2 eq '>' ? "$1 directory" : "$1 $2"
                if !/ENOENT/;
        }
        is(join(', ', @calls), 'fchmod .users.new, write .users.new, '
            . 'fsync .users.new, renameat users, fsync directory, '
            . 'unlinkat .users.lock', 'synced, renamed, synced');
    }
}


# Apache's htpasswd reads what we write, and we what it writes.

sub apache {
    SKIP: {
        my ($rc) = run_command(10, 'htpasswd');
        skip_tests('no htpasswd of Apache here', 9) if $rc != 2;

        unlink $file;
        user('add', 'ann', "p\xc3\xa4ss wort");
        ($rc) = run_command(30, 'htpasswd', '-vb', $file, 'ann',
            "p\xc3\xa4ss wort");
        is($rc, 0, 'htpasswd knows our password');
        ($rc) = run_command(30, 'htpasswd', '-vb', $file, 'ann', 'x');
        is($rc, 3, 'and no other');

        ($rc) = run_command(30, 'htpasswd', '-bB', $file, 'bob', 'theirs');
        is($rc, 0, 'htpasswd adds one');
        is(right('bob', 'theirs'), 0, 'whom we know');
        is(right('ann', "p\xc3\xa4ss wort"), 0, 'beside our own');
        ($rc) = run_command(30, 'htpasswd', '-bB', $file, 'ann', 'changed');
        is(right('ann', 'changed'), 0, 'a password that it changed');

        ($rc) = run_command(30, 'htpasswd', '-D', $file, 'ann');
        is(right('ann', 'changed'), 1, 'a user whom it removed');
        is_exit(ctl(qw(user remove), $file, 'bob'), 0, 'and one of its own');
        ($rc) = run_command(30, 'htpasswd', '-vb', $file, 'bob', 'theirs');
        isnt($rc, 0, 'is gone for it, too');
    }
}

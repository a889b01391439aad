#!/usr/bin/perl

# The password file: which lines count, what nginx says of the others, and
# how a change of it reaches the next request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time sleep);

use Test::Registry;


my $sha512 = crypt 'secret', '$6$saltsalt$';
my $sha256 = crypt 'secret', '$5$saltsalt$';

lines();
kinds_of_bcrypt();
costs();
sha_crypt();
refused();
in_place();
by_rename();
by_symlink();
half_written();
gone();
unusable();
two_files();
under_load();

done_testing();


# A server with one password file; options as in Test::Registry.

sub server {
    my ($text, %o) = @_;

    return Test::Registry->new(
        write => { users => $text, %{ delete $o{write} || {} } },
        http => 'registry_login_limit off;',
        location => 'registry_htpasswd "R" %%DIR%%/users;'
            . (delete $o{more} || ''), %o);
}


sub knows {
    my ($t, $user, $password, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_status($t->as($user, $password)->get('/v2/'), 200, $name);
}


sub refuses {
    my ($t, $user, $password, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_challenged($t->as($user, $password)->get('/v2/'),
        { scheme => 'Basic', realm => 'R' }, $name);
}


# Numbers of the lines that a warning names; ten of them at most.

sub warned {
    my ($text, $file) = @_;

    return map { m{\[warn\].*\bline (\d+) of .*/\Q$file\E"} ? $1 : () }
        split /\n/, $text;
}


sub lines {
    my $good = bcrypt('secret');
    my @rows = (
        # what, line, user, works
        ['a good line', "a1:$good", 'a1', 1],
        ['no colon', 'a2', 'a2', 0],
        ['an empty hash', 'a3:', 'a3', 0],
        ['an empty user', ":$good", '', 0],
        ['{SHA}', 'a4:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', 'a4', 0],
        ['$apr1$', 'a5:$apr1$salt$VEpBc9VHGUKwI9.yg13Iu0', 'a5', 0],
        ['md5crypt', 'a6:' . crypt('secret', '$1$salt$'), 'a6', 0],
        ['DES', 'a7:' . crypt('secret', 'ab'), 'a7', 0],
        ['plain text', 'a8:secret', 'a8', 0],
        ['{PLAIN}', 'a9:{PLAIN}secret', 'a9', 0],
        ['*0', 'b1:*0', 'b1', 0],
        ['!', 'b2:!', 'b2', 0],
        ['x', 'b3:x', 'b3', 0],
        ['a comment', "#b4:$good", '#b4', 0, 'silent'],
        ['an empty line', '', undef, 0, 'silent'],
        ['CRLF', "b5:$good\r", 'b5', 1],
        ['blanks around', "  b6:$good\t", 'b6', 1],
        ['a comment behind', "b7:$good:Joe:user", 'b7', 1],
        ['59 bytes', 'b8:' . substr($good, 0, 59), 'b8', 0],
        ['61 bytes', "b9:${good}a", 'b9', 0],
        ['a NUL in the hash', "c1:$good\0", 'c1', 0],
        ['a NUL in the user', "c2\0x:$good", 'c2', 0],
        ['cost 3', 'c3:' . ($good =~ s/\$04\$/\$03\$/r), 'c3', 0],
        ['cost 32', 'c4:' . ($good =~ s/\$04\$/\$32\$/r), 'c4', 0],
        ['cost 4x', 'c5:' . ($good =~ s/\$04\$/\$4x\$/r), 'c5', 0],
        ['a bad letter', 'c6:' . substr($good, 0, 59) . '*', 'c6', 0],
        ['$2x$', 'c7:' . ($good =~ s/2y/2x/r), 'c7', 0],
        ['$2$', 'c8:' . ($good =~ s/2y/2/r), 'c8', 0],
        ['yescrypt', 'c9:' . crypt('secret', '$y$j9T$salt'), 'c9', 0],
        ['scrypt', 'd1:' . crypt('secret', '$7$CU..../....salt'), 'd1', 0],
        ['sha512crypt', "d2:$sha512", 'd2', 0],
        ['sha256crypt', "d3:$sha256", 'd3', 0],
        ['1 MB', 'd4:' . 'x' x (1 << 20), 'd4', 0],
        ['a user of 1,000 bytes', 'u' x 1000 . ":$good", 'u' x 1000, 0],
        ['bad UTF-8', "d5\xff:$good", "d5\xff", 0],
        ['a user twice', "d6:$good", 'd6', 1],
        ['a user for the second time', 'd6:' . bcrypt('other'), undef, 0,
            'any'],
        ['no end of line', "z9:$good", 'z9', 1]
    );

    # eight at a time, since no more than ten are named

    my @left = @rows;
    while (my @some = splice @left, 0, 8) {
        my $t = server(join '', map { "$_->[1]\n" } @some);
        my ($rc, $said) = $t->check;
        my %line = map { $_ => 1 } warned($said, 'users');
        my $n = 0;

        is($rc, 0, 'A75 bad lines are no reason not to start');
        for (@some) {
            my ($what, $line, $user, $works, $how) = @$_;
            $n++;
            next if ($how || '') eq 'any';
            my $wanted = !$works && !$how;
            ok(!!$line{$n} == !!$wanted, "A75 $what: "
                . ($wanted ? 'a warning' : 'no warning') . " names line $n")
                or diag $said;
        }

        my @shown = grep { index($said, $_) >= 0 } '$2y$', '$6$', '$apr1$',
            '5en6G6', 'secret', 'xxxx', 'd4:', 'uuuu', $good;
        is("@shown", '', 'A75 and never the text of a line');
    }

    my $t = server(join "\n", map { $_->[1] } @rows);
    my ($rc, $said) = $t->check;
    is($rc, 0, 'A75 all of them together') or diag $said;
    like($said, qr/\[warn\] \d+ more lines of .*users" are passed over/,
        'A75 many bad lines do not fill the log');

    # a file changed less than a second ago is not trusted without its end

    sleep 1.1;
    $t->run;
    for (@rows) {
        my ($what, $line, $user, $works) = @$_;
        next if !defined $user;
        ($works ? \&knows : \&refuses)->($t, $user, 'secret', "A75 $what");
    }

    refuses($t, 'd6', 'other', 'A75 the first line of a user counts');
    $t->finish;

    # what Windows puts in front

    $t = server("\xef\xbb\xbf" . htpasswd(first => 'secret',
        second => 'secret'))->run;
    refuses($t, "\xef\xbb\xbffirst", 'secret', 'A75 a BOM is no user');
    knows($t, 'second', 'secret', 'A75 the line behind a BOM');
    $t->finish;

    $t = server('')->run;
    refuses($t, 'alice', 'secret', 'A75 an empty file lets nobody in');
    is_challenged($t->get('/v2/'), {}, 'A75 nor those without a name');
    $t->finish;
}


sub kinds_of_bcrypt {
    my $t = server(join '', map { "$_:" . bcrypt('secret', 4, $_) . "\n" }
        qw(2y 2b 2a))->run;

    for my $kind (qw(2y 2b 2a)) {
        knows($t, $kind, 'secret', "\$$kind\$");
        refuses($t, $kind, 'Secret', "\$$kind\$ and a wrong password");
    }
    $t->finish;
}


# Lines that would keep a processor busy for a day are never run.

sub costs {
    my $bomb = bcrypt('secret') =~ s/\$04\$/\$31\$/r;
    my $text = htpasswd(alice => 'secret', dear => ['secret', 7])
        . "bomb:$bomb\n"
        . 'sha:$6$rounds=999999999$salt$' . 'a' x 86 . "\n"
        . 'yes:$y$jzT$salt$' . 'a' x 43 . "\n"
        . 'scrypt:$7$VU..../....salt$' . 'a' x 43 . "\n"
        . 'fifteen:' . (bcrypt('secret') =~ s/\$04\$/\$15\$/r) . "\n";

    my $t = server($text);
    my ($rc, $said) = $t->check;
    is(join(' ', warned($said, 'users')), '3 4 5 6 7',
        'A76 what is too dear is passed over with a warning')
        or diag $said;

    $t->run;
    for my $user (qw(bomb sha yes scrypt fifteen)) {
        is_soon(2, "A76 $user: at once", sub {
            refuses($t, $user, 'secret', "A76 $user") });
    }
    knows($t, 'dear', 'secret', 'A76 what is within the limit works');
    $t->finish;

    $t = server($text, more => 'registry_htpasswd_max_cost 6;')->run;
    refuses($t, 'dear', 'secret', 'registry_htpasswd_max_cost 6: cost 7');
    knows($t, 'alice', 'secret', 'registry_htpasswd_max_cost 6: cost 4');
    $t->finish;
}


sub sha_crypt {
    my $many = crypt 'secret', '$6$rounds=200000$salt$';
    my $more = crypt 'secret', '$6$rounds=200001$salt$';
    my $text = htpasswd(alice => 'secret')
        . "six:$sha512\nfive:$sha256\nmany:$many\nmore:$more\n"
        . 'bomb:$6$rounds=999999999$salt$' . 'a' x 86 . "\n"
        . 'md5:' . crypt('secret', '$1$salt$') . "\n";

    my $t = server($text, more => 'registry_htpasswd_sha_crypt on;');
    my ($rc, $said) = $t->check;
    is(join(' ', warned($said, 'users')), '5 6 7',
        'A76 too many rounds are passed over with a warning') or diag $said;

    $t->run;
    knows($t, $_, 'secret', "registry_htpasswd_sha_crypt on: $_")
        for qw(six five many alice);
    refuses($t, $_, 'Secret', "and a wrong password: $_")
        for qw(six five alice);
    refuses($t, 'six', 'secret' . 'x' x 70, 'A74 nor more than 72 bytes');
    refuses($t, $_, 'secret', "A76 $_") for qw(more bomb md5);
    $t->finish;
}


# What nginx -t does not let pass.

sub refused {
    my $directive = 'registry_htpasswd "R" %%DIR%%/users;';
    my @rows = (
        ['a file that is not there', 'registry_htpasswd "R" %%DIR%%/none;',
            qr/password file/, qr{\[crit\].*/none"}],
        ['a folder', 'registry_htpasswd "R" %%DIR%%;', qr/password file/],
        ['no file', 'registry_htpasswd "R";', qr/needs a realm and a file/],
        ['nothing', 'registry_htpasswd;', qr/number of arguments/],
        ['three words', 'registry_htpasswd "R" a b;', qr/number of arguments/],
        ['on', 'registry_htpasswd on;', qr/registry_htpasswd/],
        ['twice', "$directive $directive", qr/duplicate/],
        ['a realm with a newline', "registry_htpasswd \"a\nb\" "
            . '%%DIR%%/users;', qr/realm/],
        ['an empty realm', 'registry_htpasswd "" %%DIR%%/users;', qr/realm/],
        ['max_cost 3', "$directive registry_htpasswd_max_cost 3;",
            qr/registry_htpasswd_max_cost|must be/],
        ['max_cost 32', "$directive registry_htpasswd_max_cost 32;",
            qr/registry_htpasswd_max_cost|must be/],
        ['max_cost x', "$directive registry_htpasswd_max_cost x;", qr/./],
        ['sha_crypt maybe', "$directive registry_htpasswd_sha_crypt maybe;",
            qr/maybe/],
        ['cache x', "$directive registry_htpasswd_cache x;", qr/./],
        ['cache -1', "$directive registry_htpasswd_cache -1;", qr/./]
    );

    for (@rows) {
        my ($what, $text, $pattern, $also) = @$_;
        my $t = Test::Registry->new(location => $text,
            write => { users => htpasswd(alice => 'secret') });
        my ($rc, $said) = $t->check;
        my ($line) = grep { /\[emerg\]/ } split /\n/, $said;
        ok($rc != 0 && ($line // '') =~ $pattern
            && $line =~ /nginx\.conf:\d+\z/ && (!$also || $said =~ $also),
            "refused: $what") or diag $said;
    }

    my $t = Test::Registry->new(
        location => 'registry_htpasswd "R" ../users;',
        write => { users => htpasswd(alice => 'secret') });
    my ($rc, $said) = $t->check;
    is($rc, 0, 'a name is taken from the folder of nginx.conf') or diag $said;
}


# Each change, and the very next request.

sub in_place {
    my $t = server(htpasswd(alice => 'one', bob => 'two'), tls => 1)->run;
    my $file = $t->dir . '/users';

    knows($t, 'alice', 'one', 'A77 before') for 1 .. 2;
    knows($t, 'bob', 'two', 'A77 before');

    # a connection that stays open is asked anew, too

    my $c = $t->as('alice', 'one')->connect;
    is_status($c->get('/v2/'), 200, 'A77 a kept connection');

    $t->write_file('users', htpasswd(alice => 'new', bob => 'two'));
    refuses($t, 'alice', 'one', 'A77 in place: the old password');
    is_challenged($c->get('/v2/'), {}, 'A77 on the kept connection too');
    is_challenged($t->as('alice', 'one', tls => 1)->get('/v2/'), {},
        'A77 over TLS too');
    knows($t, 'alice', 'new', 'A77 in place: the new password');
    knows($t, 'bob', 'two', 'A77 in place: who did not change');

    $t->write_file('users', htpasswd(bob => 'two'));
    refuses($t, 'alice', 'new', 'A77 in place: a user removed');
    knows($t, 'bob', 'two', 'A77 the others stay');

    $t->write_file('users', htpasswd(alice => 'back', bob => 'two'));
    knows($t, 'alice', 'back', 'A77 in place: a user added');

    # the same length, the same second

    for my $round (1 .. 10) {
        $t->write_file('users', htpasswd(alice => "p$round", bob => 'two'));
        my $old = $round - 1;
        my @got = map { $t->as('alice', $_)->get('/v2/')->status }
            "p$old", "p$round";
        is("@got", '401 200', "A77 change $round of ten in a row");
    }

    # a verified password whose hash was made anew is looked at again

    $t->write_file('users', htpasswd(alice => 'p10'));
    knows($t, 'alice', 'p10', 'A77 the same password, another hash');

    open my $fh, '>>', $file or die "$file: $!\n";
    print {$fh} htpasswd(carol => 'three');
    close $fh;
    knows($t, 'carol', 'three', 'A77 a line appended');

    my $times = time - 1000;
    $t->write_file('users', htpasswd(alice => 'older'));
    utime $times, $times, $file or die "$file: $!\n";
    refuses($t, 'alice', 'p10', 'A77 a file that looks older than before');
    knows($t, 'alice', 'older', 'A77 counts as well');

    $t->finish;
}


sub by_rename {
    my $t = server(htpasswd(alice => 'one'), workers => 2)->run;
    my $file = $t->dir . '/users';

    knows($t, 'alice', 'one', 'A77 before') for 1 .. 6;

    for my $round (1 .. 5) {
        $t->write_file('users.new', htpasswd(alice => "r$round"));
        rename "$file.new", $file or die "rename: $!\n";

        my $old = $round == 1 ? 'one' : 'r' . ($round - 1);
        my @got = map { $t->as('alice', $old)->get('/v2/')->status } 1 .. 6;
        is("@got", '401 401 401 401 401 401',
            "A77 rename $round: the old password, in every worker");
        knows($t, 'alice', "r$round", "A77 rename $round: the new one");
    }
    $t->finish;
}


# As Kubernetes changes a secret: a link to a folder is exchanged.

sub by_symlink {
    my $t = Test::Registry->new(
        http => 'registry_login_limit off;',
        location => 'registry_htpasswd "R" %%DIR%%/secret/users;');
    my $dir = $t->dir;

    for my $n (1 .. 3) {
        mkdir "$dir/v$n";
        $t->write_file("v$n/users", htpasswd(alice => "s$n"));
    }
    symlink 'v1', "$dir/now" or die "symlink: $!\n";
    mkdir "$dir/secret";
    symlink '../now/users', "$dir/secret/users" or die "symlink: $!\n";

    $t->run;
    knows($t, 'alice', 's1', 'A77 through two links');

    for my $n (2, 3) {
        symlink "v$n", "$dir/next" or die "symlink: $!\n";
        rename "$dir/next", "$dir/now" or die "rename: $!\n";
        refuses($t, 'alice', 's' . ($n - 1), "A77 link $n: the old one");
        knows($t, 'alice', "s$n", "A77 link $n: the new one");
    }
    $t->finish;
}


# A file that an editor has emptied and not yet written again.

sub half_written {
    my $whole = htpasswd(alice => 'one', bob => 'two');
    my $t = server($whole)->run;

    knows($t, 'alice', 'one', 'whole');

    # for a second, so that what took longer is done once more

    my $new = htpasswd(alice => 'new', bob => 'two', carol => 'three');
    my ($emptied, $bob, $half, $other, $most);
    my $asked = sub {
        my ($user, $password) = @_;
        return $t->as($user, $password)->get('/v2/');
    };

    is_quick(0.8, 'A77 asked while it may be half written', sub {
        $t->write_file('users', $whole);
        knows($t, 'alice', 'one', 'whole, at first');

        my @took = (seconds(sub {
            $t->write_file('users', '');
            $emptied = $asked->('alice', 'one');
            $bob = $asked->('bob', 'two');
        }), seconds(sub {
            $t->write_file('users', substr $new, 0, 40);
            $half = $asked->('alice', 'one');
            $other = $asked->('alice', 'new');
        }), seconds(sub {
            $t->write_file('users', substr $new, 0, -1);
            $most = $asked->('alice', 'one');
        }));
        return max(@took);
    });
    is_status($emptied, 200, 'A77 emptied just now: the old file serves on');
    is_status($bob, 200, 'for everybody');
    is_status($half, 200, 'A77 half a line: the old file serves on');
    is_challenged($other, { scheme => 'Basic', realm => 'R' },
        'and the new one does not');
    is_status($most, 200, 'A77 all but the last byte');

    $t->write_file('users', $new);
    refuses($t, 'alice', 'one', 'A77 whole: the old password');
    knows($t, 'alice', 'new', 'A77 whole: the new one');
    knows($t, 'carol', 'three', 'A77 whole: the new user');

    # what stays so is meant

    $t->write_file('users', substr $new, 0, -1);
    knows($t, 'alice', 'new', 'without its last end of line');
    sleep 1.2;
    knows($t, 'carol', 'three', 'A77 a second later it counts as it is');

    $t->write_file('users', '');
    sleep 1.2;
    refuses($t, 'alice', 'new', 'A77 empty for more than a second: nobody');
    refuses($t, 'bob', 'two', 'A77 at all');

    $t->write_file('users', $whole);
    knows($t, 'alice', 'one', 'A77 and back');
    $t->finish;
}


# No file, no logins; and nobody is let in for it.

sub gone {
    need_root_for_modes() or return;

    my $t = server(htpasswd(alice => 'one'), user => 'nobody')->run;
    my $file = $t->dir . '/users';
    my $alice = $t->as('alice', 'one');

    is_status($alice->get('/v2/'), 200, 'there');

    for my $how ('removed', 'not readable', 'a link to nothing') {
        rename $file, "$file.away" or die "rename: $!\n"
            if $how ne 'not readable';
        chmod 0, $file if $how eq 'not readable';
        symlink 'nowhere', $file if $how =~ /link/;

        is_error($alice->get('/v2/'), 503, undef,
            "A77 $how: one who was verified");
        is_error($t->as('alice', 'two')->get('/v2/app/manifests/v1'), 503,
            undef, "A77 $how: a wrong password");
        is_error($t->as('nobody', 'x')->get('/v2/'), 503, undef,
            "A77 $how: an unknown user");
        is_challenged($t->get('/v2/app/manifests/v1'), { scheme => 'Basic' },
            "A77 $how: without a login");
        my @logged = $t->log_text =~ /\[crit\].*\Q$file\E/g;
        ok(@logged, "A77 $how: is logged");

        chmod 0644, $file if $how eq 'not readable';
        rename "$file.away", $file or die "rename: $!\n"
            if $how ne 'not readable';
        is_status($alice->get('/v2/'), 200, "A77 $how: and back again");
    }
    $t->finish;
}


sub need_root_for_modes {
    return 1 if $> == 0;

    SKIP: { skip_tests('this test must run as root', 22) }
    return 0;
}


# What stands there and cannot be a password file changes nothing.

sub unusable {
    for my $how ('a folder', 'nine megabytes') {
        my $t = server(htpasswd(alice => 'one'))->run;
        my $file = $t->dir . '/users';

        knows($t, 'alice', 'one', 'there');
        rename $file, "$file.away" or die "rename: $!\n";
        $how eq 'a folder' ? mkdir $file
            : $t->write_file('users', 'x' x 9_000_000 . "\n");
        sleep 1.2;

        knows($t, 'alice', 'one', "F33 $how: what was in force stays so");
        refuses($t, 'alice', 'two', "F33 $how: for wrong ones, too");
        like($t->log_text, qr/\[error\].*\Q$file\E/, "F33 $how: is logged");

        rmdir $file if $how eq 'a folder';
        $t->write_file('users.new', htpasswd(alice => 'two'));
        rename "$file.new", $file or die "rename: $!\n";
        refuses($t, 'alice', 'one', "F33 $how: the next file counts");
        knows($t, 'alice', 'two', "F33 $how: the next file counts");
        $t->finish;
    }
}


# Two locations with a file each know nothing of each other's users.

sub two_files {
    my $t = Test::Registry->new(
        ports => 1,
        write => { one => htpasswd(alice => 'one', bob => 'same'),
            two => htpasswd(alice => 'two', bob => 'same') },
        http => 'registry_login_limit off;',
        location => 'registry_htpasswd "R" %%DIR%%/one;',
        servers => <<'EOF',
server {
    listen 127.0.0.1:%%PORT1%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_htpasswd "R" %%DIR%%/two;
    }
}
EOF
    )->run;
    my @second = (port => $t->extra_port(1));

    knows($t, 'alice', 'one', 'the first file') for 1 .. 2;
    is_status($t->as('alice', 'one', @second)->get('/v2/'), 401,
        'a login remembered of one file is none of another');
    is_status($t->as('alice', 'two', @second)->get('/v2/'), 200,
        'the second file');
    refuses($t, 'alice', 'two', 'the other way round');

    $t->write_file('two', htpasswd(alice => 'two'));
    is_status($t->as('bob', 'same', @second)->get('/v2/'), 401,
        'who is removed from one');
    knows($t, 'bob', 'same', 'stays in the other');
    $t->finish;
}


# Passwords change a hundred times while clients pull; nobody whose line did
# not change is ever refused, and no answer is anything but yes or no.

sub under_load {
    my $same = htpasswd(bob => 'two');
    my $t = server($same . htpasswd(alice => 'a0'), workers => 2)->run;
    my $file = $t->dir . '/users';
    my (%bob, @late);

    my @kept = map { $t->as('bob', 'two')->connect } 1 .. 4;

    for my $round (1 .. 100) {
        $t->write_file('users.new', $same . htpasswd(alice => "a$round"));
        rename "$file.new", $file or die "rename: $!\n";

        $_->start('GET', '/v2/') for @kept;
        my $old = $t->as('alice', 'a' . ($round - 1))->get('/v2/')->status;
        my $new = $t->as('alice', "a$round")->get('/v2/')->status;
        push @late, "$round: $old $new" if "$old $new" ne '401 200';
        $bob{ $_->reply->status }++ for @kept;
    }

    is(join(' ', map { "$_:$bob{$_}" } sort keys %bob), '200:400',
        'A77 nobody else is refused in a hundred changes');
    is("@late", '', 'A77 and each change counts at once');
    $t->finish;
}

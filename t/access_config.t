#!/usr/bin/perl

# Rules as an operator writes them: what nginx -t refuses, files of rules and
# of groups, what a level inherits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;


my $none = '00000000-0000-4000-8000-000000000000';

refused_rules();
refused_others();
accepted();
warned();
rules_file();
refused_files();
groups();
groups_change();
groups_gone();
levels();
reloaded();

done_testing();


# A server whose users are whom X-User names.

sub server {
    my ($rules, %o) = @_;

    return Test::Registry->new(
        location => "registry_delete on; registry_user \$http_x_user; $rules",
        %o);
}


# Whether a user may: asks for what is not there.

sub may {
    my ($t, $user, $action, $repo, %where) = @_;

    my $v = Test::Registry::Visitor->new($t, %where,
        headers => $user eq '' ? [] : [['X-User', $user]]);
    my $r = $action eq 'pull' ? $v->get("/v2/$repo/manifests/none")
        : $action eq 'push' ? $v->get("/v2/$repo/blobs/uploads/$none")
        : $v->delete("/v2/$repo/manifests/none");

    return $r->status == 404 ? 'yes' : $r->status == 403 ? 'no'
        : $r->status == 401 ? 'who' : $r->status;
}


sub is_may {
    my ($t, $want, $user, $action, $repo, $name, %where) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(may($t, $user, $action, $repo, %where), $want,
        "$name: " . ($user || 'nobody') . " $action $repo");
}


# nginx -t says no, naming the place, with a sentence that has the pattern.

sub is_refused {
    my ($name, $pattern, $at, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $t = Test::Registry->new(%o);
    my ($rc, $said) = $t->check;
    my ($line) = grep { /\[emerg\]/ } split /\n/, $said;
    my $ok = ok($rc != 0 && ($line // '') =~ $pattern && $line =~ $at,
        "refused: $name");
    diag "wanted $pattern and $at\n$said" if !$ok;
    return $ok;
}


sub refused_rules {
    my $arguments = qr/number of arguments/;
    my $words = qr/needs who, what and where/;
    my @rows = (
        ['nothing', 'registry_allow;', $arguments],
        ['who alone', 'registry_allow alice;', $words],
        ['no pattern', 'registry_allow alice pull;', $words],
        ['denial without a pattern', 'registry_deny alice pull;', $words],
        ['an unknown action', 'registry_allow alice read app;', qr/read/],
        ['an action in capitals', 'registry_allow alice PULL app;', qr/PULL/],
        ['an empty action', 'registry_allow alice pull, app;', qr/action|pull/],
        ['two commas', 'registry_allow alice pull,,push app;',
            qr/action|pull/],
        ['actions with a blank', 'registry_allow alice "pull, push" app;',
            qr/push/],
        ['an empty user', 'registry_allow "" pull app;',
            qr/registry_allow|user|who/],
        ['an empty group', 'registry_allow @ pull app;', qr/group|@/],
        ['user: alone', 'registry_allow user: pull app;', qr/user/],
        ['capitals in a pattern', 'registry_allow alice pull Team/*;',
            qr/Team/],
        ['an empty pattern', 'registry_allow alice pull "";',
            qr/registry_allow|pattern/],
        ['an empty component', 'registry_allow alice pull a//b;', qr{a//b}],
        ['a slash in front', 'registry_allow alice pull /app;', qr{/app}],
        ['a slash behind', 'registry_allow alice pull app/;', qr{app/}],
        ['a host in front', 'registry_allow alice pull "reg:5000/app";',
            qr/reg:5000/],
        ['a tag behind', 'registry_allow alice pull app:latest;',
            qr/app:latest/],
        ['*** in a pattern', 'registry_allow alice pull a/***;', qr/\*\*\*/],
        ['** within a component', 'registry_allow alice pull a**b;',
            qr/a\*\*b/],
        ['? in a pattern', 'registry_allow alice pull ap?;', qr/ap\?/],
        ['an unknown variable', 'registry_allow alice pull $host/x;',
            qr/host/],
        ['a broken regular expression', 'registry_allow alice pull "~a(b";',
            qr/regular expression/],
        ['an empty regular expression', 'registry_allow alice pull ~;',
            qr/registry_allow|pattern|expression/],
        ['a second pattern that is bad', 'registry_allow alice pull ok B;',
            qr/\bB\b/],
        ['a rule where no rule can be', undef, qr/not allowed here/]
    );

    for (@rows) {
        my ($what, $text, $pattern) = @$_;
        is_refused($what, $pattern, qr/nginx\.conf:\d+\z/,
            defined $text ? (location => $text)
            : (main => 'registry_allow alice pull **;'));
    }
}


sub refused_others {
    my $at = qr/nginx\.conf:\d+\z/;
    my $login = 'registry_htpasswd "R" %%DIR%%/users;';
    my @users = (write => { users => htpasswd(alice => 'one') });

    is_refused('registry_user twice', qr/duplicate/, $at,
        location => 'registry_user $http_a; registry_user $http_b;');
    is_refused('registry_user without a word', qr/number of arguments/, $at,
        location => 'registry_user;');
    is_refused('registry_user of an unknown variable', qr/nonsense/, qr/./,
        location => 'registry_user $nonsense;');
    is_refused('$remote_user beside registry_htpasswd', qr/remote_user/,
        qr/nginx\.conf/, @users,
        location => "$login registry_user \$remote_user;");
    is_refused('the same within a longer value', qr/remote_user/,
        qr/nginx\.conf/, @users,
        location => "$login registry_user \"x-\$remote_user\";");
    is_refused('the same on two levels', qr/remote_user/, qr/nginx\.conf/,
        @users, server => $login, location => 'registry_user $remote_user;');

    for my $value ('x', '-1', '10 per=', '10 per=x', '10 per=0',
        '10 20', '0.5', '10 every=1m', '')
    {
        is_refused("registry_login_limit '$value'",
            qr/registry_login_limit|invalid|number/, $at,
            location => "registry_login_limit $value;");
    }

    is_refused('registry_groups of no file', qr/group file/, $at,
        location => 'registry_groups %%DIR%%/none;');
    is_refused('registry_groups twice', qr/duplicate/, $at,
        write => { g => "a: b\n" },
        location => 'registry_groups %%DIR%%/g; registry_groups %%DIR%%/g;');
    is_refused('registry_access_tokens of no file', qr/access tokens/, $at,
        location => 'registry_access_tokens %%DIR%%/none;');
    is_refused('registry_token_grace x', qr/registry_token_grace|invalid/,
        $at, location => 'registry_token_grace x;');
}


sub accepted {
    my @rows = (
        ['rules of every kind', 'registry_allow anonymous pull public/**;'
            . 'registry_allow @dev pull,push,update,delete,list a b/* c/** '
            . '"~d{1,2}" $user/**; registry_deny * * **;'],
        ['a user that is a variable of two parts',
            'registry_user "$http_a$http_b"; registry_allow a pull **;'],
        ['$remote_user without a login of our own',
            'registry_user $remote_user; registry_allow a pull **;'],
        ['registry_login_limit 5 per=10s', 'registry_login_limit 5 per=10s;'],
        ['registry_login_limit off', 'registry_login_limit off;'],
        ['a thousand rules', join '', map {
            "registry_allow u$_ pull,push team$_/**;\n" } 1 .. 1000]
    );

    for (@rows) {
        my $t = Test::Registry->new(location => $_->[1]);
        my ($rc, $said) = $t->check;
        is($rc, 0, "accepted: $_->[0]") or diag $said;
    }
}


# Set-ups that work, though hardly as meant.

sub warned {
    my %users = (write => { users => htpasswd(alice => 'one'),
        groups => "dev: alice\n" });
    my $login = 'registry_htpasswd "R" %%DIR%%/users;';

    my ($rc, $said) = Test::Registry->new(%users, location => "$login "
        . 'registry_token_server off; registry_allow anonymous pull a/**;'
        )->check;
    is($rc, 0, 'anonymous beside Basic alone is no error') or diag $said;
    like($said, qr/\[warn\].*anonymous/, 'but a warning');

    ($rc, $said) = Test::Registry->new(%users, location => "$login "
        . 'registry_token_server off; registry_allow alice pull a/**;'
        )->check;
    unlike($said, qr/\[warn\]/, 'without anonymous there is none');

    ($rc, $said) = Test::Registry->new(%users, location => "$login "
        . 'registry_groups %%DIR%%/groups; registry_allow @ops pull **;'
        )->check;
    is($rc, 0, 'a group that the file does not have is no error')
        or diag $said;
    like($said, qr/\[warn\].*ops/, 'but a warning');
}


sub rules_file {
    my $rules = <<'EOF';
# who may do what

allow alice pull,push team/**
  deny	bob	pull	secret/*   
allow bob   pull      **
allow "two words" pull words
allow carol pull "~x{2,3}" y
EOF
    my $t = server('registry_allow dave pull d; '
        . 'registry_rules %%DIR%%/rules; registry_deny carol pull z; '
        . 'registry_allow carol pull **;', write => { rules => $rules })->run;

    is_may($t, 'yes', 'alice', 'push', 'team/a', 'from a file');
    is_may($t, 'no', 'alice', 'push', 'team', 'from a file');
    is_may($t, 'no', 'bob', 'pull', 'secret/a', 'from a file');
    is_may($t, 'yes', 'bob', 'pull', 'secret/a/b', 'from a file');
    is_may($t, 'yes', 'carol', 'pull', 'xxx', 'from a file');
    is_may($t, 'yes', 'carol', 'pull', 'y', 'from a file');
    is_may($t, 'yes', 'two words', 'pull', 'words', 'from a file');
    is_may($t, 'yes', 'dave', 'pull', 'd', 'before the file');
    is_may($t, 'no', 'carol', 'pull', 'z', 'behind the file');
    is_may($t, 'yes', 'carol', 'pull', 'zz', 'behind the file');

    # it is part of the configuration: read when that is

    $t->write_file('rules', "allow alice pull new\n");
    is_may($t, 'yes', 'alice', 'push', 'team/a', 'changed, not reloaded');
    $t->reload;
    is_may($t, 'no', 'alice', 'push', 'team/a', 'reloaded');
    is_may($t, 'yes', 'alice', 'pull', 'new', 'reloaded');

    # a bad one leaves the old rules in force

    $t->write_file('rules', "allow alice pull **\nalow bob pull **\n");
    $t->allow_log(qr/\[emerg\].*rules/);
    $t->reload(broken => 1);
    like($t->log_text, qr{\[emerg\].*/rules"?:2}, 'F33 the message names '
        . 'file and line');
    is_may($t, 'yes', 'alice', 'pull', 'new', 'F33 the old rules hold');
    is_may($t, 'no', 'alice', 'pull', 'other', 'F33 no new one does');
    $t->finish;

    # where it stands decides

    $t = server('registry_deny alice pull a; registry_rules %%DIR%%/rules;',
        write => { rules => "allow alice pull **" })->run;
    is_may($t, 'no', 'alice', 'pull', 'a', 'a rule in front of the file');
    is_may($t, 'yes', 'alice', 'pull', 'b', 'no end of line in the file');
    $t->finish;

    $t = server('registry_rules %%DIR%%/one; registry_rules %%DIR%%/two;',
        write => { one => "deny alice pull a\r\n",
            two => "allow alice pull a b\r\n" })->run;
    is_may($t, 'no', 'alice', 'pull', 'a', 'two files, in order');
    is_may($t, 'yes', 'alice', 'pull', 'b', 'two files, lines with CRLF');
    $t->finish;

    for my $text ('', "\n", "# nothing\n") {
        $t = server('registry_rules %%DIR%%/rules;',
            write => { rules => $text })->run;
        is_may($t, 'no', 'alice', 'pull', 'a', 'A91 a file without a rule');
        is_may($t, 'no', 'alice', 'push', 'a', 'A91 a file without a rule');
        $t->finish;
    }

    $t = server('registry_rules ../rules;',
        write => { rules => "allow alice pull a\n" })->run;
    is_may($t, 'yes', 'alice', 'pull', 'a', 'a name relative to nginx.conf');
    $t->finish;
}


sub refused_files {
    my @rows = (
        ['an unknown word', "allow alice pull a\npermit bob pull b\n", 2],
        ['a word in capitals', "Allow alice pull a\n", 1],
        ['no action', "allow alice\n", 1],
        ['no pattern', "\n\nallow alice pull\n", 3],
        ['an unknown action', "allow alice read a\n", 1],
        ['a bad pattern', "# x\nallow alice pull A\n", 2],
        ['a broken expression', "allow alice pull ~a(\n", 1],
        ['a quote that does not end', "allow \"alice pull a\n", 1],
        ['a semicolon', "allow alice pull a;\n", 1],
        ['the directive', "registry_allow alice pull a\n", 1],
        ['a NUL', "allow alice pull a\0b\n", 1],
        ['the last line', "allow alice pull a\nallow bob", 2]
    );

    for (@rows) {
        my ($what, $text, $line) = @$_;
        is_refused("A91 a file of rules with $what", qr{/rules"?:$line\b},
            qr/./, location => 'registry_rules %%DIR%%/rules;',
            write => { rules => $text });
    }

    is_refused('A91 a file of rules that is not there', qr/none/, qr/./,
        location => 'registry_rules %%DIR%%/none;');
    is_refused('A91 a folder of rules', qr/registry_rules|conf/, qr/./,
        location => 'registry_rules %%DIR%%/conf;');
}


sub groups {
    my $t = server('registry_groups %%DIR%%/groups;'
        . 'registry_allow @dev pull,push dev/**;'
        . 'registry_deny @banned pull **; registry_allow @ops pull **;'
        . 'registry_allow @none pull **; registry_allow @self pull $user/**;',
        write => { groups => <<"EOF" })->run;
# a comment
dev: alice bob
ops:carol   dave\tbanned-one
dev: erin
banned: banned-one bob
empty:
bad line
self: alice j\xc3\xb6rg
windows: frank\r
dev: last
EOF
    is_may($t, 'yes', 'alice', 'push', 'dev/a', 'a member');
    is_may($t, 'yes', 'erin', 'push', 'dev/a', 'a second line adds');
    is_may($t, 'yes', 'last', 'push', 'dev/a', 'what is behind a bad line');
    is_may($t, 'no', 'carol', 'push', 'dev/a', 'no member');
    is_may($t, 'no', 'dev', 'push', 'dev/a', 'the group is no user');
    is_may($t, 'no', '@dev', 'push', 'dev/a', 'with its sign neither');
    is_may($t, 'no', 'ali', 'push', 'dev/a', 'half a name');
    like(may($t, '', 'push', 'dev/a'), qr/\A(?:no|who)\z/,
        'nobody is in no group');
    is_may($t, 'yes', 'carol', 'pull', 'x', 'no blank behind the colon');
    is_may($t, 'yes', 'dave', 'pull', 'x', 'blanks between');
    is_may($t, 'no', 'banned-one', 'pull', 'x', 'denied by a group');
    is_may($t, 'yes', 'bob', 'pull', 'dev/x', 'an earlier rule of another');
    is_may($t, 'yes', 'alice', 'pull', 'alice/x', 'a group and $user');
    is_may($t, 'no', 'alice', 'pull', 'bob/x', 'a group and $user');
    $t->finish;
}


sub groups_change {
    my $t = server('registry_groups %%DIR%%/groups;'
        . 'registry_allow @dev pull **;',
        write => { groups => "dev: alice\n" })->run;

    is_may($t, 'yes', 'alice', 'pull', 'a', 'before');
    is_may($t, 'no', 'bob', 'pull', 'a', 'before');

    $t->write_file('groups', "dev: bob\n");
    is_may($t, 'no', 'alice', 'pull', 'a', 'A77 groups in place') for 1 .. 4;
    is_may($t, 'yes', 'bob', 'pull', 'a', 'A77 groups in place') for 1 .. 4;

    $t->write_file('groups.new', "dev: alice\n");
    rename $t->dir . '/groups.new', $t->dir . '/groups';
    is_may($t, 'yes', 'alice', 'pull', 'a', 'A77 groups renamed') for 1 .. 4;
    is_may($t, 'no', 'bob', 'pull', 'a', 'A77 groups renamed') for 1 .. 4;

    my $half;
    is_quick(0.8, 'A77 groups: asked at once', sub {
        $t->write_file('groups', "dev: alice\n");
        is_may($t, 'yes', 'alice', 'pull', 'a', 'A77 groups whole');
        return seconds(sub {
            $t->write_file('groups', "dev: al");
            $half = may($t, 'alice', 'pull', 'a');
        });
    });
    is($half, 'yes', 'A77 groups half written: alice pull a');
    sleep 1.2;
    is_may($t, 'no', 'alice', 'pull', 'a', 'A77 and left so');
    is_may($t, 'yes', 'al', 'pull', 'a', 'A77 and left so');
    $t->finish;
}


sub groups_gone {
    my $t = server('registry_groups %%DIR%%/groups;'
        . 'registry_deny @banned pull **; registry_allow * pull **;',
        write => { groups => "banned: alice\n" })->run;

    is_may($t, 'no', 'alice', 'pull', 'a', 'a group that denies');
    is_may($t, 'yes', 'bob', 'pull', 'a', 'a group that denies');

    unlink $t->dir . '/groups';
    isnt(may($t, 'alice', 'pull', 'a'), 'yes',
        'a file that is gone opens nothing') for 1 .. 2;
    like($t->log_text, qr/\[crit\].*groups/, 'and is logged');
    $t->write_file('groups', "banned: bob\n");
    is_may($t, 'yes', 'alice', 'pull', 'a', 'and back');
    is_may($t, 'no', 'bob', 'pull', 'a', 'and back');
    $t->finish;
}


# Rules of a level replace those above it as a whole; the rest of access is
# inherited one by one.

sub levels {
    my $t = Test::Registry->new(
        ports => 4,
        write => { groups => "dev: alice\n" },
        http => <<'EOF',
registry_user $http_x_user;
registry_groups %%DIR%%/groups;
registry_allow @dev pull http/**;
registry_allow bob pull http/**;
EOF
        location => '',
        servers => <<'EOF'
server {
    listen 127.0.0.1:%%PORT1%%;
    registry_allow bob pull server/**;
    location /v2/ { registry %%ROOT%%; }
}
server {
    listen 127.0.0.1:%%PORT2%%;
    registry_allow bob pull server/**;
    location /v2/ {
        registry %%ROOT%%;
        registry_allow @dev pull location/**;
    }
}
server {
    listen 127.0.0.1:%%PORT3%%;
    location /v2/ {
        registry %%ROOT%%;
        registry_deny bob pull http/**;
    }
}
server {
    listen 127.0.0.1:%%PORT4%%;
    registry_user $http_x_other;
    location /v2/ { registry %%ROOT%%; }
}
EOF
    )->run;
    my @at = map { [port => $t->extra_port($_)] } 0 .. 4;

    is_may($t, 'yes', 'bob', 'pull', 'http/a', 'from http');
    is_may($t, 'yes', 'alice', 'pull', 'http/a', 'from http, with groups');

    is_may($t, 'yes', 'bob', 'pull', 'server/a', 'of server', @{ $at[1] });
    is_may($t, 'no', 'bob', 'pull', 'http/a', 'of server', @{ $at[1] });
    is_may($t, 'no', 'alice', 'pull', 'http/a', 'of server', @{ $at[1] });

    is_may($t, 'yes', 'alice', 'pull', 'location/a', 'of location',
        @{ $at[2] });
    is_may($t, 'no', 'alice', 'pull', 'http/a', 'of location', @{ $at[2] });
    is_may($t, 'no', 'bob', 'pull', 'server/a', 'of location', @{ $at[2] });

    is_may($t, 'no', 'bob', 'pull', 'http/a', 'a denial alone', @{ $at[3] });
    is_may($t, 'no', 'alice', 'pull', 'http/a', 'a denial alone',
        @{ $at[3] });

    isnt(may($t, 'bob', 'pull', 'http/a', @{ $at[4] }), 'yes',
        'another registry_user: this header names nobody');
    my $r = $t->get('/v2/http/a/manifests/none', @{ $at[4] },
        headers => [['X-Other', 'bob']]);
    is_error($r, 404, 'MANIFEST_UNKNOWN', 'and the other one does');
    $t->finish;
}


# A reload with new rules, while an old connection goes on.

sub reloaded {
    my $t = server('registry_allow alice pull **;')->run;

    is_may($t, 'yes', 'alice', 'pull', 'a', 'before a reload');
    $t->{location} =~ s/registry_allow alice/registry_allow bob/;
    $t->reload;
    is_may($t, 'no', 'alice', 'pull', 'a', 'after a reload');
    is_may($t, 'yes', 'bob', 'pull', 'a', 'after a reload');

    $t->{location} =~ s/registry_allow bob/registry_allow bob nonsense/;
    $t->allow_log(qr/\[emerg\].*nonsense/);
    $t->reload(broken => 1);
    is_may($t, 'yes', 'bob', 'pull', 'a', 'F33 after a reload that failed');
    is_may($t, 'no', 'alice', 'pull', 'a', 'F33 after a reload that failed');
    $t->finish;
}

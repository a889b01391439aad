#!/usr/bin/perl

# Rules: who may do what to which repositories. A user is whoever X-User says,
# so that nothing but the rules is in play.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Registry;


# Sets of rules, each with the questions it is asked: "user action repository"
# (- for nobody) and yes or no.

my @sets = (

    ['globs', <<'EOF', <<'EOQ'],
registry_allow alice pull team/*;
registry_allow bob   pull team/**;
registry_allow carol pull **;
registry_allow dave  pull exact;
registry_allow erin  pull */app;
registry_allow frank pull a/**/z;
registry_allow grace pull one two/* three/**;
registry_allow hank  pull te*m/a*;
registry_allow iris  pull *;
registry_allow jack  pull team*/**;
EOF
yes alice pull team/app      no  alice pull team         no  alice pull team/a/b
no  alice pull teamx         no  alice pull teamx/a      no  alice pull x/team/a
yes alice pull team/a.b-c_d  no  alice push team/app
no  alice delete team/app
yes bob pull team/app  yes bob pull team/a/b
yes bob pull team/a/b/c/d
no  bob pull team            no  bob pull teamx/a        no  bob pull x/team/a
yes carol pull a             yes carol pull a/b          yes carol pull team/a/b
no  carol push a             no  carol delete a          no  - pull a
yes dave pull exact          no  dave pull exact/x       no  dave pull exac
no  dave pull exactx         no  dave pull x/exact
yes erin pull team/app       yes erin pull x/app         no  erin pull app
no  erin pull a/b/app  no  erin pull team/apps
no  erin pull team/app/x
yes frank pull a/b/z         yes frank pull a/b/c/z      no  frank pull a/b/zz
no  frank pull a/bz          no  frank pull b/a/z        no  frank pull xa/b/z
yes grace pull one  yes grace pull two/x
yes grace pull three/x/y
no  grace pull two           no  grace pull two/x/y      no  grace pull three
yes hank pull team/app       yes hank pull tem/a         no  hank pull team/ba
no  hank pull te/m/a         no  hank pull team/a/b      no  hank pull xteam/a
yes iris pull a              no  iris pull a/b
yes jack pull team/a         yes jack pull teamx/a/b     no  jack pull team
no  jack pull tea/a
EOQ

    ['regular expressions', <<'EOF', <<'EOQ'],
registry_allow alice pull ~team/[ab]+;
registry_allow bob   pull "~(red|blue)/[^/]+";
registry_allow carol pull "~x{2,3}";
registry_allow dave  pull ~app;
registry_allow erin  pull "~^lib/.*$";
registry_allow frank pull ~a|b/c;
registry_allow grace pull "~(a+)+/z";
EOF
yes alice pull team/ab       no  alice pull team/abc     no  alice pull xteam/ab
no  alice pull team/ab/c     no  alice pull team/
yes bob pull red/x           yes bob pull blue/x         no  bob pull blue/x/y
no  bob pull green/x         no  bob pull red
yes carol pull xx            yes carol pull xxx          no  carol pull xxxx
no  carol pull x
yes dave pull app            no  dave pull my/app        no  dave pull apple
yes erin pull lib/a/b        no  erin pull my/lib/a
yes frank pull a             yes frank pull b/c          no  frank pull a/c
no  frank pull ab/c          no  frank pull x/b/c        no  frank pull a/x
yes grace pull aaaa/z        no  grace pull aab/z
EOQ

    ['the user in a pattern', <<'EOF', <<'EOQ'],
registry_allow authenticated pull,push users/$user/**;
registry_allow authenticated pull home-${user}x;
registry_allow authenticated pull "~re/$user/[a-z]+";
registry_allow *             pull own/$user;
EOF
yes alice pull users/alice/x yes alice push users/alice/x/y
no  alice pull users/bob/x  no  alice pull users/alice
no  alice pull users/alice2/x
yes alice2 pull users/alice2/x  no  alice pull users//x
no  - pull users/alice/x     no  - pull users//x         no  - pull own/alice
yes alice pull home-alicex   no  alice pull home-alice   no  alice pull home-x
no  - pull home-x
yes alice pull re/alice/abc  no  alice pull re/bob/abc   yes a.c pull re/a.c/x
no  a.c pull re/abc/x  no  a.c pull users/abc/x
yes a.c pull users/a.c/x
no  * pull users/alice/x     no  ** pull users/alice/x   no  .* pull re/alice/x
no  Alice pull users/alice/x no  ALICE pull users/alice/x
no  a/b pull users/a/b/c     no  alice/x pull users/alice/x/y
no  .. pull users/alice/x    no  a|alice pull re/alice/x
no  $user pull users/alice/x
yes alice pull own/alice     no  alice pull own/bob
EOQ

    ['order', <<'EOF', <<'EOQ'],
registry_deny  alice pull secret/**;
registry_allow alice pull **;
registry_allow bob   pull **;
registry_deny  bob   pull secret/**;
registry_allow carol pull secret/mine;
registry_deny  carol *    secret/**;
registry_allow carol *    **;
registry_deny  *     push frozen/**;
registry_allow dave  *    **;
registry_deny  erin  push,delete **;
registry_allow erin  *    **;
EOF
no  alice pull secret/a      yes alice pull open/a       yes alice pull secret
yes bob pull secret/a        yes bob pull open/a
yes carol pull secret/mine   no  carol push secret/mine  no  carol pull secret/a
yes carol push open/a        yes carol delete open/a
no  dave push frozen/a  yes dave pull frozen/a
yes dave delete frozen/a
yes dave push thawed/a
yes erin pull a              no  erin push a             no  erin delete a
no  frank pull a
EOQ

    ['who', <<'EOF', <<'EOQ'],
registry_allow anonymous      pull public/**;
registry_allow authenticated  pull members/**;
registry_allow *              pull all/**;
registry_allow alice          pull alices/**;
registry_allow user:anonymous pull named/**;
registry_allow user:bob       pull bobs/**;
registry_allow user:@dev      pull at/**;
registry_allow user:*         pull star/**;
registry_deny  anonymous      pull half/**;
registry_allow *              pull half/**;
registry_deny  authenticated  pull other/**;
registry_allow *              pull other/**;
registry_allow j\xc3\xb6rg    pull utf/**;
registry_allow "two words"    pull words/**;
EOF
yes - pull public/x  yes alice pull public/x
yes anonymous pull public/x
no  - push public/x          no  alice push public/x
no  - pull members/x  yes alice pull members/x
yes anonymous pull members/x
yes - pull all/x             yes alice pull all/x        no  - pull alices/x
yes alice pull alices/x      no  bob pull alices/x       no  Alice pull alices/x
no  alicex pull alices/x     no  alic pull alices/x
yes anonymous pull named/x   no  - pull named/x          no  alice pull named/x
yes bob pull bobs/x          no  user:bob pull bobs/x
yes @dev pull at/x           no  dev pull at/x
yes * pull star/x            no  alice pull star/x       no  - pull star/x
no  - pull half/x            yes alice pull half/x
yes - pull other/x           no  alice pull other/x
yes j%c3%b6rg pull utf/x     no  jorg pull utf/x
yes two%20words pull words/x no  two pull words/x        no  words pull words/x
EOQ

    ['actions', <<'EOF', <<'EOQ'],
registry_allow puller  pull   **;
registry_allow pusher  push   **;
registry_allow deleter delete **;
registry_allow lister  list   **;
registry_allow updater update **;
registry_allow both    pull,push **;
registry_allow swapped push,pull **;
registry_allow all     *      **;
registry_allow twice   pull   **;
registry_allow twice   push   **;
EOF
yes puller pull a            no  puller push a           no  puller delete a
no  pusher pull a            yes pusher push a           no  pusher delete a
no  deleter pull a           no  deleter push a          yes deleter delete a
no  lister pull a            no  lister push a           no  lister delete a
no  updater pull a           no  updater push a          no  updater delete a
yes both pull a              yes both push a             no  both delete a
yes swapped pull a           yes swapped push a
yes all pull a               yes all push a              yes all delete a
yes twice pull a             yes twice push a            no  twice delete a
EOQ

    ['one rule of denial', <<'EOF', <<'EOQ'],
registry_deny alice pull secret;
EOF
no  alice pull secret        no  alice pull open         no  bob pull open
no  - pull open              no  bob push open
EOQ
);

my $servers = '';
my $n = 0;

for (@sets) {
    my $rules = $_->[1] =~ s/\\x(..)/chr hex $1/ger;
    $servers .= "server { listen 127.0.0.1:%%PORT" . ++$n . "%%;\n"
        . "location /v2/ { registry %%ROOT%%; registry_delete on;\n"
        . "registry_user \$person;\n$rules } }\n";
}

my $t = Test::Registry->new(
    ports => $n, servers => $servers,
    location => 'registry_delete on;',
    http => <<"EOF",
map \$http_x_user \$person {
    default       \$http_x_user;
    "j%c3%b6rg"   "j\xc3\xb6rg";
    "two%20words" "two words";
}
EOF
)->run;

for my $i (1 .. @sets) {
    my ($name, undef, $questions) = @{ $sets[$i - 1] };

    while ($questions =~ /(yes|no) +(\S+) +(\S+) +(\S+)/g) {
        answers("$name: $2 $3 $4", $1, $i, $2, $3, $4);
    }
}

a_login_is_enough();

finish($t);


sub user {
    my ($i, $user) = @_;

    return Test::Registry::Visitor->new($t, port => $t->extra_port($i),
        headers => $user eq '-' ? [] : [['X-User', $user]]);
}


# Asks for something that is not there: 404 when one may, 403 when not.

sub ask {
    my ($user, $action, $repo) = @_;

    return $user->get("/v2/$repo/manifests/none") if $action eq 'pull';
    return $user->delete("/v2/$repo/manifests/none") if $action eq 'delete';
    return $user->get("/v2/$repo/blobs/uploads/"
        . '00000000-0000-4000-8000-000000000000') if $action eq 'push';
    die "no question for $action\n";
}


sub answers {
    my ($name, $want, $i, $user, $action, $repo) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = ask(user($i, $user), $action, $repo);
    return is_error($r, 404, $action eq 'push' ? 'BLOB_UPLOAD_UNKNOWN'
        : 'MANIFEST_UNKNOWN', "A91 $name: yes") if $want eq 'yes';

    # a name that is none has no rights either, or is said to be none

    return is_error($r, [400, 403], ['NAME_INVALID', 'DENIED'],
        "A91 $name: no") if $repo =~ m{//|/\z};
    return is_error($r, [401, 403], ['UNAUTHORIZED', 'DENIED'],
        "A91 $name: no") if $user eq '-';
    return is_error($r, 403, 'DENIED', "A91 $name: no");
}


sub a_login_is_enough {
    for my $i (1 .. @sets) {
        is_status(user($i, 'somebody')->get('/v2/'), 200,
            "the ping needs no right: $sets[$i - 1][0]");
    }
}

#!/usr/bin/perl

# The error log: docs/troubleshooting.md quotes what the sources have, and the
# lines that an operator meets most are there when they are needed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Registry;
use Test::Registry::Trouble;

my $top = "$FindBin::Bin/..";

quoted();
own_files();
wrong_owner();
gone();
password_file();
logins();
descriptors();
full_queue();
manifest_memory();
full_zone();
damage();
no_secrets();

done_testing();


# --- the page ----------------------------------------------------------------

# Each line of the page fits a format of a call that logs, at its level; what
# stands for a %s is a text of the sources again, or a name.

sub quoted {
    my $string = qr/"((?:[^"\\]|\\.)*)"/;
    my (@calls, @texts);

    for my $file (glob "$top/src/nginx/{*,*/*}.c $top/src/core/*/*.[ch]") {
        open my $fh, '<:raw', $file or die "$file: $!\n";
        local $/;
        my $source = <$fh>;

        for ($source) {
            s{/\*.*?\*/}{}gs;
            s/'\\?"'/0/g;
            s{"\s*REG_SCRUB_CORRUPT\s*"}{docker/registry/nginx/corrupt}g;
            s/%"\s*PRI\w+\s*"/%d/g;
            s/%"\s*PRI\w+/%d"/g;
            s/"\s+"//g;
        }

        while ($source =~ /ngx_(?:conf_)?log_error\(\s*(\w+),[^"]*?$string/g)
        {
            my ($level, $format) = ($1, $2);
            $level =~ s/\ANGX_LOG_// or $level = '';
            $level = 'error' if $level eq 'ERR';
            push @calls, [lc $level || '\w+', _as_re($format, '(.*)')];
        }

        # what is hardly more than a value could be anything
        push @texts, map { _as_re($_, '\S*') } grep { s/%\w+//gr =~ /\w{2}/ }
            $source =~ /$string/g;
    }

    cmp_ok(scalar @calls, '>', 60, scalar(@calls) . ' calls that log');

    my @lines = trouble_lines();
    cmp_ok(scalar @lines, '>', 25, scalar(@lines) . ' lines on the page');

    for my $line (@lines) {
        my ($level, $text) = @$line;

        my @fits = grep {
            my ($l, $re) = @$_;
            my @values = $text =~ /\A$re\z/;
            $level =~ /\A$l\z/ && @values
                && !grep { defined && !_known($_, \@texts) } @values;
        } @calls;

        ok(scalar @fits, "in the sources: [$level] " . substr $text, 0, 60)
            or diag($text);
    }

    ok(!_known('free some space on the disk', \@texts),
        'what is not in the sources is not found there');
}


# A format as a pattern; what one for a %s is.

sub _as_re {
    my ($format, $string) = @_;

    $format =~ s/\\(["\\])/$1/g;

    my $re = join '', map {
        /\A%(?:\.\*)?s\z/ ? $string
            : /\A%V\z/ ? '[^"]*'
            : /\A%\w+\z/ ? '-?\d+' : quotemeta
    } split /(%(?:\.\*)?s|%V|%(?:u?[dizLTM]|ll|z)+)/, $format;

    return qr/$re/;
}


# The value of one %s, or of several in a row: names, and words of the sources.

sub _known {
    my ($value, $texts) = @_;

    return 1 if $value =~ m{\A[\w./:()-]*\z};

    for my $re (@$texts) {
        return 1 if $value =~ /\A$re(?:: )?(.*)\z/
            && length $1 < length $value && _known($1, $texts);
    }

    return 0;
}


# --- at start ----------------------------------------------------------------

sub own_files {
    for my $case (
        ['is there no directory above it', 'there is no directory above it',
            'registry %%DIR%%/none/registry;'],
        ['a password file that is not there', 'without its password file',
            'registry %%ROOT%%; registry_htpasswd R %%DIR%%/users;'])
    {
        my ($name, $words, $location) = @$case;
        my $c = Test::Registry->new(body => 'server { '
            . "listen 127.0.0.1:%%PORT%%; location /v2/ { $location } }");
        my ($status, $said) = $c->check;
        ok($status && $said =~ /\[emerg\]/ && index($said, $words) >= 0, $name)
            or diag($said);
    }
}


# --- the tree ----------------------------------------------------------------

sub wrong_owner {
  SKIP: {
    skip_tests('the owner of files is root\'s to change', 8) if $> != 0;

    my $t = Test::Registry->new(user => 'www-data');
    mkdir $t->root . '/docker';
    $t->run;
    is_said($t, 'pushes will fail; give');
    my $r = $t->post('/v2/app/blobs/uploads/', body => '');
    is_error($r, 500, 'UNKNOWN', 'a push fails');
    unlike($r->body, qr/chown|permission|docker/i, 'the client learns no more');
    like($t->log_text, qr{\[crit\].*\ mkdir\(\)\ "\Q@{[ $t->root ]}\E/docker\S+"
        \ failed;\ give\ the\ registry's\ root\ to\ the\ worker\ user\ .*
        \ \(13:\ Permission\ denied\),\ client:\ }x,
        'and the log says what to do');
    $t->finish;
  }
}


# A root that is not there any more, as that of a disk that was taken out.

sub gone {
    my $t = Test::Registry->new->run;

    remove_tree($t->root);
    is_error($t->post('/v2/app/blobs/uploads/', body => ''), 500, 'UNKNOWN',
        'a root that is gone');
    is_said($t, 'still mounted?');
    mkdir $t->root;
    $t->finish;
}


# --- logins ------------------------------------------------------------------

sub password_file {
    my $t = Test::Registry->new(
        write => { users => htpasswd(ann => 'a') . "bob:plain\n" },
        location => 'registry_htpasswd R %%DIR%%/users;')->run;
    my $ann = $t->as('ann', 'a');

    is_status($ann->get('/v2/'), 200, 'who stands on a good line is let in');
    is_said($t, 'is passed over');
    unlike($t->log_text, qr/plain\b(?! text)/, 'the password is not in it');

    unlink $t->dir . '/users';
    wait_for(30, sub { $ann->get('/v2/')->status == 503 });
    is_said($t, 'is gone, nobody can log in');
    $t->finish;

  SKIP: {
    skip_tests('root reads everything', 7) if $> != 0;

    $t = Test::Registry->new(user => 'www-data',
        write => { users => htpasswd(ann => 'a') },
        location => 'registry_htpasswd R %%DIR%%/users;');
    chmod 0600, $t->dir . '/users';
    $t->run;
    is_said($t, 'no change of it will be seen');
    $t->finish;
  }
}


sub logins {
    my $t = Test::Registry->new(write => { users => htpasswd(ann => 'a') },
        location => <<'EOF')->run;
registry_htpasswd R %%DIR%%/users;
registry_login_limit 3;
registry_allow ann pull **;
EOF
    is_error($t->as('ann', 'a')->post('/v2/other/image/blobs/uploads/',
        body => ''), 403, 'DENIED', 'no right');
    is_said($t, 'may not push to');

    $t->as('ann', 'b')->get('/v2/') for 1 .. 3;
    is_said($t, 'client sent a wrong user name or password');
    is_said($t, 'this address has to wait');
    $t->finish;
}


# --- too many ----------------------------------------------------------------

sub descriptors {
    my $t = Test::Registry->new->run;
    $t->push_image('app', 'v1');
    my $c = $t->connect;
    $c->get('/v2/');

    my ($rc, $said) = run_command(10, 'prlimit', '--pid',
        ($t->workers)[0], '--nofile=3:1000');
    is($rc, 0, 'no descriptors') or diag($said);
    is_error($c->get('/v2/app/manifests/v1'), 503, 'TOOMANYREQUESTS',
        'refused for a while');
    is_said($t, 'raise "worker_rlimit_nofile"');
    run_command(10, 'prlimit', '--pid', ($t->workers)[0],
        '--nofile=1000:1000');
    $c->close;
    $t->finish;
}


# One thread, room for one task, and forty who come at once.

sub full_queue {
    my $t = Test::Registry->new(
        main => 'thread_pool tiny threads=1 max_queue=1;',
        location => 'registry_thread_pool tiny;')->run;
    my $refused;

    $t->allow_log(qr/thread pool "tiny" queue overflow/);

    for my $round (1 .. 20) {
        my @c = map { $t->connect } 1 .. 40;
        $_->send($_->head('POST', '/v2/app/blobs/uploads/', body => ''))
            for @c;
        $refused = grep { $_->status == 503 } map { $_->reply } @c;
        $_->close for @c;
        last if $refused;
    }

    cmp_ok($refused, '>', 0, "$refused were refused");
    is_said($t, 'of the "thread_pool"');
    $t->finish(audit => { unfinished => 1 });
}


sub manifest_memory {
    my $t = Test::Registry->new(http => 'registry_manifest_memory 1m;')->run;
    my @c = map {
        my $c = $t->connect;
        $c->start('PUT', "/v2/app/manifests/v$_", length => 900_000);
        $c->send('{"a":"' . 'x' x 800_000, unless_reply => 1);
        $c;
    } 1 .. 3;

    # whoever pauses for long gives way to the others, on a slow machine too

    my @r = map { $_->reply(timeout => 2) } reverse @c;
    my ($refused) = grep { $_->status } @r;
    is_error($refused // $r[0], 503, 'TOOMANYREQUESTS', 'one too many');
    is_said($t, 'raise "registry_manifest_memory"');
    $_->close for @c;
    $t->finish;
}


sub full_zone {
    my $t = Test::Registry->new(http => 'registry_zone_size 32k;',
        location => 'registry_upload_sessions 1000;')->run;

    $t->open_upload('app') for 1 .. 120;
    is_said($t, 'raise "registry_zone_size"');
    my $n = () = $t->log_text =~ /raise "registry_zone_size"/g;
    is($n, 1, 'once, and not for each');
    $t->finish(audit => { unfinished => 1 });
}


# --- damage ------------------------------------------------------------------

sub damage {
    my $t = Test::Registry->new->run;
    my $bytes = blob(1000, 'damage');
    $t->push_image('app', 'v1', layers => [$bytes]);
    my $uri = '/v2/app/blobs/' . sha256($bytes);

    truncate $t->blob_file(sha256($bytes)), 3 or die "truncate: $!\n";
    is_error($t->get($uri), 404, 'BLOB_UNKNOWN', 'a blob that was cut');
    is_said($t, 'push it again, or restore it from a backup');
    $t->push_blob('app', $bytes);
    is_whole($t->get($uri), $bytes, 'pushed again it is whole');
    $t->finish;
}


# Whatever comes, at whatever level: neither passwords nor tokens.

sub no_secrets {
    my $t = Test::Registry->new(
        write => { users => htpasswd(ann => 'Sesame-1') },
        location => 'registry_htpasswd R %%DIR%%/users; '
            . 'registry_token_server on; registry_allow ann * **; '
            . 'registry_allow anonymous pull **; registry_login_limit 2;')
        ->run;

    my $r = $t->as('ann', 'Sesame-1')
        ->get('/v2/_nginx/token?scope=repository:a:pull&offline_token=true');
    my $j = $r->json;
    my @secrets = ('Sesame-1', 'Sesame-2', $j->{token}, $j->{refresh_token},
        basic('ann', 'Sesame-1') =~ s/Basic //r,
        basic('ann', 'Sesame-2') =~ s/Basic //r);

    for my $bearer ($j->{token}, $j->{refresh_token}, "$j->{token}x") {
        my $v = $t->with(Authorization => "Bearer $bearer");
        $v->get('/v2/a/tags/list');
        $v->put('/v2/a/manifests/v1', body => '{}');
    }

    $t->as('ann', $_)->put('/v2/a/manifests/v1', body => '{}')
        for 'Sesame-1', 'Sesame-2', 'Sesame-2', 'Sesame-2';

    for my $form ("grant_type=password&username=ann&password=Sesame-1",
        "grant_type=password&username=ann&password=Sesame-2",
        "grant_type=refresh_token&refresh_token=$j->{refresh_token}",
        "grant_type=refresh_token&refresh_token=$j->{refresh_token}x")
    {
        $t->post('/v2/_nginx/token', body => $form, headers => [
            ['Content-Type', 'application/x-www-form-urlencoded']]);
    }

    my $log = $t->log_text;
    cmp_ok(length $log, '>', 2000, 'the log says much');
    is(scalar(grep { index($log, $_) >= 0 } @secrets), 0, 'and no secret');
    $t->finish;
}

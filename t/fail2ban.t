#!/usr/bin/perl

# conf.examples/fail2ban, read by the real fail2ban: who fails to log in is
# found with his address, as often as he failed; nobody else is, whatever is
# made up in names, paths and headers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use POSIX ();
use Test::More;

use Test::Registry;
use Test::Registry::Examples;
use Test::Registry::Token;

my $top = "$FindBin::Bin/..";
my $filter = "$top/conf.examples/fail2ban/filter.d/nginx-registry.conf";

my ($missing) = Test::Registry::Process::run_command(30, 'sh', '-c',
    'command -v fail2ban-regex && command -v fail2ban-server');
skip_suite('fail2ban is not installed', 11) if $missing;

my $t = example('log-audit.conf', passwords => { ann => 'a' },
    edit => ['443 ssl' => '127.0.0.1:%%PORT%%',
        'registry_delete  ' => "set_real_ip_from 127.0.0.1;\n"
            . "real_ip_header X-Address;\nregistry_token_server on;\n"
            . 'registry_delete  '])->run;

# who fails: address => how often

my %failed = ('192.0.2.7' => 0, '2001:db8::7' => 0, '198.51.100.9' => 0);
my $lines = 0;

failures();
successes();
look_alikes();

wait_for(30, sub { log_lines('audit.log') >= $lines })
    or diag('lines: ' . log_lines('audit.log') . " of $lines");

is_found('audit.log');
is_found('error.log');
banned();

finish($t);


# --- what happens ------------------------------------------------------------

sub failures {
    my @form = (headers => [['Content-Type',
        'application/x-www-form-urlencoded']]);

    for my $address (sort keys %failed) {
        my $from = sub { visitor($address, @_) };

        is_wrong($address, $from->('ann', 'b')->get('/v2/'));
        is_wrong($address, $from->('eve', 'b')->put('/v2/x/manifests/v1',
            body => '{}'));
        is_wrong($address, $from->('robot', 'b')->get('/v2/_nginx/token'));
        is_wrong($address, $from->()->post('/v2/_nginx/token', @form,
            body => 'grant_type=password&username=ann&password=b'));
    }
}


sub is_wrong {
    my ($address, $r) = @_;

    die $r->as_text if $r->status != 401;
    $failed{$address}++;
    $lines++;
}


sub successes {
    my $ann = visitor('203.0.113.1', 'ann', 'a');
    my $bearer = token_in($ann->get('/v2/_nginx/token?service=registry'));
    $lines++;

    audited(200, $ann->get('/v2/'));
    audited(200, visitor('203.0.113.2', 'robot', secret($t, 'robot'))
        ->get('/v2/'));
    audited(403, visitor('203.0.113.3', 'robot', secret($t, 'robot'))
        ->delete('/v2/app/web/manifests/1'));
    audited(401, visitor('203.0.113.4')->with_bearer('x.y.z')->get('/v2/'));
    audited(404, $ann->delete('/v2/x/manifests/1'));

    # asked for a login, as everybody is; and one who is let in by a token
    visitor('203.0.113.5')->get('/v2/');
    visitor('203.0.113.6')->with_bearer($bearer)->get('/v2/x/tags/list');
}


# Lines of somebody who fails, or does not, and would have another one banned.

sub look_alikes {
    my $victim = '203.0.113.99';
    my $json = '","from":"' . $victim . '","login":"wrong","credentials":'
        . '"basic","auth":"';
    my $error = " client sent a wrong user name or password, client: $victim,"
        . ' server: ';
    my $now = '2026/11/21 07:29:36';
    my $mine = '192.0.2.7';

    # a name ends at a colon in the header, and nowhere in a form

    for my $name ($json, $error, "x, client: $victim, server: y",
        "a\n{\"time\":\"2026-11-21T07:29:50+00:00$json",
        "a\r\n$now [info] 1#1: *1$error", "a\\n$now [info] 1#1: *1$error",
        "client: $victim", $victim, "\x{85}$error", "\xe2\x80\xa8$error")
    {
        is_wrong($mine, visitor($mine, $name, 'x')->get('/v2/'));
        is_wrong($mine, visitor($mine)->post('/v2/_nginx/token',
            headers => [['Content-Type',
                'application/x-www-form-urlencoded']],
            body => 'grant_type=password&password=b&username='
                . escape($name)));
    }

    # with the right password: such a name is in no log as a failure
    for my $text ($json, $error, "\n{\"time\":\"$json", "\n$now [info] 1#1: "
        . "*1$error")
    {
        my $in_uri = $text =~ s/([^\w.-])/sprintf '%%%02x', ord $1/ger;
        my $ann = visitor('203.0.113.1', 'ann', 'a');

        audited(404, $ann->delete("/v2/x/manifests/1?$in_uri"));
        $ann->get("/v2/$in_uri/tags/list");
        $ann->get('/v2/x/manifests/1', headers => [
            ['User-Agent', $text =~ s/\n/ /gr],
            ['Referer', $text =~ s/\n/ /gr]]);
    }

    # raw, where nginx lets it pass: a request line, and a host

    my $c = $t->connect;
    $c->send("GET /v2/\" $error HTTP/1.1\r\nHost: a\r\n\r\n");
    $c->closes_within(30);
    $c = $t->connect;
    $c->send("GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Address: $victim\r\n"
        . " , folded\r\nConnection: close\r\n\r\n");
    $c->closes_within(30);
}


sub audited {
    my ($status, $r) = @_;

    die $r->as_text if $r->status != $status;
    $lines++;
    return $r;
}


# A client at that address, with a password or without.

sub visitor {
    my ($address, @login) = @_;

    return Local::Visitor->new($t, headers => [['X-Address', $address],
        (@login ? ['Authorization', basic(@login)] : ())]);
}


# --- what fail2ban makes of it -----------------------------------------------

sub log_lines {
    my ($name) = @_;

    open my $fh, '<', $t->dir . "/$name" or return 0;
    return scalar(() = <$fh>);
}


sub is_found {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($status, $said) = Test::Registry::Process::run_command(60,
        'fail2ban-regex', '-o', 'ip', $t->dir . "/$name", $filter);

    my %found;
    $found{$_}++ for grep { /\A[0-9a-f.:]+\z/ } split /\n/, $said;

    is($status, 0, "fail2ban reads $name") or diag($said);
    is(join(' ', map { "$_=$found{$_}" } sort keys %found),
        join(' ', map { "$_=$failed{$_}" } sort keys %failed),
        "A112 $name: who failed, how often, and nobody else");
}


# The jail, in a fail2ban of our own that bans by a line in a file.

sub banned {
    my $dir = $t->dir . '/fail2ban';
    make_path("$dir/conf/$_")
        for qw(filter.d jail.d action.d fail2ban.d);

    my $put = sub { $t->write_file("fail2ban/conf/$_[0]", $_[1]) };
    my $from = sub {
        my ($name) = @_;

        open my $fh, '<', $name or die "$name: $!\n";
        local $/;
        return scalar <$fh>;
    };

    my $jail = $from->("$top/conf.examples/fail2ban/jail.d/"
        . 'nginx-registry.conf');
    my $audit = $t->dir . '/audit.log';
    $jail =~ s{^logpath .*}{logpath = $audit}m or die "no logpath\n";
    $jail =~ s{^maxretry .*}{maxretry = 10}m or die "no maxretry\n";

    $put->('fail2ban.conf', "[Definition]\nloglevel = INFO\n"
        . "logtarget = $dir/log\nsyslogsocket = auto\nsocket = $dir/sock\n"
        . "pidfile = $dir/pid\ndbfile = None\ndbpurgeage = 1d\n"
        . "dbmaxmatches = 10\n[Thread]\nstacksize = 0\n");
    $put->('jail.conf', "[DEFAULT]\nbackend = auto\nusedns = no\n"
        . "logencoding = auto\nmode = normal\naction = note\n");
    $put->('jail.d/nginx-registry.conf', $jail);
    $put->('filter.d/nginx-registry.conf', $from->($filter));
    $put->('action.d/note.conf', "[Definition]\nactionstart =\n"
        . "actionstop =\nactioncheck =\nactionunban =\n"
        . "actionban = echo <ip> >>$dir/banned\n");

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$dir/out";
        open STDERR, '>&', \*STDOUT;
        exec 'fail2ban-server', '-f', '-c', "$dir/conf", '-s', "$dir/sock",
            '-p', "$dir/pid", 'start' or POSIX::_exit(127);
    }

    my $of = sub {
        open my $fh, '<', "$dir/banned" or return '';
        return join ' ', map { chomp; $_ } <$fh>;
    };

    wait_for(30, sub { $of->() ne '' });
    is($of->(), '192.0.2.7', 'the jail bans who failed too often')
        or diag(map { -e $_ ? $from->($_) : () } "$dir/out", "$dir/log");

    kill 'TERM', $pid;
    reap($pid, 10);
}


package Local::Visitor;

use parent -norequire, 'Test::Registry::Visitor';

sub with_bearer {
    my ($self, $token) = @_;

    return (ref $self)->new($self->{server}, headers => [
        @{ $self->{headers} }, ['Authorization', "Bearer $token"]]);
}

package Test::Registry::Nginx;

# A real nginx with the module, in a temporary directory of its own.

use strict;
use warnings;

use parent 'Test::Registry::Server';

use File::Temp ();
use Scalar::Util ();
use Test::More ();
use Time::HiRes qw(time sleep);

use Test::Registry::Audit;
use Test::Registry::Binary;
use Test::Registry::Log;
use Test::Registry::Process;

my %live;


# location  directives inside "location /v2/", beside "registry"
# server, http, events, main  directives of those levels
# servers   whole further server blocks
# body      replaces everything inside http {}
# workers   worker_processes, default 1
# tls       true: a second port with TLS and HTTP/2
# h2c       true: a third port with HTTP/2 in the clear
# ports     number of further free ports, %%PORT1%% ...
# master    false: master_process off; so is the default where
#           TEST_NGINX_SINGLE is set
# root      an existing registry root to serve
# user      who the workers run as, when started as root; default root
# write     {file => text}: further files in the temporary directory
# env       {name => value}: what nginx's environment has besides
#
# In all of them: %%DIR%% %%ROOT%% %%PORT%% %%TLS_PORT%% %%H2C_PORT%%

sub new {
    my ($class, %o) = @_;

    my $dir = File::Temp::tempdir('registry-test-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $dir;

    my $self = bless {
        workers => 1, master => !$ENV{TEST_NGINX_SINGLE}, user => 'root',
        %o,
        dir => $dir, owner => $$, pid => 0, expected => {}, allow => [],
        started => 0
    }, $class;

    $self->{root} ||= "$dir/data";
    mkdir $self->{root} if !-d $self->{root};
    mkdir "$dir/conf";
    mkdir "$dir/temp";

    $self->write_file($_, $o{write}{$_}) for sort keys %{ $o{write} || {} };
    $self->_give_away if $> == 0 && $self->{user} ne 'root';

    $live{$self} = $self;
    Scalar::Util::weaken($live{$self});

    return $self;
}


sub dir { $_[0]{dir} }
sub root { $_[0]{root} }
sub port { $_[0]{ports_given}[0] }
sub pid { $_[0]{pid} }
sub error_log { "$_[0]{dir}/error.log" }


sub tls_port {
    return $_[0]{tls_port_given} || die "started without tls\n";
}


sub h2c_port {
    return $_[0]{h2c_port_given} || die "started without h2c\n";
}


sub ca { tls_files()->{ca} }


sub write_file {
    my ($self, $name, $text) = @_;

    my $path = $name =~ m{\A/} ? $name : "$self->{dir}/$name";
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $text or die "$path: $!\n";
    close $fh or die "$path: $!\n";
    return $path;
}


sub _give_away {
    my ($self) = @_;

    my ($uid, $gid) = (getpwnam $self->{user})[2, 3];
    die "no user $self->{user}\n" if !defined $uid;
    chown $uid, $gid, $self->{root}, "$self->{dir}/temp";
}


# The user line; the group is the user's own, whatever its name.

sub _user {
    my ($self) = @_;

    my $gid = (getpwnam $self->{user})[3];
    die "no user $self->{user}\n" if !defined $gid;
    return "user $self->{user} " . getgrgid($gid) . ";\n";
}


sub _expand {
    my ($self, $text) = @_;

    $text =~ s/%%DIR%%/$self->{dir}/g;
    $text =~ s/%%ROOT%%/$self->{root}/g;
    $text =~ s/%%NOFILE%%/'worker_rlimit_nofile ' . file_limit() . ';'/ge;
    $text =~ s/%%TLS_PORT%%/$self->{tls_port_given}/g;
    $text =~ s/%%H2C_PORT%%/$self->{h2c_port_given}/g;
    $text =~ s/%%PORT%%/$self->{ports_given}[0]/g;
    $text =~ s/%%PORT(\d+)%%/$self->{ports_given}[$1]/g;
    return $text;
}


sub extra_port { $_[0]{ports_given}[$_[1]] }


sub _ports {
    my ($self) = @_;

    $self->{ports_given} = [ map { free_port() } 0 .. ($self->{ports} || 0) ];
    $self->{tls_port_given} = $self->{tls} ? free_port() : 0;
    $self->{h2c_port_given} = $self->{h2c} ? free_port() : 0;
}


# The text of nginx.conf.

sub conf {
    my ($self) = @_;

    return $self->_expand($self->{conf}) if defined $self->{conf};

    my %f = map { $_ => $self->{$_} // '' }
        qw(main events http server location servers);
    my $main = '';
    my $so = module();

    $main .= "load_module $so;\n" if $so ne '';
    $main .= $self->_user if $> == 0;
    $main .= "master_process off;\n" if !$self->{master};

    my $listen = "listen 127.0.0.1:%%PORT%%;\n";

    if ($self->{tls}) {
        my $files = tls_files();
        my $h2 = has_version('1.25.1') ? '' : ' http2';
        $listen .= "listen 127.0.0.1:%%TLS_PORT%% ssl$h2;\n"
            . "ssl_certificate $files->{crt};\n"
            . "ssl_certificate_key $files->{key};\n";
    }

    $listen .= 'listen 127.0.0.1:%%H2C_PORT%%'
        . (has_version('1.25.1') ? '' : ' http2') . ";\n" if $self->{h2c};
    $listen .= "http2 on;\n"
        if ($self->{tls} || $self->{h2c}) && has_version('1.25.1');

    my $body = defined $self->{body} ? $self->{body} : <<"EOC";
$f{http}

server {
$listen
server_name localhost;
$f{server}

location /v2/ {
registry %%ROOT%%;
$f{location}
}
}

$f{servers}
EOC

    my $temp = join '', map {
        "${_}_temp_path %%DIR%%/temp/$_;\n"
    } qw(client_body proxy fastcgi uwsgi scgi);

    return $self->_expand(<<"EOC");
$main
$f{main}
daemon off;
worker_processes $self->{workers};
%%NOFILE%%
pid %%DIR%%/nginx.pid;
error_log %%DIR%%/error.log info;

events {
worker_connections 4096;
$f{events}
}

http {
access_log %%DIR%%/access.log;
$temp
$body
}
EOC
}


sub _write_conf {
    my ($self) = @_;

    # a master may be reading the one before

    my $new = $self->write_file('conf/nginx.conf.new', $self->conf);
    $self->{conf_file} = $new =~ s/\.new\z//r;
    rename $new, $self->{conf_file} or die "$self->{conf_file}: $!\n";
}


sub _command {
    my ($self) = @_;

    return (binary(), '-p', "$self->{dir}/", '-c', $self->{conf_file},
        '-e', $self->error_log);
}


# nginx -t on this configuration: (exit code, what it printed).

sub check {
    my ($self) = @_;

    $self->_ports if !$self->{ports_given};
    $self->_write_conf;
    return Test::Registry::Process::run_command(30, $self->_command, '-t');
}


# Starts; dies with the logs when that fails.

sub run {
    my ($self) = @_;

    for my $try (1 .. 4) {
        $self->_ports if !$self->{ports_given};
        $self->_write_conf;
        $self->_spawn;

        my $up = wait_for(20, sub {
            return -1 if !alive($self->{pid});
            return $self->_answers && $self->_count_ok;
        });

        if ($up && $up > 0) {
            $self->{started} = 1;
            $self->_expect_workers;
            return $self;
        }

        reap($self->{pid}, 0.2);
        my $text = $self->log_text . $self->_stderr;
        if ($try < 4 && $text =~ /Address already in use/) {
            $self->{ports_given} = undef;
            unlink $self->error_log, "$self->{dir}/stderr";
            next;
        }

        kill 'KILL', $self->{pid} if alive($self->{pid});
        reap($self->{pid}, 5);
        $self->{pid} = 0;
        die "nginx did not start\n" . Test::Registry::Log::tail($text, 30);
    }
}


sub _spawn {
    my ($self) = @_;

    my @command = $self->_command;
    my $pid = fork;
    die "fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/stdout";
        open STDERR, '>>', "$self->{dir}/stderr";
        @ENV{ keys %{ $self->{env} || {} } } = values %{ $self->{env} || {} };
        exec { $command[0] } @command or do {
            print STDERR "$command[0]: $!\n";
            POSIX::_exit(127);
        };
    }

    $self->{pid} = $pid;
}


sub _answers {
    my ($self) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->port, Proto => 'tcp', Timeout => 2) or return 0;
    close $s;
    return 1;
}


sub _count_ok {
    my ($self) = @_;

    return 1 if !$self->{master};
    my $want = $self->{workers} =~ /\A\d+\z/ ? $self->{workers} : 1;
    return $self->workers == $want;
}


# Process ids of the workers in service; with old, of those shutting down.

sub workers {
    my ($self, %o) = @_;

    return ($self->{pid}) if !$self->{master};
    return grep {
        my $cmd = command_of($_);
        $cmd =~ /nginx: worker process/
            && ($cmd =~ /shutting down/ ? $o{old} : !$o{old})
    } children($self->{pid});
}


sub _expect_workers {
    my ($self) = @_;

    $self->{expected} = { map { $_ => 1 } $self->workers };
}


# HUP; returns when new workers serve. With broken => 1 the configuration is
# expected to be refused and the old workers to stay: returns when the log has
# an [emerg] of it.

sub reload {
    my ($self, %o) = @_;

    my %old = map { $_ => 1 } $self->workers;
    my $from = -s $self->error_log || 0;

    $self->_write_conf;
    kill 'HUP', $self->{pid};

    if ($o{broken}) {
        wait_for(15, sub {
            substr($self->log_text, $from) =~ /\[emerg\]/
        }) or die "no configuration was refused\n"
            . Test::Registry::Log::tail($self->log_text, 20);
        return;
    }

    my $done = wait_for(15, sub {
        my @now = $self->workers;
        return !grep({ $old{$_} } @now) && $self->_count_ok;
    });
    die "no new workers after a reload\n"
        . Test::Registry::Log::tail($self->log_text, 20)
        if !$done;
    $self->_expect_workers;
}


# SIGKILL for one worker (the first, unless named); returns when the master
# has started another one.

sub kill_worker {
    my ($self, $pid) = @_;

    ($pid) = $self->workers if !$pid;
    kill 'KILL', $pid;
    return $self->worker_killed($pid);
}


# The same for a worker that something else has killed, or is about to.

sub worker_killed {
    my ($self, $pid) = @_;

    $self->was_killed;
    $self->allow_log(qr/worker process $pid exited on signal 9/);
    $self->allow_log(
        qr/shared memory zone "[^"]+" was locked by $pid/);

    wait_for(10, sub { !alive($pid) && $self->_count_ok })
        or die "the killed worker was not replaced\n";
    $self->_expect_workers;
    return $pid;
}


# Stops with the given signal (QUIT, TERM) and waits; true when it ended in
# time with status 0.

sub stop {
    my ($self, %o) = @_;

    my $pid = $self->{pid} or return 1;
    my @workers = $self->workers;

    kill $o{signal} || 'QUIT', $pid;

    my $status = reap($pid, $o{timeout} || 15);

    if (!defined $status) {
        kill 'KILL', $pid, grep { alive($_) } @workers;
        reap($pid, 5);
        $self->{pid} = 0;
        $self->{stop_text} = 'nginx had to be killed: it did not stop on '
            . ($o{signal} || 'QUIT');
        return 0;
    }

    $self->{pid} = 0;
    $self->{stop_text} = "nginx ended with status $status";
    return $status == 0;
}


sub restart {
    my ($self, %o) = @_;

    $self->stop(%o) or die "$self->{stop_text}\n";
    return $self->run;
}


# A process that was killed leaves the temporary that it was writing: finish()
# lets it be, since it is young.

sub was_killed { $_[0]{killed} = 1 }


# SIGKILL for the master and everything below it, as a power cut would.

sub kill_all {
    my ($self) = @_;

    $self->was_killed;
    my @all = ($self->{pid}, children($self->{pid}));
    kill 'KILL', @all;
    reap($self->{pid}, 5);
    wait_for(5, sub { !grep { alive($_) } @all });
    $self->{pid} = 0;
}


sub log_text {
    my ($self) = @_;

    open my $fh, '<:raw', $self->error_log or return '';
    local $/;
    return scalar(<$fh>) // '';
}


sub _stderr {
    my ($self) = @_;

    open my $fh, '<:raw', "$self->{dir}/stderr" or return '';
    local $/;
    return scalar(<$fh>) // '';
}


# Declares lines of the error log expected, matching the pattern.

sub allow_log {
    my ($self, $pattern) = @_;

    push @{ $self->{allow} }, $pattern;
}


# Lines of both logs that no test should leave; see Test::Registry::Log.

sub bad_log_lines {
    my ($self) = @_;

    # Of a port that another test had for a moment: it tried again, and started.

    return grep { !/bind\(\) to \S+ failed \(98: Address already in use\)/ }
        Test::Registry::Log::bad($self->log_text . "\n" . $self->_stderr,
            @{ $self->{allow} });
}


sub split_log_lines {
    my ($self) = @_;

    return Test::Registry::Log::split_lines($self->log_text,
        @{ $self->{allow} });
}


# How many assertions finish() makes when nothing is left out.

use constant FINISH => 6;


# What must hold at the end of every test; each point is one assertion.
#
# audit  options of the audit, or false: no audit
# roots  further registry roots to audit
# fds    false: open files of the store are not looked for

sub finish {
    my ($self, %o) = @_;

    my $tb = Test::More->builder;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @lost = $self->{pid} ? grep { !alive($_) } keys %{ $self->{expected} }
        : ();
    $tb->ok(!@lost, 'the same workers are alive')
        or $tb->diag("lost: @lost");

    $self->_check_fds if $self->{pid} && (!exists $o{fds} || $o{fds});
    $self->_wait_for_trash if $self->{pid} && (!exists $o{audit} || $o{audit});

    if ($self->{pid}) {
        $tb->ok($self->stop(signal => $o{signal}), 'nginx stops cleanly')
            or $tb->diag($self->{stop_text});
    }

    if (!exists $o{audit} || $o{audit}) {
        my %how = (killed => $self->{killed},
            ref $o{audit} ? %{ $o{audit} } : ());
        my @found = map { Test::Registry::Audit::audit($_, %how) }
            $self->{root}, @{ $o{roots} || [] };
        $tb->ok(!@found, 'S4 the store audit is clean')
            or $tb->diag(join "\n", @found > 20
                ? (@found[0 .. 19], '...') : @found);
    }

    my @bad = $self->bad_log_lines;
    $tb->ok(!@bad, 'no alert, emerg or sanitizer line in the log')
        or $tb->diag(join "\n", @bad > 20 ? @bad[0 .. 19] : @bad);

    my @split = $self->split_log_lines;
    $tb->ok(!@split, 'A112 every line of the log is one line')
        or $tb->diag(join "\n", @split > 10 ? @split[0 .. 9] : @split);

    if (!$tb->is_passing && !$self->{shown}++) {
        $tb->diag("end of $self->{dir}/error.log:\n"
            . Test::Registry::Log::tail($self->log_text,
                $ENV{TEST_NGINX_TAIL} || 25));
        $tb->diag('TEST_NGINX_LEAVE=1 keeps that directory')
            if !$ENV{TEST_NGINX_LEAVE};
    }

    $self->_remove;
}


# A delete on a slow disk leaves to the cache manager what it cannot free at
# once.

sub _wait_for_trash {
    my ($self) = @_;

    return if $self->{killed};
    wait_for(30, sub {
        my @left = glob "\Q$self->{root}\E/docker/registry/nginx/trash/*";
        return !@left;
    });
}


# Descriptors inside the store must all be closed again, and of what was taken
# out of it, whose space nobody has back before. Our own folder beside v2 may
# hold locks open.

sub _check_fds {
    my ($self) = @_;

    my @open;
    wait_for(6, sub {
        @open = grep {
            m{\A\Q$self->{root}\E/docker/registry/(?:v2|nginx/t(?:mp|rash)/)}
        }
            map { fds_of($_) } $self->workers, $self->workers(old => 1);
        return !@open;
    });

    my $tb = Test::More->builder;
    $tb->ok(!@open, 'S5 no file of the store is left open')
        or $tb->diag(join "\n", @open);
}


sub _remove {
    my ($self) = @_;

    delete $live{$self};
    return if $self->{removed}++ || $ENV{TEST_NGINX_LEAVE};

    require File::Path;
    File::Path::remove_tree($self->{dir}, { error => \my $ignored });
}


sub _abandon {
    my ($self) = @_;

    return if !$self->{pid} && $self->{removed};

    if ($self->{pid} && alive($self->{pid})) {
        kill 'TERM', $self->{pid};
        if (!defined reap($self->{pid}, 5)) {
            my @all = ($self->{pid}, children($self->{pid}));
            kill 'KILL', @all;
            reap($self->{pid}, 5);
        }
    }

    $self->{pid} = 0;
    $self->_remove;
}


# A test that dies leaves nothing running behind.

END {
    local $?;

    for my $self (grep { defined && $_->{owner} == $$ } values %live) {
        if ($self->{started} && !Test::More->builder->is_passing
            && !$self->{shown}++)
        {
            Test::More::diag("end of error.log:\n"
                . Test::Registry::Log::tail($self->log_text, 25));
        }
        $self->_abandon;
    }
}


sub DESTROY {
    my ($self) = @_;

    local ($@, $!, $?);
    $self->_abandon if $self->{owner} == $$;
}


1;

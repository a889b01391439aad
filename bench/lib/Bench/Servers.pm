package Bench::Servers;

# The servers: where they are, how each is configured, started and ended.

use strict;
use warnings;

use POSIX ();

use Bench::Machine;

# The newest distribution when this was written; go install builds it.

our $distribution_version = 'v3.1.2';
my $distribution_package =
    'github.com/distribution/distribution/v3/cmd/registry';

my $nginx;
my $module;


# Returns target => { title, ... } of what is there and says what is not.

sub find {
    my (@only) = @_;

    my %want = map { $_ => 1 } @only ? @only : qw(ours d3 d2 nginx);
    my %found;

    $nginx = $ENV{TEST_NGINX_BINARY} || Bench::Machine::program('nginx')
        || die "bench: no nginx; on Debian: apt-get install nginx\n";

    $module = $ENV{TEST_NGINX_MODULE}
        // "$Bench::Machine::built/ngx_http_registry_module.so";

    if (delete $want{ours}) {
        die "bench: $module is not there: run make first\n"
            if $module ne '' && !-f $module;

        $found{ours} = { title => 'this module' };
    }

    if (delete $want{nginx}) {
        $found{nginx} = { title => 'nginx files' };
    }

    if (delete $want{d2}) {
        my $path = $ENV{BENCH_DOCKER_REGISTRY}
            || Bench::Machine::program('docker-registry');

        if ($path) {
            $found{d2} = { path => $path,
                           title => 'distribution ' . version($path) };

        } else {
            note("no docker-registry, left out; on Debian: "
                 . "apt-get install docker-registry");
        }
    }

    if (delete $want{d3}) {
        my $path = find_distribution();

        $found{d3} = { path => $path,
                       title => 'distribution ' . version($path) } if $path;
    }

    die "bench: unknown target: ", join(' ', keys %want), "\n" if %want;

    return %found;
}


sub note {
    print STDERR "bench: @_\n" unless $ENV{BENCH_NETWORK};
}


sub version {
    my ($path) = @_;

    my ($v) = output($path, '--version') =~ /(\d+\.\d+\.\d+)/;

    return $v // '?';
}


sub output {
    open my $f, '-|', @_ or return '';
    local $/;
    return <$f> // '';
}


sub find_distribution {
    my $built = "$Bench::Machine::build/registry";
    my $go = Bench::Machine::program('go');

    # named but empty: there is none

    return $ENV{BENCH_DISTRIBUTION} || undef
        if defined $ENV{BENCH_DISTRIBUTION};
    return $built if -x $built;

    if (!$go) {
        note("no go to build distribution $distribution_version with, left "
             . "out; BENCH_DISTRIBUTION may name a program");
        return;
    }

    my ($path) = split /:/, output($go, 'env', 'GOPATH') =~ s/\s+$//r;

    $path .= '/bin/registry';

    return $path if -x $path
        && index(output($path, '--version'), $distribution_version) >= 0;

    # nothing can be built within the namespace; it has been tried before

    return if $ENV{BENCH_NETWORK};

    note("building distribution $distribution_version, once");

    local $ENV{GOBIN} = $Bench::Machine::build;
    local $ENV{GOFLAGS} = '';

    return $built if system($go, 'install',
                            "$distribution_package\@$distribution_version")
                     == 0 && -x $built;

    note("distribution $distribution_version cannot be built with "
         . output($go, 'version') =~ s/\s+$//r . ", left out");
    return;
}


# Starts a server on the store (or the files) below root.
#
#     tls       over TLS
#     workers   of nginx; distribution has no such thing
#     login     of ours: only "bench" with the password "bench" may come in
#     directive of ours: one more
#     http      of ours: what stands before the server
#     places    of ours: further locations
#     level     of nginx's log
#     dir       for its configuration, logs and temporary files

sub start {
    my ($target, $info, %o) = @_;

    my $port = Bench::Machine::free_port();
    my $dir = "$o{dir}/$target";
    my ($pid, @command, %env);

    mkdir $dir;
    mkdir $o{root};
    unlink "$dir/log";

    if ($target eq 'ours' || $target eq 'nginx') {
        write_file("$dir/nginx.conf", nginx_conf($target, $port, $dir, %o));
        @command = ($nginx, '-p', $dir, '-e', "$dir/log", '-c',
                    "$dir/nginx.conf");

    } else {
        write_file("$dir/config.yml", distribution_conf($port, %o));
        @command = ($info->{path}, 'serve', "$dir/config.yml");
        %env = (OTEL_TRACES_EXPORTER => 'none');
    }

    $pid = Bench::Machine::start($target, "$dir/log", \%env, @command);
    Bench::Machine::wait_for_port($pid, $info->{title}, $port, "$dir/log");

    return { pid => $pid, log => "$dir/log",
             url => ($o{tls} ? 'https' : 'http') . "://127.0.0.1:$port" };
}


# Ends a server; returns what its log complains of.

sub stop {
    my ($server) = @_;

    Bench::Machine::end($server->{pid});

    open my $f, '<', $server->{log} or return;

    my @bad =
        grep { /\[(emerg|alert|crit|error)\]|level=(fatal|panic)|^panic/ } <$f>;

    return @bad ? $bad[0] =~ s/\s+$//r : undef;
}


sub nginx_conf {
    my ($target, $port, $dir, %o) = @_;

    my $ssl = $o{tls} ? ' ssl' : '';
    my $certificate = $o{tls} ? <<"END" : '';
        ssl_certificate      $o{certs}/cert.pem;
        ssl_certificate_key  $o{certs}/key.pem;
        ssl_protocols        TLSv1.2 TLSv1.3;
END

    my $user = $> == 0 ? 'user root;' : '';
    my $load = $target eq 'ours' && $module ne '' ? "load_module $module;" : '';

    # bcrypt of cost 10

    my $login = '';

    if ($o{login}) {
        write_file("$dir/users", 'bench:$2y$10$sMOsaDpg5whv.DacaMIaj.LThQt/SfdF0DxE24gCLAOyI5PIDC9IG' . "\n");
        $login = "registry_htpasswd Bench $dir/users;";
    }

    my $directive = $o{directive} // '';
    my $level = $o{level} // 'error';
    my $http = $o{http} || 'access_log             off;';
    my $places = $o{places} // '';

    my $location = $target eq 'ours' ? <<"END" : <<"END";
        location /v2/ {
            registry         $o{root};
            registry_delete  on;
            $login
            $directive
        }

        $places
END
        location = /v2/ {
            return 200 '{}';
        }

        location /v2/ {
            root                  $o{root};
            client_max_body_size  0;
            dav_methods           PUT;
            create_full_put_path  on;
        }
END

    # a connection that nginx closes after some requests would count as load

    return <<"END";
$load
$user
daemon               off;
pid                  $dir/nginx.pid;
error_log            $dir/log $level;
worker_processes     $o{workers};

events {
    worker_connections  4096;
}

http {
    $http
    log_not_found          off;
    sendfile               on;
    tcp_nopush             on;
    keepalive_requests     100000000;
    keepalive_timeout      600s;

    client_body_temp_path  $dir/body;
    proxy_temp_path        $dir/proxy;
    fastcgi_temp_path      $dir/fastcgi;
    uwsgi_temp_path        $dir/uwsgi;
    scgi_temp_path         $dir/scgi;

    server {
        listen  127.0.0.1:$port$ssl;
$certificate
$location
    }
}
END
}


# As Debian's package configures it, less authentication and logs.

sub distribution_conf {
    my ($port, %o) = @_;

    my $tls = $o{tls} ? <<"END" : '';
  tls:
    certificate: $o{certs}/cert.pem
    key: $o{certs}/key.pem
END

    return <<"END";
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: $o{root}
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
catalog:
  maxentries: 100000
http:
  addr: 127.0.0.1:$port
  secret: bench
  headers:
    X-Content-Type-Options: [nosniff]
$tls
END
}


sub write_file {
    my ($path, $text) = @_;

    open my $f, '>', $path or die "bench: $path: $!\n";
    print $f $text;
    close $f or die "bench: $path: $!\n";
}


# A key and a self-signed certificate, for all servers.

sub make_certificate {
    my ($dir) = @_;

    my $log = "$dir/openssl.log";
    my $pid = fork // die "bench: fork: $!\n";

    if ($pid == 0) {
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        { exec qw(openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj
                  /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1),
               '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem" }
        POSIX::_exit(127);
    }

    waitpid $pid, 0;
    die "bench: openssl makes no certificate\n" if $?;
}


1;

package Test::Registry::Binary;

# Which nginx is tested, which module, what it can do, and the certificate
# it shows.

use strict;
use warnings;

use Cwd ();
use Exporter qw(import);
use File::Basename ();
use File::Temp ();

use Test::Registry::Process;

our @EXPORT = qw(binary module version_text has_version tls_files);

# Files this far up the tree belong to the repository.

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../..');

my %tls_files;


# The nginx binary: TEST_NGINX_BINARY, or the one of the machine.

sub binary {
    my $bin = $ENV{TEST_NGINX_BINARY};
    return $bin if defined $bin && length $bin;

    for (split(/:/, $ENV{PATH} || ''), '/usr/sbin') {
        return "$_/nginx" if -x "$_/nginx";
    }
    die "no nginx found: set TEST_NGINX_BINARY\n";
}


# Path of the module, or '' when it is compiled in.

sub module {
    my $so = $ENV{TEST_NGINX_MODULE};
    $so = "$top/build/ngx_http_registry_module.so" if !defined $so;
    return $so eq '' ? '' : Cwd::abs_path($so) || $so;
}


my $version_text;

sub version_text {
    if (!defined $version_text) {
        (undef, $version_text)
            = run_command(20, binary(), '-V');
    }
    return $version_text;
}


# True when the binary is at least the given version ("1.25.1").

sub has_version {
    my ($want) = @_;

    my ($have) = version_text() =~ m{nginx/([\d.]+)};
    my @have = split /\./, $have || '0';
    my @want = split /\./, $want;

    for (0 .. 2) {
        my $c = ($have[$_] || 0) <=> ($want[$_] || 0);
        return $c > 0 if $c;
    }
    return 1;
}


# A test CA and a certificate for localhost, made once a process.

sub tls_files {
    return \%tls_files if $tls_files{ca};

    my $dir = File::Temp::tempdir('registry-ca-XXXXXXXX', TMPDIR => 1,
        CLEANUP => 1);
    my $run = sub {
        my ($rc, $out) = run_command(30, @_);
        die "@_: $out\n" if $rc != 0;
    };

    open my $fh, '>', "$dir/ext.cnf" or die "$dir/ext.cnf: $!\n";
    print {$fh} "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        . "basicConstraints=CA:FALSE\n";
    close $fh;

    my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);
    $run->('openssl', 'req', '-x509', @key, '-days', '30', '-subj',
        '/CN=registry test CA', '-addext', 'basicConstraints=critical,CA:TRUE',
        '-addext', 'keyUsage=critical,keyCertSign',
        '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt");
    $run->('openssl', 'req', '-new', @key, '-subj', '/CN=localhost',
        '-keyout', "$dir/server.key", '-out', "$dir/server.csr");
    $run->('openssl', 'x509', '-req', '-in', "$dir/server.csr",
        '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-CAcreateserial',
        '-days', '30', '-extfile', "$dir/ext.cnf",
        '-out', "$dir/server.crt");

    %tls_files = (dir => $dir, ca => "$dir/ca.crt",
        crt => "$dir/server.crt", key => "$dir/server.key");
    return \%tls_files;
}


1;

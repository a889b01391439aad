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

our @EXPORT = qw(
    binary module version_text has_version tls_files client_certificate
);

# Files this far up the tree belong to the repository.

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../../..');

my %tls_files;

my @new_key = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);


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
    open my $fh, '>', "$dir/ext.cnf" or die "$dir/ext.cnf: $!\n";
    print {$fh} "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        . "basicConstraints=CA:FALSE\n";
    close $fh;

    _openssl('req', '-x509', @new_key, '-days', '30', '-subj',
        '/CN=registry test CA', '-addext', 'basicConstraints=critical,CA:TRUE',
        '-addext', 'keyUsage=critical,keyCertSign',
        '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt");

    %tls_files = (dir => $dir, ca => "$dir/ca.crt",
        _sign($dir, 'server', '/CN=localhost'));
    return \%tls_files;
}


sub _openssl {
    my ($rc, $out) = run_command(30, 'openssl', @_);
    die "openssl @_: $out\n" if $rc != 0;
}


# A key and a certificate of the test CA: (crt => file, key => file).

sub _sign {
    my ($dir, $name, $subject) = @_;

    _openssl('req', '-new', @new_key, '-subj', $subject,
        '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
    _openssl('x509', '-req', '-in', "$dir/$name.csr",
        '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-CAcreateserial',
        '-days', '30', '-extfile', "$dir/ext.cnf", '-out', "$dir/$name.crt");

    return (crt => "$dir/$name.crt", key => "$dir/$name.key");
}


# What a client shows, by the subject: (cert => file, key => file). A
# certificate of the test CA; with self, one that nobody has signed.

my $clients = 0;

sub client_certificate {
    my ($subject, %o) = @_;

    my $dir = tls_files()->{dir};
    my $name = 'client' . ++$clients;

    if ($o{self}) {
        _openssl('req', '-x509', @new_key, '-days', '30', '-subj', $subject,
            '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt");
        return (cert => "$dir/$name.crt", key => "$dir/$name.key");
    }

    my %files = _sign($dir, $name, $subject);
    return (cert => $files{crt}, key => $files{key});
}


1;

package Test::Registry::Examples;

# A file of conf.examples at work: its own text, but for paths and ports that
# only its reader's machine has, and with the files that its comment tells the
# reader to make, made by the very commands that stand there.
#
#   my $t = example('access-password.conf', passwords => { team => 'x' })->run;
#
#   is(ask($t, 'GET', '/v2/', user => 'team:x')->{status}, 200, 'a login');

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp ();
use HTTP::Tiny;
use IPC::Open3 qw(open3);
use MIME::Base64 qw(encode_base64);
use Symbol ();

use Test::Registry ();
use Test::Registry::Binary;

our @EXPORT = qw(example ask etc secret registryctl authority certificate);

my $top = dirname(__FILE__) . '/../../../..';


sub example_text {
    my ($name) = @_;

    open my $fh, '<:raw', "$top/conf.examples/$name"
        or die "conf.examples/$name: $!\n";
    local $/;
    return scalar <$fh>;
}


# A server that is not started yet. %%PORT1%% stands for port 9000.
#
# passwords  {user => password}, for the commands that ask for one
# more       text for the end of http {}
# edit       [from => to, ...], further replacements in the text

sub example {
    my ($name, %o) = @_;

    my $text = example_text($name);
    my $root = $> == 0;
    my $t = Test::Registry->new(workers => 2, ports => 1,
        user => $root ? 'www-data' : 'root');
    my $etc = etc($t);

    authority($t, 'server', 'registry.example.com');
    rename "$etc/server.crt", "$etc/registry.crt" or die "$etc: $!\n";
    rename "$etc/server.key", "$etc/registry.key" or die "$etc: $!\n";

    _follow($t, $text, $o{passwords} || {});

    my @edit = @{ $o{edit} || [] };
    while (my ($from, $to) = splice @edit, 0, 2) {
        $text =~ s/\Q$from\E/$to/g or die "$name has no $from\n";
    }

    my $so = module();
    my $module = $so eq '' ? '' : "load_module $so;";
    my $user = $root ? $t->_user : '';
    my $more = $o{more} || '';
    my $temp = join '', map {
        "    ${_}_temp_path %%DIR%%/temp/$_;\n"
    } qw(client_body proxy fastcgi uwsgi scgi);

    for ($text) {
        s/^load_module .*/$module/m;
        s/^user .*\n/$user/m;
        s/^worker_processes .*/worker_processes 2;/m;
        s/^worker_rlimit_nofile .*/%%NOFILE%%/m;
        s/^http \{\n/http {\n    access_log %%DIR%%\/access.log;\n$temp/m;
        s/^\}\s*\z/$more}\n/m;
        s/listen( +)443 ssl/listen${1}127.0.0.1:%%PORT%% ssl/;
        s/127\.0\.0\.1:9000/127.0.0.1:%%PORT1%%/g;
        s{/etc/nginx/}{$etc/}g;
        s{/var/lib/registry}{%%ROOT%%}g;
        s{/var/log/nginx/}{%%DIR%%/}g;
    }

    $t->{conf} = "daemon off;\npid %%DIR%%/nginx.pid;\n"
        . "error_log %%DIR%%/error.log info;\n$text";

    return $t;
}


# What stands for /etc/nginx.

sub etc { return $_[0]->dir . '/conf' }


# The secret that a "registryctl token create" of the comment printed.

sub secret {
    my ($t, $name) = @_;

    return $t->{secrets}{$name} // die "no token $name was made\n";
}


# Does what the comment of an example says: makes the files whose text stands
# there, below a line "/etc/nginx/NAME:", and runs the commands.

sub _follow {
    my ($t, $text, $passwords) = @_;

    my $etc = etc($t);
    my $comment = join '', map { /\A#(.*)/ ? "$1\n" : () } split /\n/, $text;
    $comment =~ s/ *\\\n */ /g;

    while ($comment =~ m{^ /etc/nginx/(\S+):\n\n((?:     .*\n)+)}mg) {
        my ($name, $lines) = ($1, $2);
        $t->write_file("conf/$name", $lines =~ s/^     //mgr);
    }

    while ($comment =~ /^     ((?:registryctl|echo|chgrp) .*)/mg) {
        my $line = $1;
        next if $line =~ /\Achgrp/ && $> != 0;

        my $out = _run($line =~ s{/etc/nginx/}{$etc/}gr, $passwords);
        chomp $out;
        $t->{secrets}{$1} = $out
            if $line =~ /\Aregistryctl token create \S+ (\S+)/;
    }
}


# The command with these arguments; /etc/nginx/ is that of the example.

sub registryctl {
    my ($t, $arguments) = @_;

    my $etc = etc($t);
    return _run('registryctl ' . $arguments =~ s{/etc/nginx/}{$etc/}gr, {});
}


# One command line. A password goes in by standard input, where the reader
# would be asked for it. Returns standard output; dies when it fails.

sub _run {
    my ($line, $passwords) = @_;

    my $ctl = $ENV{TEST_REGISTRYCTL} || "$top/build/registryctl";
    my $in = '';

    if ($line =~ /\A(?:registryctl user add \S+ |echo ")(\w+)/) {
        my $password = $passwords->{$1} // die "no password for $1\n";
        $in = "$password\n";
        $line =~ s/\A(registryctl user add) /$1 --stdin --cost 5 /;
        $line =~ s/(openssl passwd) /$1 -stdin /;
    }

    $line =~ s/\Aregistryctl /$ctl /;

    my $pid = open3(my $to, my $from, my $err = Symbol::gensym(), 'sh', '-c',
        $line);
    print {$to} $in;
    close $to;
    local $/;
    my $out = <$from> // '';
    my $said = <$err> // '';
    waitpid $pid, 0;
    die "$line: $said\n" if $?;

    return $out;
}


# --- certificates ------------------------------------------------------------

# A certificate that is its own authority: NAME.crt and NAME.key, an RSA one
# if asked for.

sub authority {
    my ($t, $name, $cn, $rsa) = @_;

    my $path = etc($t) . "/$name";
    my @new = $rsa ? ('-newkey', 'rsa:2048')
        : ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1');

    _openssl('req', '-x509', @new, '-nodes', '-days', 2,
        '-keyout', "$path.key", '-out', "$path.crt", '-subj', "/CN=$cn",
        '-addext', "subjectAltName=DNS:$cn,IP:127.0.0.1");

    return "$path.crt";
}


# A certificate for a subject such as "/CN=builder", of the authority with
# that name. Returns the files of certificate and key.

sub certificate {
    my ($t, $authority, $subject) = @_;

    my $etc = etc($t);
    my $path = "$etc/client" . ++$t->{certificates};

    _openssl('req', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', "$path.key",
        '-out', "$path.csr", '-subj', $subject);
    _openssl('x509', '-req', '-in', "$path.csr", '-days', 2, '-CAcreateserial',
        '-CA', "$etc/$authority.crt", '-CAkey', "$etc/$authority.key",
        '-out', "$path.crt");

    return ("$path.crt", "$path.key");
}


sub _openssl {
    my ($status, $text) = Test::Registry::Process::run_command(30, 'openssl',
        @_);
    die "openssl @_: $text\n" if $status;
}


# --- requests ----------------------------------------------------------------

# ask($t, 'PUT', $uri, user => 'ann:secret', token => 'ey...', body => $bytes,
# headers => {...}, cert => [$crt, $key]): the reply as HTTP::Tiny returns it.

sub ask {
    my ($t, $method, $uri, %o) = @_;

    my %headers = %{ $o{headers} || {} };
    $headers{Authorization} = 'Basic ' . encode_base64($o{user}, '')
        if defined $o{user};
    $headers{Authorization} = "Bearer $o{token}" if defined $o{token};

    my ($crt, $key) = @{ $o{cert} || [] };
    my $ua = HTTP::Tiny->new(
        timeout => 20, verify_SSL => 1, max_redirect => 0,
        SSL_options => {
            SSL_ca_file => etc($t) . '/registry.crt',
            ($crt ? (SSL_cert_file => $crt, SSL_key_file => $key) : ()),
        });

    my $url = $uri =~ m{\Ahttps?:} ? $uri
        : 'https://127.0.0.1:' . $t->port . $uri;

    return $ua->request($method, $url, {
        headers => \%headers,
        (defined $o{body} ? (content => $o{body}) : ()),
    });
}


1;

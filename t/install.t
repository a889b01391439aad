#!/usr/bin/perl

# make install and make uninstall, into a folder: what comes where, what of the
# operator's is left alone, and that nginx finds the module there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

use Test::Registry;
use Test::Registry::Files;

my $top = "$FindBin::Bin/..";
my $work = tempdir('registry-install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $module = '/usr/lib/nginx/modules/ngx_http_registry_module.so';
my $example = '/etc/nginx/registry-example.conf';

my %files = (
    $module => 0644,
    '/usr/bin/registryctl' => 0755,
    '/usr/share/man/man1/registryctl.1' => 0644,
    '/usr/share/bash-completion/completions/registryctl' => 0644,
    $example => 0644
);

my $debian = nginx('debian', '--prefix=/usr/share/nginx '
    . '--conf-path=/etc/nginx/nginx.conf --modules-path=/usr/lib/nginx/modules');

nothing_built();
installed();
parallel();
again();
uninstalled();
elsewhere();
loaded();
packages();

done_testing();


# Something that says how it was configured, as nginx -V does.

sub nginx {
    my ($name, $options) = @_;

    my $path = spew("$work/nginx-$name", "#!/bin/sh\n"
        . "echo 'configure arguments: --with-cc-opt=-O2 $options' >&2\n");
    chmod 0755, $path;
    return $path;
}


# By make, with variables of it, and an nginx.

sub make {
    my ($target, $nginx, @set) = @_;

    local $ENV{TEST_NGINX_BINARY} = $nginx;
    delete local @ENV{qw(PREFIX DESTDIR MODULES_PATH CONF_PATH MAKEFLAGS)};
    my ($rc, $said) = Test::Registry::Process::run_command(120, 'make', '-s',
        '-C', $top, $target, "BUILD=$work/build", @set);
    return wantarray ? ($rc, $said) : $rc == 0;
}


# Files below, as paths from there on.

sub below {
    my ($dir) = @_;

    return [sort map { s/\A\Q$dir\E//r } split /\n/,
        qx(find '$dir' ! -type d 2>/dev/null)];
}


sub nothing_built {
    my ($rc, $said) = make('install', $debian, "DESTDIR=$work/none");

    isnt($rc, 0, 'what was not built is not installed');
    like($said, qr/run make first/, 'and it says so');
    is_deeply(below("$work/none"), [], 'nor a part of it');
    spew("$work/build/$_", "this is $_\n")
        for 'ngx_http_registry_module.so', 'registryctl';
}


sub installed {
    ok(make('install', $debian, "DESTDIR=$work/d"), 'make install');
    is_deeply(below("$work/d"), [sort keys %files],
        'all of it, and nothing beside it');
    is((stat "$work/d$_")[2] & 07777, $files{$_}, "mode of $_")
        for sort keys %files;
    is(slurp("$work/d$module"), "this is ngx_http_registry_module.so\n",
        'the module');
    is(slurp("$work/d$example"), slurp("$top/conf.examples/minimal.conf"),
        'an example');
}


# With -j nothing is compiled before what it needs has been installed.

sub parallel {
    my $tree = "$work/tree";

    make_path(map { "$tree/$_" } qw(ci src/cli src/core));
    spew("$tree/Makefile", slurp("$top/Makefile"));
    spew("$tree/$_", '') for qw(src/cli/one.c src/core/two.c ci/module.sh);
    spew("$tree/src/core/sources", "src/core/two.c\n");
    spew("$tree/ci/deps.sh", "sleep 2; : >needed\n");
    my $cc = spew("$tree/cc", <<'END');
#!/bin/sh
[ -e needed ] || exit 1
while [ "$1" != -o ]; do shift; done
: >"$2"
END
    chmod 0755, $cc;

    delete local @ENV{qw(BUILD MAKEFLAGS)};
    my ($rc, $said) = Test::Registry::Process::run_command(60, 'make', '-C',
        $tree, '-j4', "CC=$cc", 'BUILD=build');
    is($rc, 0, 'make -j, where something has to be installed') or diag($said);
    ok(-e "$tree/build/registryctl", 'builds all');
}


# A newer one takes the place of an older one, not of what people wrote.

sub again {
    my $old = (stat "$work/d$module")[1];
    open my $kept, '<', "$work/d$module" or die;

    spew("$work/build/ngx_http_registry_module.so", "newer\n");
    spew("$work/d$example", "# mine\n");
    ok(make('install', $debian, "DESTDIR=$work/d"), 'make install again');
    is(slurp("$work/d$module"), "newer\n", 'the new module');
    isnt((stat "$work/d$module")[1], $old,
        'is another file: the old one may be mapped');
    is(slurp("$work/d$example"), "# mine\n", 'what was changed is kept');
    is_deeply(below("$work/d"), [sort keys %files], 'nothing else is left');
}


sub uninstalled {
    spew("$work/d/usr/bin/other", '');
    ok(make('uninstall', $debian, "DESTDIR=$work/d"), 'make uninstall');
    is_deeply(below("$work/d"), [$example, '/usr/bin/other'],
        'what was changed stays, and what is of others');
    spew("$work/d$example", slurp("$top/conf.examples/minimal.conf"));
    ok(make('uninstall', $debian, "DESTDIR=$work/d"), 'and once more');
    is_deeply(below("$work/d"), ['/usr/bin/other'],
        'the example goes as it was installed');
}


# Other places, said by hand or by nginx.

sub elsewhere {
    my $own = nginx('own', '--prefix=/opt/nginx --modules-path=lib/modules');

    ok(make('install', $own, "DESTDIR=$work/o", 'PREFIX=/usr/local'),
        'an nginx of somebody\'s own, and a PREFIX');
    is_deeply(below("$work/o"), [
        '/opt/nginx/conf/registry-example.conf',
        '/opt/nginx/lib/modules/ngx_http_registry_module.so',
        map { "/usr/local$_" } '/bin/registryctl',
        '/share/bash-completion/completions/registryctl',
        '/share/man/man1/registryctl.1'
    ], 'come where they look');
    like(slurp("$work/o/opt/nginx/conf/registry-example.conf"),
        qr{^load_module "/opt/nginx/lib/modules/ngx_http_registry_module.so";$}m,
        'the example names the module, which is not in its "modules"');
    ok(make('uninstall', $own, "DESTDIR=$work/o", 'PREFIX=/usr/local'),
        'make uninstall of that');
    is_deeply(below("$work/o"), [], 'leaves nothing');

    ok(make('install', "$work/none", "DESTDIR=$work/n", 'MODULES_PATH=/m',
        'CONF_PATH=/c'), 'without nginx, where one says');
    ok(-e "$work/n$_", "$_ is there")
        for '/m/ngx_http_registry_module.so', '/c/registry-example.conf';
}


# As Debian has it: the prefix's "modules" is a link to where the module goes.

sub loaded {
    my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}),
        '/usr/sbin';
    my $so = $ENV{TEST_NGINX_MODULE} // "$top/build/ngx_http_registry_module.so";

    # an nginx that has it linked in loads none; a sanitizer wants its own start

    if ($so eq '' || !-e $so || !$nginx || $ENV{TEST_NGINX_BINARY}
        || sanitized())
    {
        note('nothing to load');
        return;
    }

    spew("$work/build/ngx_http_registry_module.so", slurp($so));
    make('install', $debian, "DESTDIR=$work/l");
    mkdir "$work/l/usr/share/nginx" or die;
    symlink '../../lib/nginx/modules', "$work/l/usr/share/nginx/modules"
        or die;

    my $conf = spew("$work/l/nginx.conf",
        slurp("$work/l$example") =~ s/^user .*\n//mr
            =~ s{/var/lib/registry}{$work/l/registry}gr
            =~ s{\A}{error_log stderr; pid $work/l/pid;\n}r);
    my ($rc, $said) = Test::Registry::Process::run_command(60, $nginx,
        '-t', '-e', 'stderr', '-p', "$work/l/usr/share/nginx", '-c', $conf);
    is($rc, 0, 'nginx takes the example') or diag $said;
    like($said, qr/test is successful/, 'with the module it loads');
}


# What a machine that does not build needs is the same in image and README.

sub packages {
    my ($image) = slurp("$top/docker/Dockerfile")
        =~ /apt-get install -y --no-install-recommends((?:[^&]|\n)*)/;
    my ($readme) = slurp("$top/README.md") =~ /^    apt-get install (.*)/m;
    my %of = map { $_ => 1 } split ' ', $readme // '';

    for (grep { /\A(?:nginx|lib)/ } split /[\s\\]+/, $image // '') {
        ok(delete $of{$_}, "README.md: $_ of docker/Dockerfile");
    }
    is_deeply([keys %of], [], 'and nothing else');
}

#!/bin/sh
# Puts what was built where nginx and people find it, or takes it away again;
# `make install` and `make uninstall` are this:
#
#     install.sh install|uninstall
#
#     DESTDIR       before every path, for packages; default: nothing
#     PREFIX        of the command and its manual; default /usr, where
#                   conf.examples/registry-backup.* look for it
#     MODULES_PATH  of the module; default: what nginx -V says
#     CONF_PATH     of the example; default: nginx.conf's folder, by nginx -V
#
# Builds nothing: run make before it.  The example is left alone where there is
# one, and taken away as long as nobody has changed it.

set -eu
. "$(dirname "$0")/lib.sh"

prefix=${PREFIX:-/usr}
dest=${DESTDIR:-}

so=$build/ngx_http_registry_module.so
ctl=$build/registryctl


# The value of an option that nginx was configured with.
configured()
{
    "$(nginx_binary)" -V 2>&1 | tr ' ' '\n' | sed -n "s|^--$1=||p" | head -n 1
}


if [ -x "$(nginx_binary)" ]; then
    base=$(configured prefix)
    base=${base:-/usr/local/nginx}
    modules=$(configured modules-path)
    conf=$(configured conf-path)

else
    base=/usr/share/nginx
    modules=/usr/lib/nginx/modules
    conf=/etc/nginx/nginx.conf
fi

modules=${MODULES_PATH:-${modules:-$base/modules}}
conf=${CONF_PATH:-$(dirname "${conf:-$base/conf/nginx.conf}")}

# a path below the prefix may be said without it
case $modules in /*) ;; *) modules=$base/$modules ;; esac
case $conf in /*) ;; *) conf=$base/$conf ;; esac

module=$dest$modules/ngx_http_registry_module.so
command=$dest$prefix/bin/registryctl
manual=$dest$prefix/share/man/man1/registryctl.1
completion=$dest$prefix/share/bash-completion/completions/registryctl
example=$dest$conf/registry-example.conf


# A running nginx maps the old module: never write into it.
put()
{
    install -d "$(dirname "$3")"
    install -m "$1" "$2" "$3.new"
    mv -f "$3.new" "$3"
    say "installed $3"
}


# Its load_module looks in the prefix of nginx; where that has no "modules", or
# another one, it says all of the path.
example_text()
{
    # neither need be there before the first module is
    if _found=$(readlink -m "$base/modules") \
       && [ "$_found" = "$(readlink -m "$modules")" ]
    then
        cat "$top/conf.examples/minimal.conf"

    else
        sed "s|^\(load_module\) modules\(/.*\);|\1 \"$modules\2\";|" \
            "$top/conf.examples/minimal.conf"
    fi
}


case ${1:-} in

install)
    for file in "$so" "$ctl"; do
        [ -f "$file" ] || die "there is no $file: run make first"
    done

    put 644 "$so" "$module"
    put 755 "$ctl" "$command"
    put 644 "$top/docs/registryctl.1" "$manual"
    put 644 "$top/src/cli/registryctl.bash" "$completion"

    if [ -e "$example" ]; then
        say "left $example as it is"

    else
        example_text | put 644 /dev/stdin "$example"
    fi
    ;;

uninstall)
    rm -f "$module" "$command" "$manual" "$completion"

    if example_text | cmp -s - "$example"; then
        rm -f "$example"
    fi

    if [ -e "$example" ]; then
        say "left $example, which is not as it was installed"
    fi
    ;;

*)
    die "usage: install.sh install|uninstall"
    ;;
esac

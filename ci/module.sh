#!/bin/sh
# Builds the module for the nginx of this machine:
#
#     module.sh [OUTPUT]          default build/ngx_http_registry_module.so
#
#     NGINX_SRC    a tree of nginx sources; without it the headers of Debian's
#                  nginx-dev, which alone know what Debian changed in nginx
#     CC, CFLAGS   the compiler; flags that come after ours
#
# Configures when the sources, the compiler or nginx have changed since the
# last time, and compiles what is out of date.

set -eu
. "$(dirname "$0")/lib.sh"

so=${1:-$build/ngx_http_registry_module.so}
src=${NGINX_SRC:-/usr/share/nginx/src}
objs=$so.objs

case $so in
    /*) ;;
    *)  die "the output's path must be absolute: $so" ;;
esac

if [ ! -x "$src/configure" ] && [ ! -x "$src/auto/configure" ]; then
    die "no nginx headers in $src: install nginx-dev," \
        "or name nginx sources with NGINX_SRC"
fi

configure=./configure
[ -x "$src/configure" ] || configure=auto/configure

cc=${CC:-cc}
nginx=$(nginx_binary)

# A module loads only into the very version it was built for.
headers=$(awk '$2 == "NGINX_VERSION" { gsub(/"/, "", $3); print $3 }' \
          "$src/src/core/nginx.h")

if [ -x "$nginx" ]; then
    running=$("$nginx" -v 2>&1 | sed 's|.*nginx/\([0-9.]*\).*|\1|')

    if [ "$running" != "$headers" ]; then
        die "$nginx is version $running but the headers in $src" \
            "are of version $headers: bring them to the same version"
    fi
fi

# Debian's hardening, our warnings, and no trace of where it was built.
# Position independence is asked for by nginx itself.  Its callbacks have
# parameters that not every one of them uses, and nginx says so to the
# compiler, but clang lets a later -Wextra overrule that.
cc_opt="-O2 -g -fstack-protector-strong -Wformat -Werror=format-security"
cc_opt="$cc_opt -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
cc_opt="$cc_opt -Wall -Wextra -Wno-unused-parameter -Werror"
cc_opt="$cc_opt -ffile-prefix-map=$top=."
cc_opt="$cc_opt ${CFLAGS:-}"
ld_opt="-Wl,-z,relro -Wl,-z,now -fPIC ${LDFLAGS:-}"

# nginx would take CFLAGS for all of its own flags, warnings included.
unset CFLAGS LDFLAGS


# What the generated Makefile depends on.
fingerprint()
{
    echo "$cc $cc_opt $ld_opt $src $headers"
    "$cc" --version | head -n 1
    cat "$top/config" "$top/src/core/sources"
    (cd "$top" && find src/core src/nginx -name '*.[ch]' | sort)
    cksum "$src/src/core/nginx.h" "$src/src/core/ngx_connection.h"
    cat "$src/conf_flags" 2>/dev/null || true
}


configure_module()
{
    rm -rf "$objs"
    mkdir -p "$objs"
    cd "$src"

    if [ -f conf_flags ]; then
        # a bash array of the flags nginx itself was built with; ours stand
        # after them, because the last one wins
        # shellcheck disable=SC2016
        bash -c '. ./conf_flags
                 configure=$1; shift
                 exec $configure "${NGX_CONF_FLAGS[@]}" "$@"' \
            bash "$configure" --builddir="$objs" --with-cc="$cc" \
            --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" \
            --add-dynamic-module="$top"

    else
        "$configure" --builddir="$objs" --with-cc="$cc" \
            --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" \
            --with-compat --with-threads --with-http_ssl_module \
            --with-http_v2_module --with-http_auth_request_module \
            --with-http_realip_module --with-http_dav_module \
            --with-http_stub_status_module \
            --add-dynamic-module="$top"
    fi
}


[ -f "$top/src/core/sources" ] || die "src/core/sources is missing"

mkdir -p "$(dirname "$so")"
fingerprint >"$so.fingerprint.new"

if [ ! -f "$objs/Makefile" ] \
   || ! cmp -s "$so.fingerprint.new" "$so.fingerprint"
then
    say "configuring for nginx $headers with $cc"
    rm -f "$so.fingerprint"

    if ! quietly "$so.configure.log" configure_module; then
        rm -rf "$objs"
        exit 1
    fi
fi

mv "$so.fingerprint.new" "$so.fingerprint"

make -s -C "$src" -f "$objs/Makefile" -j "$jobs" modules >"$so.make.log" 2>&1 \
    || { cat "$so.make.log" >&2; die "the module was not built"; }

if [ -s "$so.make.log" ] && grep -q 'warning:' "$so.make.log"; then
    cat "$so.make.log" >&2
    die "the module was built with warnings"
fi

# A running nginx maps the old file: never write into it.
if ! cmp -s "$objs/ngx_http_registry_module.so" "$so"; then
    cp "$objs/ngx_http_registry_module.so" "$so.new"
    mv "$so.new" "$so"
    say "built ${so#"$top"/} for nginx $headers"
fi

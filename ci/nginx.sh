#!/bin/sh
# Builds an nginx from its sources with the module, for the tests:
#
#     nginx.sh asan      build/asan/nginx     the module linked in, both under
#                        AddressSanitizer and UndefinedBehaviorSanitizer, each
#                        allocation from a pool a malloc of its own
#     nginx.sh tsan      build/tsan/nginx     the module linked in, both under
#                        ThreadSanitizer
#     nginx.sh dynamic   build/dynamic/nginx and its
#                        build/dynamic/ngx_http_registry_module.so
#     nginx.sh source    only prints where the sources are
#
#     NGINX_SRC          a tree of nginx sources; without it the source package
#                        of this machine's suite, or else of a newer one, is
#                        fetched into build/nginx-source
#     CC                 the compiler

set -eu
. "$(dirname "$0")/lib.sh"

mode=${1:-}
cc=${CC:-cc}
unset CFLAGS LDFLAGS


find_source()
{
    for dir in "$build"/nginx-source/nginx-*/; do
        if [ -f "$dir/src/core/nginx.c" ]; then
            echo "${dir%/}"
            return 0
        fi
    done

    return 1
}


fetch_source()
{
    rm -rf "$build/nginx-source" "$build/nginx-source.new"

    for suite in self trixie sid; do
        if sh "$top/ci/suite.sh" "$suite" source \
              "$build/nginx-source.new" nginx
        then
            mv "$build/nginx-source.new" "$build/nginx-source"
            return 0
        fi

        rm -rf "$build/nginx-source.new"
    done

    return 1
}


if [ -n "${NGINX_SRC:-}" ] && [ -f "$NGINX_SRC/src/core/nginx.c" ]; then
    src=$NGINX_SRC

elif ! src=$(find_source); then
    fetch_source || die "no source package of nginx can be had;" \
                        "name a tree of nginx sources with NGINX_SRC"
    src=$(find_source) || die "the source package holds no nginx-*/src"
fi

configure=./configure
[ -x "$src/configure" ] || configure=auto/configure
[ -x "$src/$configure" ] || die "no configure script in $src"

out=$build/$mode

# lines for what a sanitizer or valgrind reports, and no more, are compiled
# in five sixths of the time
cc_opt="-g1 -Wall -Wextra -Wno-unused-parameter -Werror"
cc_opt="$cc_opt -ffile-prefix-map=$top=."
ld_opt=
add="--add-module=$top"

case $mode in
    source)
        echo "$src"
        exit 0
    ;;

    asan)
        cc_opt="$cc_opt -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1"
        cc_opt="$cc_opt -fsanitize=address,undefined"

        # nginx copies no bytes from NULL in places, and reads words where
        # they stand if the processor can; the unit tests keep the registry's
        # own core from both
        cc_opt="$cc_opt -fno-sanitize=nonnull-attribute,alignment"
        ld_opt="-fsanitize=address,undefined $out/sanitizer.o"
    ;;

    tsan)
        cc_opt="$cc_opt -O1 -fno-omit-frame-pointer -fsanitize=thread"
        ld_opt="-fsanitize=thread $out/sanitizer.o"
    ;;

    dynamic)
        cc_opt="$cc_opt -O1"
        add="--with-compat --add-dynamic-module=$top"
    ;;

    *)
        die "usage: $0 asan|tsan|dynamic|source"
    ;;
esac


fingerprint()
{
    echo "$cc $cc_opt $ld_opt $src"
    "$cc" --version | head -n 1
    cat "$0" "$top/ci/sanitizer.c" "$top/config" "$top/src/core/sources"
    (cd "$top" && find src/core src/nginx -name '*.[ch]' | sort)
}


# Nothing below the prefix is written at build time; paths of a test's own
# configuration override the rest.
configure_nginx()
{
    rm -rf "$out/objs"

    # ThreadSanitizer has to see that who unlocks hands things over
    if [ "$mode" = tsan ]; then
        rm -rf "$out/source"
        cp -R "$src" "$out/source"
        src=$out/source

        sed -i 's/^\(#define ngx_unlock(lock)\).*/\1 __atomic_store_n(lock, 0, __ATOMIC_RELEASE)/' \
            "$src/src/os/unix/ngx_atomic.h"
        grep -q 'ngx_unlock.*RELEASE' "$src/src/os/unix/ngx_atomic.h"
    fi

    mkdir -p "$out/objs" "$out/reports"
    chmod 1777 "$out/reports"

    if [ "$mode" = asan ] || [ "$mode" = tsan ]; then
        $cc -Wall -Wextra -Werror -O1 -DREPORTS="\"$out/reports\"" \
            -c -o "$out/sanitizer.o" "$top/ci/sanitizer.c"
    fi

    cd "$src"

    # shellcheck disable=SC2086
    "$configure" --builddir="$out/objs" --prefix="$out" \
        --error-log-path=stderr --with-cc="$cc" \
        --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" \
        --with-debug --with-threads --with-http_ssl_module \
        --with-http_v2_module --with-http_realip_module \
        --with-http_auth_request_module --with-http_dav_module \
        --with-http_slice_module --with-http_stub_status_module \
        --with-poll_module \
        $add
}


compile()
{
    [ "$mode" != tsan ] || src=$out/source

    make -s -C "$src" -f "$out/objs/Makefile" -j "$jobs" "$@"
}


mkdir -p "$out"
fingerprint >"$out/fingerprint.new"

if [ ! -f "$out/objs/Makefile" ] \
   || ! cmp -s "$out/fingerprint.new" "$out/fingerprint"
then
    rm -f "$out/fingerprint"
    say "configuring ${src##*/} in ${out#"$top"/}"
    quietly "$out/configure.log" configure_nginx || exit 1
    mv "$out/fingerprint.new" "$out/fingerprint"
    say "compiling ${src##*/}"
fi

rm -f "$out/fingerprint.new"

case $mode in
    dynamic)
        quietly "$out/make.log" compile binary modules || exit 1
        cp "$out/objs/ngx_http_registry_module.so" "$out/module.new"
        mv "$out/module.new" "$out/ngx_http_registry_module.so"
    ;;

    *)
        quietly "$out/make.log" compile binary || exit 1
    ;;
esac

if grep -q 'warning:' "$out/make.log"; then
    cat "$out/make.log" >&2
    die "compiled with warnings"
fi

cp "$out/objs/nginx" "$out/nginx.new"
mv "$out/nginx.new" "$out/nginx"

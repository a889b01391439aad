#!/bin/sh
# Reads the sources with gcc's -fanalyzer, clang-tidy and cppcheck:
#
#     analyse.sh                     or: make analyse
#
# Every finding has to be mended or to stand in ci/analyse.known with the
# reason why it is none; one that is no longer found has to go from there.
# What was found stays in build/analyse/.

set -eu
. "$(dirname "$0")/lib.sh"

out=$build/analyse
src=${NGINX_SRC:-/usr/share/nginx/src}
objs=$build/ngx_http_registry_module.so.objs

cd "$top"

# What is left out of clang-tidy, and why:
#   DeprecatedOrUnsafeBufferHandling  would have memcpy_s() of Annex K
#   easily-swappable-parameters       a matter of taste
#   implicit-widening, narrowing      counts and small sizes, checked by
#                                     UBSan where they are computed
#   misplaced-widening                shifts of lengths below 2^61
#   branch-clone                      two cases with one answer say more
#   reserved-identifier, dcl37, dcl51 nginx's and the sanitizers' own names
#   err33                             asks to check fprintf() to a terminal
#   unused-parameters                 nginx's callbacks
#   int-to-ptr                        nginx's configuration
#   no-recursion                      each recursion states its bound
#   sizeof-expression                 sizes of pointers in arrays of them
#   assignment-in-if                  not our style anyway; macros of nginx
checks='-*,clang-analyzer-*,bugprone-*,cert-*,portability-*,misc-*,performance-*'
for left_out in \
    clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
    bugprone-easily-swappable-parameters bugprone-reserved-identifier \
    bugprone-implicit-widening-of-multiplication-result \
    bugprone-narrowing-conversions bugprone-branch-clone \
    bugprone-misplaced-widening-cast \
    bugprone-assignment-in-if-condition bugprone-sizeof-expression \
    cert-dcl37-c cert-dcl51-cpp cert-err33-c cert-str34-c \
    misc-unused-parameters misc-no-recursion performance-no-int-to-ptr
do
    checks=$checks,-$left_out
done

core_incs=-Isrc
for dir in src/core/*/; do
    core_incs="$core_incs -I$top/${dir%/}"
done

cflags="-std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter"
cflags="$cflags $(pkg-config --cflags libssl jansson libpcre2-8 libcrypt \
                             libcurl)"

# nginx's headers are found from its own folder
nginx_incs=$core_incs
for dir in src/core src/event src/event/modules src/event/quic src/os/unix \
           src/http src/http/modules src/http/v2 src/http/v3
do
    nginx_incs="$nginx_incs -I$src/$dir"
done

# the binding's own
own_incs=
for dir in src/nginx/ src/nginx/*/; do
    own_incs="$own_incs -I$top/${dir%/}"
done

nginx_incs="$nginx_incs -I$top/src$own_incs -I$objs"


# each COMMAND...: for every file, with what it needs to be compiled.
each()
{
    {
        for file in $(cat src/core/sources) src/cli/*.c; do
            echo "$file $core_incs"
        done

        for file in src/nginx/*.c src/nginx/*/*.c; do
            echo "$file $nginx_incs"
        done

        echo "$out/src/canary.c"
    } | xargs -P "$jobs" -L 1 sh "$0" --one "$@"
}


# One file, told by the list above; tells of what it found alone.
if [ "${1:-}" = --one ]; then
    tool=$2
    file=$3
    shift 3

    case $tool in
        gcc)
            # shellcheck disable=SC2086
            gcc $cflags -fanalyzer "$@" -c -o /dev/null "$file" 2>&1
        ;;

        clang-tidy)
            # where it ends well, it only counts warnings there
            # shellcheck disable=SC2086
            clang-tidy --quiet --checks="$checks" "$file" -- \
                $cflags "$@" 2>"$out/${file##*/}.err" \
                || { cat "$out/${file##*/}.err"; exit 1; }
            rm -f "$out/${file##*/}.err"
        ;;
    esac

    exit
fi


sh "$top/ci/module.sh"
mkdir -p "$out/src"

cat >"$out/src/canary.c" <<'END'
#include <stdlib.h>

int canary(int n);

int
canary(int n)
{
    char  *p, *q;

    p = malloc(8);
    q = malloc(8);

    if (p == NULL || q == NULL) {
        return 1;
    }

    free(p);
    p[0] = (char) n;

    return p[0];
}
END

for tool in gcc clang-tidy; do
    say "$tool"
    each $tool >"$out/$tool.txt" || { cat "$out/$tool.txt"; exit 1; }
done

say cppcheck
# shellcheck disable=SC2086
cppcheck --quiet -j "$jobs" --std=c11 \
    --enable=warning,portability,performance --inline-suppr \
    $core_incs $own_incs --suppress=missingIncludeSystem \
    --template='{file}:{line}:{column}: warning: {message} [{id}]' \
    src/core src/cli src/nginx "$out/src/canary.c" >"$out/cppcheck.txt" 2>&1 \
    || { cat "$out/cppcheck.txt"; exit 1; }

# Of each finding its tool, file and kind: lines move.
: >"$out/unsorted"

for tool in gcc clang-tidy cppcheck; do
    sed -n "s#^\(.*/\)\{0,1\}\(src/[^:]*\):.*: \(warning\|error\):.*\[\([^][]*\)\]\$#$tool \2 \4#p" \
        "$out/$tool.txt" >>"$out/unsorted"
done

# a tool that sees nothing at all is no witness
for tool in gcc clang-tidy cppcheck; do
    grep -q "^$tool src/canary.c " "$out/unsorted" \
        || die "$tool does not find the fault in build/analyse/src/canary.c"
done

grep -v ' src/canary.c ' "$out/unsorted" | sort -u >"$out/found"
sed -e 's/[[:space:]]*#.*//' -e '/^$/d' ci/analyse.known | sort >"$out/known"

rc=0

comm -23 "$out/found" "$out/known" >"$out/new"
comm -13 "$out/found" "$out/known" >"$out/gone"

if [ -s "$out/new" ]; then
    rc=1
    echo "error: found (see build/analyse/):" >&2
    sed 's/^/    /' "$out/new" >&2
fi

if [ -s "$out/gone" ]; then
    rc=1
    echo "error: not found any more, so take out of ci/analyse.known:" >&2
    sed 's/^/    /' "$out/gone" >&2
fi

if [ $rc -eq 0 ]; then
    say "nothing found but $(wc -l <"$out/known") that are known to be none"
fi

exit $rc

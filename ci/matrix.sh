#!/bin/sh
# Builds without a warning by gcc and clang, and runs the tests, on the nginx
# of several Debian suites, each in a small Debian of that suite:
#
#     matrix.sh [--quick] [--prepare] [--tally FILE] [SUITE...]
#
#     SUITE       default: bookworm (nginx 1.22), trixie (1.26), sid (newest)
#     --quick     the build and the short tests, without the unit tests
#     --prepare   only make the folders and install what the tests need
#     --tally     where test.sh keeps the score
#     MATRIX_DIR  where the folders <suite> are, or are made by debootstrap
#                 (default build/matrix); one that is there is used again
#
# Needs root or sudo.  All mounts are made in a mount namespace of this run's
# own, with a process namespace beside it, so that they and everything that
# was started are gone when it ends, however it ends.

set -eu
. "$(dirname "$0")/lib.sh"

stages='build unit api'
tests=
prepare=no
tally=

# what is most likely to differ between versions of nginx
quick_tests='t/access_basic.t t/access_matrix.t t/access_nginx.t
             t/access_rules.t t/access_token_server.t t/base.t t/blob.t
             t/config.t t/errors.t t/http2.t t/manifest.t t/names.t
             t/registryctl_key.t t/registryctl_server.t t/token_endpoint.t
             t/upload.t t/upload_body.t t/upload_range.t t/upload_resume.t'


# --- inside the mount namespace, as root -------------------------------------

# inside ROOT OUT COMMAND...
if [ "${1:-}" = --inside ]; then
    root=$2
    out=$3
    shift 3

    mkdir -p "$root/mnt/registry" "$root/mnt/out"
    mount --bind "$top" "$root/mnt/registry"
    mount -o remount,bind,ro "$root/mnt/registry"
    mount --bind "$out" "$root/mnt/out"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mkdir -p "$root/run/lock"

    if [ -e /etc/resolv.conf ]; then
        cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    fi

    exec chroot "$root" /usr/bin/env -i \
        HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        ${http_proxy:+http_proxy="$http_proxy"} \
        CI="${CI:-}" TESTS="${TESTS:-}" JOBS="$jobs" BUILD=/mnt/out \
        TEST_VERBOSE="${TEST_VERBOSE:-}" \
        "$@" </dev/null
fi


# --- outside -----------------------------------------------------------------

while [ $# -gt 0 ]; do
    case $1 in
        --quick)
            stages='build api'
            tests=$quick_tests
        ;;

        --prepare)
            prepare=yes
        ;;

        --tally)
            tally=$2
            shift
        ;;

        -*)
            die "unknown option $1"
        ;;

        *)
            break
        ;;
    esac

    shift
done

[ $# -gt 0 ] || set -- bookworm trixie sid

dir=${MATRIX_DIR:-$build/matrix}
mkdir -p "$dir" "$build/log"
dir=$(CDPATH='' cd -- "$dir" && pwd)

sh "$top/ci/deps.sh" matrix


# in_suite SUITE COMMAND...
in_suite()
{
    _suite=$1
    shift

    mkdir -p "$build/matrix-out/$_suite"

    apart env MATRIX= TESTS="$tests" CI="${CI:-}" \
        sh "$top/ci/matrix.sh" --inside "$dir/$_suite" \
           "$build/matrix-out/$_suite" "$@"
}


# apart COMMAND...: as root, with mounts and processes that end with it, as it
# does with who called, for which unshare waits for no signal but KILL.
apart()
{
    # shellcheck disable=SC2086
    as_root ${bound:+setpriv --pdeathsig KILL} \
        unshare --mount --pid --fork --kill-child -- "$@"
}


bootstrap()
{
    [ ! -e "$dir/$1/usr/bin/dpkg" ] || return 0

    mirror=$(sh "$top/ci/suite.sh" "$1" mirror) || return 1

    say "making a small Debian $1 in $dir/$1"
    as_root rm -rf "$dir/$1.new"
    quietly "$build/log/debootstrap-$1.log" apart \
        debootstrap --variant=minbase "$1" "$dir/$1.new" "$mirror" || return 1
    as_root mv "$dir/$1.new" "$dir/$1"
}


if [ -z "$tests" ] && [ $prepare = no ]; then
    sh "$top/ci/tools.sh" registry || true
fi

# one SUITE: all of it, with its score in a tally of its own.
one()
{
    if ! bootstrap "$1"; then
        echo "not ok - no Debian $1 here"
        return 1
    fi

    say "$1: packages"

    # what was cut off in an earlier run is brought to its end; if that fails,
    # the installation will say so
    in_suite "$1" dpkg --configure -a || true

    if ! in_suite "$1" sh /mnt/registry/ci/deps.sh build test; then
        echo "not ok - packages of $1"
        return 1
    fi

    [ $prepare = no ] || return 0

    # one build of the newest distribution serves all suites
    if program=$(PATH=$build/tools/bin:$PATH command -v registry); then
        mkdir -p "$build/matrix-out/$1/tools/bin"
        cp -L "$program" "$build/matrix-out/$1/tools/bin/registry"
    fi

    version=$(in_suite "$1" nginx -v 2>&1 | sed 's|.*nginx/||')
    say "$1: nginx $version"

    # shellcheck disable=SC2086
    in_suite "$1" sh /mnt/registry/ci/test.sh $stages
}


# All side by side, since much of it is waiting for packages; what each of them
# says is told when it has ended, in their order.
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done' EXIT
trap 'exit 1' INT TERM HUP

for suite in "$@"; do
    rm -f "$build/matrix-out/$suite/tally"
    one "$suite" >"$build/log/matrix-$suite.log" 2>&1 &
    pids="$pids $!"
done

rc=0
left=$pids

for suite in "$@"; do
    pid=${left# }
    pid=${pid%% *}
    left=${left# }
    left=${left#"$pid"}

    wait "$pid" || rc=1
    cat "$build/log/matrix-$suite.log"

    if [ -n "$tally" ] && [ -f "$build/matrix-out/$suite/tally" ]; then
        sed -e "s/^\([0-9]* [0-9]* [0-9]*\) /\1 $suite: /" \
            -e "s/^! /! $suite: /" "$build/matrix-out/$suite/tally" >>"$tally"
    fi
done

pids=

exit $rc

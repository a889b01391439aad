# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=sh disable=SC2034
#
# A caller sets `set -eu` itself and sources this file by its path beside it:
#     . "$(dirname "$0")/lib.sh"
# Afterwards:
#     $top       absolute path of the source tree
#     $build     where everything that is made goes (BUILD overrides it)
#     $jobs      how many compilers run side by side
#     $bound     stands before a program, not a function: it is ended with who
#                began it, however that ended

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD:-$top/build}

case $build in
    /*) ;;
    *)  build=$top/$build ;;
esac

jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}

bound=
if setpriv --pdeathsig TERM true 2>/dev/null; then
    bound='setpriv --pdeathsig TERM'
fi

LC_ALL=C.UTF-8
export LC_ALL

# What a calling make passes down is for its own makefile, not for nginx's.
unset MAKEFLAGS MFLAGS MAKELEVEL

# Debian's non-root PATH leaves out the folders where nginx lives.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# nginx's build system splits its lists of files at blanks.
case $top$build in
    *[[:space:]]*)
        echo "error: nginx cannot be built in a path with blanks:" \
             "$top" >&2
        exit 1
    ;;
esac


say()
{
    echo "==> $*" >&2
}


warn()
{
    echo "warning: $*" >&2
}


die()
{
    echo "error: $*" >&2
    exit 1
}


have()
{
    command -v "$1" >/dev/null 2>&1
}


# As root: the command itself.  Otherwise through sudo, which may ask for a
# password; without sudo the caller is told what to do.
as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"

    elif have sudo; then
        sudo -- "$@"

    else
        die "root is needed for: $*" \
            "(there is no sudo here; run this once as root)"
    fi
}


# quietly LOG COMMAND...: the command's output goes to LOG alone, and to the
# terminal when it failed.
quietly()
{
    _log=$1
    shift

    mkdir -p "$(dirname "$_log")"

    _rc=0
    "$@" >"$_log" 2>&1 || _rc=$?

    if [ $_rc -ne 0 ]; then
        tail -n 60 "$_log" >&2
        echo "error: failed ($_rc): $*" >&2
        echo "       the whole log is in $_log" >&2
    fi

    return $_rc
}


# The nginx that is built for and tested with.
nginx_binary()
{
    if [ -n "${TEST_NGINX_BINARY:-}" ]; then
        echo "$TEST_NGINX_BINARY"

    elif have nginx; then
        command -v nginx

    else
        echo /usr/sbin/nginx
    fi
}

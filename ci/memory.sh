#!/bin/sh
# Runs a command with a file system in memory for its temporary files:
#
#     memory.sh COMMAND [ARGUMENT...]
#
# It is a tmpfs that the command and its children alone see, so it ends with
# the last of them, however that ends.  Where it cannot be had (not root, no
# mount namespaces, little memory, a kernel without O_DIRECT there, which is any
# before 6.6) the command runs with what TMPDIR says, and a line tells so.

set -eu
. "$(dirname "$0")/lib.sh"

# MiB that have to be free: what the tests left there at most, four times
needed=4096


# MiB that could be had without swapping
memory_free()
{
    awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo
}


[ $# -gt 0 ] || die "usage: $0 COMMAND [ARGUMENT...]"

why=

if [ "$(id -u)" -ne 0 ]; then
    why='this needs root'

elif ! unshare -m true 2>/dev/null; then
    why='no mount namespace can be made here'

elif [ ! -d /dev/shm ]; then
    why='there is no /dev/shm'

elif [ "$(memory_free)" -lt $((needed * 2)) ]; then
    why="less than $((needed * 2)) MiB of memory are free"
fi

if [ -n "$why" ]; then
    warn "temporary files are not in memory: $why"
    exec "$@"
fi

# shellcheck disable=SC2016
exec unshare -m sh -euc '
    mount -t tmpfs -o "mode=1777,size=$1m" tmpfs /dev/shm
    shift

    if dd if=/dev/zero of=/dev/shm/direct oflag=direct bs=4096 count=1 \
        2>/dev/null
    then
        TMPDIR=/dev/shm
        export TMPDIR

    else
        umount /dev/shm
        echo "warning: temporary files are not in memory: no O_DIRECT" >&2
    fi

    rm -f /dev/shm/direct
    exec "$@"' memory "$needed" "$@"

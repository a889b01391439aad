#!/bin/sh
# Installs what is missing, by group (see the file "packages" beside this):
#
#     deps.sh build test analyse clients fuzz matrix bench word32
#
# Silent and quick when nothing is missing.  Packages come through apt, as
# root or with sudo; no service is started by it, and a service that was not
# on the machine before (nginx on port 80, docker, docker-registry) is left
# switched off.  Without apt the packages are named and the exit code is 1.

set -eu
. "$(dirname "$0")/lib.sh"

# services that the packages bring along
units='nginx.service docker.service docker.socket containerd.service
       docker-registry.service prometheus.service prometheus-node-exporter.service
       podman.socket podman-restart.service podman-auto-update.service
       podman-auto-update.timer fail2ban.service'

guard=/usr/sbin/policy-rc.d
saved=$guard.before-registry-deps
mark='# for the time of one installation, by deps.sh of the nginx registry'


# --- the part that runs as root ---------------------------------------------

restore_guard()
{
    if [ -f "$guard" ] && grep -qF "$mark" "$guard"; then
        rm -f "$guard"
    fi

    if [ -e "$saved" ]; then
        mv "$saved" "$guard"
    fi
}


# Debian's package scripts ask policy-rc.d before they start a service.
set_guard()
{
    restore_guard
    trap restore_guard EXIT
    trap 'exit 130' HUP INT TERM

    if [ -e "$guard" ]; then
        mv "$guard" "$saved"
    fi

    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$guard"
    chmod 755 "$guard"
}


unit_known()
{
    [ -e "/lib/systemd/system/$1" ] || [ -e "/etc/systemd/system/$1" ]
}


install_as_root()
{
    have apt-get || die "no apt here"

    if have flock; then
        exec 9>/run/lock/nginx-registry-deps
        flock 9
    fi

    new_units=

    for unit in $units; do
        unit_known "$unit" || new_units="$new_units $unit"
    done

    set_guard

    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND

    # A machine's lists may be empty, or older than the packages they name.
    updated=no

    for package in "$@"; do
        if ! has_candidate "$package"; then
            echo "package lists: update"
            apt-get -q -o DPkg::Lock::Timeout=300 update || true
            updated=yes
            break
        fi
    done

    if ! install_packages "$@"; then
        if [ $updated = yes ]; then
            exit 100
        fi

        apt-get -q -o DPkg::Lock::Timeout=300 update || true
        install_packages "$@" || exit 100
    fi

    for unit in $new_units; do
        unit_known "$unit" || continue

        if have systemctl; then
            systemctl -q disable "$unit" || true

        elif have update-rc.d && [ -e "/etc/init.d/${unit%.*}" ]; then
            update-rc.d "${unit%.*}" disable || true
        fi
    done
}


install_packages()
{
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
            --no-install-recommends install "$@"
}


has_candidate()
{
    [ -n "$(apt-cache policy "$1" 2>/dev/null \
            | awk '$1 == "Candidate:" && $2 != "(none)"')" ]
}


if [ "${1:-}" = --as-root ]; then
    shift
    install_as_root "$@"
    exit 0
fi


# --- the part that anybody runs ---------------------------------------------

# present KIND:WHAT
present()
{
    _what=${1#*:}

    case $1 in
        cmd:nginx)
            [ -x "$(nginx_binary)" ]
        ;;

        cmd:*)
            have "$_what"
        ;;

        pc:*)
            have pkg-config && pkg-config --exists "$_what"
        ;;

        perl:*)
            have perl && perl -M"$_what" -e 1 2>/dev/null
        ;;

        file:/usr/share/nginx/src/*)
            # other sources of nginx serve as well
            [ -n "${NGINX_SRC:-}" ] || [ -e "$_what" ]
        ;;

        file:*)
            # the pattern is meant to expand
            # shellcheck disable=SC2086
            set -- $_what
            [ -e "$1" ]
        ;;

        *)
            die "bad line in ci/packages: $1"
        ;;
    esac
}


# Prints "probe package" of what is missing; $1 is the package's column.
missing()
{
    _column=$1
    shift

    for group in "$@"; do
        awk -v group="$group" -v column="$_column" '
            $1 == group { print $2, $column; found = 1 }
            END { if (!found) exit 1 }' "$top/ci/packages" \
            || die "no group $group in ci/packages"

    done | while read -r probe package; do
        present "$probe" || echo "$probe $package"
    done
}


packages_of()
{
    echo "$1" | awk '$2 != "-" && !seen[$2]++ { printf "%s ", $2 }'
}


[ $# -gt 0 ] || die "usage: $0 GROUP..., groups are in ci/packages"

for group in "$@"; do
    grep -q "^$group " "$top/ci/packages" || die "no group $group"
done

lacking=$(missing 3 "$@")

if [ -z "$lacking" ]; then
    exit 0
fi

if ! have apt-get; then
    how='the package manager of this system'
    column=3

    if have dnf; then
        how='dnf install' column=4

    elif have apk; then
        how='apk add' column=5

    elif have pacman; then
        how='pacman -S' column=6
    fi

    lacking=$(missing $column "$@")

    echo "error: missing on this machine, and there is no apt here:" >&2
    echo "$lacking" | sed 's/^\([^ ]*\) .*/           \1/' >&2
    echo "       install them with: $how $(packages_of "$lacking")" >&2

    if echo "$lacking" | grep -q ' -$'; then
        echo "       what no package brings must come from elsewhere;" \
             "for the nginx headers say NGINX_SRC=<nginx sources>" >&2
    fi

    exit 1
fi

packages=$(packages_of "$lacking")
say "installing:" "$packages"

# shellcheck disable=SC2086
if ! quietly "$build/log/deps.log" \
     as_root sh "$0" --as-root $packages
then
    for package in $packages; do
        if [ -z "$(apt-cache policy "$package" 2>/dev/null \
                   | awk '$1 == "Candidate:" && $2 != "(none)"')" ]
        then
            echo "error: no package $package can be had here" \
                 "(see apt-cache policy $package)" >&2
        fi
    done

    die "the packages above were not installed"
fi

lacking=$(missing 3 "$@")

if [ -n "$lacking" ]; then
    echo "$lacking" | while read -r probe package; do
        echo "error: $package is installed but $probe is still missing" >&2
    done

    exit 1
fi

#!/bin/sh
# Looks into another Debian suite, or into the sources of this one, with an
# apt of its own: lists and cache stand in build/apt/<suite>, and the machine's
# sources, pins and installed packages are neither changed nor asked.  Where a
# suite is found (scheme, host, path, key) comes from the machine's own source
# files, so a private mirror or a proxy keeps working.
#
#     suite.sh SUITE mirror             print the mirror's address
#     suite.sh SUITE policy PACKAGE     print the version on offer, or fail
#     suite.sh SUITE extract DIR PACKAGE...
#                                       download, unpack below DIR, no scripts
#     suite.sh SUITE source DIR PACKAGE download and unpack a source package
#     suite.sh self ...                 the suite this machine runs
#
# No step of this needs root.

set -eu
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || die "usage: $0 SUITE mirror|policy|extract|source ..."

suite=$1
verb=$2
shift 2

have apt-get || die "no apt on this machine, so no Debian suite to look into"

# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

if [ "$suite" = self ]; then
    suite=${codename:-sid}
fi


# Prints every archive that the machine's sources name, in both of apt's
# formats, a line each: suite, address, key file or "-".
machine_sources()
{
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] || continue

        awk '
            function flush(   i, j, n, m, u, s) {
                if (types ~ /(^| )deb( |$)/ && enabled != "no") {
                    n = split(uris, u, " ")
                    m = split(suites, s, " ")
                    for (i = 1; i <= n; i++)
                        for (j = 1; j <= m; j++)
                            print s[j], u[i], key
                }
                types = uris = suites = ""; key = "-"; enabled = "yes"
            }
            BEGIN { key = "-"; enabled = "yes" }
            /^#/ { next }
            /^[ \t]*$/ { flush(); next }
            {
                name = tolower($1); value = $0
                sub(/^[^:]*:[ \t]*/, "", value)
                if (name == "types:") types = value
                if (name == "uris:") uris = value
                if (name == "suites:") suites = value
                if (name == "enabled:") enabled = tolower(value)
                if (name == "signed-by:" && value ~ /^\//) key = value
            }
            END { flush() }' "$f"
    done

    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] || continue

        awk '
            $1 == "deb" {
                key = "-"; i = 2
                if ($2 ~ /^\[/) {
                    for (i = 2; i <= NF; i++) {
                        o = $i; gsub(/[\[\]]/, "", o)
                        if (o ~ /^signed-by=\//) {
                            sub(/^signed-by=/, "", o); key = o
                        }
                        if ($i ~ /\]$/) { i++; break }
                    }
                }
                print $(i + 1), $i, key
            }' "$f"
    done
}


# The main archive is the one that carries this machine's own suite by its
# plain name; security updates live elsewhere, under <suite>-security.
main_archive()
{
    machine_sources | awk -v own="$codename" '
        $1 == own || $1 == "stable" || $1 == "testing" \
            || $1 == "unstable" || $1 == "sid" {
            if ($2 !~ /security/) { print $2, $3; exit }
        }'
}


security_archive()
{
    machine_sources | awk -v own="$codename-security" '
        $1 == own { print $2, $3; exit }'
}


deb_line()
{
    if [ "$3" = - ]; then
        echo "$1 $2 $4 main"

    else
        echo "$1 [signed-by=$3] $2 $4 main"
    fi
}


archive=$(main_archive)

if [ -z "$archive" ]; then
    die "no Debian archive among this machine's apt sources" \
        "(/etc/apt/sources.list, /etc/apt/sources.list.d)"
fi

uri=${archive% *}
key=${archive##* }

if [ "$verb" = mirror ]; then
    echo "$uri"
    exit 0
fi

root=$build/apt/$suite
conf=$root/apt.conf

mkdir -p "$root/lists/partial" "$root/cache/archives/partial" \
         "$root/download"


write_sources()
{
    deb_line deb "$uri" "$key" "$suite"
    deb_line deb-src "$uri" "$key" "$suite"

    if [ "$suite" = "$codename" ]; then
        security=$(security_archive)

        if [ -n "$security" ]; then
            deb_line deb "${security% *}" "${security##* }" "$suite-security"
            deb_line deb-src "${security% *}" "${security##* }" \
                     "$suite-security"
        fi
    fi
}


write_sources >"$root/sources.list.new"

if ! cmp -s "$root/sources.list.new" "$root/sources.list"; then
    mv "$root/sources.list.new" "$root/sources.list"
    rm -f "$root/updated"
fi

# Hooks of the machine that run after an update clean its own cache or tell
# its desktop; neither is any business of this private apt.
cat >"$conf" <<END
Dir::State::Lists "$root/lists";
Dir::State::extended_states "$root/extended_states";
Dir::State::status "$root/status";
Dir::Cache "$root/cache";
Dir::Etc::SourceList "$root/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "";
APT::Get::List-Cleanup "false";
APT::Architecture "$(dpkg --print-architecture)";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END

: >"$root/status"


apt()
{
    _tool=$1
    shift
    "$_tool" -c "$conf" "$@"
}


# Lists of the running day are good enough; a package that has left the
# archive since then is what update_again is for.
update()
{
    if [ -z "$(find "$root" -maxdepth 1 -name updated -mmin -720)" ]; then
        update_again
    fi
}


update_again()
{
    say "reading the package lists of $suite"
    rm -f "$root/updated"

    quietly "$root/update.log" apt apt-get -q \
        -o APT::Update::Error-Mode=any update \
        || die "the package lists of $suite cannot be had"

    : >"$root/updated"
}


candidate()
{
    apt apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" {
        print $2; found = 1 } END { exit !found }'
}


# A file that vanished between two updates is asked for once more.
with_fresh_lists()
{
    "$@" || { update_again; "$@"; }
}


download()
{
    (cd "$root/download" && quietly "$root/download.log" \
        apt apt-get -q download "$@")
}


source_of()
{
    (cd "$dir" && quietly "$root/source.log" \
        apt apt-get -q source --only-source "$1${2:+=$2}")
}


# An update whose source has not come to the archive yet, or has left it: the
# one before is of the same suite.
older_source_of()
{
    for _version in $(apt apt-cache showsrc --only-source "$1" \
                      | awk '$1 == "Version:" { print $2 }' | sort -rV)
    do
        rm -rf "$dir"
        mkdir -p "$dir"
        say "fetching the source of $1 $_version of $suite"

        if source_of "$1" "$_version"; then
            return 0
        fi
    done

    return 1
}


update

case $verb in

    policy)
        candidate "$1" || die "$suite has no package $1"
    ;;

    extract)
        dir=$1
        shift

        for package in "$@"; do
            version=$(candidate "$package") \
                || die "$suite has no package $package"

            rm -f "$root/download/${package}_"*.deb
            say "fetching $package $version of $suite"
            with_fresh_lists download "$package"

            mkdir -p "$dir"
            dpkg-deb -x "$root/download/${package}_"*.deb "$dir"
            rm -f "$root/download/${package}_"*.deb
        done
    ;;

    source)
        dir=$1
        have dpkg-source || die "dpkg-source is missing (package dpkg-dev)"

        mkdir -p "$dir"
        say "fetching the source of $2 of $suite"
        with_fresh_lists source_of "$2" || older_source_of "$2"
    ;;

    *)
        die "unknown verb $verb"
    ;;
esac

#!/bin/sh
# Fetches the programs that this Debian has no package of, into build/tools:
#
#     tools.sh crane oras cosign      from a newer suite: unpacked, not
#                                     installed, so nothing else comes along
#     tools.sh registry               distribution, the newest, built by Go
#     tools.sh conformance            the OCI conformance suite, built by Go
#     tools.sh conformance-1.1        the one before it, which is a Go test
#     tools.sh go                     only the Go that builds them
#
# Programs appear in build/tools/bin; one that stands on PATH is left as it
# is.  Go is the one on PATH when it is new enough, else a newer suite's,
# unpacked too.  Exits 1 when something could not be had, after the rest.
#
# A module source may refuse a conformance suite outright ("403 Forbidden").
# That is no fault of the network or of this tree, so it is written down in
# build/tools/conformance.refused, and t/conformance.t says so instead of
# failing.  A program named "conformance" on PATH is used as it is.  The same
# goes for conformance-1.1 and t/conformance_1_1.t.

set -eu
. "$(dirname "$0")/lib.sh"

registry_module=github.com/distribution/distribution/v3/cmd/registry
registry_version=v3.1.2

# what the newest of them asks for
go_wanted=1.25

tools=$build/tools
root=$tools/root
bin=$tools/bin

# What Go needs is said here, whatever its user configured for other work.
GOTOOLCHAIN=local
GOBIN=$bin
CGO_ENABLED=0
export GOTOOLCHAIN GOBIN CGO_ENABLED
unset GOFLAGS GOOS GOARCH GOROOT

if [ -z "${HOME:-}" ]; then
    GOPATH=$tools/gopath
    GOCACHE=$tools/gocache
    export GOPATH GOCACHE
fi


# Prints MODULE@VERSION, as the test says that runs the suite.
pinned()
{
    sed -n "s/.* MODULE => '\(.*\)',.*/\1/p" "$top/t/$1.t" | tr '\n' @
    sed -n "s/.* VERSION => '\(.*\)',.*/\1/p" "$top/t/$1.t"
}


present()
{
    [ -x "$bin/$1" ] || have "$1"
}


# Unpacks packages of the newest suite that has them.
unpack()
{
    for _from in sid trixie; do
        if sh "$top/ci/suite.sh" "$_from" extract "$root" "$@"; then
            return 0
        fi
    done

    return 1
}


# A program of a newer suite may ask for a newer libc than there is here.
from_suite()
{
    unpack "$1" || return 1

    if ! "$root/usr/bin/$1" --help >/dev/null 2>&1; then
        echo "error: $1 of a newer suite does not run here" >&2
        return 1
    fi

    mkdir -p "$bin"
    ln -sf "../root/usr/bin/$1" "$bin/$1"
}


new_enough()
{
    _version=$("$1" env GOVERSION 2>/dev/null) || return 1
    _version=${_version#go}

    [ "$(printf '%s\n%s\n' "$go_wanted" "$_version" | sort -V | head -n 1)" \
      = "$go_wanted" ]
}


# Sets $go.
find_go()
{
    for go in go "$root"/usr/lib/go-*/bin/go; do
        if have "$go" && new_enough "$go"; then
            return 0
        fi
    done

    _version=$(sh "$top/ci/suite.sh" sid policy golang-go) || return 1
    _version=$(echo "$_version" | sed 's/^[0-9]*://; s/[^0-9.].*//')

    unpack "golang-$_version-go" "golang-$_version-src" || return 1

    go=$root/usr/lib/go-$_version/bin/go
    new_enough "$go"
}


go_install()
{
    find_go || { echo "error: no Go $go_wanted or newer" >&2; return 1; }

    say "building $1"
    mkdir -p "$bin"
    (cd "$tools" && quietly "$build/log/go-$2.log" "$go" install "$1")
}


# go_test PACKAGE@VERSION NAME: a package's tests as a program.  No module
# but one that asks for the package can have them built.
go_test()
{
    find_go || { echo "error: no Go $go_wanted or newer" >&2; return 1; }

    say "building $1"
    mkdir -p "$bin" "$tools/go-$2"

    printf 'module example.test/suite\n\ngo 1.17\n\nrequire %s %s\n' \
        "${1%@*}" "${1#*@}" >"$tools/go-$2/go.mod"

    (cd "$tools/go-$2" && quietly "$build/log/go-$2.log" \
        "$go" test -mod=mod -c -o "$bin/$2" "${1%@*}")
}


# refused NAME MODULE@VERSION: of a suite that could not be built, whether its
# source said no.  A version that does not exist (404, 410) is a fault of the
# pin, and stays one.
refused()
{
    if grep -qs ': 403 Forbidden' "$build/log/go-$1.log"; then
        echo "$2" >"$tools/$1.refused"
    fi

    return 1
}


[ $# -gt 0 ] || die "usage: $0 TOOL... (crane, oras, cosign, registry," \
    "conformance, conformance-1.1, go)"

rc=0

for tool in "$@"; do
    if [ "$tool" != go ] && present "$tool"; then
        continue
    fi

    case $tool in
        crane|oras|cosign)
            from_suite "$tool"
        ;;

        registry)
            go_install "$registry_module@$registry_version" registry
        ;;

        conformance)
            rm -f "$tools/$tool.refused" "$build/log/go-$tool.log"
            suite=$(pinned conformance)
            go_install "$suite" "$tool" || refused "$tool" "$suite"
        ;;

        conformance-1.1)
            rm -f "$tools/$tool.refused" "$build/log/go-$tool.log"
            suite=$(pinned conformance_1_1)
            go_test "$suite" "$tool" || refused "$tool" "$suite"
        ;;

        go)
            find_go && echo "$go"
        ;;

        *)
            die "unknown tool $tool"
        ;;

    esac || { echo "error: $tool cannot be had here" >&2; rc=1; }
done

exit $rc

#!/bin/sh
# The long versions of the fault, concurrency and model tests: hours where
# `make test` takes minutes.
#
#     torture.sh [TEST...]           or: make torture
#
# TEST is a file of t/; default: every one that has a long version.  What each
# counted (kills, power cuts, injected errors, operations checked, lost) is
# printed at the end and stays in build/torture/figures.
#
#     TORTURE_SECONDS   how long what runs by time runs, default 1800

set -eu
. "$(dirname "$0")/lib.sh"

cd "$top"

sh ci/deps.sh build test
sh ci/module.sh
make -s BUILD="$build" -j "$jobs" registryctl

if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046
    set -- $(grep -l 'torture(' t/*.t)
fi

mkdir -p "$build/torture"
TEST_FIGURES=$build/torture/figures
: >"$TEST_FIGURES"

TEST_TORTURE=${TORTURE_SECONDS:-1800}
TEST_NGINX_MODULE=$build/ngx_http_registry_module.so
TEST_REGISTRYCTL=$build/registryctl
export TEST_FIGURES TEST_TORTURE TEST_NGINX_MODULE TEST_REGISTRYCTL

rc=0
perl ci/tap.pl --name torture --timeout 86400 "$@" || rc=$?

echo
cat "$TEST_FIGURES"

exit $rc

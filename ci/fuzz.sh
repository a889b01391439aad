#!/bin/sh
# Runs each fuzzer of t/fuzz under libFuzzer:
#
#     fuzz.sh SECONDS [NAME...]      or: make fuzz TIME=SECONDS
#
# Closes with a line a fuzzer: how often it ran, and how much of the code it
# reached.  New inputs gather in build/fuzz/found/<name>; those that crash in
# build/fuzz/crash, and are worth a place in t/fuzz/corpus/<name> once mended.

set -eu
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
[ $# -eq 0 ] || shift

if [ $# -eq 0 ]; then
    for file in "$top"/t/fuzz/*_fuzz.c; do
        [ -f "$file" ] || die "no fuzzers in t/fuzz"
        name=${file##*/}
        set -- "$@" "${name%_fuzz.c}"
    done
fi

make -s -C "$top" BUILD="$build" -j "$jobs" fuzz-programs

rc=0

for name in "$@"; do
    work=$build/fuzz/found/$name
    corpus=$top/t/fuzz/corpus/$name
    dict=$top/t/fuzz/$name.dict

    [ -d "$corpus" ] || die "no corpus $corpus"
    mkdir -p "$work" "$build/fuzz/crash"

    say "fuzzing $name for $seconds seconds"

    set -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
           -print_final_stats=1 -artifact_prefix="$build/fuzz/crash/$name-"

    if [ -f "$dict" ]; then
        set -- "$@" -dict="$dict"
    fi

    if ! quietly "$build/fuzz/$name.log" \
         "$build/fuzz/$name" "$@" "$work" "$corpus"
    then
        echo "error: the fuzzer $name found a fault" >&2
        rc=1
        continue
    fi

    awk -v name="$name" '
        /cov: / {
            for (i = 1; i < NF; i++) {
                if ($i == "cov:") cov = $(i + 1)
                if ($i == "ft:") ft = $(i + 1)
            }
        }

        /stat::number_of_executed_units/ { runs = $2 }

        END {
            if (runs == 0) exit 1

            printf "%s: %d executions, %d edges, %d features\n",
                   name, runs, cov, ft
        }' "$build/fuzz/$name.log" \
        || { echo "error: the fuzzer $name tells of no executions" >&2; rc=1; }
done

exit $rc

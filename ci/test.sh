#!/bin/sh
# Installs what the tests need and runs them all; `make test` is this.
#
#     test.sh [STAGE...]
#
#     lint      the scripts through shellcheck, conf.examples through nginx -t
#     build     the module and registryctl by gcc and by clang, no warning let
#               through; with CI set, the core for words of 32 bits, too
#     beside    begins analyse, and what matrix needs, to end beside the tests
#     plain     the module as --add-dynamic-module --with-compat, built and
#               loaded by an nginx from plain sources
#     unit      unit tests and the fuzzers' corpora, under ASan and UBSan
#     api       t/*.t against this machine's nginx
#     asan      t/*.t against an nginx under ASan and UBSan, linked statically
#     tsan      unit tests with threads, and a few of t/*.t, under TSan
#     valgrind  a few of t/*.t against an nginx under valgrind
#     analyse   gcc -fanalyzer, clang-tidy and cppcheck over the sources
#     faults    t/fault_*.t against this machine's nginx: what is broken on
#               purpose, from one system call to the power; needs root
#     clients   t/client_*.t, t/conformance*.t: real clients, the OCI suites
#     matrix    build and quick tests on the nginx of the newer Debian suites
#
# Without a stage: all, matrix only in CI (it needs root, and fetches two
# small Debian systems).  Every stage runs even when one before it failed, but
# nothing is tested that was not built.  The last line is the score of all.
# What ends a run ends all that it has begun.
#
#     CI=true         a skipped test is a failure
#     TESTS="a.t ..." of api and asan only these
#     TEST_VERBOSE=1  each test's own lines

set -eu
. "$(dirname "$0")/lib.sh"

cd "$top"

if [ $# -gt 0 ]; then
    stages=$*

else
    stages='lint build beside plain unit api asan tsan valgrind faults'
    stages="$stages clients analyse"

    if [ -n "${CI:-}" ]; then
        stages="$stages matrix"
    fi
fi

# those of matrix
suites='trixie sid'

# processes that the stage "beside" began
analysers=
preparing=

tally=$build/tally
mkdir -p "$build"

# two runs would clear away what the other has found
if have flock; then
    exec 9>"$build/lock"
    flock -n 9 || die "tests are running in $build already"
fi

: >"$tally"

# a line that did not come into the tally
lost=

# stands before what runs tests
within=

started=$(date +%s)

# more than there are processors: for most of its time a test waits
waiting=$((jobs * 2))


# Adds a line to the tally: passed failed skipped name.
score()
{
    echo "$@" >>"$tally" || lost=yes
}


# step NAME COMMAND...: a command that passes or fails as a whole.
step()
{
    _name=$1
    shift

    _from=$(date +%s)

    if "$@"; then
        echo "ok - $_name ($(($(date +%s) - _from)) s)"
        score 1 0 0 "$_name"
        return 0
    fi

    echo "not ok - $_name"
    echo "! $_name" >>"$tally"
    score 0 1 0 "$_name"
    return 1
}


scores()
{
    grep -c '^[0-9]' "$tally" || true
}


# Each of them leaves a score, or else it came to no end.
tap()
{
    _before=$(scores)
    _rc=0
    # shellcheck disable=SC2086
    $bound $within perl ci/tap.pl --tally "$tally" "$@" || _rc=$?

    if [ "$(scores)" -le "$_before" ]; then
        step "$2 end with a score, not with exit code $_rc" false || true
    fi
}


# What looks for faults of the program alone: the stages unit, api and faults
# have their files on this machine's disk.
tap_in_memory()
{
    within='sh ci/memory.sh'
    tap "$@"
    within=
}


# The tests against a server, without those of real clients, and those that
# break the machine under it, which once is enough for.
api_tests()
{
    if [ -n "${TESTS:-}" ]; then
        echo "$TESTS"
        return
    fi

    for _file in t/*.t; do
        case $_file in
            t/client_*|t/conformance*|t/fault_*) ;;
            *) echo "$_file" ;;
        esac
    done
}


install_needed()
{
    groups=

    for stage in $stages; do
        case $stage in
            clients) groups="$groups build test clients" ;;
            matrix)  groups="$groups build test matrix" ;;
            analyse|valgrind)
                groups="$groups build test analyse"
            ;;
            *)       groups="$groups build test" ;;
        esac
    done

    case " $stages " in
        *" build "*)
            ! words_of_32 || groups="$groups word32"
        ;;
    esac

    # shellcheck disable=SC2086
    sh ci/deps.sh $groups || return 1

    # What cannot be had is said here, and the suite that misses it says SKIP.
    tools=

    case " $stages " in
        *" clients "*)
            tools='crane oras cosign registry conformance conformance-1.1'
        ;;

        *" api "*|*" asan "*)
            # interchange with the newest distribution; `make check` does
            # without, if it is not there
            if [ -n "${CI:-}" ]; then
                case $(api_tests) in
                    *interchange*) tools=registry ;;
                esac
            fi
        ;;
    esac

    if [ -n "$tools" ]; then
        # shellcheck disable=SC2086
        sh ci/tools.sh $tools || warn "some suites will be skipped"
    fi
}


# Where a compiler for it is to be had in any case.
words_of_32()
{
    [ -n "${CI:-}" ] && [ "$(uname -m)" = x86_64 ]
}


# grep ends with 1 where there is none, and with more where it could not look.
# Bytes would count an umlaut twice; none is wanted in C.
narrow()
{
    _rc=0
    grep -rnE --include='*.[ch]' '^.{81,}' src t bench || _rc=$?
    [ $_rc -eq 1 ]
}


# Programs under sanitizers, which all other tests are run with too, do not take
# the libraries of t/shim.
shims()
{
    _rc=0
    grep -rlE --include='*.t' --exclude='fault_*' \
        'Test::Registry::(Shim|Sweep)' t || _rc=$?
    [ $_rc -eq 1 ]
}


lint()
{
    step 'shellcheck' shellcheck ci/*.sh .ci/run \
        src/cli/registryctl.bash || true
    step 'no line of C has more than 80 columns' narrow || true
    step 'what breaks system calls stands in t/fault_*.t' shims || true
    built || return 0
    tap --name 'conf.examples' ci/examples.sh
}


# The module is built once, by whichever stage needs it first.
module_state=unknown

built()
{
    if [ $module_state = unknown ]; then
        if step 'module for this nginx, warnings are errors' \
                sh ci/module.sh
        then
            module_state=yes

        else
            module_state=no
        fi
    fi

    [ $module_state = yes ]
}


# The same for the command, which needs no nginx.
command_state=unknown

command_built()
{
    if [ $command_state = unknown ]; then
        if step 'registryctl, warnings are errors' \
                make -s BUILD="$build" -j "$jobs" registryctl
        then
            command_state=yes

        else
            command_state=no
        fi
    fi

    [ $command_state = yes ]
}


# The module's own compiler is one of the two in most cases.
build_stage()
{
    built || true
    command_built || true

    if "${CC:-cc}" --version | grep -q 'Free Software Foundation'; then
        others=clang

    elif "${CC:-cc}" --version | grep -q clang; then
        others=gcc

    else
        others='gcc clang'
    fi

    for compiler in $others; do
        CC=$compiler step "module by $compiler, warnings are errors" \
            sh ci/module.sh "$build/by-$compiler/ngx_http_registry_module.so" \
            || true

        CC=$compiler step "registryctl by $compiler, warnings are errors" \
            make -s BUILD="$build/by-$compiler" -j "$jobs" registryctl || true
        CC=$compiler step "the shim by $compiler, warnings are errors" \
            make -s BUILD="$build/by-$compiler" shim || true
    done

    if words_of_32; then
        step 'core and registryctl for words of 32 bits, warnings are errors' \
            make -s BUILD="$build" -j "$jobs" word32 || true
    fi
}


plain()
{
    step 'module by --add-dynamic-module --with-compat' \
        sh ci/nginx.sh dynamic || return 0

    step 'nginx loads that module' loads_dynamic || true
}


loads_dynamic()
{
    mkdir -p "$build/dynamic/logs"
    cat >"$build/dynamic/test.conf" <<END
load_module "$build/dynamic/ngx_http_registry_module.so";
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:5000;
        location /v2/ { registry "$build/dynamic/registry"; }
    }
}
END
    quietly "$build/log/dynamic.log" "$build/dynamic/nginx" -t \
        -e stderr -p "$build/dynamic" -c "$build/dynamic/test.conf"
}


unit()
{
    step 'unit tests are built' \
        make -s BUILD="$build" -j "$jobs" unit-programs || return 0

    set --

    for file in t/unit/*_test.c; do
        [ -f "$file" ] || continue
        file=${file##*/}
        set -- "$@" "$build/unit/${file%.c}"
    done

    UBSAN_OPTIONS=print_stacktrace=1 \
        tap --name 'unit tests' --jobs "$waiting" "$@"

    set --

    for file in t/fuzz/*_fuzz.c; do
        [ -f "$file" ] || continue
        file=${file##*/}
        file=${file%_fuzz.c}
        set -- "$@" "$build/fuzz/${file}_replay t/fuzz/corpus/$file"
    done

    UBSAN_OPTIONS=print_stacktrace=1 \
        tap --name 'corpora of the fuzzers' --jobs "$jobs" "$@"
}


api()
{
    built && command_built || return 0

    # shellcheck disable=SC2046
    tap --name 'the registry' --jobs "$waiting" $(api_tests)
}


asan()
{
    step 'nginx under ASan and UBSan' sh ci/nginx.sh asan || return 0
    step 'registryctl under ASan and UBSan' asan_command || return 0

    # where the binary was told to write them, as whatever user
    reports=$build/asan/reports
    rm -rf "$reports"
    mkdir -p "$reports"
    chmod 1777 "$reports"

    # shellcheck disable=SC2046
    TEST_NGINX_BINARY=$build/asan/nginx TEST_NGINX_MODULE='' \
    TEST_REGISTRYCTL=$build/asan/registryctl \
        tap_in_memory --name 'the registry under ASan and UBSan' \
            --jobs "$waiting" --timeout 1200 --reports "$reports" \
            $(api_tests)
}


# It reports to the same folder as nginx.
asan_command()
{
    CFLAGS='-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined' \
    LDFLAGS=$build/asan/sanitizer.o \
        make -s BUILD="$build/asan" -j "$jobs" registryctl
}


# What hands things from thread to thread; each file here is a short one.
short_tests='t/upload.t t/manifest.t t/upload_body.t t/delete.t t/mount.t'

tsan()
{
    set --

    for file in t/unit/*_test.c; do
        grep -q pthread_create "$file" || continue
        file=${file##*/}
        set -- "$@" "$build/tsan/unit/${file%.c}"
    done

    # both compilers' ThreadSanitizer ends the program with 66 after a finding
    step 'unit tests with threads are built under TSan' \
        make -s BUILD="$build/tsan" -j "$jobs" \
        SAN='-fsanitize=thread -fno-omit-frame-pointer' "$@" \
        && tap --name 'unit tests under TSan' --jobs "$jobs" "$@"

    step 'nginx under TSan' sh ci/nginx.sh tsan || return 0

    reports=$build/tsan/reports
    rm -rf "$reports"
    mkdir -p "$reports"
    chmod 1777 "$reports"

    # shellcheck disable=SC2086
    TEST_NGINX_BINARY=$build/tsan/nginx TEST_NGINX_MODULE='' \
        tap_in_memory --name 'the registry under TSan' --jobs "$jobs" \
            --reports "$reports" \
        $short_tests t/access_htpasswd.t t/race_blobs.t
}


valgrind_stage()
{
    # the one of the stage "plain", if that was run
    step 'nginx from plain sources' sh ci/nginx.sh dynamic || return 0

    reports=$build/dynamic/reports
    rm -rf "$reports"
    mkdir -p "$reports"
    chmod 1777 "$reports"

    # valgrind shows no process titles, by which workers are told: there is
    # one process
    cat >"$build/dynamic/nginx-valgrind" <<END
#!/bin/sh
exec valgrind --quiet --child-silent-after-fork=no --trace-children=no \\
    --suppressions="$top/ci/valgrind.supp" --num-callers=20 \\
    --log-file="$reports/%p" "$build/dynamic/nginx" "\$@"
END
    chmod +x "$build/dynamic/nginx-valgrind"

    # without those that wait for a lock of another thread: valgrind does not
    # know that F_OFD_SETLKW waits, and lets no other thread run meanwhile
    TEST_NGINX_BINARY=$build/dynamic/nginx-valgrind \
    TEST_NGINX_MODULE=$build/dynamic/ngx_http_registry_module.so \
    TEST_NGINX_SLOW=1 TEST_NGINX_SINGLE=1 \
        tap_in_memory --name 'the registry under valgrind' --jobs "$jobs" \
            --reports "$reports" \
        t/upload.t t/manifest.t t/upload_body.t
}


# begin_beside NAME COMMAND...: what looks at no clock and at nothing of the
# tests has what these leave of the processors.
begin_beside()
{
    _log=$build/log/$1.log
    shift
    mkdir -p "$build/log"
    # shellcheck disable=SC2086
    $bound timeout -k 10 3600 nice -n 19 "$@" >"$_log" 2>&1 </dev/null &
}


# end_beside NAME PID: tells what it said, and ends as it did.
end_beside()
{
    _rc=0
    wait "$2" || _rc=$?
    cat "$build/log/$1.log"
    return $_rc
}


beside()
{
    case " $stages " in
        *analyse*)
            if built; then
                begin_beside analyse sh ci/analyse.sh
                analysers=$!
            fi
        ;;
    esac

    case " $stages " in
        *matrix*)
            # nobody is there to give sudo a password
            if [ "$(id -u)" -eq 0 ]; then
                # shellcheck disable=SC2086
                begin_beside prepare sh ci/matrix.sh --prepare $suites
                preparing=$!
            fi
        ;;
    esac
}


analyse()
{
    if [ -n "$analysers" ]; then
        step 'analysers find nothing new' end_beside analyse "$analysers" \
            || true
        analysers=

    else
        step 'analysers find nothing new' sh ci/analyse.sh || true
    fi
}


faults()
{
    built && command_built || return 0

    # the longest does not begin when all others have ended
    set -- t/fault_sandbox.t

    for file in t/fault_*.t; do
        [ "$file" = "$1" ] || set -- "$@" "$file"
    done

    tap --name 'faults' --jobs "$waiting" --timeout 1200 "$@"
}


clients()
{
    built && command_built || return 0
    tap --name 'real clients' --jobs "$jobs" --timeout 1500 \
        t/client_*.t t/conformance*.t
}


matrix()
{
    # what could not be prepared is tried again, and then told
    if [ -n "$preparing" ]; then
        wait "$preparing" || true
        preparing=
    fi

    # shellcheck disable=SC2086
    step 'other suites' $bound sh ci/matrix.sh --quick --tally "$tally" \
        $suites || true
}


# programs fetched by tools.sh, and what is under test
PATH=$build/tools/bin:$PATH
TEST_NGINX_MODULE=${TEST_NGINX_MODULE-$build/ngx_http_registry_module.so}
TEST_REGISTRYCTL=${TEST_REGISTRYCTL-$build/registryctl}
export PATH TEST_NGINX_MODULE TEST_REGISTRYCTL

if ! install_needed 9>&-; then
    score 0 1 0 'packages'
    stages=
fi

for stage in $stages; do
    say "$stage"

    case $stage in
        lint|beside|plain|api|unit|asan|tsan|analyse|faults|clients|matrix)
            "$stage" 9>&-
        ;;

        valgrind)
            valgrind_stage 9>&-
        ;;

        build)
            build_stage 9>&-
        ;;

        *)
            die "unknown stage $stage"
        ;;
    esac
done

echo
echo "after $(($(date +%s) - started)) s:"

awk -v lost="$lost" '
    # what failed, by name; where everything does, the first will say why
    /^!/ {
        if (++named <= 40) print " " substr($0, 2)
        if (named == 41) print "  and more, above"
        next
    }

    $2 > 0 || $3 > 0 {
        line = $0
        sub(/^[0-9]+ [0-9]+ [0-9]+ /, "", line)
        printf "  %s: %d failed, %d skipped\n", line, $2, $3
    }

    { passed += $1; failed += $2; skipped += $3 }

    END {
        if (lost || passed + failed == 0) failed++
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0 || passed == 0
    }' "$tally"

#!/bin/sh
# Installs what is missing, builds, and runs the registry in the foreground:
#
#     run.sh                     or: make run
#     PORT=5001 run.sh           or: make run PORT=5001
#
# It listens on 127.0.0.1:5000 and keeps everything in ./var (VAR overrides
# it): the generated nginx.conf, the data, access.log.  Errors come to the
# terminal.  Ctrl-C stops it; the next run goes on with the same data.

set -eu
. "$(dirname "$0")/lib.sh"

port=${PORT:-5000}
var=${VAR:-$top/var}

case $var in
    /*) ;;
    *)  var=$(pwd)/$var ;;
esac

case $port in
    ''|*[!0-9]*)
        die "PORT must be a number: $port"
    ;;
esac

if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    die "PORT must be from 1 to 65535: $port"
fi


# The process behind a listening port, as far as this user may know it.
who_listens()
{
    have ss || return 1

    # a filter by address would miss who listens on all of them
    ss -Hltnp "sport = :$1" 2>/dev/null | sed -n \
        's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | head -n 1
}


port_taken()
{
    if have ss; then
        [ -n "$(ss -Hltn "sport = :$1" 2>/dev/null)" ]

    else
        # state 0A is LISTEN; addresses are in hexadecimal
        _hex=$(printf '%04X' "$1")
        cat /proc/net/tcp /proc/net/tcp6 2>/dev/null \
            | awk -v p=":$_hex\$" '$2 ~ p && $4 == "0A" { found = 1 }
                                   END { exit !found }'
    fi
}


running_here()
{
    [ -f "$var/nginx.pid" ] || return 1

    _pid=$(cat "$var/nginx.pid")
    [ -n "$_pid" ] && [ -d "/proc/$_pid" ] || return 1

    case $(tr '\0' ' ' 2>/dev/null <"/proc/$_pid/cmdline") in
        *nginx*"$var"*) echo "$_pid" ;;
        *)              return 1 ;;
    esac
}


if pid=$(running_here); then
    die "the registry is running from $var already (pid $pid);" \
        "stop it with: kill $pid"
fi

if port_taken "$port"; then
    taker=$(who_listens "$port" || true)
    die "port $port is taken by ${taker:-another process}:" \
        "stop it, or choose another port: make run PORT=$((port + 1))"
fi

sh "$top/ci/deps.sh" build
sh "$top/ci/module.sh"

nginx=$(nginx_binary)
so=$build/ngx_http_registry_module.so

mkdir -p "$var" 2>/dev/null || die "$var cannot be made here"

# As root, nginx hands the workers to another user, who must be able to reach
# and to write the data.  That is the owner of this tree; where the tree is
# root's own, www-data if it can come this far (it cannot below /root), and
# else root: this listens on the loopback interface alone.
user_line=

if [ "$(id -u)" -eq 0 ]; then
    user=$(stat -c %U "$top")

    if [ "$user" = root ] || [ "$user" = UNKNOWN ]; then
        user=root

        if id www-data >/dev/null 2>&1 && have setpriv \
           && setpriv --reuid www-data --regid www-data --clear-groups \
                      test -x "$var" 2>/dev/null
        then
            user=www-data
        fi
    fi

    group=$(id -gn "$user")
    user_line="user \"$user\" \"$group\";"
fi

mkdir -p "$var/registry" "$var/tmp" 2>/dev/null || true

if [ "$(id -u)" -eq 0 ]; then
    for dir in "$var/registry" "$var/tmp"; do
        if [ "$(stat -c %U "$dir")" != "$user" ]; then
            chown -R "$user:$group" "$dir"
        fi
    done

    # a later run without root must find its own files again
    owner=$(stat -c %u:%g "$top")
    touch "$var/access.log"
    chown -R "$owner" "$build"
    chown "$owner" "$var" "$var/access.log"

else
    for dir in "$var" "$var/registry" "$var/tmp"; do
        if [ ! -d "$dir" ] || [ ! -w "$dir" ]; then
            die "$dir is not writable for $(id -un), it belongs to" \
                "$(stat -c %U "$dir" 2>/dev/null || echo nobody);" \
                "run: sudo chown -R $(id -un) $var"
        fi
    done
fi


# Each of nginx's own modules that may buffer to a file wants a folder, and
# knows the directive only when it was compiled in.
temp_paths()
{
    echo "    client_body_temp_path \"$var/tmp/body\";"

    for module in proxy fastcgi uwsgi scgi; do
        if ! "$nginx" -V 2>&1 | grep -q -- "--without-http_${module}_module"
        then
            echo "    ${module}_temp_path \"$var/tmp/$module\";"
        fi
    done
}


cat >"$var/nginx.conf.new" <<END
# Written by ci/run.sh at every start.

load_module "$so";

$user_line
worker_processes auto;
daemon off;
pid "$var/nginx.pid";
error_log stderr warn;

events {
    worker_connections 1024;
}

http {
    access_log "$var/access.log";
$(temp_paths)

    server {
        listen 127.0.0.1:$port;

        location /v2/ {
            registry "$var/registry";
            registry_delete on;
        }
    }
}
END

mv "$var/nginx.conf.new" "$var/nginx.conf"
rm -f "$var/nginx.pid"

"$nginx" -t -q -e stderr -p "$var" -c "$var/nginx.conf" \
    || die "nginx does not accept $var/nginx.conf"

here=$(pwd)

cat >&2 <<END

The registry is on 127.0.0.1:$port, its data in ${var#"$here"/}/registry${user_line:+ (workers run as $user)}.
Ctrl-C stops it.  What to type next, in another terminal:

    curl http://127.0.0.1:$port/v2/_catalog

    docker tag IMAGE 127.0.0.1:$port/hello:1
    docker push 127.0.0.1:$port/hello:1
    docker pull 127.0.0.1:$port/hello:1

    skopeo copy --dest-tls-verify=false \\
        docker-archive:FILE.tar docker://127.0.0.1:$port/hello:2

END

# Ctrl-C reaches nginx by itself, as it reaches this script, which stays to
# tell how it ended; TERM and HUP reach only this script and are passed on.
"$nginx" -e stderr -p "$var" -c "$var/nginx.conf" 9>&- &
child=$!

trap 'kill -QUIT $child 2>/dev/null || true' HUP TERM
trap 'kill -TERM $child 2>/dev/null || true' INT

rc=0
wait $child || rc=$?

# a trapped signal ends the wait before nginx has ended
while kill -0 $child 2>/dev/null; do
    rc=0
    wait $child || rc=$?
done

trap - HUP TERM INT

if [ $rc -ne 0 ]; then
    die "nginx ended with exit code $rc"
fi

say "stopped; the data stays in ${var#"$here"/}/registry"

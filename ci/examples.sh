#!/bin/sh
# Every file of conf.examples through `nginx -t`, as TAP.  The configuration is
# the file's own, but for paths and ports that only its reader's machine has:
# they are turned into ones of a temporary folder, with files of users, groups
# and tokens in it.  t/examples_access.t makes those as the examples say.

set -eu
. "$(dirname "$0")/lib.sh"

nginx=$(nginx_binary)
so=${TEST_NGINX_MODULE-$build/ngx_http_registry_module.so}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$tmp/temp" "$tmp/registry"

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.test \
    -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null

# one of each kind; nobody knows the password or the token
cat >"$tmp/registry.htpasswd" <<'END'
ann:$2y$05$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK
END
cat >"$tmp/registry.groups" <<'END'
owners: ann
ci: builder
readers: auditor
END
cat >"$tmp/registry.tokens" <<END
robot sha256:$(printf '%064d' 0) expires=never allow=pull:**
END
echo secret >"$tmp/ci.secret"

# what is written to below /var/log and /var/lib by default
own="access_log off;"

for module in client_body proxy fastcgi uwsgi scgi; do
    if ! "$nginx" -V 2>&1 | grep -q -- "--without-http_${module}_module"; then
        own="$own ${module}_temp_path $tmp/temp/$module;"
    fi
done

n=0
failed=0

for file in "$top"/conf.examples/*.conf; do
    name=${file##*/}
    n=$((n + 1))

    # -t opens the listening sockets: ports below 1024 are root's, and not
    # every machine has IPv6
    sed -e "s|^load_module .*|${so:+load_module \"$so\";}|" \
        -e "s|^http {|http { $own|" \
        -e "s|/etc/nginx/[a-z.-]*\.crt|$tmp/cert.pem|" \
        -e "s|/etc/nginx/[a-z.-]*\.key|$tmp/key.pem|" \
        -e "s|/etc/nginx/|$tmp/|" \
        -e "s|/var/log/nginx/|$tmp/|" \
        -e "s|/var/lib/registry|$tmp/registry|" \
        -e "s|listen \( *\)80\b|listen \10.0.0.0:18080|" \
        -e "s|listen \( *\)443\b|listen \10.0.0.0:18443|" \
        -e "/listen *\[::\]:/d" \
        "$file" >"$tmp/$name"

    if "$nginx" -t -q -e stderr -p "$tmp" -c "$tmp/$name" \
           -g "pid $tmp/nginx.pid; error_log stderr;" >"$tmp/said" 2>&1
    then
        # what a newer nginx only deprecates is for the reader to see
        sed 's/^/# /' "$tmp/said"
        echo "ok $n - $name"

    else
        sed 's/^/# /' "$tmp/said"
        echo "not ok $n - $name"
        failed=1
    fi
done

echo "1..$n"
exit $failed

# For tests that serve a version as NBD; source it after lib.sh. A disk with data, holes and two
# partitions, a store that holds it as disk@1, the plugin, and a server with certificates.
# shellcheck shell=bash disable=SC2034,SC2154  # shared with lib.sh and the tests
plugin=$BUILD/plugins/nbdkit-carrel-plugin.so
blockd=$BUILD/bin/carrel-blockd
chunkd=$BUILD/bin/carrel-chunkd
disk=$work/disk.raw store=$work/store pki=$work/pki seat=$work/pki/clients/seat

# $1 MiB, of which two MiB in each four hold data that does not compress.
make_disk() { # MIB
    local at
    truncate -s "$1M" "$disk"
    for ((at = 0; at < $1; at += 4)); do
        dd if=/dev/urandom of="$disk" bs=1M count=2 seek="$at" conv=notrunc status=none
    done
    printf 'label: dos\nstart=2048, size=8192\nstart=10240\n' |
        /sbin/sfdisk --quiet --no-reread --no-tell-kernel "$disk"
}

make_store() { # MIB
    make_disk "$1"
    "$carrel" store init "$store" >/dev/null
    "$carrel" --store "$store" image import disk "$disk" --format raw --no-trim >/dev/null
}

# Run a shell command while nbdkit serves disk@1; it sees $uri and $unixsocket.
with_plugin() { # shell-command [nbdkit argument...]
    local command=$1
    shift
    nbdkit --unix - "$plugin" "store=$store" image=disk@1 "$@" --run "$command"
}

# Certificates for a server on this machine and for one seat.
make_pki() {
    "$carrel" pki init "$pki" >/dev/null
    "$carrel" pki issue "$pki" --server localhost,127.0.0.1 >/dev/null
    "$carrel" pki issue "$pki" --client seat >/dev/null
}

# Start chunkd at $server_url; the first time at a free port, later at the same one.
server_url=
start_server() { # [option...]
    local listen=${server_url#https://}
    : >chunkd.log
    start "$chunkd" --store "$store" --pki "$pki/server" --listen "${listen:-127.0.0.1:0}" "$@" >chunkd.log
    server_pid=$started
    wait_until grep -q '^listening on ' chunkd.log
    server_url=$(sed -n 's/^listening on //p;q' chunkd.log)
}

# Killed, as by a power cut.
kill_server() {
    kill -KILL "$server_pid"
    wait "$server_pid" 2>/dev/null || true
}

# Start blockd for an image with the cache `cache` and wait until it serves at $uri. It fetches nothing
# that is not read, unless told otherwise.
start_blockd() { # image [option...]
    local image=$1
    shift
    : >ready
    start "$blockd" --server "$server_url" --pki "$seat" --image "$image" --cache cache \
        --socket "$work/seat.sock" --hot no --fill-rate 0 --boot-seconds 0 "$@" >ready
    blockd_pid=$started
    uri="nbd+unix:///?socket=$work/seat.sock"
    wait_until grep -q '^ready ' ready
}

# End it as the agent does; its figures are in cache/stats.json then.
stop_blockd() {
    kill -TERM "$blockd_pid"
    wait "$blockd_pid" || fail "blockd ended with status $?"
}

figure() { # name
    jq -r ".$1" cache/stats.json
}

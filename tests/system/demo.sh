#!/bin/bash
# The main job, end to end, with real parts: what `make demo` runs.
#   BUILD=... demo.sh
# A small real Debian is imported, changed and committed as a layer; the server hands it out with
# mutual TLS; the agent boots it with an empty cache, a user dirties it, the reboot is clean, and
# the next start finds a warm cache. Ends with a table and status 0, or names the failed step.
set -Eeuo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:?names the build folder}"
demo=$BUILD/demo
work=$demo/work
store=$work/store
image=$demo/debian.img
serial_log=$work/serial.log
export PATH=$BUILD/bin:$PATH
export CARREL_STORE=$store

rm -rf "$work"
mkdir -p "$work"
run=$(mktemp -d "${TMPDIR:-/tmp}/carrel-demo.XXXXXX") # sockets: their paths must be short
declare -A pids=()
step="preparing" step_log=

# --- steps, processes, waiting --------------------------------------------------------------------

step() { # NAME [LOG that tells more when it fails]
    step=$1 step_log=${2:-}
    printf '\n[%3d s] %s\n' $SECONDS "$step"
}

failed() {
    local status=$? log
    trap - ERR
    [ "$BASH_SUBSHELL" = 0 ] || exit $status # the shell that waits for this one tells
    {
        echo
        echo "demo: this step failed: $step"
        for log in $step_log; do
            [ ! -s "$log" ] || { echo "  the end of '$log':"; tail -n 20 "$log" | sed 's/^/    | /'; }
        done
    } >&2
    exit $((status ? status : 1))
}

start() { # NAME COMMAND...: in the background, its words into $work/NAME.log
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
}

runs() { kill -0 "${pids[$1]}" 2>/dev/null; }

finish() { # NAME: wait for its own end, which must be a good one
    local pid=${pids[$1]}
    unset "pids[$1]"
    wait "$pid"
}

stop() { # NAME: ask it to end, which must be a good end
    kill -TERM "${pids[$1]}"
    finish "$1"
}

wait_for() { # SECONDS NAME COMMAND...: until the command comes true, as long as NAME runs
    local deadline=$((SECONDS + $1)) name=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        runs "$name" || { echo "demo: '$name' ended too early" >&2; return 1; }
        [ $SECONDS -lt $deadline ] || { echo "demo: not in time: $*" >&2; return 1; }
        sleep 0.1
    done
}

end() {
    local status=$? name pid
    trap - EXIT ERR
    for name in "${!pids[@]}"; do kill -TERM "${pids[$name]}" 2>/dev/null || true; done
    for name in "${!pids[@]}"; do
        pid=${pids[$name]}
        # An agent takes its machine and its blockd down with it; give it the time.
        timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$run"
    exit "$status"
}
trap failed ERR
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

guest() { # STEP...: at the serial line of the running guest
    python3 "$here/../harness/serial.py" "$run/serial" "$serial_log" connect 120 "$@"
}

# --- the numbers of the table ---------------------------------------------------------------------

server_bytes() { # bytes of bodies that the server has sent
    curl -sS --fail "http://127.0.0.1:$metrics_port/metrics" |
        awk '$1 == "carrel_chunkd_sent_bytes_total" { printf "%d\n", $2; found = 1 }
             END { exit !found }'
}

version_field() { # NAME@N FIELD
    carrel --json image show "$1" | jq -er ".$2"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

size() {
    awk -v bytes="$1" 'BEGIN { if (bytes < 1048576) printf "%.1f KiB", bytes / 1024
                               else printf "%.1f MiB", bytes / 1048576 }'
}

# --- the main job ---------------------------------------------------------------------------------

step "build a small real Debian"
"$here/demo-image.sh" "$image"

step "import it as debian@1"
carrel store init "$store"
carrel image import debian "$image" --message "Debian 12, as installed"

step "change it: serve debian@1 over NBD, boot it, install a package more" \
    "$work/nbdkit.log $work/qemu.log $serial_log"
start nbdkit nbdkit --foreground --exit-with-parent -U "$run/nbd" \
    "$BUILD/plugins/nbdkit-carrel-plugin.so" store="$store" image=debian@1
wait_for 20 nbdkit test -S "$run/nbd"
qemu-img create -q -f qcow2 -F raw -b "nbd+unix:///debian@1?socket=$run/nbd" "$work/edit.qcow2"
start qemu qemu-system-x86_64 -accel tcg -m 512 -display none -nodefaults -no-reboot \
    -serial "unix:$run/serial,server=on,wait=off" \
    -drive "file=$work/edit.qcow2,if=virtio,format=qcow2" \
    -drive "file=$demo/debian-extra.tar,if=virtio,format=raw,readonly=on"
guest login root demo 240 \
    run '! command -v tree' 60 \
    run 'tar -xf /dev/vdb -C /root && dpkg -i /root/tree_*.deb >/dev/null && rm /root/tree_*.deb' 120 \
    run 'tree --version' 60 \
    send poweroff eof 120
finish qemu
stop nbdkit

step "commit the change as the layer debian@2"
carrel image commit debian "$work/edit.qcow2" --message "a package more: tree"
carrel image log debian
carrel image diff debian@1 debian@2

step "make the site's certificates and start the server with mutual TLS" "$work/chunkd.log"
carrel pki init "$work/pki"
carrel pki issue "$work/pki" --server localhost,127.0.0.1
carrel pki issue "$work/pki" --client seat-1
seat=$work/pki/clients/seat-1
port=$(free_port) metrics_port=$(free_port)
start chunkd carrel-chunkd --store "$store" --listen "127.0.0.1:$port" --pki "$work/pki/server" \
    --metrics-listen "127.0.0.1:$metrics_port"
healthy() {
    curl -sS --fail --cacert "$seat/ca.pem" --cert "$seat/client.pem" --key "$seat/client-key.pem" \
        "https://127.0.0.1:$port/healthz"
}
wait_for 20 chunkd healthy
if curl -sS --cacert "$seat/ca.pem" "https://127.0.0.1:$port/healthz" >/dev/null 2>&1; then
    echo "demo: the server talked to a client without a certificate" >&2
    false
fi

cat >"$work/desktop.conf" <<DESKTOP
memory = 512M
cpus = 1
firmware = bios
disk_bus = virtio
nic = user
display = none
serial = socket:$run/serial
DESKTOP

agent_start() { # NAME: a desktop on debian@2; the clock of its boot starts
    rm -f "$run/serial"
    started=$(date +%s.%N) sent_before=$(server_bytes)
    start "$1" carrel-agent run --server "https://127.0.0.1:$port" --image debian --json \
        --cache "$work/cache" --pki "$seat" --desktop "$work/desktop.conf" --run-dir "$run/agent"
    wait_for 60 "$1" test -S "$run/serial"
}

step "boot debian@2 through the agent with an empty cache, log in, write a file" \
    "$work/agent-1.log $work/chunkd.log $serial_log"
agent_start agent-1
guest login root demo 300 prompt-after "$started" "$work/login-1" \
    run 'tree --version' 60 \
    run 'echo "a day of work" >/root/left-behind && sync && cat /root/left-behind' 60
pulled_1=$(($(server_bytes) - sent_before))
echo "login prompt after $(cat "$work/login-1") s"

step "reboot: the file is gone, the package is there" "$work/agent-1.log $work/chunkd.log $serial_log"
guest send '' send reboot eof 120
runs agent-1
guest login root demo 300 \
    run 'test ! -e /root/left-behind && echo "the file is gone"' 60 \
    run 'tree --version' 60
stop agent-1

step "boot again from the warm cache" "$work/agent-2.log $work/chunkd.log $serial_log"
agent_start agent-2
guest login root demo 300 prompt-after "$started" "$work/login-2" \
    run 'test ! -e /root/left-behind' 60 run 'tree --version' 60
pulled_2=$(($(server_bytes) - sent_before))
echo "login prompt after $(cat "$work/login-2") s"
stop agent-2
touched=$(jq -er .touched_bytes "$work/cache/stats.json") # of the session that just ended
if [ "$pulled_1" -eq 0 ] || [ "$pulled_2" -ge $((pulled_1 / 20)) ]; then
    echo "demo: the first boot pulled $pulled_1 bytes and the second, from the cache, $pulled_2" >&2
    false
fi
left=$(find "$work/cache/overlays" -type f)
[ -z "$left" ] || { echo "demo: an overlay outlived its session: $left" >&2; false; }
stop chunkd

step "verify every byte that is stored"
carrel image verify debian@1
carrel image verify debian@2

step "the table"
row() { printf '| %-39s | %22s |\n' "$1" "$2"; }
data=$(version_field debian@2 data_bytes)
of_data() { awk -v part="$1" -v whole="$data" 'BEGIN { printf "%.1f %%", 100 * part / whole }'; }
echo
row "image size" "$(size "$(version_field debian@2 disk_bytes)")"
row "data in it" "$(size "$data")"
row "stored for debian@1" "$(size "$(version_field debian@1 stored_bytes)")"
row "stored for debian@2, the layer" "$(size "$(version_field debian@2 stored_bytes)")"
row "pulled at the first boot (cold cache)" "$(size "$pulled_1")"
row "pulled at the second boot (warm cache)" "$(size "$pulled_2")"
row "time to login, first boot" "$(cat "$work/login-1") s"
row "time to login, second boot" "$(cat "$work/login-2") s"
row "image touched by a boot to the login" "$(size "$touched"), $(of_data "$touched")"
echo
echo "demo: all went well in $SECONDS s"

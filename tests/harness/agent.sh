# shellcheck shell=bash
# For tests of carrel-agent: source it. A tiny guest, an image service that tests may kill, and
# helpers that start the agent, wait for its states and type on the guest's serial line.
#
# It makes the folder $work (short, as sockets live in it) and removes it at the end, after stopping
# whatever still runs in it (lib.sh).
set -euo pipefail
: "${BUILD:?}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/harness/lib.sh" # makes $work, goes there, removes it
agent=$BUILD/bin/carrel-agent
run=$work/run cache=$work/cache out=$work/states log=$work/stderr serial=$work/serial
image=tiny
agent_pid=
# Where the image comes from; without more, from the service that a test fakes.
source=(--server https://none.invalid --blockd "$work/carrel-blockd")

# The processes whose command line names this test's folder: QEMU, blockd, the agent.
ours() {
    local pid
    for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$work/" && echo "$pid"
    done
    return 0
}

pid_of() { # WORD: of our processes those whose program's name holds WORD
    local pid
    for pid in $(ours); do
        [[ $({ tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1; } 2>/dev/null) == *"$1"* ]] &&
            echo "$pid"
    done
    return 0
}

finish() {
    local status=$? file pid
    trap - EXIT
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        for file in "$out" "$log" "$serial.log" "$run/vm/libvirt.log"; do
            [ -s "$file" ] && { echo "--- ${file##*/}"; tail -n 25 "$file"; }
        done
    fi
    for pid in $(ours); do kill -9 "$pid" 2>/dev/null || true; done
    cleanup
    exit $status
}
trap finish EXIT

# Wait until a command succeeds, at most SECONDS: a guest takes its time.
eventually() { # SECONDS WHAT command...
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "waited in vain for $what"
        read -r -t 0.1 <> <(:) || true
    done
}

# An image service with the face of carrel-blockd, over a raw file. What it serves is $golden; while
# the file $work/broken exists every read fails. Once the file $work/complete exists it says that
# the version is complete, in the file of the cache folder that stands in there; later, too. The file
# $work/newest holds the number of the newest version, else it is 1; $work/root its root.
image_service() { # GOLDEN
    golden=$1
    cat >"$work/carrel-blockd" <<SERVICE
#!/bin/bash
while [ \$# -gt 0 ]; do
    case \$1 in --socket) socket=\$2 ;; --image) image=\$2 ;; --pidfile) pidfile=\$2 ;; esac
    shift 2
done
case \$image in *@*) ;; *) image=\$image@\$(cat "$work/newest" 2>/dev/null || echo 1) ;; esac
nbdkit -f -r -U "\$socket" -P "\$pidfile" --exit-with-parent --filter=error file "$golden" \
    error-pread-rate=100% error-file="$work/broken" &
served=\$!
trap 'kill \$served 2>/dev/null; wait; exit 0' TERM
until nbdinfo --size "nbd+unix:///?socket=\$socket" >/dev/null 2>&1; do
    kill -0 \$served || exit 1
done
told=
tell() { [ -n "\$told" ] || [ ! -e "$work/complete" ] || { told=1; echo "complete \$(<"$work/complete")"; }; }
tell
echo "ready \$image \$(stat -c %s "$golden") \$(cat "$work/root" 2>/dev/null)"
while kill -0 \$served 2>/dev/null; do tell; read -r -t 0.1 <> <(:); done
SERVICE
    chmod +x "$work/carrel-blockd"
}

tiny_image() {
    image_service "$("$root/tests/harness/tinyguest.sh")"
}

desktop_file() { # LINE...: a small desktop with a serial line, and these lines
    printf '%s\n' "memory = 256M" "cpus = 1" "nic = none" "serial = socket:$serial" \
        "serial_log = $serial.log" "$@" >"$work/desktop"
}

agent_start() { # OPTION...
    : >"$out"
    : >"$log"
    : >"$serial.log"
    "$agent" run "${source[@]}" --image "$image" --cache "$cache" --run-dir "$run" \
        --desktop "$work/desktop" "$@" >"$out" 2>"$log" &
    agent_pid=$!
}

said() { # FILE PATTERN COUNT
    [ "$(grep -cE -- "$2" "$1")" -ge "$3" ]
}

state() { # PATTERN [COUNT]: wait for the state line
    eventually 60 "the state '$1'" said "$out" "^state: $1" "${2:-1}"
}

guest_ready() { # [COUNT]: wait until the guest came up for the COUNTth time
    eventually 180 "the guest" said "$serial.log" "tinyguest READY" "${1:-1}"
}

guest() { # COMMAND: run it in the guest, print what it says; fails when it fails
    python3 "$root/tests/harness/serial.py" "$serial" "$work/typed" connect 10 run "$1" 60
}

guest_reboots() { # for a machine that stays the same one: nobody hangs up
    python3 "$root/tests/harness/serial.py" "$serial" "$work/typed" connect 10 \
        send 'reboot -f' expect 'Restarting system' 60
}

guest_type() { # COMMAND: one after which the guest is gone
    python3 "$root/tests/harness/serial.py" "$serial" "$work/typed" connect 10 send "$1" eof 60
}

agent_ends() { # STATUS: wait for the agent's end, compare its exit status
    local status=0 left
    wait "$agent_pid" || status=$?
    [ $status -eq "$1" ] || fail "the agent ended with status $status, not $1"
    # What the test itself started, such as a server, may go on.
    left=$(ours | grep -vxF "$(printf '%s\n' 0 "${started_pids[@]}")" || true)
    [ -z "$left" ] || fail "still running: $left"
}

asks() { # COMMAND [FIELD]: of the agent that runs; prints the field of its answer
    "$agent" "$1" --run-dir "$run" --json | jq -r ".${2:-state}"
}

no_overlay() {
    [ -z "$(find "$cache/overlays" -mindepth 1)" ] || fail "left: $(find "$cache/overlays")"
}

states_are() { # LINE...: all states that the agent said on stdout
    diff <(printf 'state: %s\n' "$@") <(grep '^state: ' "$out") || fail "other states than expected"
}

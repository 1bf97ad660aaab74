#!/bin/bash
# What the agent cannot do it says in one clear sentence on stderr, with exit status 1 (2 for a wrong
# command line), leaving no process and no overlay.
. "$(dirname "$0")/../harness/agent.sh"
truncate -s 1M "$work/disk.raw"
image_service "$work/disk.raw"

sentence() { # STATUS PATTERN: how the last run must have ended
    local status=0
    wait "$agent_pid" || status=$?
    [ $status -eq "$1" ] || fail "'$2': status $status, not $1: $(cat "$log")"
    [ "$(grep -vc 'carrel-agent: warning' "$log")" -eq 1 ] || fail "not one sentence: $(cat "$log")"
    grep -qE "^carrel-agent: .*$2" "$log" || fail "no '$2' in: $(cat "$log")"
    local left
    left=$(ours | grep -vx "${server_pid:-0}" || true) # a real server goes on
    [ -z "$left" ] || fail "'$2': still running: $left"
    [ ! -d "$cache/overlays" ] || no_overlay
}
command_line() { # ARGUMENT...
    "$agent" "$@" >"$out" 2>"$log" &
    agent_pid=$!
}
desktop() { # LINE...
    printf '%s\n' "$@" >"$work/desktop"
    agent_start
}

# The command line.
command_line; sentence 2 "no command; it is one of 'run', 'status', 'restore', 'stop', 'logout', 'overlays' or 'capture'"
command_line walk; sentence 2 "unknown command 'walk'; it is one of 'run'"
command_line status more; sentence 2 "'status' takes no 'more'"
command_line run --image x --cache /tmp; sentence 2 'name it with --server'
command_line run --server x --cache /tmp; sentence 2 'name it with --image'
command_line run --server x --image x; sentence 2 'name it with --cache'
command_line run --server x --image x --cache x --deltas maybe; sentence 2 "--deltas is neither"
command_line overlays; sentence 2 "'overlays' takes 'ls' or 'export ID FILE'"
command_line overlays ls; sentence 2 'name it with --cache'
command_line run --color; sentence 2 "option '--color' is unknown"
command_line run --server; sentence 2 "option '--server' needs a value"
command_line run --server x --image 'a/b' --cache "$cache"; sentence 1 "'a/b'"

# The desktop file.
agent_start; sentence 1 "desktop file '$work/desktop': No such file"
desktop 'cpus = 1' 'memroy = 2G'; sentence 1 "'$work/desktop', line 2: unknown key 'memroy'"
desktop 'cpus = many'; sentence 1 "line 1: 'many' is no number of CPUs"
head -c 70000 /dev/zero >"$work/desktop"
agent_start; sentence 1 'larger than 65536 bytes'
desktop 'overlay = sometimes'; sentence 1 "'sometimes' is no value for 'overlay'; use one of boot, logout"
desktop 'overlay_for = person' 'overlay = keep'; sentence 1 'say who it is with --person NAME'
desktop 'overlay_keep_days = 4000'; sentence 1 'write 0 to 3650'
desktop 'data_disk = 1'; sentence 1 "'1' is no size for 'data_disk'"
: >"$work/desktop"
agent_start --data-disk nothing; sentence 1 "the data disk 'nothing' .give a size"
agent_start --person $'a\nb'; sentence 1 'without control characters'
agent_start --overlay-keep-days many; sentence 1 'no number of days'
desktop "serial = $work/none/log"; sentence 1 "opening '$work/none/log' for the serial line"

# Folders.
: >"$work/desktop"
rm -rf "$cache"
echo x >"$cache"
agent_start; sentence 1 "opening the cache '$cache' for writing .*--cache"
rm "$cache"
(cache=$work/none/such; echo x >"$work/none"; agent_start; sentence 1 "the cache '$cache'")
(run=$work/$(printf '%060d' 0); agent_start; sentence 1 "and sockets leave room for")
exec {held}>"$run/lock"
flock "$held"
agent_start; sentence 1 "another carrel-agent runs a desktop in it"
exec {held}>&-

# The image service.
agent_start --blockd "$work/nothing"; sentence 1 "cannot start '$work/nothing'"
service() { # SCRIPT
    printf '#!/bin/bash\n%s\n' "$1" >"$work/other"
    chmod +x "$work/other"
    agent_start --blockd "$work/other"
}
service "echo carrel-blockd: there is no image \"'tiny'\" >&2; exit 1"
sentence 1 "starting 'tiny': there is no image 'tiny'"
service 'exit 3'; sentence 1 "starting 'tiny': exit status 3 without a word"
service 'kill -SEGV $$'; sentence 1 "ended by signal 11"
service 'echo ready; exec tail -f /dev/null'; sentence 1 'instead of a version and a size'
service 'echo ready tiny 5; exec tail -f /dev/null'; sentence 1 'instead of a version and a size'
service 'echo ready "t&y@1" 5; exec tail -f /dev/null'; sentence 1 'instead of a version and a size'
service 'echo ready tiny@1 99999999999999999999; exec tail -f /dev/null'; sentence 1 'a version and a size'

# Certificates: the real blockd before a real server.
. "$root/tests/harness/nbd.sh"
"$carrel" store init "$store" >/dev/null
"$carrel" --store "$store" image import tiny "$work/disk.raw" --format raw >/dev/null
make_pki
start_server
seat_of() { # FOLDER PATTERN: a seat with these certificates
    (source=(--server "$server_url" --pki "$1"); agent_start; sentence 1 "$2")
}
"$carrel" pki issue "$pki" --client late --not-before 2020-01-01 --not-after 2020-02-01 >/dev/null
"$carrel" pki init "$work/elsewhere" >/dev/null
"$carrel" pki issue "$work/elsewhere" --client stranger >/dev/null
seat_of "$pki/clients/late" "starting 'tiny': .*/late/client.pem' expired on 2020-02-01"
seat_of "$work/elsewhere/clients/stranger" \
    "starting 'tiny': the certificate of server '.*' comes from a foreign CA; check that 'ca.pem' is"
cp "$pki/ca.pem" "$work/elsewhere/clients/stranger/ca.pem"
seat_of "$work/elsewhere/clients/stranger" \
    "starting 'tiny': .*/stranger/client.pem' does not come from the CA in .*; issue one from this CA"

# libvirt.
export LIBVIRT_DRIVER_DIR=$work/no-drivers
agent_start; sentence 1 "opening libvirt's embedded QEMU driver \(install libvirt-daemon-driver-qemu"
unset LIBVIRT_DRIVER_DIR

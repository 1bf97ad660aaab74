#!/bin/bash
# A seat is what its policy says: image, hardware and network at the start, the network's link also
# while it runs; what was applied is told. Its states and heartbeats reach the server. Without a
# server it starts by a lease of its own for this version, and by nothing else, whatever its clock says.
. "$(dirname "$0")/../harness/agent.sh"
. "$root/tests/harness/chunkd.sh"
tiny_image
desktop_file
store_make 1
pki_make
"$carrel" --quiet trust key server
mkdir -p seats "$work/seat"
"$carrel" policy key server >"$work/seat/keys"
seat_id=$(openssl x509 -in pki/clients/seat/client.pem -outform der | sha256sum | cut -d' ' -f1)
mkdir "seats/$seat_id"
serve=(--store store --pki pki/server --seats seats --reports reports)
chunkd_start server "${serve[@]}" --listen 127.0.0.1:0
port=${url##*:}
source=(--server "$url" --blockd "$work/carrel-blockd" --pki pki/clients/seat --seat "$work/seat"
    --courier "$work/courier")
# The courier as it is, asking every second.
printf '#!/bin/bash\nexec "%s" "$@" --interval 1s\n' "$BUILD/bin/carrel-courier" >courier
chmod +x courier

policy() { # the body: signed for this seat
    echo "$1" >body.json
    "$carrel" --quiet policy sign body.json "seats/$seat_id/policy.json" --key server
}
lease() { # NAME@N days: of an image of this name in the store
    "$carrel" --store store --quiet policy lease pki/clients/seat/client.pem "$1" \
        "seats/$seat_id/lease.json" --key server --days "$2"
}
reported() { # jq's filter: a report of the seat for which it is true has come
    cat reports/"$seat_id"/0* 2>/dev/null | jq -es "map(select($1)) | length > 0" >/dev/null
}
carrier() { # as the guest sees it
    guest 'busybox ip link set eth0 up && cat /sys/class/net/eth0/carrier'
}
link_is() { [ "$(carrier)" = "$1" ]; }

# The start: another image than the command line's, a network card without a link.
hardware='"image": "tiny@7", "desktop": {"nic": "user", "memory": "384M"}, "heartbeat": 5'
policy "{$hardware, \"network\": \"off\"}"
agent_start
guest_ready
[ "$(asks status version)" = tiny@7 ] || fail "runs $(asks status version)"
memory_kib=$(guest 'sed -n "s/^MemTotal: *\([0-9]*\).*/\1/p" /proc/meminfo')
[ "$memory_kib" -gt 262144 ] || fail "the guest has $memory_kib KiB of memory"
link_is 0 || fail "the guest has a network"

# Live: the link comes, and the line says what was done and what comes later.
policy "{$hardware, \"network\": \"on\", \"idle\": {\"do\": \"nothing\", \"after_minutes\": 5}, \"fill_rate\": \"1M\"}"
eventually 60 "the line about the policy" said "$out" '^policy [0-9]*; at once network; at the next start fill_rate; not by this seat' 1
eventually 60 "the link" link_is 1
eventually 60 "the report of it" reported '.kind == "policy"'
eventually 60 "the start's time" reported '.kind == "started" and .version == "tiny@7" and .after_ms > 0'
eventually 60 "a state" reported '.kind == "state" and .state == "running"'
eventually 60 "a heartbeat" reported '.kind == "heartbeat" and .state == "running" and .policy > 0'

# The server goes: the desktop runs on, and what it reports waits on the disk, over its end.
chunkd_stop "$chunkd_pid"
asks stop >/dev/null
agent_ends 0
[ -n "$(ls "$work/seat/outbox")" ] || fail "nothing waits for the server"

# Alone: the policy gives no lease, so it does not start, and says what would help.
agent_start
agent_ends 1
grep -q "starting 'tiny@7' without a server: the policy lets this seat start with its server only" "$log" ||
    fail "another reason: $(cat "$log")"

# With a policy that does, there must be a lease, for this version, of this day.
chunkd_start server2 "${serve[@]}" --listen "127.0.0.1:$port"
policy "{$hardware, \"lease_days\": 3}"
"$carrel" --store store --quiet image import tiny disk.raw --format raw --no-trim >/dev/null
lease tiny@1 3
once=("$BUILD/bin/carrel-courier" --server "$url" --pki pki/clients/seat --dir "$work/seat"
    --keys "$work/seat/keys" --once)
"${once[@]}" >/dev/null
reported '.kind == "state" and .state == "stopped"' || fail "the last state never arrived"
[ -z "$(ls "$work/seat/outbox")" ] || fail "reports still wait"
chunkd_stop "$chunkd_pid"
agent_start
agent_ends 1
grep -q "the lease is for 'tiny@1'" "$log" || fail "another reason: $(cat "$log")"
chunkd_start server3 "${serve[@]}" --listen "127.0.0.1:$port"
policy "{\"image\": \"tiny@1\", \"lease_days\": 3}"
"${once[@]}" >/dev/null
chunkd_stop "$chunkd_pid"
agent_start
state running
asks stop >/dev/null
agent_ends 0

# The latest time ever seen counts: the lease is over, also for a clock that was set back since.
printf %s "$(date -d '+4 days' +%s)" >"$work/seat/seen"
agent_start
agent_ends 1
grep -q 'the lease to start without a server ended at' "$log" || fail "another reason: $(cat "$log")"
grep -q 'the clock of this PC was set back' "$log" || fail "the clock is not spoken of"

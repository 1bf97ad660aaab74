#!/bin/bash
# With --trust a desktop starts only from a version that people have signed, found by its channel;
# when the timestamp has expired it starts all the same, and the warning is on the screen; without
# anything verified it does not start and says why.
. "$(dirname "$0")/../harness/agent.sh"
. "$root/tests/harness/nbd.sh"
. "$root/tests/harness/trust.sh"
desktop_file
"$carrel" store init "$store" >/dev/null
export CARREL_STORE=$store CARREL_SIGNER=$work/keys/signer
"$carrel" --quiet image import tiny "$("$root/tests/harness/tinyguest.sh")" >/dev/null
"$carrel" --quiet image promote tiny@1 stable
"$carrel" --quiet trust init --keys keys
"$carrel" --quiet trust seat desk
make_pki
start_server
source=(--server "$server_url" --pki "$seat" --trust desk)

starts_from() { # NAME@N
    local overlay
    state running
    overlay=$(find "$cache/overlays" -name '*.qcow2')
    [ "$(qemu-img info -U --output json "$overlay" | jq -r '."backing-filename"')" = \
        "nbd+unix:///$1?socket=$run/nbd.sock" ] || fail "it did not start from $1"
    kill -TERM "$agent_pid"
    agent_ends 0
}
image=tiny:stable
agent_start
starts_from tiny@1
! grep -q 'signed metadata' "$log" || fail "a warning too many: $(cat "$log")"

# What the image service is told on the way, and its figures at the end of the session.
agent_start --json --deltas no
eventually 60 "the machine" said "$out" '"running"' 1
tr '\0' ' ' <"/proc/$(cat "$run/blockd.pid")/cmdline" | grep -q 'deltas=no' || fail "--deltas is not passed on"
kill -TERM "$agent_pid"
agent_ends 0
jq -es '.[-1] | .state == "stopped" and .cache.version == "tiny@1" and .cache.reads > 0' "$out" \
    >/dev/null || fail "no figures of the cache: $(cat "$out")"

# Published and not signed; and what the server says of it is worth nothing.
head -c 1M /dev/zero >other.raw
printf x | dd of=other.raw conv=notrunc status=none
"$carrel" --quiet image import tiny other.raw --format raw >/dev/null
image=tiny
agent_start
starts_from tiny@1

start "$BUILD/bin/carrel-signer" --state keys/signer --socket signer.sock --timestamp-expiry 1s \
    >signer.out
signer_pid=$started
wait_until grep -q ready signer.out
"$carrel" --quiet trust timestamp --signer signer.sock
kill "$signer_pid"
wait "$signer_pid" || true
expired() { [ "$(date +%s)" -gt "$(date -d "$(jq -r .signed.expires "$store/trust/timestamp.json")" +%s)" ]; }
wait_until expired
agent_start
starts_from tiny@1
said "$log" 'warning: signed metadata is not up to date: .*expired' 1 || fail "no warning"

"$carrel" --quiet trust seat new
source=(--server "$server_url" --pki "$seat" --trust new)
agent_start
agent_ends 1
said "$log" 'carrel-agent: .*nothing can be trusted: .*expired' 1 || fail "$(cat "$log")"

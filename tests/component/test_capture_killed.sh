#!/bin/bash
# kill -9 at any system call of a capture: every version stays whole, and the same command goes on
# from there, sends nothing twice that has arrived, and ends with the version. With CHECK_LONG at every
# call that can change something, else at some forty of them. And the server killed in the middle:
# the capture waits for it and ends as if nothing had happened.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
killat=$BUILD/harness/killat
site_make 12
chunks=80 # more than a pack

fresh() { # an overlay with new bytes, and nothing remembered
    overlay_make overlay.qcow2
    dd if=/dev/urandom of=written bs=64K count=$chunks status=none
    overlay_write overlay.qcow2 1M written
}

command=("$csync" capture --server "$url" --sync "$sync_url" --pki pki/clients/lab --base disk@1
    --threads 1)
points=0 resumed=0 done_before=0 step=1
for ((n = 1; ; n += step)); do
    fresh
    status=0
    "$killat" "$n" changes "${command[@]}" --as "image$n" overlay.qcow2 >out 2>err || status=$?
    [ "$status" = 137 ] || break
    points=$((points + 1))
    # Some forty points, at another distance each time, so that no kind of call is stepped over.
    [ -n "${CHECK_LONG:-}" ] || step=$((11 + n % 7))
    "${command[@]}" --as "image$n" --json overlay.qcow2 >again.json 2>err ||
        fail "after a kill at call $n: $(cat err)"
    [ "$(jq -r '[.image, .version, .branch] | join(" ")' again.json)" = "image$n 1 false" ] ||
        fail "after a kill at call $n: $(cat again.json)"
    there=$(jq .chunks_there again.json) sent=$(jq .chunks_sent again.json)
    ((there == 0)) || resumed=$((resumed + 1))
    ((sent > 0)) || done_before=$((done_before + 1))
    [ -z "${CHECK_LONG:-}" ] && ((points % 6 != 1)) || captured_whole "image$n@1" overlay.qcow2
done
[ "$status" = 0 ] || fail "the capture that nobody killed: $(cat err)"
echo "killed at $points calls: $resumed went on in the middle, $done_before had all there"
((points >= 10 && resumed > 0 && done_before > 0 && resumed < points)) || fail "too few points to tell"
captured_whole disk@1 disk.raw

# The server is killed while a capture runs and comes back on the same port.
listen=${sync_url#https://}
fresh
start "${command[@]}" --as steady --patience 120 --json overlay.qcow2 >steady.json 2>steady.err
client=$started
for _ in 1 2 3; do
    kill -KILL "$syncd_pid"
    wait "$syncd_pid" 2>/dev/null || true
    syncd_start syncd --images store --pki pki/server --listen "$listen"
done
wait "$client" || fail "the capture whose server was killed: $(cat steady.err)"
[ "$(jq -r '[.image, .version] | join(" ")' steady.json)" = "steady 1" ] || fail "$(cat steady.json)"
captured_whole steady@1 overlay.qcow2
"$carrel" --store store store gc --grace 0s >/dev/null
captured_whole steady@1 overlay.qcow2

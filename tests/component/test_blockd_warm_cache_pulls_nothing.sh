#!/bin/bash
# blockd serves the bytes of the version; what it has read stays, so that a second start pulls no
# chunk; its figures tell how much was pulled and touched. Once all is there it says so, at once when it
# starts later, and the file that it names is the disk.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 32
make_pki
start_server

start_blockd disk
grep -qxE "ready disk@1 $((32 << 20)) [0-9a-f]{64}" ready || fail "it said: $(cat ready)"
! grep -q complete ready || fail "an empty cache is complete: $(cat ready)"
nbdcopy "$uri" - | cmp - "$disk"
wait_until grep -qx "complete disks/[0-9a-f]*.disk" ready
cmp "cache/$(sed -n 's/^complete //p' ready)" "$disk"
nbdinfo --json "$uri" >info
[ "$(jq -r '.exports[0] | "\(.is_read_only) \(.can_multi_conn) \(.description)"' info)" = \
    "true true disk@1" ] || fail "$(cat info)"
stop_blockd
[ ! -e seat.sock ] || fail "the socket is still there"
[ "$(figure version)" = disk@1 ]
[ "$(figure touched_chunks)" = $((16 << 4)) ] || fail "touched: $(cat cache/stats.json)"
[ "$(figure pulled_chunks)" -gt 0 ] && [ "$(figure pulled_bytes)" -gt $((15 << 20)) ]
[ "$(figure disk_bytes)" = $((32 << 20)) ] && [ "$(figure data_bytes)" = $((16 << 20)) ]

start_blockd disk@1 --stats "$work/second.json"
[ "$(cut -d ' ' -f 1 ready | tr '\n' ' ')" = "complete ready " ] || fail "not complete: $(cat ready)"
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd
[ "$(jq .pulled_chunks second.json)" = 0 ] || fail "pulled again: $(cat second.json)"
[ "$(jq .touched_chunks second.json)" = $((16 << 4)) ]
[ "$(jq .requests second.json)" = 1 ] || fail "more than the head was asked: $(cat second.json)"

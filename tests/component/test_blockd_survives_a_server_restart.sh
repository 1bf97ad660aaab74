#!/bin/bash
# A seat's connections survive a restart of its server, in order or by SIGKILL: the same blockd goes on, no read
# fails, and the guest has only paused.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 256
make_pki
start_server
start_blockd disk
start nbdcopy --connections=1 --threads=1 --requests=1 --request-size=65536 "$uri" copied
copy_pid=$started
kept_more() { [ "$(du -k cache/disks/*.disk | cut -f 1)" -gt $(($1 + 8192)) ]; }
for signal in TERM KILL TERM; do
    before=$(du -k cache/disks/*.disk 2>/dev/null | cut -f 1)
    wait_until kept_more "${before:-0}"
    kill "-$signal" "$server_pid"
    wait "$server_pid" || [ "$signal" = KILL ] || fail "chunkd did not go down in order"
    kill -0 "$copy_pid" || fail "the copy gave up"
    start_server
done
wait "$copy_pid" || fail "a read failed"
cmp copied "$disk"
kill -0 "$blockd_pid" || fail "blockd ended"
stop_blockd
[ "$(figure retries)" -ge 1 ] || fail "the server was never away: $(cat cache/stats.json)"
[ "$(figure pulled_chunks)" = 2048 ] || fail "chunks were fetched twice: $(cat cache/stats.json)"

#!/bin/bash
# blockd is killed again and again while it fills its cache: what it serves afterwards is right, and
# what it had kept is not fetched again.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 128
make_pki
start_server
kept_kib() { du -k cache/disks/*.disk | cut -f 1; }
has_kept() { [ "$(kept_kib)" -ge "$1" ]; }

for ((round = 1; round <= 8; round++)); do
    start_blockd disk
    start nbdcopy --connections=2 --requests=4 --request-size=262144 "$uri" null:
    wait_until has_kept $((round * 4096))
    kill -KILL "$blockd_pid"
    wait "$blockd_pid" 2>/dev/null || true
done
whole=$(kept_kib)
start_blockd disk
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd
# At most the chunks that a kill tore come on top of what was not there; 4 for each of them.
most=$((((64 << 10) - whole) / 64 + 8 * 4))
[ "$(figure pulled_chunks)" -le "$most" ] || fail "more than $most: $(cat cache/stats.json)"

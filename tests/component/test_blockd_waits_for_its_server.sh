#!/bin/bash
# The server is killed in the middle of a copy: the client only pauses, the copy goes on when the
# server is back, and its bytes are right.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 256
make_pki
start_server
start_blockd disk --patience 120

kept_kib() { du -k cache/disks/*.disk | cut -f 1; }
has_kept() { [ "$(kept_kib)" -gt "$1" ]; }
start nbdcopy --connections=1 --threads=1 --requests=1 --request-size=65536 "$uri" copied
copy_pid=$started
wait_until has_kept 4096
kill_server
[ "$(kept_kib)" -lt $((128 << 10)) ] || fail "the copy had ended before the server was killed"
kill -0 "$copy_pid" || fail "the copy gave up"
start_server
wait "$copy_pid" || fail "the copy failed"
cmp copied "$disk"

# Also while it starts: first the server is away, then it comes.
stop_blockd
[ "$(figure retries)" -gt 0 ] || fail "the server was never asked again"
kill_server
rm -rf cache
: >ready
start "$blockd" --server "$server_url" --pki "$seat" --image disk --cache cache \
    --socket "$work/seat.sock" >ready
blockd_pid=$started
wait_until test -S seat.sock
[ ! -s ready ] || fail "ready without a server: $(cat ready)"
start_server
wait_until grep -q '^ready disk@1 ' ready
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd

#!/bin/bash
# SIGTERM ends blockd and removes its socket, also while it waits for a server that is away: before
# it serves, and with a read under way.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
make_pki
start_server
ended() { ! kill -0 "$blockd_pid"; }

start_blockd disk --pidfile "$work/pid" --patience 600
[ "$(cat pid)" = "$blockd_pid" ] || fail "the pidfile holds $(cat pid), not $blockd_pid"
kill_server
start nbdcopy --connections=1 "$uri" null:
asked_again() { [ "$(ls "/proc/$blockd_pid/task" | wc -l)" -gt 3 ]; }
wait_until asked_again # the connection's threads are there
kill -TERM "$blockd_pid"
wait_until ended
[ ! -e seat.sock ] || fail "the socket is still there"

start "$blockd" --server "$server_url" --pki "$seat" --image disk --cache cache2 \
    --socket "$work/seat.sock" --patience 600
blockd_pid=$started
wait_until test -S seat.sock
wait_until test -d cache2/objects # it opens the version by now
kill -TERM "$blockd_pid"
wait_until ended
[ ! -e seat.sock ] || fail "the socket of the one that never served is still there"

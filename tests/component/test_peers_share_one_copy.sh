#!/bin/bash
# Seats of one subnet take their chunks from each other: after the first seat, the server sends next
# to nothing; the bytes are right, and what one lacks it fetches for the other.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
. "${OLDPWD}/tests/harness/room.sh"
make_store 32
make_pki
seats_make 3
start_server

seat_start 1
seat_reads 1
copy=$(server_metric sent_bytes_total)
[ "$copy" -gt 16000000 ] || fail "the first seat took only $copy bytes from the server"

seat_start 2
seat_reads 2
seat_start 3
seat_reads 3
sent=$(server_metric sent_bytes_total)
echo "the server sent $copy bytes to the first seat, $((sent - copy)) to the next two"
[ $((sent - copy)) -lt $((copy / 10)) ] || fail "the server sent $((sent - copy)) bytes more"
[ "$(server_metric peer_seats)" = 3 ] || fail "not three seats are announced"
for i in 1 2 3; do seat_stop "$i"; done
[ "$(seat_figure 2 peer_objects)" -ge 240 ] || fail "seat 2: $(cat cache2/stats.json)"
[ "$(seat_figure 3 peer_objects)" -ge 240 ] || fail "seat 3: $(cat cache3/stats.json)"
[ "$(($(seat_figure 1 upload_objects) + $(seat_figure 2 upload_objects)))" -ge 480 ] ||
    fail "who served? $(cat cache1/stats.json cache2/stats.json)"
for i in 1 2 3; do cat "seat$i.err"; done

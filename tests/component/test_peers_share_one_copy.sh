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

# In the background, where a machine that is busy may be slow (CR_HEDGE_BACKGROUND_MS).
for i in 2 3; do
    seat_start "$i" --fill-rate 1G
    wait_until grep -q '^complete ' "ready$i"
    seat_reads "$i"
done
sent=$(server_metric sent_bytes_total)
echo "the server sent $copy bytes to the first seat, $((sent - copy)) to the next two"
[ $((sent - copy)) -lt $((copy / 2)) ] || fail "the server sent $((sent - copy)) bytes more"
[ "$(server_metric peer_seats)" = 3 ] || fail "not three seats are announced"
for i in 1 2 3; do
    peak=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${seat_pid[$i]}/status")
    [ "$peak" -lt 65536 ] || fail "seat $i took $peak KiB of memory"
    seat_stop "$i"
done
[ "$(seat_figure 2 peer_objects)" -ge 128 ] || fail "seat 2: $(cat cache2/stats.json)"
[ "$(seat_figure 3 peer_objects)" -ge 128 ] || fail "seat 3: $(cat cache3/stats.json)"
[ "$(($(seat_figure 1 upload_objects) + $(seat_figure 2 upload_objects)))" -ge 256 ] ||
    fail "who served? $(cat cache1/stats.json cache2/stats.json)"
for i in 1 2 3; do [ ! -s "seat$i.err" ] || fail "seat $i: $(cat "seat$i.err")"; done

# Seats that fill at the same time, from nothing: each stands behind another one, and the server sends
# one copy.
for i in 4 5 6 7; do
    "$carrel" pki issue "$pki" --client "seat$i" >/dev/null
done
kill_server # which forgets who was there
start_server
before=$(server_metric sent_bytes_total)
for i in 4 5 6 7; do seat_start "$i" --fill-rate 1G; done
for i in 4 5 6 7; do wait_until grep -q '^complete ' "ready$i"; done
sent=$(($(server_metric sent_bytes_total) - before))
echo "the server sent $sent bytes to four seats that filled at once"
[ "$sent" -lt $((copy * 2)) ] || fail "the server sent $sent bytes to four seats"
for i in 4 5 6 7; do seat_stop "$i"; done

# With two servers, of which one dies, seats still find each other.
start "$chunkd" --store "$store" --pki "$pki/server" --listen 127.0.0.1:0 >second.log
wait_until grep -q '^listening on ' second.log
second=$(sed -n 's/^listening on //p;q' second.log)
for i in 8 9; do "$carrel" pki issue "$pki" --client "seat$i" >/dev/null; done
seat_start 8 --server "$second" --fill-rate 1G
wait_until grep -q '^complete ' ready8
kill_server
seat_start 9 --server "$second" --fill-rate 1G
wait_until grep -q '^complete ' ready9
seat_reads 9
seat_stop 9
[ "$(seat_figure 9 peer_objects)" -ge 128 ] || fail "seat 9: $(cat cache9/stats.json)"

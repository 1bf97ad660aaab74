#!/bin/bash
# A peer that sends wrong bytes three times is banned and reported, one that does not answer costs the
# hedge delay: the reader gets the right bytes in both cases, and a seat that dies is left at once.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
. "${OLDPWD}/tests/harness/room.sh"
bad_peer=$OLDPWD/tests/harness/peer.py
make_store 16
make_pki
seats_make 4
start_server 2>chunkd.err
root=$("$carrel" --store "$store" --json image show disk | jq -r .root)

echo 0 >asked
start python3 "$bad_peer" lie "$server_url" "$pki/clients/seat1" "$root" asked >liar
liar_pid=$started
wait_until grep -q ready liar
seat_start 2
seat_reads 2
was_reported() { [ "$(server_metric peer_reports_total)" = 1 ]; }
wait_until was_reported
grep -q "reports that the seat with the key '.*' sends wrong bytes" chunkd.err || fail "no line: $(cat chunkd.err)"
grep -q "sent wrong bytes three times" seat2.err || fail "the seat says nothing: $(cat seat2.err)"
[ "$(cat asked)" -le 6 ] || fail "the liar was asked $(cat asked) times"
seat_stop 2
[ "$(seat_figure 2 peer_banned)" = 1 ] && [ "$(seat_figure 2 peer_reported)" = 1 ] &&
    [ "$(seat_figure 2 peer_wrong)" -ge 3 ] || fail "$(cat cache2/stats.json)"
kill "$liar_pid"

# Whoever stalls holds up nobody: what it was asked for comes from the server.
kill_server
start_server 2>chunkd.err
echo 0 >asked
start python3 "$bad_peer" stall "$server_url" "$pki/clients/seat1" "$root" asked >liar
wait_until grep -q ready liar
seat_start 3
seat_reads 3
[ "$(cat asked)" -ge 1 ] || fail "the stalling peer was not asked"
seat_stop 3
[ "$(seat_figure 3 peer_hedged)" -ge 1 ] || fail "nothing was hedged: $(cat cache3/stats.json)"
[ "$(seat_figure 3 peer_objects)" = 0 ] || fail "$(cat cache3/stats.json)"

# A seat whose machine is gone.
kill_server
start_server
seat_start 2
seat_reads 2
kill -KILL "${seat_pid[2]}"
seat_start 4
seat_reads 4
seat_stop 4
[ "$(seat_figure 4 peer_objects)" = 0 ] || fail "$(cat cache4/stats.json)"

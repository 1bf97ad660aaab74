#!/bin/bash
# The server is killed with SIGKILL in the middle of a storm and comes back after a while (20 s in the
# long suite): every seat finishes, each chunk arrived right and once.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/storm.sh"
seats=40 pause_s=1
[ -z "${CHECK_LONG:-}" ] || seats=200 pause_s=20
store_make 128
trace_make 25
pki_make
chunkd_start first --store store --pki pki/server --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
start storm "$seats" --pki pki --verify once --link 400mbit
storm_pid=$started

# A third of what all of them will get.
third=$((seats * $(trace_chunks) * 65536 / 3))
sent_some() { [ "$(metric "$metrics_url" sent_bytes_total)" -gt 100000 ]; }
sent_a_third() { [ "$(metric "$metrics_url" sent_bytes_total)" -gt "$third" ]; }
wait_until sent_a_third
kill -KILL "$chunkd_pid"
wait "$chunkd_pid" 2>/dev/null || true
read -rt "$pause_s" <> <(:) || true
kill -0 "$storm_pid" || fail "the storm gave up: $(cat outcome.json)"
chunkd_start second --store store --pki pki/server --listen "${url#https://}"
second_pid=$chunkd_pid
wait "$storm_pid" || fail "seats failed: $(cat outcome.json)"
holds ".finished == $seats and .failed == 0 and .received.wrong_frames == 0"
holds ".received.chunks == $seats * $(trace_chunks)"
holds ".received.retries >= $seats and .servers.restarts == 1"
holds ".max_s > $pause_s"

# Of two servers one dies and stays dead: the seats go on at the other one.
other_url=$url
chunkd_start other --store store --pki pki/server --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
start storm 10 --server "$other_url" --pki pki --verify once --link 50mbit
storm_pid=$started
wait_until sent_some
kill -KILL "$chunkd_pid"
wait "$chunkd_pid" 2>/dev/null || true
wait "$storm_pid" || fail "seats failed: $(cat outcome.json)"
holds ".finished == 10 and .received.chunks == 10 * $(trace_chunks) and .servers.count == 2"
url=$other_url

# A server that stays away is given up after the patience, and that is told.
chunkd_stop "$second_pid"
chunkd_start third --store store --pki pki/server --listen "${url#https://}" \
    --metrics-listen 127.0.0.1:0
refused() { refuses 1 "3 of 3 seats failed; seat 1: gave up after 1 s" "$@"; }
start refused "$bench" storm --seats 3 --trace trace --server "$url" --image disk --pki pki \
    --patience 1 --link 2mbit
storm_pid=$started
wait_until sent_some
kill -KILL "$chunkd_pid"
wait "$storm_pid" || fail "it was not told"

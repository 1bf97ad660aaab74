#!/bin/bash
# A reader only pauses while its server is away: restarted, stopped, or cut off in the middle.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 600
# An address of its own, so that nobody takes the port while the server is away.
host=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
pki_make "$host"
options=(--store store --pki pki/server)
chunkd_start first "${options[@]}" --listen "$host:0"
address=${url#https://}
settings='pki=pki/clients/seat&patience=60'

# Away before the first byte, back while the reader waits.
chunkd_stop "$chunkd_pid"
start "$carrel" --store "$url?$settings" --quiet image export disk late.raw
reader=$started
kill -0 "$reader" || fail "the reader did not wait"
chunkd_start second "${options[@]}" --listen "$address"
wait "$reader" || fail "the reader gave up"
cmp late.raw disk.raw || fail "the copy differs"

# Killed again and again in the middle of reading.
server=$chunkd_pid
chunkd_start third --store "$url?$settings" --no-tls --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
relay=$url relay_pid=$chunkd_pid relay_metrics=$metrics_url
url=https://$address
start "$carrel" --store "$relay?patience=60" --quiet image export disk twice.raw
reader=$started
read_some() { [ "$(metric "$relay_metrics" 'store_reads_total{kind="chunk"}')" -ge "$1" ]; }
for round in 1 2 3; do
    wait_until read_some $((round * 60))
    kill -KILL "$server"
    wait "$server" || true
    chunkd_start "again$round" "${options[@]}" --listen "$address"
    server=$chunkd_pid
done
wait "$reader" || fail "the reader gave up when its server was killed"
cmp twice.raw disk.raw || fail "the copy differs after three kills"
chunkd_stop "$relay_pid"

# Present but silent: the transfer is cut, and asked for again.
kill -STOP "$chunkd_pid"
start "$carrel" --store "$url?$settings&stall=1" --quiet image export disk stalled.raw
reader=$started
silent() { [ "$(ss -Htn state established dst "$address" | wc -l)" -ge 1 ]; }
wait_until silent
refuses 1 "gave up after 2 s: server '$url' does not answer" \
    "$carrel" --store "$url?pki=pki/clients/seat&stall=1&patience=2" image ls
kill -CONT "$chunkd_pid"
wait "$reader" || fail "the reader gave up on a silent server"
cmp stalled.raw disk.raw || fail "the copy differs after the silence"

# Away for good: the patience ends, with a sentence.
chunkd_stop "$chunkd_pid"
refuses 1 "gave up after 1 s: server '$url' does not answer .*check the address" \
    "$carrel" --store "$url?pki=pki/clients/seat&patience=1" image ls
refuses 1 "no such host is known" \
    "$carrel" --store "https://nowhere.invalid:1?pki=pki/clients/seat" image ls

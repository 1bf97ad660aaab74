#!/bin/bash
# 200 seats start at once over TLS, each with its own certificate, cold and without peers: nothing
# fails, no wrong byte, the store is read at most once, and a shaped line carries no more than it can.
# With peers most comes from other seats. A recording of blockd is replayed as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/storm.sh"
store_make 128
trace_make 25
pki_make
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0

# Full speed. The boot set is as large as the trace says, and so is what each seat received.
storm 200 --pki pki --verify once
chunks=$(trace_chunks)
holds ".finished == 200 and .failed == 0 and .own_certificates"
holds ".received.wrong_frames == 0 and .received.retries == 0"
holds ".boot.chunks == $chunks and .received.chunks == 200 * $chunks"
holds ".received.copies > 200 and .received.copies < 206"
holds ".servers.chunk_reads == $chunks and .servers.restarts == 0 and .servers.cpu_s > 0"
holds ".servers.sent_bytes > 200 * .boot.stored_bytes"
holds ".p50_s <= .p99_s and .p99_s <= .max_s and .max_s <= .seconds"
[ -z "$(ls -d "$TMPDIR"/carrel-storm-* 2>/dev/null)" ] || fail "the seats' keys were left behind"

# Again: all of it is in memory. Each seat verifies all that it gets.
storm 20 --pki pki
holds ".finished == 20 and .servers.chunk_reads == 0 and .verify == \"full\""

# A line carries no more than it can: the seats wait for it, however fast the server is.
storm 20 --pki pki --verify once --link 200mbit --think 0
holds ".finished == 20 and .received.chunks == 20 * $chunks"
holds ".seconds > 20 * .boot.stored_bytes * 8 * 1538 / 1448 / 200e6 * 0.98"

# With peers most comes from other seats, all of it right. How little the server may then give is
# measured by the benchmark.
storm 12 --pki pki --peers --think 10
holds ".finished == 12 and .received.wrong_frames == 0 and .peers.wrong == 0"
holds ".received.chunks == 12 * $chunks and .peers.chunks > 3 * $chunks"
holds ".received.copies < 9"
refuses 2 "Name it with '--image NAME@N'" "$bench" storm --seats 2 --trace trace --server "$url"
refuses 1 "needs a certificate for each seat" "$bench" storm --seats 2 --trace trace --server "$url" \
    --image disk --pki pki/clients --peers

# What blockd records is a trace, and replays.
start_recording() {
    start "$BUILD/bin/carrel-blockd" --server "$url" --pki pki/clients/seat --image disk \
        --cache cache --socket "$work/s" --record recorded
    blockd_pid=$started
    wait_until test -S s
}
start_recording
fio --name=boot --ioengine=nbd --uri="nbd+unix:///?socket=$work/s" --rw=randread --bsrange=4k-128k \
    --iodepth=4 --size=8m --number_ios=50 --norandommap >fio.log || fail "fio: $(cat fio.log)"
kill -TERM "$blockd_pid"
wait "$blockd_pid" || fail "blockd ended with status $?"
[ "$(wc -l <recorded)" -ge 50 ] || fail "not every read was recorded: $(cat recorded)"
mv recorded trace
storm 5 --pki pki/clients --think 1
holds ".finished == 5 and (.own_certificates | not)"
holds ".boot.chunks == $(trace_chunks) and .boot.reads == $(wc -l <trace)"

#!/bin/bash
# However many ask for one cold chunk at the same time: the store is read once.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
# The store of the server under test is another server, which is stopped while the requests gather.
chunkd_start slow --store store --no-tls --listen 127.0.0.1:0
slow_pid=$chunkd_pid slow_url=$url
chunkd_start server --store "$slow_url" --no-tls --listen 127.0.0.1:0 \
    --metrics-listen 127.0.0.1:0
kill -STOP "$slow_pid"
chunk=$(head -n 1 ids)
askers=()
for i in {1..12}; do
    start curl -sf -o "answer$i" "$url/v1/chunks/$chunk"
    askers+=("$started")
done
wait_until metric_is "$metrics_url" requests_in_flight 13 # with the one that asks
kill -CONT "$slow_pid"
for i in {1..12}; do
    wait "${askers[i - 1]}" || fail "request $i failed"
    [ "$(zstd -dcq "answer$i" | sha256sum | cut -d' ' -f1)" = "$chunk" ] || fail "answer $i"
done
metric_is "$url" 'store_reads_total{kind="chunk"}' 1 || fail "the server read more than once"
metric_is "$slow_url" 'requests_total{route="batch",status="200"}' 1 || fail "asked more than once"
[ "$(metric "$url" cache_waits_total)" -ge 11 ] || fail "nobody waited"
chunkd_stop "$chunkd_pid"
chunkd_stop "$slow_pid"

#!/bin/bash
# Clients that hang up while their answer is looked for, or while it is sent, leave nothing behind.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 256
pki_make
tls=(--cacert pki/ca.pem --cert pki/clients/seat/client.pem --key pki/clients/seat/client-key.pem)
chunkd_start slow --store store --no-tls --listen 127.0.0.1:0
slow_pid=$chunkd_pid
chunkd_start server --store "$url" --pki pki/server --listen 127.0.0.1:0 \
    --metrics-listen 127.0.0.1:0
mapfile -t wanted <ids
batch ask "${wanted[@]}" >question

# While the store is read: it stands still until all have gone.
kill -STOP "$slow_pid"
askers=()
for i in {1..10}; do
    start curl -s "${tls[@]}" -o /dev/null "$url/v1/chunks/${wanted[i]}"
    askers+=("$started")
    start curl -s "${tls[@]}" -o /dev/null --data-binary @question "$url/v1/batch"
    askers+=("$started")
done
wait_until metric_is "$metrics_url" requests_in_flight 21 # with the one that asks
kill -KILL "${askers[@]}"
kill -CONT "$slow_pid"
wait_until metric_is "$metrics_url" requests_in_flight 1

# While the answer is sent.
askers=()
for i in {1..4}; do
    start curl -s "${tls[@]}" --limit-rate 1M -o "cut$i" --data-binary @question "$url/v1/batch"
    askers+=("$started")
done
for i in {1..4}; do wait_until test -s "cut$i"; done
kill -KILL "${askers[@]}"
wait_until metric_is "$metrics_url" requests_in_flight 1
wait_until metric_is "$metrics_url" connections 1

# All is well: many at once, each served.
curl -sf "${tls[@]}" -Z --parallel-immediate --parallel-max 60 -o 'all#1' \
    "$url/v1/chunks/{$(IFS=,; echo "${wanted[*]:0:120}")}"
for id in "${wanted[@]:0:120}"; do
    [ "$(zstd -dcq "all$id" | sha256sum | cut -d' ' -f1)" = "$id" ] || fail "chunk $id"
done
chunkd_stop "$chunkd_pid"
chunkd_stop "$slow_pid"

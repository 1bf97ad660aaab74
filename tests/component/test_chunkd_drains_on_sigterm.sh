#!/bin/bash
# SIGTERM: a slow download ends whole, nobody new comes in, /healthz says so, the status is 0.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 256
pki_make
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0 \
    --metrics-listen 127.0.0.1:0
tls=(--cacert pki/ca.pem --cert pki/clients/seat/client.pem --key pki/clients/seat/client-key.pem)
mapfile -t wanted <ids
batch ask "${wanted[@]}" >question
start curl -sf "${tls[@]}" --limit-rate 6M --data-binary @question -o slow "$url/v1/batch"
download=$started
wait_until test -s slow
[ "$(status_of "$metrics_url/healthz")" = 200 ] || fail "not healthy at first"
kill -TERM "$chunkd_pid"
wait_until grep -q 'going down: 1 requests under way' server.err
refused=0
curl -s "${tls[@]}" -o /dev/null "$url/v1/images" || refused=$?
[ "$refused" = 7 ] || fail "a new client was not refused but $refused"
[ "$(status_of "$metrics_url/healthz")" = 503 ] || fail "still healthy while draining"
kill -0 "$download" || fail "the download was over before the test looked"
wait "$download" || fail "the download was cut off"
batch show slow | cmp - ids || fail "the download is not whole"
status=0
wait "$chunkd_pid" || status=$?
[ "$status" = 0 ] || fail "status $status: $(cat server.err)"
grep -q 'gone down; all requests were answered' server.err || fail "log: $(cat server.err)"

# With too little time the rest is cut off, and the status says so.
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0 --drain-seconds 0
start curl -sf "${tls[@]}" --limit-rate 1M --data-binary @question -o cut "$url/v1/batch"
wait_until test -s cut
kill -TERM "$chunkd_pid"
status=0
wait "$chunkd_pid" || status=$?
[ "$status" = 1 ] || fail "status $status after cutting off: $(cat server.err)"
grep -q '1 requests were cut off' server.err || fail "log: $(cat server.err)"

#!/bin/bash
# /metrics is what Prometheus reads: every series has its help and type before it, and counts.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
chunkd_start server --store store --no-tls --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
[ "$(curl -sf "$url/healthz")" = ok ] || fail "healthz"
[ "$(curl -sf "$metrics_url/healthz")" = ok ] || fail "healthz of the other address"
chunk=$(head -n 1 ids)
for _ in 1 2 3; do curl -sf -o answer "$url/v1/chunks/$chunk"; done
status_of "$url/v1/chunks/$(printf 'b%.0s' {1..64})" >/dev/null
curl -sf "$metrics_url/metrics" >metrics
awk '
    /^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* ./ { help[$3] = 1; next }
    /^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge)$/ {
        if (!($3 in help) || $3 in type) bad("type without help, or twice")
        type[$3] = $4
        next
    }
    /^[a-zA-Z_:][a-zA-Z0-9_:]*({([a-z]+="[^"\\]*",?)+})? [0-9]+(\.[0-9]+)?$/ {
        name = $1
        sub(/{.*/, "", name)
        if (!(name in type)) bad("a value without type")
        if (type[name] == "counter" && name !~ /_total$/) bad("a counter without _total")
        if (seen[$1]++) bad("a series twice")
        next
    }
    { bad("no metric") }
    function bad(why) { print why ": " $0; failed = 1 }
    END { exit failed }' metrics || fail "not in the form of Prometheus"
metric_is "$metrics_url" "build_info{version=\"$("$chunkd" --version | cut -d' ' -f2)\"}" 1 ||
    fail "build_info"
metric_is "$metrics_url" 'requests_total{route="chunk",status="200"}' 3 || fail "requests"
metric_is "$metrics_url" 'requests_total{route="chunk",status="404"}' 1 || fail "refusals"
metric_is "$metrics_url" 'store_reads_total{kind="chunk"}' 2 || fail "reads"
[ "$(metric "$metrics_url" sent_bytes_total)" -ge 196608 ] || fail "bytes sent"
[ "$(metric "$metrics_url" cache_hits_total)" -ge 2 ] || fail "hits"
[ "$(metric "$metrics_url" cache_bytes)" -ge 65536 ] || fail "bytes in memory"
# The plain address tells nothing else.
[ "$(status_of "$metrics_url/v1/images")" = 404 ] || fail "images on the metrics address"
chunkd_stop "$chunkd_pid"

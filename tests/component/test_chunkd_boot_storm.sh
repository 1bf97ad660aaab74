#!/bin/bash
# After the first seat has started, further seats of the same version cause no read of the store but
# for the head, also when somebody pulls a whole disk in between; packs are read whole once.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 640
root=$("$carrel" --store store --json image show disk | python3 -c 'import json, sys
print(json.load(sys.stdin)["root"])')
shuf --random-source=disk.raw -n 40 ids >boot_ids

# What a seat asks for while it starts: the head, the manifest, and chunks one after the other.
boot() {
    curl -sf -o head "$url/v1/images/disk"
    curl -sf -o manifest "$url/v1/manifests/$root"
    while read -r id; do printf 'url = "%s/v1/chunks/%s"\noutput = "answer"\n' "$url" "$id"; done \
        <boot_ids >boot.curl
    curl -sf -K boot.curl
}

# A whole disk, in requests of many chunks.
pull() {
    split -l 200 ids part.
    for part in part.*; do
        # shellcheck disable=SC2046
        batch ask $(cat "$part") >request
        curl -sf -o answer --data-binary @request "$url/v1/batch"
    done
}

reads() { # of everything that never changes
    local sum=0 space
    for space in packs segments manifests; do
        sum=$((sum + $(metric "$url" "backend_reads_total{space=\"$space\"}")))
    done
    echo "$sum"
}

# Memory for a tenth of the disk, most of which the boot needs.
chunkd_start frames --store store --no-tls --listen 127.0.0.1:0 --cache-bytes 4M
boot
first=$(reads)
[ "$first" -gt 0 ] || fail "the reads are not counted"
boot
[ "$(reads)" = "$first" ] || fail "the second seat read the store: $first, then $(reads)"
pull
pulled=$(reads)
[ "$pulled" -gt "$first" ] || fail "the pull read nothing"
boot
[ "$(reads)" = "$pulled" ] || fail "the pull pushed the boot set out: $pulled, then $(reads)"
chunkd_stop "$chunkd_pid"

# Packs in memory, and hardly any chunks: each pack is read whole once, nothing is read twice.
chunkd_start packs --store store --no-tls --listen 127.0.0.1:0 --cache-bytes 1M \
    --pack-cache 256M --pack-cache-dir packs --pack-cache-disk 1G
sed "s|.*|url = \"$url/v1/chunks/&\"\noutput = \"answer\"|" ids >all.curl
curl -sf -K all.curl
packs=$(find store/packs -type f | wc -l)
metric_is "$url" pack_loads_total "$packs" || fail "not each of $packs packs was read once"
before=$(reads)
curl -sf -K all.curl
[ "$(reads)" = "$before" ] || fail "packs in memory were read again"
[ "$(metric "$url" pack_hits_total)" -gt 600 ] || fail "no hits"
[ "$(metric "$url" pack_bytes)" -gt 41943040 ] || fail "nothing is in memory"
refuses 1 "pack cache folder '.*' is in use by another process" timeout 20 "$chunkd" --store store \
    --no-tls --listen 127.0.0.1:0 --pack-cache-dir packs
chunkd_stop "$chunkd_pid"
refuses 1 "shows no packs" timeout 20 "$chunkd" --store "http://127.0.0.1:9" --no-tls \
    --listen 127.0.0.1:0 --pack-cache 1G

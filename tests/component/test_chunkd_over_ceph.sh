#!/bin/bash
# Over a real Ceph: after the first seat has started, further seats of the version cause no read of
# the cluster at all, the head included; and a version published meanwhile is seen at once.
set -euo pipefail
root=$PWD
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/chunkd.sh"
. "$root/tests/harness/rados.sh"
any_ceph
store_make 100
uri=$(rados_uri store)
"$carrel" store init "$uri" >/dev/null
"$carrel" --quiet store copy store "$uri"
shuf --random-source=disk.raw -n 30 ids >boot_ids
root_id=$("$carrel" --store "$uri" image show disk --json | jq -r .root)
chunkd_start server --store "$uri" --no-tls --listen 127.0.0.1:0

boot() {
    curl -sf -o head "$url/v1/images/disk"
    curl -sf -o manifest "$url/v1/manifests/$root_id"
    sed "s|.*|url = \"$url/v1/chunks/&\"\noutput = \"answer\"|" boot_ids >boot.curl
    curl -sf -K boot.curl
}

reads() { # of all spaces
    curl -sf "$url/metrics" |
        awk '/^carrel_chunkd_backend_reads_total/ { sum += $2 } END { print sum }'
}

boot
first=$(reads)
[ "$first" -gt 0 ] || fail "the reads are not counted"
for _ in 1 2 3; do boot; done
[ "$(reads)" = "$first" ] || fail "later seats read the cluster: $first, then $(reads)"
metric_is "$url" head_hits_total 3 || fail "heads were not kept"

# Everybody who watches is told when a head changes.
"$carrel" --store "$uri" --quiet image import disk disk.raw --no-trim >/dev/null
newest_is_two() { curl -sf "$url/v1/images/disk" | grep -q '"number": *2'; }
newest_is_two || fail "the new version is not seen at once"
chunkd_stop "$chunkd_pid"

# The NBD plugin too, also after it went into the background.
nbdkit --unix "$work/nbd" --pidfile "$work/nbd.pid" "$BUILD/plugins/nbdkit-carrel-plugin.so" \
    "store=$uri" disk@2 pack-cache=64M "pack-cache-dir=$work/packs"
started_pids+=("$(cat nbd.pid)")
nbdcopy "nbd+unix:///?socket=$work/nbd" - | cmp - disk.raw || fail "other bytes over NBD"

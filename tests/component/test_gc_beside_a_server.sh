#!/bin/bash
# Servers go on while packs are collected and written again under them, with a cache of packs in memory
# and on disk or without one: every chunk of what is left comes with its right bytes, what was removed
# is not found any more once nobody keeps it, and a machine that runs a removed version gets an error,
# never a wrong byte. On a folder and, where there is one, on Ceph.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/chunkd.sh"
. "$root/tests/harness/rados.sh"

# disk@1 has all chunks, disk@2 every fourth one, so that its packs are written again.
store_make 160
cp disk.raw first.raw
for ((i = 0; i < 160; i += 4)); do dd if=first.raw bs=64K skip=$i count=1 status=none; done >second.raw
sed -n '1~4p' ids >kept
grep -vxFf kept ids >gone

every_kept_chunk_comes() { # URL
    local id
    sed "s|.*|url = \"$1/v1/chunks/&\"\noutput = \"answer.&\"|" kept >kept.curl
    rm -f answer.*
    curl -sf -K kept.curl || return 1
    while read -r id; do
        [ "$(zstd -dcq "answer.$id" | sha256sum | cut -d' ' -f1)" = "$id" ] ||
            fail "chunk $id: other bytes, or none"
    done <kept
}
collected() { [ "$("$carrel" --store "$1" --json store gc --grace 0 | jq "$2")" -gt 0 ]; }

life() { # NAME URI SERVER'S OPTIONS...
    local name=$1 uri=$2 plain cached
    shift 2
    # Their memory for chunks holds fewer than are asked for, so the packs are read again.
    chunkd_start "$name.plain" --store "$uri" --no-tls --listen 127.0.0.1:0 \
        --pack-cache 0 --cache-bytes 1M
    plain=$chunkd_pid plain_url=$url
    chunkd_start "$name.cached" --store "$uri" --no-tls --listen 127.0.0.1:0 \
        --cache-bytes 1M "$@"
    cached=$chunkd_pid cached_url=$url
    nbdkit --unix "$work/$name.nbd" --pidfile "$work/$name.pid" \
        "$BUILD/plugins/nbdkit-carrel-plugin.so" "store=$uri" disk@1
    started_pids+=("$(cat "$name.pid")")
    for _ in 1 2; do
        every_kept_chunk_comes "$plain_url" || fail "$name: a chunk is not there before"
        every_kept_chunk_comes "$cached_url" || fail "$name: a chunk is not there before, cached"
    done
    "$carrel" --store "$uri" --quiet image import disk second.raw --format raw --no-trim >/dev/null
    "$carrel" --store "$uri" --quiet image rm disk@1
    collected "$uri" .removed || fail "$name: nothing was removed"
    every_kept_chunk_comes "$plain_url" || fail "$name: a chunk is not found after the collection"
    every_kept_chunk_comes "$cached_url" || fail "$name: a chunk is not found, cached"
    [ "$(status_of "$plain_url/v1/chunks/$(tail -n 1 gone)")" = 404 ] ||
        fail "$name: a chunk that was removed is found"
    if nbdcopy "nbd+unix:///?socket=$work/$name.nbd" out.raw 2>err.nbd; then
        cmp out.raw first.raw || fail "$name: wrong bytes of a removed version"
    fi
    "$carrel" --store "$uri" --quiet image verify disk@2 || fail "$name: disk@2 is not whole"
    chunkd_stop "$plain"
    chunkd_stop "$cached"
}
cp -r store source
life folder "$work/store" --pack-cache 64M --pack-cache-dir "$work/packs"
any_ceph
uri=$(rados_uri store)
"$carrel" store init "$uri" >/dev/null
"$carrel" --quiet store copy source "$uri"
life ceph "$uri" --pack-cache-dir "$work/packs2"

#!/bin/bash
# What does not match its id leaves the server never, under no route; it is named, and logged once.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 4
chunk_corrupt 1
bad=$(sed -n 2p ids)
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
for _ in 1 2 3; do
    [ "$(status_of "$url/v1/chunks/$bad")" = 500 ] || fail "status $(cat answer)"
    grep -q "chunk '$bad' is corrupted" answer || fail "not named: $(cat answer)"
done
mapfile -t ids <ids
batch ask "${ids[@]}" >question
[ "$(status_of --data-binary @question "$url/v1/batch")" = 200 ] || fail "batch: $(cat answer)"
batch show answer | cmp - <(sed "s/$bad/status 2/" ids) || fail "the other chunks of the batch"
[ "$(grep -c "chunk '$bad' is corrupted" server.err)" = 1 ] || fail "log: $(cat server.err)"
[ "$(metric "$url" store_corrupted_total)" -ge 3 ] || fail "not counted"

# A segment and a manifest too.
for object in segments manifests; do
    file=$(echo store/$object/*)
    chmod u+w "$file"
    size=$(stat -c %s "$file")
    printf '\xff' | dd of="$file" bs=1 seek=$((size - 3)) conv=notrunc status=none
    [ "$(status_of "$url/v1/$object/${file##*/}")" = 500 ] || fail "$object: $(cat answer)"
    grep -q "${object%s} '${file##*/}' is corrupted" answer || fail "not named: $(cat answer)"
done

# Over the network the reader learns the same at once, and does not wait for it to get better.
refuses 1 'corrupted' "$carrel" --store "$url?patience=600" image export disk copy.raw

# A head, which has no id to be compared with, has a checksum of its own.
chmod u+w store/heads/disk
size=$(stat -c %s store/heads/disk)
printf '\xff' | dd of=store/heads/disk bs=1 seek=$((size - 3)) conv=notrunc status=none
for _ in 1 2 3; do
    [ "$(status_of "$url/v1/images/disk")" = 500 ] || fail "heads: $(cat answer)"
    grep -q "head 'disk' is corrupted: " answer || fail "not named: $(cat answer)"
done
[ "$(grep -c "head 'disk' is corrupted" server.err)" = 1 ] || fail "log: $(cat server.err)"
refuses 1 "head 'disk' is corrupted" "$carrel" --store "$url?patience=600" image show disk
chunkd_stop "$chunkd_pid"

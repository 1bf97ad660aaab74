#!/bin/bash
# A chunk that is missing because its pack is damaged is not "not there": the pack is named, to the
# client and once in the log, until it is well again.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 4
pack=$(echo store/packs/*)
name=${pack##*/}
cp "$pack" whole
chmod u+w "$pack"
truncate -s -100 "$pack"
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
mapfile -t ids <ids
for id in "${ids[@]}" "${ids[@]}"; do
    [ "$(status_of "$url/v1/chunks/$id")" = 500 ] || fail "status $(cat answer)"
    grep -q "chunk '$id' is missing, and pack '$name' is damaged: " answer ||
        fail "not named: $(cat answer)"
done
batch ask "${ids[@]}" >question
[ "$(status_of --data-binary @question "$url/v1/batch")" = 200 ] || fail "batch: $(cat answer)"
batch show answer | cmp - <(sed 's/.*/status 2/' ids) || fail "the batch's statuses"
[ "$(grep -c "pack '$name' is damaged" server.err)" = 1 ] || fail "log: $(cat server.err)"
refuses 1 "^carrel: .*corrupted" "$carrel" --store "$url?patience=600" image export disk copy.raw

# Restored from a backup, it is read by the server that runs.
cp whole "$pack"
"$carrel" --store "$url" image export disk copy.raw >/dev/null
cmp disk.raw copy.raw
[ "$(status_of "$url/v1/chunks/${name}")" = 404 ] || fail "still not well: $(cat answer)"
chunkd_stop "$chunkd_pid"

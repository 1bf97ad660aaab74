#!/bin/bash
# A copied store is equal, also when the copy was killed in the middle; a repeated copy copies
# nothing; a damaged version is left out by name and all others come; --mirror removes; a server may
# be the source; an image that went its own way is refused.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 400
import() { # image disk
    "$carrel" --store store --quiet image import "$1" "$2" --no-trim >/dev/null
}
cp disk.raw second.raw
dd if=/dev/urandom of=second.raw bs=64K seek=100 count=3 conv=notrunc status=none
import disk second.raw
dd if=disk.raw of=other.raw bs=64K count=7 status=none
import other other.raw

same() { # store: the heads are the same bytes, and every version is whole
    diff -r store/heads "$1/heads" || fail "heads differ"
    for ref in disk@1 disk@2 other@1; do
        "$carrel" --store "$1" --quiet image verify "$ref" >/dev/null || fail "$ref is damaged"
    done
}

# From the beginning, and once more.
"$carrel" store init copy >/dev/null
"$carrel" --json store copy store copy >figures
python3 - figures <<'PYTHON'
import json, sys
f = json.load(open(sys.argv[1]))
assert (f["images"], f["versions"], f["versions_new"], f["versions_failed"]) == (2, 3, 3, 0), f
assert f["chunks_copied"] == 403, f
PYTHON
same copy
"$carrel" --json store copy store copy | grep -q '"chunks_copied": 0' || fail "copied again"

# Killed at some write of the copy; whatever is there by then, the next run completes it.
for at in 2 5 9; do
    rm -rf killed
    "$carrel" store init killed >/dev/null
    status=0
    strace -qq -f -o /dev/null -e trace=rename,renameat,renameat2 \
        -e inject=rename,renameat,renameat2:signal=KILL:when="$at" \
        "$carrel" --quiet store copy store killed >/dev/null 2>&1 || status=$?
    [ "$status" = 137 ] || fail "it was not killed at $at: $status"
    "$carrel" --quiet store copy store killed
    same killed
done

# From a server.
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
"$carrel" store init fetched >/dev/null
"$carrel" --quiet store copy "$url" fetched
same fetched
chunkd_stop "$chunkd_pid"

# One chunk of disk@2 alone is damaged.
cp -r store broken
mv store whole
mv broken store
cp disk.raw first.raw
cp second.raw disk.raw
chunk_corrupt 101
mv store broken
mv whole store
"$carrel" store init partial >/dev/null
status=0
"$carrel" store copy broken partial >out 2>err || status=$?
[ "$status" = 1 ] || fail "status $status for a damaged source"
grep -q "left out 'disk@2'" err || fail "the version is not named: $(cat err)"
"$carrel" --store partial --quiet image verify disk@1 >/dev/null || fail "disk@1 did not come"
"$carrel" --store partial --quiet image verify other >/dev/null || fail "other did not come"
"$carrel" --store partial image show disk@2 >/dev/null 2>&1 && fail "disk@2 came all the same"
"$carrel" --quiet store copy store partial
same partial

# What the source no longer has stays, or goes with --mirror.
"$carrel" --store store --quiet image rm disk@1 >/dev/null
"$carrel" --quiet store copy store copy
"$carrel" --store copy --quiet image verify disk@1 >/dev/null || fail "disk@1 was removed"
"$carrel" --quiet store copy store copy --mirror
diff -r store/heads copy/heads || fail "no mirror"

# Two that went different ways.
cp first.raw disk.raw
"$carrel" --store copy --quiet image import disk disk.raw --no-trim >/dev/null
import disk other.raw
import other disk.raw
refuses 1 "image 'disk' has gone its own way in store 'copy'" "$carrel" --quiet store copy store copy
"$carrel" --store copy --quiet image verify other@2 >/dev/null || fail "other@2 did not come"
refuses 1 "there is no store at 'none'" "$carrel" store copy store none
refuses 1 "can only be read from here" "$carrel" store copy store "http://127.0.0.1:9"

#!/bin/bash
# `image delta` makes what seats fetch for an update, once, and `image diff` tells its bytes: a disk whose
# content moved costs a small part of its chunks. gc drops it with its versions.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
python3 - <<'PY'
import random
random.seed(7)
block = lambda: b"".join(b"%08x" % random.getrandbits(32) for _ in range(512))
old = [block() for _ in range(1500)]
new = old[700:] + [block() for _ in range(40)] + old[:700]   # everything is elsewhere, some is new
open("old.raw", "wb").write(b"".join(old))
open("new.raw", "wb").write(b"".join(new) + b"the end")
PY
"$carrel" image import pc old.raw --format raw --quiet >/dev/null
"$carrel" image import pc new.raw --format raw --quiet >/dev/null

"$carrel" image diff pc@1 pc@2 >out
grep -q 'not made yet: carrel image delta pc@1 pc@2' out || fail "$(cat out)"
"$carrel" image diff pc@1 pc@2 --json | jq -e '.delta_bytes == null and .fetch_chunks > 80 and
    .fetch_bytes > 2000000' >/dev/null

"$carrel" image delta pc@1 pc@2 --json >out
jq -e '.made and .chunks > 80 and .parts >= 1 and .bytes < 150000' out >/dev/null || fail "$(cat out)"
bytes=$(jq .bytes out)
[ "$(cat s/deltas/* | wc -c)" = "$bytes" ] || fail "$bytes told, $(cat s/deltas/* | wc -c) kept"
stat -c '%n %Y %i' s/deltas/* >before
"$carrel" image delta pc@1 pc@2 >out
grep -q 'it was there already' out || fail "$(cat out)"
stat -c '%n %Y %i' s/deltas/* | cmp - before || fail "it was made again"
"$carrel" image diff pc@1 pc@2 --json | jq -e ".delta_bytes == $bytes" >/dev/null

# A damaged index is made again; the other direction is another delta.
index=$(find s/deltas -type f ! -name '*.*')
printf x | dd of="$index" bs=1 seek=50 conv=notrunc status=none
"$carrel" image delta pc@1 pc@2 --json | jq -e ".made and .bytes == $bytes" >/dev/null
"$carrel" image diff pc@2 pc@1 --delta --json | jq -e '.delta_bytes < 50000' >/dev/null
[ "$(find s/deltas -type f ! -name '*.*' | wc -l)" = 2 ] || fail "$(ls s/deltas)"

# Ctrl-C while it works leaves no index.
refuses 1 "image 'pc' has no version 3" "$carrel" image delta pc@1 pc@3
refuses 1 "is missing|cut off|No such file" sh -c "mv s/packs away; mkdir s/packs; rm s/deltas/*
    '$carrel' image delta pc@1 pc@2"
[ -z "$(find s/deltas -type f ! -name '*.*')" ] || fail "an index without its chunks"

#!/bin/bash
# Holes cost nothing: an import of a huge sparse disk reads and stores only its data; identical chunks
# are stored once; zeros that were written count as holes.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet

# 4 TiB could not be read before the test runner's patience ends.
truncate -s 4T huge.raw
head -c 1M /dev/urandom >data
dd if=data of=huge.raw bs=1M seek=1M conv=notrunc status=none
dd if=data of=huge.raw bs=1M seek=3M conv=notrunc status=none
"$carrel" image import huge huge.raw --format raw --json >out
jq -e '.disk_bytes == 4398046511104 and .data_bytes == 2097152 and .new_chunks == 16 and
    .stored_bytes < 1200000' out >/dev/null || fail "$(cat out)"
"$carrel" image export huge copy.raw --quiet
[ "$(stat -c %s copy.raw)" = 4398046511104 ] || fail "the export has another size"
[ "$(stat -c %b copy.raw)" -lt 8192 ] || fail "the export is not sparse"
dd if=copy.raw bs=1M skip=3M count=1 status=none | cmp - data

{ cat data; head -c 1M /dev/zero; cat data data; } >twice.raw
"$carrel" image import twice twice.raw --format raw --json |
    jq -e '.new_chunks == 0 and .data_bytes == 3145728' >/dev/null

for ((i = 0; i < 64; i++)); do head -c 64K data; done >same.raw
"$carrel" store init other --quiet
"$carrel" --store other image import same same.raw --format raw --json |
    jq -e '.new_chunks == 1 and .data_bytes == 4194304' >/dev/null

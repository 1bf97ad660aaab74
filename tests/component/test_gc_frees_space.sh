#!/bin/bash
# Removing versions and collecting frees their space; every version that is left stays whole, packs of
# which little is needed are written again, and a store in which something needed cannot be read
# loses nothing.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
export CARREL_STORE=$work/store

used() { du -sb --apparent-size store | cut -f 1; }
packs() { find store/packs -type f | wc -l; }
gc() { "$carrel" --json store gc "$@"; }

# Five versions of a disk of 16 MiB: each one changes another MiB of the one before.
"$carrel" store init store >/dev/null
head -c 16M /dev/urandom >1.raw
for n in 2 3 4 5; do
    cp $((n - 1)).raw $n.raw
    dd if=/dev/urandom of=$n.raw bs=1M seek=$n count=1 conv=notrunc status=none
done
for n in 1 2 3 4 5; do "$carrel" image import disk $n.raw --format raw >/dev/null; done

# The middle goes; its child stays.
"$carrel" image rm disk@3 >/dev/null
before=$(used)
[ "$(gc --dry-run | jq .condemned)" -gt 0 ] || fail "nothing would be condemned"
[ "$(used)" = "$before" ] || fail "a dry run changed the store"
[ "$(gc --grace 1h | jq .removed)" = 0 ] || fail "removed within the grace period"
[ "$(gc --grace 1h | jq .waiting)" -gt 0 ] || fail "nothing waits"
gc --grace 0 >found
[ "$(jq .removed found)" -gt 0 ] || fail "nothing was removed: $(cat found)"
for n in 1 2 4 5; do
    "$carrel" image export disk@$n out.raw --force >/dev/null
    cmp out.raw $n.raw
done

# Only the last one is left: what is stored is about what it needs.
for n in 1 2 4; do "$carrel" image rm disk@$n >/dev/null; done
"$carrel" image import small 1.raw --format raw >/dev/null
gc --grace 0 >found
"$carrel" image rm small@1 >/dev/null
gc --grace 0 >found
after=$(used)
[ "$after" -lt $((22 * 1024 * 1024)) ] || fail "$after bytes are left of $before"
"$carrel" image export disk out.raw --force >/dev/null
cmp out.raw 5.raw
[ "$(gc --grace 0 | jq '[.removed, .condemned, .waiting, .repacked] | add')" = 0 ] ||
    fail "a second run found something to do"

# Of a version that keeps every fourth chunk the packs are written again, and that is all that is left.
for ((i = 0; i < 256; i += 4)); do
    dd if=5.raw bs=64K skip=$i count=1 status=none
done >6.raw
"$carrel" image import disk 6.raw --format raw >/dev/null
"$carrel" image rm disk@5 >/dev/null
gc --grace 0 >found
[ "$(jq .repacked found)" -gt 0 ] || fail "nothing was written again: $(cat found)"
[ "$(used)" -lt $((6 * 1024 * 1024)) ] || fail "$(used) bytes are left for 4 MiB"
"$carrel" image export disk out.raw --force >/dev/null
cmp out.raw 6.raw

# Something that is needed cannot be read: nothing is removed, and the sentence says why.
"$carrel" image import other 1.raw --format raw >/dev/null
"$carrel" image rm other@1 >/dev/null
for segment in store/segments/*; do
    cp "$segment" kept
    printf 'x' | dd of="$segment" bs=1 seek=100 conv=notrunc status=none
    if ! "$carrel" image verify disk >/dev/null 2>&1; then break; fi
    cp kept "$segment"
done
kept_packs=$(packs)
refuses 1 "nothing was removed: version 'disk@6' cannot be read: segment '" \
    "$carrel" store gc --grace 0
[ "$(packs)" = "$kept_packs" ] || fail "packs were removed"
cp kept "$segment"
printf 'x' | dd of=store/heads/disk bs=1 seek=200 conv=notrunc status=none
refuses 1 "nothing was removed: head 'disk' of store" "$carrel" store gc --grace 0
[ "$(packs)" = "$kept_packs" ] || fail "packs were removed"

refuses 1 "'24x' is no time span" "$carrel" store gc --grace 24x

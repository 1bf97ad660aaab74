#!/bin/bash
# An update travels as a delta: a seat that holds the old version pulls a small part of what it would
# without, and whatever happens to delta, old file or blockd, the bytes are right.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

# 32 MiB that compress a little; then the same at other blocks, with 40 new ones in between.
python3 - "$disk" new.raw <<'PYTHON'
import random, sys
random.seed(4096)
words = [random.randbytes(random.randint(3, 40)) for _ in range(20000)]
def block():
    text = b""
    while len(text) < 4096:
        text += random.choice(words)
    return text[:4096]
old = [block() for _ in range(8192)]
old[0] = old[0][:510] + b"\x55\xaa" + old[0][512:]
new = []
for i, b in enumerate(old):
    if i % 200 == 100:
        new.append(block())
    new.append(b)
for path, blocks in zip(sys.argv[1:], (old, new[:8208])):
    open(path, "wb").write(b"".join(blocks))
PYTHON
"$carrel" store init "$store" >/dev/null
for raw in "$disk" new.raw; do
    "$carrel" --store "$store" --quiet image import pc "$raw" --format raw --no-trim >/dev/null
done
make_pki
start_server

# Into a cache like the one after the old version was used.
fresh_cache() {
    rm -rf cache
    cp -r --sparse=always old-cache cache
}
reads_right() {
    nbdcopy "$uri" - | cmp - new.raw || fail "wrong bytes"
}
update() { # [option...]
    start_blockd pc@2 "$@"
    reads_right
    stop_blockd
}
expect() { # jq-expression
    jq -e "$1" cache/stats.json >/dev/null || fail "not $1: $(cat cache/stats.json)"
}

start_blockd pc@1
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd
mv cache old-cache
old_file=$(cd old-cache && echo disks/*.disk)

# Without a delta only what stands where it stood is taken.
fresh_cache
update
expect '.old_chunks >= 6 and .delta_chunks == 0 and .pulled_chunks > 480'
without=$(figure received_bytes)

"$carrel" --store "$store" image delta pc@1 pc@2 >/dev/null
parts() { find "$store/deltas" -name '*.*' -type f; }
[ -n "$(parts)" ] || fail "no part: $(ls "$store/deltas")"
cp -r "$store/deltas" deltas
restore() {
    cp --remove-destination deltas/* "$store/deltas/"
}

fresh_cache
update
expect '.delta_chunks > 480 and .pulled_chunks == 0 and .delta_fallbacks == 0 and .delta_bytes > 0'
with=$(figure received_bytes)
echo "received: $without bytes without a delta, $with with it"
[ $((with * 10)) -lt "$without" ] || fail "the delta saved too little"
update # from the file alone
expect '.delta_chunks == 0 and .pulled_chunks == 0'

# Switched off.
fresh_cache
update --deltas no
expect '.old_chunks == 0 and .delta_chunks == 0 and .pulled_chunks > 490'

# A corrupted part, one that is gone, and an index that is corrupted: chunks are fetched whole.
for part in $(parts); do
    printf 'XXXXXXXX' | dd of="$part" bs=1 seek=100 conv=notrunc status=none
done
fresh_cache
update
expect '.delta_chunks == 0 and .delta_fallbacks > 0 and .pulled_chunks > 480'
parts | xargs rm
fresh_cache
update
expect '.delta_chunks == 0 and .delta_fallbacks > 0 and .pulled_chunks > 480'
printf 'X' >"$(find "$store/deltas" -type f)"
fresh_cache
update
expect '.delta_chunks == 0 and .pulled_chunks > 480'
restore

# A rotten old file, half of it; and one that is half there.
fresh_cache
dd if=/dev/urandom of="cache/$old_file" bs=1M seek=8 count=12 conv=notrunc status=none
update
expect '.delta_fallbacks > 0 and .pulled_chunks > 150 and .pulled_chunks < 350 and .delta_chunks > 150'
fresh_cache
fallocate --punch-hole --offset 8M --length 12M "cache/$old_file"
update
expect '.delta_fallbacks > 0 and .pulled_chunks > 150 and .pulled_chunks < 350 and .delta_chunks > 150'

# The delta and the old file vanish while they are used; blockd is killed in the middle.
fresh_cache
start_blockd pc@2
qemu-img dd -f raw -O raw bs=1M count=4 if="$uri" of=found
parts | xargs rm
rm "cache/$old_file"
reads_right
stop_blockd
restore
for ((round = 1; round <= 3; round++)); do
    fresh_cache
    start_blockd pc@2
    start nbdcopy --connections=2 --requests=4 --request-size=262144 "$uri" null:
    has_kept() { [ "$(du -k "$(find cache/disks -name "*.disk" -not -path "cache/$old_file")" | cut -f 1)" -ge $((round * 2048)) ]; }
    wait_until has_kept
    kill -KILL "$blockd_pid"
    wait "$blockd_pid" 2>/dev/null || true
    update
    expect '.pulled_chunks == 0'
done

# A delta that is flipped in the cache folder is fetched again.
fresh_cache
start_blockd pc@2
qemu-img dd -f raw -O raw bs=1M count=4 if="$uri" of=found
for part in cache/deltas/*; do printf 'XXXX' | dd of="$part" bs=1 seek=99 conv=notrunc status=none; done
kill -KILL "$blockd_pid"
wait "$blockd_pid" 2>/dev/null || true
update
expect '.pulled_chunks == 0 and .delta_fallbacks == 0 and .delta_chunks > 400'

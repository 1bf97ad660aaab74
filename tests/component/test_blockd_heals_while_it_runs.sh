#!/bin/bash
# Bytes of the cache file that change after they were verified and served are not served: what the
# disk gives is hashed at each read, and healed. The data is more than blockd keeps in memory.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 48
make_pki
start_server
start_blockd disk

reads_right() {
    nbdcopy "$uri" - | cmp - "$disk" || fail "wrong bytes"
}
parts_read_right() {
    qemu-img dd -f raw -O raw bs=4096 if="$uri" of=found
    cmp found "$disk" || fail "wrong bytes in small reads"
}
reads_right
reads_right
file=$(echo cache/disks/*.disk)
cmp "$file" "$disk" # the cache has all of it

# One bit of one byte, in a first chunk, in one amid others, and in the last that has data. The
# last dd drops the pages, so that the disk itself is asked.
for at in 70 5000000 47185919; do
    byte=$(dd if="$file" bs=1 skip=$at count=1 status=none | od -An -tu1)
    printf '%b' "\\x$(printf %x $((byte ^ 4)))" |
        dd of="$file" bs=1 seek=$at conv=notrunc,fdatasync status=none
done
dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 status=none
! cmp -s "$file" "$disk" || fail "nothing was damaged"
reads_right
cmp "$file" "$disk" || fail "the file was not healed"

# By small reads likewise: a part of a chunk is served from the file only when all of it is right.
head -c 1000000 /dev/urandom | dd of="$file" bs=64K seek=64 conv=notrunc status=none
parts_read_right
cmp "$file" "$disk" || fail "the noise was not healed"

stop_blockd
[ "$(figure reads)" -gt 6144 ] || fail "no small reads: $(cat cache/stats.json)"
[ "$(figure healed_chunks)" = 19 ] || fail "not 3 + 16 healed: $(cat cache/stats.json)"
[ "$(figure touched_bytes)" = $((24 * 1048576)) ] || fail "touched: $(cat cache/stats.json)"

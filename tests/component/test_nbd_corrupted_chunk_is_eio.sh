#!/bin/bash
# A byte rots in the store: reads of that chunk fail with EIO, all others give the right bytes.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
pack=$(find "$store/packs" -type f -size +1M | head -n 1)
[ -n "$pack" ] || fail "no pack in the store"
chmod u+w "$pack"
printf '\377\377\377\377' | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none

# One thread: nbdkit 1.32 fails an assertion when a client goes away with replies under way, as
# nbdcopy does at the first error.
with_plugin '
    nbdcopy "$uri" copy 2>copy-error && exit 1
    qemu-img convert --salvage -f raw -O raw "$uri" salvaged 2>salvage-error || exit 1' --threads=1 2>log
grep -qi 'input/output error' copy-error || fail "not EIO: $(cat copy-error)"
grep -qE "error: cannot read 'disk@1': chunk '[0-9a-f]{64}' is corrupted" log ||
    fail "the chunk is not named: $(cat log)"
[ "$(grep -oE "chunk '[0-9a-f]{64}'" log | sort -u | wc -l)" = 1 ] || fail "more than one chunk"

# qemu-img wrote zeros where a read failed. Everything that differs lies inside one chunk.
cmp -l salvaged "$disk" >differences || true
[ -s differences ] || fail "the chunk was read all the same"
awk '{ chunk = int(($1 - 1) / 65536); if (NR > 1 && chunk != first) exit 1; first = chunk
       if ($2 != 0) exit 1 }' differences || fail "wrong bytes outside the corrupted chunk"

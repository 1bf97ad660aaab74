#!/bin/bash
# A reader that was written from FORMAT.md alone gets the bytes of every version out of a store.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../harness/lib.sh"
command -v zstd >/dev/null || fail "no zstd command; 'make deps' installs it"

# 300 MiB: two segments, the second one short; text, noise, holes, a last chunk of 512 bytes.
python3 - <<'PY'
import random
random.seed(7)
with open("one.img", "wb") as disk:
    disk.write(b"text that compresses\n" * 20000)
    disk.seek(40 << 20)
    disk.write(random.randbytes(5 << 20))
    disk.seek((270 << 20) + 12345)
    disk.write(b"in the second segment")
    disk.seek((300 << 20) + 500)
    disk.write(b"end of disk!")
with open("one.img", "rb") as one, open("two.img", "wb") as two:
    two.write(one.read())
    two.seek(41 << 20)
    two.write(b"changed")
    two.seek((270 << 20))
    two.write(bytes(65536))  # a chunk becomes a hole, and with it the second segment nearly one
PY
[ "$(stat -c %s one.img)" = $(((300 << 20) + 512)) ] || fail "the test's own disk is wrong"

"$carrel" store init store
"$carrel" --store store image import disk one.img --format raw
"$carrel" --store store image import disk two.img --format raw --parent disk@1
for version in 1 2; do
    python3 "$here/read_store.py" store "disk@$version" "out$version.img"
done
python3 "$here/read_store.py" store disk newest.img
cmp one.img out1.img
cmp two.img out2.img
cmp two.img newest.img

# It is no pushover: one bit of a frame, and it says so.
pack=$(find store/packs -type f | sort | head -n 1)
chmod u+w "$pack"
printf '\xff' | dd of="$pack" bs=1 seek=40 conv=notrunc status=none
if python3 "$here/read_store.py" store disk@1 damaged.img 2>err; then
    cmp -s one.img damaged.img || fail "the reader took a damaged frame"
fi

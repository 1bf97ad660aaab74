#!/bin/bash
# raw, qcow2, vmdk, vhdx and vdi of one disk become one and the same version, whatever chain of
# backing files it stands on; the source is never changed.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet

truncate -s 20M disk.raw
mkfs.ext4 -q -F -E lazy_itable_init=0 disk.raw
head -c 3M /dev/urandom >content
debugfs -w -R "write content content" disk.raw >/dev/null 2>&1
want=$("$carrel" image import disk disk.raw --no-trim --json | jq -r .root)
trimmed=$("$carrel" image import disk disk.raw --json | jq -r .root)

for format in qcow2 vmdk vhdx vdi; do
    qemu-img convert -O "$format" disk.raw "disk.$format"
    before=$(sha256sum <"disk.$format")
    "$carrel" image import disk "disk.$format" --no-trim --json >out
    [ "$(jq -r .root out)" = "$want" ] || fail "$format has another root than raw"
    "$carrel" image import disk "disk.$format" --json >out
    [ "$(jq -r .root out)" = "$trimmed" ] || fail "trimmed $format has another root than trimmed raw"
    [ "$(jq -r .stored_bytes out)" -lt 4096 ] || fail "$format stored bytes that raw had stored"
    [ "$(sha256sum <"disk.$format")" = "$before" ] || fail "the import changed disk.$format"
done

# A chain: the middle and the top hold what was written later.
qemu-img create -q -f qcow2 -b disk.qcow2 -F qcow2 middle.qcow2
qemu-io -c 'write -q -P 7 5M 300k' middle.qcow2
qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
qemu-io -c 'write -q -z 5100k 64k' -c 'write -q -P 8 9M 4k' top.qcow2
"$carrel" image import chain top.qcow2 --no-trim --quiet >/dev/null
qemu-img convert -O raw top.qcow2 flat.raw
"$carrel" image export chain out.raw --quiet
cmp out.raw flat.raw

# A disk whose end is not at a chunk's end, and one whose end is not at a sector's end.
for size in 200000 196608 512 70000; do
    rm -f odd.raw out.raw
    { printf '\0'; head -c $((size - 1)) /dev/urandom; } >odd.raw
    "$carrel" image import odd odd.raw --format raw --quiet >/dev/null
    "$carrel" image export odd out.raw --quiet
    cmp -n "$size" odd.raw out.raw
    [ "$(stat -c %s out.raw)" = $(((size + 511) / 512 * 512)) ] || fail "size of a disk of $size bytes"
done

#!/bin/bash
# An export in every format holds the version's bytes, is sparse, and appears only when it is whole;
# what exists is replaced only with --force; a damaged version leaves no file.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
truncate -s 70000128 disk.raw
head -c 5M /dev/urandom | dd of=disk.raw bs=1M seek=3 conv=notrunc status=none
head -c 1000 /dev/urandom | dd of=disk.raw bs=1 seek=69999000 conv=notrunc status=none
"$carrel" image import disk disk.raw --format raw --quiet >/dev/null

for format in raw qcow2 vmdk vhdx; do
    "$carrel" image export disk "out:$format" --format "$format" --sync --json >out
    jq -e --arg f "$format" '.ref == "disk@1" and .format == $f and .data_bytes > 5000000' out >/dev/null
    qemu-img compare -q -F "$format" disk.raw "./out:$format" || fail "$format differs"
    [ "$(stat -c %b "out:$format")" -lt 30000 ] || fail "$format is not sparse"
    refuses 1 "'out:$format' exists; name another file or add --force" \
        "$carrel" image export disk "out:$format" --format "$format"
done
cmp disk.raw out:raw
echo old >old
"$carrel" image export disk old --force | grep -q "^disk@1 -> 'old' (raw), .* every chunk verified$"
cmp disk.raw old
mkdir folder
refuses 1 "'folder' exists and is no plain file" "$carrel" image export disk folder --force
refuses 1 "'no/where'" "$carrel" image export disk no/where
refuses 1 "'--format': 'vhd' is none of raw, qcow2, vmdk, vhdx" \
    "$carrel" image export disk x --format vhd

# One byte of one chunk is wrong: the chunk and its place are named, and there is no file.
pack=$(find s/packs -type f -size +1M | head -n 1)
printf '\x55\xaa\x55\xaa' | dd of="$pack" bs=1 seek=100000 conv=notrunc status=none
for format in raw qcow2; do
    refuses 1 "version 'disk@1', byte [0-9]+ of the disk: chunk '[0-9a-f]{64}' is corrupted" \
        "$carrel" image export disk "bad.$format" --format "$format"
    [ -z "$(find . -name 'bad*')" ] || fail "a damaged version left $(echo bad*)"
done

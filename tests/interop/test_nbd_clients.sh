#!/bin/bash
# Other people's NBD clients read a version through the plugin, and the bytes equal the source:
# nbdcopy, qemu-img compare and convert, qemu-io, fio's nbd engine.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 64
truncate -s +4096 "$disk" # a last chunk that is not a whole one
"$carrel" --store "$store" image import disk "$disk" --format raw --no-trim >/dev/null

cat >clients.sh <<'CLIENTS'
set -e
disk=$1
nbdcopy "$uri" - | cmp - "$disk"
nbdcopy --connections=4 --no-extents --request-size=262144 "$uri" copied
cmp copied "$disk"
qemu-img compare -f raw -F raw "$disk" "$uri"
qemu-img convert -f raw -O qcow2 "$uri" converted.qcow2
qemu-img compare -f raw -F qcow2 "$disk" converted.qcow2
# Odd places and lengths, across chunks.
for range in "1 1" "65535 2" "131071 65538" "3000001 4194305" "67108863 4097"; do
    set -- $range
    qemu-io -r -f raw -c "read -v $1 $2" "$uri" | sed '$d' | sed '$d' >theirs
    qemu-io -r -f raw -c "read -v $1 $2" "$disk" | sed '$d' | sed '$d' >ours
    cmp theirs ours
done
CLIENTS
nbdkit --unix - "$plugin" "store=$store" image=disk@2 cache-size=8M \
    --run "export uri; bash clients.sh '$disk'"

# fio writes a pattern that tells each block its offset; read back through a version, it verifies.
pattern=(--name=blocks --bs=4k --size=32m --verify=pattern --verify_pattern=%o --verify_fatal=1)
fio "${pattern[@]}" --filename=pattern.raw --rw=write --ioengine=psync --do_verify=0 >fio.log
"$carrel" --store "$store" image import pattern pattern.raw --format raw >/dev/null
nbdkit --unix - "$plugin" "store=$store" image=pattern --run '
    fio --name=blocks --bs=4k --size=32m --verify=pattern --verify_pattern=%o --verify_fatal=1 \
        --ioengine=nbd --uri="$uri" --rw=randread --iodepth=32' >fio.log ||
    fail "fio: $(cat fio.log)"
grep -q 'err= 0' fio.log
grep -qE 'read: IOPS' fio.log

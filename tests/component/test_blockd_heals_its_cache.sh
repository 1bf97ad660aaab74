#!/bin/bash
# A cache file that rots, is cut short, or is full of noise costs fetches and never a wrong byte.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
make_pki
start_server
start_blockd disk
nbdcopy "$uri" null:
stop_blockd
file=$(echo cache/disks/*.disk)

serves_and_pulls() { # chunks
    start_blockd disk
    nbdcopy "$uri" - | cmp - "$disk" || fail "wrong bytes"
    stop_blockd
    [ "$(figure pulled_chunks)" = "$1" ] || fail "not $1 chunks: $(cat cache/stats.json)"
}
serves_and_pulls 0
# One byte, by one bit. The disk is random there.
flipped=$(dd if="$file" bs=1 skip=5000000 count=1 status=none | od -An -tu1)
printf '%b' "\\x$(printf %x $((flipped ^ 4)))" |
    dd of="$file" bs=1 seek=5000000 conv=notrunc status=none
serves_and_pulls 1
[ "$(figure healed_chunks)" = 1 ]
serves_and_pulls 0
truncate -s 12M "$file"
serves_and_pulls 32 # the data from 12 to 14 MiB
head -c 1000000 /dev/urandom | dd of="$file" bs=64K seek=3 conv=notrunc status=none
serves_and_pulls 16
for object in cache/objects/*; do echo noise >"$object"; done
serves_and_pulls 0

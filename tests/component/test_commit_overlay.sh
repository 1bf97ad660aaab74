#!/bin/bash
# A commit of an overlay makes the very version that an import of the whole disk would: same root. Parts
# of chunks, zeros, discarded ranges, small clusters, a disk that grew or shrank.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
{ head -c 3M /dev/urandom; head -c 1M /dev/zero; head -c 4100K /dev/urandom; } >base.raw
"$carrel" image import pc base.raw --format raw --quiet >/dev/null

check() { # overlay [base]: commit it and compare with an import of the flattened disk
    "$carrel" image commit pc "$1" --base "${2:-pc@1}" --json >out 2>note
    rm -f flat.raw export.raw
    qemu-img convert -O raw "$1" flat.raw
    "$carrel" image import flat flat.raw --format raw --json >flat.json
    [ "$(jq -r .root out)" = "$(jq -r .root flat.json)" ] || fail "$1: another root than the flat disk"
    [ "$(jq -r .data_bytes out)" = "$(jq -r .data_bytes flat.json)" ] ||
        fail "$1: $(jq .data_bytes out) bytes of data, not $(jq .data_bytes flat.json)"
    [ "$(jq -r .parent out)" = "${2:-pc@1}" ] || fail "$1: parent $(jq .parent out)"
    "$carrel" image export "$(jq -r .ref out)" export.raw --quiet
    cmp export.raw flat.raw
}

qemu-img create -q -f qcow2 -b base.raw -F raw nothing.qcow2
check nothing.qcow2

qemu-img create -q -f qcow2 -b base.raw -F raw plain.qcow2
qemu-io -c 'write -q -P 1 1M 1M' -c 'write -q -P 2 130k 3k' -c 'write -q -P 3 8190k 512' \
    -c 'write -q -z 64k 64k' -c 'write -q -z 2000k 10k' -c 'write -q -P 0 2500k 100k' \
    -c 'write -q -P 5 3500k 1k' plain.qcow2
check plain.qcow2

for cluster in 512 4k 2M; do
    qemu-img create -q -f qcow2 -o cluster_size=$cluster -b base.raw -F raw "c$cluster.qcow2"
    for ((i = 0; i < 40; i++)); do
        echo "write -q -P $((i + 1)) $((RANDOM * 200 / 512 * 512)) $(((RANDOM % 60 + 1) * 512))"
        echo "write -q -z $((RANDOM * 200 / 512 * 512)) $(((RANDOM % 60 + 1) * 512))"
    done >writes
    qemu-io "c$cluster.qcow2" <writes >/dev/null
    check "c$cluster.qcow2"
done

# Discarded by the guest: reads as zeros, whatever the base holds.
qemu-img create -q -f qcow2 -b base.raw -F raw discard.qcow2
qemu-io -d unmap -c 'discard -q 1M 1M' -c 'write -q -z -u 6M 256k' discard.qcow2
check discard.qcow2

qemu-img create -q -f qcow2 -b base.raw -F raw grown.qcow2 20M
qemu-io -c 'write -q -P 9 15M 100k' grown.qcow2
check grown.qcow2
qemu-img create -q -f qcow2 -b base.raw -F raw shrunk.qcow2 5000192
check shrunk.qcow2

# A commit on a commit, and one on a version that is not the newest: a branch, with a remark.
qemu-img convert -O raw plain.qcow2 second.raw
"$carrel" image import other second.raw --format raw --quiet >/dev/null
qemu-img create -q -f qcow2 -b second.raw -F raw onsecond.qcow2
qemu-io -c 'write -q -P 77 0 64k' onsecond.qcow2
check onsecond.qcow2 pc@3
grep -q "^carrel: note: 'pc@3' was not the newest" note || fail "no remark: $(cat note)"

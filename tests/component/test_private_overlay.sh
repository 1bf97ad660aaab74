#!/bin/bash
# A kept overlay is sent to its owner's private store and comes back at another seat, on the same
# version, byte for byte; the second push moves only the new chunks; who pulled is in charge, the seat
# that was left becomes a branch. 64 MiB are written, with CHECK_LONG 1 GiB.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
mib=64
[ -z "${CHECK_LONG:-}" ] || mib=1024
private_site_make $((mib * 2))

overlay_make a.qcow2
dd if=/dev/urandom of=written bs=1M count=$mib status=none
overlay_write a.qcow2 $((mib / 2))M written
qemu-io -f qcow2 -c "write -q -z 1M 192k" -c "write -q -P 7 2M 4k" a.qcow2
push alice a.qcow2 --json >first.json
chunks=$((mib * 16 + 3 + 1))
[ "$(jq -r '[.overlay, .version, .branch, .chunks] | join(" ")' first.json)" = \
    "desk 1 false $chunks" ] || fail "the first push: $(cat first.json)"

new=$((mib * 16 / 20))
dd if=/dev/urandom of=more bs=64K count=$new status=none
overlay_write a.qcow2 $((mib / 2 + 3))M more
push alice a.qcow2 --json >second.json
sent=$(jq .bytes_sent second.json)
# The chunks, and what tells of them: the header, a map for each 102 MiB, segments, a manifest.
maps=$(((mib * 2 + 101) / 102))
((sent >= new * 65536 && sent < new * 65536 * 102 / 100 + maps * 70000 + mib / 128 * 150000 + 200000)) ||
    fail "$sent bytes were sent for $new new chunks"
(($(jq .chunks_sent second.json) <= new + 1 + maps)) || fail "more than is new: $(cat second.json)"
push alice a.qcow2 --json >third.json
[ "$(jq -r '[.version, .chunks_sent] | join(" ")' third.json)" = "2 0" ] ||
    fail "nothing was written since: $(cat third.json)"

# At another seat.
pull alice b.qcow2 --json >pulled.json
[ "$(jq -r '[.version, .chunks, .base] | join(" ")' pulled.json)" = "2 $chunks disk@1" ] ||
    fail "$(cat pulled.json)"
shows_the_same a.qcow2 b.qcow2
refuses 1 "exists" pull alice b.qcow2

# There it goes on; the seat that was left sends something, too: nothing is mixed, nothing is lost.
dd if=/dev/urandom of=b.bytes bs=64K count=3 status=none
dd if=/dev/urandom of=a.bytes bs=64K count=3 status=none
overlay_write b.qcow2 0 b.bytes
overlay_write a.qcow2 0 a.bytes
push alice a.qcow2 >out 2>err
grep -q "stands beside it" err || fail "the seat that was left is not told: $(cat out err)"
push alice b.qcow2 --json >b.json
[ "$(jq -r '[.version, .branch] | join(" ")' b.json)" = "3 false" ] || fail "$(cat b.json)"
pull alice main.qcow2 >out
shows_the_same b.qcow2 main.qcow2
pull alice branch.qcow2 --branch >out
shows_the_same a.qcow2 branch.qcow2

# The store is one like any other: verified without any key, collected.
space=$(cd private && ls -d ????????????????????????????????????????)
"$carrel" --store "private/$space/store" store scrub >out || fail "scrub: $(cat out)"
"$carrel" --store "private/$space/store" store gc --grace 0s >out || fail "gc: $(cat out)"
pull alice again.qcow2 >out
shows_the_same b.qcow2 again.qcow2

# The version below must be the very one.
"$carrel" --store store --quiet image rm disk@1 --force >out 2>&1 || "$carrel" --store store image rm disk@1 >out
refuses 1 "disk@1.*gone" pull alice late.qcow2
echo "first $(jq .bytes_sent first.json) bytes, second $sent for $new new chunks"

#!/bin/bash
# A seat records which chunks its guest reads first, the server makes a hot list of it, and the next seat has
# them before its guest asks, a child version's seat too; then the rest comes at a bounded rate, not before the
# guest is at rest. Nothing of that is counted as the guest's boot.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 32
make_pki
start_server --boots
root=$("$carrel" --store "$store" image show disk@1 --json | jq -r .root)
there() { [ -e "$store/hot/$root" ]; }
nbd=file.driver=nbd,file.server.type=unix,file.server.path=$work/seat.sock
reads() { # KiB-offset:KiB ...
    local piece
    for piece in "$@"; do
        qemu-img convert -O raw --image-opts "driver=raw,offset=$((${piece%:*} * 1024)),size=$((${piece#*:} * 1024)),$nbd" piece
        cmp piece <(tail -c +$((${piece%:*} * 1024 + 1)) "$disk" | head -c $((${piece#*:} * 1024))) ||
            fail "wrong bytes at $piece"
    done
}
boot=(0:4 8192:300 4096:64 1024:128 28672:1024)

# The first seat records. Without anything new for two seconds its boot is over.
start_blockd disk --boot-seconds 60 --boot-quiet 2
reads "${boot[@]}"
wait_until there
reads 16384:64 # is no part of it
stop_blockd
chunks=$(od -An -tu4 -j48 -N4 "$store/hot/$root" | tr -d ' ')
[ "$chunks" -ge 20 ] && [ "$chunks" -le 40 ] || fail "a boot of $chunks chunks"
[ "$(figure stalled_reads)" -ge 5 ] || fail "it did not wait: $(cat cache/stats.json)"

# The next one has them before they are read.
has_hot() { [ "$(du -k cache/disks/*.disk | cut -f 1)" -ge $((chunks * 64 - 64)) ]; }
rm -rf cache
start_blockd disk --hot yes
wait_until has_hot
reads "${boot[@]}"
stop_blockd
[ "$(figure hot_chunks)" = "$chunks" ] || fail "$(cat cache/stats.json)"
[ "$(figure background_chunks)" = "$chunks" ] || fail "$(cat cache/stats.json)"
[ "$(figure pulled_chunks)" = "$chunks" ] || fail "more was pulled: $(cat cache/stats.json)"
[ "$(figure requests)" -lt 20 ] || fail "not in large requests: $(cat cache/stats.json)"
[ "$(figure stalled_reads)" = 0 ] || fail "the guest waited: $(cat cache/stats.json)"
[ "$(figure hot_ms)" -gt 0 ] || fail "$(cat cache/stats.json)"

# A child version has its parent's list.
cp "$disk" child.raw
dd if=/dev/urandom of=child.raw bs=1K seek=8200 count=100 conv=notrunc status=none
"$carrel" --store "$store" image import disk child.raw --format raw --no-trim --parent disk@1 >/dev/null
rm -rf cache
start_blockd disk@2 --hot yes
wait_until has_hot
disk=$work/child.raw reads "${boot[@]}"
stop_blockd
[ "$(figure stalled_reads)" = 0 ] || fail "the child's guest waited: $(cat cache/stats.json)"

# The rest comes when the guest is at rest, at the rate that was said: 16 MiB at 8 MiB/s.
rm -rf cache
start_blockd disk@1 --hot yes --fill-rate 8M
began=$EPOCHREALTIME
is_whole() { [ "$(du -k cache/disks/*.disk | cut -f 1)" -ge 16384 ]; }
wait_until is_whole
took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd
[ "$took" -ge 1700 ] || fail "16 MiB within $took ms at 8 MiB/s"
[ "$(figure stalled_reads)" = 0 ] || fail "the guest waited: $(cat cache/stats.json)"
[ "$(figure present_chunks)" = "$(figure data_chunks)" ] || fail "$(cat cache/stats.json)"

# A damaged list, and one of another version, are no lists.
kill_server
printf 'X' | dd of="$store/hot/$root" bs=1 seek=70 conv=notrunc status=none
start_server --boots
rm -rf cache
start_blockd disk@1 --hot yes
reads "${boot[@]}"
stop_blockd
[ "$(figure hot_chunks)" = 0 ] || fail "$(cat cache/stats.json)"

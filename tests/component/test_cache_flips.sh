#!/bin/bash
# Single flipped bits in a complete version's file and in its map are all found: before a reader of blockd
# gets them, and by the scrub where QEMU reads the file itself, while it is open; each is mended from the
# server. 10,000 flips each, by the scrub 200 without CHECK_LONG. And the test sees: a reader that does not compare ids, and a
# map whose checksum is not compared, are caught.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
. "${OLDPWD}/tests/harness/mutant.sh"
scrubbed=200
[ -z "${CHECK_LONG:-}" ] || scrubbed=10000

make_store 16
mkdir read scrub map
flip() { # WAY FLIPS
    "$BUILD/harness/seatflip" "$1" "$store" "$1" "$disk" "$2" || fail "flips and '$1'"
}
flip read 10000
flip map 10000
flip scrub $scrubbed
mutant ids-not-compared seatflip lib/seatcache/chunkfile.c \
    's/return cr_id_equal\(&found, id\) \?/return true || cr_id_equal(\&found, id) ?/'
mutant sum-not-compared seatflip lib/seatcache/map.c \
    's/memcmp\(sum.bytes, data \+ AT_SUM, sizeof\(sum.bytes\)\) != 0/false/; s/cr_bits_count\(bits, bits_bytes\) != map->present_chunks/false/'
mutant scrub-does-not-mend seatflip lib/seatcache/scrub.c \
    's/^    \(void\)cr_window_read\(.*$/    (void)bytes, (void)index, (void)done;/'
for fault in ids-not-compared:read ids-not-compared:scrub sum-not-compared:map scrub-does-not-mend:scrub; do
    mkdir "m-$fault"
    ! "./${fault%:*}" "${fault#*:}" "$store" "m-$fault" "$disk" 200 >found || fail "the fault '$fault' was not caught"
    echo "caught '$fault': $(cat found)"
done

# A whole blockd, while QEMU has the file open: the scrub mends under it, and says so in its figures.
make_pki
start_server
start_blockd disk --fill-rate 0 --scrub-rate 0
nbdcopy "$uri" null:
stop_blockd
file=$(echo cache/disks/*.disk)
start qemu-storage-daemon --blockdev "driver=file,node-name=d,filename=$file,read-only=on" \
    --nbd-server "addr.type=unix,addr.path=$work/direct.sock" --export type=nbd,id=e,node-name=d,name=d
wait_until test -S direct.sock
for at in 70000 4200000 3000000; do # two chunks of data, and a hole
    printf 'rot' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
done
! nbdcopy "nbd+unix:///d?socket=$work/direct.sock" - | cmp -s - "$disk" || fail "QEMU did not read the rot"
start_blockd disk --fill-rate 0 --scrub-rate 1G
is_mended() { nbdcopy "nbd+unix:///d?socket=$work/direct.sock" - | cmp -s - "$disk"; }
wait_until is_mended
stop_blockd
[ "$(figure scrub_wrong)" = 3 ] && [ "$(figure pulled_chunks)" = 2 ] && [ "$(figure reads)" -le 20 ] ||
    fail "$(cat cache/stats.json)"

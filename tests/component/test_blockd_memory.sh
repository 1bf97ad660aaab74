#!/bin/bash
# Reading all over an image of 40 GiB, with data in each of its segments, needs less than 64 MiB. In the long
# suite also while it is made out of an older version by a delta.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

truncate -s 40G "$disk"
dd if=/dev/urandom of=data bs=1M count=80 status=none
for ((at = 0; at < 40960; at += 256)); do # MiB: one place in each segment
    dd if=data of="$disk" bs=64K count=8 skip=$((at / 32)) seek=$((at * 16)) \
        conv=notrunc status=none
done
"$carrel" store init "$store" >/dev/null
"$carrel" --store "$store" image import big "$disk" --format raw --no-trim >/dev/null
make_pki
start_server

# nbdcopy as a whole, then parts of chunks, for these stay in memory; the largest requests on top.
stays_small() { # image
    start_blockd "$1"
    nbdcopy --request-size=524288 "$uri" null:
    fio --name=parts --ioengine=nbd --uri="$uri" --rw=read:252k --bs=4k --iodepth=16 --size=40g \
        --number_ios=160000 >fio.log || fail "fio: $(cat fio.log)"
    fio --name=all-over --ioengine=nbd --uri="$uri" --rw=randread --bs=2m --iodepth=16 --size=40g \
        --number_ios=2000 >fio.log || fail "fio: $(cat fio.log)"
    peak_kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$blockd_pid/status")
    stop_blockd
    echo "$1: peak $peak_kib KiB"
    [ "$(figure touched_chunks)" -ge 1280 ] || fail "too little was read: $(cat cache/stats.json)"
    [ "$peak_kib" -lt 65536 ] || fail "it took $peak_kib KiB"
}
stays_small big
[ -n "${CHECK_LONG:-}" ] || exit 0

truncate -s 40G new.raw
for ((at = 0; at < 40960; at += 256)); do # the same a block further on, with some that are new
    dd if=data of=new.raw bs=4K count=128 skip=$((at / 2)) seek=$((at * 256 + 1)) \
        conv=notrunc status=none
    dd if=/dev/urandom of=new.raw bs=4K count=20 seek=$((at * 256 + 60)) conv=notrunc status=none
done
"$carrel" --store "$store" image import big new.raw --format raw --no-trim >/dev/null
"$carrel" --store "$store" image delta big@1 big@2 >/dev/null
stays_small big
[ "$(figure delta_chunks)" -gt 1400 ] || fail "not by the delta: $(cat cache/stats.json)"

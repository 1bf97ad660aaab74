#!/bin/bash
# A power cut at any write while a cache fills: no bit of the map is set without its data, no wrong byte
# is served, at most two seconds of filling are fetched again, and the cache goes on by itself. A real
# ext4 on a disk whose every write is logged, replayed by powerloss.py, with torn writes; 50 states,
# with CHECK_LONG 1,000. And the test sees: each of five planted faults is caught.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/mutant.sh"
export powerloss=$root/tests/harness/powerloss.py
bytes=$((32 * 1024 * 1024))

probe_mounts() {
    truncate -s 4M probe.img && mkfs.ext4 -q probe.img && mkdir -p probe &&
        mount -o loop probe.img probe && umount probe
}
[ "$(id -u)" = 0 ] || skip "mounting a file system needs root"
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
probe_mounts 2>/dev/null || skip "file systems cannot be loop-mounted here"

# 6 MiB of data on a disk of 136 MiB, so that the bits of a slot are in several sectors.
truncate -s 136M disk.raw
for at in 0 64 129 131 133 135; do
    dd if=/dev/urandom of=disk.raw bs=1M count=1 seek=$at conv=notrunc status=none
done
"$carrel" store init store >/dev/null
"$carrel" --store store --quiet image import disk disk.raw --format raw --no-trim >/dev/null

mounts=()
unmount_all() {
    local folder
    for folder in "${mounts[@]}"; do
        umount "$folder" 2>/dev/null || umount -l "$folder" 2>/dev/null || true
    done
}
trap 'unmount_all; cleanup' EXIT

# Fill a cache on a logged disk, all of it in the folder $1, by the program $2.
logged_start() { # FOLDER
    mkdir -p "$1/m"
    truncate -s "$bytes" "$1/disk.img"
    : >"$1/disk.log"
    : >"$1/raw"
    start qemu-storage-daemon \
        --blockdev "driver=file,node-name=d,filename=$1/disk.img,locking=off" \
        --blockdev "driver=file,node-name=l,filename=$1/disk.log,locking=off" \
        --blockdev driver=blklogwrites,node-name=lw,file=d,log=l,log-super-update-interval=1 \
        --export "type=fuse,id=e,node-name=lw,mountpoint=$1/raw,writable=on"
    echo "$started" >"$1/pid"
    wait_until test -s "$1/raw"
    mkfs.ext4 -q -F -J size=4 "$1/raw"
    mount -o loop,commit=300,noauto_da_alloc "$1/raw" "$1/m"
    mounts+=("$1/m")
    mkdir "$1/m/cache"
    sync -f "$1/m"
    "$powerloss" count "$1/disk.log" >"$1/from"
}
fill() { # FOLDER PROGRAM
    "$2" fill store "$1/m/cache" "$1/disk.log" "$1/told" 130
    umount "$1/m"
}

folders=(whole no-data-sync no-slot-sync both-slots bit-before-data bits-of-later-data)
mkdir "${folders[@]}"
mutant no-data-sync/seatfill seatfill lib/seatcache/keeper.c 's/any && fdatasync\(keeper->file->fd\) < 0/false/'
mutant no-slot-sync/seatfill seatfill lib/seatcache/mapfile.c 's/r == 0 && fdatasync\(file->fd\) < 0/false/'
mutant both-slots/seatfill seatfill lib/seatcache/mapfile.c \
    's/^    if \(r == 0 && fdatasync\(file->fd\) < 0\)/    (void)cr_pwrite_full(file->fd, file->slot, file->slot_bytes, (1 - file->next_slot) * (uint64_t)file->slot_bytes);\n&/'
mutant bit-before-data/seatfill seatfill lib/seatcache/keeper.c \
    's/^    int r = any \&\& fdatasync/    for (size_t i = 0; i < keeper->bits_bytes; i++)\n        keeper->durable[i] |= keeper->syncing[i];\n    (void)slot_write(keeper);\n&/; s/^static bool bits_any/static int slot_write(struct cr_keeper *keeper);\n&/'
mutant bits-of-later-data/seatfill seatfill lib/seatcache/keeper.c \
    's/durable\[i\] \|= keeper->syncing\[i\];/durable[i] |= keeper->syncing[i] | keeper->written[i];/'
cp "$BUILD/harness/seatfill" whole/seatfill

# All at once: they mostly wait.
pids=()
for folder in "${folders[@]}"; do logged_start "$folder"; done
for folder in "${folders[@]}"; do
    fill "$folder" "$folder/seatfill" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "a fill failed"; done
mounts=()
for folder in "${folders[@]}"; do
    kill "$(cat "$folder/pid")"
    wait "$(cat "$folder/pid")" || true
    [ "$(tail -n 1 "$folder/told" | cut -d' ' -f2)" -gt 3000 ] || fail "the fill of '$folder' was too short"
done

cat >judge <<'END'
#!/bin/bash
# judge TOLD DISK ENTRIES
set -euo pipefail
mkdir -p look
mount -o loop "$2" look 2>why || { # a torn superblock; that is ext4's to mend
    [ -n "${TEAR:-}" ] || { cat why; exit 1; }
    echo "$3" >>unmountable
    exit 0
}
trap 'umount look' EXIT
"$BUILD/harness/seatfill" judge store look/cache "$1" "$3" disk.raw
END
chmod +x judge
states=50
[ -z "${CHECK_LONG:-}" ] || states=1000
TEAR=1 FROM=$(cat whole/from) "$powerloss" replay whole/disk.log "$bytes" "$states" ./judge whole/told || fail "a state is bad"
touch unmountable
[ "$(wc -l <unmountable)" -le $((states / 10)) ] || fail "too many states cannot be mounted"
for folder in "${folders[@]:1}"; do # from where there is something to lose
    tear=1
    [ "$folder" != both-slots ] || tear=few
    if TEAR=$tear FIRST=1 FROM=$(awk '$2 > 2500 { print $1; exit }' "$folder/told") \
        "$powerloss" replay "$folder/disk.log" "$bytes" 300 ./judge "$folder/told" >found; then
        fail "the fault '$folder' was not caught"
    fi
    echo "caught '$folder': $(head -n 1 found)"
done

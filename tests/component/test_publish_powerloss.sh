#!/bin/bash
# A power cut at any write of a publish loses no version that the publisher was told of, shows none in
# half, and the next publish succeeds. A real ext4 on a disk whose every write is logged, replayed by
# powerloss.py; 50 states, with CHECK_LONG 1,000. And the test sees: publishers that forget one of
# their syncs, or their order, are caught, each of the six.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
powerloss=$root/tests/harness/powerloss.py
bytes=$((96 * 1024 * 1024))

probe_mounts() {
    truncate -s 4M probe.img && mkfs.ext4 -q probe.img && mkdir -p probe &&
        mount -o loop probe.img probe && umount probe
}
[ "$(id -u)" = 0 ] || skip "mounting a file system needs root"
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
probe_mounts 2>/dev/null || skip "file systems cannot be loop-mounted here"

# Three disks: the second shares a part with the first, the third is an overlay's work on the second.
head -c 5M /dev/urandom >one.raw
{ head -c 1M one.raw; head -c 4M /dev/urandom; } >two.raw
{ head -c 4M two.raw; head -c 1M /dev/urandom; } >three.raw

mounted=
unmount() {
    [ -z "$mounted" ] || umount "$mounted" || umount -l "$mounted" || true
    mounted=
}
trap 'unmount; cleanup' EXIT

# Publish on a logged disk. What the publisher was told stands in `told`: the number of log entries by
# then, and the versions that exist since.
publish_logged() { # [FORGETS]
    rm -rf disk.img disk.log raw m told
    mkdir m
    truncate -s "$bytes" disk.img
    : >disk.log
    : >raw
    start qemu-storage-daemon \
        --blockdev driver=file,node-name=d,filename=disk.img,locking=off \
        --blockdev driver=file,node-name=l,filename=disk.log,locking=off \
        --blockdev driver=blklogwrites,node-name=lw,file=d,log=l,log-super-update-interval=1 \
        --export type=fuse,id=e,node-name=lw,mountpoint=raw,writable=on
    local daemon=$started
    wait_until test -s raw
    mkfs.ext4 -q -F -J size=4 -O ^has_journal raw # quick; the journal is added below
    tune2fs -O has_journal raw >/dev/null
    mount -o loop,commit=300,noauto_da_alloc raw m
    mounted=m
    told() { echo "$("$powerloss" count disk.log) $*" >>told; }
    "$carrel" store init m/s >/dev/null
    "$carrel" --store m/s image import disk one.raw --format raw >/dev/null
    sync -f m
    told 1
    local n
    for n in two three; do
        # shellcheck disable=SC2086  # no preload at all without a fault
        env ${1:+FORGETS=$1 LD_PRELOAD=$BUILD/preload/forgetful.so} \
            "$carrel" --store m/s image import disk $n.raw --format raw >/dev/null
        case $n in two) told 1 2 ;; three) told 1 2 3 ;; esac
    done
    "$carrel" --store m/s image rm disk@2 >/dev/null
    told 1 3
    unmount
    kill "$daemon"
    wait "$daemon" || true
}

cat >judge <<'END'
#!/bin/bash
# judge DISK ENTRIES: the versions of which the publisher had been told are there, and whole
set -euo pipefail
disk=$1 entries=$2 must=none
while read -r at versions; do
    [ "$at" -gt "$entries" ] || must=$versions
done <told
[ "$must" != none ] || exit 0 # before the first version there is nothing to lose
mkdir -p look
mount -o loop "$disk" look
trap 'umount look' EXIT
found=$("$carrel" --store look/s --json image log disk | jq -r '[.[].version] | sort | join(" ")')
case "$must>$found" in
    "1>1" | "1>1 2" | "1 2>1 2" | "1 2>1 2 3" | "1 2 3>1 2 3" | "1 2 3>1 3" | "1 3>1 3") ;;
    *) echo "told of $must, found $found"; exit 1 ;;
esac
for n in $found; do
    "$carrel" --store look/s image verify "disk@$n" >/dev/null ||
        { echo "told of $must, disk@$n is not whole"; exit 1; }
done
if ((entries % 8 == 0)); then
    "$carrel" --store look/s image import disk three.raw --format raw >/dev/null
    "$carrel" --store look/s image verify disk >/dev/null
fi
END
chmod +x judge
export carrel

states=50
[ -z "${CHECK_LONG:-}" ] || states=1000
publish_logged
"$powerloss" replay disk.log "$bytes" "$states" ./judge || fail "a state is bad"

for fault in packs objects head heads-folder order everything; do
    publish_logged "$fault"
    if FIRST=1 FROM=$(cut -d' ' -f1 told | head -n 1) "$powerloss" replay disk.log "$bytes" 1000 ./judge >found; then
        fail "a publisher that forgets '$fault' was not caught"
    fi
    echo "caught '$fault': $(head -n 1 found)"
done

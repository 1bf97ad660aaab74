#!/bin/bash
# A power cut at any write while an overlay is synced, at the server and at the seat: no version that
# the seat was told of is lost, none is there in half, and the next capture of the overlay goes on
# without hands and without becoming a branch of itself. Store and the seat's note lie on one real ext4
# whose every write is logged, replayed by powerloss.py; 50 states, with CHECK_LONG 1,000. And
# the test sees: a seat that forgets to sync its note is caught, with CHECK_LONG servers that forget theirs.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/chunkd.sh"
. "$root/tests/harness/sync.sh"
powerloss=$root/tests/harness/powerloss.py
bytes=$((64 * 1024 * 1024))

probe_mounts() {
    truncate -s 4M probe.img && mkfs.ext4 -q probe.img && mkdir -p probe &&
        mount -o loop probe.img probe && umount probe
}
[ "$(id -u)" = 0 ] || skip "mounting a file system needs root"
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
probe_mounts 2>/dev/null || skip "file systems cannot be loop-mounted here"

head -c 1M /dev/urandom >disk.raw
truncate -s 8M disk.raw
for n in 1 2; do head -c 2M /dev/urandom >written$n; done

mounted=
unmount() {
    [ -z "$mounted" ] || umount "$mounted" || umount -l "$mounted" || true
    mounted=
}
trap 'unmount; cleanup' EXIT

# Capture twice on a logged disk. What the seat was told stands in `told`: the number of log entries by
# then, and the newest version.
capture_logged() { # [FORGETS]
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
    local daemon=$started n server
    wait_until test -s raw
    mkfs.ext4 -q -F -J size=4 -O ^has_journal raw # quick; the journal is added below
    tune2fs -O has_journal raw >/dev/null
    mount -o loop,commit=300,noauto_da_alloc raw m
    mounted=m
    told() { echo "$("$powerloss" count disk.log) $*" >>told; }
    "$carrel" store init m/s >/dev/null
    "$carrel" --store m/s image import disk disk.raw --format raw --no-trim >/dev/null
    mkdir m/o
    # What a cut does to the overlay's own bytes is not the sync's; its note lies on the disk.
    overlay_make overlay.qcow2
    ln -s "$work/overlay.qcow2" m/o/overlay.qcow2
    sync -f m
    told 1
    chunkd_start chunkd --no-tls --store m/s --cache-bytes 16M --listen 127.0.0.1:0
    # shellcheck disable=SC2086  # no preload at all without a fault
    syncd="env"
    syncd_start syncd ${1:+FORGETS=$1 LD_PRELOAD=$BUILD/preload/forgetful.so} \
        "$BUILD/bin/carrel-syncd" --no-tls --images m/s --listen 127.0.0.1:0
    server=$syncd_pid
    for n in 1 2; do
        overlay_write overlay.qcow2 $((n * 2))M written$n
        # shellcheck disable=SC2086
        env ${1:+FORGETS=$1 LD_PRELOAD=$BUILD/preload/forgetful.so} "$csync" capture --server "$url" \
            --sync "$sync_url" --base disk@1 --as disk --threads 1 m/o/overlay.qcow2 >/dev/null
        told $((n + 1))
    done
    kill "$chunkd_pid" "$server"
    wait "$chunkd_pid" "$server" || true
    unmount
    kill "$daemon"
    wait "$daemon" || true
}

cat >judge <<'END'
#!/bin/bash
# judge DISK ENTRIES: what the seat was told of is there, and it can go on
set -euo pipefail
disk=$1 entries=$2 must=none
while read -r at version; do
    [ "$at" -gt "$entries" ] || must=$version
done <told
[ "$must" != none ] || exit 0 # before the first version there is nothing to lose
mkdir -p look
mount -o loop "$disk" look
pids=()
release() { # the kernel closes the files of the killed a moment later; the next disk must find no mount
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid"
        wait "$pid" || true
    done 2>/dev/null
    until umount look 2>/dev/null; do read -rt 0.01 <> <(:) || true; done
}
trap release EXIT
images=$("$carrel" --store look/s --json image ls | jq -r '[.[].image] | join(" ")')
[ "$images" = disk ] || { echo "told of $must, there are images '$images'"; exit 1; }
found=$("$carrel" --store look/s --json image log disk | jq -r '[.[].version] | sort | join(" ")')
case "$must>$found" in
    "1>1" | "1>1 2" | "2>1 2" | "2>1 2 3" | "3>1 2 3") ;;
    *) echo "told of $must, found $found"; exit 1 ;;
esac
for n in $found; do
    "$carrel" --store look/s image verify "disk@$n" >/dev/null ||
        { echo "told of $must, disk@$n is not whole"; exit 1; }
done
[ -n "${EVERY:-}" ] || ((entries % 4 == 0)) || exit 0
serve() { # program option
    rm -f "$1.url"
    "$BUILD/bin/$1" --no-tls "$2" look/s --listen 127.0.0.1:0 >"$1.url" 2>"$1.log" &
    pids+=($!)
    for _ in {1..1000}; do
        grep -q '^listening' "$1.url" && break
        read -rt 0.01 <> <(:) || true
    done
    sed -n 's/^listening on //p' "$1.url"
}
serve carrel-chunkd --store >url
serve carrel-syncd --images >sync_url
url=$(<url) sync_url=$(<sync_url)
"$BUILD/bin/carrel-sync" capture --server "$url" --sync "$sync_url" --base disk@1 --as disk --json \
    look/o/overlay.qcow2 >again.json || { echo "told of $must, the next capture fails"; exit 1; }
jq -e '.branch == false' again.json >/dev/null ||
    { echo "told of $must, the next capture is a branch: $(cat look/o/*.capture)"; exit 1; }
"$carrel" --store look/s image verify "disk@$(jq .version again.json)" >/dev/null ||
    { echo "told of $must, what was captured next is not whole"; exit 1; }
END
chmod +x judge
export carrel BUILD

# The server's own syncs have a test of their own (test_publish_powerloss.sh); here they wait for CHECK_LONG.
states=50 faults=(note)
[ -z "${CHECK_LONG:-}" ] || states=1000 faults=(note fence packs objects head heads-folder everything)
capture_logged
"$powerloss" replay disk.log "$bytes" "$states" ./judge || fail "a state is bad"

for fault in "${faults[@]}"; do
    capture_logged "$fault"
    # Forgetting the note shows once there is a version of ours, the others from the beginning.
    line=1
    [ "$fault" != note ] || line=2
    if EVERY=1 FIRST=1 FROM=$(cut -d' ' -f1 told | sed -n ${line}p) "$powerloss" replay disk.log "$bytes" 300 ./judge \
        >found; then
        fail "who forgets '$fault' was not caught"
    fi
    echo "caught '$fault': $(head -n 1 found)"
done

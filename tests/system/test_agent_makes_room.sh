#!/bin/bash
# A guest that writes more than the cache has room for: it is warned, old versions leave the cache, the
# overlay goes on in the spill folder and, when the shelf was cleared, in the cache again; when nothing
# is left the guest stands still, the state says the way out, and it goes on by itself once there is
# room. The guest never sees an I/O error, and every byte is there; also in what is fetched later.
if [ -z "${AGENT_SPACE_INSIDE:-}" ]; then
    # File systems of a few MiB, in a mount namespace of our own.
    flags=-m
    [ "$(id -u)" = 0 ] || flags=-rm
    unshare $flags mount -t tmpfs none /mnt 2>/dev/null || {
        echo "mounting a tmpfs in a namespace is not allowed here"
        exit 77
    }
    AGENT_SPACE_INSIDE=1 exec unshare $flags "$0" "$@"
fi
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file 'overlay_keep_days = 1'
mkdir "$cache" "$work/spill"
trap 'ended=$?; umount -l "$cache" "$work/spill"; set +e; (exit $ended); finish' EXIT
mount -t tmpfs -o size=20m none "$cache"
mount -t tmpfs -o size=8m none "$work/spill"
mkdir -p "$cache/disks" "$cache/overlays-last/ABCDEF"
old=$cache/disks/$(printf '%064d' 7).disk
head -c 6M /dev/urandom >"$old"
head -c 3M /dev/urandom >"$cache/overlays-last/ABCDEF/overlay.qcow2"

agent_start --overlay-spill "$work/spill"
guest_ready
sum=$(guest 'mkdir /tmp; dd if=/dev/urandom of=/tmp/new bs=1M count=28 2>/dev/null; md5sum </tmp/new')
guest 'dd if=/tmp/new of=/dev/vda1 bs=64k count=152 conv=fsync 2>/dev/null; echo'
state 'running \(the overlay is [89][0-9] % full, .* left; save your work'
[ -e "$old" ] || fail "an old version was dropped before it was needed"
guest 'dd if=/tmp/new of=/dev/vda1 bs=64k skip=152 seek=152 conv=fsync 2>/dev/null; echo written' >written &
writer=$!
state "paused \(no space left for the overlay; free some .* 'carrel-agent restore'"
[ ! -e "$old" ] || fail "the old version is still there"
[ ! -e "$cache/overlays-last/ABCDEF" ] || fail "the shelf was not cleared"
[ -n "$(find "$work/spill" -name overlay.qcow2)" ] || fail "nothing was spilled"
[ "$(find "$cache/overlays" -name overlay.qcow2 | wc -l)" = 2 ] || fail "not back in the cache"
[ "$(asks status)" = paused ] || fail "it does not say so"
kill -0 "$writer" || fail "the guest did not wait"

mount -o remount,size=40m "$cache"
eventually 30 "the guest to go on" grep -q written written
wait "$writer"
[ "$(guest 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda1 bs=1M count=28 2>/dev/null | md5sum')" = \
    "$sum" ] || fail "wrong bytes"
guest '! dmesg | grep -i "i/o error"' || fail "the guest saw an I/O error"
asks stop >/dev/null
agent_ends 0
no_overlay
[ -z "$(ls "$work/spill")" ] || fail "left in the spill folder: $(find "$work/spill")"
id=$("$agent" overlays ls --cache "$cache" --json | jq -r '.[].id')
"$agent" overlays export --cache "$cache" "$id" "$work/back.qcow2"
qemu-img rebase -u -F raw -b "$golden" "$work/back.qcow2"
qemu-img convert -O raw "$work/back.qcow2" "$work/back.img"
[ "$(dd if="$work/back.img" bs=1M skip=1 count=28 status=none | md5sum)" = "$sum" ] ||
    fail "what is fetched is not what the guest wrote"

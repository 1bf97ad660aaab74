#!/bin/bash
# A new version's file begins as a clone of the old one where the file system can share blocks (XFS): only
# what changed travels and only that needs disk space; a hole stays a hole. On ext4 and tmpfs it begins
# empty and takes its chunks from the old file. Either way it becomes complete and is the disk, byte for
# byte. A cache on tmpfs keeps to its limit.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
cache_tool=$BUILD/bin/carrel-cache

mounts=()
unmount_all() {
    local folder
    for folder in "${mounts[@]}"; do umount "$folder" || umount -l "$folder" || true; done
}
trap 'unmount_all; cleanup' EXIT
mounted() { # KIND: a file system of this kind at ./KIND
    mkdir -p "$1"
    case $1 in
        tmpfs) mount -t tmpfs -o size=256M tmpfs tmpfs ;;
        xfs) truncate -s 320M xfs.img && mkfs.xfs -q -m reflink=1 xfs.img && mount -o loop xfs.img xfs ;;
        ext4) truncate -s 128M ext4.img && mkfs.ext4 -q ext4.img && mount -o loop ext4.img ext4 ;;
    esac || return 1
    mounts+=("$1")
}
[ "$(id -u)" = 0 ] || skip "mounting a file system needs root"
{ mounted tmpfs && mounted ext4 && mounted xfs; } 2>why || skip "file systems cannot be mounted here: $(cat why)"

# Version 1; in version 2 four chunks of 256 changed, one became a hole, one hole became data, and it
# is larger; version 3 is another disk.
make_store 32
cp --sparse=always "$disk" two.raw
for at in 3 70 200 257; do
    dd if=/dev/urandom of=two.raw bs=64K count=1 seek=$at conv=notrunc status=none
done
dd if=/dev/zero of=two.raw bs=64K count=1 seek=5 conv=notrunc status=none
dd if=/dev/urandom of=two.raw bs=64K count=1 seek=40 conv=notrunc status=none
truncate -s 40M two.raw
head -c 24M /dev/urandom >three.raw
for raw in two three; do
    "$carrel" --store "$store" --quiet image import disk $raw.raw --format raw --no-trim >/dev/null
done
make_pki
start_server

fill() { # FOLDER VERSION
    "$cache_tool" fill "disk@$2" --cache "$1/cache" --server "$server_url" --pki "$seat" --json >said ||
        fail "$1: $(cat said)"
}
said() { jq -r ".$1" said; }
used_kib() { sync -f "$1" && df --output=used -k "$1" | tail -n 1; }

changed=5 # the four, and the hole that became data
for kind in xfs ext4 tmpfs; do
    fill "$kind" 1
    [ "$(said complete) $(said cloned_chunks)" = "true 0" ] || fail "$kind: $(cat said)"
    old=$(echo "$kind"/cache/disks/*.disk)
    before=$(used_kib "$kind")
    fill "$kind" 2
    grew=$(($(used_kib "$kind") - before))
    [ "$(said complete)" = true ] || fail "$kind: $(cat said)"
    new=$kind/cache/disks/$(said root).disk
    cmp "$new" two.raw || fail "$kind: the clone is not the disk"
    cmp "$old" "$disk" || fail "$kind: the old version changed"
    [ "$(said pulled_chunks)" = $changed ] || fail "$kind: not $changed chunks travelled: $(cat said)"
    if [ "$kind" = xfs ]; then
        [ "$(said cloned_chunks)" -gt 240 ] && [ "$grew" -lt 2048 ] || fail "no clone ($grew KiB): $(cat said)"
    else
        [ "$(said cloned_chunks)" = 0 ] && [ "$(said old_chunks)" -gt 240 ] || fail "$kind: $(cat said)"
    fi
    [ -z "$(find "$kind/cache/disks" -name '.*.clone')" ] || fail "a clone was left behind"
    "$cache_tool" verify --cache "$kind/cache" >out || fail "$(cat out)"
    echo "$kind: $(said cloned_chunks) cloned, $(said old_chunks) copied, $(said pulled_chunks) fetched, $grew KiB more"
done

# Nothing in common: no clone. A killed process leaves a half made one: it is made anew.
fill xfs 3
[ "$(said complete) $(said cloned_chunks)" = "true 0" ] || fail "$(cat said)"
"$cache_tool" rm disk@2 disk@3 --cache xfs/cache >/dev/null
head -c 1M /dev/urandom >"xfs/cache/disks/.$(basename "$new" .disk).clone"
fill xfs 2
[ "$(said complete)" = true ] && [ "$(said cloned_chunks)" -gt 240 ] || fail "$(cat said)"
cmp "xfs/cache/disks/$(said root).disk" two.raw

# A rotten old file gives its rot to the clone; no reader gets it.
"$cache_tool" rm disk@2 --cache xfs/cache >/dev/null
printf 'rot' | dd of="$(echo xfs/cache/disks/*.disk)" bs=1 seek=$((64 * 65536 + 77)) conv=notrunc status=none
ln -sfn xfs/cache cache
start_blockd disk@2 --fill-rate 0 --scrub-rate 0
nbdcopy "$uri" - | cmp - two.raw || fail "wrong bytes"
stop_blockd
[ "$(figure healed_chunks) $(figure pulled_chunks)" = "1 $((changed + 1))" ] || fail "$(cat cache/stats.json)"
rm cache

# Without a disk: the limit holds, what does not fit is served all the same; the old version goes first.
rm -rf tmpfs/cache
fill tmpfs 1
ln -sfn tmpfs/cache cache
limit=$((24 * 1024 * 1024))
start_blockd disk@3 --cache-limit $limit --fill-rate 0 --scrub-rate 0 --deltas no
nbdcopy "$uri" - | cmp - three.raw || fail "wrong bytes"
stop_blockd
[ -e "tmpfs/cache/disks/$(basename "$old")" ] || fail "the last complete version went for one that is not"
kept=$(du -B1 -c tmpfs/cache/disks/*.disk | tail -n 1 | cut -f1)
[ "$kept" -le $limit ] || fail "$kept bytes are kept, not $limit"
[ "$(figure unkept_chunks)" -gt 100 ] || fail "$(cat cache/stats.json)"
fill tmpfs 2 # complete, so that version 1 may go
start_blockd disk@3 --cache-limit $((48 * 1024 * 1024)) --fill-rate 0 --scrub-rate 0 --deltas no
nbdcopy "$uri" - | cmp - three.raw || fail "wrong bytes"
[ ! -e "tmpfs/cache/disks/$(basename "$old")" ] || fail "the old version is kept"
stop_blockd
[ "$("$cache_tool" ls --cache tmpfs/cache --json | jq -c '[.[] | {(.version): .complete}] | add | [.["disk@2"], .["disk@3"], length]')" = '[true,true,2]' ] ||
    fail "$("$cache_tool" ls --cache tmpfs/cache)"

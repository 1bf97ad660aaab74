#!/bin/bash
# libntfs-3g (GPL-2+) is linked with one program only; that program lists the free space or refuses
# in one clause; `carrel` finds it, and works without it.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin
reader=$BUILD/bin/carrel-ntfs-free

# --- only one is linked with it ---
for file in "$BUILD"/bin/* "$BUILD"/plugins/*.so; do
    needed=$(readelf -d "$file" | grep -c 'NEEDED.*libntfs-3g' || true)
    case ${file##*/} in
        carrel-ntfs-free) [ "$needed" = 1 ] || fail "'$file' is not linked with libntfs-3g" ;;
        *) [ "$needed" = 0 ] || fail "'$file' is linked with libntfs-3g" ;;
    esac
done

# --- the list is the free space, and stands where the partition stands ---
size=$((24 << 20)) offset=$((1 << 20))
truncate -s $size ntfs
mkntfs -F -Q -q ntfs 2>mkntfs.log || fail "$(cat mkntfs.log)"
{ head -c $offset /dev/zero; cat ntfs; head -c $offset /dev/zero; } >disk
list=$("$reader" disk $offset $size)
free=$(tail -n 1 <<<"$list" | sed -n 's/^end [0-9]* //p')
tool=$(ntfsinfo -m ntfs | sed -n 's/.*Free Clusters: \([0-9]*\).*/\1/p')
[ "$free" = $((tool * 4096)) ] || fail "$free bytes free, ntfsinfo says $tool clusters"
moved=$("$reader" ntfs 0 $size | while read -r at len rest; do
    [ "$at" = end ] || at=$((at + offset))
    echo "$at $len${rest:+ $rest}"
done)
[ "$moved" = "$list" ] || fail "the offset is not taken into account"

# --- refusals: status 1 and one clause ---
refuses 1 "it cannot be opened" "$reader" disk 0 $size
refuses 1 "cannot open 'absent'" "$reader" absent 0 $size
refuses 1 "not a place on a disk" "$reader" disk -1 $size
refuses 1 "not a place on a disk" "$reader" disk 0 9223372036854775808
refuses 1 "it cannot be opened|larger than its partition" "$reader" ntfs 0 $((size / 2))
refuses 1 "it cannot be opened" "$reader" /dev/null 0 $size
refuses 2 "usage:" "$reader" disk

# --- the look-up: where the environment says and nowhere else, or beside the program ---
mkdir -p installed/bin installed/lib/carrel
cp "$carrel" installed/bin/
"$carrel" store init store >log
CARREL_LIBEXEC=$PWD/installed/lib/carrel installed/bin/carrel --store store \
    image import without ntfs >log 2>&1
grep -q "kept whole, NTFS cannot be read: 'carrel-ntfs-free' is not in" log || fail "$(cat log)"
cp "$reader" installed/lib/carrel/
CARREL_LIBEXEC=$PWD/installed/lib/carrel installed/bin/carrel --store store \
    image import with ntfs >log 2>&1
grep -q "ntfs: .* of free space left out" log || fail "$(cat log)"
cp "$reader" installed/bin/ # beside it
installed/bin/carrel --store store image import beside ntfs >log 2>&1
grep -q "ntfs: .* of free space left out" log || fail "$(cat log)"

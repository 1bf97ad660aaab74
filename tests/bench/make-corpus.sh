#!/bin/bash
# Make the benchmark's disks in a folder, when they are missing.
#   BUILD=... make-corpus.sh DIR
# base.raw    the demo's Debian grown to about 4 GiB of distinct real files, 6 GiB virtual, sparse
# next.raw    the same disk after about 5 % changed in place: files removed, added, overwritten
# next.qcow2  next.raw as an overlay on base.raw: the clusters that differ and no other
# change.txt  what really changed, in bytes; also printed
# CORPUS_MIB (4096) sets the files' size, CORPUS_SOURCES (/usr) where they are taken from.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:?names the build folder}"
dir=$(realpath -m "${1:?"usage: make-corpus.sh DIR"}")
corpus_mib=${CORPUS_MIB:-4096}
disk_mib=$((corpus_mib * 3 / 2))
boot_mib=64 # what stands before the demo's root file system

key=$(cat "$0" "$here/corpus.py" <(echo "$corpus_mib") | sha256sum)
if [ "$(cat "$dir/key" 2>/dev/null)" = "$key" ] && [ -s "$dir/base.raw" ] &&
    [ -s "$dir/next.raw" ] && [ -s "$dir/next.qcow2" ]; then
    cat "$dir/change.txt"
    exit 0
fi
mkdir -p "$dir"
rm -f "$dir/key"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT

"$here/../system/demo-image.sh" "$BUILD/demo/debian.img"
demo_root="$BUILD/demo/debian.img?offset=$((boot_mib << 20))"

echo "corpus: collecting $corpus_mib MiB of distinct files"
mkdir "$work/root"
# As a user the owners are lost, which matters to nobody who measures.
debugfs -R "rdump / $work/root" "$demo_root" >/dev/null 2>"$work/rdump.log"
chmod -R u+rwX "$work/root"
python3 "$here/corpus.py" collect "$work/root/srv" "$work/new" "$work/patch" \
    $((corpus_mib << 20)) "$work/root"

echo "corpus: making base.raw"
head -c $((boot_mib << 20)) "$BUILD/demo/debian.img" >"$work/base.raw"
truncate -s "${disk_mib}M" "$work/base.raw"
sfdisk --quiet -N 2 "$work/base.raw" <<<"start=${boot_mib}MiB, size=+, type=83"
mke2fs -q -F -t ext4 -L debian -U 6b1f6a5e-3c0f-4f8b-9a55-ca44e1de0002 -m 0 \
    -E "offset=$((boot_mib << 20)),root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0" \
    -d "$work/root" "$work/base.raw" "$(((disk_mib - boot_mib) * 1024))k"

echo "corpus: changing it to next.raw"
cp --sparse=always "$work/base.raw" "$work/next.raw"
python3 "$here/corpus.py" mutate "$work/next.raw" $((boot_mib << 20)) "$work/root/srv" /srv \
    "$work/new" "$work/patch"
rm -rf "$work/root" "$work/new" "$work/patch"
for disk in base next; do
    e2fsck -fn "$work/$disk.raw?offset=$((boot_mib << 20))" >"$work/fsck.log" 2>&1 ||
        { cat "$work/fsck.log" >&2; echo "corpus: the file system of $disk.raw is not clean" >&2; exit 1; }
done

# The names of the final places, so that the overlay finds its base whenever both are moved alike.
mv "$work/base.raw" "$work/next.raw" "$dir"
cd "$dir"
qemu-img create -q -f qcow2 -F raw -b next.raw "$work/next.qcow2" 2>/dev/null ||
    qemu-img create -q -f qcow2 -F raw -b "$dir/next.raw" "$work/next.qcow2"
mv "$work/next.qcow2" "$dir"
qemu-img rebase -f qcow2 -F raw -b base.raw next.qcow2

read -r differing used < <(python3 "$here/corpus.py" compare base.raw next.raw)
{
    echo "corpus: base.raw holds $((used >> 20)) MiB that are not zero, of $disk_mib MiB;" \
        "next.raw differs in $((differing >> 20)) MiB," \
        "$(awk -v a="$differing" -v b="$used" 'BEGIN { printf "%.1f", 100 * a / b }') %;" \
        "next.qcow2 takes $(du -m next.qcow2 | cut -f1) MiB"
} | tee change.txt
echo "$key" >key

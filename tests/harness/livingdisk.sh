#!/bin/bash
# Make a disk that boots and that a recipe can work on: the tiny guest's kernel, behind it a Linux
# whose only program is busybox and whose /etc/rc, when it has one, speaks on the console at boot.
#   livingdisk.sh OUT.img
# Partition 1 is the tiny guest's (tinyguest.sh), partition 2 the root (busyboxdisk.sh), 64 MiB.
set -euo pipefail
: "${BUILD:?}"
PATH=$PATH:/usr/sbin:/sbin
out=$1
here=$(dirname "$0")
tiny=$("$here/tinyguest.sh")
"$here/busyboxdisk.sh" "$out.root"
rm -f "$out"
truncate -s 96M "$out"
dd if="$tiny" of="$out" bs=1M count=32 conv=notrunc,sparse status=none
printf 'start=65536, size=131072, type=83\n' | sfdisk -q --no-reread --no-tell-kernel -N 2 "$out"
dd if="$out.root" of="$out.fs" bs=1M skip=1 count=64 conv=sparse status=none
e2label "$out.fs" scratch # what the tiny guest looks for
dd if="$out.fs" of="$out" bs=1M seek=32 conv=notrunc,sparse status=none
rm "$out.root" "$out.fs"

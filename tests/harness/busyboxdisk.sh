#!/bin/bash
# Make a small disk that holds a Linux whose only program is busybox: for tests of what works inside
# a disk. No mounts, no root needed.
#   busyboxdisk.sh OUT.img [TEXT]     TEXT stands in /etc/motd, so that two disks differ
# One ext4 file system of 64 MiB in a partition table.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,root,var,usr/bin,usr/sbin,etc}
chmod 1777 "$root/tmp"
cp /bin/busybox "$root/bin/busybox"
for applet in sh cat ls cp mv rm mkdir mount umount sed grep tail tr head ip wget sleep id stat cut \
    ping route env echo test touch dd chmod ln sync true false; do
    ln -s busybox "$root/bin/$applet"
done
cat >"$root/etc/os-release" <<'RELEASE'
ID=busyboxdisk
NAME="busybox disk"
VERSION_ID=1
RELEASE
uuid=6b1f6a5e-3c0f-4f8b-9a55-ca44e1de0002
echo "UUID=$uuid / ext4 defaults 0 1" >"$root/etc/fstab"
echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
echo "${2:-first}" >"$root/etc/motd"
echo busybox >"$root/etc/hostname"
rm -f "$out"
truncate -s 66M "$out"
printf 'label: dos\nstart=2048, size=131072, type=83\n' | sfdisk -q "$out"
mke2fs -q -F -t ext4 -L root -U "$uuid" -m 0 \
    -E offset=1048576,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 \
    -d "$root" "$out" 64M

#!/bin/bash
# Build the demo's disk: a small real Debian 12 with systemd and a login on the serial line.
#   demo-image.sh OUT.img
# OUT.img is a raw, sparse, bootable disk: MBR, a FAT partition with syslinux, the kernel and its
# initrd, and an ext4 root. It answers on ttyS0; root's password is "demo". Beside it appears
# OUT-extra.tar with one more real package (tree) that the demo installs later.
# Nothing is mounted and no loop device is needed; works as root or as a user (fakeroot).
# When OUT.img was already made by this very script nothing is done.
set -euo pipefail
umask 022 # the modes of what is copied into the guest shall not depend on the caller
PATH=$PATH:/usr/sbin:/sbin # a user may not have them

out=${1:?"usage: demo-image.sh OUT.img"}
out=$(realpath -m "$out")
extra=${out%.img}-extra.tar
extra_package=tree
suite=bookworm
disk_mib=2048
boot_mib=63 # the boot partition starts at 1 MiB, the root behind it
disk_id=ca44e1de
fs_uuid=6b1f6a5e-3c0f-4f8b-9a55-ca44e1de0001

key=$(sha256sum <"$0")
if [ -s "$out" ] && [ -s "$extra" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$key" ]; then
    echo "demo-image: '$out' is up to date"
    exit 0
fi
mkdir -p "$(dirname "$out")"
rm -f "$out.key"
work=$(mktemp -d "$(dirname "$out")/image.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The Debian part of this machine's own apt sources, in the one form that mmdebstrap takes on its
# standard input, and those apt settings that decide whether a mirror can be reached at all.
debian_sources() {
    # shellcheck disable=SC2016  # apt fills these in
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' |
        awk -v suite="$suite" '$2 ~ "^" suite && !seen[$0]++ { print "deb " $0 }'
}
apt_settings() {
    apt-config dump |
        grep -E '^Acquire::((https?|ftp)::Proxy|Check-(Valid-Until|Date))[ :].*"[^"]+";$' || true
}
sources=$(debian_sources)
if [ -z "$sources" ]; then
    echo "demo-image: apt knows no Debian $suite mirror; run 'apt-get update' and try again" >&2
    exit 1
fi
aptopts=(--aptopt='Acquire::Retries "3"')
while read -r line; do
    [ -z "$line" ] || aptopts+=(--aptopt="$line")
done < <(apt_settings)

# Units of no use to a demo that is booted under an emulated CPU.
masked=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer getty@tty1.service getty-static.service
    systemd-pstore.service systemd-binfmt.service sys-kernel-debug.mount sys-kernel-tracing.mount
    dev-hugepages.mount dev-mqueue.mount)

# The hooks are handed over as text: mmdebstrap's other user need not be able to read $work.
# shellcheck disable=SC2016  # $1 is the new root, known to the hook only
configure='set -eu
root=$1
echo root:demo | chroot "$root" chpasswd
rm -f "$root"/etc/*- # backups that nobody may read, mke2fs as a user neither
echo carrel-demo >"$root/etc/hostname"
echo "127.0.0.1 localhost carrel-demo" >"$root/etc/hosts"
echo "LABEL=debian / ext4 errors=remount-ro,noatime 0 0" >"$root/etc/fstab"
: >"$root/etc/machine-id" # each seat makes its own
for unit in '"${masked[*]}"'; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
mkdir -p "$root/tmp/extra"
cd "$root/tmp/extra"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q -o APT::Sandbox::User=root download '"$extra_package"
# Before the kernel is installed, so that its initrd is made once: the disk buses of a virtual PC.
# shellcheck disable=SC2016
initramfs='set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf "MODULES=list\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/demo"
printf "%s\n" virtio_pci virtio_blk virtio_scsi sd_mod ata_piix \
    >"$1/usr/share/initramfs-tools/modules.d/demo"'

echo "demo-image: fetching and installing Debian $suite"
mkdir -p "$work/extra"
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=minbase --format=tar "${aptopts[@]}" \
    --include=systemd-sysv,udev,zstd,linux-image-cloud-amd64,initramfs-tools,login \
    --essential-hook="$initramfs" --customize-hook="$configure" \
    --customize-hook="sync-out /tmp/extra '$work/extra'" \
    --customize-hook='rm -rf "$1/tmp/extra"' \
    "$suite" "$work/root.tar" <<<"$sources" - 2>"$work/log" ||
    { tail -n 20 "$work/log" >&2; echo "demo-image: mmdebstrap could not build the system" >&2; exit 1; }
tar -cf "$work/extra.tar" -C "$work/extra" --transform 's,^\./,,' --mtime=@0 --owner=0 --group=0 \
    --exclude-vcs "$(cd "$work/extra" && ls ./*.deb)"

echo "demo-image: making the disk"
root_mib=$((disk_mib - boot_mib - 1))
truncate -s "${disk_mib}M" "$work/disk.img"
sfdisk --quiet "$work/disk.img" <<SFDISK
label: dos
label-id: 0x$disk_id
start=1MiB, size=${boot_mib}MiB, type=c, bootable
start=$((boot_mib + 1))MiB, size=${root_mib}MiB, type=83
SFDISK
# One fakeroot session unpacks and packs again, so that owners and device nodes survive as a user.
fakeroot=()
[ "$(id -u)" = 0 ] || fakeroot=(fakeroot)
# shellcheck disable=SC2016
"${fakeroot[@]}" sh -euc '
    mkdir "$1/root"
    tar -xf "$1/root.tar" -C "$1/root" --numeric-owner --same-owner -p
    cp "$1"/root/boot/vmlinuz-* "$1/vmlinuz"
    cp "$1"/root/boot/initrd.img-* "$1/initrd.img"
    mke2fs -q -F -t ext4 -L debian -U "$2" -m 0 \
        -E "offset=$3,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,hash_seed=$2" \
        -d "$1/root" "$1/disk.img" "$4k"
' sh "$work" "$fs_uuid" $(((boot_mib + 1) << 20)) $((root_mib * 1024))

cat >"$work/syslinux.cfg" <<SYSLINUX
SERIAL 0 115200
DEFAULT debian
PROMPT 0
LABEL debian
  KERNEL vmlinuz
  INITRD initrd.img
  APPEND root=PARTUUID=$disk_id-02 ro rootwait console=ttyS0,115200 quiet mitigations=off random.trust_cpu=on net.ifnames=0 fsck.mode=skip
SYSLINUX
truncate -s "${boot_mib}M" "$work/boot.img"
mkfs.vfat -n BOOT -i ca44e1de "$work/boot.img" >/dev/null
MTOOLS_SKIP_CHECK=1 mcopy -i "$work/boot.img" "$work/vmlinuz" "$work/initrd.img" \
    "$work/syslinux.cfg" ::
syslinux --install "$work/boot.img"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$work/disk.img" conv=notrunc status=none
dd if="$work/boot.img" of="$work/disk.img" bs=1M seek=1 conv=notrunc,sparse status=none

mv "$work/extra.tar" "$extra"
mv "$work/disk.img" "$out"
echo "$key" >"$out.key"
echo "demo-image: '$out' ($(du -m "$out" | cut -f1) MiB of $disk_mib MiB in use)"

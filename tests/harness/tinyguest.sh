#!/bin/bash
# Build a tiny bootable disk, once: Debian's own kernel and busybox behind a real boot loader.
#   tinyguest.sh        prints the path of the raw image, $BUILD/tinyguest/disk.img
# MBR; partition 1 = FAT with syslinux (BIOS and UEFI), kernel, initramfs; partition 2 = ext4
# labelled "scratch". On the serial console (ttyS0) the guest mounts partition 2 at /data, runs
# /etc/rc of the system in it where there is one, prints "tinyguest READY" and then is a shell
# without echo or prompt. No mounts, no root needed.
set -eu
: "${BUILD:?}"
PATH=$PATH:/usr/sbin:/sbin
dir=$BUILD/tinyguest
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9 # two tests may ask at the same time; one builds
self=$(readlink -f "$0")
disk=$dir/disk.img
if [ -s "$disk" ] && [ "$disk" -nt "$self" ]; then
    echo "$disk"
    exit 0
fi
cd "$dir"

# The kernel and its modules, from Debian's package, which is kept; nothing is installed.
if ! ls linux-image-*.deb >/dev/null 2>&1; then
    package=$(apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || {
        echo "tinyguest: apt knows no linux-image-amd64; run apt-get update" >&2
        exit 1
    }
    rm -rf download
    mkdir download
    (cd download && apt-get download "$package" >/dev/null 2>&1) || {
        echo "tinyguest: cannot download '$package' with apt-get" >&2
        exit 1
    }
    mv download/*.deb .
fi
rm -rf kernel
mkdir kernel
dpkg-deb -x linux-image-*.deb kernel
version=$(basename kernel/boot/vmlinuz-*)
version=${version#vmlinuz-}

# The initramfs: busybox and the modules for every disk bus that a desktop file can name.
modules="virtio_pci virtio_net virtio_blk virtio_scsi ahci ata_piix sd_mod ext4 crc32c_generic"
rm -rf root
mkdir -p root/bin root/dev root/proc root/sys root/data "root/lib/modules/$version"
cp /bin/busybox root/bin/busybox
for applet in sh modprobe mount umount; do ln -s busybox "root/bin/$applet"; done
tree=kernel/lib/modules/$version
[ -s "$tree/modules.dep" ] || busybox depmod -b "$PWD/kernel" "$version"
needed() { # module: it and all that it needs, as paths
    sed -n "s|^\(.*/${1//_/[_-]}\.ko\): *\(.*\)|\1 \2|p" "$tree/modules.dep" | tr ' ' '\n'
}
for module in $modules; do needed "$module"; done | sed '/^$/d' | sort -u |
    while read -r path; do
        path=${path#"/lib/modules/$version/"}
        mkdir -p "root/lib/modules/$version/$(dirname "$path")"
        cp "$tree/$path" "root/lib/modules/$version/$path"
    done
cp "$tree/modules.builtin" "$tree/modules.order" "root/lib/modules/$version/"
busybox depmod -b "$PWD/root" "$version"
cat >root/init <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
modprobe -a MODULES
tries=0
until disk=$(findfs LABEL=scratch 2>/dev/null) && mount -t ext4 "$disk" /data; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "tinyguest: no scratch partition"; break; }
    usleep 100000
done
[ ! -f /data/etc/rc ] || chroot /data /bin/sh /etc/rc
echo "tinyguest READY"
# Through a pipe, so that the shell is not interactive; not by cat, whose splicing holds lines back.
while :; do while read -r line; do echo "$line"; done | sh; done
INIT
sed -i "s/MODULES/$modules/" root/init
chmod +x root/init
(cd root && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >initrd.gz

# Partition 1, a FAT file system of 31 MiB that begins at 1 MiB.
cat >syslinux.cfg <<'CFG'
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
    KERNEL vmlinuz
    INITRD initrd.gz
    APPEND console=ttyS0 quiet panic=-1 tsc=unstable reboot=k
CFG
mib=$((1024 * 1024))
rm -f disk.new fat.img scratch.img
truncate -s $((31 * mib)) fat.img
mkfs.fat -F 16 -n BOOT fat.img >/dev/null
mcopy -i fat.img "kernel/boot/vmlinuz-$version" ::vmlinuz
mcopy -i fat.img initrd.gz syslinux.cfg ::
syslinux -i fat.img
mmd -i fat.img ::EFI ::EFI/BOOT
mcopy -i fat.img /usr/lib/SYSLINUX.EFI/efi64/syslinux.efi ::EFI/BOOT/BOOTX64.EFI
mcopy -i fat.img /usr/lib/syslinux/modules/efi64/ldlinux.e64 ::EFI/BOOT/
# Partition 2, ext4 of 32 MiB, filled without a mount.
rm -rf data
mkdir data
echo golden >data/golden
truncate -s $((32 * mib)) scratch.img
mke2fs -q -t ext4 -L scratch -d data -E root_owner=0:0 scratch.img

truncate -s $((64 * mib)) disk.new
sfdisk -q disk.new <<'TABLE'
label: dos
start=2048, size=63488, type=ef, bootable
start=65536, size=65536, type=83
TABLE
dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk.new bs=440 count=1 conv=notrunc status=none
dd if=fat.img of=disk.new bs=$mib seek=1 conv=notrunc,sparse status=none
dd if=scratch.img of=disk.new bs=$mib seek=32 conv=notrunc,sparse status=none
rm -rf fat.img scratch.img kernel root data initrd.gz
mv disk.new disk.img
echo "$disk"

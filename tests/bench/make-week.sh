#!/bin/bash
# Make the disks of a week of package work, when they are missing. Root only: it mounts, and chroots.
#   make-week.sh DIR
# before.raw    a Debian 12 desktop without its security updates: ext4, 6 GiB virtual, free space trimmed
# inplace.raw   the same disk after a week of work done in it: upgraded, packages added and removed,
#               caches rebuilt, logs grown; free space trimmed
# rebuilt.raw   the packages of inplace.raw installed anew, into a fresh file system
# week.txt      what happened, for people; also printed
# WEEK_INCLUDE names the packages of before.raw, for smaller trials.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin
dir=$(realpath -m "${1:?"usage: make-week.sh DIR"}")
suite=bookworm
disk_mib=6144
include=${WEEK_INCLUDE:-systemd-sysv,udev,dbus,zstd,linux-image-amd64,initramfs-tools,login,ifupdown,iproute2,man-db,locales,xserver-xorg-core,xserver-xorg-video-all,xserver-xorg-input-libinput,xfce4,xfce4-terminal,lightdm,firefox-esr,libreoffice-writer,libreoffice-calc,libreoffice-gtk3,thunderbird,python3,python3-numpy,openjdk-17-jre,gcc,fonts-dejavu,fonts-noto-core,cups,vim,git,apt-utils}
added="gimp htop evince"
removed="libreoffice-gtk3 cups"

key=$(cat "$0" <(echo "$include") | sha256sum)
disks=("$dir/before.raw" "$dir/inplace.raw" "$dir/rebuilt.raw")
if [ "$(cat "$dir/key" 2>/dev/null)" = "$key" ] && ls "${disks[@]}" >/dev/null 2>&1; then
    cat "$dir/week.txt"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "week: only root can make these disks (mount, chroot)" >&2; exit 77; }
mkdir -p "$dir"
rm -f "$dir/key" "${disks[@]}"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The Debian part of this machine's own apt sources: all of it, and the suite as it was released.
# shellcheck disable=SC2016  # apt fills these in
now=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' |
    awk -v suite="$suite" '$2 ~ "^" suite && !seen[$0]++ { print "deb " $0 }')
then=$(awk -v suite="$suite" '$3 == suite' <<<"$now")
[ -n "$then" ] || { echo "week: apt knows no Debian $suite; run 'apt-get update'" >&2; exit 1; }
aptopts=(--aptopt='Acquire::Retries "3"')
while read -r line; do
    [ -z "$line" ] || aptopts+=(--aptopt="$line")
done < <(apt-config dump |
    grep -E '^Acquire::((https?|ftp)::Proxy|Check-(Valid-Until|Date))[ :].*"[^"]+";$' || true)

# debian SOURCES PACKAGES TAR
debian() {
    mmdebstrap --quiet --mode=root --variant=apt --format=tar "${aptopts[@]}" --include="$2" \
        --customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' "$suite" "$3" \
        <<<"$1" - >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; echo "week: mmdebstrap could not install" >&2; exit 1; }
}

# disk TAR RAW: a fresh file system with its own ids
disk() {
    truncate -s "${disk_mib}M" "$2"
    mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 "$2"
    # The mount ends with its namespace, however this ends.
    unshare --mount bash -euc '
        mount -o loop "$1" "$2"
        tar -xf "$3" -C "$2" --numeric-owner --xattrs --xattrs-include="*"
        fstrim "$2"' sh "$2" "$work/mount" "$1"
}

mkdir "$work/mount"
echo "week: installing the desktop as it was released"
debian "$then" "$include" "$work/root.tar"
disk "$work/root.tar" "$work/before.raw"
rm "$work/root.tar"

echo "week: a week of work in it"
cp --sparse=always "$work/before.raw" "$work/inplace.raw"
# shellcheck disable=SC2016
unshare --mount bash -euc '
    mount -o loop "$1" "$2"
    cp /etc/resolv.conf "$2/etc/resolv.conf" 2>/dev/null || true
    printf "%s\n" "$3" >"$2/etc/apt/sources.list"
    rm -f "$2"/etc/apt/sources.list.d/*
    printf "#!/bin/sh\nexit 101\n" >"$2/usr/sbin/policy-rc.d"
    chmod 755 "$2/usr/sbin/policy-rc.d"
    mount -t proc proc "$2/proc"
    mount --rbind /dev "$2/dev"
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    apt="apt-get -q -y --no-install-recommends -o Acquire::Check-Valid-Until=false
        -o Acquire::Check-Date=false -o Dpkg::Options::=--force-confold -o APT::Sandbox::User=root"
    chroot "$2" $apt update
    chroot "$2" $apt dist-upgrade
    chroot "$2" $apt clean
    chroot "$2" $apt install $4
    chroot "$2" $apt purge $5
    chroot "$2" $apt autoremove --purge
    chroot "$2" $apt clean
    chroot "$2" update-initramfs -u
    chroot "$2" ldconfig
    chroot "$2" fc-cache -f
    chroot "$2" dpkg-query -W -f "\${Package}=\${Version}\n" >"$6/packages.after"
    chroot "$2" apt-mark showmanual >"$6/manual.after"
    rm -f "$2/usr/sbin/policy-rc.d" "$2"/var/lib/apt/lists/*_* "$2"/var/cache/apt/*.bin
    umount -R "$2/dev" || umount -l "$2/dev"
    umount "$2/proc"
    fstrim "$2"' sh "$work/inplace.raw" "$work/mount" "$now" "$added" "$removed" "$work" \
    >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; echo "week: the work in the disk failed" >&2; exit 1; }
changes=$(grep -E '^[0-9]+ upgraded,' "$work/log" | head -n 4 | paste -sd '; ')

echo "week: installing its packages into a fresh file system"
manual=$(paste -sd, "$work/manual.after")
debian "$now" "$manual" "$work/root.tar"
disk "$work/root.tar" "$work/rebuilt.raw"

for each in before inplace rebuilt; do
    e2fsck -fn "$work/$each.raw" >"$work/fsck.log" 2>&1 ||
        { cat "$work/fsck.log" >&2; echo "week: $each.raw is not clean" >&2; exit 1; }
    mv "$work/$each.raw" "$dir"
done
{
    echo "week: $(wc -l <"$work/packages.after") packages; $changes;" \
        "$(cd "$dir" && du -m before.raw inplace.raw rebuilt.raw | awk '{ printf "%s%s %d MiB", s, $2, $1; s = ", " }')"
} | tee "$dir/week.txt"
echo "$key" >"$dir/key"

#!/bin/bash
# `image diff --files` names the files that were added, removed and changed in Linux and Windows file
# systems, whatever their names are, and says what it could not look into. It boots libguestfs' virtual
# machine twice, so only the long suite does that; the quick one sees that it fails with a sentence.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
PATH=$PATH:/sbin:/usr/sbin
[ -e "$BUILD/bin/carrel-guest-files" ] || skip "carrel-guest-files is not built: no libguestfs-dev"
if readelf -d "$carrel" | grep -q guestfs; then fail "'carrel' is linked with libguestfs"; fi
export CARREL_STORE=$work/s
"$carrel" store init s --quiet
head -c 1M /dev/urandom >disk.raw
"$carrel" image import a disk.raw --format raw --quiet >/dev/null
"$carrel" image import a disk.raw --format raw --quiet >/dev/null

mkdir none
refuses 1 "listing the files of 'a@1': 'carrel-guest-files' is not in" \
    env CARREL_LIBEXEC=none "$carrel" image diff a@1 a@2 --files --quiet
LIBGUESTFS_PATH=$work/none refuses 1 "carrel-guest-files ended with status 1: starting libguestfs" \
    "$carrel" image diff a@1 a@2 --files --quiet
[ -z "${CHECK_LONG:-}" ] && exit 0

# Ctrl-C while the machine starts ends it and leaves nothing.
mkdir t
TMPDIR=$work/t start "$carrel" image diff a@1 a@2 --files --quiet >out 2>err
machine_runs() { [ -n "$(find t -name '*guestfs*' -print -quit)" ]; }
wait_until machine_runs
kill -INT "$started"
status=0
wait "$started" || status=$?
[ "$status" = 130 ] || fail "exit status $status: $(cat err)"
[ -z "$(find t -name 'carrel-*' -print -quit)" ] || fail "a folder was left"

ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "libguestfs needs a kernel: linux-image-amd64"
disk() { # FILE FOLDER: ext4 from the folder, NTFS, swap
    truncate -s 100M "$1"
    printf 'label: gpt\nsize=32M\nsize=32M\nsize=4M\n' | sfdisk -q --no-reread --no-tell-kernel "$1"
    mkfs.ext4 -qF -d "$2" -E offset=$((2048 * 512)) "$1" 32M
    mkntfs -qFf -p 67584 -s 512 ntfs.raw >/dev/null 2>&1
    dd if=ntfs.raw of="$1" bs=512 seek=67584 conv=notrunc,sparse status=none
    mkswap -q --offset $((133120 * 512)) "$1" >/dev/null 2>&1 || true
}
truncate -s 32M ntfs.raw
mkdir -p files/etc/deep
echo 1 >files/etc/same
echo 2 >files/etc/longer
echo 3 >files/gone
ln -s same files/etc/link
disk one.raw files
printf 'more\n' >>files/etc/longer
rm files/gone
printf x >"files/etc/deep/new\\ $(printf '\033[31m\n\377')"
printf 'Windows\n' >hosts
chmod 600 files/etc/same
mkntfs -qFf -p 67584 -s 512 ntfs.raw >/dev/null 2>&1
disk two.raw files
# A file into the NTFS of the second disk.
dd if=two.raw of=ntfs.raw bs=512 skip=67584 count=65536 status=none
ntfscp -q ntfs.raw hosts hosts 2>/dev/null
dd if=ntfs.raw of=two.raw bs=512 seek=67584 conv=notrunc status=none
"$carrel" image import d one.raw --format raw --quiet >/dev/null
"$carrel" image import d two.raw --format raw --quiet >/dev/null

"$carrel" image diff d@1 d@2 --files --json >json
jq -e '.files | .added == 2 and .removed == 1 and .changed == 2' json >/dev/null || fail "$(cat json)"
jq -r '.files.list[] | "\(.change) \(.fs) \(.path) \(.bytes_before) \(.bytes_after)"' json >list
cat >expected <<'END'
added sda1 /etc/deep/new\x5c \x1b[31m\x0a\xff null 1
changed sda1 /etc/longer 2 7
changed sda1 /etc/same 2 2
removed sda1 /gone 2 null
added sda2 /hosts null 8
END
diff expected list || fail "the list of files is another"
"$carrel" image diff d@1 d@2 --files >text 2>remark
grep -qx '~ sda1:/etc/longer  2 B -> 7 B' text || fail "$(cat text)"
grep -q 'virtual machine' remark
! grep -q "$(printf '\033')" text || fail "a name reaches the terminal as it is"

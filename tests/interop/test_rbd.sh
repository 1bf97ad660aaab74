#!/bin/bash
# A version moves out to a block device of a real Ceph and in again, byte by byte, also where the
# names hold what QEMU's syntax takes for its own; one that exists is not overwritten; and a storage
# pool of libvirt lists it.
set -euo pipefail
root=$PWD
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
command -v rbd >/dev/null || skip "the program 'rbd' (ceph-common) is not installed"
compgen -G '/usr/lib/*/qemu/block-rbd.so' >/dev/null ||
    skip "QEMU's rbd driver (qemu-block-extra) is not installed"
any_ceph
pool=$(meta_pool) # librbd needs a replicated one
tag=${work##*/}   # others use the cluster too
at="?conf=$CEPH_CONF&id=admin"
rbd namespace create "$pool/$tag"

# A disk with data at both ends and a hole in the middle, that does not end with a whole chunk.
truncate -s 40M disk.raw
dd if=/dev/urandom of=disk.raw bs=64K count=50 conv=notrunc status=none
dd if=/dev/urandom of=disk.raw bs=512 seek=81900 count=21 conv=notrunc status=none
printf '\x55\xaa' | dd of=disk.raw bs=1 seek=510 conv=notrunc status=none
"$carrel" store init store >/dev/null
export CARREL_STORE=$work/store
"$carrel" --quiet image import golden disk.raw --no-trim >/dev/null

bytes_of() { # rbd's name of the image
    rbd export "$1" - 2>/dev/null
}

"$carrel" --quiet image export golden@1 "rbd:$pool/$tag.golden$at"
bytes_of "$pool/$tag.golden" | cmp - disk.raw || fail "other bytes in Ceph"
used=$(rbd du "$pool/$tag.golden" --format json 2>/dev/null | python3 -c 'import json, sys
print(json.load(sys.stdin)["images"][0]["used_size"])')
[ "$used" -lt 20000000 ] || fail "holes were written: $used bytes are used"

# Never over one that is there, unless it is said; then nothing of the old one is left.
rbd create --size 64M "$pool/$tag.old"
rbd bench --io-type write --io-size 4M --io-total 64M "$pool/$tag.old" >/dev/null 2>&1
refuses 1 "'rbd:.*old.*' exists; name another image or add --force" \
    "$carrel" --quiet image export golden "rbd:$pool/$tag.old$at"
"$carrel" --quiet image export golden "rbd:$pool/$tag.old$at" --force
bytes_of "$pool/$tag.old" | cmp - disk.raw || fail "other bytes over an old image"

# Names that QEMU's own syntax would misread; a namespace.
for name in "$tag.win:10" "$tag/plain" "$tag.a=b"; do
    "$carrel" --quiet image export golden "rbd:$pool/$name$at"
    bytes_of "$pool/$name" | cmp - disk.raw || fail "other bytes in '$name'"
    "$carrel" --quiet image import again "rbd:$pool/$name$at" --no-trim >/dev/null
done

# The free space of a file system in it is left out, as that of a disk in a file is.
truncate -s 32M fs.raw
/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 fs.raw
"$carrel" --quiet image import fs fs.raw >/dev/null
"$carrel" --quiet image export fs "rbd:$pool/$tag.fs$at"
"$carrel" image import fs "rbd:$pool/$tag.fs$at" >out 2>err
grep -q 'ext4: .* of free space left out' out || fail "$(cat out err)"

# And in again: the same chunks.
"$carrel" --quiet image import back "rbd:$pool/$tag.golden$at" --no-trim >/dev/null
root_of() { # version
    "$carrel" image show "$1" --json | jq -r .root
}
for ref in back again@1 again@3; do
    [ "$(root_of "$ref")" = "$(root_of golden@1)" ] || fail "'$ref' is another disk"
done

refuses 1 "rbd:.*none.*: " "$carrel" --quiet image import x "rbd:$pool/$tag.none$at"
refuses 1 "rbd:nopool/x.*: " "$carrel" --quiet image export golden "rbd:nopool/x$at"
refuses 1 "names no pool and image" "$carrel" --quiet image import x rbd:carrel
refuses 1 "leave the option out" "$carrel" image export golden "rbd:$pool/$tag.q$at" --format qcow2

# libvirt, on its own as an ordinary user, lists what was exported.
if ! command -v libvirtd >/dev/null ||
    ! compgen -G '/usr/lib/*/libvirt/storage-backend/*rbd.so' >/dev/null; then
    echo "libvirt's storage backend for rbd is not installed: its part was left out"
    exit 0
fi
port=$(sed -n 's/^mon_host = .*:\([0-9]*\)$/\1/p' "$CEPH_CONF")
chmod a+rx "$work"
mkdir -m 777 user
as_user() {
    env -i PATH="$PATH" HOME="$work/user" XDG_RUNTIME_DIR="$work/user" XDG_CONFIG_HOME="$work/user" \
        XDG_CACHE_HOME="$work/user" \
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}
start as_user libvirtd --pid-file "$work/user/pid" >libvirtd.log 2>&1
uri="qemu:///session?socket=$work/user/libvirt/libvirt-sock"
wait_until [ -S user/libvirt/libvirt-sock ]
cat >user/secret.xml <<XML
<secret ephemeral='yes' private='yes'><uuid>6b1d1d0a-3c0e-4f4e-9f5c-0a4f5d7d1b11</uuid>
<usage type='ceph'><name>client.admin</name></usage></secret>
XML
cat >user/pool.xml <<XML
<pool type='rbd'><name>labs</name><source><name>$pool</name>
<host name='127.0.0.1' port='$port'/>
<auth type='ceph' username='admin'><secret uuid='6b1d1d0a-3c0e-4f4e-9f5c-0a4f5d7d1b11'/></auth>
</source></pool>
XML
virsh_user() { as_user virsh -q -c "$uri" "$@"; }
virsh_user secret-define user/secret.xml >/dev/null
virsh_user secret-set-value 6b1d1d0a-3c0e-4f4e-9f5c-0a4f5d7d1b11 \
    --base64 "$(ceph auth get-key client.admin)" >/dev/null 2>&1
virsh_user pool-create user/pool.xml >/dev/null || fail "no pool: $(cat libvirtd.log)"
virsh_user vol-list labs >volumes
grep -q "^ *$tag.golden  *$pool/$tag.golden" volumes || fail "libvirt does not list it: $(cat volumes)"
virsh_user vol-info "$tag.golden" --pool labs --bytes >volume
grep -q "^Capacity: *$(stat -c %s disk.raw) " volume || fail "another size: $(cat volume)"
virsh_user pool-destroy labs >/dev/null

#!/bin/bash
# When the last chunk of the version has arrived the running machine reads the flat file itself: the
# switch is live, under reading and writing, without an I/O error and without a wrong byte, and from
# then on no daemon is in the path. A machine that starts later opens the file at once. A name that
# leads out of the cache folder is not opened.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file
sum=$(sha256sum <"$golden")
sum=${sum%% *}
mkdir -p "$cache/disks"
cp --sparse=always "$golden" "$cache/disks/root.disk"

agent_start
guest_ready
[ "$(asks status base)" = service ] || fail "not by the image service at first"
# Reads of the whole disk go on in the guest; what it reads where it never writes is known.
known='dd if=/dev/vda1 bs=64k count=192 2>/dev/null | md5sum'
before=$(guest "$known")
guest "mkdir /tmp; umount /data; (i=0; while [ \$i -lt 12 ]; do echo 3 >/proc/sys/vm/drop_caches; $known; i=\$((i + 1))
    done >/tmp/sums 2>&1; echo end >/tmp/end) >/dev/null 2>&1 & mount /dev/vda2 /data
    (i=0; while [ ! -e /tmp/end ]; do dd if=/dev/urandom of=/data/noise bs=64k count=8 2>/dev/null; sync
    cp /data/noise /tmp/noise; done) >/dev/null 2>&1 &"
ln -s ../outside "$cache/disks/link"
echo disks/root.disk >"$work/complete"
opened() { [ "$(asks status base)" = file ]; }
eventually 30 "the switch to the file" opened
touch "$work/broken" # whatever still asks the service fails from here on
guest 'until [ -e /tmp/end ]; do usleep 50000; done'
[ "$(guest "sort -u /tmp/sums; grep -c . /tmp/sums")" = "$before"$'\n12' ] || fail "wrong bytes"
guest 'echo 3 >/proc/sys/vm/drop_caches; cmp /data/noise /tmp/noise'
guest 'dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null && ! dmesg | grep -i "i/o error"' ||
    fail "the guest saw an I/O error"
! said "$out" 'state: paused' 1 || fail "the machine stood still"

# The service may die: nobody waits for it.
kill -KILL "$(pid_of nbdkit)"
eventually 20 "the service's end" said "$log" 'starting it again' 1
guest 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null'
! said "$out" 'state: waiting' 1 || fail "the machine waits for a service that it does not need"

# The machine of the next boot begins on the file.
rm "$work/broken"
guest_type 'reboot -f'
state running 2
[ "$(asks status base)" = file ] || fail "the next boot is not from the file"
touch "$work/broken"
guest_ready 2
guest '[ ! -e /data/noise ]' || fail "the overlay was not clean"
asks stop >/dev/null
agent_ends 0
no_overlay
[ "$(sha256sum <"$cache/disks/root.disk" | cut -d ' ' -f 1)" = "$sum" ] || fail "the file was changed"

# Out of the cache: a warning, and the service goes on.
rm "$work/broken"
mv "$cache/disks/root.disk" "$work/outside"
echo disks/link >"$work/complete"
agent_start
state running
[ "$(asks status base)" = service ] || fail "a link out of the cache was followed"
asks stop >/dev/null
agent_ends 0

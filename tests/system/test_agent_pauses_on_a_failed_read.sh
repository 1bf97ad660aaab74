#!/bin/bash
# When a read of the image fails for good (a chunk is damaged, the disk of the cache is full) the guest
# stands still instead of seeing an I/O error, the agent says so, and both go on when it is mended.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file

agent_start
guest_ready
: >"$work/broken"
guest 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null' &
reader=$!
state paused
grep -qx 'state: paused (a read or write of the disk failed)' "$out" || fail "another reason"
kill -0 "$reader" || fail "the guest did not wait"
rm "$work/broken"
state running 2
wait "$reader" || fail "the guest saw an I/O error"
guest '! dmesg | grep -i "i/o error"' || fail "the guest's kernel saw an I/O error"
guest_type 'poweroff -f'
agent_ends 0
states_are 'starting (tiny)' running 'paused (a read or write of the disk failed)' running \
    'stopped (the guest switched itself off)'
no_overlay

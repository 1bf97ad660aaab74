#!/bin/bash
# When the image service dies under a running guest it is started again, for the same version, and
# the guest sees a pause and no I/O error.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file

agent_start
guest_ready
guest 'dd if=/dev/vda of=/dev/null bs=1M count=30 2>/dev/null' >/dev/null
kill -KILL "$(pid_of nbdkit)"
state waiting
state running 2
grep -q "image tiny@1" <(tr '\0' ' ' <"/proc/$(pid_of carrel-blockd)/cmdline") ||
    tr '\0' ' ' <"/proc/$(pid_of bash)/cmdline" | grep -q -- '--image tiny@1' ||
    fail "its successor was not told the version"
guest 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=1M' >/dev/null ||
    fail "the guest saw an I/O error"
guest 'echo x >/data/x && sync' >/dev/null
guest '! dmesg | grep -i "i/o error"' || fail "the guest's kernel saw an I/O error"
guest_type 'poweroff -f'
agent_ends 0
no_overlay

#!/bin/bash
# The server is killed while a desktop boots from an empty cache: the guest waits, and goes on when the
# server is back; once all has come it reads the cache's file without blockd. The whole chain is real:
# store, server, mutual TLS, blockd, overlay, QEMU.
. "$(dirname "$0")/../harness/agent.sh"
. "$root/tests/harness/nbd.sh"
desktop_file
"$carrel" store init "$store" >/dev/null
"$carrel" --store "$store" image import tiny "$("$root/tests/harness/tinyguest.sh")" >/dev/null
make_pki
start_server
source=(--server "$server_url" --pki "$seat")

kept_kib() { find "$cache" -name '*.disk' -exec du -k {} + 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }
has_kept() { [ "$(kept_kib)" -gt "$1" ]; }
agent_start
eventually 120 "the first bytes of the boot" has_kept 1024
kill_server
! said "$serial.log" READY 1 || fail "the guest was up before the server was killed"
state running
kept=0 same=0
stands_still() { # nothing came for two seconds
    local now
    now=$(kept_kib)
    [ "$now" -eq "$kept" ] && same=$((same + 1)) || same=0
    kept=$now
    [ $same -ge 20 ]
}
eventually 60 "the guest to wait" stands_still
! said "$serial.log" READY 1 || fail "the guest booted without a server"
kill -0 "$agent_pid" || fail "the agent gave up"
start_server
guest_ready
has_kept "$kept" || fail "nothing was fetched after the server came back"
guest 'dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null && ! dmesg | grep -i "i/o error"' ||
    fail "the guest saw an I/O error"
# By now every chunk has come: the machine reads the file of the cache itself.
opened() { [ "$(asks status base)" = file ]; }
eventually 30 "the complete version to be opened" opened
stopped=$(pid_of nbdkit)
kill -STOP "$stopped"
guest 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null' ||
    fail "the guest still needs blockd"
kill -CONT "$stopped"
guest_type 'poweroff -f'
agent_ends 0
no_overlay
states_are 'starting (tiny)' running 'stopped (the guest switched itself off)'
said "$out" '^cache: [1-9][0-9]* bytes read, [1-9][0-9]* received; [1-9][0-9]* chunks fetched, 0 from' 1 ||
    fail "no figures of the cache at the end: $(cat "$out")"

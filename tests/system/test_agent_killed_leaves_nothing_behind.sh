#!/bin/bash
# After SIGKILL of the agent the next start ends the QEMU and the image service that were left,
# removes the overlay that was left, and boots a clean one.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file

agent_start
guest_ready
guest 'echo mine >/data/mine && sync' >/dev/null
left_qemu=$(pid_of qemu-system)
left_service=$(pid_of nbdkit)
left_overlay=$(find "$cache/overlays" -name '*.qcow2')
kill -KILL "$agent_pid"
wait "$agent_pid" 2>/dev/null || true
kill -0 "$left_qemu" || fail "QEMU did not outlive the agent: this test shows nothing"
[ -e "$left_overlay" ] || fail "the overlay did not outlive the agent: this test shows nothing"
agent_start
state running
[ ! -e "$left_overlay" ] || fail "the old overlay is still there"
! kill -0 "$left_qemu" 2>/dev/null || fail "the old QEMU still runs"
! kill -0 "$left_service" 2>/dev/null || fail "the old image service still runs"
grep -q 'an earlier session was killed; ended 1 machine' "$log" || fail "it was not said"
guest_ready
guest '[ ! -e /data/mine ]' || fail "the old overlay was booted again"
guest_type 'poweroff -f'
agent_ends 0
no_overlay

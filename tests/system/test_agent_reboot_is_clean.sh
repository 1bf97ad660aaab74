#!/bin/bash
# A guest that reboots finds a clean machine; one that powers off ends the agent with status 0 and
# leaves nothing; the states come in order.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file
before=$(sha256sum <"$golden")

agent_start
guest_ready
[ "$(guest 'cat /data/golden')" = golden ] || fail "the guest does not see the image"
guest 'echo mine >/data/mine && sync && ls /data/mine' >/dev/null
guest_type 'reboot -f'
state 'running' 2
guest_ready 2
guest '[ ! -e /data/mine ]' || fail "the file survived the reboot"
guest_type 'poweroff -f'
agent_ends 0
states_are 'starting (tiny)' running 'rebooting (clean overlay)' running \
    'stopped (the guest switched itself off)'
no_overlay
[ "$(sha256sum <"$golden")" = "$before" ] || fail "the golden image was changed"

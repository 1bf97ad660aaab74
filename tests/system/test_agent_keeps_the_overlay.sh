#!/bin/bash
# With --overlay-keep the changes survive reboots and end as a qcow2 file that names its base; an
# existing file is never overwritten. SIGTERM asks the guest to switch itself off, a second one insists.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file
kept=$work/kept.qcow2

agent_start --overlay-keep "$kept"
guest_ready
guest 'echo mine >/data/mine && sync' >/dev/null
guest_reboots
guest_ready 2
[ "$(guest 'cat /data/mine')" = mine ] || fail "the change did not survive the reboot"
guest 'umount /data'
[ ! -e "$kept" ] || fail "the file is there before the session ended"
kill -TERM "$agent_pid" # the power button, for which this guest has no ear
state stopping
kill -TERM "$agent_pid"
agent_ends 0
states_are 'starting (tiny)' running 'rebooting (same overlay)' running stopping \
    'stopped (asked to)'
[ -e "$kept" ] && [ ! -e "$kept.part" ] || fail "the overlay was not kept"
no_overlay
qemu-img info --output json "$kept" | jq -e \
    '."backing-filename" | startswith("nbd+unix:///tiny@1?socket=")' >/dev/null ||
    fail "the overlay does not name its base"

qemu-img rebase -u -F raw -b "$golden" "$kept"
qemu-img convert -O raw "$kept" "$work/merged.img"
PATH=$PATH:/usr/sbin:/sbin
[ "$(debugfs -R 'cat /mine' "$work/merged.img?offset=$((32 << 20))" 2>/dev/null)" = mine ] ||
    fail "the kept overlay does not hold the change"

sum=$(sha256sum <"$kept")
agent_start --overlay-keep "$kept"
agent_ends 1
grep -q "'$kept': the file exists" "$log" || fail "another sentence: $(cat "$log")"
[ "$(sha256sum <"$kept")" = "$sum" ] || fail "the file was changed"
no_overlay

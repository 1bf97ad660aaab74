#!/bin/bash
# SIGTERM ends the machine, the image service and the overlay; states as JSON carry rising stamps.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file

agent_start --json
eventually 60 "the machine" said "$out" '"running"' 1
overlay=$(find "$cache/overlays" -name '*.qcow2')
[ "$(qemu-img info -U --output json "$overlay" | jq -r '."backing-filename"')" = \
    "nbd+unix:///tiny@1?socket=$run/nbd.sock" ] || fail "the overlay does not name its base"
[ -n "$(pid_of qemu-system)" ] || fail "there is no QEMU"
kill -TERM "$agent_pid"
agent_ends 0
no_overlay
jq -es '[.[].state] == ["starting","running","stopping","stopped"]' "$out" >/dev/null ||
    fail "other states: $(cat "$out")"
jq -es '[.[].time] | . == sort and all(test("^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$"))' "$out" >/dev/null ||
    fail "odd time stamps: $(cat "$out")"

# A CPU without vmx and svm: software emulation, and one clear warning of it.
if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
    said "$log" 'warning: no hardware virtualisation: .*the desktop runs under software emulation' 1 ||
        fail "no warning: $(cat "$log")"
fi

#!/bin/bash
# `carrel-agent restore` takes the running desktop back to its start: same agent, same version, clean
# disk. `status` tells what runs, `stop` ends it; where nothing runs each of them says so; what is
# no request is refused, and who sends nothing disturbs nobody.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
desktop_file

refuses 1 "no desktop runs in the run folder '$run'; start one" "$agent" restore --run-dir "$run"
agent_start
guest_ready
guest 'echo mine >/data/mine && sync' >/dev/null
python3 - "$run/control.sock" <<'PYTHON'
import json, os, socket, stat, sys
assert stat.S_IMODE(os.stat(sys.argv[1]).st_mode) == 0o600
lines = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(12)]
for line in lines[:7]:
    line.connect(sys.argv[1])
def said(line, text):
    line.settimeout(20)
    line.send(text)
    return line.recv(100000)
lines[8].connect(sys.argv[1])
assert "error" in json.loads(said(lines[8], b"walk"))
for index, odd in (9, b"status\0"), (10, b"x" * 20000):
    lines[index].connect(sys.argv[1])
    assert said(lines[index], odd) == b"", odd
PYTHON
[ "$(asks status version) $(asks status) $(asks status base)" = 'tiny@1 running service' ] ||
    fail "another status: $("$agent" status --run-dir "$run")"
[ -e "$(asks status overlay)" ] || fail "no such overlay"

[ "$(asks restore)" = running ] || fail "restore did not come back with a running machine"
guest_ready 2
guest '[ ! -e /data/mine ]' || fail "the file survived"
asks stop >/dev/null
agent_ends 0
states_are 'starting (tiny)' running 'rebooting (back to the start)' running stopping \
    'stopped (asked to)'
no_overlay
[ ! -e "$run/control.sock" ] || fail "the socket was left"

agent_start --overlay-keep "$work/kept.qcow2"
state running
refuses 1 'keeps its overlay in a file' "$agent" restore --run-dir "$run"
kill -KILL "$agent_pid"

#!/bin/bash
# An overlay that is kept belongs to a person and to one version: the next session goes on with it,
# after SIGKILL too, also when there is a newer version, until the policy says so; on another root it
# is never booted. The data disk stays whatever happens to the overlay. What was thrown away can be
# listed and exported for some days. Overlays end on their schedule, or when the person leaves.
. "$(dirname "$0")/../harness/agent.sh"
tiny_image
who='Änna/1'
desktop() { desktop_file "$@" 'overlay_keep_days = 3' 'data_disk = 16M'; }
stops() { # at once: this guest has no ear for its power button
    asks stop >/dev/null
    asks stop >/dev/null
    agent_ends 0
}
listed() { "$agent" overlays ls --cache "$cache" --json | jq -r "$1"; }
desktop 'overlay = keep' 'overlay_for = person'
printf '%064d' 1 >"$work/root"

agent_start
agent_ends 1
grep -q 'say who it is with --person NAME' "$log" || fail "nobody is asked for: $(cat "$log")"
agent_start --person "$who"
guest_ready
[ "$(guest 'cat /sys/block/vdb/serial; echo')" = carrel-data ] || fail "no data disk"
guest 'echo mine >/data/mine && sync && echo private | dd of=/dev/vdb conv=fsync 2>/dev/null' >/dev/null
guest_type 'poweroff -f'
agent_ends 0
[ -f "$cache/overlays-kept/person-%C3%84nna%2F1/tiny@1/overlay.qcow2" ] || fail "$(find "$cache")"
no_overlay

# There is a newer version by now; then a crash.
echo 2 >"$work/newest"
agent_start --person "$who"
guest_ready
[ "$(asks status version)" = tiny@1 ] || fail "the overlay was taken to another version"
[ "$(guest 'cat /data/mine; head -c 8 /dev/vdb')" = $'mine\nprivate' ] || fail "the work is gone"
refuses 1 'another session uses it; stop that one' "$agent" run "${source[@]}" --image tiny --cache "$cache" \
    --run-dir "$work/run2" --desktop "$work/desktop" --person "$who"
guest 'echo more >/data/more && sync' >/dev/null
kill -KILL "$agent_pid"
wait "$agent_pid" 2>/dev/null || true
agent_start --person "$who"
guest_ready
[ "$(guest 'cat /data/more')" = more ] || fail "what was synced before the crash is gone"

# Back to the start: the overlay is clean, the data disk is as it was.
[ "$(asks restore)" = running ] || fail "no restore"
guest_ready 2
[ "$(guest 'ls /data/m* 2>/dev/null; head -c 8 /dev/vdb')" = private ] || fail "not clean"
stops
[ "$(listed '[.[] | select(.kept | not)] | map("\(.version) \(.person)") | join(",")')" = \
    "tiny@1 $who" ] || fail "not on the shelf: $(listed .)"
"$agent" overlays export --cache "$cache" "$(listed '.[] | select(.kept | not).id')" "$work/back.qcow2"
qemu-img rebase -u -F raw -b "$golden" "$work/back.qcow2"
qemu-img convert -O raw "$work/back.qcow2" "$work/back.img"
PATH=$PATH:/usr/sbin:/sbin
[ "$(debugfs -R 'cat /more' "$work/back.img?offset=$((32 << 20))" 2>/dev/null)" = more ] ||
    fail "the exported overlay does not hold the work"
refuses 1 'there is none' "$agent" overlays export --cache "$cache" nothing x.qcow2

# Another person begins on the newest version; the same number on another root is another disk.
running() { # VERSION OPTION...
    local version=$1
    shift
    agent_start "$@"
    state running
    [ "$(asks status version)" = "$version" ] || fail "$(asks status version), not $version"
}
running tiny@2 --person Bea
stops
printf '%064d' 2 >"$work/root"
agent_start --person Bea
agent_ends 1
grep -q "it was made on 'tiny@2' with root 0000000000000000 and there is" "$log" || fail "$(cat "$log")"
printf '%064d' 1 >"$work/root"

# A policy that follows new versions ends the overlays of old ones; they go to the shelf if anything
# was written to them.
desktop 'overlay = keep' 'overlay_for = person' 'overlay_update = reset'
written() { dd if=/dev/urandom of="$1" bs=64k seek=16 count=8 conv=notrunc status=none; }
written "$cache/overlays-kept/person-Bea/tiny@2/overlay.qcow2"
echo 3 >"$work/newest"
running tiny@3 --person Bea
stops
[ "$(listed '[.[].version] | sort | join(" ")')" = 'tiny@1 tiny@1 tiny@2 tiny@3' ] || fail "$(listed .)"

# The first boot of a month: an overlay of last month is over, one of today is not.
desktop 'overlay = monthly'
running tiny@3
stops
note=$cache/overlays-kept/seat/tiny@3/note
written "${note%/*}/overlay.qcow2"
running tiny@3
stops
[ "$(listed '[.[] | select(.kept | not)] | length')" = 2 ] || fail "the overlay of today ended"
sed -i "s/^made .*/made $(date -d '40 days ago' +%s)/" "$note"
running tiny@3
stops
[ "$(listed '[.[] | select(.kept | not)] | length')" = 3 ] || fail "the old overlay goes on"
[ "$(stat -c %s "$cache/data-disks/seat.qcow2")" -gt 0 ] || fail "no data disk of the seat"

# Days on the shelf are over.
find "$cache/overlays-last" -name overlay.qcow2 -exec touch -d '4 days ago' {} +
desktop 'overlay = logout'
running tiny@3
[ "$(listed '[.[] | select(.kept | not)] | length')" = 0 ] || fail "still on the shelf: $(listed .)"
first=$(asks status overlay)
asks logout >/dev/null
state 'rebooting \(logout\)'
[ ! -e "$first" ] && [ -e "$(asks status overlay)" ] || fail "the overlay outlived its person"
stops
no_overlay

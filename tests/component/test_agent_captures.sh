#!/bin/bash
# carrel-agent capture makes a new version at the server: of an overlay file, and of an overlay that was
# kept in the cache, by its id. One that a desktop uses is left alone.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
agent=$BUILD/bin/carrel-agent
site_make 4
servers=(--server "$url" --sync "$sync_url" --pki pki/clients/lab --base disk@1)

overlay_make left.qcow2
dd if=/dev/urandom of=written bs=64K count=3 status=none
overlay_write left.qcow2 1M written
"$agent" capture --as disk "${servers[@]}" left.qcow2 >out
grep -q "captured 'disk@2' from 'disk@1'" out || fail "$(cat out)"
captured_whole disk@2 left.qcow2

kept=cache/overlays-kept/seat/disk@1
mkdir -p "$kept" cache/overlays
overlay_make "$kept/overlay.qcow2"
dd if=/dev/urandom of=more bs=64K count=3 status=none
overlay_write "$kept/overlay.qcow2" 2M more
printf 'carrel-overlay 1\nversion disk@1\nbytes 4194304\nmade 1714550400\n' >"$kept/note"
id=$("$agent" overlays ls --cache cache --json | jq -r '.[0].id')
[ "$id" != null ] || fail "the overlay is not listed: $("$agent" overlays ls --cache cache)"
refuses 1 "there is none" "$agent" capture --as lab-image --cache cache "${servers[@]}" nobody
exec {lock}<"$kept"
flock -x "$lock"
refuses 1 "a running desktop uses it" "$agent" capture --as lab-image --cache cache "${servers[@]}" "$id"
exec {lock}<&-
"$agent" capture --as lab-image --cache cache "${servers[@]}" --json "$id" >out
[ "$(jq -r '[.image, .version, .branch] | join(" ")' out)" = "lab-image 1 false" ] || fail "$(cat out)"
captured_whole lab-image@1 "$kept/overlay.qcow2"
refuses 2 "stands before all options" "$agent" --json capture

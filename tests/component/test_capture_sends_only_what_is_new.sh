#!/bin/bash
# A capture makes a version of what the overlay shows; after 5 % more was written, the second one
# moves the new chunks and nothing else. 64 MiB are written, with CHECK_LONG 1 GiB.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
mib=64
[ -z "${CHECK_LONG:-}" ] || mib=1024
site_make $((mib * 2))

overlay_make overlay.qcow2
dd if=/dev/urandom of=written bs=1M count=$mib status=none
overlay_write overlay.qcow2 $((mib / 2))M written
capture lab overlay.qcow2 --json --message "first" >first.json
[ "$(jq -r '[.image, .version, .branch, .chunks_sent] | join(" ")' first.json)" = \
    "disk 2 false $((mib * 16))" ] || fail "the first capture: $(cat first.json)"
captured_whole disk@2 overlay.qcow2
[ "$("$carrel" --store store --json image log disk | jq -r '.[] | select(.version == 2) |
    [.parent, .by, .message] | join(" ")')" = "disk@1 lab first" ] || fail "the history"

# 5 % more, in whole chunks; and a write of what is there already, which is nothing new.
chunks=$((mib * 16 / 20))
dd if=/dev/urandom of=more bs=64K count=$chunks status=none
overlay_write overlay.qcow2 $((mib / 2 + 3))M more
dd if=disk.raw of=same bs=64K count=20 status=none
overlay_write overlay.qcow2 0 same
capture lab overlay.qcow2 --json >second.json
[ "$(jq -r '[.image, .version, .branch, .chunks_sent] | join(" ")' second.json)" = \
    "disk 3 false $chunks" ] || fail "the second capture moves more than is new: $(cat second.json)"
# Random chunks do not get smaller; beside them travel footers, segments and a manifest.
new=$((chunks * 65536)) sent=$(jq .bytes_sent second.json)
((sent >= new && sent < new + new / 50 + 200000 * (1 + mib / 128))) ||
    fail "$sent bytes were sent for $new new ones"
captured_whole disk@3 overlay.qcow2
captured_whole disk@1 disk.raw

# Nothing written since: no new version.
capture lab overlay.qcow2 --json >third.json
[ "$(jq -r '[.version, .chunks_sent] | join(" ")' third.json)" = "3 0" ] ||
    fail "a capture of nothing new: $(cat third.json)"

# Another image from the same overlay: no chunk travels, the server has them all.
capture lab overlay.qcow2 --json --as copy >fourth.json
[ "$(jq -r '[.image, .version, .branch, .chunks_sent] | join(" ")' fourth.json)" = \
    "copy 1 false 0" ] || fail "a capture under another name: $(cat fourth.json)"
captured_whole copy@1 overlay.qcow2
echo "first $(jq .bytes_sent first.json) bytes, second $sent bytes for $chunks new chunks"

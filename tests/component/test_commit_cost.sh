#!/bin/bash
# The cost of a commit follows what was written: chunks that the overlay replaces whole, and all those
# that it leaves alone, are not read from the base, and only what is new is stored.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 40M /dev/urandom >base.raw
truncate -s 1T base.raw
"$carrel" image import pc base.raw --format raw --quiet >/dev/null
qemu-img create -q -f qcow2 -b base.raw -F raw overlay.qcow2
qemu-io -c 'write -q -P 1 1M 1M' -c 'write -q -P 2 900G 64k' overlay.qcow2

# Without one pack of the base there is nothing to be read from it.
mv s/packs away
mkdir s/packs
"$carrel" image commit pc overlay.qcow2 --base pc@1 --json >out
jq -e '.new_chunks == 2 and .stored_bytes < 500000 and .disk_bytes == 1099511627776' out >/dev/null ||
    fail "$(cat out)"
mv away/* s/packs/
rmdir away
"$carrel" image diff pc@1 pc@2 --json |
    jq -e '.chunks_changed == 16 and .chunks_added == 1 and .segments_changed == 2' >/dev/null
"$carrel" image verify pc@2 --quiet

# A part of a chunk needs the base's chunk: without it the commit is refused and nothing appears.
qemu-img create -q -f qcow2 -o cluster_size=4k -b base.raw -F raw part.qcow2
qemu-io -c 'write -q -P 3 8M 4k' part.qcow2
mv s/packs away
mkdir s/packs
refuses 1 "chunk '[0-9a-f]{64}' is missing" "$carrel" image commit pc part.qcow2 --base pc@1
rmdir s/packs
mv away s/packs
"$carrel" image log pc --json | jq -e 'length == 2' >/dev/null
"$carrel" image commit pc part.qcow2 --base pc@1 --quiet 2>/dev/null | grep -q '^pc@3 '

#!/bin/bash
# A store in Ceph does what one in a folder does: versions go in, are listed, verified, come out and
# go away. An image has one writer; one that was suspended until another wrote publishes nothing.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
any_ceph
CARREL_STORE=$(rados_uri store lease=3)
export CARREL_STORE

refuses 1 "there is no store .*carrel store init" "$carrel" store stat
"$carrel" store init "$CARREL_STORE" >/dev/null
refuses 1 "there is a store .* already" "$carrel" store init "$CARREL_STORE"
head -c 9M /dev/urandom >one.raw
{ head -c 2M one.raw; head -c 7M /dev/urandom; } >two.raw
"$carrel" image import disk one.raw --format raw --quiet >/dev/null
"$carrel" image import disk two.raw --format raw --quiet >/dev/null
"$carrel" image verify disk@1 --quiet
"$carrel" image export disk@2 out.raw --quiet
cmp out.raw two.raw
[ "$("$carrel" --json store stat | jq .versions)" = 2 ] || fail "not two versions"
"$carrel" image rm disk@1 --quiet
"$carrel" image verify disk@2 --quiet
refuses 1 "no version 1" "$carrel" image verify disk@1

packs() {
    rados -p "$(sed 's/^rados://; s/\/.*//' <<<"$CARREL_STORE")" -N "${work##*/}.store.packs" ls | wc -l
}
more_packs() {
    [ "$(packs)" -gt "$before" ]
}
import_small() {
    "$carrel" image import busy one.raw --format raw --quiet >/dev/null
}

# Suspended while it writes: another one is refused as long as the lease lasts, then writes.
head -c 100M /dev/urandom >large.raw
before=$(packs)
start "$carrel" image import busy large.raw --format raw --threads 1 --quiet >out.late 2>err.late
wait_until more_packs
kill -STOP "$started"
refuses 1 "image 'busy' .*written by another process \(pid $started on .*3 s are enough" \
    "$carrel" image import busy one.raw --format raw
wait_until import_small
kill -CONT "$started"
status=0
wait "$started" || status=$?
[ "$status" = 1 ] || fail "the late writer ended with $status: $(cat out.late err.late)"
grep -q "image 'busy' was not changed: this process was silent" err.late || fail "$(cat err.late)"
[ "$("$carrel" --json image log busy | jq -r '[.[].version] | join(" ")')" = 1 ] ||
    fail "$("$carrel" image log busy)"
"$carrel" image verify busy@1 --quiet

# Killed while it writes: the next one need not wait.
head -c 100M /dev/urandom >large.raw
before=$(packs)
start "$carrel" --store "$(rados_uri store lease=3600)" image import busy large.raw --format raw \
    --threads 1 --quiet
wait_until more_packs
kill -KILL "$started"
wait "$started" || true
import_small

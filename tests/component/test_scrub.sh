#!/bin/bash
# `store scrub` finds what is damaged and says so by its status; with --repair it mends what another
# place has, and what none has comes back by importing the disk again; one that is stopped goes on.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
export CARREL_STORE=$work/store

head -c 12M /dev/urandom >one.raw
"$carrel" store init store >/dev/null
"$carrel" image import disk one.raw --format raw >/dev/null
"$carrel" store scrub >out
grep -q '^192 chunks in .* are whole' out || fail "$(cat out)"
cp -r store copy

rot() { printf '\377\376' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
some_pack() { find store/packs -type f | sort | head -n 1; }

# A rotten frame: found, not mended unasked; then lost, and brought back by the same import.
rot "$(some_pack)" 100000
status=0
"$carrel" store scrub >out || status=$?
[ "$status" = 1 ] || fail "status $status"
grep -qE '^damaged: pack [0-9a-f]{64}: chunk ' out || fail "$(cat out)"
"$carrel" --json store scrub >out && fail "damage, and status 0"
[ "$(jq '.damaged | length' out)" = 1 ] || fail "$(cat out)"
"$carrel" store scrub --repair >out && fail "damage, and status 0"
grep -q '1 damaged, 0 repaired, 1 chunks lost' out || fail "$(cat out)"
"$carrel" store scrub >/dev/null || fail "the store is not clean after a repair"
"$carrel" image verify disk >/dev/null && fail "a lost chunk is not missed"
"$carrel" image import disk one.raw --format raw >/dev/null
"$carrel" image verify disk@1 >/dev/null || fail "importing again did not bring it back"

# From a copy of the store: nothing is lost. A footer needs no copy.
rot "$(some_pack)" 100000
rot "$(find store/segments -type f)" 50
rot "$(find store/manifests -type f)" 50
"$carrel" store scrub --repair --from copy >out && fail "damage, and status 0"
grep -q '3 damaged, 3 repaired, 0 chunks lost' out || fail "$(cat out)"
pack=$(some_pack)
rot "$pack" $(($(stat -c %s "$pack") - 30))
"$carrel" store scrub --repair >out && fail "damage, and status 0"
grep -q '1 damaged, 1 repaired, 0 chunks lost' out || fail "$(cat out)"
"$carrel" store scrub >/dev/null
"$carrel" image export disk out.raw >/dev/null
cmp out.raw one.raw

# Interrupted and killed it goes on, and the rate is kept to.
begin=$(date +%s%N)
start "$carrel" store scrub --rate 4M
# After a second at this rate it is through with the first pack.
while [ $((($(date +%s%N) - begin) / 1000000)) -lt 1300 ]; do read -rt 0.02 <> <(:) || true; done
kill -INT "$started"
status=0
wait "$started" || status=$?
[ "$status" = 130 ] || fail "interrupted: status $status"
if [ -e store/state/scrub ]; then
    "$carrel" --json store scrub >out
    [ "$(jq .resumed out)" = true ] || fail "it did not go on: $(cat out)"
fi
[ ! -e store/state/scrub ] || fail "the end was not reached"
refuses 1 "'0' is no number of bytes" "$carrel" store scrub --rate 0
refuses 1 "'--from' needs '--repair'" "$carrel" store scrub --from copy

#!/bin/bash
# A collector that runs over and over beside importing, removing and reading processes takes nothing
# from any of them, and one whose lock is held says who holds it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
export CARREL_STORE=$work/store
rounds=3
[ -z "${CHECK_LONG:-}" ] || rounds=25

"$carrel" store init store >/dev/null
for n in 1 2 3; do head -c 4M /dev/urandom >$n.raw; done

# Each image goes through disks that the others have just removed, so that all want what is condemned.
life() { # NAME FIRST
    local i n
    for ((i = 1; i <= rounds; i++)); do
        n=$((($2 + i) % 3 + 1))
        "$carrel" image import "$1" $n.raw --format raw --quiet >/dev/null
        "$carrel" image export "$1" "$1.out" --force --quiet >/dev/null
        cmp "$1.out" $n.raw || return 1
        [ "$i" = "$rounds" ] || "$carrel" image rm "$1@$i" --quiet >/dev/null
    done
}
lives=()
for first in 0 1 2; do
    life "img$first" "$first" &
    lives+=($!)
    started_pids+=($!)
done
passes=0
while kill -0 "${lives[@]}" 2>/dev/null; do
    "$carrel" store gc --grace 0 --quiet || fail "the collector: pass $passes"
    passes=$((passes + 1))
done
for pid in "${lives[@]}"; do wait "$pid" || fail "an import, export or rm failed"; done
"$carrel" store gc --grace 0 --quiet
for first in 0 1 2; do
    "$carrel" image verify "img$first" >/dev/null || fail "img$first is not whole"
done
echo "$passes passes beside $rounds rounds of three images"

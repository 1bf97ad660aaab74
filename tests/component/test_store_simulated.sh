#!/bin/bash
# Random interleavings of publish, read, remove, gc, scrub, failing calls, crashes and power cuts: every
# id reachable from a live root is readable and verifies, every publish that was told of is there, and
# the collector leaves nothing behind. 200 seeds, with CHECK_LONG 10,000. A seed replays exactly, and
# planted faults are found: those that show at once here, all with CHECK_LONG.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
sim=$BUILD/sim/sim

seeds=200
[ -z "${CHECK_LONG:-}" ] || seeds=10000
"$sim" 1 $seeds || fail "a world went wrong"

for seed in 7 42; do
    "$sim" --trace $seed 1 >one
    "$sim" --trace $seed 1 >again
    [ "$(wc -l <one)" -gt 50 ] || fail "seed $seed does next to nothing"
    cmp one again || fail "seed $seed does not replay exactly"
done

mutants=(lazy-sync no-leases no-marks)
[ -z "${CHECK_LONG:-}" ] || mutants+=(put-keeps-mark removes-any no-fence)
for mutant in "${mutants[@]}"; do
    ! "$sim" --mutant "$mutant" 1 10000 >found || fail "the planted fault '$mutant' was not found"
    echo "found '$mutant': $(head -n 1 found | cut -c 1-200)"
done

#!/bin/bash
# kill -9 at any system call of an import into Ceph leaves every earlier version whole and the new one
# absent or whole, and the next import succeeds at once. With CHECK_LONG every call that can change
# something outside the process is tried, else one of 15.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
any_ceph
CARREL_STORE=$(rados_uri store lease=600)
export CARREL_STORE
"$carrel" store init "$CARREL_STORE" >/dev/null
head -c 1M /dev/urandom >base.raw
"$carrel" image import base base.raw --format raw --quiet >/dev/null

step=15 points=0 absent=0 whole=0
[ -z "${CHECK_LONG:-}" ] || step=1
for ((n = 1; ; n += step)); do
    head -c 300K /dev/urandom >new.raw
    status=0
    "$BUILD/harness/killat" "$n" changes "$carrel" image import "i$n" new.raw --format raw --threads 1 \
        --quiet >out 2>err || status=$?
    [ "$status" = 137 ] || break
    points=$((points + 1))
    "$carrel" image verify base@1 --quiet || fail "killed at call $n: base is no longer whole"
    if "$carrel" image export "i$n@1" out.raw --quiet --force 2>err.export; then
        cmp out.raw new.raw || fail "killed at call $n: other bytes"
        whole=$((whole + 1))
    else
        grep -q "there is no image" err.export || fail "killed at call $n: $(cat err.export)"
        absent=$((absent + 1))
    fi
    "$carrel" image import "i$n" new.raw --format raw --quiet >/dev/null ||
        fail "killed at call $n: the next import fails"
    rm -f out.raw
done
[ "$status" = 0 ] || fail "the import that nobody killed: $(cat err)"
echo "killed at $points points: done after $whole, not done after $absent"
((points >= 8 && absent > 0 && whole > 0)) || fail "too few points to tell"

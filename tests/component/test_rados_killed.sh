#!/bin/bash
# kill -9 at any system call of an import into Ceph leaves every earlier version whole and the new one
# absent or whole, and the next import succeeds at once. With CHECK_LONG every system call is tried
# from where the store is touched on (before, while Ceph's library starts and connects, every 24th);
# else every 8th of those that can change something outside the process.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"
. "$root/tests/harness/rados.sh"
any_ceph
CARREL_STORE=$(rados_uri store lease=600)
export CARREL_STORE
"$carrel" store init "$CARREL_STORE" >/dev/null
head -c 1M /dev/urandom >base.raw
"$carrel" image import base base.raw --format raw --quiet >/dev/null

store_reset() { head -c 300K /dev/urandom >new.raw; }
store_touched() { # the first thing that is written is the lock of the image
    rados -p "$(meta_pool)" -N "${work##*/}.store.locks" ls | grep -qx "i$try"
}
after_kill() {
    "$carrel" image verify base@1 --quiet || killed_here "base is no longer whole"
    if "$carrel" image export "i$try@1" out.raw --quiet --force 2>err.export; then
        cmp out.raw new.raw || killed_here "other bytes"
        outcome=whole
    else
        grep -q "there is no image" err.export || killed_here "$(cat err.export)"
        outcome=absent
    fi
    "$carrel" image import "i$try" new.raw --format raw --quiet >/dev/null ||
        killed_here "the next import fails"
}
next_works() { :; } # after each

# shellcheck disable=SC2034  # killed.sh reads them
far=60 stride=8
[ -z "${CHECK_LONG:-}" ] || far=24 back=100
killed_everywhere 8 "$carrel" image import i%n new.raw --format raw --threads 1 --quiet

#!/bin/bash
# kill -9 at any system call of `store gc` and of `store copy` on Ceph leaves every version whole, and
# the next run ends the work: nothing is left that no version needs, the copy is equal. Of the calls that
# can change something outside the process some are tried, with CHECK_LONG every one.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"
. "$root/tests/harness/rados.sh"
any_ceph
# shellcheck disable=SC2034  # killed.sh reads them
calls=changes far=60 back=10 # of gc about 600, of copy about 400
data_pool=${CARREL_TEST_RADOS%%\?*}
import() { # STORE IMAGE DISK
    "$carrel" --store "$1" image import "$2" "$3" --format raw --quiet >/dev/null
}
whole() { # STORE NAME@N FILE
    "$carrel" --store "$1" image export "$2" out.raw --quiet --force && cmp out.raw "$3" ||
        killed_here "$2 is not what it was"
}
objects() { # STORE SPACE
    local pool=$data_pool
    [ "$2" = packs ] || pool=$(meta_pool)
    rados -p "$pool" -N "${work##*/}.$1.$2" ls
}

# --- gc ------------------------------------------------------------------------------------------
# A version whose packs are dead in whole, and one that leaves a pack to be written again.
gc_store=$(rados_uri gc lease=600)
"$carrel" store init "$gc_store" >/dev/null
head -c 64K /dev/urandom >kept.raw
import "$gc_store" disk kept.raw
newest=1
store_reset() {
    head -c 1M /dev/urandom >one.raw
    head -c 128K one.raw >two.raw
    import "$gc_store" disk one.raw
    import "$gc_store" disk two.raw
    "$carrel" --store "$gc_store" image rm "disk@$newest" --quiet >/dev/null
    "$carrel" --store "$gc_store" image rm "disk@$((newest + 1))" --quiet >/dev/null
    newest=$((newest + 2))
    objects gc packs | sort >packs.before
    rados -p "$(meta_pool)" -N "${work##*/}.gc.state" get generation generation.before 2>/dev/null ||
        : >generation.before
}
store_touched() { # first of all the generation is raised
    rados -p "$(meta_pool)" -N "${work##*/}.gc.state" get generation generation.now 2>/dev/null ||
        : >generation.now
    ! cmp -s generation.before generation.now
}
after_kill() {
    whole "$gc_store" "disk@$newest" two.raw
    outcome=absent
    [ "$(objects gc packs | wc -l)" != 1 ] || outcome=whole
    "$carrel" --store "$gc_store" store gc --grace 0 --quiet >/dev/null || killed_here "the next gc fails"
    [ "$(objects gc packs | wc -l)" = 1 ] || killed_here "packs are left: $(objects gc packs)"
    [ "$(objects gc manifests | wc -l)" = 1 ] || killed_here "manifests are left"
    whole "$gc_store" "disk@$newest" two.raw
}
next_works() { :; } # after each
stride=70
killed_everywhere 5 "$carrel" --store "$gc_store" store gc --grace 0

# --- copy ----------------------------------------------------------------------------------------
"$carrel" store init source >/dev/null
head -c 5M /dev/urandom >one.raw
{ head -c 1M one.raw; head -c 1M /dev/urandom; } >two.raw
import source disk one.raw
import source disk two.raw
import source other two.raw
store_reset() {
    copy_store=$(rados_uri "copy$try" lease=600)
    "$carrel" store init "$copy_store" >/dev/null
}
store_touched() { [ -n "$(objects "copy$try" packs)" ]; }
after_kill() {
    outcome=absent
    if "$carrel" --store "$copy_store" --json image ls >ls.json && [ "$(jq length ls.json)" != 0 ]; then
        # What is listed is whole, whatever has not come yet.
        for ref in $(jq -r '.[].image' ls.json); do
            "$carrel" --store "$copy_store" image verify "$ref" --quiet || killed_here "$ref is not whole"
        done
        [ "$(jq length ls.json)" != 2 ] || outcome=whole
    fi
    "$carrel" --quiet store copy source "$copy_store" || killed_here "the next copy fails"
    whole "$copy_store" disk@1 one.raw
    whole "$copy_store" disk@2 two.raw
    whole "$copy_store" other@1 two.raw
    objects "copy$try" packs | while read -r pack; do # room for the next one
        rados -p "$data_pool" -N "${work##*/}.copy$try.packs" rm "$pack"
    done
}
stride=20
killed_everywhere 5 "$carrel" store copy source "$(rados_uri copy%n lease=600)"

#!/bin/bash
# kill -9 at any system call of `store gc` leaves every version whole, and the next collection ends
# the work: afterwards nothing is left that no version needs.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"

# Versions whose packs become dead in whole and in part, so that the pass marks, removes and packs
# again. The marks of a first pass are there.
"$carrel" store init before >/dev/null
head -c 2M /dev/urandom >one.raw
head -c 256K one.raw >two.raw
head -c 1M /dev/urandom >three.raw
"$carrel" --store before image import disk one.raw --format raw >/dev/null
"$carrel" --store before image import gone three.raw --format raw >/dev/null
"$carrel" --store before image rm gone@1 >/dev/null
"$carrel" --store before store gc >/dev/null
"$carrel" --store before image import disk two.raw --format raw >/dev/null
"$carrel" --store before image rm disk@1 >/dev/null

packs() { find store/packs -type f | wc -l; }

after_kill() {
    holds disk@2 two.raw
    outcome=absent
    [ "$(packs)" != 1 ] || outcome=whole
}

next_works() {
    "$carrel" --store store store gc --grace 0 >/dev/null
    [ "$(packs)" = 1 ] || killed_here "$(packs) packs are left"
    [ -z "$(ls store/marks)" ] || killed_here "marks are left"
    holds disk@2 two.raw
    "$carrel" --store store image import disk one.raw --format raw >/dev/null
    holds disk@3 one.raw
}

# shellcheck disable=SC2034  # of the many calls, those of three passes, every seventh is enough here
stride=7
killed_everywhere 30 "$carrel" --store store store gc --grace 0
next_works

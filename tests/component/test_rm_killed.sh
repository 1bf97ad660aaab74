#!/bin/bash
# kill -9 at any system call of `image rm` leaves the version listed and whole or gone, all others
# whole, and the number of a version that is gone is never given to another one.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"

"$carrel" store init before >/dev/null
for disk in one two three; do
    head -c 256K /dev/urandom >$disk.raw
    "$carrel" --store before image import disk $disk.raw --format raw >/dev/null
done

after_kill() {
    holds disk@1 one.raw
    holds disk@2 two.raw
    outcome=$(versions)
    case $outcome in
        "1 2 3") verified disk@3; outcome=absent ;;
        "1 2") outcome=whole ;;
    esac
}

next_works() {
    "$carrel" --store store image rm disk@2 >/dev/null
    "$carrel" --store store image import disk three.raw --format raw >/dev/null
    holds disk@4 three.raw
    holds disk@1 one.raw
}

killed_everywhere 8 "$carrel" --store store image rm disk@3
# However few its calls are, what comes after the last one works as well.
next_works

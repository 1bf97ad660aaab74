#!/bin/bash
# kill -9 at any system call of an import leaves every earlier version whole and the new one absent
# or whole, and the next import succeeds. With CHECK_LONG every system call is tried, else
# those that can change something outside the process.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"

# Two disks of incompressible data that fill more than one pack each and share a part.
head -c 6M /dev/urandom >one.raw
{ head -c 1M one.raw; head -c 5M /dev/urandom; } >two.raw
"$carrel" store init before >/dev/null
"$carrel" --store before image import disk one.raw --format raw >/dev/null

after_kill() {
    verified disk@1
    outcome=$(versions)
    case $outcome in
        1) outcome=absent ;;
        "1 2") holds disk@2 two.raw; outcome=whole ;;
    esac
}

next_works() {
    "$carrel" --store store image import disk two.raw --format raw >/dev/null
    holds disk two.raw
}

killed_everywhere 50 "$carrel" --store store image import disk two.raw --format raw --threads 2

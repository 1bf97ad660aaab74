#!/bin/bash
# kill -9 at any system call of a commit leaves the version below and every other one whole and the
# new layer absent or whole, and the next commit of the same overlay succeeds.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"

head -c 1M /dev/urandom >one.raw
head -c 1M /dev/urandom >other.raw
"$carrel" store init before >/dev/null
"$carrel" --store before image import disk one.raw --format raw >/dev/null
"$carrel" --store before image import disk other.raw --format raw >/dev/null
qemu-img create -q -f qcow2 -b one.raw -F raw overlay.qcow2
qemu-io -c 'write -q -P 7 128k 192k' -c 'write -q -z 512k 64k' overlay.qcow2
qemu-img convert -O raw overlay.qcow2 changed.raw

after_kill() {
    verified disk@1
    verified disk@2
    outcome=$(versions)
    case $outcome in
        "1 2") outcome=absent ;;
        "1 2 3") holds disk@3 changed.raw; outcome=whole ;;
    esac
}

next_works() {
    "$carrel" --store store image commit disk overlay.qcow2 --base disk@1 --quiet >/dev/null
    holds disk changed.raw
    holds disk@1 one.raw
}

killed_everywhere 20 "$carrel" --store store image commit disk overlay.qcow2 --base disk@1 --threads 1

#!/bin/bash
# A disk that is full in the middle of an import: one sentence, every earlier version whole, nothing left
# behind that cannot be used; with room again the same import succeeds.
set -euo pipefail
script=$PWD/tests/component/test_import_full_disk.sh
# A file system of a stated size needs a mount of our own.
if [ -z "${INSIDE:-}" ]; then
    unshare -m true 2>/dev/null || {
        echo "not allowed to mount a small file system here"
        exit 77
    }
    INSIDE=1 exec unshare -m "$script"
fi
. "$PWD/tests/harness/lib.sh"
trap 'umount -l "$work/small" 2>/dev/null || true; cleanup' EXIT
mkdir small
mount -t tmpfs -o size=12M tmpfs small
export CARREL_STORE=small/s
"$carrel" store init small/s --quiet
head -c 3M /dev/urandom >first.raw
head -c 20M /dev/urandom >large.raw
"$carrel" image import first first.raw --format raw --quiet >/dev/null

refuses 1 "store 'small/s' is full .*make room and run the same command again, nothing is lost" \
    "$carrel" image import large large.raw --format raw --quiet
"$carrel" image ls --json | jq -e 'map(.image) == ["first"]' >/dev/null || fail "a version appeared"
"$carrel" image verify first --quiet
[ -z "$(ls small/s/tmp)" ] || fail "files were left in tmp"

mount -o remount,size=64M small
"$carrel" image import large large.raw --format raw --quiet >/dev/null
"$carrel" image verify large --quiet
"$carrel" image export large out.raw --quiet
cmp out.raw large.raw

# An export on a full disk leaves no file.
mount -o remount,size=30M small
refuses 1 "cannot write 'small/out.raw': make room and export again" \
    "$carrel" image export large small/out.raw --quiet
refuses 1 "cannot write 'small/out.qcow2'" \
    "$carrel" image export large small/out.qcow2 --format qcow2 --quiet
[ "$(ls small)" = s ] || fail "an export left $(ls small)"

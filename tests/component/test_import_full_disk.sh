#!/bin/bash
# A disk that is full in the middle of an import: one sentence, every earlier version whole, nothing left
# behind that cannot be used; with room again the same import succeeds.
set -euo pipefail
script=$PWD/tests/component/test_import_full_disk.sh
# A file system of a stated size needs a mount of our own: as root, or as the root of a user namespace.
if [ -z "${INSIDE:-}" ]; then
    for apart in -m -rm; do
        # shellcheck disable=SC2016  # for the inner shell
        if unshare "$apart" sh -c 'mount -t tmpfs -o size=1M tmpfs "$1"' sh "$(dirname "$script")" \
            2>/dev/null; then
            INSIDE=1 exec unshare "$apart" "$script"
        fi
    done
    echo "not allowed to mount a small file system here"
    exit 77
fi
. "$PWD/tests/harness/lib.sh"
trap 'umount -l "$work/small" 2>/dev/null || true; cleanup' EXIT
resize() { # SIZE; the options shown of the mount need not mean anything in a user namespace
    mount --options-mode=ignore --source tmpfs --target "$work/small" -o "remount,size=$1"
}
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

resize 64M
"$carrel" image import large large.raw --format raw --quiet >/dev/null
"$carrel" image verify large --quiet
"$carrel" image export large out.raw --quiet
cmp out.raw large.raw

# An export on a full disk leaves no file.
resize 30M
refuses 1 "cannot write 'small/out.raw': make room and export again" \
    "$carrel" image export large small/out.raw --quiet
refuses 1 "cannot write 'small/out.qcow2'" \
    "$carrel" image export large small/out.qcow2 --format qcow2 --quiet
[ "$(ls small)" = s ] || fail "an export left $(ls small)"

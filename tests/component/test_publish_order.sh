#!/bin/bash
# What a version refers to is on the disk before the version appears: of an import each file is synced
# before it gets its name, packs/ before the first segment, segments/ before the manifest, manifests/
# before the head, heads/ before the user is told. Without any one of these fsyncs the test would fail.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
strace -o probe true 2>/dev/null || skip "not allowed to trace a program here"

# More than one pack, more than one segment; the second version also adds to what is there.
head -c 6M /dev/urandom >one.raw
truncate -s 300M one.raw
printf 'in the second segment' | dd of=one.raw bs=1M seek=290 conv=notrunc status=none
{ head -c 1M one.raw; head -c 6M /dev/urandom; } >two.raw
"$carrel" store init s >/dev/null
for disk in one two; do
    strace -f -y -e trace=openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2 \
        -o "$disk.trace" "$carrel" --store s image import disk "$disk.raw" --format raw \
        --threads 2 >out
    python3 "$root/tests/harness/publish_order.py" "$disk.trace" ||
        fail "the order of '$disk.trace' is wrong"
    python3 "$root/tests/harness/publish_order.py" --mutants "$disk.trace" ||
        fail "the order of '$disk.trace' is judged too kindly"
done

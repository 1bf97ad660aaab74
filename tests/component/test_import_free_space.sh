#!/bin/bash
# What stands in the free space of an ext4 partition is left out of the version and nothing else is; the
# file system in the export is whole and its files are the same. --no-trim keeps all bits.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet

# A partition table, one ext4 in it with a file that stays and one that was deleted.
truncate -s 64M part
mkfs.ext4 -q -F part
head -c 4M /dev/urandom >stays
head -c 16M /dev/urandom >goes
debugfs -w part >/dev/null 2>&1 <<END
write stays stays
write goes goes
rm goes
END
truncate -s 80M disk.raw
echo 'start=2048, size=131072, type=83' | sfdisk -q disk.raw
dd if=part of=disk.raw bs=1M seek=1 conv=notrunc,sparse status=none
before=$(sha256sum <disk.raw)

"$carrel" image import disk disk.raw --json >out
jq -e '.free_space | length == 1 and .[0].type == "ext4" and .[0].partition == 1 and
    .[0].offset == 1048576 and .[0].not_trimmed == null and .[0].free_bytes > 16000000' out >/dev/null ||
    fail "the report: $(cat out)"
jq -e '.data_bytes < 8000000' out >/dev/null || fail "the deleted file was stored"
"$carrel" image import disk disk.raw | grep -q '^  partition 1, 64.0 MiB ext4: .* of free space left out$'
"$carrel" image export disk out.raw --quiet
dd if=out.raw of=part.out bs=1M skip=1 count=64 status=none
e2fsck -fn part.out >/dev/null 2>&1 || fail "the file system in the export is damaged"
debugfs -R "dump stays stays.out" part.out 2>/dev/null
cmp stays stays.out

"$carrel" image import all disk.raw --no-trim --json >out
jq -e 'has("free_space") | not' out >/dev/null || jq -e '.free_space == []' out >/dev/null
rm out.raw
"$carrel" image export all out.raw --quiet
cmp disk.raw out.raw
[ "$(sha256sum <disk.raw)" = "$before" ] || fail "the import changed the disk"

# A file system that needs its journal is kept whole, and a line says so.
debugfs -w -R "feature needs_recovery" part >/dev/null 2>&1
dd if=part of=disk.raw bs=1M seek=1 conv=notrunc status=none
"$carrel" image import dirty disk.raw >out
grep -q '^  partition 1, 64.0 MiB ext4: kept whole, ' out || fail "the report: $(cat out)"
rm out.raw
"$carrel" image export dirty out.raw --quiet
cmp disk.raw out.raw

#!/bin/bash
# A store is made only where nothing is, told by path or URI, and says what it holds.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"

"$carrel" store init s | grep -q "made an empty store at 's'"
"$carrel" store init "dir:$work/t" --json | jq -e '.store == "dir:'"$work"'/t"' >/dev/null
"$carrel" --store t store stat --json | jq -e '.images == 0 and .packs == 0' >/dev/null
mkdir full
touch full/thing
refuses 1 "'full'" "$carrel" store init full
[ "$(ls full)" = thing ] || fail "store init changed a folder that it refused"
refuses 1 "'s'" "$carrel" store init s

head -c 1M /dev/urandom >disk.raw
"$carrel" --store s image import a disk.raw --format raw >/dev/null
CARREL_STORE=dir:s "$carrel" store stat --json |
    jq -e '.images == 1 and .versions == 1 and .chunks == 16 and .manifests == 1 and
        .pack_bytes > 1048576' >/dev/null
"$carrel" store stat --store=s | grep -q '^chunks  *16$'

refuses 1 "there is no store at 'nowhere'; .carrel store init nowhere. makes one" \
    "$carrel" --store nowhere image ls
refuses 1 "'full' is not a Carrel store" "$carrel" --store full image ls
refuses 1 "store 'ftp://x': unknown kind" "$carrel" --store ftp://x image ls

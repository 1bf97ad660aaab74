#!/bin/bash
# ls, show, log, diff and rm tell of versions, for people and as JSON; a removed version takes nothing
# from those made of it, and its number is never used again.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet

head -c 512K /dev/urandom >one.raw
{ head -c 256K one.raw; head -c 128K /dev/urandom; head -c 128K /dev/zero; head -c 64K one.raw; } >two.raw
"$carrel" image import a one.raw --format raw --message "first, größer" >/dev/null
"$carrel" image import a two.raw --format raw --parent a@1 >/dev/null
"$carrel" image import b one.raw --format raw --parent a@2 --message 'other' >/dev/null

# Identical content has one root, whoever imports it.
[ "$("$carrel" image show a@1 --json | jq -r .root)" = "$("$carrel" image show b --json | jq -r .root)" ]
"$carrel" image show a@1 --json | jq -e '.ref == "a@1" and .parent == null and
    .message == "first, größer" and .disk_bytes == 524288 and .data_bytes == 524288' >/dev/null
"$carrel" image show b --json | jq -e '.ref == "b@1" and .parent == "a@2"' >/dev/null
"$carrel" image show a | grep -q '^  made from a@1$'
"$carrel" image ls --json | jq -e 'map(.image) == ["a", "b"] and .[0].versions == 2 and
    .[0].newest.ref == "a@2"' >/dev/null
"$carrel" image ls | grep -q '^a@2 *2 '
"$carrel" image diff a@1 a@2 --json | jq -e '.chunks_equal == 4 and .chunks_changed == 2 and
    .chunks_holed == 2 and .chunks_added == 1 and .bytes_added == 65536 and
    .segments_changed == 1' >/dev/null
"$carrel" image diff a@1 b@1 --json | jq -e '.chunks_equal == 8 and .segments_changed == 0' >/dev/null

# The log draws which version was made from which.
"$carrel" image import a one.raw --format raw --parent a@1 >/dev/null
"$carrel" image import a two.raw --format raw --parent a@3 >/dev/null
"$carrel" image log a --json | jq -e 'map(.version) == [4, 3, 2, 1]' >/dev/null
"$carrel" image log a | cut -d' ' -f1-3 | sed 's/ *$//' >drawn
cat >expected <<'END'
* a@4
* a@3
| * a@2
|/
* a@1
END
sed -E 's/^(([|*] )*a@[0-9]+).*/\1/' drawn >shown
diff expected shown || fail "the log is drawn differently"

# Removing.
"$carrel" image rm a@1 | grep -q '^removed a@1;'
refuses 1 "image 'a' has no version 1" "$carrel" image show a@1
refuses 1 "there is no version 'a@1'" "$carrel" image rm a@1
refuses 1 "say which version of 'a' to remove: a@N" "$carrel" image rm a
"$carrel" image log a | grep -q 'a@3 .*from a@1 (removed)'
"$carrel" image verify a@2 >/dev/null
"$carrel" image export b out.raw >/dev/null
cmp out.raw one.raw
"$carrel" image rm a@4 >/dev/null
"$carrel" image import a one.raw --format raw | grep -q '^a@5 '
for v in 2 3 5; do "$carrel" image rm "a@$v" >/dev/null; done
refuses 1 "image 'a' has no version" "$carrel" image show a
"$carrel" image ls | grep -q '^a  *(no version)'
"$carrel" image import a one.raw --format raw | grep -q '^a@6 '

# Names and numbers that are none.
refuses 1 "there is no image 'c' in store 's'" "$carrel" image show c
refuses 1 "image 'b' has no version 9; its newest is 1" "$carrel" image export b@9 x.raw
refuses 1 "'b@zwei' does not name a version" "$carrel" image verify b@zwei
refuses 1 "'../b' is not an image name" "$carrel" image log ../b

#!/bin/bash
# A channel points where it was promoted to, from its date on; a rollback leads back and takes back what
# was scheduled; who, when and why stay in the history; what a channel needs or a pin holds is not
# removed; and wherever a version is read NAME:CHANNEL names it.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s CARREL_BY="eve@büro"
"$carrel" store init s --quiet
for v in 1 2 3; do
    head -c 256K /dev/urandom >$v.raw
    "$carrel" image import a $v.raw --format raw --quiet >/dev/null
done
points() { # CHANNEL VERSION
    [ "$("$carrel" image show "a:$1" --json | jq -r .ref)" = "a@$2" ] || fail "a:$1 is not a@$2"
}
soon() { # the moment is past
    while [ "$(date +%s)" -lt "$1" ]; do read -r -t 0.1 <> <(:) || true; done
}

# Promoting.
refuses 1 "image 'a' has no channel 'stable', nor any other" "$carrel" image show a:stable
"$carrel" image promote a@1 testing --message "größer" | grep -qx 'a:testing points at a@1'
"$carrel" image promote a:testing stable | grep -qx 'a:stable points at a@1'
"$carrel" image promote a@2 testing | grep -qx 'a:testing points at a@2, before at a@1'
points testing 2
points stable 1
refuses 1 "image 'a' has no channel 'beta'; it has: stable, testing" "$carrel" image show a:beta
refuses 1 "image 'a' has no version 9" "$carrel" image promote a@9 stable
refuses 1 "say which version of 'a' to promote: a@N" "$carrel" image promote a stable
refuses 1 "'7' is not a channel's name" "$carrel" image promote a@1 7
refuses 1 "'a:stable' names a channel: give the name 'a'" "$carrel" image import a:stable 1.raw

# Wherever a version is read.
"$carrel" image export a:stable out.raw >/dev/null
cmp out.raw 1.raw
"$carrel" image verify a:testing | grep -q '^a@2 is whole'
"$carrel" image diff a:stable a:testing --json | jq -e '.from == "a@1" and .to == "a@2"' >/dev/null
"$carrel" image import b 1.raw --format raw --parent a:testing --json --quiet | jq -e '.parent == "a@2"' >/dev/null
"$carrel" internal refs | grep -qx 'a:stable'
"$carrel" image ls --json | jq -e '.[0].channels == {"stable": "a@1", "testing": "a@2"}' >/dev/null
"$carrel" image ls | grep -q 'stable=1  testing=2'
"$carrel" image show a@1 | grep -qx '  channels  stable'
"$carrel" image show a@1 --json | jq -e '.channels == ["stable"] and .by == "eve@büro" and
    .record == null and .pinned == false' >/dev/null

# A date.
refuses 1 "option '--at': '2020-01-01' is past" "$carrel" image promote a@2 stable --at 2020-01-01
refuses 1 "option '--at': 'tomorrow' is no date" "$carrel" image promote a@2 stable --at tomorrow
refuses 1 "option '--at': '2031-02-30' is no date" "$carrel" image promote a@2 stable --at 2031-02-30
at=$(($(date +%s) + 2))
"$carrel" image promote a@2 stable --at "$(date -u -d "@$at" +%Y-%m-%dT%H:%M:%SZ)" |
    grep -q '^a:stable will point at a@2 from .*; until then at a@1$'
"$carrel" image promote a@3 stable --at +2d >/dev/null
TZ=Asia/Tokyo "$carrel" image promote a@3 late --at 2031-05-01T09:00 --json |
    jq -e '.at_s == 1935360000 and .before == null' >/dev/null
refuses 1 "channel 'a:late' points nowhere yet: 'a@3' holds from 2031-05-01 00:00 UTC" \
    "$carrel" image show a:late
refuses 1 "'a@2' stays: channel 'a:testing' points at it" "$carrel" image rm a@2
"$carrel" image channels a --json | jq -e 'map(.channel) == ["late", "stable", "testing"] and
    (.[1].scheduled | length) >= 1 and .[0].now == null' >/dev/null
soon "$at"
points stable 2

# Rolling back: also what is scheduled.
"$carrel" image rollback a:stable --message "no sound" | grep -qx 'a:stable points at a@1, before at a@2'
points stable 1
"$carrel" image channels a | grep -q '^stable .*a@1 .*since .*by eve@büro  no sound$'
! "$carrel" image channels a | grep -q '^stable .*a@3' || fail "a rollback left a promotion scheduled"
refuses 1 "pointed at no other version before 'a@1'" "$carrel" image rollback a:stable
refuses 1 "image 'a' has no channel 'beta'" "$carrel" image rollback a:beta
refuses 1 "give --to or --end, not both" "$carrel" image rollback a:stable --to 2 --end
"$carrel" image rollback a:stable --to 3 >/dev/null
points stable 3
"$carrel" image rollback a:stable >/dev/null
refuses 1 "'a@3' stays: .*'a:late' will point at it from 2031-05-01.*rollback a:late --end" \
    "$carrel" image rm a@3

# History: who, when, why, newest first.
"$carrel" image log a --channel stable --json | jq -e 'map(.kind) ==
    ["rollback", "rollback", "rollback", "promote", "promote", "promote"] and
    .[2].why == "no sound" and all(.[]; .by == "eve@büro")' >/dev/null
"$carrel" image log a:stable | grep -q 'rollback  a@1  by eve@büro  no sound'
refuses 1 "image 'a' never had a channel 'beta'" "$carrel" image log a --channel beta
"$carrel" image log a | grep -q '^\* a@1 .*\[stable\]'

# Pins, and the way out.
"$carrel" image rollback a:late --end | grep -qx 'a:late ends'
"$carrel" image pin a@3 | grep -q '^a@3 is pinned'
refuses 1 "'a@3' stays: it is pinned; \`carrel image pin a@3 --remove\`" "$carrel" image rm a@3
"$carrel" image log a | grep -q '^\* a@3 .*\[pinned\]'
"$carrel" image pin a@3 --remove --json | jq -e '.pinned == false' >/dev/null
"$carrel" image rm a@3 >/dev/null
refuses 1 "end the channel with" "$carrel" image rm a@1
"$carrel" image rollback a:stable --end >/dev/null
"$carrel" image rm a@1 >/dev/null

# A removed version in the middle: its children stay whole, the log says from what they were made.
"$carrel" image verify b >/dev/null
"$carrel" image import a 1.raw --format raw --parent a@2 --quiet >/dev/null
"$carrel" image rollback a:testing --end >/dev/null
"$carrel" image rm a@2 >/dev/null
"$carrel" image log a | grep -q 'a@4 .*from a@2 (removed)'
"$carrel" image export a@4 again.raw >/dev/null
cmp again.raw 1.raw

# A store from before channels is read, and written as the new form.
printf '%s' "$(sed 1d s/heads/b | jq -c 'del(.changes) | .versions |= map(del(.by, .record, .pinned))')" >body
{ echo "carrel-head 1 $(sha256sum <body | cut -d' ' -f1)"; cat body; } >s/heads/b
"$carrel" image show b --json | jq -e '.by == "" and .pinned == false' >/dev/null
"$carrel" image promote b@1 stable >/dev/null
head -c 14 s/heads/b | grep -q 'carrel-head 2'

# A full list of changes: the next one lets the oldest go, and no channel notices.
"$carrel" store init full --quiet
export CARREL_STORE=full
"$carrel" image import a 1.raw --format raw --quiet >/dev/null
"$carrel" image import a 2.raw --format raw --quiet >/dev/null
"$carrel" image promote a@1 old >/dev/null
"$carrel" image promote a@2 stable >/dev/null
python3 - full/heads/a <<'PYTHON'
import hashlib, json, sys
line, rest = open(sys.argv[1], "rb").read().split(b"\n", 1)
head = json.loads(rest)
for change in head["changes"]:
    change["set_s"] = change["at_s"] = change["set_s"] - 86400
head["changes"] += [dict(head["changes"][1], number=1 + i % 2) for i in range(9998)]
rest = json.dumps(head, sort_keys=True, indent=1).encode()
words = line.split(b" ")
words[-1] = hashlib.sha256(rest).hexdigest().encode()
open(sys.argv[1], "wb").write(b" ".join(words) + b"\n" + rest)
PYTHON
points stable 2
cp -r full mirror
"$carrel" image promote a@1 stable >out
grep -qx "999 old changes of the channels of 'a' were let go: the newest 9000 are kept" out || fail "$(cat out)"
points stable 1
points old 1
"$carrel" image log a:stable | tail -n 1 | grep -q '^older changes may have been let go' || fail "no word of it"
[ "$("$carrel" image log a:old --json | jq length)" = 1 ] || fail "the old channel has lost its change"
"$carrel" image rollback a:stable | grep -q '^a:stable points at a@2, before at a@1$'
# A mirror of before follows, and is not taken for one that has gone its own way.
"$carrel" store copy full mirror >/dev/null
"$carrel" image channels a --json >here
"$carrel" --store mirror image channels a --json | cmp - here || fail "the mirror says otherwise"

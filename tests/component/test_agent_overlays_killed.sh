#!/bin/bash
# The agent is killed at each of the calls by which overlays come, go and are cleared away: work that
# was kept, or that a killed session left, is in exactly one place afterwards, every kept overlay is
# whole, and the next session begins without hands. The long form kills at every call.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
life=$BUILD/harness/overlaylife

"$life" before keep precious
"$life" before keep newest # the same overlay goes on
mkdir before/overlays/LEFTXX
cp before/overlays-kept/seat/tiny@1/* before/overlays/LEFTXX
sed -i 's/precious/forgotten/; s/newest/forgotten/' before/overlays/LEFTXX/overlay.qcow2
mkdir -p before/overlays-last/OLDXXX
cp before/overlays-kept/seat/tiny@1/* before/overlays-last/OLDXXX
touch -d '5 days ago' before/overlays-last/OLDXXX/overlay.qcow2
sed -i 's/precious/ancient/; s/newest/ancient/' before/overlays-last/OLDXXX/overlay.qcow2
touch -d '5 days ago' before/overlays-last/OLDXXX/overlay.qcow2

places() { # WORD: the overlays that hold it
    { grep -rla --include=overlay.qcow2 "$1" cache || true; } | wc -l
}
whole() { # WHEN
    local folder
    [ "$(places precious)" = 1 ] || fail "$1: precious work is in $(places precious) places"
    [ "$(places forgotten)" = 1 ] || fail "$1: forgotten work is in $(places forgotten) places"
    for folder in cache/overlays-kept/*/*/; do
        [ -d "$folder" ] || continue
        grep -q '^version tiny@1$' "$folder/note" || fail "$1: no note in $folder"
        [ "$(qemu-img info --output json "$folder/overlay.qcow2" | jq -r '."virtual-size"')" = $((64 << 20)) ] ||
            fail "$1: no overlay in $folder"
    done
}
points=0 thrown=0 stay=0 status=137
step=${CHECK_LONG:+1}
step=${step:-3}
for ((n = 1; status == 137; n += step)); do
    rm -rf cache
    cp -a before cache
    status=0
    "$BUILD/harness/killat" "$n" changes "$life" cache keep again drop 2>err || status=$?
    [ $status = 137 ] || [ $status = 0 ] || fail "call $n: status $status: $(cat err)"
    diff -rq before cache >/dev/null && continue # nothing was touched yet
    points=$((points + 1))
    whole "killed at call $n"
    if grep -rqa precious cache/overlays-last; then thrown=$((thrown + 1)); else stay=$((stay + 1)); fi
    "$life" cache keep after 2>err || fail "after call $n the next session did not begin: $(cat err)"
    whole "the session after call $n"
    [ -z "$(ls cache/overlays)" ] || fail "after call $n: left in overlays: $(ls cache/overlays)"
    [ "$(places ancient)" = 0 ] || fail "after call $n: what was kept long enough is still there"
    [ "$(places after)" = 1 ] || fail "after call $n: the next session's work is not there"
done
[ "$status" = 0 ] || fail "the life that nobody ended: $(cat err)"
echo "killed at $points points: thrown away after $thrown, not yet after $stay"
((points >= 8 && thrown > 0 && stay > 0)) || fail "too few points to tell"
"$BUILD/bin/carrel-agent" overlays ls --cache cache --json | jq -e 'length == 3' >/dev/null ||
    fail "$("$BUILD/bin/carrel-agent" overlays ls --cache cache)"

#!/bin/bash
# Two PCs that capture from the same version never mix: who is in charge publishes, the other one's
# version stands beside it as a branch that everybody sees. The epoch decides: who claimed last is in
# charge, also where the other one's version would still fit.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
site_make 8

one_overlay() { # name: an overlay with bytes of its own
    overlay_make "$1.qcow2"
    dd if=/dev/urandom of="$1.bytes" bs=64K count=20 status=none
    overlay_write "$1.qcow2" 3M "$1.bytes"
}
result() { # file
    jq -r '[.image, .version, .branch] | join(" ")' "$1"
}
claim() { # certificate: take charge as a capture does at its beginning
    curl -sS --cacert pki/ca.pem --cert "pki/clients/$1/client.pem" \
        --key "pki/clients/$1/client-key.pem" -d '{"name":"disk"}' "$sync_url/v1/captures/claim"
}

# At the same time, ten rounds of it: each round one wins and one branches, or one was in time for
# neither; both versions hold exactly what their own PC had.
mains=0 branches=0
rounds=3
[ -z "${CHECK_LONG:-}" ] || rounds=20
for ((round = 1; round <= rounds; round++)); do
    one_overlay a
    one_overlay b
    start capture lab a.qcow2 --json >a.json 2>a.err
    first=$started
    capture other b.qcow2 --json >b.json 2>b.err || fail "other: $(cat b.err)"
    wait "$first" || fail "lab: $(cat a.err)"
    for who in a b; do
        captured_whole "$(jq -r '[.image, .version] | join("@")' $who.json)" $who.qcow2
        if [ "$(jq .branch $who.json)" = true ]; then
            branches=$((branches + 1))
            grep -q 'stands beside it' $who.err || true
        else
            mains=$((mains + 1))
        fi
    done
done
# The version below is disk@1 in every round, so the first round alone can have a winner.
((mains == 1 && branches == 2 * rounds - 1)) || fail "$mains versions of disk, $branches branches"
[ "$("$carrel" --store store --json image log disk | jq length)" = 2 ] || fail "disk has $mains more"
"$carrel" --store store image ls | grep -qE 'disk\.(lab|other)' || fail "the branch is not to be seen"

# The fence: lab claims, sends nothing yet; other claims after it. Now lab's commit, which follows the
# newest version, is too late, and other's is the next version.
"$carrel" --store store --quiet image import fenced disk.raw --no-trim --format raw >/dev/null
one_overlay a
one_overlay b
fenced=(--as fenced)
rm -f a.qcow2.capture b.qcow2.capture
epoch=$(curl -sS --cacert pki/ca.pem --cert pki/clients/lab/client.pem \
    --key pki/clients/lab/client-key.pem -d '{"name":"fenced"}' "$sync_url/v1/captures/claim")
[ "$(jq -r '[.epoch, .newest] | join(" ")' <<<"$epoch")" = "1 1" ] || fail "claim: $epoch"
printf 'carrel-sync 1\nname fenced\nepoch 1\nnewest 1\nlast -\n' >a.qcow2.capture
curl -sS --cacert pki/ca.pem --cert pki/clients/other/client.pem \
    --key pki/clients/other/client-key.pem -d '{"name":"fenced"}' "$sync_url/v1/captures/claim" |
    jq -e '.epoch == 2' >/dev/null || fail "the second claim"
capture lab a.qcow2 --json "${fenced[@]}" >a.json 2>a.err
[ "$(result a.json)" = "fenced.lab 1 true" ] || fail "lab was not fenced off: $(cat a.json)"
grep -q 'note:' a.err && fail "a note in JSON mode"
printf 'carrel-sync 1\nname fenced\nepoch 2\nnewest 1\nlast -\n' >b.qcow2.capture
capture other b.qcow2 --json "${fenced[@]}" >b.json
[ "$(result b.json)" = "fenced 2 false" ] || fail "other was fenced off: $(cat b.json)"
# Nobody can use another one's epoch.
one_overlay a
printf 'carrel-sync 1\nname fenced\nepoch 2\nnewest 2\nlast -\n' >a.qcow2.capture
capture lab a.qcow2 "${fenced[@]}" >out 2>err
grep -q "fenced.lab@2" out && grep -q "stands beside it" err || fail "a stolen epoch: $(cat out err)"
captured_whole fenced.lab@2 a.qcow2
captured_whole fenced@2 b.qcow2

#!/bin/bash
# kill -9 at any system call of a push or a pull: the same command again ends it, nothing becomes a
# branch, an overlay that is there is whole. With CHECK_LONG at every call that can change something,
# else at some dozen of them.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
killat=$BUILD/harness/killat
private_site_make 8
common=(--server "$url" --sync "$sync_url" --pki pki/clients/alice)

overlay_make a.qcow2
points=0 step=1
for ((n = 1; ; n += step)); do
    dd if=/dev/urandom of=written bs=64K count=5 status=none
    overlay_write a.qcow2 $((n % 20 * 64))K written
    status=0
    "$killat" "$n" changes "$csync" push "${common[@]}" --base disk@1 --as desk --threads 1 a.qcow2 \
        >out 2>err || status=$?
    [ "$status" = 137 ] || break
    points=$((points + 1))
    [ -n "${CHECK_LONG:-}" ] || step=$((11 + n % 7))
    push alice a.qcow2 --json >again.json 2>err || fail "push, killed at call $n: $(cat err)"
    [ "$(jq .branch again.json)" = false ] || fail "push, killed at call $n: $(cat again.json)"
    if ((points % 6 == 1)); then
        # Not at this seat: it would be in charge then.
        pull alice look.qcow2 >out
        shows_the_same a.qcow2 look.qcow2
        mv look.qcow2.sync a.qcow2.sync
        rm look.qcow2
    fi
done
[ "$status" = 0 ] || fail "the push that nobody killed: $(cat err)"
((points >= 10)) || fail "a push was killed at $points calls only"
echo "push: killed at $points calls"

points=0 step=1 whole=0
for ((n = 1; ; n += step)); do
    rm -f b.qcow2 b.qcow2.sync
    status=0
    "$killat" "$n" changes "$csync" pull "${common[@]}" --as desk --backing nbd://localhost/disk@1 \
        b.qcow2 >out 2>err || status=$?
    [ "$status" = 137 ] || break
    points=$((points + 1))
    [ -n "${CHECK_LONG:-}" ] || step=$((9 + n % 5))
    if [ -e b.qcow2 ]; then
        whole=$((whole + 1))
        [ -e b.qcow2.sync ] || fail "pull, killed at call $n: an overlay without its note"
    else
        pull alice b.qcow2 >out 2>err || fail "pull, killed at call $n: $(cat err)"
    fi
    shows_the_same a.qcow2 b.qcow2
done
[ "$status" = 0 ] || fail "the pull that nobody killed: $(cat err)"
((points >= 10)) || fail "a pull was killed at $points calls only"
echo "pull: killed at $points calls, the overlay was there after $whole"

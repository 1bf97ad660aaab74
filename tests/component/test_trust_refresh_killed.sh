#!/bin/bash
# kill -9 at any system call of a refresh, one that takes keys away and drops what they signed: what
# the seat has seen never goes back, an old server is not believed once the new root is there, and
# the next refresh ends it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
killat=$BUILD/harness/killat
calls=${CHECK_LONG:+all}
calls=${calls:-changes}

export CARREL_STORE=$work/new
"$carrel" --quiet store init new >/dev/null
head -c 100K /dev/urandom >disk.raw
"$carrel" --quiet image import physics disk.raw --format raw >/dev/null
"$carrel" --quiet trust init --keys keys >/dev/null
"$carrel" --quiet trust seat before >/dev/null
"$carrel" --quiet trust verify before physics >/dev/null
cp -r new old
openssl genpkey -algorithm ed25519 -out keys/signer/snapshot2.pem 2>/dev/null
chmod 600 keys/signer/snapshot2.pem
"$carrel" --quiet image import physics disk.raw --format raw >/dev/null
"$carrel" --quiet trust rotate snapshot --new keys/signer/snapshot2.pem --key keys/root.pem \
    --signer keys/signer >/dev/null
"$carrel" --quiet trust sign --key keys/targets.pem --signer keys/signer >/dev/null

version() { # FILE: the number in it, 0 when it is not there
    [ -e "$1" ] || { echo 0; return; }
    jq .signed.version "$1"
}

at() { # sentence...
    fail "killed at call $n ($calls): $*"
}

points=0 old_root=0 new_root=0 without_timestamp=0 step=8
[ -z "${CHECK_LONG:-}" ] || step=1
for ((n = 1; ; n += step)); do
    rm -rf seat copy
    cp -r before seat
    status=0
    "$killat" "$n" "$calls" "$carrel" --quiet trust verify seat physics >out 2>err || status=$?
    if [ "$step" = 8 ] && { [ "$status" != 137 ] || ! diff -rq before seat >/dev/null; }; then
        n=$((n - step + 1)) step=2 # go back: the first touch is one of those stepped over
        n=$((n - step))
        continue
    fi
    [ "$status" = 137 ] || break
    points=$((points + 1))
    has_root=$(version seat/root.json)
    for file in targets.json snapshot.json timestamp.json; do
        [ "$(version seat/$file)" -ge 1 ] || [ "$has_root" = 2 ] || at "'$file' is gone"
    done
    [ "$(version seat/timestamp.json)" != 0 ] || without_timestamp=$((without_timestamp + 1))
    # A server that shows the state of yesterday.
    cp -r seat copy
    status=0
    "$carrel" --store old --quiet trust verify copy physics >out 2>err || status=$?
    if [ "$has_root" = 1 ]; then
        old_root=$((old_root + 1))
        { [ "$status" = 0 ] && grep -q '^physics@1 ' out; } || at "the old state is lost: $(cat err)"
    else
        new_root=$((new_root + 1))
        [ "$status" = 1 ] || at "an old server is believed"
        [ "$(version copy/root.json)" = 2 ] || at "the root went back"
        [ "$(version copy/targets.json)" -ge "$(version seat/targets.json)" ] || at "targets went back"
    fi
    "$carrel" --quiet trust verify seat physics >out 2>err || at "the next refresh: $(cat err)"
    grep -q '^physics@2 ' out || at "the next refresh finds $(cat out)"
    left=$(find seat -name '*.new*' -o -name recover)
    [ -z "$left" ] || at "left behind: $left"
done
[ "$status" = 0 ] || fail "the refresh that nobody killed: $(cat err)"
echo "killed at $points points ($calls): $old_root with the old root, $new_root with the new one," \
    "$without_timestamp of them with nothing that the lost key signed"
((points >= 30 && old_root > 5 && new_root > 5 && without_timestamp > 0)) || fail "too few points"

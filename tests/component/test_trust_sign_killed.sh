#!/bin/bash
# kill -9 at any system call of `trust sign` leaves seats with what was signed before or with all of
# what is signed now, and the same command again goes on to the end.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/killed.sh"
. "$root/tests/harness/trust.sh"
store=$work/before
store_small
"$carrel" --quiet trust init --keys before/keys # beside the store's own, so that it is copied along
"$carrel" --quiet trust seat desk.before
version_add 2
unset CARREL_STORE

seat_sees() { # the version that a seat finds
    rm -rf desk
    cp -r desk.before desk
    "$carrel" --store store --quiet trust verify desk disk >seen ||
        killed_here "a seat can no longer verify"
    cut -d' ' -f1 seen
}
after_kill() {
    case $(seat_sees) in
        disk@1) outcome=absent ;;
        disk@2) outcome=whole ;;
        *) outcome="a seat sees $(cat seen)" ;;
    esac
}
next_works() {
    "$carrel" --store store --quiet trust sign --key store/keys/targets.pem \
        --signer store/keys/signer || killed_here "the next sign fails"
    [ "$(seat_sees)" = disk@2 ] || killed_here "the next sign does not publish"
    [ ! -e store/trust/draft.targets.json ] || killed_here "a draft is left"
}
stride=9
killed_everywhere 10 "$carrel" --store store trust sign --key store/keys/targets.pem \
    --signer store/keys/signer
next_works

# The draft outlives its publication when the command is killed between the two: it goes with the next
# command, and what comes after it can be signed.
cp store/trust/2.targets.json store/trust/draft.targets.json
export CARREL_STORE=$work/store
version_add 3
next_sign=("$carrel" --quiet trust sign --key store/keys/targets.pem --signer store/keys/signer)
"${next_sign[@]}"
[ "$(seat_sees)" = disk@3 ] || fail "an old draft keeps what is new from being signed"
cp store/trust/3.targets.json store/trust/draft.targets.json
"${next_sign[@]}"
[ ! -e store/trust/draft.targets.json ] || fail "an old draft stays for ever"

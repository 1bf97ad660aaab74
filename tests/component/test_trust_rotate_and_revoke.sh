#!/bin/bash
# Keys change hands: a rotated and a revoked key's signatures count no more, a new root waits until
# there are targets that it accepts, and seats follow every step.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
store_small
"$carrel" --quiet trust init --keys keys
"$carrel" --quiet trust seat desk
export CARREL_SIGNER=keys/signer
root=keys/root.pem
health() { # what is trusted, as "root targets"
    "$carrel" --json trust verify desk | jq -r '"\(.root) \(.targets)"'
}
[ "$(health)" = "1 1" ] || fail "begin: $(health)"
refuses 1 "'staff' is no role" "$carrel" trust rotate staff --new "$root"
refuses 1 'name the new key' "$carrel" trust rotate targets
refuses 1 'no key begins with' "$carrel" trust revoke 0123456789

# Targets: the old key's targets do not hold under the new root, so it waits for new ones.
keys_make next
"$carrel" trust rotate targets --new next.pem.pub --key $root >out
grep -q 'the root waits for targets' out || fail "rotate: $(cat out)"
[ "$(health)" = "1 1" ] || fail "a root was published that leaves seats with nothing: $(health)"
version_add 2
refuses 1 'may sign neither root nor targets' "$carrel" trust sign --key keys/targets.pem
"$carrel" trust sign --key next.pem | grep -q '^published' || fail "the new key does not publish"
[ "$(health)" = "2 2" ] || fail "after the rotation: $(health)"
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "disk@2"

# The signer's: its new key has to be there first; then it is only a matter of the root.
"$carrel" --quiet trust key stamp.pem
"$carrel" --quiet trust rotate timestamp --new stamp.pem.pub
refuses 1 'lacks the key that it names for timestamp' "$carrel" trust sign --key $root
cp stamp.pem keys/signer/timestamp-2.pem
"$carrel" trust timestamp | grep -q '^published' || fail "timestamp's key was not rotated"
[ "$(health)" = "3 2" ] || fail "after the signer's rotation: $(health)"

# Root: old and new key have to sign.
keys_make root2
"$carrel" trust rotate root --new root2.pem.pub --key $root >out
grep -q 'root 4 has 0 of 1\|root 4 has 1 of 1' out || fail "rotate root: $(cat out)"
[ "$(health)" = "3 2" ] || fail "the old root key alone has published: $(health)"
"$carrel" trust sign --key root2.pem | grep -q '^published' || fail "root was not rotated"
[ "$(health)" = "4 2" ] || fail "after root's rotation: $(health)"
refuses 1 'may sign neither' "$carrel" trust sign --key $root --renew

# Revoked: the last key of a role cannot be, one of several can, and counts no more.
next=$(keyid_of next.pem)
refuses 1 'put another in its place with `carrel trust rotate targets' \
    "$carrel" trust revoke "$next" --key root2.pem
"$carrel" trust show | grep -q "key $next" || fail "show has no key $next"
keys_make third
"$carrel" --quiet trust rotate targets --new third.pem.pub --key root2.pem
"$carrel" --quiet trust sign --key third.pem
version_add 3
refuses 1 'unknown or revoked' "$carrel" trust sign --key next.pem
"$carrel" --quiet trust sign --key third.pem
[ "$(verified desk disk)" = "disk@3 $(root_of 3)" ] || fail "disk@3"
# A seat that saw only the first root follows the whole chain; one that was made now begins here.
cp -r desk later
[ "$(health)" = "5 4" ] || fail "the end: $(health)"
[ "$(health)" = "5 4" ] || fail "a second look: $(health)"

# A key comes beside the others, and more must sign from then on; a revoked one's place is filled.
# Both of the signer's keys change in one command that signs and publishes.
keys_make fourth fifth stamp2 shot2
refuses 1 'either --add or --old' "$carrel" trust rotate targets --add --old 0 --new fourth.pem.pub
refuses 1 "is a key of targets already" "$carrel" trust rotate targets --add --new third.pem.pub
refuses 1 'not a number from 1 to the 2 keys' \
    "$carrel" trust rotate targets --add --new fourth.pem.pub --threshold 3
"$carrel" --quiet trust rotate targets --add --new fourth.pem.pub --threshold 2 --key root2.pem
"$carrel" --quiet trust sign --key third.pem
[ "$(health)" = "5 4" ] || fail "one of two was enough: $(health)"
"$carrel" trust sign --key fourth.pem | grep -q '^published' || fail "two of two do not publish"
[ "$(health)" = "6 5" ] || fail "two of two: $(health)"
"$carrel" --quiet trust rotate targets --add --new fifth.pem.pub --key root2.pem
[ "$(health)" = "7 5" ] || fail "two of three: $(health)"
"$carrel" --quiet trust revoke "$(keyid_of third.pem)" --key root2.pem
"$carrel" --quiet trust sign --key fourth.pem --renew
"$carrel" --quiet trust sign --key fifth.pem
[ "$(health)" = "8 6" ] || fail "without the third: $(health)"
cp stamp2.pem keys/signer/timestamp-3.pem
cp shot2.pem keys/signer/snapshot-3.pem
refuses 1 "no new key for 'root'" "$carrel" trust rotate snapshot,timestamp,root \
    --new shot2.pem.pub,stamp2.pem.pub
refuses 1 'no role for the new key' "$carrel" trust rotate snapshot --new shot2.pem.pub,stamp2.pem.pub
"$carrel" trust rotate snapshot,timestamp --new shot2.pem.pub,stamp2.pem.pub --key root2.pem |
    grep -q '^published' || fail "both keys of the signer did not change at once"
[ "$(health)" = "9 6" ] || fail "after both of the signer's keys: $(health)"

# A draft that has its signatures, and one that has not: --force goes back to what is published.
"$carrel" --quiet trust rotate timestamp --new fourth.pem.pub --key root2.pem --signer '' || true
refuses 1 'or give --force' "$carrel" trust revoke "$(keyid_of fourth.pem)"
"$carrel" --quiet trust rotate targets --new third.pem.pub --old "$(keyid_of fifth.pem)" --force
"$carrel" trust show >out
grep -q 'a draft of root 10 has 0 of 1' out || fail "the draft was not made anew: $(cat out)"
jq -e --arg key "$(keyid_of fourth.pem)" '.signed.roles.timestamp.keyids | index($key) == null' \
    "$store/trust/draft.root.json" >/dev/null || fail "what was thrown away is in the new draft"
refuses 1 'is a key of targets already' \
    "$carrel" trust rotate targets --new fifth.pem.pub --old "$(keyid_of fifth.pem)" --force

"$carrel" --quiet trust seat fresh
[ "$(verified fresh disk)" = "disk@3 $(root_of 3)" ] || fail "a fresh seat"

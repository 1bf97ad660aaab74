#!/bin/bash
# 2 of 3: one signature publishes nothing, two do; the same key twice, or one key under two names,
# is one signature; a third person's draft is not needed.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
store_small
keys_make alice bob carol
cp alice.pem.pub twin.pub
refuses 1 'named twice' "$carrel" trust init --keys k0 --threshold 2 --key alice.pem.pub,twin.pub
refuses 1 'can never sign' "$carrel" trust init --keys k0 --threshold 3 --key alice.pem.pub,bob.pem.pub
refuses 1 'say how many of the 2 keys' "$carrel" trust init --keys k0 --key alice.pem.pub,bob.pem.pub
refuses 1 'needs as many keys' "$carrel" trust init --keys k0 --threshold 2
[ ! -e "$store/trust/draft.root.json" ] || fail "a refused init leaves a draft"

"$carrel" trust init --keys keys --threshold 2 --key alice.pem.pub,bob.pem.pub,carol.pem.pub >out
grep -q 'root 1 has 0 of 2 signatures' out || fail "init: $(cat out)"
[ ! -e keys/root.pem ] || fail "a key for root was made that nobody asked for"
export CARREL_SIGNER=keys/signer
refuses 1 'still waits for its signatures' "$carrel" trust seat desk

published() { [ -e "$store/trust/timestamp.json" ]; }
"$carrel" trust sign --key alice.pem >out
grep -q 'root 1 has 1 of 2' out && grep -q 'targets 1 has 1 of 2' out || fail "alice: $(cat out)"
! published || fail "one signature publishes"
"$carrel" trust sign --key alice.pem >out
grep -q 'targets 1 has 1 of 2' out || fail "the same key counts twice: $(cat out)"
! published || fail "the same key twice publishes"
"$carrel" trust timestamp >/dev/null
! published || fail "timestamp publishes what is not signed"
"$carrel" trust sign --key bob.pem >out
grep -q '^published' out || fail "two signatures do not publish: $(cat out)"
"$carrel" --quiet trust seat desk
[ "$(verified desk disk)" = "disk@1 $(root_of 1)" ] || fail "verify"

# The next version; a copied signature under another key's name is none.
version_add 2
"$carrel" --quiet trust sign --key carol.pem
[ "$(verified desk disk)" = "disk@1 $(root_of 1)" ] || fail "one signature is enough"
bob=$(keyid_of bob.pem)
jq -c --arg bob "$bob" '.signatures += [.signatures[0] | .keyid = $bob]' \
    "$store/trust/draft.targets.json" >forged
metadata_put draft.targets.json <forged
"$carrel" --quiet trust timestamp
[ "$(verified desk disk)" = "disk@1 $(root_of 1)" ] || fail "a forged signature publishes"
"$carrel" --quiet trust sign --key alice.pem
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "carol and alice are not enough"

# Nor does a false signature under bob's name keep bob from signing.
version_add 3
"$carrel" --quiet trust sign --key alice.pem
jq -c --arg bob "$bob" '.signatures += [.signatures[0] | .keyid = $bob]' \
    "$store/trust/draft.targets.json" >forged
metadata_put draft.targets.json <forged
"$carrel" --quiet trust sign --key bob.pem
[ "$(verified desk disk)" = "disk@3 $(root_of 3)" ] || fail "bob cannot sign any more"

# Without a signer two signatures are kept until somebody hands them on.
version_add 4
CARREL_SIGNER='' "$carrel" --quiet trust sign --key alice.pem
CARREL_SIGNER='' "$carrel" trust sign --key bob.pem >out
grep -q 'to publish it: carrel trust timestamp' out || fail "no word of the signer: $(cat out)"
[ "$(verified desk disk)" = "disk@3 $(root_of 3)" ] || fail "published without the signer"
"$carrel" --quiet trust timestamp
[ "$(verified desk disk)" = "disk@4 $(root_of 4)" ] || fail "timestamp does not publish"

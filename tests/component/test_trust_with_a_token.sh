#!/bin/bash
# One of two people keeps his key in a PKCS #11 token: it is named by its URI when the store is set
# up and when he signs, and its PIN stands on no command line.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
module=/usr/lib/softhsm/libsofthsm2.so
command -v softhsm2-util >/dev/null || skip "no softhsm2: the token was not tried"
command -v pkcs11-tool >/dev/null || skip "no opensc: the token was not tried"
[ -e "$module" ] || skip "no $module: the token was not tried"
mkdir tokens
echo "directories.tokendir = $work/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$work/softhsm2.conf
softhsm2-util --init-token --free --label lab --pin 1234 --so-pin 5678 >/dev/null
pkcs11-tool --module "$module" --token-label lab --login --pin 1234 --keypairgen \
    --key-type EC:edwards25519 --label bob --id 01 >pair 2>&1 ||
    skip "this softhsm2 makes no Ed25519 keys: $(tail -n 1 pair)"
bob="pkcs11:token=lab;object=bob?module-path=$module"
echo 1234 >pin

store_small
keys_make alice
if ! "$carrel" --quiet trust init --keys keys --threshold 2 --key "alice.pem.pub,$bob" \
    --secret file:pin 2>err; then
    grep -q 'build again' err && skip "this build has no tokens"
    fail "init with a token: $(cat err)"
fi
export CARREL_SIGNER=keys/signer
refuses 1 'PIN' "$carrel" trust sign --key "$bob"
[ ! -e "$store/trust/timestamp.json" ] || fail "the token alone publishes"
"$carrel" --quiet trust sign --key alice.pem # the token has signed at the set-up
"$carrel" --quiet trust seat desk
[ "$(verified desk disk)" = "disk@1 $(root_of 1)" ] || fail "$(verified desk disk)"

version_add 2
"$carrel" --quiet trust sign --key alice.pem
CARREL_KEY_SECRET=file:pin "$carrel" --quiet image promote disk@2 stable --sign-key "$bob"
# Her draft was signed, not his promotion: that is the next one.
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "$(verified desk disk)"
"$carrel" trust show | grep -q '> disk:stable = disk@2' || fail "the promotion does not wait"

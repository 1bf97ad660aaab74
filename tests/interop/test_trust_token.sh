#!/bin/bash
# A key that never leaves its PKCS #11 token signs what OpenSSL finds right; a PIN never stands on a
# command line. And a key file that OpenSSL made does the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../harness/lib.sh"
sign=$BUILD/interop/trust-sign

right() { # the line "PUBLIC SIGNATURE" in the file `signed`: does OpenSSL agree?
    local public signature
    read -r public signature <signed
    { printf '302a300506032b6570032100%s' "$public" | xxd -r -p; } >public.der
    printf '%s' "$signature" | xxd -r -p >signature
    openssl pkeyutl -verify -pubin -keyform DER -inkey public.der -rawin -in data \
        -sigfile signature >/dev/null || fail "OpenSSL refuses the signature"
}
command -v xxd >/dev/null || xxd() { python3 -c 'import sys; sys.stdout.buffer.write(
    bytes.fromhex(sys.stdin.read()))'; }

head -c 5000 /dev/urandom >data
openssl genpkey -algorithm ed25519 -out key.pem && chmod 600 key.pem
"$sign" key.pem <data >signed
right
openssl pkey -in key.pem -aes-256-cbc -passout pass:secret -out locked.pem && chmod 600 locked.pem
printf 'secret\n' >passphrase
"$sign" locked.pem file:passphrase <data >signed
right

command -v softhsm2-util >/dev/null || skip "no softhsm2: the token was not tried"
command -v pkcs11-tool >/dev/null || skip "no opensc: the token was not tried"
module=/usr/lib/softhsm/libsofthsm2.so
[ -e "$module" ] || skip "no $module: the token was not tried"
mkdir tokens
echo "directories.tokendir = $work/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$work/softhsm2.conf PIN=1234 WRONG=9999
softhsm2-util --init-token --free --label lab --pin 1234 --so-pin 5678 >/dev/null
pkcs11-tool --module "$module" --token-label lab --login --pin 1234 --keypairgen \
    --key-type EC:edwards25519 --label root --id 01 >pair 2>&1 ||
    skip "this softhsm2 makes no Ed25519 keys: $(tail -n 1 pair)"

path="module-path=$module"
status=0
"$sign" "pkcs11:token=lab;object=root?$path" env:PIN <data >signed || status=$?
[ "$status" != 77 ] || skip "this build has no tokens"
[ "$status" = 0 ] || fail "the token does not sign"
right
"$sign" "pkcs11:token=lab;id=%01;type=private?$path" env:PIN <data >signed
right
# The module that p11-kit knows from its own list, where it is installed.
if [ -e /usr/share/p11-kit/modules/softhsm2.module ]; then
    "$sign" "pkcs11:token=lab;object=root" env:PIN <data >signed
    right
fi

refuses 1 "CKR_PIN_INCORRECT|PIN is incorrect|PIN was incorrect" \
    "$sign" "pkcs11:token=lab;object=root?$path" env:WRONG <data
refuses 1 "give its PIN" "$sign" "pkcs11:token=lab;object=root?$path" <data
refuses 1 "no such private key" "$sign" "pkcs11:token=lab;object=none?$path" env:PIN <data
refuses 1 "no token that is plugged in fits" "$sign" "pkcs11:token=other?$path" env:PIN <data
refuses 1 "a PIN does not belong into it" "$sign" "pkcs11:token=lab?pin-value=1234" <data
refuses 1 "no URI of a token" "$sign" "pkcs11:::" env:PIN <data

#!/bin/bash
# What carrel-syncd does not let in: seats whose certificate does not allow captures, strangers, packs
# and objects that are not what they claim, versions of which something is missing, bodies that are
# too long. Nothing of it changes the store.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
site_make 4
overlay_make overlay.qcow2
dd if=/dev/urandom of=written bs=64K count=3 status=none
overlay_write overlay.qcow2 0 written
find store -type f | sort | xargs sha256sum >before

refuses 1 "does not allow to publish images" capture seat overlay.qcow2
"$carrel" pki init foreign >/dev/null
"$carrel" pki issue foreign --client stranger --capture >/dev/null

ask() { # curl's arguments...
    curl -sS --cacert pki/ca.pem --cert pki/clients/lab/client.pem \
        --key pki/clients/lab/client-key.pem -o answer -w '%{http_code}' "$@"
}
is() { # status pattern curl's arguments...
    local status=$1 pattern=$2 found
    shift 2
    found=$(ask "$@")
    [ "$found" = "$status" ] || fail "status $found, not $status: $* ($(cat answer))"
    grep -qE -- "$pattern" answer || fail "$*: '$(cat answer)' does not match '$pattern'"
}
at=$sync_url/v1/captures
zero=$(printf '0%.0s' {1..64})
some=$(sha256sum <written | cut -d' ' -f1)
is 404 'nothing has this path' "$sync_url/v1/captures/nothing"
is 405 'use POST' "$at/have"
is 405 'use PUT' "$at/packs/$some"
is 400 'not a question' -d 'x' "$at/have"
is 400 'not an id' -X PUT -d 'x' "$at/packs/xyz"
is 400 'not an id' -X PUT -d 'x' "$at/packs/$zero"
is 400 'is no pack' -X PUT -d 'x' "$at/packs/$some"
is 400 'not a claim' -d '{"name":"disk","more":1}' "$at/claim"
is 400 'not an image name' -d '{"name":"../disk"}' "$at/claim"
is 403 'steps of builds' -d '{"name":"disk.steps"}' "$at/claim"
is 400 'not a commit' -d '{}' "$at/commit"
commit() { # root
    printf '{"name":"disk","epoch":1,"expected":1,"root":"%s","parent":"disk@1","message":""}' "$1"
}
is 409 "manifest '$some' of the version is not stored" -d "$(commit "$some")" "$at/commit"
is 400 'reserved|is no id' -d "$(commit "$zero")" "$at/commit"
head -c 20000 /dev/zero >long
is 413 'at most' --data-binary @long "$at/commit"
head -c 9000000 /dev/zero >long
is 413 'at most' -X PUT --data-binary @long -H 'Transfer-Encoding: chunked' "$at/packs/$some"
# A real pack under its name, but with one flipped bit in a frame.
pack=$(find store/packs -type f | head -n 1)
is 400 'corrupted|does not' -X PUT --data-binary @<(python3 - "$pack" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[5000] ^= 1
sys.stdout.buffer.write(data)
PYTHON
) "$at/packs/$(basename "$pack")"
is 400 'not this pack' -X PUT --data-binary @"$pack" "$at/packs/$some"
# A manifest that leads to nothing, honestly named: kept, but no version.
for kind in segments manifests; do
    is 400 "corrupted|does not" -X PUT -d "no frame" "$at/$kind/$some"
done
manifest=$(python3 -c '
import hashlib, struct, sys, subprocess
plain = (b"CRMANIF1" + bytes([1, 16, 12, 0]) + struct.pack("<IQQ", 1, 65536, 0) + b"\1" * 32)
open("manifest", "wb").write(subprocess.run(["zstd", "-cq", "--no-check", "--stream-size=%d" % len(plain)],
                                            input=plain, stdout=subprocess.PIPE, check=True).stdout)
print(hashlib.sha256(plain).hexdigest())')
[ "$(ask -X PUT --data-binary @manifest "$at/manifests/$manifest")" = 200 ] || fail "$(cat answer)"
is 409 "segment '01010101.*' of the version is not stored" -d "$(commit "$manifest")" "$at/commit"
rm "store/manifests/$manifest"
! curl -sS --cacert pki/ca.pem --cert foreign/clients/stranger/client.pem \
    --key foreign/clients/stranger/client-key.pem "$sync_url/healthz" >answer 2>err || fail "a stranger"
! curl -sS --cacert pki/ca.pem "$sync_url/healthz" >answer 2>err || fail "no certificate"
[ "$(ask "$sync_url/healthz")" = 200 ] || fail "health"
find store -type f | sort | xargs sha256sum | grep -v store/locks/ >after
grep -v store/locks/ before | diff - after || fail "the store has changed"
kill -TERM "$syncd_pid"
wait "$syncd_pid" || fail "syncd did not end in order"

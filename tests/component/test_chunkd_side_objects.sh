#!/bin/bash
# What lies beside the versions comes over HTTPS as it is stored: what bears its version or its hash
# in its name may be kept for ever, the timestamp is asked for each time; what is new is seen.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
"$carrel" --store store --quiet trust init --keys keys
mkdir -p store/deltas store/records
head -c 70000 /dev/urandom >store/deltas/a-b.0
printf 'recipe' >"store/records/$(printf 'recipe' | sha256sum | cut -d' ' -f1)"
: >store/deltas/nothing
chunkd_start server --store store --no-tls --listen 127.0.0.1:0

serves() { # path file caching
    [ "$(status_of -D headers "$url/v1/$1")" = 200 ] || fail "$1: $(cat answer)"
    cmp answer "$2" || fail "$1: other bytes"
    tr -d '\r' <headers | grep -qi "^cache-control: $3\$" || fail "$1: $(cat headers)"
    tag=$(tr -d '\r' <headers | sed -n 's/^etag: //Ip')
    [ "$tag" = "\"$(sha256sum <"$2" | cut -d' ' -f1)\"" ] || fail "$1: tag $tag"
    [ "$(status_of -H "If-None-Match: $tag" "$url/v1/$1")" = 304 ] || fail "$1: not 304"
    [ "$(status_of --head "$url/v1/$1")" = 200 ] || fail "$1: HEAD"
}
forever='public, max-age=31536000, immutable'
for name in 1.root.json 1.targets.json 1.snapshot.json; do
    serves "trust/$name" "store/trust/$name" "$forever"
done
serves trust/timestamp.json store/trust/timestamp.json no-cache
serves deltas/a-b.0 store/deltas/a-b.0 "$forever"
serves deltas/nothing store/deltas/nothing "$forever"
record=$(ls store/records)
serves "records/$record" "store/records/$record" "$forever"

cp store/trust/timestamp.json old
"$carrel" --store store --quiet trust timestamp --signer keys/signer
! cmp -s old store/trust/timestamp.json || fail "the timestamp is the old one"
serves trust/timestamp.json store/trust/timestamp.json no-cache
head -c 8388609 /dev/zero >store/deltas/huge
[ "$(status_of "$url/v1/deltas/huge")" != 200 ] || fail "an object without end is served"

# The https store reads them: a seat verifies through the server, which cannot be written.
"$carrel" --store "$url" --quiet trust seat desk
"$carrel" --store "$url" --quiet trust verify desk disk | grep -q '^disk@1 ' || fail "over HTTP"
refuses 1 'read' "$carrel" --store "$url" trust sign --key keys/targets.pem
[ "$(metric "$url" 'requests_total{route="trust",status="200"}')" -gt 3 ] || fail "not counted"

#!/bin/bash
# A request for nothing, with a wrong method, or too large, gets its status and one sentence.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
nothing=$(printf 'a%.0s' {1..64})
hole=$(printf '0%.0s' {1..64})

answers() { # status pattern curl's arguments...
    local status=$1 pattern=$2 found
    shift 2
    found=$(status_of "$@")
    [ "$found" = "$status" ] || fail "$*: $found, not $status"
    [ "$(wc -l <answer)" = 1 ] || fail "$*: not one line: $(cat answer)"
    grep -qE "$pattern" answer || fail "$*: $(cat answer)"
}

answers 404 'nothing has this path' "$url/"
answers 404 'nothing has this path' "$url/v2/images"
answers 404 'nothing has this path' "$url/v1/chunks"
answers 404 "no chunk '$nothing' is stored here" "$url/v1/chunks/$nothing"
answers 404 "no segment '$nothing' is stored here" "$url/v1/segments/$nothing"
answers 404 "no manifest '$nothing' is stored here" "$url/v1/manifests/$nothing"
answers 404 "no image 'other' is stored here" "$url/v1/images/other"
# What lies between the steps of a build is nobody's but the builder's.
"$carrel" --store store --quiet image import demo.steps disk.raw --format raw >/dev/null
answers 404 "no image 'demo.steps' is stored here" "$url/v1/images/demo.steps"
[ "$(status_of "$url/v1/images")" = 200 ] && ! grep -q steps answer || fail "it lists $(cat answer)"
answers 404 "no 'deltas/a-b.0' is stored here" "$url/v1/deltas/a-b.0"
answers 404 "no 'records/$nothing' is stored here" "$url/v1/records/$nothing"
answers 404 "no 'trust/1.root.json' is stored here" "$url/v1/trust/1.root.json"
answers 404 'reserved id of a hole' "$url/v1/chunks/$hole"
# A chunk is not a segment, also after it has been read.
[ "$(status_of "$url/v1/chunks/$(head -n 1 ids)")" = 200 ] || fail "a chunk that is there"
answers 404 'no segment' "$url/v1/segments/$(head -n 1 ids)"
answers 400 'not an id' "$url/v1/chunks/abc"
answers 400 'not an id' "$url/v1/chunks/${nothing}a"
answers 400 'not an id' "$url/v1/chunks/$nothing/"
answers 400 'not an id' --path-as-is "$url/v1/chunks/../../etc/passwd"
answers 400 'not an image name' --path-as-is "$url/v1/images/..%2f..%2fetc%2fpasswd"
answers 400 'not an image name' "$url/v1/images/disk@1"
answers 400 'is not a name' --path-as-is "$url/v1/trust/../heads/disk"
answers 400 'is not a name' "$url/v1/trust/"
answers 400 'is not a name' "$url/v1/records/.tmp"
answers 400 'is not a name' "$url/v1/deltas/$nothing$nothing$nothing"
for method in POST PUT DELETE PATCH OPTIONS; do
    answers 405 "'$method' is not possible here; use GET or HEAD" -X $method "$url/v1/images"
done
answers 405 "'GET' is not possible here; use POST" "$url/v1/batch"
answers 400 'its header alone needs 16' -X POST "$url/v1/batch"
answers 400 'not a batch request' -d 'hello' "$url/v1/batch"

# Too large, or without a length: said before the body is taken.
head -c 9000 /dev/zero >large
answers 413 'at most 8208 bytes' --data-binary @large "$url/v1/batch"
answers 411 "needs its 'Content-Length'" -H 'Transfer-Encoding: chunked' --data-binary @large \
    "$url/v1/batch"
answers 413 'at most 0 bytes' -X GET --data-binary @large "$url/v1/images"
long=$(head -c 70000 /dev/zero | tr '\0' a)
[ "$(status_of -H "X-Long: $long" "$url/v1/images")" = 431 ] || fail "long headers"
answers 431 'at most 8192 bytes of headers' -H "X-Long: ${long::8200}" "$url/v1/images"
answers 431 'no cookies' -H "Cookie: a=b" "$url/v1/images"
for ((i = 0; i < 70; i++)); do echo "a$i: b"; done >many
answers 431 '64 of them' -H @many "$url/v1/images"
# A body without an end is cut off.
if head -c 100000000 /dev/zero | curl -s -H 'Transfer-Encoding: chunked' -T - -X POST \
    "$url/v1/batch" >answer; then
    grep -q 'needs its' answer || fail "an endless body was taken"
fi
[ "$(curl -s "$url/v1/images")" = '["disk"]' ] || fail "not alive afterwards"
chunkd_stop "$chunkd_pid"

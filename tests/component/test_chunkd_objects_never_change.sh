#!/bin/bash
# Chunks, segments and manifests are served as they are stored, for ever; heads are asked for again.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 5
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
chunk=$(sed -n 3p ids)
segment=$(ls store/segments)
manifest=$(ls store/manifests)

header() { # name: its value in the answer's headers
    sed -n "s/^$1: \(.*\)\r$/\1/Ip" headers
}

for path in chunks/$chunk segments/$segment manifests/$manifest; do
    id=${path#*/}
    [ "$(curl -s -D headers -o answer -w '%{http_code}' "$url/v1/$path")" = 200 ] || fail "$path"
    [ "$(zstd -dcq answer | sha256sum | cut -d' ' -f1)" = "$id" ] || fail "$path: other bytes"
    [ "$(header ETag)" = "\"$id\"" ] || fail "$path: ETag $(header ETag)"
    [ "$(header Cache-Control)" = 'public, max-age=31536000, immutable' ] || fail "$path: caching"
    length=$(header Content-Length)
    [ "$length" = "$(stat -c %s answer)" ] || fail "$path: length $length"
    # The stored frame itself: what the store's file holds.
    case $path in
        chunks/*) ;;
        *) cmp answer "store/$path" || fail "$path: not the stored frame" ;;
    esac

    [ "$(curl -s -I -D headers -o /dev/null -w '%{http_code} %{size_download}' "$url/v1/$path")" \
        = '200 0' ] || fail "$path: HEAD"
    [ "$(header Content-Length)" = "$length" ] || fail "$path: HEAD tells another length"

    for known in "\"$id\"" "W/\"$id\"" "\"other\", \"$id\"" '*'; do
        [ "$(curl -s -D headers -H "If-None-Match: $known" -o answer \
            -w '%{http_code} %{size_download}' "$url/v1/$path")" = '304 0' ] ||
            fail "$path: If-None-Match: $known"
        [ "$(header ETag)" = "\"$id\"" ] || fail "$path: no ETag with 304"
    done
    [ "$(status_of -H 'If-None-Match: "other"' "$url/v1/$path")" = 200 ] || fail "$path: other tag"
    # No ranges: the whole object is sent.
    [ "$(status_of -r 0-9 "$url/v1/$path")" = 200 ] || fail "$path: a range"
done

# The head: its bytes, its hash as tag, to be asked for each time.
[ "$(curl -s -D headers -o answer -w '%{http_code}' "$url/v1/images/disk")" = 200 ] || fail "head"
cmp answer store/heads/disk || fail "the head is not the stored one"
tag=$(sha256sum <answer | cut -d' ' -f1)
[ "$(header ETag)" = "\"$tag\"" ] || fail "head: ETag"
[ "$(header Cache-Control)" = no-cache ] || fail "head: caching"
[ "$(status_of -H "If-None-Match: \"$tag\"" "$url/v1/images/disk")" = 304 ] || fail "head: 304"
"$carrel" --store store --quiet image import disk disk.raw --no-trim --message again >/dev/null
[ "$(status_of -H "If-None-Match: \"$tag\"" "$url/v1/images/disk")" = 200 ] ||
    fail "a new version is not seen"
cmp answer store/heads/disk || fail "the old head after a new version"
[ "$(curl -s "$url/v1/images")" = '["disk"]' ] || fail "list of images"
chunkd_stop "$chunkd_pid"

#!/bin/bash
# Boots that seats record become the version's hot list: each client counts once, a minority decides nothing,
# hostile and huge records are refused; a child has its parent's list until it is booted itself.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 20
pki_make
"$carrel" --store store --quiet image import disk disk.raw --parent disk@1 --no-trim >/dev/null
cp disk.raw other.raw
dd if=/dev/urandom of=other.raw bs=64K seek=3 count=1 conv=notrunc status=none
"$carrel" --store store --quiet image import disk other.raw --parent disk@2 --no-trim >/dev/null
root() { "$carrel" --store store image show "$1" --json | jq -r .root; }
first=$(root disk@1) child=$(root disk@3)
for name in b c d; do "$carrel" pki issue pki --client "$name" >/dev/null; done

# The format by a hand of its own.
hot() { # make ROOT BYTES CHUNK... | show FILE
    python3 - "$@" <<'PYTHON'
import hashlib, struct, sys

def make(root, size, *chunks):
    out = b"CRHOTLS1" + bytes.fromhex(root) + struct.pack("<QII", int(size), len(chunks), 0)
    expected = 0
    for chunk in map(int, chunks):
        step = chunk - expected
        step = 2 * step if step >= 0 else -2 * step - 1
        while step > 0x7f:
            out += bytes([step & 0x7f | 0x80])
            step >>= 7
        out += bytes([step])
        expected = chunk + 1
    sys.stdout.buffer.write(out + hashlib.sha256(out).digest())

def show(path):
    data = open(path, "rb").read()
    assert data[:8] == b"CRHOTLS1" and hashlib.sha256(data[:-32]).digest() == data[-32:]
    size, count, zero = struct.unpack("<QII", data[40:56])
    at, expected, chunks = 56, 0, []
    for _ in range(count):
        step = shift = 0
        while True:
            byte = data[at]
            at += 1
            step |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        chunks.append(expected + (-(step + 1) // 2 if step & 1 else step // 2))
        expected = chunks[-1] + 1
    assert at == len(data) - 32 and zero == 0
    print(data[8:40].hex(), size, *chunks)

make(*sys.argv[2:]) if sys.argv[1] == "make" else show(sys.argv[2])
PYTHON
}
bytes=$((20 * 65536))
as() { # client curl's arguments...
    local client=pki/clients/$1
    shift
    status_of --cacert pki/ca.pem --cert "$client/client.pem" --key "$client/client-key.pem" "$@"
}
boot() { # client ROOT CHUNK...
    local client=$1 root=$2
    shift 2
    hot make "$root" "$bytes" "$@" >boot
    as "$client" --data-binary @boot "$url/v1/boots/$root"
}
list_is() { # ROOT CHUNK...
    local root=$1
    shift
    [ "$(as seat "$url/v1/hot/$root")" = 200 ] || fail "no list: $(cat answer)"
    [ "$(hot show answer)" = "$root $bytes $*" ] || fail "the list is $(hot show answer), not $*"
}

chunkd_start plain --store store --pki pki/server --listen 127.0.0.1:0
[ "$(boot seat "$first" 0 1)" = 404 ] || fail "boots were taken without --boots"
chunkd_stop "$chunkd_pid"
chunkd_start boots --store store --pki pki/server --listen 127.0.0.1:0 --boots
[ "$(as seat "$url/v1/hot/$first")" = 404 ] || fail "a list out of nothing"

[ "$(boot seat "$first" 0 5 6 7 2)" = 200 ] || fail "$(cat answer)"
list_is "$first" 0 5 6 7 2
[ "$(boot seat "$first" 9)" = 409 ] || fail "the same client twice at once: $(cat answer)"
list_is "$child" 0 5 6 7 2
[ "$(boot b "$first" 0 6 5 7 11)" = 200 ] || fail "$(cat answer)"
[ "$(boot c "$first" 0 5 6 2 12)" = 200 ] || fail "$(cat answer)"
list_is "$first" 0 5 6 7 2
[ "$(boot d "$first" 19 18 17 16 15 14 13 0 5)" = 200 ] || fail "$(cat answer)"
list_is "$first" 0 5 6 7 2
[ "$(boot b "$child" 1 2 3)" = 200 ] || fail "$(cat answer)"
list_is "$child" 1 2 3
list_is "$first" 0 5 6 7 2

# It is asked each time and told when it is the same.
as seat -D headers "$url/v1/hot/$first" >/dev/null
tag=$(tr -d '\r' <headers | sed -n 's/^etag: //Ip')
grep -qi '^cache-control: no-cache' headers || fail "$(cat headers)"
[ "$(as seat -H "If-None-Match: $tag" "$url/v1/hot/$first")" = 304 ] || fail "not 304"

# What is no boot changes nothing.
[ "$(boot seat "$child" 1 1)" = 400 ] || fail "a chunk twice: $(cat answer)"
[ "$(boot seat "$child" 20)" = 400 ] || fail "a chunk beyond the disk: $(cat answer)"
hot make "$first" "$bytes" 0 >boot
[ "$(as seat --data-binary @boot "$url/v1/boots/$child")" = 400 ] || fail "of another version: $(cat answer)"
bytes=$((21 * 65536))
[ "$(boot seat "$child" 0)" = 400 ] || fail "of another disk: $(cat answer)"
bytes=$((20 * 65536))
strange=${child%?}0
[ "$strange" != "$child" ] || strange=${child%?}1
[ "$(boot seat "$strange" 0)" = 404 ] || fail "of no version: $(cat answer)"
head -c 327769 /dev/zero >huge
[ "$(as seat --data-binary @huge "$url/v1/boots/$child")" = 413 ] || fail "huge: $(cat answer)"
[ "$(as seat --data-binary rubbish "$url/v1/boots/$child")" = 400 ] || fail "rubbish: $(cat answer)"
[ "$(as seat "$url/v1/boots/$child")" = 405 ] || fail "GET of a boot"
[ "$(as seat "$url/v1/hot/xyz")" = 400 ] || fail "no id"
list_is "$child" 1 2 3
chunkd_stop "$chunkd_pid"

# The lists go with their versions.
for n in 1 2; do "$carrel" --store store --quiet image rm "disk@$n" >/dev/null; done
"$carrel" --store store --quiet store gc >/dev/null
[ "$(ls store/hot)" = "$(printf '%s\n' "$child" "$child.boots")" ] || fail "$(ls store/hot)"

refuses 1 'cannot be written|only reads|read' "$chunkd" --store "https://127.0.0.1:1" --no-tls --listen 127.0.0.1:0 --boots

#!/bin/bash
# Private overlays are apart: another owner with the very same content shares no id with them, finds
# none of them by `have`, cannot read or change them; on disk there is neither content nor a name nor a
# usable key; without the server's key nothing opens, and the server says so.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
private_site_make 8

overlay_make a.qcow2
for _ in {1..5000}; do echo "the secret of alice, told again and again"; done >secret
truncate -s 128K secret
overlay_write a.qcow2 1M secret
cp a.qcow2 b.qcow2
push alice a.qcow2 --json >a.json
push bob b.qcow2 --json >b.json
# Both have the same content; bob's had to be sent whole.
[ "$(jq -c '[.chunks, .chunks_sent]' a.json)" = "$(jq -c '[.chunks, .chunks_sent]' b.json)" ] ||
    fail "bob's push was shorter than alice's: $(cat a.json b.json)"

ask() { # owner curl's arguments...
    local who=$1
    shift
    curl -sS --cacert pki/ca.pem --cert "pki/clients/$who/client.pem" \
        --key "pki/clients/$who/client-key.pem" -o answer -w '%{http_code}' "$@"
}
mapfile -t spaces < <(cd private && ls -d ????????????????????????????????????????)
[ ${#spaces[@]} = 2 ] || fail "not two owners: ${spaces[*]}"
ids_of() { # space: of all chunks and objects
    python3 - "private/$1/store" <<'PYTHON'
import os, struct, sys
store = sys.argv[1]
for name in os.listdir(store + "/packs"):
    data = open(store + "/packs/" + name, "rb").read()
    count = struct.unpack("<I", data[-16:-12])[0]
    footer = data[-16 - 40 * count:-16]
    for i in range(count):
        print(footer[40 * i:40 * i + 32].hex())
for kind in ("segments", "manifests"):
    for name in os.listdir(store + "/" + kind):
        print(name)
PYTHON
}
for space in "${spaces[@]}"; do ids_of "$space" | sort >"$space.ids"; done
[ -s "${spaces[0]}.ids" ] && [ -s "${spaces[1]}.ids" ] || fail "no ids"
[ -z "$(comm -12 "${spaces[0]}.ids" "${spaces[1]}.ids")" ] || fail "two owners share an id"
# Nor are they ids of the plain content.
split --bytes=64K --filter=sha256sum secret | cut -d' ' -f1 >plain.ids
! grep -qFf plain.ids ./*.ids >/dev/null 2>&1 || [ "$(cat "${spaces[0]}.ids" "${spaces[1]}.ids" |
    grep -cFf plain.ids || true)" = 0 ] || fail "an id is that of the plain content"

# have: each finds its own, and of the other one's not one, even if it knew the ids.
have() { # owner ids: how many of them the server has
    python3 -c '
import struct, sys
ids = [bytes.fromhex(line) for line in open(sys.argv[1])]
sys.stdout.buffer.write(b"CRHAVE01" + struct.pack("<II", len(ids), 0) + b"".join(ids))' "$2" >body
    [ "$(ask "$1" --data-binary @body "$sync_url/v1/private/have")" = 200 ] || fail "have: $(cat answer)"
    python3 -c '
data = open("answer", "rb").read()
print(sum(bin(byte).count("1") for byte in data[16:]))'
}
for space in "${spaces[@]}"; do
    all=$(wc -l <"$space.ids") of_alice=$(have alice "$space.ids") of_bob=$(have bob "$space.ids")
    # Segments and manifests are no chunks: 2 of them.
    ((of_alice + of_bob == all - 2 && (of_alice == 0 || of_bob == 0))) ||
        fail "of $all ids alice has $of_alice, bob $of_bob"
done

# Reading and writing: by the certificate alone, whatever is asked for.
ask alice "$sync_url/v1/images" >/dev/null
name=$(jq -r '.[0]' answer)
[ "$(ask alice "$sync_url/v1/images/$name")" = 200 ] || fail "alice cannot read her own"
[ "$(ask bob "$sync_url/v1/images/$name")" = 404 ] || fail "bob reads alice's"
for space in "${spaces[@]}"; do
    manifest=$(ls "private/$space/store/manifests")
    [ "$(ask alice "$sync_url/v1/manifests/$manifest") $(ask bob "$sync_url/v1/manifests/$manifest")" \
        != "200 200" ] || fail "both read $manifest"
done
find private -path '*/store/*' -type f | sort | xargs sha256sum >before
ask bob -d "{\"name\":\"$name\"}" "$sync_url/v1/private/claim" >/dev/null
[ "$(ask bob "$sync_url/v1/images")" = 200 ]
jq -e --arg name "$name" 'index($name) == null' answer >/dev/null || fail "bob wrote alice's name"
find private -path '*/store/*' -type f | sort | xargs sha256sum | grep -v '/state/\|/locks/' >after
grep -v '/state/\|/locks/' before | diff - after || fail "bob's claim changed something"
[ "$(ask alice "$sync_url/v1/private/keys")" = 200 ] && cp answer alice.keys
[ "$(ask bob "$sync_url/v1/private/keys")" = 200 ] && ! cmp -s answer alice.keys || fail "the same keys"
[ "$(stat -c %s alice.keys)" = 64 ] || fail "the keys"
# chunkd shows nothing of it.
[ "$(curl -sS --cacert pki/ca.pem --cert pki/clients/alice/client.pem \
    --key pki/clients/alice/client-key.pem "$url/v1/images")" = '["disk"]' ] || fail "chunkd tells"

# At rest: no content (also none that zstd would give back), no names, no keys.
find private -type f -exec cat {} + >rest
! grep -qaE 'secret|alice|bob|desk|disk@' rest || fail "on disk: $(grep -aoE 'secret|alice|bob|desk|disk@' rest | head -n 3)"
! find private | grep -qE 'alice|bob|desk' || fail "a name with a meaning"
for pack in private/*/store/packs/*; do
    python3 - "$pack" <<'PYTHON' >frames
import struct, subprocess, sys
data = open(sys.argv[1], "rb").read()
count = struct.unpack("<I", data[-16:-12])[0]
for i in range(count):
    entry = data[-16 - 40 * (count - i):][:40]
    offset, length = struct.unpack("<II", entry[32:])
    sys.stdout.buffer.write(subprocess.run(["zstd", "-dcq"], input=data[offset:offset + length],
                                           stdout=subprocess.PIPE, check=True).stdout)
PYTHON
    ! grep -qa secret frames || fail "the content is to be read"
done
python3 - <<'PYTHON' || fail "a key stands on disk"
keys = open("alice.keys", "rb").read()
rest = open("rest", "rb").read()
assert keys[:32] not in rest and keys[32:] not in rest
PYTHON
[ "$(stat -c %a server.key)" = 600 ] || fail "the key file is open to others"

# Keys of one owner in the place of another's, a lost key file, a wrong one.
kill -TERM "$syncd_pid"
wait "$syncd_pid"
cp -r private kept
cp "private/${spaces[0]}/key" "private/${spaces[1]}/key"
again() { syncd_start syncd --private private --key-file "$1" --pki pki/server --listen 127.0.0.1:0; }
again server.key
failed=0
pull alice x.qcow2 >out 2>err || failed=$((failed + 1))
pull bob y.qcow2 >out 2>>err || failed=$((failed + 1))
[ "$failed" = 1 ] && grep -q "wrapped by another key" err || fail "swapped keys: $(cat err)"
kill -TERM "$syncd_pid"
wait "$syncd_pid"
rm -rf private && mv kept private
refuses 1 "bring it back from your backup" "$syncd" --private private --key-file lost.key \
    --pki pki/server --listen 127.0.0.1:0
[ ! -e lost.key ] || fail "a new key was made over old data"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >other.key
echo >>other.key
refuses 1 "is not the one that" "$syncd" --private private --key-file other.key --pki pki/server \
    --listen 127.0.0.1:0
again server.key
rm -f a2.qcow2
pull alice a2.qcow2 >out
shows_the_same a.qcow2 a2.qcow2

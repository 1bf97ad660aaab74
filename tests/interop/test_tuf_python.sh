#!/bin/bash
# Signed metadata means the same to another implementation: what it writes is taken, what it spoils
# is refused with the reason, and what the repository of a store holds is right for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../harness/lib.sh"
peer=$here/tuf_peer.py client=$BUILD/interop/tuf-client
python=
for try in python3 /usr/bin/python3; do
    "$try" -c 'import cryptography' 2>/dev/null && python=$try && break
done
[ -n "$python" ] || skip "no python3-cryptography"

# --- what the peer writes -------------------------------------------------------------------------
mkdir www
start "$python" -u -m http.server 0 --bind 127.0.0.1 --directory www >server.log 2>&1
wait_until grep -q 'port [0-9]' server.log
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log | head -n 1)

cases=0
while IFS=$'\t' read -r name reason; do
    "$python" "$peer" make "www/$name" "$name"
    url=http://127.0.0.1:$port/$name
    mkdir -p "seat-$name/targets"
    "$client" --metadata-dir "seat-$name" init "www/$name/metadata/1.root.json"
    get=("$client" --metadata-dir "seat-$name" --metadata-url "$url/metadata" --target-name
        "dir/a file" --target-name lab/a_file --target-base-url "$url/targets" --target-dir "seat-$name/targets" download)
    if [ -z "$reason" ]; then
        "${get[@]}" || fail "the repository '$name' is refused"
        grep -q 'what is in it' "seat-$name/targets/dir%2Fa%20file" || fail "another target"
        grep -q 'what is in it' "seat-$name/targets/lab%2Fa_file" || fail "not found by delegation"
        asked=$(sed -n 's/.*GET [^ ]*metadata.2\.\(.*%.*\|empty\)\.json .*/\1/p' server.log)
        [ "$asked" = $'empty\nlab%2F%C3%A9' ] || fail "other roles were asked: $asked"
        # Again: what is there is not asked for again; in a year all of it is still right.
        : >server.log
        "${get[@]}"
        grep -qE 'GET .*(/targets/|empty|lab)' server.log && fail "the target was fetched again"
        "$client" --metadata-dir "seat-$name" --metadata-url "$url/metadata" \
            --days-in-future 365 refresh
        refuses 1 'expired at 2099-01-01T00:00:00Z' "$client" --metadata-dir "seat-$name" \
            --metadata-url "$url/metadata" --days-in-future 36500 refresh
    else
        refuses 1 "$reason" "${get[@]}"
        case $name in
        delegate-*) kept=delegate-lab%2F%C3%A9.json ;;
        *) kept=targets.json ;;
        esac
        [ ! -e "seat-$name/$kept" ] || fail "'$name' is refused and kept"
    fi
    cases=$((cases + 1))
done < <("$python" "$peer" cases)
[ "$cases" -gt 27 ] || fail "only $cases cases"

# --- what the store's repository holds ------------------------------------------------------------
"$carrel" store init store >/dev/null
export CARREL_STORE=$work/store
head -c 200000 /dev/urandom >disk.img
"$carrel" --quiet image import physics disk.img --format raw >/dev/null
"$carrel" --quiet trust init --keys keys >/dev/null
printf 'more' >>disk.img && truncate -s 200704 disk.img
"$carrel" --quiet image import physics disk.img --format raw --parent physics@1 >/dev/null
"$carrel" --quiet image promote physics@1 stable >/dev/null
"$carrel" --quiet trust sign --key keys/targets.pem --signer keys/signer >/dev/null

"$python" "$peer" verify store/trust store/trust/1.root.json >found
"$carrel" --json image show physics@2 >show.json
root=$("$python" -c 'import json; print(json.load(open("show.json"))["root"])')
grep -qx "physics@2 64 $root" found || fail "the peer sees other versions: $(cat found)"
grep -qx 'physics:stable -> 1' found || fail "the peer sees other channels: $(cat found)"

# A root by other keys, with all that they sign: from the first root on, to the peer and to a seat.
"$carrel" --quiet trust key new.pem >/dev/null
"$carrel" --quiet trust rotate targets --new new.pem --key keys/root.pem --signer keys/signer \
    >/dev/null
"$carrel" --quiet trust sign --key new.pem --signer keys/signer >/dev/null
[ -e store/trust/2.root.json ] || fail "no new root"
"$python" "$peer" verify store/trust store/trust/1.root.json >found
grep -qx "physics@2 64 $root" found || fail "after the rotation: $(cat found)"
cp -r store/trust www/store
"$client" --metadata-dir seat-store init store/trust/1.root.json
"$client" --metadata-dir seat-store --metadata-url "http://127.0.0.1:$port/store" refresh

# One byte of any file is another, and the peer says so.
for file in 2.root.json timestamp.json; do
    cp -r store/trust spoilt
    sed -i 's/"version":/&9/' "spoilt/$file"
    "$python" "$peer" verify spoilt store/trust/1.root.json >found 2>&1 &&
        fail "the peer takes a spoilt '$file'"
    rm -r spoilt
done

# --- canonical JSON, three ways -------------------------------------------------------------------
"$python" - >sample.json <<'PY'
import json
print(json.dumps({"z": [1, -5, 0, True, None, 2**63 - 1, -2**63], "\u00e9": "\u20ac\U0001f600\n\t\x7f",
                  "": {"\\": '"', "B": {}, "b": [], "a\u0300": "/"}}))
PY
"$BUILD/interop/tuf-canonical" <sample.json >ours
"$python" "$peer" canonical <sample.json >theirs
cmp ours theirs || fail "canonical JSON differs"
if "$python" -c 'import securesystemslib' 2>/dev/null; then
    "$python" -c 'import json, sys; from securesystemslib.formats import encode_canonical
sys.stdout.buffer.write(encode_canonical(json.load(open("sample.json"))).encode())' >third
    cmp ours third || fail "canonical JSON differs from securesystemslib"
fi

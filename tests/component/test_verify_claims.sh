#!/bin/bash
# A manifest that claims a disk of 2^63 bytes, or segments that it does not have, is refused with one
# sentence by every command, whoever hashed it correctly and put it into a head.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 100K /dev/urandom >disk.raw
"$carrel" image import disk disk.raw --format raw --quiet >/dev/null

cat >forge.py <<'END'
"""forge.py STORE NAME DISK_BYTES SEGMENTS: a version with a manifest that claims so."""
import hashlib, json, struct, sys
store, name, disk_bytes, segments = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
plain = b"CRMANIF1" + bytes([1, 16, 12, 0]) + struct.pack("<IQQ", segments, disk_bytes, 0) + bytes(32)
# One zstd frame with its content size and one raw block (RFC 8878).
frame = bytes.fromhex("28b52ffd20") + bytes([len(plain)])
frame += (1 | len(plain) << 3).to_bytes(3, "little") + plain
root = hashlib.sha256(plain).hexdigest()
open(f"{store}/manifests/{root}", "wb").write(frame)
version = {"number": 1, "root": root, "disk_bytes": min(disk_bytes, 1 << 46), "data_bytes": 0,
           "stored_bytes": 0, "created_s": 0, "parent": "", "message": ""}
body = json.dumps({"name": name, "next": 2, "versions": [version]}).encode()
digest = hashlib.sha256(body).hexdigest()
open(f"{store}/heads/{name}", "wb").write(f"carrel-head 1 {digest}\n".encode() + body)
END
python3 forge.py s honest 65536 1
"$carrel" image show honest >/dev/null || fail "the forger's honest version is refused"

qemu-img create -q -f qcow2 -b disk.raw -F raw overlay.qcow2
check() { # pattern
    refuses 1 "$1" "$carrel" image show evil
    refuses 1 "$1" "$carrel" image export evil out.raw
    refuses 1 "$1" "$carrel" image diff evil@1 disk@1
    refuses 1 "$1" "$carrel" image commit evil overlay.qcow2 --base evil@1
    "$carrel" image verify evil --json >report && fail "verify accepts it"
    jq -e '.damaged[0].kind == "manifest"' report >/dev/null
    [ ! -e out.raw ] || fail "an export left a file"
}
python3 forge.py s evil $((1 << 62)) 1
check "it claims a disk of 4611686018427387904 bytes, at most"
python3 forge.py s evil 9223372036854775808 1
check "it claims a disk of 9223372036854775808 bytes, at most"
python3 forge.py s evil 18446744073709551615 1
check "it claims a disk of 18446744073709551615 bytes, at most"
python3 forge.py s evil 65536 4294967295
check "it claims 4294967295 segments"
python3 forge.py s evil 0 0
# The head says so too.
for command in show verify log; do
    refuses 1 "head 'evil' of store 's' is corrupted" "$carrel" image "$command" evil
done

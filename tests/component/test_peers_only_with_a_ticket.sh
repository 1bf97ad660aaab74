#!/bin/bash
# A seat serves who has a certificate of the site and a ticket for it, and not more bytes a second than
# it was told.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
. "${OLDPWD}/tests/harness/room.sh"
make_store 16
make_pki
seats_make 4
start_server
root=$("$carrel" --store "$store" --json image show disk | jq -r .root)
seat_start 1 --peer-upload 1M
seat_reads 1

dd if="$disk" bs=64K count=1 status=none | sha256sum | cut -d' ' -f1 >id
python3 - "$(cat id)" >request <<'PYTHON'
import struct, sys
sys.stdout.buffer.write(b"CRBREQ01" + struct.pack("<II", 1, 0) + bytes.fromhex(sys.argv[1]))
PYTHON
read -r port ticket < <(python3 "$OLDPWD/tests/harness/peer.py" tickets "$server_url" "$pki/clients/seat3" "$root")
[ "${#ticket}" = 352 ] || fail "no ticket: '$ticket'"
ask() { # number [curl's arguments...]
    local as=$pki/clients/seat$1
    shift
    curl -sk -o answer -w '%{http_code}' --cert "$as/client.pem" --key "$as/client-key.pem" \
        --data-binary @request "$@" "https://127.0.0.1:$port/v1/batch"
}
expect() { # status number [curl's arguments...]
    local status
    status=$(ask "${@:2}") || true
    [ "$status" = "$1" ] || fail "status $status, not $1: ${*:2}"
}
expect 200 3 -H "Carrel-Ticket: $ticket"
python3 - <<'PYTHON' || fail "not the chunk"
import hashlib, struct, subprocess
data = open("answer", "rb").read()
assert data[:8] == b"CRBANS01" and struct.unpack("<I", data[16:20])[0] == len(data) - 20
plain = subprocess.run(["zstd", "-dcq"], input=data[20:], stdout=subprocess.PIPE).stdout
assert hashlib.sha256(plain).hexdigest() == open("id").read().strip()
PYTHON
expect 403 3
expect 403 3 -H "Carrel-Ticket: ${ticket:2}"
expect 403 3 -H "Carrel-Ticket: ${ticket/%??/ff}"
expect 403 4 -H "Carrel-Ticket: $ticket"
curl -sk --data-binary @request -H "Carrel-Ticket: $ticket" "https://127.0.0.1:$port/v1/batch" >answer 2>&1 &&
    fail "somebody without a certificate was served"
"$carrel" pki init elsewhere >/dev/null
"$carrel" pki issue elsewhere --client seat3 >/dev/null
curl -sk --cert elsewhere/clients/seat3/client.pem --key elsewhere/clients/seat3/client-key.pem \
    --data-binary @request "https://127.0.0.1:$port/v1/batch" >answer 2>&1 && fail "a foreign seat was served"

# A server that was restarted signs with another key; old tickets stay good until they expire.
kill_server
start_server
expect 200 3 -H "Carrel-Ticket: $ticket"

# The upload cap: what it does not allow comes from the server.
begin=$(date +%s%N)
seat_start 2
seat_reads 2
elapsed_ms=$((($(date +%s%N) - begin) / 1000000))
seat_stop 2
seat_stop 1
sent=$(seat_figure 1 upload_bytes)
echo "$sent bytes in $elapsed_ms ms"
[ "$sent" -le $((elapsed_ms * 1049 + 3200000)) ] || fail "the cap does not hold"
[ "$(seat_figure 1 upload_refused)" -ge 3 ] || fail "$(cat cache1/stats.json)"

#!/bin/bash
# A timestamp that expired is no reason not to teach: the version that was verified last starts, and
# the seat says why it warns; news are not taken before the timestamp is signed anew.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
signer=$BUILD/bin/carrel-signer
store_small
make_pki
"$carrel" --quiet trust init --keys keys
"$carrel" --quiet trust seat desk
start_server
start_blockd disk@1 --trust desk 2>blockd.err
stop_blockd
[ ! -s blockd.err ] || fail "it warns of a fresh timestamp: $(cat blockd.err)"

# From a signer whose timestamps last for two seconds.
start "$signer" --state keys/signer --socket signer.sock --timestamp-expiry 2s >signer.out
signer_pid=$started
wait_until grep -q ready signer.out
version_add 2
export CARREL_SIGNER=signer.sock
"$carrel" --quiet trust sign --key keys/targets.pem
expired() { [ "$(date +%s)" -gt "$(date -d "$(jq -r .signed.expires "$store/trust/timestamp.json")" +%s)" ]; }
wait_until expired
refuses 1 'expired' "$carrel" trust verify desk
start_blockd disk --trust desk 2>blockd.err
grep -q '^ready disk@1 ' ready || fail "not the version that was verified: $(cat ready)"
nbdcopy "$uri" served.raw
cmp disk-1.raw served.raw || fail "other bytes"
stop_blockd
grep -q '^carrel-blockd: warning: .*expired' blockd.err || fail "no warning: $(cat blockd.err)"
"$carrel" trust show | grep -q 'expired at' || fail "show does not tell"

"$carrel" --quiet trust timestamp
kill "$signer_pid"
wait "$signer_pid" || true
CARREL_SIGNER=keys/signer "$carrel" --quiet trust timestamp
start_blockd disk --trust desk 2>blockd.err
grep -q '^ready disk@2 ' ready || fail "news are not taken: $(cat ready)"
stop_blockd
[ ! -s blockd.err ] || fail "it still warns: $(cat blockd.err)"

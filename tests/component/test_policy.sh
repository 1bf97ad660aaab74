#!/bin/bash
# Policies and leases: written by the administrator, signed, verified and refused as a seat does.
set -euo pipefail
. "$(dirname "$0")/../harness/lib.sh"

"$carrel" --quiet trust key server
"$carrel" --quiet trust key stranger
"$carrel" policy key server >seat.keys
[ "$("$carrel" policy key server.pub)" = "$(cat seat.keys)" ] || fail "the two halves differ"
echo '{"name": "room-12", "network": "off", "lease_days": 7}' >room.json

# A policy that is signed is shown; its number rises with each signature, also in the same second.
"$carrel" policy sign room.json room.policy --key server >out
grep -q "signed the policy 'room.policy', number [0-9]*, valid until " out
first=$("$carrel" --json policy show room.policy --keys seat.keys | jq .version)
"$carrel" --quiet policy sign room.json room.policy --key server
"$carrel" policy show room.policy --keys seat.keys >out
grep -q '^network *"off"$' out
second=$("$carrel" --json policy show room.policy --keys seat.keys | jq .version)
[ "$second" -gt "$first" ] || fail "number $second follows $first"

# What is wrong is said by name, and what was there stays.
cp room.policy before
echo '{"netwerk": "off"}' >wrong.json
refuses 1 "'wrong.json'.*'netwerk' is not known" "$carrel" policy sign wrong.json room.policy --key server
refuses 1 "with which" "$carrel" policy sign room.json room.policy
refuses 1 "'--days'" "$carrel" policy sign room.json room.policy --key server --days 0
cmp -s before room.policy || fail "a refused policy replaced the one before"

# A stranger's signature, a changed byte: refused.
"$carrel" --quiet policy sign room.json strange.policy --key stranger
refuses 1 "none of the server's keys" "$carrel" policy show strange.policy --keys seat.keys
sed 's/"off"/"on"/' room.policy >changed.policy
refuses 1 "none of the server's keys" "$carrel" policy show changed.policy --keys seat.keys

# A lease names the seat by its certificate, and one version.
"$carrel" --quiet pki init ca
"$carrel" --quiet pki issue ca --client seat7
"$carrel" --quiet store init store
truncate -s 1M disk.raw
export CARREL_STORE=$work/store
"$carrel" --quiet image import tiny disk.raw --format raw >/dev/null
"$carrel" --quiet policy lease ca/clients/seat7/client.pem tiny lease.json --key server --days 3
"$carrel" --json policy show lease.json --keys seat.keys >lease
[ "$(jq -r .image lease)" = tiny@1 ] || fail "the lease is for another version"
print=$(openssl x509 -in ca/clients/seat7/client.pem -outform der | sha256sum)
[ "$(jq -r .seat lease)" = "${print%% *}" ] || fail "the lease is for another seat"
refuses 1 "'disk.raw' holds no certificate" "$carrel" policy lease disk.raw tiny lease.json --key server
refuses 1 "'--days'" "$carrel" policy lease ca/clients/seat7/client.pem tiny lease.json --key server --days 367

#!/bin/bash
# The signer's folder is lost: one command makes another, seats follow it, and numbers never go back.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
store_small
refuses 1 'no signed metadata' "$carrel" trust signer new
"$carrel" --quiet trust init --keys keys
"$carrel" --quiet trust seat desk
version_add 2
"$carrel" --quiet trust sign --key keys/targets.pem --signer keys/signer
"$carrel" --quiet trust timestamp --signer keys/signer
numbers() { # root, targets, snapshot, timestamp, as a seat sees them
    "$carrel" --json trust verify desk | jq -r '"\(.root) \(.targets) \(.snapshot) \(.timestamp)"'
}
[ "$(numbers)" = "1 2 2 3" ] || fail "begin: $(numbers)"
refuses 1 'that of a signer which has signed' "$carrel" trust signer keys/signer
mv keys/signer stolen
# A snapshot that was signed and never announced: its number is taken.
cp "$store/trust/2.snapshot.json" "$store/trust/3.snapshot.json"
python3 - "$store/trust/3.snapshot.json" <<'PYTHON'
import json, sys
whole = json.load(open(sys.argv[1]))
whole["signed"]["version"] = 3
json.dump(whole, open(sys.argv[1], "w"))
PYTHON

"$carrel" trust signer signer --key keys/root.pem >out
grep -q '^published' out || fail "one command was not enough: $(cat out)"
[ "$(numbers)" = "2 2 4 4" ] || fail "the numbers do not go on: $(numbers)"
[ "$(stat -c %a signer)" = 700 ] || fail "others may look into the signer's folder"
version_add 3
"$carrel" --quiet trust sign --key keys/targets.pem --signer signer
[ "$(verified desk disk)" = "disk@3 $(root_of 3)" ] || fail "disk@3"
refuses 1 'lacks the key' "$carrel" trust timestamp --signer stolen
refuses 1 'that of a signer which has signed' "$carrel" trust signer signer --key keys/root.pem

# Several people: the folder is made, and the draft waits for them. Interrupted, it is made again.
rm -r signer
keys_make second
"$carrel" --quiet trust rotate root --add --new second.pem.pub --threshold 2
"$carrel" trust signer signer >out
grep -q 'root 3 has 0 of 2' out || fail "the draft: $(cat out)"
keyid=$(jq -r '.signed.roles.snapshot.keyids[0]' "$store/trust/draft.root.json")
"$carrel" --quiet trust signer signer
[ "$(jq -r '.signed.roles.snapshot.keyids[0]' "$store/trust/draft.root.json")" = "$keyid" ] ||
    fail "made again with other keys"
"$carrel" --quiet trust sign --key keys/root.pem --signer signer
"$carrel" trust sign --key second.pem --signer signer | grep -q '^published' || fail "2 of 2"
[ "$(numbers)" = "3 3 6 6" ] || fail "the second loss: $(numbers)"

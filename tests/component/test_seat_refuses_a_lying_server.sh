#!/bin/bash
# With signed metadata a certificate is not enough: a server that shows another disk under the same
# name, or metadata that is not signed, mixed or older, makes the seat start what was signed, or
# nothing. Without a server the version that was verified last starts, with a warning.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
store_small
make_pki
"$carrel" --quiet trust init --keys keys
export CARREL_SIGNER=keys/signer
"$carrel" --quiet trust seat desk
start_server

blockd_disk() { # file that the served bytes must equal; image; options...
    local want=$1 image=$2
    shift 2
    start_blockd "$image" "$@" 2>blockd.err
    nbdcopy "$uri" served.raw
    cmp "$want" served.raw || fail "$image: other bytes"
    stop_blockd
}
blockd_refuses() { # pattern image options...
    local pattern=$1 image=$2
    shift 2
    refuses 1 "$pattern" "$blockd" --server "$server_url" --pki "$seat" --image "$image" \
        --cache cache --socket "$work/seat.sock" --patience 1 "$@"
    [ ! -s out ] || fail "it said ready: $(cat out)"
}
blockd_disk disk-1.raw disk --trust desk
[ ! -s blockd.err ] || fail "a word too many: $(cat blockd.err)"
[ "$(figure requests)" -gt 0 ] || fail "no figures"

# Not signed yet.
version_add 2
blockd_disk disk-1.raw disk --trust desk
blockd_disk disk-2.raw disk
blockd_refuses "'disk@2' is not among the signed versions" disk@2 --trust desk
"$carrel" --quiet trust sign --key keys/targets.pem
"$carrel" --quiet image promote disk@1 stable --sign-key keys/targets.pem
blockd_disk disk-2.raw disk --trust desk
blockd_disk disk-1.raw disk:stable --trust desk

# Another disk under the same name: the head lies, and nobody asks it.
head_forge "$(root_of 2)" "$(root_of 1)"
blockd_disk disk-1.raw disk@2
blockd_disk disk-2.raw disk@2 --trust desk

# Metadata that nobody signed, of another signer, of an older state, mixed: what was verified holds.
cp -r "$store/trust" trust.good
lies() { # pattern of the warning
    blockd_disk disk-2.raw disk --trust desk
    grep -qE "^carrel-blockd: warning: .*$1" blockd.err || fail "no warning of '$1': $(cat blockd.err)"
    metadata_restore trust.good
}
jq -c '.signed.version += 1' trust.good/timestamp.json | metadata_put timestamp.json
lies 'timestamp.*signatures'
jq -c '.signed.version = 2' trust.good/1.root.json | metadata_put 2.root.json
lies '2.root.json.*signatures'
jq -c '.signatures = []' trust.good/timestamp.json | metadata_put timestamp.json
lies 'timestamp.*0 of the 1 signatures'
echo '{' | metadata_put timestamp.json
lies 'timestamp'
rm "$store/trust/timestamp.json"
lies 'timestamp'
"$carrel" --quiet trust timestamp
newest=$(cat "$store/trust/timestamp.json")
blockd_disk disk-2.raw disk --trust desk
metadata_restore trust.good
lies 'timestamp.*is version 3, and version 4 was seen'
echo "$newest" | metadata_put timestamp.json
head -c 100000 /dev/zero | tr '\0' ' ' | metadata_put timestamp.json
lies 'timestamp'
blockd_disk disk-1.raw disk:stable --trust desk

# A seat that has verified nothing yet starts nothing.
"$carrel" --quiet trust seat new
rm "$store/trust/timestamp.json"
blockd_refuses 'nothing can be trusted' disk --trust new
blockd_refuses '/empty.: No such file' disk --trust empty
metadata_restore trust.good
echo "$newest" | metadata_put timestamp.json

# No server at all: what was verified and read before is here.
kill_server
blockd_disk disk-2.raw disk --trust desk --patience 1
grep -q '^carrel-blockd: warning: signed metadata is not up to date: ' blockd.err || fail "no warning"
blockd_refuses 'does not answer' disk

#!/bin/bash
# The signer is a process of its own: it has no network, holds only the keys of snapshot and
# timestamp, opens no store, signs what the people's keys have signed and nothing else, and nothing
# older than what it has signed before.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/nbd.sh"
. "$here/trust.sh"
signer=$BUILD/bin/carrel-signer
refuses 2 'name the signer.s folder' "$signer" --once
refuses 2 'either --socket PATH or --once' "$signer" --state keys
refuses 2 'no span of time' "$signer" --state keys --once --timestamp-expiry 5
refuses 1 "'nowhere'" "$signer" --state nowhere --socket signer.sock
store_small
"$carrel" --quiet trust init --keys keys
"$carrel" --quiet trust seat desk

signer_start() {
    : >signer.out
    start "$signer" --state keys/signer --socket signer.sock >signer.out 2>signer.err
    signer_pid=$started
    wait_until grep -q '^ready ' signer.out
}
signer_stop() {
    kill -TERM "$signer_pid"
    wait "$signer_pid" || true
}
signer_start
[ "$(stat -c %a signer.sock)" = 660 ] || fail "the socket's mode is $(stat -c %a signer.sock)"
ours=$(readlink /proc/self/ns/net) theirs=$(readlink "/proc/$signer_pid/ns/net")
[ "$ours" != "$theirs" ] || fail "the signer shares our network"
tail -n +3 "/proc/$signer_pid/net/dev" | grep -v '^ *lo:' && fail "the signer has a network device"
grep -q 'NoNewPrivs:[[:space:]]1' "/proc/$signer_pid/status" || fail "it may get privileges"
# Its folder, its socket, and nothing of the store or of the people's keys.
find "/proc/$signer_pid/fd" -type l -printf '%l\n' >open-files
[ "$(wc -l <open-files)" -ge 4 ] || fail "its files cannot be seen"
! grep -qE 'root.pem|targets.pem|/store' open-files || fail "it has open: $(cat open-files)"

# Through the socket; a folder in use is refused and the socket named.
version_add 2
export CARREL_SIGNER=signer.sock
"$carrel" --quiet trust sign --key keys/targets.pem
[ "$(verified desk disk)" = "disk@2 $(root_of 2)" ] || fail "not through the socket"
CARREL_SIGNER=keys/signer refuses 1 'another signer works on' "$carrel" trust timestamp
refuses 1 'another process serves on the socket' "$signer" --state keys --socket signer.sock
# What is no request, or half of one, is refused, and it goes on.
for bytes in '' hello 'CRNOTE01' 'CRNOTE01\001\000\000\000\377\377\377\377\000\000\000\000x'; do
    printf "%b" "${bytes//\\0/\\00}" | python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect("signer.sock")
s.sendall(sys.stdin.buffer.read()); s.shutdown(socket.SHUT_WR)
data = b""
while piece := s.recv(65536): data += piece
assert b"refusal" in data and b"snapshot" not in data, data'
done
"$carrel" --quiet trust timestamp
signer_stop

# A state of the store from before: the signer does not go back, whatever is signed.
cp -r "$store/trust" trust.old
version_add 3
export CARREL_SIGNER=keys/signer
"$carrel" --quiet trust sign --key keys/targets.pem
metadata_restore trust.old
refuses 1 'the signer refuses: .*older than 3, which was signed before' "$carrel" trust timestamp
# Nor does it sign a second file of the same number.
"$carrel" --quiet trust sign --key keys/targets.pem --renew --targets-expiry 80d 2>err && fail "signed two of a number"
grep -q 'another file of version 3 was signed before' err || fail "$(cat err)"

# Targets of another key, another repository's root, a key that it must not have.
"$carrel" --quiet store init "$work/other" >/dev/null
CARREL_STORE=$work/other "$carrel" --quiet trust init --keys others
export CARREL_STORE=$work/other
CARREL_SIGNER=keys/signer refuses 1 'not the root that is trusted here' "$carrel" trust timestamp
cp keys/root.pem keys/signer/timestamp-9.pem
CARREL_STORE=$store refuses 1 'signer refuses: .*holds a key of root, which must not be on a server' \
    "$carrel" trust timestamp

#!/bin/bash
# A store behind a server is read by every command that reads and refused by every one that writes;
# Ctrl-C ends a command that waits for a server which is away.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "$OLDPWD/tests/harness/chunkd.sh"
store_make 200
"$carrel" --store store image import disk disk.raw --no-trim --parent disk@1 --quiet >/dev/null
pki_make
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0
export CARREL_STORE="$url?pki=pki/clients/seat"

"$carrel" image ls --json | jq -e 'map(.image) == ["disk"] and .[0].versions == 2' >/dev/null
"$carrel" image show disk@1 --json | jq -e '.ref == "disk@1"' >/dev/null
"$carrel" image log disk --json | jq -e 'length == 2' >/dev/null
"$carrel" image diff disk@1 disk@2 --json | jq -e '.chunks_equal == 200' >/dev/null
"$carrel" image verify disk --json | jq -e '.ok and .chunks == 200' >/dev/null
"$carrel" image export disk out.raw --quiet
cmp out.raw disk.raw

refuses 1 "store 'https://.*' can only be read from here" "$carrel" image import disk disk.raw
refuses 1 "can only be read from here" "$carrel" image rm disk@1
qemu-img create -q -f qcow2 -b disk.raw -F raw overlay.qcow2
refuses 1 "can only be read from here" "$carrel" image commit disk overlay.qcow2 --base disk@1
refuses 1 "cannot be made from here" "$carrel" store init "$CARREL_STORE"
refuses 1 "there is no image 'nobody'" "$carrel" image show nobody
refuses 1 "image 'disk' has no version 9" "$carrel" image show disk@9

# The server is away: the command waits, a signal ends it.
chunkd_stop "$chunkd_pid"
waits_in_kernel() { # it has come as far as asking the server
    grep -q "^State:.*S" "/proc/$started/status" && [ "$(ls "/proc/$started/task" | wc -l)" -ge 2 ]
}
CARREL_STORE="$CARREL_STORE&patience=600" start "$carrel" image export disk late.raw --quiet 2>err
wait_until waits_in_kernel
kill -INT "$started"
status=0
wait "$started" || status=$?
[ "$status" = 130 ] || fail "exit status $status: $(cat err)"
[ -z "$(find . -name 'late.raw*')" ] || fail "a file was left"

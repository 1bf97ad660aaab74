#!/bin/bash
# An export name and a seat's --image may name a channel: they get the version that it points at then,
# and a promotion reaches the next one who asks, also through a server.
# shellcheck disable=SC2016 # what nbdkit runs expands there
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 8
export CARREL_STORE=$store
dd if=/dev/urandom of="$disk" bs=64K count=1 seek=2 conv=notrunc status=none
"$carrel" image import disk "$disk" --format raw --no-trim --quiet >/dev/null
"$carrel" image promote disk@1 stable --quiet
said() { # FILE VERSION
    [ "$(jq -r '.exports[0] | "\(.description) \(.can_multi_conn)"' "$1")" = "$2" ] || fail "$1: $(cat "$1")"
}

# The plugin: an export name; QEMU's address of it.
nbdkit --unix - "$plugin" "store=$store" --run '
    nbdinfo --json "nbd+unix:///disk:stable?socket=$unixsocket" >info-1
    '"'$carrel'"' image promote disk@2 stable --quiet
    nbdinfo --json "nbd+unix:///disk:stable?socket=$unixsocket" >info-2
    qemu-img compare -f raw -F raw "nbd+unix:///disk:stable?socket=$unixsocket" '"'$disk'"' >same
    nbdinfo "nbd+unix:///disk:beta?socket=$unixsocket" 2>err && exit 1
    exit 0' 2>log
said info-1 "disk@1 false"
said info-2 "disk@2 false"
grep -q "^Images are identical" same
grep -q "image 'disk' has no channel 'beta'; it has: stable" log || fail "$(cat log)"

# image=NAME:CHANNEL is one version until nbdkit ends.
nbdkit --unix - "$plugin" "store=$store" image=disk:stable --run 'nbdinfo --json "$uri" >info-3'
said info-3 "disk@2 true"

# A seat, through a server.
make_pki
start_server
start_blockd disk:stable
grep -q "^ready disk@2 " ready || fail "$(cat ready)"
stop_blockd
"$carrel" image rollback disk:stable --quiet
start_blockd disk:stable
grep -q "^ready disk@1 " ready || fail "$(cat ready)"
stop_blockd

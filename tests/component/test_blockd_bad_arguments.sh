#!/bin/bash
# Each mistake is one sentence with a way out, and an exit status other than zero.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 8
make_pki
"$carrel" pki init "$work/other" >/dev/null
"$carrel" pki issue "$work/other" --client stranger >/dev/null
start_server
no_start() { # pattern argument...
    refuses 1 "^carrel-blockd: $1" "$blockd" --cache cache --socket "$work/s" "${@:2}"
    [ ! -s out ] || fail "it said: $(cat out)"
    [ ! -S "$work/s" ] || fail "the socket is left"
}
server=(--server "$server_url" --pki "$seat")
no_start "'--server URL' is missing: an image server" --image disk
no_start "'--image NAME\[@N\]' is missing" "${server[@]}"
no_start "'--servre' is not known; see carrel-blockd --help" --servre x
no_start "'--pki' needs a value" --pki
no_start "'a/b' is not an image name" "${server[@]}" --image a/b
no_start ".*no image 'desk'" "${server[@]}" --image desk
no_start "image 'disk' has no version 5; its newest is 1" "${server[@]}" --image disk@5
no_start ".*ftp://x" --server ftp://x --image disk
no_start ".*certificate" --server "$server_url" --pki "$work/other/clients/stranger" --image disk
"$carrel" pki issue "$pki" --client late --not-before 2020-01-01 --not-after 2020-02-01 >/dev/null
no_start ".*expired" --server "$server_url" --pki "$pki/clients/late" --image disk
no_start ".*'$work/none" --server "$server_url" --pki "$work/none" --image disk
touch file
refuses 1 "cannot use the cache folder '.*file'" "$blockd" "${server[@]}" --image disk \
    --cache "$work/file" --socket "$work/s"
refuses 1 "'.*/file' is there already and is not a socket" "$blockd" "${server[@]}" --image disk \
    --cache cache --socket "$work/file"
refuses 1 "path '.*' is too long: at most 107 bytes" "$blockd" "${server[@]}" --image disk \
    --cache cache --socket "$work/$(printf '%0120d' 0)"
refuses 1 "nbdkit-carrel-blockd-plugin.so' is not in '/nowhere', where CARREL_LIBEXEC points" \
    env CARREL_LIBEXEC=/nowhere "$blockd" "${server[@]}" --image disk --cache cache \
    --socket "$work/s"

# One at a time: on a socket, and on a cache.
start_blockd disk
refuses 1 "another process serves on the socket" "$blockd" "${server[@]}" --image disk \
    --cache other-cache --socket "$work/seat.sock"
no_start "the cache file '[0-9a-f]{64}.disk' is in use by another process; .* cache folder of its own" \
    "${server[@]}" --image disk
nbdcopy "$uri" - | cmp - "$disk"

# A socket that a killed one left behind is no obstacle.
kill -KILL "$blockd_pid"
wait "$blockd_pid" 2>/dev/null || true
[ -S seat.sock ]
start_blockd disk
nbdcopy "$uri" - | cmp - "$disk"
stop_blockd

"$blockd" --help | grep -q -- '--patience SECONDS'
[ "$("$blockd" --version)" = "carrel-blockd $(cat "$OLDPWD/VERSION")" ]

#!/bin/bash
# The store of the plugin may be a server: nbdkit then hands out what it fetches with its certificate.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
make_pki
start_server
nbdkit --unix - "$plugin" "store=$server_url" "pki=$seat" image=disk --run 'nbdcopy "$uri" copy'
cmp copy "$disk"
# In the background too, where it must open its connections after the fork; by the export name.
nbdkit --unix "$work/s" --pidfile "$work/pid" "$plugin" "store=$server_url" pki=pki/clients/seat
started_pids+=("$(cat "$work/pid")")
nbdcopy "nbd+unix:///disk@1?socket=$work/s" - | cmp - "$disk"
refuses 1 "^nbdkit: error: .*certificate" nbdkit --unix "$work/s2" "$plugin" "store=$server_url" image=disk

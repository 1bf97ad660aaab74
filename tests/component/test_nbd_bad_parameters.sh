#!/bin/bash
# What nbdkit is told wrongly is one clear sentence, and nothing is served: also in the background.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 8
no_start() { # pattern nbdkit-argument...
    refuses 1 "^nbdkit: error: $1" nbdkit --unix "$work/s" --pidfile "$work/pid" "$plugin" "${@:2}"
    [ ! -e "$work/pid" ] || fail "it was started all the same: ${*:2}"
    rm -f "$work/s"
}
no_start "say where the images are: store=URI"
no_start "there is no store at '.*/none'" "store=none"
no_start "store 'ftp:x': unknown kind" "store=ftp:x"
no_start "there is no image 'desk' in store" "store=$store" image=desk
no_start "image 'disk' has no version 2; its newest is 1" "store=$store" image=disk@2
no_start "image=a/b: 'a/b' is not an image name" "store=$store" image=a/b
no_start "cache-size=big is not a size" "store=$store" cache-size=big
no_start "cache-size=4K is not a size of at least 1M" "store=$store" cache-size=4K
no_start "there is no parameter 'stor'" "stor=$store"

# A store by a relative path is found from the background too.
nbdkit --unix "$work/s" --pidfile "$work/pid" "$plugin" store=store image=disk@1
started_pids+=("$(cat "$work/pid")")
nbdcopy "nbd+unix:///?socket=$work/s" - | cmp - "$disk"

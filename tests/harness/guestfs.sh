# For tests that build images; source it after lib.sh.
# shellcheck shell=bash
[ -x "$BUILD/bin/carrel-build-guest" ] ||
    skip "built without libguestfs (package libguestfs-dev)"

#!/bin/bash
# A build whose step hangs ends by the recipe's timeout; one that is interrupted or killed leaves no process,
# no version, and at most a folder that the next build sweeps. In the long suite: four starts of the machine.
set -euo pipefail
busyboxdisk=$PWD/tests/harness/busyboxdisk.sh
. "$PWD/tests/harness/lib.sh"
. "$OLDPWD/tests/harness/guestfs.sh"
[ -n "${CHECK_LONG:-}" ] || skip "interrupted builds are part of make check-long"
export CARREL_STORE=$work/store
"$carrel" store init "$CARREL_STORE" --quiet
"$busyboxdisk" base.img
"$carrel" image import tiny base.img --quiet >/dev/null

recipe() { # LINE...
    printf '%s\n' "image = demo" "base = tiny" "$@" >demo.recipe
}

# Of the programs of a build those that name this test's folder.
left() {
    local pid
    for pid in /proc/[0-9]*; do
        { tr '\0' ' ' <"$pid/cmdline"; } 2>/dev/null | grep -qF -- "$work/carrel-" && return 0
    done
    return 1
}
gone() { ! left; }
nothing_made() {
    left && fail "a process of the build is left"
    refuses 1 "there is no image 'demo'" "$carrel" image show demo
}
sleeping() { # the step runs: its name was printed and the machine is up
    grep -q "step 1/1  runs" err
}
start_build() {
    start "$carrel" image build demo.recipe >out 2>err
    local tries
    for ((tries = 0; tries < 10; tries++)); do
        (wait_until sleeping) 2>/dev/null && return 0
    done
    fail "the build did not come to its step: $(cat err)"
}

recipe "timeout = 1" "run = echo it begins; sleep 600"
status=0
"$carrel" image build demo.recipe >out 2>err || status=$?
[ "$status" = 1 ] || fail "status $status"
grep -q "step 1 (line 4, 'run = .*') failed: it took longer than 1 minutes" err || fail "$(cat err)"
nothing_made

recipe "run = sleep 600"
start_build
kill -INT "$started"
status=0
wait "$started" || status=$?
[ "$status" = 130 ] || fail "an interrupted build ended with status $status"
nothing_made
[ -z "$(find . -maxdepth 1 -name 'carrel-build-??????')" ] || fail "left: $(ls)"

start_build
kill -KILL "$started"
wait "$started" 2>/dev/null || true
wait_until gone
folder=$(find . -maxdepth 1 -type d -name 'carrel-build-??????')
[ -n "$folder" ] || fail "there was no folder to sweep"
touch -d '2 minutes ago' "$folder/lock"
recipe "run = true"
"$carrel" image build demo.recipe --quiet >out 2>err || fail "$(cat err)"
[ ! -e "$folder" ] || fail "the next build did not sweep '$folder'"

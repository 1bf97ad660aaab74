#!/bin/bash
# Ctrl-C, SIGTERM and SIGHUP leave nothing half done: no version, no file, no lock, no helper process,
# exit status 130; the same command then succeeds. A second signal ends it at once, as harmless.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 256M /dev/urandom >disk.raw

packs_exist() {
    [ -n "$(ls s/packs)" ]
}
children_gone() { # nobody (but not this grep) has a file of our folder in its command line or as its socket
    ! grep -lsz "$work/[c]arrel-" /proc/[0-9]*/cmdline | grep -q . && ! grep -q "$work/carrel-" /proc/net/unix
}
partial_exists() {
    [ -n "$(find . -maxdepth 1 -name 'out.*')" ]
}
import_and_signal() { # signal...
    rm -rf s/packs/*
    start "$carrel" image import disk disk.raw --format raw --threads 1 >out 2>err
    wait_until packs_exist
    local signal status=0
    for signal; do kill "-$signal" "$started"; done
    wait "$started" || status=$?
    [ "$status" = 130 ] || fail "exit status $status after $*: $(cat err)"
    "$carrel" image ls --json | jq -e 'length == 0' >/dev/null || fail "a version after $*"
    wait_until children_gone
}
for signal in INT TERM HUP; do
    import_and_signal "$signal"
    grep -q '^carrel: interrupted; nothing was changed$' err || fail "after $signal it said: $(cat err)"
    [ -z "$(ls s/tmp)" ] || fail "files were left in s/tmp after $signal"
    [ -z "$(find . -maxdepth 1 -name 'carrel-*')" ] || fail "a socket's folder was left"
done
import_and_signal INT INT
"$carrel" image import disk disk.raw --format raw --quiet | grep -q '^disk@1 '
"$carrel" image verify disk --quiet

# An export: the partial file is seen, the signal comes, nothing stays.
for format in raw qcow2; do
    for signals in "INT" "TERM TERM"; do
        start "$carrel" image export disk "out.$format" --format "$format" --threads 1 >out 2>err
        wait_until partial_exists
        # shellcheck disable=SC2086  # one or two words
        for signal in $signals; do kill "-$signal" "$started"; done
        status=0
        wait "$started" || status=$?
        if [ "$status" = 0 ]; then
            rm "out.$format" # it was quicker than we
        else
            [ "$status" = 130 ] || fail "exit status $status of an export: $(cat err)"
        fi
        [ -z "$(find . -maxdepth 1 -name 'out.*')" ] || fail "an export left $(echo out.*)"
    done
done

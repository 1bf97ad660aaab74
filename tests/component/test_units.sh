#!/bin/bash
# The services and timers that are installed are what systemd accepts, begin the program that is
# installed, with commands that it knows, and each timer has its service.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
command -v systemd-analyze >/dev/null || skip "systemd-analyze is not here"
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES VARIANT CFLAGS DESTDIR PREFIX
make -C "$root" -o all VARIANT="${BUILD##*/}" install PREFIX="$work/usr" >log 2>&1 ||
    fail "make install: $(tail -n 3 log)"
units=$work/usr/lib/systemd/system
for timer in "$units"/*.timer; do
    service=${timer%.timer}.service
    [ -e "$service" ] || fail "'${timer##*/}' has no service"
    grep -qx 'Persistent=yes' "$timer" || fail "'${timer##*/}' forgets what it missed"
    schedule=$(sed -n 's/^OnCalendar=//p' "$timer")
    systemd-analyze calendar "$schedule" >/dev/null || fail "'${timer##*/}' never runs: $schedule"
    command=$(sed -n 's/^ExecStart=//p' "$service")
    [ "${command%% *}" = "$work/usr/bin/carrel" ] || fail "'${service##*/}' begins '${command%% *}'"
    # Of a command that is known, what is missing is the store.
    read -ra words <<<"${command//%i/physics}"
    status=0
    CARREL_STORE=$work/none "${words[@]}" >out 2>err || status=$?
    [ "$status" = 1 ] && grep -q "$work/none" err || fail "'$command' ended with $status: $(cat err)"
done
SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no "$units"/*.timer "$units/carrel-gc.service" \
    "$units/carrel-scrub.service" "$units/carrel-timestamp.service" >out 2>&1 || fail "$(cat out)"
! grep -F "$units" out || fail "systemd has a remark"

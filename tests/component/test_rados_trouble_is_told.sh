#!/bin/bash
# A Ceph that is full, stands still or is gone makes an error in one sentence within the timeout, never
# a program that hangs; when it is well again the same command succeeds.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
own_ceph 1
any_ceph
CARREL_STORE=$(rados_uri store "timeout=3")
export CARREL_STORE
"$carrel" store init "$CARREL_STORE" >/dev/null
head -c 5M /dev/urandom >one.raw
head -c 5M /dev/urandom >two.raw
"$carrel" image import disk one.raw --format raw --quiet >/dev/null

within() { # SECONDS COMMAND...: it ends by itself
    local begin=$SECONDS limit=$1 ended=0
    shift
    "$@" || ended=$?
    ((SECONDS - begin <= limit)) || fail "took $((SECONDS - begin)) s: $*"
    return "$ended"
}
daemons() { # SIGNAL NAME...
    local name
    for name in "${@:2}"; do kill "-$1" "$(cat "$work/ceph/run/$name.pid")"; done
}
cluster_is_full() { ceph health detail | grep -q OSD_FULL; }
cluster_has_room() { ! cluster_is_full; }

# Full: told at once, readers go on.
ratios() { # NEARFULL BACKFILLFULL FULL
    ceph osd set-nearfull-ratio "$1" && ceph osd set-backfillfull-ratio "$2" && ceph osd set-full-ratio "$3"
}
ratios 0.0001 0.0002 0.0003
wait_until cluster_is_full
within 10 refuses 1 "pool 'carrel' of Ceph is full .*make room.*nothing is lost" \
    "$carrel" image import disk two.raw --format raw
"$carrel" image verify disk@1 --quiet
ratios 0.85 0.9 0.95
wait_until cluster_has_room
import_works() { "$carrel" image import disk two.raw --format raw --quiet >/dev/null; }
wait_until import_works
"$carrel" image verify disk@2 --quiet

# A client that may only read is told what it lacks.
ceph auth get-or-create client.reader mon 'allow r' osd 'allow r pool=carrel' >reader.keyring
{ cat "$CEPH_CONF"; echo "[client.reader]"; echo "keyring = $work/reader.keyring"; } >reader.conf
reader="rados:carrel/${work##*/}.store?conf=$work/reader.conf&id=reader"
"$carrel" --store "$reader" image verify disk@1 --quiet
"$carrel" --store "$reader" store scrub --quiet || fail "who may only read cannot scrub"
refuses 1 "client.reader may not: give it .*allow rwx pool=carrel" \
    "$carrel" --store "$reader" image import disk one.raw --format raw

# Its OSD stands still.
daemons STOP osd.0
within 20 refuses 1 "no answer within 3 s: see what .ceph -s. says" "$carrel" image verify disk@1
daemons CONT osd.0
verify_works() { "$carrel" image verify disk@1 --quiet; }
wait_until verify_works

# Its monitor stands still, so nobody can connect.
daemons STOP mon.a
within 20 refuses 1 "no monitor .* answered within 3 s" "$carrel" image verify disk@1
daemons CONT mon.a
wait_until verify_works

# It stands still while a version is published: an error, and nothing half-made.
head -c 200M /dev/urandom >large.raw
packs() { rados -p carrel -N "${work##*/}.store.packs" ls | wc -l; }
more_packs() { [ "$(packs)" -gt "$before" ]; }
before=$(packs)
start "$carrel" image import large large.raw --format raw --threads 1 --quiet >out.large 2>err.large
wait_until more_packs
kill -STOP "$started"
daemons STOP osd.0
kill -CONT "$started"
status=0
within 60 wait "$started" || status=$?
[ "$status" = 1 ] || fail "the import ended with $status"
grep -q "no answer within 3 s" err.large || fail "$(cat err.large)"
daemons CONT osd.0
again() { "$carrel" image import large large.raw --format raw --quiet >/dev/null; }
wait_until again
"$carrel" image verify large@1 --quiet

#!/bin/bash
# Of three OSDs (every object twice, packs erasure-coded too) one after the other is killed and started
# again under a publisher and eight readers: no wrong byte, and after recovery every publish succeeds.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
[ -n "${CHECK_LONG:-}" ] || skip "needs three OSDs: make check-long"
own_ceph 3
any_ceph
osds_up() { ceph osd stat -f json | grep -q "\"num_up_osds\":$1[,}]"; }
osds_are_2() { osds_up 2; }
osds_are_3() { osds_up 3; }
head -c 64M /dev/urandom >one.raw

for pool in "$CARREL_TEST_RADOS" "carrel?conf=$CEPH_CONF"; do
    CARREL_TEST_RADOS=$pool
    CARREL_STORE=$(rados_uri "in-${pool%%\?*}")
    export CARREL_STORE
    "$carrel" store init "$CARREL_STORE" >/dev/null
    "$carrel" image import disk one.raw --format raw --quiet >/dev/null
    rm -f stop bad
    reads() { # until told to stop
        while [ ! -e stop ]; do
            "$carrel" image export disk@1 "out.$1" --quiet --force 2>"err.$1" || { cat "err.$1" >>bad; return; }
            cmp "out.$1" one.raw >>bad || return
            echo >>"read.$1"
        done
    }
    publishes() {
        local n
        for ((n = 0; ; n++)); do
            [ ! -e stop ] || return 0
            head -c 32M /dev/urandom >new.raw
            "$carrel" image import "new$n" new.raw --format raw --quiet >>published 2>>bad || return
            "$carrel" image export "new$n" out.new --quiet --force && cmp out.new new.raw >>bad || return
        done
    }
    readers=()
    for r in 1 2 3 4 5 6 7 8; do start reads "$r"; readers+=("$started"); done
    start publishes
    readers+=("$started")
    for osd in 0 1 2; do
        "$ceph_sh" osd-stop "$work/ceph" "$osd"
        wait_until osds_are_2
        "$ceph_sh" osd-start "$work/ceph" "$osd"
        started_pids+=("$(cat "$work/ceph/run/osd.$osd.pid")")
        wait_until osds_are_3
        wait_until eval 'ceph pg stat | grep -qv "peering\|down\|undersized\|degraded"'
    done
    touch stop
    wait "${readers[@]}"
    [ ! -s bad ] || fail "$(cat bad)"
    "$carrel" image import after one.raw --format raw --quiet >/dev/null
    "$carrel" image verify after --quiet
    for r in 1 2 3 4 5 6 7 8; do [ -s "read.$r" ] || fail "reader $r read nothing"; done
    echo "$pool: $(cat read.* | wc -l) reads, $(wc -l <published) publishes"
    rm -f out.* read.*
done

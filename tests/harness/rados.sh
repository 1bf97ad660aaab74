# For the tests that keep stores in a real Ceph; source it after lib.sh. They use the cluster that
# CARREL_TEST_RADOS ("POOL?SETTINGS") names, or start one of their own, which they may break
# (own_ceph), and are skipped where Ceph is not installed or not built in.
# shellcheck shell=bash disable=SC2154  # root is the test's, carrel and work are lib.sh's
ceph_sh=$root/tests/harness/ceph.sh

rados_is_built() {
    "$carrel" --store rados: store stat 2>&1 | grep -q 'built without Ceph' &&
        skip "this build leaves stores in Ceph out"
    [ -z "${CARREL_TEST_RADOS_ABSENT:-}" ] || skip "$CARREL_TEST_RADOS_ABSENT"
    return 0
}

own_ceph() { # OSDS: a cluster for this test alone, in the folder `ceph`
    local pid status=0
    rados_is_built
    "$ceph_sh" up "$work/ceph" "$1" >ceph.log 2>&1 || status=$?
    [ "$status" != 77 ] || skip "$(tail -n 1 ceph.log)"
    while read -r pid; do started_pids+=("$pid"); done < <("$ceph_sh" pids "$work/ceph")
    [ "$status" = 0 ] || fail "no Ceph: $(cat ceph.log)"
    CARREL_TEST_RADOS=$("$ceph_sh" uri "$work/ceph")
}

any_ceph() {
    rados_is_built
    [ -n "${CARREL_TEST_RADOS:-}" ] || own_ceph 1
    conf=${CARREL_TEST_RADOS##*conf=}
    export CEPH_CONF=${conf%%&*}
}

rados_uri() { # NAME [SETTINGS]: of a store of this test's own
    echo "rados:${CARREL_TEST_RADOS%%\?*}/${work##*/}.$1?${CARREL_TEST_RADOS#*\?}${2:+&$2}"
}

meta_pool() { # where heads and locks lie
    local meta=${CARREL_TEST_RADOS##*meta=}
    [ "$meta" != "$CARREL_TEST_RADOS" ] || meta=${CARREL_TEST_RADOS%%\?*}
    echo "${meta%%&*}"
}

#!/bin/bash
# Run the tests that exist and print one line each; the last line counts them.
#   run.sh [FILTER ...]     only tests whose name holds one of the words ("unit" runs the unit tests)
# BUILD names the build folder; BUILD_ASAN one with the address sanitizer, of which unit tests and
# corpora run too; BUILD_TSAN one with the thread sanitizer, of which the unit tests made run.
# A test passes with exit status 0, is skipped with 77 (its last line says why), fails otherwise.
set -u
cd "$(dirname "$0")/../.." || exit
: "${BUILD:?}"
logs=$BUILD/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 failures=()

wanted() { # name: does a filter match?
    [ $# -eq 1 ] && [ ${#filters[@]} -eq 0 ] && return 0
    local f
    for f in "${filters[@]}"; do [[ $1 == *"$f"* ]] && return 0; done
    return 1
}

# One Ceph for all tests that keep stores in it, started when the first of them is run; with
# CHECK_LONG three OSDs and an erasure-coded pool for the packs.
ceph=
with_ceph() { # SCRIPT or BINARY: does this test ask for it?
    [ -z "$ceph" ] && [ -z "${CARREL_TEST_RADOS:-}" ] || return 0
    grep -qE 'CARREL_TEST_RADOS|harness/rados\.sh' "$1" || return 0
    ceph=$(mktemp -d /tmp/carrel-ceph-XXXXXX)
    if tests/harness/ceph.sh up "$ceph" ${CHECK_LONG:+3} >"$logs/ceph.log" 2>&1; then
        CARREL_TEST_RADOS=$(tests/harness/ceph.sh uri "$ceph")
        export CARREL_TEST_RADOS
    else
        CARREL_TEST_RADOS_ABSENT=$(tail -n 1 "$logs/ceph.log")
        export CARREL_TEST_RADOS_ABSENT
    fi
}
trap '[ -z "$ceph" ] || { tests/harness/ceph.sh down "$ceph"; rm -rf "$ceph"; }' EXIT

run() { # name command...
    local name=$1 log=$logs/${1//\//_}.log start=$SECONDS status
    shift
    timeout --kill-after=10 "${TEST_TIMEOUT_S:-600}" "$@" >"$log" 2>&1 </dev/null
    status=$?
    # A unit test that found no Ceph where with_ceph should have started one has tested nothing.
    [ "$status" != 0 ] || ! grep -q 'skipped on Ceph: run it with' "$log" || status=no-ceph
    case $status in
        0) passed=$((passed + 1)); printf 'ok    %-58s %3d s\n' "$name" $((SECONDS - start)) ;;
        77) skipped=$((skipped + 1)); printf 'skip  %-58s %s\n' "$name" "$(tail -n 1 "$log")" ;;
        *) failed=$((failed + 1)); failures+=("$name")
           printf 'FAIL  %-58s status %s\n' "$name" "$status"
           tail -n 40 "$log" | sed 's/^/      | /' ;;
    esac
}

filters=("$@")
run_units() { # KIND FOLDER: its unit tests, but for those whose source is gone
    local binary
    for binary in "$2"/tests/test_*; do
        [ -f "$binary" ] && [ -x "$binary" ] && wanted "$1/${binary##*/}" &&
            [ -e "tests/unit/${binary##*/}.c" ] && with_ceph "$binary" &&
            run "$1/${binary##*/}" "$binary"
    done
}

started=$SECONDS
run_units unit "$BUILD"
[ -z "${BUILD_TSAN:-}" ] || run_units tsan "$BUILD_TSAN"
if [ -n "${BUILD_ASAN:-}" ]; then
    run_units asan "$BUILD_ASAN"
    for binary in "$BUILD_ASAN"/fuzz/fuzz_*; do
        [ -f "$binary" ] && [ -x "$binary" ] && wanted "corpus/${binary##*/}" &&
            [ -e "tests/fuzz/${binary##*/}.c" ] &&
            run "corpus/${binary##*/}" "$binary" "tests/fuzz/corpus/${binary##*/fuzz_}"
    done
fi
for script in tests/component/test_*.sh tests/interop/test_*.sh tests/system/test_*.sh; do
    name=${script#tests/}
    [ -x "$script" ] && wanted "${name%.sh}" && with_ceph "$script" && run "${name%.sh}" "$script"
done

for f in "${failures[@]}"; do echo "failed: $f (see $logs/${f//\//_}.log)"; done
echo "took $((SECONDS - started)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

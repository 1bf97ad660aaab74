#!/bin/bash
# Run the tests that exist, a few at once, and print one line for each as it ends; the last line
# counts them.
#   run.sh [FILTER ...]     only tests whose name holds one of the words ("unit" runs the unit tests)
# BUILD names the build folder; BUILD_ASAN one with the address sanitizer, of which unit tests and
# corpora run too; BUILD_TSAN one with the thread sanitizer, of which the unit tests made run.
# LANES is how many run at once: else as many as there are CPUs, up to 4. A script with the line
# "# alone" (it measures time, or takes the whole machine) runs by itself after the others.
# A test passes with exit status 0, is skipped with 77 (its last line says why), fails otherwise.
# What it printed is in $BUILD/test-logs; its line tells the seconds and CPU seconds that it took.
set -u
cd "$(dirname "$0")/../.." || exit
: "${BUILD:?}"
logs=$BUILD/test-logs
mkdir -p "$logs"
cpus=$(nproc)
lanes=${LANES:-$((cpus < 4 ? cpus : 4))}
lines=$(mktemp) # of the tests that ended

# --- what there is to run ------------------------------------------------------------------------
filters=("$@")
tests=() alone=() # each two words: a name and its program

wanted() { # name: does a filter match?
    [ ${#filters[@]} -eq 0 ] && return 0
    local f
    for f in "${filters[@]}"; do [[ $1 == *"$f"* ]] && return 0; done
    return 1
}

add() { # name PROGRAM
    [ -f "$2" ] && [ -x "$2" ] && wanted "$1" || return 0
    if grep -q '^# alone' "$2"; then alone+=("$1" "$2"); else tests+=("$1" "$2"); fi
}

add_built() { # KIND FOLDER SOURCES: its programs, but for those whose source is gone
    local program
    for program in "$2"/*_*; do
        [ ! -e "$3/${program##*/}.c" ] || add "$1/${program##*/}" "$program"
    done
}

add_built unit "$BUILD/tests" tests/unit
[ -z "${BUILD_TSAN:-}" ] || add_built tsan "$BUILD_TSAN/tests" tests/unit
[ -z "${BUILD_ASAN:-}" ] || add_built asan "$BUILD_ASAN/tests" tests/unit
[ -z "${BUILD_ASAN:-}" ] || add_built corpus "$BUILD_ASAN/fuzz" tests/fuzz
# The longest kind before the shorter ones, so that no lane is left with a long test at the end.
for script in tests/system/test_*.sh tests/component/test_*.sh tests/interop/test_*.sh; do
    name=${script#tests/}
    add "${name%.sh}" "$script"
done

# --- running it ----------------------------------------------------------------------------------

# One Ceph for all tests that keep stores in it, started when the first of them is run; with
# CHECK_LONG three OSDs and an erasure-coded pool for the packs.
ceph=
with_ceph() { # PROGRAM: does this test ask for it?
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

finish() {
    local lane
    for lane in $(jobs -pr); do kill "$lane" && wait "$lane"; done
    [ -z "$ceph" ] || { tests/harness/ceph.sh down "$ceph"; rm -rf "$ceph"; }
    rm -f "$lines"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Run a test to its end, then print its line, and the end of what it said when it failed, at once.
run() { # name PROGRAM
    local name=$1 program=$2 corpus=() log=$logs/${1//\//_}.log start=$SECONDS status stat line
    [[ $name != corpus/* ]] || corpus=("tests/fuzz/corpus/${name#corpus/fuzz_}")
    timeout --kill-after=10 "${TEST_TIMEOUT_S:-600}" "$program" "${corpus[@]}" >"$log" 2>&1 </dev/null &
    trap 'kill $!; wait $!; exit' TERM
    wait $!
    status=$?
    read -ra stat </proc/$BASHPID/stat # 15 and 16: CPU of the children that ended, in ticks
    # A unit test that found no Ceph where with_ceph should have started one has tested nothing.
    [ "$status" != 0 ] || ! grep -q 'skipped on Ceph: run it with' "$log" || status=no-ceph
    case $status in
        0) printf -v line 'ok    %-58s %3d s %4d s CPU' "$name" $((SECONDS - start)) \
            $(((stat[15] + stat[16]) / 100)) ;;
        77) printf -v line 'skip  %-58s %s' "$name" "$(tail -n 1 "$log")" ;;
        *) printf -v line 'FAIL  %-58s status %s\n%s' "$name" "$status" \
            "$(tail -n 40 "$log" | sed 's/^/      | /')" ;;
    esac
    echo "$line" | tee -a "$lines"
}

# Start each test in a lane as soon as there is a free one; at the end all lanes are free.
run_all() { # LANES name PROGRAM name PROGRAM ...
    local free=$1
    shift
    for (( ; $# > 0; )); do
        with_ceph "$2"
        [ "$free" -gt 0 ] || { wait -n; free=$((free + 1)); }
        run "$1" "$2" &
        free=$((free - 1))
        shift 2
    done
    wait
}

run_all "$lanes" "${tests[@]}"
run_all 1 "${alone[@]}"

count() { grep -c "^$1 " "$lines"; }
sed -n "s/^FAIL  \([^ ]*\) .*/\1/p" "$lines" | while read -r name; do
    echo "failed: $name (see $logs/${name//\//_}.log)"
done
read -ra stat </proc/$$/stat
echo "took $SECONDS s, $(((stat[15] + stat[16]) / 100)) s of CPU"
echo "$(count ok) passed, $(count FAIL) failed, $(count skip) skipped"
[ "$(count FAIL)" -eq 0 ] && [ "$(count ok)" -gt 0 ]

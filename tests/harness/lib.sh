# Functions for the test scripts; source it after `set -euo pipefail`. It makes a folder of its own,
# changes into it, and removes it and stops what the test started (`start`) when the test ends.
# shellcheck shell=bash
: "${BUILD:?names the build folder}"
# shellcheck disable=SC2034  # used by those who source this
carrel=$BUILD/bin/carrel
work=$(mktemp -d)
started_pids=()

cleanup() {
    local pid
    for pid in "${started_pids[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    done
    cd /
    chmod -R u+rwX "$work" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit
export TMPDIR=$work
# Where libguestfs builds its machine: once for all tests, not in the folder of each anew.
export LIBGUESTFS_CACHEDIR=$BUILD/guestfs
mkdir -p "$LIBGUESTFS_CACHEDIR"

fail() { # sentence...
    echo "FAILED: $*" >&2
    exit 1
}

skip() { # reason...
    echo "$*"
    exit 77
}

# Run a command in the background; its pid is in $started and it is killed when the test ends.
start() { # command...
    "$@" &
    started=$!
    started_pids+=("$started")
}

# Wait until a command succeeds; asked again every 20 ms for at most 30 s.
wait_until() { # command...
    local tries=1500
    until "$@" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "never became true: $*"
        read -rt 0.02 <> <(:) || true
    done
}

# Run a command that must fail with this status and print exactly one line on standard error, which
# matches the extended regular expression. Standard output goes to the file `out`.
refuses() { # status pattern command...
    local status=$1 pattern=$2 found=0
    shift 2
    "$@" >out 2>err || found=$?
    [ "$found" = "$status" ] || fail "status $found, not $status: $* ($(cat err))"
    [ "$(wc -l <err)" = 1 ] || fail "not one line of error: $*: $(cat err)"
    grep -qE -- "$pattern" err || fail "$*: '$(cat err)' does not match '$pattern'"
}

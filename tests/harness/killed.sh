# For the tests that kill a command at each of its system calls; source it after lib.sh. With
# CHECK_LONG every system call is tried, else those that can change something outside the process,
# and of the first ones, before the store is touched, every eighth; a test of very many calls sets
# `stride` to try every N-th of the others.
#
# The test makes the store `before` and gives two functions:
#   after_kill   is called with the killed command's `store`; everything that it found must be whole;
#                it sets `outcome` to "absent" or "whole", what became of the command's own work
#   next_works   is called now and then: the next command succeeds
# A test whose store is no folder gives two more, and may set `far`, the step before the store is
# touched, and `back`, by how much calls differ from run to run:
#   store_reset   makes what the command finds, by the number of the try, $try
#   store_touched has the killed command changed anything?
# shellcheck shell=bash
killat=$BUILD/harness/killat
calls=${CHECK_LONG:+all}
calls=${calls:-changes}
outcome=
stride=1 far=8 back=0
[ -z "${CHECK_LONG:-}" ] || far=1

store_reset() {
    rm -rf store out.raw
    cp -r before store
}

store_touched() { ! diff -rq before store >/dev/null; }

killed_here() { # sentence...
    fail "killed at call $n ($(cat err)): $*"
}

# Killed at each call, of which there are LEAST or more. "%n" in the command is the number of the try.
killed_everywhere() { # LEAST COMMAND...
    local least=$1 points=0 absent=0 whole=0 step=$far touched='' status
    shift
    [ -z "${CHECK_LONG:-}" ] || stride=1
    for ((n = 1, try = 1; ; n += step, try++)); do
        store_reset
        status=0
        "$killat" "$n" "$calls" "${@//%n/$try}" >out 2>err || status=$?
        if [ -z "$touched" ] && { [ "$status" != 137 ] || store_touched; }; then
            touched=1 n=$((n > step + back ? n - step - back : 0)) step=$stride
            continue # go back: the first touch is one of those stepped over
        fi
        [ "$status" = 137 ] || break
        points=$((points + 1))
        after_kill
        case $outcome in
            absent) absent=$((absent + 1)) ;;
            whole) whole=$((whole + 1)) ;;
            *) killed_here "$outcome" ;;
        esac
        if ((points % 16 == 0)); then
            next_works
            # What the killed writer had begun is swept away by the next one.
            [ ! -d store ] || [ -z "$(ls store/tmp)" ] || killed_here "left in tmp: $(ls store/tmp)"
        fi
    done
    [ "$status" = 0 ] || fail "the command that nobody killed: $(cat err)"
    echo "killed at $points points ($calls): done after $whole, not done after $absent"
    ((points >= least && absent > 0 && whole > 0)) || fail "too few points to tell"
}

verified() { # NAME@N
    "$carrel" --store store image verify "$1" >/dev/null || killed_here "$1 is no longer whole"
}

holds() { # NAME@N FILE
    rm -f out.raw
    "$carrel" --store store image export "$1" out.raw >/dev/null
    cmp out.raw "$2" || killed_here "$1 has other bytes"
}

versions() { # those of `disk` that the store lists
    "$carrel" --store store --json image log disk | jq -r '[.[].version] | sort | join(" ")'
}

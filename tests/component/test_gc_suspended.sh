#!/bin/bash
# A collector of a store in Ceph that is suspended in the middle of its pass, condemning or removing,
# while publishers use again what it condemns, and that then goes on, takes nothing from them: also not
# when it was silent for so long that its lock ended and another collector went through meanwhile.
# Suspended at some of the calls that change the store; with CHECK_LONG at each.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
. "$root/tests/harness/rados.sh"
any_ceph
lease=2
CARREL_STORE=$(rados_uri store lease=$lease)
export CARREL_STORE
"$carrel" store init "$CARREL_STORE" >/dev/null
head -c 30M /dev/urandom >one.raw
head -c 6M one.raw >two.raw
pool=${CARREL_TEST_RADOS%%\?*}
packs() { rados -p "$pool" -N "${work##*/}.store.packs" ls | wc -l; }
publish() { # NAME DISK
    "$carrel" image import "$1" "$2" --format raw --quiet >/dev/null
}
take_away() { # NAME...: of each image the version of this round
    local name
    for name in "$@"; do "$carrel" image rm "$name@$round" --quiet >/dev/null; done
}
whole() { # NAME DISK
    "$carrel" image export "$1" out.raw --force --quiet && cmp out.raw "$2" ||
        fail "suspended at call $n: $1 is not whole"
}
held() { grep -q '^killat: system call' hold.err; }
held_or_ended() { held || ! kill -0 "$started"; }
gc_goes_through() {
    "$carrel" store gc --grace 0 --quiet >/dev/null && return
    read -rt 0.3 <> <(:) || return 1 # before it is asked again
}

# Each round finds dead packs; the collector condemns them, then removes them. How it went is counted in
# $points, $removing (some are removed, some not) and $late; $ended when nobody was suspended any more.
round() {
    local status=0
    publish old one.raw
    take_away old
    before=$(packs) now=$before
    : >hold.err
    start "$BUILD/harness/killat" "$n" changes --hold "$carrel" store gc --grace 0 >gc.out 2>hold.err
    wait_until held_or_ended
    if ! held; then
        wait "$started" || fail "a collector that nobody suspended: $(cat hold.err)"
        ended=1
        return
    fi
    now=$(packs)
    points=$((points + 1))
    ((now == 0 || now == before)) || removing=$((removing + 1))
    publish here one.raw
    if ((round % 5 == 2)); then # it is silent too long
        wait_until gc_goes_through
        late=$((late + 1))
    fi
    publish there two.raw
    kill -USR1 "$started"
    wait "$started" || status=$?
    [ "$status" = 0 ] ||
        grep -qE "silent for so long \($lease s\) that it lost its right|another collector .* began" hold.err ||
        fail "suspended at call $n, the collector ended with $status: $(cat hold.err)"
    gc_goes_through || fail "suspended at call $n: the next collection fails"
    whole here one.raw
    whole there two.raw
    take_away here there
}

# The first calls connect. Where the first removal was stepped over more calls are tried, until all are done.
n=250 far=90 near=8
[ -z "${CHECK_LONG:-}" ] || n=150 far=1 near=1
step=$far points=0 removing=0 late=0 removed='' ended=''
for ((round = 1; ; n += step, round++)); do
    round
    [ -z "$ended" ] || break
    if [ -z "$removed" ] && ((now < before)); then
        removed=first n=$((n - step)) step=$near
    elif [ "$removed" = first ] && ((now == 0)); then
        removed=all step=$far
    fi
done
echo "suspended at $points points, at $removing of them in the middle of removing, $late times too long"
((points > 5 && removing > 0 && late > 0)) || fail "too few points to tell"

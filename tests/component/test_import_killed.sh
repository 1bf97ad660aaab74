#!/bin/bash
# kill -9 at any system call of an import leaves every earlier version whole and the new one absent
# or whole, and the next import succeeds. With CHECK_LONG every system call is tried, else
# those that can change something outside the process.
set -euo pipefail
: "${BUILD:?}"
carrel=$BUILD/bin/carrel killat=$BUILD/harness/killat
calls=${CHECK_LONG:+all}
calls=${calls:-changes}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TMPDIR=$work

# Two disks of incompressible data that fill more than one pack each and share a part.
head -c 6M /dev/urandom >one.raw
{ head -c 1M one.raw; head -c 5M /dev/urandom; } >two.raw
"$carrel" store init before >/dev/null
"$carrel" --store before image import disk one.raw --format raw >/dev/null
"$carrel" --store before image export disk@1 want1.raw >/dev/null

points=0 absent=0 whole=0
for ((n = 1; ; n++)); do
    rm -rf store out.raw
    cp -r before store
    status=0
    "$killat" "$n" "$calls" "$carrel" --store store image import disk two.raw --format raw \
        --threads 2 >out 2>err || status=$?
    [ "$status" = 137 ] || break
    points=$((points + 1))
    "$carrel" --store store image verify disk@1 >/dev/null || {
        echo "killed at call $n ($(cat err)): disk@1 is no longer whole"
        exit 1
    }
    versions=$("$carrel" --store store --json image log disk | jq length)
    case $versions in
        1) absent=$((absent + 1)) ;;
        2) whole=$((whole + 1))
           "$carrel" --store store image export disk@2 out.raw >/dev/null
           cmp out.raw two.raw ;;
        *) echo "killed at call $n: $versions versions"; exit 1 ;;
    esac
    if ((points % 16 == 0)); then
        "$carrel" --store store image import disk two.raw --format raw >/dev/null
        rm -f out.raw
        "$carrel" --store store image export disk out.raw >/dev/null
        cmp out.raw two.raw
        # What the killed writer had begun is swept away by the next one.
        [ -z "$(ls store/tmp)" ]
    fi
done
[ "$status" = 0 ] || { echo "the import that nobody killed failed:"; cat err; exit 1; }
echo "killed at $points points ($calls): version absent after $absent, whole after $whole"
((points > 50 && absent > 0 && whole > 0))

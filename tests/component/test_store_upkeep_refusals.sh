#!/bin/bash
# gc, scrub and copy say in one sentence why a store is not for them (none there, seen from outside, of
# another version, not writable) and change nothing then; what only reads works where one may only
# read; a store without the newer folders is collected and copied into as any.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/harness/lib.sh"
cp "$carrel" program
carrel=$work/program

head -c 2M /dev/urandom >one.raw
head -c 1M /dev/urandom >two.raw
"$carrel" store init store >/dev/null
"$carrel" --store store --quiet image import disk one.raw --format raw >/dev/null
"$carrel" --store store --quiet image import disk two.raw --format raw >/dev/null
"$carrel" --store store --quiet image rm disk@1
state() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }

# None there, or seen from outside.
for verb in gc "gc --dry-run" scrub "scrub --repair"; do
    # shellcheck disable=SC2086  # the verb's options are words
    refuses 1 "there is no store at 'none'; .carrel store init none. makes one" \
        "$carrel" --store none store $verb
    # shellcheck disable=SC2086
    refuses 1 "'https://127.0.0.1:9' is only seen from outside: (collect|scrub) where it lives" \
        "$carrel" --store https://127.0.0.1:9 store $verb
done
refuses 1 "there is no store at 'none'" "$carrel" store copy none store
refuses 1 "there is no store at 'none'" "$carrel" store copy store none
[ ! -e none ] || fail "a store was made"

# Of another version of Carrel.
cp -r store other
echo "carrel-store 0" >other/carrel-store
state other >before
for verb in gc scrub "scrub --repair" "copy store other" "copy other store"; do
    # shellcheck disable=SC2086
    refuses 1 "store 'other' was made by another version of Carrel" \
        "$carrel" --store other store $verb
done
state other | cmp - before || fail "a store of another version was changed"

# Without the folders that came later.
cp -r store old
rm -r old/{marks,state,deltas,records,trust}
"$carrel" --store old --json store gc --grace 0 >figures
[ "$(jq .removed figures)" = 3 ] || fail "$(cat figures)"
"$carrel" --store old --quiet store scrub
rm -r old/{marks,state}
"$carrel" --quiet store copy store old
"$carrel" --store old --quiet image verify disk@2

# Who may only read: looking works, also beside the note of a scrub that was stopped.
printf 'carrel-scrub 1\npacks !\n' >store/state/scrub
chmod -R a-w store
chmod -R a+rX "$work"
state store >before
as_reader() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --clear-groups "$@"; else "$@"; fi
}
as_reader "$carrel" --store store --quiet store scrub || fail "a reader cannot scrub"
as_reader "$carrel" --store store --quiet store gc --dry-run || fail "a reader cannot ask the collector"
refuses 1 "locking 'store/locks/.collector': Permission denied" \
    as_reader "$carrel" --store store store gc
refuses 1 "locking 'store/locks/disk': Permission denied" as_reader "$carrel" store copy old store
state store | cmp - before || fail "a reader has changed the store"

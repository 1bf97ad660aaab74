#!/bin/bash
# The plugin tells a client all it needs to know: size, read-only, several connections, block sizes,
# holes; the export name chooses the version when image= does not.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
with_plugin 'nbdinfo --json $uri >info; nbdinfo --map --json $uri >map'
told() { # jq expression, value
    [ "$(jq -r ".exports[0].$1" info)" = "$2" ] || fail "$1 is not $2: $(cat info)"
}
told '"export-size"' $((16 << 20))
told is_read_only true
told can_multi_conn true
told can_cache true
told block_size_minimum 1
told block_size_preferred 65536
told description disk@1
# Two MiB of data, two MiB of hole, and so on.
[ "$(jq -c '[.[] | [.offset, .length, .type]]' map)" = \
    "$(jq -nc '[range(8) | [. * 2097152, 2097152, if . % 2 == 0 then 0 else 3 end]]')" ] ||
    fail "the map of holes is wrong: $(cat map)"

# A second version; the name alone means the newest, and then connections may differ.
dd if=/dev/urandom of="$disk" bs=64K count=1 seek=200 conv=notrunc status=none
"$carrel" --store "$store" image import disk "$disk" --format raw --no-trim >/dev/null
nbdkit --unix - "$plugin" "store=$store" --run '
    nbdinfo --list --json "$uri" >list
    for name in disk disk@1 disk@2; do
        nbdinfo --json "nbd+unix:///$name?socket=$unixsocket" >"info-$name"
    done
    nbdinfo --json "$uri" >info-only
    nbdinfo "nbd+unix:///desk?socket=$unixsocket" 2>err-unknown && exit 1
    nbdinfo "nbd+unix:///disk@3?socket=$unixsocket" 2>err-version && exit 1
    exit 0' 2>log
[ "$(jq -r '.exports[]."export-name"' list)" = disk ] || fail "the list: $(cat list)"
check() { # file description multi-conn
    [ "$(jq -r '.exports[0] | "\(.description) \(.can_multi_conn)"' "$1")" = "$2 $3" ] ||
        fail "$1: $(cat "$1")"
}
check info-disk disk@2 false
check info-disk@1 disk@1 true
check info-disk@2 disk@2 true
check info-only disk@2 false
grep -q "there is no image 'desk'" log
grep -q "image 'disk' has no version 3; its newest is 2" log

nbdkit --dump-plugin "$plugin" >dump
grep -q '^name=carrel$' dump
grep -q '^thread_model=parallel$' dump
grep -q '^carrel_chunk_bytes=65536$' dump

#!/bin/bash
# carrel-cache fills a version, lists, verifies, repairs, rebuilds maps and removes; beside a running
# blockd it looks and refuses to write; its manual tells every command and option.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"
source=$OLDPWD
cache_tool=$BUILD/bin/carrel-cache

make_store 16
make_pki
start_server
cache() { # command argument...
    local command=$1
    shift
    "$cache_tool" "$command" --cache cache "$@"
}
filled() { cache fill disk --server "$server_url" --pki "$seat" "$@"; }
says() { # jq-expression command argument...
    local expression=$1
    shift
    cache "$@" --json >said
    jq -e "$expression" said >/dev/null || fail "'$*' does not say $expression: $(cat said)"
}

refuses 1 "no folders 'disks'" "$cache_tool" ls --cache .
refuses 1 "cannot open the cache folder 'cache'" cache ls
refuses 1 "no server; name it with --server" cache fill disk
chunks=128 # of 256; the others are holes
filled --json >said
jq -e ".complete and .present_chunks == $chunks and .pulled_chunks == $chunks" said >/dev/null || fail "$(cat said)"
filled --json >said
jq -e ".complete and .pulled_chunks == 0" said >/dev/null || fail "$(cat said)"
filled | grep -q '^disk@1 is complete: 128 chunks, 0 of them fetched'
file=$(echo cache/disks/*.disk)
map=${file%.disk}.map
cmp "$file" "$disk" || fail "the filled file is not the disk"
says '.[0] | .version == "disk@1" and .complete and .data_chunks == 128 and (.in_use | not)' ls
cache ls | grep -q '^disk@1 .* complete '
says '.[0] | .right == 128 and .wrong == 0 and .absent == 0 and .dirty_holes == 0' verify

# Three chunks rot, and a hole.
for at in 70000 2000000 9000000 3000000; do
    printf 'rot' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
done
refuses 1 '^carrel-cache: 4 chunks of the cache are damaged; .*--server' cache verify disk
refuses 1 'damaged' cache verify --json
jq -e '.[0] | .wrong == 3 and .dirty_holes == 1 and .right == 125' out >/dev/null || fail "$(cat out)"
says '.[0].mended == 4' verify --server "$server_url" --pki "$seat"
cmp "$file" "$disk" || fail "the repaired file is not the disk"
says '.[0] | .complete' ls
printf 'rot' | dd of="$file" bs=1 seek=70000 conv=notrunc status=none
printf 'rot' | dd of="$file" bs=1 seek=3000000 conv=notrunc status=none
says '.[0] | .wrong == 1 and .dirty_holes == 1 and .lost == 1 and .right == 127' fsck
says '.[0] | (.complete | not) and .present_chunks == 127' ls
says '.[0] | .wrong == 0 and .absent == 1' verify
filled --json >said
jq -e ".complete and .pulled_chunks == 1" said >/dev/null || fail "$(cat said)"

# A map that is noise, of another version, too long, or not there: found again by hashing.
for damage in "rm -f" "truncate -s 0" "truncate -s 4000" "cp $disk" "dd if=/dev/urandom bs=4k count=3 status=none of="; do
    # shellcheck disable=SC2086  # several words
    if [ "${damage%=}" != "$damage" ]; then $damage"$map"; else $damage "$map"; fi
    says '.[0] | .complete | not' ls
    says '.[0] | .found == 128 and .right == 128' fsck
    says '.[0] | .present_chunks == 128 and .complete' ls
done
refuses 1 "which image '.*' is of is not known" sh -c "
    printf rot | dd of='$file' bs=1 seek=70000 conv=notrunc status=none
    '$cache_tool' verify --cache cache --server '$server_url' --pki '$seat'"
filled >/dev/null # the image is known again
root=$(basename "$file" .disk)
says '.[0] | .version == "disk@1" and .mended == 1' verify "${root:0:12}" --server "$server_url" --pki "$seat"
refuses 1 "no version 'physics' is in the cache" cache verify physics

# Beside blockd.
start_blockd disk
says '.[0] | .in_use and .complete' ls
says '.[0] | .right == 128' verify
refuses 1 "in use" cache rm disk@1
refuses 1 "in use" cache fsck
refuses 1 "in use" filled
stop_blockd
cache rm disk@1 | grep -q '^removed disk@1, '
[ ! -e "$file" ] && [ ! -e "$map" ] || fail "what was removed is there"
says '. == []' ls
filled >/dev/null
mv cache/objects objects
mkdir cache/objects
refuses 1 "the manifest of version '.*' is not in the cache" cache verify

# The command line and its manual.
refuses 1 "there is no command" "$cache_tool"
refuses 1 "'eat' is no command" "$cache_tool" eat --cache cache
refuses 1 "'rm' needs a version" cache rm
refuses 1 "'fill' takes one version" cache fill disk disk2
page=$source/client/cache/carrel-cache.1
mandoc -T lint -W warning "$page"
"$cache_tool" --help >help
diff <(sed -n 's/^  --\([a-z-]*\).*/\1/p' help) <(sed -n 's/^\.It Fl Fl \([a-z-]*\).*/\1/p' "$page") || fail "options"
diff <(sed -n 's/^  \([a-z]*\) .*/\1/p' help) <(sed -n 's/^\.It Cm \([a-z]*\)$/\1/p' "$page") || fail "commands"
"$cache_tool" ls --cache cache --json | jq -r '.[0] | keys[]' >keys
filled --json | jq -r 'keys[]' >>keys
while read -r key; do grep -q "^\.Ic $key\b" "$page" || fail "the manual does not tell of '$key'"; done <keys

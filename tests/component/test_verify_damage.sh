#!/bin/bash
# verify names exactly what is corrupted or missing, all of it: chunk, pack, segment, manifest, head.
# Other commands refuse with a sentence that names it, and no wrong byte comes out.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init good --quiet
# Two segments: one chunk is used twice, one lies in the second segment.
head -c 9M /dev/urandom >disk.raw
truncate -s 300M disk.raw
head -c 64K disk.raw | dd of=disk.raw bs=64K seek=500 conv=notrunc status=none
head -c 64K /dev/urandom | dd of=disk.raw bs=1M seek=290 conv=notrunc status=none
"$carrel" --store good image import disk disk.raw --format raw --quiet >/dev/null
"$carrel" --store good image verify disk |
    grep -qE '^disk@1 is whole: 2 segments, 145 chunks, [0-9.]+ MiB read$'
"$carrel" --store good image verify disk --json |
    jq -e '.ok and .ref == "disk@1" and .chunks == 145 and .damaged == []' >/dev/null

flip() { # file offset
    python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2]), 2 if sys.argv[2][0] == "-" else 0)
at = f.tell(); byte = f.read(1); f.seek(at); f.write(bytes([byte[0] ^ 1]))' "$1" "$2"
}
damaged() { # jq condition on the report of disk@1
    local status=0
    "$carrel" image verify disk --json --quiet >report 2>err || status=$?
    [ "$status" = 1 ] || fail "exit status $status of verify: $(cat err)"
    jq -e ".ok == false and ($1)" report >/dev/null || fail "not '$1': $(cat report)"
}
again() {
    rm -rf s
    cp -a good s
}

again # a chunk: several at once, each with its place
mapfile -t packs < <(find s/packs -type f -size +3M)
[ ${#packs[@]} -ge 2 ] || fail "too few packs"
flip "${packs[0]}" 100000
flip "${packs[0]}" 300000
flip "${packs[1]}" 200000
damaged '.damaged | length == 3 and all(.kind == "chunk" and .bytes == 65536 and .offset < 300000000 and
    (.name | length == 64)) and (map(.offset) | sort == .)'
jq -r '.damaged[].offset' report | while read -r offset; do
    id=$(dd if=disk.raw bs=64K skip=$((offset / 65536)) count=1 status=none | sha256sum | cut -d' ' -f1)
    jq -e --arg id "$id" 'any(.damaged[]; .name == $id and (.reason | contains($id)))' report >/dev/null ||
        fail "the chunk at $offset has another name"
done
"$carrel" image verify disk >text && fail "verify of a damaged version succeeded"
grep -qE "^damaged: .*chunk '[0-9a-f]{64}' .*\(the disk's bytes [0-9]+ to [0-9]+\)$" text
grep -q '^disk@1: 3 damaged or missing' text
refuses 1 "chunk '[0-9a-f]{64}' is corrupted" "$carrel" image export disk out.raw --quiet

again # a pack that is gone: all its chunks are missing
rm "$(find s/packs -type f -size +3M | head -n 1)"
damaged '.damaged | length > 20 and all(.kind == "chunk" and (.reason | contains("missing")))'

again # a pack whose list of content is damaged
pack=$(find s/packs -type f -size +3M | head -n 1)
flip "$pack" -30
damaged 'any(.damaged[]; .kind == "pack" and .name == "'"${pack##*/}"'") and
    any(.damaged[]; .kind == "chunk")'

again # a pack that is cut off
truncate -s -100 "$(find s/packs -type f -size +3M | head -n 1)"
damaged 'any(.damaged[]; .kind == "pack") and any(.damaged[]; .kind == "chunk")'

again # a segment
segment=$(find s/segments -type f -size +2k)
flip "$segment" 300
damaged '.damaged | length == 1 and .[0].kind == "segment" and .[0].name == "'"${segment##*/}"'" and
    .[0].offset == 0 and .[0].bytes == 268435456 and (.[0].reason | contains("'"${segment##*/}"'"))'
refuses 1 "segment '${segment##*/}' is corrupted" "$carrel" image export disk out.raw --quiet
rm "$segment"
damaged '.damaged[0].kind == "segment" and (.damaged[0].reason | contains("missing"))'

again # the manifest
manifest=$(find s/manifests -type f)
flip "$manifest" 20
damaged '.damaged | length == 1 and .[0].kind == "manifest" and
    (.[0].reason | contains("'"${manifest##*/}"'"))'
refuses 1 "manifest '${manifest##*/}' is corrupted" "$carrel" image show disk
rm "$manifest"
damaged '.damaged[0].kind == "manifest" and (.damaged[0].reason | contains("missing"))'

again # the head
flip s/heads/disk 200
refuses 1 "head 'disk' of store 's' is corrupted" "$carrel" image verify disk
refuses 1 "head 'disk' of store 's' is corrupted" "$carrel" image show disk
refuses 1 "head 'disk' of store 's' is corrupted" "$carrel" image import disk disk.raw --format raw --quiet
"$carrel" image import other disk.raw --format raw --quiet >/dev/null
"$carrel" image ls >list 2>err && fail "ls did not tell of the damaged head"
grep -q '^other@1 ' list
grep -q "head 'disk'" err
[ -z "$(find . -maxdepth 1 -name 'out.raw*')" ] || fail "a damaged version left a file"

#!/bin/bash
# Each wrong input of an import gets one sentence that names it and tells the way out, exit status 1,
# and changes nothing in the store.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 300K /dev/urandom >good.raw
"$carrel" image import good good.raw --format raw --quiet >/dev/null
fingerprint() {
    find s -type f -not -path 's/locks/*' -print0 | sort -z | xargs -0 sha256sum
}
fingerprint >before

refused() { # pattern command...
    refuses 1 "$@"
    fingerprint | diff before - >/dev/null || fail "the store changed: $*"
}

refused "cannot open the image 'absent.raw': there is no such file" "$carrel" image import x absent.raw
echo "just a letter" >letter.txt
refused "'letter.txt' is not a disk image: .*if it is a raw disk all the same, say so with --format raw" \
    "$carrel" image import x letter.txt
: >empty
refused "'empty' is not a disk image: the file is empty" "$carrel" image import x empty
mkdir folder
refused "'folder' is not a disk image: it is neither a file nor a block device" \
    "$carrel" image import x folder

qemu-img create -q -f qcow2 whole.qcow2 8M
qemu-io -c 'write -q -P 3 0 8M' whole.qcow2
head -c 3M whole.qcow2 >truncated.qcow2
refused "image 'truncated.qcow2' is damaged or truncated .*; copy it again, or repair the original" \
    "$carrel" image import x truncated.qcow2
head -c 40 whole.qcow2 >stump.qcow2
refused "cannot read the image 'stump.qcow2': .*if it is damaged or truncated, copy it again" \
    "$carrel" image import x stump.qcow2
refused "cannot read 'good.raw' as qcow2: .*; without --format the format is found out" \
    "$carrel" image import x good.raw --format qcow2
refused "cannot read 'good.raw' as nonsense: .*; without --format the format is found out" \
    "$carrel" image import x good.raw --format nonsense

qemu-img create -q -f qcow2 -b whole.qcow2 -F qcow2 overlay.qcow2
mv whole.qcow2 away.qcow2
refused "image 'overlay.qcow2' needs its backing file '.*whole.qcow2', which is missing: put it there" \
    "$carrel" image import x overlay.qcow2

refused "'x y' is not an image name: use" "$carrel" image import "x y" good.raw
refused "'x@3' names a version" "$carrel" image import x@3 good.raw
refused "has no version 7" "$carrel" image import x good.raw --format raw --parent good@7
refused "there is no image 'nobody'" "$carrel" image import x good.raw --format raw --parent nobody@1
refused "'--parent': 'good' names no version" \
    "$carrel" image import x good.raw --format raw --parent good
refused "the message holds control characters" \
    "$carrel" image import x good.raw --format raw --message $'two\nlines'
refused "not UTF-8" "$carrel" image import x good.raw --format raw --message $'\xff\xfe'
refused "the message has 1025 bytes; shorten it to 1024" \
    "$carrel" image import x good.raw --format raw --message "$(head -c 1025 /dev/zero | tr '\0' a)"

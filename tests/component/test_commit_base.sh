#!/bin/bash
# The base of an overlay is found in its backing file's address, or said by --base; what does not fit
# is refused with a sentence that tells what to write, and changes nothing.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 1M /dev/urandom >base.raw
"$carrel" image import pc base.raw --format raw --quiet >/dev/null
"$carrel" image import mac base.raw --format raw --quiet >/dev/null

overlay() { # file backing: an overlay that says it stands on `backing`
    qemu-img create -q -f qcow2 "$1" 1M
    qemu-io -c 'write -q -P 5 64k 64k' "$1"
    qemu-img rebase -q -u -b "$2" -F raw "$1"
}
n=1
for backing in 'nbd+unix:///pc@1?socket=/run/nothing' 'nbd://localhost/pc@1' 'nbds://host:10809/pc%401' \
    'nbd:unix:/run/nothing:exportname=pc@1' \
    'json:{"driver":"nbd","export":"pc@1","server":{"type":"unix","path":"/run/nothing"}}'; do
    overlay o.qcow2 "$backing"
    n=$((n + 1))
    "$carrel" image commit pc o.qcow2 --quiet >out 2>err || fail "'$backing': $(cat err)"
    grep -q "^pc@$n " out
    "$carrel" image show pc --json | jq -e '.parent == "pc@1"' >/dev/null
done
"$carrel" image commit pc o.qcow2 --base pc@1 --quiet | grep -q "^pc@7 "
"$carrel" image log pc --json >before

overlay o.qcow2 /images/old.raw
refuses 1 "backing file '/images/old.raw' of overlay 'o.qcow2' does not say .*add --base pc@N" \
    "$carrel" image commit pc o.qcow2
refuses 1 "'--base': 'pc' names no version; write pc@N" "$carrel" image commit pc o.qcow2 --base pc
refuses 1 "'--base': 'mac@1' is no version of 'pc'" "$carrel" image commit pc o.qcow2 --base mac@1
refuses 1 "image 'pc' has no version 99" "$carrel" image commit pc o.qcow2 --base pc@99
overlay o.qcow2 'nbd://localhost/mac@1'
refuses 1 "made from 'mac@1', which is no version of 'pc'; write: carrel image commit mac o.qcow2" \
    "$carrel" image commit pc o.qcow2
refuses 1 "made from 'mac@1', not from what --base says; leave --base out" \
    "$carrel" image commit pc o.qcow2 --base pc@1
qemu-img create -q -f qcow2 alone.qcow2 1M
refuses 1 "'alone.qcow2' is not an overlay: it has no backing file; .carrel image import pc alone" \
    "$carrel" image commit pc alone.qcow2
refuses 1 "'base.raw'" "$carrel" image commit pc base.raw --base pc@1
refuses 1 "'absent.qcow2'" "$carrel" image commit pc absent.qcow2 --base pc@1
head -c 100000 o.qcow2 >cut.qcow2
refuses 1 "'cut.qcow2'" "$carrel" image commit mac cut.qcow2
"$carrel" image log pc --json | cmp - before

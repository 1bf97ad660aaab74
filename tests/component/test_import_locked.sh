#!/bin/bash
# An image has one writer: while an import holds it, another import, a commit and a removal are refused
# with a sentence; other images and all reading go on; when the writer has died the lock is free.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
export CARREL_STORE=s
"$carrel" store init s --quiet
head -c 1M /dev/urandom >small.raw
head -c 200M /dev/urandom >large.raw
"$carrel" image import busy small.raw --format raw --quiet >/dev/null
qemu-img create -q -f qcow2 -b small.raw -F raw overlay.qcow2
packs=$(find s/packs -type f | wc -l)

more_packs() {
    [ "$(find s/packs -type f | wc -l)" -gt "$packs" ]
}
start "$carrel" image import busy large.raw --format raw --threads 1 --quiet >out.started
wait_until more_packs
kill -STOP "$started"

refuses 1 "'busy'" "$carrel" image import busy small.raw --format raw
grep -qE 'lock|writ|another' err || fail "it does not say that another writes: $(cat err)"
refuses 1 "'busy'" "$carrel" image commit busy overlay.qcow2 --base busy@1
refuses 1 "'busy'" "$carrel" image rm busy@1
"$carrel" image verify busy@1 --quiet
"$carrel" image import free small.raw --format raw --quiet >/dev/null

kill -CONT "$started"
wait "$started"
grep -q '^busy@2 ' out.started
"$carrel" image verify busy@2 --quiet

packs=$(find s/packs -type f | wc -l)
head -c 200M /dev/urandom >large.raw
start "$carrel" image import busy large.raw --format raw --threads 1 --quiet
wait_until more_packs
kill -KILL "$started"
wait "$started" || true
"$carrel" image import busy small.raw --format raw --quiet | grep -q '^busy@3 '

#!/bin/bash
# carrel image hot tells what seats fetch ahead, its own or its parent's, and makes it of a recorded trace.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
export CARREL_STORE=store
head -c 2M /dev/urandom >disk.raw
truncate -s 4M disk.raw
"$carrel" store init store --quiet
"$carrel" --quiet image import pc disk.raw --format raw --no-trim >/dev/null
head -c 100 /dev/urandom | dd of=disk.raw conv=notrunc status=none
"$carrel" --quiet image import pc disk.raw --format raw --no-trim --parent pc@1 >/dev/null
refuses 1 "no hot list of 'pc@2' yet" "$carrel" image hot pc

# First touch counts, holes do not.
printf '# a boot\n0 0 512\n0.5 1048576 70000\n1 4096 4096\n1.5 3145728 65536\n2 65536 4096\n' >trace
[ "$("$carrel" image hot pc@1 --import trace)" = "pc@1: 4 chunks, 256 KiB of the disk, from 0 boots" ] ||
    fail "$("$carrel" image hot pc@1)"
"$carrel" image hot pc --json |
    jq -e '. == {ref: "pc@2", chunks: 4, bytes: 262144, boots: 0, inherited: true}' >/dev/null ||
    fail "$("$carrel" image hot pc --json)"
"$carrel" image hot pc@1 --json | jq -e '.inherited | not' >/dev/null

# Over a server, too, which cannot be written.
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
"$carrel" --store "$url" image hot pc --json | jq -e '.chunks == 4' >/dev/null
refuses 1 'read' "$carrel" --store "$url" image hot pc --import trace

printf '0 4194304 512\n' >trace
refuses 1 "'trace': the trace is one of another disk: " "$carrel" image hot pc@1 --import trace
echo rubbish >trace
refuses 1 "'trace': " "$carrel" image hot pc@1 --import trace
refuses 1 "nothing" "$carrel" image hot pc@1 --import nothing

#!/bin/bash
# An import works on all cores: as many threads as there are CPUs, at least, read the disk (and each
# hashes and compresses what it reads); with --threads 1 it is one.
# alone: beside another test one thread may read all before the next one gets a CPU
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
"$carrel" store init s --quiet
head -c 96M /dev/urandom >disk.raw
readers() { # argument...: how many threads of an import read the disk
    strace -f -q -y -e trace=pread64 -o trace "$carrel" --store s image import disk disk.raw \
        --format raw --no-trim --quiet "$@" >/dev/null
    awk '/pread64\([0-9]+<[^>]*\/disk\.raw>/ { seen[$1] } END { print length(seen) }' trace
}
many=$(readers) one=$(readers --threads 1)
[ "$many" -ge "$(nproc)" ] || fail "$many threads read the disk, $(nproc) CPUs are there"
[ "$one" = 1 ] || fail "$one threads read the disk with --threads 1"

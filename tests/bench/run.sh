#!/bin/bash
# Measure Carrel against its peers, side by side in one run (`make bench`).
#   BUILD=... run.sh [ROW ...]    rows: import commit export delta nbd rados cache seat tls gc storm memory (default: all)
# BENCH_ROUNDS (3) repeats the short measurements, BENCH_LONG_ROUNDS (1) those of minutes;
# CORPUS_MIB (4096) sets the size of the disk.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:?names the build folder}"
PATH=$PATH:/usr/sbin:/sbin
"$here/make-corpus.sh" "$BUILD/corpus"
exec python3 "$here/bench.py" --build "$BUILD" --corpus "$BUILD/corpus" "$@"

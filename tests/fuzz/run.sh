#!/bin/bash
# Fuzz every target that $BUILD/fuzz holds, FUZZ_SECONDS (60) each; `make fuzz` builds them first.
#   run.sh [TARGET ...]     only these ("head", "manifest")
# The corpus is copied first: what is found stays in $BUILD/fuzz-work/TARGET until you keep it with
#   build/fuzz/fuzz/fuzz_TARGET -merge=1 tests/fuzz/corpus/TARGET build/fuzz/fuzz-work/TARGET/corpus
set -u
cd "$(dirname "$0")/../.." || exit
: "${BUILD:?}"
seconds=${FUZZ_SECONDS:-60}
passed=0 failed=0

fuzz() { # target: returns the fuzzer's status
    local target=$1 work=$BUILD/fuzz-work/$1
    rm -rf "$work"
    mkdir -p "$work/corpus"
    [ -d "tests/fuzz/corpus/$target" ] && cp "tests/fuzz/corpus/$target"/* "$work/corpus/"
    "$BUILD/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$work/" "$work/corpus" >"$work/log" 2>&1
}

binaries=()
if [ $# -gt 0 ]; then
    for target in "$@"; do binaries+=("$BUILD/fuzz/fuzz_$target"); done
else
    binaries=("$BUILD"/fuzz/fuzz_*)
fi
for binary in "${binaries[@]}"; do
    target=${binary##*/fuzz_}
    [ -x "$binary" ] && [ -f "tests/fuzz/fuzz_$target.c" ] || {
        echo "FAIL  $target: no '$binary'; make VARIANT=fuzz $binary"
        failed=$((failed + 1))
        continue
    }
    if fuzz "$target"; then
        passed=$((passed + 1))
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD/fuzz-work/$target/log")
        cover=$(grep -o 'cov: [0-9]*' "$BUILD/fuzz-work/$target/log" | tail -n 1)
        printf 'ok    %-16s %10s runs, %s\n' "$target" "${runs:-?}" "${cover:-cov: ?}"
        continue
    fi
    failed=$((failed + 1))
    echo "FAIL  $target"
    tail -n 40 "$BUILD/fuzz-work/$target/log" | sed 's/^/      | /'
    for find in "$BUILD/fuzz-work/$target"/{crash,leak,oom,timeout}-*; do
        [ -e "$find" ] && echo "      to see it again: $binary $find"
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

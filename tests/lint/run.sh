#!/bin/bash
# What STYLE asks and a program can see: one line a check, then their number. `make lint` calls this.
#   run.sh [CHECK ...]     only these (the first words of the lines: form, layers, tidy ...)
# BUILD names a folder that `make` has built in; its flags are used.
set -u
cd "$(dirname "$0")/../.." || exit
: "${BUILD:?}"
export BUILD
unset MAKEFLAGS MFLAGS MAKEOVERRIDES
passed=0 failed=0 only=("$@")
here=tests/lint
jobs=$(nproc)

check() { # name what command...
    local name=$1 what=$2 start=$SECONDS output
    shift 2
    if [ ${#only[@]} -gt 0 ] && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        printf 'ok    %-9s %-58s %3d s\n' "$name" "$what" $((SECONDS - start))
    else
        failed=$((failed + 1))
        printf 'FAIL  %-9s %s\n' "$name" "$what"
        head -n 60 <<<"$output" | sed 's/^/      | /'
    fi
}

form() {
    $here/files.sh '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
}

# The tests too; objects that did not change are not compiled again.
clang_build() {
    make -j"$jobs" VARIANT=clang WERROR=-Werror all tests-built
}

scripts() {
    local status=0 file
    while read -r file; do bash -n "$file" || status=1; done < <($here/files.sh '*.sh' .ci/run)
    # SC2154, SC2034: variables come from and go to files that are sourced by a computed name; `set -u`
    # sees the others.
    $here/files.sh '*.sh' .ci/run |
        xargs shellcheck --severity=warning --exclude=SC2154,SC2034 || status=1
    while read -r file; do
        python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" ||
            status=1
    done < <($here/files.sh '*.py')
    return $status
}

manuals() {
    local pages
    mapfile -t pages < <($here/files.sh '*.[1-8]' | grep -E '/(carrel|nbdkit-)[^/]*$')
    [ ${#pages[@]} -eq 0 ] || mandoc -T lint -W warning "${pages[@]}"
}

check selftest "the checks below catch what they are for" $here/selftest.sh
check form "clang-format has nothing to change" form
check layers "includes point downwards, READMEs, short files" $here/layers.py
check headers "every header compiles alone, gcc and clang" $here/headers.sh
check clang "everything compiles with clang and -Werror" clang_build
check tidy "clang-tidy finds no bug" $here/tidy.sh
check scripts "scripts parse; shellcheck has no warning" scripts
check manuals "mandoc reads the manual pages without a warning" manuals
check words "no file names a place where it was written" $here/words.sh

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/bin/bash
# The linter, tried: a small tree that is right passes every check, and each planted fault is caught.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:?}"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 caught=0

# Flags of its own: nothing of the real tree is found by an include.
mkdir -p "$tree/flags-of"
echo "gcc -std=gnu17 -Wall -Wextra -I." >"$tree/flags-of/flags"
export BUILD=$tree/flags-of

plant() { # a tree that passes
    rm -rf "$tree/src"
    mkdir -p "$tree/src/lib/base" "$tree/src/lib/store" "$tree/src/client/agent" "$tree/src/server/nbd"
    cd "$tree/src" || exit
    cp "$here/../../.clang-tidy" .
    for folder in lib/base lib/store client/agent server/nbd; do echo "A folder." >$folder/README.md; done
    header lib/base/low.h 'int low(int value);'
    header lib/store/high.h '#include "lib/base/low.h"' 'int high(int value);'
    header server/nbd/own.h 'int own(void);'
    source_file lib/base/low.c '#include "lib/base/low.h"' 'int low(int value)' '{' \
        '    return value;' '}'
    source_file client/agent/main.c '#include "lib/store/high.h"' 'int main(void)' '{' \
        '    return high(low(1));' '}'
}
header() { # file lines...
    { echo '/* SPDX-License-Identifier: MIT */'; echo '#pragma once'; printf '%s\n' "${@:2}"; } >"$1"
}
source_file() {
    { echo '/* SPDX-License-Identifier: MIT */'; printf '%s\n' "${@:2}"; } >"$1"
}

passes() { # what check
    if ! output=$("$here/$2" 2>&1); then
        echo "$2 refuses $1:"
        echo "$output"
        failed=1
    fi
}
catches() { # what check words-of-the-message
    if output=$("$here/$2" 2>&1); then
        echo "$2 does not see $1"
        failed=1
    elif [[ $output != *"$3"* ]]; then
        echo "$2, $1: it does not say '$3' but:"
        echo "$output"
        failed=1
    else
        caught=$((caught + 1))
    fi
}

plant
for check in layers.py headers.sh words.sh tidy.sh; do passes "a tree that is right" $check; done

header lib/base/low.h '#include "lib/store/high.h"'
catches "an include that points upwards" layers.py "may include lower ranks only"
plant; source_file client/agent/main.c '#include "server/nbd/own.h"'
catches "a program that includes another" layers.py "may include lower ranks only"
plant; source_file client/agent/main.c '#include "own.h"'
catches "an include from beside" layers.py "write the path from the top"
plant; mkdir lib/utils; source_file lib/utils/all.c
catches "a folder that nobody ranked" layers.py "has no rank"
plant; rm lib/store/README.md
catches "a folder without a README" layers.py "has code and no lib/store/README.md"
plant; seq 31 >lib/store/README.md
catches "a README of 31 lines" layers.py "31 lines, at most 30"
plant; seq -f 'extern int a%.0f;' 600 >>lib/base/low.c
catches "a file of more than 600 lines" layers.py "at most 600"
plant; echo 'int low(void);' >lib/base/low.h
catches "a header without its first lines" layers.py "SPDX-License-Identifier"
plant; header lib/base/low.h 'uint32_t low(void);'
catches "a header that needs another before it" headers.sh "lib/base/low.h: does not compile alone"
plant; sed -i '/pragma/d; s/int low.*/struct low { int a; };/' lib/base/low.h
catches "a header that cannot be included twice" headers.sh "lib/base/low.h: does not compile alone"
plant; echo "see /""work/x" >lib/base/README.md
catches "a path of a workplace" words.sh "lib/base/README.md:1:"
plant; echo "<<<""<<<< ours" >>lib/base/low.c
catches "the marks of a merge" words.sh "lib/base/low.c:"
plant; source_file lib/base/low.c '#include "lib/base/low.h"' 'int low(int value)' '{' \
    '    return value == value;' '}'
catches "a comparison of a value with itself" tidy.sh "misc-redundant-expression"

[ $failed -eq 0 ] && echo "$caught faults caught"
exit $failed

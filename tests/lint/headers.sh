#!/bin/bash
# Every header compiles alone, with gcc and with clang: whoever includes it needs nothing before it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t flags < <("$here/flags.sh") || exit 1
[ ${#flags[@]} -gt 0 ] || exit 1
mapfile -t headers < <("$here/files.sh" '*.h')

alone() { # header compiler flags...
    local header=$1
    shift
    # A second time too: #pragma once must hold. An empty unit would be a warning of its own.
    printf '#include "%s"\n#include "%s"\nextern int nothing;\n' "$header" "$header" |
        "$@" -Werror -Wno-unused-function -fsyntax-only -x c - || echo "$header: does not compile alone with $1"
}
export -f alone

problems=$(for header in "${headers[@]}"; do
    printf '%s\0' "$header"
done | xargs -0 -P "$(nproc)" -I{} bash -c '
    alone "$1" gcc "${@:2}" 2>&1; alone "$1" clang-14 "${@:2}" 2>&1' alone {} "${flags[@]}")
[ -n "$problems" ] && { echo "$problems"; exit 1; }
echo "${#headers[@]} headers"

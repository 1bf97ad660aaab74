#!/bin/bash
# Print the compiler flags of the build in $BUILD, one a line, that gcc and clang both understand.
set -eu
: "${BUILD:?}"
[ -f "$BUILD/flags" ] || { echo "lint: no '$BUILD/flags'; run 'make' first" >&2; exit 1; }
eval "set -- $(cat "$BUILD/flags")"
shift # the compiler
for flag; do
    case $flag in
        -Wl,* | -Wnull-dereference | -Wconditional-uninitialized | -fsanitize* | -fno-sanitize*) ;;
        *) printf '%s\n' "$flag" ;;
    esac
done

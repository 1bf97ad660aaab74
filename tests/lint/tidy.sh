#!/bin/bash
# clang-tidy with the checks of .clang-tidy. A file that passed is not looked at again until it, or
# anything that it includes, or the checks change: $BUILD/lint-cache holds one name for each.
set -u
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t flags < <("$here/flags.sh") || exit 1
[ ${#flags[@]} -gt 0 ] || exit 1
export CACHE=$BUILD/lint-cache TIDY_RULES
TIDY_RULES=$(clang-tidy-14 --version; cat .clang-tidy)
mkdir -p "$CACHE"
mapfile -t sources < <("$here/files.sh" '*.c')

tidy() { # source flags...
    local source=$1 key found
    shift
    key=$({ echo "$TIDY_RULES"; cat "$source"; clang-14 "$@" -E "$source" 2>&1; } |
        sha256sum | cut -d' ' -f1)
    [ -e "$CACHE/$key" ] && return
    if found=$(clang-tidy-14 --quiet "$source" -- "$@" 2>/dev/null) && [ -z "$found" ]; then
        touch "$CACHE/$key"
    else
        echo "${found:-$source: clang-tidy failed}"
    fi
}
export -f tidy

problems=$(printf '%s\0' "${sources[@]}" |
    xargs -0 -P "$(nproc)" -I{} bash -c 'tidy "$@"' tidy {} "${flags[@]}")
# What was not used for a month belongs to code that is gone.
find "$CACHE" -type f -mtime +30 -delete
[ -n "$problems" ] && { echo "$problems"; exit 1; }
echo "${#sources[@]} files"

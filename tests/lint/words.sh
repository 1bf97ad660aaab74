#!/bin/bash
# No file names a place or a person's folder on the machine where it was written, and none keeps the
# marks of an unfinished merge.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# The characters in brackets keep this file from finding itself.
pattern='(^|[^A-Za-z0-9_.~}])/(w[o]rk|h[o]me/[a-z]+|U[s]ers)/|^(<[<]{6}|>[>]{6}) '
mapfile -t files < <("$here/files.sh" '*')
problems=$(printf '%s\0' "${files[@]}" | xargs -0 grep -nIE "$pattern" -- 2>/dev/null)
[ -n "$problems" ] && { echo "$problems"; exit 1; }
echo "${#files[@]} files"

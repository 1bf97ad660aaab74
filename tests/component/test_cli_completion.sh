#!/bin/bash
# The bash completion offers nouns, verbs, options and the versions that the store holds.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
PATH=$BUILD/bin:$PATH

"$carrel" store init s --quiet
head -c 100K /dev/urandom >disk.raw
"$carrel" --store s image import physics disk.raw --format raw --quiet >/dev/null

"$carrel" completion bash >completion
bash -n completion
cmp completion "$BUILD/completion/carrel.bash"
# shellcheck disable=SC1091
source ./completion

offers() { # what must be offered, the words typed so far; the last one is being completed
    local expected=$1
    shift
    COMP_WORDS=(carrel "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _carrel
    [ "${COMPREPLY[*]}" = "$expected" ] || fail "'carrel $*' offers '${COMPREPLY[*]}', not '$expected'"
}
offers "image" i
offers "init issue" pki i
offers "import" image im
offers "--parent" image import x --par
offers "--no-trim" image import x y --no-t
offers "--store" image ls --st
offers "physics physics@1" --store s image show ph
offers "physics@1" --store s image commit x y --base physics@
offers "raw" image export x y --format r
offers "disk.raw" image import x disk
offers "image" help im
offers "" image import x y --message t

#!/bin/bash
# The manual page of blockd tells every option of --help and every figure of its statistics; that of
# the plugin every parameter.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

mandoc -T ascii "$OLDPWD/client/blockd/carrel-blockd.8" | sed 's,.\x08,,g' >manual
"$blockd" --help | grep -oE '^  --[a-z]+' >options
[ "$(wc -l <options)" -gt 8 ]
while read -r option; do
    grep -qE -- "^ +$option\b" manual || fail "$option is not in the manual page"
done <options
grep -oE -- '^ +--[a-z]+' manual | while read -r option; do
    grep -q -- "$option\$" options || fail "$option is in the manual page only"
done

make_store 8
make_pki
start_server
start_blockd disk
stop_blockd
jq -r 'keys[]' cache/stats.json >figures
while read -r name; do grep -qw -- "$name" manual || fail "figure $name"; done <figures

mandoc -T ascii "$OLDPWD/server/nbd/nbdkit-carrel-plugin.1" | sed 's,.\x08,,g' >manual
nbdkit "$plugin" --help | grep -oE '^[a-z-]+=' >parameters
[ "$(wc -l <parameters)" -ge 7 ] || fail "parameters: $(cat parameters)"
while read -r name; do grep -qE "^ +$name" manual || fail "parameter $name"; done <parameters

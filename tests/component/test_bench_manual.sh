#!/bin/bash
# The manual page of carrel-bench tells every option of --help and every figure of its JSON; what is
# wrong on the command line is said in one sentence.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
page=$here/../../client/bench/carrel-bench.1
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/storm.sh"
"$bench" --help | sed -nE 's/^  (--[a-z-]+) .*/\1/p' | sort >options
[ "$(wc -l <options)" -ge 10 ] || fail "--help lists too little"
sed 's/\\-/-/g' "$page" | sed -nE '/^\.SH OPTIONS/,/^\.SH FIGURES/{s/^\.BI? (--[a-z-]+).*/\1/p}' |
    sort >manual
diff options manual || fail "--help (<) and the manual (>) differ"
mandoc -T lint -W warning "$page" || fail "mandoc finds faults in the manual"
[ "$("$bench" --version)" = "carrel-bench $(cat "$here/../../VERSION")" ] || fail "--version"

store_make 4
trace_make 5
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
storm 1
mandoc -T ascii "$page" | sed 's,.\x08,,g' >text
jq -r 'paths | map(tostring) | .[-1]' outcome.json | sort -u | while read -r name; do
    grep -qw -- "$name" text || fail "figure $name is not in the manual"
done

all=(--seats 1 --trace trace --server "$url" --image disk)
refuses 2 "There is 'storm'" "$bench"
refuses 2 "There is 'storm'" "$bench" calm
refuses 2 "'--seats N'" "$bench" storm --trace trace --server "$url" --image disk
refuses 2 "'--seats 0' is not a number from 1 to 2000" "$bench" storm "${all[@]}" --seats 0
refuses 2 "'--link 1gb' is not a rate" "$bench" storm "${all[@]}" --link 1gb
refuses 2 "'--verify none' is not" "$bench" storm "${all[@]}" --verify none
refuses 2 "'--think -1' is not a factor" "$bench" storm "${all[@]}" --think=-1
refuses 1 "read the trace 'absent'" "$bench" storm "${all[@]}" --trace absent
echo "0 0 5 12" >odd
refuses 1 "'odd' is no recorded boot: line 1" "$bench" storm "${all[@]}" --trace odd
echo "0 262100 512" >long
refuses 1 "ends behind the disk of 'disk@1'" "$bench" storm "${all[@]}" --trace long
refuses 1 "image 'other'" "$bench" storm "${all[@]}" --image other
mkdir empty
refuses 1 "'empty' holds neither a CA" "$bench" storm "${all[@]}" --pki empty
refuses 1 "does not answer" "$bench" storm "${all[@]}" --server http://127.0.0.1:1

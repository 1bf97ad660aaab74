#!/bin/bash
# The manual page and --help document exactly the same options, with their arguments.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
manual=$here/../../server/syncd/carrel-syncd.8
. "$here/lib.sh"
. "$here/chunkd.sh"
. "$here/sync.sh"
"$syncd" --help | sed -nE 's/^  (--[a-z-]+) ?([A-Z:@]*) .*/\1 \2/p' | sort >table.txt
[ "$(wc -l <table.txt)" -ge 7 ] || fail "--help lists too little"
sed 's/\\-/-/g' "$manual" |
    sed -nE '/^\.SH OPTIONS/,/^\.SH SIGNALS/{s/^\.BI (--[a-z-]+) " ([A-Z:@]+)"$/\1 \2/p
        s/^\.B (--[a-z-]+)$/\1 /p}' | sort >manual.txt
diff table.txt manual.txt || fail "--help (<) and the manual (>) differ"
mandoc -T lint -W warning "$manual" || fail "mandoc finds faults in the manual"
[ "$("$syncd" --version)" = "carrel-syncd $(cat "$here/../../VERSION")" ] || fail "--version"

#!/bin/bash
# The manual page of the courier and its --help document exactly the same options.
set -euo pipefail
manual=$PWD/client/courier/carrel-courier.8
. "$PWD/tests/harness/lib.sh"
"$BUILD/bin/carrel-courier" --help | sed -nE 's/^  (--[a-z-]+) ?([A-Z]*) .*/\1 \2/p' | sort >table.txt
[ "$(wc -l <table.txt)" = 8 ] || fail "--help lists $(wc -l <table.txt) options"
sed 's/\\-/-/g' "$manual" |
    sed -nE '/^\.SH OPTIONS/,/^\.SH EXIT/{s/^\.BI (--[a-z-]+) " ([A-Z]+)"$/\1 \2/p
        s/^\.B (--[a-z-]+)$/\1 /p}' | sort >manual.txt
diff table.txt manual.txt || fail "--help (<) and the manual (>) differ"
mandoc -T lint -W warning "$manual" || fail "mandoc finds faults in the manual"

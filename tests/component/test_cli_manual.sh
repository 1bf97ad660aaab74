#!/bin/bash
# The manual page documents every command and every option of the table, with their arguments, and
# none that does not exist; and it is well-formed.
set -euo pipefail
manual=$PWD/image-tools/man/carrel.1
. "$PWD/tests/harness/lib.sh"

# The same lines as `carrel internal commands` prints, from the manual's source.
awk '
    function clean(text) { gsub(/\\-/, "-", text); return text }
    /^\.SH/ { section = $2; command = "" }
    /^\.SS/ && section == "COMMANDS" {
        line = clean(substr($0, 5)); n = split(line, word, " ")
        command = word[1]; first = 2
        if (word[1] != "help") { command = word[1] " " word[2]; first = 3 }
        operands = ""
        for (i = first; i <= n; i++) operands = operands (i > first ? " " : "") word[i]
        print "command\t" command "\t" operands
    }
    /^\.TP/ { getline line
        if (substr(line, 1, 7) != ".B \\-\\-") next
        split(clean(substr(line, 4)), word, " ")
        if (section == "OPTIONS") print "global\t" word[1] "\t" word[2]
        if (section == "COMMANDS") print "option\t" command "\t" word[1] "\t" word[2]
    }' "$manual" >manual.txt
"$carrel" internal commands >table.txt
[ "$(wc -l <table.txt)" -gt 20 ] || fail "the table of commands is empty"
diff table.txt manual.txt || fail "the table of commands (<) and the manual (>) differ"

mandoc -T lint -W warning "$manual" || fail "mandoc finds faults in the manual"

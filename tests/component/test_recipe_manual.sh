#!/bin/bash
# carrel-recipe(5) describes every key of a recipe with what it takes, and none that does not exist; the
# recipe in it is one; and it is well-formed.
set -euo pipefail
manual=$PWD/image-tools/man/carrel-recipe.5
source_file=$PWD/lib/recipe/recipe.c
example=$PWD/image-tools/dist/example/physics.recipe
. "$PWD/tests/harness/lib.sh"

# "key takes" of both, the manual's with its font changes and fixed blanks taken out.
sed -n 's/^\.BI \([a-z-]*\)\\~=\\~ *\(.*\)$/\1 \2/p' "$manual" |
    sed 's/\\fR//g; s/\\~/ /g; s/\\-/-/g; s/  */ /g; s/ | / \/ /g' | sort >manual.txt
sed -n 's/^ *\(\[CR_STEP_[A-Z]*\] = \)\?{"\([a-z-]*\)", [a-z_]*, "\(.*\)"},$/\2 \3/p' "$source_file" |
    sed 's/ | / \/ /g' | sort >table.txt
[ "$(wc -l <table.txt)" = 13 ] || fail "the table of keys: $(cat table.txt)"
diff table.txt manual.txt || fail "the table of keys (<) and the manual (>) differ"
mandoc -T lint -W warning "$manual" || fail "mandoc finds faults in the manual"

# The example of the manual and the one to copy: everything but their base is right.
sed -n '/^\.nf$/,/^\.fi$/p' "$manual" | sed '1d;$d' >physics.recipe
mkdir debs
touch debs/a.deb lab.desktop users.sh
"$carrel" store init s --quiet
refuses 1 "building 'physics': the base: there is no image 'debian'" \
    "$carrel" --store s image build physics.recipe
refuses 1 "building 'physics': the base: there is no image 'debian'" \
    "$carrel" --store s image build "$example"

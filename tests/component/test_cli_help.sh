#!/bin/bash
# Every command of the table answers --help with its own arguments and options; wrong command lines
# get one sentence that says what to write, and exit status 2.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"

"$carrel" internal commands >table
while IFS=$'\t' read -r kind command rest; do
    [ "$kind" = command ] || continue
    # shellcheck disable=SC2086  # two words
    "$carrel" $command --help >help
    grep -q "^usage: carrel $command" help || fail "no usage in: carrel $command --help"
    grep -qF -- "$rest" help || fail "no operands in: carrel $command --help"
    grep -qF "$command" <("$carrel" help) || fail "'$command' is not in: carrel help"
done <table
while IFS=$'\t' read -r kind command option argument; do
    [ "$kind" = option ] || continue
    # shellcheck disable=SC2086
    "$carrel" help $command | grep -qF -- "$option${argument:+ $argument}" ||
        fail "no $option in: carrel help $command"
done <table
"$carrel" --help | grep -q -- '--store URI'
"$carrel" image --help | grep -q 'image import'
"$carrel" help image | grep -q 'image import'
[ "$("$carrel" --version)" = "carrel $(cat "$OLDPWD/VERSION")" ]

refuses 2 "say what to do; .carrel help. lists" "$carrel"
refuses 2 "there is no command 'imagine'" "$carrel" imagine ls
refuses 2 "there is no command 'imagine'" "$carrel" imagine --help
refuses 2 "there is no command 'image lss'; .carrel help image. lists" "$carrel" image lss
refuses 2 "'carrel image. needs a verb|.carrel image. needs a verb" "$carrel" image
refuses 2 "something is missing; write: carrel image import NAME FILE" "$carrel" image import x
refuses 2 "'z' is one word too many; write: carrel image import NAME FILE" \
    "$carrel" image import x y z
refuses 2 "one word too many" "$carrel" image ls a b c d e f g
refuses 2 "there is no option '--parents'" "$carrel" image import x y --parents z
refuses 2 ".carrel image ls . has no option '--parent'|.carrel image ls. has no option '--parent'" \
    "$carrel" image ls --parent z
refuses 2 "option '--parent' needs a value: --parent NAME@N" "$carrel" image import x y --parent
refuses 2 "option '--parent' is given twice" "$carrel" image import x y --parent a@1 --parent=a@1
refuses 2 "option '--json' takes no value" "$carrel" image ls --json=yes
refuses 2 "there is no option '-x'" "$carrel" image ls -x
refuses 2 "option '--threads': 'many' is not a number from 1 to 16" "$carrel" image ls --threads many
refuses 2 "option '--threads': '0' is not" "$carrel" image ls --threads 0
refuses 1 "no store is named: add --store URI or set CARREL_STORE" \
    env -u CARREL_STORE "$carrel" image ls
refuses 1 "there is no command 'image lss'" "$carrel" help image lss

# A full disk behind standard output is a failure, not silence.
if [ -w /dev/full ]; then
    status=0
    "$carrel" help >/dev/full 2>err || status=$?
    [ "$status" = 1 ] && grep -q "cannot write the output" err || fail "a full output went unnoticed"
fi

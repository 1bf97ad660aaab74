#!/bin/bash
# carrel-agent(1) is clean mdoc and lists exactly the options, desktop keys and states that exist.
set -eu
: "${BUILD:?}"
cd "$(dirname "$0")/../.."
page=client/agent/carrel-agent.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mandoc -T lint -W warning "$page"
"$BUILD/bin/carrel-agent" --help >"$work/help"
compare() { # WHAT
    diff "$work/there" "$work/manual" || { echo "the manual's $1 are not those that exist"; exit 1; }
}
sed -n 's/^  --\([a-z-]*\).*/\1/p' "$work/help" | sort >"$work/there"
sed -n 's/^\.It Fl Fl \([a-z-]*\).*/\1/p' "$page" | sort >"$work/manual"
compare options
sed -n '/^Keys of a desktop file:/,$s/^  \([a-z_]*\) .*/\1/p' "$work/help" | sort >"$work/there"
sed -n 's/^\.It Cm \([a-z_]*\) =.*/\1/p' "$page" | sort >"$work/manual"
compare keys
sed -n '/^static const char \*const words/,/^};/s/\[STATE_[A-Z]*\] = "\([a-z]*\)"/\n=\1\n/gp' \
    client/agent/report.c | sed -n 's/^=//p' | sort >"$work/there"
sed -n 's/^\.It Sy \([a-z]*\)$/\1/p' "$page" | sort >"$work/manual"
compare states
[ "$("$BUILD/bin/carrel-agent" --version)" = "carrel-agent $(cat VERSION)" ]

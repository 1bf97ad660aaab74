#!/bin/bash
# A server with --make-deltas makes a delta that is asked for, once however many ask, and serves it when it
# is there; without the option, for roots that no version has, and for names that are none it does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
export CARREL_STORE=store
"$carrel" store init store --quiet
head -c 9M /dev/urandom >old.raw
# Moved by whole blocks of 4 KiB, so that the delta is the 100 KiB that are new and little else.
{ tail -c 4800K old.raw; head -c 100K /dev/urandom; head -c 4800K old.raw; } >new.raw
"$carrel" image import pc old.raw --format raw --quiet >/dev/null
"$carrel" image import pc new.raw --format raw --quiet >/dev/null
root() { "$carrel" image show "$1" --json | jq -r .root; }
pair=$(root pc@1)-$(root pc@2)

chunkd_start plain --store store --no-tls --listen 127.0.0.1:0
[ "$(status_of -D headers "$url/v1/deltas/$pair")" = 404 ] || fail "$(cat answer)"
! grep -qi '^retry-after' headers || fail "$(cat headers)"
chunkd_stop "$chunkd_pid"

chunkd_start makes --store store --no-tls --listen 127.0.0.1:0 --make-deltas
for _ in 1 2 3 4 5; do
    status=$(status_of -D headers "$url/v1/deltas/$pair")
    [ "$status" != 404 ] || { grep -qi '^retry-after: 30' headers && grep -q 'being made' answer; } ||
        fail "$(cat headers answer)"
done
there() { [ "$(status_of "$url/v1/deltas/$pair")" = 200 ]; }
wait_until there
cmp answer "store/deltas/$pair"
[ "$(status_of "$url/v1/deltas/$pair.0")" = 200 ] || fail "no part"
made() { grep -c "made the delta from 'pc@1' to 'pc@2'" makes.err; }
[ "$(made)" = 1 ] || fail "made $(made) times: $(cat makes.err)"

# What is no pair of versions, or no name of an index, costs nobody anything.
[ "$(status_of -D headers "$url/v1/deltas/$pair.99")" = 404 ] || fail "a part from nowhere"
! grep -qi '^retry-after' headers || fail "$(cat headers)"
strange=${pair%?}0
[ "$strange" != "$pair" ] || strange=${pair%?}1
[ "$(status_of "$url/v1/deltas/$strange")" = 404 ] || fail "a delta from nowhere"
refused() { grep -q "cannot make the delta '$strange': no image has a version of that root" makes.err; }
wait_until refused
[ "$(status_of -D headers "$url/v1/deltas/$strange")" = 404 ] || fail "a delta from nowhere"
! grep -qi '^retry-after' headers || fail "it is tried again at once"

# The https store tells the delta's bytes.
"$carrel" --store "$url" image diff pc@1 pc@2 --json |
    jq -e '.delta_bytes > 100000 and .delta_bytes < 200000 and .fetch_bytes == null' >/dev/null ||
    fail "$("$carrel" --store "$url" image diff pc@1 pc@2 --json)"
chunkd_stop "$chunkd_pid"
[ "$(made)" = 1 ] || fail "made $(made) times: $(cat makes.err)"

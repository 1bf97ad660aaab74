#!/bin/bash
# One request brings up to 256 chunks, in the order of the ids, each with its own result.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 300
chunkd_start server --store store --no-tls --listen 127.0.0.1:0

ask() { # ids on standard input; the answer is in the file `answer`
    local ids
    mapfile -t ids
    batch ask "${ids[@]}" >question
    [ "$(status_of --data-binary @question "$url/v1/batch")" = 200 ] || fail "$(cat answer)"
}

# Twice: from the store and from memory. Mixed with what the store lacks, and with repetitions.
nothing=$(printf 'a%.0s' {1..64})
{ head -n 200 ids; echo "$nothing"; sed -n '7p;7p' ids; tail -n 53 ids; } >wanted
[ "$(wc -l <wanted)" = 256 ] || fail "this test asks for $(wc -l <wanted)"
sed "s/$nothing/status 1/" wanted >expected
for from in store memory; do
    ask <wanted
    batch show answer | cmp - expected || fail "the chunks from the $from differ"
done
[ "$(metric "$url" 'store_reads_total{kind="chunk"}')" -le 510 ] || fail "memory was not used"
sed -n 42p ids >wanted
ask <wanted
batch show answer | cmp - wanted || fail "a batch of one"

{ cat wanted; head -n 256 ids; } | { mapfile -t many; batch ask "${many[@]}" >question; }
[ "$(status_of --data-binary @question "$url/v1/batch")" = 413 ] || fail "257 ids were taken"
chunkd_stop "$chunkd_pid"

#!/bin/bash
# A seat reads a whole version through a line that is cut, reset, slow, stalls, loses, repeats, flips and
# invents bytes, and from a server whose answers lie in every way: no wrong byte, nothing hangs beyond
# the stated limits, the whole disk is there in the end. Under TLS no read even fails. 30 seeded
# scenarios, 500 in the long suite.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
wires=18 answers=12 side_by_side=6
[ -z "${CHECK_LONG:-}" ] || wires=300 answers=200
patience_s=60 stall_s=1
# A read may wait for what two other threads give up before it asks itself; 2 s to connect, and a busy machine.
limit_ms=$((3 * (patience_s + stall_s + 2 + 4) * 1000))

# 6 MiB of data, a hole, half a chunk of data.
dd if=/dev/urandom of=disk.raw bs=64K count=96 status=none
dd if=/dev/urandom of=disk.raw bs=32K count=1 seek=220 conv=notrunc status=none
"$carrel" store init store >/dev/null
"$carrel" --store store --quiet image import disk disk.raw --format raw --no-trim >/dev/null
pki_make
chunkd_start tls --store store --pki pki/server --listen 127.0.0.1:0
tls_url=$url
chunkd_start plain --store store --no-tls --listen 127.0.0.1:0
plain_url=$url

# One scenario; its line goes to results.KIND.
scenario() { # kind seed raw-file
    local kind=$1 seed=$2 raw=$3 dir url=$plain_url settings="?patience=$patience_s&stall=$stall_s"
    local proxy status=0
    dir=$(mktemp -d scenario-XXXXXX)
    mkdir "$dir/cache"
    : >"$dir/proxy"
    if [ "$kind" = wire ]; then url=$tls_url settings+="&pki=$work/pki/clients/seat"; fi
    "$here/chaos.py" --upstream "${url#*://}" --seed "$seed" --kind "$kind" >"$dir/proxy" &
    proxy=$!
    until grep -q '^listening on ' "$dir/proxy"; do
        kill -0 "$proxy" || return 1
        read -rt 0.02 <> <(:) || true
    done
    url=${url%%:*}://$(sed -n 's/^listening on //p;q' "$dir/proxy")
    timeout 600 "$BUILD/harness/chaosread" "$url$settings" disk "$dir/cache" "$raw" "$seed" \
        >"$dir/out" 2>"$dir/err" || status=$?
    kill "$proxy"
    wait "$proxy" 2>/dev/null || true
    jq -c --arg seed "$seed" --arg status "$status" --arg faults "$(sed 1d "$dir/proxy")" \
        '. + {seed: $seed, status: $status, faults: $faults}' "$dir/out" >>"results.$kind" ||
        echo "{\"seed\": \"$seed\", \"status\": \"$status\"}" >>"results.$kind"
    [ "$status" = 0 ] || cat "$dir/err" "$dir/proxy"
    rm -rf "$dir"
}

run() { # kind count
    local seed
    for ((seed = 1; seed <= $2; seed++)); do
        [ "$(jobs -rp | wc -l)" -lt $((side_by_side + 2)) ] || wait -n || true
        scenario "$1" "$seed" disk.raw &
    done
    while [ "$(wc -l <"results.$1")" -lt "$2" ]; do wait -n || break; done
    [ "$(wc -l <"results.$1")" = "$2" ] || fail "$(wc -l <"results.$1") of $2 scenarios ended"
}

# Of each scenario of a kind: does jq's condition hold?
all_hold() { # kind condition
    jq -c "select(($2) | not)" "results.$1" >odd
    [ ! -s odd ] || fail "not so in every scenario: $2: $(cat odd)"
}

for kind in wire answer; do
    : >"results.$kind"
    run "$kind" "$([ "$kind" = wire ] && echo "$wires" || echo "$answers")"
    all_hold "$kind" '.status == "0" and .wrong == 0 and .given_up == 0'
    all_hold "$kind" ".slowest_ms <= $limit_ms"
    hurt=$(jq -s 'map(select(.faults != "")) | length' "results.$kind")
    [ "$hurt" -gt "$(($(wc -l <"results.$kind") / 2))" ] || fail "$kind: only $hurt scenarios hurt"
    jq -s --arg kind "$kind" -r '"\($kind): \(length) scenarios, \(map(.reads) | add) reads, \(map(
        .failed_reads) | add) failed, \(map(.retries) | add) requests again, the slowest read \(map(
        .slowest_ms) | max) ms"' "results.$kind"
done
all_hold wire '.failed_reads == 0'
[ "$(jq -s 'map(.retries) | add' results.wire)" -gt 0 ] || fail "no fault was felt"

# The comparison finds what it looks for: one bit.
cp disk.raw other.raw
printf 'x' | dd of=other.raw bs=1 seek=100000 conv=notrunc status=none
scenario wire 1 other.raw >/dev/null
[ "$(tail -n 1 results.wire | jq -r .status)" = 1 ] || fail "a wrong byte was not found"

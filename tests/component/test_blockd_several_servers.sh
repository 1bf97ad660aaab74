#!/bin/bash
# A seat with several servers: when the one that it reads from stands still in the middle of a read storm, reads
# go on from the other within two seconds; when both are away the guest pauses and goes on; what one server has
# lost or has wrong comes from the other. No read fails, no byte is wrong.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 128
make_pki
cp -r "$store" other-store
start_server
first_url=$server_url first_pid=$server_pid
server_url='' store=$work/other-store
start_server
second_url=$server_url second_pid=$server_pid
server_url=$first_url

storm() { # seconds
    : >reads
    start "$BUILD/harness/nbdstorm" "$uri" "$disk" "$1" >reads
    storm_pid=$started
}
read_more() { [ "$(wc -l <reads)" -gt $(($1 + 20)) ]; }
more_reads() { wait_until read_more "$(wc -l <reads)"; }
storm_ended_well() {
    wait "$storm_pid" || fail "a read failed, or had wrong bytes"
    pause=$(sed -n 's/^pause //p' reads)
    echo "$(wc -l <reads) reads, the longest pause was $pause ms"
}
server() { # 0|1 figure
    jq -r ".servers[$1].$2" cache/stats.json
}

# The server that is read from stands still. The cache is slow to fill: most reads are fetches for a while.
start_blockd disk --server "$second_url"
storm 6
more_reads
for pid in "$first_pid" "$second_pid"; do # whichever it is: first the one, later the other
    kill -STOP "$pid"
    more_reads
    more_reads
    kill -CONT "$pid"
    more_reads
done
storm_ended_well
[ "$pause" -le 2000 ] || fail "reads paused for $pause ms"
stop_blockd
[ $(($(server 0 left) + $(server 1 left))) -ge 1 ] || fail "no server was left: $(cat cache/stats.json)"
[ "$(server 0 server) $(server 1 server)" = "$first_url $second_url" ] || fail "$(cat cache/stats.json)"

# Both are killed for a while, and a guest that reads all of it only pauses.
rm -rf cache
start_blockd disk --server "$second_url"
start nbdcopy --connections=1 --requests=1 --request-size=65536 "$uri" copied
copy_pid=$started
kept() { [ "$(du -k cache/disks/*.disk | cut -f 1)" -gt 4096 ]; }
wait_until kept
kill -KILL "$first_pid" "$second_pid"
wait "$first_pid" "$second_pid" 2>/dev/null || true
kill -0 "$copy_pid" || fail "the copy gave up"
server_url=$second_url
start_server
wait "$copy_pid" || fail "the copy failed"
cmp copied "$disk"
stop_blockd

# Each server has lost some packs, and one has some wrong: what the one lacks comes from the other.
kill_server
mapfile -t packs < <(cd store && echo packs/* | tr ' ' '\n')
[ "${#packs[@]}" -ge 6 ] || fail "only ${#packs[@]} packs"
rm "store/${packs[0]}" "other-store/${packs[1]}"
for ((at = 100; at < 4000000; at += 60000)); do
    printf XXXX | dd of="store/${packs[2]}" bs=1 seek=$at conv=notrunc status=none
    printf XXXX | dd of="other-store/${packs[3]}" bs=1 seek=$at conv=notrunc status=none
done
start_server
server_url=$first_url store=$work/store
start_server
rm -rf cache
start_blockd disk --server "$second_url"
nbdcopy "$uri" - | cmp - "$disk" || fail "what one server lacks was not taken from the other"
stop_blockd
[ $(($(server 0 refused) + $(server 1 refused))) -ge 1 ] || fail "$(cat cache/stats.json)"

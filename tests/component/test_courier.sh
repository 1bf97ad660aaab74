#!/bin/bash
# A seat's courier: it brings home what the server's key signed and nothing else, and delivers what
# waits in the outbox, also what waited over a time without server and over a kill.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 1
pki_make
"$carrel" --quiet trust key server
"$carrel" --quiet trust key stranger
"$carrel" policy key server >keys
mkdir -p seats seat/outbox
seat_id=$(openssl x509 -in pki/clients/seat/client.pem -outform der | sha256sum | cut -d' ' -f1)
serve=(--store store --pki pki/server --seats seats --reports reports)
chunkd_start server "${serve[@]}" --listen 127.0.0.1:0
port=${url##*:}
first_pid=$chunkd_pid
courier_program=("$BUILD/bin/carrel-courier" --server "$url" --pki pki/clients/seat --dir seat
    --keys keys)

courier() { # options...
    "${courier_program[@]}" "$@"
}
sign() { # body file key
    echo "$1" >body.json
    "$carrel" --quiet policy sign body.json "$2" --key "$3"
}
network() { # what the seat's policy says
    jq -r .signed.network seat/policy.json
}
put() { # number text: as a seat's agent does (lib/spool)
    echo "$2" >seat/outbox/new
    mv seat/outbox/new "seat/outbox/$(printf %020d "$1")"
}
reported() { # the reports that the server has, oldest first
    cat reports/"$seat_id"/0* 2>/dev/null
}

# Nothing there is nothing wrong.
courier --once
[ ! -e seat/policy.json ] || fail "a policy out of nothing"

# The room's policy, then the seat's own, then a lease.
sign '{"network": "on"}' seats/policy.json server
[ "$(courier --once | cut -d' ' -f1)" = policy ] || fail "the new policy is not told"
[ "$(network)" = on ] || fail "the room's policy did not arrive"
[ -z "$(courier --once)" ] || fail "an old policy is told as new"
mkdir "seats/$seat_id"
sign '{"network": "off"}' "seats/$seat_id/policy.json" server
"$carrel" --store store --quiet policy lease pki/clients/seat/client.pem disk \
    "seats/$seat_id/lease.json" --key server
[ "$(courier --once | cut -d' ' -f1 | tr '\n' ' ')" = "policy lease " ] || fail "not both are told"
[ "$(network)" = off ] || fail "the seat's own policy did not arrive"
cmp -s seat/lease.json "seats/$seat_id/lease.json" || fail "the lease did not arrive"

# A stranger's policy and an older one stay outside.
cp seat/policy.json before
sign '{"network": "on"}' "seats/$seat_id/policy.json" stranger
refuses 1 "the policy that .* is refused: none of the server's keys" courier --once
cp seats/policy.json "seats/$seat_id/policy.json"
sed -i 's/"version":[0-9]*/"version":1/' "seats/$seat_id/policy.json"
refuses 1 "none of the server's keys" courier --once
rm "seats/$seat_id/policy.json" # the room's, which is older than the seat's own
refuses 1 "this seat has seen number" courier --once
cmp -s before seat/policy.json || fail "a refused policy was kept"
sign '{"network": "off"}' seats/policy.json server
head -c 70000 /dev/zero | tr '\0' ' ' >"seats/$seat_id/lease.json"
refuses 1 "." courier --once
rm "seats/$seat_id/lease.json"

# Reports: in order, kept by the server before they leave the seat; one that is none is dropped.
put 1 '{"n": 1}'
put 2 '{"n": 2}'
courier --once >out
[ "$(grep -c '^delivered$' out)" = 2 ] || fail "two reports, but: $(cat out)"
[ "$(reported | jq -c .n | tr '\n' ' ')" = "1 2 " ] || fail "the server has: $(reported)"
[ -z "$(ls seat/outbox)" ] || fail "the outbox is not empty"
put 3 'no report'
put 4 '{"n": 4}'
refuses 1 "a report is thrown away" courier --once
[ "$(reported | jq -c .n | tr '\n' ' ')" = "1 2 4 " ] || fail "a bad report stood in the way"

# It runs: what is put is delivered at once; without a server it stays, over a kill of the courier.
start "${courier_program[@]}" --interval 1h >run.out
courier_pid=$started
put 5 '{"n": 5}'
outbox_empty() { [ -z "$(ls seat/outbox)" ]; }
wait_until outbox_empty
chunkd_stop "$first_pid"
put 6 '{"n": 6}'
kill -KILL "$courier_pid"
wait "$courier_pid" 2>/dev/null || true
[ "$(ls seat/outbox)" = 00000000000000000006 ] || fail "the outbox lost what waited"
refuses 1 "127.0.0.1:$port" courier --once
chunkd_start server2 "${serve[@]}" --listen "127.0.0.1:$port"
start "${courier_program[@]}" --interval 1h >run.out
courier_pid=$started
wait_until outbox_empty
[ "$(reported | jq -c .n | tr '\n' ' ')" = "1 2 4 5 6 " ] || fail "the server has: $(reported)"
kill -TERM "$courier_pid"
wait "$courier_pid" || fail "the courier did not end well"

# Whoever shows no certificate gets nothing.
status=$(curl -s -o answer -w '%{http_code}' --cacert pki/ca.pem "$url/v1/seat/policy" || true)
[ "$status" != 200 ] || fail "a stranger got a policy"

#!/bin/bash
# A certificate that does not fit, of either side, ends in one clear sentence at once.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
pki_make
"$carrel" pki init foreign >/dev/null
"$carrel" pki issue foreign --client seat >/dev/null
"$carrel" pki issue foreign --server 127.0.0.1 >/dev/null
"$carrel" pki issue pki --client old --not-before 2020-01-01 --not-after 2020-02-01 >/dev/null
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0 --listen 127.0.0.2:0
port=${url##*:}
ls_with() { # pki folder, host, port
    "$carrel" --store "https://$2:$3?pki=$1&patience=600" image ls
}
ls_with pki/clients/seat 127.0.0.1 "$port" >/dev/null
ls_with pki/clients/seat localhost "$port" >/dev/null

# Ours: found before anything is sent.
refuses 1 "clients/old/client.pem' expired on 2020-02-01" ls_with pki/clients/old 127.0.0.1 "$port"
refuses 1 "folder 'none' of certificates" ls_with none 127.0.0.1 "$port"
mkdir half
cp pki/clients/seat/{ca,client}.pem half
refuses 1 "half/client-key.pem' is missing" ls_with half 127.0.0.1 "$port"
cp -r pki/clients/seat mixed
cp foreign/clients/seat/client{,-key}.pem mixed
refuses 1 "mixed/client.pem' does not come from the CA" ls_with mixed 127.0.0.1 "$port"
refuses 1 'names no folder' "$carrel" --store "$url?pki=" image ls
refuses 1 'plain http is for this machine itself only' "$carrel" --store http://10.0.0.1 image ls

# Theirs: foreign, and for another host.
refuses 1 "certificate of server 'https://127.0.0.1:$port' comes from a foreign CA|is forged" \
    ls_with foreign/clients/seat 127.0.0.1 "$port"
second=$(sed -n 's/^listening on .*127.0.0.2://p' server.out)
refuses 1 "certificate of server 'https://127.0.0.2:$second' does not name this host" \
    ls_with pki/clients/seat 127.0.0.2 "$second"
chunkd_stop "$chunkd_pid"

# Theirs: expired, and not for a server. chunkd would not start with it, so another server shows it.
bad_server() { # pki folder, options of openssl s_server...
    start openssl s_server -quiet -accept 127.0.0.1:0 -cert "$1/server.pem" \
        -key "$1/server-key.pem" -www "${@:2}" </dev/null >s_server.out 2>&1
}
for kind in expired client; do
    cp -r pki "pki-$kind"
    rm -rf "pki-$kind/server"
done
"$carrel" pki issue pki-expired --server 127.0.0.1 --not-before 2020-01-01 --not-after 2020-02-01 \
    >/dev/null
mkdir pki-client/server
cp pki/clients/seat/client.pem pki-client/server/server.pem
cp pki/clients/seat/client-key.pem pki-client/server/server-key.pem
port_of() { # pid: the port that it listens on
    ss -Htlnp | sed -nE "s/.*127\.0\.0\.1:([0-9]+) .*pid=$1,.*/\1/p" | grep .
}
for case in 'expired/has expired' 'client/was not issued for a server'; do
    bad_server "pki-${case%%/*}/server"
    server=$started
    wait_until port_of "$server" >/dev/null
    refuses 1 "certificate of server 'https://127.0.0.1:[0-9]+' ${case#*/}; " \
        ls_with pki/clients/seat 127.0.0.1 "$(port_of "$server")"
    kill -KILL "$server"
done

# Ours, and only the server knows that it is not good enough.
for tls in 2 3; do
    bad_server pki/server -tls1_$tls -Verify 1 -verify_return_error -CAfile foreign/ca.pem
    server=$started
    wait_until port_of "$server" >/dev/null
    refuses 1 "refuses our certificate '.*/clients/seat/client.pem' \\(.*\\); issue a new one" \
        ls_with pki/clients/seat 127.0.0.1 "$(port_of "$server")"
    kill -KILL "$server"
done

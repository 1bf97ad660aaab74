#!/bin/bash
# Only a client with a valid certificate of the site's CA is answered; each refusal says why.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
pki_make
"$carrel" pki issue pki --client expired --not-before 2020-01-01 --not-after 2020-02-01 >/dev/null
"$carrel" pki issue pki --client early --not-before 2090-01-01 --not-after 2091-01-01 >/dev/null
"$carrel" pki init foreign >/dev/null
"$carrel" pki issue foreign --client stranger >/dev/null
chunkd_start server --store store --pki pki/server --listen 127.0.0.1:0

as() { # folder/name curl's arguments...
    local cert=$1
    shift
    curl -sS --cacert pki/ca.pem --cert "$cert.pem" --key "$cert-key.pem" "$@" 2>err
}

# The alert reaches the client unless the closing of the connection overtakes it.
is_refused() { # words folder/name curl's arguments...
    local words=$1 status=0
    shift
    as "$@" "$url/v1/images" >answer || status=$?
    [ "$status" != 0 ] || fail "$*: was let in"
    [ ! -s answer ] || fail "$*: was answered: $(cat answer)"
    grep -qE "$words" err
}

never_let_in() { # words folder/name curl's arguments...
    wait_until is_refused "$@"
}

for tls in 1.2 1.3; do
    [ "$(as pki/clients/seat/client --tls-max $tls "$url/v1/images")" = '["disk"]' ] ||
        fail "the seat is not let in with TLS $tls: $(cat err)"
    never_let_in 'certificate expired|verification failed' pki/clients/expired/client \
        --tls-max $tls
    never_let_in 'certificate unknown' pki/clients/early/client --tls-max $tls
    never_let_in 'unknown ca' foreign/clients/stranger/client --tls-max $tls
    never_let_in 'unsupported certificate' pki/server/server --tls-max $tls
done
if curl -sS --cacert pki/ca.pem "$url/v1/images" >answer 2>err; then fail "no certificate"; fi
[ ! -s answer ] || fail "answered without a certificate"
grep -q "refused client '127.0.0.1': its certificate has expired" server.err || fail "not logged"

# TLS 1.1 and 1.0 are not spoken, whoever asks.
for version in 1.0 1.1; do
    if as pki/clients/seat/client --tlsv1.0 --tls-max $version --ciphers DEFAULT@SECLEVEL=0 \
        "$url/v1/images" >answer; then
        fail "TLS $version is spoken"
    fi
done
# Nor is plain HTTP.
if curl -sS "http://${url#https://}/v1/images" >answer 2>err; then fail "plain HTTP is spoken"; fi
[ "$(as pki/clients/seat/client "$url/metrics" |
    awk '/^carrel_chunkd_tls_handshake_failures_total/ { print ($2 >= 11) }')" = 1 ] ||
    fail "the refusals are not counted"
chunkd_stop "$chunkd_pid"

#!/bin/bash
# The certificates of `carrel pki` are right in the eyes of OpenSSL, GnuTLS and nbdkit: names, purposes,
# dates; keys are private; nothing is ever replaced; what is wrong is refused.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"

"$carrel" pki init ca | grep -q "^made a CA in 'ca', valid until 20"
"$carrel" pki issue ca --server localhost,127.0.0.1,::1,images.school.example >/dev/null
"$carrel" pki issue ca --client seat-17 | grep -q "copy 'ca/clients/seat-17' to it"
[ "$(cd ca && find . -type f -o -type l | sort | tr '\n' ' ')" = "./ca-key.pem ./ca.pem \
./clients/seat-17/ca-cert.pem ./clients/seat-17/ca.pem ./clients/seat-17/client-cert.pem \
./clients/seat-17/client-key.pem ./clients/seat-17/client.pem ./server/ca-cert.pem ./server/ca.pem \
./server/server-cert.pem ./server/server-key.pem ./server/server.pem " ] || fail "the files: $(find ca)"
find ca -name '*-key.pem' -not -perm 600 | grep -q . && fail "a key can be read by others"

says() { # file pattern
    openssl x509 -in "$1" -noout -text >text
    grep -qE -- "$2" text || fail "$1 lacks '$2'"
}
says ca/ca.pem 'CA:TRUE, pathlen:0'
says ca/ca.pem 'Certificate Sign, CRL Sign'
says ca/server/server.pem \
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:images.school.example'
says ca/server/server.pem 'TLS Web Server Authentication'
says ca/server/server.pem 'CA:FALSE'
says ca/clients/seat-17/client.pem 'CN = seat-17'
says ca/clients/seat-17/client.pem 'TLS Web Client Authentication'
serial() {
    openssl x509 -in "$1" -noout -serial
}
[ "$(serial ca/server/server.pem)" != "$(serial ca/clients/seat-17/client.pem)" ]
openssl verify -CAfile ca/ca.pem -purpose sslserver -verify_hostname images.school.example \
    ca/server/server.pem >/dev/null
openssl verify -CAfile ca/ca.pem -purpose sslclient ca/clients/seat-17/client.pem >/dev/null
openssl verify -CAfile ca/ca.pem -purpose sslserver ca/clients/seat-17/client.pem >/dev/null 2>&1 &&
    fail "a client's certificate serves as a server's"
certtool --verify --load-ca-certificate ca/ca.pem --infile ca/server/server.pem >/dev/null
openssl x509 -in ca/ca.pem -noout -checkend $((3649 * 86400)) >/dev/null
openssl x509 -in ca/server/server.pem -noout -checkend $((824 * 86400)) >/dev/null

# nbdkit and libnbd find their names in the folders as they are.
chmod 755 "$work"
nbdkit -U - --exit-with-parent --tls=require --tls-verify-peer --tls-certificates="$work/ca/server" \
    memory 1M --run "nbdinfo --size \"nbds+unix://localhost/?socket=\$unixsocket&tls-certificates=$work/ca/clients/seat-17\"" >size
[ "$(cat size)" = 1048576 ] || fail "no NBD over TLS with these certificates"

# Dates.
"$carrel" pki issue ca --client old --not-before 2020-01-01 --not-after 2021-06-30T12:00:00Z >/dev/null
says ca/clients/old/client.pem 'Not Before: Jan  1 00:00:00 2020 GMT'
says ca/clients/old/client.pem 'Not After : Jun 30 12:00:00 2021 GMT'
"$carrel" pki issue ca --client over --days 0 --json | jq -e '.not_after_s <= now' >/dev/null
openssl x509 -in ca/clients/over/client.pem -noout -checkend 0 >/dev/null && fail "it is not over"
"$carrel" pki issue ca --client long --days 36500 >/dev/null
[ "$(openssl x509 -in ca/clients/long/client.pem -noout -enddate)" = \
    "$(openssl x509 -in ca/ca.pem -noout -enddate)" ] || fail "a certificate outlives its CA"

# Refusals.
find ca -type f -print0 | sort -z | xargs -0 sha256sum >before
refuses 1 "'ca' holds something already, and keys are never replaced" "$carrel" pki init ca
refuses 1 "'ca/server' holds something already" "$carrel" pki issue ca --server other
refuses 1 "'ca/clients/seat-17' holds something already" "$carrel" pki issue ca --client seat-17
refuses 1 "there is no CA in 'nowhere': .*carrel pki init nowhere" "$carrel" pki issue nowhere --client a
refuses 1 "'../evil' is not a client's name" "$carrel" pki issue ca --client ../evil
refuses 1 "'a b' is neither a DNS name nor an IP address" "$carrel" pki issue ca --server "a b"
refuses 1 "'x,DNS:y|'' is neither" "$carrel" pki issue ca --server "x,,y"
refuses 1 "'DNS:y' is neither" "$carrel" pki issue ca --server "x,DNS:y"
refuses 1 "say for whom: --server NAME\[,NAME\] or --client NAME" "$carrel" pki issue ca
refuses 1 "say for whom" "$carrel" pki issue ca --server a --client b
refuses 1 "'--days': 'many' is not a number" "$carrel" pki issue ca --client a --days many
refuses 1 "'--not-after': 'soon' is no date; write 2026" "$carrel" pki issue ca --client a --not-after soon
refuses 1 "would end before it begins" "$carrel" pki issue ca --client a --not-after 2001-01-01
find ca -type f -print0 | sort -z | xargs -0 sha256sum | cmp - before
[ -z "$(find . -name '*.new-*')" ] || fail "a half-made folder was left"
mv ca/ca-key.pem away.pem
refuses 1 "'ca-key.pem' is missing" "$carrel" pki issue ca --client a
openssl ecparam -genkey -name prime256v1 -out ca/ca-key.pem 2>/dev/null
refuses 1 "the CA in 'ca' cannot be used: the key does not belong to the certificate" \
    "$carrel" pki issue ca --client a

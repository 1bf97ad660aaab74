#!/bin/bash
# What keeps the server from starting is said in one sentence that names it.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 3
pki_make
server() { "$chunkd" --listen 127.0.0.1:0 "$@"; }

# The command line.
refuses 2 "no store was named" server --pki pki/server
refuses 2 "no certificates were named" server --store store
refuses 2 "exclude each other" server --store store --no-tls --pki pki/server
refuses 2 "'--cache-bytes 5X'" server --store store --no-tls --cache-bytes 5X
refuses 2 "'--threads 0'" server --store store --no-tls --threads 0
refuses 2 "'--nothing' is no option" server --nothing
refuses 2 "'--store' needs a value" server --store
refuses 2 "'extra' is no option" server --store store --no-tls extra

# The store.
refuses 1 "'$work/none'" server --store "$work/none" --no-tls
refuses 1 'unknown kind' server --store ftp:x --no-tls
mkdir empty
refuses 1 "'empty'" server --store empty --no-tls

# The address.
chunkd_start first --store store --no-tls --listen 127.0.0.1:0
refuses 1 "listen on '${url#http://}': the port is in use" "$chunkd" --store store --no-tls \
    --listen "${url#http://}"
refuses 1 'not ADDR:PORT' "$chunkd" --store store --no-tls --listen 127.0.0.1
refuses 1 'loopback addresses only' "$chunkd" --store store --no-tls --listen '*:0'
refuses 1 'loopback addresses only' "$chunkd" --store store --pki pki/server \
    --listen 127.0.0.1:0 --metrics-listen 0.0.0.0:0
chunkd_stop "$chunkd_pid"

# The certificates.
refuses 1 "'none/ca.pem' is missing; make it with 'carrel pki'" server --store store --pki none
for file in ca.pem server.pem server-key.pem; do
    rm -rf broken
    cp -r pki/server broken
    rm "broken/$file"
    refuses 1 "'broken/$file' is missing" server --store store --pki broken
    echo rubbish >"broken/$file"
    refuses 1 "'broken/$file' holds no .* in PEM form" server --store store --pki broken
done
issue() { # folder dates...
    local name=$1
    shift
    rm -rf "$name"
    cp -r pki "$name"
    rm -rf "$name/server"
    "$carrel" pki issue "$name" --server 127.0.0.1 "$@" >/dev/null
}
issue old --not-before 2020-01-01 --not-after 2020-02-01
refuses 1 "'old/server/server.pem' expired on 2020-02-01" server --store store --pki old/server
issue early --not-before 2090-01-01 --not-after 2091-01-01
refuses 1 "'early/server/server.pem' is valid from 2090-01-01" server --store store \
    --pki early/server
issue other
cp -r pki/server mixed
cp other/server/server-key.pem mixed/
refuses 1 "key 'mixed/server-key.pem' does not belong to certificate" server --store store \
    --pki mixed
"$carrel" pki init foreign >/dev/null
cp -r pki/server strange
cp foreign/ca.pem strange/
refuses 1 "does not come from the CA in 'strange/ca.pem'" server --store store --pki strange
mkdir client-as-server
cp pki/ca.pem client-as-server/
cp pki/clients/seat/client.pem client-as-server/server.pem
cp pki/clients/seat/client-key.pem client-as-server/server-key.pem
refuses 1 'was not issued for a server' server --store store --pki client-as-server

#!/bin/bash
# The plugin works under nbdkit's TLS, with certificates of carrel pki, and under its filters.
set -euo pipefail
. "$PWD/tests/harness/lib.sh"
. "${OLDPWD}/tests/harness/nbd.sh"

make_store 16
make_pki
"$carrel" pki init "$work/other" >/dev/null
"$carrel" pki issue "$work/other" --client stranger >/dev/null

tls=(--tls=require "--tls-certificates=$pki/server" --tls-verify-peer)
secure="nbds+unix://localhost/?socket=\$unixsocket&tls-hostname=localhost&tls-certificates"
with_plugin "
    nbdinfo \"$secure=$seat\" >info &&
    nbdcopy \"$secure=$seat\" copy || exit 1
    nbdinfo \"$secure=$work/other/clients/stranger\" 2>stranger && exit 1
    nbdinfo \"nbd+unix:///?socket=\$unixsocket\" 2>plain && exit 1
    exit 0" "${tls[@]}" 2>log
grep -q 'with TLS' info || fail "no TLS: $(cat info)"
cmp copy "$disk"

# As the manual page says: no TLS 1.0 and 1.1 with this file.
printf '%s\n' '[overrides]' 'disabled-version = tls1.0' 'disabled-version = tls1.1' >modern
printf '%s\n' '[overrides]' 'disabled-version = tls1.2' 'disabled-version = tls1.3' >old
export GNUTLS_SYSTEM_PRIORITY_FILE=$work/modern
with_plugin "
    nbdinfo --size \"$secure=$seat\" >size || exit 1
    export GNUTLS_SYSTEM_PRIORITY_FILE=$work/old
    nbdinfo --size \"$secure=$seat\" 2>old-client && exit 1
    exit 0" "${tls[@]}" 2>log
unset GNUTLS_SYSTEM_PRIORITY_FILE
[ "$(cat size)" = $((16 << 20)) ]

with_plugin 'nbdcopy "$uri" part' --filter=partition partition=1
cmp part <(dd if="$disk" bs=512 skip=2048 count=8192 status=none)

with_plugin 'nbdcopy "$uri" part' --filter=offset offset=1000000 range=3000000
cmp part <(tail -c +1000001 "$disk" | head -c 3000000)

# cow: what is written is read back, all else and the store stay as they were.
head -c 300000 /dev/urandom >written
with_plugin '
    qemu-io -f raw -c "write -s written 70000 300000" "$uri" >/dev/null &&
    nbdcopy "$uri" copy' --filter=cow
cmp copy <(head -c 70000 "$disk"; cat written; tail -c +370001 "$disk")
with_plugin 'nbdcopy "$uri" - | cmp - '"$disk"

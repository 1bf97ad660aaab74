# For tests of carrel-syncd and carrel-sync; source it after lib.sh and chunkd.sh.
# shellcheck shell=bash
syncd=$BUILD/bin/carrel-syncd
csync=$BUILD/bin/carrel-sync

# Start a server of uploads; its address is in $sync_url, its pid in $syncd_pid, its log in NAME.err.
syncd_start() { # name options...
    local name=$1
    shift
    rm -f "$name.out"
    start "$syncd" "$@" >"$name.out" 2>"$name.err"
    syncd_pid=$started
    wait_until syncd_started_or_dead "$name"
    grep -q '^listening on ' "$name.out" || fail "syncd did not start: $(cat "$name.err")"
    sync_url=$(sed -n 's/^listening on //p' "$name.out" | head -n 1)
}

syncd_started_or_dead() {
    grep -q '^listening on ' "$1.out" || ! kill -0 "$syncd_pid"
}

# A store with `disk` of N MiB of which the first quarter is random, chunkd and syncd over it, and
# certificates: lab and other may capture, seat may not.
site_make() { # MiB
    truncate -s "$1M" disk.raw
    dd if=/dev/urandom of=disk.raw bs=1M count=$(($1 / 4)) conv=notrunc status=none
    "$carrel" store init "$work/store" >/dev/null
    "$carrel" --store "$work/store" --quiet image import disk disk.raw --no-trim --format raw
    pki_make
    "$carrel" pki issue pki --client lab --capture >/dev/null
    "$carrel" pki issue pki --client other --capture >/dev/null
    chunkd_start chunkd --store store --pki pki/server --listen 127.0.0.1:0
    syncd_start syncd --images store --pki pki/server --listen 127.0.0.1:0
}

# An overlay on disk.raw; write FILE's bytes at an offset of it.
overlay_make() { # overlay
    rm -f "$1" "$1.capture" "$1.sync"
    qemu-img create -q -f qcow2 -b "$work/disk.raw" -F raw "$1"
}
overlay_write() { # overlay offset file
    qemu-io -f qcow2 -c "write -q -s $3 $2 $(stat -c %s "$3")" "$1" >/dev/null
}

capture() { # certificate overlay options...
    local who=$1 overlay=$2
    shift 2
    "$csync" capture --server "$url" --sync "$sync_url" --pki "pki/clients/$who" --base disk@1 \
        --as disk "$@" "$overlay"
}

# The version has the bytes that the overlay shows.
captured_whole() { # NAME@N overlay
    rm -f shown.raw stored.raw
    qemu-img convert -O raw "$2" shown.raw
    "$carrel" --store store --quiet image verify "$1" >/dev/null || fail "$1 is not whole"
    "$carrel" --store store --quiet image export "$1" stored.raw >/dev/null
    cmp shown.raw stored.raw || fail "$1 does not hold what '$2' shows"
}

# A server that keeps private overlays, too; alice and bob own some.
private_site_make() { # MiB
    site_make "$1"
    kill -TERM "$syncd_pid"
    wait "$syncd_pid"
    mkdir -p private
    for who in alice bob; do "$carrel" pki issue pki --client $who >/dev/null; done
    syncd_start syncd --images store --private private --key-file server.key --pki pki/server \
        --listen 127.0.0.1:0
}

push() { # owner overlay options...
    local who=$1 overlay=$2
    shift 2
    "$csync" push --server "$url" --sync "$sync_url" --pki "pki/clients/$who" --base disk@1 \
        --as desk "$@" "$overlay"
}
pull() { # owner overlay options...
    local who=$1 overlay=$2
    shift 2
    "$csync" pull --server "$url" --sync "$sync_url" --pki "pki/clients/$who" --as desk "$@" \
        --backing "nbd://localhost/disk@1" "$overlay"
}

# Both overlays show the same on disk.raw; the second was fetched, so its base is put under it first.
shows_the_same() { # overlay fetched
    qemu-img rebase -q -u -f qcow2 -b "$work/disk.raw" -F raw "$2"
    qemu-img compare -q -f qcow2 -F qcow2 "$1" "$2" || fail "'$2' does not show what '$1' shows"
}

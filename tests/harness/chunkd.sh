# For tests of carrel-chunkd and the https store; source it after tests/harness/lib.sh.
# shellcheck shell=bash
chunkd=$BUILD/bin/carrel-chunkd

# A store with the image `disk` of N random chunks: file disk.raw, and `ids` with one id a line.
store_make() { # chunks
    dd if=/dev/urandom of=disk.raw bs=64K count="$1" status=none
    # What begins like a boot sector counts as a disk; the rest stays random.
    printf '\x55\xaa' | dd of=disk.raw bs=1 seek=510 conv=notrunc status=none
    split --bytes=64K --filter=sha256sum disk.raw | cut -d' ' -f1 >ids
    "$carrel" store init "$work/store" >/dev/null
    "$carrel" --store "$work/store" --quiet image import disk disk.raw --no-trim >/dev/null
}

# A site's CA in pki/, the server's certificate for 127.0.0.1 or another address, and a client's in
# pki/clients/seat.
pki_make() { # [address]
    "$carrel" pki init pki >/dev/null
    "$carrel" pki issue pki --server "${1:-127.0.0.1},localhost" >/dev/null
    "$carrel" pki issue pki --client seat >/dev/null
}

# Start a server; its address is in $url, its pid in $chunkd_pid, its log in NAME.err.
chunkd_start() { # name options...
    local name=$1
    shift
    rm -f "$name.out"
    start "$chunkd" "$@" >"$name.out" 2>"$name.err"
    chunkd_pid=$started
    wait_until_started "$name"
    url=$(sed -n 's/^listening on //p' "$name.out" | head -n 1)
    metrics_url=$(sed -n 's/^metrics on //p' "$name.out")
}

wait_until_started() {
    wait_until started_or_dead "$1"
    grep -q '^listening on ' "$1.out" || fail "chunkd did not start: $(cat "$1.err")"
}

started_or_dead() {
    grep -q '^listening on ' "$1.out" || ! kill -0 "$chunkd_pid"
}

# Stop a server in order; it must end with status 0.
chunkd_stop() { # pid
    local status=0
    kill -TERM "$1"
    wait "$1" || status=$?
    [ "$status" = 0 ] || fail "chunkd ended with status $status"
}

# The value of one metric, named with its labels.
metric() { # url 'name{labels}'
    curl -sf "$1/metrics" | awk -v name="carrel_chunkd_$2" '$1 == name { print $2 }'
}

metric_is() { # url 'name{labels}' value
    [ "$(metric "$1" "$2")" = "$3" ]
}

# Ask and print only the status.
status_of() { # curl's arguments...
    curl -s -o answer -w '%{http_code}' "$@"
}

# The bodies of batch requests, and a look into the answers.
batch() { # ask ID... | show FILE
    python3 - "$@" <<'PYTHON'
import hashlib, struct, subprocess, sys

def ask(ids):
    ids = [bytes.fromhex(i) for i in ids]
    sys.stdout.buffer.write(b"CRBREQ01" + struct.pack("<II", len(ids), 0) + b"".join(ids))

def show(path):
    data = open(path, "rb").read()
    magic, count, reserved = struct.unpack("<8sII", data[:16])
    assert magic == b"CRBANS01" and reserved == 0, data[:16]
    at = 16
    for _ in range(count):
        (length,) = struct.unpack("<I", data[at:at + 4])
        at += 4
        if length >= 0xFFFFFF00:
            print("status %d" % (length & 0xFF))
            continue
        frame = data[at:at + length]
        at += length
        plain = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE).stdout
        print(hashlib.sha256(plain).hexdigest())
    assert at == len(data), "bytes after the last entry"

ask(sys.argv[2:]) if sys.argv[1] == "ask" else show(sys.argv[2])
PYTHON
}

# Flip a byte in the stored form of chunk N of disk.raw, wherever in the store it lies. Random bytes
# are stored as they are, so its plain bytes can be searched for.
chunk_corrupt() { # number
    python3 - "$1" "$work/store" <<'PYTHON'
import os, sys
disk = open("disk.raw", "rb").read()
number = int(sys.argv[1])
needle = disk[number * 65536 + 1000:number * 65536 + 1064]
for folder, _, names in os.walk(sys.argv[2]):
    for name in names:
        path = os.path.join(folder, name)
        data = open(path, "rb").read()
        at = data.find(needle)
        if at >= 0:
            os.chmod(path, 0o600)
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes([data[at] ^ 1]))
            sys.exit(0)
sys.exit("the chunk is nowhere in the store")
PYTHON
}

# For tests of signed metadata; source it after tests/harness/lib.sh and nbd.sh.
# shellcheck shell=bash disable=SC2154  # shared with lib.sh and nbd.sh

# A store with a small image, disk@1, and more versions of it: all bytes of version N come from the
# file disk-N.raw.
store_small() {
    "$carrel" store init "$store" >/dev/null
    export CARREL_STORE=$store
    version_add 1
}

version_add() { # number
    dd if=/dev/urandom of="disk-$1.raw" bs=64K count=4 status=none
    "$carrel" --quiet image import disk "disk-$1.raw" --format raw --no-trim >/dev/null
}

# The root of version N of the image disk.
root_of() { # number
    "$carrel" --json image show "disk@$1" | jq -r .root
}

# What the seat folder DIR says of NAME: the line "NAME@N ROOT".
verified() { # dir name
    "$carrel" --quiet trust verify "$1" "$2"
}

# Replace a file of metadata in the store by what stands on standard input, as a liar would.
metadata_put() { # name
    cat >"$store/trust/$1.new"
    mv "$store/trust/$1.new" "$store/trust/$1"
}

# Put an earlier copy of the metadata back; the folder stays, for servers have it open.
metadata_restore() { # copy
    rm -f "$store"/trust/*
    cp "$1"/* "$store/trust/"
}

keys_make() { # name...
    local name
    for name in "$@"; do "$carrel" --quiet trust key "$name.pem"; done
}

keyid_of() { # private key file
    python3 - "$1.pub" <<'PYTHON'
import base64, hashlib, json, sys
lines = open(sys.argv[1]).read().split("\n")
raw = base64.b64decode("".join(line for line in lines if not line.startswith("-")))[-32:]
key = {"keytype": "ed25519", "keyval": {"public": raw.hex()}, "scheme": "ed25519"}
print(hashlib.sha256(json.dumps(key, sort_keys=True, separators=(",", ":")).encode()).hexdigest())
PYTHON
}

# Put one root in the place of another in the head of disk, as somebody who can write the store may.
head_forge() { # root root
    python3 - "$store/heads/disk" "$1" "$2" <<'PYTHON'
import hashlib, sys
path, old, new = sys.argv[1:]
line, rest = open(path, "rb").read().split(b"\n", 1)
assert old.encode() in rest
rest = rest.replace(old.encode(), new.encode())
words = line.split(b" ")
words[-1] = hashlib.sha256(rest).hexdigest().encode()
open(path, "wb").write(b" ".join(words) + b"\n" + rest)
PYTHON
}

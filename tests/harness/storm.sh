# For tests of carrel-bench; source it after lib.sh and chunkd.sh.
# shellcheck shell=bash disable=SC2034,SC2154  # shared with those and with the tests
bench=$BUILD/bin/carrel-bench

# A boot of disk.raw as a trace: READS reads in no order, of 4 to 256 KiB, some of them again.
trace_make() { # reads
    python3 - "$1" "$(stat -c %s disk.raw)" >trace <<'PYTHON'
import random, sys
count, size = int(sys.argv[1]), int(sys.argv[2])
random.seed(4)
seen, at = [], 0.0
for i in range(count):
    if seen and random.random() < 0.1:
        offset, length = random.choice(seen)
    else:
        length = random.choice([4096, 16384, 65536, 262144])
        offset = random.randrange(0, size - length + 1, 4096)
    seen.append((offset, length))
    at += random.random() / 50
    print(f"{at:.6f} {offset} {length}")
PYTHON
}

# The chunks that the trace reads.
trace_chunks() {
    awk '{ for (c = int($2 / 65536); c <= int(($2 + $3 - 1) / 65536); c++) seen[c] = 1 }
        END { n = 0; for (c in seen) n++; print n }' trace
}

# Run a storm of the image `disk` at $url; its figures are in outcome.json.
storm() { # seats options...
    local seats=$1
    shift
    "$bench" storm --seats "$seats" --trace trace --server "$url" --image disk --json "$@" \
        >outcome.json
}

outcome() { # .figure
    jq -r "$1" outcome.json
}

# Does a comparison of figures hold?
holds() { # jq's condition
    [ "$(jq "$1" outcome.json)" = true ] || fail "not so: $1 in $(cat outcome.json)"
}

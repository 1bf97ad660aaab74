# For tests of several seats beside each other; source it after lib.sh and nbd.sh. Each has a
# certificate, a cache folder and a socket of its own, all named by its number.
# shellcheck shell=bash disable=SC2034,SC2154  # shared with lib.sh, nbd.sh and the tests
declare -A seat_pid

seats_make() { # count
    local i
    for ((i = 1; i <= $1; i++)); do
        "$carrel" pki issue "$pki" --client "seat$i" >/dev/null
    done
}

# Start seat N for disk@1 with peers; it serves at "$(seat_uri N)".
seat_start() { # number [option...]
    local i=$1
    shift
    : >"ready$i"
    start "$blockd" --server "$server_url" --pki "$pki/clients/seat$i" --image disk@1 \
        --cache "cache$i" --socket "$work/seat$i.sock" --peers yes --hot no --fill-rate 0 \
        --boot-seconds 0 --peer-listen 127.0.0.1:0 "$@" >"ready$i" 2>"seat$i.err"
    seat_pid[$i]=$started
    wait_until grep -q '^ready ' "ready$i"
}

seat_uri() { # number
    echo "nbd+unix:///?socket=$work/seat$1.sock"
}

# Read all of the disk through seat N; the bytes must be right.
seat_reads() { # number
    nbdcopy --request-size=262144 "$(seat_uri "$1")" - | cmp - "$disk" || fail "seat $1 read wrong bytes"
}

seat_stop() { # number
    kill -TERM "${seat_pid[$1]}"
    wait "${seat_pid[$1]}" || fail "seat $1 ended with status $?: $(cat "seat$1.err")"
}

seat_figure() { # number name
    jq -r ".$2" "cache$1/stats.json"
}

# The bytes of chunks that the server has sent.
server_metric() { # name{labels}
    curl -sf --cacert "$pki/ca.pem" --cert "$seat/client.pem" --key "$seat/client-key.pem" \
        "$server_url/metrics" | awk -v name="carrel_chunkd_$1" '$1 == name { print $2 }'
}

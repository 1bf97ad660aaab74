#!/bin/bash
# SIGTERM in the middle of a crowd of keep-alive clients: the server ends in order, every time.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 4
cat >crowd.py <<'PYTHON'
import http.client, sys, threading

# One image list after the other, which the server reads from the store each time, until it hangs up.
def ask():
    connection = http.client.HTTPConnection(sys.argv[1], timeout=30)
    while True:
        try:
            connection.request("GET", "/v1/images")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return
        assert answer.status in (200, 503), answer.status
        open("asked", "w").close()
        if answer.will_close:  # a client that does not heed it meets a closed connection
            connection.close()
            return

threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
PYTHON
for round in $(seq 12); do
    rm -f asked
    chunkd_start server --store store --no-tls --listen 127.0.0.1:0 --threads 2
    start python3 crowd.py "${url#http://}"
    crowd=$started
    wait_until test -e asked
    chunkd_stop "$chunkd_pid" || fail "round $round: $(cat server.err)"
    wait "$crowd" || fail "round $round: the crowd"
    grep -q 'gone down; all requests were answered' server.err || fail "log: $(cat server.err)"
done

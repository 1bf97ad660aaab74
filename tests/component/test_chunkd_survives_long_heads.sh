#!/bin/bash
# Whatever memory the head of a request takes (long, many headers, cookies, requests sent ahead), the
# largest answer that may follow it finds room: the server answers or refuses, and lives on.
set -euo pipefail
here=$(cd "$(dirname "$0")/../harness" && pwd)
. "$here/lib.sh"
. "$here/chunkd.sh"
store_make 256
chunkd_start server --store store --no-tls --listen 127.0.0.1:0
mapfile -t wanted <ids
batch ask "${wanted[@]}" >question

python3 - "${url#http://}" <<'PYTHON' || fail "$(cat server.err)"
import socket, sys
host, port = sys.argv[1].split(":")
body = open("question", "rb").read()

def ask(headers, behind=b"", length=True):
    """The status of a batch request with these headers, and with bytes sent ahead behind it."""
    head = b"POST /v1/batch HTTP/1.1\r\nHost: a\r\n" + b"".join(headers)
    if length:
        head += b"Content-Length: %d\r\n" % len(body)
    if not behind:
        head += b"Connection: close\r\n"
    line = b""
    with socket.create_connection((host, int(port)), timeout=20) as s:
        try:
            s.sendall(head + b"\r\n" + body + behind)
        except ConnectionError:
            pass  # it has heard enough, and what it said is still to be read
        try:
            with s.makefile("rb") as answer:
                line = answer.readline()
                answer.read()
        except ConnectionError:
            pass
    return int(line.split()[1]) if line else None

kinds = {
    "one long header": lambda n: [b"X-Long: " + b"a" * n + b"\r\n"],
    "many headers": lambda n: [b"a:b\r\n"] * (n // 5),
    "a long cookie": lambda n: [b"Cookie: " + b"a=b;" * (n // 4) + b"\r\n"],
}
ahead = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1000 + \
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
found = set()
for name, make in kinds.items():
    for size in list(range(4, 9000, 900)) + list(range(9000, 70000, 6000)):
        for behind in (b"", ahead):
            status = ask(make(size), behind)
            found.add(status)
            assert status in (200, 431) or (status is None and size > 30000), (name, size, status)
assert {200, 431} <= found, found
# Headers behind a body in pieces.
pieces = b"%x\r\n" % len(body) + body + b"\r\n0\r\n" + b"a: b\r\n" * 5000 + b"\r\n"
body = pieces
assert ask([b"Transfer-Encoding: chunked\r\n"], length=False) == 411
PYTHON
[ "$(curl -s "$url/v1/images")" = '["disk"]' ] || fail "not alive afterwards"
chunkd_stop "$chunkd_pid"

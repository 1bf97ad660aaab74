#!/usr/bin/env python3
"""A seat that does not behave: announces itself to a server's tracker, then serves peers badly.

  peer.py tickets SERVER PKI ROOT              one line a peer that the server names: PORT TICKET
  peer.py lie|stall SERVER PKI ROOT ASKED      says 'ready'; the number of requests goes to file ASKED
"""
import http.client, http.server, os, ssl, struct, sys, threading

mode, server, pki, root = sys.argv[1:5]


def context(purpose):
    made = ssl.SSLContext(purpose)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(pki + "/ca.pem")
    made.load_cert_chain(pki + "/client.pem", pki + "/client-key.pem")
    return made


def announce(port):
    host, number = server.removeprefix("https://").rsplit(":", 1)
    body = b"CRPEER01" + struct.pack("<II", port, 0) + bytes.fromhex(root)
    body += struct.pack("<QQ", 1, 1) if port else struct.pack("<QQ", 0, 1)
    to = http.client.HTTPSConnection(host, int(number), context=context(ssl.PROTOCOL_TLS_CLIENT))
    to.request("POST", "/v1/peers", body + bytes(96))
    answer = to.getresponse()
    data = answer.read()
    assert answer.status == 200, data
    return [data[at:at + 240] for at in range(64, len(data), 240)]


class Liar(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self):
        count = struct.unpack("<I", self.rfile.read(int(self.headers["Content-Length"]))[8:12])[0]
        Liar.asked += 1
        with open(sys.argv[5], "w") as out:
            out.write("%d\n" % Liar.asked)
        if mode == "stall":
            threading.Event().wait()
        entry = struct.pack("<I", 1000) + b"\x28\xb5\x2f\xfd" + os.urandom(996)
        answer = b"CRBANS01" + struct.pack("<II", count, 0) + entry * count
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


if mode == "tickets":
    for place in announce(0):
        print(struct.unpack("<I", place[16:20])[0], place[64:].hex())
else:
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    listener.daemon_threads = True
    listener.socket = context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(
        listener.socket, server_side=True, do_handshake_on_connect=False)
    announce(listener.server_address[1])
    print("ready", flush=True)
    listener.serve_forever()

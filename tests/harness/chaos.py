#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server's bad line, or a bad server: a proxy that does to its connections what its seed says.

    chaos.py --upstream HOST:PORT --seed N --kind wire|answer [--only FAULT] [--faults K]

`wire` spoils the bytes of a connection, whatever they are (TLS is not opened); `answer` reads plain
HTTP and spoils whole answers. After K faults it is honest. It prints `listening on HOST:PORT`, then a
line for each fault. The same seed does the same things to the same connections.
"""

import argparse
import contextlib
import random
import select
import socket
import struct
import threading
import time

PIECE = 64 * 1024
STALL_S = 60  # longer than any patience of the tests


class Gone(Exception):
    """One side has closed."""


class Chaos:
    def __init__(self, options):
        self.options = options
        self.left = options.faults
        self.lock = threading.Lock()
        host, port = options.upstream.rsplit(":", 1)
        self.upstream = (host, int(port))

    def take(self, faults, rng):
        """The fault of a connection; None = it is honest."""
        name = self.options.only or rng.choice(sorted(faults))
        with self.lock:
            if self.left == 0 or rng.random() > 0.8:
                return None
            self.left -= 1
        return name

    def tell(self, number, what):
        with self.lock:
            print(f"connection {number}: {what}", flush=True)

    def serve(self):
        door = socket.create_server(("127.0.0.1", 0), backlog=64)
        print("listening on 127.0.0.1:%d" % door.getsockname()[1], flush=True)
        kind = {"wire": Wire, "answer": Answers}[self.options.kind]
        number = 0
        while True:
            rng = random.Random(f"{self.options.seed}/{number}")
            fault = self.take(kind.faults, rng)
            if fault == "late":  # it waits in the queue of the kernel
                self.tell(number, "accepted late")
                time.sleep(rng.uniform(0.5, 4))
                fault = None
            client, _ = door.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = kind(self, number, client, fault, rng)
            threading.Thread(target=connection.run, daemon=True).start()
            number += 1


class Connection:
    def __init__(self, chaos, number, client, fault, rng):
        self.chaos, self.number, self.client = chaos, number, client
        self.fault, self.rng, self.server = fault, rng, None

    def run(self):
        with contextlib.suppress(OSError, Gone):
            self.server = socket.create_connection(self.chaos.upstream, timeout=10)
            self.server.settimeout(None)
            self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.talk()
        for side in (self.client, self.server):
            if side is not None:
                side.close()

    def reset(self):
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def stall(self):
        """Say nothing until the client has had enough."""
        end = time.monotonic() + STALL_S
        while time.monotonic() < end:
            if select.select([self.client], [], [], 1)[0] and not self.client.recv(PIECE):
                break
        raise Gone

    def trickle(self, data, seconds):
        """Byte by byte for a while."""
        end = time.monotonic() + seconds
        for at in range(len(data)):
            if time.monotonic() > end:
                self.client.sendall(data[at:])
                return
            self.client.sendall(data[at:at + 1])
            time.sleep(0.02)


class Wire(Connection):
    """Bytes in both directions; the fault comes at one place of one of them."""

    faults = ["cut", "reset", "stall", "silence", "refuse", "late", "slow", "trickle", "flip",
              "duplicate", "lose", "garbage"]

    def talk(self):
        rng = self.rng
        self.up = self.fault in ("cut", "reset", "flip", "duplicate", "lose", "garbage") and \
            rng.random() < 0.25
        self.at = int(2 ** rng.uniform(0, 11 if self.up else 20))
        if self.fault is not None:
            self.chaos.tell(self.number, f"{self.fault} at {self.at} {'up' if self.up else 'down'}")
        if self.fault == "refuse":
            self.reset()
        if self.fault == "silence":
            self.stall()
        passed = {True: 0, False: 0}
        while True:
            for side in select.select([self.client, self.server], [], [])[0]:
                data = side.recv(PIECE)
                if not data:
                    raise Gone
                up = side is self.client
                other = self.server if up else self.client
                if self.fault == "slow" and not up:
                    self.slow(data)
                    continue
                if self.fault is not None and up == self.up and passed[up] + len(data) > self.at:
                    data = self.spoil(data, self.at - passed[up])
                passed[up] += len(data)
                other.sendall(data)

    def slow(self, data):
        for at in range(0, len(data), 1024):
            self.client.sendall(data[at:at + 1024])
            time.sleep(1 / 256)

    def spoil(self, data, at):
        fault, self.fault, rng = self.fault, None, self.rng
        before, after = data[:at], data[at:]
        some = rng.randrange(1, 4096)
        if fault in ("cut", "reset", "stall"):
            (self.server if self.up else self.client).sendall(before)
            if fault == "reset":
                self.reset()
            if fault == "stall":
                self.stall()
            raise Gone
        if fault == "trickle":
            self.client.sendall(before)
            self.trickle(after, rng.uniform(0.5, 3))
            return b""
        if fault == "flip":
            return before + bytes([after[0] ^ 1 << rng.randrange(8)]) + after[1:]
        if fault == "duplicate":
            return before + after[:some] + after
        if fault == "lose":
            return before + after[some:]
        return before + rng.randbytes(some) + after


class Answers(Connection):
    """Requests and answers of plain HTTP; one answer of the connection is spoilt."""

    faults = ["status", "length", "no-length", "head", "endless-head", "endless-body", "chunked",
              "flip", "cut", "reset", "stall", "trickle", "repeat", "other", "empty", "garbage",
              "twice", "entry", "mix", "late"]

    def talk(self):
        place, count, last = self.rng.randrange(4), 0, None
        while True:
            self.server.sendall(self.message(self.client))
            answer = self.message(self.server)
            if self.fault is not None and count >= place:
                fault, self.fault = self.fault, None
                self.chaos.tell(self.number, f"{fault} in answer {count}")
                self.spoil(fault, answer, last)
            else:
                self.client.sendall(answer)
            count, last = count + 1, answer

    def message(self, side):
        """One request or answer, whole."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more(side)
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        pieces, have = [body], len(body)
        while have < length:
            pieces.append(self.more(side))
            have += len(pieces[-1])
        return head + b"\r\n\r\n" + b"".join(pieces)

    @staticmethod
    def more(side):
        data = side.recv(PIECE)
        if not data:
            raise Gone
        return data

    def spoil(self, fault, answer, last):
        head, _, body = answer.partition(b"\r\n\r\n")
        method = getattr(self, "do_" + fault.replace("-", "_"))
        method(head, body, last)

    def send(self, head, body):
        self.client.sendall(head + b"\r\n\r\n" + body)

    def with_length(self, head, length):
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join(lines + ([b"Content-Length: " + length] if length is not None else []))

    # --- the head ---

    def do_status(self, head, body, _):
        status = self.rng.choice([b"100", b"204", b"206", b"301", b"404", b"403", b"500", b"502",
                                  b"503", b"999", b"000"])
        self.send(head.replace(b"200", status, 1), body)
        raise Gone

    def do_length(self, head, body, _):
        length = self.rng.choice([len(body) - 1, len(body) // 2, len(body) + 1, len(body) + 100000,
                                  2 ** 63 - 1, 2 ** 64 + 5, -1])
        self.send(self.with_length(head, b"%d" % length), body)
        raise Gone

    def do_no_length(self, head, body, _):
        self.send(self.with_length(head, None), body[:self.rng.randrange(len(body) + 1)])
        raise Gone

    def do_head(self, head, body, _):
        at = self.rng.randrange(len(head))
        self.send(head[:at] + self.rng.randbytes(8) + head[at + 8:], body)
        raise Gone

    def do_endless_head(self, head, _body, _last):
        self.client.sendall(head + b"\r\n")
        line = b"X-More: " + b"m" * 1000 + b"\r\n"
        for _ in range(1 << 16):
            self.client.sendall(line)
        raise Gone

    def do_endless_body(self, head, body, _):
        self.send(self.with_length(head, self.rng.choice([None, b"%d" % 2 ** 40])), body)
        for _ in range(1 << 13):
            self.client.sendall(self.rng.randbytes(PIECE))
        raise Gone

    def do_chunked(self, head, body, _):
        head = self.with_length(head, None) + b"\r\nTransfer-Encoding: chunked"
        size = self.rng.choice([b"%x" % (len(body) + 7), b"ffffffffffffffffff", b"zz", b"-1", b""])
        self.send(head, size + b"\r\n" + body + b"\r\n0\r\n\r\n")
        raise Gone

    # --- the bytes ---

    def do_flip(self, head, body, _):
        at = self.rng.randrange(len(body))
        self.send(head, body[:at] + bytes([body[at] ^ 1 << self.rng.randrange(8)]) + body[at + 1:])

    def do_cut(self, head, body, _):
        self.send(head, body[:self.rng.randrange(len(body))])
        raise Gone

    def do_reset(self, head, body, _):
        self.send(head, body[:self.rng.randrange(len(body))])
        self.reset()

    def do_stall(self, head, body, _):
        self.send(head, body[:self.rng.randrange(len(body))])
        self.stall()

    def do_trickle(self, head, body, _):
        self.trickle(head + b"\r\n\r\n" + body, self.rng.uniform(0.5, 3))

    def do_garbage(self, _head, _body, _last):
        self.client.sendall(self.rng.randbytes(self.rng.randrange(1, 20000)))
        raise Gone

    # --- right in form ---

    def do_repeat(self, head, body, last):
        """The answer to the question before."""
        if last is None:
            self.do_flip(head, body, last)
        else:
            self.client.sendall(last)

    def do_other(self, head, body, _):
        self.send(head, self.rng.randbytes(len(body)))

    def do_empty(self, head, _body, _last):
        self.send(self.with_length(head, b"0"), b"")

    def do_twice(self, head, body, _):
        self.send(head, body)
        self.send(head, body)

    def entries(self, body):
        """The entries of a batch answer; [] when it is none."""
        found, at = [], 16
        while body[:8] == b"CRBANS01" and at + 4 <= len(body):
            length = struct.unpack_from("<I", body, at)[0]
            end = at + 4 + (length if length < 0xFFFFFF00 else 0)
            found.append(body[at:end])
            at = end
        return found

    def do_entry(self, head, body, last):
        """One entry says something else."""
        entries = self.entries(body)
        if not entries:
            self.do_flip(head, body, last)
            return
        at = self.rng.randrange(len(entries))
        entries[at] = self.rng.choice([
            struct.pack("<I", 0xFFFFFF00 + self.rng.randrange(6)), struct.pack("<I", 0),
            struct.pack("<I", 66561) + b"x", struct.pack("<I", 0xFFFFFEFF), entries[at] + b"\0",
            struct.pack("<I", 9) + b"no frame!"])
        body = body[:16] + b"".join(entries)
        self.send(self.with_length(head, b"%d" % len(body)), body)

    def do_mix(self, head, body, last):
        """Each frame is a right one, of another chunk."""
        entries = self.entries(body)
        if len(entries) < 2:
            self.do_repeat(head, body, last)
            return
        self.send(head, body[:16] + b"".join(entries[1:] + entries[:1]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kind", choices=["wire", "answer"], required=True)
    parser.add_argument("--only", choices=sorted(set(Wire.faults + Answers.faults)))
    parser.add_argument("--faults", type=int, default=3)
    Chaos(parser.parse_args()).serve()


if __name__ == "__main__":
    main()

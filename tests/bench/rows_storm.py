# SPDX-License-Identifier: MIT
"""The boot storm: 200 simulated seats against chunkd, over TLS, each with its own certificate."""

import json
import os
import random
import shutil
import subprocess

from measure import fresh, output, say
from rows_tls import TlsRows

CHUNKS = 512  # of the disk, 64 KiB each
READS = 120
GAP_S = 0.01  # between two recorded reads
SEATS = 200
LINK_BITS = 1_000_000_000
TIMEOUT_S = 600  # of one storm; a busy machine cannot be 200 seats
# How much slower than recorded the seats with peers read: one machine is all of them, and shall have
# the CPU time for it that 200 PCs have.
PEER_THINK = float(os.environ.get("BENCH_STORM_THINK", "100"))


class StormRows:
    def __init__(self, bench):
        self.bench = bench
        self.tls = TlsRows(bench)

    def prepare(self):
        self.work = fresh(self.bench.work("storm"))
        self.trace = os.path.join(self.work, "trace")
        disk = os.path.join(self.work, "disk.raw")
        order = random.Random(4)
        with open(disk, "wb") as f:
            for _ in range(CHUNKS):  # compresses to 45 %, as a desktop does
                f.write(order.randbytes(28 << 10) + bytes(36 << 10))
        with open(self.trace, "w") as f:
            for i in range(READS):
                length = order.choice([4096, 16384, 65536, 131072])
                offset = order.randrange(0, (CHUNKS << 16) - length + 1, 4096)
                f.write(f"{i * GAP_S:.6f} {offset} {length}\n")
        tls = self.tls
        output([tls.carrel, "store", "init", tls.store])
        output([tls.carrel, "--store", tls.store, "image", "import", "storm", disk, "--format",
                "raw", "--no-trim"])
        output([tls.carrel, "pki", "init", tls.pki])
        output([tls.carrel, "pki", "issue", tls.pki, "--server", "localhost,127.0.0.1"])

    def storm(self, seats, *options):
        """One storm against a server that was just started."""
        with self.tls.chunkd() as (_, port):
            return json.loads(subprocess.run(
                [self.bench.program("carrel-bench"), "storm", "--seats", str(seats), "--trace",
                 self.trace, "--server", f"https://127.0.0.1:{port}", "--image", "storm", "--pki",
                 self.tls.pki, "--json", *options],
                check=True, stdout=subprocess.PIPE, timeout=TIMEOUT_S).stdout)

    def add(self, table):
        self.prepare()
        say(f"storm: {SEATS} seats, cold, 1 Gbit/s, without peers")
        alone = self.storm(SEATS, "--verify", "once", "--link", "1gbit")
        line = SEATS * alone["boot"]["stored_bytes"] * 8 * 1538 / 1448 / LINK_BITS
        table.add("storm, 200 seats, 1 Gbit/s, without peers", "s", alone["max_s"],
                  "the line's time", line, line / alone["max_s"], 0.9)
        self.copies(table, alone, "without peers", False)
        say(f"storm: {SEATS} seats, cold, with peers, {PEER_THINK:g} times the recorded pace")
        room = self.storm(SEATS, "--peers", "--think", str(PEER_THINK))
        self.copies(table, room, "with peers", True)
        table.add("storm, 200 seats with peers: p99", "s", room["p99_s"], "3 x p50",
                  3 * room["p50_s"], 3 * room["p50_s"] / room["p99_s"], 1)
        shutil.rmtree(self.work)

    @staticmethod
    def copies(table, outcome, how, with_peers):
        """Copies of the boot set that the server sent, and that it read from its store."""
        failed = outcome["failed"] + outcome["received"]["wrong_frames"]
        table.add(f"storm, 200 seats, {how}: failed", "seats", failed, "none", 0,
                  1 if failed == 0 else 0, 1)
        reads = outcome["servers"]["read_copies"]
        table.add(f"storm, 200 seats, {how}: store reads", "copies", reads, "one copy", 1,
                  1 / max(reads, 1e-9), 1)
        if with_peers:
            sent = outcome["received"]["copies"]
            table.add("storm, 200 seats, with peers: server sent", "copies", sent, "stated limit",
                      3, 3 / sent, 1)

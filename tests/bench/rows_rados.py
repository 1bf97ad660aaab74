# SPDX-License-Identifier: MIT
"""A store in a one-node Ceph: publishing, against a folder and `rados bench`; random chunk reads."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from measure import fresh, median, output, run, say, wait_until

CHUNKS = 8000  # read at random, each once


class RadosRows:
    def __init__(self, bench):
        self.bench = bench
        self.carrel = bench.program("carrel")
        self.base = bench.corpus("base.raw")
        here = os.path.dirname(os.path.abspath(__file__))
        self.ceph_sh = os.path.join(here, "..", "harness", "ceph.sh")

    def add(self, table):
        if shutil.which("ceph-osd") is None or not os.path.exists(self.bench.build("bench/radosread")):
            say("rados: Ceph is not installed or not built in: no rows")
            return
        # Short: it holds sockets. On the disk of the folder that it is compared with.
        self.folder = tempfile.mkdtemp(prefix="ceph", dir=self.bench.work(""))
        try:
            output([self.ceph_sh, "up", self.folder, "1"])
            self.conf = os.path.join(self.folder, "ceph.conf")
            self.publish_row(table)
            self.read_row(table)
            self.small_packs_row(table)
        finally:
            subprocess.run([self.ceph_sh, "down", self.folder], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def uri(self, name):
        return f"rados:carrel/{name}?conf={self.conf}"

    def publish(self, store):
        output([self.carrel, "store", "init", store])
        return run([self.carrel, "--store", store, "image", "import", "bench", self.base,
                    "--format", "raw", "--quiet"])

    def stored_bytes(self, store):
        return json.loads(output([self.carrel, "--store", store, "--json", "image", "show",
                                  "bench"]))["stored_bytes"]

    def bench_rate(self):
        """Bytes a second of objects as large as packs, 8 under way as in our writer."""
        text = output(["rados", "-c", self.conf, "-p", "carrel", "bench", "10", "write", "-b",
                       str(4 << 20), "-t", "8"]).decode()
        return float(re.search(r"Bandwidth \(MB/sec\):\s+([\d.]+)", text).group(1)) * 2**20

    def publish_row(self, table):
        folder = self.bench.work("rados-dir")
        with open(self.base, "rb") as f:  # both read it from the page cache
            while f.read(1 << 24):
                pass
        ours, theirs = [], []
        for i in range(max(self.bench.long_rounds, 2)):
            say("publish: Ceph, folder")
            ours.append(self.publish(self.uri(f"publish{i}")))
            shutil.rmtree(folder, ignore_errors=True)
            theirs.append(self.publish(folder))
        shutil.rmtree(folder)
        self.store = self.uri("publish0")
        limit, peer = median(theirs), "the same into dir:"
        write_s = self.stored_bytes(self.store) / self.bench_rate()
        if write_s > limit:
            limit, peer = write_s, "rados bench's rate"
        table.add("publish to Ceph, 4 GiB of files", "s", median(ours), peer, limit,
                  limit / median(ours), 1 / 1.3)

    def cold(self):
        """Restart the OSD: its cache is empty, and it reads its disk past the page cache."""
        output([self.ceph_sh, "osd-stop", self.folder, "0"])
        output([self.ceph_sh, "osd-start", self.folder, "0"])

        def up():
            text = output(["ceph", "-c", self.conf, "pg", "stat", "-f", "json"])
            states = json.loads(text)["pg_summary"]["num_pg_by_state"]
            return all(s["name"].startswith("active+clean") for s in states)

        wait_until(up, "the return of the OSD")
        if os.geteuid() == 0:
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write("3")

    def small_packs_row(self, table):
        """Years of small updates: what a program waits for before it knows which chunk is where."""
        store, tool = self.uri("small"), self.bench.build("bench/smallpacks")
        output([self.carrel, "store", "init", store])
        output([tool, "make", store, "4000"])
        seconds = sorted(float(output([tool, "open", store])) for _ in range(3))[1]
        table.add("opening a store of 4,000 small packs in Ceph", "s", seconds, "stated limit", 4,
                  4 / seconds, 1)

    def read(self, mode):
        self.cold()
        seconds, size = output([self.bench.build("bench/radosread"), mode, self.store,
                                str(CHUNKS)]).split()
        return {"seconds": float(seconds), "rate": int(size) / float(seconds) / 2**20}

    def read_row(self, table):
        """As chunkd reads (frames; the seats verify), and verified here, as the NBD plugin reads."""
        rates = {"raw": [], "frames": [], "raw-open": [], "chunks": []}
        for _ in range(self.bench.rounds):
            for mode, each in rates.items():
                say(f"random chunks from a cold Ceph: {mode}")
                each.append(self.read(mode))
        rate = {mode: median(each, "rate") for mode, each in rates.items()}
        for what, ours, peer, theirs, bar in (
                ("random 64 KiB chunks from Ceph, depth 16", "frames", "librados, raw ranges",
                 "raw", 0.8),
                ("the same, verified", "chunks", "librados, zstd, SHA-256", "raw-open", 0.8),
                ("the same, verified", "chunks", "librados, raw ranges", "raw", None)):
            table.add(what, "MiB/s", rate[ours], peer, rate[theirs], rate[ours] / rate[theirs], bar)

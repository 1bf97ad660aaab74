# SPDX-License-Identifier: MIT
"""Reads over NBD on a unix socket: the plugin against nbdkit's file plugin and qemu-nbd."""

import contextlib
import json
import os
import statistics

from measure import output, run, say, server
from rows_store import IMAGE, StoreRows

# name, block size, depth
LOADS = [("4 KiB random, depth 32", "4k", 32), ("512 KiB random, depth 8", "512k", 8)]


class NbdRows:
    def __init__(self, bench):
        self.bench = bench
        self.rows = StoreRows(bench)
        self.base = bench.corpus("base.raw")
        self.exported = bench.work("exported.raw")
        self.qcow2 = bench.work("exported.qcow2")

    def prepare(self):
        """All serve the same bytes: the version, as a raw file and as a compressed qcow2."""
        self.rows.ready()
        if not os.path.exists(self.qcow2):
            run([self.rows.carrel, "--store", self.rows.store, "image", "export", f"{IMAGE}@1",
                 self.exported, "--force"])
            run(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd",
                 self.exported, self.qcow2])

    def servers(self):
        socket = self.bench.work("nbd.sock")
        # A thread a CPU, as our manual advises for one fast client.
        nbdkit = ["nbdkit", "-f", "-r", "-t", str(len(os.sched_getaffinity(0))), "-U", socket]
        qemu = ["qemu-nbd", "-r", "-t", "-e", "8", "-k", socket]
        return {
            "carrel": nbdkit + [self.bench.plugin("nbdkit-carrel-plugin"),
                                f"store={self.rows.store}", f"image={IMAGE}@1", "cache-size=8G"],
            "nbdkit file": nbdkit + ["file", self.exported],
            "qemu-nbd raw": qemu + ["-f", "raw", self.exported],
            "qemu-nbd qcow2": qemu + ["-f", "qcow2", self.qcow2],
        }

    def fio(self, block, depth):
        """Throughput in MiB/s. What fio prints in front of its JSON is passed over."""
        text = output([
            "fio", "--name=r", "--ioengine=nbd", f"--uri=nbd+unix:///?socket={self.socket}",
            "--rw=randread", f"--bs={block}", f"--iodepth={depth}", "--time_based",
            f"--runtime={self.bench.nbd_seconds}", "--output-format=json"]).decode()
        job = json.loads(text[text.index("{"):])["jobs"][0]
        return job["read"]["bw_bytes"] / 2**20

    def add(self, table):
        self.prepare()
        self.socket = self.bench.work("nbd.sock")
        figures = {(name, load[0]): [] for name in self.servers() for load in LOADS}
        for turn in range(self.bench.rounds):
            for name, args in self.servers().items():
                say(f"nbd: {name}, round {turn + 1}")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.socket)
                with server(args, lambda: os.path.exists(self.socket), self.bench.work("nbd.log")):
                    # Hot: everything was read once.
                    run(["nbdcopy", f"nbd+unix:///?socket={self.socket}", "null:"])
                    for load, block, depth in LOADS:
                        figures[name, load].append(self.fio(block, depth))
        for load, _, _ in LOADS:
            ours = statistics.median(figures["carrel", load])
            for name in self.servers():
                if name == "carrel":
                    continue
                theirs = statistics.median(figures[name, load])
                table.add(f"NBD {load}, hot", "MiB/s", ours, name, theirs, ours / theirs,
                          0.9 if name == "nbdkit file" else 1)

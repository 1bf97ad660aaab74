# SPDX-License-Identifier: MIT
"""A lazy boot of a seat over a shaped line: with the hot list known, against the line itself and against plain
NBD of the raw image; and the start of the next version on a warm cache."""

import contextlib
import json
import os
import shutil
import statistics
import subprocess

import boottrace
from measure import fresh, memory_mib, output, run, say, server, wait_until
from rows_store import IMAGE, StoreRows

SERVER, SEAT, NAMESPACE = "10.213.77.1", "10.213.77.2", "carrel-bench"
BOOT_SECONDS = 20  # of the paced replay: a PC with a virtual machine, not an emulated one


class Line:
    """The server's end in a network namespace behind a line of so many Mbit/s."""

    def __init__(self, mbit):
        self.mbit = mbit

    def __enter__(self):
        sh = lambda text: subprocess.run(text.split(), check=True)
        self.__exit__()
        sh(f"ip netns add {NAMESPACE}")
        sh("ip link add cb-seat type veth peer name cb-server")
        sh(f"ip link set cb-server netns {NAMESPACE}")
        sh(f"ip addr add {SEAT}/30 dev cb-seat")
        sh("ip link set cb-seat up")
        for text in (f"ip addr add {SERVER}/30 dev cb-server", "ip link set cb-server up", "ip link set lo up",
                     f"tc qdisc add dev cb-server root tbf rate {self.mbit}mbit burst 256k latency 30ms"):
            sh(f"ip netns exec {NAMESPACE} {text}")
        return self

    def __exit__(self, *what):
        subprocess.run(["ip", "link", "del", "cb-seat"], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL, check=False)

    def inside(self, args):
        return ["ip", "netns", "exec", NAMESPACE] + args


class SeatRows:
    def __init__(self, bench):
        self.bench = bench
        self.rows = StoreRows(bench)
        self.carrel = bench.program("carrel")
        self.work = fresh(bench.work("seat"))
        self.pki, self.trace = self.path("pki"), self.path("trace")
        self.cache, self.socket = self.path("cache"), self.path("s")

    def path(self, name):
        return os.path.join(self.work, name)

    # --- servers -----------------------------------------------------------------------------

    def listens(self, port):
        def ready():
            with contextlib.suppress(OSError):
                import socket
                socket.create_connection((SERVER, port), 1).close()
                return True
            return False
        return ready

    def chunkd(self, line):
        return server(line.inside([
            self.bench.program("carrel-chunkd"), "--store", self.rows.store, "--listen", f"{SERVER}:8443",
            "--pki", os.path.join(self.pki, "server"), "--boots"]), self.listens(8443), self.path("chunkd.log"))

    def nbd(self, line):
        return server(line.inside(["nbdkit", "-f", "-r", "-t", "4", "--ipaddr", SERVER, "--port", "10809", "file",
                                   self.bench.corpus("base.raw")]), self.listens(10809), self.path("nbd.log"))

    def delay(self, line, port, to):
        here = os.path.dirname(os.path.abspath(__file__))
        return server(line.inside(["python3", os.path.join(here, "delay.py"), SERVER, str(port), str(to), "1"]),
                      self.listens(port), self.path(f"delay-{port}.log"))

    @contextlib.contextmanager
    def blockd(self, *options, version=1, port=8443, keep=False):
        """A seat; its figures are in self.figures afterwards."""
        if not keep:
            shutil.rmtree(self.cache, ignore_errors=True)
        args = [self.bench.program("carrel-blockd"), "--server", f"https://{SERVER}:{port}", "--image",
                f"{IMAGE}@{version}", "--cache", self.cache, "--pki", os.path.join(self.pki, "clients", "seat"),
                "--socket", self.socket, "--fill-rate", "0", *options]
        with server(args, lambda: os.path.exists(self.socket), self.path("blockd.log")) as child:
            yield child
            self.peak = memory_mib(child.pid)
        with open(os.path.join(self.cache, "stats.json")) as f:
            self.figures = json.load(f)

    def replay(self, seconds=0, uri=None):
        uri = uri or f"nbd+unix:///?socket={self.socket}"
        return json.loads(output([self.bench.build("bench/nbdreplay"), uri, self.trace, str(seconds)]))

    # --- rows --------------------------------------------------------------------------------

    def prepare(self):
        self.rows.ready()
        versions = json.loads(output([self.carrel, "--store", self.rows.store, "image", "log", IMAGE, "--json"]))
        if len(versions) < 2:
            run([self.carrel, "--store", self.rows.store, "image", "commit", IMAGE, self.bench.corpus("next.qcow2"),
                 "--base", f"{IMAGE}@1"])
        shape = boottrace.make(self.bench.corpus("base.raw"), self.trace)
        say(f"seat: a synthetic boot of {shape['reads']} reads, mean {shape['mean_kib']:.0f} KiB, "
            f"{shape['chunks']} chunks")
        output([self.carrel, "pki", "init", self.pki])
        output([self.carrel, "pki", "issue", self.pki, "--server", SERVER])
        output([self.carrel, "pki", "issue", self.pki, "--client", "seat"])

    def record(self, line):
        """The server learns the hot list from one boot."""
        root = json.loads(output([self.carrel, "--store", self.rows.store, "image", "show", f"{IMAGE}@1",
                                  "--json"]))["root"]
        hot = os.path.join(self.rows.store, "hot", root)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hot)
        say("seat: recording a boot")
        with self.chunkd(line), self.blockd("--boot-quiet", "3", "--hot", "no"):
            self.replay()
            wait_until(lambda: os.path.exists(hot), "the hot list")

    def gigabit(self, table, line):
        ratios, paced = [], []
        for turn in range(self.bench.rounds):
            say(f"seat: lazy boot over 1 Gbit/s, round {turn + 1}")
            with self.chunkd(line):
                with self.blockd():
                    result = self.replay()
                peak = self.peak
                link = self.figures["pulled_bytes"] * 8 / (line.mbit * 1e6)
                ratios.append((result["seconds"], link))
                with self.blockd():
                    self.replay(BOOT_SECONDS)
                paced.append(1 - self.figures["stalled_reads"] / self.figures["reads"])
        ours, link = min(ratios, key=lambda each: each[0] / each[1])
        table.add("lazy boot, 1 Gbit/s, no time to think", "s", ours, "its bytes on the line", link, link / ours,
                  1 / 1.3)
        table.add(f"reads without a stall, boot of {BOOT_SECONDS} s", "%", 100 * statistics.median(paced),
                  "bar", 99, statistics.median(paced) / 0.99, 1)
        table.add("memory of blockd, lazy boot", "MiB", peak, "stated limit", 64, 64 / peak, 1)

    def hundred(self, table, line):
        say("seat: lazy boot over 100 Mbit/s and 1 ms, and plain NBD")
        with self.chunkd(line), self.delay(line, 8444, 8443), self.blockd(port=8444):
            ours = self.replay()["seconds"]
        with self.nbd(line), self.delay(line, 10810, 10809):
            theirs = self.replay(uri=f"nbd://{SERVER}:10810")["seconds"]
        table.add("lazy boot, 100 Mbit/s and 1 ms", "s", ours, "nbdkit file", theirs, theirs / ours, 2)

    def update(self, table, line):
        """Version 2 has about 5 % changed; the cache is warm from version 1."""
        warm, fresh_version, extra = [], [], []
        for turn in range(self.bench.rounds):
            say(f"seat: the next version on a warm cache, round {turn + 1}")
            with self.chunkd(line):
                with self.blockd():
                    self.replay()
                with self.blockd(keep=True):
                    warm.append(self.replay(BOOT_SECONDS)["seconds"])
                with self.blockd(version=2, keep=True):
                    fresh_version.append(self.replay(BOOT_SECONDS)["seconds"])
                extra.append(self.figures["pulled_chunks"])
        ours, theirs = statistics.median(fresh_version), statistics.median(warm)
        table.add(f"start of the next version, warm cache ({int(statistics.median(extra))} chunks travel)", "s", ours,
                  "warm start", theirs, theirs / ours, 1 / 1.1)

    def add(self, table):
        if os.geteuid() != 0 or shutil.which("tc") is None:
            say("seat: left out: a shaped line needs root and tc (package iproute2)")
            return
        self.prepare()
        with Line(1000) as line:
            self.record(line)
            self.gigabit(table, line)
            self.update(table, line)
        with Line(100) as line:
            self.hundred(table, line)

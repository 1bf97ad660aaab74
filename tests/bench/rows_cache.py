# SPDX-License-Identifier: MIT
"""Reads of a complete version as QEMU makes them, from its file in a seat's cache and from the same raw file."""

import glob
import os
import shutil
import statistics

from measure import fresh, run, say, server
from rows_nbd import NbdRows
from rows_tls import TlsRows


class CacheRows:
    def __init__(self, bench):
        self.bench = bench

    def fill(self, work):
        """A version filled over the network, and its bytes in a raw file."""
        tls = TlsRows(self.bench)
        tls.prepare()
        cache, raw = os.path.join(work, "cache"), os.path.join(work, "same.raw")
        with tls.chunkd() as (_, port):
            run([self.bench.program("carrel-cache"), "fill", "random", "--cache", cache, "--server",
                 f"https://127.0.0.1:{port}", "--pki", tls.seat])
        filled = glob.glob(os.path.join(cache, "disks", "*.disk"))[0]
        shutil.copyfile(filled, raw)
        return filled, raw

    def add(self, table):
        work = fresh(self.bench.work("cache"))
        filled, raw = self.fill(work)
        nbd = NbdRows(self.bench)
        nbd.socket = os.path.join(work, "s")
        figures = {filled: [], raw: []}
        for turn in range(self.bench.rounds):
            for path, found in figures.items():
                say(f"cache: {'complete version' if path == filled else 'raw file'}, round {turn + 1}")
                args = ["qemu-storage-daemon", "--blockdev",
                        f"driver=file,node-name=f,filename={path},read-only=on", "--blockdev",
                        "driver=raw,node-name=d,file=f,read-only=on", "--nbd-server",
                        f"addr.type=unix,addr.path={nbd.socket}", "--export", "type=nbd,id=e,node-name=d,name="]
                with server(args, lambda: os.path.exists(nbd.socket), os.path.join(work, "log")):
                    run(["nbdcopy", f"nbd+unix:///?socket={nbd.socket}", "null:"])
                    found.append(nbd.fio("4k", 32))
                if os.path.exists(nbd.socket):
                    os.unlink(nbd.socket)
        shutil.rmtree(work)
        ours, theirs = statistics.median(figures[filled]), statistics.median(figures[raw])
        table.add("complete version read by QEMU, 4 KiB random", "MiB/s", ours, "the same raw file", theirs,
                  ours / theirs, 0.95)

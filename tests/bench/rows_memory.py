# SPDX-License-Identifier: MIT
"""Memory of the seat's block daemon for a 40 GiB image, after reads all over it."""

import os
import random
import shutil

from measure import fresh, memory_mib, output, run, say, server
from rows_tls import TlsRows

GIB = 1 << 30
DISK_GIB = 40
LIMIT_MIB = 64


class MemoryRows:
    def __init__(self, bench):
        self.bench = bench

    def disk(self, path):
        """Data in every 256 MiB segment, so that all ids have to be held; real bytes here and there."""
        with open(path, "wb") as f:
            f.truncate(DISK_GIB * GIB)
            for offset in range(0, DISK_GIB * GIB, 32 << 20):
                f.seek(offset)
                f.write(random.randbytes(256 << 10))

    def add(self, table):
        tls = TlsRows(self.bench)
        work = fresh(self.bench.work("memory"))
        disk, socket = os.path.join(work, "big.raw"), os.path.join(work, "s")
        say("memory: a 40 GiB image")
        tls.prepare()
        self.disk(disk)
        output([tls.carrel, "--store", tls.store, "image", "import", "big", disk, "--format",
                "raw", "--no-trim"])
        with tls.chunkd() as (_, port):
            blockd = [self.bench.program("carrel-blockd"), "--server", f"https://127.0.0.1:{port}",
                      "--image", "big", "--cache", os.path.join(work, "cache"), "--pki", tls.seat,
                      "--socket", socket]
            with server(blockd, lambda: os.path.exists(socket), os.path.join(work, "log")) as child:
                uri = f"nbd+unix:///?socket={socket}"
                run(["nbdcopy", "--request-size=524288", uri, "null:"])
                run(["nbdcopy", "--connections=4", "--no-extents", uri, "null:"])
                peak = memory_mib(child.pid)
        shutil.rmtree(work)
        table.add("memory of blockd, 40 GiB image", "MiB", peak, "stated limit", LIMIT_MIB,
                  LIMIT_MIB / peak, 1)

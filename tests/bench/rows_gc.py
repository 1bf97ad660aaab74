# SPDX-License-Identifier: MIT
"""Memory and time of collecting a store with 20 versions of a 4 GiB image."""

import json
import os
import random

from measure import fresh, output, run, say

VERSIONS = 20
CHANGES, CHANGE_BYTES = 64, 2 << 20  # 128 MiB in 64 places: 3 % of the image a version
LIMIT_MIB = 256


class GcRows:
    def __init__(self, bench):
        self.bench = bench
        self.carrel = bench.program("carrel")
        self.base = bench.corpus("base.raw")
        self.store = bench.work("gc/store")

    def cli(self, *args):
        return [self.carrel, "--store", self.store, *args]

    def next_version(self, number):
        """Commit an overlay that changes a few per cent, at places of its own."""
        overlay, data = self.bench.work("gc/overlay.qcow2"), self.bench.work("gc/data")
        size = os.path.getsize(self.base)
        output(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.base, overlay])
        with open(data, "wb") as f:
            f.write(random.randbytes(CHANGE_BYTES))
        writes = []
        for _ in range(CHANGES):
            at = random.randrange(0, size - CHANGE_BYTES) >> 16 << 16
            # Of one buffer, turned: every chunk of every version is different.
            writes += ["-c", f"write -q -s {data} {at} {CHANGE_BYTES}"]
            with open(data, "r+b") as f:
                for offset in range(0, CHANGE_BYTES, 1 << 16):
                    f.seek(offset)
                    f.write(random.randbytes(16))
            output(["qemu-io", "-f", "qcow2", *writes[-2:], overlay])
        output(self.cli("image", "commit", "gc", overlay, "--base", f"gc@{number - 1}"))
        os.unlink(overlay)

    def prepare(self):
        fresh(self.bench.work("gc"))
        output([self.carrel, "store", "init", self.store])
        say(f"gc: {VERSIONS} versions")
        output(self.cli("image", "import", "gc", self.base))
        for number in range(2, VERSIONS + 1):
            self.next_version(number)
        # With all of them live, then with every other one gone.
        return run(self.cli("store", "gc"))

    def add(self, table):
        passes = [self.prepare()]
        for number in range(2, VERSIONS, 2):
            output(self.cli("image", "rm", f"gc@{number}"))
        say("gc: one pass that condemns and packs again, then those that remove")
        passes.append(run(self.cli("store", "gc")))
        passes.append(run(self.cli("store", "gc", "--grace", "0")))
        figures = json.loads(output(self.cli("--json", "store", "gc")))
        say(f"gc: passes of {', '.join('%.1f' % p['seconds'] for p in passes)} s, "
            f"{figures['live_bytes'] >> 20} MiB live, {figures['dead_bytes'] >> 20} MiB not")
        run(self.cli("image", "verify", "gc"))
        peak = max(p["peak_mib"] for p in passes)
        table.add("gc of a store with 20 versions of a 4 GiB image", "MiB", peak, "stated limit",
                  LIMIT_MIB, LIMIT_MIB / peak, 1)
        fresh(self.bench.work("gc"))

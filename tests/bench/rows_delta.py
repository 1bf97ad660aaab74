# SPDX-License-Identifier: MIT
"""Update bytes: a week of package work in place, and the same packages installed anew; casync."""

import json
import os
import subprocess
import sys

from measure import fresh, output, run, say, tree_bytes

DISKS = ("before", "inplace", "rebuilt")


class DeltaRows:
    def __init__(self, bench):
        self.bench = bench
        self.carrel = bench.program("carrel")
        self.folder = bench.build("week")
        self.store = bench.work("week/store")

    def disk(self, name):
        return os.path.join(self.folder, f"{name}.raw")

    def add(self, table):
        here = os.path.dirname(os.path.abspath(__file__))
        made = subprocess.run([os.path.join(here, "make-week.sh"), self.folder])
        if made.returncode == 77:
            print("  update bytes: left out, only root can make the disks")
            return
        if made.returncode != 0:
            sys.exit("bench: the disks of the week could not be made")
        fresh(os.path.dirname(self.store))
        output([self.carrel, "store", "init", self.store])
        for name in DISKS:
            say(f"update bytes: importing {name}.raw")
            run([self.carrel, "--store", self.store, "image", "import", "week", self.disk(name)])
        casync = self.casync_bytes()
        ours, seconds, peak = {}, [], []
        for number, name in ((2, "inplace"), (3, "rebuilt")):
            say(f"update bytes: the delta to {name}.raw")
            versions = ("week@1", f"week@{number}")
            done = run([self.carrel, "--store", self.store, "image", "delta", *versions])
            seconds.append(done["seconds"])
            peak.append(done["peak_mib"])
            ours[name] = self.update_mib(*versions)
        # At most 0.8, 0.7 and 1.15 times as many bytes, told as all rows are: how much better we are.
        for name, what, most in (("inplace", "in place", 0.8), ("rebuilt", "rebuilt", 0.7)):
            table.add(f"update, {what}", "MiB", ours[name], "casync", casync[name],
                      casync[name] / ours[name], round(1 / most, 2))
        table.add("update, rebuilt", "MiB", ours["rebuilt"], "in place", ours["inplace"],
                  ours["inplace"] / ours["rebuilt"], round(1 / 1.15, 2))
        table.add("computing the delta", "s", max(seconds), "one minute", 60, 60 / max(seconds), 1)
        table.add("computing the delta, memory", "MiB", max(peak), "512 MiB", 512, 512 / max(peak),
                  1)

    def update_mib(self, old, new):
        """All that a seat fetches: the delta, the segments that differ, the manifest."""
        diff = json.loads(output([self.carrel, "--store", self.store, "--json", "image", "diff",
                                  old, new]))
        manifest = 32 + 32 * -(-os.path.getsize(self.disk("before")) // (256 << 20))
        return (diff["delta_bytes"] + diff["segment_bytes"] + manifest) / 2**20

    def casync_bytes(self):
        """MiB of compressed chunks that casync fetches from `before`; kept beside the disks."""
        kept = os.path.join(self.folder, "casync.json")
        key = open(os.path.join(self.folder, "key")).read()
        if os.path.exists(kept):
            with open(kept) as f:
                known = json.load(f)
            if known["key"] == key:
                return known
        known = {"key": key}
        chunks = {}
        for name in DISKS:
            say(f"update bytes: casync make {name}.raw")
            store = fresh(self.bench.work(f"week/{name}.castr"))
            run(["casync", "make", f"--store={store}", self.bench.work(f"week/{name}.caibx"),
                 self.disk(name)])
            chunks[name] = {file: tree_bytes(os.path.join(folder, file))
                            for folder, _, files in os.walk(store) for file in files
                            if file.endswith(".cacnk")}
            if name != "before":
                new = chunks[name].keys() - chunks["before"].keys()
                known[name] = sum(chunks[name][file] for file in new) / 2**20
        with open(kept, "w") as f:
            json.dump(known, f)
        return known

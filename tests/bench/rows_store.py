# SPDX-License-Identifier: MIT
"""Import, bytes stored, commit, export: against casync and a compressed qcow2."""

import json
import os
import shutil
import sys

from measure import fresh, median, output, run, say, tree_bytes

IMAGE = "bench"


class StoreRows:
    def __init__(self, bench):
        self.bench = bench
        self.carrel = bench.program("carrel")
        self.base = bench.corpus("base.raw")
        self.next = bench.corpus("next.raw")
        self.overlay = bench.corpus("next.qcow2")
        self.store = bench.work("store")
        self.castore = bench.work("casync/store.castr")

    def carrel_import(self):
        fresh(self.store)
        output([self.carrel, "store", "init", self.store])
        return run([self.carrel, "--store", self.store, "image", "import", IMAGE, self.base])

    def casync_make(self, index, source):
        return run(["casync", "make", f"--store={self.castore}", self.bench.work(index), source])

    def import_rows(self, table):
        with open(self.base, "rb") as f:  # both read it from the page cache
            while f.read(1 << 24):
                pass
        ours, theirs = [], []
        for _ in range(self.bench.long_rounds):
            say("import: carrel, casync")
            ours.append(self.carrel_import())
            fresh(os.path.dirname(self.castore))
            theirs.append(self.casync_make("casync/base.caibx", self.base))
        for _ in range(self.bench.rounds - self.bench.long_rounds):
            ours.append(self.carrel_import())
        self.keep()
        table.add("import, 4 GiB of files, raw", "s", median(ours), "casync make",
                  median(theirs), median(theirs) / median(ours), 5)
        self.stored_row(table)

    def stored_row(self, table):
        qcow2 = self.bench.work("base.qcow2")
        if not os.path.exists(qcow2):
            say("bytes stored: qemu-img convert")
            run(["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd",
                 self.base, qcow2])
        ours, theirs = tree_bytes(self.store) / 2**20, tree_bytes(qcow2) / 2**20
        table.add("bytes stored", "MiB", ours, "qcow2, zstd", theirs, theirs / ours, 1)
        casync = tree_bytes(self.castore) / 2**20
        table.add("bytes stored", "MiB", ours, "casync", casync, casync / ours, None)

    def ready(self):
        """The base, and nothing else, is in both stores: copies of what was made once."""
        kept = self.bench.work("kept")
        folders = (self.store, os.path.dirname(self.castore))
        if not os.path.exists(kept):
            self.carrel_import()
            fresh(folders[1])
            self.casync_make("casync/base.caibx", self.base)
            self.keep()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            # Both replace files and never write into them: hard links are copies.
            output(["cp", "-al", os.path.join(kept, os.path.basename(folder)), folder])

    def keep(self):
        kept = fresh(self.bench.work("kept"))
        for folder in (self.store, os.path.dirname(self.castore)):
            output(["cp", "-al", folder, kept])

    def new_version(self):
        info = json.loads(output([self.carrel, "--store", self.store, "--json", "image", "show",
                                  IMAGE]))
        return info["version"], info["stored_bytes"]

    def commit_rows(self, table):
        self.ready()
        before = tree_bytes(self.castore)
        say("commit: carrel, casync")
        ours = [run([self.carrel, "--store", self.store, "image", "commit", IMAGE, self.overlay,
                     "--base", f"{IMAGE}@1"])]
        number, stored = self.new_version()
        theirs = [self.casync_make("casync/next.caibx", self.next)]
        casync_new = tree_bytes(self.castore) - before + tree_bytes(
            self.bench.work("casync/next.caibx"))
        table.add("commit of 5 % changed", "s", median(ours), "casync make", median(theirs),
                  median(theirs) / median(ours), 20)
        table.add("new bytes of the commit", "MiB", stored / 2**20, "casync", casync_new / 2**20,
                  casync_new / stored, 1)
        self.check_equal(number)

    def check_equal(self, number):
        """The version holds what the source holds: a fast wrong answer counts for nothing."""
        out = self.bench.work("check.raw")
        run([self.carrel, "--store", self.store, "image", "export", f"{IMAGE}@{number}", out,
             "--force"])
        # Free space of the file system was left out: compare what is in use.
        digests = []
        for path in (self.next, out):
            used = self.bench.work("used.raw")
            output(["e2image", "-r", "-a", "-o", str(64 << 20), path, used])
            digests.append(output(["sha256sum", used]).split()[0])
            os.unlink(used)
        os.unlink(out)
        if digests[0] != digests[1]:
            sys.exit(f"bench: {IMAGE}@{number} does not hold the bytes of {self.next}")

    def export_rows(self, table):
        self.ready()
        out = self.bench.work("out.raw")
        ours, theirs = [], []
        for _ in range(self.bench.long_rounds):
            say("export: carrel, casync")
            ours.append(self.carrel_export(out))
            if os.path.exists(out):
                os.unlink(out)
            theirs.append(run(["casync", "extract", f"--store={self.castore}",
                               self.bench.work("casync/base.caibx"), out]))
        for _ in range(self.bench.rounds - self.bench.long_rounds):
            ours.append(self.carrel_export(out))
        os.unlink(out)
        table.add("export and verify, sparse file", "s", median(ours), "casync extract",
                  median(theirs), median(theirs) / median(ours), 5)

    def carrel_export(self, out):
        if os.path.exists(out):
            os.unlink(out)
        return run([self.carrel, "--store", self.store, "image", "export", f"{IMAGE}@1", out])

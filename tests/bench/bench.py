# SPDX-License-Identifier: MIT
"""The rows of `make bench`, in order; see run.sh."""

import argparse
import os
import sys

from measure import Table, machine
from rows_cache import CacheRows
from rows_delta import DeltaRows
from rows_gc import GcRows
from rows_memory import MemoryRows
from rows_nbd import NbdRows
from rows_rados import RadosRows
from rows_seat import SeatRows
from rows_store import StoreRows
from rows_storm import StormRows
from rows_tls import TlsRows

ROWS = {
    "import": lambda bench, table: StoreRows(bench).import_rows(table),
    "commit": lambda bench, table: StoreRows(bench).commit_rows(table),
    "export": lambda bench, table: StoreRows(bench).export_rows(table),
    "delta": lambda bench, table: DeltaRows(bench).add(table),
    "nbd": lambda bench, table: NbdRows(bench).add(table),
    "rados": lambda bench, table: RadosRows(bench).add(table),
    "cache": lambda bench, table: CacheRows(bench).add(table),
    "seat": lambda bench, table: SeatRows(bench).add(table),
    "tls": lambda bench, table: TlsRows(bench).add(table),
    "gc": lambda bench, table: GcRows(bench).add(table),
    "storm": lambda bench, table: StormRows(bench).add(table),
    "memory": lambda bench, table: MemoryRows(bench).add(table),
}


class Bench:
    """Where things are, and how often to measure."""

    def __init__(self, build, corpus):
        self.root, self.corpus_folder = build, corpus
        self.rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
        self.long_rounds = min(self.rounds, int(os.environ.get("BENCH_LONG_ROUNDS", "1")))
        self.nbd_seconds = int(os.environ.get("BENCH_NBD_SECONDS", "5"))
        os.makedirs(self.work(""), exist_ok=True)

    def build(self, name):
        return os.path.join(self.root, name)

    def program(self, name):
        return self.build(f"bin/{name}")

    def plugin(self, name):
        return self.build(f"plugins/{name}.so")

    def corpus(self, name):
        return os.path.join(self.corpus_folder, name)

    def work(self, name):
        return os.path.join(self.root, "bench-work", name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    options = parser.parse_args()
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        sys.exit(f"bench: no row '{unknown[0]}'; there are {', '.join(ROWS)}")
    bench, table = Bench(options.build, options.corpus), Table()
    facts = machine()
    print(f"on {facts['cpu']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB")
    for name, add in ROWS.items():
        if not options.rows or name in options.rows:
            add(bench, table)
    table.print()
    path = os.path.join(os.path.dirname(bench.root), "bench.json")
    table.save(path, facts)
    print(f"saved in {path}")


if __name__ == "__main__":
    main()

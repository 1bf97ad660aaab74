#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Power cuts, replayed from the log of everything that a disk was told to write.

    powerloss.py count LOG                       how many entries the log has by now
    powerloss.py replay LOG BYTES STATES COMMAND [ARGUMENT ...]
                                                 make up to STATES disks as a cut may leave them

The log is what QEMU's `blklogwrites` node writes (the format of Linux' dm-log-writes: one sector with
the head, then one sector for each entry, its data behind it). At a cut everything is on the disk that
was written before the last flush, and of what was written since then any part: none, all, any prefix,
any choice. `COMMAND ARGUMENT... DISK ENTRIES` judges a disk; ENTRIES is how many entries of the log came
before the cut. A status other than 0 is a fault: it is printed, and the exit status is 1. With FIRST in the
environment the cuts are made in any order and the first fault ends it; with FROM only cuts after so many
entries are made. With TEAR writes may also be torn: any of their sectors are on the disk; TEAR=few makes
only such disks, of cuts with at most two writes since the last flush.
"""
import os
import random
import struct
import subprocess
import sys

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Log:
    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, self.count, self.sector = struct.unpack("<QQQI", self.file.read(28))
        if magic != MAGIC or version != 1:
            sys.exit(f"'{path}' is no log of writes")

    def entries(self):
        """(offset, length, flags, where the data is), as they were written."""
        at = self.sector
        for _ in range(self.count):
            self.file.seek(at)
            sector, sectors, flags, extra = struct.unpack("<QQQQ", self.file.read(32))
            at += self.sector
            length = sectors * self.sector
            yield sector * self.sector, length, flags, at
            at += extra if flags & MARK else 0 if flags & DISCARD else length

    def write(self, disk, entry, torn=None):
        """Write an entry; `torn` is a source of chance: only some of its sectors arrive."""
        offset, length, flags, data = entry
        self.file.seek(data)
        content = bytes(length) if flags & DISCARD else self.file.read(length)
        step = self.sector if torn else max(length, 1)
        for at in range(0, length, step):
            if torn is None or torn.random() < 0.5:
                disk.seek(offset + at)
                disk.write(content[at:at + step])


def cuts(entries):
    """Every moment of a cut: (entries before it, what is durable for certain, what may be)."""
    durable, pending = 0, []
    for number, entry in enumerate(entries):
        offset, length, flags, _ = entry
        if flags & FLUSH:
            durable, pending = number, []
        if length and not flags & MARK:
            pending = pending + [number]
            yield number + 1, durable, pending
        elif flags & FLUSH:
            yield number + 1, number, []


def choices(random_source, entries, pending):
    """Which of the pending writes are on the disk: all, none but those that had to be, any."""
    forced = [n for n in pending if entries[n][2] & FUA]
    yield pending
    if len(pending) > 1:
        yield forced
        for _ in range(3):
            share = random_source.random()
            yield [n for n in pending if entries[n][2] & FUA or random_source.random() < share]


def tears(random_source, pending):
    """Whether the writes since the last flush are torn: a source of chance, or None = they are whole."""
    wish = os.environ.get("TEAR", "")
    if wish == "few":
        return [random.Random(random_source.random()) for _ in range(8)] if pending <= 2 else []
    return [None, random.Random(random_source.random())] if wish else [None]


def replay(path, size, states, command):
    log = Log(path)
    entries = list(log.entries())
    random_source = random.Random(1)
    plans = [(count, durable, chosen, torn) for count, durable, pending in cuts(entries)
             for chosen in choices(random_source, entries, pending)
             for torn in tears(random_source, len(pending))]
    plans = [plan for plan in plans if plan[0] >= int(os.environ.get("FROM", "0"))]
    if len(plans) > states:
        keep = set(random_source.sample(range(len(plans)), states))
        plans = [plan for number, plan in enumerate(plans) if number in keep]
    if "FIRST" in os.environ:
        random_source.shuffle(plans)
    base, disk = "powerloss.base", "powerloss.disk"
    applied = faults = 0
    for number, (count, durable, chosen, torn) in enumerate(plans):
        if number == 0 or durable < applied:
            applied = 0
            with open(base, "wb") as made:
                made.truncate(size)
        with open(base, "r+b") as made:
            for entry in entries[applied:durable]:
                if entry[1] and not entry[2] & MARK:
                    log.write(made, entry)
        applied = max(applied, durable)
        # A new file each time: a loop device that still holds the last one would show that one's blocks.
        subprocess.check_call(["cp", "--remove-destination", "--sparse=always", base, disk])
        with open(disk, "r+b") as made:
            for pending in chosen:
                log.write(made, entries[pending], torn)
        judged = subprocess.run([*command, disk, str(count)], capture_output=True, text=True)
        if judged.returncode != 0:
            faults += 1
            print(f"cut after {count} of {len(entries)} entries, {len(chosen)} writes since the last"
                  f" flush at {durable}: {(judged.stdout + judged.stderr).strip()}")
            if "FIRST" in os.environ:
                break
    print(f"{len(plans)} disks, {faults} bad")
    return faults > 0


if sys.argv[1] == "count":
    print(Log(sys.argv[2]).count)
else:
    sys.exit(replay(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]))

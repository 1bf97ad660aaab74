# SPDX-License-Identifier: MIT
"""A synthetic boot: the reads of a guest that starts up to its desktop, over the data of a raw disk.

Not a recording. Its shape is that of one (a Debian with a desktop on an 8 GiB disk): 9,322 reads of
48 KiB on average, some 8,400 different chunks of 64 KiB, files that lie anywhere, each read from its
beginning with a read-ahead that doubles from 16 to 128 KiB, and single blocks of metadata between
them. `carrel-blockd --record` makes real ones.
"""

import os
import random

READS, SECONDS = 9322, 240
FILE_MEAN = 260 << 10
BLOCK = 4096


def extents(path):
    """(offset, length) of the file's data."""
    found = []
    with open(path, "rb") as f:
        end, at = os.fstat(f.fileno()).st_size, 0
        while at < end:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            found.append((start, at - start))
    return found


def file_reads(offset, length):
    ahead, done = 16 << 10, 0
    while done < length:
        n = min(ahead, length - done)
        yield offset + done, n
        done += n
        ahead = min(2 * ahead, 128 << 10)


def make(disk, path, seed=1):
    rng = random.Random(seed)
    parts = [part for part in extents(disk) if part[1] >= 1 << 20]
    reads = [(0, 512), (512, 512), (1 << 20, 4096)]
    while len(reads) < READS:
        start, size = rng.choices(parts, [part[1] for part in parts])[0]
        length = min(max(BLOCK, int(rng.expovariate(1 / FILE_MEAN)) // BLOCK * BLOCK), size // 2)
        offset = start + rng.randrange((size - length) // BLOCK + 1) * BLOCK
        reads += file_reads(offset, length)
        if rng.random() < 0.5:
            reads.append((start + rng.randrange(size // BLOCK) * BLOCK, BLOCK))
    del reads[READS:]
    with open(path, "w") as f:
        f.write("# synthetic, tests/bench/boottrace.py\n")
        for i, (offset, length) in enumerate(reads):
            f.write(f"{i * SECONDS / READS:.6f} {offset} {length}\n")
    chunks = {c for o, n in reads for c in range(o >> 16, (o + n - 1 >> 16) + 1)}
    return {"reads": len(reads), "mean_kib": sum(n for _, n in reads) / len(reads) / 1024,
            "chunks": len(chunks)}

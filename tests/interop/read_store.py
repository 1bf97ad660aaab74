#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Read a version out of a store's folder: read_store.py FOLDER NAME[@N|:CHANNEL] OUTPUT

A reader written from lib/FORMAT.md alone, with Python's library and the zstd command. It shares no
code with lib/image: what it reads right, a stranger can read.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import time

CHUNK = 65536
SEGMENT = 4096
HOLE = bytes(32)


def require(promise, sentence):
    if not promise:
        sys.exit(f"read_store: {sentence}")


def unpack_frames(frames):
    """The plain bytes of frames, one behind the other."""
    done = subprocess.run(["zstd", "-dcq"], input=b"".join(frames), stdout=subprocess.PIPE,
                          check=True)
    return done.stdout


def content(path):
    with open(path, "rb") as data:
        return data.read()


def object_read(store, folder, object_id):
    plain = unpack_frames([content(os.path.join(store, folder, object_id.hex()))])
    require(hashlib.sha256(plain).digest() == object_id, f"{folder}/{object_id.hex()} is another")
    return plain


def head_read(store, name):
    first, body = content(os.path.join(store, "heads", name)).split(b"\n", 1)
    digest = hashlib.sha256(body).hexdigest().encode()
    require(first in (b"carrel-head 1 " + digest, b"carrel-head 2 " + digest), "head is torn")
    head = json.loads(body)
    require(head["name"] == name, "head of another image")
    return head


def manifest_read(store, root):
    plain = object_read(store, "manifests", root)
    magic, kind, count, disk_bytes, reserved = struct.unpack_from("<8s4sIQQ", plain)
    require(magic == b"CRMANIF1" and kind == bytes([1, 16, 12, 0]) and reserved == 0, "manifest")
    require(len(plain) == 32 + 32 * count, "manifest's length")
    return disk_bytes, [plain[32 + 32 * i:64 + 32 * i] for i in range(count)]


def segment_read(store, segment_id, count):
    if segment_id == HOLE:
        return [HOLE] * count
    plain = object_read(store, "segments", segment_id)
    magic, found, reserved = struct.unpack_from("<8sII", plain)
    require(magic == b"CRSEGMT1" and found == count and reserved == 0, "segment")
    require(len(plain) == 16 + 32 * count, "segment's length")
    return [plain[16 + 32 * i:48 + 32 * i] for i in range(count)]


def places_read(store):
    """Chunk id -> pack's path, offset, length, from the footers of all packs."""
    places = {}
    for name in os.listdir(os.path.join(store, "packs")):
        path = os.path.join(store, "packs", name)
        pack = content(path)
        count, reserved, magic = struct.unpack("<II8s", pack[-16:])
        footer = pack[-(16 + 40 * count):]
        require(pack[:8] == b"CRPACK01" and magic == b"CRPKEND1" and reserved == 0, name)
        require(hashlib.sha256(footer).hexdigest() == name, f"pack {name} has another footer")
        end = 8
        for i in range(count):
            chunk_id, offset, length = struct.unpack_from("<32sII", footer, 40 * i)
            require(offset == end and length > 0 and chunk_id != HOLE, f"pack {name}, entry {i}")
            end += length
            places[chunk_id] = (path, offset, length)
        require(end == len(pack) - len(footer), f"pack {name} has bytes of nobody")
    return places


def disk_write(out, disk_bytes, ids, places):
    """Write the disk in batches of chunks; what is not written is a hole."""
    data = [i for i, chunk_id in enumerate(ids) if chunk_id != HOLE]
    for start in range(0, len(data), 256):
        batch = data[start:start + 256]
        frames = []
        for i in batch:
            path, offset, length = places[ids[i]]
            with open(path, "rb") as pack:
                frames.append(os.pread(pack.fileno(), length, offset))
        plain = unpack_frames(frames)
        at = 0
        for i in batch:
            chunk = plain[at:at + min(CHUNK, disk_bytes - i * CHUNK)]
            at += len(chunk)
            require(hashlib.sha256(chunk).digest() == ids[i], f"chunk {ids[i].hex()} is another")
            out.seek(i * CHUNK)
            out.write(chunk)
        require(at == len(plain), "frames hold more than their chunks")
    out.truncate(disk_bytes)


def channel_number(head, channel, now):
    """The number of the version that a channel points at."""
    best, end = None, None
    for change in reversed(head.get("changes", [])):
        if change["channel"] != channel or (end is not None and change["at_s"] > end):
            continue
        if change["kind"] == "rollback":
            end = change["at_s"]
        if change["at_s"] <= now and (best is None or change["at_s"] > best["at_s"]):
            best = change
    require(best is not None and best["number"] != 0, "no such channel")
    return str(best["number"])


def main():
    store, ref, output = sys.argv[1:]
    name, _, number = ref.partition("@")
    name, _, channel = name.partition(":")
    require(content(os.path.join(store, "carrel-store")) == b"carrel-store 1\n", "no store")
    head = head_read(store, name)
    versions = head["versions"]
    if channel:
        number = channel_number(head, channel, time.time())
    version = next((v for v in versions if str(v["number"]) == number), None) if number else versions[-1]
    require(version is not None, "no such version")
    disk_bytes, segments = manifest_read(store, bytes.fromhex(version["root"]))
    require(disk_bytes == version["disk_bytes"], "head and manifest differ")
    chunks = -(-disk_bytes // CHUNK)
    require(len(segments) == -(-chunks // SEGMENT), "too few or too many segments")
    ids = []
    for i, segment_id in enumerate(segments):
        ids += segment_read(store, segment_id, min(SEGMENT, chunks - i * SEGMENT))
    with open(output, "wb") as out:
        disk_write(out, disk_bytes, ids, places_read(store))
    require(version["data_bytes"] == CHUNK * sum(i != HOLE for i in ids), "data_bytes of the head")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the first inputs of the format fuzz targets into tests/fuzz/corpus/<target>/.

The test vectors, whole and damaged at the places that matter. What the fuzzer found on top of them
is kept there too, named by its hash; this script never touches those.
"""

import hashlib
import json
import os
import runpy
import struct
import sys
import types

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "fixtures", "format"))
import generate  # noqa: E402

map_vectors = runpy.run_path(os.path.join(here, "..", "fixtures", "map", "generate.py"))
map_vectors = types.SimpleNamespace(**map_vectors)

# Of RFC 8032, section 7.1.
PUBLIC_KEYS = ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
               "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")


def patched(data, offset, value):
    return data[:offset] + value + data[offset + len(value):]


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def manifests(manifest):
    yield "vector", manifest
    yield "one-byte-disk", generate.manifest_plain(1, [bytes(32)])
    yield "one-segment", generate.manifest_plain(1 << 28, [b"\x01" * 32])
    yield "empty", b""
    yield "header-only", manifest[:32]
    yield "cut", manifest[:-1]
    yield "longer", manifest + b"\0"
    yield "another-magic", patched(manifest, 7, b"2")
    yield "another-hash", patched(manifest, 8, b"\2")
    yield "chunk-shift-200", patched(manifest, 9, b"\xc8")
    yield "flags", patched(manifest, 11, b"\1")
    yield "count-0", patched(manifest, 12, u32(0))
    yield "count-overflow", patched(manifest, 12, u32((1 << 27) + 3))
    yield "disk-0", patched(manifest, 16, u64(0))
    yield "disk-2-63", patched(manifest, 16, u64(1 << 63))
    yield "disk-2-64-1", patched(manifest, 16, u64((1 << 64) - 1))
    yield "disk-64-tib", patched(manifest, 16, u64(64 << 40))
    yield "reserved", patched(manifest, 31, b"\1")


def segments(segment):
    yield "vector", segment
    yield "one-hole", generate.segment_plain([bytes(32)])
    yield "no-chunks", generate.segment_plain([])
    yield "full", generate.segment_plain([bytes([i & 255]) * 32 for i in range(4096)])
    yield "one-too-many", generate.segment_plain([bytes(32)] * 4097)
    yield "empty", b""
    yield "header-only", segment[:16]
    yield "cut", segment[:-1]
    yield "longer", segment + b"\0"
    yield "another-magic", patched(segment, 0, b"c")
    yield "count-overflow", patched(segment, 8, u32((1 << 27) + 2))
    yield "count-2-32-1", patched(segment, 8, u32((1 << 32) - 1))
    yield "reserved", patched(segment, 15, b"\1")


def pack_footers(pack):
    footer = pack[-(3 * 40 + 16):]
    size = u64(len(pack))
    yield "vector", size + footer
    yield "one-chunk", u64(8 + 5 + 56) + b"\1" * 32 + u32(8) + u32(5) + u32(1) + u32(0) + b"CRPKEND1"
    yield "empty", b""
    yield "no-footer", size
    yield "cut", size + footer[1:]
    yield "another-magic", size + footer[:-1] + b"2"
    yield "count-0", size + patched(footer, 120, u32(0))
    yield "count-overflow", size + patched(footer, 120, u32(107374183))
    yield "reserved", size + patched(footer, 124, b"\1")
    yield "pack-2-63", u64(1 << 63) + footer
    yield "pack-too-small", u64(len(footer)) + footer
    yield "pack-longer", u64(len(pack) + 1) + footer
    yield "in-the-header", size + patched(footer, 32, u32(7))
    yield "offset-2-32-1", size + patched(footer, 72, u32((1 << 32) - 1))
    yield "frame-0", size + patched(footer, 36, u32(0))
    yield "frame-too-large", u64(8 << 20) + patched(footer, 116, u32(66561))
    yield "overlap", size + patched(footer, 72, u32(9))
    yield "gap", size + patched(footer, 112, u32(600))
    yield "hole", size + patched(footer, 40, bytes(32))


def heads(head, head_1):
    body = head.split(b"\n", 1)[1]
    fact = json.loads(body)

    def with_version(**fields):
        changed = json.loads(body)
        changed["versions"][1].update(fields)
        return json.dumps(changed).encode()

    def with_change(**fields):
        changed = json.loads(body)
        changed["changes"][2].update(fields)
        return json.dumps(changed).encode()

    yield "vector", body
    yield "vector-whole", head
    yield "vector-form-1", head_1.split(b"\n", 1)[1]
    yield "compact", json.dumps(fact, separators=(",", ":")).encode()
    yield "no-versions", b'{"name":"physics","next":1,"versions":[]}'
    yield "empty", b""
    yield "array", b"[]"
    yield "cut", body[:-3]
    yield "behind", body + b"{}"
    yield "another-image", body.replace(b'"physics"', b'"chemistry"')
    yield "duplicate-key", b'{"name":"physics","name":"physics","next":1,"versions":[]}'
    yield "unknown-key", b'{"name":"physics","next":1,"versions":[],"x":0}'
    yield "next-0", b'{"name":"physics","next":0,"versions":[]}'
    yield "next-largest", b'{"name":"physics","next":9223372036854775807,"versions":[]}'
    yield "next-2-63", b'{"name":"physics","next":9223372036854775808,"versions":[]}'
    yield "next-real", b'{"name":"physics","next":1.0,"versions":[]}'
    yield "not-utf8", b'{"name":"\xff","next":1,"versions":[]}'
    yield "zero-byte", b'{"name":"physics\\u0000","next":1,"versions":[]}'
    yield "deep", b'{"name":' + b"[" * 3000
    yield "order", with_version(number=1)
    yield "not-given-out", with_version(number=4)
    yield "disk-too-large", with_version(disk_bytes=(64 << 40) + 1)
    yield "root-short", with_version(root="ab")
    yield "root-upper", with_version(root="AB" * 32)
    yield "parent-path", with_version(parent="../x")
    yield "parent-name", with_version(parent="x")
    yield "created-before-1970", with_version(created_s=-(1 << 63))
    yield "message-longest", with_version(message="x" * 1024)
    yield "message-too-long", with_version(message="x" * 1025)
    yield "by-too-long", with_version(by="x" * 129)
    yield "record-short", with_version(record="22")
    yield "record-zero", with_version(record="00" * 32)
    yield "parent-channel", with_version(parent="x:stable")
    yield "pinned-number", with_version(pinned=1)
    yield "no-changes", json.dumps({**fact, "changes": []}).encode()
    yield "changes-object", json.dumps({**fact, "changes": {}}).encode()
    yield "without-changes", json.dumps({k: fact[k] for k in fact if k != "changes"}).encode()
    yield "channel-path", with_change(channel="../x")
    yield "channel-number", with_change(channel="7")
    yield "channel-too-long", with_change(channel="x" * 33)
    yield "change-kind", with_change(kind="demote")
    yield "change-not-given-out", with_change(number=4)
    yield "change-minus", with_change(number=-1)
    yield "change-times", with_change(at_s=-(1 << 63), set_s=(1 << 63) - 1)
    yield "change-same-time", with_change(at_s=fact["changes"][0]["at_s"], kind="promote")
    yield "change-by-too-long", with_change(by="x" * 129)
    yield "change-why-too-long", with_change(why="x" * 1025)
    yield "message-controls", with_version(message="\x01\x1b[31m\x7f\u20ac\U0001f600")


def refs(_):
    for i, text in enumerate((
            "physics", "physics@7", "Lab-2.x_y@17", "a@9223372036854775807",
            "a@9223372036854775808", "a@18446744073709551617", "a@0", "a@007", "a@", "@1", "a@@1",
            "", ".", "..", "../x", "-rf", "a/b", "a b", "a:stable", "a" * 64, "a" * 65, "a\0b@1",
            "é", "a@+1", "a@1 ", "a:7", "a:7b", "a:", "a:b:c", "a:b@1", "a@1:b", ":b",
            "a:" + "b" * 32, "a:" + "b" * 33, "a:../b", "a:-b", "a:B.x_y-2")):
        yield "%02d" % i, text.encode()


def rbds(_):
    for i, text in enumerate((
            "rbd:pool/image", "rbd:pool/space/image", "rbd:p/i?conf=/etc/ceph/x.conf&id=lab",
            "rbd:p:q/a@b\\c=d", "rbd:p/i?conf=a:id=admin", "rbd:", "rbd:a//b", "rbd:a/b/c/d",
            "rbd:a/b?", "rbd:a/b?conf=", "rbd:a/b?x=1", "rbd:a/b?id=1&", "rbd:a/b\n", "file:a/b",
            "rbd:a/b\\", "rbd:a\\/b", "rbd:a/b?id=x?y", "rbd:a/b?id=c&id=d", "rbd:a/" + "b" * 4100)):
        yield "%02d" % i, text.encode()


def objects(files):
    kinds = {"chunk": b"\0", "segment": b"\1", "manifest": b"\2"}
    for name, data in files.items():
        if name.endswith(".zst"):
            yield name[:-4], kinds[name.split("-")[0].split(".")[0]] + data
    frame = files["chunk-s.zst"]
    yield "empty", b""
    yield "cut", b"\0" + frame[:-1]
    yield "longer", b"\0" + frame + b"\0"
    yield "two-frames", b"\0" + frame + frame
    yield "skippable", b"\0" + u32(0x184D2A50) + u32(4) + b"skip" + frame
    yield "old-release", b"\0" + u32(0xFD2FB527) + frame[4:]
    yield "claims-2-63", b"\0" + bytes.fromhex("28b52ffdc000") + u64(1 << 63) + b"\1\0\0"
    yield "claims-one-more", b"\0" + generate.frame((0, 65536), b"\0")[1]
    yield "no-size", b"\0" + bytes.fromhex("28b52ffd0058") + bytes.fromhex("290000") + b"hello"
    yield "checksum", b"\0" + patched(frame, 4, b"\xa4") + u32(0)


def freelists(_):
    one = b"1048576 4096\n"
    two = one + b"2097152 512\n"
    yield "nothing-free", b"end 0 0\n"
    yield "one", one + b"end 1 4096\n"
    yield "two", two + b"end 2 4608\n"
    yield "all-free", b"1048576 1073741312\nend 1 1073741312\n"
    yield "empty", b""
    yield "no-end", two
    yield "cut", two + b"end 2 460"
    yield "behind", one + b"end 1 4096\n" + one
    yield "count", two + b"end 1 4608\n"
    yield "sum", two + b"end 2 4607\n"
    yield "overlap", one + b"1052671 512\nend 2 4608\n"
    yield "touching", one + b"1052672 512\nend 2 4608\n"
    yield "descending", b"2097152 512\n" + one + b"end 2 4608\n"
    yield "before", b"1048575 1\nend 1 1\n"
    yield "beyond", b"1074789887 2\nend 1 2\n"
    yield "length-0", b"1048576 0\nend 1 0\n"
    yield "length-2-64-1", b"1048576 18446744073709551615\nend 1 4096\n"
    yield "offset-2-64", b"18446744073709551616 1\nend 1 1\n"
    yield "leading-zero", b"01048576 4096\nend 1 4096\n"
    yield "zero-byte", one + b"\0end 1 4096\n"
    yield "words", b"something else\n"


def filelists(_):
    one = b"fs sda1 ext4\0f 420 0 0 12 1700000000 5 /etc/passwd\0"
    yield "nothing", b"end 0\0"
    yield "one", one + b"end 1\0"
    yield "kinds", one + b"fs sda2 ntfs\0d 493 0 0 0 0 0 /a\0l 511 1 2 3 -4 0 /b c\n\0unread sdb swap\0end 3\0"
    yield "empty", b""
    yield "cut", one + b"end 1"
    yield "count", one + b"end 2\0"
    yield "twice", one + one + b"end 2\0"
    yield "no-fs", one[13:] + b"end 1\0"
    yield "not-plain", b"fs s\x1b[1m ext4\0end 0\0"
    yield "bytes", b"fs s e\0f 0 0 0 9223372036854775807 -9223372036854775807 999999999 /\xff\x1b\0end 1\0"
    yield "behind", b"end 0\0end 0\0"


def delta_indexes(_):
    def index(parts, groups, disk=300 << 20, chunks=None):
        chunks = sum(g[1] for g in groups) if chunks is None else chunks
        return (b"CRDELTA1" + b"\1" * 32 + b"\2" * 32 + u64(200 << 20) + u64(disk) + u64(chunks) +
                u32(len(parts)) + u32(len(groups)) +
                b"".join(u32(p) + u32(0) + b"\3" * 32 for p in parts) +
                b"".join(struct.pack("<QIIII", *g) for g in groups))

    two = index([100, 50], [(3, 5, 0, 0, 60), (9, 1, 0, 60, 40), (4000, 7, 1, 0, 50)])
    yield "three-groups", two
    yield "nothing", index([], [])
    yield "empty", b""
    yield "cut", two[:-1]
    yield "another-magic", patched(two, 7, b"2")
    yield "disk-0", index([], [], disk=0)
    yield "disk-too-large", index([], [], disk=(64 << 40) + 1)
    yield "groups-2-32-1", patched(two, 100, u32((1 << 32) - 1))
    yield "reserved", patched(two, 108, u32(1))
    yield "part-0", index([0], [(3, 1, 0, 0, 0)])
    yield "part-too-large", index([(8 << 20) + 1], [(3, 1, 0, 0, (8 << 20) + 1)])
    yield "gap", index([100], [(3, 1, 0, 1, 99)])
    yield "not-filled", index([100], [(3, 1, 0, 0, 99)])
    yield "over", index([100], [(3, 1, 0, 0, 101)])
    yield "no-such-part", index([], [(3, 1, 0, 0, 1)])
    yield "order", index([100], [(9, 1, 0, 0, 60), (3, 1, 0, 60, 40)])
    yield "touching", index([100], [(3, 5, 0, 0, 60), (7, 1, 0, 60, 40)])
    yield "no-chunks", index([100], [(3, 0, 0, 0, 100)])
    yield "chunks-1025", index([100], [(3, 1025, 0, 0, 100)])
    yield "behind-the-end", index([100], [(4800, 1, 0, 0, 100)])
    yield "chunks-wrong", index([100], [(3, 1, 0, 0, 100)], chunks=2)


def delta_groups(_):
    # Five chunks: copied as they stand, zeros, moved by 3 blocks, two literals among it, 14 left out.
    plain = bytes([0, 15 << 2 | 2, 0, 15 << 2, 0, 15 << 2 | 3, 6, 0, 1 << 2 | 1, 13 << 2 | 3, 2,
                   14, 15 << 2 | 2])

    def group(head, instructions, literals=2):
        return b"\0" + bytes(head) + bytes([len(instructions), literals]) + \
            generate.frame(instructions + b"L" * (4096 * literals))[1]

    yield "whole", group([0], plain)
    yield "prefix", group([2, 0, 3, 5, 1], plain)
    yield "prefix-touching", group([2, 0, 3, 0, 1], plain)
    yield "prefix-too-long", group([1, 0, 0x81, 1], plain)
    yield "prefix-behind", group([1, 0xe8, 7, 1], plain)
    yield "long-varint", group([0x80, 0], plain)
    yield "no-instructions", group([0], b"")
    yield "one-literal", group([0], plain, 1)
    yield "cut", group([0], plain)[:-1]
    yield "longer", group([0], plain) + b"\0"
    yield "instructions", b"\1" + plain
    yield "runs-touch", b"\1" + bytes([0, 7 << 2, 7 << 2])
    yield "no-change", b"\1" + bytes([0, 15 << 2 | 3, 0])
    yield "before-the-disk", b"\1" + bytes([0, 15 << 2 | 3, 0xff, 1])
    yield "17-blocks", b"\1" + bytes([0, 16 << 2])
    yield "last-chunk", b"\1" + bytes([0xcd, 15, 1 << 2, 0])
    yield "behind-the-end", b"\1" + bytes([0xce, 15, 1 << 2])


def trust_files():
    """One good file of each role, by its number in the fuzz target; signatures are not looked at."""
    keys = {}
    for i in range(2):
        key = {"keytype": "ed25519", "keyval": {"public": PUBLIC_KEYS[i]}, "scheme": "ed25519"}
        text = json.dumps(key, sort_keys=True, separators=(",", ":")).encode()
        keys[hashlib.sha256(text).hexdigest()] = key
    role = {"keyids": list(keys), "threshold": 2}
    meta = {"version": 2, "length": 700, "hashes": {"sha256": "ab" * 32, "sha512": "cd" * 64}}
    version = {"length": 64, "hashes": {"sha256": "12" * 32}, "custom": {"carrel": {
        "parent": "physics@1", "disk_bytes": 200192, "created_s": 1700000000}}}
    change = {"channel": "stable", "kind": "promote", "number": 2, "set_s": 1, "at_s": 1700000000}
    bodies = [
        {"consistent_snapshot": True, "keys": keys,
         "roles": dict.fromkeys(("root", "targets", "snapshot", "timestamp"), role)},
        {"targets": {"physics@2": version, "readme": {"length": 0, "hashes": {"md5": "x"}}},
         "carrel": {"channels": {"physics": [change, dict(change, kind="rollback", number=0)]}},
         "delegations": {"keys": keys, "roles": [
             dict(role, name="lab/\u00e9", terminating=True, paths=["lab/*-?.img", "x"]),
             dict(role, name="bins", terminating=False, path_hash_prefixes=["00", "c4f"])]}},
        {"meta": {"targets.json": meta, "other.json": {"version": 1}}},
        {"meta": {"snapshot.json": meta}},
    ]
    signatures = [{"keyid": keyid, "sig": "ef" * 64} for keyid in keys]
    for i, name in enumerate(("root", "targets", "snapshot", "timestamp")):
        signed = {"_type": name, "spec_version": "1.0.31", "version": 2,
                  "expires": "2030-01-31T12:00:00Z", "x-unknown": {"\u00e9": [None, -1]}}
        signed.update(bodies[i])
        yield i, name, {"signed": signed, "signatures": signatures}


def trust_roles(_):
    yield "empty", b""
    for i, name, envelope in trust_files():
        whole = json.dumps(envelope, separators=(",", ":")).encode()
        yield name, bytes([i]) + whole
        yield name + "-cut", bytes([i]) + whole[:-9]
        yield name + "-no-signatures", bytes([i]) + whole.replace(b'"signatures"', b'"x"')
        yield name + "-twice", bytes([i]) + whole.replace(b'"version":2', b'"version":2,"version":2')
        yield name + "-spec-2", bytes([i]) + whole.replace(b"1.0.31", b"2.0.0")
        yield name + "-of-another", bytes([i ^ 1]) + whole
        yield name + "-version-0", bytes([i]) + whole.replace(b'"version":2', b'"version":0')
        yield name + "-february", bytes([i]) + whole.replace(b"01-31", b"02-30")


def notes(_):
    def note(parts, count=None):
        out = b"CRNOTE01" + u32(len(parts) if count is None else count)
        for name, data in parts:
            out += u32(len(name)) + u32(len(data)) + name + data
        return out

    whole = note([(b"1.root.json", b"{}"), (b"targets.json", b"[]"), (b"empty", b"")])
    yield "whole", whole
    yield "none", note([])
    yield "empty", b""
    yield "cut", whole[:-1]
    yield "longer", whole + b"x"
    yield "twice", note([(b"a", b"1"), (b"a", b"2")])
    yield "slash", note([(b"a/b", b"1")])
    yield "no-name", note([(b"", b"1")])
    yield "long-name", note([(b"n" * 65, b"")])
    yield "longest-name", note([(b"n" * 64, b"")])
    yield "more-parts", note([(b"a", b"1")], 2)
    yield "too-many", note([], 1 << 31)
    yield "endless-part", whole[:16] + u32(0xffffffff) + whole[20:]


def trust_json(_):
    for _i, name, envelope in trust_files():
        yield name, json.dumps(envelope).encode()
    for i, text in enumerate((
            b"", b"{}", b"[]", b"[1.0]", b"[1e3]", b"[-0]", b"[-01]", b'{"a":1,"a":2}',
            b'{"a":1,"\\u0061":2}', b'["\\u0000"]', b'["\\ud800"]', b'["\xff"]', b"[" * 33 + b"]" * 33,
            b"[" * 32 + b"]" * 32, b"[9223372036854775807,-9223372036854775808]",
            b"[9223372036854775808]", b'["\\"\\\\\\n\\u00e9"]', b'{"1.0":"-0","":"1e3"}', b"7",
            b'"\\"')):
        yield "%02d" % i, text


def traces(_):
    yield "boot", b"# a boot\n0.127646 0 512\n1.255193 1048576 4096\n1.255193 65536 131072\n"
    yield "cut", b"0.127646 0 512\n1.255193 10485"
    yield "whole-seconds", b"7 0 1"
    yield "limits", b"8640000.999999 70368744177664 67108864\n"
    yield "beyond", b"8640001 70368744177665 67108865\n"
    yield "backwards", b"2 0 512\n1.9 0 512\n"
    yield "comment-only", b"#\n"
    yield "empty-line", b"0 0 512\n\n"


def metrics(_):
    yield "chunkd", (b"# HELP reads Objects.\n# TYPE reads counter\nreads{kind=\"chunk\"} 12\n"
                     b"reads{kind=\"segment\"} 3\ncpu 1.5 1700000000000\n")
    yield "no-brace", b"reads{kind=\"chunk\" 12\nreads{} \nreads{}"
    yield "numbers", b"cpu 1e308\ncpu 1e308\ncpu -1e308\ncpu nan\ncpu 0x10\ncpu +Inf\n"


def hotlists(_):
    def varint(value):
        out = b""
        while value > 0x7f:
            out += bytes([value & 0x7f | 0x80])
            value >>= 7
        return out + bytes([value])

    def hot(chunks, disk=1000 << 16, count=None):
        out = b"CRHOTLS1" + b"\x11" * 32 + u64(disk) + u32(len(chunks) if count is None else count) + u32(0)
        expected = 0
        for chunk in chunks:
            step = chunk - expected
            out += varint(step * 2 if step >= 0 else -step * 2 - 1)
            expected = chunk + 1
        return out

    def boots(lists, count=None):
        out = b"CRBOOTS1" + u32(len(lists) if count is None else count) + u32(0)
        for i, plain in enumerate(lists):
            whole = plain + hashlib.sha256(plain).digest()
            out += bytes([i]) * 32 + u64(1700000000) + u32(len(whole)) + u32(0) + whole
        return out

    whole = hot([0, 1, 2, 500, 501, 7, 999])
    yield "whole", whole
    yield "empty", hot([])
    yield "twice", hot([5, 6, 5])
    yield "beyond", hot([1000])
    yield "before", whole[:56] + b"\x01"
    yield "cut", whole[:-1]
    yield "longer", whole + b"\0"
    yield "more", hot([1], count=2)
    yield "too-many", hot([1], count=65537)
    yield "more-than-the-disk", hot([0], disk=1, count=2)
    yield "no-disk", patched(whole, 40, u64(0))
    yield "huge-disk", patched(whole, 40, u64(1 << 63))
    yield "reserved", patched(whole, 52, b"\1")
    yield "long-varint", whole[:56] + b"\xff" * 9
    yield "no-magic", b"x"
    yield "boots", boots([whole, hot([3, 2, 1]), hot([])])
    yield "boots-none", boots([])
    yield "boots-too-many", boots([whole] * 17)
    yield "boots-another-version", boots([whole, patched(whole, 8, b"x")])
    yield "boots-cut", boots([whole])[:-40]
    yield "boots-more", boots([whole], count=2)
    yield "boots-longer", boots([whole]) + b"\0"


def peers(_):
    id = lambda n: bytes([n]) * 32
    announcement = b"CRPEER01" + u32(4711) + u32(2) + id(1) + u64(5) + u64(9) + id(2) + id(3) + bytes(32)
    place = bytes(10) + b"\xff\xff\x0a\0\1\2" + u32(4711) + u32(0) + u64(9) + id(2) + bytes(176)
    answer = b"CRPEERS1" + u32(2) + u32(30000) + u64(1700000000) + u64(0) + id(7) + 2 * place
    report = b"CRPRPT01" + u32(1) + u32(0) + id(1) + id(2)
    yield "announcement", announcement
    yield "announcement-port", patched(announcement, 8, u32(65536))
    yield "announcement-more-than-all", patched(announcement, 48, u64(10))
    yield "announcement-avoids-too-many", patched(announcement, 12, u32(4))
    yield "answer", answer
    yield "answer-short", answer[:-1]
    yield "answer-empty", patched(answer[:64], 8, u32(0))
    yield "answer-port", patched(answer, 64 + 16, u32(0))
    yield "report", report
    yield "report-unknown", patched(report, 8, u32(2))
    yield "ticket", b"CRTICK01" + u64(5000) + id(1) + id(2) + id(3) + bytes(64)


def maps(_):
    root = b"\x11" * 32

    def slot(generation=1, disk=9 << 16, data=8, used=5, number=1, image="disk", present=(0, 7, 8)):
        return map_vectors.slot(generation, root, disk, data, used, number, image, list(present))

    whole = slot()
    yield "whole", whole
    yield "empty", slot(present=())
    yield "unknown", slot(data=(1 << 64) - 1, image="", number=0)
    yield "two-pages", slot(disk=40000 << 16, data=40000, present=range(0, 40000, 3))
    yield "more-than-data", slot(data=2)
    yield "behind-the-end", slot(present=(9,))
    yield "another-count", patched(whole, 96, u64(4))
    yield "no-generation", slot(generation=0)
    yield "disk-0", patched(whole, 80, u64(0))
    yield "disk-2-63", patched(whole, 80, u64(1 << 63))
    yield "another-disk", patched(whole, 80, u64(40000 << 16))
    yield "another-magic", patched(whole, 39, b"2")
    yield "image-with-a-slash", slot(image="a/b")
    yield "image-with-a-number", slot(image="disk@3")
    yield "image-behind-a-zero", patched(whole, 130, b"x")
    yield "reserved", patched(whole, 255, b"\1")
    yield "end", patched(whole, 4095, b"\1")
    yield "cut", whole[:-1]
    yield "header", whole[:256]
    yield "longer", whole + bytes(4096)


def syncs(_):
    """What travels to and from carrel-syncd, each behind the number of its parser."""
    root = "00112233445566778899aabbccddeeff" * 2
    commit = {"name": "physics", "epoch": 1, "expected": 2, "root": root, "parent": "physics@2",
              "message": "new"}
    yield "have", b"\0CRHAVE01" + u32(2) + u32(0) + b"\1" * 64
    yield "have-hole", b"\0CRHAVE01" + u32(1) + u32(0) + bytes(32)
    yield "have-endless", b"\0CRHAVE01" + u32(0xffffffff) + u32(0) + b"\1" * 64
    yield "had", b"\0CRHADA01" + u32(11) + u32(0) + b"\x55\2"
    yield "had-behind", b"\0CRHADA01" + u32(11) + u32(0) + b"\x55\x80"
    yield "claim", b'\1{"name":"physics"}'
    yield "claimed", b'\2{"epoch":3,"newest":7}'
    yield "commit", b"\3" + json.dumps(commit).encode()
    yield "commit-hole", b"\3" + json.dumps(dict(commit, root="0" * 64)).encode()
    yield "commit-parent", b"\3" + json.dumps(dict(commit, parent="physics")).encode()
    yield "committed", b'\4{"name":"physics.pc-1","number":1,"branch":true}'
    yield "fence", b"\5carrel-fence 1\nepoch 3\nholder pc-1\ncommitted 2 " + root.encode() + b"\n"
    yield "note", b"\6carrel-sync 1\nname physics\nepoch 3\nnewest 7\nlast physics@8\n"
    yield "note-first", b"\6carrel-sync 1\nname physics\nepoch 3\nnewest 7\nlast -\n"


def vaults(_):
    """What lies below the seals of a private overlay: header, map, chunk; and one that nobody sealed."""
    header = (u64(10 << 16) + u64(2) + u64(7) + b"\x11" * 64 + b"desk".ljust(72, b"\0") +
              b"physics".ljust(72, b"\0"))
    entry = b"\1" * 32 + u32(100) + u32(1)
    yield "header", b"\0" + header
    yield "header-no-disk", b"\0" + patched(header, 0, u64(0))
    yield "header-huge", b"\0" + patched(header, 0, u64(1 << 63))
    yield "header-name", b"\0" + patched(header, 88, b"../x")
    yield "header-behind", b"\0" + header.ljust(511, b"\0") + b"x"
    yield "map", b"\1" + entry + bytes(40) + entry
    yield "map-form", b"\1" + patched(entry, 36, u32(3))
    yield "map-long", b"\1" + patched(entry, 32, u32(65537))
    yield "map-none", b"\1" + patched(entry, 36, u32(0))
    yield "chunk", b"\2" + u32(5) + u32(1) + b"hello"
    packed = generate.frame(b"carrel" * 400)[1]
    yield "chunk-zstd", b"\2" + u32(len(packed)) + u32(2) + packed
    yield "chunk-longer", b"\2" + u32(len(packed) + 1) + u32(2) + packed + b"x"
    yield "raw", b"\3CRVAULT1" + bytes(100)


def main():
    files, _ = generate.vectors()
    targets = {
        "manifest": manifests(files["manifest"]), "segment": segments(files["segment-2"]),
        "pack_footer": pack_footers(files["pack"]), "head": heads(files["head"], files["head-1"]),
        "ref": refs(None), "rbd": rbds(None), "object": objects(files),
        "freelist": freelists(None), "filelist": filelists(None),
        "note": notes(None), "trace": traces(None), "metrics": metrics(None),
        "sync": syncs(None), "vault": vaults(None),
        "trust_role": trust_roles(None), "trust_json": trust_json(None),
        "delta_index": delta_indexes(None), "delta_group": delta_groups(None),
        "hotlist": hotlists(None), "peer": peers(None),
        "map": maps(None),
    }
    for target, seeds in targets.items():
        folder = os.path.join(here, "corpus", target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds:
            with open(os.path.join(folder, "seed-" + name), "wb") as out:
                out.write(data)


if __name__ == "__main__":
    main()

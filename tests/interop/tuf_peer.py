#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second implementation of signed metadata, written from the specification (TUF 1.0) alone.

    tuf_peer.py make DIR [CASE]     a repository in DIR/metadata and DIR/targets; CASE spoils it
    tuf_peer.py cases               the cases, each with the reason that must be given
    tuf_peer.py verify DIR ROOT     a client's walk over the files in DIR, from the root file ROOT:
                                    prints the targets, one per line, or says why not
    tuf_peer.py canonical           JSON on standard input, canonical JSON on standard output

Needs python3-cryptography. No code is shared with lib/trust.
"""

import hashlib
import json
import os
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROLES = ("root", "targets", "snapshot", "timestamp")


def canonical(value):
    """OLPC canonical JSON, as bytes."""
    if isinstance(value, bool) or value is None:
        return {True: b"true", False: b"false", None: b"null"}[value]
    if isinstance(value, int):
        return str(value).encode()
    if isinstance(value, str):
        return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    if isinstance(value, list):
        return b"[" + b",".join(canonical(v) for v in value) + b"]"
    if isinstance(value, dict):
        members = sorted((k.encode(), v) for k, v in value.items())
        return b"{" + b",".join(canonical(k.decode()) + b":" + canonical(v)
                                for k, v in members) + b"}"
    raise ValueError("no canonical form of %r" % value)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# --- keys -----------------------------------------------------------------------------------------

class Key:
    def __init__(self, seed):
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self.object = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
        self.keyid = sha256(canonical(self.object))

    def sign(self, data):
        return {"keyid": self.keyid, "sig": self.private.sign(data).hex()}


def signatures(envelope, keys):
    """The key ids of `keys` whose signature of the envelope is right."""
    data, right = canonical(envelope["signed"]), set()
    for entry in envelope["signatures"]:
        key = keys.get(entry["keyid"])
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["keyval"]["public"])).verify(
                bytes.fromhex(entry["sig"]), data)
            right.add(key["keyval"]["public"])
        except (InvalidSignature, ValueError):
            pass
    return right


# --- a repository ---------------------------------------------------------------------------------

LATER = "2099-01-01T00:00:00Z"


class Repository:
    """Two versions of everything; 2-of-3 for targets, one key for each other role. The targets
    delegate lab/* to two roles, 2-of-2 each, the first of which has nothing."""

    def __init__(self):
        self.keys = {"root": [Key(1)], "targets": [Key(2), Key(3), Key(4)],
                     "snapshot": [Key(5)], "timestamp": [Key(6)],
                     "lab/é": [Key(7), Key(8)], "empty": [Key(9), Key(7)]}
        self.signers = {"root": [Key(1)], "targets": [Key(2), Key(4)],
                        "snapshot": [Key(5)], "timestamp": [Key(6)],
                        "lab/é": [Key(7), Key(8)], "empty": [Key(9), Key(7)]}
        self.files = {}
        self.targets = {}
        self.delegated = {"empty": {}, "lab/é": {}}
        self.spoil = {}     # role -> function of its "signed"
        self.envelope = {}  # role -> function of its envelope
        self.raw = {}       # role -> function of its bytes

    def signed(self, role, version, **fields):
        return dict({"_type": role, "spec_version": "1.0.31", "version": version,
                     "expires": LATER, "x-unknown": {"kept": [1, "é", None]}}, **fields)

    def delegations(self):
        keys = [key for role in self.delegated for key in self.keys[role]]
        covers = {"empty": {"path_hash_prefixes": list("0123456789abcdef")},
                  "lab/é": {"paths": ["other", "lab/?_*"]}}
        return {"keys": {key.keyid: key.object for key in keys}, "roles": [
            dict({"name": role, "threshold": 2, "terminating": False,
                  "keyids": [key.keyid for key in self.keys[role]]}, **covers[role])
            for role in self.delegated]}

    def write(self, role, name, signed):
        self.spoil.get(role, lambda s: None)(signed)
        data = canonical(signed)
        envelope = {"signed": signed, "signatures": [k.sign(data) for k in self.signers[role]]}
        self.envelope.get(role, lambda e: None)(envelope)
        # Not how lib/trust writes it: indented, unsorted, everything escaped.
        text = json.dumps(envelope, indent=3).encode()
        self.files[name] = self.raw.get(role, lambda b: b)(text)
        return self.files[name]

    def meta(self, version, data):
        return {"version": version, "length": len(data), "hashes": {
            "sha256": sha256(data), "sha512": hashlib.sha512(data).hexdigest()}}

    def publish_root(self, version):
        keys = {k.keyid: k.object for role in ROLES for k in self.keys[role]}
        roles = {role: {"keyids": [k.keyid for k in self.keys[role]],
                        "threshold": 2 if role == "targets" else 1} for role in ROLES}
        self.write("root", "%d.root.json" % version, self.signed(
            "root", version, consistent_snapshot=True, keys=keys, roles=roles))

    def publish(self, version):
        targets = self.write("targets", "%d.targets.json" % version, self.signed(
            "targets", version, targets=self.targets, delegations=self.delegations()))
        meta = {"targets.json": self.meta(version, targets)}
        for role, has in self.delegated.items():
            data = self.write(role, "%d.%s.json" % (version, role), dict(
                self.signed(role, version, targets=has), _type="targets"))
            meta[role + ".json"] = self.meta(version, data)
        snapshot = self.write("snapshot", "%d.snapshot.json" % version,
                              self.signed("snapshot", version, meta=meta))
        self.write("timestamp", "timestamp.json", self.signed(
            "timestamp", version, meta={"snapshot.json": self.meta(version, snapshot)}))


def change(**fields):
    return lambda signed: signed.update(fields)


def drop(field):
    return lambda signed: signed.pop(field)


def repeat(envelope):
    envelope["signatures"][1] = dict(envelope["signatures"][0])


def one_key_twice(envelope):
    envelope["signatures"] = [envelope["signatures"][0]]


def forged(envelope):
    envelope["signatures"] = [{"keyid": s["keyid"], "sig": "00" * 64}
                              for s in envelope["signatures"]]


CASES = {
    "good": ({}, {}, {}, None),
    "root-spec-2": ({"root": change(spec_version="2.0.0")}, {}, {}, "'spec_version' is '2.0.0'"),
    "root-type": ({"root": change(_type="targets")}, {}, {}, "'_type' is 'targets'"),
    "root-forged": ({}, {"root": forged}, {}, "has 0 of the 1 signatures"),
    "root-number": ({"root": change(version=3)}, {}, {}, "version 3, and version 2 was announced"),
    "root-expired": ({"root": change(expires="2001-01-01T00:00:00Z")}, {}, {}, "expired"),
    "targets-forged": ({}, {"targets": forged}, {}, "has 0 of the 2 signatures"),
    "targets-one-signature": ({}, {"targets": one_key_twice}, {}, "has 1 of the 2 signatures"),
    "targets-same-key-twice": ({}, {"targets": repeat}, {}, "signed before"),
    "targets-expired": ({"targets": change(expires="2001-01-01T00:00:00Z")}, {}, {}, "expired"),
    "targets-number": ({"targets": change(version=7)}, {}, {}, "version 2 was announced"),
    "targets-float": ({}, {}, {"targets": lambda b: b.replace(b'"version": 2', b'"version": 2.0')},
                      "a fraction"),
    "targets-repeated-key": ({}, {}, {"targets": lambda b: b.replace(
        b'"version": 2', b'"version": 2, "version": 2')}, "not JSON: duplicate"),
    "targets-deep": ({}, {}, {"targets": lambda b: b.replace(
        b'"version": 2', b'"z": ' + b"[" * 99 + b"]" * 99)}, "more than 32 levels"),
    "delegate-forged": ({}, {"lab/é": forged}, {}, "'2.lab%2F%C3%A9.json': it has 0 of the 2"),
    "delegate-one-signature": ({}, {"lab/é": one_key_twice}, {}, "has 1 of the 2 signatures"),
    "delegate-expired": ({"lab/é": change(expires="2001-01-01T00:00:00Z")}, {}, {}, "expired"),
    "delegate-type": ({"lab/é": change(_type="lab/é")}, {}, {}, "'_type' is 'lab/é'"),
    "delegate-number": ({"lab/é": change(version=1)}, {}, {}, "version 2 was announced"),
    "delegate-unnamed": ({"snapshot": lambda s: s["meta"].pop("lab/é.json")}, {}, {},
                         "version 2 of the snapshot does not name it"),
    "delegate-hash": ({"snapshot": lambda s: s["meta"]["lab/é.json"]["hashes"].update(
        sha512="00" * 64)}, {}, {}, "does not hash"),
    "snapshot-forged": ({}, {"snapshot": forged}, {}, "has 0 of the 1 signatures"),
    "snapshot-without-targets": ({"snapshot": change(meta={})}, {}, {}, "'targets.json'"),
    "timestamp-forged": ({}, {"timestamp": forged}, {}, "has 0 of the 1 signatures"),
    "timestamp-without-meta": ({"timestamp": drop("meta")}, {}, {}, "'meta' is missing"),
    "timestamp-endless": ({}, {}, {"timestamp": lambda b: b + b" " * (1 << 20)}, "longer than"),
    "timestamp-expired": ({"timestamp": change(expires="2001-01-01T00:00:00Z")}, {}, {}, "expired"),
    "timestamp-hash": ({"timestamp": lambda s: s["meta"]["snapshot.json"]["hashes"].update(
        sha512="00" * 64)}, {}, {}, "does not hash"),
}


def make(folder, case):
    repo = Repository()
    content = b"what is in it\n"
    repo.targets["dir/a file"] = {"length": len(content), "hashes": {
        "sha256": sha256(content)}, "custom": {"x": 1}}
    repo.delegated["lab/é"]["lab/a_file"] = {"length": len(content), "hashes": {
        "sha512": hashlib.sha512(content).hexdigest()}}
    repo.publish_root(1)
    repo.spoil, repo.envelope, repo.raw, _ = CASES[case]
    repo.publish_root(2)
    repo.publish(2)
    os.makedirs(os.path.join(folder, "metadata"))
    os.makedirs(os.path.join(folder, "targets", "dir"))
    for name, data in repo.files.items():
        path = os.path.join(folder, "metadata", name)  # as a web server decodes %2F: a folder
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)
    os.makedirs(os.path.join(folder, "targets", "lab"))
    for name in ("dir/" + sha256(content) + ".a file",
                 "lab/" + hashlib.sha512(content).hexdigest() + ".a_file"):
        with open(os.path.join(folder, "targets", name), "wb") as out:
            out.write(content)


# --- a client -------------------------------------------------------------------------------------

class Refused(Exception):
    pass


def load(path, role):
    with open(path, "rb") as source:
        data = source.read()
    envelope = json.loads(data)
    signed = envelope["signed"]
    if signed["_type"] != role or not signed["spec_version"].startswith("1."):
        raise Refused("%s is no %s" % (path, role))
    if len({s["keyid"] for s in envelope["signatures"]}) != len(envelope["signatures"]):
        raise Refused("%s: a key signed twice" % path)
    return data, envelope, signed


def check(envelope, root, role):
    ids = root["roles"][role]["keyids"]
    keys = {i: root["keys"][i] for i in ids}
    for keyid, key in keys.items():
        if sha256(canonical(key)) != keyid:
            raise Refused("key %s is not what its id says" % keyid)
    if len(signatures(envelope, keys)) < root["roles"][role]["threshold"]:
        raise Refused("%s has too few signatures" % role)


def check_meta(data, signed, meta, name):
    if len(data) != meta["length"] or sha256(data) != meta["hashes"]["sha256"] or \
            signed["version"] != meta["version"]:
        raise Refused("%s is not the announced one" % name)


def verify(folder, root_path):
    _, envelope, root = load(root_path, "root")
    check(envelope, root, "root")
    while True:
        path = os.path.join(folder, "%d.root.json" % (root["version"] + 1))
        if not os.path.exists(path):
            break
        _, envelope, newer = load(path, "root")
        check(envelope, root, "root")
        check(envelope, newer, "root")
        if newer["version"] != root["version"] + 1:
            raise Refused("a root of another number")
        root = newer
    _, envelope, timestamp = load(os.path.join(folder, "timestamp.json"), "timestamp")
    check(envelope, root, "timestamp")
    signed, seen = timestamp, [root, timestamp]
    for role, name in (("snapshot", "snapshot.json"), ("targets", "targets.json")):
        meta = signed["meta"][name]
        data, envelope, signed = load(os.path.join(
            folder, "%d.%s" % (meta["version"], name)), role)
        check(envelope, root, role)
        check_meta(data, signed, meta, name)
        seen.append(signed)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for role in seen:
        if role["expires"] <= now:
            raise Refused("%s expired at %s" % (role["_type"], role["expires"]))
    return signed


def main():
    command = sys.argv[1]
    if command == "make":
        make(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "good")
    elif command == "cases":
        for name, case in CASES.items():
            print("%s\t%s" % (name, case[3] or ""))
    elif command == "canonical":
        sys.stdout.buffer.write(canonical(json.load(sys.stdin)))
    elif command == "verify":
        try:
            signed = verify(sys.argv[2], sys.argv[3])
        except Refused as why:
            sys.exit("refused: %s" % why)
        for path in sorted(signed["targets"]):
            entry = signed["targets"][path]
            print(path, entry["length"], entry["hashes"]["sha256"])
        for image, changes in sorted(signed.get("carrel", {}).get("channels", {}).items()):
            for c in changes:
                print("%s:%s -> %d" % (image, c["channel"], c["number"]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

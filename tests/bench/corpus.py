#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files for the benchmark's disks, and the change from one disk to the next.

  corpus.py collect TREE NEW PATCH BYTES GROWN
      Copy distinct real files into TREE, a folder below the tree GROWN, until all of that holds
      BYTES; besides, 3.5 % of that into NEW
      (files that the next disk gains) and 2 % into the file PATCH (bytes for overwriting).
      The files come from this machine's /usr and, where that is too little, out of large Debian
      packages. A content that GROWN or an earlier file has is not taken.
  corpus.py mutate DISK OFFSET TREE PREFIX NEW PATCH
      Change DISK in place (an ext4 at byte OFFSET, made from TREE standing there as PREFIX):
      remove 2 % of the files, add those of NEW, overwrite pieces of others with PATCH.
  corpus.py compare A B
      Print the bytes of the 4 KiB blocks that differ, and of those not zero in A.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile

BLOCK = 4096
SOURCES = os.environ.get("CORPUS_SOURCES", "/usr").split(":")
# Large ones of main; only as many as are needed are fetched.
PACKAGES = """libreoffice-core libreoffice-common chromium thunderbird firefox-esr libwine ghc
    openjdk-17-jre-headless openjdk-17-jdk-headless golang-1.19-go golang-1.19-src llvm-14-dev
    libstd-rust-dev rustc libboost1.74-dev inkscape gimp-data texlive-latex-extra texlive-fonts-extra
    fonts-noto-cjk fonts-noto-core qemu-system-arm qemu-system-misc libgtk-3-dev nodejs
    freecad-common blender-data kicad-symbols""".split()


def regular_files(root):
    """The plain files below ROOT in a stable order."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.path.isfile(path):
                yield path


def package_files():
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as work:
            command = ["apt-get", "-q", "download", package]
            if os.getuid() == 0:
                command[1:1] = ["-o", "APT::Sandbox::User=root"]
            print(f"corpus: fetching the package {package}", flush=True)
            if subprocess.run(command, cwd=work, stdout=subprocess.DEVNULL).returncode != 0:
                continue
            deb = os.path.join(work, os.listdir(work)[0])
            files = os.path.join(work, package)
            subprocess.run(["dpkg-deb", "-x", deb, files], check=True)
            for path in regular_files(files):
                yield path, os.path.relpath(path, work)


def all_files():
    """Each file's path here and its name in the tree."""
    for source in SOURCES:
        for path in regular_files(source):
            yield path, path.lstrip("/")
    yield from package_files()


def collect(tree, new, patch, wanted, grown):
    seen = set()
    base_bytes = new_bytes = patch_bytes = taken = 0
    for path in regular_files(grown):
        base_bytes += os.path.getsize(path)
        with open(path, "rb") as file:
            seen.add(hashlib.file_digest(file, "sha256").digest())
    os.makedirs(new)
    with open(patch, "wb") as patch_file:
        for path, name in all_files():
            try:
                if not 0 < os.path.getsize(path) <= wanted // 16:
                    continue
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                continue  # not for this user's eyes
            digest = hashlib.sha256(data).digest()
            if digest in seen:
                continue
            seen.add(digest)
            taken += 1
            # Spread evenly over the order of names: a bit of everything is new, a bit changes.
            if new_bytes < base_bytes * 7 // 200 and taken % 5 == 1 and len(data) < wanted // 100:
                target = os.path.join(new, f"{taken:07d}")
                new_bytes += len(data)
            elif patch_bytes < base_bytes * 2 // 100 and taken % 5 == 2 and len(data) < wanted // 100:
                patch_file.write(data)
                patch_bytes += len(data)
                continue
            else:
                target = os.path.join(tree, name)
                base_bytes += len(data)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
            os.chmod(target, 0o755 if os.access(path, os.X_OK) else 0o644)
            if base_bytes >= wanted:
                return
    sys.exit(f"corpus: only {base_bytes} of {wanted} bytes of distinct files were found")


def debugfs(disk, offset, commands, *options):
    with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
        script.write("".join(command + "\n" for command in commands))
        script.flush()
        done = subprocess.run(["debugfs", *options, "-f", script.name, f"{disk}?offset={offset}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return done.stdout


def mutate(disk, offset, tree, prefix, new, patch):
    files = [(path, os.path.getsize(path)) for path in regular_files(tree)]
    total = sum(size for _, size in files)

    def name_of(path):
        return f"\"{prefix}/{os.path.relpath(path, tree)}\""

    # Whole folders, as packages go and come, from places all over the disk.
    files.sort(key=lambda file: hashlib.md5(os.path.dirname(file[0]).encode()).digest())
    removed, held = 0, 0
    while held < total * 2 // 100:
        held += files[removed][1]
        removed += 1
    debugfs(disk, offset, [f"rm {name_of(path)}" for path, _ in files[:removed]], "-w")

    writes = [f"mkdir {prefix}/added", f"cd {prefix}/added"]
    writes += [f"write {path} {os.path.basename(path)}" for path in regular_files(new)]
    debugfs(disk, offset, writes, "-w")

    # Pieces of 4 to 256 KiB at the start, the middle or the end of files that are large enough
    # to be changed in place: small ones are replaced.
    changed = [file for file in files[removed::3] if file[1] >= 16 * BLOCK]
    answer = debugfs(disk, offset, [f"dump_extents -l {name_of(path)}" for path, _ in changed])
    # One line for each run of blocks: level, entry, first and last logical and physical block.
    lists = []
    for line in answer.splitlines():
        if line.startswith("debugfs:"):  # a command's echo: the next file
            lists.append([])
        extent = re.match(r" *\d+/ *\d+ +\d+/ *\d+ +\d+ - +\d+ +(\d+) - +(\d+) ", line)
        if extent:
            lists[-1].extend(range(int(extent[1]), int(extent[2]) + 1))
    with open(patch, "rb") as source, open(disk, "r+b") as target:
        for number, blocks in enumerate(lists):
            length = min(len(blocks) - 1, 1 << number % 7)
            if length <= 0:
                continue
            first = (0, (len(blocks) - length) // 2, len(blocks) - length)[number % 3]
            for block in blocks[first:first + length]:
                data = source.read(BLOCK)
                if not data:
                    return
                target.seek(offset + block * BLOCK)
                target.write(data)


def compare(path_a, path_b):
    zero = bytes(BLOCK)
    differing = used = 0
    with open(path_a, "rb") as a, open(path_b, "rb") as b:
        while True:
            data_a, data_b = a.read(1 << 20), b.read(1 << 20)
            if not data_a and not data_b:
                break
            for at in range(0, max(len(data_a), len(data_b)), BLOCK):
                block = data_a[at:at + BLOCK]
                differing += block != data_b[at:at + BLOCK]
                used += block != zero
    print(differing * BLOCK, used * BLOCK)


def main(words):
    if len(words) == 6 and words[0] == "collect":
        collect(words[1], words[2], words[3], int(words[4]), words[5])
    elif len(words) == 7 and words[0] == "mutate":
        mutate(words[1], int(words[2]), *words[3:])
    elif len(words) == 3 and words[0] == "compare":
        compare(*words[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shape of the tree: includes point downwards, folders tell what they are for, files stay short.

Run at the top of the tree; the ranks are in ranks.txt beside this file.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
README_LINES_MAX = 30
FILE_LINES_MAX = 600
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def ranks_read():
    ranks = {}
    with open(os.path.join(HERE, "ranks.txt"), encoding="utf-8") as table:
        for line in table:
            if line.strip() and not line.startswith("#"):
                rank, folder = line.split()
                ranks[folder] = int(rank)
    return ranks


def files(*patterns):
    out = subprocess.run([os.path.join(HERE, "files.sh"), *patterns], check=True,
                         stdout=subprocess.PIPE, text=True)
    return out.stdout.splitlines()


def includes_check(path, lines, ranks):
    folder = os.path.dirname(path)
    if folder not in ranks:
        yield f"{path}: its folder '{folder}' has no rank: add it to tests/lint/ranks.txt"
        return
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        target = os.path.dirname(found[1])
        if target == folder:
            continue
        where = f"{path}:{number}: includes \"{found[1]}\""
        if target not in ranks:
            yield f"{where}: write the path from the top of the tree, in a folder of ranks.txt"
        elif ranks[target] >= ranks[folder]:
            yield (f"{where}: '{folder}' (rank {ranks[folder]}) may include lower ranks only, "
                   f"'{target}' has {ranks[target]}")


def c_file_check(path, ranks):
    with open(path, encoding="utf-8") as source:
        lines = source.read().splitlines()
    if not lines or lines[0] != "/* SPDX-License-Identifier: MIT */":
        yield f"{path}:1: the first line must be /* SPDX-License-Identifier: MIT */"
    if path.endswith(".h") and "#pragma once" not in lines:
        yield f"{path}: a header says #pragma once"
    yield from includes_check(path, lines, ranks)


def length_check(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        count = sum(1 for _ in source)
    if count > FILE_LINES_MAX:
        yield f"{path}: {count} lines, at most {FILE_LINES_MAX}: a file is one idea"


def readme_check(folder):
    # tests/README.md speaks for the folders below it.
    path = os.path.join("tests" if folder.startswith("tests/") else folder, "README.md")
    if not os.path.exists(path):
        yield f"{folder}: has code and no {path} that says what it is for"
        return
    with open(path, encoding="utf-8") as readme:
        count = sum(1 for _ in readme)
    if count > README_LINES_MAX:
        yield f"{path}: {count} lines, at most {README_LINES_MAX}"


def main():
    ranks = ranks_read()
    problems = []
    c_files = files("*.c", "*.h")
    for path in c_files:
        problems += c_file_check(path, ranks)
    for path in files("*.c", "*.h", "*.py", "*.sh", "*.mk", "Makefile"):
        problems += length_check(path)
    for folder in sorted({os.path.dirname(path) for path in c_files}):
        problems += readme_check(folder)
    print("\n".join(problems) if problems else f"{len(c_files)} files")
    return 1 if problems or not c_files else 0


if __name__ == "__main__":
    sys.exit(main())

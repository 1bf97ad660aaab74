#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Judge the order in which an import makes things durable, from `strace -f -y` of it.

    publish_order.py TRACE             judge it; each fault is one line, exit status 1
    publish_order.py --mutants TRACE   the trace is good; without any one fsync that matters it is not

A file is on the disk before its name appears; a folder's names are there before something that
refers to them gets its own; the head's name is there before the user is told.
"""
import re
import sys

FOLDERS = ["packs", "segments", "manifests", "heads"]
CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)$")
FD = re.compile(r"(-?\d+)<([^>]*)>")
RENAME = re.compile(r'\d+<([^>]*)>, "([^"]*)", \d+<([^>]*)>, "([^"]*)"')


def calls(lines):
    """(number of the line where it began, where it ended, name, arguments) of calls that succeeded,
    in the order in which they ended: strace splits those that others interrupt."""
    begun = {}
    for number, line in enumerate(lines):
        pid = line.split(" ", 1)[0]
        resumed = re.match(r"\d+ +<\.\.\. (\w+) resumed>(.*)", line)
        if resumed:
            if pid not in begun:
                continue
            start, text = begun.pop(pid)
            text += resumed.group(2)
        elif line.rstrip().endswith("<unfinished ...>"):
            begun[pid] = (number, line.rstrip()[:-len("<unfinished ...>")])
            continue
        else:
            start, text = number, line.rstrip()
        match = CALL.match(text)
        if match and not re.search(r"= -1 [A-Z]+ ", text):
            yield start, number, match.group(1), match.group(2)


def judge(lines):
    faults = []
    written = {}  # path: the line where its last write ended
    synced = {}   # path: the line where the last fsync of it began that has ended
    renamed = {}  # folder's name: the line where the last rename into it ended
    folder_synced = {}
    seen = dict.fromkeys(FOLDERS, 0)
    told = False

    def folder_must_be_synced(folder, before):
        if folder in renamed and folder_synced.get(folder, -1) < renamed[folder]:
            faults.append(f"{folder}/ is not synced before {before}")

    for start, end, name, arguments in calls(lines):
        fd = FD.match(arguments)
        if name in ("write", "pwrite64") and fd:
            if fd.group(1) == "1":
                told = True
                folder_must_be_synced("heads", "the user is told")
                continue
            path = fd.group(2)
            written[path] = end
            if path.split("/")[-2:-1] and path.split("/")[-2] in FOLDERS:
                faults.append(f"line {end + 1}: '{path}' is written under its final name")
        elif name in ("fsync", "fdatasync") and fd:
            path = fd.group(2)
            synced[path] = start
            folder_synced[path.rsplit("/", 1)[-1]] = start
        elif name.startswith("rename"):
            match = RENAME.match(arguments)
            if not match:
                continue
            path = f"{match.group(1)}/{match.group(2)}"
            folder = match.group(3).rsplit("/", 1)[-1]
            if folder not in FOLDERS:
                continue
            seen[folder] += 1
            if path not in written:
                faults.append(f"line {start + 1}: no write into '{path}' was seen")
            elif synced.get(path, -1) < written[path]:
                faults.append(f"line {start + 1}: '{path}' gets its name in {folder}/ unsynced")
            for earlier in FOLDERS[:FOLDERS.index(folder)]:
                folder_must_be_synced(earlier, f"a name appears in {folder}/")
                if not seen[earlier]:
                    faults.append(f"{folder}/ is written before {earlier}/")
            renamed[folder] = end
            # The next file may get the same name in tmp.
            written.pop(path, None)
            synced.pop(path, None)
    for folder in FOLDERS:
        if not seen[folder]:
            faults.append(f"nothing was published into {folder}/")
    if not told:
        faults.append("the user was told nothing")
    return faults, seen


def mutants(lines):
    """Each fsync is left out in turn. One of a file always matters; of a folder's, one after the last
    rename into it does, and the others are the price of asking once for all folders."""
    faults, seen = judge(lines)
    if faults:
        return faults
    caught = {"file": 0, **dict.fromkeys(FOLDERS, 0)}
    problems = []
    for _, number, name, arguments in list(calls(lines)):
        if name not in ("fsync", "fdatasync"):
            continue
        path = FD.match(arguments).group(2)
        folder = path.rsplit("/", 1)[-1]
        kind = folder if folder in FOLDERS else "file"
        without = lines[:number] + lines[number + 1:]
        if judge(without)[0]:
            caught[kind] += 1
        elif kind == "file" and "/tmp/w" in path:
            problems.append(f"the fsync of '{path}' can be left out unnoticed")
    if caught["file"] != sum(seen.values()):
        problems.append(f"{caught['file']} fsyncs of files matter for {sum(seen.values())} files")
    for folder in FOLDERS:
        if caught[folder] != 1:
            problems.append(f"{caught[folder]} fsyncs of {folder}/ matter, not 1")
    print(f"published {seen}; caught without {caught}")
    return problems


def main():
    with open(sys.argv[-1], encoding="utf-8", errors="replace") as trace:
        lines = trace.readlines()
    faults = mutants(lines) if sys.argv[1] == "--mutants" else judge(lines)[0]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

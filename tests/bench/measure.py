# SPDX-License-Identifier: MIT
"""What every row of the benchmark uses: timed commands, servers, the table."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time


def run(args, **options):
    """Run a command to its end; wall and CPU seconds of it and its children, peak memory."""
    settle()
    start = time.monotonic()
    child = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if child.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, args))}\n{errors.decode(errors='replace')[-2000:]}")
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def settle():
    """What earlier commands wrote is on the disk before the next one is timed."""
    os.sync()


def say(text):
    print(f"  {text}", flush=True)


def output(args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout


def median(results, key="seconds"):
    return statistics.median(r[key] for r in results)


def tree_bytes(path):
    """Bytes of all files below a folder, or of one file: their content, not their blocks."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )


def fresh(path):
    """An empty folder at `path`."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            sys.exit(f"bench: {what} did not happen within {seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def server(args, ready, log):
    """A process that serves until the block ends; `ready()` tells when it does."""
    with open(log, "wb") as out:
        child = subprocess.Popen(args, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:

        def up():
            if child.poll() is not None:
                sys.exit(f"bench: {args[0]} ended: {open(log).read()[-2000:]}")
            return ready()

        wait_until(up, f"the start of {args[0]}")
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def process_tree(pid):
    pids = [pid]
    for found in pids:
        with contextlib.suppress(FileNotFoundError):
            for task in os.listdir(f"/proc/{found}/task"):
                with open(f"/proc/{found}/task/{task}/children") as f:
                    pids += [int(p) for p in f.read().split()]
    return pids


def cpu_seconds(pid):
    """CPU that a process and its children have used so far."""
    total = 0
    for each in process_tree(pid):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{each}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory_mib(pid, field="VmHWM"):
    """Peak resident memory of a process and its children, added up."""
    total = 0
    for each in process_tree(pid):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{each}/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
    return total / 1024


class Table:
    """Rows of what, ours, theirs, ratio, bar; the bar is met when the ratio reaches it."""

    def __init__(self):
        self.rows = []

    def add(self, what, unit, ours, peer, theirs, ratio, bar):
        """`ratio` is how much better we are; `bar` what it must reach at least, None: no bar."""
        self.rows.append(
            {
                "what": what,
                "unit": unit,
                "carrel": round(ours, 3),
                "peer": peer,
                "peer_value": round(theirs, 3),
                "ratio": round(ratio, 3),
                "bar": bar,
                "met": None if bar is None else ratio >= bar,
            }
        )

    def print(self):
        form = "{:<46} {:>11} {:<22} {:>11} {:<8} {:>7} {:>6}  {}"
        print(form.format("what", "carrel", "peer", "its value", "unit", "ratio", "bar", ""))
        for r in self.rows:
            print(
                form.format(
                    r["what"],
                    f"{r['carrel']:.2f}",
                    r["peer"],
                    f"{r['peer_value']:.2f}",
                    r["unit"],
                    f"{r['ratio']:.2f}",
                    "" if r["bar"] is None else f"{r['bar']:g}",
                    self.verdict(r),
                )
            )

    @staticmethod
    def verdict(row):
        if row["bar"] is None:
            return ""
        return "ok" if row["met"] else f"missed by {(1 - row['ratio'] / row['bar']) * 100:.0f} %"

    def save(self, path, facts):
        with open(path, "w") as f:
            json.dump({"machine": facts, "rows": self.rows}, f, indent=1)
            f.write("\n")


def machine():
    """What the figures were taken on."""
    with open("/proc/cpuinfo") as f:
        model = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    return {
        "cpu": model,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": os.uname().release,
    }

"""Runs programs and says what they took. Shared by the benchmarks."""

import argparse
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))  # for support.server


@dataclasses.dataclass(frozen=True)
class Run:
    wall: float  # seconds
    user: float  # seconds of CPU
    system: float
    memory: int  # bytes, the largest resident set


def arguments(description, **defaults):
    """The options of a benchmark: whole numbers with a default, and the program to measure."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--binary",
        type=pathlib.Path,
        default=ROOT / "build/release/tap-postgres",
        help="a release build",
    )
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=" ")
    parsed = parser.parse_args()
    parsed.binary = parsed.binary.resolve(strict=True)
    return parsed


def run(command):
    """Runs a program with its output thrown away; its failure is ours."""
    start = time.monotonic()
    # What it says of an error is worth showing; what it logs on the way is not.
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    log, peak = [], []
    threads = [
        threading.Thread(target=lambda: log.append(process.stderr.read())),
        threading.Thread(target=watch_memory, args=(process.pid, peak)),
    ]
    for thread in threads:
        thread.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    for thread in threads:
        thread.join()
    process.stderr.close()
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}\n{log[0].decode()}")
    return Run(wall, usage.ru_utime, usage.ru_stime, max(peak, default=0))


def watch_memory(pid, peak):
    """Collects a process's high-water mark till it ends. getrusage's also counts the parent that forked it: us."""
    while True:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            return
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if not found:
            return  # it has exited
        peak.append(int(found[1]) * 1024)
        time.sleep(0.02)


def alternate(pairs, ours, theirs):
    """Runs two commands in turn, after one round to warm up, each as often first as the other."""
    run(theirs), run(ours)
    mine, others = [], []
    for pair in range(pairs):
        for command, runs in [(ours, mine), (theirs, others)][:: 1 if pair % 2 else -1]:
            runs.append(run(command))
    return mine, others


def median(runs, what):
    return statistics.median(getattr(each, what) for each in runs)


def ratios(ours, theirs):
    """Wall time ours over theirs, pair by pair: median, smallest, largest."""
    each = [a.wall / b.wall for a, b in zip(ours, theirs)]
    return f"{statistics.median(each):.3f} ({min(each):.3f} to {max(each):.3f})"


def psql(server, dbname, statement):
    """A psql command that prints nothing but the answer."""
    return [
        "psql",
        "-X",
        "-q",
        "-A",
        "-t",
        "-h",
        server.host,
        "-p",
        server.port,
        "-U",
        "tap",
        "-d",
        dbname,
        "-c",
        statement,
    ]

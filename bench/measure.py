"""Runs programs and measures time and memory; shared by the benchmarks."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
from support.server import Server  # noqa: E402

DB = "bench"


@dataclasses.dataclass(frozen=True)
class Run:
    wall: float  # seconds
    user: float  # seconds of CPU
    system: float
    memory: int  # bytes, the largest resident set


def arguments(description, **defaults):
    """Parses the options of a benchmark: integers with a default, and the program to measure."""
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
    """Runs a program, discards its output and measures it; exits if the program fails."""
    start = time.monotonic()
    # Show the program's errors but not its log.
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
    """Collects a process's peak memory until it exits. getrusage() also counts the parent."""
    while True:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            return
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if not found:
            return  # the process has exited
        peak.append(int(found[1]) * 1024)
        time.sleep(0.02)


def alternate(pairs, ours, theirs):
    """Runs two commands alternately after a warm-up; each is first equally often."""
    run(theirs), run(ours)
    mine, others = [], []
    for pair in range(pairs):
        for command, runs in [(ours, mine), (theirs, others)][:: 1 if pair % 2 else -1]:
            runs.append(run(command))
    return mine, others


def median(runs, what):
    return statistics.median(getattr(each, what) for each in runs)


def median_ratio(ours, theirs):
    """Wall time of ours divided by theirs, per pair: the median."""
    return statistics.median(a.wall / b.wall for a, b in zip(ours, theirs))


def ratios(ours, theirs):
    """Wall time of ours divided by theirs, per pair: median, smallest and largest."""
    each = [a.wall / b.wall for a, b in zip(ours, theirs)]
    return f"{median_ratio(ours, theirs):.3f} ({min(each):.3f} to {max(each):.3f})"


def save(name, results):
    """Keeps the results of a benchmark for bench/chart."""
    folder = ROOT / "build/bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=2), encoding="utf-8")


def psql(server, dbname, statement):
    """A psql command that prints only the result of a statement."""
    address = ["-h", server.host, "-p", server.port, "-U", "tap", "-d", dbname]
    return [*"psql -X -q -A -t".split(), *address, "-c", statement]


@contextlib.contextmanager
def copy_server(tcp=False):
    """A server for benchmarks of full tables, with the empty database DB."""
    settings = {"shared_buffers": "1GB", "max_wal_size": "4GB", "autovacuum": "off"}
    with Server(settings, tcp=tcp) as server:
        server.create_database(DB)
        yield server


def about(server):
    """The server's version and the machine's size."""
    return f"PostgreSQL {'.'.join(map(str, server.version))}, {os.cpu_count()} cores"


def full_table_sync(server, binary, folder):
    """The command that syncs all tables of DB; its files are in the folder."""
    config, catalog = pathlib.Path(folder, "config.json"), pathlib.Path(folder, "catalog.json")
    config.write_text(json.dumps(server.config(DB, filter_dbs=DB)), encoding="utf-8")
    catalog.write_bytes(
        subprocess.check_output(
            [
                *(binary, "--config", config, "--log-level", "warning"),
                *"--discover --select * --replication-method FULL_TABLE".split(),
            ]
        )
    )
    return [binary, "--config", config, "--catalog", catalog]


def settle(server, table):
    """Vacuums and writes a checkpoint, so that neither runs during the measurement."""
    server.sql(f"VACUUM (FREEZE, ANALYZE) {table}", DB)
    server.sql("CHECKPOINT")


def copy_pairs(server, options, table):
    """Syncs the full table and copies it with psql alternately: the runs of both."""
    settle(server, table)
    with tempfile.TemporaryDirectory(prefix="tap-postgres-bench-") as folder:
        return alternate(
            options.pairs,
            full_table_sync(server, options.binary, folder),
            psql(server, DB, f"COPY {table} TO STDOUT (FORMAT binary)"),
        )


def compare_with_copy(description, table, sql):
    """Compares a full-table sync with psql's binary COPY of the table that `sql` creates."""
    options = arguments(description, rows=2_000_000, pairs=7)
    with copy_server() as server:
        server.sql(sql.format(rows=options.rows), DB)
        [[size, columns]] = server.sql(
            "SELECT pg_table_size(oid) / 1e6, relnatts FROM pg_class"
            f" WHERE oid = '{table}'::regclass",
            DB,
        )
        print(f"{options.rows:,} rows, {columns} columns, {size:,.0f} MB, {about(server)}")
        ours, theirs = copy_pairs(server, options, table)

    print(f"medians of {options.pairs} runs each, in turn, output to /dev/null")
    for name, runs in (("psql COPY (FORMAT binary)", theirs), ("tap-postgres", ours)):
        wall, user, system = (median(runs, what) for what in ("wall", "user", "system"))
        print(
            f"  {name:26} {wall:6.3f} s wall, {options.rows / wall:9,.0f} rows/s,"
            f" {user / options.rows * 1e6:5.3f} us user + {system / options.rows * 1e6:5.3f} us "
            "system CPU a row,"
            f" {max(each.memory for each in runs) / 2**20:5.1f} MiB"
        )
    print(f"wall time ours / psql's, pair by pair: {ratios(ours, theirs)}")

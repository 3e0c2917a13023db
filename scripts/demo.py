"""The demo that scripts/demo runs: discover, copy and follow the database of a shop."""

import collections
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/integration"))
from support.server import Server  # noqa: E402  (found only with the path above)

WIDTH = max(80, shutil.get_terminal_size((120, 0)).columns)


class Demo:
    """The user's side: a folder with files and a shell prompt."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder

    def write(self, name, content):
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def read(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def last_state(self, name):
        return [
            json.loads(line)["value"]
            for line in self.lines(name)
            if line.startswith(b'{"type":"STATE"')
        ][-1]

    def lines(self, name):
        with open(self.folder / name, "rb") as file:
            yield from file

    def tap(self, arguments, output):
        """Shows and runs a user's command; returns how many seconds it took."""
        say(f"$ tap-postgres {arguments} > {output}")
        start = time.monotonic()
        with open(self.folder / output, "wb") as stdout:
            subprocess.run(
                [self.binary, *shlex.split(arguments)], cwd=self.folder, stdout=stdout, check=True
            )
        return time.monotonic() - start


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that cleanup runs
    folder = HERE.parent / "build/demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with Server() as server:
        demo = Demo(binary, folder)
        sample_data(demo, server)
        discovery(demo)
        full_table(demo, server)
        log_based(demo, server)
    heading("Done: the server is stopped, its folder removed; what the tap wrote is in build/demo")


def sample_data(demo, server):
    heading("A throwaway PostgreSQL with a shop's data")
    server.create_database("shop")
    server.sql((HERE / "demo.sql").read_text(encoding="utf-8"), "shop")
    say(
        server.sql("SELECT split_part(version(), ' on ', 1)")[0][0]
        + f" on {server.host}, port {server.port}"
    )
    demo.write("config.json", server.config("shop", filter_dbs="shop"))


def discovery(demo):
    heading("Discovery")
    demo.tap(
        "--config config.json --discover --replication-method FULL_TABLE --select '*' --select "
        "'!events_20*'",
        "catalog.json",
    )
    for stream in demo.read("catalog.json")["streams"]:
        table, *columns = [entry["metadata"] for entry in stream["metadata"]]
        say(
            f"\n{stream['tap_stream_id']}: {'view' if table['is-view'] else 'table'}, "
            f"key {', '.join(table['table-key-properties']) or 'none'}, about "
            f"{table['row-count']:,} rows"
        )
        if not table["selected"]:
            say("    not selected: a partition, which the whole table has the rows of")
            continue
        for name, column in zip(stream["schema"]["properties"], columns):
            say(
                f"    {name:14} {column['sql-datatype']:28} "
                f"{json.dumps(stream['schema']['properties'][name])}"
            )


def full_table(demo, server):
    heading("Full-table sync")
    seconds = demo.tap("--config config.json --catalog catalog.json", "messages.jsonl")
    counts = collections.Counter()
    state = None
    for line in demo.lines("messages.jsonl"):
        message = json.loads(line)
        if message["type"] == "RECORD":
            counts[message["stream"]] += 1
            if counts[message["stream"]] == 1:
                say("\n" + clip(line.decode()))
        elif message["type"] == "STATE":
            state = message["value"]
    say(f"\n{'stream':20} {'RECORD lines':>12} {'rows in PostgreSQL':>20}")
    for stream, count in counts.items():
        [[rows]] = server.sql(f'SELECT count(*) FROM "{stream}"', "shop")
        say(f"{stream:20} {count:12,} {rows:20,}")
    total = counts.total()
    say(
        f"\n{total:,} rows in {seconds:.2f} s, connecting included: {total / seconds:,.0f} rows a "
        "second"
    )
    say("\nThe state for the next run:\n" + json.dumps(state, indent=2))


def log_based(demo, server):
    heading("Log-based sync: the first run makes a slot and copies")
    demo.write("log.json", {**demo.read("config.json"), "create_replication_slot": True})
    demo.tap(
        "--config log.json --discover --replication-method LOG_BASED --select customers",
        "log-catalog.json",
    )
    seconds = demo.tap("--config log.json --catalog log-catalog.json", "first.jsonl")
    records = show_records(demo, "first.jsonl", 1)
    say(f"\n{records:,} rows in {seconds:.2f} s")

    heading("Changes to the table")
    for statement in (
        "INSERT INTO customers (id, name) VALUES (1000001, 'Ada')",
        "UPDATE customers SET name = 'Ada Lovelace' WHERE id = 1000001",
        "DELETE FROM customers WHERE id = 1000001",
    ):
        say(f"shop=# {statement};")
        server.sql(statement, "shop")

    heading("The second run reads WAL")
    demo.write("state.json", demo.last_state("first.jsonl"))
    seconds = demo.tap(
        "--config log.json --catalog log-catalog.json --state state.json", "second.jsonl"
    )
    records = show_records(demo, "second.jsonl", 3)
    say(f"\n{records} changes in {seconds:.2f} s")

    heading("The third finds nothing new")
    demo.write("state.json", demo.last_state("second.jsonl"))
    seconds = demo.tap(
        "--config log.json --catalog log-catalog.json --state state.json", "third.jsonl"
    )
    records = show_records(demo, "third.jsonl", 0)
    say(
        f"\n{records} changes in {seconds:.2f} s; and the slot, now that the state says what the "
        "target has:"
    )
    demo.tap("slot status --config log.json", "slots.txt")
    say((demo.folder / "slots.txt").read_text(encoding="utf-8"))


def show_records(demo, name, shown):
    """Shows the first RECORD lines of a file; returns the number of RECORD lines."""
    records = [line for line in demo.lines(name) if line.startswith(b'{"type":"RECORD"')]
    for line in records[:shown]:
        say("\n" + clip(line.decode()))
    return len(records)


def heading(text):
    say(f"\n== {text}\n")


def say(text):
    print(text, flush=True)


def clip(line, rows=3):
    """Shortens a line to a few rows of the terminal."""
    line = line.rstrip("\n")
    return line if len(line) <= rows * WIDTH else line[: rows * WIDTH - 3] + "..."


if __name__ == "__main__":
    main()

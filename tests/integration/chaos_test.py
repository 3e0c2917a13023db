"""Interrupts runs at random while tables are written; no row or change may be lost.

Each round has its own tables, which are filled and changed from a seed. TAP_TEST_PARALLEL is the
largest number of connections of a copy (1), TAP_ROUNDS the number of rounds (30) and TAP_SEED the
seed: `TAP_SEED=17.4 TAP_ROUNDS=1` repeats only round 4 of seed 17. How many changes the writers
make between two interruptions depends on the machine, everything else on the seed. A failed round
reports the folder with its log.
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import tempfile
import threading
import unittest

import psycopg2

from support import compare, pipeline, tap, wal_workload, workload
from support.plugins import PLUGIN
from support.proxy import Proxy
from support.server import SUPERUSER, Server

SEED, _, FIRST = os.environ.get("TAP_SEED", str(random.randrange(10**6))).partition(".")
ROUNDS = int(os.environ.get("TAP_ROUNDS") or 30)
PARALLEL = int(os.environ.get("TAP_TEST_PARALLEL") or 1)

SOURCE, COPY = "source", "copy"
# Interruptions: their frequency and the exit codes of tap and target that they may cause. A tap
# that finishes earlier exits with 0.
EVENTS = {
    "kill the tap": (4, {-9}, {0}),
    "stop the tap": (2, {128 + signal.SIGTERM}, {0}),
    "kill the target": (4, {1}, {-9}),
    "terminate the backend": (3, set(), {0}),
    "reset the network": (2, set(), {0}),
    "crash the server": (1, set(), {0}),
}
KEYS = {**workload.KEYS, **wal_workload.KEYS}
WRITERS = {
    **dict.fromkeys(workload.FULL + workload.INCREMENTAL, workload.Writer),
    **dict.fromkeys(wal_workload.LOG_BASED, wal_workload.Writer),
    "overlapping": wal_workload.Overlapping,
}


def setUpModule():
    ChaosTest.source = Server()
    unittest.addModuleCleanup(ChaosTest.source.close)
    ChaosTest.destination = Server()
    unittest.addModuleCleanup(ChaosTest.destination.close)
    ChaosTest.source.create_database(SOURCE)
    ChaosTest.source.create_reader("REPLICATION")
    ChaosTest.destination.create_database(COPY)


class Writing:
    """The writers of a schema's tables, one thread and connection each, until stop()."""

    def __init__(self, server, schema, seed):
        self.server = server
        self.schema = schema
        self.over = threading.Event()
        self.faults = []
        self.steps = 0
        self.threads = [
            threading.Thread(
                target=self.run, args=(table, random.Random(f"{seed} {table}")), daemon=True
            )
            for table in WRITERS
        ]
        for thread in self.threads:
            thread.start()

    def run(self, table, rng):
        writer = WRITERS[table](table, None, rng)
        while not self.over.is_set():
            connection = None
            try:
                connection = self.server.connect(SOURCE)
                with connection.cursor() as cursor:
                    cursor.execute(f"SET search_path TO {self.schema}")
                    writer.use(cursor)
                    while not self.over.wait(rng.random() / 16):
                        writer.step()
                        self.steps += 1
            except psycopg2.Error as fault:
                if (fault.pgcode or "57P")[:3] != "57P":
                    self.faults.append(fault)
                    return
                self.over.wait(0.05)  # the server is down
            finally:
                if connection:
                    connection.close()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]


class ChaosTest(unittest.TestCase):
    source = destination = None  # servers

    def test_destination_equals_source_after_every_round(self):
        rounds = [int(FIRST)] if FIRST else range(1, ROUNDS + 1)
        for number in rounds:
            with self.subTest(replay=f"TAP_SEED={SEED}.{number}"):
                Round(f"{SEED}.{number}", self.source, self.destination).run()

    @classmethod
    def setUpClass(cls):
        print(f"TAP_SEED={SEED} TAP_ROUNDS={ROUNDS}", flush=True)


class Round:
    def __init__(self, seed, source, destination):
        self.seed = seed
        self.rng = random.Random(seed)
        self.source = source
        self.destination = destination
        self.schema = "round_" + seed.partition(".")[2]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tap-postgres-chaos-{seed}-"))
        self.runs = 0

    def run(self):
        try:
            self.play()
        except psycopg2.errors.DataCorrupted as fault:
            # Rare (once in 1,800 rounds): a server that crashed after a TRUNCATE lost a block of
            # its own.
            self.write_log(f"{fault}")
            raise unittest.SkipTest(
                f"the server has lost data: {fault}\nthe log is in {self.folder}"
            ) from fault
        except BaseException as fault:
            self.write_log(f"{fault}")
            raise AssertionError(f"{fault}\nthe log is in {self.folder}") from fault
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def play(self):
        with (
            contextlib.closing(self.source.connect(SOURCE)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE SCHEMA {self.schema}; SET search_path TO {self.schema}")
            rows = self.rng.choice((50, 150, 300))
            workload.setup(cursor, rows)
            wal_workload.setup(cursor, rows, random.Random)
            tables = ", ".join(wal_workload.published(connection.server_version))
            cursor.execute(f"CREATE PUBLICATION {self.schema} FOR TABLE {tables}")
            cursor.execute(
                "SELECT pg_create_logical_replication_slot(%s, %s)", (self.schema, PLUGIN)
            )
        with Proxy(self.source.port) as proxy:
            config = {
                **self.source.config(SOURCE, filter_dbs=SOURCE, filter_schemas=self.schema),
                "user": "reader",
                "port": proxy.port,
                "replication_slot": self.schema,
                "publication_name": self.schema,
                "parallel": self.rng.choice((1, PARALLEL)) if PARALLEL > 1 else 1,
                "state_every_rows": self.rng.choice((3, 20, 100)),
            }
            catalog = tap.select(tap.discover(config), *workload.FULL)
            catalog = tap.select(catalog, *workload.INCREMENTAL, method="INCREMENTAL", key="k")
            catalog = tap.select(catalog, *wal_workload.LOG_BASED, method="LOG_BASED")
            tap.metadata(tap.stream(catalog, "part"))["table-key-properties"] = workload.KEYS[
                "part"
            ]
            state = None
            writing = Writing(self.source, self.schema, self.seed)
            try:
                for _ in range(self.rng.randint(2, 4)):
                    state = self.interrupt(config, catalog, state, proxy)
            finally:
                writing.stop()
            self.write_log(f"the writers have done {writing.steps} steps")
            # A resumed copy may contain rows that have been deleted since; WAL deletes them later.
            copied = {
                *workload.FULL,
                *(table for table in wal_workload.LOG_BASED if not self.is_followed(state, table)),
            }
            state = self.run_to_the_end(config, catalog, state)
            self.check(extra_allowed=copied)
            self.run_to_the_end(config, catalog, state)
            self.check(extra_allowed=())
        self.source.sql(f"SELECT pg_drop_replication_slot('{self.schema}')", SOURCE)
        self.source.sql(f"DROP SCHEMA {self.schema} CASCADE", SOURCE)
        self.destination.sql(f"DROP SCHEMA {self.schema} CASCADE", COPY)

    def is_followed(self, state, table):
        """Whether the initial snapshot of the table is complete in the state."""
        bookmark = json.loads(state or '{"bookmarks": {}}')["bookmarks"].get(
            f"{SOURCE}-{self.schema}-{table}", {}
        )
        return "lsn" in bookmark and "copy" not in bookmark

    def slot(self):
        [(position,)] = self.source.sql(
            "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots"
            f" WHERE slot_name = '{self.schema}'"
        )
        return int(position)

    def lowest_lsn(self, state):
        """The lowest LSN of a state: the target has everything before it."""
        bookmarks = json.loads(state or '{"bookmarks": {}}')["bookmarks"].items()
        positions = [
            bookmark.get("copy", bookmark).get("lsn")
            for stream, bookmark in bookmarks
            if "-wal_" in stream
        ]
        return min((position for position in positions if position), default=self.slot_at_start)

    def pipeline(self, config, catalog, state):
        self.runs += 1
        self.slot_at_start = self.slot()
        dsn = (
            f"host={self.destination.folder} port={self.destination.port} user={SUPERUSER} "
            f"dbname={COPY}"
        )
        args = ["--schema", self.schema] + ["--keep-unconfirmed"] * (self.rng.random() < 0.5)
        (self.folder / f"state{self.runs}.json").write_text(state or "")
        (self.folder / f"catalog{self.runs}.json").write_text(json.dumps(catalog))
        return pipeline.Pipeline(
            config, catalog, state, dsn, *args, record=self.folder / f"messages{self.runs}.jsonl"
        )

    def interrupt(self, config, catalog, state, proxy):
        """Runs and interrupts the run at random; returns the target's last state."""
        what = self.rng.choices(list(EVENTS), [often for often, _, _ in EVENTS.values()])[0]
        lines = int(2 ** self.rng.uniform(0, 11))
        after = self.rng.choice((None, b'"SCHEMA","stream":"wal_'))
        part = self.rng.choice((0, 0, 20))
        running = self.pipeline(config, catalog, state)
        self.write_log(
            f"run {self.runs}: {what} after {lines} lines{' of the log' if after else ''}"
        )
        if running.relay(lines, after=after):
            if what == "kill the tap":
                if part:
                    running.relay(0, part)
                running.kill_tap()
            elif what == "stop the tap":
                running.kill_tap(signal.SIGTERM)
            elif what == "kill the target":
                running.kill_target()
            elif what == "terminate the backend":
                self.source.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
                    "'reader'"
                )
            elif what == "reset the network":
                proxy.reset()
            else:
                self.source.restart("immediate")
        outcome = self.finish(running)
        _, tap_codes, target_codes = EVENTS[what]
        codes = outcome.tap_code, outcome.target_code
        expected = codes[0] in tap_codes | {0} and codes[1] in target_codes | {0}
        assert expected, f"{what}: exit codes {codes}"
        return outcome.state

    def run_to_the_end(self, config, catalog, state):
        """Runs without interruption."""
        outcome = self.finish(self.pipeline(config, catalog, state))
        codes = outcome.tap_code, outcome.target_code
        assert codes == (0, 0), f"exit codes {codes} of an uninterrupted run"
        return outcome.state

    def finish(self, running):
        outcome = running.finish()
        self.write_log(
            f"run {self.runs}: exit codes {outcome.tap_code}, {outcome.target_code}; "
            f"{dict(outcome.kinds)}\n"
            f"{outcome.tap_log}{outcome.target_log}state {outcome.state}\n"
        )
        pipeline.until(
            lambda: not self.source.sql("SELECT 1 FROM pg_replication_slots WHERE active"),
            "the slot is in use",
        )
        slot, least = self.slot(), self.lowest_lsn(running.given)
        assert slot <= max(
            least, self.slot_at_start
        ), f"the slot is at {slot}, past {least}, which the target has confirmed"
        return outcome

    def check(self, extra_allowed):
        with (
            contextlib.closing(self.source.connect(SOURCE)) as source,
            contextlib.closing(self.destination.connect(COPY)) as destination,
        ):
            for table, keys in KEYS.items():
                compare.check_equal(
                    source,
                    f'{self.schema}."{table}"',
                    destination,
                    f"{self.schema}.{table}",
                    table in extra_allowed,
                    keys,
                )

    def write_log(self, text):
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            log.write(text + "\n")


if __name__ == "__main__":
    unittest.main()

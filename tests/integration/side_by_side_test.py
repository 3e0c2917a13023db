"""With several connections, whole streams are copied at the same time."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

from support import tap
from support.parallel_case import CONNECTIONS, ParallelTest
from support.pipeline import until
from support.wal_case import WalTest

TABLES = 12
ROWS = 1500
NAMES = [f"t{i}" for i in range(TABLES)]
MANY = f"""DO $$ BEGIN FOR i IN 0..{TABLES - 1} LOOP
    EXECUTE format('CREATE TABLE {{s}}.t%s (id int PRIMARY KEY, n int, pad text)', i);
    EXECUTE format('INSERT INTO {{s}}.t%s SELECT g, 0, repeat(''x'', 300)
                      FROM generate_series(1, {ROWS}) g', i);
    END LOOP; END $$"""
UPDATE_ALL = """DO $$ BEGIN FOR i IN 0..11 LOOP
    EXECUTE format('UPDATE {s}.t%s SET n = n + 1 WHERE id %% 100 = 7', i);
    END LOOP; END $$"""


class SideBySideTest(ParallelTest):
    database = "side_by_side"

    def setUp(self):
        super().setUp()
        self.config["state_every_rows"] = 1000

    def check_all(self, *names):
        for name in names or NAMES:
            self.check_equal(name)

    def test_rows_equal_the_source(self):
        self.sql(MANY)
        result = self.sync(self.catalog(*NAMES), None, "-v")
        self.check_order(result.messages)
        self.assertEqual(
            {name: len(result.records(name)) for name in NAMES}, dict.fromkeys(NAMES, ROWS)
        )
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_all()
        self.assertEqual(sorted(result.states[-1]["bookmarks"]), sorted(map(self.id_of, NAMES)))
        self.assertIsNone(result.states[-1]["currently_syncing"])
        self.assertIn(f"INFO {TABLES} of {TABLES} streams, {TABLES * ROWS} rows", result.stderr)

    def test_messages_are_those_of_one_connection(self):
        self.sql(MANY)
        self.sql("CREATE VIEW {s}.v AS SELECT id FROM {s}.t0; CREATE TABLE {s}.empty (id int)")
        catalog = self.catalog(*NAMES, "v", "empty")
        one, three = (self.sync(catalog, parallel=parallel) for parallel in (1, 3))

        def by_stream(result):
            streams = {}
            for message in result.messages:
                if message["type"] != "STATE":
                    message.pop("version", None)
                    message.pop("time_extracted", None)
                    streams.setdefault(message["stream"], []).append(message)
            return streams

        self.assertEqual(by_stream(one), by_stream(three))

    def test_number_of_connections(self):
        self.sql(MANY)
        running = self.start(self.catalog(*NAMES))
        running.read(5)
        until(lambda: self.sql(f"SELECT count(*) {CONNECTIONS}") == [(3,)], "not three connections")
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)

    def test_incremental_streams(self):
        self.sql(MANY)
        catalog = self.catalog(*NAMES, method="INCREMENTAL", key="id")
        result = self.sync(catalog)
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_all()
        self.sql("INSERT INTO {s}.t3 VALUES (5000, 1, ''), (5001, 1, '')")
        state = result.states[-1]
        self.assertEqual({self.bookmark(state, n)["replication_key_value"] for n in NAMES}, {ROWS})
        second = self.sync(catalog, state)
        self.assertEqual([r["id"] for r in second.records("t3")], [ROWS, 5000, 5001])
        self.assertEqual([r["id"] for r in second.records("t4")], [ROWS])

    def test_each_state_leads_to_a_complete_destination(self):
        self.sql(MANY)
        catalog = self.catalog(*NAMES)
        for name in NAMES[::2]:
            entry = tap.metadata(tap.stream(catalog, name))
            entry["replication-method"], entry["replication-key"] = "INCREMENTAL", "id"
        first = self.sync(catalog)
        lines = first.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(first.types) if kind == "STATE"]
        self.assertGreater(len(ends), 5)
        for end in self.rng.sample(ends[1:-1], 4):
            self.clear_destination()
            state = self.send_to_target(lines[: end + 100])[-1]
            parallel = self.rng.choice((1, 3))
            with self.subTest(state=state, parallel=parallel):
                second = self.sync(catalog, state, parallel=parallel)
                self.send_to_target(second.stdout.splitlines(keepends=True))
                self.check_all()

    def test_stopped_by_a_signal(self):
        self.sql(MANY)
        catalog = self.catalog(*NAMES)
        running = self.pipeline(catalog)
        self.assertTrue(running.relay(8000))  # three tables at most are incomplete
        running.kill_tap(15)
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (143, 0), outcome.tap_log)
        second = self.sync(catalog, json.loads(outcome.state))
        self.assertLess(second.types.count("RECORD"), TABLES * ROWS)
        self.send_to_target(second.stdout.splitlines(keepends=True))
        self.check_all()

    def test_closed_output(self):
        self.sql(MANY)
        summary = pathlib.Path(tempfile.mkdtemp()) / "summary.json"
        self.addCleanup(shutil.rmtree, summary.parent)
        running = self.start(self.catalog(*NAMES), None, "--summary", str(summary))
        running.read(100)
        running.process.stdout.close()
        self.assertEqual(running.wait(), 1, running)
        streams = json.loads(summary.read_text())["streams"]
        self.assertEqual({s["status"] for s in streams}, {"incomplete"})
        self.assertNotIn("ERROR", running.log)
        until(lambda: not self.sql(f"SELECT 1 {CONNECTIONS}"), "a connection is still open")

    def test_other_streams_after_an_error(self):
        self.sql(MANY)
        catalog = self.catalog(*NAMES)
        self.sql("DROP TABLE {s}.t5; ALTER TABLE {s}.t7 RENAME TO other")
        result = self.sync(catalog, expect=1)
        for name in NAMES:
            self.assertEqual(
                len(result.records(name)), 0 if name in ("t5", "t7") else ROWS, result.stderr
            )
        for name in ("t5", "t7"):
            self.assertRegex(
                result.stderr,
                rf'ERROR stream {self.id_of(name)}: table "{self.schema}"."{name}" is not in the ',
            )
        self.assertRegex(result.stderr, f"CRITICAL 2 of {TABLES} streams failed: ")

    def test_lost_connections(self):
        self.sql(MANY)
        running = self.pipeline(self.catalog(*NAMES))
        for _ in range(3):
            self.assertTrue(running.relay(2000))
            backends = [pid for (pid,) in self.sql(f"SELECT pid {CONNECTIONS}")]
            self.sql(f"SELECT pg_terminate_backend({self.rng.choice(backends)})")
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.assertRegex(outcome.tap_log, "trying again in 0.5 s")
        self.check_all()
        until(lambda: not self.sql(f"SELECT 1 {CONNECTIONS}"), "a connection is still open")

    def test_fewer_connections_than_wanted(self):
        self.sql(MANY + "; CREATE ROLE few LOGIN CONNECTION LIMIT 2")
        self.addCleanup(self.sql, "DROP OWNED BY few; DROP ROLE few")
        self.sql(
            "GRANT USAGE ON SCHEMA {s} TO few; GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO few"
        )
        result = self.sync(self.catalog(*NAMES), user="few", parallel=4)
        self.assertEqual(result.types.count("RECORD"), TABLES * ROWS)
        self.assertRegex(
            result.stderr,
            r"WARNING copying with 2 of 4 connections: cannot connect .*"
            r'too many connections for role "few" \(SQLSTATE 53300\)\n',
        )

    def test_fewer_tables_than_shares(self):
        """Each has more than half of a connection's share, but too few rows to be divided."""
        self.sql(MANY)
        result = self.sync(self.catalog(*NAMES), None, "-v", parallel=8, state_every_rows=100_000)
        self.assertEqual(result.types.count("RECORD"), TABLES * ROWS)
        self.assertNotIn("SET TRANSACTION SNAPSHOT", result.stderr)
        self.assertEqual(len(re.findall("BEGIN ISOLATION LEVEL REP", result.stderr)), TABLES)

    def test_connection_limit_after_a_failed_stream(self):
        self.sql(MANY + "; CREATE ROLE few LOGIN CONNECTION LIMIT 2")
        self.addCleanup(self.sql, "DROP OWNED BY few; DROP ROLE few")
        self.sql("CREATE TABLE {s}.large AS SELECT i AS id FROM generate_series(1, 100000) i")
        self.sql(
            "GRANT USAGE ON SCHEMA {s} TO few; GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO few"
        )
        catalog = self.catalog("large", *NAMES)
        self.sql("REVOKE SELECT ON {s}.large FROM few")
        result = self.sync(catalog, user="few", parallel=4, expect=1)
        self.assertEqual(result.types.count("RECORD"), TABLES * ROWS)
        self.assertIn("WARNING copying with 2 of 4 connections: ", result.stderr)
        self.assertIn(f"CRITICAL 1 of {TABLES + 1} streams failed: ", result.stderr)

    def test_locked_table(self):
        """No size is read while it is locked; the other tables are copied before it."""
        self.sql(MANY)
        holder = self.session()
        with holder.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t9")
            running = self.start(self.catalog(*NAMES))
            streams = set()
            while len(streams) < TABLES - 1:
                [message] = running.read(1)
                streams.add(message.get("stream"))
                streams.discard(None)
            cursor.execute("ROLLBACK")
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertRegex(
            running.log,
            r"INFO cannot read the sizes of the tables in side_by_side \(.*lock timeout.*\): each "
            "is read over one connection\n",
        )

    def test_password_command_of_a_new_connection(self):
        """Signals are blocked in the threads, but not in the command."""
        self.sql(MANY)
        running = self.pipeline(self.catalog(*NAMES), password_command="timeout 20 echo secret")
        self.assertTrue(running.relay(2000))
        self.sql(f"SELECT pg_terminate_backend(pid) {CONNECTIONS}")
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.check_all()

    def test_large_table_beside_small_ones(self):
        """All connections read it, then the others."""
        self.require_version(14, "ranges of a table's blocks are read")
        self.sql(MANY)
        self.sql(
            "CREATE TABLE {s}.large (id int PRIMARY KEY, n int, pad text);"
            "INSERT INTO {s}.large SELECT i, 0, repeat('x', 500) FROM generate_series(1, 9000) i"
        )
        result = self.sync(self.catalog("large", *NAMES), None, "-v", state_every_rows=500)
        streams = [record["stream"] for record in result.of_type("RECORD")]
        self.assertEqual(set(streams[:9000]), {"large"})
        self.assertEqual(len(streams), 9000 + TABLES * ROWS)
        self.assertGreater(len(re.findall("SET TRANSACTION SNAPSHOT", result.stderr)), 1)
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_all("large", *NAMES)


class InitialSnapshotTest(WalTest):
    database = "side_by_side_log"

    def test_changes_after_the_snapshot(self):
        self.sql(MANY)
        self.config.update(parallel=3, state_every_rows=1000)
        self.selected = self.catalog(*NAMES, method="LOG_BASED")
        running = self.pipeline(self.selected)
        self.assertTrue(running.relay(5000))
        self.sql(UPDATE_ALL + "; DELETE FROM {s}.t2 WHERE id % 3 = 0")
        running.kill_tap()
        self.state = running.finish().state
        self.sql("INSERT INTO {s}.t4 SELECT i, 2, '' FROM generate_series(10001, 12000) i")
        self.follow()
        self.check_followed(*NAMES)


if __name__ == "__main__":
    unittest.main()

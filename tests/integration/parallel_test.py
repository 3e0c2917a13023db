"""Large tables are copied over several connections at the same time."""

import json
import re
import subprocess
import threading
import unittest

from support import tap
from support.parallel_case import CONNECTIONS, ParallelTest
from support.pipeline import Tap, until
from support.resume import PARTITIONED, ResumeTest
from support.server import Server
from support.wal_case import WalTest

ROWS = 9000
BIG = f"""
    CREATE TABLE {{s}}.t (id int PRIMARY KEY, n int, pad text);
    INSERT INTO {{s}}.t SELECT i, 0, repeat('x', 500) FROM generate_series(1, {ROWS}) i;
"""
NO_THREAD = (
    "cannot start a thread (Resource temporarily unavailable): raise the limit of processes "
    "(ulimit -u, or pids.max of the container) or of memory, or lower `parallel`"
)


class RangesTest(ParallelTest, ResumeTest):
    database = "parallel"

    def setUp(self):
        super().setUp()
        self.require_version(14, "ranges of a table's blocks are read")
        self.config["state_every_rows"] = 500

    def copies(self, result):
        return len(re.findall(r"COPY \(", result.stderr))


class CopyTest(RangesTest):
    def test_rows_equal_the_source(self):
        self.sql(BIG)
        result = self.sync(self.catalog("t"), None, "-v")
        self.assertEqual(sorted(self.ids(result)), list(range(1, ROWS + 1)))
        self.check_order(result.messages)
        self.assertGreater(self.copies(result), 10)
        self.assertEqual(len(re.findall("SET TRANSACTION SNAPSHOT", result.stderr)), 2)
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_equal("t")
        self.check_end(result, result.messages[-2]["version"])

    def test_small_table_has_one_connection(self):
        self.sql("CREATE TABLE {s}.t AS SELECT generate_series(1, 100) AS id")
        result = self.sync(self.catalog("t"), None, "-v", state_every_rows=100_000)
        self.assertEqual(self.ids(result), list(range(1, 101)))
        self.assertNotIn("SET TRANSACTION SNAPSHOT", result.stderr)

    def test_snapshot_is_shared(self):
        self.sql(BIG)
        running = self.start(self.catalog("t"))
        before = running.read(500)
        self.sql("UPDATE {s}.t SET n = 1; DELETE FROM {s}.t WHERE id % 3 = 0")
        self.sql("INSERT INTO {s}.t SELECT i, 2, '' FROM generate_series(10001, 12000) i")
        records = [m["record"] for m in before + running.read_rest() if m["type"] == "RECORD"]
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual(sorted(r["id"] for r in records), list(range(1, ROWS + 1)))
        self.assertEqual({r["n"] for r in records}, {0})

    def test_partitions(self):
        self.sql(PARTITIONED + "CREATE TABLE {s}.t9 PARTITION OF {s}.t FOR VALUES IN (9)")
        self.sql("INSERT INTO {s}.t SELECT i, 9, 0 FROM generate_series(5001, 5010) i")
        result = self.sync(self.catalog("t"), state_every_rows=50)
        self.assertEqual(len(self.ids(result)), 1009)
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_equal("t")

    def test_each_state_leads_to_a_complete_destination(self):
        self.sql(BIG + PARTITIONED.replace("{s}.t", "{s}.part").replace("early", "early_part"))
        catalog = self.catalog("t", "part")
        tap.metadata(tap.stream(catalog, "part"))["table-key-properties"] = ["id", "part"]
        first = self.sync(catalog, state_every_rows=200)
        lines = first.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(first.types) if kind == "STATE"]
        self.assertGreater(len(ends), 10)
        for end in self.rng.sample(ends[1:-1], 8):
            self.clear_destination()
            state = self.send_to_target(lines[: end + 100])[-1]
            self.sql("UPDATE {s}.t SET n = n + 1 WHERE id % 100 = 7")
            self.sql("UPDATE {s}.part SET n = n + 1 WHERE id % 100 = 7")
            parallel = self.rng.choice((1, 3))
            with self.subTest(state=state, parallel=parallel):
                second = self.sync(catalog, state, parallel=parallel, state_every_rows=200)
                self.send_to_target(second.stdout.splitlines(keepends=True))
                self.check_equal("t")
                self.check_equal("part", keys=["id", "part"])

    def test_killed_at_any_line(self):
        self.sql(BIG)
        state = None
        for number in range(6):
            self.sql(f"UPDATE {{s}}.t SET n = {number} WHERE id % 50 = {number}")
            running = self.pipeline(
                self.catalog("t"), state, parallel=self.rng.choice((1, 3)), state_every_rows=300
            )
            running.relay(self.rng.randrange(1, 3000), part=9)
            running.kill_tap()
            state = running.finish().state
        result = self.sync(self.catalog("t"), state, parallel=self.rng.choice((1, 3)))
        self.send_to_target(result.stdout.splitlines(keepends=True))
        self.check_equal("t")

    def test_stopped_by_a_signal(self):
        self.sql(BIG)
        running = self.pipeline(self.catalog("t"))
        self.assertTrue(running.relay(2000))
        running.kill_tap(15)
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (143, 0), outcome.tap_log)
        self.assertIn("copy", self.bookmark(outcome.state, "t"))
        result = self.resume(json.loads(outcome.state))
        self.assertLess(len(self.ids(result)), ROWS)
        self.check_equal("t")

    def test_other_streams_after_a_dropped_table(self):
        self.sql(BIG + "CREATE TABLE {s}.u AS TABLE {s}.t; CREATE TABLE {s}.v AS TABLE {s}.t")
        catalog = self.catalog("t", "u", "v")
        self.sql("DROP TABLE {s}.u")
        result = self.sync(catalog, expect=1)
        self.assertEqual(len(result.records("t")), ROWS)
        self.assertEqual(len(result.records("v")), ROWS)
        self.assertIn(f"1 of 3 streams failed: {self.id_of('u')}", result.stderr)

    def test_error_of_one_connection(self):
        self.sql(BIG + "CREATE TABLE {s}.u AS TABLE {s}.t")
        self.sql(
            "CREATE POLICY seven ON {s}.t USING (1 / (id - 7000) IS NOT NULL);"
            "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY;"
            "CREATE ROLE guarded LOGIN; GRANT USAGE ON SCHEMA {s} TO guarded;"
            "GRANT SELECT ON {s}.t, {s}.u TO guarded"
        )
        self.addCleanup(self.sql, "DROP OWNED BY guarded; DROP ROLE guarded")
        result = self.sync(self.catalog("t", "u"), user="guarded", expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('t')}: division by zero (SQLSTATE 22012)\n", result.stderr
        )
        self.assertNotIn(7000, self.ids(result))
        self.assertEqual(len(result.records("u")), ROWS)

    def test_row_level_security(self):
        self.sql(
            BIG + "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY even ON {s}.t USING (id % 2 = 0);"
            "CREATE ROLE guarded LOGIN; GRANT USAGE ON SCHEMA {s} TO guarded;"
            "GRANT SELECT ON {s}.t TO guarded"
        )
        self.addCleanup(self.sql, "DROP OWNED BY guarded; DROP ROLE guarded")
        result = self.sync(self.catalog("t"), None, "-v", user="guarded")
        self.assertGreater(self.copies(result), 10)
        self.assertEqual(sorted(self.ids(result)), list(range(2, ROWS + 1, 2)))
        for state in result.states:
            self.assertNotIn("copy", self.bookmark(state, "t"))

    def test_lost_connection_of_one_reader(self):
        self.sql(BIG)
        for _ in range(3):
            self.clear_destination()
            running = self.pipeline(self.catalog("t"))
            self.assertTrue(running.relay(1000))
            backends = [pid for (pid,) in self.sql(f"SELECT pid {CONNECTIONS}")]
            self.assertEqual(len(backends), 3)
            self.sql(f"SELECT pg_terminate_backend({self.rng.choice(backends)})")
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(outcome.kinds["SCHEMA"], 1)
            self.assertRegex(outcome.tap_log, "trying again in 0.5 s")
            self.check_equal("t")
            until(lambda: not self.sql(f"SELECT 1 {CONNECTIONS}"), "a connection is still open")

    def test_fewer_connections_than_wanted(self):
        self.sql(BIG + "CREATE ROLE few LOGIN CONNECTION LIMIT 2")
        self.addCleanup(self.sql, "DROP OWNED BY few; DROP ROLE few")
        self.sql("GRANT USAGE ON SCHEMA {s} TO few; GRANT SELECT ON {s}.t TO few")
        result = self.sync(self.catalog("t"), user="few", parallel=4)
        self.assertEqual(sorted(self.ids(result)), list(range(1, ROWS + 1)))
        self.assertRegex(
            result.stderr,
            rf'WARNING {self.id_of("t")}: reading with 2 of 4 connections: cannot connect .*'
            r'too many connections for role "few" \(SQLSTATE 53300\)\n',
        )

    def run_limited(self, *limits):
        """A copy over four connections with these limits; the messages, exit code and log."""
        prefix = ("prlimit", *limits)
        started = subprocess.run(
            [*prefix, tap.BINARY, "--version"], capture_output=True, check=False
        )
        if started.returncode != 0:
            self.skipTest("this build does not start with so little address space")
        config = {**self.config, "parallel": 4}
        running = Tap(config, catalog=self.catalog("t"), prefix=prefix)
        self.addCleanup(running.close)
        messages = running.read_rest()
        return messages, running.wait(), running.log

    def test_fewer_threads_than_wanted(self):
        """The address space has room for the stacks of two threads."""
        self.sql(BIG)
        messages, code, log = self.run_limited(f"--stack={1 << 30}", f"--as={5 << 29}")
        self.assertEqual(code, 0, log)
        self.assertEqual(
            sorted(m["record"]["id"] for m in messages if m["type"] == "RECORD"),
            list(range(1, ROWS + 1)),
        )
        self.assertIn(
            f"WARNING {self.id_of('t')}: reading with 2 of 4 connections: {NO_THREAD}\n", log
        )

    def test_no_threads(self):
        self.sql(BIG)
        _, code, log = self.run_limited(f"--stack={1 << 45}")
        self.assertEqual(code, 1, log)
        self.assertEqual(log.splitlines()[-1], f"CRITICAL {NO_THREAD}")

    def test_session_that_waits_for_the_table(self):
        """It would let the other connections wait, and waits itself for the first one."""
        self.sql(BIG.replace("pad text)", "pad text) WITH (fillfactor = 45)"))
        self.config["parallel"] = 1  # so that each STATE has a position of the copy
        state = self.interrupt_after(-2)
        self.config["parallel"] = 3
        self.sql("UPDATE {s}.t SET n = 1")  # HOT updates, which the tap sends first
        running = self.start(self.catalog("t"), state)
        messages = running.read(10)
        waiting = threading.Thread(target=self.sql, args=("BEGIN; LOCK TABLE {s}.t; COMMIT",))
        waiting.start()
        until(
            lambda: self.sql(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{s}.t'::regclass"
            ),
            "no session waits for the table",
        )
        messages += running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        waiting.join()
        self.assertEqual(
            {m["record"]["id"] for m in messages if m["type"] == "RECORD"}, set(range(1, ROWS + 1))
        )
        self.assertIn(
            f"WARNING {self.id_of('t')}: reading with 1 of 3 connections: canceling statement due "
            "to lock timeout (SQLSTATE 55P03)\n",
            running.log,
        )


class StandbyTest(RangesTest):
    database = "parallel_standby"
    settings = {"max_wal_senders": 4}

    def test_rows_equal_the_source(self):
        self.sql(BIG)
        with Server(primary=self.server) as standby:
            result = self.sync(
                self.catalog("t"), None, "-v", host=standby.host, port=str(standby.port)
            )
        self.assertEqual(sorted(self.ids(result)), list(range(1, ROWS + 1)))
        self.assertEqual(len(re.findall("SET TRANSACTION SNAPSHOT", result.stderr)), 2)


class InitialSnapshotTest(WalTest):
    database = "parallel_log"

    def test_changes_after_the_snapshot(self):
        self.sql(BIG)
        self.config.update(parallel=3, state_every_rows=500)
        self.selected = self.catalog("t", method="LOG_BASED")
        running = self.pipeline(self.selected)
        self.assertTrue(running.relay(1000))
        self.sql("UPDATE {s}.t SET n = 1 WHERE id % 2 = 0; DELETE FROM {s}.t WHERE id % 3 = 0")
        running.kill_tap()
        self.state = running.finish().state
        self.sql("INSERT INTO {s}.t SELECT i, 2, '' FROM generate_series(10001, 12000) i")
        self.follow()
        self.check_followed("t")


if __name__ == "__main__":
    unittest.main()

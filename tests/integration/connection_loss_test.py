"""Connection losses of every kind in the middle of a run."""

import json
import os
import random
import re
import threading
import unittest

from support import tap
from support.interruption import BACKENDS, MOST_REPEATED, ROWS, TABLE, InterruptionTest
from support.pipeline import until
from support.proxy import Proxy
from support.server import Server


class ConnectionLossTest(InterruptionTest):
    """The run resumes: one SCHEMA, and it repeats at most a range of blocks, or one key."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def check_resumes(self, fault, expected, faults=1, most_repeated=MOST_REPEATED, **extra):
        """Causes `fault` in the middle of a copy, `faults` times."""
        for catalog in self.catalogs():
            running = self.pipeline(catalog, **extra)
            for number in range(faults):
                while len(self.retries(running.tap.log)) < number:
                    self.assertTrue(running.relay(100))
                self.assertTrue(running.relay(500))  # more than was in transit before
                while fault() is False:  # nothing was running
                    self.assertTrue(running.relay(100))
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(outcome.kinds["SCHEMA"], 1)
            most = most_repeated if "FULL_TABLE" in json.dumps(catalog) else 1
            repeated = outcome.kinds["RECORD"] - ROWS
            self.assertIn(repeated, range(faults * most + 1), outcome.tap_log)
            retries = self.retries(outcome.tap_log)
            self.assertEqual(len(retries), faults, outcome.tap_log)
            for what, _, _ in retries:
                self.assertRegex(what, expected)
            self.assertNotRegex(outcome.tap_log, "ERROR|CRITICAL")
            self.check_equal("t")

    def test_terminated_backend(self):
        self.check_resumes(self.terminate, r"SQLSTATE 57P01|the connection was lost")

    def test_backend_terminated_twice(self):
        self.check_resumes(self.terminate, r"SQLSTATE 57P01|the connection was lost", faults=2)

    def test_canceled_query(self):
        """One range, since no query is running between two of them."""
        self.check_resumes(
            lambda: bool(
                self.sql(f"SELECT pg_cancel_backend(pid) {BACKENDS} AND state = 'active'")
            ),
            "SQLSTATE 57014",
            most_repeated=ROWS,
            state_every_rows=ROWS,
        )

    def test_fast_restart(self):
        self.check_resumes(
            lambda: self.server.restart("fast"), r"SQLSTATE 57P01|the connection was lost"
        )

    def test_restart_after_a_crash(self):
        self.check_resumes(lambda: self.server.restart("immediate"), r"the connection was lost")

    def test_connection_reset(self):
        with Proxy(self.server.port) as proxy:
            self.check_resumes(
                proxy.reset, r"the connection was lost .*", host="127.0.0.1", port=proxy.port
            )

    def test_connection_reset_at_any_byte(self):
        self.sql("DELETE FROM {s}.t WHERE id > 300")
        rng = random.Random(os.environ.get("TAP_SEED", "reset"))
        for catalog in self.catalogs():
            with Proxy(self.server.port) as proxy:
                self.sync(catalog, host="127.0.0.1", port=proxy.port)
                total = proxy.received
            for count in [1, *sorted(rng.sample(range(2, total), 8)), total]:
                with self.subTest(bytes=count), Proxy(self.server.port) as proxy:
                    proxy.reset_after(count)
                    running = self.pipeline(catalog, host="127.0.0.1", port=proxy.port)
                    outcome = running.finish()
                    if outcome.tap_code == 3:  # not yet connected
                        self.assertEqual((outcome.kinds, proxy.accepted), ({}, 1), outcome.tap_log)
                        continue
                    self.assertEqual(
                        (outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log
                    )
                    self.assertEqual(outcome.kinds["SCHEMA"], 1)
                    self.assertLessEqual(proxy.accepted, 2)
                    self.check_equal("t")

    def test_changes_while_disconnected(self):
        def fault():
            self.sql(
                f"UPDATE {{s}}.t SET n = n + 1, k = {ROWS} + id WHERE id % 200 = 10;"
                f"UPDATE {{s}}.t SET pad = repeat('y', 1500), k = {ROWS} + id WHERE id % 200 = 20;"
                f"INSERT INTO {{s}}.t SELECT max(id) + 1, {2 * ROWS}, 0, '' FROM {{s}}.t"
            )
            self.terminate()

        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(3000)
            fault()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(len(self.retries(outcome.tap_log)), 1)
            self.check_equal("t")
            self.sql(
                f"DELETE FROM {{s}}.t WHERE id > {ROWS}; UPDATE {{s}}.t SET k = id WHERE k > {ROWS}"
            )

    def test_table_rewritten_while_disconnected_is_recopied(self):
        running = self.pipeline(self.only_catalog())
        running.relay(1000)
        self.server.restart("immediate")
        self.sql("DELETE FROM {s}.t WHERE id % 3 = 0")
        self.sql("VACUUM FULL {s}.t")
        outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]),
            (0, 0, 1),
            outcome.tap_log,
        )
        self.assertIn("restarting it", outcome.tap_log)
        self.check_equal("t")

    def test_view_restarts_in_the_same_run(self):
        self.sql("CREATE VIEW {s}.v AS SELECT id, k, n, pad FROM {s}.t")
        catalog = self.catalog("v")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        running = self.pipeline(catalog)
        running.relay(1000)
        self.terminate()
        self.sql("DELETE FROM {s}.t WHERE id < 200")
        outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]),
            (0, 0, 1),
            outcome.tap_log,
        )
        self.check_equal("v", keys=["id"])

    def test_unfinished_rows_without_key_are_resent(self):
        self.sql(
            "ALTER TABLE {s}.t ALTER k DROP NOT NULL; UPDATE {s}.t SET k = NULL WHERE id <= 4000"
        )
        running = self.pipeline(self.catalog("t", method="INCREMENTAL", key="k"))
        running.relay(1000)
        self.terminate()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.check_equal("t")

    def test_loss_between_streams(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        running = self.pipeline(self.catalog("a", "t", "z"))
        running.relay(500)
        self.terminate()
        outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]),
            (0, 0, 3),
            outcome.tap_log,
        )
        for table in ("a", "t", "z"):
            self.check_equal(table)

    def test_connection_slot_freed_later(self):
        running = self.pipeline(self.only_catalog())
        running.relay(500)
        self.sql("ALTER ROLE reader CONNECTION LIMIT 0")
        self.addCleanup(self.sql, "ALTER ROLE reader CONNECTION LIMIT -1")
        self.terminate()
        rest = threading.Thread(target=running.relay)
        rest.start()
        running.tap.wait_for_log(r"SQLSTATE 53300.*trying again")
        self.sql("ALTER ROLE reader CONNECTION LIMIT -1")
        rest.join()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.check_equal("t")


class LockTimeoutTest(InterruptionTest):
    def test_retries_until_the_lock_is_free(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 10) i")
        for catalog in self.catalogs():
            with self.session() as holder, holder.cursor() as cursor:
                cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
                running = self.pipeline(catalog, lock_timeout="50ms")
                rest = threading.Thread(target=running.relay)
                rest.start()
                running.tap.wait_for_log(r"SQLSTATE 55P03.*trying again in 1\.0 s \(2 of 5\)")
                cursor.execute("ROLLBACK")
                rest.join()
            outcome = running.finish()
            self.assertEqual(
                (outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]),
                (0, 0, 1),
                outcome.tap_log,
            )
            self.check_equal("t")

    def test_lock_that_stays_taken_fails_the_stream(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        with self.session() as holder, holder.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
            result = self.sync(self.catalog("t", "z"), lock_timeout=50, max_retries=1, expect=1)
            cursor.execute("ROLLBACK")
        self.assertRegex(result.stderr, rf"(?m)^ERROR stream {self.id_of('t')}: .*SQLSTATE 55P03")
        self.assertEqual(result.records("z"), [{"id": 1}])


class RecoveryConflictTest(InterruptionTest):
    def test_standby_recovery_conflict(self):
        self.sql(TABLE)
        primary = type(self).server
        settings = {
            "max_standby_streaming_delay": "100ms",
            "hot_standby_feedback": "off",
            "log_recovery_conflict_waits": "on",
            "deadlock_timeout": "10ms",
        }
        with Server(settings, primary=primary) as standby:

            def conflicts():  # a standby that lags already cancels the query at once
                return len(
                    re.findall(
                        "recovery still waiting|due to conflict with recovery",
                        (standby.folder / "log").read_text(),
                    )
                )

            # removes rows that the copy's snapshot sees, unless another session needs them, too
            def conflict():
                self.sql(
                    "DELETE FROM {s}.t WHERE id IN (SELECT id FROM {s}.t WHERE id % 10 = 1 LIMIT 5)"
                )
                self.sql("VACUUM {s}.t")
                return conflicts() > conflicts_before

            for catalog in self.catalogs():
                conflicts_before = conflicts()
                running = self.pipeline(catalog, host="127.0.0.1", port=standby.port)
                running.relay(500)
                until(conflict, "there is no recovery conflict")
                outcome = running.finish()
                self.assertEqual(
                    (outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]),
                    (0, 0, 1),
                    outcome.tap_log,
                )
                [(what, *_), *_] = self.retries(outcome.tap_log)
                self.assertRegex(
                    what,
                    "SQLSTATE (40001|57P01)|conflict with recovery|closed the connection",
                )
                self.check_equal("t", extra_allowed=True)


if __name__ == "__main__":
    unittest.main()

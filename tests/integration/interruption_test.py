"""Interruption in the middle of a run: signals, a target or a disk that takes no more, and every way to lose the server."""

import os
import pathlib
import random
import re
import signal
import socket
import threading
import time
import unittest

import psycopg2

from support import tap
from support.case import SchemaTest
from support.pipeline import until
from support.proxy import Proxy
from support.server import Server

ROWS = 30000
# More than the buffers between server and tap hold: who stops reading at some row stops the server's reading, too.
TABLE = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, k int NOT NULL, n int, pad text) WITH (fillfactor = 90);
    INSERT INTO {s}.t SELECT i, i, 0, repeat('x', 500) FROM generate_series(1, %d) i;
""" % ROWS
BACKENDS = "FROM pg_stat_activity WHERE usename = 'reader' AND pid <> pg_backend_pid()"


def setUpModule():
    InterruptionTest.server = Server({"max_wal_senders": 4})
    InterruptionTest.server.sql("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")


def tearDownModule():
    InterruptionTest.server.close()


class InterruptionTest(SchemaTest):
    """The source is a server of its own, which tests may stop; the tap is its user `reader`."""

    database = "interruption"

    def setUp(self):
        super().setUp()
        self.config.update(user="reader", state_every_rows=100)
        self.addCleanup(self.terminate)  # a backend that is left would keep its locks

    def terminate(self):
        self.sql(f"SELECT pg_terminate_backend(pid, 10000) {BACKENDS}")

    def catalogs(self):
        """The table as full table and as incremental."""
        for method in ("FULL_TABLE", "INCREMENTAL"):
            with self.subTest(method):
                self.forget_destination()
                yield self.catalog("t", method=method, key="k")

    def only_catalog(self):
        return self.catalog("t")

    def backend_waits_for_lock(self):
        until(lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event_type = 'Lock'"), "the tap does not wait for a lock")

    def retries(self, log):
        """The announcements of a new attempt, as (what happened, seconds, number)."""
        return re.findall(r"(?m)^WARNING \S+-t: (.*); trying again in (\d+\.\d) s \((\d+) of \d+\)$", log)


class SignalTest(InterruptionTest):
    """Whole lines, the last of them a STATE for the last row, exit code 128 + the signal's number."""

    def end(self, running, number):
        """Sends the signal; returns the messages that come then."""
        sent = time.monotonic()
        running.signal(number)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 128 + number, running)
        self.assertLess(time.monotonic() - sent, 1, "it took too long to stop")
        self.assertIn(f"WARNING stopped by signal {int(number)}: the next run goes on from the last STATE\n", running.log)
        self.assertNotIn("CRITICAL", running.log)
        return messages

    def test_in_the_middle_of_a_copy(self):
        self.sql(TABLE)
        for number in (signal.SIGTERM, signal.SIGINT):
            for catalog in self.catalogs():
                running = self.start(catalog, state_every_rows=10**6)
                before = running.read_until(lambda m: m["type"] == "RECORD")
                messages = before + self.end(running, number)
                records = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
                self.assertEqual([m["type"] for m in messages].count("STATE"), 2)
                self.assertEqual(messages[-1]["type"], "STATE")
                self.assertLess(len(records), ROWS)
                self.assertEqual(records, list(range(1, len(records) + 1)))
                rest = [r["id"] for r in self.sync(catalog, messages[-1]["value"]).records()]
                self.assertIn(rest[0], (records[-1], records[-1] + 1))
                self.assertEqual(rest, list(range(rest[0], ROWS + 1)))

    def test_with_a_target(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(1234)
            running.kill_tap(signal.SIGTERM)
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (143, 0))
            self.pipe(catalog, outcome.state)
            self.check_equal("t")

    def test_while_the_server_is_silent(self):
        self.sql("CREATE VIEW {s}.t AS SELECT 1 AS id, 2 AS k FROM pg_sleep(3600)")
        for catalog in self.catalogs():
            running = self.start(catalog)
            until(lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event = 'PgSleep'"), "the view is not being read")
            messages = self.end(running, signal.SIGTERM)
            self.assertEqual(messages[-1]["type"], "STATE")
            self.assertEqual(messages[-1]["value"]["currently_syncing"], self.id_of("t"))
            self.terminate()

    def test_the_server_does_not_work_on_for_a_tap_that_has_stopped(self):
        self.sql("CREATE VIEW {s}.t AS SELECT 1 AS id, 2 AS k FROM pg_sleep(3600)")
        running = self.start(self.only_catalog())
        until(lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event = 'PgSleep'"), "the view is not being read")
        self.end(running, signal.SIGTERM)
        until(lambda: not self.sql(f"SELECT 1 {BACKENDS}"), "the query is still running", patience=5)

    def test_while_it_waits_for_a_lock(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        for catalog in self.catalogs():
            with self.session() as holder, holder.cursor() as cursor:
                cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
                running = self.start(catalog)
                self.backend_waits_for_lock()
                self.end(running, signal.SIGTERM)
                cursor.execute("ROLLBACK")

    def test_while_it_connects(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        catalog = self.only_catalog()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            running = self.start(catalog, host="127.0.0.1", port=silent.getsockname()[1])
            with silent.accept()[0]:
                self.assertEqual(self.end(running, signal.SIGTERM), [])

    def test_while_discovery_connects(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            running = self.start(None, None, "--discover", host="127.0.0.1", port=silent.getsockname()[1])
            with silent.accept()[0]:
                running.signal(signal.SIGINT)
                self.assertEqual(running.wait(patience=2), 130)

    def test_while_the_network_is_gone(self):
        self.sql(TABLE)
        with Proxy(self.server.port) as proxy:
            running = self.start(self.only_catalog(), host="127.0.0.1", port=proxy.port)
            before = running.read(100)
            proxy.freeze()
            # What was under way still comes; then nothing does.
            taken = threading.Thread(target=lambda: before.extend(running.read_rest()))
            taken.start()
            until(lambda: b"State:\tS" in pathlib.Path(f"/proc/{running.process.pid}/status").read_bytes(), "it works on")
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(patience=5), 143, running)
            taken.join()
        self.assertEqual(before[-1]["type"], "STATE")
        records = [m for m in before if m["type"] == "RECORD"]
        rest = self.sync(self.only_catalog(), before[-1]["value"]).records()
        self.assertEqual(rest[0]["id"], len(records) + 1)

    def test_while_it_waits_to_try_again(self):
        self.sql(TABLE)
        running = self.start(self.only_catalog())
        before = running.read(100)
        self.server.stop("immediate")
        try:
            taken = threading.Thread(target=lambda: before.extend(running.read_rest()))
            taken.start()
            running.wait_for_log(r"trying again in 1\.0 s")
            sent = time.monotonic()
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(), 143)
            self.assertLess(time.monotonic() - sent, 1)
            taken.join()
        finally:
            self.server.start()
        self.assertEqual(before[-1]["type"], "STATE")
        records = [m for m in before if m["type"] == "RECORD"]
        rest = self.sync(self.only_catalog(), before[-1]["value"]).records()
        self.assertEqual(rest[0]["id"], len(records) + 1)

    def test_while_the_target_does_not_read(self):
        self.sql(TABLE)
        running = self.start(self.only_catalog())
        before = running.read(10)
        self.wait_until_blocked(running)
        running.signal(signal.SIGTERM)
        messages = before + running.read_rest()  # it reads again: all is well
        self.assertEqual(running.wait(), 143)
        self.assertEqual(messages[-1]["type"], "STATE")

    def test_with_a_target_that_never_reads_again(self):
        self.sql(TABLE)
        running = self.start(self.only_catalog())
        running.read(10)
        self.wait_until_blocked(running)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(patience=30), 143)

    def wait_until_blocked(self, running):
        stack = pathlib.Path(f"/proc/{running.process.pid}/wchan")
        until(lambda: "pipe" in stack.read_text(), "the tap does not wait for its output")


class OutputTest(InterruptionTest):
    def test_a_closed_output_ends_the_run_quietly(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.start(catalog)
            running.read(100)
            running.output.close()
            self.assertEqual(running.wait(), 1)
            self.assertEqual(running.log, "")

    def test_an_output_that_is_closed_from_the_start(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        reading, writing = os.pipe()
        os.close(reading)
        running = self.start(self.only_catalog(), stdout=writing)
        os.close(writing)
        self.assertEqual(running.wait(), 1)
        self.assertEqual(running.log, "")

    def test_a_full_disk(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        with open("/dev/full", "wb") as full:
            for args in ((self.only_catalog(),), (None, None, "--discover")):
                running = self.start(*args, stdout=full)
                self.assertEqual(running.wait(), 1)
                lines = [line for line in running.log.splitlines() if not line.startswith("INFO")]
                self.assertEqual(lines, ["CRITICAL cannot write to stdout: No space left on device"])

    def test_a_target_that_is_killed(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(1234)
            running.kill_target()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code, outcome.tap_log), (1, -9, ""))
            self.pipe(catalog, outcome.state)
            self.check_equal("t")


class LostServerTest(InterruptionTest):
    """The run goes on by itself where it was: one SCHEMA, no row twice but the one at an incremental bookmark."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def check_goes_on(self, fault, said, attempts=1, at=(500,), **extra):
        """`fault` happens when so many lines have come through."""
        for catalog in self.catalogs():
            running = self.pipeline(catalog, **extra)
            for lines in at:
                self.assertTrue(running.relay(lines))
                fault()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(outcome.kinds["SCHEMA"], 1)
            again = outcome.kinds["RECORD"] - ROWS
            self.assertIn(again, (0,) if "copy" in extra else range(0, attempts * len(at) + 1), outcome.tap_log)
            retries = self.retries(outcome.tap_log)
            self.assertEqual(len(retries), attempts * len(at), outcome.tap_log)
            for what, _, _ in retries:
                self.assertRegex(what, said)
            self.assertNotRegex(outcome.tap_log, "ERROR|CRITICAL")
            self.check_equal("t")

    def test_a_terminated_backend(self):
        self.check_goes_on(self.terminate, r"SQLSTATE 57P01|the connection was lost")

    def test_a_backend_terminated_several_times(self):
        self.check_goes_on(self.terminate, r"SQLSTATE 57P01|the connection was lost", at=(500, 9000, 9000))

    def test_a_cancelled_query(self):
        self.check_goes_on(lambda: self.sql(f"SELECT pg_cancel_backend(pid) {BACKENDS}"), "SQLSTATE 57014")

    def test_a_server_restarted_fast(self):
        self.check_goes_on(lambda: self.server.restart("fast"), r"SQLSTATE 57P01|the connection was lost")

    def test_a_server_restarted_after_a_crash(self):
        self.check_goes_on(lambda: self.server.restart("immediate"), r"the connection was lost")

    def test_a_connection_reset(self):
        with Proxy(self.server.port) as proxy:
            self.check_goes_on(proxy.reset, r"the connection was lost .*", host="127.0.0.1", port=proxy.port)

    def test_a_connection_reset_at_any_byte(self):
        self.sql("DELETE FROM {s}.t WHERE id > 300")
        rng = random.Random(os.environ.get("TAP_SEED", "reset"))
        for catalog in self.catalogs():
            with Proxy(self.server.port) as proxy:
                self.sync(catalog, host="127.0.0.1", port=proxy.port)
                total = proxy.received
            for count in [1, *sorted(rng.sample(range(2, total), 15)), total]:
                with self.subTest(bytes=count), Proxy(self.server.port) as proxy:
                    proxy.reset_after(count)
                    running = self.pipeline(catalog, host="127.0.0.1", port=proxy.port)
                    outcome = running.finish()
                    if outcome.tap_code == 3:  # it was not yet connected
                        self.assertEqual((outcome.kinds, proxy.accepted), ({}, 1), outcome.tap_log)
                        continue
                    self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
                    self.assertEqual(outcome.kinds["SCHEMA"], 1)
                    self.assertLessEqual(proxy.accepted, 2)
                    self.check_equal("t")

    def test_changes_while_it_is_gone(self):
        def fault():
            self.sql(f"UPDATE {{s}}.t SET n = n + 1, k = {ROWS} + id WHERE id % 1000 = 10;"
                     f"UPDATE {{s}}.t SET pad = repeat('y', 700), k = {ROWS} + id WHERE id % 1000 = 20;"
                     f"INSERT INTO {{s}}.t SELECT max(id) + 1, {2 * ROWS}, 0, '' FROM {{s}}.t")
            self.terminate()
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(15000)
            fault()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(len(self.retries(outcome.tap_log)), 1)
            self.check_equal("t")
            self.sql(f"DELETE FROM {{s}}.t WHERE id > {ROWS}; UPDATE {{s}}.t SET k = id WHERE k > {ROWS}")

    def test_a_table_rewritten_while_it_is_gone_is_copied_anew(self):
        running = self.pipeline(self.only_catalog())
        running.relay(5000)
        self.server.restart("immediate")
        self.sql("DELETE FROM {s}.t WHERE id % 3 = 0")
        self.sql("VACUUM FULL {s}.t")
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]), (0, 0, 1), outcome.tap_log)
        self.assertIn("it starts anew", outcome.tap_log)
        self.check_equal("t")

    def test_a_view_starts_anew_in_the_same_run(self):
        self.sql("CREATE VIEW {s}.v AS SELECT id, k, n, pad FROM {s}.t")
        catalog = self.catalog("v")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        running = self.pipeline(catalog)
        running.relay(5000)
        self.terminate()
        self.sql("DELETE FROM {s}.t WHERE id < 1000")
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]), (0, 0, 1), outcome.tap_log)
        self.check_equal("v", keys=["id"])

    def test_rows_without_key_come_again_if_they_were_not_all_sent(self):
        self.sql("ALTER TABLE {s}.t ALTER k DROP NOT NULL; UPDATE {s}.t SET k = NULL WHERE id <= 20000")
        running = self.pipeline(self.catalog("t", method="INCREMENTAL", key="k"))
        running.relay(5000)
        self.terminate()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.check_equal("t")

    def test_the_next_stream_of_the_run(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        running = self.pipeline(self.catalog("a", "t", "z"))
        running.relay(500)
        self.terminate()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]), (0, 0, 3), outcome.tap_log)
        for table in ("a", "t", "z"):
            self.check_equal(table)

    def test_a_place_that_is_free_again_later(self):
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
    def test_it_tries_again_until_the_lock_is_free(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 10) i")
        self.sql("ALTER ROLE reader SET lock_timeout = '50ms'")
        self.addCleanup(self.sql, "ALTER ROLE reader RESET lock_timeout")
        for catalog in self.catalogs():
            with self.session() as holder, holder.cursor() as cursor:
                cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
                running = self.pipeline(catalog)
                rest = threading.Thread(target=running.relay)
                rest.start()
                running.tap.wait_for_log(r"SQLSTATE 55P03.*trying again in 1\.0 s \(2 of 5\)")
                cursor.execute("ROLLBACK")
                rest.join()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]), (0, 0, 1), outcome.tap_log)
            self.check_equal("t")

    def test_a_lock_that_is_never_free_is_the_streams_fault(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        self.sql("ALTER ROLE reader SET lock_timeout = '50ms'")
        self.addCleanup(self.sql, "ALTER ROLE reader RESET lock_timeout")
        with self.session() as holder, holder.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
            result = self.sync(self.catalog("t", "z"), max_retries=1, expect=1)
            cursor.execute("ROLLBACK")
        self.assertRegex(result.stderr, rf"(?m)^ERROR stream {self.id_of('t')}: .*SQLSTATE 55P03")
        self.assertEqual(result.records("z"), [{"id": 1}])


class RecoveryConflictTest(InterruptionTest):
    def test_a_standby_that_must_go_on_replaying(self):
        self.sql(TABLE)
        primary = type(self).server
        with Server({"max_standby_streaming_delay": "100ms", "hot_standby_feedback": "off"}, primary=primary) as standby:
            for catalog in self.catalogs():
                before = len(self.sql("SELECT id FROM {s}.t"))
                running = self.pipeline(catalog, host="127.0.0.1", port=standby.port)
                running.relay(500)
                self.sql("DELETE FROM {s}.t WHERE id %% 100 = %d" % (before % 7 + 1))
                self.sql("VACUUM {s}.t")
                rest = threading.Thread(target=running.relay)
                until(lambda: standby.sql("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'startup' AND "
                                          "wait_event LIKE 'RecoveryConflict%'"), "there is no recovery conflict")
                rest.start()
                rest.join()
                outcome = running.finish()
                self.assertEqual((outcome.tap_code, outcome.target_code, outcome.kinds["SCHEMA"]), (0, 0, 1),
                                 outcome.tap_log)
                [(what, *_), *_] = self.retries(outcome.tap_log)
                self.assertRegex(what, "SQLSTATE 40001|SQLSTATE 57P01")
                self.check_equal("t", extra_allowed=True)


class GivenUpTest(InterruptionTest):
    """Faults that waiting does not heal end the run, or the stream, at once and by their SQLSTATE."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def interrupted(self, fault, catalog=None, **extra):
        """A run whose backend is terminated right after `fault`."""
        running = self.pipeline(catalog or self.only_catalog(), **extra)
        running.relay(500)
        fault()
        self.sql(f"SELECT pg_terminate_backend(pid, 10000) {BACKENDS}")
        return running.finish()

    def check_ends_the_run(self, outcome, code, sqlstate, retries=1):
        self.assertEqual((outcome.tap_code, outcome.target_code), (code, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), retries, outcome.tap_log)
        self.assertRegex(outcome.tap_log.splitlines()[-1], rf"^CRITICAL .*{sqlstate}")
        self.assertEqual(outcome.tap_log.count("CRITICAL"), 1)

    def check_complete_after(self, outcome):
        self.pipe(self.only_catalog(), outcome.state)
        self.check_equal("t")

    def test_a_role_that_may_not_log_in_any_more(self):
        self.addCleanup(self.sql, "ALTER ROLE reader LOGIN")
        outcome = self.interrupted(lambda: self.sql("ALTER ROLE reader NOLOGIN"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28000")
        self.sql("ALTER ROLE reader LOGIN")
        self.check_complete_after(outcome)

    def rule(self, line):
        """Puts a rule in front of those of pg_hba.conf, until the test is over."""
        rules = self.server.data / "pg_hba.conf"
        before = rules.read_text()

        def write(text, refused):
            rules.write_text(text)
            self.sql("SELECT pg_reload_conf()")
            until(lambda: self.is_refused() == refused, "the rules have not been read")
        self.addCleanup(write, before, False)
        write(f"{line}\n{before}", True)

    def is_refused(self):
        try:
            psycopg2.connect(host="127.0.0.1", port=self.server.port, user="reader", password="wrong",
                             dbname=self.database).close()
        except psycopg2.OperationalError:
            return True
        return False

    def test_a_host_that_is_shut_out(self):
        outcome = self.interrupted(lambda: self.rule("host all reader all reject"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28000")

    def test_a_password_that_has_changed(self):
        self.sql("ALTER ROLE reader PASSWORD 'first'")
        self.rule("host all reader all scram-sha-256")
        self.config["password"] = "first"
        outcome = self.interrupted(lambda: self.sql("ALTER ROLE reader PASSWORD 'second'"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28P01")
        self.assertNotIn("first", outcome.tap_log)

    def test_a_database_that_is_gone(self):
        def rename():
            self.sql(f"SELECT pg_terminate_backend(pid, 10000) {BACKENDS}")
            self.server.sql(f"ALTER DATABASE {self.database} RENAME TO away")
        running = self.pipeline(self.only_catalog())
        running.relay(500)
        rename()
        try:
            outcome = running.finish()
        finally:
            self.server.sql(f"ALTER DATABASE away RENAME TO {self.database}")
        self.check_ends_the_run(outcome, 3, "SQLSTATE 3D000")

    def test_a_privilege_that_is_gone_is_the_streams_fault(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        self.addCleanup(self.sql, "GRANT pg_read_all_data TO reader")
        outcome = self.interrupted(
            lambda: self.sql("REVOKE pg_read_all_data FROM reader; GRANT USAGE ON SCHEMA {s} TO reader;"
                             "GRANT SELECT ON {s}.z TO reader"), self.catalog("a", "t", "z"))
        self.assertEqual((outcome.tap_code, outcome.target_code), (1, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), 1)
        self.assertRegex(outcome.tap_log, rf"(?m)^ERROR stream {self.id_of('t')}: .*SQLSTATE 42501")
        self.check_equal("z")
        self.assertIn("copy", outcome.bookmarks[self.id_of("t")])

    def test_a_table_that_is_gone_is_the_streams_fault(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        self.addCleanup(self.sql, "CREATE TABLE {s}.t (id int)")
        dropper = threading.Thread(target=self.sql, args=("DROP TABLE {s}.t",))
        running = self.pipeline(self.catalog("a", "t", "z"))
        running.relay(500)
        dropper.start()
        until(lambda: self.sql("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"),
              "nobody waits to drop the table")
        self.sql(f"SELECT pg_terminate_backend(pid, 10000) {BACKENDS}")
        dropper.join()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (1, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), 1)
        self.assertRegex(outcome.tap_log, rf"(?m)^ERROR stream {self.id_of('t')}: table .*is not in the database")
        self.check_equal("z")

    def test_a_server_that_does_not_come_back(self):
        for catalog in self.catalogs():
            running = self.pipeline(catalog, max_retries=2)
            running.relay(500)
            self.server.stop("immediate")
            try:
                outcome = running.finish()
            finally:
                self.server.start()
            self.assertEqual([(wait, number) for _, wait, number in self.retries(outcome.tap_log)],
                             [("0.5", "1"), ("1.0", "2")])
            self.check_ends_the_run(outcome, 3, "cannot connect", retries=2)
            self.pipe(catalog, outcome.state)
            self.check_equal("t")

    def test_no_retries(self):
        outcome = self.interrupted(lambda: None, max_retries=0)
        self.check_ends_the_run(outcome, 1, "the connection was lost", retries=0)
        self.check_complete_after(outcome)

    def test_the_first_connection_of_a_run_is_not_tried_again(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        result = self.sync(self.only_catalog(), host="127.0.0.1", port=port, expect=3)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(result.stderr, r"^CRITICAL cannot connect \(.*\n$")


if __name__ == "__main__":
    unittest.main()

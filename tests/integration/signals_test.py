"""SIGTERM and SIGINT during every kind of wait."""

import contextlib
import datetime
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import tap
from support.interruption import BACKENDS, ROWS, TABLE, InterruptionTest
from support.pipeline import is_full, until
from support.plugins import create_slot
from support.proxy import Proxy


MOST = 5  # seconds until the tap has ended: Airflow sends SIGKILL then


class SignalTest(InterruptionTest):
    """Output ends with the STATE of the last row; the exit code is 128 + the signal's number."""

    def stop_blocked(self, running, *more):
        """Sends SIGTERM, and then more signals, to a tap whose target has stopped reading."""
        sent = time.monotonic()
        running.signal(signal.SIGTERM)
        for number in more:
            time.sleep(1)
            running.signal(number)
        self.assertEqual(running.wait(patience=30), 143, running)
        self.assertLess(time.monotonic() - sent, MOST)
        self.assertIn(
            "WARNING stopped by signal 15; the target did not read the output: the next run "
            "resumes from the last STATE\n",
            running.log,
        )

    def stop(self, running, number):
        """Sends the signal; returns the remaining messages."""
        sent = time.monotonic()
        running.signal(number)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 128 + number, running)
        self.assertLess(time.monotonic() - sent, 1, "it took too long to stop")
        self.assertIn(
            f"WARNING stopped by signal {int(number)}: the next run resumes from the last STATE\n",
            running.log,
        )
        self.assertNotIn("CRITICAL", running.log)
        return messages

    def test_during_a_copy(self):
        self.sql(TABLE)
        for number in (signal.SIGTERM, signal.SIGINT):
            for catalog in self.catalogs():
                is_full = "FULL_TABLE" in json.dumps(catalog)  # repeats a range of blocks
                running = self.start(catalog, state_every_rows=500 if is_full else 10**6)
                before = running.read_until(lambda m: m.get("record", {}).get("id") == 1000)
                messages = before + self.stop(running, number)
                records = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
                if not is_full:
                    self.assertEqual([m["type"] for m in messages].count("STATE"), 2)
                self.assertEqual(messages[-1]["type"], "STATE")
                self.assertLess(len(records), ROWS)
                self.assertEqual(records, list(range(1, len(records) + 1)))
                rest = [r["id"] for r in self.sync(catalog, messages[-1]["value"]).records()]
                self.assertIn(rest[0], range(2 if is_full else records[-1], records[-1] + 2))
                self.assertEqual(rest, list(range(rest[0], ROWS + 1)))

    def test_with_a_target(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(432)
            running.kill_tap(signal.SIGTERM)
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (143, 0))
            self.pipe(catalog, outcome.state)
            self.check_equal("t")

    def test_unresponsive_server(self):
        self.sql("CREATE VIEW {s}.t AS SELECT 1 AS id, 2 AS k FROM pg_sleep(3600)")
        for catalog in self.catalogs():
            running = self.start(catalog)
            until(
                lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event = 'PgSleep'"),
                "the view is not being read",
            )
            messages = self.stop(running, signal.SIGTERM)
            self.assertEqual(messages[-1]["type"], "STATE")
            self.assertEqual(messages[-1]["value"]["currently_syncing"], self.id_of("t"))
            self.terminate()

    def test_server_query_is_canceled(self):
        self.sql("CREATE VIEW {s}.t AS SELECT 1 AS id, 2 AS k FROM pg_sleep(3600)")
        for number in (signal.SIGTERM, signal.SIGKILL):
            running = self.start(self.only_catalog())
            until(
                lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event = 'PgSleep'"),
                "the view is not being read",
            )
            running.signal(number)
            until(
                lambda: not self.sql(f"SELECT 1 {BACKENDS}"),
                "the query is still running",
                patience=10,
            )

    def test_waiting_for_a_lock(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        for catalog in self.catalogs():
            with self.session() as holder, holder.cursor() as cursor:
                cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
                running = self.start(catalog)
                self.backend_waits_for_lock()
                self.stop(running, signal.SIGTERM)
                cursor.execute("ROLLBACK")

    def test_connecting(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        catalog = self.only_catalog()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            running = self.start(catalog, host="127.0.0.1", port=silent.getsockname()[1])
            with silent.accept()[0]:
                self.assertEqual(self.stop(running, signal.SIGTERM), [])

    def test_discovery_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            running = self.start(
                None, None, "--discover", host="127.0.0.1", port=silent.getsockname()[1]
            )
            with silent.accept()[0]:
                running.signal(signal.SIGINT)
                self.assertEqual(running.wait(patience=1), 130)
        self.assertEqual(running.log, "WARNING stopped by a signal\n")

    def test_discovery_connecting_in_other_formats(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for args in (
                ("--log-level", "error"),
                ("--log-format", "json"),
                ("--log-format", "singer-sdk"),
                ("--log-format", "json", "--log-level", "error"),
            ):
                before = datetime.datetime.now(datetime.timezone.utc)
                running = self.start(
                    None, None, "--discover", *args, host="127.0.0.1", port=silent.getsockname()[1]
                )
                with silent.accept()[0]:
                    running.signal(signal.SIGTERM)
                    self.assertEqual(running.wait(patience=1), 143)
                if "error" in args:
                    self.assertEqual(running.log, "")
                    continue
                line = json.loads(running.log)
                if "singer-sdk" in args:
                    self.assertEqual(
                        (line["level"], line["message"]), ("warning", "stopped by a signal")
                    )
                    self.assertAlmostEqual(line["ts"], before.timestamp(), delta=60)
                    continue
                self.assertEqual(
                    (list(line), line["level"], line["message"]),
                    (["time", "level", "message"], "WARNING", "stopped by a signal"),
                )
                time_of_line = datetime.datetime.strptime(line["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
                self.assertLess(before - datetime.timedelta(milliseconds=1), time_of_line)
                self.assertLess(time_of_line, datetime.datetime.now(datetime.timezone.utc))

    def test_blocked_stderr(self):
        """Processes that the password_command started end, too."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder, "mark")
            config = pathlib.Path(folder, "config.json")
            config.write_text(
                json.dumps(
                    {
                        "host": "127.0.0.1",
                        "user": "tap",
                        "dbname": "d",
                        "password_command": f"sleep 1000 & echo $! > {mark}; wait",
                    }
                )
            )
            with subprocess.Popen(
                [tap.BINARY, "--config", str(config), "--discover"],
                stdout=subprocess.DEVNULL,
                stderr=writer,
                env=tap.clean_environment(),
            ) as process:
                pid = until(
                    lambda: mark.exists() and mark.read_text().strip(),
                    "the command has not started",
                )
                process.terminate()
                self.assertEqual(process.wait(10), 143)
            until(
                lambda: not os.path.exists(f"/proc/{pid}")
                or " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text(),
                "the command is still running",
            )
        os.close(reader)
        os.close(writer)

    def test_network_down(self):
        self.sql(TABLE)
        with Proxy(self.server.port) as proxy:
            running = self.start(self.only_catalog(), host="127.0.0.1", port=proxy.port)
            before = running.read(100)
            proxy.freeze()
            # Data in transit still arrives, then nothing.
            taken = threading.Thread(target=lambda: before.extend(running.read_rest()))
            taken.start()
            until(
                lambda: b"State:\tS"
                in pathlib.Path(f"/proc/{running.process.pid}/status").read_bytes(),
                "the query is still running",
            )
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(patience=5), 143, running)
            taken.join()
        self.assertEqual(before[-1]["type"], "STATE")
        records = [m for m in before if m["type"] == "RECORD"]
        rest = self.sync(self.only_catalog(), before[-1]["value"]).records()
        self.assertIn(rest[0]["id"], range(2, len(records) + 2))  # repeats a range of blocks

    def test_waiting_to_retry(self):
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
        self.assertIn(rest[0]["id"], range(2, len(records) + 2))  # repeats a range of blocks

    def test_stalled_target(self):
        self.sql(TABLE)
        running = self.start(self.only_catalog())
        before = running.read(10)
        self.wait_until_blocked(running)
        running.signal(signal.SIGTERM)
        messages = before + running.read_rest()  # the target reads again: no message is lost
        self.assertEqual(running.wait(), 143)
        self.assertEqual(messages[-1]["type"], "STATE")

    def test_target_that_never_reads_again(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            with tempfile.TemporaryDirectory() as folder:
                summary = pathlib.Path(folder, "summary.json")
                running = self.start(catalog, None, "--summary", str(summary))
                running.read(10)
                self.wait_until_blocked(running)
                # More signals do not prolong the wait.
                self.stop_blocked(running, signal.SIGTERM, signal.SIGTERM)
                written = json.loads(summary.read_text())
            self.assertEqual((written["exit_code"], written["error"]["class"]), (143, "signal"))
            self.assertIsNone(written["streams"][0]["bookmark"])

    def test_target_that_reads_again_after_the_end(self):
        """It finds whole lines: many targets fail on half a line."""
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.start(catalog)
            running.read(10)
            self.wait_until_blocked(running)
            self.stop_blocked(running)
            *lines, after_the_last = running.output.read().split(b"\n")
            self.assertEqual(after_the_last, b"")
            self.assertEqual(json.loads(lines[-1])["type"], "RECORD")

    def test_target_that_never_reads_again_in_parallel(self):
        self.sql(TABLE)
        running = self.start(
            self.only_catalog(), parallel=2, state_every_rows=10**6, state_every_seconds=10**6
        )
        running.read(10)
        self.wait_until_blocked(running)
        self.stop_blocked(running)

    def test_target_that_never_reads_again_while_reading_wal(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, pad text)")
        create_slot(self, self.schema, "wal2json")
        self.addCleanup(self.drop_slot)
        self.config.update(user="tap", replication_slot=self.schema)
        catalog = self.catalog("t", method="LOG_BASED")
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 2000) FROM generate_series(1, 6000) i")
        running = self.start(catalog, state)
        running.read(10)
        self.wait_until_blocked(running)
        self.stop_blocked(running, signal.SIGTERM)

    def test_silent_ssh_server(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        catalog = self.only_catalog()
        for command in ((), ("slot", "status"), ("check",), ("--discover",)):
            with socket.create_server(("127.0.0.1", 0)) as silent:
                tunnel = {
                    "host": "127.0.0.1",
                    "port": silent.getsockname()[1],
                    "username": "tap",
                    "password": "hidden",
                    "host_key": "any",
                }
                running = self.start(catalog, None, *command, host="db", ssh_tunnel=tunnel)
                with silent.accept()[0]:
                    sent = time.monotonic()
                    running.signal(signal.SIGTERM)
                    self.assertEqual(running.wait(), 143, running)
                    self.assertLess(time.monotonic() - sent, MOST)

    def test_waiting_for_transactions_older_than_the_publication(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.config.update(
            user="tap",
            replication_slot=self.schema,
            publication_name=self.schema,
            create_replication_slot=True,
        )
        catalog = self.catalog("t", method="LOG_BASED")
        self.addCleanup(self.drop_slot)
        with self.session() as holder, holder.cursor() as cursor:
            cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (1)")
            running = self.start(catalog)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (wait_event "
                    "IN ('transactionid', 'virtualxid') OR query LIKE '%txid_snapshot_xmin%')"
                ),
                running,
            )
            sent = time.monotonic()
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(), 143, running)
            self.assertLess(time.monotonic() - sent, MOST)
            cursor.execute("ROLLBACK")

    def drop_slot(self):
        """Drops the test's slot, if there is one, once the server has released it."""
        until(
            lambda: not self.sql("SELECT 1 FROM pg_replication_slots WHERE active"),
            "the slot is in use",
        )
        self.sql(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name "
            f"= '{self.schema}'"
        )

    @staticmethod
    def wait_until_blocked(running):
        until(lambda: is_full(running.output), "the tap does not wait for its output")


if __name__ == "__main__":
    unittest.main()

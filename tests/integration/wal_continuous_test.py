"""Runs that follow WAL for a long time: how they end, and faults on the way."""

import concurrent.futures
import signal
import time
import unittest

from support.pipeline import until
from support.proxy import Proxy
from support.slots import SlotTest

PATIENCE_OF_SERVER = 2  # wal_sender_timeout in seconds


class ContinuousTest(SlotTest):
    database = "wal_continuous"
    settings = {"wal_sender_timeout": f"{PATIENCE_OF_SERVER}s"}

    def setUp(self):
        super().setUp()
        self.make_slot()
        self.catalog_of_t, self.state = self.initial_snapshot()

    def follow(self, **extra):
        """Starts a tap that follows WAL until it is stopped."""
        return self.start(self.catalog_of_t, self.state, **{"break_at_end_lsn": False, **extra})

    def read_until_id(self, running, number):
        """Reads up to the record with this id; returns the messages before it."""
        *before, last = running.read_until(lambda m: m["type"] == "RECORD")
        self.assertEqual(last["record"]["id"], number)
        return before

    def ids(self, messages):
        return [m["record"]["id"] for m in messages if m["type"] == "RECORD"]

    def check_rest(self, state, expected):
        """The next run sends exactly what was not confirmed."""
        self.assertEqual(self.ids(self.sync(self.catalog_of_t, state).messages), expected)

    def test_changes_arrive_as_they_are_committed(self):
        running = self.follow()
        for number in range(10, 15):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
            before = self.read_until_id(running, number)
            self.assertEqual([m["type"] for m in before], ["SCHEMA"] if number == 10 else [])

    def test_ends_after_max_run_seconds(self):
        began = time.monotonic()
        running = self.follow(max_run_seconds=2)
        self.sql("INSERT INTO {s}.t VALUES (10)")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertLess(1.9, time.monotonic() - began)
        self.assertLess(time.monotonic() - began, 6)
        self.assertEqual(self.ids(messages), [10])
        self.assertEqual(messages[-1]["type"], "STATE")
        self.check_rest(messages[-1]["value"], [])

    def test_ends_after_max_run_seconds_despite_changes(self):
        running = self.follow(max_run_seconds=2)
        number = 10
        # A full pipe would keep the run from ending.
        with concurrent.futures.ThreadPoolExecutor() as reader:
            rest = reader.submit(running.read_rest)
            while running.process.poll() is None:
                self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
                number += 1
            messages = rest.result()
        self.assertEqual(running.wait(), 0, running)
        found = self.ids(messages)
        self.assertEqual(found, list(range(10, 10 + len(found))))
        self.check_rest(messages[-1]["value"], list(range(10 + len(found), number)))

    def test_ends_after_idle_logical_poll_total_seconds(self):
        running = self.follow(logical_poll_total_seconds=3)
        for number in range(10, 15):
            began = time.monotonic()
            self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
            self.read_until_id(running, number)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertLess(2.9, time.monotonic() - began)
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual([m["type"] for m in messages], ["STATE"])
        self.check_rest(messages[-1]["value"], [])

    def stop(self, running, number=signal.SIGTERM):
        """Sends the signal; returns the remaining messages."""
        sent = time.monotonic()
        running.signal(number)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 128 + number, running)
        self.assertLess(time.monotonic() - sent, 1, "it took too long to stop")
        self.assertEqual(
            running.log.splitlines()[-1],
            f"WARNING stopped by signal {int(number)}: the next run resumes from the last STATE",
        )
        self.assertEqual(messages[-1]["type"], "STATE")
        return messages

    def test_signal_while_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            running = self.follow()
            until(self.is_active, "the slot is not active")
            self.sql("INSERT INTO {s}.t SELECT max(id) + 1 FROM {s}.t")
            running.read_until(lambda m: m["type"] == "RECORD")
            self.state = self.stop(running, number)[-1]["value"]
            until(lambda: not self.is_active(), "the slot is in use")
            self.check_rest(self.state, [])

    def test_signal_during_a_transaction(self):
        self.sql(
            "INSERT INTO {s}.t VALUES (10); INSERT INTO {s}.t SELECT i, repeat('x', 100) FROM "
            "generate_series(11, 100000) i"
        )
        for extra in ({}, {"break_at_end_lsn": True}):
            running = self.follow(**extra)
            before = running.read(5000)
            after = self.stop(running)
            found = self.ids(before + after)
            self.assertEqual(found, list(range(10, 10 + len(found))))
            self.assertLess(len(found), 100000 - 10)
        # The end of the transaction is missing: the whole transaction is sent again.
        self.check_rest(after[-1]["value"], list(range(10, 100001)))

    def test_progress_reports_remaining_wal(self):
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 100) FROM generate_series(10, 60000) i")
        running = self.follow(break_at_end_lsn=True)
        # A slow target.
        until(lambda: running.read(1) and "rows/s" in running.log, running)
        self.assertRegex(
            running.log,
            r"(?m)^INFO WAL of database wal_continuous: \d+ rows, \d+ rows/s, \d+\.\d [kM]B of "
            r"WAL read, \d+\.\d [kM]B left, about \d+ s; bookmark \d+\.\d [kM]B and \d+ s behind$",
        )
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)

    def test_server_restart(self):
        running = self.follow(state_every_rows=1)
        self.sql("INSERT INTO {s}.t VALUES (10)")
        self.assertEqual([m["type"] for m in self.read_until_id(running, 10)], ["SCHEMA"])
        for number, mode in ((11, "fast"), (12, "immediate")):
            self.server.restart(mode)
            self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
            between = running.read_until(
                lambda m, n=number: m["type"] == "RECORD" and m["record"]["id"] == n
            )[:-1]
            self.assertEqual(
                {m["type"] for m in between}
                - {"STATE"}
                - ({"RECORD"} if mode == "immediate" else set()),
                set(),
            )
        state = self.stop(running)[-1]["value"]
        self.assertRegex(
            running.log,
            r"(?m)^WARNING WAL of database wal_continuous: the connection was lost .*; trying "
            r"again in 0.5 s \(1 of 5\)$",
        )
        self.check_rest(state, [])

    def test_server_restart_with_a_stalled_target(self):
        """A server that shuts down waits for a replication client as long as that responds."""
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 100) FROM generate_series(10, 60000) i")
        running = self.follow(break_at_end_lsn=True)
        first = running.read(100)
        self.server.restart("fast")
        messages = first + running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        found = self.ids(messages)
        again = found.index(10, 1)
        self.assertEqual(found[:again], list(range(10, 10 + again)))
        self.assertEqual(found[again:], list(range(10, 60001)))
        self.assertEqual([m["type"] for m in messages].count("SCHEMA"), 1)

    def test_connection_reset_during_a_transaction(self):
        self.sql(
            "INSERT INTO {s}.t SELECT i, repeat('x', 100) FROM generate_series(10, 20000) i;"
            "DELETE FROM {s}.t WHERE id = 10"
        )
        for bytes_between in (100_000, 1_000_000, 2_000_000):
            with Proxy(self.server.port) as proxy:
                proxy.reset_after(bytes_between)
                running = self.follow(port=proxy.port, break_at_end_lsn=True, state_every_rows=1000)
                messages = running.read_rest()
                self.assertEqual(running.wait(), 0, running)
            self.assertRegex(
                running.log,
                r"(?m)^WARNING WAL of database wal_continuous: the connection was lost .*; trying "
                r"again in 0.5 s \(1 of 5\)$",
            )
            self.assertEqual([m["type"] for m in messages].count("SCHEMA"), 1)
            found, whole = self.ids(messages), [*range(10, 20001), 10]
            # The changes received before the connection broke, possibly none.
            before = len(found) - len(whole)
            self.assertEqual(found, [*range(10, 10 + before), *whole])
            positions = [
                self.bookmark({"bookmarks": m["value"]["bookmarks"]}, "t")["lsn"]
                for m in messages
                if m["type"] == "STATE"
            ]
            self.assertEqual(positions, sorted(positions))
        self.check_rest(messages[-1]["value"], [])

    def test_retries_count_since_the_bookmark_advanced(self):
        running = self.follow(max_retries=1, state_every_rows=1)
        messages = []
        for number in range(10, 13):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
            messages += running.read_until(lambda m, n=number: m.get("record", {}).get("id") == n)
            messages += running.read_until(lambda m: m["type"] == "STATE")
            self.end_reader()
            until(
                lambda n=number: running.log.count("trying again in 0.5 s (1 of 1)") == n - 9,
                lambda: f"no retry\n{running}",
            )
        until(self.is_active, "the slot is not active")
        running.signal(signal.SIGTERM)
        messages += running.read_rest()
        self.assertEqual(running.wait(), 128 + signal.SIGTERM, running)
        self.assertEqual([m["type"] for m in messages].count("SCHEMA"), 1)
        self.check_rest(messages[-1]["value"], [])

    def test_server_stays_down(self):
        with Proxy(self.server.port) as proxy:
            running = self.follow(max_retries=2, port=proxy.port)
            until(self.is_active, "the slot is not active")
            self.sql("INSERT INTO {s}.t VALUES (10)")
            self.read_until_id(running, 10)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 3, running)
        self.assertIn(
            "giving up: 2 retries have not advanced the bookmark (max_retries)\n", running.log
        )
        rest = self.ids(self.sync(self.catalog_of_t, messages[-1]["value"]).messages)
        self.assertIn(rest, ([], [10]))

    def test_target_stalled_beyond_wal_sender_timeout(self):
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 100) FROM generate_series(10, 60000) i")
        running = self.follow(break_at_end_lsn=True)
        [(pid,)] = until(self.is_active, "the slot is not active")
        until(
            lambda: self.sql(
                f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND "
                f"backend_start < now() - {3 * PATIENCE_OF_SERVER} * interval '1 s'"
            ),
            lambda: f"the server has closed the connection\n{running}",
            patience=5 * PATIENCE_OF_SERVER,
        )
        self.assertEqual(self.is_active(), [(pid,)])
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertNotIn("WARNING", running.log)
        self.assertEqual(self.ids(messages), list(range(10, 60001)))


if __name__ == "__main__":
    unittest.main()

"""The exported snapshot that the initial copies of a database share."""

import re
import signal
import unittest

from support.case import dumps
from support.pipeline import until
from support.slots import SlotTest

TABLES = [f"t{i}" for i in range(10, 30)]
# Rows of 1 kB: such a table has a transaction of its own, and does not fit into a pipe.
LARGE = 3000


class SharedSnapshotTest(SlotTest):
    database = "wal_shared_snapshot"

    def setUp(self):
        super().setUp()
        self.make_slot()

    def create(self, *names, rows=3):
        for name in names:
            size = 1000 if rows == LARGE else 1
            self.sql(
                f"""CREATE TABLE {{s}}.{name} (id int PRIMARY KEY, pad text);
                INSERT INTO {{s}}.{name}
                SELECT i, repeat('x', {size}) FROM generate_series(1, {rows}) i"""
            )

    def start_in_first_table(self, *names, **extra):
        """A tap that copies the first table and waits for its target."""
        running = self.start(self.catalog(*names), None, "--log-level", "debug", **extra)
        self.messages = running.read_until(lambda m: m["type"] == "RECORD")
        return running

    def finish(self, running):
        self.messages += running.read_rest()
        self.assertEqual(running.wait(), 0, running)

    def exported(self, running):
        return len(re.findall("SQL: CREATE_REPLICATION_SLOT", running.log))

    def check_complete(self, *names):
        """The copies and then the changes after them give the tables."""
        lines = [(dumps(message) + "\n").encode() for message in self.messages]
        state = self.send_to_target(lines)[-1]
        self.pipe(self.catalog(*names), state)
        for name in names:
            self.check_equal(name)

    def test_open_transactions_are_waited_for_once(self):
        self.create("a", rows=LARGE)
        self.create(*TABLES)
        running = self.start_in_first_table("a", *TABLES)
        with self.session() as session, session.cursor() as cursor:
            cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t15 VALUES (4)")
            self.finish(running)
            cursor.execute("COMMIT")
        self.assertEqual(self.exported(running), 1)
        self.assertNotIn("WARNING", running.log)
        self.check_complete("a", *TABLES)

    def test_lost_session(self):
        self.create("a", "b", "c", rows=LARGE)
        running = self.start_in_first_table("a", "b", "c")
        self.sql(
            """SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
            WHERE slot_name LIKE 'tap_postgres_copy_%' AND temporary"""
        )
        self.sql("INSERT INTO {s}.b VALUES (0, 'new'); DELETE FROM {s}.c WHERE id = 1")
        self.finish(running)
        self.assertEqual(self.exported(running), 2)
        self.check_complete("a", "b", "c")

    def test_changed_after_the_snapshot(self):
        self.create("a", "b", "c", "d", rows=LARGE)
        running = self.start_in_first_table("a", "b", "c", "d")
        self.sql("TRUNCATE {s}.b; INSERT INTO {s}.b VALUES (7, 'new')")
        self.sql("DROP TABLE {s}.c; CREATE TABLE {s}.c (id int PRIMARY KEY, pad text)")
        self.sql("INSERT INTO {s}.c VALUES (8, 'new')")
        self.finish(running)
        copied = [
            m["record"]["id"]
            for m in self.messages
            if m.get("stream") in ("b", "c") and m["type"] == "RECORD"
        ]
        self.assertEqual(copied, [7, 8])
        self.check_complete("a", "b", "c", "d")

    def test_created_after_the_snapshot(self):
        self.create("a", "b", rows=LARGE)
        catalog = self.catalog("a", "b")
        self.sql("DROP TABLE {s}.b")
        running = self.start(catalog, None, "--log-level", "debug")
        self.messages = running.read_until(lambda m: m["type"] == "RECORD")
        self.create("b")
        self.finish(running)
        self.check_complete("a", "b")

    def test_released_after_the_last_copy(self):
        self.create("a", "b")
        running = self.start(self.catalog("a", "b"), break_at_end_lsn=False)
        until(self.is_active, "the slot is not active")
        until(
            lambda: not self.sql("SELECT 1 FROM pg_replication_slots WHERE temporary"),
            "the snapshot is kept while WAL is followed",
        )
        self.sql("INSERT INTO {s}.b VALUES (4)")
        self.messages = running.read_until(
            lambda m: m["type"] == "RECORD" and m["record"]["id"] == 4
        )
        running.signal(signal.SIGTERM)
        running.read_rest()
        self.assertEqual(running.wait(), 143, running)


if __name__ == "__main__":
    unittest.main()

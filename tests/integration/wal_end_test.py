"""A bounded run stops at once at the end of WAL of its start, whatever WAL ends with."""

import contextlib
import threading
import time
import unittest

from support.pipeline import until
from support.slots import SlotTest

# Seconds that a run with almost nothing to read never takes, even on a slow machine (0.1 here).
AT_ONCE = 60


class WalEndTest(SlotTest):
    database = "wal_end"

    def setUp(self):
        super().setUp()
        self.make_slot()
        self.catalog_of_t, self.state = self.initial_snapshot()

    def follow(self, *, at_once=True, **extra):
        """Runs from the last state; returns the ids of the records."""
        began = time.monotonic()
        result = self.sync(self.catalog_of_t, self.state, **extra)
        if at_once:
            self.assertLess(time.monotonic() - began, AT_ONCE, result)
        self.assertGreaterEqual(self.lsn(result.last_state), self.lsn(self.state))
        self.state = result.last_state
        return [r["id"] for r in result.records()]

    def test_no_changes(self):
        for _ in range(5):
            end = self.end_of_wal()
            self.assertEqual(self.follow(), [])
            # WAL written by the run itself may not be flushed.
            self.assertGreaterEqual(self.lsn(self.state), end - 16384)

    def test_only_changes_of_other_tables(self):
        self.sql("CREATE TABLE {s}.other (id int)")
        for _ in range(3):
            self.sql("INSERT INTO {s}.other SELECT generate_series(1, 10000)")
            end = self.end_of_wal()
            self.assertEqual(self.follow(), [])
            self.assertGreaterEqual(self.lsn(self.state), end)

    def test_constant_changes_of_other_tables(self):
        self.sql("CREATE TABLE {s}.other (id int)")
        over = threading.Event()

        def write():
            with (
                contextlib.closing(self.server.connect(self.database)) as connection,
                connection.cursor() as cursor,
            ):
                while not over.is_set():
                    cursor.execute(f"INSERT INTO {self.schema}.other SELECT generate_series(1, 10)")

        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for i in range(10, 15):
                self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
                end = self.end_of_wal()
                given = self.lsn(self.state)
                self.assertEqual(self.follow(), [i])
                self.assertGreaterEqual(self.lsn(self.state), end)
                self.assertEqual(self.confirmed(), given)
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def test_wal_switch(self):
        for i in range(10, 13):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
            self.sql("SELECT pg_switch_wal()")
            self.assertEqual(self.follow(), [i])
            self.sql("SELECT pg_switch_wal()")
            self.assertEqual(self.follow(), [])
            self.sql("SELECT txid_current(); SELECT pg_switch_wal()")
            self.assertEqual(self.follow(), [])

    def test_checkpoint(self):
        for i in range(10, 13):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
            self.sql("CHECKPOINT")
            self.assertEqual(self.follow(), [i])
            self.sql("SELECT pg_switch_wal()")
            self.sql("CHECKPOINT")
            self.assertEqual(self.follow(), [])

    def test_end_inside_a_huge_transaction(self):
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(
                f"BEGIN; INSERT INTO {self.schema}.t SELECT i, repeat('x', 100) FROM "
                "generate_series(10, 50009) i"
            )
            self.assertEqual(self.follow(), [])
            self.sql("INSERT INTO {s}.t VALUES (4)")
            self.assertEqual(self.follow(), [4])
            cursor.execute(
                f"INSERT INTO {self.schema}.t SELECT i FROM generate_series(50010, 60000) i"
            )
            self.assertEqual(self.follow(), [])
            cursor.execute("COMMIT")
        self.assertEqual(self.follow(at_once=False), list(range(10, 60001)))
        self.assertEqual(self.follow(), [])

    def test_overlapping_transactions(self):
        first, second = (self.session().cursor() for _ in range(2))
        first.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (10)")
        second.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (20)")
        self.assertEqual(self.follow(), [])
        first.execute(f"INSERT INTO {self.schema}.t VALUES (11)")
        second.execute("COMMIT")
        self.assertEqual(self.follow(), [20])
        self.assertEqual(self.follow(), [])
        first.execute("COMMIT")
        self.assertEqual(self.follow(), [10, 11])

    def test_asynchronous_commits(self):
        found = []
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO off")
            for i in range(10, 40):
                cursor.execute(f"INSERT INTO {self.schema}.t VALUES ({i})")
                found += self.follow()
        self.sql("INSERT INTO {s}.t VALUES (40)")
        found += self.follow()
        self.assertEqual(found, list(range(10, 41)))

    def test_rollback(self):
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(
                f"BEGIN; INSERT INTO {self.schema}.t SELECT i FROM generate_series(10, 20000) i; "
                "ROLLBACK"
            )
        self.assertEqual(self.follow(), [])
        self.assertEqual(self.follow(), [])

    def test_every_offset_in_a_page(self):
        """Commits of many lengths, so that WAL ends at many offsets of its 8 KiB pages."""
        for i in range(10, 50):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i}, repeat('x', {i * 37}))")
            self.assertEqual(self.follow(), [i])


class PageEdgeTest(SlotTest):
    """WAL is written in whole pages, so it may end inside an asynchronous commit."""

    database = "page_edge"
    page = 8192
    before_the_edge = 16  # bytes; less than a record header

    settings = {"wal_writer_delay": "3s", "synchronous_commit": "off", "autovacuum": "off"}

    def pad(self, cursor):
        """Fills WAL up to shortly before the end of a page."""

        def here():
            cursor.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
            return cursor.fetchone()[0]

        def write(size):
            cursor.execute(f"SELECT pg_logical_emit_message(true, '', repeat('x', {size}))")

        for _ in range(100):
            start = here()
            write(1000)
            if here() // self.page != start // self.page:
                continue  # pages have headers, too
            head = here() - start - 1000  # size of a message without its content
            left = self.page - self.before_the_edge - here() % self.page
            if left >= head + 300:
                write(left - head)
                if here() % self.page == self.page - self.before_the_edge:
                    return here() + self.before_the_edge
            else:
                write(2000)
        self.fail("the end of a page was never met")

    def test_commit_across_the_end_is_left_to_the_next_run(self):
        self.make_slot()
        selected, state = self.initial_snapshot()
        found = []
        with self.session() as connection, connection.cursor() as cursor:
            for i in range(10, 13):
                cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES ({i})")
                edge = self.pad(cursor)
                cursor.execute("COMMIT")
                until(
                    lambda edge=edge: self.sql(
                        f"SELECT pg_current_wal_flush_lsn() - '0/0' >= {edge}"
                    )
                    == [(True,)],
                    "no suitable page",
                )
                for _ in range(2):
                    result = self.sync(selected, state)
                    found += [record["id"] for record in result.records()]
                    state = result.last_state
                # Flush WAL.
                self.sql(
                    "SET synchronous_commit TO on; CREATE TABLE IF NOT EXISTS {s}.u (); DROP TABLE "
                    "{s}.u"
                )
        result = self.sync(selected, state)
        self.assertEqual(found + [record["id"] for record in result.records()], [10, 11, 12])


if __name__ == "__main__":
    unittest.main()

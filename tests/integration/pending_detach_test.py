"""Partitions with a pending DETACH CONCURRENTLY, and tables without usable ctid."""

import threading
import unittest

import psycopg2

from support.case import SchemaTest
from support.wal_case import WalTest
from support.pipeline import until
from support.resume import ResumeTest
from support.server import SUPERUSER

ROOT = """CREATE TABLE {s}.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
          CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
          CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
          INSERT INTO {s}.t SELECT i, 1 + i % 2 FROM generate_series(1, 10) i;"""


class Pending:
    def leave_pending(self):
        """Detaches t2 concurrently, and cancels that while it waits for a transaction."""
        holder = self.session().cursor()
        holder.execute(f"BEGIN; SELECT count(*) FROM {self.schema}.t")
        detaching = psycopg2.connect(
            host=str(self.server.folder),
            port=self.server.port,
            user=SUPERUSER,
            dbname=self.database,
        )
        detaching.autocommit = True
        self.addCleanup(detaching.close)
        pid = detaching.info.backend_pid

        def detach():
            with self.assertRaises(psycopg2.errors.QueryCanceled):
                detaching.cursor().execute(
                    f"ALTER TABLE {self.schema}.t DETACH PARTITION {self.schema}.t2 CONCURRENTLY"
                )

        thread = threading.Thread(target=detach)
        thread.start()
        until(
            lambda: self.sql(
                f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
            ),
            "DETACH does not wait",
        )
        self.sql(f"SELECT pg_cancel_backend({pid})")
        thread.join()
        holder.execute("ROLLBACK")
        self.assertEqual(
            self.sql(
                "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = '{s}.t2'::regclass"
            ),
            [(True,)],
        )


class CopiedTest(Pending, SchemaTest):
    database = "pending_detach"

    def test_pending_detach(self):
        self.sql(ROOT)
        self.leave_pending()
        for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "id")):
            with self.subTest(method):
                result = self.sync(self.catalog("t", method=method, key=key))
                self.assertEqual(sorted(r["id"] for r in result.records("t")), [2, 4, 6, 8, 10])
        result = self.sync(self.catalog("t2"))
        self.assertEqual(sorted(r["id"] for r in result.records("t2")), [1, 3, 5, 7, 9])


class LogBasedTest(Pending, WalTest):
    database = "detach_log"

    def test_pending_detach(self):
        self.sql(ROOT)
        self.leave_pending()
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (20, 1); INSERT INTO {s}.t2 VALUES (21, 2)")
        self.assertEqual([r["id"] for r in self.follow().records("t")], [20])
        self.check_equal("t")


class AccessMethodTest(ResumeTest):
    """Only the heap access method is known to store rows in ctid order."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler")
        self.addCleanup(self.sql, "DROP ACCESS METHOD other_heap CASCADE")

    def test_table_of_another_access_method(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY) USING other_heap; INSERT INTO {s}.t SELECT "
            "generate_series(1, 600)"
        )
        state = self.interrupt_after(9)
        self.assertNotIn("copy", self.bookmark(state, "t"))
        result = self.resume(state)
        self.assertEqual(sorted(self.ids(result)), list(range(1, 601)))

    def test_partition_of_another_access_method(self):
        self.sql(
            """CREATE TABLE {s}.t (id int, part int) PARTITION BY LIST (part);
                    CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1) USING other_heap;
                    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2)
                      WITH (fillfactor = 12);
                    INSERT INTO {s}.t SELECT i, 1 FROM generate_series(1, 100) i;
                    INSERT INTO {s}.t SELECT i, 2 FROM generate_series(101, 600) i"""
        )
        state = self.interrupt_after(6)
        result = self.resume(state)
        self.assertEqual(sorted(self.ids(result)), [*range(1, 101), *range(self.sent + 1, 601)])


if __name__ == "__main__":
    unittest.main()

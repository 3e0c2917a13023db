"""A test case for interrupted runs, with a source server that a test may stop."""

import atexit
import functools
import re
import unittest

from support.case import SchemaTest
from support.pipeline import until
from support.server import Server, shared

ROWS = 6000
# More than the buffers between server and tap hold: when the test stops reading at some row, the
# server stops, too.
TABLE = (
    """
    CREATE TABLE {s}.t (id int PRIMARY KEY, k int NOT NULL, n int, pad text) WITH (fillfactor = 90);
    INSERT INTO {s}.t SELECT i, i, 0, repeat('x', 2000) FROM generate_series(1, %d) i;
"""
    % ROWS
)
EVERY = 100  # rows between STATE messages
MOST_REPEATED = 2 * EVERY  # rows of an interrupted range, which ends with a whole block
BACKENDS = "FROM pg_stat_activity WHERE usename = 'reader' AND pid <> pg_backend_pid()"


@functools.cache
def stoppable():
    """The source server of all tests in this process; the destination is on another server."""
    server = Server({"max_wal_senders": 4})
    atexit.register(server.close)
    server.create_reader()
    return server


class InterruptionTest(SchemaTest):
    """The tap connects as the user `reader`."""

    database = "interruption"

    @classmethod
    def setUpClass(cls):
        if shared().version < (14,):
            raise unittest.SkipTest("ranges of a table's blocks are read since version 14")
        cls.server = stoppable()
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.config.update(user="reader", state_every_rows=EVERY)
        self.addCleanup(self.terminate)  # remaining backends would keep their locks

    def terminate(self):
        self.sql(f"SELECT pg_terminate_backend(pid, 10000) {BACKENDS}")

    def catalogs(self):
        """Catalogs for full-table and for incremental sync of the table."""
        for method in ("FULL_TABLE", "INCREMENTAL"):
            with self.subTest(method):
                self.clear_destination()
                yield self.catalog("t", method=method, key="k")

    def only_catalog(self):
        return self.catalog("t")

    def backend_waits_for_lock(self):
        until(
            lambda: self.sql(f"SELECT 1 {BACKENDS} AND wait_event_type = 'Lock'"),
            "the tap does not wait for a lock",
        )

    def retries(self, log):
        """The logged retries, as (reason, seconds, number)."""
        return re.findall(
            r"(?m)^WARNING \S+-t: (.*); trying again in (\d+\.\d) s \((\d+) of \d+\)$", log
        )

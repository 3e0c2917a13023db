"""Transactions that are decoded before their changes are visible to other sessions.

With synchronous replication this can take long. Lookups in tables must wait until it is over.
"""

import contextlib
import threading
import unittest

from support.pipeline import until
from support.plugins import PLUGIN, for_wal2json
from support.wal_case import WalTest


class CommitVisibilityTest(WalTest):
    database = "wal_commit_visibility"
    # This standby does not exist. Only sessions that request it wait.
    settings = {"synchronous_standby_names": "missing", "synchronous_commit": "local"}

    @contextlib.contextmanager
    def waiting_commit(self, statements):
        """Commits statements: WAL has the commit, and queries do not see it until the end."""
        connection = self.session()
        cursor = connection.cursor()
        cursor.execute(f"SET search_path TO {self.schema}; SET synchronous_commit TO on")
        pid = connection.get_backend_pid()
        writer = threading.Thread(target=cursor.execute, args=(f"BEGIN; {statements}; COMMIT",))
        writer.start()
        try:
            until(
                lambda: self.sql(
                    f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'SyncRep'"
                ),
                "COMMIT does not wait",
            )
            yield pid
        finally:
            self.sql(f"SELECT pg_cancel_backend({pid})")
            writer.join()

    def check(self, statements, expected, logged=None):
        """A run that decodes a waiting transaction sends these records, and reports a long wait."""
        with self.waiting_commit(statements):
            running = self.start(self.selected, self.state)
            if logged:
                running.wait_for_log(logged)
            else:
                # if it does not wait, it fails within a second
                with contextlib.suppress(AssertionError):
                    until(lambda: running.process.poll() is not None, "", patience=1)
        found = [
            message["record"] for message in running.read_rest() if message["type"] == "RECORD"
        ]
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual(
            [
                [record.get(name) for name in names]
                for record in found
                for names in [list(expected[0])]
            ],
            [list(record.values()) for record in expected],
        )

    def test_toast_value_of_an_inserted_row(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER big "
            "SET STORAGE EXTERNAL"
        )
        self.initial_snapshot()
        big = "x" * 3000
        self.check(
            f"INSERT INTO t VALUES (1, 1, '{big}'); UPDATE t SET n = 2",
            [{"id": 1, "n": 1, "big": big}, {"id": 1, "n": 2, "big": big}],
        )

    def test_toast_value_changed_in_the_transaction(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER big "
            "SET STORAGE EXTERNAL;"
            "INSERT INTO {s}.t VALUES (1, 0, repeat('o', 3000))"
        )
        self.initial_snapshot()
        big = "x" * 3000
        self.check(
            f"UPDATE t SET big = '{big}'; UPDATE t SET n = 2",
            [{"id": 1, "n": 0, "big": big}, {"id": 1, "n": 2, "big": big}],
        )

    @for_wal2json
    def test_copy_without_an_exported_snapshot(self):
        """The slot has sent the commit before its table is selected."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (LIKE {s}.t)")
        self.sql("ALTER TABLE {s}.u ADD PRIMARY KEY (id); INSERT INTO {s}.u VALUES (1)")
        self.initial_snapshot("t", lock_timeout="1s")
        with self.waiting_commit("INSERT INTO u VALUES (2)") as pid:
            self.follow()
            self.follow()  # acknowledges the state of the run before
            self.selected = self.catalog("t", "u", method="LOG_BASED")
            result = self.follow(expect=1)
        self.assertEqual(
            [line for line in result.stderr.splitlines() if line.startswith(("WARN", "ERROR"))][1:],
            [
                f"WARNING waiting for commits that WAL has and queries do not see yet: PID {pid}; "
                "check whether the server waits for a standby (synchronous_standby_names)",
                f"ERROR stream {self.id_of('u')}: WAL has commits that queries do not see after 1 "
                f"s (lock_timeout): PID {pid}: check whether the server waits for a standby "
                "(synchronous_standby_names)",
            ],
        )
        self.check_followed("u")

    def test_partition_created_in_the_transaction(self):
        self.require_version(11, "keys of partitioned tables exist")
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY) PARTITION BY RANGE (id)")
        self.initial_snapshot()
        self.check("CREATE TABLE p PARTITION OF t DEFAULT; INSERT INTO t VALUES (1)", [{"id": 1}])

    def test_column_added_in_the_transaction(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot(tap_id="x")
        self.check("ALTER TABLE t ADD n int; INSERT INTO t VALUES (1, 1)", [{"id": 1, "n": 1}])

    def test_long_wait_is_reported(self):
        if PLUGIN == "pgoutput":
            self.require_version(14, "pgoutput does not wait for the lock on a new partition")
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY) PARTITION BY RANGE (id)")
        self.initial_snapshot()
        self.check(
            "CREATE TABLE p PARTITION OF t DEFAULT; INSERT INTO t VALUES (1)",
            [{"id": 1}],
            r"(?m)^WARNING waiting for transactions \d+ to become visible: WAL has their commits, "
            r"but queries do not see them yet; check whether the server waits for a standby "
            r"\(synchronous_standby_names\)$",
        )


if __name__ == "__main__":
    unittest.main()

"""Rows that must be read from the table because WAL lacks values, but cannot be read."""

import unittest

from support.check import ADVICE
from support.wal_case import WalTest, changes, warnings

BIG = "repeat('x', {length})"


class BackfillFailuresTest(WalTest):
    database = "wal_backfill_failures"

    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text, small text); CREATE TABLE "
            "{s}.u (id int PRIMARY KEY);"
            "ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL, ALTER small SET STORAGE EXTERNAL"
        )

    def make_reader(self):
        """Creates a role that may read the tables."""
        reader = f"{self.schema}_reader"
        self.sql(
            f"CREATE ROLE {reader} LOGIN REPLICATION; GRANT USAGE ON SCHEMA {{s}} TO {reader};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {{s}} TO {reader}"
        )
        self.addCleanup(self.sql, f"DROP OWNED BY {reader}; DROP ROLE {reader}")
        self.config["user"] = reader
        return reader

    def check_stream_fails_alone(self, reader):
        """Without privileges t fails and u continues; later t sends its remaining changes."""
        before = self.lsn(self.state, "t")
        self.sql(f"REVOKE SELECT ON {{s}}.t FROM {reader}")
        result = self.follow(expect=1)
        self.assertEqual(
            changes(result, "u"), [{"id": i, "_sdc_deleted_at": None} for i in range(1, 301)]
        )
        self.assertIn(
            f"ERROR stream {self.id_of('t')}: {self.server.permission_denied('t')} (SQLSTATE "
            f"42501){ADVICE}\n",
            result.stderr,
        )
        self.assertEqual(result.stderr.count("ERROR "), 1)
        self.assertIn(
            f"CRITICAL 1 of 2 streams failed: {self.id_of('t')}\n",
            result.stderr,
        )
        self.assertEqual(self.lsn(self.state, "t"), before)
        self.assertGreater(self.lsn(self.state, "u"), before)
        self.sql(f"GRANT SELECT ON {{s}}.t TO {reader}")
        self.check_followed("t", "u")

    def check_columns(self, length):
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {BIG.format(length=length)})")
        reader = self.make_reader()
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2; INSERT INTO {s}.u SELECT generate_series(1, 300)")
        self.check_stream_fails_alone(reader)

    def test_no_column_privilege(self):
        self.check_columns(3_000)

    def test_no_privilege_on_large_column(self):
        self.check_columns(5_000_000)

    def test_no_table_privilege(self):
        self.sql(
            "ALTER TABLE {s}.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE, REPLICA "
            "IDENTITY FULL;"
            "INSERT INTO {s}.t SELECT generate_series(1, 5)"
        )
        reader = self.make_reader()
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET id = id + 1; INSERT INTO {s}.u SELECT generate_series(1, 300)")
        self.check_stream_fails_alone(reader)

    def test_dropped_column(self):
        self.sql(
            f"INSERT INTO {{s}}.t VALUES (1, 1, {BIG.format(length=3000)}, "
            f"{BIG.format(length=3001)})"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        running = self.start(self.selected, self.state, break_at_end_lsn=False)
        running.read_until(lambda message: message.get("record", {}).get("n") == 2)
        self.sql("BEGIN; UPDATE {s}.t SET n = 3; ALTER TABLE {s}.t DROP big; COMMIT")
        records = running.read_until(lambda message: message.get("record", {}).get("n") == 3)
        running.signal(15)
        running.read_rest()
        self.assertEqual(running.wait(), 128 + 15)
        self.assertEqual(
            {
                name: len(value)
                for name, value in records[-1]["record"].items()
                if name in ("big", "small")
            },
            {"small": 3001},
        )
        self.assertEqual(
            warnings(running), ["stopped by signal 15: the next run resumes from the last STATE"]
        )

    def test_dropped_table(self):
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {BIG.format(length=3000)})")
        self.initial_snapshot()
        running = self.start(self.selected, self.state, break_at_end_lsn=False)
        running.read_until(lambda message: message["type"] == "SCHEMA" and message["stream"] == "u")
        self.sql("BEGIN; UPDATE {s}.t SET n = 3; DROP TABLE {s}.t; COMMIT")
        records = running.read_until(lambda message: message["type"] == "RECORD")
        running.signal(15)
        running.read_rest()
        self.assertEqual(running.wait(), 128 + 15)
        self.assertEqual(
            records[-1]["record"], {"id": 1, "n": 3, "small": None, "_sdc_deleted_at": None}
        )
        [warning, _] = warnings(running)
        self.assertEqual(
            warning,
            f"{self.id_of('t')}: columns that an update did not send are left out, since they "
            "cannot be "
            f'read: relation "{self.schema}.t" does not exist (SQLSTATE 42P01)',
        )


if __name__ == "__main__":
    unittest.main()

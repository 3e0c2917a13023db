"""DDL between the queries that look up the table of a log-based stream."""

import unittest

from support.pipeline import until
from support.plugins import for_wal2json
from support.wal_case import WalTest


class DdlRaceTest(WalTest):
    database = "wal_ddl_race"

    @for_wal2json  # with pgoutput, the look-up of publications waits for the lock
    def test_table_dropped_between_two_queries(self):
        """All queries read one catalog snapshot, so they find the same table."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t", "u")
        self.sql("INSERT INTO {s}.u VALUES (1)")
        holder = self.session().cursor()
        holder.execute("BEGIN; LOCK TABLE pg_catalog.pg_inherits")
        running = self.start(self.selected, self.state)
        until(
            lambda: self.sql(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = "
                "'pg_catalog.pg_inherits'::regclass"
            ),
            lambda: f"the tap does not wait\n{running}",
        )
        holder.execute(f"DROP TABLE {self.schema}.t; COMMIT")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual([m["record"]["id"] for m in messages if m["type"] == "RECORD"], [1])
        self.assertNotRegex(running.log, "ERROR|CRITICAL")


if __name__ == "__main__":
    unittest.main()

"""Runs of hundreds of small tables: what they write besides the records."""

import unittest

from support import tap
from support.case import SchemaTest

TABLES = 600


class ManyTablesTest(SchemaTest):
    database = "many_tables"

    def setUp(self):
        super().setUp()
        self.sql(
            f"""DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
            EXECUTE format('CREATE TABLE {{s}}.%I AS SELECT 1 AS id', 't' || i);
            END LOOP; END $$"""
        )
        self.tables = [f"t{i}" for i in range(1, TABLES + 1)]

    def state_bytes(self, result):
        return sum(map(len, result.state_texts))

    def check_complete(self, state, tables):
        for table in tables:
            self.assertIn("xmin", self.bookmark(state, table), table)


class StateVolumeTest(ManyTablesTest):
    def test_states_stay_small(self):
        result = self.sync(self.catalog(*self.tables))
        self.assertEqual(len(result.records()), TABLES)
        self.assertLess(self.state_bytes(result), 1_000_000)
        last = tap.load_strict(result.last_state.encode())
        self.check_complete(last, self.tables)
        self.assertIsNone(last["currently_syncing"])
        self.assertEqual(result.types[-1], "STATE")

    def test_states_by_time(self):
        result = self.sync(self.catalog(*self.tables[:20]), state_every_seconds=0)
        self.assertEqual(
            result.types,
            ["SCHEMA", "STATE", "ACTIVATE_VERSION", "RECORD", "ACTIVATE_VERSION", "STATE"] * 20,
        )

    def test_states_by_rows(self):
        """Rows count across streams."""
        result = self.sync(self.catalog(*self.tables), state_every_rows=50)
        records = 0
        for kind in result.types:
            records = {"STATE": 0, "RECORD": records + 1}.get(kind, records)
            self.assertLessEqual(records, 50)

    def test_last_state_after_an_error(self):
        """The stream that fails is the last one, and none of the last STATEs was written."""
        catalog = self.catalog(*self.tables)
        self.sql("DROP TABLE {s}.t99")  # the last one by name
        result = self.sync(catalog, expect=1)
        self.assertEqual(result.types[-1], "STATE")
        self.check_complete(result.last_state, set(self.tables) - {"t99"})

    def test_last_state_after_a_lost_connection(self):
        catalog = self.catalog(*self.tables)
        self.sql("ALTER TABLE {s}.t99 RENAME TO t99_table")
        self.sql(
            """CREATE VIEW {s}.t99 AS SELECT id FROM {s}.t99_table
            WHERE pg_terminate_backend(pg_backend_pid())"""
        )
        result = self.sync(catalog, expect=1, max_retries=0)
        self.assertEqual(result.types[-1], "STATE")
        self.check_complete(result.last_state, set(self.tables) - {"t99"})


if __name__ == "__main__":
    unittest.main()

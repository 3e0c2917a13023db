"""Tables that another session replaces or alters while the tap waits for their lock."""

import unittest

from support.case import SchemaTest
from support.pipeline import until

PARTITIONED = """
    CREATE TABLE {s}.t (id int, part int) PARTITION BY LIST (part);
    CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
    INSERT INTO {s}.t SELECT i, i % 2 + 1 FROM generate_series(1, 100) i;"""


class Cases:
    """The cases, for each replication method."""

    database = "concurrent_ddl"
    method = None

    def sync_behind_lock(self, table, statements):
        """The messages of a run that waits until another session has executed statements."""
        catalog = self.catalog(
            "t", method=self.method, key="id" if self.method == "INCREMENTAL" else None
        )
        with self.session().cursor() as holder:
            holder.execute(f"BEGIN; LOCK TABLE {self.schema}.{table}")
            running = self.start(catalog)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{s}.%s'::regclass"
                    % table
                ),
                lambda: f"the tap does not wait for the table\n{running}",
            )
            holder.execute(statements.replace("{s}", self.schema))
            holder.execute("COMMIT")
            messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        return messages

    def check_complete(self, messages):
        """Fails unless the run has sent every row of the table once."""
        sent = sorted(m["record"]["id"] for m in messages if m["type"] == "RECORD")
        self.assertEqual(sent, [id for (id,) in self.sql("SELECT id FROM {s}.t ORDER BY id")])
        self.assertTrue(sent, "no rows")

    def test_swapped_for_a_table_created_meanwhile(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 100) i")
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            CREATE TABLE {s}.t_new AS SELECT i AS id FROM generate_series(1000, 1200) i;
            ALTER TABLE {s}.t RENAME TO t_old; ALTER TABLE {s}.t_new RENAME TO t;""",
            )
        )

    def test_swapped_for_a_table_filled_meanwhile(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 100) i; CREATE TABLE "
            "{s}.t_new (id int)"
        )
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            INSERT INTO {s}.t_new SELECT i FROM generate_series(1000, 1200) i;
            ALTER TABLE {s}.t RENAME TO t_old; ALTER TABLE {s}.t_new RENAME TO t;""",
            )
        )

    def test_dropped_and_recreated(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 100) i")
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            DROP TABLE {s}.t;
            CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1000, 1200) i;""",
            )
        )

    def test_rewritten(self):
        self.sql("CREATE UNLOGGED TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 100) i")
        self.check_complete(self.sync_behind_lock("t", "ALTER TABLE {s}.t SET LOGGED"))

    def test_partition_rewritten(self):
        self.sql(PARTITIONED)
        self.check_complete(self.sync_behind_lock("t2", "ALTER TABLE {s}.t2 SET UNLOGGED"))

    def test_partition_dropped_and_recreated(self):
        self.sql(PARTITIONED)
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            DROP TABLE {s}.t2; CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
            INSERT INTO {s}.t SELECT i, 2 FROM generate_series(1000, 1200) i;""",
            )
        )

    def test_partition_swapped_for_a_table_filled_meanwhile(self):
        self.sql(PARTITIONED + "CREATE TABLE {s}.t2_new (id int, part int)")
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            INSERT INTO {s}.t2_new SELECT i, 2 FROM generate_series(1000, 1200) i;
            ALTER TABLE {s}.t DETACH PARTITION {s}.t2;
            ALTER TABLE {s}.t ATTACH PARTITION {s}.t2_new FOR VALUES IN (2);""",
            )
        )

    def test_partition_swapped_by_name(self):
        self.sql(PARTITIONED)
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            CREATE TABLE {s}.t2_new AS SELECT i AS id, 2 AS part FROM generate_series(1000, 1200) i;
            ALTER TABLE {s}.t DETACH PARTITION {s}.t2;
            ALTER TABLE {s}.t2 RENAME TO t2_old; ALTER TABLE {s}.t2_new RENAME TO t2;
            ALTER TABLE {s}.t ATTACH PARTITION {s}.t2 FOR VALUES IN (2);""",
            )
        )

    def test_table_under_a_view_swapped(self):
        self.sql(
            """CREATE TABLE {s}.base AS SELECT i AS id FROM generate_series(1, 100) i;
                    CREATE VIEW {s}.t AS SELECT id FROM {s}.base"""
        )
        self.check_complete(
            self.sync_behind_lock(
                "t",
                """
            DROP TABLE {s}.base CASCADE;
            CREATE TABLE {s}.base AS SELECT i AS id FROM generate_series(1000, 1200) i;
            CREATE VIEW {s}.t AS SELECT id FROM {s}.base;""",
            )
        )

    def test_table_under_a_view_reloaded(self):
        self.sql(
            """CREATE TABLE {s}.base AS SELECT i AS id FROM generate_series(1, 100) i;
                    CREATE VIEW {s}.t AS SELECT id FROM {s}.base"""
        )
        self.check_complete(
            self.sync_behind_lock(
                "base",
                """
            TRUNCATE {s}.base; INSERT INTO {s}.base SELECT i FROM generate_series(1000, 1200) i;""",
            )
        )

    def test_columns_that_swap_names(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 258 AS a, 'x'::text AS b")
        messages = self.sync_behind_lock(
            "t",
            """
            ALTER TABLE {s}.t RENAME a TO c; ALTER TABLE {s}.t RENAME b TO a;
            ALTER TABLE {s}.t RENAME c TO b;""",
        )
        self.assertEqual(
            [m["record"] for m in messages if m["type"] == "RECORD"],
            [{"a": "x", "b": 258, "id": 1}],
        )

    def test_domain_column_is_unchanged(self):
        self.sql(
            """CREATE DOMAIN {s}.small AS int; CREATE DOMAIN {s}.smaller AS {s}.small;
                    CREATE TABLE {s}.t AS
                      SELECT 1 AS id, 2::{s}.smaller AS n, ARRAY[3]::{s}.small[] AS l"""
        )
        self.check_complete(self.sync_behind_lock("t", "COMMENT ON TABLE {s}.t IS 'another one'"))


class FullTableTest(Cases, SchemaTest):
    method = "FULL_TABLE"


class IncrementalTest(Cases, SchemaTest):
    method = "INCREMENTAL"


if __name__ == "__main__":
    unittest.main()

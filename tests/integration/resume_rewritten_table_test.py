"""A full-table copy restarts if its table has been rewritten to another file."""

import unittest

from support.pipeline import until
from support.proxy import Proxy
from support.resume import BEHIND, PARTITIONED, REWRITTEN, TABLE, ResumeTest


class RewrittenTableTest(ResumeTest):
    """Positions are invalid in another file."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def check_restarts(self, *statements, why=REWRITTEN):
        state = self.interrupt_after(9)
        for statement in statements:
            self.sql(statement)
        self.check_restarted(self.resume(state), state, why)

    def test_vacuum_full(self):
        self.check_restarts("DELETE FROM {s}.t WHERE id < 200", "VACUUM FULL {s}.t")

    def test_cluster(self):
        self.sql("CREATE INDEX backwards ON {s}.t ((-id))")
        self.check_restarts("CLUSTER {s}.t USING backwards")

    def test_truncate(self):
        self.check_restarts(
            "TRUNCATE {s}.t", "INSERT INTO {s}.t SELECT i, 1, '' FROM generate_series(500, 1500) i"
        )

    def test_truncate_while_the_resumed_run_reconnects(self):
        """No row was sent since the run began, but rows of the version had been sent before."""
        state = self.interrupt_after(9)
        change = (
            "TRUNCATE {s}.t; INSERT INTO {s}.t SELECT i, 1, '' FROM generate_series(500, 600) i"
        )
        with Proxy(self.server.port) as proxy:
            proxy.reset_before(b"COPY (", lambda: self.sql(change))
            self.config.update(host="127.0.0.1", port=proxy.port)
            result = self.resume(state)
        self.assertIn("trying again in 0.5 s (1 of 5)", result.stderr)
        self.check_restarted(result, state, REWRITTEN)

    def test_truncate_to_empty(self):
        self.check_restarts("TRUNCATE {s}.t")

    def test_alter_table(self):
        self.check_restarts("ALTER TABLE {s}.t ALTER n TYPE bigint")

    def test_dropped_and_recreated(self):
        self.check_restarts(
            "DROP TABLE {s}.t",
            TABLE,
            "DELETE FROM {s}.t WHERE id < 100",
            why="the table or partition where it stopped is gone",
        )

    def test_swapped_for_another_table(self):
        self.check_restarts(
            "CREATE TABLE {s}.u (LIKE {s}.t INCLUDING ALL); INSERT INTO {s}.u SELECT id + 5, n, "
            "pad FROM {s}.t;"
            "ALTER TABLE {s}.t RENAME TO old; ALTER TABLE {s}.u RENAME TO t",
            why="the table or partition where it stopped is gone",
        )

    def test_another_timeline(self):
        state = self.interrupt_after(9)
        bookmark = self.bookmark(state, "t")
        bookmark["copy"]["snapshot"] = "4000000000:4000000000:"
        state = {"bookmarks": {self.id_of("t"): bookmark}}
        self.check_restarted(self.resume(state), state, BEHIND)

    def test_invalid_position(self):
        good = self.bookmark(self.interrupt_after(9), "t")
        for wrong in (
            5,
            None,
            [],
            {},
            {**good["copy"], "snapshot": "x"},
            {**good["copy"], "position": "here"},
            {**good["copy"], "leaf": "t"},
            {**good["copy"], "relfilenode": -1},
            {**good["copy"], "done": [None]},
            {**good["copy"], "position": "(1,99999999)"},
        ):
            with self.subTest(copy=wrong):
                state = {"bookmarks": {self.id_of("t"): {**good, "copy": wrong}}}
                self.check_restarted(self.resume(state), state)


class WaitingForTheLockTest(ResumeTest):
    """Another session holds the table's lock when the tap starts, and then rewrites the table."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE + "CREATE INDEX backwards ON {s}.t ((-id))")

    def run_behind_lock(self, statements, state=None, table="t"):
        """Runs while another session holds the table's lock and executes statements."""
        catalog = self.catalog("t")
        with self.session().cursor() as holder:
            holder.execute(f"BEGIN; LOCK TABLE {self.schema}.{table}")
            running = self.pipeline(catalog, state)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{s}.%s'::regclass"
                    % table
                ),
                "the tap does not wait for the table",
            )
            holder.execute(statements.replace("{s}", self.schema))
            holder.execute("COMMIT")
            outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log + outcome.target_log
        )
        self.check_equal("t", extra_allowed=state is not None)

    def test_reloaded_table(self):
        self.run_behind_lock(
            "TRUNCATE {s}.t; INSERT INTO {s}.t SELECT i, 7, 'new' FROM generate_series(1, 500) i"
        )

    def test_altered_table(self):
        self.run_behind_lock("ALTER TABLE {s}.t ALTER n TYPE bigint")

    def test_resume_of_a_clustered_table(self):
        self.run_behind_lock("CLUSTER {s}.t USING backwards", self.interrupt_after(9))

    def test_resume_of_a_reloaded_table(self):
        self.run_behind_lock(
            "TRUNCATE {s}.t; INSERT INTO {s}.t SELECT i, 7, 'new' FROM generate_series(1, 500) i",
            self.interrupt_after(9),
        )

    def test_reloaded_partition(self):
        self.sql("DROP TABLE {s}.t;" + PARTITIONED)
        self.run_behind_lock(
            "TRUNCATE {s}.t2; INSERT INTO {s}.t2 SELECT i, 2, 7 FROM generate_series(2000, 2500) i",
            table="t2",
        )


if __name__ == "__main__":
    unittest.main()

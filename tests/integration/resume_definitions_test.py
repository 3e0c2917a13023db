"""A copy restarts if DDL that rewrites no row has changed the values of the rows sent before."""

import unittest

from support.pipeline import until
from support.resume import TABLE, ResumeTest

SWAP = (
    "ALTER TABLE {s}.t RENAME n TO old; ALTER TABLE {s}.t RENAME v TO n; "
    "ALTER TABLE {s}.t RENAME old TO v"
)


class DefinitionsTest(ResumeTest):
    def set_up_column(self, type_name, value):
        """Table t with a column v."""
        self.sql(TABLE)
        self.sql(f"ALTER TABLE {{s}}.t ADD v {type_name} DEFAULT {value}")

    def check_restarts(self, statement, why):
        state = self.interrupt_after(9)
        self.sql(statement)
        self.check_restarted(self.resume(state), state, why)

    def check_resumes(self, statement):
        state = self.interrupt_after(9)
        self.sql(statement)
        self.check_resumed(self.resume(state), state)

    def test_enum_label_renamed(self):
        self.sql("CREATE TYPE {s}.state AS ENUM ('new', 'paid')")
        self.sql("CREATE DOMAIN {s}.known AS {s}.state")
        self.set_up_column("{s}.state", "'new'")
        self.check_restarts(
            "ALTER TYPE {s}.state RENAME VALUE 'new' TO 'created'",
            "the labels or attributes of the type of column v were changed",
        )
        for column_type, value in (("state[]", "{paid}"), ("known", "paid")):
            with self.subTest(column_type):
                self.sql("ALTER TABLE {s}.t DROP v")
                self.sql(f"ALTER TABLE {{s}}.t ADD v {{s}}.{column_type} DEFAULT '{value}'")
                first = self.sync(self.catalog("t"))
                self.sql("ALTER TYPE {s}.state RENAME VALUE 'paid' TO 'closed'")
                result = self.sync(self.catalog("t"), first.state_texts[9])
                self.assertIn(
                    "the labels or attributes of the type of column v were changed", result.stderr
                )
                self.assertEqual(len(result.records()), 1000)
                self.sql("ALTER TYPE {s}.state RENAME VALUE 'closed' TO 'paid'")

    def test_enum_label_added(self):
        self.sql("CREATE TYPE {s}.state AS ENUM ('new', 'paid')")
        self.set_up_column("{s}.state", "'new'")
        self.check_resumes("ALTER TYPE {s}.state ADD VALUE 'created' BEFORE 'new'")

    def test_attribute_added(self):
        self.sql("CREATE TYPE {s}.pair AS (x int, y int)")
        self.set_up_column("{s}.pair", "'(1,2)'")
        self.check_restarts(
            "ALTER TYPE {s}.pair ADD ATTRIBUTE z int",
            "the labels or attributes of the type of column v were changed",
        )

    def test_type_changed(self):
        self.set_up_column("cidr", "'10.1.2.3'")
        self.check_restarts(
            "ALTER TABLE {s}.t ALTER v TYPE inet", "the type of column v was changed"
        )

    def test_length_changed(self):
        self.set_up_column("varchar(10)", "'x'")
        self.check_resumes("ALTER TABLE {s}.t ALTER v TYPE varchar(20)")

    def test_columns_that_swap_names(self):
        self.set_up_column("int", "7")
        self.check_restarts(SWAP, "it was started without some columns (n, v)")

    def test_columns_that_swap_names_while_the_run_waits(self):
        self.set_up_column("int", "7")
        state = self.interrupt_after(9)
        with self.session().cursor() as holder:
            holder.execute(f"BEGIN; LOCK TABLE {self.schema}.t")
            running = self.pipeline(self.catalog("t"), state)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{s}.t'::regclass"
                ),
                "the tap does not wait for the table",
            )
            holder.execute(SWAP.replace("{s}", self.schema) + "; COMMIT")
            outcome = running.finish()
        self.assertIn("it was started without some columns (n, v); restarting it", outcome.tap_log)
        self.check_equal("t")

    def test_collation_of_a_row_filter_changed(self):
        self.set_up_column('text COLLATE "C"', "'x'")
        self.config["where"] = {f"{self.schema}.t": "v > 'X'"}
        self.check_restarts(
            'ALTER TABLE {s}.t ALTER v TYPE text COLLATE "POSIX"',
            "the collation of column v was changed, and the row filter (where) may use it",
        )

    def test_position_without_definitions(self):
        """As earlier versions wrote it."""
        self.set_up_column("int", "7")
        state = self.interrupt_after(9)
        bookmark = self.bookmark(state, "t")
        del bookmark["copy"]["definitions"]
        state = {"bookmarks": {self.id_of("t"): bookmark}}
        self.check_resumed(self.resume(state), state)


class VirtualColumnsTest(ResumeTest):
    database = "resume_virtual"
    major = "18"

    def check_restarts(
        self, statement, why="the expression of a virtual generated column was changed"
    ):
        state = self.interrupt_after(9)
        self.sql(statement)
        self.check_restarted(self.resume(state), state, why)

    def test_expression_changed(self):
        self.sql(TABLE)
        self.sql("ALTER TABLE {s}.t ADD v int GENERATED ALWAYS AS (n + id)")
        self.check_restarts("ALTER TABLE {s}.t ALTER v SET EXPRESSION AS (n - id)")

    def test_expression_of_a_partition_changed(self):
        self.sql(
            """CREATE TABLE {s}.t (id int, n int, v int GENERATED ALWAYS AS (n + id))
                   PARTITION BY RANGE (id);
               CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (500)
                   WITH (fillfactor = 14);
               CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES FROM (500) TO (2000)
                   WITH (fillfactor = 14);
               INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 1000) i"""
        )
        state = self.interrupt_after(9)
        self.sql("ALTER TABLE {s}.t1 ALTER v SET EXPRESSION AS (n - id)")
        result = self.sync(self.catalog("t"), state)
        self.assertIn(
            "cannot resume the interrupted copy: the expression of a virtual generated column was "
            "changed; restarting it",
            result.stderr,
        )
        self.assertEqual(len(result.records()), 1000)
        self.sql("ALTER TABLE {s}.t1 ALTER v SET EXPRESSION AS (n + id)")
        state = self.interrupt_after(15)
        self.sql(
            "CREATE TABLE {s}.t3 PARTITION OF {s}.t (v GENERATED ALWAYS AS (n * id)) "
            "FOR VALUES FROM (2000) TO (3000)"
        )
        self.check_resumed(self.resume(state), state)


if __name__ == "__main__":
    unittest.main()

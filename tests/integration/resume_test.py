"""Full-table copies resume while the table changes, or restart where they have no position."""

import unittest

from support import tap
from support.resume import EVERY, PARTITIONED, REWRITTEN, ROWS, TABLE, ResumeTest


class OneTableTest(ResumeTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def test_only_the_rest_is_sent(self):
        state = self.interrupt_after(6)
        result = self.resume(state)
        self.assertEqual(self.ids(result), list(range(5 * EVERY + 1, ROWS + 1)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_position_in_the_bookmark(self):
        result = self.sync(self.catalog("t"))
        bookmarks = [self.bookmark(state, "t") for state in result.states]
        version = bookmarks[0]["version"]
        self.assertNotIn("copy", bookmarks[0])
        [(oid, relfilenode, database)] = self.sql(
            "SELECT '{s}.t'::regclass::oid::bigint, pg_relation_filenode('{s}.t')::bigint, "
            "oid::bigint FROM pg_database WHERE datname = current_database()"
        )
        for n, bookmark in enumerate(bookmarks[1:-1], 1):
            self.assertEqual(list(bookmark), ["last_replication_method", "version", "copy"])
            self.assertEqual(bookmark["version"], version)
            copy = bookmark["copy"]
            self.assertRegex(copy.pop("snapshot"), r"^\d+:\d+:[\d,]*$")
            self.assertEqual(copy.pop("done", []), [])
            self.assertEqual(
                {name: type(copy.pop(name)) for name in ("snapshot_lsn", "system", "timeline")},
                {"snapshot_lsn": int, "system": str, "timeline": int},
            )
            self.assertEqual(copy.pop("database"), database)
            self.assertEqual(copy.pop("columns"), {"id": 1, "n": 2, "pad": 3})
            self.assertEqual(copy.pop("definitions"), {"id": "23", "n": "23", "pad": "25"})
            self.assertEqual(
                copy,
                {
                    "leaf": oid,
                    "relfilenode": relfilenode,
                    "position": self.position_after(n * EVERY),
                },
            )
        at_the_last_row = self.server.version < (14,)
        self.assertEqual(len(bookmarks), ROWS // EVERY + 1 + at_the_last_row)
        self.check_end(result, version)

    def test_at_every_state(self):
        result = self.sync(self.catalog("t"), state_every_rows=100)
        for n, state in enumerate(result.state_texts[1:-1], 1):
            with self.subTest(n):
                resumed = self.sync(self.catalog("t"), state)
                self.assertEqual(self.ids(resumed), list(range(100 * n + 1, ROWS + 1)))

    def test_inserts_updates_and_deletes_meanwhile(self):
        state = self.interrupt_after(9)
        self.sql("INSERT INTO {s}.t SELECT i, 1, 'new' FROM generate_series(1001, 1100) i")
        # These rows move to other pages.
        self.sql("UPDATE {s}.t SET n = 2, pad = repeat('y', 1500) WHERE id % 10 = 0")
        self.sql("UPDATE {s}.t SET n = 3 WHERE id % 10 = 1")  # HOT updates: these rows stay
        self.sql("DELETE FROM {s}.t WHERE id % 10 = 2")
        result = self.resume(state)
        self.check_resumed(result, state)

    def test_hot_updates_before_and_after_the_position(self):
        state = self.interrupt_after(9)
        for ident in (1, 399, 400, 401, 999):
            self.sql(f"UPDATE {{s}}.t SET n = n + 1 WHERE id = {ident}")
        result = self.resume(state)
        self.assertEqual(sorted(self.ids(result)), [1, 399, *range(400, ROWS + 1)])
        self.check_resumed(result, state, extra_allowed=False)

    def test_reused_row_space(self):
        state = self.interrupt_after(15)
        self.sql("DELETE FROM {s}.t WHERE id < 300")
        self.sql("VACUUM {s}.t")
        self.sql(
            "INSERT INTO {s}.t SELECT i, 1, repeat('z', 200) FROM generate_series(2000, 2200) i"
        )
        [(low,)] = self.sql("SELECT count(*) FROM {s}.t WHERE id >= 2000 AND ctid < '(10,0)'")
        self.assertGreater(low, 100, "the new rows are not where the test needs them")
        result = self.resume(state)
        self.check_resumed(result, state)

    def test_rows_that_move_before_the_position(self):
        self.sql("DELETE FROM {s}.t WHERE id <= 200")
        state = self.interrupt_after(6)
        self.sql("VACUUM {s}.t")
        self.sql("UPDATE {s}.t SET n = 5 WHERE id > 900")
        [(moved,)] = self.sql("SELECT count(*) FROM {s}.t WHERE id > 900 AND ctid < '(10,0)'")
        self.assertGreater(moved, 30, "the rows have not moved to where the test needs them")
        result = self.resume(state)
        self.check_resumed(result, state, extra_allowed=False)

    def test_vacuum_freeze(self):
        state = self.interrupt_after(9)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id = 3; INSERT INTO {s}.t VALUES (0, 0, '')")
        self.sql("VACUUM FREEZE {s}.t")
        result = self.resume(state)
        self.assertEqual(sorted(self.ids(result)), [0, 3, *range(401, ROWS + 1)])
        self.check_resumed(result, state, extra_allowed=False)

    def test_transaction_open_at_the_start(self):
        with self.session().cursor() as cursor, self.session().cursor() as other:
            cursor.execute("BEGIN; SELECT txid_current()")
            cursor.execute(f"UPDATE {self.schema}.t SET n = 1 WHERE id = 5")
            cursor.execute(f"SAVEPOINT a; UPDATE {self.schema}.t SET n = 2 WHERE id = 6; RELEASE a")
            # a later transaction that commits earlier
            other.execute(f"UPDATE {self.schema}.t SET n = 9 WHERE id = 8")
            state = self.interrupt_after(9)
            cursor.execute(f"SAVEPOINT b; UPDATE {self.schema}.t SET n = 3 WHERE id = 7; RELEASE b")
            cursor.execute("COMMIT")
        result = self.resume(state)
        self.assertLessEqual({5, 6, 7}, set(self.ids(result)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_aborted_transaction(self):
        with self.session().cursor() as cursor:
            cursor.execute(f"BEGIN; UPDATE {self.schema}.t SET n = 1 WHERE id < 100")
            state = self.interrupt_after(9)
            cursor.execute("ROLLBACK")
        result = self.resume(state)
        self.assertEqual(self.ids(result), list(range(401, ROWS + 1)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_repeated_interruptions(self):
        state = self.interrupt_after(4)
        version = self.bookmark(state, "t")["version"]
        for n in range(1, 5):
            self.sql(
                f"UPDATE {{s}}.t SET n = {n} WHERE id % 100 = {n}; INSERT INTO {{s}}.t VALUES "
                f"(1000 + {n}, 0, '');"
                f"UPDATE {{s}}.t SET n = -1 WHERE id = {ROWS + 1 - n}"
            )
            state = self.interrupt_after(4, state=state)
            self.assertEqual(self.bookmark(state, "t")["version"], version)
        result = self.resume(state)
        self.assertLess(len(self.ids(result)), 600, "no progress")
        self.check_resumed(result, state, extra_allowed=False)

    def test_interrupted_before_the_earlier_position(self):
        state = self.interrupt_after(15)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id <= 600")
        # Still among the changed rows before the position.
        early = self.interrupt_after(3, state=state)
        self.assertEqual(self.bookmark(early, "t")["copy"], self.bookmark(state, "t")["copy"])
        self.sql("UPDATE {s}.t SET n = 2 WHERE id <= 10")
        result = self.resume(early)
        self.check_resumed(result, state, extra_allowed=False)

    def test_interrupted_later_run_leaves_no_old_rows(self):
        self.resume(None)
        self.sql("DELETE FROM {s}.t WHERE id % 7 = 0")
        state = self.interrupt_after(9, state=self.sync(self.catalog("t")).last_state)
        result = self.resume(state)
        self.check_resumed(result, state, extra_allowed=False)

    def test_at_the_last_row(self):
        bookmark = self.bookmark(self.interrupt_after(-3), "t")
        bookmark["copy"]["position"] = self.position_after(ROWS)
        result = self.sync(self.catalog("t"), {"bookmarks": {self.id_of("t"): bookmark}})
        self.assertEqual(self.ids(result), [])
        self.check_end(result, bookmark["version"])

    def test_before_the_first_row(self):
        state = self.interrupt_after(1)
        result = self.resume(state)
        self.assertEqual(len(self.ids(result)), ROWS)
        self.check_equal("t")


class WithoutPositionTest(ResumeTest):
    """Relations without ctid positions start over."""

    def check_restarts(self, between=None):
        state = self.interrupt_after(9)
        self.assertIsNone(self.bookmark(state, "t").get("copy"))
        if between:
            self.sql(between)
        result = self.resume(state)
        [activated] = result.of_type("ACTIVATE_VERSION")
        self.assertGreater(activated["version"], self.bookmark(state, "t")["version"])
        self.check_equal("t")

    def test_view(self):
        self.sql(
            "CREATE TABLE {s}.base AS SELECT generate_series(1, 600) AS id; CREATE VIEW {s}.t AS "
            "SELECT id FROM {s}.base"
        )
        self.check_restarts(
            "DELETE FROM {s}.base WHERE id < 100; INSERT INTO {s}.base VALUES (1000)"
        )

    def test_foreign_table(self):
        self.sql(
            """CREATE EXTENSION file_fdw SCHEMA {s};
               CREATE SERVER seq FOREIGN DATA WRAPPER file_fdw;
                    CREATE FOREIGN TABLE {s}.t (id int) SERVER seq
                      OPTIONS (program 'seq 600', format 'csv')"""
        )
        self.check_restarts("ALTER FOREIGN TABLE {s}.t OPTIONS (SET program 'seq 100 700')")

    def test_partitioned_table_with_privileges_on_parent_only(self):
        self.sql(
            PARTITIONED
            + "CREATE ROLE resume_parent LOGIN; GRANT USAGE ON SCHEMA {s} TO resume_parent;"
            "GRANT SELECT ON {s}.t TO resume_parent"
        )
        self.addCleanup(self.sql, "DROP OWNED BY resume_parent; DROP ROLE resume_parent")
        self.config["user"] = "resume_parent"
        self.check_restarts(
            "DELETE FROM {s}.t WHERE id < 100; UPDATE {s}.t SET n = 1 WHERE id = 900"
        )

    def restrict(self):
        """Runs as a role that row-level security applies to."""
        self.sql(
            "CREATE ROLE resume_restricted LOGIN; GRANT USAGE ON SCHEMA {s} TO resume_restricted;"
            "GRANT SELECT ON {s}.t TO resume_restricted"
        )
        self.addCleanup(self.sql, "DROP OWNED BY resume_restricted; DROP ROLE resume_restricted")
        self.config["user"] = "resume_restricted"

    def test_row_level_security(self):
        self.sql(
            TABLE + "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY even ON {s}.t USING (id % 2 = 0)"
        )
        self.restrict()
        self.check_restarts("ALTER ROLE resume_restricted BYPASSRLS")

    def test_row_level_security_enabled_meanwhile(self):
        self.sql(TABLE)
        self.restrict()
        state = self.interrupt_after(9)
        self.sql(
            "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY; CREATE POLICY every ON {s}.t USING (true)"
        )
        self.check_restarted(
            self.resume(state),
            state,
            "row-level security applies to the table, and other rows may be visible now",
        )


class MaterializedViewTest(ResumeTest):
    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.base AS SELECT generate_series(1, 600) AS id;"
            "CREATE MATERIALIZED VIEW {s}.t WITH (fillfactor = 14) AS SELECT id, id AS a, id AS b "
            "FROM {s}.base; CREATE UNIQUE INDEX ON {s}.t (id)"
        )
        self.catalog_of_t = self.catalog("t")
        tap.metadata(tap.stream(self.catalog_of_t, "t"))["view-key-properties"] = ["id"]

    def check_end(self, result, version):
        self.assertEqual(
            self.bookmark(result.states[-1], "t"),
            {"last_replication_method": "FULL_TABLE", "version": version},
        )

    def test_resumes(self):
        state = self.interrupt_after(9, self.catalog_of_t)
        result = self.resume(state, self.catalog_of_t)
        self.assertEqual(self.ids(result), list(range(401, 601)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_refreshed(self):
        state = self.interrupt_after(9, self.catalog_of_t)
        self.sql("DELETE FROM {s}.base WHERE id < 100; REFRESH MATERIALIZED VIEW {s}.t")
        self.check_restarted(self.resume(state, self.catalog_of_t), state, REWRITTEN)

    def test_refreshed_concurrently(self):
        state = self.interrupt_after(9, self.catalog_of_t)
        self.sql("DELETE FROM {s}.base WHERE id < 100; INSERT INTO {s}.base VALUES (1000)")
        self.sql("REFRESH MATERIALIZED VIEW CONCURRENTLY {s}.t")
        result = self.resume(state, self.catalog_of_t)
        self.check_resumed(result, state)
        self.assertIn(1000, self.ids(result))


class PythonXminTest(ResumeTest):
    """Python taps read in order of xmin, as text or as a number, and store the last one."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, n int)")
        for first in range(1, 1000, 100):  # one transaction each
            self.sql(
                f"INSERT INTO {{s}}.t SELECT i, 0 FROM generate_series({first}, {first + 99}) i"
            )

    def python_run(self, rows):
        """Sends the messages of a Python tap interrupted after `rows` rows; returns its state."""
        result = self.sync(self.catalog("t"))
        order = [ident for ident, in self.sql("SELECT id FROM {s}.t ORDER BY age(xmin) DESC, id")]
        [(xmin,)] = self.sql(f"SELECT xmin::text::bigint FROM {{s}}.t WHERE id = {order[rows - 1]}")
        lines = dict(
            zip(
                [m.get("record", {}).get("id", m["type"]) for m in result.messages],
                result.stdout.splitlines(keepends=True),
            )
        )
        self.send_to_target(
            [lines["SCHEMA"], *[lines[ident] for ident in order[:rows]], lines["STATE"]]
        )
        version = result.of_type("ACTIVATE_VERSION")[0]["version"]
        return {
            "bookmarks": {
                self.id_of("t"): {
                    "last_replication_method": "FULL_TABLE",
                    "version": version,
                    "xmin": xmin,
                }
            },
            "currently_syncing": self.id_of("t"),
        }

    def test_restarts(self):
        state = self.python_run(450)
        self.check_restarted(self.resume(state), state, "another tap started it, in another order")

    def test_interrupted_after_the_restart(self):
        state = self.python_run(450)
        again = self.interrupt_after(5, state=state)
        self.sql("UPDATE {s}.t SET n = 2 WHERE id IN (7, 450, 900)")
        self.check_resumed(self.resume(again), again, extra_allowed=False)

    def test_null_xmin_is_a_finished_copy(self):
        state = self.python_run(450)
        state["bookmarks"][self.id_of("t")]["xmin"] = None
        result = self.resume(state)
        self.assertEqual(len(self.ids(result)), 1000)
        self.check_restarted(result, state)


if __name__ == "__main__":
    unittest.main()

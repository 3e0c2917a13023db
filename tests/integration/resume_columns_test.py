"""A copy is resumed only with the columns that it started with: earlier rows have no others."""

import unittest

from support import tap
from support.resume import BEHIND, TABLE, ResumeTest


class ResumeColumnsTest(ResumeTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def without(self, *columns):
        """The catalog with these columns deselected."""
        catalog = self.catalog("t")
        for column in columns:
            tap.metadata(tap.stream(catalog, "t"), column)["selected"] = False
        return catalog

    def test_column_selected_meanwhile(self):
        state = self.interrupt_after(9, self.without("n"))
        result = self.resume(state)
        self.check_restarted(result, state, "it was started without some columns (n)")

    def test_column_deselected_meanwhile(self):
        state = self.interrupt_after(9)
        result = self.resume(state, self.without("n", "pad"))
        self.assertIn(
            f"WARNING {self.id_of('t')}: cannot resume the interrupted copy: it was started with "
            "more columns (n, pad); restarting it\n",
            result.stderr,
        )
        self.assertEqual(result.records("t"), [{"id": i} for i in range(1, 1001)])

    def test_column_dropped_and_added_again_meanwhile(self):
        state = self.interrupt_after(9)
        self.sql("ALTER TABLE {s}.t DROP n; ALTER TABLE {s}.t ADD n int DEFAULT 7")
        self.check_restarted(self.resume(state), state, "it was started without some columns (n)")

    def test_order_does_not_matter(self):
        state = self.interrupt_after(9)
        catalog = self.catalog("t")
        properties = tap.stream(catalog, "t")["schema"]["properties"]
        tap.stream(catalog, "t")["schema"]["properties"] = dict(reversed(properties.items()))
        self.check_resumed(self.resume(state, catalog), state, extra_allowed=False)

    def test_position_of_an_earlier_version(self):
        state = self.interrupt_after(9)
        bookmark = self.bookmark(state, "t")
        for name in ("snapshot_lsn", "system", "timeline", "columns"):
            del bookmark["copy"][name]
        state = {"bookmarks": {self.id_of("t"): bookmark}}
        self.check_restarted(
            self.resume(state), state, "an earlier version of tap-postgres started it"
        )

    def check_changed_position(self, why, **changes):
        """The copy restarts if the position has these values."""
        state = self.interrupt_after(9)
        bookmark = self.bookmark(state, "t")
        bookmark["copy"].update(changes)
        changed = {"bookmarks": {self.id_of("t"): bookmark}}
        self.check_restarted(self.resume(changed), state, why)

    def test_server_rolled_back_with_higher_transaction_ids(self):
        self.check_changed_position(BEHIND, snapshot_lsn=2**62)

    def test_position_without_control_functions(self):
        functions = "pg_control_system(), pg_control_checkpoint(), pg_control_recovery()"
        self.sql(f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC")
        self.addCleanup(self.sql, f"GRANT EXECUTE ON FUNCTION {functions} TO PUBLIC")
        self.sql(
            "CREATE ROLE hardened LOGIN; GRANT USAGE ON SCHEMA {s} TO hardened;"
            "GRANT SELECT ON {s}.t TO hardened"
        )
        self.addCleanup(self.sql, "DROP OWNED BY hardened; DROP ROLE hardened")
        self.config["user"] = "hardened"
        copy = self.bookmark(self.interrupt_after(9), "t")["copy"]
        self.assertNotIn("system", copy)
        self.assertEqual(copy["timeline"], 1)
        self.assertGreater(copy["snapshot_lsn"], 0)

    def test_another_database_of_the_same_name(self):
        self.check_changed_position("another database has its database's name", database=1)

    def test_another_cluster_and_another_timeline(self):
        state = self.interrupt_after(9)
        for name, value in (("system", "1"), ("timeline", 99)):
            with self.subTest(name):
                bookmark = self.bookmark(state, "t")
                bookmark["copy"][name] = value
                changed = {"bookmarks": {self.id_of("t"): bookmark}}
                result = self.sync(self.catalog("t"), changed)
                self.assertIn(
                    "cannot resume the interrupted copy: the server has a different history "
                    "(system identifier or timeline); "
                    "restarting it\n",
                    result.stderr,
                )


if __name__ == "__main__":
    unittest.main()

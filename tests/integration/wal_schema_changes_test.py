"""Tables whose columns change, between runs and while changes are read."""

import signal
import unittest

from support import tap
from support.check import ADVICE
from support.wal_case import WalTest, changes, warnings
from support.plugins import PLUGIN

BOTH = (1, 2)  # format-version of wal2json
INTEGER = {"type": ["null", "integer"], "minimum": -2147483648, "maximum": 2147483647}
TEXT = {"type": ["null", "string"]}


class SchemaChangesTest(WalTest):
    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a text, n int); INSERT INTO {s}.t VALUES (1, "
            "'a', 1);"
            "CREATE TABLE {s}.other (id int PRIMARY KEY)"
        )
        self.initial_snapshot()

    def properties(self, message):
        return {
            name: kind
            for name, kind in message["schema"]["properties"].items()
            if name not in ("id", "_sdc_deleted_at")
        }

    def warning(self, text):
        return f"{self.id_of('t')}: {text}"


class BetweenRunsTest(SchemaChangesTest):
    """WAL has changes from before and after; the table has its current columns."""

    database = "wal_schema_changes"

    def check(self, expected, properties, *expected_warnings, **config):
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form, **config)
            self.assertEqual(
                changes(result, "t"), [{**record, "_sdc_deleted_at": None} for record in expected]
            )
            self.assertEqual(warnings(result), list(expected_warnings))
            [schema] = result.of_type("SCHEMA", "t")
            self.assertEqual(self.properties(schema), properties)
        self.follow(**config)

    def test_added_column_is_omitted_with_one_warning(self):
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.sql(
            "ALTER TABLE {s}.t ADD new int DEFAULT 7; INSERT INTO {s}.t VALUES (3), (4);"
            "UPDATE {s}.t SET n = 0 WHERE id = 1"
        )
        self.check(
            [
                {"id": 2, "a": None, "n": None},
                {"id": 3, "a": None, "n": None},
                {"id": 4, "a": None, "n": None},
                {"id": 1, "a": "a", "n": 0},
            ],
            {"a": TEXT, "n": INTEGER},
            self.warning(
                "column new is not in the catalog and is left out; run discovery again to sync it"
            ),
        )

    def test_added_column_with_pipelinewise_dialect(self):
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.sql("ALTER TABLE {s}.t ADD new int DEFAULT 7; INSERT INTO {s}.t VALUES (3, 'x', 3, 8)")
        self.check(
            [{"id": 2, "a": None, "n": None, "new": 7}, {"id": 3, "a": "x", "n": 3, "new": 8}],
            {"a": TEXT, "n": INTEGER, "new": INTEGER},
            tap_id="x",
        )

    def test_copies_with_pipelinewise_dialect(self):
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (1)")
        for method in ("FULL_TABLE", "INCREMENTAL", "LOG_BASED"):
            with self.subTest(method):
                catalog = self.catalog("u", method=method, key="id")
                self.sql("ALTER TABLE {s}.u ADD at date DEFAULT '2020-01-02'")
                self.assertEqual(self.sync(catalog).records("u"), [{"id": 1}])
                result = self.sync(catalog, tap_id="x")
                self.assertEqual(
                    result.records("u"), [{"at": "2020-01-02T00:00:00+00:00", "id": 1}]
                )
                self.assertEqual(
                    result.schemas()["u"]["schema"]["properties"]["at"],
                    {"type": ["null", "string"], "format": "date-time"},
                )
                self.sql("ALTER TABLE {s}.u DROP at")

    def test_copies_with_pipelinewise_dialect_leave_out_unreadable_columns(self):
        self.sql(
            "CREATE ROLE id_reader LOGIN; CREATE TABLE {s}.u (id int PRIMARY KEY);"
            "GRANT USAGE ON SCHEMA {s} TO id_reader; GRANT SELECT (id) ON {s}.u TO id_reader;"
            "INSERT INTO {s}.u VALUES (1)"
        )
        self.addCleanup(self.sql, "DROP OWNED BY id_reader; DROP ROLE id_reader")
        catalog = self.catalog("u")
        self.sql("ALTER TABLE {s}.u ADD secret text DEFAULT 'x'")
        result = self.sync(catalog, user="id_reader", tap_id="x")
        self.assertEqual(result.records("u"), [{"id": 1}])

    def test_dropped_column_is_omitted(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'b', 2)")
        self.sql(
            "ALTER TABLE {s}.t DROP a; INSERT INTO {s}.t VALUES (3, 3); UPDATE {s}.t SET n = 4 "
            "WHERE id = 2"
        )
        self.check([{"id": 2, "n": 2}, {"id": 3, "n": 3}, {"id": 2, "n": 4}], {"n": INTEGER})

    def test_column_dropped_and_recreated(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'b', 2)")
        self.sql("ALTER TABLE {s}.t DROP a, ADD a int; INSERT INTO {s}.t VALUES (3, 3, 33)")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual([record["a"] for record in result.records("t")], ["b", 33])
            self.assertEqual(result.schemas()["t"]["schema"]["properties"]["a"], INTEGER)

    def test_renamed_column_is_a_new_one(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'b', 2)")
        self.sql("ALTER TABLE {s}.t RENAME a TO b; INSERT INTO {s}.t VALUES (3, 'c', 3)")
        self.check(
            [{"id": 2, "n": 2}, {"id": 3, "n": 3}],
            {"n": INTEGER},
            self.warning(
                "column b is not in the catalog and is left out; run discovery again to sync it"
            ),
        )

    def test_renamed_column_with_pipelinewise_dialect(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'b', 2)")
        self.sql("ALTER TABLE {s}.t RENAME a TO b; INSERT INTO {s}.t VALUES (3, 'c', 3)")
        self.check(
            [{"id": 2, "n": 2, "b": "b"}, {"id": 3, "n": 3, "b": "c"}],
            {"n": INTEGER, "b": TEXT},
            tap_id="x",
        )

    def test_columns_that_swap_names(self):
        self.sql("ALTER TABLE {s}.t ADD b text")
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (2, 'a2', 2, 'b2')")
        self.sql(
            "ALTER TABLE {s}.t RENAME a TO x; ALTER TABLE {s}.t RENAME b TO a; ALTER TABLE {s}.t "
            "RENAME x TO b;"
            "INSERT INTO {s}.t VALUES (3, 'b3', 3, 'a3')"
        )
        self.check(
            [{"id": 2, "a": "a2", "n": 2, "b": "b2"}, {"id": 3, "b": "b3", "n": 3, "a": "a3"}],
            {"a": TEXT, "n": INTEGER, "b": TEXT},
        )

    def test_retyped_column_with_incompatible_old_values(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'two', 2), (3, 'three', 3), (4, '44', 4)")
        self.sql(
            "ALTER TABLE {s}.t ALTER a TYPE int USING length(a); INSERT INTO {s}.t VALUES (5, 55, "
            "5)"
        )
        self.check(
            [
                {"id": 2, "a": "two", "n": 2},
                {"id": 3, "a": "three", "n": 3},
                {"id": 4, "a": 44, "n": 4},
                {"id": 5, "a": 55, "n": 5},
            ],
            {"a": INTEGER, "n": INTEGER},
            f"{self.schema}.t.a: values that were written when the column had another type than "
            "integer are sent as text",
        )

    def test_column_retyped_to_text(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'two', 2)")
        self.sql("ALTER TABLE {s}.t ALTER n TYPE text; INSERT INTO {s}.t VALUES (3, 'x', 'three')")
        self.check(
            [{"id": 2, "a": "two", "n": "2"}, {"id": 3, "a": "x", "n": "three"}],
            {"a": TEXT, "n": TEXT},
        )

    def test_key_column_dropped(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'two', 2); INSERT INTO {s}.other VALUES (1)")
        self.sql("ALTER TABLE {s}.t DROP id")
        result = self.follow(expect=1)
        self.assertEqual(changes(result), [{"id": 1, "_sdc_deleted_at": None}])
        self.assertIn(
            f"ERROR stream {self.id_of('t')}: key column id is no longer in the table: run "
            f"discovery again{ADVICE}\n",
            result.stderr,
        )

    def test_dropped_table_fails_alone(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.sql(f"INSERT INTO {{s}}.other VALUES ({form}); DROP TABLE IF EXISTS {{s}}.t")
                before = self.bookmark(self.state, "t")
                result = self.follow(expect=1, wal2json_message_format=form)
                self.assertEqual(changes(result), [{"id": form, "_sdc_deleted_at": None}])
                self.assertIn(
                    f"ERROR stream {self.id_of('t')}: table \"{self.schema}\".\"t\" is not in the "
                    "database (",
                    result.stderr,
                )
                self.assertIn(
                    f"): run discovery again, or remove the stream from the catalog{ADVICE}\n",
                    result.stderr,
                )
                self.assertIn(
                    f"CRITICAL 1 of 2 streams failed: {self.id_of('t')}\n",
                    result.stderr,
                )
                self.assertEqual(self.bookmark(self.state, "t"), before)
                self.check_equal("other")

    def test_renamed_table(self):
        self.sql(
            "INSERT INTO {s}.t VALUES (2); ALTER TABLE {s}.t RENAME TO u; INSERT INTO {s}.u VALUES "
            "(3);"
            "INSERT INTO {s}.other VALUES (1)"
        )
        result = self.follow(expect=1)
        self.assertEqual(changes(result), [{"id": 1, "_sdc_deleted_at": None}])
        self.sql("ALTER TABLE {s}.u RENAME TO t; INSERT INTO {s}.t VALUES (4)")
        self.assertEqual([record["id"] for record in self.follow().records("t")], [2, 4])

    def test_recreated_table(self):
        self.sql("INSERT INTO {s}.t VALUES (2, 'old', 2)")
        self.sql(
            "DROP TABLE {s}.t; CREATE TABLE {s}.t (n text, id int PRIMARY KEY, a text);"
            "INSERT INTO {s}.t VALUES ('x', 3, 'new')"
        )
        self.check(
            [{"id": 2, "a": "old", "n": "2"}, {"n": "x", "id": 3, "a": "new"}],
            {"a": TEXT, "n": TEXT},
            self.replaced(),
        )
        self.check_equal("t", extra_allowed=True)
        self.assertEqual(warnings(self.follow()), [])

    def replaced(self):
        return self.warning(
            "the table was replaced (created again, or swapped by renaming), and WAL has only the "
            "changes made since then; to sync its other rows and remove those of the previous "
            f"table, run once with --full-refresh {self.id_of('t')}"
        )

    def test_swapped_table(self):
        self.sql(
            "CREATE TABLE {s}.new (LIKE {s}.t INCLUDING ALL); INSERT INTO {s}.new VALUES (1, 'b', "
            "2), (2, 'b', 2)"
        )
        self.sql("BEGIN; ALTER TABLE {s}.t RENAME TO old; ALTER TABLE {s}.new RENAME TO t; COMMIT")
        self.sql("INSERT INTO {s}.t VALUES (3, 'c', 3)")
        result = self.follow()
        self.assertEqual(changes(result), [{"id": 3, "a": "c", "n": 3, "_sdc_deleted_at": None}])
        self.assertEqual(warnings(result), [self.replaced()])
        self.assertEqual(warnings(self.follow("--full-refresh", self.id_of("t"))), [])
        self.check_followed("t")

    def test_schema_renamed_and_back(self):
        self.sql(
            "INSERT INTO {s}.t VALUES (2); ALTER SCHEMA {s} RENAME TO elsewhere; INSERT INTO "
            "elsewhere.t VALUES (3)"
        )
        result = self.follow(expect=1)
        self.assertEqual(result.records(), [])
        self.sql("ALTER SCHEMA elsewhere RENAME TO {s}; INSERT INTO {s}.t VALUES (4)")
        # Before 16, pgoutput names a table as it was named when the server first decoded a change.
        keeps_name = PLUGIN == "pgoutput" and self.server.version < (16,)
        known = [2, 3, 4] if keeps_name else [2, 4]
        self.assertEqual([record["id"] for record in self.follow().records("t")], known)

    def test_several_changes_at_once(self):
        """Whatever WAL contains of earlier columns, the current columns end up correct."""
        self.sql("INSERT INTO {s}.t VALUES (2, 'two', 2)")
        self.sql("ALTER TABLE {s}.t ADD x int DEFAULT 5; UPDATE {s}.t SET a = 'x' WHERE id = 1")
        self.sql("ALTER TABLE {s}.t DROP a; INSERT INTO {s}.t VALUES (3, 3, 3)")
        self.sql(
            "ALTER TABLE {s}.t RENAME n TO m; ALTER TABLE {s}.t ALTER x TYPE text;"
            "INSERT INTO {s}.t VALUES (4, 4, 'four')"
        )
        self.sql(
            "ALTER TABLE {s}.t ADD a numeric; UPDATE {s}.t SET a = id + 0.5; DELETE FROM {s}.t "
            "WHERE id = 3"
        )
        self.check_followed("t", tap_id="x")


class WhileFollowingTest(SchemaChangesTest):
    """The tap has looked up the table before it changes."""

    database = "log_drift_following"

    def setUp(self):
        super().setUp()
        self.marks = 0

    def follow_on(self, **config):
        self.running = self.start(self.selected, self.state, break_at_end_lsn=False, **config)
        self.read_committed()

    def read_committed(self):
        """The stream's messages up to everything that is committed now."""
        self.marks += 1
        self.sql(f"INSERT INTO {{s}}.other VALUES ({self.marks})")
        found = self.running.read_until(lambda m: m["type"] == "RECORD" and m["stream"] == "other")
        return [m for m in found if m.get("stream") == "t"]

    def stop(self):
        self.running.signal(signal.SIGTERM)
        last = self.running.read_rest()[-1]
        self.assertEqual(self.running.wait(), 128 + 15)
        return last["value"]

    def records(self, messages):
        return [
            {name: value for name, value in m["record"].items() if name != "_sdc_deleted_at"}
            for m in messages
            if m["type"] == "RECORD"
        ]

    def test_added_column_is_omitted_with_one_warning(self):
        self.follow_on()
        self.sql(
            "ALTER TABLE {s}.t ADD new int; INSERT INTO {s}.t VALUES (2, 'b', 2, 2), (3, 'c', 3, 3)"
        )
        self.sql("ALTER TABLE {s}.t ADD newer int; INSERT INTO {s}.t VALUES (4)")
        found = self.read_committed()
        self.assertEqual([m["type"] for m in found], ["RECORD"] * 3)
        self.assertEqual(self.records(found)[0], {"id": 2, "a": "b", "n": 2})
        self.assertEqual(
            warnings(self.running),
            [
                self.warning(
                    f"column {name} is not in the catalog and is left out; "
                    "run discovery again to sync it"
                )
                for name in ("new", "newer")
            ],
        )

    def test_added_column_with_pipelinewise_dialect(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.follow_on(tap_id="x", wal2json_message_format=form)
                self.sql(
                    f"INSERT INTO {{s}}.t VALUES ({form}1); ALTER TABLE {{s}}.t ADD new{form} int;"
                    f"INSERT INTO {{s}}.t (id, new{form}) VALUES ({form}2, 2)"
                )
                found = self.read_committed()
                self.assertEqual([m["type"] for m in found], ["RECORD", "SCHEMA", "RECORD"])
                self.assertEqual(self.properties(found[1])[f"new{form}"], INTEGER)
                self.assertEqual(self.records(found)[1][f"new{form}"], 2)
                self.state = self.stop()

    def test_dropped_column(self):
        self.follow_on()
        self.sql(
            "ALTER TABLE {s}.t DROP n; INSERT INTO {s}.t VALUES (2, 'b'), (3, 'c');"
            "UPDATE {s}.t SET a = 'x' WHERE id = 1"
        )
        found = self.read_committed()
        self.assertEqual([m["type"] for m in found], ["SCHEMA", "RECORD", "RECORD", "RECORD"])
        self.assertEqual(self.properties(found[0]), {"a": TEXT})
        self.assertEqual(
            self.records(found), [{"id": 2, "a": "b"}, {"id": 3, "a": "c"}, {"id": 1, "a": "x"}]
        )
        self.assertEqual(warnings(self.running), [])

    def test_renamed_column(self):
        self.follow_on(tap_id="x")
        self.sql("ALTER TABLE {s}.t RENAME n TO m; INSERT INTO {s}.t VALUES (2, 'b', 2)")
        found = self.read_committed()
        self.assertEqual([m["type"] for m in found], ["SCHEMA", "RECORD"])
        self.assertEqual(self.properties(found[0]), {"a": TEXT, "m": INTEGER})
        self.assertEqual(self.records(found), [{"id": 2, "a": "b", "m": 2}])

    def test_retyped_column(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.follow_on(wal2json_message_format=form)
                self.sql("ALTER TABLE {s}.t ALTER n TYPE text")
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}1, 'x', 'one'), ({form}2, 'x', '2')")
                found = self.read_committed()
                self.assertEqual([m["type"] for m in found], ["SCHEMA", "RECORD", "RECORD"])
                self.assertEqual(self.properties(found[0])["n"], TEXT)
                self.assertEqual([record["n"] for record in self.records(found)], ["one", "2"])
                self.assertEqual(warnings(self.running), [])
                self.state = self.stop()
                self.sql("ALTER TABLE {s}.t ALTER n TYPE int USING id")
                self.state = tap.load_strict(self.follow().last_state.encode())

    def test_table_dropped_and_recreated(self):
        self.follow_on()
        self.sql("INSERT INTO {s}.t VALUES (2); DROP TABLE {s}.t")
        self.assertEqual(self.records(self.read_committed()), [{"id": 2, "a": None, "n": None}])
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, b int, a text); INSERT INTO {s}.t VALUES (3, "
            "3, 'c')"
        )
        self.assertEqual(self.records(self.read_committed()), [{"id": 3, "a": "c"}])
        self.stop()

    def test_renamed_table(self):
        self.follow_on()
        self.sql(
            "INSERT INTO {s}.t VALUES (2); ALTER TABLE {s}.t RENAME TO u; INSERT INTO {s}.u VALUES "
            "(3)"
        )
        self.assertEqual([record["id"] for record in self.records(self.read_committed())], [2])
        self.sql("ALTER TABLE {s}.u RENAME TO t; INSERT INTO {s}.t VALUES (4)")
        self.assertEqual([record["id"] for record in self.records(self.read_committed())], [4])


if __name__ == "__main__":
    unittest.main()

"""Updates and deletes by replica identity; missing data are reported."""

import unittest

from support.wal_case import WalTest, changes, warnings
from support.plugins import PLUGIN, for_wal2json

BOTH = (1, 2)  # format-version of wal2json


class ReplicaIdentityTest(WalTest):
    database = "wal_replica_identity"

    def table(self, definition, identity, rows="(1, 'one'), (2, 'two')"):
        self.sql(
            f"CREATE TABLE {{s}}.t ({definition}); INSERT INTO {{s}}.t VALUES {rows};"
            f"ALTER TABLE {{s}}.t REPLICA IDENTITY {identity}"
        )
        self.initial_snapshot()

    def check(self, expected, *expected_warnings):
        """Both formats give these records and warnings; the target accepts them."""
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(changes(result), expected)
            self.assertEqual(warnings(result), list(expected_warnings))

    def warning(self, text):
        """{t} is the quoted name of the table."""
        after = f", then run once with --full-refresh {self.id_of('t')}"
        return f"{self.id_of('t')}: " + text.replace("{t}", f'"{self.schema}"."t"') + after

    def test_default_with_a_primary_key(self):
        self.table("id int PRIMARY KEY, a text", "DEFAULT")
        self.sql("UPDATE {s}.t SET a = 'x' WHERE id = 1; DELETE FROM {s}.t WHERE id = 2")
        self.check(
            [{"id": 1, "a": "x", "_sdc_deleted_at": None}, {"id": 2, "_sdc_deleted_at": "D"}]
        )
        self.check_followed("t")

    def test_full_identity(self):
        self.table("id int PRIMARY KEY, a text", "FULL")
        self.sql("UPDATE {s}.t SET a = NULL WHERE id = 1; DELETE FROM {s}.t")
        for form in (1, 2):
            # Format 1 omits NULL values of old rows.
            was_null = {} if form == 1 and PLUGIN == "wal2json" else {"a": None}
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(
                changes(result),
                [
                    {"id": 1, "a": None, "_sdc_deleted_at": None},
                    {"id": 2, "a": "two", "_sdc_deleted_at": "D"},
                    {"id": 1, **was_null, "_sdc_deleted_at": "D"},
                ],
            )
        self.check_followed("t")

    def test_index_identity(self):
        self.table(
            "id int PRIMARY KEY, a text NOT NULL UNIQUE, b int",
            "USING INDEX t_a_key",
            "(1, 'one', 1), (2, 'two', 2)",
        )
        self.sql(
            "UPDATE {s}.t SET b = 3 WHERE id = 1; DELETE FROM {s}.t WHERE id = 2; UPDATE {s}.t SET "
            "id = 5"
        )
        self.check(
            [
                {"id": 1, "a": "one", "b": 3, "_sdc_deleted_at": None},
                {"a": "two", "_sdc_deleted_at": "D"},
                {"id": 5, "a": "one", "b": 3, "_sdc_deleted_at": None},
            ],
            self.warning(
                "deletes of {t} lack a key column of the stream, and updates that change it leave "
                "the old row, because it is not in the replica identity: ALTER TABLE {t} REPLICA "
                "IDENTITY FULL"
            ),
        )

    def test_index_including_the_key(self):
        self.table("id int PRIMARY KEY, a text NOT NULL, UNIQUE (a, id)", "USING INDEX t_a_id_key")
        self.sql("UPDATE {s}.t SET id = 5 WHERE id = 1; DELETE FROM {s}.t WHERE id = 2")
        self.check(
            [
                {"a": "one", "id": 1, "_sdc_deleted_at": "D"},
                {"id": 5, "a": "one", "_sdc_deleted_at": None},
                {"a": "two", "id": 2, "_sdc_deleted_at": "D"},
            ]
        )
        self.check_followed("t")

    def test_keys_swapped_within_a_transaction(self):
        self.table(
            "id int PRIMARY KEY DEFERRABLE, a text", "FULL", "(1, 'one'), (2, 'two'), (3, 'three')"
        )
        self.sql("UPDATE {s}.t SET id = 4 - id")
        self.check_followed("t")
        self.sql("UPDATE {s}.t SET id = id + 1")
        self.check_followed("t")
        self.sql(
            "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO {s}.t VALUES (2, 'new'); DELETE FROM "
            "{s}.t WHERE a = 'three';"
            "DELETE FROM {s}.t WHERE id = 4; COMMIT"
        )
        self.check(
            [
                {"id": 2, "a": "new", "_sdc_deleted_at": None},
                {"id": 2, "a": "three", "_sdc_deleted_at": "D"},
                {"_sdc_deleted_at": None, "id": 2, "a": "new"},
                {"id": 4, "a": "one", "_sdc_deleted_at": "D"},
            ]
        )
        self.check_followed("t")

    NONE = "updates and deletes of {t} are not in WAL, because it has no replica identity: "
    NO_KEY = NONE + "give it a primary key, or ALTER TABLE {t} REPLICA IDENTITY FULL"
    UNUSED_KEY = NONE + "ALTER TABLE {t} REPLICA IDENTITY DEFAULT"

    @for_wal2json
    def test_no_identity(self):
        self.table("id int PRIMARY KEY, a text", "NOTHING")
        self.sql(
            "UPDATE {s}.t SET a = 'x' WHERE id = 1; DELETE FROM {s}.t WHERE id = 2;"
            "INSERT INTO {s}.t VALUES (3, 'three')"
        )
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertIn({"id": 3, "a": "three", "_sdc_deleted_at": None}, changes(result))
            self.assertNotIn("D", [record["_sdc_deleted_at"] for record in changes(result)])
            self.assertEqual(warnings(result), [self.warning(self.UNUSED_KEY)])

    @for_wal2json
    def test_table_without_key(self):
        self.table("id int, a text", "DEFAULT")
        self.sql(
            "INSERT INTO {s}.t VALUES (1, 'one'), (NULL, NULL); DELETE FROM {s}.t WHERE id = 2"
        )
        self.check(
            [
                {"id": 1, "a": "one", "_sdc_deleted_at": None},
                {"id": None, "a": None, "_sdc_deleted_at": None},
            ],
            self.warning(self.NO_KEY),
        )

    def test_full_identity_without_key(self):
        self.table("id int, a text", "FULL")
        self.sql(
            "INSERT INTO {s}.t VALUES (3, NULL); UPDATE {s}.t SET a = 'x' WHERE id = 3; DELETE "
            "FROM {s}.t WHERE id = 1"
        )
        self.check(
            [
                {"id": 3, "a": None, "_sdc_deleted_at": None},
                {"id": 3, "a": "x", "_sdc_deleted_at": None},
                {"id": 1, "a": "one", "_sdc_deleted_at": "D"},
            ]
        )

    @for_wal2json
    def test_deferrable_primary_key(self):
        self.table("id int PRIMARY KEY DEFERRABLE, a text", "DEFAULT")
        self.sql("INSERT INTO {s}.t VALUES (3, NULL); DELETE FROM {s}.t WHERE id = 1")
        self.check([{"id": 3, "a": None, "_sdc_deleted_at": None}], self.warning(self.NO_KEY))

    @for_wal2json
    def test_dropped_index(self):
        self.table("id int PRIMARY KEY, a text NOT NULL UNIQUE", "USING INDEX t_a_key")
        self.sql("ALTER TABLE {s}.t DROP CONSTRAINT t_a_key; DELETE FROM {s}.t WHERE id = 1")
        self.check([], self.warning(self.UNUSED_KEY))

    @for_wal2json
    def test_identity_changes_within_wal(self):
        self.table("id int PRIMARY KEY, a text", "NOTHING")
        self.sql("DELETE FROM {s}.t WHERE id = 1")
        self.sql("ALTER TABLE {s}.t REPLICA IDENTITY DEFAULT")
        self.sql("DELETE FROM {s}.t WHERE id = 2")
        self.check([{"id": 2, "_sdc_deleted_at": "D"}])

    def test_key_that_was_not_in_the_identity(self):
        self.table(
            "id int PRIMARY KEY, a text NOT NULL UNIQUE",
            "USING INDEX t_a_key",
            "(1, 'one'), (2, 'two'), (3, 'three')",
        )
        self.sql("DELETE FROM {s}.t WHERE id < 3")
        self.sql("ALTER TABLE {s}.t REPLICA IDENTITY DEFAULT")
        self.sql("DELETE FROM {s}.t WHERE id = 3")
        stream = self.id_of("t")
        self.check(
            [
                {"a": "one", "_sdc_deleted_at": "D"},
                {"a": "two", "_sdc_deleted_at": "D"},
                {"id": 3, "_sdc_deleted_at": "D"},
            ],
            f"{stream}: deletes lack key column id, which was not in the replica identity when "
            "they were made, so that their rows stay in the target: to remove them, run once with "
            f"--full-refresh {stream}",
        )

    def test_unlogged_table(self):
        self.sql("CREATE UNLOGGED TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.check(
            [],
            self.warning(
                "{t} is UNLOGGED, so that none of its changes are in WAL: ALTER TABLE {t} SET "
                "LOGGED"
            ),
        )


class TruncateTest(WalTest):
    database = "log_truncate"

    def setUp(self):
        super().setUp()
        self.require_version(11, "logical decoding of TRUNCATE exists")

    def test_truncate_starts_a_new_version(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t SELECT generate_series(1, "
            "10)"
        )
        first = self.initial_snapshot()
        version = self.bookmark(self.state, "t")["version"]
        self.sql("INSERT INTO {s}.t VALUES (11)")
        self.sql(
            "BEGIN; INSERT INTO {s}.t VALUES (12); TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (13); "
            "COMMIT"
        )
        self.sql("INSERT INTO {s}.t VALUES (14)")
        result = self.check_followed("t")
        self.assertEqual(
            result.types[:5], ["SCHEMA", "RECORD", "RECORD", "ACTIVATE_VERSION", "RECORD"]
        )
        [activate] = result.of_type("ACTIVATE_VERSION")
        self.assertGreater(activate["version"], version)
        self.assertEqual(
            [(m["record"]["id"], m["version"]) for m in result.of_type("RECORD")],
            [(11, version), (12, version), (13, activate["version"]), (14, activate["version"])],
        )
        # Before any other message: a state with the old version would undo it.
        self.assertEqual(result.types[5], "STATE")
        self.assertEqual(self.bookmark(result.states[0], "t")["version"], activate["version"])
        self.assertEqual(self.bookmark(self.state, "t")["version"], activate["version"])
        self.assertEqual(first.messages[-1]["type"], "STATE")
        self.sql("INSERT INTO {s}.t VALUES (15)")
        self.check_followed("t")

    def test_truncate_alone_and_twice(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
        self.initial_snapshot()
        self.sql("TRUNCATE {s}.t; TRUNCATE {s}.t")
        versions = [m["version"] for m in self.check_followed("t").of_type("ACTIVATE_VERSION")]
        self.assertEqual(versions, sorted(set(versions)))
        self.assertEqual(self.follow().types, ["SCHEMA", "STATE"])

    def test_truncate_of_several_tables(self):
        self.sql(
            """CREATE TABLE {s}.a (id int PRIMARY KEY);
               CREATE TABLE {s}.b (id int PRIMARY KEY REFERENCES {s}.a);
                    INSERT INTO {s}.a VALUES (1), (2); INSERT INTO {s}.b VALUES (1)"""
        )
        self.initial_snapshot()
        self.sql("TRUNCATE {s}.a CASCADE; INSERT INTO {s}.a VALUES (3)")
        result = self.check_followed("a", "b")
        self.assertEqual(
            sorted(m["stream"] for m in result.of_type("ACTIVATE_VERSION")), ["a", "b"]
        )

    @for_wal2json
    def test_format_1_does_not_report_truncate(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
        self.initial_snapshot()
        self.sql("TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (2)")
        result = self.sync(self.selected, self.state, wal2json_message_format=1)
        self.assertEqual(result.types, ["SCHEMA", "RECORD", "STATE"])
        self.assertIn(
            "INFO reading wal2json format 1, which does not report TRUNCATE\n", result.stderr
        )

    CHILD_TABLES = """CREATE TABLE {s}.t (id int PRIMARY KEY);
    CREATE TABLE {s}.kid (PRIMARY KEY (id)) INHERITS ({s}.t);
               INSERT INTO {s}.t VALUES (1); INSERT INTO {s}.kid VALUES (2)"""

    def test_table_with_child_tables(self):
        self.sql(self.CHILD_TABLES)
        self.initial_snapshot("t")
        self.sql(
            "BEGIN; INSERT INTO {s}.kid VALUES (3); TRUNCATE {s}.t; INSERT INTO {s}.kid VALUES "
            "(4); COMMIT"
        )
        result = self.check_followed("t")
        self.assertEqual(warnings(result), [])
        self.assertEqual(len(result.of_type("ACTIVATE_VERSION")), 1)

    def test_child_tables_one_by_one(self):
        self.sql(self.CHILD_TABLES)
        self.initial_snapshot("t")
        self.sql(
            "BEGIN; TRUNCATE ONLY {s}.t; INSERT INTO {s}.t VALUES (5); TRUNCATE {s}.kid; COMMIT"
        )
        result = self.follow()
        self.assertEqual(result.types, ["SCHEMA", "RECORD", "STATE"])
        self.assertEqual(
            warnings(result),
            [
                f'{self.id_of("t")}: "{self.schema}"."{name}" was truncated; its rows stay in the '
                f"target, since Singer can only empty a whole stream: to remove them, run once "
                f'with --full-refresh {self.id_of("t")}'
                for name in ("t", "kid")
            ],
        )

    PARTS = """CREATE TABLE {s}.t (id int PRIMARY KEY) PARTITION BY RANGE (id);
               CREATE TABLE {s}.low PARTITION OF {s}.t FOR VALUES FROM (0) TO (10);
               CREATE TABLE {s}.high PARTITION OF {s}.t FOR VALUES FROM (10) TO (20);
               INSERT INTO {s}.t VALUES (1), (11)"""

    def test_one_partition(self):
        self.sql(self.PARTS)
        self.initial_snapshot("t")
        self.sql("TRUNCATE {s}.low; INSERT INTO {s}.t VALUES (2)")
        result = self.follow()
        self.assertEqual(result.types, ["SCHEMA", "RECORD", "STATE"])
        self.assertEqual(
            warnings(result),
            [
                f'{self.id_of("t")}: "{self.schema}"."low" was truncated; its rows stay in the '
                f"target, since Singer can only empty a whole stream: to remove them, run once "
                f'with --full-refresh {self.id_of("t")}'
            ],
        )

    def test_partitioned_table(self):
        self.sql(self.PARTS)
        self.initial_snapshot("t")
        self.sql("TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (2), (12)")
        result = self.check_followed("t")
        self.assertEqual(warnings(result), [])
        self.assertEqual(len(result.of_type("ACTIVATE_VERSION")), 1)


if __name__ == "__main__":
    unittest.main()

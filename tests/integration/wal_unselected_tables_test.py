"""Changes of unselected tables, which the server sends with partitions, never fail a run."""

import unittest

from support.wal_case import WalTest, changes, warnings
from support.plugins import PLUGIN, create_slot, for_wal2json

BOTH = (1, 2)  # format-version of wal2json
ROOT = """CREATE TABLE {s}.t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
          CREATE TABLE {s}.t1 PARTITION OF {s}.t DEFAULT;"""
PLAIN = "CREATE TABLE {s}.t (id int PRIMARY KEY, v text);"
ODD = r"""
    CREATE TABLE {s}."odd "" \ , . * name" (id int PRIMARY KEY, "a ""q"" \ c" text, "]}" float8,
      "{""change"":[" bytea, "char" "char", money money, a text[], r int4range, b bit(5), x xml,
      j json, i interval, d date);
    INSERT INTO {s}."odd "" \ , . * name" VALUES
        (1, E'\\ "\n\t', 'NaN', '\x00ff', 'a', '-1.50', '{a,NULL,"b \" "}', '[1,3)', '10101',
          '<a/>', '{"a": "\u0000"}', '1 day', 'infinity'),
        (2, ']}', '-Infinity', '', (-1)::"char", NULL, '{}', 'empty', NULL, '', '[]', NULL,
          '-infinity'),
        (3, '{"change":[', 1e-300, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          '4714-11-24 BC');
    UPDATE {s}."odd "" \ , . * name" SET "]}" = 'Infinity';
    UPDATE {s}."odd "" \ , . * name" SET id = id + 10;
    DELETE FROM {s}."odd "" \ , . * name";
"""


class UnselectedTablesTest(WalTest):
    database = "wal_unselected_tables"
    settings = {"max_prepared_transactions": 5}

    def setUp(self):
        super().setUp()
        self.root = ROOT if self.server.version >= (11,) else PLAIN  # its key needs 11

    def check_skipped(self, warned=()):
        """Only the changes of t are sent, in both formats."""
        self.sql("INSERT INTO {s}.t VALUES (1, 'after')")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(changes(result), [{"id": 1, "v": "after", "_sdc_deleted_at": None}])
            self.assertEqual(len(warnings(result)), len(warned))
        self.check_followed("t")

    def test_unusual_names_and_values(self):
        self.sql(self.root)
        self.initial_snapshot("t")
        for statement in filter(str.strip, ODD.split(";\n")):
            self.sql(statement)
        self.check_skipped()

    def test_bytea_output_escape(self):
        self.sql(self.root + "CREATE TABLE {s}.u (id int PRIMARY KEY, b bytea)")
        self.sql("ALTER DATABASE wal_unselected_tables SET bytea_output = 'escape'")
        self.addCleanup(self.sql, "ALTER DATABASE wal_unselected_tables RESET bytea_output")
        self.initial_snapshot("t")
        self.sql(r"INSERT INTO {s}.u VALUES (1, ''), (2, '\x00'), (3, '\xff5c22')")
        self.check_skipped()

    def test_dropped_tables(self):
        """Truncated, altered, renamed and dropped before the run."""
        self.sql(
            self.root
            + "CREATE TABLE {s}.u (id int PRIMARY KEY, a int); CREATE SEQUENCE {s}.q; CREATE "
            "TABLE {s}.w (id int)"
        )
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.u VALUES (1, 1)")
        self.sql("TRUNCATE {s}.u, {s}.w")
        self.sql(
            "INSERT INTO {s}.u VALUES (1, 1); ALTER TABLE {s}.u DROP COLUMN a, ADD COLUMN b text "
            "DEFAULT 'x'"
        )
        self.sql("INSERT INTO {s}.u VALUES (2)")
        self.sql("INSERT INTO {s}.w VALUES (1); SELECT nextval('{s}.q')")
        self.sql("DROP TABLE {s}.u; ALTER TABLE {s}.w RENAME TO w2; DROP SEQUENCE {s}.q")
        renamed = ["w was renamed: it might have been a part of t"]
        self.check_skipped(warned=renamed if self.root == ROOT else [])

    def test_messages_of_prepared_transactions(self):
        self.sql(self.root + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        with self.session().cursor() as cursor:
            for name, end in (("one", "ROLLBACK"), ("two", "COMMIT")):
                cursor.execute("BEGIN")
                cursor.execute(
                    f"INSERT INTO {self.schema}.u VALUES (1), (2);"
                    "SELECT pg_logical_emit_message(true, 'p', 'c'), "
                    "pg_logical_emit_message(false, 'p', 'c')"
                )
                cursor.execute(f"PREPARE TRANSACTION '{name}'")
                cursor.execute(f"{end} PREPARED '{name}'")
        self.check_skipped()

    def write_undecodable_change(self, table):
        """Writes a change that the server cannot decode: its enum label no longer exists."""
        self.sql(
            "CREATE TYPE {s}.mood AS ENUM ('good'); CREATE TABLE {s}.moods AS SELECT "
            "'good'::{s}.mood AS m;"
            f"ALTER TABLE {{s}}.{table} ADD m {{s}}.mood"
        )
        self.sql("DELETE FROM pg_enum WHERE enumtypid = '{s}.mood'::regtype")
        self.sql(f"INSERT INTO {{s}}.{table} (id, m) SELECT 1, m FROM {{s}}.moods")
        return (
            r"the server cannot decode the transaction after \w+/\w+ in WAL \(invalid internal "
            r"value for enum: \d+ .*\); "
        )

    @for_wal2json
    def test_undecodable_change(self):
        """Changes of unselected tables are left out of this run, but not of the next one."""
        self.sql(self.root + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        failed = self.write_undecodable_change("u")
        self.sql(
            "INSERT INTO {s}.u VALUES (2); CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES FROM "
            "(100) TO (200)"
        )
        self.sql("INSERT INTO {s}.t VALUES (1, 'after'), (100, 'of a new partition')")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual([record["id"] for record in changes(result)], [1, 100])
            self.assertEqual(len(warnings(result)), 1, result)
            self.assertRegex(
                warnings(result)[0],
                f"^{failed}retrying with the changes of selected tables only$",
            )
        self.check_followed("t")
        self.sql("INSERT INTO {s}.t VALUES (3, 'later')")
        self.assertEqual(warnings(self.check_followed("t")), [])

    @for_wal2json
    def test_undecodable_change_while_following(self):
        self.sql(self.root + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        failed = self.write_undecodable_change("u")
        result = self.sync(self.selected, self.state, expect=1, break_at_end_lsn=False)
        self.assertRegex(
            result.stderr,
            f"(?m)^CRITICAL {failed}if the change is of a table that is not selected, run with "
            "`break_at_end_lsn: true` to skip it$",
        )

    def test_undecodable_change_of_a_selected_table(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        failed = self.write_undecodable_change("t")
        result = self.sync(self.selected, self.state, expect=1)
        skip = (
            rf"run SELECT pg_catalog.pg_replication_slot_advance\('{self.slot}', "
            r"pg_catalog.pg_current_wal_lsn\(\)\)"
        )
        if self.server.version < (11,):
            skip = (
                rf"drop the slot with SELECT pg_drop_replication_slot\('{self.slot}'\), "
                "create it again with SELECT pg_create_logical_replication_slot"
                rf"\('{self.slot}', '{PLUGIN}'\)"
            )
        self.assertRegex(
            result.stderr,
            f"(?m)^CRITICAL {failed}to skip it, {skip}, "
            "then run with --full-refresh for the streams of database wal_unselected_tables$",
        )

    def check_encoding(self, encoding, value):
        database = f"wal_unselected_tables_{encoding}".lower()
        self.server.create_database(database, encoding)
        self.addCleanup(self.server.drop_database, database)

        def run(statement):
            return self.server.sql(statement, database)

        run(self.root.replace("{s}", "public"))
        run("CREATE TABLE u (id int PRIMARY KEY, v text)")
        slot = f"{self.slot}_{encoding}".lower()
        self.config = self.server.config(database, filter_dbs=database, replication_slot=slot)
        create_slot(self, slot, database=database)
        self.addCleanup(run, f"SELECT pg_drop_replication_slot('{slot}')")
        catalog = self.catalog("t", method="LOG_BASED")
        state = self.sync(catalog).last_state
        run(f"INSERT INTO u VALUES (1, {value}), (2, 'x')")
        run("SELECT pg_logical_emit_message(false, 'p', '\\xff22e95c'::bytea)")
        run("INSERT INTO t VALUES (1, 'after')")
        for form in BOTH:
            result = self.sync(catalog, state, wal2json_message_format=form)
            self.assertEqual([(r["id"], r["v"]) for r in result.records()], [(1, "after")])

    def test_sql_ascii(self):
        self.check_encoding("SQL_ASCII", r"E'\xff\xe9 \xf0\x9f'")

    def test_latin1(self):
        self.check_encoding("LATIN1", "chr(233) || chr(128)")

    def test_euc_jp(self):
        self.check_encoding("EUC_JP", r"convert_from('\xa4a2', 'EUC_JP')")


if __name__ == "__main__":
    unittest.main()

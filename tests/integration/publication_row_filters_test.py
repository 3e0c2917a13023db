"""Row filters of publications: copies and changes are about the same rows."""

import contextlib
import re
import unittest

from support import compare, tap
from support.case import SchemaTest
from support.check import about, run_check
from support.plugins import require_wal2json
from support.resume import TABLE
from support.server import shared
from support.wal_case import WalTest, changes, warnings

BIG = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 100) i)"
NUMBERS = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, n int);
    INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 6) i;
"""


class RowFilterTest(WalTest):
    """The tables are those of the publication with the name of the schema."""

    database = "publication_filters"

    def setUp(self):  # pylint: disable=super-without-inherited
        SchemaTest.setUp(self)
        if self.server.version < (15,):
            self.skipTest("row filters exist since version 15")
        self.slot = self.schema
        self.config.update(
            replication_slot=self.slot,
            publication_name=self.schema,
            logical_decoding_plugin="pgoutput",
        )
        self.selected = self.state = None

    def publish(self, tables, options="", name=None):
        """Creates a publication of tables and, after the first one, the slot."""
        name = name or self.schema
        options = f" WITH ({options})" if options else ""
        self.sql(f"SET search_path = {{s}}; CREATE PUBLICATION {name} FOR TABLE {tables}{options}")
        self.addCleanup(self.sql, f"DROP PUBLICATION IF EXISTS {name}")
        if name == self.schema:
            self.sql(f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')")
            self.addCleanup(self.drop_slot, self.slot)

    def alter(self, *actions):
        """Alters the publication in one transaction."""
        self.sql(
            "BEGIN; SET LOCAL search_path = {s};"
            + "".join(f"ALTER PUBLICATION {self.schema} {action};" for action in actions)
            + "COMMIT"
        )

    def numbers(self, condition="id > 2"):
        self.sql(NUMBERS)
        self.publish(f"t WHERE ({condition})")
        return self.initial_snapshot()

    def check_rows(self, condition):
        """Runs once; the destination then has the rows that meet the condition, and no others."""
        result = self.follow()
        self.sql(f"CREATE VIEW {{s}}.kept AS SELECT * FROM {{s}}.t WHERE {condition}")
        with (
            contextlib.closing(self.server.connect(self.database)) as source,
            contextlib.closing(shared().connect(self.destination)) as destination,
        ):
            stream = f"{self.schema}.t"
            compare.check_equal(source, f"{self.schema}.kept", destination, stream, keys=["id"])
        self.sql("DROP VIEW {s}.kept")
        return result

    def check_refused(self, text, *, state=None):
        """The stream of t fails, also in the next run, until a full refresh."""
        result = self.sync(self.selected, state or self.state, expect=1)
        self.assertIn(f"ERROR stream {self.id_of('t')}: {text}", result.stderr)
        self.assertEqual(result.records(), [])
        again = self.sync(self.selected, result.last_state, expect=1)
        self.assertIn("run with --full-refresh", again.stderr)
        self.state = result.last_state
        return result

    def changed(self, before, now):
        table = f'"{self.schema}"."t"'
        return (
            f"{before} of {table} were published for the target's rows, and {now} are published "
            f"now: run with --full-refresh {self.id_of('t')}, because replication slot {self.slot} "
            "keeps WAL until then"
        )


class SyncTest(RowFilterTest):
    def test_copy_and_changes(self):
        result = self.numbers()
        self.assertEqual([record["id"] for record in result.records()], [3, 4, 5, 6])
        self.assertEqual(warnings(result), [])
        self.assertIn(
            f"INFO {self.id_of('t')}: only rows with (id > 2) are synced, because publications "
            f"{self.schema} publish no others\n",
            result.stderr,
        )
        self.sql(
            "UPDATE {s}.t SET id = 7 WHERE id = 1; UPDATE {s}.t SET id = 0 WHERE id = 3;"
            "UPDATE {s}.t SET n = 1 WHERE id IN (2, 4); DELETE FROM {s}.t WHERE id IN (2, 5);"
            "INSERT INTO {s}.t VALUES (-1, 0), (8, 0)"
        )
        result = self.check_rows("id > 2")
        self.assertEqual(
            changes(result),
            [
                {"id": 7, "n": 0, "_sdc_deleted_at": None},
                {"id": 3, "_sdc_deleted_at": "D"},
                {"id": 4, "n": 1, "_sdc_deleted_at": None},
                {"id": 5, "_sdc_deleted_at": "D"},
                {"id": 8, "n": 0, "_sdc_deleted_at": None},
            ],
        )
        self.assertEqual(warnings(result), [])
        self.assertEqual(self.bookmark(self.state, "t")["publications"]["where"], "(id > 2)")

    def test_finding(self):
        self.numbers()
        found = run_check(self.config, catalog=self.selected, state=self.state)
        self.assertIn(
            "note only rows with (id > 2) are synced, because its publications publish no others",
            about(found, f"stream {self.id_of('t')}"),
        )

    def test_interrupted_copy(self):
        self.sql(TABLE)
        self.publish("t WHERE (id % 2 = 0 AND n = 0)")
        self.sql("ALTER TABLE {s}.t REPLICA IDENTITY FULL")
        self.config["state_every_rows"] = 50
        self.selected = self.catalog("t", method="LOG_BASED")
        result = self.sync(self.selected)
        lines = result.stdout.splitlines(keepends=True)
        [*_, self.state] = self.send_to_target(lines[:300])
        self.assertIn("copy", self.bookmark(self.state, "t"))
        self.sql("UPDATE {s}.t SET id = 2000 WHERE id = 3; UPDATE {s}.t SET n = 1 WHERE id = 4")
        self.sql("UPDATE {s}.t SET id = 3001 WHERE id = 900; DELETE FROM {s}.t WHERE id = 6")
        resumed = self.follow()
        self.assertIn(f"INFO {self.id_of('t')}: resuming the interrupted copy\n", resumed.stderr)
        self.assertLess(len(resumed.records()), 450)
        self.check_rows("id % 2 = 0 AND n = 0")

    def test_toast_of_rows_that_meet_the_filter_later(self):
        """pgoutput sends their UPDATE as an INSERT that lacks unchanged TOAST columns."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, big text)")
        self.sql("ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL")
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, {BIG}), (2, {BIG})")
        self.publish("t WHERE (id > 2)")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET id = id + 2")
        result = self.check_rows("id > 2")
        self.assertEqual(warnings(result), [])

    def test_toast_of_rows_that_left_since(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text)")
        self.sql("ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL")
        self.sql(f"INSERT INTO {{s}}.t VALUES (3, 0, {BIG})")
        self.publish("t WHERE (id > 2)")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 1")
        self.sql("UPDATE {s}.t SET id = 1")
        self.sql("INSERT INTO {s}.t VALUES (3, 5, 'new')")
        self.check_rows("id > 2")

    def test_deferrable_key(self):
        """The row that has a deleted key now is read from the table, unless it left the filter."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY DEFERRABLE, n int)")
        self.sql("ALTER TABLE {s}.t REPLICA IDENTITY FULL")
        self.sql("INSERT INTO {s}.t SELECT i, 1 FROM generate_series(1, 4) i")
        self.publish("t WHERE (n = 1)")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2 WHERE id = 1; UPDATE {s}.t SET id = 6 - id WHERE id > 1")
        self.check_rows("n = 1")

    def test_inserts_only(self):
        """Of a table without a replica identity, with columns that no replica identity has."""
        self.sql(
            "CREATE TABLE {s}.t (id int, kind text); INSERT INTO {s}.t VALUES (1, 'a'), (2, 'b')"
        )
        self.publish("t WHERE (kind = 'a')", "publish = 'insert, truncate'")
        result = self.initial_snapshot()
        self.assertEqual([record["id"] for record in result.records()], [1])
        self.sql("INSERT INTO {s}.t VALUES (3, 'a'), (4, 'b'); UPDATE {s}.t SET kind = 'a'")
        self.assertEqual([record["id"] for record in self.follow().records()], [3])

    def test_partitioned_table(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);"
            "CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (10);"
            "CREATE TABLE {s}.t2 (n int, id int NOT NULL);"
            "ALTER TABLE {s}.t ATTACH PARTITION {s}.t2 FOR VALUES FROM (10) TO (20);"
            "INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 19) i"
        )
        self.publish("t WHERE (id % 2 = 0)", "publish_via_partition_root = true")
        result = self.initial_snapshot("t")
        self.assertEqual([record["id"] for record in result.records()], list(range(2, 19, 2)))
        self.sql("CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES FROM (20) TO (30)")
        self.sql("UPDATE {s}.t SET id = id + 9 WHERE id > 12; INSERT INTO {s}.t VALUES (29), (20)")
        self.check_rows("id % 2 = 0")

    def test_child_tables(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int);"
            "CREATE TABLE {s}.c (PRIMARY KEY (id)) INHERITS ({s}.t);"
            "INSERT INTO {s}.t VALUES (1), (2); INSERT INTO {s}.c VALUES (3), (4)"
        )
        self.publish("t WHERE (id % 2 = 0)")
        result = self.initial_snapshot("t")
        self.assertEqual([record["id"] for record in result.records()], [2, 4])
        self.sql("UPDATE {s}.t SET id = id + 5; INSERT INTO {s}.c VALUES (17), (18)")
        self.check_rows("id % 2 = 0")

    def test_two_publications(self):
        """With the same filter they act as one."""
        self.sql(NUMBERS)
        self.publish("t WHERE (id > 2)")
        self.publish("t WHERE (id > 2)", name="same_filter")
        self.initial_snapshot(publication_name=f"{self.schema},same_filter")
        self.sql("UPDATE {s}.t SET id = id + 10")
        self.check_rows("id > 2")


class RefusedTest(RowFilterTest):
    """Where a copy could not have the same rows as the changes."""

    def check_unusable(self):
        self.selected = self.catalog("t", method="LOG_BASED")
        result = self.sync(self.selected, expect=1)
        self.assertRegex(result.stderr, "publishes only the rows of .*: publish all rows: BEGIN; ")
        self.assertEqual(result.messages, [])

    def test_different_filters(self):
        self.sql(NUMBERS)
        self.publish("t WHERE (id > 2)")
        self.publish("t WHERE (id < 2)", name="different_too")
        self.config["publication_name"] = f"{self.schema},different_too"
        self.check_unusable()

    def test_filters_of_partitions(self):
        """Partitions that are created later would have none."""
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY) PARTITION BY RANGE (id);"
            "CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (10)"
        )
        self.publish("t, t1 WHERE (id > 2)")
        self.check_unusable()

    def test_filter_of_a_child_table(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY);"
            "CREATE TABLE {s}.c (PRIMARY KEY (id)) INHERITS ({s}.t)"
        )
        self.publish("ONLY t, ONLY c WHERE (id > 2)")
        self.check_unusable()


class ChangedTest(RowFilterTest):
    """Rows that an earlier filter left out are missing, or rows remain that it did not."""

    def refresh(self, condition):
        self.clear_destination()
        self.follow("--full-refresh", self.id_of("t"))
        self.sql("UPDATE {s}.t SET id = id + 10 WHERE id > 1")
        self.check_rows(condition)

    def test_other_filter(self):
        self.numbers()
        self.alter("DROP TABLE t", "ADD TABLE t WHERE (id > 4)")
        self.check_refused(self.changed("only rows with (id > 2)", "only rows with (id > 4)"))
        self.refresh("id > 4")

    def test_replaced_by_the_same_filter(self):
        """Changes made in between would be missing."""
        self.numbers()
        self.alter("DROP TABLE t")
        self.alter("ADD TABLE t WHERE (id > 2)")
        self.check_refused(f'changes of "{self.schema}"."t" may be missing, because it was added')
        self.refresh("id > 2")

    def test_removed_filter(self):
        self.numbers()
        self.alter("SET TABLE t")
        self.check_refused(self.changed("only rows with (id > 2)", "all rows"))
        self.refresh("true")

    def test_new_filter(self):
        self.sql(NUMBERS)
        self.publish("t")
        self.initial_snapshot()
        self.alter("SET TABLE t WHERE (id > 2)")
        self.check_refused(self.changed("all rows", "only rows with (id > 2)"))
        self.refresh("id > 2")

    def test_new_publication_of_all_rows(self):
        self.numbers()
        self.publish("t", name="all_rows")
        self.config["publication_name"] = f"{self.schema},all_rows"
        self.check_refused(self.changed("only rows with (id > 2)", "all rows"))

    def test_publication_of_all_rows_left_out(self):
        self.sql(NUMBERS)
        self.publish("t WHERE (id > 2)")
        self.publish("t", name="every_row")
        names = self.config["publication_name"]
        self.initial_snapshot(publication_name=f"{names},every_row")
        self.config["publication_name"] = names
        self.check_refused(self.changed("all rows", "only rows with (id > 2)"))

    def test_state_without_a_record(self):
        """As of wal2json or another tap, which sent all rows."""
        self.numbers()
        state = tap.load_strict(self.state.encode())
        del state["bookmarks"][self.id_of("t")]["publications"]
        self.check_refused(self.changed("all rows", "only rows with (id > 2)"), state=state)

    def test_interrupted_copy(self):
        self.sql(TABLE)
        self.publish("t WHERE (id > 20)")
        self.config["state_every_rows"] = 50
        self.selected = self.catalog("t", method="LOG_BASED")
        lines = self.sync(self.selected).stdout.splitlines(keepends=True)
        [*_, self.state] = self.send_to_target(lines[:300])
        self.alter("SET TABLE t WHERE (id > 10)")
        self.check_refused(self.changed("only rows with (id > 20)", "only rows with (id > 10)"))
        self.follow("--full-refresh", self.id_of("t"))
        self.check_rows("id > 10")

    def test_move_from_wal2json(self):
        """It sends all rows."""
        require_wal2json(self)
        self.sql(NUMBERS)
        old = f"{self.schema}_old"
        self.sql(f"SELECT pg_create_logical_replication_slot('{old}', 'wal2json')")
        self.addCleanup(self.drop_slot, old)
        self.config.update(replication_slot=old, logical_decoding_plugin="auto")
        result = self.initial_snapshot()
        self.assertEqual(len(result.records()), 6)
        self.sql("CREATE PUBLICATION {s} FOR TABLE {s}.t WHERE (id > 2)")
        self.addCleanup(self.sql, f"DROP PUBLICATION {self.schema}")
        new = f"{old}_pgoutput"
        self.sql(f"SELECT pg_create_logical_replication_slot('{new}', 'pgoutput')")
        self.addCleanup(self.drop_slot, new)
        self.sql("INSERT INTO {s}.t VALUES (0, 0)")
        self.assertEqual(len(self.follow().records()), 1)
        self.sql("INSERT INTO {s}.t VALUES (-1, 0)")
        for _ in range(2):
            result = self.sync(self.selected, self.state, expect=None)
            self.state = result.state_texts[-1] if result.state_texts else self.state
        self.assertIn(f"ERROR stream {self.id_of('t')}: changes of ", result.stderr)


class AdviceTest(RowFilterTest):
    """A LOG_BASED stream with `where`."""

    def refusal(self, condition, **extra):
        """The SQL in the error, and the whole error."""
        where = {"where": {f"{self.schema}.t": condition}}
        catalog = self.catalog("t", method="LOG_BASED")
        result = self.sync(catalog, self.state, expect=2, **where, **extra)
        found = re.search("BEGIN; .*; COMMIT", result.stderr, re.DOTALL)
        return found and found[0], result.stderr

    def test_followed(self):
        self.sql(NUMBERS)
        self.publish("t")
        self.initial_snapshot()
        fix, error = self.refusal(["id > 2", "id < 6 OR t.id = 8"])
        table = f'"{self.schema}"."t"'
        self.assertEqual(
            error,
            f"CRITICAL stream {self.id_of('t')} is LOG_BASED, and changes in WAL cannot be "
            f'filtered by a row filter (config.json: "where" of "{self.schema}.t"): remove the '
            "row filter, or use FULL_TABLE or INCREMENTAL. From PostgreSQL 15 on, pgoutput can "
            "filter the rows if the replica identity of the table has all columns of the "
            "condition, or else the server refuses UPDATE and DELETE: remove the row filter, run "
            "this SQL (without DROP TABLE if the table is not published), then run with "
            f'--full-refresh {self.id_of("t")}: BEGIN; ALTER PUBLICATION "{self.schema}" DROP '
            f'TABLE {table}; ALTER PUBLICATION "{self.schema}" ADD TABLE {table} WHERE ((id > 2) '
            "AND (id < 6 OR t.id = 8)); COMMIT; run: tap-postgres check\n",
        )
        self.sql(fix)
        self.assertEqual(warnings(self.follow("--full-refresh", self.id_of("t"))), [])
        self.sql("UPDATE {s}.t SET id = id + 4 WHERE id > 2")
        self.check_rows("id > 2 AND (id < 6 OR id = 8)")

    def test_comment(self):
        """An error has one line."""
        self.sql(NUMBERS)
        for condition in ("id > 2 -- most", "id > 2\nAND id < 5"):
            self.assertIn('."t" WHERE (...); COMMIT', self.refusal(condition)[0])

    def test_wal2json(self):
        self.sql(NUMBERS)
        fix, error = self.refusal("id > 2", logical_decoding_plugin="wal2json")
        self.assertIsNone(fix)
        self.assertIn("or use FULL_TABLE or INCREMENTAL; run: tap-postgres check\n", error)


if __name__ == "__main__":
    unittest.main()

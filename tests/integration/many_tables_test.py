"""Runs of many small tables: STATEs, statements, and transactions that several tables share."""

import re
import unittest

from support import tap
from support.case import SchemaTest
from support.pipeline import until
from support.wal_case import WalTest

TABLES = 600


class ManyTables:
    """A schema with hundreds of tables of one row."""

    database = "many_tables"

    def setUp(self):
        super().setUp()
        self.sql(
            f"""DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
            EXECUTE format('CREATE TABLE {{s}}.%I (id int PRIMARY KEY)', 't' || i);
            EXECUTE format('INSERT INTO {{s}}.%I VALUES (1)', 't' || i);
            END LOOP; END $$"""
        )
        self.tables = [f"t{i}" for i in range(1, TABLES + 1)]

    def state_bytes(self, result):
        return sum(map(len, result.state_texts))

    def check_complete(self, state, tables):
        for table in tables:
            self.assertIn("xmin", self.bookmark(state, table), table)


class StateVolumeTest(ManyTables, SchemaTest):
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


def statements(result):
    """The statements of a run with `--log-level debug`."""
    return re.findall(r"^DEBUG SQL: (.*)$", result.stderr, re.MULTILINE)


class CopyStatementsTest(ManyTables, SchemaTest):
    def check_statements(self, catalog):
        result = self.sync(catalog, None, "--log-level", "debug")
        self.assertEqual(len(result.records()), TABLES)
        # Three for each table, and some for the tables that share a transaction.
        self.assertLess(len(statements(result)), 3 * TABLES + TABLES / 4)

    def test_full_table(self):
        self.check_statements(self.catalog(*self.tables))

    def test_incremental(self):
        self.check_statements(self.catalog(*self.tables, method="INCREMENTAL", key="id"))


class WalStatementsTest(ManyTables, WalTest):
    def test_nothing_to_read(self):
        self.initial_snapshot(*self.tables)
        result = self.follow("--log-level", "debug")
        self.assertEqual(len(result.of_type("SCHEMA")), TABLES)
        self.assertEqual(result.records(), [])
        self.assertLess(len(statements(result)), 60)


class SharedTransactionTest(SchemaTest):
    """Tables that are read in one transaction are locked and read as if each had its own."""

    database = "many_tables"

    def create(self, *names, rows=1, extra=""):
        for name in names:
            self.sql(
                f"CREATE TABLE {{s}}.{name} AS"
                f" SELECT i AS id {extra} FROM generate_series(1, {rows}) i"
            )

    def ids(self, messages, table):
        return [
            m["record"]["id"] for m in messages if m["type"] == "RECORD" and m["stream"] == table
        ]

    def start_blocked(self, *later, **extra):
        """A tap that has opened table a, and cannot write all of it."""
        self.create("a", rows=900, extra=", repeat('x', 1000) AS text")
        self.create(*later)
        running = self.start(self.catalog("a", *later), **extra)
        until(
            lambda: self.sql(
                "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"
                " OR wait_event = 'ClientWrite'"
            ),
            "the tap does not wait for its target",
        )
        running.read_until(lambda m: m["type"] == "RECORD")
        return running

    def finish(self, running):
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        return messages

    def test_rewritten_after_the_look_up(self):
        running = self.start_blocked("b", "c")
        self.sql("TRUNCATE {s}.b; INSERT INTO {s}.b SELECT generate_series(11, 13)")
        self.sql("INSERT INTO {s}.c SELECT 7")
        self.sql("VACUUM FULL {s}.c")
        messages = self.finish(running)
        self.assertEqual(self.ids(messages, "b"), [11, 12, 13])
        self.assertEqual(self.ids(messages, "c"), [1, 7])

    def test_replaced_after_the_look_up(self):
        running = self.start_blocked("b", "c", "d")
        self.sql("DROP TABLE {s}.b; CREATE TABLE {s}.b AS SELECT 11 AS id")
        self.sql("CREATE TABLE {s}.c_new AS SELECT 12 AS id; ALTER TABLE {s}.c RENAME TO c_old")
        self.sql("ALTER TABLE {s}.c_new RENAME TO c")
        self.sql("ALTER TABLE {s}.d ALTER id TYPE text USING 'new'")
        messages = self.finish(running)
        found = [self.ids(messages, table) for table in "bcd"]
        self.assertEqual(found, [[11], [12], ["new"]])

    def test_dropped_after_the_look_up(self):
        running = self.start_blocked("b", "c")
        self.sql("DROP TABLE {s}.b")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 1, running)
        self.assertEqual(self.ids(messages, "c"), [1])
        self.assertIn(f'table "{self.schema}"."b" is not in the database', running.log)

    def test_no_lock_is_held_while_waiting_for_another(self):
        self.create("a", "b", "c")
        catalog = self.catalog("a", "b", "c")
        with self.session() as session, session.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {self.schema}.b")
            running = self.start(catalog)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted"
                    " AND relation = '{s}.b'::regclass AND clock_timestamp() - query_start > '1 s'"
                ),
                "the tap does not wait for the table",
            )
            cursor.execute(f"LOCK TABLE {self.schema}.a NOWAIT")
            cursor.execute("COMMIT")
        self.assertEqual([self.ids(self.finish(running), table) for table in "c"], [[1]])

    def test_large_table_has_its_own_transaction(self):
        self.create("a", "c")
        self.create("b", rows=3000, extra=", repeat('x', 1000) AS text")
        running = self.start(self.catalog("a", "b", "c"))
        messages = running.read_until(lambda m: m["type"] == "RECORD" and m["stream"] == "b")
        self.sql("DROP TABLE {s}.a")
        self.sql("UPDATE {s}.c SET id = 2")
        messages += self.finish(running)
        self.assertEqual(self.ids(messages, "c"), [2])

    def test_settings_do_not_leak(self):
        """A view's function may change settings of the session."""
        self.create("a")
        self.create("c", extra=", '1 day 2 h'::interval AS duration")
        self.sql(
            """CREATE VIEW {s}.b AS
            SELECT 1 AS id, set_config('intervalstyle', 'iso_8601', false) AS style"""
        )
        result = self.sync(self.catalog("a", "b", "c"))
        self.assertEqual(result.records("c"), [{"duration": "1 day 02:00:00", "id": 1}])


if __name__ == "__main__":
    unittest.main()

"""Slots of both output plugins: the same changes give the same records."""

import random
import re
import threading
import unittest

import psycopg2
from support import tap
from support.case import SchemaTest
from support.check import ADVICE
from support.pipeline import until
from support.plugins import PLUGINS, create_slot, require_wal2json
from support.wal_case import WalTest, warnings

OF_RUN = re.compile(rb'("time_extracted":)"[^"]*"|("version":)[0-9]+')
STATE = b'{"type":"STATE"'


class Writers:
    """Threads that change rows in transactions of 1 to 30 statements until the block ends."""

    def __init__(self, connect, schema, count):
        self.table = f"{schema}.t"
        self.done = self.failed = 0
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(target=self.write, args=(connect(), number), daemon=True)
            for number in range(count)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failed

    def write(self, connection, number):
        rng = random.Random(number)
        own = iter(range(1000 + number, 10**6, len(self.threads)))
        with connection.cursor() as cursor:
            while not self.is_over.is_set():
                try:
                    cursor.execute("BEGIN")
                    for _ in range(rng.choice((1, 3, 30))):
                        self.change(cursor, rng, next(own))
                    cursor.execute(rng.choice(("COMMIT", "COMMIT", "ROLLBACK")))
                except psycopg2.extensions.TransactionRollbackError:  # a deadlock
                    cursor.execute("ROLLBACK")
                except psycopg2.Error:
                    self.failed += 1
                    raise
                self.done += 1

    def change(self, cursor, rng, new_id):
        old_id = rng.randint(1, 100)
        cursor.execute(
            rng.choice(
                (
                    f"INSERT INTO {self.table} VALUES ({new_id}, 0, repeat('y', 2500))",
                    f"UPDATE {self.table} SET n = n + 1 WHERE id = {old_id}",
                    f"UPDATE {self.table} SET note = repeat(n::text, 2500) WHERE id = {old_id}",
                    f"DELETE FROM {self.table} WHERE id = {rng.randint(1000, new_id)}",
                )
            )
        )

    def wait_for(self, more):
        """Waits for more transactions."""
        enough = self.done + more
        until(lambda: self.done >= enough or self.failed, "the writers are slow")


class WalPluginsTest(SchemaTest):
    """Both slots are created at the same time, so that they have the same changes."""

    database = "wal_plugins"
    maxDiff = None

    def setUp(self):
        super().setUp()
        require_wal2json(self)
        self.sql(f"CREATE PUBLICATION {self.schema} FOR ALL TABLES")
        self.addCleanup(self.sql, f"DROP PUBLICATION {self.schema}")
        self.config["publication_name"] = self.schema

    def make_slots(self):
        for plugin in PLUGINS:
            slot = f"{self.schema[:40]}_{plugin}"
            self.sql(f"SELECT pg_create_logical_replication_slot('{slot}', '{plugin}')")
            self.addCleanup(self.drop_slot, slot)

    def drop_slot(self, slot):
        active = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"
        until(lambda: not self.sql(active), "the slot is in use")
        self.sql(f"SELECT pg_drop_replication_slot('{slot}')")

    def read(self, plugin, catalog, state, *args, expect=0, **extra):
        extra["replication_slot"] = f"{self.schema[:40]}_{plugin}"
        return self.sync(catalog, state, *args, expect=expect, **extra)

    def check_same(self, tables, changes, names=(), **extra):
        """Both plugins give the same lines for `changes`, except for the times of the runs."""
        self.sql(tables)
        self.make_slots()
        catalog = self.catalog(*names, method="LOG_BASED")
        state = self.read("wal2json", catalog, None).last_state
        for statement in changes:
            self.sql(statement)
        wal2json, pgoutput = (self.read(plugin, catalog, state, **extra) for plugin in PLUGINS)
        self.assertGreater(len(wal2json.records()), 0)
        self.assertEqual(self.lines(pgoutput), self.lines(wal2json))
        self.assertEqual(self.bookmarks(pgoutput), self.bookmarks(wal2json))
        about_changes = [line for line in warnings(pgoutput) if "publication" not in line]
        self.assertEqual(about_changes, warnings(wal2json))
        return pgoutput

    @staticmethod
    def lines(result):
        return [
            OF_RUN.sub(rb"\1\2", line)
            for line in result.stdout.splitlines()
            if not line.startswith(STATE)
        ]

    @staticmethod
    def bookmarks(result):
        """The last bookmarks. A run ends where the server's WAL ended when it began."""
        return {
            stream: {
                key: value
                for key, value in bookmark.items()
                if key not in ("lsn", "version", "publications")
            }
            for stream, bookmark in result.states[-1]["bookmarks"].items()
        }

    @staticmethod
    def is_binary(result):
        """True if the last stream of a run with -v requested binary values."""
        return "\"binary\" 'true'" in re.findall(r"START_REPLICATION.*", result.stderr)[-1]

    def test_every_kind_of_change(self):
        # the wal2json of older servers leaves NULL out of an old row
        unknown = "NULL" if self.server.version >= (14,) else "''"
        self.check_same(
            """
            CREATE TABLE {s}.t
              (id int PRIMARY KEY, a text, b bytea, n numeric, at timestamptz, f bool);
            CREATE TABLE {s}.pair (a int, b text, c text, PRIMARY KEY (b, a));
            CREATE TABLE {s}.full (id int PRIMARY KEY, a text, big text);
            ALTER TABLE {s}.full REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL;
            CREATE TABLE {s}.part (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
            CREATE TABLE {s}.part1 PARTITION OF {s}.part FOR VALUES FROM (0) TO (10);
            CREATE TABLE {s}.part2 PARTITION OF {s}.part FOR VALUES FROM (10) TO (20);
            """,
            [
                "INSERT INTO {s}.t VALUES (1, 'a', '\\x00ff', 1.50, '2024-01-01 12:00+02', true), "
                "(2, NULL, NULL, NULL, NULL, NULL), (3, '', '', 'NaN', 'infinity', false)",
                "UPDATE {s}.t SET a = 'b' WHERE id = 1; UPDATE {s}.t SET id = 9 WHERE id = 2",
                "DELETE FROM {s}.t WHERE id = 3",
                "BEGIN; INSERT INTO {s}.pair VALUES (1, 'x', 'y'), (2, 'x', NULL); "
                "UPDATE {s}.pair SET b = 'z' WHERE a = 1; DELETE FROM {s}.pair WHERE a = 2; COMMIT",
                f"INSERT INTO {{s}}.full VALUES (1, NULL, repeat('x', 9000)), (2, 'a', {unknown})",
                "UPDATE {s}.full SET a = 'b'; DELETE FROM {s}.full WHERE id = 2",
                "INSERT INTO {s}.part VALUES (1, 'a'), (11, 'b'); UPDATE {s}.part SET id = 12 "
                "WHERE id = 1",
                "TRUNCATE {s}.t, {s}.pair; INSERT INTO {s}.t (id) VALUES (4)",
                "TRUNCATE {s}.part",
            ],
            ("t", "pair", "full", "part"),
        )

    def test_unchanged_toast_columns(self):
        self.check_same(
            """
            CREATE TABLE {s}.t (id int PRIMARY KEY, at timestamp UNIQUE NOT NULL, a int, big text);
            ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL;
            CREATE TABLE {s}.by_time (at timestamptz PRIMARY KEY, a int, big text);
            ALTER TABLE {s}.by_time ALTER big SET STORAGE EXTERNAL;
            CREATE TABLE {s}.by_bytes (id bytea PRIMARY KEY, a int, big text);
            ALTER TABLE {s}.by_bytes ALTER big SET STORAGE EXTERNAL;
            """,
            [
                "INSERT INTO {s}.t VALUES (1, 'infinity', 1, repeat('x', 9000)); "
                "INSERT INTO {s}.by_time VALUES ('12000-01-01', 1, repeat('y', 9000)), "
                "('2020-01-01 12:00:00.5', 1, repeat('z', 9000)); "
                "INSERT INTO {s}.by_bytes VALUES ('\\x5c00', 1, repeat('b', 9000))",
                "UPDATE {s}.t SET a = 2; UPDATE {s}.by_time SET a = 2; "
                "UPDATE {s}.by_bytes SET a = 2",
            ],
        )

    def test_full_replica_identity_of_a_partitioned_table_only(self):
        """pgoutput sends old rows in the form of the partitioned table, with NULL for the rest."""
        self.sql(f"DROP PUBLICATION {self.schema}")
        root = "publish_via_partition_root" if self.server.version >= (13,) else ""
        self.sql(
            f"CREATE PUBLICATION {self.schema} FOR ALL TABLES" + (f" WITH ({root})" if root else "")
        )
        result = self.check_same(
            """
            CREATE TABLE {s}.t (id int PRIMARY KEY, a text, big text) PARTITION BY RANGE (id);
            CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (10);
            ALTER TABLE {s}.t1 ALTER big SET STORAGE EXTERNAL;
            ALTER TABLE {s}.t REPLICA IDENTITY FULL;
            """,
            [
                "INSERT INTO {s}.t VALUES (1, 'a', repeat('x', 9000))",
                "UPDATE {s}.t SET id = 2",
                "UPDATE {s}.t SET a = 'b'",
                "DELETE FROM {s}.t",
                "INSERT INTO {s}.t VALUES (3, 'c', repeat('y', 9000)); UPDATE {s}.t SET id = 4",
            ],
            ("t",),
        )
        self.assertEqual(
            [(record["id"], record.get("big", "")[:1]) for record in result.records()],
            [(1, "x"), (1, ""), (2, ""), (2, ""), (2, ""), (3, "y"), (3, ""), (4, "y")],
        )

    def test_schema_changes_between_changes(self):
        self.check_same(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a int, b float4, c text)",
            [
                "INSERT INTO {s}.t VALUES (1, 1, 1.5, 'x')",
                "ALTER TABLE {s}.t ALTER a TYPE float4",  # the same size in binary
                "INSERT INTO {s}.t VALUES (2, 2.5, 2.5, 'y')",
                "ALTER TABLE {s}.t ALTER c TYPE int USING 7, DROP b",
                "INSERT INTO {s}.t VALUES (3, 3.5, 8)",
                "ALTER TABLE {s}.t ADD d date DEFAULT '2020-01-01'",
                "UPDATE {s}.t SET c = 9 WHERE id = 2",
            ],
        )

    def test_values_are_binary_if_every_column_allows_it(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a text); "
            "CREATE TYPE {s}.pair AS (a int, b int); "
            "CREATE TABLE {s}.u (id int PRIMARY KEY, p {s}.pair)"
        )
        self.make_slots()
        both = self.catalog(method="LOG_BASED")
        one = self.catalog("t", method="LOG_BASED")
        state = self.read("pgoutput", both, None).last_state
        self.sql("INSERT INTO {s}.t VALUES (1, 'a'); INSERT INTO {s}.u VALUES (1, '(1,2)')")
        result = self.read("pgoutput", one, state, "-v")
        self.assertEqual(self.is_binary(result), self.server.version >= (14,), result)
        self.assertEqual(result.records(), [{"id": 1, "a": "a", "_sdc_deleted_at": None}])
        result = self.read("pgoutput", both, state, "-v")
        self.assertFalse(self.is_binary(result), result)
        self.assertEqual(
            result.records(),
            [
                {"id": 1, "a": "a", "_sdc_deleted_at": None},
                {"id": 1, "p": "(1,2)", "_sdc_deleted_at": None},
            ],
        )

    def test_type_without_binary_form_in_an_unselected_table(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (a aclitem[])")
        self.make_slots()
        catalog = self.catalog("t", method="LOG_BASED")
        state = self.read("pgoutput", catalog, None).last_state
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.sql("INSERT INTO {s}.u VALUES (ARRAY[makeaclitem(10, 10, 'SELECT', false)])")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        result = self.read("pgoutput", catalog, state)
        self.assertEqual([record["id"] for record in result.records()], [1, 2])

    def test_publication_that_is_newer_than_the_slot(self):
        self.sql(f"DROP PUBLICATION {self.schema}")
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.make_slots()
        catalog = self.catalog(method="LOG_BASED")
        state = self.read("wal2json", catalog, None).last_state
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.sql(f"CREATE PUBLICATION {self.schema} FOR ALL TABLES")
        slot = f"{self.schema[:40]}_pgoutput"
        result = self.read("pgoutput", catalog, state, expect=4)
        self.assertEqual(result.records(), [])
        self.assertRegex(
            result.stderr.splitlines()[-1],
            rf"^CRITICAL .*publication \"{self.schema}\".*: the publication is newer than the "
            rf"changes after [0-9A-F/]+ in replication slot {slot}, which cannot be read without "
            rf"it; to skip them, run SELECT pg_catalog.pg_replication_slot_advance\('{slot}', "
            r"pg_catalog.pg_current_wal_lsn\(\)\), then run with --full-refresh for the streams of "
            rf"database {self.database}{re.escape(ADVICE)}$",
        )


class WalPluginsNewestTest(WalPluginsTest):
    database = "wal_plugins_newest"
    major = "18"


class MigrationTest(WalTest):
    """From a slot of wal2json to one of pgoutput, without a gap and without a copy."""

    database = "wal_plugin_migration"

    def setUp(self):
        SchemaTest.setUp(self)
        require_wal2json(self)
        self.selected = self.state = None

    def test_under_load(self):
        """Short and long transactions are open while publication and slot are made."""
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, note text); "
            "ALTER TABLE {s}.t ALTER note SET STORAGE EXTERNAL; "
            "INSERT INTO {s}.t SELECT i, 0, repeat('x', 3000) FROM generate_series(1, 100) i"
        )
        new = f"{self.schema}_pgoutput"
        self.config |= {"replication_slot": self.schema, "publication_name": self.schema}
        create_slot(self, self.schema, "wal2json")
        for slot in (self.schema, new):
            self.addCleanup(self.drop_slot, slot)
        self.initial_snapshot("t")
        with Writers(self.session, self.schema, 4) as writers:
            self.follow()
            writers.wait_for(50)
            created = tap.run(
                self.config, *("slot", "create"), files={}, catalog=self.selected, state=self.state
            )
            self.addCleanup(self.sql, f"DROP PUBLICATION IF EXISTS {self.schema}")
            self.addCleanup(self.sql, f"DROP PUBLICATION IF EXISTS {self.schema}_inserts")
            self.assertIn(f"INFO replication slot {new} is ready at ", created.stderr)
            runs = []
            while not runs or f"slot {new} replaces slot {self.schema}" not in runs[-1].stderr:
                writers.wait_for(50)
                runs.append(self.follow())
                self.assertLess(len(runs), 20, runs[-1])  # a deadlock takes a second
        self.assertNotIn("copying the table", "".join(run.stderr for run in runs))
        self.check_followed("t")

    def test_slot_is_replaced_once_the_state_has_reached_the_new_one(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        old, new = "old_slot", "old_slot_pgoutput"
        self.config |= {"replication_slot": old, "publication_name": self.schema}
        self.sql(f"SELECT pg_create_logical_replication_slot('{old}', 'wal2json')")
        self.addCleanup(self.sql, f"SELECT pg_drop_replication_slot('{old}')")
        catalog = self.catalog(method="LOG_BASED")
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.sql(f"CREATE PUBLICATION {self.schema} FOR ALL TABLES")
        self.addCleanup(self.sql, f"DROP PUBLICATION {self.schema}")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.sql(f"SELECT pg_create_logical_replication_slot('{new}', 'pgoutput')")
        self.addCleanup(self.sql, f"SELECT pg_drop_replication_slot('{new}')")
        self.sql("INSERT INTO {s}.t VALUES (3)")
        first = self.sync(catalog, state)
        self.assertEqual([record["id"] for record in first.records()], [1, 2, 3])
        self.assertRegex(
            first.stderr,
            rf"(?m)^INFO reading replication slot {old} until the state reaches [0-9A-F/]+; from "
            rf"then on slot {new} is read$",
        )
        self.sql("INSERT INTO {s}.t VALUES (4)")
        second = self.sync(catalog, first.last_state)
        self.assertEqual([record["id"] for record in second.records()], [4])
        self.assertIn(
            f"INFO replication slot {new} replaces slot {old}, which retains WAL: drop it with "
            f"SELECT pg_drop_replication_slot('{old}')\n",
            second.stderr,
        )


if __name__ == "__main__":
    unittest.main()

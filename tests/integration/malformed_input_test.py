"""Unusual tables, types and bookmarks: no row is lost, and failures stay local."""

import json
import unittest

from support import pipeline, tap
from support.case import SchemaTest
from support.check import ADVICE
from support.pipeline import until


class MalformedInputTest(SchemaTest):
    database = "malformed_input"

    def incremental(self, *names):
        return self.catalog(*names, method="INCREMENTAL", key="k")

    def check_fails_alone(self, result, line):
        """Stream t fails with this line; streams a and z, before and after it, are synced."""
        self.assertEqual(
            [result.records(name) for name in "atz"], [[{"id": 1, "k": 1}], [], [{"id": 1, "k": 1}]]
        )
        faults = [line for line in result.stderr.splitlines() if not line.startswith("INFO")]
        self.assertEqual(
            faults,
            [
                f"ERROR stream {self.id_of('t')}: {line}",
                f"CRITICAL 1 of 3 streams failed: {self.id_of('t')}",
            ],
        )


class NullKeyTest(MalformedInputTest):
    """Rows with a NULL key are sent first, even if the key of the parent is NOT NULL."""

    def check_null_first(self, table):
        result = self.sync(self.incremental(table), state_every_rows=1)
        self.assertEqual([r["k"] for r in result.records()], [None, 5, 7])
        self.assertEqual(
            [self.bookmark(s, table).get("replication_key_value") for s in result.states],
            [None, None, 5, 7, 7],
        )

    def test_child_table_with_nullable_key(self):
        self.sql(
            """CREATE TABLE {s}.t AS SELECT 1 AS id, 7 AS k;
               CREATE TABLE {s}.child () INHERITS ({s}.t);
                    INSERT INTO {s}.child VALUES (2, NULL), (3, 5);
                    ALTER TABLE ONLY {s}.t ALTER k SET NOT NULL"""
        )
        self.check_null_first("t")

    def test_foreign_table_with_null_keys(self):
        if self.server.sql("SELECT current_setting('server_version_num')::int")[0][0] >= 170000:
            self.skipTest(
                "servers since 17 believe NOT NULL: such rows come last, and only while there is "
                "no bookmark"
            )
        self.sql(
            """CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public;
                    CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;
                    CREATE FOREIGN TABLE {s}.f (id int, k int NOT NULL)
                        SERVER files OPTIONS (program 'printf "1,7\\n2,\\n3,5\\n"', format 'csv')"""
        )
        self.check_null_first("f")


class BookmarkTest(MalformedInputTest):
    def test_copy_without_version_restarts(self):
        self.sql("CREATE TABLE {s}.t AS SELECT generate_series(1, 1000) AS id")
        catalog = self.catalog("t")
        interrupted = self.sync(catalog, state_every_rows=50).states[1]
        self.assertIn("copy", self.bookmark(interrupted, "t"))
        self.sync(catalog, interrupted)
        xmin = self.sql("SELECT txid_current()")[0][0]
        for before in ({"copy": self.bookmark(interrupted, "t")["copy"]}, {"xmin": xmin}):
            for version in ({}, {"version": None}):
                result = self.sync(catalog, {"bookmarks": {self.id_of("t"): {**before, **version}}})
                self.assertEqual(len(result.records()), 1000, (before, version))
                self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])

    def test_null_method_and_key_are_ignored(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 3) i")
        for bookmark in (
            {"last_replication_method": None, "replication_key": "k"},
            {"last_replication_method": None},
        ):
            bookmark["replication_key_value"] = 3
            result = self.sync(self.incremental("t"), {"bookmarks": {self.id_of("t"): bookmark}})
            expected = [3] if "replication_key" in bookmark else [1, 2, 3]
            self.assertEqual([r["id"] for r in result.records()], expected)

    def test_lookback_before_the_first_date(self):
        self.sql(
            """CREATE TABLE {s}.t AS SELECT 1 AS id, '2020-01-01'::timestamptz AS k;
                    CREATE TABLE {s}.d AS SELECT 1 AS id, '2020-01-01'::date AS k"""
        )
        first = self.sync(self.incremental())
        self.sql(
            "INSERT INTO {s}.t VALUES (2, '1500-01-01'); INSERT INTO {s}.d VALUES (2, '1500-01-01')"
        )
        second = self.sync(self.incremental(), first.last_state, replication_key_lookback=1e12)
        self.assertEqual([r["id"] for r in second.records("d") + second.records("t")], [2, 1, 2, 1])

    def test_maximum_limit(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 1 AS k")
        self.assertEqual(len(self.sync(self.incremental("t"), limit=2**63 - 1).records()), 1)


class TypesTest(MalformedInputTest):
    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.a AS SELECT 1 AS id, 1 AS k; CREATE TABLE {s}.z AS SELECT 1 AS id, 1 "
            "AS k"
        )

    def test_invalid_binary_value(self):
        """A type that is named hstore but is not hstore."""
        self.sql(
            """
            CREATE TYPE {s}.hstore;
            CREATE FUNCTION {s}.hstore_in(cstring) RETURNS {s}.hstore
              LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
            CREATE FUNCTION {s}.hstore_out({s}.hstore) RETURNS cstring
              LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
            CREATE FUNCTION {s}.hstore_send({s}.hstore) RETURNS bytea
              LANGUAGE internal IMMUTABLE STRICT AS 'int4send';
            CREATE TYPE {s}.hstore (INPUT = {s}.hstore_in, OUTPUT = {s}.hstore_out,
              SEND = {s}.hstore_send,
                                    LIKE = integer);
            CREATE TABLE {s}.t AS SELECT 1 AS id, '77'::{s}.hstore AS h"""
        )
        self.check_fails_alone(
            self.sync(self.catalog(), expect=1),
            f"{self.schema}.t.h: the server sent 4 bytes that are not a binary value of type "
            "hstore; please report this with the server's version and the column's type",
        )

    def test_composite_key(self):
        self.sql(
            "CREATE TYPE {s}.pair AS (a int, b int); CREATE TABLE {s}.t AS SELECT 1 AS id, "
            "'(1,2)'::{s}.pair AS k"
        )
        self.check_fails_alone(
            self.sync(self.incremental(), expect=1),
            f"replication key k is {self.schema}.pair, a type that cannot be a bookmark: choose "
            f"another replication-key, or FULL_TABLE{ADVICE}",
        )


class DiscoveryTest(MalformedInputTest):
    def test_type_created_during_discovery(self):
        self.sql("CREATE TABLE {s}.t (id int)")
        with self.session().cursor() as holder:
            # Of all queries of discovery, only the one for columns reads pg_constraint.
            holder.execute("BEGIN; LOCK TABLE pg_catalog.pg_constraint")
            with pipeline.Tap(self.config, "--discover") as running:
                until(
                    lambda: self.sql(
                        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = "
                        "'pg_constraint'::regclass"
                    ),
                    lambda: f"discovery does not wait\n{running}",
                )
                holder.execute(
                    f"CREATE TYPE {self.schema}.mood AS ENUM ('fine');"
                    f"CREATE TABLE {self.schema}.made AS SELECT 'fine'::{self.schema}.mood AS m; "
                    "COMMIT"
                )
                catalog = json.loads(running.output.read())
                self.assertEqual(running.wait(), 0, running)
        self.assertEqual([s["table_name"] for s in catalog["streams"]], ["t"])
        self.assertEqual(
            [s["table_name"] for s in tap.discover(self.config)["streams"]], ["made", "t"]
        )


if __name__ == "__main__":
    unittest.main()

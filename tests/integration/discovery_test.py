"""Output of --discover: relations, columns and their metadata."""

import contextlib
import json
import pathlib
import re
import unittest

from support import pipeline, tap
from support.server import shared

DB = "discovery"

INTEGER = {"type": ["null", "integer"], "minimum": -2147483648, "maximum": 2147483647}
STRING = {"type": ["null", "string"]}
# Sanitizers need additional memory.
IS_SANITIZED = b"__asan_init" in pathlib.Path(tap.BINARY).read_bytes()


def setUpModule():
    shared().create_database(DB)


def config(**extra):
    return shared().config(DB, **{"filter_dbs": DB, **extra})


def names(catalog):
    return [s["tap_stream_id"] for s in catalog["streams"]]


def properties(entry):
    return entry["schema"]["properties"]


class Schema(unittest.TestCase):
    """Each test has its own schema and discovers only that one."""

    def setUp(self):
        self.schema = self._testMethodName[:63]
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.config = config(filter_schemas=self.schema)

    def tearDown(self):
        self.sql(f"DROP SCHEMA {self.schema} CASCADE")

    def sql(self, statements):
        return shared().sql(statements.replace("{s}", self.schema), DB)

    def discover(self, *args, **extra):
        return tap.discover({**self.config, **extra}, *args)


class DescriptionTest(Schema):
    def test_whole_catalog_entry(self):
        self.sql(
            """
            CREATE TABLE {s}.orders (id int NOT NULL, region varchar(2), total numeric(10,2),
              "Note" text, raw bytea,
                                     PRIMARY KEY (region, id));
            INSERT INTO {s}.orders SELECT i, 'de' FROM generate_series(1, 3) i;
            ANALYZE {s}.orders;"""
        )

        def column(name, datatype, inclusion="available"):
            return {
                "breadcrumb": ["properties", name],
                "metadata": {
                    "sql-datatype": datatype,
                    "inclusion": inclusion,
                    "selected-by-default": True,
                },
            }

        self.assertEqual(
            self.discover(),
            {
                "streams": [
                    {
                        "table_name": "orders",
                        "stream": "orders",
                        "metadata": [
                            {
                                "breadcrumb": [],
                                "metadata": {
                                    "table-key-properties": ["region", "id"],
                                    "schema-name": self.schema,
                                    "database-name": DB,
                                    "row-count": 3,
                                    "is-view": False,
                                },
                            },
                            column("id", "integer", "automatic"),
                            column("region", "character varying", "automatic"),
                            column("total", "numeric"),
                            column("Note", "text"),
                            column("raw", "bytea"),
                        ],
                        "tap_stream_id": f"{DB}-{self.schema}-orders",
                        "schema": {
                            "type": "object",
                            "properties": {
                                "id": {**INTEGER, "type": ["integer"]},
                                "region": {"type": ["string"], "maxLength": 2},
                                "total": {"type": ["null", "number"]},
                                "Note": STRING,
                                "raw": STRING,
                            },
                        },
                    }
                ]
            },
        )

    def test_key_order_of_the_python_tap(self):
        self.sql("CREATE TABLE {s}.t (b int, a int)")
        [entry] = self.discover()["streams"]
        self.assertEqual(
            list(entry), ["table_name", "stream", "metadata", "tap_stream_id", "schema"]
        )
        self.assertEqual(
            list(tap.metadata(entry)),
            ["table-key-properties", "schema-name", "database-name", "row-count", "is-view"],
        )
        self.assertEqual(
            list(tap.metadata(entry, "b")), ["sql-datatype", "inclusion", "selected-by-default"]
        )
        self.assertEqual(list(properties(entry)), ["b", "a"])

    def test_row_count_without_analyze(self):
        self.sql("CREATE TABLE {s}.t (a int)")
        self.assertEqual(tap.metadata(tap.stream(self.discover(), "t"))["row-count"], 0)

    def test_dropped_columns(self):
        self.sql("CREATE TABLE {s}.t (a int, b int, c int); ALTER TABLE {s}.t DROP COLUMN b")
        self.assertEqual(list(properties(tap.stream(self.discover(), "t"))), ["a", "c"])

    def test_names_that_need_quoting(self):
        odd = [
            "with space",
            'with "quotes"',
            "apostrophe's",
            "MixedCase",
            "per%cent",
            "100%s",
            "back\\slash",
            "täblé_日本_😀",
            "dot.ted",
            "hy-phen",
            "new\nline",
            "x" * 63,
            "select",
            "{brace}",
            "*",
        ]
        for name in odd:
            quoted = '"%s"' % name.replace('"', '""')
            self.sql(f"CREATE TABLE {{s}}.{quoted} (id int, {quoted} int PRIMARY KEY)")
        catalog = self.discover()
        self.assertEqual([s["table_name"] for s in catalog["streams"]], sorted(odd, key=str.encode))
        for entry in catalog["streams"]:
            name = entry["table_name"]
            self.assertEqual(entry["tap_stream_id"], f"{DB}-{self.schema}-{name}")
            self.assertEqual(list(properties(entry)), ["id", name])
            self.assertEqual(tap.metadata(entry)["table-key-properties"], [name])


class RelationsTest(Schema):
    def test_every_kind_of_relation(self):
        self.sql(
            """
            CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public;
            CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;
            CREATE TABLE {s}.zebra (id int PRIMARY KEY);
            CREATE VIEW {s}.a_view AS SELECT id FROM {s}.zebra;
            CREATE MATERIALIZED VIEW {s}.matview AS SELECT id FROM {s}.zebra;
            CREATE TABLE {s}.parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
            CREATE TABLE {s}.parted_1 PARTITION OF {s}.parted FOR VALUES FROM (0) TO (10);
            CREATE TABLE {s}.parent (id int);
            CREATE TABLE {s}.child (extra int) INHERITS ({s}.parent);
            CREATE UNLOGGED TABLE {s}.unlogged (id int);
            CREATE FOREIGN TABLE {s}.foreigner (id int) SERVER files
              OPTIONS (program 'echo 1', format 'csv');
            -- none of these is a table to copy
            CREATE SEQUENCE {s}.counter;
            CREATE TYPE {s}.pair AS (a int, b int);
            CREATE INDEX an_index ON {s}.zebra (id);
            CREATE TABLE {s}.without_columns ();"""
        )
        found = {s["table_name"]: tap.metadata(s) for s in self.discover()["streams"]}
        self.assertEqual(
            list(found),
            [
                "a_view",
                "child",
                "foreigner",
                "matview",
                "parent",
                "parted",
                "parted_1",
                "unlogged",
                "zebra",
            ],
        )
        self.assertEqual(
            [name for name, table in found.items() if table["is-view"]], ["a_view", "matview"]
        )
        self.assertEqual(
            [name for name, table in found.items() if table["table-key-properties"]],
            ["parted", "parted_1", "zebra"],
        )

    def test_temporary_tables_of_other_sessions(self):
        self.sql("CREATE TABLE {s}.lasting (id int)")
        with contextlib.closing(shared().connect(DB)) as session:
            session.cursor().execute("CREATE TEMPORARY TABLE fleeting (id int)")
            self.assertEqual(names(tap.discover(config())), [f"{DB}-{self.schema}-lasting"])

    def test_filter_schemas_as_string_or_list(self):
        self.sql("CREATE TABLE {s}.t (a int); CREATE SCHEMA other; CREATE TABLE other.o (a int)")
        self.addCleanup(self.sql, "DROP SCHEMA other CASCADE")
        both = [f"{DB}-other-o", f"{DB}-{self.schema}-t"]
        self.assertEqual(names(self.discover(filter_schemas=f"{self.schema}, other")), both)
        self.assertEqual(names(self.discover(filter_schemas=["other", self.schema])), both)
        self.assertEqual(names(self.discover(filter_schemas="other")), both[:1])

    def test_nothing_to_discover(self):
        result = tap.run(self.config, "--discover", expect=1)
        self.assertEqual(result.stdout, b"")
        self.assertIn("0 tables were discovered", result.stderr)


class PrivilegesTest(Schema):
    def setUp(self):
        super().setUp()
        self.sql("CREATE ROLE reader LOGIN")
        self.config["user"] = "reader"

    def tearDown(self):
        super().tearDown()
        self.sql("DROP OWNED BY reader; DROP ROLE reader")

    def test_only_readable_columns_are_listed(self):
        self.sql(
            """
            CREATE TABLE {s}.hidden (a int);
            CREATE TABLE {s}.partly (id int PRIMARY KEY, secret int, a int);
            CREATE TABLE {s}.whole (a int, b int);
            GRANT SELECT (id, a) ON {s}.partly TO reader;
            GRANT SELECT ON {s}.whole TO reader;"""
        )
        self.assertEqual(
            {s["table_name"]: list(properties(s)) for s in self.discover()["streams"]},
            {"partly": ["id", "a"], "whole": ["a", "b"]},
        )


class DatabasesTest(unittest.TestCase):
    """A server with several databases."""

    def setUp(self):
        for name in ("Sales 100%", "archive", "locked"):
            shared().create_database(name)
            shared().sql("CREATE TABLE t (id int)", name)
        shared().sql("CREATE ROLE visitor LOGIN; REVOKE CONNECT ON DATABASE locked FROM PUBLIC")
        for name in ("Sales 100%", "archive", "locked"):
            shared().sql("GRANT SELECT ON t TO visitor", name)

    def tearDown(self):
        for name in ("Sales 100%", "archive", "locked"):
            shared().drop_database(name)
        shared().sql("DROP ROLE visitor")

    def test_all_databases_without_filter_dbs(self):
        found = names(tap.discover(shared().config("archive")))
        self.assertEqual(found, ["Sales 100%-public-t", "archive-public-t", "locked-public-t"])

    def test_filter_dbs(self):
        result = tap.run(
            shared().config("archive", filter_dbs=" locked , Sales 100%, none such"), "--discover"
        )
        self.assertEqual(
            names(json.loads(result.stdout)), ["Sales 100%-public-t", "locked-public-t"]
        )
        self.assertIn(
            "WARNING database none such of filter_dbs does not exist or does not allow "
            "connections\n",
            result.stderr,
        )

    def test_empty_filter_dbs(self):
        self.assertEqual(len(names(tap.discover(shared().config("archive", filter_dbs="")))), 3)

    def test_unreachable_database_is_a_warning(self):
        result = tap.run(shared().config("archive", user="visitor"), "--discover")
        self.assertEqual(
            names(json.loads(result.stdout)), ["Sales 100%-public-t", "archive-public-t"]
        )
        [warning] = [line for line in result.stderr.splitlines() if line.startswith("WARNING")]
        self.assertIn("locked", warning)


class SelectTest(Schema):
    def setUp(self):
        super().setUp()
        self.sql(
            """
            CREATE TABLE {s}.orders (id int PRIMARY KEY, total int, secret int);
            CREATE TABLE {s}.order_log (id int);
            CREATE TABLE {s}.people (id int);
            CREATE VIEW {s}.report AS SELECT id FROM {s}.people;"""
        )

    def selected(self, *args):
        catalog = self.discover(*args)
        return {
            s["table_name"]: tap.metadata(s).get("replication-method", "-")
            for s in catalog["streams"]
            if tap.metadata(s).get("selected")
        }

    def test_nothing_selected_by_default(self):
        self.assertNotIn('"selected":', json.dumps(self.discover()))

    def test_patterns(self):
        self.assertEqual(
            self.selected("--select", "*.order*", "--select", f"!{self.schema}.orders"),
            {"order_log": "-"},
        )

    def test_select_all(self):
        self.assertEqual(
            self.selected("--select", "*", "--replication-method", "FULL_TABLE"),
            dict.fromkeys(["order_log", "orders", "people", "report"], "FULL_TABLE"),
        )

    def test_views_are_not_log_based(self):
        self.assertEqual(
            self.selected("--select", "*", "--replication-method", "LOG_BASED"),
            dict.fromkeys(["order_log", "orders", "people"], "LOG_BASED"),
        )

    def test_excluded_columns(self):
        catalog = self.discover("--select", "*.orders", "--select", "!*.*.secret")
        orders = tap.stream(catalog, "orders")
        self.assertTrue(tap.metadata(orders)["selected"])
        self.assertIs(tap.metadata(orders, "secret")["selected"], False)
        self.assertIsNot(tap.metadata(orders, "total").get("selected"), False)

    def test_replication_key(self):
        catalog = self.discover(
            "--select",
            "*.orders",
            "--replication-method",
            "INCREMENTAL",
            "--replication-key",
            "total",
        )
        orders = tap.metadata(tap.stream(catalog, "orders"))
        self.assertEqual(
            (orders["replication-method"], orders["replication-key"]), ("INCREMENTAL", "total")
        )

    def test_selections_of_an_earlier_catalog_are_kept(self):
        earlier = tap.select(self.discover(), "orders", "people", method="FULL_TABLE")
        tap.metadata(tap.stream(earlier, "orders"), "secret")["selected"] = False
        self.sql(
            "DROP VIEW {s}.report; DROP TABLE {s}.people; CREATE TABLE {s}.fresh (id int);"
            "ALTER TABLE {s}.orders ADD added int"
        )
        result = tap.run(self.config, "--discover", catalog=earlier)
        catalog = json.loads(result.stdout)
        self.assertEqual(
            [s["table_name"] for s in catalog["streams"]], ["fresh", "order_log", "orders"]
        )
        orders = tap.stream(catalog, "orders")
        self.assertEqual(tap.metadata(orders)["selected"], True)
        self.assertEqual(tap.metadata(orders)["replication-method"], "FULL_TABLE")
        self.assertIs(tap.metadata(orders, "secret")["selected"], False)
        self.assertIn("added", properties(orders))
        for name in ("fresh", "people", "report", "added"):
            self.assertIn(name, result.stderr)


class SharedIdsTest(Schema):
    def test_tables_with_the_same_id(self):
        other = f"{self.schema}-eu"
        self.config["filter_schemas"] = f"{self.schema},{other}"
        self.sql(f'CREATE TABLE {{s}}."eu-orders" (id int); CREATE SCHEMA "{other}"')
        self.addCleanup(self.sql, f'DROP SCHEMA "{other}" CASCADE')
        self.sql(f'CREATE TABLE "{other}".orders (id int); CREATE TABLE {{s}}.items (id int)')
        result = tap.run(self.config, "--discover")
        catalog = json.loads(result.stdout)
        shared_id = f"{DB}-{self.schema}-eu-orders"
        self.assertEqual(
            names(catalog),
            [f"{DB}-{self.schema}-eu-orders", f"{DB}-{self.schema}-items", shared_id],
        )
        self.assertIn(
            f'WARNING "{DB}"."{self.schema}"."eu-orders" and "{DB}"."{other}"."orders" have the '
            f"same tap_stream_id {shared_id}, so that they would share a bookmark; before you "
            "select one of them, change it in the catalog\n",
            result.stderr,
        )
        tap.run(self.config, catalog=tap.select(catalog, "items"))
        refused = tap.run(self.config, catalog=tap.select(catalog, "orders"), expect=2)
        self.assertEqual(
            refused.stderr,
            f'CRITICAL catalog.json: streams[2]: duplicate tap_stream_id "{shared_id}", which '
            "streams[0] has, too, so that they would share a bookmark; change it in one of them\n",
        )
        catalog["streams"][2]["tap_stream_id"] = "orders"
        result = tap.run(self.config, catalog=tap.select(catalog))
        self.assertEqual(
            list(result.states[-1]["bookmarks"]), [shared_id, f"{DB}-{self.schema}-items", "orders"]
        )


class ManyTablesTest(Schema):
    def test_memory_does_not_grow_with_the_number_of_tables(self):
        columns = ", ".join(f"column_{i} text" for i in range(200))
        self.sql(
            f"""DO $$ BEGIN FOR i IN 1000..1299 LOOP
            EXECUTE 'CREATE TABLE {{s}}.t' || i || ' ({columns})';
            END LOOP; END $$"""
        )
        with pipeline.Tap(self.config, "--discover") as running:
            catalog = running.output.read(8_000_000)  # the rest does not fit into the pipe
            self.assertEqual(len(catalog), 8_000_000, running)
            status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
            catalog += running.output.read()
            self.assertEqual(running.wait(), 0, running)
        self.assertEqual(
            names(json.loads(catalog)),
            [f"{DB}-{self.schema}-t{i}" for i in range(1000, 1300)],
        )
        most = 256 if IS_SANITIZED else 32
        self.assertLess(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]), most * 1024)


if __name__ == "__main__":
    unittest.main()

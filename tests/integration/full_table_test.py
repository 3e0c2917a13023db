"""Full-table sync: messages, their order, and every kind of relation."""

import contextlib
import re
import time
import unittest

from support import tap
from support.server import shared

DB = "full_table"


def setUpModule():
    shared().create_database(DB)


class Schema(unittest.TestCase):
    """Each test has its own schema."""

    def setUp(self):
        self.schema = self._testMethodName[:63]
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.config = shared().config(DB, filter_dbs=DB, filter_schemas=self.schema)

    def tearDown(self):
        self.sql(f"DROP SCHEMA {self.schema} CASCADE")

    def sql(self, statements):
        return shared().sql(statements.replace("{s}", self.schema), DB)

    def id_of(self, table):
        return f"{DB}-{self.schema}-{table}"

    def catalog(self, *names):
        return tap.select(tap.discover(self.config), *names)

    def sync(self, *names, catalog=None, state=None, expect=0, **extra):
        catalog = catalog or self.catalog(*names)
        return tap.run({**self.config, **extra}, catalog=catalog, state=state, expect=expect)


class MessagesTest(Schema):
    def test_output_lines(self):
        self.sql(
            """
            CREATE TABLE {s}.t (id int PRIMARY KEY, "Größe" numeric, a text, at timestamptz,
              flags boolean[]);
            INSERT INTO {s}.t VALUES (1, 1.10, E'tab\\t"q" é 😀', '2020-07-01 12:00+02',
              '{t,NULL}');"""
        )
        result = self.sync("t")
        lines = result.stdout.decode()
        lines = re.sub(r'"version":\d{13}\b', '"version":V', lines)
        lines = re.sub(
            r'"time_extracted":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"',
            '"time_extracted":"T"',
            lines,
        )
        schema, started, activated, record, activated_again, ended = lines.splitlines()
        self.assertRegex(
            schema,
            r'^\{"type":"SCHEMA","stream":"t","schema":\{"type":"object","properties":\{.*\}\},'
            r'"key_properties":\["id"\],"bookmark_properties":\[\]\}$',
        )
        self.assertRegex(
            started,
            r'^\{"type":"STATE","value":\{"bookmarks":\{"%s":\{'
            r'"last_replication_method":"FULL_TABLE","version":V.*"currently_syncing":"%s"\}\}$'
            % (self.id_of("t"), self.id_of("t")),
        )
        self.assertEqual(activated, '{"type":"ACTIVATE_VERSION","stream":"t","version":V}')
        self.assertEqual(
            record,
            '{"type":"RECORD","stream":"t","record":{"Größe":1.10,"a":"tab\\t\\"q\\" é 😀",'
            '"at":"2020-07-01T10:00:00+00:00","flags":[true,null],"id":1},'
            '"version":V,"time_extracted":"T"}',
        )
        self.assertEqual(activated_again, activated)
        self.assertEqual(
            ended,
            '{"type":"STATE","value":{"bookmarks":{"%s":{"last_replication_method":"FULL_TABLE",'
            '"version":V,"xmin":null}},"currently_syncing":null}}' % self.id_of("t"),
        )

    def test_streams_in_order_of_id(self):
        self.sql(
            "CREATE TABLE {s}.b AS SELECT 1 AS id; CREATE TABLE {s}.a AS SELECT 2 AS id;"
            "CREATE TABLE {s}.unselected AS SELECT 3 AS id"
        )
        result = self.sync("b", "a")
        one_stream = ["SCHEMA", "STATE", "ACTIVATE_VERSION", "RECORD", "ACTIVATE_VERSION", "STATE"]
        self.assertEqual(result.types, one_stream * 2)
        self.assertEqual(list(result.schemas()), ["a", "b"])
        for state in result.states:
            self.assertEqual(set(state["bookmarks"]), {self.id_of("a"), self.id_of("b")})
        self.assertEqual(
            [s["currently_syncing"] for s in result.states],
            [self.id_of("a"), None, self.id_of("b"), None],
        )
        self.assertEqual(
            result.states[0]["bookmarks"][self.id_of("b")],
            {"last_replication_method": "FULL_TABLE"},
        )

    def test_version_is_the_start_time(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        before = int(time.time() * 1000)
        result = self.sync("t")
        [version] = {m["version"] for m in result.messages if "version" in m}
        self.assertTrue(before <= version <= time.time() * 1000, version)
        for state in result.states:
            self.assertEqual(state["bookmarks"][self.id_of("t")]["version"], version)

    def test_second_run_activates_its_version_at_the_end(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        first = self.sync("t")
        second = self.sync("t", state=first.states[-1])
        self.assertEqual(second.types, ["SCHEMA", "STATE", "RECORD", "ACTIVATE_VERSION", "STATE"])
        self.assertGreater(second.messages[-2]["version"], first.messages[-2]["version"])
        self.assertEqual(second.records(), first.records())

    def test_bookmarks_of_other_streams_are_kept(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        given = {"bookmarks": {"elsewhere": {"lsn": 123, "mine": [1, None]}}, "note": "keep me"}
        for state in self.sync("t", state=given).states:
            self.assertEqual(state["bookmarks"]["elsewhere"], given["bookmarks"]["elsewhere"])
            self.assertEqual(state["note"], "keep me")

    def test_currently_syncing_goes_first(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.b AS SELECT 1 AS id")
        result = self.sync("a", "b", state={"bookmarks": {}, "currently_syncing": self.id_of("b")})
        self.assertEqual(list(result.schemas()), ["b", "a"])

    def test_state_every_rows(self):
        self.sql("CREATE TABLE {s}.t AS SELECT generate_series(1, 2500) AS id")
        result = self.sync("t", state_every_rows=1000, state_every_seconds=3600)
        rows_before = [
            result.types[:i].count("RECORD")
            for i, kind in enumerate(result.types)
            if kind == "STATE"
        ]
        # since 14, after whole blocks, of 226 rows each
        every = 5 * 226 if shared().version >= (14,) else 1000
        self.assertEqual(rows_before, [0, every, 2 * every, 2500])
        for state in result.states[1:-1]:
            bookmark = state["bookmarks"][self.id_of("t")]
            self.assertIsNone(bookmark.get("xmin"), "a Python tap would skip rows with this")
            self.assertEqual(state["currently_syncing"], self.id_of("t"))
        self.assertNotIn("copy", result.states[-1]["bookmarks"][self.id_of("t")])

    def test_state_every_seconds_with_wide_rows(self):
        self.sql(
            "CREATE TABLE {s}.base AS SELECT i AS id, repeat('x', 10000) AS wide FROM "
            "generate_series(1, 5) i; CREATE VIEW {s}.t AS TABLE {s}.base"
        )
        result = self.sync("t", state_every_seconds=0)
        self.assertEqual(
            result.types,
            [
                "SCHEMA",
                "STATE",
                "ACTIVATE_VERSION",
                *["RECORD", "STATE"] * 5,
                "ACTIVATE_VERSION",
                "STATE",
            ],
        )

    def test_schema_in_stream_name(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        result = self.sync("t", include_schemas_in_destination_stream_name="true")
        self.assertEqual(
            {m["stream"] for m in result.messages if "stream" in m}, {f"{self.schema}_t"}
        )

    def test_nothing_selected(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        result = self.sync(catalog=tap.discover(self.config))
        self.assertEqual(result.stdout, b"")

    def test_selected_columns(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a int, b int); INSERT INTO {s}.t VALUES (1, "
            "2, 3)"
        )
        catalog = self.catalog("t")
        tap.metadata(tap.stream(catalog, "t"), "a")["selected"] = False
        tap.metadata(tap.stream(catalog, "t"), "id")[
            "selected"
        ] = False  # inclusion is automatic: sent anyway
        result = self.sync(catalog=catalog)
        self.assertEqual(result.records(), [{"b": 3, "id": 1}])
        self.assertEqual(set(result.schemas()["t"]["schema"]["properties"]), {"b", "id"})
        whole = self.sync(catalog=catalog, schema_dialect="singer-io")
        self.assertEqual(whole.records(), [{"b": 3, "id": 1}])
        self.assertEqual(list(whole.schemas()["t"]["schema"]["properties"]), ["id", "a", "b"])


class RelationsTest(Schema):
    def test_partitioned_table_by_partition(self):
        self.sql(
            """
            CREATE TABLE {s}.p (id int, part text) PARTITION BY LIST (part);
            CREATE TABLE {s}.p_a PARTITION OF {s}.p FOR VALUES IN ('a');
            CREATE TABLE {s}.p_b PARTITION OF {s}.p FOR VALUES IN ('b') PARTITION BY RANGE (id);
            CREATE TABLE {s}.p_b1 (part text, dropped int, id int);
            ALTER TABLE {s}.p_b1 DROP COLUMN dropped;
            ALTER TABLE {s}.p_b ATTACH PARTITION {s}.p_b1 FOR VALUES FROM (0) TO (10);
            CREATE TABLE {s}.p_c PARTITION OF {s}.p FOR VALUES IN ('c');
            INSERT INTO {s}.p SELECT i, (ARRAY['a', 'b', 'c'])[i % 3 + 1]
              FROM generate_series(1, 9) i;"""
        )
        result = self.sync("p")
        self.assertEqual(sorted(r["id"] for r in result.records("p")), list(range(1, 10)))
        parts = "".join(r["part"] for r in result.records("p"))
        self.assertEqual(re.sub(r"(.)\1*", r"\1", parts), "abc")
        self.assertEqual(
            result.types,
            ["SCHEMA", "STATE", "ACTIVATE_VERSION", *["RECORD"] * 9, "ACTIVATE_VERSION", "STATE"],
        )
        self.assertEqual(self.sync("p_b").records(), [{"id": i, "part": "b"} for i in (1, 4, 7)])

    def test_partitioned_table_with_privileges_on_parent_only(self):
        self.sql(
            """
            CREATE TABLE {s}.p (id int) PARTITION BY RANGE (id);
            CREATE TABLE {s}.p_1 PARTITION OF {s}.p FOR VALUES FROM (0) TO (10);
            INSERT INTO {s}.p VALUES (1), (2);
            CREATE ROLE parent_reader LOGIN;
            GRANT USAGE ON SCHEMA {s} TO parent_reader;
            GRANT SELECT ON {s}.p TO parent_reader;"""
        )
        self.addCleanup(self.sql, "DROP OWNED BY parent_reader; DROP ROLE parent_reader")
        self.config["user"] = "parent_reader"
        self.assertEqual(self.sync().records(), [{"id": 1}, {"id": 2}])

    def test_row_level_security_of_a_partition(self):
        self.sql(
            """
            CREATE TABLE {s}.p (id int) PARTITION BY RANGE (id);
            CREATE TABLE {s}.p_1 PARTITION OF {s}.p FOR VALUES FROM (0) TO (10);
            CREATE TABLE {s}.p_2 PARTITION OF {s}.p FOR VALUES FROM (10) TO (20);
            INSERT INTO {s}.p VALUES (1), (2), (11);
            ALTER TABLE {s}.p_1 ENABLE ROW LEVEL SECURITY;
            CREATE ROLE parent_reader LOGIN;
            GRANT USAGE ON SCHEMA {s} TO parent_reader;
            GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO parent_reader;"""
        )
        self.addCleanup(self.sql, "DROP OWNED BY parent_reader; DROP ROLE parent_reader")
        self.config["user"] = "parent_reader"
        self.assertEqual(self.sync("p").records(), [{"id": 1}, {"id": 2}, {"id": 11}])

    def test_temporary_child_of_another_session(self):
        self.sql("CREATE TABLE {s}.parent AS SELECT 1 AS id")
        with contextlib.closing(shared().connect(DB)) as session:
            session.cursor().execute(
                f"CREATE TEMPORARY TABLE child () INHERITS ({self.schema}.parent);"
                "INSERT INTO child VALUES (2)"
            )
            self.assertEqual(self.sync("parent").records(), [{"id": 1}])

    def test_inheritance(self):
        self.sql(
            """
            CREATE TABLE {s}.parent (id int);
            CREATE TABLE {s}.child (extra int) INHERITS ({s}.parent);
            INSERT INTO {s}.parent VALUES (1); INSERT INTO {s}.child VALUES (2, 3);"""
        )
        result = self.sync("parent", "child")
        self.assertCountEqual(result.records("parent"), [{"id": 1}, {"id": 2}])
        self.assertEqual(result.records("child"), [{"extra": 3, "id": 2}])

    def test_views_and_materialized_views(self):
        self.sql(
            """
            CREATE VIEW {s}.v AS SELECT 1 AS id, 'x'::text AS name;
            CREATE MATERIALIZED VIEW {s}.m AS SELECT 2 AS id, 'y'::text AS name;"""
        )
        catalog = self.catalog("v", "m")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        result = self.sync(catalog=catalog)
        self.assertEqual(result.records("v"), [{"id": 1, "name": "x"}])
        self.assertEqual(result.records("m"), [{"id": 2, "name": "y"}])
        self.assertEqual(result.schemas()["v"]["key_properties"], ["id"])
        self.assertEqual(result.schemas()["m"]["key_properties"], [])
        for name in ("m", "v"):
            self.assertEqual(
                set(result.states[-1]["bookmarks"][self.id_of(name)]),
                {"last_replication_method", "version"},
            )

    def test_foreign_tables(self):
        self.sql(
            """
            CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public;
            CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;
            CREATE FOREIGN TABLE {s}.f (id int, name text)
                SERVER files OPTIONS (program 'printf "1,one\\n2,two\\n"', format 'csv');"""
        )
        self.assertEqual(
            self.sync("f").records(), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
        )

    def test_empty_table(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.assertEqual(
            self.sync("t").types,
            ["SCHEMA", "STATE", "ACTIVATE_VERSION", "ACTIVATE_VERSION", "STATE"],
        )

    def test_no_selected_columns(self):
        self.sql("CREATE TABLE {s}.t (id int); CREATE TABLE {s}.z AS SELECT 1 AS id")
        catalog = self.catalog("t", "z")
        tap.metadata(tap.stream(catalog, "t"), "id")["selected"] = False
        result = self.sync(catalog=catalog)
        self.assertEqual(list(result.schemas()), ["z"])
        self.assertRegex(result.stderr, r"WARNING .*\bt\b.*column")

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
            "new\nline",
            "x" * 63,
            "select",
            "{brace}",
            "$1",
        ]
        for number, name in enumerate(odd):
            quoted = '"%s"' % name.replace('"', '""')
            self.sql(f"CREATE TABLE {{s}}.{quoted} AS SELECT {number} AS {quoted}")
        result = self.sync()
        for number, name in enumerate(odd):
            self.assertEqual(result.records(name), [{name: number}])


class SizeTest(Schema):
    def test_1600_columns(self):
        self.sql(
            "CREATE TABLE {s}.wide (%s)" % ", ".join(f"c{i} int DEFAULT {i}" for i in range(1600))
        )
        self.sql("INSERT INTO {s}.wide DEFAULT VALUES")
        self.assertEqual(self.sync("wide").records(), [{f"c{i}": i for i in range(1600)}])

    def test_value_of_100_megabytes(self):
        times = 25 * 1024 * 1024
        self.sql(
            f"""CREATE TABLE {{s}}.large AS SELECT 1 AS id, repeat(E'xy\\n"', {times}) AS value"""
        )
        [record] = self.sync("large").records()
        self.assertTrue(record["value"] == 'xy\n"' * times, "the value is not what the table holds")


class FaultsTest(Schema):
    """A failed stream does not affect others; the log names it and the exit code is 1."""

    def check_t_fails_alone(self, catalog, *words):
        result = self.sync(catalog=catalog, expect=1)
        self.assertEqual(result.records("t"), [])
        self.assertEqual(result.records("a"), [{"id": 1}])
        self.assertEqual(result.records("z"), [{"id": 1}])
        self.assertIsNone(result.states[-1]["bookmarks"][self.id_of("z")]["xmin"])
        self.assertNotIn("xmin", result.states[-1]["bookmarks"][self.id_of("t")])
        for word in (self.id_of("t"), *words):
            self.assertIn(word, result.stderr)

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")

    def test_table_dropped_since_discovery(self):
        self.sql("CREATE TABLE {s}.t (id int)")
        catalog = self.catalog()
        self.sql("DROP TABLE {s}.t")
        self.check_t_fails_alone(catalog)

    def test_column_dropped_since_discovery(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS gone")
        catalog = self.catalog("t")
        self.sql("ALTER TABLE {s}.t DROP COLUMN gone")
        result = self.sync(catalog=catalog)
        self.assertEqual(result.records("t"), [{"id": 1}])
        self.assertEqual(list(result.schemas()["t"]["schema"]["properties"]), ["id"])
        self.assertIn(
            f"WARNING {self.id_of('t')}: column gone is no longer in the table", result.stderr
        )

    def test_failing_view(self):
        self.sql("CREATE VIEW {s}.t AS SELECT 1 / (id - 1) AS id FROM {s}.a")
        self.check_t_fails_alone(self.catalog(), "22012", "division by zero")

    def test_no_column_privilege(self):
        self.sql(
            """
            CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS secret;
            CREATE ROLE column_reader LOGIN;
            GRANT USAGE ON SCHEMA {s} TO column_reader;
            GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO column_reader;
            REVOKE SELECT ON {s}.t FROM column_reader;
            GRANT SELECT (id) ON {s}.t TO column_reader;"""
        )
        self.addCleanup(self.sql, "DROP OWNED BY column_reader; DROP ROLE column_reader")
        catalog = self.catalog()  # as the owner
        self.config["user"] = "column_reader"
        self.check_t_fails_alone(catalog, "42501")
        tap.metadata(tap.stream(catalog, "t"), "secret")["selected"] = False
        self.assertEqual(self.sync(catalog=catalog).records("t"), [{"id": 1}])


if __name__ == "__main__":
    unittest.main()

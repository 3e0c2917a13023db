"""The same tables give the same catalog and records on every major server version.

What a server does not support is reported in one line with its version. Each major has a test case,
such as `Postgres9_3Test`. TAP_MAJORS lists the majors; `all` means every major of scripts/servers.
A server that cannot be fetched is skipped, or a failure with `all`.
"""

import contextlib
import re
import unittest

from support import tap
from support.check import about, run_check
from support.pipeline import until
from support.server import Server, majors, require_server

DB = "matrix"
ROWS = 1000
EVERY = 100  # rows between two states
WITH_WAL2JSON = ("13", "15", "17", "18")

# Column, type, value in SQL, value in JSON (as text, to keep all digits).
VALUES = [
    ("a_smallint", "smallint", "-32768", "-32768"),
    ("a_bigint", "bigint", "9223372036854775807", "9223372036854775807"),
    ("a_oid", "oid", "4294967295", '"4294967295"'),
    (
        "a_numeric",
        "numeric",
        "'123456789012345678901234567890.123456789'",
        "123456789012345678901234567890.123456789",
    ),
    ("a_scaled", "numeric(12,2)", "1.1", "1.10"),
    ("a_nan", "numeric", "'NaN'", "null"),
    ("a_real", "real", "0.1", "0.1"),
    ("a_long_real", "real", "1.1754944e-38", "1.1754944e-38"),
    ("a_double", "float8", "0.1", "0.1"),
    ("a_sum", "float8", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("a_third", "float8", "1::float8 / 3", "0.3333333333333333"),
    ("a_large", "float8", "1e300", "1e+300"),
    ("an_infinity", "float8", "'-Infinity'", "null"),
    ("a_boolean", "boolean", "true", "true"),
    ("a_bit", "bit(5)", "B'10101'", '"10101"'),
    (
        "a_text",
        "text",
        r"E'tab\tnl\nquote\"back\\ \u00e9 \U0001F600'",
        r'"tab\tnl\nquote\"back\\ é 😀"',
    ),
    ("a_char", "char(5)", "'ab'", '"ab   "'),
    ("a_varchar", "varchar(10)", "''", '""'),
    ("a_bytea", "bytea", r"E'\\x00ff5c'", r'"\\x00ff5c"'),
    (
        "a_timestamp",
        "timestamp",
        "'1997-02-02 02:02:02.722184'",
        '"1997-02-02T02:02:02.722184+00:00"',
    ),
    ("a_timestamptz", "timestamptz", "'1997-02-02 02:02:02-05'", '"1997-02-02T07:02:02+00:00"'),
    ("a_bc", "timestamp", "'0044-03-15 12:00:00 BC'", '"0001-01-01T00:00:00+00:00"'),
    ("a_date", "date", "'1998-03-04'", '"1998-03-04T00:00:00+00:00"'),
    ("a_time", "time", "'12:11:10.123'", '"12:11:10.123"'),
    ("a_timetz", "timetz", "'12:11:10-04'", '"12:11:10-04:00"'),
    ("an_interval", "interval", "'1 day 2 hours'", '"1 day 02:00:00"'),
    (
        "a_uuid",
        "uuid",
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
        '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"',
    ),
    ("a_json", "json", """'{"a": 1.50}'""", r'"{\"a\": 1.50}"'),
    ("an_inet", "inet", "'10.1.2.3/24'", '"10.1.2.3/24"'),
    ("a_money", "money", "'1234567.89'", '"$1,234,567.89"'),
    ("a_point", "point", "'(1.5,2)'", '"(1.5,2)"'),
    ("a_range", "int4range", "'[1,5)'", '"[1,5)"'),
    ("a_tsrange", "tsrange", "'[2024-01-01,)'", r'"[\"2024-01-01 00:00:00\",)"'),
    ("a_timerange", "timerange", "'[10:00,)'", '"[10:00:00,)"'),
    ("an_xml", "xml", "'<a>b</a>'", '"<a>b</a>"'),
    ("a_mood", "mood", "'so so'", '"so so"'),
    ("a_pair", "pair", "ROW(1, 'a b')", r'"(1,\"a b\")"'),
    ("a_posint", "posint", "5", "5"),
    ("an_hstore", "hstore", """'a=>1, b=>NULL'""", '{"a":"1","b":null}'),
    ("a_citext", "citext", "'MaG'", '"MaG"'),
    ("integers", "int[]", "'{1,NULL,3}'", "[1,null,3]"),
    ("a_matrix", "int[]", "'{{1,2},{3,4}}'", "[[1,2],[3,4]]"),
    ("reals", "real[]", "'{0.1,1e20}'", "[0.1,1e+20]"),
    ("doubles", "float8[]", "ARRAY[0.1, 0.1::float8 + 0.2::float8]", "[0.1,0.30000000000000004]"),
    ("numerics", "numeric[]", "'{1.10,2}'", "[1.10,2]"),
    ("texts", "text[]", r"""ARRAY['a,b', E'c"\\d', '']""", r'["a,b","c\"\\d",""]'),
    ("dates", "date[]", "'{1998-03-04}'", '["1998-03-04T00:00:00+00:00"]'),
]
SORTED = sorted([("id", "int", "1", "1"), *VALUES])  # in output order
RECORD = "{" + ",".join(f'"{name}":{json}' for name, _, _, json in SORTED) + "}"
NOTHING = (
    "{" + ",".join(f'"{name}":{"2" if name == "id" else "null"}' for name, _, _, _ in SORTED) + "}"
)
TABLES = """
    CREATE EXTENSION hstore; CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('happy', 'so so'); CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN posint AS int CHECK (VALUE > 0); CREATE TYPE timerange AS RANGE (subtype = time);
    CREATE TABLE every_type (id int PRIMARY KEY, %s);
    INSERT INTO every_type VALUES (1, %s); INSERT INTO every_type VALUES (2);
    CREATE TABLE numbers (b int, a int, k int NOT NULL, "Note" text, PRIMARY KEY (a, b));
    CREATE INDEX ON numbers (k);
    INSERT INTO numbers SELECT i %% 7, i, i / 2, repeat('x', 300) FROM generate_series(1, %d) i;
    CREATE TABLE floats (id int, k float8 NOT NULL); CREATE INDEX ON floats (k);
    INSERT INTO floats SELECT i, i / 10.0 FROM generate_series(1, 5) i;
    CREATE TABLE parent (id int, n int); CREATE TABLE child (more text) INHERITS (parent);
    CREATE TABLE grandchild (most text) INHERITS (child);
    INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (2, 2, 'c');
    INSERT INTO grandchild VALUES (3, 3, 'c', 'g');
    CREATE VIEW a_view AS SELECT id, n * 2 AS twice FROM parent WHERE id < 3;
    CREATE MATERIALIZED VIEW a_matview AS SELECT id FROM parent WHERE id < 3;
    CREATE TABLE hidden (id int);
    CREATE ROLE reader LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    REVOKE ALL ON hidden FROM reader;
""" % (
    ", ".join(f"{name} {kind}" for name, kind, _, _ in VALUES),
    ", ".join(sql for _, _, sql, _ in VALUES),
    ROWS,
)
PARTITIONED = """
    CREATE TABLE partitioned (id int, n int) PARTITION BY LIST (n);
    CREATE TABLE one PARTITION OF partitioned FOR VALUES IN (1);
    CREATE TABLE two PARTITION OF partitioned FOR VALUES IN (2);
    INSERT INTO partitioned VALUES (1, 1), (2, 2); GRANT SELECT ON partitioned, one, two TO reader;
"""
# Each stream's key and its columns with their types.
STREAMS = {
    "a_matview": ([], {"id": "integer"}),
    "a_view": ([], {"id": "integer", "twice": "integer"}),
    "child": ([], {"id": "integer", "n": "integer", "more": "text"}),
    "every_type": (
        ["id"],
        {
            "id": "integer",
            **{
                name: {
                    "float8": "double precision",
                    "float8[]": "double precision[]",
                    "int[]": "integer[]",
                    "varchar(10)": "character varying",
                    "char(5)": "character",
                    "numeric(12,2)": "numeric",
                    "timestamp": "timestamp without time zone",
                    "timestamptz": "timestamp with time zone",
                    "time": "time without time zone",
                    "timetz": "time with time zone",
                }.get(kind, kind)
                for name, kind, _, _ in VALUES
            },
        },
    ),
    "floats": ([], {"id": "integer", "k": "double precision"}),
    "grandchild": ([], {"id": "integer", "n": "integer", "more": "text", "most": "text"}),
    "numbers": (["a", "b"], {"b": "integer", "a": "integer", "k": "integer", "Note": "text"}),
    "parent": ([], {"id": "integer", "n": "integer"}),
}
LOG_BASED = """
    CREATE TABLE {t} (id int PRIMARY KEY, d float8, r real, n numeric, a float8[], t timestamptz,
      e text, big text);
    ALTER TABLE {t} ALTER big SET STORAGE EXTERNAL; GRANT SELECT ON {t} TO reader;
"""
LOGGED_ROW = (
    r"0.1, 0.1, 1.10, '{0.1,0.25}', '2026-01-02 03:04:05.6+00', E'tab\t\"\\', repeat('z', 3000)"
)


def logged(number, double="0.1", big="z" * 3000, change=False, is_read=False):
    """A row of `logged` in JSON.

    Columns are sorted in a copy and in table order in a change; columns that are read from the
    table because WAL lacks them come last.
    """
    values = {
        "id": number,
        "d": double,
        "r": "0.1",
        "n": "1.10",
        "a": "[0.1,0.25]",
        "t": '"2026-01-02T03:04:05.600000+00:00"',
        "e": r'"tab\t\"\\"',
        "big": f'"{big}"',
    }
    columns = [*values.items(), ("_sdc_deleted_at", "null")] if change else sorted(values.items())
    if is_read:
        columns.append(columns.pop(list(values).index("big")))
    return "{" + ",".join(f'"{name}":{value}' for name, value in columns) + "}"


def bodies(result, stream):
    """The records of a stream exactly as written."""
    lines = result.stdout.decode().splitlines()
    found = [
        re.fullmatch(
            r'\{"type":"RECORD","stream":"([^"]+)","record":(.*?)(,"version":\d+)?(,'
            r'"time_extracted":"[^"]+")?\}',
            line,
        )
        for line in lines
        if line.startswith('{"type":"RECORD"')
    ]
    return [match[2] for match in found if match[1] == stream]


def middle(result):
    """The sixth state, and the id of the next row."""
    end = [i for i, kind in enumerate(result.types) if kind == "STATE"][5]
    return result.state_texts[5], result.types[:end].count("RECORD") + 1


class MatrixTest:
    """The tests for each major."""

    major = None

    @classmethod
    def setUpClass(cls):
        require_server(cls.major)
        cls.server = Server(major=cls.major)
        cls.addClassCleanup(cls.server.close)
        cls.server.create_database(DB)
        cls.server.sql(TABLES, DB)
        if cls.server.version >= (10,):
            cls.server.sql(PARTITIONED, DB)
        cls.config = cls.server.config(DB, user="reader", filter_dbs=DB)
        cls.text = ".".join(map(str, cls.server.version)) if len(cls.server.version) > 1 else None

    def sql(self, statements):
        return self.server.sql(statements, DB)

    def catalog(self, name, method="FULL_TABLE", key=None):
        return tap.select(tap.discover(self.config), name, method=method, key=key)

    def sync(self, catalog, state=None, expect=0, **extra):
        return tap.run(
            {**self.config, "state_every_seconds": 3600, **extra},
            catalog=catalog,
            state=state,
            expect=expect,
        )

    def scratch(self, table, like="numbers"):
        """Creates a table for a test that changes it."""
        self.sql(
            f"CREATE TABLE {table} AS SELECT a AS id, k, repeat('x', 300) AS pad FROM {like} ORDER "
            "BY a;"
            f"ALTER TABLE {table} ADD PRIMARY KEY (id); ALTER TABLE {table} ALTER k SET NOT NULL;"
            f"CREATE INDEX ON {table} (k); GRANT SELECT ON {table} TO reader"
        )
        self.addCleanup(self.sql, f"DROP TABLE {table}")

    def test_discovery(self):
        streams = {entry["table_name"]: entry for entry in tap.discover(self.config)["streams"]}
        partitioned = {"one", "partitioned", "two"} if self.server.version >= (10,) else set()
        self.assertEqual(streams.keys() - partitioned, STREAMS.keys())
        for name, (key, columns) in STREAMS.items():
            with self.subTest(name):
                entry = streams[name]
                self.assertEqual(tap.metadata(entry)["table-key-properties"], key)
                self.assertEqual(tap.metadata(entry)["is-view"], name in ("a_view", "a_matview"))
                self.assertEqual(
                    {
                        column: re.sub(r"\(\d+\)", "", tap.metadata(entry, column)["sql-datatype"])
                        for column in entry["schema"]["properties"]
                    },
                    {column: re.sub(r"\(\d+\)", "", kind) for column, kind in columns.items()},
                )
        self.assertEqual(
            [
                entry["table_name"]
                for entry in tap.discover({**self.config, "filter_schemas": "public,x"})["streams"]
            ],
            sorted(streams),
        )

    def test_values(self):
        result = self.sync(self.catalog("every_type"))
        self.assertEqual(bodies(result, "every_type"), [RECORD, NOTHING])

    def test_full_table(self):
        expected = {
            "parent": ['{"id":1,"n":1}', '{"id":2,"n":2}', '{"id":3,"n":3}'],
            "a_view": ['{"id":1,"twice":2}', '{"id":2,"twice":4}'],
            "a_matview": ['{"id":1}', '{"id":2}'],
        }
        if self.server.version >= (10,):
            expected["partitioned"] = ['{"id":1,"n":1}', '{"id":2,"n":2}']
        for table, records in expected.items():
            with self.subTest(table):
                result = self.sync(self.catalog(table))
                self.assertEqual(bodies(result, table), records)

    def test_full_table_resumed(self):
        self.scratch("resumed")
        catalog = self.catalog("resumed")
        before = self.sync(catalog, state_every_rows=EVERY)
        self.assertEqual(len(before.records()), ROWS)
        self.sql(
            "UPDATE resumed SET k = -1 WHERE id IN (3, 700); INSERT INTO resumed VALUES (2000, 0, "
            "''); DELETE FROM resumed WHERE id = 800"
        )
        state, first = middle(before)
        after = self.sync(catalog, state)
        self.assertIn(f"INFO {DB}-public-resumed: resuming the interrupted copy\n", after.stderr)
        self.assertEqual(
            sorted(r["id"] for r in after.records()),
            sorted({3, 700, *range(first, ROWS + 1)} - {800}) + [2000],
        )

    def test_full_table_resumed_after_freeze(self):
        """Before 9.4, VACUUM FREEZE overwrites xmin; here on a page that has been read."""
        self.scratch("frozen")
        self.sql("DELETE FROM frozen WHERE id = 20")
        self.sql("VACUUM frozen")
        catalog = self.catalog("frozen")
        before = self.sync(catalog, state_every_rows=EVERY)
        self.sql("INSERT INTO frozen VALUES (20, 0, '')")
        self.assertLess(
            self.sql("SELECT ctid FROM frozen WHERE id = 20"),
            self.sql("SELECT ctid FROM frozen WHERE id = 30"),
        )
        self.sql("VACUUM FREEZE frozen")
        state, first = middle(before)
        after = self.sync(catalog, state)
        self.assertIn(f"INFO {DB}-public-frozen: resuming the interrupted copy\n", after.stderr)
        self.assertEqual(
            {r["id"] for r in after.records()},
            set(range(1, ROWS + 1))
            if self.server.version < (9, 4)
            else {20, *range(first + 1, ROWS + 1)},
        )

    def test_incremental(self):
        self.scratch("increments")
        catalog = self.catalog("increments", "INCREMENTAL", "k")
        first = self.sync(catalog, state_every_rows=EVERY)
        self.assertEqual(len(first.records()), ROWS)
        interrupted = self.sync(catalog, first.state_texts[5])
        self.assertEqual([r["id"] for r in interrupted.records()], list(range(5 * EVERY, ROWS + 1)))
        self.sql("INSERT INTO increments VALUES (2000, 2000, '')")
        second = self.sync(catalog, interrupted.last_state)
        self.assertEqual(
            bodies(second, "increments"),
            [f'{{"id":1000,"k":500,"pad":"{"x" * 300}"}}', '{"id":2000,"k":2000,"pad":""}'],
        )

    def test_incremental_with_lookback(self):
        self.sql(
            "CREATE TABLE moments (id int, k timestamptz NOT NULL); GRANT SELECT ON moments TO "
            "reader;"
            "INSERT INTO moments SELECT i, timestamptz '2026-01-02 03:04:05.6+00' + i * interval "
            "'1 minute' FROM generate_series(1, 5) i"
        )
        self.addCleanup(self.sql, "DROP TABLE moments")
        catalog = self.catalog("moments", "INCREMENTAL", "k")
        first = self.sync(catalog)
        self.assertEqual([r["id"] for r in first.records()], [1, 2, 3, 4, 5])
        second = self.sync(catalog, first.last_state, replication_key_lookback=119.5)
        self.assertEqual(
            bodies(second, "moments"),
            [
                '{"id":4,"k":"2026-01-02T03:08:05.600000+00:00"}',
                '{"id":5,"k":"2026-01-02T03:09:05.600000+00:00"}',
            ],
        )

    def test_incremental_by_float(self):
        catalog = self.catalog("floats", "INCREMENTAL", "k")
        first = self.sync(catalog, limit=3)
        self.assertEqual(
            bodies(first, "floats"), ['{"id":1,"k":0.1}', '{"id":2,"k":0.2}', '{"id":3,"k":0.3}']
        )
        second = self.sync(catalog, first.last_state)
        self.assertEqual(
            bodies(second, "floats"), ['{"id":3,"k":0.3}', '{"id":4,"k":0.4}', '{"id":5,"k":0.5}']
        )

    def test_standby(self):
        with Server(source=self.server) as standby:
            catalog = self.catalog("every_type")
            config = {**self.config, **standby.config(DB, user="reader", filter_dbs=DB)}
            self.assertEqual(tap.discover(config), tap.discover(self.config))
            self.assertEqual(
                bodies(tap.run(config, catalog=catalog), "every_type"), [RECORD, NOTHING]
            )
            secondary = {
                "use_secondary": True,
                "secondary_host": standby.host,
                "secondary_port": str(standby.port),
            }
            self.assertEqual(
                bodies(self.sync(catalog, **secondary), "every_type"), [RECORD, NOTHING]
            )
            catalog = self.catalog("numbers")
            state, first = middle(self.sync(catalog, state_every_rows=EVERY, **secondary))
            self.assertEqual(
                [r["a"] for r in self.sync(catalog, state, **secondary).records()],
                list(range(first, ROWS + 1)),
            )
            for found in run_check(config, catalog=catalog), run_check(
                {**self.config, **secondary}, catalog=catalog
            ):
                self.assertEqual([f for f in found if f["level"] == "error"], [])
            [server] = about(run_check(config, catalog=catalog), "server")
            self.assertRegex(server, r"\Aok PostgreSQL %s\D.*, a standby\Z" % re.escape(self.major))

    def test_row_security(self):
        if self.server.version < (9, 5):
            self.skipTest("there is none before 9.5")
        self.sql(
            "CREATE TABLE secured (id int); CREATE TABLE secured_child () INHERITS (secured); "
            "INSERT INTO secured VALUES (1), (2);"
            "INSERT INTO secured_child VALUES (3), (4); ALTER TABLE secured ENABLE ROW LEVEL "
            "SECURITY;"
            "CREATE POLICY p ON secured USING (id % 2 = 0); GRANT SELECT ON secured, secured_child "
            "TO reader"
        )
        self.addCleanup(self.sql, "DROP TABLE secured CASCADE")
        self.assertEqual(
            bodies(self.sync(self.catalog("secured")), "secured"), ['{"id":2}', '{"id":4}']
        )

    def test_waiting_for_a_lock(self):
        catalog = self.catalog("parent")
        with contextlib.closing(self.server.connect(DB)) as blocker, blocker.cursor() as cursor:
            cursor.execute("BEGIN; LOCK parent")
            result = self.sync(
                catalog, expect=1, lock_timeout="1500ms", silence_timeout=1, max_retries=0
            )
        self.assertRegex(
            result.stderr,
            r"(?m)^INFO no data arrived for 1 s from the server \(.*\), which is busy, "
            r"waiting for Lock(: relation)?$",
        )
        self.assertIn("canceling statement due to lock timeout", result.stderr)

    def test_check(self):
        catalog = self.catalog("numbers", "INCREMENTAL", "k")
        findings = run_check(self.config, catalog=catalog)
        self.assertEqual([f for f in findings if f["level"] not in ("ok", "note")], [])
        [server] = about(findings, "server")
        self.assertRegex(server, r"\Aok PostgreSQL %s\D.*, a primary\Z" % re.escape(self.major))
        self.assertEqual(
            about(findings, f"stream {DB}-public-numbers"),
            ["ok INCREMENTAL by k, 4 columns, key a, b"],
        )
        readable = len(STREAMS) + (self.server.version >= (10,))
        [database] = about(findings, f"database {DB}")
        self.assertRegex(
            database, rf"\Anote 1 of {readable + 1} tables are not readable: public.hidden; "
        )
        without_key = run_check(self.config, catalog=self.catalog("parent", "INCREMENTAL", "n"))
        self.assertIn(
            "warning no index begins with the replication key n: each run reads the whole table; "
            'CREATE INDEX CONCURRENTLY ON "public"."parent" ("n")',
            about(without_key, f"stream {DB}-public-parent"),
        )

    def test_log_based(self):
        if self.server.version < (10, 6):
            self.check_too_old()
            return
        with self.subTest("pgoutput"):
            self.check_log_based("pgoutput")
        self.doCleanups()
        with self.subTest("wal2json"):
            if self.major in WITH_WAL2JSON:
                self.check_log_based("wal2json")
            else:
                self.check_no_plugin()

    def check_too_old(self):
        refusal = (
            f"log-based replication needs PostgreSQL 10.6 or later, the server has {self.text}: "
            "upgrade the server, or use FULL_TABLE or INCREMENTAL"
        )
        catalog = self.catalog("numbers", "LOG_BASED")
        result = self.sync(catalog, expect=4)
        self.assertEqual(result.stderr, f"CRITICAL {refusal}; run: tap-postgres check\n")
        state = {
            "bookmarks": {
                f"{DB}-public-numbers": {"lsn": 1, "last_replication_method": "LOG_BASED"}
            }
        }
        for command in (["status"], ["create"], ["drop"], ["ack"]):
            with self.subTest(command):
                result = tap.run(
                    self.config,
                    "slot",
                    *command,
                    expect=4,
                    state=state if command == ["ack"] else None,
                )
                self.assertEqual(result.stderr, f"CRITICAL {refusal}; run: tap-postgres check\n")
        findings = run_check(self.config, catalog=catalog, expect=4)
        self.assertEqual(
            [(f["subject"], f["found"]) for f in findings if f["level"] not in ("ok", "note")],
            [(f"WAL of database {DB}", refusal.split(": ")[0])],
        )

    def check_no_plugin(self):
        catalog = self.catalog("numbers", "LOG_BASED")
        result = self.sync(
            catalog, expect=4, create_replication_slot=True, logical_decoding_plugin="wal2json"
        )
        self.assertEqual(
            result.stderr,
            "INFO creating replication slot stitch_matrix: this waits for open transactions to "
            "end\n"
            "CRITICAL replication slot stitch_matrix "
            f"(127.0.0.1:{self.server.port}, database matrix, user reader): could not access file "
            '"wal2json": No such file or directory (SQLSTATE 58P01): install the plugin on the '
            "server (Debian: postgresql-<version>-wal2json); run: tap-postgres check\n",
        )

    def check_log_based(self, plugin):
        self.sql(LOG_BASED.format(t="logged"))
        self.addCleanup(self.sql, "DROP TABLE logged")
        if plugin == "pgoutput":
            self.sql("CREATE PUBLICATION tap_postgres FOR TABLE logged")
            self.addCleanup(self.sql, "DROP PUBLICATION tap_postgres")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('stitch_matrix')")
        self.sql(f"INSERT INTO logged VALUES (1, {LOGGED_ROW})")
        catalog = self.catalog("logged", "LOG_BASED")
        # The role may not create publications: without one, the slot is of wal2json.
        copied = self.sync(catalog, create_replication_slot=True)
        self.assertEqual(self.sql("SELECT plugin FROM pg_replication_slots"), [(plugin,)])
        self.assertEqual(bodies(copied, "logged"), [logged(1)])
        self.sql(
            f"INSERT INTO logged VALUES (2, {LOGGED_ROW}); UPDATE logged SET d = 1e300 WHERE id = 1"
        )
        followed = self.sync(catalog, copied.last_state)
        self.assertEqual(
            bodies(followed, "logged"),
            [logged(2, change=True), logged(1, "1e+300", change=True, is_read=True)],
        )
        self.sql(
            "UPDATE logged SET id = 3, big = 'b' WHERE id = 2; DELETE FROM logged WHERE id = 1"
        )
        followed = self.sync(catalog, followed.last_state)
        changed = [
            re.sub(r'"_sdc_deleted_at":"[^"]+"', '"_sdc_deleted_at":"D"', body)
            for body in bodies(followed, "logged")
        ]
        self.assertEqual(
            changed,
            [
                '{"id":2,"_sdc_deleted_at":"D"}',
                logged(3, big="b", change=True),
                '{"id":1,"_sdc_deleted_at":"D"}',
            ],
        )
        self.sql(f"TRUNCATE logged; INSERT INTO logged VALUES (4, {LOGGED_ROW})")
        truncated = self.sync(catalog, followed.last_state)
        self.assertEqual(bodies(truncated, "logged"), [logged(4, change=True)])
        has_truncate = self.server.version >= (11,)
        self.assertEqual("does not report TRUNCATE" not in truncated.stderr, has_truncate)
        if not has_truncate:
            return
        self.assertGreater(
            truncated.of_type("RECORD")[0]["version"], copied.of_type("RECORD")[0]["version"]
        )
        until(
            lambda: self.sql("SELECT 1 FROM pg_replication_slots WHERE NOT active"),
            "the slot is in use",
        )
        findings = run_check(self.config, catalog=catalog, state=truncated.last_state)
        self.assertEqual([f for f in findings if f["level"] not in ("ok", "note")], [])


for _major in majors():
    _name = f"Postgres{_major.replace('.', '_')}Test"
    globals()[_name] = type(
        _name, (MatrixTest, unittest.TestCase), {"major": _major, "__module__": __name__}
    )


if __name__ == "__main__":
    unittest.main()

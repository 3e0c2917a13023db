"""A value has the same JSON in a copy and in a change, whatever the server's settings are."""

import contextlib
import decimal
import json
import os
import random
import re
import unittest

from support import random_values, tap
from support.pipeline import until
from support.plugins import PLUGINS, has_wal2json
from support.server import Server
from support.wal_case import warnings
import property_test
from values_test import TYPES, VALUES, as_text

# The server version since which a type exists.
SINCE = {"period[]": 11, "jsonpath": 12, "xid8": 13, "pg_snapshot": 13, "multirange": 14}
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
HOSTILE = {**property_test.HOSTILE, "search_path": ""}

# More values than in values_test.py: those for which copies and changes could differ.
FLOATS = (
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    "'-0'",
    "0",
    "1",
    "1.1",
    "0.1",
    "1e-5",
    "0.0001",
    "1e15",
    "1e16",
    "123456789",
    "16777216",
    "1e-37",
    "3.4e38",
)
DAYS = (
    "'infinity'",
    "'-infinity'",
    "'0044-03-15 BC'",
    "'0001-12-31 BC'",
    "'0001-01-01'",
    "'9999-12-31'",
    "'10000-01-01'",
    "'2000-02-29'",
    "'1970-01-01'",
    "'1900-03-01'",
    "'4713-01-01 BC'",
)
MOMENTS = DAYS + (
    "'294276-12-31 23:59:59.999999'",
    "'0001-12-31 23:59:59.999999 BC'",
    "'9999-12-31 23:59:59.999999'",
    "'1997-02-02 02:02:02.5'",
    "'2000-01-01 00:00:00.000001'",
    "'2020-07-01 12:00'",
    "'1883-11-18 12:03:57'",
)
TEXTS = (
    "''",
    "' '",
    "'NULL'",
    "'null'",
    "'{}'",
    "'a,b'",
    "'it''s'",
    "'q\"x'",
    r"'back\'",
    r"E'\r\n\t\b\f\x7f'",
    "'é€ 日本 😀'",
    r"'\u0000'",
    "'a=>b'",
    "repeat('x', 5000)",
    r"'\x41'",
    "'true'",
    "'1e5'",
    *(rf"E'\x{i:02x}'" for i in range(1, 32)),
)
MORE = {
    "smallint": ("32767", "0"),
    "int": ("'-2147483648'", "2147483647"),
    "bigint": ("'-9223372036854775808'", "0"),
    "oid": ("4294967295",),
    "real": FLOATS,
    "float8": FLOATS
    + (
        "1.7976931348623157e308",
        "'5e-324'",
        "9007199254740993",
        "5.684341886080802e-14",
        "1e22",
        "1e23",
    ),
    "numeric": (
        "0",
        "0.0",
        "0.000000",
        "0.0000000",
        "-0.5",
        "'0.0000001'",
        "'0.00000010'",
        "'1e-38'",
        "10000",
        "100000000",
        "99999999.0001",
        "'1e-1000'",
        "('1' || repeat('0', 999))::numeric",
        "-12345678901234567890.123456789",
        "(repeat('9', 500) || '.' || repeat('9', 500))::numeric",
        "'-Infinity'",
    ),
    "numeric(60,50)": ("0", "'1e-50'"),
    "boolean": ("false", "NULL"),
    "bit(5)": ("B'00000'",),
    "bit varying": ("B'1'", "B'0'"),
    "text": TEXTS,
    "varchar": TEXTS,
    "char(5)": ("''", "'é'"),
    "name": ("'n'", "'a\"b'"),
    "citext": TEXTS,
    '"char"': ("''", "'x'", '(-23)::"char"'),
    "bytea": ("''", r"'\x00'", r"'\x5c22ff0a'", r"'\x5c7830'"),
    "date": DAYS + ("'5874897-12-31'", "'4714-11-24 BC'"),
    "timestamp": MOMENTS,
    "timestamptz": MOMENTS,
    "timestamp(3)": ("'1997-02-02 02:02:02.722184'",),
    "time": ("'00:00:00'", "'23:59:59.999999'", "'00:00:00.000001'"),
    "timetz": ("'24:00:00+00'", "'12:00+05:30:15'", "'00:00-15:59:59'", "'12:00-00:00:15'"),
    "interval": ("'-1 mon -3:04:05.6'", "'0'", "'1 year -2 mons'", "'-178000000 years'"),
    "json": ("'{}'", "'[ 1,\n\t2 ]'", r"""'"\ud83d\ude00 \\ \" / \n"'""", "'1.50'", "'-0'"),
    "jsonb": (
        "'{}'",
        "'null'",
        r"""'"\ud83d\ude00 \\ \" / \n"'""",
        "'[true, {\"a\": []}]'",
        "'1.50'",
    ),
    "hstore": (r"""'""=>""'""", r"'a=>\"{}\"'"),
    "posint": ("2147483647",),
    "pair": ("ROW(NULL, NULL)", r"ROW(NULL, 'a " "b" " ')"),
    "money": ("'-5'",),
    "inet": ("'::1'",),
    "box": ("'(1,2),(3,4)'",),
    "tsvector": ("'a fat cat:3A'",),
    "text[]": ("'{}'", "'{{a,b},{c,NULL}}'", r"""ARRAY[E'\n\t"\\', '{', '', 'null']"""),
    "bytea[]": (r"ARRAY['\x5c22'::bytea, NULL, '']",),
    "timestamptz[]": ("ARRAY['2020-07-01 12:00+00'::timestamptz, 'infinity', NULL]",),
    "float8[]": ("'{-0,NaN,1e16,1e-5,0.1}'",),
    "interval[]": ("ARRAY['1 day 2 hours'::interval, '-1 mon']",),
    "mood[]": ("ARRAY['sad', 'Happy Day']::mood[]",),
    "money[]": ("'{5,\"$1,234.50\"}'",),
    "box[]": ("'{(1,2),(3,4);(5,6),(7,8)}'",),
}


class WalValuesTest(unittest.TestCase):
    database = "wal_values"
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(HOSTILE)
        cls.addClassCleanup(cls.server.close)
        cls.plugins, cls.forms = ("pgoutput",), ("pgoutput",)
        if "TAP_TEST_MAJOR" not in os.environ or has_wal2json(cls.server):
            cls.plugins, cls.forms = PLUGINS, ("wal2json 1", "wal2json 2", "pgoutput")

    def make_config(self, statements, encoding="UTF8"):
        """The config for a new database with its own slot."""
        database = f"{self.database}_{encoding}".lower()
        self.server.create_database(database, encoding)
        self.execute(database, encoding, statements)
        self.sql(database, "CREATE PUBLICATION all_tables FOR ALL TABLES")
        for plugin in self.plugins:
            slot = f"{database}_of_{plugin}"
            self.sql(database, f"SELECT pg_create_logical_replication_slot('{slot}', '{plugin}')")
            self.addCleanup(self.sql, database, f"SELECT pg_drop_replication_slot('{slot}')")
        self.addCleanup(
            until,
            lambda: not self.sql(database, "SELECT 1 FROM pg_replication_slots WHERE active"),
            "the slot is in use",
        )
        return self.server.config(
            database,
            filter_dbs=database,
            replication_slot=f"{database}_of_{self.plugins[0]}",
            publication_name="all_tables",
        )

    @staticmethod
    def in_form(config, form):
        """The config with the slot of the plugin that sends this form."""
        plugin, _, version = form.partition(" ")
        slot = f"{config['dbname']}_of_{plugin}"
        return {**config, "replication_slot": slot, "wal2json_message_format": version or "2"}

    def execute(self, database, encoding, statements):
        with contextlib.closing(self.server.connect(database)) as connection:
            if encoding != "SQL_ASCII":  # a client encoding has no effect in SQL_ASCII
                connection.set_client_encoding("UTF8")
            connection.cursor().execute("SET search_path = public;" + statements)

    def sql(self, database, statements):
        return self.server.sql("SET search_path = public;" + statements, database)

    def rows(self, result):
        """The values of the records by stream and id; numbers are marked text."""
        records = [
            as_text(line) for line in result.stdout.splitlines() if b'{"type":"RECORD"' in line
        ]
        return {
            (m["stream"], int(m["record"]["id"].removeprefix("number "))): m["record"].get("c")
            for m in records
        }

    def check(self, tables, **extra):
        """`tables` maps names to (type, values in SQL)."""
        config = (
            self.make_config(
                self.types()
                + "".join(
                    f"CREATE TABLE {name} (id int PRIMARY KEY, c {kind}); ALTER TABLE {name} "
                    "REPLICA IDENTITY FULL;"
                    for name, (kind, _) in tables.items()
                )
            )
            | extra
        )
        database = config["dbname"]
        self.sql(
            database,
            "SET datestyle = ISO; SET timezone = UTC;"
            + "".join(
                f"INSERT INTO {name} VALUES ({i}, {value});"
                for name, (_, values) in tables.items()
                for i, value in enumerate(values)
            ),
        )
        discovered = tap.discover(config)
        catalog = tap.select(discovered, method="LOG_BASED")
        first = tap.run(config, catalog=catalog)
        copied = self.rows(first)
        self.assertEqual(len(copied), sum(len(values) for _, values in tables.values()))
        self.sql(
            database,
            "".join(
                f"INSERT INTO {name} SELECT id + 1000, c FROM {name}; DELETE FROM {name} WHERE id "
                "< 1000;"
                for name in tables
            ),
        )
        for form in self.forms:
            result = tap.run(self.in_form(config, form), catalog=catalog, state=first.last_state)
            found = self.rows(result)
            for (name, i), expected in copied.items():
                kind, values = tables[name]
                with self.subTest(f"{kind} {values[i]}", form=form):
                    self.assertEqual(found[name, i + 1000], expected)
                    # A deleted row is the complete old row; wal2json omits its NULLs.
                    if expected is not None:
                        self.assertEqual(found[name, i], expected)
        self.check_each_table(config, tables, discovered, first.last_state, copied)

    def check_each_table(self, config, tables, catalog, state, copied):
        """Reads each table by itself: pgoutput sends binary values if all columns allow it."""
        config = self.in_form(config, "pgoutput")
        state = json.loads(state)
        start = min(bookmark["lsn"] for bookmark in state["bookmarks"].values())
        for bookmark in state[
            "bookmarks"
        ].values():  # so that no run advances the slot past another
            bookmark["lsn"] = start
        for name in tables:
            selected = tap.select(catalog, name, method="LOG_BASED")
            result = tap.run(config, catalog=selected, state=state)
            found = self.rows(result)
            for i, value in enumerate(tables[name][1]):
                with self.subTest(f"{tables[name][0]} {value}", form="pgoutput, one table"):
                    self.assertEqual(found[name, i + 1000], copied[name, i])

    @classmethod
    def types(cls):
        if cls.server.version >= (SINCE["multirange"],):
            return TYPES
        return re.sub(r", multirange_type_name = \w+", "", TYPES)

    @classmethod
    def exists(cls, kind, value):
        """True if the server has the type and the value."""
        has_type = all(
            cls.server.version >= (major,) for name, major in SINCE.items() if name in kind
        )
        is_new = kind.startswith("numeric") and "nfinity" in value
        return has_type and (cls.server.version >= (14,) or not is_new)

    def tables(self):
        values = {}
        for kind, found in [(k, [v]) for k, v, _ in VALUES] + list(MORE.items()):
            known = [value for value in found if self.exists(kind, value)]
            if known:
                values.setdefault(kind, []).extend(known)
        return {f"t{i}": (kind, found + ["NULL"]) for i, (kind, found) in enumerate(values.items())}

    def test_every_type(self):
        self.check(self.tables())

    def test_every_type_with_all_value_settings_changed(self):
        self.check(
            self.tables(),
            out_of_range_dates="string",
            json_as_object=True,
            numeric_as="decimal-string",
        )

    def test_random_values(self):
        seed = os.environ.get("TAP_SEED") or str(random.randrange(10**9))
        print(f"TAP_SEED={seed}", flush=True)
        self.check(random_values.tables(random.Random(seed), 40))

    def test_nan_as_string_where_wal2json_supports_it(self):
        config = self.make_config("CREATE TABLE t (id int, c numeric, d float8)") | {
            "non_finite_numbers": "string"
        }
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        first = tap.run(config, catalog=catalog)
        self.sql(config["dbname"], "INSERT INTO t VALUES (1, 'NaN', '-Infinity'), (2, 1.50, 5)")
        for form in self.forms:
            result = tap.run(self.in_form(config, form), catalog=catalog, state=first.last_state)
            cannot = (
                "the server's wal2json does not support the option numeric-data-types-as-string: "
                "NaN and infinities are read as null"
            )
            is_old = cannot in warnings(result) and form != "pgoutput"
            self.assertEqual(
                [(record["c"], record["d"]) for record in result.records()],
                [(None, None) if is_old else ("NaN", "-Infinity"), (decimal.Decimal("1.50"), 5.0)],
            )

    def check_encoding(self, encoding, statements, expected):
        config = self.make_config("CREATE TABLE before_all (id int)", encoding)
        database = config["dbname"]
        self.execute(database, encoding, statements)
        catalog = tap.select(tap.discover(config), "t", method="LOG_BASED")
        first = tap.run(config, catalog=catalog)
        self.assertEqual(first.records(), [{"id": 1, **expected}])
        self.execute(database, encoding, "INSERT INTO t SELECT * FROM t")
        for form in self.forms:
            result = tap.run(self.in_form(config, form), catalog=catalog, state=first.last_state)
            self.assertEqual(result.records(), [{"id": 1, **expected, "_sdc_deleted_at": None}])

    def test_latin1(self):
        self.check_encoding(
            "LATIN1",
            """CREATE TABLE t AS SELECT 1 AS id, E'Größe é ÿ ' || chr(128) AS "Größe",
                 '{é,"\\"ü"}'::text[] AS a, '"é"'::jsonb AS j""",
            {"Größe": "Größe é ÿ \x80", "a": ["é", '"ü'], "j": '"é"'},
        )

    def test_euc_jp(self):
        table = "CREATE TABLE t AS SELECT 1 AS id, '日本語' AS a"
        self.check_encoding("EUC_JP", table, {"a": "日本語"})

    def test_sql_ascii(self):
        self.check_encoding(
            "SQL_ASCII",
            r"""CREATE TABLE t AS SELECT 1 AS id,
            E'caf\xc3\xa9' AS utf8, E'caf\xe9 ok' AS latin1, E'\xf0\x9f\x98' AS cut_short,
            E'\xf4\x90\x80\x80' AS too_high,
            E'\xed\xa0\x80' AS surrogate, E'\xc0\xaf' AS overlong, ARRAY[E'\xff'] AS a""",
            {
                "utf8": "café",
                "latin1": f"caf{REPLACEMENT} ok",
                "cut_short": REPLACEMENT * 3,
                "too_high": REPLACEMENT * 4,
                "surrogate": REPLACEMENT * 3,
                "overlong": REPLACEMENT * 2,
                "a": [REPLACEMENT],
            },
        )


if __name__ == "__main__":
    unittest.main()

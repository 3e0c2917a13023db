"""Lookups of unchanged TOAST columns by keys of every type."""

import unittest

from support.wal_case import WalTest, changes, warnings
from support.plugins import for_wal2json

TYPES = """
    CREATE TYPE {s}.pair AS (a int, b text);
    CREATE TYPE {s}."Mood of day" AS ENUM ('good', 'bad day');
    CREATE DOMAIN {s}.int_domain AS int;
    CREATE DOMAIN {s}.text_domain AS text CHECK (VALUE <> '');
    CREATE DOMAIN {s}.bytea_domain AS bytea;
    CREATE DOMAIN {s}.bool_domain AS bool;
    CREATE EXTENSION citext SCHEMA {s};
    CREATE EXTENSION hstore SCHEMA {s};
"""
KEYS = {
    "{s}.pair": ['(1,"it\'s ""a"" b")', "(,)"],
    "{s}.pair_domain": ["(1,x)"],
    "{s}.pair[]": ['{"(1,a)","(2,b)"}'],
    '{s}."Mood of day"': ["bad day"],
    '{s}."Mood of day"[]': ['{"bad day",good}'],
    "{s}.int_domain": ["1"],
    "{s}.text_domain": ["it's"],
    "{s}.bytea_domain": ["\\x00ff"],
    "{s}.bool_domain": ["t"],
    "{s}.citext": ["Ab"],
    "{s}.hstore": ['"a"=>"1"'],
    "int[]": ["{1,NULL}"],
    "text[]": ['{a,NULL,"b \\"c\\"","\\\\"}'],
    "int4range": ["[1,3)"],
    "int4multirange": ["{[1,3)}"],
    "char(5)": ["ab"],
    "varchar(5)": ["ab "],
    "name": ["a name"],
    '"char"': ["a"],
    "text": ['it\'s \\ "x"'],
    "float8": ["-0", "1e-300"],
    "float4": ["0.1"],
    "numeric": ["1.10"],
    "oid": ["4000000000"],
    "xid8": ["123"],
    "bool": ["f"],
    "bit(5)": ["10101"],
    "varbit": ["101"],
    "bytea": ["\\x00ff", "\\x"],
    "money": ["$1,234.50"],
    "uuid": ["0" * 32],
    "inet": ["10.0.0.1/24", "::1"],
    "cidr": ["10.0.0.0/24"],
    "macaddr": ["08:00:2b:01:02:03"],
    "pg_lsn": ["0/16"],
    "date": ["2020-01-01"],
    "timestamptz": ["2020-01-01 00:00:00.123456+00"],
    "timetz": ["10:00:00+02"],
    "interval": ["1 day 02:03:04"],
    "jsonb": ['{"a": "\\u00e9"}'],
    "tsvector": ["'a' 'b'"],
    "oidvector": ["1 2"],
    "regclass": ["pg_class"],
}
# The others exist in all versions.
SINCE = {"{s}.pair_domain": 11, "xid8": 13, "int4multirange": 14}


class ToastKeysTest(WalTest):
    database = "wal_toast_keys"

    def test_every_key_type(self):
        self.sql(TYPES)
        if self.server.version >= (11,):
            self.sql("CREATE DOMAIN {s}.pair_domain AS {s}.pair")
        tables = []
        with self.session().cursor() as cursor:
            for number, (kind, values) in enumerate(KEYS.items()):
                if self.server.version < (SINCE.get(kind, 0),):
                    continue
                table = f"t{number}"
                tables.append((table, kind, len(values)))
                cursor.execute(
                    f"CREATE TABLE {self.schema}.{table} (k {kind} PRIMARY KEY, n int, big text);"
                    f"ALTER TABLE {self.schema}.{table} ALTER big SET STORAGE EXTERNAL".replace(
                        "{s}", self.schema
                    )
                )
                for value in values:
                    cursor.execute(
                        f"INSERT INTO {self.schema}.{table} VALUES (%s, 1, repeat('x', 3000))",
                        (value,),
                    )
        self.initial_snapshot()
        for table, _, _ in tables:
            self.sql(f"UPDATE {{s}}.{table} SET n = 2")
        for form in (1, 2):
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(warnings(result), [])
            for table, kind, count in tables:
                with self.subTest(kind, form=form):
                    self.assertEqual(
                        [(r["n"], r.get("big")) for r in changes(result, table)],
                        [(2, "x" * 3000)] * count,
                    )

    @for_wal2json
    def test_key_that_wal2json_writes_as_null(self):
        """NaN and infinity: the column is omitted with a warning; the stream continues."""
        self.sql(
            "CREATE TABLE {s}.t (k float8 PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER "
            "big SET STORAGE EXTERNAL;"
            "INSERT INTO {s}.t VALUES ('NaN', 1, repeat('x', 3000))"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        result = self.sync(self.selected, self.state)
        self.assertEqual([record.get("big") for record in changes(result)], [None])
        self.assertEqual(len(warnings(result)), 1)


if __name__ == "__main__":
    unittest.main()

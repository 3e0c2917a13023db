"""Incremental sync: bookmarks for every key type, and keys that are refused."""

import json
import re
import unittest

from support import tap
from support.check import ADVICE
from support.incremental import IncrementalTest

# Type, three values in SQL in ascending order (None: there is none), and the bookmark of the middle
# one in JSON. They are neighbors where possible: a bookmark that lost a digit would resend the low
# row or skip the middle one.
KEYS = [
    ("smallint", "-1", "0", "1", "0"),
    ("integer", "-2147483648", "-2147483647", "7", "-2147483647"),
    (
        "bigint",
        "9223372036854775805",
        "9223372036854775806",
        "9223372036854775807",
        '"9223372036854775806"',
    ),
    ("bigint", "999999999999998", "999999999999999", "1000000000000000", "999999999999999"),
    ("bigint", "-9007199254740994", "-9007199254740993", "0", '"-9007199254740993"'),
    (
        "numeric(20,0)",
        "18446744073709551613",
        "18446744073709551614",
        "18446744073709551615",
        '"18446744073709551614"',
    ),
    (
        "numeric",
        "123456789012345678901234567890.123456788",
        "123456789012345678901234567890.123456789",
        "123456789012345678901234567890.12345679",
        '"123456789012345678901234567890.123456789"',
    ),
    ("numeric(10,2)", "1.09", "1.10", "1.11", "1.10"),
    ("numeric", "'1e-38'", "'2e-38'", "1e-37", "2E-38"),
    ("real", "0.099999994", "0.1", "0.10000001", "0.1"),
    ("float8", "0.3", "0.1::float8 + 0.2", "0.3000000000000001", "0.30000000000000004"),
    ("float8", "'-Infinity'", "5e-324", "1e-323", "5e-324"),
    (
        "text",
        "'i'",
        r"""E'it''s \\ "%s" {} $1 \U0001F600 é\n\t;--'""",
        "'j'",
        r'''"it's \\ \"%s\" {} $1 😀 é\n\t;--"''',
    ),
    ("text", None, "''", "'a'", '""'),
    ("text", "'\\'", "'\\\\'", "'\\\\\\'", r'"\\\\"'),
    ("varchar(10)", "'A'", "'NULL'", "'a'", '"NULL"'),
    ("char(5)", "'abcdd'", "'abcde'", "'abcdf'", '"abcde"'),
    ("char(5)", "'a'", "'ab'", "'abc'", '"ab   "'),
    ("citext", "'a'", "'b'", "'C'", '"b"'),
    ("citext", "'A'", "'b''B'", "'C'", '''"b'B"'''),
    (
        "uuid",
        "'00000000-0000-4000-8000-00000000000e'",
        "'00000000-0000-4000-8000-00000000000f'",
        "'00000000-0000-4000-8000-000000000010'",
        '"00000000-0000-4000-8000-00000000000f"',
    ),
    ('"Size"', "'very small'", "'in ''between'''", "'huge'", '''"in 'between'"'''),
    ("date", "'2020-02-28'", "'2020-02-29'", "'2020-03-01'", '"2020-02-29T00:00:00+00:00"'),
    ("date", "'0045-03-15 BC'", "'0044-03-15 BC'", "'0001-01-01'", '"0044-03-15 BC"'),
    ("date", None, "'-infinity'", "'0001-01-01 BC'", '"-infinity"'),
    (
        "timestamp",
        "'2020-01-01 00:00:00.123455'",
        "'2020-01-01 00:00:00.123456'",
        "'2020-01-01 00:00:00.123457'",
        '"2020-01-01T00:00:00.123456+00:00"',
    ),
    (
        "timestamp(0)",
        "'2020-01-01 00:00:00'",
        "'2020-01-01 00:00:01'",
        "'2020-01-01 00:00:02'",
        '"2020-01-01T00:00:01+00:00"',
    ),
    (
        "timestamp",
        "'0044-03-15 12:00:00.5 BC'",
        "'0044-03-15 12:00:01.5 BC'",
        "'0001-01-01'",
        '"0044-03-15 12:00:01.5 BC"',
    ),
    ("timestamp", "'9999-12-31'", "'12000-01-01'", "'12000-01-02'", '"12000-01-01 00:00:00"'),
    (
        "timestamptz",
        "'2020-07-01 12:00:00.000000+02'",
        "'2020-07-01 12:00:00.000001+02'",
        "'2020-07-01 10:00:00.000002+00'",
        '"2020-07-01T10:00:00.000001+00:00"',
    ),
    (
        "timestamptz",
        "'0045-01-01 BC'",
        "'0044-03-15 12:00:00-05 BC'",
        "'0001-01-01'",
        '"0044-03-15 17:00:00+00 BC"',
    ),
    ("timestamptz", None, "'-infinity'", "'0044-03-15 12:00:00-05 BC'", '"-infinity"'),
    ("time", "'12:00:00'", "'12:00:00.000001'", "'24:00:00'", '"12:00:00.000001"'),
    ("timetz", "'12:00:00+02'", "'12:00:00.5+02'", "'12:00:00+01'", '"12:00:00.500000+02:00"'),
    (
        "interval",
        "'-1 day'",
        "'1 mon 2 days 03:04:05.000006'",
        "'1 year'",
        '"1 mon 2 days 03:04:05.000006"',
    ),
    ("boolean", None, "false", "true", "false"),
    ("money", "'-1'", "'1234.56'", "'1234.57'", '"$1,234.56"'),
    ("inet", "'10.0.0.1'", "'10.0.0.2'", "'10.0.0.3'", '"10.0.0.2"'),
    ("cidr", "'10.0.0.0/8'", "'10.1.0.0/16'", "'11.0.0.0/8'", '"10.1.0.0/16"'),
    (
        "macaddr",
        "'08:00:2b:01:02:03'",
        "'08:00:2b:01:02:04'",
        "'08:00:2b:01:02:05'",
        '"08:00:2b:01:02:04"',
    ),
    ("bytea", r"'\x00'", r"'\x5c27'", r"'\xff'", r'"\\x5c27"'),
    ("oid", "1", "2147483648", "4294967295", '"2147483648"'),
    ("pg_lsn", "'0/1'", "'16/B374D848'", "'16/B374D849'", '"16/B374D848"'),
    ("int4range", "'[1,5)'", "'[1,6)'", "'[2,3)'", '"[1,6)"'),
    ("positive", "1", "2", "3", "2"),
    (
        "moment",
        "'2020-01-01'",
        "'2020-01-01 00:00:00.000001'",
        "'2020-01-02'",
        '"2020-01-01T00:00:00.000001+00:00"',
    ),
]

TYPES = """
    CREATE EXTENSION citext SCHEMA {s};
    CREATE TYPE {s}."Size" AS ENUM ('very small', 'in ''between''', 'huge');
    CREATE DOMAIN {s}.positive AS bigint CHECK (VALUE > 0);
    CREATE DOMAIN {s}.moment AS timestamptz;
    SET search_path TO {s}, public;
"""


class KeyTypesTest(IncrementalTest):
    def test_every_key_type_over_three_runs(self):
        self.sql(
            TYPES
            + "".join(
                f"CREATE TABLE {{s}}.t{n} (id int, k {kind});" for n, (kind, *_) in enumerate(KEYS)
            )
        )

        def insert(rows):
            self.sql(
                "SET search_path TO {s}, public;"
                + "".join(
                    f"INSERT INTO {{s}}.t{n} VALUES ({ident}, {sql});"
                    for n, values in enumerate(KEYS)
                    for ident, sql in rows(values)
                    if sql is not None
                )
            )

        insert(lambda v: [(1, v[2]), (2, "NULL"), (3, v[1])])
        catalog = self.catalog()
        first = self.sync(catalog)
        insert(lambda v: [(4, v[3]), (5, v[1]), (6, v[2])])
        second = self.sync(catalog, first.last_state)
        third = self.sync(catalog, second.last_state)
        for n, (kind, low, middle, high, bookmark) in enumerate(KEYS):
            table = f"t{n}"
            with self.subTest(type=kind, low=low, middle=middle, high=high):
                self.assertEqual(self.ids(first, table), [2, 1] if low is None else [2, 3, 1])
                version = self.bookmark(first.last_state, table)["version"]
                self.assertIn(
                    f'"{self.id_of(table)}":{{"last_replication_method":"INCREMENTAL",'
                    f'"replication_key":"k","version":{version},'
                    f'"replication_key_value":{bookmark}}}',
                    re.sub(
                        r',"replication_key_(set_at":\d+|order":"(\\.|[^"\\])*")',
                        "",
                        first.last_state,
                    ),
                )
                self.assertCountEqual(
                    self.ids(second, table), [1, 6] if high is None else [1, 6, 4]
                )
                self.assertCountEqual(self.ids(third, table), [1, 6] if high is None else [4])

    def test_unsortable_key_fails_only_its_stream(self):
        kinds = {
            "array": "int[]",
            "hash": "{s}.hstore",
            "json": "json",
            "jsonb": "jsonb",
            "bit": "bit",
            "bits": "bit(3)",
        }
        self.sql(
            "CREATE EXTENSION hstore SCHEMA {s}; CREATE TABLE {s}.a AS SELECT 1 AS id, 2 AS k;"
            "CREATE TABLE {s}.z AS SELECT 1 AS id, 2 AS k;"
            + "".join(
                f"CREATE TABLE {{s}}.{name} (id int, k {kind});" for name, kind in kinds.items()
            )
        )
        result = self.sync(self.catalog(), expect=1)
        self.assertEqual(set(result.schemas()), {"a", "z"})
        self.assertEqual(self.value_in(result, "z"), 2)
        for name, kind in kinds.items():
            shown = {"hash": f"{self.schema}.hstore", "array": "integer[]", "bits": "bit"}.get(
                name, kind
            )
            self.assertIn(
                f"ERROR stream {self.id_of(name)}: replication key k is {shown}, a type that "
                f"cannot be a bookmark: choose another replication-key, or FULL_TABLE{ADVICE}\n",
                result.stderr,
            )

    def test_column_collation(self):
        self.sql(
            """CREATE COLLATION {s}.german (provider = icu, locale = 'de-DE');
                    CREATE TABLE {s}.t (id int, k text COLLATE {s}.german);
                    INSERT INTO {s}.t VALUES (1, 'Apfel'), (2, 'äpfel'), (3, 'Birne'), (4,
                      'apfel');"""
        )
        first = self.sync(self.catalog("t"))
        self.assertEqual(self.ids(first), [4, 1, 2, 3])
        self.sql("INSERT INTO {s}.t VALUES (5, 'ärger'), (6, 'Ü'), (7, 'zebra'), (8, 'a')")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(self.ids(second), [3, 6, 7])

    def test_value_settings_do_not_affect_the_bookmark(self):
        self.sql(
            """CREATE TABLE {s}.t (id int, k timestamp);
                    INSERT INTO {s}.t VALUES (1, '0044-03-15 BC'), (2, '12000-01-01');
                    CREATE TABLE {s}.n (id int, k numeric);
                    INSERT INTO {s}.n VALUES (1, 1.5), (2, 2.50);"""
        )
        for extra in ({"out_of_range_dates": "null"}, {"numeric_as": "decimal-string"}):
            with self.subTest(**extra):
                first = self.sync(self.catalog(), **extra)
                self.sql(
                    "INSERT INTO {s}.t VALUES (3, '2020-01-01'); INSERT INTO {s}.n VALUES (3, 2.49)"
                )
                second = self.sync(self.catalog(), first.last_state, **extra)
                self.assertEqual((self.ids(second, "n"), self.ids(second, "t")), ([2], [2]))
                self.sql("DELETE FROM {s}.t WHERE id = 3; DELETE FROM {s}.n WHERE id = 3")

    def test_bookmark_survives_double_precision_targets(self):
        self.sql(
            """CREATE TABLE {s}.t AS SELECT i AS id, '1234567890123456.01'::numeric + i / 100.0 AS k
                        FROM generate_series(1, 9) i;
                    CREATE TABLE {s}.n AS
                      SELECT i AS id, '123456789012345678901234567890'::numeric + i AS k
                        FROM generate_series(1, 9) i;
                    CREATE TABLE {s}.i AS SELECT i AS id, 1795886009343000677 + i AS k
                        FROM generate_series(1, 9) i;
                    CREATE TABLE {s}.d AS SELECT i AS id, 0.1::float8 + i / 3.0::float8 AS k
                        FROM generate_series(1, 9) i;"""
        )
        first = self.sync(self.catalog())
        as_doubles = json.dumps(
            json.loads(first.state_texts[-1], parse_int=lambda digits: int(float(digits)))
        )
        second = self.sync(self.catalog(), as_doubles)
        for table in "tnid":
            self.assertEqual(
                (self.ids(first, table), self.ids(second, table)), ([*range(1, 10)], [9])
            )
        self.assertEqual(
            self.bookmark(first.last_state, "t")["replication_key_value"],
            "1234567890123456.10000000000000000000",
        )

    def test_long_integer_in_a_state_of_a_python_tap(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, 9007199254740990 + i AS k "
            "FROM generate_series(1, 9) i"
        )
        bookmark = {"replication_key": "k", "replication_key_value": 9007199254740998}
        result = self.sync(self.catalog("t"), {"bookmarks": {self.id_of("t"): bookmark}})
        self.assertEqual(self.ids(result), [8, 9])
        self.assertEqual(self.value_in(result, "t"), "9007199254740999")


class FaultsTest(IncrementalTest):
    """An invalid catalog ends the run before output; a failed stream does not affect others."""

    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.a AS SELECT 1 AS id, 10 AS k; CREATE TABLE {s}.t AS SELECT 1 AS id, "
            "10 AS k;"
            "CREATE TABLE {s}.z AS SELECT 1 AS id, 10 AS k"
        )

    def check_refused(self, catalog, line):
        result = self.sync(catalog, expect=2)
        self.assertEqual((result.stdout, result.stderr), (b"", f"CRITICAL {line}\n"))

    def check_t_fails_alone(self, catalog, state, line):
        """`line` is a regular expression that matches the whole line."""
        result = self.sync(catalog, state, expect=1)
        self.assertEqual(
            (self.ids(result, "a"), self.ids(result, "t"), self.ids(result, "z")), ([1], [], [1])
        )
        self.assertRegex(result.stderr, rf"(?m)^ERROR stream {self.id_of('t')}: {line}$")
        self.assertEqual(self.value_in(result, "z"), 10)
        return result

    def test_no_replication_key(self):
        catalog = self.catalog()
        del tap.metadata(tap.stream(catalog, "t"))["replication-key"]
        line = (
            f"stream {self.id_of('t')} is INCREMENTAL but has no replication key: set "
            "replication-key in its metadata"
        )
        self.check_refused(catalog, line)
        tap.metadata(tap.stream(catalog, "t"))["replication-key"] = None
        self.check_refused(catalog, line)

    def test_replication_key_is_not_a_column(self):
        catalog = self.catalog()
        tap.metadata(tap.stream(catalog, "t"))["replication-key"] = "nowhere"
        self.check_refused(
            catalog,
            f"replication key nowhere of stream {self.id_of('t')} is not one of its columns in "
            "the catalog",
        )

    def test_key_column_dropped_since_discovery(self):
        catalog = self.catalog()
        self.sql("ALTER TABLE {s}.t DROP COLUMN k")
        self.check_t_fails_alone(
            catalog,
            None,
            "replication key k is no longer in the table: run discovery again and "
            f"choose another replication-key{ADVICE}",
        )

    def test_bookmark_of_the_wrong_type(self):
        catalog = self.catalog()
        state = {
            "bookmarks": {
                self.id_of("t"): {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": 7,
                    "replication_key_value": "2020-01-01T00:00:00+00:00",
                }
            }
        }
        result = self.check_t_fails_alone(
            catalog,
            state,
            re.escape(
                "the bookmark 2020-01-01T00:00:00+00:00 is not a value of replication key k, whose "
                "type is now integer: restart the stream with --full-refresh "
                f'{self.id_of("t")} (invalid input syntax for type integer: '
                '"2020-01-01T00:00:00+00:00" (SQLSTATE 22P02))'
            ),
        )
        self.assertEqual(
            {**self.bookmark(result.states[-1], "t")}, state["bookmarks"][self.id_of("t")]
        )

    def test_bookmark_out_of_range(self):
        state = {
            "bookmarks": {
                self.id_of("t"): {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "replication_key_value": 99999999999,
                }
            }
        }
        self.check_t_fails_alone(
            self.catalog(), state, "the bookmark 99999999999 is not a value of .*SQLSTATE 22003.*"
        )

    def test_widened_key_type_resumes(self):
        first = self.sync(self.catalog("t"))
        self.sql(
            "ALTER TABLE {s}.t ALTER k TYPE bigint; INSERT INTO {s}.t VALUES (2, 5000000000), (3, "
            "1)"
        )
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(self.ids(second), [1, 2])
        self.assertEqual(self.value_in(second, "t"), 5000000000)

    def test_key_without_ordering_operator(self):
        self.sql("DROP TABLE {s}.t; CREATE TABLE {s}.t (id int, k point)")
        self.check_t_fails_alone(self.catalog(), None, ".*SQLSTATE 42883.*")

    def test_no_key_privilege(self):
        catalog = self.catalog()
        self.sql(
            """CREATE ROLE id_reader LOGIN; GRANT USAGE ON SCHEMA {s} TO id_reader;
                    GRANT SELECT ON {s}.a, {s}.z TO id_reader;
                    GRANT SELECT (id) ON {s}.t TO id_reader;"""
        )
        self.addCleanup(self.sql, "DROP OWNED BY id_reader; DROP ROLE id_reader")
        self.config["user"] = "id_reader"
        self.check_t_fails_alone(catalog, None, ".*SQLSTATE 42501.*")

    def test_dropped_table(self):
        catalog = self.catalog()
        self.sql("DROP TABLE {s}.t")
        self.check_t_fails_alone(
            catalog, None, f'table "?{self.schema}"?\\."?t"? is not in the database .*'
        )


if __name__ == "__main__":
    unittest.main()

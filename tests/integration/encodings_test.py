"""The output is valid UTF-8 JSON for any database encoding and any stored bytes."""

import unittest

from support import tap, wal_case
from support.incremental import IncrementalTest
from support.server import shared

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class EncodingsTest(unittest.TestCase):
    def sync(self, encoding, statements):
        """The records of table t of a database in this encoding; they must be UTF-8."""
        database = f"in_{encoding}".lower()
        shared().create_database(database, encoding)
        with shared().connect(database) as connection:
            if encoding != "SQL_ASCII":  # a client encoding has no effect in SQL_ASCII
                connection.set_client_encoding("UTF8")
            connection.cursor().execute(statements)
        connection.close()
        config = shared().config(database, filter_dbs=database)
        return tap.run(config, catalog=tap.select(tap.discover(config))).records()

    def test_utf8(self):
        every_control = "".join(
            map(chr, [*range(1, 32), 127, 0x85, 0x2028, 0xFEFF, 0xFFFF, 0x10FFFF])
        )
        self.assertEqual(
            self.sync(
                "UTF8",
                f"CREATE TABLE t AS SELECT $${every_control}$$ AS a, '€ 日本 😀' AS b",
            ),
            [{"a": every_control, "b": "€ 日本 😀"}],
        )

    def test_latin1(self):
        self.assertEqual(
            self.sync(
                "LATIN1",
                "CREATE TABLE t AS SELECT 'Größe é ÿ' AS \"Größe\", '{é}'::text[] AS a,"
                " '\"é\"'::jsonb AS j",
            ),
            [{"Größe": "Größe é ÿ", "a": ["é"], "j": '"é"'}],
        )

    def test_euc_jp(self):
        records = self.sync("EUC_JP", "CREATE TABLE t AS SELECT '日本語' AS a")
        self.assertEqual(records, [{"a": "日本語"}])

    def test_names_that_are_not_utf8(self):
        database = "in_sql_ascii_names"
        shared().create_database(database, "SQL_ASCII")
        with shared().connect(database) as connection:
            connection.cursor().execute(
                r"""DO $$ BEGIN
                    EXECUTE E'CREATE TABLE "caf\351" (id int)';
                    EXECUTE E'CREATE TABLE t (id int, "n\351" int)';
                END $$"""
            )
        connection.close()
        config = shared().config(database, filter_dbs=database)
        result = tap.run(config, catalog=tap.select(tap.discover(config)), expect=1)
        remedy = "if its name is not UTF-8 in the database, rename it, then run discovery again"
        self.assertIn(
            f"WARNING {database}-public-t: column n{REPLACEMENT} is not in the table and is "
            f"left out: {remedy}\n",
            result.stderr,
        )
        self.assertRegex(
            result.stderr,
            'ERROR stream .*: table "public"."caf\N{REPLACEMENT CHARACTER}" is not in the database '
            rf"\(.*\): {remedy}",
        )

    def test_sql_ascii_replaces_invalid_utf8(self):
        self.assertEqual(
            self.sync(
                "SQL_ASCII",
                r"""CREATE TABLE t AS SELECT
                E'caf\xc3\xa9' AS utf8, E'caf\xe9 ok' AS latin1, E'\xf0\x9f\x98' AS cut_short,
                E'\xed\xa0\x80' AS surrogate, E'\xc0\xaf' AS overlong, ARRAY[E'\xff'] AS a""",
            ),
            [
                {
                    "utf8": "café",
                    "latin1": f"caf{REPLACEMENT} ok",
                    "cut_short": REPLACEMENT * 3,
                    "surrogate": REPLACEMENT * 3,
                    "overlong": REPLACEMENT * 2,
                    "a": [REPLACEMENT],
                }
            ],
        )


class KeysTest(IncrementalTest):
    """A replication key that is not UTF-8 sorts below U+FFFD, its text in JSON."""

    database = "ascii_keys"
    encoding = "SQL_ASCII"

    def warning(self, key, row):
        return (
            f'{self.id_of("t")}: replication key k is "{key}" in {row}: the bookmark stays at the '
            "largest valid UTF-8 key, and later runs send these rows again; give them a valid "
            "UTF-8 key"
        )

    def test_later_keys_are_read(self):
        for kind in ("text", "varchar(9)", "char(9)", "name", "{s}.word", "{s}.label"):
            with self.subTest(kind):
                self.sql(
                    r"""DROP SCHEMA {s} CASCADE; CREATE SCHEMA {s};
                        CREATE TYPE {s}.label AS ENUM ('abc', E'caf\xe9', E'caf\xea', 'd');
                        CREATE DOMAIN {s}.word AS text;
                        CREATE TABLE {s}.t (id int PRIMARY KEY, k %s);
                        INSERT INTO {s}.t VALUES (1, 'abc'), (2, E'caf\xe9')"""
                    % kind
                )
                first = self.sync(self.catalog("t"), state_every_rows=1)
                self.assertEqual(self.ids(first), [1, 2])
                self.assertEqual(self.value_in(first, "t").rstrip(), "abc")
                [warning] = wal_case.warnings(first)
                self.assertEqual(
                    warning.replace(" " * 5, ""),
                    self.warning(f"caf{REPLACEMENT}", 'the row with {"id":2}'),
                )
                self.sql(r"INSERT INTO {s}.t VALUES (3, E'caf\xea')")
                second = self.sync(self.catalog("t"), first.last_state)
                self.assertEqual(self.ids(second), [1, 2, 3])
                self.sql("INSERT INTO {s}.t VALUES (4, 'd')")
                third = self.sync(self.catalog("t"), second.last_state)
                self.assertEqual(self.ids(third), [1, 2, 3, 4])
                self.assertEqual(self.value_in(third, "t").rstrip(), "d")

    def test_valid_keys(self):
        self.sql(
            r"""CREATE TABLE {s}.t (id int, k text);
                INSERT INTO {s}.t VALUES (1, E'caf\xc3\xa9'), (2, E'caf\xef\xbf\xbd')"""
        )
        result = self.sync(self.catalog("t"))
        self.assertEqual(wal_case.warnings(result), [])
        self.assertEqual(self.value_in(result, "t"), f"caf{REPLACEMENT}")

    def test_single_byte_type(self):
        """Before version 16, the output of "char" is one byte in any encoding."""
        shared().create_database("utf8_keys")
        shared().sql(
            """CREATE TABLE t (id int PRIMARY KEY, k "char");
               INSERT INTO t VALUES (1, 'a'), (2, chr(233)::"char")""",
            "utf8_keys",
        )
        config = shared().config("utf8_keys", filter_dbs="utf8_keys")
        catalog = tap.select(tap.discover(config), method="INCREMENTAL", key="k")
        first = tap.run(config, catalog=catalog)
        shared().sql('INSERT INTO t VALUES (3, chr(1065)::"char")', "utf8_keys")
        second = tap.run(config, catalog=catalog, state=first.last_state)
        self.assertEqual([record["id"] for record in second.records()][-2:], [2, 3])


if __name__ == "__main__":
    unittest.main()

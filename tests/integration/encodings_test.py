"""The output is valid UTF-8 JSON for any database encoding and any stored bytes."""

import unittest

from support import tap
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


if __name__ == "__main__":
    unittest.main()

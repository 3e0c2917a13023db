"""Infinite and NaN replication keys sort last: as bookmarks they would hide later rows."""

import unittest

from support import wal_case
from support.incremental import IncrementalTest

# Type, a finite key, keys that sort after all finite ones, a later finite key, and the bookmark of
# each finite key.
KEYS = [
    (
        "date",
        "'2020-01-01'",
        ["'infinity'"],
        "'2021-01-01'",
        "2020-01-01T00:00:00+00:00",
        "2021-01-01T00:00:00+00:00",
    ),
    (
        "timestamp",
        "'2020-01-01'",
        ["'infinity'"],
        "'2021-01-01'",
        "2020-01-01T00:00:00+00:00",
        "2021-01-01T00:00:00+00:00",
    ),
    (
        "timestamptz",
        "'2020-01-01'",
        ["'infinity'"],
        "'2021-01-01'",
        "2020-01-01T00:00:00+00:00",
        "2021-01-01T00:00:00+00:00",
    ),
    ("real", "1", ["'Infinity'", "'NaN'"], "3e38", 1, 3e38),
    ("float8", "1", ["'Infinity'", "'NaN'"], "1e308", 1, 1e308),
    ("numeric", "1", ["'Infinity'", "'NaN'"], "2", 1, 2),
    (
        "{s}.moment",
        "'2020-01-01'",
        ["'infinity'"],
        "'2021-01-01'",
        "2020-01-01T00:00:00+00:00",
        "2021-01-01T00:00:00+00:00",
    ),
]


def warnings(result):
    """The warnings about keys, without those about dates in records."""
    return [warning for warning in wal_case.warnings(result) if " key " in warning]


class InfinityTest(IncrementalTest):
    def warning(self, shown, row):
        return (
            f"{self.id_of('t')}: replication key k is {shown} in {row}: the bookmark stays at the "
            "largest finite key, and later runs send these rows again; give them a finite key"
        )

    def test_later_finite_keys_are_read(self):
        self.sql("CREATE DOMAIN {s}.moment AS timestamptz")
        for kind, finite, infinite, later, bookmark, last in KEYS:
            with self.subTest(kind):
                self.sql(
                    f"DROP TABLE IF EXISTS {{s}}.t; CREATE TABLE {{s}}.t (id int PRIMARY KEY, k "
                    f"{kind});"
                    f"INSERT INTO {{s}}.t VALUES (1, {finite})"
                    + "".join(f", ({n}, {key})" for n, key in enumerate(infinite, 2))
                )
                first = self.sync(self.catalog("t"), state_every_rows=1)
                ids = list(range(1, len(infinite) + 2))
                self.assertEqual(self.ids(first), ids)
                self.assertEqual(self.value_in(first, "t"), bookmark)
                self.assertEqual(
                    warnings(first),
                    [self.warning(f'"{infinite[0][1:-1]}"', 'the row with {"id":2}')],
                )
                self.sql(f"INSERT INTO {{s}}.t VALUES (100, {later})")
                second = self.sync(self.catalog("t"), first.last_state)
                self.assertEqual(self.ids(second), [1, 100, *ids[1:]])
                value = self.value_in(second, "t")
                if isinstance(last, float):
                    self.assertAlmostEqual(float(value) / last, 1, 5)
                else:
                    self.assertEqual(value, last)

    def test_rows_whose_other_columns_cannot_be_parsed(self):
        self.sql(
            "CREATE TABLE {s}.t (b text, a numeric, id int, k float8, n numeric, j json, PRIMARY "
            "KEY (id, a, b));"
            "INSERT INTO {s}.t VALUES ('\"', 1e310, 1, 'NaN', 1e310, (repeat('[', 2000) || "
            "repeat(']', 2000))::json)"
        )
        result = self.sync(self.catalog("t"), json_as_object=True)
        self.assertIn('"id":1,', result.stdout.decode())
        self.assertEqual(
            warnings(result),
            [self.warning('"NaN"', 'the row with {"id":1,"a":1%s,"b":"\\""}' % ("0" * 310))],
        )

    def test_key_too_long_for_a_message(self):
        self.sql(
            "CREATE TABLE {s}.t (id text PRIMARY KEY, k float8); INSERT INTO {s}.t VALUES "
            "(repeat('x', 1000), 'NaN')"
        )
        self.assertEqual(warnings(self.sync(self.catalog("t"))), [self.warning('"NaN"', "a row")])

    def test_no_other_keys(self):
        self.sql(
            "CREATE TABLE {s}.t (id int, k timestamp); INSERT INTO {s}.t VALUES (1, 'infinity'), "
            "(2, NULL)"
        )
        first = self.sync(self.catalog("t"))
        self.assertEqual(warnings(first), [self.warning('"infinity"', "a row")])
        self.assertNotIn("replication_key_value", self.bookmark(first.last_state, "t"))
        self.sql("INSERT INTO {s}.t VALUES (3, '2020-01-01')")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(self.ids(second), [2, 3, 1])
        self.assertEqual(
            self.bookmark(second.last_state, "t")["version"],
            self.bookmark(first.last_state, "t")["version"],
        )

    def test_minus_infinity_is_a_bookmark(self):
        for kind in ("date", "timestamptz", "real", "float8", "numeric"):
            with self.subTest(kind):
                self.sql(
                    f"DROP TABLE IF EXISTS {{s}}.t; CREATE TABLE {{s}}.t (id int, k {kind}); "
                    f"INSERT INTO {{s}}.t VALUES (1, '-infinity')"
                )
                result = self.sync(self.catalog("t"))
                self.assertEqual(warnings(result), [])
                self.assertEqual(self.value_in(result, "t").lower(), "-infinity")

    def test_limited_run(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, CASE WHEN i > 3 THEN float8 'NaN' ELSE i END AS "
            "k FROM generate_series(1, 5) i"
        )
        state = None
        for expected in ([1, 2], [2, 3, 4, 5], [3, 4, 5]):
            result = self.sync(self.catalog("t"), state, limit=2)
            state = result.last_state
            self.assertEqual(self.ids(result), expected)
        self.assertEqual(self.value_in(result, "t"), 3)

    def test_infinite_bookmark_of_an_earlier_version(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, timestamp 'infinity' AS k")
        stream = self.id_of("t")
        result = self.sync(
            self.catalog("t"),
            {
                "bookmarks": {
                    stream: {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "k",
                        "replication_key_value": "infinity",
                        "version": 1,
                    }
                }
            },
        )
        self.assertEqual(
            warnings(result)[:1],
            [
                f"{stream}: the bookmark is infinity, so rows with a finite replication key are "
                f"not read: run once with --full-refresh {stream}"
            ],
        )


if __name__ == "__main__":
    unittest.main()

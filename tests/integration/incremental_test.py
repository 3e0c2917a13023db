"""Incremental sync: which rows are sent, in which order, for every kind of relation."""

import unittest

from support import tap
from support.incremental import IncrementalTest
from support.pipeline import until


class MessagesTest(IncrementalTest):
    def test_message_order(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, k bigint); INSERT INTO {s}.t VALUES (1, 20), "
            "(2, NULL), (3, 10)"
        )
        result = self.sync(self.catalog("t"))
        self.assertEqual(
            result.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", *["RECORD"] * 3, "STATE"]
        )
        schema, started, activated, *records, ended = result.messages
        self.assertEqual(schema["bookmark_properties"], ["k"])
        self.assertEqual(schema["key_properties"], ["id"])
        version = activated["version"]
        self.assertEqual(
            list(started["value"]["bookmarks"][self.id_of("t")].items()),
            [
                ("last_replication_method", "INCREMENTAL"),
                ("replication_key", "k"),
                ("version", version),
            ],
        )
        self.assertEqual(started["value"]["currently_syncing"], self.id_of("t"))
        self.assertEqual(
            [r["record"] for r in records],
            [{"id": 2, "k": None}, {"id": 3, "k": 10}, {"id": 1, "k": 20}],
        )
        self.assertEqual({r["version"] for r in records}, {version})
        self.assertEqual(
            ended["value"],
            {
                "bookmarks": {
                    self.id_of("t"): {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "k",
                        "version": version,
                        "replication_key_value": 20,
                    }
                },
                "currently_syncing": None,
            },
        )

    def test_runs_keep_the_version(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(second.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "RECORD", "STATE"])
        self.assertEqual(
            {m["version"] for m in first.messages + second.messages if "version" in m},
            {first.of_type("ACTIVATE_VERSION")[0]["version"]},
        )

    def test_states_follow_the_key(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, 100 + i AS k FROM generate_series(1, 25) i")
        result = self.sync(self.catalog("t"), state_every_rows=10)
        self.assertEqual(
            [
                (self.bookmark(s, "t").get("replication_key_value"), s["currently_syncing"])
                for s in result.states
            ],
            [(None, self.id_of("t")), (110, self.id_of("t")), (120, self.id_of("t")), (125, None)],
        )

    def test_no_bookmark_during_rows_without_key(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, nullif(i, i) AS k FROM generate_series(1, 25) i;"
            "INSERT INTO {s}.t VALUES (26, 1)"
        )
        result = self.sync(self.catalog("t"), state_every_rows=10)
        bookmarks = [self.bookmark(s, "t") for s in result.states]
        self.assertEqual(len(bookmarks), 4)
        for bookmark in bookmarks[:-1]:
            self.assertNotIn("replication_key_value", bookmark)
        self.assertEqual(bookmarks[-1]["replication_key_value"], 1)

    def test_first_rows_of_an_empty_table(self):
        self.sql("CREATE TABLE {s}.t (id int, k int)")
        first = self.sync(self.catalog("t"))
        self.assertEqual(first.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "STATE"])
        self.assertNotIn("replication_key_value", self.bookmark(first.states[-1], "t"))
        self.sql("INSERT INTO {s}.t VALUES (1, NULL), (2, -5)")
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1, 2])

    def test_all_null_keys_resend_the_table(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, NULL::int AS k")
        first = self.sync(self.catalog("t"))
        self.assertEqual(self.ids(first), [1])
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1])

    def test_rows_without_key_are_skipped_with_a_bookmark(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("INSERT INTO {s}.t VALUES (2, NULL)")
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1])

    def test_empty_increment_keeps_the_bookmark(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("DELETE FROM {s}.t")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(second.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "STATE"])
        self.assertEqual(second.states[-1], first.states[-1])

    def test_key_is_selected_automatically(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k, 7 AS other")
        catalog = self.catalog("t")
        for column in ("k", "other"):
            tap.metadata(tap.stream(catalog, "t"), column)["selected"] = False
        result = self.sync(catalog)
        self.assertEqual(result.records(), [{"id": 1, "k": 5}])
        self.assertEqual(set(result.schemas()["t"]["schema"]["properties"]), {"id", "k"})

    def test_names_that_need_quoting(self):
        odd = [
            "with space",
            'with "quotes"',
            "apostrophe's",
            "MixedCase",
            "per%cent",
            "{brace}",
            "back\\slash",
            "日本",
        ]
        for name in odd:
            quoted = '"%s"' % name.replace('"', '""')
            self.sql(f"CREATE TABLE {{s}}.{quoted} AS SELECT 1 AS id, 5 AS {quoted}")
        catalog = self.catalog()
        for name in odd:
            tap.metadata(tap.stream(catalog, name))["replication-key"] = name
        first = self.sync(catalog)
        second = self.sync(catalog, first.last_state)
        for name in odd:
            self.assertEqual(self.value_in(first, name), 5)
            self.assertEqual(second.records(name), [{"id": 1, name: 5}])


class RelationsTest(IncrementalTest):
    def check_two_runs(self, table, second_sql):
        """Rows 1 and 2 exist with keys 10 and 20; second_sql adds row 3 with key 30."""
        catalog = self.catalog(table)
        first = self.sync(catalog)
        self.assertEqual((self.ids(first, table), self.value_in(first, table)), ([1, 2], 20))
        self.sql(second_sql)
        second = self.sync(catalog, first.last_state)
        self.assertEqual((self.ids(second, table), self.value_in(second, table)), ([2, 3], 30))

    def test_view(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT * FROM (VALUES (1, 10), (2, 20)) v(id, k);"
            "CREATE VIEW {s}.v AS SELECT id, k FROM {s}.t"
        )
        self.check_two_runs("v", "INSERT INTO {s}.t VALUES (3, 30)")

    def test_materialized_view(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT * FROM (VALUES (1, 10), (2, 20)) v(id, k);"
            "CREATE MATERIALIZED VIEW {s}.m AS SELECT id, k FROM {s}.t"
        )
        self.check_two_runs(
            "m", "INSERT INTO {s}.t VALUES (3, 30); REFRESH MATERIALIZED VIEW {s}.m"
        )

    def test_partitioned_table_in_key_order(self):
        self.sql(
            """CREATE TABLE {s}.p (id int, k int) PARTITION BY LIST (id);
                    CREATE TABLE {s}.p1 PARTITION OF {s}.p FOR VALUES IN (1, 3);
                    CREATE TABLE {s}.p2 PARTITION OF {s}.p FOR VALUES IN (2) PARTITION BY RANGE (k);
                    CREATE TABLE {s}.p2_low PARTITION OF {s}.p2 FOR VALUES FROM (0) TO (100);
                    INSERT INTO {s}.p VALUES (2, 20), (1, 10);"""
        )
        self.check_two_runs("p", "INSERT INTO {s}.p VALUES (3, 30)")

    def test_inheritance(self):
        self.sql(
            """CREATE TABLE {s}.parent (id int, k int);
               CREATE TABLE {s}.child (more int) INHERITS ({s}.parent);
                    INSERT INTO {s}.parent VALUES (2, 20); INSERT INTO {s}.child VALUES (1, 10);"""
        )
        self.check_two_runs("parent", "INSERT INTO {s}.child VALUES (3, 30)")

    def test_foreign_table(self):
        self.sql(
            r"""CREATE EXTENSION file_fdw SCHEMA {s};
                     CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
                     CREATE FOREIGN TABLE {s}.f (id int, k int)
                         SERVER files OPTIONS (program 'printf "2,20\n1,10\n"', format 'csv');"""
        )
        self.check_two_runs(
            "f",
            r"""ALTER FOREIGN TABLE {s}.f OPTIONS (SET program 'printf "3,30\n2,20\n1,10\n"')""",
        )

    def test_some_columns_readable(self):
        self.sql(
            """CREATE TABLE {s}.t (id int, k int, secret int);
               INSERT INTO {s}.t VALUES (1, 10, 0), (2, 20, 0);
                    CREATE ROLE key_reader LOGIN; GRANT USAGE ON SCHEMA {s} TO key_reader;
                    GRANT SELECT (id, k) ON {s}.t TO key_reader;"""
        )
        self.addCleanup(self.sql, "DROP OWNED BY key_reader; DROP ROLE key_reader")
        self.config["user"] = "key_reader"
        self.check_two_runs("t", "INSERT INTO {s}.t VALUES (3, 30, 0)")


class IndexTest(IncrementalTest):
    def test_small_increment_uses_the_index(self):
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, k timestamptz NOT NULL, pad text);
                    INSERT INTO {s}.t SELECT i, timestamptz '2020-01-01' + i * interval '1 s',
                      repeat('x', 100)
                        FROM generate_series(1, 50000) i;
                    CREATE INDEX ON {s}.t (k); ANALYZE {s}.t;"""
        )
        catalog = self.catalog("t")
        last = "2020-01-01T13:53:20+00:00"
        state = {
            "bookmarks": {
                self.id_of("t"): {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": 1,
                    "replication_key_value": last,
                }
            }
        }

        def reads():
            [found] = self.sql(
                """SELECT seq_scan, idx_scan, seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
                                   WHERE relid = '{s}.t'::regclass"""
            )
            return found

        before = reads()
        for extra in ({}, {"limit": 100}, {"replication_key_lookback": 10}):
            self.assertLess(len(self.sync(catalog, state, **extra).records()), 20)
        until(
            lambda: reads()[1] >= before[1] + 3,
            lambda: f"the index has not been used: {before}, {reads()}",
        )
        self.assertEqual(reads()[0], before[0], "sequential scan")
        self.assertLess(reads()[2] - before[2], 100)


class LimitTest(IncrementalTest):
    def runs(self, **extra):
        """Runs until no new rows are sent; yields each result."""
        catalog, state, value = self.catalog("t"), None, None
        while True:
            result = self.sync(catalog, state, **extra)
            state = result.last_state
            if self.bookmark(state, "t").get("replication_key_value") == value:
                return
            value = self.bookmark(state, "t").get("replication_key_value")
            yield result

    def test_rows_per_run(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 25) i")
        for name in ("limit", "max_record_count"):
            with self.subTest(name):
                runs = [self.ids(result) for result in self.runs(**{name: 10})]
                # The row at the bookmark is sent again and does not count.
                self.assertEqual(
                    runs, [list(range(1, 11)), list(range(10, 21)), list(range(20, 26))]
                )

    def test_ties_with_the_last_row_are_sent(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i / 8 AS k FROM generate_series(0, 39) i")
        runs = [self.ids(result) for result in self.runs(limit=5)]
        self.assertEqual(
            [sorted(run) for run in runs],
            [list(range(8)), *[list(range(8 * n - 8, 8 * n + 8)) for n in range(1, 5)]],
        )

    def test_limit_smaller_than_a_tie(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, 7 AS k FROM generate_series(1, 10) i")
        self.assertEqual([len(self.ids(result)) for result in self.runs(limit=1)], [10])
        self.sql("INSERT INTO {s}.t VALUES (11, 8)")
        self.assertEqual([len(self.ids(result)) for result in self.runs(limit=1)], [10, 11])

    def test_rows_without_key_do_not_count(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, nullif(i, 100) AS k FROM generate_series(99, "
            "102) i"
        )
        self.assertEqual(
            [self.ids(result) for result in self.runs(limit=2)], [[100, 99, 101], [101, 102]]
        )

    def test_text_keys_with_special_characters(self):
        self.sql(
            """CREATE TABLE {s}.t (id int, k text);
                    INSERT INTO {s}.t VALUES (1, 'a'), (2, 'a''\\"%s'), (3, 'b')"""
        )
        self.assertEqual([self.ids(result) for result in self.runs(limit=1)], [[1], [1, 2], [2, 3]])

    def test_full_tables_are_not_limited(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 25) i")
        self.assertEqual(
            len(self.sync(self.catalog("t", method="FULL_TABLE"), limit=10).records()), 25
        )


class LookbackTest(IncrementalTest):
    def check(self, kind, values, expected, lookback):
        """Rows 1, 2, ... have these ascending keys; a second run sends the expected rows."""
        self.sql(
            f"DROP TABLE IF EXISTS {{s}}.t; CREATE TABLE {{s}}.t (id int, k {kind});"
            + "".join(
                f"INSERT INTO {{s}}.t VALUES ({i}, {value});" for i, value in enumerate(values, 1)
            )
        )
        catalog = self.catalog("t")
        first = self.sync(catalog, replication_key_lookback=lookback)
        self.assertEqual(self.ids(first), list(range(1, len(values) + 1)))
        second = self.sync(
            catalog, first.last_state, replication_key_lookback=lookback, state_every_rows=1
        )
        self.assertEqual(self.ids(second), expected)
        for state in second.states:
            self.assertEqual(
                self.bookmark(state, "t"),
                self.bookmark(first.states[-1], "t"),
                "the bookmark went back",
            )

    def test_timestamp(self):
        for kind in ("timestamp", "timestamptz"):
            with self.subTest(kind):
                self.check(
                    kind,
                    [
                        "'2020-01-01 00:00:00'",
                        "'2020-01-01 00:00:09.999999'",
                        "'2020-01-01 00:00:10'",
                        "'2020-01-01 00:00:15'",
                        "'2020-01-01 00:00:20'",
                    ],
                    [3, 4, 5],
                    10,
                )

    def test_fraction_of_a_second(self):
        self.check(
            "timestamptz",
            ["'2020-01-01 00:00:00.4'", "'2020-01-01 00:00:00.5'", "'2020-01-01 00:00:01'"],
            [2, 3],
            "0.5",
        )

    def test_date(self):
        self.check("date", ["'2020-02-27'", "'2020-02-28'", "'2020-03-01'"], [2, 3], 2 * 86400)

    def test_number(self):
        for kind in ("smallint", "integer", "bigint", "numeric", "real", "float8"):
            with self.subTest(kind):
                self.check(kind, ["85", "89", "90", "95", "100"], [3, 4, 5], 10)

    def test_lower_bound_of_the_type(self):
        self.check("smallint", ["-32768", "-32767"], [1, 2], 10)
        self.check("bigint", ["-9223372036854775808", "-9223372036854775807"], [1, 2], 10)
        self.check(
            "timestamp", ["'4713-01-01 00:00:00 BC'", "'4713-01-01 00:00:01 BC'"], [1, 2], 10
        )

    def test_infinity(self):
        self.check("timestamp", ["'2020-01-01'", "'infinity'"], [1, 2], 10)
        self.check("float8", ["1", "'Infinity'"], [1, 2], 10)

    def test_key_without_distance_is_a_warning(self):
        self.check("text", ["'a'", "'b'"], [2], 10)
        result = self.sync(
            self.catalog("t"),
            replication_key_lookback=10,
            state={
                "bookmarks": {
                    self.id_of("t"): {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "k",
                        "replication_key_value": "a",
                    }
                }
            },
        )
        self.assertRegex(
            result.stderr, f"WARNING {self.id_of('t')}: .*replication_key_lookback.* text\n"
        )

    def test_late_commit_is_read(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 100 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("INSERT INTO {s}.t VALUES (2, 95)")
        second = self.sync(self.catalog("t"), first.last_state, replication_key_lookback=10)
        self.assertEqual(self.ids(second), [2, 1])
        self.assertEqual(self.value_in(second, "t"), 100)

    def test_limited_runs_progress(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 9) i")
        catalog, state = self.catalog("t"), None
        for expected in ([1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9]):
            result = self.sync(catalog, state, limit=3, replication_key_lookback=100)
            state = result.last_state
            self.assertEqual(self.ids(result), expected)


if __name__ == "__main__":
    unittest.main()

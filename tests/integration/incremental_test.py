"""Incremental sync: which rows come, in which order, and what the bookmark is, for every kind of table and key."""

import json
import re
import unittest

from support import tap
from support.case import SchemaTest
from support.pipeline import until

# type, three values in SQL in ascending order (None: there is none), and the middle one's bookmark in JSON.
# Neighbours where the type has them: a bookmark that lost a digit gives the low row again, or not the middle one.
KEYS = [
    ("smallint", "-1", "0", "1", "0"),
    ("integer", "-2147483648", "-2147483647", "7", "-2147483647"),
    ("bigint", "9223372036854775805", "9223372036854775806", "9223372036854775807", "9223372036854775806"),
    ("numeric", "123456789012345678901234567890.123456788", "123456789012345678901234567890.123456789",
     "123456789012345678901234567890.12345679", '"123456789012345678901234567890.123456789"'),
    ("numeric(10,2)", "1.09", "1.10", "1.11", "1.10"),
    ("numeric", "'1e-38'", "'2e-38'", "1e-37", "2E-38"),
    ("numeric", "1e300", "'Infinity'", "'NaN'", '"Infinity"'),
    ("numeric", "'Infinity'", "'NaN'", None, '"NaN"'),
    ("real", "0.099999994", "0.1", "0.10000001", "0.1"),
    ("real", "1e30", "'Infinity'", "'NaN'", '"Infinity"'),
    ("float8", "0.3", "0.1::float8 + 0.2", "0.3000000000000001", "0.30000000000000004"),
    ("float8", "'-Infinity'", "5e-324", "1e-323", "5e-324"),
    ("float8", "'Infinity'", "'NaN'", None, '"NaN"'),
    ("text", "'i'", r"""E'it''s \\ "%s" {} $1 \U0001F600 é\n\t;--'""", "'j'", r'''"it's \\ \"%s\" {} $1 😀 é\n\t;--"'''),
    ("text", None, "''", "'a'", '""'),
    ("text", "'\\'", "'\\\\'", "'\\\\\\'", r'"\\\\"'),
    ("varchar(10)", "'A'", "'NULL'", "'a'", '"NULL"'),
    ("char(5)", "'abcdd'", "'abcde'", "'abcdf'", '"abcde"'),
    ("char(5)", "'a'", "'ab'", "'abc'", '"ab   "'),
    ("citext", "'a'", "'b'", "'C'", '"b"'),
    ("citext", "'A'", "'b''B'", "'C'", '''"b'B"'''),
    ("uuid", "'00000000-0000-4000-8000-00000000000e'", "'00000000-0000-4000-8000-00000000000f'",
     "'00000000-0000-4000-8000-000000000010'", '"00000000-0000-4000-8000-00000000000f"'),
    ('"Size"', "'very small'", "'in ''between'''", "'huge'", '''"in 'between'"'''),
    ("date", "'2020-02-28'", "'2020-02-29'", "'2020-03-01'", '"2020-02-29T00:00:00+00:00"'),
    ("date", "'0045-03-15 BC'", "'0044-03-15 BC'", "'0001-01-01'", '"0044-03-15 BC"'),
    ("date", "'9999-12-31'", "'infinity'", None, '"infinity"'),
    ("date", None, "'-infinity'", "'0001-01-01 BC'", '"-infinity"'),
    ("timestamp", "'2020-01-01 00:00:00.123455'", "'2020-01-01 00:00:00.123456'", "'2020-01-01 00:00:00.123457'",
     '"2020-01-01T00:00:00.123456+00:00"'),
    ("timestamp(0)", "'2020-01-01 00:00:00'", "'2020-01-01 00:00:01'", "'2020-01-01 00:00:02'",
     '"2020-01-01T00:00:01+00:00"'),
    ("timestamp", "'0044-03-15 12:00:00.5 BC'", "'0044-03-15 12:00:01.5 BC'", "'0001-01-01'",
     '"0044-03-15 12:00:01.5 BC"'),
    ("timestamp", "'9999-12-31'", "'12000-01-01'", "'infinity'", '"12000-01-01 00:00:00"'),
    ("timestamp", "'12000-01-01'", "'infinity'", None, '"infinity"'),
    ("timestamptz", "'2020-07-01 12:00:00.000000+02'", "'2020-07-01 12:00:00.000001+02'",
     "'2020-07-01 10:00:00.000002+00'", '"2020-07-01T10:00:00.000001+00:00"'),
    ("timestamptz", "'0045-01-01 BC'", "'0044-03-15 12:00:00-05 BC'", "'0001-01-01'", '"0044-03-15 17:00:00+00 BC"'),
    ("timestamptz", None, "'-infinity'", "'0044-03-15 12:00:00-05 BC'", '"-infinity"'),
    ("time", "'12:00:00'", "'12:00:00.000001'", "'24:00:00'", '"12:00:00.000001"'),
    ("timetz", "'12:00:00+02'", "'12:00:00.5+02'", "'12:00:00+01'", '"12:00:00.500000+02:00"'),
    ("interval", "'-1 day'", "'1 mon 2 days 03:04:05.000006'", "'1 year'", '"1 mon 2 days 03:04:05.000006"'),
    ("boolean", None, "false", "true", "false"),
    ("money", "'-1'", "'1234.56'", "'1234.57'", '"$1,234.56"'),
    ("inet", "'10.0.0.1'", "'10.0.0.2'", "'10.0.0.3'", '"10.0.0.2"'),
    ("cidr", "'10.0.0.0/8'", "'10.1.0.0/16'", "'11.0.0.0/8'", '"10.1.0.0/16"'),
    ("macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'", "'08:00:2b:01:02:05'", '"08:00:2b:01:02:04"'),
    ("bytea", r"'\x00'", r"'\x5c27'", r"'\xff'", r'"\\x5c27"'),
    ("oid", "1", "2147483648", "4294967295", '"2147483648"'),
    ("pg_lsn", "'0/1'", "'16/B374D848'", "'16/B374D849'", '"16/B374D848"'),
    ("int4range", "'[1,5)'", "'[1,6)'", "'[2,3)'", '"[1,6)"'),
    ("positive", "1", "2", "3", "2"),
    ("moment", "'2020-01-01'", "'2020-01-01 00:00:00.000001'", "'2020-01-02'", '"2020-01-01T00:00:00.000001+00:00"'),
]

TYPES = """
    CREATE EXTENSION citext SCHEMA {s};
    CREATE TYPE {s}."Size" AS ENUM ('very small', 'in ''between''', 'huge');
    CREATE DOMAIN {s}.positive AS bigint CHECK (VALUE > 0);
    CREATE DOMAIN {s}.moment AS timestamptz;
    SET search_path TO {s}, public;
"""


class IncrementalTest(SchemaTest):
    database = "incremental"

    def catalog(self, *names, key="k", method="INCREMENTAL"):
        return super().catalog(*names, method=method, key=key)

    def value_in(self, result, table):
        return self.bookmark(result.states[-1], table)["replication_key_value"]

    def ids(self, result, stream="t"):
        return [record["id"] for record in result.records(stream)]


class MessagesTest(IncrementalTest):
    def test_what_is_written_and_in_which_order(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, k bigint); INSERT INTO {s}.t VALUES (1, 20), (2, NULL), (3, 10)")
        result = self.sync(self.catalog("t"))
        self.assertEqual(result.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", *["RECORD"] * 3, "STATE"])
        schema, started, activated, *records, ended = result.messages
        self.assertEqual(schema["bookmark_properties"], ["k"])
        self.assertEqual(schema["key_properties"], ["id"])
        version = activated["version"]
        self.assertEqual(list(started["value"]["bookmarks"][self.id_of("t")].items()), [
            ("last_replication_method", "INCREMENTAL"), ("replication_key", "k"), ("version", version)])
        self.assertEqual(started["value"]["currently_syncing"], self.id_of("t"))
        self.assertEqual([r["record"] for r in records], [{"id": 2, "k": None}, {"id": 3, "k": 10}, {"id": 1, "k": 20}])
        self.assertEqual({r["version"] for r in records}, {version})
        self.assertEqual(ended["value"], {
            "bookmarks": {self.id_of("t"): {"last_replication_method": "INCREMENTAL", "replication_key": "k",
                                            "version": version, "replication_key_value": 20}},
            "currently_syncing": None})

    def test_every_run_activates_the_version_of_the_first(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(second.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "RECORD", "STATE"])
        self.assertEqual({m["version"] for m in first.messages + second.messages if "version" in m},
                         {first.of_type("ACTIVATE_VERSION")[0]["version"]})

    def test_states_follow_the_key(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, 100 + i AS k FROM generate_series(1, 25) i")
        result = self.sync(self.catalog("t"), state_every_rows=10)
        self.assertEqual([(self.bookmark(s, "t").get("replication_key_value"), s["currently_syncing"])
                          for s in result.states],
                         [(None, self.id_of("t")), (110, self.id_of("t")), (120, self.id_of("t")), (125, None)])

    def test_no_state_holds_a_key_while_rows_without_key_come(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, nullif(i, i) AS k FROM generate_series(1, 25) i;"
                 "INSERT INTO {s}.t VALUES (26, 1)")
        result = self.sync(self.catalog("t"), state_every_rows=10)
        bookmarks = [self.bookmark(s, "t") for s in result.states]
        self.assertEqual(len(bookmarks), 4)
        for bookmark in bookmarks[:-1]:
            self.assertNotIn("replication_key_value", bookmark)
        self.assertEqual(bookmarks[-1]["replication_key_value"], 1)

    def test_an_empty_table_leaves_no_bookmark_and_its_first_rows_all_come(self):
        self.sql("CREATE TABLE {s}.t (id int, k int)")
        first = self.sync(self.catalog("t"))
        self.assertEqual(first.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "STATE"])
        self.assertNotIn("replication_key_value", self.bookmark(first.states[-1], "t"))
        self.sql("INSERT INTO {s}.t VALUES (1, NULL), (2, -5)")
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1, 2])

    def test_a_table_with_no_key_but_null_comes_whole_each_time(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, NULL::int AS k")
        first = self.sync(self.catalog("t"))
        self.assertEqual(self.ids(first), [1])
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1])

    def test_with_a_bookmark_rows_without_key_do_not_come(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("INSERT INTO {s}.t VALUES (2, NULL)")
        self.assertEqual(self.ids(self.sync(self.catalog("t"), first.last_state)), [1])

    def test_an_empty_increment_keeps_the_bookmark(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("DELETE FROM {s}.t")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(second.types, ["SCHEMA", "STATE", "ACTIVATE_VERSION", "STATE"])
        self.assertEqual(second.states[-1], first.states[-1])

    def test_the_key_is_selected_by_itself(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 5 AS k, 7 AS other")
        catalog = self.catalog("t")
        for column in ("k", "other"):
            tap.metadata(tap.stream(catalog, "t"), column)["selected"] = False
        result = self.sync(catalog)
        self.assertEqual(result.records(), [{"id": 1, "k": 5}])
        self.assertEqual(set(result.schemas()["t"]["schema"]["properties"]), {"id", "k"})

    def test_names_that_need_quoting(self):
        odd = ["with space", 'with "quotes"', "apostrophe's", "MixedCase", "per%cent", "{brace}", "back\\slash", "日本"]
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


class KeyTypesTest(IncrementalTest):
    def test_each_type_of_key_over_three_runs(self):
        self.sql(TYPES + "".join(f"CREATE TABLE {{s}}.t{n} (id int, k {kind});" for n, (kind, *_) in enumerate(KEYS)))

        def insert(rows):
            self.sql("SET search_path TO {s}, public;" + "".join(
                f"INSERT INTO {{s}}.t{n} VALUES ({ident}, {sql});"
                for n, values in enumerate(KEYS) for ident, sql in rows(values) if sql is not None))

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
                self.assertIn(f'"{self.id_of(table)}":{{"last_replication_method":"INCREMENTAL","replication_key":"k",'
                              f'"version":{version},"replication_key_value":{bookmark}}}', first.last_state)
                self.assertCountEqual(self.ids(second, table), [1, 6] if high is None else [1, 6, 4])
                self.assertCountEqual(self.ids(third, table), [1, 6] if high is None else [4])

    def test_keys_without_an_order_are_refused_and_other_streams_go_on(self):
        kinds = {"array": "int[]", "hash": "{s}.hstore", "json": "json", "jsonb": "jsonb", "bit": "bit", "bits": "bit(3)"}
        self.sql("CREATE EXTENSION hstore SCHEMA {s}; CREATE TABLE {s}.a AS SELECT 1 AS id, 2 AS k;"
                 "CREATE TABLE {s}.z AS SELECT 1 AS id, 2 AS k;" +
                 "".join(f"CREATE TABLE {{s}}.{name} (id int, k {kind});" for name, kind in kinds.items()))
        result = self.sync(self.catalog(), expect=1)
        self.assertEqual(set(result.schemas()), {"a", "z"})
        self.assertEqual(self.value_in(result, "z"), 2)
        for name, kind in kinds.items():
            shown = {"hash": f"{self.schema}.hstore", "array": "integer[]", "bits": "bit"}.get(name, kind)
            self.assertIn(f"ERROR stream {self.id_of(name)}: replication key k is {shown}, which has no order that a "
                          "bookmark can keep: choose another replication-key, or FULL_TABLE\n", result.stderr)

    def test_text_is_compared_in_the_order_of_the_columns_collation(self):
        self.sql("""CREATE COLLATION {s}.german (provider = icu, locale = 'de-DE');
                    CREATE TABLE {s}.t (id int, k text COLLATE {s}.german);
                    INSERT INTO {s}.t VALUES (1, 'Apfel'), (2, 'äpfel'), (3, 'Birne'), (4, 'apfel');""")
        first = self.sync(self.catalog("t"))
        self.assertEqual(self.ids(first), [4, 1, 2, 3])
        self.sql("INSERT INTO {s}.t VALUES (5, 'ärger'), (6, 'Ü'), (7, 'zebra'), (8, 'a')")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(self.ids(second), [3, 6, 7])

    def test_what_the_config_makes_of_a_value_does_not_change_the_bookmark(self):
        self.sql("""CREATE TABLE {s}.t (id int, k timestamp);
                    INSERT INTO {s}.t VALUES (1, '0044-03-15 BC'), (2, 'infinity');
                    CREATE TABLE {s}.n (id int, k numeric); INSERT INTO {s}.n VALUES (1, 1.5), (2, 2.50);""")
        for extra in ({"out_of_range_dates": "null"}, {"numeric_as": "decimal-string"}):
            with self.subTest(**extra):
                first = self.sync(self.catalog(), **extra)
                self.sql("INSERT INTO {s}.t VALUES (3, '2020-01-01'); INSERT INTO {s}.n VALUES (3, 2.49)")
                second = self.sync(self.catalog(), first.last_state, **extra)
                self.assertEqual((self.ids(second, "n"), self.ids(second, "t")), ([2], [2]))
                self.sql("DELETE FROM {s}.t WHERE id = 3; DELETE FROM {s}.n WHERE id = 3")

    def test_a_bookmark_survives_a_target_that_reads_numbers_as_doubles(self):
        self.sql("""CREATE TABLE {s}.t AS SELECT i AS id, '1234567890123456.01'::numeric + i / 100.0 AS k
                        FROM generate_series(1, 9) i;
                    CREATE TABLE {s}.n AS SELECT i AS id, '123456789012345678901234567890'::numeric + i AS k
                        FROM generate_series(1, 9) i;
                    CREATE TABLE {s}.d AS SELECT i AS id, 0.1::float8 + i / 3.0::float8 AS k
                        FROM generate_series(1, 9) i;""")
        first = self.sync(self.catalog())
        as_doubles = json.dumps(json.loads(first.state_texts[-1], parse_int=lambda digits: int(float(digits))))
        second = self.sync(self.catalog(), as_doubles)
        for table in "tnd":
            self.assertEqual((self.ids(first, table), self.ids(second, table)), ([*range(1, 10)], [9]))
        self.assertEqual(self.bookmark(first.last_state, "t")["replication_key_value"], "1234567890123456.10000000000000000000")


class RelationsTest(IncrementalTest):
    def check_two_runs(self, table, second_sql):
        """Rows 1 and 2 with keys 10 and 20 are there; second_sql adds 3 with key 30."""
        catalog = self.catalog(table)
        first = self.sync(catalog)
        self.assertEqual((self.ids(first, table), self.value_in(first, table)), ([1, 2], 20))
        self.sql(second_sql)
        second = self.sync(catalog, first.last_state)
        self.assertEqual((self.ids(second, table), self.value_in(second, table)), ([2, 3], 30))

    def test_a_view(self):
        self.sql("CREATE TABLE {s}.t AS SELECT * FROM (VALUES (1, 10), (2, 20)) v(id, k);"
                 "CREATE VIEW {s}.v AS SELECT id, k FROM {s}.t")
        self.check_two_runs("v", "INSERT INTO {s}.t VALUES (3, 30)")

    def test_a_materialized_view(self):
        self.sql("CREATE TABLE {s}.t AS SELECT * FROM (VALUES (1, 10), (2, 20)) v(id, k);"
                 "CREATE MATERIALIZED VIEW {s}.m AS SELECT id, k FROM {s}.t")
        self.check_two_runs("m", "INSERT INTO {s}.t VALUES (3, 30); REFRESH MATERIALIZED VIEW {s}.m")

    def test_a_partitioned_table_in_the_order_of_the_key_over_all_leaves(self):
        self.sql("""CREATE TABLE {s}.p (id int, k int) PARTITION BY LIST (id);
                    CREATE TABLE {s}.p1 PARTITION OF {s}.p FOR VALUES IN (1, 3);
                    CREATE TABLE {s}.p2 PARTITION OF {s}.p FOR VALUES IN (2) PARTITION BY RANGE (k);
                    CREATE TABLE {s}.p2_low PARTITION OF {s}.p2 FOR VALUES FROM (0) TO (100);
                    INSERT INTO {s}.p VALUES (2, 20), (1, 10);""")
        self.check_two_runs("p", "INSERT INTO {s}.p VALUES (3, 30)")

    def test_a_parent_with_heirs(self):
        self.sql("""CREATE TABLE {s}.parent (id int, k int); CREATE TABLE {s}.heir (more int) INHERITS ({s}.parent);
                    INSERT INTO {s}.parent VALUES (2, 20); INSERT INTO {s}.heir VALUES (1, 10);""")
        self.check_two_runs("parent", "INSERT INTO {s}.heir VALUES (3, 30)")

    def test_a_foreign_table(self):
        self.sql(r"""CREATE EXTENSION file_fdw SCHEMA {s};
                     CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
                     CREATE FOREIGN TABLE {s}.f (id int, k int)
                         SERVER files OPTIONS (program 'printf "2,20\n1,10\n"', format 'csv');""")
        self.check_two_runs("f", r"""ALTER FOREIGN TABLE {s}.f OPTIONS (SET program 'printf "3,30\n2,20\n1,10\n"')""")

    def test_a_table_that_only_some_columns_of_may_be_read(self):
        self.sql("""CREATE TABLE {s}.t (id int, k int, secret int); INSERT INTO {s}.t VALUES (1, 10, 0), (2, 20, 0);
                    CREATE ROLE key_reader LOGIN; GRANT USAGE ON SCHEMA {s} TO key_reader;
                    GRANT SELECT (id, k) ON {s}.t TO key_reader;""")
        self.addCleanup(self.sql, "DROP OWNED BY key_reader; DROP ROLE key_reader")
        self.config["user"] = "key_reader"
        self.check_two_runs("t", "INSERT INTO {s}.t VALUES (3, 30, 0)")


class IndexTest(IncrementalTest):
    def test_a_small_increment_does_not_read_the_table(self):
        self.sql("""CREATE TABLE {s}.t (id int PRIMARY KEY, k timestamptz NOT NULL, pad text);
                    INSERT INTO {s}.t SELECT i, timestamptz '2020-01-01' + i * interval '1 s', repeat('x', 100)
                        FROM generate_series(1, 50000) i;
                    CREATE INDEX ON {s}.t (k); ANALYZE {s}.t;""")
        catalog = self.catalog("t")
        last = "2020-01-01T13:53:20+00:00"
        state = {"bookmarks": {self.id_of("t"): {"last_replication_method": "INCREMENTAL", "replication_key": "k",
                                                 "version": 1, "replication_key_value": last}}}

        def reads():
            [found] = self.sql("""SELECT seq_scan, idx_scan, seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
                                   WHERE relid = '{s}.t'::regclass""")
            return found
        before = reads()
        for extra in ({}, {"limit": 100}, {"replication_key_lookback": 10}):
            self.assertLess(len(self.sync(catalog, state, **extra).records()), 20)
        until(lambda: reads()[1] >= before[1] + 3, lambda: f"the index has not been used: {before}, {reads()}")
        self.assertEqual(reads()[0], before[0], "the table has been read from end to end")
        self.assertLess(reads()[2] - before[2], 100)


class LimitTest(IncrementalTest):
    def runs(self, **extra):
        """Runs until nothing new comes; yields each run's result."""
        catalog, state, value = self.catalog("t"), None, None
        while True:
            result = self.sync(catalog, state, **extra)
            state = result.last_state
            if self.bookmark(state, "t").get("replication_key_value") == value:
                return
            value = self.bookmark(state, "t").get("replication_key_value")
            yield result

    def test_so_many_rows_a_run(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 25) i")
        for name in ("limit", "max_record_count"):
            with self.subTest(name):
                runs = [self.ids(result) for result in self.runs(**{name: 10})]
                # The row at the bookmark comes again and does not count.
                self.assertEqual(runs, [list(range(1, 11)), list(range(10, 21)), list(range(20, 26))])

    def test_rows_that_tie_with_the_last_one_are_not_skipped(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i / 8 AS k FROM generate_series(0, 39) i")
        runs = [self.ids(result) for result in self.runs(limit=5)]
        self.assertEqual([sorted(run) for run in runs],
                         [list(range(8)), *[list(range(8 * n - 8, 8 * n + 8)) for n in range(1, 5)]])

    def test_a_key_of_all_rows_is_passed(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, 7 AS k FROM generate_series(1, 10) i")
        self.assertEqual([len(self.ids(result)) for result in self.runs(limit=1)], [10])
        self.sql("INSERT INTO {s}.t VALUES (11, 8)")
        self.assertEqual([len(self.ids(result)) for result in self.runs(limit=1)], [10, 11])

    def test_rows_without_key_come_on_the_first_run_and_do_not_count(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, nullif(i, 100) AS k FROM generate_series(99, 102) i")
        self.assertEqual([self.ids(result) for result in self.runs(limit=2)], [[100, 99, 101], [101, 102]])

    def test_it_holds_for_text_keys_with_odd_characters(self):
        self.sql("""CREATE TABLE {s}.t (id int, k text);
                    INSERT INTO {s}.t VALUES (1, 'a'), (2, 'a''\\"%s'), (3, 'b')""")
        self.assertEqual([self.ids(result) for result in self.runs(limit=1)], [[1], [1, 2], [2, 3]])

    def test_full_tables_are_not_cut(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 25) i")
        self.assertEqual(len(self.sync(self.catalog("t", method="FULL_TABLE"), limit=10).records()), 25)


class LookbackTest(IncrementalTest):
    def check(self, kind, values, expected, lookback):
        """Rows 1, 2, ... have these keys, ascending; a second run gives the expected ones."""
        self.sql(f"DROP TABLE IF EXISTS {{s}}.t; CREATE TABLE {{s}}.t (id int, k {kind});" + "".join(
            f"INSERT INTO {{s}}.t VALUES ({i}, {value});" for i, value in enumerate(values, 1)))
        catalog = self.catalog("t")
        first = self.sync(catalog, replication_key_lookback=lookback)
        self.assertEqual(self.ids(first), list(range(1, len(values) + 1)))
        second = self.sync(catalog, first.last_state, replication_key_lookback=lookback, state_every_rows=1)
        self.assertEqual(self.ids(second), expected)
        for state in second.states:
            self.assertEqual(self.bookmark(state, "t"), self.bookmark(first.states[-1], "t"), "the bookmark went back")

    def test_seconds_of_a_timestamp(self):
        for kind in ("timestamp", "timestamptz"):
            with self.subTest(kind):
                self.check(kind, ["'2020-01-01 00:00:00'", "'2020-01-01 00:00:09.999999'", "'2020-01-01 00:00:10'",
                                  "'2020-01-01 00:00:15'", "'2020-01-01 00:00:20'"], [3, 4, 5], 10)

    def test_a_fraction_of_a_second(self):
        self.check("timestamptz", ["'2020-01-01 00:00:00.4'", "'2020-01-01 00:00:00.5'", "'2020-01-01 00:00:01'"],
                   [2, 3], "0.5")

    def test_seconds_of_a_date(self):
        self.check("date", ["'2020-02-27'", "'2020-02-28'", "'2020-03-01'"], [2, 3], 2 * 86400)

    def test_a_number(self):
        for kind in ("smallint", "integer", "bigint", "numeric", "real", "float8"):
            with self.subTest(kind):
                self.check(kind, ["85", "89", "90", "95", "100"], [3, 4, 5], 10)

    def test_at_the_lower_end_of_the_type(self):
        self.check("smallint", ["-32768", "-32767"], [1, 2], 10)
        self.check("bigint", ["-9223372036854775808", "-9223372036854775807"], [1, 2], 10)
        self.check("timestamp", ["'4713-01-01 00:00:00 BC'", "'4713-01-01 00:00:01 BC'"], [1, 2], 10)

    def test_infinity(self):
        self.check("timestamp", ["'2020-01-01'", "'infinity'"], [2], 10)
        self.check("float8", ["1", "'Infinity'"], [2], 10)

    def test_a_key_without_distance_gets_a_warning(self):
        self.check("text", ["'a'", "'b'"], [2], 10)
        result = self.sync(self.catalog("t"), replication_key_lookback=10, state={"bookmarks": {self.id_of("t"): {
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "replication_key_value": "a"}}})
        self.assertRegex(result.stderr, f"WARNING {self.id_of('t')}: .*replication_key_lookback.* text\n")

    def test_a_row_that_was_committed_late_comes(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 100 AS k")
        first = self.sync(self.catalog("t"))
        self.sql("INSERT INTO {s}.t VALUES (2, 95)")
        second = self.sync(self.catalog("t"), first.last_state, replication_key_lookback=10)
        self.assertEqual(self.ids(second), [2, 1])
        self.assertEqual(self.value_in(second, "t"), 100)

    def test_with_a_limit_it_progresses(self):
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, i AS k FROM generate_series(1, 9) i")
        catalog, state = self.catalog("t"), None
        for expected in ([1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9]):
            result = self.sync(catalog, state, limit=3, replication_key_lookback=100)
            state = result.last_state
            self.assertEqual(self.ids(result), expected)


class FaultsTest(IncrementalTest):
    """A wrong catalog stops the run before anything is written; a fault of one stream leaves the others be."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id, 10 AS k; CREATE TABLE {s}.t AS SELECT 1 AS id, 10 AS k;"
                 "CREATE TABLE {s}.z AS SELECT 1 AS id, 10 AS k")

    def check_refused(self, catalog, line):
        result = self.sync(catalog, expect=2)
        self.assertEqual((result.stdout, result.stderr), (b"", f"CRITICAL {line}\n"))

    def check_t_fails_alone(self, catalog, state, line):
        """The line is a regular expression, for the whole line."""
        result = self.sync(catalog, state, expect=1)
        self.assertEqual((self.ids(result, "a"), self.ids(result, "t"), self.ids(result, "z")), ([1], [], [1]))
        self.assertRegex(result.stderr, rf"(?m)^ERROR stream {self.id_of('t')}: {line}$")
        self.assertEqual(self.value_in(result, "z"), 10)
        return result

    def test_no_replication_key(self):
        catalog = self.catalog()
        del tap.metadata(tap.stream(catalog, "t"))["replication-key"]
        line = (f"stream {self.id_of('t')} is INCREMENTAL but has no replication key: set replication-key in its "
                "metadata")
        self.check_refused(catalog, line)
        tap.metadata(tap.stream(catalog, "t"))["replication-key"] = None
        self.check_refused(catalog, line)

    def test_a_replication_key_that_is_no_column(self):
        catalog = self.catalog()
        tap.metadata(tap.stream(catalog, "t"))["replication-key"] = "nowhere"
        self.check_refused(catalog, f"replication key nowhere of stream {self.id_of('t')} is not one of its columns in "
                                    "the catalog")

    def test_a_key_column_dropped_since_discovery(self):
        catalog = self.catalog()
        self.sql("ALTER TABLE {s}.t DROP COLUMN k")
        self.check_t_fails_alone(catalog, None, "replication key k is no longer in the table: run discovery again and "
                                                "choose another replication-key")

    def test_a_bookmark_that_is_no_value_of_the_key(self):
        catalog = self.catalog()
        state = {"bookmarks": {self.id_of("t"): {"last_replication_method": "INCREMENTAL", "replication_key": "k",
                                                 "version": 7, "replication_key_value": "2020-01-01T00:00:00+00:00"}}}
        result = self.check_t_fails_alone(catalog, state, re.escape(
            'the bookmark 2020-01-01T00:00:00+00:00 does not fit replication key k, which is integer now: sync the '
            f'stream anew with --full-refresh {self.id_of("t")} (invalid input syntax for type integer: '
            '"2020-01-01T00:00:00+00:00" (SQLSTATE 22P02))'))
        self.assertEqual({**self.bookmark(result.states[-1], "t")}, state["bookmarks"][self.id_of("t")])

    def test_a_bookmark_out_of_the_keys_range(self):
        state = {"bookmarks": {self.id_of("t"): {"last_replication_method": "INCREMENTAL", "replication_key": "k",
                                                 "replication_key_value": 99999999999}}}
        self.check_t_fails_alone(self.catalog(), state,
                                 "the bookmark 99999999999 does not fit .*SQLSTATE 22003.*")

    def test_a_key_whose_type_has_grown_goes_on(self):
        first = self.sync(self.catalog("t"))
        self.sql("ALTER TABLE {s}.t ALTER k TYPE bigint; INSERT INTO {s}.t VALUES (2, 5000000000), (3, 1)")
        second = self.sync(self.catalog("t"), first.last_state)
        self.assertEqual(self.ids(second), [1, 2])
        self.assertEqual(self.value_in(second, "t"), 5000000000)

    def test_a_key_without_ordering_operator(self):
        self.sql("DROP TABLE {s}.t; CREATE TABLE {s}.t (id int, k point)")
        self.check_t_fails_alone(self.catalog(), None, ".*SQLSTATE 42883.*")

    def test_no_privilege_on_the_key(self):
        catalog = self.catalog()
        self.sql("""CREATE ROLE id_reader LOGIN; GRANT USAGE ON SCHEMA {s} TO id_reader;
                    GRANT SELECT ON {s}.a, {s}.z TO id_reader; GRANT SELECT (id) ON {s}.t TO id_reader;""")
        self.addCleanup(self.sql, "DROP OWNED BY id_reader; DROP ROLE id_reader")
        self.config["user"] = "id_reader"
        self.check_t_fails_alone(catalog, None, ".*SQLSTATE 42501.*")

    def test_the_table_is_gone(self):
        catalog = self.catalog()
        self.sql("DROP TABLE {s}.t")
        self.check_t_fails_alone(catalog, None, f'table "?{self.schema}"?\\."?t"? is not in the database .*')


if __name__ == "__main__":
    unittest.main()

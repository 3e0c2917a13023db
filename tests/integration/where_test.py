"""Row filters (`where`): which rows are sent, how a copy resumes, and what a mistake causes."""

import re
import unittest

from support import tap
from support.check import about, run_check
from support.proxy import Proxy
from support.resume import PARTITIONED, ROWS, TABLE, ResumeTest

OTHER_FILTER = "it was started with another row filter (where)"


class WhereTest(ResumeTest):
    database = "filtered"

    def where(self, condition, table="t"):
        """The config's keys for a condition."""
        return {"where": {f"{self.schema}.{table}": condition}}

    def filtered(self, condition, *args, table="t", method="FULL_TABLE", key=None, state=None):
        """The ids that a run sends."""
        catalog = self.catalog(table, method=method, key=key)
        result = self.sync(catalog, state, *args, **self.where(condition, table))
        self.assertNotIn("WARNING", result.stderr)
        return [record["id"] for record in result.records(table)]

    def interrupt_filtered(self, condition, states=9, **extra):
        self.config.update(self.where(condition), **extra)
        return self.interrupt_after(states)

    def check_destination(self, condition):
        """The destination has the rows of the source that meet the condition, and no others."""
        self.sql(f"DELETE FROM {{s}}.t WHERE NOT ({condition})")
        self.check_equal("t")

    def numbers(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, k int)")
        self.sql("INSERT INTO {s}.t SELECT i, i FROM generate_series(1, 10) i")


class RowsTest(WhereTest):
    def test_conditions(self):
        self.numbers()
        for condition, ids in (
            ("id > 8", [9, 10]),
            ("id = 1 OR id = 3", [1, 3]),
            ("id = 1 -- OR id = 3", [1]),
            ("t.id /* the table's name */ = 4", [4]),
            (["id > 3", "id = 1 OR id = 5", "k < 9 -- the last one"], [5]),
            ([], list(range(1, 11))),
            ("id IN (SELECT max(id) FROM {s}.t)", [10]),
            ("false", []),
        ):
            with self.subTest(condition):
                if isinstance(condition, str):
                    condition = condition.replace("{s}", self.schema)
                self.assertEqual(self.filtered(condition), ids)

    def test_server_that_limits_the_results_of_gin_indexes(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, ARRAY['eu', i::text] AS tags "
            "FROM generate_series(1, 6000) i; CREATE INDEX ON {s}.t USING gin (tags); "
            "ANALYZE {s}.t"
        )
        for setting in ("gin_fuzzy_search_limit = 100", "enable_seqscan = off"):
            self.sql(f"ALTER DATABASE {self.database} SET {setting}")
        self.addCleanup(self.sql, f"ALTER DATABASE {self.database} RESET ALL")
        catalog = self.catalog("t", method="INCREMENTAL", key="id")
        result = self.sync(catalog, where={f"{self.schema}.t": "tags @> ARRAY['eu']"})
        self.assertEqual(len(result.records()), 6000)

    def test_names_of_the_stream(self):
        self.numbers()
        for name in (f"{self.schema}.t", f"{self.schema}-t", self.id_of("t")):
            for key in ("where", "custom_where_clauses"):
                result = self.sync(self.catalog("t"), **{key: {name: "id < 3"}})
                self.assertEqual(self.ids(result), [1, 2])

    def test_stream_options(self):
        """As a config of the Meltano tap has it."""
        self.numbers()
        options = {f"{self.schema}-t": {"custom_where_clauses": ["id > 2", "id < 5 OR id = 7"]}}
        result = self.sync(self.catalog("t"), stream_options=options)
        self.assertEqual(self.ids(result), [3, 4, 7])

    def test_environment(self):
        self.numbers()
        env = {f"TAP_POSTGRES_{key.upper()}": str(value) for key, value in self.config.items()}
        env["TAP_POSTGRES_WHERE"] = f'{{"{self.schema}.t": "id < 3"}}'
        result = tap.run(None, "--config", "ENV", catalog=self.catalog("t"), env=env)
        self.assertEqual(self.ids(result), [1, 2])

    def test_metadata_replaces_the_config(self):
        self.numbers()
        catalog = self.catalog("t")
        for condition, ids in (("id = 3", [3]), (["id > 8", "id < 10"], [9]), ("", range(1, 11))):
            tap.metadata(tap.stream(catalog, "t"))["where"] = condition
            result = self.sync(catalog, **self.where("id = 1"))
            self.assertEqual(self.ids(result), list(ids))

    def test_discovery_keeps_the_metadata(self):
        self.numbers()
        catalog = self.catalog("t")
        tap.metadata(tap.stream(catalog, "t"))["where"] = "id = 3"
        again = tap.run(self.config, "--discover", catalog=catalog).stdout
        self.assertEqual(self.ids(self.sync(again)), [3])

    def test_stream_that_is_not_in_the_catalog(self):
        """One config may serve several catalogs, but a misspelled name must not go unnoticed."""
        self.numbers()
        result = self.sync(self.catalog("t"), where={"public.order": "x = 1"})
        self.assertEqual(len(self.ids(result)), 10)
        warning = (
            'config.json: "where" of "public.order" names no stream of the catalog%s give it as '
            "schema.table, or as the stream's tap_stream_id\n"
        )
        self.assertIn("WARNING " + warning % ":", result.stderr)
        checked = tap.run(
            {**self.config, "where": {"public.order": "x = 1"}}, "check", catalog=self.catalog("t")
        )
        self.assertIn("warning catalog: " + warning % ";", checked.stdout.decode())

    def test_mistaken_names(self):
        """Without the filter all rows of the table would be sent."""
        self.numbers()
        like = (
            f"names no stream of the catalog, but is like {self.schema}.t, all rows of which would "
            f'be sent%s write "{self.schema}.t", or add "{self.schema}.t": [] to "where" if '
            "another table is meant"
        )
        wildcard = (
            "has a wildcard, which row filters do not support%s give each table its own, as "
            "schema.table"
        )
        for setting, name, why in (
            ("where", f"{self.schema}.T", like),
            ("where", "t", like),
            ("where", f"{self.schema}-*", wildcard),
            ("stream_options", "t", like),
            ("stream_options", "*", wildcard),
        ):
            with self.subTest(setting=setting, name=name):
                options = {"custom_where_clauses": ["id > 5"]}
                extra = {setting: {name: options if setting == "stream_options" else "id > 5"}}
                result = self.sync(self.catalog("t"), expect=2, **extra)
                self.assertEqual(result.messages, [])
                self.assertIn(f'of "{name}" {why % ":"}; run: tap-postgres check\n', result.stderr)
                checked = tap.run(
                    {**self.config, **extra}, "check", catalog=self.catalog("t"), expect=2
                )
                self.assertRegex(
                    checked.stdout.decode(),
                    "error +catalog: .* " + re.escape(f'of "{name}" {why % ";"}'),
                )
        result = self.sync(self.catalog("t"), where={f"{self.schema}.t": [], "t": "id > 5"})
        self.assertIn("WARNING", result.stderr)
        self.assertEqual(len(self.ids(result)), 10)

    def test_views_and_child_tables(self):
        self.numbers()
        self.sql(
            "CREATE VIEW {s}.v AS SELECT id, k AS n FROM {s}.t;"
            "CREATE MATERIALIZED VIEW {s}.m AS SELECT id FROM {s}.t;"
            "CREATE TABLE {s}.child () INHERITS ({s}.t); INSERT INTO {s}.child VALUES (11), (12)"
        )
        self.assertEqual(self.filtered("v.n > 8", table="v"), [9, 10])
        self.assertEqual(self.filtered("m.id > 8", table="m"), [9, 10])
        self.assertEqual(self.filtered("t.id IN (1, 12)"), [1, 12])
        self.assertEqual(
            self.filtered("tableoid <> '{s}.t'::regclass".replace("{s}", self.schema)), [11, 12]
        )

    def test_partitions(self):
        """Each is read by itself, but the condition may name the root."""
        self.sql(PARTITIONED)
        self.assertEqual(sorted(self.filtered("t.id IN (7, 500, 998)")), [7, 500, 998])
        self.sql("CREATE ROLE rooted LOGIN; GRANT USAGE ON SCHEMA {s} TO rooted")
        self.addCleanup(self.sql, "DROP OWNED BY rooted; DROP ROLE rooted")
        self.sql("GRANT SELECT ON {s}.t TO rooted")
        result = self.sync(self.catalog("t"), user="rooted", **self.where("t.id IN (7, 500, 998)"))
        self.assertEqual(sorted(self.ids(result)), [7, 500, 998])


class ResumedTest(WhereTest):
    """Rows of a table, and those that are written while its copy is interrupted."""

    def test_killed(self):
        self.sql(TABLE)
        self.config.update(self.where("id % 2 = 0 -- even"))
        state = self.interrupt(self.catalog("t"), lines=170)
        bookmark = self.bookmark(state, "t")
        self.assertEqual(bookmark["copy"]["where"], "(id % 2 = 0 -- even\n)")
        self.sql("UPDATE {s}.t SET id = 2000, n = 1 WHERE id = 3")
        self.sql("INSERT INTO {s}.t VALUES (2001, 1), (2002, 1)")
        result = self.resume(state)
        self.assertNotIn("WARNING", result.stderr)
        self.assertIn(f"INFO {self.id_of('t')}: resuming the interrupted copy\n", result.stderr)
        self.assertEqual({m["version"] for m in result.of_type("RECORD")}, {bookmark["version"]})
        self.assertLess(len(self.ids(result)), ROWS / 2 - 100)
        self.check_end(result, bookmark["version"])
        self.check_destination("id % 2 = 0")

    def test_rows_written_since(self):
        """Among the rows already sent: those that meet the condition now, and no others."""
        self.sql(TABLE)
        state = self.interrupt_filtered("n = 0")
        self.sql(
            "UPDATE {s}.t SET n = 1 WHERE id IN (3, 5); UPDATE {s}.t SET pad = '' WHERE id = 7"
        )
        sent = sorted(self.ids(self.resume(state)))
        self.assertEqual(sent[0], 7)
        self.assertEqual(sent[1:], list(range(sent[1], ROWS + 1)))

    def test_partitions(self):
        self.sql(PARTITIONED)
        state = self.interrupt_filtered("t.id % 3 < 2", states=7)
        self.sql("UPDATE {s}.t SET n = n + 1 WHERE id % 7 = 0")
        result = self.resume(state)
        self.assertNotIn("WARNING", result.stderr)
        self.sql("DELETE FROM {s}.t WHERE id % 3 = 2")
        self.check_equal("t", keys=["id", "part"])

    def test_subquery(self):
        """It is in one query, not in one for each range of blocks, and keeps the order."""
        self.sql(TABLE + "CREATE TABLE {s}.u AS SELECT i AS id FROM generate_series(2, 1000, 2) i")
        self.sql("UPDATE {s}.t SET n = 1 WHERE id = 2; ANALYZE {s}.t; ANALYZE {s}.u")
        state = self.interrupt_filtered(f"id IN (SELECT id FROM {self.schema}.u)", states=5)
        places = self.sql("SELECT id, ctid::text FROM {s}.t WHERE id % 2 = 0 ORDER BY t.ctid")
        rows = [row for row, _ in places]
        self.assertNotEqual(rows, sorted(rows))
        self.assertEqual(self.ids(self.first), rows)
        position = self.bookmark(state, "t")["copy"]["position"]
        self.assertEqual((rows[self.sent - 1], position), places[self.sent - 1])

    def check_row_that_meets_the_condition_since(self, condition, change):
        """The copy was interrupted after the row with id 1, which it had not sent."""
        state = self.interrupt_filtered(condition)
        self.assertEqual(min(self.ids(self.first)), 2)
        self.sql(change)
        result = self.resume(state)
        self.check_restarted(
            result,
            state,
            "its row filter (where) may depend on more than the row's own columns",
        )
        self.assertEqual(len(self.ids(result)), ROWS)

    def test_other_table_changes(self):
        self.sql(TABLE + "CREATE TABLE {s}.u AS SELECT i AS id FROM generate_series(2, 1000) i")
        self.check_row_that_meets_the_condition_since(
            f"id IN (SELECT id FROM {self.schema}.u)", "INSERT INTO {s}.u VALUES (1)"
        )

    def test_other_table_changes_while_reconnecting(self):
        self.sql(TABLE + "CREATE TABLE {s}.u AS SELECT i AS id FROM generate_series(2, 1000) i")

        def change_and_reset():
            self.sql("INSERT INTO {s}.u VALUES (1)")
            proxy.reset()

        with Proxy(self.server.port) as proxy:
            proxy.freeze_after(100_000, change_and_reset)
            result = self.sync(
                self.catalog("t"),
                host="127.0.0.1",
                port=proxy.port,
                **self.where(f"id IN (SELECT id FROM {self.schema}.u)"),
            )
        self.assertIn("its row filter (where) may depend on more", result.stderr)
        version = self.bookmark(result.last_state, "t")["version"]
        messages = [m for m in result.of_type("RECORD") if m["version"] == version]
        self.assertEqual(sorted(m["record"]["id"] for m in messages), list(range(1, ROWS + 1)))

    def test_time_passes(self):
        self.sql(TABLE + "ALTER TABLE {s}.t ADD visible_from timestamptz")
        self.sql("UPDATE {s}.t SET visible_from = now() + (id = 1)::int * interval '3 seconds'")
        self.sql("VACUUM FULL {s}.t")
        self.check_row_that_meets_the_condition_since(
            "visible_from <= now()", "SELECT pg_sleep(3.1)"
        )

    def test_parallel(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, n int, pad text)")
        self.sql("INSERT INTO {s}.t SELECT i, 0, repeat('x', 500) FROM generate_series(1, 9000) i")
        state = self.interrupt_filtered(
            "t.id % 3 = 0 OR t.id < 10", states=5, parallel=2, state_every_rows=300
        )
        self.assertEqual(len(self.ids(self.first)), 3006)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id % 50 = 0")
        result = self.resume(state)
        self.assertLess(len(self.ids(result)), 3000)
        self.assertNotIn("WARNING", result.stderr)
        self.check_destination("id % 3 = 0 OR id < 10")

    def test_changed_condition(self):
        self.sql(TABLE)
        for before, after in ((None, "id > 5"), ("id > 5", None), ("id > 5", "id > 6")):
            with self.subTest(before=before, after=after):
                self.clear_destination()
                self.config["where"] = {}
                state = self.interrupt_filtered(before or "")
                self.config.update(self.where(after or ""))
                result = self.resume(state)
                self.assertIn(
                    f"WARNING {self.id_of('t')}: cannot resume the interrupted copy: "
                    f"{OTHER_FILTER}; restarting it\n",
                    result.stderr,
                )
                self.assertEqual(len(self.ids(result)), {None: 1000, "id > 5": 995}.get(after, 994))
                [activated] = result.of_type("ACTIVATE_VERSION")
                self.assertGreater(activated["version"], self.bookmark(state, "t")["version"])

    def test_column_of_the_condition_dropped_and_added_again(self):
        self.sql(TABLE)
        catalog = self.catalog("t")
        tap.metadata(tap.stream(catalog, "t"), "n")["selected"] = False
        self.config.update(self.where("n = 0"))
        self.sql("UPDATE {s}.t SET n = id % 2")
        state = self.interrupt_after(5, catalog)
        self.sql("ALTER TABLE {s}.t DROP n; ALTER TABLE {s}.t ADD n int DEFAULT 0")
        result = self.resume(state, catalog)
        self.assertIn("restart", result.stderr)
        self.assertEqual(sorted(self.ids(result)), list(range(1, 1001)))


class OldServerTest(WhereTest):
    """Before version 14 the ctid of each row is a position: rows must come in this order."""

    database = "filtered_old"
    major = "11"

    def test_index_on_the_condition(self):
        self.sql(TABLE.replace("SELECT i, 0,", "SELECT i, 1001 - i,"))
        self.sql("CREATE INDEX ON {s}.t (n); ANALYZE {s}.t")
        state = self.interrupt_filtered("n < 200", states=3)
        self.assertEqual(self.ids(self.first), list(range(802, 1001)))
        result = self.resume(state)
        self.assertEqual(self.ids(result), list(range(802 + self.sent, 1001)))
        self.check_destination("n < 200")


class IncrementalTest(WhereTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, k int, kind text)")
        self.sql(
            "INSERT INTO {s}.t VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, 10, 'a'), (4, 10, 'b'), "
            "(5, 20, 'a'), (6, 30, 'a'), (7, 40, 'b')"
        )

    def run_incremental(self, condition, state=None, **extra):
        catalog = self.catalog("t", method="INCREMENTAL", key="k")
        return self.sync(catalog, state, **self.where(condition), **extra)

    def test_runs(self):
        first = self.run_incremental("t.kind = 'a' OR t.k = 0")
        self.assertEqual(self.ids(first), [1, 3, 5, 6])
        self.assertEqual(self.bookmark(first.last_state, "t")["replication_key_value"], 30)
        self.sql(
            "INSERT INTO {s}.t VALUES (8, 25, 'a'), (9, 50, 'b'), (10, 60, 'a'), (11, NULL, 'a')"
        )
        second = self.run_incremental("t.kind = 'a' OR t.k = 0", first.last_state)
        self.assertEqual(self.ids(second), [6, 10])
        again = self.run_incremental(
            "kind = 'a' OR k = 0 --", first.last_state, replication_key_lookback=5
        )
        self.assertEqual(self.ids(again), [8, 6, 10])

    def test_limited_runs(self):
        """It counts only rows that meet the condition."""
        first = self.run_incremental("kind = 'a' --", limit=2)
        self.assertEqual(self.ids(first), [1, 3, 5])
        second = self.run_incremental("kind = 'a' --", first.last_state, limit=2)
        self.assertEqual(self.ids(second), [5, 6])

    def check_warning(self, result, is_expected=True):
        """Rows below the bookmark may be missing."""
        warning = (
            f"WARNING {self.id_of('t')}: the row filter (where) was changed, so rows below the "
            "bookmark that an earlier filter left out are missing: run once with --full-refresh "
            f"{self.id_of('t')}\n"
        )
        self.assertEqual(result.stderr.count(warning), int(is_expected), result.stderr)
        self.assertEqual(result.stderr.count("WARNING"), int(is_expected), result.stderr)

    def test_changed_condition(self):
        """Each run warns until a full refresh."""
        first = self.run_incremental("kind = 'b'")
        self.assertEqual(self.ids(first), [2, 4, 7])
        self.check_warning(first, False)
        self.check_warning(self.run_incremental("kind = 'b'", first.last_state), False)
        for condition in ("true", ""):
            second = self.run_incremental(condition, first.last_state)
            self.assertEqual(self.ids(second), [7])
            self.check_warning(second)
            third = self.run_incremental("kind = 'b'", second.last_state)
            self.check_warning(third)
            catalog = self.catalog("t", method="INCREMENTAL", key="k")
            last = self.sync(catalog, third.last_state, "--full-refresh", **self.where("true"))
            self.assertEqual(len(self.ids(last)), 7)
            self.check_warning(last, False)
            self.check_warning(self.run_incremental("true", last.last_state), False)

    def test_first_condition(self):
        """Nothing is missing. Bookmarks of other taps have no condition either."""
        first = self.run_incremental("")
        self.assertNotIn("where", self.bookmark(first.last_state, "t"))
        second = self.run_incremental("kind = 'b'", first.last_state)
        self.check_warning(second, False)
        self.check_warning(self.run_incremental("", second.last_state))

    def test_no_rows(self):
        first = self.run_incremental("false")
        self.assertEqual(self.ids(first), [])
        second = self.run_incremental("true", first.last_state)
        self.assertEqual(len(self.ids(second)), 7)
        self.check_warning(second, False)


class MistakesTest(WhereTest):
    REFUSED = "the server refuses the row filter (%s): %s (SQLSTATE %s)"

    def test_refused_conditions(self):
        self.numbers()
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (1)")
        catalog = self.catalog("t", "u")
        place = f'config.json: "where" of "{self.schema}.t"'
        stream = f"stream {self.id_of('t')}"
        for condition, why, code in (
            ("nn > 5", 'column "nn" does not exist', "42703"),
            ("id +", "syntax error at end of input", "42601"),
            ("id", "argument of WHERE must be type boolean, not type integer", "42804"),
            (
                "true; DROP TABLE t",
                "cannot insert multiple commands into a prepared statement",
                "42601",
            ),
            ("id = 1) OR (id = 2", 'syntax error at or near ")"', "42601"),
            ("id > 3 ORDER BY id", 'syntax error at or near "ORDER"', "42601"),
            (
                "id = $1",
                'bind message supplies 0 parameters, but prepared statement "" requires 1',
                "08P01",
            ),
            ("id > 'x'", 'invalid input syntax for type integer: "x"', "22P02"),
            (["id = 1", "/* id = 2"], 'unterminated /* comment at or near "/* id = 2"', "42601"),
        ):
            with self.subTest(condition):
                error = self.REFUSED % (place, why, code)
                result = self.sync(catalog, expect=1, **self.where(condition))
                self.assertEqual(
                    [line for line in result.stderr.splitlines() if not line.startswith("INFO")],
                    [
                        f"ERROR {stream}: {error}: correct the SQL condition; run: tap-postgres "
                        "check",
                        f"CRITICAL 1 of 2 streams failed: {self.id_of('t')}",
                    ],
                )
                self.assertEqual(result.records(), [{"id": 1}])
                found = run_check(
                    {**self.config, **self.where(condition)}, catalog=catalog, expect=1
                )
                self.assertEqual(
                    about(found, stream), [f"error {error}; correct the SQL condition"]
                )

    def test_place_in_the_metadata(self):
        self.numbers()
        catalog = self.catalog("t", method="INCREMENTAL", key="k")
        tap.metadata(tap.stream(catalog, "t"))["where"] = "nn > 5"
        result = self.sync(catalog, expect=1)
        error = self.REFUSED % (
            '"where" in the stream\'s metadata',
            'column "nn" does not exist',
            "42703",
        )
        self.assertIn(f"ERROR stream {self.id_of('t')}: {error}: correct", result.stderr)
        self.assertEqual(result.messages, [])

    def test_error_in_a_row(self):
        self.numbers()
        result = self.sync(self.catalog("t"), expect=1, **self.where("1 / (id - 7) < 5"))
        self.assertIn(
            f"ERROR stream {self.id_of('t')}: division by zero (SQLSTATE 22012)\n", result.stderr
        )

    def test_log_based(self):
        self.numbers()
        catalog = self.catalog("t", method="LOG_BASED")
        error = (
            f"stream {self.id_of('t')} is LOG_BASED, and changes in WAL cannot be filtered by a "
            f'row filter (config.json: "where" of "{self.schema}.t")%s remove the row filter, or '
            "use FULL_TABLE or INCREMENTAL"
        )
        config = {**self.where("id > 5"), "logical_decoding_plugin": "wal2json"}
        result = self.sync(catalog, expect=2, **config)
        self.assertEqual(result.stderr, f"CRITICAL {error % ':'}; run: tap-postgres check\n")
        checked = tap.run({**self.config, **config}, "check", catalog=catalog, expect=2)
        self.assertIn(f"error   stream {self.id_of('t')}: {error % ';'}\n", checked.stdout.decode())

    def test_findings(self):
        self.numbers()
        stream = f"stream {self.id_of('t')}"
        config = {**self.config, **self.where("id > 5 -- all")}
        [found] = about(run_check(config, catalog=self.catalog("t")), stream)
        self.assertRegex(found, r"\Aok ")
        session = self.session()
        session.cursor().execute(f"BEGIN; LOCK TABLE {self.schema}.t")
        self.assertEqual(
            about(run_check(config, catalog=self.catalog("t")), stream),
            [
                "warning cannot check the row filter: canceling statement due to lock timeout "
                "(SQLSTATE 55P03); run the check again"
            ],
        )


if __name__ == "__main__":
    unittest.main()

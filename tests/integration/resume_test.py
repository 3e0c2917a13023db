"""A full-table copy that was cut off goes on: what it sent before and what it sends then are every row at its end.

The first run's output is cut as a kill would cut it: the target gets its beginning and what it confirms is the state. That
is the same as a run that was killed there, since all that follows its snapshot is invisible to it either way.
"""

import unittest

from support import tap
from support.case import SchemaTest
from support.pipeline import until

ROWS = 1000
EVERY = 50  # rows between STATEs

TABLE = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, n int, pad text) WITH (fillfactor = 70, autovacuum_enabled = off);
    INSERT INTO {s}.t SELECT i, 0, repeat('x', 200) FROM generate_series(1, 1000) i;
"""
PARTITIONED = """
    CREATE TABLE {s}.t (id int, part int, n int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
    CREATE TABLE {s}.early (id int, part int NOT NULL, n int, PRIMARY KEY (id, part));
    CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
    CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3);
    INSERT INTO {s}.t SELECT i, 1 + i % 3, 0 FROM generate_series(1, 999) i;
    INSERT INTO {s}.early SELECT i, 0, 0 FROM generate_series(1001, 1020) i;
"""


class ResumeTest(SchemaTest):
    database = "resume"

    def setUp(self):
        super().setUp()
        self.config["state_every_rows"] = EVERY

    def cut_off(self, states, catalog=None, state=None, more=13):
        """A run whose target has got everything up to so many STATEs, and `more` lines after that; returns the state.

        Negative: counted from the end."""
        catalog = catalog or self.catalog("t")
        result = self.sync(catalog, state)
        self.first = result
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        end = ends[states - 1 if states > 0 else states]
        [*_, last] = self.give_target(lines[:end + 1 + more])
        return last

    def go_on(self, state, catalog=None):
        """A run from the state, whole, into the target; returns its Result."""
        result = self.sync(catalog or self.catalog("t"), state)
        self.give_target(result.stdout.splitlines(keepends=True))
        return result

    def check_resumed(self, result, state, extra_allowed=True):
        """It went on in the version of the state, and source and destination are equal."""
        version = self.bookmark(state, "t")["version"]
        self.assertEqual([t for t in result.types if t not in ("RECORD", "STATE")], ["SCHEMA", "ACTIVATE_VERSION"])
        self.assertEqual({m["version"] for m in result.messages if "version" in m}, {version})
        self.assertIn(f"INFO {self.id_of('t')}: going on with the copy that was cut off\n", result.stderr)
        self.check_end(result, version)
        self.check_equal("t", extra_allowed)

    def check_anew(self, result, state, why=None):
        """It started over in a new version, and source and destination are equal to the row."""
        [activated] = result.of_type("ACTIVATE_VERSION")
        self.assertGreater(activated["version"], self.bookmark(state, "t")["version"])
        self.assertEqual({m["version"] for m in result.of_type("RECORD")} - {activated["version"]}, set())
        if why:
            self.assertIn(f"WARNING {self.id_of('t')}: the copy that was cut off cannot go on: {why}; it starts anew\n",
                          result.stderr)
        self.check_end(result, activated["version"])
        self.check_equal("t")

    def check_end(self, result, version):
        self.assertEqual(self.bookmark(result.states[-1], "t"), {
            "last_replication_method": "FULL_TABLE", "version": version, "xmin": None})
        self.assertIsNone(result.states[-1]["currently_syncing"])

    def ids(self, result):
        return [record["id"] for record in result.records("t")]


class OneTableTest(ResumeTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def test_only_the_rest_comes_if_nothing_has_changed(self):
        state = self.cut_off(6)
        result = self.go_on(state)
        self.assertEqual(self.ids(result), list(range(5 * EVERY + 1, ROWS + 1)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_the_position_is_in_the_bookmark_until_the_end(self):
        result = self.sync(self.catalog("t"))
        bookmarks = [self.bookmark(state, "t") for state in result.states]
        version = bookmarks[0]["version"]
        self.assertNotIn("copy", bookmarks[0])
        [(oid, relfilenode)] = self.sql("SELECT '{s}.t'::regclass::oid::bigint, pg_relation_filenode('{s}.t')::bigint")
        places = dict(self.sql("SELECT id, ctid::text FROM {s}.t"))
        for n, bookmark in enumerate(bookmarks[1:-1], 1):
            self.assertEqual(list(bookmark), ["last_replication_method", "version", "copy"])
            self.assertEqual(bookmark["version"], version)
            copy = bookmark["copy"]
            self.assertRegex(copy.pop("snapshot"), r"^\d+:\d+:[\d,]*$")
            self.assertEqual(copy.pop("done", []), [])
            self.assertEqual(copy, {"leaf": oid, "relfilenode": relfilenode, "position": places[n * EVERY]})
        self.assertEqual(len(bookmarks), 1 + ROWS // EVERY + 1)
        self.check_end(result, version)

    def test_at_every_state_of_a_run(self):
        result = self.sync(self.catalog("t"), state_every_rows=100)
        for n, state in enumerate(result.state_texts[1:-1], 1):
            with self.subTest(n):
                resumed = self.sync(self.catalog("t"), state)
                self.assertEqual(self.ids(resumed), list(range(100 * n + 1, ROWS + 1)))

    def test_inserts_updates_and_deletes_meanwhile(self):
        state = self.cut_off(9)
        self.sql("INSERT INTO {s}.t SELECT i, 1, 'new' FROM generate_series(1001, 1100) i")
        self.sql("UPDATE {s}.t SET n = 2, pad = repeat('y', 1500) WHERE id % 10 = 0")  # these move to other pages
        self.sql("UPDATE {s}.t SET n = 3 WHERE id % 10 = 1")  # and these stay: HOT
        self.sql("DELETE FROM {s}.t WHERE id % 10 = 2")
        result = self.go_on(state)
        self.check_resumed(result, state)

    def test_hot_updates_before_and_after_the_position(self):
        state = self.cut_off(9)
        for ident in (1, 399, 400, 401, 999):
            self.sql(f"UPDATE {{s}}.t SET n = n + 1 WHERE id = {ident}")
        result = self.go_on(state)
        self.assertEqual(sorted(self.ids(result)), [1, 399, *range(400, ROWS + 1)])
        self.check_resumed(result, state, extra_allowed=False)

    def test_rows_that_reuse_the_space_of_deleted_ones(self):
        state = self.cut_off(15)
        self.sql("DELETE FROM {s}.t WHERE id < 300")
        self.sql("VACUUM {s}.t")
        self.sql("INSERT INTO {s}.t SELECT i, 1, repeat('z', 200) FROM generate_series(2000, 2200) i")
        [(low,)] = self.sql("SELECT count(*) FROM {s}.t WHERE id >= 2000 AND ctid < '(10,0)'")
        self.assertGreater(low, 100, "the new rows are not where the test wants them to be")
        result = self.go_on(state)
        self.check_resumed(result, state)

    def test_rows_that_move_from_behind_the_position_to_before_it(self):
        self.sql("DELETE FROM {s}.t WHERE id <= 200")
        state = self.cut_off(12)
        self.sql("VACUUM {s}.t")
        self.sql("UPDATE {s}.t SET n = 5 WHERE id > 900")
        [(moved,)] = self.sql("SELECT count(*) FROM {s}.t WHERE id > 900 AND ctid < '(10,0)'")
        self.assertGreater(moved, 30, "the rows have not moved to where the test wants them to be")
        result = self.go_on(state)
        self.check_resumed(result, state, extra_allowed=False)

    def test_vacuum_freeze(self):
        state = self.cut_off(9)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id = 3; INSERT INTO {s}.t VALUES (0, 0, '')")
        self.sql("VACUUM FREEZE {s}.t")
        result = self.go_on(state)
        self.assertEqual(sorted(self.ids(result)), [0, 3, *range(401, ROWS + 1)])
        self.check_resumed(result, state, extra_allowed=False)

    def test_a_transaction_that_was_open_when_the_copy_began(self):
        with self.session().cursor() as cursor, self.session().cursor() as other:
            cursor.execute("BEGIN; SELECT txid_current()")
            cursor.execute(f"UPDATE {self.schema}.t SET n = 1 WHERE id = 5")
            cursor.execute(f"SAVEPOINT a; UPDATE {self.schema}.t SET n = 2 WHERE id = 6; RELEASE a")
            other.execute(f"UPDATE {self.schema}.t SET n = 9 WHERE id = 8")  # a younger one, and committed before
            state = self.cut_off(9)
            cursor.execute(f"SAVEPOINT b; UPDATE {self.schema}.t SET n = 3 WHERE id = 7; RELEASE b")
            cursor.execute("COMMIT")
        result = self.go_on(state)
        self.assertLessEqual({5, 6, 7}, set(self.ids(result)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_an_aborted_transaction_leaves_no_trace(self):
        with self.session().cursor() as cursor:
            cursor.execute(f"BEGIN; UPDATE {self.schema}.t SET n = 1 WHERE id < 100")
            state = self.cut_off(9)
            cursor.execute("ROLLBACK")
        result = self.go_on(state)
        self.assertEqual(self.ids(result), list(range(401, ROWS + 1)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_cut_off_again_and_again(self):
        state = self.cut_off(4)
        version = self.bookmark(state, "t")["version"]
        for n in range(1, 5):
            self.sql(f"UPDATE {{s}}.t SET n = {n} WHERE id % 100 = {n}; INSERT INTO {{s}}.t VALUES (1000 + {n}, 0, '');"
                     f"UPDATE {{s}}.t SET n = -1 WHERE id = {ROWS + 1 - n}")
            state = self.cut_off(4, state=state)
            self.assertEqual(self.bookmark(state, "t")["version"], version)
        result = self.go_on(state)
        self.assertLess(len(self.ids(result)), 600, "it has not come nearer to the end")
        self.check_resumed(result, state, extra_allowed=False)

    def test_cut_off_before_it_is_past_the_earlier_position(self):
        state = self.cut_off(15)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id <= 600")
        early = self.cut_off(3, state=state)  # still among the changed rows before the position
        self.assertEqual(self.bookmark(early, "t")["copy"], self.bookmark(state, "t")["copy"])
        self.sql("UPDATE {s}.t SET n = 2 WHERE id <= 10")
        result = self.go_on(early)
        self.check_resumed(result, state, extra_allowed=False)

    def test_a_later_run_that_was_cut_off_leaves_no_old_rows(self):
        self.go_on(None)
        self.sql("DELETE FROM {s}.t WHERE id % 7 = 0")
        state = self.cut_off(9, state=self.sync(self.catalog("t")).last_state)
        result = self.go_on(state)
        self.check_resumed(result, state, extra_allowed=False)

    def test_at_the_last_row(self):
        state = self.cut_off(-2, more=1)
        self.assertIn("copy", self.bookmark(state, "t"))
        result = self.go_on(state)
        self.assertEqual(self.ids(result), [])
        self.check_resumed(result, state, extra_allowed=False)

    def test_before_the_first_row(self):
        state = self.cut_off(1)
        result = self.go_on(state)
        self.assertEqual(len(self.ids(result)), ROWS)
        self.check_equal("t")


class RewrittenTest(ResumeTest):
    """Positions are void when the table is in another file."""

    REWRITTEN = "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)"

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def check_starts_anew(self, *statements, why=REWRITTEN):
        state = self.cut_off(9)
        for statement in statements:
            self.sql(statement)
        self.check_anew(self.go_on(state), state, why)

    def test_vacuum_full(self):
        self.check_starts_anew("DELETE FROM {s}.t WHERE id < 200", "VACUUM FULL {s}.t")

    def test_cluster(self):
        self.sql("CREATE INDEX backwards ON {s}.t ((-id))")
        self.check_starts_anew("CLUSTER {s}.t USING backwards")

    def test_truncate(self):
        self.check_starts_anew("TRUNCATE {s}.t", "INSERT INTO {s}.t SELECT i, 1, '' FROM generate_series(500, 1500) i")

    def test_truncate_and_nothing_after_it(self):
        self.check_starts_anew("TRUNCATE {s}.t")

    def test_alter_table(self):
        self.check_starts_anew("ALTER TABLE {s}.t ALTER n TYPE bigint")

    def test_dropped_and_made_again(self):
        self.check_starts_anew("DROP TABLE {s}.t", TABLE, "DELETE FROM {s}.t WHERE id < 100",
                               why="the part of the table that it had come to is gone")

    def test_swapped_for_another_table(self):
        self.check_starts_anew(
            "CREATE TABLE {s}.u (LIKE {s}.t INCLUDING ALL); INSERT INTO {s}.u SELECT id + 5, n, pad FROM {s}.t;"
            "ALTER TABLE {s}.t RENAME TO old; ALTER TABLE {s}.u RENAME TO t",
            why="the part of the table that it had come to is gone")

    def test_a_server_with_another_history(self):
        state = self.cut_off(9)
        bookmark = self.bookmark(state, "t")
        bookmark["copy"]["snapshot"] = "4000000000:4000000000:"
        state = {"bookmarks": {self.id_of("t"): bookmark}}
        self.check_anew(self.go_on(state), state, "the server has another history")

    def test_a_position_that_is_none(self):
        good = self.bookmark(self.cut_off(9), "t")
        for wrong in (5, None, [], {}, {**good["copy"], "snapshot": "x"}, {**good["copy"], "position": "here"},
                      {**good["copy"], "leaf": "t"}, {**good["copy"], "relfilenode": -1}, {**good["copy"], "done": [None]},
                      {**good["copy"], "position": "(1,99999999)"}):
            with self.subTest(copy=wrong):
                state = {"bookmarks": {self.id_of("t"): {**good, "copy": wrong}}}
                self.check_anew(self.go_on(state), state)


class WaitingForTheLockTest(ResumeTest):
    """Another session holds the table when the tap gets to it, and leaves another file behind."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE + "CREATE INDEX backwards ON {s}.t ((-id))")

    def run_behind(self, statements, state=None, table="t"):
        """A run that has to wait until another session has done this."""
        catalog = self.catalog("t")
        with self.session().cursor() as holder:
            holder.execute(f"BEGIN; LOCK TABLE {self.schema}.{table}")
            running = self.pipeline(catalog, state)
            until(lambda: self.sql("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{s}.%s'::regclass" % table),
                  "the tap does not wait for the table")
            holder.execute(statements.replace("{s}", self.schema))
            holder.execute("COMMIT")
            outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log + outcome.target_log)
        self.check_equal("t", extra_allowed=state is not None)

    def test_a_table_that_is_loaded_anew(self):
        self.run_behind("TRUNCATE {s}.t; INSERT INTO {s}.t SELECT i, 7, 'new' FROM generate_series(1, 500) i")

    def test_a_table_that_is_altered(self):
        self.run_behind("ALTER TABLE {s}.t ALTER n TYPE bigint")

    def test_a_resumed_copy_of_a_table_that_is_clustered(self):
        self.run_behind("CLUSTER {s}.t USING backwards", self.cut_off(9))

    def test_a_resumed_copy_of_a_table_that_is_loaded_anew(self):
        self.run_behind("TRUNCATE {s}.t; INSERT INTO {s}.t SELECT i, 7, 'new' FROM generate_series(1, 500) i",
                        self.cut_off(9))

    def test_a_leaf_that_is_loaded_anew(self):
        self.sql("DROP TABLE {s}.t;" + PARTITIONED)
        self.run_behind("TRUNCATE {s}.t2; INSERT INTO {s}.t2 SELECT i, 2, 7 FROM generate_series(2000, 2500) i",
                        table="t2")


class LeavesTest(ResumeTest):
    """Partitions are read in the order of their OIDs: t1, t2, t3 of 333 rows each; `early` is older than them."""

    def setUp(self):
        super().setUp()
        self.sql(PARTITIONED)

    def in_t2(self):
        """Cut off when t1 is done and t2 is not."""
        state = self.cut_off(10)
        copy = self.bookmark(state, "t")["copy"]
        oids = dict(self.sql("SELECT relname, oid::bigint FROM pg_class WHERE relnamespace = '{s}'::regnamespace"))
        self.assertEqual((copy["leaf"], copy["done"]), (oids["t2"], [oids["t1"]]))
        self.assertLess(oids["early"], oids["t1"])
        return state

    def check(self, *statements, extra_allowed=False, resumed=True, why=None):
        state = self.in_t2()
        for statement in statements:
            self.sql(statement)
        result = self.go_on(state)
        if resumed:
            self.check_resumed(result, state, extra_allowed)
        else:
            self.check_anew(result, state, why)
        return result

    def test_only_the_rest_comes_if_nothing_has_changed(self):
        result = self.check()
        self.assertEqual(len(self.ids(result)), 999 - 9 * EVERY)

    def test_changes_in_every_leaf(self):
        self.check("UPDATE {s}.t SET n = 1 WHERE id % 10 = 0",
                   "INSERT INTO {s}.t SELECT i, 1 + i % 3, 5 FROM generate_series(2000, 2050) i",
                   "DELETE FROM {s}.t WHERE id % 10 = 1", extra_allowed=True)

    def test_rows_that_move_between_leaves(self):
        self.sql("ALTER TABLE {s}.t DROP CONSTRAINT t_pkey")
        self.check("UPDATE {s}.t SET part = 1, n = 1 WHERE id BETWEEN 900 AND 950",
                   "UPDATE {s}.t SET part = 3, n = 2 WHERE id BETWEEN 1 AND 50",
                   "UPDATE {s}.t SET part = 2, n = 3 WHERE id BETWEEN 800 AND 850", extra_allowed=True)

    def test_a_leaf_attached_that_is_older_than_the_position(self):
        result = self.check("ALTER TABLE {s}.t ATTACH PARTITION {s}.early FOR VALUES IN (0)")
        self.assertLessEqual(set(range(1001, 1021)), set(self.ids(result)))

    def test_a_new_leaf(self):
        self.check("CREATE TABLE {s}.t4 PARTITION OF {s}.t FOR VALUES IN (4); INSERT INTO {s}.t VALUES (4000, 4, 4)")

    def test_a_leaf_split_in_two(self):
        self.check("""BEGIN; ALTER TABLE {s}.t DETACH PARTITION {s}.t3;
                      CREATE TABLE {s}.t3a PARTITION OF {s}.t FOR VALUES IN (3) PARTITION BY RANGE (id);
                      CREATE TABLE {s}.t3a1 PARTITION OF {s}.t3a FOR VALUES FROM (0) TO (500);
                      CREATE TABLE {s}.t3a2 PARTITION OF {s}.t3a FOR VALUES FROM (500) TO (5000);
                      INSERT INTO {s}.t SELECT * FROM {s}.t3; COMMIT""")

    def test_a_leaf_that_is_done_is_detached(self):
        self.check("ALTER TABLE {s}.t DETACH PARTITION {s}.t1", extra_allowed=True)

    def test_a_leaf_that_is_done_is_dropped(self):
        self.check("DROP TABLE {s}.t1", extra_allowed=True)

    def test_a_leaf_that_is_done_is_changed_while_detached(self):
        self.check("ALTER TABLE {s}.t DETACH PARTITION {s}.t1", "UPDATE {s}.t1 SET n = 5 WHERE id < 100",
                   "INSERT INTO {s}.t1 VALUES (5000, 1, 5)", "ALTER TABLE {s}.t ATTACH PARTITION {s}.t1 FOR VALUES IN (1)")

    def test_a_leaf_that_is_done_is_rewritten(self):
        self.check("UPDATE {s}.t1 SET n = 5 WHERE id < 100", "VACUUM FULL {s}.t1")

    def test_a_leaf_that_is_done_is_loaded_anew(self):
        self.check("TRUNCATE {s}.t1", "INSERT INTO {s}.t1 SELECT i, 1, 5 FROM generate_series(1, 300) i",
                   extra_allowed=True)

    def test_a_leaf_that_is_to_come_is_rewritten(self):
        self.check("UPDATE {s}.t3 SET n = 5 WHERE id < 100", "VACUUM FULL {s}.t3")

    def test_the_leaf_of_the_position_is_rewritten(self):
        self.check("VACUUM FULL {s}.t2", resumed=False, why=RewrittenTest.REWRITTEN)

    def test_the_leaf_of_the_position_is_detached(self):
        self.check("ALTER TABLE {s}.t DETACH PARTITION {s}.t2", resumed=False,
                   why="the part of the table that it had come to is gone")

    def test_the_leaf_of_the_position_is_dropped(self):
        self.check("DROP TABLE {s}.t2", resumed=False, why="the part of the table that it had come to is gone")

    def test_cut_off_in_each_leaf(self):
        state, versions = None, set()
        for n in range(6):
            state = self.cut_off(4, state=state)
            versions.add(self.bookmark(state, "t")["version"])
            self.sql(f"UPDATE {{s}}.t SET n = {n} WHERE id % 100 = {n};"
                     f"INSERT INTO {{s}}.t SELECT 3000 + {n}, p, 0 FROM generate_series(1, 3) p")
        result = self.go_on(state)
        self.assertEqual(len(versions), 1)
        self.check_resumed(result, state, extra_allowed=False)

    def test_a_foreign_leaf_comes_whole_again(self):
        self.sql(r"""CREATE EXTENSION file_fdw SCHEMA {s};
                     CREATE SERVER files_of_resume FOREIGN DATA WRAPPER file_fdw;
                     ALTER TABLE {s}.t DROP CONSTRAINT t_pkey;
                     CREATE FOREIGN TABLE {s}.far (id int NOT NULL, part int NOT NULL, n int)
                         SERVER files_of_resume OPTIONS (program 'printf "8000,9,1\n8001,9,1\n"', format 'csv');
                     ALTER TABLE {s}.t ATTACH PARTITION {s}.far FOR VALUES IN (9);
                     CREATE TABLE {s}.t5 PARTITION OF {s}.t FOR VALUES IN (5);
                     INSERT INTO {s}.t SELECT i, 5, 0 FROM generate_series(6000, 6199) i""")
        state = self.cut_off(-3)  # in t5, the last leaf
        self.sql(r"""ALTER FOREIGN TABLE {s}.far OPTIONS (SET program 'printf "8000,9,1\n8001,9,2\n8002,9,1\n"')""")
        result = self.go_on(state)
        self.assertLessEqual({8000, 8001, 8002}, set(self.ids(result)))
        self.check_resumed(result, state)

    def test_heirs(self):
        self.sql("""DROP TABLE {s}.t; CREATE TABLE {s}.t (id int, n int);
                    CREATE TABLE {s}.heir (more int) INHERITS ({s}.t);
                    INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 300) i;
                    INSERT INTO {s}.heir SELECT i, 0, 0 FROM generate_series(301, 600) i""")
        state = self.cut_off(9)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id IN (1, 299, 301, 600); INSERT INTO {s}.heir VALUES (601, 0, 0)")
        result = self.go_on(state)
        self.check_resumed(result, state, extra_allowed=True)


class WithoutPositionTest(ResumeTest):
    """What has no places to go on from starts over."""

    def check_starts_anew(self, between=None):
        state = self.cut_off(9)
        self.assertIsNone(self.bookmark(state, "t").get("copy"))
        if between:
            self.sql(between)
        result = self.go_on(state)
        [activated] = result.of_type("ACTIVATE_VERSION")
        self.assertGreater(activated["version"], self.bookmark(state, "t")["version"])
        self.check_equal("t")

    def test_a_view(self):
        self.sql("CREATE TABLE {s}.base AS SELECT generate_series(1, 600) AS id; CREATE VIEW {s}.t AS SELECT id FROM {s}.base")
        self.check_starts_anew("DELETE FROM {s}.base WHERE id < 100; INSERT INTO {s}.base VALUES (1000)")

    def test_a_foreign_table(self):
        self.sql("""CREATE EXTENSION file_fdw SCHEMA {s}; CREATE SERVER seq FOREIGN DATA WRAPPER file_fdw;
                    CREATE FOREIGN TABLE {s}.t (id int) SERVER seq OPTIONS (program 'seq 600', format 'csv')""")
        self.check_starts_anew("ALTER FOREIGN TABLE {s}.t OPTIONS (SET program 'seq 100 700')")

    def test_a_partitioned_table_of_which_only_the_parent_may_be_read(self):
        self.sql(PARTITIONED + "CREATE ROLE resume_parent LOGIN; GRANT USAGE ON SCHEMA {s} TO resume_parent;"
                               "GRANT SELECT ON {s}.t TO resume_parent")
        self.addCleanup(self.sql, "DROP OWNED BY resume_parent; DROP ROLE resume_parent")
        self.config["user"] = "resume_parent"
        self.check_starts_anew("DELETE FROM {s}.t WHERE id < 100; UPDATE {s}.t SET n = 1 WHERE id = 900")


class MaterializedViewTest(ResumeTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.base AS SELECT generate_series(1, 600) AS id;"
                 "CREATE MATERIALIZED VIEW {s}.t AS SELECT id FROM {s}.base; CREATE UNIQUE INDEX ON {s}.t (id)")
        self.catalog_of_t = self.catalog("t")
        tap.metadata(tap.stream(self.catalog_of_t, "t"))["view-key-properties"] = ["id"]

    def check_end(self, result, version):
        self.assertEqual(self.bookmark(result.states[-1], "t"), {"last_replication_method": "FULL_TABLE",
                                                                 "version": version})

    def test_it_goes_on(self):
        state = self.cut_off(9, self.catalog_of_t)
        result = self.go_on(state, self.catalog_of_t)
        self.assertEqual(self.ids(result), list(range(401, 601)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_refreshed(self):
        state = self.cut_off(9, self.catalog_of_t)
        self.sql("DELETE FROM {s}.base WHERE id < 100; REFRESH MATERIALIZED VIEW {s}.t")
        self.check_anew(self.go_on(state, self.catalog_of_t), state, RewrittenTest.REWRITTEN)

    def test_refreshed_concurrently(self):
        state = self.cut_off(9, self.catalog_of_t)
        self.sql("DELETE FROM {s}.base WHERE id < 100; INSERT INTO {s}.base VALUES (1000)")
        self.sql("REFRESH MATERIALIZED VIEW CONCURRENTLY {s}.t")
        result = self.go_on(state, self.catalog_of_t)
        self.check_resumed(result, state)
        self.assertIn(1000, self.ids(result))


class PythonXminTest(ResumeTest):
    """The Python tap reads in the order of xmin and leaves the last one in its state."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, n int)")
        for first in range(1, 1000, 100):  # a transaction each
            self.sql(f"INSERT INTO {{s}}.t SELECT i, 0 FROM generate_series({first}, {first + 99}) i")

    def python_run(self, rows):
        """What a Python tap that was cut off after so many rows has left: its messages in the target, and its state."""
        result = self.sync(self.catalog("t"))
        order = [ident for ident, in self.sql("SELECT id FROM {s}.t ORDER BY age(xmin) DESC, id")]
        [(xmin,)] = self.sql(f"SELECT xmin::text::bigint FROM {{s}}.t WHERE id = {order[rows - 1]}")
        lines = dict(zip([m.get("record", {}).get("id", m["type"]) for m in result.messages],
                         result.stdout.splitlines(keepends=True)))
        self.give_target([lines["SCHEMA"], *[lines[ident] for ident in order[:rows]], lines["STATE"]])
        version = result.of_type("ACTIVATE_VERSION")[0]["version"]
        return {"bookmarks": {self.id_of("t"): {"last_replication_method": "FULL_TABLE", "version": version,
                                                "xmin": xmin}}, "currently_syncing": self.id_of("t")}

    def test_rows_from_that_xmin_on_come_in_the_same_version(self):
        state = self.python_run(450)
        result = self.go_on(state)
        self.assertEqual(self.ids(result), list(range(401, 1001)))
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "RECORD"])
        self.check_resumed(result, state, extra_allowed=False)

    def test_changes_meanwhile(self):
        state = self.python_run(450)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id IN (5, 700); DELETE FROM {s}.t WHERE id IN (6, 701);"
                 "INSERT INTO {s}.t VALUES (2000, 0)")
        result = self.go_on(state)
        self.assertEqual(sorted(self.ids(result)), [5, *[i for i in range(401, 1001) if i != 701], 2000])
        self.check_resumed(result, state)

    def test_cut_off_again(self):
        state = self.python_run(450)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id IN (5, 700)")
        again = self.cut_off(5, state=state)
        self.assertEqual(self.bookmark(again, "t")["version"], self.bookmark(state, "t")["version"])
        self.sql("UPDATE {s}.t SET n = 2 WHERE id IN (7, 450, 900)")
        result = self.go_on(again)
        self.check_resumed(result, state, extra_allowed=False)

    def test_of_a_partitioned_table(self):
        self.sql("DROP TABLE {s}.t;" + PARTITIONED)
        state = self.python_run(999)
        self.sql("UPDATE {s}.t SET n = 1 WHERE id % 100 = 0; INSERT INTO {s}.t VALUES (5000, 2, 2)")
        result = self.go_on(state)
        self.check_resumed(result, state, extra_allowed=False)

    def test_null_is_a_copy_that_was_finished(self):
        state = self.python_run(450)
        state["bookmarks"][self.id_of("t")]["xmin"] = None
        result = self.go_on(state)
        self.assertEqual(len(self.ids(result)), 1000)
        self.check_anew(result, state)


if __name__ == "__main__":
    unittest.main()

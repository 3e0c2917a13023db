"""Interrupted full-table copies of partitioned tables resume partition by partition."""

import unittest

from support.resume import PARTITIONED, REWRITTEN, ResumeTest


class PartitionsTest(ResumeTest):
    """Partitions are read in OID order: t1, t2 and t3 with 333 rows each; `early` is older."""

    def setUp(self):
        super().setUp()
        self.sql(PARTITIONED)

    def interrupt_in_t2(self):
        """Interrupts the copy when t1 is finished and t2 is not."""
        state = self.interrupt_after(10)
        copy = self.bookmark(state, "t")["copy"]
        oids = dict(
            self.sql(
                "SELECT relname, oid::bigint FROM pg_class WHERE relnamespace = '{s}'::regnamespace"
            )
        )
        self.assertEqual((copy["leaf"], copy["done"]), (oids["t2"], [oids["t1"]]))
        self.assertLess(oids["early"], oids["t1"])
        return state

    def check(self, *statements, extra_allowed=False, resumed=True, why=None):
        state = self.interrupt_in_t2()
        for statement in statements:
            self.sql(statement)
        result = self.resume(state)
        if resumed:
            self.check_resumed(result, state, extra_allowed)
        else:
            self.check_restarted(result, state, why)
        return result

    def test_only_the_rest_is_sent(self):
        result = self.check()
        self.assertEqual(len(self.ids(result)), 999 - self.sent)

    def test_changes_in_every_partition(self):
        self.check(
            "UPDATE {s}.t SET n = 1 WHERE id % 10 = 0",
            "INSERT INTO {s}.t SELECT i, 1 + i % 3, 5 FROM generate_series(2000, 2050) i",
            "DELETE FROM {s}.t WHERE id % 10 = 1",
            extra_allowed=True,
        )

    def test_rows_that_move_between_partitions(self):
        self.sql("ALTER TABLE {s}.t DROP CONSTRAINT t_pkey")
        self.check(
            "UPDATE {s}.t SET part = 1, n = 1 WHERE id BETWEEN 900 AND 950",
            "UPDATE {s}.t SET part = 3, n = 2 WHERE id BETWEEN 1 AND 50",
            "UPDATE {s}.t SET part = 2, n = 3 WHERE id BETWEEN 800 AND 850",
            extra_allowed=True,
        )

    def test_attached_partition_older_than_the_position(self):
        result = self.check("ALTER TABLE {s}.t ATTACH PARTITION {s}.early FOR VALUES IN (0)")
        self.assertLessEqual(set(range(1001, 1021)), set(self.ids(result)))

    def test_new_partition(self):
        self.check(
            "CREATE TABLE {s}.t4 PARTITION OF {s}.t FOR VALUES IN (4); INSERT INTO {s}.t VALUES "
            "(4000, 4, 4)"
        )

    def test_partition_split(self):
        self.check(
            """BEGIN; ALTER TABLE {s}.t DETACH PARTITION {s}.t3;
                      CREATE TABLE {s}.t3a PARTITION OF {s}.t FOR VALUES IN (3)
                        PARTITION BY RANGE (id);
                      CREATE TABLE {s}.t3a1 PARTITION OF {s}.t3a FOR VALUES FROM (0) TO (500);
                      CREATE TABLE {s}.t3a2 PARTITION OF {s}.t3a FOR VALUES FROM (500) TO (5000);
                      INSERT INTO {s}.t SELECT * FROM {s}.t3; COMMIT"""
        )

    def test_finished_partition_detached(self):
        self.check("ALTER TABLE {s}.t DETACH PARTITION {s}.t1", extra_allowed=True)

    def test_finished_partition_dropped(self):
        self.check("DROP TABLE {s}.t1", extra_allowed=True)

    def test_finished_partition_changed_while_detached(self):
        self.check(
            "ALTER TABLE {s}.t DETACH PARTITION {s}.t1",
            "UPDATE {s}.t1 SET n = 5 WHERE id < 100",
            "INSERT INTO {s}.t1 VALUES (5000, 1, 5)",
            "ALTER TABLE {s}.t ATTACH PARTITION {s}.t1 FOR VALUES IN (1)",
        )

    def test_finished_partition_rewritten(self):
        self.check("UPDATE {s}.t1 SET n = 5 WHERE id < 100", "VACUUM FULL {s}.t1")

    def test_finished_partition_reloaded(self):
        self.check(
            "TRUNCATE {s}.t1",
            "INSERT INTO {s}.t1 SELECT i, 1, 5 FROM generate_series(1, 300) i",
            extra_allowed=True,
        )

    def test_pending_partition_rewritten(self):
        self.check("UPDATE {s}.t3 SET n = 5 WHERE id < 100", "VACUUM FULL {s}.t3")

    def test_current_partition_rewritten(self):
        self.check("VACUUM FULL {s}.t2", resumed=False, why=REWRITTEN)

    def test_current_partition_detached(self):
        self.check(
            "ALTER TABLE {s}.t DETACH PARTITION {s}.t2",
            resumed=False,
            why="the table or partition where it stopped is gone",
        )

    def test_current_partition_dropped(self):
        self.check(
            "DROP TABLE {s}.t2",
            resumed=False,
            why="the table or partition where it stopped is gone",
        )

    def test_interrupted_in_each_partition(self):
        state, versions = None, set()
        for n in range(6):
            state = self.interrupt_after(4, state=state)
            versions.add(self.bookmark(state, "t")["version"])
            self.sql(
                f"UPDATE {{s}}.t SET n = {n} WHERE id % 100 = {n};"
                f"INSERT INTO {{s}}.t SELECT 3000 + {n}, p, 0 FROM generate_series(1, 3) p"
            )
        result = self.resume(state)
        self.assertEqual(len(versions), 1)
        self.check_resumed(result, state, extra_allowed=False)

    def test_foreign_partition_is_resent(self):
        self.sql(
            r"""CREATE EXTENSION file_fdw SCHEMA {s};
                     CREATE SERVER files_of_resume FOREIGN DATA WRAPPER file_fdw;
                     ALTER TABLE {s}.t DROP CONSTRAINT t_pkey;
                     CREATE FOREIGN TABLE {s}.far (id int NOT NULL, part int NOT NULL, n int)
                         SERVER files_of_resume
                           OPTIONS (program 'printf "8000,9,1\n8001,9,1\n"', format 'csv');
                     ALTER TABLE {s}.t ATTACH PARTITION {s}.far FOR VALUES IN (9);
                     CREATE TABLE {s}.t5 PARTITION OF {s}.t FOR VALUES IN (5)
                         WITH (fillfactor = 14);
                     INSERT INTO {s}.t SELECT i, 5, 0 FROM generate_series(6000, 6199) i"""
        )
        state = self.interrupt_after(-3)  # in t5, the last partition
        self.sql(
            r"""ALTER FOREIGN TABLE {s}.far
                  OPTIONS (SET program 'printf "8000,9,1\n8001,9,2\n8002,9,1\n"')"""
        )
        result = self.resume(state)
        self.assertLessEqual({8000, 8001, 8002}, set(self.ids(result)))
        self.check_resumed(result, state)

    def test_child_tables(self):
        self.sql(
            """DROP TABLE {s}.t; CREATE TABLE {s}.t (id int, n int) WITH (fillfactor = 12);
                    CREATE TABLE {s}.child (more int) INHERITS ({s}.t) WITH (fillfactor = 14);
                    INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 300) i;
                    INSERT INTO {s}.child SELECT i, 0, 0 FROM generate_series(301, 600) i"""
        )
        state = self.interrupt_after(9)
        self.sql(
            "UPDATE {s}.t SET n = 1 WHERE id IN (1, 299, 301, 600); INSERT INTO {s}.child VALUES "
            "(601, 0, 0)"
        )
        result = self.resume(state)
        self.check_resumed(result, state, extra_allowed=True)


if __name__ == "__main__":
    unittest.main()

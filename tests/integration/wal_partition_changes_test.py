"""Partitions attached, detached or dropped between two runs leave a gap, which is reported."""

import unittest

from support.wal_case import WalTest, warnings

ROOT = """CREATE TABLE {s}.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
          CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
          CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
          INSERT INTO {s}.t VALUES (1, 1), (2, 2);"""
OTHER = (
    "CREATE TABLE {s}.t3 (id int, part int, PRIMARY KEY (id, part)); INSERT INTO {s}.t3 VALUES "
    "(3, 3);"
)
ATTACH = "ALTER TABLE {s}.t ATTACH PARTITION {s}.t3 FOR VALUES IN (3);"


class PartitionChangesTest(WalTest):
    database = "wal_partition_changes"

    def setUp(self):
        super().setUp()
        self.require_version(11, "partitioned tables have primary keys")

    def attached(self, *names):
        stream = self.id_of("t")
        return (
            f"{stream}: tables were attached since the last run ({self.quoted(names)}): the rows "
            "that they had before are not read from WAL; if they had any, run once with "
            f"--full-refresh {stream}"
        )

    def partitions_warning(self, what):
        stream = self.id_of("t")
        return (
            f"{stream}: partitions were detached or dropped since the last run ({what}): their "
            f"rows stay in the target; to remove them, run once with --full-refresh {stream}"
        )

    def quoted(self, names):
        return ", ".join(f'"{self.schema}"."{name}"' for name in names)

    def warnings(self, *args):
        """The warnings of a run; the next run must have none."""
        found = warnings(self.follow(*args))
        self.assertEqual(warnings(self.follow()), [])
        return found

    def test_attached_table(self):
        self.sql(ROOT + OTHER)
        self.initial_snapshot("t")
        self.sql(ATTACH)
        self.assertEqual(self.warnings(), [self.attached("t3")])
        self.follow("--full-refresh", self.id_of("t"))
        self.check_equal("t")

    def test_attached_after_runs_that_read_wal(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql(OTHER)
        self.assertEqual(self.warnings(), [])
        self.sql(ATTACH)
        self.assertEqual(self.warnings(), [self.attached("t3")])

    def test_first_partition(self):
        for copied in (True, False):
            with self.subTest(copied_by_the_last_run=copied):
                self.sql(
                    "DROP TABLE IF EXISTS {s}.t; CREATE TABLE {s}.t (id int, part int, PRIMARY KEY "
                    "(id, part)) PARTITION BY LIST (part);" + OTHER
                )
                self.state = None
                self.initial_snapshot("t")
                if not copied:
                    self.follow()
                self.sql(ATTACH)
                self.assertEqual(self.warnings(), [self.attached("t3")])

    def test_first_partition_created_between_runs(self):
        self.sql(
            "CREATE TABLE {s}.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)"
        )
        self.initial_snapshot("t")
        self.sql(OTHER)
        self.sql(ATTACH)
        self.assertEqual(warnings(self.follow()), [])
        self.check_equal("t")

    def test_attached_partitioned_table(self):
        self.sql(
            ROOT
            + """CREATE TABLE {s}.t3 (id int, part int, PRIMARY KEY (id, part))
              PARTITION BY RANGE (id);
                           CREATE TABLE {s}.t30 PARTITION OF {s}.t3 DEFAULT;
                           INSERT INTO {s}.t3 VALUES (3, 3)"""
        )
        self.initial_snapshot("t")
        self.sql(ATTACH)
        self.assertEqual(self.warnings(), [self.attached("t30")])

    def test_created_and_attached_between_runs(self):
        """All rows are in WAL after the bookmark."""
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.follow()
        self.sql(OTHER)
        self.sql(ATTACH)
        self.assertEqual(warnings(self.follow()), [])
        self.check_equal("t")

    def test_created_as_partition(self):
        """The usual daily partition, with and without a run in between."""
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql(
            "CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3); INSERT INTO {s}.t VALUES "
            "(3, 3)"
        )
        self.assertEqual(self.warnings(), [])
        self.sql("CREATE TABLE {s}.t4 PARTITION OF {s}.t FOR VALUES IN (4) PARTITION BY RANGE (id)")
        self.sql(
            "CREATE TABLE {s}.t40 PARTITION OF {s}.t4 DEFAULT; INSERT INTO {s}.t VALUES (4, 4)"
        )
        self.assertEqual(self.warnings(), [])
        self.check_equal("t")

    def test_detached_and_dropped(self):
        self.sql(ROOT + "CREATE TABLE {s}.t5 PARTITION OF {s}.t FOR VALUES IN (5)")
        self.initial_snapshot("t")
        self.sql("ALTER TABLE {s}.t DETACH PARTITION {s}.t1; DROP TABLE {s}.t5")
        self.assertEqual(
            self.warnings(), [self.partitions_warning(self.quoted(["t1"]) + ", 1 dropped")]
        )

    def test_renamed_partition(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql("ALTER TABLE {s}.t1 RENAME TO other")
        self.assertEqual(self.warnings(), [])

    def test_child_table(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.t3 (id int PRIMARY KEY); "
            "INSERT INTO {s}.t3 VALUES (3)"
        )
        self.initial_snapshot("t")
        self.assertNotIn("partitions_xid", self.bookmark(self.state, "t"))
        self.sql("ALTER TABLE {s}.t3 INHERIT {s}.t")
        self.assertEqual(self.warnings(), [self.attached("t3")])
        self.sql("ALTER TABLE {s}.t3 NO INHERIT {s}.t")
        self.assertEqual(self.warnings(), [self.partitions_warning(self.quoted(["t3"]))])

    def test_bookmark_of_an_earlier_version(self):
        self.sql(ROOT + OTHER)
        self.initial_snapshot("t")
        self.sql(ATTACH)
        self.state = self.state.replace('"partitions"', '"something"')
        self.assertEqual(self.warnings(), [])


if __name__ == "__main__":
    unittest.main()

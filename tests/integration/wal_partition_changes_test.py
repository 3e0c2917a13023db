"""Partitions attached, detached or dropped between two runs leave a gap, which is reported."""

import unittest

from support.wal_case import WalTest, warnings

ROOT = """CREATE TABLE {s}.t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
          CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
          CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
          INSERT INTO {s}.t VALUES (1, 1), (2, 2);"""
EMPTY = "CREATE TABLE {s}.t3 (id int, part int, PRIMARY KEY (id, part));"
OTHER = EMPTY + "INSERT INTO {s}.t3 VALUES (3, 3);"
ATTACH = "ALTER TABLE {s}.t ATTACH PARTITION {s}.t3 FOR VALUES IN (3);"


class PartitionChanges(WalTest):
    """What runs say about changes of partitions."""

    def setUp(self):
        super().setUp()
        self.require_version(11, "partitioned tables have primary keys")

    def attached_with_rows(self, *names):
        stream = self.id_of("t")
        return (
            f"stream {stream}: tables were attached since the last run with rows that are not read "
            f"from WAL ({self.quoted(names)}); restart the stream with --full-refresh {stream}\n"
        )

    def check_failure(self, *names):
        """The stream fails, in each run, until it is refreshed."""
        for _ in range(2):
            failed = self.follow(expect=1)
            self.assertIn("ERROR " + self.attached_with_rows(*names), failed.stderr)
        self.follow("--full-refresh", self.id_of("t"))
        self.check_equal("t")

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


class PartitionChangesTest(PartitionChanges):
    database = "wal_partition_changes"

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


class PublishedPartitionsTest(PartitionChanges):
    """pgoutput sends nothing of tables before they are attached to the published one."""

    database = "wal_published_partitions"

    def setUp(self):
        super().setUp()
        self.require_version(13, "partitioned tables are published")
        self.sql(ROOT)
        self.config["publication_name"] = self.schema
        self.config["replication_slot"] = self.schema + "_published"
        self.sql("CREATE PUBLICATION {s} FOR TABLE {s}.t")
        self.sql("SELECT pg_create_logical_replication_slot('{s}_published', 'pgoutput')")
        self.addCleanup(self.drop_slot, self.schema + "_published")
        self.initial_snapshot("t")
        self.follow()

    def test_created_and_attached(self):
        for what, transactions in {
            "in one transaction": [OTHER + ATTACH],
            "in several": [OTHER, ATTACH],
            "in a block of PL/pgSQL": [f"DO $$ BEGIN {OTHER} {ATTACH} END $$"],
            "created in a subtransaction": [
                f"DO $$ BEGIN BEGIN {OTHER} EXCEPTION WHEN division_by_zero THEN END; {ATTACH}"
                " END $$"
            ],
        }.items():
            with self.subTest(what):
                for transaction in transactions:
                    self.sql(transaction)
                if "subtransaction" in what:
                    self.assertEqual(self.warnings(), [self.attached("t3")])
                else:
                    self.check_failure("t3")
                self.sql("DROP TABLE {s}.t3")
                self.follow()

    def test_split_of_the_default_partition(self):
        self.sql(
            "CREATE TABLE {s}.rest PARTITION OF {s}.t DEFAULT;"
            "INSERT INTO {s}.t VALUES (3, 3), (4, 4)"
        )
        self.assertEqual(self.warnings(), [])
        self.sql(
            "CREATE TABLE {s}.t3 (LIKE {s}.t INCLUDING ALL);"
            "WITH moved AS (DELETE FROM {s}.rest WHERE part = 3 RETURNING *)"
            " INSERT INTO {s}.t3 SELECT * FROM moved;" + ATTACH
        )
        self.check_failure("t3")

    def test_attached_tree(self):
        self.sql(
            "CREATE TABLE {s}.t3 (id int, part int, PRIMARY KEY (id, part))"
            " PARTITION BY RANGE (id);"
            "CREATE TABLE {s}.t30 PARTITION OF {s}.t3 DEFAULT; INSERT INTO {s}.t3 VALUES (3, 3);"
            + ATTACH
        )
        self.check_failure("t30")

    def test_empty_table_is_attached_and_filled(self):
        """As the extension pg_partman does it."""
        self.sql(
            "CREATE TABLE {s}.t3 (LIKE {s}.t INCLUDING ALL);"
            + ATTACH
            + "INSERT INTO {s}.t VALUES (3, 3); INSERT INTO {s}.t3 VALUES (4, 3);"
        )
        self.assertEqual(self.warnings(), [])
        self.check_equal("t")

    def test_row_of_an_older_transaction(self):
        """It was written after the attachment, but has a smaller transaction ID."""
        older = self.session().cursor()
        older.execute("BEGIN; CREATE TEMPORARY TABLE any_change ()")
        self.sql(EMPTY)
        self.sql(ATTACH)
        older.execute(f"INSERT INTO {self.schema}.t VALUES (3, 3); COMMIT")
        self.assertEqual(self.warnings(), [self.attached("t3")])
        self.check_equal("t")

    def test_row_that_a_rolled_back_transaction_deleted(self):
        self.sql(EMPTY + ATTACH + "INSERT INTO {s}.t VALUES (3, 3)")
        self.sql("BEGIN; DELETE FROM {s}.t3; ROLLBACK")
        self.assertEqual(self.warnings(), [self.attached("t3")])
        self.check_equal("t")

    def test_attached_table_that_was_published(self):
        self.sql(EMPTY)
        self.sql("ALTER PUBLICATION {s} ADD TABLE {s}.t3; INSERT INTO {s}.t3 VALUES (3, 3)")
        self.sql(ATTACH)
        self.assertEqual(self.warnings(), [self.attached("t3")])
        self.check_equal("t")

    def test_attached_and_left_empty(self):
        self.sql(EMPTY + ATTACH)
        self.assertEqual(self.warnings(), [])

    def test_created_as_partition(self):
        self.sql(
            "CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3);"
            "INSERT INTO {s}.t3 VALUES (3, 3);"
            "CREATE TABLE {s}.t4 PARTITION OF {s}.t (id DEFAULT 1, part DEFAULT 4)"
            " FOR VALUES IN (4) PARTITION BY RANGE (id);"
            "CREATE TABLE {s}.t40 PARTITION OF {s}.t4 DEFAULT;"
            "INSERT INTO {s}.t VALUES (4, 4)"
        )
        self.assertEqual(self.warnings(), [])
        self.check_equal("t")

    def test_partitions_that_the_role_may_not_read(self):
        """It reads them through the partitioned table, and cannot look into them."""
        self.sql(
            "CREATE ROLE root_reader LOGIN REPLICATION; GRANT USAGE ON SCHEMA {s} TO root_reader;"
            "GRANT SELECT ON {s}.t TO root_reader"
        )
        self.addCleanup(self.sql, "DROP OWNED BY root_reader; DROP ROLE root_reader")
        self.config["user"] = "root_reader"
        self.sql("CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3)")
        self.assertEqual(self.warnings(), [])
        self.sql(OTHER.replace("3", "5") + ATTACH.replace("3", "5"))
        self.assertEqual(self.warnings(), [self.attached("t5")])

    def test_detached_and_attached_again(self):
        again = "ALTER TABLE {s}.t ATTACH PARTITION {s}.t2 FOR VALUES IN (2);"
        stream = self.id_of("t")
        warning = (
            f"{stream}: tables were detached and attached again since the last run "
            f"({self.quoted(['t2'])}): changes made in between are not read from WAL; "
            f"if there were any, run once with --full-refresh {stream}"
        )
        self.sql(
            "ALTER TABLE {s}.t DETACH PARTITION {s}.t2; INSERT INTO {s}.t2 VALUES (22, 2);" + again
        )
        self.assertEqual(self.warnings(), [warning])
        self.follow("--full-refresh", stream)
        self.check_equal("t")


if __name__ == "__main__":
    unittest.main()

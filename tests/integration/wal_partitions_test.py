"""WAL names partitions; the stream is the partitioned table."""

import unittest

from support import tap
from support.wal_case import WalTest, changes, warnings
from support.proxy import Proxy
from support.plugins import for_wal2json

BOTH = (1, 2)  # format-version of wal2json
ROOT = """CREATE TABLE {s}.t (id int, part int, a text, PRIMARY KEY (id, part))
            PARTITION BY LIST (part);
          CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1);
          CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
          INSERT INTO {s}.t VALUES (1, 1, 'a'), (2, 2, 'b');"""


def records(result):
    return [(m["stream"], m["record"]["id"]) for m in result.of_type("RECORD")]


class WalPartitionsTest(WalTest):
    database = "wal_partitions"

    def setUp(self):
        super().setUp()
        self.require_version(11, "partitioned tables have primary keys")

    def test_changes_of_all_partitions(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (3, 1), (4, 2)")
        self.sql(
            "INSERT INTO {s}.t1 VALUES (5, 1); UPDATE {s}.t SET a = 'x' WHERE id = 2; DELETE FROM "
            "{s}.t WHERE id = 1"
        )
        for form in BOTH:
            self.assertEqual(
                records(self.sync(self.selected, self.state, wal2json_message_format=form)),
                [("t", 3), ("t", 4), ("t", 5), ("t", 2), ("t", 1)],
            )
        self.assertEqual(list(self.check_followed("t").schemas()), ["t"])

    def test_row_that_moves_to_another_partition(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql("UPDATE {s}.t SET part = 3 - part")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(
                [record["_sdc_deleted_at"] is None for record in result.records()].count(True), 2
            )
        self.check_followed("t")

    def test_key_without_the_partition_key(self):
        """A row that moves is a delete and an insert with one key, in this order."""
        self.sql(
            """CREATE TABLE {s}.t (id int NOT NULL, part int, a text) PARTITION BY LIST (part);
                    CREATE TABLE {s}.t1 PARTITION OF {s}.t (PRIMARY KEY (id)) FOR VALUES IN (1);
                    CREATE TABLE {s}.t2 PARTITION OF {s}.t (PRIMARY KEY (id)) FOR VALUES IN (2);
                    INSERT INTO {s}.t VALUES (1, 1, 'a'), (2, 2, 'b')"""
        )
        self.selected = self.catalog("t", method="LOG_BASED")
        tap.metadata(tap.stream(self.selected, "t"))["table-key-properties"] = ["id"]
        self.follow()
        self.sql("UPDATE {s}.t SET part = 3 - part")
        self.sql("DELETE FROM {s}.t WHERE id = 2")
        self.follow()
        self.check_equal("t", keys=["id"])

    def test_partitions_with_another_column_order(self):
        self.sql(
            ROOT
            + """CREATE TABLE {s}.other (a text, gone int, part int NOT NULL, id int NOT NULL);
                           ALTER TABLE {s}.other DROP gone;
                           ALTER TABLE {s}.t ATTACH PARTITION {s}.other FOR VALUES IN (3)"""
        )
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (3, 3, 'c'), (4, 1, 'd'), (5, 3, 'e')")
        self.sql("UPDATE {s}.t SET a = 'x' WHERE part = 3; DELETE FROM {s}.t WHERE id = 5")
        self.check_followed("t")

    def test_nested_partitions(self):
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
                    CREATE TABLE {s}.low PARTITION OF {s}.t FOR VALUES FROM (0) TO (100)
                      PARTITION BY HASH (id);
                    CREATE TABLE {s}.low0 PARTITION OF {s}.low
                      FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                    CREATE TABLE {s}.low1 PARTITION OF {s}.low
                      FOR VALUES WITH (MODULUS 2, REMAINDER 1);
                    CREATE TABLE {s}.rest PARTITION OF {s}.t DEFAULT;
                    INSERT INTO {s}.t SELECT generate_series(95, 105)"""
        )
        self.initial_snapshot("t")
        self.sql(
            "UPDATE {s}.t SET id = id + 30; UPDATE {s}.t SET a = 'x' WHERE id % 2 = 0;"
            "INSERT INTO {s}.t VALUES (1), (2), (3)"
        )
        self.check_followed("t")
        self.sql(
            "CREATE TABLE {s}.high PARTITION OF {s}.t FOR VALUES FROM (1000) TO (2000) PARTITION "
            "BY RANGE (id);"
            "CREATE TABLE {s}.high0 PARTITION OF {s}.high FOR VALUES FROM (1000) TO (1500);"
            "INSERT INTO {s}.t VALUES (1200)"
        )
        self.assertEqual(records(self.check_followed("t")), [("t", 1200)])

    def test_selected_intermediate_partition(self):
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
                    CREATE TABLE {s}.low PARTITION OF {s}.t FOR VALUES FROM (0) TO (100)
                      PARTITION BY HASH (id);
                    CREATE TABLE {s}.low0 PARTITION OF {s}.low
                      FOR VALUES WITH (MODULUS 1, REMAINDER 0);
                    CREATE TABLE {s}.rest PARTITION OF {s}.t DEFAULT"""
        )
        self.initial_snapshot("low")
        self.sql("INSERT INTO {s}.t VALUES (1), (101)")
        self.assertEqual(records(self.check_followed("low")), [("low", 1)])

    def test_partition_selected_besides_its_parent(self):
        self.sql(ROOT)
        self.initial_snapshot("t", "t1")
        self.sql("INSERT INTO {s}.t VALUES (3, 1), (4, 2)")
        self.assertEqual(records(self.check_followed("t", "t1")), [("t1", 3), ("t", 3), ("t", 4)])
        self.sql(
            "CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3); INSERT INTO {s}.t VALUES "
            "(5, 3)"
        )
        self.sql("UPDATE {s}.t SET a = 'new'; DELETE FROM {s}.t WHERE id = 3")
        self.check_followed("t", "t1")

    def test_partition_selected_alone(self):
        self.sql(ROOT)
        self.initial_snapshot("t1")
        self.sql("INSERT INTO {s}.t VALUES (3, 1), (4, 2)")
        self.assertEqual(records(self.check_followed("t1")), [("t1", 3)])

    def test_partitions_created_between_runs(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql(
            "CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3); INSERT INTO {s}.t VALUES "
            "(3, 3)"
        )
        self.sql(
            "BEGIN; CREATE TABLE {s}.t4 PARTITION OF {s}.t FOR VALUES IN (4); INSERT INTO {s}.t "
            "VALUES (4, 4); COMMIT"
        )
        self.check_followed("t")

    def test_detached_and_dropped_partitions(self):
        """WAL does not show whether changes were made before or after the detach."""
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (3, 1), (4, 2)")
        self.sql("ALTER TABLE {s}.t DETACH PARTITION {s}.t1")
        self.sql(
            "INSERT INTO {s}.t1 VALUES (5, 1); DROP TABLE {s}.t2; CREATE TABLE {s}.t3 PARTITION OF "
            "{s}.t DEFAULT;"
            "INSERT INTO {s}.t VALUES (6, 2)"
        )
        result = self.follow()
        self.assertEqual(records(result), [("t", 6)])
        root = self.id_of("t")
        self.assertEqual(
            warnings(result),
            [
                f"{root}: partitions were detached or dropped since the last run "
                f'("{self.schema}"."t1", 1 dropped): their rows stay in '
                f"the target; to remove them, run once with --full-refresh {root}",
                self.lost("t2"),
            ],
        )
        self.check_equal("t", extra_allowed=True)

    def lost(self, partition):
        root = self.id_of("t")
        return (
            f'changes of "{self.schema}"."{partition}" are skipped, since no table has this name '
            f"now; if it was a partition of {root} that was renamed or moved, run once with "
            f"--full-refresh {root}"
        )

    def test_renamed_partition_is_reported(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        self.sql(
            "INSERT INTO {s}.t VALUES (3, 1), (4, 1), (5, 2); UPDATE {s}.t SET a = 'x' WHERE part "
            "= 1"
        )
        self.sql(
            "CREATE TABLE {s}.others (id int, more int); INSERT INTO {s}.others VALUES (1); DROP "
            "TABLE {s}.others"
        )
        self.sql("ALTER TABLE {s}.t1 RENAME TO t1_old; INSERT INTO {s}.t VALUES (6, 1)")
        result = self.follow()
        self.assertEqual(records(result), [("t", 5), ("t", 6)])
        self.assertEqual(warnings(result), [self.lost("t1")])
        self.follow("--full-refresh", self.id_of("t"))
        self.check_equal("t")

    def test_partitions_attached_while_following(self):
        self.sql(ROOT)
        self.initial_snapshot("t")
        for form in BOTH:
            with self.subTest(form=form):
                running = self.start(
                    self.selected, self.state, break_at_end_lsn=False, wal2json_message_format=form
                )

                def read_until_id(number, running=running):
                    running.read_until(
                        lambda message: message.get("record", {}).get("id") == number
                    )

                # It belongs to no stream; the tap looks that up.
                self.sql(
                    f"CREATE TABLE {{s}}.new{form} (id int, part int, a text, PRIMARY KEY (id, "
                    "part));"
                    f"INSERT INTO {{s}}.new{form} VALUES (-1, {form + 10})"
                )
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}1, 1)")
                read_until_id(form * 10 + 1)
                self.sql(
                    f"ALTER TABLE {{s}}.t ATTACH PARTITION {{s}}.new{form} FOR VALUES IN "
                    f"({form + 10})"
                )
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}2, {form + 10})")
                read_until_id(form * 10 + 2)
                self.sql(
                    f"BEGIN; CREATE TABLE {{s}}.made{form} PARTITION OF {{s}}.t FOR VALUES IN "
                    f"({form + 20});"
                    f"INSERT INTO {{s}}.t VALUES ({form}3, {form + 20}); COMMIT"
                )
                read_until_id(form * 10 + 3)
                running.signal(15)
                *_, last = running.read_rest()
                self.assertEqual(running.wait(), 128 + 15)
                self.state = last["value"]

    def test_other_tables_are_skipped(self):
        self.sql(ROOT + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        self.sql(
            "INSERT INTO {s}.u SELECT generate_series(1, 1000); INSERT INTO {s}.t VALUES (3, 1);"
            "INSERT INTO {s}.u VALUES (0)"
        )
        result = self.follow("-v")
        self.check_equal("t")
        self.assertEqual(records(result), [("t", 3)])
        # One query per table, not per change: all of WAL was written before the query.
        self.assertEqual(result.stderr.count("i.inhrelid = tree.oid"), 1)

    def test_unselected_tables_without_transaction_ids(self):
        """One query per table up to the end of WAL, not two per change."""
        self.sql(ROOT + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        for number in range(20):
            self.sql(f"INSERT INTO {{s}}.u VALUES ({2 * number}), ({2 * number + 1})")
        self.sql("INSERT INTO {s}.t VALUES (3, 1)")
        with Proxy(self.server.port) as proxy:
            proxy.replace_sent(b"\"include-xids\" 'true'", b"\"include-pk\" 'false' ")
            for form in (1, 2):
                result = self.sync(
                    self.selected, self.state, "-v", port=proxy.port, wal2json_message_format=form
                )
                self.assertEqual(records(result), [("t", 3)])
                self.assertEqual(result.stderr.count("i.inhrelid = tree.oid"), 1)

    def test_child_tables(self):
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, a text);
                    CREATE TABLE {s}.kid (b int, PRIMARY KEY (id)) INHERITS ({s}.t);
                    CREATE TABLE {s}.grandkid (PRIMARY KEY (id)) INHERITS ({s}.kid);
                    INSERT INTO {s}.t VALUES (1, 'a'); INSERT INTO {s}.kid VALUES (2, 'b', 2);
                    INSERT INTO {s}.grandkid VALUES (3)"""
        )
        self.initial_snapshot("t")
        self.sql(
            "INSERT INTO {s}.t VALUES (4); INSERT INTO {s}.kid VALUES (5, 'k', 5);"
            "INSERT INTO {s}.grandkid VALUES (6, 'g', 6);"
            "UPDATE {s}.t SET a = 'x' WHERE id < 4; DELETE FROM {s}.t WHERE id = 2"
        )
        result = self.check_followed("t")
        self.assertEqual(records(result), [("t", i) for i in (4, 5, 6, 1, 2, 3, 2)])

    def test_child_table_with_own_columns(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.kid (b int, PRIMARY KEY "
            "(id)) INHERITS ({s}.t)"
        )
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.kid VALUES (1, 2), (2, 3); UPDATE {s}.kid SET b = 5 WHERE id = 1")
        result = self.check_followed("t", tap_id="x")
        self.assertEqual(changes(result), [{"id": i, "_sdc_deleted_at": None} for i in (1, 2, 1)])
        self.assertEqual((warnings(result), result.types.count("SCHEMA")), ([], 1))

    @for_wal2json  # publications_test has those of pgoutput
    def test_partitions_without_identity_are_reported(self):
        self.sql(
            """CREATE TABLE {s}.t (id int NOT NULL, part int) PARTITION BY LIST (part);
                    CREATE TABLE {s}.t1 PARTITION OF {s}.t (PRIMARY KEY (id)) FOR VALUES IN (1);
                    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2)"""
        )
        self.initial_snapshot("t")
        self.assertEqual(
            warnings(self.follow()),
            [
                f'{self.id_of("t")}: updates and deletes of "{self.schema}"."t2" are not in WAL, '
                "because it has no replica identity: give it a primary key, or ALTER TABLE "
                f'"{self.schema}"."t2" REPLICA IDENTITY FULL, then run once with --full-refresh '
                f"{self.id_of('t')}"
            ],
        )


if __name__ == "__main__":
    unittest.main()

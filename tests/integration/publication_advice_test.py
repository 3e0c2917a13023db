"""Advice on publications breaks nothing: UPDATE and DELETE of all members work after it."""

import unittest

from publications_test import PublicationTest
from support.check import ADVICE


class AdviceTest(PublicationTest):
    """Where the server compares row filters with the replica identity of each table."""

    database = "publication_advice"

    def setUp(self):
        super().setUp()
        self.require_version(15, "row filters exist")

    def publish(self, tables, options="", name=None):
        self.in_schema(
            f"CREATE PUBLICATION {name or self.publication} FOR TABLE {tables}"
            + (f" WITH ({options})" if options else "")
        )

    def refused(self, catalog):
        """What `slot create` refuses."""
        error = self.create(catalog, expect=4).stderr
        return error.removeprefix("CRITICAL ").removesuffix(f"{ADVICE}\n")

    def test_updates_are_not_published_beside_a_row_filter(self):
        """The server would refuse UPDATE of the filtered table."""
        self.in_schema(
            "CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v int)"
        )
        self.publish("b WHERE (v > 0)", "publish = 'insert'")
        found = (
            f"publication {self.publication} does not publish {self.table('a')}: publication "
            f"{self.publication} does not publish inserts, updates and deletes of tables that are "
            "added to it: "
        )
        self.assertEqual(
            self.refused(self.catalog("a")), found + "set publication_name to another publication"
        )
        # With the columns of the filter in the replica identity, updates can be published.
        self.sql("ALTER TABLE {s}.b REPLICA IDENTITY FULL")
        fix = (
            f'ALTER PUBLICATION "{self.publication}" SET (publish = '
            "'insert, update, delete, truncate')"
        )
        self.assertEqual(self.refused(self.catalog("a")), f"{found}publish them: {fix}")
        self.sql(fix)
        self.update_all(["a", "b"])

    def test_updates_are_not_published_of_what_is_created_later(self):
        """New tables of a schema and new partitions may have no replica identity."""
        self.in_schema(
            "CREATE TABLE a (id int PRIMARY KEY, v int);"
            "CREATE TABLE r (id int, v int) PARTITION BY LIST (id)"
        )
        for members in (f"TABLES IN SCHEMA {self.schema}", f"TABLE {self.schema}.r"):
            with self.subTest(members):
                self.sql(
                    f"CREATE PUBLICATION {self.publication} FOR {members} WITH (publish = 'insert')"
                )
                refused = self.refused(self.catalog("a"))
                self.assertTrue(
                    refused.endswith(": set publication_name to another publication"), refused
                )
                self.sql(f"DROP PUBLICATION {self.publication}")

    def test_row_filter_outside_the_replica_identity(self):
        self.in_schema("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)")
        catalog = self.catalog("t")
        fix = f"ALTER TABLE {self.table('t')} REPLICA IDENTITY FULL"
        for members in ("t WHERE (v > 0)", f"t WHERE (v > 0), TABLES IN SCHEMA {self.schema}"):
            with self.subTest(members):
                self.publish(members)
                with self.assertRaisesRegex(Exception, "WHERE expression is not part of"):
                    self.update_all(["t"])
                findings = self.findings(catalog, f"stream {self.id_of('t')}", expect=4)
                self.assertIn(
                    f"error the server refuses UPDATE and DELETE of {self.table('t')}, because "
                    f"publication {self.publication} publishes them and its row filter there has "
                    f"columns that are not in its replica identity; {fix}",
                    findings,
                )
                self.sql(fix)
                self.update_all(["t"])
                self.sql("ALTER TABLE {s}.t REPLICA IDENTITY DEFAULT")
                self.sql(f"DROP PUBLICATION {self.publication}")

    def test_new_child_table_gets_the_row_filter(self):
        self.in_schema(
            "CREATE TABLE t (id int PRIMARY KEY, v int);"
            "CREATE TABLE c (PRIMARY KEY (id)) INHERITS (t)"
        )
        self.publish("ONLY t WHERE (id > 2)")
        catalog = self.catalog("t")
        result = self.create(catalog)
        self.assertIn(
            f'INFO changed publications: ALTER PUBLICATION "{self.publication}" ADD TABLE '
            f"{self.table('c')} WHERE ((id > 2))\n",
            result.stderr,
        )
        self.update_all(["t", "c"])
        self.sql("INSERT INTO {s}.t VALUES (1), (3); INSERT INTO {s}.c VALUES (2), (4)")
        result = self.sync(catalog)
        self.assertEqual([record["id"] for record in result.records()], [3, 4])

    def test_child_table_without_the_columns_of_the_row_filter(self):
        self.in_schema(
            "CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY FULL;"
            "CREATE TABLE c (PRIMARY KEY (id)) INHERITS (t); INSERT INTO c VALUES (1, 1)"
        )
        self.publish("ONLY t WHERE (v > 0)")
        catalog = self.catalog("t")
        fix = f"ALTER TABLE {self.table('c')} REPLICA IDENTITY FULL"
        self.assertEqual(
            self.refused(catalog),
            f"publication {self.publication} does not publish {self.table('c')}: the row filter "
            f"(v > 0) has columns that are not in the replica identity of {self.table('c')}: {fix}",
        )
        self.sql(fix)
        self.create(catalog)
        self.assertEqual(self.members(), ["c", "t"])
        self.update_all(["t", "c"])

    def test_updates_get_the_filter_of_inserts(self):
        """Its inserts are published already."""
        self.in_schema("CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE t (LIKE a)")
        self.in_schema("ALTER TABLE t ADD PRIMARY KEY (id); INSERT INTO t VALUES (1, 1), (2, 0)")
        self.publish("a")
        self.publish("t WHERE (id > 1)", "publish = 'insert'", self.inserts)
        catalog = self.catalog("a", "t")
        self.assertIn(
            f"ADD TABLE {self.table('t')} WHERE ((id > 1))\n", self.create(catalog).stderr
        )
        self.update_all(["a", "t"])
        self.assertEqual([r["id"] for r in self.sync(self.catalog("t")).records()], [2])

    def test_partitions_that_are_created_later(self):
        """The root would publish updates of partitions that have no replica identity."""
        self.in_schema(
            """
            CREATE TABLE r (id int NOT NULL, v int) PARTITION BY LIST (id);
            CREATE TABLE r1 PARTITION OF r FOR VALUES IN (1);
            ALTER TABLE r1 ADD PRIMARY KEY (id);
            CREATE TABLE r2 PARTITION OF r FOR VALUES IN (2);
            INSERT INTO r VALUES (1, 1), (2, 1)
            """
        )
        self.publish("r1")
        self.publish("r2", "publish = 'insert'", self.inserts)
        self.make_slot()
        catalog = self.catalog("r")
        r = self.table("r")
        fix = (
            f"BEGIN; ALTER TABLE {r} ADD PRIMARY KEY (...); ALTER TABLE {self.table('r2')} REPLICA "
            f'IDENTITY DEFAULT; ALTER PUBLICATION "{self.publication}" ADD TABLE {r}; COMMIT'
        )
        self.assertIn(
            f"warning partitions of {r} that are created later are not published; give it a "
            f"primary key: {fix}",
            self.findings(catalog, f"stream {self.id_of('r')}"),
        )
        self.run_fix(fix)
        self.sql("CREATE TABLE {s}.r3 PARTITION OF {s}.r FOR VALUES IN (3)")
        self.sql("INSERT INTO {s}.r VALUES (3, 3)")
        self.update_all(["r", "r1", "r2", "r3"])

    def test_partitions_with_a_row_filter_of_their_own(self):
        """It applies as soon as partitions are published under their own names."""
        self.in_schema(
            """
            CREATE TABLE r (id int PRIMARY KEY, v int) PARTITION BY LIST (id);
            CREATE TABLE r1 PARTITION OF r FOR VALUES IN (1);
            INSERT INTO r VALUES (1, 1)
            """
        )
        found = (
            f"publication {self.publication} sends changes of {self.table('r1')} under the name of "
            f"{self.table('r')}, so that stream {self.id_of('r1')} receives none"
        )
        own_names = (
            f'ALTER PUBLICATION "{self.publication}" SET (publish_via_partition_root = false)'
        )
        for members, remedy in (
            ("r, r1 WHERE (v > 0)", "deselect the stream"),
            ("r WHERE (id > 0)", "deselect the stream"),
            (
                "r, r1 WHERE (id > 0)",
                f"deselect the stream, or publish partitions under their own names: {own_names}",
            ),
        ):
            with self.subTest(members):
                self.publish(members, "publish_via_partition_root = true")
                findings = self.findings(
                    self.catalog("r1"), f"stream {self.id_of('r1')}", expect=None
                )
                self.assertIn(f"error {found}; {remedy}", findings)
                self.update_all(["r", "r1"])
                self.sql(f"DROP PUBLICATION {self.publication}")


if __name__ == "__main__":
    unittest.main()

"""Generated columns of log-based streams; wal2json writes NULL for virtual ones (version 18)."""

import unittest

from support.wal_case import WalTest, changes, warnings
from support.plugins import PLUGIN

BOTH = (1, 2)  # format-version of wal2json


class StoredTest(WalTest):
    database = "log_stored"

    def setUp(self):
        super().setUp()
        self.require_version(12, "generated columns exist")

    def test_stored_column(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) "
            "STORED)"
        )
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (1, 1)")
        self.sql("UPDATE {s}.t SET n = 2")
        for form in BOTH:
            result = self.sync(
                self.selected, self.state, wal2json_message_format=form, unsent_columns="omit"
            )
            self.assertEqual(
                changes(result),
                [
                    {"id": 1, "n": n, **twice, "_sdc_deleted_at": None}
                    for n, twice in ((1, {"twice": 2}), (2, {"twice": 4}))
                ]
                if PLUGIN == "wal2json"
                else [{"id": 1, "n": n, "_sdc_deleted_at": None} for n in (1, 2)],
            )
        self.check_followed("t")

    def test_added_column_with_default(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int); ALTER TABLE {s}.t REPLICA IDENTITY "
            "FULL;"
            "INSERT INTO {s}.t VALUES (1, 1); ALTER TABLE {s}.t ADD COLUMN d int DEFAULT 7"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.sql("DELETE FROM {s}.t")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            for record in changes(result):
                self.assertEqual(record["d"], 7)
        self.check_followed("t")


class VirtualTest(WalTest):
    database = "log_virtual"
    major = "18"

    def table(self, key="PRIMARY KEY", identity="DEFAULT"):
        self.sql(
            f"CREATE TABLE {{s}}.t (id int {key}, n int, twice int GENERATED ALWAYS AS (n * 2) "
            "VIRTUAL, note text);"
            f"ALTER TABLE {{s}}.t REPLICA IDENTITY {identity}; INSERT INTO {{s}}.t VALUES (1, 1)"
        )

    def test_read_from_the_table(self):
        # the server refuses changes of a table with FULL whose generated columns are not published
        for identity in ("DEFAULT", "FULL") if PLUGIN == "wal2json" else ("DEFAULT",):
            with self.subTest(identity):
                self.sql("DROP TABLE IF EXISTS {s}.t")
                self.table(identity=identity)
                self.state = None
                self.initial_snapshot()
                self.sql("INSERT INTO {s}.t VALUES (2, 2), (3, 3)")
                self.sql("UPDATE {s}.t SET n = 10, note = 'x' WHERE id = 1")
                self.sql("UPDATE {s}.t SET id = 30 WHERE id = 3")
                self.sql("DELETE FROM {s}.t WHERE id = 2")
                for form in BOTH:
                    result = self.sync(self.selected, self.state, wal2json_message_format=form)
                    self.assertEqual(warnings(result), [])
                    # last record of each
                    found = {record["id"]: record for record in changes(result)}
                    self.assertEqual(
                        found[1],
                        {"id": 1, "n": 10, "note": "x", "twice": 20, "_sdc_deleted_at": None},
                    )
                    self.assertEqual(
                        found[30],
                        {"id": 30, "n": 3, "note": None, "twice": 6, "_sdc_deleted_at": None},
                    )
                    self.assertNotIn("twice", found[2])
                    self.assertTrue(found[2]["_sdc_deleted_at"] and found[3]["_sdc_deleted_at"])
                    self.assertNotIn(None, [record.get("twice", 0) for record in changes(result)])
                self.check_followed("t")

    def test_omitted_when_the_row_cannot_be_read(self):
        warning = (
            "virtual generated column twice is left out of records, since WAL does not have it and "
            "the row cannot be read by its key"
        )
        self.table(key="")
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (2, 2), (3, 3)")
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(
                changes(result),
                [
                    {"id": 2, "n": 2, "note": None, "_sdc_deleted_at": None},
                    {"id": 3, "n": 3, "note": None, "_sdc_deleted_at": None},
                ],
            )
            self.assertEqual(
                [line for line in result.stderr.splitlines() if "twice" in line],
                [f"WARNING {self.id_of('t')}: {warning}"],
            )

    def test_copies(self):
        self.table()
        for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "id"), ("INCREMENTAL", "twice")):
            result = self.sync(self.catalog("t", method=method, key=key))
            self.assertEqual(result.records(), [{"id": 1, "n": 1, "twice": 2, "note": None}])


if __name__ == "__main__":
    unittest.main()

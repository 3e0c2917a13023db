"""A stream restarts if the server compares its replication key in another order than before."""

import unittest

from support.incremental import IncrementalTest
from support.wal_case import warnings


class IncrementalOrderTest(IncrementalTest):
    database = "incremental_order"

    def first_run(self, key_type, *keys):
        self.sql(f"CREATE TABLE {{s}}.t (id serial, k {key_type})")
        self.insert(*keys)
        self.selected = self.catalog("t")
        return self.sync(self.selected)

    def insert(self, *keys):
        for key in keys:
            self.sql(f"INSERT INTO {{s}}.t (k) VALUES ({key})")

    def order(self, result):
        return self.bookmark(result.last_state, "t").get("replication_key_order")

    def check_restarts(self, state, before, now, ids):
        """The second run sends all rows in a new version; the third resumes."""
        second = self.sync(self.selected, state)
        self.assertIn(
            f"{self.id_of('t')}: restarting from scratch: the order of replication key k has "
            f"changed from {before} to {now}, so that rows below the bookmark may not have been "
            "sent",
            warnings(second),
        )
        self.assertEqual(self.ids(second), ids)
        self.assertGreater(
            self.bookmark(second.last_state, "t")["version"],
            self.bookmark(state, "t")["version"],
        )
        third = self.sync(self.selected, second.last_state)
        self.assertEqual(self.ids(third), ids[-1:])
        return second

    def check_resumes(self, first, ids):
        second = self.sync(self.selected, first.last_state)
        self.assertEqual(self.ids(second), ids)
        self.assertEqual(self.order(second), self.order(first))

    def test_time_zone_added(self):
        first = self.first_run("timestamp", "'2020-01-01 12:00'")
        self.assertEqual(self.order(first), "timestamp without time zone")
        self.sql("ALTER TABLE {s}.t ALTER k TYPE timestamptz USING k AT TIME ZONE 'Asia/Kathmandu'")
        self.insert("'2020-01-01 12:01+05:45'")  # before the bookmark
        second = self.check_restarts(
            first.last_state,
            "timestamp without time zone",
            "timestamp with time zone",
            [1, 2],
        )
        self.assertIn(
            f"{self.id_of('t')}: column k is timestamp with time zone now, but timestamp without "
            "time zone in the catalog: run discovery again",
            warnings(second),
        )

    def test_number_to_text(self):
        for number, following in (("9", "'10'"), ("9007199254740993", "'10007199254740993'")):
            with self.subTest(number):
                first = self.first_run("bigint", number)
                self.sql("ALTER TABLE {s}.t ALTER k TYPE text")
                self.insert(following)  # before the bookmark
                second = self.sync(self.selected, first.last_state)
                self.assertEqual(self.ids(second), [2, 1])
                self.sql("DROP TABLE {s}.t")

    def test_number_to_interval(self):
        """As an interval, 100 is a number of seconds."""
        first = self.first_run("int", "5", "100")
        self.sql("ALTER TABLE {s}.t ALTER k TYPE interval USING k * interval '1 second'")
        self.insert("'1 hour'", "'10 seconds'")
        self.check_restarts(first.last_state, "number", "interval", [1, 4, 2, 3])

    def test_labels_of_an_enum(self):
        mood = f"{self.schema}.mood"
        self.sql("CREATE TYPE {s}.mood AS ENUM ('sad', 'ok', 'happy')")
        first = self.first_run(mood, "'sad'", "'ok'")
        order = f"{mood}/736164,6f6b,6861707079"
        self.assertEqual(self.order(first), order)
        self.sql("ALTER TYPE {s}.mood ADD VALUE 'bad' BEFORE 'sad'")
        self.insert("'bad'", "'happy'")
        second = self.sync(self.selected, first.last_state)
        self.assertEqual(self.ids(second), [2, 4])
        self.assertEqual(self.order(second), f"{order},626164")
        self.sql(
            "ALTER TYPE {s}.mood RENAME VALUE 'happy' TO 'glad'; "
            "ALTER TYPE {s}.mood RENAME VALUE 'sad' TO 'happy'"
        )
        self.check_restarts(
            second.last_state,
            f"{order},626164",
            f"{mood}/6861707079,6f6b,676c6164,626164",
            [3, 1, 2, 4],
        )

    def test_enum_without_labels_in_the_bookmark(self):
        """Earlier versions stored only the type's name."""
        self.sql("CREATE TYPE {s}.mood AS ENUM ('sad', 'ok')")
        first = self.first_run(f"{self.schema}.mood", "'ok'", "'sad'")
        order = self.order(first)
        older = first.last_state.replace(order, f"{self.schema}.mood")
        second = self.sync(self.selected, older)
        self.assertEqual(self.ids(second), [1])
        self.assertEqual(warnings(second), [])
        self.assertEqual(self.order(second), order)

    def test_other_collation(self):
        first = self.first_run('text COLLATE "C"', "'a'", "'b'")
        self.assertEqual(self.order(first), "text/C")
        self.sql('ALTER TABLE {s}.t ALTER k TYPE varchar COLLATE "C"')
        self.check_resumes(first, [2])
        self.sql(
            "CREATE COLLATION {s}.german (provider = icu, locale = 'de-DE'); "
            "ALTER TABLE {s}.t ALTER k TYPE text COLLATE {s}.german"
        )
        second = self.sync(self.selected, first.last_state)
        [(version,)] = self.sql(
            "SELECT pg_collation_actual_version(oid) FROM pg_collation WHERE collname = 'german'"
        )
        self.assertEqual(self.order(second), f"text/de-DE/{version}")
        self.assertEqual(self.ids(second), [1, 2])
        older = second.last_state.replace(f"de-DE/{version}", "de-DE/1.1")
        self.check_restarts(older, "text/de-DE/1.1", f"text/de-DE/{version}", [1, 2])

    def test_same_order(self):
        first = self.first_run("date", "'2020-01-01'")
        self.sql("ALTER TABLE {s}.t ALTER k TYPE timestamp")
        self.insert("'2020-01-01 12:00'", "'2019-12-31'")
        self.check_resumes(first, [1, 2])

    def test_bookmark_of_another_tap(self):
        self.sql("CREATE TABLE {s}.t (id serial, k timestamp)")
        self.insert("'2020-01-01'", "'2020-01-02'")
        self.selected = self.catalog("t")
        bookmark = {"replication_key": "k", "replication_key_value": "2020-01-02T00:00:00+00:00"}
        first = self.sync(self.selected, {"bookmarks": {self.id_of("t"): bookmark}})
        self.assertEqual(self.ids(first), [2])
        self.assertEqual(self.order(first), "timestamp without time zone")

    def test_numbers_have_no_order_in_the_bookmark(self):
        self.assertIsNone(self.order(self.first_run("numeric", "1.5")))


if __name__ == "__main__":
    unittest.main()

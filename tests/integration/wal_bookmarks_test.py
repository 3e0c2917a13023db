"""Log-based streams resume from their own bookmark, which may come from another tap."""

import json
import unittest

from support.wal_case import WalTest, warnings
from support.plugins import create_slot, for_wal2json

BOTH = (1, 2)  # format-version of wal2json


class WalBookmarksTest(WalTest):
    database = "wal_bookmarks"

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.a (id int PRIMARY KEY); CREATE TABLE {s}.b (id int PRIMARY KEY)")
        self.initial_snapshot()

    def python_state(self, lsn):
        bookmark = {
            "last_replication_method": "LOG_BASED",
            "lsn": lsn,
            "version": 1577836800000,
            "xmin": None,
        }
        return {
            "bookmarks": {self.id_of(table): bookmark for table in "ab"},
            "currently_syncing": None,
        }

    def changed(self, **bookmarks):
        """The state with changed bookmarks."""
        state = json.loads(self.state)
        for table, bookmark in bookmarks.items():
            state["bookmarks"][self.id_of(table)] = bookmark
        return state

    def ids(self, state, **config):
        result = self.sync(self.selected, state, **config)
        return [(m["stream"], m["record"]["id"]) for m in result.of_type("RECORD")]

    def test_each_stream_skips_changes_before_its_bookmark(self):
        first = self.state
        self.sql("INSERT INTO {s}.a VALUES (1); INSERT INTO {s}.b VALUES (1)")
        self.sql("INSERT INTO {s}.a VALUES (2)")
        self.sql("INSERT INTO {s}.b VALUES (2)")
        second = self.sync(self.selected, first).last_state
        self.sql("INSERT INTO {s}.b VALUES (3); INSERT INTO {s}.a VALUES (3)")
        behind, ahead = (
            self.changed(a=self.bookmark(a, "a"), b=self.bookmark(b, "b"))
            for a, b in ((first, second), (second, first))
        )
        for form in BOTH:  # a was copied before b, so its bookmark in `first` is lower
            self.assertEqual(
                self.ids(behind, wal2json_message_format=form),
                [("a", 1), ("a", 2), ("b", 3), ("a", 3)],
            )
        for form in BOTH:
            self.assertEqual(
                self.ids(ahead, wal2json_message_format=form),
                [("b", 1), ("b", 2), ("b", 3), ("a", 3)],
            )

    def test_interrupted_python_tap_snapshot(self):
        self.sql("INSERT INTO {s}.a SELECT generate_series(1, 3)")
        lsn = self.lsn(self.sync(self.selected, self.state).last_state, "a")
        [(xmin,)] = self.sql("SELECT max(xmin::text::bigint) FROM {s}.a")
        state = self.changed(
            a={"last_replication_method": "LOG_BASED", "version": 1, "lsn": lsn, "xmin": xmin + 1}
        )
        result = self.sync(self.selected, state)
        self.assertIn("another tap started it, in another order; restarting it", result.stderr)
        self.assertEqual(result.records("a"), [{"id": i} for i in (1, 2, 3)])
        self.assertGreater(self.lsn(result.last_state, "a"), lsn)

    def test_interrupted_python_tap_snapshot_without_lsn(self):
        self.sql("INSERT INTO {s}.a SELECT generate_series(1, 3)")
        state = self.changed(a={"last_replication_method": "LOG_BASED", "version": 1, "xmin": 5})
        result = self.sync(self.selected, state)
        self.assertIn(
            f"WARNING {self.id_of('a')}: cannot resume the interrupted copy: another tap started "
            "it, in another order; restarting it\n",
            result.stderr,
        )
        self.assertEqual(result.records("a"), [{"id": i} for i in (1, 2, 3)])
        self.sql("INSERT INTO {s}.a VALUES (4)")
        self.assertEqual(self.sync(self.selected, result.last_state).records("a")[-1]["id"], 4)

    def test_bookmark_does_not_decrease(self):
        self.sql("INSERT INTO {s}.a VALUES (1)")
        second = self.sync(self.selected, self.state).last_state
        mixed = self.changed(b=self.bookmark(second, "b"))
        self.sql("INSERT INTO {s}.b VALUES (1)")
        result = self.sync(self.selected, mixed, state_every_rows=1)
        positions = [self.lsn(mixed, "b"), *(self.lsn(state, "b") for state in result.states)]
        self.assertEqual(positions, sorted(positions))
        self.assertGreaterEqual(len(positions), 3)

    def test_added_stream_is_copied_first(self):
        self.sql(
            "CREATE TABLE {s}.c (id int PRIMARY KEY); INSERT INTO {s}.c VALUES (1); INSERT INTO "
            "{s}.a VALUES (1)"
        )
        self.selected = self.catalog(method="LOG_BASED")
        result = self.follow()
        self.assertEqual(
            [
                (m["stream"], m["record"].get("_sdc_deleted_at", "copied"))
                for m in result.of_type("RECORD")
            ],
            [("c", "copied"), ("a", None)],
        )
        self.sql("INSERT INTO {s}.c VALUES (2); INSERT INTO {s}.a VALUES (2)")
        self.assertEqual(
            [m["stream"] for m in self.check_followed("a", "c").of_type("RECORD")], ["c", "a"]
        )

    def test_python_tap_state_with_format_1(self):
        """The bookmark is the first change of the last transaction, which may be sent again."""
        self.sql("INSERT INTO {s}.a VALUES (1), (2)")
        self.sql("INSERT INTO {s}.b VALUES (1)")
        lsn = int(self.sync(self.selected, self.state, debug_lsn=True).records("a")[0]["_sdc_lsn"])
        state = self.python_state(lsn)
        self.sql("INSERT INTO {s}.a VALUES (3)")
        for form in BOTH:
            result = self.sync(self.selected, state, wal2json_message_format=form)
            self.assertEqual(
                [(m["stream"], m["record"]["id"]) for m in result.of_type("RECORD")],
                [("a", 1), ("a", 2), ("b", 1), ("a", 3)],
            )
            self.assertEqual({m["version"] for m in result.of_type("RECORD")}, {1577836800000})
            self.assertEqual(result.types[:2], ["SCHEMA", "SCHEMA"])
        self.assertEqual(self.ids(result.last_state), [])

    @for_wal2json
    def test_python_tap_state_with_format_2(self):
        """The bookmark is the end of the last commit, as in this tap."""
        self.sql("INSERT INTO {s}.a VALUES (1), (2)")
        rows = self.sql(
            f"""SELECT lsn - '0/0' FROM pg_logical_slot_peek_changes('{self.slot}', NULL, NULL,
                  'format-version', '2')
                             WHERE data = '{{"action":"C"}}'"""
        )
        self.sql("INSERT INTO {s}.b VALUES (1)")
        self.assertEqual(self.ids(self.python_state(int(rows[-1][0]))), [("b", 1)])

    def test_sdk_tap_state(self):
        """MeltanoLabs' tap stores the LSN of the last change in replication_key_value."""
        first = self.lsn(self.state, "a")
        self.sql("INSERT INTO {s}.a VALUES (1)")
        self.sql("INSERT INTO {s}.b VALUES (1)")
        bookmark = {"replication_key": "_sdc_lsn", "replication_key_value": first}
        result = self.sync(self.selected, self.changed(a=bookmark, b=bookmark))
        self.assertEqual(
            [
                (m["stream"], m["record"].get("_sdc_deleted_at", "copied"))
                for m in result.of_type("RECORD")
            ],
            [("a", None), ("b", None)],
        )
        self.assertEqual(warnings(result), [])
        self.assertEqual(self.ids(result.last_state), [])

    def test_stream_without_version(self):
        self.sql("INSERT INTO {s}.a VALUES (1)")
        state = self.changed(
            a={
                "last_replication_method": "LOG_BASED",
                "lsn": self.lsn(self.state, "a"),
                "xmin": None,
            }
        )
        [message] = self.sync(self.selected, state).of_type("RECORD", "a")
        self.assertNotIn("version", message)

    def test_each_state_leads_to_a_complete_destination(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER big "
            "SET STORAGE EXTERNAL"
        )
        slots = [(form, f"{self.slot[:50]}_{form}") for form in BOTH]
        for _, slot in slots:  # one for each form, because a given state advances it
            create_slot(self, slot)
            self.addCleanup(self.drop_slot, slot)
        self.initial_snapshot("t", "a", "b")
        first = self.state
        cursor = self.session().cursor()
        cursor.execute(f"SET search_path TO {self.schema}")
        for i in range(12):
            cursor.execute(
                f"INSERT INTO t SELECT i, 0, repeat('x' || i, 1500) FROM generate_series({i}0, "
                f"{i}9) i;"
                f"INSERT INTO a VALUES ({i})"
            )
            cursor.execute(
                f"UPDATE t SET n = n + 1 WHERE id % 3 = {i % 3}; DELETE FROM a WHERE id = {i - 3}"
            )
            cursor.execute(
                f"DELETE FROM t WHERE id = {i * 7}; UPDATE t SET id = id + 1000 WHERE id = "
                f"{i * 5 + 1};"
                f"INSERT INTO b VALUES ({i})"
            )
            if i == 6 and self.server.version >= (11,):  # older servers do not decode it
                cursor.execute("TRUNCATE b")
        for form, slot in slots:
            self.config["replication_slot"] = slot
            result = self.sync(
                self.selected, first, state_every_rows=5, wal2json_message_format=form
            )
            lines = result.stdout.splitlines(keepends=True)
            ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
            self.assertGreater(len(ends), 20)
            for number, end in enumerate(ends):
                if form == 1 and number % 5:
                    continue
                with self.subTest(form=form, number=number):
                    self.clear_destination()
                    # Lines that no STATE confirms, and a restart from the beginning.
                    for extra in (
                        0,
                        1,
                        3,
                    ):
                        [*_, state] = self.send_to_target(lines[: end + 1 + extra])[: number + 1]
                    rest = self.sync(self.selected, state, wal2json_message_format=form)
                    self.send_to_target(rest.stdout.splitlines(keepends=True))
                    self.check_equal("t")
                    self.check_equal("a")
                    self.check_equal("b", extra_allowed=form == 1)


if __name__ == "__main__":
    unittest.main()

"""Runs that follow WAL also follow the streams whose initial snapshot they have taken."""

import json
import os
import pathlib
import signal
import unittest

from support.pipeline import until
from support.slots import ONE_TABLE, SlotTest


class FollowAfterSnapshotTest(SlotTest):
    database = "wal_follow_after_snapshot"

    def setUp(self):
        super().setUp()
        self.make_slot()

    def read_until_record(self, running, stream, number):
        """Reads up to a record of a stream; returns its index and all messages."""
        return running.read_until(
            lambda m: m["type"] == "RECORD" and (m["stream"], m["record"]["id"]) == (stream, number)
        )

    def stop(self, running):
        running.signal(signal.SIGTERM)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 143, running)
        return messages

    def test_first_run(self):
        """Without a state: the table is copied and then followed from the start of the copy."""
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        running = self.start(catalog, break_at_end_lsn=False)
        copied = self.read_until_record(running, "t", 3)
        until(self.is_active, "the slot is not active")
        self.sql(
            "INSERT INTO {s}.t VALUES (4); UPDATE {s}.t SET pad = 'new' WHERE id = 1; DELETE FROM "
            "{s}.t WHERE id = 2"
        )
        followed = self.read_until_record(running, "t", 2)
        self.assertEqual([m["record"]["id"] for m in copied if m["type"] == "RECORD"], [1, 2, 3])
        self.assertEqual([m["record"]["id"] for m in followed if m["type"] == "RECORD"], [4, 1, 2])
        state = self.stop(running)[-1]["value"]
        self.assertRegex(
            running.log,
            r"(?m)^WARNING stopped by signal 15: the next run resumes from the last STATE$",
        )
        self.assertEqual(self.sync(catalog, json.dumps(state)).records(), [])

    def test_changes_during_the_copy_follow_it(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 2000) AS pad FROM "
            "generate_series(1, 6000) i;"
            "ALTER TABLE {s}.t ADD PRIMARY KEY (id)"
        )
        running = self.start(self.catalog("t"), break_at_end_lsn=False)
        self.read_until_record(running, "t", 1)
        self.sql("INSERT INTO {s}.t VALUES (6001, 'a'); DELETE FROM {s}.t WHERE id = 5999")
        messages = running.read_until(
            lambda m: m["type"] == "RECORD" and m["record"].get("_sdc_deleted_at")
        )
        self.assertEqual(
            [m["record"]["id"] for m in messages if m["type"] == "RECORD"],
            [*range(2, 6001), 6001, 5999],
        )
        self.stop(running)

    def test_added_stream(self):
        """Streams that were followed before continue; every change is sent once."""
        catalog, state = self.initial_snapshot()
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (1)")
        both = self.catalog("t", "u")
        running = self.start(both, state, break_at_end_lsn=False, state_every_rows=1)
        first = self.read_until_record(running, "u", 1)
        self.assertEqual([m["stream"] for m in first if m["type"] == "RECORD"], ["u"])
        until(self.is_active, "the slot is not active")
        self.sql("INSERT INTO {s}.t VALUES (10); INSERT INTO {s}.u VALUES (10)")
        messages = self.read_until_record(running, "u", 10)
        self.assertEqual(
            [(m["stream"], m["record"]["id"]) for m in messages if m["type"] == "RECORD"],
            [("t", 10), ("u", 10)],
        )
        last = self.stop(running)[-1]["value"]
        self.assertEqual(self.lsn(json.dumps(last)), self.lsn(json.dumps(last), "u"))
        self.assertEqual(self.sync(both, json.dumps(last)).records(), [])

    def test_slot_advances_with_the_state_file(self):
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        running = self.start(catalog, {"bookmarks": {}}, break_at_end_lsn=False, state_every_rows=1)
        file = pathlib.Path(running.folder.name, "state.json")
        before = self.confirmed()
        self.read_until_record(running, "t", 3)
        until(self.is_active, "the slot is not active")
        self.assertEqual(self.confirmed(), before)
        for number in (10, 11):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({number})")
            self.read_until_record(running, "t", number)
            state = running.read_until(lambda m: m["type"] == "STATE")[-1]["value"]
            self.assertGreater(self.lsn(json.dumps(state)), before)
            beside = file.with_suffix(".new")
            beside.write_text(json.dumps(state))
            os.replace(beside, file)
            before = self.lsn(json.dumps(state))
            until(
                lambda lsn=before: self.confirmed() == lsn,
                "the slot does not follow the state file",
                patience=30,
            )
        self.stop(running)

    def test_failed_copy_is_not_followed(self):
        self.sql(
            ONE_TABLE
            + "CREATE TABLE {s}.u (id int PRIMARY KEY); CREATE ROLE reader_{s} LOGIN REPLICATION;"
            "GRANT USAGE ON SCHEMA {s} TO reader_{s}; GRANT SELECT ON {s}.t TO reader_{s};"
        )
        self.addCleanup(self.sql, "DROP OWNED BY reader_{s}; DROP ROLE reader_{s}")
        both = self.catalog("t", "u")
        running = self.start(both, break_at_end_lsn=False, user=f"reader_{self.schema}")
        self.read_until_record(running, "t", 3)
        until(self.is_active, "the slot is not active")
        self.sql("INSERT INTO {s}.u VALUES (10); INSERT INTO {s}.t VALUES (10)")
        messages = self.read_until_record(running, "t", 10)
        self.assertEqual(
            [(m["stream"], m["record"]["id"]) for m in messages if m["type"] == "RECORD"],
            [("t", 10)],
        )
        self.stop(running)
        self.assertRegex(
            running.log,
            f"(?m)^ERROR stream {self.id_of('u')}: {self.server.permission_denied('u')}",
        )

    def test_summary_counts_a_stream_once(self):
        self.sql(ONE_TABLE)
        result = self.sync(self.catalog("t"), break_at_end_lsn=False, max_run_seconds=1)
        self.assertRegex(result.stderr, r"(?m)^INFO 1 of 1 streams, 3 rows, ")

    def test_bounded_run_leaves_changes_to_the_next_run(self):
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        result = self.sync(catalog)
        self.assertEqual([m["type"] for m in result.messages].count("SCHEMA"), 1)
        self.sql("INSERT INTO {s}.t VALUES (4)")
        self.assertEqual([r["id"] for r in self.sync(catalog, result.last_state).records()], [4])


if __name__ == "__main__":
    unittest.main()

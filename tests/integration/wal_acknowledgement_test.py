"""A slot is only advanced to what the state says that the target has."""

import contextlib
import json
import os
import pathlib
import re
import tempfile
import threading
import unittest

from support.pipeline import until
from support.proxy import Proxy
from support.slots import ONE_TABLE, SlotTest, as_text


class WalAcknowledgementTest(SlotTest):
    database = "acknowledgement"

    def setUp(self):
        super().setUp()
        self.make_slot()

    def test_no_acknowledgement_without_state(self):
        self.sql(ONE_TABLE)
        before = self.confirmed()
        for state in (None, {}, {"bookmarks": {}}):
            self.sync(self.catalog("t"), state)
            self.assertEqual(self.confirmed(), before)

    def test_only_the_state_is_acknowledged(self):
        catalog, state = self.initial_snapshot()
        for i in range(10, 13):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
            given = state
            result = self.sync(catalog, given)
            state = result.last_state
            self.assertEqual([r["id"] for r in result.records()], [i])
            self.assertGreater(self.lsn(state), self.lsn(given))
            self.assertEqual(self.confirmed(), self.lsn(given))

    def test_confirmed_position_is_not_lowered(self):
        catalog, state = self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (10)")
        state = self.sync(catalog, state).last_state
        self.sql("INSERT INTO {s}.t VALUES (11)")
        before = self.confirmed()
        with Proxy(self.server.port) as proxy:
            self.sync(catalog, state, port=proxy.port)
            # flushed LSN in standby status updates
            sent = re.findall(rb"d\0\0\0\x26r.{8}(.{8})", bytes(proxy.sent), re.DOTALL)
        flushed = [int.from_bytes(position, "big") for position in sent]
        self.assertEqual(max(flushed), self.lsn(state))
        self.assertEqual([position for position in flushed if 0 < position < before], [])

    def test_no_acknowledgement_after_target_died(self):
        catalog, state = self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (4)")
        for _ in range(3):
            self.assertEqual([r["id"] for r in self.sync(catalog, state).records()], [4])
            self.assertEqual(self.confirmed(), self.lsn(state))

    def test_lowest_bookmark_counts(self):
        self.sql(ONE_TABLE + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        both = self.catalog("t", "u")
        state = json.loads(self.sync(both).last_state)
        self.sql("INSERT INTO {s}.t VALUES (4); INSERT INTO {s}.u VALUES (4)")
        later = json.loads(self.sync(both, state).last_state)
        state["bookmarks"][self.id_of("t")] = later["bookmarks"][self.id_of("t")]
        result = self.sync(both, state)
        self.assertEqual((result.records("t"), [r["id"] for r in result.records("u")]), ([], [4]))
        self.assertEqual(self.confirmed(), self.lsn(json.dumps(state), "u"))

    def test_interrupted_copy_holds_the_slot(self):
        self.sql(
            ONE_TABLE + "CREATE TABLE {s}.u AS SELECT i AS id, repeat('x', 2000) AS pad FROM "
            "generate_series(1, 6000) i;"
            "ALTER TABLE {s}.u ADD PRIMARY KEY (id)"
        )
        running = self.start(self.catalog("t", "u"), state_every_rows=100)
        state = running.read_until(
            lambda m: m["type"] == "STATE"
            and m["value"]["bookmarks"].get(self.id_of("u"), {}).get("copy")
        )[-1]["value"]
        running.close()
        begun = state["bookmarks"][self.id_of("u")]["copy"]["lsn"]
        for _ in range(3):
            self.sql("INSERT INTO {s}.t SELECT max(id) + 1 FROM {s}.t")
        state["bookmarks"][self.id_of("t")] = {
            **self.bookmark(self.sync(self.catalog("t")).last_state, "t")
        }
        self.sql("DELETE FROM {s}.u WHERE id = 1")
        after = self.sync(self.catalog("t", "u"), json.dumps(state)).last_state
        self.assertLess(begun, self.lsn(json.dumps(state)))
        self.assertEqual(self.confirmed(), begun)
        self.assertEqual(self.lsn(after, "u"), begun)
        deleted = self.sync(self.catalog("t", "u"), after).records("u")
        self.assertEqual([r["id"] for r in deleted], [1])

    def test_deselected_stream_is_copied_again(self):
        """WAL is acknowledged without it, as by PipelineWise's tap."""
        self.sql(
            ONE_TABLE + "CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (6)"
        )
        both, one = self.catalog("t", "u"), self.catalog("t")
        state = self.sync(both).last_state
        version = self.bookmark(state, "u")["version"]
        self.sql("UPDATE {s}.u SET id = 7; INSERT INTO {s}.t VALUES (4)")
        deselected = self.sync(one, state)
        self.assertIn(
            f"INFO {self.id_of('u')}: it is not selected, so its changes are not read; its table "
            "is copied again once it is selected\n",
            deselected.stderr,
        )
        self.assertNotIn("lsn", self.bookmark(deselected.last_state, "u"))
        again = self.sync(both, self.sync(one, deselected.last_state).last_state)
        self.assertEqual([r["id"] for r in again.records("u")], [7])
        self.assertGreater(self.bookmark(again.last_state, "u")["version"], version)

    def test_deselected_stream_keeps_its_position_if_no_wal_is_read(self):
        self.sql(ONE_TABLE + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        state = self.sync(self.catalog("t", "u")).last_state
        after = self.sync(self.catalog("t", method="FULL_TABLE"), state).last_state
        self.assertEqual(self.lsn(after, "u"), self.lsn(state, "u"))

    def test_stream_that_is_not_in_the_catalog_does_not_hold_the_slot(self):
        self.sql(ONE_TABLE + "CREATE TABLE {s}.u (id int PRIMARY KEY)")
        both = self.catalog("t", "u")
        one = {"streams": [s for s in both["streams"] if s["table_name"] == "t"]}
        state = self.sync(both).last_state
        left_out = self.lsn(state, "u")
        for i in (4, 5):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
            state = self.sync(one, state).last_state
        self.assertGreater(self.confirmed(), left_out)
        self.assertEqual(self.lsn(state, "u"), left_out)
        self.refused(
            f"the state of stream {self.id_of('u')} is at {as_text(left_out)}, but replication "
            f"slot {self.slot} has advanced to {as_text(self.confirmed())} (it was recreated, or "
            "read without this stream): the changes in between are lost; restart the stream "
            f"with --full-refresh {self.id_of('u')}",
            both,
            state,
        )
        self.sql("INSERT INTO {s}.u VALUES (7)")
        result = self.sync(both, state, "--full-refresh", self.id_of("u"))
        self.assertEqual([r["id"] for r in result.records("u")], [7])

    def test_state_file_is_reread(self):
        catalog, state = self.initial_snapshot()
        running = self.start(catalog, state, break_at_end_lsn=False, state_every_rows=1)
        file = pathlib.Path(running.folder.name, "state.json")
        given = self.lsn(state)
        for i in (10, 11):
            self.sql(f"INSERT INTO {{s}}.t VALUES ({i})")
            [*_, record, state] = running.read_until(
                lambda m: m["type"] == "STATE"
                and m["value"]["bookmarks"][self.id_of("t")]["lsn"] > given
            )
            self.assertEqual(record["record"]["id"], i)
            self.assertEqual(self.confirmed(), given)
            given = state["value"]["bookmarks"][self.id_of("t")]["lsn"]
            file.write_text("half of a sta")
            self.replace(file, state["value"])
            self.wait_until_confirmed(given)
        self.assertIsNone(running.process.poll(), running)

    def test_state_file_ahead_of_the_run_is_ignored(self):
        catalog, state = self.initial_snapshot()
        running = self.start(catalog, state, break_at_end_lsn=False, state_every_rows=1)
        file = pathlib.Path(running.folder.name, "state.json")
        until(self.is_active, "the slot is not active")
        ahead = json.loads(state)
        ahead["bookmarks"][self.id_of("t")]["lsn"] += 10**9
        self.replace(file, ahead)
        os.utime(file, (1, 1))
        until(lambda: file.stat().st_atime > 1, "the state file is not read", patience=30)
        self.sql("INSERT INTO {s}.t VALUES (10)")
        [*_, state] = running.read_until(
            lambda m: m["type"] == "STATE"
            and m["value"]["bookmarks"][self.id_of("t")]["lsn"] > self.lsn(state)
        )
        self.assertLess(self.confirmed(), self.lsn(state["value"]))
        self.replace(file, state["value"])
        self.wait_until_confirmed(self.lsn(state["value"]))

    def test_state_from_a_pipe_is_read_once(self):
        """Reading `--state <(...)` again would wait for a writer forever."""
        catalog, state = self.initial_snapshot()
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "state")
            os.mkfifo(pipe)
            running = self.start(catalog, None, "-v", "--state", pipe, break_at_end_lsn=False)
            pathlib.Path(pipe).write_text(state)
            watchdog = threading.Timer(60, running.process.kill)
            watchdog.start()
            self.addCleanup(watchdog.cancel)
            passed_over = f"the state file is read only once: {pipe} is not a regular file\n"
            row = 10
            while passed_over not in running.log:
                self.sql(f"INSERT INTO {{s}}.t VALUES ({row})")
                [*_, record] = running.read_until(lambda m: m["type"] == "RECORD")
                self.assertEqual(record["record"]["id"], row)
                row += 1
            self.sql("INSERT INTO {s}.t VALUES (0)")
            [*_, record] = running.read_until(lambda m: m["type"] == "RECORD")
            self.assertEqual(record["record"]["id"], 0)

    def replace(self, file, state):
        """Replaces the file atomically."""
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(state))
        os.replace(beside, file)

    def wait_until_confirmed(self, lsn):
        with (
            contextlib.closing(self.server.connect(self.database)) as connection,
            connection.cursor() as cursor,
        ):

            def is_there():
                cursor.execute(
                    "SELECT confirmed_flush_lsn = %s FROM pg_replication_slots "
                    "WHERE slot_name = %s",
                    (as_text(lsn), self.slot),
                )
                return cursor.fetchone()[0]

            until(is_there, "the slot does not follow the state file", patience=30)

    def test_wal_of_other_tables_is_released(self):
        """Waiting for 1 GB of WAL would take long; two runs must release it."""
        catalog, state = self.initial_snapshot()
        self.sql(
            "CREATE TABLE {s}.other AS SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i"
        )
        end = self.end_of_wal()
        state = self.sync(catalog, state).last_state
        self.assertGreaterEqual(self.lsn(state), end)
        self.sync(catalog, state)
        self.assertEqual(self.confirmed(), self.lsn(state))


if __name__ == "__main__":
    unittest.main()

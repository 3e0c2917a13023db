"""Slots that are lost during a run: exit code 4, a remedy, and a usable last STATE."""

import unittest

from support.check import ADVICE
from support.slots import SlotTest, removed_wal


class SlotLossTest(SlotTest):
    database = "slot_loss"
    settings = {"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}

    def setUp(self):
        super().setUp()
        self.make_slot()
        self.catalog_of_t, self.state = self.initial_snapshot()
        self.running = self.start(
            self.catalog_of_t, self.state, break_at_end_lsn=False, state_every_rows=1
        )
        self.sql("INSERT INTO {s}.t VALUES (10)")
        self.running.read_until(lambda m: m["type"] == "STATE")

    def while_reconnecting(self, *statements):
        """Executes statements while the tap reconnects; 'slot' stands for the slot's name."""
        self.end_reader()
        for statement in statements:
            self.sql(statement.replace("'slot'", f"'{self.slot}'"))

    def wait_for_end(self):
        """Waits for the end of the run; returns the last line of its log."""
        messages = self.running.read_rest()
        self.assertEqual((self.running.wait(), messages[-1]["type"]), (4, "STATE"), self.running)
        self.state = messages[-1]["value"]
        return self.running.log.splitlines()[-1]

    def check_end(self, text):
        """`text` is the expected error, or a function that returns it, given the last state."""
        last = self.wait_for_end()
        self.assertEqual(last, f"CRITICAL {text(self.state) if callable(text) else text}{ADVICE}")

    def slot_description(self):
        return (
            f"replication slot {self.slot} (127.0.0.1:{self.server.port}, database slot_loss, "
            "user tap)"
        )

    def recreated(self):
        return (
            f"create it again with SELECT pg_create_logical_replication_slot('{self.slot}', "
            "'wal2json'), then run with --full-refresh"
        )

    def test_dropped(self):
        self.while_reconnecting("SELECT pg_drop_replication_slot('slot')")
        self.check_end(
            f'{self.slot_description()}: replication slot "{self.slot}" does not exist (SQLSTATE '
            "42704): it "
            "has been dropped: " + self.recreated()
        )

    def test_dropped_and_recreated(self):
        self.while_reconnecting(
            "INSERT INTO {s}.t VALUES (11)",
            "SELECT pg_drop_replication_slot('slot')",
            "SELECT pg_create_logical_replication_slot('slot', 'wal2json')",
        )
        self.check_end(self.moved_slot_error)

    def test_advanced(self):
        self.while_reconnecting(
            "INSERT INTO {s}.t VALUES (11)",
            "SELECT pg_replication_slot_advance('slot', pg_current_wal_lsn())",
        )
        self.check_end(self.moved_slot_error)

    def test_wal_removed(self):
        # More than the tap buffers.
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 1000) FROM generate_series(100, 60000) i")
        self.remove_wal()
        last = self.wait_for_end()
        cause, prevention = removed_wal(self.server)
        self.assertEqual(  # the server's wording depends on its version
            last.partition("(SQLSTATE 55000): ")[2],
            f"{cause}: {self.recreate_advice(prevention)}{ADVICE}",
        )
        self.refused(self.lost(cause, prevention), self.catalog_of_t, self.state)


class RemovedSegmentTest(SlotTest):
    database = "removed_segment"

    def test_missing_wal_segment_is_not_a_decoding_failure(self):
        """A WAL file was removed, or not restored, while the slot still exists."""
        self.make_slot()
        catalog, state = self.initial_snapshot()
        [(segment,)] = self.sql(
            "SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots WHERE slot_name = "
            f"'{self.slot}'"
        )
        self.sql("INSERT INTO {s}.t VALUES (10); SELECT pg_switch_wal()")
        self.sql("INSERT INTO {s}.t VALUES (11)")
        (self.server.data / "pg_wal" / segment).rename(self.server.data / segment)
        self.addCleanup(
            lambda: (self.server.data / segment).rename(self.server.data / "pg_wal" / segment)
        )
        result = self.sync(catalog, state, expect=4)
        self.assertEqual(
            result.stderr.splitlines()[-1],
            f"CRITICAL replication slot {self.slot} ({self.place()}): requested WAL segment "
            f"{segment} has already been removed (SQLSTATE 58P01): drop it with SELECT "
            f"pg_drop_replication_slot('{self.slot}'), create it again with SELECT "
            f"pg_create_logical_replication_slot('{self.slot}', 'wal2json'), then run with "
            f"--full-refresh{ADVICE}",
        )

    def place(self):
        return f"127.0.0.1:{self.server.port}, database removed_segment, user tap"


class SlotLossOn18Test(SlotLossTest):
    """A server that reports the cause."""

    database = "slot_loss"
    major = "18"


if __name__ == "__main__":
    unittest.main()

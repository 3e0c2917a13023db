"""Memory does not grow with the size of a transaction. TAP_ROWS is its number of rows (300,000)."""

import os
import pathlib
import re
import signal
import unittest

from support import tap
from support.pipeline import until
from support.slots import SlotTest

ROWS = int(os.environ.get("TAP_ROWS") or 300_000)
# Sanitizers need additional memory.
IS_SANITIZED = b"__asan_init" in pathlib.Path(tap.BINARY).read_bytes()
MOST = (512 if IS_SANITIZED else 64) * 1024  # KiB


class WalMemoryTest(SlotTest):
    database = "wal_memory"

    def most_memory(self, running):
        """Peak resident memory in KiB."""
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])

    def check(self, statements, records, **extra):
        """Reads the changes of `statements`, then the memory of the running tap."""
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.sql(statements)
        running = self.start(catalog, state, break_at_end_lsn=False, **extra)
        found = 0
        for line in running.output:
            found += line.startswith(b'{"type":"RECORD"')
            if found == records:
                break
        self.assertEqual(found, records, running)
        until(lambda: self.is_active() and self.most_memory(running), "the tap is gone")
        self.assertLess(self.most_memory(running), MOST)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.read_rest()[-1]["type"], "STATE")
        self.assertEqual(running.wait(), 143, running)
        self.assertEqual(
            running.log.splitlines()[-1],
            "WARNING stopped by signal 15: the next run resumes from the last STATE",
        )

    def test_huge_insert(self):
        self.check(
            f"INSERT INTO {{s}}.t SELECT i, repeat('x', 50) FROM generate_series(10, {ROWS + 9}) i",
            ROWS,
        )

    def test_huge_insert_with_format_1(self):
        self.check(
            f"INSERT INTO {{s}}.t SELECT i, repeat('x', 50) FROM generate_series(10, {ROWS + 9}) i",
            ROWS,
            wal2json_message_format=1,
        )

    def check_read_again(self, rows, length):
        """Updates `rows` rows with an unchanged TOAST value of `length` (SQL, for row i)."""
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER big "
            "SET STORAGE EXTERNAL;"
            f"INSERT INTO {{s}}.t SELECT i, 0, repeat('x', {length}) FROM generate_series(1, "
            f"{rows}) i"
        )
        self.make_slot()
        catalog = self.catalog("t")
        state = self.sync(catalog).last_state
        self.sql("UPDATE {s}.t SET n = 1")
        running = self.start(catalog, state, break_at_end_lsn=False)
        found = 0
        for line in running.output:
            if line.startswith(b'{"type":"RECORD"'):
                self.assertGreater(len(line), 3000)
                found += 1
                if found == rows:
                    break
        self.assertLess(self.most_memory(running), MOST)
        self.assertIsNone(running.process.poll(), running)

    def test_updates_with_backfilled_toast_values(self):
        self.check_read_again(ROWS // 30, "3000")

    def test_updates_with_very_large_values(self):
        self.check_read_again(700, "CASE WHEN i > 640 OR i = 300 THEN 4000000 ELSE 3000 END")


if __name__ == "__main__":
    unittest.main()

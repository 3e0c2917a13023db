"""Memory for very large values: about four times the message, released afterwards."""

import pathlib
import re
import unittest

from support import tap
from support.pipeline import until
from support.slots import SlotTest

MIB = 1 << 20
SIZE = 32_000_000  # of a value in bytes
REST = 24 * MIB  # a tap without large values
# Sanitizers need additional memory.
IS_SANITIZED = b"__asan_init" in pathlib.Path(tap.BINARY).read_bytes()
VALUES = {
    "text": ("text", f"repeat('x', {SIZE})"),
    "bytea": ("bytea", f"decode(repeat('ab', {SIZE // 2}), 'hex')"),
    "json": ("json", f"('[' || repeat('{{\"a\":1}},', {SIZE // 8}) || '1]')::json"),
    "array": ("text[]", f"ARRAY[repeat('a\"b ', {SIZE // 5})]"),
}


@unittest.skipIf(IS_SANITIZED, "a sanitizer takes memory of its own")
class LargeValuesMemoryTest(SlotTest):
    database = "large_values_memory"

    def table(self, kind):
        self.sql(
            f"CREATE TABLE {{s}}.t (id int PRIMARY KEY, n int, big {kind}); ALTER TABLE {{s}}.t "
            "ALTER big SET STORAGE EXTERNAL"
        )

    def memory(self, running, what):
        """VmHWM (peak) or VmRSS (current), in bytes."""
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        return 1024 * int(re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)[1])

    def read_past_large(self, running, last):
        """Reads up to the record with id `last`; returns the size of the longest line."""
        longest = 0
        for line in running.output:
            longest = max(longest, len(line))
            if line.startswith(b'{"type":"RECORD"') and b'"id":%d,' % last in line[:200]:
                return longest
        raise AssertionError(f"the output ended too early\n{running}")

    def check_peak(self, running, size, times):
        peak = self.memory(running, "VmHWM")
        self.assertLess(peak, times * size + REST, f"{peak / size:.1f} times the value")

    def check_wal(self, name, message, **extra):
        """`message` is the number of bytes that the plugin writes per byte of the value."""
        kind, value = VALUES[name]
        self.table(kind)
        self.make_slot()
        catalog = self.catalog("t")
        state = self.sync(catalog).last_state
        running = self.start(catalog, state, break_at_end_lsn=False, **extra)
        self.sql(f"INSERT INTO {{s}}.t SELECT 1, 1, {value}")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.assertGreater(self.read_past_large(running, 2), SIZE * 0.9)
        self.check_peak(running, SIZE * message, 4)
        until(
            lambda: self.memory(running, "VmRSS") < REST,
            lambda: f"{self.memory(running, 'VmRSS') >> 20} MiB in use",
        )
        # The run continues without gaps or duplicates.
        self.sql("INSERT INTO {s}.t VALUES (3)")
        messages = running.read_until(lambda m: m["type"] == "RECORD")
        self.assertEqual(messages[-1]["record"]["id"], 3)
        self.assertNotIn("WARNING", running.log)
        running.close()
        self.drop_slot()

    def test_wal_text(self):
        self.check_wal("text", 1)

    def test_wal_text_by_format_1(self):
        self.check_wal("text", 1, wal2json_message_format=1)

    def test_wal_bytea(self):
        self.check_wal("bytea", 1)

    def test_wal_json(self):
        self.check_wal("json", 1.25)

    def test_wal_array(self):
        self.check_wal("array", 1.6)

    def test_long_catch_up(self):
        """Memory is released before the end of WAL is reached."""
        self.table("text")
        self.make_slot()
        catalog = self.catalog("t")
        state = self.sync(catalog).last_state
        self.sql(f"INSERT INTO {{s}}.t SELECT 1, 1, {VALUES['text'][1]}")
        last = 2 * SIZE // 10_000
        self.sql(
            f"""DO $$ BEGIN FOR i IN 2..{last} LOOP
                  INSERT INTO {self.schema}.t VALUES (i, i, repeat('y', 10000)); COMMIT;
                END LOOP; END $$"""
        )
        running = self.start(catalog, state)
        self.read_past_large(running, last // 2)  # the rest is more than pipe and buffers hold
        until(
            lambda: self.memory(running, "VmRSS") < REST,
            lambda: f"{self.memory(running, 'VmRSS') >> 20} MiB in use",
        )
        ids = [m["record"]["id"] for m in running.read_rest() if m["type"] == "RECORD"]
        self.assertEqual(ids, list(range(last // 2 + 1, last + 1)))
        self.assertEqual(running.wait(), 0)
        self.assertNotIn("WARNING", running.log)

    def test_failed_stream_does_not_repeat_large_messages(self):
        """The failed stream keeps its bookmark, which is before the large message."""
        self.table("text")
        self.sql(
            f"""CREATE TABLE {{s}}.u (id int PRIMARY KEY, n int, big text);
                ALTER TABLE {{s}}.u ALTER big SET STORAGE EXTERNAL;
                INSERT INTO {{s}}.u VALUES (1, 1, repeat('x', 3000));
                CREATE ROLE {self.schema}_reader LOGIN REPLICATION;
                GRANT USAGE ON SCHEMA {{s}} TO {self.schema}_reader;
                GRANT SELECT ON ALL TABLES IN SCHEMA {{s}} TO {self.schema}_reader"""
        )
        self.addCleanup(
            self.sql, f"DROP OWNED BY {self.schema}_reader; DROP ROLE {self.schema}_reader"
        )
        self.config["user"] = f"{self.schema}_reader"
        self.make_slot()
        catalog = self.catalog("t", "u")
        state = self.sync(catalog).last_state
        self.sql(f"REVOKE SELECT ON {{s}}.u FROM {self.schema}_reader")
        running = self.start(catalog, state, break_at_end_lsn=False, state_every_rows=1)
        self.sql("UPDATE {s}.u SET n = 2")
        until(lambda: f"ERROR stream {self.id_of('u')}" in running.log, "the stream has not failed")
        self.sql(f"INSERT INTO {{s}}.t SELECT 1, 1, {VALUES['text'][1]}")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.read_past_large(running, 2)
        until(
            lambda: self.memory(running, "VmRSS") < REST,
            lambda: f"{self.memory(running, 'VmRSS') >> 20} MiB in use",
        )
        self.sql("INSERT INTO {s}.t VALUES (3)")
        self.read_past_large(running, 3)
        self.assertLess(self.memory(running, "VmRSS"), REST)

    def test_unchanged_toast_column(self):
        self.table("text")
        self.sql(f"INSERT INTO {{s}}.t SELECT 1, 1, {VALUES['text'][1]}")
        self.make_slot()
        catalog = self.catalog("t")
        state = self.sync(catalog).last_state
        running = self.start(catalog, state, break_at_end_lsn=False)
        self.sql("UPDATE {s}.t SET n = 2; INSERT INTO {s}.t VALUES (2)")
        self.assertGreater(self.read_past_large(running, 2), SIZE)
        self.check_peak(running, SIZE, 4)
        until(
            lambda: self.memory(running, "VmRSS") < REST,
            lambda: f"{self.memory(running, 'VmRSS') >> 20} MiB in use",
        )
        self.sql("INSERT INTO {s}.t VALUES (3)")
        self.assertEqual(running.read_until(lambda m: m["type"] == "RECORD")[-1]["record"]["id"], 3)

    def check_copy(self, method):
        """libpq keeps a buffer for the largest row of a COPY; the next stream starts without it."""
        self.table("text")
        self.sql(
            f"INSERT INTO {{s}}.t SELECT 1, 1, {VALUES['text'][1]}; INSERT INTO {{s}}.t VALUES (2);"
            "CREATE TABLE {s}.u (id int PRIMARY KEY, pad text);"
            "INSERT INTO {s}.u SELECT i, repeat('x', 100) FROM generate_series(3, 50000) i"
        )
        running = self.start(self.catalog("t", "u", method=method, key="id"))
        self.assertGreater(self.read_past_large(running, 2), SIZE)
        self.check_peak(running, SIZE, 4)
        self.read_past_large(running, 3)
        self.assertLess(self.memory(running, "VmRSS"), REST)

    def test_full_table(self):
        self.check_copy("FULL_TABLE")

    def test_incremental(self):
        self.check_copy("INCREMENTAL")


if __name__ == "__main__":
    unittest.main()

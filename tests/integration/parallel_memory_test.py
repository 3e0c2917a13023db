"""Memory of a copy over several connections, measured with a release build."""

import contextlib
import re
import unittest

from support.case import SchemaTest


class ParallelMemoryTest(SchemaTest):
    database = "parallel_memory"

    def test_memory(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, pad text);"
            "INSERT INTO {s}.t SELECT i, 0, repeat('x', 100) FROM generate_series(1, 200000) i"
        )
        running = self.start(self.catalog("t"), parallel=4, state_every_rows=20000)
        peak = 0
        while running.output.read(1 << 20):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{running.process.pid}/status", encoding="ascii") as status:
                    found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
                    peak = int(found[1]) if found else peak
        self.assertEqual(running.wait(), 0, running)
        self.assertLess(peak, 32 * 1024)


if __name__ == "__main__":
    unittest.main()

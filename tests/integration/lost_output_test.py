"""A target or a disk that takes no more."""

import os
import unittest

from support.interruption import TABLE, InterruptionTest


def complaints(log):
    return [line for line in log.splitlines() if not line.startswith("INFO")]


class OutputTest(InterruptionTest):
    def test_a_closed_output_ends_the_run_quietly(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.start(catalog)
            running.read(100)
            running.output.close()
            self.assertEqual(running.wait(), 1)
            self.assertEqual(complaints(running.log), [])

    def test_an_output_that_is_closed_from_the_start(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        reading, writing = os.pipe()
        os.close(reading)
        running = self.start(self.only_catalog(), stdout=writing)
        os.close(writing)
        self.assertEqual(running.wait(), 1)
        self.assertEqual(complaints(running.log), [])

    def test_a_full_disk(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        with open("/dev/full", "wb") as full:
            for args in ((self.only_catalog(),), (None, None, "--discover")):
                running = self.start(*args, stdout=full)
                self.assertEqual(running.wait(), 1)
                self.assertEqual(complaints(running.log), ["CRITICAL cannot write to stdout: No space left on device"])

    def test_a_target_that_is_killed(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(432)
            running.kill_target()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code, complaints(outcome.tap_log)), (1, -9, []))
            self.pipe(catalog, outcome.state)
            self.check_equal("t")


if __name__ == "__main__":
    unittest.main()

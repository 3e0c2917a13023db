"""Closed, full, blocked and non-blocking outputs."""

import json
import os
import tempfile
import unittest

from support import pipeline
from support.interruption import ROWS, TABLE, InterruptionTest
from support.pipeline import is_full, until


def without_info_lines(log):
    return [line for line in log.splitlines() if not line.startswith("INFO")]


class OutputErrorsTest(InterruptionTest):
    def test_closed_output_is_quiet(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.start(catalog)
            running.read(100)
            running.output.close()
            self.assertEqual(running.wait(), 1)
            self.assertEqual(without_info_lines(running.log), [])

    def test_output_closed_at_start(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        reading, writing = os.pipe()
        os.close(reading)
        running = self.start(self.only_catalog(), stdout=writing)
        os.close(writing)
        self.assertEqual(running.wait(), 1)
        self.assertEqual(without_info_lines(running.log), [])

    def test_full_disk(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id, 2 AS k")
        with open("/dev/full", "wb") as full:
            for args in (
                (self.only_catalog(),),
                (None, None, "--discover"),
                (None, None, "check"),
                (None, None, "slot", "status"),
            ):
                running = self.start(*args, stdout=full)
                self.assertEqual(running.wait(), 1)
                self.assertEqual(
                    without_info_lines(running.log),
                    ["CRITICAL cannot write to stdout: No space left on device"],
                )

    def test_file_that_may_not_grow(self):
        """`ulimit -f`"""
        self.sql(TABLE)
        with tempfile.TemporaryFile() as file:
            running = pipeline.Tap(
                self.config,
                catalog=self.only_catalog(),
                stdout=file,
                prefix=("prlimit", "--fsize=100000"),
            )
            self.addCleanup(running.close)
            self.assertEqual(running.wait(), 1)
        self.assertEqual(
            without_info_lines(running.log), ["CRITICAL cannot write to stdout: File too large"]
        )

    def test_non_blocking_stdout(self):
        """A process that shares the pipe, such as Node.js, may have made it non-blocking."""
        self.sql(TABLE)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        running = self.start(self.only_catalog(), stdout=writing)
        os.close(writing)
        with open(reading, "rb") as output:
            until(lambda: is_full(output), "the pipe is not full")
            lines = output.read().splitlines()
        self.assertEqual((running.wait(), without_info_lines(running.log)), (0, []))
        self.assertEqual(
            [json.loads(line)["record"]["id"] for line in lines if b'"RECORD"' in line],
            list(range(1, ROWS + 1)),
        )

    def test_killed_target(self):
        self.sql(TABLE)
        for catalog in self.catalogs():
            running = self.pipeline(catalog)
            running.relay(432)
            running.kill_target()
            outcome = running.finish()
            self.assertEqual(
                (outcome.tap_code, outcome.target_code, without_info_lines(outcome.tap_log)),
                (1, -9, []),
            )
            self.pipe(catalog, outcome.state)
            self.check_equal("t")


if __name__ == "__main__":
    unittest.main()

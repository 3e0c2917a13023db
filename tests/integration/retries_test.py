"""`max_retries` counts attempts since the bookmark last advanced, however long they took."""

import re
import unittest

from support import tap
from support.interruption import TABLE, InterruptionTest

# Reading it always takes longer than statement_timeout.
SLOW = (
    "CREATE VIEW {s}.v AS SELECT id, k FROM {s}.t WHERE id <= 300 AND (id < 200 OR pg_sleep(0.02) "
    "IS NOT NULL)"
)


class RetriesTest(InterruptionTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def check_gives_up(self, result, stream):
        numbers = re.findall(
            rf"(?m)^WARNING {stream}: .*; trying again in .* s \((\d+) of 2\)$", result.stderr
        )
        self.assertEqual(numbers, ["1", "2"])
        self.assertEqual(result.stderr.count("giving up"), 1)
        self.assertIn(
            f"WARNING {stream}: giving up: 2 retries have not advanced the bookmark "
            "(max_retries)\n",
            result.stderr,
        )
        self.assertRegex(result.stderr, rf"(?m)^ERROR stream {stream}: .*SQLSTATE 57014")

    def test_view_slower_than_statement_timeout(self):
        self.sql(SLOW)
        catalog = self.catalog("v")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        result = self.sync(catalog, expect=1, max_retries=2, statement_timeout="500ms")
        self.check_gives_up(result, self.id_of("v"))

    def test_sorted_read_slower_than_statement_timeout(self):
        self.sql(
            "CREATE VIEW {s}.v AS SELECT id, k + (pg_sleep(0.01) IS NULL)::int AS k FROM {s}.t "
            "WHERE id <= 300"
        )
        catalog = self.catalog("v", method="INCREMENTAL", key="k")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        result = self.sync(catalog, expect=1, max_retries=2, statement_timeout="500ms")
        self.check_gives_up(result, self.id_of("v"))

    def test_one_retry(self):
        self.sql(SLOW)
        catalog = self.catalog("v")
        tap.metadata(tap.stream(catalog, "v"))["view-key-properties"] = ["id"]
        result = self.sync(catalog, expect=1, max_retries=1, statement_timeout="500ms")
        self.assertIn(
            f"WARNING {self.id_of('v')}: giving up: 1 retry has not advanced the bookmark "
            "(max_retries)\n",
            result.stderr,
        )

    def test_progress_resets_the_count(self):
        """More faults than max_retries, but the copy advances between them."""
        for catalog in self.catalogs():
            running = self.pipeline(catalog, max_retries=1)
            for number in (1, 2):
                self.assertTrue(running.relay(500))
                self.terminate()
                while len(self.retries(running.tap.log)) < number:
                    self.assertTrue(running.relay(1))
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual({number for _, _, number in self.retries(outcome.tap_log)}, {"1"})
            self.check_equal("t")


if __name__ == "__main__":
    unittest.main()

"""A run can resume from every STATE of an earlier run."""

import itertools
import os
import random
import unittest

from support import tap, workload
from support.case import SchemaTest


class ResumeAnyStateTest(SchemaTest):
    """A target that has everything before a STATE and resumes from it ends up complete."""

    database = "resume_any_state"

    def setUp(self):
        super().setUp()
        seed = os.environ.get("TAP_SEED") or str(random.randrange(10**6))
        self.rng = random.Random(seed)
        self.addCleanup(lambda: self._outcome.success or print(f"TAP_SEED={seed}"))
        self.cursor = self.session().cursor()
        self.cursor.execute(f"SET search_path TO {self.schema}")
        workload.setup(self.cursor, rows=80)
        for table in ('"full"', "keyless", "part0", "part1", "part2"):  # several blocks
            self.cursor.execute(f"ALTER TABLE {table} SET (fillfactor = 10)")
            self.cursor.execute(f"VACUUM FULL {table}")
        self.writers = [
            workload.Writer(table, self.cursor, random.Random(f"{seed} {table}"))
            for table in workload.FULL + workload.INCREMENTAL
        ]
        catalog = tap.select(tap.discover(self.config), *workload.FULL)
        self.catalog = tap.select(catalog, *workload.INCREMENTAL, method="INCREMENTAL", key="k")
        tap.metadata(tap.stream(self.catalog, "part"))["table-key-properties"] = ["id"]

    def change(self):
        for writer in self.writers:
            for _ in range(self.rng.randint(1, 6)):
                writer.step()

    def begin(self, result, number):
        """Sends the output up to this STATE and a few more lines to a new target."""
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        states = self.send_to_target(lines[: ends[number] + 1 + self.rng.choice((0, 1, 5))])
        self.assertEqual(states[number], result.state_texts[number])
        return states[number]

    def check_complete(self, extra_allowed):
        for table in workload.FULL:
            self.check_equal(table, extra_allowed, workload.KEYS[table])
        for table in workload.INCREMENTAL:
            self.check_equal(table)

    def test_each_state_leads_to_a_complete_destination(self):
        first = self.sync(self.catalog, state_every_rows=7)
        self.assertGreater(len(first.states), 40)
        for number, state in enumerate(first.states):
            with self.subTest(state=state):
                self.clear_destination()
                given = self.begin(first, number)
                self.change()
                second = self.sync(self.catalog, given, state_every_rows=7)
                if number % 3 == 0:  # interrupt this run, too
                    given = self.begin(second, self.rng.randrange(len(second.states)))
                    self.change()
                    second = self.sync(self.catalog, given)
                self.send_to_target(second.stdout.splitlines(keepends=True))
                self.check_complete(extra_allowed=True)
                if number % 5 == 0:
                    self.change()
                    last = self.sync(self.catalog, second.last_state)
                    self.send_to_target(last.stdout.splitlines(keepends=True))
                    self.check_complete(extra_allowed=False)

    def test_old_state_leads_to_a_complete_destination(self):
        runs = [self.sync(self.catalog, state_every_rows=20)]
        for _ in range(4):
            self.change()
            runs.append(self.sync(self.catalog, runs[-1].last_state, state_every_rows=20))
        for run, later in itertools.combinations(range(len(runs)), 2):
            # The target has all of `later`, but its state was lost: resume from the state of `run`.
            with self.subTest(run=run, later=later):
                self.clear_destination()
                for result in runs[: later + 1]:
                    self.send_to_target(result.stdout.splitlines(keepends=True))
                last = self.sync(self.catalog, self.rng.choice(runs[run].state_texts))
                self.send_to_target(last.stdout.splitlines(keepends=True))
                last = self.sync(self.catalog, last.last_state)
                self.send_to_target(last.stdout.splitlines(keepends=True))
                self.check_complete(extra_allowed=False)


if __name__ == "__main__":
    unittest.main()

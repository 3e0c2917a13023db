"""A run of examples/meltano is stopped in the middle of a copy, as docs/scheduling.md advises."""

import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from support.case import SchemaTest
from support.meltano import Project, tap_log
from support.pipeline import Process, until
from support.server import shared

ROWS = 25_000  # more bytes than Meltano and the pipes hold
RUN = ("run", "tap-postgres", "target-test")
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = '{}' AND wait_event = '{}'"
# The target waits at this row while the test holds a lock.
DESTINATION = """
CREATE SCHEMA {s};
CREATE TABLE {s}.orders (key jsonb UNIQUE, record jsonb NOT NULL, version bigint);
CREATE FUNCTION {s}.wait() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
CREATE TRIGGER wait BEFORE INSERT ON {s}.orders
  FOR EACH ROW WHEN (NEW.key = '[5000]') EXECUTE PROCEDURE {s}.wait();
"""


class MeltanoKilledTest(SchemaTest):
    database = "meltano"

    def test_stopped_in_the_middle(self):
        """Meltano does not end after SIGTERM; `timeout` kills it, and the next run resumes."""
        self.sql(
            "CREATE TABLE {s}.orders (id int PRIMARY KEY, placed_at timestamptz, note text);"
            "INSERT INTO {s}.orders SELECT i, timestamptz '2026-01-01 UTC' + i * interval '1 s', "
            f"  repeat('x', 10000) FROM generate_series(1, {ROWS}) i"
        )
        shared().sql(DESTINATION.replace("{s}", self.schema), self.destination)
        lock = shared().connect(self.destination)
        self.addCleanup(lock.close)
        lock.cursor().execute("SELECT pg_advisory_lock(1)")
        project = Project()
        self.addCleanup(project.close)
        project.add_test_target(self.dsn, self.schema)
        settings = {
            "dbname": self.database,
            "filter_dbs": json.dumps([self.database]),
            "filter_schemas": json.dumps([self.schema]),
            "state_every_rows": 100,
        }
        with Process(
            ["timeout", "--kill-after=5", "1h", *project.command(*RUN)],
            tempfile.TemporaryDirectory(prefix="tap-postgres-run-"),
            project.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as running:
            until(lambda: shared().sql(WAITING.format(self.destination, "advisory")), running)
            until(lambda: self.is_stalled(project), running)
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(), -signal.SIGKILL, running)
        until(lambda: not project.pids(), project.pids)
        lock.close()
        done = project.run("state", "get", "prod:tap-postgres-to-target-test")
        state = json.loads(done.stdout)["singer_state"]
        placed_at = self.bookmark(state, "orders")["replication_key_value"]
        [[left]] = self.sql(f"SELECT count(*) FROM {{s}}.orders WHERE placed_at >= '{placed_at}'")
        self.assertLess(left, ROWS)
        done = project.run(*RUN, **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        log = " ".join(line["event"] for line in tap_log(done.stderr))
        self.assertIn(f"1 of 1 streams, {left} rows", log)
        self.check_equal("orders")

    def is_stalled(self, project):
        """True if the tap waits for Meltano, and has written nothing for a second."""
        [tap] = project.pids("--catalog")
        written = set()
        for _ in range(10):
            time.sleep(0.1)
            if not shared().sql(WAITING.format(self.database, "ClientWrite")):
                return False
            written.add(pathlib.Path(f"/proc/{tap}/io").read_text().splitlines()[1])
        return len(written) == 1


if __name__ == "__main__":
    unittest.main()

"""The files in examples/ work, with the target of the tests."""

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from support import tap
from support.case import SchemaTest
from support.interruption import TABLE
from support.pipeline import TARGET, Process, until, waits_for_lock
from support.server import shared

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


class PipelineTest(SchemaTest):
    database = "examples"

    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory(prefix="tap-postgres-pipeline-")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.sql(TABLE)
        (self.path / "config.json").write_text(json.dumps(self.config))
        (self.path / "catalog.json").write_text(
            json.dumps(self.catalog("t", method="INCREMENTAL", key="k"))
        )

    def target(self):
        return [sys.executable, str(TARGET), "--dsn", self.dsn, "--schema", self.schema]

    def start(self, *target, options=(), env=None):
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-run-")
        running = Process(
            [str(EXAMPLES / "pipeline"), *options, str(self.path), *(target or self.target())],
            folder,
            tap.clean_environment({"TAP_POSTGRES": str(tap.BINARY), **(env or {})}),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(running.close)
        return running

    def run_once(self, *target, expect=0, **extra):
        running = self.start(*target, **extra)
        self.assertEqual(running.wait(), expect, running)
        return running.log

    def state(self):
        return json.loads((self.path / "state.json").read_text())

    def test_consecutive_runs(self):
        self.run_once()
        self.assertEqual(self.bookmark(self.state(), "t")["replication_key_value"], 6000)
        self.check_equal("t")
        self.sql("INSERT INTO {s}.t VALUES (7000, 7000, 1, 'new')")
        self.assertIn("INFO 1 of 1 streams, 2 rows", self.run_once())
        self.check_equal("t")
        self.assertEqual(
            sorted(file.name for file in self.path.iterdir()),
            ["catalog.json", "config.json", "lock", "state.json", "summary.json"],
        )

    def test_runs_do_not_overlap(self):
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertEqual(self.run_once(), f"pipeline: another run is active in {self.path}\n")
            log = self.run_once(options=["--locked", "99", "--wait", "1"], expect=99)
            self.assertEqual(log, f"pipeline: another run is active in {self.path}\n")
        self.assertFalse((self.path / "state.json").exists())

    def test_waits_for_the_other_run(self):
        """As a retry of a task that was stopped while its target still writes."""
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            running = self.start(options=["--locked", "99", "--wait", "60"])
            until(lambda: waits_for_lock(running.process.pid), running)
        self.assertEqual(running.wait(), 0, running)
        self.check_equal("t")

    def test_malformed_options(self):
        usage = "usage: pipeline [--wait SECONDS] [--locked CODE] FOLDER TARGET [ARGUMENT...]\n"
        for options in (["--wait"], ["--wait", "soon"], ["--locked", "-1"], ["--later", "1"]):
            self.assertEqual(self.run_once(options=options, expect=2), usage)

    def test_config_in_the_environment(self):
        config = json.loads((self.path / "config.json").read_text())
        (self.path / "config.json").write_text(json.dumps({**config, "port": 1}))
        self.run_once(expect=3)
        self.run_once(env={"TAP_POSTGRES_PORT": str(config["port"])})
        self.check_equal("t")
        (self.path / "config.json").unlink()
        self.sql("INSERT INTO {s}.t VALUES (7000, 7000, 1, 'new')")
        self.run_once(env={f"TAP_POSTGRES_{key.upper()}": str(config[key]) for key in config})
        self.check_equal("t")

    def test_exit_code_of_the_tap(self):
        (self.path / "catalog.json").unlink()
        log = self.run_once(expect=2)
        self.assertEqual(log.splitlines()[-1], "pipeline: the tap exited with 2, the target with 0")

    def test_failing_target(self):
        log = self.run_once("sh", "-c", "read line; exit 7", expect=7)
        self.assertRegex(
            log.splitlines()[-1], r"^pipeline: the tap exited with \d+, the target with 7$"
        )

    def test_truncated_state_is_ignored(self):
        """As left by a target that is killed while it writes a state."""
        (self.path / "state.json").write_text('{"bookmarks": {}}\n')
        self.run_once(
            "sh", "-c", """echo '{"bookmarks": {"a": {}}}'; printf '{"bookm'; cat > /dev/null"""
        )
        self.assertEqual((self.path / "state.json").read_text(), '{"bookmarks": {"a": {}}}\n')

    def test_signal_lets_the_target_finish(self):
        slow = """while IFS= read -r line; do printf '%s\\n' "$line"; done"""
        script, group = subprocess.Popen.send_signal, lambda process, number: os.killpg(
            process.pid, number
        )
        # The last one is Airflow's.
        for tell, number in (
            (script, signal.SIGTERM),
            (script, signal.SIGINT),
            (group, signal.SIGTERM),
        ):
            (self.path / "state.json").unlink(missing_ok=True)
            running = self.start("bash", "-c", f"{slow} | {' '.join(map(repr, self.target()))}")
            until(lambda: (self.path / "state.json").exists(), running)
            tell(running.process, number)
            self.assertEqual(running.wait(), 128 + signal.SIGTERM, running)
            self.assertIn("WARNING stopped by signal 15", running.log)
            sent = self.bookmark(self.state(), "t").get("replication_key_value", 0)
            [(there,)] = shared().sql(
                f"SELECT max((record->>'k')::int) FROM {self.schema}.t", self.destination
            )
            self.assertLess(there, 6000)
            if "the target did not read the output" in running.log:  # in time for a last STATE
                self.assertLessEqual(sent, there)
            else:
                self.assertEqual(sent, there)


if __name__ == "__main__":
    unittest.main()

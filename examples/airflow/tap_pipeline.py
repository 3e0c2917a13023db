"""An Airflow 3 operator that runs examples/pipeline: put it beside the DAGs that use it.

- The task's log has the levels of the tap's log.
- A mistake in config, catalog or set-up (exit codes 2 and 4) fails the task at once; it is tried
  again after all other errors, also while another run holds the folder's lock for longer than
  `wait`. A run whose rows are missing is never green.
- When Airflow stops the task (timeout, marked as failed), the tap ends with a last STATE. The
  target finishes what was sent; the retry waits for it.
- The XCom is the run's summary (docs/summary.md), without bookmarks.
- `conn_id` names an Airflow Connection that overrides host, port, user, password and database of
  the folder's config.json, through the environment.
"""

import json
import logging
import os
import pathlib
import shlex
import signal
import subprocess

from airflow.sdk import BaseHook, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

PIPELINE = "/usr/share/tap-postgres/pipeline"
LOCKED = 75  # the exit code while another run is active
PERMANENT = {
    2: "config, catalog, state or usage",
    4: "the preconditions of log-based replication",
}
ENVIRONMENT = {
    "host": "HOST",
    "port": "PORT",
    "login": "USER",
    "password": "PASSWORD",
    "schema": "DBNAME",
}


class TapPipeline(BaseOperator):
    """Runs the tap of `folder` into `target`, a command line, as examples/pipeline describes."""

    template_fields = ("folder", "target")

    def __init__(self, *, folder, target, conn_id=None, wait=600, pipeline=PIPELINE, **kwargs):
        super().__init__(**kwargs)
        self.folder, self.target, self.conn_id = folder, target, conn_id
        self.wait, self.pipeline = wait, pipeline
        self.process = None

    def execute(self, context):
        options = ["--wait", str(self.wait), "--locked", str(LOCKED)]
        self.process = subprocess.Popen(
            [self.pipeline, *options, self.folder, *shlex.split(self.target)],
            env=os.environ | self.connection(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for line in self.process.stdout:
            level, _, message = line.rstrip("\n").partition(" ")
            if level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
                self.log.log(getattr(logging, level), "%s", message)
            else:  # the target, or the pipeline itself
                self.log.info("%s", line.rstrip("\n"))
        code = self.process.wait()
        if code in PERMANENT:
            raise AirflowFailException(f"exit code {code}: {PERMANENT[code]} must be corrected")
        if code == LOCKED:
            raise AirflowException(
                f"another run has been active in {self.folder} for {self.wait} s"
            )
        if code != 0:
            raise AirflowException(f"the pipeline ended with exit code {code}")
        try:
            summary = json.loads((pathlib.Path(self.folder) / "summary.json").read_text())
        except FileNotFoundError:
            self.log.warning("the run could not write its summary; its rows are complete")
            return {"streams": []}
        for stream in summary["streams"]:
            del stream["bookmark"]
        return summary

    def connection(self):
        """The environment variables for the tap that an Airflow Connection stands for."""
        if not self.conn_id:
            return {}
        connection = BaseHook.get_connection(self.conn_id)
        values = {name: getattr(connection, field) for field, name in ENVIRONMENT.items()}
        return {f"TAP_POSTGRES_{name}": str(value) for name, value in values.items() if value}

    def on_kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

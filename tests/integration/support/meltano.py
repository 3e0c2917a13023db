"""examples/meltano as a project in a temporary folder."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from support import tap
from support.pipeline import TARGET
from support.server import SUPERUSER, shared
from support.tap import ROOT
from support.virtual_environment import install

MELTANO = "meltano==4.4.1"


LOADER = """\
  - name: target-test
    namespace: target_test
    executable: {}
"""


class Project:
    def __init__(self):
        self.program = install("meltano", MELTANO)
        self._folder = tempfile.TemporaryDirectory(prefix="tap-postgres-meltano-")
        self.folder = pathlib.Path(self._folder.name)
        self._file = self.folder / "meltano.yml"
        project = (ROOT / "examples/meltano/meltano.yml").read_text()
        assert "/usr/bin/tap-postgres" in project
        self._file.write_text(project.replace("/usr/bin/tap-postgres", str(tap.BINARY)))

    def add_test_target(self, dsn, schema):
        """Adds the target of the tests as target-test."""
        program = self.folder / "target-test"
        program.write_text(
            f"#!/bin/sh\nexec {sys.executable} {TARGET} --dsn '{dsn}' --schema {schema}\n"
        )
        program.chmod(0o755)
        self._file.write_text(self._file.read_text() + LOADER.format(program))

    def close(self):
        """Kills what is still running, and removes the folder."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self._folder.cleanup()

    def environment(self, **settings):
        """The environment of Meltano, with settings of the tap."""
        connection = {"host": shared().host, "port": shared().port, "user": SUPERUSER, **settings}
        return tap.clean_environment(
            {
                **{f"TAP_POSTGRES_{key.upper()}": str(connection[key]) for key in connection},
                "TAP_POSTGRES_PASSWORD": "hidden-from-logs",
                "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            }
        )

    def command(self, *args):
        return [str(self.program), "--cwd", str(self.folder), "--log-format", "json", *args]

    def run(self, *args, **settings):
        return subprocess.run(
            self.command(*args),
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def pids(self, word=""):
        """The processes that work in the project's folder and have this word as an argument."""
        found = []
        for process in pathlib.Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "cwd").resolve() == self.folder:
                    if not word or word in (process / "cmdline").read_text().split("\0"):
                        found.append(int(process.name))
            except OSError:  # it has ended
                continue
        return found


def tap_log(stderr):
    """The tap's lines in Meltano's JSON log."""
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("string_id") == "tap-postgres"]

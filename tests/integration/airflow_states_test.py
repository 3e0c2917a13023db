"""How examples/airflow/shop_split.py keeps the states of its parts; without Airflow."""

import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from support import tap
from support.tap import ROOT

# A target of an earlier attempt: holds the lock of its folder and then writes a state.
ORPHAN = "exec 9>lock; flock 9; echo locked; sleep 1; printf '%s' \"$1\" > state.json"


def state(**lsns):
    return {
        "bookmarks": {name: {"version": 1, "lsn": lsn} for name, lsn in lsns.items()},
        "currently_syncing": None,
    }


def task(*functions, **_):
    """Stands for Airflow's decorator, with and without arguments."""
    if not functions:
        return task
    return mock.Mock(function=functions[0])


class AirflowStatesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-folder-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        sdk = types.SimpleNamespace(
            DAG=mock.MagicMock(), Asset=mock.Mock(), AssetAlias=mock.Mock(), task=task
        )
        modules = {"airflow.sdk": sdk, "tap_pipeline": mock.MagicMock()}
        with mock.patch.dict(sys.modules, {"airflow": mock.Mock(sdk=sdk), **modules}):
            self.dag = types.ModuleType("shop_split")
            text = (ROOT / "examples/airflow/shop_split.py").read_text()
            exec(compile(text, "shop_split.py", "exec"), self.dag.__dict__)
        self.dag.FOLDER, self.dag.TAP, self.dag.PARTS = self.folder, tap.BINARY, 2
        self.write("catalog.json", {"streams": []})
        self.write("config.json", {})

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def states(self):
        return {
            str(path.parent.relative_to(self.folder)): json.loads(path.read_text())
            for path in self.folder.glob("**/state.json")
        }

    def test_join(self):
        self.write("state.json", state(a=1, b=1))
        self.write("parts/1/state.json", state(a=2, b=1))
        self.write("parts/2/state.json", state(a=1, b=3))
        (self.folder / "parts/3").mkdir()  # its run has written no state
        self.dag.join_states()
        joined = state(a=2, b=3)
        self.assertEqual(
            self.states(), {name: joined for name in (".", "parts/1", "parts/2", "parts/3")}
        )

    def test_no_state(self):
        (self.folder / "parts/1").mkdir(parents=True)
        self.dag.join_states()
        self.assertEqual(self.states(), {})

    def test_join_that_was_killed_is_repeated(self):
        """The states of the parts were not replaced after the joined one."""
        for part in ("parts/1", "parts/2"):
            with self.subTest(part):
                self.write("state.json", state(a=2, b=2))
                self.write("parts/1/state.json", state(a=2, b=2))
                self.write("parts/2/state.json", state(a=2, b=2))
                self.write(f"{part}/state.json", state(a=1, b=1))
                self.dag.join_states()
                self.assertEqual(
                    set(map(json.dumps, self.states().values())), {json.dumps(state(a=2, b=2))}
                )

    def split(self):
        """Runs the task; the command `split` is not run, since it needs a server."""
        real = subprocess.check_call

        def check_call(command):
            if "split" not in command:
                return real(command)
            (self.folder / "catalogs").mkdir()
            for number in (1, 2):
                self.write(f"catalogs/part-{number}.json", {"streams": []})
            return 0

        with mock.patch("subprocess.check_call", check_call):
            return self.dag.split.function()

    def test_split(self):
        self.write("state.json", state(a=1))
        self.write("parts/1/state.json", state(a=2))
        folders = [str(self.folder / "parts" / number) for number in "12"]
        self.assertEqual(self.split(), folders)
        for folder in folders:
            self.assertEqual(
                json.loads((pathlib.Path(folder) / "state.json").read_text()), state(a=2)
            )
            self.assertTrue((pathlib.Path(folder) / "catalog.json").exists())

    def test_target_of_an_earlier_attempt(self):
        """A part's state is neither read nor replaced before its folder's lock is free."""
        for what in (self.dag.join_states, self.split):
            with self.subTest(what.__name__):
                self.write("state.json", state(a=1))
                self.write("parts/1/state.json", state(a=1))
                orphan = subprocess.Popen(
                    ["bash", "-euc", ORPHAN, "bash", json.dumps(state(a=2))],
                    cwd=self.folder / "parts/1",
                    stdout=subprocess.PIPE,
                )
                with orphan:
                    orphan.stdout.readline()
                    what()
                    self.assertEqual(self.states()["parts/1"], state(a=2))
                    self.assertEqual(self.states()["."], state(a=2))
                self.assertEqual(self.states()["parts/1"], state(a=2))


if __name__ == "__main__":
    unittest.main()

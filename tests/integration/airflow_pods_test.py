"""examples/airflow/shop_pods.py: its pods run here, with a folder for the volume.

A real Airflow parses the DAG and builds the pods. What only a cluster does is not run.
"""

import json
import logging
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import docs, tap
from support.kubernetes_case import KubernetesCase
from support.tap import ROOT
from support.virtual_environment import AIRFLOW, install

SCRIPT = ROOT / "tests/integration/support/airflow_pods.py"


class AirflowPodsTest(KubernetesCase):
    database = "airflow_pods"
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        python = install("airflow", *AIRFLOW).with_name("python")
        with tempfile.TemporaryDirectory(prefix="tap-postgres-dags-") as folder:
            for file in (
                *ROOT.glob("examples/airflow/*.py"),
                ROOT / "examples/kubernetes/indexed-job.yaml",
            ):
                shutil.copy(file, folder)
            [dag] = re.findall(r"(?s)```python\n(.*?)```", docs.read("docs/scheduling.md"))
            pathlib.Path(folder, "shop_bash.py").write_text(dag)
            done = subprocess.run(
                [python, "-W", "default", SCRIPT, folder],
                env=tap.clean_environment(
                    {
                        "AIRFLOW_HOME": folder,
                        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                        "PYTHONPATH": folder,
                    }
                ),
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        cls.found = json.loads(done.stdout.splitlines()[-1])
        cls.folder = folder

    def test_dags_are_imported_without_warnings(self):
        self.assertEqual(self.found["errors"], {})
        warnings = [text for file in self.found["warnings"].values() for text in file]
        self.assertEqual([text for text in warnings if text.startswith(self.folder)], [])
        self.assertEqual(self.found["dags"], ["shop", "shop_bash", "shop_pods", "shop_split"])

    def test_exit_codes(self):
        """A mistake fails the task at once; other errors are tried again."""
        advice = "must be corrected"
        self.assertEqual(
            self.found["results"],
            {
                "0": None,
                "1": ["AirflowException", "Pod pod returned a failure."],
                "2": [
                    "AirflowFailException",
                    f"exit code 2: config, catalog, state or usage {advice}",
                ],
                "3": ["AirflowException", "Pod pod returned a failure."],
                "4": [
                    "AirflowFailException",
                    f"exit code 4: the preconditions of log-based replication {advice}",
                ],
                "137": ["AirflowException", "Pod pod returned a failure."],
            },
        )

    def test_levels(self):
        self.assertEqual(
            self.found["levels"],
            [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL],
        )

    def test_pods(self):
        tables = [f"t{number}" for number in range(8)]
        self.sql(
            "".join(
                f"CREATE TABLE {{s}}.{table} AS SELECT i AS id FROM generate_series(1, {rows}) i;"
                for rows, table in enumerate(tables, 10)
            )
        )
        self.store_catalog(self.catalog(method="INCREMENTAL", key="id"))
        for wanted in (sum(range(10, 18)), len(tables)):  # then only the rows at the bookmarks
            pods = [self.start({"template": pod}) for pod in self.found["pods"]]
            for pod in pods:
                self.assertEqual(pod.wait(), 0, pod)
            log = "".join(pod.log for pod in pods)
            rows = [int(rows) for rows in re.findall(r"streams, (\d+) rows", log)]
            self.assertEqual((len(rows), sum(rows)), (4, wanted), log)
        for table in tables:
            self.check_equal(table, keys=["id"])


if __name__ == "__main__":
    unittest.main()

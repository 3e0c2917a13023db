"""examples/kubernetes matches the schema of the Kubernetes API."""

import subprocess
import unittest

from support.tap import ROOT
from support.virtual_environment import install

VALIDATOR = "kubernetes-validate==1.37.0"


class KubernetesSchemaTest(unittest.TestCase):
    def test_manifests(self):
        program = install("kubernetes-validate", VALIDATOR)
        files = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))
        self.assertEqual(len(files), 2)
        for file in files:
            done = subprocess.run(
                [program, "--strict", file], capture_output=True, text=True, check=False
            )
            self.assertEqual(done.returncode, 0, f"{file}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()

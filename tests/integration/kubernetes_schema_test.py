"""examples/kubernetes matches the schema of the Kubernetes API."""

import os
import pathlib
import subprocess
import sys
import unittest

from support.tap import ROOT

VALIDATOR = "kubernetes-validate==1.37.0"
CACHE = pathlib.Path(os.environ.get("TAP_POSTGRES_CACHE", "/var/cache/tap-postgres"))


def install():
    """Installs the validator into a virtual environment that later runs use."""
    folder = CACHE / VALIDATOR.replace("==", "-")
    program = folder / "bin/kubernetes-validate"
    if not program.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", folder],
            [folder / "bin/pip", "install", "--quiet", VALIDATOR],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(f"{VALIDATOR} cannot be installed: {done.stderr[-300:]}")
    return program


class KubernetesSchemaTest(unittest.TestCase):
    def test_manifests(self):
        program = install()
        files = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))
        self.assertEqual(len(files), 2)
        for file in files:
            done = subprocess.run(
                [program, "--strict", file], capture_output=True, text=True, check=False
            )
            self.assertEqual(done.returncode, 0, f"{file}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()

"""Programs from PyPI, for the tests that need them."""

import os
import pathlib
import subprocess
import sys
import unittest

CACHE = pathlib.Path(os.environ.get("TAP_POSTGRES_CACHE", "/var/cache/tap-postgres"))


# The operators of examples/airflow need the provider.
AIRFLOW = ("apache-airflow==3.3.2", "apache-airflow-providers-cncf-kubernetes==10.25.0")


def install(program, *requirements):
    """Installs requirements such as `meltano==4.4.1`, for this and later runs.

    Returns the path of the program. Skips the test if the registry cannot be reached.
    """
    versions = "+".join(requirement.partition("==")[2] for requirement in requirements)
    folder = CACHE / f"{program}-{versions}"
    path = folder / "bin" / program
    if not path.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", folder],
            [folder / "bin/pip", "install", "--quiet", *requirements],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(
                    f"{' '.join(requirements)} cannot be installed: {done.stderr[-300:]}"
                )
    return path

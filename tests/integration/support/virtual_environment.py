"""Programs from PyPI, for the tests that need them."""

import os
import pathlib
import subprocess
import sys
import unittest

CACHE = pathlib.Path(os.environ.get("TAP_POSTGRES_CACHE", "/var/cache/tap-postgres"))


def install(program, requirement):
    """Installs a requirement such as `meltano==4.4.1`, for this and later runs.

    Returns the path of the program. Skips the test if the registry cannot be reached.
    """
    folder = CACHE / f"{program}-{requirement.partition('==')[2]}"
    path = folder / "bin" / program
    if not path.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", folder],
            [folder / "bin/pip", "install", "--quiet", requirement],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(f"{requirement} cannot be installed: {done.stderr[-300:]}")
    return path

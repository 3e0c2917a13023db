"""Runs the property tests, which compare both encoders of every type, on every major version.

TAP_MAJORS lists the majors besides the installed server, as in matrix_test.
"""

import os
import subprocess
import unittest

from support.server import SUPERUSER, Server, majors, require_server

HOSTILE = {
    "timezone": "America/New_York",
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "0",
}


class PropertyTest(unittest.TestCase):
    def check(self, major=None):
        with Server(HOSTILE, major=major) as server:
            server.create_database("properties")
            env = {
                **os.environ,
                "PGHOST": server.host,
                "PGPORT": str(server.port),
                "PGUSER": SUPERUSER,
                "PGDATABASE": "properties",
            }
            done = subprocess.run(
                [os.environ["PROPERTY_TESTS"]], env=env, capture_output=True, text=True, check=False
            )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_properties_with_unusual_server_settings(self):
        self.check()

    def test_other_majors(self):
        for major in majors():
            with self.subTest(major):
                require_server(major)
                self.check(major)


if __name__ == "__main__":
    unittest.main()

"""Runs the property tests, which compare both encoders of every type, on a server."""

import os
import subprocess
import unittest

from support.server import SUPERUSER, Server

HOSTILE = {
    "timezone": "America/New_York",
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "0",
}


class PropertyTest(unittest.TestCase):
    def test_properties_with_unusual_server_settings(self):
        with Server(HOSTILE) as server:
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


if __name__ == "__main__":
    unittest.main()

"""README.md's commands for log-based replication, on a server with nothing set but wal_level."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

from support import docs, tap
from support.case import SchemaTest
from support.pipeline import TARGET
from support.server import Server

USER = "app"


class StockServer(Server):
    """The output plugins are those that the server allows by default."""

    def allowed_plugins(self):
        return {}


class QuickStartTest(SchemaTest):
    database = "shop"
    release = None

    @classmethod
    def setUpClass(cls):
        cls.server = StockServer(major=cls.release)
        cls.addClassCleanup(cls.server.close)
        cls.server.sql(f"CREATE ROLE {USER} LOGIN REPLICATION")
        super().setUpClass()
        cls.server.sql(f"ALTER DATABASE {cls.database} OWNER TO {USER}")

    def setUp(self):
        super().setUp()
        self.sql("DROP SCHEMA public CASCADE")
        self.schema = "public"
        self.sql(f"CREATE SCHEMA public AUTHORIZATION {USER}")
        self.config["user"] = USER
        del self.config["filter_schemas"]
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-quick-start-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "config.json").write_text(json.dumps(self.config))
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "tap-postgres").symlink_to(tap.BINARY)
        target = [sys.executable, str(TARGET), "--dsn", self.dsn, "--schema", self.schema]
        (programs / "target-x").write_text(f"#!/bin/sh\nexec {shlex.join(target)}\n")
        (programs / "target-x").chmod(0o755)

    def run_command(self, command, expect=0):
        environment = tap.clean_environment({})
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, expect, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def own(self, statements):
        return self.server.sql(statements, self.database, USER)

    def test_log_based(self):
        self.own(
            "CREATE TABLE orders (id int PRIMARY KEY, note text); "
            "INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')"
        )
        readme = docs.read("README.md")
        discover, check, create, run = re.findall(
            r"(?m)^ {7}(tap-postgres .*)$", readme.partition("Follow changes")[2]
        )
        self.run_command(discover)
        missing = re.findall(r"(?m)^(?:error|warning) +(.*?):", self.run_command(check, expect=4))
        self.assertEqual(missing, ["publication tap_postgres", "slot stitch_shop"])
        self.run_command(create)
        self.assertNotRegex(self.run_command(check), r"(?m)^(error|warning)")
        self.run_command(run)
        self.check_equal("orders")

        last, read_on = re.findall(
            r"(?m)^ {4}((?:tail .*|tap-postgres .* --state .*))$",
            readme.partition("In practice")[2],
        )
        self.own(
            "INSERT INTO orders VALUES (4, 'd'); UPDATE orders SET note = 'B' WHERE id = 2; "
            "DELETE FROM orders WHERE id = 3"
        )
        self.run_command(last)
        log = self.run_command(read_on)
        self.assertIn("INFO WAL of database shop: 3 records", log)
        self.check_equal("orders")
        [(plugin,)] = self.sql("SELECT plugin FROM pg_replication_slots")
        self.assertEqual(plugin, "pgoutput")


class QuickStart17Test(QuickStartTest):
    release = "17"


if __name__ == "__main__":
    unittest.main()

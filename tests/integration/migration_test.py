"""Config, catalog and state files of the Python taps (examples/from-*) work unchanged."""

import json
import pathlib
import re
import shutil
import subprocess
import unittest

from support import tap
from support.server import shared

ROOT = pathlib.Path(__file__).parents[2]
TABLE = """CREATE TABLE orders (id bigint PRIMARY KEY, status text, placed_at timestamptz);
           INSERT INTO orders SELECT i, 'paid', timestamptz '2026-01-01 UTC' + i * interval '1 day'
             FROM generate_series(1, 10) i;"""
COMMON = {
    "last_replication_method": "INCREMENTAL",
    "replication_key": "placed_at",
    "replication_key_value": "2026-01-11T00:00:00+00:00",
}
ADDED = {"version": 1767225600000, "replication_key_order": "timestamp with time zone"}


class MigrationTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        shared().create_database("shop")
        shared().sql(TABLE, "shop")

    def next_run(self, name):
        """Runs with the files of another tap, on a server without TLS."""
        folder = ROOT / "examples" / name
        files = {
            file: json.loads((folder / f"{file}.json").read_text())
            for file in ("config", "catalog", "state")
        }
        ours = {
            key: value
            for key, value in shared().config("shop").items()
            if key in ("host", "port", "user", "password")
        }
        config = {
            key: value
            for key, value in {**files["config"], **ours}.items()
            if key not in ("ssl", "ssl_enable", "ssl_mode")
        }
        tap.run(config, "--discover")  # reads `dbname`; streams name their database
        refused = tap.run({**files["config"], **ours}, "--discover", expect=3)
        self.assertIn("SSL", refused.stderr)
        result = tap.run(config, catalog=files["catalog"], state=files["state"])
        self.assertEqual([record["id"] for record in result.records()], [7, 8, 9, 10])
        self.assertNotIn("WARNING", result.stderr)
        page = (ROOT / f"docs/migrating/{name}.md").read_text()
        for file in files:
            self.assertIn(f"(../../examples/{name}/{file}.json)", page)
        return result

    def test_singer_io(self):
        result = self.next_run("from-singer-io")
        self.assertEqual(list(result.schemas()), ["orders"])
        self.assertEqual(
            json.loads(result.last_state),
            {
                "bookmarks": {"shop-public-orders": {**COMMON, **ADDED}},
                "currently_syncing": None,
            },
        )

    def test_state_for_the_old_taps(self):
        """They refuse other keys in the bookmark of an incremental stream."""
        if shutil.which("jq") is None:
            self.skipTest("no jq")
        page = (ROOT / "docs/migrating/from-singer-io.md").read_text()
        [program] = re.findall(r"jq '(.*?)' state.json", page, re.DOTALL)
        done = subprocess.run(
            ["jq", program],
            input=self.next_run("from-singer-io").last_state,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(
            json.loads(done.stdout)["bookmarks"],
            {"shop-public-orders": {**COMMON, "version": ADDED["version"]}},
        )

    def test_pipelinewise(self):
        result = self.next_run("from-pipelinewise")
        self.assertEqual(list(result.schemas()), ["public-orders"])
        self.assertEqual(
            json.loads(result.last_state)["bookmarks"],
            {"public-orders": {**COMMON, **ADDED}},
        )

    def test_meltanolabs(self):
        result = self.next_run("from-meltanolabs")
        self.assertEqual(list(result.schemas()), ["public-orders"])
        bookmark = json.loads(result.last_state)["bookmarks"]["public-orders"]
        self.assertEqual(
            {key: bookmark[key] for key in ("replication_key", "replication_key_value")},
            {key: COMMON[key] for key in ("replication_key", "replication_key_value")},
        )


if __name__ == "__main__":
    unittest.main()

"""examples/meltano is a project that a real Meltano runs."""

import unittest

from support.meltano import Project, tap_log
from support.server import shared


class MeltanoTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        shared().create_database("shop")
        cls.addClassCleanup(shared().drop_database, "shop")
        shared().sql(
            "CREATE TABLE orders (id int PRIMARY KEY, placed_at timestamptz);"
            "INSERT INTO orders SELECT i, timestamptz '2026-01-01 UTC' + i * interval '1 hour' "
            "  FROM generate_series(1, 5) i;"
            "CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people VALUES (1)",
            "shop",
        )
        installed = cls.project.run("install")
        if installed.returncode != 0:
            raise unittest.SkipTest(f"target-jsonl cannot be installed: {installed.stderr[-300:]}")

    def run_pipeline(self, expect=0, **settings):
        """Returns the new rows of each table, and what the tap logged."""
        for file in self.project.folder.glob("*.jsonl"):
            file.unlink()
        done = self.project.run("run", "tap-postgres", "target-jsonl", **settings)
        self.assertEqual(done.returncode != 0, expect != 0, done.stderr)
        self.assertNotIn("hidden-from-logs", done.stdout + done.stderr)
        rows = {
            file.name.partition("-")[0]: len(file.read_text().splitlines())
            for file in self.project.folder.glob("*.jsonl")
        }
        return rows, tap_log(done.stderr)

    def test_runs(self):
        rows, log = self.run_pipeline()
        self.assertEqual(rows, {"orders": 5, "people": 1})
        self.assertEqual({line["level"] for line in log}, {"info"})
        self.assertIn("2 of 2 streams, 6 rows", " ".join(line["event"] for line in log))
        shared().sql("INSERT INTO orders VALUES (6, '2026-02-01 UTC')", "shop")
        rows, _ = self.run_pipeline()
        self.assertEqual(rows, {"orders": 2, "people": 1})  # with the row at the bookmark
        shared().sql("INSERT INTO orders VALUES (7, 'infinity')", "shop")
        _, log = self.run_pipeline()
        warnings = [line["event"] for line in log if line["level"] == "warning"]
        self.assertIn("replication key placed_at is", " ".join(warnings))
        self.run_pipeline(expect=1, port=1)

    def test_commands(self):
        checked = self.project.run("invoke", "tap-postgres:check")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("ok      database shop: all 2 tables are readable", checked.stdout)
        status = self.project.run("invoke", "tap-postgres:slot-status")
        self.assertEqual(status.stdout, "no logical replication slots\n", status.stderr)


if __name__ == "__main__":
    unittest.main()

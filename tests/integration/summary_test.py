"""--summary FILE: a JSON document about the run, also after an error or a signal."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import jsonschema

from support import docs, tap
from support.case import SchemaTest
from support.pipeline import until
from support.plugins import create_slot

EXAMPLE, SCHEMA = map(
    json.loads, re.findall(r"```json\n(.*?)```", docs.read("docs/summary.md"), re.DOTALL)
)


class SummaryTest(SchemaTest):
    database = "summary"
    maxDiff = None

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-summary-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "summary.json")
        self.path.write_text("of an earlier run")

    def summary(self):
        """The valid summary of the last run; it is removed."""
        self.assertEqual([file.name for file in self.path.parent.iterdir()], ["summary.json"])
        summary = json.loads(self.path.read_text())
        jsonschema.Draft202012Validator(SCHEMA).validate(summary)
        self.path.unlink()
        return summary

    def run_tap(self, *args, **extra):
        return self.sync(
            extra.pop("catalog", None),
            extra.pop("state", None),
            *args,
            "--summary",
            str(self.path),
            **extra,
        )

    def of_stream(self, summary, table):
        [found] = [s for s in summary["streams"] if s["tap_stream_id"] == self.id_of(table)]
        return found

    def test_example_in_docs_is_valid(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        jsonschema.Draft202012Validator(SCHEMA).validate(EXAMPLE)

    def test_methods(self):
        self.sql(
            "CREATE TABLE {s}.f AS SELECT generate_series(1, 3) AS id;"
            "CREATE TABLE {s}.i AS SELECT generate_series(1, 4) AS id;"
            "CREATE TABLE {s}.w (id int PRIMARY KEY)"
        )
        slot = self.schema
        create_slot(self, slot, "wal2json")
        self.addCleanup(self.sql, f"SELECT pg_drop_replication_slot('{slot}')")
        self.config["replication_slot"] = slot
        catalog = tap.select(self.catalog("f"), "i", method="INCREMENTAL", key="id")
        catalog = tap.select(catalog, "w", method="LOG_BASED")
        first = self.run_tap(catalog=catalog)
        summary = self.summary()
        self.assertEqual((summary["exit_code"], summary["error"], summary["part"]), (0, None, None))
        self.assertEqual((summary["wal"], summary["totals"]["rows"]), ([], 7))
        self.sql("INSERT INTO {s}.w SELECT generate_series(1, 5)")
        second = self.run_tap(catalog=catalog, state=first.last_state)
        summary = self.summary()
        written = {
            table: sum(
                len(line) + 1
                for line in second.stdout.splitlines()
                if line.startswith(b'{"type":"RECORD","stream":"%s"' % table.encode())
            )
            for table in "fiw"
        }
        for table, method, rows in (
            ("f", "FULL_TABLE", 3),
            ("i", "INCREMENTAL", 1),
            ("w", "LOG_BASED", 5),
        ):
            stream = self.of_stream(summary, table)
            self.assertLess(stream.pop("seconds"), 5)
            self.assertEqual(
                stream,
                {
                    "tap_stream_id": self.id_of(table),
                    "stream": table,
                    "method": method,
                    "status": "succeeded",
                    "rows": rows,
                    "bytes": written[table],
                    "bookmark": self.bookmark(second.last_state, table),
                    "error": None,
                },
            )
        self.assertEqual(
            summary["totals"],
            {"streams": 3, "succeeded": 3, "failed": 0, "rows": 9, "bytes": sum(written.values())},
        )
        self.assertEqual(summary["server_version"], ".".join(map(str, self.server.version)))
        [wal] = summary["wal"]
        lsn = self.bookmark(second.last_state, "w")["lsn"]
        self.assertEqual((wal["database"], wal["slot"]), (self.database, slot))
        self.assertEqual(wal["lsn"], "%X/%X" % (lsn >> 32, lsn & 0xFFFFFFFF))
        self.assertEqual(wal["read_bytes"], lsn - self.bookmark(first.last_state, "w")["lsn"])
        self.assertLess(wal["left_bytes"], 10000)

    def test_failed_stream(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.gone AS SELECT 1 AS id;")
        catalog = self.catalog()
        self.sql("DROP TABLE {s}.gone")
        self.run_tap("--part", "1/1", catalog=catalog, expect=1)
        summary = self.summary()
        self.assertEqual(summary["exit_code"], 1)
        self.assertEqual(summary["error"], {"class": "streams", "message": "1 of 2 streams failed"})
        self.assertEqual(summary["part"], {"number": 1, "count": 1})
        self.assertEqual(self.of_stream(summary, "a")["status"], "succeeded")
        gone = self.of_stream(summary, "gone")
        self.assertEqual((gone["status"], gone["rows"]), ("failed", 0))
        self.assertRegex(gone["error"], "^table .* is not in the database")

    def test_errors_of_the_run(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        for kind, code, changes in (
            ("usage", 2, {"catalog": {"streams": 1}}),
            ("usage", 2, {"limit": "x"}),
            ("connection", 3, {"port": 1}),
            (
                "log_based_setup",
                4,
                {"catalog": self.catalog("t", method="LOG_BASED"), "replication_slot": "missing"},
            ),
        ):
            with self.subTest(kind):
                result = self.run_tap(**{"catalog": self.catalog("t"), **changes}, expect=code)
                summary = self.summary()
                self.assertEqual((summary["exit_code"], summary["error"]["class"]), (code, kind))
                self.assertIn(summary["error"]["message"], result.stderr)
                self.assertEqual({s["status"] for s in summary["streams"]} - {"incomplete"}, set())

    def test_signal(self):
        self.sql(
            "CREATE TABLE {s}.a AS SELECT i AS id, repeat('x', 2000) FROM "
            "generate_series(1, 6000) i; CREATE TABLE {s}.b AS SELECT 1 AS id"
        )
        running = self.start(self.catalog(), None, "--summary", str(self.path))
        running.read(20)
        running.signal(signal.SIGTERM)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 143)
        summary = self.summary()
        self.assertEqual(
            (summary["exit_code"], summary["error"]),
            (143, {"class": "signal", "message": "stopped by signal 15"}),
        )
        first = self.of_stream(summary, "a")
        self.assertEqual(
            (first["status"], first["bookmark"]),
            ("incomplete", messages[-1]["value"]["bookmarks"][self.id_of("a")]),
        )
        self.assertGreaterEqual(first["rows"], sum(m["type"] == "RECORD" for m in messages))
        self.assertEqual(self.of_stream(summary, "b")["rows"], 0)

    def test_target_has_gone(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i, repeat('x', 2000) FROM generate_series(1, 6000) i"
        )
        running = self.start(self.catalog(), None, "--summary", str(self.path))
        running.read(10)
        running.output.close()
        self.assertEqual(running.wait(), 1)
        summary = self.summary()
        self.assertEqual((summary["exit_code"], summary["error"]["class"]), (1, "output"))
        self.assertIsNone(self.of_stream(summary, "t")["bookmark"])

    def test_earlier_summary_is_removed_first(self):
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i, repeat('x', 2000) FROM generate_series(1, 6000) i"
        )
        running = self.start(self.catalog(), None, "--summary", str(self.path))
        running.read(10)
        running.signal(signal.SIGKILL)
        until(lambda: running.process.poll() is not None, "the tap runs")
        self.assertEqual(list(self.path.parent.iterdir()), [])

    def test_file_that_cannot_be_written(self):
        path = self.path.parent / "no" / "summary.json"
        result = self.sync({"streams": []}, None, "--summary", str(path), expect=2)
        self.assertEqual(
            result.stderr,
            f"CRITICAL --summary {path}: cannot write: No such file or directory\n",
        )

    def test_special_files(self):
        fifo = self.path.parent / "fifo"
        os.mkfifo(fifo)
        link = self.path.parent / "link"
        link.symlink_to("fifo")
        for path in (fifo, link, self.path.parent):
            with self.subTest(path.name):
                result = self.sync({"streams": []}, None, "--summary", str(path), expect=2)
                self.assertEqual(
                    result.stderr,
                    f"CRITICAL --summary {path}: not a regular file, so it cannot be replaced; "
                    "name another path\n",
                )
        self.assertTrue(fifo.is_fifo() and link.is_symlink())

    def test_file_of_stdout(self):
        link = self.path.parent / "link"  # like /dev/stdout
        link.symlink_to("/proc/self/fd/1")
        self.path.unlink()
        with open(self.path, "wb") as stdout:
            done = subprocess.run(
                [tap.BINARY, "--config", "ENV", "--summary", link],
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        self.assertTrue(self.path.exists() and link.is_symlink())
        self.assertEqual(
            (done.returncode, done.stderr),
            (
                2,
                f"CRITICAL --summary {link}: the output of the tap goes to this file; "
                "name another path\n",
            ),
        )

    def test_symbolic_link(self):
        """The summary replaces the file, not the link, also if the file does not exist."""
        folder = self.path.parent / "real"
        folder.mkdir()
        link = self.path.parent / "link"
        link.symlink_to("real/a")
        (folder / "a").symlink_to("b")
        for _ in range(2):
            self.sync({"streams": []}, None, "--summary", str(link))
            self.assertTrue(link.is_symlink() and (folder / "a").is_symlink())
            self.assertEqual(json.loads((folder / "b").read_text())["exit_code"], 0)
        (folder / "b").unlink()
        (folder / "b").symlink_to("a")
        result = self.sync({"streams": []}, None, "--summary", str(link), expect=2)
        self.assertEqual(
            result.stderr,
            f"CRITICAL --summary {link}: cannot write: Too many levels of symbolic links\n",
        )

    def test_summary_that_cannot_be_written_at_the_end(self):
        """The rows and the state have been written: a retry would copy the table again."""
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i, repeat('x', 2000) FROM generate_series(1, 6000) i"
        )
        self.sql("CREATE TABLE {s}.u (id int)")
        catalog = self.catalog("t")
        failing = self.catalog()
        self.sql("DROP TABLE {s}.u")
        folder = self.path.parent / "folder"
        for streams, code, rest in (
            (catalog, 0, "; the sync itself is complete"),
            (failing, 1, ""),
        ):
            with self.subTest(code):
                folder.mkdir()
                running = self.start(streams, None, "--summary", str(folder / "summary.json"))
                running.read(20)
                folder.rmdir()
                messages = running.read_rest()
                self.assertEqual(running.wait(), code)
                self.assertEqual(messages[-1]["type"], "STATE")
                lines = [line for line in running.log.splitlines() if "--summary" in line]
                self.assertEqual(
                    lines,
                    [
                        f"ERROR --summary {folder}/summary.json: cannot write: No such file or "
                        f"directory{rest}"
                    ],
                )
                self.assertNotIn(f"CRITICAL {folder}", running.log)

    def test_other_commands(self):
        result = self.sync(None, None, "--discover", "--summary", str(self.path), expect=2)
        self.assertEqual(result.stderr, "CRITICAL --summary requires a sync run\n")


if __name__ == "__main__":
    unittest.main()

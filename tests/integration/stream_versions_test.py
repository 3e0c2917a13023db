"""`version` and `sequence` never decrease, even if the clock does; targets drop lower versions."""

import time
import unittest

from support import tap
from support.case import SchemaTest
from support.check import about, run_check
from support.wal_case import WalTest, warnings

HOUR = 3_600_000


def in_an_hour():
    return int(time.time() * 1000) + HOUR


def versions(result):
    """The distinct versions of the messages, in order."""
    return list(dict.fromkeys(m["version"] for m in result.messages if "version" in m))


class CopiedTest(SchemaTest):
    database = "stream_versions"

    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, k int); INSERT INTO {s}.t SELECT i, i FROM "
            "generate_series(1, 5) i"
        )
        self.version = in_an_hour()

    def check(self, bookmark, *args, method="FULL_TABLE", key=None):
        """A bookmark from a clock that was an hour ahead: the run uses the next version."""
        state = {"bookmarks": {self.id_of("t"): {"version": self.version, **bookmark}}}
        result = self.sync(self.catalog("t", method=method, key=key), state, *args)
        self.assertEqual(versions(result), [self.version + 1])
        self.assertEqual(self.bookmark(result.states[-1], "t")["version"], self.version + 1)
        self.assertNotIn("previous_version", self.bookmark(result.states[-1], "t"))

    def test_full_table(self):
        self.check({"last_replication_method": "FULL_TABLE", "xmin": None})

    def test_full_refresh(self):
        for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "k")):
            with self.subTest(method):
                self.check(
                    {"last_replication_method": method},
                    "--full-refresh",
                    "t",
                    method=method,
                    key=key,
                )

    def test_another_method(self):
        self.check(
            {"last_replication_method": "FULL_TABLE", "xmin": None}, method="INCREMENTAL", key="k"
        )
        self.check(
            {
                "last_replication_method": "INCREMENTAL",
                "replication_key": "k",
                "replication_key_value": 3,
            }
        )

    def test_another_key(self):
        self.check(
            {
                "last_replication_method": "INCREMENTAL",
                "replication_key": "k",
                "replication_key_value": 3,
            },
            method="INCREMENTAL",
            key="id",
        )

    def test_copy_that_cannot_resume(self):
        self.check({"last_replication_method": "FULL_TABLE", "copy": {}})

    def test_states_of_earlier_streams(self):
        """A reset bookmark keeps its version in the STATEs of earlier streams."""
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id")
        state = {
            "bookmarks": {
                self.id_of("t"): {"version": self.version, "last_replication_method": "FULL_TABLE"}
            }
        }
        result = self.sync(self.catalog("a", "t"), state, "--full-refresh", "t")
        self.assertEqual(
            self.bookmark(result.states[0], "t"),
            {"previous_version": self.version, "last_replication_method": "FULL_TABLE"},
        )
        again = self.sync(self.catalog("t"), result.state_texts[0])
        self.assertEqual(versions(again), [self.version + 1])

    def test_largest_version(self):
        state = {
            "bookmarks": {
                self.id_of("t"): {"version": 2**63 - 1, "last_replication_method": "FULL_TABLE"}
            }
        }
        self.assertEqual(versions(self.sync(self.catalog("t"), state)), [2**63 - 1])

    def test_without_activate_version(self):
        quiet = {"emit_activate_version_messages": False}
        for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "k")):
            with self.subTest(method):
                catalog = self.catalog("t", method=method, key=key)
                usual = [kind for kind in self.sync(catalog).types if kind != "ACTIVATE_VERSION"]
                first = self.sync(catalog, **quiet)
                self.assertEqual(first.types, usual)
                self.assertEqual(len(versions(first)), 1)

    def test_streams_of_one_name(self):
        self.sql("CREATE TABLE {s}.u AS SELECT 6 AS id")
        catalog = self.catalog("t", "u")
        for stream in catalog["streams"]:
            stream["stream"] = "both"
        result = self.sync(catalog)
        self.assertEqual([record["id"] for record in result.records("both")], [1, 2, 3, 4, 5, 6])
        text = (
            f"{self.id_of('t')}, {self.id_of('u')} are all sent as stream both, so that the target "
            "mixes their rows and may delete those of all but one%s give each a name of its own: "
            'set include_schemas_in_destination_stream_name to true, or change "stream" in the '
            "catalog"
        )
        self.assertEqual(warnings(result), [text % ":"])
        findings = run_check(self.config, catalog=catalog, expect=0)
        self.assertIn("warning " + text % ";", about(findings, "catalog"))


class LogBasedTest(WalTest):
    database = "stream_versions_wal"

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
        self.initial_snapshot("t")

    def set_bookmark(self, **values):
        self.state = tap.load_strict(self.state.encode())
        self.state["bookmarks"][self.id_of("t")].update(values)

    def test_truncate(self):
        self.require_version(11, "logical decoding reports TRUNCATE")
        version = in_an_hour()
        self.set_bookmark(version=version)
        self.sql("TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (2)")
        self.assertEqual(versions(self.follow()), [version + 1])

    def test_truncate_without_activate_version(self):
        self.sql("TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (2)")
        result = self.follow(emit_activate_version_messages=False)
        self.assertEqual(result.types, ["SCHEMA", "RECORD", "STATE"])

    def test_full_refresh(self):
        version = in_an_hour()
        self.set_bookmark(version=version)
        self.assertEqual(versions(self.follow("--full-refresh", self.id_of("t"))), [version + 1])

    def test_sequence(self):
        self.sql("INSERT INTO {s}.t VALUES (2), (3)")
        first = self.follow(record_sequence=True)
        numbers = [m["sequence"] for m in first.of_type("RECORD")]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(self.bookmark(self.state, "t")["sequence"], numbers[-1])
        ahead = in_an_hour()
        self.set_bookmark(sequence=ahead)
        self.sql("INSERT INTO {s}.t VALUES (4), (5)")
        second = self.follow(record_sequence=True)
        self.assertEqual([m["sequence"] for m in second.of_type("RECORD")], [ahead + 1, ahead + 2])
        self.sql("DELETE FROM {s}.t WHERE id = 4")
        third = self.follow(record_sequence=True)
        self.assertEqual([m["sequence"] for m in third.of_type("RECORD")], [ahead + 3])

    def test_sequence_after_full_refresh(self):
        ahead = in_an_hour()
        self.set_bookmark(sequence=ahead)
        self.follow("--full-refresh", self.id_of("t"))
        self.sql("INSERT INTO {s}.t VALUES (6)")
        result = self.follow(record_sequence=True)
        self.assertEqual([m["sequence"] for m in result.of_type("RECORD")], [ahead + 1])


if __name__ == "__main__":
    unittest.main()

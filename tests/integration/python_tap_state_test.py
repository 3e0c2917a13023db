"""Runs that start from the state of a Python tap."""

import json
import unittest

from support import tap
from support.state import VERSION, StateTest


class SingerIoStateTest(StateTest):
    """State files of singer-io/tap-postgres."""

    def test_incremental(self):
        result = self.sync(
            self.incremental(),
            {
                "bookmarks": {
                    self.id_of("t"): {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "k",
                        "version": VERSION,
                        "replication_key_value": 80,
                    }
                },
                "currently_syncing": None,
            },
        )
        self.assertEqual(self.ids(result), [8, 9, 10])
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(self.versions(result), {VERSION})
        self.assertEqual(
            self.bookmark(result.last_state, "t"),
            {
                "last_replication_method": "INCREMENTAL",
                "replication_key": "k",
                "version": VERSION,
                "replication_key_value": 100,
            },
        )

    def test_time_with_session_offset(self):
        result = self.sync(
            self.incremental(key="at"),
            self.state(
                {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "at",
                    "version": VERSION,
                    "replication_key_value": "2020-07-01T08:00:04.500000-04:00",
                }
            ),
        )
        self.assertEqual(self.ids(result), [9, 10])
        self.assertEqual(
            self.bookmark(result.last_state, "t")["replication_key_value"],
            "2020-07-01T12:00:05+00:00",
        )

    def test_falsy_bookmarks(self):
        self.sql(
            """CREATE TABLE {s}.zero AS SELECT * FROM (VALUES (1, -5), (2, 0), (3, 5)) v(id, k);
                    CREATE TABLE {s}.empty AS SELECT *
                      FROM (VALUES (1, NULL), (2, ''), (3, 'a')) v(id, k);
                    CREATE TABLE {s}.no AS SELECT *
                      FROM (VALUES (1, NULL), (2, false), (3, true)) v(id, k);"""
        )
        common = {
            "last_replication_method": "INCREMENTAL",
            "replication_key": "k",
            "version": VERSION,
        }
        state = {
            "bookmarks": {
                self.id_of(table): {**common, "replication_key_value": value}
                for table, value in {"zero": 0, "empty": "", "no": False}.items()
            }
        }
        result = self.sync(self.incremental("zero", "empty", "no"), state)
        for table in ("zero", "empty", "no"):
            self.assertEqual(self.ids(result, table), [2, 3], table)

    def test_null_bookmark(self):
        result = self.sync(
            self.incremental(),
            self.state(
                {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": VERSION,
                    "replication_key_value": None,
                }
            ),
        )
        self.assertEqual(len(self.ids(result)), 10)
        self.assertEqual(self.versions(result), {VERSION})

    def test_float_in_python_notation(self):
        self.sql(
            "CREATE TABLE {s}.f AS SELECT i AS id, i * 1e20::float8 AS k FROM generate_series(1, "
            "3) i"
        )
        result = self.sync(
            self.incremental("f"),
            self.state(
                {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": VERSION,
                    "replication_key_value": 2e20,
                },
                "f",
            ),
        )
        self.assertEqual(self.ids(result, "f"), [2, 3])

    def test_finished_full_table(self):
        result = self.sync(
            self.catalog("t"),
            self.state(
                {"last_replication_method": "FULL_TABLE", "version": VERSION, "xmin": None},
                currently_syncing=None,
            ),
        )
        self.assertEqual(
            result.types, ["SCHEMA", "STATE", *["RECORD"] * 10, "ACTIVATE_VERSION", "STATE"]
        )
        [version] = self.versions(result)
        self.assertGreater(version, VERSION)

    def test_run_that_ended_before_it_started(self):
        """Its first STATE has methods but no version."""
        result = self.sync(self.catalog("t"), self.state({"last_replication_method": "FULL_TABLE"}))
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(len(self.ids(result)), 10)

    def test_interrupted_stream_goes_first(self):
        self.sql(
            "CREATE TABLE {s}.a AS SELECT 1 AS id, 1 AS k; CREATE TABLE {s}.z AS SELECT 1 AS id, 1 "
            "AS k"
        )
        catalog = self.incremental("a", "t", "z")
        result = self.sync(catalog, {"bookmarks": {}, "currently_syncing": self.id_of("t")})
        self.assertEqual(list(result.schemas()), ["t", "a", "z"])
        self.assertEqual(
            [s["currently_syncing"] for s in result.states if s["currently_syncing"] is None],
            [None] * 3,
        )
        result = self.sync(catalog, {"bookmarks": {}, "currently_syncing": "gone"})
        self.assertEqual(list(result.schemas()), ["a", "t", "z"])

    def test_log_based_bookmarks_of_other_streams_are_kept(self):
        other = {
            "last_replication_method": "LOG_BASED",
            "lsn": 108197216,
            "version": VERSION,
            "xmin": None,
        }
        result = self.sync(self.incremental(), {"bookmarks": {"shop-public-orders": other}})
        for state in result.states:
            self.assertEqual(state["bookmarks"]["shop-public-orders"], other)


class PipelinewiseStateTest(StateTest):
    """Stream ids lack the database."""

    def short(self, table="t"):
        return f"{self.schema}-{table}"

    def test_incremental(self):
        result = self.sync(
            self.incremental(),
            {
                "currently_syncing": None,
                "bookmarks": {
                    self.short(): {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "at",
                        "version": VERSION,
                        "replication_key_value": "2020-07-01T12:00:04.500000+00:00",
                    }
                },
            },
        )
        self.assertIn("the replication key has changed from", result.stderr)
        result = self.sync(
            self.incremental(key="at"),
            {
                "currently_syncing": None,
                "bookmarks": {
                    self.short(): {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": "at",
                        "version": VERSION,
                        "replication_key_value": "2020-07-01T12:00:04.500000+00:00",
                    }
                },
            },
        )
        self.assertEqual(self.ids(result), [9, 10])
        self.assertEqual(self.versions(result), {VERSION})
        self.assertIn(
            f"INFO {self.id_of('t')}: using the bookmark of {self.short()}\n", result.stderr
        )
        self.assertEqual(
            list(result.states[-1]["bookmarks"]), [self.id_of("t")], "one stream, one bookmark"
        )

    def test_interrupted_full_table(self):
        [(xmin,)] = self.sql("SELECT xmin::text::bigint FROM {s}.t LIMIT 1")
        self.sql("INSERT INTO {s}.t VALUES (11)")
        state = {
            "currently_syncing": self.short(),
            "bookmarks": {
                self.short(): {
                    "last_replication_method": "FULL_TABLE",
                    "version": VERSION,
                    "xmin": xmin + 1,
                }
            },
        }
        result = self.sync(self.catalog("t"), state)
        self.assertEqual(self.ids(result), list(range(1, 12)))
        self.assertNotIn(VERSION, self.versions(result))

    def test_interrupted_stream_goes_first(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id, 1 AS k")
        result = self.sync(
            self.incremental("a", "t"),
            {"bookmarks": {self.short(): {}}, "currently_syncing": self.short()},
        )
        self.assertEqual(list(result.schemas()), ["t", "a"])

    def test_bookmark_id_with_database(self):
        catalog = self.incremental()
        entry = tap.stream(catalog, "t")
        entry["tap_stream_id"] = self.short()
        state = self.state(
            {
                "last_replication_method": "INCREMENTAL",
                "replication_key": "k",
                "version": VERSION,
                "replication_key_value": 90,
            }
        )
        result = self.sync(catalog, state)
        self.assertEqual(self.ids(result, self.short()), [9, 10])
        self.assertEqual(list(result.states[-1]["bookmarks"]), [self.short()])

    def test_bookmark_under_the_stream_id_wins(self):
        state = {
            "bookmarks": {
                name: {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": VERSION,
                    "replication_key_value": value,
                }
                for name, value in {self.short(): 10, self.id_of("t"): 100}.items()
            }
        }
        self.assertEqual(self.ids(self.sync(self.incremental(), state)), [10])


class MeltanoStateTest(StateTest):
    """The Meltano SDK: no method, no version, stream ids without the database."""

    def resume(self, bookmark, catalog=None, **more):
        """Runs from the SDK's bookmark into a target that has the SDK tap's rows with k < 80."""
        catalog = catalog or self.incremental()
        before = self.sync(catalog)
        lines = []
        for message in before.messages:
            if message["type"] == "RECORD" and message["record"]["id"] <= 8:
                del message["version"]  # the SDK's tap sends no version
            elif message["type"] not in ("SCHEMA", "STATE"):
                continue
            lines.append(json.dumps(message).encode() + b"\n")
        self.send_to_target(lines)
        result = self.sync(catalog, {"bookmarks": {f"{self.schema}-t": bookmark}, **more})
        self.send_to_target(result.stdout.splitlines(keepends=True))
        return result

    def test_incremental(self):
        result = self.resume({"replication_key": "k", "replication_key_value": 80})
        self.assertEqual(self.ids(result), [8, 9, 10])
        self.check_equal("t")
        bookmark = self.bookmark(result.last_state, "t")
        self.assertEqual(
            (bookmark["replication_key"], bookmark["replication_key_value"]), ("k", 100)
        )

    def test_rows_in_the_target_are_kept(self):
        first = self.resume({"replication_key": "k", "replication_key_value": 80})
        second = self.sync(self.incremental(), first.last_state)
        self.assertEqual(self.ids(second), [10])
        self.send_to_target(second.stdout.splitlines(keepends=True))
        self.check_equal("t")

    def test_interrupted_run(self):
        result = self.resume(
            {
                "starting_replication_value": 20,
                "replication_key": "k",
                "replication_key_value": 80,
                "progress_markers": {
                    "Note": "Progress is not resumable if interrupted.",
                    "replication_key": "k",
                    "replication_key_value": 90,
                },
            }
        )
        self.assertEqual(self.ids(result), [8, 9, 10])
        for name in ("progress_markers", "starting_replication_value"):
            self.assertNotIn(name, self.bookmark(result.last_state, "t"))
        self.check_equal("t")

    def test_progress_markers_alone_are_ignored(self):
        result = self.resume(
            {
                "starting_replication_value": None,
                "progress_markers": {
                    "Note": "Progress is not resumable if interrupted.",
                    "replication_key": "k",
                    "replication_key_value": 90,
                },
            }
        )
        self.assertEqual(len(self.ids(result)), 10)
        self.check_equal("t")

    def test_full_table(self):
        for bookmark in ({}, {"starting_replication_value": None}):
            result = self.resume(bookmark, self.catalog("t"))
            self.assertEqual(len(self.ids(result)), 10)
            self.check_equal("t")

    def test_time_without_zone(self):
        result = self.sync(
            self.incremental(key="at"),
            {
                "bookmarks": {
                    f"{self.schema}-t": {
                        "replication_key": "at",
                        "replication_key_value": "2020-07-01T12:00:04.500000",
                    }
                }
            },
        )
        self.assertEqual(self.ids(result), [9, 10])


if __name__ == "__main__":
    unittest.main()

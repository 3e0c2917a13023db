"""Runs that start from a state: what is kept, what is reset, what is rejected."""

import unittest

from support.state import VERSION, StateTest


class CarriedAlongTest(StateTest):
    def test_unknown_keys_are_kept(self):
        given = {
            "note": {"by": ["me", None, 1.50]},
            "bookmarks": {
                "elsewhere": {"lsn": 1, "mine": {"a": "é"}},
                self.id_of("t"): {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": VERSION,
                    "replication_key_value": 90,
                    "mine": [1, {"a": None}],
                },
            },
        }
        result = self.sync(self.incremental(), given, state_every_rows=1)
        self.assertEqual(len(result.states), 4)
        for state in result.states:
            self.assertEqual(state["note"], given["note"])
            self.assertEqual(state["bookmarks"]["elsewhere"], given["bookmarks"]["elsewhere"])
            self.assertEqual(self.bookmark(state, "t")["mine"], [1, {"a": None}])

    def test_numbers_keep_their_digits(self):
        given = (
            '{"bookmarks":{"x":{"replication_key_value":123456789012345678901234567890.1234567890,'
            '"y":1.10}}}'
        )
        result = self.sync(self.incremental(), given)
        for text in result.state_texts:
            self.assertIn(
                '"x":{"replication_key_value":123456789012345678901234567890.1234567890,"y":1.10}',
                text,
            )

    def test_unselected_streams_keep_their_bookmarks(self):
        self.sql("CREATE TABLE {s}.z AS SELECT 1 AS id, 1 AS k")
        bookmark = {
            "last_replication_method": "INCREMENTAL",
            "replication_key": "k",
            "version": VERSION,
            "replication_key_value": 90,
        }
        result = self.sync(self.incremental("z"), self.state(bookmark))
        self.assertEqual(self.bookmark(result.last_state, "t"), bookmark)


class ResetTest(StateTest):
    def check_restarted(self, result, why, rows=10):
        self.assertIn(f"INFO {self.id_of('t')}: restarting from scratch: {why}\n", result.stderr)
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(len(self.ids(result)), rows)
        [version] = self.versions(result)
        self.assertGreater(version, VERSION)

    def test_another_method(self):
        incremental = {
            "last_replication_method": "INCREMENTAL",
            "replication_key": "k",
            "version": VERSION,
            "replication_key_value": 90,
        }
        full = {"last_replication_method": "FULL_TABLE", "version": VERSION, "xmin": None}
        logs = {"last_replication_method": "LOG_BASED", "version": VERSION, "xmin": None, "lsn": 5}
        self.check_restarted(
            self.sync(self.catalog("t"), self.state(incremental)),
            'the replication method has changed from "INCREMENTAL" to FULL_TABLE',
        )
        result = self.sync(self.catalog("t"), self.state(logs))
        self.check_restarted(
            result, 'the replication method has changed from "LOG_BASED" to FULL_TABLE'
        )
        self.assertNotIn("lsn", self.bookmark(result.last_state, "t"))
        result = self.sync(self.incremental(), self.state(full))
        self.check_restarted(
            result, 'the replication method has changed from "FULL_TABLE" to INCREMENTAL'
        )
        self.assertNotIn("xmin", self.bookmark(result.last_state, "t"))

    def test_another_replication_key(self):
        result = self.sync(
            self.incremental(key="j"),
            self.state(
                {
                    "last_replication_method": "INCREMENTAL",
                    "replication_key": "k",
                    "version": VERSION,
                    "replication_key_value": 90,
                }
            ),
        )
        self.check_restarted(result, 'the replication key has changed from "k" to "j"')
        bookmark = self.bookmark(result.last_state, "t")
        self.assertEqual(
            (bookmark["replication_key"], bookmark["replication_key_value"]), ("j", -1)
        )

    def test_bookmark_without_method_is_kept(self):
        result = self.sync(
            self.incremental(),
            self.state({"replication_key": "k", "version": VERSION, "replication_key_value": 90}),
        )
        self.assertEqual(self.ids(result), [9, 10])
        self.assertNotIn("restarting from scratch", result.stderr)

    def test_target_keeps_only_the_new_version(self):
        state = self.pipe(self.incremental()).state
        self.sql("DELETE FROM {s}.t WHERE id < 4")
        self.pipe(self.incremental(key="j"), state)
        self.check_equal("t")


class FullRefreshTest(StateTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.u AS SELECT * FROM {s}.t")
        bookmark = {
            "last_replication_method": "INCREMENTAL",
            "replication_key": "k",
            "version": VERSION,
            "replication_key_value": 100,
        }
        self.given = {
            "bookmarks": {
                self.id_of("t"): bookmark,
                self.id_of("u"): bookmark,
                "elsewhere": bookmark,
            }
        }

    def row_counts(self, *args):
        """The numbers of rows of t and u that are sent."""
        result = self.sync(self.incremental("t", "u"), self.given, *args)
        for table in ("t", "u"):
            restarted = len(self.ids(result, table)) == 10
            [version] = {
                m["version"] for m in result.messages if m.get("stream") == table and "version" in m
            }
            self.assertEqual(version > VERSION, restarted)
            self.assertEqual(
                f"INFO {self.id_of(table)}: restarting from scratch: "
                "--full-refresh\n" in result.stderr,
                restarted,
            )
        self.assertEqual(
            result.states[-1]["bookmarks"]["elsewhere"], self.given["bookmarks"]["elsewhere"]
        )
        return len(self.ids(result, "t")), len(self.ids(result, "u"))

    def test_all_streams(self):
        self.assertEqual(self.row_counts("--full-refresh"), (10, 10))

    def test_stream_by_id(self):
        self.assertEqual(self.row_counts("--full-refresh", self.id_of("t")), (10, 1))

    def test_stream_by_name(self):
        self.assertEqual(self.row_counts("--full-refresh", "u"), (1, 10))
        self.assertEqual(self.row_counts("--full-refresh=u"), (1, 10))

    def test_several_streams(self):
        self.assertEqual(
            self.row_counts("--full-refresh", "u", "--full-refresh", self.id_of("t")), (10, 10)
        )

    def test_no_stream(self):
        self.assertEqual(self.row_counts(), (1, 1))

    def test_unknown_stream(self):
        result = self.sync(self.incremental("t"), self.given, "--full-refresh", "u", expect=2)
        self.assertEqual(
            (result.stdout, result.stderr),
            (b"", "CRITICAL --full-refresh u: no selected stream has this tap_stream_id or name\n"),
        )

    def test_interrupted_copy(self):
        self.sql("ALTER TABLE {s}.t SET (fillfactor = 10)")
        self.sql("INSERT INTO {s}.t SELECT i, i FROM generate_series(11, 100) i")
        self.sql("VACUUM FULL {s}.t")
        first = self.sync(self.catalog("t"), state_every_rows=3)
        self.assertIn("copy", self.bookmark(first.state_texts[2], "t"))
        result = self.sync(self.catalog("t"), first.state_texts[2], "--full-refresh")
        self.assertEqual(len(self.ids(result)), 100)
        self.assertGreater(min(self.versions(result)), min(self.versions(first)))


class WrongStateTest(StateTest):
    """Exit code 2 and one line, before any output."""

    def check(self, state, line):
        method = (
            state["bookmarks"]
            if isinstance(state, dict) and isinstance(state.get("bookmarks"), dict)
            else {}
        )
        full = any(
            isinstance(b, dict) and b.get("last_replication_method") == "FULL_TABLE"
            for b in method.values()
        )
        result = self.sync(self.catalog("t") if full else self.incremental(), state, expect=None)
        self.assertEqual((result.code, result.stderr, result.types), (2, f"CRITICAL {line}\n", []))

    def check_bookmark(self, bookmark, line):
        self.check(self.state(bookmark), f'state.json: the bookmark of "{self.id_of("t")}": {line}')

    def test_not_json(self):
        self.check("", "state.json: not valid JSON at line 1, column 1")
        self.check(
            '{"bookmarks": {}}\n{"bookmarks": {}}', "state.json: not valid JSON at line 2, column 1"
        )
        self.check(
            '{"bookmarks": {"t": {"k": NaN}}}', "state.json: not valid JSON at line 1, column 27"
        )

    def test_wrong_structure(self):
        self.check([], "state.json: the state must be an object, but is array")
        self.check({"bookmarks": "x"}, 'state.json: "bookmarks" must be an object, but is string')
        self.check(
            {"bookmarks": {"t": [1]}},
            'state.json: the bookmark of "t" must be an object, but is array',
        )
        self.check(
            {"currently_syncing": 5},
            'state.json: "currently_syncing" must be a stream\'s id or null, but is number',
        )

    def test_bookmark_keys_of_the_wrong_type(self):
        common = {"last_replication_method": "INCREMENTAL", "replication_key": "k"}
        for wrong in ("x", 1.5, True, [], {}):
            kind = {str: "string", float: "number", bool: "boolean", list: "array", dict: "object"}[
                type(wrong)
            ]
            with self.subTest(version=wrong):
                self.check_bookmark(
                    {**common, "version": wrong}, f'"version" must be a whole number, but is {kind}'
                )
        for wrong, kind in (([1], "array"), ({"a": 1}, "object")):
            with self.subTest(replication_key_value=wrong):
                self.check_bookmark(
                    {**common, "replication_key_value": wrong},
                    f'"replication_key_value" must be a number, text, true or false, but is {kind}',
                )
        for wrong, kind in ((7, "number"), ([], "array")):
            with self.subTest(replication_key=wrong):
                self.check_bookmark(
                    {
                        "last_replication_method": "INCREMENTAL",
                        "replication_key": wrong,
                        "replication_key_value": 7,
                    },
                    f'"replication_key" must be text, but is {kind}',
                )
                self.check_bookmark(
                    {"last_replication_method": wrong},
                    f'"last_replication_method" must be text, but is {kind}',
                )
        for wrong, kind in (("x", "string"), (1.5, "number"), ([], "array")):
            with self.subTest(xmin=wrong):
                self.check_bookmark(
                    {"last_replication_method": "FULL_TABLE", "version": 1, "xmin": wrong},
                    f'"xmin" must be a whole number, but is {kind}',
                )

    def test_null_bookmarks_are_empty(self):
        for state in (
            {},
            {"bookmarks": None},
            {"bookmarks": {}},
            {"bookmarks": {self.id_of("t"): None}},
            {"bookmarks": {}, "currently_syncing": None},
        ):
            with self.subTest(state):
                self.assertEqual(len(self.ids(self.sync(self.incremental(), state))), 10)


if __name__ == "__main__":
    unittest.main()

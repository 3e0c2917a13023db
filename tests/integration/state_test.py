"""State: what a run makes of the one it is given, from us or from a Python tap, and that every one it writes can be relied on."""

import itertools
import json
import os
import random
import unittest

from support import tap, workload
from support.case import SchemaTest

VERSION = 1600000000000


class StateTest(SchemaTest):
    database = "state"

    def setUp(self):
        super().setUp()
        self.sql("""CREATE TABLE {s}.t (id int PRIMARY KEY, k bigint, j bigint, at timestamptz);
                    INSERT INTO {s}.t SELECT i, i * 10, -i, timestamptz '2020-07-01 12:00:00+00' + i * interval '0.5 s'
                        FROM generate_series(1, 10) i;""")

    def incremental(self, *names, key="k"):
        return self.catalog(*(names or ("t",)), method="INCREMENTAL", key=key)

    def ids(self, result, stream="t"):
        return [record["id"] for record in result.records(stream)]

    def state(self, bookmark, table="t", **more):
        return {"bookmarks": {self.id_of(table): bookmark}, **more}

    def versions(self, result):
        return {m["version"] for m in result.messages if "version" in m}


class SingerIoStateTest(StateTest):
    """State files of singer-io/tap-postgres."""

    def test_incremental(self):
        result = self.sync(self.incremental(), {"bookmarks": {self.id_of("t"): {
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
            "replication_key_value": 80}}, "currently_syncing": None})
        self.assertEqual(self.ids(result), [8, 9, 10])
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(self.versions(result), {VERSION})
        self.assertEqual(self.bookmark(result.last_state, "t"), {
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
            "replication_key_value": 100})

    def test_a_time_with_the_offset_of_a_session(self):
        result = self.sync(self.incremental(key="at"), self.state({
            "last_replication_method": "INCREMENTAL", "replication_key": "at", "version": VERSION,
            "replication_key_value": "2020-07-01T08:00:04.500000-04:00"}))
        self.assertEqual(self.ids(result), [9, 10])
        self.assertEqual(self.bookmark(result.last_state, "t")["replication_key_value"], "2020-07-01T12:00:05+00:00")

    def test_bookmarks_that_are_false_in_python_are_bookmarks(self):
        self.sql("""CREATE TABLE {s}.zero AS SELECT * FROM (VALUES (1, -5), (2, 0), (3, 5)) v(id, k);
                    CREATE TABLE {s}.empty AS SELECT * FROM (VALUES (1, NULL), (2, ''), (3, 'a')) v(id, k);
                    CREATE TABLE {s}.no AS SELECT * FROM (VALUES (1, NULL), (2, false), (3, true)) v(id, k);""")
        common = {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION}
        state = {"bookmarks": {self.id_of(table): {**common, "replication_key_value": value}
                               for table, value in {"zero": 0, "empty": "", "no": False}.items()}}
        result = self.sync(self.incremental("zero", "empty", "no"), state)
        for table in ("zero", "empty", "no"):
            self.assertEqual(self.ids(result, table), [2, 3], table)

    def test_a_bookmark_of_null_is_none(self):
        result = self.sync(self.incremental(), self.state({
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
            "replication_key_value": None}))
        self.assertEqual(len(self.ids(result)), 10)
        self.assertEqual(self.versions(result), {VERSION})

    def test_a_float_as_python_writes_it(self):
        self.sql("CREATE TABLE {s}.f AS SELECT i AS id, i * 1e20::float8 AS k FROM generate_series(1, 3) i")
        result = self.sync(self.incremental("f"), self.state({
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
            "replication_key_value": 2e20}, "f"))
        self.assertEqual(self.ids(result, "f"), [2, 3])

    def test_a_finished_full_table(self):
        result = self.sync(self.catalog("t"), self.state({
            "last_replication_method": "FULL_TABLE", "version": VERSION, "xmin": None}, currently_syncing=None))
        self.assertEqual(result.types, ["SCHEMA", "STATE", *["RECORD"] * 10, "ACTIVATE_VERSION", "STATE"])
        [version] = self.versions(result)
        self.assertGreater(version, VERSION)

    def test_a_run_that_ended_before_it_began(self):
        """What its first STATE leaves: methods, and no version."""
        result = self.sync(self.catalog("t"), self.state({"last_replication_method": "FULL_TABLE"}))
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(len(self.ids(result)), 10)

    def test_the_stream_that_was_in_work_goes_first(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id, 1 AS k; CREATE TABLE {s}.z AS SELECT 1 AS id, 1 AS k")
        catalog = self.incremental("a", "t", "z")
        result = self.sync(catalog, {"bookmarks": {}, "currently_syncing": self.id_of("t")})
        self.assertEqual(list(result.schemas()), ["t", "a", "z"])
        self.assertEqual([s["currently_syncing"] for s in result.states if s["currently_syncing"] is None], [None] * 3)
        result = self.sync(catalog, {"bookmarks": {}, "currently_syncing": "gone"})
        self.assertEqual(list(result.schemas()), ["a", "t", "z"])

    def test_log_based_bookmarks_of_others_are_kept(self):
        other = {"last_replication_method": "LOG_BASED", "lsn": 108197216, "version": VERSION, "xmin": None}
        result = self.sync(self.incremental(), {"bookmarks": {"shop-public-orders": other}})
        for state in result.states:
            self.assertEqual(state["bookmarks"]["shop-public-orders"], other)


class PipelinewiseStateTest(StateTest):
    """Ids without the database."""

    def short(self, table="t"):
        return f"{self.schema}-{table}"

    def test_incremental(self):
        result = self.sync(self.incremental(), {"currently_syncing": None, "bookmarks": {self.short(): {
            "last_replication_method": "INCREMENTAL", "replication_key": "at", "version": VERSION,
            "replication_key_value": "2020-07-01T12:00:04.500000+00:00"}}})
        self.assertIn("the replication key was", result.stderr)
        result = self.sync(self.incremental(key="at"), {"currently_syncing": None, "bookmarks": {self.short(): {
            "last_replication_method": "INCREMENTAL", "replication_key": "at", "version": VERSION,
            "replication_key_value": "2020-07-01T12:00:04.500000+00:00"}}})
        self.assertEqual(self.ids(result), [9, 10])
        self.assertEqual(self.versions(result), {VERSION})
        self.assertIn(f"INFO {self.id_of('t')}: going on from the bookmark of {self.short()}\n", result.stderr)
        self.assertEqual(list(result.states[-1]["bookmarks"]), [self.id_of("t")], "one stream, one bookmark")

    def test_a_full_table_that_was_cut_off(self):
        [(xmin,)] = self.sql("SELECT xmin::text::bigint FROM {s}.t LIMIT 1")
        self.sql("INSERT INTO {s}.t VALUES (11)")
        state = {"currently_syncing": self.short(), "bookmarks": {self.short(): {
            "last_replication_method": "FULL_TABLE", "version": VERSION, "xmin": xmin + 1}}}
        result = self.sync(self.catalog("t"), state)
        self.assertEqual(self.ids(result), [11])
        self.assertEqual(result.types, ["SCHEMA", "STATE", "RECORD", "ACTIVATE_VERSION", "STATE"])
        self.assertEqual(self.versions(result), {VERSION})

    def test_the_stream_that_was_in_work_goes_first(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id, 1 AS k")
        result = self.sync(self.incremental("a", "t"), {"bookmarks": {self.short(): {}},
                                                        "currently_syncing": self.short()})
        self.assertEqual(list(result.schemas()), ["t", "a"])

    def test_a_stream_without_database_goes_on_from_a_bookmark_with_it(self):
        catalog = self.incremental()
        entry = tap.stream(catalog, "t")
        entry["tap_stream_id"] = self.short()
        state = self.state({"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                            "replication_key_value": 90})
        result = self.sync(catalog, state)
        self.assertEqual(self.ids(result, self.short()), [9, 10])
        self.assertEqual(list(result.states[-1]["bookmarks"]), [self.short()])

    def test_the_bookmark_under_the_streams_own_id_counts(self):
        state = {"bookmarks": {
            name: {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                   "replication_key_value": value} for name, value in {self.short(): 10, self.id_of("t"): 100}.items()}}
        self.assertEqual(self.ids(self.sync(self.incremental(), state)), [10])


class MeltanoStateTest(StateTest):
    """State of the Meltano SDK: no method, no version, ids without the database."""

    def go_on(self, bookmark, catalog=None, **more):
        """A run from the SDK's bookmark, into a target that has the rows below k = 80 from the SDK's tap."""
        catalog = catalog or self.incremental()
        before = self.sync(catalog)
        lines = []
        for message in before.messages:
            if message["type"] == "RECORD" and message["record"]["id"] <= 8:
                del message["version"]  # the SDK's tap sends none
            elif message["type"] not in ("SCHEMA", "STATE"):
                continue
            lines.append(json.dumps(message).encode() + b"\n")
        self.give_target(lines)
        result = self.sync(catalog, {"bookmarks": {f"{self.schema}-t": bookmark}, **more})
        self.give_target(result.stdout.splitlines(keepends=True))
        return result

    def test_incremental(self):
        result = self.go_on({"replication_key": "k", "replication_key_value": 80})
        self.assertEqual(self.ids(result), [8, 9, 10])
        self.check_equal("t")
        bookmark = self.bookmark(result.last_state, "t")
        self.assertEqual((bookmark["replication_key"], bookmark["replication_key_value"]), ("k", 100))

    def test_nothing_that_the_target_has_is_dropped_later_either(self):
        first = self.go_on({"replication_key": "k", "replication_key_value": 80})
        second = self.sync(self.incremental(), first.last_state)
        self.assertEqual(self.ids(second), [10])
        self.give_target(second.stdout.splitlines(keepends=True))
        self.check_equal("t")

    def test_a_run_that_was_cut_off(self):
        result = self.go_on({"starting_replication_value": 20, "replication_key": "k", "replication_key_value": 80,
                             "progress_markers": {"Note": "Progress is not resumable if interrupted.",
                                                  "replication_key": "k", "replication_key_value": 90}})
        self.assertEqual(self.ids(result), [8, 9, 10])
        for name in ("progress_markers", "starting_replication_value"):
            self.assertNotIn(name, self.bookmark(result.last_state, "t"))
        self.check_equal("t")

    def test_progress_alone_is_not_gone_on_from(self):
        result = self.go_on({"starting_replication_value": None,
                             "progress_markers": {"Note": "Progress is not resumable if interrupted.",
                                                  "replication_key": "k", "replication_key_value": 90}})
        self.assertEqual(len(self.ids(result)), 10)
        self.check_equal("t")

    def test_a_full_table(self):
        for bookmark in ({}, {"starting_replication_value": None}):
            result = self.go_on(bookmark, self.catalog("t"))
            self.assertEqual(len(self.ids(result)), 10)
            self.check_equal("t")

    def test_a_time_without_zone(self):
        result = self.sync(self.incremental(key="at"), {"bookmarks": {f"{self.schema}-t": {
            "replication_key": "at", "replication_key_value": "2020-07-01T12:00:04.500000"}}})
        self.assertEqual(self.ids(result), [9, 10])


class CarriedAlongTest(StateTest):
    def test_what_is_not_known_stays(self):
        given = {"note": {"by": ["me", None, 1.50]}, "bookmarks": {
            "elsewhere": {"lsn": 1, "mine": {"a": "é"}},
            self.id_of("t"): {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                              "replication_key_value": 90, "mine": [1, {"a": None}]}}}
        result = self.sync(self.incremental(), given, state_every_rows=1)
        self.assertEqual(len(result.states), 4)
        for state in result.states:
            self.assertEqual(state["note"], given["note"])
            self.assertEqual(state["bookmarks"]["elsewhere"], given["bookmarks"]["elsewhere"])
            self.assertEqual(self.bookmark(state, "t")["mine"], [1, {"a": None}])

    def test_numbers_keep_their_digits(self):
        given = '{"bookmarks":{"x":{"replication_key_value":123456789012345678901234567890.1234567890,"y":1.10}}}'
        result = self.sync(self.incremental(), given)
        for text in result.state_texts:
            self.assertIn('"x":{"replication_key_value":123456789012345678901234567890.1234567890,"y":1.10}', text)

    def test_streams_that_are_not_selected_keep_their_bookmarks(self):
        self.sql("CREATE TABLE {s}.z AS SELECT 1 AS id, 1 AS k")
        bookmark = {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                    "replication_key_value": 90}
        result = self.sync(self.incremental("z"), self.state(bookmark))
        self.assertEqual(self.bookmark(result.last_state, "t"), bookmark)


class ResetTest(StateTest):
    def check_anew(self, result, why, rows=10):
        self.assertIn(f"INFO {self.id_of('t')}: starting anew: {why}\n", result.stderr)
        self.assertEqual(result.types[:3], ["SCHEMA", "STATE", "ACTIVATE_VERSION"])
        self.assertEqual(len(self.ids(result)), rows)
        [version] = self.versions(result)
        self.assertGreater(version, VERSION)

    def test_another_method(self):
        incremental = {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                       "replication_key_value": 90}
        full = {"last_replication_method": "FULL_TABLE", "version": VERSION, "xmin": None}
        logs = {"last_replication_method": "LOG_BASED", "version": VERSION, "xmin": None, "lsn": 5}
        self.check_anew(self.sync(self.catalog("t"), self.state(incremental)),
                        'the replication method was "INCREMENTAL", is FULL_TABLE now')
        result = self.sync(self.catalog("t"), self.state(logs))
        self.check_anew(result, 'the replication method was "LOG_BASED", is FULL_TABLE now')
        self.assertNotIn("lsn", self.bookmark(result.last_state, "t"))
        result = self.sync(self.incremental(), self.state(full))
        self.check_anew(result, 'the replication method was "FULL_TABLE", is INCREMENTAL now')
        self.assertNotIn("xmin", self.bookmark(result.last_state, "t"))

    def test_another_replication_key(self):
        result = self.sync(self.incremental(key="j"), self.state({
            "last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
            "replication_key_value": 90}))
        self.check_anew(result, 'the replication key was "k", is "j" now')
        bookmark = self.bookmark(result.last_state, "t")
        self.assertEqual((bookmark["replication_key"], bookmark["replication_key_value"]), ("j", -1))

    def test_a_bookmark_without_method_is_not_reset(self):
        result = self.sync(self.incremental(), self.state({"replication_key": "k", "version": VERSION,
                                                           "replication_key_value": 90}))
        self.assertEqual(self.ids(result), [9, 10])
        self.assertNotIn("starting anew", result.stderr)

    def test_the_target_ends_up_with_the_rows_of_the_new_version(self):
        state = self.pipe(self.incremental()).state
        self.sql("DELETE FROM {s}.t WHERE id < 4")
        self.pipe(self.incremental(key="j"), state)
        self.check_equal("t")


class FullRefreshTest(StateTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.u AS SELECT * FROM {s}.t")
        bookmark = {"last_replication_method": "INCREMENTAL", "replication_key": "k", "version": VERSION,
                    "replication_key_value": 100}
        self.given = {"bookmarks": {self.id_of("t"): bookmark, self.id_of("u"): bookmark, "elsewhere": bookmark}}

    def rows(self, *args):
        """How many rows of t and of u come."""
        result = self.sync(self.incremental("t", "u"), self.given, *args)
        for table in ("t", "u"):
            anew = len(self.ids(result, table)) == 10
            [version] = {m["version"] for m in result.messages if m.get("stream") == table and "version" in m}
            self.assertEqual(version > VERSION, anew)
            self.assertEqual(f"INFO {self.id_of(table)}: starting anew: --full-refresh\n" in result.stderr, anew)
        self.assertEqual(result.states[-1]["bookmarks"]["elsewhere"], self.given["bookmarks"]["elsewhere"])
        return len(self.ids(result, "t")), len(self.ids(result, "u"))

    def test_of_all(self):
        self.assertEqual(self.rows("--full-refresh"), (10, 10))

    def test_of_one_by_its_id(self):
        self.assertEqual(self.rows("--full-refresh", self.id_of("t")), (10, 1))

    def test_of_one_by_its_name(self):
        self.assertEqual(self.rows("--full-refresh", "u"), (1, 10))
        self.assertEqual(self.rows("--full-refresh=u"), (1, 10))

    def test_of_several(self):
        self.assertEqual(self.rows("--full-refresh", "u", "--full-refresh", self.id_of("t")), (10, 10))

    def test_of_none(self):
        self.assertEqual(self.rows(), (1, 1))

    def test_of_one_that_is_not_there(self):
        result = self.sync(self.incremental("t"), self.given, "--full-refresh", "u", expect=2)
        self.assertEqual((result.stdout, result.stderr), (
            b"", "CRITICAL --full-refresh u: no selected stream has this tap_stream_id or name\n"))

    def test_of_a_copy_that_was_cut_off(self):
        first = self.sync(self.catalog("t"), state_every_rows=3)
        result = self.sync(self.catalog("t"), first.state_texts[2], "--full-refresh")
        self.assertEqual(len(self.ids(result)), 10)
        self.assertGreater(min(self.versions(result)), min(self.versions(first)))


class WrongStateTest(StateTest):
    """Exit code 2 and one line, before anything is written."""

    def check(self, state, line):
        method = state["bookmarks"] if isinstance(state, dict) and isinstance(state.get("bookmarks"), dict) else {}
        full = any(isinstance(b, dict) and b.get("last_replication_method") == "FULL_TABLE" for b in method.values())
        result = self.sync(self.catalog("t") if full else self.incremental(), state, expect=None)
        self.assertEqual((result.code, result.stderr, result.types), (2, f"CRITICAL {line}\n", []))

    def check_bookmark(self, bookmark, line):
        self.check(self.state(bookmark), f'state.json: the bookmark of "{self.id_of("t")}": {line}')

    def test_not_json(self):
        self.check("", "state.json: not valid JSON at line 1, column 1")
        self.check('{"bookmarks": {}}\n{"bookmarks": {}}', "state.json: not valid JSON at line 2, column 1")
        self.check('{"bookmarks": {"t": {"k": NaN}}}', "state.json: not valid JSON at line 1, column 27")

    def test_of_another_shape(self):
        self.check([], "state.json: the state must be an object, but is array")
        self.check({"bookmarks": "x"}, 'state.json: "bookmarks" must be an object, but is string')
        self.check({"bookmarks": {"t": [1]}}, 'state.json: the bookmark of "t" must be an object, but is array')
        self.check({"currently_syncing": 5},
                   'state.json: "currently_syncing" must be a stream\'s id or null, but is number')

    def test_bookmark_keys_of_another_type(self):
        common = {"last_replication_method": "INCREMENTAL", "replication_key": "k"}
        for wrong in ("x", 1.5, True, [], {}):
            kind = {str: "string", float: "number", bool: "boolean", list: "array", dict: "object"}[type(wrong)]
            with self.subTest(version=wrong):
                self.check_bookmark({**common, "version": wrong}, f'"version" must be a whole number, but is {kind}')
        for wrong, kind in (([1], "array"), ({"a": 1}, "object")):
            with self.subTest(replication_key_value=wrong):
                self.check_bookmark({**common, "replication_key_value": wrong},
                                    f'"replication_key_value" must be a number, text, true or false, but is {kind}')
        for wrong, kind in ((7, "number"), ([], "array")):
            with self.subTest(replication_key=wrong):
                self.check_bookmark({"last_replication_method": "INCREMENTAL", "replication_key": wrong,
                                     "replication_key_value": 7}, f'"replication_key" must be text, but is {kind}')
                self.check_bookmark({"last_replication_method": wrong},
                                    f'"last_replication_method" must be text, but is {kind}')
        for wrong, kind in (("x", "string"), (1.5, "number"), ([], "array")):
            with self.subTest(xmin=wrong):
                self.check_bookmark({"last_replication_method": "FULL_TABLE", "version": 1, "xmin": wrong},
                                    f'"xmin" must be a whole number, but is {kind}')

    def test_null_bookmarks_are_empty_ones(self):
        for state in ({}, {"bookmarks": None}, {"bookmarks": {}}, {"bookmarks": {self.id_of("t"): None}},
                      {"bookmarks": {}, "currently_syncing": None}):
            with self.subTest(state):
                self.assertEqual(len(self.ids(self.sync(self.incremental(), state))), 10)


class EveryStateTest(SchemaTest):
    """The promise itself: a target that has got what came before a STATE, and goes on from it, ends up complete."""

    database = "every_state"

    def setUp(self):
        super().setUp()
        seed = os.environ.get("TAP_SEED") or str(random.randrange(10**6))
        self.rng = random.Random(seed)
        self.addCleanup(lambda: self._outcome.success or print(f"TAP_SEED={seed}"))
        self.cursor = self.session().cursor()
        self.cursor.execute(f"SET search_path TO {self.schema}")
        workload.setup(self.cursor, rows=45)
        self.writers = [workload.Writer(table, self.cursor, random.Random(f"{seed} {table}"))
                        for table in workload.FULL + workload.INCREMENTAL]
        catalog = tap.select(tap.discover(self.config), *workload.FULL)
        self.catalog = tap.select(catalog, *workload.INCREMENTAL, method="INCREMENTAL", key="k")
        tap.metadata(tap.stream(self.catalog, "part"))["table-key-properties"] = ["id"]

    def change(self):
        for writer in self.writers:
            for _ in range(self.rng.randint(1, 6)):
                writer.step()

    def begin(self, result, number):
        """A new target gets a run's lines up to this STATE, and a few more that it does not confirm."""
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        states = self.give_target(lines[:ends[number] + 1 + self.rng.choice((0, 1, 5))])
        self.assertEqual(states[number], result.state_texts[number])
        return states[number]

    def check_complete(self, extra_allowed):
        for table in workload.FULL:
            self.check_equal(table, extra_allowed, workload.KEYS[table])
        for table in workload.INCREMENTAL:
            self.check_equal(table)

    def test_every_state_of_a_run_leads_to_a_complete_destination(self):
        first = self.sync(self.catalog, state_every_rows=7)
        self.assertGreater(len(first.states), 40)
        for number, state in enumerate(first.states):
            with self.subTest(state=state):
                self.forget_destination()
                given = self.begin(first, number)
                self.change()
                second = self.sync(self.catalog, given, state_every_rows=7)
                if number % 3 == 0:  # cut that one off, too
                    given = self.begin(second, self.rng.randrange(len(second.states)))
                    self.change()
                    second = self.sync(self.catalog, given)
                self.give_target(second.stdout.splitlines(keepends=True))
                self.check_complete(extra_allowed=True)
                if number % 5 == 0:
                    self.change()
                    last = self.sync(self.catalog, second.last_state)
                    self.give_target(last.stdout.splitlines(keepends=True))
                    self.check_complete(extra_allowed=False)

    def test_a_state_of_long_ago_still_leads_there(self):
        runs = [self.sync(self.catalog, state_every_rows=20)]
        for _ in range(4):
            self.change()
            runs.append(self.sync(self.catalog, runs[-1].last_state, state_every_rows=20))
        for run, later in itertools.combinations(range(len(runs)), 2):
            # The target has got all of `later`, but its state was lost: the one of `run` is used again.
            with self.subTest(run=run, later=later):
                self.forget_destination()
                for result in runs[:later + 1]:
                    self.give_target(result.stdout.splitlines(keepends=True))
                last = self.sync(self.catalog, self.rng.choice(runs[run].state_texts))
                self.give_target(last.stdout.splitlines(keepends=True))
                last = self.sync(self.catalog, last.last_state)
                self.give_target(last.stdout.splitlines(keepends=True))
                self.check_complete(extra_allowed=False)


if __name__ == "__main__":
    unittest.main()

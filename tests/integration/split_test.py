"""Catalogs and runs in parts: split, --part and state merge.

The last class splits, runs the parts in any order, interrupts them at random and merges their
states, TAP_ROUNDS times (2). TAP_SEED is the seed: `TAP_SEED=17.4` repeats only round 4 of seed 17.
"""

import contextlib
import json
import os
import pathlib
import random
import shlex
import subprocess
import tempfile
import unittest

from support import compare, pipeline, tap, wal_workload, workload
from support.case import SchemaTest
from support.plugins import PLUGIN
from support.server import SUPERUSER, shared

SEED, _, FIRST = os.environ.get("TAP_SEED", str(random.randrange(10**6))).partition(".")
ROUNDS = int(os.environ.get("TAP_ROUNDS") or 2)
DB, COPY = "split_source", "split_copy"
MOST = 1.3  # of the mean: the largest part


def run_command(*args, files=None, expect=0):
    """Runs the tap without a config; `files` are its files by name. Returns what it wrote."""
    with tempfile.TemporaryDirectory(prefix="tap-postgres-run-") as folder:
        for name, content in (files or {}).items():
            tap.write(folder, name, content)
        done = subprocess.run(
            [tap.BINARY, *args], cwd=folder, capture_output=True, text=True, check=False
        )
        command = shlex.join(done.args)
        assert done.returncode == expect, f"$ {command}: {done.returncode}\n{done.stderr}"
        parts = {
            int(path.stem.removeprefix("part-")): json.loads(path.read_text())
            for path in pathlib.Path(folder).glob("*/part-*.json")
        }
    return done.stdout, done.stderr, parts


def split(catalog, parts, config=None):
    """The parts of a catalog, by number from 1."""
    with_config = [] if config is None else ["--config", "config.json"]
    files = {"catalog.json": catalog, "config.json": config or {}}
    arguments = ["split", "--catalog", "catalog.json", "--parts", str(parts), "--out", "parts"]
    return run_command(*arguments, *with_config, files=files)[2]


def merge(states, base=None):
    """The merged state as text; None stands for a run without a STATE."""
    files = {f"state{number}.json": state or "" for number, state in enumerate(states)}
    with_base = [] if base is None else ["--base", "base.json"]
    return run_command(
        "state", "merge", *files, *with_base, files={**files, "base.json": base or ""}
    )[0].rstrip("\n")


def ids(catalog):
    return [entry["tap_stream_id"] for entry in catalog["streams"]]


class SplitTest(SchemaTest):
    database = "split"

    def test_tables_of_mixed_size(self):
        rng = random.Random(1)
        rows = [int(min(3000, 20 * rng.lognormvariate(0, 2))) for _ in range(200)]
        self.sql(
            "".join(
                f"CREATE TABLE {{s}}.t{number} AS SELECT i, repeat('x', 300) AS pad "
                f"FROM generate_series(1, {count}) i;"
                for number, count in enumerate(rows)
            )
        )
        self.sql("ANALYZE")
        catalog = self.catalog()
        sizes = dict(
            self.sql(
                "SELECT relname::text, pg_table_size(oid) FROM pg_class "
                "WHERE relnamespace = '{s}'::regnamespace AND relkind = 'r'"
            )
        )
        for config in (None, self.config):
            parts = split(catalog, 4, config)
            self.assertEqual(sorted(parts), [1, 2, 3, 4])
            self.assertCountEqual(sum(map(ids, parts.values()), []), ids(catalog))
            bytes_of = [
                sum(sizes[entry["table_name"]] for entry in part["streams"])
                for part in parts.values()
            ]
            self.assertLessEqual(max(bytes_of), MOST * sum(bytes_of) / 4, bytes_of)
        # the run with --part reads no sizes, like the split without a config
        parts = split(catalog, 4)
        chosen = self.sync(catalog, None, "--part", "3/4")
        self.assertIn(
            f"INFO part 3 of 4: {len(ids(parts[3]))} of 200 selected streams\n", chosen.stderr
        )
        self.assertEqual(sorted(json.loads(chosen.last_state)["bookmarks"]), sorted(ids(parts[3])))
        # a new table moves few others
        self.sql("CREATE TABLE {s}.another AS TABLE {s}.t7; ANALYZE {s}.another")
        of_table = {name: number for number, part in parts.items() for name in ids(part)}
        moved = [
            name
            for number, part in split(self.catalog(), 4).items()
            for name in ids(part)
            if of_table.get(name, number) != number
        ]
        self.assertLess(len(moved), 20)

    def test_partitions_stay_with_their_root(self):
        self.sql(
            """
            CREATE TABLE {s}.p (id int) PARTITION BY RANGE (id);
            CREATE TABLE {s}.p0 PARTITION OF {s}.p FOR VALUES FROM (0) TO (5)
                PARTITION BY RANGE (id);
            CREATE TABLE {s}.p00 PARTITION OF {s}.p0 FOR VALUES FROM (0) TO (3);
            CREATE TABLE {s}.p1 PARTITION OF {s}.p FOR VALUES FROM (5) TO (100000);
            INSERT INTO {s}.p SELECT generate_series(0, 2); INSERT INTO {s}.p
                SELECT generate_series(5, 20000);
            CREATE VIEW {s}.v AS TABLE {s}.p;
            """
            + "".join(f"CREATE TABLE {{s}}.t{i} (id int);" for i in range(9))
        )
        parts = split(self.catalog(), 3, self.config)
        [together] = [part for part in parts.values() if self.id_of("p") in ids(part)]
        for table in ("p0", "p00", "p1"):
            self.assertIn(self.id_of(table), ids(together))

    def test_log_based_streams_stay_together(self):
        self.sql("".join(f"CREATE TABLE {{s}}.t{i} (id int PRIMARY KEY);" for i in range(12)))
        catalog = self.catalog()
        wal = [f"t{i}" for i in range(0, 12, 2)]
        catalog = tap.select(catalog, *wal, method="LOG_BASED")
        found = [
            [name for name in ids(part) if name in map(self.id_of, wal)]
            for part in split(catalog, 3).values()
        ]
        self.assertEqual(sorted(map(len, found)), [0, 0, 6])

    def test_without_sizes(self):
        self.sql("CREATE TABLE {s}.t (id int); CREATE TABLE {s}.unselected (id int)")
        catalog = self.catalog("t")
        _, log, parts = run_command(
            *"split --catalog c.json --parts 2 --out parts".split(), files={"c.json": catalog}
        )
        lines = log.splitlines()
        self.assertEqual(
            lines[0],
            "WARNING c.json: no selected stream has a row-count, so all count as equally large: "
            "run ANALYZE and discover again, or give --config to read the sizes of the tables",
        )
        self.assertEqual(
            sorted(line.partition(": ")[2] for line in lines[1:]),
            ["0 streams, about 0 bytes", "1 streams, about 65.5 kB"],
        )
        self.assertEqual(sorted(map(ids, parts.values())), [[], [self.id_of("t")]])
        # A part without streams writes the state that it was given.
        [empty] = [number for number, part in parts.items() if not ids(part)]
        state = {"bookmarks": {self.id_of("t"): {"version": 1}}}
        result = self.sync(catalog, state, "--part", f"{empty}/2")
        self.assertEqual(result.messages, [{"type": "STATE", "value": state}])

    def test_files_of_more_parts(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "c.json").write_text('{"streams": []}')
            (path / "part-3.json").touch()
            done = subprocess.run(
                [tap.BINARY, *f"split --catalog {path}/c.json --parts 2 --out {path}".split()],
                capture_output=True,
                text=True,
                check=False,
            )
        self.assertEqual(done.returncode, 2)
        self.assertIn(
            f"CRITICAL --out {path}: {path}/part-3.json is left from a split into more parts; "
            "remove the part files there first\n",
            done.stderr,
        )

    def test_part_keeps_the_bookmarks_of_other_parts(self):
        self.sql("".join(f"CREATE TABLE {{s}}.t{i} AS SELECT {i} AS id;" for i in range(4)))
        catalog = self.catalog(method="INCREMENTAL", key="id")
        parts = split(catalog, 2)
        state = None
        for number in (2, 1):
            state = tap.run(
                self.config, catalog=catalog, state=state, env={"TAP_POSTGRES_PART": f"{number}/2"}
            ).last_state
        self.assertEqual(sorted(json.loads(state)["bookmarks"]), sorted(ids(catalog)))
        again = tap.run(
            self.config,
            *("--parts", "2", "--full-refresh", ids(parts[1])[0]),
            catalog=catalog,
            state=state,
            env={"JOB_COMPLETION_INDEX": "1"},
        )
        after = json.loads(again.last_state)["bookmarks"]
        for name in ids(parts[1]):
            self.assertEqual(after[name], json.loads(state)["bookmarks"][name])
        synced = {f"{self.database}-{self.schema}-{m['stream']}" for m in again.of_type("RECORD")}
        self.assertEqual(synced, set(ids(parts[2])))

    def test_row_filters_of_streams_in_other_parts(self):
        """A part does not know whether a name is mistaken."""
        self.sql(
            "CREATE TABLE {s}.item AS SELECT generate_series(1, 9) AS id;"
            "CREATE TABLE {s}.items AS SELECT generate_series(1, 9) AS id; ANALYZE"
        )
        catalog = self.catalog("item", "items")
        where = {"where": {f"{self.schema}.items": "id > 5", f"{self.schema}.other": []}}
        config = {**self.config, **where}
        parts = split(catalog, 2)
        runs = [(part, []) for part in parts.values()]
        runs += [(catalog, ["--part", f"{number}/2"]) for number in (1, 2)]
        for part, arguments in runs:
            result = self.sync(part, None, *arguments, **where)
            [name] = {message["stream"] for message in result.of_type("RECORD")}
            self.assertEqual(len(result.records()), {"item": 9, "items": 4}[name])
            is_in_doubt = name == "item" and not arguments
            self.assertEqual(
                f'WARNING config.json: "where" of "{self.schema}.items" names no stream of this '
                f"part of the catalog, but is like {self.schema}.item, all rows of which are sent: "
                "correct it, unless another part has a stream of this name\n" in result.stderr,
                is_in_doubt,
            )
            if not arguments:
                self.assertEqual(result.stderr.count("WARNING"), int(is_in_doubt))
                tap.run(config, "check", catalog=part)
        # The whole catalog is known here.
        config["where"] = {f"{self.schema}.itms": "id > 5", f"{self.schema}.item": []}
        files = {"catalog.json": catalog, "config.json": config}
        command = "split --catalog catalog.json --parts 2 --out parts --config config.json"
        [_, error, made] = run_command(*command.split(), files=files, expect=2)
        self.assertEqual(made, {})
        self.assertIn(f"is like {self.schema}.items, all rows of which would be sent", error)


class MergeTest(unittest.TestCase):
    def test_files(self):
        states = ['{"bookmarks":{"a":{"version":1,"lsn":5}}}', None, '{"bookmarks":{"b":{}}}']
        self.assertEqual(
            merge(states),
            '{"bookmarks":{"a":{"version":1,"lsn":5},"b":{}},"currently_syncing":null}',
        )

    def test_digits_are_kept(self):
        key = '{"replication_key":"k","replication_key_value":123456789012345678901234.50}'
        state = '{"bookmarks":{"a":%s},"currently_syncing":null}' % key
        self.assertEqual(merge([state, None]), state)

    def test_errors(self):
        for states, text in (
            (
                {
                    "a": '{"bookmarks":{"s":{"version":1,"last_replication_method":"LOG_BASED"}}}',
                    "b": '{"bookmarks":{"s":{"version":1,"last_replication_method":"FULL_TABLE"}}}',
                },
                "stream s: cannot tell which bookmark is newer, that of a or that of b: their "
                'replication methods are "LOG_BASED" and "FULL_TABLE"; name the state that both '
                "runs were given with --base, or remove the older bookmark",
            ),
            ({"a": "{"}, "a: not valid JSON at line 1, column 2"),
            ({"a": "[]"}, "a: the state must be an object, but is array"),
        ):
            stdout, stderr, _ = run_command("state", "merge", *states, files=states, expect=2)
            self.assertEqual((stdout, stderr), ("", f"CRITICAL {text}\n"))


class TextKeyTest(SchemaTest):
    database = "split_text_key"

    def test_states_with_a_text_key_can_be_merged(self):
        """Only the server knows its collation; each part keeps the old bookmark of the other."""
        self.sql(
            "CREATE TABLE {s}.a (id text PRIMARY KEY); CREATE TABLE {s}.b (id text PRIMARY KEY);"
            "INSERT INTO {s}.a VALUES ('b'); INSERT INTO {s}.b VALUES ('b')"
        )
        catalog = self.catalog(method="INCREMENTAL", key="id")
        state = self.sync(catalog).last_state
        for new in ("B1", "a2", "c3"):
            self.sql(f"DELETE FROM {{s}}.a; INSERT INTO {{s}}.a VALUES ('c{new}')")
            states = [
                self.sync(
                    tap.select(self.deselected(catalog), table, method="INCREMENTAL", key="id"),
                    state,
                ).last_state
                for table in "ab"
            ]
            state = merge(states)
            self.assertEqual(self.bookmark(state, "a")["replication_key_value"], f"c{new}")

    @staticmethod
    def deselected(catalog):
        catalog = json.loads(json.dumps(catalog))
        for entry in catalog["streams"]:
            tap.metadata(entry)["selected"] = False
        return catalog


class InterruptedPartsTest(unittest.TestCase):
    """The destination equals the source after interrupted runs of the parts."""

    @classmethod
    def setUpClass(cls):
        print(f"TAP_SEED={SEED} TAP_ROUNDS={ROUNDS}", flush=True)
        shared().create_database(DB)
        shared().create_database(COPY)

    def test_destination_equals_source_after_every_round(self):
        for number in [int(FIRST)] if FIRST else range(1, ROUNDS + 1):
            with self.subTest(replay=f"TAP_SEED={SEED}.{number}"):
                Round(f"{SEED}.{number}").run()


class Round:
    TABLES = workload.FULL + workload.INCREMENTAL + wal_workload.LOG_BASED

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.seed = seed
        self.schema = "round_" + seed.partition(".")[2]
        self.log = []

    def run(self):
        with (
            contextlib.closing(shared().connect(DB)) as connection,
            connection.cursor() as cursor,
        ):
            try:
                self.play(cursor)
            except BaseException as fault:
                raise AssertionError(f"{fault}\n" + "\n".join(self.log)[-10000:]) from fault
            finally:
                cursor.execute("ROLLBACK")
                pipeline.until(
                    lambda: not shared().sql("SELECT 1 FROM pg_replication_slots WHERE active"),
                    "the slot is in use",
                )
                cursor.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                    " WHERE slot_name = %s",
                    (self.schema,),
                )
                cursor.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
                shared().sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", COPY)

    def play(self, cursor):
        cursor.execute(f"CREATE SCHEMA {self.schema}; SET search_path TO {self.schema}")
        rows = self.rng.choice((50, 200))
        workload.setup(cursor, rows)
        wal_workload.setup(cursor, rows, random.Random)
        cursor.execute("SELECT pg_create_logical_replication_slot(%s, %s)", (self.schema, PLUGIN))
        self.writers = [
            (wal_workload if table in wal_workload.LOG_BASED else workload).Writer(
                table, cursor, random.Random(f"{self.seed} {table}")
            )
            for table in self.TABLES
        ]
        self.config = {
            **shared().config(DB, filter_dbs=DB, filter_schemas=self.schema),
            "replication_slot": self.schema,
            "state_every_rows": self.rng.choice((3, 20)),
        }
        catalog = tap.select(tap.discover(self.config), *workload.FULL)
        catalog = tap.select(catalog, *workload.INCREMENTAL, method="INCREMENTAL", key="k")
        catalog = tap.select(catalog, *wal_workload.LOG_BASED, method="LOG_BASED")
        tap.metadata(tap.stream(catalog, "part"))["table-key-properties"] = workload.KEYS["part"]
        count = self.rng.randint(2, 4)
        how = self.rng.choice(("files", "sizes", "--part"))
        if how == "--part":
            parts = {n: (catalog, ["--part", f"{n}/{count}"]) for n in range(1, count + 1)}
        else:
            found = split(catalog, count, self.config if how == "sizes" else None)
            parts = {number: (part, []) for number, part in found.items()}
        self.log.append(f"{count} parts: {how}")
        state = None
        for _ in range(self.rng.randint(1, 2)):
            state = self.run_parts(parts, state, is_interrupted=True)
            self.write()
        # A resumed copy may contain rows that have been deleted since; WAL deletes them later.
        state = self.run_parts(parts, state)
        self.check(extra_allowed=(*workload.FULL, *wal_workload.LOG_BASED))
        self.write()
        state = self.run_parts(parts, state)
        self.check()
        self.write()
        self.run_one(catalog, [], state)
        self.check()

    def write(self):
        for writer in self.writers:
            for _ in range(self.rng.randint(0, 3)):
                writer.step()

    def run_parts(self, parts, given, is_interrupted=False):
        """Runs each part once, in any order, with the same state; returns the merged state."""
        order = list(parts)
        self.rng.shuffle(order)
        states = []
        for number in order:
            catalog, args = parts[number]
            what = self.rng.choice(("tap", "tap", "target", None)) if is_interrupted else None
            states.append(self.run_one(catalog, args, given, what, f"part {number}: "))
        base = given if self.rng.random() < 0.5 else None
        merged = merge(states if given is None else [*states, given], base)
        self.log.append(f"merged: {merged}")
        return merged

    def run_one(self, catalog, args, state, killed=None, name=""):
        """Runs the tap into the target, and kills one of them; returns the last state, or None."""
        pipeline.until(
            lambda: not shared().sql("SELECT 1 FROM pg_replication_slots WHERE active"),
            "the slot is in use",
        )
        dsn = f"host={shared().folder} port={shared().port} user={SUPERUSER} dbname={COPY}"
        running = pipeline.Pipeline(
            self.config, catalog, state, dsn, "--schema", self.schema, tap_args=args
        )
        if killed and running.relay(int(2 ** self.rng.uniform(0, 9)), self.rng.choice((0, 9))):
            running.kill_tap() if killed == "tap" else running.kill_target()
        outcome = running.finish()
        self.log.append(
            f"{name}killed {killed}, exit codes {outcome.tap_code}, {outcome.target_code}, "
            f"{dict(outcome.kinds)}\n{outcome.tap_log}{outcome.target_log}"
        )
        codes = (outcome.tap_code, outcome.target_code)
        allowed = {"tap": {(0, 0), (-9, 0)}, "target": {(0, 0), (1, -9), (0, -9)}}
        assert codes in allowed.get(killed, {(0, 0)}), codes
        return outcome.state

    def check(self, extra_allowed=()):
        with (
            contextlib.closing(shared().connect(DB)) as source,
            contextlib.closing(shared().connect(COPY)) as destination,
        ):
            keys = {**workload.KEYS, **wal_workload.KEYS}
            for table in self.TABLES:
                compare.check_equal(
                    source,
                    f'{self.schema}."{table}"',
                    destination,
                    f"{self.schema}.{table}",
                    table in extra_allowed,
                    keys[table],
                )


if __name__ == "__main__":
    unittest.main()

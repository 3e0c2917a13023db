"""A test case for full-table copies that are interrupted and resumed.

The first run's output is truncated: the target gets the start of it, and the state that the target
confirms is the state of the interrupted copy. This is equivalent to killing that run, since changes
made after its snapshot are invisible to it either way.
"""

from support.case import SchemaTest

ROWS = 1000
EVERY = 50  # rows between STATE messages
IN_BLOCK = (
    25  # rows in each block of the tables below, so that every second block ends with a STATE
)
BEHIND = "the server is behind the one it was started on, or has a different history"
REWRITTEN = "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)"

TABLE = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, n int, pad text)
        WITH (fillfactor = 75, autovacuum_enabled = off);
    INSERT INTO {s}.t SELECT i, 0, repeat('x', 200) FROM generate_series(1, 1000) i;
"""
PARTITIONED = """
    CREATE TABLE {s}.t (id int, part int, n int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
    CREATE TABLE {s}.early (id int, part int NOT NULL, n int, PRIMARY KEY (id, part));
    CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES IN (1) WITH (fillfactor = 14);
    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2) WITH (fillfactor = 14);
    CREATE TABLE {s}.t3 PARTITION OF {s}.t FOR VALUES IN (3) WITH (fillfactor = 14);
    INSERT INTO {s}.t SELECT i, 1 + i % 3, 0 FROM generate_series(1, 999) i;
    INSERT INTO {s}.early SELECT i, 0, 0 FROM generate_series(1001, 1020) i;
"""


class ResumeTest(SchemaTest):
    database = "resume"

    def setUp(self):
        super().setUp()
        self.config["state_every_rows"] = EVERY

    def interrupt_after(self, states, catalog=None, state=None, more=13):
        """Sends the output up to the given STATE and `more` lines to the target; returns the state.

        A negative number of states counts from the end.
        """
        catalog = catalog or self.catalog("t")
        result = self.sync(catalog, state)
        self.first = result
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        end = ends[states - 1 if states > 0 else states]
        self.sent = result.types[:end].count("RECORD")  # before the STATE
        [*_, last] = self.send_to_target(lines[: end + 1 + more])
        return last

    def resume(self, state, catalog=None):
        """Runs from the state to the end, into the target; returns the Result."""
        result = self.sync(catalog or self.catalog("t"), state)
        self.send_to_target(result.stdout.splitlines(keepends=True))
        return result

    def check_resumed(self, result, state, extra_allowed=True):
        """The run resumed with the version of the state, and the destination equals the source."""
        version = self.bookmark(state, "t")["version"]
        self.assertEqual(
            [t for t in result.types if t not in ("RECORD", "STATE")],
            ["SCHEMA", "ACTIVATE_VERSION"],
        )
        self.assertEqual({m["version"] for m in result.messages if "version" in m}, {version})
        self.assertIn(f"INFO {self.id_of('t')}: resuming the interrupted copy\n", result.stderr)
        self.check_end(result, version)
        self.check_equal("t", extra_allowed)

    def check_restarted(self, result, state, why=None):
        """The run started a new version, and the destination equals the source."""
        [activated] = result.of_type("ACTIVATE_VERSION")
        self.assertGreater(activated["version"], self.bookmark(state, "t")["version"])
        self.assertEqual(
            {m["version"] for m in result.of_type("RECORD")} - {activated["version"]}, set()
        )
        if why:
            self.assertIn(
                f"WARNING {self.id_of('t')}: cannot resume the interrupted copy: {why}; "
                "restarting it\n",
                result.stderr,
            )
        self.check_end(result, activated["version"])
        self.check_equal("t")

    def check_end(self, result, version):
        self.assertEqual(
            self.bookmark(result.states[-1], "t"),
            {"last_replication_method": "FULL_TABLE", "version": version, "xmin": None},
        )
        self.assertIsNone(result.states[-1]["currently_syncing"])

    def position_after(self, rows):
        """The position of a copy of TABLE after so many rows, at the end of a block.

        Since version 14 a table is read in ranges of blocks, and a position is the end of one.
        """
        if self.server.version >= (14,):
            return f"({rows // IN_BLOCK},0)"
        return f"({rows // IN_BLOCK - 1},{IN_BLOCK})"

    def ids(self, result):
        return [record["id"] for record in result.records("t")]

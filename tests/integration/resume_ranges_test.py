"""Tables are copied in ranges of blocks; a copy resumes at the end of the last finished range."""

import re
import unittest

from support.resume import IN_BLOCK, ROWS, TABLE, ResumeTest

BIG = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, n int, pad text);
    INSERT INTO {s}.t SELECT i, 0, repeat('x', 500) FROM generate_series(1, 9000) i;
"""
# The planner's settings that speak most against TID range scans.
HOSTILE = {
    "enable_tidscan": "off",
    "random_page_cost": "1e9",
    "seq_page_cost": "0",
    "cpu_tuple_cost": "0",
    "max_parallel_workers_per_gather": "4",
    "parallel_setup_cost": "0",
    "min_parallel_table_scan_size": "0",
}


class RangesTest(ResumeTest):
    def moved(self, state, position):
        """The state with another position."""
        bookmark = self.bookmark(state, "t")
        bookmark["copy"]["position"] = position
        return {"bookmarks": {self.id_of("t"): bookmark}}

    def position(self, state):
        return self.bookmark(state, "t")["copy"]["position"]

    def copies(self, result):
        """The queries of COPY in the log, without values."""
        return [
            query
            for line in re.findall(r"(?m)^DEBUG SQL: (.*COPY .*)$", result.stderr)
            for query in re.findall(r"COPY \((.*?)\) TO STDOUT", line)
        ]


class PositionsTest(RangesTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def test_killed_within_a_range(self):
        state = None
        for number in range(1, 5):
            state = self.interrupt(self.catalog("t"), state, lines=170, state_every_rows=100)
            self.assertEqual(self.position(state), f"({4 * number},0)")
        result = self.resume(state)
        self.assertEqual(self.ids(result), list(range(16 * IN_BLOCK + 1, ROWS + 1)))
        self.check_resumed(result, state, extra_allowed=False)

    def test_position_of_a_row(self):
        """Earlier versions of the tap write the position of the last row."""
        state = self.moved(self.interrupt_after(9), "(15,7)")
        self.sql("UPDATE {s}.t SET n = 1 WHERE id IN (2, 382, 383, 400)")  # HOT updates
        result = self.resume(state)
        [(place,)] = self.sql("SELECT ctid::text FROM {s}.t WHERE id = 382")
        self.assertRegex(place, r"^\(15,")
        self.assertEqual(sorted(self.ids(result)), [2, 382, *range(383, ROWS + 1)])
        self.check_resumed(result, state, extra_allowed=False)

    def test_position_behind_the_end_of_a_truncated_file(self):
        state = self.interrupt_after(15)
        self.sql("DELETE FROM {s}.t WHERE id > 100; UPDATE {s}.t SET n = 1 WHERE id = 2")
        self.sql("VACUUM {s}.t")
        self.assertEqual(
            self.sql("SELECT pg_relation_size('{s}.t') < 10 * 8192"),
            [(True,)],
            "the file was not truncated",
        )
        result = self.resume(state)
        self.assertEqual(self.ids(result), [2])
        self.check_resumed(result, state)

    def test_file_that_was_truncated_and_extended(self):
        state = self.interrupt_after(15)
        self.sql("DELETE FROM {s}.t WHERE id > 100")
        self.sql("VACUUM {s}.t")
        self.sql("INSERT INTO {s}.t SELECT i, 1, '' FROM generate_series(2001, 6000) i")
        result = self.resume(state)
        self.assertEqual(sorted(self.ids(result)), list(range(2001, 6001)))
        self.check_resumed(result, state)

    def test_states_only_at_the_ends_of_ranges(self):
        result = self.sync(self.catalog("t"), state_every_rows=1)
        rows = [
            result.types[:i].count("RECORD") for i, t in enumerate(result.types) if t == "STATE"
        ]
        self.assertEqual(rows, [0, *range(IN_BLOCK, ROWS + 1, IN_BLOCK)])


class ScansTest(RangesTest):
    def test_small_tables_are_read_with_one_query(self):
        for rows in (0, 1, 100, 1500):
            with self.subTest(rows):
                self.sql(
                    "DROP TABLE IF EXISTS {s}.t; CREATE TABLE {s}.t (id int PRIMARY KEY, pad text);"
                    "INSERT INTO {s}.t SELECT i, repeat('x', 500) "
                    f"FROM generate_series(1, {rows}) i"
                )
                result = self.sync(self.catalog("t"), None, "-v", state_every_rows=100_000)
                self.assertEqual(self.ids(result), list(range(1, rows + 1)))
                self.assertEqual(
                    self.copies(result), [f'SELECT "id", "pad" FROM ONLY "{self.schema}"."t"']
                )

    def test_rows_added_meanwhile(self):
        self.sql(BIG)
        running = self.start(self.catalog("t"), state_every_rows=1000)
        before = running.read(1000)
        self.sql("INSERT INTO {s}.t SELECT i, 1, '' FROM generate_series(10001, 20000) i")
        self.sql("DELETE FROM {s}.t WHERE id % 2 = 0")
        self.sql("VACUUM {s}.t")
        records = [m["record"]["id"] for m in before + running.read_rest() if m["type"] == "RECORD"]
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual(records, list(range(1, 9001)))

    def plans(self, *statements, ids=range(1, 9001), **config):
        """Copies as a role for which the server reports the plan of each query."""
        self.sql(BIG + "ANALYZE {s}.t")
        self.sql(
            "CREATE ROLE planner LOGIN; GRANT USAGE ON SCHEMA {s} TO planner;"
            "GRANT SELECT ON {s}.t TO planner;"
            "ALTER ROLE planner SET session_preload_libraries = 'auto_explain';"
            "ALTER ROLE planner SET auto_explain.log_min_duration = 0;"
            "ALTER ROLE planner SET auto_explain.log_level = 'notice';"
            + "".join(f"ALTER ROLE planner SET {name} = {v};" for name, v in HOSTILE.items())
        )
        self.addCleanup(self.sql, "DROP OWNED BY planner; DROP ROLE planner")
        for statement in statements:
            self.sql(statement)
        result = self.sync(
            self.catalog("t"), None, "-v", user="planner", state_every_rows=500, **config
        )
        self.assertEqual(self.ids(result), list(ids))
        copies = self.copies(result)
        self.assertGreater(len(copies), 10)
        plans = [
            line
            for line in result.stderr.splitlines()
            if "plan: Query Text: SET LOCAL search_path = public, pg_temp; COPY" in line
        ]
        scans = re.findall(r"(\w+(?: \w+)* Scan)\b[^:]* on t\b", "\n".join(plans))
        self.assertEqual(scans, ["Tid Range Scan"] * len(copies), result)

    def test_plans(self):
        self.plans()

    def test_plans_with_a_row_filter(self):
        condition = "t.id % 2 = 0 OR t.n > 5 -- even"
        self.plans(ids=range(2, 9001, 2), where={f"{self.schema}.t": condition})

    def test_plans_with_row_security(self):
        self.plans(
            "CREATE POLICY positive ON {s}.t USING (n + id > 0);"
            "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY"
        )


if __name__ == "__main__":
    unittest.main()

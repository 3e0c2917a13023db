"""Unchanged TOAST columns are read from the table, without changing the order of records."""

import unittest

from support.wal_case import WalTest, changes, warnings

BOTH = (1, 2)  # format-version of wal2json
# 3,200 characters that are not compressed
BIG = "(SELECT string_agg(md5(i::text || {seed}), '') FROM generate_series(1, 100) i)"


def big(seed=0):
    return BIG.replace("{seed}", f"'{seed}'")


class ToastTest(WalTest):
    database = "wal_toast"

    def table(self, definition="id int PRIMARY KEY, n int, big text", identity="DEFAULT"):
        # A compressed value would not be moved to the TOAST table.
        self.sql(
            f"CREATE TABLE {{s}}.t ({definition}); ALTER TABLE {{s}}.t REPLICA IDENTITY {identity};"
            "ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL"
        )

    def value(self, seed=0):
        return self.sql(f"SELECT {big(seed)}")[0][0]

    def check(self, expected):
        """Both formats give these records, and the destination equals the table."""
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(changes(result), expected)
            self.assertEqual(warnings(result), [])
        self.check_followed("t")

    def test_read_from_the_table(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()}), (2, 2, NULL)")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = n + 10")
        self.check(
            [
                {"id": 1, "n": 11, "big": self.value(), "_sdc_deleted_at": None},
                {"id": 2, "n": 12, "big": None, "_sdc_deleted_at": None},
            ]
        )

    def test_later_changes_of_the_row_keep_their_order(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.sql("INSERT INTO {s}.t VALUES (2, 0, 'small')")
        self.sql(f"UPDATE {{s}}.t SET big = {big(1)} WHERE id = 1")
        self.sql("UPDATE {s}.t SET n = 3 WHERE id = 1")
        one = {"id": 1, "big": self.value(1), "_sdc_deleted_at": None}
        self.check(
            [
                {"n": 2, **one},
                {"id": 2, "n": 0, "big": "small", "_sdc_deleted_at": None},
                {"n": 2, **one},
                {"n": 3, **one},
            ]
        )

    def test_deleted_row(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t SELECT i, i, {big()} FROM generate_series(1, 3) i")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 0")
        self.sql("DELETE FROM {s}.t WHERE id = 2")
        self.check(
            [
                {"id": 1, "n": 0, "big": self.value(), "_sdc_deleted_at": None},
                {"id": 2, "n": 0, "_sdc_deleted_at": None},
                {"id": 3, "n": 0, "big": self.value(), "_sdc_deleted_at": None},
                {"id": 2, "_sdc_deleted_at": "D"},
            ]
        )

    def test_key_change(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET id = 5")
        self.check(
            [
                {"id": 1, "_sdc_deleted_at": "D"},
                {"id": 5, "n": 1, "big": self.value(), "_sdc_deleted_at": None},
            ]
        )
        self.sql("UPDATE {s}.t SET n = 2")
        self.sql("UPDATE {s}.t SET id = 6")
        self.check_followed("t")

    def test_key_reused_by_another_row(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.sql(f"DELETE FROM {{s}}.t; INSERT INTO {{s}}.t VALUES (1, 3, {big(7)})")
        self.check_followed("t")

    def test_many_rows_among_others(self):
        self.table()
        self.sql(
            "CREATE TABLE {s}.u (id int PRIMARY KEY, big text, n int);"
            "ALTER TABLE {s}.u ALTER big SET STORAGE EXTERNAL;"
            "INSERT INTO {s}.t SELECT i, i,"
            " (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 70) j)"
            "  FROM generate_series(1, 1500) i;"
            "INSERT INTO {s}.u SELECT id, big, n FROM {s}.t WHERE id <= 200"
        )
        self.initial_snapshot()
        cursor = self.session().cursor()
        cursor.execute(f"SET search_path TO {self.schema}")
        for i in range(10):
            cursor.execute(f"UPDATE t SET n = n + 1 WHERE id % 10 = {i}")
            cursor.execute(
                f"UPDATE u SET n = n + 1 WHERE id % 10 = {i}; UPDATE t SET big = 'small' || n "
                f"WHERE id % 50 = {i}"
            )
            cursor.execute(
                f"DELETE FROM t WHERE id % 70 = {i}; INSERT INTO t SELECT i, i, 'new' "
                f"FROM generate_series({i + 1}1000, {i + 1}1020) i; UPDATE u SET id = id + 1000 "
                f"WHERE id = {i + 1}"
            )
        result = self.check_followed("t", "u", state_every_rows=250)
        self.assertGreater(len(result.records()), 1700)
        # Every STATE in between leads to a complete destination, too.
        for state in result.state_texts:
            self.state = state
            self.sync(self.selected, state)

    def test_every_key_type(self):
        for number, (kind, values) in enumerate(
            {
                "bytea": (r"'\x00ff'", r"'\x'", r"'\x5c27'"),
                "text": ("'it''s'", r"'back\slash'", "''"),
                "varchar(20)": ("'a'", "'é'", "' b'"),
                "char(5)": ("'a'", "'é'", "''"),
                "numeric": ("1.10", "0", "1e30"),
                "double precision": ("0.1", "1e300", "'-0'"),
                "boolean": ("true", "false"),
                "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
                "timestamptz": ("'2020-01-01 12:00+02'", "'infinity'"),
                "date": ("'2020-01-01'", "'0044-03-15 BC'"),
                "int[]": ("'{1,NULL,3}'", "'{}'"),
                "text[]": (r"'{a,\"b c\"}'",),
                "interval": ("'1 day 2 hours'", "'-1 mon'"),
                "inet": ("'10.1.2.3/24'",),
                "bit(3)": ("B'101'",),
                "money": ("1234.5",),
                '"char"': ("'a'",),
                "oid": ("5",),
                "int4range": ("'[1,5)'",),
                "jsonb": ("""'{"a": 1}'""",),
                "name": ("'n'",),
                "time": ("'24:00:00'",),
            }.items()
        ):
            values = ", ".join(f"({value}, 1, {big()})" for value in values)
            self.sql(
                f"CREATE TABLE {{s}}.t{number} (id {kind} PRIMARY KEY, n int, big text);"
                f"ALTER TABLE {{s}}.t{number} ALTER big SET STORAGE EXTERNAL;"
                f"INSERT INTO {{s}}.t{number} VALUES {values}"
            )
        tables = [f"t{i}" for i in range(number + 1)]
        self.initial_snapshot()
        self.sql("".join(f"UPDATE {{s}}.{table} SET n = 2;" for table in tables))
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            for table in tables:
                with self.subTest(table=table, form=form):
                    self.assertEqual(
                        {record.get("big") for record in result.records(table)}, {self.value()}
                    )

    def test_composite_key(self):
        self.table('"a b" int, n int, big text, c bytea, PRIMARY KEY (c, "a b")')
        self.sql(
            f"INSERT INTO {{s}}.t SELECT i, i, {big()}, decode(to_hex(i % 3 + 16), 'hex') FROM "
            "generate_series(1, 30) i"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 0")
        result = self.follow()
        self.assertEqual([record["a b"] for record in result.records()], list(range(1, 31)))
        self.assertEqual({record["big"] for record in result.records()}, {self.value()})

    def test_several_columns_and_types(self):
        self.table(
            "id int PRIMARY KEY, n int, big text, bytes bytea, list text[], data jsonb, num numeric"
        )
        self.sql(
            "ALTER TABLE {s}.t ALTER bytes SET STORAGE EXTERNAL, ALTER list SET STORAGE EXTERNAL, "
            "ALTER data SET STORAGE EXTERNAL, ALTER num SET STORAGE EXTERNAL;"
            f"INSERT INTO {{s}}.t SELECT i, i, b, convert_to(b, 'UTF8'), ARRAY[b, NULL, b], "
            "jsonb_build_object('b', b), ('1' || repeat('234', 3000) || '.50')::numeric FROM "
            f"generate_series(1, 5) i, {big()} b(b)"
        )
        first = {record["id"]: record for record in self.initial_snapshot().records()}
        self.sql(
            "UPDATE {s}.t SET n = 0; UPDATE {s}.t SET big = 'x' WHERE id = 2; UPDATE {s}.t SET n = "
            "5 WHERE id = 2"
        )
        expected = [{**first[i], "n": 0, "_sdc_deleted_at": None} for i in range(1, 6)]
        expected[1]["big"] = "x"
        expected += [expected[1], {**expected[1], "n": 5}]
        for form in BOTH:
            self.assertEqual(
                changes(self.sync(self.selected, self.state, wal2json_message_format=form)),
                expected,
            )

    def test_value_from_the_old_row(self):
        self.table(identity="FULL")
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.sql(f"UPDATE {{s}}.t SET big = {big(1)}")
        one = {"id": 1, "n": 2, "_sdc_deleted_at": None}
        self.check([{"big": self.value(), **one}, {"big": self.value(1), **one}])

    def test_bytea_from_the_old_row(self):
        self.table("id int PRIMARY KEY, n int, big bytea", "FULL")
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, convert_to({big()}, 'UTF8'))")
        [first] = self.initial_snapshot().records()
        self.sql("UPDATE {s}.t SET n = 2")
        self.assertEqual(changes(self.follow()), [{**first, "n": 2, "_sdc_deleted_at": None}])

    def test_table_without_key_uses_the_old_row(self):
        self.table("n int, big text", "FULL")
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.assertEqual(
            changes(self.follow()), [{"n": 2, "big": self.value(), "_sdc_deleted_at": None}]
        )

    def test_lookup_uses_the_identity_index(self):
        self.table("id int PRIMARY KEY, n int, other text NOT NULL UNIQUE, big text")
        self.sql(
            f"INSERT INTO {{s}}.t VALUES (1, 1, 'a', {big()});"
            f"ALTER TABLE {{s}}.t REPLICA IDENTITY USING INDEX t_other_key"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 2")
        self.assertEqual(
            changes(self.follow()),
            [{"id": 1, "n": 2, "other": "a", "big": self.value(), "_sdc_deleted_at": None}],
        )

    def test_omit_setting(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()}), (2, 2, {big()})")
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET n = 0")
        for form in BOTH:
            result = self.sync(
                self.selected, self.state, unsent_columns="omit", wal2json_message_format=form
            )
            self.assertEqual(
                changes(result), [{"id": i, "n": 0, "_sdc_deleted_at": None} for i in (1, 2)]
            )
            self.assertEqual(
                warnings(result),
                [
                    f'{self.id_of("t")}: column big is left out of records of updates that do not '
                    f"change it, since WAL does not have it; run ALTER TABLE "
                    f'"{self.schema}"."t" REPLICA IDENTITY FULL'
                ],
            )

    def test_unselected_column_is_not_read(self):
        self.table()
        self.sql(f"INSERT INTO {{s}}.t VALUES (1, 1, {big()})")
        self.initial_snapshot()
        [entry] = self.selected["streams"]
        next(m for m in entry["metadata"] if m["breadcrumb"] == ["properties", "big"])["metadata"][
            "selected"
        ] = False
        self.sql("UPDATE {s}.t SET n = 2")
        result = self.follow(unsent_columns="omit")
        self.assertEqual(changes(result), [{"id": 1, "n": 2, "_sdc_deleted_at": None}])
        self.assertEqual(warnings(result), [])

    def test_partitioned_table(self):
        self.require_version(11, "partitioned tables have primary keys")
        self.sql(
            """CREATE TABLE {s}.t (id int, part int, n int, big text, PRIMARY KEY (id, part))
                 PARTITION BY LIST (part);
                    CREATE TABLE {s}.t1 (n int, big text, id int NOT NULL, part int NOT NULL);
                    ALTER TABLE {s}.t1 ADD PRIMARY KEY (id, part), ALTER big SET STORAGE EXTERNAL;
                    ALTER TABLE {s}.t ATTACH PARTITION {s}.t1 FOR VALUES IN (1);
                    CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES IN (2);
                    ALTER TABLE {s}.t2 ALTER big SET STORAGE EXTERNAL;"""
            f"INSERT INTO {{s}}.t SELECT i, i, i, {big()} FROM generate_series(1, 2) i"
        )
        self.initial_snapshot("t")
        self.sql("UPDATE {s}.t SET n = 0")
        self.sql("UPDATE {s}.t SET part = 2 WHERE id = 1")
        self.check_followed("t")


if __name__ == "__main__":
    unittest.main()

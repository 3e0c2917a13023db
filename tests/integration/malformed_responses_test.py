"""Responses that PostgreSQL would not send: one error, and no broken line on stdout."""

import struct
import unittest

from support import tap
from support.case import SchemaTest
from support.forger import Forger, field

ANSWER = "the server's answer to a catalog query is malformed: "
CATALOG = "the server's catalog is malformed: "


def int4(value):
    return field(struct.pack(">i", value))


def row(*values):
    return struct.pack(">h", len(values)) + b"".join(values)


class MalformedResponsesTest(SchemaTest):
    database = "malformed_responses"

    def setUp(self):
        super().setUp()
        self.forger = Forger(self.server.port)
        self.addCleanup(self.forger.__exit__)

    def sync_forged(self, *args, catalog=None, expect=1, **extra):
        """Runs against the forged server."""
        return tap.run(
            {**self.forger.config(self.config), **extra}, *args, catalog=catalog, expect=expect
        )


class CatalogTest(MalformedResponsesTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE DOMAIN {s}.price AS int; CREATE TABLE {s}.t (v {s}.price, w int[])")
        self.selected = self.catalog("t")
        [(self.domain,)] = self.sql("SELECT '{s}.price'::regtype::oid::bigint")

    def check(self, forge, text):
        """Discovery fails with this message, and in a sync the stream does."""
        self.forger.forge_row = forge
        for args, catalog in ((["--discover"], None), ([], self.selected)):
            with self.subTest(args=args):
                result = self.sync_forged(*args, catalog=catalog)
                self.assertEqual(result.stdout, b"")
                stream = self.id_of("t")
                expected = [
                    f"ERROR stream {stream}: {text}",
                    f"CRITICAL 1 of 1 streams failed: {stream}",
                ]
                self.assertEqual(
                    [
                        line
                        for line in result.stderr.splitlines()
                        if line.startswith(("ERROR", "CRITICAL"))
                    ],
                    expected if catalog else [f"CRITICAL {text}"],
                    result,
                )

    def change(self, column, value, **where):
        """Changes a column of the rows that have all these values."""

        def forge(row):
            if column in row and all(row.get(name) == wanted for name, wanted in where.items()):
                row[column] = value(row) if callable(value) else value

        return forge

    def test_table_without_relkind(self):
        self.check(
            self.change("kind", None, kind=b"r"), ANSWER + '"kind" is NULL, not one character'
        )
        self.check(
            self.change("kind", b"", kind=b"r"), ANSWER + "\"kind\" is '', not one character"
        )

    def test_other_streams_are_synced(self):
        self.sql("CREATE TABLE {s}.u AS SELECT 1 AS id")
        [(oid,)] = self.sql("SELECT '{s}.t'::regclass::oid::bigint")
        for method in ("FULL_TABLE", "INCREMENTAL"):
            self.forger.forge_row = self.change("kind", None, oid=str(oid).encode())
            catalog = self.catalog(
                "t", "u", method=method, key="v" if method == "INCREMENTAL" else None
            )
            if method == "INCREMENTAL":
                tap.metadata(tap.stream(catalog, "u"))["replication-key"] = "id"
            with self.subTest(method):
                result = self.sync_forged(catalog=catalog)
                self.assertEqual(result.records("u"), [{"id": 1}])
                self.assertEqual(
                    [
                        line
                        for line in result.stderr.splitlines()
                        if line.startswith(("ERROR", "CRITICAL"))
                    ],
                    [
                        (
                            f'ERROR stream {self.id_of("t")}: {ANSWER}"kind" is NULL, not one '
                            "character"
                        ),
                        f"CRITICAL 1 of 2 streams failed: {self.id_of('t')}",
                    ],
                )

    def test_type_without_delimiter(self):
        self.check(
            self.change("delimiter", b"", name=b"price"),
            ANSWER + "\"delimiter\" is '', not one character",
        )

    def test_types_that_contain_themselves(self):
        text = CATALOG + "type {} contains itself, or more than 100 others"
        self.check(
            self.change("base", lambda row: row["oid"], name=b"price"),
            text.format(f"{self.schema}.price"),
        )
        self.check(
            self.change("element", lambda row: row["oid"], name=b"_int4"),
            text.format("pg_catalog._int4"),
        )

    def test_missing_type(self):
        self.check(
            lambda row: row.get("name") != b"price" or "delimiter" not in row,
            CATALOG + f"pg_type has no row for OID {self.domain}",
        )

    def test_invalid_number(self):
        self.check(
            self.change("base", b"x", name=b"price"), ANSWER + "\"base\" is 'x', not a number"
        )
        self.check(
            self.change("base", b"99999999999", name=b"price"),
            ANSWER + "\"base\" is '99999999999', not an OID",
        )

    def test_unrequested_positions(self):
        self.forger.forge_row = self.change("position", b"7")
        result = self.sync_forged("check", catalog=self.selected)
        self.assertIn(
            ANSWER + "\"position\" is '7', not a number from 1 to 1",
            result.stdout.decode() + result.stderr,
        )


class CopyTest(MalformedResponsesTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, 10 * i AS k FROM generate_series(1, 3) i")

    def check(self, second, text, method="FULL_TABLE", key=None, view=False, **extra):
        """With a forged second row, only the first row is sent and the stream fails."""
        if view:
            self.sql("CREATE OR REPLACE VIEW {s}.v AS TABLE {s}.t")
        name = "v" if view else "t"
        catalog = self.catalog(name, method=method, key=key)
        self.forger.forge_copy = lambda body: second if struct.pack(">i", 20) in body else body
        result = self.sync_forged(catalog=catalog, **extra)
        self.assertEqual(result.records(), [{"id": 1, "k": 10}])
        self.assertEqual(
            [line for line in result.stderr.splitlines() if not line.startswith("INFO ")],
            [
                f"ERROR stream {self.id_of(name)}: {text}",
                f"CRITICAL 1 of 1 streams failed: {self.id_of(name)}",
            ],
            result,
        )

    ROW = (
        "the server sent a malformed row: expected 2 columns (id, k); please report this with the "
        "server's version"
    )

    def test_unrequested_fields(self):
        for wrong in ([int4(2)], [int4(2), int4(20), int4(30)], []):
            self.check(row(*wrong), self.ROW)
            self.check(row(*wrong), self.ROW, view=True)
            self.check(row(*wrong), self.ROW, "INCREMENTAL", "k")

    def test_bytes_after_the_last_field(self):
        self.check(row(int4(2), int4(20)) + b"\0", self.ROW)
        self.check(row(int4(2), int4(20)) + int4(30), self.ROW, "INCREMENTAL", "k")

    def test_invalid_length(self):
        self.check(row(int4(2), struct.pack(">i", -2)), self.ROW, "INCREMENTAL", "k")

    def test_truncated_row(self):
        early = "a server message is truncated: expected 4 more bytes, found 0"
        truncated = int4(2) + struct.pack(">i", 4)
        self.check(struct.pack(">h", 2) + truncated, early)
        self.check(struct.pack(">h", 2) + truncated, early, "INCREMENTAL", "k")


class OldServerTest(CopyTest):
    """Before version 14, each row begins with its ctid."""

    major = "11"

    def test_unrequested_fields(self):
        ctid = field(struct.pack(">IH", 0, 2))
        for wrong in ([int4(2)], [int4(2), int4(20), int4(30)], []):
            self.check(row(ctid, *wrong), self.ROW)

    def test_bytes_after_the_last_field(self):
        ctid = field(struct.pack(">IH", 0, 2))
        self.check(row(ctid, int4(2), int4(20)) + b"\0", self.ROW)

    def test_truncated_row(self):
        early = "a server message is truncated: expected 4 more bytes, found 0"
        truncated = int4(2) + struct.pack(">i", 4)
        self.check(struct.pack(">h", 3) + field(struct.pack(">IH", 0, 2)) + truncated, early)

    def test_row_without_ctid(self):
        self.check(
            row(int4(0), int4(2), int4(20)),
            "the server sent a row without its ctid; please report this with the server's "
            "version",
        )


class JsonTest(MalformedResponsesTest):
    def test_value_that_would_end_the_record(self):
        self.sql("""CREATE TABLE {s}.t AS SELECT 1 AS id, '{"a":1}'::json AS j""")
        catalog = self.catalog("t")
        self.forger.forge_copy = lambda body: body.replace(
            field(b'{"a":1}'), field(b'1},"version":7,"x":')
        )
        result = self.sync_forged(catalog=catalog, json_as_object=True)
        self.assertEqual(result.records(), [])
        self.assertIn(
            f"ERROR stream {self.id_of('t')}: {self.schema}.t.j: the server sent 19 bytes that "
            "are not a binary value of type json; please report this with the server's version "
            "and the column's type",
            result.stderr,
        )


if __name__ == "__main__":
    unittest.main()

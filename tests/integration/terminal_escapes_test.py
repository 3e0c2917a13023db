"""Control characters in names and in server messages are escaped in the log and on the terminal."""

import json
import unittest

from support import tap
from support.case import SchemaTest
from support.wal_case import WalTest

NAME = "a\x1b[2J\x07\u202eb\x9bc\u2066\x7f\td\ne"
SHOWN = r"a\u001b[2J\u0007\u202eb\u009bc\u2066\u007f\td\ne"


class TerminalTest(SchemaTest):
    database = "terminal_escapes"
    maxDiff = None

    def test_names_in_log_messages(self):
        self.sql(f'CREATE TABLE {{s}}."{NAME}" AS SELECT 1 AS id')
        catalog = self.catalog(NAME)
        shown = f"terminal_escapes-{self.schema}-{SHOWN}: copying the table"
        result = self.sync(catalog)
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertEqual(result.stderr.splitlines()[0], f"INFO {shown}")
        self.check_clean(result)
        result = self.sync(catalog, None, "--log-format", "json")
        # The first line is about the connection.
        self.assertEqual(json.loads(result.stderr.splitlines()[1])["message"], shown)
        self.check_clean(result)

    def check_clean(self, result):
        self.assertRegex(result.stderr, r"\A[\n\x20-\x7e]*\Z")

    def test_names_in_check(self):
        self.sql(f'CREATE TABLE {{s}}."{NAME}" (id int)')
        catalog = self.catalog(NAME)
        subject = f"stream terminal_escapes-{self.schema}-"
        text = tap.run(self.config, "check", catalog=catalog, expect=None).stdout.decode()
        self.assertIn(
            f"note    {subject}{SHOWN}: it has no key, so a target cannot recognize repeated rows",
            text,
        )
        self.assertRegex(text, r"\A[\n\x20-\x7e]*\Z")
        text = tap.run(
            self.config, "check", "--format", "json", catalog=catalog, expect=None
        ).stdout.decode()
        self.assertRegex(text, r"\A[\n\x20-\x7e]*\Z")
        self.assertIn(
            subject + NAME, [finding["subject"] for finding in json.loads(text)["findings"]]
        )

    def test_server_message(self):
        self.sql(
            """CREATE FUNCTION {s}.fail() RETURNS int LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION E'red \\x1b[31m, \\u202e and \\u009b'; END $$;
                    CREATE VIEW {s}.v AS SELECT {s}.fail() AS id"""
        )
        catalog = self.catalog("v")
        for args in ((), ("--log-format", "json")):
            result = self.sync(catalog, None, *args, expect=1)
            shown = (
                rf"stream terminal_escapes-{self.schema}-v: red \u001b[31m, \u202e and \u009b "
                r"(SQLSTATE P0001)"
            )
            messages = [
                json.loads(line)["message"] if args else line.removeprefix("ERROR ")
                for line in result.stderr.splitlines()
            ]
            self.assertIn(shown, messages)
            self.check_clean(result)


class NoticesTest(SchemaTest):
    """The server sends a notice for each login to a database with another collation version."""

    database = "notices"

    def setUp(self):
        super().setUp()
        self.server.sql("DROP DATABASE IF EXISTS mismatch")
        self.server.sql(
            "CREATE DATABASE mismatch TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'"
        )
        self.addCleanup(self.server.drop_database, "mismatch")
        self.server.sql("CREATE TABLE t AS SELECT 1 AS id", "mismatch")
        self.server.sql("UPDATE pg_database SET datcollversion = '1' WHERE datname = 'mismatch'")
        self.config = self.server.config("mismatch", filter_dbs="mismatch", filter_schemas="public")

    def test_quiet(self):
        catalog = tap.select(json.loads(self.quiet("--discover").stdout))
        self.assertEqual(self.quiet(catalog=catalog).records(), [{"id": 1}])
        self.quiet("check", "--format", "json")
        self.quiet("slot", "status")

    def quiet(self, *args, **extra):
        result = tap.run(self.config, "-q", *args, **extra)
        self.assertEqual(result.connected + result.stderr, "")
        return result

    def test_json_format(self):
        for args in (("--discover",), ("check",)):
            result = tap.run(self.config, "--log-format", "json", "-v", *args)
            messages = [
                json.loads(line)["message"]
                for line in (result.connected + result.stderr).splitlines()
            ]
            self.assertTrue(
                [
                    m
                    for m in messages
                    if m.startswith(
                        'server: WARNING: database "mismatch" has a collation version mismatch '
                        "DETAIL: The database was created using "
                        "collation version 1, but the operating system provides version "
                    )
                ],
                messages,
            )


class SlotStatusTest(WalTest):
    database = "a\x1b[2J\u202eb"

    def test_database_name(self):
        text = tap.run(self.config, "slot", "status").stdout.decode()
        self.assertRegex(
            text,
            r"(?m)^database_name: plugin wal2json, database a\\u001b\[2J\\u202eb, not read, ",
        )
        self.assertRegex(text, r"\A[\n\x20-\x7e]*\Z")


if __name__ == "__main__":
    unittest.main()

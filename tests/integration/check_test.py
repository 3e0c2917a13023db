"""`tap-postgres check`: findings on files, server, privileges and streams, and their fixes."""

import re
import unittest

from support import tap
from support.case import SchemaTest
from support.check import about, run_check, text
from support.server import Server, shared

TABLES = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, k int, note text);
    CREATE INDEX ON {s}.t (k);
"""


class CheckTest(SchemaTest):
    """The tap is the user `checker`, who may read everything in the test's schema."""

    database = "check_me"

    def setUp(self):
        super().setUp()
        self.sql("DROP ROLE IF EXISTS checker; CREATE ROLE checker LOGIN")
        self.addCleanup(self.sql, "DROP OWNED BY checker; DROP ROLE checker")
        self.sql(TABLES)
        self.grant_all()
        self.config.update(user="checker")

    def grant_all(self):
        self.sql(
            "GRANT USAGE ON SCHEMA {s} TO checker; GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO "
            "checker"
        )

    def run_check(self, catalog=None, *args, expect=0, state=None, **extra):
        return run_check(
            {**self.config, **extra}, *args, catalog=catalog, state=state, expect=expect
        )

    def stream_findings(self, table, catalog, expect=0, **extra):
        return about(self.run_check(catalog, expect=expect, **extra), f"stream {self.id_of(table)}")

    def check_fix(self, table, catalog, found, expect=0):
        """This is the only problem of the stream, and the SQL of the finding fixes it."""
        self.assertEqual(
            self.stream_findings(table, catalog, expect), [found.replace("{s}", self.schema)]
        )
        sql = re.search(r"(GRANT|ALTER|CREATE) .*", found.replace("{s}", self.schema))[0]
        self.sql(sql)
        [fixed] = self.stream_findings(table, catalog)
        self.assertRegex(fixed, r"\Aok ")


class FormTest(CheckTest):
    def test_text_format(self):
        self.sql(
            "CREATE TABLE {s}.hidden (); CREATE VIEW {s}.v AS SELECT 1 AS id; GRANT SELECT ON "
            "{s}.v TO checker"
        )
        result = tap.run(self.config, "check", catalog=self.catalog("t", "v"))
        self.assertEqual(result.stderr, "")
        self.assertEqual(
            result.stdout.decode().splitlines(),
            [
                "ok      catalog: 2 streams selected",
                (
                    f"ok      connection to database check_me: 127.0.0.1:{self.server.port}, "
                    "database check_me, user checker"
                ),
                f"ok      server: PostgreSQL {self.sql('SHOW server_version')[0][0]}, a primary",
                "ok      tls: not encrypted, but local to this machine",
                "ok      clock: the clocks of the server and this machine agree",
                "ok      timeouts: none that would interrupt a run",
                "note    database check_me: 1 of 3 tables are not readable: "
                f"{self.schema}.hidden; to sync them: GRANT USAGE ON SCHEMA "
                f"{self.schema} TO checker; GRANT SELECT ON ALL TABLES IN SCHEMA {self.schema} TO "
                "checker",
                f"ok      stream {self.id_of('t')}: FULL_TABLE, 3 columns, key id",
                f"note    stream {self.id_of('v')}: it has no key, so a target cannot "
                "recognize repeated rows; name unique "
                'columns in the metadata: "view-key-properties": ["..."]',
            ],
        )

    def test_json_format(self):
        self.sql("CREATE TABLE {s}.u (id int)")
        catalog = self.catalog("t")
        lines = tap.run(self.config, "check", catalog=catalog).stdout.decode().splitlines()
        result = tap.run(self.config, "check", "--format", "json", catalog=catalog)
        self.assertEqual((result.stdout.count(b"\n"), result.stderr), (1, ""))
        [document] = result.messages
        self.assertEqual(document["worst"], "note")
        self.assertEqual(
            [set(f) for f in document["findings"]],
            [{"level", "subject", "found", "needed", "fix"}] * len(lines),
        )
        self.assertEqual(
            [
                f"{f['level']:7} {f['subject']}: {text(f).removeprefix(f['level'] + ' ')}"
                for f in document["findings"]
            ],
            lines,
        )

    def test_test_option_is_an_alias(self):
        self.assertEqual(
            tap.run(self.config, "--test").stdout, tap.run(self.config, "check").stdout
        )
        self.assertEqual(
            run_check(self.config),
            tap.run(self.config, "--test", "--format", "json").messages[0]["findings"],
        )

    def test_check_excludes_other_commands(self):
        for args, line in (
            (("--format", "json"), "--format requires check or --about"),
            (("check", "--discover"), "check cannot be combined with --discover or slot"),
            (("--test", "slot", "status"), "check cannot be combined with --discover or slot"),
        ):
            result = tap.run(self.config, *args, expect=2)
            self.assertEqual((result.stdout, result.stderr), (b"", f"CRITICAL {line}\n"))

    def test_names_with_newlines_stay_on_one_line(self):
        catalog = self.catalog("t")
        catalog["streams"][0]["tap_stream_id"] = "two\nlines"
        self.assertIn(
            b"ok      stream two\\nlines: FULL_TABLE, 3 columns, key id\n",
            tap.run(self.config, "check", catalog=catalog).stdout,
        )


class FilesTest(CheckTest):
    def test_unusable_config(self):
        self.assertEqual(
            run_check({**self.config, "port": "x"}, expect=2),
            [
                {
                    "level": "error",
                    "subject": "config",
                    "found": 'config.json: "port" must be a whole number, but is "x"',
                    "needed": "",
                    "fix": "",
                }
            ],
        )

    def test_all_errors_in_catalog_and_state_are_reported(self):
        self.sql("CREATE VIEW {s}.v AS SELECT 1 AS id; CREATE TABLE {s}.u (id int)")
        self.grant_all()
        catalog = tap.select(self.catalog("t"), "v", method="LOG_BASED")
        catalog = tap.select(catalog, "u", method="INCREMENTAL", key="gone")
        findings = self.run_check(catalog, state="{", expect=2)
        self.assertEqual(
            about(findings, "state"), ["error state.json: not valid JSON at line 1, column 2"]
        )
        self.assertEqual(
            about(findings, f"stream {self.id_of('v')}"),
            [
                "error Logical Replication is NOT supported for views. Please change the "
                "replication method for " + self.id_of("v")
            ],
        )
        self.assertEqual(
            about(findings, f"stream {self.id_of('u')}"),
            [
                (
                    f"error replication key gone of stream {self.id_of('u')} is not one of its "
                    "columns in the catalog"
                )
            ],
        )
        self.assertEqual(
            about(findings, f"stream {self.id_of('t')}"), ["ok FULL_TABLE, 3 columns, key id"]
        )

    def test_no_selected_stream(self):
        self.assertEqual(
            about(self.run_check({"streams": []}), "catalog"),
            [
                (
                    "warning no stream is selected; select streams in their metadata, or run: "
                    "tap-postgres --discover --select PATTERN"
                )
            ],
        )

    def test_full_refresh_of_unselected_stream(self):
        self.assertEqual(
            about(self.run_check(self.catalog("t"), "--full-refresh", "x", expect=2), "catalog"),
            ["error --full-refresh x: no selected stream has this tap_stream_id or name"],
        )

    def test_file_errors_precede_stream_errors(self):
        self.sql("CREATE TABLE {s}.u (id int)")
        self.grant_all()
        catalog = tap.select(self.catalog("t"), "u", method="INCREMENTAL", key="gone")
        self.sql("REVOKE SELECT ON {s}.t FROM checker")
        self.assertEqual(
            [f["subject"] for f in self.run_check(catalog, expect=2) if f["level"] == "error"],
            [f"stream {self.id_of('u')}", f"stream {self.id_of('t')}"],
        )
        self.assertEqual(
            [
                f["subject"]
                for f in self.run_check(catalog, port="1", expect=2)
                if f["level"] == "error"
            ],
            [f"stream {self.id_of('u')}", "connection to database check_me"],
        )


class PrivilegesTest(CheckTest):
    def test_no_schema_privilege(self):
        catalog = self.catalog("t")
        self.sql("REVOKE USAGE ON SCHEMA {s} FROM checker")
        self.check_fix(
            "t",
            catalog,
            'error permission denied for schema "{s}"; GRANT USAGE ON SCHEMA "{s}" TO "checker"',
            1,
        )

    def test_no_table_privilege(self):
        catalog = self.catalog("t")
        self.sql("REVOKE SELECT ON {s}.t FROM checker")
        self.check_fix(
            "t",
            catalog,
            'error permission denied for table "{s}"."t"; GRANT SELECT ON "{s}"."t" TO "checker"',
            1,
        )

    def test_some_columns_unreadable(self):
        catalog = self.catalog("t")
        self.sql("REVOKE SELECT ON {s}.t FROM checker; GRANT SELECT (id) ON {s}.t TO checker")
        self.check_fix(
            "t",
            catalog,
            'error permission denied for columns "k", "note" of "{s}"."t"; deselect them, or run: '
            'GRANT SELECT ("k", "note") ON "{s}"."t" TO "checker"',
            1,
        )

    def test_unselected_column_may_be_unreadable(self):
        catalog = self.catalog("t")
        tap.metadata(tap.stream(catalog, "t"), "note")["selected"] = False
        self.sql("REVOKE SELECT ON {s}.t FROM checker; GRANT SELECT (id, k) ON {s}.t TO checker")
        self.assertEqual(self.stream_findings("t", catalog), ["ok FULL_TABLE, 2 columns, key id"])

    def test_row_level_security(self):
        self.sql("ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY")
        self.check_fix(
            "t",
            self.catalog("t"),
            'warning row-level security of "{s}"."t" hides rows from "checker"; unless '
            'this is intended: ALTER ROLE "checker" BYPASSRLS',
        )

    def test_row_level_security_of_an_incremental_stream(self):
        self.sql("ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY; ALTER ROLE checker NOBYPASSRLS")
        self.check_fix(
            "t",
            self.catalog("t", method="INCREMENTAL", key="k"),
            'warning row-level security of "{s}"."t" hides rows from "checker"; unless this is '
            f"intended, run this SQL, then run with --full-refresh {self.id_of('t')} to send them: "
            'ALTER ROLE "checker" BYPASSRLS',
        )

    def test_tables_hidden_from_discovery(self):
        self.sql("".join(f"CREATE TABLE {{s}}.h{i} ();" for i in range(6)))
        [found] = about(self.run_check(), "database check_me")
        names = ", ".join(f"{self.schema}.h{i}" for i in range(5))
        self.assertEqual(
            found,
            f"note 6 of 7 tables are not readable: {names}, ...; to sync them: "
            f"GRANT USAGE ON SCHEMA {self.schema} TO checker; GRANT SELECT ON ALL TABLES IN "
            f"SCHEMA {self.schema} TO checker",
        )
        self.sql(found.split("to sync them: ")[1])
        self.assertEqual(
            about(self.run_check(), "database check_me"), ["ok all 7 tables are readable"]
        )

    def test_nothing_to_discover(self):
        self.sql("REVOKE ALL ON SCHEMA {s} FROM checker")
        self.assertEqual(
            about(self.run_check(expect=1), "discovery"),
            [
                "error 0 tables were discovered across the entire cluster; grant checker USAGE on "
                "a schema and SELECT on its tables, or widen filter_dbs and filter_schemas"
            ],
        )


class TablesTest(CheckTest):
    """The tables change after the catalog is made."""

    def test_dropped_table(self):
        catalog = self.catalog("t")
        self.sql("DROP TABLE {s}.t")
        self.assertEqual(
            self.stream_findings("t", catalog, 1),
            [
                f'error table "{self.schema}"."t" is not in the database '
                f"(127.0.0.1:{self.server.port}, database check_me, user "
                "checker); run discovery again, or remove the stream from the catalog"
            ],
        )

    def test_dropped_and_retyped_columns(self):
        catalog = self.catalog("t")
        self.sql("ALTER TABLE {s}.t DROP note, ALTER k TYPE bigint")
        self.assertEqual(
            self.stream_findings("t", catalog),
            [
                "warning column k is bigint now, but integer in the catalog; run discovery again",
                (
                    "warning column note is no longer in the table; it is left out until "
                    "discovery is run again"
                ),
            ],
        )
        self.sql("ALTER TABLE {s}.t DROP id")
        self.assertEqual(
            self.stream_findings("t", catalog, 1)[-1],
            "error key column id is no longer in the table; run discovery again",
        )

    def test_dropped_replication_key(self):
        catalog = self.catalog("t", method="INCREMENTAL", key="k")
        self.assertEqual(
            self.stream_findings("t", catalog), ["ok INCREMENTAL by k, 3 columns, key id"]
        )
        self.sql("ALTER TABLE {s}.t DROP k")
        self.assertEqual(
            self.stream_findings("t", catalog, 1)[-1],
            "error replication key k is no longer in the table; run discovery "
            "again and choose another replication-key",
        )

    def test_unsortable_replication_key(self):
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY, k json)")
        self.grant_all()
        self.assertEqual(
            self.stream_findings("u", self.catalog("u", method="INCREMENTAL", key="k"), 1),
            [
                "error replication key k is json, a type that cannot be a bookmark; choose another "
                "replication-key, or FULL_TABLE"
            ],
        )

    def test_replication_key_without_index(self):
        self.sql(
            """CREATE TABLE {s}.u (id int PRIMARY KEY, k int, other int);
                    CREATE INDEX ON {s}.u (other, k); CREATE INDEX ON {s}.u USING hash (k);
                    CREATE INDEX ON {s}.u (k) WHERE k > 0;
                    CREATE TABLE {s}.p (id int, k int, PRIMARY KEY (id)) PARTITION BY RANGE (id)"""
        )
        self.grant_all()
        catalog = self.catalog("u", "p", method="INCREMENTAL", key="k")
        none = (
            "warning no index begins with the replication key k: each run reads the whole table; "
            "CREATE INDEX "
        )
        self.check_fix("u", catalog, none + 'CONCURRENTLY ON "{s}"."u" ("k")')
        self.check_fix("p", catalog, none + 'ON "{s}"."p" ("k")')

    def test_table_without_primary_key(self):
        self.sql("CREATE TABLE {s}.u (id int)")
        self.grant_all()
        self.assertEqual(
            self.stream_findings("u", self.catalog("u")),
            [
                "note it has no key, so a target cannot recognize repeated rows; create "
                "a primary "
                'key, or name unique columns in the metadata: "table-key-properties": ["..."]'
            ],
        )

    def test_unselected_primary_key(self):
        catalog = self.catalog("t")
        tap.metadata(tap.stream(catalog, "t"), "id").update(
            {"inclusion": "available", "selected": False}
        )
        self.assertEqual(
            self.stream_findings("t", catalog),
            [
                "warning key column id is not selected, so records lack it; select it in "
                'the column\'s metadata: "selected": '
                "true"
            ],
        )


class DatabasesTest(CheckTest):
    """Streams of several databases: a refused connection affects only what needs it."""

    def setUp(self):
        super().setUp()
        shared().create_database("check_away")
        self.addCleanup(shared().drop_database, "check_away")
        shared().sql(
            "CREATE TABLE a (id int PRIMARY KEY); GRANT SELECT ON a TO PUBLIC", "check_away"
        )
        away = tap.discover({**self.config, "filter_dbs": "check_away", "filter_schemas": ""})
        self.both = {"streams": tap.select(away)["streams"] + self.catalog("t")["streams"]}
        shared().sql("REVOKE CONNECT ON DATABASE check_away FROM PUBLIC")
        self.refused = (
            f"cannot connect (127.0.0.1:{self.server.port}, database check_away, user checker): "
            f'connection to server at "127.0.0.1", port {self.server.port} failed: FATAL: '
            'permission denied for database "check_away" DETAIL: User does not have CONNECT '
            "privilege. (SQLSTATE 42501); the CONNECT privilege: GRANT CONNECT ON DATABASE "
            '"check_away" TO "checker"'
        )

    def test_no_connect_privilege(self):
        findings = self.run_check(self.both, expect=1)
        self.assertEqual(
            about(findings, "connection to database check_away"), ["error " + self.refused]
        )
        self.assertEqual(
            about(findings, f"stream {self.id_of('t')}"), ["ok FULL_TABLE, 3 columns, key id"]
        )
        shared().sql('GRANT CONNECT ON DATABASE "check_away" TO "checker"')
        self.assertEqual(
            about(self.run_check(self.both), "stream check_away-public-a"),
            ["ok FULL_TABLE, 1 columns, key id"],
        )
        shared().sql('REVOKE CONNECT ON DATABASE "check_away" FROM "checker"')

    def test_log_based_stream_ends_the_run(self):
        catalog = {"streams": tap.select(self.both, "a", method="LOG_BASED")["streams"]}
        self.assertIn(
            "error " + self.refused,
            about(self.run_check(catalog, expect=3), "connection to database check_away"),
        )

    def test_discovery_skips_the_database(self):
        findings = self.run_check(filter_dbs="check_me,check_away,check_none")
        self.assertEqual(
            about(findings, "connection to database check_away"), ["warning " + self.refused]
        )
        self.assertEqual(
            about(findings, "database check_none"),
            ["warning it is in filter_dbs, but does not exist or does not allow connections"],
        )


class ManyTablesTest(CheckTest):
    def test_many_tables(self):
        """The number of queries does not depend on the number of tables."""
        self.sql(
            "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE {s}.n%s (id int PRIMARY "
            "KEY)', i); END LOOP; END $$"
        )
        self.grant_all()
        findings = self.run_check(self.catalog())
        self.assertEqual(sum(f["found"] == "FULL_TABLE, 1 columns, key id" for f in findings), 300)


class QuietTest(unittest.TestCase):
    """A server of its own, without other activity."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server({"autovacuum": "off"})
        cls.addClassCleanup(cls.server.close)
        cls.server.sql("CREATE TABLE t (id int PRIMARY KEY, k int)")
        cls.config = cls.server.config()
        cls.catalog = tap.select(
            tap.discover({**cls.config, "filter_dbs": "postgres"}), method="LOG_BASED"
        )

    def test_nothing_is_written(self):
        next_transaction = (
            "SELECT txid_snapshot_xmax(txid_current_snapshot()), (SELECT count(*) FROM "
            "pg_replication_slots)"
        )
        before = self.server.sql(next_transaction)
        run_check(self.config, catalog=self.catalog, expect=4)
        run_check({**self.config, "create_replication_slot": True}, catalog=self.catalog)
        run_check(self.config)
        self.assertEqual(self.server.sql(next_transaction), before)

    def test_locks_are_not_waited_for(self):
        holder = self.server.connect()
        self.addCleanup(holder.close)
        with holder.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            run_check(self.config, catalog=self.catalog, expect=4, timeout=20)
            # LOCK TABLE took a transaction ID: a server that notices later that the session is gone
            # would end that transaction in the middle of test_nothing_is_written.
            cursor.execute("ROLLBACK")


if __name__ == "__main__":
    unittest.main()

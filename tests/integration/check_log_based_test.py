"""`tap-postgres check`: findings on the requirements of log-based streams."""

import json
import unittest

from support.check import about, run_check
from support.pipeline import until
from support.server import Server, shared
from support.slots import ONE_TABLE, SlotTest, as_text, removed_wal


class CheckLogBasedTest(SlotTest):
    def run_check(self, catalog=None, state=None, *args, expect=0, **extra):
        return run_check(
            {**self.config, **extra}, *args, catalog=catalog, state=state, expect=expect
        )

    def slot_findings(self, *args, **options):
        return about(self.run_check(*args, **options), f"slot {self.slot}")


class SlotFindingsTest(CheckLogBasedTest):
    def setUp(self):
        super().setUp()
        self.sql(ONE_TABLE)
        self.selected = self.catalog("t")
        self.missing = (
            f"no replication slot {self.slot} with wal2json in database slots; create it with "
            f"SELECT pg_create_logical_replication_slot('{self.slot}', 'wal2json') or set "
            "create_replication_slot to true"
        )

    def test_no_problems(self):
        self.make_slot()
        [(used,)] = self.sql("SELECT count(*) FROM pg_replication_slots")
        findings = self.run_check(self.selected)
        self.assertEqual(
            [
                f["level"]
                for f in findings
                if f["subject"] not in ("max_slot_wal_keep_size", "database slots")
            ],
            ["ok"] * (len(findings) - 2),
        )
        for subject, found in (
            ("WAL of database slots", "ok wal_level is logical"),
            ("replication", "ok tap may replicate"),
            ("plugin", "ok the server may load wal2json"),
            ("free slots", f"ok {used} of 10 replication slots are in use"),
            ("free senders", "ok 0 of 10 WAL senders are in use"),
            (
                "max_slot_wal_keep_size",
                "note it is -1: an inactive slot retains WAL until the disk is full; a "
                "limit that covers a few days without a run: ALTER SYSTEM SET "
                "max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
            ),
        ):
            self.assertEqual(about(findings, subject), [found])
        [slot] = about(findings, f"slot {self.slot}")
        self.assertRegex(
            slot,
            r"\Aok plugin wal2json, database slots, not read, confirmed 0/[0-9A-F]+, restart "
            r"0/[0-9A-F]+, keeps 0\.0 MB, wal_status reserved\Z",
        )

    def test_no_slot(self):
        self.assertEqual(self.slot_findings(self.selected, expect=4), [f"error {self.missing}"])
        self.assertEqual(
            self.slot_findings(self.selected, create_replication_slot=True),
            ["note it does not exist; the run creates it"],
        )
        self.assertNotIn(self.slot, self.slots())
        # The fix that the finding gives.
        self.sql(f"SELECT pg_create_logical_replication_slot('{self.slot}', 'wal2json')")
        self.addCleanup(self.drop_slot)
        [found] = self.slot_findings(self.selected)
        self.assertRegex(found, r"\Aok ")

    def test_without_catalog_log_based_findings_are_notes(self):
        self.assertEqual(self.slot_findings(), [f"note {self.missing}"])
        self.assertEqual(
            self.slot_findings(default_replication_method="LOG_BASED", expect=4),
            [f"error {self.missing}"],
        )

    def test_slot_of_another_plugin(self):
        self.make_slot(plugin="pgoutput")
        self.assertEqual(
            self.slot_findings(self.selected, expect=4),
            [
                f"error replication slot {self.slot} uses the plugin pgoutput, not wal2json; set "
                "replication_slot to another slot, or create one: SELECT "
                f"pg_create_logical_replication_slot('{self.slot}_wal2json', 'wal2json')"
            ],
        )

    def test_slot_of_another_database(self):
        self.make_slot(database="postgres")
        self.assertEqual(
            self.slot_findings(self.selected, expect=4),
            [
                f"error replication slot {self.slot} belongs to database postgres, not slots; a "
                "slot reads one database; set replication_slot to a slot of slots, or create one: "
                "SELECT pg_create_logical_replication_slot('stitch_slots', 'wal2json')"
            ],
        )

    def test_slot_in_use(self):
        self.make_slot()
        with self.consumer(application="nightly export") as pid:
            self.assertEqual(
                self.slot_findings(self.selected, expect=4),
                [
                    f"error replication slot {self.slot} is in use by PID {pid} (application "
                    "nightly export); two runs must not read one slot: wait for that process to "
                    f"finish, or stop it with SELECT pg_terminate_backend({pid})"
                ],
            )

    def test_slot_past_the_bookmark(self):
        self.make_slot()
        catalog, state = self.selected, self.sync(self.selected).last_state
        self.assertRegex(self.slot_findings(catalog, state)[0], r"\Aok ")
        self.sql(
            f"INSERT INTO {self.schema}.t VALUES (4); SELECT "
            f"pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())"
        )
        self.sql(f"SELECT pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())")
        self.assertEqual(
            self.slot_findings(catalog, state, expect=4),
            [
                f"error the state of stream {self.id_of('t')} is at {as_text(self.lsn(state))}, "
                f"but replication slot {self.slot} has advanced to {as_text(self.confirmed())} (it "
                "was recreated, or read without this stream); the changes in between are lost; "
                f"restart the stream with --full-refresh {self.id_of('t')}"
            ],
        )
        self.assertRegex(
            self.slot_findings(catalog, state, "--full-refresh", self.id_of("t"))[0], r"\Aok "
        )

    def test_state_of_another_server(self):
        self.make_slot()
        state = json.loads(self.sync(self.selected).last_state)
        state["bookmarks"][self.id_of("t")]["lsn"] = 2**40
        [found] = self.slot_findings(self.selected, state, expect=4)
        self.assertRegex(
            found,
            rf"\Aerror the state of stream {self.id_of('t')} is at 100/0, but the server's WAL "
            "ends at 0/[0-9A-F]+; this is another server, it was restored from a backup, or it was "
            r"promoted without these changes; restart the stream with --full-refresh "
            rf"{self.id_of('t')}\Z",
        )

    def test_unprivileged_role(self):
        self.make_slot()
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
        self.addCleanup(self.sql, "DROP ROLE reader")
        findings = self.run_check(self.selected, user="reader", expect=4)
        fix = 'ALTER ROLE "reader" REPLICATION'
        [right] = about(findings, "replication")
        self.assertRegex(
            right,
            r"\Aerror cannot connect \(.*\(SQLSTATE 42501\); give the role the right to "
            rf"replicate: {fix}\Z",
        )
        if self.server.allowed_plugins():
            self.assertEqual(
                about(findings, "plugin"),
                [
                    "note only an administrator can read output_plugin_libraries, "
                    "which must include wal2json; SHOW output_plugin_libraries"
                ],
            )
        self.sql(fix)
        self.assertEqual(
            about(self.run_check(self.selected, user="reader"), "replication"),
            ["ok reader may replicate"],
        )


class LogBasedTablesTest(CheckLogBasedTest):
    def stream_findings(self, *tables, expect=0):
        self.make_slot()
        findings = self.run_check(self.catalog(*tables), expect=expect)
        return [
            line
            for table in tables
            for line in about(findings, f"stream {self.id_of(table)}", "warning")
            + about(findings, f"stream {self.id_of(table)}", "error")
        ]

    def test_changes_missing_from_wal(self):
        self.sql(
            """CREATE TABLE {s}.u (id int); CREATE UNLOGGED TABLE {s}.v (id int PRIMARY KEY);
                    CREATE TABLE {s}.w (id int PRIMARY KEY, k int NOT NULL UNIQUE);
                    ALTER TABLE {s}.w REPLICA IDENTITY USING INDEX w_k_key;
                    CREATE TABLE {s}.x (id int PRIMARY KEY);
                    ALTER TABLE {s}.x REPLICA IDENTITY FULL"""
        )
        u, v, w = (f'"{self.schema}"."{table}"' for table in "uvw")
        found = self.stream_findings("u", "v", "w", "x")
        self.assertEqual(
            found,
            [
                f"warning updates and deletes of {u} are not in WAL, because it has no replica "
                f"identity; give it a primary key, or ALTER TABLE {u} REPLICA IDENTITY FULL, then "
                f"run once with --full-refresh {self.id_of('u')}",
                (
                    f"warning {v} is UNLOGGED, so that none of its changes are in WAL; ALTER TABLE "
                    f"{v} SET LOGGED, then run once with --full-refresh {self.id_of('v')}"
                ),
                f"warning deletes of {w} lack a key column of the stream, and updates that change "
                f"it leave the old row, because it is not in the replica identity; ALTER TABLE {w} "
                f"REPLICA IDENTITY FULL, then run once with --full-refresh {self.id_of('w')}",
            ],
        )
        for line in found:
            self.sql(line[line.index("ALTER") :].partition(", then")[0])
        self.drop_slot()
        self.assertEqual(self.stream_findings("u", "v", "w"), [])

    def test_foreign_table(self):
        self.sql(
            """CREATE FOREIGN DATA WRAPPER none; CREATE SERVER none FOREIGN DATA WRAPPER none;
                    CREATE FOREIGN TABLE {s}.f (id int) SERVER none"""
        )
        self.addCleanup(self.sql, "DROP FOREIGN DATA WRAPPER IF EXISTS none CASCADE")
        self.assertEqual(
            self.stream_findings("f", expect=1),
            ["error it is no longer a table whose changes are in WAL; run discovery again"],
        )


class ServersTest(CheckLogBasedTest):
    """Each test starts its own server."""

    database = "check_servers"

    @classmethod
    def setUpClass(cls):
        """Servers are started by use()."""

    def setUp(self):
        """See setUpClass()."""

    def use(self, settings):
        self.server = Server(settings)
        self.addCleanup(self.server.close)
        self.server.create_database(self.database)
        shared().create_database(self.destination)
        super().setUp()
        self.sql(ONE_TABLE)
        return self.catalog("t")

    def test_wal_level_is_replica(self):
        catalog = self.use({"wal_level": "replica"})
        findings = self.run_check(catalog, expect=4)
        self.assertEqual(
            about(findings, f"WAL of database {self.database}"),
            [
                "error log-based replication needs wal_level=logical, the server has replica; "
                "ALTER SYSTEM SET wal_level = 'logical', then restart it"
            ],
        )
        # the check continues
        self.assertEqual(len(about(findings, f"slot {self.slot}", "error")), 1)
        self.sql("ALTER SYSTEM SET wal_level = 'logical'")
        self.server.configure({"wal_level": "logical"})
        self.server.restart()
        self.make_slot()
        self.assertEqual(
            about(self.run_check(catalog), f"WAL of database {self.database}"),
            ["ok wal_level is logical"],
        )

    def test_unreadable_end_of_wal(self):
        """As on Aurora while wal_level is not logical."""
        catalog = self.use({"wal_level": "replica"})
        self.sql(
            "CREATE ROLE reader LOGIN REPLICATION IN ROLE pg_read_all_data;"
            "REVOKE EXECUTE ON FUNCTION pg_current_wal_flush_lsn() FROM PUBLIC"
        )
        subjects = (
            "server",
            "tls",
            "clock",
            "timeouts",
            f"stream {self.id_of('t')}",
            "replication",
            "free slots",
            "free senders",
        )

        def check(expected):
            findings = self.run_check(catalog, user="reader", expect=4)
            self.assertEqual(
                [f["subject"] for f in findings if f["level"] == "ok" and f["subject"] in subjects],
                list(subjects),
            )
            self.assertEqual(about(findings, f"WAL of database {self.database}"), [expected])

        check(
            "error log-based replication needs wal_level=logical, the server has replica; ALTER "
            "SYSTEM SET wal_level = 'logical', then restart it"
        )
        self.server.configure({"wal_level": "logical"})
        self.server.restart()
        # There is no slot either, which determines the exit code.
        check("error permission denied for function pg_current_wal_flush_lsn (SQLSTATE 42501)")

    def test_rds_plugin_list(self):
        catalog = self.use({"rds.logical_replication": "on"})
        if not self.server.allowed_plugins():
            self.skipTest("this server loads any plugin")
        self.server.configure({"output_plugin_libraries": "pgoutput"})
        self.server.restart()
        self.assertEqual(
            about(self.run_check(catalog, expect=4), "plugin"),
            [
                (
                    "error wal2json is not in output_plugin_libraries; add wal2json to "
                    "output_plugin_libraries in its parameter group"
                )
            ],
        )

    def test_no_free_slots_or_wal_senders(self):
        catalog = self.use({"max_replication_slots": 1, "max_wal_senders": 1})
        used = "1 of 1 replication slots are in use"
        remedy = (
            "raise max_replication_slots (requires a restart), or drop an inactive slot: ALTER "
            "SYSTEM SET max_replication_slots = 6"
        )
        self.make_slot("other")
        self.assertEqual(
            about(self.run_check(catalog, expect=4, create_replication_slot=True), "free slots"),
            [f"error {used}; {remedy}"],
        )
        self.drop_slot("other")
        self.make_slot()
        self.assertEqual(
            about(self.run_check(catalog), "free slots"),
            [f"warning {used}: changes during initial snapshots will be sent twice; {remedy}"],
        )
        state = self.sync(catalog).last_state
        self.assertEqual(
            about(self.run_check(catalog, state), "free slots"), [f"note {used}; {remedy}"]
        )
        with self.consumer():
            self.assertEqual(
                about(self.run_check(catalog, state, expect=4), "free senders"),
                [
                    (
                        "error 1 of 1 WAL senders are in use; raise max_wal_senders (requires a "
                        "restart): "
                        "ALTER SYSTEM SET max_wal_senders = 6"
                    )
                ],
            )

    def test_plugin_not_listed(self):
        catalog = self.use({})
        if not self.server.allowed_plugins():
            self.skipTest("this server loads any plugin")
        self.make_slot()
        self.assertEqual(
            about(self.run_check(catalog), "plugin"), ["ok the server may load wal2json"]
        )
        self.sql("ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'theirs'")
        self.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.sql("SHOW output_plugin_libraries") == [("pgoutput, theirs",)],
            "the setting has not been applied",
        )
        [found] = about(self.run_check(catalog, expect=4), "plugin")
        fix = "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'theirs', 'wal2json'"
        self.assertEqual(
            found,
            "error wal2json is not in output_plugin_libraries; add wal2json to the setting "
            f"output_plugin_libraries: {fix}, then SELECT pg_reload_conf()",
        )
        self.sql(fix)
        self.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.sql("SHOW output_plugin_libraries") == [("pgoutput, theirs, wal2json",)],
            "the setting has not been applied",
        )
        self.assertEqual(
            about(self.run_check(catalog), "plugin"), ["ok the server may load wal2json"]
        )

    def test_slot_that_retains_too_much_wal(self):
        catalog = self.use({"max_slot_wal_keep_size": "20MB", "max_wal_size": "1GB"})
        self.make_slot()
        self.sql("CREATE TABLE more AS SELECT repeat('x', 1000) FROM generate_series(1, 60000)")
        findings = self.run_check(catalog)
        self.assertEqual(
            about(findings, f"slot {self.slot}"),
            [
                (
                    f"warning replication slot {self.slot} is about to be lost; it keeps more WAL "
                    "than max_slot_wal_keep_size; run the tap, or drop the slot"
                )
            ],
        )
        self.assertEqual(about(findings, "max_slot_wal_keep_size"), [])
        self.sql("DROP TABLE more")
        self.remove_wal()
        cause, prevention = removed_wal(self.server)
        self.assertEqual(
            self.slot_findings(catalog, expect=4),
            [
                (
                    f"error replication slot {self.slot} is lost; {cause}: "
                    f"{self.recreate_advice(prevention)}"
                )
            ],
        )


if __name__ == "__main__":
    unittest.main()

"""A run continues on a promoted standby if its slot is a failover slot (PostgreSQL 17)."""

import re
import unittest

from support.case import SchemaTest
from support.check import ADVICE, about, run_check
from support.pipeline import until
from support.server import SUPERUSER, Server, shared
from support.slots import ONE_TABLE, SlotTest, as_text
from support.wal_case import WalTest

TABLE = (
    "CREATE TABLE {s}.t (id int PRIMARY KEY, n int); "
    "INSERT INTO {s}.t SELECT i, 0 FROM generate_series(1, 3) i"
)
PHYSICAL = "standby_1"


class FailoverTest(WalTest):
    """Each test starts a primary and a standby that synchronizes slots."""

    database = "failover"
    major = "17"

    @classmethod
    def setUpClass(cls):
        """Servers are started by setUp()."""

    def setUp(self):
        self.server = Server(major=self.major)
        self.addCleanup(self.server.close)
        self.server.create_database(self.database)
        shared().create_database(self.destination)
        self.server.sql(f"SELECT pg_create_physical_replication_slot('{PHYSICAL}', true)")
        self.standby = Server(
            {"hot_standby_feedback": "on", "primary_slot_name": PHYSICAL},
            primary=self.server,
            major=self.major,
        )
        self.addCleanup(self.standby.close)
        self.standby.sql(
            "ALTER SYSTEM SET primary_conninfo = 'host={} port={} user={} dbname=postgres'".format(
                self.server.folder, self.server.port, SUPERUSER
            )
        )
        self.standby.sql("SELECT pg_reload_conf()")
        SchemaTest.setUp(self)
        self.selected = self.state = None
        self.slot = self.schema
        self.config.update(
            replication_slot=self.slot, publication_name="published", failover_slot=True
        )
        self.sql(TABLE)
        self.sql("CREATE PUBLICATION published FOR ALL TABLES")

    def create_slot(self, failover=True):
        self.sql(
            f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput', "
            f"failover => {failover})"
        )
        if failover:
            self.synchronize(advance=True)

    def synchronize(self, advance=False):
        """Copies the slot to the standby, with its current position.

        It is first copied once its catalog is not older than that of the standby: `advance` it.
        """

        def is_synchronized():
            if advance:
                self.sql(
                    "SELECT pg_log_standby_snapshot(); SELECT "
                    f"pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())"
                )
            [(confirmed,)] = self.sql(
                "SELECT confirmed_flush_lsn FROM pg_replication_slots "
                f"WHERE slot_name = '{self.slot}'"
            )
            self.catch_up()
            self.standby.sql("SELECT pg_sync_replication_slots()")
            return self.standby.sql(
                f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{self.slot}' AND synced "
                f"AND NOT temporary AND confirmed_flush_lsn >= '{confirmed}'"
            )

        until(is_synchronized, "the slot has not been synchronized")

    def catch_up(self):
        [(end,)] = self.sql("SELECT pg_current_wal_insert_lsn()")
        until(
            lambda: self.standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
            "the standby is behind",
        )

    def fail_over(self):
        """Promotes the standby, which becomes the source."""
        self.catch_up()
        self.server.stop()
        self.promote()

    def promote(self):
        self.server = self.standby
        self.server.sql("SELECT pg_promote()")
        self.config.update(host=self.server.host, port=str(self.server.port))

    def fail_over_without_what_was_read(self, read=None):
        self.standby.stop()
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(10, 1000) i")
        (read or self.follow)()
        self.server.stop()
        self.standby.start()
        self.promote()

    def refused(self, text, **extra):
        result = self.sync(self.selected, self.state, expect=4, **extra)
        self.assertEqual(
            (result.stderr.splitlines()[-1], result.stdout), (f"CRITICAL {text}{ADVICE}", b"")
        )

    def test_failover_slot(self):
        self.create_slot()
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (4, 4)")
        self.check_followed("t")
        self.sql("INSERT INTO {s}.t VALUES (5, 5)")
        self.synchronize()
        self.sql("DELETE FROM {s}.t WHERE id = 1")
        self.fail_over()
        self.sql("INSERT INTO {s}.t VALUES (6, 6)")
        result = self.check_followed("t")
        self.assertEqual([r["id"] for r in result.records()], [5, 1, 6])
        self.sql("UPDATE {s}.t SET n = 7")
        self.check_followed("t")

    def test_promoted_server_without_the_history_of_its_timelines(self):
        self.create_slot()
        self.initial_snapshot("t")
        self.follow()
        self.synchronize()
        self.fail_over()
        history = self.server.data / "pg_wal" / "00000002.history"
        until(history.exists, "the standby has not been promoted")
        history.unlink()
        self.sql("INSERT INTO {s}.t VALUES (4, 4)")
        result = self.check_followed("t")
        self.assertRegex(
            result.stderr,
            r"(?m)^WARNING the state was written on timeline 1 and the server is on timeline 2, "
            r"but it lacks the history of its timelines \(could not open file "
            r"\"pg_wal/00000002.history\": No such file or directory \(SQLSTATE 58P01\)\): whether "
            r"it has all changes before the state is not known$",
        )

    def test_slot_that_was_not_copied(self):
        self.create_slot(failover=False)
        self.initial_snapshot("t")
        self.fail_over()
        self.refused(
            f"no replication slot {self.slot} with pgoutput in database {self.database}, which the "
            "state needs: it was dropped, or this server was promoted without a copy of it: create "
            f"it again with SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput', "
            "failover => true), then run with --full-refresh"
        )
        position = as_text(self.lsn(self.state, "t"))
        result = self.sync(self.selected, self.state, expect=4, create_replication_slot=True)
        self.assertRegex(
            result.stderr,
            rf"CRITICAL the state of stream {self.id_of('t')} is at {position}, but replication "
            rf"slot {self.slot} has advanced to 0/[0-9A-F]+ \(it was recreated, or another program "
            r"has read it\): the changes in between are lost; restart the stream with "
            rf"--full-refresh {self.id_of('t')}{ADVICE}\n\Z",
        )

    def test_copied_slot_of_a_standby(self):
        self.create_slot()
        self.initial_snapshot("t")
        self.synchronize()
        self.config.update(host=self.standby.host, port=str(self.standby.port))
        self.refused(
            f"replication slot {self.slot} is copied from the primary, and this server is a "
            "standby: set host to the primary or promote the standby, or set replication_slot to a "
            "slot of the standby: SELECT "
            f"pg_create_logical_replication_slot('{self.slot}_standby', 'pgoutput')"
        )
        findings = run_check(self.config, catalog=self.selected, state=self.state, expect=4)
        self.assertEqual(
            about(findings, "failover_slot"),
            [
                "error a slot of a standby cannot be a failover slot, and this server is a "
                "standby; set host to the primary, or failover_slot to false"
            ],
        )

    def test_state_ahead_of_the_promoted_server(self):
        """Without synchronized_standby_slots a run can read what the standby never received."""
        self.create_slot()
        self.initial_snapshot("t")
        self.synchronize()
        self.fail_over_without_what_was_read()
        result = self.sync(self.selected, self.state, expect=4)
        self.assertRegex(
            result.stderr,
            rf"CRITICAL the state of stream {self.id_of('t')} is at "
            rf"{as_text(self.lsn(self.state, 't'))}, but the server's WAL ends at 0/[0-9A-F]+: "
            "this is another server, it was restored from a backup, or it was promoted without "
            rf"these changes; restart the stream with --full-refresh {self.id_of('t')}{ADVICE}\n\Z",
        )

    def test_wal_of_the_promoted_server_passes_the_state(self):
        """What it has written up to the LSN of the state would be left out."""
        self.create_slot()
        self.initial_snapshot("t")
        self.follow()
        self.synchronize()
        self.check_passed_state_is_refused()

    def test_wal_of_the_promoted_server_passes_the_initial_snapshot(self):
        self.create_slot()
        self.check_passed_state_is_refused(read=lambda: self.initial_snapshot("t"))

    def check_passed_state_is_refused(self, read=None):
        [(before,)] = self.sql("SELECT pg_current_wal_insert_lsn()")
        self.fail_over_without_what_was_read(read)
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(2000, 2010) i")
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(3000, 9000) i")
        result = self.sync(self.selected, self.state, expect=4)
        [end] = re.findall(r"which this server has left at (0/[0-9A-F]+)", result.stderr)
        self.assertGreaterEqual(end, before)
        self.assertEqual(
            result.stderr.splitlines()[-1],
            f"CRITICAL the state of stream {self.id_of('t')} is at "
            f"{as_text(self.lsn(self.state, 't'))} in the WAL of timeline 1, which this server has "
            f"left at {end}: it was promoted or restored without what followed: changes may be "
            f"lost; restart the stream with --full-refresh {self.id_of('t')}{ADVICE}",
        )

    def test_synchronized_standby_slots(self):
        """With it, changes are read only once the standby has them."""
        self.create_slot()
        self.initial_snapshot("t")
        self.sql(f"ALTER SYSTEM SET synchronized_standby_slots = '{PHYSICAL}'")
        self.sql("SELECT pg_reload_conf()")
        self.standby.stop()
        self.sql("INSERT INTO {s}.t VALUES (4, 4)")
        running = self.start(self.selected, self.state)
        with self.assertRaises(AssertionError):
            until(lambda: running.process.poll() is not None, "it waits for the standby", 3)
        self.standby.start()
        ids = [m["record"]["id"] for m in running.read_rest() if m["type"] == "RECORD"]
        self.assertEqual((running.wait(), ids), (0, [4]), running)

    def test_findings_of_check(self):
        self.create_slot(failover=False)
        catalog = self.catalog("t", method="LOG_BASED")
        findings = run_check(self.config, catalog=catalog)
        alter = f'ALTER_REPLICATION_SLOT "{self.slot}" (FAILOVER true)'
        self.assertEqual(
            about(findings, "failover_slot"),
            [
                f"warning replication slot {self.slot} is not a failover slot: standbys do not "
                "copy it; alter it while no run reads it: psql "
                f"'dbname={self.database} replication=database' -c '{alter}'"
            ],
        )
        wait = f"ALTER SYSTEM SET synchronized_standby_slots = '{PHYSICAL}'"
        self.assertEqual(
            about(findings, "synchronized_standby_slots"),
            [
                "warning it is empty: a run can read changes that no standby has received, and "
                "after a failover the changes of the new primary at the same positions in WAL are "
                "missing; name the physical slots of the standbys that may be promoted, and no "
                f"others: without one of them, runs wait: {wait}; SELECT pg_reload_conf()"
            ],
        )
        address = f"host={self.server.folder} port={self.server.port} user={SUPERUSER}"
        self.server.run(
            "psql", f"{address} dbname={self.database} replication=database", "-c", alter
        )
        self.sql(wait)
        self.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.sql("SHOW synchronized_standby_slots") == [(PHYSICAL,)],
            "the setting has not been applied",
        )
        findings = run_check(self.config, catalog=catalog)
        self.assertEqual(
            about(findings, "failover_slot"),
            [f"ok replication slot {self.slot} is a failover slot"],
        )
        self.assertEqual(about(findings, "synchronized_standby_slots"), [f"ok {PHYSICAL}"])


class OldServerTest(SlotTest):
    """The installed server is older than 17."""

    database = "failover_old"

    def test_failover_slots_need_17(self):
        if self.server.version >= (17,):
            self.skipTest("this server has failover slots")
        self.sql(ONE_TABLE)
        self.make_slot()
        findings = run_check(
            {**self.config, "failover_slot": True}, catalog=self.catalog("t"), expect=4
        )
        [found] = about(findings, "failover_slot")
        self.assertRegex(
            found,
            r"\Aerror failover slots need PostgreSQL 17 or later, the server has [0-9.]+; set "
            r"failover_slot to false\Z",
        )


if __name__ == "__main__":
    unittest.main()

"""A copy resumes only in a snapshot that is not older than its own: standbys can lag."""

import re
import unittest

from support.pipeline import until
from support.plugins import PLUGIN, create_slot
from support.wal_case import WalTest
from support.resume import BEHIND, EVERY, IN_BLOCK, ROWS, TABLE, ResumeTest
from support.server import Server

MOVE = (
    "UPDATE {s}.t SET n = 1 WHERE id = 3"  # the page is full: the row moves to the end of the table
)


def read_from(server):
    return {"host": server.host, "port": str(server.port)}


class Standbys:
    """Two standbys; `late` stops replaying before a row moves.

    An open transaction keeps the oldest running transaction the same on all servers.
    """

    settings = {"max_wal_senders": 8}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.standby, cls.late = (Server(primary=cls.server) for _ in range(2))
        cls.addClassCleanup(cls.standby.close)
        cls.addClassCleanup(cls.late.close)

    def set_up_table(self):
        full = TABLE.replace("fillfactor = 75", "fillfactor = 100")
        self.sql(full.replace("repeat('x', 200)", "repeat('x', 270)"))
        self.open_transaction = self.session().cursor()
        self.open_transaction.execute("BEGIN; SELECT txid_current()")
        self.sql("UPDATE {s}.t SET n = 0 WHERE id = 1000")

    def catch_up(self, standby):
        [(end,)] = self.sql("SELECT pg_current_wal_insert_lsn()")
        until(
            lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
            "the standby is behind",
        )

    def pause_late(self):
        self.catch_up(self.late)
        self.addCleanup(self.late.sql, "SELECT pg_wal_replay_resume()")
        self.late.sql("SELECT pg_wal_replay_pause()")
        if self.late.version >= (14,):  # older ones replay no record after the call
            until(
                lambda: self.late.sql("SELECT pg_get_wal_replay_pause_state()") == [("paused",)],
                "replay has not paused",
            )

    def move_row_unseen_by_late(self):
        self.pause_late()
        self.sql(MOVE)
        self.catch_up(self.standby)

    def interrupt_on(self, server, catalog=None):
        """The state after half of a copy from this server."""
        result = self.sync(catalog or self.catalog("t"), None, **read_from(server))
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        return self.send_to_target(lines[: ends[9] + 1])[-1]


class ResumeOnStandbyTest(Standbys, ResumeTest):
    database = "resume_standby"

    def setUp(self):
        super().setUp()
        self.set_up_table()

    def check_restarted(self, result):
        self.assertIn(
            f"WARNING {self.id_of('t')}: cannot resume the interrupted copy: {BEHIND}; restarting "
            "it\n",
            result.stderr,
        )
        self.assertEqual(sorted(self.ids(result)), list(range(1, ROWS + 1)))

    def resume_on(self, server, state):
        result = self.sync(self.catalog("t"), state, **read_from(server))
        self.send_to_target(result.stdout.splitlines(keepends=True))
        return result

    def test_standby_that_is_behind(self):
        self.move_row_unseen_by_late()
        state = self.interrupt_on(self.standby)
        self.check_restarted(self.resume_on(self.late, state))

    def test_standby_behind_the_primary(self):
        self.move_row_unseen_by_late()
        state = self.interrupt_on(self.server)
        self.check_restarted(self.resume_on(self.late, state))

    def test_standby_that_catches_up(self):
        self.move_row_unseen_by_late()
        state = self.interrupt_on(self.standby)
        running = self.start(self.catalog("t"), state, **read_from(self.late))
        until(
            lambda: self.late.sql(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_last_wal_replay_lsn()%' AND "
                "application_name LIKE 'tap-postgres%'"
            ),
            "the tap does not wait for the standby",
        )
        self.late.sql("SELECT pg_wal_replay_resume()")
        ids = [m["record"]["id"] for m in running.read_rest() if m["type"] == "RECORD"]
        self.assertEqual(running.wait(), 0, running)
        self.assertIn("resuming the interrupted copy", running.log)
        position = self.bookmark(state, "t")["copy"]["position"]
        block, row = map(int, re.fullmatch(r"\((\d+),(\d+)\)", position).groups())
        self.assertEqual(set(ids), {3, *range(block * IN_BLOCK + row + 1, ROWS + 1)})

    def test_same_standby_and_primary_to_standby(self):
        for server in (self.standby, self.server):
            with self.subTest(server is self.standby):
                state = self.interrupt_on(server)
                self.catch_up(self.standby)
                result = self.resume_on(self.standby, state)
                self.check_resumed(result, state)

    def test_primary_at_the_start_of_a_wal_file(self):
        """The primary's next WAL position is after a page header; an idle standby stays before."""
        # Reading prunes catalog pages, which writes WAL.
        catalog = self.catalog("t")
        self.sync(catalog)
        self.sql("SELECT pg_switch_wal()")
        state = self.interrupt_on(self.server, catalog)
        self.check_resumed(self.resume_on(self.standby, state), state)

    def test_primary_after_a_standby(self):
        """A standby does not report which transactions it saw: none may still be running."""
        self.move_row_unseen_by_late()
        state = self.interrupt_on(self.standby)
        self.check_restarted(self.sync(self.catalog("t"), state))
        self.open_transaction.execute("COMMIT")
        self.check_resumed(self.resume_on(self.server, state), state)


class FailoverTest(ResumeTest):
    """A standby of a promoted one: its control data get the new timeline at a restartpoint."""

    database = "resume_failover"
    settings = {"max_wal_senders": 8}

    def test_standby_of_the_new_primary(self):
        self.require_version(12, "pg_promote() exists")
        self.sql(TABLE)
        with (
            Server(primary=self.server) as promoted,
            Server(primary=promoted, settings={"checkpoint_timeout": "1h"}) as standby,
        ):
            state = self.interrupt_after(10)
            promoted.sql("SELECT pg_promote()")
            until(
                lambda: standby.sql("SELECT received_tli FROM pg_stat_wal_receiver") == [(2,)],
                "the standby has not switched timelines",
            )
            result = self.sync(self.catalog("t"), state, **read_from(standby))
            self.assertIn(
                f"WARNING {self.id_of('t')}: cannot resume the interrupted copy: the server has a "
                "different history (system identifier or timeline); "
                "restarting it\n",
                result.stderr,
            )
            self.assertEqual(sorted(self.ids(result)), list(range(1, ROWS + 1)))


class InitialSnapshotTest(Standbys, WalTest):
    database = "resume_standby_log"

    @unittest.skipUnless(PLUGIN == "wal2json", "with pgoutput a copy waits for open transactions")
    def test_restart_reads_changes_after_its_own_snapshot(self):
        self.set_up_table()
        self.move_row_unseen_by_late()
        self.config.update(
            use_secondary=True,
            secondary_host=self.standby.host,
            secondary_port=str(self.standby.port),
            state_every_rows=EVERY,
        )
        self.selected = self.catalog("t", method="LOG_BASED")
        result = self.sync(self.selected)
        lines = result.stdout.splitlines(keepends=True)
        ends = [i for i, kind in enumerate(result.types) if kind == "STATE"]
        self.state = self.send_to_target(lines[: ends[9] + 1])[-1]
        second = self.follow(secondary_host=self.late.host, secondary_port=str(self.late.port))
        self.assertIn(BEHIND, second.stderr)
        self.check_followed("t")

    def test_standby_that_stays_behind(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.pause_late()
        [(replayed,)] = self.late.sql("SELECT pg_last_wal_replay_lsn()")
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.drop_slot(self.slot)
        create_slot(self, self.slot)
        self.config.update(
            use_secondary=True, secondary_host=self.late.host, secondary_port=str(self.late.port)
        )
        result = self.sync(self.catalog("t", method="LOG_BASED"), expect=4)
        self.assertRegex(
            result.stderr,
            rf"\ACRITICAL the standby \(127.0.0.1:{self.late.port}, database {self.database}, "
            rf"user tap\) lags behind: it has replayed WAL up to {replayed}, and the copy needs it "
            r"up to [0-9A-F/]+; run again once the standby has caught up; run: tap-postgres "
            r"check\n\Z",
        )


if __name__ == "__main__":
    unittest.main()

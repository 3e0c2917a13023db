"""`tap-postgres slot status|create|drop|ack`."""

import json
import re
import unittest

from support.case import dumps
from support.check import ADVICE
from support.pipeline import until
from support.plugins import PLUGIN, PUBLICATION
from support.proxy import Proxy
from support.server import Server, shared
from support.slots import ONE_TABLE, SlotTest, as_text, removed_wal


class SlotCommandTest(SlotTest):
    def line_of(self, slot, result):
        """The line of a slot in the output of `slot status`; sizes become N because they vary."""
        [line] = [
            line for line in result.stdout.decode().splitlines() if line.startswith(f"{slot}: ")
        ]
        return re.sub(r"keeps [0-9.]+ MB", "keeps N MB", line)

    def restart_lsn(self):
        """The slot's restart LSN as a number: 19 pads its text with zeros."""
        [(position,)] = self.sql(
            "SELECT (restart_lsn - '0/0')::bigint FROM pg_replication_slots"
            f" WHERE slot_name = '{self.slot}'"
        )
        return position

    def test_status_without_slots(self):
        with Server() as server:
            result = self.slot_command(
                "status", host=server.host, port=server.port, dbname="postgres"
            )
        self.assertEqual((result.stdout, result.stderr), (b"no logical replication slots\n", ""))

    def test_status(self):
        self.make_slot()
        self.make_slot(f"{self.slot}_2", plugin="pgoutput")
        wal_status = ", wal_status reserved" if self.server.version >= (13,) else ""
        at = f"confirmed {as_text(self.confirmed())}, restart {as_text(self.restart_lsn())}"
        result = self.slot_command("status")
        self.assertEqual(result.stderr, "")
        self.assertEqual(
            self.line_of(self.slot, result),
            f"{self.slot}: plugin {PLUGIN}, database slots, not read, {at}, "
            f"keeps N MB{wal_status}",
        )
        self.assertIn(
            f"{self.slot}_2: plugin pgoutput, database slots, not read, ", result.stdout.decode()
        )
        with self.consumer(application="nightly export") as pid:
            self.assertIn(
                f"{self.slot}: plugin {PLUGIN}, database slots, read by PID {pid} (nightly "
                "export), confirmed ",
                self.slot_command("status").stdout.decode(),
            )

    def publish(self):
        """Creates the publication that a new slot of pgoutput needs."""
        if PLUGIN == "pgoutput":
            self.sql(f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")
            self.addCleanup(self.sql, f"DROP PUBLICATION {PUBLICATION}")
            self.config["publication_name"] = PUBLICATION

    def test_status_without_replication_privilege(self):
        self.make_slot()
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
        self.addCleanup(self.sql, "DROP ROLE reader")
        self.assertIn(
            f"{self.slot}: plugin {PLUGIN}, ",
            self.slot_command("status", user="reader").stdout.decode(),
        )

    def test_create_and_drop(self):
        self.publish()
        result = self.slot_command("create")
        self.addCleanup(self.drop_slot)
        self.assertEqual(
            (result.stdout, result.stderr),
            (
                b"",
                f"INFO creating replication slot {self.slot}: this waits for open transactions to "
                "end\n"
                f"INFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n",
            ),
        )
        again = self.slot_command("create")
        self.assertEqual(
            (again.stdout, again.stderr),
            (b"", f"INFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n"),
        )
        dropped = self.slot_command("drop")
        self.assertEqual(
            (dropped.stdout, dropped.stderr),
            (b"", f"INFO dropped replication slot {self.slot}\n"),
        )
        self.assertNotIn(self.slot, self.slots())
        second = self.slot_command("drop", expect=4)
        self.assertEqual(
            (second.stdout, second.stderr),
            (
                b"",
                f"CRITICAL no replication slot {self.slot} in database slots: there is nothing to "
                f"drop{ADVICE}\n",
            ),
        )

    def test_create_beside_another_process(self):
        self.publish()
        with Proxy(self.server.port) as proxy:
            proxy.call_before(b"pg_create_logical_replication_slot", self.make_slot)
            result = self.slot_command("create", expect=4, host=proxy.address, port=proxy.port)
        self.assertEqual(
            result.stderr.splitlines()[-1],
            f"CRITICAL another process has just created replication slot {self.slot}; run again"
            f"{ADVICE}",
        )
        self.assertEqual(
            self.slot_command("create").stderr,
            f"INFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n",
        )

    def test_create_next_to_a_slot_of_wal2json(self):
        """The publication exists already, so that no catalog is needed."""
        self.sql(ONE_TABLE + "CREATE PUBLICATION tap_postgres FOR TABLE {s}.t")
        self.addCleanup(self.sql, "DROP PUBLICATION tap_postgres")
        self.make_slot(plugin="wal2json")
        name = f"{self.slot}_pgoutput"
        self.addCleanup(self.drop_slot, name)
        for again in (False, True):
            result = self.slot_command("create", logical_decoding_plugin="auto")
            self.assertEqual(
                result.stderr,
                (
                    ""
                    if again
                    else f"INFO creating replication slot {name}: this waits for open "
                    "transactions to end\n"
                )
                + f"INFO replication slot {name} is ready at {as_text(self.confirmed(name))}\n",
            )
        result = self.slot_command("create", logical_decoding_plugin="wal2json")
        self.assertEqual(
            result.stderr,
            f"INFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n",
        )

    def test_drop_of_one_of_two_slots(self):
        names = ("stitch_slots", "stitch_slots_pgoutput")
        self.make_slot(names[0], plugin="wal2json")
        self.make_slot(names[1], plugin="pgoutput")
        self.config["replication_slot"] = ""
        result = self.slot_command("drop", expect=2, logical_decoding_plugin="auto")
        self.assertEqual(
            result.stderr,
            f"CRITICAL there are two replication slots, {names[0]} (wal2json) and {names[1]} "
            "(pgoutput); set logical_decoding_plugin to the plugin of the one to drop\n",
        )
        for plugin, dropped in zip(("wal2json", "pgoutput"), names):
            result = self.slot_command("drop", logical_decoding_plugin=plugin)
            self.assertEqual(result.stderr, f"INFO dropped replication slot {dropped}\n")

    def test_ack_of_a_slot_of_pgoutput(self):
        """The publication need not exist: the server does not use it to advance the slot."""
        self.require_version(11, "pg_replication_slot_advance exists")
        self.config["logical_decoding_plugin"] = "auto"
        self.make_slot(plugin="pgoutput")
        catalog, _ = self.initial_snapshot()
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t VALUES (4, 'changed')")
        del self.config["publication_name"]
        self.assertLess(self.confirmed(), self.lsn(state))
        result = self.slot_command("ack", state=state)
        self.assertEqual(
            result.stderr,
            f"INFO replication slot {self.slot} is at {as_text(self.lsn(state))}\n",
        )
        self.assertEqual(self.confirmed(), self.lsn(state))

    def test_ack_before_version_11_needs_the_publication(self):
        if self.server.version >= (11,):
            self.skipTest("pg_replication_slot_advance exists since version 11")
        self.make_slot(plugin="pgoutput")
        catalog, _ = self.initial_snapshot()
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t VALUES (4, 'changed')")
        before = self.confirmed()
        result = self.slot_command("ack", state=state, expect=None, publication_name="another")
        if result.code == 0:  # the server advanced the slot before it read the next change
            self.assertEqual(
                result.stderr,
                f"INFO replication slot {self.slot} is at {as_text(self.lsn(state))}\n",
            )
            self.assertEqual(self.confirmed(), self.lsn(state))
            return
        self.assertEqual(result.code, 4, result)
        self.assertRegex(
            result.stderr,
            r'(?s)\ACRITICAL publication "another" does not exist.*: before PostgreSQL 11, '
            f"acknowledging reads replication slot {self.slot} with its publications; set "
            f"publication_name to those that it is read with{ADVICE}\n\\Z",
        )
        self.assertEqual(self.confirmed(), before)

    def test_failover_slot_before_version_17(self):
        if self.server.version >= (17,):
            self.skipTest("failover slots exist since version 17")
        result = self.slot_command("create", failover_slot=True, expect=4)
        number = ".".join(map(str, self.server.version))
        self.assertEqual(
            result.stderr,
            f"CRITICAL failover slots need PostgreSQL 17 or later, the server has {number}: set "
            f"failover_slot to false{ADVICE}\n",
        )

    def test_drop_of_a_slot_in_use(self):
        self.make_slot()
        where = f"127.0.0.1:{self.server.port}, database slots, user tap"
        with self.consumer() as pid:
            result = self.slot_command("drop", expect=4)
        self.assertEqual(
            (result.stdout, result.stderr),
            (
                b"",
                f'CRITICAL replication slot {self.slot} ({where}): replication slot "{self.slot}" '
                f"is active for PID {pid} (SQLSTATE 55006): wait for that process to finish, or "
                f"stop it with SELECT pg_terminate_backend(...){ADVICE}\n",
            ),
        )

    def test_ack(self):
        self.make_slot()
        catalog, _ = self.initial_snapshot()
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t VALUES (4, 'changed')")
        self.assertLess(self.confirmed(), self.lsn(state))
        result = self.slot_command("ack", state=state)
        self.assertEqual(
            (result.stdout, result.stderr),
            (b"", f"INFO replication slot {self.slot} is at {as_text(self.lsn(state))}\n"),
        )
        self.assertEqual(self.confirmed(), self.lsn(state))
        self.assertEqual([r["id"] for r in self.sync(catalog, state).records()], [4])

    def test_ack_uses_the_lowest_bookmark(self):
        self.make_slot()
        self.sql(
            ONE_TABLE
            + "CREATE TABLE {s}.u (id int PRIMARY KEY); CREATE TABLE {s}.c (id int PRIMARY KEY)"
        )
        state = json.loads(self.sync(self.catalog("t", "u", "c")).last_state)
        t, u, c = (state["bookmarks"][self.id_of(table)] for table in "tuc")
        self.sql("INSERT INTO {s}.t VALUES (4)")
        here = self.end_of_wal()
        u["lsn"] = here - 8
        copied = c.pop("lsn")
        for interrupted, least in ((here - 16, here - 16), (copied, None)):
            c["copy"] = {"lsn": interrupted}
            t["lsn"] = here
            state["bookmarks"]["postgres-public-x"] = {"lsn": 1}
            state["bookmarks"][self.id_of("full")] = {
                "last_replication_method": "FULL_TABLE",
                "lsn": 1,
            }
            before = self.confirmed()
            self.slot_command("ack", state=dumps(state))
            self.assertEqual(self.confirmed(), least or before)

    def test_ack_of_an_older_state(self):
        self.require_version(11, "pg_replication_slot_advance exists")
        self.make_slot()
        _, state = self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (4, 'changed')")
        self.sql(f"SELECT pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())")
        before = self.confirmed()
        with Proxy(self.server.port) as proxy:
            result = self.slot_command("ack", state=state, port=proxy.port)
        self.assertEqual(
            result.stderr,
            f"INFO replication slot {self.slot} is already at {as_text(before)}, past the state "
            f"({as_text(self.lsn(state))}): nothing to acknowledge\n",
        )
        self.assertEqual(self.confirmed(), before)
        self.assertNotIn(b"START_REPLICATION", proxy.sent)

    def test_ack_of_a_state_ahead_of_the_server(self):
        self.make_slot()
        _, state = self.initial_snapshot()
        state = json.loads(state)
        state["bookmarks"][self.id_of("t")]["lsn"] = 2**40
        before = self.confirmed()
        result = self.slot_command("ack", state=state, expect=4)
        self.assertRegex(
            result.stderr,
            r"\ACRITICAL the state is at 100/0, but the server's WAL ends at 0/[0-9A-F]+: it "
            rf"belongs to another server; pass the state of this one{ADVICE}\n\Z",
        )
        self.assertEqual(self.confirmed(), before)

    def test_ack_of_a_state_without_streams(self):
        self.make_slot()
        result = self.slot_command(
            "ack", state={"bookmarks": {"postgres-public-t": {"lsn": 5}}}, expect=2
        )
        self.assertEqual(
            (result.stdout, result.stderr),
            (
                b"",
                "CRITICAL the state has no log-based stream of database slots: pass the last STATE "
                "of a run that reads it\n",
            ),
        )

    def test_ack_of_a_slot_in_use(self):
        self.make_slot()
        _, state = self.initial_snapshot()
        with self.consumer(application="nightly export") as pid:
            result = self.slot_command("ack", state=state, expect=4)
        self.assertEqual(
            result.stderr,
            (
                f"CRITICAL replication slot {self.slot} is in use by PID {pid} (application "
                "nightly export): two runs must not read one slot: wait for that process to "
                f"finish, or stop it with SELECT pg_terminate_backend({pid}){ADVICE}\n"
            ),
        )

    def test_ack_releases_wal(self):
        self.make_slot()
        catalog, _ = self.initial_snapshot()
        before = self.restart_lsn()
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(100, 9000) i")
        self.sql("CHECKPOINT")  # gives the server a position to decode from
        self.sql("INSERT INTO {s}.t VALUES (10001)")
        state = self.sync(catalog).last_state

        def freed():
            self.slot_command("ack", state=state)
            return self.restart_lsn() != before

        until(freed, "the slot retains all WAL")


class RunawaySlotTest(SlotTest):
    """A server of its own, because warnings depend on all slots of a server."""

    database = "runaway"

    @classmethod
    def setUpClass(cls):
        """Each test starts its own server."""

    def setUp(self):
        if shared().version < (13,):
            self.skipTest("max_slot_wal_keep_size exists since version 13")
        self.server = Server({"max_slot_wal_keep_size": "20MB", "max_wal_size": "1GB"})
        self.addCleanup(self.server.close)
        self.server.create_database(self.database)
        shared().create_database(self.destination)
        super().setUp()

    def wal_status(self):
        """Writes WAL and checkpoints; returns the slot's wal_status."""
        self.sql("CREATE TABLE more (); DROP TABLE more; SELECT pg_switch_wal()")
        self.sql("CHECKPOINT")
        [(status,)] = self.sql("SELECT wal_status FROM pg_replication_slots")
        return status

    def test_status_of_a_lost_slot(self):
        self.make_slot()
        self.assertRegex(
            self.slot_command("status").stdout.decode(),
            rf"\A{self.slot}: plugin {PLUGIN}, database runaway, not read, confirmed 0/[0-9A-F]+, "
            r"restart 0/[0-9A-F]+, keeps 0\.0 MB, wal_status reserved, safe for [0-9]+ bytes "
            r"more\n\Z",
        )
        until(lambda: self.wal_status() == "lost", "the slot is not lost")
        result = self.slot_command("status")
        cause, prevention = removed_wal(self.server)
        self.assertEqual(
            result.stderr,
            f"WARNING replication slot {self.slot} is lost: {cause}; drop it and restart its "
            f"streams with --full-refresh; to prevent this, {prevention}\n",
        )
        self.assertRegex(
            result.stdout.decode(),
            rf"\A{self.slot}: plugin {PLUGIN}, database runaway, not read, confirmed 0/[0-9A-F]+, "
            r"restart (0/0|-), keeps 0\.0 MB, wal_status lost( \(wal_removed\))?\n\Z",
        )

    def test_status_of_a_slot_about_to_be_lost(self):
        self.make_slot()
        self.sql("CREATE TABLE more AS SELECT repeat('x', 1000) FROM generate_series(1, 60000)")
        self.assertEqual(self.sql("SELECT wal_status FROM pg_replication_slots"), [("unreserved",)])
        self.assertEqual(
            self.slot_command("status").stderr,
            f"WARNING replication slot {self.slot} is about to be lost: it keeps more WAL than "
            "max_slot_wal_keep_size; run the tap, or drop the slot\n",
        )


if __name__ == "__main__":
    unittest.main()

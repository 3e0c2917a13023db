"""WAL is read from a standby of PostgreSQL 16 or later."""

import contextlib
import json
import threading
import unittest

from support import tap
from support.case import SchemaTest
from support.check import ADVICE, about, run_check
from support.pipeline import until
from support.server import Server
from support.wal_case import WalTest

# large enough for TOAST
BIG = "(SELECT string_agg(md5(i::text || {seed}), '') FROM generate_series(1, 100) i)"
TABLE = (
    "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); "
    "ALTER TABLE {s}.t ALTER big SET STORAGE EXTERNAL; "
    f"INSERT INTO {{s}}.t SELECT i, 0, {BIG.format(seed='i')} FROM generate_series(1, 3) i"
)


def catch_up(server, standby):
    """Waits until the standby has replayed the server's WAL."""
    [(end,)] = server.sql("SELECT pg_current_wal_insert_lsn()")
    until(
        lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
        "the standby is behind",
    )


class StandbyDecodingTest(WalTest):
    """The source is the standby; statements run on its primary."""

    database = "standby_decoding"
    major = "17"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.sql("SELECT pg_create_physical_replication_slot('standby', true)")
        cls.standby = Server(
            {"hot_standby_feedback": "on", "primary_slot_name": "standby"},
            primary=cls.server,
            major=cls.major,
        )
        cls.addClassCleanup(cls.standby.close)

    def setUp(self):
        SchemaTest.setUp(self)
        self.slot = self.schema
        self.selected = self.state = None
        self.config.update(
            host=self.standby.host,
            port=str(self.standby.port),
            replication_slot=self.slot,
            publication_name=f"of_{self.slot}",
        )

    def publish(self, tables="ALL TABLES"):
        publication = self.config["publication_name"]
        self.sql(f"CREATE PUBLICATION {publication} FOR {tables}")
        self.addCleanup(self.sql, f"DROP PUBLICATION {publication}")
        catch_up(self.server, self.standby)

    def while_logging_snapshots(self, action):
        """A slot on a standby needs a snapshot of the primary's transactions, and waits for it."""
        thread = threading.Thread(target=action)
        thread.start()
        while thread.is_alive():
            self.sql("SELECT pg_log_standby_snapshot()")
            thread.join(0.1)

    def create_slot(self):
        create = f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')"
        self.while_logging_snapshots(lambda: self.standby.sql(create, self.database))
        self.addCleanup(self.drop_slot, self.slot)

    def drop_slot(self, slot):
        self.standby.sql(f"SELECT pg_drop_replication_slot('{slot}')", self.database)

    def confirmed(self):
        [(lsn,)] = self.standby.sql(
            "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots "
            f"WHERE slot_name = '{self.slot}'"
        )
        return lsn

    def replayed(self):
        [(lsn,)] = self.standby.sql("SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint")
        return lsn

    def follow(self, *args, expect=0, **extra):
        catch_up(self.server, self.standby)
        return super().follow(*args, expect=expect, **extra)

    def test_changes_of_the_primary(self):
        self.sql(TABLE)
        self.publish()
        self.create_slot()
        self.initial_snapshot("t")
        self.check_equal("t")
        self.sql(
            f"INSERT INTO {{s}}.t VALUES (4, 1, {BIG.format(seed=4)}); "
            "UPDATE {s}.t SET n = 2 WHERE id = 1; DELETE FROM {s}.t WHERE id = 2"
        )
        result = self.check_followed("t")
        # WAL lacks `big` of row 1: it is read from the standby.
        [(big,)] = self.sql("SELECT big FROM {s}.t WHERE id = 1")
        self.assertEqual([r["big"] for r in result.records() if r["id"] == 1], [big])
        self.sql(
            "UPDATE {s}.t SET id = 9 WHERE id = 3; TRUNCATE {s}.t; INSERT INTO {s}.t VALUES (7, 7)"
        )
        self.check_followed("t")
        self.assertEqual(self.follow().records(), [])
        self.assertGreaterEqual(self.lsn(self.state, "t"), self.confirmed())

    def test_changes_during_the_initial_snapshot(self):
        """The position is taken before the snapshot: nothing is missing."""
        self.sql(TABLE)
        self.publish()
        self.create_slot()
        open_transaction = self.session().cursor()
        open_transaction.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (4, 4)")
        catch_up(self.server, self.standby)
        self.selected = self.catalog("t", method="LOG_BASED")
        running = self.start(self.selected)
        running.wait_for_log("waiting for open transactions")
        self.sql("INSERT INTO {s}.t VALUES (5, 5)")
        open_transaction.execute("COMMIT")
        [*_, self.state] = self.send_to_target(
            [json.dumps(message).encode() + b"\n" for message in running.read_rest()]
        )
        self.assertEqual(running.wait(), 0, running)
        self.sql("INSERT INTO {s}.t VALUES (6, 6)")
        self.check_followed("t")

    def test_changes_made_before_their_table_was_published(self):
        """They are not sent, so that the copy waits for them."""
        self.sql(TABLE + "; CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.publish(f"TABLE {self.schema}.t")
        self.create_slot()
        self.initial_snapshot("t")
        publishing, writing = self.session().cursor(), self.session().cursor()
        publishing.execute(f"BEGIN; ALTER PUBLICATION of_{self.slot} ADD TABLE {self.schema}.u")
        writing.execute(f"BEGIN; INSERT INTO {self.schema}.u VALUES (1)")
        publishing.execute("COMMIT")
        catch_up(self.server, self.standby)
        running = self.start(self.catalog("t", "u", method="LOG_BASED"), self.state)
        running.wait_for_log("waiting for open transactions")
        writing.execute("COMMIT")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
        self.assertEqual(ids, [1])

    def test_open_transactions_that_do_not_end(self):
        """The copy would lack their changes: its stream fails, and the others are read."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.publish()
        self.create_slot()
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (1)")
        writing = self.session().cursor()
        writing.execute(f"BEGIN; INSERT INTO {self.schema}.u VALUES (1); SELECT txid_current()")
        [(number,)] = writing.fetchall()
        catch_up(self.server, self.standby)
        catalog = self.catalog("t", "u", method="LOG_BASED")
        result = self.sync(catalog, self.state, expect=1, lock_timeout="1s")
        self.assertRegex(
            result.stderr,
            rf"ERROR stream {self.id_of('u')}: transactions that may have changed tables before "
            r"these were published are still open after \d+ s \(lock_timeout\): transaction "
            rf"{number} of the primary: wait for the oldest of them to finish, or find it on the "
            r"primary with SELECT \* FROM pg_stat_activity WHERE backend_xid IS NOT NULL",
        )
        self.assertEqual([record["id"] for record in result.records()], [1])

    def test_bookmark_of_an_idle_table(self):
        """WAL of other tables moves the bookmark and, with the next run, the slot."""
        self.sql(TABLE + "; CREATE TABLE {s}.other (id int)")
        self.publish("TABLE {s}.t".replace("{s}", self.schema))
        self.create_slot()
        self.initial_snapshot("t")
        before = self.lsn(self.state, "t")
        self.sql("INSERT INTO {s}.other SELECT generate_series(1, 1000)")
        catch_up(self.server, self.standby)
        replayed = self.replayed()
        self.assertEqual(self.follow().records(), [])
        self.assertGreater(self.lsn(self.state, "t"), before)
        self.assertGreaterEqual(self.lsn(self.state, "t"), replayed)
        self.follow()
        self.assertGreaterEqual(self.confirmed(), replayed)
        self.sql("SELECT pg_switch_wal()")
        self.assertEqual(self.follow().records(), [])

    def test_run_without_end(self):
        self.sql(TABLE)
        self.publish()
        self.create_slot()
        self.initial_snapshot("t")
        running = self.start(self.selected, self.state, break_at_end_lsn=False)
        self.sql("UPDATE {s}.t SET n = 5 WHERE id = 3")
        [record] = [
            m["record"]
            for m in running.read_until(lambda message: message["type"] == "RECORD")
            if m["type"] == "RECORD"
        ]
        self.assertEqual(self.sql("SELECT big FROM {s}.t WHERE id = 3"), [(record["big"],)])
        running.signal(15)
        running.read_rest()
        self.assertEqual(running.wait(), 143, running)

    def test_slot_that_the_run_creates(self):
        self.sql(TABLE)
        self.publish()
        catalog = self.catalog("t", method="LOG_BASED")
        missing = self.sync(catalog, expect=4)
        self.assertIn(
            f"no replication slot {self.slot} with pgoutput in database {self.database}",
            missing.stderr,
        )
        results = []
        self.addCleanup(self.drop_slot, self.slot)
        self.while_logging_snapshots(
            lambda: results.append(self.sync(catalog, create_replication_slot=True))
        )
        self.assertIn(
            f"INFO creating replication slot {self.slot}: this waits for the primary to write a "
            "snapshot of its transactions; to speed it up, run SELECT pg_log_standby_snapshot() "
            "there\n",
            results[0].stderr,
        )
        self.assertEqual(len(results[0].records()), 3)

    def test_slot_commands(self):
        self.sql(TABLE)
        self.publish()
        self.create_slot()
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (4, 4)")
        self.follow()
        tap.run(self.config, "slot", "ack", state=self.state)
        self.assertEqual(self.confirmed(), self.lsn(self.state, "t"))
        self.assertIn(
            f"{self.slot}: plugin pgoutput", tap.run(self.config, "slot", "status").stdout.decode()
        )

    def test_findings_of_check(self):
        self.sql(TABLE)
        self.publish()
        self.create_slot()
        catalog = self.catalog("t", method="LOG_BASED")
        findings = run_check(self.config, catalog=catalog)
        self.assertEqual(
            about(findings, f"WAL of database {self.database}"), ["ok wal_level is logical"]
        )
        [found] = about(findings, f"slot {self.slot}")
        self.assertRegex(found, r"\Aok plugin pgoutput, ")
        self.assertEqual(about(findings, "hot_standby_feedback"), ["ok it is on"])
        for setting, value, warning in (
            (
                "hot_standby_feedback",
                "off",
                "it is off: the primary removes rows of system catalogs that the slot on this "
                "standby needs, which invalidates the slot; turn it on on the standby; the primary "
                "then keeps dead rows as long as the slot, or a query on the standby, needs them, "
                "so that its tables grow while no run reads the slot: ALTER SYSTEM SET "
                "hot_standby_feedback = on; SELECT pg_reload_conf()",
            ),
            (
                "primary_slot_name",
                "",
                "it is empty: hot_standby_feedback has no effect while the standby is not "
                "connected to its primary, which may then remove rows that the slot on this "
                "standby needs; create a physical slot on the primary and name it on the standby; "
                "the primary then retains WAL while the standby is down: SELECT "
                "pg_create_physical_replication_slot('standby') on the primary, ALTER SYSTEM SET "
                "primary_slot_name = 'standby'; SELECT pg_reload_conf() on the standby",
            ),
        ):
            with self.subTest(setting), self.standby_with(setting, value):
                findings = run_check(self.config, catalog=catalog)
                self.assertEqual(about(findings, setting), [f"warning {warning}"])

    def set_on_standby(self, name, value):
        self.standby.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.standby.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.standby.sql(f"SHOW {name}") == [(value,)],
            "the setting has not been applied",
        )

    @contextlib.contextmanager
    def standby_with(self, name, value):
        """The standby has another value of a setting."""
        [(before,)] = self.standby.sql(f"SHOW {name}")
        self.set_on_standby(name, value)
        try:
            yield
        finally:
            self.set_on_standby(name, before)

    def test_standby_that_is_promoted(self):
        """The slot of the standby stays; WAL continues on a new timeline."""
        self.sql(TABLE)
        with Server(primary=self.server, major=self.major) as promoted:
            self.config.update(port=str(promoted.port))
            self.publish()
            catch_up(self.server, promoted)
            create = f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')"
            self.while_logging_snapshots(lambda: promoted.sql(create, self.database))
            self.initial_snapshot("t")
            self.sql("INSERT INTO {s}.t VALUES (4, 4)")
            catch_up(self.server, promoted)
            primary, self.server = self.server, promoted
            try:
                promoted.sql("SELECT pg_promote()")
                self.sql("INSERT INTO {s}.t VALUES (5, 5)")
                result = WalTest.follow(self)
                self.assertEqual([r["id"] for r in result.records()], [4, 5])
                self.check_equal("t")
            finally:
                self.server = primary


class OldStandbyTest(WalTest):
    """The installed server, if it is older than 16."""

    database = "standby_decoding_old"

    def test_standby_is_refused(self):
        if self.server.version >= (16,):
            self.skipTest("this server decodes WAL on a standby")
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        catalog = self.catalog("t", method="LOG_BASED")
        with Server(primary=self.server) as standby:
            result = self.sync(catalog, expect=4, host=standby.host, port=str(standby.port))
        self.assertEqual(
            result.stderr.splitlines()[-1],
            "CRITICAL log-based replication reads the primary, but this server is a standby: set "
            f"host to the primary (Aurora: the cluster's writer endpoint){ADVICE}",
        )


if __name__ == "__main__":
    unittest.main()

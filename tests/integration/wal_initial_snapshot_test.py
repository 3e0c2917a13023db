"""The initial snapshot of a log-based stream, and the LSN from which changes follow."""

import contextlib
import json
import random
import signal
import threading
import time
import unittest

from support import wal_workload, tap
from support.check import ADVICE
from support.pipeline import until
from support.server import with_old_wording
from support.slots import ONE_TABLE, SlotTest, as_text
from support.plugins import PLUGIN, PUBLICATION


@contextlib.contextmanager
def writers(server, database, schema, seed):
    """Changes the tables of wal_workload, one thread per table, while the block runs."""
    over = threading.Event()
    faults = []

    def write(table):
        kind = wal_workload.Overlapping if table == "overlapping" else wal_workload.Writer
        try:
            with (
                contextlib.closing(server.connect(database)) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(f"SET search_path TO {schema}")
                writer = kind(table, cursor, random.Random(f"{seed} {table}"))
                writer.key = -seed * 10**6  # Overlapping: keys that earlier writers have not used
                while not over.wait(0.03):  # slow enough for a tap on a slow machine
                    writer.step()
        except Exception as fault:  # raised by the test below
            faults.append(fault)

    threads = [
        threading.Thread(target=write, args=(table,))
        for table in (*wal_workload.LOG_BASED, "overlapping")
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if faults:
        raise faults[0]


class InitialSnapshotTest(SlotTest):
    database = "wal_initial_snapshot"

    def test_concurrent_writes(self):
        self.require_version(11, "hash partitions exist")
        self.make_slot()
        with (
            contextlib.closing(self.server.connect(self.database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"SET search_path TO {self.schema}")
            wal_workload.setup(cursor, 200, random.Random)
        catalog = self.catalog(*wal_workload.LOG_BASED)
        with writers(self.server, self.database, self.schema, 1):
            state = self.pipe(catalog).state
            state = self.pipe(catalog, state).state
        self.pipe(catalog, state)
        for table in wal_workload.LOG_BASED:
            self.check_equal(table)

    def test_no_change_is_sent_twice(self):
        """The snapshot of the copy and its LSN match."""
        self.make_slot()
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        stop = threading.Event()

        def insert():
            with (
                contextlib.closing(self.server.connect(self.database)) as connection,
                connection.cursor() as cursor,
            ):
                while not stop.wait(0.01):
                    cursor.execute(
                        f"INSERT INTO {self.schema}.t SELECT max(id) + 1 FROM {self.schema}.t"
                    )

        thread = threading.Thread(target=insert)
        thread.start()
        try:
            copies = [self.sync(catalog) for _ in range(3)]
        finally:
            stop.set()
            thread.join()
        [(last,)] = self.sql("SELECT max(id) FROM {s}.t")
        for copy in copies:
            followed = self.sync(catalog, copy.last_state)
            self.assertEqual(
                [r["id"] for r in copy.records() + followed.records()], list(range(1, last + 1))
            )

    def test_waits_ten_seconds_for_an_open_transaction(self):
        self.make_slot()
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        self.sql("INSERT INTO {s}.t VALUES (4)")
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (5)")
            running = self.start(catalog)
            running.wait_for_log(
                r"(?m)^WARNING could not export a snapshot \(canceling statement due to lock "
                rf"timeout \(SQLSTATE 55P03\)\); changes after {as_text(self.confirmed())} will be "
                "sent again, which is harmless$"
            )
            copied = [1, 2, 3, 4]
            if PLUGIN == "pgoutput":  # the table may have been published after the insert
                running.wait_for_log("waiting for open transactions")
                cursor.execute("COMMIT")
                copied.append(5)
            messages = running.read_rest()
            self.assertEqual(running.wait(), 0, running)
            cursor.execute("COMMIT")
        ids = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
        self.assertEqual(ids, copied)
        state = messages[-1]["value"]
        self.assertEqual(self.lsn(state), self.confirmed())
        self.assertEqual([r["id"] for r in self.sync(catalog, state).records()], [1, 2, 3, 4, 5])

    @contextlib.contextmanager
    def start_snapshot_behind_a_transaction(self):
        """The catalog, a tap that waits for a transaction, and the transaction's cursor."""
        self.make_slot()
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (5)")
            running = self.start(catalog)
            until(
                lambda: self.sql(
                    "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'walsender' AND "
                    "wait_event_type = 'Lock'"
                ),
                "the tap does not wait for the transaction",
            )
            yield catalog, running, cursor

    def test_waits_for_a_short_transaction(self):
        with self.start_snapshot_behind_a_transaction() as (catalog, running, cursor):
            cursor.execute("COMMIT")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertNotIn("WARNING", running.log)
        self.assertEqual(
            [m["record"]["id"] for m in messages if m["type"] == "RECORD"], [1, 2, 3, 5]
        )
        self.assertEqual(self.sync(catalog, messages[-1]["value"]).records(), [])

    def test_signal_while_waiting_for_a_transaction(self):
        with self.start_snapshot_behind_a_transaction() as (_, running, _):
            sent = time.monotonic()
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(), 143, running)
            self.assertLess(time.monotonic() - sent, 1, "it took too long to stop")
        self.assertEqual(running.read_rest(), [])
        self.assertEqual(
            running.log, "WARNING stopped by signal 15: the next run resumes from the last STATE\n"
        )

    def test_added_streams(self):
        self.make_slot()
        self.sql(
            ONE_TABLE + "CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (1)"
        )
        state = self.sync(self.catalog("t")).last_state
        self.sql("INSERT INTO {s}.t VALUES (4); INSERT INTO {s}.u VALUES (2)")
        joined = self.sync(self.catalog("t", "u"), state)
        self.assertEqual([r["id"] for r in joined.records("t")], [4])
        self.assertEqual([r["id"] for r in joined.records("u")], [1, 2])
        self.assertEqual(self.confirmed(), self.lsn(state))
        self.sql(
            "INSERT INTO {s}.t VALUES (5); INSERT INTO {s}.u VALUES (3); DELETE FROM {s}.u WHERE "
            "id = 1"
        )
        after = self.sync(self.catalog("t", "u"), joined.last_state)
        self.assertEqual([r["id"] for r in after.records("t")], [5])
        self.assertEqual(
            [(r["id"], r["_sdc_deleted_at"] is not None) for r in after.records("u")],
            [(3, False), (1, True)],
        )
        self.assertEqual(
            self.confirmed(),
            min(self.lsn(joined.last_state, "t"), self.lsn(joined.last_state, "u")),
        )

    def test_several_databases_with_their_own_slots(self):
        names = ("wal_snapshot_a", "wal_snapshot_b")
        for name in names:
            self.server.create_database(name)
            self.addCleanup(self.server.drop_database, name)
            self.server.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", name)
            self.make_slot(f"stitch_{name}", database=name)
        config = self.server.config(
            names[0],
            filter_dbs=",".join(names),
            logical_decoding_plugin=PLUGIN,
            publication_name=PUBLICATION,
        )
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        for stream in catalog["streams"]:
            stream["stream"] = stream["tap_stream_id"]  # else both have the name t
        state = tap.run(config, catalog=catalog).last_state
        for name in names:
            self.server.sql(f"INSERT INTO t VALUES ({names.index(name) + 7})", name)
        result = tap.run(config, catalog=catalog, state=state)
        self.assertEqual([r["id"] for r in result.records()], [7, 8])
        for name in names:
            given = json.loads(state)["bookmarks"][f"{name}-public-t"]["lsn"]
            self.assertEqual(self.confirmed(f"stitch_{name}"), given)
        self.server.sql("SELECT pg_drop_replication_slot('stitch_wal_snapshot_b')", names[1])
        failed = tap.run(config, catalog=catalog, state=result.last_state, expect=4)
        self.assertEqual(
            (failed.stdout, failed.stderr),
            (
                b"",
                f"CRITICAL no replication slot stitch_wal_snapshot_b or stitch with {PLUGIN} in "
                "database wal_snapshot_b, which the state needs: it was dropped, or this server "
                "was promoted without a copy of it: create it again with SELECT "
                f"pg_create_logical_replication_slot('stitch_wal_snapshot_b', '{PLUGIN}'), then "
                f"run with --full-refresh{ADVICE}\n",
            ),
        )


class FewSlotsTest(SlotTest):
    """A server with a single slot, and none left for a snapshot."""

    database = "few_slots"
    settings = {"max_replication_slots": 1}

    def test_copy_starts_at_the_slot_position(self):
        self.make_slot()
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        copied = self.sync(catalog)
        self.assertIn(
            "WARNING could not export a snapshot (all replication slots are in use; Free one or "
            "increase max_replication_slots. (SQLSTATE 53400)); changes after "
            f"{as_text(self.confirmed())} will be sent again, which is harmless\n",
            with_old_wording(copied.stderr),
        )
        self.assertEqual(self.lsn(copied.last_state), self.confirmed())
        self.sql("DELETE FROM {s}.t WHERE id = 2")
        records = self.sync(catalog, copied.last_state).records()
        self.assertEqual(
            [(r["id"], r["_sdc_deleted_at"] is not None) for r in records],
            [(1, False), (2, False), (3, False), (2, True)],
        )
        self.assertEqual(self.confirmed(), self.lsn(copied.last_state))
        self.pipe(catalog, self.pipe(catalog).state)
        self.check_equal("t")

    def test_no_publication_is_created_if_all_slots_are_in_use(self):
        self.make_slot("other")
        self.sql(ONE_TABLE)
        result = self.sync(
            self.catalog("t"),
            expect=4,
            logical_decoding_plugin="pgoutput",
            publication_name="not_created",
            create_publication=True,
            create_replication_slot=True,
        )
        self.assertEqual(
            result.stderr,
            "CRITICAL all 1 replication slots are in use: raise max_replication_slots, or drop a "
            f"slot that is not in use{ADVICE}\n",
        )
        self.assertEqual(
            self.sql("SELECT pubname FROM pg_publication WHERE pubname LIKE 'not_created%'"), []
        )

    def test_changes_from_before_the_table_was_published(self):
        """pgoutput does not send them, so that the copy waits for their transaction."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE PUBLICATION growing")
        self.addCleanup(self.sql, "DROP PUBLICATION growing")
        self.make_slot(plugin="pgoutput")
        self.config.update(publication_name="growing", logical_decoding_plugin="auto")
        catalog = self.catalog("t")
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute(f"BEGIN; INSERT INTO {self.schema}.t VALUES (1)")
            self.sql("ALTER PUBLICATION growing ADD TABLE {s}.t")
            running = self.start(catalog)
            running.wait_for_log(
                "(?m)^INFO waiting for open transactions, which may have changed tables before "
                rf"these were published: PID {connection.info.backend_pid} \(database "
                rf"{self.database}, user tap, (application \w+, )?idle in transaction, open for "
                r"\d+ s\)$"
            )
            cursor.execute("COMMIT")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual([m["record"]["id"] for m in messages if m["type"] == "RECORD"], [1])

    def test_open_transactions_that_do_not_end(self):
        """The copy would lack their changes: its stream fails, and the others are read."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE PUBLICATION growing")
        self.addCleanup(self.sql, "DROP PUBLICATION growing")
        self.sql("ALTER PUBLICATION growing ADD TABLE {s}.t")
        self.make_slot(plugin="pgoutput")
        self.config.update(
            publication_name="growing", logical_decoding_plugin="auto", lock_timeout="1s"
        )
        state = self.sync(self.catalog("t")).last_state
        self.sql("CREATE TABLE {s}.u (LIKE {s}.t); ALTER TABLE {s}.u ADD PRIMARY KEY (id)")
        self.sql("CREATE TABLE {s}.v (LIKE {s}.t); ALTER TABLE {s}.v ADD PRIMARY KEY (id)")
        self.sql("ALTER PUBLICATION growing ADD TABLE {s}.u, {s}.v; INSERT INTO {s}.t VALUES (1)")
        catalog = self.catalog("t", "u", "v")
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN; SELECT txid_current()")
            result = self.sync(catalog, state, expect=1)
        pid = connection.info.backend_pid
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        self.assertEqual(len(errors), 2, errors)
        for name, error in zip("uv", errors):
            self.assertRegex(
                error,
                rf"\AERROR stream {self.id_of(name)}: transactions that may have changed tables "
                r"before these were published are still open after \d+ s \(lock_timeout\): PID "
                rf"{pid} \(database {self.database}, user tap, (application \w+, )?idle in "
                r"transaction, open for \d+ s\): wait for the oldest of them to finish, or stop "
                rf"it with SELECT pg_terminate_backend\({pid}\), or raise lock_timeout\Z",
            )
        self.assertEqual([record["id"] for record in result.records("t")], [1])
        result = self.sync(catalog, result.last_state)
        self.assertNotIn("ERROR", result.stderr)


if __name__ == "__main__":
    unittest.main()

"""Choice of the replication slot, and errors about slots that cannot be read."""

import json
import unittest

from support import tap
from support.check import ADVICE, about, run_check
from support.pipeline import until
from support.server import Server, shared
from support.slots import ONE_TABLE, SlotTest, as_text, removed_wal


class SlotNameTest(unittest.TestCase):
    """The name of the database is unusual. A second run acknowledges the first run's state."""

    database = "Odd-näme.1"

    def setUp(self):
        self.server = shared()
        self.server.create_database(self.database)
        self.addCleanup(self.server.drop_database, self.database)
        self.addCleanup(
            self.server.sql,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
            self.database,
        )
        self.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")

    def sql(self, statements):
        return self.server.sql(statements, self.database)

    def make_slots(self, *names, plugin="wal2json", database=None):
        for name in names:
            self.server.sql(
                f"SELECT pg_create_logical_replication_slot('{name}', '{plugin}')",
                database or self.database,
            )

    def slot_read(self, **extra):
        config = self.server.config(
            self.database, filter_dbs=self.database, logical_decoding_plugin="wal2json", **extra
        )
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        state = tap.run(config, catalog=catalog).last_state
        [bookmark] = json.loads(state)["bookmarks"].values()
        tap.run(config, catalog=catalog, state=state)
        [(name,)] = self.sql(
            "SELECT slot_name FROM pg_replication_slots"
            f" WHERE confirmed_flush_lsn = '0/0'::pg_lsn + {bookmark['lsn']}"
        )
        return name

    def test_slot_named_in_the_config(self):
        self.make_slots("stitch", "stitch_odd_n__me_1", "mine")
        self.assertEqual(self.slot_read(replication_slot="mine"), "mine")
        self.assertEqual(self.slot_read(replication_slot_name="mine"), "mine")

    def test_database_slot_is_preferred(self):
        self.make_slots("stitch", "stitch_odd_n__me_1")
        self.assertEqual(self.slot_read(), "stitch_odd_n__me_1")

    def test_common_slot(self):
        self.make_slots("stitch", "other")
        self.assertEqual(self.slot_read(), "stitch")

    def test_slots_of_other_plugins_or_databases_are_skipped(self):
        self.make_slots("stitch")
        self.make_slots("stitch_odd_n__me_1", plugin="pgoutput")
        self.assertEqual(self.slot_read(), "stitch")
        self.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self.make_slots("stitch_odd_n__me_1", database="postgres")
        self.addCleanup(self.server.sql, "SELECT pg_drop_replication_slot('stitch_odd_n__me_1')")
        self.make_slots("stitch")
        self.assertEqual(self.slot_read(), "stitch")
        self.sql("SELECT pg_drop_replication_slot('stitch')")

    def test_pipelinewise_slot(self):
        self.make_slots("stitch", "pipelinewise_odd_n__me_1_my_tap")
        self.assertEqual(self.slot_read(tap_id="My-Tap"), "pipelinewise_odd_n__me_1_my_tap")
        self.make_slots("pipelinewise_odd_n__me_1")
        self.assertEqual(self.slot_read(tap_id="My-Tap"), "pipelinewise_odd_n__me_1")

    def test_create_slot(self):
        config = self.server.config(
            self.database, filter_dbs=self.database, logical_decoding_plugin="wal2json"
        )
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        for extra, name in (
            ({}, "stitch_odd_n__me_1"),
            ({"replication_slot": "mine"}, "mine"),
            ({"tap_id": "x"}, "pipelinewise_odd_n__me_1"),
        ):
            with self.subTest(extra):
                result = tap.run(
                    {**config, **extra, "create_replication_slot": True}, catalog=catalog
                )
                self.assertIn(
                    f"INFO creating replication slot {name}: this waits for open transactions to "
                    "end\n",
                    result.stderr,
                )
                self.assertEqual(
                    self.sql(f"SELECT plugin FROM pg_replication_slots WHERE slot_name = '{name}'"),
                    [("wal2json",)],
                )
                result = tap.run(
                    {**config, **extra, "create_replication_slot": True}, catalog=catalog
                )
                self.assertNotIn("creating", result.stderr)

    def test_create_slot_with_a_taken_name(self):
        self.make_slots("stitch_odd_n__me_1", plugin="pgoutput")
        config = self.server.config(
            self.database,
            filter_dbs=self.database,
            logical_decoding_plugin="wal2json",
            create_replication_slot=True,
        )
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        result = tap.run(config, catalog=catalog, expect=4)
        self.assertEqual(
            (result.stderr, result.stdout),
            (
                "CRITICAL replication slot stitch_odd_n__me_1 uses the plugin pgoutput, not "
                "wal2json: set replication_slot to another slot, or create one: SELECT "
                "pg_create_logical_replication_slot('stitch_odd_n__me_1_wal2json', "
                f"'wal2json'){ADVICE}\n",
                b"",
            ),
        )

    def test_error_lists_the_candidate_names(self):
        config = self.server.config(
            self.database, filter_dbs=self.database, logical_decoding_plugin="wal2json"
        )
        catalog = tap.select(tap.discover(config), method="LOG_BASED")
        create = "create it with SELECT pg_create_logical_replication_slot('%s', 'wal2json')"
        for extra, names, first in (
            ({}, "stitch_odd_n__me_1 or stitch", "stitch_odd_n__me_1"),
            ({"replication_slot": "mine"}, "mine", "mine"),
            (
                {"tap_id": "x"},
                "pipelinewise_odd_n__me_1 or pipelinewise_odd_n__me_1_x",
                "pipelinewise_odd_n__me_1",
            ),
        ):
            with self.subTest(extra):
                result = tap.run({**config, **extra}, catalog=catalog, expect=4)
                self.assertEqual(
                    (result.stderr, result.stdout),
                    (
                        f"CRITICAL no replication slot {names} with wal2json in database "
                        f"{self.database}: {create % first} or set create_replication_slot to "
                        f"true{ADVICE}\n",
                        b"",
                    ),
                )


class UnfitSlotTest(SlotTest):
    """Exit code 4, the problem and a remedy on stderr, nothing on stdout."""

    def test_dropped(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.drop_slot()
        self.refused(
            f"no replication slot {self.slot} with wal2json in database slots, which the state "
            "needs: it was dropped, or this server was promoted without a copy of it: create it "
            f"again with SELECT pg_create_logical_replication_slot('{self.slot}', 'wal2json'), "
            "then run with --full-refresh",
            catalog,
            state,
        )

    def test_dropped_and_recreated(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.drop_slot()
        self.sql("INSERT INTO {s}.t VALUES (4)")
        self.sql(f"SELECT pg_create_logical_replication_slot('{self.slot}', 'wal2json')")
        self.refused(self.moved_slot_error(state), catalog, state)

    def test_dropped_and_recreated_by_the_run(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.drop_slot()
        self.sql("INSERT INTO {s}.t VALUES (4)")
        result = self.sync(catalog, state, expect=4, create_replication_slot=True)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(
            result.stderr,
            f"INFO creating replication slot {self.slot}: this waits for open transactions to end"
            f"\nCRITICAL {self.moved_slot_error(state)}{ADVICE}\n",
        )
        # The next run must not mistake the new slot for the old one.
        self.refused(self.moved_slot_error(state), catalog, state)

    def test_full_refresh_with_a_new_slot(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.drop_slot()
        self.sql("INSERT INTO {s}.t VALUES (4)")
        result = self.sync(
            catalog, state, "--full-refresh", self.id_of("t"), create_replication_slot=True
        )
        self.assertEqual([r["id"] for r in result.records()], [1, 2, 3, 4])
        self.assertEqual(self.sync(catalog, result.last_state).records(), [])

    def test_advanced_by_another_consumer(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (4)")
        self.sql(f"SELECT pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())")
        self.refused(self.moved_slot_error(state), catalog, state)

    def test_interrupted_copy_needs_wal_from_its_start(self):
        self.make_slot()
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 2000) AS pad FROM "
            "generate_series(1, 6000) i"
        )
        catalog = self.catalog("t")
        running = self.start(catalog, state_every_rows=100)
        state = running.read_until(
            lambda m: m["type"] == "STATE" and m["value"]["bookmarks"][self.id_of("t")].get("copy")
        )
        running.close()
        state = state[-1]["value"]
        self.sql("INSERT INTO {s}.t VALUES (0)")
        self.sql(f"SELECT pg_replication_slot_advance('{self.slot}', pg_current_wal_lsn())")
        begun = self.bookmark(json.dumps(state), "t")["copy"]["lsn"]
        self.refused(
            self.moved_slot_error(json.dumps({"bookmarks": {self.id_of("t"): {"lsn": begun}}})),
            catalog,
            state,
        )

    def test_in_use(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        with self.consumer(application="nightly export") as pid:
            self.refused(
                f"replication slot {self.slot} is in use by PID {pid} (application nightly "
                "export): two runs must not read one slot: wait for that process to finish, or "
                f"stop it with SELECT pg_terminate_backend({pid})",
                catalog,
                state,
            )
        with self.consumer(application="") as pid:
            self.refused(
                f"replication slot {self.slot} is in use by PID {pid}: two runs must not read one "
                "slot: wait for that process to finish, or stop it with SELECT "
                f"pg_terminate_backend({pid})",
                catalog,
                state,
            )

    def test_in_use_for_a_moment(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        with self.consumer():
            running = self.start(catalog, state)
            # The run has found the slot inactive and has not started to read it.
            self.assertIsNone(running.process.poll())
        self.assertEqual([m["type"] for m in running.read_rest()], ["SCHEMA", "STATE"])
        self.assertEqual(running.wait(), 0, running)

    def test_in_use_by_another_run(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.start(catalog, state, break_at_end_lsn=False)
        [(pid,)] = until(self.is_active, "the slot is not active")
        self.refused(
            f"replication slot {self.slot} is in use by PID {pid} (application {tap.version()}): "
            "two runs must not read one slot: wait for that process to finish, or stop it with "
            f"SELECT pg_terminate_backend({pid})",
            catalog,
            state,
        )

    def test_another_plugin(self):
        self.sql(ONE_TABLE)
        for plugin in ("pgoutput", "test_decoding"):
            self.make_slot(plugin=plugin)
            self.refused(
                f"replication slot {self.slot} uses the plugin {plugin}, not wal2json: set "
                "replication_slot to another slot, or create one: SELECT "
                f"pg_create_logical_replication_slot('{self.slot}_wal2json', 'wal2json')",
                self.catalog("t"),
            )
            self.drop_slot()

    def test_two_phase(self):
        self.sql(ONE_TABLE)
        self.sql(
            f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput', "
            "twophase => true)"
        )
        self.addCleanup(self.drop_slot)
        self.refused(
            f"replication slot {self.slot} was created with two_phase: it sends prepared "
            "transactions before they are committed: drop it with SELECT "
            f"pg_drop_replication_slot('{self.slot}'), create it again with SELECT "
            f"pg_create_logical_replication_slot('{self.slot}', 'pgoutput'), then run with "
            "--full-refresh",
            self.catalog("t"),
            logical_decoding_plugin="pgoutput",
        )

    def test_another_database(self):
        self.sql(ONE_TABLE)
        self.make_slot(database="postgres")
        self.refused(
            f"replication slot {self.slot} belongs to database postgres, not slots: a slot reads "
            "one database; set replication_slot to a slot of slots, or create one: SELECT "
            "pg_create_logical_replication_slot('stitch_slots', 'wal2json')",
            self.catalog("t"),
        )

    def test_physical_slot(self):
        self.sql(ONE_TABLE)
        self.sql(f"SELECT pg_create_physical_replication_slot('{self.slot}')")
        self.addCleanup(self.drop_slot)
        where = f"127.0.0.1:{self.server.port}, database slots, user tap"
        self.refused(
            f'replication slot {self.slot} ({where}): replication slot "{self.slot}" already '
            "exists (SQLSTATE 42710): it is a physical slot, or belongs to another plugin or "
            "database: set replication_slot to another name",
            self.catalog("t"),
            create_replication_slot=True,
            before=f"INFO creating replication slot {self.slot}: this waits for open transactions "
            "to end\n",
        )

    def test_state_ahead_of_the_server(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        state = json.loads(state)
        state["bookmarks"][self.id_of("t")]["lsn"] = 2**40
        result = self.sync(catalog, state, expect=4)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(
            result.stderr,
            rf"\ACRITICAL the state of stream {self.id_of('t')} is at 100/0, but the server's WAL "
            "ends at 0/[0-9A-F]+: this is another server, it was restored from a backup, or it was "
            r"promoted without these changes; restart the stream with --full-refresh "
            rf"{self.id_of('t')}{ADVICE}\n\Z",
        )

    def test_state_of_another_server(self):
        """Its WAL is longer, so that the LSN alone says nothing."""
        self.make_slot()
        catalog, state = self.initial_snapshot()
        state = json.loads(self.sync(catalog, state).last_state)
        bookmark = state["bookmarks"][self.id_of("t")]
        system, timeline = bookmark["timeline"].split("/")
        self.assertEqual(timeline, "1")
        at = f"the state of stream {self.id_of('t')} is at {as_text(bookmark['lsn'])} in the WAL of"
        advice = f"changes may be lost; restart the stream with --full-refresh {self.id_of('t')}"
        for other, why in (
            ("77/1", f"another server, with the system identifier 77, not {system}"),
            (f"{system}/2", "timeline 2, to which timeline 1 of this server does not belong"),
        ):
            bookmark["timeline"] = other
            self.refused(f"{at} {why}: {advice}", catalog, state)
            findings = run_check(self.config, catalog=catalog, state=state, expect=4)
            self.assertIn(f"error {at} {why}; {advice}", about(findings, f"slot {self.slot}"))
        bookmark["timeline"] = "unknown"  # as in a state without it
        self.assertIn(f'"timeline":"{system}/1"', self.sync(catalog, state).last_state)

    def test_role_without_replication(self):
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
        self.addCleanup(self.sql, "DROP ROLE reader")
        where = f"{self.server.host}:{self.server.port}, database slots, user reader"
        self.refused(
            f'cannot connect ({where}): connection to server at "127.0.0.1", port '
            f"{self.server.port} "
            "failed: FATAL: must be superuser or replication role to start walsender (SQLSTATE "
            "42501): give the role "
            'the right to replicate: ALTER ROLE "reader" REPLICATION',
            catalog,
            state,
            user="reader",
        )

    def test_role_without_replication_cannot_create(self):
        self.sql(ONE_TABLE)
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
        self.addCleanup(self.sql, "DROP ROLE reader")
        where = f"{self.server.host}:{self.server.port}, database slots, user reader"
        self.refused(
            f'cannot connect ({where}): connection to server at "127.0.0.1", port '
            f"{self.server.port} "
            "failed: FATAL: must be superuser or replication role to start walsender (SQLSTATE "
            "42501): give the role "
            'the right to replicate: ALTER ROLE "reader" REPLICATION',
            self.catalog("t"),
            user="reader",
            create_replication_slot=True,
        )


class UnfitServerTest(SlotTest):
    """Servers that are not set up for log-based streams, one per test."""

    database = "unfit"

    @classmethod
    def setUpClass(cls):
        """Each test starts its own server."""

    def setUp(self):
        """See setUpClass()."""

    def use(self, settings=None, **extra):
        self.server = Server(settings, **extra)
        self.addCleanup(self.server.close)
        if "primary" not in extra:
            self.server.create_database(self.database)
            shared().create_database(self.destination)
            SlotTest.setUp(self)

    def test_wal_level_is_replica(self):
        self.use({"wal_level": "replica"})
        self.sql(ONE_TABLE)
        self.refused(
            "log-based replication needs wal_level=logical, the server has replica: ALTER SYSTEM "
            "SET wal_level = 'logical', then restart it",
            self.catalog("t"),
        )

    def test_wal_level_became_replica(self):
        """A server with logical slots does not start like this, but a restored one has none."""
        self.use({"wal_level": "replica", "rds.logical_replication": "off"})
        self.sql(ONE_TABLE)
        self.refused(
            "log-based replication needs wal_level=logical, the server has replica: set "
            "rds.logical_replication to 1 in its parameter group and reboot it",
            self.catalog("t"),
        )

    def test_standby(self):
        self.use()
        if self.server.version >= (16,):
            self.skipTest("a standby is decoded since version 16")
        self.make_slot()
        catalog, state = self.initial_snapshot()
        primary = self.server
        with Server(primary=primary) as standby:
            self.refused(
                "log-based replication reads the primary, but this server is a standby: set host "
                "to the primary (Aurora: the cluster's writer endpoint)",
                catalog,
                state,
                host=standby.host,
                port=standby.port,
            )

    def test_plugin_not_listed(self):
        self.use({"max_replication_slots": 3})
        if not self.server.allowed_plugins():
            self.skipTest("this server loads any plugin")
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.server.configure({"output_plugin_libraries": "pgoutput, test_decoding"})
        self.server.restart()
        where = f"127.0.0.1:{self.server.port}, database unfit, user tap"
        refusal = (
            'library "wal2json" may not be used as an output plugin; If it is safe for all '
            "REPLICATION users to use this library as an output plugin, add it to "
            '"output_plugin_libraries" and reload the server configuration. '
            "(SQLSTATE 42501)"
        )
        remedy = (
            "add wal2json to the setting output_plugin_libraries: ALTER SYSTEM SET "
            "output_plugin_libraries = 'pgoutput', 'test_decoding', 'wal2json', then SELECT "
            "pg_reload_conf()"
        )
        self.refused(f"replication slot {self.slot} ({where}): {refusal}: {remedy}", catalog, state)
        self.refused(
            f"replication slot new ({where}): {refusal}: {remedy}",
            catalog,
            replication_slot="new",
            create_replication_slot=True,
            before="INFO creating replication slot new: this waits for open transactions to end\n",
        )

    def test_no_free_slots(self):
        self.use({"max_replication_slots": 1})
        self.sql(ONE_TABLE)
        self.make_slot("taken")
        where = f"127.0.0.1:{self.server.port}, database unfit, user tap"
        self.refused(
            f"replication slot {self.slot} ({where}): all replication slots are in use; Free one "
            "or increase max_replication_slots. (SQLSTATE 53400): raise max_replication_slots, or "
            "drop a slot that is not in use",
            self.catalog("t"),
            create_replication_slot=True,
            before=f"INFO creating replication slot {self.slot}: this waits for open transactions "
            "to end\n",
        )

    def test_wal_removed(self):
        self.use({"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"})
        self.make_slot()
        catalog, state = self.initial_snapshot()
        self.remove_wal()
        self.refused(self.lost(*removed_wal(self.server)), catalog, state)


if __name__ == "__main__":
    unittest.main()
